// SPDX-License-Identifier: GPL-2.0-only
/*
 * verify DISK SECONDS [MIB]: runs in the guest, as the load while the bridge is killed, on the
 * 2 MiB from there on. It ends when the disk has another size than at first, or after so many
 * seconds.
 *
 * Each thread has blocks of its own. It reads a block and compares it with what it wrote
 * there last, then writes something new. A write that was lost, or done again after a
 * later one, leaves what was not written last; a request that is never answered leaves
 * its thread waiting, and there is no last line.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <linux/fs.h>

#define THREADS 8
#define BLOCKS 64
#define SIZE 4096

static const char *disk;
static off_t start;
static volatile bool stop;
static volatile bool bad;
static unsigned long done[THREADS];

static void fill(uint64_t *block, uint64_t where, uint64_t what)
{
	unsigned int i;

	for (i = 0; i < SIZE / sizeof(*block); i++)
		block[i] = where * 0x9e3779b97f4a7c15ULL ^ what * 0xc2b2ae3d27d4eb4fULL ^ i;
}

static void fail(const char *what, uint64_t where)
{
	printf("verify: %s block %llu\n", what, (unsigned long long)where);
	bad = true;
}

/* what == 0: nothing was written there yet */
static void check(int fd, uint64_t *got, uint64_t *want, uint64_t where, uint64_t what)
{
	if (!what)
		return;
	fill(want, where, what);
	if (pread(fd, got, SIZE, start + where * SIZE) != SIZE)
		fail("cannot read", where);
	else if (memcmp(got, want, SIZE))
		fail("not what was written last in", where);
}

static void *worker(void *arg)
{
	uintptr_t t = (uintptr_t)arg;
	uint64_t *got, *want, what[BLOCKS] = { 0 }, n = 0;
	unsigned int seed = t + 1, b;
	int fd = open(disk, O_RDWR | O_DIRECT);

	got = aligned_alloc(SIZE, SIZE);
	want = aligned_alloc(SIZE, SIZE);
	if (fd < 0 || !got || !want) {
		fail("cannot start with", t);
		return NULL;
	}
	while (!stop && !bad) {
		b = rand_r(&seed) % BLOCKS;
		check(fd, got, want, t * BLOCKS + b, what[b]);
		what[b] = ++n;
		fill(want, t * BLOCKS + b, n);
		if (pwrite(fd, want, SIZE, start + (t * BLOCKS + b) * SIZE) != SIZE)
			fail("cannot write", t * BLOCKS + b);
		done[t]++;
	}
	for (b = 0; b < BLOCKS; b++)
		check(fd, got, want, t * BLOCKS + b, what[b]);
	return NULL;
}

static uint64_t size_of_disk(void)
{
	int fd = open(disk, O_RDONLY);
	uint64_t size = 0;

	if (fd < 0 || ioctl(fd, BLKGETSIZE64, &size))
		fail("cannot tell the size behind", 0);
	if (fd >= 0)
		close(fd);
	return size;
}

int main(int argc, char **argv)
{
	pthread_t thread[THREADS];
	unsigned long total = 0;
	uint64_t size;
	uintptr_t t;
	int i;

	if (argc != 3 && argc != 4)
		return 2;
	disk = argv[1];
	start = argc == 4 ? atoll(argv[3]) << 20 : 0;
	size = size_of_disk();
	for (t = 0; t < THREADS; t++)
		if (pthread_create(&thread[t], NULL, worker, (void *)t))
			return 1;
	for (i = 0; i < atoi(argv[2]) && !bad && size_of_disk() == size; i++) {
		sleep(1);
		printf("verify: second %d\n", i);
		fflush(stdout);
	}
	stop = true;
	for (t = 0; t < THREADS; t++) {
		pthread_join(thread[t], NULL);
		total += done[t];
	}
	printf("verify: %s after %lu writes\n", bad ? "BAD" : "GOOD", total);
	return bad;
}
