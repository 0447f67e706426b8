// SPDX-License-Identifier: GPL-2.0-only
/*
 * Cluster locks as this node sees them.
 *
 * A mount that is alone on its volume (-o local) holds every lock from the start, so
 * taking one only counts its uses and looks whether the mount may still work; unless it
 * loses its locks for a test (lose.c). In a cluster the lock manager holds them. Every path
 * of the filesystem goes through here, in the order that sffs.h gives.
 */
#include "ats.h"
#include "lockmgr.h"
#include "node.h"

/* Locks without users that are kept: the manager needs about 400 bytes for each. */
#define SFFS_LOCKS_CACHED	8192
/* While nothing is contended the mailbox is read so often. */
#define SFFS_MAIL_IDLE_MS	500

/* ---- What the manager wants of the filesystem ---- */

static u64 sffs_lock_sector(struct sffs_lockmgr *mgr, unsigned int type, u64 number)
{
	struct sffs_sb_info *sbi = mgr->setup.data;
	struct sffs_super *raw = (struct sffs_super *)sbi->super_bh->b_data;
	u64 per_block = sffs_sectors_per_block(sbi->sector_shift), chunk = number;
	struct sffs_group_info *g;

	switch (type) {
	case SFFS_LOCKT_FIXED:
		if (number >= ARRAY_SIZE(sbi->fixed))
			return 0;
		return le64_to_cpu(raw->fixed_lock_block) * per_block + number;
	case SFFS_LOCKT_GROUP:
		g = number < U32_MAX ? sffs_group(sbi, number) : NULL;
		return g ? sffs_group_start(g) * per_block : 0;
	case SFFS_LOCKT_INODE:
	case SFFS_LOCKT_OPEN:
	case SFFS_LOCKT_FLOCK:
		chunk = sffs_ino_chunk(number);
		break;
	}
	g = sffs_group_of(sbi, chunk);
	if (!g || chunk - sffs_group_start(g) + sbi->chunk_blocks > g->blocks)
		return 0;
	if (type == SFFS_LOCKT_CHUNK)
		return (chunk + SFFS_CHUNK_DELEGATION) * per_block;
	return sffs_ino_record(number, type, sbi->sector_shift);
}

static int sffs_lock_slot(struct sffs_lockmgr *mgr, unsigned int slot)
{
	struct sffs_sb_info *sbi = mgr->setup.data;
	struct sffs_slot_record rec;
	int err = sffs_lun_read_record(sbi->lun, sbi->node->first + slot, &rec);

	if (!err && sffs_slot_valid(sbi, slot, &rec))
		sffs_lockmgr_see(mgr, slot, rec.state, le32_to_cpu(rec.incarnation));
	return err;
}

static void sffs_lock_drop(struct sffs_resource *res)
{
	struct sffs_lock *lock = res->owner;

	/* Nothing was cached since the last time if it was not filled. */
	if (lock && !test_bit(SFFS_CACHE_STALE, &lock->cache))
		sffs_cache_drop(lock);
}

static void sffs_lock_unmap(struct sffs_resource *res)
{
	if (res->owner)
		sffs_cache_unmap(res->owner);
}

/* What was changed under a lock may be in the journal also when its owner has gone. */
static int sffs_lock_flush(struct sffs_resource *res)
{
	struct sffs_sb_info *sbi = res->mgr->setup.data;

	/* An open record covers nothing. */
	if (res->type == SFFS_LOCKT_OPEN)
		return 0;
	return res->owner ? sffs_cache_flush(res->owner) : sffs_cache_commit(sbi);
}

static void sffs_lock_told_last(struct sffs_resource *res)
{
	sffs_reap(res->mgr->setup.data, res->number);
}

static void sffs_lock_damaged(struct sffs_resource *res)
{
	struct sffs_sb_info *sbi = res->mgr->setup.data;

	sffs_damage(sbi->sb, div_u64(res->sector, sffs_sectors_per_block(sbi->sector_shift)),
		    "impossible lock record, type %u, of %llu", res->type, res->number);
}

static void sffs_lock_fatal(struct sffs_lockmgr *mgr, const char *why)
{
	struct sffs_sb_info *sbi = mgr->setup.data;

	sffs_shutdown(sbi->sb, why);
}

static const struct sffs_lockmgr_ops sffs_lock_ops = {
	.sector		= sffs_lock_sector,
	.slot		= sffs_lock_slot,
	.drop		= sffs_lock_drop,
	.unmap		= sffs_lock_unmap,
	.flush		= sffs_lock_flush,
	.last		= sffs_lock_told_last,
	.damaged	= sffs_lock_damaged,
	.fatal		= sffs_lock_fatal,
};

/* ---- The manager of a mount ---- */

/**
 * sffs_locks_start() - manage the locks of a node that has its slot
 * @sbi: the mount, with a LUN
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int sffs_locks_start(struct sffs_sb_info *sbi)
{
	const struct sffs_super *raw = (struct sffs_super *)sbi->super_bh->b_data;
	struct sffs_lockmgr_setup setup = {
		.lun = sbi->lun,
		.ops = &sffs_lock_ops,
		.data = sbi,
		.seed = sbi->seed,
		.incarnation = sbi->incarnation,
		.mailbox = le64_to_cpu(raw->mailbox_block) *
			   sffs_sectors_per_block(sbi->sector_shift),
		.idle_ms = min(SFFS_MAIL_IDLE_MS, sbi->heartbeat_ms),
		.slot = sbi->slot,
		.max_slots = raw->max_slots,
		.sector_shift = sbi->sector_shift,
		.cached = SFFS_LOCKS_CACHED,
	};
	struct sffs_lockmgr *mgr = sffs_lockmgr_start(&setup);

	if (IS_ERR(mgr))
		return PTR_ERR(mgr);
	sffs_node_set_lockmgr(sbi->node, mgr);
	return 0;
}

/**
 * sffs_locks_stop() - give all locks up, and forget them
 * @sbi: a mount in which nobody uses a lock any more, and every inode is gone
 *
 * Context: sleeps until all that was changed is home, or the mount has been shut down.
 */
void sffs_locks_stop(struct sffs_sb_info *sbi)
{
	struct sffs_lockmgr *mgr = sbi->lockmgr;
	struct sffs_group_info *g;
	unsigned long n;
	unsigned int i;

	if (!mgr)
		return;
	if (sbi->journal && !sffs_is_shutdown(sbi))
		sffs_commit_freed(sbi);
	xa_for_each(&sbi->groups, n, g)
		sffs_lock_exit(&g->lock);
	for (i = 0; i < ARRAY_SIZE(sbi->fixed); i++)
		sffs_lock_exit(&sbi->fixed[i]);
	sffs_lockmgr_stop(mgr);
	sffs_node_set_lockmgr(sbi->node, NULL);
	sffs_lockmgr_free(mgr);
}

/* ---- A lock ---- */

void sffs_lock_init(struct sffs_lock *lock, struct sffs_sb_info *sbi, unsigned int type,
		    u64 number)
{
	lock->sbi = sbi;
	lock->type = type;
	lock->number = number;
	lock->res = NULL;
	lock->cache = 0;
	lock->period = sbi->shared ? atomic_long_inc_return(&sbi->periods) : 0;
	xa_init(&lock->known);
	atomic_set(&lock->uses[SFFS_LOCK_SHARED], 0);
	atomic_set(&lock->uses[SFFS_LOCK_EXCLUSIVE], 0);
}

/**
 * sffs_lock_exit() - the structure goes; the node may hold the lock on
 * @lock: initialized, or all zero; without uses
 *
 * Context: sleeps for as long as the lock is just being given up.
 */
void sffs_lock_exit(struct sffs_lock *lock)
{
	struct sffs_resource *res = lock->res;

	if (res) {
		sffs_res_disown(res, lock);
		lock->res = NULL;
		sffs_res_put(res);
	}
	xa_destroy(&lock->known);
}

/**
 * sffs_lock_die() - the inode that a lock is in is no longer the one with its number
 * @lock: may be in use by those who will get -ESTALE
 *
 * From now on the resource may be the lock's of a new inode.
 *
 * Context: as sffs_lock_exit().
 */
void sffs_lock_die(struct sffs_lock *lock)
{
	struct sffs_resource *res;

	set_bit(SFFS_CACHE_DEAD, &lock->cache);
	set_bit(SFFS_CACHE_STALE, &lock->cache);
	/* Pairs with cmpxchg() in sffs_lock_res(). */
	res = smp_load_acquire(&lock->res);
	if (res)
		sffs_res_disown(res, lock);
}

/*
 * Find the resource. It knows its owner before anybody can use the lock: what is changed
 * under a lock is found when it is given up.
 */
static struct sffs_resource *sffs_lock_res(struct sffs_lock *lock)
{
	/* Pairs with cmpxchg() below. */
	struct sffs_resource *res = smp_load_acquire(&lock->res), *old;

	if (likely(res))
		return res;
	if (unlikely(!lock->sbi->lockmgr))
		return ERR_PTR(-EIO);
	res = sffs_res_get(lock->sbi->lockmgr, lock->type, lock->number);
	if (IS_ERR(res))
		return res;
	sffs_res_own(res, lock);
	old = cmpxchg(&lock->res, NULL, res);
	if (!old)
		return res;
	sffs_res_put(res);
	return old;
}

/* May the mount still work? Every use asks, also one that only reads. */
static bool sffs_lock_alive(const struct sffs_sb_info *sbi)
{
	return likely(!sffs_is_shutdown(sbi)) && sffs_lease_mode(&sbi->lease) != SFFS_GATE_FAIL;
}

static int sffs_lock_get(struct sffs_lock *lock, enum sffs_lock_mode mode, bool killable)
{
	struct sffs_resource *res;

	if (lock->sbi->local) {
		sffs_lose_get(lock, mode);
		return 0;
	}
	res = sffs_lock_res(lock);
	return IS_ERR(res) ? PTR_ERR(res) : sffs_res_lock(res, mode, killable);
}

/* What others have done under a lock may be where the volume was not before: see follow.c. */
static int sffs_lock_known(const struct sffs_lock *lock, bool killable)
{
	struct sffs_sb_info *sbi = lock->sbi;

	if (likely(!sffs_cache_stale(&sbi->fixed[SFFS_FIXED_SUPER])) || sbi->local)
		return 0;
	if (lock->type != SFFS_LOCKT_INODE &&
	    (lock->type != SFFS_LOCKT_FIXED || lock->number != SFFS_FIXED_QUOTA))
		return 0;
	return sffs_super_refresh(sbi, killable);
}

static int sffs_lock_begin(struct sffs_lock *lock, enum sffs_lock_mode mode, bool killable)
{
	int err;

	if (!sffs_lock_alive(lock->sbi))
		return -EIO;
	if (likely(!lock->sbi->shared)) {
		atomic_inc(&lock->uses[mode]);
		return 0;
	}
	if (unlikely(test_bit(SFFS_CACHE_DEAD, &lock->cache)))
		return -ESTALE;
	err = sffs_lock_get(lock, mode, killable);
	if (err || !sffs_cache_stale(lock))
		return err;
	err = sffs_lock_known(lock, killable) ?: sffs_cache_fill(lock);
	if (err)
		sffs_unlock(lock, mode);
	return err;
}

/**
 * sffs_lock() - begin to use a cluster lock
 * @lock: the lock
 * @mode: SFFS_LOCK_SHARED to read, SFFS_LOCK_EXCLUSIVE to change
 *
 * A task may use a lock again that it uses in the same mode, or exclusively.
 *
 * Context: may sleep, until other nodes have given the lock up; no folio lock and no
 * handle may be held.
 * Return: 0, -EINTR if the task was killed while it waited, -EIO when the mount has been
 * shut down; -ESTALE if it is the lock of an inode that another host has freed; or an error
 * of reading what the lock covers.
 */
int sffs_lock(struct sffs_lock *lock, enum sffs_lock_mode mode)
{
	return sffs_lock_begin(lock, mode, true);
}

/* The same for what must not be left half done: a task that was killed waits on. */
int sffs_lock_urgent(struct sffs_lock *lock, enum sffs_lock_mode mode)
{
	return sffs_lock_begin(lock, mode, false);
}

/**
 * sffs_lock_last() - does nobody else use a lock?
 * @lock: an open record, not used by the caller either
 *
 * If others may use it they are asked, and sffs_reap() is called when they all have ended
 * that: here, or where the last use ended.
 *
 * Context: sleeps, but does not wait for other nodes.
 * Return: true if this node could take the lock exclusively, and now holds it so.
 */
bool sffs_lock_last(struct sffs_lock *lock)
{
	struct sffs_resource *res;

	if (lock->sbi->local)
		return true;
	res = sffs_lock_res(lock);
	return !IS_ERR(res) && sffs_res_last(res, true);
}

/* The same by the number of the inode, for one that need not be in memory. */
bool sffs_lock_last_number(struct sffs_sb_info *sbi, u64 ino)
{
	struct sffs_resource *res;
	bool last;

	if (sbi->local)
		return true;
	res = sffs_res_get(sbi->lockmgr, SFFS_LOCKT_OPEN, ino);
	/* What can be no inode will be found to be none. */
	if (IS_ERR(res))
		return PTR_ERR(res) != -ENOMEM;
	last = sffs_res_last(res, false);
	sffs_res_put(res);
	return last;
}

/* ---- The locks of new inodes ---- */

/**
 * sffs_lock_number() - begin to use the lock of an inode that is being made
 * @tx: running transaction; no task knows the number
 * @ino: its number
 *
 * Nothing is waited for, for a handle is open. If the node does not hold the lock, the
 * caller leaves the transaction as it is, and sffs_lock_wanted() waits after its end.
 *
 * Return: 0, -EAGAIN, or an error.
 */
int sffs_lock_number(struct sffs_tx *tx, u64 ino)
{
	struct sffs_sb_info *sbi = SFFS_SB(tx->sb);
	struct sffs_resource *res;

	if (sbi->local)
		return 0;
	res = sffs_res_get(sbi->lockmgr, SFFS_LOCKT_INODE, ino);
	if (IS_ERR(res))
		return PTR_ERR(res);
	if (sffs_res_try_new(res)) {
		tx->number = res;
		return 0;
	}
	if (!tx->wanted)
		tx->wanted = res;
	else
		sffs_res_put(res);
	return -EAGAIN;
}

/* The new inode's lock takes over what sffs_lock_number() began. */
bool sffs_lock_new(struct sffs_tx *tx, struct sffs_lock *lock)
{
	if (lock->sbi->local)
		return sffs_trylock(lock, SFFS_LOCK_EXCLUSIVE);
	sffs_res_own(tx->number, lock);
	lock->res = tx->number;
	tx->number = NULL;
	return true;
}

/**
 * sffs_lock_wanted() - wait for the lock of a number that a transaction did not get
 * @tx: the transaction, ended
 * @err: what it came to; -EAGAIN if it has to be tried again with that lock
 * @held: set, before it is tried again, to what sffs_lock_end_wanted() is to be given then
 *
 * Return: @err, or an error of sffs_lock(), and then @held is left alone.
 */
int sffs_lock_wanted(struct sffs_tx *tx, int err, struct sffs_resource **held)
{
	struct sffs_resource *res = tx->wanted;
	int err2 = 0;

	tx->wanted = NULL;
	if (err == -EAGAIN) {
		err2 = sffs_res_lock(res, SFFS_LOCK_EXCLUSIVE, true);
		if (!err2) {
			*held = res;
			return err;
		}
	}
	sffs_res_put(res);
	return err2 ?: err;
}

void sffs_lock_end_wanted(struct sffs_resource *held)
{
	if (!held)
		return;
	sffs_res_unlock(held, SFFS_LOCK_EXCLUSIVE);
	sffs_res_put(held);
}

/**
 * sffs_trylock() - begin to use a cluster lock that this node holds already
 * @lock: the lock
 * @mode: as for sffs_lock()
 *
 * Context: does not sleep.
 * Return: whether the lock is held and may be used.
 */
bool sffs_trylock(struct sffs_lock *lock, enum sffs_lock_mode mode)
{
	struct sffs_resource *res;
	bool held;

	if (!sffs_lock_alive(lock->sbi))
		return false;
	if (likely(!lock->sbi->shared)) {
		atomic_inc(&lock->uses[mode]);
		return true;
	}
	/* Pairs with cmpxchg() in sffs_lock_res(). */
	res = smp_load_acquire(&lock->res);
	if (lock->sbi->local)
		held = sffs_lose_try(lock, mode);
	else
		held = res && sffs_res_trylock(res, mode);
	if (!held || !sffs_cache_stale(lock))
		return held;
	sffs_unlock(lock, mode);
	return false;
}

/**
 * sffs_unlock() - end a use
 * @lock: the lock
 * @mode: as it was begun
 *
 * Context: any; of another task than the one that began it only if that one does not begin
 * a use meanwhile, or if it is an open record.
 */
void sffs_unlock(struct sffs_lock *lock, enum sffs_lock_mode mode)
{
	if (lock->sbi->local)
		WARN_ON_ONCE(atomic_dec_return(&lock->uses[mode]) < 0);
	else
		sffs_res_unlock(lock->res, mode);
}

/* Do not give a lock, which the caller uses, up before @ms milliseconds have gone. */
void sffs_lock_keep(struct sffs_lock *lock, unsigned int ms)
{
	if (!lock->sbi->local)
		sffs_res_keep(lock->res, ms);
}
