# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# What the test scripts share: a tree of files, images.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
PATH=$here:$PATH
# shellcheck source=selftests/tap.sh
. "$here/tap.sh"
# Images are in memory: the programs flush them. A tree of files is not, for its attributes.
[ -w /dev/shm ] && mem=$(mktemp -d /dev/shm/sffs-progs.XXXXXX) || mem=$work
trap 'rm -rf "$work" "$mem"' EXIT
export ASAN_OPTIONS=detect_leaks=0

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

# ino_of FILE PATH: an inode's number
ino_of()
{
	dump.sffs "$1" inode "$2" | sed -n 's/^    owner: //p'
}

# furnish_image FILE: as a host leaves it that dies at work; it has make_tree's files
furnish_image()
{
	furnish "$1" "$(ino_of "$1" /holes)" "$(ino_of "$1" /a/data)"
}

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
	cp --sparse=always "$1" "$mem/copy"
	echo "$mem/copy"
}

# overwrite FILE BLOCK: with random bytes
overwrite()
{
	dd if=/dev/urandom of="$1" bs=4096 seek="$2" count=1 conv=notrunc status=none
}

# only_reported FILE: -n says 4 and writes nothing
only_reported()
{
	local before
	before=$(sha256sum < "$1")
	rc 4 fsck.sffs -n "$1" && [ "$before" = "$(sha256sum < "$1")" ]
}
