// SPDX-License-Identifier: GPL-2.0-only
/* A request's data: guest pages as bio_vecs, or bounce pages where alignment asks. */
#include <linux/bitmap.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uio.h>

#include "blk.h"

static unsigned int asv_blk_pages_of(unsigned long addr, size_t len)
{
	return DIV_ROUND_UP(offset_in_page(addr) + len, PAGE_SIZE);
}

/* Entry for a page; joined to the one before where both are one piece of memory. */
static void asv_blk_add_page(struct asv_blk_req *req, struct page *page,
			     unsigned int offset, unsigned int len, bool prepinned)
{
	struct bio_vec *bv = &req->bv[req->nbv];

	if (req->nbv && !offset) {
		struct bio_vec *prev = bv - 1;
		unsigned int end = prev->bv_offset + prev->bv_len;

		if (PAGE_ALIGNED(end) && !is_zone_device_page(page) &&
		    page_to_pfn(page) == page_to_pfn(prev->bv_page) + (end >> PAGE_SHIFT) &&
		    prepinned == test_bit(req->nbv - 1, req->prepinned)) {
			prev->bv_len += len;
			return;
		}
	}
	bvec_set_page(bv, page, len, offset);
	if (unlikely(prepinned))
		__set_bit(req->nbv, req->prepinned);
	req->nbv++;
}

/* Pin one segment of guest memory. */
static int asv_blk_pin_segment(struct asv_blk_req *req, unsigned long addr, size_t len)
{
	struct asv_blk_queue *q = req->q;

	while (len) {
		unsigned int i, n = min_t(unsigned int, asv_blk_pages_of(addr, len),
					  ARRAY_SIZE(q->pages));
		bool prepinned;
		int ret;

		ret = asv_pin(&q->vq, addr, n, req->type == VIRTIO_BLK_T_IN, q->pages,
			      &prepinned);
		if (unlikely(ret))
			return ret;
		for (i = 0; i < n; i++) {
			unsigned int offset = offset_in_page(addr);
			unsigned int part = min_t(size_t, len, PAGE_SIZE - offset);

			asv_blk_add_page(req, q->pages[i], offset, part, prepinned);
			addr += part;
			len -= part;
		}
	}
	return 0;
}

static void asv_blk_unpin(struct asv_blk_req *req, bool dirty)
{
	struct asv_blk_queue *q = req->q;
	unsigned int i;

	for (i = 0; i < req->nbv; i++) {
		struct bio_vec *bv = &req->bv[i];
		unsigned long pfn = page_to_pfn(bv->bv_page);
		unsigned int left = asv_blk_pages_of(bv->bv_offset, bv->bv_len);
		const bool prepinned = test_bit(i, req->prepinned);

		while (left) {
			unsigned int n = min_t(unsigned int, left, ARRAY_SIZE(q->pages));
			unsigned int k;

			for (k = 0; k < n; k++)
				q->pages[k] = pfn_to_page(pfn++);
			asv_unpin(q->pages, n, prepinned, dirty);
			left -= n;
		}
	}
}

static void asv_blk_bounce_free(struct asv_blk_req *req)
{
	unsigned int i;

	for (i = 0; i < req->nbv; i++)
		__free_page(req->bv[i].bv_page);
	req->q->bounce_pages -= req->nbv;
}

static int asv_blk_bounce_alloc(struct asv_blk_req *req)
{
	struct asv_blk_queue *q = req->q;
	unsigned int left = req->bytes;

	if (q->bounce_pages &&
	    q->bounce_pages + DIV_ROUND_UP(left, PAGE_SIZE) > ASV_BLK_MAX_BOUNCE)
		return -ENOMEM;
	while (left) {
		unsigned int part = min_t(unsigned int, left, PAGE_SIZE);
		struct page *page = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO |
					       __GFP_NORETRY | __GFP_NOWARN);

		if (!page) {
			asv_blk_bounce_free(req);
			return -ENOMEM;
		}
		bvec_set_page(&req->bv[req->nbv++], page, part, 0);
		q->bounce_pages++;
		left -= part;
	}
	return 0;
}

/* Copy between bounce pages and guest memory; @to_guest says which way. */
static int asv_blk_bounce_copy(struct asv_blk_req *req, const struct iovec *iov,
			       unsigned int niov, unsigned int skip, bool to_guest)
{
	struct iov_iter iter;
	unsigned int i;

	iov_iter_init(&iter, to_guest ? ITER_DEST : ITER_SOURCE, iov, niov,
		      (size_t)skip + req->bytes);
	iov_iter_advance(&iter, skip);
	for (i = 0; i < req->nbv; i++) {
		const struct bio_vec *bv = &req->bv[i];
		void *addr = page_address(bv->bv_page);
		size_t n = to_guest ? copy_to_iter(addr, bv->bv_len, &iter) :
				      copy_from_iter(addr, bv->bv_len, &iter);

		if (n != bv->bv_len)
			return -EFAULT;
	}
	return 0;
}

/* What asv_blk_data_map() has to know of the segments before it starts. */
struct asv_blk_shape {
	unsigned int pages;
	unsigned int segments;
	unsigned long misalign;
};

static struct asv_blk_shape asv_blk_shape_of(const struct iovec *iov, unsigned int skip,
					     unsigned int bytes)
{
	struct asv_blk_shape shape = {};

	for (; bytes; iov++) {
		unsigned long addr = (unsigned long)iov->iov_base + skip;
		size_t len;

		if (skip >= iov->iov_len) {
			skip -= iov->iov_len;
			continue;
		}
		len = min_t(size_t, bytes, iov->iov_len - skip);
		skip = 0;
		bytes -= len;
		shape.pages += asv_blk_pages_of(addr, len);
		shape.misalign |= addr | len;
		shape.segments++;
	}
	return shape;
}

/* Room for bio_vecs, and for a read's segments. */
static int asv_blk_data_room(struct asv_blk_req *req, unsigned int nbv, unsigned int niov)
{
	const size_t bv_bytes = nbv * sizeof(*req->bv);
	const size_t iov_bytes = niov * sizeof(*req->iov);
	void *room;

	req->bv = req->inline_bv;
	req->iov = req->inline_iov;
	req->prepinned = &req->inline_prepinned;
	req->inline_prepinned = 0;
	if (likely(nbv <= ASV_BLK_INLINE_VECS && niov <= ASV_BLK_INLINE_VECS))
		return 0;

	room = kvmalloc(bv_bytes + iov_bytes + BITS_TO_LONGS(nbv) * sizeof(long),
			GFP_KERNEL_ACCOUNT | __GFP_NORETRY | __GFP_NOWARN);
	if (!room)
		return -ENOMEM;
	req->bv = room;
	req->iov = room + bv_bytes;
	req->prepinned = room + bv_bytes + iov_bytes;
	bitmap_zero(req->prepinned, nbv);
	return 0;
}

static void asv_blk_data_unroom(struct asv_blk_req *req)
{
	if (unlikely(req->bv != req->inline_bv))
		kvfree(req->bv);
	req->nbv = 0;
}

/* Remember a read's segments: for the log, and to copy bounced data. */
static void asv_blk_keep_iov(struct asv_blk_req *req, const struct iovec *iov)
{
	unsigned int left = req->bytes;

	for (req->niov = 0; left; iov++) {
		struct iovec *to = &req->iov[req->niov++];

		to->iov_base = iov->iov_base;
		to->iov_len = min_t(size_t, left, iov->iov_len);
		left -= to->iov_len;
	}
}

static int asv_blk_map_pages(struct asv_blk_req *req, const struct iovec *iov,
			     unsigned int skip)
{
	unsigned int left = req->bytes;

	for (; left; iov++) {
		size_t len;
		int ret;

		if (skip >= iov->iov_len) {
			skip -= iov->iov_len;
			continue;
		}
		len = min_t(size_t, left, iov->iov_len - skip);
		ret = asv_blk_pin_segment(req, (unsigned long)iov->iov_base + skip, len);
		if (unlikely(ret)) {
			asv_blk_unpin(req, false);
			return ret;
		}
		skip = 0;
		left -= len;
	}
	return 0;
}

static int asv_blk_map_bounce(struct asv_blk_req *req, const struct iovec *iov,
			      unsigned int niov, unsigned int skip)
{
	int ret;

	ret = asv_blk_bounce_alloc(req);
	if (ret || req->type == VIRTIO_BLK_T_IN)
		return ret;
	ret = asv_blk_bounce_copy(req, iov, niov, skip, false);
	if (ret)
		asv_blk_bounce_free(req);
	return ret;
}

int asv_blk_data_map(struct asv_blk_req *req, const struct iovec *iov,
		     unsigned int niov, unsigned int skip)
{
	const bool in = req->type == VIRTIO_BLK_T_IN;
	struct asv_blk_shape shape = asv_blk_shape_of(iov, skip, req->bytes);
	int ret;

	req->bounced = shape.misalign & asv_blk_disk_of(req)->mem_mask;
	if (unlikely(req->bounced))
		shape.pages = DIV_ROUND_UP(req->bytes, PAGE_SIZE);
	ret = asv_blk_data_room(req, shape.pages, in ? shape.segments : 0);
	if (unlikely(ret))
		return ret;
	if (likely(!req->bounced))
		ret = asv_blk_map_pages(req, iov, skip);
	else
		ret = asv_blk_map_bounce(req, iov, niov, skip);
	if (unlikely(ret))
		asv_blk_data_unroom(req);
	else if (in)
		asv_blk_keep_iov(req, iov);
	return ret;
}

int asv_blk_data_unmap(struct asv_blk_req *req, bool written, bool copy)
{
	int ret = 0;

	if (likely(!req->bounced)) {
		asv_blk_unpin(req, written);
	} else {
		if (copy)
			ret = asv_blk_bounce_copy(req, req->iov, req->niov, 0, true);
		asv_blk_bounce_free(req);
	}
	if (written)
		asv_vq_log(&req->q->vq, req->iov, req->niov, req->bytes);
	asv_blk_data_unroom(req);
	return ret;
}
