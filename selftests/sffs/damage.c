// SPDX-License-Identifier: GPL-2.0-only
/*
 * A volume with one field of its metadata changed, the checksum made right: it is
 * mounted, or refused; all of it is looked at, read, changed and deleted, with whatever
 * errors. The kernel has to stay whole, and nothing may hang. Each kernel gets other
 * images of one series.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <sys/xattr.h>
#include <time.h>

#include "kselftest_harness.h"

#include "lib/volume.h"

#include "../sffs-progs/image.h"

#define TARGETS_MAX	1024U
#define ENTRIES_MAX	300U	/* names looked at on one volume */
#define DEPTH_MAX	8U
#define CHUNK		65536U

FIXTURE(damage) {
	struct volume vol, base, work;
	struct image im;
	char path[64];
};

static int write_at(const char *path, const void *data, size_t len, off_t at)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	int err = fd < 0 || pwrite(fd, data, len, at) != (ssize_t)len ? -errno : 0;

	close(fd);
	return err;
}

/* Trees of extents and of names, attributes of each size, symlinks of both kinds. */
static int make_content(const struct volume *v)
{
	static char data[CHUNK];
	unsigned int i;
	int err = 0;

	memset(data, 'd', sizeof(data));
	data[4000] = '\0';
	if (mkdir(in(v, "many"), 0755) || mkdir(in(v, "a"), 0755) || mkdir(in(v, "a/b"), 0755) ||
	    symlink("target", in(v, "a/short")) || symlink(data, in(v, "a/long")) ||
	    mkfifo(in(v, "a/fifo"), 0600))
		return -errno;
	for (i = 0; i < 60 && !err; i++)
		err = mknod(in(v, "many/%0120u", i), S_IFREG | 0644, 0) ? -errno : 0;
	for (i = 0; i < 120 && !err; i++)
		err = write_at(in(v, "holes"), data, 4096, i * 8192);
	err = err ?: write_at(in(v, "a/b/data"), data, sizeof(data), 0) ?:
	      write_at(in(v, "a/b/small"), data, 100, 0);
	if (err || link(in(v, "a/b/data"), in(v, "hard")) ||
	    setxattr(in(v, "a/b/data"), "user.small", data, 10, 0) ||
	    setxattr(in(v, "a/b/data"), "user.middle", data, 700, 0) ||
	    setxattr(in(v, "a/b/data"), "user.middle2", data, 700, 0) ||
	    setxattr(in(v, "a/b/data"), "user.big", data, 9000, 0))
		return err ?: -errno;
	return 0;
}

/* The volume as it is while in use: files that are open and have no name, a live slot. */
static int copy_in_use(struct volume *base, const struct volume *v)
{
	int dir = open(v->dir, O_RDONLY | O_CLOEXEC), file, err;

	err = write_at(in(v, "gone"), "text", 4, 200000);
	file = open(in(v, "gone"), O_RDWR | O_CLOEXEC);
	if (err || dir < 0 || file < 0 || setxattr(in(v, "gone"), "user.x", v, sizeof(*v), 0) ||
	    unlink(in(v, "gone")) || ioctl(dir, FIFREEZE, 0))
		return err ?: -errno;
	err = volume_copy(base, "base", v);
	ioctl(dir, FITHAW, 0);
	close(file);
	close(dir);
	return err;
}

FIXTURE_SETUP(damage)
{
	self->base.fd = -1;
	self->work.fd = -1;
	ASSERT_EQ(0, volume_setup());
	ASSERT_EQ(0, volume_image(&self->vol, "vol", 40));
	/* A short lease: some of the images say that another host is alive. */
	ASSERT_EQ(0, volume_format(&self->vol, "-n 2 -J 4M -g 16M -l 2"));
	ASSERT_EQ(0, volume_mount(&self->vol, 0, "local"));
	ASSERT_EQ(0, make_content(&self->vol));
	ASSERT_EQ(0, copy_in_use(&self->base, &self->vol));
	ASSERT_EQ(0, volume_umount(&self->vol));
	snprintf(self->path, sizeof(self->path), "/proc/%d/fd/%d", getpid(), self->base.fd);
	image_load(&self->im, self->path);
}

FIXTURE_TEARDOWN(damage)
{
	image_free(&self->im);
	volume_free(&self->work);
	volume_free(&self->base);
	volume_free(&self->vol);
}

/* ---- What is done to a volume. Errors are of no matter. ---- */

static void read_file(const char *path)
{
	static char buf[CHUNK];
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	off_t at = 0;
	unsigned int i;

	if (fd < 0)
		return;
	for (i = 0; i < 4 && read(fd, buf, sizeof(buf)) > 0; i++)
		;
	for (i = 0; i < 40 && at >= 0; i++) {
		at = lseek(fd, at, i % 2 ? SEEK_HOLE : SEEK_DATA);
		if (at >= 0 && !(i % 2) && pread(fd, buf, sizeof(buf), at) < 0)
			break;
	}
	close(fd);
}

static void read_attributes(const char *path)
{
	char names[4096], value[16384];
	ssize_t len = llistxattr(path, names, sizeof(names)), i;

	for (i = 0; i < len; i += strlen(names + i) + 1)
		if (lgetxattr(path, names + i, value, sizeof(value)) < 0 && errno == ERANGE)
			break;
	if (readlink(path, value, sizeof(value)) < 0)
		return;
}

static void change_file(const char *path, unsigned int n)
{
	static const int modes[] = {
		FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_ZERO_RANGE, FALLOC_FL_COLLAPSE_RANGE, FALLOC_FL_INSERT_RANGE,
	};
	static char data[9000];
	int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return;
	if (pwrite(fd, data, sizeof(data), n % 3 * 50000) < 0 ||
	    fallocate(fd, modes[n % 5], 4096 * (n % 7), 4096 * (1 + n % 11)) ||
	    fsetxattr(fd, "user.new", data, n % 2 ? 200 : 8000, 0) || fsync(fd) ||
	    (n % 4 == 0 && ftruncate(fd, 5000)))
		errno = 0;
	close(fd);
}

static void change_directory(const char *path, unsigned int n)
{
	char a[4400], b[4400];

	snprintf(a, sizeof(a), "%s/new file %u", path, n);
	snprintf(b, sizeof(b), "%s/new name %u", path, n);
	write_at(a, a, 100, 0);
	if (rename(a, b) || symlink("x", a) || unlink(a) || mkdir(a, 0700))
		errno = 0;
}

struct walk {
	unsigned int seen;
	bool change, remove;
};

static void walk(struct walk *w, const char *path, unsigned int depth)
{
	DIR *d = opendir(path);
	struct dirent *e;

	while (d && w->seen < ENTRIES_MAX && (e = readdir(d))) {
		char name[4400];
		struct stat st;

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		w->seen++;
		snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
		if (lstat(name, &st))
			st.st_mode = 0;
		if (S_ISDIR(st.st_mode) && depth < DEPTH_MAX)
			walk(w, name, depth + 1);
		if (w->remove) {
			remove(name);
			continue;
		}
		read_attributes(name);
		if (!S_ISREG(st.st_mode))
			continue;
		/* All of the many names are alike. */
		if (st.st_size || w->seen % 16 == 0)
			read_file(name);
		if (w->change && (st.st_size || w->seen % 16 == 0))
			change_file(name, w->seen);
	}
	if (d)
		closedir(d);
	if (w->change)
		change_directory(path, w->seen);
}

static void use(struct volume *v, unsigned int round)
{
	static const struct walk kinds[] = { { 0 }, { .change = true }, { .remove = true } };
	struct statvfs st;
	unsigned int i;

	if (volume_mount(v, round % 16 ? 0 : MS_RDONLY, "local"))
		return;
	for (i = 0; i < 3; i++) {
		struct walk w = kinds[i];

		walk(&w, v->dir, 0);
		if (statvfs(v->dir, &st))
			say("statvfs: %s", strerror(errno));
	}
	if (!(round % 4))
		volume_stop(v);
	umount(v->dir);
}

/* In a task of its own, which gets @seconds and must then die at once. */
static int use_bounded(struct volume *v, unsigned int round, unsigned int seconds)
{
	static const struct timespec tick = { .tv_nsec = 20000000 };
	time_t end = time(NULL) + seconds;
	bool killed = false;
	int status;
	pid_t pid = fork();

	if (!pid) {
		use(v, round);
		_exit(0);
	}
	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (time(NULL) > end + 60)
			return -ETIMEDOUT;
		if (!killed && time(NULL) > end) {
			killed = true;
			kill(pid, SIGKILL);
		}
		nanosleep(&tick, NULL);
	}
	if (killed)
		umount(v->dir);
	return !killed && (!WIFEXITED(status) || WEXITSTATUS(status)) ? -ECHILD : 0;
}

static bool one_image(struct volume *base, struct volume *work, struct image *im, const char *path,
		      unsigned int round)
{
	struct target t[TARGETS_MAX];
	size_t nr = image_targets(t, TARGETS_MAX), b;
	char what[160];
	int err;

	im->random = (round + 1) * 0x9e3779b97f4a7c15ULL;
	if (!image_mutate(im, &t[round % nr], what, sizeof(what)))
		return true;
	err = volume_copy(work, "work", base);
	for (b = 0; b < im->bytes / SFFS_BLOCK_SIZE && !err; b++)
		if (im->changed[b] && pwrite(work->fd, im->data + b * SFFS_BLOCK_SIZE,
					     SFFS_BLOCK_SIZE, b * SFFS_BLOCK_SIZE) < 0)
			err = -errno;
	image_restore(im, path);
	if (!err)
		err = use_bounded(work, round, on_debug() ? 60 : 20);
	volume_free(work);
	if (err)
		say("round %u: %s: %s", round, what, strerror(-err));
	return !err;
}

/* 300 images of a series on the three kernels; 5,000 on two in the long check. */
static unsigned int rounds_here(unsigned int *first)
{
	struct utsname u;
	bool older = !uname(&u) && !strncmp(u.release, "6.1.", 4);

	*first = 0;
	if (on_debug())
		return 12;
	if (want_long()) {
		*first = older ? 2500 : 0;
		return 2500;
	}
	*first = older ? 156 : 12;
	return 144;
}

TEST_F_TIMEOUT(damage, a_field_of_each_structure, 20000)
{
	unsigned int first, rounds = rounds_here(&first), i;

	for (i = first; i < first + rounds; i++)
		ASSERT_TRUE(one_image(&self->base, &self->work, &self->im, self->path, i));
}

/* ---- Trees that are right block by block, and out of order ---- */

/* The first leaf of a kind with so many entries. */
static uint8_t *find_leaf(const struct image *im, uint32_t magic, unsigned int entries,
			  uint64_t *block)
{
	size_t i;

	for (i = 0; i < im->nr_blocks; i++) {
		uint8_t *data = im->data + im->block[i] * SFFS_BLOCK_SIZE;
		const struct sffs_header *h = (void *)data;
		const struct sffs_node_head *head = (void *)(h + 1);

		if (le32toh(h->magic) != magic || le16toh(head->count) < entries)
			continue;
		*block = im->block[i];
		return data;
	}
	return NULL;
}

static int write_back(struct image *im, const struct volume *base, struct volume *work,
		      uint64_t block)
{
	uint8_t *data = im->data + block * SFFS_BLOCK_SIZE;

	sffs_set_crc(data, SFFS_BLOCK_SIZE, im->vol.seed);
	return volume_copy(work, "work", base) ?:
	       pwrite(work->fd, data, SFFS_BLOCK_SIZE, block * SFFS_BLOCK_SIZE) < 0 ? -errno : 0;
}

/* Blocks of a group's own metadata are no file's. */
TEST_F(damage, extent_over_metadata)
{
	uint64_t block = 0, start = self->im.vol.geo.first_group_block;
	uint8_t *leaf = find_leaf(&self->im, SFFS_MAGIC_EXTENTS, 10, &block);
	struct sffs_extent *e;
	char buf[16];
	int fd;

	ASSERT_NE(NULL, leaf);
	e = (void *)(leaf + sizeof(struct sffs_header) + sizeof(struct sffs_node_head));
	e[3].block = htole64(start + SFFS_GROUP_BITMAP);
	ASSERT_EQ(0, write_back(&self->im, &self->base, &self->work, block));
	ASSERT_EQ(0, volume_mount(&self->work, 0, "local"));
	fd = open(in(&self->work, "holes"), O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-1, pread(fd, buf, sizeof(buf),
			    le64toh(e[3].file_block) << SFFS_BLOCK_SHIFT));
	close(fd);
	EXPECT_EQ(0, volume_umount(&self->work));
}

TEST_F(damage, extents_out_of_order)
{
	struct sffs_extent *e;
	uint64_t block = 0;
	uint8_t *leaf = find_leaf(&self->im, SFFS_MAGIC_EXTENTS, 10, &block);
	int fd;

	ASSERT_NE(NULL, leaf);
	e = (void *)(leaf + sizeof(struct sffs_header) + sizeof(struct sffs_node_head));
	e[3].file_block = e[7].file_block;
	ASSERT_EQ(0, write_back(&self->im, &self->base, &self->work, block));
	ASSERT_EQ(0, volume_mount(&self->work, 0, "local"));
	fd = open(in(&self->work, "holes"), O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-1, lseek(fd, le64toh(e[5].file_block) << SFFS_BLOCK_SHIFT, SEEK_HOLE));
	EXPECT_EQ(EUCLEAN, errno);
	EXPECT_EQ(-1, fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 1 << 20));
	close(fd);
	EXPECT_EQ(0, volume_umount(&self->work));
}

/* The entry with the smallest key of a directory leaf; NULL if the block is none. */
static struct sffs_dirent *first_entry(const struct image *im, uint64_t block)
{
	struct sffs_header *h = (void *)(im->data + block * SFFS_BLOCK_SIZE);
	struct sffs_dir_head *head = (void *)(h + 1);
	uint16_t off;

	if (le32toh(h->magic) != SFFS_MAGIC_DIR || !head->count)
		return NULL;
	memcpy(&off, head + 1, sizeof(off));
	return (void *)((uint8_t *)head + le16toh(off));
}

/* A key below those of the leaf before: a reader that goes on from it would never end. */
TEST_F(damage, names_out_of_order)
{
	struct sffs_dirent *last = NULL;
	struct image *im = &self->im;
	unsigned int n = 0;
	uint64_t block = 0;
	size_t i;
	DIR *d;

	/* Of the leaves of the large directory the last. */
	for (i = 0; i < im->nr_blocks; i++) {
		struct sffs_dirent *e = first_entry(im, im->block[i]);

		if (e && (!last || le64toh(e->key) > le64toh(last->key))) {
			last = e;
			block = im->block[i];
		}
	}
	ASSERT_NE(NULL, last);
	last->key = htole64(1 << SFFS_DIR_SEQ_BITS);
	ASSERT_EQ(0, write_back(im, &self->base, &self->work, block));
	ASSERT_EQ(0, volume_mount(&self->work, 0, "local"));
	d = opendir(in(&self->work, "many"));
	ASSERT_NE(NULL, d);
	errno = 0;
	while (n < 1000 && readdir(d))
		n++;
	EXPECT_EQ(EUCLEAN, errno);
	EXPECT_GT(100, n);
	closedir(d);
	EXPECT_EQ(0, volume_umount(&self->work));
}

/* A file of two names and one link: the first name goes, with it the file; the second stays. */
TEST_F(damage, more_names_than_links)
{
	struct image *im = &self->im;
	struct sffs_inode *di = NULL;
	struct stat st;
	size_t i;

	for (i = 0; i < im->nr_blocks; i++) {
		di = (void *)(im->data + im->block[i] * SFFS_BLOCK_SIZE);
		if (le32toh(di->h.magic) == SFFS_MAGIC_INODE && S_ISREG(le32toh(di->mode)) &&
		    le32toh(di->nlink) == 2)
			break;
	}
	ASSERT_GT(im->nr_blocks, i);
	di->nlink = htole32(1);
	ASSERT_EQ(0, write_back(im, &self->base, &self->work, im->block[i]));
	ASSERT_EQ(0, volume_mount(&self->work, 0, "local"));
	ASSERT_EQ(0, stat(in(&self->work, "a/b/data"), &st));
	ASSERT_EQ(0, stat(in(&self->work, "hard"), &st));
	EXPECT_EQ(0, unlink(in(&self->work, "hard")));
	EXPECT_EQ(-1, unlink(in(&self->work, "a/b/data")));
	EXPECT_EQ(EUCLEAN, errno);
	EXPECT_EQ(0, volume_umount(&self->work));
}

TEST_HARNESS_MAIN
