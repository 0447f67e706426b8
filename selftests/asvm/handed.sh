#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# handed.sh WORK BZIMAGE INITRD ASVM CMDLINE: start a guest as an ordinary user that may open
# nothing of what the guest needs, and is handed it as a service manager does.
set -eu

work=$1
truncate -s 4M "$work/disk"
chmod 600 "$work/disk"
install -d -o 65534 -g 65534 -m 700 "$work/run"
exec 3<> /dev/kvm 4< "$2" 5< "$3" 6<> "$work/disk" 7<> /dev/asv-blk \
	8<> "/dev/tap$(cat /sys/class/net/asvm0/ifindex)" 9<> /dev/asv-net
export XDG_RUNTIME_DIR="$work/run" LISTEN_FDS=7 LISTEN_PID=$$
export LISTEN_FDNAMES=kvm:kernel:initrd:disk0:disk0-vhost:net0:net0-vhost
exec setpriv --reuid 65534 --regid 65534 --clear-groups "$4" run --name handed --cpus 2 \
	--mem 128M --disk packed=yes --cmdline "$5" \
	--net "packed=yes,mac=$(cat /sys/class/net/asvm0/address)"
