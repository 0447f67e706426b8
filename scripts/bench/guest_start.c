// SPDX-License-Identifier: GPL-2.0-only
/* A guest that comes up, its devices too, and then waits to be looked at. */
#include "guest.h"

static void prepare(void)
{
}

static void run(void)
{
	wait_ms(3000);
}

int main(int argc, char **argv)
{
	static const struct bench bench = { .prepare = prepare, .run = run };

	return bench_main(&bench, argc, argv);
}
