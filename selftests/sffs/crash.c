// SPDX-License-Identifier: GPL-2.0-only
/*
 * Power cuts under load: tasks change a tree at random while one writes files, syncs
 * them and marks that in the record of the disk's writes. The disk as it may have been
 * at many moments of that, and as it was at each flush, is mounted: the mount replays it,
 * what was synced is there, every file can be read, and fsck.sffs finds nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/falloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "kselftest_harness.h"

#include "lib/power_cut.h"

#define TASKS	2U
#define NAMES	40U

FIXTURE(crash) {
	struct power_log log;
};

FIXTURE_SETUP(crash)
{
	ASSERT_EQ(0, volume_setup());
}

FIXTURE_TEARDOWN(crash)
{
	power_log_free(&self->log);
}

static size_t synced_size(unsigned int i)
{
	return 1000 + i * 7919 % 40000;
}

/* A file of its own, then over the name that all of them share. */
static int write_synced(const struct volume *v, unsigned int i)
{
	size_t size = synced_size(i);
	char *buf = malloc(size);
	int fd, err = 0;

	memset(buf, 'A' + i % 26, size);
	fd = open(in(v, "synced/new"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, buf, size) != (ssize_t)size ||
	    link(in(v, "synced/new"), in(v, "synced/%u", i)) || fsync(fd) ||
	    rename(in(v, "synced/new"), in(v, "synced/last")) || fsync(fd))
		err = -errno;
	close(fd);
	free(buf);
	return err;
}

static bool synced_is(const struct volume *v, unsigned int i)
{
	size_t size = synced_size(i), k;
	char *buf = malloc(size + 1);
	int fd = open(in(v, "synced/%u", i), O_RDONLY | O_CLOEXEC);
	bool ok = fd >= 0 && read(fd, buf, size + 1) == (ssize_t)size;

	for (k = 0; ok && k < size; k++)
		ok = buf[k] == (char)('A' + i % 26);
	close(fd);
	free(buf);
	return ok;
}

/* Errors are expected: names come and go. */
static void random_change(const struct volume *v, unsigned int task, uint64_t *state)
{
	char a[128], b[128], data[9000];
	int fd, n;

	snprintf(a, sizeof(a), "%s", in(v, "t%u/%u", task, (unsigned int)(rnd(state) % NAMES)));
	snprintf(b, sizeof(b), "%s", in(v, "t%u/%u", task, (unsigned int)(rnd(state) % NAMES)));
	memset(data, rnd(state), sizeof(data));
	n = rnd(state) % 14;
	if (n < 5) {
		fd = open(a, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
		if (fd < 0)
			return;
		if (pwrite(fd, data, rnd(state) % sizeof(data), rnd(state) % 200000) < 0 ||
		    (n == 0 && fsync(fd)) || (n == 1 && ftruncate(fd, rnd(state) % 100000)) ||
		    (n == 2 && fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
					 rnd(state) % 100000, 1 + rnd(state) % 50000)))
			say("%s: %s", a, strerror(errno));
		close(fd);
		return;
	}
	switch (n) {
	case 5:
		rename(a, b);
		break;
	case 6:
		link(a, b);
		break;
	case 7: case 8:
		unlink(a);
		break;
	case 9:
		mkdir(a, 0755);
		break;
	case 10:
		rmdir(a);
		break;
	case 11:
		symlink(data, a);
		break;
	case 12:
		setxattr(a, "user.x", data, rnd(state) % sizeof(data), 0);
		break;
	case 13:
		renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE);
		break;
	}
}

static pid_t start_task(const struct volume *v, unsigned int task)
{
	uint64_t state = 4711 + task;
	pid_t pid = fork();

	if (pid)
		return pid;
	if (mkdir(in(v, "t%u", task), 0755))
		_exit(1);
	for (;;)
		random_change(v, task, &state);
}

/* All that a name leads to can be read. */
static int look_at(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	char buf[65536];
	ssize_t n;
	int fd;

	n = llistxattr(path, buf, sizeof(buf));
	if (n > 0 && lgetxattr(path, buf, NULL, 0) < 0)
		n = -1;
	if (n >= 0 && type == FTW_SL)
		n = readlink(path, buf, sizeof(buf));
	if (n >= 0 && type == FTW_F) {
		fd = open(path, O_RDONLY | O_CLOEXEC);
		do
			n = read(fd, buf, sizeof(buf));
		while (n > 0);
		close(fd);
	}
	if (n < 0 || type == FTW_NS || type == FTW_DNR)
		say("%s: %s", path, strerror(errno));
	return n < 0 || type == FTW_NS || type == FTW_DNR;
}

/* It takes new files, and gives them up. */
static int use_again(const struct volume *cut)
{
	char data[40000] = { 1 };
	int fd, err = 0;

	if (mkdir(in(cut, "new"), 0755))
		return -errno;
	fd = open(in(cut, "new/file"), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0 || pwrite(fd, data, sizeof(data), 100000) != sizeof(data) || fsync(fd) ||
	    unlink(in(cut, "new/file")) || rmdir(in(cut, "new")))
		err = -errno;
	close(fd);
	return err;
}

/* The disk at one moment: mount, look at everything, unmount, check. */
static int check_cut(struct volume *cut, unsigned int mark)
{
	unsigned int i;
	int err = volume_mount(cut, 0, "local");

	if (err) {
		say("mount: %s", strerror(-err));
		return err;
	}
	for (i = 1; i <= mark && !err; i++)
		if (!synced_is(cut, i)) {
			say("file %u of %u was synced and is not there", i, mark);
			err = -ENODATA;
		}
	if (!err && mark && access(in(cut, "synced/last"), F_OK))
		err = -errno;
	if (nftw(cut->dir, look_at, 32, FTW_PHYS))
		err = -EIO;
	err = err ?: use_again(cut);
	return volume_umount(cut) ?: err ?: volume_fsck(cut);
}

/* Tasks change the volume while files are written and synced: what all cuts are made of. */
static int make_record(struct power_log *log, unsigned int files)
{
	struct volume *v = &log->vol;
	pid_t tasks[TASKS];
	unsigned int i;
	int err = power_log_start(log, 96);

	if (!err && mkdir(in(v, "synced"), 0755))
		err = -errno;
	if (err)
		return err;
	for (i = 0; i < TASKS; i++)
		tasks[i] = start_task(v, i);
	for (i = 1; i <= files && !err; i++)
		err = write_synced(v, i) ?: power_log_mark(log, i);
	for (i = 0; i < TASKS; i++) {
		kill(tasks[i], SIGKILL);
		waitpid(tasks[i], NULL, 0);
	}
	err = power_log_end(log) ?: err;
	say("%llu entries", (unsigned long long)log->entries);
	return err;
}

static int check_after(struct power_log *log, uint64_t entry, uint64_t *state)
{
	struct volume cut = { .fd = -1 };
	int err = power_log_cut(log, entry, state, &cut) ?: check_cut(&cut, log->mark);

	volume_free(&cut);
	if (err)
		say("after entry %llu", (unsigned long long)entry);
	return err;
}

TEST_F_TIMEOUT(crash, power_cuts_under_load, 6000)
{
	unsigned int rounds = want_long() ? 200 : on_debug() ? 6 : 20, i;
	uint64_t state = 20260, entry;

	ASSERT_EQ(0, make_record(&self->log, want_long() ? 100 : 15));
	ASSERT_LT(rounds, self->log.entries);
	for (i = 0; i < rounds; i++) {
		entry = self->log.entries * i / rounds +
			rnd(&state) % (self->log.entries / rounds);
		ASSERT_EQ(0, check_after(&self->log, entry, &state));
	}
	EXPECT_LT(0, self->log.mark);
}

/* The array did all in order, up to each flush and each write with FUA; or some of them. */
TEST_F_TIMEOUT(crash, each_flush, 6000)
{
	unsigned int seen = 0;
	uint64_t entry;
	int err;

	if (!want_long())
		SKIP(return, "in the long check");
	ASSERT_EQ(0, make_record(&self->log, 10));
	while (!(err = power_log_next(&self->log, &entry))) {
		ASSERT_EQ(0, check_after(&self->log, entry, NULL));
		seen++;
	}
	EXPECT_EQ(-ENOENT, err);
	say("%u flushes and FUA writes", seen);
	EXPECT_LT(1, seen);
}

TEST_HARNESS_MAIN
