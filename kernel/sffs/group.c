// SPDX-License-Identifier: GPL-2.0-only
/*
 * Allocation groups: reading and checking them, and extents that were freed but
 * may not be used yet.
 *
 * A freed extent is free in the bitmap at once, so that the transaction says
 * what is true after it, but stays in the group's busy tree until that
 * transaction is on disk: until then a crash would give it back to its old
 * owner. jbd2's commit callback hands the extents of a transaction to a
 * worker, which drops stale buffers of what was metadata.
 */
#include "bitmap.h"
#include "sffs.h"

/* The group of a block, or NULL. */
struct sffs_group_info *sffs_group_of(struct sffs_sb_info *sbi, u64 block)
{
	u64 n;

	if (block < sbi->first_group_block || block >= READ_ONCE(sbi->blocks))
		return NULL;
	n = (block - sbi->first_group_block) >> sbi->group_shift;
	return n < sffs_nr_groups(sbi) ? sffs_group(sbi, n) : NULL;
}

/* Groups that came at one time: with the mount, or by growing. */
struct sffs_group_run {
	struct list_head list;
	u32 groups;
	struct sffs_group_info group[];
};

static void sffs_group_init(struct sffs_group_info *g, struct sffs_sb_info *sbi, u32 n, u64 blocks)
{
	u64 left;

	sffs_lock_init(&g->lock, sbi, SFFS_LOCKT_GROUP, n);
	mutex_init(&g->mutex);
	spin_lock_init(&g->busy_lock);
	g->number = n;
	INIT_LIST_HEAD(&g->reclaim_entry);
	g->busy = RB_ROOT;
	g->longest = U32_MAX;
	left = blocks - sffs_group_start(g);
	g->blocks = min_t(u64, left, 1ULL << sbi->group_shift);
}

/**
 * sffs_groups_add() - make the groups that a volume will have known
 * @sbi: the mount; a growth excludes others by its grow_mutex
 * @groups: how many there will be
 * @blocks: and blocks of the volume
 *
 * Nobody sees them before sffs_groups_publish(). What an attempt that failed has added is
 * replaced.
 *
 * Return: 0 or -ENOMEM.
 */
int sffs_groups_add(struct sffs_sb_info *sbi, u32 groups, u64 blocks)
{
	u32 i, first = sbi->nr_groups, n = groups - first;
	struct sffs_group_run *run;
	int err;

	if (groups == first)
		return 0;
	run = kvzalloc(struct_size(run, group, n), GFP_KERNEL | __GFP_NOWARN);
	if (!run)
		return -ENOMEM;
	run->groups = n;
	list_add(&run->list, &sbi->group_runs);
	for (i = 0; i < n; i++) {
		sffs_group_init(&run->group[i], sbi, first + i, blocks);
		err = xa_err(xa_store(&sbi->groups, first + i, &run->group[i], GFP_KERNEL));
		if (err)
			return err;
	}
	return 0;
}

/* From now on the groups that sffs_groups_add() made are used. */
void sffs_groups_publish(struct sffs_sb_info *sbi, u32 groups, u64 blocks)
{
	WRITE_ONCE(sbi->blocks, blocks);
	/* Whoever sees the count finds the groups, and that the volume has their blocks. */
	smp_store_release(&sbi->nr_groups, groups);
}

int sffs_groups_init(struct sffs_sb_info *sbi)
{
	u32 groups = sbi->nr_groups;
	int err;

	sbi->nr_groups = 0;
	err = sffs_groups_add(sbi, groups, sbi->blocks);
	if (!err)
		sbi->nr_groups = groups;
	return err;
}

static void sffs_group_run_free(struct sffs_group_run *run)
{
	u32 i;

	/* An attempt to grow that failed may not have come to all of them. */
	for (i = 0; i < run->groups && run->group[i].lock.sbi; i++)
		sffs_lock_exit(&run->group[i].lock);
	kvfree(run);
}

void sffs_groups_exit(struct sffs_sb_info *sbi)
{
	struct sffs_group_run *run, *next;

	list_for_each_entry_safe(run, next, &sbi->group_runs, list)
		sffs_group_run_free(run);
	INIT_LIST_HEAD(&sbi->group_runs);
	xa_destroy(&sbi->groups);
}

struct buffer_head *sffs_group_header(struct sffs_group_info *g)
{
	return sffs_read_meta(&g->lock, sffs_group_start(g) + SFFS_GROUP_HEADER,
			      SFFS_MAGIC_GROUP, 0);
}

static bool sffs_group_sane(struct sffs_group_info *g, const struct sffs_group *gh)
{
	u32 free = 0, unmapped = 0, k;

	for (k = 0; k < g->lock.sbi->bitmap_blocks; k++) {
		u32 f = le16_to_cpu(gh->sum[k].free) & ~SFFS_BMS_UNINIT;
		u32 u = le16_to_cpu(gh->sum[k].unmapped);

		if (f > SFFS_BITMAP_BITS || u > f)
			return false;
		free += f;
		unmapped += u;
	}
	return le32_to_cpu(gh->blocks) == g->blocks && free < g->blocks &&
	       free == le32_to_cpu(gh->free_blocks) &&
	       unmapped == le32_to_cpu(gh->unmapped_blocks) &&
	       le32_to_cpu(gh->chunks) <= g->blocks / g->lock.sbi->chunk_blocks &&
	       le32_to_cpu(gh->free_inodes) <= le32_to_cpu(gh->chunks) * SFFS_CHUNK_INODES;
}

/* Not less than another task makes it meanwhile. */
static void sffs_volume_longer(struct sffs_sb_info *sbi, u64 blocks)
{
	u64 old = READ_ONCE(sbi->blocks);

	while (old < blocks && !try_cmpxchg64(&sbi->blocks, &old, blocks))
		;
}

/*
 * Another host may have made the last group longer, and the volume with it, which this one
 * has not read in the super block yet. Context: the group's mutex is held.
 * Return: 0, also if it has not; -ENXIO as long as the device has no such blocks here.
 */
static int sffs_group_longer(struct sffs_group_info *g, u32 blocks)
{
	struct sffs_sb_info *sbi = g->lock.sbi;
	u64 end = sffs_group_start(g) + blocks;

	if (likely(blocks <= g->blocks) || sbi->local || blocks > 1ULL << sbi->group_shift ||
	    g->number + 1 != sffs_nr_groups(sbi))
		return 0;
	if (end > sffs_volume_resize(sbi)) {
		pr_warn_ratelimited("%s: another host has made the volume longer than the device is here: rescan it\n",
				    sbi->sb->s_id);
		return -ENXIO;
	}
	sffs_volume_longer(sbi, end);
	WRITE_ONCE(g->blocks, blocks);
	sffs_group_more_free(g);
	return 0;
}

/**
 * sffs_group_reload() - read a group's counts
 * @g: the group, its cluster lock held
 *
 * Return: 0 or an error, after which the group is not used.
 */
int sffs_group_reload(struct sffs_group_info *g)
{
	struct buffer_head *bh;
	struct sffs_group *gh;
	int err = 0;

	mutex_lock(&g->mutex);
	bh = sffs_group_header(g);
	err = PTR_ERR_OR_ZERO(bh);
	if (err)
		goto unlock;
	gh = (struct sffs_group *)bh->b_data;
	err = sffs_group_longer(g, le32_to_cpu(gh->blocks));
	if (err) {
		brelse(bh);
		goto unlock;
	}
	if (sffs_group_sane(g, gh)) {
		g->free = le32_to_cpu(gh->free_blocks);
		g->unmapped = le32_to_cpu(gh->unmapped_blocks);
		g->free_inodes = le32_to_cpu(gh->free_inodes);
		g->chunks = le32_to_cpu(gh->chunks);
		g->crashes = le32_to_cpu(gh->crashes);
		sffs_group_more_free(g);
		WRITE_ONCE(g->loaded, true);
		sffs_reclaim_got(g);
	} else {
		sffs_damage(g->lock.sbi->sb, bh->b_blocknr, "impossible counts of group %u",
			    g->number);
		err = -EFSCORRUPTED;
	}
	brelse(bh);
unlock:
	mutex_unlock(&g->mutex);
	return err;
}

static int sffs_group_load_by(struct sffs_group_info *g,
			      int (*lock)(struct sffs_lock *lock, enum sffs_lock_mode mode))
{
	int err;

	if (likely(READ_ONCE(g->loaded) && !sffs_cache_stale(&g->lock)))
		return 0;
	/* A stale one is read by this. */
	err = lock(&g->lock, SFFS_LOCK_SHARED);
	if (err)
		return err;
	if (!READ_ONCE(g->loaded))
		err = sffs_group_reload(g);
	sffs_unlock(&g->lock, SFFS_LOCK_SHARED);
	return err;
}

/**
 * sffs_group_load() - have a group's counts, as they are or were a moment ago
 * @g: the group
 *
 * Context: may wait for the group's lock.
 * Return: 0 or an error, after which the group is not used.
 */
int sffs_group_load(struct sffs_group_info *g)
{
	return sffs_group_load_by(g, sffs_lock);
}

/* The same for what must not be left half done. */
int sffs_group_load_urgent(struct sffs_group_info *g)
{
	return sffs_group_load_by(g, sffs_lock_urgent);
}

/* Has this node a group, so that to change it costs nothing to others? */
bool sffs_group_held(struct sffs_group_info *g)
{
	if (!sffs_trylock(&g->lock, SFFS_LOCK_EXCLUSIVE))
		return false;
	sffs_unlock(&g->lock, SFFS_LOCK_EXCLUSIVE);
	return true;
}

/**
 * sffs_group_here() - a group of the part of the volume that this node takes space of first
 * @sbi: the mount
 * @number: the group where it would be taken if nobody else were there
 */
u32 sffs_group_here(struct sffs_sb_info *sbi, u32 number)
{
	u32 groups = sffs_nr_groups(sbi);

	return ((u64)number + (u64)groups * sbi->slot / sbi->slots) % groups;
}

/* The bits of a bitmap block that are free as long as it was never written. */
void sffs_bitmap_unused(struct sffs_group_info *g, u32 k, u32 *from, u32 *end)
{
	u32 first = k * SFFS_BITMAP_BITS;
	u32 used = SFFS_GROUP_BITMAP + g->lock.sbi->bitmap_blocks;

	*from = used > first ? min(used - first, SFFS_BITMAP_BITS) : 0;
	*end = g->blocks > first ? min(g->blocks - first, SFFS_BITMAP_BITS) : 0;
}

/* What an unwritten bitmap block stands for; what comes before the bits is left alone. */
void sffs_bitmap_init(struct sffs_group_info *g, struct sffs_bitmap *bm, u32 k, bool unmapped)
{
	u32 from, end;

	sffs_bitmap_unused(g, k, &from, &end);
	sffs_bits_fill(bm->allocated, 0, from, true);
	if (end < SFFS_BITMAP_BITS)
		sffs_bits_fill(bm->allocated, end, SFFS_BITMAP_BITS - end, true);
	if (unmapped && end > from)
		sffs_bits_fill(bm->unmapped, from, end - from, true);
}

/**
 * sffs_group_bitmap() - get a bitmap block
 * @g: the group, its mutex held
 * @gh: its header; with @tx it may be written to
 * @k: number of the bitmap block
 * @tx: running transaction, or NULL to look only
 *
 * Return: the buffer, with @tx ready to be changed; NULL if it was never written
 * and @tx is NULL; or an error pointer.
 */
struct buffer_head *sffs_group_bitmap(struct sffs_group_info *g, struct sffs_group *gh, u32 k,
				      struct sffs_tx *tx)
{
	u64 block = sffs_group_start(g) + SFFS_GROUP_BITMAP + k;
	u16 free = le16_to_cpu(gh->sum[k].free);
	struct buffer_head *bh;
	int err;

	if (free & SFFS_BMS_UNINIT) {
		if (!tx)
			return NULL;
		bh = sffs_tx_create(tx, &g->lock, block, SFFS_MAGIC_BITMAP, 0);
		if (IS_ERR(bh))
			return bh;
		sffs_bitmap_init(g, (struct sffs_bitmap *)bh->b_data, k, gh->sum[k].unmapped);
		gh->sum[k].free = cpu_to_le16(free & ~SFFS_BMS_UNINIT);
		sffs_tx_dirty(tx, bh);
		return bh;
	}
	bh = sffs_read_meta(&g->lock, block, SFFS_MAGIC_BITMAP, 0);
	if (IS_ERR(bh) || !tx)
		return bh;
	err = sffs_tx_access(tx, bh);
	if (err) {
		brelse(bh);
		return ERR_PTR(err);
	}
	return bh;
}

/* Blocks that can be promised now; the group's mutex is held. */
u32 sffs_group_avail(struct sffs_group_info *g)
{
	u32 taken = g->reserved + READ_ONCE(g->busy_blocks);

	return g->free > taken ? g->free - taken : 0;
}

/* ---- Counting ---- */

/* What was read of a group that others work in counts for so long. */
#define SFFS_SEEN_JIFFIES	HZ

/* Have a look at a group without its lock: that would make its holder write everything home. */
static void sffs_group_look(struct sffs_group_info *g)
{
	struct sffs_sb_info *sbi = g->lock.sbi;
	unsigned long now = jiffies;
	struct sffs_group *gh;

	if (g->seen.at && time_before(now, g->seen.at + SFFS_SEEN_JIFFIES))
		return;
	gh = (struct sffs_group *)__get_free_page(GFP_NOFS);
	if (!gh)
		return;
	/* It may just be written: then there is what was seen before. */
	if (!sffs_gate_io(sbi->gate, sffs_group_start(g) + SFFS_GROUP_HEADER, gh, 1,
			  REQ_OP_READ | REQ_META) &&
	    sffs_crc_ok(gh, SFFS_BLOCK_SIZE, sbi->seed) &&
	    gh->h.magic == cpu_to_le32(SFFS_MAGIC_GROUP) &&
	    gh->h.owner == cpu_to_le64(g->number) && sffs_group_sane(g, gh)) {
		g->seen.free = le32_to_cpu(gh->free_blocks);
		g->seen.unmapped = le32_to_cpu(gh->unmapped_blocks);
		g->seen.free_inodes = le32_to_cpu(gh->free_inodes);
		g->seen.chunks = le32_to_cpu(gh->chunks);
		g->seen.at = now ?: 1;
	}
	free_page((unsigned long)gh);
}

/* The counts of a group as they are, or, where others work, as they were a moment ago. */
static void sffs_group_see(struct sffs_group_info *g, struct sffs_group_seen *seen)
{
	struct sffs_sb_info *sbi = g->lock.sbi;
	bool held = sffs_trylock(&g->lock, SFFS_LOCK_SHARED);

	/* A local mount that loses its locks for a test has nobody else to ask. */
	if (sbi->local && !(held && READ_ONCE(g->loaded))) {
		if (held)
			sffs_unlock(&g->lock, SFFS_LOCK_SHARED);
		held = !sffs_group_load(g) && !sffs_lock(&g->lock, SFFS_LOCK_SHARED);
	}
	mutex_lock(&g->mutex);
	if (held && g->loaded) {
		g->seen.free = g->free;
		g->seen.unmapped = g->unmapped;
		g->seen.free_inodes = g->free_inodes;
		g->seen.chunks = g->chunks;
		g->seen.at = 0;
	} else if (!sbi->local) {
		sffs_group_look(g);
	}
	*seen = g->seen;
	mutex_unlock(&g->mutex);
	if (held)
		sffs_unlock(&g->lock, SFFS_LOCK_SHARED);
}

/* Sums over all groups; one that was never read, or is damaged, counts as full. */
void sffs_count_space(struct sffs_sb_info *sbi, u64 *free_blocks, u64 *unmapped, u64 *free_inodes,
		      u64 *inodes)
{
	u32 i, groups = sffs_nr_groups(sbi);

	*free_blocks = 0;
	*unmapped = 0;
	*free_inodes = 0;
	*inodes = 0;
	for (i = 0; i < groups; i++) {
		struct sffs_group_seen seen;

		sffs_group_see(sffs_group(sbi, i), &seen);
		*free_blocks += seen.free;
		*unmapped += seen.unmapped;
		*free_inodes += seen.free_inodes;
		*inodes += (u64)seen.chunks * SFFS_CHUNK_INODES;
		cond_resched();
	}
}

/* ---- Busy extents ---- */

static void sffs_busy_insert(struct sffs_group_info *g, struct sffs_busy *b)
{
	struct rb_node **p = &g->busy.rb_node, *parent = NULL;

	while (*p) {
		parent = *p;
		if (b->start < rb_entry(parent, struct sffs_busy, node)->start)
			p = &parent->rb_left;
		else
			p = &parent->rb_right;
	}
	rb_link_node(&b->node, parent, p);
	rb_insert_color(&b->node, &g->busy);
	g->busy_blocks += b->count;
}

/**
 * sffs_busy_add() - keep a freed extent until its transaction is on disk
 * @tx: the running transaction
 * @g: its group, mutex held
 * @start: first block, in the group
 * @count: blocks
 * @meta: it was metadata
 */
void sffs_busy_add(struct sffs_tx *tx, struct sffs_group_info *g, u32 start, u32 count, bool meta)
{
	struct sffs_sb_info *sbi = g->lock.sbi;
	struct sffs_busy *b = kmalloc(sizeof(*b), GFP_NOFS | __GFP_NOFAIL);

	b->group = g;
	b->start = start;
	b->count = count;
	b->meta = meta;
	b->tid = tx->handle->h_transaction->t_tid;
	sffs_busy_hold(g, b);
	spin_lock(&sbi->free_lock);
	list_add_tail(&b->list, &sbi->freed);
	spin_unlock(&sbi->free_lock);
}

/**
 * sffs_busy_hold() - nobody may use these free blocks
 * @g: the group, mutex held
 * @b: its @start and @count are set; they are not busy yet
 */
void sffs_busy_hold(struct sffs_group_info *g, struct sffs_busy *b)
{
	spin_lock(&g->busy_lock);
	sffs_busy_insert(g, b);
	spin_unlock(&g->busy_lock);
}

/* From now on they may be used. */
void sffs_busy_unhold(struct sffs_group_info *g, struct sffs_busy *b)
{
	spin_lock(&g->busy_lock);
	rb_erase(&b->node, &g->busy);
	g->busy_blocks -= b->count;
	sffs_group_more_free(g);
	spin_unlock(&g->busy_lock);
	/* Whoever looked for space before may look again. */
	atomic_inc(&g->lock.sbi->unheld);
}

/**
 * sffs_busy_trim() - cut the busy parts off a free run
 * @g: the group
 * @start: first block of the run; moved up if that is busy
 * @end: behind its last block; moved down to the next busy one
 */
void sffs_busy_trim(struct sffs_group_info *g, u32 *start, u32 *end)
{
	struct rb_node *n;

	if (!READ_ONCE(g->busy_blocks))
		return;
	spin_lock(&g->busy_lock);
	n = g->busy.rb_node;
	while (n) {
		struct sffs_busy *b = rb_entry(n, struct sffs_busy, node);

		if (*start >= b->start + b->count) {
			n = n->rb_right;
		} else if (*start < b->start) {
			if (*end > b->start)
				*end = b->start;
			n = n->rb_left;
		} else {
			/* What follows may be busy again, or be cut by what is. */
			*start = min(*end, b->start + b->count);
			n = *start < *end ? g->busy.rb_node : NULL;
		}
	}
	spin_unlock(&g->busy_lock);
}

/*
 * jbd2 calls this in its own thread when a transaction is on disk; and also after the journal
 * was aborted, when it may not be. Then nothing becomes free any more.
 */
void sffs_commit_callback(journal_t *journal, transaction_t *transaction)
{
	struct sffs_sb_info *sbi = journal->j_private;
	struct sffs_busy *b, *next;
	bool any = false;

	if (is_journal_aborted(journal))
		return;
	spin_lock(&sbi->free_lock);
	list_for_each_entry_safe(b, next, &sbi->freed, list) {
		if (tid_gt(b->tid, transaction->t_tid))
			break;
		list_move_tail(&b->list, &sbi->committed);
		any = true;
	}
	spin_unlock(&sbi->free_lock);
	if (any) {
		queue_work(sbi->free_wq, &sbi->free_work);
		wake_up_all(&sbi->free_wait);
	}
}

static void sffs_busy_release(struct sffs_sb_info *sbi, struct sffs_busy *b)
{
	struct sffs_group_info *g = b->group;

	if (b->meta)
		clean_bdev_aliases(sbi->bdev, sffs_group_start(g) + b->start, b->count);
	sffs_busy_unhold(g, b);
	sffs_reclaim_note(g, b->start, b->start + b->count);
	kfree(b);
}

void sffs_free_work(struct work_struct *work)
{
	struct sffs_sb_info *sbi = container_of(work, struct sffs_sb_info, free_work);
	struct sffs_busy *b, *next;
	LIST_HEAD(list);

	spin_lock(&sbi->free_lock);
	list_splice_init(&sbi->committed, &list);
	spin_unlock(&sbi->free_lock);
	list_for_each_entry_safe(b, next, &list, list) {
		sffs_busy_release(sbi, b);
		cond_resched();
	}
}

/* Has something that was freed up to a transaction not been seen by the callback? */
static bool sffs_freed_before(struct sffs_sb_info *sbi, tid_t tid)
{
	struct sffs_busy *b;
	bool any;

	spin_lock(&sbi->free_lock);
	b = list_first_entry_or_null(&sbi->freed, struct sffs_busy, list);
	any = b && !tid_gt(b->tid, tid);
	spin_unlock(&sbi->free_lock);
	return any;
}

/**
 * sffs_commit_freed() - commit, until what is freed now is no longer busy for that reason
 * @sbi: the mount
 *
 * jbd2 calls the callback after it has let go on who waits for the commit, so the callback
 * has to be waited for, too; but not that of a journal that is aborted.
 *
 * Context: waits for a commit; no handle may be held.
 * Return: 0 or an error.
 */
int sffs_commit_freed(struct sffs_sb_info *sbi)
{
	tid_t tid = 0;
	bool any;
	int err;

	spin_lock(&sbi->free_lock);
	any = !list_empty(&sbi->freed);
	if (any)
		tid = list_last_entry(&sbi->freed, struct sffs_busy, list)->tid;
	spin_unlock(&sbi->free_lock);
	err = any ? jbd2_journal_force_commit(sbi->journal) : 0;
	if (err)
		return err;
	while (any && sffs_freed_before(sbi, tid) && !is_journal_aborted(sbi->journal))
		wait_event_timeout(sbi->free_wait, !sffs_freed_before(sbi, tid), HZ);
	flush_work(&sbi->free_work);
	return 0;
}

/**
 * sffs_flush_freed() - make freed extents available
 * @sbi: the mount
 *
 * Context: waits for a commit; no handle may be held.
 * Return: 0 if something may have become free, -ENOSPC if nothing was waiting.
 */
int sffs_flush_freed(struct sffs_sb_info *sbi)
{
	bool any;
	int err;

	spin_lock(&sbi->free_lock);
	any = !list_empty(&sbi->freed) || !list_empty(&sbi->committed);
	spin_unlock(&sbi->free_lock);
	if (any) {
		err = sffs_commit_freed(sbi);
		if (err)
			return err;
	}
	any |= flush_work(&sbi->free_work);
	any |= sffs_reclaim_wait(sbi);
	return any ? 0 : -ENOSPC;
}

/* After the journal is gone: forget what was never committed. */
void sffs_busy_drop_all(struct sffs_sb_info *sbi)
{
	struct sffs_busy *b, *next;

	flush_work(&sbi->free_work);
	list_splice_init(&sbi->freed, &sbi->committed);
	list_for_each_entry_safe(b, next, &sbi->committed, list)
		sffs_busy_release(sbi, b);
	INIT_LIST_HEAD(&sbi->committed);
}
