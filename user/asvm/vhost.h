/* SPDX-License-Identifier: GPL-2.0-only */
/* The part of the vhost interface that all kernel backends share (linux/vhost.h). */
#ifndef ASVM_VHOST_H
#define ASVM_VHOST_H

#include <stdint.h>

#include "virtio.h"

/** VHOST_RING_FEATURES - bits of a backend that concern rings and that asvm passes on */
#define VHOST_RING_FEATURES	(1ULL << VIRTIO_RING_F_INDIRECT_DESC | \
				 1ULL << VIRTIO_RING_F_EVENT_IDX | \
				 1ULL << VIRTIO_F_VERSION_1 | \
				 1ULL << VIRTIO_F_RING_PACKED | \
				 1ULL << VIRTIO_F_RING_RESET)

/**
 * struct vhost_err - a backend's error descriptor: a ring that it has given up
 *
 * The device is then marked as needing a reset, which is all a driver can do about it.
 */
struct vhost_err {
	struct virtio_dev *vd;
	struct loop_source src;
};

int vhost_err_init(struct vhost_err *err, struct virtio_dev *vd);
void vhost_err_destroy(struct vhost_err *err);

/** vhost_open - the descriptor given, or a new one of @path; -errno after a message */
int vhost_open(int given, const char *path);

/** vhost_init - VHOST_SET_OWNER, the memory table, and the features; 0 or -errno */
int vhost_init(int fd, const struct memory *mem, uint64_t *features);

int vhost_set_features(int fd, uint64_t features);

/**
 * vhost_set_vring - everything of queue @q of @vd, for the backend's queue @index
 *
 * From the beginning of the ring. -EINVAL for addresses outside the guest's memory.
 */
int vhost_set_vring(int fd, unsigned int index, struct virtio_dev *vd, unsigned int q,
		    int err_fd);

/** vhost_set_call - what to signal for queue @q of @vd has changed */
int vhost_set_call(int fd, unsigned int index, struct virtio_dev *vd, unsigned int q);

/** vhost_set_poll - busy polling limit in microseconds; what a backend lacks is a warning */
void vhost_set_poll(int fd, unsigned int index, unsigned int us);

#endif
