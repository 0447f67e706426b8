// SPDX-License-Identifier: GPL-2.0-only
/*
 * asvm qemu: the same guest under QEMU, with its disks through the bridge and its
 * networks on /dev/asv-net, and functions by leases of asv-vtd. For every guest that asvm
 * cannot boot itself.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "array.h"
#include "cmd.h"
#include "exit_code.h"
#include "help.h"
#include "lease.h"
#include "log.h"
#include "run_config.h"

#define WORDS_MAX 256
#define WORD_MAX 8192

/* struct words - a command line under construction */
struct words {
	char *word[WORDS_MAX + 1];
	unsigned int count;
	bool failed;
};

/**
 * struct plan - what has to run
 * @bridge: a command line for each disk
 * @vhost: /dev/asv-net descriptors that QEMU inherits; when only printing, the
 *	numbers that the shell shall open them as
 */
struct plan {
	struct run_config rc;
	struct words qemu;
	struct words bridge[ASVM_DISKS_MAX];
	char dir[64];
	int vhost[ASVM_NETS_MAX * ASVM_NET_PAIRS_MAX];
	unsigned int nvhost;
	bool run;
};

static void add(struct words *w, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void add(struct words *w, const char *fmt, ...)
{
	char text[WORD_MAX];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (w->count == WORDS_MAX || n < 0 || n >= WORD_MAX) {
		w->failed = true;
		return;
	}
	w->word[w->count] = strdup(text);
	if (w->word[w->count])
		w->count++;
	else
		w->failed = true;
}

/* QEMU writes a comma inside a value as two. */
static const char *value(const char *text, char to[PATH_MAX * 2])
{
	size_t n = 0;

	for (; *text && n < PATH_MAX * 2 - 2; text++) {
		to[n++] = *text;
		if (*text == ',')
			to[n++] = ',';
	}
	to[n] = '\0';
	return to;
}

/* QEMU runs with the leases, and they end with it. */
static void lease_words(struct plan *plan)
{
	const struct asvm_config *g = &plan->rc.guest;
	unsigned int i;

	for (i = 0; i < g->nvtds; i++) {
		add(&plan->qemu, "asv-vtd");
		add(&plan->qemu, "lease");
		add(&plan->qemu, "%s", g->vtds[i].spec);
		add(&plan->qemu, "--");
	}
}

static void machine_words(struct plan *plan)
{
	const struct asvm_config *g = &plan->rc.guest;
	char node[48] = "";
	const char *huge = "";
	struct words *w = &plan->qemu;

	if (g->hugepages == ASVM_PAGES_2M)
		huge = ",hugetlb=on,hugetlbsize=2M";
	else if (g->hugepages == ASVM_PAGES_1G)
		huge = ",hugetlb=on,hugetlbsize=1G";
	lease_words(plan);
	add(w, "qemu-system-x86_64");
	add(w, "-name");
	add(w, "%s", g->name);
	add(w, "-machine");
	add(w, "q35,accel=kvm,memory-backend=mem");
	add(w, "-cpu");
	add(w, "host");
	add(w, "-smp");
	add(w, "%u", g->cpus);
	add(w, "-m");
	add(w, "%" PRIu64 "M", g->mem >> 20);
	add(w, "-object");
	/* Shared, so that the bridge can be given it. */
	if (g->numa_node >= 0)
		snprintf(node, sizeof(node), ",host-nodes=%d,policy=bind",
			 g->numa_node);
	add(w, "memory-backend-memfd,id=mem,size=%" PRIu64 "M,share=on%s%s",
	    g->mem >> 20, huge, node);
	add(w, "-nodefaults");
	add(w, "-display");
	add(w, "none");
	if (g->no_reboot)
		add(w, "-no-reboot");
}

static void boot_words(struct plan *plan)
{
	const struct asvm_config *g = &plan->rc.guest;
	struct words *w = &plan->qemu;

	if (!g->kernel)
		return;
	add(w, "-kernel");
	add(w, "%s", g->kernel);
	if (g->initrd) {
		add(w, "-initrd");
		add(w, "%s", g->initrd);
	}
	if (g->cmdline) {
		add(w, "-append");
		add(w, "%s", g->cmdline);
	}
}

static void console_words(struct plan *plan)
{
	const struct asvm_config *g = &plan->rc.guest;
	struct words *w = &plan->qemu;

	if (g->console == ASVM_CONSOLE_NONE)
		return;
	add(w, "-chardev");
	add(w, "stdio,id=con,signal=off");
	if (g->console == ASVM_CONSOLE_SERIAL) {
		add(w, "-serial");
		add(w, "chardev:con");
		return;
	}
	add(w, "-device");
	add(w, "virtio-serial-pci");
	add(w, "-device");
	add(w, "virtconsole,chardev=con");
}

static void small_device_words(struct plan *plan)
{
	const struct asvm_config *g = &plan->rc.guest;
	struct words *w = &plan->qemu;

	if (g->rng) {
		add(w, "-device");
		add(w, "virtio-rng-pci");
	}
	if (g->balloon) {
		add(w, "-device");
		add(w, "virtio-balloon-pci,free-page-reporting=%s",
		    g->free_page_reporting ? "on" : "off");
	}
	if (g->vsock_cid) {
		add(w, "-device");
		add(w, "vhost-vsock-pci,guest-cid=%u", g->vsock_cid);
	}
}

static unsigned int disk_queues(const struct plan *plan,
				const struct asvm_disk *d)
{
	unsigned int cpus = plan->rc.guest.cpus;

	if (d->queues)
		return d->queues;
	return cpus < 4 ? cpus : 4;
}

static void disk_words(struct plan *plan, unsigned int i)
{
	const struct asvm_disk *d = &plan->rc.guest.disks[i];
	struct words *b = &plan->bridge[i], *w = &plan->qemu;
	char text[PATH_MAX * 2];
	char socket[96];

	snprintf(socket, sizeof(socket), "%s/disk%u", plan->dir, i);
	add(b, "asvm");
	add(b, "vhost-user-blk");
	add(b, "--socket");
	add(b, "%s", socket);
	add(b, "--disk");
	add(b, "%s", d->path);
	add(b, "--queues=%u", disk_queues(plan, d));
	add(b, "--name=%.24s.%u", plan->rc.guest.name, i);
	if (d->readonly)
		add(b, "--read-only");
	if (d->no_discard)
		add(b, "--discard=no");
	if (d->serial)
		add(b, "--serial=%s", d->serial);
	if (d->iops)
		add(b, "--iops=%" PRIu64, d->iops);
	if (d->bps)
		add(b, "--bps=%" PRIu64, d->bps);
	if (d->poll_us)
		add(b, "--poll=%u", d->poll_us);
	add(w, "-chardev");
	add(w, "socket,id=disk%u,path=%s,reconnect=1", i, value(socket, text));
	add(w, "-device");
	add(w, "vhost-user-blk-pci,chardev=disk%u,num-queues=%u,queue-size=%u,packed=%s",
	    i, disk_queues(plan, d), d->queue_size ? d->queue_size : 256,
	    d->packed ? "on" : "off");
}

/* One descriptor of /dev/asv-net, as QEMU will find it. */
static int vhost_fd(struct plan *plan)
{
	int fd;

	if (!plan->run) {
		/* bash opens any number; these are not used by anything else here. */
		fd = 20 + plan->nvhost;
	} else {
		fd = open("/dev/asv-net", O_RDWR);
		if (fd < 0) {
			log_err("/dev/asv-net: %s; is the module asv_net loaded, and are you in group kvm?",
				strerror(errno));
			return -errno;
		}
	}
	plan->vhost[plan->nvhost++] = fd;
	return fd;
}

static int net_words(struct plan *plan, unsigned int i)
{
	const struct asvm_net *n = &plan->rc.guest.nets[i];
	unsigned int pairs = n->queues ? n->queues : 1, k;
	struct words *w = &plan->qemu;
	char fds[128] = "", vhost[160], device[256];
	size_t len = 0;

	for (k = 0; k < pairs; k++) {
		int fd = vhost_fd(plan);

		if (fd < 0)
			return fd;
		len += snprintf(fds + len, sizeof(fds) - len, "%s%d",
				k ? ":" : "", fd);
	}
	add(w, "-netdev");
	if (pairs == 1)
		snprintf(vhost, sizeof(vhost), "vhostfd=%s", fds);
	else
		snprintf(vhost, sizeof(vhost), "queues=%u,vhostfds=%s", pairs, fds);
	/* Without vhostforce QEMU may serve the rings itself and not say so. */
	add(w, "tap,id=net%u,ifname=%s,script=no,downscript=no,vhost=on,vhostforce=on,%s",
	    i, n->tap, vhost);
	len = snprintf(device, sizeof(device), "virtio-net-pci,netdev=net%u,packed=%s",
		       i, n->packed ? "on" : "off");
	if (pairs > 1)
		len += snprintf(device + len, sizeof(device) - len,
				",mq=on,vectors=%u", 2 * pairs + 2);
	if (n->have_mac)
		len += snprintf(device + len, sizeof(device) - len,
				",mac=%02x:%02x:%02x:%02x:%02x:%02x", n->mac[0],
				n->mac[1], n->mac[2], n->mac[3], n->mac[4],
				n->mac[5]);
	if (n->queue_size)
		len += snprintf(device + len, sizeof(device) - len,
				",rx_queue_size=%u", n->queue_size);
	if (n->mtu)
		snprintf(device + len, sizeof(device) - len, ",host_mtu=%u", n->mtu);
	add(w, "-device");
	add(w, "%s", device);
	return 0;
}

static int vtd_words(struct plan *plan, const struct asvm_vtd *vtd)
{
	char address[VTD_ADDRESS_LEN];

	if (vtd->socket || vtd->function.flags) {
		log_err("--vtd %s: QEMU needs the function's address", vtd->spec);
		return -EINVAL;
	}
	function_of_arg(&vtd->function, address);
	add(&plan->qemu, "-device");
	add(&plan->qemu, "vfio-pci,host=%s", address);
	return 0;
}

static int make_plan(struct plan *plan)
{
	const struct asvm_config *g = &plan->rc.guest;
	unsigned int i;
	int ret = 0;

	machine_words(plan);
	boot_words(plan);
	console_words(plan);
	small_device_words(plan);
	for (i = 0; i < g->ndisks; i++) {
		if (!g->disks[i].path) {
			log_err("disk %u: the bridge needs a file, not a descriptor", i);
			return -EINVAL;
		}
		disk_words(plan, i);
	}
	for (i = 0; i < g->nnets && !ret; i++) {
		if (!g->nets[i].tap) {
			log_err("network %u: QEMU needs a tap's name, not descriptors", i);
			return -EINVAL;
		}
		ret = net_words(plan, i);
	}
	for (i = 0; i < g->nvtds && !ret; i++)
		ret = vtd_words(plan, &g->vtds[i]);
	return ret;
}

/* A word as a shell reads it back. */
static void print_word(const char *word)
{
	const char *p = word;

	while (isalnum((unsigned char)*p) || (*p && strchr("-_./:,=+%@", *p)))
		p++;
	if (*word && !*p) {
		fputs(word, stdout);
		return;
	}
	putchar('\'');
	for (; *word; word++) {
		if (*word == '\'')
			fputs("'\\''", stdout);
		else
			putchar(*word);
	}
	putchar('\'');
}

static void print_words(const struct words *w)
{
	unsigned int i;

	for (i = 0; i < w->count; i++) {
		if (i)
			fputs(w->word[i][0] == '-' ? " \\\n\t" : " ", stdout);
		print_word(w->word[i]);
	}
}

static void print_plan(const struct plan *plan)
{
	unsigned int i;

	puts("#!/bin/bash");
	if (plan->rc.guest.ndisks) {
		/* Not one that somebody else has put there: the bridge is given all memory. */
		printf("mkdir -m 0700 %s || exit\n", plan->dir);
		printf("trap 'kill $(jobs -p); rm -rf %s' EXIT\n", plan->dir);
	}
	for (i = 0; i < plan->rc.guest.ndisks; i++) {
		print_words(&plan->bridge[i]);
		puts(" &");
	}
	for (i = 0; i < plan->nvhost; i++)
		printf("exec %d<> /dev/asv-net\n", plan->vhost[i]);
	for (i = 0; i < plan->rc.guest.ndisks; i++)
		printf("until [ -S %s/disk%u ]; do sleep 0.1; done\n", plan->dir, i);
	print_words(&plan->qemu);
	putchar('\n');
}

/* A bridge ends with this process. */
static int start_bridge(struct words *w)
{
	pid_t parent = getpid(), pid = fork();

	if (pid < 0) {
		log_err("cannot start the bridge: %s", strerror(errno));
		return -errno;
	}
	if (pid)
		return 0;
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(EXIT_CODE_FAILED);
	/* Keys meant for the guest are not for it. */
	setsid();
	execv("/proc/self/exe", w->word);
	log_err("cannot start the bridge: %s", strerror(errno));
	_exit(EXIT_CODE_FAILED);
}

static int wait_socket(const char *dir, unsigned int i)
{
	const struct timespec pause = { .tv_nsec = 20000000 };
	char path[96];
	int tries;

	snprintf(path, sizeof(path), "%s/disk%u", dir, i);
	for (tries = 0; tries < 500; tries++) {
		struct stat st;

		if (!stat(path, &st) && S_ISSOCK(st.st_mode))
			return 0;
		nanosleep(&pause, NULL);
	}
	log_err("the bridge of disk %u did not start; see its message", i);
	return -ETIMEDOUT;
}

static int wait_qemu(pid_t pid)
{
	int status;

	/* What is typed at the terminal is QEMU's to answer. */
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return EXIT_CODE_FAILED;
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	log_err("QEMU was ended by signal %d", WTERMSIG(status));
	return EXIT_CODE_FAILED;
}

static int run_qemu(struct plan *plan)
{
	pid_t parent = getpid(), pid = fork();

	if (pid < 0) {
		log_err("cannot start QEMU: %s", strerror(errno));
		return EXIT_CODE_FAILED;
	}
	if (pid)
		return wait_qemu(pid);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() == parent)
		execvp(plan->qemu.word[0], plan->qemu.word);
	log_err("cannot run %s: %s", plan->qemu.word[0], strerror(errno));
	_exit(EXIT_CODE_FAILED);
}

static void remove_dir(const struct plan *plan)
{
	char path[96];
	unsigned int i;

	for (i = 0; i < plan->rc.guest.ndisks; i++) {
		snprintf(path, sizeof(path), "%s/disk%u", plan->dir, i);
		unlink(path);
	}
	rmdir(plan->dir);
}

static int run_plan(struct plan *plan)
{
	int code = EXIT_CODE_OK;
	unsigned int i;

	for (i = 0; i < plan->rc.guest.ndisks && !code; i++)
		if (start_bridge(&plan->bridge[i]))
			code = EXIT_CODE_FAILED;
	for (i = 0; i < plan->rc.guest.ndisks && !code; i++)
		if (wait_socket(plan->dir, i))
			code = EXIT_CODE_FAILED;
	if (!code)
		code = run_qemu(plan);
	remove_dir(plan);
	return code;
}

static void usage(FILE *to)
{
	fputs("usage: asvm qemu [--run] [FILE.conf] [options of asvm run] [-- QEMU ARGUMENT...]\n\n"
	      "Print a bash script that runs the same guest under QEMU: its disks are served\n"
	      "by /dev/asv-blk through asvm vhost-user-blk, its networks by /dev/asv-net.\n"
	      "With --run it is run at once. Without a kernel QEMU's firmware boots a disk.\n", to);
}

/* Ours are --run and what follows "--"; the rest is asvm run's. */
static void split_args(struct plan *plan, int *argc, char **argv, char ***rest)
{
	int i, kept = 1;

	*rest = NULL;
	for (i = 1; i < *argc; i++) {
		if (!strcmp(argv[i], "--")) {
			*rest = &argv[i + 1];
			break;
		}
		if (!strcmp(argv[i], "--run"))
			plan->run = true;
		else
			argv[kept++] = argv[i];
	}
	*argc = kept;
}

static bool plan_fits(const struct plan *plan)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(plan->bridge); i++)
		if (plan->bridge[i].failed)
			return false;
	return !plan->qemu.failed;
}

/* Sockets of a run are in a folder that only its user can enter. */
static int make_dir(struct plan *plan)
{
	snprintf(plan->dir, sizeof(plan->dir), "/tmp/asvm-qemu-XXXXXX");
	if (mkdtemp(plan->dir))
		return 0;
	log_err("%s: %s", plan->dir, strerror(errno));
	return -errno;
}

int cmd_qemu(int argc, char **argv)
{
	static struct plan plan;
	char **rest;

	if (argc < 2 || help_wanted(argc, argv)) {
		usage(argc < 2 ? stderr : stdout);
		return argc < 2 ? EXIT_CODE_USAGE : EXIT_CODE_OK;
	}
	run_config_init(&plan.rc);
	split_args(&plan, &argc, argv, &rest);
	if (run_config_args(&plan.rc, argc, argv) ||
	    run_config_check(&plan.rc, false))
		return EXIT_CODE_USAGE;
	if (plan.run && make_dir(&plan))
		return EXIT_CODE_FAILED;
	if (!plan.run)
		snprintf(plan.dir, sizeof(plan.dir), "/tmp/asvm-%.40s",
			 plan.rc.guest.name);
	if (make_plan(&plan)) {
		if (plan.run)
			remove_dir(&plan);
		return EXIT_CODE_FAILED;
	}
	for (; rest && *rest; rest++)
		add(&plan.qemu, "%s", *rest);
	if (!plan_fits(&plan)) {
		log_err("the command line is too long");
		return EXIT_CODE_FAILED;
	}
	if (plan.run)
		return run_plan(&plan);
	print_plan(&plan);
	return EXIT_CODE_OK;
}
