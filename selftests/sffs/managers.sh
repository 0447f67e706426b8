#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# managers.sh: lock managers of three nodes in one kernel, over one store that has ATS, as
# kernel/sffs/locktest.c has it. The module must have been built with LOCKTEST=y.
set -uo pipefail

cd "$(dirname "$0")" || exit 1
# shellcheck source=selftests/tap.sh
. ./tap.sh

parameter=/sys/module/sffs/parameters/locktest
rounds=2
[ -z "${ASV_LONG:-}" ] || rounds=10

# Without lbpu: scsi_debug of 6.12 takes its two locks in either order with it.
devices()
{
	modprobe -a sd_mod sffs && modprobe scsi_debug add_host=3 dev_size_mb=16 delay=1 || return
	local disk major minor end=$((SECONDS + 60))

	dev=()
	until [ ${#dev[@]} -eq 3 ] || [ $SECONDS -ge $end ]; do
		pause 0.2
		dev=()
		for disk in /sys/bus/pseudo/drivers/scsi_debug/adapter*/host*/target*/*/block/*/dev; do
			[ -e "$disk" ] || continue
			IFS=: read -r major minor < "$disk"
			dev+=($((major << 20 | minor)))
		done
	done
	[ ${#dev[@]} -eq 3 ]
}

round()
{
	echo "10 ${dev[*]}" > "$parameter"
}

dev=()
if ! devices; then
	ktap_print_msg 'no scsi_debug'
	ktap_test_fail 'three disks over one store'
elif [ ! -e "$parameter" ]; then
	skip 'lock managers' 'sffs.ko was built without LOCKTEST=y'
else
	for i in $(seq "$rounds"); do
		check "round $i: three nodes lock, and one dies" round
		dmesg | sed -n 's/^.*locktest: \(.*uses.*\)/# \1/p' | tail -n 1
		pause 0.1
	done
fi
modprobe -r scsi_debug
finish
