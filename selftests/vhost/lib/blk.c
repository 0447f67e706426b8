// SPDX-License-Identifier: GPL-2.0-only
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <linux/fs.h>

#include "blk.h"

#define DEFAULT_SIZE	(16ULL << 20)
#define DEFAULT_NUM	128
#define DIRECT_ALIGN	4096UL

/* where env.sh puts things */
#define ENV_DIR		"/run/asv-selftest"

static const char *const disk_path[] = {
	[VT_DISK_FILE] = ENV_DIR,
	[VT_DISK_DEV] = "/dev/nullb1",
	[VT_DISK_DEV_4K] = ENV_DIR "-4k",
	[VT_DISK_SLOW] = "/dev/nullb3",
};

static void prepare(void)
{
	char dir[256];
	ssize_t n = readlink("/proc/self/exe", dir, sizeof(dir) - 1);

	if (n < 0)
		err(1, "/proc/self/exe");
	dir[n] = 0;
	*strrchr(dir, '/') = 0;
	if (access(ENV_DIR "/ready", F_OK) && vt_shell("sh %s/env.sh", dir))
		errx(1, "env.sh cannot prepare the test disks");
}

int vt_disk_open(enum vt_disk kind, uint64_t size)
{
	int fd;

	prepare();
	if (kind == VT_DISK_FILE) {
		fd = open(disk_path[kind], O_TMPFILE | O_RDWR | O_DIRECT | O_CLOEXEC, 0600);
		if (fd >= 0 && ftruncate(fd, size ? size : DEFAULT_SIZE)) {
			close(fd);
			fd = -1;
		}
	} else {
		fd = open(disk_path[kind], O_RDWR | O_DIRECT | O_CLOEXEC);
	}
	return fd < 0 ? -errno : fd;
}

/* any range of a disk, by whole aligned blocks */
static int direct(int fd, uint64_t pos, void *buf, const void *from, size_t len)
{
	uint64_t start = pos & ~(DIRECT_ALIGN - 1);
	size_t size = (pos + len - start + DIRECT_ALIGN - 1) & ~(DIRECT_ALIGN - 1);
	ssize_t n;
	void *bounce;
	int ret = 0;

	if (posix_memalign(&bounce, DIRECT_ALIGN, size))
		return -ENOMEM;
	memset(bounce, 0, size);
	n = pread(fd, bounce, size, start);
	if (n < 0 || start + n < pos + len)
		ret = n < 0 ? -errno : -EIO;
	else if (buf)
		memcpy(buf, (uint8_t *)bounce + (pos - start), len);
	if (!ret && from) {
		memcpy((uint8_t *)bounce + (pos - start), from, len);
		if (pwrite(fd, bounce, n, start) != n)
			ret = -EIO;
	}
	free(bounce);
	return ret;
}

int vt_disk_read(int fd, uint64_t pos, void *buf, size_t len)
{
	return direct(fd, pos, buf, NULL, len);
}

int vt_disk_write(int fd, uint64_t pos, const void *buf, size_t len)
{
	return direct(fd, pos, NULL, buf, len);
}

uint64_t vt_disk_size(int fd)
{
	struct stat st;
	uint64_t size = 0;

	if (fstat(fd, &st))
		return 0;
	if (S_ISREG(st.st_mode))
		return st.st_size;
	return ioctl(fd, BLKGETSIZE64, &size) ? 0 : size;
}

int vt_blk_open(struct vt_blk *blk, const struct vt_blk_opts *opts)
{
	int ret;

	memset(blk, 0, sizeof(*blk));
	blk->disk = -1;
	ret = vt_mem_init(&blk->mem, opts->mem_size ? opts->mem_size : DEFAULT_SIZE, 1);
	if (ret)
		return ret;
	return vt_dev_open(&blk->dev, VT_BLK_NODE, &blk->mem);
}

int vt_blk_attach(struct vt_blk *blk, const struct vt_blk_opts *opts)
{
	struct asv_blk_attach attach = {
		.flags = opts->attach_flags,
		.num_queues = opts->queues ? opts->queues : 1,
		.seg_max = opts->seg_max,
		.blk_size = opts->blk_size,
	};

	if (blk->disk < 0)
		blk->disk = vt_disk_open(opts->disk, opts->size);
	if (blk->disk < 0)
		return blk->disk;
	blk->size = vt_disk_size(blk->disk);
	attach.fd = blk->disk;
	if (opts->serial)
		memcpy(attach.serial, opts->serial, strnlen(opts->serial, ASV_BLK_SERIAL_LEN));
	return vt_ioctl(blk->dev.fd, ASV_BLK_ATTACH, &attach);
}

int vt_blk_backend(struct vt_blk *blk, struct vt_queue *vq, bool start)
{
	return vt_ioctl_file(blk->dev.fd, ASV_BLK_SET_BACKEND, vq->index,
			     start ? ASV_BLK_BACKEND_START : VHOST_FILE_UNBIND);
}

int vt_blk_start(struct vt_blk *blk, const struct vt_blk_opts *opts)
{
	uint64_t features = opts->features | VT_BIT(VIRTIO_F_VERSION_1) |
			    (opts->packed ? VT_BIT(VIRTIO_F_RING_PACKED) : 0);
	unsigned int queues = opts->queues ? opts->queues : 1;
	int ret;

	ret = vt_blk_open(blk, opts);
	if (!ret)
		ret = vt_blk_attach(blk, opts);
	if (!ret)
		ret = vt_dev_features(&blk->dev, features);
	if (!ret)
		ret = vt_dev_memory(&blk->dev);
	if (ret)
		return ret;
	blk->vq = calloc(queues, sizeof(*blk->vq));
	if (!blk->vq)
		return -ENOMEM;
	for (; blk->queues < queues; blk->queues++) {
		struct vt_queue *vq = &blk->vq[blk->queues];

		ret = vt_queue_init(vq, &blk->mem, blk->queues,
				    opts->num ? opts->num : DEFAULT_NUM, features);
		if (!ret)
			ret = vt_queue_setup(&blk->dev, vq, vt_queue_base(vq));
		if (!ret)
			ret = vt_blk_backend(blk, vq, true);
		if (ret)
			return ret;
	}
	return 0;
}

void vt_blk_free(struct vt_blk *blk)
{
	if (!blk->mem.base)
		return;
	vt_dev_close(&blk->dev);
	while (blk->queues)
		vt_queue_free(&blk->vq[--blk->queues]);
	free(blk->vq);
	if (blk->disk >= 0)
		close(blk->disk);
	vt_mem_free(&blk->mem);
	memset(blk, 0, sizeof(*blk));
}

struct vt_req *vt_req_new(struct vt_mem *mem, uint32_t len)
{
	struct vt_req *req = calloc(1, sizeof(*req));

	if (!req)
		err(1, "request");
	req->hdr = vt_alloc(mem, sizeof(*req->hdr), 16);
	req->status = vt_alloc(mem, 1, 1);
	req->data = len ? vt_alloc(mem, len, DIRECT_ALIGN) : NULL;
	req->len = len;
	return req;
}

void vt_req_set(struct vt_req *req, uint32_t type, uint64_t sector, uint32_t len)
{
	req->hdr->type = type;
	req->hdr->ioprio = 0;
	req->hdr->sector = sector;
	req->in = type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID;
	req->len = len;
	*req->status = VT_STATUS_NONE;
}

int vt_req_add(struct vt_queue *vq, struct vt_req *req, bool indirect)
{
	struct vt_sg sg[3] = { { req->hdr, sizeof(*req->hdr), false } };
	unsigned int n = 1;

	if (req->len)
		sg[n++] = (struct vt_sg) { req->data, req->len, req->in };
	sg[n++] = (struct vt_sg) { req->status, 1, true };
	return vt_add(vq, sg, n, indirect, req);
}

int vt_req_result(struct vt_queue *vq, const struct vt_req *req, const struct vt_used *used)
{
	uint8_t status = *(volatile uint8_t *)req->status;

	if (status > VIRTIO_BLK_S_UNSUPP)
		return vt_breach(vq, "status %#x", status);
	if (status == VIRTIO_BLK_S_OK && used->len != 1 + (req->in ? req->len : 0))
		return vt_breach(vq, "type %u of %u bytes: used length %u", req->hdr->type,
				 req->len, used->len);
	return status;
}

int vt_blk_do(struct vt_queue *vq, struct vt_req *req)
{
	struct vt_used used;
	int ret;

	ret = vt_req_add(vq, req, false);
	if (ret)
		return ret;
	vt_submit(vq);
	ret = vt_wait_used(vq, &used, VT_WAIT_MS);
	if (ret < 0)
		return ret;
	if (used.cookie != req)
		return vt_breach(vq, "another request completed");
	return vt_req_result(vq, req, &used);
}

int vt_blk_do_sg(struct vt_queue *vq, const struct vt_sg *sg, unsigned int n, bool indirect,
		 uint32_t *len)
{
	struct vt_used used;
	int ret;

	ret = vt_add(vq, sg, n, indirect, (void *)sg);
	if (ret)
		return ret;
	vt_submit(vq);
	ret = vt_wait_used(vq, &used, VT_WAIT_MS);
	if (ret < 0)
		return ret;
	*len = used.len;
	return 0;
}
