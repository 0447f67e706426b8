// SPDX-License-Identifier: GPL-2.0-only
/*
 * A mounted volume as its administrator sees it: growing it, with files in use and through
 * crashes; owners of disks; and what the program sffs prints of space, slots and locks, and
 * of events.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <linux/sffs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"

#include "lib/volume.h"

#define MIB	(1ULL << 20)

FIXTURE(live) {
	struct volume vol;
};

FIXTURE_SETUP(live)
{
	ASSERT_EQ(0, volume_setup());
	/* The second group is short. */
	ASSERT_EQ(0, volume_image(&self->vol, "vol", 60));
	ASSERT_EQ(0, volume_format(&self->vol, "-n 2 -J 4M -g 32M -L disks"));
	ASSERT_EQ(0, volume_mount(&self->vol, 0, "local"));
}

FIXTURE_TEARDOWN(live)
{
	volume_free(&self->vol);
}

/* The program, with its output in /run/sffs-out. */
static int sffs(const char *fmt, ...)
{
	const char *build = getenv("ASV_BUILD");
	char args[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(args, sizeof(args), fmt, ap);
	va_end(ap);
	return run("%s%ssffs %s > /run/sffs-out 2>&1", build ?: "", build ? "/user/" : "", args);
}

static bool printed(const char *pattern)
{
	if (!run("grep -Eq '%s' /run/sffs-out", pattern))
		return true;
	say("no '%s' in:", pattern);
	run("sed 's/^/# /' /run/sffs-out");
	return false;
}

/* Make the image, and the loop device that has it, larger. */
static int enlarge(struct volume *v, uint64_t mib)
{
	int fd, err;

	if (ftruncate(v->fd, mib * MIB))
		return -errno;
	fd = open(v->dev, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = ioctl(fd, LOOP_SET_CAPACITY, 0) ? -errno : 0;
	close(fd);
	return err;
}

static uint64_t free_mib(struct volume *v)
{
	struct statfs st;

	return statfs(v->dir, &st) ? 0 : st.f_bfree * st.f_bsize / MIB;
}

/* Random data, whose sum is kept in /run/sum. */
static bool write_file(struct volume *v, const char *name, unsigned int mib)
{
	const char *path = in(v, "%s", name);

	return !run("dd if=/dev/urandom of=%s bs=1M count=%u status=none", path, mib) &&
	       !run("sha1sum %s >> /run/sum", path);
}

TEST_F_TIMEOUT(live, grow, 120)
{
	uint64_t before = free_mib(&self->vol);

	unlink("/run/sum");
	ASSERT_TRUE(write_file(&self->vol, "old", 5));
	EXPECT_EQ(0, sffs("grow %s", self->vol.dir));
	EXPECT_TRUE(printed("has 60 MiB already"));
	ASSERT_EQ(0, enlarge(&self->vol, 200));
	EXPECT_EQ(0, sffs("grow %s 100M", self->vol.dir));
	EXPECT_TRUE(printed("grown to 100 MiB"));
	EXPECT_EQ(0, sffs("grow %s", self->vol.dir));
	EXPECT_TRUE(printed("grown to 200 MiB"));
	EXPECT_GE(free_mib(&self->vol), before + 134);
	/* More than there was before, so it is in the new groups. */
	EXPECT_TRUE(write_file(&self->vol, "new", before + 40));
	ASSERT_EQ(0, volume_remount(&self->vol));
	EXPECT_EQ(0, run("sha1sum --quiet -c /run/sum"));
	ASSERT_EQ(0, volume_umount(&self->vol));
	EXPECT_EQ(0, volume_fsck(&self->vol));
	ASSERT_EQ(0, volume_mount(&self->vol, 0, "local"));
}

TEST_F(live, grow_what_cannot)
{
	struct sffs_grow grow = { .blocks = 1000 };
	int fd = open(self->vol.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	ASSERT_LE(0, fd);
	EXPECT_EQ(-1, ioctl(fd, SFFS_IOC_GROW, &grow));
	EXPECT_EQ(EINVAL, errno);
	grow.blocks = 1ULL << 40;
	EXPECT_EQ(-1, ioctl(fd, SFFS_IOC_GROW, &grow));
	EXPECT_EQ(ENOSPC, errno);
	ASSERT_EQ(0, enlarge(&self->vol, 200));
	ASSERT_EQ(0, mount(NULL, self->vol.dir, NULL, MS_REMOUNT | MS_RDONLY, "local"));
	grow.blocks = 0;
	EXPECT_EQ(-1, ioctl(fd, SFFS_IOC_GROW, &grow));
	EXPECT_EQ(EROFS, errno);
	close(fd);
	EXPECT_EQ(1, sffs("grow %s 10G", "/run"));
	EXPECT_TRUE(printed("not on an SFFS volume"));
}

/* The power fails at once after a growth: the volume has the new size, and is whole. */
TEST_F_TIMEOUT(live, grow_crash, 120)
{
	uint64_t before = free_mib(&self->vol);
	struct volume copy = { };

	ASSERT_EQ(0, run("for i in $(seq 200); do echo $i > %s/$i; done; sync %s/1", self->vol.dir,
			 self->vol.dir));
	ASSERT_EQ(0, enlarge(&self->vol, 130));
	ASSERT_EQ(0, sffs("grow %s", self->vol.dir));
	ASSERT_EQ(0, volume_stop(&self->vol));
	ASSERT_EQ(0, volume_copy(&copy, "copy", &self->vol));
	EXPECT_EQ(0, volume_fsck(&copy));
	ASSERT_EQ(0, volume_mount(&copy, 0, "local"));
	EXPECT_GE(free_mib(&copy), before + 60);
	EXPECT_EQ(0, run("test $(ls %s | wc -l) = 200", copy.dir));
	EXPECT_EQ(0, volume_umount(&copy));
	EXPECT_EQ(0, volume_fsck(&copy));
	volume_free(&copy);
}

/* Files come and go meanwhile. */
TEST_F_TIMEOUT(live, grow_busy, 120)
{
	unsigned int mib;
	pid_t pid = fork();

	if (!pid) {
		const char *d = in(&self->vol, "d");

		while (!run("mkdir -p %s; for i in $(seq 40); do head -c 100k /dev/zero > %s/$i; "
			    "done && rm -r %s", d, d, d))
			;
		_exit(1);
	}
	ASSERT_LT(0, pid);
	for (mib = 80; mib <= 400; mib += 20) {
		ASSERT_EQ(0, enlarge(&self->vol, mib));
		EXPECT_EQ(0, sffs("grow %s", self->vol.dir));
	}
	EXPECT_EQ(0, waitpid(pid, NULL, WNOHANG));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	/* Its shell ends by itself. */
	while (volume_umount(&self->vol) == -EBUSY)
		usleep(100000);
	EXPECT_EQ(0, volume_fsck(&self->vol));
	ASSERT_EQ(0, volume_mount(&self->vol, 0, "local"));
	EXPECT_GE(free_mib(&self->vol), 340);
}

TEST_F_TIMEOUT(live, owner, 120)
{
	const char *disk = in(&self->vol, "disk");
	struct stat st;
	struct sffs_owner_info owner = { 0 };
	int fd;

	ASSERT_EQ(0, run("echo > %s", disk));
	EXPECT_EQ(0, sffs("owner %s", disk));
	EXPECT_TRUE(printed("disk: nobody"));
	fd = open(disk, O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-1, ioctl(fd, SFFS_IOC_TAKE_OWNER));
	EXPECT_EQ(EBADF, errno);
	EXPECT_EQ(0, sffs("owner --take %s", disk));
	EXPECT_EQ(0, sffs("owner --take %s", disk));
	ASSERT_EQ(0, ioctl(fd, SFFS_IOC_GET_OWNER, &owner));
	EXPECT_EQ(1, owner.mode);
	EXPECT_EQ(SFFS_OWNED_HERE, owner.flags);
	EXPECT_EQ(0, owner.slot);
	close(fd);
	EXPECT_EQ(0, run("test \"$(uname -n)\" = '%s'", owner.host));
	fd = open(self->vol.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, stat(disk, &st));
	owner = (struct sffs_owner_info){ .ino = st.st_ino };
	EXPECT_EQ(0, ioctl(fd, SFFS_IOC_GET_OWNER, &owner));
	EXPECT_EQ(SFFS_OWNED_HERE, owner.flags);
	owner.ino = 12345;
	EXPECT_EQ(-1, ioctl(fd, SFFS_IOC_GET_OWNER, &owner));
	EXPECT_EQ(ESTALE, errno);
	close(fd);
	EXPECT_EQ(0, sffs("owner --json %s", disk));
	EXPECT_TRUE(printed("\"owned\":true.*\"here\":true"));
	/* The owner itself may do all. */
	EXPECT_EQ(0, run("echo more >> %s && truncate -s 1M %s", disk, disk));
	EXPECT_EQ(0, sffs("owner --release %s", disk));
	EXPECT_EQ(0, sffs("owner %s", disk));
	EXPECT_TRUE(printed("nobody"));
	EXPECT_EQ(1, sffs("owner %s", self->vol.dir));
	EXPECT_TRUE(printed("only a regular file"));
	/* After a crash the owner's incarnation is dead, so it is none. */
	EXPECT_EQ(0, sffs("owner --take %s", disk));
	ASSERT_EQ(0, run("sync %s", disk));
	ASSERT_EQ(0, volume_crash(&self->vol));
	EXPECT_EQ(0, sffs("owner %s", disk));
	EXPECT_TRUE(printed("nobody"));
	EXPECT_EQ(0, sffs("owner --take %s", disk));
	EXPECT_EQ(0, run("rm %s", disk));
}

TEST_F_TIMEOUT(live, lists, 120)
{
	int fd;

	EXPECT_EQ(0, sffs("df"));
	EXPECT_TRUE(printed(" disks$"));
	EXPECT_EQ(0, sffs("df --json %s", self->vol.dir));
	EXPECT_TRUE(printed("\"label\":\"disks\",\"size\":[0-9]+,\"used\":[0-9]+,\"free\":[0-9]+"));
	EXPECT_EQ(0, run("python3 -m json.tool /run/sffs-out > /dev/null"));
	EXPECT_EQ(0, sffs("nodes %s", self->vol.dir));
	EXPECT_TRUE(printed("^   0  live .*\\(this host\\)"));
	EXPECT_TRUE(printed("^   1  free "));
	EXPECT_EQ(0, sffs("nodes --json %s", self->vol.dir));
	EXPECT_EQ(0, run("python3 -m json.tool /run/sffs-out > /dev/null"));
	fd = open(in(&self->vol, "file"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, sffs("locks %s", self->vol.dir));
	EXPECT_TRUE(printed("^group +0  exclusive +0 +0"));
	EXPECT_TRUE(printed("^open +[0-9]+  exclusive +1 +0"));
	close(fd);
	EXPECT_EQ(0, sffs("locks --json %s", self->vol.dir));
	EXPECT_FALSE(!run("grep -q '\"type\":\"open\"' /run/sffs-out"));
	EXPECT_EQ(0, run("python3 -m json.tool /run/sffs-out > /dev/null"));
	EXPECT_EQ(2, sffs("nodes"));
	EXPECT_EQ(2, sffs("frobnicate"));
	EXPECT_EQ(1, sffs("nodes /run"));
}

/* Wait until a command succeeds, five seconds at most. */
static bool wait_for(const char *cmd)
{
	int i;

	for (i = 0; i < 50 && run("%s", cmd); i++)
		usleep(100000);
	return i < 50;
}

/* A listener sees what happens, in order. */
TEST_F_TIMEOUT(live, events, 120)
{
	const char *build = getenv("ASV_BUILD") ?: "";

	ASSERT_EQ(0, enlarge(&self->vol, 100));
	ASSERT_EQ(0, run("%s/user/sffs events --json -c 3 %s > /run/sffs-events &", build,
			 self->vol.dir));
	/* It holds the volume until it has found out its UUID, and listens soon after. */
	wait_for("awk '$2 == 16 && $4 !~ /^0*$/ { n++ } END { exit !n }' /proc/net/netlink");
	ASSERT_EQ(0, sffs("grow %s", self->vol.dir));
	ASSERT_EQ(0, volume_crash(&self->vol));
	EXPECT_TRUE(wait_for("test $(wc -l < /run/sffs-events) -ge 3"));
	run("grep -o 'event\":\"[a-z]*' /run/sffs-events | tr '\\n\"' '  ' > /run/sffs-out");
	EXPECT_TRUE(printed("^event : grown event : shutdown event : unmount $"));
}

TEST_HARNESS_MAIN
