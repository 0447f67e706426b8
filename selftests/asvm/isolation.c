// SPDX-License-Identifier: GPL-2.0-only
/*
 * The isolation of a guest's process, seen from outside by /proc, and tried by making
 * that process do what it must not.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/user.h>

#include <linux/kvm.h>

#include "kselftest_harness.h"

#include "guest.h"

static struct asvm_run run;

FIXTURE(isolation)
{
	pid_t child;		/* the guest's process */
};

/* a field of /proc/PID/status as text; "" if it is not there */
static const char *status_of(pid_t pid, pid_t tid, const char *field)
{
	static char line[512];
	char path[64];
	size_t n = strlen(field);
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/status", pid, tid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f)) {
		if (strncmp(line, field, n) || line[n] != ':')
			continue;
		fclose(f);
		line[strcspn(line, "\n")] = 0;
		return line + n + 1 + strspn(line + n + 1, " \t");
	}
	if (f)
		fclose(f);
	return "";
}

static pid_t child_of(pid_t pid)
{
	char path[64];
	int child = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
	f = fopen(path, "r");
	if (f && fscanf(f, "%d", &child) != 1)
		child = 0;
	if (f)
		fclose(f);
	return child;
}

/* start a guest and wait until its filter is in place */
static int start(FIXTURE_DATA(isolation) *self, const char *name)
{
	int64_t end = now_ms() + 30000;
	int ret;

	ret = guest_start(&run, name, (const char *const []) {
		"--cpus", "2", "--cmdline", CMDLINE, NULL });
	if (ret)
		return ret;
	while (now_ms() < end) {
		self->child = child_of(run.pid);
		if (self->child && !strcmp(status_of(self->child, self->child, "Seccomp"), "2"))
			return 0;
		usleep(20000);
	}
	return -ETIMEDOUT;
}

FIXTURE_SETUP(isolation)
{
	ASSERT_EQ(0, access("/dev/kvm", R_OK | W_OK));
}

FIXTURE_TEARDOWN(isolation)
{
	asvm_free(&run);
}

/* call fn for each thread; how many there are */
static unsigned int each_thread(pid_t pid, void (*fn)(pid_t pid, pid_t tid, void *arg), void *arg)
{
	unsigned int n = 0;
	char path[64];
	struct dirent *de;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while (dir && (de = readdir(dir))) {
		if (de->d_name[0] == '.')
			continue;
		fn(pid, atoi(de->d_name), arg);
		n++;
	}
	if (dir)
		closedir(dir);
	return n;
}

/* threads that have less than they should: one bit for each field */
static void check_thread(pid_t pid, pid_t tid, void *arg)
{
	static const struct { const char *field, *value; } want[] = {
		{ "Seccomp", "2" },
		{ "NoNewPrivs", "1" },
		{ "CapEff", "0000000000000000" },
		{ "CapPrm", "0000000000000000" },
		{ "CapInh", "0000000000000000" },
		{ "CapBnd", "0000000000000000" },
		{ "CapAmb", "0000000000000000" },
	};
	unsigned int *bad = arg, i;

	/* a vhost worker is a thread of the owner, but a kernel one that runs no code of it */
	if (!strncmp(status_of(pid, tid, "Name"), "asv-", 4))
		return;
	for (i = 0; i < ARRAY_SIZE(want); i++) {
		const char *got = status_of(pid, tid, want[i].field);

		if (!strcmp(got, want[i].value))
			continue;
		fprintf(stderr, "# thread %d (%s): %s\n", tid, want[i].field, got);
		*bad |= 1 << i;
	}
}

static int entries(const char *path)
{
	struct dirent *de;
	DIR *dir = opendir(path);
	int n = 0;

	if (!dir)
		return -errno;
	while ((de = readdir(dir)))
		n += strcmp(de->d_name, ".") && strcmp(de->d_name, "..");
	closedir(dir);
	return n;
}

TEST_F_TIMEOUT(isolation, from_outside, 400)
{
	static const char *const spaces[] = { "user", "pid_for_children", "mnt", "net", "ipc" };
	char path[64], own[160], its[64];
	unsigned int bad = 0, i, uid[4];
	size_t from = 0;
	ssize_t n, m;

	ASSERT_EQ(0, start(self, "isolated"));
	ASSERT_EQ(0, asvm_expect(&run, &from, "READY", BOOT_MS));
	EXPECT_LE(3, each_thread(self->child, check_thread, &bad));
	EXPECT_EQ(0, bad);
	n = sscanf(status_of(self->child, self->child, "Uid"), "%u %u %u %u", &uid[0], &uid[1],
		   &uid[2], &uid[3]);
	ASSERT_EQ(4, n);
	for (i = 0; i < 4; i++)
		EXPECT_NE(0, uid[i]);
	for (i = 0; i < ARRAY_SIZE(spaces); i++) {
		snprintf(path, sizeof(path), "/proc/self/ns/%s", spaces[i]);
		n = readlink(path, own, sizeof(own));
		snprintf(path, sizeof(path), "/proc/%d/ns/%s", self->child, spaces[i]);
		m = readlink(path, its, sizeof(its));
		ASSERT_LT(0, n);
		ASSERT_LT(0, m) TH_LOG("%s", path);
		EXPECT_TRUE(n != m || memcmp(own, its, n)) TH_LOG("%s: the same", spaces[i]);
	}
	/* an empty root that cannot be written */
	snprintf(path, sizeof(path), "/proc/%d/root/", self->child);
	EXPECT_EQ(0, entries(path));
	snprintf(path, sizeof(path), "/proc/%d/root/x", self->child);
	EXPECT_EQ(-1, open(path, O_CREAT | O_WRONLY, 0600));
	EXPECT_EQ(EROFS, errno);
	snprintf(path, sizeof(path), "/proc/%d/cwd/", self->child);
	EXPECT_EQ(0, entries(path));
	/* its memory is in no dump */
	snprintf(path, sizeof(path), "/proc/%d/limits", self->child);
	snprintf(own, sizeof(own), "grep -Eq 'core file size +0 +0' %s", path);
	EXPECT_EQ(0, system(own));
	/* no descriptor of a directory, by which it could reach out */
	snprintf(path, sizeof(path), "/proc/%d/fd", self->child);
	for (i = 0; i < 256; i++) {
		struct stat st;

		snprintf(own, sizeof(own), "%s/%u", path, i);
		if (!stat(own, &st))
			EXPECT_FALSE(S_ISDIR(st.st_mode)) TH_LOG("descriptor %u", i);
	}
	ASSERT_EQ(0, guest_say(&run, "poweroff -f"));
	EXPECT_EQ(0, asvm_wait(&run, SAY_MS));
}

/* let a stopped thread make another call than the one it was in; 0 or -errno */
static int redirect(pid_t tid, long nr, const long *args)
{
	struct user_regs_struct regs;
	long code;

	if (ptrace(PTRACE_GETREGS, tid, NULL, &regs))
		return -errno;
	regs.rip -= 2;
	code = ptrace(PTRACE_PEEKTEXT, tid, regs.rip, NULL);
	if ((code & 0xffff) != 0x050f)
		return -EAGAIN;
	/* of the interrupted call nothing is to be begun again */
	regs.orig_rax = -1;
	regs.rax = nr;
	regs.rdi = args[0];
	regs.rsi = args[1];
	regs.rdx = args[2];
	regs.r10 = args[3];
	regs.r8 = -1;
	regs.r9 = 0;
	return ptrace(PTRACE_SETREGS, tid, NULL, &regs) ? -errno : 0;
}

/* the same for one that runs, as soon as it is found in a call */
static int make_it_call(pid_t tid, long nr, const long *args)
{
	unsigned int tries;
	int status, ret;

	for (tries = 0; tries < 200; tries++) {
		if (ptrace(PTRACE_ATTACH, tid, NULL, NULL))
			return -errno;
		if (waitpid(tid, &status, __WALL) != tid || !WIFSTOPPED(status))
			return -ESRCH;
		ret = redirect(tid, nr, args);
		if (ptrace(PTRACE_DETACH, tid, NULL, NULL))
			return -errno;
		if (ret != -EAGAIN)
			return ret;
		usleep(20000);
	}
	return -EAGAIN;
}

TEST_F_TIMEOUT(isolation, forbidden_calls, 600)
{
	static const struct {
		const char *name;
		long nr, args[4];
	} calls[] = {
		{ "openat", SYS_openat, { AT_FDCWD, 0, O_RDONLY } },
		{ "execve", SYS_execve, { 0, 0, 0 } },
		{ "socket", SYS_socket, { 1, 1, 0 } },
		{ "connect", SYS_connect, { 0, 0, 0 } },
		{ "clone", SYS_clone, { 0, 0, 0 } },
		{ "ptrace", SYS_ptrace, { PTRACE_TRACEME, 0, 0 } },
		{ "kill", SYS_kill, { -1, 0, 0 } },
		{ "mount", SYS_mount, { 0, 0, 0 } },
		{ "unshare", SYS_unshare, { CLONE_NEWUSER, 0, 0 } },
		{ "bpf", SYS_bpf, { 0, 0, 0 } },
		{ "mmap of code", SYS_mmap, { 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE } },
		{ "mprotect to code", SYS_mprotect, { 0, 4096, PROT_EXEC } },
		{ "ioctl KVM_CREATE_VM", SYS_ioctl, { 3, KVM_CREATE_VM, 0 } },
		{ "ioctl TIOCSTI", SYS_ioctl, { 0, 0x5412, 0 } },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		ASSERT_EQ(0, start(self, "forbidden"));
		ASSERT_EQ(0, make_it_call(self->child, calls[i].nr, calls[i].args))
			TH_LOG("%s", calls[i].name);
		EXPECT_EQ(6, asvm_wait(&run, 20000)) TH_LOG("%s: %s", calls[i].name, run.text);
		asvm_free(&run);
	}
}

/* the way above is no way to kill by itself: a call that is allowed does no harm */
TEST_F_TIMEOUT(isolation, allowed_call, 400)
{
	static const long none[4];
	size_t from = 0;

	ASSERT_EQ(0, start(self, "allowed"));
	ASSERT_EQ(0, asvm_expect(&run, &from, "READY", BOOT_MS));
	EXPECT_EQ(0, make_it_call(self->child, SYS_getpid, none));
	EXPECT_EQ(0, guest_ask(&run, "echo still$((1))here", "still1here"));
	ASSERT_EQ(0, guest_say(&run, "poweroff -f"));
	asvm_wait(&run, SAY_MS);
}

/* what asvm leaves behind: nothing */
TEST_F_TIMEOUT(isolation, tidy, 100)
{
	ASSERT_EQ(0, start(self, "tidy"));
	EXPECT_EQ(0, access("/run/asvm/tidy", F_OK));
	ASSERT_EQ(0, kill(self->child, SIGKILL));
	EXPECT_NE(-ETIMEDOUT, asvm_wait(&run, 20000));
	EXPECT_NE(0, access("/run/asvm/tidy", F_OK));
}

int main(int argc, char **argv)
{
	return guest_main(argc, argv, test_harness_run);
}
