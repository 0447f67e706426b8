#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Fencing, over iSCSI: this host is the target, Linux's own, and two initiators, each with
# a disk of its own on the one LUN. Keys and reservation are looked at where the target has
# them, and a host that was fenced is heard trying to write.
set -uo pipefail

cd "$(dirname "$0")" || exit 1
# shellcheck source=selftests/tap.sh
. ./tap.sh
# shellcheck source=selftests/sffs/two_hosts.sh
. ./two_hosts.sh

lease=3			# s
a=/run/sffs-a b=/run/sffs-b
mkfs=${ASV_BUILD:+$ASV_BUILD/user/}mkfs.sffs
core=/sys/kernel/config/target/core/fileio_0/lun
keys=$core/pr/res_pr_registered_i_pts
iqn=iqn.2026-11.asv.test
disk_a='' disk_b=''

# disk INITIATOR: of its session
disk()
{
	local session dir
	for session in /sys/class/iscsi_session/*; do
		[ "$(< "$session/initiatorname")" = "$iqn:$1" ] || continue
		for dir in "$session"/device/target*/*:0/block/*; do
			[ ! -e "$dir" ] || echo "/dev/${dir##*/}"
		done
	done 2> /dev/null
}

login()
{
	iscsistart -i "$iqn:$1" -t "$iqn:lun" -g 1 -a "$2" -p 3260
}

target()
{
	local group=/sys/kernel/config/target/iscsi/$iqn:lun/tpgt_1

	modprobe -a configfs target_core_mod target_core_file iscsi_target_mod iscsi_tcp sd_mod ||
		return
	mountpoint -q /sys/kernel/config || mount -t configfs none /sys/kernel/config || return
	ip link set lo up
	# Where it keeps the keys of APTPL.
	mkdir -p /etc/target/pr /var/target/pr $a $b $core || return
	truncate -s 64M "$work/lun"
	echo "fd_dev_name=$work/lun,fd_dev_size=67108864" > $core/control &&
		echo 1 > $core/enable && echo 1 > $core/attrib/emulate_write_cache &&
		mkdir -p "$group/lun/lun_0" && ln -s $core "$group/lun/lun_0/lun" &&
		mkdir "$group/np/0.0.0.0:3260" || return
	echo 0 > "$group/attrib/authentication"
	echo 1 > "$group/attrib/generate_node_acls"
	echo 0 > "$group/attrib/demo_mode_write_protect"
	echo 1 > "$group/attrib/cache_dynamic_acls"
	echo 1 > "$group/enable"
}

setup()
{
	local end=$((SECONDS + 60))

	modprobe sffs && target && login a 127.0.0.1 && login b 127.0.0.2 || return
	while [ $SECONDS -lt $end ]; do
		disk_a=$(disk a) disk_b=$(disk b)
		[ ! -b "$disk_a" ] || [ ! -b "$disk_b" ] || return 0
		pause 0.1
	done
	return 1
}

# The last MiBs of the LUN are not the volume's.
fresh()
{
	umount $a $b 2> /dev/null
	reachable "$disk_a" yes
	reachable "$disk_b" yes
	# What a case that failed left there keeps nobody from writing.
	./preempt "$disk_b" clear
	"$mkfs" -q -f -n 2 -J 4M -l $lease "$disk_a" 56M
}

write_beside()
{
	dd if=/dev/zero of="$1" bs=4k seek=15000 count=1 oflag=direct 2>&1
}

# registered INITIATOR: how many keys it has
registered()
{
	grep -c "Node: $iqn:$1," "$keys"
}

key_of()
{
	sed -n "s/.*Node: $iqn:$1,.*Key: \(0x[0-9a-f]*\).*/\1/p" "$keys"
}

# ---- cases

registers()
{
	fresh && mount -t sffs "$disk_a" $a || return
	[ "$(registered a)" = 1 ] && [ "$(registered b)" = 0 ] &&
		grep -q 'Write Exclusive Access, All Registrants' $core/pr/res_pr_type &&
		write_beside "$disk_a" && ! write_beside "$disk_b" || return
	umount $a && [ "$(registered a)" = 0 ] && write_beside "$disk_b"
}

# The first holder goes, another one comes: the reservation stays with whoever is there.
passes_on()
{
	local key

	fresh && mount -t sffs "$disk_a" $a || return
	key=$(key_of a)
	echo one > $a/file && umount $a && mount -t sffs "$disk_b" $b || return
	[ "$(< $b/file)" = one ] && [ "$(key_of b)" != "$key" ] && ! write_beside "$disk_a" &&
		umount $b
}

fences_the_dead()
{
	fresh && mount -t sffs "$disk_a" $a && echo kept > $a/file && sync -f $a || return
	reachable "$disk_a" no
	mount -t sffs "$disk_b" $b && [ "$(< $b/file)" = kept ] || return
	[ "$(registered a)" = 0 ] && [ "$(registered b)" = 1 ] || return
	# It comes back, and writes late: the LUN refuses.
	reachable "$disk_a" yes
	! write_beside "$disk_a" && echo more > $b/file && umount $a && umount $b
}

# Somebody takes the key of a living host: it stops at once, not at the end of its lease.
fenced_alive()
{
	fresh && mount -t sffs "$disk_a" $a || return
	dmesg -C
	./preempt "$disk_b" "$(key_of a)" && stopped $a && umount $a || return
	dmesg | grep -q "${disk_a##*/}: shut down: it was fenced"
}

# All keys and the reservation are gone, as after a reset, and sd was told of it instead: no
# command is refused, so only looking for the key tells.
keys_lost()
{
	fresh && mount -t sffs "$disk_a" $a || return
	dmesg -C
	./preempt "$disk_b" clear || return
	dd if="$disk_a" of=/dev/null bs=4k count=1 iflag=direct 2> /dev/null
	stopped $a && umount $a || return
	dmesg | grep -q "${disk_a##*/}: shut down: it was fenced"
}

# A key that an earlier start of this host left is no obstacle; a foreign reservation is.
other_reservation()
{
	fresh && ./preempt "$disk_b" reserve || return
	dmesg -C
	! mount -t sffs "$disk_a" $a && dmesg | grep -q 'reserved by something else' || return
	./preempt "$disk_b" release && mount -t sffs "$disk_a" $a && umount $a
}

# Where the target has no place for keys, APTPL fails.
without_aptpl()
{
	rm -rf /etc/target/pr /var/target/pr
	dmesg -C
	fresh && mount -t sffs "$disk_a" $a && [ "$(registered a)" = 1 ] &&
		dmesg | grep -q 'does not keep keys over a loss of its power' && umount $a
	local rc=$?
	mkdir -p /etc/target/pr /var/target/pr
	return $rc
}

if ! command -v iscsistart > /dev/null; then
	skip 'fencing' 'no iscsistart (open-iscsi)'
	finish
fi
if ! setup > "$work/setup" 2>&1; then
	sed 's/^/# /' "$work/setup"
	ktap_test_fail 'setup'
	finish
fi
check 'a mount registers its key and reserves the LUN' registers
check 'the reservation outlives its first holder' passes_on
check 'a dead host is fenced, and its late writes are refused' fences_the_dead
check 'a host whose key is taken stops' fenced_alive
check 'a host stops when all keys are lost' keys_lost
check 'a LUN that something else has reserved' other_reservation
check 'a target that does not keep keys' without_aptpl
finish
