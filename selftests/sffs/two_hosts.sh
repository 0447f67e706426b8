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
