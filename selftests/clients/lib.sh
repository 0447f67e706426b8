# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# What the tests of stock clients have in common. ASV_BUILD is the folder of the build.

# shellcheck source=selftests/tap.sh
. ./tap.sh

asvm=${ASV_BUILD:?}/user/asvm
kernel=/boot/vmlinuz-$(uname -r)
[ -r "$kernel" ] || kernel=$(printf '%s\n' /boot/vmlinuz-* | tail -n 1)
# shellcheck disable=SC2034 # the tests make their initramfs for it
release=${kernel#/boot/vmlinuz-}
# An ELF kernel: most of a bzImage's boot is its own unpacking.
if [ -n "${ASV_VMLINUX:-}" ]; then
	kernel=$ASV_VMLINUX
else
	./vmlinux.sh "$kernel" "$work/vmlinux" && kernel=$work/vmlinux
fi

# counted NAME COUNTER...: their sums over the queues of the devices of that name, or of all
counted()
{
	local name=$1
	shift
	"$asvm" stats --json ${name:+"$name"} | python3 -c '
import json, sys
queues = [vq for dev in json.load(sys.stdin)["devices"] for vq in dev["vqs"]]
print(*(sum(vq[counter] for vq in queues) for counter in sys.argv[1:]))' "$@"
}

more_than()
{
	echo "$1 is not more than $2"
	[ "$1" -gt "$2" ]
}

# qemu LOG ARGUMENT...: a nested guest in the background; its process is in $qemu_pid.
# One processor in the short check: with two, an emulated one was once seen to stop.
qemu()
{
	local log=$1 cpus=1
	shift
	[ -z "${ASV_LONG:-}" ] || cpus=2
	timeout 600 qemu-system-x86_64 -accel kvm -cpu host -smp $cpus -m 256M \
		-object memory-backend-memfd,id=mem,size=256M,share=on \
		-machine q35,memory-backend=mem -kernel "$kernel" -initrd "$work/initrd" \
		-append 'console=ttyS0 panic=-1 loglevel=5' -nodefaults -display none \
		-serial stdio -no-reboot "$@" < /dev/null > "$log" 2>&1 &
	# shellcheck disable=SC2034 # the tests wait for it
	qemu_pid=$!
}

modprobe kvm_amd 2> /dev/null || modprobe kvm_intel 2> /dev/null
modprobe -a asv_blk asv_net tun
