#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What is deleted while it is open on another host: it stays for as long as it is open, its
# blocks are free soon after, and nobody waits for it. And two hosts that race for chunks that
# nobody holds. Two mounts in one kernel, of two disks of scsi_debug over one store.
set -uo pipefail

cd "$(dirname "$0")" || exit 1
# shellcheck source=selftests/tap.sh
. ./tap.sh
# shellcheck source=selftests/sffs/two_hosts.sh
. ./two_hosts.sh

a=/run/sffs-a b=/run/sffs-b
fsck=${ASV_BUILD:+$ASV_BUILD/user/}fsck.sffs
many=40
mkdir -p $a $b

disk_a='' disk_b=''
format()
{
	"${ASV_BUILD:+$ASV_BUILD/user/}mkfs.sffs" -q -f -n 2 -J 8M -l 20 "$disk_a"
}

mounted()
{
	mount -t sffs -o nofence "$disk_a" $a && mount -t sffs -o nofence "$disk_b" $b
}

blocks_free()
{
	stat -f -c %f "$1"
}

# Nothing but what has been open is still allocated: to 2 MiB, for tables of what is deleted.
# df looks at what other hosts have written home.
soon_free()
{
	local dir end=$((SECONDS + 10)) free
	for dir in $a $b; do
		while sync && free=$(blocks_free "$dir") && [ "$free" -lt $((before - 512)) ]; do
			[ $SECONDS -lt $end ] || {
				echo "$dir: $free blocks are free, before it were $before"
				return 1
			}
			pause 0.2
		done
	done
}

# file DIR NAME: of 4 MiB
file()
{
	dd if=/dev/zero of="$1/$2" bs=1M count=4 conv=fsync status=none
}

# a command that may not wait for the other host's files to be closed
promptly()
{
	timeout 10 "$@"
}

# ---- cases: $1 deletes what $2 has open

open_there()
{
	file "$1" x && exec 5< "$2/x" && promptly rm "$1/x" &&
		[ "$(head -c 4096 <&5 | wc -c)" = 4096 ] && exec 5<&- && soon_free
}

made_there()
{
	file "$2" x && exec 5< "$2/x" && promptly rm "$1/x" &&
		[ "$(head -c 4096 <&5 | wc -c)" = 4096 ] && exec 5<&- && soon_free
}

closed_there()
{
	file "$1" x && cat "$2/x" > "$work/x" && promptly rm "$1/x" && soon_free
}

open_on_both()
{
	file "$1" x && exec 5< "$2/x" 6< "$1/x" && promptly rm "$1/x" && exec 5<&- &&
		[ "$(head -c 4096 <&6 | wc -c)" = 4096 ] && exec 6<&- && soon_free
}

# Also while the one that deleted it asks for it.
opened_again()
{
	local i
	file "$2" x && exec 5< "$2/x" && promptly rm "$1/x" || return
	for i in $(seq 20); do
		promptly head -c 4096 /proc/self/fd/5 > "$work/x" || return
		pause 0.2
	done
	exec 5<&- && soon_free
}

# Its number is another file's by now, if the allocator gives it again, which both open for as
# long as they like.
number_again()
{
	local i ino
	file "$1" x && cat "$2/x" > "$work/x" && ino=$(stat -c %i "$1/x") &&
		promptly rm "$1/x" && soon_free || return
	for i in $(seq 130); do
		echo "$i" > "$1/more$i" || return
		[ "$(stat -c %i "$1/more$i")" != "$ino" ] || break
	done
	exec 5< "$1/more$i" &&
		promptly cat "$2/more$i" && promptly cat "$1/more$i" && exec 6< "$2/more$i" &&
		promptly cat "$1/more$i" && exec 5<&- 6<&- && rm "$1"/more*
}

several()
{
	local i fd fds=()
	mkdir -p "$2/many" || return
	for i in $(seq $many); do
		dd if=/dev/zero of="$2/many/$i" bs=256K count=1 conv=fsync status=none &&
			exec {fd}< "$2/many/$i" || return
		fds+=("$fd")
	done
	timeout 60 rm -r "$1/many" || return
	# There are locks to be had of the other host as ever.
	for i in $(seq 10); do
		promptly touch "$2/there$i" && promptly touch "$1/there$i" &&
			promptly rm "$1/there$i" || return
	done
	for fd in "${fds[@]}"; do
		exec {fd}<&-
	done
	soon_free
}

# unmounts DIR DISK OTHER
unmounts()
{
	file "$1" x && exec 5< "$3/x" && promptly rm "$1/x" && pause 1 || return
	timeout 30 umount "$1" && promptly head -c 4096 <&5 > "$work/x" && exec 5<&- || return
	mount -t sffs -o nofence "$2" "$1" && soon_free
}

# direct FILE: writes past the page cache into what is there, for some seconds
direct()
{
	local end=$((SECONDS + 5))
	exec 5< "$1"
	while [ $SECONDS -lt $end ]; do
		dd if=/dev/zero of="$1" bs=64K count=8 conv=notrunc oflag=direct status=none &&
			dd if="$1" of=/dev/null bs=64K count=8 iflag=direct status=none || return
	done
	exec 5<&-
}

# Nobody holds a chunk when both come: each opens and uses a disk of its own.
race_for_chunks()
{
	local i pid ok=0
	file $a disk_a && file $a disk_b || return
	for i in 1 2 3; do
		umount $a && umount $b && mounted || return
		( direct $a/disk_a ) & pid=$!
		( direct $b/disk_b )
		ok=$?
		wait $pid && [ $ok = 0 ] || return
		# Each gets what the other one has had.
		promptly touch $b/disk_a && promptly touch $a/disk_b || return
	done
	rm $a/disk_a $b/disk_b
}

in_order()
{
	umount $a && umount $b && "$fsck" -n -f "$disk_a"
}

baseline()
{
	pause 1
	sync
	before=$(blocks_free $a)
}

cases()
{
	local one

	# What is allocated once and stays
	mkdir $a/many && touch $a/many/{1..50} && rm -r $a/many && file $b x && rm $b/x
	baseline
	check 'number_again: a deletes, b had it open' number_again $a $b
	check 'number_again: b deletes, a had it open' number_again $b $a
	baseline
	for one in open_there made_there closed_there open_on_both opened_again several; do
		check "$one: a deletes, b has it open" "$one" $a $b
		check "$one: b deletes, a has it open" "$one" $b $a
	done
	check 'a unmounts, b has it open' unmounts $a "$disk_a" $b
	check 'b unmounts, a has it open' unmounts $b "$disk_b" $a
	check 'two race for chunks that nobody holds' race_for_chunks
	check 'fsck.sffs finds nothing' in_order
}

if ! disks 256; then
	ktap_test_fail 'two disks of scsi_debug'
elif ! { format && mounted; } > "$work/both" 2>&1; then
	cat "$work/both"
	ktap_test_fail 'two mounts'
else
	cases
fi
umount $a $b 2> /dev/null
modprobe -r scsi_debug
finish
