#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# guest-initrd.sh OUT INIT KERNEL-RELEASE 'MODULE...' [FILE...]: an initramfs for a guest:
# busybox, INIT as its process 1, the modules and what they need in /m with their order
# in /m/order, and the files in /.
set -eu

out=$1 init=$2 kver=$3 modules=$4
shift 4
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir -p "$dir/bin" "$dir/proc" "$dir/sys" "$dir/dev" "$dir/m"
cp /bin/busybox "$dir/bin/"
install -m 0755 "$init" "$dir/init"
[ $# -eq 0 ] || cp "$@" "$dir/"

# A kernel may have some of them built in.
for module in $modules; do
	modprobe -S "$kver" --show-depends "$module" 2> /dev/null || :
done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' > "$dir/list"
while read -r file; do
	name=$(basename "${file%.xz}")
	xzcat -f "$file" > "$dir/m/$name"
	echo "$name"
done < "$dir/list" > "$dir/m/order"
rm "$dir/list"
(cd "$dir" && find . | cpio --quiet -o -H newc | gzip -1) > "$out.new"
mv "$out.new" "$out"
