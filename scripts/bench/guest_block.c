// SPDX-License-Identifier: GPL-2.0-only
/* 4 KiB random direct reads and writes of a disk at queue depth 1 and 32. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guest.h"

#define BLOCK		4096
#define DEPTH_MAX	32
#define SPAN		(64ULL << 20)
#define WARM_UP		256

static const struct workload {
	bool write;
	unsigned int depth;
	unsigned int count;
} workloads[] = {
	{ false, 1, 2000 },
	{ false, 32, 8000 },
	{ true, 1, 2000 },
	{ true, 32, 8000 },
};

static const char * const names[] = { "read-1", "read-32", "write-1", "write-32" };

/* Made once: io_destroy() waits for a grace period, which is no part of an operation. */
static aio_context_t ctx;
static int disk = -1;
static char *buffers;

/* random_block - the same sequence in every run */
static uint64_t random_block(void)
{
	static uint64_t x = 88172645463325252ULL;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x % (SPAN / BLOCK) * BLOCK;
}

static void fill(struct iocb *iocb, const struct workload *w, char *buffer)
{
	memset(iocb, 0, sizeof(*iocb));
	iocb->aio_lio_opcode = w->write ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD;
	iocb->aio_fildes = disk;
	iocb->aio_buf = (uintptr_t)buffer;
	iocb->aio_nbytes = BLOCK;
	iocb->aio_offset = random_block();
}

/* transfer - @count operations, always as many in flight as @w says */
static void transfer(const struct workload *w, unsigned int count)
{
	struct io_event events[DEPTH_MAX];
	struct iocb iocbs[DEPTH_MAX], *list[DEPTH_MAX];
	unsigned int submitted = 0, done = 0, i, n = w->depth;

	for (i = 0; i < n; i++)
		list[i] = &iocbs[i];
	while (done < count) {
		if (n > count - submitted)
			n = count - submitted;
		for (i = 0; i < n; i++)
			fill(list[i], w, buffers + (list[i] - iocbs) * BLOCK);
		if (n && syscall(SYS_io_submit, ctx, n, list) != n)
			fail("io_submit");
		submitted += n;
		n = syscall(SYS_io_getevents, ctx, 1, DEPTH_MAX, events, NULL);
		if (n < 1 || n > DEPTH_MAX)
			fail("io_getevents");
		for (i = 0; i < n; i++) {
			if (events[i].res != BLOCK)
				fail("transfer");
			list[i] = (struct iocb *)(uintptr_t)events[i].obj;
		}
		done += n;
	}
}

static void run(void)
{
	unsigned int w;

	for (w = 0; w < ARRAY_SIZE(workloads); w++) {
		transfer(&workloads[w], WARM_UP);
		mark(w, false, 0);
		transfer(&workloads[w], workloads[w].count);
		mark(w, true, workloads[w].count);
	}
}

static bool open_disk(const char *path)
{
	disk = open(path, O_RDWR | O_DIRECT);
	if (disk < 0)
		return false;
	if (syscall(SYS_io_setup, DEPTH_MAX, &ctx))
		fail("io_setup");
	buffers = aligned_alloc(BLOCK, DEPTH_MAX * BLOCK);
	if (!buffers)
		fail("memory");
	memset(buffers, 0x5a, DEPTH_MAX * BLOCK);
	return true;
}

static void prepare(void)
{
	unsigned int try;

	for (try = 0; try < 100; try++) {
		if (open_disk("/dev/vda") || open_disk("/dev/sda"))
			return;
		wait_ms(100);
	}
	fail("no disk");
}

static void here(const char *path)
{
	if (!open_disk(path))
		fail(path);
	run();
}

int main(int argc, char **argv)
{
	static const struct bench bench = {
		.prepare = prepare, .run = run, .names = names, .here = here,
	};

	return bench_main(&bench, argc, argv);
}
