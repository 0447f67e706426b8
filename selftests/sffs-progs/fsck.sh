#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# fsck.sh: fsck.sffs on images and loop devices: what it repairs and finishes, whom it asks
# and what it shows, and that it leaves alone a volume whose host is alive.
set -uo pipefail
# shellcheck source=selftests/sffs-progs/lib.sh
. "$(dirname "$0")/lib.sh"

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

# With the directory gone its files are in lost+found, with their content.
lost_found()
{
	local file
	file=$(copy_of "$img")
	overwrite "$file" "$(dump.sffs "$img" inode /few | sed -n 's/^    block: //p')"
	rc 4 fsck.sffs -p "$file" && rc 1 fsck.sffs -y "$file" && rc 0 fsck.sffs -n "$file" &&
		[ "$(dump.sffs "$file" names /lost+found | grep -c 'name: #')" -eq 5 ]
}

# What a host left that died: nothing is wrong with that, and afterwards nothing is left of it.
finished()
{
	local file cut
	file=$(copy_of "$left")
	cut=$(ino_of "$file" /holes)
	refused 1 "$file" tune.sffs -L x "$file" && grep -q "slot 1 is host gone's" "$work/err" &&
		rc 0 fsck.sffs -n "$file" && rc 1 fsck.sffs -p "$file" > "$work/out" &&
		rc 0 fsck.sffs -n "$file" || return 1
	grep -q '2 deleted files freed' "$work/out" && dump.sffs "$file" area 1 | grep -q ' orphans: 0$' &&
		dump.sffs "$file" inode "$cut" | grep -q ' size: 4096$' &&
		[ "$(dump.sffs "$file" tree "$cut" | grep -c 'file_block: ')" -eq 1 ] &&
		dump.sffs "$file" slots | grep -A9 'slot: 1' | grep -q 'state: 0' &&
		! dump.sffs "$left" slots | grep -A9 'slot: 1' | grep -q 'state: 0'
}

# A growth is in the journal, and some copies of the super block are written home already.
grown()
{
	local file=$work/grown old journal copies n
	make_image "$file" 160M -g 32M -n 2 || return 1
	journal=$(dump.sffs "$file" journal 0 | sed -n 's/.*at_block: //p')
	copies=16
	for n in 0 1 3; do
		copies+=" $(dump.sffs "$file" backup $n | sed -n 's/.*at_block: //p' | head -n 1)"
	done
	read -ra copies <<< "$copies"
	cp "$file" "$file.new"
	for old in "${copies[0]}" "${copies[*]:1}" "${copies[*]:0:2}" "${copies[*]}"; do
		cp "$file.new" "$file"
		echo "old: $old"
		# shellcheck disable=SC2086 # a list of numbers
		growth.py "$file" "$journal" $old -- "${copies[@]}" && rc 0 fsck.sffs -n "$file" &&
			rc 0 fsck.sffs -p "$file" && rc 0 fsck.sffs -n "$file" &&
			dump.sffs "$file" super | grep -q ' groups: 4$' || return 1
	done
}

# Each of the blocks that only a busy volume has is overwritten: repaired, then clean.
busy_blocks()
{
	local file block area
	area=$(dump.sffs "$left" area 1 | sed -n 's/ *at_block: //p' | head -n 1)
	for block in "$area" $((area + 1)) $((area + 2)) \
		"$(dump.sffs "$left" area 1 | sed -n 's/ *orphan_block: //p')" \
		"$(dump.sffs "$left" inode /a/data | sed -n 's/ *range_block: //p')" \
		"$(dump.sffs "$left" tree "$(quota_ino "$left")" | sed -n 's/^ *block: //p' | tail -n 1)"; do
		file=$(copy_of "$left")
		overwrite "$file" "$block"
		echo "block $block"
		{ only_reported "$file" && rc 1 fsck.sffs -y "$file" && rc 0 fsck.sffs -n "$file"; } ||
			return 1
	done
}

quota_ino()
{
	dump.sffs --json "$1" super | python3 -c 'import json, sys
print(json.load(sys.stdin)["super"]["quota_ino"][0])'
}

# two_problems: an image with two damaged groups; prints its name
two_problems()
{
	local file
	file=$(copy_of "$img")
	overwrite "$file" "$(dump.sffs "$img" group 1 | sed -n 's/.*at_block: //p' | head -n 1)"
	overwrite "$file" "$(dump.sffs "$img" group 2 | sed -n 's/.*at_block: //p' | head -n 1)"
	echo "$file"
}

# A terminal is asked; n leaves it, y repairs one, a all that follow, and the end of the
# input is a no.
asked()
{
	local file
	file=$(two_problems)
	rc 4 on_terminal.py nn fsck.sffs "$file" && rc 4 on_terminal.py '' fsck.sffs "$file" &&
		rc 4 on_terminal.py yn fsck.sffs "$file" || return 1
	file=$(two_problems)
	rc 1 on_terminal.py yyyyyyyy fsck.sffs "$file" && rc 0 fsck.sffs -n "$file" || return 1
	file=$(two_problems)
	rc 1 on_terminal.py a fsck.sffs "$file" && rc 0 fsck.sffs -n "$file"
}

# -C on a terminal, to a file descriptor, and with nobody to see it
progress()
{
	rc 0 on_terminal.py '' fsck.sffs -n -C "$img" | tr '\r' '\n' | grep -Eq '^[a-z]+ +[0-9]+%' &&
		rc 0 fsck.sffs -n -C3 "$img" 3> "$work/progress" && [ -s "$work/progress" ] &&
		! grep -Evx '[a-z]+ [0-9]+ [0-9]+' "$work/progress" &&
		[ "$(fsck.sffs -n -C "$img" 2>&1 | wc -l)" -eq 1 ]
}

# ---- On a block device a host that left no trace may be alive: its heartbeat is watched.

# attach FILE: a loop device, in $loop
attach()
{
	loop=$(losetup -f --show "$1")
}

# beat FILE: renews the heartbeat of slot 1 each half second, as another host does: not
# through the page cache of the device
beat()
{
	dump.sffs --json "$1" super > "$work/super"
	exec python3 - "$1" "$work/super" <<- 'END'
		import json, os, sys, time
		sb = json.load(open(sys.argv[2]))["super"]
		fd, at, n = os.open(sys.argv[1], os.O_RDWR), sb["heartbeat_block"] * 4096 + 512, 100
		while True:
		    record = bytearray(os.pread(fd, 512, at))
		    record[32:40] = n.to_bytes(8, "little")
		    record[4:8] = bytes(4)
		    crc = int(str(sb["checksum_seed"]), 0)
		    for byte in record:
		        crc ^= byte
		        for i in range(8):
		            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
		    record[4:8] = crc.to_bytes(4, "little")
		    os.pwrite(fd, record, at)
		    n += 1
		    time.sleep(0.5)
	END
}

alive()
{
	local file pid rc=0 before
	file=$(copy_of "$left")
	attach "$file" || return 1
	before=$(dd if="$file" bs=4096 skip=64 status=none | sha256sum)
	beat "$file" &
	pid=$!
	{ rc 8 fsck.sffs -y "$loop" && rc 8 fsck.sffs -n "$loop"; } > "$work/err" 2>&1 || rc=1
	kill $pid
	wait $pid
	losetup -d "$loop"
	cat "$work/err"
	[ $rc -eq 0 ] && [ "$(grep -c 'mounted by host gone (slot 1)' "$work/err")" -eq 2 ] &&
		[ "$before" = "$(dd if="$file" bs=4096 skip=64 status=none | sha256sum)" ]
}

dead()
{
	local file rc=0 start=$SECONDS
	file=$(copy_of "$left")
	attach "$file" || return 1
	rc 1 fsck.sffs -y "$loop" > "$work/out" || rc=1
	[ $((SECONDS - start)) -ge 2 ] && grep -q 'waiting 3 s' "$work/out" || rc=1
	# Now it is free, and there is nothing to wait for.
	rc 0 fsck.sffs -n "$loop" > "$work/out" && ! grep -q waiting "$work/out" || rc=1
	losetup -d "$loop"
	return $rc
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
	make_image "$mem/tera" 1T -P "$work/large" || return 1
	python3 - "$mem/tera" <<- 'END'
		import resource, subprocess, sys
		rc = subprocess.call(["fsck.sffs", "-n", sys.argv[1]])
		used = resource.getrusage(resource.RUSAGE_CHILDREN)
		cpu = used.ru_utime + used.ru_stime
		print(f"exit code {rc}, {cpu:.1f} s of CPU, {used.ru_maxrss // 1024} MiB")
		sys.exit(rc != 0 or cpu > 60 or used.ru_maxrss > 512 * 1024)
	END
}

make_tree "$work/tree"
img=$mem/image left=$mem/left
make_image "$img" 72M -g 16M -J 4M -n 2 -P "$work/tree"
make_image "$left" 72M -g 16M -J 4M -n 2 -l 2 -Q -P "$work/tree"
check 'a volume as a dead host leaves it' furnish_image "$left"
check 'damaged blocks are repaired' repaired
check 'lost files get into lost+found' lost_found
check 'orphans are freed and cut, the slot becomes free' finished
check 'a growth that was not written home' grown
check 'damaged orphans, changes, lists and limits are repaired' busy_blocks
check 'a terminal is asked before each repair' asked
check 'progress' progress
if loop=$(losetup -f --show "$img" 2> /dev/null); then
	losetup -d "$loop"
	check 'refused while a heartbeat goes on' alive
	check 'done when it has stood still for the lease' dead
else
	skip 'refused while a heartbeat goes on' 'no loop device'
	skip 'done when it has stood still for the lease' 'no loop device'
fi
if [ -n "${ASV_LONG:-}" ]; then
	check '1 TiB and 100,000 files: a minute and 512 MiB' large
fi
finish
