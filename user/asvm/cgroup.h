/* SPDX-License-Identifier: GPL-2.0-only */
/* Limits on a guest by a cgroup of its own, where a cgroup was delegated to us. */
#ifndef ASVM_CGROUP_H
#define ASVM_CGROUP_H

#include <sys/types.h>

#include "options.h"

/**
 * struct cgroup - the guest's cgroup
 * @parent: the delegated one
 * @guest: the guest's below it
 * @name: of the guest's
 *
 * Both are descriptors of folders, -1 when there is none.
 */
struct cgroup {
	int parent;
	int guest;
	char name[80];
};

/* cgroup_prepare() - make it and set its limits; says when that cannot be */
void cgroup_prepare(struct cgroup *cg, const struct run_config *rc);

/* cgroup_attach() - put the guest's process in */
void cgroup_attach(struct cgroup *cg, pid_t pid);

/* cgroup_remove() - when the guest's process has ended */
void cgroup_remove(struct cgroup *cg);

void cgroup_close(struct cgroup *cg);

#endif
