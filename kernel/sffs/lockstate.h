/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One lock as this node sees it: the states of Documentation/filesystems/sffs-locks.rst,
 * what moves a lock from one to the next, and what its worker has to do now. Plain
 * functions that neither wait nor do I/O, also tested in user space; lock.c calls them
 * under the lock's spinlock and does what they say.
 */
#ifndef _SFFS_LOCKSTATE_H
#define _SFFS_LOCKSTATE_H

#include "lockrec.h"

enum sffs_lock_state {
	SFFS_LS_NONE,		/* not held, nothing under way */
	SFFS_LS_ASKING,		/* wanted: a waiter, or the ATS that takes it is under way */
	SFFS_LS_SHARED,		/* held */
	SFFS_LS_EXCLUSIVE,	/* held */
	SFFS_LS_DRAIN,		/* giving up: no new users; the old ones end */
	SFFS_LS_FLUSH,		/* giving up: write what is dirty home, and wait */
	SFFS_LS_REVOKE,		/* giving up: take the blocks out of the journal */
	SFFS_LS_RELEASE,	/* giving up: the ATS that takes the node out of the record */
};

/**
 * enum sffs_lock_action - what the worker of a lock does next
 * @SFFS_LA_NONE: nothing, until something is asked of the lock or a use ends
 * @SFFS_LA_READ: read the record; sffs_ls_seen()
 * @SFFS_LA_CHANGE: sffs_ls_image(), ATS, and sffs_ls_seen() with what the record is then
 * @SFFS_LA_DROP: forget what is cached under the lock; sffs_ls_done()
 * @SFFS_LA_UNMAP: unmap the file's pages; sffs_ls_done()
 * @SFFS_LA_FLUSH: write dirty pages, commit, write metadata home, each with its completion;
 *	sffs_ls_done()
 * @SFFS_LA_REVOKE: revoke what the journal still has, commit; sffs_ls_done()
 * @SFFS_LA_POLL: ask the holders by mail, or the delegate if there are none, and come again
 *	after a random while
 * @SFFS_LA_KEEP: come again when the time is over that the lock is kept at least
 */
enum sffs_lock_action {
	SFFS_LA_NONE,
	SFFS_LA_READ,
	SFFS_LA_CHANGE,
	SFFS_LA_DROP,
	SFFS_LA_UNMAP,
	SFFS_LA_FLUSH,
	SFFS_LA_REVOKE,
	SFFS_LA_POLL,
	SFFS_LA_KEEP,
};

/**
 * struct sffs_lock_core - state of one lock
 * @state: enum sffs_lock_state
 * @held: mode in which the record names this node; stays until RELEASE is over
 * @wanted: what another node waits for, as the record said last
 * @fresh: the worker has the record, read in this run
 * @look: someone says that the lock is wanted; set by the reader of the mailbox, at any time
 * @reading: a READ has not been heard of
 * @tried: an image was made, and its ATS has not been heard of
 * @quit: give the lock up, wanted or not; of an open record, if it is not used
 * @upgrade: RELEASE enters the node as a waiter for exclusive
 * @entered: the node is a waiter
 * @drop: held, but caches are to be dropped before its use
 * @changed: used exclusively since it was granted
 * @lowering: an image was made that leaves it shared, with its uses
 * @last: wanted exclusively if nobody else uses it, which keeps nobody waiting
 * @known: @left counts
 * @change: what sffs_ls_image() makes
 * @change_mode: the mode for it
 * @uses: tasks and requests that use it, by mode
 * @waiting: tasks that wait for it, by mode
 * @version: of the record, while held
 * @left: the version at which it was held last
 * @keep_until: not given up before, nanoseconds
 */
struct sffs_lock_core {
	u8 state;
	u8 held;
	u8 wanted;
	bool fresh;
	bool look;
	bool reading;
	bool tried;
	bool quit;
	bool upgrade;
	bool entered;
	bool drop;
	bool changed;
	bool lowering;
	bool last;
	bool known;
	u8 change;
	u8 change_mode;
	unsigned int uses[3];
	unsigned int waiting[3];
	u64 version;
	u64 left;
	u64 keep_until;
};

/* May a task use the lock now? Then it is counted, until sffs_ls_unuse(). */
static inline bool sffs_ls_use(struct sffs_lock_core *c, enum sffs_lock_mode mode)
{
	if (c->state != SFFS_LS_EXCLUSIVE &&
	    (c->state != SFFS_LS_SHARED || mode == SFFS_LOCK_EXCLUSIVE))
		return false;
	if (mode == SFFS_LOCK_EXCLUSIVE) {
		if (c->lowering)
			return false;
		c->changed = true;
	}
	c->uses[mode]++;
	return true;
}

/* End a use. Returns whether the worker has something to do now. */
static inline bool sffs_ls_unuse(struct sffs_lock_core *c, enum sffs_lock_mode mode)
{
	c->uses[mode]--;
	if (c->state == SFFS_LS_DRAIN)
		return !c->uses[SFFS_LOCK_SHARED] && !c->uses[SFFS_LOCK_EXCLUSIVE];
	/* Not the last use: one may always overlap the next. */
	return c->wanted || c->quit || c->look || c->last || c->waiting[SFFS_LOCK_EXCLUSIVE];
}

/**
 * sffs_ls_adopt() - the node is about to name itself, as delegate, in the lock's record
 * @c: the lock, in NONE or ASKING; caches under it are good
 * @version: that the record will have, but for the grant of exclusive
 *
 * The grant is then no reason to drop what is cached.
 */
static inline void sffs_ls_adopt(struct sffs_lock_core *c, u64 version)
{
	c->known = true;
	c->left = version;
}

/* Is the change that sffs_ls_step() wants the end of all that is held? */
bool sffs_ls_leaving(const struct sffs_lock_core *c);

/*
 * There is nothing to ask for: tasks that waited have the lock through the delegation, or
 * have been told that the record is damaged.
 */
static inline void sffs_ls_forget(struct sffs_lock_core *c)
{
	if (c->held || c->entered)
		return;
	c->look = false;
	c->reading = false;
	c->state = SFFS_LS_NONE;
}

/* A task that uses the lock uses it once more: it must not wait for its own use to end. */
static inline bool sffs_ls_use_again(struct sffs_lock_core *c, enum sffs_lock_mode mode)
{
	if (sffs_ls_use(c, mode))
		return true;
	if (c->state != SFFS_LS_DRAIN || mode > c->held)
		return false;
	c->uses[mode]++;
	return true;
}

void sffs_ls_begin(struct sffs_lock_core *c);
enum sffs_lock_action sffs_ls_step(struct sffs_lock_core *c, const struct sffs_lockrec_id *id,
				   const struct sffs_lock_record *rec, u64 now);
bool sffs_ls_image(struct sffs_lock_core *c, const struct sffs_lockrec_id *id,
		   const struct sffs_lock_record *rec, const u8 *lvb, u64 nonce,
		   struct sffs_lock_record *new);
bool sffs_ls_seen(struct sffs_lock_core *c, const struct sffs_lockrec_id *id,
		  const struct sffs_lock_record *rec);
void sffs_ls_done(struct sffs_lock_core *c);

#endif /* _SFFS_LOCKSTATE_H */
