// SPDX-License-Identifier: GPL-2.0-only
/*
 * What memory has of a lock's resource, when the lock is given up and taken again.
 *
 * Whoever gives a lock up (the lock manager, or lose.c for tests) first keeps new users
 * away and waits for those there are, then calls, one after the other:
 *
 *   sffs_cache_unmap()  a store through a mapping has to ask for the lock again
 *   sffs_cache_flush()  what was changed goes to where others read it; needed only if the
 *                       lock was held exclusively
 *   sffs_cache_drop()   nothing in memory counts any more; this may be left until the lock
 *                       comes back, and is left out if nobody had it exclusively meanwhile
 *
 * and may let another host have it. sffs_lock() calls sffs_cache_fill() when it was granted a
 * lock that is stale, so that no user ever sees what is.
 *
 * sffs_cache_flush() waits for data of an inode, whose completion takes the locks of
 * groups. So it may not be that the locks of inodes keep those of groups from being given up:
 * a lock manager has a worker for each of these two kinds, at least.
 *
 * A metadata block counts if it was read or written in this period of its lock, which
 * sffs_lock.known tells. A buffer that is up to date proves nothing: its block may have been
 * freed here, and written elsewhere since. One that this node's journal has is newer than the
 * disk, and a lock is not given up before the journal is empty.
 *
 * Cached dentries are in dentry.c.
 */
#include <linux/pagemap.h>
#include <linux/posix_acl.h>
#include <linux/security.h>
#include <linux/wait_bit.h>

#include "sffs.h"

static struct inode *sffs_lock_inode(struct sffs_lock *lock)
{
	return &container_of(lock, struct sffs_inode_info, lock)->vfs;
}

static struct sffs_group_info *sffs_lock_group(struct sffs_lock *lock)
{
	return container_of(lock, struct sffs_group_info, lock);
}

/* ---- Metadata blocks ---- */

/**
 * sffs_cache_know() - a block of a resource is true in memory from now on
 * @lock: the lock of the resource, in use; NULL for blocks that only this node's slot has
 * @block: the block
 *
 * Context: may sleep, also under a handle and a buffer's lock.
 */
void sffs_cache_know(struct sffs_lock *lock, u64 block)
{
	if (lock && lock->sbi->shared)
		xa_store(&lock->known, block, xa_mk_value(1), GFP_NOFS | __GFP_NOFAIL);
}

/**
 * sffs_cache_known() - does what a buffer has count?
 * @lock: the lock of the resource, in use; NULL for blocks that only this node's slot has
 * @bh: the buffer
 *
 * A block that is known but not up to date is being read, or could not be.
 */
bool sffs_cache_known(struct sffs_lock *lock, struct buffer_head *bh)
{
	if (lock && lock->sbi->shared) {
		if (!xa_load(&lock->known, bh->b_blocknr))
			return false;
		smp_rmb();	/* who makes it known has made it out of date before */
	}
	return buffer_uptodate(bh);
}

/* ---- Giving up ---- */

/**
 * sffs_cache_commit() - bring home what this node's journal has
 * @sbi: the mount
 *
 * Afterwards no replay of the journal writes any block of a lock that was not used since.
 *
 * Context: waits for the journal; no handle and no folio lock may be held.
 * Return: 0 or an error of the journal, after which no lock may be given up.
 */
int sffs_cache_commit(struct sffs_sb_info *sbi)
{
	int err;

	if (!sbi->journal)
		return 0;
	jbd2_journal_lock_updates(sbi->journal);
	err = jbd2_journal_flush(sbi->journal, 0);
	jbd2_journal_unlock_updates(sbi->journal);
	return err;
}

/* Times that are only in memory, and blocks that were mapped ahead of an appending writer. */
static void sffs_flush_fields(struct inode *inode)
{
	if (inode->i_state & I_DIRTY_TIME)
		sffs_store_fields(inode);
	if (SFFS_I(inode)->ahead_end) {
		filemap_invalidate_lock(inode->i_mapping);
		sffs_drop_ahead(inode);
		filemap_invalidate_unlock(inode->i_mapping);
	}
}

/**
 * sffs_cache_flush() - bring what was changed under a lock to where others read it
 * @lock: a lock without users, and none can come; held exclusively
 *
 * An error of a file's data is left for fsync(2) to report.
 *
 * Context: waits for data, direct I/O and the journal; takes no i_rwsem and ends no inode. No
 * handle and no folio lock may be held.
 * Return: 0 or an error, after which the lock may not be given up: the caller shuts the
 * mount down.
 */
int sffs_cache_flush(struct sffs_lock *lock)
{
	struct inode *inode;
	int err = 0;

	switch (lock->type) {
	case SFFS_LOCKT_INODE:
		inode = sffs_lock_inode(lock);
		if (!SFFS_I(inode)->bh)
			break;
		inode_dio_wait(inode);
		filemap_write_and_wait(inode->i_mapping);
		sffs_flush_fields(inode);
		break;
	case SFFS_LOCKT_GROUP:
		/* Stale buffers of what was freed are dropped before others use the blocks. */
		if (lock->sbi->journal)
			err = sffs_commit_freed(lock->sbi);
		break;
	}
	err = err ?: sffs_cache_commit(lock->sbi);
	if (!err)
		clear_bit(SFFS_CACHE_DIRTY, &lock->cache);
	return err;
}

/**
 * sffs_cache_unmap() - from now on all who want what is cached ask for the lock
 * @lock: a lock without users, and none can come
 *
 * Those who look without a use, at names and attributes, and those who load and store through
 * a mapping.
 */
void sffs_cache_unmap(struct sffs_lock *lock)
{
	set_bit(SFFS_CACHE_AWAY, &lock->cache);
	/* Who looks without a use sees it before the mappings, and the lock, are gone. */
	smp_mb__after_atomic();
	if (lock->type == SFFS_LOCKT_FIXED && lock->number == SFFS_FIXED_SUPER)
		sffs_follow_lost(lock->sbi);
	if (lock->type == SFFS_LOCKT_INODE)
		unmap_mapping_pages(sffs_lock_inode(lock)->i_mapping, 0, 0, false);
}

static void sffs_drop_inode_cache(struct inode *inode)
{
	struct sffs_inode_info *si = SFFS_I(inode);

	inode_dio_wait(inode);	/* reads, if there was nothing to be flushed */
	/* What is dirty now was made so by who pinned a page of it, without the lock. */
	if (invalidate_inode_pages2(inode->i_mapping))
		truncate_inode_pages(inode->i_mapping, 0);
	forget_all_cached_acls(inode);
	security_inode_invalidate_secctx(inode);
	WRITE_ONCE(si->map_seq, si->map_seq + 1);
	si->ahead_end = 0;
}

/**
 * sffs_cache_drop() - forget what is cached under a lock
 * @lock: a lock without users, and none can come; flushed if it was held exclusively
 *
 * Context: waits for folio locks and for direct I/O that reads.
 */
void sffs_cache_drop(struct sffs_lock *lock)
{
	WRITE_ONCE(lock->period, atomic_long_inc_return(&lock->sbi->periods));
	set_bit(SFFS_CACHE_STALE, &lock->cache);
	switch (lock->type) {
	case SFFS_LOCKT_INODE:
		sffs_drop_inode_cache(sffs_lock_inode(lock));
		break;
	case SFFS_LOCKT_FIXED:
		if (lock->number == SFFS_FIXED_QUOTA)
			sffs_quota_forget(lock->sbi->sb);
		break;
	}
	xa_destroy(&lock->known);
}

/* ---- Taking again ---- */

static int sffs_fill(struct sffs_lock *lock)
{
	/* What was read without the lock, or by a fill that failed. */
	xa_destroy(&lock->known);
	switch (lock->type) {
	case SFFS_LOCKT_INODE:
		return sffs_reload_inode(sffs_lock_inode(lock));
	case SFFS_LOCKT_GROUP:
		return sffs_group_reload(sffs_lock_group(lock));
	case SFFS_LOCKT_FIXED:
		if (lock->number == SFFS_FIXED_SUPER)
			return sffs_super_reload(lock->sbi);
		if (lock->number == SFFS_FIXED_QUOTA)
			return sffs_quota_reload(lock->sbi->sb);
		break;
	}
	return 0;
}

/**
 * sffs_cache_fill() - read what a lock covers again
 * @lock: a lock that was granted, with the caller counted as a user, and was stale
 *
 * Any number of users may come at once; one reads and the others wait for it.
 *
 * Context: reads the device; no folio lock may be held.
 * Return: 0, -ESTALE if the inode is gone, -EBUSY if it is a file that a dead host has left
 * half shifted, or an error; then the caller is no user any more once it has ended the use, and
 * the lock stays stale.
 */
int sffs_cache_fill(struct sffs_lock *lock)
{
	int err = 0;

	wait_on_bit_lock(&lock->cache, SFFS_CACHE_FILLING, TASK_UNINTERRUPTIBLE);
	if (test_bit(SFFS_CACHE_DEAD, &lock->cache)) {
		err = -ESTALE;
	} else {
		if (test_bit(SFFS_CACHE_STALE, &lock->cache))
			err = sffs_fill(lock);
		if (err == -ESTALE)
			set_bit(SFFS_CACHE_DEAD, &lock->cache);
		if (!err) {
			clear_bit(SFFS_CACHE_AWAY, &lock->cache);
			clear_bit_unlock(SFFS_CACHE_STALE, &lock->cache);
			if (test_bit(SFFS_CACHE_HALF, &lock->cache) &&
			    current != lock->sbi->adopt_task)
				err = -EBUSY;
		}
	}
	clear_and_wake_up_bit(SFFS_CACHE_FILLING, &lock->cache);
	return err;
}
