#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# programs.sh: mkfs.sffs, tune.sffs and dump.sffs on image files: what they make and print;
# and that all programs refuse wrong arguments and foreign volumes with a message and write
# nothing.
set -uo pipefail
# shellcheck source=selftests/sffs-progs/lib.sh
. "$(dirname "$0")/lib.sh"

json_valid()
{
	dump.sffs --json "$@" > "$work/json" && python3 -m json.tool "$work/json" > /dev/null
}

help_and_version()
{
	local p
	for p in mkfs.sffs fsck.sffs tune.sffs dump.sffs sffs; do
		rc 0 $p --help | grep -q '^Usage:' && rc 0 $p --version | grep -q 'format 1' || return 1
	done
}

wrong_arguments()
{
	refused 2 "$img" mkfs.sffs && refused 2 "$img" mkfs.sffs -n 65 "$img" &&
		refused 2 "$img" mkfs.sffs -J 1M "$img" && refused 2 "$img" mkfs.sffs -g 17M "$img" &&
		refused 1 "$img" mkfs.sffs "$img" && refused 2 "$img" mkfs.sffs -l 1 "$img" &&
		refused 2 "$img" mkfs.sffs "$img" x && refused 1 "$img" mkfs.sffs -f "$img" 80M &&
		refused 2 "$img" dump.sffs && refused 2 "$img" dump.sffs "$img" nothing &&
		refused 2 "$img" dump.sffs "$img" group 99 && refused 2 "$img" dump.sffs "$img" inode &&
		refused 1 "$img" dump.sffs "$img" inode /no/such && refused 1 "$img" dump.sffs "$img" inode 7 &&
		refused 2 "$img" tune.sffs "$img" && refused 2 "$img" tune.sffs -n 0 "$img" &&
		refused 2 "$img" tune.sffs -U none "$img" && refused 2 "$img" tune.sffs -l 301 "$img" &&
		refused 1 "$img" tune.sffs -n 2 "$img" && refused 1 "$img" tune.sffs -n 9 "$img" &&
		refused 16 "$img" fsck.sffs && refused 16 "$img" fsck.sffs "$img" &&
		refused 16 "$img" fsck.sffs -n -y "$img" && refused 16 "$img" fsck.sffs -n -b x "$img" &&
		refused 2 "$img" sffs && refused 2 "$img" sffs shrink / && refused 2 "$img" sffs grow / x &&
		refused 2 "$img" sffs events -c 0 && refused 2 "$img" sffs nodes && refused 1 "$img" sffs owner "$img" &&
		refused 1 "$img" sffs grow "$img" 1T
}

# The rest of the device is not touched.
smaller_than_device()
{
	rm -f "$work/sized"
	truncate -s 64M "$work/sized"
	head -c 1M /dev/urandom > "$work/tail"
	dd if="$work/tail" of="$work/sized" bs=1M seek=48 conv=notrunc status=none
	rc 0 mkfs.sffs -q -n 1 -J 4M "$work/sized" 48M && rc 0 fsck.sffs -n "$work/sized" &&
		dump.sffs "$work/sized" super | grep -q ' blocks: 12288$' &&
		cmp <(tail -c +$((48 * 1048576 + 1)) "$work/sized" | head -c 1M) "$work/tail"
}

# Not a volume, too short for one, cut off, a directory, a device that is none.
foreign()
{
	local p
	head -c 1M /dev/urandom > "$work/random"
	: > "$work/empty"
	cp --sparse=always "$img" "$work/cut"
	truncate -s 20M "$work/cut"
	for p in 'fsck.sffs -y' 'fsck.sffs -n'; do
		# shellcheck disable=SC2086 # a program and its option
		{ refused 8 "$work/random" $p "$work/random" && refused 8 "$work/empty" $p "$work/empty" &&
			refused 8 "$work/cut" $p "$work/cut" && refused 8 "$work/cut" $p "$work" &&
			refused 8 "$work/cut" $p /dev/null; } || return 1
	done
	for p in 'tune.sffs -L x' dump.sffs; do
		# shellcheck disable=SC2086
		{ refused 1 "$work/random" $p "$work/random" && refused 1 "$work/empty" $p "$work/empty" &&
			refused 1 "$work/cut" $p "$work/cut" && refused 1 "$work/cut" $p /dev/null; } || return 1
	done
	refused 1 "$work/random" mkfs.sffs -f "$work/random" && refused 1 "$work/empty" mkfs.sffs "$work/empty"
}

everything_printed()
{
	local what
	for what in super slots locks mail all 'backup 1' 'area 0' 'journal 1' 'group 0' 'bitmaps 0' \
		'inode /' 'tree /many' 'tree /holes' 'names /' 'xattrs /a/data' 'block 16' \
		'lock group 0' 'inode /a/b/hard'; do
		# shellcheck disable=SC2086 # words
		{ json_valid "$img" $what && rc 0 dump.sffs "$img" $what; } || { echo "$what"; return 1; }
	done
	dump.sffs "$img" inode /a/data | grep -q 'nlink: 2' && dump.sffs "$img" names /a | grep -q 'name: short' &&
		dump.sffs "$img" inode /a/data | grep -q 'size: 300000' &&
		[ "$(dump.sffs "$img" names /many | grep -c 'name: a name')" -eq 100 ]
}

# What udev reads: nothing that could be taken for more keys
udev_lines()
{
	local file
	file=$(copy_of "$img")
	rc 0 tune.sffs -U 01234567-89ab-cdef-0123-456789abcdef -L $'two\nlines of\303\244' "$file" &&
		diff - <(dump.sffs "$file" udev) <<- 'END' && refused 2 "$img" dump.sffs -j "$img" udev
			ID_FS_TYPE=sffs
			ID_FS_USAGE=filesystem
			ID_FS_VERSION=1
			ID_FS_UUID=01234567-89ab-cdef-0123-456789abcdef
			ID_FS_UUID_ENC=01234567-89ab-cdef-0123-456789abcdef
			ID_FS_LABEL=two_lines_ofä
			ID_FS_LABEL_ENC=two\x0alines\x20ofä
		END
}

damage_printed()
{
	local file
	file=$(copy_of "$img")
	overwrite "$file" "$(dump.sffs "$img" inode / | sed -n 's/^    block: //p')"
	rc 4 dump.sffs "$file" inode / | grep -q damaged
}

tuned()
{
	local file
	file=$(copy_of "$img")
	rc 0 tune.sffs -L 'a new label' -U 01234567-89ab-cdef-0123-456789abcdef -n 4 -l 30 -r low "$file" &&
		rc 0 fsck.sffs -n "$file" && dump.sffs "$file" super > "$work/super" &&
		grep -q 'label: a new label' "$work/super" && grep -q ' slots: 4' "$work/super" &&
		grep -q 'uuid: 01234567-89ab' "$work/super" && grep -q 'lease_ms: 30000' "$work/super" &&
		grep -q 'heartbeat_ms: 6000' "$work/super" && grep -q 'reclaim_rate: 25000' "$work/super" &&
		rc 0 dump.sffs "$file" area 3 > /dev/null && json_valid "$file" backup 1
}

# Four journals do not fit: nothing is changed, not the label either.
tune_without_room()
{
	make_image "$mem/small" 40M -g 16M -J 8M -n 1 &&
		refused 1 "$mem/small" tune.sffs -n 4 -L label "$mem/small"
}

make_tree "$work/tree"
img=$mem/image
check 'mkfs.sffs makes a volume with content' make_image "$img" 72M -g 16M -J 4M -n 2 -P "$work/tree"
check 'fsck.sffs calls it clean' rc 0 fsck.sffs -n "$img"
check '--help and --version' help_and_version
check 'wrong arguments are refused' wrong_arguments
check 'mkfs.sffs makes a volume smaller than the device' smaller_than_device
check 'foreign and truncated volumes are refused' foreign
check 'dump.sffs prints everything, valid JSON' everything_printed
check 'dump.sffs tells udev' udev_lines
check 'dump.sffs names damage' damage_printed
check 'tune.sffs changes what it is asked to' tuned
check 'tune.sffs without room writes nothing' tune_without_room
finish
