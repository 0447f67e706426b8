// SPDX-License-Identifier: GPL-2.0-only
/*
 * Block requests: each type, each framing that a driver may choose, each refusal.
 * virtio 1.2, section 5.2.6; framing is free (2.7.4).
 */
#include <sys/stat.h>

#include "kselftest_harness.h"

#include "lib/blk.h"

#define SPACE_FEATURES	(VT_BIT(VIRTIO_BLK_F_DISCARD) | VT_BIT(VIRTIO_BLK_F_WRITE_ZEROES))
#define DISK_FEATURES	(VT_BIT(VIRTIO_BLK_F_FLUSH) | VT_BIT(VIRTIO_RING_F_INDIRECT_DESC))
#define SERIAL		"serial-of-20-bytes!!"

FIXTURE(blk)
{
	struct vt_blk blk;
	struct vt_queue *vq;
	struct vt_mem *mem;
	struct virtio_blk_config config;
};

FIXTURE_VARIANT(blk)
{
	enum vt_disk disk;
	bool packed;
};

FIXTURE_VARIANT_ADD(blk, file_split) { VT_DISK_FILE, false };
FIXTURE_VARIANT_ADD(blk, file_packed) { VT_DISK_FILE, true };
FIXTURE_VARIANT_ADD(blk, dev_split) { VT_DISK_DEV, false };
FIXTURE_VARIANT_ADD(blk, dev_packed) { VT_DISK_DEV, true };
FIXTURE_VARIANT_ADD(blk, dev_4k) { VT_DISK_DEV_4K, false };

static int start(FIXTURE_DATA(blk) *self, struct vt_blk_opts opts)
{
	struct asv_blk_config config = {};
	int ret;

	opts.features |= DISK_FEATURES;
	opts.serial = SERIAL;
	opts.mem_size = 32 << 20;
	ret = vt_blk_start(&self->blk, &opts);
	self->vq = self->blk.vq;
	self->mem = &self->blk.mem;
	if (!ret)
		ret = vt_ioctl(self->blk.dev.fd, ASV_BLK_GET_CONFIG, &config);
	memcpy(&self->config, config.bytes, sizeof(self->config));
	return ret;
}

#define START(...) \
	start(self, (struct vt_blk_opts) { .disk = variant->disk, .packed = variant->packed, \
					   __VA_ARGS__ })

FIXTURE_SETUP(blk) {}

FIXTURE_TEARDOWN(blk)
{
	if (self->vq && self->vq->slots)
		EXPECT_EQ(0, vt_queue_check(self->vq)) TH_LOG("%s", self->vq->why);
	vt_blk_free(&self->blk);
}

static void fill(uint8_t *data, uint32_t len, uint32_t seed)
{
	uint32_t i;

	for (i = 0; i < len; i++)
		data[i] = seed + i + (i >> 8) * 7;
}

static int request(struct vt_queue *vq, struct vt_req *req, uint32_t type, uint64_t sector,
		   uint32_t len)
{
	vt_req_set(req, type, sector, len);
	return vt_blk_do(vq, req);
}

TEST_F(blk, read_and_write)
{
	static const uint32_t lens[] = { 512, 1024, 4096, 12288, 65536, 1 << 20 };
	static const uint32_t offsets[] = { 0, 1, 4, 511, 512, 4095 };
	struct vt_req *req;
	uint8_t *back = malloc(1 << 20), *buf;
	unsigned int i, k;

	ASSERT_EQ(0, START());
	req = vt_req_new(self->mem, 0);
	buf = vt_alloc(self->mem, (1 << 20) + VT_PAGE, VT_PAGE);
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		if (lens[i] < self->config.blk_size)
			continue;
		for (k = 0; k < ARRAY_SIZE(offsets); k++) {
			uint64_t sector = (i * 8 + k) * 8;

			req->data = buf + offsets[k];
			fill(req->data, lens[i], i * 31 + k);
			ASSERT_EQ(VIRTIO_BLK_S_OK,
				  request(self->vq, req, VIRTIO_BLK_T_OUT, sector, lens[i]))
				TH_LOG("%u bytes at offset %u", lens[i], offsets[k]);
			ASSERT_EQ(0, vt_disk_read(self->blk.disk, sector * VT_SECTOR, back,
						  lens[i]));
			EXPECT_EQ(0, memcmp(back, req->data, lens[i]));
			memset(req->data, 0, lens[i]);
			ASSERT_EQ(VIRTIO_BLK_S_OK,
				  request(self->vq, req, VIRTIO_BLK_T_IN, sector, lens[i]));
			EXPECT_EQ(0, memcmp(back, req->data, lens[i]))
				TH_LOG("%u bytes at offset %u", lens[i], offsets[k]);
		}
	}
	free(back);
}

/* pieces of the given sizes out of one buffer, sizes repeated until len is covered */
static unsigned int cut(struct vt_sg *sg, uint8_t *buf, uint32_t len, const uint32_t *sizes,
			unsigned int nsizes, bool write)
{
	unsigned int n = 0;
	uint32_t pos, piece;

	for (pos = 0; pos < len; pos += piece) {
		piece = sizes[n % nsizes];
		if (piece > len - pos)
			piece = len - pos;
		sg[n++] = (struct vt_sg) { buf + pos, piece, write };
	}
	return n;
}

/* a request whose readable part and whose writable part are cut anyhow */
TEST_F(blk, framing)
{
	static const uint32_t one[] = { 1 }, odd[] = { 1, 3, 508 }, whole[] = { 1 << 30 },
			      mixed[] = { 7, 4096, 1, 2, 500 }, page[] = { 4096 };
	static const struct {
		const uint32_t *sizes;
		unsigned int n;
	} cuts[] = {
		{ one, 1 }, { odd, 3 }, { whole, 1 }, { mixed, 5 }, { page, 1 },
	};
	const uint32_t len = 8192, hdr_len = sizeof(struct virtio_blk_outhdr);
	uint8_t *out, *in, back[8192];
	struct vt_sg sg[600];
	unsigned int i, k, n, pass;
	uint32_t used;

	ASSERT_EQ(0, START(.num = 1024, .seg_max = 1000));
	/* header with the data after it, and data with the status after it */
	out = vt_alloc_at(self->mem, hdr_len + len, VT_PAGE, 5);
	in = vt_alloc_at(self->mem, len + 1, VT_PAGE, 9);
	for (i = 0; i < ARRAY_SIZE(cuts); i++) {
		for (k = 0; k < ARRAY_SIZE(cuts); k++) {
			struct virtio_blk_outhdr hdr = { .sector = (i * 5 + k) * 16 };

			if (cuts[i].sizes == one)
				continue;	/* for the header alone, below */
			for (pass = 0; pass < 2; pass++) {
				bool write = !pass;

				hdr.type = write ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN;
				memcpy(out, &hdr, hdr_len);
				if (write)
					fill(out + hdr_len, len, i * 5 + k);
				in[0] = VT_STATUS_NONE;
				in[len] = VT_STATUS_NONE;
				/* one byte a descriptor for the header, or as the data */
				n = k ? cut(sg, out, hdr_len + (write ? len : 0),
					    cuts[i].sizes, cuts[i].n, false) :
					cut(sg, out, hdr_len, one, 1, false);
				if (!k && write)
					n += cut(sg + n, out + hdr_len, len, cuts[i].sizes,
						 cuts[i].n, false);
				n += cut(sg + n, in, (write ? 0 : len) + 1, cuts[i].sizes,
					 cuts[i].n, true);
				ASSERT_EQ(0, vt_blk_do_sg(self->vq, sg, n, pass ^ (i & 1),
							  &used))
					TH_LOG("cut %u/%u: %s", i, k, self->vq->why);
				ASSERT_EQ(VIRTIO_BLK_S_OK, in[write ? 0 : len])
					TH_LOG("cut %u/%u, write %d", i, k, write);
				ASSERT_EQ(write ? 1 : len + 1, used);
				ASSERT_EQ(0, vt_disk_read(self->blk.disk, hdr.sector * VT_SECTOR,
							  back, len));
				EXPECT_EQ(0, memcmp(back, write ? out + hdr_len : in, len))
					TH_LOG("cut %u/%u, write %d", i, k, write);
			}
		}
	}
}

/* what the driver is told; a request that has more is served too */
TEST_F(blk, seg_max)
{
	struct virtio_blk_outhdr *hdr;
	struct vt_sg sg[12];
	uint8_t *data, *status;
	unsigned int segs, i;
	uint32_t len;

	ASSERT_EQ(0, START(.seg_max = 4));
	EXPECT_EQ(4, self->config.seg_max);
	hdr = vt_alloc(self->mem, sizeof(*hdr), 16);
	data = vt_alloc(self->mem, 10 * VT_PAGE, VT_PAGE);
	status = vt_alloc(self->mem, 1, 1);
	for (segs = 3; segs <= 8; segs++) {
		hdr->type = VIRTIO_BLK_T_IN;
		*status = VT_STATUS_NONE;
		sg[0] = (struct vt_sg) { hdr, sizeof(*hdr), false };
		for (i = 0; i < segs; i++)
			sg[1 + i] = (struct vt_sg) { data + i * VT_PAGE, VT_PAGE, true };
		sg[1 + segs] = (struct vt_sg) { status, 1, true };
		ASSERT_EQ(0, vt_blk_do_sg(self->vq, sg, segs + 2, segs & 1, &len));
		EXPECT_EQ(VIRTIO_BLK_S_OK, *status) TH_LOG("%u segments", segs);
	}
}

/* more data than one request may pin, out of one buffer that is named many times */
TEST_F(blk, too_long)
{
	const uint32_t piece = 4 << 20;
	struct virtio_blk_outhdr *hdr;
	struct vt_sg sg[11];
	uint8_t *data, *status;
	unsigned int segs, i;
	uint32_t len;

	ASSERT_EQ(0, START(.size = 64 << 20));
	hdr = vt_alloc(self->mem, sizeof(*hdr), 16);
	data = vt_alloc(self->mem, piece, VT_PAGE);
	status = vt_alloc(self->mem, 1, 1);
	for (segs = ASV_BLK_MAX_BYTES / piece; segs <= 9; segs++) {
		*status = VT_STATUS_NONE;
		sg[0] = (struct vt_sg) { hdr, sizeof(*hdr), false };
		for (i = 0; i < segs; i++)
			sg[1 + i] = (struct vt_sg) { data, piece, true };
		sg[1 + segs] = (struct vt_sg) { status, 1, true };
		ASSERT_EQ(0, vt_blk_do_sg(self->vq, sg, segs + 2, false, &len));
		EXPECT_EQ(segs * piece > ASV_BLK_MAX_BYTES ? VIRTIO_BLK_S_IOERR :
			  VIRTIO_BLK_S_OK, *status) TH_LOG("%u MiB", segs * 4);
	}
}

TEST_F(blk, bounds)
{
	uint64_t end, sector;
	struct vt_req *req;
	uint32_t block;
	unsigned int i;

	ASSERT_EQ(0, START());
	req = vt_req_new(self->mem, 65536);
	end = self->blk.size / VT_SECTOR;
	block = self->config.blk_size / VT_SECTOR;
	ASSERT_EQ(end, self->config.capacity);
	for (i = 0; i < 2; i++) {
		uint32_t type = i ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN;
		uint32_t len = self->config.blk_size;
		unsigned int shift;

		EXPECT_EQ(VIRTIO_BLK_S_OK, request(self->vq, req, type, end - block, len));
		EXPECT_EQ(VIRTIO_BLK_S_IOERR, request(self->vq, req, type, end, len));
		EXPECT_EQ(VIRTIO_BLK_S_IOERR, request(self->vq, req, type, end - block, 2 * len));
		EXPECT_EQ(VIRTIO_BLK_S_IOERR, request(self->vq, req, type, ~0ULL, len));
		/* sectors whose byte position or end overflows */
		for (shift = 54; shift < 64; shift++) {
			sector = 1ULL << shift;
			EXPECT_EQ(VIRTIO_BLK_S_IOERR, request(self->vq, req, type, sector, len))
				TH_LOG("sector 2^%u", shift);
			EXPECT_EQ(VIRTIO_BLK_S_IOERR,
				  request(self->vq, req, type, sector - block, 2 * len))
				TH_LOG("sector 2^%u less one block", shift);
		}
		EXPECT_EQ(VIRTIO_BLK_S_IOERR, request(self->vq, req, type, -(uint64_t)block, len));
	}
}

TEST_F(blk, unaligned)
{
	static const uint32_t odd[] = { 1, 511, 513, 1000, 4095, 4097, 65535 };
	struct vt_req *req;
	unsigned int i;

	ASSERT_EQ(0, START());
	req = vt_req_new(self->mem, 65536);
	for (i = 0; i < ARRAY_SIZE(odd); i++) {
		EXPECT_EQ(VIRTIO_BLK_S_IOERR, request(self->vq, req, VIRTIO_BLK_T_IN, 0, odd[i]));
		EXPECT_EQ(VIRTIO_BLK_S_IOERR, request(self->vq, req, VIRTIO_BLK_T_OUT, 0, odd[i]));
	}
	if (self->config.blk_size == 4096) {
		EXPECT_EQ(VIRTIO_BLK_S_IOERR, request(self->vq, req, VIRTIO_BLK_T_IN, 0, 512));
		EXPECT_EQ(VIRTIO_BLK_S_IOERR, request(self->vq, req, VIRTIO_BLK_T_IN, 1, 4096));
		EXPECT_EQ(VIRTIO_BLK_S_OK, request(self->vq, req, VIRTIO_BLK_T_IN, 8, 4096));
	}
}

TEST_F(blk, read_only)
{
	uint64_t features = 0;
	struct vt_req *req;
	uint8_t before[4096], after[4096];

	ASSERT_EQ(0, START(.attach_flags = ASV_BLK_ATTACH_RO,
			   .features = VT_BIT(VIRTIO_BLK_F_RO)));
	ASSERT_EQ(0, vt_ioctl(self->blk.dev.fd, VHOST_GET_FEATURES, &features));
	EXPECT_TRUE(features & VT_BIT(VIRTIO_BLK_F_RO));
	EXPECT_FALSE(features & SPACE_FEATURES);
	req = vt_req_new(self->mem, 4096);
	ASSERT_EQ(0, vt_disk_read(self->blk.disk, 0, before, 4096));
	fill(req->data, 4096, before[0] + 1);
	EXPECT_EQ(VIRTIO_BLK_S_IOERR, request(self->vq, req, VIRTIO_BLK_T_OUT, 0, 4096));
	ASSERT_EQ(0, vt_disk_read(self->blk.disk, 0, after, 4096));
	EXPECT_EQ(0, memcmp(before, after, 4096));
	EXPECT_EQ(VIRTIO_BLK_S_OK, request(self->vq, req, VIRTIO_BLK_T_IN, 0, 4096));
	EXPECT_EQ(0, memcmp(before, req->data, 4096));
	EXPECT_NE(VIRTIO_BLK_S_OK, request(self->vq, req, VIRTIO_BLK_T_WRITE_ZEROES, 0, 16));
	EXPECT_NE(VIRTIO_BLK_S_OK, request(self->vq, req, VIRTIO_BLK_T_DISCARD, 0, 16));
	ASSERT_EQ(0, vt_disk_read(self->blk.disk, 0, after, 4096));
	EXPECT_EQ(0, memcmp(before, after, 4096));
}

TEST_F(blk, get_id)
{
	struct vt_req *req;

	ASSERT_EQ(0, START());
	req = vt_req_new(self->mem, 64);
	memset(req->data, 'x', 64);
	EXPECT_EQ(VIRTIO_BLK_S_OK, request(self->vq, req, VIRTIO_BLK_T_GET_ID, 0, 20));
	EXPECT_EQ(0, memcmp(req->data, SERIAL "xxx", 23));
}

TEST_F(blk, unknown_types)
{
	static const uint32_t types[] = { 2, 3, 5, 6, 7, 9, 10, 12, 15, 16, 0x80000000, ~0U };
	struct vt_req *req;
	unsigned int i;

	ASSERT_EQ(0, START());
	req = vt_req_new(self->mem, 4096);
	for (i = 0; i < ARRAY_SIZE(types); i++) {
		EXPECT_EQ(VIRTIO_BLK_S_UNSUPP, request(self->vq, req, types[i], 0, 4096))
			TH_LOG("type %#x", types[i]);
		EXPECT_EQ(VIRTIO_BLK_S_UNSUPP, request(self->vq, req, types[i], 0, 0))
			TH_LOG("type %#x without data", types[i]);
	}
	/* secure erase is offered only where the backend has it, and needs its feature */
	EXPECT_EQ(VIRTIO_BLK_S_UNSUPP,
		  request(self->vq, req, VIRTIO_BLK_T_SECURE_ERASE, 0, 16));
}

TEST_F(blk, flush)
{
	struct vt_req *req;
	unsigned int i;

	ASSERT_EQ(0, START());
	req = vt_req_new(self->mem, 4096);
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(VIRTIO_BLK_S_OK, request(self->vq, req, VIRTIO_BLK_T_OUT, i * 8, 4096));
		ASSERT_EQ(VIRTIO_BLK_S_OK, request(self->vq, req, VIRTIO_BLK_T_FLUSH, 0, 0));
	}
	/* its sector means nothing */
	EXPECT_EQ(VIRTIO_BLK_S_OK, request(self->vq, req, VIRTIO_BLK_T_FLUSH, ~0ULL, 0));
}

static int space(FIXTURE_DATA(blk) *self, struct vt_req *req, uint32_t type, uint64_t sector,
		 uint32_t sectors, uint32_t flags)
{
	struct virtio_blk_discard_write_zeroes *range = (void *)req->data;

	*range = (struct virtio_blk_discard_write_zeroes) { sector, sectors, flags };
	return request(self->vq, req, type, 0, sizeof(*range));
}

static bool all(const uint8_t *buf, size_t len, uint8_t value)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (buf[i] != value)
			return false;
	return true;
}

/* write a pattern over the first MiB */
static int paint(FIXTURE_DATA(blk) *self, struct vt_req *req, uint8_t value)
{
	memset(req->data, value, 1 << 20);
	return request(self->vq, req, VIRTIO_BLK_T_OUT, 0, 1 << 20);
}

TEST_F(blk, discard)
{
	uint8_t *back = malloc(1 << 20);
	struct stat before, after;
	struct vt_req *req;
	uint32_t align;

	ASSERT_EQ(0, START(.features = SPACE_FEATURES));
	req = vt_req_new(self->mem, 1 << 20);
	align = self->config.discard_sector_alignment;
	EXPECT_LT(0, align);
	EXPECT_LT(0, self->config.max_discard_sectors);
	EXPECT_LT(0, self->config.max_discard_seg);
	ASSERT_EQ(VIRTIO_BLK_S_OK, paint(self, req, 0x77));
	ASSERT_EQ(VIRTIO_BLK_S_OK, request(self->vq, req, VIRTIO_BLK_T_FLUSH, 0, 0));
	ASSERT_EQ(0, fsync(self->blk.disk));
	ASSERT_EQ(0, fstat(self->blk.disk, &before));
	/* from 256 KiB to 768 KiB */
	EXPECT_EQ(VIRTIO_BLK_S_OK, space(self, req, VIRTIO_BLK_T_DISCARD, 512, 1024, 0));
	ASSERT_EQ(0, fsync(self->blk.disk));
	ASSERT_EQ(0, fstat(self->blk.disk, &after));
	if (variant->disk == VT_DISK_FILE)
		EXPECT_EQ(before.st_blocks - 1024, after.st_blocks);
	ASSERT_EQ(0, vt_disk_read(self->blk.disk, 0, back, 1 << 20));
	EXPECT_TRUE(all(back, 256 << 10, 0x77));
	EXPECT_TRUE(all(back + (256 << 10), 512 << 10, 0));
	EXPECT_TRUE(all(back + (768 << 10), 256 << 10, 0x77));

	/* 5.2.6.2: no flag is for discard */
	EXPECT_EQ(VIRTIO_BLK_S_UNSUPP, space(self, req, VIRTIO_BLK_T_DISCARD, 0, 8, 1));
	EXPECT_EQ(VIRTIO_BLK_S_UNSUPP, space(self, req, VIRTIO_BLK_T_DISCARD, 0, 8, 1 << 31));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR,
		  space(self, req, VIRTIO_BLK_T_DISCARD, self->config.capacity, 8, 0));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR,
		  space(self, req, VIRTIO_BLK_T_DISCARD, self->config.capacity - 8, 16, 0));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR, space(self, req, VIRTIO_BLK_T_DISCARD, -8ULL, 8, 0));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR, space(self, req, VIRTIO_BLK_T_DISCARD, 0, ~0U, 0));
	/* ranges come in whole */
	EXPECT_EQ(VIRTIO_BLK_S_IOERR, request(self->vq, req, VIRTIO_BLK_T_DISCARD, 0, 15));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR, request(self->vq, req, VIRTIO_BLK_T_DISCARD, 0, 17));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR, request(self->vq, req, VIRTIO_BLK_T_DISCARD, 0,
					      16 * (self->config.max_discard_seg + 1)));
	ASSERT_EQ(0, vt_disk_read(self->blk.disk, 0, back, 1 << 20));
	EXPECT_TRUE(all(back, 256 << 10, 0x77));
	free(back);
}

TEST_F(blk, discard_ranges)
{
	struct virtio_blk_discard_write_zeroes *range;
	uint8_t *back = malloc(1 << 20);
	struct vt_req *req;
	unsigned int i, n;

	ASSERT_EQ(0, START(.features = SPACE_FEATURES));
	req = vt_req_new(self->mem, 1 << 20);
	n = self->config.max_discard_seg < 16 ? self->config.max_discard_seg : 16;
	ASSERT_EQ(VIRTIO_BLK_S_OK, paint(self, req, 0x33));
	range = (void *)req->data;
	for (i = 0; i < n; i++)
		range[i] = (struct virtio_blk_discard_write_zeroes) { i * 64 + 16, 32, 0 };
	EXPECT_EQ(VIRTIO_BLK_S_OK,
		  request(self->vq, req, VIRTIO_BLK_T_DISCARD, 0, n * sizeof(*range)));
	ASSERT_EQ(0, vt_disk_read(self->blk.disk, 0, back, 1 << 20));
	for (i = 0; i < 1 << 20; i++) {
		unsigned int sector = i / VT_SECTOR;
		bool gone = sector < n * 64 && sector % 64 >= 16 && sector % 64 < 48;

		if (back[i] != (gone ? 0 : 0x33))
			break;
	}
	EXPECT_EQ(1 << 20, i);
	free(back);
}

TEST_F(blk, write_zeroes)
{
	uint8_t *back = malloc(1 << 20);
	struct stat before, after;
	struct vt_req *req;
	unsigned int unmap;

	ASSERT_EQ(0, START(.features = SPACE_FEATURES));
	req = vt_req_new(self->mem, 1 << 20);
	EXPECT_LT(0, self->config.max_write_zeroes_sectors);
	for (unmap = 0; unmap < 2; unmap++) {
		ASSERT_EQ(VIRTIO_BLK_S_OK, paint(self, req, 0x55));
		ASSERT_EQ(0, fsync(self->blk.disk));
		ASSERT_EQ(0, fstat(self->blk.disk, &before));
		EXPECT_EQ(VIRTIO_BLK_S_OK,
			  space(self, req, VIRTIO_BLK_T_WRITE_ZEROES, 64, 128, unmap));
		ASSERT_EQ(0, fsync(self->blk.disk));
		ASSERT_EQ(0, fstat(self->blk.disk, &after));
		if (variant->disk == VT_DISK_FILE)
			EXPECT_EQ(before.st_blocks - (unmap ? 128 : 0), after.st_blocks);
		ASSERT_EQ(0, vt_disk_read(self->blk.disk, 0, back, 1 << 20));
		EXPECT_TRUE(all(back, 32 << 10, 0x55));
		EXPECT_TRUE(all(back + (32 << 10), 64 << 10, 0));
		EXPECT_TRUE(all(back + (96 << 10), (1 << 20) - (96 << 10), 0x55));
	}
	EXPECT_EQ(VIRTIO_BLK_S_UNSUPP, space(self, req, VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 2));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR, space(self, req, VIRTIO_BLK_T_WRITE_ZEROES,
					    self->config.capacity, 8, 0));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR, space(self, req, VIRTIO_BLK_T_WRITE_ZEROES, ~0ULL, 8, 0));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR,
		  request(self->vq, req, VIRTIO_BLK_T_WRITE_ZEROES, 0, 15));
	free(back);
}

/* space that shall never be given back */
TEST_F(blk, no_unmap)
{
	uint64_t features = 0;
	struct vt_req *req;
	struct stat before, after;

	ASSERT_EQ(0, START(.attach_flags = ASV_BLK_ATTACH_NO_UNMAP,
			   .features = VT_BIT(VIRTIO_BLK_F_WRITE_ZEROES)));
	ASSERT_EQ(0, vt_ioctl(self->blk.dev.fd, VHOST_GET_FEATURES, &features));
	EXPECT_FALSE(features & VT_BIT(VIRTIO_BLK_F_DISCARD));
	req = vt_req_new(self->mem, 1 << 20);
	ASSERT_EQ(VIRTIO_BLK_S_OK, paint(self, req, 0x55));
	ASSERT_EQ(0, fsync(self->blk.disk));
	ASSERT_EQ(0, fstat(self->blk.disk, &before));
	EXPECT_EQ(VIRTIO_BLK_S_UNSUPP, space(self, req, VIRTIO_BLK_T_DISCARD, 0, 128, 0));
	EXPECT_EQ(VIRTIO_BLK_S_OK, space(self, req, VIRTIO_BLK_T_WRITE_ZEROES, 0, 128, 1));
	ASSERT_EQ(0, fsync(self->blk.disk));
	ASSERT_EQ(0, fstat(self->blk.disk, &after));
	EXPECT_EQ(before.st_blocks, after.st_blocks);
}

/* what is not negotiated is not there */
TEST_F(blk, not_negotiated)
{
	struct vt_req *req;

	ASSERT_EQ(0, START());
	req = vt_req_new(self->mem, 1 << 20);
	EXPECT_EQ(VIRTIO_BLK_S_UNSUPP, space(self, req, VIRTIO_BLK_T_DISCARD, 0, 8, 0));
	EXPECT_EQ(VIRTIO_BLK_S_UNSUPP, space(self, req, VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 0));
}

int main(int argc, char **argv)
{
	vt_require(VT_BLK_NODE);
	return test_harness_run(argc, argv);
}
