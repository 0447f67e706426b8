#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# guest-initrd.sh KERNEL-RELEASE OUT: an initramfs for the guests of these tests: busybox,
# the virtio drivers of that kernel, and a shell on the console that says READY first.
set -eu

kver=$1 out=$2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir -p "$dir/bin" "$dir/proc" "$dir/sys" "$dir/dev" "$dir/m"
cp /bin/busybox "$dir/bin/"

for module in virtio_pci virtio_blk virtio_balloon virtio_net virtio_console virtio-rng \
	evdev button; do
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
	echo "it never did: $(free) KiB free, $(cat /sys/block/vda/size) sectors"
}
# by free memory: with deflate-on-OOM the total stays as it was
below() { [ "$(free)" -lt "$1" ]; }
above() { [ "$(free)" -gt "$1" ]; }
sectors() { [ "$(cat /sys/block/vda/size)" = "$1" ]; }
# peek BYTES AT: the start of what the disk has there; poke AT: write it
peek() { echo "peek=$(dd if=/dev/vda bs=1 skip=$2 count=$1 2> /dev/null)"; }
poke()
{
	yes xyz | head -c 8192 | dd of=/dev/vda bs=4096 seek=$(($1 / 4096)) oflag=direct 2> /dev/null
	sync
	echo "poked"
}
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
