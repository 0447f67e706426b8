/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * User interface that /dev/asv-net and /dev/asv-blk have in common, beyond the
 * standard one of <linux/vhost.h>.
 *
 * Both devices answer every ioctl of <linux/vhost.h> that is not bound to one
 * kind of device. This header adds what an older kernel's copy of it lacks, and
 * the ioctls and the netlink family that are this suite's own.
 *
 * Errors that every ioctl here can give:
 *   EPERM   the caller's memory is not the owner's (VHOST_SET_OWNER)
 *   EFAULT  the argument cannot be read or written
 *   EIO     a worker was killed with its owner; only stopping a queue,
 *           VHOST_GET_VRING_BASE and closing are left
 *   ENOTTY  an ioctl that the device does not know
 *
 * Where the standard ioctls of <linux/vhost.h> do more than vhost.ko, or less:
 *   VHOST_SET_FEATURES      while a queue runs, only VHOST_F_LOG_ALL can change: EBUSY
 *   VHOST_SET_MEM_TABLE     regions that overlap are EFAULT; returns when no I/O to pages
 *                           of the old table is in flight
 *   VHOST_SET_VRING_NUM     any size up to ASV_VHOST_MAX_RING with VIRTIO_F_RING_PACKED
 *   VHOST_SET_VRING_ADDR    a packed ring's descriptors are marked in the dirty log where
 *                           the memory table has them, not by log_guest_addr
 *   VHOST_SET_VRING_ENDIAN  ENOTTY, as in vhost.ko on x86
 *   VHOST_SET_VRING_BUSYLOOP_TIMEOUT  no poll is longer than 10 ms, whatever is set
 * With VIRTIO_F_ACCESS_PLATFORM a queue can be started before any translation is known.
 */
#ifndef _UAPI_LINUX_ASV_VHOST_H
#define _UAPI_LINUX_ASV_VHOST_H

#include <linux/types.h>
#include <linux/ioctl.h>
#include <linux/vhost.h>

/* Regions that VHOST_SET_MEM_TABLE takes: all that vhost.ko can be set to take. */
#define ASV_VHOST_MAX_MEM_REGIONS	65535

/* Largest ring. Split rings are a power of two, packed rings any size from 1. */
#define ASV_VHOST_MAX_RING		32768

/* Descriptors of one chain that the device serves, its indirect table included. */
#define ASV_VHOST_MAX_CHAIN		1024

/*
 * Workers, for kernels whose <linux/vhost.h> does not have these.
 *
 * Each queue (asv-blk) or queue pair (asv-net) starts with a worker of its own.
 * Ids are of one device. Beyond those a device has at most as many workers as queues;
 * VHOST_NEW_WORKER then fails with ENOSPC.
 */
#ifndef VHOST_NEW_WORKER
/**
 * struct vhost_worker_state - VHOST_NEW_WORKER and VHOST_FREE_WORKER
 * @worker_id: the worker
 */
struct vhost_worker_state {
	unsigned int worker_id;
};

/**
 * struct vhost_vring_worker - VHOST_ATTACH_VRING_WORKER and VHOST_GET_VRING_WORKER
 * @index: queue
 * @worker_id: the worker that serves it
 */
struct vhost_vring_worker {
	unsigned int index;
	unsigned int worker_id;
};

/* Make one more worker: ENOMEM, ENOSPC. */
#define VHOST_NEW_WORKER	_IOR(VHOST_VIRTIO, 0x8, struct vhost_worker_state)
/* End a worker: ENODEV no such worker, EBUSY a queue has it. */
#define VHOST_FREE_WORKER	_IOW(VHOST_VIRTIO, 0x9, struct vhost_worker_state)
/* Give a queue another worker: ENODEV, ENOBUFS no such queue. */
#define VHOST_ATTACH_VRING_WORKER _IOW(VHOST_VIRTIO, 0x15, struct vhost_vring_worker)
/* Which worker serves a queue. */
#define VHOST_GET_VRING_WORKER	_IOWR(VHOST_VIRTIO, 0x16, struct vhost_vring_worker)
#endif

/*
 * Kind of worker: before VHOST_SET_OWNER only, EBUSY after it. A kernel without
 * vhost tasks (6.1) has kernel threads in the owner's cgroups only, and answers
 * VHOST_FORK_OWNER_TASK with EOPNOTSUPP; any other value is EINVAL.
 */
#ifndef VHOST_SET_FORK_FROM_OWNER
#define VHOST_FORK_OWNER_KTHREAD	0
#define VHOST_FORK_OWNER_TASK		1
#define VHOST_SET_FORK_FROM_OWNER	_IOW(VHOST_VIRTIO, 0x84, __u8)
#define VHOST_GET_FORK_FROM_OWNER	_IOR(VHOST_VIRTIO, 0x85, __u8)
#endif

/*
 * ioctls of this suite use VHOST_VIRTIO's letter from 0xC0: 0xC0 to 0xCF here,
 * 0xD0 to 0xDF in <linux/asv_blk.h>, 0xE0 to 0xEF in <linux/asv_net.h>.
 */

/*
 * ASV_SET_PREPIN: 1 keeps the pages of the memory table pinned from now on, and
 * of every later table; 0 drops that. Pages are charged to the caller's
 * RLIMIT_MEMLOCK (ENOMEM over it). A range that the owner discards or remaps
 * (balloon, free page reporting, munmap) goes back to pinning for each request.
 * EINVAL for another value.
 */
#define ASV_SET_PREPIN		_IOW(VHOST_VIRTIO, 0xC0, __u32)

/**
 * struct asv_limits - rates that the whole device keeps, all its queues together
 * @iops: requests (block) or packets (net) a second, 0 for no limit
 * @iops_burst: requests that may come at once, 0 for a tenth of a second's worth
 * @bps: bytes a second, both directions together, 0 for no limit
 * @bps_burst: bytes that may come at once, 0 for a tenth of a second's worth
 *
 * A request is served as soon as nothing is owed, however large; what it takes
 * beyond its share is owed, and later ones wait for it. Neither a request nor a
 * burst counts for more than a day's worth. Rates and bursts above 2^40 are EINVAL.
 */
struct asv_limits {
	__u64 iops;
	__u64 iops_burst;
	__u64 bps;
	__u64 bps_burst;
};

/* Set and read the limits. They may change while the device runs. */
#define ASV_SET_LIMITS		_IOW(VHOST_VIRTIO, 0xC1, struct asv_limits)
#define ASV_GET_LIMITS		_IOR(VHOST_VIRTIO, 0xC2, struct asv_limits)

/**
 * struct asv_worker_affinity - where a worker may run
 * @worker_id: the worker, as VHOST_GET_VRING_WORKER gives it
 * @numa_node: node whose processors are meant when @cpus_len is 0, or -1
 * @cpus: address of a bit mask of processors, as for sched_setaffinity(2)
 * @cpus_len: its bytes; 0 takes @numa_node's processors, and with @numa_node -1
 *	all that the caller may run on
 * @pad: 0
 *
 * A worker runs only where the calling thread may run itself (its own affinity).
 * EINVAL: a node that is not there, no processor left that is online, or @pad set.
 * ENODEV: no such worker.
 */
struct asv_worker_affinity {
	__u32 worker_id;
	__s32 numa_node;
	__u64 cpus;
	__u32 cpus_len;
	__u32 pad;
};

#define ASV_SET_WORKER_AFFINITY	_IOW(VHOST_VIRTIO, 0xC3, struct asv_worker_affinity)

#define ASV_NAME_LEN		32

/**
 * struct asv_name - what the device is called in lists and traces
 * @name: ended by a zero byte; empty for none. EINVAL without the zero byte, or
 *	with a byte outside printable ASCII
 */
struct asv_name {
	char name[ASV_NAME_LEN];
};

#define ASV_SET_NAME		_IOW(VHOST_VIRTIO, 0xC4, struct asv_name)

/* The device's id in the netlink family and in tracepoints; from SET_OWNER on. */
#define ASV_GET_DEV_ID		_IOR(VHOST_VIRTIO, 0xC5, __u32)

/*
 * Generic netlink family "asv_vhost": read-only, no capability needed.
 *
 * What a request is shown: with ASV_A_FD, a descriptor that the sender has open
 * on /dev/asv-net or /dev/asv-blk, every device of the host (so that the rights
 * on the nodes, group kvm, decide); the same for a sender with CAP_NET_ADMIN in
 * the initial user namespace; otherwise the devices whose owner has the sender's
 * effective user id. EBADF: ASV_A_FD is not such a descriptor.
 */
#define ASV_GENL_NAME		"asv_vhost"
#define ASV_GENL_VERSION	1

/**
 * enum asv_cmd - commands, both by dump (NLM_F_DUMP) only
 * @ASV_CMD_UNSPEC: none
 * @ASV_CMD_GET_DEV: one message for each device: ASV_A_DEV_ID, ASV_A_KIND,
 *	ASV_A_NAME, ASV_A_PID, ASV_A_UID, ASV_A_NVQS, ASV_A_FEATURES
 * @ASV_CMD_GET_VQ: one message for each queue that has been started:
 *	ASV_A_DEV_ID, ASV_A_KIND, ASV_A_NAME, ASV_A_VQ_INDEX, ASV_A_VQ_FLAGS,
 *	ASV_A_RING_SIZE, ASV_A_WORKER_ID and the counters. With ASV_A_DEV_ID in
 *	the request, the queues of that device only
 */
enum asv_cmd {
	ASV_CMD_UNSPEC,
	ASV_CMD_GET_DEV,
	ASV_CMD_GET_VQ,
	__ASV_CMD_MAX
};

/**
 * enum asv_attr - attributes
 * @ASV_A_UNSPEC: none
 * @ASV_A_PAD: alignment of 64-bit attributes
 * @ASV_A_FD: u32, in requests: an open descriptor of one of the devices
 * @ASV_A_DEV_ID: u32
 * @ASV_A_KIND: string, "net" or "blk"
 * @ASV_A_NAME: string of ASV_SET_NAME
 * @ASV_A_PID: u32, owner's process id in the reader's pid namespace, 0 if none
 * @ASV_A_UID: u32, owner's effective user id in the reader's user namespace
 * @ASV_A_NVQS: u32, queues
 * @ASV_A_FEATURES: u64, features acknowledged
 * @ASV_A_VQ_INDEX: u32
 * @ASV_A_VQ_FLAGS: u32, ASV_VQ_F_...
 * @ASV_A_RING_SIZE: u32, descriptors
 * @ASV_A_WORKER_ID: u32
 * @ASV_A_REQUESTS: u64, requests or packets completed
 * @ASV_A_BYTES_OUT: u64, bytes from the guest (writes, transmit)
 * @ASV_A_BYTES_IN: u64, bytes to the guest (reads, receive)
 * @ASV_A_KICKS: u64, kicks that woke the worker
 * @ASV_A_KICKS_SUPPRESSED: u64, chains served without a kick
 * @ASV_A_CALLS: u64, interrupts raised
 * @ASV_A_CALLS_SUPPRESSED: u64, interrupts that the driver did not want
 * @ASV_A_POLLS_HIT: u64, busy polls that found work
 * @ASV_A_POLLS_MISSED: u64, busy polls that ran out of time
 * @ASV_A_THROTTLED: u64, times that a limit held the queue back
 * @ASV_A_ERRORS: u64, bad chains and failed accesses that broke the queue
 * @ASV_A_FAILED: u64, requests that ended with an error status, packets dropped
 * @ASV_A_HELPED: u64, requests handed to the helper pool
 */
enum asv_attr {
	ASV_A_UNSPEC,
	ASV_A_PAD,
	ASV_A_FD,
	ASV_A_DEV_ID,
	ASV_A_KIND,
	ASV_A_NAME,
	ASV_A_PID,
	ASV_A_UID,
	ASV_A_NVQS,
	ASV_A_FEATURES,
	ASV_A_VQ_INDEX,
	ASV_A_VQ_FLAGS,
	ASV_A_RING_SIZE,
	ASV_A_WORKER_ID,
	ASV_A_REQUESTS,
	ASV_A_BYTES_OUT,
	ASV_A_BYTES_IN,
	ASV_A_KICKS,
	ASV_A_KICKS_SUPPRESSED,
	ASV_A_CALLS,
	ASV_A_CALLS_SUPPRESSED,
	ASV_A_POLLS_HIT,
	ASV_A_POLLS_MISSED,
	ASV_A_THROTTLED,
	ASV_A_ERRORS,
	ASV_A_FAILED,
	ASV_A_HELPED,
	__ASV_A_MAX
};

#define ASV_A_MAX		(__ASV_A_MAX - 1)

#define ASV_VQ_F_RUNNING	0x1	/* has a backend */
#define ASV_VQ_F_BROKEN		0x2	/* a bad chain stopped it */
#define ASV_VQ_F_PACKED		0x4	/* ring format */
#define ASV_VQ_F_LOG		0x8	/* dirty log on */

#endif /* _UAPI_LINUX_ASV_VHOST_H */
