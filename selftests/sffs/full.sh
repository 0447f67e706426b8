#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Two hosts that want the same space, the end of the same file, and the same directories:
# two mounts in one kernel, of two disks of scsi_debug over one store.
set -uo pipefail

cd "$(dirname "$0")" || exit 1
# shellcheck source=selftests/tap.sh
. ./tap.sh
# shellcheck source=selftests/sffs/two_hosts.sh
. ./two_hosts.sh

a=/run/sffs-a b=/run/sffs-b
disk_a='' disk_b=''
mkfs=${ASV_BUILD:+$ASV_BUILD/user/}mkfs.sffs
fsck=${ASV_BUILD:+$ASV_BUILD/user/}fsck.sffs
seconds=10
rounds=10
[ -z "${ASV_LONG:-}" ] || rounds=200 seconds=600
mkdir -p $a $b

both()
{
	disks 128 && "$mkfs" -q -f -n 2 -J 4M -g 16M -l 20 "$disk_a" &&
		mount -t sffs -o nofence "$disk_a" $a && mount -t sffs -o nofence "$disk_b" $b
}

# writers: two files grow on each mount until there is no space
writers()
{
	local pids=() pid rc=0 one
	for one in $a/a1 $a/a2 $b/b1 $b/b2; do
		./pressure fill "$one" > "$work/${one##*/}" 2> "$work/${one##*/}.err" &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		wait "$pid" || rc=1
	done
	cat "$work"/[ab][12].err
	return $rc
}

# What fsync() has acknowledged on one is there on the other.
fill_up()
{
	local one rc=0 sum=0
	fallocate -l 12M $a/spare && writers || rc=1
	for one in a1 a2 b1 b2; do
		sum=$((sum + $(< "$work/$one")))
	done
	for one in a1 a2; do
		./pressure verify $b/$one "$(< "$work/$one")" || rc=1
	done
	for one in b1 b2; do
		./pressure verify $a/$one "$(< "$work/$one")" || rc=1
	done
	echo "$sum bytes"
	df $a
	# Less than the volume would say that it was called full too early.
	[ $rc -eq 0 ] && [ $sum -gt $((70 << 20)) ]
}

# enough FILE: it can grow to some MiB
enough()
{
	./pressure fill "$1" > "$work/grown" && cat "$work/grown" &&
		[ "$(< "$work/grown")" -gt $((8 << 20)) ]
}

# What one gives back the other can use: at once what only that one knew, and what both have
# had open as soon as they have agreed on its end.
reuse()
{
	rm $a/spare && enough $b/b3 && ./pressure verify $a/b3 "$(< "$work/grown")" &&
		rm $a/a1 $a/b3 $b/b1 && until_done enough $a/a3 &&
		./pressure verify $b/a3 "$(< "$work/grown")" && rm $a/[ab]*
}

# hold DIR: take the locks of all groups, again and again, until told otherwise
hold()
{
	while [ ! -e "$work/enough" ]; do
		fallocate -l 80M "$1/held"
		rm "$1/held"
	done
}

# Whoever is killed while he cuts a file off leaves nothing that comes back.
cut_killed()
{
	local rc
	rm -f "$work/enough"
	hold "$2" > /dev/null 2>&1 &
	timeout 120 ./pressure cut "$1/cut" $((2 * rounds))
	rc=$?
	: > "$work/enough"
	wait
	rm -f "$1/cut"
	return $rc
}

# Both append to a file from memory that is faulted in between.
append()
{
	local rc=0 one
	rm -f $a/log
	./pressure append $a/log one $((10 * rounds)) &
	one=$!
	./pressure append $b/log two $((10 * rounds)) || rc=1
	wait $one || rc=1
	[ $rc -eq 0 ] && ./pressure appended $a/log $((10 * rounds)) one two && cmp $a/log $b/log &&
		rm $b/log
}

# to_and_fro FROM TO NAME: move a name over and back
to_and_fro()
{
	local i
	for ((i = 0; i < rounds; i++)); do
		mv "$1/$3" "$2/$3" && mv "$2/$3" "$1/$3" || return
	done
}

# look DIR...: walk there as long as the others are at it
look()
{
	while [ ! -e "$work/enough" ]; do
		find "$@" > /dev/null 2>&1
	done
}

# Files, and then directories, move between directories in both directions at once.
renames()
{
	local rc=0 pids=() pid
	rm -f "$work/enough"
	mkdir -p $a/x/in/deep $a/y && echo 1 > $a/x/one && echo 2 > $b/y/two &&
		echo 3 > $b/x/in/deep/three && mkdir $a/x/dir_one $b/y/dir_two || return
	look $a/x $a/y &
	look $b/y $b/x &
	to_and_fro $a/x $a/y one & pids+=($!)
	to_and_fro $b/y $b/x two & pids+=($!)
	to_and_fro $b/x/in/deep $b/x three & pids+=($!)
	to_and_fro $a/x $a/x/in dir_one & pids+=($!)
	to_and_fro $b/y $b/x/in/deep dir_two & pids+=($!)
	for pid in "${pids[@]}"; do
		wait "$pid" || rc=1
	done
	: > "$work/enough"
	wait
	(cd $a && find x y | sort) > "$work/names_a"
	(cd $b && find x y | sort) > "$work/names_b"
	cat "$work/names_a"
	[ $rc -eq 0 ] && cmp "$work/names_a" "$work/names_b" && [ "$(wc -l < "$work/names_a")" = 9 ] &&
		[ "$(cat $b/x/one $a/y/two $a/x/in/deep/three)" = $'1\n2\n3' ] && rm -r $a/x $b/y
}

# Random operations from both against a model.
random() { ./cohere -t $seconds -n 20000 $a $b; }

in_order()
{
	umount $a && umount $b && "$fsck" -n -f "$disk_a"
}

no_damage()
{
	! dmesg | grep -E 'sffs:.*(run fsck|stays on the orphan|No space)'
}

dmesg -C
if both > "$work/both" 2>&1; then
	check 'random operations from both' random
	check 'renames between directories' renames
	check 'appends from memory that is not there' append
	check 'cut off and killed on a, groups wanted on b' cut_killed $a $b
	check 'cut off and killed on b, groups wanted on a' cut_killed $b $a
	check 'both fill the volume: all that was synced is there' fill_up
	check 'what one gives back the other can use' reuse
	check 'nothing reported' no_damage
	check 'fsck.sffs finds nothing' in_order
else
	sed 's/^/# /' "$work/both"
	ktap_test_fail 'two mounts'
fi
umount $a $b 2> /dev/null
finish
