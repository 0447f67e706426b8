#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# guest-initrd.sh KERNEL-RELEASE OUT COMMANDS-FILE [FILE]...: an initramfs for the guests
# of these tests: busybox, virtio drivers, the files in /, and COMMANDS as its work.
set -eu

kver=$1 out=$2 commands=$3
shift 3
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir -p "$dir/bin" "$dir/proc" "$dir/sys" "$dir/dev" "$dir/m"
cp /bin/busybox "$dir/bin/"
[ $# -eq 0 ] || cp "$@" "$dir/"
cp "$commands" "$dir/commands"

for module in virtio_pci virtio_blk virtio_net; do
	modprobe -S "$kver" --show-depends "$module" 2> /dev/null || :
done | awk '/^insmod/ && !seen[$2]++ { print $2 }' > "$dir/list"
while read -r file; do
	name=$(basename "$file" .xz)
	case $file in
	*.xz)	xz -dc "$file" > "$dir/m/$name" ;;
	*)	cp "$file" "$dir/m/$name" ;;
	esac
	echo "$name" >> "$dir/order"
done < "$dir/list"
rm "$dir/list"

cat > "$dir/init" <<'EOF'
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
while read -r m; do insmod /m/$m; done < /order
. /commands
echo GUEST DONE
poweroff -f
EOF
chmod +x "$dir/init"
(cd "$dir" && find . | cpio --quiet -o -H newc | gzip -1) > "$out"
