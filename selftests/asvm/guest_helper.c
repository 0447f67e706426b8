// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the guests of these tests need beyond busybox.
 *   guest_helper reads DISK COUNT	read blocks directly, between two marks
 *   guest_helper vsock PORT TEXT	send TEXT to the host, and print what it answers
 *
 * A mark is a write to an I/O port that nothing serves; the host sees it as a kvm_pio event.
 * The kernel writes it, by /dev/port: emulated processors may refuse iopl() what it allows.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include "marks.h"

#define BLOCK	4096
#define BLOCKS	1024	/* of the disk, that are read */

static bool mark(uint8_t value)
{
	int fd = open("/dev/port", O_WRONLY);
	bool done = fd >= 0 && pwrite(fd, &value, 1, MARK_PORT) == 1;

	close(fd);
	return done;
}

static int reads(const char *disk, unsigned int count)
{
	int fd = open(disk, O_RDONLY | O_DIRECT);
	void *buf = aligned_alloc(BLOCK, BLOCK);
	unsigned int i;
	ssize_t n = BLOCK;

	if (fd < 0 || !buf)
		return 1;
	/* the first one brings in what is not there yet */
	for (i = 0; i < 16 && n == BLOCK; i++)
		n = pread(fd, buf, BLOCK, i * BLOCK);
	if (!mark(MARK_BEGIN))
		return 1;
	for (i = 0; i < count && n == BLOCK; i++)
		n = pread(fd, buf, BLOCK, (i * 37ULL % BLOCKS) * BLOCK);
	if (!mark(MARK_END))
		return 1;
	printf("reads=%s\n", n == BLOCK ? "all" : "failed");
	return n != BLOCK;
}

static int vsock(unsigned int port, const char *text)
{
	struct sockaddr_vm host = {
		.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_HOST, .svm_port = port,
	};
	int fd = socket(AF_VSOCK, SOCK_STREAM, 0);
	char answer[64];
	ssize_t n;

	if (fd < 0 || connect(fd, (struct sockaddr *)&host, sizeof(host)) ||
	    write(fd, text, strlen(text)) < 0) {
		perror("vsock");
		return 1;
	}
	n = read(fd, answer, sizeof(answer) - 1);
	answer[n > 0 ? n : 0] = 0;
	printf("answer=%s\n", answer);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "reads"))
		return reads(argv[2], strtoul(argv[3], NULL, 10));
	if (argc == 4 && !strcmp(argv[1], "vsock"))
		return vsock(strtoul(argv[2], NULL, 10), argv[3]);
	return 2;
}
