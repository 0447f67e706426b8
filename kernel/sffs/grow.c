// SPDX-License-Identifier: GPL-2.0-only
/*
 * Growing a mounted volume.
 *
 * New groups are written past the journal, where nothing leads to them yet. Then one
 * transaction makes the last group as long as it can be and changes the super block and
 * its backups; the commit flushes the device before it counts. So after a crash the
 * volume has its old size or its new one, and can be grown again.
 *
 * While that is done other hosts wait for each inode that they are newly granted, see
 * follow.c. So it is done in steps.
 */
#include <linux/sched/signal.h>

#include <linux/sffs.h>

#include "bitmap.h"
#include "sffs.h"

/* A shorter last group is not made. */
#define SFFS_GROUP_MIN		4096U
/* Super block, 22 backups at most, a group's header, and what follows. */
#define SFFS_GROW_CREDITS	(2 + 22 + SFFS_GROW_BITMAPS)
#define SFFS_GROW_BITMAPS	8
/* Groups that are made in one step at most. */
#define SFFS_GROW_STEP		512U

/**
 * struct sffs_growth - a growth under way
 * @sbi: the mount
 * @blocks: what the volume will have after this step
 * @groups: likewise
 * @more: there will be another step
 * @half: a block was changed, so it must be all of them
 */
struct sffs_growth {
	struct sffs_sb_info *sbi;
	u64 blocks;
	u32 groups;
	bool more;
	bool half;
};

/* Blocks that group @n will have. */
static u32 sffs_growth_size(const struct sffs_growth *gr, u32 n)
{
	u64 start = gr->sbi->first_group_block + ((u64)n << gr->sbi->group_shift);

	return min_t(u64, gr->blocks - start, 1ULL << gr->sbi->group_shift);
}

static int sffs_growth_plan(struct sffs_growth *gr, u64 want)
{
	struct sffs_sb_info *sbi = gr->sbi;
	u64 device = sffs_volume_resize(sbi), room, groups;

	gr->more = false;
	gr->half = false;
	if (want && want < sbi->blocks)
		return -EINVAL;
	if (want > device)
		return -ENOSPC;
	gr->blocks = min_t(u64, want ?: device, SFFS_MAX_BLOCKS);
	if (gr->blocks < sbi->blocks)
		gr->blocks = sbi->blocks;
	room = gr->blocks - sbi->first_group_block;
	groups = room >> sbi->group_shift;
	if ((room & ((1ULL << sbi->group_shift) - 1)) >= SFFS_GROUP_MIN)
		groups++;
	if (groups >= U32_MAX)
		return -EFBIG;
	gr->groups = max_t(u32, groups, sbi->nr_groups);
	gr->more = gr->groups - sbi->nr_groups > SFFS_GROW_STEP;
	if (gr->more) {
		gr->groups = sbi->nr_groups + SFFS_GROW_STEP;
		gr->blocks = sbi->first_group_block + ((u64)gr->groups << sbi->group_shift);
	}
	return 0;
}

/* ---- New groups ---- */

static void sffs_growth_fill(const struct sffs_growth *gr, u32 n, struct sffs_group *gh)
{
	struct sffs_sb_info *sbi = gr->sbi;
	u32 blocks = sffs_growth_size(gr, n), used = SFFS_GROUP_BITMAP + sbi->bitmap_blocks, k;
	u64 start = sbi->first_group_block + ((u64)n << sbi->group_shift);

	memset(gh, 0, sizeof(*gh));
	gh->h.magic = cpu_to_le32(SFFS_MAGIC_GROUP);
	gh->h.block = cpu_to_le64(start + SFFS_GROUP_HEADER);
	gh->h.owner = cpu_to_le64(n);
	gh->blocks = cpu_to_le32(blocks);
	gh->free_blocks = cpu_to_le32(blocks - used);
	gh->crashes = cpu_to_le32(sbi->crashes);
	for (k = 0; k < sbi->bitmap_blocks; k++) {
		u32 first = max(k * SFFS_BITMAP_BITS, used);
		u32 end = min((k + 1) * SFFS_BITMAP_BITS, blocks);

		gh->sum[k].free = cpu_to_le16(SFFS_BMS_UNINIT | (end > first ? end - first : 0));
	}
	sffs_set_crc(gh, SFFS_BLOCK_SIZE, sbi->seed);
}

static int sffs_growth_write(const struct sffs_growth *gr)
{
	struct sffs_sb_info *sbi = gr->sbi;
	void *buf = (void *)__get_free_pages(GFP_KERNEL | __GFP_ZERO, 1);	/* lock, header */
	int err = 0;
	u32 n;

	if (!buf)
		return -ENOMEM;
	for (n = sbi->nr_groups; n < gr->groups && !err; n++) {
		sffs_growth_fill(gr, n, buf + SFFS_BLOCK_SIZE);
		err = sffs_gate_io(sbi->gate, sbi->first_group_block + ((u64)n << sbi->group_shift),
				   buf, 2, REQ_OP_WRITE | REQ_META);
		if (fatal_signal_pending(current))
			err = -EINTR;
		cond_resched();
	}
	free_pages((unsigned long)buf, 1);
	return err;
}

/* ---- The last group, which may have been short ---- */

/* Will the bitmap block be written? */
static bool sffs_growth_writes(const struct sffs_group *gh, u32 k)
{
	return !(le16_to_cpu(gh->sum[k].free) & SFFS_BMS_UNINIT) || gh->sum[k].unmapped;
}

/* Has the bitmap room for more free blocks, and the transaction for the bitmap? */
static bool sffs_growth_possible(const struct sffs_group *gh, u32 k, u32 count, u32 *left)
{
	u32 free = le16_to_cpu(gh->sum[k].free) & ~SFFS_BMS_UNINIT;

	return free + count <= SFFS_BITMAP_BITS && (!sffs_growth_writes(gh, k) || (*left)--);
}

/* Blocks [from, from + count) of bitmap @k become free. */
static int sffs_growth_bitmap(struct sffs_tx *tx, struct sffs_group_info *g, struct sffs_group *gh,
			      u32 k, u32 from, u32 count)
{
	u16 free = le16_to_cpu(gh->sum[k].free);
	struct buffer_head *bh;

	/* One that was never written stays so, unless its blocks would not be all alike. */
	if (!sffs_growth_writes(gh, k)) {
		gh->sum[k].free = cpu_to_le16(free + count);
		return 0;
	}
	bh = sffs_group_bitmap(g, gh, k, tx);
	if (IS_ERR(bh))
		return PTR_ERR(bh);
	sffs_bits_set(((struct sffs_bitmap *)bh->b_data)->allocated, from, count, false);
	gh->sum[k].free = cpu_to_le16((free & ~SFFS_BMS_UNINIT) + count);
	sffs_tx_dirty(tx, bh);
	brelse(bh);
	return 0;
}

static int sffs_growth_lengthen(struct sffs_growth *gr, struct sffs_tx *tx,
				struct sffs_group_info *g, u32 blocks)
{
	struct buffer_head *bh = sffs_group_header(g);
	struct sffs_group *gh;
	u32 k, left = SFFS_GROW_BITMAPS;
	int err;

	if (IS_ERR(bh))
		return PTR_ERR(bh);
	gh = (struct sffs_group *)bh->b_data;
	err = sffs_tx_access(tx, bh);
	for (k = g->blocks / SFFS_BITMAP_BITS; !err && k * SFFS_BITMAP_BITS < blocks; k++) {
		u32 first = k * SFFS_BITMAP_BITS, from = max(first, g->blocks);
		u32 end = min(first + SFFS_BITMAP_BITS, blocks);

		if (!sffs_growth_possible(gh, k, end - from, &left)) {
			sffs_damage(tx->sb, bh->b_blocknr, "blocks behind its end are not in use");
			err = -EFSCORRUPTED;
			break;
		}
		err = sffs_growth_bitmap(tx, g, gh, k, from - first, end - from);
		gr->half |= !err;
	}
	if (!err) {
		/* Whoever is given one of its blocks finds that the volume has it. */
		WRITE_ONCE(gr->sbi->blocks, gr->blocks);
		g->free += blocks - g->blocks;
		g->blocks = blocks;
		sffs_group_more_free(g);
		gh->blocks = cpu_to_le32(blocks);
		gh->free_blocks = cpu_to_le32(g->free);
		sffs_tx_dirty(tx, bh);
	}
	brelse(bh);
	return err;
}

/* ---- The super block ---- */

static int sffs_growth_super(struct sffs_growth *gr, struct sffs_tx *tx)
{
	struct sffs_sb_info *sbi = gr->sbi;
	struct sffs_super *raw = (struct sffs_super *)sbi->super_bh->b_data;
	int err = sffs_tx_access(tx, sbi->super_bh);
	u64 n;

	if (err)
		return err;
	gr->half = true;
	raw->blocks = cpu_to_le64(gr->blocks);
	raw->groups = cpu_to_le32(gr->groups);
	sffs_tx_dirty(tx, sbi->super_bh);
	for (n = 0; n < gr->groups; n = n < 1 ? 1 : n < 3 ? 3 : n * 3) {
		u64 block = sbi->first_group_block + (n << sbi->group_shift) + SFFS_GROUP_BACKUP;
		struct buffer_head *bh = sffs_tx_overwrite(tx, NULL, block, SFFS_MAGIC_SUPER, 0);

		if (IS_ERR(bh))
			return PTR_ERR(bh);
		memcpy(bh->b_data + sizeof(raw->h), (u8 *)raw + sizeof(raw->h),
		       sizeof(*raw) - sizeof(raw->h));
		sffs_tx_dirty(tx, bh);
		brelse(bh);
	}
	return 0;
}

static int sffs_growth_commit(struct sffs_growth *gr)
{
	struct sffs_sb_info *sbi = gr->sbi;
	struct sffs_group_info *last = sffs_group(sbi, sbi->nr_groups - 1);
	u32 blocks = sffs_growth_size(gr, last->number);
	struct sffs_tx tx;
	int err, err2;

	err = sffs_group_load(last);
	if (err)
		return err;
	sffs_tx_init(&tx, sbi->sb);
	tx.quota_sync = true;	/* the quota lock comes before that of the super block */
	err = sffs_tx_add_group(&tx, sffs_group_start(last));
	if (err)
		return err;
	err = sffs_tx_start(&tx, SFFS_GROW_CREDITS);
	if (err)
		return err;
	if (blocks > last->blocks) {
		mutex_lock(&last->mutex);
		err = sffs_growth_lengthen(gr, &tx, last, blocks);
		mutex_unlock(&last->mutex);
	}
	if (!err)
		err = sffs_growth_super(gr, &tx);
	if (err && gr->half)
		sffs_shutdown(sbi->sb, "growing the volume failed half way");
	err2 = sffs_tx_stop(&tx);
	return err ?: err2;
}

static int sffs_grow_step(struct sffs_growth *gr, u64 want)
{
	struct sffs_sb_info *sbi = gr->sbi;
	u32 last;
	int err;

	err = sffs_lock(&sbi->fixed[SFFS_FIXED_SUPER], SFFS_LOCK_EXCLUSIVE);
	if (err)
		return err;
	err = sffs_growth_plan(gr, want);
	if (err || gr->blocks == sbi->blocks)
		goto unlock;
	err = sffs_groups_add(sbi, gr->groups, gr->blocks) ?: sffs_growth_write(gr) ?:
	      sffs_growth_commit(gr);
	if (err)
		goto unlock;
	last = sbi->nr_groups - 1;
	sffs_groups_publish(sbi, gr->groups, gr->blocks);
	sffs_reclaim_note(sffs_group(sbi, last), 0, sffs_group(sbi, last)->blocks);
	err = jbd2_journal_force_commit(sbi->journal);
unlock:
	sffs_unlock(&sbi->fixed[SFFS_FIXED_SUPER], SFFS_LOCK_EXCLUSIVE);
	return err;
}

/**
 * sffs_grow() - make a mounted volume larger
 * @sb: the mount, with write access
 * @blocks: what it shall have, 0: all of the device; set to what it has
 *
 * Context: sleeps, can be killed; takes the super block's cluster lock and the last
 * group's.
 * Return: 0, also if nothing could be added, or an error as SFFS_IOC_GROW says.
 */
int sffs_grow(struct super_block *sb, u64 *blocks)
{
	struct sffs_growth gr = { .sbi = SFFS_SB(sb) };
	struct sffs_sb_info *sbi = gr.sbi;
	u64 before;
	int err;

	if (mutex_lock_killable(&sbi->grow_mutex))
		return -EINTR;
	before = READ_ONCE(sbi->blocks);
	do {
		err = fatal_signal_pending(current) ? -EINTR : sffs_grow_step(&gr, *blocks);
	} while (!err && gr.more);
	*blocks = READ_ONCE(sbi->blocks);
	mutex_unlock(&sbi->grow_mutex);
	if (*blocks > before) {
		pr_info("%s: grown to %llu blocks\n", sb->s_id, *blocks);
		sffs_event(sb, SFFS_EVENT_GROWN, *blocks, "grown");
	}
	return err;
}
