/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * asv_blk: an in-kernel virtio-blk device on the rings of asv_vhost.
 *
 * Life of a request
 * -----------------
 * A turn (asv_blk_handle_kick(), worker) pops a chain, takes a request object
 * from the queue's free list, reads and checks the header, pins the guest's pages
 * and hands the request to the backend, all of a turn under one plug. From there
 * one of three ways leads to asv_blk_done(), which may be a hard interrupt and
 * only pushes the request to the queue's lockless list:
 *
 *   worker -> backend, without waiting -> completion
 *   worker -> helper thread (would sleep) -> completion or result
 *   worker -> completion, -EAGAIN -> worker -> helper -> completion
 *
 * asv_blk_reap() (worker) takes the list: it unpins, marks pages and the log
 * dirty, writes the status, the used ring, the in-flight region, and interrupts
 * once for the batch.
 *
 * Locking
 * -------
 * dev->mutex (core)	ioctls. Covers attaching and detaching, struct asv_blk and
 *			the set-up in struct asv_blk_queue: @track's address, and
 *			@reqs being there at all.
 * vq->mutex (core)	everything else of a queue, from popping to the used ring:
 *			free list, @redo, @used, the in-flight region.
 *			Held for a whole turn and a whole reap.
 * none			&asv_blk_queue.done is lockless; a request in flight belongs
 *			to its backend, and nobody else touches it, until
 *			asv_blk_done() pushed it.
 *
 * What can race, and why it is harmless:
 * - Completion against the turn that submits: while @in_turn is set nobody wakes
 *   the worker, because the turn ends with a reap. The turn clears @in_turn before
 *   it takes the list (xchg), a completion pushes (cmpxchg) before it reads
 *   @in_turn: one of the two always sees the other.
 * - Completion against stop: asv_vq_stop() returns when vq->inflight is 0, and a
 *   request counts until it was reaped; so when it returns no request is anywhere
 *   and @reqs can be freed. The pushing side touches only the queue after the
 *   push, which lives until ops->free(), after the core's grace period.
 * - Detach and resize against I/O: a queue can only run while a disk is attached,
 *   detach stops all queues first. The capacity is one word, read once for each
 *   request; a disk that shrank under a request fails it in the backend.
 * - Write cache toggled during I/O: @writethrough is read once for each request.
 * - Helpers never take a mutex of ours: they have the request to themselves.
 */
#ifndef _ASV_BLK_INTERNAL_H
#define _ASV_BLK_INTERNAL_H

#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/virtio_blk.h>
#include <linux/asv_blk.h>

#include "vhost.h"

struct asv_blk_req;
struct asv_blk_queue;

/* Segments, and pages after merging, that a request has room for by itself. */
#define ASV_BLK_INLINE_VECS	8
/* Request objects of a queue at most; a larger ring waits for a free one. */
#define ASV_BLK_MAX_REQS	1024
/* Requests of one turn, so that queues on the same worker share it. */
#define ASV_BLK_TURN		256
/* Used entries that are written at once. */
#define ASV_BLK_BATCH		64
/* Bounce pages of a queue: one request always gets what it needs. */
#define ASV_BLK_MAX_BOUNCE	(SZ_4M >> PAGE_SHIFT)
/* Sectors and ranges of a DISCARD, WRITE_ZEROES or SECURE_ERASE request. */
#define ASV_BLK_MAX_RANGE	(SZ_2G >> SECTOR_SHIFT)
#define ASV_BLK_MAX_RANGES	256U

/**
 * struct asv_blk_disk - what is served
 * @file: the descriptor's file, referenced; NULL when nothing is attached
 * @bdev: its block device, NULL for a regular file
 * @backend: how to do I/O on it
 * @capacity: sectors, whole blocks; READ_ONCE by queues
 * @blk_size: logical block size in bytes
 * @mem_mask: address and length bits of a segment that have to be 0
 * @ro: no writes
 * @nowait: can be asked not to sleep
 * @direct: bypasses the page cache
 * @unmap: DISCARD is offered and WRITE_ZEROES may deallocate
 * @secure_erase: SECURE_ERASE is offered
 * @serial: for GET_ID
 * @config: configuration space
 * @config_gen: changes with @config
 */
struct asv_blk_disk {
	struct file *file;
	struct block_device *bdev;
	const struct asv_blk_backend *backend;
	u64 capacity;
	unsigned int blk_size;
	unsigned int mem_mask;
	bool ro;
	bool nowait;
	bool direct;
	bool unmap;
	bool secure_erase;
	u8 serial[ASV_BLK_SERIAL_LEN];
	struct virtio_blk_config config;
	u32 config_gen;
};

/**
 * struct asv_blk_backend - block device or file
 * @rw: start a read or write of req->bv. With @wait it may sleep to get started
 *	(helper), else it must not (worker). asv_blk_done() follows, -EAGAIN if it
 *	would have had to sleep
 * @flush: make all writes that are done stable; as @rw
 * @flush_sleeps: @flush needs a helper
 * @range: DISCARD, WRITE_ZEROES or SECURE_ERASE of one range; sleeps; returns 0
 *	or an error, -EOPNOTSUPP if the backend cannot
 * @sync: what @flush does, but sleeping until it is done; returns 0 or an error
 * @finish: in the worker, after asv_blk_done(): let go of what @rw or @flush took;
 *	returns the result, 0 or a negative error
 */
struct asv_blk_backend {
	void (*rw)(struct asv_blk_req *req, bool wait);
	void (*flush)(struct asv_blk_req *req, bool wait);
	bool flush_sleeps;
	int (*range)(struct asv_blk_req *req, u64 sector, u64 sectors, bool unmap);
	int (*sync)(struct asv_blk_req *req);
	int (*finish)(struct asv_blk_req *req);
};

/**
 * struct asv_blk_range - a checked range of DISCARD, WRITE_ZEROES, SECURE_ERASE
 * @sector: first
 * @sectors: number of them
 * @unmap: may deallocate
 */
struct asv_blk_range {
	u64 sector;
	u32 sectors;
	bool unmap;
};

/**
 * struct asv_blk_req - a request in service
 * @bio: block device backend
 * @iocb: file backend
 * @done: in &asv_blk_queue.done
 * @next: in the free list
 * @q: its queue; fixed
 * @work: runs on a helper
 * @error: what asv_blk_done() was given
 * @type: VIRTIO_BLK_T_*
 * @status: VIRTIO_BLK_S_* so far
 * @waited: was submitted by a helper, or never has to be
 * @submitted: the backend's finish() has something to let go of
 * @write_begun: the file backend holds the filesystem against freezing
 * @deferred: the file backend's I/O is over, but for what @finish has to do
 * @bounced: @bv are our pages, not the guest's
 * @writethrough: to be stable when it completes
 * @id: of its chain
 * @slots: of its chain
 * @track: entry of the in-flight region that is this request's head
 * @in_len: writable bytes of its chain
 * @written: of them, those that were written
 * @bytes: of data
 * @sector: first one
 * @status_addr: user address of the status byte
 * @nbv: entries of @bv
 * @niov: entries of @iov
 * @nranges: entries of @ranges
 * @bv: data; @inline_bv or allocated
 * @iov: user addresses of a read's data (log, bounce); @inline_iov or behind @bv
 * @prepinned: which of @bv came from pages that stay pinned, bits
 * @ranges: allocated
 * @inline_prepinned: room for @prepinned
 * @inline_iov: room for @iov
 * @inline_bv: room for @bv
 */
struct asv_blk_req {
	union {
		struct bio bio;
		struct kiocb iocb;
	};
	struct llist_node done;
	struct asv_blk_req *next;
	struct asv_blk_queue *q;
	struct asv_work work;
	int error;
	u32 type;
	u8 status;
	bool waited;
	bool submitted;
	bool write_begun;
	bool deferred;
	bool bounced;
	bool writethrough;
	u16 id;
	u16 slots;
	u16 track;
	u32 in_len;
	u32 written;
	u32 bytes;
	u64 sector;
	u8 __user *status_addr;
	unsigned int nbv;
	unsigned int niov;
	unsigned int nranges;
	struct bio_vec *bv;
	struct iovec *iov;
	unsigned long *prepinned;
	struct asv_blk_range *ranges;
	unsigned long inline_prepinned;
	struct iovec inline_iov[ASV_BLK_INLINE_VECS];
	struct bio_vec inline_bv[ASV_BLK_INLINE_VECS];
};

/**
 * struct asv_blk_track - in-flight region of a queue (blk_inflight.c)
 * @addr: user address, NULL for none
 * @size: bytes there
 * @counter: of the next request
 * @next: packed: our copy of the entries' links; the region's is never trusted
 * @last: packed: last entry of the request that starts at an entry
 * @last_batch_head: split
 * @free_head: packed: as if everything was written
 */
struct asv_blk_track {
	void __user *addr;
	u64 size;
	u64 counter;
	u16 *next;
	u16 *last;
	u16 last_batch_head;
	u16 free_head;
};

/**
 * struct asv_blk_redo - a request that an earlier owner left in flight
 * @counter: order
 * @head: split: of its chain; packed: entry of the region
 * @num: packed: descriptors
 */
struct asv_blk_redo {
	u64 counter;
	u16 head;
	u16 num;
};

/**
 * struct asv_blk_queue - a request queue
 * @vq: the core's part
 * @reqs: request objects, allocated while running
 * @free: free ones
 * @done: completed ones, any context
 * @done_work: reaps on the worker
 * @in_turn: the worker will look at @done by itself
 * @starved: a turn ended for lack of a request object or of memory
 * @bounce_pages: in use
 * @nused: entries of @used
 * @nended: requests that were written to the used ring since the last signal
 * @redo: requests of an earlier owner, to be done first
 * @nredo: of them
 * @redo_pos: next one
 * @track: in-flight region
 * @used: used entries not written yet
 * @used_req: their requests' in-flight entries
 * @pages: scratch for pinning
 */
struct asv_blk_queue {
	struct asv_vq vq;
	struct asv_blk_req *reqs;
	struct asv_blk_req *free;
	struct llist_head done ____cacheline_aligned_in_smp;
	struct asv_work done_work;
	bool in_turn;
	bool starved ____cacheline_aligned_in_smp;
	unsigned int bounce_pages;
	unsigned int nused;
	unsigned int nended;
	struct asv_blk_redo *redo;
	unsigned int nredo;
	unsigned int redo_pos;
	struct asv_blk_track track;
	struct asv_used used[ASV_BLK_BATCH];
	u16 used_track[ASV_BLK_BATCH];
	struct page *pages[ASV_BLK_BATCH];
};

/**
 * struct asv_blk - a device
 * @dev: the core's part
 * @ops: &asv_dev.ops; ours alone because the features depend on the disk
 * @disk: what is attached
 * @num_queues: queues that may be started
 * @wce: write cache on
 * @writethrough: every write has to be stable: @wce off, or no VIRTIO_BLK_F_FLUSH
 * @config_call: signalled when the configuration changed
 * @vqs: for asv_dev_init()
 * @queues: all of them
 */
struct asv_blk {
	struct asv_dev dev;
	struct asv_dev_ops ops;
	struct asv_blk_disk disk;
	unsigned int num_queues;
	bool wce;
	bool writethrough;
	struct eventfd_ctx *config_call;
	struct asv_vq *vqs[ASV_BLK_MAX_QUEUES];
	struct asv_blk_queue queues[ASV_BLK_MAX_QUEUES];
};

static inline struct asv_blk *asv_blk_of(struct asv_dev *dev)
{
	return container_of(dev, struct asv_blk, dev);
}

static inline struct asv_blk_queue *asv_blk_queue_of(struct asv_vq *vq)
{
	return container_of(vq, struct asv_blk_queue, vq);
}

static inline struct asv_blk_disk *asv_blk_disk_of(struct asv_blk_req *req)
{
	return &asv_blk_of(req->q->vq.dev)->disk;
}

/* ---- disk and configuration space: blk_disk.c; dev->mutex held ---- */

int asv_blk_attach(struct asv_blk *blk, const struct asv_blk_attach *args);
/* All queues are stopped. */
void asv_blk_detach_disk(struct asv_blk *blk);
int asv_blk_refresh(struct asv_blk *blk);
int asv_blk_get_config(struct asv_blk *blk, struct asv_blk_config *config);
int asv_blk_set_wce(struct asv_blk *blk, bool on);
void asv_blk_update_writethrough(struct asv_blk *blk);

/* ---- requests: blk_req.c ---- */

enum asv_next asv_blk_handle_kick(struct asv_vq *vq);
bool asv_blk_idle_poll(struct asv_vq *vq);
void asv_blk_done_work(struct asv_work *work);
/* dev->mutex held, queue stopped. */
int asv_blk_reqs_alloc(struct asv_blk_queue *q);
void asv_blk_reqs_free(struct asv_blk_queue *q);

/**
 * asv_blk_done() - a request's I/O is over
 * @req: the caller must not touch it afterwards; any context
 * @error: 0 or negative; -EAGAIN from a submission that must not sleep
 */
void asv_blk_done(struct asv_blk_req *req, int error);

/* ---- data of a request: blk_data.c; worker, vq->mutex held ---- */

/**
 * asv_blk_data_map() - make req->bv of guest memory
 * @req: bytes, type set
 * @iov: segments that hold the data
 * @niov: of them
 * @skip: bytes to leave out at the start
 *
 * Return: 0; -EFAULT guest memory that is not there; -EINTR the owner is being
 * killed; -ENOMEM, also when the queue's bounce pages are used up.
 */
int asv_blk_data_map(struct asv_blk_req *req, const struct iovec *iov,
		     unsigned int niov, unsigned int skip);

/**
 * asv_blk_data_unmap() - give the pages back
 * @req: done
 * @written: the device may have written to them: mark pages and log
 * @copy: and a bounced read's data is to be copied to the guest
 *
 * Return: 0, -EFAULT if that failed.
 */
int asv_blk_data_unmap(struct asv_blk_req *req, bool written, bool copy);

/* ---- backends: blk_bdev.c, blk_file.c ---- */

extern const struct asv_blk_backend asv_blk_bdev_backend;
extern const struct asv_blk_backend asv_blk_file_backend;
/* Does the file's filesystem punch holes? */
bool asv_blk_file_can_punch(struct file *file);

/* ---- requests that sleep: blk_range.c ---- */

/* Read and check the ranges of a request. Return: VIRTIO_BLK_S_*. */
u8 asv_blk_ranges_parse(struct asv_blk_req *req, const struct asv_chain *chain);
/* Do them, in a helper. Return: 0 or a negative error. */
int asv_blk_ranges_do(struct asv_blk_req *req);

/* ---- in-flight region: blk_inflight.c ---- */

/*
 * dev->mutex held, queue started and paused: repair the region, take the ring's
 * position from it and queue what is to be done again. Return: 0 or an error.
 */
int asv_blk_track_recover(struct asv_blk_queue *q);
void asv_blk_track_free(struct asv_blk_queue *q);
/* The rest: vq->mutex held, worker. */
void __asv_blk_track_start(struct asv_blk_req *req);
void __asv_blk_track_used(struct asv_blk_queue *q);
void __asv_blk_track_commit(struct asv_blk_queue *q);
/* Chain of the next one to redo. Return: 0 or a negative error. */
int asv_blk_track_redo(struct asv_blk_req *req, struct asv_chain *chain);

static inline bool asv_blk_tracked(const struct asv_blk_queue *q)
{
	return unlikely(q->track.addr);
}

#endif /* _ASV_BLK_INTERNAL_H */
