#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Two hosts on one volume see each other's files: two mounts in one kernel, of two disks of
# scsi_debug over one store. What one does the other sees at once.
set -uo pipefail

cd "$(dirname "$0")" || exit 1
# shellcheck source=selftests/tap.sh
. ./tap.sh
# shellcheck source=selftests/sffs/two_hosts.sh
. ./two_hosts.sh

a=/run/sffs-a b=/run/sffs-b
mkfs=${ASV_BUILD:+$ASV_BUILD/user/}mkfs.sffs
fsck=${ASV_BUILD:+$ASV_BUILD/user/}fsck.sffs
rounds=20
[ -z "${ASV_LONG:-}" ] || rounds=200
mkdir -p $a $b

both()
{
	"$mkfs" -q -f -n 2 -J 8M -l 20 "$disk_a" &&
		mount -t sffs -o nofence "$disk_a" $a && mount -t sffs -o nofence "$disk_b" $b
}

# ---- cases: each in both directions, $1 does and $2 sees

create() { gone "$2/new" && echo made > "$1/new" && says "$2/new" made; }
write() { echo changed > "$1/new" && says "$2/new" changed; }
append() { echo more >> "$1/new" && says "$2/new" $'changed\nmore'; }
cut() { truncate -s 3 "$1/new" && says "$2/new" cha && [ "$(stat -c %s "$2/new")" = 3 ]; }
mode() { chmod 640 "$1/new" && [ "$(stat -c %a "$2/new")" = 640 ]; }
attribute()
{
	setfattr -n user.who -v "$1" "$1/new" &&
		[ "$(getfattr --absolute-names --only-values -n user.who "$2/new" 2>&1)" = "$1" ]
}
move() { mv "$1/new" "$1/moved" && gone "$2/new" && says "$2/moved" cha; }
hard_link()
{
	ln "$1/moved" "$1/second" && says "$2/second" cha && [ "$(stat -c %h "$2/moved")" = 2 ]
}
unlink() { rm "$1/second" && gone "$2/second" && rm "$1/moved" && gone "$2/moved"; }
folders()
{
	mkdir -p "$1/one/two" && echo deep > "$1/one/two/three" && says "$2/one/two/three" deep &&
		mv "$1/one/two" "$1/" && gone "$2/one/two" && says "$2/two/three" deep &&
		rm "$2/two/three" && rmdir "$2/two" "$2/one" && gone "$1/two" && gone "$1/one"
}
soft_link() { ln -s to "$1/link" && [ "$(readlink "$2/link")" = to ] && rm "$2/link"; }

# Blocks of data, past the page cache and through it.
data()
{
	head -c 3000000 /dev/urandom > "$work/data" && cp "$work/data" "$1/data" &&
		cmp "$work/data" "$2/data" &&
		dd if="$work/data" of="$2/data" bs=4096 skip=7 seek=1 count=100 conv=notrunc \
			oflag=direct status=none &&
		dd if="$work/data" of="$work/same" bs=64K status=none &&
		dd if="$work/data" of="$work/same" bs=4096 skip=7 seek=1 count=100 conv=notrunc \
			status=none &&
		cmp "$work/same" "$1/data" &&
		dd if="$1/data" bs=64K iflag=direct status=none | cmp - "$work/same" &&
		rm "$2/data" && gone "$1/data"
}

# Who has a file open keeps it, wherever it is unlinked.
open_unlinked()
{
	echo kept > "$1/open" && exec 5< "$1/open" && rm "$2/open" && gone "$1/open" &&
		[ "$(cat <&5)" = kept ] && exec 5<&-
}

# Both append to one file: no line is lost.
race_append()
{
	local i
	rm -f "$1/log"
	for i in $(seq "$rounds"); do echo "one $i" >> "$1/log"; done &
	for i in $(seq "$rounds"); do echo "two $i" >> "$2/log"; done
	wait
	wc -l "$1/log" "$2/log"
	[ "$(wc -l < "$1/log")" = $((2 * rounds)) ] && cmp "$1/log" "$2/log" && rm "$1/log"
}

# names PREFIX: make names, and remove each third
names()
{
	local i
	for i in $(seq "$rounds"); do
		echo "$i" > "$1$i"
		[ $((i % 3)) -ne 0 ] || rm "$1$i"
	done
}

# Both make and remove names in one folder.
race_names()
{
	mkdir "$1/names"
	names "$1/names/one" &
	names "$2/names/two"
	wait
	ls "$1/names" > "$work/first" && ls "$2/names" > "$work/second" &&
		cmp "$work/first" "$work/second" &&
		[ "$(wc -l < "$work/first")" = $((2 * (rounds - rounds / 3))) ] &&
		rm -r "$2/names" && gone "$1/names"
}

# What both left on the disk is in order.
in_order()
{
	umount $a && umount $b && "$fsck" -n -f "$disk_a"
}

# The first go on with what the one before has left.
cases()
{
	local one steps='create write append cut mode attribute move hard_link unlink'

	for one in $steps; do
		check "$one: a does, b sees" "$one" $a $b
	done
	for one in $steps; do
		check "$one: b does, a sees" "$one" $b $a
	done
	for one in folders soft_link data open_unlinked race_append race_names; do
		check "$one: a does, b sees" "$one" $a $b
		check "$one: b does, a sees" "$one" $b $a
	done
}

disk_a='' disk_b=''
if ! disks 256; then
	ktap_test_fail 'two disks of scsi_debug'
elif ! both > "$work/both" 2>&1; then
	cat "$work/both"
	ktap_test_fail 'two mounts'
else
	cases
	check 'fsck.sffs finds nothing' in_order
fi
umount $a $b 2> /dev/null
finish
