// SPDX-License-Identifier: GPL-2.0-only
/*
 * fallocate(2). Each mode works on whole blocks; what is left of the range at
 * its two ends is zeroed through the page cache.
 *
 * i_rwsem, the cluster lock and invalidate_lock are held throughout, direct I/O
 * has ended, and dirty pages of the range are on disk before blocks change.
 */
#include <linux/fs.h>
#include <linux/falloc.h>
#include <linux/pagemap.h>

#include "sffs.h"

struct sffs_span {
	loff_t start, end;		/* bytes */
	u64 first, last;		/* whole blocks inside: [first, last) */
};

static struct sffs_span sffs_make_span(loff_t offset, loff_t len)
{
	struct sffs_span r = {
		.start = offset,
		.end = offset + len,
		.first = DIV_ROUND_UP_ULL(offset, SFFS_BLOCK_SIZE),
		.last = (offset + len) >> SFFS_BLOCK_SHIFT,
	};

	if (r.last < r.first)
		r.last = r.first;
	return r;
}

static int sffs_zero_bytes(struct inode *inode, loff_t from, loff_t to)
{
	loff_t end = min(to, i_size_read(inode));

	return from < end ? iomap_zero_range(inode, from, end - from, NULL,
					     &sffs_write_iomap_ops) : 0;
}

/* Zero the parts of the range that are not whole blocks, and drop the cache of the rest. */
static int sffs_zero_ends(struct inode *inode, const struct sffs_span *r)
{
	loff_t head = min(r->end, round_up(r->start, SFFS_BLOCK_SIZE));
	loff_t tail = max(r->start, round_down(r->end, SFFS_BLOCK_SIZE));
	int err;

	/* Nothing is cached, and nothing comes while invalidate_lock is held. */
	if (head == r->start && tail == r->end && mapping_empty(inode->i_mapping))
		return 0;
	err = filemap_write_and_wait_range(inode->i_mapping, round_down(r->start, SFFS_BLOCK_SIZE),
					   round_up(r->end, SFFS_BLOCK_SIZE) - 1);
	if (!err)
		err = sffs_zero_bytes(inode, r->start, head);
	if (!err && tail >= head)
		err = sffs_zero_bytes(inode, tail, r->end);
	if (!err && r->first < r->last)
		truncate_pagecache_range(inode, r->first << SFFS_BLOCK_SHIFT,
					 (r->last << SFFS_BLOCK_SHIFT) - 1);
	return err;
}

/* Put unwritten blocks into all holes of [first, end). */
static int sffs_fill_holes(struct inode *inode, u64 first, u64 end)
{
	int err = 0;

	while (!err && first < end) {
		struct sffs_map map;

		if (fatal_signal_pending(current))
			return -EINTR;
		err = sffs_map_find(inode, first, &map);
		if (!err && !map.block)
			err = sffs_map_alloc(inode, first, min(map.count, end - first), &map);
		first += map.count;
		cond_resched();
	}
	return err;
}

static int sffs_falloc_size(struct inode *inode, int mode, loff_t end)
{
	if ((mode & FALLOC_FL_KEEP_SIZE) || end <= i_size_read(inode))
		return 0;
	return sffs_grow_size(inode, end);
}

static int sffs_falloc_alloc(struct inode *inode, int mode, const struct sffs_span *r)
{
	int err = sffs_fill_holes(inode, r->start >> SFFS_BLOCK_SHIFT,
				  DIV_ROUND_UP_ULL(r->end, SFFS_BLOCK_SIZE));

	return err ?: sffs_falloc_size(inode, mode, r->end);
}

static int sffs_falloc_punch(struct inode *inode, const struct sffs_span *r)
{
	int err = sffs_zero_ends(inode, r);

	return err ?: sffs_map_punch(inode, r->first, r->last);
}

static int sffs_falloc_zero(struct inode *inode, int mode, const struct sffs_span *r)
{
	int err = sffs_zero_ends(inode, r);

	if (!err)
		err = sffs_map_convert(inode, r->first, r->last, true);
	if (!err)
		err = sffs_fill_holes(inode, r->start >> SFFS_BLOCK_SHIFT,
				      DIV_ROUND_UP_ULL(r->end, SFFS_BLOCK_SIZE));
	return err ?: sffs_falloc_size(inode, mode, r->end);
}

/* Before extents move: nothing of the file from there on may be cached. */
static int sffs_falloc_drop_cache(struct inode *inode, loff_t from)
{
	int err = filemap_write_and_wait_range(inode->i_mapping, from, LLONG_MAX);

	if (!err)
		truncate_pagecache(inode, from);
	return err;
}

/*
 * Collapse and insert move extents, one in a transaction, so a crash may come in
 * between. The first transaction lists the inode as an orphan and says in it what is
 * to be moved; each that moves an extent says what is left; the last one takes both
 * away and sets the size of a collapsed file. Recovery of the slot goes on from there, so
 * nobody sees a file that is shifted in part.
 *
 * shift_by < 0 (collapse): blocks from shift_from on are to be moved down. What is in
 * front of them, -shift_by blocks, goes first; once the first extent has been moved,
 * that is the hole which it left, and giving it back again finds nothing.
 *
 * shift_by > 0 (insert): blocks from shift_from up to shift_end are to be moved up, the last
 * extent first. The size has been set at the start: nothing is ever behind the end.
 */
static int sffs_shift_begin(struct inode *inode, u64 from, s64 by, loff_t size)
{
	struct sffs_inode_info *si = SFFS_I(inode);
	struct sffs_tx tx;
	int err, err2;

	err = sffs_orphan_room(inode->i_sb);
	if (err)
		return err;
	sffs_tx_init(&tx, inode->i_sb);
	err = sffs_tx_start(&tx, 3);
	if (err)
		return err;
	err = sffs_orphan_add(&tx, inode);
	if (!err) {
		down_write(&si->tree_sem);
		si->shift_from = from;
		si->shift_end = SFFS_MAX_FILE_BLOCKS;
		si->shift_by = by;
		i_size_write(inode, size);
		err = sffs_store_inode(&tx, inode);
		up_write(&si->tree_sem);
	}
	err2 = sffs_tx_stop(&tx);
	return err ?: err2;
}

static int sffs_shift_end(struct inode *inode)
{
	struct sffs_inode_info *si = SFFS_I(inode);
	struct sffs_tx tx;
	int err, err2;

	sffs_tx_init(&tx, inode->i_sb);
	err = sffs_tx_start(&tx, 3);
	if (err)
		return err;
	/* A file without a name stays listed until it is freed. */
	err = inode->i_nlink ? sffs_orphan_del(&tx, inode) : 0;
	down_write(&si->tree_sem);
	if (si->shift_by < 0)
		i_size_write(inode, i_size_read(inode) + si->shift_by * SFFS_BLOCK_SIZE);
	si->shift_from = 0;
	si->shift_end = 0;
	si->shift_by = 0;
	err2 = sffs_store_inode(&tx, inode);
	up_write(&si->tree_sem);
	err = err ?: err2;
	err2 = sffs_tx_stop(&tx);
	return err ?: err2;
}

/**
 * sffs_shift_finish() - do what the inode's shift fields say is left of a shift
 * @inode: the file; its cluster lock and invalidate_lock are held exclusively, or
 *	nobody else knows it yet
 *
 * A failure shuts the mount down: the file must not be seen as it is, and the next mount
 * can go on.
 */
int sffs_shift_finish(struct inode *inode)
{
	struct sffs_inode_info *si = SFFS_I(inode);
	int err;

	if (si->shift_by < 0)
		err = sffs_map_punch(inode, si->shift_from + si->shift_by, si->shift_from);
	else
		err = sffs_map_cut(inode, si->shift_from);
	err = err ?: sffs_map_shift(inode) ?: sffs_shift_end(inode);
	if (err)
		sffs_shutdown(inode->i_sb, "a collapse or insert could not be finished");
	return err;
}

static int sffs_falloc_collapse(struct inode *inode, const struct sffs_span *r)
{
	int err;

	if ((r->start | r->end) & (SFFS_BLOCK_SIZE - 1) || r->end >= i_size_read(inode))
		return -EINVAL;
	err = sffs_falloc_drop_cache(inode, r->start);
	if (!err)
		err = sffs_shift_begin(inode, r->last, (s64)r->first - (s64)r->last,
				       i_size_read(inode));
	return err ?: sffs_shift_finish(inode);
}

static int sffs_falloc_insert(struct inode *inode, const struct sffs_span *r)
{
	loff_t size = i_size_read(inode), len = r->end - r->start;
	int err;

	if ((r->start | r->end) & (SFFS_BLOCK_SIZE - 1) || r->start >= size)
		return -EINVAL;
	if (len > inode->i_sb->s_maxbytes - size)
		return -EFBIG;
	/* Nothing may be converted before the place either: that could join what is cut here. */
	err = filemap_write_and_wait(inode->i_mapping);
	if (!err)
		err = sffs_falloc_drop_cache(inode, r->start);
	if (!err)
		err = sffs_map_punch(inode, DIV_ROUND_UP_ULL(size, SFFS_BLOCK_SIZE),
				     SFFS_MAX_FILE_BLOCKS);
	if (!err)
		err = sffs_shift_begin(inode, r->first, r->last - r->first, size + len);
	return err ?: sffs_shift_finish(inode);
}

static int sffs_falloc_mode(struct inode *inode, int mode, const struct sffs_span *r)
{
	switch (mode & ~FALLOC_FL_KEEP_SIZE) {
	case 0:
		return sffs_falloc_alloc(inode, mode, r);
	case FALLOC_FL_PUNCH_HOLE:
		return sffs_falloc_punch(inode, r);
	case FALLOC_FL_ZERO_RANGE:
		return sffs_falloc_zero(inode, mode, r);
	case FALLOC_FL_COLLAPSE_RANGE:
		return sffs_falloc_collapse(inode, r);
	case FALLOC_FL_INSERT_RANGE:
		return sffs_falloc_insert(inode, r);
	}
	return -EOPNOTSUPP;
}

long sffs_fallocate(struct file *file, int mode, loff_t offset, loff_t len)
{
	struct inode *inode = file_inode(file);
	struct sffs_inode_info *si = SFFS_I(inode);
	struct sffs_span r = sffs_make_span(offset, len);
	int err;

	if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE |
		     FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE))
		return -EOPNOTSUPP;
	inode_lock(inode);
	err = sffs_lock(&si->lock, SFFS_LOCK_EXCLUSIVE);
	if (err)
		goto unlock_inode;
	inode_dio_wait(inode);
	err = file_modified(file);
	if (err)
		goto unlock;
	if (!(mode & FALLOC_FL_KEEP_SIZE) && !(mode & FALLOC_FL_COLLAPSE_RANGE) &&
	    r.end > i_size_read(inode))
		err = inode_newsize_ok(inode, r.end);
	if (err)
		goto unlock;
	filemap_invalidate_lock(inode->i_mapping);
	/* What is allocated here stays, so it must not be taken for mapped ahead. */
	err = i_size_read(inode) ? sffs_inline_end_locked(inode) : 0;
	err = err ?: sffs_drop_ahead(inode) ?: sffs_finish_cut(inode) ?:
	      sffs_falloc_mode(inode, mode, &r);
	filemap_invalidate_unlock(inode->i_mapping);
	if (!err && (file->f_flags & O_DSYNC || IS_SYNC(inode)))
		err = sffs_sync_inode(inode, false);
unlock:
	sffs_unlock(&si->lock, SFFS_LOCK_EXCLUSIVE);
unlock_inode:
	inode_unlock(inode);
	return err;
}
