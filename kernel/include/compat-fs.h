/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What compat.h is for the whole suite, for the interfaces that only a
 * filesystem and its block device use. Same rule: code is written as for the
 * newest kernel, and nothing else tests the ASV_HAVE_ flags.
 */
#ifndef _ASV_COMPAT_FS_H
#define _ASV_COMPAT_FS_H

#include <linux/blkdev.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/iomap.h>
#include <linux/jbd2.h>
#include <linux/posix_acl.h>
#include <linux/uuid.h>

/* ---- VFS ---- */

#ifndef ASV_HAVE_MNT_IDMAP
#define mnt_idmap	user_namespace
#define nop_mnt_idmap	init_user_ns
#define file_mnt_idmap	file_mnt_user_ns
#define generic_fillattr(idmap, mask, inode, stat) generic_fillattr(idmap, inode, stat)
#define posix_acl_chmod(idmap, dentry, mode) posix_acl_chmod(idmap, d_inode(dentry), mode)
#endif

#ifndef ASV_HAVE_INODE_TIMES
static inline struct timespec64 inode_get_atime(const struct inode *inode)
{
	return inode->i_atime;
}

static inline struct timespec64 inode_get_mtime(const struct inode *inode)
{
	return inode->i_mtime;
}

static inline struct timespec64 inode_set_atime_to_ts(struct inode *inode,
						      struct timespec64 ts)
{
	inode->i_atime = ts;
	return ts;
}

static inline struct timespec64 inode_set_mtime_to_ts(struct inode *inode,
						      struct timespec64 ts)
{
	inode->i_mtime = ts;
	return ts;
}
#endif

/* What the set_acl inode operation gets: the dentry, or on older kernels the inode. */
#ifdef ASV_HAVE_GET_INODE_ACL
#define asv_acl_target		struct dentry

static inline struct inode *asv_acl_inode(asv_acl_target *target)
{
	return d_inode(target);
}

#define ASV_ACL_OPS(get, set)	.get_inode_acl = get, .set_acl = set
#define ASV_ACL_HANDLERS
#else
#include <linux/posix_acl_xattr.h>
#define asv_acl_target		struct inode

static inline struct inode *asv_acl_inode(asv_acl_target *target)
{
	return target;
}

#define ASV_ACL_OPS(get, set)	.get_acl = get, .set_acl = set
#define ASV_ACL_HANDLERS	&posix_acl_access_xattr_handler, &posix_acl_default_xattr_handler,
#endif

#ifdef ASV_HAVE_XATTR_TABLE_CONST
#define ASV_XATTR_TABLE		const struct xattr_handler * const
#else
#define ASV_XATTR_TABLE		const struct xattr_handler *
#endif

#ifndef ASV_HAVE_FILEMAP_SPLICE
#define filemap_splice_read	generic_file_splice_read
#endif

#ifndef ASV_HAVE_SUPER_SET_UUID
static inline void super_set_uuid(struct super_block *sb, const u8 *uuid, unsigned int len)
{
	memcpy(&sb->s_uuid, uuid, min_t(unsigned int, len, sizeof(sb->s_uuid)));
}
#endif

#ifdef ASV_HAVE_LOCK_IS_UNLOCK
#include <linux/filelock.h>
#else
static inline bool lock_is_unlock(struct file_lock *fl)
{
	return fl->fl_type == F_UNLCK;
}
#endif

/* ---- iomap ---- */

#ifndef ASV_HAVE_IOMAP_DIRTY_FOLIO
#define iomap_dirty_folio	filemap_dirty_folio
#endif

/* Older kernels leave it to the caller to move ki_pos on; doing so again is harmless. */
static inline ssize_t asv_iomap_buffered_write(struct kiocb *iocb, struct iov_iter *from,
					       const struct iomap_ops *ops)
{
	loff_t pos = iocb->ki_pos;
#ifdef ASV_HAVE_IOMAP_WRITE_PRIVATE
	ssize_t ret = iomap_file_buffered_write(iocb, from, ops, NULL);
#else
	ssize_t ret = iomap_file_buffered_write(iocb, from, ops);
#endif

	if (ret > 0)
		iocb->ki_pos = pos + ret;
	return ret;
}

#ifdef ASV_HAVE_IOMAP_MAP_LEN
#define ASV_MAP_BLOCKS_ARGS \
	struct iomap_writepage_ctx *wpc, struct inode *inode, loff_t offset, unsigned int len
static inline struct bio *asv_ioend_bio(struct iomap_ioend *ioend)
{
	return &ioend->io_bio;
}

#define asv_bio_ioend(bio)	iomap_ioend_from_bio(bio)
#else
#define ASV_MAP_BLOCKS_ARGS \
	struct iomap_writepage_ctx *wpc, struct inode *inode, loff_t offset
static inline struct bio *asv_ioend_bio(struct iomap_ioend *ioend)
{
	return ioend->io_bio;
}

#define asv_bio_ioend(bio)	((struct iomap_ioend *)(bio)->bi_private)
#endif

#ifndef ASV_HAVE_IOMAP_FOLIO_OPS
#define iomap_folio_ops		iomap_page_ops
#define folio_ops		page_ops
#endif

#ifdef ASV_HAVE_ERROR_REMOVE_FOLIO
#define ASV_ERROR_REMOVE_FOLIO	.error_remove_folio = generic_error_remove_folio
#else
#define ASV_ERROR_REMOVE_FOLIO	.error_remove_page = generic_error_remove_page
#endif

/* ---- jbd2: an older one answers NULL where the newer has an error pointer ---- */

static inline journal_t *asv_journal_init_dev(struct block_device *bdev, u64 start, int len,
					      int blocksize)
{
	journal_t *journal = jbd2_journal_init_dev(bdev, bdev, start, len, blocksize);

	return journal ?: ERR_PTR(-EINVAL);
}

/* ---- Block devices ---- */

/**
 * struct asv_bdev - a block device that is held open
 * @bdev: the device
 * @file: how it is held, where the kernel has files for that
 * @holder: exclusive holder, or NULL
 */
struct asv_bdev {
	struct block_device *bdev;
#ifdef ASV_HAVE_BDEV_FILE
	struct file *file;
#endif
	void *holder;
	bool write;
};

static inline int asv_bdev_open(struct asv_bdev *b, dev_t dev, bool write, void *holder)
{
#ifdef ASV_HAVE_BDEV_FILE
	b->file = bdev_file_open_by_dev(dev, BLK_OPEN_READ | (write ? BLK_OPEN_WRITE : 0),
					holder, NULL);
	if (IS_ERR(b->file)) {
		int err = PTR_ERR(b->file);

		b->file = NULL;
		return err;
	}
	b->bdev = file_bdev(b->file);
#else
	struct block_device *bdev = blkdev_get_by_dev(dev, FMODE_READ |
						      (write ? FMODE_WRITE : 0) |
						      (holder ? FMODE_EXCL : 0), holder);

	if (IS_ERR(bdev))
		return PTR_ERR(bdev);
	b->bdev = bdev;
#endif
	b->holder = holder;
	b->write = write;
	return 0;
}

/* The device is closed when this returns, not by task work later. */
static inline void asv_bdev_close(struct asv_bdev *b)
{
	if (!b->bdev)
		return;
#ifdef ASV_HAVE_BDEV_FILE
	__fput_sync(b->file);
	b->file = NULL;
#else
	blkdev_put(b->bdev, FMODE_READ | (b->write ? FMODE_WRITE : 0) |
			    (b->holder ? FMODE_EXCL : 0));
#endif
	b->bdev = NULL;
}

static inline int asv_bdev_set_blocksize(struct asv_bdev *b, int size)
{
#ifdef ASV_HAVE_BDEV_FILE
	return set_blocksize(b->file, size);
#else
	return set_blocksize(b->bdev, size);
#endif
}

/* A bio-based disk with the limits of @lower. */
static inline struct gendisk *asv_stacked_disk(struct block_device *lower, const char *name)
{
	struct gendisk *disk;
#ifdef ASV_HAVE_QUEUE_LIMITS_ARG
	struct queue_limits lim;

	blk_set_stacking_limits(&lim);
	lim.features |= BLK_FEAT_IO_STAT | BLK_FEAT_NOWAIT;
	queue_limits_stack_bdev(&lim, lower, 0, name);
	disk = blk_alloc_disk(&lim, NUMA_NO_NODE);
#else
	disk = blk_alloc_disk(NUMA_NO_NODE);
	if (!disk)
		return ERR_PTR(-ENOMEM);
	blk_set_stacking_limits(&disk->queue->limits);
	disk_stack_limits(disk, lower, 0);
	blk_queue_write_cache(disk->queue, bdev_write_cache(lower), bdev_fua(lower));
	blk_queue_flag_set(QUEUE_FLAG_NOWAIT, disk->queue);
	blk_queue_flag_set(QUEUE_FLAG_IO_STAT, disk->queue);
#endif
	return disk;
}

#ifdef ASV_HAVE_BLK_MODE_T
#define ASV_DISK_OPEN_ARGS	struct gendisk *disk, blk_mode_t mode
#define ASV_DISK_RELEASE_ARGS	struct gendisk *disk
#define ASV_DISK_OPENED		disk
#else
#define ASV_DISK_OPEN_ARGS	struct block_device *bdev, fmode_t mode
#define ASV_DISK_RELEASE_ARGS	struct gendisk *disk, fmode_t mode
#define ASV_DISK_OPENED		(bdev->bd_disk)
#endif

#endif /* _ASV_COMPAT_FS_H */
