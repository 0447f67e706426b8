/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The driver's side of a virtqueue (virtio 1.2, sections 2.7 and 2.8) with a
 * model of its own of what the device may do: every used buffer must be one that
 * is outstanding, its length no more than what was writable, indices may only
 * move forward, and nothing but the device's own areas may change. The first
 * breach is kept in why and fails every later call with -EPROTO.
 */
#ifndef VT_RING_H
#define VT_RING_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/vhost.h>

#include "mem.h"

/* <linux/virtio_ring.h> keeps this one after a legacy guard in some versions */
struct vt_packed_desc {
	__le64 addr;
	__le32 len;
	__le16 id;
	__le16 flags;
};

struct vt_packed_event {
	__le16 off_wrap;
	__le16 flags;
};

#define VT_PACKED_AVAIL	(1 << VRING_PACKED_DESC_F_AVAIL)
#define VT_PACKED_USED	(1 << VRING_PACKED_DESC_F_USED)
/* the base of a packed ring that has not run: both wrap counters set */
#define VT_PACKED_BASE	0x80008000u

struct vt_sg {
	void *buf;		/* in guest memory */
	uint32_t len;		/* bytes */
	bool write;		/* the device writes it */
};

/* a buffer handed to the device */
struct vt_slot {
	bool busy;
	uint16_t ndesc;		/* ring descriptors that it takes */
	uint32_t writable;	/* bytes */
	void *cookie;
};

struct vt_table {
	struct vring_desc *desc;
	unsigned int room;	/* descriptors */
};

struct vt_used {
	void *cookie;
	uint32_t len;		/* bytes that the device says it wrote */
};

enum vt_irq {
	VT_IRQ_ON,		/* after every used buffer */
	VT_IRQ_OFF,
};

struct vt_queue {
	struct vt_mem *mem;
	unsigned int index;
	unsigned int num;	/* descriptors */
	bool packed;
	bool event_idx;

	/* host addresses of the three areas, each with red zones */
	union {
		struct vring_desc *desc;
		struct vt_packed_desc *pdesc;
	};
	union {
		struct vring_avail *avail;	/* driver area */
		struct vt_packed_event *pdriver;
	};
	union {
		struct vring_used *used;	/* device area */
		struct vt_packed_event *pdevice;
	};
	size_t desc_size;
	size_t driver_size;
	size_t device_size;
	void *desc_shadow;	/* what the driver last wrote to the descriptors */

	int kick;		/* eventfds */
	int call;
	int err;

	struct vt_slot *slots;	/* by head (split) or buffer id (packed) */
	uint16_t *free_ids;	/* split: free descriptors; packed: free ids */
	struct vt_table *tables;	/* indirect, one for each slot */
	struct vring_desc *chain;	/* scratch of vt_add() */
	unsigned int nfree;	/* descriptors */
	unsigned int nfree_ids;
	unsigned int inflight;	/* buffers */

	/* split: free-running; packed: position, with the wrap counter beside */
	uint16_t next_avail;
	uint16_t next_used;
	bool avail_wrap;
	bool used_wrap;
	uint16_t kicked;	/* next_avail as of the last look at suppression */
	/* packed: the first descriptor of a batch is made available last */
	bool batch;
	uint16_t batch_pos;
	uint16_t batch_flags;
	unsigned int added;	/* descriptors (packed) or heads since the last publish */
	uint16_t pending_kick;	/* packed: descriptors published, suppression not looked at */

	uint64_t nkicks;
	uint64_t ncompleted;
	char why[160];
};

/* the three areas, in mem; 0 or -errno */
int vt_queue_init(struct vt_queue *vq, struct vt_mem *mem, unsigned int index,
		  unsigned int num, uint64_t features);
/* eventfds and model memory; the areas go with mem */
void vt_queue_free(struct vt_queue *vq);
/* empty rings and a model that starts at base, as VHOST_SET_VRING_BASE takes it */
void vt_queue_reset(struct vt_queue *vq, uint32_t base);
/* the base that the model would expect of VHOST_GET_VRING_BASE when all is idle */
uint32_t vt_queue_base(const struct vt_queue *vq);

/* add a buffer, as a chain or by an indirect table; 0, -ENOSPC */
int vt_add(struct vt_queue *vq, const struct vt_sg *sg, unsigned int n, bool indirect,
	   void *cookie);
/* make what was added visible to the device, all at once */
void vt_publish(struct vt_queue *vq);
/* does the device want a kick for what was published since the last call? */
bool vt_kick_wanted(struct vt_queue *vq);
void vt_kick(struct vt_queue *vq);
/* publish, and kick if the device wants it */
void vt_submit(struct vt_queue *vq);

/* 1 with a used buffer, 0 without, -EPROTO on a breach of the protocol */
int vt_get_used(struct vt_queue *vq, struct vt_used *used);
/* the same, waiting by the call eventfd; -ETIMEDOUT */
int vt_wait_used(struct vt_queue *vq, struct vt_used *used, int timeout_ms);

void vt_irq(struct vt_queue *vq, enum vt_irq mode);
/* with event index: interrupt when the used position passes n more of the ring */
void vt_irq_after(struct vt_queue *vq, unsigned int n);
/* how often the call eventfd was signalled since the last look */
uint64_t vt_irqs(struct vt_queue *vq);
/* wait for an interrupt; the number of signals, 0 on timeout */
uint64_t vt_wait_irq(struct vt_queue *vq, int timeout_ms);
/* has the error eventfd been signalled since the last look? waits timeout_ms */
bool vt_broken(struct vt_queue *vq, int timeout_ms);

/* nothing but what the device may write has changed; 0 or -EPROTO */
int vt_queue_check(struct vt_queue *vq);

int64_t vt_now_ms(void);

/* note a breach of the protocol */
int vt_breach(struct vt_queue *vq, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif /* VT_RING_H */
