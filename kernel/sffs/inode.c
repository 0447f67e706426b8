// SPDX-License-Identifier: GPL-2.0-only
/*
 * Inodes between memory and disk: reading and checking, storing, attributes,
 * truncation, and the end of an inode.
 */
#include <linux/iversion.h>
#include <linux/posix_acl.h>
#include <linux/slab.h>
#include <linux/writeback.h>

#include "sffs.h"

static struct kmem_cache *sffs_inode_cache;

struct inode *sffs_alloc_inode(struct super_block *sb)
{
	struct sffs_inode_info *si = alloc_inode_sb(sb, sffs_inode_cache, GFP_KERNEL);

	if (!si)
		return NULL;
	si->bh = NULL;
	si->lock.res = NULL;
	si->open_lock.res = NULL;
	xa_init(&si->lock.known);
	xa_init(&si->open_lock.known);
	si->flags = 0;
	si->project = 0;
	si->map_seq = 0;
	si->parent = 0;
	si->entries = 0;
	si->ahead = 0;
	si->ahead_end = 0;
	si->shift_from = 0;
	si->shift_end = 0;
	si->shift_by = 0;
	si->orphan = 0;
	si->cut_due = false;
	si->orphan_index = 0;
	si->orphan_block = 0;
	si->xattr_block = 0;
	si->sync_tid = 0;
	si->datasync_tid = 0;
	/* Not once for all: the slab allocator tells debugobjects that it is gone. */
	INIT_WORK(&si->io_work, sffs_io_work);
	if (SFFS_SB(sb)->journal) {
		si->sync_tid = SFFS_SB(sb)->journal->j_commit_sequence;
		si->datasync_tid = si->sync_tid;
	}
	return &si->vfs;
}

void sffs_free_inode(struct inode *inode)
{
	kmem_cache_free(sffs_inode_cache, SFFS_I(inode));
}

static void sffs_inode_once(void *p)
{
	struct sffs_inode_info *si = p;

	inode_init_once(&si->vfs);
	init_rwsem(&si->tree_sem);
	init_rwsem(&si->xattr_sem);
	spin_lock_init(&si->io_lock);
	INIT_LIST_HEAD(&si->io_list);
}

int sffs_inode_cache_init(void)
{
	sffs_inode_cache = kmem_cache_create("sffs_inode", sizeof(struct sffs_inode_info), 0,
					     SLAB_RECLAIM_ACCOUNT | SLAB_ACCOUNT, sffs_inode_once);
	return sffs_inode_cache ? 0 : -ENOMEM;
}

void sffs_inode_cache_exit(void)
{
	rcu_barrier();		/* inodes are freed by RCU */
	kmem_cache_destroy(sffs_inode_cache);
}

/* ---- From disk ---- */

static void sffs_set_vfs_flags(struct inode *inode)
{
	u32 flags = SFFS_I(inode)->flags;
	unsigned int s = 0;

	if (flags & SFFS_INODE_SYNC)
		s |= S_SYNC;
	if (flags & SFFS_INODE_APPEND)
		s |= S_APPEND;
	if (flags & SFFS_INODE_IMMUTABLE)
		s |= S_IMMUTABLE;
	if (flags & SFFS_INODE_NOATIME)
		s |= S_NOATIME;
	if (flags & SFFS_INODE_DIRSYNC)
		s |= S_DIRSYNC;
	/* That there are no privileges to be removed is found out anew for what is read anew. */
	inode_set_flags(inode, s, S_SYNC | S_APPEND | S_IMMUTABLE | S_NOATIME | S_DIRSYNC |
			S_NOSEC);
}

void sffs_set_ops(struct inode *inode)
{
	sffs_set_vfs_flags(inode);
	switch (inode->i_mode & S_IFMT) {
	case S_IFREG:
		inode->i_op = &sffs_file_iops;
		inode->i_fop = &sffs_file_fops;
		inode->i_mapping->a_ops = &sffs_aops;
		break;
	case S_IFDIR:
		inode->i_op = &sffs_dir_iops;
		inode->i_fop = &sffs_dir_fops;
		break;
	case S_IFLNK:
		inode->i_op = &sffs_symlink_iops;
		inode_nohighmem(inode);
		inode->i_mapping->a_ops = &sffs_aops;
		break;
	default:
		inode->i_op = &sffs_special_iops;
		break;
	}
}

static bool sffs_format_fits(umode_t mode, u8 format, u64 size, const u8 *area)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return format == SFFS_FMT_EXTENTS ||
		       (format == SFFS_FMT_INLINE && size <= SFFS_INODE_AREA &&
			(size || !memchr_inv(area, 0, SFFS_INODE_AREA)));
	case S_IFLNK:
		return (format == SFFS_FMT_INLINE && size && size <= SFFS_INODE_AREA) ||
		       (format == SFFS_FMT_EXTENTS && size && size < SFFS_BLOCK_SIZE);
	case S_IFDIR:
		return format == SFFS_FMT_DIR_INLINE || format == SFFS_FMT_DIR_TREE;
	case S_IFCHR:
	case S_IFBLK:
	case S_IFIFO:
	case S_IFSOCK:
		return format == SFFS_FMT_NONE;
	}
	return false;
}

/* Blocks are moved only in a file that an orphan table names, up or down inside of it. */
static bool sffs_shift_sane(const struct sffs_inode *di)
{
	u64 from = le64_to_cpu(di->shift_from), end = le64_to_cpu(di->shift_end);
	s64 by = le64_to_cpu(di->shift_by);

	if (!by)
		return !from && !end;
	return S_ISREG(le32_to_cpu(di->mode)) && di->format == SFFS_FMT_EXTENTS && di->orphan &&
	       from <= SFFS_MAX_FILE_BLOCKS && end <= SFFS_MAX_FILE_BLOCKS &&
	       by > -(s64)SFFS_MAX_FILE_BLOCKS && by < (s64)SFFS_MAX_FILE_BLOCKS &&
	       (by > 0 || (from >= -by && le64_to_cpu(di->size) >= -by << SFFS_BLOCK_SHIFT));
}

static bool sffs_inode_sane(struct super_block *sb, const struct sffs_inode *di)
{
	const u32 second = NSEC_PER_SEC;

	return sffs_format_fits(le32_to_cpu(di->mode), di->format, le64_to_cpu(di->size),
				di->area) &&
	       le64_to_cpu(di->size) <= sb->s_maxbytes &&
	       le64_to_cpu(di->blocks) <= SFFS_SB(sb)->blocks &&
	       !(le32_to_cpu(di->flags) & ~SFFS_INODE_ALL) &&
	       di->orphan <= SFFS_MAX_SLOTS && (di->nlink || di->orphan) && sffs_shift_sane(di) &&
	       le32_to_cpu(di->atime_nsec) < second && le32_to_cpu(di->mtime_nsec) < second &&
	       le32_to_cpu(di->ctime_nsec) < second && le32_to_cpu(di->btime_nsec) < second;
}

static struct timespec64 sffs_time(__le64 sec, __le32 nsec)
{
	return (struct timespec64){ .tv_sec = le64_to_cpu(sec), .tv_nsec = le32_to_cpu(nsec) };
}

static void sffs_load_inode(struct inode *inode, const struct sffs_inode *di)
{
	struct sffs_inode_info *si = SFFS_I(inode);

	inode->i_mode = le32_to_cpu(di->mode);
	i_uid_write(inode, le32_to_cpu(di->uid));
	i_gid_write(inode, le32_to_cpu(di->gid));
	set_nlink(inode, le32_to_cpu(di->nlink));
	i_size_write(inode, le64_to_cpu(di->size));
	inode_set_bytes(inode, le64_to_cpu(di->blocks) << SFFS_BLOCK_SHIFT);
	inode_set_atime_to_ts(inode, sffs_time(di->atime_sec, di->atime_nsec));
	inode_set_mtime_to_ts(inode, sffs_time(di->mtime_sec, di->mtime_nsec));
	inode_set_ctime_to_ts(inode, sffs_time(di->ctime_sec, di->ctime_nsec));
	inode_set_iversion_queried(inode, le64_to_cpu(di->version));
	inode->i_generation = le32_to_cpu(di->h.generation);
	si->btime = sffs_time(di->btime_sec, di->btime_nsec);
	si->flags = le32_to_cpu(di->flags);
	si->project = le32_to_cpu(di->project);
	si->parent = le64_to_cpu(di->parent);
	si->entries = le64_to_cpu(di->entries);
	si->format = di->format;
	si->orphan = di->orphan;
	si->orphan_index = le16_to_cpu(di->orphan_index);
	si->orphan_block = le64_to_cpu(di->orphan_block);
	si->xattr_block = le64_to_cpu(di->xattr_block);
	si->shift_from = le64_to_cpu(di->shift_from);
	si->shift_end = le64_to_cpu(di->shift_end);
	si->shift_by = le64_to_cpu(di->shift_by);
	/* Only a crash leaves one that is not over. */
	if (!si->shift_by)
		clear_bit(SFFS_CACHE_HALF, &si->lock.cache);
	else if (!si->lock.sbi->local)
		set_bit(SFFS_CACHE_HALF, &si->lock.cache);
}

static void sffs_init_special(struct inode *inode, const struct sffs_inode *di)
{
	if (SFFS_I(inode)->format == SFFS_FMT_NONE)
		init_special_inode(inode, inode->i_mode,
				   MKDEV(le32_to_cpu(di->rdev_major), le32_to_cpu(di->rdev_minor)));
}

static int sffs_read_inode(struct inode *inode)
{
	struct super_block *sb = inode->i_sb;
	struct sffs_sb_info *sbi = SFFS_SB(sb);
	struct sffs_inode_info *si = SFFS_I(inode);
	u64 block = sffs_ino_block(inode->i_ino, sbi->sector_shift);
	struct buffer_head *bh;
	int err;

	if (!sffs_group_of(sbi, block))
		return -ESTALE;
	sffs_lock_init(&si->lock, sbi, SFFS_LOCKT_INODE, inode->i_ino);
	sffs_lock_init(&si->open_lock, sbi, SFFS_LOCKT_OPEN, inode->i_ino);
	/* What it leads to may not be known yet: see follow.c. */
	if (!sbi->local)
		set_bit(SFFS_CACHE_STALE, &si->lock.cache);
	err = sffs_lock(&si->lock, SFFS_LOCK_SHARED);
	if (err)
		return err;
	bh = sffs_read_any(&si->lock, block, SFFS_MAGIC_INODE);
	err = PTR_ERR_OR_ZERO(bh);
	if (err)
		goto unlock;
	if (!((struct sffs_inode *)bh->b_data)->mode) {
		brelse(bh);
		err = -ESTALE;
		goto unlock;
	}
	if (!sffs_inode_sane(sb, (struct sffs_inode *)bh->b_data)) {
		sffs_damage(sb, block, "impossible inode %lu", inode->i_ino);
		brelse(bh);
		err = -EFSCORRUPTED;
		goto unlock;
	}
	si->bh = bh;
	sffs_load_inode(inode, (struct sffs_inode *)bh->b_data);
	sffs_init_special(inode, (struct sffs_inode *)bh->b_data);
	sffs_set_ops(inode);
unlock:
	sffs_unlock(&si->lock, SFFS_LOCK_SHARED);
	return err;
}

/* The block of an inode that is in memory, as others may have left it: still the same one? */
static int sffs_check_reloaded(struct inode *inode, const struct sffs_inode *di)
{
	if (!di->mode || le32_to_cpu(di->h.generation) != inode->i_generation)
		return -ESTALE;
	if (sffs_inode_sane(inode->i_sb, di) &&
	    !((le32_to_cpu(di->mode) ^ inode->i_mode) & S_IFMT))
		return 0;
	sffs_damage(inode->i_sb, SFFS_I(inode)->bh->b_blocknr, "impossible inode %lu",
		    inode->i_ino);
	return -EFSCORRUPTED;
}

/**
 * sffs_reload_inode() - read an inode that is in memory again
 * @inode: the inode, its cluster lock held; everything cached of it has been dropped
 *
 * Return: 0, -ESTALE if it was freed, or an error.
 */
int sffs_reload_inode(struct inode *inode)
{
	struct sffs_inode_info *si = SFFS_I(inode);
	const struct sffs_inode *di;
	struct buffer_head *bh;
	int err;

	if (!si->bh)
		return 0;	/* it is about to be read */
	/* Pinned, so it is the same buffer again. */
	bh = sffs_read_any(&si->lock, si->bh->b_blocknr, SFFS_MAGIC_INODE);
	if (IS_ERR(bh))
		return PTR_ERR(bh);
	di = (struct sffs_inode *)bh->b_data;
	err = sffs_check_reloaded(inode, di);
	if (!err) {
		down_write(&si->tree_sem);
		sffs_load_inode(inode, di);
		sffs_set_vfs_flags(inode);
		up_write(&si->tree_sem);
	}
	brelse(bh);
	return err;
}

/* Where others change the volume: have what is in memory of an inode as it is on disk. */
static int sffs_refresh_inode(struct inode *inode)
{
	struct sffs_lock *lock = &SFFS_I(inode)->lock;
	int err;

	if (likely(!SFFS_SB(inode->i_sb)->shared))
		return 0;
	err = sffs_lock(lock, SFFS_LOCK_SHARED);
	if (!err)
		sffs_unlock(lock, SFFS_LOCK_SHARED);
	return err;
}

/*
 * An inode in memory was freed elsewhere: who still has it gets -ESTALE, and another one may
 * have its number. Nobody has it open, or it would not have been freed.
 */
static void sffs_inode_gone(struct inode *inode)
{
	remove_inode_hash(inode);
	sffs_lock_die(&SFFS_I(inode)->lock);
}

/* Takes the reference. Context: no handle may be held. */
void sffs_put_gone(struct inode *inode)
{
	sffs_lock_die(&SFFS_I(inode)->open_lock);
	iput(inode);
}

static int sffs_match_number(struct inode *inode, unsigned long ino, void *data)
{
	if (inode->i_ino != ino)
		return 0;
	return igrab(inode) ? 1 : -1;
}

/**
 * sffs_forget_number() - a free number is taken: who was in memory with it has gone elsewhere
 * @sb: the mount
 * @ino: the number, its cluster lock in use
 *
 * Context: a handle may be held.
 * Return: what is to be given to sffs_put_gone(), or NULL.
 */
struct inode *sffs_forget_number(struct super_block *sb, u64 ino)
{
	struct inode *inode = NULL;

	if (unlikely(SFFS_SB(sb)->shared))
		inode = find_inode_nowait(sb, ino, sffs_match_number, NULL);
	if (inode)
		sffs_inode_gone(inode);
	return inode;
}

/**
 * sffs_iget() - get an inode
 * @sb: the mount
 * @ino: its number; the caller knows, or has checked, that it is one, or was
 *
 * Return: the inode with a reference, or an error pointer; -ESTALE: it is not in use.
 */
struct inode *sffs_iget(struct super_block *sb, u64 ino)
{
	struct inode *inode;
	int err;

	for (;;) {
		inode = iget_locked(sb, ino);
		if (!inode)
			return ERR_PTR(-ENOMEM);
		if (inode->i_state & I_NEW)
			break;
		err = sffs_refresh_inode(inode);
		if (!err)
			return inode;
		/* The number has been freed elsewhere, and may be another inode's by now. */
		if (err != -ESTALE) {
			iput(inode);
			return ERR_PTR(err);
		}
		sffs_inode_gone(inode);
		sffs_put_gone(inode);
	}
	err = sffs_read_inode(inode);
	if (err) {
		iget_failed(inode);
		return ERR_PTR(err);
	}
	unlock_new_inode(inode);
	return inode;
}

/* The directory that a directory is in now; -ESTALE: it has been removed. */
int sffs_read_parent(struct inode *dir, u64 *parent)
{
	struct sffs_inode_info *si = SFFS_I(dir);
	int err = sffs_lock(&si->lock, SFFS_LOCK_SHARED);

	if (err)
		return err;
	*parent = si->parent;
	err = dir->i_nlink ? 0 : -ESTALE;
	sffs_unlock(&si->lock, SFFS_LOCK_SHARED);
	return err;
}

/* ---- To disk ---- */

static void sffs_put_time(struct timespec64 ts, __le64 *sec, __le32 *nsec)
{
	*sec = cpu_to_le64(ts.tv_sec);
	*nsec = cpu_to_le32(ts.tv_nsec);
}

/**
 * sffs_store_inode() - put an inode's fields into its block
 * @tx: running transaction
 * @inode: the inode, its cluster lock held exclusively
 */
int sffs_store_inode(struct sffs_tx *tx, struct inode *inode)
{
	struct sffs_inode_info *si = SFFS_I(inode);
	struct sffs_inode *di = sffs_raw(inode);
	int err = sffs_tx_access(tx, si->bh);

	if (err)
		return err;
	if (unlikely(SFFS_SB(inode->i_sb)->quota))
		sffs_quota_store(tx, inode, di);
	di->mode = cpu_to_le32(inode->i_mode);
	di->nlink = cpu_to_le32(inode->i_nlink);
	di->uid = cpu_to_le32(i_uid_read(inode));
	di->gid = cpu_to_le32(i_gid_read(inode));
	di->project = cpu_to_le32(si->project);
	di->flags = cpu_to_le32(si->flags);
	if (le64_to_cpu(di->size) != i_size_read(inode)) {
		di->size = cpu_to_le64(i_size_read(inode));
		si->datasync_tid = tx->handle->h_transaction->t_tid;
	}
	di->blocks = cpu_to_le64(inode_get_bytes(inode) >> SFFS_BLOCK_SHIFT);
	di->version = cpu_to_le64(inode_peek_iversion(inode));
	sffs_put_time(inode_get_atime(inode), &di->atime_sec, &di->atime_nsec);
	sffs_put_time(inode_get_mtime(inode), &di->mtime_sec, &di->mtime_nsec);
	sffs_put_time(inode_get_ctime(inode), &di->ctime_sec, &di->ctime_nsec);
	sffs_put_time(si->btime, &di->btime_sec, &di->btime_nsec);
	di->parent = cpu_to_le64(si->parent);
	di->entries = cpu_to_le64(si->entries);
	di->format = si->format;
	di->orphan = si->orphan;
	di->orphan_index = cpu_to_le16(si->orphan_index);
	di->orphan_block = cpu_to_le64(si->orphan_block);
	di->xattr_block = cpu_to_le64(si->xattr_block);
	di->shift_from = cpu_to_le64(si->shift_from);
	di->shift_end = cpu_to_le64(si->shift_end);
	di->shift_by = cpu_to_le64(si->shift_by);
	if (S_ISCHR(inode->i_mode) || S_ISBLK(inode->i_mode)) {
		di->rdev_major = cpu_to_le32(MAJOR(inode->i_rdev));
		di->rdev_minor = cpu_to_le32(MINOR(inode->i_rdev));
	}
	sffs_tx_dirty(tx, si->bh);
	si->sync_tid = tx->handle->h_transaction->t_tid;
	return 0;
}

/* Put an inode's fields into its block, in a transaction; its cluster lock is held exclusively. */
void sffs_store_fields(struct inode *inode)
{
	struct sffs_tx tx;

	sffs_tx_init(&tx, inode->i_sb);
	if (sffs_tx_start(&tx, 1))
		return;
	down_write(&SFFS_I(inode)->tree_sem);
	sffs_store_inode(&tx, inode);
	up_write(&SFFS_I(inode)->tree_sem);
	sffs_tx_stop(&tx);
}

/*
 * The VFS has changed the inode: times, and the size after a buffered write. The access time
 * may come without the cluster lock; then it is kept only if that is held exclusively.
 */
void sffs_dirty_inode(struct inode *inode, int flags)
{
	struct sffs_inode_info *si = SFFS_I(inode);

	if (flags == I_DIRTY_TIME || !si->bh || !sffs_trylock(&si->lock, SFFS_LOCK_EXCLUSIVE))
		return;
	sffs_store_fields(inode);
	sffs_unlock(&si->lock, SFFS_LOCK_EXCLUSIVE);
}

/* The journal has everything already; only a synchronous caller waits for it. */
int sffs_write_inode(struct inode *inode, struct writeback_control *wbc)
{
	journal_t *journal = SFFS_SB(inode->i_sb)->journal;

	if (wbc->sync_mode != WB_SYNC_ALL || wbc->for_sync || !journal)
		return 0;
	return jbd2_complete_transaction(journal, SFFS_I(inode)->sync_tid);
}

/**
 * sffs_sync_inode() - make an inode's changes durable
 * @inode: the inode
 * @datasync: only what is needed to read its data again
 *
 * Data has been written before; the device's cache is flushed in any case.
 */
int sffs_sync_inode(struct inode *inode, bool datasync)
{
	struct sffs_sb_info *sbi = SFFS_SB(inode->i_sb);
	tid_t tid = datasync ? SFFS_I(inode)->datasync_tid : SFFS_I(inode)->sync_tid;
	bool flush;
	int err;

	if (unlikely(sffs_is_shutdown(sbi)))
		return -EIO;
	if (!sbi->journal)
		return 0;
	flush = !jbd2_trans_will_send_data_barrier(sbi->journal, tid);
	err = jbd2_complete_transaction(sbi->journal, tid);
	if (!err && flush)
		err = blkdev_issue_flush(sbi->bdev);
	return err;
}

/* ---- Attributes ---- */

int sffs_getattr(struct mnt_idmap *idmap, const struct path *path, struct kstat *stat,
		 u32 request_mask, unsigned int query_flags)
{
	struct inode *inode = d_inode(path->dentry);
	struct sffs_sb_info *sbi = SFFS_SB(inode->i_sb);
	struct sffs_inode_info *si = SFFS_I(inode);
	int err = sffs_lock(&si->lock, SFFS_LOCK_SHARED);

	if (err)
		return err;
	stat->result_mask |= STATX_BTIME;
	stat->btime = si->btime;
	if (si->flags & SFFS_INODE_APPEND)
		stat->attributes |= STATX_ATTR_APPEND;
	if (si->flags & SFFS_INODE_IMMUTABLE)
		stat->attributes |= STATX_ATTR_IMMUTABLE;
	if (si->flags & SFFS_INODE_NODUMP)
		stat->attributes |= STATX_ATTR_NODUMP;
	stat->attributes_mask |= STATX_ATTR_APPEND | STATX_ATTR_IMMUTABLE | STATX_ATTR_NODUMP;
	generic_fillattr(idmap, request_mask, inode, stat);
	/* Programs take a file without blocks for a hole. */
	if (S_ISREG(inode->i_mode) && sffs_format(inode) == SFFS_FMT_INLINE)
		stat->blocks += DIV_ROUND_UP(stat->size, SECTOR_SIZE);
	if ((request_mask & STATX_DIOALIGN) && S_ISREG(inode->i_mode)) {
		stat->result_mask |= STATX_DIOALIGN;
		stat->dio_mem_align = bdev_dma_alignment(sbi->bdev) + 1;
		stat->dio_offset_align = bdev_logical_block_size(sbi->bdev);
	}
	sffs_unlock(&si->lock, SFFS_LOCK_SHARED);
	return 0;
}

/* Free what is behind the end; the inode is in an orphan table and leaves it. */
static int sffs_truncate_blocks(struct inode *inode)
{
	u64 first = DIV_ROUND_UP_ULL(i_size_read(inode), SFFS_BLOCK_SIZE);
	struct sffs_tx tx;
	int err, err2;

	err = sffs_map_punch(inode, first, SFFS_MAX_FILE_BLOCKS);
	if (err)
		return err;
	sffs_tx_init(&tx, inode->i_sb);
	err = sffs_tx_start(&tx, 3);
	if (err)
		return err;
	/* A file without a name stays listed until it is freed. */
	err = inode->i_nlink ? sffs_orphan_del(&tx, inode) : 0;
	down_write(&SFFS_I(inode)->tree_sem);
	err2 = sffs_store_inode(&tx, inode);
	up_write(&SFFS_I(inode)->tree_sem);
	err = err ?: err2;
	err2 = sffs_tx_stop(&tx);
	return err ?: err2;
}

/* Free the blocks behind the end of a file; its cluster lock is held exclusively. */
int sffs_truncate(struct inode *inode)
{
	if (sffs_format(inode) != SFFS_FMT_EXTENTS)
		return 0;
	return sffs_truncate_blocks(inode);
}

/* Set the new size durably before anything behind it goes. */
int sffs_set_size(struct inode *inode, loff_t size, bool orphan)
{
	struct sffs_tx tx;
	int err, err2;

	err = orphan ? sffs_orphan_room(inode->i_sb) : 0;
	if (err)
		return err;
	sffs_tx_init(&tx, inode->i_sb);
	err = sffs_tx_start(&tx, 3);
	if (err)
		return err;
	err = orphan ? sffs_orphan_add(&tx, inode) : 0;
	if (!err) {
		struct timespec64 now;

		down_write(&SFFS_I(inode)->tree_sem);
		i_size_write(inode, size);
		now = inode_set_ctime_current(inode);
		inode_set_mtime_to_ts(inode, now);
		err = sffs_store_inode(&tx, inode);
		up_write(&SFFS_I(inode)->tree_sem);
	}
	err2 = sffs_tx_stop(&tx);
	return err ?: err2;
}

/**
 * sffs_finish_cut() - before a file grows: free what a truncation has left behind the end
 * @inode: the file; i_rwsem, its cluster lock and invalidate_lock are held exclusively
 *
 * One that failed, or was cut short by a crash, has set the size and put the inode into an
 * orphan table; what it did not free must not be read again. A file without links is in a
 * table anyhow, and may have blocks behind its end that fallocate(2) put there.
 */
int sffs_finish_cut(struct inode *inode)
{
	struct sffs_inode_info *si = SFFS_I(inode);
	int err;

	if (likely(!si->orphan) || si->shift_by || (!inode->i_nlink && !si->cut_due))
		return 0;
	err = sffs_drop_ahead(inode) ?: sffs_truncate(inode);
	if (!err)
		si->cut_due = false;
	return err;
}

static int sffs_shrink(struct inode *inode, loff_t size)
{
	int err;

	/* What follows the new end in its block is zeroed where the cache may be newer. */
	err = filemap_write_and_wait_range(inode->i_mapping, size, size);
	if (!err)
		err = iomap_truncate_page(inode, size, NULL, &sffs_write_iomap_ops);
	if (!err)
		err = sffs_set_size(inode, size, true);
	if (err)
		return err;
	truncate_pagecache(inode, size);
	err = sffs_truncate_blocks(inode);
	SFFS_I(inode)->cut_due = err;
	return err;
}

/**
 * sffs_zero_tail() - before a file grows: zero what is behind its end in the last block
 * @inode: the file, i_rwsem held
 * @to: nothing from here on is to be zeroed
 *
 * A mapping may have stored there. Writeback zeroes that in the cache too, where
 * iomap_zero_range() would take an unwritten block for zero as it is.
 */
int sffs_zero_tail(struct inode *inode, loff_t to)
{
	loff_t old = i_size_read(inode);
	int err;

	if (to <= old || !(old % SFFS_BLOCK_SIZE) || sffs_format(inode) == SFFS_FMT_INLINE)
		return 0;
	err = filemap_write_and_wait_range(inode->i_mapping, old, old);
	return err ?: iomap_zero_range(inode, old, min(to, round_up(old, SFFS_BLOCK_SIZE)) - old,
				       NULL, &sffs_write_iomap_ops);
}

/*
 * Make a file longer; what is between the old end and the new reads as zeros. Context: as
 * sffs_finish_cut().
 */
int sffs_grow_size(struct inode *inode, loff_t size)
{
	loff_t old = i_size_read(inode);
	int err = sffs_finish_cut(inode) ?: sffs_zero_tail(inode, size) ?:
		  sffs_set_size(inode, size, false);

	if (!err)
		pagecache_isize_extended(inode, old, size);
	return err;
}

/**
 * sffs_drop_ahead() - give back what an appending writer mapped ahead and did not use
 * @inode: the file; i_rwsem, its cluster lock and invalidate_lock are held exclusively
 */
int sffs_drop_ahead(struct inode *inode)
{
	struct sffs_inode_info *si = SFFS_I(inode);
	u64 end = si->ahead_end;

	if (!end)
		return 0;
	si->ahead_end = 0;
	return sffs_map_punch(inode, max_t(u64, si->ahead,
					   DIV_ROUND_UP_ULL(i_size_read(inode), SFFS_BLOCK_SIZE)),
			      end);
}

static int sffs_setattr_size(struct inode *inode, loff_t size)
{
	int err;

	if (!S_ISREG(inode->i_mode))
		return -EINVAL;
	inode_dio_wait(inode);
	filemap_invalidate_lock(inode->i_mapping);
	if (sffs_format(inode) == SFFS_FMT_INLINE && size <= SFFS_INODE_AREA) {
		err = sffs_inline_set_size(inode, size);
		goto unlock;
	}
	err = sffs_inline_end_locked(inode) ?: sffs_drop_ahead(inode);
	if (!err && size > i_size_read(inode))
		err = sffs_grow_size(inode, size);
	else if (!err && size < i_size_read(inode))
		err = sffs_shrink(inode, size);
	else if (!err)
		err = sffs_map_punch(inode, DIV_ROUND_UP_ULL(size, SFFS_BLOCK_SIZE),
				     SFFS_MAX_FILE_BLOCKS);
unlock:
	filemap_invalidate_unlock(inode->i_mapping);
	return err;
}

/* Who gets the inode by chown(2) must have room for it. */
static int sffs_setattr_quota(struct mnt_idmap *idmap, struct inode *inode, struct iattr *attr)
{
	struct user_namespace *ns = i_user_ns(inode);
	kuid_t uid = inode->i_uid;
	kgid_t gid = inode->i_gid;

	if (i_uid_needs_update(idmap, attr, inode))
		uid = from_vfsuid(idmap, ns, attr->ia_vfsuid);
	if (i_gid_needs_update(idmap, attr, inode))
		gid = from_vfsgid(idmap, ns, attr->ia_vfsgid);
	if (uid_eq(uid, inode->i_uid) && gid_eq(gid, inode->i_gid))
		return 0;
	return sffs_quota_transfer(inode, from_kuid(ns, uid), from_kgid(ns, gid),
				   SFFS_I(inode)->project);
}

static int sffs_setattr_rest(struct mnt_idmap *idmap, struct inode *inode, struct iattr *attr)
{
	struct sffs_tx tx;
	int err, err2;

	err = sffs_setattr_quota(idmap, inode, attr);
	if (err)
		return err;
	sffs_tx_init(&tx, inode->i_sb);
	err = sffs_tx_start(&tx, 1);
	if (err)
		return err;
	down_write(&SFFS_I(inode)->tree_sem);
	setattr_copy(idmap, inode, attr);
	inode_inc_iversion(inode);
	err = sffs_store_inode(&tx, inode);
	up_write(&SFFS_I(inode)->tree_sem);
	err2 = sffs_tx_stop(&tx);
	return err ?: err2;
}

/* A size that stays as it is gives back what was allocated behind it. */
static bool sffs_sets_size(struct inode *inode, const struct iattr *attr)
{
	return attr->ia_valid & ATTR_SIZE &&
	       (attr->ia_size != i_size_read(inode) || sffs_format(inode) == SFFS_FMT_EXTENTS);
}

int sffs_setattr(struct mnt_idmap *idmap, struct dentry *dentry, struct iattr *attr)
{
	struct inode *inode = d_inode(dentry);
	struct sffs_inode_info *si = SFFS_I(inode);
	int err;

	err = sffs_lock(&si->lock, SFFS_LOCK_EXCLUSIVE);
	if (err)
		return err;
	err = setattr_prepare(idmap, dentry, attr);
	if (!err && (attr->ia_valid & ATTR_SIZE))
		err = sffs_owner_check(inode);
	if (!err && sffs_sets_size(inode, attr))
		err = sffs_setattr_size(inode, attr->ia_size);
	if (!err)
		err = sffs_setattr_rest(idmap, inode, attr);
	if (!err && (attr->ia_valid & ATTR_MODE))
		err = posix_acl_chmod(idmap, dentry, inode->i_mode);
	sffs_unlock(&si->lock, SFFS_LOCK_EXCLUSIVE);
	return err;
}

/* ---- The end of an inode ---- */

static int sffs_delete_inode(struct inode *inode)
{
	struct sffs_tx tx;
	int err, err2;

	if (sffs_format(inode) == SFFS_FMT_EXTENTS) {
		err = sffs_map_punch(inode, 0, SFFS_MAX_FILE_BLOCKS);
		if (err)
			return err;
	}
	err = sffs_xattr_free_all(inode);
	if (err)
		return err;
	sffs_tx_init(&tx, inode->i_sb);
	tx.urgent = true;
	err = sffs_tx_add_group(&tx, sffs_ino_chunk(inode->i_ino));
	if (err)
		return err;
	err = sffs_tx_start(&tx, 6);
	if (err)
		return err;
	err = sffs_orphan_del(&tx, inode);
	if (!err)
		err = sffs_release_inode(&tx, inode);
	if (!err) {
		err = sffs_tx_access(&tx, SFFS_I(inode)->bh);
		if (!err) {
			sffs_quota_release(&tx, inode, sffs_raw(inode));
			sffs_raw(inode)->mode = 0;
			sffs_raw(inode)->nlink = 0;
			sffs_raw(inode)->orphan = 0;
			sffs_tx_dirty(&tx, SFFS_I(inode)->bh);
		}
	}
	err2 = sffs_tx_stop(&tx);
	return err ?: err2;
}

/* An inode without links goes with the last node that has it open; -ESTALE: it has gone. */
static int sffs_delete_last(struct inode *inode)
{
	struct sffs_inode_info *si = SFFS_I(inode);
	int err = sffs_lock_urgent(&si->lock, SFFS_LOCK_EXCLUSIVE);

	if (err)
		return err;
	if (!inode->i_nlink && sffs_lock_last(&si->open_lock))
		err = sffs_delete_inode(inode);
	else if (!inode->i_nlink)
		sffs_reap_again(SFFS_SB(inode->i_sb), inode->i_ino);
	sffs_unlock(&si->lock, SFFS_LOCK_EXCLUSIVE);
	return err;
}

void sffs_evict_inode(struct inode *inode)
{
	struct sffs_inode_info *si = SFFS_I(inode);
	struct super_block *sb = inode->i_sb;
	int err;

	truncate_inode_pages_final(&inode->i_data);
	if (!inode->i_nlink && si->bh && !is_bad_inode(inode) && !sb_rdonly(sb) &&
	    !sffs_is_shutdown(SFFS_SB(sb)) && !sffs_reap_later(inode)) {
		sb_start_intwrite(sb);
		err = sffs_delete_last(inode);
		sb_end_intwrite(sb);
		if (err && err != -EIO && err != -ESTALE) {
			pr_warn("%s: inode %lu stays on the orphan list: error %d\n", sb->s_id,
				inode->i_ino, err);
			sffs_reap_again(SFFS_SB(sb), inode->i_ino);
		}
	}
	clear_inode(inode);
	/* Whoever gives the lock up just now still works for the inode. */
	sffs_lock_exit(&si->lock);
	sffs_lock_exit(&si->open_lock);
	brelse(si->bh);
	si->bh = NULL;
}
