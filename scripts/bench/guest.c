// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"

#define MARK_PORT	0xf40
#define MARK_UP		0xff	/* the guest is in user space; an end without a begin */

static const struct bench *bench;
static bool here;
static int port = -1;

void fail(const char *what)
{
	printf("BENCH FAIL %s: %s\n", what, strerror(errno));
	if (here)
		exit(1);
	reboot(RB_POWER_OFF);
	_exit(1);
}

void wait_ms(unsigned int ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000L };

	nanosleep(&ts, NULL);
}

static uint64_t tsc(void)
{
	uint32_t lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return (uint64_t)hi << 32 | lo;
}

static void write_port(uint8_t value)
{
	if (pwrite(port, &value, 1, MARK_PORT) != 1)
		fail("mark");
}

void mark(unsigned int w, bool end, unsigned int count)
{
	static uint64_t begun;

	if (!here)
		write_port(0x80 | w << 1 | end);
	else if (!end)
		begun = tsc();
	else
		printf("HERE %s %llu %u\n", bench->names[w],
		       (unsigned long long)(tsc() - begun), count);
	if (end && !here)
		printf("BENCH COUNT %u %s %u\n", w, bench->names[w], count);
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

int bench_main(const struct bench *b, int argc, char **argv)
{
	unsigned int pass;

	bench = b;
	setvbuf(stdout, NULL, _IONBF, 0);
	if (argc == 3 && bench->here && !strcmp(argv[1], "--here")) {
		here = true;
		bench->here(argv[2]);
		return 0;
	}
	if (getpid() != 1) {
		fprintf(stderr, "usage: %s --here ARGUMENT, or as process 1 of a guest\n", argv[0]);
		return 1;
	}
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	/* The kernel writes the marks: emulated processors may refuse iopl() what it allows. */
	port = open("/dev/port", O_WRONLY);
	if (port < 0)
		fail("/dev/port");
	write_port(MARK_UP);
	load_modules();
	bench->prepare();
	for (pass = 0; pass < PASSES; pass++) {
		/* The host reads this line and has a second to set itself up. */
		printf("BENCH PASS %u\n", pass);
		wait_ms(1500);
		bench->run();
	}
	printf("BENCH PASS %u\nBENCH DONE\n", pass);
	wait_ms(1500);
	reboot(RB_POWER_OFF);
	return 0;
}
