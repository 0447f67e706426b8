#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# mkfs.sh: sizes that mkfs.sffs takes, from too small to 1 PiB, and devices that it does not
# overwrite: those with something on them, mounted, or in use.
set -uo pipefail
# shellcheck source=selftests/sffs-progs/lib.sh
. "$(dirname "$0")/lib.sh"

# empty FILE SIZE: a hole of that size, in $mem; prints its name
empty()
{
	rm -f "$mem/$1"
	truncate -s "$2" "$mem/$1" && echo "$mem/$1"
}

# says TEXT: the last refusal had that in its message
says()
{
	grep -q -- "$1" "$work/err" || { cat "$work/err"; return 1; }
}

sizes()
{
	local file
	file=$(empty volume 64M)
	refused 1 "$file" mkfs.sffs "$file" 16M && says 'at least 32 MiB' &&
		refused 1 "$file" mkfs.sffs "$file" 65M && says 'has only 67108864 bytes' &&
		refused 2 "$file" mkfs.sffs "$file" 1E && says 'size "1E"' &&
		refused 2 "$file" mkfs.sffs "$file" 40M more && says 'see --help' &&
		refused 1 "$file" mkfs.sffs -n 8 -J 16M "$file" && says '--journal-size' &&
		refused 1 "$file" mkfs.sffs -n 8 -N 4 "$file" && says '--max-slots' &&
		rc 0 mkfs.sffs -q "$file" && rc 0 fsck.sffs -n "$file"
}

# 1 PiB of SECTOR: seconds, and a volume that fsck.sffs finds whole
peta()
{
	local file rc=0
	file=$(empty peta 1P) || return 1
	python3 - "$1" "$file" <<- 'END' && rc 0 fsck.sffs -n "$file" || rc=1
		import resource, subprocess, sys
		rc = subprocess.call(["mkfs.sffs", "-q", "-S", sys.argv[1], sys.argv[2]])
		used = resource.getrusage(resource.RUSAGE_CHILDREN)
		cpu = used.ru_utime + used.ru_stime
		print(f"exit code {rc}, {cpu:.1f} s of CPU, {used.ru_maxrss // 1024} MiB")
		sys.exit(rc != 0 or cpu > 20)
	END
	dump.sffs "$file" super | grep -qx '  blocks: 274877906944' || rc=1
	rm -f "$file"
	return $rc
}

# Whatever libblkid knows is left alone, until -f.
foreign_content()
{
	local file make
	for make in 'mkfs.ext4 -qF' 'mkswap -q' 'mkfs.sffs -q' partitions; do
		file=$(empty foreign 64M)
		$make "$file" > /dev/null || return 1
		echo "$make"
		{ refused 1 "$file" mkfs.sffs "$file" && says 'use -f to overwrite'; } || return 1
	done
	rc 0 mkfs.sffs -q -f "$file" && rc 0 fsck.sffs -n "$file"
}

# partitions FILE: a table with one
partitions()
{
	printf '\0\0\2\0\203\0\0\0\0\10\0\0\0\10\0\0' | dd of="$1" bs=1 seek=446 conv=notrunc status=none
	printf '\125\252' | dd of="$1" bs=1 seek=510 conv=notrunc status=none
}

# hold DEVICE: exclusively, as a mount does, until its input ends
hold()
{
	python3 -c 'import os, sys
os.open(sys.argv[1], os.O_RDWR | os.O_EXCL)
print("held", flush=True)
sys.stdin.read()' "$1"
}

# A device that is held is refused, with -f too; so is an image that a loop device has.
in_use()
{
	local file loop rc=0 held
	file=$(empty used 64M)
	loop=$(losetup -f --show "$file") || return 1
	coproc HOLDER { hold "$loop"; }
	read -r held <&"${HOLDER[0]}"
	[ "$held" = held ] && refused 1 "$file" mkfs.sffs -f "$loop" && says 'in use: mounted' &&
		refused 1 "$file" tune.sffs -L x "$loop" && refused 8 "$file" fsck.sffs -y "$loop" || rc=1
	eval "exec ${HOLDER[1]}>&-"
	wait
	refused 1 "$file" mkfs.sffs -f "$file" && says "in use as $loop" || rc=1
	losetup -d "$loop"
	return $rc
}

# ext4 on 4 KiB blocks ends at 16 TiB; a tmpfs has files of any size.
room()
{
	[ "$(df --output=avail -m "$mem" | tail -n 1)" -gt 1000 ] && truncate -s 1P "$mem/peta" 2> /dev/null
}

check 'sizes that do not do are refused with the reason' sizes
check 'what is on a device is not overwritten' foreign_content
if loop=$(losetup -f --show "$(empty used 1M)" 2> /dev/null); then
	losetup -d "$loop"
	check 'a device in use is refused' in_use
else
	skip 'a device in use is refused' 'no loop device'
fi
for sector in 512 4096; do
	if room; then
		check "1 PiB with sectors of $sector bytes" peta $sector
	else
		skip "1 PiB with sectors of $sector bytes" 'no room for so large a sparse file'
	fi
done
finish
