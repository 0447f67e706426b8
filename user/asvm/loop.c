// SPDX-License-Identifier: GPL-2.0-only
/* The main thread's event loop, on epoll. */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "loop.h"

#define LOOP_BATCH 16

struct loop {
	int epfd;
	struct loop_source wake;
	atomic_int quitting;
	int code;
	/* what the current batch still has to call, so that loop_del() can take it out */
	struct epoll_event batch[LOOP_BATCH];
	int pos;
	int count;
};

static void loop_woken(struct loop_source *src, uint32_t events)
{
	uint64_t v;

	(void)events;
	if (read(src->fd, &v, sizeof(v)) < 0)
		return;
}

struct loop *loop_new(void)
{
	struct loop *loop = calloc(1, sizeof(*loop));
	int err;

	if (!loop)
		return NULL;
	loop->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epfd < 0)
		goto err_free;
	loop->wake.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop->wake.fd < 0)
		goto err_epfd;
	loop->wake.ready = loop_woken;
	if (loop_add(loop, &loop->wake, EPOLLIN))
		goto err_wake;
	return loop;

err_wake:
	close(loop->wake.fd);
err_epfd:
	err = errno;
	close(loop->epfd);
	errno = err;
err_free:
	free(loop);
	return NULL;
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	close(loop->wake.fd);
	close(loop->epfd);
	free(loop);
}

static int loop_ctl(struct loop *loop, int op, struct loop_source *src, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = src };

	return epoll_ctl(loop->epfd, op, src->fd, &ev) < 0 ? -errno : 0;
}

int loop_add(struct loop *loop, struct loop_source *src, uint32_t events)
{
	return loop_ctl(loop, EPOLL_CTL_ADD, src, events);
}

int loop_mod(struct loop *loop, struct loop_source *src, uint32_t events)
{
	return loop_ctl(loop, EPOLL_CTL_MOD, src, events);
}

void loop_del(struct loop *loop, struct loop_source *src)
{
	int i;

	loop_ctl(loop, EPOLL_CTL_DEL, src, 0);
	for (i = loop->pos; i < loop->count; i++)
		if (loop->batch[i].data.ptr == src)
			loop->batch[i].data.ptr = NULL;
}

int loop_run(struct loop *loop)
{
	while (atomic_load(&loop->quitting) != 2) {
		loop->pos = 0;
		loop->count = epoll_wait(loop->epfd, loop->batch, LOOP_BATCH, -1);
		while (loop->pos < loop->count) {
			struct epoll_event *ev = &loop->batch[loop->pos++];
			struct loop_source *src = ev->data.ptr;

			if (src)
				src->ready(src, ev->events);
		}
	}
	return loop->code;
}

void loop_quit(struct loop *loop, int code)
{
	static const uint64_t one = 1;
	int none = 0;

	if (!atomic_compare_exchange_strong(&loop->quitting, &none, 1))
		return;
	loop->code = code;
	atomic_store(&loop->quitting, 2);
	/* the counter is far from full: this cannot fail in a way that matters */
	if (write(loop->wake.fd, &one, sizeof(one)) < 0)
		return;
}
