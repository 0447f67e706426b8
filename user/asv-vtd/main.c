// SPDX-License-Identifier: GPL-2.0-only
/* asv-vtd: PCI functions for guests. */
#include <stdio.h>
#include <string.h>

#include "array.h"
#include "log.h"
#include "vtd.h"

#define VERSION "0.1.0"

/* struct verb - what the first argument may be */
struct verb {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *args;
	const char *text;
};

static const struct verb verbs[] = {
	{ "check", cmd_check, "[--json]",
	  "is this machine ready, and which functions can be leased; what to do if not" },
	{ "list", cmd_list, "[--json]",
	  "the functions, their drivers and groups, and who has leased them" },
	{ "show", cmd_show, "[--json] FUNCTION",
	  "all about one function" },
	{ "lease", cmd_lease, "[--unsafe-interrupts] [--console] FUNCTION [COMMAND [ARGUMENT]...]",
	  "lease it while COMMAND runs, or until interrupted; with --to SOCKET and\n"
	  "           --memlock SIZE instead of COMMAND, hand the lease to who listens there" },
	{ "return", cmd_return, "[--wait] [--timeout SECONDS] FUNCTION",
	  "end a lease that asv-vtd holds; with --wait, wait until the function is back" },
	{ "vf", cmd_vf, "FUNCTION [COUNT]",
	  "show a PF's virtual functions, or make COUNT of them, or 0 to remove them" },
	{ "events", cmd_events, "[--json]",
	  "show what happens to leased functions, DMA faults included" },
};

static void help(FILE *to)
{
	size_t i;

	fputs("usage: asv-vtd VERB [option]... [argument]...\n\n"
	      "Give PCI functions to guests, and have them back.\n\n", to);
	for (i = 0; i < ARRAY_SIZE(verbs); i++)
		fprintf(to, "  %-8s %s\n           %s\n", verbs[i].name, verbs[i].args,
			verbs[i].text);
	fputs("\nFUNCTION is an address (0000:00:04.0 or 00:04.0), VENDOR:DEVICE[,node=N] for any\n"
	      "such function, or pf=ADDRESS,vf=N for a virtual function.\n\n"
	      "exit codes: 0 done; 1 failed; 2 wrong arguments; 3 refused; 4 of check: nothing\n"
	      "can be leased here; 5 it took too long\n", to);
}

static int help_of(const struct verb *verb, FILE *to)
{
	fprintf(to, "usage: asv-vtd %s %s\n\n%s\n", verb->name, verb->args, verb->text);
	return to == stdout ? VTD_OK : VTD_USAGE;
}

int main(int argc, char **argv)
{
	size_t i;
	int ret;

	log_init("asv-vtd", LOG_LEVEL_INFO, 0);
	if (argc < 2) {
		help(stderr);
		return VTD_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
		help(stdout);
		return VTD_OK;
	}
	if (!strcmp(argv[1], "--version")) {
		puts("asv-vtd " VERSION);
		return VTD_OK;
	}
	for (i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (strcmp(argv[1], verbs[i].name))
			continue;
		if (argc > 2 && (!strcmp(argv[2], "--help") || !strcmp(argv[2], "-h")))
			return help_of(&verbs[i], stdout);
		ret = verbs[i].run(argc - 1, argv + 1);
		if (ret == VTD_USAGE)
			help_of(&verbs[i], stderr);
		return fflush(stdout) && ret == VTD_OK ? VTD_FAILED : ret;
	}
	log_err("no such verb: %s; see asv-vtd --help", argv[1]);
	return VTD_USAGE;
}
