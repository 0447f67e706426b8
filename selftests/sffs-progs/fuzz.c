// SPDX-License-Identifier: GPL-2.0-only
/*
 * fuzz: changes a field of each structure in turn, with checksums made right again, and sees
 * that fsck.sffs -y ends, that fsck.sffs -n then calls the volume clean, and that every file
 * whose own metadata was not changed has its content.
 *
 * fuzz BASE FSCK ROUNDS [FIRST]: round numbers are seeds; a failing image is kept.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "image.h"

#define LIMIT		60	/* seconds of one fsck.sffs */
#define TARGETS_MAX	1024

struct file {
	uint64_t ino, size;
	uint32_t sum;
	bool touched;
};

struct fuzz {
	struct image im;
	const char *fsck;
	char work[64], log[64];
	struct file *file;
	size_t nr_files;
	unsigned int usual;	/* problems of the image as it is: deleted files to be freed */
	unsigned long found;	/* images in which fsck.sffs saw others */
};

/* ---- Content of files ---- */

struct content {
	const struct sffs_volume *vol;
	const uint8_t *changed;
	uint64_t end;
	uint32_t sum;
	bool touched;
};

static unsigned int sum_extent(const struct sffs_extent *e, void *data)
{
	uint64_t block = le64toh(e->block), at = le64toh(e->file_block);
	struct content *c = data;
	uint8_t buf[SFFS_BLOCK_SIZE];

	if (le32toh(e->flags) & SFFS_EXTENT_UNWRITTEN)
		return 0;
	if (!sffs_vol_in_group(c->vol, block, le32toh(e->count)))
		return 1;
	for (uint32_t i = 0; i < le32toh(e->count) && at + i < c->end; i++) {
		uint64_t place = at + i;

		if (sffs_vol_read(c->vol, block + i, buf))
			return 1;
		c->sum = sffs_crc32c(sffs_crc32c(c->sum, &place, sizeof(place)), buf, sizeof(buf));
	}
	return 0;
}

static unsigned int sum_leaf(const struct sffs_leaf *leaf, void *data)
{
	struct content *c = data;

	if (c->changed && leaf->block && c->changed[leaf->block])
		c->touched = true;
	return leaf->level ? 0 : sffs_leaf_extents(leaf, sum_extent, c);
}

/* What a regular file or a symlink holds, or false if the inode is neither, or not a user's. */
static bool read_file(const struct sffs_volume *vol, uint64_t ino, const uint8_t *changed,
		      struct file *f)
{
	struct content c = { .vol = vol, .changed = changed };
	uint64_t block = sffs_ino_block(ino, vol->geo.sector_shift);
	struct sffs_inode di;

	if (sffs_vol_read(vol, block, &di) ||
	    sffs_meta_fault(vol, &di, block, SFFS_MAGIC_INODE, &ino, NULL) || !di.mode ||
	    !di.nlink || le32toh(di.flags) & SFFS_INODE_SYSTEM)
		return false;
	*f = (struct file){ .ino = ino, .size = le64toh(di.size) };
	c.end = (f->size + SFFS_BLOCK_SIZE - 1) / SFFS_BLOCK_SIZE;
	if (di.format == SFFS_FMT_INLINE)
		c.sum = sffs_crc32c(0, di.area, sizeof(di.area));
	else if (di.format != SFFS_FMT_EXTENTS ||
		 sffs_tree_walk(vol, &di, SFFS_MAGIC_EXTENTS, sum_leaf, &c))
		return false;
	f->sum = c.sum;
	f->touched = c.touched || (changed && changed[block]);
	return true;
}

static void list_files(struct fuzz *z, const char *base)
{
	struct sffs_volume vol = { 0 };

	if (sffs_volume_open(&vol, base, false, SFFS_SUPER_BLOCK))
		exit(1);
	for (size_t i = 0; i < z->im.nr_blocks; i++) {
		uint64_t at = z->im.block[i] * SFFS_BLOCK_SIZE;
		const struct sffs_header *h = (void *)(z->im.data + at);
		struct file f;

		if (le32toh(h->magic) != SFFS_MAGIC_INODE || !read_file(&vol, le64toh(h->owner),
									NULL, &f))
			continue;
		z->file = sffs_grow(z->file, z->nr_files + 1, sizeof(*z->file));
		z->file[z->nr_files++] = f;
	}
	sffs_volume_close(&vol);
}

/* Which files have metadata of their own among what was changed? */
static void mark_touched(struct fuzz *z, const char *base)
{
	struct sffs_volume vol = { 0 };
	struct file f;

	if (sffs_volume_open(&vol, base, false, SFFS_SUPER_BLOCK))
		exit(1);
	for (size_t i = 0; i < z->nr_files; i++)
		z->file[i].touched = !read_file(&vol, z->file[i].ino, z->im.changed, &f) ||
				     f.touched;
	sffs_volume_close(&vol);
}

static unsigned int check_files(struct fuzz *z)
{
	struct sffs_volume vol = { 0 };
	unsigned int lost = 0;

	if (sffs_volume_open(&vol, z->work, false, SFFS_SUPER_BLOCK))
		return 1;
	for (size_t i = 0; i < z->nr_files; i++) {
		struct file f, *want = &z->file[i];

		if (want->touched)
			continue;
		if (read_file(&vol, want->ino, NULL, &f) && f.sum == want->sum &&
		    f.size == want->size)
			continue;
		printf("# inode %llu has lost its content\n", (unsigned long long)want->ino);
		lost++;
	}
	sffs_volume_close(&vol);
	return lost;
}

/* ---- Rounds ---- */

/* Exit code of fsck.sffs, or -1 if it was killed or did not end. */
static int run_fsck(struct fuzz *z, const char *option)
{
	int status = 0;
	pid_t pid = fork();

	if (!pid) {
		int fd = open(z->log, O_WRONLY | O_CREAT | O_APPEND, 0600);

		dup2(fd, 1);
		dup2(fd, 2);
		alarm(LIMIT);
		execl(z->fsck, z->fsck, option, z->work, NULL);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

/* How many problems the first run of fsck.sffs in the log had. */
static unsigned int count_problems(const struct fuzz *z)
{
	unsigned int n = 0;
	char line[512];
	FILE *f = fopen(z->log, "re");

	while (f && !n && fgets(line, sizeof(line), f)) {
		const char *sum = strstr(line, " chunks; ");

		if (sum && sscanf(sum, " chunks; %u problems", &n) != 1)
			break;
	}
	if (f)
		fclose(f);
	return n;
}

static void show_log(const struct fuzz *z)
{
	char line[512];
	FILE *f = fopen(z->log, "re");

	for (int n = 0; f && n < 40 && fgets(line, sizeof(line), f); n++)
		printf("#   %s", line);
	if (f)
		fclose(f);
}

static bool one_round(struct fuzz *z, const char *base, uint64_t round)
{
	struct target t[TARGETS_MAX];
	size_t nr = image_targets(t, TARGETS_MAX);
	int rc, again;
	char what[160];
	unsigned int lost;

	z->im.random = (round + 1) * 0x9e3779b97f4a7c15ULL;
	if (!image_mutate(&z->im, &t[round % nr], what, sizeof(what)))
		return true;
	mark_touched(z, base);
	image_write(&z->im, z->work);
	unlink(z->log);
	image_restore(&z->im, base);
	rc = run_fsck(z, "-y");
	z->found += count_problems(z) != z->usual;
	again = run_fsck(z, "-n");
	lost = check_files(z);
	if ((rc == 0 || rc == 1) && !again && !lost)
		return true;
	printf("# round %llu: %s: -y ended with %d, then -n with %d, %u files lost\n",
	       (unsigned long long)round, what, rc, again, lost);
	show_log(z);
	return false;
}

int main(int argc, char **argv)
{
	unsigned long rounds, first, failed = 0;
	struct fuzz z = { 0 };
	const char *dir;

	if (argc < 4) {
		fputs("usage: fuzz BASE FSCK ROUNDS [FIRST]\n", stderr);
		return 2;
	}
	z.fsck = argv[2];
	rounds = strtoul(argv[3], NULL, 0);
	first = argc > 4 ? strtoul(argv[4], NULL, 0) : 0;
	/* fsck.sffs flushes the image again and again. */
	dir = access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm";
	snprintf(z.work, sizeof(z.work), "%s/sffs-fuzz.%d.img", dir, getpid());
	snprintf(z.log, sizeof(z.log), "%s/sffs-fuzz.%d.log", dir, getpid());
	image_load(&z.im, argv[1]);
	list_files(&z, argv[1]);
	image_write(&z.im, z.work);
	if (run_fsck(&z, "-y") > 1 || check_files(&z)) {
		puts("# the image that was not changed is not as it should be");
		show_log(&z);
		failed++;
	}
	z.usual = count_problems(&z);
	for (unsigned long i = first; i < first + rounds && failed < 10; i++)
		failed += !one_round(&z, argv[1], i);
	printf("# %lu images, %lu failed, damage seen in %lu, %zu files\n", rounds, failed, z.found,
	       z.nr_files);
	/* Some fields may hold anything; that most changes are seen shows that checks work. */
	if (rounds >= 100 && z.found < rounds / 2) {
		puts("# too little damage was seen");
		failed++;
	}
	unlink(z.work);
	unlink(z.log);
	image_free(&z.im);
	free(z.file);
	return failed ? 1 : 0;
}
