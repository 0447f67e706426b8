// SPDX-License-Identifier: GPL-2.0-only
/* asv-vtd lease: hold a function while a command runs. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
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

int cmd_lease(int argc, char **argv)
{
	char address[VTD_ADDRESS_LEN];
	struct asv_vtd_lease_arg arg;
	bool unsafe = false, console = false;
	struct function f;
	const char *why;
	int i, node, lease;

	for (i = 1; i < argc && argv[i][0] == '-'; i++) {
		if (!strcmp(argv[i], "--unsafe-interrupts"))
			unsafe = true;
		else if (!strcmp(argv[i], "--console"))
			console = true;
		else
			return VTD_USAGE;
	}
	if (i == argc)
		return VTD_USAGE;
	why = function_spec(argv[i], &arg);
	if (why) {
		log_err("%s %s", argv[i], why);
		return VTD_USAGE;
	}
	i++;
	if (i < argc && !strcmp(argv[i], "--"))
		i++;
	function_of_arg(&arg, address);
	if (!arg.flags && !function_read(&f, address) && f.boot_vga && !console) {
		log_err("the host's console is on %s: --console leases it all the same", address);
		return VTD_REFUSED;
	}
	if (unsafe)
		arg.flags |= ASV_VTD_LEASE_UNSAFE_INTR;
	node = vtd_open();
	if (node < 0)
		return VTD_FAILED;
	lease = vtd_lease(node, &arg);
	close(node);
	function_of_arg(&arg, address);
	if (lease < 0 && arg.reason) {
		log_err("%s", arg.text);
		if (arg.reason == ASV_VTD_DISK_CLAIMED)
			disk_use_show(address);
		return VTD_REFUSED;
	}
	if (lease < 0) {
		log_err("cannot lease: %s", strerror(-lease));
		return VTD_FAILED;
	}
	return i < argc ? run(argv + i, lease, address, arg.group) : hold(address, arg.group);
}
