# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# What the tests of stock clients have in common. ASV_BUILD is the folder of the build.

asvm=${ASV_BUILD:?}/user/asvm
kernel=/boot/vmlinuz-$(uname -r)
[ -r "$kernel" ] || kernel=$(printf '%s\n' /boot/vmlinuz-* | tail -n 1)
work=$(mktemp -d)
count=0 failed=0

# Only a process of ours is ever ended: each test kills what it started.
trap 'rm -rf "$work"' EXIT

# check NAME COMMAND...
check()
{
	local name=$1
	shift
	count=$((count + 1))
	if "$@" > "$work/check" 2>&1; then
		echo "ok $count $name"
	else
		sed 's/^/# /' "$work/check" | tail -n 20
		echo "not ok $count $name"
		failed=$((failed + 1))
	fi
}

# finish: the plan, and the exit code that kselftest wants
finish()
{
	echo "1..$count"
	echo "# Totals: pass:$((count - failed)) fail:$failed xfail:0 xpass:0 skip:0 error:0"
	[ "$failed" -eq 0 ]
}

# wait_for FILE TEXT SECONDS
wait_for()
{
	local end=$((SECONDS + $3))
	while [ $SECONDS -lt $end ]; do
		! grep -q -- "$2" "$1" 2> /dev/null || return 0
		read -rt 0.2 <> <(:)
	done
	echo "no '$2' in $3 s; the end of $1:"
	tail -n 15 "$1"
	return 1
}

has()
{
	grep -q -- "$2" "$1" || { tail -n 15 "$1"; return 1; }
}

# counted NAME COUNTER: the sum of a counter over the queues of the device
counted()
{
	"$asvm" stats --json "$1" | grep -o "\"$2\":[0-9]*" | cut -d: -f2 |
		awk '{ sum += $1 } END { print sum + 0 }'
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
	timeout 240 qemu-system-x86_64 -accel kvm -cpu host -smp $cpus -m 256M \
		-object memory-backend-memfd,id=mem,size=256M,share=on \
		-machine q35,memory-backend=mem -kernel "$kernel" -initrd "$work/initrd" \
		-append 'console=ttyS0 panic=-1 loglevel=5' -nodefaults -display none \
		-serial stdio -no-reboot "$@" < /dev/null > "$log" 2>&1 &
	# shellcheck disable=SC2034 # the tests wait for it
	qemu_pid=$!
}

modprobe kvm_amd 2> /dev/null || modprobe kvm_intel 2> /dev/null
modprobe -a asv_blk asv_net tun
echo 'TAP version 13'
