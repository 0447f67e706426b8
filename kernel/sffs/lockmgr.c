// SPDX-License-Identifier: GPL-2.0-only
/*
 * Resources and their workers: the part of the lock manager that waits and does I/O.
 *
 * Order of the manager's own locks: sffs_resource.run, of a chunk first;
 * sffs_delegation.scan; sffs_lockmgr.lock;
 * sffs_resource.lock, which the end of a use takes in interrupts, too, and that of the chunk
 * last. No spinlock is held over I/O, and the filesystem is called with none of them.
 */
#include <linux/err.h>
#include <linux/hash.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/random.h>
#include <linux/slab.h>

#include "ats.h"
#include "lockmgr.h"

#define POLL_MS_MIN	4
#define POLL_MS_MAX	100
#define ERROR_MS	500	/* to the next try after a record could not be read */
#define LAST_KEEP_MS	1000	/* for what the last that uses a lock has to do */

/* ---- The table of resources ---- */

static struct hlist_head *sffs_res_bucket(struct sffs_lockmgr *mgr, unsigned int type, u64 number)
{
	return &mgr->table[hash_64(number * 8 + type, SFFS_RES_BITS)];
}

static struct sffs_resource *sffs_res_find(struct sffs_lockmgr *mgr, unsigned int type, u64 number)
{
	struct sffs_resource *res;

	lockdep_assert_held(&mgr->lock);
	hlist_for_each_entry(res, sffs_res_bucket(mgr, type, number), node) {
		if (res->number == number && res->type == type) {
			sffs_res_ref(res);
			return res;
		}
	}
	return NULL;
}

static void sffs_res_work(struct work_struct *work);

static struct sffs_resource *sffs_res_new(struct sffs_lockmgr *mgr, unsigned int type,
					  u64 number, u64 sector)
{
	struct sffs_resource *res = kzalloc(sizeof(*res), GFP_NOFS);

	if (!res)
		return NULL;
	res->mgr = mgr;
	res->number = number;
	res->type = type;
	res->sector = sector;
	res->refs = 1;
	mutex_init(&res->run);
	spin_lock_init(&res->lock);
	init_waitqueue_head(&res->wait);
	INIT_DELAYED_WORK(&res->work, sffs_res_work);
	INIT_LIST_HEAD(&res->lru);
	INIT_LIST_HEAD(&res->users);
	INIT_LIST_HEAD(&res->sibling);
	if (!sffs_delegate_attach(res))
		return res;
	kfree(res);
	return NULL;
}

/**
 * sffs_res_get() - find or make the resource of a lock
 * @mgr: the manager
 * @type: enum sffs_lock_type
 * @number: as @type says
 *
 * Context: may sleep; takes no memory that may need a cluster lock to be freed.
 * Return: the resource with a reference, or an error pointer: -ENOMEM, or -EUCLEAN if
 * there can be no such resource.
 */
struct sffs_resource *sffs_res_get(struct sffs_lockmgr *mgr, unsigned int type, u64 number)
{
	u64 sector = mgr->setup.ops->sector(mgr, type, number);
	struct sffs_resource *res, *old;

	if (!sector)
		return ERR_PTR(-EUCLEAN);
	spin_lock(&mgr->lock);
	res = sffs_res_find(mgr, type, number);
	spin_unlock(&mgr->lock);
	if (res)
		return res;
	res = sffs_res_new(mgr, type, number, sector);
	if (!res)
		return ERR_PTR(-ENOMEM);
	spin_lock(&mgr->lock);
	old = sffs_res_find(mgr, type, number);
	if (!old) {
		hlist_add_head(&res->node, sffs_res_bucket(mgr, type, number));
		mgr->resources++;
		if (res->chunk)
			list_add_tail(&res->sibling, &res->chunk->all->children);
	}
	spin_unlock(&mgr->lock);
	if (!old)
		return res;
	sffs_delegate_detach(res);
	kfree(res);
	return old;
}

/*
 * One more reference, under the manager's lock. What was to be given up because nobody
 * referred to it is not: it would wait for the end of uses that begin now.
 */
void sffs_res_ref(struct sffs_resource *res)
{
	lockdep_assert_held(&res->mgr->lock);
	res->refs++;
	if (list_empty(&res->lru))
		return;
	list_del_init(&res->lru);
	res->mgr->unused--;
	if (res->mgr->stopping)
		return;
	spin_lock_irq(&res->lock);
	res->core.quit = false;
	spin_unlock_irq(&res->lock);
}

/* What is written before an inode's lock is given up may need the locks of groups. */
static struct workqueue_struct *sffs_res_wq(const struct sffs_resource *res)
{
	return res->type <= SFFS_LOCKT_GROUP ? res->mgr->wq_first : res->mgr->wq;
}

void sffs_res_kick(struct sffs_resource *res)
{
	mod_delayed_work(sffs_res_wq(res), &res->work, 0);
}

/* Under the manager's lock, so that the resource cannot go before it is queued. */
static void sffs_res_quit(struct sffs_resource *res)
{
	lockdep_assert_held(&res->mgr->lock);
	spin_lock_irq(&res->lock);
	res->core.quit = true;
	spin_unlock_irq(&res->lock);
	sffs_res_kick(res);
}

/**
 * sffs_res_put() - give a reference back
 * @res: the resource; the lock stays held until somebody wants it, or too many are
 *
 * Context: does not sleep; a task or a work item.
 */
void sffs_res_put(struct sffs_resource *res)
{
	struct sffs_lockmgr *mgr = res->mgr;

	spin_lock(&mgr->lock);
	if (!--res->refs) {
		list_add_tail(&res->lru, &mgr->lru);
		mgr->unused++;
		if (mgr->stopping || READ_ONCE(res->core.state) == SFFS_LS_NONE)
			sffs_res_quit(res);
		else if (mgr->unused > mgr->setup.cached)
			sffs_res_quit(list_first_entry(&mgr->lru, struct sffs_resource, lru));
	}
	spin_unlock(&mgr->lock);
}

/* The end of a run: a resource that is not held and not referred to goes. */
static bool sffs_res_free(struct sffs_resource *res)
{
	struct sffs_lockmgr *mgr = res->mgr;
	bool unused;

	sffs_mail_end(res);
	spin_lock(&mgr->lock);
	unused = !res->refs && (res->core.state == SFFS_LS_NONE || mgr->failed);
	if (unused) {
		hlist_del(&res->node);
		list_del(&res->lru);
		list_del(&res->sibling);
		mgr->unused--;
		mgr->resources--;
	}
	if (unused && !mgr->resources)
		wake_up_all(&mgr->idle);
	spin_unlock(&mgr->lock);
	if (!unused)
		return false;
	/*
	 * Whoever queued the worker had a reference, or the manager's lock; nobody can now.
	 * The manager stays until this work item has returned.
	 */
	cancel_delayed_work(&res->work);
	sffs_delegate_detach(res);
	kfree(res);
	return true;
}

/*
 * Another node wants to be the last that uses an open record. Who does not use it gives it
 * up; who does remembers it.
 */
static void sffs_res_asked_last(struct sffs_resource *res, unsigned int slot, u32 incarnation)
{
	lockdep_assert_held(&res->lock);
	if (sffs_res_used(res)) {
		res->told = true;
	} else if (!res->core.held) {
		res->core.look = true;
		res->asker = slot + 1;
		res->asker_inc = incarnation;
	} else if (ktime_get_boottime_ns() >= res->last_keep) {
		res->core.quit = true;
	}
}

/**
 * sffs_res_look() - a mail says that a lock is wanted
 * @mgr: the manager
 * @req: what it says, whatever that is
 * @sender: slot that wants it
 * @incarnation: of that slot
 *
 * What is wanted of a lock its record says, and that is looked at. A delegate may have named
 * this node when it had forgotten the lock: it looks at what it does not know, too.
 */
void sffs_res_look(struct sffs_lockmgr *mgr, const struct sffs_mail_request *req,
		   unsigned int sender, u32 incarnation)
{
	u64 number = le64_to_cpu(req->number);
	struct sffs_resource *res;

	if (sffs_delegated_type(req->type)) {
		res = sffs_res_get(mgr, req->type, number);
		if (IS_ERR(res))
			return;
	} else {
		spin_lock(&mgr->lock);
		res = sffs_res_find(mgr, req->type, number);
		spin_unlock(&mgr->lock);
		if (!res)
			return;
	}
	spin_lock_irq(&res->lock);
	if (req->mode == SFFS_MAIL_LAST) {
		sffs_res_asked_last(res, sender, incarnation);
	} else {
		res->core.look = true;
		res->asked = sffs_delegated_type(req->type);
	}
	spin_unlock_irq(&res->lock);
	sffs_res_kick(res);
	sffs_res_put(res);
}

/* ---- The worker ---- */

void sffs_res_fatal(struct sffs_resource *res, const char *why)
{
	struct sffs_lockmgr *mgr = res->mgr;

	if (READ_ONCE(mgr->failed))
		return;
	sffs_lockmgr_fail(mgr);
	mgr->setup.ops->fatal(mgr, why);
}

/* A run begins with what is known of the slots. */
static void sffs_res_view(struct sffs_resource *res, struct sffs_res_run *run)
{
	struct sffs_lockmgr *mgr = res->mgr;

	spin_lock(&mgr->lock);
	memcpy(run->view, mgr->view, sizeof(run->view));
	spin_unlock(&mgr->lock);
}

/**
 * sffs_res_check() - is what was read a record, and who is in it?
 * @res: of the record; the worker's run may be that of another one
 * @run: with the record, and the identity of @res
 *
 * Slots that name a node which is not known yet are read.
 *
 * Context: sleeps.
 * Return: 0; -EUCLEAN if the record is damaged; or an error of a READ.
 */
int sffs_res_check(struct sffs_resource *res, struct sffs_res_run *run)
{
	u64 ahead;
	int i, err;

	if (!sffs_lockrec_ok(&run->id, &run->rec))
		return -EUCLEAN;
	ahead = sffs_lockrec_ahead(&run->id, &run->rec);
	if (!ahead)
		return 0;
	for (i = 0; i < run->id.max_slots; i++) {
		if (!(ahead & BIT_ULL(i)))
			continue;
		err = res->mgr->setup.ops->slot(res->mgr, i);
		if (err)
			return err;
	}
	sffs_res_view(res, run);
	return sffs_lockrec_ahead(&run->id, &run->rec) ? -EUCLEAN : 0;
}

/* Tell the tasks that wait that the record is damaged, or (0) is not. */
void sffs_res_damaged(struct sffs_resource *res, int err)
{
	spin_lock_irq(&res->lock);
	res->error = err;
	wake_up_all(&res->wait);
	spin_unlock_irq(&res->lock);
	if (err && res->mgr->setup.ops->damaged)
		res->mgr->setup.ops->damaged(res);
}

/* The record is known: check it, and tell the core. False: it leads nowhere now. */
static bool sffs_res_seen(struct sffs_resource *res, struct sffs_res_run *run)
{
	int err = sffs_res_check(res, run);
	bool alive;

	if (err == -EUCLEAN)
		sffs_res_damaged(res, err);
	if (err)
		return false;
	spin_lock_irq(&res->lock);
	res->error = 0;
	alive = sffs_ls_seen(&res->core, &run->id, &run->rec);
	if (res->core.held)
		res->period = 0;
	wake_up_all(&res->wait);
	spin_unlock_irq(&res->lock);
	if (!alive)
		sffs_res_fatal(res, "a lock that this host holds was taken for stale");
	return alive;
}

/* Read a record; one that cannot be one is given as such. */
int sffs_res_image(struct sffs_resource *res, struct sffs_lock_record *rec, u64 sector)
{
	int err = sffs_lun_read_record(res->mgr->setup.lun, sector, rec);

	if (err != -EUCLEAN)
		return err;
	/* What is not zero behind the record makes it no record, too. */
	memset(rec, 0xff, sizeof(*rec));
	return 0;
}

static bool sffs_res_read(struct sffs_resource *res, struct sffs_res_run *run)
{
	return !sffs_res_image(res, &run->rec, res->sector) && sffs_res_seen(res, run);
}

/**
 * sffs_res_ats() - change the record of a resource
 * @res: the resource
 * @rec: the record as read; set to what it is afterwards
 * @new: what it is to be
 *
 * Return: 0 if it is known what the record is now; else the manager has failed.
 */
int sffs_res_ats(struct sffs_resource *res, struct sffs_lock_record *rec,
		 const struct sffs_lock_record *new)
{
	struct sffs_ats *ats = sffs_ats_alloc(res->mgr->setup.lun);
	int err;

	atomic64_inc(&res->mgr->changes);
	ats->sector = res->sector;
	memcpy(ats->old, rec, sizeof(*rec));
	memcpy(ats->new, new, sizeof(*new));
	err = sffs_ats_run(ats);
	memcpy(rec, ats->now, sizeof(*rec));
	sffs_ats_free(ats);
	if (err == -EUCLEAN)
		memset(rec, 0xff, sizeof(*rec));
	else if (err)
		sffs_res_fatal(res, err == -EBADE ? "this host was fenced" :
						    "a lock record cannot be changed");
	return err == -EUCLEAN ? 0 : err;
}

static bool sffs_res_change(struct sffs_resource *res, struct sffs_res_run *run)
{
	struct sffs_lock_record new;
	bool made;

	/*
	 * A task that took a page under the lock may map it after the pages were unmapped;
	 * to drop the page waits for that. Others change what is cached anyway.
	 */
	if (sffs_ls_leaving(&res->core) && !res->all)
		sffs_res_work_for(res, SFFS_LA_DROP);
	spin_lock_irq(&res->lock);
	made = sffs_ls_image(&res->core, &run->id, &run->rec, NULL, get_random_u64(), &new);
	spin_unlock_irq(&res->lock);
	return made && !sffs_res_ats(res, &run->rec, &new) && sffs_res_seen(res, run);
}

/* Let the filesystem work for a lock, in a run. Its owner stays meanwhile. */
int sffs_res_work_for(struct sffs_resource *res, enum sffs_lock_action action)
{
	const struct sffs_lockmgr_ops *ops = res->mgr->setup.ops;
	int err = 0;

	lockdep_assert_held(&res->run);
	spin_lock_irq(&res->lock);
	res->busy = true;
	spin_unlock_irq(&res->lock);
	if (action == SFFS_LA_DROP && ops->drop)
		ops->drop(res);
	else if (action == SFFS_LA_UNMAP && ops->unmap)
		ops->unmap(res);
	else if (action == SFFS_LA_FLUSH && ops->flush)
		err = ops->flush(res);
	else if (action == SFFS_LA_REVOKE && ops->revoke)
		err = ops->revoke(res);
	spin_lock_irq(&res->lock);
	res->busy = false;
	wake_up_all(&res->wait);
	spin_unlock_irq(&res->lock);
	return err;
}

/* What the filesystem does for a lock. */
static bool sffs_res_stage(struct sffs_resource *res, enum sffs_lock_action action)
{
	int err = res->all ? sffs_delegate_stage(res, action) : sffs_res_work_for(res, action);

	if (err) {
		sffs_res_fatal(res, "what was changed under a lock cannot be written");
		return false;
	}
	spin_lock_irq(&res->lock);
	sffs_ls_done(&res->core);
	wake_up_all(&res->wait);
	spin_unlock_irq(&res->lock);
	return true;
}

void sffs_res_id(struct sffs_resource *res, struct sffs_res_run *run)
{
	struct sffs_lockmgr *mgr = res->mgr;

	run->id = (struct sffs_lockrec_id){
		.number = res->number,
		.type = res->type,
		.max_slots = mgr->setup.max_slots,
		.slot = mgr->setup.slot,
		.incarnation = mgr->setup.incarnation,
		.seed = mgr->setup.seed,
		.view = run->view,
	};
	sffs_res_view(res, run);
}

static void sffs_res_begin(struct sffs_resource *res, struct sffs_res_run *run)
{
	sffs_res_id(res, run);
	spin_lock_irq(&res->lock);
	if (res->error && !res->core.waiting[SFFS_LOCK_SHARED] &&
	    !res->core.waiting[SFFS_LOCK_EXCLUSIVE])
		sffs_ls_forget(&res->core);
	sffs_ls_begin(&res->core);
	spin_unlock_irq(&res->lock);
}

/* Random, and longer each time: they who wait do not come all at once. Under res->lock. */
static unsigned int sffs_res_backoff(struct sffs_resource *res)
{
	unsigned int ms = clamp(res->backoff, POLL_MS_MIN, POLL_MS_MAX);

	res->backoff = ms * 2;
	return ms / 2 + get_random_u32_below(ms);
}

/* What others are asked for. Under res->lock. */
static u8 sffs_res_wish(const struct sffs_resource *res)
{
	if (res->core.waiting[SFFS_LOCK_EXCLUSIVE])
		return SFFS_LOCK_EXCLUSIVE;
	if (res->core.last && !res->core.waiting[SFFS_LOCK_SHARED])
		return SFFS_MAIL_LAST;
	return SFFS_LOCK_SHARED;
}

/*
 * The end of a run: who wanted to be the last that uses the lock, here or elsewhere?
 * @looked: that was wanted here when the run began
 */
static void sffs_res_tell_last(struct sffs_resource *res, bool looked)
{
	bool tell = false;

	spin_lock_irq(&res->lock);
	if (res->core.last && sffs_res_usable(res)) {
		/* If a task waits, that one is told. */
		tell = res->denied;
		res->core.last = !res->denied;
		res->last_keep = ktime_get_boottime_ns() + LAST_KEEP_MS * NSEC_PER_MSEC;
	} else if (res->core.last && looked) {
		res->denied = true;
		/* Here it is in use by now: then it is as if others had asked. */
		res->told |= sffs_res_used(res);
		if (sffs_res_used(res) || time_after(jiffies, res->last_until))
			res->core.last = false;
	}
	if (res->told && !sffs_res_used(res)) {
		res->told = false;
		tell = true;
	}
	wake_up_all(&res->wait);
	spin_unlock_irq(&res->lock);
	if (tell && res->mgr->setup.ops->last)
		res->mgr->setup.ops->last(res);
}

/* Do what is to be done; returns milliseconds to the next run, or -1: when kicked. */
static int sffs_res_run(struct sffs_resource *res, struct sffs_res_run *run)
{
	enum sffs_lock_action action;
	u64 now, keep = 0;
	int ms = -1, err = 0;
	bool ok = true;
	u8 mode = 0;

	sffs_res_begin(res, run);
	if (sffs_delegate_serve(res, run, &err))
		return -1;
	ok = !err;
	while (ok && !READ_ONCE(res->mgr->failed)) {
		now = ktime_get_boottime_ns();
		spin_lock_irq(&res->lock);
		action = sffs_ls_step(&res->core, &run->id, &run->rec, now);
		switch (action) {
		case SFFS_LA_POLL:
			ms = sffs_res_backoff(res);
			mode = sffs_res_wish(res);
			break;
		case SFFS_LA_KEEP:
			keep = res->core.keep_until - now;
			break;
		case SFFS_LA_NONE:
			res->backoff = 0;
			break;
		default:
			break;
		}
		spin_unlock_irq(&res->lock);
		switch (action) {
		case SFFS_LA_POLL:
			if (sffs_lockrec_delegated(&run->id, &run->rec))
				sffs_delegate_ask(res, run, mode);
			else
				sffs_mail_ask(res, &run->rec, mode);
			return ms;
		case SFFS_LA_KEEP:
			return div_u64(keep, NSEC_PER_MSEC) + 1;
		case SFFS_LA_NONE:
			if (res->all && sffs_delegate_settled(res))
				break;
			return -1;
		case SFFS_LA_READ:
			ok = sffs_res_read(res, run);
			break;
		case SFFS_LA_CHANGE:
			ok = sffs_res_change(res, run);
			break;
		default:
			ok = sffs_res_stage(res, action);
		}
	}
	return READ_ONCE(res->mgr->failed) ? -1 : ERROR_MS;
}

static void sffs_res_work(struct work_struct *work)
{
	struct sffs_resource *res = container_of(to_delayed_work(work), struct sffs_resource, work);
	struct sffs_lockmgr *mgr = res->mgr;
	struct workqueue_struct *wq = sffs_res_wq(res);
	struct sffs_res_run *run = kmalloc(sizeof(*run), GFP_NOFS);
	bool last = READ_ONCE(res->core.last);
	int ms = POLL_MS_MAX;

	mutex_lock(&res->run);
	if (run)
		ms = sffs_res_run(res, run);
	mutex_unlock(&res->run);
	kfree(run);
	if (READ_ONCE(mgr->failed))
		wake_up_all(&res->wait);
	else if (res->type == SFFS_LOCKT_OPEN)
		sffs_res_tell_last(res, last);
	if (ms < 0 && sffs_res_free(res))
		return;
	if (ms >= 0)
		queue_delayed_work(wq, &res->work, msecs_to_jiffies(ms));
}

/* ---- The manager ---- */

/**
 * sffs_lockmgr_see() - tell what a slot's record says
 * @mgr: the manager
 * @slot: which
 * @state: enum sffs_slot_state
 * @incarnation: of its present or last holder
 *
 * Context: does not sleep; a task or a work item.
 */
void sffs_lockmgr_see(struct sffs_lockmgr *mgr, unsigned int slot, unsigned int state,
		      u32 incarnation)
{
	spin_lock(&mgr->lock);
	if (slot < mgr->setup.max_slots && slot != mgr->setup.slot)
		mgr->view[slot] = (struct sffs_slot_view){ state, incarnation };
	spin_unlock(&mgr->lock);
}

/**
 * sffs_lockmgr_fail() - the node holds nothing any more
 * @mgr: the manager
 *
 * Every task that waits gets -EIO, and every later one; no record is changed any more.
 * Context: may sleep.
 */
void sffs_lockmgr_fail(struct sffs_lockmgr *mgr)
{
	struct sffs_resource *res;
	unsigned int i;

	spin_lock(&mgr->lock);
	WRITE_ONCE(mgr->failed, true);
	for (i = 0; i < ARRAY_SIZE(mgr->table); i++)
		hlist_for_each_entry(res, &mgr->table[i], node)
			sffs_res_kick(res);
	spin_unlock(&mgr->lock);
}

/**
 * sffs_lockmgr_start() - begin to manage the locks of a mount
 * @setup: copied
 *
 * The node is LIVE in its slot already.
 *
 * Context: may sleep.
 * Return: the manager, or an error pointer.
 */
struct sffs_lockmgr *sffs_lockmgr_start(const struct sffs_lockmgr_setup *setup)
{
	struct sffs_lockmgr *mgr = kvzalloc(sizeof(*mgr), GFP_KERNEL);
	unsigned int i;
	int err = -ENOMEM;

	if (!mgr)
		return ERR_PTR(-ENOMEM);
	mgr->setup = *setup;
	spin_lock_init(&mgr->lock);
	INIT_LIST_HEAD(&mgr->lru);
	init_waitqueue_head(&mgr->idle);
	for (i = 0; i < SFFS_MAX_SLOTS; i++)
		mgr->view[i].state = SFFS_SLOT_UNKNOWN;
	mgr->view[setup->slot] = (struct sffs_slot_view){ SFFS_SLOT_LIVE, setup->incarnation };
	mgr->wq = alloc_workqueue("sffs_lock", WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	mgr->wq_first = alloc_workqueue("sffs_lock1", WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	if (mgr->wq && mgr->wq_first)
		err = sffs_mail_start(mgr);
	if (!err)
		return mgr;
	if (mgr->wq_first)
		destroy_workqueue(mgr->wq_first);
	if (mgr->wq)
		destroy_workqueue(mgr->wq);
	kvfree(mgr);
	return ERR_PTR(err);
}

static bool sffs_lockmgr_idle(struct sffs_lockmgr *mgr)
{
	bool idle;

	spin_lock(&mgr->lock);
	idle = !mgr->resources;
	spin_unlock(&mgr->lock);
	return idle;
}

/**
 * sffs_lockmgr_stop() - give up all locks
 * @mgr: without any reference to a resource of it
 *
 * Context: sleeps until all is flushed and released, or the manager has failed.
 * Return: 0, or -EIO if the manager had failed: then the records still name this node.
 */
int sffs_lockmgr_stop(struct sffs_lockmgr *mgr)
{
	struct sffs_resource *res;
	unsigned int i;

	spin_lock(&mgr->lock);
	mgr->stopping = true;
	for (i = 0; i < ARRAY_SIZE(mgr->table); i++)
		hlist_for_each_entry(res, &mgr->table[i], node)
			sffs_res_quit(res);
	spin_unlock(&mgr->lock);
	wait_event(mgr->idle, sffs_lockmgr_idle(mgr));
	return READ_ONCE(mgr->failed) ? -EIO : 0;
}

/* Forget a manager that was stopped. Context: sleeps. */
void sffs_lockmgr_free(struct sffs_lockmgr *mgr)
{
	sffs_mail_stop(mgr);
	destroy_workqueue(mgr->wq_first);
	destroy_workqueue(mgr->wq);
	kvfree(mgr);
}
