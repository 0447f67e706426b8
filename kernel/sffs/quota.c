// SPDX-License-Identifier: GPL-2.0-only
/*
 * Quota: who uses how much, and may use how much.
 *
 * What an inode uses is what its block says, so every sffs_store_inode() compares
 * what it is about to write with what is there, and charges the difference to its
 * user, group and project in the same transaction. The charge goes into the slot's
 * table of changes, which no other node touches; a worker moves the entries into the
 * quota files, under the quota lock, one identifier in a transaction. A crash leaves
 * the rest in the table, for the mount that recovers the slot. What is not moved yet
 * is unknown to other nodes, and they may exceed a limit by it.
 *
 * Limits are looked at before a transaction starts, so an operation that exceeds one has
 * changed nothing. Two that run at the same time may exceed it together.
 *
 * Locks: sync before the quota lock (a cluster lock, after inodes and before groups)
 * before the handle and tree_sem before lock.
 */
#include <linux/bitmap.h>
#include <linux/hashtable.h>
#include <linux/slab.h>

#include "quota.h"

/* Entries kept free for transactions under way, each of which may need a few. */
#define SFFS_QUOTA_SPARE	512U
#define SFFS_QUOTA_SYNC_SECS	30
#define SFFS_QUOTA_GRACE	(7 * 24 * 60 * 60)	/* seconds, if none is set */

/* ---- Identifiers in memory; lock is held ---- */

static struct sffs_dquot *sffs_dquot_find(struct sffs_quota_info *q, int type, u32 id)
{
	struct sffs_dquot *dq;

	hash_for_each_possible(q->ids, dq, hash, id)
		if (dq->id == id && dq->type == type)
			return dq;
	/* In a handle there is no way back, and there are only as many as are in use. */
	dq = kzalloc(sizeof(*dq), GFP_NOFS | __GFP_NOFAIL);
	dq->id = id;
	dq->type = type;
	dq->entry = SFFS_QUOTA_NO_ENTRY;
	INIT_LIST_HEAD(&dq->list);
	hash_add(q->ids, &dq->hash, id);
	return dq;
}

/* ---- The table of changes ---- */

static struct buffer_head *sffs_qchange_read(struct super_block *sb, u32 slot, u32 n)
{
	const struct sffs_super *raw = (struct sffs_super *)SFFS_SB(sb)->super_bh->b_data;
	u64 area = le64_to_cpu(raw->slot_area_block[slot]);

	return sffs_read_slot_block(sb, area + 1 + le32_to_cpu(raw->reclaim_blocks) + n,
				    SFFS_MAGIC_QCHANGE, slot);
}

/* The block of an entry of the own table, ready to be changed. */
static struct buffer_head *sffs_qchange_get(struct sffs_tx *tx, struct sffs_quota_info *q,
					    u32 entry)
{
	struct buffer_head *bh = sffs_qchange_read(q->sbi->sb, q->sbi->slot,
						   entry / SFFS_QCHANGES_PER_BLOCK);
	int err;

	if (IS_ERR(bh))
		return bh;
	err = sffs_tx_access(tx, bh);
	if (err) {
		brelse(bh);
		return ERR_PTR(err);
	}
	return bh;
}

/* Put an identifier's changes into its entry, or clear it; @bh is given back. */
static void sffs_qchange_put(struct sffs_tx *tx, struct buffer_head *bh,
			     const struct sffs_dquot *dq, bool keep)
{
	struct sffs_qchange_block *qb = (struct sffs_qchange_block *)bh->b_data;
	struct sffs_quota_change *e = &qb->entry[dq->entry % SFFS_QCHANGES_PER_BLOCK];

	le32_add_cpu(&qb->count, keep - e->used);
	memset(e, 0, sizeof(*e));
	if (keep) {
		e->id = cpu_to_le32(dq->id);
		e->type = dq->type;
		e->used = 1;
		e->blocks = cpu_to_le64(dq->blocks);
		e->inodes = cpu_to_le64(dq->inodes);
	}
	sffs_tx_dirty(tx, bh);
	brelse(bh);
}

/*
 * The block of an identifier's entry, which is a new one if it has none. One that cannot be
 * read stays taken, so that the next identifier does not meet it again.
 */
static struct buffer_head *sffs_qchange_entry(struct sffs_tx *tx, struct sffs_quota_info *q,
					      struct sffs_dquot *dq)
{
	u32 i = dq->entry;
	struct buffer_head *bh;

	if (i == SFFS_QUOTA_NO_ENTRY) {
		i = find_first_zero_bit(q->map, q->entries);
		if (i >= q->entries)
			return ERR_PTR(-ENOSPC);
		__set_bit(i, q->map);
		q->used++;
	}
	bh = sffs_qchange_get(tx, q, i);
	if (!IS_ERR(bh))
		dq->entry = i;
	return bh;
}

static void sffs_quota_drop_entry(struct sffs_quota_info *q, struct sffs_dquot *dq)
{
	if (dq->entry != SFFS_QUOTA_NO_ENTRY) {
		__clear_bit(dq->entry, q->map);
		q->used--;
	}
	dq->entry = SFFS_QUOTA_NO_ENTRY;
}

/* Charge an identifier. Without a free entry a crash would forget it; fsck.sffs counts. */
static void sffs_quota_add(struct sffs_tx *tx, struct sffs_quota_info *q, int type, u32 id,
			   s64 blocks, s64 inodes)
{
	struct buffer_head *bh;
	struct sffs_dquot *dq;

	if (!(q->kept & BIT(type)) || (!blocks && !inodes))
		return;
	mutex_lock(&q->lock);
	dq = sffs_dquot_find(q, type, id);
	dq->blocks += blocks;
	dq->inodes += inodes;
	if (list_empty(&dq->list))
		list_add_tail(&dq->list, &q->changed);
	bh = sffs_qchange_entry(tx, q, dq);
	if (!IS_ERR(bh))
		sffs_qchange_put(tx, bh, dq, true);
	else
		pr_warn_ratelimited("%s: a change of quota is not in the journal\n",
				    q->sbi->sb->s_id);
	mutex_unlock(&q->lock);
}

/* ---- Charging ---- */

static bool sffs_quota_counted(const struct inode *inode)
{
	return SFFS_SB(inode->i_sb)->quota && !(SFFS_I(inode)->flags & SFFS_INODE_SYSTEM);
}

/**
 * sffs_quota_store() - charge what storing an inode will change
 * @tx: running transaction, started with SFFS_QUOTA_CREDITS
 * @inode: as it will be
 * @di: as it is; its block may be written to
 */
void sffs_quota_store(struct sffs_tx *tx, struct inode *inode, const struct sffs_inode *di)
{
	struct sffs_quota_info *q = SFFS_SB(inode->i_sb)->quota;
	s64 blocks = inode_get_bytes(inode) >> SFFS_BLOCK_SHIFT;
	s64 old_blocks = di->mode ? le64_to_cpu(di->blocks) : 0;
	u32 ids[] = { i_uid_read(inode), i_gid_read(inode), SFFS_I(inode)->project };
	u32 old[] = { le32_to_cpu(di->uid), le32_to_cpu(di->gid), le32_to_cpu(di->project) };
	int type;

	if (!sffs_quota_counted(inode))
		return;
	for (type = 0; type < SFFS_QUOTA_TYPES; type++) {
		if (di->mode && ids[type] == old[type]) {
			sffs_quota_add(tx, q, type, ids[type], blocks - old_blocks, 0);
			continue;
		}
		if (di->mode)
			sffs_quota_add(tx, q, type, old[type], -old_blocks, -1);
		sffs_quota_add(tx, q, type, ids[type], blocks, 1);
	}
}

/* The same for an inode that becomes free. */
void sffs_quota_release(struct sffs_tx *tx, struct inode *inode, const struct sffs_inode *di)
{
	struct sffs_quota_info *q = SFFS_SB(inode->i_sb)->quota;
	s64 blocks = le64_to_cpu(di->blocks);

	if (!sffs_quota_counted(inode) || !di->mode)
		return;
	sffs_quota_add(tx, q, SFFS_QUOTA_USER, le32_to_cpu(di->uid), -blocks, -1);
	sffs_quota_add(tx, q, SFFS_QUOTA_GROUP, le32_to_cpu(di->gid), -blocks, -1);
	sffs_quota_add(tx, q, SFFS_QUOTA_PROJECT, le32_to_cpu(di->project), -blocks, -1);
}

/* ---- The quota files ---- */

/* The block of an identifier, or NULL in a hole. */
static struct buffer_head *sffs_quota_block(struct inode *file, u32 id)
{
	struct sffs_map map;
	int err = sffs_map_find(file, id / SFFS_QUOTAS_PER_BLOCK, &map);

	if (err)
		return ERR_PTR(err);
	if (!map.block)
		return NULL;
	return sffs_read_any(&SFFS_I(file)->lock, map.block, SFFS_MAGIC_QUOTA);
}

static struct sffs_quota *sffs_quota_entry(struct buffer_head *bh, u32 id)
{
	struct sffs_quota_block *qb = (struct sffs_quota_block *)bh->b_data;

	return &qb->quota[id % SFFS_QUOTAS_PER_BLOCK];
}

/* Find out what the file has of an identifier; the quota lock is held. */
static int sffs_quota_load(struct sffs_quota_info *q, int type, u32 id)
{
	struct buffer_head *bh = sffs_quota_block(q->file[type], id);
	struct sffs_dquot *dq;

	if (IS_ERR(bh))
		return PTR_ERR(bh);
	mutex_lock(&q->lock);
	dq = sffs_dquot_find(q, type, id);
	if (bh) {
		__le64 block_time = dq->file.block_time, inode_time = dq->file.inode_time;

		dq->file = *sffs_quota_entry(bh, id);
		/* Times that this node has started go to the file with the next change. */
		dq->file.block_time = dq->file.block_time ?: block_time;
		dq->file.inode_time = dq->file.inode_time ?: inode_time;
	}
	dq->loaded = true;
	mutex_unlock(&q->lock);
	brelse(bh);
	return 0;
}

/* The same for who does not hold the quota lock. */
static int sffs_quota_read(struct sffs_quota_info *q, int type, u32 id)
{
	struct sffs_lock *lock = &q->sbi->fixed[SFFS_FIXED_QUOTA];
	int err = sffs_lock(lock, SFFS_LOCK_SHARED);

	if (err)
		return err;
	err = sffs_quota_load(q, type, id);
	sffs_unlock(lock, SFFS_LOCK_SHARED);
	return err;
}

/*
 * The quota lock is given up: what the files have may change. Their blocks are read under it, and
 * not under their own.
 */
void sffs_quota_forget(struct super_block *sb)
{
	struct sffs_quota_info *q = SFFS_SB(sb)->quota;
	struct sffs_dquot *dq;
	unsigned int i;

	if (!q)
		return;
	for (i = 0; i < SFFS_QUOTA_TYPES; i++)
		if (q->file[i])
			xa_destroy(&SFFS_I(q->file[i])->lock.known);
	mutex_lock(&q->lock);
	hash_for_each(q->ids, i, dq, hash)
		dq->loaded = false;
	mutex_unlock(&q->lock);
}

/* Seconds above the soft limit, which the entry of identifier 0 has. The quota lock is held. */
static int sffs_quota_load_grace(struct sffs_quota_info *q, int type)
{
	struct sffs_dquot *dq;
	int err = sffs_quota_load(q, type, 0);

	if (err)
		return err;
	mutex_lock(&q->lock);
	dq = sffs_dquot_find(q, type, 0);
	q->block_grace[type] = le64_to_cpu(dq->file.block_time);
	q->inode_grace[type] = le64_to_cpu(dq->file.inode_time);
	mutex_unlock(&q->lock);
	return 0;
}

/**
 * sffs_quota_reload() - the quota lock is held again: what have others made of the files?
 * @sb: the mount
 *
 * Return: 0 or an error.
 */
int sffs_quota_reload(struct super_block *sb)
{
	struct sffs_quota_info *q = SFFS_SB(sb)->quota;
	int type, err = 0;

	for (type = 0; q && !err && type < SFFS_QUOTA_TYPES; type++) {
		if (!q->file[type])
			continue;
		err = sffs_reload_inode(q->file[type]);
		/* It is there as long as the volume. */
		if (err == -ESTALE) {
			sffs_damage(sb, SFFS_I(q->file[type])->bh->b_blocknr,
				    "not a quota file any more");
			err = -EFSCORRUPTED;
		}
		err = err ?: sffs_quota_load_grace(q, type);
	}
	return err;
}

/* With a block reserved: make the block of an identifier, in a hole. */
static struct buffer_head *sffs_quota_make_block(struct sffs_tx *tx, struct inode *file, u32 id)
{
	loff_t end = ((loff_t)id / SFFS_QUOTAS_PER_BLOCK + 1) << SFFS_BLOCK_SHIFT;
	struct buffer_head *bh;
	u64 block;
	int err;

	err = sffs_alloc_meta(tx, SFFS_I(file)->bh->b_blocknr, &block);
	if (err)
		return ERR_PTR(err);
	bh = sffs_tx_create(tx, &SFFS_I(file)->lock, block, SFFS_MAGIC_QUOTA, 0);
	if (IS_ERR(bh))
		return bh;
	down_write(&SFFS_I(file)->tree_sem);
	sffs_add_blocks(file, 1);
	err = sffs_map_insert_written(tx, file, id / SFFS_QUOTAS_PER_BLOCK, block, 1);
	if (!err && end > i_size_read(file))
		i_size_write(file, end);
	err = err ?: sffs_store_inode(tx, file);
	up_write(&SFFS_I(file)->tree_sem);
	if (!err)
		return bh;
	brelse(bh);
	return ERR_PTR(err);
}

/* Seconds that one may be above the soft limit. */
u32 sffs_quota_grace(struct sffs_quota_info *q, int type, bool inodes)
{
	u32 *grace = inodes ? q->inode_grace : q->block_grace;

	return grace[type] ?: SFFS_QUOTA_GRACE;
}

/* Start or end a time of grace; returns when it ends, 0 without one. */
static __le64 sffs_quota_timer(__le64 used, __le64 soft, __le64 timer, u32 grace)
{
	if (!soft || le64_to_cpu(used) <= le64_to_cpu(soft))
		return 0;
	return timer ?: cpu_to_le64(ktime_get_real_seconds() + grace);
}

static void sffs_quota_count(__le64 *used, s64 by)
{
	u64 now = le64_to_cpu(*used);

	/* Less than nothing can be only after damage; fsck.sffs counts anew. */
	*used = cpu_to_le64(by < 0 && -(u64)by > now ? 0 : now + by);
}

/*
 * In a transaction, under lock: what was changed becomes part of the file's entry. With the
 * table's entry still there it would be added once more after a crash, so that is looked
 * for first.
 */
static int sffs_quota_apply(struct sffs_tx *tx, struct sffs_quota_info *q, struct sffs_dquot *dq,
			    struct sffs_quota *entry, const struct sffs_quota *set)
{
	__le64 block_time = dq->file.block_time, inode_time = dq->file.inode_time;
	struct buffer_head *bh = NULL;

	if (dq->entry != SFFS_QUOTA_NO_ENTRY)
		bh = sffs_qchange_get(tx, q, dq->entry);
	if (IS_ERR(bh))
		return PTR_ERR(bh);
	/* What this node has started may not be in the file yet. */
	if (!set && !entry->block_time && dq->id)
		entry->block_time = block_time;
	if (!set && !entry->inode_time && dq->id)
		entry->inode_time = inode_time;
	if (set) {
		entry->block_hard = set->block_hard;
		entry->block_soft = set->block_soft;
		entry->inode_hard = set->inode_hard;
		entry->inode_soft = set->inode_soft;
		entry->block_time = set->block_time;
		entry->inode_time = set->inode_time;
	}
	sffs_quota_count(&entry->block_used, dq->blocks << SFFS_BLOCK_SHIFT);
	sffs_quota_count(&entry->inode_used, dq->inodes);
	if (dq->id) {
		entry->block_time = sffs_quota_timer(entry->block_used, entry->block_soft,
						     entry->block_time,
						     sffs_quota_grace(q, dq->type, false));
		entry->inode_time = sffs_quota_timer(entry->inode_used, entry->inode_soft,
						     entry->inode_time,
						     sffs_quota_grace(q, dq->type, true));
	}
	dq->blocks = 0;
	dq->inodes = 0;
	dq->file = *entry;
	dq->loaded = true;
	if (bh)
		sffs_qchange_put(tx, bh, dq, false);
	sffs_quota_drop_entry(q, dq);
	list_del_init(&dq->list);
	return 0;
}

/**
 * sffs_quota_write() - bring an identifier's entry in the file up to date
 * @q: the mount's quota; the quota lock is held exclusively
 * @type: SFFS_QUOTA_*
 * @id: the identifier
 * @set: limits and times to be set, or NULL
 *
 * Context: starts a transaction.
 */
int sffs_quota_write(struct sffs_quota_info *q, int type, u32 id, const struct sffs_quota *set)
{
	struct inode *file = q->file[type];
	struct buffer_head *bh = sffs_quota_block(file, id);
	struct sffs_tx tx;
	int err, err2;

	if (IS_ERR(bh))
		return PTR_ERR(bh);
	sffs_tx_init(&tx, file->i_sb);
	tx.urgent = true;
	tx.quota_sync = true;
	err = bh ? 0 : sffs_tx_reserve(&tx, SFFS_I(file)->bh->b_blocknr, 1 + SFFS_TREE_BLOCKS);
	if (!err)
		err = sffs_tx_start(&tx, SFFS_TREE_CREDITS + 3);
	if (err)
		goto out;
	if (!bh)
		bh = sffs_quota_make_block(&tx, file, id);
	err = PTR_ERR_OR_ZERO(bh);
	if (!err)
		err = sffs_tx_access(&tx, bh);
	if (!err) {
		mutex_lock(&q->lock);
		err = sffs_quota_apply(&tx, q, sffs_dquot_find(q, type, id),
				       sffs_quota_entry(bh, id), set);
		sffs_tx_dirty(&tx, bh);
		mutex_unlock(&q->lock);
	}
	err2 = sffs_tx_stop(&tx);
	err = err ?: err2;
out:
	if (!IS_ERR_OR_NULL(bh))
		brelse(bh);
	return err;
}

static int sffs_quota_move(struct super_block *sb, bool urgent)
{
	struct sffs_sb_info *sbi = SFFS_SB(sb);
	struct sffs_quota_info *q = sbi->quota;
	int err;

	if (!q || !READ_ONCE(q->opened))
		return 0;
	mutex_lock(&q->sync);
	err = urgent ? sffs_lock_urgent(&sbi->fixed[SFFS_FIXED_QUOTA], SFFS_LOCK_EXCLUSIVE) :
		       sffs_lock(&sbi->fixed[SFFS_FIXED_QUOTA], SFFS_LOCK_EXCLUSIVE);
	if (err)
		goto unlock;
	while (!err) {
		struct sffs_dquot *dq;
		u32 id = 0;
		int type = -1;

		mutex_lock(&q->lock);
		dq = list_first_entry_or_null(&q->changed, struct sffs_dquot, list);
		if (dq) {
			id = dq->id;
			type = dq->type;
		}
		mutex_unlock(&q->lock);
		if (type < 0)
			break;
		err = sffs_quota_write(q, type, id, NULL);
	}
	sffs_unlock(&sbi->fixed[SFFS_FIXED_QUOTA], SFFS_LOCK_EXCLUSIVE);
unlock:
	mutex_unlock(&q->sync);
	return err;
}

/**
 * sffs_quota_sync() - move all changes into the quota files
 * @sb: the mount
 *
 * Context: starts transactions; takes the quota lock.
 */
int sffs_quota_sync(struct super_block *sb)
{
	return sffs_quota_move(sb, false);
}

/*
 * Before a transaction: are there entries for what it may charge? If it is @urgent, a task that
 * was killed waits on.
 */
int sffs_quota_room(struct super_block *sb, bool urgent)
{
	struct sffs_quota_info *q = SFFS_SB(sb)->quota;

	if (!q || READ_ONCE(q->used) + SFFS_QUOTA_SPARE < q->entries)
		return 0;
	return sffs_quota_move(sb, urgent);
}

/* The same for who may come while the mount is frozen: then it waits for later. */
int sffs_quota_try_sync(struct super_block *sb)
{
	int err;

	if (!sb_start_intwrite_trylock(sb))
		return 0;
	err = sffs_quota_sync(sb);
	sb_end_intwrite(sb);
	return err;
}

static void sffs_quota_work(struct work_struct *work)
{
	struct sffs_quota_info *q = container_of(to_delayed_work(work), struct sffs_quota_info,
						 work);

	sffs_quota_try_sync(q->sbi->sb);
	queue_delayed_work(system_unbound_wq, &q->work, SFFS_QUOTA_SYNC_SECS * HZ);
}

/* ---- Limits ---- */

/* How many more of something may be used: up to @want, or -EDQUOT. Under lock. */
static s64 sffs_quota_left(s64 used, u64 hard, u64 soft, __le64 *timer, u32 grace, s64 want)
{
	s64 now = ktime_get_real_seconds();

	/* In the time of grace the hard limit counts, after it the soft one. */
	if (soft && *timer && now >= (s64)le64_to_cpu(*timer))
		hard = hard ? min(hard, soft) : soft;
	if (hard && used + want > (s64)hard)
		want = used < (s64)hard ? (s64)hard - used : -EDQUOT;
	if (want > 0 && soft && used + want > (s64)soft && !*timer)
		*timer = cpu_to_le64(now + grace);
	return want;
}

static int sffs_quota_check_id(struct sffs_quota_info *q, int type, u32 id, s64 *blocks,
			       s64 inodes)
{
	struct sffs_dquot *dq;
	bool loaded;
	s64 bytes;
	int err;

	if (!id || !q->file[type] || !(READ_ONCE(q->enforced) & BIT(type)))
		return 0;
	mutex_lock(&q->lock);
	loaded = sffs_dquot_find(q, type, id)->loaded;
	mutex_unlock(&q->lock);
	err = loaded ? 0 : sffs_quota_read(q, type, id);
	if (err)
		return err;
	mutex_lock(&q->lock);
	dq = sffs_dquot_find(q, type, id);
	if (inodes && sffs_quota_left(le64_to_cpu(dq->file.inode_used) + dq->inodes,
				      le64_to_cpu(dq->file.inode_hard),
				      le64_to_cpu(dq->file.inode_soft), &dq->file.inode_time,
				      sffs_quota_grace(q, type, true), inodes) < inodes)
		err = -EDQUOT;
	if (!err && *blocks) {
		bytes = sffs_quota_left(le64_to_cpu(dq->file.block_used) +
					(dq->blocks << SFFS_BLOCK_SHIFT),
					le64_to_cpu(dq->file.block_hard),
					le64_to_cpu(dq->file.block_soft), &dq->file.block_time,
					sffs_quota_grace(q, type, false),
					*blocks << SFFS_BLOCK_SHIFT);
		*blocks = bytes >> SFFS_BLOCK_SHIFT;
		if (bytes < (s64)SFFS_BLOCK_SIZE)
			err = -EDQUOT;
	}
	mutex_unlock(&q->lock);
	return err;
}

/**
 * sffs_quota_check() - may identifiers use more?
 * @sb: the mount
 * @ids: user, group and project
 * @blocks: how many blocks are wanted; set to how many they may have, if that is less
 * @inodes: how many inodes are wanted
 *
 * Context: no handle is running; may read the quota files.
 * Return: 0, -EDQUOT if they may have none of the blocks, or not the inodes, or an error.
 */
int sffs_quota_check(struct super_block *sb, const u32 *ids, s64 *blocks, s64 inodes)
{
	struct sffs_quota_info *q = SFFS_SB(sb)->quota;
	int type, err = 0;

	if (likely(!q || !READ_ONCE(q->enforced)) || capable(CAP_SYS_RESOURCE))
		return 0;
	for (type = 0; !err && type < SFFS_QUOTA_TYPES; type++)
		err = sffs_quota_check_id(q, type, ids[type], blocks, inodes);
	return err;
}

/* For blocks of a file: how many of @want may it have, or an error. */
s64 sffs_quota_want(struct inode *inode, s64 want)
{
	u32 ids[] = { i_uid_read(inode), i_gid_read(inode), SFFS_I(inode)->project };
	int err;

	if (likely(!sffs_quota_counted(inode)))
		return want;
	err = sffs_quota_check(inode->i_sb, ids, &want, 0);
	return err ?: want;
}

/* For an inode that changes hands: those that are new to it must have room for it. */
int sffs_quota_transfer(struct inode *inode, u32 uid, u32 gid, u32 project)
{
	s64 blocks = inode_get_bytes(inode) >> SFFS_BLOCK_SHIFT, left = blocks;
	u32 ids[] = {
		uid == i_uid_read(inode) ? 0 : uid, gid == i_gid_read(inode) ? 0 : gid,
		project == SFFS_I(inode)->project ? 0 : project,
	};
	int err;

	if (likely(!sffs_quota_counted(inode)))
		return 0;
	err = sffs_quota_check(inode->i_sb, ids, &left, 1);
	return err ?: left < blocks ? -EDQUOT : 0;
}

/* ---- For quotactl.c ---- */

/**
 * sffs_quota_get() - limits and use of an identifier, what is not moved yet included
 * @q: the mount's quota
 * @type: SFFS_QUOTA_*
 * @id: the identifier
 * @now: filled in
 */
int sffs_quota_get(struct sffs_quota_info *q, int type, u32 id, struct sffs_quota *now)
{
	struct sffs_dquot *dq;
	int err = sffs_quota_read(q, type, id);

	if (err)
		return err;
	mutex_lock(&q->lock);
	dq = sffs_dquot_find(q, type, id);
	*now = dq->file;
	sffs_quota_count(&now->block_used, dq->blocks << SFFS_BLOCK_SHIFT);
	sffs_quota_count(&now->inode_used, dq->inodes);
	mutex_unlock(&q->lock);
	return 0;
}

/* With the quota lock held. */
static int sffs_quota_search(struct sffs_quota_info *q, int type, u32 *id)
{
	static const struct sffs_quota none;
	u64 at = *id;

	while (at <= U32_MAX - 1) {
		struct buffer_head *bh;
		struct sffs_map map;
		int err;

		err = sffs_map_find(q->file[type], at / SFFS_QUOTAS_PER_BLOCK, &map);
		if (err)
			return err;
		if (!map.block && map.count > U32_MAX)
			break;
		if (!map.block) {
			at = (map.file_block + map.count) * SFFS_QUOTAS_PER_BLOCK;
			continue;
		}
		bh = sffs_quota_block(q->file[type], at);
		if (IS_ERR_OR_NULL(bh))
			return bh ? PTR_ERR(bh) : -ENOENT;
		do {
			if (memcmp(sffs_quota_entry(bh, at), &none, sizeof(none))) {
				brelse(bh);
				*id = at;
				return 0;
			}
		} while (++at % SFFS_QUOTAS_PER_BLOCK);
		brelse(bh);
		if (fatal_signal_pending(current))
			return -EINTR;
	}
	return -ENOENT;
}

/**
 * sffs_quota_next() - find the next identifier that has an entry in the file
 * @q: the mount's quota
 * @type: SFFS_QUOTA_*
 * @id: from here on; set to what was found
 *
 * Return: 0, -ENOENT, or an error.
 */
int sffs_quota_next(struct sffs_quota_info *q, int type, u32 *id)
{
	struct sffs_lock *lock = &q->sbi->fixed[SFFS_FIXED_QUOTA];
	int err = sffs_lock(lock, SFFS_LOCK_SHARED);

	if (err)
		return err;
	err = sffs_quota_search(q, type, id);
	sffs_unlock(lock, SFFS_LOCK_SHARED);
	return err;
}

/* ---- Mount and unmount ---- */

/* One entry that was found in a table; of the own slot it stays where it is. */
static void sffs_quota_found(struct sffs_quota_info *q, const struct sffs_quota_change *e, u32 n)
{
	struct sffs_dquot *dq;

	mutex_lock(&q->lock);
	dq = sffs_dquot_find(q, e->type, le32_to_cpu(e->id));
	dq->blocks += (s64)le64_to_cpu(e->blocks);
	dq->inodes += (s64)le64_to_cpu(e->inodes);
	if (dq->entry == SFFS_QUOTA_NO_ENTRY) {
		__set_bit(n, q->map);
		q->used++;
		dq->entry = n;
		list_add_tail(&dq->list, &q->changed);
	}
	mutex_unlock(&q->lock);
}

/* What earlier mounts of the own slot have left in the table. */
static int sffs_quota_load_own(struct sffs_quota_info *q)
{
	u32 i;

	for (i = 0; i < q->entries; i++) {
		u32 k = i % SFFS_QCHANGES_PER_BLOCK;
		const struct sffs_quota_change *e;
		struct buffer_head *bh;

		bh = sffs_qchange_read(q->sbi->sb, q->sbi->slot, i / SFFS_QCHANGES_PER_BLOCK);
		if (IS_ERR(bh))
			return PTR_ERR(bh);
		e = &((struct sffs_qchange_block *)bh->b_data)->entry[k];
		if (e->used && e->type < SFFS_QUOTA_TYPES && (q->kept & BIT(e->type)))
			sffs_quota_found(q, e, i);
		brelse(bh);
	}
	return 0;
}

/* Take over a block of another slot's table. */
static int sffs_quota_adopt(struct sffs_quota_info *q, struct buffer_head *bh)
{
	struct sffs_qchange_block *qb = (struct sffs_qchange_block *)bh->b_data;
	struct sffs_tx tx;
	int err, err2;
	u32 i;

	if (q->used + SFFS_QCHANGES_PER_BLOCK > q->entries) {
		err = q->sbi->local ? sffs_quota_sync(q->sbi->sb) : -ENOSPC;
		if (err)
			return err;
	}
	sffs_tx_init(&tx, q->sbi->sb);
	/* What makes room in the table waits for locks of the dead. */
	tx.quota_sync = true;
	err = sffs_tx_start(&tx, 2);
	if (err)
		return err;
	err = sffs_tx_access(&tx, bh);
	for (i = 0; !err && i < SFFS_QCHANGES_PER_BLOCK; i++) {
		const struct sffs_quota_change *e = &qb->entry[i];

		if (e->used && e->type < SFFS_QUOTA_TYPES)
			sffs_quota_add(&tx, q, e->type, le32_to_cpu(e->id),
				       le64_to_cpu(e->blocks), le64_to_cpu(e->inodes));
	}
	if (!err) {
		memset(qb->entry, 0, sizeof(qb->entry));
		qb->count = 0;
		sffs_tx_dirty(&tx, bh);
	}
	err2 = sffs_tx_stop(&tx);
	return err ?: err2;
}

/**
 * sffs_quota_recover() - take over what a dead slot has not moved into the quota files
 * @sb: the mount
 * @slot: the slot; its journal has been replayed
 *
 * What there is no room for is left to the next mount of the slot.
 *
 * Context: waits for no cluster lock.
 */
int sffs_quota_recover(struct super_block *sb, u32 slot)
{
	struct sffs_quota_info *q = SFFS_SB(sb)->quota;
	u32 n;
	int err = 0;

	if (!q || slot == SFFS_SB(sb)->slot)
		return 0;
	for (n = 0; !err && n < q->entries / SFFS_QCHANGES_PER_BLOCK; n++) {
		struct buffer_head *bh = sffs_qchange_read(sb, slot, n);

		if (IS_ERR(bh))
			return PTR_ERR(bh);
		if (((struct sffs_qchange_block *)bh->b_data)->count)
			err = sffs_quota_adopt(q, bh);
		brelse(bh);
	}
	return err == -ENOSPC ? 0 : err;
}

static int sffs_quota_open_file(struct sffs_quota_info *q, int type, u64 ino)
{
	struct super_block *sb = q->sbi->sb;
	struct inode *file = sffs_iget(sb, ino);

	if (IS_ERR(file))
		return PTR_ERR(file);
	if (!S_ISREG(file->i_mode) || sffs_format(file) != SFFS_FMT_EXTENTS ||
	    !(SFFS_I(file)->flags & SFFS_INODE_SYSTEM)) {
		sffs_damage(sb, SFFS_I(file)->bh->b_blocknr, "not a quota file");
		iput(file);
		return -EFSCORRUPTED;
	}
	q->file[type] = file;
	return 0;
}

/**
 * sffs_quota_open() - begin to use the quota files, if the volume has them
 * @sb: the mount; no slot is being recovered, for what it holds is waited for
 *
 * Return: 0 or an error; then sffs_quota_stop() is to be called.
 */
int sffs_quota_open(struct super_block *sb)
{
	struct sffs_sb_info *sbi = SFFS_SB(sb);
	const struct sffs_super *raw = (struct sffs_super *)sbi->super_bh->b_data;
	struct sffs_lock *lock = &sbi->fixed[SFFS_FIXED_QUOTA];
	struct sffs_quota_info *q = sbi->quota;
	int type, err = 0;

	if (!q || q->opened)
		return 0;
	for (type = 0; !err && type < SFFS_QUOTA_TYPES; type++)
		if (q->kept & BIT(type))
			err = sffs_quota_open_file(q, type, le64_to_cpu(raw->quota_ino[type]));
	err = err ?: sffs_lock(lock, SFFS_LOCK_SHARED);
	if (err)
		return err;
	err = sffs_quota_reload(sb);
	sffs_unlock(lock, SFFS_LOCK_SHARED);
	if (err)
		return err;
	WRITE_ONCE(q->opened, true);
	queue_delayed_work(system_unbound_wq, &q->work, SFFS_QUOTA_SYNC_SECS * HZ);
	return 0;
}

/**
 * sffs_quota_start() - begin to keep quota, if the volume has it
 * @sb: the mount, its journal running, before anything else changes inodes
 *
 * What changes is noted in the slot's table; that takes no cluster lock. The quota files are
 * left alone until sffs_quota_open().
 */
int sffs_quota_start(struct super_block *sb)
{
	struct sffs_sb_info *sbi = SFFS_SB(sb);
	const struct sffs_super *raw = (struct sffs_super *)sbi->super_bh->b_data;
	u32 blocks = le32_to_cpu(raw->qchange_blocks);
	struct sffs_quota_info *q;
	int type, err;

	if (!(raw->ro_compat & cpu_to_le64(SFFS_RO_COMPAT_QUOTA)))
		return 0;
	if (!blocks || blocks > SFFS_QUOTA_CREDITS || blocks > le32_to_cpu(raw->slot_area_blocks)) {
		sffs_damage(sb, SFFS_SUPER_BLOCK, "impossible size of the table of quota changes");
		return -EFSCORRUPTED;
	}
	q = kzalloc(sizeof(*q), GFP_KERNEL);
	if (!q)
		return -ENOMEM;
	q->sbi = sbi;
	q->entries = blocks * SFFS_QCHANGES_PER_BLOCK;
	q->enforced = sbi->quota_wanted;
	hash_init(q->ids);
	INIT_LIST_HEAD(&q->changed);
	mutex_init(&q->lock);
	mutex_init(&q->sync);
	INIT_DELAYED_WORK(&q->work, sffs_quota_work);
	q->map = bitmap_zalloc(q->entries, GFP_KERNEL);
	for (type = 0; type < SFFS_QUOTA_TYPES; type++)
		if (raw->quota_ino[type])
			q->kept |= BIT(type);
	err = q->map ? sffs_quota_load_own(q) : -ENOMEM;
	sbi->quota = q;
	if (err)
		sffs_quota_stop(sb);
	return err;
}

/* The mount options have changed. */
void sffs_quota_enforce(struct super_block *sb)
{
	const struct sffs_sb_info *sbi = SFFS_SB(sb);

	if (sbi->quota)
		WRITE_ONCE(sbi->quota->enforced, sbi->quota_wanted);
}

/* Before the journal goes, or when the mount failed. What cannot be moved stays in the table. */
void sffs_quota_stop(struct super_block *sb)
{
	struct sffs_quota_info *q = SFFS_SB(sb)->quota;
	struct hlist_node *next;
	struct sffs_dquot *dq;
	int i;

	if (!q)
		return;
	cancel_delayed_work_sync(&q->work);
	if (q->opened && !list_empty(&q->changed) && !sffs_is_shutdown(q->sbi))
		sffs_quota_sync(sb);
	/* Whoever gives the quota lock up just now still works for the files. */
	sffs_lock_exit(&q->sbi->fixed[SFFS_FIXED_QUOTA]);
	SFFS_SB(sb)->quota = NULL;
	for (i = 0; i < SFFS_QUOTA_TYPES; i++)
		iput(q->file[i]);
	hash_for_each_safe(q->ids, i, next, dq, hash)
		kfree(dq);
	bitmap_free(q->map);
	kfree(q);
}
