# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Sourced by the scripts of this folder: messages, progress, the cache folder.

ASV_TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
ASV_CACHE=${ASV_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/asv}
ASV_NAME=${0##*/}
export ASV_TOP ASV_CACHE
# The makes that scripts start are no sub-makes of one that started the script.
unset MAKEFLAGS MFLAGS MAKELEVEL

say()
{
	printf '%s: %s\n' "$ASV_NAME" "$*" >&2
}

die()
{
	say "error: $*"
	exit 1
}

# pause SECONDS: a wait that starts no process
pause()
{
	read -rt "$1" <> <(:) || :
}

# with_progress LABEL LOG COMMAND...: run COMMAND with its output in LOG. On a
# terminal one line shows the time and the newest line of the log, else only the
# start and the end are said. On failure the end of the log is shown.
with_progress()
{
	local label=$1 log=$2 rc=0 start=$SECONDS pid last
	shift 2

	mkdir -p "$(dirname "$log")"
	if [ -t 2 ]; then
		"$@" > "$log" 2>&1 < /dev/null &
		pid=$!
		while kill -0 "$pid" 2> /dev/null; do
			last=$(tail -c 300 "$log" | tr '\r' '\n' | tail -n 1 | tr -cd '[:print:]')
			printf '\r\033[K%s %ds  %.60s' "$label" $((SECONDS - start)) "$last" >&2
			pause 1
		done
		wait "$pid" || rc=$?
		printf '\r\033[K' >&2
	else
		say "$label ..."
		"$@" > "$log" 2>&1 < /dev/null || rc=$?
	fi
	if [ "$rc" -ne 0 ]; then
		tail -n 30 "$log" >&2
		say "$label: FAILED (exit $rc, log $log)"
		return "$rc"
	fi
	say "$label: done in $((SECONDS - start)) s"
}

# hash_of FILE...: a short name for the contents of the files and of standard input
hash_of()
{
	cat "$@" | sha256sum | cut -c 1-12
}

# kernel_find NAME: NAME is a release, `6.1` or `6.12` for the newest installed
# kernel of that line, or `debug`. Sets
#   kver     the release            kimage   what is booted
#   kroot    modules are in $kroot/lib/modules/$kver
#   kdir     what modules are built against
kernel_find()
{
	local image dir

	if [ "$1" = debug ]; then
		dir=$("$ASV_TOP/scripts/lab/build-debug-kernel")
		kver=$(cat "$dir/release") kimage=$dir/bzImage kroot=$dir kdir=$dir/build
		return 0
	fi
	# shellcheck disable=SC2012 # names of kernels are plain
	image=$(ls -v /boot/vmlinuz-"$1" /boot/vmlinuz-"$1".[0-9]*-amd64 2> /dev/null | tail -n 1 || :)
	[ -n "$image" ] || die "no kernel $1 in /boot: run scripts/setup run"
	# shellcheck disable=SC2034 # for the caller
	kver=${image#/boot/vmlinuz-} kimage=$image kroot=''
	# shellcheck disable=SC2034
	kdir=/lib/modules/$kver/build
}
