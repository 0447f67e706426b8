#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# mutants.sh: the tests beside this one fail when a rule is taken out of the code that they
# test. A mutant is a line of that code, changed by sed; the test is built with it and run, and fails,
# crashes or hangs.
set -uo pipefail

cd "$(dirname "$0")" || exit 1
# shellcheck source=selftests/tap.sh
. ./tap.sh

# mutant TEST SOURCE RULE EXPRESSION
mutant()
{
	local name="$2 without a rule: $3" m=$work/m

	rm -rf "$m" && mkdir "$m" && cp ./*.c ./*.h "$m"
	sed -i "$4" "$m/$2"
	if cmp -s "$2" "$m/$2"; then
		echo "# nothing in $2 that is '$4'"
		ktap_test_fail "$name"
	elif ! cc -std=gnu11 -w -D_GNU_SOURCE -fno-strict-aliasing -I"$m" -o "$m/test" \
			"$m/$1.c" "$m/$2" 2> "$m/log"; then
		sed 's/^/# /' "$m/log"
		ktap_test_fail "$name"
	elif timeout 60 "$m/test" > "$m/log" 2>&1; then
		ktap_test_fail "$name"
	else
		ktap_test_pass "$name"
	fi
}

records()
{
	mutant records lockrec.c "$@"
}

records 'a free slot ends its last incarnation' 's/return behind >= 0/return behind > 0/'
records 'a live incarnation holds' 's/return behind > 0;/return behind >= 0;/'
records 'an incarnation later than the view holds' 's/return behind > 0;/return behind;/'
records 'nobody is stale in a recovery' '0,/^	default:/s/^	default:/	case SFFS_SLOT_RECOVERING: return behind > 0; default:/'
records 'tickets wrap' 's/^static s16 age/static int age/'
records 'stay behind waiters' 's/return (!waiters || oldest(.*) == id->slot) \&\&/return/'
records 'stay behind older waiters' 's/oldest(rec, waiters) == id->slot/(waiters \& own(id, rec))/'
records 'stale waiters keep nobody out' 's/(rec->waiters) & ~stale/(rec->waiters)/'
records 'stale holders keep nobody out' 's/(rec->holders) & ~stale &/(rec->holders) \&/'
records 'shared fits beside shared alone' 's/(mode == SFFS_LOCK_SHARED \&\& rec->mode/(rec->mode/'
records 'exclusive alone' 's/ \&\& rec->mode == SFFS_LOCK_SHARED)/)/'
records 'raise the version' 's/^	if (mode == SFFS_LOCK_EXCLUSIVE)$/	if (0)/'
records 'raise it in giving' '/^	set_lvb(new, lvb);$/{n;s/raise_version(new)//}'
records 'give what names nobody' 's/old->holders || old->waiters ||/old->holders ||/'
records 'give to nobody who is stale' 's/sffs_slot_stale(\&id->view\[slot\], incarnation))$/0)/'
records 'pass to the oldest' 's/age(rec, i) > most/1/'
records 'pass to the next, too' '/^		grant(rec, next/a\		return;'
records 'pass to those that fit' 's/^		if (!fits(rec, le64_to_cpu(rec->holders), mode))/		if (0)/'
records 'keep the waiters' 's/^	drop(new, bit(id->slot));$/	drop(new, ~0ULL);/'
records 'drop what is stale' 's/^	drop(new, sffs_lockrec_stale.*$//'
records 'leave the holders to wait' 's/^	drop(new, me);$//'
records 'give the lock up to hold it no more' 's/^	drop(new, bit(id->slot));$//'
records 'who holds it judges by the incarnation' 's/^	return le32_to_cpu(rec->incarnation\[id->slot\]) == id->incarnation ? \(.*\) : 0;$/	return \1;/'
records 'the version before the grant' 's/ - (news->held == SFFS_LOCK_EXCLUSIVE)//'
records 'a nonce' 's/^	new->nonce = .*$//'
records 'check the checksum' 's/^	       sffs_crc_ok(.*) \&\&$//'
records 'check the number' 's/le64_to_cpu(rec->number) == id->number \&\& //'
records 'check tickets' 's/^		if (age(rec, i) <= 0)$/		if (0)/'
records 'check slots' 's/ || (named \&\& i >= max_slots)//'
finish
