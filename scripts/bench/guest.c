// SPDX-License-Identifier: GPL-2.0-only
/*
 * The program that every row of `make bench` runs: 4 KiB random direct reads and writes of a
 * disk at queue depth 1 and 32. As process 1 of a guest it loads /m/order's modules, waits for
 * the disk, and brackets each measurement by a write to an I/O port, which the host sees as a
 * kvm_pio event. With --here DISK it measures this machine's own disk and prints instructions.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MARK_PORT	0xf40
#define BLOCK		4096
#define DEPTH_MAX	32
#define SPAN		(64ULL << 20)
#define PASSES		4

struct workload {
	const char *name;
	bool write;
	unsigned int depth;
	unsigned int count;
};

static const struct workload workloads[] = {
	{ "read-1", false, 1, 2000 },
	{ "read-32", false, 32, 8000 },
	{ "write-1", true, 1, 2000 },
	{ "write-32", true, 32, 8000 },
};

#define NWORKLOADS (sizeof(workloads) / sizeof(workloads[0]))

static bool here;
static uint64_t begun;

static void fail(const char *what)
{
	printf("BENCH FAIL %s: %s\n", what, strerror(errno));
	if (here)
		exit(1);
	reboot(RB_POWER_OFF);
	_exit(1);
}

static uint64_t tsc(void)
{
	uint32_t lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return (uint64_t)hi << 32 | lo;
}

/* mark - begin (0) or end (1) of the measurement of workload @w */
static void mark(unsigned int w, unsigned int end)
{
	if (!here) {
		outl(0xa500 | w << 4 | end, MARK_PORT);
		return;
	}
	if (!end)
		begun = tsc();
	else
		printf("HERE %s %llu %u\n", workloads[w].name,
		       (unsigned long long)(tsc() - begun), workloads[w].count);
}

/* random_block - the same sequence in every run */
static uint64_t random_block(void)
{
	static uint64_t x = 88172645463325252ULL;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x % (SPAN / BLOCK) * BLOCK;
}

static void transfer(int fd, const struct workload *w, unsigned int count, char *buffers)
{
	struct io_event events[DEPTH_MAX];
	struct iocb iocbs[DEPTH_MAX], *list[DEPTH_MAX];
	unsigned int submitted = 0, done = 0, i, n = w->depth;
	aio_context_t ctx = 0;

	if (syscall(SYS_io_setup, DEPTH_MAX, &ctx))
		fail("io_setup");
	for (i = 0; i < n; i++)
		list[i] = &iocbs[i];
	while (done < count) {
		if (n > count - submitted)
			n = count - submitted;
		for (i = 0; i < n; i++) {
			struct iocb *iocb = list[i];

			memset(iocb, 0, sizeof(*iocb));
			iocb->aio_lio_opcode = w->write ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD;
			iocb->aio_fildes = fd;
			iocb->aio_buf = (uintptr_t)buffers + (iocb - iocbs) * BLOCK;
			iocb->aio_nbytes = BLOCK;
			iocb->aio_offset = random_block();
		}
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
	syscall(SYS_io_destroy, ctx);
}

static void measure(int fd)
{
	char *buffers = aligned_alloc(BLOCK, DEPTH_MAX * BLOCK);
	unsigned int w;

	if (!buffers)
		fail("memory");
	memset(buffers, 0x5a, DEPTH_MAX * BLOCK);
	for (w = 0; w < NWORKLOADS; w++) {
		transfer(fd, &workloads[w], 256, buffers);
		mark(w, 0);
		transfer(fd, &workloads[w], workloads[w].count, buffers);
		mark(w, 1);
	}
	free(buffers);
}

static void wait_ms(unsigned int ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000L };

	nanosleep(&ts, NULL);
}

static void load_modules(void)
{
	char line[256], path[300];
	FILE *order = fopen("/m/order", "r");
	int fd;

	while (order && fgets(line, sizeof(line), order)) {
		line[strcspn(line, "\n")] = '\0';
		snprintf(path, sizeof(path), "/m/%s", line);
		fd = open(path, O_RDONLY);
		if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) && errno != EEXIST))
			fail(path);
		close(fd);
	}
}

static int open_disk(void)
{
	static const char * const names[] = { "/dev/vda", "/dev/sda" };
	unsigned int i, try;
	int fd;

	for (try = 0; try < 100; try++) {
		for (i = 0; i < 2; i++) {
			fd = open(names[i], O_RDWR | O_DIRECT);
			if (fd >= 0)
				return fd;
		}
		wait_ms(100);
	}
	fail("no disk");
	return -1;
}

int main(int argc, char **argv)
{
	unsigned int pass;
	int fd;

	setvbuf(stdout, NULL, _IONBF, 0);
	if (argc == 3 && !strcmp(argv[1], "--here")) {
		here = true;
		fd = open(argv[2], O_RDWR | O_DIRECT);
		if (fd < 0)
			fail(argv[2]);
		measure(fd);
		return 0;
	}
	if (getpid() != 1) {
		fprintf(stderr, "usage: guest --here DISK, or as process 1 of a guest\n");
		return 1;
	}
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	if (iopl(3))
		fail("iopl");
	load_modules();
	fd = open_disk();
	for (pass = 0; pass < PASSES; pass++) {
		/* The host reads this line and has a second to set itself up. */
		printf("BENCH PASS %u\n", pass);
		wait_ms(1500);
		measure(fd);
	}
	printf("BENCH PASS %u\nBENCH DONE\n", pass);
	wait_ms(1500);
	reboot(RB_POWER_OFF);
	return 0;
}
