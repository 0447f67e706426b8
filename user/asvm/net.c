// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-net (virtio 1.2, section 5.1); packets are carried by asv_net.ko between a tap and the
 * guest, a descriptor for each queue pair. The control queue, which only says how many pairs
 * are in use, is served here.
 */
#include <errno.h>
#include <linux/asv_vhost.h>
#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "log.h"
#include "net.h"
#include "tap.h"
#include "uqueue.h"
#include "vhost.h"

#define NET_QUEUE_SIZE_DEFAULT	256
#define NET_CTRL_ALONE		2	/* the control queue's index without NET_F_MQ */

/* what the tap does for the guest; the backend only carries the header */
#define NET_TAP_FEATURES \
	(1ULL << VIRTIO_NET_F_CSUM | 1ULL << VIRTIO_NET_F_GUEST_CSUM | \
	 1ULL << VIRTIO_NET_F_GUEST_TSO4 | 1ULL << VIRTIO_NET_F_GUEST_TSO6 | \
	 1ULL << VIRTIO_NET_F_GUEST_ECN | 1ULL << VIRTIO_NET_F_HOST_TSO4 | \
	 1ULL << VIRTIO_NET_F_HOST_TSO6 | 1ULL << VIRTIO_NET_F_HOST_ECN)

/**
 * struct net_pair - a queue pair: the tap's queue and the backend that serves it
 * @started: which of its two queues the backend serves
 * @attached: the tap gives packets to this queue
 */
struct net_pair {
	int tap_fd;
	int vhost_fd;
	bool started[2];
	bool attached;
};

/**
 * struct net - the device
 * @active: pairs that the driver has switched on
 * @backend_features: what the backend was offered to take of the driver's features
 * @ctrl: the control queue, at the index it has with and without NET_F_MQ
 */
struct net {
	struct virtio_dev vd;
	const struct asvm_net *cfg;
	const char *guest;
	unsigned int npairs;
	unsigned int active;
	uint64_t backend_features;
	uint8_t mac[6];
	struct net_pair pairs[ASVM_NET_PAIRS_MAX];
	struct uqueue ctrl[2];
	struct vq_chain chain;
	struct vhost_err err;
	char name[16];
};

static struct net *net_from_vd(struct virtio_dev *vd)
{
	return (struct net *)((char *)vd - offsetof(struct net, vd));
}

static const char *net_tap(const struct net *net)
{
	return net->cfg->tap ?: "tap";
}

/* An address that stays the same from start to start: of the names, locally administered. */
static void net_make_mac(struct net *net, unsigned int index)
{
	uint64_t hash = 0xcbf29ce484222325ULL;
	const char * const names[] = { net->guest, net_tap(net) };
	unsigned int i;
	const char *p;

	for (i = 0; i < 2; i++)
		for (p = names[i]; ; p++) {
			hash = (hash ^ (uint8_t)*p) * 0x100000001b3ULL;
			if (!*p)
				break;
		}
	hash += index;
	net->mac[0] = 0x52;
	net->mac[1] = 0x54;
	net->mac[2] = 0x00;
	for (i = 3; i < 6; i++)
		net->mac[i] = hash >> (8 * i);
}

static int net_open_taps(struct net *net)
{
	const struct asvm_net *cfg = net->cfg;
	bool have_mac = cfg->have_mac;
	int fds[ASVM_NET_PAIRS_MAX];
	unsigned int i;
	int err;

	if (cfg->nfds) {
		for (i = 0; i < net->npairs; i++) {
			net->pairs[i].tap_fd = cfg->fds[i];
			err = tap_check(cfg->fds[i], net_tap(net));
			if (err)
				return err;
		}
		return 0;
	}
	err = tap_open(cfg->tap, fds, net->npairs, net->mac, &have_mac);
	for (i = 0; !err && i < net->npairs; i++)
		net->pairs[i].tap_fd = fds[i];
	return err;
}

struct net *net_open(const struct asvm_config *cfg, unsigned int index)
{
	const struct asvm_net *nc = &cfg->nets[index];
	unsigned int i, size = nc->queue_size;
	struct net *net = calloc(1, sizeof(*net));

	if (!net) {
		log_err("out of memory");
		return NULL;
	}
	net->cfg = nc;
	net->guest = cfg->name;
	net->npairs = nc->nfds ?: nc->queues ?: 1;
	net->vd.intx.fd = -1;
	snprintf(net->name, sizeof(net->name), "net%u", index);
	net->vd.name = net->name;
	for (i = 0; i < ASVM_NET_PAIRS_MAX; i++) {
		net->pairs[i].tap_fd = -1;
		net->pairs[i].vhost_fd = -1;
	}
	if (net->npairs > ASVM_NET_PAIRS_MAX ||
	    (size && (size < 2 || size > ASVM_QUEUE_SIZE_MAX || (size & (size - 1))))) {
		log_err("net %s: at most %d queue pairs, of a power of two from 2 to %d entries",
			net_tap(net), ASVM_NET_PAIRS_MAX, ASVM_QUEUE_SIZE_MAX);
		goto err_destroy;
	}
	if (nc->have_mac)
		memcpy(net->mac, nc->mac, sizeof(net->mac));
	else
		net_make_mac(net, index);
	if (net_open_taps(net))
		goto err_destroy;
	for (i = 0; i < net->npairs; i++) {
		net->pairs[i].vhost_fd = vhost_open(nc->vhost_fds[i], "/dev/asv-net");
		if (net->pairs[i].vhost_fd < 0)
			goto err_destroy;
		net->pairs[i].attached = true;
	}
	return net;

err_destroy:
	net_destroy(net);
	return NULL;
}

static int net_set_backend(struct net_pair *pair, unsigned int vring, int fd)
{
	struct vhost_vring_file file = { .index = vring, .fd = fd };

	return ioctl(pair->vhost_fd, VHOST_NET_SET_BACKEND, &file) < 0 ? -errno : 0;
}

static void net_stop_vring(struct net *net, unsigned int q)
{
	struct net_pair *pair = &net->pairs[q / 2];

	if (!pair->started[q % 2])
		return;
	net_set_backend(pair, q % 2, VHOST_FILE_UNBIND);
	pair->started[q % 2] = false;
}

/* A queue of a pair that the driver has not switched on waits until it does. */
static int net_start_vring(struct net *net, unsigned int q)
{
	struct net_pair *pair = &net->pairs[q / 2];
	int err;

	if (q / 2 >= net->active || pair->started[q % 2])
		return 0;
	err = vhost_set_vring(pair->vhost_fd, q % 2, &net->vd, q, net->err.src.fd);
	if (!err)
		err = net_set_backend(pair, q % 2, pair->tap_fd);
	pair->started[q % 2] = !err;
	return err;
}

static int net_attach(struct net_pair *pair, bool on)
{
	int err;

	if (pair->attached == on)
		return 0;
	err = tap_set_queue(pair->tap_fd, on);
	if (!err)
		pair->attached = on;
	return err;
}

/* Switch pairs on and off so that the first @active are in use. */
static int net_set_active(struct net *net, unsigned int active)
{
	unsigned int i, q;
	int err = 0;

	net->active = active;
	for (i = active; i < net->npairs; i++) {
		net_stop_vring(net, 2 * i);
		net_stop_vring(net, 2 * i + 1);
		err = net_attach(&net->pairs[i], false);
		if (err)
			return err;
	}
	for (i = 0; i < active; i++) {
		err = net_attach(&net->pairs[i], true);
		if (err)
			return err;
		for (q = 2 * i; q < 2 * i + 2; q++) {
			if (!net->vd.queues[q].running)
				continue;
			err = net_start_vring(net, q);
			if (err)
				return err;
		}
	}
	return 0;
}

static uint8_t net_ctrl_command(struct net *net, const struct vq_chain *chain)
{
	struct virtio_net_ctrl_hdr hdr;
	struct virtio_net_ctrl_mq mq;

	if (vq_read(chain, 0, &hdr, sizeof(hdr)) != sizeof(hdr) ||
	    hdr.class != VIRTIO_NET_CTRL_MQ || hdr.cmd != VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET ||
	    !virtio_has(&net->vd, VIRTIO_NET_F_MQ) ||
	    vq_read(chain, sizeof(hdr), &mq, sizeof(mq)) != sizeof(mq))
		return VIRTIO_NET_ERR;
	if (mq.virtqueue_pairs < 1 || mq.virtqueue_pairs > net->npairs)
		return VIRTIO_NET_ERR;
	return net_set_active(net, mq.virtqueue_pairs) ? VIRTIO_NET_ERR : VIRTIO_NET_OK;
}

static int net_serve_ctrl(struct uqueue *q)
{
	struct net *net = q->opaque;
	uint8_t status;
	int ret = vq_pop(&q->vq, &net->chain);

	if (ret <= 0)
		return ret;
	status = net_ctrl_command(net, &net->chain);
	vq_push(&q->vq, &net->chain, vq_write(&net->chain, 0, &status, sizeof(status)));
	return 1;
}

/* The control queue that @q is, or NULL for one of a pair. */
static struct uqueue *net_ctrl(struct net *net, unsigned int q)
{
	bool mq = virtio_has(&net->vd, VIRTIO_NET_F_MQ);

	if (!virtio_has(&net->vd, VIRTIO_NET_F_CTRL_VQ) ||
	    q != (mq ? 2 * net->npairs : NET_CTRL_ALONE))
		return NULL;
	return &net->ctrl[mq];
}

static int net_start(struct virtio_dev *vd)
{
	struct net *net = net_from_vd(vd);
	unsigned int i;
	int err;

	for (i = 0; i < net->npairs; i++) {
		err = vhost_set_features(net->pairs[i].vhost_fd,
					 vd->acked & net->backend_features);
		if (err)
			return err;
		/* a queue that is switched off takes it when it is switched on */
		err = tap_set_offload(net->pairs[i].tap_fd, vd->acked);
		if (err)
			return err;
	}
	return net->npairs > 1 ? net_set_active(net, 1) : 0;
}

static int net_queue_start(struct virtio_dev *vd, unsigned int q)
{
	struct net *net = net_from_vd(vd);
	struct uqueue *ctrl = net_ctrl(net, q);

	if (ctrl)
		return uqueue_start(ctrl);
	return q < 2 * net->npairs ? net_start_vring(net, q) : 0;
}

static void net_queue_stop(struct virtio_dev *vd, unsigned int q)
{
	struct net *net = net_from_vd(vd);
	struct uqueue *ctrl = net_ctrl(net, q);

	if (ctrl)
		uqueue_stop(ctrl);
	else if (q < 2 * net->npairs)
		net_stop_vring(net, q);
}

static void net_queue_call(struct virtio_dev *vd, unsigned int q)
{
	struct net *net = net_from_vd(vd);

	if (!net_ctrl(net, q) && q < 2 * net->npairs)
		vhost_set_call(net->pairs[q / 2].vhost_fd, q % 2, vd, q);
}

static const struct virtio_ops net_ops = {
	.start = net_start,
	.queue_start = net_queue_start,
	.queue_stop = net_queue_stop,
	.queue_call = net_queue_call,
};

static void net_fill_config(struct net *net)
{
	struct virtio_net_config config = {
		.status = VIRTIO_NET_S_LINK_UP,
		.max_virtqueue_pairs = net->npairs,
		.mtu = net->cfg->mtu,
	};

	memcpy(config.mac, net->mac, sizeof(config.mac));
	memcpy(net->vd.config, &config, offsetof(struct virtio_net_config, speed));
	net->vd.config_len = offsetof(struct virtio_net_config, speed);
}

static int net_create_backends(struct net *net, const struct virtio_host *host)
{
	uint64_t features;
	unsigned int i;
	int err;

	net->backend_features = ~0ULL;
	for (i = 0; i < net->npairs; i++) {
		int fd = net->pairs[i].vhost_fd;
		struct asv_name name = { 0 };

		err = vhost_init(fd, host->mem, &features);
		if (err)
			return err;
		net->backend_features &= features;
		snprintf(name.name, sizeof(name.name), "%.20s/%.7s-%u", net->guest, net->name,
			 i % 10);
		ioctl(fd, ASV_SET_NAME, &name);
		vhost_set_poll(fd, 0, net->cfg->poll_us);
		vhost_set_poll(fd, 1, net->cfg->poll_us);
	}
	net->backend_features &= VHOST_RING_FEATURES | 1ULL << VIRTIO_NET_F_MRG_RXBUF;
	return 0;
}

int net_create(struct net *net, const struct virtio_host *host)
{
	static const struct virtio_id id = { VIRTIO_ID_NET, 0x020000 };
	unsigned int size = net->cfg->queue_size ?: NET_QUEUE_SIZE_DEFAULT;
	bool mq = net->npairs > 1;
	unsigned int i;
	int err;

	err = net_create_backends(net, host);
	if (err)
		goto err_msg;
	net->active = net->npairs;
	net->vd.features = net->backend_features | NET_TAP_FEATURES |
			   1ULL << VIRTIO_NET_F_MAC | 1ULL << VIRTIO_NET_F_STATUS;
	if (!net->cfg->packed)
		net->vd.features &= ~(1ULL << VIRTIO_F_RING_PACKED);
	if (net->cfg->mtu)
		net->vd.features |= 1ULL << VIRTIO_NET_F_MTU;
	if (mq)
		net->vd.features |= 1ULL << VIRTIO_NET_F_MQ | 1ULL << VIRTIO_NET_F_CTRL_VQ;
	net_fill_config(net);
	err = virtio_init(&net->vd, host, &id, &net_ops, 2 * net->npairs + mq, size);
	for (i = 0; !err && mq && i < 2; i++) {
		net->ctrl[i].serve = net_serve_ctrl;
		net->ctrl[i].opaque = net;
		err = uqueue_init(&net->ctrl[i], &net->vd,
				  i ? 2 * net->npairs : NET_CTRL_ALONE);
	}
	if (!err)
		err = vhost_err_init(&net->err, &net->vd);
	if (err)
		goto err_msg;
	return 0;

err_msg:
	log_err("cannot make %s on %s: %s", net->name, net_tap(net), strerror(-err));
	return err;
}

void net_destroy(struct net *net)
{
	unsigned int i;

	if (!net)
		return;
	vhost_err_destroy(&net->err);
	for (i = 0; i < 2; i++)
		uqueue_destroy(&net->ctrl[i]);
	virtio_destroy(&net->vd);
	for (i = 0; i < net->npairs && i < ASVM_NET_PAIRS_MAX; i++) {
		if (net->pairs[i].vhost_fd >= 0)
			close(net->pairs[i].vhost_fd);
		if (net->pairs[i].tap_fd >= 0)
			close(net->pairs[i].tap_fd);
	}
	free(net);
}

struct virtio_dev *net_virtio(struct net *net)
{
	return net ? &net->vd : NULL;
}

void net_query(struct net *net, struct machine_net_info *info)
{
	*info = (struct machine_net_info){
		.tap = net->cfg->tap,
		.queues = net->active,
		.driver_ok = virtio_driver_ok(&net->vd),
		.packed = virtio_has(&net->vd, VIRTIO_F_RING_PACKED),
	};
	memcpy(info->mac, net->mac, sizeof(info->mac));
}
