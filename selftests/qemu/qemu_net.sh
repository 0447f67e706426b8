#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The distribution's QEMU with -netdev tap,vhostfd= on /dev/asv-net, split and packed
# rings: a nested guest pings the host and moves a file by TCP each way; the link goes
# down and up, the guest is paused, and nothing is lost. QEMU falls back to its own
# virtio in silence, so each case counts only if our own counters moved.
# Works outside of the emulated host too: as root, with KVM and the modules there.
set -uo pipefail

here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d /run/qemu-net.XXXXXX)
mib=8
tap=asvtap0
host=10.9.0.1
guest=10.9.0.2
pids=()
n=0
passed=0

# shellcheck disable=SC2317 # called by trap
clean()
{
	[ ${#pids[@]} -eq 0 ] || kill "${pids[@]}" 2> /dev/null
	wait
	ip link del $tap 2> /dev/null
	rm -rf "$work"
}
trap clean EXIT

pause()
{
	read -rt "$1" <> <(:) || :
}

# result RC NAME: a line of TAP; details are printed before
result()
{
	n=$((n + 1))
	if [ "$1" -eq 0 ]; then
		passed=$((passed + 1))
		echo "ok $n $2"
	else
		echo "not ok $n $2"
	fi
}

skip_all()
{
	echo "1..0 # SKIP $1"
	exit 4
}

# ---- what is needed
modprobe kvm_amd 2> /dev/null || modprobe kvm_intel 2> /dev/null
modprobe tun
modprobe asv_net || skip_all 'no asv_net'
[ -w /dev/kvm ] || skip_all 'no KVM'
command -v qemu-system-x86_64 > /dev/null || skip_all 'no qemu-system-x86_64'
kernel=/boot/vmlinuz-$(uname -r)
[ -e "$kernel" ] || skip_all "no $kernel for the guest"

# ---- the guest's files
make_initrd()
{
	local root=$work/root module name

	mkdir -p "$root"/{bin,m,proc,sys,dev}
	cp /bin/busybox "$root/bin/"
	cp "$here/guest_init" "$root/init"
	modprobe --show-depends -a virtio_pci virtio_net |
		awk '$1 == "insmod" && !seen[$2]++ { print $2 }' |
	while read -r module; do
		name=$(basename "${module%.xz}")
		xzcat -f "$module" > "$root/m/$name"
		echo "$name"
	done > "$work/order"
	mv "$work/order" "$root/m/order"
	(cd "$root" && find . | cpio --quiet -o -H newc | gzip -1) > "$work/initrd"
}

# counters FIELD...: their sums over both queues of the device that runs
counters()
{
	"$here/vq_stats" net | awk -v fields="$*" '
		{ for (i = 1; i <= NF; i++) { split($i, kv, "="); sum[kv[1]] += kv[2] } }
		END { n = split(fields, f, " ")
		      for (i = 1; i <= n; i++) printf "%d%s", sum[f[i]], i < n ? " " : "\n" }'
}

# start PACKED: QEMU as anyone would start it, its monitor by the fifo $work/monitor.in
start()
{
	rm -f "$work"/{monitor.in,monitor.out,www/done,console,back}
	mkfifo "$work"/monitor.{in,out}
	cat "$work/monitor.out" > "$work/monitor.log" &
	pids+=($!)
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

wait_for_guest()
{
	local i

	for ((i = 0; i < 180; i++)); do
		grep -q '^asv-guest: sum' "$work/console" 2> /dev/null && return 0
		kill -0 "$qemu" 2> /dev/null || break
		pause 1
	done
	echo "# the guest did not get there:"
	tail -n 20 "$work/console" "$work/qemu.log" | sed 's/^/# /'
	return 1
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

# ring PACKED NAME: all cases for one ring format
ring()
{
	local values rc

	start "$1"
	wait_for_guest
	result $? "$2: the guest comes up"
	grep -q '^asv-guest: pings 20' "$work/console"
	result $? "$2: 20 pings"
	grep -q "^asv-guest: sum ${sum%% *}" "$work/console"
	result $? "$2: TCP to the guest, $mib MiB"
	fetch
	result $? "$2: TCP from the guest, $mib MiB"
	stop_cont
	result $? "$2: paused and resumed"
	if [ "$1" = off ]; then
		link_flap
		result $? "$2: link off and on"
	fi

	values=$(counters requests bytes_in bytes_out failed errors)
	echo "# requests, bytes in, bytes out, failed, errors: $values"
	read -r requests in out _ errors <<< "$values"
	[ "${requests:-0}" -gt 200 ] && [ "$in" -gt $((mib << 20)) ] &&
		[ "$out" -gt $((mib << 20)) ] && [ "$errors" -eq 0 ]
	result $? "$2: our counters moved, no errors"

	rmmod asv_net 2> /dev/null
	[ -e /sys/module/asv_net ]
	result $? "$2: unloading is refused in use"

	: > "$work/www/done"
	for ((rc = 0; rc < 60; rc++)); do
		kill -0 "$qemu" 2> /dev/null || break
		pause 0.5
	done
	wait "$qemu"
	result $? "$2: QEMU ends by itself"
	exec {monitor}>&-
}

make_initrd
mkdir "$work/www"
head -c $((mib << 20)) /dev/urandom > "$work/www/file"
sum=$(sha256sum < "$work/www/file")
ip tuntap add dev $tap mode tap vnet_hdr || skip_all 'no tap device'
ip addr add $host/24 dev $tap
ip link set $tap up
busybox httpd -f -p $host:80 -h "$work/www" &
pids+=($!)

echo 1..17
ring off split
ring on packed
echo "# $passed passed, $((n - passed)) failed"
[ "$passed" -eq 17 ]
