// SPDX-License-Identifier: GPL-2.0-only
/* Requests of virtio 1.2 section 5.2.6: from the ring to the backend and back. */
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "blk.h"
#include "trace.h"

/* ---- completion ---- */

void asv_blk_done(struct asv_blk_req *req, int error)
{
	struct asv_blk_queue *q = req->q;

	req->error = error;
	if (llist_add(&req->done, &q->done) && !READ_ONCE(q->in_turn))
		asv_work_queue(&q->vq, &q->done_work);
}

/* Write what is in @used to the ring; asv_blk_settle() has to follow. */
static void asv_blk_push_used(struct asv_blk_queue *q)
{
	if (asv_blk_tracked(q))
		__asv_blk_track_used(q);
	if (!asv_vq_add_used(&q->vq, q->used, q->nused) && asv_blk_tracked(q))
		__asv_blk_track_commit(q);
	q->nended += q->nused;
	q->nused = 0;
}

/* Everything that ended since the last time reaches the guest. Return: how many. */
static unsigned int asv_blk_settle(struct asv_blk_queue *q)
{
	unsigned int n;

	if (q->nused)
		asv_blk_push_used(q);
	n = q->nended;
	if (n) {
		q->nended = 0;
		asv_vq_signal(&q->vq);
		asv_vq_end_io(&q->vq, n);
	}
	return n;
}

static void asv_blk_req_put(struct asv_blk_req *req)
{
	struct asv_blk_queue *q = req->q;

	req->next = q->free;
	q->free = req;
}

/* The request is over, but the guest is not told: a successor will do it again. */
static void asv_blk_abandon(struct asv_blk_req *req)
{
	req->q->nended++;
	asv_blk_req_put(req);
}

/* The request is over: tell the guest. Its status and data are final. */
static void asv_blk_end(struct asv_blk_req *req)
{
	struct asv_blk_queue *q = req->q;
	struct asv_vq *vq = &q->vq;
	const struct iovec status = {
		.iov_base = (void __user *)req->status_addr,
		.iov_len = 1,
	};

	if (unlikely(put_user(req->status, req->status_addr))) {
		asv_vq_break(vq, "status byte cannot be written");
		asv_blk_abandon(req);
		return;
	}
	asv_vq_log(vq, &status, 1, 1);

	vq->stats.requests++;
	if (unlikely(req->status != VIRTIO_BLK_S_OK))
		vq->stats.failed++;
	else if (req->type == VIRTIO_BLK_T_IN)
		vq->stats.bytes_in += req->bytes;
	else if (req->type == VIRTIO_BLK_T_OUT)
		vq->stats.bytes_out += req->bytes;

	/* The status byte counts only where it follows what was written. */
	if (req->written == req->in_len - 1)
		req->written++;
	trace_asv_request_end(vq, req->id, req->written, req->status);

	q->used[q->nused].id = req->id;
	q->used[q->nused].slots = req->slots;
	q->used[q->nused].len = req->written;
	q->used_track[q->nused] = req->track;
	if (++q->nused == ASV_BLK_BATCH)
		asv_blk_push_used(q);
	asv_blk_req_put(req);
}

static u8 asv_blk_status(int error)
{
	if (likely(!error))
		return VIRTIO_BLK_S_OK;
	return error == -EOPNOTSUPP ? VIRTIO_BLK_S_UNSUPP : VIRTIO_BLK_S_IOERR;
}

static void asv_blk_to_helper(struct asv_blk_req *req)
{
	struct asv_vq *vq = &req->q->vq;

	req->waited = true;
	vq->stats.helped++;
	if (!asv_helper_queue(vq->dev, &req->work))
		asv_blk_done(req, -EIO);
}

/*
 * An owner that is being killed makes I/O fail that is sound. Its guest, if it lives
 * on in another process, must not hear of that.
 */
static bool asv_blk_killed(const struct asv_blk_queue *q)
{
	return READ_ONCE(q->vq.dev->killed) || fatal_signal_pending(current);
}

/* The backend is through with the request. */
static void asv_blk_finish(struct asv_blk_req *req)
{
	const bool in = req->type == VIRTIO_BLK_T_IN;
	int error = req->error;

	if (likely(req->submitted)) {
		req->submitted = false;
		error = asv_blk_disk_of(req)->backend->finish(req);
	}
	/* The latter: it cannot be asked not to sleep, no more at least (a dm table). */
	if (unlikely((error == -EAGAIN || error == -EOPNOTSUPP) && !req->waited)) {
		asv_blk_to_helper(req);
		return;
	}
	if (req->nbv) {
		int ret = asv_blk_data_unmap(req, in, in && !error);

		error = error ?: ret;
	}
	if (unlikely(req->ranges)) {
		kfree(req->ranges);
		req->ranges = NULL;
	}
	if (in && likely(!error))
		req->written = req->in_len - 1;
	req->status = asv_blk_status(error);
	if (unlikely(error && asv_blk_killed(req->q)))
		asv_blk_abandon(req);
	else
		asv_blk_end(req);
}

static unsigned int asv_blk_reap(struct asv_blk_queue *q)
{
	struct llist_node *list = llist_del_all(&q->done);
	struct asv_blk_req *req, *next;

	if (list) {
		list = llist_reverse_order(list);
		llist_for_each_entry_safe(req, next, list, done)
			asv_blk_finish(req);
	}
	return asv_blk_settle(q);
}

/* ---- submission ---- */

/* What sleeps. */
static void asv_blk_help(struct asv_work *work)
{
	struct asv_blk_req *req = container_of(work, struct asv_blk_req, work);
	const struct asv_blk_backend *backend = asv_blk_disk_of(req)->backend;

	switch (req->type) {
	case VIRTIO_BLK_T_IN:
	case VIRTIO_BLK_T_OUT:
		backend->rw(req, true);
		break;
	case VIRTIO_BLK_T_FLUSH:
		backend->flush(req, true);
		break;
	default:
		asv_blk_done(req, asv_blk_ranges_do(req));
	}
}

static void asv_blk_submit(struct asv_blk_req *req)
{
	const struct asv_blk_disk *disk = asv_blk_disk_of(req);

	if (unlikely(!disk->nowait)) {
		asv_blk_to_helper(req);
		return;
	}
	switch (req->type) {
	case VIRTIO_BLK_T_IN:
	case VIRTIO_BLK_T_OUT:
		disk->backend->rw(req, false);
		break;
	case VIRTIO_BLK_T_FLUSH:
		if (!disk->backend->flush_sleeps) {
			disk->backend->flush(req, false);
			break;
		}
		fallthrough;
	default:
		asv_blk_to_helper(req);
	}
}

/* Copy the first @len bytes of segments, which are at least that long. */
static int asv_blk_copy_head(void *to, const struct iovec *iov, size_t len)
{
	while (len) {
		size_t n = min(len, iov->iov_len);

		if (copy_from_user(to, iov->iov_base, n))
			return -EFAULT;
		to += n;
		len -= n;
		iov++;
	}
	return 0;
}

static int asv_blk_read_header(const struct asv_chain *chain,
			       struct virtio_blk_outhdr *hdr)
{
	const u64 __user *from = chain->iov[0].iov_base;
	u64 first, sector;

	if (unlikely(chain->iov[0].iov_len < sizeof(*hdr)))
		return asv_blk_copy_head(hdr, chain->iov, sizeof(*hdr));
	if (!user_access_begin(from, sizeof(*hdr)))
		return -EFAULT;
	unsafe_get_user(first, from, fault);
	unsafe_get_user(sector, from + 1, fault);
	user_access_end();
	hdr->type = (__force __virtio32)(u32)first;
	hdr->ioprio = 0;
	hdr->sector = (__force __virtio64)sector;
	return 0;
fault:
	user_access_end();
	return -EFAULT;
}

/* Check a read or write against the disk and get its pages. Return: 0 or error. */
static int asv_blk_prepare_rw(struct asv_blk_req *req, const struct asv_chain *chain)
{
	const struct asv_blk_disk *disk = asv_blk_disk_of(req);
	const bool in = req->type == VIRTIO_BLK_T_IN;
	const u64 capacity = READ_ONCE(disk->capacity);
	const unsigned int mask = disk->blk_size - 1;

	req->bytes = in ? chain->in_len - 1 :
			  chain->out_len - sizeof(struct virtio_blk_outhdr);
	if (unlikely(!in && disk->ro))
		return -EROFS;
	if (unlikely(req->bytes > ASV_BLK_MAX_BYTES || req->bytes & mask ||
		     req->sector & (mask >> SECTOR_SHIFT)))
		return -EINVAL;
	if (unlikely(req->sector > capacity ||
		     req->bytes >> SECTOR_SHIFT > capacity - req->sector))
		return -ENOSPC;
	if (in)
		return asv_blk_data_map(req, chain->iov + chain->nout, chain->nin, 0);
	req->writethrough = READ_ONCE(asv_blk_of(req->q->vq.dev)->writethrough);
	return asv_blk_data_map(req, chain->iov, chain->nout,
				sizeof(struct virtio_blk_outhdr));
}

static int asv_blk_get_id(struct asv_blk_req *req, const struct asv_chain *chain)
{
	const u8 *serial = asv_blk_disk_of(req)->serial;
	const struct iovec *iov = chain->iov + chain->nout;
	u32 left = min_t(u32, chain->in_len - 1, ASV_BLK_SERIAL_LEN);

	while (left) {
		size_t n = min_t(size_t, left, iov->iov_len);

		if (copy_to_user(iov->iov_base, serial, n))
			return -EFAULT;
		serial += n;
		left -= n;
		req->written += n;
		iov++;
	}
	asv_vq_log(&req->q->vq, chain->iov + chain->nout, chain->nin, req->written);
	return 0;
}

/*
 * Make a chain a request. Return: 1 to be submitted, 0 ended with req->status,
 * -ENOMEM no memory, -EINTR the owner is being killed, -EIO not a request: the ring
 * is broken.
 */
static int asv_blk_parse(struct asv_blk_req *req, const struct asv_chain *chain)
{
	struct asv_vq *vq = &req->q->vq;
	struct virtio_blk_outhdr hdr;
	const struct iovec *last;
	int ret;

	if (unlikely(chain->out_len < sizeof(hdr) || !chain->in_len)) {
		asv_vq_break(vq, "no room for request header or status");
		return -EIO;
	}
	if (unlikely(asv_blk_read_header(chain, &hdr))) {
		asv_vq_break(vq, "request header cannot be read");
		return -EIO;
	}
	last = &chain->iov[chain->nout + chain->nin - 1];
	req->status_addr = (u8 __user *)last->iov_base + last->iov_len - 1;
	req->id = chain->id;
	req->slots = chain->slots;
	req->in_len = chain->in_len;
	req->written = 0;
	req->bytes = 0;
	req->nbv = 0;
	req->waited = false;
	req->writethrough = false;
	req->type = le32_to_cpu((__force __le32)hdr.type);
	req->sector = le64_to_cpu((__force __le64)hdr.sector);

	switch (req->type) {
	case VIRTIO_BLK_T_IN:
	case VIRTIO_BLK_T_OUT:
		ret = asv_blk_prepare_rw(req, chain);
		if (unlikely(ret == -ENOMEM || ret == -EINTR))
			return ret;
		req->status = asv_blk_status(ret);
		return !ret && req->nbv;
	case VIRTIO_BLK_T_FLUSH:
		req->status = VIRTIO_BLK_S_OK;
		return !asv_blk_disk_of(req)->ro;
	case VIRTIO_BLK_T_GET_ID:
		req->status = asv_blk_status(asv_blk_get_id(req, chain));
		return 0;
	case VIRTIO_BLK_T_DISCARD:
	case VIRTIO_BLK_T_WRITE_ZEROES:
	case VIRTIO_BLK_T_SECURE_ERASE:
		req->status = asv_blk_ranges_parse(req, chain);
		return req->status == VIRTIO_BLK_S_OK && req->nranges;
	default:
		req->status = VIRTIO_BLK_S_UNSUPP;
		return 0;
	}
}

/* Start a chain that asv_blk_parse() gave @parsed for, 0 or 1. */
static void asv_blk_launch(struct asv_blk_req *req, int parsed)
{
	struct asv_vq *vq = &req->q->vq;

	trace_asv_request_start(vq, req->id, req->type, req->sector, req->bytes);
	if (parsed)
		asv_blk_submit(req);
	else
		asv_blk_end(req);
}

static struct asv_blk_req *asv_blk_req_get(struct asv_blk_queue *q)
{
	struct asv_blk_req *req = q->free;

	if (likely(req))
		q->free = req->next;
	return req;
}

/* Requests of an earlier owner; they count as in flight already. */
static void asv_blk_redo(struct asv_blk_queue *q)
{
	while (q->redo_pos < q->nredo) {
		struct asv_blk_req *req = asv_blk_req_get(q);
		struct asv_chain chain;
		int ret;

		if (!req)
			return;
		ret = asv_blk_track_redo(req, &chain);
		if (!ret)
			ret = asv_blk_parse(req, &chain);
		if (ret == -ENOMEM && q->vq.inflight > q->nredo - q->redo_pos) {
			asv_blk_req_put(req);
			return;
		}
		q->redo_pos++;
		if (ret == -ENOMEM) {
			req->status = VIRTIO_BLK_S_IOERR;
			ret = 0;
		}
		if (ret >= 0) {
			asv_blk_launch(req, ret);
		} else {
			asv_blk_req_put(req);
			asv_vq_end_io(&q->vq, 1);
		}
	}
	kvfree(q->redo);
	q->redo = NULL;
}

/* Take one chain from the ring and start it. */
static int asv_blk_take(struct asv_blk_queue *q)
{
	struct asv_vq *vq = &q->vq;
	struct asv_blk_req *req;
	struct asv_chain chain;
	int ret;

	req = asv_blk_req_get(q);
	if (unlikely(!req))
		return -ENOBUFS;
	ret = asv_vq_pop(vq, &chain, NULL, ASV_VHOST_MAX_CHAIN);
	if (ret <= 0)
		goto put;
	ret = asv_blk_parse(req, &chain);
	if (unlikely(ret == -EINTR)) {
		asv_vq_discard(vq, chain.slots);
		goto put;
	}
	if (unlikely(ret == -ENOMEM)) {
		/* Wait for a request in flight to give memory back, if there is one. */
		if (vq->inflight) {
			asv_vq_discard(vq, chain.slots);
			ret = -ENOBUFS;
			goto put;
		}
		req->status = VIRTIO_BLK_S_IOERR;
		ret = 0;
	}
	if (unlikely(ret < 0))
		goto put;
	asv_vq_begin_io(vq);
	if (asv_blk_tracked(q))
		__asv_blk_track_start(req);
	asv_vq_charge(vq, 1, req->bytes);
	asv_blk_launch(req, ret);
	return 1;
put:
	asv_blk_req_put(req);
	return ret;
}

static enum asv_next asv_blk_turn(struct asv_blk_queue *q)
{
	unsigned int left;
	int ret;

	if (unlikely(q->redo)) {
		q->starved = true;
		return ASV_NEXT_WAIT;
	}
	for (left = ASV_BLK_TURN; left; left--) {
		if (asv_vq_throttled(&q->vq))
			return ASV_NEXT_WAIT;
		ret = asv_blk_take(q);
		if (ret > 0)
			continue;
		if (!ret)
			return ASV_NEXT_EMPTY;
		q->starved = ret == -ENOBUFS;
		return ASV_NEXT_WAIT;
	}
	return ASV_NEXT_AGAIN;
}

enum asv_next asv_blk_handle_kick(struct asv_vq *vq)
{
	struct asv_blk_queue *q = asv_blk_queue_of(vq);
	struct blk_plug plug;
	enum asv_next next;

	WRITE_ONCE(q->in_turn, true);
	q->starved = false;
	blk_start_plug(&plug);
	next = asv_blk_turn(q);
	blk_finish_plug(&plug);
	WRITE_ONCE(q->in_turn, false);
	if (asv_blk_reap(q) && unlikely(q->starved))
		next = ASV_NEXT_AGAIN;
	return next;
}

bool asv_blk_idle_poll(struct asv_vq *vq)
{
	return !llist_empty(&asv_blk_queue_of(vq)->done);
}

void asv_blk_done_work(struct asv_work *work)
{
	struct asv_blk_queue *q = container_of(work, struct asv_blk_queue, done_work);
	bool kick;

	mutex_lock(&q->vq.mutex);
	asv_blk_reap(q);
	if (unlikely(q->redo)) {
		do
			asv_blk_redo(q);
		while (asv_blk_settle(q) && q->redo);
	}
	kick = q->starved;
	q->starved = false;
	mutex_unlock(&q->vq.mutex);
	if (unlikely(kick))
		asv_vq_kick(&q->vq);
}

/* ---- request objects ---- */

int asv_blk_reqs_alloc(struct asv_blk_queue *q)
{
	const unsigned int n = min_t(unsigned int, q->vq.num, ASV_BLK_MAX_REQS);
	unsigned int i;

	q->reqs = kvcalloc(n, sizeof(*q->reqs), GFP_KERNEL_ACCOUNT);
	if (!q->reqs)
		return -ENOMEM;
	q->free = NULL;
	for (i = n; i--; ) {
		struct asv_blk_req *req = &q->reqs[i];

		req->q = q;
		asv_work_init(&req->work, asv_blk_help);
		asv_blk_req_put(req);
	}
	return 0;
}

void asv_blk_reqs_free(struct asv_blk_queue *q)
{
	kvfree(q->reqs);
	q->reqs = NULL;
	q->free = NULL;
}
