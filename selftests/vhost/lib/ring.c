// SPDX-License-Identifier: GPL-2.0-only
#include <err.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/eventfd.h>

#include <linux/virtio_config.h>

#include "ring_ops.h"

int vt_breach(struct vt_queue *vq, const char *fmt, ...)
{
	va_list args;

	if (!vq->why[0]) {
		va_start(args, fmt);
		vsnprintf(vq->why, sizeof(vq->why), fmt, args);
		va_end(args);
		fprintf(stderr, "# queue %u: %s\n", vq->index, vq->why);
	}
	return -EPROTO;
}

int vt_queue_init(struct vt_queue *vq, struct vt_mem *mem, unsigned int index,
		  unsigned int num, uint64_t features)
{
	memset(vq, 0, sizeof(*vq));
	vq->mem = mem;
	vq->index = index;
	vq->num = num;
	vq->packed = features & (1ULL << VIRTIO_F_RING_PACKED);
	vq->event_idx = features & (1ULL << VIRTIO_RING_F_EVENT_IDX);
	vq->desc_size = num * sizeof(struct vring_desc);
	if (vq->packed) {
		vq->driver_size = sizeof(struct vt_packed_event);
		vq->device_size = sizeof(struct vt_packed_event);
	} else {
		vq->driver_size = sizeof(struct vring_avail) + (num + 1) * sizeof(__le16);
		vq->device_size = sizeof(struct vring_used) +
				  num * sizeof(struct vring_used_elem) + sizeof(__le16);
	}
	/* aligned as the specification asks for and no better */
	vq->desc = vt_alloc_red(mem, vq->desc_size, VT_REDZONE + VRING_DESC_ALIGN_SIZE);
	vq->avail = vt_alloc_red(mem, vq->driver_size, VT_REDZONE + (vq->packed ? 4 : 2));
	vq->used = vt_alloc_red(mem, vq->device_size, VT_REDZONE + VRING_USED_ALIGN_SIZE);
	vq->desc_shadow = calloc(num, sizeof(struct vring_desc));
	vq->slots = calloc(num, sizeof(*vq->slots));
	vq->free_ids = calloc(num, sizeof(*vq->free_ids));
	vq->tables = calloc(num, sizeof(*vq->tables));
	vq->chain = calloc(num, sizeof(*vq->chain));
	vq->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	vq->call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	vq->err = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (!vq->desc_shadow || !vq->slots || !vq->free_ids || !vq->tables ||
	    !vq->chain || vq->kick < 0 || vq->call < 0 || vq->err < 0) {
		vt_queue_free(vq);
		return -ENOMEM;
	}
	vt_queue_reset(vq, vq->packed ? VT_PACKED_BASE : 0);
	return 0;
}

void vt_queue_free(struct vt_queue *vq)
{
	free(vq->desc_shadow);
	free(vq->slots);
	free(vq->free_ids);
	free(vq->tables);
	free(vq->chain);
	close(vq->kick);
	close(vq->call);
	close(vq->err);
}

void vt_queue_reset(struct vt_queue *vq, uint32_t base)
{
	unsigned int i;

	memset(vq->desc, 0, vq->desc_size);
	memset(vq->desc_shadow, 0, vq->desc_size);
	memset(vq->avail, 0, vq->driver_size);
	memset(vq->used, 0, vq->device_size);
	memset(vq->slots, 0, vq->num * sizeof(*vq->slots));
	for (i = 0; i < vq->num; i++)
		vq->free_ids[i] = vq->num - 1 - i;
	vq->nfree = vq->num;
	vq->nfree_ids = vq->num;
	vq->inflight = 0;
	vq->batch = false;
	vq->added = 0;
	vq->pending_kick = 0;
	if (vq->packed)
		vt_packed_reset(vq, base);
	else
		vt_split_reset(vq, base);
	vq->kicked = vq->next_avail;
	vt_irq(vq, VT_IRQ_ON);
}

uint32_t vt_queue_base(const struct vt_queue *vq)
{
	if (!vq->packed)
		return vq->next_used;
	return (uint32_t)(vq->next_avail | (vq->avail_wrap ? 0x8000 : 0)) |
	       (uint32_t)(vq->next_used | (vq->used_wrap ? 0x8000 : 0)) << 16;
}

/* the chain as descriptors without positions: address, length, flags */
static void describe(struct vt_queue *vq, struct vring_desc *chain, const struct vt_sg *sg,
		     unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		chain[i].addr = vt_gpa(vq->mem, sg[i].buf);
		chain[i].len = sg[i].len;
		chain[i].flags = (sg[i].write ? VRING_DESC_F_WRITE : 0) |
				 (i + 1 < n ? VRING_DESC_F_NEXT : 0);
		chain[i].next = 0;
	}
}

/* each slot keeps its indirect table, made longer when it has to be */
static struct vring_desc *indirect_table(struct vt_queue *vq, unsigned int id, unsigned int n)
{
	struct vt_table *table = &vq->tables[id];

	if (table->room < n) {
		table->desc = vt_alloc(vq->mem, n * sizeof(*table->desc), VRING_DESC_ALIGN_SIZE);
		table->room = n;
	}
	return table->desc;
}

static void fill_split_table(struct vring_desc *table, unsigned int n)
{
	unsigned int i;

	for (i = 0; i + 1 < n; i++)
		table[i].next = i + 1;
}

/* no NEXT in a packed table: its length says where it ends */
static void fill_packed_table(struct vring_desc *table, unsigned int n)
{
	struct vt_packed_desc *desc = (struct vt_packed_desc *)table;
	unsigned int i;

	for (i = 0; i < n; i++) {
		uint16_t flags = table[i].flags & VRING_DESC_F_WRITE;

		desc[i].id = 0;
		desc[i].flags = flags;
	}
}

int vt_add(struct vt_queue *vq, const struct vt_sg *sg, unsigned int n, bool indirect,
	   void *cookie)
{
	struct vt_slot slot = { .busy = true, .ndesc = indirect ? 1 : n, .cookie = cookie };
	struct vring_desc *chain = vq->chain;
	unsigned int i;

	if (slot.ndesc > vq->nfree || !vq->nfree_ids)
		return -ENOSPC;
	for (i = 0; i < n; i++)
		if (sg[i].write)
			slot.writable += sg[i].len;
	if (indirect) {
		struct vring_desc *table = indirect_table(vq, vq->free_ids[vq->nfree_ids - 1], n);

		describe(vq, table, sg, n);
		if (vq->packed)
			fill_packed_table(table, n);
		else
			fill_split_table(table, n);
		chain[0] = (struct vring_desc) {
			.addr = vt_gpa(vq->mem, table),
			.len = n * sizeof(*table),
			.flags = VRING_DESC_F_INDIRECT,
		};
	} else {
		describe(vq, chain, sg, n);
	}
	if (vq->packed)
		vt_packed_add(vq, chain, &slot);
	else
		vt_split_add(vq, chain, &slot);
	vq->nfree -= slot.ndesc;
	vq->inflight++;
	return 0;
}

void vt_publish(struct vt_queue *vq)
{
	if (vq->packed)
		vt_packed_publish(vq);
	else
		vt_split_publish(vq);
	/* the suppression fields are read after the buffers are visible */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

bool vt_kick_wanted(struct vt_queue *vq)
{
	return vq->packed ? vt_packed_kick_wanted(vq) : vt_split_kick_wanted(vq);
}

void vt_kick(struct vt_queue *vq)
{
	uint64_t one = 1;

	if (write(vq->kick, &one, sizeof(one)) != sizeof(one))
		warn("kick");
	vq->nkicks++;
}

void vt_submit(struct vt_queue *vq)
{
	vt_publish(vq);
	if (vt_kick_wanted(vq))
		vt_kick(vq);
}

int vt_get_used(struct vt_queue *vq, struct vt_used *used)
{
	if (vq->why[0])
		return -EPROTO;
	return vq->packed ? vt_packed_get_used(vq, used) : vt_split_get_used(vq, used);
}

int64_t vt_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

int vt_wait_used(struct vt_queue *vq, struct vt_used *used, int timeout_ms)
{
	int64_t end = vt_now_ms() + timeout_ms;
	int ret;

	for (;;) {
		int64_t left;

		ret = vt_get_used(vq, used);
		if (ret)
			return ret;
		vt_irq(vq, VT_IRQ_ON);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		ret = vt_get_used(vq, used);
		if (ret)
			return ret;
		left = end - vt_now_ms();
		if (left <= 0)
			return -ETIMEDOUT;
		vt_wait_irq(vq, left);
	}
}

void vt_irq(struct vt_queue *vq, enum vt_irq mode)
{
	if (vq->packed)
		vt_packed_irq(vq, mode);
	else
		vt_split_irq(vq, mode);
}

void vt_irq_after(struct vt_queue *vq, unsigned int n)
{
	if (vq->packed)
		vt_packed_irq_after(vq, n);
	else
		vt_split_irq_after(vq, n);
}

uint64_t vt_irqs(struct vt_queue *vq)
{
	uint64_t n = 0;

	if (read(vq->call, &n, sizeof(n)) != sizeof(n))
		return 0;
	return n;
}

uint64_t vt_wait_irq(struct vt_queue *vq, int timeout_ms)
{
	struct pollfd pfd = { .fd = vq->call, .events = POLLIN };

	poll(&pfd, 1, timeout_ms);
	return vt_irqs(vq);
}

bool vt_broken(struct vt_queue *vq, int timeout_ms)
{
	struct pollfd pfd = { .fd = vq->err, .events = POLLIN };
	uint64_t n;

	poll(&pfd, 1, timeout_ms);
	return read(vq->err, &n, sizeof(n)) == sizeof(n);
}

int vt_queue_check(struct vt_queue *vq)
{
	unsigned int i;

	if (vq->why[0])
		return -EPROTO;
	if (!vt_red_ok(vq->desc, vq->desc_size))
		return vt_breach(vq, "the device wrote beside the descriptors");
	if (!vt_red_ok(vq->avail, vq->driver_size))
		return vt_breach(vq, "the device wrote beside the driver area");
	if (!vt_red_ok(vq->used, vq->device_size))
		return vt_breach(vq, "the device wrote beside the device area");
	if (!memcmp(vq->desc, vq->desc_shadow, vq->desc_size))
		return 0;
	for (i = 0; i < vq->num; i++)
		if (memcmp(&vq->desc[i], (struct vring_desc *)vq->desc_shadow + i,
			   sizeof(*vq->desc)))
			break;
	return vt_breach(vq, "the device changed descriptor %u", i);
}
