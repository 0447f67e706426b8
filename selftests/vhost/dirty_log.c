// SPDX-License-Identifier: GPL-2.0-only
/*
 * The dirty log, byte for byte: a bit for each page that the device wrote (data,
 * status, used ring) and no other, against marks that the test makes for itself.
 */
#include "kselftest_harness.h"

#include "lib/load.h"

#define LOG_BYTES	(1UL << 18)	/* covers 8 GiB: all that vt_gpa() gives here */

FIXTURE(log)
{
	struct vt_blk blk;
	uint8_t *log;		/* the device's */
	uint8_t *want;		/* ours: must be set */
	uint8_t *may;		/* may be set or not */
};

FIXTURE_VARIANT(log)
{
	bool packed;
	enum vt_disk disk;
};

FIXTURE_VARIANT_ADD(log, split) { .packed = false, .disk = VT_DISK_DEV };
FIXTURE_VARIANT_ADD(log, packed) { .packed = true, .disk = VT_DISK_DEV };
FIXTURE_VARIANT_ADD(log, file) { .packed = false, .disk = VT_DISK_FILE };

static int set_log(FIXTURE_DATA(log) *self, bool on)
{
	uint64_t features = self->blk.dev.features & ~VT_BIT(VHOST_F_LOG_ALL);
	uint64_t base = (uintptr_t)self->log;
	int ret;

	ret = vt_ioctl(self->blk.dev.fd, VHOST_SET_LOG_BASE, &base);
	if (!ret)
		ret = vt_dev_features(&self->blk.dev,
				      features | (on ? VT_BIT(VHOST_F_LOG_ALL) : 0));
	if (!ret)
		ret = vt_queue_addr(&self->blk.dev, self->blk.vq,
				    on ? 1 << VHOST_VRING_F_LOG : 0,
				    vt_gpa(&self->blk.mem, self->blk.vq->used));
	return ret;
}

FIXTURE_SETUP(log)
{
	struct vt_blk_opts opts = {
		.disk = variant->disk,
		.packed = variant->packed,
		.features = VT_BIT(VIRTIO_BLK_F_FLUSH),
	};

	ASSERT_EQ(0, vt_blk_start(&self->blk, &opts));
	self->log = mmap(NULL, LOG_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);
	self->want = calloc(1, LOG_BYTES);
	self->may = calloc(1, LOG_BYTES);
	ASSERT_NE(MAP_FAILED, (void *)self->log);
	ASSERT_NE(NULL, self->want);
	ASSERT_NE(NULL, self->may);
}

FIXTURE_TEARDOWN(log)
{
	vt_blk_free(&self->blk);
}

static void mark(FIXTURE_DATA(log) *self, uint8_t *bits, const void *ptr, size_t len)
{
	uint64_t page = vt_gpa(&self->blk.mem, ptr) / VHOST_PAGE_SIZE;
	uint64_t last = vt_gpa(&self->blk.mem, (const uint8_t *)ptr + len - 1) / VHOST_PAGE_SIZE;

	for (; page <= last; page++)
		bits[page / 8] |= 1 << page % 8;
}

static void want(FIXTURE_DATA(log) *self, const void *ptr, size_t len)
{
	mark(self, self->want, ptr, len);
}

/* what a used buffer writes of the ring; each area is less than a page */
static void want_used(FIXTURE_DATA(log) *self)
{
	struct vt_queue *vq = self->blk.vq;

	if (vq->packed) {
		want(self, vq->desc, vq->desc_size);
		/* event suppression is set anew wherever the ring is started */
		mark(self, self->may, vq->used, vq->device_size);
	} else {
		want(self, vq->used, vq->device_size);
	}
}

static int compare(FIXTURE_DATA(log) *self)
{
	size_t i;

	for (i = 0; i < LOG_BYTES; i++)
		if ((self->log[i] ^ self->want[i]) & ~self->may[i])
			break;
	if (i == LOG_BYTES)
		return 0;
	fprintf(stderr, "# log byte %zu (page %#zx): %#x, expected %#x\n", i, i * 8,
		self->log[i], self->want[i]);
	return -EILSEQ;
}

/*
 * A request whose completion is looked for only after the interrupt, for the device
 * writes the log between the used ring and that.
 */
static int do_logged(struct vt_queue *vq, struct vt_req *req)
{
	struct vt_used used;
	int ret;

	vt_irqs(vq);
	vt_irq(vq, VT_IRQ_ON);
	ret = vt_req_add(vq, req, false);
	if (ret)
		return ret;
	vt_submit(vq);
	do {
		if (!vt_wait_irq(vq, VT_WAIT_MS))
			return -ETIMEDOUT;
		ret = vt_get_used(vq, &used);
	} while (!ret);
	if (ret < 0)
		return ret;
	return used.cookie == req ? vt_req_result(vq, req, &used) : -EILSEQ;
}

/* all requests with buffers on pages of their own; a ring of less than a page */
TEST_F(log, exact)
{
	static const struct {
		uint32_t len, offset;
	} reads[] = { { 512, 0 }, { 4096, 0 }, { 4096, 1 }, { 8192, 512 }, { 65536, 4095 },
		      { 512, 3584 }, { 512, 3585 } };
	struct vt_mem *mem = &self->blk.mem;
	struct vt_req *req = vt_req_new(mem, 0);
	unsigned int i;

	ASSERT_EQ(0, set_log(self, true));
	/* the new addresses may have the device ask for a kick again, in its own area */
	mark(self, self->may, self->blk.vq->used, self->blk.vq->device_size);
	EXPECT_EQ(0, compare(self));
	memset(self->may, 0, LOG_BYTES);
	for (i = 0; i < ARRAY_SIZE(reads); i++) {
		req->data = vt_alloc_at(mem, reads[i].len, VT_PAGE, reads[i].offset);
		req->status = vt_alloc_at(mem, 1, VT_PAGE, 77);
		vt_req_set(req, VIRTIO_BLK_T_IN, 0, reads[i].len);
		ASSERT_EQ(VIRTIO_BLK_S_OK, do_logged(self->blk.vq, req));
		want(self, req->data, reads[i].len);
		want(self, req->status, 1);
		want_used(self);
		EXPECT_EQ(0, compare(self)) TH_LOG("read of %u at %u", reads[i].len,
						   reads[i].offset);
	}
	/* writes dirty no data */
	req->data = vt_alloc(mem, 8192, VT_PAGE);
	req->status = vt_alloc(mem, 1, VT_PAGE);
	vt_req_set(req, VIRTIO_BLK_T_OUT, 0, 8192);
	ASSERT_EQ(VIRTIO_BLK_S_OK, do_logged(self->blk.vq, req));
	want(self, req->status, 1);
	EXPECT_EQ(0, compare(self));
	req->status = vt_alloc(mem, 1, VT_PAGE);
	vt_req_set(req, VIRTIO_BLK_T_FLUSH, 0, 0);
	ASSERT_EQ(VIRTIO_BLK_S_OK, do_logged(self->blk.vq, req));
	want(self, req->status, 1);
	EXPECT_EQ(0, compare(self));
	req->data = vt_alloc(mem, VIRTIO_BLK_ID_BYTES, VT_PAGE);
	req->status = vt_alloc(mem, 1, VT_PAGE);
	vt_req_set(req, VIRTIO_BLK_T_GET_ID, 0, VIRTIO_BLK_ID_BYTES);
	ASSERT_EQ(VIRTIO_BLK_S_OK, do_logged(self->blk.vq, req));
	want(self, req->data, VIRTIO_BLK_ID_BYTES);
	want(self, req->status, 1);
	EXPECT_EQ(0, compare(self)) TH_LOG("get-id");
	/* a read that fails may have dirtied its buffer; its status for certain */
	req->data = vt_alloc(mem, 4096, VT_PAGE);
	req->status = vt_alloc(mem, 1, VT_PAGE);
	vt_req_set(req, VIRTIO_BLK_T_IN, 1ULL << 40, 4096);
	ASSERT_EQ(VIRTIO_BLK_S_IOERR, do_logged(self->blk.vq, req));
	want(self, req->status, 1);
	mark(self, self->may, req->data, 4096);
	EXPECT_EQ(0, compare(self));
}

static void clear(FIXTURE_DATA(log) *self)
{
	memset(self->log, 0, LOG_BYTES);
	memset(self->want, 0, LOG_BYTES);
	memset(self->may, 0, LOG_BYTES);
}

/* a ring of several pages: of the used ring, those that this request wrote and no other */
TEST_F_TIMEOUT(log, ring_of_pages, 60)
{
	struct vt_blk_opts opts = {
		.disk = variant->disk,
		.packed = variant->packed,
		.num = 512,
	};
	struct vt_req *req;
	struct vt_queue *vq;
	unsigned int i;

	vt_blk_free(&self->blk);
	ASSERT_EQ(0, vt_blk_start(&self->blk, &opts));
	vq = self->blk.vq;
	req = vt_req_new(&self->blk.mem, 512);
	ASSERT_EQ(0, set_log(self, true));
	for (i = 0; i < 530; i++) {
		unsigned int at = vq->next_used % vq->num;

		clear(self);
		want(self, req->data, 512);
		want(self, req->status, 1);
		if (vq->packed) {
			want(self, &vq->pdesc[at], sizeof(vq->pdesc[at]));
			mark(self, self->may, vq->used, vq->device_size);
		} else {
			want(self, &vq->used->ring[at], sizeof(vq->used->ring[at]));
			want(self, &vq->used->idx, sizeof(vq->used->idx));
		}
		vt_req_set(req, VIRTIO_BLK_T_IN, i, 512);
		ASSERT_EQ(VIRTIO_BLK_S_OK, do_logged(vq, req));
		ASSERT_EQ(0, compare(self)) TH_LOG("used entry %u", at);
	}
}

/* event suppression, which the device writes anew wherever it is started */
TEST_F(log, suppression)
{
	struct vt_req *req = vt_req_new(&self->blk.mem, 512);
	struct vt_queue *vq = self->blk.vq;
	uint8_t odd[sizeof(struct vt_packed_event)];
	uint64_t page = vt_gpa(&self->blk.mem, vq->used) / VHOST_PAGE_SIZE;

	if (!variant->packed)
		SKIP(return, "a split ring has it on a page with what is written anyway");
	ASSERT_EQ(0, set_log(self, true));
	ASSERT_EQ(0, vt_blk_backend(&self->blk, vq, false));
	memset(odd, 0x7e, sizeof(odd));
	memcpy(vq->pdevice, odd, sizeof(odd));
	clear(self);
	ASSERT_EQ(0, vt_blk_backend(&self->blk, vq, true));
	vt_req_set(req, VIRTIO_BLK_T_IN, 0, 512);
	ASSERT_EQ(VIRTIO_BLK_S_OK, do_logged(vq, req));
	EXPECT_NE(0, memcmp(vq->pdevice, odd, sizeof(odd)));
	EXPECT_NE(0, self->log[page / 8] & 1 << page % 8);
}

/* cleared by the VMM between passes, as migration does; and off means off */
TEST_F(log, passes)
{
	struct vt_req *req = vt_req_new(&self->blk.mem, 4096);
	unsigned int pass;

	for (pass = 0; pass < 20; pass++) {
		bool on = pass % 3 != 2;

		ASSERT_EQ(0, set_log(self, on));
		clear(self);
		vt_req_set(req, VIRTIO_BLK_T_IN, pass, 4096);
		ASSERT_EQ(VIRTIO_BLK_S_OK, do_logged(self->blk.vq, req));
		if (on) {
			want(self, req->data, 4096);
			want(self, req->status, 1);
			want_used(self);
		}
		EXPECT_EQ(0, compare(self)) TH_LOG("pass %u", pass);
	}
}

/*
 * What migration rests on: a copy of all memory, then again of what the log says,
 * again and again under load, and after the stop the copy is the memory.
 */
TEST_F_TIMEOUT(log, migration, 60)
{
	struct vt_mem *mem = &self->blk.mem;
	uint64_t first = vt_gpa(mem, mem->base) / VHOST_PAGE_SIZE, page;
	uint8_t *copy = malloc(mem->size);
	struct vt_load load;
	unsigned int round;

	ASSERT_NE(NULL, copy);
	ASSERT_EQ(0, vt_load_init(&load, self->blk.vq, mem, 0, 512, 4096, 32));
	ASSERT_EQ(0, vt_load_run(&load, 100, false));
	ASSERT_EQ(0, set_log(self, true));
	memcpy(copy, mem->base, mem->size);
	for (round = 0; round < 30; round++) {
		ASSERT_EQ(0, round < 29 ? vt_load_run(&load, 40, false) :
					  vt_blk_backend(&self->blk, self->blk.vq, false));
		for (page = 0; page < mem->size / VT_PAGE; page++) {
			uint8_t *byte = &self->log[(first + page) / 8];
			uint8_t bit = 1 << (first + page) % 8;

			if (__atomic_fetch_and(byte, ~bit, __ATOMIC_SEQ_CST) & bit)
				memcpy(copy + page * VT_PAGE, mem->base + page * VT_PAGE, VT_PAGE);
		}
	}
	/* what the driver itself wrote is logged by KVM, not by us: compare the rest */
	for (page = 0; page < load.depth; page++) {
		struct vt_req *req = load.reqs[page];

		if (req->in && load.req_busy[page])
			EXPECT_EQ(0, memcmp(copy + (req->data - mem->base), req->data, 4096));
		EXPECT_EQ(*req->status == VT_STATUS_NONE ? *req->status :
			  copy[req->status - mem->base], *req->status);
	}
	EXPECT_EQ(0, memcmp(copy + ((uint8_t *)self->blk.vq->used - mem->base),
			    self->blk.vq->used, self->blk.vq->device_size));
	free(copy);
	vt_load_free(&load);
}

/* a log that cannot be written breaks the queue, and nothing else */
TEST_F(log, unmapped)
{
	struct vt_req *req = vt_req_new(&self->blk.mem, 4096);

	ASSERT_EQ(0, set_log(self, true));
	ASSERT_EQ(0, munmap(self->log, LOG_BYTES));
	vt_req_set(req, VIRTIO_BLK_T_IN, 0, 4096);
	ASSERT_EQ(0, vt_req_add(self->blk.vq, req, false));
	vt_submit(self->blk.vq);
	EXPECT_TRUE(vt_broken(self->blk.vq, 5000));
	EXPECT_EQ(0, vt_blk_backend(&self->blk, self->blk.vq, false));
	EXPECT_LE(0, vt_get_base(&self->blk.dev, self->blk.vq));
}

/* the log must hold all of memory when it is turned on */
TEST_F(log, unreachable)
{
	/* the last pages that user space can have, whatever the number of page levels */
	uint64_t base = (1ULL << 56) - 2 * VT_PAGE, features;

	features = self->blk.dev.features | VT_BIT(VHOST_F_LOG_ALL);
	if (!vt_ioctl(self->blk.dev.fd, VHOST_SET_LOG_BASE, &base))
		EXPECT_EQ(-EFAULT, vt_dev_features(&self->blk.dev, features));
}

int main(int argc, char **argv)
{
	vt_require(VT_BLK_NODE);
	return test_harness_run(argc, argv);
}
