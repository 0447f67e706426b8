/* SPDX-License-Identifier: GPL-2.0-only */
/* Running asvm as a user does: its arguments, what it prints, how it ends. */
#ifndef TEST_ASVM_H
#define TEST_ASVM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define OUTPUT_MAX	65536

struct asvm_run {
	pid_t pid;
	int in;			/* its standard input */
	int out;		/* its standard output and error */
	char text[OUTPUT_MAX];	/* all that was read from out */
	size_t len;
	int status;		/* exit code; 128 + signal; -1 while it runs */
};

/* $ASV_BUILD/user/asvm, or asvm by PATH */
const char *asvm_path(void);

/* start asvm with a NULL-ended vector of arguments; 0 or -errno */
int asvm_start(struct asvm_run *run, const char *const *args);
/* the same for any program; argv[0] is its name */
int run_start(struct asvm_run *run, const char *const *argv);
/*
 * Read on until text appears after position *from, which moves behind it. 0, or -ETIMEDOUT,
 * or -EPIPE at the end of the output, after showing what there was.
 */
int asvm_expect(struct asvm_run *run, size_t *from, const char *text, int timeout_ms);
/* read for so long */
void asvm_listen(struct asvm_run *run, int ms);
/* wait for its end; the exit code, or -ETIMEDOUT */
int asvm_wait(struct asvm_run *run, int timeout_ms);
void asvm_free(struct asvm_run *run);

/* run it to its end: the exit code, or -ETIMEDOUT; what it printed is in run->text */
int asvm_do(struct asvm_run *run, const char *const *args, int timeout_ms);

int64_t now_ms(void);

#endif /* TEST_ASVM_H */
