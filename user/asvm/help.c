// SPDX-License-Identifier: GPL-2.0-only
/* Help texts, from the tables of options. */
#include "help.h"

#include <string.h>

bool help_wanted(int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++)
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
			return true;
	return false;
}

void help_table(FILE *to, const struct option_def *def, const char *dashes)
{
	for (; def->help; def++) {
		char left[64];

		if (!def->cli)
			continue;
		snprintf(left, sizeof(left), "%s%s%s%s", dashes, def->cli,
			 !def->arg ? "" : *dashes ? " " : "=",
			 def->arg ? def->arg : "");
		fprintf(to, "  %-28s %s\n", left, def->help);
	}
}

void help_run(FILE *to)
{
	fputs("usage: asvm run [FILE.conf] [options]\n\n"
	      "Start a guest. Options change what the file says.\n\n", to);
	help_table(to, guest_options, "--");
	fputs("\nKeys of --disk, the first is the file alone or file=FILE:\n", to);
	help_table(to, disk_options, "");
	fputs("\nKeys of --net:\n", to);
	help_table(to, net_options, "");
	fputs("\nA FUNCTION of --vtd is ADDRESS, VENDOR:DEVICE[,node=N], pf=ADDRESS,vf=N or\n"
	      "socket=PATH, where a lease is handed over.\n", to);
	fputs("\nCtrl-] at the console presses the power button, a second time ends\n"
	      "the guest. See asvm-run(1) and asvm.conf(5).\n", to);
}
