// SPDX-License-Identifier: GPL-2.0-only
/* virtio-vsock (virtio 1.2, section 5.10), served by the in-tree vhost_vsock. */
#include <errno.h>
#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>
#include <linux/virtio_vsock.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "log.h"
#include "vhost.h"
#include "vsock.h"

#define VSOCK_QUEUE_SIZE	128
#define VSOCK_CID_MIN		3

/*
 * The third queue tells of a new host after a migration; nothing is ever put into it, and the
 * backend does not know it.
 */
enum vsock_queue {
	VSOCK_RX,
	VSOCK_TX,
	VSOCK_EVENT,
	VSOCK_QUEUES,
};

struct vsock {
	struct virtio_dev vd;
	uint32_t cid;
	int fd;
	bool ready[VSOCK_EVENT];
	struct vhost_err err;
};

static struct vsock *vsock_from_vd(struct virtio_dev *vd)
{
	return (struct vsock *)((char *)vd - offsetof(struct vsock, vd));
}

struct vsock *vsock_open(const struct asvm_config *cfg)
{
	struct vsock *vs;

	if (cfg->vsock_cid < VSOCK_CID_MIN || cfg->vsock_cid == UINT32_MAX) {
		log_err("vsock address %u: must be %u to %u", cfg->vsock_cid, VSOCK_CID_MIN,
			UINT32_MAX - 1);
		return NULL;
	}
	vs = calloc(1, sizeof(*vs));
	if (!vs) {
		log_err("out of memory");
		return NULL;
	}
	vs->cid = cfg->vsock_cid;
	vs->vd.name = "vsock";
	vs->vd.intx.fd = -1;
	vs->fd = vhost_open(cfg->vsock_fd, "/dev/vhost-vsock");
	if (vs->fd < 0) {
		free(vs);
		return NULL;
	}
	return vs;
}

static int vsock_set_running(struct vsock *vs, int on)
{
	return ioctl(vs->fd, VHOST_VSOCK_SET_RUNNING, &on) < 0 ? -errno : 0;
}

static int vsock_start(struct virtio_dev *vd)
{
	return vhost_set_features(vsock_from_vd(vd)->fd, vd->acked);
}

/* The backend starts both queues at once. */
static int vsock_queue_start(struct virtio_dev *vd, unsigned int q)
{
	struct vsock *vs = vsock_from_vd(vd);
	int err;

	if (q == VSOCK_EVENT)
		return 0;
	err = vhost_set_vring(vs->fd, q, vd, q, vs->err.src.fd);
	if (err)
		return err;
	vs->ready[q] = true;
	return vs->ready[VSOCK_RX] && vs->ready[VSOCK_TX] ? vsock_set_running(vs, 1) : 0;
}

static void vsock_queue_stop(struct virtio_dev *vd, unsigned int q)
{
	struct vsock *vs = vsock_from_vd(vd);

	if (q == VSOCK_EVENT)
		return;
	if (vs->ready[VSOCK_RX] && vs->ready[VSOCK_TX])
		vsock_set_running(vs, 0);
	vs->ready[q] = false;
}

static void vsock_queue_call(struct virtio_dev *vd, unsigned int q)
{
	if (q != VSOCK_EVENT)
		vhost_set_call(vsock_from_vd(vd)->fd, q, vd, q);
}

static const struct virtio_ops vsock_ops = {
	.start = vsock_start,
	.queue_start = vsock_queue_start,
	.queue_stop = vsock_queue_stop,
	.queue_call = vsock_queue_call,
};

int vsock_create(struct vsock *vs, const struct virtio_host *host)
{
	static const struct virtio_id id = { VIRTIO_ID_VSOCK, 0x028000 };
	struct virtio_vsock_config config = { .guest_cid = vs->cid };
	uint64_t features, cid = vs->cid;
	int err;

	err = vhost_init(vs->fd, host->mem, &features);
	if (err)
		goto err_msg;
	if (ioctl(vs->fd, VHOST_VSOCK_SET_GUEST_CID, &cid) < 0) {
		err = -errno;
		if (err == -EADDRINUSE)
			log_err("vsock address %u is another guest's; take another one",
				vs->cid);
		goto err_msg;
	}
	/* without seqpacket: its backend versions differ in what they do with it */
	vs->vd.features = features & (VHOST_RING_FEATURES & ~(1ULL << VIRTIO_F_RING_PACKED |
							      1ULL << VIRTIO_F_RING_RESET));
	memcpy(vs->vd.config, &config, sizeof(config));
	vs->vd.config_len = sizeof(config);
	err = virtio_init(&vs->vd, host, &id, &vsock_ops, VSOCK_QUEUES, VSOCK_QUEUE_SIZE);
	if (!err)
		err = vhost_err_init(&vs->err, &vs->vd);
	if (err)
		goto err_msg;
	return 0;

err_msg:
	log_err("cannot make the vsock device: %s", strerror(-err));
	return err;
}

void vsock_destroy(struct vsock *vs)
{
	if (!vs)
		return;
	vhost_err_destroy(&vs->err);
	virtio_destroy(&vs->vd);
	close(vs->fd);
	free(vs);
}

struct virtio_dev *vsock_virtio(struct vsock *vs)
{
	return vs ? &vs->vd : NULL;
}
