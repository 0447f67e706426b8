// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a sync returned for is on the disk: a copy of the disk that is taken then,
 * mounted by itself, has it. Each way of writing is followed by one sync of its own
 * kind, with nothing else that could have committed the change.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <unistd.h>

#include "kselftest_harness.h"

#include "lib/volume.h"

#define SIZE	(1U << 20)
#define PART	65536U

enum sync_by {
	BY_FSYNC,
	BY_FDATASYNC,
	BY_O_DSYNC,
	BY_MSYNC,
};

FIXTURE(durable) {
	struct volume vol, copy;
	char *buf;
};

FIXTURE_SETUP(durable)
{
	self->copy.fd = -1;
	self->buf = aligned_alloc(4096, PART);
	ASSERT_NE(NULL, self->buf);
	ASSERT_EQ(0, volume_setup());
	ASSERT_EQ(0, volume_make(&self->vol, 64));
}

FIXTURE_TEARDOWN(durable)
{
	volume_free(&self->copy);
	volume_free(&self->vol);
	free(self->buf);
}

/* A file of @size bytes, with blocks or without, whose making is on disk. */
static int make_file(const struct volume *v, int flags, bool blocks)
{
	int fd = open(in(v, "file"), O_RDWR | O_CREAT | flags, 0600);

	if (fd < 0 || (blocks ? posix_fallocate(fd, 0, SIZE) : ftruncate(fd, SIZE)) || fsync(fd))
		return -1;
	return fd;
}

static bool write_part(int fd, char *buf, off_t at, enum sync_by by)
{
	char *map;

	memset(buf, 'd', PART);
	if (by == BY_MSYNC) {
		map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (map == MAP_FAILED)
			return false;
		memcpy(map + at, buf, PART);
		return !msync(map, SIZE, MS_SYNC) && !munmap(map, SIZE);
	}
	if (pwrite(fd, buf, PART, at) != PART)
		return false;
	if (by == BY_O_DSYNC)
		return true;
	return !(by == BY_FDATASYNC ? fdatasync(fd) : fsync(fd));
}

static bool has_part(const struct volume *v, char *buf, off_t at)
{
	int fd = open(in(v, "file"), O_RDONLY);
	bool ok = fd >= 0 && pread(fd, buf, PART, at) == PART;
	unsigned int i;

	close(fd);
	for (i = 0; ok && i < PART; i++)
		ok = buf[i] == 'd';
	return ok;
}

FIXTURE_VARIANT(durable) {
	enum sync_by by;
	int flags;
	bool blocks;
	bool extend;
};

FIXTURE_VARIANT_ADD(durable, direct_preallocated_fdatasync) {
	.by = BY_FDATASYNC, .flags = O_DIRECT, .blocks = true,
};

FIXTURE_VARIANT_ADD(durable, direct_hole_fdatasync) {
	.by = BY_FDATASYNC, .flags = O_DIRECT,
};

FIXTURE_VARIANT_ADD(durable, direct_extending_fdatasync) {
	.by = BY_FDATASYNC, .flags = O_DIRECT, .extend = true,
};

FIXTURE_VARIANT_ADD(durable, direct_preallocated_fsync) {
	.by = BY_FSYNC, .flags = O_DIRECT, .blocks = true,
};

FIXTURE_VARIANT_ADD(durable, direct_preallocated_o_dsync) {
	.by = BY_O_DSYNC, .flags = O_DIRECT | O_DSYNC, .blocks = true,
};

FIXTURE_VARIANT_ADD(durable, direct_hole_o_dsync) {
	.by = BY_O_DSYNC, .flags = O_DIRECT | O_DSYNC,
};

FIXTURE_VARIANT_ADD(durable, cached_preallocated_fdatasync) {
	.by = BY_FDATASYNC, .blocks = true,
};

FIXTURE_VARIANT_ADD(durable, cached_hole_fdatasync) { .by = BY_FDATASYNC };
FIXTURE_VARIANT_ADD(durable, cached_extending_fdatasync) { .by = BY_FDATASYNC, .extend = true };
FIXTURE_VARIANT_ADD(durable, cached_hole_o_dsync) { .by = BY_O_DSYNC, .flags = O_DSYNC };
FIXTURE_VARIANT_ADD(durable, mapped_hole_msync) { .by = BY_MSYNC };

TEST_F(durable, data_of_a_sync_is_there)
{
	off_t at = variant->extend ? SIZE : PART;
	int fd = make_file(&self->vol, variant->flags, variant->blocks);

	ASSERT_LE(0, fd);
	ASSERT_TRUE(write_part(fd, self->buf, at, variant->by));
	ASSERT_EQ(0, volume_copy(&self->copy, "copy", &self->vol));
	ASSERT_EQ(0, volume_mount(&self->copy, 0, "local"));
	EXPECT_TRUE(has_part(&self->copy, self->buf, at));
	close(fd);
}

FIXTURE(durable_names) {
	struct volume vol, copy;
};

FIXTURE_SETUP(durable_names)
{
	self->copy.fd = -1;
	ASSERT_EQ(0, volume_setup());
	ASSERT_EQ(0, volume_make(&self->vol, 64));
}

FIXTURE_TEARDOWN(durable_names)
{
	volume_free(&self->copy);
	volume_free(&self->vol);
}

/* The entries are a directory's data: its fdatasync() is for them. */
TEST_F(durable_names, fdatasync_of_a_directory)
{
	int dir = open(self->vol.dir, O_RDONLY | O_DIRECTORY);

	ASSERT_LE(0, dir);
	ASSERT_EQ(0, mkdir(in(&self->vol, "new"), 0700));
	ASSERT_EQ(0, fdatasync(dir));
	close(dir);
	ASSERT_EQ(0, volume_copy(&self->copy, "copy", &self->vol));
	ASSERT_EQ(0, volume_mount(&self->copy, 0, "local"));
	EXPECT_EQ(0, access(in(&self->copy, "new"), F_OK));
}

/* Swapping would go to the file's blocks past every lock. */
TEST_F(durable_names, no_swap_file)
{
	EXPECT_EQ(0, run("dd if=/dev/zero of=%s bs=64k count=16 status=none conv=fsync",
			 in(&self->vol, "swap")));
	EXPECT_EQ(0, run("chmod 600 %s; mkswap -q %s > /dev/null", in(&self->vol, "swap"),
			 in(&self->vol, "swap")));
	EXPECT_EQ(-1, swapon(in(&self->vol, "swap"), 0));
	EXPECT_EQ(EINVAL, errno);
}

TEST_HARNESS_MAIN
