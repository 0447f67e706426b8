# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# What the tests of leases share: the functions that `lab` makes, and the host's view of
# them. Every wait is for something that happens, with a minute at most.

# shellcheck source=selftests/tap.sh
. ./tap.sh

vtd=$ASV_BUILD/user/asv-vtd
nvme=0000:00:10.0
net=0000:00:11.0
holder=''
devices=/sys/bus/pci/devices

driver()
{
	local link
	link=$(readlink "$devices/$1/driver") && echo "${link##*/}"
}

group()
{
	basename "$(readlink "$devices/$1/iommu_group")"
}

# until_true COMMAND...: try for a minute
until_true()
{
	local end=$((SECONDS + 60))
	until "$@" > "$work/until" 2>&1; do
		[ $SECONDS -lt $end ] || { cat "$work/until"; echo "not in a minute: $*"; return 1; }
		pause 0.1
	done
}

has_driver()
{
	[ "$(driver "$1")" = "$2" ]
}

# disk: the node of the NVMe disk, whatever its number is this time
disk()
{
	local name
	for name in "$devices/$nvme"/nvme/nvme*/nvme*n1; do
		[ -b "/dev/${name##*/}" ] && echo "/dev/${name##*/}" && return
	done
	return 1
}

netdev()
{
	basename "$devices/$1"/net/*
}

# disk_works: what was written to the disk at the start can be read
disk_works()
{
	until_true disk &&
		dd if="$(disk)" iflag=direct bs=1M count=1 status=none | cmp - "$work/pattern"
}

# net_works: the card comes up, sees its link and goes down
net_works()
{
	local name
	until_true test -e "$devices/$net/net" || return 1
	name=$(netdev $net)
	ip link set "$name" up && until_true grep -q 1 "/sys/class/net/$name/carrier" &&
		ip link set "$name" down
}

# refused REASON TEXT ARGUMENT...: a lease is refused so, with exit code 3
refused()
{
	local reason=$1 text=$2 rc=0 address
	shift 2
	"$vtd" lease "$@" true > "$work/refused" 2>&1 || rc=$?
	cat "$work/refused"
	[ $rc -eq 3 ] && grep -q -- "$text" "$work/refused" || return 1
	address=${*: -1}
	[[ $address != 0000:* ]] || "$vtd" show --json "$address" | grep -q "\"reason\":\"$reason\""
}

# hold FUNCTION: take a lease in the background; its pid is in $holder
hold()
{
	# what is left of a test that failed
	[ -z "$holder" ] || kill "$holder" 2> /dev/null
	: > "$work/holder"
	"$vtd" lease "$1" > "$work/holder" 2>&1 &
	holder=$!
	until_true grep -q '^leased' "$work/holder"
}

# free FUNCTION DRIVER: end the lease of $holder; the driver is back
free()
{
	kill "$holder"
	wait "$holder"
	"$vtd" return --wait "$1" && has_driver "$1" "$2"
}

setup()
{
	modprobe -a nvme e1000 e1000e vfio_iommu_type1 asv_vtd && until_true disk &&
		head -c 1M /dev/urandom > "$work/pattern" &&
		dd if="$work/pattern" of="$(disk)" oflag=direct bs=1M status=none
}
