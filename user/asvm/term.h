/* SPDX-License-Identifier: GPL-2.0-only */
/* The descriptor that carries the guest's console, shared by the serial and virtio devices. */
#ifndef ASVM_TERM_H
#define ASVM_TERM_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "loop.h"

#define TERM_CLIENTS_MAX	2

/**
 * struct term_client - a device that writes to the terminal, and maybe reads from it
 * @readable, @writable: called with the machine's lock held, in the loop's thread
 * @want_in, @want_out: set by term_want()
 */
struct term_client {
	void (*readable)(struct term_client *c);
	void (*writable)(struct term_client *c);
	bool want_in;
	bool want_out;
};

/** struct term - @fd is -1 where there is no console: output vanishes, nothing is read */
struct term {
	int fd;
	bool eof;
	struct loop *loop;
	pthread_mutex_t *lock;
	struct loop_source src;
	struct term_client *clients[TERM_CLIENTS_MAX];
	unsigned int nclients;
	uint32_t events;
};

/** term_init - @fd is non-blocking, or -1; 0 or -errno */
int term_init(struct term *t, int fd, struct loop *loop, pthread_mutex_t *lock);
void term_destroy(struct term *t);
void term_add(struct term *t, struct term_client *c);

/** term_want - have @c called when input is there, or output is possible again */
void term_want(struct term *t, struct term_client *c, bool in, bool out);

/** term_writev - bytes taken, 0 when none can be now; all of them when nobody listens */
size_t term_writev(struct term *t, const struct iovec *iov, int n);
size_t term_write(struct term *t, const void *buf, size_t len);

/** term_read - bytes read, 0 when there are none now */
size_t term_read(struct term *t, void *buf, size_t len);

#endif
