/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef ASVM_HELP_H
#define ASVM_HELP_H

#include <stdbool.h>
#include <stdio.h>

/* help_wanted() - is --help or -h among the arguments? */
bool help_wanted(int argc, char **argv);

/* help_run() - how to use asvm run, every option */
void help_run(FILE *to);

#endif
