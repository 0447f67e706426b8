// SPDX-License-Identifier: GPL-2.0-only
/* A virtqueue that the event loop serves. */
#include <sys/epoll.h>
#include <unistd.h>

#include "log.h"
#include "uqueue.h"

static void uqueue_kicked(struct loop_source *src, uint32_t events)
{
	struct uqueue *q = src->opaque;
	uint64_t count;

	(void)events;
	pthread_mutex_lock(q->vd->host->lock);
	/* stopped meanwhile: the descriptor may have another reader now */
	if (uqueue_running(q) && read(src->fd, &count, sizeof(count)) == sizeof(count))
		uqueue_run(q);
	pthread_mutex_unlock(q->vd->host->lock);
}

int uqueue_init(struct uqueue *q, struct virtio_dev *vd, unsigned int index)
{
	int err;

	q->vd = vd;
	q->index = index;
	q->kick = (struct loop_source){
		.fd = vd->queues[index].kick_fd,
		.ready = uqueue_kicked,
		.opaque = q,
	};
	err = loop_add(vd->host->loop, &q->kick, 0);
	q->watched = !err;
	return err;
}

void uqueue_destroy(struct uqueue *q)
{
	if (q->watched)
		loop_del(q->vd->host->loop, &q->kick);
	q->watched = false;
}

int uqueue_start(struct uqueue *q)
{
	static const uint64_t one = 1;
	struct virtio_queue *s = &q->vd->queues[q->index];
	int err = vq_start(&q->vq, q->vd->host->mem, s->size, s->desc, s->driver, s->device,
			   q->vd->acked);

	if (!err)
		err = loop_mod(q->vd->host->loop, &q->kick, EPOLLIN);
	/* the driver may have filled the ring before it told us of it */
	if (!err && write(s->kick_fd, &one, sizeof(one)) < 0)
		return 0;
	return err;
}

void uqueue_stop(struct uqueue *q)
{
	loop_mod(q->vd->host->loop, &q->kick, 0);
}

void uqueue_run(struct uqueue *q)
{
	static const uint64_t one = 1;
	unsigned int budget = q->vq.size;
	int more;

	/* a ring that is refilled as fast as it is served must not hold up the other devices */
	do {
		more = q->serve(q);
		if (!more && vq_want_kicks(&q->vq))
			more = q->serve(q);
	} while (more > 0 && --budget);
	if (more > 0 && write(q->vd->queues[q->index].kick_fd, &one, sizeof(one)) < 0)
		more = 0;
	if (q->vq.broken) {
		uqueue_stop(q);
		log_warn("%s: the driver broke the rules of queue %u; it is stopped until the driver resets it",
			 q->vd->name, q->index);
		virtio_failed(q->vd);
		return;
	}
	if (vq_must_signal(&q->vq))
		virtio_queue_interrupt(q->vd, q->index);
}
