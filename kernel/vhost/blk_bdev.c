// SPDX-License-Identifier: GPL-2.0-only
/* Block device backend: one bio for each request, straight on the guest's pages. */
#include <linux/task_io_accounting_ops.h>

#include "blk.h"

static void asv_blk_bio_end(struct bio *bio)
{
	asv_blk_done(container_of(bio, struct asv_blk_req, bio),
		     blk_status_to_errno(bio->bi_status));
}

static void asv_blk_bio_submit(struct asv_blk_req *req)
{
	req->bio.bi_end_io = asv_blk_bio_end;
	req->submitted = true;
	submit_bio(&req->bio);
}

static void asv_blk_bdev_rw(struct asv_blk_req *req, bool wait)
{
	blk_opf_t opf = REQ_OP_READ;

	if (req->type == VIRTIO_BLK_T_OUT) {
		opf = REQ_OP_WRITE | REQ_SYNC | REQ_IDLE;
		if (req->writethrough)
			opf |= REQ_FUA;
		task_io_account_write(req->bytes);
	}
	if (!wait)
		opf |= REQ_NOWAIT;
	/* Takes the blkcg of the thread that submits: the owner's. */
	bio_init(&req->bio, asv_blk_disk_of(req)->bdev, req->bv, req->nbv, opf);
	req->bio.bi_vcnt = req->nbv;
	req->bio.bi_iter.bi_sector = req->sector;
	req->bio.bi_iter.bi_size = req->bytes;
	asv_blk_bio_submit(req);
}

static void asv_blk_bdev_flush(struct asv_blk_req *req, bool wait)
{
	blk_opf_t opf = REQ_OP_WRITE | REQ_PREFLUSH | REQ_SYNC;

	if (!wait)
		opf |= REQ_NOWAIT;
	bio_init(&req->bio, asv_blk_disk_of(req)->bdev, NULL, 0, opf);
	asv_blk_bio_submit(req);
}

static int asv_blk_bdev_finish(struct asv_blk_req *req)
{
	bio_uninit(&req->bio);
	return req->error;
}

static int asv_blk_bdev_range(struct asv_blk_req *req, u64 sector, u64 sectors, bool unmap)
{
	struct block_device *bdev = asv_blk_disk_of(req)->bdev;

	switch (req->type) {
	case VIRTIO_BLK_T_DISCARD:
		return blkdev_issue_discard(bdev, sector, sectors, GFP_KERNEL);
	case VIRTIO_BLK_T_SECURE_ERASE:
		return blkdev_issue_secure_erase(bdev, sector, sectors, GFP_KERNEL);
	default:
		return blkdev_issue_zeroout(bdev, sector, sectors, GFP_KERNEL,
					    unmap ? 0 : BLKDEV_ZERO_NOUNMAP);
	}
}

static int asv_blk_bdev_sync(struct asv_blk_req *req)
{
	return blkdev_issue_flush(asv_blk_disk_of(req)->bdev);
}

const struct asv_blk_backend asv_blk_bdev_backend = {
	.rw = asv_blk_bdev_rw,
	.flush = asv_blk_bdev_flush,
	.finish = asv_blk_bdev_finish,
	.range = asv_blk_bdev_range,
	.sync = asv_blk_bdev_sync,
};
