/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Heartbeat, lease, gate and fencing in time: a node that writes, and a watcher that
 * takes its slot, fences it and replays its journal. No write of the node may reach
 * the disk once the watcher replays; and when the node is dead, the watcher gets there.
 *
 * In a lease the node's clock may lose DRIFT ticks against the watcher's. It stands
 * still while the node is frozen.
 *
 * With FENCE the node may be frozen and thawed, and its writes may take for ever; a
 * path may lose the registration of the node's key, and the node registers it again.
 * Without, this is a mount with `-o nofence`: nobody freezes, a write is on the disk or
 * has failed WRITE_TIME ticks after it was submitted, and the margins alone must do.
 *
 * Mutations without FENCE: NO_GATE_MARGIN, NO_WATCH_MARGIN, FROM_COMPLETION,
 * CREDIT_LAST, WATCH_FROM_SUBMISSION. With it: NO_FENCING, NO_ABORT,
 * REGISTER_AT_ONCE, WRITE_AT_ONCE.
 */
#include "states.pml"

#ifdef FENCE
#define LEASE		2	/* the length does not matter there */
#else
#define LEASE		4
#endif
#define WRITE_TIME	1
#define DRIFT		1
#define READ_TIME	2
#ifdef NO_GATE_MARGIN
#define GATE_MARGIN	0
#else
#define GATE_MARGIN	WRITE_TIME
#endif
#ifdef NO_WATCH_MARGIN
#define WATCH_MARGIN	0
#else
#define WATCH_MARGIN	DRIFT
#endif

/* The slot record: as the node left it, renewed by one of its tries, or taken */
mtype:image = { BASE, TRY0, TRY1, TAKEN };
mtype:image rec = BASE;

/* The node */
bool frozen, dead;
byte freezes = 1;
mtype:gate_mode gate = SFFS_GATE_OPEN;
byte age;			/* of the renewal that counts, since its submission */
byte lost;			/* ticks that the clock lost in that time */
bool tried[2];			/* renewals under way from the same image */
byte try_age[2];
byte try_lost[2];
bool last;			/* the later one of them */

/* A write: queued in the node, past the target's look at the reservation, done */
mtype:bio = { NO_BIO, QUEUED, ACCEPTED };
mtype:bio bio = NO_BIO;
byte bio_age;

/* PERSISTENT RESERVE: is the key known to the target, and on the path written to? */
bool key = true, registered = true;
mtype:path = { GOOD, DRAIN, REGISTER, RENEW };
mtype:path path = GOOD;		/* what the node does about its path */
bool after[2];			/* the renewal was submitted after REGISTER */

/* The watcher */
mtype:watch = { START, READING, WAITING, LAST_READ, TAKE, FENCING, REPLAYING };
mtype:watch watch = START;
bool executed;			/* the READ */
byte read_age;
bool same;			/* the record is still as the first READ saw it */
byte still;			/* ticks that count */

inline older(a)
{
	if
	:: a < LEASE -> a++
	:: else
	fi
}

active proctype clock()
{
end:	do
	:: atomic {
#ifdef FENCE
		watch != TAKE && watch != FENCING && watch != REPLAYING &&
#else
		(bio == NO_BIO || bio_age < WRITE_TIME) &&
#endif
		(watch != READING && watch != LAST_READ || read_age < READ_TIME) ->
		if
		:: frozen || dead
		:: !frozen && !dead && lost < DRIFT ->
			lost++;
			try_lost[0]++; try_lost[1]++
		:: !frozen && !dead ->
			older(age); older(try_age[0]); older(try_age[1]);
			if
			:: age == LEASE -> gate = SFFS_GATE_FAIL
			:: age != LEASE && age >= LEASE - GATE_MARGIN && gate == SFFS_GATE_OPEN ->
				gate = SFFS_GATE_HOLD
			:: else
			fi
		fi;
		d_step {
			if
			:: !tried[0] -> try_age[0] = 0; try_lost[0] = 0
			:: else
			fi;
			if
			:: !tried[1] -> try_age[1] = 0; try_lost[1] = 0
			:: else
			fi;
			if
			:: bio != NO_BIO && bio_age < WRITE_TIME -> bio_age++
			:: else
			fi;
			if
			:: watch == READING || watch == LAST_READ -> read_age++
			:: else
			fi;
			if
#ifdef WATCH_FROM_SUBMISSION
			:: (watch == READING || watch == WAITING) && still < LEASE + WATCH_MARGIN ->
#else
			:: watch == WAITING && still < LEASE + WATCH_MARGIN ->
#endif
				still++
			:: else
			fi
		}
	}
	od
}

/* renewed(i): the node learns that its try i is what the record says */
inline renewed(i)
{
#ifdef FROM_COMPLETION
	age = 0; lost = 0;
#else
#ifdef CREDIT_LAST
	age = try_age[last]; lost = try_lost[last];
#else
	age = try_age[i]; lost = try_lost[i];
#endif
#endif
	if
	:: path == RENEW && after[i] -> path = GOOD
	:: else
	fi;
	rec = BASE;
	tried[0] = false; tried[1] = false; after[0] = false; after[1] = false; last = 0;
	try_age[0] = 0; try_age[1] = 0; try_lost[0] = 0; try_lost[1] = 0;
	if
	:: age >= LEASE -> gate = SFFS_GATE_FAIL
	:: age < LEASE - GATE_MARGIN && path == GOOD -> gate = SFFS_GATE_OPEN
	:: else -> gate = SFFS_GATE_HOLD
	fi
}

#define runs	(!frozen && !dead && gate != SFFS_GATE_FAIL)

active proctype node()
{
end:	do
	/* the heartbeat: one try, and another one while the first says nothing */
	:: d_step { runs && !tried[0] -> tried[0] = true; after[0] = (path == RENEW); last = 0 }
	:: d_step { runs && tried[0] && !tried[1] ->
		tried[1] = true; after[1] = (path == RENEW); last = 1 }
	/* by an answer, or by reading back */
	:: d_step { runs && rec == TRY0 -> renewed(0) }
	:: d_step { runs && rec == TRY1 -> renewed(1) }
	:: d_step { runs && rec == TAKEN -> gate = SFFS_GATE_FAIL }
	/* a write */
	:: d_step { runs && gate == SFFS_GATE_OPEN && bio == NO_BIO -> bio = QUEUED; bio_age = 0 }
#ifdef FENCE
	/* a conflict on this path: is the key registered elsewhere? */
	:: d_step { runs && path == GOOD && !registered ->
		if
		:: key ->
#ifdef REGISTER_AT_ONCE
			path = REGISTER; gate = SFFS_GATE_HOLD
#else
			path = DRAIN; gate = SFFS_GATE_HOLD
#endif
		:: else -> gate = SFFS_GATE_FAIL
		fi }
	:: d_step { runs && path == DRAIN && bio == NO_BIO -> path = REGISTER }
	:: d_step { runs && path == REGISTER ->
		key = true; registered = true;
#ifdef WRITE_AT_ONCE
		path = GOOD; gate = SFFS_GATE_OPEN
#else
		path = RENEW
#endif
		}
	:: d_step { !frozen && !dead && freezes > 0 -> frozen = true; freezes-- }
	:: d_step { frozen -> frozen = false }
#endif
	:: d_step { !frozen && !dead -> dead = true }
	od
}

active proctype target()
{
end:	do
	:: d_step { key && rec == BASE && tried[0] -> rec = TRY0; same = false }
	:: d_step { key && rec == BASE && tried[1] -> rec = TRY1; same = false }
	:: d_step { bio == QUEUED ->
		if
		:: registered -> bio = ACCEPTED
		:: else -> bio = NO_BIO; bio_age = 0	/* RESERVATION CONFLICT */
		fi }
	:: d_step { bio == ACCEPTED -> assert(watch != REPLAYING); bio = NO_BIO; bio_age = 0 }
#ifdef FENCE
	:: d_step { registered && key && !dead && path == GOOD -> registered = false }
#endif
	:: d_step { (watch == READING || watch == LAST_READ) && !executed ->
		executed = true;
		if
		:: watch == READING -> same = true
		:: else
		fi }
	od
}

active proctype watcher()
{
	do
	:: d_step { watch == START -> watch = READING; still = 0; read_age = 0; executed = false }
	:: d_step { watch == READING && executed -> watch = WAITING; executed = false }
	:: d_step { watch == WAITING && !same -> watch = START }
	:: d_step { watch == WAITING && same && still == LEASE + WATCH_MARGIN ->
		watch = LAST_READ; read_age = 0; executed = false }
	:: d_step { watch == LAST_READ && executed -> watch = (same -> TAKE : START); executed = false }
	:: d_step { watch == TAKE && !same -> watch = START }
	:: d_step { watch == TAKE && same -> rec = TAKEN; watch = FENCING }
	:: d_step { watch == FENCING ->
#ifdef FENCE
#ifndef NO_FENCING
		key = false; registered = false;
#ifndef NO_ABORT
		if
		:: bio == ACCEPTED -> bio = NO_BIO; bio_age = 0
		:: else
		fi;
#endif
#endif
#endif
		watch = REPLAYING }
	:: watch == REPLAYING -> break
	od
}

#ifdef PROGRESS
ltl recovered { [] (dead -> <> (watch == REPLAYING)) }
#endif
