#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A volume on a LUN that two hosts see: two disks of scsi_debug over one store, and a
# mount of each in one kernel, without fencing, for scsi_debug has no PERSISTENT RESERVE.
# Slots, heartbeat and lease, a node that is cut off, one that dies, and recovery; all of
# it once more while ATS commands fail and lie.
set -uo pipefail

cd "$(dirname "$0")" || exit 1
# shellcheck source=selftests/tap.sh
. ./tap.sh
# shellcheck source=selftests/sffs/two_hosts.sh
. ./two_hosts.sh

lease=5000		# ms; short ones end by themselves on a busy machine
faults=/sys/kernel/debug/sffs
slack=0				# of time limits, ms
slots=2
a=/run/sffs-a b=/run/sffs-b
mkfs=${ASV_BUILD:+$ASV_BUILD/user/}mkfs.sffs
mkdir -p $a $b

fresh()
{
	umount $a $b 2> /dev/null
	reachable "$disk_a" yes
	reachable "$disk_b" yes
	"$mkfs" -q -f -n $slots -J 4M -l $((lease / 1000)) "$disk_a"
}

mount_a() { mount -t sffs -o nofence "$disk_a" $a; }
mount_b() { mount -t sffs -o nofence "$disk_b" $b; }

# What no test provokes, before the log is emptied
log_again()
{
	dmesg | grep -E 'debugfs:|sysfs:|workqueue:|is damaged|recovery of slot .* failed' \
		>> "$work/unexpected"
	dmesg -C
}

expected()
{
	log_again
	[ -s "$work/unexpected" ] || return 0
	cat "$work/unexpected"
	return 1
}

# refused TEXT COMMAND...: it fails, and the kernel's log has TEXT
refused()
{
	local text=$1
	shift
	log_again
	! "$@" && dmesg | grep -q -- "$text" && return
	dmesg
	return 1
}

# within MS COMMAND...
within()
{
	local limit=$1 start
	start=$(now)
	shift
	"$@" || return
	start=$(($(now) - start))
	echo "$start ms: $*" | tee -a "$work/times"
	[ $start -le $((limit + slack)) ]
}

setup() { disks 64 sector_size="$1"; }

clean()
{
	umount $a $b 2> /dev/null
	modprobe -r scsi_debug
}

# ---- cases

needs_fencing()
{
	fresh && refused 'PERSISTENT RESERVE' mount -t sffs "$disk_a" $a
}

one_after_the_other()
{
	fresh && mount_a && echo one > $a/file && umount $a &&
		within 2000 mount_b && [ "$(< $b/file)" = one ] && umount $b
}

two_at_a_time()
{
	fresh && mount_a && mount_b && echo still > $a/file && says $b/file still && umount $a &&
		echo more > $b/file && mount_a && says $a/file more && umount $a $b
}

no_local_mount()
{
	fresh && mount_a &&
		refused 'has the volume mounted' mount -t sffs -o local "$disk_b" $b &&
		umount $a
}

# A local mount has no key and heeds none: it is seen before anything is changed.
beside_local()
{
	fresh && mount -t sffs -o local "$disk_a" $a || return
	refused 'has the volume mounted (slot 0)' mount_b &&
		! dmesg | grep -q "${disk_b##*/}: slot" &&
		echo still > $a/file && sync -f $a && umount $a
}

# A node died while it recovered another one; there is a third slot to come back in.
died_recovering()
{
	local rc

	slots=4
	fresh
	rc=$?
	slots=2
	[ $rc -eq 0 ] && mount_a && echo kept > $a/file && sync -f $a || return
	reachable "$disk_a" no
	stopped $a && umount $a && ./orphaned "$disk_b" || return
	log_again
	mount_b && dmesg | grep -q 'replayed the journal of slot 1' &&
		dmesg | grep -q 'replayed the journal of slot 0' && [ "$(< $b/file)" = kept ] &&
		umount $b
}

cut_off()
{
	fresh && mount_a || return
	echo kept > $a/file && sync -f $a || return
	reachable "$disk_a" no
	within $((lease + 5000)) stopped $a || return
	dmesg | grep -q "${disk_a##*/}: shut down: the lease has ended" || return
	# It does not come back when the path does.
	reachable "$disk_a" yes
	pause 1
	! touch $a/more || return
	mount_b && [ "$(< $b/file)" = kept ] && umount $b && umount $a
}

died()
{
	fresh && mount_a || return
	echo kept > $a/file && sync -f $a || return
	reachable "$disk_a" no
	log_again
	within $((2 * lease + 5000)) mount_b || return
	dmesg | grep -q 'replayed the journal of slot 0' || return
	[ "$(< $b/file)" = kept ] && echo new > $b/new || return
	reachable "$disk_a" yes
	stopped $a && umount $a
	# Its place is free again.
	log_again
	umount $b && mount_a && dmesg | grep -q 'slot 0, incarnation 3' && [ "$(< $a/new)" = new ] &&
		umount $a
}

# Both slots are those of the dead: a mount takes one of them.
all_dead()
{
	fresh && mount_a && echo kept > $a/file && sync -f $a || return
	reachable "$disk_a" no
	mount_b && echo more > $b/more && sync -f $b || return
	reachable "$disk_b" no
	stopped $a && stopped $b && umount $a && umount $b || return
	reachable "$disk_a" yes
	within $((2 * lease + 5000)) mount_a && [ "$(< $a/file)" = kept ] &&
		[ "$(< $a/more)" = more ] && umount $a
}

# fault NAME ONE-IN: what befalls ATS commands
fault() { echo "$2" > "$faults/$1"; }

no_faults()
{
	local name
	for name in ats_{failed,lost,attention,late,twice,held,stuck} back_conflict \
		probe_{conflict,attention}; do
		fault "$name" 0
	done
	fault late_ms 1000
}

# A node that only renews its slot sends one ATS at each heartbeat.
idle()
{
	local sent
	fresh && mount_a || return
	sent=$(< $faults/ats_sent)
	pause $((lease / 1000))
	sent=$(($(< $faults/ats_sent) - sent))
	echo "$sent ATS in $lease ms"
	umount $a && [ $sent -ge 3 ] && [ $sent -le 7 ]
}

# Whatever is told of a command: the slot is renewed, passed on and recovered as before.
faulty()
{
	local rc=0 hits
	hits=$(< "$faults/hits/$1")
	fault "$1" "$2"
	slack=20000
	one_after_the_other && died || rc=1
	slack=0
	no_faults
	hits=$(($(< "$faults/hits/$1") - hits))
	echo "$1 struck $hits times"
	[ $rc -eq 0 ] && [ $hits -gt 0 ]
}

# When no ATS works the lease ends, as if the path were gone.
no_ats()
{
	fresh && mount_a || return
	fault ats_lost 1
	within $((lease + 5000)) stopped $a
	local rc=$?
	no_faults
	umount $a && [ $rc -eq 0 ] && mount_a && umount $a
}

# lease_over: the mount on disk_a has shut down for that
lease_over()
{
	local end=$((SECONDS + 60))
	until dmesg | grep -q "${disk_a##*/}: shut down: the lease has ended"; do
		[ $SECONDS -lt $end ] || return 1
		pause 0.1
	done
}

# held MS: ATS commands get their tag so late. After the lease they are not sent any more,
# neither those that were given up nor those that were just begun when it ended.
held()
{
	local rc sent
	fresh && mount_a || return
	dmesg -C
	fault late_ms "$1"
	fault ats_held 1
	reachable "$disk_a" no
	within $((lease + 5000)) lease_over
	rc=$?
	sent=$(< $faults/ats_sent)
	pause $((lease / 1000 + 2))
	sent=$(($(< $faults/ats_sent) - sent))
	no_faults
	umount $a
	echo "$sent ATS after the end of the lease"
	[ $rc -eq 0 ] && [ $sent -eq 0 ]
}

# The SCSI layer keeps every command for longer than the lease: what it does not tell is read.
stuck()
{
	local rc=0
	fresh && mount_a || return
	fault late_ms $((2 * lease))
	fault ats_stuck 1
	pause $((2 * lease / 1000))
	touch $a/file || rc=1
	no_faults
	umount $a && [ $rc -eq 0 ]
}

# A read-back that is refused for want of a key is looked into at once.
back_conflict()
{
	local rc
	fresh && mount_a || return
	fault back_conflict 1
	fault ats_failed 1
	stopped $a
	rc=$?
	no_faults
	umount $a
	[ $rc -eq 0 ] && dmesg | grep -q 'shut down: the LUN is reserved for others'
}

probe()
{
	local news rc=0
	fresh || return
	fault probe_conflict 1
	refused 'another volume or host has reserved the LUN' mount_a || rc=1
	no_faults
	news=$(< $faults/news)
	fault probe_attention 1
	refused 'cannot try COMPARE AND WRITE' mount_a || rc=1
	no_faults
	[ $rc -eq 0 ] && [ "$(< $faults/news)" -gt "$news" ] && mount_a && umount $a
}

# around: a sum of what is before and behind the partition
around()
{
	{ dd if="$disk_a" bs=1M count=1 iflag=direct &&
		dd if="$disk_a" bs=1M skip=50 iflag=direct; } 2> /dev/null | sha256sum
}

# Its records are where it begins, and nothing beside it is touched.
partition()
{
	local part=${disk_a}1 before rc
	umount $a $b 2> /dev/null
	addpart "$disk_a" 1 2048 $((49 * 2048)) || return
	before=$(around)
	"$mkfs" -q -f -n 2 -J 4M -l $((lease / 1000)) "$part" &&
		refused 'no fencing on a partition' mount -t sffs "$part" $a &&
		mount -t sffs -o nofence "$part" $a && echo kept > $a/file && pause 3 &&
		umount $a && [ "$(around)" = "$before" ]
	rc=$?
	umount $a 2> /dev/null
	delpart "$disk_a" 1
	return $rc
}

# A bit of all of that at once.
all_faults()
{
	local name rc=0
	for name in failed lost attention late twice; do
		fault ats_$name 8
	done
	slack=20000
	one_after_the_other || rc=1
	slack=0
	no_faults
	return $rc
}

basic()
{
	check "$size: no cluster mount without fencing, unless it is asked for" needs_fencing
	check "$size: one host after the other" one_after_the_other
	check "$size: two hosts at a time" two_at_a_time
	check "$size: no node beside a local mount" beside_local
	check "$size: a dead host's slot is recovered" died
	check "$size: one host after the other, with faults" all_faults
}

more()
{
	local name

	check "$size: no local mount beside a node" no_local_mount
	check "$size: a host that is cut off stops at the end of its lease" cut_off
	check "$size: all hosts dead, all slots taken" all_dead
	check "$size: a host that dies in a recovery" died_recovering
	check "$size: a node that does nothing" idle
	check "$size: the end of the lease without any ATS" no_ats
	check "$size: no ATS after the end of the lease" held $((lease / 5))
	check "$size: no ATS after the end of the lease, long given up" held $((lease + 2000))
	check "$size: commands that the SCSI layer keeps" stuck
	check "$size: a conflict at a read-back" back_conflict
	check "$size: conflicts and attentions in the probe" probe
	check "$size: a partition" partition
	for name in failed lost attention late twice; do
		check "$size: ATS with fault: $name" faulty ats_$name 3
	done
	check "$size: ATS that is always done twice" faulty ats_twice 1
}

# What other tests have left there is not of these.
dmesg -C
sizes=512
[ -z "${ASV_LONG:-}" ] || sizes='512 4096'
for size in $sizes; do
	setup "$size" || { ktap_test_fail "$size: two disks of scsi_debug"; continue; }
	basic
	[ -z "${ASV_LONG:-}" ] || more
	clean
done
check 'no other message of the kernel' expected
[ ! -e "$work/times" ] || sed 's/^/# /' "$work/times"
finish
