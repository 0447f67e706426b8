// SPDX-License-Identifier: GPL-2.0-only
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

#include "power_cut.h"

#define DM_NAME		"sffs-power-cut"
#define DMSETUP		"DM_DISABLE_UDEV=1 dmsetup"
#define LOG_MIB		4096U
#define LOG_MAGIC	0x6a736677736872ULL
#define SECTOR		512U
#define WRITE_MAX	(64U << 20)

enum {
	LOG_FLUSH	= 1,
	LOG_FUA		= 2,
	LOG_DISCARD	= 4,
	LOG_MARK	= 8,
};

struct log_super {
	uint64_t magic, version, nr_entries;
	uint32_t sector_size;
};

struct log_entry {
	uint64_t sector, nr_sectors, flags, data_len;
};

int power_log_start(struct power_log *p, uint64_t mib)
{
	int err;

	memset(p, 0, sizeof(*p));
	err = volume_image(&p->vol, "vol", mib) ?: volume_format(&p->vol, "-n 1 -J 4M") ?:
	      volume_copy(&p->disk, "disk", &p->vol) ?: volume_image(&p->log, "log", LOG_MIB) ?:
	      volume_attach(&p->vol) ?: volume_attach(&p->log);
	if (err)
		return err;
	if (run("modprobe -q dm-log-writes; " DMSETUP " create " DM_NAME
		" --table '0 %llu log-writes %s %s'", (unsigned long long)mib << 11, p->vol.dev,
		p->log.dev))
		return -ENODEV;
	return mount("/dev/mapper/" DM_NAME, p->vol.dir, "sffs", 0, "local") ? -errno : 0;
}

int power_log_mark(struct power_log *p, unsigned int number)
{
	struct {
		struct dm_ioctl head;
		struct dm_target_msg msg;
		char text[32];
	} req = {
		.head = {
			.version = { DM_VERSION_MAJOR, 0, 0 },
			.data_size = sizeof(req),
			.data_start = sizeof(req.head),
			.name = DM_NAME,
		},
	};
	int fd = open("/dev/" DM_DIR "/" DM_CONTROL_NODE, O_RDWR | O_CLOEXEC), err;

	if (fd < 0)
		return -errno;
	snprintf(req.text, sizeof(req.text), "mark %u", number);
	err = ioctl(fd, DM_TARGET_MSG, &req) ? -errno : 0;
	close(fd);
	return err;
}

int power_log_end(struct power_log *p)
{
	struct log_super super;
	int err = volume_umount(&p->vol);

	if (err)
		return err;
	if (run(DMSETUP " remove --retry " DM_NAME))
		return -EBUSY;
	volume_detach(&p->vol);
	volume_detach(&p->log);
	if (pread(p->log.fd, &super, sizeof(super), 0) != sizeof(super) ||
	    le64toh(super.magic) != LOG_MAGIC || le32toh(super.sector_size) != SECTOR)
		return -EINVAL;
	p->entries = le64toh(super.nr_entries);
	p->at = SECTOR;
	p->flushed_at = SECTOR;
	return 0;
}

static int read_entry(struct power_log *p, uint64_t at, struct log_entry *e)
{
	if (pread(p->log.fd, e, sizeof(*e), at) != sizeof(*e))
		return -EIO;
	e->sector = le64toh(e->sector);
	e->nr_sectors = le64toh(e->nr_sectors);
	e->flags = le64toh(e->flags);
	e->data_len = le64toh(e->data_len);
	return e->nr_sectors * SECTOR > WRITE_MAX && !(e->flags & LOG_DISCARD) ? -EINVAL : 0;
}

static uint64_t entry_bytes(const struct log_entry *e)
{
	return SECTOR + (e->flags & (LOG_DISCARD | LOG_MARK) ? 0 : e->nr_sectors * SECTOR);
}

/* Do what an entry says to an image. A discarded block may keep what it had. */
static int apply(struct power_log *p, uint64_t at, const struct log_entry *e, int fd)
{
	uint64_t len = entry_bytes(e) - SECTOR;
	char *buf;
	int err = 0;

	if (!len)
		return 0;
	buf = malloc(len);
	if (!buf || pread(p->log.fd, buf, len, at + SECTOR) != (ssize_t)len ||
	    pwrite(fd, buf, len, e->sector * SECTOR) != (ssize_t)len)
		err = -EIO;
	free(buf);
	return err;
}

/* All up to the entry with a flush at @p->entry is durable. */
static int advance_disk(struct power_log *p)
{
	struct log_entry e;
	int err = 0;

	while (!err && p->flushed < p->entry) {
		err = read_entry(p, p->flushed_at, &e) ?:
		      apply(p, p->flushed_at, &e, p->disk.fd);
		p->flushed_at += entry_bytes(&e);
		p->flushed++;
	}
	return err;
}

static int read_mark(struct power_log *p, const struct log_entry *e)
{
	char text[64] = { };
	size_t len = e->data_len < sizeof(text) - 1 ? e->data_len : sizeof(text) - 1;

	if (pread(p->log.fd, text, len, p->at + sizeof(*e)) != (ssize_t)len)
		return -EIO;
	if (text[0] >= '0' && text[0] <= '9')
		p->mark = atoi(text);
	return 0;
}

static int advance(struct power_log *p)
{
	struct log_entry e;
	int err = read_entry(p, p->at, &e);

	if (err)
		return err;
	if (e.flags & LOG_MARK)
		err = read_mark(p, &e);
	/* The flush of an entry comes before the data of that entry. */
	if (!err && (e.flags & LOG_FLUSH))
		err = advance_disk(p);
	p->at += entry_bytes(&e);
	p->entry++;
	return err;
}

int power_log_next(struct power_log *p, uint64_t *entry)
{
	uint64_t at = p->at, i;

	for (i = p->entry; i < p->entries; i++) {
		struct log_entry e;
		int err = read_entry(p, at, &e);

		if (err)
			return err;
		if (e.flags & (LOG_FLUSH | LOG_FUA)) {
			*entry = i + 1;
			return 0;
		}
		at += entry_bytes(&e);
	}
	return -ENOENT;
}

int power_log_cut(struct power_log *p, uint64_t entry, uint64_t *state, struct volume *cut)
{
	uint64_t at, i;
	int err = 0;

	while (!err && p->entry < entry && p->entry < p->entries)
		err = advance(p);
	err = err ?: volume_copy(cut, "cut", &p->disk);
	for (at = p->flushed_at, i = p->flushed; !err && i < p->entry; i++) {
		struct log_entry e;

		err = read_entry(p, at, &e);
		if (!err && (!state || e.flags & LOG_FUA || rnd(state) & 1))
			err = apply(p, at, &e, cut->fd);
		at += entry_bytes(&e);
	}
	return err;
}

void power_log_free(struct power_log *p)
{
	volume_free(&p->vol);
	run(DMSETUP " remove " DM_NAME " > /dev/null 2>&1");
	volume_free(&p->log);
	volume_free(&p->disk);
}
