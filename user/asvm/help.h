/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef ASVM_HELP_H
#define ASVM_HELP_H

#include <stdbool.h>
#include <stdio.h>

#include "options.h"

/* help_wanted() - is --help or -h among the arguments? */
bool help_wanted(int argc, char **argv);

/* help_table() - the options of a table, @dashes before each */
void help_table(FILE *to, const struct option_def *def, const char *dashes);

/* help_run() - how to use asvm run, every option */
void help_run(FILE *to);

#endif
