// SPDX-License-Identifier: GPL-2.0-only
/* asvm: the launcher's entry. */
#include <stdio.h>
#include <string.h>

#include "config.h"
#include "log.h"

int main(int argc, char **argv)
{
	log_init(NULL, LOG_LEVEL_INFO, 0);
	if (argc == 2 && !strcmp(argv[1], "--help")) {
		puts("usage: asvm run [options]");
		return 0;
	}
	log_err("no verb given; try asvm --help");
	return 2;
}
