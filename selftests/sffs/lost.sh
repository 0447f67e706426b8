#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The tests of files, names and attributes once more, on mounts that lose their cluster locks
# all the time: what memory has is spoilt with each, so all of it must be read again.
# `lost.sh PROGRAM...` runs these alone.
set -uo pipefail

cd "$(dirname "$0")" || exit 1
# shellcheck source=selftests/tap.sh
. ./tap.sh

lose=/sys/kernel/debug/sffs/lose_ms

modprobe sffs || exit 1
for ms in ${LOSE_MS:-3 50}; do
	echo "$ms" > $lose || exit 1
	for program in "${@:-inline shift data names attributes}"; do
		for name in $program; do
			dmesg -C
			check "$name, losing locks every $ms ms" "./$name"
			check "nothing spoilt was seen by $name" \
				bash -c '! dmesg | grep -E "run fsck|stays on the orphan"'
		done
	done
done
echo 0 > $lose
finish
