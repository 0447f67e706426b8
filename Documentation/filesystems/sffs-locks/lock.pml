/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A lock, the block that it covers, the journals, and recovery.
 *
 * HOSTS hosts share SLOTS slots. One lock record; one metadata block, of which there
 * is a copy at home, and maybe others in journals, caches, writes under way and in the
 * hand of a recoverer. A copy is CUR if it is what was committed last, else OLD; a
 * commit makes all other copies OLD. So versions need no bound.
 *
 * Every ATS here has a known outcome, which is what ats.pml shows of the sender. Who is
 * taken for dead is dead or frozen, or has stopped with nothing under way, which is
 * what lease.pml shows.
 *
 * Mutations: NO_TAIL_MOVE, NO_WAIT, NO_FENCING, KEEP_CACHE, STALE_EARLY,
 * NO_INCARNATION, REPLAY_FIRST, FREE_FIRST, TAKE_OVER_PAUSED, FENCE_VICTIM_ALONE,
 * WAIT_FOR_RECOVERER, UNMOUNT_EARLY.
 */
#include "states.pml"

#ifndef HOSTS
#define HOSTS	3
#endif
#ifndef SLOTS
#define SLOTS	HOSTS
#endif
#ifndef CRASHES
#define CRASHES	1
#endif
#ifndef FREEZES
#define FREEZES	1
#endif
#ifndef UNMOUNTS
#define UNMOUNTS 0
#endif
#ifndef ROUNDS
#define ROUNDS	2
#endif
#define NOBODY	SLOTS

/* A copy of the block; DIRTY is changed and not committed. */
mtype:copy = { NO_COPY, OLD, CUR, DIRTY };
mtype:host_state = { UP, FROZEN, DOWN };

/* ---- on disk ---- */
mtype:copy home = CUR;
mtype:copy journal[SLOTS] = NO_COPY;
mtype:slot_state slot_state[SLOTS] = SFFS_SLOT_FREE;
byte incarnation[SLOTS];
byte recoverer[SLOTS] = NOBODY;
byte recoverer_inc[SLOTS];
byte holder = NOBODY;		/* of the lock, exclusive */
byte holder_inc;
byte sharer[SLOTS];		/* incarnation that holds shared; 0: none */

/* ---- the hosts ---- */
mtype:host_state host[HOSTS] = DOWN;
byte slot[HOSTS] = NOBODY;
byte inc[HOSTS];
bool registered[HOSTS];		/* its key, with the target */
mtype:lock_state ls[HOSTS] = SFFS_LS_NONE;
mtype:copy cache[HOSTS] = NO_COPY;
bool same[HOSTS];		/* the lock's version is the one that the host knew */
mtype:copy write[HOSTS] = NO_COPY;	/* under way to home */
byte rounds[HOSTS] = ROUNDS;	/* that it still wants the lock */
mtype:recovery_stage stage[HOSTS] = SFFS_REC_IDLE;
byte victim[HOSTS] = NOBODY;
mtype:copy replay[HOSTS] = NO_COPY;	/* read from the victim's journal */

bool fenced[SLOTS];		/* the holder before the recovery under way */
byte crashes = CRASHES, freezes = FREEZES, unmounts = UNMOUNTS;

/* Has this holder of a slot lost all that it held? */
#ifdef NO_INCARNATION
#define stale(s, i)	(slot_state[s] == SFFS_SLOT_FREE)
#else
#ifdef STALE_EARLY
#define stale(s, i)	(slot_state[s] == SFFS_SLOT_FREE || incarnation[s] != (i))
#else
#define stale(s, i)	(slot_state[s] == SFFS_SLOT_FREE || \
			 slot_state[s] == SFFS_SLOT_LIVE && incarnation[s] != (i))
#endif
#endif

/* Every key of an incarnation that is over, not the victim's alone. */
#ifdef FENCE_VICTIM_ALONE
#define FENCED(h)	(slot[h] == victim[me])
#else
#define FENCED(h)	true
#endif

#ifdef REPLAY_FIRST
#define FIRST_STAGE	SFFS_REC_REPLAY
#define AFTER_EMPTY	SFFS_REC_FENCE
#define AFTER_FENCE	SFFS_REC_FREE
#else
#define FIRST_STAGE	SFFS_REC_FENCE
#define AFTER_FENCE	SFFS_REC_REPLAY
#endif
#ifdef FREE_FIRST
#define AFTER_HOME	SFFS_REC_FREE
#define AFTER_FREE	SFFS_REC_EMPTY
#define AFTER_EMPTY	SFFS_REC_IDLE
#else
#define AFTER_HOME	SFFS_REC_EMPTY
#define AFTER_FREE	SFFS_REC_IDLE
#ifndef AFTER_EMPTY
#define AFTER_EMPTY	SFFS_REC_FREE
#endif
#endif

#define holds(h)	(ls[h] != SFFS_LS_NONE)
#define zombie(h)	(incarnation[slot[h]] != inc[h])

/* Of loops over hosts and slots, as expressions */
#if HOSTS == 3
#define any_host(what, v)	(what(0, v) || what(1, v) || what(2, v))
#else
#define any_host(what, v)	(what(0, v) || what(1, v))
#endif
#if SLOTS == 3
#define no_sharers	(no_sharer(0) && no_sharer(1) && no_sharer(2))
#else
#define no_sharers	(no_sharer(0) && no_sharer(1))
#endif

#define no_sharer(s)	(sharer[s] == 0 || stale(s, sharer[s]))
#define no_holder	(holder == NOBODY || stale(holder, holder_inc))

/* Will the holder of slot v not act again, unless it thaws? And the recoverer of it? */
#define holds_slot(h, v)	(slot[h] == (v) && inc[h] == incarnation[v] && host[h] == UP)
#define recovers(h, v)		(slot[h] == recoverer[v] && inc[h] == recoverer_inc[v] && host[h] == UP)
#define looks_dead(v)		(!any_host(holds_slot, v))
#ifdef TAKE_OVER_PAUSED
#define recoverer_gone(v)	(!any_host(recovers, v))
#elif defined(WAIT_FOR_RECOVERER)
#define recoverer_gone(v)	stale(recoverer[v], recoverer_inc[v])
#else
#define recoverer_gone(v)	(incarnation[recoverer[v]] != recoverer_inc[v])
#endif

inline shut_down(h)
{
	host[h] = DOWN; ls[h] = SFFS_LS_NONE; cache[h] = NO_COPY; same[h] = false;
	stage[h] = SFFS_REC_IDLE; victim[h] = NOBODY; replay[h] = NO_COPY
}

/* A write of host h that the target accepts: it was not to be fenced yet. */
inline accepted(h)
{
	assert(!zombie(h) || slot_state[slot[h]] == SFFS_SLOT_RECOVERING && !fenced[slot[h]])
}

/* Host h commits a change of the block. */
inline commit(h)
{
	accepted(h);
	for (k : 0 .. HOSTS - 1) {
		if
		:: cache[k] == CUR -> cache[k] = OLD
		:: else
		fi;
		if
		:: write[k] == CUR -> write[k] = OLD
		:: else
		fi;
		if
		:: replay[k] == CUR -> replay[k] = OLD
		:: else
		fi
	}
	for (k : 0 .. SLOTS - 1) {
		if
		:: journal[k] == CUR -> journal[k] = OLD
		:: else
		fi
	}
	k = 0;
	home = OLD;
	journal[slot[h]] = CUR;
	cache[h] = CUR
}

/* What host h has in its hands when it got the lock: must be what was committed last. */
inline granted(h)
{
#ifdef KEEP_CACHE
	if
	:: cache[h] == NO_COPY -> cache[h] = home
	:: else
	fi;
#else
	if
	:: !same[h] || cache[h] == NO_COPY -> cache[h] = home
	:: else
	fi;
#endif
	same[h] = true;
	assert(cache[h] == CUR);
	for (k : 0 .. HOSTS - 1) {
		assert(k == h || host[k] != UP || !holds(k) || zombie(k) ||
			ls[h] == SFFS_LS_SHARED && holder == NOBODY)
	}
	for (k : 0 .. SLOTS - 1) {
		assert(k == slot[h] || journal[k] == NO_COPY)
	}
	k = 0
}

#define up	(host[me] == UP)
#define mine	slot[me]

inline mount(s)
{
	d_step { host[me] == DOWN && rounds[me] > 0 && slot_state[s] == SFFS_SLOT_FREE ->
		assert(journal[s] == NO_COPY);
		incarnation[s]++;
		slot_state[s] = SFFS_SLOT_LIVE;
		slot[me] = s; inc[me] = incarnation[s];
		registered[me] = true; write[me] = NO_COPY;
		host[me] = UP }
}

inline recover(v)
{
	d_step { up && stage[me] == SFFS_REC_IDLE && registered[me] && v != mine &&
		(slot_state[v] == SFFS_SLOT_LIVE && looks_dead(v) ||
		 slot_state[v] == SFFS_SLOT_RECOVERING && recoverer_gone(v)) ->
		slot_state[v] = SFFS_SLOT_RECOVERING;
		incarnation[v]++;
		recoverer[v] = mine; recoverer_inc[v] = inc[me];
		victim[me] = v; fenced[v] = false;
		stage[me] = FIRST_STAGE }
}

proctype node(byte me)
{
	byte k;

end:	do
	/* ---- mount, crash, freeze, and what a host hears about itself ---- */
	:: mount(0)
	:: mount(1)
#if SLOTS == 3
	:: mount(2)
#endif
	/* unmount: writes the journal empty and frees the slot, which ends its holdings */
	:: d_step { up && unmounts > 0 && registered[me] && stage[me] == SFFS_REC_IDLE &&
		slot_state[mine] == SFFS_SLOT_LIVE && !zombie(me) &&
		cache[me] != DIRTY && write[me] == NO_COPY &&
#ifdef UNMOUNT_EARLY
		true ->
#else
		(journal[mine] == NO_COPY || home == CUR) ->
		journal[mine] = NO_COPY;
#endif
		unmounts--;
		slot_state[mine] = SFFS_SLOT_FREE;
		registered[me] = false;
		shut_down(me) }
	:: d_step { up && crashes > 0 -> crashes--; shut_down(me) }
	:: d_step { up && freezes > 0 -> freezes--; host[me] = FROZEN }
	:: d_step { host[me] == FROZEN -> host[me] = UP }
	:: d_step { up && (zombie(me) || !registered[me]) -> shut_down(me) }

	/* ---- the lock ---- */
	:: d_step { up && ls[me] == SFFS_LS_NONE && rounds[me] > 0 && registered[me] &&
		no_holder && no_sharers ->
		holder = mine; holder_inc = inc[me];
		for (k : 0 .. SLOTS - 1) {
			sharer[k] = 0
		}
		for (k : 0 .. HOSTS - 1) {
			same[k] = same[k] && k == me
		}
		ls[me] = SFFS_LS_EXCLUSIVE; rounds[me]--;
		granted(me) }
	:: d_step { up && ls[me] == SFFS_LS_NONE && rounds[me] > 0 && registered[me] && no_holder ->
		holder = NOBODY; holder_inc = 0;
		for (k : 0 .. SLOTS - 1) {
			if
			:: no_sharer(k) -> sharer[k] = 0
			:: else
			fi
		}
		sharer[mine] = inc[me];
		ls[me] = SFFS_LS_SHARED; rounds[me]--;
		granted(me) }
	:: d_step { up && ls[me] == SFFS_LS_EXCLUSIVE && cache[me] == CUR && journal[mine] == NO_COPY ->
		cache[me] = DIRTY }
	:: d_step { up && cache[me] == DIRTY && registered[me] -> commit(me) }
	:: d_step { up && (ls[me] == SFFS_LS_EXCLUSIVE || ls[me] == SFFS_LS_FLUSH) &&
		journal[mine] == CUR && cache[me] == CUR && home != CUR && write[me] == NO_COPY ->
		write[me] = CUR }
	:: d_step { up && ls[me] == SFFS_LS_SHARED -> ls[me] = SFFS_LS_RELEASE }
	:: d_step { up && ls[me] == SFFS_LS_EXCLUSIVE -> ls[me] = SFFS_LS_FLUSH }
	:: d_step { up && ls[me] == SFFS_LS_FLUSH && cache[me] == CUR &&
#ifdef NO_WAIT
		(home == CUR || write[me] == CUR) ->
#else
		home == CUR && write[me] == NO_COPY ->
#endif
		ls[me] = SFFS_LS_REVOKE }
	:: d_step { up && ls[me] == SFFS_LS_REVOKE && registered[me] ->
#ifndef NO_TAIL_MOVE
		if
		:: journal[mine] != NO_COPY -> accepted(me); journal[mine] = NO_COPY
		:: else
		fi;
#endif
		ls[me] = SFFS_LS_RELEASE }
	:: d_step { up && ls[me] == SFFS_LS_RELEASE && registered[me] ->
		if
		:: holder == mine && holder_inc == inc[me] ->
			holder = NOBODY; holder_inc = 0; ls[me] = SFFS_LS_NONE
		:: sharer[mine] == inc[me] -> sharer[mine] = 0; ls[me] = SFFS_LS_NONE
		:: else -> shut_down(me)	/* recovered: the record is another one */
		fi }

	/* ---- writes on their way home ---- */
	:: d_step { write[me] != NO_COPY ->
		if
		:: registered[me] -> accepted(me); home = write[me]
		:: else
		fi;
		write[me] = NO_COPY }
	:: d_step { write[me] != NO_COPY && host[me] == DOWN -> write[me] = NO_COPY }

	/* ---- recovery ---- */
	:: recover(0)
	:: recover(1)
#if SLOTS == 3
	:: recover(2)
#endif
	:: d_step { up && stage[me] == SFFS_REC_FENCE && registered[me] ->
		fenced[victim[me]] = true;
#ifndef NO_FENCING
		for (k : 0 .. HOSTS - 1) {
			if
			:: registered[k] && zombie(k) && FENCED(k) ->
				registered[k] = false; write[k] = NO_COPY
			:: else
			fi
		}
		k = 0;
#endif
		stage[me] = AFTER_FENCE }
	:: d_step { up && stage[me] == SFFS_REC_REPLAY ->
		replay[me] = journal[victim[me]];
		stage[me] = (replay[me] == NO_COPY -> SFFS_REC_EMPTY : SFFS_REC_HOME) }
	:: d_step { up && stage[me] == SFFS_REC_HOME && registered[me] ->
		accepted(me);
		home = replay[me];
		replay[me] = NO_COPY;
		stage[me] = AFTER_HOME }
	:: d_step { up && stage[me] == SFFS_REC_EMPTY && registered[me] ->
		accepted(me);
		journal[victim[me]] = NO_COPY;
		stage[me] = AFTER_EMPTY }
	:: d_step { up && stage[me] == SFFS_REC_FREE && registered[me] ->
		if
		:: slot_state[victim[me]] == SFFS_SLOT_RECOVERING && recoverer[victim[me]] == mine &&
			recoverer_inc[victim[me]] == inc[me] ->
			slot_state[victim[me]] = SFFS_SLOT_FREE;
			recoverer[victim[me]] = NOBODY; recoverer_inc[victim[me]] = 0;
			fenced[victim[me]] = false
		:: else
		fi;
		stage[me] = AFTER_FREE }
	od
}

#ifndef SAFETY_ALONE
/* Nothing can happen any more: then every host that is up has got what it wanted. */
active proctype progress()
{
	byte k;

end:	timeout;
	d_step {
		for (k : 0 .. HOSTS - 1) {
			assert(host[k] != UP ||
				rounds[k] == 0 && ls[k] == SFFS_LS_NONE && stage[k] == SFFS_REC_IDLE)
		}
	}
}
#endif

init {
	byte k;

	d_step {
		for (k : 0 .. SLOTS - 1) {
			slot_state[k] = SFFS_SLOT_LIVE; incarnation[k] = 1;
			slot[k] = k; inc[k] = 1; registered[k] = true; host[k] = UP
		}
		k = 0
	};
	atomic {
		for (k : 0 .. HOSTS - 1) {
			run node(k)
		}
		k = 0
	}
}
