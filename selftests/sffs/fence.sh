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
# shellcheck source=selftests/sffs/iscsi.sh
. ./iscsi.sh

lease=3			# s
a=/run/sffs-a b=/run/sffs-b
mkfs=${ASV_BUILD:+$ASV_BUILD/user/}mkfs.sffs
mkdir -p $a $b

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
if ! luns 64 > "$work/setup" 2>&1; then
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
