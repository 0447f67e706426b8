// SPDX-License-Identifier: GPL-2.0-only
/* asv-vtd events: what happens to leased functions, from the module and the kernel's log. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "values.h"
#include "vtd.h"

#define KMSG_MAX	8192

/**
 * struct watch - a run of asv-vtd events
 * @kmsg: /dev/kmsg, or -1
 */
struct watch {
	struct vtd_netlink *nl;
	int kmsg;
	bool json;
};

static void stamp(char text[32])
{
	time_t now = time(NULL);
	struct tm tm;

	localtime_r(&now, &tm);
	strftime(text, 32, "%FT%T%z", &tm);
}

static void show_text(const struct lease *l)
{
	char when[32], text[ASV_VTD_TEXT_LEN];

	stamp(when);
	value_show(l->comm, text, sizeof(text));
	printf("%s %s %s: %s (process %" PRIu32 ")", when, l->address, lease_event(l), text,
	       l->pid);
	if (l->event == ASV_VTD_EVENT_ENDED)
		printf(", but process %" PRIu32 " has it open or mapped", l->user_pid);
	if (l->event == ASV_VTD_EVENT_RETURNED)
		printf(", driver %s", l->driver[0] ? l->driver : "none");
	if (l->text[0])
		printf(": %s", l->text);
	if (l->error)
		printf(": %s", strerror(l->error));
	putchar('\n');
}

static void show_json(const struct lease *l)
{
	struct json_out out;
	char when[32];

	stamp(when);
	json_out_file(&out, stdout);
	json_open(&out, NULL, '{');
	json_str(&out, "time", when);
	json_str(&out, "event", lease_event(l));
	json_str(&out, "address", l->address);
	json_u64(&out, "group", l->group);
	json_u64(&out, "pid", l->pid);
	json_u64(&out, "uid", l->uid);
	json_str(&out, "comm", l->comm);
	if (l->user_pid)
		json_u64(&out, "user_pid", l->user_pid);
	if (l->event == ASV_VTD_EVENT_RETURNED)
		json_str(&out, "driver", l->driver);
	if (l->reason)
		json_str(&out, "reason", vtd_reason(l->reason));
	if (l->text[0])
		json_str(&out, "text", l->text);
	if (l->error)
		json_u64(&out, "errno", l->error);
	json_close(&out, '}');
	putchar('\n');
}

static void show(const struct lease *lease, void *arg)
{
	const struct watch *w = arg;

	if (w->json)
		show_json(lease);
	else
		show_text(lease);
	fflush(stdout);
}

static void show_fault(const struct watch *w, const char *address, const char *line)
{
	char when[32], text[256];
	struct json_out out;

	stamp(when);
	value_show(line, text, sizeof(text));
	if (!w->json) {
		printf("%s %s dma-fault, at least one: %s\n", when, address, text);
	} else {
		json_out_file(&out, stdout);
		json_open(&out, NULL, '{');
		json_str(&out, "time", when);
		json_str(&out, "event", "dma-fault");
		json_str(&out, "address", address);
		json_u64(&out, "at_least", 1);
		json_str(&out, "text", text);
		json_close(&out, '}');
		putchar('\n');
	}
	fflush(stdout);
}

/* A fault of a function that is not leased is the host's own affair. */
static bool leased(const struct watch *w, const char *address)
{
	struct lease *list = NULL;
	ssize_t n = netlink_leases(w->nl, &list);
	bool found = n > 0 && lease_find(list, n, address);

	free(list);
	return found;
}

/* The records of /dev/kmsg that are there: "PRIORITY,...;TEXT" and lines of properties. */
static int read_kmsg(const struct watch *w)
{
	char record[KMSG_MAX], address[VTD_ADDRESS_LEN], *line;
	ssize_t n;

	for (;;) {
		n = read(w->kmsg, record, sizeof(record) - 1);
		if (n < 0 && errno == EAGAIN)
			return 0;
		/* Overwritten before it was read: faults are «at least one» in any case. */
		if (n < 0 && (errno == EPIPE || errno == EINTR))
			continue;
		if (n <= 0) {
			log_err("/dev/kmsg: %s", strerror(errno));
			return -1;
		}
		record[n] = '\0';
		line = strchr(record, ';');
		if (!line)
			continue;
		line++;
		line[strcspn(line, "\n")] = '\0';
		if (kmsg_fault(line, address) && leased(w, address))
			show_fault(w, address, line);
	}
}

static int watch(struct watch *w)
{
	struct pollfd fds[2] = {
		{ .fd = netlink_fd(w->nl), .events = POLLIN },
		{ .fd = w->kmsg, .events = POLLIN },
	};

	for (;;) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return -1;
		if (fds[0].revents)
			netlink_events(w->nl, show, w);
		if (fds[1].revents && read_kmsg(w))
			return -1;
		if (ferror(stdout))
			return -1;
	}
}

int cmd_events(int argc, char **argv)
{
	struct watch w = { .json = argc == 2 && !strcmp(argv[1], "--json") };

	if (argc > 1 && !w.json)
		return VTD_USAGE;
	w.nl = netlink_open(true, false);
	if (!w.nl)
		return VTD_FAILED;
	w.kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (w.kmsg < 0)
		log_warn("/dev/kmsg: %s: DMA faults are not shown", strerror(errno));
	else
		lseek(w.kmsg, 0, SEEK_END);
	/* Who waits for the first line knows that from here on none is missed. */
	log_info("watching");
	watch(&w);
	if (w.kmsg >= 0)
		close(w.kmsg);
	netlink_close(w.nl);
	return VTD_FAILED;
}
