/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * asv_vhost: what the device modules (asv_net, asv_blk) build on. The core has
 * the rings, guest memory, the dirty log, the workers, the limits, the counters
 * and the standard vhost ioctls; a device module has its requests and backends.
 *
 * Life of a device
 * ----------------
 * open() of the module's own node allocates its device, calls asv_dev_init() and
 * sets file->private_data to the struct asv_dev. All other file operations are
 * ASV_CHR_FOPS. VHOST_SET_OWNER takes the caller's mm; from then on every ioctl
 * must come from that mm. The module's own ioctl starts a queue with
 * asv_vq_start() and stops it with asv_vq_stop(). Release stops all queues, ends
 * the workers, and calls ops->free().
 *
 * Life of a queue's turn
 * ----------------------
 * A kick (or asv_vq_kick() from anywhere) queues vq->kick_work on the queue's
 * worker. The core then takes vq->mutex, and if the queue has a backend, is not
 * paused, broken or over its limits, and its rings are reachable, turns guest
 * notifications off and calls ops->handle_kick(). Its answer (enum asv_next) says
 * how to go on; busy polling and turning notifications back on are the core's.
 *
 * Locking
 * -------
 * Order: dev->mutex, worker->mutex, vq->mutex; then one of the leaves, which
 * never nest: dev->iotlb_lock, dev->msg_lock, dev->limit.lock, pool->lock, the
 * kick file's wait queue lock. No two vq->mutex are ever held together.
 *
 * dev->mutex	every ioctl, from start to end. Covers the set-up: owner, features,
 *		memory table pointer, workers, log file. Never taken by a worker,
 *		so an ioctl may wait for workers while it holds it.
 * vq->mutex	everything of one ring: its addresses, indices, backend, event
 *		descriptors, counters, @inflight. Taken by the worker for a turn and
 *		by ioctls. May sleep on guest page faults; never held while waiting
 *		for storage or for another queue.
 * worker->mutex the worker's list of queues against its death by SIGKILL.
 * RCU		vq->worker, so that a completion in hard interrupt can queue work
 *		on a worker that is being replaced.
 *
 * The memory table needs no lock of its own: it never changes once made, and each
 * queue has its own pointer to it, used and replaced under vq->mutex only.
 *
 * What can race, and why it is harmless:
 * - A kick during stop: asv_vq_stop() clears vq->backend under vq->mutex; a turn
 *   that starts later finds no backend and ends.
 * - New memory table or IOTLB invalidation during I/O: the table is swapped with
 *   every queue paused in turn and its requests in flight ended (asv_vq_drain()),
 *   so when the ioctl returns nothing reaches the old pages.
 * - SIGKILL of the owner (vhost tasks only): each worker's kill handler marks
 *   itself killed and its queues dead, runs works until @inflight of its queues
 *   is 0, then clears vq->worker. asv_work_queue() fails from then on, later
 *   ioctls get EIO, except stop and VHOST_GET_VRING_BASE. Used entries of
 *   requests that ended before are written; a request that the guest made
 *   available and that was not taken stays available.
 * - Completion against release: asv_vq_end_io() comes last for a request and is
 *   called by the worker, so when @inflight is 0 no request refers to the queue;
 *   a completion's interrupt handler may still be inside asv_work_queue(), which
 *   RCU covers: release waits for a grace period before anything is freed.
 */
#ifndef _ASV_VHOST_INTERNAL_H
#define _ASV_VHOST_INTERNAL_H

#include <linux/cred.h>
#include <linux/eventfd.h>
#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/llist.h>
#include <linux/miscdevice.h>
#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/spinlock.h>
#include <linux/uio.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <linux/wait.h>
#include <linux/xarray.h>
#include <linux/asv_vhost.h>
#include <linux/vhost_iotlb.h>

#include "compat.h"

struct asv_dev;
struct asv_vq;
struct asv_mem;
struct asv_worker;
struct asv_pool;

/* Features of the rings and of guest memory, served by the core for every device. */
#define ASV_CORE_FEATURES					\
	(BIT_ULL(VIRTIO_F_NOTIFY_ON_EMPTY) |			\
	 BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC) |			\
	 BIT_ULL(VIRTIO_RING_F_EVENT_IDX) |			\
	 BIT_ULL(VHOST_F_LOG_ALL) |				\
	 BIT_ULL(VIRTIO_F_VERSION_1) |				\
	 BIT_ULL(VIRTIO_F_ACCESS_PLATFORM) |			\
	 BIT_ULL(VIRTIO_F_RING_PACKED) |			\
	 BIT_ULL(VIRTIO_F_RING_RESET))

#define ASV_CORE_BACKEND_FEATURES				\
	(BIT_ULL(VHOST_BACKEND_F_IOTLB_MSG_V2))

/**
 * struct asv_work - a function to run on a worker or a helper
 * @node: place in a worker's lockless list
 * @entry: place in the helper pool's list
 * @fn: runs in process context with the owner's mm and the credentials of attach
 *	time; may queue @work again, may free it
 * @flags: ASV_WORK_QUEUED while queued; queueing it again then does nothing
 */
struct asv_work {
	union {
		struct llist_node node;
		struct list_head entry;
	};
	void (*fn)(struct asv_work *work);
	unsigned long flags;
};

#define ASV_WORK_QUEUED		0	/* bit number */

static inline void asv_work_init(struct asv_work *work,
				 void (*fn)(struct asv_work *work))
{
	work->fn = fn;
	work->flags = 0;
}

/**
 * struct asv_poll - kicks a queue when a file becomes ready
 * @table: used while starting
 * @wqh: wait queue that @wait is on, NULL when stopped
 * @wait: wakes by asv_vq_kick() of @vq
 * @mask: EPOLLIN, EPOLLOUT ... that matter
 * @vq: the queue
 *
 * Start and stop with vq->mutex held. The file must stay open between.
 */
struct asv_poll {
	poll_table table;
	wait_queue_head_t *wqh;
	wait_queue_entry_t wait;
	__poll_t mask;
	struct asv_vq *vq;
};

/**
 * struct asv_desc - a descriptor, the same for both ring formats, host endian
 * @addr: guest physical or I/O virtual address
 * @len: bytes
 * @flags: VRING_DESC_F_NEXT, _WRITE, _INDIRECT
 * @id: split: index of the next one; packed: buffer id
 */
struct asv_desc {
	u64 addr;
	u32 len;
	u16 flags;
	u16 id;
};

/**
 * struct asv_chain - a chain of descriptors that was made available
 * @iov: its segments as user addresses in the owner's mm: @nout that the guest
 *	gave to be read, then @nin to be written. Zero-length segments are left out.
 *	Checked to be in guest memory, not to be mapped: an access may still fault
 * @nout: segments to read from
 * @nin: segments to write to
 * @out_len: bytes of the former, at most U32_MAX
 * @in_len: bytes of the latter, at most U32_MAX
 * @id: what asv_vq_add_used() wants: head index (split), buffer id (packed)
 * @slots: ring entries it takes: 1 (split), descriptors in the ring (packed)
 */
struct asv_chain {
	struct iovec *iov;
	unsigned int nout;
	unsigned int nin;
	u32 out_len;
	u32 in_len;
	u16 id;
	u16 slots;
};

/**
 * struct asv_used - a chain that is done
 * @id: of its struct asv_chain
 * @slots: of its struct asv_chain
 * @len: bytes written into its @nin segments, from the start of the first
 */
struct asv_used {
	u16 id;
	u16 slots;
	u32 len;
};

/**
 * enum asv_next - how a queue goes on after ops->handle_kick()
 * @ASV_NEXT_EMPTY: the ring had no more chains (asv_vq_pop() gave 0): poll if so
 *	set, turn notifications on and wait for a kick
 * @ASV_NEXT_AGAIN: there is more, but others get their turn first
 * @ASV_NEXT_WAIT: the backend cannot go on (socket full, nothing received, no
 *	free request): notifications stay off until something calls asv_vq_kick()
 */
enum asv_next {
	ASV_NEXT_EMPTY,
	ASV_NEXT_AGAIN,
	ASV_NEXT_WAIT,
};

/**
 * struct asv_dev_ops - what a device module gives
 * @kind: "net" or "blk"
 * @features: feature bits offered, ASV_CORE_FEATURES included
 * @backend_features: bits offered by VHOST_GET_BACKEND_FEATURES
 * @vqs_per_worker: queues that share a worker by default: 2 for a queue pair
 * @handle_kick: serve a queue; worker context, vq->mutex held, queue running,
 *	notifications off. Has to end after a bounded number of chains
 * @idle_poll: optional; vq->mutex held, must not sleep: has the backend done
 *	something for this queue? Ends the busy poll that follows ASV_NEXT_EMPTY
 * @features_changed: optional; after VHOST_SET_FEATURES stored dev->features,
 *	dev->mutex held, no queue's mutex; queues may be running (QEMU turns
 *	VHOST_F_LOG_ALL on and off under load)
 * @check_features: optional; dev->mutex held; 0 or the error that
 *	VHOST_SET_FEATURES returns. Bits not offered are refused before
 * @ioctl: the module's own ioctls; owner, dev->mutex held. -ENOIOCTLCMD for one
 *	that is not its own
 * @detach: stop every queue (asv_vq_stop()) and let go of every backend;
 *	dev->mutex held. Called by VHOST_RESET_OWNER and by release, also when
 *	nothing is attached, and also after the owner was killed
 * @free: free the device; everything of the core is gone by then
 */
struct asv_dev_ops {
	const char *kind;
	u64 features;
	u64 backend_features;
	unsigned int vqs_per_worker;
	enum asv_next (*handle_kick)(struct asv_vq *vq);
	bool (*idle_poll)(struct asv_vq *vq);
	int (*check_features)(struct asv_dev *dev, u64 features);
	void (*features_changed)(struct asv_dev *dev);
	long (*ioctl)(struct asv_dev *dev, unsigned int cmd, void __user *argp);
	void (*detach)(struct asv_dev *dev);
	void (*free)(struct asv_dev *dev);
};

/**
 * struct asv_stats - counters of a queue
 *
 * Plain increments under vq->mutex, read without it. A device module counts
 * @requests, @bytes_out, @bytes_in, @failed and @helped; the rest is the core's.
 */
struct asv_stats {
	u64 requests;
	u64 bytes_out;
	u64 bytes_in;
	u64 failed;
	u64 helped;
	u64 chains;
	u64 kicks;
	u64 calls;
	u64 calls_suppressed;
	u64 polls_hit;
	u64 polls_missed;
	u64 throttled;
	u64 errors;
};

/**
 * struct asv_area - one of the three parts of a ring
 * @uaddr: as set by VHOST_SET_VRING_ADDR: user address, or I/O virtual address
 *	with VIRTIO_F_ACCESS_PLATFORM
 * @base: where it is in the owner's mm, if that is contiguous; else NULL
 * @pages: with @base NULL, user address of each of its pages
 * @npages: allocated entries of @pages
 */
struct asv_area {
	u64 uaddr;
	void __user *base;
	unsigned long *pages;
	unsigned int npages;
};

enum asv_area_type {
	ASV_AREA_DESC,		/* descriptor table or ring */
	ASV_AREA_DRIVER,	/* available ring; driver event suppression */
	ASV_AREA_DEVICE,	/* used ring; device event suppression */
	ASV_AREAS
};

/* Longest busy poll, whatever VHOST_SET_VRING_BUSYLOOP_TIMEOUT asks for. */
#define ASV_BUSYLOOP_MAX_US	10000

/**
 * struct asv_vq - a virtqueue
 *
 * A device module embeds it in its own queue structure. Everything is covered by
 * @mutex unless said.
 *
 * @dev: its device
 * @index: its number there
 * @mutex: see the head of this file
 * @worker: who serves it; RCU, changed with @mutex held; NULL before the first
 *	start and after a kill
 * @backend: not NULL while running; the module's own pointer
 * @started: ran at least once
 * @broken: a bad chain stopped it; cleared by asv_vq_start()
 * @packed: ring format, fixed at start
 * @event_idx: VIRTIO_F_EVENT_IDX acknowledged, fixed at start
 * @dead: its worker was killed; stays stopped
 * @paused: depth of asv_vq_pause(); no turn starts while it is not 0
 * @num: descriptors
 * @area: the ring's parts
 * @area_gen: 0 while @area must not be used; in IOTLB mode dev->iotlb_gen when it was
 *	resolved
 * @avail: next slot to look at; packed: with @avail_wrap
 * @avail_seen: split: available index last read from the ring
 * @used: next slot to write; packed: with @used_wrap
 * @used_known: split: @used was read from the ring
 * @signalled: split: used index at the last look for an interrupt
 * @signalled_valid: @signalled is less than 2^16 entries ago
 * @unsignalled: packed: slots used since the last look for an interrupt
 * @notify_off: the guest was asked not to kick
 * @event_set: packed: the place of the next kick was written since the start
 * @log_used: VHOST_VRING_F_LOG
 * @log: VHOST_F_LOG_ALL
 * @log_addr: guest physical address of the used ring for the log
 * @log_base: the log, NULL for none
 * @log_fd: signalled when something was marked, may be NULL
 * @lacking: slots discarded since the last pop: there, but too few
 * @inflight: requests between asv_vq_begin_io() and asv_vq_end_io()
 * @idle: woken when @inflight falls to 0
 * @mem: memory table in use; the same as dev->mem except while that is changed
 * @mem_hint: region of the last lookup
 * @iov: room for dev->iov_max segments, free for the holder of @mutex
 * @descs: the last chain's descriptors in the ring; @ndescs of them
 * @ndescs: see @descs
 * @table: room for an indirect table, two words for each descriptor
 * @kicked: the kick file woke the queue since the last turn; no lock
 * @missed: waits for an IOTLB entry; dev->msg_lock
 * @kick: kick file
 * @kick_poll: on @kick
 * @kick_work: a turn
 * @call: interrupt event, may be NULL
 * @err: error event, may be NULL
 * @busyloop_us: busy polling time, 0 for none
 * @throttle: kicks the queue when its limits allow
 * @stats: counters
 */
struct asv_vq {
	struct asv_dev *dev;
	unsigned int index;
	struct mutex mutex;	/* everything below unless said */
	struct asv_worker __rcu *worker;
	void *backend;

	bool started;
	bool broken;
	bool dead;
	bool packed;
	bool event_idx;
	bool avail_wrap;
	bool used_wrap;
	bool used_known;
	bool signalled_valid;
	bool notify_off;
	bool event_set;
	bool log_used;
	bool log;
	unsigned int paused;

	unsigned int num;
	u16 avail;
	u16 avail_seen;
	u16 used;
	u16 signalled;
	u32 unsignalled;
	unsigned int lacking;
	unsigned int inflight;
	struct asv_area area[ASV_AREAS];
	u64 area_gen;

	struct asv_mem *mem;
	unsigned int mem_hint;
	struct iovec *iov;
	struct asv_desc *descs;
	unsigned int ndescs;
	__le64 *table;

	u64 log_addr;
	void __user *log_base;
	struct eventfd_ctx *log_fd;
	wait_queue_head_t idle;

	bool kicked;
	bool missed;
	struct file *kick;
	struct asv_poll kick_poll;
	struct asv_work kick_work;
	struct eventfd_ctx *call;
	struct eventfd_ctx *err;
	u32 busyloop_us;
	struct hrtimer throttle;
	struct asv_stats stats;
};

/**
 * struct asv_limit - limits of a device, see limit.c
 * @lock: all of it
 * @on: any limit set; read without @lock
 * @set: what ASV_SET_LIMITS gave
 * @io_time: until when the requests served last at their rate, CLOCK_MONOTONIC ns
 * @byte_time: the same for their bytes
 */
struct asv_limit {
	spinlock_t lock;	/* all below */
	bool on;
	struct asv_limits set;
	u64 io_time;
	u64 byte_time;
};

/**
 * struct asv_dev - an open device
 *
 * A device module embeds it in its own. All covered by @mutex unless said.
 *
 * @mutex: see the head of this file
 * @ops: the module's
 * @vqs: @nvqs queues
 * @nvqs: fixed at init
 * @iov_max: segments of a chain at most, fixed at init
 * @mm: owner's, NULL before VHOST_SET_OWNER
 * @cred: credentials of attach time, for workers made later
 * @owner_pid: thread group of VHOST_SET_OWNER; like @owner_uid, @id and @name also
 *	read by who holds asv_devs_lock, while the device is in its list
 * @owner_uid: its effective user
 * @id: in the netlink family, from VHOST_SET_OWNER on
 * @name: of ASV_SET_NAME
 * @features: acknowledged
 * @backend_features: acknowledged
 * @killed: a worker was killed; set once, read without lock
 * @task_workers: workers are vhost tasks, not kernel threads
 * @mem: memory table, NULL before VHOST_SET_MEM_TABLE
 * @prepin: ASV_SET_PREPIN
 * @iotlb: not NULL with VIRTIO_F_ACCESS_PLATFORM; @iotlb_lock for its entries
 * @iotlb_lock: entries of @iotlb, and @iotlb_gen
 * @iotlb_gen: counts changes that may have taken an entry away
 * @msg_lock: @msg_read and @msg_pending
 * @msg_read: misses for user space to read
 * @msg_pending: misses that were read and are not answered
 * @nmsgs: both lists together, bounded
 * @msg_wait: readers and pollers
 * @log_fd: VHOST_SET_LOG_FD
 * @workers: by id
 * @nextra: of @workers, beyond the default ones
 * @pool: helpers, NULL before asv_helpers_start()
 * @limit: has its own lock
 */
struct asv_dev {
	struct mutex mutex;	/* the set-up, one ioctl at a time */
	const struct asv_dev_ops *ops;
	struct asv_vq **vqs;
	unsigned int nvqs;
	unsigned int iov_max;
	struct mm_struct *mm;
	const struct cred *cred;
	struct pid *owner_pid;
	kuid_t owner_uid;
	u32 id;
	char name[ASV_NAME_LEN];
	u64 features;
	u64 backend_features;
	bool killed;
	bool task_workers;

	struct asv_mem *mem;
	bool prepin;

	struct vhost_iotlb *iotlb;
	rwlock_t iotlb_lock;
	u64 iotlb_gen;
	spinlock_t msg_lock;	/* msg_read, msg_pending, nmsgs */
	struct list_head msg_read;
	struct list_head msg_pending;
	unsigned int nmsgs;
	wait_queue_head_t msg_wait;

	struct eventfd_ctx *log_fd;
	struct xarray workers;
	unsigned int nextra;
	struct asv_pool *pool;
	struct asv_limit limit;
};

/* ---- device: dev.c ---- */

/**
 * asv_dev_init() - make a device ready, called by open()
 * @dev: to fill; memory of the module, zeroed
 * @ops: stays valid as long as the device
 * @vqs: pointers to @nvqs queues, zeroed; stay valid as long as the device
 * @nvqs: 1 to 1024
 * @iov_max: segments of a chain at most, up to ASV_VHOST_MAX_CHAIN
 *
 * Sleeps. Nothing needs to be undone if the module frees @dev right after,
 * before the file is open. Afterwards asv_chr_release() ends in ops->free().
 */
void asv_dev_init(struct asv_dev *dev, const struct asv_dev_ops *ops,
		  struct asv_vq **vqs, unsigned int nvqs, unsigned int iov_max);

/**
 * asv_dev_set_cred() - workers and helpers run with the caller's credentials
 * @dev: with dev->mutex held
 *
 * To be called when a backend is attached. Sleeps until every worker has them.
 * Return: 0 or -ENOMEM.
 */
int asv_dev_set_cred(struct asv_dev *dev);

long asv_chr_ioctl(struct file *file, unsigned int cmd, unsigned long arg);
ssize_t asv_chr_read_iter(struct kiocb *iocb, struct iov_iter *to);
ssize_t asv_chr_write_iter(struct kiocb *iocb, struct iov_iter *from);
__poll_t asv_chr_poll(struct file *file, poll_table *wait);
int asv_chr_release(struct inode *inode, struct file *file);

/* File operations of a device node. Its module stays loaded while one is open. */
#define ASV_CHR_FOPS(_open)				\
	.owner = THIS_MODULE,				\
	.open = (_open),				\
	.release = asv_chr_release,			\
	.unlocked_ioctl = asv_chr_ioctl,		\
	.compat_ioctl = compat_ptr_ioctl,		\
	.read_iter = asv_chr_read_iter,			\
	.write_iter = asv_chr_write_iter,		\
	.poll = asv_chr_poll,				\
	.llseek = noop_llseek

/**
 * asv_misc_register() - register a device node, and its file operations as ours
 * @misc: minor, name and fops filled in
 * @param: module parameter that changes the minor, for the message if it is taken
 *
 * Return: 0 or a negative error, logged.
 */
int asv_misc_register(struct miscdevice *misc, const char *param);
void asv_misc_deregister(struct miscdevice *misc);

static inline bool asv_has_feature(const struct asv_dev *dev, unsigned int bit)
{
	return dev->features & BIT_ULL(bit);
}

/* ---- queue: vring.c ---- */

/**
 * asv_vq_start() - give a queue its backend and let it run
 * @vq: with dev->mutex held and its own not; stopped
 * @backend: not NULL
 *
 * Checks ring addresses, memory table and log, reads the used index (split), and
 * queues a first turn, which asks the guest not to kick while it runs. Sleeps.
 * Return: 0; -EFAULT if ring, memory or log cannot be reached; -EINVAL if the
 * ring's size and format do not fit; -EBUSY if it runs; -ENOMEM; -EIO if killed.
 */
int asv_vq_start(struct asv_vq *vq, void *backend);

/**
 * asv_vq_stop() - stop a queue and wait until nothing of it is in flight
 * @vq: with dev->mutex held and its own not; in any state
 *
 * Never fails. When it returns no handler of the module runs for this queue, and
 * ring and log say all that was done. Sleeps, for as long as the backend needs.
 * Return: the backend it had, or NULL.
 */
void *asv_vq_stop(struct asv_vq *vq);

/**
 * asv_vq_pause() - let no turn start, and wait until nothing is in flight
 * @vq: with dev->mutex held and its own not
 *
 * Nests. asv_vq_resume() lets it go on and queues a turn.
 */
void asv_vq_pause(struct asv_vq *vq);
void asv_vq_resume(struct asv_vq *vq);

/* The backend; NULL when not running. vq->mutex held, or queue stopped by us. */
static inline void *asv_vq_backend(const struct asv_vq *vq)
{
	return vq->backend;
}

/**
 * asv_vq_kick() - queue a turn of the queue
 * @vq: any context, hard interrupt included
 *
 * Return: false if the queue has no worker (never started, or killed).
 */
bool asv_vq_kick(struct asv_vq *vq);

/**
 * asv_vq_break() - stop serving a queue whose ring is wrong, and say so
 * @vq: with vq->mutex held
 * @why: for the tracepoint, a constant
 *
 * The error event is signalled, the counter goes up; nothing more is taken from
 * the ring. Requests in flight end and are written to the used ring as long as
 * that can be reached.
 */
void asv_vq_break(struct asv_vq *vq, const char *why);

/**
 * asv_vq_pop() - take the next chain
 * @vq: with vq->mutex held, running
 * @chain: filled in
 * @iov: room for its segments, or NULL for vq->iov
 * @iov_max: of @iov, not looked at without it: vq->iov has dev->iov_max
 *
 * Each word of the ring and of an indirect table is read once. May fault in ring
 * pages. @chain->iov stays valid as long as @iov's memory does; in vq->iov until
 * the next pop or until vq->mutex is let go. The addresses stay guest memory
 * until the chain is used or discarded, if the caller counts it by
 * asv_vq_begin_io() before it lets go of vq->mutex.
 *
 * Return: 1 with a chain; 0 if the ring is empty; -EAGAIN if an IOTLB entry is
 * missing (asked for; the queue gets a turn when it comes: give ASV_NEXT_WAIT);
 * -EIO if the queue is broken, now or before (give ASV_NEXT_WAIT).
 */
int asv_vq_pop(struct asv_vq *vq, struct asv_chain *chain, struct iovec *iov,
	       unsigned int iov_max);

/**
 * asv_vq_discard() - put the last chains back
 * @vq: with vq->mutex held since they were popped
 * @slots: sum of their @slots
 *
 * A handler that discards what it got and then gives ASV_NEXT_EMPTY says that it
 * was too little (buffers for one long packet): the queue gets its next turn when
 * the ring has more.
 */
void asv_vq_discard(struct asv_vq *vq, unsigned int slots);

/**
 * asv_vq_parse() - make a chain of descriptors that did not come from the ring
 * @vq: with vq->mutex held
 * @descs: as vq->descs has them after a pop
 * @n: of them, in the chain's order
 * @chain: filled in; @id and @slots are left alone
 * @iov: as for asv_vq_pop()
 * @iov_max: as for asv_vq_pop()
 *
 * For requests that were in flight when an earlier process ended.
 * Return: 0, -EAGAIN or -EIO as asv_vq_pop().
 */
int asv_vq_parse(struct asv_vq *vq, const struct asv_desc *descs, unsigned int n,
		 struct asv_chain *chain, struct iovec *iov, unsigned int iov_max);

/**
 * asv_vq_pop_head() - take a chain of a split ring by its head
 * @vq: with vq->mutex held
 * @head: index in the descriptor table
 * @chain: filled in
 * @iov: as for asv_vq_pop()
 * @iov_max: as for asv_vq_pop()
 *
 * The available index stays. Return: 1, -EAGAIN or -EIO as asv_vq_pop().
 */
int asv_vq_pop_head(struct asv_vq *vq, u16 head, struct asv_chain *chain,
		    struct iovec *iov, unsigned int iov_max);

/* Would asv_vq_pop() find a chain? vq->mutex held; may fault, -EIO breaks it. */
bool asv_vq_has_chain(struct asv_vq *vq);

/**
 * asv_vq_add_used() - hand chains back to the guest, all at once
 * @vq: with vq->mutex held
 * @used: @n of them, in the order the driver shall see
 * @n: at least 1
 *
 * The driver sees either none or all (mergeable receive buffers rely on it).
 * Marks the used ring in the dirty log; buffers are the caller's to mark, before.
 * Does not interrupt: asv_vq_signal() once after the last one.
 * Return: 0, or -EIO if the ring could not be written (the queue is broken then).
 */
int asv_vq_add_used(struct asv_vq *vq, const struct asv_used *used, unsigned int n);

/* Interrupt the driver if it wants that for what was used. vq->mutex held. */
void asv_vq_signal(struct asv_vq *vq);

/**
 * asv_vq_enable_notify() - ask the guest to kick
 * @vq: with vq->mutex held
 *
 * The core does it after ASV_NEXT_EMPTY; a module seldom needs it.
 * Return: true if chains came meanwhile: disable and look again.
 */
bool asv_vq_enable_notify(struct asv_vq *vq);
void asv_vq_disable_notify(struct asv_vq *vq);

/* Requests that outlive vq->mutex: count them; vq->mutex held for both. */
static inline void asv_vq_begin_io(struct asv_vq *vq)
{
	vq->inflight++;
}

/* The last thing done for requests, used entries written before. */
static inline void asv_vq_end_io(struct asv_vq *vq, unsigned int n)
{
	vq->inflight -= n;
	if (!vq->inflight && wq_has_sleeper(&vq->idle))
		wake_up_all(&vq->idle);
}

/* ---- guest memory: mem.c, iotlb.c ---- */

/**
 * asv_vq_translate() - user addresses of a range of guest memory
 * @vq: with vq->mutex held
 * @addr: guest physical or I/O virtual address
 * @len: bytes
 * @write: to be written
 * @iov: filled in
 * @iov_max: of @iov
 *
 * Return: segments; -EFAULT outside guest memory or without the right;
 * -EAGAIN if an IOTLB entry is missing (asked for); -ENOBUFS too many segments.
 */
int asv_vq_translate(struct asv_vq *vq, u64 addr, u64 len, bool write,
		     struct iovec *iov, unsigned int iov_max);

/**
 * asv_pin() - pages behind user addresses, for one request
 * @vq: with vq->mutex held, in the worker or the owner
 * @uaddr: as of a chain's iov; need not be aligned
 * @npages: pages that the range touches
 * @write: the device will write to them
 * @pages: filled in
 * @prepinned: set if they came from ASV_SET_PREPIN's pins; for asv_unpin()
 *
 * All or nothing. May fault and sleep for memory.
 * Return: 0, -EFAULT, -ENOMEM, -EINTR.
 */
int asv_pin(struct asv_vq *vq, unsigned long uaddr, unsigned int npages, bool write,
	    struct page **pages, bool *prepinned);

/**
 * asv_unpin() - give back what asv_pin() gave
 * @pages: @npages of them
 * @npages: at least 1
 * @prepinned: of asv_pin()
 * @dirty: written to
 *
 * Process context; sleeps if @dirty.
 */
void asv_unpin(struct page **pages, unsigned int npages, bool prepinned, bool dirty);

/* ---- dirty log: log.c ---- */

/**
 * asv_vq_log() - mark guest memory that was written
 * @vq: with vq->mutex held, in the worker or the owner; data written before
 * @iov: segments, user addresses as in a chain
 * @n: of them
 * @len: bytes from the start of the first that were written
 *
 * To be called when the write is done, not when the chain was popped: the log
 * may have been turned on meanwhile. Cheap when it is off. A log that cannot be
 * written breaks the queue.
 */
void __asv_vq_log(struct asv_vq *vq, const struct iovec *iov, unsigned int n, u64 len);

static inline void asv_vq_log(struct asv_vq *vq, const struct iovec *iov,
			      unsigned int n, u64 len)
{
	if (unlikely(vq->log))
		__asv_vq_log(vq, iov, n, len);
}

/* ---- workers: worker.c, helper.c ---- */

/**
 * asv_work_queue() - run a work on the queue's worker
 * @vq: any context, hard interrupt included
 * @work: asv_work_init() done; nothing happens if it is queued already
 *
 * Return: false if the queue has no worker. While @vq->inflight is not 0 it has.
 */
bool asv_work_queue(struct asv_vq *vq, struct asv_work *work);

/* Wait until everything queued on the device's workers so far has run. dev->mutex. */
void asv_dev_flush(struct asv_dev *dev);

/**
 * asv_vq_busy_poll() - look for work for as long as the owner allows
 * @vq: with vq->mutex held, in the worker; vq->busyloop_us is not 0
 * @ready: is there some? vq->mutex held, must not sleep
 *
 * The core does it after ASV_NEXT_EMPTY, for more chains; a module does it before
 * it gives ASV_NEXT_WAIT, for its backend. Ends early when the processor or the
 * worker has something else to do.
 * Return: true if @ready said so.
 */
bool asv_vq_busy_poll(struct asv_vq *vq, bool (*ready)(struct asv_vq *vq));

/* Has the worker other work waiting? For loops that poll. Worker context. */
bool asv_vq_worker_busy(struct asv_vq *vq);

/**
 * asv_helpers_start() - make the helper pool: threads that may sleep on storage
 * @dev: with dev->mutex held
 * @max: threads, 1 to 8; nothing happens if the pool is there
 *
 * Threads are in the owner's cgroups, with the owner's mm and the credentials of
 * asv_dev_set_cred(). Return: 0, -ENOMEM, -EAGAIN (RLIMIT_NPROC), -EINTR.
 */
int asv_helpers_start(struct asv_dev *dev, unsigned int max);

/**
 * asv_helper_queue() - run a work on a helper, first come first served
 * @dev: any context
 * @work: as for asv_work_queue(); bounded by the requests in flight
 *
 * Return: false if the pool is not there or was killed: fail the request then.
 */
bool asv_helper_queue(struct asv_dev *dev, struct asv_work *work);

/* ---- limits: limit.c ---- */

bool __asv_vq_throttled(struct asv_vq *vq);
void __asv_vq_charge(struct asv_vq *vq, unsigned int ios, u64 bytes);

/**
 * asv_vq_throttled() - must the queue wait for its device's limits?
 * @vq: with vq->mutex held
 *
 * To be asked before each pop; if true give ASV_NEXT_WAIT: a timer kicks.
 */
static inline bool asv_vq_throttled(struct asv_vq *vq)
{
	return unlikely(READ_ONCE(vq->dev->limit.on)) && __asv_vq_throttled(vq);
}

/* Take what a request costs; may go into debt. vq->mutex held. */
static inline void asv_vq_charge(struct asv_vq *vq, unsigned int ios, u64 bytes)
{
	if (unlikely(READ_ONCE(vq->dev->limit.on)))
		__asv_vq_charge(vq, ios, bytes);
}

/* ---- polling a file ---- */

void asv_poll_init(struct asv_poll *poll, struct asv_vq *vq, __poll_t mask);
/* Return: 0, or -EINVAL if the file reports an error. Kicks if it is ready now. */
int asv_poll_start(struct asv_poll *poll, struct file *file);
void asv_poll_stop(struct asv_poll *poll);

#endif /* _ASV_VHOST_INTERNAL_H */
