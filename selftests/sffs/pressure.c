// SPDX-License-Identifier: GPL-2.0-only
/*
 * What full.sh does to files on a volume that two hosts have mounted:
 *
 *   pressure fill FILE		write and sync pieces until there is no space
 *   pressure verify FILE BYTES	are the pieces up to there in it?
 *   pressure cut FILE ROUNDS	truncate, be killed meanwhile, make it longer: only zeros
 *   pressure append FILE TAG N	append pieces from memory that has to be faulted in
 *   pressure appended FILE N TAG...	is each of them there, once?
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define BLOCK		4096U
/* A piece and the hole behind it, so that there is an extent for each. */
#define PIECE		(4 * BLOCK)
#define STRIDE		(5 * BLOCK)
#define CUT_SIZE	(4U << 20)

static int fail(const char *what)
{
	perror(what);
	return 1;
}

/* FNV-1a, so that files differ. */
static uint64_t hash(const char *text)
{
	uint64_t h = 0xcbf29ce484222325ULL;

	for (; *text; text++)
		h = (h ^ (uint8_t)*text) * 0x100000001b3ULL;
	return h;
}

static uint64_t name_hash(const char *path)
{
	const char *slash = strrchr(path, '/');

	return hash(slash ? slash + 1 : path);
}

static void pattern(uint64_t seed, uint64_t off, uint64_t *p, size_t len)
{
	size_t i;

	for (i = 0; i < len / 8; i++)
		p[i] = (seed + off + 8 * i) * 0x9e3779b97f4a7c15ULL;
}

/* Prints the bytes that fsync() has acknowledged; all but that of no space is a failure. */
static int fill(const char *path)
{
	uint64_t seed = name_hash(path), off = 0, done = 0, buf[PIECE / 8];
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ssize_t n;

	if (fd < 0 && errno == ENOSPC) {
		puts("0");
		return 0;
	}
	if (fd < 0)
		return fail(path);
	for (;; off += STRIDE) {
		pattern(seed, off, buf, PIECE);
		n = pwrite(fd, buf, PIECE, off);
		if (n != PIECE)
			break;
		/* Some pieces wait for writeback, so that many are converted at once. */
		if (off / STRIDE % 4 != 3)
			continue;
		if (fsync(fd))
			return fail("fsync");
		done = off + STRIDE;
	}
	if (n < 0 && errno != ENOSPC)
		return fail("write");
	if (fsync(fd))
		return fail("the last fsync");
	printf("%llu\n", (unsigned long long)(off > done ? off : done));
	close(fd);
	return 0;
}

static int verify(const char *path, uint64_t bytes)
{
	uint64_t seed = name_hash(path), off, want[PIECE / 8], got[PIECE / 8];
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return bytes ? fail(path) : 0;
	for (off = 0; off + STRIDE <= bytes; off += STRIDE) {
		pattern(seed, off, want, PIECE);
		if (pread(fd, got, PIECE, off) != PIECE)
			return fail("read");
		if (!memcmp(want, got, PIECE))
			continue;
		fprintf(stderr, "%s: the piece at %llu is not what was synced\n", path,
			(unsigned long long)off);
		return 1;
	}
	close(fd);
	return 0;
}

/* One truncation by a task that is killed some time later. */
static int cut_killed(const char *path, unsigned int delay)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		return fail("fork");
	if (!pid) {
		signal(SIGINT, SIG_DFL);
		_exit(truncate(path, BLOCK / 2) ? 1 : 0);
	}
	usleep(delay);
	kill(pid, SIGINT);
	if (waitpid(pid, &status, 0) != pid)
		return fail("waitpid");
	return 0;
}

static int only_zeros(int fd, uint64_t from)
{
	static const uint8_t zeros[BLOCK];
	uint8_t buf[BLOCK];
	uint64_t off;

	for (off = from; off < CUT_SIZE; off += BLOCK / 2) {
		if (pread(fd, buf, BLOCK / 2, off) != BLOCK / 2)
			return fail("read");
		if (!memcmp(buf, zeros, BLOCK / 2))
			continue;
		fprintf(stderr, "what had been cut off at %llu is there again\n",
			(unsigned long long)off);
		return 1;
	}
	return 0;
}

static int cut(const char *path, unsigned int rounds)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), err = 0;
	static uint64_t buf[CUT_SIZE / 8];
	unsigned int i;
	struct stat st;

	if (fd < 0)
		return fail(path);
	pattern(1, 0, buf, CUT_SIZE);
	for (i = 0; i < rounds && !err; i++) {
		if (pwrite(fd, buf, CUT_SIZE, 0) != CUT_SIZE || fsync(fd))
			return fail("write");
		err = cut_killed(path, i * 997 % 20000);
		if (err || fstat(fd, &st))
			return fail("fstat");
		if (st.st_size == CUT_SIZE)
			continue;		/* killed before it began */
		/* By truncation, and by a write far behind the end. */
		if (i % 2 ? ftruncate(fd, CUT_SIZE) :
			    pwrite(fd, buf, BLOCK, CUT_SIZE) != BLOCK)
			return fail("to make it longer");
		err = only_zeros(fd, BLOCK / 2);
		if (!err && ftruncate(fd, 0))
			return fail("truncate");
	}
	close(fd);
	return err;
}

struct piece {
	uint64_t tag, number;
	uint8_t rest[BLOCK - 16];
};

/* The second piece of each record is not mapped when it is written. */
static int append(const char *path, const char *tag, unsigned int count)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	int mem = memfd_create("pieces", MFD_CLOEXEC);
	struct piece p = { .tag = hash(tag) };
	unsigned int i;

	if (fd < 0 || mem < 0 || ftruncate(mem, BLOCK))
		return fail(path);
	for (i = 0; i < count; i++) {
		size_t done = 0;
		uint8_t *map;

		map = mmap(NULL, 2 * BLOCK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			   0);
		p.number = 2 * i + 1;
		if (map == MAP_FAILED || pwrite(mem, &p, BLOCK, 0) != BLOCK ||
		    mmap(map + BLOCK, BLOCK, PROT_READ, MAP_SHARED | MAP_FIXED, mem, 0) ==
		    MAP_FAILED)
			return fail("mmap");
		p.number = 2 * i;
		memcpy(map, &p, BLOCK);
		while (done < 2 * BLOCK) {
			ssize_t n = write(fd, map + done, 2 * BLOCK - done);

			if (n <= 0)
				return fail("append");
			done += n;
		}
		munmap(map, 2 * BLOCK);
	}
	close(fd);
	return 0;
}

static int appended(const char *path, unsigned int count, char **tags, unsigned int nr)
{
	uint8_t *seen = calloc(nr, 2 * count);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	unsigned int total = 0, i;
	struct piece p;
	ssize_t n;

	if (fd < 0 || !seen)
		return fail(path);
	while ((n = read(fd, &p, BLOCK)) == BLOCK) {
		for (i = 0; i < nr && p.tag != hash(tags[i]); i++)
			;
		if (i == nr || p.number >= 2 * count || seen[i * 2 * count + p.number]++) {
			fprintf(stderr, "piece %u is of nobody, or there twice\n", total);
			return 1;
		}
		total++;
	}
	close(fd);
	free(seen);
	if (!n && total == nr * 2 * count)
		return 0;
	fprintf(stderr, "%u pieces of %u\n", total, nr * 2 * count);
	return 1;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "fill"))
		return fill(argv[2]);
	if (argc == 4 && !strcmp(argv[1], "verify"))
		return verify(argv[2], strtoull(argv[3], NULL, 0));
	if (argc == 4 && !strcmp(argv[1], "cut"))
		return cut(argv[2], strtoul(argv[3], NULL, 0));
	if (argc == 5 && !strcmp(argv[1], "append"))
		return append(argv[2], argv[3], strtoul(argv[4], NULL, 0));
	if (argc > 4 && !strcmp(argv[1], "appended"))
		return appended(argv[2], strtoul(argv[3], NULL, 0), argv + 4, argc - 4);
	fprintf(stderr, "see the head of pressure.c\n");
	return 2;
}
