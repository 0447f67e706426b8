# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# What the test scripts share: TAP lines, a tree of files, images.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
PATH=$here:$PATH
work=$(mktemp -d "${TMPDIR:-/tmp}/sffs-progs.XXXXXX")
trap 'rm -rf "$work"' EXIT
count=0 failed=0
export ASAN_OPTIONS=detect_leaks=0

# check NAME COMMAND...
check()
{
	local name=$1
	shift
	count=$((count + 1))
	if "$@" > "$work/log" 2>&1; then
		echo "ok $count $name"
	else
		tail -n 30 "$work/log" | sed 's/^/# /'
		echo "not ok $count $name"
		failed=$((failed + 1))
	fi
}

# finish: the plan and the exit code
finish()
{
	echo "1..$count"
	[ "$failed" -eq 0 ]
}

# repeat TEXT N
repeat()
{
	local i
	for ((i = 0; i < $2; i++)); do
		printf '%s' "$1"
	done
}

# make_tree DIR: files of each kind, an extent tree and a directory tree of two levels.
# Attributes are left out where the file system has none.
make_tree()
{
	local d=$1 i
	mkdir -p "$d/a/b/c" "$d/many" "$d/few"
	for ((i = 0; i < 100; i++)); do
		echo "$i" > "$d/many/a name that is long enough to fill the leaves of a tree $i"
	done
	for i in 1 2 3 4 5; do
		echo "file $i" > "$d/few/$i"
	done
	for ((i = 0; i < 180; i++)); do
		echo "$i" | dd of="$d/holes" bs=4096 seek=$((2 * i)) conv=notrunc status=none
	done
	head -c 300000 /dev/urandom > "$d/a/data"
	ln "$d/a/data" "$d/a/b/hard"
	ln -s target "$d/a/short"
	ln -s "$(repeat x 3000)" "$d/a/long"
	mkfifo "$d/fifo"
	truncate -s 10M "$d/a/b/c/sparse"
	python3 - "$d" <<- 'END' || :
		import os, sys
		os.setxattr(sys.argv[1] + "/a/data", "user.small", b"hello")
		os.setxattr(sys.argv[1] + "/a/data", "user.big", b"y" * 2500)
		for i in range(4):
		    os.setxattr(sys.argv[1] + "/few/1", f"user.mid{i}", b"z" * 700)
	END
}

# make_image FILE SIZE OPTION...
make_image()
{
	local image=$1 size=$2
	shift 2
	rm -f "$image"
	truncate -s "$size" "$image"
	mkfs.sffs -q "$@" "$image"
}
