// SPDX-License-Identifier: GPL-2.0-only
/*
 * Cluster locks as this node sees them.
 *
 * A mount that is alone on its volume (-o local) holds every lock from the start, so
 * taking one only counts its uses and looks whether the mount may still work. In a
 * cluster the lock manager holds them. Every path of the filesystem goes through here, in
 * the order that sffs.h gives.
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
	if (res->owner)
		sffs_cache_drop(res->owner);
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

	return res->owner ? sffs_cache_flush(res->owner) : sffs_cache_flush_journal(sbi);
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
		.max_slots = sbi->slots,
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
	lock->stale = false;
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

	if (!res)
		return;
	sffs_res_disown(res);
	lock->res = NULL;
	sffs_res_put(res);
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

static int sffs_lock_begin(struct sffs_lock *lock, enum sffs_lock_mode mode, bool killable)
{
	struct sffs_resource *res;
	int err;

	if (!sffs_lock_alive(lock->sbi))
		return -EIO;
	if (lock->sbi->local) {
		atomic_inc(&lock->uses[mode]);
		return 0;
	}
	res = sffs_lock_res(lock);
	if (IS_ERR(res))
		return PTR_ERR(res);
	err = sffs_res_lock(res, mode, killable);
	if (!err && unlikely(READ_ONCE(lock->stale))) {
		err = sffs_cache_fill(lock);
		if (err)
			sffs_res_unlock(res, mode);
	}
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
 * shut down, or an error of reading what the lock covers.
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

	if (!sffs_lock_alive(lock->sbi))
		return false;
	if (lock->sbi->local) {
		atomic_inc(&lock->uses[mode]);
		return true;
	}
	/* Pairs with cmpxchg() in sffs_lock_res(). */
	res = smp_load_acquire(&lock->res);
	if (!res || !sffs_res_trylock(res, mode))
		return false;
	if (likely(!READ_ONCE(lock->stale)))
		return true;
	sffs_res_unlock(res, mode);
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
