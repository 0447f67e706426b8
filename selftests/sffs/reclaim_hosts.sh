#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Two hosts give freed space back to the array, each what is in the groups that it works in, and
# never what is in use. The LUN is a sparse file, whose size tells.
set -uo pipefail

cd "$(dirname "$0")" || exit 1
# shellcheck source=selftests/tap.sh
. ./tap.sh
# shellcheck source=selftests/sffs/two_hosts.sh
. ./two_hosts.sh
# shellcheck source=selftests/sffs/iscsi.sh
. ./iscsi.sh

a=/run/sffs-a b=/run/sffs-b
bin=${ASV_BUILD:+$ASV_BUILD/user/}
rounds=6
[ -z "${ASV_LONG:-}" ] || rounds=60
mkdir -p $a $b

both() { mount -t sffs "$disk_a" $a && mount -t sffs "$disk_b" $b; }

# What the array backs, in MiB
backed() { echo $(($(stat -c %b "$work/lun") / 2048)); }

fell_below()
{
	echo "$(backed) MiB are backed, $1 are wanted"
	[ "$(backed)" -lt "$1" ]
}

# write DIR NAME MIB: random data, and its sum beside
write()
{
	head -c "${3}M" /dev/urandom > "$1/$2" && md5sum < "$1/$2" > "$work/$2"
}

# as_written DIR NAME...: read past the page cache
as_written()
{
	local dir=$1 name
	shift
	for name in "$@"; do
		dd if="$dir/$name" bs=1M iflag=direct status=none | md5sum |
			cmp - "$work/$name" || return
	done
}

# One deletes what the other wrote.
background()
{
	local i before

	for i in 1 2 3 4; do
		write $a a$i 10 && write $b b$i 10 || return
	done
	sync
	before=$(backed)
	rm $b/a1 $b/a3 $a/b2 $a/b4 && sync || return
	until_done fell_below $((before - 36)) && as_written $b a2 b1 a4 b3 &&
		as_written $a b1 a2 b3 a4
}

# churn DIR PREFIX: write, read again and delete, and keep the last few
churn()
{
	local i
	for i in $(seq $rounds); do
		write "$1" "$2$i" 8 && sync -f "$1" && as_written "$1" "$2$i" || return
		[ "$i" -le 2 ] || rm "$1/$2$((i - 2))" || return
	done
}

# Both fill what the other has freed, while all that is free is given back.
together()
{
	local rc
	churn $a c &
	churn $b d
	rc=$?
	wait $! && [ $rc = 0 ] && as_written $a d$rounds c$rounds && as_written $b c$rounds d$rounds
}

trim_beside()
{
	local rc
	churn $a e &
	while kill -0 $! 2> /dev/null; do
		fstrim $b || break
	done
	rc=$?
	wait $! && [ $rc = 0 ] && as_written $b e$rounds a2 b1
}

trims_all()
{
	rm $a/[a-e]* && sync && fstrim $b && until_done fell_below 60
}

in_order()
{
	umount $a && umount $b && "${bin}fsck.sffs" -n -f "$disk_a"
}

if ! command -v iscsistart > /dev/null; then
	skip 'reclaim' 'no iscsistart (open-iscsi)'
elif ! { luns 400 && "${bin}mkfs.sffs" -q -f -n 2 -J 8M -l 20 -r high -g 32M "$disk_a" &&
	both; } > "$work/setup" 2>&1; then
	sed 's/^/# /' "$work/setup"
	ktap_test_fail 'setup'
else
	check 'one deletes what the other wrote' background
	check 'both write and delete' together
	check 'fstrim while the other writes' trim_beside
	check 'all is given back' trims_all
	check 'fsck.sffs finds nothing' in_order
fi
umount $a $b 2> /dev/null
finish
