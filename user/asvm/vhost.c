// SPDX-License-Identifier: GPL-2.0-only
/* The part of the vhost interface that all kernel backends share. */
#include <errno.h>
#include <fcntl.h>
#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "log.h"
#include "vhost.h"

/* where a packed ring starts: position 0 and wrap counter 1, for avail and for used */
#define VHOST_PACKED_BASE	0x80008000

static void vhost_err_ready(struct loop_source *src, uint32_t events)
{
	struct vhost_err *err = src->opaque;
	uint64_t count;

	(void)events;
	pthread_mutex_lock(err->vd->host->lock);
	if (read(src->fd, &count, sizeof(count)) == sizeof(count)) {
		log_warn("%s: a queue is broken: its ring breaks the rules or the backend failed; see the kernel's log",
			 err->vd->name);
		virtio_failed(err->vd);
	}
	pthread_mutex_unlock(err->vd->host->lock);
}

int vhost_err_init(struct vhost_err *err, struct virtio_dev *vd)
{
	int ret;

	err->vd = vd;
	err->src.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (err->src.fd < 0)
		return -errno;
	err->src.ready = vhost_err_ready;
	err->src.opaque = err;
	ret = loop_add(vd->host->loop, &err->src, EPOLLIN);
	if (ret) {
		close(err->src.fd);
		err->vd = NULL;
	}
	return ret;
}

void vhost_err_destroy(struct vhost_err *err)
{
	if (!err->vd)
		return;
	loop_del(err->vd->host->loop, &err->src);
	close(err->src.fd);
	err->vd = NULL;
}

int vhost_open(int given, const char *path)
{
	int fd = given;

	if (fd < 0)
		fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		fd = -errno;
		log_err("cannot open %s: %s; is its module installed, and are you in its group?",
			path, strerror(-fd));
	}
	return fd;
}

static int vhost_ioctl(int fd, unsigned long cmd, const void *arg)
{
	return ioctl(fd, cmd, arg) < 0 ? -errno : 0;
}

static int vhost_set_memory(int fd, const struct memory *mem)
{
	struct vhost_memory *table;
	unsigned int i;
	int err;

	table = calloc(1, sizeof(*table) + mem->nregions * sizeof(table->regions[0]));
	if (!table)
		return -ENOMEM;
	table->nregions = mem->nregions;
	for (i = 0; i < mem->nregions; i++)
		table->regions[i] = (struct vhost_memory_region){
			.guest_phys_addr = mem->regions[i].gpa,
			.memory_size = mem->regions[i].size,
			.userspace_addr = (uintptr_t)mem->regions[i].host,
		};
	err = vhost_ioctl(fd, VHOST_SET_MEM_TABLE, table);
	free(table);
	return err;
}

int vhost_init(int fd, const struct memory *mem, uint64_t *features)
{
	int err = vhost_ioctl(fd, VHOST_SET_OWNER, NULL);

	if (!err)
		err = vhost_set_memory(fd, mem);
	if (!err)
		err = vhost_ioctl(fd, VHOST_GET_FEATURES, features);
	return err;
}

int vhost_set_features(int fd, uint64_t features)
{
	return vhost_ioctl(fd, VHOST_SET_FEATURES, &features);
}

/* The host addresses of a ring's three areas, whole in the guest's memory. */
static int vhost_set_addr(int fd, unsigned int index, struct virtio_dev *vd,
			  const struct virtio_queue *vq)
{
	bool packed = virtio_has(vd, VIRTIO_F_RING_PACKED);
	const struct memory *mem = vd->host->mem;
	struct vhost_vring_addr addr = { .index = index };
	void *desc, *driver, *device;

	desc = mem_ptr(mem, vq->desc, 16ULL * vq->size);
	driver = mem_ptr(mem, vq->driver, packed ? 4 : 6 + 2ULL * vq->size);
	device = mem_ptr(mem, vq->device, packed ? 4 : 6 + 8ULL * vq->size);
	if (!desc || !driver || !device)
		return -EINVAL;
	addr.desc_user_addr = (uintptr_t)desc;
	addr.avail_user_addr = (uintptr_t)driver;
	addr.used_user_addr = (uintptr_t)device;
	return vhost_ioctl(fd, VHOST_SET_VRING_ADDR, &addr);
}

int vhost_set_call(int fd, unsigned int index, struct virtio_dev *vd, unsigned int q)
{
	struct vhost_vring_file call = { .index = index, .fd = virtio_call_fd(vd, q) };

	return vhost_ioctl(fd, VHOST_SET_VRING_CALL, &call);
}

int vhost_set_vring(int fd, unsigned int index, struct virtio_dev *vd, unsigned int q,
		    int err_fd)
{
	const struct virtio_queue *vq = &vd->queues[q];
	bool packed = virtio_has(vd, VIRTIO_F_RING_PACKED);
	struct vhost_vring_state num = { .index = index, .num = vq->size };
	struct vhost_vring_state base = {
		.index = index,
		.num = packed ? VHOST_PACKED_BASE : 0,
	};
	struct vhost_vring_file kick = { .index = index, .fd = vq->kick_fd };
	struct vhost_vring_file err = { .index = index, .fd = err_fd };
	int ret;

	ret = vhost_ioctl(fd, VHOST_SET_VRING_NUM, &num);
	if (!ret)
		ret = vhost_ioctl(fd, VHOST_SET_VRING_BASE, &base);
	if (!ret)
		ret = vhost_set_addr(fd, index, vd, vq);
	if (!ret)
		ret = vhost_set_call(fd, index, vd, q);
	if (!ret)
		ret = vhost_ioctl(fd, VHOST_SET_VRING_ERR, &err);
	if (!ret)
		ret = vhost_ioctl(fd, VHOST_SET_VRING_KICK, &kick);
	return ret;
}

void vhost_set_poll(int fd, unsigned int index, unsigned int us)
{
	struct vhost_vring_state poll = { .index = index, .num = us };
	int err;

	if (!us)
		return;
	err = vhost_ioctl(fd, VHOST_SET_VRING_BUSYLOOP_TIMEOUT, &poll);
	if (err)
		log_warn("no busy polling: %s", strerror(-err));
}
