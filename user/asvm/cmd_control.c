// SPDX-License-Identifier: GPL-2.0-only
/* Verbs that ask one guest for one thing. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "array.h"
#include "client.h"
#include "cmd.h"
#include "exit_code.h"
#include "help.h"
#include "log.h"
#include "values.h"

/**
 * struct action - a verb without arguments of its own
 * @waits: until the guest has ended
 * @patience: for so many seconds, unless --timeout says otherwise
 */
static const struct action {
	const char *verb;
	const char *help;
	bool waits;
	unsigned int patience;
} actions[] = {
	{ "stop", "Press the power button of a guest and wait until it has powered off.",
	  true, 60 },
	{ "kill", "End a guest at once, as by pulling the plug.", true, 10 },
	{ "pause", "Stop the CPUs of a guest.", false, 0 },
	{ "resume", "Let the CPUs of a paused guest go on.", false, 0 },
	{ "reset", "Reset a guest, as by its reset button.", false, 0 },
};

static int usage(const char *text, bool wanted)
{
	fprintf(wanted ? stdout : stderr, "usage: asvm %s\n", text);
	return wanted ? EXIT_CODE_OK : EXIT_CODE_USAGE;
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

/* The connection closes when the guest's process has ended. */
static int wait_end(struct client *cl, unsigned int seconds)
{
	int64_t end = now_ms() + seconds * 1000LL;
	char rest[256];

	for (;;) {
		struct pollfd p = { cl->fd, POLLIN, 0 };
		int64_t left = end - now_ms();
		ssize_t n;

		if (left <= 0)
			return -ETIMEDOUT;
		if (poll(&p, 1, left) <= 0)
			continue;
		n = recv(cl->fd, rest, sizeof(rest), MSG_DONTWAIT);
		if (!n || (n < 0 && errno != EAGAIN && errno != EINTR))
			return 0;
	}
}

static int act(const struct action *a, const char *name, unsigned int patience)
{
	struct json_object answer;
	struct client cl;
	char request[64];
	int ret;

	if (client_open(&cl, name))
		return EXIT_CODE_FAILED;
	snprintf(request, sizeof(request), "{\"verb\":\"%s\"}", a->verb);
	ret = client_ask(&cl, request, &answer);
	if (!ret && a->waits && patience) {
		ret = wait_end(&cl, patience);
		if (ret)
			log_err("guest %s still runs after %u s; asvm kill %s ends it",
				name, patience, name);
	}
	client_close(&cl);
	return ret ? EXIT_CODE_FAILED : EXIT_CODE_OK;
}

static const struct action *find_action(const char *verb)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(actions); i++)
		if (!strcmp(actions[i].verb, verb))
			return &actions[i];
	return NULL;
}

int cmd_control(int argc, char **argv)
{
	const struct action *a = find_action(argv[0]);
	uint64_t patience = a->patience;
	const char *name = NULL;
	char text[64];
	int i;

	snprintf(text, sizeof(text), "%s %sNAME", a->verb,
		 a->waits ? "[--timeout SECONDS] " : "");
	if (help_wanted(argc, argv)) {
		usage(text, true);
		printf("\n%s\n", a->help);
		if (a->waits)
			puts("With --timeout 0 it does not wait.");
		return EXIT_CODE_OK;
	}
	for (i = 1; i < argc; i++) {
		if (a->waits && !strcmp(argv[i], "--timeout") && i + 1 < argc) {
			const char *why = value_u64(argv[++i], 0, 86400, &patience);

			if (!why)
				continue;
			log_err("--timeout: %s", why);
			return EXIT_CODE_USAGE;
		}
		if (argv[i][0] == '-' || name)
			return usage(text, false);
		name = argv[i];
	}
	if (!name)
		return usage(text, false);
	return act(a, name, patience);
}

static int ask_once(const char *name, const char *request)
{
	struct json_object answer;
	struct client cl;
	int ret;

	if (client_open(&cl, name))
		return EXIT_CODE_FAILED;
	ret = client_ask(&cl, request, &answer);
	client_close(&cl);
	return ret ? EXIT_CODE_FAILED : EXIT_CODE_OK;
}

int cmd_resize_disk(int argc, char **argv)
{
	static const char text[] = "resize-disk NAME DISK [SIZE]";
	uint64_t disk, size = 0;
	struct json_out out;
	char request[128];
	const char *why;

	if (help_wanted(argc, argv)) {
		usage(text, true);
		puts("\nGive disk number DISK (the first is 0) a new size, such as 20G, and tell\n"
		     "the guest. Without SIZE it is told the size that the disk has now.");
		return EXIT_CODE_OK;
	}
	if (argc != 3 && argc != 4)
		return usage(text, false);
	why = value_u64(argv[2], 0, 1023, &disk);
	if (why) {
		log_err("the disk's number: %s", why);
		return EXIT_CODE_USAGE;
	}
	why = argc == 4 ? value_size(argv[3], &size) : NULL;
	if (why || (argc == 4 && (!size || size % 512))) {
		if (!why)
			why = "it must be a multiple of 512";
		log_err("the new size: %s", why);
		return EXIT_CODE_USAGE;
	}
	json_out_init(&out, request, sizeof(request));
	json_open(&out, NULL, '{');
	json_str(&out, "verb", "resize-disk");
	json_u64(&out, "disk", disk);
	json_u64(&out, "size", size);
	json_close(&out, '}');
	return ask_once(argv[1], request);
}

int cmd_balloon(int argc, char **argv)
{
	static const char text[] = "balloon NAME SIZE";
	struct json_out out;
	char request[128];
	const char *why;
	uint64_t size;

	if (help_wanted(argc, argv)) {
		usage(text, true);
		puts("\nAsk a guest to give memory back until it has SIZE, such as 512M, or let\n"
		     "it take memory again up to that.");
		return EXIT_CODE_OK;
	}
	if (argc != 3)
		return usage(text, false);
	why = value_size(argv[2], &size);
	if (why) {
		log_err("the size: %s", why);
		return EXIT_CODE_USAGE;
	}
	json_out_init(&out, request, sizeof(request));
	json_open(&out, NULL, '{');
	json_str(&out, "verb", "balloon");
	json_u64(&out, "memory", size);
	json_close(&out, '}');
	return ask_once(argv[1], request);
}
