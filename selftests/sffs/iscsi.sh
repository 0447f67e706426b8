# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# Two disks that are one LUN, with PERSISTENT RESERVE and UNMAP: this host is the target, Linux's
# own, over iSCSI, and two initiators.
# shellcheck disable=SC2154	# $work is tap.sh's

core=/sys/kernel/config/target/core/fileio_0/lun
# shellcheck disable=SC2034	# for who looks at the keys
keys=$core/pr/res_pr_registered_i_pts
iqn=iqn.2026-11.asv.test
disk_a='' disk_b=''

# initiator NAME: the disk of its session
initiator()
{
	local session dir
	for session in /sys/class/iscsi_session/*; do
		[ "$(< "$session/initiatorname")" = "$iqn:$1" ] || continue
		for dir in "$session"/device/target*/*:0/block/*; do
			[ ! -e "$dir" ] || echo "/dev/${dir##*/}"
		done
	done 2> /dev/null
}

login()
{
	iscsistart -i "$iqn:$1" -t "$iqn:lun" -g 1 -a "$2" -p 3260
}

# target MIB: the LUN, a sparse file
target()
{
	local group=/sys/kernel/config/target/iscsi/$iqn:lun/tpgt_1

	modprobe -a configfs target_core_mod target_core_file iscsi_target_mod iscsi_tcp sd_mod ||
		return
	mountpoint -q /sys/kernel/config || mount -t configfs none /sys/kernel/config || return
	ip link set lo up
	# Where it keeps the keys of APTPL.
	mkdir -p /etc/target/pr /var/target/pr $core || return
	truncate -s "$1M" "$work/lun"
	echo "fd_dev_name=$work/lun,fd_dev_size=$(($1 << 20))" > $core/control &&
		echo 1 > $core/enable && echo 1 > $core/attrib/emulate_write_cache &&
		echo 1 > $core/attrib/emulate_tpu && echo 1 > $core/attrib/emulate_tpws &&
		echo 65535 > $core/attrib/max_write_same_len &&
		mkdir -p "$group/lun/lun_0" && ln -s $core "$group/lun/lun_0/lun" &&
		mkdir "$group/np/0.0.0.0:3260" || return
	echo 0 > "$group/attrib/authentication"
	echo 1 > "$group/attrib/generate_node_acls"
	echo 0 > "$group/attrib/demo_mode_write_protect"
	echo 1 > "$group/attrib/cache_dynamic_acls"
	echo 1 > "$group/enable"
}

# luns MIB: $disk_a and $disk_b
luns()
{
	local end=$((SECONDS + 60))

	modprobe sffs && target "$1" && login a 127.0.0.1 && login b 127.0.0.2 || return
	while [ $SECONDS -lt $end ]; do
		disk_a=$(initiator a) disk_b=$(initiator b)
		[ ! -b "$disk_a" ] || [ ! -b "$disk_b" ] || return 0
		pause 0.1
	done
	return 1
}
