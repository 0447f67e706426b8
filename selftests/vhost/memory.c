// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest memory in pieces: buffers that cross from one region into the next, tables of
 * many regions, and memory that is read-only, not there, or goes away.
 */
#include "kselftest_harness.h"

#include "lib/blk.h"
#include "lib/prng.h"

FIXTURE(memory)
{
	struct vt_blk blk;
	struct vt_queue *vq;
	struct vt_req *req;
	uint8_t *extra;		/* memory beside that of vt_mem */
	size_t extra_size;
};

FIXTURE_VARIANT(memory)
{
	enum vt_disk disk;
	bool packed;
};

FIXTURE_VARIANT_ADD(memory, dev_split) { VT_DISK_DEV, false };
FIXTURE_VARIANT_ADD(memory, dev_packed) { VT_DISK_DEV, true };
FIXTURE_VARIANT_ADD(memory, file_split) { VT_DISK_FILE, false };

FIXTURE_SETUP(memory)
{
	struct vt_blk_opts opts = {
		.disk = variant->disk,
		.packed = variant->packed,
		.seg_max = 1000,
	};

	ASSERT_EQ(0, vt_blk_start(&self->blk, &opts));
	self->vq = self->blk.vq;
	self->req = vt_req_new(&self->blk.mem, 65536);
	self->extra_size = 8 << 20;
	self->extra = mmap(NULL, self->extra_size, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)self->extra);
}

FIXTURE_TEARDOWN(memory)
{
	vt_blk_free(&self->blk);
}

/* where the pieces of extra memory are in guest-physical space */
#define EXTRA_GPA	0x20000000ULL

/*
 * The test's own memory, and n pieces of extra of the given size that follow each other
 * for the guest but lie in reverse order in the owner's memory.
 */
static int scatter(FIXTURE_DATA(memory) *self, unsigned int n, size_t size)
{
	struct vhost_memory *own = vt_mem_table(&self->blk.mem), *table;
	unsigned int i;
	int ret;

	table = calloc(1, sizeof(*table) + (n + 1) * sizeof(table->regions[0]));
	table->nregions = n + 1;
	table->regions[n] = own->regions[0];
	for (i = 0; i < n; i++)
		table->regions[i] = (struct vhost_memory_region) {
			.guest_phys_addr = EXTRA_GPA + i * size,
			.memory_size = size,
			.userspace_addr = (uintptr_t)self->extra + (n - 1 - i) * size,
		};
	ret = vt_ioctl(self->blk.dev.fd, VHOST_SET_MEM_TABLE, table);
	free(table);
	free(own);
	return ret;
}

/* the byte that the guest has at an offset of the scattered pieces */
static uint8_t *at(FIXTURE_DATA(memory) *self, unsigned int n, size_t size, size_t off)
{
	return self->extra + (n - 1 - off / size) * size + off % size;
}

/* make a request available whose data are at a guest-physical address: 0 or -errno */
static int submit(FIXTURE_DATA(memory) *self, bool in, uint64_t gpa, uint32_t len,
		  uint64_t sector)
{
	int ret;

	vt_req_set(self->req, in ? VIRTIO_BLK_T_IN : VIRTIO_BLK_T_OUT, sector, len);
	ret = vt_req_add(self->vq, self->req, false);
	if (ret)
		return ret;
	/* the address of the data, put in after the library has done its part */
	if (self->vq->packed) {
		unsigned int pos = (self->vq->next_avail + self->vq->num - 2) % self->vq->num;

		self->vq->pdesc[pos].addr = gpa;
	} else {
		unsigned int head = self->vq->avail->ring[self->vq->next_avail % self->vq->num];

		self->vq->desc[self->vq->desc[head].next].addr = gpa;
	}
	vt_submit(self->vq);
	return 0;
}

/* the same, and what comes of it: its status, or -errno */
static int transfer(FIXTURE_DATA(memory) *self, bool in, uint64_t gpa, uint32_t len,
		    uint64_t sector)
{
	struct vt_used used;
	int ret = submit(self, in, gpa, len, sector);

	if (!ret)
		ret = vt_wait_used(self->vq, &used, VT_WAIT_MS);
	return ret < 0 ? ret : vt_req_result(self->vq, self->req, &used);
}

TEST_F_TIMEOUT(memory, across_regions, 60)
{
	static const struct {
		unsigned int n;
		size_t size;
	} shapes[] = { { 2, 65536 }, { 64, 4096 }, { 300, 8192 }, { 1023, 4096 } };
	static const uint32_t lens[] = { 512, 4096, 16384, 65536 };
	uint8_t back[65536];
	unsigned int s, l, i;

	for (s = 0; s < ARRAY_SIZE(shapes); s++) {
		unsigned int n = shapes[s].n;
		size_t size = shapes[s].size;

		ASSERT_EQ(0, scatter(self, n, size)) TH_LOG("%u regions", n);
		for (l = 0; l < ARRAY_SIZE(lens); l++) {
			/* around the end of the first region, aligned and not */
			size_t off = size - 512 - (l & 1) * 100;
			uint32_t len = lens[l];

			for (i = 0; i < len; i++)
				*at(self, n, size, off + i) = i + i / 256 + s + l;
			ASSERT_EQ(VIRTIO_BLK_S_OK,
				  transfer(self, false, EXTRA_GPA + off, len, 128))
				TH_LOG("%u regions, %u bytes", n, len);
			ASSERT_EQ(0, vt_disk_read(self->blk.disk, 65536, back, len));
			for (i = 0; i < len; i++)
				if (back[i] != (uint8_t)(i + i / 256 + s + l))
					break;
			EXPECT_EQ(len, i) TH_LOG("%u regions, %u bytes", n, len);
			memset(self->extra, 0, n * size);
			ASSERT_EQ(VIRTIO_BLK_S_OK,
				  transfer(self, true, EXTRA_GPA + off, len, 128));
			for (i = 0; i < len; i++)
				if (back[i] != *at(self, n, size, off + i))
					break;
			EXPECT_EQ(len, i) TH_LOG("%u regions, %u bytes read", n, len);
			/* and not a byte beyond on either side */
			EXPECT_EQ(0, *at(self, n, size, off - 1));
			EXPECT_EQ(0, *at(self, n, size, off + len));
		}
	}
}

/* one byte beyond the last region, and a hole of a page between two */
TEST_F(memory, beyond_regions)
{
	size_t end = 16 * 4096;

	ASSERT_EQ(0, scatter(self, 16, 4096));
	EXPECT_EQ(VIRTIO_BLK_S_OK, transfer(self, true, EXTRA_GPA + end - 512, 512, 0));
	ASSERT_EQ(0, submit(self, true, EXTRA_GPA + end - 511, 512, 0));
	EXPECT_TRUE(vt_broken(self->vq, VT_WAIT_MS));
	EXPECT_EQ(0, vt_get_used(self->vq, &(struct vt_used) {}));
}

/* pages that may not be written: a read from the disk fails, a write to it works */
TEST_F(memory, read_only)
{
	ASSERT_EQ(0, scatter(self, 1, 65536));
	memset(self->extra, 0x42, 65536);
	ASSERT_EQ(0, mprotect(self->extra, 65536, PROT_READ));
	EXPECT_EQ(VIRTIO_BLK_S_OK, transfer(self, false, EXTRA_GPA, 4096, 0));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR, transfer(self, true, EXTRA_GPA, 4096, 8));
	EXPECT_EQ(0x42, self->extra[0]);
	EXPECT_EQ(VIRTIO_BLK_S_OK, transfer(self, false, EXTRA_GPA, 4096, 0));
}

/* memory that was unmapped, or whose file was cut: an error, and no harm */
TEST_F(memory, gone)
{
	ASSERT_EQ(0, scatter(self, 1, 65536));
	ASSERT_EQ(0, munmap(self->extra + 8192, 4096));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR, transfer(self, true, EXTRA_GPA + 4096, 8192, 0));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR, transfer(self, false, EXTRA_GPA + 8192, 4096, 0));
	EXPECT_EQ(VIRTIO_BLK_S_OK, transfer(self, true, EXTRA_GPA, 8192, 0));
	/* the rings are at the start of the file, the buffers cut off at its end */
	ASSERT_EQ(0, ftruncate(self->blk.mem.fd, self->blk.mem.size / 2));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR,
		  transfer(self, true, VT_GPA_BASE + self->blk.mem.size / 2, 4096, 0));
	EXPECT_EQ(VIRTIO_BLK_S_OK, transfer(self, true, EXTRA_GPA, 4096, 0));
}

/* private memory: the owner's own pages, also those that it shares with a child */
TEST_F(memory, private_after_fork)
{
	uint8_t *own = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			    -1, 0);
	uint8_t pattern[4096];
	pid_t child;
	int ready[2];

	memset(pattern, 0x6b, sizeof(pattern));
	ASSERT_EQ(0, vt_disk_write(self->blk.disk, 0, pattern, sizeof(pattern)));
	munmap(self->extra, self->extra_size);
	self->extra = own;
	memset(own, 0x11, 65536);
	ASSERT_EQ(0, scatter(self, 1, 65536));
	ASSERT_EQ(0, pipe(ready));
	fflush(NULL);
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		uint8_t byte;

		/* the child must not see what is read into the parent's memory */
		if (read(ready[0], &byte, 1) != 1)
			_exit(2);
		_exit(own[0] == 0x11 ? 0 : 1);
	}
	EXPECT_EQ(VIRTIO_BLK_S_OK, transfer(self, true, EXTRA_GPA, 4096, 0));
	EXPECT_EQ(0x6b, own[0]);
	ASSERT_EQ(1, write(ready[1], "", 1));
	ASSERT_EQ(child, waitpid(child, &ready[0], 0));
	EXPECT_EQ(0, ready[0]);
}

int main(int argc, char **argv)
{
	vt_require(VT_BLK_NODE);
	return test_harness_run(argc, argv);
}
