// SPDX-License-Identifier: GPL-2.0-only
/*
 * limits DIR UID [KIB]: set how much space a user may use on the volume, or print in KiB how
 * much that is used, and how much may be. What this host has used is told to others before.
 */
#include <err.h>
#include <fcntl.h>
#include <linux/quota.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct if_dqblk d = { .dqb_valid = QIF_BLIMITS };
	int fd, cmd = argc > 3 ? Q_SETQUOTA : Q_GETQUOTA;

	if (argc < 3)
		errx(2, "DIR and UID are missing");
	if (argc > 3)
		d.dqb_bhardlimit = strtoull(argv[3], NULL, 0);
	fd = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		err(1, "%s", argv[1]);
	if (syscall(SYS_quotactl_fd, fd, QCMD(Q_SYNC, USRQUOTA), 0, NULL))
		err(1, "quotactl");
	if (syscall(SYS_quotactl_fd, fd, QCMD(cmd, USRQUOTA), atoi(argv[2]), &d))
		err(1, "quotactl");
	if (cmd == Q_GETQUOTA)
		printf("%llu %llu\n", (unsigned long long)d.dqb_curspace / 1024,
		       (unsigned long long)d.dqb_bhardlimit);
	return 0;
}
