#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# service.sh: asvm@.service under a systemd of its own, which is process 1 of a container
# with nothing but this unit; under the AppArmor profile where the host's kernel has
# AppArmor. What the service manager is for: it knows when the guest runs, delegates a
# cgroup that limits it, presses its power button, and starts it again after an accident
# only. Then a guest in the background without a service manager.
# Needs ASV_TOP, ASV_BUILD and root; ASV_TEST_DISKS is a folder with direct I/O.
set -uo pipefail

cd "$(dirname "$0")" || exit 1
# shellcheck source=selftests/tap.sh
. ./tap.sh

disks=${ASV_TEST_DISKS:-/scratch}
cgroup=/sys/fs/cgroup
data=$ASV_TOP/user/asvm/data
units=$work/units
unit=asvm@web.service
memory=$((96 << 20))
manager=

# shellcheck disable=SC2317 # called by trap
clean()
{
	if [ -n "$manager" ]; then
		kill -KILL "$manager"
		wait "$unshare"
	fi
	umount /var/lib/asvm 2> /dev/null
	rmdir $cgroup/asvm-plain $cgroup/asvm-systemd 2> /dev/null
	rm -rf "$work"
}
trap clean EXIT

# ctl ARGUMENT...: systemctl, where that systemd is
ctl()
{
	nsenter -t "$manager" -m -p -C systemctl --no-pager "$@"
}

property()
{
	ctl show -P "$1" "${2:-$unit}"
}

# is PROPERTY VALUE [UNIT]: within a minute
is()
{
	local end=$((SECONDS + 60)) value=

	while [ $SECONDS -lt $end ]; do
		value=$(property "$1" "${3:-$unit}")
		[ "$value" != "$2" ] || return 0
		pause 0.2
	done
	echo "$1 is $value, not $2"
	ctl status "${3:-$unit}"
	cat /var/lib/asvm/log
	return 1
}

install_asvm()
{
	local kernel=/boot/vmlinuz-$ASV_KVER

	install -m 755 "$ASV_BUILD/user/asvm" /usr/sbin/asvm
	mkdir -p "$units/$unit.d" /etc/asvm /var/lib/asvm /run/asvm "$disks/asvm"
	mount --bind "$disks/asvm" /var/lib/asvm
	cp "$data/asvm@.service" "$units/"
	printf '[Service]\nStandardError=append:/var/lib/asvm/log\n' > "$units/$unit.d/log.conf"
	# What units depend on by default; there is nothing to do for it here.
	for target in sysinit basic shutdown umount network local-fs test; do
		printf '[Unit]\nDefaultDependencies=no\n' > "$units/$target.target"
	done
	if [ -n "${ASV_VMLINUX:-}" ]; then
		cp "$ASV_VMLINUX" /var/lib/asvm/vmlinux
	else
		./vmlinux.sh "$kernel" /var/lib/asvm/vmlinux
	fi && sh guest-initrd.sh /var/lib/asvm/initrd guest_init "$ASV_KVER" \
		'virtio_pci virtio_blk evdev button' guest_helper || return
	truncate -s 16M /var/lib/asvm/web.img
	cat > /etc/asvm/web.conf <<-CONF
	[Guest]
	Memory=$memory
	Kernel=/var/lib/asvm/vmlinux
	Initrd=/var/lib/asvm/initrd
	CommandLine=console=ttyS0 quiet panic=-1 mitigations=off
	[Disk]
	File=/var/lib/asvm/web.img
	CONF
	printf '[Guest]\nMemory=lots\n' > /etc/asvm/bad.conf
}

# systemd, in a container: with its own processes, mounts and cgroups. Nobody else is in its
# cgroup, or it could hand no controller down.
start_systemd()
{
	local end=$((SECONDS + 90)) state

	echo '+memory +pids' > $cgroup/cgroup.subtree_control
	mkdir $cgroup/asvm-systemd
	# shellcheck disable=SC2016 # for the inner shells
	unshare -m -p -f --kill-child --mount-proc bash -c '
		echo 0 > "$1/asvm-systemd/cgroup.procs"
		exec unshare -C bash -c '\''
			umount -l "$1" && mount -t cgroup2 cgroup2 "$1" && exec env -i container=asv \
			PATH="$PATH" SYSTEMD_UNIT_PATH="$2" /lib/systemd/systemd --system \
			--unit=test.target --log-target=console --log-level=warning'\'' sh "$@"' \
		sh $cgroup "$units" > "$work/systemd.log" 2>&1 < /dev/null &
	unshare=$!
	while [ $SECONDS -lt $end ]; do
		manager=$(cut -d ' ' -f 1 "/proc/$unshare/task/$unshare/children")
		state=$([ -z "$manager" ] || ctl is-system-running 2>&1)
		[ "$state" != running ] || return 0
		pause 0.5
	done
	echo "systemd, process $manager, is: $state"
	ctl list-jobs
	ctl list-units --failed
	cat "$work/systemd.log"
	return 1
}

# Debian loads it at boot for whoever has installed it: so it must let asvm work.
apparmor()
{
	mount -t securityfs securityfs /sys/kernel/security 2> /dev/null
	[ -e /sys/kernel/security/apparmor ] && apparmor_parser -r "$data/asvm.apparmor"
}

confined()
{
	local pid
	for pid in "$(supervisor)" "$(guest)"; do
		cat "/proc/$pid/attr/apparmor/current"
		[ "$(cat "/proc/$pid/attr/apparmor/current")" = 'asvm (enforce)' ] || return 1
	done
}

nothing_denied()
{
	! dmesg | grep 'apparmor="DENIED".*profile="asvm"'
}

comes_up()
{
	/usr/sbin/asvm console web < <(sleep 200) > "$work/console" 2>&1 &
	wait_for "$work/console" READY 180
}

# file FILE VALUE: of the guest's cgroup
file()
{
	echo "$1: $(cat "$group/asvm-web/$1")"
	[ "$(cat "$group/asvm-web/$1")" = "$2" ]
}

limits()
{
	file memory.max $((memory + memory / 64 + (128 << 20))) && file memory.oom.group 1 &&
		file pids.max 1024 && file cgroup.procs "$(guest)" && ! grep 'no limits' /var/lib/asvm/log
}

# the process that waits for the guest, and that which is it, as they are called out here
supervisor()
{
	cat "$group/supervisor/cgroup.procs"
}

guest()
{
	cat "/proc/$(supervisor)/task/"*/children | tr -d ' '
}

stopped()
{
	ctl stop $unit && is ActiveState inactive && is Result success && is ExecMainStatus 0 &&
		[ ! -e /run/asvm/web ] && [ ! -e "$group" ]
}

# an accident: that process is killed, and the guest goes with it
accident()
{
	ctl start $unit && kill -KILL "$(supervisor)" && is NRestarts 1 &&
		is SubState running && [ "$(wc -l < "$group/asvm-web/cgroup.procs")" = 1 ]
}

# the end that somebody wanted is none
killed()
{
	/usr/sbin/asvm kill web && is ActiveState failed && is ExecMainStatus 4 &&
		is NRestarts 1 && is SubState failed
}

wrong_file()
{
	! ctl start asvm@bad && is ActiveState failed asvm@bad && is ExecMainStatus 2 asvm@bad &&
		is NRestarts 0 asvm@bad
}

# a guest in the background, from a cgroup that is nobody's
background()
{
	mkdir $cgroup/asvm-plain
	(
		echo $BASHPID > $cgroup/asvm-plain/cgroup.procs
		exec /usr/sbin/asvm run /etc/asvm/web.conf --name plain --daemon
	) > "$work/plain" 2>&1 || { cat "$work/plain"; return 1; }
	/usr/sbin/asvm list | grep '^plain .*running'
}

no_limits()
{
	cat "$work/plain"
	grep 'no limits on memory and processes: no cgroup is delegated' "$work/plain"
}

modprobe kvm_amd 2> /dev/null || modprobe kvm_intel 2> /dev/null
modprobe asv_blk
check 'asvm and its unit are there' install_asvm
if apparmor; then
	profile=1
else
	profile=
fi
check 'systemd runs' start_systemd
check 'the guest is started' ctl start $unit
check 'systemd knows that it runs' is SubState running
group=$cgroup/asvm-systemd$(property ControlGroup)
check 'its cgroup limits it' limits
if [ -n "$profile" ]; then
	check 'AppArmor confines both processes' confined
else
	skip 'AppArmor confines both processes' 'this kernel has no AppArmor'
fi
check 'the guest comes up' comes_up
check 'it is stopped by its power button' stopped
check 'after an accident it is started again' accident
check 'after the end that was asked for it is not' killed
check 'nor with a wrong file' wrong_file
check 'a guest in the background' background
check 'asvm says when there are no limits' no_limits
check 'it is killed' /usr/sbin/asvm kill plain
[ -z "$profile" ] || check 'nothing that asvm does is denied by its profile' nothing_denied
finish
