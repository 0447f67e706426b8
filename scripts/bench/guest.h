/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the guest programs of `make bench` share. A program is process 1 of a guest: it loads
 * /m/order's modules, prepares, and runs its workloads PASSES times. Each measurement is
 * bracketed by writes to an I/O port, which the host sees as kvm_pio events.
 */
#ifndef BENCH_GUEST_H
#define BENCH_GUEST_H

#include <stdbool.h>

#define PASSES	2
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/**
 * struct bench - what a program measures
 * @prepare: called once, after the modules are loaded
 * @run: runs every workload once, each between mark(w, false) and mark(w, true)
 * @names: of the workloads, in the order of their numbers
 * @here: measures this machine without a guest; "--here ARGUMENT" on the command line;
 *	NULL where that means nothing
 */
struct bench {
	void (*prepare)(void);
	void (*run)(void);
	const char * const *names;
	void (*here)(const char *argument);
};

int bench_main(const struct bench *bench, int argc, char **argv);

/* mark - the begin, or the end after @count operations, of the measurement of workload @w */
void mark(unsigned int w, bool end, unsigned int count);

/* fail - say why, and power off */
void fail(const char *what) __attribute__((noreturn));

void wait_ms(unsigned int ms);

#endif
