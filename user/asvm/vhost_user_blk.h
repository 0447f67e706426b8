/* SPDX-License-Identifier: GPL-2.0-only */
/* A vhost-user-blk device on /dev/asv-blk: what a front end's messages do. */
#ifndef ASVM_VHOST_USER_BLK_H
#define ASVM_VHOST_USER_BLK_H

#include <linux/asv_blk.h>

#include "vhost_user_mem.h"

/**
 * struct vu_queue - one queue
 * @addr: ring addresses of the front end, translated when the queue starts
 * @num: ring size
 * @have_addr, @have_kick, @enabled: all three are needed to run
 * @running: the kernel serves it
 */
struct vu_queue {
	struct vhost_vring_addr addr;
	unsigned int num;
	bool have_addr;
	bool have_kick;
	bool enabled;
	bool running;
};

/**
 * struct vu_inflight_map - the region that outlives the bridge
 * @base: where it is, NULL: not given
 * @stride: bytes of each queue's part
 */
struct vu_inflight_map {
	char *base;
	void *map;
	size_t len;
	uint64_t stride;
	unsigned int queues;
	unsigned int queue_size;
};

/**
 * struct vu_blk - the device and its connection
 * @blk: /dev/asv-blk, with an owner and a disk
 * @sock: connection to the front end
 * @backend: channel for requests of ours, -1: none
 * @features: acknowledged, of virtio
 * @protocol: acknowledged, of the protocol
 * @queues: of the device
 * @log, @log_len: the dirty log's mapping
 */
struct vu_blk {
	int blk;
	int sock;
	int backend;
	uint64_t features;
	uint64_t protocol;
	unsigned int queues;
	void *log;
	size_t log_len;
	struct vu_inflight_map inflight;
	struct vu_mem mem;
	struct vu_queue queue[ASV_BLK_MAX_QUEUES];
};

/* vu_blk_message() - receive and do one message; 1, 0 at the end, or -errno after a message */
int vu_blk_message(struct vu_blk *vb);

/* vu_blk_config_changed() - tell the front end */
void vu_blk_config_changed(struct vu_blk *vb);

/**
 * vu_blk_disconnect() - stop everything and forget the front end
 *
 * What it has in flight is finished first. The device is as it was at the start.
 */
void vu_blk_disconnect(struct vu_blk *vb);

#endif
