#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# mutants.sh: the tests beside this one fail when a rule is taken out of the code that they
# test. A mutant is a line of that code, changed by sed; the test is built with it and run, and fails,
# crashes or hangs. In few rounds, also where ASV_LONG asks for many: many take longer than a
# mutant may, and so would show nothing.
set -uo pipefail

cd "$(dirname "$0")" || exit 1
# shellcheck source=selftests/tap.sh
. ./tap.sh

# mutant TEST FILE RULE EXPRESSION
mutant()
{
	local name="$2 without a rule: $3" m=$work/m sources=()

	case $1 in
	records) sources=(lockrec.c) ;;
	mailbox) sources=(mail.c) ;;
	nodes)	sources=(lockstate.c lockrec.c) ;;
	esac

	rm -rf "$m" && mkdir "$m" && cp ./*.c ./*.h "$m"
	sed -i "$4" "$m/$2"
	if cmp -s "$2" "$m/$2"; then
		echo "# nothing in $2 that is '$4'"
		ktap_test_fail "$name"
	elif ! cc -std=gnu11 -w -D_GNU_SOURCE -fno-strict-aliasing -I"$m" -o "$m/test" \
			"$m/$1.c" "${sources[@]/#/$m/}" 2> "$m/log"; then
		sed 's/^/# /' "$m/log"
		ktap_test_fail "$name"
	elif ASV_LONG="" timeout 60 "$m/test" > "$m/log" 2>&1; then
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
records 'raise it once more for what the delegate did' 's/^		raise_version(new);$/		;/'
records 'give what names nobody' 's/^	if (!id->delegate || !delegates(id, old) ||/	if (!id->delegate ||/'
records 'the delegate alone gives' 's/^	if (!id->delegate || /	if (/'
records 'the delegate alone takes what names nobody' 's/ || sffs_lockrec_delegated(id, rec))/)/'
records 'the delegate alone enters what names nobody' 's/ || sffs_lockrec_delegated(id, old))/)/'
records 'what is stale is somebody' 's/^	       !rec->holders \&\& !rec->waiters;/	       !((le64_to_cpu(rec->holders) | le64_to_cpu(rec->waiters)) \& ~sffs_lockrec_stale(id, rec));/'
records 'other records have no delegate' 's/id->type >= SFFS_LOCKT_INODE/id->type >= SFFS_LOCKT_GROUP/'
records 'file locks have one' 's/id->type <= SFFS_LOCKT_FLOCK/id->type < SFFS_LOCKT_FLOCK/'
records 'give to nobody who is stale' 's/sffs_slot_stale(\&id->view\[slot\], incarnation))$/0)/'
records 'pass to the oldest' 's/age(rec, i) > most/1/'
records 'pass to the next, too' '/^		grant(rec, next/a\		return;'
records 'pass to those that fit' 's/^		if (!fits(rec, le64_to_cpu(rec->holders), mode))/		if (0)/'
records 'keep the waiters' 's/^	drop(new, bit(id->slot));$/	drop(new, ~0ULL);/'
records 'drop what is stale' 's/^	drop(new, sffs_lockrec_stale.*$//'
records 'wait no more' '/^bool sffs_lockrec_leave/,/^}/s/^	drop(new, bit(id->slot));$//'
records 'hand on what was waited for' '/^bool sffs_lockrec_leave/,/^}/s/^	pass_on(new);$//'
records 'leave what is waited for alone' 's/^	if (!(le64_to_cpu(old->waiters) \& own(id, old)))$/	if (0)/'
records 'leave the holders to wait' 's/^	drop(new, me);$//'
records 'give the lock up to hold it no more' 's/^	drop(new, bit(id->slot));$//'
records 'who holds it judges by the incarnation' 's/^	return le32_to_cpu(rec->incarnation\[id->slot\]) == id->incarnation ? \(.*\) : 0;$/	return \1;/'
records 'the version before the grant' 's/ - (news->held == SFFS_LOCK_EXCLUSIVE)//'
records 'a nonce' 's/^	new->nonce = .*$//'
records 'check the checksum' 's/^	       sffs_crc_ok(.*) \&\&$//'
records 'check the number' 's/le64_to_cpu(rec->number) == id->number \&\& //'
records 'check tickets' 's/^		if (age(rec, i) <= 0)$/		if (0)/'
records 'check slots' 's/ || (named \&\& i >= max_slots)//'

mailbox()
{
	mutant mailbox mail.c "$@"
}

mailbox 'no more than fit' 's/box->count < SFFS_MAIL_REQUESTS/1/'
mailbox 'what may be in vain makes room' 's/box->req\[i\].mode == SFFS_MAIL_LAST \&\&/0 \&\&/'
mailbox 'what was asked for long makes room' 's/^		if (box->aged\[i\])$/		if (0)/'
mailbox 'what was just asked for makes no room' 's/^		if (box->aged\[i\])$/		if (1)/'
mailbox 'each resource once' 's/^	if (!req) {$/	{/'
mailbox 'close the gap' 's/^	\*req = box->req\[--box->count\];/	--box->count;/'
mailbox 'say what changed' 's/^	box->changed = true;$//'
mailbox 'write again what is still wanted' 's/^			changed(box);$//'
mailbox 'write again what may not have been written' 's/^	box->newer = false;$/	box->changed = false;/'
mailbox 'write again what changed meanwhile' 's/^		box->changed = box->newer;$/		box->changed = false;/'
mailbox 'count polls of each request' 's/^	box->polls\[.*\] = box->polls.*$//'
mailbox 'check the sums' 's/^	       sffs_crc_ok(.*) \&\&$//'
mailbox 'check the place' 's/mail->sender == id->sender \&\& //'
mailbox 'check the count' 's/le16_to_cpu(mail->count) <= SFFS_MAIL_REQUESTS/1/'
mailbox 'a request to this incarnation' 's/le32_to_cpu(req->holder_inc) == id->receiver_inc/1/'
mailbox 'a sector of this incarnation' 's/le32_to_cpu(mail->sender_inc) == id->sender_inc/1/'

nodes()
{
	mutant nodes "$@"
}

nodes lockstate.h 'no new users while giving up' 's/if (c->state != SFFS_LS_EXCLUSIVE \&\&/if (c->state != SFFS_LS_EXCLUSIVE \&\& c->state != SFFS_LS_DRAIN \&\&/'
nodes lockstate.h 'shared is not exclusive' 's/ || mode == SFFS_LOCK_EXCLUSIVE))/))/'
nodes lockstate.c 'wait for the users' '/^	case SFFS_LS_DRAIN:$/{n;s/if (.*)/if (0)/}'
nodes lockstate.c 'flush' 's/SFFS_LS_FLUSH : SFFS_LS_RELEASE/SFFS_LS_REVOKE : SFFS_LS_RELEASE/'
nodes lockstate.c 'revoke' 's/c->state = SFFS_LS_REVOKE;/c->state = SFFS_LS_RELEASE;/'
nodes lockstate.c 'unmap' 's/return SFFS_LA_UNMAP;/c->state = c->held == 2 ? SFFS_LS_FLUSH : SFFS_LS_RELEASE; return SFFS_LA_NONE;/'
nodes lockstate.c 'drop what is cached at another version' 's/c->drop = !c->known || .*;/c->drop = !c->known;/'
nodes lockstate.c 'drop what a dead mount knew' 's/c->drop = !c->known || .*;/c->drop = 0;/'
nodes lockstate.c 'a waiter whose tasks have gone leaves' 's/^	if (!mode \&\& c->entered)$/	if (0)/'
nodes lockstate.c 'given up only when the record says so' 's/^	if (news->held == c->held .*)$/	if (0)/;s/^	if (news->held)$/	if (0)/'
nodes lockstate.c 'look at what others want' 's/c->wanted = news.wanted;/c->wanted = 0;/'
nodes lockstate.c 'look when asked' 's/(c->look || upgrade || last)/(upgrade || last)/'
nodes lockstate.c 'who asks during a READ is heard' 's/^	c->reading = false;$/	c->reading = c->look = false;/'
nodes lockstate.c 'look again when it could not be read' 's/^	c->look |= c->reading;$//'
nodes lockstate.c 'those who waited come first' 's/^	if (fitting(c))$/	if (0 \&\& fitting(c))/'
nodes lockstate.h 'one use may overlap the next' 's/^	return c->wanted || \(.*\);$/	return !c->uses[1] \&\& !c->uses[2] \&\& (c->wanted || \1);/'
nodes lockstate.h 'the end of a use lets others in' 's/return c->wanted || /return /'
nodes lockstate.h 'the end of a use lets the lock go' 's/ || c->quit//'
nodes lockstate.h 'the end of a use lets the mail be heard' 's/ || c->look//'
nodes lockstate.h 'the end of a use lets exclusive in' 's/ || c->waiting\[SFFS_LOCK_EXCLUSIVE\]//'
nodes lockstate.c 'a waiter takes its turn, enough or not' 's/can_take(id, rec, news.waits)/can_take(id, rec, mode ?: news.waits)/'
nodes lockstate.c 'nobody waits for a delegation' 's/id->type == SFFS_LOCKT_CHUNK \&\& !c->entered/0/'
nodes lockstate.c 'notice in RELEASE that others go on' 's/^	if (!tried)$/	if (0)/'
nodes lockstate.c 'notice it but by what others did' 's/^	c->tried |= made;$//'
nodes lockstate.c 'look at what a delegate gave' 's/^		if (c->look \&\& !c->fresh)$/		c->look = false; if (0)/'
nodes lockstate.c 'ask the delegate' 's/sffs_lockrec_delegated(id, rec) ? SFFS_LA_POLL/0 ? SFFS_LA_POLL/'
nodes lockstate.c 'the last use is not waited for' 's/return !mode || sffs_lockrec_delegated/return sffs_lockrec_delegated/;s/^	bool upgrade = .*$/	bool upgrade = c->held == SFFS_LOCK_SHARED \&\& (c->last || c->waiting[SFFS_LOCK_EXCLUSIVE]);/'
nodes lockstate.c 'the last use is looked for' 's/^	if ((upgrade || last) \&\&/	if (upgrade \&\&/'
nodes lockstate.c 'a file that is open can be opened elsewhere' 's/^	if (used \&\& id->type == SFFS_LOCKT_OPEN \&\& c->held .*$/	if (0 \&\&/'
nodes lockstate.h 'what was changed is written before others share it' 's/^		c->changed = true;$//'
nodes lockstate.c 'a file that is open is not given up' 's/^	if (used \&\& id->type == SFFS_LOCKT_OPEN)$/	if (0)/'
nodes lockrec.c 'the delegate alone takes what names nobody' 's/return delegates(id, rec) \&\& !id->delegate;/return false;/'
nodes lockrec.c 'raise the version for what the delegate did' 's/^		raise_version(new);$/		;/'
nodes lockrec.c 'nobody is ahead of its slot' 's/^			ahead |= bit(i);/;/'
nodes lockstate.c 'enter the waiters' 's/if (!c->entered)$/if (0)/'
finish
