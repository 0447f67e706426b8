#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# bridge.sh: QEMU's vhost-user-blk on asvm's bridge, split and packed. The bridge is
# killed and started again three times under load: nothing is lost and nothing done
# twice. Then the disk grows.
set -uo pipefail
cd "$(dirname "$0")" || exit 1
# shellcheck source=selftests/clients/lib.sh
. ./lib.sh

disk=/scratch/bridge.img
socket=$work/socket

bridge()
{
	"$asvm" vhost-user-blk --socket "$socket" --disk "$disk" --name bridge \
		>> "$work/bridge.log" 2>&1 &
	bridge_pid=$!
}

# The next one starts when the last one is gone, which its exit waits for.
kill_bridge()
{
	kill -KILL "$bridge_pid"
	wait "$bridge_pid" 2> /dev/null
}

# The socket is there before the bridge is isolated, and served after that.
isolated()
{
	wait_for "/proc/$bridge_pid/status" '^Seccomp:	2' 20 || return 1
	grep -E '^(Cap(Inh|Prm|Eff|Bnd|Amb)|NoNewPrivs|Seccomp):' "/proc/$bridge_pid/status"
	! grep -qE '^Cap[A-Za-z]+:.*[1-9a-f]' "/proc/$bridge_pid/status" &&
		grep -q '^NoNewPrivs:	1' "/proc/$bridge_pid/status" &&
		grep -q '^Seccomp:	2' "/proc/$bridge_pid/status" &&
		[ -z "$(ls -A "/proc/$bridge_pid/root/")" ]
}

# goes_on: the bridge, which begins to count with its start, is served requests
goes_on()
{
	local end=$((SECONDS + 60))

	until more_than "$(counted bridge requests)" 0; do
		[ $SECONDS -lt $end ] || return 1
		pause 0.2
	done
}

ends_well()
{
	wait "$1"
}

ring()
{
	local packed=$1 round log=$work/qemu-$1.log

	truncate -s 64M "$disk"
	bridge
	check "packed=$packed: the bridge listens" wait_socket
	check "packed=$packed: the bridge is isolated" isolated
	qemu "$log" -chardev "socket,id=disk,path=$socket,reconnect=1" \
		-device "vhost-user-blk-pci,chardev=disk,packed=$packed,num-queues=2"
	check "packed=$packed: the guest does I/O" wait_for "$log" 'verify: second 1' 240
	check "packed=$packed: our counters move" more_than "$(counted bridge requests)" 0
	for round in 1 2 3; do
		kill_bridge
		bridge
		check "packed=$packed: I/O goes on after kill $round" goes_on
	done
	truncate -s 128M "$disk"
	kill -HUP "$bridge_pid"
	check "packed=$packed: nothing lost, nothing done twice" \
		wait_for "$log" 'verify: GOOD' 240
	check "packed=$packed: the guest sees the new size" wait_for "$log" 'size 262144' 20
	check "packed=$packed: QEMU ends well" ends_well "$qemu_pid"
	kill -TERM "$bridge_pid"
	check "packed=$packed: the bridge ends when it is told to" ends_well "$bridge_pid"
}

wait_socket()
{
	local i
	for ((i = 0; i < 50; i++)); do
		[ ! -S "$socket" ] || return 0
		sleep 0.2
	done
	cat "$work/bridge.log"
	return 1
}

sh guest-initrd.sh "$work/initrd" bridge_init "$release" \
	'virtio_pci virtio_blk' verify
ring off
ring on
finish
