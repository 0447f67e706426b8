// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ring formats: sizes, many laps, full rings, indirect tables, and exactly when
 * interrupts are raised, at the places where indices wrap too.
 */
#include "kselftest_harness.h"

#include "lib/load.h"

#define INDIRECT	VT_BIT(VIRTIO_RING_F_INDIRECT_DESC)
#define EVENT_IDX	VT_BIT(VIRTIO_RING_F_EVENT_IDX)

struct ring_test {
	struct vt_blk blk;
	struct vt_queue *vq;
	bool packed;
	uint64_t features;
};

FIXTURE(rings)
{
	struct ring_test t;
};

FIXTURE_VARIANT(rings)
{
	bool packed;
	uint64_t features;
};

FIXTURE_VARIANT_ADD(rings, split) { .packed = false };
FIXTURE_VARIANT_ADD(rings, split_event) { .packed = false, .features = EVENT_IDX };
FIXTURE_VARIANT_ADD(rings, packed) { .packed = true };
FIXTURE_VARIANT_ADD(rings, packed_event) { .packed = true, .features = EVENT_IDX };

FIXTURE_SETUP(rings)
{
	self->t.packed = variant->packed;
	self->t.features = variant->features;
}

FIXTURE_TEARDOWN(rings)
{
	vt_blk_free(&self->t.blk);
}

static int start(struct ring_test *t, unsigned int num)
{
	struct vt_blk_opts opts = {
		.disk = VT_DISK_DEV,
		.packed = t->packed,
		.features = t->features | INDIRECT,
		.num = num,
		.seg_max = 1022,
	};
	int ret = vt_blk_start(&t->blk, &opts);

	t->vq = t->blk.vq;
	return ret;
}

/* start the queue again at another place of its ring */
static int move_to(struct ring_test *t, uint32_t base)
{
	int ret = vt_blk_backend(&t->blk, t->vq, false);

	vt_queue_reset(t->vq, base);
	if (!ret)
		ret = vt_queue_setup(&t->blk.dev, t->vq, base);
	if (!ret)
		ret = vt_blk_backend(&t->blk, t->vq, true);
	return ret;
}

/* n reads, one after the other or all at once, taken by polling the ring */
static int reads(struct ring_test *t, struct vt_req **req, unsigned int n, bool batch)
{
	struct vt_used used;
	unsigned int i, done = 0;

	for (i = 0; i < n; i++) {
		int64_t end = vt_now_ms() + VT_WAIT_MS;

		vt_req_set(req[i], VIRTIO_BLK_T_IN, i, 512);
		if (vt_req_add(t->vq, req[i], true))
			return -ENOSPC;
		if (batch && i + 1 < n)
			continue;
		vt_submit(t->vq);
		while (done <= i) {
			int ret = vt_get_used(t->vq, &used);

			if (ret < 0)
				return ret;
			if (vt_now_ms() > end)
				return -ETIMEDOUT;
			done += ret;
			if (!ret)
				usleep(200);
		}
	}
	return 0;
}

/*
 * The first buffer after a start may be announced whatever the driver wished: the
 * device does not know what it said before. Let that pass.
 */
static int prime(struct ring_test *t, struct vt_req **req)
{
	int ret = reads(t, req, 1, false);

	vt_wait_irq(t->vq, VT_QUIET_MS);
	return ret;
}

/* 2.7: a split queue's size is a power of two, 2.8: a packed one's need not be */
static const unsigned int sizes[] = { 1, 2, 3, 7, 8, 255, 256, 1000, 1024 };

TEST_F_TIMEOUT(rings, sizes_and_laps, 200)
{
	struct ring_test *t = &self->t;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		unsigned int num = sizes[i];
		struct vt_load load;

		if (!t->packed && (num & (num - 1)))
			continue;
		ASSERT_EQ(0, start(t, num));
		ASSERT_EQ(0, vt_load_init(&load, t->vq, &t->blk.mem, 0, 2048, 512,
					  num < 64 ? num : 64));
		/* below three descriptors only an indirect request fits */
		load.indirect = num < 3 ? 100 : 50;
		ASSERT_EQ(0, vt_load_run(&load, num < 256 ? 1000 : num * 2, true))
			TH_LOG("size %u: %s", num, t->vq->why);
		EXPECT_EQ(0, vt_queue_check(t->vq))
			TH_LOG("size %u: %s", num, t->vq->why);
		EXPECT_EQ(0, vt_load_verify(&load, t->blk.disk));
		EXPECT_FALSE(vt_broken(t->vq, 0));
		vt_load_free(&load);
		vt_blk_free(&t->blk);
	}
}

/* from every base that is near a wrap of an index or of the wrap counters */
TEST_F_TIMEOUT(rings, bases, 120)
{
	struct ring_test *t = &self->t;
	static const uint32_t split[] = { 0, 1, 7, 0x7fff, 0x8000, 0xfff0, 0xffff };
	static const uint32_t packed[] = { 0x80008000, 0x00000000, 0x80078007, 0x00070007,
					   0x80018001, 0x00010001, 0x80068006 };
	unsigned int i;

	ASSERT_EQ(0, start(t, 8));
	for (i = 0; i < ARRAY_SIZE(split); i++) {
		uint32_t base = t->packed ? packed[i] : split[i];
		struct vt_load load;

		ASSERT_EQ(0, move_to(t, base));
		ASSERT_EQ(base, vt_get_base(&t->blk.dev, t->vq));
		ASSERT_EQ(0, vt_load_init(&load, t->vq, &t->blk.mem, 0, 512, 512, 4));
		load.indirect = 30;
		ASSERT_EQ(0, vt_load_run(&load, 100, true))
			TH_LOG("base %#x: %s", base, t->vq->why);
		EXPECT_EQ(0, vt_queue_check(t->vq));
		ASSERT_EQ(0, vt_blk_backend(&t->blk, t->vq, false));
		EXPECT_EQ(vt_queue_base(t->vq), vt_get_base(&t->blk.dev, t->vq));
		vt_load_free(&load);
	}
}

/* the whole ring handed over at once, again and again */
TEST_F_TIMEOUT(rings, full, 120)
{
	struct ring_test *t = &self->t;
	const unsigned int num = 64, laps = 40;
	struct vt_req *req[64];
	unsigned int lap, i;

	ASSERT_EQ(0, start(t, num));
	for (i = 0; i < num; i++) {
		req[i] = vt_req_new(&t->blk.mem, 512);
		memset(req[i]->data, i + 1, 512);
	}
	for (lap = 0; lap < laps; lap++) {
		bool seen[64] = {};
		struct vt_used used;

		for (i = 0; i < num; i++) {
			vt_req_set(req[i], lap & 1 ? VIRTIO_BLK_T_IN : VIRTIO_BLK_T_OUT, i, 512);
			if (lap & 1)
				memset(req[i]->data, 0, 512);
			req[i]->owner = (void *)(uintptr_t)i;
			ASSERT_EQ(0, vt_req_add(t->vq, req[i], true));
		}
		ASSERT_EQ(-ENOSPC, vt_req_add(t->vq, req[0], true));
		vt_submit(t->vq);
		for (i = 0; i < num; i++) {
			struct vt_req *done;

			ASSERT_EQ(1, vt_wait_used(t->vq, &used, VT_WAIT_MS))
				TH_LOG("lap %u, %u of %u: %s", lap, i, num, t->vq->why);
			done = used.cookie;
			ASSERT_EQ(VIRTIO_BLK_S_OK, vt_req_result(t->vq, done, &used));
			ASSERT_FALSE(seen[(uintptr_t)done->owner]);
			seen[(uintptr_t)done->owner] = true;
			ASSERT_EQ((uintptr_t)done->owner + 1, done->data[511]);
		}
		ASSERT_EQ(0, vt_get_used(t->vq, &used));
		ASSERT_EQ(0, vt_queue_check(t->vq)) TH_LOG("%s", t->vq->why);
	}
}

/* one request that takes every descriptor of the ring, then of an indirect table */
TEST_F(rings, longest_chain)
{
	struct ring_test *t = &self->t;
	const unsigned int num = 64;
	struct vt_sg sg[256];
	struct virtio_blk_outhdr *hdr;
	unsigned int i, n, pass;
	uint8_t *data, *status, back[256 * 512];
	uint32_t len;

	ASSERT_EQ(0, start(t, num));
	hdr = vt_alloc(&t->blk.mem, sizeof(*hdr), 16);
	data = vt_alloc(&t->blk.mem, 256 * 512, 512);
	status = vt_alloc(&t->blk.mem, 1, 1);
	for (pass = 0; pass < 4; pass++) {
		bool indirect = pass >= 2;

		n = indirect ? 256 : num;
		sg[0] = (struct vt_sg) { hdr, sizeof(*hdr), false };
		for (i = 1; i < n - 1; i++)
			sg[i] = (struct vt_sg) { data + (i - 1) * 512, 512, pass & 1 };
		sg[n - 1] = (struct vt_sg) { status, 1, true };
		hdr->type = pass & 1 ? VIRTIO_BLK_T_IN : VIRTIO_BLK_T_OUT;
		hdr->sector = 0;
		*status = VT_STATUS_NONE;
		for (i = 0; i < (n - 2) * 512; i++)
			data[i] = pass & 1 ? 0 : i / 512 + i + pass;
		ASSERT_EQ(0, vt_blk_do_sg(t->vq, sg, n, indirect, &len));
		ASSERT_EQ(VIRTIO_BLK_S_OK, *status);
		ASSERT_EQ(pass & 1 ? (n - 2) * 512 + 1 : 1, len);
		ASSERT_EQ(0, vt_disk_read(t->blk.disk, 0, back, (n - 2) * 512));
		EXPECT_EQ(0, memcmp(back, data, (n - 2) * 512));
	}
	EXPECT_EQ(0, vt_queue_check(t->vq)) TH_LOG("%s", t->vq->why);
}

TEST_F(rings, interrupts_off)
{
	struct ring_test *t = &self->t;
	struct vt_req *req[16];
	unsigned int i;

	ASSERT_EQ(0, start(t, 32));
	for (i = 0; i < 16; i++)
		req[i] = vt_req_new(&t->blk.mem, 512);
	ASSERT_EQ(0, prime(t, req));
	for (i = 0; i < 4; i++) {
		vt_irq(t->vq, VT_IRQ_OFF);
		ASSERT_EQ(0, reads(t, req, 16, i & 1)) TH_LOG("%s", t->vq->why);
		EXPECT_EQ(0, vt_wait_irq(t->vq, VT_QUIET_MS));
		/* and on again: the next one must be announced */
		vt_irq(t->vq, VT_IRQ_ON);
		ASSERT_EQ(0, reads(t, req, 1, false));
		EXPECT_EQ(1, vt_wait_irq(t->vq, VT_WAIT_MS));
	}
}

/* every used buffer may be announced, and the last one must be */
TEST_F(rings, interrupts_on)
{
	struct ring_test *t = &self->t;
	struct vt_req *req[16];
	bool one = (t->features & EVENT_IDX) && !t->packed;
	uint64_t irqs;
	unsigned int i;

	ASSERT_EQ(0, start(t, 32));
	for (i = 0; i < 16; i++)
		req[i] = vt_req_new(&t->blk.mem, 512);
	ASSERT_EQ(0, prime(t, req));
	for (i = 0; i < 4; i++) {
		vt_irq(t->vq, VT_IRQ_ON);
		ASSERT_EQ(0, reads(t, req, 16, i & 1));
		irqs = vt_wait_irq(t->vq, VT_WAIT_MS);
		irqs += vt_wait_irq(t->vq, VT_QUIET_MS);
		EXPECT_LE(1, irqs);
		/* with event index the driver named one buffer, and never another */
		EXPECT_GE(one ? 1 : 16, irqs);
		vt_irq(t->vq, VT_IRQ_ON);
		ASSERT_EQ(0, reads(t, req, 1, false));
		EXPECT_EQ(1, vt_wait_irq(t->vq, VT_WAIT_MS));
	}
}

FIXTURE(event)
{
	struct ring_test t;
};

FIXTURE_VARIANT(event)
{
	bool packed;
};

FIXTURE_VARIANT_ADD(event, split) { .packed = false };
FIXTURE_VARIANT_ADD(event, packed) { .packed = true };

FIXTURE_SETUP(event)
{
	self->t.packed = variant->packed;
	self->t.features = EVENT_IDX;
}

FIXTURE_TEARDOWN(event)
{
	vt_blk_free(&self->t.blk);
}

/*
 * With event index: exactly one interrupt, at the buffer that the driver named,
 * for every distance up to a lap, and from places where the index wraps.
 */
TEST_F_TIMEOUT(event, index, 120)
{
	struct ring_test *t = &self->t;
	static const uint32_t split[] = { 0, 0x7ffb, 0xfffa, 0xfffe };
	static const uint32_t packed[] = { 0x80008000, 0x00000000, 0x800a800a, 0x000e000e };
	struct vt_req *req[16];
	unsigned int b, n;

	ASSERT_EQ(0, start(t, 16));
	for (n = 0; n < 16; n++)
		req[n] = vt_req_new(&t->blk.mem, 512);
	for (b = 0; b < ARRAY_SIZE(split); b++) {
		ASSERT_EQ(0, move_to(t, t->packed ? packed[b] : split[b]));
		ASSERT_EQ(0, prime(t, req));
		for (n = 1; n <= 16; n += 3) {
			bool batch = n & 2;

			vt_irq_after(t->vq, n);
			if (n > 1) {
				ASSERT_EQ(0, reads(t, req, n - 1, batch));
				EXPECT_EQ(0, vt_wait_irq(t->vq, VT_QUIET_MS))
					TH_LOG("before buffer %u from base %u", n, b);
			}
			ASSERT_EQ(0, reads(t, req, 1, false));
			EXPECT_EQ(1, vt_wait_irq(t->vq, VT_WAIT_MS))
				TH_LOG("at buffer %u from base %u", n, b);
			/* not named again, so not announced */
			ASSERT_EQ(0, reads(t, req, 3, true));
			EXPECT_EQ(0, vt_wait_irq(t->vq, VT_QUIET_MS))
				TH_LOG("after buffer %u from base %u", n, b);
		}
		/* in the middle of a batch: once, wherever the batch was cut */
		vt_irq_after(t->vq, 5);
		ASSERT_EQ(0, reads(t, req, 10, true));
		EXPECT_EQ(1, vt_wait_irq(t->vq, VT_WAIT_MS) + vt_wait_irq(t->vq, VT_QUIET_MS));
	}
}

/* packed: an event in the middle of a chain is one at the whole chain (2.8.10) */
TEST_F(event, inside_chain)
{
	struct ring_test *t = &self->t;
	unsigned int per = t->packed ? 3 : 1;
	struct vt_req *req;
	unsigned int n;

	ASSERT_EQ(0, start(t, 16));
	req = vt_req_new(&t->blk.mem, 512);
	ASSERT_EQ(0, prime(t, &req));
	/* each request takes three descriptors: n is in the first request, then in the second */
	for (n = 1; n <= 2 * per; n++) {
		struct vt_used used;
		unsigned int pass;

		vt_irq_after(t->vq, n);
		for (pass = 0; pass < 2; pass++) {
			int64_t end = vt_now_ms() + VT_WAIT_MS;
			bool due = pass == (n > per);

			vt_req_set(req, VIRTIO_BLK_T_IN, 0, 512);
			ASSERT_EQ(0, vt_req_add(t->vq, req, false));
			vt_submit(t->vq);
			while (!vt_get_used(t->vq, &used) && vt_now_ms() < end)
				usleep(200);
			EXPECT_EQ(due, vt_wait_irq(t->vq, due ? VT_WAIT_MS : VT_QUIET_MS))
				TH_LOG("descriptor %u, request %u", n, pass);
		}
	}
}

/* an idle device asks for a kick, and one that was asked for suffices */
TEST_F_TIMEOUT(rings, kicks, 60)
{
	struct ring_test *t = &self->t;
	struct vt_req *req;
	unsigned int i;

	ASSERT_EQ(0, start(t, 16));
	req = vt_req_new(&t->blk.mem, 512);
	for (i = 0; i < 300; i++) {
		struct vt_used used;
		bool wanted;

		if (i % 30 == 0)
			usleep(30000);	/* long enough to be idle */
		vt_req_set(req, VIRTIO_BLK_T_IN, i, 512);
		ASSERT_EQ(0, vt_req_add(t->vq, req, false));
		vt_publish(t->vq);
		wanted = vt_kick_wanted(t->vq);
		EXPECT_TRUE(wanted || i % 30);
		if (wanted)
			vt_kick(t->vq);
		ASSERT_EQ(1, vt_wait_used(t->vq, &used, VT_WAIT_MS))
			TH_LOG("request %u, kick %s", i, wanted ? "asked for" : "not asked for");
	}
	EXPECT_GE(300, t->vq->nkicks);
}

/* kicks that announce nothing do no harm */
TEST_F(rings, empty_kicks)
{
	struct ring_test *t = &self->t;
	struct vt_used used;
	struct vt_req *req;
	unsigned int i;

	ASSERT_EQ(0, start(t, 16));
	for (i = 0; i < 1000; i++)
		vt_kick(t->vq);
	EXPECT_EQ(0, vt_get_used(t->vq, &used));
	EXPECT_FALSE(vt_broken(t->vq, VT_QUIET_MS));
	req = vt_req_new(&t->blk.mem, 512);
	vt_req_set(req, VIRTIO_BLK_T_IN, 0, 512);
	EXPECT_EQ(VIRTIO_BLK_S_OK, vt_blk_do(t->vq, req));
}

int main(int argc, char **argv)
{
	vt_require(VT_BLK_NODE);
	return test_harness_run(argc, argv);
}
