// SPDX-License-Identifier: GPL-2.0-only
/* virtio-rng (virtio 1.2, section 5.4): the host kernel's random numbers. */
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "log.h"
#include "rng.h"
#include "uqueue.h"

#define RNG_QUEUE_SIZE	64
/* more than this for one request only holds up the others: a driver asks again */
#define RNG_REQUEST_MAX	256

struct rng {
	struct virtio_dev vd;
	struct uqueue q;
	struct vq_chain chain;
};

static int rng_serve(struct uqueue *q)
{
	struct rng *rng = q->opaque;
	uint8_t buf[RNG_REQUEST_MAX];
	size_t len;
	int ret = vq_pop(&q->vq, &rng->chain);

	if (ret <= 0)
		return ret;
	len = rng->chain.in_len < sizeof(buf) ? rng->chain.in_len : sizeof(buf);
	if (getrandom(buf, len, 0) != (ssize_t)len)
		len = 0;
	vq_push(&q->vq, &rng->chain, vq_write(&rng->chain, 0, buf, len));
	return 1;
}

static int rng_queue_start(struct virtio_dev *vd, unsigned int q)
{
	(void)q;
	return uqueue_start(&((struct rng *)vd)->q);
}

static void rng_queue_stop(struct virtio_dev *vd, unsigned int q)
{
	(void)q;
	uqueue_stop(&((struct rng *)vd)->q);
}

static const struct virtio_ops rng_ops = {
	.queue_start = rng_queue_start,
	.queue_stop = rng_queue_stop,
};

struct rng *rng_create(const struct virtio_host *host)
{
	static const struct virtio_id id = { VIRTIO_ID_RNG, 0x00ff00 };
	struct rng *rng = calloc(1, sizeof(*rng));
	int err = -ENOMEM;

	if (!rng)
		goto err_msg;
	rng->vd.name = "rng";
	rng->vd.features = 1ULL << VIRTIO_RING_F_INDIRECT_DESC | 1ULL << VIRTIO_RING_F_EVENT_IDX |
			   1ULL << VIRTIO_F_RING_PACKED | 1ULL << VIRTIO_F_RING_RESET;
	err = virtio_init(&rng->vd, host, &id, &rng_ops, 1, RNG_QUEUE_SIZE);
	if (err)
		goto err_free;
	rng->q.serve = rng_serve;
	rng->q.opaque = rng;
	err = uqueue_init(&rng->q, &rng->vd, 0);
	if (err)
		goto err_virtio;
	return rng;

err_virtio:
	virtio_destroy(&rng->vd);
err_free:
	free(rng);
err_msg:
	log_err("cannot make the rng device: %s", strerror(-err));
	return NULL;
}

void rng_destroy(struct rng *rng)
{
	if (!rng)
		return;
	uqueue_destroy(&rng->q);
	virtio_destroy(&rng->vd);
	free(rng);
}

struct virtio_dev *rng_virtio(struct rng *rng)
{
	return rng ? &rng->vd : NULL;
}
