#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# models.sh [MODEL]: the models of the lock protocol (Documentation/filesystems/
# sffs-locks.rst), each as the protocol is, which must hold, and each with one rule
# taken out, which must fail with what that rule is there for. Every search is
# exhaustive: one that was cut short fails.
set -uo pipefail

cd "$(dirname "$0")" || exit 1
# shellcheck source=selftests/tap.sh
. ./tap.sh

# search MODEL "DEFINITIONS" OPTION AIM: write the verifier, build it, run it; its output
# is in $work/log. OPTION is empty for safety, or -a for a formula under weak fairness.
# AIM is what is expected: holds or fails.
search()
{
	local model=$1 cflags=(-w -DCOLLAPSE -DMEMLIM=1800) args=(-m2000000 -w22)

	if [ -n "$3" ]; then
		cflags+=(-DNFAIR=3)
		args+=(-a -f)
	else
		cflags+=(-DSAFETY)
	fi
	# Building with -O2 pays only for a long search.
	case $4 in
	holds)	cflags+=(-O2) ;;
	*)	cflags+=(-O0) ;;
	esac
	rm -rf "${work:?}/$model"
	mkdir "$work/$model" && cp ./*.pml "$work/$model" && (
		cd "$work/$model" || exit
		# shellcheck disable=SC2086 # a list of definitions
		spin -a $2 "$model.pml" && cc "${cflags[@]}" -o pan pan.c && ./pan "${args[@]}"
	) > "$work/log" 2>&1
}

# report NAME: of the last command's success
report()
{
	if [ $? -eq 0 ]; then
		ktap_test_pass "$1"
	else
		tail -n 40 "$work/log" | sed 's/^/# /'
		ktap_test_fail "$1"
	fi
}

# complete: no error, and every state was looked at
complete()
{
	grep -q 'errors: 0' "$work/log" &&
		! grep -qE 'too small|not completed|out of memory|violated|cycle \(' "$work/log"
}

# holds NAME MODEL [DEFINITIONS [-a]]
holds()
{
	local states mib

	search "$2" "${3:-}" "${4:-}" holds
	states=$(sed -nE 's/^ *([0-9.e+]+) states, stored.*/\1/p' "$work/log")
	mib=$(sed -nE 's/^ *([0-9.]+)\ttotal actual memory usage.*/\1/p' "$work/log")
	complete
	report "$2.pml holds: $1 (${states:-no} states, ${mib:-?} MiB)"
}

# fails RULE MODEL "DEFINITIONS" HOW [-a]: without the rule the search ends with HOW
fails()
{
	search "$2" "$3" "${5:-}" fails
	grep -qE "^pan:1: $4" "$work/log"
	report "$2.pml fails without a rule: $1"
}

twice='assertion violated .*ls\[k\]!='		# a holder that is none, or one unknown
late='assertion violated .*watch!='		# a write after the replay began
unfenced='assertion violated .*fenced\['	# the same
old='assertion violated .*cache\[(me|n)\]=='	# a node works on an old block
journal='assertion violated .*journal\['	# a journal holds what another node owns
shared='assertion violated .*uses\[k\]'		# two use the lock
order='assertion violated .*place\['		# a waiter was passed by
stuck='(assertion violated .*rounds\[k\]|invalid end state|acceptance cycle)'

ats()
{
	holds 'two nodes with two commands each' ats
	holds 'three nodes, an operation each' ats '-DNODES=3 -DTRIES=1 -DROUNDS=1'
	fails 'read back after an unknown outcome' ats -DNO_READ_BACK "$twice"
	fails 'stay while the old image is there' ats -DWALK_AWAY "$twice"
	fails 'a miscompare is not a lost lock' ats -DTRUST_MISCOMPARE "$twice"
	fails 'judge by holders, not by the writer' ats -DJUDGE_BY_WRITER "$twice"
	fails 'a fresh nonce in every image' ats -DREUSE_NONCE "$twice"
}

lease()
{
	holds 'margins without fencing' lease
	holds 'fencing of frozen nodes' lease -DFENCE
	holds 'a dead node is recovered' lease '-DFENCE -DPROGRESS' -a
	fails "the gate's margin" lease -DNO_GATE_MARGIN "$late"
	fails "the watcher's margin" lease -DNO_WATCH_MARGIN "$late"
	fails 'a renewal counts from its submission' lease -DFROM_COMPLETION "$late"
	fails 'the nonce tells which renewal was done' lease -DCREDIT_LAST "$late"
	fails 'watch from the completion of a read' lease -DWATCH_FROM_SUBMISSION "$late"
	fails 'fence' lease '-DFENCE -DNO_FENCING' "$late"
	fails 'abort what the target has accepted' lease '-DFENCE -DNO_ABORT' "$late"
	fails 'end all writes, then register a path' lease '-DFENCE -DREGISTER_AT_ONCE' "$late"
	fails 'register a path, renew, then write' lease '-DFENCE -DWRITE_AT_ONCE' "$late"
}

lock()
{
	local three='-DHOSTS=3 -DROUNDS=1 -DSAFETY_ALONE'

	holds 'two hosts, one unmounts' lock '-DHOSTS=2 -DUNMOUNTS=1'
	holds 'two slots, a third host waits for one' lock '-DHOSTS=3 -DSLOTS=2 -DROUNDS=1'
	holds 'three hosts' lock '-DHOSTS=3 -DROUNDS=1'
	if [ -n "${ASV_LONG:-}" ]; then
		holds 'two slots for three hosts, one unmounts' lock \
			'-DHOSTS=3 -DSLOTS=2 -DROUNDS=1 -DUNMOUNTS=1'
		holds 'two hosts, two crashes, two freezes' lock \
			'-DHOSTS=2 -DCRASHES=2 -DFREEZES=2'
	fi
	fails 'move the tail of the journal' lock "$three -DNO_TAIL_MOVE" "$journal"
	fails 'wait for writes before giving up' lock "$three -DNO_WAIT" "$old"
	fails 'fence' lock "$three -DNO_FENCING" "$unfenced"
	fails 'drop the caches at another version' lock '-DHOSTS=2 -DKEEP_CACHE' "$old"
	fails 'a holder counts until its slot is recovered' lock "$three -DSTALE_EARLY" \
		"($old|$journal)"
	fails 'an incarnation that is over holds nothing' lock '-DHOSTS=2 -DNO_INCARNATION' "$stuck"
	fails 'fence before the replay' lock "$three -DREPLAY_FIRST" "($old|$journal)"
	fails 'empty the journal before the slot is freed' lock "$three -DFREE_FIRST" "$journal"
	fails 'empty the journal before an unmount' lock '-DHOSTS=2 -DUNMOUNTS=1 -DUNMOUNT_EARLY' \
		"$journal"
	fails 'fence a paused recoverer' lock "$three -DTAKE_OVER_PAUSED" "$old"
	fails 'fence every key that is over' lock "$three -DFENCE_VICTIM_ALONE" "$old"
	fails 'take over though the recoverer is not recovered' lock \
		'-DHOSTS=3 -DROUNDS=1 -DWAIT_FOR_RECOVERER' "$stuck"
}

wait_()
{
	holds 'three nodes' wait
	holds 'who waits gets the lock' wait -DPROGRESS -a
	fails 'no waiting for an upgrade' wait -DUPGRADE_WAITS "$stuck"
	fails 'pass to the oldest waiter' wait -DPASS_TO_ANY "$order"
	fails 'stay behind waiters' wait -DJOIN_AHEAD "$order"
	fails 'keep the waiters in a release' wait '-DPROGRESS -DDROP_WAITERS' "$stuck" -a
	fails 'leave when no task waits any more' wait '-DPROGRESS -DFORGET_WAITING' \
		"($order|$stuck)" -a
}

chunk()
{
	holds 'three nodes' chunk
	fails 'give no inode that is used' chunk -DGIVE_IN_USE "$shared"
	fails 'move no delegation with inodes in use' chunk -DMOVE_IN_USE "$shared"
	fails 'only the delegate writes a record of nobody' chunk -DASKER_TAKES "$shared"
	fails 'a record with a dead name is not of nobody' chunk -DSTALE_IS_NOBODY "($old|$shared)"
	fails 'read the records after taking the delegation' chunk -DREAD_FIRST "$shared"
	fails 'raise the version in giving' chunk -DGIVE_WITHOUT_RAISE "$old"
}

case ${1:-all} in
all)	ats; lease; lock; wait_; chunk ;;
wait)	wait_ ;;
ats|lease|lock|chunk) "$1" ;;
*)	echo "no such model: $1" >&2; exit 1 ;;
esac
finish
