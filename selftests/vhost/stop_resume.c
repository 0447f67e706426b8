// SPDX-License-Identifier: GPL-2.0-only
/*
 * Queues stopped in the middle of their work and started again, on the same
 * descriptor or on a new one: nothing is lost, nothing is done twice, and the base
 * that is carried over says exactly what was done.
 */
#include "kselftest_harness.h"

#include "lib/load.h"

/* few: they are read one at a time to be compared, and a slow disk takes 10 ms for each */
#define BLOCKS	64

FIXTURE(stop)
{
	struct vt_blk blk;
	struct vt_load load;
};

FIXTURE_VARIANT(stop)
{
	enum vt_disk disk;
	bool packed;
	uint64_t features;
};

FIXTURE_VARIANT_ADD(stop, slow_split) { VT_DISK_SLOW, false };
FIXTURE_VARIANT_ADD(stop, slow_packed) { VT_DISK_SLOW, true };
FIXTURE_VARIANT_ADD(stop, file_split) {
	VT_DISK_FILE, false, VT_BIT(VIRTIO_RING_F_EVENT_IDX),
};
FIXTURE_VARIANT_ADD(stop, file_packed) {
	VT_DISK_FILE, true, VT_BIT(VIRTIO_RING_F_EVENT_IDX),
};

static struct vt_blk_opts options(const FIXTURE_VARIANT(stop) *variant)
{
	return (struct vt_blk_opts) {
		.disk = variant->disk,
		.packed = variant->packed,
		.features = variant->features | VT_BIT(VIRTIO_RING_F_INDIRECT_DESC),
		.num = 100 + (variant->packed ? 0 : 28),
	};
}

FIXTURE_SETUP(stop)
{
	struct vt_blk_opts opts = options(variant);

	ASSERT_EQ(0, vt_blk_start(&self->blk, &opts));
	ASSERT_EQ(0, vt_load_init(&self->load, self->blk.vq, &self->blk.mem, 0, BLOCKS, 4096, 24));
	self->load.indirect = 30;
}

FIXTURE_TEARDOWN(stop)
{
	vt_load_free(&self->load);
	vt_blk_free(&self->blk);
}

/* after a stop: what was taken is used, and the base points at what was not taken */
static int check_base(struct vt_blk *blk, struct vt_queue *vq, uint32_t *base)
{
	int64_t got = vt_get_base(&blk->dev, vq);

	if (got < 0)
		return got;
	*base = got;
	if (vq->packed)
		return (*base & 0xffff) == *base >> 16 ? 0 : -EILSEQ;
	return vq->used->idx == *base ? 0 : -EILSEQ;
}

TEST_F_TIMEOUT(stop, same_descriptor, 120)
{
	struct vt_queue *vq = self->blk.vq;
	unsigned int round;
	uint32_t base = 0;

	for (round = 0; round < 60; round++) {
		ASSERT_EQ(0, vt_load_fill(&self->load));
		usleep(vt_below(&self->load.rng, 12000));
		if (round & 1)
			ASSERT_LE(0, vt_load_reap(&self->load, 0)) TH_LOG("%s", vq->why);
		ASSERT_EQ(0, vt_blk_backend(&self->blk, vq, false));
		ASSERT_EQ(0, check_base(&self->blk, vq, &base)) TH_LOG("round %u: base %#x",
								       round, base);
		/* and stopped is stopped */
		vt_kick(vq);
		ASSERT_LE(0, vt_load_reap(&self->load, 0)) TH_LOG("%s", vq->why);
		usleep(2000);
		ASSERT_EQ(0, vt_load_reap(&self->load, 0)) TH_LOG("round %u: used after stop",
								  round);
		ASSERT_EQ(0, vt_ioctl_state(self->blk.dev.fd, VHOST_SET_VRING_BASE, 0, base));
		ASSERT_EQ(0, vt_blk_backend(&self->blk, vq, true));
	}
	/* no kick since the last start: starting looks at the ring by itself */
	ASSERT_EQ(0, vt_load_drain(&self->load)) TH_LOG("%s, %u in flight", vq->why,
							self->load.inflight);
	EXPECT_EQ(0, vt_queue_check(vq)) TH_LOG("%s", vq->why);
	EXPECT_EQ(0, vt_load_verify(&self->load, self->blk.disk));
}

/* as a migration does it: another device goes on with the same rings */
TEST_F_TIMEOUT(stop, new_descriptor, 120)
{
	struct vt_blk_opts opts = options(variant);
	struct vt_queue *vq = self->blk.vq;
	unsigned int round;
	uint32_t base = 0;

	for (round = 0; round < 20; round++) {
		ASSERT_EQ(0, vt_load_fill(&self->load));
		usleep(vt_below(&self->load.rng, 12000));
		ASSERT_EQ(0, vt_blk_backend(&self->blk, vq, false));
		ASSERT_EQ(0, check_base(&self->blk, vq, &base));
		vt_dev_close(&self->blk.dev);
		ASSERT_EQ(0, vt_dev_open(&self->blk.dev, VT_BLK_NODE, &self->blk.mem));
		ASSERT_EQ(0, vt_blk_attach(&self->blk, &opts));
		ASSERT_EQ(0, vt_dev_features(&self->blk.dev, opts.features |
					     VT_BIT(VIRTIO_F_VERSION_1) |
					     (variant->packed ? VT_BIT(VIRTIO_F_RING_PACKED) : 0)));
		ASSERT_EQ(0, vt_dev_memory(&self->blk.dev));
		ASSERT_EQ(0, vt_queue_setup(&self->blk.dev, vq, base));
		ASSERT_EQ(0, vt_blk_backend(&self->blk, vq, true));
		ASSERT_LE(0, vt_load_reap(&self->load, 0)) TH_LOG("%s", vq->why);
	}
	ASSERT_EQ(0, vt_load_drain(&self->load)) TH_LOG("%s", vq->why);
	EXPECT_EQ(0, vt_queue_check(vq)) TH_LOG("%s", vq->why);
	EXPECT_EQ(0, vt_load_verify(&self->load, self->blk.disk));
}

/* closing is a stop too: nothing reaches the rings or the data afterwards */
TEST_F_TIMEOUT(stop, close, 60)
{
	struct vt_queue *vq = self->blk.vq;
	uint8_t *copy = malloc(self->blk.mem.size);
	unsigned int round;

	ASSERT_NE(NULL, copy);
	ASSERT_EQ(0, vt_load_fill(&self->load));
	usleep(3000);
	vt_dev_close(&self->blk.dev);
	memcpy(copy, self->blk.mem.base, self->blk.mem.size);
	for (round = 0; round < 10; round++) {
		vt_kick(vq);
		usleep(5000);
		ASSERT_EQ(0, memcmp(copy, self->blk.mem.base, self->blk.mem.size));
	}
	free(copy);
}

/* a memory table is replaced under load: equal ones, and one that grows */
TEST_F_TIMEOUT(stop, memory_table, 60)
{
	struct vhost_memory *table = vt_mem_table(&self->blk.mem), *more;
	unsigned int round;

	more = calloc(1, sizeof(*more) + 2 * sizeof(more->regions[0]));
	more->nregions = 2;
	more->regions[0] = table->regions[0];
	more->regions[1] = table->regions[0];
	more->regions[1].guest_phys_addr = 0;
	for (round = 0; round < 60; round++) {
		ASSERT_EQ(0, vt_load_fill(&self->load));
		ASSERT_EQ(0, vt_ioctl(self->blk.dev.fd, VHOST_SET_MEM_TABLE,
				      round & 1 ? table : more));
		ASSERT_LE(0, vt_load_reap(&self->load, 0)) TH_LOG("%s", self->blk.vq->why);
	}
	ASSERT_EQ(0, vt_load_drain(&self->load)) TH_LOG("%s", self->blk.vq->why);
	EXPECT_EQ(0, vt_load_verify(&self->load, self->blk.disk));
	free(table);
	free(more);
}

/* when a table that lacks a region is in place, no I/O to that region is going on */
TEST_F_TIMEOUT(stop, memory_removed, 60)
{
	struct vhost_memory *table = vt_mem_table(&self->blk.mem);
	uint8_t *copy = malloc(self->blk.mem.size);
	struct vt_queue *vq = self->blk.vq;
	unsigned int i;

	/* reads that are going on, then a table without any memory */
	ASSERT_EQ(0, vt_load_fill(&self->load));
	usleep(2000);
	table->nregions = 0;
	ASSERT_EQ(0, vt_ioctl(self->blk.dev.fd, VHOST_SET_MEM_TABLE, table));
	while (vt_load_reap(&self->load, 0) > 0)
		;
	memcpy(copy, self->blk.mem.base, self->blk.mem.size);
	usleep(50000);
	for (i = 0; i < self->load.depth; i++) {
		struct vt_req *req = self->load.reqs[i];

		EXPECT_EQ(0, memcmp(copy + (req->data - self->blk.mem.base), req->data, req->len))
			TH_LOG("request %u", i);
	}
	EXPECT_EQ(0, vt_blk_backend(&self->blk, vq, false));
	free(table);
	free(copy);
}

int main(int argc, char **argv)
{
	vt_require(VT_BLK_NODE);
	return test_harness_run(argc, argv);
}
