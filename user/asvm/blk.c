// SPDX-License-Identifier: GPL-2.0-only
/* virtio-blk (virtio 1.2, section 5.2); requests are served by asv_blk.ko. */
#include <errno.h>
#include <fcntl.h>
#include <linux/asv_blk.h>
#include <linux/asv_vhost.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "blk.h"
#include "log.h"
#include "vhost.h"

#define BLK_QUEUES_DEFAULT	4
#define BLK_QUEUE_SIZE_DEFAULT	256
/* feature bits of the device type itself (2.2) */
#define BLK_DEVICE_FEATURES	0xffffffULL

/** struct blk - @fd is the disk, @vhost_fd its backend */
struct blk {
	struct virtio_dev vd;
	const struct asvm_disk *cfg;
	const char *guest;
	unsigned int index;
	unsigned int queues;
	int fd;
	int vhost_fd;
	uint8_t wce_default;
	struct vhost_err err;
	char name[16];
};

static struct blk *blk_from_vd(struct virtio_dev *vd)
{
	return (struct blk *)((char *)vd - offsetof(struct blk, vd));
}

static const char *blk_path(const struct blk *blk)
{
	return blk->cfg->path ?: "disk";
}

static int blk_check(const struct blk *blk)
{
	unsigned int size = blk->cfg->queue_size;

	if (blk->queues > ASVM_DISK_QUEUES_MAX) {
		log_err("disk %s: %u queues; at most %d", blk_path(blk), blk->queues,
			ASVM_DISK_QUEUES_MAX);
		return -EINVAL;
	}
	if (size && (size < 2 || size > ASVM_QUEUE_SIZE_MAX || (size & (size - 1)))) {
		log_err("disk %s: queue size %u; a power of two from 2 to %d", blk_path(blk),
			size, ASVM_QUEUE_SIZE_MAX);
		return -EINVAL;
	}
	if (blk->cfg->serial && strlen(blk->cfg->serial) > ASVM_SERIAL_MAX) {
		log_err("disk %s: the serial '%s' is longer than %d characters", blk_path(blk),
			blk->cfg->serial, ASVM_SERIAL_MAX);
		return -EINVAL;
	}
	return 0;
}

struct blk *blk_open(const struct asvm_config *cfg, unsigned int index)
{
	const struct asvm_disk *disk = &cfg->disks[index];
	struct blk *blk = calloc(1, sizeof(*blk));

	if (!blk) {
		log_err("out of memory");
		return NULL;
	}
	blk->cfg = disk;
	blk->guest = cfg->name;
	blk->index = index;
	blk->queues = disk->queues;
	if (!blk->queues)
		blk->queues = cfg->cpus < BLK_QUEUES_DEFAULT ? cfg->cpus : BLK_QUEUES_DEFAULT;
	blk->fd = disk->fd;
	blk->vhost_fd = disk->vhost_fd;
	blk->vd.intx.fd = -1;
	snprintf(blk->name, sizeof(blk->name), "disk%u", index);
	blk->vd.name = blk->name;
	if (blk_check(blk))
		goto err_destroy;
	if (blk->fd < 0) {
		blk->fd = open(disk->path, (disk->readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC);
		if (blk->fd < 0) {
			log_err("cannot open disk %s: %s", disk->path, strerror(errno));
			goto err_destroy;
		}
	}
	blk->vhost_fd = vhost_open(blk->vhost_fd, "/dev/asv-blk");
	if (blk->vhost_fd < 0)
		goto err_destroy;
	return blk;

err_destroy:
	blk_destroy(blk);
	return NULL;
}

static const char *blk_attach_hint(int err)
{
	switch (err) {
	case -EROFS:
	case -EBADF:
		return "; it can only be read: add ro to the disk";
	case -ENOTBLK:
		return "; a disk is a regular file or a block device";
	case -EOPNOTSUPP:
		return "; its filesystem has no direct I/O: put it on another one";
	case -ETXTBSY:
		return "; it is a swap file or is being run";
	}
	return "";
}

static int blk_attach(struct blk *blk)
{
	struct asv_blk_attach attach = {
		.fd = blk->fd,
		.flags = (blk->cfg->readonly ? ASV_BLK_ATTACH_RO : 0) |
			 (blk->cfg->no_discard ? ASV_BLK_ATTACH_NO_UNMAP : 0),
		.num_queues = blk->queues,
	};
	int err;

	if (blk->cfg->serial)
		memcpy(attach.serial, blk->cfg->serial, strlen(blk->cfg->serial));
	err = ioctl(blk->vhost_fd, ASV_BLK_ATTACH, &attach) < 0 ? -errno : 0;
	if (err)
		log_err("disk %s cannot be attached: %s%s", blk_path(blk), strerror(-err),
			blk_attach_hint(err));
	return err;
}

/* What is told of the device in lists, and what limits it; nothing fails without it. */
static void blk_set_options(struct blk *blk)
{
	struct asv_limits limits = { .iops = blk->cfg->iops, .bps = blk->cfg->bps };
	struct asv_name name = { 0 };

	snprintf(name.name, sizeof(name.name), "%.22s/%.7s", blk->guest, blk->name);
	ioctl(blk->vhost_fd, ASV_SET_NAME, &name);
	if ((limits.iops || limits.bps) && ioctl(blk->vhost_fd, ASV_SET_LIMITS, &limits) < 0)
		log_warn("disk %s: its limits cannot be set: %s", blk_path(blk),
			 strerror(errno));
}

static int blk_read_config(struct blk *blk)
{
	struct asv_blk_config config;

	if (ioctl(blk->vhost_fd, ASV_BLK_GET_CONFIG, &config) < 0)
		return -errno;
	if (config.size > sizeof(config.bytes))
		return -EPROTO;
	memcpy(blk->vd.config, config.bytes, config.size);
	blk->vd.config_len = config.size;
	return 0;
}

static int blk_start(struct virtio_dev *vd)
{
	return vhost_set_features(blk_from_vd(vd)->vhost_fd, vd->acked);
}

static int blk_set_wce(struct blk *blk, uint32_t on)
{
	if (ioctl(blk->vhost_fd, ASV_BLK_SET_WCE, &on) < 0)
		return -errno;
	blk->vd.config[offsetof(struct virtio_blk_config, wce)] = on;
	return 0;
}

static void blk_stop(struct virtio_dev *vd)
{
	struct blk *blk = blk_from_vd(vd);

	if (vd->config[offsetof(struct virtio_blk_config, wce)] != blk->wce_default)
		blk_set_wce(blk, blk->wce_default);
}

static int blk_set_backend(struct blk *blk, unsigned int q, int fd)
{
	struct vhost_vring_file file = { .index = q, .fd = fd };

	return ioctl(blk->vhost_fd, ASV_BLK_SET_BACKEND, &file) < 0 ? -errno : 0;
}

static int blk_queue_start(struct virtio_dev *vd, unsigned int q)
{
	struct blk *blk = blk_from_vd(vd);
	int err = vhost_set_vring(blk->vhost_fd, q, vd, q, blk->err.src.fd);

	if (!err)
		err = blk_set_backend(blk, q, ASV_BLK_BACKEND_START);
	return err;
}

static void blk_queue_stop(struct virtio_dev *vd, unsigned int q)
{
	blk_set_backend(blk_from_vd(vd), q, VHOST_FILE_UNBIND);
}

static void blk_queue_call(struct virtio_dev *vd, unsigned int q)
{
	vhost_set_call(blk_from_vd(vd)->vhost_fd, q, vd, q);
}

static void blk_config_written(struct virtio_dev *vd, unsigned int off, unsigned int len,
			       uint32_t val)
{
	if (off != offsetof(struct virtio_blk_config, wce) || len != 1 || val > 1 ||
	    !virtio_has(vd, VIRTIO_BLK_F_CONFIG_WCE))
		return;
	if (blk_set_wce(blk_from_vd(vd), val))
		virtio_failed(vd);
}

static const struct virtio_ops blk_ops = {
	.start = blk_start,
	.stop = blk_stop,
	.queue_start = blk_queue_start,
	.queue_stop = blk_queue_stop,
	.queue_call = blk_queue_call,
	.config_written = blk_config_written,
};

int blk_create(struct blk *blk, const struct virtio_host *host)
{
	static const struct virtio_id id = { VIRTIO_ID_BLOCK, 0x018000 };
	unsigned int size = blk->cfg->queue_size ?: BLK_QUEUE_SIZE_DEFAULT;
	uint64_t features;
	unsigned int q;
	int err;

	err = vhost_init(blk->vhost_fd, host->mem, &features);
	if (err)
		goto err_msg;
	err = blk_attach(blk);
	if (err)
		return err;
	/* those of the disk are known only now */
	if (ioctl(blk->vhost_fd, VHOST_GET_FEATURES, &features) < 0) {
		err = -errno;
		goto err_msg;
	}
	blk_set_options(blk);
	err = blk_read_config(blk);
	if (err)
		goto err_msg;
	blk->wce_default = blk->vd.config[offsetof(struct virtio_blk_config, wce)];
	blk->vd.features = features & (BLK_DEVICE_FEATURES | VHOST_RING_FEATURES);
	if (!blk->cfg->packed)
		blk->vd.features &= ~(1ULL << VIRTIO_F_RING_PACKED);
	err = virtio_init(&blk->vd, host, &id, &blk_ops, blk->queues, size);
	if (err)
		goto err_msg;
	for (q = 0; q < blk->queues; q++)
		vhost_set_poll(blk->vhost_fd, q, blk->cfg->poll_us);
	err = vhost_err_init(&blk->err, &blk->vd);
	if (err)
		goto err_msg;
	return 0;

err_msg:
	log_err("cannot make %s (%s): %s", blk->name, blk_path(blk), strerror(-err));
	return err;
}

void blk_destroy(struct blk *blk)
{
	if (!blk)
		return;
	vhost_err_destroy(&blk->err);
	virtio_destroy(&blk->vd);
	if (blk->vhost_fd >= 0)
		close(blk->vhost_fd);
	if (blk->fd >= 0)
		close(blk->fd);
	free(blk);
}

struct virtio_dev *blk_virtio(struct blk *blk)
{
	return blk ? &blk->vd : NULL;
}

int blk_resize(struct blk *blk, uint64_t size)
{
	struct stat st;
	int err;

	if (size) {
		if (size % 512 || fstat(blk->fd, &st) < 0 || !S_ISREG(st.st_mode))
			return -EINVAL;
		if (ftruncate(blk->fd, size) < 0)
			return -errno;
	}
	if (ioctl(blk->vhost_fd, ASV_BLK_REFRESH) < 0)
		return -errno;
	err = blk_read_config(blk);
	if (!err)
		virtio_config_changed(&blk->vd);
	return err;
}

void blk_query(struct blk *blk, struct machine_disk_info *info)
{
	uint64_t sectors;

	memcpy(&sectors, blk->vd.config, sizeof(sectors));
	*info = (struct machine_disk_info){
		.path = blk->cfg->path,
		.size = sectors * 512,
		.queues = blk->queues,
		.readonly = blk->vd.features & (1ULL << VIRTIO_BLK_F_RO),
		.driver_ok = virtio_driver_ok(&blk->vd),
		.packed = virtio_has(&blk->vd, VIRTIO_F_RING_PACKED),
	};
}
