// SPDX-License-Identifier: GPL-2.0-only
/* asvm console: a guest's console on this terminal. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client.h"
#include "cmd.h"
#include "exit_code.h"
#include "help.h"
#include "log.h"
#include "terminal.h"

static bool write_all(int fd, const char *data, size_t n)
{
	while (n) {
		ssize_t done = write(fd, data, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return false;
		data += done;
		n -= done;
	}
	return true;
}

/* Until the guest ends or the person leaves; a pipe that ends leaves the output on. */
static bool forward(struct client *cl, const struct terminal *tty)
{
	struct pollfd p[2] = {
		{ STDIN_FILENO, POLLIN, 0 },
		{ cl->fd, POLLIN, 0 },
	};
	char data[4096];
	ssize_t n;

	for (;;) {
		if (poll(p, 2, -1) < 0)
			continue;
		if (p[1].revents) {
			n = recv(cl->fd, data, sizeof(data), 0);
			if (n <= 0 || !write_all(STDOUT_FILENO, data, n))
				return n > 0;
		}
		if (p[0].revents) {
			size_t kept;

			n = read(STDIN_FILENO, data, sizeof(data));
			if (n <= 0) {
				p[0].fd = -1;
				continue;
			}
			kept = terminal_escape(tty, data, n);
			if (!write_all(cl->fd, data, kept))
				return false;
			if (kept != (size_t)n)
				return true;
		}
	}
}

int cmd_console(int argc, char **argv)
{
	const struct timeval forever = { 0 };
	struct json_object answer;
	struct terminal tty;
	struct client cl;
	bool left;

	if (argc != 2 || help_wanted(argc, argv)) {
		bool wanted = help_wanted(argc, argv);

		fputs("usage: asvm console NAME\n\n"
		      "Connect this terminal to a guest's console. Ctrl-] leaves; the guest runs on.\n",
		      wanted ? stdout : stderr);
		return wanted ? EXIT_CODE_OK : EXIT_CODE_USAGE;
	}
	if (client_open(&cl, argv[1]))
		return EXIT_CODE_FAILED;
	if (client_ask(&cl, "{\"verb\":\"console\"}", &answer)) {
		client_close(&cl);
		return EXIT_CODE_FAILED;
	}
	setsockopt(cl.fd, SOL_SOCKET, SO_RCVTIMEO, &forever, sizeof(forever));
	setsockopt(cl.fd, SOL_SOCKET, SO_SNDTIMEO, &forever, sizeof(forever));
	terminal_raw(&tty);
	terminal_say(&tty, "connected; Ctrl-] leaves");
	left = forward(&cl, &tty);
	terminal_say(&tty, left ? "left; the guest runs on" : "the guest has ended");
	terminal_restore(&tty);
	client_close(&cl);
	return EXIT_CODE_OK;
}
