// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-balloon (virtio 1.2, section 5.5): inflate, deflate, and free page reporting. What the
 * guest does not use goes back to the host at once; it comes back as zeroes when touched.
 */
#include <errno.h>
#include <linux/virtio_balloon.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "balloon.h"
#include "log.h"
#include "uqueue.h"

#define BALLOON_QUEUE_SIZE	128
#define BALLOON_PAGE		(1ULL << VIRTIO_BALLOON_PFN_SHIFT)
/* page numbers in one request; Linux sends 256 */
#define BALLOON_PFNS_MAX	1024

/* Queues are numbered without those of features that are not offered. */
enum balloon_queue {
	BALLOON_INFLATE,
	BALLOON_DEFLATE,
	BALLOON_REPORTING,
	BALLOON_QUEUES,
};

struct balloon {
	struct virtio_dev vd;
	struct uqueue q[BALLOON_QUEUES];
	uint64_t reported;
	struct vq_chain chain;
};

static struct balloon *balloon_from_vd(struct virtio_dev *vd)
{
	return (struct balloon *)((char *)vd - offsetof(struct balloon, vd));
}

/* Give back what an array of page numbers names, runs of neighbours in one call. */
static void balloon_discard_pfns(struct balloon *b, const uint32_t *pfns, size_t n)
{
	size_t i = 0;

	while (i < n) {
		uint32_t first = pfns[i], count = 1;

		/* Linux fills the array from pages that its allocator split: often downwards */
		for (i++; i < n; i++) {
			if (pfns[i] == first + count) {
				count++;
			} else if (first && pfns[i] == first - 1) {
				first--;
				count++;
			} else {
				break;
			}
		}
		mem_discard(b->vd.host->mem, first * BALLOON_PAGE, count * BALLOON_PAGE);
	}
}

static int balloon_serve_inflate(struct uqueue *q)
{
	struct balloon *b = q->opaque;
	uint32_t pfns[BALLOON_PFNS_MAX];
	size_t len;
	int ret = vq_pop(&q->vq, &b->chain);

	if (ret <= 0)
		return ret;
	len = vq_read(&b->chain, 0, pfns, sizeof(pfns));
	balloon_discard_pfns(b, pfns, len / sizeof(pfns[0]));
	vq_push(&q->vq, &b->chain, 0);
	return 1;
}

/* The guest takes pages back by touching them; there is nothing to do for it. */
static int balloon_serve_deflate(struct uqueue *q)
{
	struct balloon *b = q->opaque;
	int ret = vq_pop(&q->vq, &b->chain);

	if (ret <= 0)
		return ret;
	vq_push(&q->vq, &b->chain, 0);
	return 1;
}

static int balloon_serve_reporting(struct uqueue *q)
{
	const struct memory *mem = q->vd->host->mem;
	struct balloon *b = q->opaque;
	unsigned int i;
	int ret = vq_pop(&q->vq, &b->chain);

	if (ret <= 0)
		return ret;
	/* the buffers themselves are the free memory */
	for (i = 0; i < b->chain.nin; i++) {
		const struct iovec *seg = &b->chain.seg[b->chain.nout + i];

		b->reported += mem_discard_host(mem, seg->iov_base, seg->iov_len);
	}
	vq_push(&q->vq, &b->chain, 0);
	return 1;
}

static int balloon_queue_start(struct virtio_dev *vd, unsigned int q)
{
	return uqueue_start(&balloon_from_vd(vd)->q[q]);
}

static void balloon_queue_stop(struct virtio_dev *vd, unsigned int q)
{
	uqueue_stop(&balloon_from_vd(vd)->q[q]);
}

static void balloon_config_written(struct virtio_dev *vd, unsigned int off, unsigned int len,
				   uint32_t val)
{
	if (off == offsetof(struct virtio_balloon_config, actual) && len == 4)
		memcpy(vd->config + off, &val, len);
}

static void balloon_stop(struct virtio_dev *vd)
{
	memset(vd->config + offsetof(struct virtio_balloon_config, actual), 0, 4);
}

static const struct virtio_ops balloon_ops = {
	.stop = balloon_stop,
	.queue_start = balloon_queue_start,
	.queue_stop = balloon_queue_stop,
	.config_written = balloon_config_written,
};

static uint32_t balloon_get(const struct balloon *b, size_t off)
{
	uint32_t pages;

	memcpy(&pages, b->vd.config + off, sizeof(pages));
	return pages;
}

void balloon_set(struct balloon *b, uint64_t bytes)
{
	const size_t off = offsetof(struct virtio_balloon_config, num_pages);
	uint32_t pages = bytes / BALLOON_PAGE;

	if (pages == balloon_get(b, off))
		return;
	memcpy(b->vd.config + off, &pages, sizeof(pages));
	virtio_config_changed(&b->vd);
}

uint64_t balloon_actual(const struct balloon *b)
{
	return balloon_get(b, offsetof(struct virtio_balloon_config, actual)) * BALLOON_PAGE;
}

uint64_t balloon_reported(const struct balloon *b)
{
	return b->reported;
}

static int (* const balloon_serve[BALLOON_QUEUES])(struct uqueue *q) = {
	balloon_serve_inflate, balloon_serve_deflate, balloon_serve_reporting,
};

struct balloon *balloon_create(const struct virtio_host *host, bool reporting)
{
	static const struct virtio_id id = { VIRTIO_ID_BALLOON, 0x00ff00 };
	struct balloon *b = calloc(1, sizeof(*b));
	unsigned int i, n = reporting ? BALLOON_QUEUES : BALLOON_REPORTING;
	int err = -ENOMEM;

	if (!b)
		goto err_msg;
	b->vd.name = "balloon";
	b->vd.features = 1ULL << VIRTIO_RING_F_INDIRECT_DESC | 1ULL << VIRTIO_RING_F_EVENT_IDX |
			 1ULL << VIRTIO_F_RING_PACKED | 1ULL << VIRTIO_F_RING_RESET |
			 1ULL << VIRTIO_BALLOON_F_DEFLATE_ON_OOM;
	if (reporting)
		b->vd.features |= 1ULL << VIRTIO_BALLOON_F_REPORTING;
	b->vd.config_len = offsetof(struct virtio_balloon_config, free_page_hint_cmd_id);
	err = virtio_init(&b->vd, host, &id, &balloon_ops, n, BALLOON_QUEUE_SIZE);
	if (err)
		goto err_free;
	for (i = 0; i < n; i++) {
		b->q[i].serve = balloon_serve[i];
		b->q[i].opaque = b;
		err = uqueue_init(&b->q[i], &b->vd, i);
		if (err)
			goto err_queues;
	}
	return b;

err_queues:
	while (i--)
		uqueue_destroy(&b->q[i]);
	virtio_destroy(&b->vd);
err_free:
	free(b);
err_msg:
	log_err("cannot make the balloon: %s", strerror(-err));
	return NULL;
}

void balloon_destroy(struct balloon *b)
{
	unsigned int i;

	if (!b)
		return;
	for (i = 0; i < BALLOON_QUEUES; i++)
		uqueue_destroy(&b->q[i]);
	virtio_destroy(&b->vd);
	free(b);
}

struct virtio_dev *balloon_virtio(struct balloon *b)
{
	return b ? &b->vd : NULL;
}
