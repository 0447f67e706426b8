/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A volume in memory for one test. The image is a memfd, a loop device is attached
 * for as long as it is mounted, and mounts are in a namespace of the test's own:
 * however a test ends, nothing of it stays.
 */
#ifndef _SFFS_TEST_VOLUME_H
#define _SFFS_TEST_VOLUME_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/**
 * struct volume - an image and where it is mounted
 * @fd: the image
 * @dir: mount point
 * @dev: loop device while attached
 * @loop: its descriptor while attached without a mount, or -1
 */
struct volume {
	int fd;
	char dir[32];
	char dev[32];
	int loop;
};

/* All of these return 0 or a negative errno value, unless it says otherwise. */

/* Once in a test: the module, and a mount namespace. */
int volume_setup(void);
/* Make an image of @mib MiB, unformatted; @name is of its mount point. */
int volume_image(struct volume *v, const char *name, uint64_t mib);
/* mkfs.sffs with more options, or "". */
int volume_format(struct volume *v, const char *options);
/* The two above, with one slot and a small journal, and mount it. */
int volume_make(struct volume *v, uint64_t mib);
int volume_mount(struct volume *v, unsigned long flags, const char *options);
int volume_umount(struct volume *v);
int volume_remount(struct volume *v);
/* As if the power had failed: nothing is written from now on; then mount again. */
int volume_crash(struct volume *v);
/* Stop it without the mount that follows. */
int volume_stop(struct volume *v);
/* What is on the disk of @from now, as an image of its own. */
int volume_copy(struct volume *to, const char *name, const struct volume *from);
/* Has all of @v the same content as in @other, an older copy of it? */
bool volume_same(const struct volume *v, const struct volume *other);
/* A loop device, in @v->dev, without a mount. */
int volume_attach(struct volume *v);
void volume_detach(struct volume *v);
/* Give up all that a volume holds; it need not have been made. */
void volume_free(struct volume *v);
/* fsck.sffs -n: its exit code, or 0 when this build has none. */
int volume_fsck(const struct volume *v);

/* Path of @name in the volume, in one of a few buffers that are used in turn. */
const char *in(const struct volume *v, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* A line of comment in the report. */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* A shell command's exit code. */
int run(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* More rounds are asked for (ASV_LONG), or the kernel is slow (ASV_DEBUG). */
bool want_long(void);
bool on_debug(void);

/* What the next random number is, for a state that is not zero. */
uint64_t rnd(uint64_t *state);

#endif /* _SFFS_TEST_VOLUME_H */
