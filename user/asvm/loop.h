/* SPDX-License-Identifier: GPL-2.0-only */
/* The main thread's event loop: descriptors and what to call when they are ready. */
#ifndef ASVM_LOOP_H
#define ASVM_LOOP_H

#include <stdint.h>

struct loop;

/**
 * struct loop_source - a descriptor in the loop, embedded in its owner
 * @fd: the descriptor, owned by the caller
 * @ready: called in the loop's thread with the EPOLL* bits that are set
 * @opaque: handed to @ready
 *
 * The caller fills it in before loop_add(). It must stay valid until loop_del() and, if
 * loop_del() is called from a handler, until that handler returns.
 */
struct loop_source {
	int fd;
	void (*ready)(struct loop_source *src, uint32_t events);
	void *opaque;
};

/** loop_new - an empty loop; NULL with errno on failure. Opens descriptors. */
struct loop *loop_new(void);
void loop_free(struct loop *loop);

/**
 * loop_add - watch a descriptor
 * @events: EPOLLIN, EPOLLOUT, EPOLLET...; 0 adds it silent, for a later loop_mod()
 *
 * 0 or -errno. loop_add, loop_mod and loop_del may be called from any thread, loop_del only
 * from the loop's thread or when the loop is not running.
 */
int loop_add(struct loop *loop, struct loop_source *src, uint32_t events);
int loop_mod(struct loop *loop, struct loop_source *src, uint32_t events);
void loop_del(struct loop *loop, struct loop_source *src);

/** loop_run - serve until loop_quit(); returns the code given there. */
int loop_run(struct loop *loop);

/** loop_quit - make loop_run() return @code. Any thread; the first call wins. */
void loop_quit(struct loop *loop, int code);

#endif
