// SPDX-License-Identifier: GPL-2.0-only
/*
 * File data where data_model does not look: asynchronous direct I/O, sparse files of
 * 64 TiB, holes as lseek() and fiemap tell of them, private mappings, what is durable
 * after fdatasync(), and a volume that is full.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/falloc.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>

#include "kselftest_harness.h"

#include "lib/volume.h"

#define BLOCK	4096U
#define KIB(n)	((n) * 1024ULL)

FIXTURE(data) {
	struct volume vol;
	char *buf;
	int fd, direct;
};

static int open_files(FIXTURE_DATA(data) *self)
{
	self->fd = open(in(&self->vol, "file"), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	self->direct = open(in(&self->vol, "file"), O_RDWR | O_DIRECT | O_CLOEXEC);
	return self->fd < 0 || self->direct < 0 ? -errno : 0;
}

static void close_files(FIXTURE_DATA(data) *self)
{
	close(self->fd);
	close(self->direct);
}

FIXTURE_SETUP(data)
{
	self->buf = aligned_alloc(BLOCK, KIB(1024));
	ASSERT_NE(NULL, self->buf);
	ASSERT_EQ(0, volume_setup());
	ASSERT_EQ(0, volume_make(&self->vol, 64));
	ASSERT_EQ(0, open_files(self));
}

FIXTURE_TEARDOWN(data)
{
	int err;

	close_files(self);
	err = volume_umount(&self->vol);
	EXPECT_EQ(0, err);
	if (!err)
		EXPECT_EQ(0, volume_fsck(&self->vol));
	volume_free(&self->vol);
	free(self->buf);
}

static bool all(const char *buf, char c, size_t len)
{
	return buf[0] == c && !memcmp(buf, buf + 1, len - 1);
}

/* Is [off, off + len) of the file all @c? */
static bool file_is(FIXTURE_DATA(data) *self, char c, off_t off, size_t len)
{
	return pread(self->fd, self->buf, len, off) == (ssize_t)len && all(self->buf, c, len);
}

static bool put(FIXTURE_DATA(data) *self, int fd, char c, off_t off, size_t len)
{
	memset(self->buf, c, len);
	return pwrite(fd, self->buf, len, off) == (ssize_t)len;
}

/* 64 writes under way at once, in a hole, in preallocated blocks and over data. */
TEST_F_TIMEOUT(data, asynchronous_direct_io, 180)
{
	enum { NR = 64 };
	struct io_event events[NR];
	struct iocb iocbs[NR], *list[NR];
	aio_context_t ctx = 0;
	int i, round;

	ASSERT_EQ(0, syscall(SYS_io_setup, NR, &ctx));
	ASSERT_EQ(0, ftruncate(self->fd, NR * BLOCK));
	ASSERT_EQ(0, fallocate(self->fd, 0, 0, NR / 2 * BLOCK));
	for (round = 0; round < 3; round++) {
		memset(iocbs, 0, sizeof(iocbs));
		for (i = 0; i < NR; i++) {
			memset(self->buf + i * BLOCK, 'a' + (i + round) % 26, BLOCK);
			iocbs[i] = (struct iocb){
				.aio_lio_opcode = IOCB_CMD_PWRITE,
				.aio_fildes = self->direct,
				.aio_buf = (uintptr_t)self->buf + i * BLOCK,
				.aio_nbytes = BLOCK,
				.aio_offset = (i * 37 % NR) * BLOCK,
			};
			list[i] = &iocbs[i];
		}
		ASSERT_EQ(NR, syscall(SYS_io_submit, ctx, NR, list));
		ASSERT_EQ(NR, syscall(SYS_io_getevents, ctx, NR, NR, events, NULL));
		for (i = 0; i < NR; i++)
			EXPECT_EQ(BLOCK, events[i].res);
		for (i = 0; i < NR; i++)
			EXPECT_TRUE(file_is(self, 'a' + (i + round) % 26, (i * 37 % NR) * BLOCK,
					    BLOCK));
	}
	syscall(SYS_io_destroy, ctx);
}

TEST_F(data, sparse_to_64_tib)
{
	static const uint64_t places[] = { 1ULL << 30, 1ULL << 40, (1ULL << 46) - BLOCK };
	struct stat st;
	off_t at = 0;
	size_t i;

	ASSERT_EQ(0, ftruncate(self->fd, 1LL << 46));
	for (i = 0; i < ARRAY_SIZE(places); i++)
		ASSERT_TRUE(put(self, self->fd, '0' + i, places[i], BLOCK));
	ASSERT_EQ(0, fsync(self->fd));
	for (i = 0; i < ARRAY_SIZE(places); i++) {
		at = lseek(self->fd, at, SEEK_DATA);
		ASSERT_EQ(places[i], at);
		at = lseek(self->fd, at, SEEK_HOLE);
		ASSERT_EQ(places[i] + BLOCK, at);
	}
	ASSERT_EQ(0, fstat(self->fd, &st));
	EXPECT_EQ(1LL << 46, st.st_size);
	EXPECT_GT(64, st.st_blocks);
	EXPECT_TRUE(file_is(self, 0, 1ULL << 45, BLOCK));
	ASSERT_EQ(0, ftruncate(self->fd, 0));
	ASSERT_EQ(0, fstat(self->fd, &st));
	EXPECT_EQ(0, st.st_blocks);
}

TEST_F(data, fiemap)
{
	struct {
		struct fiemap f;
		struct fiemap_extent e[8];
	} map = { .f.fm_length = ~0ULL, .f.fm_flags = FIEMAP_FLAG_SYNC, .f.fm_extent_count = 8 };

	ASSERT_TRUE(put(self, self->fd, 'x', 0, KIB(64)));
	ASSERT_EQ(0, fallocate(self->fd, 0, KIB(256), KIB(128)));
	ASSERT_EQ(0, fallocate(self->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, KIB(16),
			       KIB(16)));
	ASSERT_EQ(0, ioctl(self->fd, FS_IOC_FIEMAP, &map));
	ASSERT_LE(3, map.f.fm_mapped_extents);
	EXPECT_EQ(0, map.e[0].fe_logical);
	EXPECT_EQ(KIB(16), map.e[0].fe_length);
	EXPECT_EQ(0, map.e[0].fe_flags & FIEMAP_EXTENT_UNWRITTEN);
	EXPECT_EQ(KIB(32), map.e[1].fe_logical);
	EXPECT_EQ(KIB(32), map.e[1].fe_length);
	EXPECT_EQ(KIB(256), map.e[2].fe_logical);
	EXPECT_TRUE(map.e[2].fe_flags & FIEMAP_EXTENT_UNWRITTEN);
	EXPECT_TRUE(map.e[map.f.fm_mapped_extents - 1].fe_flags & FIEMAP_EXTENT_LAST);
}

/* More extents than are gathered at a time, and fewer than are asked for. */
TEST_F(data, fiemap_of_many)
{
	struct {
		struct fiemap f;
		struct fiemap_extent e[300];
	} map = { .f.fm_length = ~0ULL, .f.fm_flags = FIEMAP_FLAG_SYNC };
	unsigned int i, n = 200;

	ASSERT_EQ(0, ftruncate(self->fd, 3 * n * BLOCK));
	for (i = 0; i < n; i++)
		ASSERT_TRUE(put(self, self->fd, 'x', 3 * i * BLOCK, BLOCK));
	ASSERT_EQ(0, ioctl(self->fd, FS_IOC_FIEMAP, &map));
	EXPECT_EQ(n, map.f.fm_mapped_extents);
	map.f.fm_extent_count = 300;
	ASSERT_EQ(0, ioctl(self->fd, FS_IOC_FIEMAP, &map));
	ASSERT_EQ(n, map.f.fm_mapped_extents);
	for (i = 0; i < n; i++) {
		EXPECT_EQ(3 * i * BLOCK, map.e[i].fe_logical);
		EXPECT_EQ(i == n - 1, !!(map.e[i].fe_flags & FIEMAP_EXTENT_LAST));
	}
	map.f.fm_extent_count = 70;
	map.f.fm_start = 3 * BLOCK;
	ASSERT_EQ(0, ioctl(self->fd, FS_IOC_FIEMAP, &map));
	ASSERT_EQ(70, map.f.fm_mapped_extents);
	EXPECT_EQ(3 * 70 * BLOCK, map.e[69].fe_logical);
	EXPECT_EQ(0, map.e[69].fe_flags & FIEMAP_EXTENT_LAST);
}

FIXTURE(runs) {
	struct volume vol;
};

/* Sizes in MiB, @every and @hole in KiB; @rest is what fits into the holes alone. */
FIXTURE_VARIANT(runs) {
	unsigned int volume;
	const char *options;
	unsigned int holes, every, hole, large, rest;
};

/* Groups of more than two bitmap blocks. */
FIXTURE_VARIANT_ADD(runs, small_groups) {
	.volume = 320, .options = "-n 1 -J 4M -g 128M --reclaim off", .holes = 32,
	.every = 128, .hole = 64, .large = 160, .rest = 130,
};

/* So many that one search does not see all; most of the first group is free, in holes. */
FIXTURE_VARIANT_ADD(runs, large_groups) {
	.volume = 1200, .options = "-n 1 -J 4M -g 512M --reclaim off", .holes = 480,
	.every = 256, .hole = 192, .large = 300,
};

FIXTURE_SETUP(runs)
{
	ASSERT_EQ(0, volume_setup());
	ASSERT_EQ(0, volume_image(&self->vol, "vol", variant->volume));
	ASSERT_EQ(0, volume_format(&self->vol, variant->options));
	ASSERT_EQ(0, volume_mount(&self->vol, 0, "local"));
}

FIXTURE_TEARDOWN(runs)
{
	int err = volume_umount(&self->vol);

	EXPECT_EQ(0, err);
	if (!err)
		EXPECT_EQ(0, volume_fsck(&self->vol));
	volume_free(&self->vol);
}

/* A large file does not go into the holes of another one as long as there is room elsewhere. */
TEST_F_TIMEOUT(runs, preallocation, 120)
{
	struct fiemap map = { .fm_length = ~0ULL };
	off_t at;
	int fd;

	fd = open(in(&self->vol, "holes"), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, fallocate(fd, 0, 0, KIB(1024) * variant->holes));
	for (at = 0; at < (off_t)KIB(1024) * variant->holes; at += KIB(variant->every))
		ASSERT_EQ(0, fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at,
				       KIB(variant->hole)));
	close(fd);
	/* As long as space is becoming free nobody knows how long the runs are. */
	ASSERT_EQ(0, volume_remount(&self->vol));
	fd = open(in(&self->vol, "large"), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, fallocate(fd, 0, 0, KIB(1024) * variant->large));
	ASSERT_EQ(0, ioctl(fd, FS_IOC_FIEMAP, &map));
	EXPECT_GE(8, map.fm_mapped_extents);
	/* The holes are room, too, once there is no other: all but some is in use then. */
	if (variant->rest)
		ASSERT_EQ(0, fallocate(fd, 0, KIB(1024) * variant->large,
				       KIB(1024) * variant->rest));
	close(fd);
}

/* What fallocate put behind the end stays; what was mapped ahead of a writer does not. */
TEST_F(data, blocks_behind_the_end)
{
	struct stat st;
	int i, fd;

	ASSERT_EQ(0, fallocate(self->fd, FALLOC_FL_KEEP_SIZE, 0, KIB(1024)));
	for (i = 0; i < 3; i++)
		ASSERT_TRUE(put(self, self->fd, 'a', 1000 * i, 1000));
	fd = open(in(&self->vol, "ahead"), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, fallocate(fd, FALLOC_FL_KEEP_SIZE, 64 * BLOCK, 8 * BLOCK));
	for (i = 0; i < 10; i++)
		ASSERT_TRUE(put(self, fd, 'b', 1000 * i, 1000));
	/* Allocated over blocks that the writer has ahead: they are its own no longer. */
	ASSERT_EQ(0, fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 8 * BLOCK));
	ASSERT_TRUE(put(self, fd, 'b', 10000, 1000));
	close(fd);
	/* One without a name is in an orphan table from the start. */
	fd = open(in(&self->vol, "."), O_RDWR | O_TMPFILE | O_CLOEXEC, 0644);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, KIB(64)));
	ASSERT_TRUE(put(self, fd, 'c', 0, 1000));
	ASSERT_EQ(0, fstat(fd, &st));
	EXPECT_EQ(KIB(64) / 512, st.st_blocks);
	close(fd);
	close_files(self);
	ASSERT_EQ(0, stat(in(&self->vol, "ahead"), &st));
	EXPECT_EQ(16 * BLOCK / 512, st.st_blocks);
	ASSERT_EQ(0, stat(in(&self->vol, "file"), &st));
	EXPECT_EQ(KIB(1024) / 512, st.st_blocks);
	EXPECT_EQ(3000, st.st_size);
	/* Until somebody sets the size, be it the one that it has. */
	ASSERT_EQ(0, truncate(in(&self->vol, "file"), 3000));
	ASSERT_EQ(0, stat(in(&self->vol, "file"), &st));
	EXPECT_EQ(BLOCK / 512, st.st_blocks);
}

TEST_F(data, mappings)
{
	char *shared, *private;

	ASSERT_TRUE(put(self, self->fd, 'd', 0, 2 * BLOCK));
	shared = mmap(NULL, 2 * BLOCK, PROT_READ | PROT_WRITE, MAP_SHARED, self->fd, 0);
	private = mmap(NULL, 2 * BLOCK, PROT_READ | PROT_WRITE, MAP_PRIVATE, self->fd, 0);
	ASSERT_NE(MAP_FAILED, shared);
	ASSERT_NE(MAP_FAILED, private);
	memset(private, 'p', BLOCK);
	memset(shared + BLOCK, 's', BLOCK);
	EXPECT_TRUE(file_is(self, 'd', 0, BLOCK));
	EXPECT_TRUE(file_is(self, 's', BLOCK, BLOCK));
	EXPECT_EQ('s', private[BLOCK]);
	/* I/O from and to a mapping of the very same place must not wait for itself. */
	EXPECT_EQ(BLOCK, pwrite(self->fd, shared, BLOCK, 0));
	EXPECT_EQ(BLOCK, pread(self->fd, shared, BLOCK, BLOCK));
	EXPECT_EQ(BLOCK, pwrite(self->direct, shared, BLOCK, 0));
	EXPECT_EQ(BLOCK, pread(self->direct, shared, BLOCK, 0));
	EXPECT_TRUE(all(shared, 's', BLOCK));
	ASSERT_EQ(0, msync(shared, BLOCK, MS_SYNC));
	munmap(shared, 2 * BLOCK);
	munmap(private, 2 * BLOCK);
}

/* What a mapping stored behind the end of the file is not seen when the file grows. */
TEST_F(data, stores_behind_the_end)
{
	char *map;

	ASSERT_TRUE(put(self, self->fd, 'a', 0, 100));
	map = mmap(NULL, BLOCK, PROT_READ | PROT_WRITE, MAP_SHARED, self->fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	memset(map + 100, 'X', 300);
	ASSERT_TRUE(put(self, self->fd, 'b', 9000, 10));
	EXPECT_TRUE(file_is(self, 0, 100, BLOCK - 100));
	ASSERT_EQ(0, ftruncate(self->fd, 100));
	memset(map + 100, 'Y', 300);
	ASSERT_EQ(0, ftruncate(self->fd, 3000));
	EXPECT_TRUE(file_is(self, 0, 100, 2900));
	munmap(map, BLOCK);
}

/* A write into a hole or a preallocated extent, then fdatasync(), then the power fails. */
TEST_F(data, durable_after_fdatasync)
{
	FIXTURE_DATA(data) other = { };
	struct volume copy = { };

	ASSERT_EQ(0, fallocate(self->fd, 0, 0, KIB(256)));
	ASSERT_EQ(0, ftruncate(self->fd, KIB(512)));
	ASSERT_EQ(0, fsync(self->fd));
	ASSERT_TRUE(put(self, self->direct, 'p', KIB(64), KIB(64)));
	ASSERT_EQ(0, fdatasync(self->fd));
	ASSERT_TRUE(put(self, self->direct, 'h', KIB(300), KIB(16)));
	ASSERT_EQ(0, fdatasync(self->fd));
	ASSERT_TRUE(put(self, self->fd, 'b', KIB(400), KIB(16)));
	ASSERT_EQ(0, fdatasync(self->fd));
	ASSERT_TRUE(put(self, self->direct, 'e', KIB(512), KIB(16)));
	ASSERT_EQ(0, fdatasync(self->fd));

	ASSERT_EQ(0, volume_copy(&copy, "copy", &self->vol));
	ASSERT_EQ(0, volume_mount(&copy, 0, "local"));
	other.vol = copy;
	other.buf = self->buf;
	ASSERT_EQ(0, open_files(&other));
	EXPECT_TRUE(file_is(&other, 'p', KIB(64), KIB(64)));
	EXPECT_TRUE(file_is(&other, 'h', KIB(300), KIB(16)));
	EXPECT_TRUE(file_is(&other, 'b', KIB(400), KIB(16)));
	EXPECT_TRUE(file_is(&other, 'e', KIB(512), KIB(16)));
	EXPECT_TRUE(file_is(&other, 0, 0, KIB(64)));
	close_files(&other);
	EXPECT_EQ(0, volume_umount(&copy));
	volume_free(&copy);
}

/* A full volume says so, keeps what it has, and takes writes again when there is room. */
TEST_F_TIMEOUT(data, full_volume, 600)
{
	struct statvfs before, after;
	unsigned int files = 0;
	ssize_t n = 0;
	int fd;

	ASSERT_TRUE(put(self, self->fd, 'k', 0, BLOCK));
	ASSERT_EQ(0, fsync(self->fd));
	ASSERT_EQ(0, statvfs(self->vol.dir, &before));
	memset(self->buf, 'f', KIB(1024));
	fd = open(in(&self->vol, "fill"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	do {
		n = write(fd, self->buf, KIB(1024));
	} while (n > 0);
	EXPECT_EQ(-1, n);
	EXPECT_EQ(ENOSPC, errno);
	EXPECT_EQ(0, fsync(fd));
	/* Names and inodes end too, by the same error. */
	while (!mknod(in(&self->vol, "%0200u", files), S_IFREG | 0600, 0))
		files++;
	EXPECT_EQ(ENOSPC, errno);
	EXPECT_EQ(-1, fallocate(self->fd, 0, 0, KIB(64 * 1024)));
	EXPECT_EQ(ENOSPC, errno);
	/* Overwriting needs no room, and neither does deleting. */
	EXPECT_TRUE(put(self, self->fd, 'o', 0, BLOCK));
	EXPECT_EQ(0, fsync(self->fd));
	EXPECT_TRUE(file_is(self, 'o', 0, BLOCK));
	EXPECT_EQ(0, ftruncate(self->fd, BLOCK));
	while (files--)
		ASSERT_EQ(0, unlink(in(&self->vol, "%0200u", files)));
	close(fd);
	EXPECT_EQ(0, unlink(in(&self->vol, "fill")));
	/* What was freed can be used at once. */
	fd = open(in(&self->vol, "again"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ASSERT_EQ(0, fallocate(fd, 0, 0, KIB(16 * 1024)));
	close(fd);
	ASSERT_EQ(0, unlink(in(&self->vol, "again")));
	sync();
	ASSERT_EQ(0, statvfs(self->vol.dir, &after));
	/* Chunks of inodes, the directory's leaves and the orphan table stay. */
	EXPECT_LE(before.f_bfree - before.f_bfree / 4, after.f_bfree);
}

TEST_HARNESS_MAIN
