// SPDX-License-Identifier: GPL-2.0-only
/* DISCARD, WRITE_ZEROES and SECURE_ERASE: virtio 1.2, 5.2.6. */
#include <linux/slab.h>
#include <linux/uio.h>

#include "blk.h"

static unsigned int asv_blk_range_feature(u32 type)
{
	switch (type) {
	case VIRTIO_BLK_T_DISCARD:
		return VIRTIO_BLK_F_DISCARD;
	case VIRTIO_BLK_T_SECURE_ERASE:
		return VIRTIO_BLK_F_SECURE_ERASE;
	default:
		return VIRTIO_BLK_F_WRITE_ZEROES;
	}
}

static u8 asv_blk_range_parse(struct asv_blk_range *range, u32 type,
			      const struct asv_blk_disk *disk,
			      const struct virtio_blk_discard_write_zeroes *from)
{
	const u64 capacity = READ_ONCE(disk->capacity);
	const u32 flags = le32_to_cpu(from->flags);
	const u32 mask = (disk->blk_size >> SECTOR_SHIFT) - 1;

	if (flags & ~VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP)
		return VIRTIO_BLK_S_UNSUPP;
	if (flags && type != VIRTIO_BLK_T_WRITE_ZEROES)
		return VIRTIO_BLK_S_UNSUPP;
	range->sector = le64_to_cpu(from->sector);
	range->sectors = le32_to_cpu(from->num_sectors);
	range->unmap = type == VIRTIO_BLK_T_WRITE_ZEROES ? flags && disk->unmap : true;
	if (range->sectors > ASV_BLK_MAX_RANGE ||
	    (range->sector | range->sectors) & mask ||
	    range->sector > capacity || range->sectors > capacity - range->sector)
		return VIRTIO_BLK_S_IOERR;
	return VIRTIO_BLK_S_OK;
}

u8 asv_blk_ranges_parse(struct asv_blk_req *req, const struct asv_chain *chain)
{
	const struct asv_blk_disk *disk = asv_blk_disk_of(req);
	const size_t len = chain->out_len - sizeof(struct virtio_blk_outhdr);
	const unsigned int n = len / sizeof(struct virtio_blk_discard_write_zeroes);
	struct virtio_blk_discard_write_zeroes raw;
	struct iov_iter iter;
	u8 status = VIRTIO_BLK_S_IOERR;
	unsigned int i;

	req->nranges = 0;
	if (!asv_has_feature(req->q->vq.dev, asv_blk_range_feature(req->type)))
		return VIRTIO_BLK_S_UNSUPP;
	if (disk->ro || !n || n > ASV_BLK_MAX_RANGES || len % sizeof(raw))
		return VIRTIO_BLK_S_IOERR;

	req->ranges = kmalloc_array(n, sizeof(*req->ranges), GFP_KERNEL_ACCOUNT);
	if (!req->ranges)
		return VIRTIO_BLK_S_IOERR;
	iov_iter_init(&iter, ITER_SOURCE, chain->iov, chain->nout, chain->out_len);
	iov_iter_advance(&iter, sizeof(struct virtio_blk_outhdr));
	for (i = 0; i < n; i++) {
		status = VIRTIO_BLK_S_IOERR;
		if (!copy_from_iter_full(&raw, sizeof(raw), &iter))
			goto fail;
		status = asv_blk_range_parse(&req->ranges[i], req->type, disk, &raw);
		if (status != VIRTIO_BLK_S_OK)
			goto fail;
	}
	req->nranges = n;
	req->writethrough = READ_ONCE(asv_blk_of(req->q->vq.dev)->writethrough);
	return VIRTIO_BLK_S_OK;
fail:
	kfree(req->ranges);
	req->ranges = NULL;
	return status;
}

int asv_blk_ranges_do(struct asv_blk_req *req)
{
	const struct asv_blk_backend *backend = asv_blk_disk_of(req)->backend;
	unsigned int i;
	int ret;

	for (i = 0; i < req->nranges; i++) {
		const struct asv_blk_range *range = &req->ranges[i];

		if (!range->sectors)
			continue;
		ret = backend->range(req, range->sector, range->sectors, range->unmap);
		if (ret)
			return ret;
	}
	if (req->type == VIRTIO_BLK_T_WRITE_ZEROES && req->writethrough)
		return backend->sync(req);
	return 0;
}
