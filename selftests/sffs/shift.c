// SPDX-License-Identifier: GPL-2.0-only
/*
 * Collapse and insert over a crash: the mount is stopped at a random moment of one in a
 * file of many extents, while another task makes the journal commit again and again.
 * After the next mount the file is as it was before or as it should be afterwards.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"

#include "lib/volume.h"

#define BLOCK	4096
#define BLOCKS	1600		/* every second one is a hole */
#define AT	10		/* where blocks are taken out or put in */
#define NR	8		/* how many */

FIXTURE(shift) {
	struct volume vol;
	pid_t syncer;
};

FIXTURE_SETUP(shift)
{
	ASSERT_EQ(0, volume_setup());
	ASSERT_EQ(0, volume_make(&self->vol, 64));
}

FIXTURE_TEARDOWN(shift)
{
	int err = volume_umount(&self->vol);

	EXPECT_EQ(0, err);
	if (!err)
		EXPECT_EQ(0, volume_fsck(&self->vol));
	volume_free(&self->vol);
}

static int make_file(struct volume *v)
{
	int fd = open(in(v, "file"), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	uint32_t block[BLOCK / sizeof(uint32_t)] = { };
	int i, err = fd < 0 ? -errno : 0;

	for (i = 0; !err && i < BLOCKS; i += 2) {
		block[0] = i + 1;
		if (pwrite(fd, block, BLOCK, (off_t)i * BLOCK) != BLOCK)
			err = -EIO;
	}
	if (!err && (ftruncate(fd, BLOCKS * BLOCK) || fsync(fd)))
		err = -errno;
	close(fd);
	return err;
}

/* What block @i of the file is when @by blocks have been put in, or -@by taken out. */
static uint32_t want(int i, int by)
{
	if (by < 0 && i >= AT)
		i -= by;
	else if (by > 0 && i >= AT)
		i = i < AT + by ? 1 : i - by;
	return i % 2 ? 0 : i + 1;
}

static bool file_is(struct volume *v, int by)
{
	int fd = open(in(v, "file"), O_RDONLY | O_CLOEXEC), i;
	struct stat st;
	uint32_t val;
	bool ok = fd >= 0 && !fstat(fd, &st) && st.st_size == (off_t)(BLOCKS + by) * BLOCK;

	for (i = 0; ok && i < BLOCKS + by; i++)
		ok = pread(fd, &val, sizeof(val), (off_t)i * BLOCK) == sizeof(val) &&
		     val == want(i, by);
	close(fd);
	return ok;
}

static pid_t start_shift(struct volume *v, int by)
{
	pid_t pid = fork();
	int fd;

	if (pid)
		return pid;
	fd = open(in(v, "file"), O_RDWR | O_CLOEXEC);
	fallocate(fd, by < 0 ? FALLOC_FL_COLLAPSE_RANGE : FALLOC_FL_INSERT_RANGE,
		  (off_t)AT * BLOCK, (off_t)abs(by) * BLOCK);
	_exit(0);
}

/* Commits as fast as they go, until the mount is stopped. */
static pid_t start_syncs(struct volume *v)
{
	pid_t pid = fork();
	int fd;

	if (pid)
		return pid;
	fd = open(in(v, "other"), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	while (fd >= 0 && !fchmod(fd, 0600) && !fsync(fd) && !fchmod(fd, 0644) && !fsync(fd))
		;
	_exit(0);
}

static void crash_in_shift(struct __test_metadata *_metadata, FIXTURE_DATA(shift) *self, int by)
{
	unsigned int rounds = want_long() ? 100 : 4, i, before = 0;
	uint64_t state = 7 + by;
	pid_t shift, syncs;

	for (i = 0; i < rounds; i++) {
		ASSERT_EQ(0, make_file(&self->vol));
		syncs = start_syncs(&self->vol);
		shift = start_shift(&self->vol, by);
		usleep(rnd(&state) % 150000);
		ASSERT_EQ(0, volume_stop(&self->vol));
		waitpid(shift, NULL, 0);
		waitpid(syncs, NULL, 0);
		ASSERT_EQ(0, volume_remount(&self->vol));
		if (file_is(&self->vol, 0))
			before++;
		else
			ASSERT_TRUE(file_is(&self->vol, by));
	}
	say("%u of %u as before", before, rounds);
}

TEST_F_TIMEOUT(shift, collapse, 300)
{
	crash_in_shift(_metadata, self, -NR);
}

TEST_F_TIMEOUT(shift, insert, 300)
{
	crash_in_shift(_metadata, self, NR);
}

TEST_HARNESS_MAIN
