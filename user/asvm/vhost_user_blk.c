// SPDX-License-Identifier: GPL-2.0-only
/*
 * A vhost-user-blk device on /dev/asv-blk. Memory, kick and call go to the kernel,
 * which serves the rings; the bridge sees control messages only.
 */
#include "vhost_user_blk.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/asv_vhost.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "log.h"

#define BIT(n) (1ULL << (n))

#define PROTOCOL_FEATURES \
	(BIT(VU_PROTOCOL_F_MQ) | BIT(VU_PROTOCOL_F_LOG_SHMFD) | \
	 BIT(VU_PROTOCOL_F_REPLY_ACK) | BIT(VU_PROTOCOL_F_BACKEND_REQ) | \
	 BIT(VU_PROTOCOL_F_CONFIG) | BIT(VU_PROTOCOL_F_INFLIGHT_SHMFD) | \
	 BIT(VU_PROTOCOL_F_MEM_SLOTS))

/*
 * The kernel has these, but the protocol's side of them is not spoken here: IOTLB
 * messages, and a ring reset, for which the protocol has no message at all.
 */
#define FEATURES_HIDDEN (BIT(VIRTIO_F_ACCESS_PLATFORM) | BIT(VIRTIO_F_RING_RESET))

/* What the in-flight region of the largest device takes, with room to spare. */
#define INFLIGHT_MAX (128ULL << 20)

/**
 * enum reply - what a handler leaves to be sent
 * @REPLY_ACK: nothing, or a zero if the front end wants to know
 * @REPLY_PAYLOAD: the message, which the handler has made the answer
 */
enum reply { REPLY_ACK, REPLY_PAYLOAD };

static int refuse(const char *what, const char *why)
{
	log_err("vhost-user: %s: %s", what, why);
	return -EINVAL;
}

static int blk_ioctl(struct vu_blk *vb, unsigned long request, void *arg,
		     const char *what)
{
	int err;

	if (ioctl(vb->blk, request, arg) >= 0)
		return 0;
	err = errno;
	log_err("vhost-user: %s: %s", what, strerror(err));
	return -err;
}

static struct vu_queue *get_queue(struct vu_blk *vb, uint64_t index)
{
	return index < vb->queues ? &vb->queue[index] : NULL;
}

static int reply_u64(struct vu_msg *msg, uint64_t value)
{
	msg->u64 = value;
	msg->size = sizeof(msg->u64);
	return REPLY_PAYLOAD;
}

/* ---- queues ---- */

static bool packed(const struct vu_blk *vb)
{
	return vb->features & BIT(VIRTIO_F_RING_PACKED);
}

/*
 * Ring addresses of the bridge. All of a ring must be in the front end's memory: what
 * follows that in the bridge's address space is not for the kernel to write.
 */
static int translate(const struct vu_blk *vb, const struct vu_queue *q,
		     struct vhost_vring_addr *addr)
{
	uint64_t n = q->num;
	uint64_t avail = packed(vb) ? 4 : 6 + 2 * n;
	uint64_t used = packed(vb) ? 4 : 6 + 8 * n;

	*addr = q->addr;
	addr->desc_user_addr = vu_mem_host(&vb->mem, q->addr.desc_user_addr,
					   16 * n);
	addr->avail_user_addr = vu_mem_host(&vb->mem, q->addr.avail_user_addr,
					    avail);
	addr->used_user_addr = vu_mem_host(&vb->mem, q->addr.used_user_addr,
					   used);
	if (!addr->desc_user_addr || !addr->avail_user_addr ||
	    !addr->used_user_addr)
		return refuse("ring", "it is not within the memory regions");
	return 0;
}

static int set_inflight(struct vu_blk *vb, unsigned int index)
{
	const struct vu_inflight_map *in = &vb->inflight;
	struct asv_blk_inflight arg = { .index = index };

	if (in->base) {
		if (index >= in->queues || vb->queue[index].num > in->queue_size)
			return refuse("in-flight region", "it has no room for this queue");
		arg.addr = (uintptr_t)in->base + index * in->stride;
		arg.size = in->stride;
	}
	return blk_ioctl(vb, ASV_BLK_SET_INFLIGHT, &arg, "in-flight region");
}

static int stop_queue(struct vu_blk *vb, unsigned int index)
{
	struct vhost_vring_file file = { index, VHOST_FILE_UNBIND };
	int ret;

	if (!vb->queue[index].running)
		return 0;
	ret = blk_ioctl(vb, ASV_BLK_SET_BACKEND, &file, "cannot stop a queue");
	if (!ret)
		vb->queue[index].running = false;
	return ret;
}

/* Run the queue if all is there that it needs. */
static int start_queue(struct vu_blk *vb, unsigned int index)
{
	struct vhost_vring_file file = { index, ASV_BLK_BACKEND_START };
	struct vu_queue *q = &vb->queue[index];
	struct vhost_vring_addr addr;
	int ret;

	if (q->running || !q->have_addr || !q->have_kick || !q->enabled)
		return 0;
	ret = translate(vb, q, &addr);
	if (!ret)
		ret = blk_ioctl(vb, VHOST_SET_VRING_ADDR, &addr, "ring addresses");
	if (!ret)
		ret = set_inflight(vb, index);
	if (!ret)
		ret = blk_ioctl(vb, ASV_BLK_SET_BACKEND, &file,
				"cannot start a queue");
	if (!ret)
		q->running = true;
	return ret;
}

/* Stop all that run, and say which those were, for resume(). */
static int quiesce(struct vu_blk *vb, uint64_t *were)
{
	unsigned int i;
	int ret;

	*were = 0;
	for (i = 0; i < vb->queues; i++) {
		if (!vb->queue[i].running)
			continue;
		ret = stop_queue(vb, i);
		if (ret)
			return ret;
		*were |= BIT(i);
	}
	return 0;
}

static int resume(struct vu_blk *vb, uint64_t were)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < vb->queues && !ret; i++)
		if (were & BIT(i))
			ret = start_queue(vb, i);
	return ret;
}

/* ---- features and configuration ---- */

static int get_features(struct vu_blk *vb, struct vu_msg *msg)
{
	uint64_t features;
	int ret;

	ret = blk_ioctl(vb, VHOST_GET_FEATURES, &features, "features");
	if (ret)
		return ret;
	return reply_u64(msg, (features & ~FEATURES_HIDDEN) |
			 BIT(VU_F_PROTOCOL_FEATURES));
}

static int set_features(struct vu_blk *vb, struct vu_msg *msg)
{
	uint64_t features = msg->u64 & ~BIT(VU_F_PROTOCOL_FEATURES);
	unsigned int i;
	int ret;

	if (features & FEATURES_HIDDEN)
		return refuse("features", "one that was not offered");
	ret = blk_ioctl(vb, VHOST_SET_FEATURES, &features, "features");
	if (ret)
		return ret;
	vb->features = features;
	/* Without the protocol's features there is no message to enable a ring. */
	if (!(msg->u64 & BIT(VU_F_PROTOCOL_FEATURES)))
		for (i = 0; i < vb->queues; i++)
			vb->queue[i].enabled = true;
	return REPLY_ACK;
}

static int get_protocol_features(struct vu_blk *vb, struct vu_msg *msg)
{
	(void)vb;
	return reply_u64(msg, PROTOCOL_FEATURES);
}

static int set_protocol_features(struct vu_blk *vb, struct vu_msg *msg)
{
	if (msg->u64 & ~PROTOCOL_FEATURES)
		return refuse("protocol features", "one that was not offered");
	vb->protocol = msg->u64;
	return REPLY_ACK;
}

static int get_queue_num(struct vu_blk *vb, struct vu_msg *msg)
{
	return reply_u64(msg, vb->queues);
}

static int get_max_mem_slots(struct vu_blk *vb, struct vu_msg *msg)
{
	(void)vb;
	return reply_u64(msg, VU_REGIONS_MAX);
}

static int get_config(struct vu_blk *vb, struct vu_msg *msg)
{
	struct vu_config *c = &msg->config;
	struct asv_blk_config config;
	unsigned int i;
	int ret;

	ret = blk_ioctl(vb, ASV_BLK_GET_CONFIG, &config, "configuration");
	if (ret)
		return ret;
	for (i = 0; i < c->size; i++) {
		unsigned int at = c->offset + i;

		c->bytes[i] = at < config.size && at < sizeof(config.bytes) ?
			config.bytes[at] : 0;
	}
	return REPLY_PAYLOAD;
}

/* The write cache's mode is the only field that a driver may write (virtio 1.2, 5.2.4). */
static int set_config(struct vu_blk *vb, struct vu_msg *msg)
{
	const unsigned int at = offsetof(struct virtio_blk_config, wce);
	const struct vu_config *c = &msg->config;
	uint32_t wce;
	int ret;

	/* At a migration's end the whole space comes; the rest of it is as it is. */
	if (c->flags == 1) {
		if (c->offset > at || at - c->offset >= c->size)
			return REPLY_ACK;
	} else if (c->flags || c->offset != at || c->size != 1) {
		return refuse("configuration", "this field is read-only");
	}
	if (!(vb->features & BIT(VIRTIO_BLK_F_CONFIG_WCE)))
		return c->flags ? REPLY_ACK :
			refuse("configuration", "the write cache's mode was not offered");
	wce = !!c->bytes[at - c->offset];
	ret = blk_ioctl(vb, ASV_BLK_SET_WCE, &wce, "write cache");
	return ret ? ret : REPLY_ACK;
}

static int set_backend_req_fd(struct vu_blk *vb, struct vu_msg *msg)
{
	if (vb->backend >= 0)
		close(vb->backend);
	vb->backend = msg->fd[0];
	msg->fd[0] = -1;
	return REPLY_ACK;
}

static int no_effect(struct vu_blk *vb, struct vu_msg *msg)
{
	(void)vb;
	(void)msg;
	return REPLY_ACK;
}

/* ---- memory ---- */

static int tell_table(struct vu_blk *vb, int except)
{
	struct vhost_memory *table = vu_mem_table(&vb->mem, except);
	int ret;

	if (!table)
		return refuse("memory table", strerror(ENOMEM));
	ret = blk_ioctl(vb, VHOST_SET_MEM_TABLE, table, "memory table");
	free(table);
	return ret;
}

/* A whole new table: rings move with it, so no queue runs meanwhile. */
static int set_mem_table(struct vu_blk *vb, struct vu_msg *msg)
{
	const char *why = NULL;
	uint64_t were;
	unsigned int i;
	int ret;

	ret = quiesce(vb, &were);
	if (ret)
		return ret;
	vu_mem_clear(&vb->mem);
	for (i = 0; i < msg->table.count && !why; i++)
		why = vu_mem_add(&vb->mem, &msg->table.region[i], msg->fd[i]);
	if (why) {
		vu_mem_clear(&vb->mem);
		ret = refuse("memory table", why);
		tell_table(vb, -1);
		return ret;
	}
	ret = tell_table(vb, -1);
	if (!ret)
		ret = resume(vb, were);
	return ret ? ret : REPLY_ACK;
}

static int add_mem_reg(struct vu_blk *vb, struct vu_msg *msg)
{
	const char *why = vu_mem_add(&vb->mem, &msg->reg.region, msg->fd[0]);
	int ret;

	if (why)
		return refuse("memory region", why);
	ret = tell_table(vb, -1);
	if (!ret)
		return REPLY_ACK;
	vu_mem_remove(&vb->mem, vb->mem.count - 1);
	return ret;
}

/* Queues stop for a moment, so that no I/O on the region is left when this returns. */
static int rem_mem_reg(struct vu_blk *vb, struct vu_msg *msg)
{
	int index = vu_mem_find(&vb->mem, &msg->reg.region);
	uint64_t were;
	int ret;

	if (index < 0)
		return refuse("memory region", "there is none with these addresses");
	ret = quiesce(vb, &were);
	if (!ret)
		ret = tell_table(vb, index);
	if (ret) {
		/* The region stays, and so do the rings that were served. */
		resume(vb, were);
		return ret;
	}
	vu_mem_remove(&vb->mem, index);
	ret = resume(vb, were);
	return ret ? ret : REPLY_ACK;
}

static void drop_log(struct vu_blk *vb)
{
	if (vb->log)
		munmap(vb->log, vb->log_len);
	vb->log = NULL;
}

static int set_log_base(struct vu_blk *vb, struct vu_msg *msg)
{
	uint64_t base;
	size_t len;
	void *map;
	int ret;

	base = (uintptr_t)vu_map(msg->fd[0], msg->log.offset, msg->log.size,
				 &map, &len);
	if (!base)
		return refuse("dirty log", "it cannot be mapped");
	ret = blk_ioctl(vb, VHOST_SET_LOG_BASE, &base, "dirty log");
	if (ret) {
		munmap(map, len);
		return ret;
	}
	/* From here on the kernel marks in the new log only. */
	drop_log(vb);
	vb->log = map;
	vb->log_len = len;
	return reply_u64(msg, 0);
}

static int set_log_fd(struct vu_blk *vb, struct vu_msg *msg)
{
	int ret = blk_ioctl(vb, VHOST_SET_LOG_FD, &msg->fd[0], "dirty log's event");

	return ret ? ret : REPLY_ACK;
}

/* ---- rings ---- */

static int set_vring_num(struct vu_blk *vb, struct vu_msg *msg)
{
	struct vu_queue *q = get_queue(vb, msg->state.index);
	int ret;

	if (!q)
		return refuse("ring size", "there is no such queue");
	if (!msg->state.num || msg->state.num > ASV_VHOST_MAX_RING || q->running)
		return refuse("ring size", "out of range, or the queue runs");
	ret = blk_ioctl(vb, VHOST_SET_VRING_NUM, &msg->state, "ring size");
	if (ret)
		return ret;
	q->num = msg->state.num;
	return REPLY_ACK;
}

static int set_vring_addr(struct vu_blk *vb, struct vu_msg *msg)
{
	struct vu_queue *q = get_queue(vb, msg->addr.index);
	bool was;
	int ret;

	if (!q)
		return refuse("ring addresses", "there is no such queue");
	if (!q->num)
		return refuse("ring addresses", "the ring's size is not known yet");
	/* Of a running queue it is the log that is switched. */
	was = q->running;
	ret = stop_queue(vb, msg->addr.index);
	if (ret)
		return ret;
	q->addr = msg->addr;
	q->have_addr = true;
	ret = was ? start_queue(vb, msg->addr.index) : 0;
	return ret ? ret : REPLY_ACK;
}

static int set_vring_base(struct vu_blk *vb, struct vu_msg *msg)
{
	struct vu_queue *q = get_queue(vb, msg->state.index);
	int ret;

	if (!q || q->running)
		return refuse("ring position", "there is no such queue, or it runs");
	ret = blk_ioctl(vb, VHOST_SET_VRING_BASE, &msg->state, "ring position");
	return ret ? ret : REPLY_ACK;
}

/* This is how a front end stops a ring. */
static int get_vring_base(struct vu_blk *vb, struct vu_msg *msg)
{
	struct vu_queue *q = get_queue(vb, msg->state.index);
	int ret;

	if (!q)
		return refuse("ring position", "there is no such queue");
	ret = stop_queue(vb, msg->state.index);
	if (!ret)
		ret = blk_ioctl(vb, VHOST_GET_VRING_BASE, &msg->state,
				"ring position");
	if (ret)
		return ret;
	q->have_kick = false;
	return REPLY_PAYLOAD;
}

static int vring_file(struct vu_blk *vb, struct vu_msg *msg,
		      unsigned long request, const char *what)
{
	struct vhost_vring_file file = {
		.index = msg->u64 & VU_VRING_INDEX_MASK,
		.fd = msg->nfds ? msg->fd[0] : VHOST_FILE_UNBIND,
	};

	if (!get_queue(vb, file.index))
		return refuse(what, "there is no such queue");
	return blk_ioctl(vb, request, &file, what);
}

static int set_vring_kick(struct vu_blk *vb, struct vu_msg *msg)
{
	unsigned int index = msg->u64 & VU_VRING_INDEX_MASK;
	int ret;

	if (!msg->nfds)
		return refuse("kick", "a ring without a kick descriptor is not served");
	ret = vring_file(vb, msg, VHOST_SET_VRING_KICK, "kick");
	if (ret)
		return ret;
	vb->queue[index].have_kick = true;
	ret = start_queue(vb, index);
	return ret ? ret : REPLY_ACK;
}

/*
 * What a ring used before it had this descriptor was told to another one, or to nobody:
 * when a front end has reconnected, for requests that end while the former bridge goes or
 * before the front end unmasks its interrupts. A call without a used buffer does no harm.
 */
static int set_vring_call(struct vu_blk *vb, struct vu_msg *msg)
{
	struct pollfd call = { .events = POLLOUT };
	const uint64_t one = 1;
	int ret = vring_file(vb, msg, VHOST_SET_VRING_CALL, "call");

	if (ret)
		return ret;
	if (!msg->nfds)
		return REPLY_ACK;
	/* a counter that is full calls by itself, and must not be waited for */
	call.fd = msg->fd[0];
	if (poll(&call, 1, 0) == 1 && call.revents == POLLOUT &&
	    write(call.fd, &one, sizeof(one)) < 0)
		return refuse("call", strerror(errno));
	return REPLY_ACK;
}

static int set_vring_err(struct vu_blk *vb, struct vu_msg *msg)
{
	int ret = vring_file(vb, msg, VHOST_SET_VRING_ERR, "error event");

	return ret ? ret : REPLY_ACK;
}

static int set_vring_enable(struct vu_blk *vb, struct vu_msg *msg)
{
	struct vu_queue *q = get_queue(vb, msg->state.index);
	int ret;

	if (!q || msg->state.num > 1)
		return refuse("enable", "there is no such queue, or it is not 0 or 1");
	q->enabled = msg->state.num;
	ret = q->enabled ? start_queue(vb, msg->state.index) :
		stop_queue(vb, msg->state.index);
	return ret ? ret : REPLY_ACK;
}

/* ---- requests in flight ---- */

/* Room for either ring format, because the region may come before the features. */
static uint64_t inflight_stride(unsigned int queue_size)
{
	uint64_t split = sizeof(struct asv_blk_inflight_split) +
		queue_size * sizeof(struct asv_blk_desc_split);
	uint64_t ring = sizeof(struct asv_blk_inflight_packed) +
		queue_size * sizeof(struct asv_blk_desc_packed);
	uint64_t most = split > ring ? split : ring;

	return (most + 63) & ~63ULL;
}

static int check_inflight(const struct vu_blk *vb, const struct vu_inflight *in)
{
	if (!in->queues || in->queues > vb->queues || !in->queue_size ||
	    in->queue_size > ASV_VHOST_MAX_RING)
		return refuse("in-flight region", "number or size of queues out of range");
	return 0;
}

static int get_inflight_fd(struct vu_blk *vb, struct vu_msg *msg)
{
	const unsigned int seals = F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;
	struct vu_inflight *in = &msg->inflight;
	int fd, ret;

	ret = check_inflight(vb, in);
	if (ret)
		return ret;
	in->size = inflight_stride(in->queue_size) * in->queues;
	in->offset = 0;
	fd = memfd_create("asvm-inflight", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0 || ftruncate(fd, in->size) < 0 ||
	    fcntl(fd, F_ADD_SEALS, seals) < 0) {
		ret = refuse("in-flight region", strerror(errno));
		if (fd >= 0)
			close(fd);
		return ret;
	}
	msg->fd[0] = fd;
	msg->nfds = 1;
	return REPLY_PAYLOAD;
}

static void drop_inflight(struct vu_blk *vb)
{
	if (vb->inflight.base)
		munmap(vb->inflight.map, vb->inflight.len);
	memset(&vb->inflight, 0, sizeof(vb->inflight));
}

static int set_inflight_fd(struct vu_blk *vb, struct vu_msg *msg)
{
	const struct vu_inflight *in = &msg->inflight;
	struct vu_inflight_map new = { };
	uint64_t were;
	int ret;

	ret = check_inflight(vb, in);
	if (ret)
		return ret;
	new.queues = in->queues;
	new.queue_size = in->queue_size;
	new.stride = inflight_stride(in->queue_size);
	if (in->size < new.stride * in->queues || in->size > INFLIGHT_MAX ||
	    in->offset % 8)
		return refuse("in-flight region", "not one of this back end");
	new.base = vu_map(msg->fd[0], in->offset, in->size, &new.map, &new.len);
	if (!new.base)
		return refuse("in-flight region", "it cannot be mapped");
	ret = quiesce(vb, &were);
	if (ret) {
		munmap(new.map, new.len);
		resume(vb, were);
		return ret;
	}
	drop_inflight(vb);
	vb->inflight = new;
	ret = resume(vb, were);
	return ret ? ret : REPLY_ACK;
}

/* ---- messages ---- */

static int (*const handlers[VU_REQUEST_MAX])(struct vu_blk *vb,
					     struct vu_msg *msg) = {
	[VU_GET_FEATURES] = get_features,
	[VU_SET_FEATURES] = set_features,
	/* The bridge is the owner; the front end's word begins a session only. */
	[VU_SET_OWNER] = no_effect,
	[VU_RESET_OWNER] = no_effect,
	[VU_SET_MEM_TABLE] = set_mem_table,
	[VU_SET_LOG_BASE] = set_log_base,
	[VU_SET_LOG_FD] = set_log_fd,
	[VU_SET_VRING_NUM] = set_vring_num,
	[VU_SET_VRING_ADDR] = set_vring_addr,
	[VU_SET_VRING_BASE] = set_vring_base,
	[VU_GET_VRING_BASE] = get_vring_base,
	[VU_SET_VRING_KICK] = set_vring_kick,
	[VU_SET_VRING_CALL] = set_vring_call,
	[VU_SET_VRING_ERR] = set_vring_err,
	[VU_GET_PROTOCOL_FEATURES] = get_protocol_features,
	[VU_SET_PROTOCOL_FEATURES] = set_protocol_features,
	[VU_GET_QUEUE_NUM] = get_queue_num,
	[VU_SET_VRING_ENABLE] = set_vring_enable,
	[VU_SET_BACKEND_REQ_FD] = set_backend_req_fd,
	[VU_GET_CONFIG] = get_config,
	[VU_SET_CONFIG] = set_config,
	[VU_GET_INFLIGHT_FD] = get_inflight_fd,
	[VU_SET_INFLIGHT_FD] = set_inflight_fd,
	[VU_GET_MAX_MEM_SLOTS] = get_max_mem_slots,
	[VU_ADD_MEM_REG] = add_mem_reg,
	[VU_REM_MEM_REG] = rem_mem_reg,
};

/* Answer a message; a failure that the front end cannot be told ends the connection. */
static int answer(struct vu_blk *vb, struct vu_msg *msg, int ret, bool ack)
{
	if (ret < 0 && msg->request == VU_GET_CONFIG) {
		/* The protocol's way to say no here. */
		msg->size = 0;
		ret = REPLY_PAYLOAD;
	} else if (ret != REPLY_PAYLOAD) {
		if (!ack)
			return ret;
		ret = reply_u64(msg, ret < 0);
	}
	msg->flags = VU_VERSION | VU_FLAG_REPLY;
	return vu_send(vb->sock, msg);
}

int vu_blk_message(struct vu_blk *vb)
{
	struct vu_msg msg;
	const char *why;
	bool ack;
	int ret;

	ret = vu_recv(vb->sock, &msg);
	if (ret < 0)
		log_err("vhost-user: cannot read a message: %s", strerror(-ret));
	if (ret <= 0)
		return ret;
	ack = msg.flags & VU_FLAG_NEED_REPLY &&
		vb->protocol & BIT(VU_PROTOCOL_F_REPLY_ACK);
	why = vu_check(&msg);
	if (why)
		ret = refuse(vu_name(msg.request), why);
	else
		ret = handlers[msg.request](vb, &msg);
	/* What came must not go back; only this request brings one of ours. */
	if (msg.request != VU_GET_INFLIGHT_FD)
		vu_close_fds(&msg);
	ret = answer(vb, &msg, ret, ack);
	vu_close_fds(&msg);
	return ret < 0 ? ret : 1;
}

void vu_blk_config_changed(struct vu_blk *vb)
{
	struct vu_msg msg = {
		.request = VU_BACKEND_CONFIG_CHANGE,
		.flags = VU_VERSION,
	};
	int ret;

	if (vb->backend < 0)
		return;
	ret = vu_send(vb->backend, &msg);
	if (ret)
		log_warn("vhost-user: the front end was not told of the disk's new size: %s",
			 strerror(-ret));
}

void vu_blk_disconnect(struct vu_blk *vb)
{
	static const struct vhost_memory none;
	uint64_t features = 0, were;
	unsigned int i;

	if (quiesce(vb, &were))
		log_warn("vhost-user: a queue could not be stopped");
	for (i = 0; i < vb->queues; i++) {
		const unsigned long events[] = {
			VHOST_SET_VRING_KICK, VHOST_SET_VRING_CALL,
			VHOST_SET_VRING_ERR,
		};
		struct asv_blk_inflight no_inflight = { .index = i };
		struct vhost_vring_file file = { i, VHOST_FILE_UNBIND };
		unsigned int k;

		for (k = 0; k < 3; k++)
			ioctl(vb->blk, events[k], &file);
		ioctl(vb->blk, ASV_BLK_SET_INFLIGHT, &no_inflight);
		memset(&vb->queue[i], 0, sizeof(vb->queue[i]));
	}
	ioctl(vb->blk, VHOST_SET_FEATURES, &features);
	ioctl(vb->blk, VHOST_SET_MEM_TABLE, &none);
	vb->features = 0;
	vb->protocol = 0;
	vu_mem_clear(&vb->mem);
	drop_inflight(vb);
	drop_log(vb);
	if (vb->backend >= 0)
		close(vb->backend);
	vb->backend = -1;
	close(vb->sock);
	vb->sock = -1;
}
