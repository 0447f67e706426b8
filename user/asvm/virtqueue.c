// SPDX-License-Identifier: GPL-2.0-only
/* The device's side of a virtqueue: split (virtio 1.2, 2.7) and packed (2.8). */
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <stdatomic.h>
#include <string.h>

#include "virtqueue.h"

/* The guest can write the ring at any time: every load is one load. */
#define READ_ONCE(x)		(*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v)	(*(volatile __typeof__(x) *)&(x) = (v))

static void load_fence(void)
{
	atomic_thread_fence(memory_order_acquire);
}

static void store_fence(void)
{
	atomic_thread_fence(memory_order_release);
}

static void full_fence(void)
{
	atomic_thread_fence(memory_order_seq_cst);
}

/*
 * Copy a descriptor out of guest memory, at any alignment. The barrier keeps the compiler from
 * reading the original again.
 */
static void vq_fetch(void *copy, const void *desc, size_t size)
{
	memcpy(copy, desc, size);
	__asm__ volatile("" : : "r"(copy) : "memory");
}

static int vq_break(struct virtqueue *vq)
{
	vq->broken = true;
	return -EPROTO;
}

int vq_start(struct virtqueue *vq, const struct memory *mem, unsigned int size, uint64_t desc,
	     uint64_t driver, uint64_t device, uint64_t features)
{
	bool packed = features & (1ULL << VIRTIO_F_RING_PACKED);
	size_t driver_len, device_len;

	*vq = (struct virtqueue){
		.mem = mem,
		.size = size,
		.packed = packed,
		.indirect = features & (1ULL << VIRTIO_RING_F_INDIRECT_DESC),
		.event_idx = features & (1ULL << VIRTIO_RING_F_EVENT_IDX),
		.avail_wrap = true,
		.used_wrap = true,
		.signalled_wrap = true,
		.broken = true,
	};
	if (!size || size > VQ_SIZE_MAX || (!packed && (size & (size - 1))))
		return -EINVAL;
	if ((desc & 15) || (driver & (packed ? 3 : 1)) || (device & 3))
		return -EINVAL;
	driver_len = packed ? sizeof(struct vring_packed_desc_event) :
		     sizeof(uint16_t) * (3 + size);
	device_len = packed ? sizeof(struct vring_packed_desc_event) :
		     sizeof(uint16_t) * 3 + sizeof(struct vring_used_elem) * size;
	vq->desc = mem_ptr(mem, desc, 16ULL * size);
	vq->driver = mem_ptr(mem, driver, driver_len);
	vq->device = mem_ptr(mem, device, device_len);
	if (!vq->desc || !vq->driver || !vq->device)
		return -EINVAL;
	vq->broken = false;
	return 0;
}

/* Take one buffer into the chain; false when that breaks a rule. */
static bool vq_add_seg(struct virtqueue *vq, struct vq_chain *chain, uint64_t addr,
		       uint32_t len, bool writable)
{
	unsigned int n = chain->nout + chain->nin;
	void *host;

	if (n == VQ_SEGS_MAX || (!writable && chain->nin))
		return false;
	host = mem_ptr(vq->mem, addr, len);
	if (!host)
		return false;
	chain->seg[n] = (struct iovec){ host, len };
	if (writable) {
		chain->nin++;
		chain->in_len += len;
	} else {
		chain->nout++;
		chain->out_len += len;
	}
	return true;
}

/*
 * Follow a split chain from @head in a table of @n descriptors. It ends after @n steps at the
 * latest: a longer one is a loop.
 */
static bool vq_walk_split(struct virtqueue *vq, struct vq_chain *chain,
			  const void *table, unsigned int n, unsigned int head,
			  bool in_indirect)
{
	unsigned int steps, i = head;

	for (steps = 0; steps < n; steps++) {
		struct vring_desc d;

		vq_fetch(&d, (const uint8_t *)table + i * sizeof(d), sizeof(d));
		if (d.flags & VRING_DESC_F_INDIRECT) {
			unsigned int count = d.len / sizeof(d);
			const void *sub;

			if (in_indirect || !vq->indirect || (d.flags & VRING_DESC_F_NEXT) ||
			    !count || d.len % sizeof(d) || count > VQ_SEGS_MAX)
				return false;
			sub = mem_ptr(vq->mem, d.addr, d.len);
			return sub && vq_walk_split(vq, chain, sub, count, 0, true);
		}
		if (!vq_add_seg(vq, chain, d.addr, d.len, d.flags & VRING_DESC_F_WRITE))
			return false;
		if (!(d.flags & VRING_DESC_F_NEXT))
			return true;
		if (d.next >= n)
			return false;
		i = d.next;
	}
	return false;
}

static int vq_pop_split(struct virtqueue *vq, struct vq_chain *chain)
{
	const struct vring_avail *avail = vq->driver;
	uint16_t idx = READ_ONCE(avail->idx);
	uint16_t head;

	if (idx == vq->avail)
		return 0;
	if ((uint16_t)(idx - vq->avail) > vq->size)
		return vq_break(vq);
	load_fence();
	head = READ_ONCE(avail->ring[vq->avail & (vq->size - 1)]);
	if (head >= vq->size)
		return vq_break(vq);
	chain->id = head;
	chain->ndesc = 1;
	if (!vq_walk_split(vq, chain, vq->desc, vq->size, head, false))
		return vq_break(vq);
	vq->avail++;
	return 1;
}

static bool vq_walk_packed_indirect(struct virtqueue *vq, struct vq_chain *chain, uint64_t addr,
				    uint32_t len)
{
	struct vring_packed_desc d;
	unsigned int i, n = len / sizeof(d);
	const uint8_t *table;

	if (!vq->indirect || !n || len % sizeof(d) || n > VQ_SEGS_MAX)
		return false;
	table = mem_ptr(vq->mem, addr, len);
	if (!table)
		return false;
	for (i = 0; i < n; i++) {
		vq_fetch(&d, table + i * sizeof(d), sizeof(d));
		/* of the flags only WRITE has a meaning here (2.8.7) */
		if ((d.flags & VRING_DESC_F_INDIRECT) ||
		    !vq_add_seg(vq, chain, d.addr, d.len, d.flags & VRING_DESC_F_WRITE))
			return false;
	}
	return true;
}

static bool vq_packed_is_avail(uint16_t flags, bool wrap)
{
	bool avail = flags & (1 << VRING_PACKED_DESC_F_AVAIL);
	bool used = flags & (1 << VRING_PACKED_DESC_F_USED);

	return avail == wrap && used != wrap;
}

static void vq_advance(uint16_t *pos, bool *wrap, unsigned int n, unsigned int size)
{
	*pos += n;
	if (*pos >= size) {
		*pos -= size;
		*wrap = !*wrap;
	}
}

static int vq_pop_packed(struct virtqueue *vq, struct vq_chain *chain)
{
	const struct vring_packed_desc *ring = vq->desc;
	uint16_t flags = READ_ONCE(ring[vq->avail].flags);
	uint16_t pos = vq->avail;
	bool wrap = vq->avail_wrap;
	unsigned int n = 0;

	if (!vq_packed_is_avail(flags, wrap))
		return 0;
	load_fence();
	for (;;) {
		uint64_t addr = READ_ONCE(ring[pos].addr);
		uint32_t len = READ_ONCE(ring[pos].len);

		/* the id is in the last descriptor of the chain */
		chain->id = READ_ONCE(ring[pos].id);
		if (flags & VRING_DESC_F_INDIRECT) {
			if (n || (flags & VRING_DESC_F_NEXT) ||
			    !vq_walk_packed_indirect(vq, chain, addr, len))
				return vq_break(vq);
		} else if (!vq_add_seg(vq, chain, addr, len, flags & VRING_DESC_F_WRITE)) {
			return vq_break(vq);
		}
		vq_advance(&pos, &wrap, 1, vq->size);
		n++;
		if (!(flags & VRING_DESC_F_NEXT))
			break;
		if (n == vq->size)
			return vq_break(vq);
		/* the head's flags are written last, so the rest of the chain is there */
		flags = READ_ONCE(ring[pos].flags);
	}
	chain->ndesc = n;
	vq->avail = pos;
	vq->avail_wrap = wrap;
	return 1;
}

int vq_pop(struct virtqueue *vq, struct vq_chain *chain)
{
	if (vq->broken)
		return -EPROTO;
	chain->nout = 0;
	chain->nin = 0;
	chain->out_len = 0;
	chain->in_len = 0;
	return vq->packed ? vq_pop_packed(vq, chain) : vq_pop_split(vq, chain);
}

void vq_unpop(struct virtqueue *vq, const struct vq_chain *chain)
{
	if (!vq->packed) {
		vq->avail--;
		return;
	}
	if (vq->avail < chain->ndesc) {
		vq->avail += vq->size;
		vq->avail_wrap = !vq->avail_wrap;
	}
	vq->avail -= chain->ndesc;
}

void vq_push(struct virtqueue *vq, const struct vq_chain *chain, uint32_t len)
{
	if (vq->broken)
		return;
	if (vq->packed) {
		struct vring_packed_desc *d = (struct vring_packed_desc *)vq->desc + vq->used;
		uint16_t flags = len ? VRING_DESC_F_WRITE : 0;

		if (vq->used_wrap)
			flags |= 1 << VRING_PACKED_DESC_F_AVAIL | 1 << VRING_PACKED_DESC_F_USED;
		WRITE_ONCE(d->id, chain->id);
		WRITE_ONCE(d->len, len);
		store_fence();
		WRITE_ONCE(d->flags, flags);
		vq_advance(&vq->used, &vq->used_wrap, chain->ndesc, vq->size);
	} else {
		struct vring_used *used = vq->device;
		struct vring_used_elem *e = &used->ring[vq->used & (vq->size - 1)];

		WRITE_ONCE(e->id, chain->id);
		WRITE_ONCE(e->len, len);
		store_fence();
		WRITE_ONCE(used->idx, ++vq->used);
	}
}

static bool vq_must_signal_packed(struct virtqueue *vq)
{
	const struct vring_packed_desc_event *ev = vq->driver;
	uint16_t flags = READ_ONCE(ev->flags) & 3;
	uint16_t old = vq->signalled, off_wrap, off;

	/* everything as distances from a common start, one lap back for the other wrap */
	if (vq->signalled_wrap != vq->used_wrap)
		old -= vq->size;
	vq->signalled = vq->used;
	vq->signalled_wrap = vq->used_wrap;
	if (flags == VRING_PACKED_EVENT_FLAG_DISABLE)
		return false;
	if (flags != VRING_PACKED_EVENT_FLAG_DESC || !vq->event_idx)
		return true;
	load_fence();
	off_wrap = READ_ONCE(ev->off_wrap);
	off = off_wrap & ~(1 << VRING_PACKED_EVENT_F_WRAP_CTR);
	if (!!(off_wrap >> VRING_PACKED_EVENT_F_WRAP_CTR) != vq->used_wrap)
		off -= vq->size;
	return vring_need_event(off, vq->used, old);
}

bool vq_must_signal(struct virtqueue *vq)
{
	const struct vring_avail *avail = vq->driver;
	uint16_t old = vq->signalled;

	if (vq->broken)
		return false;
	if (vq->used == vq->signalled && vq->used_wrap == vq->signalled_wrap)
		return false;
	full_fence();
	if (vq->packed)
		return vq_must_signal_packed(vq);
	vq->signalled = vq->used;
	if (vq->event_idx)
		return vring_need_event(READ_ONCE(avail->ring[vq->size]), vq->used, old);
	return !(READ_ONCE(avail->flags) & VRING_AVAIL_F_NO_INTERRUPT);
}

bool vq_want_kicks(struct virtqueue *vq)
{
	if (vq->broken)
		return false;
	if (vq->packed) {
		const struct vring_packed_desc *ring = vq->desc;
		struct vring_packed_desc_event *ev = vq->device;

		if (vq->event_idx) {
			WRITE_ONCE(ev->off_wrap, vq->avail | vq->avail_wrap <<
				   VRING_PACKED_EVENT_F_WRAP_CTR);
			store_fence();
			WRITE_ONCE(ev->flags, VRING_PACKED_EVENT_FLAG_DESC);
		} else {
			WRITE_ONCE(ev->flags, VRING_PACKED_EVENT_FLAG_ENABLE);
		}
		full_fence();
		return vq_packed_is_avail(READ_ONCE(ring[vq->avail].flags), vq->avail_wrap);
	}
	if (vq->event_idx) {
		struct vring_used *used = vq->device;

		WRITE_ONCE(*(uint16_t *)&used->ring[vq->size], vq->avail);
	}
	full_fence();
	return READ_ONCE(((const struct vring_avail *)vq->driver)->idx) != vq->avail;
}

static size_t vq_copy(const struct iovec *seg, unsigned int n, size_t off, void *buf, size_t len,
		      bool write)
{
	size_t done = 0;
	unsigned int i;

	for (i = 0; i < n && done < len; i++) {
		size_t here;

		if (off >= seg[i].iov_len) {
			off -= seg[i].iov_len;
			continue;
		}
		here = seg[i].iov_len - off;
		if (here > len - done)
			here = len - done;
		if (write)
			memcpy((uint8_t *)seg[i].iov_base + off, (uint8_t *)buf + done, here);
		else
			memcpy((uint8_t *)buf + done, (uint8_t *)seg[i].iov_base + off, here);
		done += here;
		off = 0;
	}
	return done;
}

size_t vq_read(const struct vq_chain *chain, size_t off, void *buf, size_t len)
{
	return vq_copy(chain->seg, chain->nout, off, buf, len, false);
}

size_t vq_write(const struct vq_chain *chain, size_t off, const void *buf, size_t len)
{
	return vq_copy(chain->seg + chain->nout, chain->nin, off, (void *)buf, len, true);
}
