// SPDX-License-Identifier: GPL-2.0-only
/*
 * Taking blocks from the group that a transaction has reserved them in, and
 * giving blocks back. Both change one header and one or two bitmap blocks.
 */
#include "bitmap.h"
#include "sffs.h"

/* Bitmap blocks with a run that will do which are looked at for a longer one. */
#define SFFS_RUN_BLOCKS		4U

/* So much of a free run is looked at, also for one block: all of it may be busy. */
#define SFFS_RUN_SEEN		256U

struct sffs_run {
	u32 k;				/* bitmap block of the group */
	u32 start;			/* bit in it */
	u32 count;
};

/*
 * A free run of bitmap block @k: up to @max blocks of what is not busy of its beginning, if
 * those are more than @best. Returns where to go on.
 */
static u32 sffs_offer_run(struct sffs_group_info *g, u32 k, u32 start, u32 end, u32 max,
			  struct sffs_run *best)
{
	u32 first = k * SFFS_BITMAP_BITS, from = first + start, to = first + end;

	sffs_busy_trim(g, &from, &to);
	if (to > from && min(to - from, max) > best->count) {
		best->k = k;
		best->start = from - first;
		best->count = min(to - from, max);
	}
	/* Behind the busy part when that cut the run short. */
	return to - first < end ? max(from, to) - first + 1 : end;
}

/*
 * The best free run from @from on, if it is longer than what @best has: the first
 * that is long enough, or the longest.
 */
static void sffs_find_run(struct sffs_group_info *g, const struct sffs_bitmap *bm, u32 k,
			  u32 from, u32 max, struct sffs_run *best)
{
	u32 enough = min(max, SFFS_RUN_ENOUGH), first, limit;

	/* What is not the files' own is in use, whatever a bitmap says. */
	sffs_bitmap_unused(g, k, &first, &limit);
	from = max(from, first);
	while (from < limit && best->count < enough) {
		u32 start, end;

		start = sffs_bits_find(bm->allocated, from, limit, false);
		if (start == limit)
			break;
		end = sffs_bits_find(bm->allocated, start,
				     min(limit, start + max(max, SFFS_RUN_SEEN)), true);
		from = sffs_offer_run(g, k, start, end, max, best);
	}
}

/* The same in one that was never written. */
static void sffs_find_unused(struct sffs_group_info *g, u32 k, u32 from, u32 max,
			     struct sffs_run *best)
{
	u32 enough = min(max, SFFS_RUN_ENOUGH), start, end;

	sffs_bitmap_unused(g, k, &start, &end);
	start = max(start, from);
	while (start < end && best->count < enough)
		start = sffs_offer_run(g, k, start, min(end, start + max(max, SFFS_RUN_SEEN)), max,
				       best);
}

/* How many blocks of a free run does the array no longer back? The sums mostly say. */
static u32 sffs_run_unmapped(const struct sffs_group *gh, const struct sffs_bitmap *bm,
			     const struct sffs_run *run)
{
	if (!gh->sum[run->k].unmapped)
		return 0;
	if (gh->sum[run->k].unmapped == gh->sum[run->k].free)
		return run->count;
	return sffs_bits_count(bm->unmapped, run->start, run->count);
}

static int sffs_take_run(struct sffs_tx *tx, struct sffs_group_info *g, struct sffs_group *gh,
			 const struct sffs_run *run)
{
	struct buffer_head *bh = sffs_group_bitmap(g, gh, run->k, tx);
	u32 unmapped, free, un, k = run->k;
	struct sffs_bitmap *bm;
	int err = 0;

	if (IS_ERR(bh))
		return PTR_ERR(bh);
	bm = (struct sffs_bitmap *)bh->b_data;
	free = le16_to_cpu(gh->sum[k].free);
	un = le16_to_cpu(gh->sum[k].unmapped);
	unmapped = sffs_run_unmapped(gh, bm, run);
	if (free < run->count || un < unmapped || g->free < run->count || g->unmapped < unmapped) {
		sffs_damage(tx->sb, bh->b_blocknr, "more free blocks than its group counts");
		err = -EFSCORRUPTED;
		goto out;
	}
	sffs_bits_fill(bm->allocated, run->start, run->count, true);
	if (unmapped)
		sffs_bits_fill(bm->unmapped, run->start, run->count, false);
	gh->sum[k].free = cpu_to_le16(free - run->count);
	gh->sum[k].unmapped = cpu_to_le16(un - unmapped);
	g->free -= run->count;
	g->unmapped -= unmapped;
	gh->free_blocks = cpu_to_le32(g->free);
	gh->unmapped_blocks = cpu_to_le32(g->unmapped);
	sffs_tx_dirty(tx, bh);
out:
	brelse(bh);
	return err;
}

/* The promise is kept: the blocks are no longer reserved. */
static void sffs_use_reservation(struct sffs_tx *tx, struct sffs_group_info *g, u32 count)
{
	unsigned int i;

	for (i = 0; i < tx->nr; i++) {
		if (tx->group[i].g != g)
			continue;
		count = min(count, tx->group[i].reserved);
		tx->group[i].reserved -= count;
		g->reserved -= count;
	}
}

/* The best run of bitmap block @k from @from on, if it is longer than @best. */
static int sffs_look(struct sffs_group_info *g, struct sffs_group *gh, u32 k, u32 from, u32 max,
		     struct sffs_run *best)
{
	struct buffer_head *bh = sffs_group_bitmap(g, gh, k, NULL);

	if (IS_ERR(bh))
		return PTR_ERR(bh);
	if (bh) {
		sffs_find_run(g, (struct sffs_bitmap *)bh->b_data, k, from, max, best);
		brelse(bh);
		return 0;
	}
	sffs_find_unused(g, k, from, max, best);
	return 0;
}

/* What of a bitmap block is free from its first bit on. */
static int sffs_first_run(struct sffs_group_info *g, struct sffs_group *gh, u32 k, u32 max,
			  struct sffs_run *run)
{
	struct buffer_head *bh = sffs_group_bitmap(g, gh, k, NULL);
	u32 first = k * SFFS_BITMAP_BITS, start, end;

	if (IS_ERR(bh))
		return PTR_ERR(bh);
	run->k = k;
	run->start = 0;
	run->count = 0;
	sffs_bitmap_unused(g, k, &start, &end);
	end = min(end, max);
	if (start || !end)
		goto out;
	if (bh)
		end = sffs_bits_find(((struct sffs_bitmap *)bh->b_data)->allocated, 0, end, true);
	start = first;
	end += first;
	sffs_busy_trim(g, &start, &end);
	if (start == first)
		run->count = end - first;
out:
	brelse(bh);
	return 0;
}

/*
 * Take a run, and what follows it in the next bitmap blocks. @count: what was taken. For a
 * few blocks alone, as at the end of a group, no other bitmap block is begun.
 */
static int sffs_take_runs(struct sffs_tx *tx, struct sffs_group_info *g, struct sffs_group *gh,
			  struct sffs_run *run, u32 max, u32 *count)
{
	int err;

	*count = 0;
	do {
		err = sffs_take_run(tx, g, gh, run);
		if (err)
			break;
		*count += run->count;
		if (run->start + run->count < SFFS_BITMAP_BITS || *count == max ||
		    run->k + 1 == g->lock.sbi->bitmap_blocks)
			break;
		err = sffs_first_run(g, gh, run->k + 1, max - *count, run);
	} while (!err && run->count >= min(max - *count, SFFS_RUN_ENOUGH));
	return *count ? 0 : err;
}

/*
 * Nothing near the goal is long enough: look at a few more of the bitmap blocks that were not
 * looked at since something became free. After the last of them it is known how long a run
 * the group has at most, and who wants a longer one asks other groups first.
 */
static int sffs_search_on(struct sffs_group_info *g, struct sffs_group *gh, u32 max,
			  struct sffs_run *best)
{
	u32 nr = g->lock.sbi->bitmap_blocks, enough = min(max, SFFS_RUN_ENOUGH), i;
	int err;

	if (xchg(&g->more_free, false)) {
		g->searched = 0;
		g->search_longest = 0;
	}
	for (i = 0; i < SFFS_RUN_BLOCKS && g->searched < nr; i++, g->searched++) {
		struct sffs_run run = { };

		if ((le16_to_cpu(gh->sum[g->searched].free) & ~SFFS_BMS_UNINIT) <=
		    g->search_longest)
			continue;
		err = sffs_look(g, gh, g->searched, 0, max, &run);
		if (err)
			return err;
		if (run.count > best->count)
			*best = run;
		if (run.count >= enough)
			return 0;
		g->search_longest = max(g->search_longest, run.count);
	}
	if (g->searched == nr && !READ_ONCE(g->more_free))
		WRITE_ONCE(g->longest, g->search_longest);
	return 0;
}

/*
 * Look through the group's bitmap blocks, from the goal's on, for a run of @max blocks.
 * Pieces that are left between other files are only taken when there is nothing
 * better in the next few bitmap blocks either.
 */
static int sffs_search(struct sffs_tx *tx, struct sffs_group_info *g, struct sffs_group *gh,
		       u32 goal, u32 min, u32 max, u32 *start, u32 *count)
{
	u32 nr = g->lock.sbi->bitmap_blocks, enough = min(max, SFFS_RUN_ENOUGH), seen = 0, i;
	struct sffs_run best = { };
	int err = 0;

	for (i = 0; i <= nr && best.count < enough && seen < SFFS_RUN_BLOCKS; i++) {
		u32 k = (goal / SFFS_BITMAP_BITS + i) % nr;
		u32 from = i ? 0 : goal % SFFS_BITMAP_BITS;

		if ((le16_to_cpu(gh->sum[k].free) & ~SFFS_BMS_UNINIT) < max(min, best.count + 1))
			continue;
		err = sffs_look(g, gh, k, from, max, &best);
		if (err)
			break;
		if (best.count >= min)
			seen++;
	}
	if (!err && best.count < enough && READ_ONCE(g->longest) == U32_MAX)
		err = sffs_search_on(g, gh, max, &best);
	if (best.count < min)
		return err ?: -ENOSPC;
	*start = best.k * SFFS_BITMAP_BITS + best.start;
	return sffs_take_runs(tx, g, gh, &best, max, count);
}

/**
 * sffs_alloc() - take a run of blocks from the transaction's group
 * @tx: running transaction with a reservation
 * @goal: block near which they should be
 * @min: fewest blocks that are of use; the reservation covers these
 * @max: most blocks wanted; the credits are for as many bitmap blocks as that may take
 * @block: set to the first block
 * @count: set to their number
 *
 * Return: 0, -ENOSPC if there is no run of @min blocks in the group, or an error.
 */
int sffs_alloc(struct sffs_tx *tx, u64 goal, u32 min, u32 max, u64 *block, u32 *count)
{
	struct sffs_group_info *g = tx->space_group;
	struct buffer_head *bh;
	u32 at, avail, start = 0;
	int err;

	if (WARN_ON_ONCE(!g))
		return -ENOSPC;
	mutex_lock(&g->mutex);
	bh = sffs_group_header(g);
	if (IS_ERR(bh)) {
		err = PTR_ERR(bh);
		goto unlock;
	}
	err = sffs_tx_access(tx, bh);
	if (err)
		goto release;
	/*
	 * What goes beyond the own reservation must not eat into another's, nor into what
	 * completes I/O and gives space back.
	 */
	avail = sffs_group_avail(g);
	if (!tx->urgent)
		avail -= min(avail, sffs_group_kept(g));
	max = min(max, min + avail);
	at = sffs_group_of(g->lock.sbi, goal) == g ? goal - sffs_group_start(g) : g->hint;
	err = sffs_search(tx, g, (struct sffs_group *)bh->b_data, at, min, max, &start, count);
	sffs_tx_dirty(tx, bh);
	if (err)
		goto release;
	sffs_use_reservation(tx, g, min);
	g->hint = start + *count < g->blocks ? start + *count : 0;
	*block = sffs_group_start(g) + start;
release:
	brelse(bh);
unlock:
	mutex_unlock(&g->mutex);
	return err;
}

/* One block for metadata. */
int sffs_alloc_meta(struct sffs_tx *tx, u64 goal, u64 *block)
{
	u32 count;

	return sffs_alloc(tx, goal, 1, 1, block, &count);
}

/* Clear the bits of @count blocks from @bit on of one bitmap block. */
static int sffs_free_bits(struct sffs_tx *tx, struct sffs_group_info *g, struct sffs_group *gh,
			  u32 k, u32 bit, u32 count)
{
	struct buffer_head *bh = sffs_group_bitmap(g, gh, k, tx);
	struct sffs_bitmap *bm;
	int err = 0;

	if (IS_ERR(bh))
		return PTR_ERR(bh);
	bm = (struct sffs_bitmap *)bh->b_data;
	if (sffs_bits_find(bm->allocated, bit, bit + count, false) != bit + count ||
	    sffs_bits_find(bm->unmapped, bit, bit + count, true) != bit + count) {
		sffs_damage(tx->sb, bh->b_blocknr, "blocks to be freed are free already");
		err = -EFSCORRUPTED;
		goto out;
	}
	sffs_bits_fill(bm->allocated, bit, count, false);
	gh->sum[k].free = cpu_to_le16(le16_to_cpu(gh->sum[k].free) + count);
	g->free += count;
	gh->free_blocks = cpu_to_le32(g->free);
	sffs_tx_dirty(tx, bh);
out:
	brelse(bh);
	return err;
}

/**
 * sffs_free() - give blocks back
 * @tx: running transaction that holds the group (sffs_tx_add_group())
 * @block: first block
 * @count: blocks, all in one group
 * @meta: they were metadata: their journal entries are revoked
 *
 * Return: 0 or an error.
 */
int sffs_free(struct sffs_tx *tx, u64 block, u32 count, bool meta)
{
	struct sffs_group_info *g = sffs_group_of(SFFS_SB(tx->sb), block);
	struct buffer_head *bh;
	u32 start, done, i;
	int err;

	if (!g || block - sffs_group_start(g) < SFFS_GROUP_BITMAP + g->lock.sbi->bitmap_blocks ||
	    count > g->blocks || block - sffs_group_start(g) > g->blocks - count) {
		sffs_damage(tx->sb, block, "cannot be freed: not in use by files");
		return -EFSCORRUPTED;
	}
	err = sffs_group_load(g);
	if (err)
		return err;
	for (i = 0; meta && i < count; i++) {
		err = sffs_tx_revoke(tx, block + i);
		if (err)
			return err;
	}
	start = block - sffs_group_start(g);
	mutex_lock(&g->mutex);
	bh = sffs_group_header(g);
	if (IS_ERR(bh)) {
		err = PTR_ERR(bh);
		goto unlock;
	}
	err = sffs_tx_access(tx, bh);
	for (done = 0; !err && done < count;) {
		u32 bit = (start + done) % SFFS_BITMAP_BITS;
		u32 n = min(count - done, SFFS_BITMAP_BITS - bit);

		err = sffs_free_bits(tx, g, (struct sffs_group *)bh->b_data,
				     (start + done) / SFFS_BITMAP_BITS, bit, n);
		if (!err)
			done += n;
	}
	/* What a bitmap says is free is not, also if the next one could not be changed. */
	if (done) {
		sffs_busy_add(tx, g, start, done, meta);
		sffs_tx_dirty(tx, bh);
	}
	brelse(bh);
unlock:
	mutex_unlock(&g->mutex);
	return err;
}
