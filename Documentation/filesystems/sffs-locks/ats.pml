/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The ATS sender: one record; nodes take and release it, and write to it while
 * another holds it (a waiter that enters itself).
 *
 * A node waits for one command at a time, but may have others under way that it no
 * longer waits for. The fabric loses commands and answers, answers late, refuses with
 * unit attention, and sends a command twice, so that the answer is the miscompare of
 * the second execution. Commands are executed in any order.
 *
 * An image is holder, writer and nonce. A nonce is fresh when nothing that is alive
 * has it: not the record, no command, no node's memory. So runs have no end, and a
 * nonce may come again once all that knew it is gone. ROUNDS bounds the operations of
 * each node all the same, where there are more than two nodes.
 *
 * Mutations: NO_READ_BACK, WALK_AWAY, TRUST_MISCOMPARE, JUDGE_BY_WRITER, REUSE_NONCE.
 */
#include "states.pml"

#ifndef NODES
#define NODES	2
#endif
#ifndef TRIES
#define TRIES	2	/* commands of one node at the same time */
#endif
#define NOBODY	3
#define CMDS	(NODES * TRIES)
#define NONCES	(2 + NODES + 2 * CMDS)
#define NO_IMAGE 1023
#ifdef REUSE_NONCE
#define KEEP	true
#else
#define KEEP	false
#endif

#ifdef JUDGE_BY_WRITER
#define make_image(holder, writer, nonce)	((nonce) * 16 + (writer) * 4 + (holder))
#else
#define make_image(holder, writer, nonce)	((nonce) * 16 + (holder))
#endif
#define holder_of(img)	((img) & 3)
#define writer_of(img)	(((img) >> 2) & 3)
#define nonce_of(img)	((img) >> 4)

short rec = make_image(NOBODY, NOBODY, 0);
mtype:lock_state ls[NODES] = SFFS_LS_NONE;
short seen[NODES] = NO_IMAGE;	/* the image that all tries of a node compare against */

/* What is under way; seen from a node: try * NODES + node */
short compare[CMDS] = NO_IMAGE;
short image[CMDS] = NO_IMAGE;

#define NONE	255
byte waits[NODES] = NONE;	/* for the answer to this command */
mtype:ats_result answer[NODES] = SFFS_ATS_UNKNOWN;

/* Who holds knows it, and nobody else thinks so. */
inline check()
{
	for (k : 0 .. NODES - 1) {
		assert(ls[k] != SFFS_LS_EXCLUSIVE || holder_of(rec) == k);
		assert(ls[k] != SFFS_LS_NONE || holder_of(rec) != k);
	}
	k = 0
}

/*
 * Drop commands that nobody waits for and that can never again find their image: the
 * record has another one, and no command would bring theirs back.
 */
inline tidy()
{
	for (k : 0 .. CMDS - 1) {
		used = KEEP || compare[k] == NO_IMAGE || compare[k] == rec || waits[k % NODES] == k;
		for (n : 0 .. CMDS - 1) {
			used = used || image[n] == compare[k]
		}
		if
		:: !used -> compare[k] = NO_IMAGE; image[k] = NO_IMAGE
		:: else
		fi
	}
	k = 0; n = 0; used = false
}

/* A command of node me to put holder in place of seen[me]; there is room for it. */
inline submit(holder)
{
	c = me;
	do
	:: compare[c] != NO_IMAGE -> c = c + NODES
	:: else -> break
	od;
	n = 0;
	do
	:: true ->
		used = (nonce_of(rec) == n);
		for (k : 0 .. CMDS - 1) {
			used = used || nonce_of(compare[k]) == n || nonce_of(image[k]) == n
		}
		for (k : 0 .. NODES - 1) {
			used = used || nonce_of(seen[k]) == n
		}
		if
		:: used -> n++
		:: else -> break
		fi
	od;
	assert(n < NONCES);
#ifdef REUSE_NONCE
	n = 0;
#endif
	compare[c] = seen[me];
	image[c] = make_image(holder, me, n);
	waits[me] = c;
	c = 0; n = 0; k = 0; used = false
}

active [NODES] proctype node()
{
	byte me = _pid, want = NOBODY, c, k, n;
	mtype:ats_result result = SFFS_ATS_UNKNOWN;
	bool used, mine;
#ifdef ROUNDS
	byte rounds = ROUNDS;
#define another	rounds > 0 -> rounds--
#else
#define another	skip
#endif

end:	atomic {
		another;
		if
		:: ls[me] == SFFS_LS_NONE && holder_of(rec) == NOBODY ->
			ls[me] = SFFS_LS_ASKING; want = me
		:: ls[me] == SFFS_LS_NONE && holder_of(rec) != NOBODY ->
			ls[me] = SFFS_LS_ASKING; want = holder_of(rec)	/* as a waiter */
		:: ls[me] == SFFS_LS_EXCLUSIVE ->
			ls[me] = SFFS_LS_RELEASE; want = NOBODY
		fi;
		seen[me] = rec
	};
send:
	atomic {
		compare[me] == NO_IMAGE || compare[CMDS - NODES + me] == NO_IMAGE;
		submit(want)
	};
	atomic {
		if
		:: result = answer[me]		/* the answer, or too late for it */
		fi;
		waits[me] = NONE;
		answer[me] = SFFS_ATS_UNKNOWN;
		d_step { tidy() }
		if
		:: result == SFFS_ATS_DONE ->
			mine = (want == me); goto settled
		:: result == SFFS_ATS_ATTENTION ->
			result = SFFS_ATS_UNKNOWN; goto send
#ifdef TRUST_MISCOMPARE
		:: result == SFFS_ATS_MISCOMPARE ->
			mine = (ls[me] == SFFS_LS_RELEASE); goto settled
#endif
#ifdef NO_READ_BACK
		:: result == SFFS_ATS_UNKNOWN ->
			mine = (ls[me] == SFFS_LS_RELEASE); goto settled
#endif
		:: else
		fi;
		result = SFFS_ATS_UNKNOWN
	};
	/* Unknown, or a miscompare, which after a lost try says no more: READ. */
	atomic {
		if
		:: rec != seen[me] ->
#ifdef JUDGE_BY_WRITER
			mine = (writer_of(rec) == me && holder_of(rec) == me)
#else
			mine = (holder_of(rec) == me)
#endif
#ifdef WALK_AWAY
		:: rec == seen[me] -> mine = (ls[me] == SFFS_LS_RELEASE)
#else
		:: rec == seen[me] -> goto send
#endif
		fi
	};
settled:
	atomic {
		if
		:: mine -> ls[me] = SFFS_LS_EXCLUSIVE
		:: else -> ls[me] = SFFS_LS_NONE
		fi;
		seen[me] = NO_IMAGE; want = NOBODY; mine = false; result = SFFS_ATS_UNKNOWN;
		check()
	};
	goto end
}

/* The target, and the fabric before it */
active proctype target()
{
	byte c, k, n;
	bool used;
	mtype:ats_result result;

end:	do
	:: atomic {
		if
		:: compare[0] != NO_IMAGE -> c = 0
		:: compare[1] != NO_IMAGE -> c = 1
#if NODES * TRIES > 2
		:: compare[2] != NO_IMAGE -> c = 2
#endif
#if NODES * TRIES > 3
		:: compare[3] != NO_IMAGE -> c = 3
#endif
		fi;
		result = SFFS_ATS_UNKNOWN;	/* no answer, or one that says nothing */
		if
		:: rec == compare[c] -> rec = image[c];
			if
			:: result = SFFS_ATS_DONE
			:: result = SFFS_ATS_MISCOMPARE	/* sent twice: that of the second */
			:: true
			fi
		:: rec != compare[c] -> result = SFFS_ATS_MISCOMPARE
		:: result = SFFS_ATS_ATTENTION
		:: true				/* never got here */
		fi;
		if
		:: waits[c % NODES] == c -> answer[c % NODES] = result
		:: else
		fi;
		compare[c] = NO_IMAGE; image[c] = NO_IMAGE;
		result = SFFS_ATS_UNKNOWN;
		c = 0;
		d_step { check(); tidy() }
	}
	od
}
