#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# vmlinux.sh KERNEL OUT [no-pvh]: the ELF kernel in KERNEL, which is a bzImage or has been cut
# out of one already. With no-pvh its PVH note gets another type, so that nothing knows that
# entry.
set -euo pipefail

image=$1 out=$2

# field OFFSET BYTES: a number of the setup header
field()
{
	od -An -v -t "u$2" -j "$1" -N "$2" "$image" | tr -d ' '
}

# cut_out: the kernel to standard output
cut_out()
{
	local setup start length unpack

	if [ "$(od -An -t x1 -N 4 "$image" | tr -d ' ')" = 7f454c46 ]; then
		cat "$image"
		return
	fi
	setup=$(field 0x1f1 1)
	start=$((((setup > 0 ? setup : 4) + 1) * 512 + $(field 0x248 4)))
	# the payload's last four bytes are its size when unpacked
	length=$(($(field 0x24c 4) - 4))
	case $(od -An -t x1 -j "$start" -N 2 "$image" | tr -d ' ') in
	fd37)	unpack=(xz -dc --single-stream) ;;
	28b5)	unpack=(zstd -dcq) ;;
	1f8b)	unpack=(gzip -dc) ;;
	*)	echo "$image: compressed in a way that is not known here" >&2; exit 1 ;;
	esac
	dd if="$image" bs=1M iflag=skip_bytes,count_bytes skip="$start" count="$length" status=none |
		"${unpack[@]}"
}

cut_out > "$out"
[ "${3:-}" = no-pvh ] || exit 0
# its head: 4 bytes of name, 4 or 8 of what it says, type 18, the name
at=$(LC_ALL=C grep -obUaP '\x04\0\0\0[\x04\x08]\0\0\0\x12\0\0\0Xen\0' "$out" | cut -d: -f1)
[[ $at =~ ^[0-9]+$ ]] || { echo "$image: not one PVH note, but: $at"; exit 1; }
printf '\x7f' | dd of="$out" bs=1 seek=$((at + 8)) conv=notrunc status=none
