// SPDX-License-Identifier: GPL-2.0-only
/* The virtqueues that asvm serves itself: rings as a driver makes them, and hostile ones. */
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "kselftest_harness.h"
#include "kvm.h"
#include "memory.h"
#include "virtqueue.h"

#define RING_SIZE	64
#define DESC		0x1000
#define DRIVER		0x3000
#define DEVICE		0x4000
#define BUFFER		0x8000

/* memory.c registers RAM with KVM, which is not there */
int kvm_set_memory(struct kvm *kvm, uint32_t slot, uint64_t gpa, uint64_t size, void *host)
{
	return 0;
}

FIXTURE(rings)
{
	struct memory mem;
	struct virtqueue vq;
	struct vq_chain *chain;
	uint64_t features;
	bool packed;
};

FIXTURE_VARIANT(rings)
{
	bool packed;
	bool event_idx;
};

FIXTURE_VARIANT_ADD(rings, split)
{
	.packed = false,
	.event_idx = false,
};

FIXTURE_VARIANT_ADD(rings, split_event)
{
	.packed = false,
	.event_idx = true,
};

FIXTURE_VARIANT_ADD(rings, packed)
{
	.packed = true,
	.event_idx = false,
};

FIXTURE_VARIANT_ADD(rings, packed_event)
{
	.packed = true,
	.event_idx = true,
};

FIXTURE_SETUP(rings)
{
	/*
	 * Memory of malloc() instead of mem_create()'s: the sanitizer then sees an access one
	 * byte past its end.
	 */
	self->mem.size = 256 << 10;
	self->mem.base = calloc(1, self->mem.size);
	ASSERT_NE(self->mem.base, NULL);
	self->mem.nregions = 1;
	self->mem.regions[0] = (struct mem_region){ 0, self->mem.size, self->mem.base };
	self->chain = malloc(sizeof(*self->chain));
	ASSERT_NE(self->chain, NULL);
	self->packed = variant->packed;
	self->features = 1ULL << VIRTIO_RING_F_INDIRECT_DESC;
	if (variant->packed)
		self->features |= 1ULL << VIRTIO_F_RING_PACKED;
	if (variant->event_idx)
		self->features |= 1ULL << VIRTIO_RING_F_EVENT_IDX;
	ASSERT_EQ(vq_start(&self->vq, &self->mem, RING_SIZE, DESC, DRIVER, DEVICE,
			   self->features), 0);
}

FIXTURE_TEARDOWN(rings)
{
	free(self->mem.base);
	free(self->chain);
}

/* One buffer as request @k; whether the device asked to be told of it. */
static bool add_split(FIXTURE_DATA(rings) *self, unsigned int k)
{
	struct vring_desc *desc = (void *)(self->mem.base + DESC);
	struct vring_avail *avail = (void *)(self->mem.base + DRIVER);
	struct vring_used *used = (void *)(self->mem.base + DEVICE);
	uint16_t event;

	desc[k % RING_SIZE] = (struct vring_desc){ BUFFER, 16, 0, 0 };
	avail->ring[k % RING_SIZE] = k % RING_SIZE;
	avail->idx = k + 1;
	if (!self->vq.event_idx)
		return !(used->flags & VRING_USED_F_NO_NOTIFY);
	memcpy(&event, &used->ring[RING_SIZE], sizeof(event));
	return vring_need_event(event, k + 1, k);
}

static bool add_packed(FIXTURE_DATA(rings) *self, unsigned int k)
{
	struct vring_packed_desc *desc = (void *)(self->mem.base + DESC);
	struct vring_packed_desc_event *ev = (void *)(self->mem.base + DEVICE);
	bool wrap = !(k / RING_SIZE & 1), next_wrap = !((k + 1) / RING_SIZE & 1);
	uint16_t next = (k + 1) % RING_SIZE, off = ev->off_wrap & 0x7fff;

	desc[k % RING_SIZE] = (struct vring_packed_desc){
		.addr = BUFFER,
		.len = 16,
		.id = k % RING_SIZE,
		.flags = wrap ? 1 << VRING_PACKED_DESC_F_AVAIL : 1 << VRING_PACKED_DESC_F_USED,
	};
	if (ev->flags != VRING_PACKED_EVENT_FLAG_DESC)
		return ev->flags == VRING_PACKED_EVENT_FLAG_ENABLE;
	if (!!(ev->off_wrap >> 15) != next_wrap)
		off -= RING_SIZE;
	return vring_need_event(off, next, next - 1);
}

static bool is_used(FIXTURE_DATA(rings) *self, unsigned int k)
{
	struct vring_packed_desc *desc = (void *)(self->mem.base + DESC);
	struct vring_used *used = (void *)(self->mem.base + DEVICE);
	uint16_t flags = desc[k % RING_SIZE].flags;
	bool wrap = !(k / RING_SIZE & 1);

	if (!self->packed)
		return used->idx == (uint16_t)(k + 1) &&
		       used->ring[k % RING_SIZE].id == k % RING_SIZE;
	return !!(flags & 1 << VRING_PACKED_DESC_F_AVAIL) == wrap &&
	       !!(flags & 1 << VRING_PACKED_DESC_F_USED) == wrap &&
	       desc[k % RING_SIZE].id == k % RING_SIZE;
}

/* A driver that waits for each request, as a console does, is told to kick for each. */
TEST_F(rings, one_at_a_time)
{
	unsigned int k;

	ASSERT_FALSE(vq_want_kicks(&self->vq));
	for (k = 0; k < 70000; k++) {
		ASSERT_TRUE(self->packed ? add_packed(self, k) : add_split(self, k));
		ASSERT_EQ(vq_pop(&self->vq, self->chain), 1);
		/* giving it back and taking it again changes nothing */
		vq_unpop(&self->vq, self->chain);
		ASSERT_EQ(vq_pop(&self->vq, self->chain), 1);
		ASSERT_EQ(self->chain->nout, 1);
		ASSERT_EQ(self->chain->out_len, 16);
		ASSERT_EQ(vq_pop(&self->vq, self->chain), 0);
		self->chain->id = k % RING_SIZE;
		self->chain->ndesc = 1;
		vq_push(&self->vq, self->chain, 0);
		ASSERT_TRUE(is_used(self, k));
		ASSERT_FALSE(vq_want_kicks(&self->vq));
	}
}

TEST_F(rings, bad_addresses)
{
	uint64_t end = self->mem.size;

	EXPECT_EQ(vq_start(&self->vq, &self->mem, 0, DESC, DRIVER, DEVICE, self->features),
		  -EINVAL);
	EXPECT_EQ(vq_start(&self->vq, &self->mem, VQ_SIZE_MAX + 1, DESC, DRIVER, DEVICE,
			   self->features), -EINVAL);
	EXPECT_EQ(vq_start(&self->vq, &self->mem, RING_SIZE, DESC + 1, DRIVER, DEVICE,
			   self->features), -EINVAL);
	EXPECT_EQ(vq_start(&self->vq, &self->mem, RING_SIZE, end - 16, DRIVER, DEVICE,
			   self->features), -EINVAL);
	EXPECT_EQ(vq_start(&self->vq, &self->mem, RING_SIZE, DESC, end, DEVICE,
			   self->features), -EINVAL);
	EXPECT_EQ(vq_start(&self->vq, &self->mem, RING_SIZE, DESC, DRIVER, -16ULL,
			   self->features), -EINVAL);
	/* a ring that did not start is never served */
	EXPECT_LT(vq_pop(&self->vq, self->chain), 0);
	EXPECT_FALSE(vq_must_signal(&self->vq));
}

/* Make the indirect table @entries long and put it into the ring as descriptor @at. */
static void add_table(FIXTURE_DATA(rings) *self, unsigned int at, unsigned int entries)
{
	uint8_t *desc = self->mem.base + DESC + 16 * at;
	uint8_t *table = self->mem.base + BUFFER;
	unsigned int i;

	for (i = 0; i < entries; i++) {
		struct vring_desc d = { 0, 1, i + 1 < entries ? VRING_DESC_F_NEXT : 0, i + 1 };
		struct vring_packed_desc p = { .len = 1 };

		memcpy(table + 16 * i, self->packed ? (void *)&p : (void *)&d, 16);
	}
	if (self->packed)
		*(struct vring_packed_desc *)desc = (struct vring_packed_desc){
			.addr = BUFFER,
			.len = 16 * entries,
			.flags = VRING_DESC_F_INDIRECT | 1 << VRING_PACKED_DESC_F_AVAIL,
		};
	else
		*(struct vring_desc *)desc = (struct vring_desc){
			BUFFER, 16 * entries, VRING_DESC_F_INDIRECT, 0
		};
	((uint16_t *)(self->mem.base + DRIVER))[1] = 1;
}

TEST_F(rings, too_many_buffers)
{
	struct vring_desc *desc = (void *)(self->mem.base + DESC);
	unsigned int i;

	add_table(self, 0, VQ_SEGS_MAX);
	ASSERT_EQ(vq_pop(&self->vq, self->chain), 1);
	ASSERT_EQ(self->chain->nout, VQ_SEGS_MAX);

	add_table(self, 0, VQ_SEGS_MAX + 1);
	ASSERT_EQ(vq_start(&self->vq, &self->mem, RING_SIZE, DESC, DRIVER, DEVICE,
			   self->features), 0);
	ASSERT_EQ(vq_pop(&self->vq, self->chain), -EPROTO);
	if (self->packed)
		return;

	/* a table that fits, behind a chain that leaves no room for it */
	for (i = 0; i < RING_SIZE - 1; i++)
		desc[i] = (struct vring_desc){ 0, 1, VRING_DESC_F_NEXT, i + 1 };
	add_table(self, RING_SIZE - 1, VQ_SEGS_MAX);
	ASSERT_EQ(vq_start(&self->vq, &self->mem, RING_SIZE, DESC, DRIVER, DEVICE,
			   self->features), 0);
	ASSERT_EQ(vq_pop(&self->vq, self->chain), -EPROTO);
}

/* Read and write all that the chain names: what it may not reach, the sanitizer reports. */
static void touch(struct vq_chain *chain)
{
	static uint8_t buf[4096];
	size_t off, n;

	for (off = 0; (n = vq_read(chain, off, buf, sizeof(buf))) && off < 65536; off += n)
		;
	for (off = 0; (n = vq_write(chain, off, buf, 64)) && off < 1024; off += n)
		;
}

TEST_F(rings, hostile)
{
	static const uint16_t flags[] = { 0, 1, 2, 4, 3, 5, 0x80, 0x8000, 0x81, 0x84, 0x8080 };
	struct fuzz fuzz = { 0x9e3779b97f4a7c15 + variant->packed * 2 + variant->event_idx };
	unsigned int round, i, rounds = fuzz_rounds();
	uint64_t chains = 0;

	for (round = 0; round < rounds; round++) {
		struct vring_desc *d = (void *)(self->mem.base + DESC);
		uint16_t *avail = (void *)(self->mem.base + DRIVER);

		if (self->vq.broken || !(round % 64))
			ASSERT_EQ(vq_start(&self->vq, &self->mem, RING_SIZE, DESC, DRIVER,
					   DEVICE, self->features), 0);
		/* tables in the ring, and a second one that indirect descriptors find */
		for (i = 0; i < 2 * RING_SIZE; i++) {
			d[i].addr = fuzz_below(&fuzz, 4) ? DESC + 16 * fuzz_below(&fuzz, 256) :
				    self->mem.size - fuzz_below(&fuzz, 64) + 8;
			d[i].len = fuzz_below(&fuzz, 4) ? 16 * fuzz_below(&fuzz, 80) :
				   (uint32_t)fuzz_next(&fuzz);
			d[i].flags = flags[fuzz_below(&fuzz, ARRAY_SIZE(flags))];
			d[i].next = fuzz_below(&fuzz, RING_SIZE + 2);
			/* a packed descriptor has its id there, then the flags */
			if (self->packed) {
				d[i].next = d[i].flags;
				d[i].flags = fuzz_next(&fuzz);
			}
		}
		for (i = 0; i < RING_SIZE; i++)
			avail[2 + i] = fuzz_below(&fuzz, RING_SIZE + 1);
		avail[0] = fuzz_below(&fuzz, 4);
		avail[1] = self->vq.avail + fuzz_below(&fuzz, RING_SIZE + 2);
		for (i = 0; i <= RING_SIZE; i++) {
			if (vq_pop(&self->vq, self->chain) <= 0)
				break;
			ASSERT_LE(self->chain->nout + self->chain->nin, VQ_SEGS_MAX);
			ASSERT_LE(self->chain->ndesc, RING_SIZE);
			touch(self->chain);
			vq_push(&self->vq, self->chain, self->chain->in_len);
			chains++;
		}
		vq_must_signal(&self->vq);
		vq_want_kicks(&self->vq);
	}
	/* it was not all refused */
	EXPECT_GT(chains, rounds / 100);
	TH_LOG("%llu chains of %u rounds were followed", (unsigned long long)chains, round);
}

TEST_HARNESS_MAIN
