// SPDX-License-Identifier: GPL-2.0-only
/*
 * Small files whose data is in their inode: that it is there, that everything which must
 * move it to a block does, and that all of it reads as in a simple model.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "kselftest_harness.h"

#include "lib/volume.h"

#include "sffs_format.h"

#define MOST	SFFS_INODE_AREA

FIXTURE(inline_data) {
	struct volume vol;
	char *buf;
};

FIXTURE_SETUP(inline_data)
{
	self->buf = aligned_alloc(SFFS_BLOCK_SIZE, 4 * SFFS_BLOCK_SIZE);
	ASSERT_NE(NULL, self->buf);
	ASSERT_EQ(0, volume_setup());
	ASSERT_EQ(0, volume_make(&self->vol, 64));
}

FIXTURE_TEARDOWN(inline_data)
{
	int err = volume_umount(&self->vol);

	EXPECT_EQ(0, err);
	if (!err)
		EXPECT_EQ(0, volume_fsck(&self->vol));
	volume_free(&self->vol);
	free(self->buf);
}

static int open_file(struct volume *v, const char *name, int flags)
{
	return open(in(v, "%s", name), O_RDWR | O_CREAT | O_CLOEXEC | flags, 0644);
}

/* Flags of the file's only extent, or 0 when there is none. */
static uint32_t extent_flags(int fd, uint64_t *len)
{
	struct {
		struct fiemap f;
		struct fiemap_extent e[2];
	} map = { .f = { .fm_length = ~0ULL, .fm_extent_count = 2 } };

	if (ioctl(fd, FS_IOC_FIEMAP, &map) || map.f.fm_mapped_extents != 1)
		return 0;
	*len = map.e[0].fe_length;
	return map.e[0].fe_flags;
}

static bool is_inline(int fd)
{
	uint64_t len;

	return extent_flags(fd, &len) & FIEMAP_EXTENT_DATA_INLINE;
}

static int make_file(struct volume *v, const char *name, char *buf, size_t size)
{
	int fd = open_file(v, name, O_TRUNC);

	memset(buf, 'a', size);
	if (fd >= 0 && write(fd, buf, size) == (ssize_t)size)
		return fd;
	return -1;
}

static bool file_is(int fd, char *buf, char c, size_t off, size_t len)
{
	size_t i;

	if (pread(fd, buf, len, off) != (ssize_t)len)
		return false;
	for (i = 0; i < len && buf[i] == c; i++)
		;
	return i == len;
}

TEST_F(inline_data, sizes)
{
	static const size_t sizes[] = { 1, 100, 2559, MOST, MOST + 1, 4096, 5000 };
	struct stat st;
	unsigned int i;
	uint64_t len;
	char name[16];
	int fd;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		snprintf(name, sizeof(name), "%zu", sizes[i]);
		fd = make_file(&self->vol, name, self->buf, sizes[i]);
		ASSERT_LE(0, fd);
		ASSERT_EQ(0, fsync(fd));
		ASSERT_EQ(0, fstat(fd, &st));
		EXPECT_LT(0, st.st_blocks);
		ASSERT_EQ(sizes[i] <= MOST, is_inline(fd)) {
			say("size %zu", sizes[i]);
		}
		if (sizes[i] <= MOST) {
			EXPECT_TRUE(extent_flags(fd, &len) & FIEMAP_EXTENT_LAST);
			EXPECT_EQ(sizes[i], len);
			EXPECT_EQ(0, lseek(fd, 0, SEEK_DATA));
			EXPECT_EQ(sizes[i], lseek(fd, 0, SEEK_HOLE));
		}
		close(fd);
	}
	ASSERT_EQ(0, volume_crash(&self->vol));
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		snprintf(name, sizeof(name), "%zu", sizes[i]);
		fd = open_file(&self->vol, name, 0);
		EXPECT_TRUE(file_is(fd, self->buf, 'a', 0, sizes[i]));
		EXPECT_EQ(0, pread(fd, self->buf, 1, sizes[i]));
		close(fd);
	}
}

/* Where the data goes to a block, it is what it was. */
static bool moved(int fd, char *buf)
{
	return !is_inline(fd) && file_is(fd, buf, 'a', 0, 1000);
}

TEST_F(inline_data, moved_to_a_block)
{
	char *map;
	int fd;

	fd = make_file(&self->vol, "append", self->buf, 1000);
	memset(self->buf, 'a', MOST);
	ASSERT_EQ(MOST, pwrite(fd, self->buf, MOST, 1000));
	EXPECT_TRUE(moved(fd, self->buf));
	EXPECT_TRUE(file_is(fd, self->buf, 'a', 1000, MOST));
	close(fd);

	fd = make_file(&self->vol, "direct", self->buf, 1000);
	close(fd);
	fd = open_file(&self->vol, "direct", O_DIRECT);
	ASSERT_EQ(1000, pread(fd, self->buf, 4096, 0));
	EXPECT_TRUE(is_inline(fd));
	memset(self->buf, 'b', 4096);
	ASSERT_EQ(4096, pwrite(fd, self->buf, 4096, 4096));
	ASSERT_EQ(8192, pread(fd, self->buf, 8192, 0));
	EXPECT_EQ('a', self->buf[999]);
	EXPECT_EQ('\0', self->buf[1000]);
	EXPECT_EQ('b', self->buf[4096]);
	EXPECT_FALSE(is_inline(fd));
	close(fd);

	fd = make_file(&self->vol, "mapped", self->buf, 1000);
	map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ('a', map[999]);
	EXPECT_TRUE(is_inline(fd));
	/* A write is seen in a mapping, before and after a store to that. */
	ASSERT_EQ(1, pwrite(fd, "x", 1, 500));
	EXPECT_EQ('x', map[500]);
	map[500] = 'a';
	ASSERT_EQ(1, pwrite(fd, "y", 1, 501));
	EXPECT_EQ('y', map[501]);
	map[501] = 'a';
	ASSERT_EQ(0, msync(map, 4096, MS_SYNC));
	EXPECT_TRUE(moved(fd, self->buf));
	munmap(map, 4096);
	close(fd);

	fd = make_file(&self->vol, "allocated", self->buf, 1000);
	ASSERT_EQ(0, fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 8192));
	EXPECT_TRUE(moved(fd, self->buf));
	close(fd);

	fd = make_file(&self->vol, "longer", self->buf, 1000);
	ASSERT_EQ(0, ftruncate(fd, 100000));
	EXPECT_TRUE(moved(fd, self->buf));
	EXPECT_TRUE(file_is(fd, self->buf, '\0', 1000, 5000));
	close(fd);

	ASSERT_EQ(0, volume_crash(&self->vol));
	fd = open_file(&self->vol, "mapped", 0);
	EXPECT_TRUE(file_is(fd, self->buf, 'a', 0, 1000));
	close(fd);
}

/* A volume that is made without them has none. */
TEST_F(inline_data, not_wanted)
{
	struct volume v = { };
	int fd;

	ASSERT_EQ(0, volume_image(&v, "none", 64));
	ASSERT_EQ(0, volume_format(&v, "-n 1 -J 4M --no-inline"));
	ASSERT_EQ(0, volume_mount(&v, 0, "local"));
	fd = make_file(&v, "file", self->buf, 100);
	EXPECT_FALSE(is_inline(fd));
	close(fd);
	EXPECT_EQ(0, volume_umount(&v));
	EXPECT_EQ(0, volume_fsck(&v));
	volume_free(&v);
}

struct model {
	int fd;
	size_t size;
	char data[2 * MOST];
};

/* One random change, mostly one that leaves the file inline. */
static bool change(struct model *m, char *buf, uint64_t *state)
{
	size_t off = rnd(state) % MOST, n = 1 + rnd(state) % 300, end;
	uint64_t what = rnd(state) % 8;
	char *map;

	if (what < 5) {
		if (off + n > MOST && what)
			n = MOST - off;
		memset(buf, 'a' + rnd(state) % 26, n);
		memcpy(m->data + off, buf, n);
		end = off + n;
		m->size = end > m->size ? end : m->size;
		return pwrite(m->fd, buf, n, off) == (ssize_t)n;
	}
	if (what < 7) {
		if (off < m->size)
			memset(m->data + off, 0, m->size - off);
		m->size = off;
		return !ftruncate(m->fd, off);
	}
	/* Now and then a reader has the page in the cache, or it goes away. */
	if (rnd(state) % 2)
		return !posix_fadvise(m->fd, 0, 0, POSIX_FADV_DONTNEED);
	map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, m->fd, 0);
	end = map != MAP_FAILED && !memcmp(map, m->data, m->size);
	munmap(map, 4096);
	return end || !m->size;
}

static bool agrees(struct model *m, char *buf)
{
	return pread(m->fd, buf, sizeof(m->data), 0) == (ssize_t)m->size &&
	       !memcmp(buf, m->data, m->size);
}

TEST_F_TIMEOUT(inline_data, file_and_model_agree, 300)
{
	unsigned int rounds = want_long() ? 200 : 6, i, k;
	uint64_t state = 815;
	static struct model m;

	for (i = 0; i < rounds; i++) {
		memset(&m, 0, sizeof(m));
		m.fd = open_file(&self->vol, "model", O_TRUNC);
		ASSERT_LE(0, m.fd);
		ASSERT_EQ(0, unlink(in(&self->vol, "model")));
		for (k = 0; k < 300; k++) {
			ASSERT_TRUE(change(&m, self->buf, &state));
			ASSERT_TRUE(agrees(&m, self->buf)) {
				say("round %u, change %u", i, k);
			}
		}
		close(m.fd);
	}
}

TEST_HARNESS_MAIN
