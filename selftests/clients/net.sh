#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The distribution's QEMU with -netdev tap,vhostfd= on /dev/asv-net, split and packed
# rings: a nested guest pings the host and moves a file by TCP each way; the link goes
# down and up, the guest is paused, and nothing is lost. QEMU falls back to its own
# virtio in silence, so each case counts only if our own counters moved.
# Works outside of the emulated host too: as root, with KVM and the modules there.
set -uo pipefail

cd "$(dirname "$0")" || exit 1
# shellcheck source=selftests/clients/lib.sh
. ./lib.sh

mib=8
tap=asvtap0
host=10.9.0.1
guest=10.9.0.2
disk=${ASV_TEST_DISKS:-/scratch}/net-disk
pids=()

# shellcheck disable=SC2317 # called by trap
clean()
{
	[ ${#pids[@]} -eq 0 ] || kill "${pids[@]}" 2> /dev/null
	wait
	ip link del $tap 2> /dev/null
	rm -rf "$work" "$disk"
}
trap clean EXIT

# start_by_asvm: the same by the command line that asvm makes of its own options, and a disk
start_by_asvm()
{
	PATH=${asvm%/*}:$PATH asvm qemu --run --name qemu --mem 256M --kernel "$kernel" \
		--initrd "$work/initrd" --reboot no \
		--cmdline 'console=ttyS0 quiet panic=-1 reboot=t mitigations=off' \
		--disk "$disk,packed=yes" --net "tap=$tap,packed=yes" \
		-- -chardev "pipe,id=mon,path=$work/monitor" -mon mon \
		< /dev/null > "$work/console" 2> "$work/qemu.log" &
	qemu=$!
	pids+=("$qemu")
	exec {monitor}<> "$work/monitor.in"
}

# start PACKED: QEMU as anyone would start it, its monitor by the fifo $work/monitor.in
start()
{
	rm -f "$work"/{monitor.in,monitor.out,www/done,console,back}
	mkfifo "$work"/monitor.{in,out}
	cat "$work/monitor.out" > "$work/monitor.log" &
	pids+=($!)
	if [ "$1" = on ]; then
		start_by_asvm
		return
	fi
	exec {vhost}<> /dev/asv-net || return
	qemu-system-x86_64 -accel kvm -cpu host -machine q35 -m 256 -nodefaults -no-reboot \
		-display none -serial "file:$work/console" \
		-chardev "pipe,id=mon,path=$work/monitor" -mon mon \
		-kernel "$kernel" -initrd "$work/initrd" \
		-append 'console=ttyS0 quiet panic=-1 reboot=t mitigations=off' \
		-netdev "tap,id=n0,ifname=$tap,script=no,downscript=no,vhost=on,vhostfd=$vhost,vhostforce=on" \
		-device "virtio-net-pci,netdev=n0,packed=$1,disable-legacy=on,romfile=" \
		< /dev/null > "$work/qemu.log" 2>&1 &
	qemu=$!
	pids+=("$qemu")
	exec {vhost}>&-
	# Opened both ways: that does not wait for a QEMU that did not start.
	exec {monitor}<> "$work/monitor.in"
}

# fetch: the guest's file comes back whole
fetch()
{
	timeout 30 busybox wget -q -O "$work/back" "http://$guest/file" 2> /dev/null &&
		[ "$(sha256sum < "$work/back")" = "$sum" ]
}

comes_up()
{
	wait_for "$work/console" '^asv-guest: sum' 180 || { cat "$work/qemu.log"; return 1; }
}

# link_flap: off and on, with a transfer after it that must be whole
link_flap()
{
	local i

	for i in 1 2 3; do
		echo 'set_link n0 off' >&"$monitor"
		pause 0.3
		busybox ping -c 1 -W 1 $guest > /dev/null &&
			{ echo "# a ping passed a link that is off"; return 1; }
		echo 'set_link n0 on' >&"$monitor"
	done
	for ((i = 0; i < 20; i++)); do
		fetch && return 0
		pause 1
	done
	return 1
}

# stop_cont: paused, the guest loses nothing that fits into its rings
stop_cont()
{
	echo stop >&"$monitor"
	pause 0.5
	echo cont >&"$monitor"
	fetch
}

# moved: more than what was sent was counted, and no error
moved()
{
	local requests in out errors
	read -r requests in out errors < <(counted '' requests bytes_in bytes_out errors)
	echo "requests $requests, bytes in $in, bytes out $out, errors $errors"
	[ "$requests" -gt 200 ] && [ "$in" -gt $((mib << 20)) ] &&
		[ "$out" -gt $((mib << 20)) ] && [ "$errors" -eq 0 ]
}

refused_in_use()
{
	! rmmod asv_net && [ -e /sys/module/asv_net ]
}

# ends: QEMU does, by itself, when the guest was told to
ends()
{
	local i

	: > "$work/www/done"
	for ((i = 0; i < 60; i++)); do
		kill -0 "$qemu" 2> /dev/null || break
		pause 0.5
	done
	wait "$qemu"
}

# disk_read: the guest has read the start of its disk
disk_read()
{
	grep "^asv-guest: disk" "$work/console"
	grep -q "^asv-guest: disk $(sha256sum < "$disk" | cut -d ' ' -f 1)" "$work/console"
}

# ring PACKED NAME: all cases for one ring format
ring()
{
	start "$1"
	check "$2: the guest comes up" comes_up
	check "$2: 20 pings" grep -q '^asv-guest: pings 20' "$work/console"
	check "$2: TCP to the guest, $mib MiB" \
		grep -q "^asv-guest: sum ${sum%% *}" "$work/console"
	check "$2: TCP from the guest, $mib MiB" fetch
	check "$2: paused and resumed" stop_cont
	[ "$1" = on ] || check "$2: link off and on" link_flap
	[ "$1" = off ] || check "$2: the disk that asvm qemu gave it" disk_read
	check "$2: our counters moved, no errors" moved
	check "$2: unloading is refused in use" refused_in_use
	check "$2: QEMU ends by itself" ends
	exec {monitor}>&-
}

sh guest-initrd.sh "$work/initrd" net_init "$release" 'virtio_pci virtio_net virtio_blk'
mkdir "$work/www"
head -c $((mib << 20)) /dev/urandom > "$work/www/file"
sum=$(sha256sum < "$work/www/file")
head -c 65536 /dev/urandom > "$disk"
ip tuntap add dev $tap mode tap vnet_hdr
ip addr add $host/24 dev $tap
ip link set $tap up
busybox httpd -f -p $host:80 -h "$work/www" &
pids+=($!)
ring off split
ring on packed
finish
