#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What a host pays for the cluster while it is alone: its heartbeat, no other ATS command while
# it works in what it holds, and one at most for a chunk of 64 inodes that it touches first.
# Counted as the commands that the SCSI layer hands to scsi_debug.
set -uo pipefail

cd "$(dirname "$0")" || exit 1
# shellcheck source=selftests/tap.sh
. ./tap.sh
# shellcheck source=selftests/sffs/two_hosts.sh
. ./two_hosts.sh

a=/run/sffs-a
mkfs=${ASV_BUILD:+$ASV_BUILD/user/}mkfs.sffs
trace=/sys/kernel/tracing
event=$trace/events/scsi/scsi_dispatch_cmd_start
files=150
disk_a='' disk_b=''
mkdir -p $a

# traced: COMPARE AND WRITE alone is noted, by its command block
traced()
{
	[ -e $trace/trace ] || mount -t tracefs tracefs $trace || return
	echo 0 > $trace/tracing_on && echo 'opcode == 0x89' > $event/filter &&
		echo 1 > $event/enable && echo 4096 > $trace/buffer_size_kb
}

# ats: where each ATS command since counting began went, a line each
ats()
{
	sed -n 's/.*raw=89 [0-9a-f]* \(\([0-9a-f]* \)\{8\}\).*/\1/p' $trace/trace
}

count()
{
	echo > $trace/trace && echo 1 > $trace/tracing_on
}

# others: how many there were that renew no heartbeat
others()
{
	echo 0 > $trace/tracing_on
	ats | grep -cvxF -- "$heartbeat"
}

# The only ATS of an idle mount, all to one place; more than one of them. What a mount begins
# with is over soon.
idle()
{
	local end=$((SECONDS + 60))
	pause 3
	count
	while [ "$(ats | wc -l)" -lt 3 ] && [ $SECONDS -lt $end ]; do
		pause 1
	done
	echo 0 > $trace/tracing_on
	ats | sort | uniq -c | tee "$work/idle"
	[ "$(wc -l < "$work/idle")" = 1 ] && [ "$(ats | wc -l)" -ge 3 ] || return
	heartbeat=$(ats | head -n 1)
}

# chunks DIR: of how many are the inodes below
chunks()
{
	find "$1" -printf '%i\n' | awk '{ print int($1 / 64) }' | sort -u | wc -l
}

make_files()
{
	local i
	for i in $(seq $files); do
		echo "$i" > "$a/dir/$i" || return
	done
}

use_files()
{
	local i
	for i in $(seq $files); do
		echo more >> "$a/dir/$i" || return
	done
	{ chmod 600 $a/dir/* && stat $a/dir/* && cat $a/dir/* && ls -l $a/dir; } > "$work/said" &&
		mv $a/dir/1 $a/dir/x && mv $a/dir/x $a/dir/1 && ln $a/dir/1 $a/dir/y &&
		rm $a/dir/y && truncate -s 100K $a/dir/2 && sync -f $a
}

read_files()
{
	find $a -type f -exec cat {} + > "$work/said"
}

# at_most NR COMMAND...
at_most()
{
	local most=$1 sent
	shift
	count
	"$@" || return
	sent=$(others)
	echo "$sent other ATS, at most $most: $*"
	[ "$sent" -le "$most" ] && return
	ats | sort | uniq -c
	return 1
}

held()
{
	at_most 0 use_files
}

# Those of other groups come on top, one each: here there are few.
made()
{
	local before after groups=8
	mkdir $a/dir || return
	before=$(chunks $a)
	count
	make_files || return
	sent=$(others)
	after=$(chunks $a)
	echo "$sent other ATS for $files files in $((after - before)) new chunks"
	[ "$sent" -le $((after - before + groups)) ] && [ "$after" -gt "$before" ]
}

first()
{
	local nr
	nr=$(chunks $a)
	umount $a && mount -t sffs -o nofence "$disk_a" $a && idle || return
	at_most "$nr" read_files
}

removed()
{
	# One for each group that it frees in
	at_most 8 rm -r $a/dir
}

heartbeat=none
if ! disks 256; then
	ktap_test_fail 'a disk of scsi_debug'
elif ! traced; then
	skip 'counting ATS commands' 'no trace events of the SCSI layer'
elif ! "$mkfs" -q -f -n 2 -J 8M -l 20 "$disk_a" || ! mount -t sffs -o nofence "$disk_a" $a; then
	ktap_test_fail 'a mount'
else
	check 'an idle host renews its heartbeat' idle
	check 'it makes files: at most one ATS for a chunk or a group' made
	check 'it works in what it holds: no ATS' held
	check 'it reads files after a mount: at most one ATS for a chunk' first
	check 'it removes files: at most one ATS for a group' removed
fi
umount $a 2> /dev/null
modprobe -r scsi_debug
finish
