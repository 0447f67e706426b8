// SPDX-License-Identifier: GPL-2.0-only
/* The clients' side of a control socket. */
#include "client.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"
#include "runtime.h"
#include "values.h"

/* Longest wait for an answer, in seconds. */
#define PATIENCE 10

int client_open(struct client *cl, const char *name)
{
	const char *why = value_name(name);

	if (why) {
		log_err("%s", why);
		return -EINVAL;
	}
	cl->name = name;
	cl->fd = runtime_connect(name, PATIENCE);
	if (cl->fd >= 0)
		return 0;
	if (cl->fd == -ENOENT || cl->fd == -ECONNREFUSED)
		log_err("no guest named %s runs; see asvm list", name);
	else if (cl->fd == -EACCES)
		log_err("guest %s: its control socket is another user's; ask for --control-mode, or be that user",
			name);
	else
		log_err("guest %s: cannot connect: %s", name, strerror(-cl->fd));
	return cl->fd;
}

void client_close(struct client *cl)
{
	if (cl->fd >= 0)
		close(cl->fd);
	cl->fd = -1;
}

/* One byte at a time: what follows the line may be the console's. */
static int read_line(struct client *cl)
{
	size_t n;

	for (n = 0; n < JSON_LINE_MAX; n++) {
		ssize_t got = recv(cl->fd, cl->line + n, 1, 0);

		if (got < 0)
			return -errno;
		if (!got)
			return -ECONNRESET;
		if (cl->line[n] == '\n') {
			cl->line[n] = '\0';
			return strlen(cl->line) == n ? 0 : -EPROTO;
		}
	}
	return -EPROTO;
}

int client_ask(struct client *cl, const char *request,
	       struct json_object *answer)
{
	char line[JSON_LINE_MAX], shown[512];
	const struct json_member *ok;
	const char *why;
	size_t n = strlen(request);
	int ret = 0;

	if (n + 1 > sizeof(line))
		return -E2BIG;
	memcpy(line, request, n);
	line[n++] = '\n';
	if (send(cl->fd, line, n, MSG_NOSIGNAL) != (ssize_t)n)
		ret = -EPIPE;
	else
		ret = read_line(cl);
	if (!ret && json_parse(answer, cl->line, &why))
		ret = -EPROTO;
	if (ret) {
		log_err("guest %s: %s", cl->name,
			ret == -EAGAIN ? "does not answer" : strerror(-ret));
		return ret;
	}
	ok = json_get(answer, "ok", JSON_BOOL);
	if (ok && ok->num)
		return 0;
	why = json_get_str(answer, "error");
	value_show(why ? why : "refused", shown, sizeof(shown));
	log_err("guest %s: %s", cl->name, shown);
	return -EREMOTEIO;
}
