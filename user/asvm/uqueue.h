/* SPDX-License-Identifier: GPL-2.0-only */
/* A virtqueue that the event loop serves, for devices without a kernel backend. */
#ifndef ASVM_UQUEUE_H
#define ASVM_UQUEUE_H

#include "virtio.h"
#include "virtqueue.h"

struct uqueue;

/**
 * struct uqueue - a queue of @vd and how to serve it
 * @serve: do one request from the ring: 1 when there may be more, 0 when there is nothing to
 *	do now, -errno when the ring is broken. With the machine's lock held.
 * @opaque: the device's
 */
struct uqueue {
	struct virtqueue vq;
	struct virtio_dev *vd;
	unsigned int index;
	struct loop_source kick;
	int (*serve)(struct uqueue *q);
	void *opaque;
	bool watched;
};

/** uqueue_init - prepare to watch the queue's kicks; @serve and @opaque are set; 0 or -errno */
int uqueue_init(struct uqueue *q, struct virtio_dev *vd, unsigned int index);
void uqueue_destroy(struct uqueue *q);

/** uqueue_start - for virtio_ops.queue_start */
int uqueue_start(struct uqueue *q);

/** uqueue_stop - for virtio_ops.queue_stop: its kicks are somebody else's, or nobody's */
void uqueue_stop(struct uqueue *q);

/** uqueue_run - serve what there is, then interrupt the driver if it wants that */
void uqueue_run(struct uqueue *q);

/** uqueue_running - the driver has started it and it is not broken */
static inline bool uqueue_running(const struct uqueue *q)
{
	return q->vd->queues[q->index].running && !q->vq.broken;
}

#endif
