// SPDX-License-Identifier: GPL-2.0-only
/* virtio-console (virtio 1.2, section 5.3) with its one port on the terminal. */
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_console.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "console.h"
#include "log.h"
#include "uqueue.h"

#define CONSOLE_QUEUE_SIZE	64
#define CONSOLE_IN_MAX		4096

enum console_queue {
	CONSOLE_RX,
	CONSOLE_TX,
	CONSOLE_QUEUES,
};

/**
 * struct console - the device
 * @sent: bytes of the chain at the head of the transmit ring that the terminal has taken
 */
struct console {
	struct virtio_dev vd;
	struct uqueue q[CONSOLE_QUEUES];
	struct term *term;
	struct term_client client;
	uint64_t sent;
	struct vq_chain chain;
};

static struct console *console_from_vd(struct virtio_dev *vd)
{
	return (struct console *)((char *)vd - offsetof(struct console, vd));
}

static struct console *console_from_client(struct term_client *c)
{
	return (struct console *)((char *)c - offsetof(struct console, client));
}

/* Input into the driver's next buffer; without one it stays in the terminal. */
static int console_serve_rx(struct uqueue *q)
{
	struct console *con = q->opaque;
	uint8_t buf[CONSOLE_IN_MAX];
	size_t len;
	int ret = vq_pop(&q->vq, &con->chain);

	if (ret <= 0) {
		term_want(con->term, &con->client, false, con->client.want_out);
		return ret;
	}
	len = con->chain.in_len < sizeof(buf) ? con->chain.in_len : sizeof(buf);
	len = len ? term_read(con->term, buf, len) : 0;
	if (!len && con->chain.in_len) {
		vq_unpop(&q->vq, &con->chain);
		term_want(con->term, &con->client, true, con->client.want_out);
		return 0;
	}
	vq_push(&q->vq, &con->chain, vq_write(&con->chain, 0, buf, len));
	return 1;
}

/* What is left of a chain after its first @skip bytes, as much as one write may take. */
static int console_rest(const struct vq_chain *chain, uint64_t skip, struct iovec *iov, int max)
{
	unsigned int i;
	int n = 0;

	for (i = 0; i < chain->nout && n < max; i++) {
		struct iovec seg = chain->seg[i];

		if (skip >= seg.iov_len) {
			skip -= seg.iov_len;
			continue;
		}
		seg.iov_base = (uint8_t *)seg.iov_base + skip;
		seg.iov_len -= skip;
		skip = 0;
		iov[n++] = seg;
	}
	return n;
}

static int console_serve_tx(struct uqueue *q)
{
	struct console *con = q->opaque;
	struct iovec iov[16];
	int n, ret = vq_pop(&q->vq, &con->chain);

	if (ret <= 0)
		return ret;
	n = console_rest(&con->chain, con->sent, iov, 16);
	if (n) {
		size_t done = term_writev(con->term, iov, n);

		con->sent += done;
		if (con->sent < con->chain.out_len) {
			vq_unpop(&q->vq, &con->chain);
			if (done)
				return 1;
			term_want(con->term, &con->client, con->client.want_in, true);
			return 0;
		}
	}
	con->sent = 0;
	vq_push(&q->vq, &con->chain, 0);
	return 1;
}

static void console_readable(struct term_client *c)
{
	struct console *con = console_from_client(c);

	if (uqueue_running(&con->q[CONSOLE_RX]))
		uqueue_run(&con->q[CONSOLE_RX]);
	else
		term_want(con->term, c, false, c->want_out);
}

static void console_writable(struct term_client *c)
{
	struct console *con = console_from_client(c);

	term_want(con->term, c, c->want_in, false);
	if (uqueue_running(&con->q[CONSOLE_TX]))
		uqueue_run(&con->q[CONSOLE_TX]);
}

static int console_queue_start(struct virtio_dev *vd, unsigned int q)
{
	return uqueue_start(&console_from_vd(vd)->q[q]);
}

static void console_queue_stop(struct virtio_dev *vd, unsigned int q)
{
	struct console *con = console_from_vd(vd);

	uqueue_stop(&con->q[q]);
	if (q == CONSOLE_TX)
		con->sent = 0;
	term_want(con->term, &con->client, con->client.want_in && q != CONSOLE_RX,
		  con->client.want_out && q != CONSOLE_TX);
}

static const struct virtio_ops console_ops = {
	.queue_start = console_queue_start,
	.queue_stop = console_queue_stop,
};

struct console *console_create(const struct virtio_host *host, struct term *term)
{
	static const struct virtio_id id = { VIRTIO_ID_CONSOLE, 0x078000 };
	struct console *con = calloc(1, sizeof(*con));
	unsigned int i;
	int err = -ENOMEM;

	if (!con)
		goto err_msg;
	con->term = term;
	con->client.readable = console_readable;
	con->client.writable = console_writable;
	con->vd.name = "console";
	con->vd.features = 1ULL << VIRTIO_RING_F_INDIRECT_DESC |
			   1ULL << VIRTIO_RING_F_EVENT_IDX | 1ULL << VIRTIO_F_RING_PACKED |
			   1ULL << VIRTIO_F_RING_RESET;
	con->vd.config_len = sizeof(struct virtio_console_config);
	err = virtio_init(&con->vd, host, &id, &console_ops, CONSOLE_QUEUES,
			  CONSOLE_QUEUE_SIZE);
	if (err)
		goto err_free;
	con->q[CONSOLE_RX].serve = console_serve_rx;
	con->q[CONSOLE_TX].serve = console_serve_tx;
	for (i = 0; i < CONSOLE_QUEUES; i++) {
		con->q[i].opaque = con;
		err = uqueue_init(&con->q[i], &con->vd, i);
		if (err)
			goto err_queues;
	}
	term_add(term, &con->client);
	return con;

err_queues:
	while (i--)
		uqueue_destroy(&con->q[i]);
	virtio_destroy(&con->vd);
err_free:
	free(con);
err_msg:
	log_err("cannot make the console: %s", strerror(-err));
	return NULL;
}

void console_destroy(struct console *con)
{
	unsigned int i;

	if (!con)
		return;
	for (i = 0; i < CONSOLE_QUEUES; i++)
		uqueue_destroy(&con->q[i]);
	virtio_destroy(&con->vd);
	free(con);
}

struct virtio_dev *console_virtio(struct console *con)
{
	return con ? &con->vd : NULL;
}
