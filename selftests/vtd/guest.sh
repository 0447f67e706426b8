#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# guest.sh: a guest of asvm with leased functions: an NVMe disk and a network card that it
# uses, by MSI-X and by INTx, across reboots, until the host wants one back or asvm is killed.
# shellcheck disable=SC2016 # lines for the guest's shell
set -uo pipefail

cd "$(dirname "$0")" || exit 1
# shellcheck source=selftests/vtd/guests.sh
. ./guests.sh

kills=10
[ -z "${ASV_LONG:-}" ] || kills=100
mark=$(yes leased | head -c 1M | md5sum)

# host_interrupts KIND FUNCTION: how many VFIO has passed on
host_interrupts()
{
	awk -v kind="$1" -v at="$2" '$0 ~ kind && index($0, at) {
		for (i = 2; i <= NF && $i ~ /^[0-9]+$/; i++) sum += $i
	} END { print sum + 0 }' /proc/interrupts
}

too_little()
{
	! setpriv --bounding-set -sys_resource sh -c 'ulimit -l 8192; exec "$@"' - "$asvm" run \
		--name vtd --mem 192M --kernel "$kernel" --vtd $nvme > "$work/little" 2>&1 &&
		grep 'may lock 8 MiB' "$work/little" && grep 'LimitMEMLOCK=' "$work/little" &&
		has_driver $nvme nvme
}

starts()
{
	start '' --disk /dev/ram0 --vtd $nvme --vtd $net && has_driver $nvme asv_vtd &&
		has_driver $net asv_vtd && "$asvm" list --json | grep '"functions":2'
}

locked()
{
	local child
	child=$(pgrep -P "${pid[$guest]}") && grep -E '^Vm(Pin|Lck)' "/proc/$child/status" &&
		[ "$(awk '/^VmPin|^VmLck/ { n += $2 } END { print n }' "/proc/$child/status")" -ge 163840 ] &&
		grep -q 'no balloon' "$(log)"
}

taken_already()
{
	! "$asvm" run --name vtd2 --mem 64M --kernel "$kernel" --vtd $nvme > "$work/second" 2>&1 &&
		grep "is leased to asvm" "$work/second"
}

in_a_slot()
{
	ask 'echo "$(cat /sys/bus/pci/slots/*/power | tr -d "\n")=power"' '11=power'
}

# Vectors of the queues in the guest, and what they were for the host.
interrupts()
{
	local fired host
	ask 'echo "fired=$(awk "/nvme0q/ && /MSI/ { s += \$2 } END { print s + 0 }" /proc/interrupts)"' \
		'fired=[0-9]' || return 1
	fired=$(grep -o 'fired=[0-9]*' "$(log)" | tail -n 1)
	host=$(host_interrupts 'vfio-msix' $nvme)
	echo "$fired in the guest, $host on the host"
	[ "${fired#fired=}" -gt 100 ] && [ "$host" -gt 100 ]
}

net_in_guest()
{
	ask 'ip link set eth0 up && ip addr add 10.0.2.15/24 dev eth0 && echo "card is$((1))up"' 'card is1up' &&
		ask 'ping -c 3 -i 0.2 -w 30 -q 10.0.2.2 | grep "packets transmitted"' ', [1-3] packets received'
}

# Both ways at a time: the other end sends back what it gets.
tcp_in_guest()
{
	local line='head -c 2097152 /dev/urandom > /sent; nc 10.0.2.100 7 < /sent > /got & '
	line+='for i in $(seq 60); do [ "$(stat -c %s /got)" != 2097152 ] || break; sleep 1; done; '
	line+='cmp /sent /got && echo "it is$((1))the same"; kill $!'
	ask "$line" 'it is1the same'
}

mark_in_guest()
{
	ask 'until_true test -b /dev/nvme0n1' 'it came true' &&
		ask 'dd if=/dev/nvme0n1 bs=1M count=1 iflag=direct | md5sum' "${mark%% *}"
}

marked()
{
	ask 'yes leased | head -c 1048576 > /mark; dd if=/mark of=/dev/nvme0n1 bs=1M oflag=direct; echo =$?=' '=0=' &&
		mark_in_guest
}

reboots()
{
	: > "$(log)"
	echo 'reboot -f' >&"${say[$guest]}"
	ready && mark_in_guest
}

# The guest goes on without it, also after a reboot with the slot empty.
unplugged()
{
	echo 1 > $devices/$net/remove &
	local remove=$!
	wait_for "$(log)" 'the host has it back' 120 && wait $remove && [ ! -e $devices/$net ] &&
		"$vtd" return --wait $net &&
		"$asvm" list --json | grep '"functions":1' &&
		ask 'echo "functions=$(cat /sys/bus/pci/devices/*/class | grep -c 0x0200)"' 'functions=0' &&
		mark_in_guest || return 1
	echo 1 > /sys/bus/pci/rescan
	until_true has_driver $net e1000e && net_works
}

mark_on_host()
{
	until_true disk &&
		[ "$(dd if="$(disk)" iflag=direct bs=1M count=1 status=none | md5sum)" = "$mark" ]
}

by_intx()
{
	local host
	start 'pci=nomsi pcie_ports=compat' --vtd $nvme --vtd $net && ask 'grep nvme /proc/interrupts' 'IO-APIC' &&
		net_in_guest && disk_in_guest nvme0n1 2 2 || return 1
	host=$(host_interrupts 'vfio-intx' $nvme)
	echo "$host on the host"
	[ "$host" -gt 100 ]
}

# The guest of the last test has no driver for its slots.
deaf()
{
	echo 1 > $devices/$net/remove &
	local remove=$!
	wait_for "$(log)" 'does not listen to its slot' 60 || return 1
	: > "$(log)"
	"$asvm" reset "$guest" && wait_for "$(log)" 'the host has it back' 60 && wait $remove &&
		ready && disk_in_guest nvme0n1 1 2 && ended && back $nvme nvme || return 1
	echo 1 > /sys/bus/pci/rescan
	until_true has_driver $net e1000e && net_works
}

# At any moment: while it takes the lease, boots, or uses the disk; now the launcher, now the
# process that is the guest.
killed_at_random()
{
	local i
	for ((i = 0; i < kills; i++)); do
		begin '' --vtd $nvme || return 1
		pause "$((RANDOM % 12)).$((RANDOM % 10))"
		if [ $((i % 2)) -eq 0 ]; then
			killed launcher
		else
			killed child
		fi
		if ! back $nvme nvme || ! mark_on_host; then
			tail -n 5 "$(log)"
			return 1
		fi
	done
}

check 'modules, and a pattern on the disk' setup
guests_setup virtio_pci virtio_blk nvme e1000e
modprobe asv_blk
modprobe brd rd_nr=1 rd_size=16384
check 'a limit of locked memory that is too low is told' too_little
check 'a guest with two functions starts' starts
check 'its memory is locked, and the balloon steps aside' locked
check 'a second launcher is told who has the function' taken_already
check 'the functions are in slots that can be switched off' in_a_slot
check 'the guest writes and verifies the leased disk' disk_in_guest nvme0n1 5
check 'the guest writes and verifies its virtio disk' disk_in_guest vda 1
check 'its interrupts are MSI-X' interrupts
check 'the guest reaches the network' net_in_guest
check 'TCP both ways, over its card' tcp_in_guest
check 'the guest writes a mark' marked
check 'after a reboot of the guest the mark is there' reboots
check 'the host wants one function back: the guest lets go' unplugged
check 'another reboot, with an empty slot' reboots
check 'asvm is killed' eval 'killed launcher; [ $? -eq 137 ]'
check 'the disk is back, with the mark' eval 'back $nvme nvme && mark_on_host'
check 'a guest without MSI: INTx of both' by_intx
check 'a guest deaf to its slot gives a function back by a reset' deaf
check "killed $kills times, at any moment" killed_at_random
finish
