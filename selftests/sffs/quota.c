// SPDX-License-Identifier: GPL-2.0-only
/*
 * Quota of users, groups and projects: what is counted, over remounts and crashes too;
 * limits, times of grace, and who may exceed them. fsck.sffs counts all of it again.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/quota.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "kselftest_harness.h"

#include "lib/volume.h"

#define ALL	"local,usrquota,grpquota,prjquota"
#define USER	1000U
#define GROUP	2000U
#define PROJECT	3000U
#define KIB(n)	((n) * 1024ULL)

FIXTURE(quota) {
	struct volume vol;
};

FIXTURE_SETUP(quota)
{
	ASSERT_EQ(0, volume_setup());
	ASSERT_EQ(0, volume_image(&self->vol, "vol", 64));
	ASSERT_EQ(0, volume_format(&self->vol, "-n 2 -J 4M -Q"));
	ASSERT_EQ(0, volume_mount(&self->vol, 0, ALL));
	ASSERT_EQ(0, chmod(self->vol.dir, 0777));
}

FIXTURE_TEARDOWN(quota)
{
	int err = volume_umount(&self->vol);

	EXPECT_EQ(0, err);
	if (!err)
		EXPECT_EQ(0, volume_fsck(&self->vol));
	volume_free(&self->vol);
}

static int control(const struct volume *v, int cmd, int type, uint32_t id, void *arg)
{
	int fd = open(v->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), err;

	err = syscall(SYS_quotactl_fd, fd, QCMD(cmd, type), id, arg) ? -errno : 0;
	close(fd);
	return err;
}

/* Space in KiB and inodes of one, in a number that is easy to compare: SPACE * 1000 + INODES. */
static long long used(const struct volume *v, int type, uint32_t id)
{
	struct if_dqblk d = { };
	int err = control(v, Q_GETQUOTA, type, id, &d);

	return err ?: d.dqb_curspace / 1024 * 1000 + d.dqb_curinodes;
}

static bool all_used(const struct volume *v, long long want)
{
	long long u = used(v, USRQUOTA, USER), g = used(v, GRPQUOTA, GROUP);
	long long p = used(v, PRJQUOTA, PROJECT);

	if (u == want && g == want && p == want)
		return true;
	say("user %lld, group %lld, project %lld, not %lld", u, g, p, want);
	return false;
}

static int limit(const struct volume *v, int type, uint32_t id, uint64_t soft, uint64_t hard,
		 uint64_t isoft, uint64_t ihard)
{
	struct if_dqblk d = {
		.dqb_bsoftlimit = soft, .dqb_bhardlimit = hard, .dqb_isoftlimit = isoft,
		.dqb_ihardlimit = ihard, .dqb_valid = QIF_LIMITS,
	};

	return control(v, Q_SETQUOTA, type, id, &d);
}

static int set_project(const char *file, uint32_t project, bool inherit)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC), err = 0;
	struct fsxattr fa;

	if (fd < 0 || ioctl(fd, FS_IOC_FSGETXATTR, &fa))
		return -errno;
	fa.fsx_projid = project;
	fa.fsx_xflags |= inherit ? FS_XFLAG_PROJINHERIT : 0;
	if (ioctl(fd, FS_IOC_FSSETXATTR, &fa))
		err = -errno;
	close(fd);
	return err;
}

static int make_file(const struct volume *v, const char *name, size_t size)
{
	char *buf = calloc(1, size);
	int fd = open(in(v, "%s", name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	int err = fd < 0 ? -errno : 0;
	ssize_t n;

	while (!err && size) {
		n = write(fd, buf, size);
		if (n < 0)
			err = -errno;
		else
			size -= n;
	}
	close(fd);
	free(buf);
	return err;
}

static int give_away(const struct volume *v, const char *name)
{
	if (chown(in(v, "%s", name), USER, GROUP))
		return -errno;
	return set_project(in(v, "%s", name), PROJECT, false);
}

TEST_F(quota, counts)
{
	struct volume *v = &self->vol;
	char value[3000] = { };

	ASSERT_EQ(0, make_file(v, "big", KIB(64)));
	ASSERT_EQ(0, make_file(v, "inline", 100));
	ASSERT_EQ(0, give_away(v, "big"));
	ASSERT_EQ(0, give_away(v, "inline"));
	EXPECT_TRUE(all_used(v, 64002));
	ASSERT_EQ(0, volume_umount(v));
	ASSERT_EQ(0, volume_fsck(v));
	ASSERT_EQ(0, volume_mount(v, 0, ALL));
	EXPECT_TRUE(all_used(v, 64002));
	ASSERT_EQ(0, truncate(in(v, "big"), KIB(16)));
	ASSERT_EQ(0, setxattr(in(v, "inline"), "user.x", value, sizeof(value), 0));
	EXPECT_TRUE(all_used(v, 20002));
	sync();
	ASSERT_EQ(0, volume_crash(v));
	EXPECT_TRUE(all_used(v, 20002));
	/* An open file counts until it is closed. */
	ASSERT_EQ(0, run("exec 3< %s; rm %s; sync; true", in(v, "big"), in(v, "big")));
	ASSERT_EQ(0, unlink(in(v, "inline")));
	EXPECT_TRUE(all_used(v, 0));
	ASSERT_EQ(0, volume_crash(v));
}

/* Run @fn as the user, who has no privileges; its result. */
static int as_user(const struct volume *v, int (*fn)(const struct volume *v))
{
	int status, err;
	pid_t pid = fork();

	if (!pid) {
		if (setgroups(0, NULL) || setgid(GROUP) || setuid(USER))
			_exit(99);
		_exit(-fn(v));
	}
	waitpid(pid, &status, 0);
	err = WIFEXITED(status) ? -WEXITSTATUS(status) : -EINTR;
	return err;
}

static int write_much(const struct volume *v)
{
	return make_file(v, "much", KIB(1000));
}

static int write_little(const struct volume *v)
{
	return make_file(v, "little", KIB(8));
}

static int allocate(const struct volume *v)
{
	int fd = open(in(v, "allocated"), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);

	return fallocate(fd, 0, 0, KIB(1000)) ? -errno : 0;
}

static int many_files(const struct volume *v)
{
	char name[16];
	int i, err = 0;

	for (i = 0; i < 20 && !err; i++) {
		snprintf(name, sizeof(name), "file-%d", i);
		err = make_file(v, name, 1);
	}
	return err;
}

/* Programs name the device, as /proc/mounts does: quotactl(2) finds the mount by that. */
TEST_F(quota, by_device)
{
	struct volume *v = &self->vol;
	struct if_dqblk d = { };
	struct stat dev, st;

	ASSERT_EQ(0, make_file(v, "file", 1));
	ASSERT_EQ(0, give_away(v, "file"));
	ASSERT_EQ(0, syscall(SYS_quotactl, QCMD(Q_GETQUOTA, USRQUOTA), v->dev, USER, &d));
	EXPECT_EQ(1, d.dqb_curinodes);
	ASSERT_EQ(0, stat(v->dev, &dev));
	ASSERT_EQ(0, stat(v->dir, &st));
	EXPECT_EQ(dev.st_rdev, st.st_dev);
	/* It belongs to nobody again once the volume is unmounted. */
	ASSERT_EQ(0, volume_umount(v));
	EXPECT_EQ(-1, syscall(SYS_quotactl, QCMD(Q_GETQUOTA, USRQUOTA), v->dev, USER, &d));
	EXPECT_EQ(ENODEV, errno);
	ASSERT_EQ(0, volume_mount(v, 0, ALL));
}

static int leave_whiteout(const struct volume *v)
{
	return renameat2(AT_FDCWD, in(v, "file-0"), AT_FDCWD, in(v, "file-1"), RENAME_WHITEOUT) ?
	       -errno : 0;
}

/* What is left in the place of a name is an inode of who renames. */
TEST_F(quota, whiteouts)
{
	struct volume *v = &self->vol;

	ASSERT_EQ(0, make_file(v, "file-0", 1));
	ASSERT_EQ(0, chown(in(v, "file-0"), USER, GROUP));
	ASSERT_EQ(0, limit(v, USRQUOTA, USER, 0, 0, 0, 1));
	EXPECT_EQ(-EDQUOT, as_user(v, leave_whiteout));
	EXPECT_EQ(0, access(in(v, "file-0"), F_OK));
	EXPECT_EQ(-1, access(in(v, "file-1"), F_OK));
	ASSERT_EQ(0, limit(v, USRQUOTA, USER, 0, 0, 0, 2));
	EXPECT_EQ(0, as_user(v, leave_whiteout));
	EXPECT_EQ(0, access(in(v, "file-1"), F_OK));
	EXPECT_EQ(2, used(v, USRQUOTA, USER) % 1000);
}

TEST_F(quota, hard_limits)
{
	static const int types[] = { USRQUOTA, GRPQUOTA };
	static const uint32_t ids[] = { USER, GROUP };
	struct volume *v = &self->vol;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, limit(v, types[i], ids[i], 0, 400, 0, 0));
		EXPECT_EQ(-EDQUOT, as_user(v, write_much));
		EXPECT_GE(400001, used(v, types[i], ids[i]));
		EXPECT_LE(300001, used(v, types[i], ids[i]));
		ASSERT_EQ(0, unlink(in(v, "much")));
		EXPECT_EQ(-EDQUOT, as_user(v, allocate));
		ASSERT_EQ(0, unlink(in(v, "allocated")));
		/* root is not limited, and what is his does not count here. */
		ASSERT_EQ(0, write_much(v));
		ASSERT_EQ(0, unlink(in(v, "much")));
		ASSERT_EQ(0, limit(v, types[i], ids[i], 0, 0, 0, 10));
		EXPECT_EQ(-EDQUOT, as_user(v, many_files));
		EXPECT_EQ(10, used(v, types[i], ids[i]) % 1000);
		ASSERT_EQ(0, run("rm %s/file-*", v->dir));
		EXPECT_EQ(0, used(v, types[i], ids[i]));
		ASSERT_EQ(0, limit(v, types[i], ids[i], 0, 0, 0, 0));
		EXPECT_EQ(0, as_user(v, write_much));
		ASSERT_EQ(0, unlink(in(v, "much")));
	}
	/* Limits that nothing enforces: without the option, and turned off. */
	ASSERT_EQ(0, limit(v, USRQUOTA, USER, 0, 400, 0, 0));
	ASSERT_EQ(0, control(v, Q_QUOTAOFF, USRQUOTA, 0, NULL));
	EXPECT_EQ(0, as_user(v, write_much));
	ASSERT_EQ(0, control(v, Q_QUOTAON, USRQUOTA, QFMT_VFS_V1, (void *)""));
	EXPECT_EQ(-EDQUOT, as_user(v, write_little));
	ASSERT_EQ(0, volume_umount(v));
	ASSERT_EQ(0, volume_mount(v, 0, "local"));
	EXPECT_EQ(0, as_user(v, write_little));
	ASSERT_EQ(0, unlink(in(v, "much")));
}

/* Names that a directory already has room for are no matter of the limit. */
static int many_names(const struct volume *v, const char *verb)
{
	char to[128];
	int i, err = 0;

	for (i = 0; i < 2000 && !err; i++) {
		snprintf(to, sizeof(to), "%s",
			 in(v, "dir/%s-with-a-name-of-some-length-%d", verb, i));
		if (*verb == 'c')
			err = mknod(to, S_IFREG | 0600, 0) ? -errno : 0;
		else if (*verb == 'l')
			err = link(in(v, "dir/one"), to) ? -errno : 0;
		else
			err = (mknod(in(v, "dir/new"), S_IFREG | 0600, 0) && errno != EEXIST) ||
			      rename(in(v, "dir/new"), to) ? -errno : 0;
	}
	return err;
}

static int create_names(const struct volume *v)
{
	return many_names(v, "create");
}

static int link_names(const struct volume *v)
{
	int err = mknod(in(v, "dir/one"), S_IFREG | 0600, 0) ? -errno : 0;

	return err ?: many_names(v, "link");
}

static int rename_names(const struct volume *v)
{
	return many_names(v, "rename");
}

TEST_F(quota, directories)
{
	static int (* const ways[])(const struct volume *) = {
		create_names, link_names, rename_names,
	};
	struct volume *v = &self->vol;
	unsigned int i;

	ASSERT_EQ(0, limit(v, USRQUOTA, USER, 0, 16, 0, 0));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, mkdir(in(v, "dir"), 0777));
		ASSERT_EQ(0, chown(in(v, "dir"), USER, GROUP));
		EXPECT_EQ(-EDQUOT, as_user(v, ways[i]));
		EXPECT_EQ(16, used(v, USRQUOTA, USER) / 1000);
		ASSERT_EQ(0, run("rm -r %s", in(v, "dir")));
	}
}

TEST_F(quota, times_of_grace)
{
	struct if_dqinfo info = { .dqi_bgrace = 1, .dqi_igrace = 100, .dqi_valid = IIF_BGRACE |
				  IIF_IGRACE };
	struct volume *v = &self->vol;
	struct if_dqblk d;

	ASSERT_EQ(0, control(v, Q_SETINFO, USRQUOTA, 0, &info));
	ASSERT_EQ(0, limit(v, USRQUOTA, USER, 400, 4000, 1, 0));
	EXPECT_EQ(0, as_user(v, write_much));
	ASSERT_EQ(0, control(v, Q_GETQUOTA, USRQUOTA, USER, &d));
	EXPECT_NE(0, d.dqb_btime);
	EXPECT_EQ(0, d.dqb_itime);
	sleep(2);
	EXPECT_EQ(-EDQUOT, as_user(v, write_little));
	ASSERT_EQ(0, unlink(in(v, "much")));
	EXPECT_EQ(0, as_user(v, write_little));
	ASSERT_EQ(0, control(v, Q_SYNC, USRQUOTA, 0, NULL));
	ASSERT_EQ(0, control(v, Q_GETQUOTA, USRQUOTA, USER, &d));
	EXPECT_EQ(0, d.dqb_btime);
	ASSERT_EQ(0, volume_umount(v));
	ASSERT_EQ(0, volume_mount(v, 0, ALL));
	memset(&info, 0, sizeof(info));
	ASSERT_EQ(0, control(v, Q_GETINFO, USRQUOTA, 0, &info));
	EXPECT_EQ(1, info.dqi_bgrace);
	EXPECT_EQ(100, info.dqi_igrace);
	ASSERT_EQ(0, control(v, Q_GETQUOTA, USRQUOTA, USER, &d));
	EXPECT_EQ(400, d.dqb_bsoftlimit);
	EXPECT_EQ(4000, d.dqb_bhardlimit);
}

static int write_in_dir(const struct volume *v)
{
	return make_file(v, "dir/big", KIB(1000));
}

TEST_F(quota, projects)
{
	struct volume *v = &self->vol;

	ASSERT_EQ(0, mkdir(in(v, "dir"), 0777));
	ASSERT_EQ(0, chmod(in(v, "dir"), 0777));
	ASSERT_EQ(0, set_project(in(v, "dir"), PROJECT, true));
	ASSERT_EQ(0, mkdir(in(v, "dir/sub"), 0777));
	ASSERT_EQ(0, make_file(v, "dir/sub/file", KIB(8)));
	EXPECT_EQ(8003, used(v, PRJQUOTA, PROJECT));
	/* What comes from another project cannot be linked or moved in, but copied. */
	ASSERT_EQ(0, make_file(v, "other", 1));
	EXPECT_EQ(-1, link(in(v, "other"), in(v, "dir/other")));
	EXPECT_EQ(EXDEV, errno);
	EXPECT_EQ(-1, rename(in(v, "other"), in(v, "dir/other")));
	EXPECT_EQ(EXDEV, errno);
	EXPECT_EQ(0, run("mv %s %s", in(v, "other"), in(v, "dir/other")));
	EXPECT_EQ(8004, used(v, PRJQUOTA, PROJECT));
	ASSERT_EQ(0, limit(v, PRJQUOTA, PROJECT, 0, 100, 0, 0));
	EXPECT_EQ(-EDQUOT, as_user(v, write_in_dir));
	EXPECT_GE(100005, used(v, PRJQUOTA, PROJECT));
}

TEST_F(quota, all_that_have_one)
{
	static const uint32_t ids[] = { 0, 62, 63, 64, 100000, 4000000000U };
	struct volume *v = &self->vol;
	struct if_nextdqblk d = { };
	unsigned int i;

	for (i = 1; i < ARRAY_SIZE(ids); i++)
		ASSERT_EQ(0, limit(v, GRPQUOTA, ids[i], 0, 1000 + i, 0, 0));
	for (i = 0; i < ARRAY_SIZE(ids); i++) {
		ASSERT_EQ(0, control(v, Q_GETNEXTQUOTA, GRPQUOTA, i ? d.dqb_id + 1 : 0, &d));
		EXPECT_EQ(ids[i], d.dqb_id);
		EXPECT_EQ(i ? 1000 + i : 0, d.dqb_bhardlimit);
	}
	EXPECT_EQ(-ENOENT, control(v, Q_GETNEXTQUOTA, GRPQUOTA, d.dqb_id + 1, &d));
	EXPECT_EQ(-EINVAL, limit(v, GRPQUOTA, 0, 0, 1, 0, 0));
}

/* More users than the table of changes has room for. */
TEST_F_TIMEOUT(quota, many_users, 200)
{
	unsigned int i, nr = 2500;
	struct volume *v = &self->vol;

	ASSERT_EQ(0, make_file(v, "file", KIB(4)));
	for (i = 1; i <= nr; i++)
		ASSERT_EQ(0, chown(in(v, "file"), i, i));
	sync();
	ASSERT_EQ(0, volume_crash(v));
	EXPECT_EQ(4001, used(v, USRQUOTA, nr));
	EXPECT_EQ(0, used(v, USRQUOTA, nr - 1));
}

TEST_F(quota, not_kept)
{
	struct volume v = { };

	ASSERT_EQ(0, volume_image(&v, "none", 64));
	ASSERT_EQ(0, volume_format(&v, "-n 1 -J 4M"));
	EXPECT_EQ(-EINVAL, volume_mount(&v, 0, ALL));
	ASSERT_EQ(0, volume_mount(&v, 0, "local,noquota"));
	EXPECT_EQ(-ESRCH, used(&v, USRQUOTA, 0));
	EXPECT_EQ(0, volume_umount(&v));
	volume_free(&v);
}

TEST_HARNESS_MAIN
