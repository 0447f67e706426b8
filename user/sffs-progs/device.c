// SPDX-License-Identifier: GPL-2.0-only
/* Block devices and image files. */
#include <blkid/blkid.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libsffs.h"

static int device_limits(struct sffs_device *dev)
{
	int size;

	if (ioctl(dev->fd, BLKGETSIZE64, &dev->bytes) || ioctl(dev->fd, BLKSSZGET, &size)) {
		sffs_err("%s: cannot read the size of the device: %s", dev->path, strerror(errno));
		return -1;
	}
	if (size != 512 && size != 4096) {
		sffs_err("%s: sectors of %d bytes; only 512 and 4096 are supported",
			 dev->path, size);
		return -1;
	}
	dev->sector_shift = size == 512 ? 9 : 12;
	return 0;
}

int sffs_device_open(struct sffs_device *dev, const char *path, bool write)
{
	struct stat st;

	*dev = (struct sffs_device){ .fd = -1, .path = path };
	if (stat(path, &st)) {
		sffs_err("%s: %s", path, strerror(errno));
		return -1;
	}
	if (!S_ISBLK(st.st_mode) && !S_ISREG(st.st_mode)) {
		sffs_err("%s: neither a block device nor a regular file", path);
		return -1;
	}
	dev->block_device = S_ISBLK(st.st_mode);
	dev->fd = open(path, (write ? O_RDWR : O_RDONLY) | O_CLOEXEC |
			     (write && dev->block_device ? O_EXCL : 0));
	if (dev->fd < 0) {
		sffs_err("%s: %s", path, errno == EBUSY ?
			 "in use: mounted, or held by another program" : strerror(errno));
		return -1;
	}
	dev->bytes = st.st_size;
	if (dev->block_device && device_limits(dev)) {
		sffs_device_close(dev);
		return -1;
	}
	/* What this host read long ago may be what another has written since. */
	if (dev->block_device)
		posix_fadvise(dev->fd, 0, 0, POSIX_FADV_DONTNEED);
	return 0;
}

void sffs_device_close(struct sffs_device *dev)
{
	if (dev->fd >= 0)
		close(dev->fd);
	dev->fd = -1;
}

int sffs_read_blocks(const struct sffs_device *dev, uint64_t block, void *buf, unsigned int n)
{
	size_t len = (size_t)n * SFFS_BLOCK_SIZE, done = 0;

	while (done < len) {
		ssize_t r = pread(dev->fd, (char *)buf + done, len - done,
				  block * SFFS_BLOCK_SIZE + done);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0) {
			sffs_err("%s: cannot read block %llu: %s", dev->path,
				 (unsigned long long)block, r ? strerror(errno) : "end of device");
			return -1;
		}
		done += r;
	}
	return 0;
}

int sffs_read_fresh(const struct sffs_device *dev, uint64_t block, void *buf)
{
	int flags = dev->block_device ? fcntl(dev->fd, F_GETFL) : 0, ret = -1;
	void *page = aligned_alloc(SFFS_BLOCK_SIZE, SFFS_BLOCK_SIZE);

	if (!page || flags < 0 ||
	    (dev->block_device && fcntl(dev->fd, F_SETFL, flags | O_DIRECT))) {
		sffs_err("%s: cannot read past the cache: %s", dev->path, strerror(errno));
		goto out;
	}
	ret = sffs_read_blocks(dev, block, page, 1);
	memcpy(buf, page, SFFS_BLOCK_SIZE);
	if (dev->block_device)
		fcntl(dev->fd, F_SETFL, flags);
out:
	free(page);
	return ret;
}

int sffs_write_blocks(const struct sffs_device *dev, uint64_t block, const void *buf,
		      unsigned int n)
{
	size_t len = (size_t)n * SFFS_BLOCK_SIZE, done = 0;

	while (done < len) {
		ssize_t r = pwrite(dev->fd, (const char *)buf + done, len - done,
				   block * SFFS_BLOCK_SIZE + done);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0) {
			sffs_err("%s: cannot write block %llu: %s", dev->path,
				 (unsigned long long)block, r ? strerror(errno) : "no room");
			return -1;
		}
		done += r;
	}
	return 0;
}

int sffs_zero_blocks(const struct sffs_device *dev, uint64_t block, uint64_t n)
{
	static const char zeros[256 * SFFS_BLOCK_SIZE];

	while (n) {
		unsigned int now = n < 256 ? n : 256;

		if (sffs_write_blocks(dev, block, zeros, now))
			return -1;
		block += now;
		n -= now;
	}
	return 0;
}

int sffs_device_sync(const struct sffs_device *dev)
{
	if (!fsync(dev->fd))
		return 0;
	sffs_err("%s: cannot flush: %s", dev->path, strerror(errno));
	return -1;
}

bool sffs_device_discard(const struct sffs_device *dev)
{
	uint64_t range[2] = { 0, dev->bytes };

	if (dev->block_device)
		return !ioctl(dev->fd, BLKDISCARD, range);
	return !fallocate(dev->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, dev->bytes);
}

int sffs_device_content(const struct sffs_device *dev, char *buf, size_t len)
{
	static const struct {
		const char *tag, *what;
	} tags[] = { { "TYPE", "" }, { "PTTYPE", "partition table " } };
	struct sffs_super sb;
	blkid_probe pr;
	int ret = -1;

	if (!sffs_read_blocks(dev, SFFS_SUPER_BLOCK, &sb, 1) &&
	    le32toh(sb.h.magic) == SFFS_MAGIC_SUPER) {
		snprintf(buf, len, "sffs");
		return 1;
	}
	pr = blkid_new_probe();
	if (!pr || blkid_probe_set_device(pr, dev->fd, 0, 0))
		goto out;
	blkid_probe_enable_superblocks(pr, 1);
	blkid_probe_set_superblocks_flags(pr, BLKID_SUBLKS_TYPE);
	blkid_probe_enable_partitions(pr, 1);
	ret = blkid_do_safeprobe(pr);
	if (ret == -2) {
		snprintf(buf, len, "more than one filesystem");
		ret = 1;
		goto out;
	}
	if (ret)
		ret = ret == 1 ? 0 : -1;
	else
		for (size_t i = 0; i < SFFS_ARRAY_SIZE(tags) && !ret; i++) {
			const char *v;

			if (!blkid_probe_lookup_value(pr, tags[i].tag, &v, NULL)) {
				snprintf(buf, len, "%s%s", tags[i].what, v);
				ret = 1;
			}
		}
out:
	if (ret < 0)
		sffs_err("%s: libblkid cannot probe it", dev->path);
	blkid_free_probe(pr);
	return ret;
}

/* The loop device that has an image file, or NULL. */
static const char *loop_of(const char *path)
{
	static char name[NAME_MAX + 1];
	char *want = realpath(path, NULL), *found = NULL;
	struct dirent *e;
	DIR *d = opendir("/sys/block");

	while (d && want && !found && (e = readdir(d))) {
		char file[64 + NAME_MAX], line[PATH_MAX] = "";
		FILE *f;

		if (strncmp(e->d_name, "loop", 4))
			continue;
		snprintf(file, sizeof(file), "/sys/block/%s/loop/backing_file", e->d_name);
		f = fopen(file, "re");
		if (!f)
			continue;
		if (fgets(line, sizeof(line), f)) {
			line[strcspn(line, "\n")] = 0;
			if (!strcmp(line, want))
				found = strcpy(name, e->d_name);
		}
		fclose(f);
	}
	if (d)
		closedir(d);
	free(want);
	return found;
}

int sffs_device_unused(const char *path)
{
	const char *loop = NULL;
	struct stat st;
	int fd;

	if (stat(path, &st)) {
		sffs_err("%s: %s", path, strerror(errno));
		return -1;
	}
	if (S_ISREG(st.st_mode))
		loop = loop_of(path);
	if (loop) {
		sffs_err("%s: is in use as /dev/%s; name that instead", path, loop);
		return -1;
	}
	if (!S_ISBLK(st.st_mode))
		return 0;
	fd = open(path, O_RDONLY | O_EXCL | O_CLOEXEC);
	if (fd < 0) {
		sffs_err("%s: %s", path, errno == EBUSY ?
			 "in use: mounted, or held by another program" : strerror(errno));
		return -1;
	}
	close(fd);
	return 0;
}
