/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A device whose owner is another process: it sets the device up over the shared
 * guest memory and then sleeps, while the test plays the driver. So the owner can be
 * killed at any moment without the driver's model being lost.
 */
#ifndef VT_OWNER_H
#define VT_OWNER_H

#include <sys/types.h>

struct vt_owner {
	pid_t pid;
};

/* fork a process that runs setup(arg) and sleeps; what setup returned, or -errno */
int vt_owner_start(struct vt_owner *owner, int (*setup)(void *arg), void *arg);
/* SIGKILL, and wait until it is gone; 0 or -errno */
int vt_owner_kill(struct vt_owner *owner);

/* users of a module, as lsmod says; -errno if it is not loaded */
int vt_module_users(const char *module);

#endif /* VT_OWNER_H */
