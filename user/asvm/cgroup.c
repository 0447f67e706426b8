// SPDX-License-Identifier: GPL-2.0-only
/* Limits on a guest by cgroup v2. */
#include "cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

#define MOUNT "/sys/fs/cgroup"

/* Backend workers count as the guest's processes: some for each queue. */
#define PIDS_MAX 1024

static void unlimited(const char *why)
{
	log_info("no limits on memory and processes: %s", why);
}

/* The cgroup of this process, a path that begins with '/'. */
static int own_path(char *path, size_t size)
{
	FILE *f = fopen("/proc/self/cgroup", "re");
	char line[4200];
	int ret = -ENOENT;

	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f)) {
		if (strncmp(line, "0::/", 4))
			continue;
		line[strcspn(line, "\n")] = '\0';
		ret = snprintf(path, size, "%s", line + 3) < (int)size ?
			0 : -ENAMETOOLONG;
		break;
	}
	fclose(f);
	return ret;
}

static int write_at(int dir, const char *file, const char *text)
{
	int fd = openat(dir, file, O_WRONLY | O_CLOEXEC);
	int ret;

	if (fd < 0)
		return -errno;
	ret = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

/*
 * To write in a cgroup is not to own it: root can write everywhere. systemd marks what
 * it delegates; a cgroup that belongs to an ordinary user is that user's; and without
 * systemd nobody but us uses the root.
 */
static bool delegated(int dir, const char *path)
{
	char mark[2];

	if (faccessat(dir, "cgroup.procs", W_OK, AT_EACCESS) ||
	    faccessat(dir, "cgroup.subtree_control", W_OK, AT_EACCESS))
		return false;
	if (geteuid())
		return true;
	if (!strcmp(path, "/"))
		return access("/run/systemd/system", F_OK) != 0;
	return (fgetxattr(dir, "trusted.delegate", mark, 2) == 1 ||
		fgetxattr(dir, "user.delegate", mark, 2) == 1) && mark[0] == '1';
}

/* Only a cgroup without processes can hand controllers down: ours moves below. */
static int step_down(struct cgroup *cg, const char *path)
{
	char pid[16];
	int dir, ret;

	if (!strcmp(path, "/"))
		return 0;
	if (mkdirat(cg->parent, "supervisor", 0755) && errno != EEXIST)
		return -errno;
	dir = openat(cg->parent, "supervisor",
		     O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	snprintf(pid, sizeof(pid), "%d", getpid());
	ret = write_at(dir, "cgroup.procs", pid);
	close(dir);
	return ret;
}

/*
 * What a guest needs beyond its memory: page tables of both dimensions, devices,
 * requests in flight. The limit stops a leak, it is not a budget.
 */
static uint64_t memory_limit(const struct asvm_config *guest)
{
	return guest->mem + guest->mem / 64 + (128ULL << 20);
}

static int set_limits(struct cgroup *cg, const struct asvm_config *guest)
{
	char text[32];
	int ret;

	snprintf(text, sizeof(text), "%" PRIu64, memory_limit(guest));
	ret = write_at(cg->guest, "memory.max", text);
	if (ret)
		return ret;
	snprintf(text, sizeof(text), "%d", PIDS_MAX);
	ret = write_at(cg->guest, "pids.max", text);
	if (!ret)
		ret = write_at(cg->guest, "memory.oom.group", "1");
	return ret;
}

static int make(struct cgroup *cg, const char *path,
		const struct run_config *rc)
{
	int ret;

	ret = step_down(cg, path);
	if (!ret)
		ret = write_at(cg->parent, "cgroup.subtree_control",
			       "+memory +pids");
	if (ret)
		return ret;
	snprintf(cg->name, sizeof(cg->name), "asvm-%s", rc->guest.name);
	if (mkdirat(cg->parent, cg->name, 0755) && errno != EEXIST)
		return -errno;
	cg->guest = openat(cg->parent, cg->name,
			   O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (cg->guest < 0)
		return -errno;
	ret = set_limits(cg, &rc->guest);
	if (ret) {
		close(cg->guest);
		cg->guest = -1;
		unlinkat(cg->parent, cg->name, AT_REMOVEDIR);
	}
	return ret;
}

void cgroup_prepare(struct cgroup *cg, const struct run_config *rc)
{
	char path[PATH_MAX], full[PATH_MAX + sizeof(MOUNT)];
	struct statfs fs;
	int ret;

	cg->parent = -1;
	cg->guest = -1;
	if (!rc->limits)
		return;
	if (own_path(path, sizeof(path))) {
		unlimited("this host does not use cgroup v2");
		return;
	}
	snprintf(full, sizeof(full), "%s%s", MOUNT, path);
	cg->parent = open(full, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (cg->parent < 0 || fstatfs(cg->parent, &fs) ||
	    fs.f_type != CGROUP2_SUPER_MAGIC) {
		unlimited("cgroup v2 is not mounted at " MOUNT);
	} else if (!delegated(cg->parent, path)) {
		unlimited("no cgroup is delegated to asvm; asvm@.service does that");
	} else {
		ret = make(cg, path, rc);
		if (!ret)
			return;
		if (ret == -EBUSY)
			unlimited("other processes are in the delegated cgroup");
		else
			unlimited(strerror(-ret));
	}
	cgroup_close(cg);
}

void cgroup_attach(struct cgroup *cg, pid_t pid)
{
	char text[16];
	int ret;

	if (cg->guest < 0)
		return;
	snprintf(text, sizeof(text), "%d", pid);
	ret = write_at(cg->guest, "cgroup.procs", text);
	if (ret)
		unlimited(strerror(-ret));
}

void cgroup_remove(struct cgroup *cg)
{
	static const struct timespec pause = { .tv_nsec = 10000000 };
	unsigned int tries;

	if (cg->guest < 0)
		return;
	/* Threads of the kernel may leave it a moment after the process. */
	for (tries = 0; tries < 100; tries++) {
		if (!unlinkat(cg->parent, cg->name, AT_REMOVEDIR) ||
		    errno != EBUSY)
			break;
		nanosleep(&pause, NULL);
	}
	cgroup_close(cg);
}

void cgroup_close(struct cgroup *cg)
{
	if (cg->guest >= 0)
		close(cg->guest);
	if (cg->parent >= 0)
		close(cg->parent);
	cg->guest = -1;
	cg->parent = -1;
}
