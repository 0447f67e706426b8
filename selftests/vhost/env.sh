#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# env.sh: the disks that the block tests use, all in memory: an ext4 filesystem at
# /run/asv-selftest, and block devices nullb1 (512-byte blocks), nullb3 (each request
# takes 10 ms) and /run/asv-selftest-4k (4096-byte blocks; a loop device, because null_blk
# with such blocks writes beyond its pages when a request's memory is not aligned to 4096).
# A second call does nothing.
set -eu

dir=/run/asv-selftest
nullb=/sys/kernel/config/nullb

[ ! -e $dir/ready ] || exit 0
modprobe null_blk nr_devices=0
modprobe ext4
mountpoint -q /sys/kernel/config || mount -t configfs configfs /sys/kernel/config

# null NAME MiB BLOCKSIZE [ATTRIBUTE=VALUE...]
null()
{
	d=$nullb/$1
	mkdir "$d"
	echo "$2" > "$d/size"
	echo "$3" > "$d/blocksize"
	shift 3
	for kv in memory_backed=1 discard=1 "$@"; do
		echo "${kv#*=}" > "$d/${kv%%=*}"
	done
	echo 1 > "$d/power"
}

null nullb0 256 512
null nullb1 64 512
null nullb3 64 512 irqmode=2 completion_nsec=10000000
mkfs.ext4 -q -F -O ^has_journal -E lazy_itable_init=1 /dev/nullb0
# A kernel with fault injection fails requests of devices that ask for it. Not those of
# the filesystem: its metadata would be lost, which is for its own tests.
for name in nullb1 nullb3; do
	[ ! -e /sys/block/$name/make-it-fail ] || echo 1 > /sys/block/$name/make-it-fail
done
modprobe loop
truncate -s 64M $dir-4k.img
ln -sfn "$(losetup --find --show --sector-size 4096 $dir-4k.img)" $dir-4k
mkdir -p $dir
mount /dev/nullb0 $dir
touch $dir/ready
