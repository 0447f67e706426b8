#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# install.sh: `make install` on a host that has never seen the suite: the modules are
# indexed, described, bring each other in, load when their node is opened, and the
# nodes have the group and mode of the udev rule. Needs ASV_TOP and ASV_BUILD.
set -uo pipefail

cd "$(dirname "$0")" || exit 1
# shellcheck source=selftests/tap.sh
. ./tap.sh

# What scripts/check has just built is not looked at again, and debug information is left
# out: to compress it, as some kernels want modules, takes a minute here.
make_install()
{
	make -C "$ASV_TOP" BUILD="$ASV_BUILD" KVER="$ASV_KVER" ${KDIR:+KDIR="$KDIR"} -o modules \
		-o programs INSTALL_MOD_STRIP=1 install
}

# few_modules: put in place of the kernel's own modules only those that ours need, by the
# index that is there: depmod reads every file, which takes minutes under emulation.
few_modules()
{
	local name file few=/run/few-modules

	mkdir -p $few
	find "$ASV_BUILD/$ASV_KVER/" -name '*.ko' -exec modinfo -F depends {} + |
		tr ',' '\n' | sort -u | while read -r name; do
		[ -z "$name" ] || modprobe --show-depends "$name" 2> /dev/null
	done | awk '$1 == "insmod" { print $2 }' | sort -u | while read -r file; do
		install -D "$file" "$few/${file#*/kernel/}" || return 1
	done
	mount --bind $few "/lib/modules/$ASV_KVER/kernel"
}

absent()
{
	! modinfo "$1"
}

loaded()
{
	[ -e "/sys/module/$1" ]
}

# described MODULE: licence, description, version, and a text for each parameter
described()
{
	local parameter
	[ "$(modinfo -F license "$1")" = GPL ] && [ -n "$(modinfo -F description "$1")" ] &&
		[ -n "$(modinfo -F version "$1")" ] || return 1
	for parameter in $(modinfo -F parm "$1" | cut -d: -f1); do
		modinfo -F parm "$1" | grep -q "^$parameter:..* (" ||
			{ echo "parameter $parameter has no description"; return 1; }
	done
}

node()
{
	local is
	is=$(stat -c '%F %t:%T %G %a' "$1")
	echo "$is, not character special file $2 kvm 660"
	[ "$is" = "character special file $2 kvm 660" ]
}

unload()
{
	modprobe -r "$@" && ! loaded asv_vhost
}

# opened NODE MODULE: opening the node loads the module; what open returns is not asked
opened()
{
	unload asv_blk asv_net
	! loaded "$2" || return 1
	(exec 3<> "$1")
	loaded "$2" && loaded asv_vhost
}

udev_rule()
{
	/lib/systemd/systemd-udevd --daemon && unload asv_blk asv_net || return 1
	chown root:root /dev/asv-blk /dev/asv-net && chmod 0600 /dev/asv-blk /dev/asv-net
	modprobe -a asv_blk asv_net && udevadm settle -t 30
	node /dev/asv-blk a:fb && node /dev/asv-net a:fa
}

check 'asv_blk is not there before' absent asv_blk
check 'the modules that ours need' few_modules
check 'make install' make_install
for module in asv_vhost asv_blk asv_net sffs; do
	check "modinfo $module" described $module
done
check '/dev/asv-net right after' node /dev/asv-net a:fa
check '/dev/asv-blk right after' node /dev/asv-blk a:fb
check 'opening /dev/asv-net loads asv_net and asv_vhost' opened /dev/asv-net asv_net
check 'opening /dev/asv-blk loads asv_blk and asv_vhost' opened /dev/asv-blk asv_blk
check 'unloading takes asv_vhost along' unload asv_blk asv_net
check 'modprobe asv_blk brings in asv_vhost' eval 'modprobe asv_blk && loaded asv_vhost'
check 'modprobe asv_net' modprobe asv_net
check 'udev gives both nodes to group kvm' udev_rule
check 'asvm is installed and runs' asvm --version
check 'modprobe sffs brings in jbd2' eval 'modprobe sffs && loaded jbd2'
check 'mkfs.sffs is installed and runs' mkfs.sffs --version
check 'unload again' unload asv_blk asv_net sffs
finish
