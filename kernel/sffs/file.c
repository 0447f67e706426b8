// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reading, writing, mapping and syncing files.
 *
 * User memory is touched neither under a cluster lock nor under a handle: I/O runs
 * with page faults off, and what could not be copied is faulted in after the
 * lock has been dropped, then the rest is done. The memory may be a mapping of
 * this very file, or of one that another node waits for. Direct I/O that gets no
 * further all the same copies: memory that is shared since a fork(2) can be read, but
 * not pinned without a fault.
 */
#include <linux/fs.h>
#include <linux/falloc.h>
#include <linux/pagemap.h>
#include <linux/uio.h>

#include "sffs.h"

/* Bytes that are faulted in before the next try; grows while faults go on. */
#define SFFS_FAULT_WINDOW	SZ_256K

/* After a partial result: fault in what comes next; false if that cannot be had. */
static bool sffs_fault_in(struct iov_iter *iter, bool write_to_user)
{
	size_t window = min_t(size_t, iov_iter_count(iter), SFFS_FAULT_WINDOW);
	size_t left;

	if (!window || fatal_signal_pending(current))
		return false;
	left = write_to_user ? fault_in_iov_iter_writeable(iter, window) :
			       fault_in_iov_iter_readable(iter, window);
	return left < window;
}

/* ---- Reading ---- */

static ssize_t sffs_direct_read(struct kiocb *iocb, struct iov_iter *to, ssize_t done)
{
	ssize_t ret;

	to->nofault = true;
	ret = iomap_dio_rw(iocb, to, &sffs_iomap_ops, NULL, IOMAP_DIO_PARTIAL, NULL, done);
	to->nofault = false;
	return ret;
}

static ssize_t sffs_buffered_read(struct kiocb *iocb, struct iov_iter *to)
{
	ssize_t ret;

	pagefault_disable();
	ret = filemap_read(iocb, to, 0);
	pagefault_enable();
	return ret;
}

static int sffs_lock_iocb(struct kiocb *iocb, struct sffs_lock *lock, enum sffs_lock_mode mode)
{
	if (!(iocb->ki_flags & IOCB_NOWAIT))
		return sffs_lock(lock, mode);
	return sffs_trylock(lock, mode) ? 0 : -EAGAIN;
}

static int sffs_rwsem_iocb(struct kiocb *iocb, struct inode *inode, bool shared)
{
	if (iocb->ki_flags & IOCB_NOWAIT) {
		if (shared ? inode_trylock_shared(inode) : inode_trylock(inode))
			return 0;
		return -EAGAIN;
	}
	if (shared)
		inode_lock_shared(inode);
	else
		inode_lock(inode);
	return 0;
}

/*
 * Direct I/O that is still under way when the lock is dropped here is counted in
 * i_dio_count, which whoever gives up the file's lock waits for.
 */
static ssize_t sffs_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct inode *inode = file_inode(iocb->ki_filp);
	struct sffs_inode_info *si = SFFS_I(inode);
	bool direct = iocb->ki_flags & IOCB_DIRECT && sffs_format(inode) != SFFS_FMT_INLINE;
	ssize_t done = 0, ret;
	unsigned int stuck = 0;

	if (!iov_iter_count(to))
		return 0;
	do {
		size_t before = iov_iter_count(to);

		ret = direct ? sffs_rwsem_iocb(iocb, inode, true) : 0;
		if (ret)
			break;
		ret = sffs_lock_iocb(iocb, &si->lock, SFFS_LOCK_SHARED);
		if (!ret) {
			ret = direct ? sffs_direct_read(iocb, to, done) :
				       sffs_buffered_read(iocb, to);
			sffs_unlock(&si->lock, SFFS_LOCK_SHARED);
		}
		if (direct)
			inode_unlock_shared(inode);
		if (direct) {
			/* iomap adds what was done before. */
			if (ret > 0)
				done = ret;
		} else if (ret > 0) {
			done += ret;
		}
		if (ret == -EIOCBQUEUED)
			return ret;
		if (ret < 0 && ret != -EFAULT)
			break;
		if (ret >= 0 && (!ret || !iov_iter_count(to)))
			break;
		/* Short without a fault: the end of the file. */
		if (ret > 0 && before - iov_iter_count(to) && iocb->ki_pos >= i_size_read(inode))
			break;
		if (iocb->ki_flags & IOCB_NOWAIT) {
			ret = -EAGAIN;
			break;
		}
		if (before == iov_iter_count(to) && stuck++)
			direct = false;
	} while (sffs_fault_in(to, true));
	if (direct)
		file_accessed(iocb->ki_filp);
	return done ?: ret;
}

static ssize_t sffs_splice_read(struct file *in, loff_t *pos, struct pipe_inode_info *pipe,
				size_t len, unsigned int flags)
{
	struct sffs_inode_info *si = SFFS_I(file_inode(in));
	ssize_t ret = sffs_lock(&si->lock, SFFS_LOCK_SHARED);

	if (ret)
		return ret;
	ret = filemap_splice_read(in, pos, pipe, len, flags);
	sffs_unlock(&si->lock, SFFS_LOCK_SHARED);
	return ret;
}

/* ---- Writing ---- */

static int sffs_dio_write_end(struct kiocb *iocb, ssize_t size, int error, unsigned int flags)
{
	struct inode *inode = file_inode(iocb->ki_filp);
	loff_t pos = iocb->ki_pos;
	int err = error;

	if (err || size <= 0)
		return err;
	if (flags & IOMAP_DIO_UNWRITTEN)
		err = sffs_map_convert(inode, pos >> SFFS_BLOCK_SHIFT,
				       DIV_ROUND_UP_ULL(pos + size, SFFS_BLOCK_SIZE), false);
	if (!err && pos + size > i_size_read(inode)) {
		i_size_write(inode, pos + size);
		mark_inode_dirty(inode);
	}
	return err;
}

static const struct iomap_dio_ops sffs_dio_write_ops = {
	.end_io = sffs_dio_write_end,
};

/* What is behind the end must read as zeros if the write makes the file longer. */
static int sffs_before_write(struct kiocb *iocb, struct iov_iter *from)
{
	struct inode *inode = file_inode(iocb->ki_filp);
	int err = 0;

	if (unlikely(SFFS_I(inode)->orphan) &&
	    iocb->ki_pos + iov_iter_count(from) > i_size_read(inode)) {
		filemap_invalidate_lock(inode->i_mapping);
		err = sffs_finish_cut(inode);
		filemap_invalidate_unlock(inode->i_mapping);
	}
	return err ?: sffs_zero_tail(inode, iocb->ki_pos);
}

static ssize_t sffs_direct_write(struct kiocb *iocb, struct iov_iter *from, bool exclusive,
				 ssize_t done)
{
	struct inode *inode = file_inode(iocb->ki_filp);
	unsigned int flags = IOMAP_DIO_PARTIAL;
	ssize_t ret;

	if (sffs_format(inode) == SFFS_FMT_INLINE && i_size_read(inode)) {
		ret = iocb->ki_flags & IOCB_NOWAIT ? -EAGAIN : sffs_inline_end(inode);
		if (ret)
			return ret;
	}
	if (exclusive) {
		ret = sffs_before_write(iocb, from);
		if (ret)
			return ret;
		/* Unaligned or behind the end: alone, and done on return. */
		inode_dio_wait(inode);
		flags |= IOMAP_DIO_FORCE_WAIT;
	}
	from->nofault = true;
	ret = iomap_dio_rw(iocb, from, &sffs_write_iomap_ops, &sffs_dio_write_ops, flags, NULL,
			   done);
	from->nofault = false;
	return ret;
}

static ssize_t sffs_buffered_write(struct kiocb *iocb, struct iov_iter *from)
{
	ssize_t ret = sffs_inline_write(iocb, from);

	if (ret)
		return ret;
	ret = sffs_before_write(iocb, from);
	if (ret)
		return ret;
	pagefault_disable();
	ret = asv_iomap_buffered_write(iocb, from, &sffs_write_iomap_ops);
	pagefault_enable();
	return ret;
}

/*
 * Must a direct write exclude others? Then it also may extend the file, or take away what a
 * write takes away from a file: capabilities, set-user-ID.
 */
static bool sffs_dio_exclusive(struct inode *inode, struct kiocb *iocb, struct iov_iter *from)
{
	loff_t end = iocb->ki_pos + iov_iter_count(from);

	return ((iocb->ki_pos | end) & (SFFS_BLOCK_SIZE - 1)) || end > i_size_read(inode) ||
	       (iocb->ki_flags & IOCB_APPEND) || !IS_NOSEC(inode);
}

/* Checks, and one try, under i_rwsem and the cluster lock. */
static ssize_t sffs_write_locked(struct kiocb *iocb, struct iov_iter *from, bool direct,
				 bool exclusive, ssize_t done)
{
	ssize_t ret;

	/* Others have appended while no lock was held: the rest would not go to the end. */
	if (done && (iocb->ki_flags & IOCB_APPEND) &&
	    iocb->ki_pos != i_size_read(file_inode(iocb->ki_filp)))
		return 0;
	if (!done) {
		ret = generic_write_checks(iocb, from);
		if (ret <= 0)
			return ret;
		ret = kiocb_modified(iocb);
		if (ret)
			return ret;
	}
	if (direct)
		return sffs_direct_write(iocb, from, exclusive, done);
	return sffs_buffered_write(iocb, from);
}

static ssize_t sffs_write_once(struct kiocb *iocb, struct iov_iter *from, bool direct,
			       ssize_t done)
{
	struct inode *inode = file_inode(iocb->ki_filp);
	struct sffs_inode_info *si = SFFS_I(inode);
	bool exclusive, again = false;
	ssize_t ret;

retry:
	exclusive = !direct || again || sffs_dio_exclusive(inode, iocb, from);
	again = false;
	ret = sffs_rwsem_iocb(iocb, inode, !exclusive);
	if (ret)
		return ret;
	if (!exclusive && sffs_dio_exclusive(inode, iocb, from)) {
		/* The file changed before it was locked. */
		inode_unlock_shared(inode);
		if (iocb->ki_flags & IOCB_NOWAIT)
			return -EAGAIN;
		exclusive = true;
		inode_lock(inode);
	}
	ret = sffs_lock_iocb(iocb, &si->lock, SFFS_LOCK_EXCLUSIVE);
	if (!ret) {
		/* So may another host have, before the cluster lock was had. */
		again = !exclusive && sffs_dio_exclusive(inode, iocb, from);
		if (!again)
			ret = sffs_write_locked(iocb, from, direct, exclusive, done);
		sffs_unlock(&si->lock, SFFS_LOCK_EXCLUSIVE);
	}
	if (exclusive)
		inode_unlock(inode);
	else
		inode_unlock_shared(inode);
	if (again)
		goto retry;
	return ret;
}

/* What direct I/O could not do goes through the page cache and on to the disk. */
static ssize_t sffs_write_fallback(struct kiocb *iocb, struct iov_iter *from, ssize_t done)
{
	struct address_space *mapping = iocb->ki_filp->f_mapping;
	loff_t start = iocb->ki_pos;
	ssize_t ret = sffs_write_once(iocb, from, false, done);

	if (ret > 0) {
		int err = filemap_write_and_wait_range(mapping, start, start + ret - 1);

		if (err)
			return err;
		invalidate_mapping_pages(mapping, start >> PAGE_SHIFT,
					 (start + ret - 1) >> PAGE_SHIFT);
	}
	return ret;
}

static ssize_t sffs_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	bool direct = iocb->ki_flags & IOCB_DIRECT, copy = !direct;
	ssize_t done = 0, ret;
	unsigned int stuck = 0;

	if (copy && (iocb->ki_flags & IOCB_NOWAIT))
		return -EAGAIN;
	do {
		size_t before = iov_iter_count(from);

		ret = direct && copy ? -ENOTBLK : sffs_write_once(iocb, from, direct, done);
		if (ret == -EIOCBQUEUED)
			return ret;
		if (direct && ret == -ENOTBLK) {
			copy = true;
			ret = sffs_write_fallback(iocb, from, done);
		}
		if (ret > 0)
			done = copy ? done + ret : ret;
		if ((ret < 0 && ret != -EFAULT) || !iov_iter_count(from) || !ret)
			break;
		if (iocb->ki_flags & IOCB_NOWAIT) {
			ret = -EAGAIN;
			break;
		}
		if (before == iov_iter_count(from) && stuck++)
			copy = true;
	} while (sffs_fault_in(from, false));
	if (done > 0 && copy)
		return generic_write_sync(iocb, done);
	return done ?: ret;
}

/* ---- mmap ---- */

/* Give the page blocks before it is locked; nothing can take them away meanwhile. */
static int sffs_map_page(struct inode *inode, struct folio *folio)
{
	u64 block = folio_pos(folio) >> SFFS_BLOCK_SHIFT;
	u64 end = min_t(u64, (folio_pos(folio) + folio_size(folio)) >> SFFS_BLOCK_SHIFT,
			DIV_ROUND_UP_ULL(i_size_read(inode), SFFS_BLOCK_SIZE));
	int err = 0;

	while (!err && block < end) {
		struct sffs_map map;

		err = sffs_map_find(inode, block, &map);
		if (!err && !map.block)
			err = sffs_map_alloc(inode, block, min(map.count, end - block), &map);
		block += map.count;
	}
	return err;
}

/* So long a store has for itself, or two hosts that store to one page get nowhere. */
#define SFFS_KEEP_MS	20

static vm_fault_t sffs_page_mkwrite(struct vm_fault *vmf)
{
	struct inode *inode = file_inode(vmf->vma->vm_file);
	struct sffs_inode_info *si = SFFS_I(inode);
	struct folio *folio = page_folio(vmf->page);
	vm_fault_t ret = 0;
	int err;

	sb_start_pagefault(inode->i_sb);
	err = sffs_lock(&si->lock, SFFS_LOCK_EXCLUSIVE);
	if (err)
		goto end;
	sffs_lock_keep(&si->lock, SFFS_KEEP_MS);
	file_update_time(vmf->vma->vm_file);
	err = sffs_inline_end(inode);
	if (err)
		goto unlock;
	filemap_invalidate_lock_shared(inode->i_mapping);
	if (folio->mapping == inode->i_mapping)
		err = sffs_map_page(inode, folio);
	if (!err)
		ret = iomap_page_mkwrite(vmf, &sffs_write_iomap_ops);
	filemap_invalidate_unlock_shared(inode->i_mapping);
unlock:
	sffs_unlock(&si->lock, SFFS_LOCK_EXCLUSIVE);
end:
	sb_end_pagefault(inode->i_sb);
	return err ? vmf_error(err) : ret;
}

static vm_fault_t sffs_fault(struct vm_fault *vmf)
{
	struct inode *inode = file_inode(vmf->vma->vm_file);
	struct sffs_inode_info *si = SFFS_I(inode);
	vm_fault_t ret;
	int err = sffs_lock(&si->lock, SFFS_LOCK_SHARED);

	if (err)
		return vmf_error(err);
	sffs_lock_keep(&si->lock, SFFS_KEEP_MS);
	ret = filemap_fault(vmf);
	sffs_unlock(&si->lock, SFFS_LOCK_SHARED);
	return ret;
}

/* What is cached around a fault; not while the file's lock is being given up. */
static vm_fault_t sffs_map_pages(struct vm_fault *vmf, pgoff_t start, pgoff_t end)
{
	struct sffs_lock *lock = &SFFS_I(file_inode(vmf->vma->vm_file))->lock;
	vm_fault_t ret;

	if (!sffs_trylock(lock, SFFS_LOCK_SHARED))
		return 0;
	ret = filemap_map_pages(vmf, start, end);
	sffs_unlock(lock, SFFS_LOCK_SHARED);
	return ret;
}

static const struct vm_operations_struct sffs_vm_ops = {
	.fault		= sffs_fault,
	.map_pages	= sffs_map_pages,
	.page_mkwrite	= sffs_page_mkwrite,
};

static int sffs_mmap(struct file *file, struct vm_area_struct *vma)
{
	file_accessed(file);
	vma->vm_ops = &sffs_vm_ops;
	return 0;
}

/* ---- Open, close, seek, sync ---- */

/* A virtual disk that another host runs on is not opened here. */
static int sffs_open_allowed(struct inode *inode)
{
	struct sffs_lock *lock = &SFFS_I(inode)->lock;
	int err = sffs_lock(lock, SFFS_LOCK_SHARED);

	if (err)
		return err;
	err = sffs_owner_check(inode);
	sffs_unlock(lock, SFFS_LOCK_SHARED);
	return err;
}

static int sffs_file_open(struct inode *inode, struct file *file)
{
	int err;

	if (unlikely(sffs_is_shutdown(SFFS_SB(inode->i_sb))))
		return -EIO;
	err = generic_file_open(inode, file);
	if (err)
		return err;
	/* The record first: then what is found is not freed before the file is closed. */
	err = sffs_lock(&SFFS_I(inode)->open_lock, SFFS_LOCK_SHARED);
	if (err)
		return err;
	err = sffs_open_allowed(inode);
	if (err)
		sffs_unlock(&SFFS_I(inode)->open_lock, SFFS_LOCK_SHARED);
	else
		file->f_mode |= FMODE_NOWAIT | FMODE_CAN_ODIRECT;
	return err;
}

/* Blocks that were mapped ahead of an appending writer are not kept. */
static void sffs_trim_ahead(struct inode *inode)
{
	struct sffs_inode_info *si = SFFS_I(inode);

	inode_lock(inode);
	if (si->ahead_end && !sffs_lock(&si->lock, SFFS_LOCK_EXCLUSIVE)) {
		filemap_invalidate_lock(inode->i_mapping);
		sffs_drop_ahead(inode);
		filemap_invalidate_unlock(inode->i_mapping);
		sffs_unlock(&si->lock, SFFS_LOCK_EXCLUSIVE);
	}
	inode_unlock(inode);
}

static int sffs_file_release(struct inode *inode, struct file *file)
{
	struct sffs_inode_info *si = SFFS_I(inode);

	if ((file->f_mode & FMODE_WRITE) && si->ahead_end &&
	    atomic_read(&inode->i_writecount) == 1)
		sffs_trim_ahead(inode);
	sffs_unlock(&si->open_lock, SFFS_LOCK_SHARED);
	return 0;
}

static loff_t sffs_llseek(struct file *file, loff_t offset, int whence)
{
	struct inode *inode = file_inode(file);
	struct sffs_inode_info *si = SFFS_I(inode);
	loff_t ret;

	if (whence == SEEK_SET || whence == SEEK_CUR)
		return generic_file_llseek(file, offset, whence);
	inode_lock_shared(inode);
	ret = sffs_lock(&si->lock, SFFS_LOCK_SHARED);
	if (ret)
		goto unlock;
	if (whence == SEEK_DATA)
		ret = iomap_seek_data(inode, offset, &sffs_iomap_ops);
	else if (whence == SEEK_HOLE)
		ret = iomap_seek_hole(inode, offset, &sffs_iomap_ops);
	else
		ret = generic_file_llseek(file, offset, whence);
	sffs_unlock(&si->lock, SFFS_LOCK_SHARED);
unlock:
	inode_unlock_shared(inode);
	if (ret >= 0 && (whence == SEEK_DATA || whence == SEEK_HOLE))
		ret = vfs_setpos(file, ret, inode->i_sb->s_maxbytes);
	return ret;
}

static int sffs_fsync(struct file *file, loff_t start, loff_t end, int datasync)
{
	int err = file_write_and_wait_range(file, start, end);

	if (!err)
		err = sffs_sync_inode(file_inode(file), datasync);
	if (err)
		return err;
	return file_check_and_advance_wb_err(file);
}

const struct file_operations sffs_file_fops = {
	.llseek		= sffs_llseek,
	.read_iter	= sffs_read_iter,
	.write_iter	= sffs_write_iter,
	.splice_read	= sffs_splice_read,
	.splice_write	= iter_file_splice_write,
	.mmap		= sffs_mmap,
	.open		= sffs_file_open,
	.release	= sffs_file_release,
	.fsync		= sffs_fsync,
	.fallocate	= sffs_fallocate,
	.setlease	= simple_nosetlease,
	.flock		= sffs_flock,
	.lock		= sffs_record_lock,
	.unlocked_ioctl	= sffs_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
};

const struct inode_operations sffs_file_iops = {
	.permission	= sffs_permission,
	.setattr	= sffs_setattr,
	.getattr	= sffs_getattr,
	.listxattr	= sffs_listxattr,
	.fiemap		= sffs_fiemap,
	.fileattr_get	= sffs_fileattr_get,
	.fileattr_set	= sffs_fileattr_set,
	ASV_ACL_OPS(sffs_get_acl, sffs_set_acl),
};
