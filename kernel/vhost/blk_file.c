// SPDX-License-Identifier: GPL-2.0-only
/* File backend: one kiocb for each request, with a bvec iterator on guest pages. */
#include <linux/fs.h>
#include <linux/falloc.h>
#include <linux/slab.h>
#include <linux/uio.h>

#include "blk.h"

/* Pages of zeroes that one write of asv_blk_file_write_zeroes() has. */
#define ASV_BLK_ZERO_PAGES	64

/* 0 or an error from what read_iter or write_iter made of the request. */
static int asv_blk_file_error(const struct asv_blk_req *req, long ret)
{
	if (likely(ret == req->bytes))
		return 0;
	if (ret < 0)
		return ret;
	/* Cut short: for want of sleep, or because the file is. */
	return req->waited ? -EIO : -EAGAIN;
}

static void asv_blk_file_complete(struct kiocb *iocb, long ret)
{
	struct asv_blk_req *req = container_of(iocb, struct asv_blk_req, iocb);

	req->deferred = asv_dio_deferred(iocb);
	asv_blk_done(req, req->deferred ? 0 : asv_blk_file_error(req, ret));
}

/* Keep the filesystem from being frozen until the write is over. */
static bool asv_blk_file_begin_write(struct asv_blk_req *req, bool wait)
{
	struct super_block *sb = file_inode(req->iocb.ki_filp)->i_sb;

	if (wait)
		sb_start_write(sb);
	else if (!sb_start_write_trylock(sb))
		return false;
	/* Lockdep: the protection is let go of in another context. */
	__sb_writers_release(sb, SB_FREEZE_WRITE);
	req->write_begun = true;
	return true;
}

static void asv_blk_file_rw(struct asv_blk_req *req, bool wait)
{
	const struct asv_blk_disk *disk = asv_blk_disk_of(req);
	const bool write = req->type == VIRTIO_BLK_T_OUT;
	struct file *file = disk->file;
	struct kiocb *iocb = &req->iocb;
	struct iov_iter iter;
	long ret;

	*iocb = (struct kiocb){
		.ki_filp = file,
		.ki_pos = req->sector << SECTOR_SHIFT,
		.ki_complete = asv_blk_file_complete,
		.ki_flags = file->f_iocb_flags & (IOCB_SYNC | IOCB_DSYNC),
	};
	if (disk->direct)
		iocb->ki_flags |= IOCB_DIRECT;
	if (!wait)
		iocb->ki_flags |= IOCB_NOWAIT;
	if (write) {
		iocb->ki_flags |= IOCB_WRITE | IOCB_DIO_CALLER_COMP;
		if (req->writethrough)
			iocb->ki_flags |= IOCB_DSYNC;
	}
	req->submitted = true;
	if (write && !asv_blk_file_begin_write(req, wait)) {
		asv_blk_done(req, -EAGAIN);
		return;
	}
	iov_iter_bvec(&iter, write ? ITER_SOURCE : ITER_DEST, req->bv, req->nbv, req->bytes);
	if (write)
		ret = file->f_op->write_iter(iocb, &iter);
	else
		ret = file->f_op->read_iter(iocb, &iter);
	if (ret != -EIOCBQUEUED)
		asv_blk_file_complete(iocb, ret);
}

static int asv_blk_file_finish(struct asv_blk_req *req)
{
	if (req->deferred) {
		req->deferred = false;
		req->error = asv_blk_file_error(req, asv_dio_complete(&req->iocb));
	}
	if (req->write_begun) {
		req->write_begun = false;
		kiocb_end_write(&req->iocb);
	}
	return req->error;
}

static int asv_blk_file_sync(struct asv_blk_req *req)
{
	return vfs_fsync(asv_blk_disk_of(req)->file, 1);
}

static void asv_blk_file_flush(struct asv_blk_req *req, bool wait)
{
	asv_blk_done(req, asv_blk_file_sync(req));
}

/* For filesystems that have no zero-range. */
static int asv_blk_file_write_zeroes(struct asv_blk_req *req, loff_t pos, u64 len)
{
	const struct asv_blk_disk *disk = asv_blk_disk_of(req);
	struct file *file = disk->file;
	struct bio_vec *bv;
	unsigned int i;
	long ret = 0;

	bv = kmalloc_array(ASV_BLK_ZERO_PAGES, sizeof(*bv), GFP_KERNEL_ACCOUNT);
	if (!bv)
		return -ENOMEM;
	for (i = 0; i < ASV_BLK_ZERO_PAGES; i++)
		bvec_set_page(&bv[i], ZERO_PAGE(0), PAGE_SIZE, 0);

	while (len) {
		size_t part = min_t(u64, len, ASV_BLK_ZERO_PAGES * PAGE_SIZE);
		struct kiocb iocb = {
			.ki_filp = file,
			.ki_pos = pos,
			.ki_flags = IOCB_WRITE | (disk->direct ? IOCB_DIRECT : 0),
		};
		struct iov_iter iter;

		iov_iter_bvec(&iter, ITER_SOURCE, bv, ASV_BLK_ZERO_PAGES, part);
		file_start_write(file);
		ret = file->f_op->write_iter(&iocb, &iter);
		file_end_write(file);
		if (ret <= 0)
			break;
		pos += ret;
		len -= ret;
		cond_resched();
	}
	kfree(bv);
	if (!len)
		return 0;
	return ret < 0 ? ret : -EIO;
}

static int asv_blk_file_range(struct asv_blk_req *req, u64 sector, u64 sectors, bool unmap)
{
	struct file *file = asv_blk_disk_of(req)->file;
	const loff_t pos = sector << SECTOR_SHIFT;
	const loff_t len = sectors << SECTOR_SHIFT;
	int ret = -EOPNOTSUPP;

	if (unmap)
		ret = vfs_fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				    pos, len);
	if (req->type != VIRTIO_BLK_T_WRITE_ZEROES || ret != -EOPNOTSUPP)
		return ret;
	ret = vfs_fallocate(file, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, pos, len);
	return ret == -EOPNOTSUPP ? asv_blk_file_write_zeroes(req, pos, len) : ret;
}

bool asv_blk_file_can_punch(struct file *file)
{
	/* Past its end, where there is nothing to lose. */
	loff_t pos = round_up(i_size_read(file_inode(file)), SZ_64K);

	return file->f_op->fallocate &&
	       !vfs_fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, pos, SZ_64K);
}

const struct asv_blk_backend asv_blk_file_backend = {
	.rw = asv_blk_file_rw,
	.flush = asv_blk_file_flush,
	.flush_sleeps = true,
	.finish = asv_blk_file_finish,
	.range = asv_blk_file_range,
	.sync = asv_blk_file_sync,
};
