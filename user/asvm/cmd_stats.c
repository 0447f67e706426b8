// SPDX-License-Identifier: GPL-2.0-only
/* asvm stats: runs asvm-stats, so that only it is linked to libnl. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "exit_code.h"
#include "log.h"

int cmd_stats(int argc, char **argv)
{
	static const char program[] = "asvm-stats";
	char path[PATH_MAX];
	ssize_t n;
	char *slash;

	(void)argc;
	/* It is beside this program, also in a build folder. */
	n = readlink("/proc/self/exe", path, sizeof(path) - sizeof(program));
	if (n < 0) {
		log_err("cannot find %s: %s", program, strerror(errno));
		return EXIT_CODE_FAILED;
	}
	path[n] = '\0';
	slash = strrchr(path, '/');
	if (slash)
		strcpy(slash + 1, program);
	execv(path, argv);
	log_err("cannot run %s: %s", path, strerror(errno));
	return EXIT_CODE_FAILED;
}
