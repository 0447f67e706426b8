#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# damage.sh: images in which one field of one structure is changed, checksums made right.
# fsck.sffs -y ends with a volume that -n calls clean, and untouched files are intact.
set -uo pipefail
# shellcheck source=selftests/sffs-progs/lib.sh
. "$(dirname "$0")/lib.sh"

# The short check does the same each time; the long one looks for what is new.
rounds=500 first=0
[ -z "${ASV_LONG:-}" ] || rounds=5000 first=$((RANDOM * 32768 + RANDOM))
half=$((rounds / 2))

make_tree "$work/tree"
make_image "$mem/512" 72M -g 16M -J 4M -n 2 -Q -P "$work/tree"
make_image "$mem/4096" 72M -g 16M -J 4M -n 2 -S 4096 -P "$work/tree"
check 'with what a dead host leaves, sectors of 512 bytes' furnish_image "$mem/512"
check 'with what a dead host leaves, sectors of 4096 bytes' furnish_image "$mem/4096"
check "$half damaged images, sectors of 512 bytes" \
	fuzz "$mem/512" "$here/fsck.sffs" $half $first
check "$half damaged images, sectors of 4096 bytes" \
	fuzz "$mem/4096" "$here/fsck.sffs" $half $((first + half))
finish
