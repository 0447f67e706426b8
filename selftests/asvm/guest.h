/* SPDX-License-Identifier: GPL-2.0-only */
/* A guest of asvm whose console is a shell; see guest-initrd.sh. */
#ifndef TEST_GUEST_H
#define TEST_GUEST_H

#include "asvm.h"

/* emulated in an emulated host, and that may be busy */
#define BOOT_MS		180000
#define SAY_MS		60000
#define CMDLINE		"console=ttyS0 quiet panic=-1 mitigations=off"

/* KVM, our modules, a kernel and an initramfs; -1 after a line of TAP that says what lacks */
int guest_init(void);
void guest_exit(void);

/* start a guest of 128 MiB, with further arguments that end in NULL; 0 or -errno */
int guest_start(struct asvm_run *run, const char *name, const char *const *more);
/* a line to the guest's shell */
int guest_say(struct asvm_run *run, const char *line);
/* the same, and wait for an answer, which the question itself must not contain */
int guest_ask(struct asvm_run *run, const char *question, const char *answer);

#endif /* TEST_GUEST_H */
