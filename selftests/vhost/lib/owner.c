// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "owner.h"

int vt_owner_start(struct vt_owner *owner, int (*setup)(void *arg), void *arg)
{
	int pipes[2], ret = -EPIPE;
	pid_t pid;

	if (pipe(pipes))
		return -errno;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(pipes[0]);
		ret = setup(arg);
		if (write(pipes[1], &ret, sizeof(ret)) != sizeof(ret))
			_exit(1);
		close(pipes[1]);
		for (;;)
			pause();
	}
	owner->pid = pid;
	close(pipes[1]);
	if (read(pipes[0], &ret, sizeof(ret)) != sizeof(ret))
		ret = -EPIPE;
	close(pipes[0]);
	return ret;
}

int vt_owner_kill(struct vt_owner *owner)
{
	int status;

	if (kill(owner->pid, SIGKILL))
		return -errno;
	if (waitpid(owner->pid, &status, 0) != owner->pid)
		return -errno;
	owner->pid = 0;
	return 0;
}

int vt_module_users(const char *module)
{
	char path[128];
	int users = -ENOENT;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/module/%s/refcnt", module);
	f = fopen(path, "r");
	if (!f)
		return -errno;
	if (fscanf(f, "%d", &users) != 1)
		users = -EIO;
	fclose(f);
	return users;
}
