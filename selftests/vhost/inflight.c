// SPDX-License-Identifier: GPL-2.0-only
/*
 * The in-flight region: the owner is killed in mid-flow, another takes over with the
 * same region, and every request that the driver made available is completed exactly
 * once, with rings of both formats.
 */
#include "kselftest_harness.h"

#include "lib/load.h"
#include "lib/owner.h"

#define NUM	64

/* few: they are read one at a time to be compared, and a slow disk takes 10 ms for each */
#define BLOCKS	64

FIXTURE(inflight)
{
	struct vt_blk_opts opts;
	struct vt_blk blk;
	struct vt_queue vq;
	struct vt_load load;
	struct vt_owner owner;
	void *region;		/* in the shared guest memory */
	size_t region_size;
	uint32_t base;		/* told to the successor: must not matter */
};

FIXTURE_VARIANT(inflight)
{
	enum vt_disk disk;
	bool packed;
};

FIXTURE_VARIANT_ADD(inflight, slow_split) { VT_DISK_SLOW, false };
FIXTURE_VARIANT_ADD(inflight, slow_packed) { VT_DISK_SLOW, true };
FIXTURE_VARIANT_ADD(inflight, file_split) { VT_DISK_FILE, false };
FIXTURE_VARIANT_ADD(inflight, file_packed) { VT_DISK_FILE, true };

static uint64_t features_of(FIXTURE_DATA(inflight) *self)
{
	return VT_BIT(VIRTIO_F_VERSION_1) | VT_BIT(VIRTIO_RING_F_INDIRECT_DESC) |
	       (self->opts.packed ? VT_BIT(VIRTIO_F_RING_PACKED) : 0);
}

static int set_region(FIXTURE_DATA(inflight) *self, unsigned int index, uint64_t addr,
		      uint64_t size)
{
	struct asv_blk_inflight arg = { .index = index, .addr = addr, .size = size };

	return vt_ioctl(self->blk.dev.fd, ASV_BLK_SET_INFLIGHT, &arg);
}

/* an owner up to the start of its queue */
static int prepare(FIXTURE_DATA(inflight) *self)
{
	struct vt_dev *dev = &self->blk.dev;
	int ret = vt_dev_open(dev, VT_BLK_NODE, &self->blk.mem);

	if (!ret)
		ret = vt_blk_attach(&self->blk, &self->opts);
	if (!ret)
		ret = vt_dev_features(dev, features_of(self));
	if (!ret)
		ret = vt_dev_memory(dev);
	if (!ret)
		ret = vt_queue_setup(dev, &self->vq, self->base);
	return ret;
}

static int serve(void *arg)
{
	FIXTURE_DATA(inflight) *self = arg;
	int ret = prepare(self);

	if (!ret)
		ret = set_region(self, 0, (uintptr_t)self->region, self->region_size);
	return ret ? ret : vt_blk_backend(&self->blk, &self->vq, true);
}

FIXTURE_SETUP(inflight)
{
	self->opts.disk = variant->disk;
	self->opts.packed = variant->packed;
	ASSERT_EQ(0, vt_mem_init(&self->blk.mem, 16 << 20, 1));
	self->blk.dev.fd = -1;
	self->blk.disk = vt_disk_open(variant->disk, 0);
	ASSERT_LE(0, self->blk.disk);
	ASSERT_EQ(0, vt_queue_init(&self->vq, &self->blk.mem, 0, NUM, features_of(self)));
	ASSERT_EQ(0, vt_load_init(&self->load, &self->vq, &self->blk.mem, 0, BLOCKS, 4096, 20));
	self->load.indirect = 40;
	self->base = variant->packed ? VT_PACKED_BASE : 0;
	self->region_size = variant->packed ?
		sizeof(struct asv_blk_inflight_packed) +
			NUM * sizeof(struct asv_blk_desc_packed) :
		sizeof(struct asv_blk_inflight_split) + NUM * sizeof(struct asv_blk_desc_split);
	self->region = vt_alloc(&self->blk.mem, self->region_size, 8);
}

FIXTURE_TEARDOWN(inflight)
{
	if (self->owner.pid)
		vt_owner_kill(&self->owner);
	vt_load_free(&self->load);
}

static unsigned int marked(FIXTURE_DATA(inflight) *self)
{
	struct asv_blk_inflight_packed *packed = self->region;
	struct asv_blk_inflight_split *split = self->region;
	unsigned int i, n = 0;

	for (i = 0; i < NUM; i++)
		n += !!(self->opts.packed ? packed->desc[i].inflight : split->desc[i].inflight);
	return n;
}

TEST_F_TIMEOUT(inflight, killed_and_restarted, 200)
{
	unsigned int round, seen = 0;

	for (round = 0; round < 25; round++) {
		ASSERT_EQ(0, vt_owner_start(&self->owner, serve, self)) TH_LOG("round %u", round);
		/* where the successor is told to begin is not where the ring is */
		self->base = variant->packed ? VT_PACKED_BASE : 7;
		ASSERT_EQ(0, vt_load_run(&self->load, 20 + vt_below(&self->load.rng, 40), false))
			TH_LOG("round %u: %s, %u in flight", round, self->vq.why,
			       self->load.inflight);
		ASSERT_EQ(0, vt_load_fill(&self->load));
		usleep(vt_below(&self->load.rng, 15000));
		ASSERT_EQ(0, vt_owner_kill(&self->owner));
		seen += marked(self);
		if (round & 1)
			ASSERT_LE(0, vt_load_reap(&self->load, 0)) TH_LOG("%s", self->vq.why);
		if (round % 3)
			ASSERT_EQ(0, vt_load_fill(&self->load));
	}
	ASSERT_EQ(0, vt_owner_start(&self->owner, serve, self));
	ASSERT_EQ(0, vt_load_drain(&self->load))
		TH_LOG("%s, %u in flight", self->vq.why, self->load.inflight);
	EXPECT_EQ(0, vt_queue_check(&self->vq)) TH_LOG("%s", self->vq.why);
	EXPECT_EQ(0, vt_load_verify(&self->load, self->blk.disk));
	EXPECT_EQ(0, marked(self));
	/* the slow disk has requests in flight at nearly every kill */
	TH_LOG("%u requests were in flight at kills", seen);
}

/*
 * What shared memory holds when a host loses the owner at once, with requests that were
 * fetched and not used: taken while they are in flight, put back when the owner, which
 * ends them as it dies, is gone. The successor must do every one of them again.
 */
struct image {
	void *region;
	void *used;		/* what the device writes of the ring */
	size_t used_size;
};

static void *used_area(FIXTURE_DATA(inflight) *self)
{
	return self->opts.packed ? (void *)self->vq.pdesc : (void *)self->vq.used;
}

static void image_init(FIXTURE_DATA(inflight) *self, struct image *image)
{
	image->used_size = self->opts.packed ? self->vq.desc_size : self->vq.device_size;
	image->region = malloc(self->region_size);
	image->used = malloc(image->used_size);
}

/* true if nothing was used meanwhile, so that what was taken is of one moment */
static bool image_take(FIXTURE_DATA(inflight) *self, struct image *image)
{
	memcpy(image->used, used_area(self), image->used_size);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	memcpy(image->region, self->region, self->region_size);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return !memcmp(image->used, used_area(self), image->used_size);
}

static void image_put(FIXTURE_DATA(inflight) *self, const struct image *image)
{
	memcpy(used_area(self), image->used, image->used_size);
	memcpy(self->region, image->region, self->region_size);
}

TEST_F_TIMEOUT(inflight, done_again, 200)
{
	struct image image;
	unsigned int round, tries, taken, seen = 0;

	image_init(self, &image);
	for (round = 0; round < 8; round++) {
		ASSERT_EQ(0, vt_owner_start(&self->owner, serve, self)) TH_LOG("round %u", round);
		for (tries = 0; tries < 50; tries++) {
			ASSERT_EQ(0, vt_load_run(&self->load, 7, true))
				TH_LOG("round %u: %s", round, self->vq.why);
			ASSERT_EQ(0, vt_load_fill(&self->load));
			usleep(round * 300);
			if (image_take(self, &image) && marked(self))
				break;
			ASSERT_EQ(0, vt_load_drain(&self->load)) TH_LOG("%s", self->vq.why);
		}
		ASSERT_EQ(0, vt_owner_kill(&self->owner));
		if (!self->load.inflight)
			continue;
		image_put(self, &image);
		taken = marked(self);
		seen += taken;
		ASSERT_EQ(0, vt_owner_start(&self->owner, serve, self));
		ASSERT_EQ(0, vt_load_drain(&self->load))
			TH_LOG("round %u: %u to do again, %s, %u in flight", round, taken,
			       self->vq.why, self->load.inflight);
		EXPECT_EQ(0, marked(self));
		ASSERT_EQ(0, vt_owner_kill(&self->owner));
	}
	EXPECT_EQ(0, vt_queue_check(&self->vq)) TH_LOG("%s", self->vq.why);
	EXPECT_EQ(0, vt_load_verify(&self->load, self->blk.disk));
	if (variant->disk == VT_DISK_SLOW)
		EXPECT_LT(0, seen);
	TH_LOG("%u requests were done again", seen);
	free(image.region);
	free(image.used);
}

/* stopped in good order the region is empty, and a successor starts from it */
TEST_F_TIMEOUT(inflight, stopped_and_restarted, 60)
{
	unsigned int round;

	for (round = 0; round < 10; round++) {
		ASSERT_EQ(0, serve(self)) TH_LOG("round %u", round);
		ASSERT_EQ(0, vt_load_run(&self->load, 30, false)) TH_LOG("%s", self->vq.why);
		ASSERT_EQ(0, vt_blk_backend(&self->blk, &self->vq, false));
		EXPECT_EQ(0, marked(self));
		self->base = vt_get_base(&self->blk.dev, &self->vq);
		vt_dev_close(&self->blk.dev);
	}
	ASSERT_EQ(0, serve(self));
	ASSERT_EQ(0, vt_load_drain(&self->load)) TH_LOG("%s", self->vq.why);
	EXPECT_EQ(0, vt_load_verify(&self->load, self->blk.disk));
	vt_dev_close(&self->blk.dev);
}

TEST_F(inflight, refusals)
{
	uint64_t addr = (uintptr_t)self->region;
	size_t size = self->region_size;

	ASSERT_EQ(0, prepare(self));
	EXPECT_EQ(-EINVAL, set_region(self, 0, addr + 4, size));
	EXPECT_NE(0, set_region(self, ASV_BLK_MAX_QUEUES, addr, size));
	EXPECT_EQ(-EFAULT, set_region(self, 0, 0xffff800000000000ULL, size));
	EXPECT_EQ(-EFAULT, set_region(self, 0, -8ULL, size));
	EXPECT_EQ(0, set_region(self, 0, 0, 0));
	/* too small for the ring: now, or when it starts */
	if (!set_region(self, 0, addr, size - 1))
		EXPECT_EQ(-EINVAL, vt_blk_backend(&self->blk, &self->vq, true));
	ASSERT_EQ(0, set_region(self, 0, addr, size));
	ASSERT_EQ(0, vt_blk_backend(&self->blk, &self->vq, true));
	EXPECT_EQ(-EBUSY, set_region(self, 0, addr, size));
	EXPECT_EQ(0, vt_blk_backend(&self->blk, &self->vq, false));
	EXPECT_EQ(0, set_region(self, 0, 0, 0));
	EXPECT_EQ(0, vt_blk_backend(&self->blk, &self->vq, true));
	vt_dev_close(&self->blk.dev);
}

/* put something wrong into a region that was right */
static void spoil(FIXTURE_DATA(inflight) *self)
{
	size_t header = self->opts.packed ? offsetof(struct asv_blk_inflight_packed, desc) :
					    offsetof(struct asv_blk_inflight_split, desc);
	size_t entry = self->opts.packed ? sizeof(struct asv_blk_desc_packed) :
					   sizeof(struct asv_blk_desc_split);
	uint8_t *bytes = self->region;
	unsigned int n;

	for (n = 1 + vt_below(&self->load.rng, 6); n--;) {
		size_t at;

		if (vt_one_in(&self->load.rng, 4))
			at = 12 + vt_below(&self->load.rng, header - 12);
		else
			at = header + vt_below(&self->load.rng, 8) * entry +
			     vt_below(&self->load.rng, entry);
		/* small numbers are what indices and flags take */
		if (vt_one_in(&self->load.rng, 2))
			bytes[at] = vt_below(&self->load.rng, NUM + 2);
		else
			bytes[at] ^= 1 << vt_below(&self->load.rng, 8);
	}
}

/*
 * Hostile regions: one of an owner in mid-flow with something spoiled, or random bytes
 * under a header that fits. The start is refused, or the queue breaks, or it serves; but
 * it ends, and does not hurt anyone.
 */
TEST_F_TIMEOUT(inflight, hostile_region, 500)
{
	struct asv_blk_inflight_split *split = self->region;
	const char *longer = getenv("ASV_LONG");
	const unsigned int rounds = longer && *longer ? 2000 : 100;
	unsigned int round, tries, refused = 0;
	struct image image;
	size_t i;

	image_init(self, &image);
	ASSERT_EQ(0, serve(self));
	for (tries = 0; tries < 200; tries++) {
		ASSERT_EQ(0, vt_load_run(&self->load, 7, true)) TH_LOG("%s", self->vq.why);
		ASSERT_EQ(0, vt_load_fill(&self->load));
		if (image_take(self, &image) && marked(self))
			break;
		ASSERT_EQ(0, vt_load_drain(&self->load)) TH_LOG("%s", self->vq.why);
	}
	vt_dev_close(&self->blk.dev);
	for (round = 0; round < rounds; round++) {
		uint8_t *bytes = self->region;
		int ret;

		image_put(self, &image);
		if (round % 8 == 7) {
			for (i = 12; i < self->region_size; i++)
				bytes[i] = vt_rand(&self->load.rng) >> 56;
			split->version = ASV_BLK_INFLIGHT_VERSION;
		} else {
			spoil(self);
		}
		ASSERT_EQ(0, prepare(self));
		ret = set_region(self, 0, (uintptr_t)self->region, self->region_size);
		if (!ret)
			ret = vt_blk_backend(&self->blk, &self->vq, true);
		EXPECT_TRUE(!ret || ret == -EINVAL || ret == -EFAULT) TH_LOG("%d", ret);
		refused += !!ret;
		vt_kick(&self->vq);
		if (round & 1)
			usleep(2000);
		EXPECT_EQ(0, vt_blk_backend(&self->blk, &self->vq, false));
		vt_dev_close(&self->blk.dev);
	}
	TH_LOG("seed %#llx: %u of %u refused", (unsigned long long)self->load.rng.state, refused,
	       round);
	free(image.region);
	free(image.used);
}

int main(int argc, char **argv)
{
	vt_require(VT_BLK_NODE);
	return test_harness_run(argc, argv);
}
