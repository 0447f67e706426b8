#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# refuse.sh: what must not be leased is refused with its own reason, and is left as it was.
set -uo pipefail

cd "$(dirname "$0")" || exit 1
# shellcheck source=selftests/vtd/lib.sh
. ./lib.sh

mounted()
{
	mkfs.ext4 -q "$(disk)" 32M && mkdir -p "$work/mnt" && mount "$(disk)" "$work/mnt" || return 1
	refused disk-claimed "is mounted on $work/mnt: umount" $nvme
	local rc=$?
	umount "$work/mnt"
	return $rc
}

swapped()
{
	mkswap "$(disk)" && swapon "$(disk)" || return 1
	refused disk-claimed 'has swap: swapoff' $nvme
	local rc=$?
	swapoff "$(disk)"
	return $rc
}

mapped()
{
	modprobe dm_mod && dmsetup create asv --table "0 1000 linear $(disk) 0" || return 1
	refused disk-claimed 'is part of asv' $nvme
	local rc=$?
	dmsetup remove --retry asv
	return $rc
}

looped()
{
	local loop
	modprobe loop && loop=$(losetup -f --show "$(disk)") || return 1
	refused disk-open 'is open elsewhere' $nvme
	local rc=$?
	losetup -d "$loop"
	return $rc
}

opened()
{
	local fd rc
	exec {fd}< "$(disk)"
	refused disk-open 'is open elsewhere' $nvme
	rc=$?
	exec {fd}<&-
	return $rc
}

net_up()
{
	ip link set "$(netdev $net)" up && refused net-up 'is up: ip link set' $net
	local rc=$?
	ip link set "$(netdev $net)" down
	return $rc
}

enslaved()
{
	ip link add asvbr type bridge && ip link set "$(netdev $net)" master asvbr &&
		refused net-up 'is a port of asvbr' $net
	local rc=$?
	ip link del asvbr
	return $rc
}

user_driver()
{
	modprobe vfio-pci && echo $net > $devices/$net/driver/unbind &&
		echo vfio-pci > $devices/$net/driver_override &&
		echo $net > /sys/bus/pci/drivers_probe && has_driver $net vfio-pci &&
		refused user-driver 'is bound to vfio-pci' $net && has_driver $net vfio-pci
	local rc=$?
	echo $net > $devices/$net/driver/unbind
	echo > $devices/$net/driver_override
	echo $net > /sys/bus/pci/drivers_probe
	return $rc
}

no_reset()
{
	local methods
	methods=$(cat $devices/$net/reset_method)
	echo > $devices/$net/reset_method
	refused no-reset 'cannot be reset' $net
	local rc=$?
	echo "$methods" > $devices/$net/reset_method || return 1
	return $rc
}

shared_group()
{
	local members
	mapfile -t members < <(cd $devices && grep -lx 0x100e ./*/device | cut -d/ -f2)
	[ ${#members[@]} -eq 2 ] && has_driver "${members[0]}" e1000 &&
		refused group "shares IOMMU group .* with ${members[1]} (e1000)" "${members[0]}" &&
		has_driver "${members[0]}" e1000
}

bridge()
{
	refused bridge 'is a bridge' 0000:00:13.0
}

nothing()
{
	refused no-function 'there is no PCI function 0000:7f:1f.7' 7f:1f.7
}

# A namespace that several controllers may share has a multipath head of its own.
multipath()
{
	refused disk-path 'is a path of a multipath disk' "$pf"
}

with_vfs()
{
	"$vtd" vf "$pf" 5
	[ $? -eq 2 ] || return 1
	"$vtd" vf "$pf" 2 > "$work/vfs" && cat "$work/vfs" &&
		[ "$(grep -c 'no driver' "$work/vfs")" -eq 2 ] &&
		refused has-vfs 'has 2 virtual functions' "$pf"
}

# It has the queues and interrupts that it needs: the host's own driver finds it ready.
ready_vf()
{
	local vf=$devices/$pf/virtfn0
	echo nvme > "$vf/driver_override" && readlink -f "$vf" | xargs basename > \
		/sys/bus/pci/drivers_probe && until_true eval "grep -x live $vf/nvme/nvme*/state"
	local rc=$?
	basename "$(readlink -f "$vf")" > "$vf/driver/unbind"
	echo > "$vf/driver_override"
	return $rc
}

# The VFs stay while one is leased.
leased_vf()
{
	local vf
	vf=$(basename "$(readlink "$devices/$pf/virtfn1")")
	hold "pf=$pf,vf=1" && has_driver "$vf" asv_vtd && refused leased 'is leased' "pf=$pf,vf=1" ||
		return 1
	"$vtd" vf "$pf" 0
	[ $? -eq 3 ] && [ -e "$devices/$vf" ] || return 1
	kill "$holder"
	wait "$holder"
	"$vtd" return --wait "$vf" && ! driver "$vf" &&
		refused no-function 'has no virtual function 7' "pf=$pf,vf=7"
}

no_vfs()
{
	"$vtd" vf "$pf" 0 && [ ! -e "$devices/$pf/virtfn0" ]
}

# Whatever binds drivers by hand does not get at asv_vtd without a lease.
by_hand()
{
	echo $net > $devices/$net/driver/unbind
	echo asv_vtd > $devices/$net/driver_override
	echo $net > /sys/bus/pci/drivers_probe
	! driver $net && [ ! -e /sys/bus/pci/drivers/asv_vtd/bind ]
	local rc=$?
	echo > $devices/$net/driver_override
	echo $net > /sys/bus/pci/drivers_probe
	until_true has_driver $net e1000e && return $rc
}

usage()
{
	local args
	for args in '' 'lease' 'lease nonsense' 'lease 0:0' 'lease pf=00:10.0' 'nonsense' \
		'list --nonsense' 'show' 'lease 12345:1' 'return'; do
		# shellcheck disable=SC2086 # words are wanted
		"$vtd" $args
		[ $? -eq 2 ] || { echo "asv-vtd $args"; return 1; }
	done
}

untouched()
{
	has_driver $nvme nvme && has_driver $net e1000e && net_works &&
		! "$vtd" list | grep leased
}

check 'modules' setup
pf=$(basename "$(readlink -f /sys/class/nvme/nvme*/device | grep -v $nvme | head -n 1)")
check 'wrong arguments' usage
check 'no such function' nothing
check 'a bridge' bridge
check 'a mounted disk' mounted
check 'a disk with swap' swapped
check 'a disk below dm' mapped
check 'a disk below a loop device' looped
check 'a disk that a process has open' opened
check 'a network card that is up' net_up
check 'a network card in a bridge' enslaved
check 'a function of vfio-pci' user_driver
check 'a function without a reset' no_reset
check 'a function that shares its group' shared_group
check 'a path of a multipath disk' multipath
check 'a PF with VFs' with_vfs
check 'a VF comes ready' ready_vf
check 'a VF is leased by its number' leased_vf
check 'the VFs are removed' no_vfs
check 'binding asv_vtd by hand' by_hand
check 'nothing of this left a trace' untouched
finish
