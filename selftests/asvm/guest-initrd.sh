#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# guest-initrd.sh KERNEL-RELEASE OUT: an initramfs for the guests of these tests: busybox,
# the virtio drivers of that kernel, guest_helper, and a shell on the console that says
# READY first.
set -eu

kver=$1 out=$2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir -p "$dir/bin" "$dir/proc" "$dir/sys" "$dir/dev" "$dir/m"
cp /bin/busybox "$dir/bin/"
cp "$(dirname "$0")/guest_helper" "$dir/"

for module in virtio_pci virtio_blk virtio_balloon virtio_net virtio_console virtio-rng \
	vmw_vsock_virtio_transport evdev button; do
	modprobe -S "$kver" --show-depends "$module" 2> /dev/null || :
done | awk '/^insmod/ && !seen[$2]++ { print $2 }' > "$dir/list"
while read -r file; do
	name=$(basename "$file")
	case $file in
	*.xz)	name=${name%.xz}; xz -dc "$file" > "$dir/m/$name" ;;
	*)	cp "$file" "$dir/m/$name" ;;
	esac
	echo "$name" >> "$dir/order"
done < "$dir/list"
rm "$dir/list"
touch "$dir/order"

cat > "$dir/init" <<'EOF'
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
while read -r m; do insmod /m/$m; done < /order
# the power button: any event of its device; kill $ears makes the guest deaf to it
ears=
for e in /sys/class/input/event*; do
	[ -e $e ] && grep -qi power $e/device/name || continue
	(head -c 1 /dev/input/${e##*/} > /dev/null && poweroff -f) &
	ears="$ears $!"
done
# what tests ask for: to wait a moment for the memory that is free, or for a disk's size
total() { awk '/MemTotal/{print $2}' /proc/meminfo; }
free() { awk '/MemFree/{print $2}' /proc/meminfo; }
until_true()
{
	for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
		if "$@"; then echo "it came true"; return; fi
		sleep 1
	done
	echo "it never did: $(free) KiB free, $(cat /sys/block/$disk/size) sectors"
}
# the disk that is meant
disk=vda
# by free memory: with deflate-on-OOM the total stays as it was
below() { [ "$(free)" -lt "$1" ]; }
above() { [ "$(free)" -gt "$1" ]; }
sectors() { [ "$(cat /sys/block/$disk/size)" = "$1" ]; }
# peek BYTES AT: the start of what the disk has there; poke AT: write it
peek() { echo "peek=$(dd if=/dev/$disk bs=1 skip=$2 count=$1 2> /dev/null)"; }
poke()
{
	yes xyz | head -c 8192 | dd of=/dev/$disk bs=4096 seek=$(($1 / 4096)) oflag=direct 2> /dev/null
	sync
	echo "poked"
}
# reach N: come up in network N, whose other end answers
reach()
{
	ip addr add 198.18.1$1.2/24 dev eth0
	ip link set eth0 up
	sleep 1
	ping -c 3 -i 0.2 -W 20 -q 198.18.1$1.1 > /ping && echo "network $1 works" || cat /ping
}
queues() { echo "queues=$(ls -d /sys/class/net/eth0/queues/tx-* | wc -l)"; }
# send_from CPU...: packets from each
send_from()
{
	for cpu in "$@"; do
		taskset -c $cpu ping -c 2 -i 0.2 -q 198.18.10.1 > /ping || cat /ping
	done
	echo "sent from all"
}
watchdog() { echo "$1" > /proc/sys/kernel/watchdog_thresh; echo "watchdog is set"; }
lockups() { echo "lockups=$(dmesg | grep -c 'soft lockup')"; }
console=/dev/ttyS0
grep -q console=hvc0 /proc/cmdline && console=/dev/hvc0
exec < $console > $console 2>&1
stty -echo 2> /dev/null
echo "READY cpus=$(nproc) mem=$(total)"
clock=/sys/devices/system/clocksource/clocksource0/current_clocksource
while read -r line; do eval "$line"; done
poweroff -f
EOF
chmod +x "$dir/init"
(cd "$dir" && find . | cpio --quiet -o -H newc | gzip -1) > "$out"
