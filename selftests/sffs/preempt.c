// SPDX-License-Identifier: GPL-2.0-only
/*
 * preempt DISK KEY: as another host would, register a key and preempt another one.
 * preempt DISK reserve | release: reserve the disk for that key alone, and undo that.
 * preempt DISK clear: take all keys and the reservation away.
 */
#include <fcntl.h>
#include <linux/pr.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#define KEY	0x99ULL

int main(int argc, char **argv)
{
	struct pr_registration reg = { .new_key = KEY, .flags = PR_FL_IGNORE_KEY };
	struct pr_registration unreg = { .old_key = KEY };
	struct pr_reservation res = { .key = KEY, .type = PR_WRITE_EXCLUSIVE };
	struct pr_clear clear = { .key = KEY };
	struct pr_preempt preempt = { .old_key = KEY, .type = PR_WRITE_EXCLUSIVE_ALL_REGS };
	int fd, err;

	if (argc != 3)
		return 2;
	fd = open(argv[1], O_RDWR);
	if (fd < 0) {
		perror(argv[1]);
		return 1;
	}
	if (!strcmp(argv[2], "release")) {
		err = ioctl(fd, IOC_PR_RELEASE, &res) ?: ioctl(fd, IOC_PR_REGISTER, &unreg);
	} else if (!strcmp(argv[2], "clear")) {
		err = ioctl(fd, IOC_PR_REGISTER, &reg) ?: ioctl(fd, IOC_PR_CLEAR, &clear);
	} else if (!strcmp(argv[2], "reserve")) {
		err = ioctl(fd, IOC_PR_REGISTER, &reg) ?: ioctl(fd, IOC_PR_RESERVE, &res);
	} else {
		/* The kernel's names are not those of its manual: old is the own one. */
		preempt.new_key = strtoull(argv[2], NULL, 16);
		err = ioctl(fd, IOC_PR_REGISTER, &reg) ?:
		      ioctl(fd, IOC_PR_PREEMPT_ABORT, &preempt) ?:
		      ioctl(fd, IOC_PR_REGISTER, &unreg);
	}
	if (err)
		fprintf(stderr, "%s %s: %d\n", argv[1], argv[2], err);
	return !!err;
}
