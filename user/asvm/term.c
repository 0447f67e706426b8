// SPDX-License-Identifier: GPL-2.0-only
/* The descriptor that carries the guest's console. */
#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "term.h"

static void term_ready(struct loop_source *src, uint32_t events)
{
	struct term *t = src->opaque;
	unsigned int i;

	pthread_mutex_lock(t->lock);
	for (i = 0; i < t->nclients; i++) {
		struct term_client *c = t->clients[i];

		if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) && c->want_in && t->fd >= 0)
			c->readable(c);
		if ((events & EPOLLOUT) && c->want_out && t->fd >= 0)
			c->writable(c);
	}
	/* hung up, and what was left to read is read: nobody will ever listen again */
	if (t->fd >= 0 &&
	    (t->eof || ((events & (EPOLLHUP | EPOLLERR)) && !(events & EPOLLIN)))) {
		loop_del(t->loop, &t->src);
		t->fd = -1;
	}
	pthread_mutex_unlock(t->lock);
}

int term_init(struct term *t, int fd, struct loop *loop, pthread_mutex_t *lock)
{
	*t = (struct term){ .fd = fd, .loop = loop, .lock = lock };
	if (fd < 0)
		return 0;
	t->src = (struct loop_source){ .fd = fd, .ready = term_ready, .opaque = t };
	return loop_add(loop, &t->src, 0);
}

void term_destroy(struct term *t)
{
	if (t->loop && t->fd >= 0)
		loop_del(t->loop, &t->src);
	t->fd = -1;
}

void term_add(struct term *t, struct term_client *c)
{
	t->clients[t->nclients++] = c;
}

void term_want(struct term *t, struct term_client *c, bool in, bool out)
{
	uint32_t events = 0;
	unsigned int i;

	c->want_in = in;
	c->want_out = out;
	for (i = 0; i < t->nclients; i++) {
		if (t->clients[i]->want_in)
			events |= EPOLLIN;
		if (t->clients[i]->want_out)
			events |= EPOLLOUT;
	}
	if (t->fd < 0 || events == t->events)
		return;
	t->events = events;
	loop_mod(t->loop, &t->src, events);
}

size_t term_writev(struct term *t, const struct iovec *iov, int n)
{
	size_t all = 0;
	ssize_t done;
	int i;

	for (i = 0; i < n; i++)
		all += iov[i].iov_len;
	if (t->fd < 0)
		return all;
	do {
		done = writev(t->fd, iov, n);
	} while (done < 0 && errno == EINTR);
	if (done < 0)
		return errno == EAGAIN ? 0 : all;
	return done;
}

size_t term_write(struct term *t, const void *buf, size_t len)
{
	struct iovec iov = { (void *)buf, len };

	return term_writev(t, &iov, 1);
}

size_t term_read(struct term *t, void *buf, size_t len)
{
	ssize_t n;

	if (t->fd < 0)
		return 0;
	do {
		n = read(t->fd, buf, len);
	} while (n < 0 && errno == EINTR);
	t->eof = !n;
	return n < 0 ? 0 : n;
}
