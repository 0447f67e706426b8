// SPDX-License-Identifier: GPL-2.0-only
/* Descriptors that a guest is handed by its service manager, and those it is not. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "run_config.h"
#include "values.h"

#define LISTEN_FDS_FIRST 3
#define LISTEN_FDS_MAX 128

/* "disk3", "disk3-vhost": the number, or -1 */
static int fd_index(const char *name, const char *kind, const char *suffix,
		    unsigned int count)
{
	size_t n = strlen(kind);
	unsigned int index = 0;
	const char *p;

	if (strncmp(name, kind, n))
		return -1;
	for (p = name + n; *p >= '0' && *p <= '9' && p - name - n < 3; p++)
		index = index * 10 + (*p - '0');
	if (p == name + n || strcmp(p, suffix) || index >= count)
		return -1;
	return index;
}

/* Where the descriptor @name goes; NULL when the guest has no use for it. */
static int *fd_slot(struct run_config *rc, const char *name)
{
	struct asvm_config *g = &rc->guest;
	int *fds, i;

	if (!strcmp(name, "kvm"))
		return &g->kvm_fd;
	if (!strcmp(name, "kernel"))
		return &g->kernel_fd;
	if (!strcmp(name, "initrd"))
		return &g->initrd_fd;
	if (!strcmp(name, "vsock"))
		return &g->vsock_fd;
	i = fd_index(name, "disk", "", g->ndisks);
	if (i >= 0)
		return &g->disks[i].fd;
	i = fd_index(name, "disk", "-vhost", g->ndisks);
	if (i >= 0)
		return &g->disks[i].vhost_fd;
	i = fd_index(name, "net", "", g->nnets);
	if (i >= 0) {
		if (g->nets[i].nfds == ASVM_NET_PAIRS_MAX)
			return NULL;
		return &g->nets[i].fds[g->nets[i].nfds++];
	}
	i = fd_index(name, "net", "-vhost", g->nnets);
	if (i >= 0) {
		for (fds = g->nets[i].vhost_fds;
		     fds < g->nets[i].vhost_fds + ASVM_NET_PAIRS_MAX; fds++)
			if (*fds < 0)
				return fds;
	}
	return NULL;
}

/* How many descriptors the service manager hands to this process; -1 after a message. */
static int listen_fds(void)
{
	const char *pid = getenv("LISTEN_PID");
	const char *count = getenv("LISTEN_FDS");
	uint64_t v;

	if (!pid || !count)
		return 0;
	if (value_u64(pid, 1, INT32_MAX, &v) || (pid_t)v != getpid())
		return 0;
	if (value_u64(count, 0, LISTEN_FDS_MAX, &v)) {
		log_err("LISTEN_FDS: expected a number, %d at most", LISTEN_FDS_MAX);
		return -1;
	}
	return v;
}

static int take_listen_fds(struct run_config *rc, int count, char *names)
{
	int i;

	for (i = 0; i < count; i++) {
		char *name = strsep(&names, ":");
		const char *why;
		int *slot;

		if (!name) {
			log_err("LISTEN_FDNAMES has fewer names than LISTEN_FDS says");
			return -EINVAL;
		}
		slot = fd_slot(rc, name);
		if (!slot || *slot >= 0) {
			log_err("LISTEN_FDNAMES: nothing takes a descriptor named '%s'; see asvm-run(1)",
				name);
			return -EINVAL;
		}
		why = option_fd(LISTEN_FDS_FIRST + i, slot);
		if (why) {
			log_err("LISTEN_FDNAMES: %s: %s", name, why);
			return -EINVAL;
		}
	}
	return 0;
}

int run_config_listen_fds(struct run_config *rc)
{
	int count = listen_fds();
	const char *env;
	char *names;
	int ret;

	if (count <= 0)
		return count;
	env = getenv("LISTEN_FDNAMES");
	if (!env) {
		log_err("LISTEN_FDS without LISTEN_FDNAMES: name the descriptors, see asvm-run(1)");
		return -EINVAL;
	}
	names = strdup(env);
	if (!names) {
		log_err("out of memory");
		return -EINVAL;
	}
	ret = take_listen_fds(rc, count, names);
	free(names);
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	return ret;
}

static int by_number(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

void run_config_close_others(const struct run_config *rc)
{
	int keep[4 + 2 * ASVM_DISKS_MAX + 2 * ASVM_NETS_MAX * ASVM_NET_PAIRS_MAX];
	const struct asvm_config *g = &rc->guest;
	unsigned int first = STDERR_FILENO + 1;
	unsigned int n = 0, i, k;

	keep[n++] = g->kvm_fd;
	keep[n++] = g->kernel_fd;
	keep[n++] = g->initrd_fd;
	keep[n++] = g->vsock_fd;
	for (i = 0; i < ASVM_DISKS_MAX; i++) {
		keep[n++] = g->disks[i].fd;
		keep[n++] = g->disks[i].vhost_fd;
	}
	for (i = 0; i < ASVM_NETS_MAX; i++)
		for (k = 0; k < ASVM_NET_PAIRS_MAX; k++) {
			keep[n++] = g->nets[i].fds[k];
			keep[n++] = g->nets[i].vhost_fds[k];
		}
	qsort(keep, n, sizeof(keep[0]), by_number);
	for (i = 0; i < n; i++) {
		if (keep[i] < (int)first)
			continue;
		if (keep[i] > (int)first)
			close_range(first, keep[i] - 1, 0);
		first = keep[i] + 1;
	}
	close_range(first, ~0U, 0);
}
