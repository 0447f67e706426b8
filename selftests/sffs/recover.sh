#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A host dies while another one works on: two mounts in one kernel, of two disks of scsi_debug
# over one store, one of which is cut off. What it had synced is there, what it had locked can
# be had, and what it had deleted or cut is free soon, while the other goes on.
set -uo pipefail

cd "$(dirname "$0")" || exit 1
# shellcheck source=selftests/tap.sh
. ./tap.sh
# shellcheck source=selftests/sffs/two_hosts.sh
. ./two_hosts.sh

a=/run/sffs-a b=/run/sffs-b c=/run/sffs-c
faults=/sys/kernel/debug/sffs
mkfs=${ASV_BUILD:+$ASV_BUILD/user/}mkfs.sffs
fsck=${ASV_BUILD:+$ASV_BUILD/user/}fsck.sffs
sffs=${ASV_BUILD:+$ASV_BUILD/user/}sffs
lease=5000
# The lease and its margin, and what a busy machine takes
soon=$((lease + lease / 8 + 5000))
slots=2
mkdir -p $a $b $c
disk_a='' disk_b='' disk_c=''

mount_a() { mount -t sffs -o nofence "$disk_a" $a; }
mount_b() { mount -t sffs -o nofence "$disk_b" $b; }

both()
{
	umount $a $b $c 2> /dev/null
	reachable "$disk_a" yes
	reachable "$disk_b" yes
	reachable "$disk_c" yes
	"$mkfs" -q -f -n $slots -J 4M -l $((lease / 1000)) "$disk_a" && mount_a && mount_b
}

used() { df --output=used -B 4096 "$1" | tail -n 1; }
# used_is DIR BLOCKS: no more of them. Chunks of inodes stay, of some 100 blocks each.
used_is() { [ "$(used "$1")" -le "$2" ]; }
said() { dmesg | grep -q -- "$1"; }

third() { disk_c=$(lun 2) && [ -b "$disk_c" ]; }

# dies DISK: its host does
dies()
{
	reachable "$1" no
}

# buried DISK DIR: the dead mount goes
buried()
{
	stopped "$2" && umount "$2"
	local rc=$?
	reachable "$1" yes
	return $rc
}

# A keeps working all the time: no write of it takes longer than recovery may.
works()
{
	local i=0
	while [ -e "$work/working" ]; do
		timeout $((soon / 1000 + 5)) dd if=/dev/zero of=$a/own bs=4096 count=4 \
			conv=fsync status=none || return
		i=$((i + 1))
		pause 0.05
	done
	echo "$i writes"
	[ $i -gt 0 ]
}

# Unlinked but open, cut, synced, and locked in each way there is.
legacy()
{
	local before
	both && echo held > $a/held && sync -f $a || return
	before=$(used $a)
	mkdir $b/folder && echo synced > $b/folder/file && echo more >> $b/held &&
		head -c 16M /dev/urandom > $b/gone && sync $b/gone && exec 7< $b/gone &&
		rm $b/gone && head -c 1M /dev/urandom > "$work/data" &&
		cp "$work/data" $b/data && sync -f $b || return
	echo "$before blocks before, $(used $a) with what is deleted"
	! used_is $a $((before + 1000)) || return
	dmesg -C
	touch "$work/working"
	works > "$work/works" 2>&1 &
	dies "$disk_b"
	within $soon until_done said 'replayed the journal of slot 1' &&
		within 3000 says $a/folder/file synced && says $a/held $'held\nmore' &&
		cmp "$work/data" $a/data && echo mine >> $a/folder/file && rm $a/held $a/data &&
		within 20000 until_done used_is $a $((before + 1000))
	local rc=$?
	used $a
	rm "$work/working"
	wait $! || rc=1
	cat "$work/works"
	exec 7<&-
	buried "$disk_b" $b || rc=1
	# The slot and what it left can be had again.
	mount_b && says $b/folder/file $'synced\nmine' && umount $a $b &&
		"$fsck" -n -f "$disk_a" && [ $rc -eq 0 ]
}

# deleted_then_dead: both have deleted files open when B dies
deleted_then_dead()
{
	local i rc before
	before=$(used $a)
	for i in 1 2 3 4 5 6 7 8; do
		head -c 1M /dev/zero > $a/a$i && head -c 1M /dev/zero > $b/b$i || return
	done
	sync -f $a && sync -f $b
	exec 5< $a/a1 6< $a/a2 7< $b/b1 8< $b/b2
	rm $a/a? $b/b? && sync -f $b || return
	dmesg -C
	dies "$disk_b"
	within $soon until_done said 'replayed the journal of slot 1'
	rc=$?
	exec 5<&- 6<&-
	within 20000 until_done used_is $a $((before + 300)) || rc=1
	exec 7<&- 8<&-
	buried "$disk_b" $b && [ $rc -eq 0 ]
}

# A's own list of deleted files goes on beside the one that it takes over, also the second time.
own_orphans()
{
	both && deleted_then_dead && mount_b && deleted_then_dead && umount $a && "$fsck" -n -f "$disk_a"
}

# A unmounts at once, or dies itself, when it has taken over what B left.
then_goes()
{
	local rc before
	both && before=$(used $a) && head -c 4M /dev/zero > $b/gone && sync $b/gone &&
		exec 7< $b/gone && rm $b/gone && sync -f $b || return
	dmesg -C
	dies "$disk_b"
	within $soon until_done said 'replayed the journal of slot 1'
	rc=$?
	if [ "$1" = unmounts ]; then
		within 10000 umount $a || rc=1
		exec 7<&-
		buried "$disk_b" $b || rc=1
	else
		dies "$disk_a"
		exec 7<&-
		buried "$disk_b" $b || rc=1
		buried "$disk_a" $a || rc=1
	fi
	within $((2 * soon)) mount_a && until_done used_is $a $((before + 300)) &&
		umount $a && "$fsck" -n -f "$disk_a" && [ $rc -eq 0 ]
}

# Both are dead when the next one comes.
both_dead()
{
	local before
	both && before=$(used $a) && echo one > $a/one && echo two > $b/two &&
		head -c 4M /dev/zero > $b/gone && sync $b/gone && exec 7< $b/gone &&
		rm $b/gone && sync -f $a && sync -f $b || return
	dies "$disk_a"
	dies "$disk_b"
	exec 7<&-
	buried "$disk_a" $a && buried "$disk_b" $b && within $((2 * soon)) mount_b &&
		says $b/one one && says $b/two two && until_done used_is $b $((before + 300)) &&
		mount_a && says $a/two two && umount $a $b && "$fsck" -n -f "$disk_a"
}

# The disk of the host that recovers another one
recoverer() { dmesg | sed -n 's/.*sffs: \(sd[a-z]*\): host .*; recovering it.*/\1/p' | head -n 1; }
is_recovering() { [ -n "$(recoverer)" ]; }

# B dies, then A or C, which recovers it, in the middle: the third recovers both.
recoverer_dies()
{
	local rc disk dir other before
	slots=4
	both && mount -t sffs -o nofence "$disk_c" $c
	rc=$?
	slots=2
	[ $rc -eq 0 ] && before=$(used $a) && echo two > $b/two &&
		head -c 4M /dev/zero > $b/gone && sync $b/gone && exec 7< $b/gone &&
		rm $b/gone && echo one > $a/one && echo three > $c/three || return
	sync -f $a && sync -f $b && sync -f $c || return
	dmesg -C
	dies "$disk_b"
	# Each ATS takes its time: the recovery is not over when its host dies.
	echo 700 > $faults/late_ms
	echo 1 > $faults/ats_late
	until_done is_recovering
	rc=$?
	disk=/dev/$(recoverer)
	echo "$disk recovers"
	dies "$disk"
	echo 0 > $faults/ats_late
	echo 1000 > $faults/late_ms
	exec 7<&-
	dir=$a other=$c
	[ "$disk" = "$disk_a" ] || { dir=$c other=$a; }
	dmesg -C
	within $((2 * soon)) until_done said 'replayed the journal of slot' &&
		says $other/one one && says $other/two two && says $other/three three &&
		until_done used_is $other $((before + 300)) || rc=1
	buried "$disk_b" $b || rc=1
	buried "$disk" $dir || rc=1
	umount $other && "$fsck" -n -f "$disk_a" && [ $rc -eq 0 ]
}

# busy COMMAND...: it fails for that
busy()
{
	! LC_ALL=C "$@" > "$work/busy" 2>&1 && grep -qi busy "$work/busy" && return
	cat "$work/busy"
	return 1
}
owner_is() { "$sffs" owner "$1" | grep -q "$(uname -n)"; }

# A virtual disk is its owner's until that has been recovered.
owned()
{
	both && truncate -s 1M $a/disk && "$sffs" owner --take $a/disk && owner_is $b/disk || return
	busy "$sffs" owner --take $b/disk && busy dd if=$b/disk of=/dev/null count=1 &&
		busy rm $b/disk && busy truncate -s 0 $b/disk && stat $b/disk > /dev/null &&
		dd if=$a/disk of=/dev/null count=1 status=none || return
	dies "$disk_a"
	until_done "$sffs" owner --take $b/disk && dd if=$b/disk of=/dev/null count=1 status=none &&
		owner_is $b/disk
	local rc=$?
	buried "$disk_a" $a && mount_a && busy rm $a/disk && "$sffs" owner --release $b/disk &&
		rm $a/disk && umount $a $b && [ $rc -eq 0 ]
}

# What another host has freed of A's list is no damage when A comes again.
freed_elsewhere()
{
	both && echo held > $a/held && exec 7< $b/held && rm $a/held || return
	exec 7<&-
	echo 2 > /proc/sys/vm/drop_caches
	sync -f $b && umount $a && dmesg -C && mount_a && echo more > $a/more && umount $a $b &&
		! said 'impossible\|is none' && "$fsck" -n -f "$disk_a"
}

# What keeps no other host out is refused.
no_file_locks()
{
	both && touch $a/file && ! flock -n $a/file true && ! flock -n -s $b/file true &&
		umount $a $b && mount -t sffs -o local "$disk_a" $a && flock -n $a/file true &&
		umount $a
}

local_alone()
{
	both && umount $b && ! mount -t sffs -o local "$disk_b" $b && umount $a &&
		! mount -t sffs -o local,nofence "$disk_b" $b
}

# A local mount and one in a cluster at the same moment: one of them at most comes up.
race_local()
{
	local i up
	both && umount $a $b || return
	for i in 1 2 3; do
		mount -t sffs -o local "$disk_b" $b 2> /dev/null &
		mount_a 2> /dev/null
		wait
		up=$(grep -c " /run/sffs-[ab] sffs " /proc/mounts)
		echo "$up came up"
		[ "$up" -le 1 ] || return
		umount $a $b 2> /dev/null
	done
	"$fsck" -n -f "$disk_a"
}

if disks 128 add_host=3 && until_done third; then
	check 'a host dies: space, locks and files are there, the other works on' legacy
	check 'a host dies beside deleted files of the other' own_orphans
	check 'the one that recovered it unmounts at once' then_goes unmounts
	check 'the one that recovered it dies' then_goes dies
	check 'both hosts are dead' both_dead
	check 'a host dies in the middle of a recovery' recoverer_dies
	check 'the owner of a virtual disk' owned
	check 'a deleted file that the other host had open' freed_elsewhere
	check 'no file locks that other hosts do not know of' no_file_locks
	check 'a local mount is alone' local_alone
	check 'a local mount at the same moment' race_local
else
	ktap_test_fail 'two disks of scsi_debug'
fi
umount $a $b $c 2> /dev/null
finish
