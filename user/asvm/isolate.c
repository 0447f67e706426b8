// SPDX-License-Identifier: GPL-2.0-only
/* Namespaces, an empty root and no capabilities for a guest's process. */
#include "isolate.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "log.h"

/*
 * The user and group of the guest's process; the same numbers inside and outside.
 * @change: the process has others until it takes these; it cannot see that by itself,
 * for ids that are not mapped read as those of nobody
 */
static struct ids {
	uid_t uid;
	gid_t gid;
	bool change;
} ids;

static int fail(const char *what)
{
	int err = errno;

	log_err("isolation: %s: %s", what, strerror(err));
	return -err;
}

/* Before the clone, so that both processes know it. */
static int find_ids(const char *user)
{
	struct passwd *pw;

	if (!user)
		user = "nobody";

	ids.uid = geteuid();
	ids.gid = getegid();
	if (ids.uid)
		return 0;
	pw = getpwnam(user);
	if (!pw || !pw->pw_uid) {
		log_err("isolation: there is no user '%s' whose rights the guest could have; give --user",
			user);
		return -ENOENT;
	}
	ids.uid = pw->pw_uid;
	ids.gid = pw->pw_gid;
	ids.change = true;
	return 0;
}

pid_t isolate_clone(const struct run_config *rc)
{
	unsigned long flags = SIGCHLD;
	pid_t pid;

	if (rc->sandbox) {
		if (find_ids(rc->user))
			return -1;
		flags |= CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS |
			 CLONE_NEWNET | CLONE_NEWIPC;
	} else {
		log_warn("the guest's process is not isolated; this is for finding faults only");
	}
	/* The C library's fork() takes no flags; there is only one thread yet. */
	pid = syscall(SYS_clone, flags, NULL, NULL, NULL, NULL);
	if (pid < 0) {
		fail("cannot make namespaces");
		if (rc->sandbox)
			log_err("see the sysctls user.max_user_namespaces and kernel.unprivileged_userns_clone");
	}
	return pid;
}

static int write_proc(const char *pid, const char *file, const char *text)
{
	char path[64];
	int fd, ret = 0;

	snprintf(path, sizeof(path), "/proc/%s/%s", pid, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		ret = fail(path);
	if (fd >= 0)
		close(fd);
	return ret;
}

static int write_maps(const char *pid)
{
	char text[64];
	int ret = 0;

	/* An ordinary user may map a group only when setgroups() is given up. */
	if (!ids.change)
		ret = write_proc(pid, "setgroups", "deny");
	snprintf(text, sizeof(text), "%u %u 1\n", ids.gid, ids.gid);
	if (!ret)
		ret = write_proc(pid, "gid_map", text);
	snprintf(text, sizeof(text), "%u %u 1\n", ids.uid, ids.uid);
	if (!ret)
		ret = write_proc(pid, "uid_map", text);
	return ret;
}

int isolate_map(pid_t pid)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", pid);
	return write_maps(text);
}

/*
 * An empty tmpfs takes the place of the root; the old one is stacked on the same point
 * and taken away. Any folder serves as the point to mount it first.
 */
static int empty_root(void)
{
	const unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return fail("cannot make the mounts private");
	if (mount("asvm", "/dev", "tmpfs", flags, "size=4k,mode=0555"))
		return fail("cannot mount an empty root");
	if (chdir("/dev"))
		return fail("cannot enter the empty root");
	if (syscall(SYS_pivot_root, ".", "."))
		return fail("pivot_root");
	if (umount2(".", MNT_DETACH))
		return fail("cannot leave the old root");
	if (chdir("/"))
		return fail("cannot enter the empty root");
	if (mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | flags, NULL))
		return fail("cannot make the empty root read-only");
	return 0;
}

/*
 * From here on no user id brings capabilities, and a change of it takes none away:
 * those that are left are given up by drop_capabilities(), not by chance.
 */
static int lock_secure_bits(void)
{
	const int bits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED |
		SECBIT_NO_SETUID_FIXUP | SECBIT_NO_SETUID_FIXUP_LOCKED |
		SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE |
		SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;

	return prctl(PR_SET_SECUREBITS, bits) ?
		fail("cannot lock the secure bits") : 0;
}

/* Root's child has still root's ids, which mean nothing inside: take the mapped ones. */
static int change_user(void)
{
	if (!ids.change)
		return 0;
	if (setgroups(0, NULL))
		return fail("setgroups");
	if (setresgid(ids.gid, ids.gid, ids.gid))
		return fail("setresgid");
	if (setresuid(ids.uid, ids.uid, ids.uid))
		return fail("setresuid");
	return 0;
}

static int drop_capabilities(void)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct none[2] = { };
	unsigned long cap;

	for (cap = 0; cap < 64; cap++)
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0)) {
			if (errno == EINVAL)
				break;
			return fail("cannot drop capabilities");
		}
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0))
		return fail("cannot drop ambient capabilities");
	if (syscall(SYS_capset, &head, none))
		return fail("cannot drop capabilities");
	return 0;
}

int isolate_enter(void)
{
	const struct rlimit none = { 0, 0 };
	int death = 0;
	int ret;

	prctl(PR_GET_PDEATHSIG, &death);
	ret = empty_root();
	if (!ret)
		ret = lock_secure_bits();
	if (!ret)
		ret = change_user();
	if (!ret)
		ret = drop_capabilities();
	if (ret)
		return ret;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return fail("no_new_privs");
	/* Guest memory goes into no core file, and nobody else may look at it. */
	if (setrlimit(RLIMIT_CORE, &none) || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		return fail("cannot forbid core dumps");
	/* The kernel forgets it when the user changes. */
	if (prctl(PR_SET_PDEATHSIG, death))
		return fail("cannot end with the supervisor");
	return 0;
}

int isolate_self(const char *user)
{
	int flags = CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC;
	int ret;

	ret = find_ids(user);
	if (ret)
		return ret;
	/* Root can have the others without; and could not map another user by itself. */
	if (!ids.change)
		flags |= CLONE_NEWUSER;
	if (unshare(flags))
		return fail("cannot make namespaces");
	if (!ids.change)
		ret = write_maps("self");
	return ret ? ret : isolate_enter();
}
