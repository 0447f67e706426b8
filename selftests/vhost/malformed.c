// SPDX-License-Identifier: GPL-2.0-only
/*
 * One malformed chain at a time, written straight into the ring. Every one of them
 * must break its queue and say so by the error eventfd, complete nothing, leave the
 * neighbour queue working, and let the queue be stopped and started again.
 */
#include "kselftest_harness.h"

#include "lib/blk.h"

#define NUM	16

FIXTURE(malformed)
{
	struct vt_blk blk;
	struct vt_req *good;	/* for the neighbour */
	struct vring_desc *table;
	uint8_t *canary;
};

FIXTURE_VARIANT(malformed)
{
	bool packed;
};

FIXTURE_VARIANT_ADD(malformed, split) { .packed = false };
FIXTURE_VARIANT_ADD(malformed, packed) { .packed = true };

FIXTURE_SETUP(malformed)
{
	struct vt_blk_opts opts = {
		.disk = VT_DISK_DEV,
		.packed = variant->packed,
		.features = VT_BIT(VIRTIO_RING_F_INDIRECT_DESC) | VT_BIT(VIRTIO_BLK_F_MQ),
		.num = NUM,
		.queues = 2,
	};

	ASSERT_EQ(0, vt_blk_start(&self->blk, &opts));
	self->good = vt_req_new(&self->blk.mem, 512);
	self->table = vt_alloc(&self->blk.mem, 64 * sizeof(*self->table), 16);
	self->canary = vt_alloc(&self->blk.mem, VT_PAGE, VT_PAGE);
	memset(self->canary, 0x3c, VT_PAGE);
}

FIXTURE_TEARDOWN(malformed)
{
	vt_blk_free(&self->blk);
}

/* a descriptor as the table below has it, before it is put into a ring's format */
struct raw {
	enum { HDR, DATA, STATUS, NOWHERE, HIGH, WRAPS, ZERO, TABLE, END } where;
	uint32_t len;
	uint16_t flags;
	int16_t next;		/* split: -1 for the one that follows */
};

#define NEXT	VRING_DESC_F_NEXT
#define WRITE	VRING_DESC_F_WRITE
#define INDIR	VRING_DESC_F_INDIRECT

struct bad_chain {
	const char *name;
	struct raw desc[6];
	struct raw table[6];
	bool split_only;
};

static const struct bad_chain chains[] = {
	{ "address outside memory",
	  { { HDR, 16, NEXT, -1 }, { NOWHERE, 512, NEXT | WRITE, -1 }, { STATUS, 1, WRITE },
	    { END } } },
	{ "header outside memory",
	  { { NOWHERE, 16, NEXT, -1 }, { DATA, 512, NEXT | WRITE, -1 }, { STATUS, 1, WRITE },
	    { END } } },
	{ "status outside memory",
	  { { HDR, 16, NEXT, -1 }, { DATA, 512, NEXT | WRITE, -1 }, { NOWHERE, 1, WRITE },
	    { END } } },
	{ "address at the end of the address space",
	  { { HDR, 16, NEXT, -1 }, { HIGH, 512, NEXT | WRITE, -1 }, { STATUS, 1, WRITE },
	    { END } } },
	{ "address and length that wrap around",
	  { { HDR, 16, NEXT, -1 }, { WRAPS, 8192, NEXT | WRITE, -1 }, { STATUS, 1, WRITE },
	    { END } } },
	{ "length of 4 GiB less one",
	  { { HDR, 16, NEXT, -1 }, { DATA, 0xffffffff, NEXT | WRITE, -1 }, { STATUS, 1, WRITE },
	    { END } } },
	{ "lengths that sum up to more than 4 GiB",
	  { { HDR, 16, NEXT, -1 }, { DATA, 0xc0000000, NEXT | WRITE, -1 },
	    { DATA, 0xc0000000, NEXT | WRITE, -1 }, { STATUS, 1, WRITE }, { END } } },
	{ "length just past the end of memory",
	  { { HDR, 16, NEXT, -1 }, { ZERO, 16 << 20, NEXT | WRITE, -1 }, { STATUS, 1, WRITE },
	    { END } } },
	{ "writable before readable",
	  { { STATUS, 1, NEXT | WRITE, -1 }, { HDR, 16, NEXT, -1 }, { DATA, 512, 0 }, { END } } },
	{ "readable after writable",
	  { { HDR, 16, NEXT, -1 }, { DATA, 512, NEXT | WRITE, -1 }, { STATUS, 1, 0 }, { END } } },
	{ "nothing to write the status to",
	  { { HDR, 16, 0 }, { END } } },
	{ "nothing to read a header from",
	  { { STATUS, 1, WRITE }, { END } } },
	{ "header cut short",
	  { { HDR, 15, NEXT, -1 }, { STATUS, 1, WRITE }, { END } } },
	{ "a chain that goes round",
	  { { HDR, 16, NEXT, 1 }, { DATA, 512, NEXT | WRITE, 1 }, { END } }, .split_only = true },
	{ "a chain that goes back to its head",
	  { { HDR, 16, NEXT, 1 }, { DATA, 512, NEXT, 0 }, { END } }, .split_only = true },
	{ "next outside the ring",
	  { { HDR, 16, NEXT, NUM }, { END } }, .split_only = true },
	{ "next far outside the ring",
	  { { HDR, 16, NEXT, 0x7fff }, { END } }, .split_only = true },
	{ "indirect with next",
	  { { TABLE, 48, INDIR | NEXT, -1 }, { STATUS, 1, WRITE }, { END } },
	  { { HDR, 16, NEXT, -1 }, { DATA, 512, WRITE | NEXT, -1 }, { STATUS, 1, WRITE },
	    { END } } },
	{ "indirect in indirect",
	  { { TABLE, 48, INDIR }, { END } },
	  { { HDR, 16, NEXT, -1 }, { TABLE, 16, INDIR | NEXT, -1 }, { STATUS, 1, WRITE },
	    { END } } },
	{ "readable after writable in an indirect table",
	  { { TABLE, 48, INDIR }, { END } },
	  { { HDR, 16, NEXT, -1 }, { DATA, 512, NEXT | WRITE, -1 }, { STATUS, 1, 0 }, { END } } },
	{ "writable before an indirect table with readable",
	  { { DATA, 512, NEXT | WRITE, -1 }, { TABLE, 32, INDIR }, { END } },
	  { { HDR, 16, NEXT, -1 }, { STATUS, 1, WRITE }, { END } } },
	{ "indirect of no length",
	  { { TABLE, 0, INDIR }, { END } }, { { END } } },
	{ "indirect of odd length",
	  { { TABLE, 49, INDIR }, { END } },
	  { { HDR, 16, NEXT, -1 }, { DATA, 512, WRITE | NEXT, -1 }, { STATUS, 1, WRITE },
	    { END } } },
	{ "indirect of less than an entry",
	  { { TABLE, 15, INDIR }, { END } }, { { END } } },
	{ "indirect of 4 GiB less 16",
	  { { TABLE, 0xfffffff0, INDIR }, { END } }, { { END } } },
	{ "indirect outside memory",
	  { { NOWHERE, 48, INDIR }, { END } }, { { END } } },
	{ "indirect with more entries than a chain may have",
	  { { TABLE, 16 * (ASV_VHOST_MAX_CHAIN + 1), INDIR }, { END } },
	  { { HDR, 16, NEXT, 0 }, { END } } },
	{ "indirect that goes round",
	  { { TABLE, 48, INDIR }, { END } },
	  { { HDR, 16, NEXT, 1 }, { DATA, 512, NEXT | WRITE, 1 }, { STATUS, 1, WRITE }, { END } },
	  .split_only = true },
	{ "indirect whose next is outside its table",
	  { { TABLE, 48, INDIR }, { END } },
	  { { HDR, 16, NEXT, 3 }, { DATA, 512, NEXT | WRITE, 1 }, { STATUS, 1, WRITE }, { END } },
	  .split_only = true },
};

static uint64_t address(FIXTURE_DATA(malformed) *self, const struct raw *raw)
{
	struct vt_mem *mem = &self->blk.mem;

	switch (raw->where) {
	case HDR:
		return vt_gpa(mem, self->good->hdr);
	case DATA:
		return vt_gpa(mem, self->good->data);
	case STATUS:
		return vt_gpa(mem, self->good->status);
	case TABLE:
		return vt_gpa(mem, self->table);
	case ZERO:
		return vt_gpa(mem, self->canary);
	case HIGH:
		return -512ULL;
	case WRAPS:
		return -4096ULL;
	default:
		return 0x1000;
	}
}

static struct vring_desc make(FIXTURE_DATA(malformed) *self, const struct raw *raw,
			      unsigned int pos)
{
	return (struct vring_desc) {
		.addr = address(self, raw),
		.len = raw->len,
		.flags = raw->flags,
		.next = raw->next < 0 ? pos + 1 : raw->next,
	};
}

/* hand a chain to queue 0 as it is; the ring is fresh */
static void expose(FIXTURE_DATA(malformed) *self, const struct bad_chain *bad, bool packed)
{
	struct vt_queue *vq = self->blk.vq;
	unsigned int i, n;

	for (i = 0; bad->table[i].where != END && i < 6; i++) {
		self->table[i] = make(self, &bad->table[i], i);
		if (packed)
			((struct vt_packed_desc *)self->table)[i].id = 0;
		if (packed)
			((struct vt_packed_desc *)self->table)[i].flags =
				bad->table[i].flags & ~NEXT;
	}
	for (n = 0; bad->desc[n].where != END; n++)
		;
	for (i = n; i--;) {
		struct vring_desc desc = make(self, &bad->desc[i], i);

		if (!packed) {
			vq->desc[i] = desc;
			continue;
		}
		vq->pdesc[i].addr = desc.addr;
		vq->pdesc[i].len = desc.len;
		vq->pdesc[i].id = 3;
		__atomic_store_n(&vq->pdesc[i].flags, desc.flags | VT_PACKED_AVAIL,
				 __ATOMIC_RELEASE);
	}
	if (!packed) {
		vq->avail->ring[0] = 0;
		__atomic_store_n(&vq->avail->idx, 1, __ATOMIC_RELEASE);
	}
	vt_kick(vq);
}

static bool used_something(struct vt_queue *vq)
{
	if (!vq->packed)
		return *(volatile __virtio16 *)&vq->used->idx != 0;
	return *(volatile __le16 *)&vq->pdesc[0].flags & VT_PACKED_USED;
}

/* stop, empty the ring, start */
static int again(FIXTURE_DATA(malformed) *self, struct vt_queue *vq)
{
	uint32_t base = vq->packed ? VT_PACKED_BASE : 0;
	int ret = vt_blk_backend(&self->blk, vq, false);

	vt_queue_reset(vq, base);
	vt_broken(vq, 0);
	vt_irqs(vq);
	if (!ret)
		ret = vt_queue_setup(&self->blk.dev, vq, base);
	return ret ? ret : vt_blk_backend(&self->blk, vq, true);
}

TEST_F_TIMEOUT(malformed, chains, 120)
{
	struct vt_queue *vq = self->blk.vq, *neighbour = &self->blk.vq[1];
	struct vt_req *req = vt_req_new(&self->blk.mem, 512);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(chains); i++) {
		const struct bad_chain *bad = &chains[i];

		if (bad->split_only && variant->packed)
			continue;
		memset(self->good->hdr, 0, sizeof(*self->good->hdr));
		*self->good->status = VT_STATUS_NONE;
		expose(self, bad, variant->packed);
		EXPECT_TRUE(vt_broken(vq, 2000)) TH_LOG("%s: not broken", bad->name);
		EXPECT_FALSE(used_something(vq)) TH_LOG("%s: used", bad->name);
		EXPECT_EQ(VT_STATUS_NONE, *self->good->status) TH_LOG("%s", bad->name);
		/* it still tells its base, and stays broken until it is stopped */
		EXPECT_LE(0, vt_get_base(&self->blk.dev, vq)) TH_LOG("%s", bad->name);
		vt_req_set(req, VIRTIO_BLK_T_IN, i, 512);
		EXPECT_EQ(VIRTIO_BLK_S_OK, vt_blk_do(neighbour, req))
			TH_LOG("%s: the neighbour queue", bad->name);
		ASSERT_EQ(0, again(self, vq)) TH_LOG("%s", bad->name);
		vt_req_set(req, VIRTIO_BLK_T_IN, i, 512);
		EXPECT_EQ(VIRTIO_BLK_S_OK, vt_blk_do(vq, req))
			TH_LOG("%s: the queue started again", bad->name);
		ASSERT_EQ(0, again(self, vq));
		EXPECT_EQ(0x3c, self->canary[0]) TH_LOG("%s", bad->name);
	}
}

/* a chain that reads a sector, at the head of a split ring and in each place of it */
static void fill_ring(FIXTURE_DATA(malformed) *self)
{
	static const struct raw good[] = {
		{ HDR, 16, NEXT, -1 }, { DATA, 512, NEXT | WRITE, -1 }, { STATUS, 1, WRITE },
	};
	struct vt_queue *vq = self->blk.vq;
	unsigned int i;

	memset(self->good->hdr, 0, sizeof(*self->good->hdr));
	for (i = 0; i < ARRAY_SIZE(good); i++)
		vq->desc[i] = make(self, &good[i], i);
	memset(vq->avail->ring, 0, NUM * sizeof(vq->avail->ring[0]));
}

/* split: available indices that no driver makes */
TEST_F(malformed, available)
{
	struct vt_queue *vq = self->blk.vq;
	static const uint16_t heads[] = { NUM, NUM + 1, 0x8000, 0xffff };
	static const uint16_t indices[] = { NUM + 1, 0x8000, 0xffff };
	unsigned int i;

	if (variant->packed)
		SKIP(return, "packed rings have no available index");
	for (i = 0; i < ARRAY_SIZE(heads); i++) {
		vq->avail->ring[0] = heads[i];
		__atomic_store_n(&vq->avail->idx, 1, __ATOMIC_RELEASE);
		vt_kick(vq);
		EXPECT_TRUE(vt_broken(vq, 2000)) TH_LOG("head %#x", heads[i]);
		EXPECT_FALSE(used_something(vq));
		ASSERT_EQ(0, again(self, vq));
	}
	for (i = 0; i < ARRAY_SIZE(indices); i++) {
		fill_ring(self);
		__atomic_store_n(&vq->avail->idx, indices[i], __ATOMIC_RELEASE);
		vt_kick(vq);
		EXPECT_TRUE(vt_broken(vq, 2000)) TH_LOG("index %#x", indices[i]);
		EXPECT_FALSE(used_something(vq));
		ASSERT_EQ(0, again(self, vq));
	}
}

/* not malformed: a chain of as many descriptors as the ring has is served */
TEST_F(malformed, as_long_as_the_ring)
{
	struct vt_queue *vq = self->blk.vq;
	uint8_t *data = vt_alloc(&self->blk.mem, 512 * (NUM - 2), 512);
	struct vt_sg sg[NUM] = { { self->good->hdr, 16, false } };
	unsigned int i;
	uint32_t len;

	for (i = 1; i < NUM - 1; i++)
		sg[i] = (struct vt_sg) { data + 512 * (i - 1), 512, true };
	sg[NUM - 1] = (struct vt_sg) { self->good->status, 1, true };
	memset(self->good->hdr, 0, sizeof(*self->good->hdr));
	for (i = 0; i < 3; i++) {
		*self->good->status = VT_STATUS_NONE;
		ASSERT_EQ(0, vt_blk_do_sg(vq, sg, NUM, false, &len)) TH_LOG("%s", vq->why);
		EXPECT_EQ(512 * (NUM - 2) + 1, len);
		EXPECT_EQ(VIRTIO_BLK_S_OK, *self->good->status);
	}
}

/* packed: a chain whose later descriptors are not there, or that fills every place */
TEST_F(malformed, endless)
{
	struct vt_queue *vq = self->blk.vq;
	unsigned int i;

	for (i = 0; i < NUM; i++) {
		if (variant->packed) {
			vq->pdesc[i] = (struct vt_packed_desc) {
				.addr = vt_gpa(&self->blk.mem, self->good->hdr),
				.len = 16,
				.flags = NEXT | VT_PACKED_AVAIL,
			};
		} else {
			vq->desc[i] = (struct vring_desc) {
				.addr = vt_gpa(&self->blk.mem, self->good->hdr),
				.len = 16,
				.flags = NEXT,
				.next = (i + 1) % NUM,
			};
		}
	}
	if (!variant->packed)
		__atomic_store_n(&vq->avail->idx, 1, __ATOMIC_RELEASE);
	vt_kick(vq);
	EXPECT_TRUE(vt_broken(vq, 2000));
	EXPECT_FALSE(used_something(vq));
	ASSERT_EQ(0, again(self, vq));
}

/* packed: a descriptor of the other lap is not available, so nothing happens */
TEST_F(malformed, wrong_wrap)
{
	struct vt_queue *vq = self->blk.vq;

	if (!variant->packed)
		SKIP(return, "split rings have no wrap counter");
	vq->pdesc[0] = (struct vt_packed_desc) {
		.addr = vt_gpa(&self->blk.mem, self->good->hdr),
		.len = 16,
		.flags = VT_PACKED_USED,
	};
	vt_kick(vq);
	EXPECT_FALSE(vt_broken(vq, VT_QUIET_MS));
	vq->pdesc[0].flags = VT_PACKED_AVAIL | VT_PACKED_USED;
	vt_kick(vq);
	EXPECT_FALSE(vt_broken(vq, VT_QUIET_MS));
	ASSERT_EQ(0, again(self, vq));
}

/* without its feature an indirect descriptor means nothing */
TEST_F(malformed, indirect_not_negotiated)
{
	struct vt_queue *vq = self->blk.vq;
	struct bad_chain chain = {
		"indirect", { { TABLE, 48, INDIR }, { END } },
		{ { HDR, 16, NEXT, -1 }, { DATA, 512, WRITE | NEXT, -1 }, { STATUS, 1, WRITE },
		  { END } },
	};
	uint64_t features = self->blk.dev.features & ~VT_BIT(VIRTIO_RING_F_INDIRECT_DESC);

	ASSERT_EQ(0, vt_blk_backend(&self->blk, vq, false));
	ASSERT_EQ(0, vt_blk_backend(&self->blk, &self->blk.vq[1], false));
	ASSERT_EQ(0, vt_dev_features(&self->blk.dev, features));
	ASSERT_EQ(0, again(self, vq));
	expose(self, &chain, variant->packed);
	EXPECT_TRUE(vt_broken(vq, 2000));
	EXPECT_FALSE(used_something(vq));
}

/* each buffer lies in memory, but together they are more than a length can say */
TEST_F(malformed, longer_than_4g)
{
	struct vt_blk_opts opts = {
		.disk = VT_DISK_DEV,
		.packed = variant->packed,
		.mem_size = 1536UL << 20,
	};
	struct vt_sg sg[7];
	struct vt_req *req;
	unsigned int i;

	vt_blk_free(&self->blk);
	ASSERT_EQ(0, vt_blk_start(&self->blk, &opts));
	req = vt_req_new(&self->blk.mem, 512);
	vt_req_set(req, VIRTIO_BLK_T_IN, 0, 512);
	sg[0] = (struct vt_sg) { req->hdr, 16, false };
	for (i = 1; i < 6; i++)
		sg[i] = (struct vt_sg) { req->data, 1 << 30, true };
	sg[6] = (struct vt_sg) { req->status, 1, true };
	ASSERT_EQ(0, vt_add(self->blk.vq, sg, ARRAY_SIZE(sg), false, req));
	vt_submit(self->blk.vq);
	EXPECT_TRUE(vt_broken(self->blk.vq, 2000));
	EXPECT_EQ(VT_STATUS_NONE, *req->status);
}

/* a ring in memory that the owner has let go */
TEST_F(malformed, unmapped)
{
	struct vt_queue *vq = self->blk.vq, *neighbour = &self->blk.vq[1];
	struct vt_req *req = vt_req_new(&self->blk.mem, 512);
	struct vhost_vring_addr addr = { .index = 0 };
	uint8_t *gone = mmap(NULL, 3 * VT_PAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_EQ(0, vt_blk_backend(&self->blk, vq, false));
	addr.desc_user_addr = (uintptr_t)gone;
	addr.avail_user_addr = (uintptr_t)gone + VT_PAGE;
	addr.used_user_addr = (uintptr_t)gone + 2 * VT_PAGE;
	ASSERT_EQ(0, vt_ioctl(self->blk.dev.fd, VHOST_SET_VRING_ADDR, &addr));
	ASSERT_EQ(0, vt_ioctl_state(self->blk.dev.fd, VHOST_SET_VRING_BASE, 0,
				    variant->packed ? VT_PACKED_BASE : 0));
	ASSERT_EQ(0, vt_blk_backend(&self->blk, vq, true));
	ASSERT_EQ(0, munmap(gone, 3 * VT_PAGE));
	vt_kick(vq);
	EXPECT_TRUE(vt_broken(vq, 2000));
	vt_req_set(req, VIRTIO_BLK_T_IN, 0, 512);
	EXPECT_EQ(VIRTIO_BLK_S_OK, vt_blk_do(neighbour, req));
	EXPECT_EQ(0, vt_blk_backend(&self->blk, vq, false));
}

int main(int argc, char **argv)
{
	vt_require(VT_BLK_NODE);
	return test_harness_run(argc, argv);
}
