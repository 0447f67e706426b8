/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What keeps a guest's process in. Its order:
 *
 *   supervisor  isolate_clone()  a child in new user, pid, mount, net and ipc namespaces
 *               isolate_map()    one user and one group in it, the caller's; for root
 *                                those of an unprivileged user
 *   child       isolate_enter()  an empty, read-only root; no capability in any set; no
 *                                new privileges; no core dump; not to be traced
 *               the machine makes its memory, its backends and all its threads
 *               isolate_filter() the system call filter, on all threads at once
 *
 * Capabilities and "no new privileges" belong to a thread and are taken over by the
 * threads it makes, so they go before there is a second one; the filter can be put on
 * all threads later, and must be, for it has no clone() in it.
 */
#ifndef ASVM_ISOLATE_H
#define ASVM_ISOLATE_H

#include <sys/types.h>

#include "options.h"

/**
 * isolate_clone() - like fork(), into new namespaces unless the sandbox is off
 * Return: as fork(); -1 after a message
 */
pid_t isolate_clone(const struct run_config *rc);

/* The others return 0, or -errno after a message. */
int isolate_map(pid_t pid);
int isolate_enter(void);

/* enum isolate_role - whose system calls pass the filter; _VFIO: with functions of the host */
enum isolate_role { ISOLATE_GUEST, ISOLATE_GUEST_VFIO, ISOLATE_BRIDGE };

int isolate_filter(enum isolate_role role);

/**
 * isolate_self() - namespaces and isolate_enter() for this process itself
 * @user: as struct run_config.user
 *
 * For a process without a supervisor: its pid namespace stays as it is.
 */
int isolate_self(const char *user);

#endif
