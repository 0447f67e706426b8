// SPDX-License-Identifier: GPL-2.0-only
/*
 * Names and inodes: links, symlinks, every flag of rename, files without a name,
 * large directories, and what a crash may leave of them.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

#include "kselftest_harness.h"

#include "lib/volume.h"

FIXTURE(names) {
	struct volume vol;
};

FIXTURE_SETUP(names)
{
	ASSERT_EQ(0, volume_setup());
	/* An inode takes a block, and its lock record an eighth of one. */
	ASSERT_EQ(0, volume_make(&self->vol, want_long() ? 768 : 192));
}

/* Whatever a test did, the volume is consistent after it. */
FIXTURE_TEARDOWN(names)
{
	int err = volume_umount(&self->vol);

	EXPECT_EQ(0, err);
	if (!err)
		EXPECT_EQ(0, volume_fsck(&self->vol));
	volume_free(&self->vol);
}

static int put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = write(fd, text, strlen(text));
	close(fd);
	return n == (ssize_t)strlen(text) ? 0 : -EIO;
}

static bool has(const char *path, const char *text)
{
	char buf[256];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, buf, sizeof(buf));
	close(fd);
	return n == (ssize_t)strlen(text) && !memcmp(buf, text, n);
}

static nlink_t links(const char *path)
{
	struct stat st;

	return lstat(path, &st) ? 0 : st.st_nlink;
}

static ino_t number(const char *path)
{
	struct stat st;

	return lstat(path, &st) ? 0 : st.st_ino;
}

TEST_F(names, hard_links)
{
	struct volume *v = &self->vol;
	unsigned int i;

	ASSERT_EQ(0, put(in(v, "a"), "text"));
	ASSERT_EQ(0, mkdir(in(v, "d"), 0755));
	for (i = 0; i < 300; i++)
		ASSERT_EQ(0, link(in(v, "a"), in(v, "d/l%u", i)));
	EXPECT_EQ(301, links(in(v, "a")));
	EXPECT_EQ(-1, link(in(v, "a"), in(v, "d/l7")));
	EXPECT_EQ(EEXIST, errno);
	EXPECT_EQ(-1, link(in(v, "d"), in(v, "e")));
	EXPECT_EQ(EPERM, errno);
	ASSERT_EQ(0, volume_remount(v));
	EXPECT_EQ(301, links(in(v, "d/l299")));
	ASSERT_EQ(0, unlink(in(v, "a")));
	for (i = 0; i < 299; i++)
		ASSERT_EQ(0, unlink(in(v, "d/l%u", i)));
	EXPECT_EQ(1, links(in(v, "d/l299")));
	EXPECT_TRUE(has(in(v, "d/l299"), "text"));
}

TEST_F(names, symlinks)
{
	static const size_t lengths[] = { 1, 59, 60, 1000, 2000, 3000, 4000, 4095 };
	struct volume *v = &self->vol;
	char target[PATH_MAX + 1], got[PATH_MAX + 1];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		memset(target, 'a' + i, lengths[i]);
		target[lengths[i]] = '\0';
		ASSERT_EQ(0, symlink(target, in(v, "s%zu", i)));
	}
	ASSERT_EQ(0, volume_crash(v) ?: mkdir(in(v, "after"), 0700));
	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		ssize_t n = readlink(in(v, "s%zu", i), got, sizeof(got));
		struct stat st;

		/* Nothing was synced: a crash may take it, but not a part of it. */
		if (n < 0)
			continue;
		ASSERT_EQ(lengths[i], n);
		memset(target, 'a' + i, n);
		EXPECT_EQ(0, memcmp(target, got, n));
		ASSERT_EQ(0, lstat(in(v, "s%zu", i), &st));
		EXPECT_EQ(n, st.st_size);
		EXPECT_EQ(0, unlink(in(v, "s%zu", i)));
	}
	memset(target, 'z', 4095);
	target[4095] = '\0';
	ASSERT_EQ(0, symlink(target, in(v, "long")));
	ASSERT_EQ(0, volume_remount(v));
	ASSERT_EQ(4095, readlink(in(v, "long"), got, sizeof(got)));
	EXPECT_EQ(0, memcmp(target, got, 4095));
	ASSERT_EQ(0, put(in(v, "x"), "found"));
	ASSERT_EQ(0, symlink("x", in(v, "short")));
	EXPECT_TRUE(has(in(v, "short"), "found"));
}

TEST_F(names, rename_flags)
{
	struct volume *v = &self->vol;
	struct stat st;

	ASSERT_EQ(0, put(in(v, "a"), "A"));
	ASSERT_EQ(0, put(in(v, "b"), "B"));
	EXPECT_EQ(-1, renameat2(AT_FDCWD, in(v, "a"), AT_FDCWD, in(v, "b"), RENAME_NOREPLACE));
	EXPECT_EQ(EEXIST, errno);
	ASSERT_EQ(0, renameat2(AT_FDCWD, in(v, "a"), AT_FDCWD, in(v, "b"), RENAME_EXCHANGE));
	EXPECT_TRUE(has(in(v, "a"), "B"));
	EXPECT_TRUE(has(in(v, "b"), "A"));
	EXPECT_EQ(-1, renameat2(AT_FDCWD, in(v, "a"), AT_FDCWD, in(v, "none"), RENAME_EXCHANGE));
	EXPECT_EQ(ENOENT, errno);
	ASSERT_EQ(0, renameat2(AT_FDCWD, in(v, "a"), AT_FDCWD, in(v, "c"), RENAME_WHITEOUT));
	EXPECT_TRUE(has(in(v, "c"), "B"));
	ASSERT_EQ(0, lstat(in(v, "a"), &st));
	EXPECT_TRUE(S_ISCHR(st.st_mode));
	EXPECT_EQ(makedev(0, 0), st.st_rdev);
	ASSERT_EQ(0, rename(in(v, "c"), in(v, "b")));
	EXPECT_TRUE(has(in(v, "b"), "B"));
	EXPECT_EQ(0, links(in(v, "c")));
	EXPECT_EQ(-1, renameat2(AT_FDCWD, in(v, "b"), AT_FDCWD, in(v, "d"), 0x100));
	EXPECT_EQ(EINVAL, errno);
}

TEST_F(names, rename_directories)
{
	struct volume *v = &self->vol;

	ASSERT_EQ(0, mkdir(in(v, "x"), 0755));
	ASSERT_EQ(0, mkdir(in(v, "y"), 0755));
	ASSERT_EQ(0, mkdir(in(v, "x/d"), 0755));
	ASSERT_EQ(0, put(in(v, "x/d/f"), "deep"));
	EXPECT_EQ(3, links(in(v, "x")));
	ASSERT_EQ(0, rename(in(v, "x/d"), in(v, "y/d")));
	EXPECT_EQ(2, links(in(v, "x")));
	EXPECT_EQ(3, links(in(v, "y")));
	EXPECT_EQ(number(in(v, "y")), number(in(v, "y/d/..")));
	EXPECT_EQ(-1, rename(in(v, "y"), in(v, "y/d/y")));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, rename(in(v, "x"), in(v, "y/d")));
	EXPECT_EQ(ENOTEMPTY, errno);
	EXPECT_EQ(-1, rename(in(v, "y/d/f"), in(v, "x")));
	EXPECT_EQ(EISDIR, errno);
	/* A file and a directory change places across directories. */
	ASSERT_EQ(0, put(in(v, "x/g"), "file"));
	ASSERT_EQ(0, renameat2(AT_FDCWD, in(v, "x/g"), AT_FDCWD, in(v, "y/d"), RENAME_EXCHANGE));
	EXPECT_TRUE(has(in(v, "y/d"), "file"));
	EXPECT_TRUE(has(in(v, "x/g/f"), "deep"));
	EXPECT_EQ(3, links(in(v, "x")));
	EXPECT_EQ(2, links(in(v, "y")));
	/* Over an empty directory. */
	ASSERT_EQ(0, mkdir(in(v, "empty"), 0755));
	ASSERT_EQ(0, rename(in(v, "x/g"), in(v, "empty")));
	EXPECT_TRUE(has(in(v, "empty/f"), "deep"));
	EXPECT_EQ(2, links(in(v, "x")));
	ASSERT_EQ(0, volume_remount(v));
	EXPECT_EQ(number(v->dir), number(in(v, "empty/..")));
	EXPECT_EQ(-1, rmdir(in(v, "empty")));
	EXPECT_EQ(ENOTEMPTY, errno);
}

TEST_F(names, files_without_a_name)
{
	struct volume *v = &self->vol;
	char proc[64];
	int fd, gone;

	fd = open(v->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	gone = open(v->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	ASSERT_LE(0, fd);
	ASSERT_LE(0, gone);
	ASSERT_EQ(5, write(fd, "named", 5));
	ASSERT_EQ(4, write(gone, "gone", 4));
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	ASSERT_EQ(0, linkat(AT_FDCWD, proc, AT_FDCWD, in(v, "n"), AT_SYMLINK_FOLLOW));
	EXPECT_EQ(1, links(in(v, "n")));
	close(fd);
	close(gone);
	ASSERT_EQ(0, volume_remount(v));
	EXPECT_TRUE(has(in(v, "n"), "named"));
}

TEST_F(names, special_files)
{
	struct volume *v = &self->vol;
	struct stat st;

	ASSERT_EQ(0, mknod(in(v, "c"), S_IFCHR | 0600, makedev(300, 70000)));
	ASSERT_EQ(0, mknod(in(v, "b"), S_IFBLK | 0600, makedev(8, 1)));
	ASSERT_EQ(0, mkfifo(in(v, "p"), 0600));
	ASSERT_EQ(0, mknod(in(v, "s"), S_IFSOCK | 0600, 0));
	ASSERT_EQ(0, volume_remount(v));
	ASSERT_EQ(0, lstat(in(v, "c"), &st));
	EXPECT_TRUE(S_ISCHR(st.st_mode));
	EXPECT_EQ(makedev(300, 70000), st.st_rdev);
	ASSERT_EQ(0, lstat(in(v, "b"), &st));
	EXPECT_TRUE(S_ISBLK(st.st_mode));
	ASSERT_EQ(0, lstat(in(v, "p"), &st));
	EXPECT_TRUE(S_ISFIFO(st.st_mode));
	ASSERT_EQ(0, lstat(in(v, "s"), &st));
	EXPECT_TRUE(S_ISSOCK(st.st_mode));
}

TEST_F(names, long_names_and_paths)
{
	struct volume *v = &self->vol;
	char name[257], path[PATH_MAX];
	unsigned int i;
	int fd, sub;

	memset(name, 'n', 256);
	name[256] = '\0';
	EXPECT_EQ(-1, mkdir(in(v, "%s", name), 0755));
	EXPECT_EQ(ENAMETOOLONG, errno);
	name[255] = '\0';
	for (i = 0; i < 100; i++) {
		snprintf(name + 250, 6, "%05u", i);
		ASSERT_EQ(0, put(in(v, "%s", name), "long"));
	}
	ASSERT_EQ(0, volume_remount(v));
	EXPECT_TRUE(has(in(v, "%s", name), "long"));

	/* As deep as a path can be, and deeper. */
	fd = open(v->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ASSERT_LE(0, fd);
	for (i = 0; i < 40; i++) {
		ASSERT_EQ(0, mkdirat(fd, name, 0755) && errno != EEXIST);
		if (!i)
			unlinkat(fd, name, 0);
		ASSERT_EQ(0, mkdirat(fd, name, 0755) && errno != EEXIST);
		sub = openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		ASSERT_LE(0, sub);
		close(fd);
		fd = sub;
	}
	close(fd);
	snprintf(path, sizeof(path), "%s", v->dir);
	for (i = 0; i < 15; i++)
		strncat(strncat(path, "/", sizeof(path) - strlen(path) - 1), name,
			sizeof(path) - strlen(path) - 1);
	EXPECT_EQ(3, links(path));
}

static unsigned int count_entries(const char *path)
{
	DIR *dir = opendir(path);
	unsigned int n = 0;

	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n;
}

TEST_F_TIMEOUT(names, large_directory, 1500)
{
	unsigned int nr = want_long() ? 100000 : on_debug() ? 400 : 20000, i;
	struct volume *v = &self->vol;

	ASSERT_EQ(0, mkdir(in(v, "d"), 0755));
	for (i = 0; i < nr; i++)
		ASSERT_EQ(0, mknod(in(v, "d/file-%u", i), S_IFREG | 0644, 0));
	EXPECT_EQ(-1, mknod(in(v, "d/file-%u", nr / 2), S_IFREG | 0644, 0));
	EXPECT_EQ(EEXIST, errno);
	ASSERT_EQ(0, volume_remount(v));
	EXPECT_EQ(nr + 2, count_entries(in(v, "d")));
	EXPECT_EQ(1, links(in(v, "d/file-%u", nr - 1)));
	EXPECT_EQ(0, links(in(v, "d/file-%u", nr)));
	/* A directory that is read while it is emptied. */
	for (i = 0; i < nr; i++)
		if (i % 10)
			ASSERT_EQ(0, unlink(in(v, "d/file-%u", i)));
	EXPECT_EQ((nr + 9) / 10 + 2, count_entries(in(v, "d")));
	for (i = 0; i < nr; i += 10)
		ASSERT_EQ(0, unlink(in(v, "d/file-%u", i)));
	EXPECT_EQ(0, rmdir(in(v, "d")));
}

/* An unlinked file that was open goes at the mount after a crash, with all its blocks. */
TEST_F(names, orphans_after_a_crash)
{
	struct volume *v = &self->vol;
	struct statvfs before, after;
	static char data[1 << 20];
	int fd, tmp;

	ASSERT_EQ(0, mkdir(in(v, "d"), 0755));
	sync();
	ASSERT_EQ(0, statvfs(v->dir, &before));
	memset(data, 'o', sizeof(data));
	fd = open(in(v, "d/f"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	tmp = open(v->dir, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
	ASSERT_EQ(sizeof(data), write(fd, data, sizeof(data)));
	ASSERT_EQ(sizeof(data), write(tmp, data, sizeof(data)));
	ASSERT_EQ(0, unlink(in(v, "d/f")));
	ASSERT_EQ(0, fsync(fd));
	ASSERT_EQ(0, fsync(tmp));
	ASSERT_EQ(sizeof(data), pread(fd, data, sizeof(data), 0));
	ASSERT_EQ(0, volume_stop(v));
	close(fd);
	close(tmp);
	ASSERT_EQ(0, volume_remount(v));
	EXPECT_EQ(0, links(in(v, "d/f")));
	sync();
	ASSERT_EQ(0, statvfs(v->dir, &after));
	/* The orphan table may have got its first block, and inodes a chunk. */
	EXPECT_LE(before.f_bfree - 256, after.f_bfree);
}

/* What was acknowledged as synced is there. */
TEST_F(names, synced_names_after_a_crash)
{
	struct volume *v = &self->vol;
	int fd;

	ASSERT_EQ(0, mkdir(in(v, "d"), 0755));
	ASSERT_EQ(0, put(in(v, "d/new"), "new"));
	ASSERT_EQ(0, put(in(v, "d/old"), "old"));
	fd = open(in(v, "d/new"), O_RDWR | O_CLOEXEC);
	ASSERT_EQ(0, fsync(fd));
	ASSERT_EQ(0, rename(in(v, "d/new"), in(v, "d/old")));
	ASSERT_EQ(0, fsync(fd));
	close(fd);
	ASSERT_EQ(0, volume_crash(v));
	EXPECT_TRUE(has(in(v, "d/old"), "new"));
	EXPECT_EQ(0, links(in(v, "d/new")));
}

TEST_HARNESS_MAIN
