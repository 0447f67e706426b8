#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shared.sh: functions that are shared out: two guests on two virtual functions of one NVMe
# controller, a lease that an unprivileged launcher is handed, the same function under stock
# QEMU, and a guest that has its function reach beyond its memory.
# shellcheck disable=SC2016 # lines for the guest's shell
set -uo pipefail

cd "$(dirname "$0")" || exit 1
# shellcheck source=selftests/vtd/guests.sh
. ./guests.sh

vfs()
{
	pf=$(basename "$(readlink -f /sys/class/nvme/nvme*/device | grep -v $nvme | head -n 1)")
	"$vtd" vf "$pf" 2
}

# Both at a time, on the one disk that the controller's functions share.
two_guests()
{
	guest=vf0 begin '' --vtd "pf=$pf,vf=0" && guest=vf1 begin '' --vtd "pf=$pf,vf=1" || return 1
	guest=vf0 ready && guest=vf1 ready || return 1
	"$vtd" list
	"$asvm" list
	[ "$("$vtd" list | grep -c 'asv_vtd *leased .*asvm')" -eq 2 ]
}

both_write()
{
	local rc=0
	for guest in vf0 vf1; do
		ask 'until_true test -b /dev/nvme0n1' 'it came true' || rc=1
	done
	guest=vf0 ask '/verify /dev/nvme0n1 4 0 & echo begun=$?' 'begun=0' &&
		guest=vf1 disk_in_guest nvme0n1 3 8 && wait_for "$work/vf0.log" 'verify: GOOD' 60 || rc=1
	guest=vtd
	return $rc
}

# One is killed, the other goes on.
one_goes()
{
	local vf
	vf=$(basename "$(readlink "$devices/$pf/virtfn0")")
	guest=vf0 killed launcher
	until_true "$vtd" return --wait "$vf" && ! driver "$vf" &&
		guest=vf1 disk_in_guest nvme0n1 2 8 && guest=vf1 ended
}

no_vfs()
{
	until_true "$vtd" vf "$pf" 0
}

# A launcher that may open nothing of it, and lock next to nothing, is given all it needs.
handed_over()
{
	local run=$work/user
	install -d -o 65534 -m 700 "$run" "$run/files"
	chmod 711 "$work"
	install -m 755 "$asvm" "$kernel" "$work/initrd" "$run/files"
	chmod 666 /dev/kvm
	launch setpriv --reuid 65534 --regid 65534 --clear-groups --bounding-set -all \
		env "XDG_RUNTIME_DIR=$run" sh -c 'ulimit -l 64; exec "$@"' - \
		"$run/files/asvm" run --name "$guest" --mem 160M \
		--kernel "$run/files/${kernel##*/}" --initrd "$run/files/initrd" \
		--cmdline "$cmdline" --vtd "socket=$run/lease"
	if until_true test -S "$run/lease" &&
	   "$vtd" lease --to "$run/lease" --memlock 200M $nvme && ready; then
		disk_in_guest nvme0n1 1 4 && [ ! -e "$run/lease" ] &&
			grep '^Uid:.65534.65534' "/proc/${pid[$guest]}/status"
	else
		tail -n 5 "$(log)"
		return 1
	fi
}

# What comes at the socket may be no lease.
no_lease()
{
	rm -f "$work/s"
	launch "$asvm" run --name no --mem 64M --kernel "$kernel" --vtd "socket=$work/s"
	until_true test -S "$work/s" || return 1
	python3 -c 'import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
socket.send_fds(s, [b"0000:00:10.0\n"], [0, 0])' "$work/s"
	! wait "${pid[$guest]}" && grep 'what came was none' "$(log)" && [ ! -e "$work/s" ]
}

under_qemu()
{
	PATH=$ASV_BUILD/user:$PATH launch timeout 600 "$asvm" qemu --run --name "$guest" \
		--mem 192M --kernel "$kernel" --initrd "$work/initrd" --cmdline "$cmdline" \
		--vtd $nvme && ready && has_driver $nvme asv_vtd && disk_in_guest nvme0n1 2 4
}

qemu_killed()
{
	kill -KILL "$(pgrep -f "qemu-system.*$nvme")" || kill "${pid[$guest]}"
	wait "${pid[$guest]}"
	back $nvme nvme && disk
}

# A page of the host's own, that no guest has: the guest's function shall write to it.
reaches_out()
{
	local address
	"$vtd" events --json > "$work/events" 2> "$work/watcher" &
	local watcher=$!
	until_true grep watching "$work/watcher" || return 1
	./dma keep > "$work/kept" &
	local keeper=$!
	until_true grep -q '^page ' "$work/kept" || return 1
	read -r _ address < "$work/kept"
	start '' --vtd $nvme || return 1
	ask 'until_true test -b /dev/nvme0n1' 'it came true' &&
		ask "/dma send nvme own" 'dma: answered.*written' &&
		ask "/dma send nvme $address" 'dma: [an]' && tail -n 2 "$(log)"
	local rc=$?
	kill -USR1 $keeper
	wait $keeper || { echo "the page at $address was written to"; rc=1; }
	until_true grep "dma-fault.*$nvme" "$work/events" || rc=1
	kill $watcher
	wait $watcher
	ended && back $nvme nvme && disk_works && return $rc
}

check 'modules, and a pattern on the disk' setup
guests_setup virtio_pci nvme
check 'two virtual functions' vfs
check 'two guests on two virtual functions of one NVMe' two_guests
check 'both write and verify at a time' both_write
check 'one is killed, the other goes on' one_goes
check 'the virtual functions are removed' no_vfs
check 'what comes at the socket is no lease' no_lease
check 'an unprivileged launcher is handed a lease' handed_over
check 'it ends: the function is back' eval 'ended && back $nvme nvme'
check 'the same function under stock QEMU' under_qemu
check 'QEMU is killed: the function is back' qemu_killed
check 'a DMA beyond the guest is stopped, and told' reaches_out
finish
