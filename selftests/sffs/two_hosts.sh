# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# What the tests with two hosts share: a path to the LUN that is cut, and a mount that stops.

# reachable DISK yes|no
reachable()
{
	local state=offline
	[ "$2" = no ] || state=running
	echo $state > "/sys/block/${1##*/}/device/state"
}

# stopped DIR: the mount there has shut itself down, and nothing hangs in it
stopped()
{
	local end=$((SECONDS + 60))
	while touch "$1/probe" 2> /dev/null; do
		[ $SECONDS -lt $end ] || return 1
		pause 0.1
	done
	timeout 60 sync -f "$1"
	[ $? -ne 124 ]
}

# lun NR: the disk of the NR'th host of scsi_debug
lun()
{
	local dir
	for dir in /sys/bus/pseudo/devices/adapter"$1"/host*/target*/*:0/block/*; do
		[ ! -e "$dir" ] || { echo "/dev/${dir##*/}"; return; }
	done
}

# disks MIB [PARAMETER...]: $disk_a and $disk_b, with what else scsi_debug is to be told.
# Without lbpu: scsi_debug of 6.12 takes its two locks in either order with it.
disks()
{
	local size=$1
	shift
	modprobe sd_mod && modprobe sffs &&
		modprobe scsi_debug add_host=2 num_tgts=1 dev_size_mb="$size" delay=0 "$@" || return
	local end=$((SECONDS + 60))
	while [ $SECONDS -lt $end ]; do
		disk_a=$(lun 0) disk_b=$(lun 1)
		[ ! -b "$disk_a" ] || [ ! -b "$disk_b" ] || return 0
		pause 0.1
	done
	return 1
}

# says FILE TEXT
says()
{
	local text
	text=$(< "$1") && [ "$text" = "$2" ] && return
	echo "$1 says '$text', not '$2'"
	return 1
}

# gone FILE
gone()
{
	[ ! -e "$1" ] && return
	echo "$1 is still there"
	return 1
}

now()
{
	local up
	read -r up _ < /proc/uptime
	echo $((10#${up/./} * 10))
}

# within MS COMMAND...: it succeeds, in that time
within()
{
	local limit=$1 start
	start=$(now)
	shift
	"$@" || return
	start=$(($(now) - start))
	echo "$start ms: $*"
	[ $start -le "$limit" ]
}

# until_done COMMAND...: it comes true, in a minute at most
until_done()
{
	local end=$((SECONDS + 60))
	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		pause 0.1
	done
}
