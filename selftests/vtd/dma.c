// SPDX-License-Identifier: GPL-2.0-only
/*
 * DMA to where it must not go.
 *
 * dma keep: on the host: hold a page of memory with a pattern, show its physical address, and
 * look after a SIGUSR1 whether the pattern is whole; it ends with 1 if it is not.
 *
 * dma send DRIVER own|ADDRESS: in the guest: take the first function of an NVMe driver, and
 * have it write 4 KiB to this physical address, or into our own memory.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE		4096
/* far above all memory of a guest here */
#define KEPT_ABOVE	(512ULL << 20)
#define PATTERN		0x5a

#define NVME_CC		0x14
#define NVME_CSTS	0x1c
#define NVME_AQA	0x24
#define NVME_ASQ	0x28
#define NVME_ACQ	0x30
#define NVME_DOORBELL	0x1000
#define NVME_READY	1
#define NVME_IDENTIFY	6
#define NVME_CC_ON	0x00460001	/* queue entries of 64 and 16 bytes, enabled */

static _Noreturn void die(const char *what)
{
	perror(what);
	exit(2);
}

static uint64_t physical(const void *page)
{
	uint64_t entry;
	int fd = open("/proc/self/pagemap", O_RDONLY);

	if (fd < 0 || pread(fd, &entry, 8, (uintptr_t)page / PAGE * 8) != 8 ||
	    !(entry & 1ULL << 63))
		die("pagemap");
	close(fd);
	return (entry & ((1ULL << 55) - 1)) * PAGE;
}

/* Pages that stay where they are. */
static uint8_t *pages(size_t n)
{
	uint8_t *p = mmap(NULL, n * PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE | MAP_LOCKED, -1, 0);

	if (p == MAP_FAILED)
		die("mmap");
	return p;
}

static int keep(void)
{
	const size_t n = (64 << 20) / PAGE;
	uint8_t *p = pages(n);
	sigset_t set;
	size_t i, at;
	int sig;

	memset(p, PATTERN, n * PAGE);
	for (at = 0; at < n; at++)
		if (physical(p + at * PAGE) > KEPT_ABOVE)
			break;
	if (at == n)
		die("no page far enough up");
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	printf("page %#llx\n", (unsigned long long)physical(p + at * PAGE));
	fflush(stdout);
	sigwait(&set, &sig);
	for (i = 0; i < n * PAGE; i++)
		if (p[i] != PATTERN)
			return 1;
	return 0;
}

/* The first function of a driver: it is taken from it, and may use memory. */
static volatile uint8_t *take(const char *driver)
{
	char path[PATH_MAX], name[32] = "";
	volatile uint8_t *bar;
	struct dirent *e;
	uint16_t command = 0x406;	/* memory, mastering, no INTx */
	DIR *dir;
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/drivers/%s", driver);
	dir = opendir(path);
	while (dir && (e = readdir(dir)))
		if (strchr(e->d_name, ':'))
			snprintf(name, sizeof(name), "%.31s", e->d_name);
	if (dir) {
		closedir(dir);
		snprintf(path, sizeof(path), "/sys/bus/pci/drivers/%s/unbind", driver);
		fd = open(path, O_WRONLY);
		if (*name && (fd < 0 || write(fd, name, strlen(name)) < 0))
			die("unbind");
		close(fd);
	}
	/* the second time it has no driver any more */
	if (*name) {
		fd = open("/function", O_WRONLY | O_CREAT, 0600);
		if (write(fd, name, strlen(name)) < 0)
			die("function");
	} else {
		fd = open("/function", O_RDONLY);
		if (read(fd, name, sizeof(name) - 1) < 0)
			die("function");
	}
	close(fd);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", name);
	fd = open(path, O_RDWR);
	if (pwrite(fd, &command, 2, 4) != 2)
		die(path);
	close(fd);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource0", name);
	fd = open(path, O_RDWR);
	bar = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (bar == MAP_FAILED)
		die(path);
	return bar;
}

static uint32_t get32(volatile uint8_t *bar, unsigned int reg)
{
	return *(volatile uint32_t *)(bar + reg);
}

static void put32(volatile uint8_t *bar, unsigned int reg, uint32_t val)
{
	*(volatile uint32_t *)(bar + reg) = val;
}

static void wait_ready(volatile uint8_t *bar, uint32_t ready)
{
	int i;

	for (i = 0; i < 6000; i++, usleep(10000))
		if ((get32(bar, NVME_CSTS) & NVME_READY) == ready)
			return;
	printf("dma: the controller is not ready: %#x\n", get32(bar, NVME_CSTS));
	exit(2);
}

/* An admin queue of four entries, in two pages of our own. */
static void queues(volatile uint8_t *bar, uint8_t *sq, uint8_t *cq)
{
	put32(bar, NVME_CC, 0);
	wait_ready(bar, 0);
	put32(bar, NVME_AQA, 3 | 3 << 16);
	put32(bar, NVME_ASQ, physical(sq));
	put32(bar, NVME_ASQ + 4, physical(sq) >> 32);
	put32(bar, NVME_ACQ, physical(cq));
	put32(bar, NVME_ACQ + 4, physical(cq) >> 32);
	put32(bar, NVME_CC, NVME_CC_ON);
	wait_ready(bar, NVME_READY);
}

static int send_to(const char *driver, const char *where)
{
	volatile uint8_t *bar = take(driver);
	uint8_t *own = pages(3), *sq = own, *cq = own + PAGE, *data = own + 2 * PAGE;
	uint64_t to = strcmp(where, "own") ? strtoull(where, NULL, 0) : physical(data);
	volatile uint16_t *status = (uint16_t *)(cq + 14);
	uint32_t command[16] = { NVME_IDENTIFY | 1 << 16 };
	int i;

	queues(bar, sq, cq);
	command[6] = to;
	command[7] = to >> 32;
	command[10] = 1;
	memcpy(sq, command, sizeof(command));
	put32(bar, NVME_DOORBELL, 1);
	for (i = 0; i < 2000 && !(*status & 1); i++)
		usleep(10000);
	/* what the device says of itself begins with its vendor */
	printf("dma: %s, status %#x%s\n", *status & 1 ? "answered" : "no answer", *status >> 1,
	       data[0] | data[1] << 8 ? ", written" : "");
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "keep"))
		return keep();
	if (argc == 4 && !strcmp(argv[1], "send"))
		return send_to(argv[2], argv[3]);
	fputs("usage: dma keep | dma send DRIVER own|ADDRESS\n", stderr);
	return 2;
}
