// SPDX-License-Identifier: GPL-2.0-only
/* asvm: a launcher of guests on in-kernel virtio backends. Its verbs. */
#include <stdio.h>
#include <string.h>

#include "array.h"
#include "cmd.h"
#include "exit_code.h"
#include "log.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
} verbs[] = {
	{ "run", cmd_run, "start a guest, from options or a config file" },
	{ "list", cmd_list, "the guests that run" },
	{ "stats", cmd_stats, "counters of the backends' queues" },
	{ "console", cmd_console, "connect to a guest's console" },
	{ "stop", cmd_control, "press the power button and wait" },
	{ "kill", cmd_control, "end a guest at once" },
	{ "pause", cmd_control, "stop a guest's CPUs" },
	{ "resume", cmd_control, "let them go on" },
	{ "reset", cmd_control, "reset a guest, as by its reset button" },
	{ "balloon", cmd_balloon, "say how much memory a guest shall have" },
	{ "resize-disk", cmd_resize_disk, "give a disk a new size" },
	{ "vhost-user-blk", cmd_vhost_user_blk, "serve a disk to QEMU and others" },
	{ "qemu", cmd_qemu, "the QEMU command line for the same guest" },
};

static void usage(FILE *to)
{
	unsigned int i;

	fputs("usage: asvm VERB [arguments]\n\n", to);
	for (i = 0; i < ARRAY_SIZE(verbs); i++)
		fprintf(to, "  %-15s %s\n", verbs[i].name, verbs[i].help);
	fputs("\nasvm VERB --help says more; so does asvm(1).\n", to);
}

int main(int argc, char **argv)
{
	unsigned int i;

	log_init(NULL, LOG_LEVEL_INFO, 0);
	if (argc < 2) {
		usage(stderr);
		return EXIT_CODE_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
		usage(stdout);
		return EXIT_CODE_OK;
	}
	if (!strcmp(argv[1], "--version")) {
		puts("asvm " ASVM_VERSION);
		return EXIT_CODE_OK;
	}
	for (i = 0; i < ARRAY_SIZE(verbs); i++)
		if (!strcmp(argv[1], verbs[i].name))
			return verbs[i].run(argc - 1, argv + 1);
	log_err("unknown verb '%s'; asvm --help lists them", argv[1]);
	return EXIT_CODE_USAGE;
}
