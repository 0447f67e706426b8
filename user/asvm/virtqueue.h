/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The device's side of a virtqueue, for devices that asvm serves itself (rng, console, balloon,
 * the network control queue). Everything in the ring is the guest's: it is read once, checked,
 * and only then used. A ring that breaks the rules is dead until the driver resets it.
 */
#ifndef ASVM_VIRTQUEUE_H
#define ASVM_VIRTQUEUE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "memory.h"

#define VQ_SIZE_MAX	256
/* buffers of one chain: an indirect table is not larger than the ring may be */
#define VQ_SEGS_MAX	VQ_SIZE_MAX

/**
 * struct virtqueue - where the ring is, and how far the device has come
 * @desc, @driver, @device: host addresses of the ring's areas
 * @avail, @used: next descriptor (packed) or free-running index (split)
 * @avail_wrap, @used_wrap: wrap counters (packed)
 * @signalled: @used when an interrupt was last considered
 */
struct virtqueue {
	const struct memory *mem;
	void *desc;
	void *driver;
	void *device;
	unsigned int size;
	bool packed;
	bool indirect;
	bool event_idx;
	bool broken;
	uint16_t avail;
	uint16_t used;
	uint16_t signalled;
	bool avail_wrap;
	bool used_wrap;
	bool signalled_wrap;
};

/**
 * struct vq_chain - one request
 * @id: the driver's name for it
 * @ndesc: ring descriptors it takes (packed)
 * @nout, @nin: buffers the device reads, then those it writes; @out_len, @in_len their bytes
 * @seg: the @nout readable buffers, then the @nin writable ones
 */
struct vq_chain {
	uint16_t id;
	uint16_t ndesc;
	unsigned int nout;
	unsigned int nin;
	uint64_t out_len;
	uint64_t in_len;
	struct iovec seg[VQ_SEGS_MAX];
};

/**
 * vq_start - begin to serve a ring at guest addresses
 *
 * -EINVAL for a size or an address that cannot be.
 */
int vq_start(struct virtqueue *vq, const struct memory *mem, unsigned int size, uint64_t desc,
	     uint64_t driver, uint64_t device, uint64_t features);

/** vq_pop - the next request: 1, 0 when there is none, -EPROTO when the ring is broken */
int vq_pop(struct virtqueue *vq, struct vq_chain *chain);

/** vq_push - give a request back, @len bytes written into it */
void vq_push(struct virtqueue *vq, const struct vq_chain *chain, uint32_t len);

/** vq_unpop - as if the last vq_pop() had not been; before any vq_push() */
void vq_unpop(struct virtqueue *vq, const struct vq_chain *chain);

/** vq_must_signal - whether the driver wants an interrupt for what was pushed */
bool vq_must_signal(struct virtqueue *vq);

/** vq_want_kicks - let the driver tell of new requests; true if some came meanwhile */
bool vq_want_kicks(struct virtqueue *vq);

/** vq_read - copy what the driver wrote into the chain, from @off; returns bytes copied */
size_t vq_read(const struct vq_chain *chain, size_t off, void *buf, size_t len);

/** vq_write - copy into the chain's writable buffers, from @off; returns bytes copied */
size_t vq_write(const struct vq_chain *chain, size_t off, const void *buf, size_t len);

#endif
