// SPDX-License-Identifier: GPL-2.0-only
/* asv-vtd lease: hold a function while a command runs. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "values.h"
#include "vtd.h"

/* Becomes the command, with the lease: it ends with its last copy of the descriptor. */
static int run(char **command, int lease, const char *address, unsigned int group)
{
	char text[16];

	if (fcntl(lease, F_SETFD, 0)) {
		log_err("fcntl: %s", strerror(errno));
		return VTD_FAILED;
	}
	snprintf(text, sizeof(text), "%d", lease);
	setenv("ASV_VTD_LEASE_FD", text, 1);
	snprintf(text, sizeof(text), "%u", group);
	setenv("ASV_VTD_GROUP", text, 1);
	setenv("ASV_VTD_FUNCTION", address, 1);
	execvp(command[0], command);
	log_err("%s: %s", command[0], strerror(errno));
	return VTD_FAILED;
}

static int hold(const char *address, unsigned int group)
{
	sigset_t ends;
	int sig;

	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGHUP);
	sigprocmask(SIG_BLOCK, &ends, NULL);
	printf("leased %s, group %u: /dev/vfio/%u\n", address, group, group);
	fflush(stdout);
	sigwait(&ends, &sig);
	return VTD_OK;
}

/**
 * struct leasing - the command line
 * @spec: which function
 * @to: socket of the receiver, or NULL
 * @memlock: that the receiver may lock, bytes
 * @unsafe: without interrupt remapping
 * @console: even the host's console
 * @command: what to run, or NULL
 */
struct leasing {
	const char *spec;
	const char *to;
	uint64_t memlock;
	bool unsafe;
	bool console;
	char **command;
};

/* Half of the machine's memory, if nobody says. */
static uint64_t memlock_default(void)
{
	return (uint64_t)sysconf(_SC_PHYS_PAGES) / 2 * sysconf(_SC_PAGESIZE);
}

static int parse(struct leasing *l, int argc, char **argv)
{
	const char *why = NULL;
	int i;

	memset(l, 0, sizeof(*l));
	l->memlock = memlock_default();
	for (i = 1; i < argc && argv[i][0] == '-'; i++) {
		if (!strcmp(argv[i], "--unsafe-interrupts"))
			l->unsafe = true;
		else if (!strcmp(argv[i], "--console"))
			l->console = true;
		else if (!strcmp(argv[i], "--to") && i + 1 < argc)
			l->to = argv[++i];
		else if (!strcmp(argv[i], "--memlock") && i + 1 < argc)
			why = value_size(argv[++i], &l->memlock);
		else
			return -1;
		if (why) {
			log_err("--memlock: %s", why);
			return -1;
		}
	}
	if (i == argc)
		return -1;
	l->spec = argv[i++];
	if (i < argc && !strcmp(argv[i], "--"))
		i++;
	if (i < argc)
		l->command = argv + i;
	return l->command && l->to ? -1 : 0;
}

/* A descriptor, or a negative exit code after a message. */
static int take(const struct leasing *l, struct asv_vtd_lease_arg *arg)
{
	char address[VTD_ADDRESS_LEN];
	int node, lease;

	function_of_arg(arg, address);
	if (!l->console && function_has_console(arg)) {
		log_err("the host's console is on %s: --console leases it all the same", l->spec);
		return -VTD_REFUSED;
	}
	if (l->unsafe)
		arg->flags |= ASV_VTD_LEASE_UNSAFE_INTR;
	node = vtd_open();
	if (node < 0)
		return -VTD_FAILED;
	lease = vtd_lease(node, arg);
	close(node);
	if (lease >= 0)
		return lease;
	if (!arg->reason) {
		log_err("cannot lease: %s", strerror(-lease));
		return -VTD_FAILED;
	}
	log_err("%s", arg->text);
	if (arg->reason == ASV_VTD_DISK_CLAIMED)
		disk_use_show(address);
	return -VTD_REFUSED;
}

int cmd_lease(int argc, char **argv)
{
	char address[VTD_ADDRESS_LEN];
	struct asv_vtd_lease_arg arg;
	struct leasing l;
	const char *why;
	int lease;

	if (parse(&l, argc, argv))
		return VTD_USAGE;
	why = function_spec(l.spec, &arg);
	if (why) {
		log_err("%s %s", l.spec, why);
		return VTD_USAGE;
	}
	lease = take(&l, &arg);
	if (lease < 0)
		return -lease;
	function_of_arg(&arg, address);
	if (l.to)
		return handover(l.to, lease, address, arg.group, l.memlock) ? VTD_FAILED : VTD_OK;
	return l.command ? run(l.command, lease, address, arg.group) : hold(address, arg.group);
}
