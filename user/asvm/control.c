// SPDX-License-Identifier: GPL-2.0-only
/* The control socket's server: connections, and the console between them. */
#include "control.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control_verbs.h"
#include "json.h"
#include "log.h"

#define CONNS_MAX 16
#define OUT_MAX 16384
#define HISTORY_MAX 4096
#define CHUNK 4096

enum conn_mode { CONN_FREE, CONN_LINES, CONN_CONSOLE };

/**
 * struct conn - a client
 * @mode: console once it asked for it
 * @inside: one of ours, never closed for want of a place
 * @lossless: the console waits for it
 * @closing: closed as soon as @out is empty
 * @in: text of a line that is not whole yet, or input the guest has not taken
 * @out: text that the client has not taken; of a console, what does not fit is lost
 */
struct conn {
	struct loop_source src;
	struct control *ctl;
	enum conn_mode mode;
	bool inside;
	bool lossless;
	bool closing;
	uint32_t events;
	size_t in_len;
	size_t out_len;
	char in[JSON_LINE_MAX];
	char out[OUT_MAX];
};

/**
 * struct control - the server
 * @history: what the guest printed last, a ring
 * @history_pos: bytes ever printed
 * @events: what the loop watches the console for
 */
struct control {
	struct loop *loop;
	struct control_ctx ctx;
	struct loop_source listen;
	struct loop_source console;
	uint32_t events;
	uint64_t history_pos;
	char history[HISTORY_MAX];
	struct conn conn[CONNS_MAX];
};

static void conn_watch(struct conn *c)
{
	uint32_t events = 0;

	if (c->out_len)
		events |= EPOLLOUT;
	/* A console's input that the guest has not taken holds back more. */
	if (!c->closing && c->in_len < (c->mode == CONN_LINES ? sizeof(c->in) : 1))
		events |= EPOLLIN;
	if (events != c->events) {
		c->events = events;
		loop_mod(c->ctl->loop, &c->src, events);
	}
}

static void conn_close(struct conn *c)
{
	/* Nobody is left who would report the guest's end: it ends now. */
	if (c->inside && c->mode == CONN_LINES)
		machine_stop(c->ctl->ctx.m);
	loop_del(c->ctl->loop, &c->src);
	close(c->src.fd);
	c->mode = CONN_FREE;
	c->in_len = 0;
	c->out_len = 0;
}

/* Give the client what waits for it; false when the connection is gone. */
static bool conn_send(struct conn *c)
{
	ssize_t n;

	if (!c->out_len)
		return true;
	n = send(c->src.fd, c->out, c->out_len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0) {
		if (errno == EAGAIN || errno == EINTR)
			return true;
		conn_close(c);
		return false;
	}
	c->out_len -= n;
	memmove(c->out, c->out + n, c->out_len);
	return true;
}

static void conn_queue(struct conn *c, const char *data, size_t n)
{
	if (n > sizeof(c->out) - c->out_len)
		n = sizeof(c->out) - c->out_len;
	memcpy(c->out + c->out_len, data, n);
	c->out_len += n;
}

/* May the console be read: is there a place for all that comes? */
static bool console_ready(struct control *ctl)
{
	unsigned int i;

	for (i = 0; i < CONNS_MAX; i++)
		if (ctl->conn[i].mode == CONN_CONSOLE && ctl->conn[i].lossless &&
		    ctl->conn[i].out_len > OUT_MAX - CHUNK)
			return false;
	return true;
}

static void console_watch(struct control *ctl)
{
	uint32_t events = 0;
	unsigned int i;

	if (ctl->console.fd < 0)
		return;
	if (console_ready(ctl))
		events |= EPOLLIN;
	for (i = 0; i < CONNS_MAX; i++)
		if (ctl->conn[i].mode == CONN_CONSOLE && ctl->conn[i].in_len)
			events |= EPOLLOUT;
	if (events != ctl->events) {
		ctl->events = events;
		loop_mod(ctl->loop, &ctl->console, events);
	}
}

/* Input of a console's client goes to the guest as far as that takes it. */
static void console_input(struct conn *c)
{
	ssize_t n;

	if (!c->in_len)
		return;
	if (c->ctl->console.fd < 0) {
		c->in_len = 0;
		return;
	}
	n = send(c->ctl->console.fd, c->in, c->in_len,
		 MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			c->in_len = 0;
		return;
	}
	c->in_len -= n;
	memmove(c->in, c->in + n, c->in_len);
}

static void history_add(struct control *ctl, const char *data, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		ctl->history[ctl->history_pos++ % HISTORY_MAX] = data[i];
}

static void history_send(struct control *ctl, struct conn *c)
{
	uint64_t from = 0, i;

	if (ctl->history_pos > HISTORY_MAX)
		from = ctl->history_pos - HISTORY_MAX;
	for (i = from; i < ctl->history_pos; i++)
		conn_queue(c, &ctl->history[i % HISTORY_MAX], 1);
}

/* One piece of the guest's output to everyone who listens; false at its end. */
static bool console_output(struct control *ctl)
{
	char data[CHUNK];
	unsigned int i;
	ssize_t n;

	n = recv(ctl->console.fd, data, sizeof(data), MSG_DONTWAIT);
	if (n <= 0)
		return n < 0 && (errno == EAGAIN || errno == EINTR);
	history_add(ctl, data, n);
	for (i = 0; i < CONNS_MAX; i++) {
		struct conn *c = &ctl->conn[i];

		if (c->mode != CONN_CONSOLE)
			continue;
		conn_queue(c, data, n);
		if (conn_send(c))
			conn_watch(c);
	}
	return true;
}

static void console_event(struct loop_source *src, uint32_t events)
{
	struct control *ctl = src->opaque;
	unsigned int i;

	if (events & EPOLLOUT) {
		for (i = 0; i < CONNS_MAX; i++) {
			struct conn *c = &ctl->conn[i];

			if (c->mode != CONN_CONSOLE)
				continue;
			console_input(c);
			conn_watch(c);
		}
	}
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
		if (console_ready(ctl) && !console_output(ctl)) {
			loop_del(ctl->loop, src);
			close(src->fd);
			src->fd = -1;
			return;
		}
	}
	console_watch(ctl);
}

/* One whole line: answer it. */
static void conn_line(struct conn *c, char *line)
{
	char text[JSON_LINE_MAX];
	struct json_object obj;
	struct json_out out;
	const char *why;

	json_out_init(&out, text, sizeof(text) - 1);
	if (json_parse(&obj, line, &why))
		control_refuse(&out, why);
	else if (control_verb(&c->ctl->ctx, &obj, &out) == CONTROL_CONSOLE)
		c->mode = CONN_CONSOLE;
	if (out.overflow) {
		json_out_init(&out, text, sizeof(text) - 1);
		control_refuse(&out, "the answer is too long");
	}
	text[out.len++] = '\n';
	conn_queue(c, text, out.len);
	if (c->mode == CONN_CONSOLE)
		history_send(c->ctl, c);
}

static void conn_lines(struct conn *c)
{
	char *end;

	/* Room for an answer is needed first, so a client that only asks stops itself. */
	while (c->mode == CONN_LINES && !c->closing &&
	       c->out_len <= OUT_MAX - JSON_LINE_MAX) {
		size_t n;

		end = memchr(c->in, '\n', c->in_len);
		if (!end) {
			if (c->in_len == sizeof(c->in))
				c->closing = true;
			return;
		}
		*end = '\0';
		n = end + 1 - c->in;
		if (memchr(c->in, '\0', n - 1)) {
			c->closing = true;
			return;
		}
		conn_line(c, c->in);
		c->in_len -= n;
		memmove(c->in, c->in + n, c->in_len);
	}
}

/* Read what the client sent; false when it is gone. */
static bool conn_read(struct conn *c)
{
	ssize_t n;

	n = recv(c->src.fd, c->in + c->in_len, sizeof(c->in) - c->in_len,
		 MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	c->in_len += n;
	return n;
}

static void conn_event(struct loop_source *src, uint32_t events)
{
	struct conn *c = src->opaque;
	struct control *ctl = c->ctl;
	bool gone = false;

	if (c->mode == CONN_FREE)
		return;
	if (events & EPOLLIN && c->in_len < sizeof(c->in))
		gone = !conn_read(c);
	else if (events & (EPOLLHUP | EPOLLERR))
		gone = true;
	conn_lines(c);
	if (c->mode == CONN_CONSOLE)
		console_input(c);
	if (conn_send(c)) {
		/* More lines may have waited for room. */
		conn_lines(c);
		if (gone || (c->closing && !c->out_len))
			conn_close(c);
		else
			conn_watch(c);
	}
	console_watch(ctl);
}

static struct conn *conn_free(struct control *ctl)
{
	unsigned int i;

	for (i = 0; i < CONNS_MAX; i++)
		if (ctl->conn[i].mode == CONN_FREE)
			return &ctl->conn[i];
	return NULL;
}

static int conn_add(struct control *ctl, int fd, enum conn_mode mode,
		    bool inside)
{
	struct conn *c = conn_free(ctl);
	int ret;

	if (!c)
		return -EBUSY;
	c->src = (struct loop_source){ fd, conn_event, c };
	c->ctl = ctl;
	c->mode = mode;
	c->inside = inside;
	c->lossless = inside && mode == CONN_CONSOLE;
	c->closing = false;
	c->in_len = 0;
	c->out_len = 0;
	c->events = EPOLLIN;
	ret = loop_add(ctl->loop, &c->src, c->events);
	if (ret)
		c->mode = CONN_FREE;
	return ret;
}

/* All places taken: one client of the socket goes, but nobody at the console. */
static void evict(struct control *ctl)
{
	unsigned int i;

	for (i = 0; i < CONNS_MAX; i++) {
		struct conn *c = &ctl->conn[i];

		if (c->mode == CONN_LINES && !c->inside) {
			conn_close(c);
			return;
		}
	}
}

static void listen_event(struct loop_source *src, uint32_t events)
{
	struct control *ctl = src->opaque;
	int fd;

	(void)events;
	fd = accept4(src->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return;
	if (!conn_free(ctl))
		evict(ctl);
	if (conn_add(ctl, fd, CONN_LINES, false))
		close(fd);
}

struct control *control_new(struct loop *loop, struct machine *m,
			    const struct asvm_config *cfg,
			    const struct control_fds *fds)
{
	struct control *ctl = calloc(1, sizeof(*ctl));
	int ret = 0;

	if (!ctl) {
		log_err("out of memory");
		return NULL;
	}
	ctl->loop = loop;
	ctl->ctx.m = m;
	ctl->ctx.cfg = cfg;
	ctl->listen = (struct loop_source){ fds->listen, listen_event, ctl };
	ctl->console = (struct loop_source){ fds->console, console_event, ctl };
	ctl->events = EPOLLIN;
	if (fds->listen >= 0)
		ret = loop_add(loop, &ctl->listen, EPOLLIN);
	if (!ret && fds->console >= 0)
		ret = loop_add(loop, &ctl->console, ctl->events);
	if (!ret && fds->supervisor >= 0)
		ret = conn_add(ctl, fds->supervisor, CONN_LINES, true);
	if (!ret && fds->terminal >= 0)
		ret = conn_add(ctl, fds->terminal, CONN_CONSOLE, true);
	if (ret) {
		log_err("cannot watch the control socket: %s", strerror(-ret));
		free(ctl);
		return NULL;
	}
	return ctl;
}

void control_flush(struct control *ctl)
{
	unsigned int i, tries;

	/* The last words of a guest matter most; a reader that is stuck does not. */
	for (tries = 0; tries < 64 && ctl->console.fd >= 0; tries++) {
		struct pollfd p = { ctl->console.fd, POLLIN, 0 };

		if (poll(&p, 1, 0) <= 0 || !console_output(ctl))
			break;
		for (i = 0; i < CONNS_MAX; i++) {
			struct conn *c = &ctl->conn[i];

			while (c->mode == CONN_CONSOLE && c->lossless &&
			       c->out_len) {
				struct pollfd w = { c->src.fd, POLLOUT, 0 };

				if (poll(&w, 1, 2000) <= 0 || !conn_send(c))
					break;
			}
		}
	}
}
