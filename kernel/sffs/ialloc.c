// SPDX-License-Identifier: GPL-2.0-only
/*
 * Inode numbers: taking one from a chunk of the transaction's group, making new
 * chunks, and giving numbers back.
 */
#include <linux/random.h>

#include "bitmap.h"
#include "sffs.h"

/* Chunk header, group header, up to two bitmap blocks, neighbours in the free list. */
#define SFFS_CHUNK_CREDITS	8

static struct buffer_head *sffs_read_chunk(struct sffs_group_info *g, u32 start)
{
	struct super_block *sb = g->lock.sbi->sb;
	struct buffer_head *bh;
	struct sffs_chunk *ck;

	if (start >= g->blocks || g->blocks - start < g->lock.sbi->chunk_blocks) {
		sffs_damage(sb, sffs_group_start(g) + start, "no place for an inode chunk");
		return ERR_PTR(-EFSCORRUPTED);
	}
	bh = sffs_read_meta(&g->lock, sffs_group_start(g) + start, SFFS_MAGIC_CHUNK, 0);
	if (IS_ERR(bh))
		return bh;
	ck = (struct sffs_chunk *)bh->b_data;
	if (hweight64(le64_to_cpu(ck->free_mask)) == le32_to_cpu(ck->free_inodes))
		return bh;
	sffs_damage(sb, bh->b_blocknr, "impossible count of free inodes");
	brelse(bh);
	return ERR_PTR(-EFSCORRUPTED);
}

/* ---- New chunks ---- */

/*
 * Write the lock records of a new chunk: nobody ever took them, except that the
 * delegation is ours. This goes past the journal and is on disk before the
 * transaction that makes the chunk can commit.
 */
static int sffs_write_records(struct sffs_group_info *g, u64 chunk)
{
	struct sffs_sb_info *sbi = g->lock.sbi;
	struct sffs_lock_record *rec;
	void *buf;
	int err;

	buf = (void *)get_zeroed_page(GFP_NOFS);
	if (!buf)
		return -ENOMEM;
	rec = buf;
	if (!sbi->local) {
		rec->magic = cpu_to_le32(SFFS_MAGIC_LOCK);
		rec->nonce = cpu_to_le64(get_random_u64());
		rec->version = cpu_to_le64(1);
		rec->number = cpu_to_le64(chunk);
		rec->type = SFFS_LOCKT_CHUNK;
		rec->mode = SFFS_LOCK_EXCLUSIVE;
		rec->holders = cpu_to_le64(1ULL << sbi->slot);
		rec->incarnation[sbi->slot] = cpu_to_le32(sbi->incarnation);
		rec->writer = sbi->slot;
		sffs_set_crc(rec, SFFS_RECORD_SIZE, sbi->seed);
	}
	err = sffs_gate_io(sbi->gate, chunk + SFFS_CHUNK_DELEGATION, buf, 1,
			   REQ_OP_WRITE | REQ_SYNC | REQ_META);
	if (!err)
		err = sffs_gate_zero(sbi->gate, chunk + SFFS_CHUNK_RECORDS,
				     sbi->chunk_inode0 - SFFS_CHUNK_RECORDS);
	free_page((unsigned long)buf);
	return err;
}

/* Say in the bitmap that a chunk starts here. */
static int sffs_mark_chunk(struct sffs_tx *tx, struct sffs_group_info *g, struct sffs_group *gh,
			   u32 start)
{
	struct buffer_head *bh = sffs_group_bitmap(g, gh, start / SFFS_BITMAP_BITS, tx);
	struct sffs_bitmap *bm;

	if (IS_ERR(bh))
		return PTR_ERR(bh);
	bm = (struct sffs_bitmap *)bh->b_data;
	sffs_bits_set(bm->unmapped, start % SFFS_BITMAP_BITS, 1, true);
	sffs_tx_dirty(tx, bh);
	brelse(bh);
	return 0;
}

static int sffs_link_chunk(struct sffs_tx *tx, struct sffs_group_info *g, struct buffer_head *bh,
			   struct sffs_group *gh, struct sffs_chunk *ck, u32 start)
{
	u32 next = le32_to_cpu(gh->chunk_free);
	struct buffer_head *next_bh;
	int err;

	if (next) {
		next_bh = sffs_read_chunk(g, next);
		if (IS_ERR(next_bh))
			return PTR_ERR(next_bh);
		err = sffs_tx_access(tx, next_bh);
		if (!err) {
			((struct sffs_chunk *)next_bh->b_data)->prev_free = cpu_to_le32(start);
			sffs_tx_dirty(tx, next_bh);
		}
		brelse(next_bh);
		if (err)
			return err;
	}
	ck->next_free = cpu_to_le32(next);
	ck->prev_free = 0;
	gh->chunk_free = cpu_to_le32(start);
	return 0;
}

static int sffs_add_chunk(struct sffs_tx *tx, struct sffs_group_info *g, struct sffs_group *gh,
			  u64 block)
{
	u32 start = block - sffs_group_start(g);
	struct buffer_head *bh;
	struct sffs_chunk *ck;
	int err;

	err = sffs_mark_chunk(tx, g, gh, start);
	if (err)
		return err;
	bh = sffs_tx_create(tx, &g->lock, block, SFFS_MAGIC_CHUNK, 0);
	if (IS_ERR(bh))
		return PTR_ERR(bh);
	ck = (struct sffs_chunk *)bh->b_data;
	ck->free_mask = cpu_to_le64(~0ULL);
	ck->free_inodes = cpu_to_le32(SFFS_CHUNK_INODES);
	ck->next_all = gh->chunk_all;
	gh->chunk_all = cpu_to_le32(start);
	err = sffs_link_chunk(tx, g, bh, gh, ck, start);
	sffs_tx_dirty(tx, bh);
	brelse(bh);
	if (err)
		return err;
	g->free_inodes += SFFS_CHUNK_INODES;
	g->chunks++;
	gh->free_inodes = cpu_to_le32(g->free_inodes);
	gh->chunks = cpu_to_le32(g->chunks);
	return 0;
}

/* Make a chunk near @goal: 0, -ENOSPC if no group has a long enough run, or an error. */
static int sffs_new_chunk_in(struct super_block *sb, u64 goal)
{
	u32 n = SFFS_SB(sb)->chunk_blocks, count;
	struct sffs_group_info *g;
	struct buffer_head *bh;
	struct sffs_tx tx;
	u64 block;
	int err, err2;

	sffs_tx_init(&tx, sb);
	err = sffs_tx_reserve(&tx, goal, n);
	if (err)
		return err;
	err = sffs_tx_start(&tx, SFFS_CHUNK_CREDITS);
	if (err)
		return err;
	g = tx.space_group;
	err = sffs_alloc(&tx, goal, n, n, &block, &count);
	if (err)
		goto stop;
	err = sffs_write_records(g, block);
	if (err) {
		sffs_shutdown(sb, "lock records of new inodes cannot be written");
		goto stop;
	}
	mutex_lock(&g->mutex);
	bh = sffs_group_header(g);
	err = PTR_ERR_OR_ZERO(bh);
	if (!err) {
		err = sffs_tx_access(&tx, bh) ?:
		      sffs_add_chunk(&tx, g, (struct sffs_group *)bh->b_data, block);
		sffs_tx_dirty(&tx, bh);
		brelse(bh);
	}
	mutex_unlock(&g->mutex);
stop:
	err2 = sffs_tx_stop(&tx);
	return err ?: err2;
}

/* A group may have enough blocks but not in one run, so each is tried. */
static int sffs_new_chunk(struct super_block *sb, u64 goal)
{
	struct sffs_sb_info *sbi = SFFS_SB(sb);
	struct sffs_group_info *near = sffs_group_of(sbi, goal);
	u32 groups = sffs_nr_groups(sbi), first = near ? near->number : 0, i;
	int err = -ENOSPC;

	for (i = 0; i < groups && err == -ENOSPC; i++) {
		u32 n = ((u64)first + i) % groups;

		err = sffs_new_chunk_in(sb, sffs_group_start(sffs_group(sbi, n)));
		if (fatal_signal_pending(current))
			return -EINTR;
	}
	return err;
}

/* ---- Taking a number ---- */

static bool sffs_reserve_inode(struct sffs_tx *tx, struct sffs_group_info *g)
{
	bool ok = false;
	int i = 0;

	if (sffs_group_load(g) || READ_ONCE(g->free_inodes) <= READ_ONCE(g->reserved_inodes))
		return false;
	if (sffs_lock(&g->lock, SFFS_LOCK_EXCLUSIVE))
		return false;
	mutex_lock(&g->mutex);
	if (g->free_inodes > g->reserved_inodes) {
		i = sffs_tx_promised(tx, g);
		ok = i >= 0;
	}
	if (ok) {
		g->reserved_inodes++;
		tx->group[i].inodes++;
		tx->inode_group = g;
	}
	mutex_unlock(&g->mutex);
	sffs_unlock(&g->lock, SFFS_LOCK_EXCLUSIVE);
	return ok;
}

/* Directories of the root spread over the groups; all else stays with its directory. */
static struct sffs_group_info *sffs_inode_group(struct inode *dir, umode_t mode)
{
	struct sffs_sb_info *sbi = SFFS_SB(dir->i_sb);

	if (S_ISDIR(mode) && dir->i_ino == sbi->root_ino)
		return sffs_group(sbi, (u32)atomic_inc_return(&sbi->next_dir_group) %
				  sffs_nr_groups(sbi));
	return sffs_group_of(sbi, sffs_ino_chunk(dir->i_ino));
}

/* Where the directory's group is not this node's, inodes are in one that is. */
static struct sffs_group_info *sffs_inode_group_here(struct sffs_sb_info *sbi,
						     struct sffs_group_info *near)
{
	struct sffs_group_info *last;

	if (!sbi->shared || sffs_group_held(near))
		return near;
	last = sffs_group(sbi, READ_ONCE(sbi->space_group));
	return sffs_group_held(last) ? last : sffs_group(sbi, sffs_group_here(sbi, near->number));
}

/* Groups to look through for a free inode before a chunk is made near the directory. */
#define SFFS_INODE_GROUPS	4U

/**
 * sffs_plan_inode() - promise a transaction an inode
 * @tx: transaction that has not started
 * @dir: directory that it will be in
 * @mode: type
 *
 * Context: may start transactions of its own.
 * Return: 0, -ENOSPC, or an error.
 */
int sffs_plan_inode(struct sffs_tx *tx, struct inode *dir, umode_t mode)
{
	struct sffs_sb_info *sbi = SFFS_SB(dir->i_sb);
	struct sffs_group_info *near = sffs_inode_group_here(sbi, sffs_inode_group(dir, mode));
	u32 groups = sffs_nr_groups(sbi), i, pass, tries = min(SFFS_INODE_GROUPS, groups);
	int err;

	/* Without room for a chunk at hand, all free inodes there are come first. */
	if (!sffs_group_load(near) && READ_ONCE(near->free) < sbi->chunk_blocks)
		tries = groups;
	for (pass = 0; pass < 3; pass++) {
		for (i = 0; i < tries; i++) {
			struct sffs_group_info *g;

			g = sffs_group(sbi, ((u64)near->number + i) % groups);
			if (!i && S_ISDIR(mode) && !READ_ONCE(g->free_inodes) && !pass)
				break;
			if (tx->nr < SFFS_TX_GROUPS - 2 && sffs_reserve_inode(tx, g))
				return 0;
		}
		/* Where there was room for it, which may be far from here. */
		err = sffs_new_chunk(dir->i_sb, sffs_group_start(near));
		if (err == -ENOSPC)
			err = sffs_flush_freed(sbi);
		if (err && err != -ENOSPC)
			return err;
		tries = groups;
	}
	return -ENOSPC;
}

static int sffs_unlink_chunk(struct sffs_tx *tx, struct sffs_group_info *g, struct sffs_group *gh,
			     struct sffs_chunk *ck)
{
	u32 next = le32_to_cpu(ck->next_free);
	struct buffer_head *bh;
	int err;

	gh->chunk_free = ck->next_free;
	ck->next_free = 0;
	if (!next)
		return 0;
	bh = sffs_read_chunk(g, next);
	if (IS_ERR(bh))
		return PTR_ERR(bh);
	err = sffs_tx_access(tx, bh);
	if (!err) {
		((struct sffs_chunk *)bh->b_data)->prev_free = 0;
		sffs_tx_dirty(tx, bh);
	}
	brelse(bh);
	return err;
}

/* The first of the free inodes in @mask whose lock this node has. */
static int sffs_choose_ino(struct sffs_tx *tx, u64 chunk, u64 mask, unsigned int *index)
{
	int err = -EAGAIN;

	for (; mask && err == -EAGAIN; mask &= mask - 1) {
		*index = __ffs64(mask);
		err = sffs_lock_number(tx, sffs_make_ino(chunk, *index));
	}
	return err;
}

/* Take a free inode of the chunk at the head of the group's list. */
static int sffs_take_ino(struct sffs_tx *tx, struct sffs_group_info *g, struct sffs_group *gh,
			 u64 *ino)
{
	u32 start = le32_to_cpu(gh->chunk_free);
	struct buffer_head *bh = sffs_read_chunk(g, start);
	struct sffs_chunk *ck;
	unsigned int index;
	u64 mask;
	int err;

	if (IS_ERR(bh))
		return PTR_ERR(bh);
	ck = (struct sffs_chunk *)bh->b_data;
	mask = le64_to_cpu(ck->free_mask);
	err = sffs_tx_access(tx, bh);
	if (err)
		goto out;
	if (!mask || !g->free_inodes) {
		sffs_damage(tx->sb, bh->b_blocknr, "full, but listed as having free inodes");
		err = -EFSCORRUPTED;
		goto out;
	}
	err = sffs_choose_ino(tx, bh->b_blocknr, mask, &index);
	if (err)
		goto out;
	*ino = sffs_make_ino(bh->b_blocknr, index);
	mask &= ~(1ULL << index);
	ck->free_mask = cpu_to_le64(mask);
	le32_add_cpu(&ck->free_inodes, -1);
	if (!mask)
		err = sffs_unlink_chunk(tx, g, gh, ck);
	g->free_inodes--;
	gh->free_inodes = cpu_to_le32(g->free_inodes);
	sffs_tx_dirty(tx, bh);
out:
	brelse(bh);
	return err;
}

static int sffs_alloc_ino(struct sffs_tx *tx, bool dir, u64 *ino)
{
	struct sffs_group_info *g = tx->inode_group;
	struct buffer_head *bh;
	struct sffs_group *gh;
	unsigned int i;
	int err;

	mutex_lock(&g->mutex);
	bh = sffs_group_header(g);
	err = PTR_ERR_OR_ZERO(bh);
	if (err)
		goto unlock;
	gh = (struct sffs_group *)bh->b_data;
	err = sffs_tx_access(tx, bh) ?: sffs_take_ino(tx, g, gh, ino);
	if (!err) {
		if (dir)
			le32_add_cpu(&gh->directories, 1);
		sffs_tx_dirty(tx, bh);
		for (i = 0; tx->group[i].g != g; i++)
			;
		tx->group[i].inodes--;
		g->reserved_inodes--;
	}
	brelse(bh);
unlock:
	mutex_unlock(&g->mutex);
	return err;
}

static void sffs_init_inode(struct inode *inode, struct inode *dir, umode_t mode)
{
	struct sffs_inode_info *si = SFFS_I(inode);
	struct sffs_inode_info *parent = SFFS_I(dir);
	struct timespec64 now = inode_set_ctime_current(inode);

	inode_set_atime_to_ts(inode, now);
	inode_set_mtime_to_ts(inode, now);
	si->btime = now;
	si->flags = parent->flags & (SFFS_INODE_SYNC | SFFS_INODE_NODUMP | SFFS_INODE_NOATIME |
				     SFFS_INODE_PROJINHERIT);
	if (S_ISDIR(mode))
		si->flags |= parent->flags & SFFS_INODE_DIRSYNC;
	si->project = parent->flags & SFFS_INODE_PROJINHERIT ? parent->project : 0;
	si->parent = S_ISDIR(mode) ? dir->i_ino : 0;
	si->entries = 0;
	set_nlink(inode, S_ISDIR(mode) ? 2 : 1);
	inode->i_generation = get_random_u32();
	inode->i_blocks = 0;
	si->format = SFFS_FMT_NONE;
	if (S_ISREG(mode) || S_ISLNK(mode))
		si->format = SFFS_FMT_EXTENTS;
	if (S_ISREG(mode) && SFFS_SB(inode->i_sb)->inline_data)
		si->format = SFFS_FMT_INLINE;
	if (S_ISDIR(mode)) {
		si->format = SFFS_FMT_DIR_INLINE;
		i_size_write(inode, SFFS_INODE_AREA);
	}
}

/**
 * sffs_new_inode() - make an inode
 * @tx: running transaction, planned by sffs_plan_inode()
 * @idmap: of the mount it is made through
 * @dir: directory that it will be in
 * @mode: type and permissions
 * @rdev: of a device
 * @result: set to the inode, new and locked: unlock_new_inode() or discard_new_inode(); the
 *	caller ends the exclusive use of its cluster lock before that
 *
 * Return: 0; -EAGAIN if sffs_lock_wanted() is to be called after the transaction, in which
 * nothing was changed; or an error. The block is dirty and the caller stores the inode again
 * after changing it.
 */
int sffs_new_inode(struct sffs_tx *tx, struct mnt_idmap *idmap, struct inode *dir, umode_t mode,
		   dev_t rdev, struct inode **result)
{
	struct sffs_sb_info *sbi = SFFS_SB(dir->i_sb);
	struct sffs_inode_info *si;
	struct inode *inode;
	u64 ino;
	int err;

	inode = new_inode(dir->i_sb);
	if (!inode)
		return -ENOMEM;
	si = SFFS_I(inode);
	inode_init_owner(idmap, inode, dir, mode);
	err = sffs_alloc_ino(tx, S_ISDIR(mode), &ino);
	if (err)
		goto drop;
	inode->i_ino = ino;
	sffs_init_inode(inode, dir, mode);
	sffs_lock_init(&si->lock, sbi, SFFS_LOCKT_INODE, ino);
	sffs_lock_init(&si->open_lock, sbi, SFFS_LOCKT_OPEN, ino);
	tx->gone = sffs_forget_number(dir->i_sb, ino);
	if (!sffs_lock_new(tx, &si->lock)) {
		err = -EIO;
		goto drop;
	}
	if (insert_inode_locked(inode) < 0) {
		sffs_damage(dir->i_sb, sffs_ino_block(ino, sbi->sector_shift),
			    "inode %llu is free, but in use", ino);
		err = -EFSCORRUPTED;
		goto unlock;
	}
	si->bh = sffs_tx_overwrite(tx, &si->lock, sffs_ino_block(ino, sbi->sector_shift),
				   SFFS_MAGIC_INODE, inode->i_generation);
	if (IS_ERR(si->bh)) {
		err = PTR_ERR(si->bh);
		si->bh = NULL;
		sffs_unlock(&si->lock, SFFS_LOCK_EXCLUSIVE);
		clear_nlink(inode);
		discard_new_inode(inode);
		return err;
	}
	if (S_ISDIR(mode))
		((struct sffs_dir_head *)sffs_raw(inode)->area)->low = cpu_to_le16(SFFS_INODE_AREA);
	if (S_ISCHR(mode) || S_ISBLK(mode) || S_ISFIFO(mode) || S_ISSOCK(mode))
		init_special_inode(inode, mode, rdev);
	sffs_set_ops(inode);
	*result = inode;
	return 0;
unlock:
	sffs_unlock(&si->lock, SFFS_LOCK_EXCLUSIVE);
drop:
	clear_nlink(inode);
	make_bad_inode(inode);
	iput(inode);
	return err;
}

/* ---- Giving a number back ---- */

/**
 * sffs_release_inode() - make an inode's number free
 * @tx: running transaction that holds the group of the chunk
 * @inode: the inode; it has no blocks any more
 */
int sffs_release_inode(struct sffs_tx *tx, struct inode *inode)
{
	u64 chunk = sffs_ino_chunk(inode->i_ino);
	u64 bit = 1ULL << sffs_ino_index(inode->i_ino);
	struct sffs_group_info *g = sffs_group_of(SFFS_SB(tx->sb), chunk);
	struct buffer_head *bh, *ck_bh;
	struct sffs_group *gh;
	struct sffs_chunk *ck;
	int err;

	/* An empty file may be the first of its group that this mount touches. */
	err = sffs_group_load(g);
	if (err)
		return err;
	mutex_lock(&g->mutex);
	bh = sffs_group_header(g);
	err = PTR_ERR_OR_ZERO(bh);
	if (err)
		goto unlock;
	gh = (struct sffs_group *)bh->b_data;
	ck_bh = sffs_read_chunk(g, chunk - sffs_group_start(g));
	err = PTR_ERR_OR_ZERO(ck_bh);
	if (err)
		goto release;
	ck = (struct sffs_chunk *)ck_bh->b_data;
	if (le64_to_cpu(ck->free_mask) & bit) {
		sffs_damage(tx->sb, ck_bh->b_blocknr, "inode %lu is free already", inode->i_ino);
		err = -EFSCORRUPTED;
		goto release_chunk;
	}
	err = sffs_tx_access(tx, bh) ?: sffs_tx_access(tx, ck_bh);
	if (err)
		goto release_chunk;
	if (!ck->free_mask)
		err = sffs_link_chunk(tx, g, bh, gh, ck, chunk - sffs_group_start(g));
	ck->free_mask |= cpu_to_le64(bit);
	le32_add_cpu(&ck->free_inodes, 1);
	g->free_inodes++;
	gh->free_inodes = cpu_to_le32(g->free_inodes);
	if (S_ISDIR(inode->i_mode) && gh->directories)
		le32_add_cpu(&gh->directories, -1);
	sffs_tx_dirty(tx, bh);
	sffs_tx_dirty(tx, ck_bh);
release_chunk:
	brelse(ck_bh);
release:
	brelse(bh);
unlock:
	mutex_unlock(&g->mutex);
	return err;
}

/**
 * sffs_check_ino() - is this number, which came from outside, an inode in use?
 * @sb: the mount
 * @ino: the number
 *
 * Return: 0, -ESTALE, or an error.
 */
int sffs_check_ino(struct super_block *sb, u64 ino)
{
	struct buffer_head *bh, *map;
	u64 chunk = sffs_ino_chunk(ino);
	struct sffs_group_info *g;
	u32 start;
	int err;

	/* It may be where another host has made the volume longer. */
	err = sffs_super_current(SFFS_SB(sb));
	if (err)
		return err;
	g = sffs_group_of(SFFS_SB(sb), chunk);
	if (!g)
		return -ESTALE;
	err = sffs_group_load(g);
	if (err)
		return err;
	start = chunk - sffs_group_start(g);
	err = sffs_lock(&g->lock, SFFS_LOCK_SHARED);
	if (err)
		return err;
	mutex_lock(&g->mutex);
	bh = sffs_group_header(g);
	err = PTR_ERR_OR_ZERO(bh);
	if (err)
		goto unlock;
	map = sffs_group_bitmap(g, (struct sffs_group *)bh->b_data, start / SFFS_BITMAP_BITS, NULL);
	brelse(bh);
	err = IS_ERR(map) ? PTR_ERR(map) : -ESTALE;
	if (IS_ERR_OR_NULL(map))
		goto unlock;
	start %= SFFS_BITMAP_BITS;
	if (sffs_bit(((struct sffs_bitmap *)map->b_data)->allocated, start) &&
	    sffs_bit(((struct sffs_bitmap *)map->b_data)->unmapped, start))
		err = 0;
	brelse(map);
	if (err)
		goto unlock;
	bh = sffs_read_chunk(g, chunk - sffs_group_start(g));
	err = PTR_ERR_OR_ZERO(bh);
	if (err)
		goto unlock;
	if (le64_to_cpu(((struct sffs_chunk *)bh->b_data)->free_mask) >> sffs_ino_index(ino) & 1)
		err = -ESTALE;
	brelse(bh);
unlock:
	mutex_unlock(&g->mutex);
	sffs_unlock(&g->lock, SFFS_LOCK_SHARED);
	return err;
}
