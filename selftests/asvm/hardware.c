// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a guest can be given beyond the machine of guests.c, in few guests that have much at
 * once: kernels in the form of an ELF file, processors and memory that are bound to the
 * host's, networks of several queues and of other kinds than a tap, a vsock, interrupts by
 * INTx, and descriptors in the place of rights. And what asvm costs while a guest runs.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <linux/vm_sockets.h>

#include "kselftest_harness.h"

#include "guest.h"
#include "marks.h"

#define BEYOND_KIB_MAX		5120	/* resident beyond the guest's memory */
#define BINARY_BYTES_MAX	409600	/* of asvm, stripped */
#define VSOCK_PORT		7300
#define PAGES_2M		"/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"
#define TRACING			"/sys/kernel/tracing/instances/asvm-test"

static struct asvm_run run, other;

#define START(name, ...) \
	guest_start(&run, name, (const char *const []) { __VA_ARGS__, NULL })

/* a command of the host's shell; what it does not do well is told */
__attribute__((format(printf, 1, 2)))
static int host(const char *format, ...)
{
	char command[2048];
	va_list ap;
	int ret;

	va_start(ap, format);
	vsnprintf(command, sizeof(command), format, ap);
	va_end(ap);
	ret = system(command);
	if (ret)
		fprintf(stderr, "# %#x from: %s\n", ret, command);
	return ret;
}

/* the start of a file; "" without one */
static const char *text_of(const char *path)
{
	static char text[65536];
	FILE *f = fopen(path, "r");
	size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;

	if (f)
		fclose(f);
	text[n] = 0;
	return text;
}

/* the guest's end of a network of networks.sh; then it reaches the host's */
static int net_works(int net)
{
	char line[32], answer[32];

	snprintf(line, sizeof(line), "reach %d", net);
	snprintf(answer, sizeof(answer), "network %d works", net);
	return guest_ask(&run, line, answer);
}

/* the process that is the guest */
static pid_t guest_pid(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", run.pid, run.pid);
	return atoi(text_of(path));
}

/* which of the host's CPUs a vCPU's thread may run on, as text; "" if there is no such thread */
static const char *cpus_of(pid_t pid, unsigned int vcpu)
{
	static char list[64];
	char path[300], name[32];
	struct dirent *de;
	const char *at;
	DIR *dir;

	list[0] = 0;
	snprintf(name, sizeof(name), "Name:\tvcpu%u\n", vcpu);
	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while (dir && (de = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/%d/task/%s/status", pid, de->d_name);
		at = text_of(path);
		if (strncmp(at, name, strlen(name)))
			continue;
		at = strstr(at, "Cpus_allowed_list:");
		if (at)
			sscanf(at, "Cpus_allowed_list: %63s", list);
	}
	if (dir)
		closedir(dir);
	return list;
}

/* what of a process is resident, in KiB, but for mappings of @skip KiB and more */
static unsigned int beyond_kib(pid_t pid, unsigned int skip)
{
	unsigned int size = 0, rss, sum = 0;
	char path[64], line[512];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/smaps", pid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "Size: %u kB", &size) == 1)
			continue;
		if (sscanf(line, "Rss: %u kB", &rss) == 1 && size < skip)
			sum += rss;
	}
	if (f)
		fclose(f);
	return sum;
}

FIXTURE(hardware)
{
	char work[64];
};

FIXTURE_SETUP(hardware)
{
	ASSERT_EQ(0, access("/dev/kvm", R_OK | W_OK));
	strcpy(self->work, "/scratch/asvm-XXXXXX");
	ASSERT_NE(NULL, mkdtemp(self->work));
	ASSERT_EQ(0, chmod(self->work, 0755));
	ASSERT_EQ(0, host("%s/networks.sh up", guest_scripts()));
}

FIXTURE_TEARDOWN(hardware)
{
	asvm_free(&run);
	host("%s/networks.sh down", guest_scripts());
	host("rm -rf %s; echo 0 > " PAGES_2M, self->work);
}

/* asvm stats: has the guest sent by this pair of queues of its network? */
static int pair_used(const char *stats, unsigned int pair)
{
	char name[32];
	const char *at;

	snprintf(name, sizeof(name), "\"large/net0-%u\"", pair);
	at = strstr(stats, name);
	at = at ? strstr(at, "\"index\":1,") : NULL;
	at = at ? strstr(at, "\"requests\":") : NULL;
	return at && atoi(at + strlen("\"requests\":")) > 0;
}

/* KiB of huge pages that a process has touched */
static int huge_kib(pid_t pid)
{
	char path[64];
	const char *at;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	at = strstr(text_of(path), "HugetlbPages:");
	return at ? atoi(at + strlen("HugetlbPages:")) : 0;
}

/* a port of the host's, to which the guest connects; it is answered once */
static int vsock_listen(void)
{
	struct sockaddr_vm any = {
		.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY, .svm_port = VSOCK_PORT,
	};
	int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && !bind(fd, (struct sockaddr *)&any, sizeof(any)) && !listen(fd, 1))
		return fd;
	close(fd);
	return -1;
}

static pid_t vsock_answer(int fd)
{
	struct sockaddr_vm from;
	socklen_t len = sizeof(from);
	char text[64], answer[128];
	pid_t pid = fork();
	ssize_t n;

	if (pid)
		return pid;
	alarm(SAY_MS / 1000);
	fd = accept(fd, (struct sockaddr *)&from, &len);
	n = read(fd, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = 0;
	snprintf(answer, sizeof(answer), "%s from %u", text, from.svm_cid);
	_exit(write(fd, answer, strlen(answer)) < 0);
}

/* eight processors, pinned; huge pages of one node; a network of four queues; a vsock */
TEST_F_TIMEOUT(hardware, large, 600)
{
	const char *const stats[] = { "stats", "--json", "large", NULL };
	unsigned int i;
	size_t from = 0;
	char path[64];
	pid_t pid;
	int fd;

	ASSERT_EQ(0, host("echo 140 > " PAGES_2M));
	ASSERT_LE(128, atoi(text_of(PAGES_2M)));
	ASSERT_EQ(0, START("large", "--mem", "256M", "--cpus", "8",
			   "--pin", "0,1,0,1,0-1,0,1", "--hugepages", "2M", "--numa-node", "0",
			   "--vsock", "73", "--net", "tap=asvq0,queues=4", "--halt-poll", "0",
			   "--cmdline", CMDLINE));
	ASSERT_EQ(0, asvm_expect(&run, &from, "READY cpus=8 ", BOOT_MS));
	pid = guest_pid();
	ASSERT_LT(0, pid);

	for (i = 0; i < 8; i++)
		EXPECT_STREQ(i & 1 ? "1" : "0", cpus_of(pid, i)) TH_LOG("vCPU %u", i);
	snprintf(path, sizeof(path), "/proc/%d/numa_maps", pid);
	EXPECT_NE(NULL, strstr(text_of(path), "bind:0 ")) TH_LOG("%s", text_of(path));
	EXPECT_LE(32 << 10, huge_kib(pid));

	/* each of four processors sends by a queue of its own */
	EXPECT_EQ(0, net_works(0));
	EXPECT_EQ(0, guest_ask(&run, "queues", "queues=4"));
	EXPECT_EQ(0, guest_ask(&run, "send_from 0 2 4 6", "sent from all"));
	ASSERT_EQ(0, asvm_do(&other, stats, 20000));
	for (i = 0; i < 4; i++)
		EXPECT_TRUE(pair_used(other.text, i)) TH_LOG("pair %u: %s", i, other.text);

	fd = vsock_listen();
	ASSERT_LE(0, fd);
	vsock_answer(fd);
	EXPECT_EQ(0, guest_ask(&run, "/guest_helper vsock 7300 hello", "answer=hello from 73"));
	close(fd);

	ASSERT_EQ(0, guest_say(&run, "poweroff -f"));
	EXPECT_EQ(0, asvm_wait(&run, SAY_MS));
}

/* huge pages that are not there, and a node that is not */
TEST_F_TIMEOUT(hardware, memory_that_lacks, 60)
{
	ASSERT_EQ(0, host("echo 0 > " PAGES_2M));
	ASSERT_EQ(0, START("lacks", "--hugepages", "2M"));
	EXPECT_EQ(1, asvm_wait(&run, SAY_MS));
	EXPECT_NE(NULL, strstr(run.text, "reserve huge pages first")) TH_LOG("%s", run.text);
	asvm_free(&run);
	ASSERT_EQ(0, START("lacks", "--numa-node", "63"));
	EXPECT_EQ(1, asvm_wait(&run, SAY_MS));
	EXPECT_NE(NULL, strstr(run.text, "NUMA node 63")) TH_LOG("%s", run.text);
}

/*
 * An ordinary user, who may open nothing of what the guest needs, is handed it; a bzImage
 * without message-signalled interrupts, with a disk and a macvtap.
 */
TEST_F_TIMEOUT(hardware, handed, 400)
{
	char script[600];
	const char *const handed[] = {
		script, self->work, guest_bzimage(), guest_initrd(), asvm_path(),
		CMDLINE " pci=nomsi", NULL
	};
	size_t from = 0;
	pid_t pid;
	char path[96];

	snprintf(script, sizeof(script), "%s/handed.sh", guest_scripts());
	ASSERT_EQ(0, run_start(&run, handed));
	ASSERT_EQ(0, asvm_expect(&run, &from, "READY cpus=2 ", BOOT_MS));
	pid = guest_pid();
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	EXPECT_NE(NULL, strstr(text_of(path), "Uid:\t65534\t65534\t65534\t65534\n"))
		TH_LOG("%s", text_of(path));
	EXPECT_NE(NULL, strstr(text_of(path), "CapEff:\t0000000000000000\n"));
	EXPECT_NE(NULL, strstr(text_of(path), "Seccomp:\t2\n"));
	snprintf(path, sizeof(path), "%s/run/asvm/handed", self->work);
	EXPECT_EQ(0, access(path, F_OK));

	EXPECT_EQ(0, net_works(1));
	EXPECT_EQ(0, guest_ask(&run, "poke 8192", "poked"));
	EXPECT_EQ(0, guest_ask(&run, "peek 3 8192", "peek=xyz"));
	EXPECT_EQ(0, guest_ask(&run, "echo msi$(grep -c MSI /proc/interrupts)", "msi0"));
	EXPECT_EQ(0, guest_ask(&run, "echo wired$(grep -c 'IO-APIC.*virtio' /proc/interrupts)",
			       "wired"));
	ASSERT_EQ(0, guest_say(&run, "poweroff -f"));
	EXPECT_EQ(0, asvm_wait(&run, SAY_MS));
	snprintf(path, sizeof(path), "%s/disk", self->work);
	EXPECT_EQ(0, strncmp(text_of(path) + 8192, "xyz\n", 4));
}

/* note the guest's ways out and the switches to its main thread, for costs() */
static int trace(pid_t pid)
{
	static const char *const events[] = {
		"kvm/kvm_pio", "kvm/kvm_userspace_exit", "sched/sched_switch",
	};
	unsigned int i;
	int ret;

	ret = host("mkdir -p %s && echo 8192 > %s/buffer_size_kb", TRACING, TRACING);
	ret |= host("echo next_pid==%d > %s/events/%s/filter", pid, TRACING, events[2]);
	for (i = 0; i < ARRAY_SIZE(events); i++)
		ret |= host("echo 1 > %s/events/%s/enable", TRACING, events[i]);
	return ret;
}

/*
 * Ways out to user space, and switches to the launcher's main thread, between the marks; -1
 * without marks. The mark's own is the last thing before.
 */
static void costs(int *exits, int *switches)
{
	FILE *f = fopen(TRACING "/trace", "r");
	char line[512], begin[64], end[64];
	int state = 0;

	snprintf(begin, sizeof(begin), "at 0x%x size 1 count 1 val 0x%x ", MARK_PORT, MARK_BEGIN);
	snprintf(end, sizeof(end), "at 0x%x size 1 count 1 val 0x%x ", MARK_PORT, MARK_END);
	*exits = 0;
	*switches = 0;
	while (f && fgets(line, sizeof(line), f)) {
		if (strstr(line, begin))
			state = 1;
		else if (state == 1 && strstr(line, "kvm_userspace_exit"))
			state = 2;
		else if (strstr(line, end))
			state = state == 2 ? 3 : state;
		else if (state == 2)
			*exits += !!strstr(line, "kvm_userspace_exit");
		if (state == 2)
			*switches += !!strstr(line, "sched_switch");
	}
	if (f)
		fclose(f);
	if (state != 3)
		*exits = -1;
}

/*
 * A vmlinux without a PVH entry, and an ipvtap. Its I/O costs asvm nothing, its memory
 * little, and it does not take a pause for a fault of its own.
 */
TEST_F_TIMEOUT(hardware, costs, 1800)
{
	const char *env = getenv("ASV_LONG");
	bool longer = env && *env;
	const char *const pause[] = { "pause", "costs", NULL };
	const char *const resume[] = { "resume", "costs", NULL };
	char vmlinux[128], disk[128], line[128];
	int exits, switches;
	unsigned int kib;
	size_t from = 0;

	snprintf(vmlinux, sizeof(vmlinux), "%s/vmlinux", self->work);
	ASSERT_EQ(0, guest_vmlinux_without_pvh(vmlinux));
	snprintf(disk, sizeof(disk), "%s/disk", self->work);
	ASSERT_EQ(0, host("truncate -s 8M %s", disk));
	ASSERT_EQ(0, START("costs", "--kernel", vmlinux, "--mem", "256M", "--disk", disk,
			   "--net", "tap=asvi0", "--free-page-reporting", "no",
			   "--cmdline", CMDLINE));
	ASSERT_EQ(0, asvm_expect(&run, &from, "READY cpus=1 ", BOOT_MS));
	EXPECT_EQ(0, net_works(2));

	/* a pause is longer than what makes the guest report a locked-up processor */
	EXPECT_EQ(0, guest_ask(&run, "watchdog 3", "watchdog is set"));
	EXPECT_EQ(0, asvm_do(&other, pause, 20000)) TH_LOG("%s", other.text);
	ASSERT_EQ(0, trace(guest_pid()));
	kib = beyond_kib(guest_pid(), 256 << 10);
	EXPECT_LT(500, kib);
	EXPECT_GE(BEYOND_KIB_MAX, kib);
	printf("# %u KiB resident beyond the guest's memory\n", kib);
	sleep(9);
	EXPECT_EQ(0, asvm_do(&other, resume, 20000)) TH_LOG("%s", other.text);
	EXPECT_EQ(0, guest_ask(&run, "sleep 2; watchdog 60; lockups", "lockups=0"));

	snprintf(line, sizeof(line), "/guest_helper reads /dev/vda %u", longer ? 100000 : 3000);
	from = run.len;
	EXPECT_EQ(0, guest_say(&run, line));
	EXPECT_EQ(0, asvm_expect(&run, &from, "reads=all", longer ? 20 * SAY_MS : SAY_MS));
	costs(&exits, &switches);
	EXPECT_EQ(0, exits);
	EXPECT_EQ(0, switches);
	host("rmdir " TRACING);
	ASSERT_EQ(0, guest_say(&run, "poweroff -f"));
	EXPECT_EQ(0, asvm_wait(&run, SAY_MS));
}

TEST(binary)
{
	char copy[] = "/tmp/asvm-stripped-XXXXXX";
	struct stat st;
	int fd = mkstemp(copy);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, host("strip -o %s %s", copy, asvm_path()));
	ASSERT_EQ(0, fstat(fd, &st));
	if (!st.st_size)
		ASSERT_EQ(0, stat(copy, &st));
	unlink(copy);
	close(fd);
	EXPECT_LT(0, st.st_size);
	EXPECT_GE(BINARY_BYTES_MAX, st.st_size);
	printf("# asvm has %lld bytes\n", (long long)st.st_size);
}

int main(int argc, char **argv)
{
	return guest_main(argc, argv, test_harness_run);
}
