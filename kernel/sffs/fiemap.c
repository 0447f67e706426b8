// SPDX-License-Identifier: GPL-2.0-only
/*
 * fiemap. The caller's memory is not touched under a lock (Locks 8), so extents are
 * gathered some at a time, and handed over between: what changes meanwhile may show or not.
 */
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/iomap.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "sffs.h"

#define SFFS_FIEMAP_BATCH	64

/**
 * struct sffs_extents - some extents of a file, in order
 * @e: what they are; none is a hole
 * @n: how many
 * @next: where to look on, in bytes
 */
struct sffs_extents {
	struct iomap e[SFFS_FIEMAP_BATCH];
	unsigned int n;
	u64 next;
};

/* The extents from @extents->next up to @end, as many as there is room for. */
static int sffs_gather(struct inode *inode, struct sffs_extents *extents, u64 end)
{
	struct sffs_lock *lock = &SFFS_I(inode)->lock;
	int err;

	extents->n = 0;
	inode_lock_shared(inode);
	err = sffs_lock(lock, SFFS_LOCK_SHARED);
	if (err)
		goto unlock;
	while (extents->next < end && extents->n < SFFS_FIEMAP_BATCH && !err) {
		struct iomap *e = &extents->e[extents->n];

		memset(e, 0, sizeof(*e));
		err = sffs_iomap_ops.iomap_begin(inode, extents->next, end - extents->next,
						 IOMAP_REPORT, e, NULL);
		if (!err && e->offset + e->length <= extents->next)
			err = -EIO;
		if (!err && e->type != IOMAP_HOLE)
			extents->n++;
		extents->next = e->offset + e->length;
		if (fatal_signal_pending(current))
			err = -EINTR;
		cond_resched();
	}
	sffs_unlock(lock, SFFS_LOCK_SHARED);
unlock:
	inode_unlock_shared(inode);
	return err;
}

static int sffs_tell(struct fiemap_extent_info *info, const struct iomap *e, u32 flags)
{
	if (e->type == IOMAP_UNWRITTEN)
		flags |= FIEMAP_EXTENT_UNWRITTEN;
	else if (e->type == IOMAP_INLINE)
		flags |= FIEMAP_EXTENT_DATA_INLINE;
	return fiemap_fill_next_extent(info, e->offset,
				       e->addr == IOMAP_NULL_ADDR ? 0 : e->addr, e->length, flags);
}

/* One extent is kept back, for the last of all is marked. Return: 1 when there is no more room. */
static int sffs_tell_all(struct fiemap_extent_info *info, const struct sffs_extents *extents,
			 struct iomap *kept)
{
	unsigned int i;

	for (i = 0; i < extents->n; i++) {
		int ret = kept->length ? sffs_tell(info, kept, 0) : 0;

		if (ret)
			return ret;
		*kept = extents->e[i];
	}
	return 0;
}

/**
 * sffs_fiemap() - tell where a file's data are
 * @inode: a file or a directory that has extents
 * @info: where to
 * @start: of the range, in bytes
 * @len: of the range
 *
 * Context: takes i_rwsem and the inode's lock shared, again for each 64 extents; touches
 * user memory between. Ends early when the task is killed.
 * Return: 0 or an error.
 */
int sffs_fiemap(struct inode *inode, struct fiemap_extent_info *info, u64 start, u64 len)
{
	struct sffs_extents *extents;
	struct iomap kept = {};
	u64 end;
	int err;

	err = fiemap_prep(inode, info, start, &len, 0);
	if (err)
		return err;
	extents = kmalloc(sizeof(*extents), GFP_KERNEL);
	if (!extents)
		return -ENOMEM;
	extents->next = start;
	end = start + len;
	do {
		err = sffs_gather(inode, extents, end);
		if (!err)
			err = sffs_tell_all(info, extents, &kept);
	} while (!err && extents->next < end);
	if (!err && kept.length)
		err = sffs_tell(info, &kept, FIEMAP_EXTENT_LAST);
	kfree(extents);
	return min(err, 0);
}
