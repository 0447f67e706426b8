// SPDX-License-Identifier: GPL-2.0-only
/*
 * Delegation: who holds the delegation record of a chunk holds the inode, open and
 * file-lock records in it that name nobody; sffs-locks.rst, "Delegation".
 *
 * A delegation is held until the node has no resource under it. Nobody waits for it, for the
 * uses under it may last: who does not get it asks the delegate for what it wants.
 *
 * A use of such a lock is an exclusive use of the delegation. The uses of a resource are
 * all of one kind: by its own record while that names this node (core.held), else through
 * the delegation. When another node asks, the record is made to name this node, and its
 * uses become uses by name.
 */
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/random.h>
#include <linux/slab.h>

#include "ats.h"
#include "lockmgr.h"

/* Does the delegate hold such records? */
bool sffs_delegated_type(unsigned int type)
{
	return type >= SFFS_LOCKT_INODE && type <= SFFS_LOCKT_FLOCK;
}

static unsigned int sffs_delegate_kind(const struct sffs_resource *res)
{
	return res->type - SFFS_LOCKT_INODE;
}

static u64 sffs_delegate_bit(const struct sffs_resource *res)
{
	return BIT_ULL(sffs_ino_index(res->number));
}

/* ---- The resources ---- */

/* A new resource gets what it needs for delegation. Context: may sleep. */
int sffs_delegate_attach(struct sffs_resource *res)
{
	if (res->type == SFFS_LOCKT_CHUNK) {
		res->all = kzalloc(sizeof(*res->all), GFP_NOFS);
		if (!res->all)
			return -ENOMEM;
		mutex_init(&res->all->scan);
		INIT_LIST_HEAD(&res->all->children);
		res->all->period = 1;
	} else if (sffs_delegated_type(res->type)) {
		res->chunk = sffs_res_get(res->mgr, SFFS_LOCKT_CHUNK, sffs_ino_chunk(res->number));
		if (IS_ERR(res->chunk))
			return PTR_ERR(res->chunk);
	}
	return 0;
}

/* A resource goes. The manager may be gone at return. */
void sffs_delegate_detach(struct sffs_resource *res)
{
	kfree(res->all);
	if (res->chunk)
		sffs_res_put(res->chunk);
}

/* ---- Uses ---- */

/* Count a use through the delegation, if there is a way. Under res->lock. */
bool sffs_delegate_use(struct sffs_resource *res, enum sffs_lock_mode mode, bool again)
{
	struct sffs_resource *chunk = res->chunk;
	bool held = false;

	lockdep_assert_held(&res->lock);
	if (!chunk || !res->period || res->giving || (res->naming && mode > res->naming))
		return false;
	spin_lock_nested(&chunk->lock, SINGLE_DEPTH_NESTING);
	if (res->period == chunk->all->period)
		held = again ? sffs_ls_use_again(&chunk->core, SFFS_LOCK_EXCLUSIVE) :
			       sffs_ls_use(&chunk->core, SFFS_LOCK_EXCLUSIVE);
	if (held && mode == SFFS_LOCK_EXCLUSIVE)
		chunk->all->changed[sffs_delegate_kind(res)] |= sffs_delegate_bit(res);
	spin_unlock(&chunk->lock);
	res->through[mode] += held;
	return held;
}

/* Could a use in exclusive mode begin now, through the delegation? Under res->lock. */
bool sffs_delegate_usable(struct sffs_resource *res)
{
	struct sffs_resource *chunk = res->chunk;
	bool usable;

	lockdep_assert_held(&res->lock);
	if (!chunk || !res->period || res->giving || res->naming)
		return false;
	spin_lock_nested(&chunk->lock, SINGLE_DEPTH_NESTING);
	usable = res->period == chunk->all->period && chunk->core.state == SFFS_LS_EXCLUSIVE;
	spin_unlock(&chunk->lock);
	return usable;
}

/*
 * A lock under which nothing is cached, of an inode that is being made: it may be used at
 * once if the delegate has seen that its record names nobody.
 */
void sffs_delegate_try_new(struct sffs_resource *res)
{
	struct sffs_resource *chunk = res->chunk;
	struct sffs_delegation *all;

	if (!chunk)
		return;
	all = chunk->all;
	spin_lock_irq(&res->lock);
	spin_lock_nested(&chunk->lock, SINGLE_DEPTH_NESTING);
	if (!res->period && !res->owner && !res->core.held && !res->naming && !res->giving &&
	    chunk->core.state == SFFS_LS_EXCLUSIVE &&
	    (all->nobody[sffs_delegate_kind(res)] & sffs_delegate_bit(res)))
		res->period = all->period;
	spin_unlock(&chunk->lock);
	spin_unlock_irq(&res->lock);
}

/* End uses of the delegation. */
static void sffs_delegate_end(struct sffs_resource *chunk, unsigned int uses)
{
	bool kick = false;

	lockdep_assert_held(&chunk->lock);
	while (uses--)
		kick = sffs_ls_unuse(&chunk->core, SFFS_LOCK_EXCLUSIVE);
	if (kick)
		sffs_res_kick(chunk);
}

/* End a use through the delegation; returns whether the worker is to be queued. */
bool sffs_delegate_unuse(struct sffs_resource *res, enum sffs_lock_mode mode)
{
	lockdep_assert_held(&res->lock);
	if (WARN_ON_ONCE(!res->chunk || !res->through[mode]))
		return false;
	res->through[mode]--;
	spin_lock_nested(&res->chunk->lock, SINGLE_DEPTH_NESTING);
	sffs_delegate_end(res->chunk, 1);
	spin_unlock(&res->chunk->lock);
	return false;
}

/* A worker keeps the delegation while it looks at a record under it. */
static bool sffs_delegate_hold(struct sffs_resource *chunk)
{
	bool held;

	spin_lock_irq(&chunk->lock);
	held = sffs_ls_use(&chunk->core, SFFS_LOCK_EXCLUSIVE);
	spin_unlock_irq(&chunk->lock);
	return held;
}

static void sffs_delegate_release(struct sffs_resource *chunk)
{
	spin_lock_irq(&chunk->lock);
	sffs_delegate_end(chunk, 1);
	spin_unlock_irq(&chunk->lock);
}

/* ---- What the records under a delegation say ---- */

/* All records of one type in one READ: which name nobody? */
static void sffs_delegate_scan(struct sffs_resource *res, struct sffs_res_run *run)
{
	struct sffs_lockmgr *mgr = res->mgr;
	unsigned int shift = mgr->setup.sector_shift, kind = sffs_delegate_kind(res), i;
	struct sffs_delegation *all = res->chunk->all;
	size_t size = (size_t)SFFS_CHUNK_INODES << shift;
	struct sffs_lockrec_id id = run->id;
	u64 sector = res->sector - sffs_ino_index(res->number), nobody = 0;
	void *buf = alloc_pages_exact(size, GFP_NOFS | __GFP_NOWARN);

	/* Without memory each record is read by itself. */
	if (!buf)
		return;
	if (!sffs_lun_read(mgr->setup.lun, sector, buf, SFFS_CHUNK_INODES)) {
		for (i = 0; i < SFFS_CHUNK_INODES; i++) {
			const struct sffs_lock_record *rec = buf + ((size_t)i << shift);

			id.number = sffs_make_ino(sffs_ino_chunk(res->number), i);
			if (sffs_lockrec_ok(&id, rec) && !rec->holders && !rec->waiters)
				nobody |= BIT_ULL(i);
		}
		spin_lock_irq(&res->chunk->lock);
		all->nobody[kind] = nobody;
		all->looked |= BIT(kind);
		spin_unlock_irq(&res->chunk->lock);
	}
	free_pages_exact(buf, size);
}

/*
 * Does the record name nobody, so that the delegate has it? Under the scan mutex, with the
 * delegation held. 1 or 0, or an error of a READ, or -EUCLEAN after telling the tasks.
 */
static int sffs_delegate_look(struct sffs_resource *res, struct sffs_res_run *run)
{
	struct sffs_delegation *all = res->chunk->all;
	unsigned int kind = sffs_delegate_kind(res);
	int err;

	if (!(all->looked & BIT(kind)))
		sffs_delegate_scan(res, run);
	if (all->nobody[kind] & sffs_delegate_bit(res))
		return 1;
	err = sffs_res_image(res, &run->rec, res->sector) ?: sffs_res_check(res, run);
	if (err == -EUCLEAN)
		sffs_res_damaged(res, err);
	if (err || run->rec.holders || run->rec.waiters)
		return err;
	spin_lock_irq(&res->chunk->lock);
	all->nobody[kind] |= sffs_delegate_bit(res);
	spin_unlock_irq(&res->chunk->lock);
	return 1;
}

/* ---- The delegate's own use ---- */

/* Let tasks use the lock through the delegation: what was cached before does not count. */
static void sffs_delegate_begin(struct sffs_resource *res)
{
	u64 period = res->chunk->all->period;

	if (res->period != period)
		sffs_res_work_for(res, SFFS_LA_DROP);
	spin_lock_irq(&res->lock);
	res->period = period;
	sffs_ls_forget(&res->core);
	wake_up_all(&res->wait);
	spin_unlock_irq(&res->lock);
}

/* ---- Naming the delegate ---- */

/* Shared, if that is all that others have to wait for. */
static enum sffs_lock_mode sffs_delegate_naming(struct sffs_resource *res)
{
	const u64 *changed = &res->chunk->all->changed[sffs_delegate_kind(res)];
	enum sffs_lock_mode mode;

	spin_lock_irq(&res->lock);
	mode = SFFS_LOCK_SHARED;
	if ((READ_ONCE(*changed) & sffs_delegate_bit(res)) || res->through[SFFS_LOCK_EXCLUSIVE])
		mode = SFFS_LOCK_EXCLUSIVE;
	res->naming = mode;
	spin_unlock_irq(&res->lock);
	return mode;
}

/* The record is what @run says: uses through the delegation are by name, if it names us. */
static bool sffs_delegate_named(struct sffs_resource *res, struct sffs_res_run *run)
{
	struct sffs_delegation *all = res->chunk->all;
	unsigned int kind = sffs_delegate_kind(res), uses = 0, mode;
	struct sffs_lockrec_news news;
	bool named;

	sffs_lockrec_read(&run->id, &run->rec, &news);
	spin_lock_irq(&res->lock);
	named = news.held == res->naming;
	res->naming = SFFS_LOCK_NONE;
	if (named) {
		sffs_ls_adopt(&res->core, news.before);
		sffs_ls_seen(&res->core, &run->id, &run->rec);
		res->core.changed = news.held == SFFS_LOCK_EXCLUSIVE;
		for (mode = 0; mode < ARRAY_SIZE(res->through); mode++) {
			uses += res->through[mode];
			res->core.uses[mode] += res->through[mode];
			res->through[mode] = 0;
		}
		res->core.look = true;
		/* Without a use it is there for the asker, who is yet to enter. */
		res->core.quit = READ_ONCE(res->mgr->stopping);
		res->period = 0;
	}
	spin_lock_nested(&res->chunk->lock, SINGLE_DEPTH_NESTING);
	if (named) {
		all->nobody[kind] &= ~sffs_delegate_bit(res);
		all->changed[kind] &= ~sffs_delegate_bit(res);
	}
	sffs_delegate_end(res->chunk, uses);
	spin_unlock(&res->chunk->lock);
	wake_up_all(&res->wait);
	spin_unlock_irq(&res->lock);
	return named;
}

/* Another node asks for a record that names nobody. */
static int sffs_delegate_name(struct sffs_resource *res, struct sffs_res_run *run)
{
	struct sffs_lockrec_id id = run->id;
	struct sffs_lock_record new;
	enum sffs_lock_mode mode;
	int err = sffs_res_image(res, &run->rec, res->sector) ?: sffs_res_check(res, run);

	if (err)
		return err;
	id.delegate = true;
	mode = sffs_delegate_naming(res);
	if (!sffs_lockrec_take(&id, &run->rec, mode, get_random_u64(), &new))
		err = -EUCLEAN;
	if (!err)
		err = sffs_res_ats(res, &run->rec, &new) ?: sffs_res_check(res, run);
	if (err) {
		spin_lock_irq(&res->lock);
		res->naming = SFFS_LOCK_NONE;
		wake_up_all(&res->wait);
		spin_unlock_irq(&res->lock);
		return err;
	}
	if (!sffs_delegate_named(res, run)) {
		sffs_res_fatal(res, "another host changed a record that is delegated to this one");
		return -EIO;
	}
	return 0;
}

/* ---- Giving to another node ---- */

/* Nobody uses it, nobody can begin to, and nothing was changed under it that is not home. */
static bool sffs_delegate_begin_giving(struct sffs_resource *res)
{
	const u64 *changed = &res->chunk->all->changed[sffs_delegate_kind(res)];

	spin_lock_irq(&res->lock);
	res->told = sffs_res_used(res);
	res->giving = !res->told && !(READ_ONCE(*changed) & sffs_delegate_bit(res));
	spin_unlock_irq(&res->lock);
	return res->giving;
}

static void sffs_delegate_end_giving(struct sffs_resource *res, bool given)
{
	struct sffs_delegation *all = res->chunk->all;

	spin_lock_irq(&res->lock);
	res->giving = false;
	if (given) {
		res->period = 0;
		sffs_ls_forget(&res->core);
		spin_lock_nested(&res->chunk->lock, SINGLE_DEPTH_NESTING);
		all->nobody[sffs_delegate_kind(res)] &= ~sffs_delegate_bit(res);
		spin_unlock(&res->chunk->lock);
	}
	wake_up_all(&res->wait);
	spin_unlock_irq(&res->lock);
	/* Who came meanwhile waits for the other node. */
	sffs_res_kick(res);
}

/*
 * Another node wants to be the last that uses an open record, and its own name in it. Nothing
 * is cached under such a record.
 */
static int sffs_delegate_give(struct sffs_resource *res, struct sffs_res_run *run,
			      unsigned int slot, u32 incarnation)
{
	struct sffs_lockrec_id id = run->id;
	struct sffs_lock_record new;
	int err = sffs_res_image(res, &run->rec, res->sector) ?: sffs_res_check(res, run);
	bool made;

	if (err || run->rec.holders || run->rec.waiters)
		return err;
	id.delegate = true;
	made = sffs_lockrec_give(&id, &run->rec, slot, incarnation, SFFS_LOCK_EXCLUSIVE, NULL,
				 get_random_u64(), &new);
	if (made)
		err = sffs_res_ats(res, &run->rec, &new);
	return err ?: made;
}

/* 1: it is done with. */
static int sffs_delegate_answer(struct sffs_resource *res, struct sffs_res_run *run,
				unsigned int slot, u32 incarnation)
{
	int given;

	if (!sffs_delegate_begin_giving(res))
		return res->told ? 1 : sffs_delegate_name(res, run);
	given = sffs_delegate_give(res, run, slot, incarnation);
	sffs_delegate_end_giving(res, given > 0);
	return given < 0 ? given : 1;
}

/* ---- The workers ---- */

/**
 * sffs_delegate_serve() - do for a lock what its delegate can do
 * @res: any resource; its worker has begun a run
 * @run: the run
 * @err: set to an error, after which the run ends
 *
 * Return: true if nothing is left to be done.
 */
bool sffs_delegate_serve(struct sffs_resource *res, struct sffs_res_run *run, int *err)
{
	struct sffs_resource *chunk = res->chunk;
	unsigned int asker;
	bool wanted, asked;
	u32 asker_inc;
	int nobody;

	*err = 0;
	if (!chunk)
		return false;
	spin_lock_irq(&res->lock);
	asked = res->asked;
	res->asked = false;
	/* Who is not answered now asks again. */
	asker = res->asker;
	asker_inc = res->asker_inc;
	res->asker = 0;
	wanted = res->core.waiting[SFFS_LOCK_SHARED] || res->core.waiting[SFFS_LOCK_EXCLUSIVE] ||
		 res->core.last;
	if (res->core.held) {
		asked = false;
		wanted = false;
		asker = 0;
	}
	spin_unlock_irq(&res->lock);
	if ((!asked && !asker && !wanted) || !sffs_delegate_hold(chunk))
		return false;
	mutex_lock(&chunk->all->scan);
	nobody = sffs_delegate_look(res, run);
	*err = min(nobody, 0);
	if (nobody > 0 && asked) {
		*err = sffs_delegate_name(res, run);
	} else if (nobody > 0 && asker && !wanted) {
		*err = sffs_delegate_answer(res, run, asker - 1, asker_inc);
		asked = *err <= 0;
		*err = min(*err, 0);
	} else if (nobody > 0) {
		sffs_delegate_begin(res);
	}
	mutex_unlock(&chunk->all->scan);
	sffs_delegate_release(chunk);
	return nobody > 0 && !asked;
}

/* Nobody has the delegation, it seems: take it, if nobody comes first. */
static void sffs_delegate_claim(struct sffs_resource *chunk)
{
	spin_lock_irq(&chunk->lock);
	if (!chunk->all->claimed) {
		chunk->all->claimed = true;
		chunk->core.waiting[SFFS_LOCK_EXCLUSIVE]++;
	}
	spin_unlock_irq(&chunk->lock);
	sffs_res_kick(chunk);
}

/**
 * sffs_delegate_ask() - a record that is wanted names nobody: ask its delegate
 * @res: the resource
 * @run: of its worker; its record and identity are used up
 * @mode: in which this node wants it, or SFFS_MAIL_LAST
 */
void sffs_delegate_ask(struct sffs_resource *res, struct sffs_res_run *run, u8 mode)
{
	struct sffs_resource *chunk = res->chunk;
	u64 others;
	int err;

	run->id.number = chunk->number;
	run->id.type = chunk->type;
	err = sffs_res_image(chunk, &run->rec, chunk->sector) ?: sffs_res_check(chunk, run);
	if (err == -EUCLEAN)
		sffs_res_damaged(res, err);
	if (err)
		return;
	others = le64_to_cpu(run->rec.holders) & ~BIT_ULL(run->id.slot) &
		 ~sffs_lockrec_stale(&run->id, &run->rec);
	if (others)
		sffs_mail_ask(res, &run->rec, mode);
	else
		sffs_delegate_claim(chunk);
}

/* What the tasks wait for has changed. */
static void sffs_delegate_kick_all(struct sffs_resource *chunk)
{
	struct sffs_lockmgr *mgr = chunk->mgr;
	struct sffs_resource *res;

	spin_lock(&mgr->lock);
	list_for_each_entry(res, &chunk->all->children, sibling)
		sffs_res_kick(res);
	spin_unlock(&mgr->lock);
}

/*
 * The worker of a delegation has come to rest: it has it, or somebody else has, who is to be
 * asked. Returns whether there is news for it.
 */
bool sffs_delegate_settled(struct sffs_resource *chunk)
{
	bool settled;

	spin_lock_irq(&chunk->lock);
	settled = chunk->all->claimed && (chunk->core.state == SFFS_LS_EXCLUSIVE ||
					  chunk->core.state == SFFS_LS_NONE);
	if (settled) {
		chunk->all->claimed = false;
		chunk->core.waiting[SFFS_LOCK_EXCLUSIVE]--;
	}
	spin_unlock_irq(&chunk->lock);
	if (settled)
		sffs_delegate_kick_all(chunk);
	return settled;
}

/* ---- The delegation is given up ---- */

/* The resource behind @last, with a reference that is taken from @last; NULL: no more. */
static struct sffs_resource *sffs_delegate_next(struct sffs_resource *chunk,
						struct sffs_resource *last)
{
	struct list_head *head = &chunk->all->children;
	struct sffs_lockmgr *mgr = chunk->mgr;
	struct sffs_resource *res = NULL;
	struct list_head *next;

	spin_lock(&mgr->lock);
	next = last ? last->sibling.next : head->next;
	if (next != head) {
		res = list_entry(next, struct sffs_resource, sibling);
		sffs_res_ref(res);
	}
	spin_unlock(&mgr->lock);
	if (last)
		sffs_res_put(last);
	return res;
}

/* Nobody uses the delegation: nothing is held through it from now on. */
static void sffs_delegate_end_period(struct sffs_resource *chunk)
{
	struct sffs_delegation *all = chunk->all;

	spin_lock_irq(&chunk->lock);
	all->period++;
	all->looked = 0;
	memset(all->nobody, 0, sizeof(all->nobody));
	spin_unlock_irq(&chunk->lock);
	sffs_delegate_kick_all(chunk);
}

static int sffs_delegate_stage_one(struct sffs_resource *chunk, struct sffs_resource *res,
				   enum sffs_lock_action action)
{
	int err = 0;

	/* Its own worker is at rest, so whether its record names this node stays as it is. */
	mutex_lock_nested(&res->run, SINGLE_DEPTH_NESTING);
	/* If it does, it is no concern of the delegation. */
	if (READ_ONCE(res->core.held))
		goto unlock;
	if (action == SFFS_LA_FLUSH &&
	    !(chunk->all->changed[sffs_delegate_kind(res)] & sffs_delegate_bit(res)))
		goto unlock;
	/* The pages are dropped as well: a fault may have mapped one after the unmapping. */
	err = sffs_res_work_for(res, action == SFFS_LA_REVOKE ? SFFS_LA_DROP : action);
unlock:
	mutex_unlock(&res->run);
	return err;
}

/**
 * sffs_delegate_stage() - what the filesystem does for all locks under a delegation
 * @chunk: of the delegation, whose uses have ended
 * @action: SFFS_LA_DROP, _UNMAP, _FLUSH or _REVOKE
 *
 * What is cached is dropped at the end, and when it is used in another period.
 *
 * Return: 0 or an error.
 */
int sffs_delegate_stage(struct sffs_resource *chunk, enum sffs_lock_action action)
{
	struct sffs_delegation *all = chunk->all;
	struct sffs_resource *res = NULL;
	int err = 0;

	if (action == SFFS_LA_DROP)
		return 0;
	if (action == SFFS_LA_UNMAP)
		sffs_delegate_end_period(chunk);
	while ((res = sffs_delegate_next(chunk, res)))
		err = err ?: sffs_delegate_stage_one(chunk, res, action);
	if (!err && action == SFFS_LA_FLUSH &&
	    (all->changed[0] || all->changed[1] || all->changed[2]))
		err = sffs_res_work_for(chunk, SFFS_LA_FLUSH);
	if (!err && action == SFFS_LA_REVOKE)
		memset(all->changed, 0, sizeof(all->changed));
	return err;
}
