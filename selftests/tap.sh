# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# What the shell tests share, on top of kselftest's ktap_helpers.sh: $work, a folder of
# their own, and a case that shows the end of what it said only if it failed. The plan
# comes last, so that no one has to count.

# shellcheck source=/dev/null
. "$(dirname "${BASH_SOURCE[0]}")/ktap_helpers.sh"
work=$(mktemp -d "${TMPDIR:-/tmp}/asv-test.XXXXXX")
trap 'rm -rf "$work"' EXIT

# check NAME COMMAND...
check()
{
	local name=$1
	shift
	if "$@" > "$work/check" 2>&1; then
		ktap_test_pass "$name"
	else
		tail -n 30 "$work/check" | sed 's/^/# /'
		ktap_test_fail "$name"
	fi
}

# skip NAME REASON
skip()
{
	ktap_print_msg "reason: $2"
	ktap_test_skip "$1"
}

# finish: the plan, and the exit code that kselftest wants
finish()
{
	ktap_set_plan $((KTAP_TESTNO - 1))
	ktap_finished
}

pause()
{
	read -rt "$1" <> <(:) || :
}

# wait_for FILE TEXT SECONDS
wait_for()
{
	local end=$((SECONDS + $3))
	while [ $SECONDS -lt $end ]; do
		! grep -q -- "$2" "$1" 2> /dev/null || return 0
		pause 0.2
	done
	echo "no '$2' in $3 s; the end of $1:"
	tail -n 15 "$1"
	return 1
}

ktap_print_header
