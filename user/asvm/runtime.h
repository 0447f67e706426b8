/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where control sockets are: /run/asvm/NAME, or $XDG_RUNTIME_DIR/asvm/NAME of a user
 * who may not write there.
 */
#ifndef ASVM_RUNTIME_H
#define ASVM_RUNTIME_H

#include <limits.h>
#include <sys/types.h>

#define RUNTIME_DIRS_MAX 2

/**
 * struct runtime_socket - a listening control socket
 * @fd: listening, non-blocking
 * @path: its place, for runtime_unlink()
 * @dev, @ino: the file, so that a successor's is never removed
 */
struct runtime_socket {
	int fd;
	char path[108];
	dev_t dev;
	ino_t ino;
};

/**
 * runtime_listen() - make the control socket of a guest
 * @name: checked by value_name()
 * @mode: of the file
 *
 * One that a dead guest left is replaced; one that answers is not.
 *
 * Return: 0, or -errno after a message.
 */
int runtime_listen(struct runtime_socket *sock, const char *name, mode_t mode);

/* runtime_listen_at() - listen at any path, by the same rules; -errno after a message */
int runtime_listen_at(const char *path, mode_t mode);

/* runtime_unlink() - remove the file if it is still ours */
void runtime_unlink(struct runtime_socket *sock);

/* runtime_dirs() - the folders to look in, in this order; how many */
unsigned int runtime_dirs(char dirs[RUNTIME_DIRS_MAX][PATH_MAX]);

/**
 * runtime_connect() - connect to a guest
 * @seconds: longest wait for each answer
 * Return: a descriptor, or -errno: -ENOENT no such guest, -ECONNREFUSED it is dead
 */
int runtime_connect(const char *name, unsigned int seconds);

#endif
