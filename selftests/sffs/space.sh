#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What two hosts on one volume share besides files: its size, its free space, quota, the
# setting of reclaim, and who may do what. Two mounts in one kernel, of two disks of
# scsi_debug over one store.
set -uo pipefail

cd "$(dirname "$0")" || exit 1
# shellcheck source=selftests/tap.sh
. ./tap.sh
# shellcheck source=selftests/sffs/two_hosts.sh
. ./two_hosts.sh

a=/run/sffs-a b=/run/sffs-b
bin=${ASV_BUILD:+$ASV_BUILD/user/}
faults=/sys/kernel/debug/sffs
user=1000
mkdir -p $a $b

# both OPTIONS SIZE [MKFS-OPTION]...: a new volume of that size, mounted twice
both()
{
	local options=nofence${1:+,$1} size=$2
	shift 2
	umount $a $b 2> /dev/null
	"${bin}mkfs.sffs" -q -f -n 2 -J 8M -l 20 "$@" "$disk_a" "$size" &&
		mount -t sffs -o "$options" "$disk_a" $a && mount -t sffs -o "$options" "$disk_b" $b
}

# What both left on the disk is in order.
in_order()
{
	umount $a && umount $b && "${bin}fsck.sffs" -n -f "$disk_a"
}

size() { stat -f -c %b "$1"; }
same_size() { [ "$(size $a)" = "$(size $b)" ]; }

# full DIR NAME: make a file that takes all the space there is
full()
{
	head -c 300M /dev/urandom > "$1/$2" 2> "$work/full"
	sync -f "$1"
	cat "$work/full"
	grep -q 'No space left' "$work/full"
}

# ---- size

# grows DIR OTHER MIB: what was full there has room for $1, and $2 finds what is in it at once
grows()
{
	local before i
	before=$(size "$1")
	full "$1" "full$3" || return
	"${bin}sffs" grow "$1" "$3M" || return
	head -c 3000000 /dev/urandom > "$work/data" && cp "$work/data" "$1/data$3" &&
		mkdir "$1/many$3" || return
	for i in $(seq 100); do echo "$i" > "$1/many$3/$i" || return; done
	[ "$(cat "$2/many$3"/* | wc -l)" = 100 ] && cmp "$work/data" "$2/data$3" &&
		[ "$(size "$1")" -gt "$before" ] && until_done same_size
}

# The other one writes there, too, and this one reads it.
writes_there()
{
	cp "$work/data" "$1/there" && sync -f "$1" && cmp "$work/data" "$2/there" && rm "$2/there"
}

removes() { rm -r "$1"/full* "$1"/data* && ! ls "$2"/full* 2> /dev/null; }

# ---- the rate of reclaim

rate_is() { "${bin}sffs" df --json "$1" | grep -q "\"reclaim\": *\"*$2\"*[,}]*"; }

rate()
{
	"${bin}sffs" reclaim --rate "$3" "$1" && rate_is "$1" "$3" &&
		until_done rate_is "$2" "$3" && return
	"${bin}sffs" df --json "$1" "$2"
	return 1
}

# ---- who may do what

# A shell of a user, with its working folder on b: ask COMMAND
nobody()
{
	mkfifo "$work/ask" "$work/answer" || return
	(cd $b/place && setpriv --reuid $user --regid $user --clear-groups bash -s) \
		< "$work/ask" > "$work/answer" 2>&1 &
	exec 6> "$work/ask" 7< "$work/answer"
}

ask()
{
	local line
	echo "$* > /dev/null 2>&1; echo \$?" >&6
	read -rt 60 line <&7 || return
	echo "$*: $line"
	return "$line"
}

permissions()
{
	mkdir -p $a/place && chmod 755 $a $a/place && echo secret > $a/place/file &&
		nobody && ask cat file && ask cat $b/place/file &&
		chmod 700 $a/place && ! ask cat file &&
		chmod 755 $a/place && ask cat file &&
		chmod 700 $a && ! ask cat $b/place/file && ask cat file &&
		chmod 755 $a && ask cat $b/place/file &&
		echo exit >&6 && rm -r $a/place
}

# ---- free space

free() { stat -f -c %f "$1"; }

same_free()
{
	sync
	echo "a $(free $a), b $(free $b)"
	[ "$(free $a)" = "$(free $b)" ]
}

# df of one makes the other give nothing up: what is sent are heartbeats.
df_is_quiet()
{
	local sent i
	head -c 5M /dev/zero > $a/zeros && free $b || return
	sent=$(< $faults/ats_sent)
	for i in $(seq 50); do free $b; done > "$work/free"
	sent=$(($(< $faults/ats_sent) - sent))
	echo "$sent ATS"
	rm $a/zeros
	[ $sent -le 10 ] && until_done same_free
}

# ---- quota

used() { ./limits "$1" $user | cut -d' ' -f1; }

# as_user COMMAND: of the shell, as the user
as_user() { setpriv --reuid $user --regid $user --clear-groups bash -c "$1"; }

says_limits()
{
	local now
	now=$(./limits "$1" $user) && [ "$now" = "$2" ] && return
	echo "$1: $now, not $2"
	return 1
}

# limited DIR OTHER: what is set on one counts on the other
limited()
{
	chmod 777 $a && ./limits "$1" $user 4096 && says_limits "$2" '0 4096' &&
		as_user "head -c 3M /dev/zero > $2/three" && sync -f "$2" &&
		! as_user "head -c 3M /dev/zero > $2/more" &&
		rm "$2/three" "$2/more" && until_done says_limits "$2" '0 4096' &&
		./limits "$1" $user 0
}

# Both use some at the same time; all of it counts in the end, and fsck.sffs counts the same.
usage()
{
	local i
	./limits $a $user 1000000 || return
	for i in $(seq 10); do as_user "head -c $((i * 10000)) /dev/zero > $a/a$i"; done &
	for i in $(seq 10); do as_user "head -c $((i * 10000)) /dev/zero > $b/b$i"; done
	wait
	for i in 1 2 3; do
		rm "$a/b$i" "$b/a$i" && ./limits $b $((user + i)) "$i" &&
			./limits $a $user $((1000000 + i)) || return
	done
	sync
	as_user "head -c 1M /dev/zero > $a/last" && sync
	quotas
	until_done used_is "$(du_user)"
}

du_user() { find $a -user $user -printf '%k\n' | awk '{ s += $1 } END { print s }'; }
quotas() { ./limits $a $user; ./limits $b $user; du_user; }

used_is()
{
	echo "a $(used $a), b $(used $b), not $1"
	[ "$(used $a)" = "$1" ] && [ "$(used $b)" = "$1" ]
}

# ----

# The first and the third time only the last group becomes longer.
sizes()
{
	check 'a grows it, b sees' grows $a $b 120
	check 'b writes where it has grown' writes_there $b $a
	check 'b grows it, a sees' grows $b $a 170
	check 'a writes where it has grown' writes_there $a $b
	check 'a grows it once more, b sees' grows $a $b 200
	check 'b removes what is there' removes $b $a
	check 'a sets the rate of reclaim' rate $a $b off
	check 'b sets it' rate $b $a high
	check 'chmod counts at once' permissions
	check 'df is quiet' df_is_quiet
	check 'fsck.sffs finds nothing' in_order
}

quota()
{
	check 'a limits, b is limited' limited $a $b
	check 'b limits, a is limited' limited $b $a
	check 'usage' usage
	check 'fsck.sffs counts the same' in_order
}

disk_a='' disk_b=''
if ! disks 256; then
	ktap_test_fail 'two disks of scsi_debug'
elif ! both '' 100M -g 64M > "$work/both" 2>&1; then
	cat "$work/both"
	ktap_test_fail 'two mounts'
else
	sizes
	check 'two mounts with quota' both usrquota 200M -Q
	quota
fi
exec 6>&- 7<&-
umount $a $b 2> /dev/null
finish
