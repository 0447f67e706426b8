/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who gets a lock next: waiters, tickets, hand-over and upgrades. Nobody dies here.
 *
 * While a node waits, no other gets the lock that asked later, and none gets it twice;
 * and whoever waits gets it.
 *
 * Runs have no end. A ticket is a waiter's place here, and the sign of a 16-bit
 * difference on disk.
 *
 * Mutations: UPGRADE_WAITS, PASS_TO_ANY, JOIN_AHEAD, DROP_WAITERS, FORGET_WAITING.
 */
#include "states.pml"

#ifndef NODES
#define NODES	3
#endif

mtype:mode = { NONE, SHARED, EXCLUSIVE };

/* ---- the record, by slot ---- */
mtype:mode held[NODES] = NONE;
mtype:mode wanted[NODES] = NONE;	/* as a waiter */
byte place[NODES];		/* 1 is the oldest waiter; 0: none */
byte waiters;

/* ---- the nodes ---- */
mtype:lock_state ls[NODES] = SFFS_LS_NONE;
bool passed[NODES * NODES];	/* [a * NODES + b]: b got the lock while a waited */

#if NODES == 3
#define nobody(what, except)	((except == 0 || !what(0)) && (except == 1 || !what(1)) && \
				 (except == 2 || !what(2)))
#else
#define nobody(what, except)	((except == 0 || !what(0)) && (except == 1 || !what(1)))
#endif
#define holds(n)		(held[n] != NONE)
#define holds_exclusive(n)	(held[n] == EXCLUSIVE)
#define grantable(n, mode)	(mode == EXCLUSIVE && nobody(holds, n) || \
				 mode == SHARED && nobody(holds_exclusive, n))
#ifdef JOIN_AHEAD
#define no_waiters	true
#else
#define no_waiters	(waiters == 0)
#endif

inline enter(mode)
{
	waiters++;
	wanted[me] = mode; place[me] = waiters;
	for (k : 0 .. NODES - 1) {
		passed[me * NODES + k] = false
	}
	k = 0;
	ls[me] = SFFS_LS_ASKING
}

/* The record now says that node w holds. */
inline grant(w, mode)
{
	for (k : 0 .. NODES - 1) {
		if
		:: k != w && place[k] != 0 ->
			assert(place[w] != 0 && place[w] < place[k] && !passed[k * NODES + w]);
			passed[k * NODES + w] = true
		:: else
		fi
	}
	for (k : 0 .. NODES - 1) {
		if
		:: place[w] != 0 && place[k] > place[w] -> place[k]--
		:: else
		fi
	}
	k = 0;
	if
	:: place[w] != 0 -> place[w] = 0; wanted[w] = NONE; waiters--
	:: else
	fi;
	held[w] = mode;
	assert(nobody(holds_exclusive, w) && (mode == SHARED || nobody(holds, w)))
}

/* In the ATS of a release: to the oldest waiter, and to all next ones that fit. */
inline hand_over()
{
#ifdef PASS_TO_ANY
	for (w : 0 .. NODES - 1) {
		if
		:: place[w] != 0 && grantable(w, wanted[w]) -> mode = wanted[w]; grant(w, mode)
		:: else
		fi
	}
#else
	w = 0;
	do
	:: w < NODES && place[w] == 1 && grantable(w, wanted[w]) ->
		mode = wanted[w]; grant(w, mode); w = 0
	:: w < NODES && !(place[w] == 1 && grantable(w, wanted[w])) -> w++
	:: w == NODES -> break
	od;
#endif
	w = 0; mode = NONE
}

/* A waiter whose tasks have gone; in PROGRESS those of node 0 have patience. */
inline leave()
{
	d_step { ls[me] == SFFS_LS_ASKING && place[me] != 0 && held[me] == NONE &&
#ifdef PROGRESS
		me != 0 &&
#endif
		true ->
#ifndef FORGET_WAITING
		for (k : 0 .. NODES - 1) {
			if
			:: place[k] > place[me] -> place[k]--
			:: else
			fi
		}
		k = 0; place[me] = 0; wanted[me] = NONE; waiters--;
		hand_over();
#endif
		ls[me] = SFFS_LS_NONE }
}

active [NODES] proctype node()
{
	byte me = _pid, k, w;
	mtype:mode mode;

	do
	:: d_step { ls[me] == SFFS_LS_NONE && no_waiters && grantable(me, SHARED) ->
		grant(me, SHARED); ls[me] = SFFS_LS_SHARED }
	:: d_step { ls[me] == SFFS_LS_NONE && no_waiters && grantable(me, EXCLUSIVE) ->
		grant(me, EXCLUSIVE); ls[me] = SFFS_LS_EXCLUSIVE }
	:: d_step { ls[me] == SFFS_LS_NONE && !(no_waiters && grantable(me, SHARED)) -> enter(SHARED) }
	:: d_step { ls[me] == SFFS_LS_NONE && !(no_waiters && grantable(me, EXCLUSIVE)) ->
		enter(EXCLUSIVE) }
	/* READ: handed over */
	:: d_step { ls[me] == SFFS_LS_ASKING && place[me] == 0 && held[me] != NONE ->
		ls[me] = (held[me] == SHARED -> SFFS_LS_SHARED : SFFS_LS_EXCLUSIVE) }
	:: leave()
	/* a task wants to change what the node holds shared */
	:: d_step { ls[me] == SFFS_LS_SHARED && no_waiters && grantable(me, EXCLUSIVE) ->
		grant(me, EXCLUSIVE); ls[me] = SFFS_LS_EXCLUSIVE }
#ifdef UPGRADE_WAITS
	:: d_step { ls[me] == SFFS_LS_SHARED -> enter(EXCLUSIVE) }
#else
	:: d_step { ls[me] == SFFS_LS_SHARED -> held[me] = NONE; enter(EXCLUSIVE); hand_over() }
#endif
	/* somebody waits: give up */
	:: d_step { (ls[me] == SFFS_LS_SHARED || ls[me] == SFFS_LS_EXCLUSIVE) && waiters > 0 ->
		held[me] = NONE; ls[me] = SFFS_LS_NONE;
#ifdef DROP_WAITERS
		for (k : 0 .. NODES - 1) {
			wanted[k] = NONE; place[k] = 0
		}
		k = 0; waiters = 0;
#endif
		hand_over() }
	od
}

#ifdef PROGRESS
ltl granted { [] (ls[0] == SFFS_LS_ASKING -> <> (ls[0] != SFFS_LS_ASKING)) }
#endif
