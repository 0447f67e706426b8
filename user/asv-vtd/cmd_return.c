// SPDX-License-Identifier: GPL-2.0-only
/* asv-vtd return: end a lease that asv-vtd holds, and wait until the function is back. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "values.h"
#include "vtd.h"

#define TIMEOUT_DEFAULT	60
/* Events say when to look again; should one be lost, this does. */
#define LOOK_MS		1000

/**
 * struct returning - the command line
 * @wait: until the function is back
 * @timeout: seconds
 */
struct returning {
	bool wait;
	uint64_t timeout;
	char address[VTD_ADDRESS_LEN];
};

static int parse(struct returning *r, int argc, char **argv)
{
	const char *why, *function = NULL;
	int i;

	memset(r, 0, sizeof(*r));
	r->timeout = TIMEOUT_DEFAULT;
	for (i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--wait")) {
			r->wait = true;
		} else if (!strcmp(argv[i], "--timeout") && i + 1 < argc) {
			why = value_u64(argv[++i], 1, 86400, &r->timeout);
			if (why) {
				log_err("--timeout: %s", why);
				return -1;
			}
			r->wait = true;
		} else if (argv[i][0] != '-' && !function) {
			function = argv[i];
		} else {
			return -1;
		}
	}
	if (!function)
		return -1;
	if (function_address(function, r->address))
		return 0;
	log_err("%s is no address: 0000:00:04.0", function);
	return -1;
}

/* 1 and a copy of the lease, 0 when there is none, -1 after a message */
static int look(struct vtd_netlink *nl, const char *address, struct lease *copy)
{
	const struct lease *lease;
	struct lease *list = NULL;
	ssize_t n = netlink_leases(nl, &list);

	if (n < 0)
		return -1;
	lease = lease_find(list, n, address);
	if (lease)
		*copy = *lease;
	free(list);
	return !!lease;
}

static bool held(const struct lease *lease)
{
	return lease->state == ASV_VTD_STATE_TAKING || lease->state == ASV_VTD_STATE_HELD;
}

/*
 * Whoever holds the descriptor ends the lease. One of ours is asked to; a guest is to be
 * ended by its own means. The pidfd is taken before the second look, so that the signal
 * cannot go to another process with the same number.
 */
static int ask_holder(struct vtd_netlink *nl, const char *address, struct lease *lease)
{
	char comm[VTD_NAME_LEN], shown[VTD_NAME_LEN];
	int pidfd, ret;

	pidfd = lease->pid ? syscall(SYS_pidfd_open, lease->pid, 0) : -1;
	if (pidfd < 0) {
		log_err("who took %s has passed the lease on and ended: end who has it", address);
		return VTD_REFUSED;
	}
	/* What it is now: a command that runs with the lease is not ours to end. */
	if (sys_text(comm, sizeof(comm), "/proc/%" PRIu32 "/comm", lease->pid) ||
	    strcmp(comm, "asv-vtd")) {
		value_show(comm, shown, sizeof(shown));
		log_err("%s is leased by %s (process %" PRIu32 "): end that guest", address, shown,
			lease->pid);
		close(pidfd);
		return VTD_REFUSED;
	}
	ret = look(nl, address, lease);
	if (ret > 0 && held(lease))
		ret = syscall(SYS_pidfd_send_signal, pidfd, SIGTERM, NULL, 0);
	close(pidfd);
	if (ret >= 0)
		return VTD_OK;
	log_err("process %" PRIu32 ": %s", lease->pid, strerror(errno));
	return VTD_FAILED;
}

/**
 * struct coming_back - what the events say of a return
 * @address: of which function
 * @error: errno of the reset or of the driver, 0 for none
 */
struct coming_back {
	const char *address;
	uint32_t error;
};

static void hear(const struct lease *lease, void *arg)
{
	struct coming_back *back = arg;

	if (lease->event == ASV_VTD_EVENT_RETURNED && !strcmp(lease->address, back->address))
		back->error = lease->error;
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static int wait_back(struct vtd_netlink *nl, const struct returning *r)
{
	struct pollfd event = { .fd = netlink_fd(nl), .events = POLLIN };
	struct coming_back back = { .address = r->address };
	double end = now() + r->timeout;
	struct lease lease;
	int ret;

	for (;;) {
		ret = look(nl, r->address, &lease);
		if (ret < 0)
			return VTD_FAILED;
		if (!ret)
			break;
		if (now() >= end)
			goto late;
		poll(&event, 1, LOOK_MS);
		netlink_events(nl, hear, &back);
	}
	/* The event comes after the end of the lease. */
	if (!back.error && poll(&event, 1, LOOK_MS) > 0)
		netlink_events(nl, hear, &back);
	if (!back.error)
		return VTD_OK;
	log_err("%s is no longer leased, but did not come back well (%s): see the kernel's log",
		r->address, strerror(back.error));
	return VTD_FAILED;
late:
	if (lease.open)
		log_err("%s is not back: process %" PRIu32 " has its VFIO device open or mapped",
			r->address, lease.user_pid);
	else
		log_err("%s is not back after %" PRIu64 " s: %s", r->address, r->timeout,
			lease_state(&lease));
	return VTD_TIMEOUT;
}

int cmd_return(int argc, char **argv)
{
	struct vtd_netlink *nl;
	struct returning r;
	struct lease lease;
	int ret;

	if (parse(&r, argc, argv))
		return VTD_USAGE;
	nl = netlink_open(true, false);
	if (!nl)
		return VTD_FAILED;
	ret = look(nl, r.address, &lease);
	if (ret > 0)
		ret = held(&lease) ? ask_holder(nl, r.address, &lease) : VTD_OK;
	else if (ret < 0)
		ret = VTD_FAILED;
	if (ret == VTD_OK && r.wait)
		ret = wait_back(nl, &r);
	netlink_close(nl);
	return ret;
}
