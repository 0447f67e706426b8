// SPDX-License-Identifier: GPL-2.0-only
/* The place of control sockets, for guests and for their clients. */
#include "runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "values.h"

#define RUNTIME_DIR "/run/asvm"

unsigned int runtime_dirs(char dirs[RUNTIME_DIRS_MAX][PATH_MAX])
{
	const char *user = getenv("XDG_RUNTIME_DIR");
	unsigned int n = 0;

	strcpy(dirs[n++], RUNTIME_DIR);
	if (user && user[0] == '/' &&
	    snprintf(dirs[n], PATH_MAX, "%s/asvm", user) < PATH_MAX)
		n++;
	return n;
}

static int socket_address(struct sockaddr_un *addr, const char *dir,
			  const char *name)
{
	int n;

	memset(addr, 0, sizeof(*addr));
	addr->sun_family = AF_UNIX;
	n = snprintf(addr->sun_path, sizeof(addr->sun_path), "%s/%s", dir, name);
	return n < (int)sizeof(addr->sun_path) ? 0 : -ENAMETOOLONG;
}

static int try_connect(const struct sockaddr_un *addr, unsigned int seconds)
{
	struct timeval tv = { .tv_sec = seconds };
	int fd, ret;

	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* The send timeout bounds connect() too. */
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	if (!connect(fd, (const struct sockaddr *)addr, sizeof(*addr)))
		return fd;
	ret = -errno;
	close(fd);
	return ret;
}

int runtime_connect(const char *name, unsigned int seconds)
{
	char dirs[RUNTIME_DIRS_MAX][PATH_MAX];
	unsigned int n = runtime_dirs(dirs), i;
	struct sockaddr_un addr;
	int worst = -ENOENT;

	for (i = 0; i < n; i++) {
		int ret = socket_address(&addr, dirs[i], name);

		if (!ret)
			ret = try_connect(&addr, seconds);
		if (ret >= 0)
			return ret;
		if (ret != -ENOENT)
			worst = ret;
	}
	return worst;
}

/* Root's folder lets the members of group kvm start guests, as /dev/kvm does. */
static int make_dir(const char *dir)
{
	struct group *gr;

	if (!mkdir(dir, 0755)) {
		if (geteuid())
			return chmod(dir, 0700) ? -errno : 0;
		gr = getgrnam("kvm");
		if (gr && (chown(dir, 0, gr->gr_gid) || chmod(dir, 01775)))
			return -errno;
		return 0;
	}
	return errno == EEXIST ? 0 : -errno;
}

/* A folder that others may fill at will is no place for a socket. */
static int open_dir(const char *dir)
{
	struct stat st;
	int fd, ret;

	ret = make_dir(dir);
	if (ret && ret != -EACCES)
		return ret;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) || (st.st_uid && st.st_uid != geteuid()) ||
	    (st.st_mode & 01002) == 0002)
		ret = -EPERM;
	else
		ret = faccessat(AT_FDCWD, dir, W_OK | X_OK, AT_EACCESS) ?
			-errno : 0;
	if (!ret)
		return fd;
	close(fd);
	return ret;
}

/* Whoever can read the folder can hold its lock, so the wait has an end. */
static int lock_dir(int dir)
{
	static const struct timespec pause = { .tv_nsec = 50000000 };
	unsigned int tries;

	for (tries = 0; tries < 60; tries++) {
		if (!flock(dir, LOCK_EX | LOCK_NB))
			return 0;
		nanosleep(&pause, NULL);
	}
	return -EBUSY;
}

static int bind_socket(const struct sockaddr_un *addr, mode_t mode)
{
	mode_t old;
	int fd, ret;

	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* Never open to more than it shall be, not even for a moment. */
	old = umask(0777 & ~mode);
	ret = bind(fd, (const struct sockaddr *)addr, sizeof(*addr)) ? -errno : 0;
	umask(old);
	if (!ret && listen(fd, 16))
		ret = -errno;
	if (!ret)
		return fd;
	close(fd);
	return ret;
}

/* Listen, in the place of a socket that nobody listens at any more. */
static int replace_socket(const struct sockaddr_un *addr, mode_t mode)
{
	struct stat st;
	int ret;

	ret = try_connect(addr, 2);
	if (ret >= 0) {
		close(ret);
		return -EADDRINUSE;
	}
	if (ret == -ECONNREFUSED) {
		if (lstat(addr->sun_path, &st) || !S_ISSOCK(st.st_mode))
			return -EADDRINUSE;
		if (unlink(addr->sun_path))
			return -errno;
	} else if (ret != -ENOENT) {
		/* It is there and slow, or another's. */
		return ret == -EAGAIN ? -EADDRINUSE : ret;
	}
	return bind_socket(addr, mode);
}

/* In a folder that is locked, so that two starts cannot take one socket for stale. */
static int listen_in(struct runtime_socket *sock, const char *dir,
		     const char *name, mode_t mode)
{
	struct sockaddr_un addr;
	struct stat st;
	int ret;

	ret = socket_address(&addr, dir, name);
	if (ret)
		return ret;
	sock->fd = replace_socket(&addr, mode);
	if (sock->fd < 0)
		return sock->fd;
	strcpy(sock->path, addr.sun_path);
	if (!lstat(sock->path, &st)) {
		sock->dev = st.st_dev;
		sock->ino = st.st_ino;
	}
	return 0;
}

int runtime_listen_at(const char *path, mode_t mode)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int ret = -ENAMETOOLONG;

	if (strlen(path) < sizeof(addr.sun_path)) {
		strcpy(addr.sun_path, path);
		ret = replace_socket(&addr, mode);
	}
	if (ret < 0)
		log_err("%s: cannot listen: %s", path, strerror(-ret));
	return ret;
}

int runtime_listen(struct runtime_socket *sock, const char *name, mode_t mode)
{
	char dirs[RUNTIME_DIRS_MAX][PATH_MAX];
	unsigned int n = runtime_dirs(dirs), i;
	int ret = -ENOENT;

	for (i = 0; i < n; i++) {
		int dir = open_dir(dirs[i]);

		ret = dir;
		if (dir < 0)
			continue;
		ret = lock_dir(dir);
		if (!ret)
			ret = listen_in(sock, dirs[i], name, mode);
		close(dir);
		break;
	}
	if (ret == -EADDRINUSE)
		log_err("a guest named %s runs already; see asvm list", name);
	else if (ret && i == n)
		log_err("no folder for the control socket: %s: %s; make it, or set XDG_RUNTIME_DIR",
			dirs[0], strerror(-ret));
	else if (ret)
		log_err("%s/%s: cannot make the control socket: %s", dirs[i],
			name, strerror(-ret));
	return ret;
}

void runtime_unlink(struct runtime_socket *sock)
{
	struct stat st;

	if (sock->path[0] && !lstat(sock->path, &st) &&
	    st.st_dev == sock->dev && st.st_ino == sock->ino)
		unlink(sock->path);
	sock->path[0] = '\0';
}
