// SPDX-License-Identifier: GPL-2.0-only
/* Tasks and the locks of the lock manager: to wait for one, to use it, and to end that. */
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "lockmgr.h"

#define LAST_SECONDS	3	/* for which others are asked whether they still use a lock */

/* Files use open records, from open to close, in whatever task. */
static bool sffs_res_by_task(const struct sffs_resource *res)
{
	return res->type != SFFS_LOCKT_OPEN;
}

static struct sffs_res_user *sffs_res_user(struct sffs_resource *res)
{
	struct sffs_res_user *user;

	lockdep_assert_held(&res->lock);
	list_for_each_entry(user, &res->users, list)
		if (user->task == current)
			return user;
	return NULL;
}

/* Count a use, if the lock is held. @new becomes the entry of a task that has none. */
static bool sffs_res_use(struct sffs_resource *res, enum sffs_lock_mode mode,
			 struct sffs_res_user **new)
{
	struct sffs_res_user *user = sffs_res_user(res);
	bool held;

	if (!res->core.held)
		held = sffs_delegate_use(res, mode, user);
	else if (user)
		held = sffs_ls_use_again(&res->core, mode);
	else
		held = sffs_ls_use(&res->core, mode);
	if (!held || !sffs_res_by_task(res))
		return held;
	if (!user) {
		user = *new;
		*new = NULL;
		user->task = current;
		user->uses = 0;
		list_add(&user->list, &res->users);
	}
	user->uses++;
	return true;
}

/* May the task go on: with the lock, or without? Under res->lock. */
static bool sffs_res_answer(struct sffs_resource *res, enum sffs_lock_mode mode,
			    struct sffs_res_user **new, int *err)
{
	if (unlikely(READ_ONCE(res->mgr->failed)))
		*err = -EIO;
	else if (sffs_res_use(res, mode, new))
		*err = 0;
	else if (res->error)
		*err = res->error;
	else
		return false;
	return true;
}

static bool sffs_res_try(struct sffs_resource *res, enum sffs_lock_mode mode,
			 struct sffs_res_user **new, int *err)
{
	bool answer;

	spin_lock_irq(&res->lock);
	answer = sffs_res_answer(res, mode, new, err);
	if (answer)
		res->core.waiting[mode]--;
	spin_unlock_irq(&res->lock);
	return answer;
}

static int sffs_res_wait(struct sffs_resource *res, enum sffs_lock_mode mode, bool killable,
			 struct sffs_res_user **new)
{
	int err = 0;

	if (!killable) {
		wait_event(res->wait, sffs_res_try(res, mode, new, &err));
		return err;
	}
	if (!wait_event_killable(res->wait, sffs_res_try(res, mode, new, &err)))
		return err;
	spin_lock_irq(&res->lock);
	res->core.waiting[mode]--;
	spin_unlock_irq(&res->lock);
	sffs_res_kick(res);
	return -EINTR;
}

/* ---- To begin ---- */

/**
 * sffs_res_lock() - begin to use a lock
 * @res: the lock
 * @mode: shared or exclusive
 *
 * @killable: give up waiting when the task is killed
 *
 * A task that uses a lock may use it again in the same mode, or shared beside exclusive. To
 * go from shared to exclusive it ends the use first.
 *
 * Context: sleeps, until the record says that this node holds the lock.
 * Return: 0, -EINTR if the task was killed, -EUCLEAN if the record is damaged, -EIO if the
 * node has shut down.
 */
int sffs_res_lock(struct sffs_resource *res, enum sffs_lock_mode mode, bool killable)
{
	struct sffs_res_user *new = kmalloc(sizeof(*new), GFP_NOFS | __GFP_NOFAIL);
	bool answer;
	int err = 0;

	spin_lock_irq(&res->lock);
	/* Damage that was seen before may have been repaired: ask again. */
	if (!res->core.waiting[SFFS_LOCK_SHARED] && !res->core.waiting[SFFS_LOCK_EXCLUSIVE])
		res->error = 0;
	answer = sffs_res_answer(res, mode, &new, &err);
	if (!answer)
		res->core.waiting[mode]++;
	/* Shared is not raised: the node would wait for the task, and the task for it. */
	WARN_ON_ONCE(!answer && mode == SFFS_LOCK_EXCLUSIVE && sffs_res_user(res));
	spin_unlock_irq(&res->lock);
	if (!answer) {
		sffs_res_kick(res);
		err = sffs_res_wait(res, mode, killable, &new);
	}
	kfree(new);
	return err;
}

/**
 * sffs_res_trylock() - begin to use a lock that this node holds
 * @res: the lock
 * @mode: shared or exclusive
 *
 * Context: does not sleep; interrupts are on.
 * Return: whether it is held, and may be used.
 */
bool sffs_res_trylock(struct sffs_resource *res, enum sffs_lock_mode mode)
{
	struct sffs_res_user *new = kmalloc(sizeof(*new), GFP_NOWAIT | __GFP_NOWARN);
	int err = -EIO;

	spin_lock_irq(&res->lock);
	/* A task that uses it already needs no entry. */
	if ((!new && !sffs_res_user(res)) || !sffs_res_answer(res, mode, &new, &err))
		err = -EAGAIN;
	spin_unlock_irq(&res->lock);
	kfree(new);
	return !err;
}

/**
 * sffs_res_try_new() - begin to use the lock of an inode that is being made, exclusively
 * @res: its resource; nothing is cached under it
 *
 * Context: does not wait for anybody.
 * Return: whether it is held, and may be used.
 */
bool sffs_res_try_new(struct sffs_resource *res)
{
	sffs_delegate_try_new(res);
	return sffs_res_trylock(res, SFFS_LOCK_EXCLUSIVE);
}

/* Is there a use of it here, of whatever kind? Under res->lock. */
bool sffs_res_used(const struct sffs_resource *res)
{
	lockdep_assert_held(&res->lock);
	return res->core.uses[SFFS_LOCK_SHARED] || res->core.uses[SFFS_LOCK_EXCLUSIVE] ||
	       res->core.waiting[SFFS_LOCK_SHARED] || res->core.waiting[SFFS_LOCK_EXCLUSIVE] ||
	       res->through[SFFS_LOCK_SHARED] || res->through[SFFS_LOCK_EXCLUSIVE];
}

/* Could a use in exclusive mode begin now? Under res->lock. */
bool sffs_res_usable(struct sffs_resource *res)
{
	if (res->core.held)
		return res->core.state == SFFS_LS_EXCLUSIVE && !res->core.lowering;
	return sffs_delegate_usable(res);
}

/* Has the worker found out, without waiting for others, who uses it? */
static bool sffs_res_try_last(struct sffs_resource *res, bool *last)
{
	bool done;

	spin_lock_irq(&res->lock);
	*last = !READ_ONCE(res->mgr->failed) && sffs_res_usable(res);
	done = *last || res->denied || res->error || READ_ONCE(res->mgr->failed);
	if (*last)
		res->core.last = false;
	spin_unlock_irq(&res->lock);
	return done;
}

/**
 * sffs_res_last() - hold an open record exclusively, if nobody else has the file open
 * @res: the record
 * @wait: for the worker to look; not for other nodes
 *
 * If others may have it open, they are asked for some seconds. Who does not use it gives it
 * up, and then sffs_lockmgr_ops.last is called here; who does has that called at the end of
 * its last use. Nobody is kept from opening the file.
 *
 * Context: sleeps.
 * Return: whether this node has it now; there is no use to be ended.
 */
bool sffs_res_last(struct sffs_resource *res, bool wait)
{
	bool last = false;

	spin_lock_irq(&res->lock);
	if (sffs_res_usable(res)) {
		last = true;
	} else {
		res->core.last = true;
		res->denied = !wait;
		res->last_until = jiffies + LAST_SECONDS * HZ;
	}
	spin_unlock_irq(&res->lock);
	if (last)
		return true;
	sffs_res_kick(res);
	wait_event(res->wait, sffs_res_try_last(res, &last));
	return last;
}

/* ---- To end ---- */

/* One use less of the task, or of any where another task ends it. */
static struct sffs_res_user *sffs_res_end_user(struct sffs_resource *res)
{
	struct sffs_res_user *user;

	if (!sffs_res_by_task(res) || WARN_ON_ONCE(list_empty(&res->users)))
		return NULL;
	user = sffs_res_user(res) ?: list_first_entry(&res->users, struct sffs_res_user, list);
	if (--user->uses)
		return NULL;
	list_del(&user->list);
	return user;
}

/* End a use. Context: any: direct I/O may end in an interrupt. */
void sffs_res_unlock(struct sffs_resource *res, enum sffs_lock_mode mode)
{
	struct sffs_res_user *user;
	unsigned long flags;
	bool kick;

	spin_lock_irqsave(&res->lock, flags);
	user = sffs_res_end_user(res);
	kick = res->core.held ? sffs_ls_unuse(&res->core, mode) :
				sffs_delegate_unuse(res, mode);
	kick |= res->told && !sffs_res_used(res);
	spin_unlock_irqrestore(&res->lock, flags);
	if (kick)
		sffs_res_kick(res);
	kfree(user);
}

/* ---- Owners ---- */

static bool sffs_res_try_own(struct sffs_resource *res, const void *old, void *owner)
{
	bool busy;

	spin_lock_irq(&res->lock);
	busy = res->busy && (!old || res->owner == old);
	if (!busy && (!old || res->owner == old))
		res->owner = owner;
	spin_unlock_irq(&res->lock);
	return !busy;
}

/*
 * The filesystem's lock, which has a reference, is what the manager works for; it takes
 * over from one that nobody can use any more. Context: sleeps as sffs_res_disown().
 */
void sffs_res_own(struct sffs_resource *res, void *owner)
{
	wait_event(res->wait, sffs_res_try_own(res, NULL, owner));
}

/*
 * The filesystem's lock goes; the node may hold it on. Context: sleeps, for as long as the
 * filesystem works for the lock: no worker of the manager.
 */
void sffs_res_disown(struct sffs_resource *res, const void *owner)
{
	wait_event(res->wait, sffs_res_try_own(res, owner, NULL));
}

/* Do not give the lock, which the caller uses, up before @ms milliseconds have gone. */
void sffs_res_keep(struct sffs_resource *res, unsigned int ms)
{
	u64 until = ktime_get_boottime_ns() + ms * (u64)NSEC_PER_MSEC;

	spin_lock_irq(&res->lock);
	if (res->core.keep_until < until)
		res->core.keep_until = until;
	spin_unlock_irq(&res->lock);
}
