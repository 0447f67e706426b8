// SPDX-License-Identifier: GPL-2.0-only
/*
 * volume raw DEVICE | warm DIR | cold DIR - the workloads of `make bench` for filesystems.
 * DIR is the root of an empty volume; "cold" comes after "warm" and a new mount. Each
 * workload is between two marks that asv_bench counts by, and is said on standard output:
 *
 *	count NUMBER NAME OPERATIONS
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define KIB		1024ULL
#define MIB		(KIB * KIB)
#define PAGE		(4 * KIB)
#define HUGE		(2 * MIB)	/* a huge page */
#define SPAN		(64 * MIB)	/* of the data that direct I/O goes to */
#define IOS		4000
#define WARM_UP		64
#define NAMES		4000
#define DURABLE		500
#define PUNCHED		(64 * KIB)
#define RESERVED	(256 * MIB)

enum workload {
	READ_4K, WRITE_4K, READ_1M, WRITE_1M, ALLOC_1M, BUFFERED, CREATE, WARM_STAT, DURABLE_4K,
	PUNCH, FALLOCATE, COLD_STAT, UNLINK,
};

static const char * const names[] = {
	[READ_4K]	= "read-4k",
	[WRITE_4K]	= "write-4k",
	[READ_1M]	= "seq-read-1m",
	[WRITE_1M]	= "seq-write-1m",
	[ALLOC_1M]	= "alloc-write-1m",
	[BUFFERED]	= "buffered-4k",
	[CREATE]	= "create",
	[WARM_STAT]	= "warm-stat",
	[DURABLE_4K]	= "create-fsync-4k",
	[PUNCH]		= "punch-64k",
	[FALLOCATE]	= "fallocate-256m",
	[COLD_STAT]	= "cold-stat",
	[UNLINK]	= "unlink",
};

static const char *top;
static char *buffer;
static int marks;

static void fail(const char *what)
{
	fprintf(stderr, "%s: %s: %s\n", top, what, strerror(errno));
	exit(1);
}

static int open_file(const char *name, int flags)
{
	int fd = open(name, flags, 0644);

	if (fd < 0)
		fail(name);
	return fd;
}

static void mark(const char *what, enum workload w)
{
	char line[32];
	int n = snprintf(line, sizeof(line), "%s %u", what, w);

	if (write(marks, line, n) != n)
		fail("mark");
}

/* A profile tells the workloads apart by the name of the thread. */
static void begin(enum workload w)
{
	prctl(PR_SET_NAME, names[w]);
	sync();
	mark("begin", w);
}

static void end(enum workload w, unsigned int operations)
{
	mark("end", w);
	printf("count %u %s %u\n", w, names[w], operations);
}

/* random_page - of SPAN; the same sequence in every run */
static off_t random_page(void)
{
	static uint64_t x = 88172645463325252ULL;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x % (SPAN / PAGE) * PAGE;
}

static void transfer(int fd, bool out, size_t size, off_t at)
{
	ssize_t n = out ? pwrite(fd, buffer, size, at) : pread(fd, buffer, size, at);

	if (n != (ssize_t)size)
		fail(out ? "write" : "read");
}

static void at_random(int fd, enum workload w)
{
	unsigned int i;

	for (i = 0; i < WARM_UP; i++)
		transfer(fd, w == WRITE_4K, PAGE, random_page());
	begin(w);
	for (i = 0; i < IOS; i++)
		transfer(fd, w == WRITE_4K, PAGE, random_page());
	end(w, IOS);
}

static void in_sequence(int fd, enum workload w)
{
	off_t at;

	begin(w);
	for (at = 0; at < (off_t)SPAN; at += MIB)
		transfer(fd, w != READ_1M, MIB, at);
	end(w, SPAN / MIB);
}

static void on_blocks(int fd)
{
	in_sequence(fd, WRITE_1M);
	in_sequence(fd, READ_1M);
	at_random(fd, READ_4K);
	at_random(fd, WRITE_4K);
}

static void raw(void)
{
	int fd = open_file(top, O_RDWR | O_DIRECT);

	on_blocks(fd);
	close(fd);
}

static void direct(void)
{
	int fd = open_file("direct", O_CREAT | O_RDWR | O_DIRECT);

	in_sequence(fd, ALLOC_1M);
	if (fsync(fd))
		fail("fsync");
	on_blocks(fd);
	close(fd);
}

/* Of blocks that no page cache has. */
static void punch(void)
{
	int fd = open_file("direct", O_RDWR);
	off_t at;

	begin(PUNCH);
	for (at = 0; at < (off_t)SPAN; at += 2 * PUNCHED)
		if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, PUNCHED))
			fail("punch");
	end(PUNCH, SPAN / (2 * PUNCHED));
	close(fd);
}

/* With the fsync at the end. */
static void buffered(void)
{
	int fd = open_file("buffered", O_CREAT | O_RDWR);
	off_t at;

	begin(BUFFERED);
	for (at = 0; at < (off_t)SPAN; at += PAGE)
		transfer(fd, true, PAGE, at);
	if (fsync(fd))
		fail("fsync");
	end(BUFFERED, SPAN / PAGE);
	close(fd);
}

static void reserve(void)
{
	int fd = open_file("reserved", O_CREAT | O_RDWR);

	begin(FALLOCATE);
	if (fallocate(fd, 0, 0, RESERVED))
		fail("fallocate");
	end(FALLOCATE, 1);
	close(fd);
}

/* The names are made before anything is counted. */
static char name[NAMES][16];

static void enter(const char *dir, bool make)
{
	unsigned int i;

	for (i = 0; i < NAMES; i++)
		snprintf(name[i], sizeof(name[i]), "file%06u", i);
	if ((make && mkdir(dir, 0755)) || chdir(dir))
		fail(dir);
}

static void leave(void)
{
	if (chdir(".."))
		fail("..");
}

static void create(void)
{
	unsigned int i;
	int fd;

	begin(CREATE);
	for (i = 0; i < NAMES; i++) {
		fd = open(name[i], O_CREAT | O_EXCL | O_WRONLY, 0644);
		if (fd < 0 || close(fd))
			fail("create");
	}
	end(CREATE, NAMES);
}

static void durable(void)
{
	unsigned int i;
	int fd;

	begin(DURABLE_4K);
	for (i = 0; i < DURABLE; i++) {
		fd = open(name[i], O_CREAT | O_EXCL | O_WRONLY, 0644);
		if (fd < 0)
			fail("create");
		transfer(fd, true, PAGE, 0);
		if (fsync(fd) || close(fd))
			fail("fsync");
	}
	end(DURABLE_4K, DURABLE);
}

static void look(enum workload w)
{
	struct stat st;
	unsigned int i;

	begin(w);
	for (i = 0; i < NAMES; i++)
		if (stat(name[i], &st))
			fail("stat");
	end(w, NAMES);
}

static void remove_all(void)
{
	unsigned int i;

	begin(UNLINK);
	for (i = 0; i < NAMES; i++)
		if (unlink(name[i]))
			fail("unlink");
	end(UNLINK, NAMES);
}

static void warm(void)
{
	if (chdir(top))
		fail("chdir");
	direct();
	buffered();
	punch();
	enter("names", true);
	create();
	look(WARM_STAT);
	leave();
	enter("durable", true);
	durable();
	leave();
	reserve();
}

static void cold(void)
{
	if (chdir(top))
		fail("chdir");
	enter("names", false);
	look(COLD_STAT);
	remove_all();
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} phases[] = { { "raw", raw }, { "warm", warm }, { "cold", cold } };
	unsigned int i;

	if (argc != 3) {
		fprintf(stderr, "usage: %s raw DEVICE | warm DIR | cold DIR\n", argv[0]);
		return 1;
	}
	top = argv[2];
	marks = open("/sys/kernel/debug/asv_bench", O_WRONLY);
	buffer = aligned_alloc(HUGE, HUGE);
	if (marks < 0 || !buffer)
		fail("asv_bench");
	/* Or what a bio takes would depend on where its pages happen to be. */
	madvise(buffer, HUGE, MADV_HUGEPAGE);
	memset(buffer, 0x5a, HUGE);
	for (i = 0; i < ARRAY_SIZE(phases); i++) {
		if (!strcmp(argv[1], phases[i].name)) {
			phases[i].run();
			return 0;
		}
	}
	fprintf(stderr, "%s: no such phase\n", argv[1]);
	return 1;
}
