// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>

#include "dev.h"

int vt_ioctl(int fd, unsigned long request, void *arg)
{
	return ioctl(fd, request, arg) < 0 ? -errno : 0;
}

int vt_ioctl_state(int fd, unsigned long request, unsigned int index, unsigned int num)
{
	struct vhost_vring_state state = { .index = index, .num = num };

	return vt_ioctl(fd, request, &state);
}

int vt_ioctl_file(int fd, unsigned long request, unsigned int index, int file)
{
	struct vhost_vring_file arg = { .index = index, .fd = file };

	return vt_ioctl(fd, request, &arg);
}

void vt_require(const char *node)
{
	const char *module = strcmp(node, VT_NET_NODE) ? "asv_blk" : "asv_net";
	int fd;

	vt_shell("modprobe %s", module);
	fd = open(node, O_RDWR | O_CLOEXEC);
	if (fd >= 0) {
		close(fd);
		return;
	}
	/* never a skip: a suite whose modules do not load has failed */
	printf("TAP version 13\n1..1\nnot ok 1 %s cannot be opened: %s\n", node,
	       strerror(errno));
	exit(1);
}

int vt_dev_open(struct vt_dev *dev, const char *node, struct vt_mem *mem)
{
	int ret;

	memset(dev, 0, sizeof(*dev));
	dev->mem = mem;
	dev->fd = open(node, O_RDWR | O_CLOEXEC);
	if (dev->fd < 0)
		return -errno;
	ret = vt_ioctl(dev->fd, VHOST_SET_OWNER, NULL);
	if (ret)
		vt_dev_close(dev);
	return ret;
}

void vt_dev_close(struct vt_dev *dev)
{
	close(dev->fd);
	dev->fd = -1;
}

int vt_dev_features(struct vt_dev *dev, uint64_t features)
{
	int ret = vt_ioctl(dev->fd, VHOST_SET_FEATURES, &features);

	if (!ret)
		dev->features = features;
	return ret;
}

int vt_dev_memory(struct vt_dev *dev)
{
	struct vhost_memory *table = vt_mem_table(dev->mem);
	int ret = vt_ioctl(dev->fd, VHOST_SET_MEM_TABLE, table);

	free(table);
	return ret;
}

int vt_queue_addr(struct vt_dev *dev, struct vt_queue *vq, unsigned int flags,
		  uint64_t log_addr)
{
	struct vhost_vring_addr addr = {
		.index = vq->index,
		.flags = flags,
		.desc_user_addr = (uintptr_t)vq->desc,
		.avail_user_addr = (uintptr_t)vq->avail,
		.used_user_addr = (uintptr_t)vq->used,
		.log_guest_addr = log_addr,
	};

	return vt_ioctl(dev->fd, VHOST_SET_VRING_ADDR, &addr);
}

int vt_queue_setup(struct vt_dev *dev, struct vt_queue *vq, uint32_t base)
{
	int ret;

	ret = vt_ioctl_state(dev->fd, VHOST_SET_VRING_NUM, vq->index, vq->num);
	if (!ret)
		ret = vt_ioctl_state(dev->fd, VHOST_SET_VRING_BASE, vq->index, base);
	if (!ret)
		ret = vt_queue_addr(dev, vq, 0, 0);
	if (!ret)
		ret = vt_ioctl_file(dev->fd, VHOST_SET_VRING_KICK, vq->index, vq->kick);
	if (!ret)
		ret = vt_ioctl_file(dev->fd, VHOST_SET_VRING_CALL, vq->index, vq->call);
	if (!ret)
		ret = vt_ioctl_file(dev->fd, VHOST_SET_VRING_ERR, vq->index, vq->err);
	return ret;
}

int64_t vt_get_base(struct vt_dev *dev, struct vt_queue *vq)
{
	struct vhost_vring_state state = { .index = vq->index };
	int ret = vt_ioctl(dev->fd, VHOST_GET_VRING_BASE, &state);

	return ret ? ret : (int64_t)state.num;
}

int vt_shell(const char *fmt, ...)
{
	char command[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(command, sizeof(command), fmt, args);
	va_end(args);
	strncat(command, " >/dev/null 2>&1", sizeof(command) - strlen(command) - 1);
	return system(command) ? -EIO : 0;
}
