// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "volume.h"

#define IOC_SHUTDOWN	_IOR('X', 125, uint32_t)
#define COPY_BYTES	(1U << 20)
#define FSCK_LOG	"/run/sffs-fsck.log"

void say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("# ", stdout);
	vprintf(fmt, ap);
	putchar('\n');
	fflush(stdout);
	va_end(ap);
}

int run(const char *fmt, ...)
{
	char cmd[1024];
	va_list ap;
	int status;

	va_start(ap, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	fflush(NULL);
	status = system(cmd);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

const char *in(const struct volume *v, const char *fmt, ...)
{
	static char bufs[8][4400];
	static unsigned int next;
	char *buf = bufs[next++ % 8];
	int n = snprintf(buf, sizeof(bufs[0]), "%s/", v->dir);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(buf + n, sizeof(bufs[0]) - n, fmt, ap);
	va_end(ap);
	return buf;
}

static bool env_set(const char *name)
{
	const char *val = getenv(name);

	return val && *val;
}

bool want_long(void)
{
	return env_set("ASV_LONG");
}

bool on_debug(void)
{
	return env_set("ASV_DEBUG");
}

uint64_t rnd(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

int volume_setup(void)
{
	if (run("modprobe -a loop sffs"))
		return -ENODEV;
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return -errno;
	return 0;
}

int volume_image(struct volume *v, const char *name, uint64_t mib)
{
	v->loop = -1;
	v->dev[0] = '\0';
	snprintf(v->dir, sizeof(v->dir), "/run/sffs-%s", name);
	if (mkdir(v->dir, 0700) && errno != EEXIST)
		return -errno;
	v->fd = memfd_create(name, 0);
	if (v->fd < 0 || ftruncate(v->fd, mib << 20))
		return -errno;
	return 0;
}

int volume_format(struct volume *v, const char *options)
{
	const char *build = getenv("ASV_BUILD");

	return run("%s%smkfs.sffs -q -f %s /proc/%d/fd/%d", build ?: "", build ? "/user/" : "",
		   options, getpid(), v->fd) ? -EIO : 0;
}

int volume_make(struct volume *v, uint64_t mib)
{
	return volume_image(v, "vol", mib) ?: volume_format(v, "-n 1 -J 4M") ?:
	       volume_mount(v, 0, "local");
}

int volume_attach(struct volume *v)
{
	struct loop_config config = {
		.fd = v->fd, .info.lo_flags = LO_FLAGS_AUTOCLEAR,
	};
	int tries, err = -EBUSY, ctl = open("/dev/loop-control", O_RDWR | O_CLOEXEC);

	if (ctl < 0)
		return -errno;
	/* Somebody else may take the number in between. */
	for (tries = 0; tries < 100 && err == -EBUSY; tries++) {
		int n = ioctl(ctl, LOOP_CTL_GET_FREE);

		err = -errno;
		if (n < 0)
			break;
		snprintf(v->dev, sizeof(v->dev), "/dev/loop%d", n);
		v->loop = open(v->dev, O_RDWR | O_CLOEXEC);
		err = v->loop < 0 || ioctl(v->loop, LOOP_CONFIGURE, &config) ? -errno : 0;
		if (err && v->loop >= 0) {
			close(v->loop);
			v->loop = -1;
		}
	}
	close(ctl);
	return err;
}

void volume_detach(struct volume *v)
{
	if (v->loop >= 0)
		close(v->loop);
	v->loop = -1;
}

int volume_mount(struct volume *v, unsigned long flags, const char *options)
{
	int err = volume_attach(v);

	if (!err && mount(v->dev, v->dir, "sffs", flags, options))
		err = -errno;
	/* The mount keeps it attached. */
	volume_detach(v);
	return err;
}

int volume_umount(struct volume *v)
{
	return umount(v->dir) ? -errno : 0;
}

int volume_remount(struct volume *v)
{
	return volume_umount(v) ?: volume_mount(v, 0, "local");
}

int volume_stop(struct volume *v)
{
	uint32_t at_once = 2;
	int fd = open(v->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), err = 0;

	if (fd < 0)
		return -errno;
	if (ioctl(fd, IOC_SHUTDOWN, &at_once))
		err = -errno;
	close(fd);
	return err;
}

int volume_crash(struct volume *v)
{
	return volume_stop(v) ?: volume_remount(v);
}

typedef int (*piece_fn)(const struct volume *to, const char *data, size_t len, off_t at);

/* Call @fn with all of an image that is not a hole. */
static int volume_pieces(const struct volume *from, const struct volume *to, piece_fn fn)
{
	static char buf[COPY_BYTES];
	off_t at = 0, end;
	int err = 0;

	while (!err) {
		at = lseek(from->fd, at, SEEK_DATA);
		if (at < 0)
			return errno == ENXIO ? 0 : -errno;
		end = lseek(from->fd, at, SEEK_HOLE);
		while (!err && at < end) {
			size_t n = end - at < COPY_BYTES ? end - at : COPY_BYTES;

			err = pread(from->fd, buf, n, at) == (ssize_t)n ? fn(to, buf, n, at) : -EIO;
			at += n;
		}
	}
	return err;
}

static int write_piece(const struct volume *to, const char *data, size_t len, off_t at)
{
	return pwrite(to->fd, data, len, at) == (ssize_t)len ? 0 : -EIO;
}

static int compare_piece(const struct volume *to, const char *data, size_t len, off_t at)
{
	static char other[COPY_BYTES];

	return pread(to->fd, other, len, at) == (ssize_t)len && !memcmp(data, other, len) ?
	       0 : -EINVAL;
}

int volume_copy(struct volume *to, const char *name, const struct volume *from)
{
	return volume_image(to, name, lseek(from->fd, 0, SEEK_END) >> 20) ?:
	       volume_pieces(from, to, write_piece);
}

bool volume_same(const struct volume *v, const struct volume *other)
{
	return !volume_pieces(v, other, compare_piece);
}

void volume_free(struct volume *v)
{
	if (!v->dir[0])
		return;
	umount2(v->dir, MNT_DETACH);
	volume_detach(v);
	if (v->fd >= 0)
		close(v->fd);
	v->fd = -1;
}

int volume_fsck(const struct volume *v)
{
	const char *build = getenv("ASV_BUILD");
	char path[4096];

	snprintf(path, sizeof(path), "%s/user/fsck.sffs", build ?: "");
	if (access(path, X_OK))
		return 0;
	return run("%s -n /proc/%d/fd/%d > %s 2>&1 || { rc=$?; sed 's/^/# /' %s; exit $rc; }",
		   path, getpid(), v->fd, FSCK_LOG, FSCK_LOG);
}
