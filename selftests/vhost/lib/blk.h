/* SPDX-License-Identifier: GPL-2.0-only */
/* A disk of /dev/asv-blk, and requests to it: virtio 1.2, section 5.2. */
#ifndef VT_BLK_H
#define VT_BLK_H

#include <linux/virtio_blk.h>

#include "dev.h"

#define VT_SECTOR	512U

/* what a disk is made on; see env.sh */
enum vt_disk {
	VT_DISK_FILE,		/* a file on ext4, unlinked */
	VT_DISK_DEV,		/* a block device of 512-byte blocks with discard */
	VT_DISK_DEV_4K,		/* of 4096-byte blocks */
	VT_DISK_SLOW,		/* each request takes 10 ms */
};

struct vt_blk_opts {
	enum vt_disk disk;
	uint64_t size;		/* of a file, bytes; 0 for 16 MiB */
	unsigned int queues;	/* 0 for 1 */
	unsigned int num;	/* ring size, 0 for 128 */
	bool packed;
	/* feature bits; VERSION_1 and the ring format are added */
	uint64_t features;
	uint32_t attach_flags;	/* ASV_BLK_ATTACH_* */
	uint16_t seg_max;
	uint32_t blk_size;
	const char *serial;
	size_t mem_size;	/* guest memory, bytes; 0 for 16 MiB */
};

struct vt_blk {
	struct vt_dev dev;
	struct vt_mem mem;
	struct vt_queue *vq;
	unsigned int queues;
	int disk;		/* O_DIRECT descriptor of our own, to compare with */
	uint64_t size;		/* bytes */
};

/* a request in guest memory: header, data, status */
struct vt_req {
	struct virtio_blk_outhdr *hdr;
	uint8_t *data;
	uint32_t len;		/* bytes of data */
	bool in;		/* the device writes the data */
	uint8_t *status;
	void *owner;		/* of the user */
};

/* a fresh disk of a kind: a descriptor for reading and writing directly, or -errno */
int vt_disk_open(enum vt_disk kind, uint64_t size);
/* any range of it, by direct I/O; 0 or -errno */
int vt_disk_read(int fd, uint64_t pos, void *buf, size_t len);
int vt_disk_write(int fd, uint64_t pos, const void *buf, size_t len);
uint64_t vt_disk_size(int fd);

/* memory, device, disk and queues, all started; 0 or -errno */
int vt_blk_start(struct vt_blk *blk, const struct vt_blk_opts *opts);
/* also what was only begun, or freed before */
void vt_blk_free(struct vt_blk *blk);
/* the parts of it, where a test goes its own way */
int vt_blk_open(struct vt_blk *blk, const struct vt_blk_opts *opts);
int vt_blk_attach(struct vt_blk *blk, const struct vt_blk_opts *opts);
int vt_blk_backend(struct vt_blk *blk, struct vt_queue *vq, bool start);

struct vt_req *vt_req_new(struct vt_mem *mem, uint32_t len);
/* fill in a request for vt_req_add(); status is set to a value no device returns */
void vt_req_set(struct vt_req *req, uint32_t type, uint64_t sector, uint32_t len);
#define VT_STATUS_NONE	0xee

/* header, data as one element, status; 0 or -ENOSPC */
int vt_req_add(struct vt_queue *vq, struct vt_req *req, bool indirect);
/* the status of a completed request, or -EPROTO if its length or data is odd */
int vt_req_result(struct vt_queue *vq, const struct vt_req *req, const struct vt_used *used);

/* one request from start to end: the status byte, or -errno */
int vt_blk_do(struct vt_queue *vq, struct vt_req *req);
/* the same for a scatter list of the caller's; *len is what the used ring says */
int vt_blk_do_sg(struct vt_queue *vq, const struct vt_sg *sg, unsigned int n, bool indirect,
		 uint32_t *len);

#endif /* VT_BLK_H */
