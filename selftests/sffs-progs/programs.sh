#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# programs.sh: mkfs.sffs, fsck.sffs, tune.sffs and dump.sffs on image files: what they
# make and print, and that wrong arguments and foreign volumes are refused with a message
# and nothing written.
set -uo pipefail
# shellcheck source=selftests/sffs-progs/lib.sh
. "$(dirname "$0")/lib.sh"

# rc CODE COMMAND...: it ends with that exit code
rc()
{
	local want=$1 got=0
	shift
	"$@" < /dev/null || got=$?
	[ "$got" -eq "$want" ] || { echo "exit code $got, not $want: $*"; return 1; }
}

# refused CODE FILE COMMAND...: that exit code, one message, the file as before
refused()
{
	local want=$1 file=$2 before
	shift 2
	before=$(sha256sum < "$file")
	rc "$want" "$@" 2> "$work/err" || { cat "$work/err"; return 1; }
	[ -s "$work/err" ] || { echo "no message: $*"; return 1; }
	! grep -q Sanitizer "$work/err" || { cat "$work/err"; return 1; }
	[ "$before" = "$(sha256sum < "$file")" ] || { echo "$file was written"; return 1; }
}

# copy_of FILE: a copy to spoil; prints its name
copy_of()
{
	cp --sparse=always "$1" "$work/copy"
	echo "$work/copy"
}

# overwrite FILE BLOCK: with random bytes
overwrite()
{
	dd if=/dev/urandom of="$1" bs=4096 seek="$2" count=1 conv=notrunc status=none
}

json_valid()
{
	dump.sffs --json "$@" > "$work/json" && python3 -m json.tool "$work/json" > /dev/null
}

help_and_version()
{
	local p
	for p in mkfs.sffs fsck.sffs tune.sffs dump.sffs; do
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
		refused 16 "$img" fsck.sffs -n -y "$img" && refused 16 "$img" fsck.sffs -n -b x "$img"
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

damage_printed()
{
	local file
	file=$(copy_of "$img")
	overwrite "$file" "$(dump.sffs "$img" inode / | sed -n 's/^    block: //p')"
	rc 4 dump.sffs "$file" inode / | grep -q damaged
}

# The root inode, a bitmap, a super block, a journal: repaired, then clean.
repaired()
{
	local file block
	for block in 16 "$(dump.sffs "$img" inode / | sed -n 's/^    block: //p')" \
		"$(dump.sffs "$img" bitmaps 0 | sed -n 's/.*at_block: //p' | head -n 1)" \
		"$(dump.sffs "$img" journal 0 | sed -n 's/.*at_block: //p')" \
		"$(dump.sffs "$img" group 1 | sed -n 's/.*at_block: //p' | head -n 1)"; do
		file=$(copy_of "$img")
		overwrite "$file" "$block"
		echo "block $block"
		{ only_reported "$file" && rc 1 fsck.sffs -y "$file" && rc 0 fsck.sffs -n "$file"; } ||
			return 1
	done
}

# only_reported FILE: -n says 4 and writes nothing
only_reported()
{
	local before
	before=$(sha256sum < "$1")
	rc 4 fsck.sffs -n "$1" && [ "$before" = "$(sha256sum < "$1")" ]
}

# With the directory gone its files are in lost+found, with their content.
lost_found()
{
	local file
	file=$(copy_of "$img")
	overwrite "$file" "$(dump.sffs "$img" inode /few | sed -n 's/^    block: //p')"
	rc 4 fsck.sffs -p "$file" && rc 1 fsck.sffs -y "$file" && rc 0 fsck.sffs -n "$file" &&
		[ "$(dump.sffs "$file" names /lost+found | grep -c 'name: #')" -eq 5 ]
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
	make_image "$work/small" 40M -g 16M -J 8M -n 1 &&
		refused 1 "$work/small" tune.sffs -n 4 -L label "$work/small"
}

# quiet: no progress in a pipe, one line for a clean volume
quiet()
{
	[ "$(fsck.sffs -n -C "$img" 2>&1 | wc -l)" -eq 1 ]
}

# 1 TiB with 100,000 files: less than a minute of CPU and 512 MiB.
large()
{
	python3 - "$work/large" <<- 'END' || return 1
		import os, sys
		for d in range(100):
		    path = f"{sys.argv[1]}/{d}"
		    os.makedirs(path)
		    for i in range(1000):
		        os.close(os.open(f"{path}/file {i}", os.O_CREAT | os.O_WRONLY))
	END
	make_image "$work/tera" 1T -P "$work/large" || return 1
	python3 - "$work/tera" <<- 'END'
		import resource, subprocess, sys
		rc = subprocess.call(["fsck.sffs", "-n", sys.argv[1]])
		used = resource.getrusage(resource.RUSAGE_CHILDREN)
		cpu = used.ru_utime + used.ru_stime
		print(f"exit code {rc}, {cpu:.1f} s of CPU, {used.ru_maxrss // 1024} MiB")
		sys.exit(rc != 0 or cpu > 60 or used.ru_maxrss > 512 * 1024)
	END
}

make_tree "$work/tree"
img=$work/image
check 'mkfs.sffs makes a volume with content' make_image "$img" 72M -g 16M -J 4M -n 2 -P "$work/tree"
check 'fsck.sffs calls it clean' rc 0 fsck.sffs -n "$img"
check '--help and --version' help_and_version
check 'wrong arguments are refused' wrong_arguments
check 'mkfs.sffs makes a volume smaller than the device' smaller_than_device
check 'foreign and truncated volumes are refused' foreign
check 'dump.sffs prints everything, valid JSON' everything_printed
check 'dump.sffs names damage' damage_printed
check 'fsck.sffs repairs damaged blocks' repaired
check 'fsck.sffs puts lost files into lost+found' lost_found
check 'fsck.sffs is quiet in a pipe' quiet
check 'tune.sffs changes what it is asked to' tuned
check 'tune.sffs without room writes nothing' tune_without_room
if [ -n "${ASV_LONG:-}" ]; then
	check '1 TiB and 100,000 files: a minute and 512 MiB' large
fi
finish
