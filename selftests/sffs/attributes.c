// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an inode has beside its data: extended attributes, ACLs, times, owners as an
 * idmapped mount shows them, flags, file handles; and freezing.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/mount.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#include "kselftest_harness.h"

#include "lib/volume.h"

FIXTURE(attributes) {
	struct volume vol;
	char file[64];
};

FIXTURE_SETUP(attributes)
{
	int fd;

	ASSERT_EQ(0, volume_setup());
	ASSERT_EQ(0, volume_make(&self->vol, 96));
	snprintf(self->file, sizeof(self->file), "%s", in(&self->vol, "file"));
	fd = open(self->file, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	ASSERT_LE(0, fd);
	close(fd);
}

FIXTURE_TEARDOWN(attributes)
{
	int err = volume_umount(&self->vol);

	EXPECT_EQ(0, err);
	if (!err)
		EXPECT_EQ(0, volume_fsck(&self->vol));
	volume_free(&self->vol);
}

/* A value that tells its size and number. */
static void value(char *buf, size_t size, unsigned int n)
{
	size_t i;

	for (i = 0; i < size; i++)
		buf[i] = 'a' + (i / 7 + size + n) % 26;
}

static bool value_is(const char *file, const char *name, size_t size, unsigned int n)
{
	static char want[XATTR_SIZE_MAX], got[XATTR_SIZE_MAX];

	value(want, size, n);
	return getxattr(file, name, NULL, 0) == (ssize_t)size &&
	       getxattr(file, name, got, sizeof(got)) == (ssize_t)size &&
	       !memcmp(want, got, size);
}

TEST_F(attributes, xattrs)
{
	static const size_t sizes[] = {
		0, 1, 100, 1023, 1024, 1025, 4000, 4048, 4049, 8096, 20000, 60000, 65536,
	};
	static const char * const names[] = { "user.v", "trusted.v", "security.v" };
	static char buf[XATTR_SIZE_MAX];
	unsigned int i, k;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (k = 0; k < ARRAY_SIZE(names); k++) {
			value(buf, sizes[i], k);
			ASSERT_EQ(0, setxattr(self->file, names[k], buf, sizes[i], 0)) {
				say("size %zu: %s", sizes[i], strerror(errno));
			}
			ASSERT_TRUE(value_is(self->file, names[k], sizes[i], k));
		}
	}
	ASSERT_EQ(0, volume_remount(&self->vol));
	for (k = 0; k < ARRAY_SIZE(names); k++)
		ASSERT_TRUE(value_is(self->file, names[k], 65536, k));
	EXPECT_EQ(-1, setxattr(self->file, "user.v", buf, 1, XATTR_CREATE));
	EXPECT_EQ(EEXIST, errno);
	EXPECT_EQ(-1, setxattr(self->file, "user.none", buf, 1, XATTR_REPLACE));
	EXPECT_EQ(ENODATA, errno);
	EXPECT_EQ(-1, getxattr(self->file, "user.v", buf, 10));
	EXPECT_EQ(ERANGE, errno);
	/* Shorter again, one removed, and the other is not touched by that. */
	value(buf, 10, 3);
	ASSERT_EQ(0, setxattr(self->file, "user.v", buf, 10, XATTR_REPLACE));
	ASSERT_EQ(0, removexattr(self->file, "trusted.v"));
	EXPECT_EQ(-1, removexattr(self->file, "trusted.v"));
	EXPECT_EQ(ENODATA, errno);
	ASSERT_EQ(0, volume_remount(&self->vol));
	EXPECT_TRUE(value_is(self->file, "user.v", 10, 3));
	EXPECT_TRUE(value_is(self->file, "security.v", 65536, 2));
}

TEST_F(attributes, many_xattrs)
{
	static char buf[512], list[65536];
	unsigned int i, nr = 150;
	char name[32];

	for (i = 0; i < nr; i++) {
		snprintf(name, sizeof(name), "user.name-%u", i);
		value(buf, 3 * i, i);
		ASSERT_EQ(0, setxattr(self->file, name, buf, 3 * i, XATTR_CREATE));
	}
	for (i = 0; i < nr; i += 2) {
		snprintf(name, sizeof(name), "user.name-%u", i);
		ASSERT_EQ(0, removexattr(self->file, name));
	}
	ASSERT_EQ(0, volume_remount(&self->vol));
	for (i = 0; i < nr; i++) {
		snprintf(name, sizeof(name), "user.name-%u", i);
		ASSERT_EQ(i % 2, value_is(self->file, name, 3 * i, i));
	}
	ASSERT_LT(0, listxattr(self->file, list, sizeof(list)));
	EXPECT_EQ(listxattr(self->file, NULL, 0), listxattr(self->file, list, sizeof(list)));
	EXPECT_EQ(0, unlink(self->file));
}

/* A value that no longer fits leaves the old one; one of the same size always fits. */
TEST_F(attributes, full_of_xattrs)
{
	static char buf[1024];
	unsigned int i, nr = 0;
	char name[32];

	value(buf, 10, 0);
	ASSERT_EQ(0, setxattr(self->file, "user.small", buf, 10, 0));
	for (i = 1; i < 10000; i++) {
		snprintf(name, sizeof(name), "user.%u", i);
		value(buf, 1000, i);
		if (setxattr(self->file, name, buf, 1000, 0))
			break;
		nr = i;
	}
	EXPECT_EQ(ENOSPC, errno);
	ASSERT_LT(100, nr);
	value(buf, 1024, 0);
	EXPECT_EQ(-1, setxattr(self->file, "user.small", buf, 1024, 0));
	EXPECT_EQ(ENOSPC, errno);
	EXPECT_TRUE(value_is(self->file, "user.small", 10, 0));
	value(buf, 1000, nr + 1);
	snprintf(name, sizeof(name), "user.%u", nr);
	EXPECT_EQ(0, setxattr(self->file, name, buf, 1000, 0));
	EXPECT_TRUE(value_is(self->file, name, 1000, nr + 1));
	EXPECT_TRUE(value_is(self->file, "user.1", 1000, 1));
}

/* That a file has none is remembered from write to write, but not for longer. */
TEST_F(attributes, capabilities_go_with_a_write)
{
	static const char name[] = "security.capability";
	static const __le32 cap_v2[] = { 0x02000000, 1, 0, 0, 0 };
	int fd = open(self->file, O_RDWR | O_CLOEXEC), round;

	ASSERT_LE(0, fd);
	for (round = 0; round < 3; round++) {
		ASSERT_EQ(1, pwrite(fd, "a", 1, 0));
		ASSERT_EQ(0, setxattr(self->file, name, cap_v2, sizeof(cap_v2), XATTR_CREATE));
		if (round == 2) {
			close(fd);
			ASSERT_EQ(0, volume_remount(&self->vol));
			fd = open(self->file, O_RDWR | O_CLOEXEC);
			ASSERT_LE(0, fd);
			ASSERT_EQ(20, getxattr(self->file, name, NULL, 0));
		}
		ASSERT_EQ(1, pwrite(fd, "b", 1, 0));
		EXPECT_EQ(-1, getxattr(self->file, name, NULL, 0));
		EXPECT_EQ(ENODATA, errno);
	}
	close(fd);
}

TEST_F(attributes, acls)
{
	const char *dir = in(&self->vol, "dir");
	struct stat st;

	ASSERT_EQ(0, mkdir(dir, 0750));
	ASSERT_EQ(0, run("setfacl -m u:77:rw,g:88:r,m::rw %s", self->file));
	ASSERT_EQ(0, run("setfacl -d -m u:99:rwx %s", dir));
	ASSERT_EQ(0, volume_remount(&self->vol));
	EXPECT_EQ(0, run("getfacl -cn %s | grep -qx 'user:77:rw-'", self->file));
	EXPECT_EQ(0, run("getfacl -cn %s | grep -qx 'group:88:r--'", self->file));
	ASSERT_EQ(0, stat(self->file, &st));
	EXPECT_EQ(0664, st.st_mode & 0777);
	/* A new file inherits, and chmod changes the mask. */
	ASSERT_EQ(0, run("touch %s/f && mkdir %s/d", dir, dir));
	EXPECT_EQ(0, run("getfacl -cn %s/f | grep -q '^user:99:rwx'", dir));
	EXPECT_EQ(0, run("getfacl -cnd %s/d | grep -q '^user:99:rwx'", dir));
	ASSERT_EQ(0, run("chmod 600 %s", self->file));
	EXPECT_EQ(0, run("getfacl -cn %s | grep -qx 'mask::---'", self->file));
	EXPECT_EQ(0, run("setfacl -b %s && getfacl -cn %s | grep -c : | grep -qx 3", self->file,
			 self->file));
}

TEST_F(attributes, times)
{
	/* 1901, before the epoch, now or so, 2038 and on, 2446. */
	static const int64_t seconds[] = {
		-2147483648LL, -1, 0, 1700000000, 2147483648LL, 4294967296LL, 0x37fffffffLL,
	};
	struct timespec ts[2];
	struct stat st;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(seconds); i++) {
		/* The first and the last second there is have no fraction. */
		bool whole = !i || i == ARRAY_SIZE(seconds) - 1;

		ts[0] = (struct timespec){ seconds[i], whole ? 0 : 999999999 };
		ts[1] = (struct timespec){ seconds[i], whole ? 0 : 1 };
		ASSERT_EQ(0, utimensat(AT_FDCWD, self->file, ts, 0));
		ASSERT_EQ(0, volume_remount(&self->vol));
		ASSERT_EQ(0, stat(self->file, &st));
		EXPECT_EQ(seconds[i], st.st_atim.tv_sec);
		EXPECT_EQ(ts[0].tv_nsec, st.st_atim.tv_nsec);
		EXPECT_EQ(seconds[i], st.st_mtim.tv_sec);
		EXPECT_EQ(ts[1].tv_nsec, st.st_mtim.tv_nsec);
	}
	/* What cannot be kept is clamped, as on every filesystem. */
	ts[0] = (struct timespec){ 1LL << 40, 5 };
	ts[1] = ts[0];
	ASSERT_EQ(0, utimensat(AT_FDCWD, self->file, ts, 0));
	ASSERT_EQ(0, stat(self->file, &st));
	EXPECT_EQ(0x37fffffffLL, st.st_mtim.tv_sec);
}

TEST_F(attributes, statx)
{
	struct statx stx, later;

	ASSERT_EQ(0, statx(AT_FDCWD, self->file, 0, STATX_ALL | 0x2000, &stx));
	EXPECT_TRUE(stx.stx_mask & STATX_BTIME);
	EXPECT_LT(0, stx.stx_btime.tv_sec);
	EXPECT_TRUE(stx.stx_mask & 0x2000);
	/* stx_dio_mem_align and stx_dio_offset_align, which an older libc does not name */
	EXPECT_LT(0, ((uint32_t *)&stx)[38]);
	EXPECT_EQ(512, ((uint32_t *)&stx)[39]);
	usleep(50000);		/* the clock of timestamps is coarse */
	ASSERT_EQ(0, chmod(self->file, 0600));
	ASSERT_EQ(0, volume_remount(&self->vol));
	ASSERT_EQ(0, statx(AT_FDCWD, self->file, 0, STATX_ALL, &later));
	EXPECT_EQ(stx.stx_btime.tv_sec, later.stx_btime.tv_sec);
	EXPECT_EQ(stx.stx_btime.tv_nsec, later.stx_btime.tv_nsec);
	EXPECT_NE(0, memcmp(&stx.stx_ctime, &later.stx_ctime, sizeof(stx.stx_ctime)));
}

TEST_F(attributes, flags)
{
	int fd = open(self->file, O_RDWR | O_CLOEXEC), flags = FS_IMMUTABLE_FL;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ioctl(fd, FS_IOC_SETFLAGS, &flags));
	EXPECT_EQ(-1, open(self->file, O_RDWR | O_CLOEXEC));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(-1, unlink(self->file));
	flags = FS_APPEND_FL;
	ASSERT_EQ(0, ioctl(fd, FS_IOC_SETFLAGS, &flags));
	close(fd);
	ASSERT_EQ(0, volume_remount(&self->vol));
	EXPECT_EQ(-1, open(self->file, O_WRONLY | O_CLOEXEC));
	fd = open(self->file, O_WRONLY | O_APPEND | O_CLOEXEC);
	EXPECT_LE(0, fd);
	ASSERT_EQ(0, ioctl(fd, FS_IOC_GETFLAGS, &flags));
	EXPECT_EQ(FS_APPEND_FL, flags);
	flags = FS_COMPR_FL;
	EXPECT_EQ(-1, ioctl(fd, FS_IOC_SETFLAGS, &flags));
	EXPECT_EQ(EOPNOTSUPP, errno);
	close(fd);
}

TEST_F(attributes, handles)
{
	union {
		struct file_handle h;
		char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	} u = { .h.handle_bytes = MAX_HANDLE_SZ }, bad;
	int id, dir, fd;

	ASSERT_EQ(0, name_to_handle_at(AT_FDCWD, self->file, &u.h, &id, 0));
	ASSERT_EQ(0, volume_remount(&self->vol));
	dir = open(self->vol.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ASSERT_LE(0, dir);
	fd = open_by_handle_at(dir, &u.h, O_RDWR);
	EXPECT_LE(0, fd);
	close(fd);
	/* Handles come from outside: any number, and one that was deleted. */
	for (id = 0; id < 200; id++) {
		uint64_t state = 777 + id, r = rnd(&state);

		bad = u;
		memcpy(bad.h.f_handle, &r, id % 9);
		fd = open_by_handle_at(dir, &bad.h, O_RDONLY);
		if (fd >= 0)
			close(fd);
		else
			EXPECT_EQ(ESTALE, errno);
	}
	ASSERT_EQ(0, unlink(self->file));
	EXPECT_EQ(-1, open_by_handle_at(dir, &u.h, O_RDONLY));
	EXPECT_EQ(ESTALE, errno);
	close(dir);
}

static int user_namespace(pid_t *child)
{
	char path[64];
	int ready[2], fd;
	char c;

	if (pipe2(ready, O_CLOEXEC))
		return -errno;
	*child = fork();
	if (*child < 0)
		return -errno;
	if (!*child) {
		if (!unshare(CLONE_NEWUSER) && write(ready[1], "", 1) == 1)
			pause();
		_exit(0);
	}
	close(ready[1]);
	if (read(ready[0], &c, 1) != 1)
		return -EIO;
	close(ready[0]);
	snprintf(path, sizeof(path), "/proc/%d/ns/user", *child);
	if (run("echo 0 1000 100 > /proc/%d/uid_map && echo 0 1000 100 > /proc/%d/gid_map",
		*child, *child))
		return -EIO;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

TEST_F(attributes, idmapped_mount)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP };
	struct stat st;
	pid_t child;
	int userns, tree;

	ASSERT_EQ(0, chown(self->file, 5, 6));
	userns = user_namespace(&child);
	ASSERT_LE(0, userns);
	attr.userns_fd = userns;
	tree = syscall(SYS_open_tree, AT_FDCWD, self->vol.dir, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	ASSERT_LE(0, tree);
	ASSERT_EQ(0, syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)));
	ASSERT_EQ(0, fstatat(tree, "file", &st, 0));
	EXPECT_EQ(1005, st.st_uid);
	EXPECT_EQ(1006, st.st_gid);
	/* And back: what 1007 owns there is 7's on the disk. */
	ASSERT_EQ(0, fchownat(tree, "file", 1007, 1008, 0));
	ASSERT_EQ(0, stat(self->file, &st));
	EXPECT_EQ(7, st.st_uid);
	EXPECT_EQ(8, st.st_gid);
	close(tree);
	close(userns);
	kill(child, SIGKILL);
}

/* While frozen the disk does not change, and a writer waits. */
TEST_F(attributes, freeze)
{
	int fd = open(self->vol.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct volume copy = { };
	pid_t writer;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, run("echo text > %s", self->file));
	ASSERT_EQ(0, ioctl(fd, FIFREEZE, 0));
	writer = fork();
	if (!writer)
		_exit(run("echo more > %s", self->file));
	usleep(300000);
	EXPECT_EQ(0, waitpid(writer, NULL, WNOHANG));
	/* What an array's snapshot has then needs no replay. */
	ASSERT_EQ(0, volume_copy(&copy, "copy", &self->vol));
	EXPECT_EQ(0, volume_mount(&copy, 0, "local"));
	EXPECT_EQ(0, run("grep -qx text %s", in(&copy, "file")));
	EXPECT_EQ(0, volume_umount(&copy));
	EXPECT_EQ(0, volume_fsck(&copy));
	volume_free(&copy);
	EXPECT_EQ(-1, ioctl(fd, FIFREEZE, 0));
	ASSERT_EQ(0, ioctl(fd, FITHAW, 0));
	EXPECT_EQ(writer, waitpid(writer, NULL, 0));
	EXPECT_EQ(0, run("grep -qx more %s", self->file));
	close(fd);
}

TEST_HARNESS_MAIN
