# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# Guests of asvm with leased functions, each with a shell that the tests talk to. $guest names
# the one that is meant; its console is $work/$guest.log.

# shellcheck source=selftests/vtd/lib.sh
. ./lib.sh

asvm=$ASV_BUILD/user/asvm
# An ELF kernel: most of a bzImage's boot is its own unpacking.
kernel=/boot/vmlinuz-$(uname -r)
[ -r "$kernel" ] || kernel=$(printf '%s\n' /boot/vmlinuz-* | tail -n 1)
release=${kernel#/boot/vmlinuz-}
if [ -n "${ASV_VMLINUX:-}" ]; then
	kernel=$ASV_VMLINUX
else
	./vmlinux.sh "$kernel" "$work/vmlinux" && kernel=$work/vmlinux
fi
guest=vtd
cmdline='console=ttyS0 quiet panic=-1 mitigations=off'
declare -A say pid
# who talks to a guest that has ended fails, and does not end
trap : PIPE

log()
{
	echo "$work/$guest.log"
}

# launch COMMAND...: $guest in the background, with a console to talk to
launch()
{
	local fd

	[ -z "${say[$guest]:-}" ] || { fd=${say[$guest]}; exec {fd}>&-; }
	rm -f "$work/$guest.say"
	mkfifo "$work/$guest.say"
	: > "$(log)"
	"$@" < "$work/$guest.say" >> "$(log)" 2>&1 &
	pid[$guest]=$!
	exec {fd}> "$work/$guest.say"
	say[$guest]=$fd
}

# begin WORDS ARGUMENT...: $guest, with more words on its kernel's command line
begin()
{
	local words=$1
	shift
	launch "$asvm" run --name "$guest" --mem 160M --kernel "$kernel" --initrd "$work/initrd" \
		--cmdline "$cmdline $words" "$@"
}

# ready: $guest has come up
ready()
{
	wait_for "$(log)" '^READY' 240
}

# start WORDS ARGUMENT...: begin, and wait until it is ready
start()
{
	begin "$@" && ready
}

# ask LINE ANSWER: of the guest's shell; the line itself must not have the answer
ask()
{
	local from end=$((SECONDS + 120))
	from=$(wc -c < "$(log)")
	echo "$1" >&"${say[$guest]}"
	while [ $SECONDS -lt $end ]; do
		! tail -c +$((from + 1)) "$(log)" | grep -q -- "$2" || return 0
		pause 0.2
	done
	echo "no '$2' to: $1"
	tail -n 25 "$(log)"
	return 1
}

# disk_in_guest NAME SECONDS [MIB]: write and verify its disk, from there on
disk_in_guest()
{
	ask "until_true test -b /dev/$1" 'it came true' &&
		ask "/verify /dev/$1 $2 ${3:-}" 'verify: GOOD after [1-9]' && tail -n 2 "$(log)"
}

# ended: $guest switches itself off, and its launcher ends well
ended()
{
	echo 'poweroff -f' >&"${say[$guest]}"
	wait "${pid[$guest]}"
}

# killed launcher|child: one of its two processes
killed()
{
	local victim=${pid[$guest]}

	[ "$1" != child ] || victim=$(pgrep -P "$victim") || victim=${pid[$guest]}
	kill -KILL "$victim"
	wait "${pid[$guest]}"
}

# back FUNCTION DRIVER: within a minute, though who was killed may not be quite dead yet
back()
{
	until_true "$vtd" return --wait "$1" && has_driver "$1" "$2"
}

# guests_setup MODULE...: what they are made of
guests_setup()
{
	modprobe kvm_amd 2> /dev/null || modprobe kvm_intel 2> /dev/null
	sh guest-initrd.sh "$work/initrd" guest_init "$release" "$*" verify dma
}
