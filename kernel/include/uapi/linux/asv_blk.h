/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * User interface of /dev/asv-blk, the in-kernel virtio-blk backend.
 *
 * A descriptor of /dev/asv-blk is one virtio-blk device. It speaks the vhost
 * ioctls of <linux/vhost.h> (owner, features, memory table, rings, eventfds,
 * log, IOTLB), the suite's common ones of <linux/asv_vhost.h>, and those here.
 * The usual order is:
 *
 *   open("/dev/asv-blk")
 *   VHOST_SET_OWNER
 *   ASV_BLK_ATTACH            the disk; from here on the features are known
 *   VHOST_GET_FEATURES, VHOST_SET_FEATURES
 *   VHOST_SET_MEM_TABLE
 *   for each queue: VHOST_SET_VRING_NUM, _BASE, _ADDR, _KICK, _CALL, _ERR,
 *                   ASV_BLK_SET_INFLIGHT if the owner wants to be restartable
 *   for each queue: ASV_BLK_SET_BACKEND with ASV_BLK_BACKEND_START
 *
 * Ioctls are serialised for each descriptor. Unless one says otherwise, they
 * need an owner and to be called by it (EPERM), a copy that faults is EFAULT,
 * and a reserved field or unknown flag that is not zero is EINVAL.
 *
 * "Sector" is always 512 bytes, as in the virtio specification. References are
 * to virtio 1.2, section 5.2 (block device).
 */
#ifndef _UAPI_LINUX_ASV_BLK_H
#define _UAPI_LINUX_ASV_BLK_H

#include <linux/types.h>
#include <linux/ioctl.h>
#include <linux/vhost.h>

/** ASV_BLK_MAX_QUEUES - most request queues that a device has */
#define ASV_BLK_MAX_QUEUES	64

/** ASV_BLK_MAX_SEGMENTS - largest &struct asv_blk_attach.seg_max */
#define ASV_BLK_MAX_SEGMENTS	1022

/** ASV_BLK_DEF_SEGMENTS - seg_max where attach asks for none */
#define ASV_BLK_DEF_SEGMENTS	254

/** ASV_BLK_MAX_HELPERS - largest &struct asv_blk_attach.helpers */
#define ASV_BLK_MAX_HELPERS	8

/** ASV_BLK_DEF_HELPERS - helper threads where attach asks for no number */
#define ASV_BLK_DEF_HELPERS	4

/**
 * ASV_BLK_MAX_BYTES - most bytes of data in one read or write request
 *
 * A longer one completes with VIRTIO_BLK_S_IOERR. It bounds what one request
 * can pin; guests stay far below (Linux sends 1.25 MiB at most by itself).
 */
#define ASV_BLK_MAX_BYTES	(32U << 20)

/** ASV_BLK_SERIAL_LEN - bytes of serial that GET_ID returns (5.2.6) */
#define ASV_BLK_SERIAL_LEN	20

/*
 * Flags of struct asv_blk_attach.
 */
/** ASV_BLK_ATTACH_RO - read-only disk, whatever the descriptor would allow */
#define ASV_BLK_ATTACH_RO		0x1
/**
 * ASV_BLK_ATTACH_WRITETHROUGH - the disk starts with its write cache off
 *
 * Every write is then stable before it completes (FUA or O_DSYNC).
 * ASV_BLK_SET_WCE changes it later.
 */
#define ASV_BLK_ATTACH_WRITETHROUGH	0x2
/**
 * ASV_BLK_ATTACH_NO_UNMAP - space is never given back
 *
 * DISCARD and SECURE_ERASE are not offered, and WRITE_ZEROES never deallocates.
 */
#define ASV_BLK_ATTACH_NO_UNMAP		0x4
/**
 * ASV_BLK_ATTACH_BUFFERED - use the host's page cache
 *
 * Only for a regular file, for filesystems without direct I/O. Without it such
 * a file is refused with EOPNOTSUPP. Slow: every request takes a helper thread.
 */
#define ASV_BLK_ATTACH_BUFFERED		0x8
/** ASV_BLK_ATTACH_FLAGS - all flags that this header knows */
#define ASV_BLK_ATTACH_FLAGS		0xf

/**
 * struct asv_blk_attach - what ASV_BLK_ATTACH serves
 * @fd: open descriptor of a block device or a regular file. How it was opened is
 *	the limit: not for reading is EBADF, not for writing is EBADF unless
 *	ASV_BLK_ATTACH_RO is set (appending is not writing). The kernel keeps its own
 *	reference, so @fd can be closed afterwards. No other right is asked for:
 *	access was decided when it was opened.
 * @flags: ASV_BLK_ATTACH_*
 * @num_queues: request queues, 1 to ASV_BLK_MAX_QUEUES. VIRTIO_BLK_F_MQ is
 *	offered if there is more than one. Queues at this index and above cannot
 *	be started.
 * @seg_max: data segments in one request that the driver is told it may use,
 *	1 to ASV_BLK_MAX_SEGMENTS, 0 for ASV_BLK_DEF_SEGMENTS
 * @blk_size: logical block size in bytes that the guest sees, a power of two
 *	from 512 to 4096, not below the backend's; 0 for the backend's own (for a
 *	file: 512, or more where its filesystem's direct I/O asks for more).
 *	A length or offset that is no multiple of it completes with
 *	VIRTIO_BLK_S_IOERR.
 * @physical_block_exp: logical blocks in a physical block, as an exponent of
 *	two, at most 15; only with @blk_size
 * @alignment_offset: first aligned logical block, only with @blk_size
 * @min_io_size: preferred smallest I/O in logical blocks, only with @blk_size
 * @opt_io_size: optimal I/O in logical blocks, only with @blk_size.
 *	With @blk_size 0 these four come from the backend and must be 0.
 * @cylinders: legacy geometry; all three 0 for one computed from the capacity
 * @heads: legacy geometry
 * @sectors: legacy geometry
 * @serial: what GET_ID returns: up to 20 bytes, padded with NUL
 * @helpers: most helper threads for what would sleep (flushes of a file, punch,
 *	zero-range, I/O that cannot be submitted without waiting), 1 to
 *	ASV_BLK_MAX_HELPERS, 0 for ASV_BLK_DEF_HELPERS
 * @reserved: 0
 */
struct asv_blk_attach {
	__s32	fd;
	__u32	flags;
	__u16	num_queues;
	__u16	seg_max;
	__u32	blk_size;
	__u8	physical_block_exp;
	__u8	alignment_offset;
	__u16	min_io_size;
	__u32	opt_io_size;
	__u16	cylinders;
	__u8	heads;
	__u8	sectors;
	__u8	serial[ASV_BLK_SERIAL_LEN];
	__u32	helpers;
	__u32	reserved[3];
};

/** ASV_BLK_CONFIG_BYTES - room for configuration bytes in asv_blk_config */
#define ASV_BLK_CONFIG_BYTES	248

/**
 * struct asv_blk_config - the device's configuration space (5.2.4)
 * @size: bytes of @bytes that are meant; the rest is 0. It is the size of the
 *	struct virtio_blk_config that the kernel module knows.
 * @generation: changes whenever any of @bytes changed: what a virtio-pci
 *	device returns as config_generation
 * @bytes: a little-endian struct virtio_blk_config; fields of features that are
 *	not offered are 0, but for num_queues
 */
struct asv_blk_config {
	__u32	size;
	__u32	generation;
	__u8	bytes[ASV_BLK_CONFIG_BYTES];
};

/**
 * struct asv_blk_inflight - the in-flight region of one queue
 * @index: queue
 * @flags: 0
 * @addr: where the owner has mapped the queue's region, 8-byte aligned;
 *	0 with @size 0 to track no more
 * @size: bytes at @addr: at least the header and one entry for each descriptor
 *	of the ring (struct asv_blk_inflight_split or _packed)
 */
struct asv_blk_inflight {
	__u32	index;
	__u32	flags;
	__u64	addr;
	__u64	size;
};

/** ASV_BLK_INFLIGHT_VERSION - layout that is written; 0 in a region is "empty" */
#define ASV_BLK_INFLIGHT_VERSION	1

/**
 * struct asv_blk_desc_split - an entry of a split ring's in-flight region
 * @inflight: 1 from fetching the request until it is in the used ring
 * @padding: 0
 * @next: head that was completed before this one in the last batch
 * @counter: order in which requests were fetched
 */
struct asv_blk_desc_split {
	__u8	inflight;
	__u8	padding[5];
	__u16	next;
	__u64	counter;
};

/**
 * struct asv_blk_inflight_split - the region of a split ring
 * @features: 0
 * @version: ASV_BLK_INFLIGHT_VERSION, 0 for a fresh region
 * @desc_num: ring size
 * @last_batch_head: head of the list of the last completed batch
 * @used_idx: index of the used ring when @desc was last right
 * @desc: one for each descriptor, indexed by a chain's head
 *
 * The layout of the vhost-user protocol ("Inflight I/O tracking",
 * QueueRegionSplit), in host byte order.
 */
struct asv_blk_inflight_split {
	__u64	features;
	__u16	version;
	__u16	desc_num;
	__u16	last_batch_head;
	__u16	used_idx;
	struct asv_blk_desc_split desc[];
};

/**
 * struct asv_blk_desc_packed - an entry of a packed ring's in-flight region
 * @inflight: 1 from fetching the request until it is used; heads only
 * @padding: 0
 * @next: next entry, of this request or of the free list
 * @last: last entry of this request; heads only
 * @num: descriptors of this request; heads only
 * @counter: order in which requests were fetched; heads only
 * @id: buffer id
 * @flags: descriptor flags
 * @len: descriptor length
 * @addr: descriptor address
 */
struct asv_blk_desc_packed {
	__u8	inflight;
	__u8	padding;
	__u16	next;
	__u16	last;
	__u16	num;
	__u64	counter;
	__u16	id;
	__u16	flags;
	__u32	len;
	__u64	addr;
};

/**
 * struct asv_blk_inflight_packed - the region of a packed ring
 * @features: 0
 * @version: ASV_BLK_INFLIGHT_VERSION, 0 for a fresh region
 * @desc_num: ring size
 * @free_head: first free entry
 * @old_free_head: @free_head when @desc was last right
 * @used_idx: next descriptor to write as used
 * @old_used_idx: @used_idx when @desc was last right
 * @used_wrap_counter: the device's wrap counter
 * @old_used_wrap_counter: @used_wrap_counter when @desc was last right
 * @padding: 0
 * @desc: one for each descriptor; free ones are linked by @next
 *
 * QueueRegionPacked of the vhost-user protocol, in host byte order. Version 0
 * need not have its free list linked: the kernel makes it.
 */
struct asv_blk_inflight_packed {
	__u64	features;
	__u16	version;
	__u16	desc_num;
	__u16	free_head;
	__u16	old_free_head;
	__u16	used_idx;
	__u16	old_used_idx;
	__u8	used_wrap_counter;
	__u8	old_used_wrap_counter;
	__u8	padding[7];
	struct asv_blk_desc_packed desc[];
};

/**
 * ASV_BLK_ATTACH - give the device its disk
 *
 * Takes the descriptor, the caller's credentials (all I/O is done with them)
 * and its cgroup. Before it, VHOST_GET_FEATURES shows the ring's features only.
 * A block device's page cache is written back and dropped here and at detach,
 * because requests bypass it.
 *
 * Errors: EBUSY a disk is attached; EBADF descriptor not open, or not in the
 * mode needed; ENOTBLK neither block device nor regular file; EOPNOTSUPP the
 * file's filesystem has no direct I/O and ASV_BLK_ATTACH_BUFFERED is not set, it
 * is set on a device, or the device is zoned; EROFS the device is read-only and
 * ASV_BLK_ATTACH_RO is not set; ETXTBSY the file is a swap file; EINVAL a value
 * out of range; ENOMEM. Sleeps (write-back).
 */
#define ASV_BLK_ATTACH		_IOW(VHOST_VIRTIO, 0xD0, struct asv_blk_attach)

/**
 * ASV_BLK_DETACH - stop every queue, wait for what is in flight, drop the disk
 *
 * In-flight regions are forgotten too. Nothing attached is no error. Sleeps, for as
 * long as the backend needs.
 */
#define ASV_BLK_DETACH		_IO(VHOST_VIRTIO, 0xD1)

/** ASV_BLK_BACKEND_START - &struct vhost_vring_file.fd that starts a queue */
#define ASV_BLK_BACKEND_START	0

/**
 * ASV_BLK_SET_BACKEND - start or stop one queue
 *
 * With fd ASV_BLK_BACKEND_START the queue is served on the attached disk, with
 * its ring, in-flight region and memory as set; starting a running queue does
 * nothing. With fd VHOST_FILE_UNBIND (-1) it is stopped: no new request is
 * fetched, what was fetched is completed to the guest, and only then does the
 * call return, so VHOST_GET_VRING_BASE is exact and nothing is half done. Stop
 * never fails, whatever state the ring is in, and needs no disk. It sleeps for as
 * long as the backend needs, and cannot be interrupted: the backend still writes to
 * guest memory.
 *
 * Errors of start: ENODEV no disk attached; ENOBUFS index not below
 * num_queues, EINVAL another fd; EFAULT the ring or the in-flight region cannot
 * be accessed; EINVAL the in-flight region is not for this ring size, is inconsistent, or
 * VIRTIO_F_ACCESS_PLATFORM is acknowledged; EIO the owner was killed; ENOMEM.
 */
#define ASV_BLK_SET_BACKEND	_IOW(VHOST_VIRTIO, 0xD2, struct vhost_vring_file)

/**
 * ASV_BLK_GET_CONFIG - read the configuration space
 *
 * Error: ENODEV no disk attached.
 */
#define ASV_BLK_GET_CONFIG	_IOR(VHOST_VIRTIO, 0xD3, struct asv_blk_config)

/**
 * ASV_BLK_SET_WCE - write cache on (1) or off (0): the driver wrote writeback
 *
 * Write-through holds from the next request that is fetched. It holds too
 * whenever VIRTIO_BLK_F_FLUSH was not acknowledged (5.2.6.2). A VMM sets its
 * default again when the device is reset.
 *
 * Errors: ENODEV no disk attached; EINVAL another value.
 */
#define ASV_BLK_SET_WCE		_IOW(VHOST_VIRTIO, 0xD4, __u32)

/**
 * ASV_BLK_SET_CONFIG_CALL - eventfd to signal when the configuration changed
 *
 * -1 for none. Signalled by ASV_BLK_REFRESH; ASV_BLK_SET_WCE, which the VMM
 * calls for the driver, does not.
 *
 * Errors: EBADF, EINVAL not an eventfd.
 */
#define ASV_BLK_SET_CONFIG_CALL	_IOW(VHOST_VIRTIO, 0xD5, __s32)

/**
 * ASV_BLK_REFRESH - read the backend's size again
 *
 * After the disk was resized: takes the new capacity over (rounded down to
 * whole logical blocks) and, if it changed, signals the config-change eventfd.
 * Requests past a new end complete with VIRTIO_BLK_S_IOERR. No queue needs to
 * be stopped.
 *
 * Error: ENODEV no disk attached.
 */
#define ASV_BLK_REFRESH		_IO(VHOST_VIRTIO, 0xD6)

/**
 * ASV_BLK_SET_INFLIGHT - where to keep track of a queue's requests in flight
 *
 * The region outlives the owner (shared memory), so that another process can
 * take over after the owner was killed: it gives the same region to a new
 * descriptor, and starting the queue first repairs the region as the vhost-user
 * protocol says, then takes the ring's position from it (whatever
 * VHOST_SET_VRING_BASE said) and does the requests that were in flight again, in
 * their order. A region of version 0 is initialised. Start the successor only
 * after the killed owner is gone (waited for): its exit waits for its I/O.
 *
 * Writing to a region that was unmapped stops the queue as broken.
 *
 * Errors: EBUSY the queue is running; EINVAL index, alignment or size; EFAULT
 * not an address of user space.
 */
#define ASV_BLK_SET_INFLIGHT	_IOW(VHOST_VIRTIO, 0xD7, struct asv_blk_inflight)

#endif /* _UAPI_LINUX_ASV_BLK_H */
