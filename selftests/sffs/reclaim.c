// SPDX-License-Identifier: GPL-2.0-only
/*
 * Space reclaim on a thin LUN: scsi_debug tells which units it backs, and fills what it
 * unmaps with ones, so that an UNMAP of a block in use is seen as wrong content. With units
 * of several sizes, and with an offset of the first one.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kselftest_harness.h"

#include "lib/volume.h"

#define MIB		(1ULL << 20)
#define MAP		"/sys/bus/pseudo/drivers/scsi_debug/map"
#define LUN		"/sys/bus/pseudo/drivers/scsi_debug/adapter*/host*/target*/*/block"
#define LUN_MIB		160U
#define CHUNK		65536U
#define FILES		60U

FIXTURE(reclaim) {
	struct volume vol;
	int dir;
};

FIXTURE_VARIANT(reclaim) {
	unsigned int granularity, alignment, max;	/* sectors of 512 bytes */
};

FIXTURE_VARIANT_ADD(reclaim, 4k) { .granularity = 8, .max = 4096 };
FIXTURE_VARIANT_ADD(reclaim, 64k) { .granularity = 128, .max = 100000 };
FIXTURE_VARIANT_ADD(reclaim, 1m) { .granularity = 2048, .max = 0x7fffffff };
FIXTURE_VARIANT_ADD(reclaim, offset) { .granularity = 128, .alignment = 24, .max = 0xffff };
FIXTURE_VARIANT_ADD(reclaim, odd) { .granularity = 128, .alignment = 3, .max = 0xffff };

static int mount_lun(struct volume *v)
{
	return mount(v->dev, v->dir, "sffs", 0, "local") ? -errno : 0;
}

/* The disk's name, which comes a moment after the module; a minute at most. */
static bool find_lun(char *name)
{
	unsigned int i;
	bool found = false;

	for (i = 0; i < 600 && !found; i++) {
		FILE *f = popen("ls " LUN, "r");

		found = f && fscanf(f, "%20s", name) == 1;
		if (f)
			pclose(f);
		if (!found)
			usleep(100000);
	}
	return found;
}

static int make_lun(struct volume *v, const char *options)
{
	const char *build = getenv("ASV_BUILD");
	char name[21];

	run("modprobe sd_mod; modprobe -r scsi_debug");
	if (run("modprobe scsi_debug dev_size_mb=%u delay=0 %s", LUN_MIB, options) ||
	    !find_lun(name))
		return -ENODEV;
	snprintf(v->dev, sizeof(v->dev), "/dev/%s", name);
	snprintf(v->dir, sizeof(v->dir), "/run/sffs-lun");
	v->fd = -1;
	v->loop = -1;
	return run("mkdir -p %s; %s%smkfs.sffs -q -f -n 1 -J 4M -g 32M %s", v->dir, build ?: "",
		   build ? "/user/" : "", v->dev) ? -EIO : mount_lun(v);
}

FIXTURE_SETUP(reclaim)
{
	char options[200];

	snprintf(options, sizeof(options),
		 "lbpu=1 lbprz=2 unmap_granularity=%u unmap_alignment=%u unmap_max_blocks=%u",
		 variant->granularity, variant->alignment, variant->max);
	ASSERT_EQ(0, volume_setup());
	ASSERT_EQ(0, make_lun(&self->vol, options));
	self->dir = open(self->vol.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ASSERT_LE(0, self->dir);
}

FIXTURE_TEARDOWN(reclaim)
{
	close(self->dir);
	umount2(self->vol.dir, MNT_DETACH);
}

/* Bytes that the LUN backs: its map is a list of ranges of units. */
static uint64_t backed(unsigned int granularity)
{
	static char buf[1 << 20];
	uint64_t sum = 0;
	int fd = open(MAP, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, buf, sizeof(buf) - 1);
	char *p;

	close(fd);
	buf[n > 0 ? n : 0] = '\0';
	for (p = strtok(buf, ",\n"); p; p = strtok(NULL, ",\n")) {
		unsigned long long first, last;
		int got = sscanf(p, "%llu-%llu", &first, &last);

		if (got >= 1)
			sum += got == 2 ? last - first + 1 : 1;
	}
	return sum * granularity * 512;
}

/* FITRIM; bytes that it unmapped or a negative error. */
static int64_t trim(int dir, uint64_t start, uint64_t len, uint64_t min)
{
	struct fstrim_range range = { .start = start, .len = len, .minlen = min };

	return ioctl(dir, FITRIM, &range) ? -errno : (int64_t)range.len;
}

static void fill_chunk(char *buf, unsigned int file, unsigned int n)
{
	unsigned int i, *word = (unsigned int *)buf;

	for (i = 0; i < CHUNK / sizeof(*word); i++)
		word[i] = (file << 20 | n) * 2654435761U + i;
}

/* Write @chunks chunks; how many fitted. */
static unsigned int write_chunks(const char *path, unsigned int file, unsigned int chunks)
{
	static char buf[CHUNK] __attribute__((aligned(4096)));
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC |
		      (file & 1 ? O_DIRECT : 0), 0600);
	unsigned int n;

	for (n = 0; n < chunks && fd >= 0; n++) {
		fill_chunk(buf, file, n);
		if (write(fd, buf, CHUNK) != CHUNK)
			break;
	}
	close(fd);
	return n;
}

static bool check_chunks(const char *path, unsigned int file, unsigned int chunks)
{
	static char buf[CHUNK], want[CHUNK];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	unsigned int n;
	/* What the device has, not what was written to it. */
	bool ok = fd >= 0 && !posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);

	for (n = 0; n < chunks && ok; n++) {
		fill_chunk(want, file, n);
		ok = read(fd, buf, CHUNK) == CHUNK && !memcmp(buf, want, CHUNK);
		if (!ok)
			say("%s differs in chunk %u", path, n);
	}
	close(fd);
	return ok;
}

/* The program, with its output in /run/sffs-out. */
static int sffs(const char *args, const char *path)
{
	return run("${ASV_BUILD:+$ASV_BUILD/user/}sffs %s %s > /run/sffs-out 2>&1", args, path);
}

/* Nothing is asked for: the space comes back by itself, at the rate that is set. */
TEST_F_TIMEOUT(reclaim, background, 120)
{
	const char *path = in(&self->vol, "disk");
	/* A piece at either end of an extent is no whole unit. */
	uint64_t size = 64 * MIB, most = size - size / 50 - 4 * 512ULL * variant->granularity;
	uint64_t full, back;
	unsigned int i;
	time_t begun;

	ASSERT_EQ(0, sffs("reclaim --rate off", self->vol.dir));
	ASSERT_EQ(size / CHUNK, write_chunks(path, 1, size / CHUNK));
	ASSERT_EQ(0, syncfs(self->dir));
	full = backed(variant->granularity);
	ASSERT_EQ(0, unlink(path));
	ASSERT_EQ(0, syncfs(self->dir));
	sleep(4);
	EXPECT_LE(full, backed(variant->granularity));
	EXPECT_EQ(2, sffs("reclaim --rate fast", self->vol.dir));
	begun = time(NULL);
	ASSERT_EQ(0, sffs("reclaim --rate 4", self->vol.dir));
	EXPECT_EQ(0, sffs("df --json", self->vol.dir));
	EXPECT_EQ(0, run("grep -q '\"reclaim\":\"4 MB/s\"' /run/sffs-out"));
	for (i = 0; i < 600 && full - backed(variant->granularity) < 24 * MIB; i++)
		usleep(100000);
	back = full - backed(variant->granularity);
	EXPECT_LE(24 * MIB, back);
	/* About that fast: 6 s. */
	EXPECT_GE((time(NULL) - begun + 1) * 4000000ULL + 2 * MIB, back);
	EXPECT_GE(20, time(NULL) - begun);
	ASSERT_EQ(0, sffs("reclaim --rate high", self->vol.dir));
	for (i = 0; i < 600 && full - backed(variant->granularity) < most; i++)
		usleep(100000);
	EXPECT_LE(most, full - backed(variant->granularity));
	EXPECT_EQ(0, sffs("reclaim", self->vol.dir));
	/* What one mount did not come to, the next one does. */
	ASSERT_EQ(size / CHUNK, write_chunks(path, 1, size / CHUNK));
	ASSERT_EQ(0, syncfs(self->dir));
	ASSERT_EQ(0, unlink(path));
	close(self->dir);
	ASSERT_EQ(0, umount(self->vol.dir));
	full = backed(variant->granularity);
	ASSERT_EQ(0, mount_lun(&self->vol));
	for (i = 0; i < 600 && full - backed(variant->granularity) < most; i++)
		usleep(100000);
	EXPECT_LE(most, full - backed(variant->granularity));
	self->dir = open(self->vol.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* A mount that is read-only gives nothing back, however it became so. */
TEST_F_TIMEOUT(reclaim, read_only, 120)
{
	const char *path = in(&self->vol, "disk");
	uint64_t full, size = 32 * MIB;
	unsigned int i;

	if (variant->granularity != 128 || variant->alignment)
		SKIP(return, "once is enough");
	ASSERT_EQ(0, sffs("reclaim --rate off", self->vol.dir));
	ASSERT_EQ(size / CHUNK, write_chunks(path, 1, size / CHUNK));
	ASSERT_EQ(0, syncfs(self->dir));
	ASSERT_EQ(0, unlink(path));
	ASSERT_EQ(0, syncfs(self->dir));
	full = backed(variant->granularity);
	ASSERT_EQ(0, sffs("reclaim --rate 1", self->vol.dir));
	ASSERT_EQ(0, mount(NULL, self->vol.dir, NULL, MS_REMOUNT | MS_RDONLY, NULL));
	full = backed(variant->granularity);
	sleep(5);
	EXPECT_EQ(full, backed(variant->granularity));
	ASSERT_EQ(0, mount(NULL, self->vol.dir, NULL, MS_REMOUNT, NULL));
	for (i = 0; i < 600 && full - backed(variant->granularity) < 4 * MIB; i++)
		usleep(100000);
	EXPECT_LE(4 * MIB, full - backed(variant->granularity));
}

/* What was deleted is no longer backed, and fstrim does not do it again. */
TEST_F_TIMEOUT(reclaim, deleted, 120)
{
	const char *path = in(&self->vol, "disk");
	uint64_t before, full, size = 64 * MIB, unit = variant->granularity * 512;
	/* At both ends of a file others may share the unit. */
	uint64_t least = size - (size / 50 > 4 * unit ? size / 50 : 4 * unit);

	ASSERT_EQ(16, write_chunks(in(&self->vol, "kept"), 2, 16));
	ASSERT_EQ(0, syncfs(self->dir));
	ASSERT_EQ(0, sffs("reclaim --rate off", self->vol.dir));
	ASSERT_LE(0, trim(self->dir, 0, UINT64_MAX, 0));
	before = backed(variant->granularity);
	ASSERT_EQ(size / CHUNK, write_chunks(path, 1, size / CHUNK));
	ASSERT_EQ(0, syncfs(self->dir));
	full = backed(variant->granularity);
	EXPECT_LE(before + least, full);
	ASSERT_EQ(0, unlink(path));
	EXPECT_LE(least, trim(self->dir, 0, UINT64_MAX, 0));
	EXPECT_LE(least, full - backed(variant->granularity));
	/* Blocks that only a part of an odd unit touches are tried again. */
	EXPECT_GE(variant->alignment % 8 ? 16 * MIB : 0, trim(self->dir, 0, UINT64_MAX, 0));
	EXPECT_TRUE(check_chunks(in(&self->vol, "kept"), 2, 16));
}

/* Mount again, after a crash or a proper end, and perhaps after fsck.sffs. */
static int again(struct volume *v, int *dir, bool crash, bool check)
{
	const char *build = getenv("ASV_BUILD");

	if (crash && volume_stop(v))
		return -1;
	close(*dir);
	if (umount(v->dir) || (check && run("%s%sfsck.sffs -p %s > /run/sffs-out; test $? -le 1",
					    build ?: "", build ? "/user/" : "", v->dev)) ||
	    mount_lun(v))
		return -1;
	*dir = open(v->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *dir < 0 ? -1 : 0;
}

/* After a crash fstrim does it all once more, however often there was a mount between. */
TEST_F_TIMEOUT(reclaim, doubted, 120)
{
	uint64_t much = LUN_MIB / 2 * MIB, little = variant->alignment % 8 ? 16 * MIB : 0;
	bool check;

	ASSERT_EQ(0, sffs("reclaim --rate off", self->vol.dir));
	ASSERT_LE(0, trim(self->dir, 0, UINT64_MAX, 0));
	for (check = false;; check = true) {
		EXPECT_GE(little, trim(self->dir, 0, UINT64_MAX, 0));
		ASSERT_EQ(0, again(&self->vol, &self->dir, true, check));
		ASSERT_EQ(0, again(&self->vol, &self->dir, false, check));
		/* A part of it does not count. */
		EXPECT_LE(0, trim(self->dir, 0, LUN_MIB / 2 * MIB, 0));
		EXPECT_LE(much, trim(self->dir, 0, UINT64_MAX, 0));
		ASSERT_EQ(0, again(&self->vol, &self->dir, false, check));
		EXPECT_GE(little, trim(self->dir, 0, UINT64_MAX, 0));
		if (check)
			break;
	}
}

TEST_F_TIMEOUT(reclaim, ranges, 120)
{
	uint64_t volume = LUN_MIB * MIB;
	unsigned int i;
	int64_t half;

	EXPECT_EQ(-EINVAL, trim(self->dir, 0, 100, 0));
	EXPECT_EQ(-EINVAL, trim(self->dir, volume * 2, volume, 0));
	EXPECT_EQ(-EINVAL, trim(self->dir, 0, UINT64_MAX, 1ULL << 40));
	EXPECT_EQ(0, trim(self->dir, 0, MIB, 0));
	ASSERT_EQ(0, sffs("reclaim --rate off", self->vol.dir));
	/* Every second one of many files goes. */
	for (i = 0; i < FILES; i++)
		ASSERT_EQ(16, write_chunks(in(&self->vol, "%u", i), i, 16));
	ASSERT_EQ(0, syncfs(self->dir));
	for (i = 0; i < FILES; i += 2)
		ASSERT_EQ(0, unlink(in(&self->vol, "%u", i)));
	ASSERT_EQ(0, syncfs(self->dir));
	EXPECT_GE(4 * MIB, trim(self->dir, 0, UINT64_MAX, 16 * MIB));
	half = trim(self->dir, 0, 36 * MIB, 0);
	EXPECT_LE(0, half);
	EXPECT_GE((int64_t)(36 * MIB), half);
	if (variant->granularity <= 128)
		EXPECT_LE((int64_t)(25 * MIB), half + trim(self->dir, 36 * MIB, UINT64_MAX, 0));
	for (i = 1; i < FILES; i += 2)
		EXPECT_TRUE(check_chunks(in(&self->vol, "%u", i), i, 16));
}

static void trim_always(int dir)
{
	while (trim(dir, 0, UINT64_MAX, 0) >= 0)
		;
	_exit(1);
}

/* Freed space is filled again at once while it is being given back, up to the last block. */
TEST_F_TIMEOUT(reclaim, refilled, 900)
{
	unsigned int len[FILES] = { }, i, rounds = want_long() ? 1500 : 300;
	uint64_t state = 88172645463325252ULL + variant->granularity;
	struct volume *v = &self->vol;
	bool ok = true;
	pid_t pid = fork();

	if (!pid)
		trim_always(self->dir);
	ASSERT_LT(0, pid);
	while (rounds-- && ok) {
		i = rnd(&state) % FILES;
		if (len[i])
			ok = check_chunks(in(v, "%u", i), i, len[i]);
		if (rnd(&state) % 3)
			unlink(in(v, "%u", i));
		len[i] = write_chunks(in(v, "%u", i), i, rnd(&state) % 64);
	}
	EXPECT_TRUE(ok);
	EXPECT_EQ(0, waitpid(pid, NULL, WNOHANG));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(self->dir);
	ASSERT_EQ(0, umount(v->dir));
	EXPECT_EQ(0, run("${ASV_BUILD:+$ASV_BUILD/user/}fsck.sffs -n %s >&2", v->dev));
	ASSERT_EQ(0, mount_lun(v));
	for (i = 0; i < FILES; i++)
		EXPECT_TRUE(!len[i] || check_chunks(in(v, "%u", i), i, len[i]));
	self->dir = open(v->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* A file whose unlink was not on disk when the host stopped is there, with all it had. */
TEST_F_TIMEOUT(reclaim, crash, 900)
{
	unsigned int i, round, rounds = want_long() ? 30 : 6, there = 0, gone = 0;
	uint64_t state = 88172645463325252ULL + variant->granularity;
	struct volume *v = &self->vol;
	pid_t pid;

	for (round = 0; round < rounds; round++) {
		for (i = 0; i < FILES; i++)
			ASSERT_EQ(8, write_chunks(in(v, "%u", i), i, 8));
		ASSERT_EQ(0, syncfs(self->dir));
		pid = fork();
		if (!pid)
			trim_always(self->dir);
		ASSERT_LT(0, pid);
		for (i = 0; i < FILES; i++) {
			if (rnd(&state) % 2)
				ASSERT_EQ(0, unlink(in(v, "%u", i)));
			usleep(rnd(&state) % 2000);
		}
		EXPECT_EQ(0, volume_stop(v));
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		close(self->dir);
		ASSERT_EQ(0, umount(v->dir));
		ASSERT_EQ(0, mount_lun(v));
		self->dir = open(v->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		for (i = 0; i < FILES; i++) {
			if (access(in(v, "%u", i), F_OK)) {
				gone++;
				continue;
			}
			there++;
			EXPECT_TRUE(check_chunks(in(v, "%u", i), i, 8));
		}
	}
	say("%u files were there, %u were not", there, gone);
	EXPECT_LT(0, there);
}

/* A LUN that takes nothing back is used all the same. */
TEST(no_unmap)
{
	struct volume vol;
	int dir;

	ASSERT_EQ(0, volume_setup());
	ASSERT_EQ(0, make_lun(&vol, "lbpu=0"));
	dir = open(vol.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	EXPECT_EQ(-EOPNOTSUPP, trim(dir, 0, UINT64_MAX, 0));
	EXPECT_EQ(16, write_chunks(in(&vol, "file"), 1, 16));
	EXPECT_EQ(0, unlink(in(&vol, "file")));
	close(dir);
	EXPECT_EQ(0, umount(vol.dir));
}

TEST_HARNESS_MAIN
