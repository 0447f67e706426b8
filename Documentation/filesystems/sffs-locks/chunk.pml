/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Chunk delegation: the delegation record of a chunk, the record of one of its inodes,
 * and what nodes have cached of that inode. Locks are exclusive; a holder's changes are
 * home when it gives up, or replayed when it dies.
 *
 * A version is known or not known to be the present one, which is all that a node asks
 * of it; so versions need no bound.
 *
 * Mutations: GIVE_IN_USE, MOVE_IN_USE, ASKER_TAKES, STALE_IS_NOBODY, READ_FIRST,
 * GIVE_WITHOUT_RAISE.
 */
#include "states.pml"

#ifndef NODES
#define NODES	3
#endif
#ifndef CRASHES
#define CRASHES	2
#endif
#define NOBODY	NODES

mtype:copy = { NO_COPY, OLD, CUR };
/* What the delegation's holder knows of the inode's record */
mtype:known = { UNKNOWN, NAMED, NOBODYS };

/* ---- on disk ---- */
byte delegate = NOBODY, delegate_inc;
byte holder = NOBODY, holder_inc;
byte incarnation[NODES] = 1;		/* of a slot that is live, or dead and not recovered */

/* ---- the nodes ---- */
bool dead[NODES];
byte crashes = CRASHES;
mtype:lock_state delegation[NODES] = SFFS_LS_NONE;
mtype:lock_state ls[NODES] = SFFS_LS_NONE;	/* of the inode */
mtype:known known[NODES] = UNKNOWN;
bool uses[NODES];
mtype:copy cache[NODES] = NO_COPY;
bool knows_delegation[NODES];		/* its version, as a holder left it */
bool knows_inode[NODES];		/* the same of the inode's record */

#define stale(n, i)		(incarnation[n] != (i))
#define free_delegation		(delegate == NOBODY || stale(delegate, delegate_inc))

#ifdef STALE_IS_NOBODY
#define names_nobody		(holder == NOBODY || stale(holder, holder_inc))
#else
#define names_nobody		(holder == NOBODY)
#endif

#define up		(!dead[me])
#define holds_itself	(ls[me] == SFFS_LS_EXCLUSIVE && holder == me && holder_inc == incarnation[me])

/* Node n begins to hold the inode: keeps its cache only if nobody changed the inode. */
inline begin(n)
{
	if
	:: !knows_inode[n] || cache[n] == NO_COPY -> cache[n] = CUR
	:: else
	fi;
	assert(cache[n] == CUR);
	for (k : 0 .. NODES - 1) {
		assert(k == n || !uses[k])
	}
	k = 0;
	ls[n] = SFFS_LS_EXCLUSIVE
}

/* The ATS that makes node n holder by the inode's own record, and raises the version */
inline name(n)
{
	holder = n; holder_inc = incarnation[n];
	for (k : 0 .. NODES - 1) {
		knows_inode[k] = knows_inode[k] && k == n
	}
	k = 0
}

/* give(m): the delegation's holder writes an asker's name into the record */
inline give(m)
{
	d_step { up && delegation[me] == SFFS_LS_EXCLUSIVE && known[me] == NOBODYS && m != me &&
#ifndef GIVE_IN_USE
		!uses[me] &&
#endif
		ls[m] == SFFS_LS_ASKING && !dead[m] && holder == NOBODY ->
		ls[me] = (ls[me] == SFFS_LS_EXCLUSIVE -> SFFS_LS_NONE : ls[me]);
#ifndef GIVE_WITHOUT_RAISE
		knows_inode[m] = false;
#endif
		name(m);
		known[me] = NAMED }
}

/* pass(m): the holder by the record's own name passes it to another asker */
inline pass(m)
{
	d_step { up && holds_itself && !uses[me] && m != me && ls[m] == SFFS_LS_ASKING && !dead[m] ->
		name(m);
		ls[me] = SFFS_LS_NONE }
}

active [NODES] proctype node()
{
	byte me = _pid, k;

	do
	:: d_step { up && ls[me] == SFFS_LS_NONE -> ls[me] = SFFS_LS_ASKING }

	/* ---- the delegation ---- */
#ifdef READ_FIRST
	:: d_step { up && delegation[me] == SFFS_LS_NONE ->
		known[me] = (names_nobody -> NOBODYS : NAMED) }
#endif
	:: d_step { up && ls[me] == SFFS_LS_ASKING && delegation[me] == SFFS_LS_NONE && free_delegation ->
		delegate = me; delegate_inc = incarnation[me];
		delegation[me] = SFFS_LS_EXCLUSIVE;
#ifndef READ_FIRST
		known[me] = UNKNOWN;
#endif
		if
		:: !knows_delegation[me] -> cache[me] = NO_COPY
		:: else
		fi;
		for (k : 0 .. NODES - 1) {
			knows_delegation[k] = (k == me)
		}
		k = 0 }
	/* one READ for the records of the chunk, later one for a record that came back */
	:: d_step { up && delegation[me] == SFFS_LS_EXCLUSIVE && known[me] != NOBODYS ->
		known[me] = (names_nobody -> NOBODYS : NAMED) }
	:: d_step { up && delegation[me] == SFFS_LS_EXCLUSIVE && known[me] == NOBODYS &&
		ls[me] == SFFS_LS_ASKING ->
		begin(me);
		knows_inode[me] = true }
	:: d_step { up && delegation[me] == SFFS_LS_EXCLUSIVE &&
#ifndef MOVE_IN_USE
		!(uses[me] && !holds_itself) &&
#endif
		true ->
		delegation[me] = SFFS_LS_NONE; delegate = NOBODY; delegate_inc = 0;
		known[me] = UNKNOWN;
		ls[me] = (ls[me] == SFFS_LS_EXCLUSIVE && !holds_itself -> SFFS_LS_NONE : ls[me]) }
	:: give(0)
	:: give(1)
#if NODES == 3
	:: give(2)
#endif

	/* ---- the inode's own record ---- */
	:: d_step { up && ls[me] == SFFS_LS_ASKING && holder == me && holder_inc == incarnation[me] ->
		begin(me);
		knows_inode[me] = true }
	:: d_step { up && ls[me] == SFFS_LS_ASKING && holder != NOBODY && stale(holder, holder_inc) ->
		knows_inode[me] = false;
		name(me) }
#ifdef ASKER_TAKES
	:: d_step { up && ls[me] == SFFS_LS_ASKING && holder == NOBODY -> name(me) }
#endif
	:: pass(0)
	:: pass(1)
#if NODES == 3
	:: pass(2)
#endif
	:: d_step { up && holds_itself && !uses[me] ->
		holder = NOBODY; holder_inc = 0;
		ls[me] = SFFS_LS_NONE }

	/* ---- uses ---- */
	:: d_step { up && ls[me] == SFFS_LS_EXCLUSIVE && !uses[me] ->
		for (k : 0 .. NODES - 1) {
			assert(!uses[k])
		}
		assert(cache[me] == CUR);
		uses[me] = true }
	:: d_step { up && uses[me] ->			/* changes the inode */
		for (k : 0 .. NODES - 1) {
			cache[k] = (k != me && cache[k] == CUR -> OLD : cache[k])
		}
		k = 0 }
	:: d_step { up && uses[me] -> uses[me] = false }

	/* ---- death; recovery by whoever is left, and a mount in the same slot ---- */
	:: d_step { up && crashes > 0 ->
		crashes--;
		dead[me] = true; uses[me] = false;
		ls[me] = SFFS_LS_NONE; delegation[me] = SFFS_LS_NONE; known[me] = UNKNOWN;
		cache[me] = NO_COPY; knows_inode[me] = false; knows_delegation[me] = false }
	:: d_step { dead[me] -> incarnation[me]++; dead[me] = false }
	od
}
