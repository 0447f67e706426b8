/* SPDX-License-Identifier: GPL-2.0-only */
/* A vhost descriptor, its memory, and its queues, by the ioctls of <linux/vhost.h>. */
#ifndef VT_DEV_H
#define VT_DEV_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/asv_blk.h>
#include <linux/asv_vhost.h>
#include <linux/virtio_config.h>

#include "mem.h"
#include "ring.h"

#define VT_NET_NODE	"/dev/asv-net"
#define VT_BLK_NODE	"/dev/asv-blk"

#define VT_BIT(n)	(1ULL << (n))

/* how long a test waits for what must happen; emulated hosts are slow */
#define VT_WAIT_MS	10000
/* how long it looks for what must not happen */
#define VT_QUIET_MS	60

struct vt_dev {
	int fd;
	struct vt_mem *mem;
	uint64_t features;	/* acknowledged */
};

/* an ioctl as 0 or -errno */
int vt_ioctl(int fd, unsigned long request, void *arg);
int vt_ioctl_state(int fd, unsigned long request, unsigned int index, unsigned int num);
int vt_ioctl_file(int fd, unsigned long request, unsigned int index, int file);

/* loads the module; ends the program as failed if the node cannot be had */
void vt_require(const char *node);

/* open a node and become its owner; 0 or -errno */
int vt_dev_open(struct vt_dev *dev, const char *node, struct vt_mem *mem);
void vt_dev_close(struct vt_dev *dev);
/* VHOST_SET_FEATURES; then memory: both 0 or -errno */
int vt_dev_features(struct vt_dev *dev, uint64_t features);
int vt_dev_memory(struct vt_dev *dev);

/* size, base, addresses and eventfds of a queue, everything but its start */
int vt_queue_setup(struct vt_dev *dev, struct vt_queue *vq, uint32_t base);
int vt_queue_addr(struct vt_dev *dev, struct vt_queue *vq, unsigned int flags,
		  uint64_t log_addr);
/* VHOST_GET_VRING_BASE: the base, or -errno */
int64_t vt_get_base(struct vt_dev *dev, struct vt_queue *vq);

/* run a shell command, its output dropped: 0 if it succeeded */
int vt_shell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif /* VT_DEV_H */
