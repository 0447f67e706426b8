/* SPDX-License-Identifier: GPL-2.0-only */
/* A guest of asvm whose console is a shell; see guest_init. */
#ifndef TEST_GUEST_H
#define TEST_GUEST_H

#include "asvm.h"

/* emulated in an emulated host, and that may be busy */
#define BOOT_MS		180000
#define SAY_MS		60000
#define CMDLINE		"console=ttyS0 quiet panic=-1 mitigations=off"

/*
 * The main() of a program whose tests start guests: KVM, our modules, a kernel and an
 * initramfs, then the tests. What lacks is said in a line of TAP.
 */
int guest_main(int argc, char **argv, int (*tests)(int argc, char **argv));

/* the folder of the scripts; the paths of the kernel and of the initramfs */
const char *guest_scripts(void);
const char *guest_bzimage(void);
const char *guest_initrd(void);
/* the kernel as an ELF file without its PVH entry; 0 or -EIO */
int guest_vmlinux_without_pvh(const char *path);

/*
 * Start a guest of 128 MiB from an ELF kernel, for most of a bzImage's boot is its own
 * unpacking, with further arguments that end in NULL; 0 or -errno
 */
int guest_start(struct asvm_run *run, const char *name, const char *const *more);
/* a line to the guest's shell */
int guest_say(struct asvm_run *run, const char *line);
/* the same, and wait for an answer, which the question itself must not contain */
int guest_ask(struct asvm_run *run, const char *question, const char *answer);

#endif /* TEST_GUEST_H */
