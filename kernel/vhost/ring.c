// SPDX-License-Identifier: GPL-2.0-only
/*
 * What both ring formats share: a queue's turn, chains, used entries, and the
 * notifications in both directions (virtio 1.2, 2.7 and 2.8).
 */
#include <linux/export.h>
#include <linux/sched/clock.h>
#include <linux/sched/signal.h>

#include "core.h"
#include "trace.h"

/* Pieces of guest memory that an indirect table may lie in. */
#define ASV_TABLE_PIECES	8

void asv_vq_break(struct asv_vq *vq, const char *why)
{
	lockdep_assert_held(&vq->mutex);
	if (vq->broken)
		return;
	vq->broken = true;
	vq->stats.errors++;
	trace_asv_error(vq, why);
	if (vq->err)
		eventfd_signal(vq->err);
}
EXPORT_SYMBOL_GPL(asv_vq_break);

static int asv_vq_bad(struct asv_vq *vq, const char *why)
{
	asv_vq_break(vq, why);
	return -EIO;
}

/* Every access of the ring ends here: a fault breaks the queue. */
static int asv_vq_checked(struct asv_vq *vq, int ret)
{
	if (likely(ret >= 0 || ret == -EAGAIN || ret == -EIO))
		return ret;
	return asv_vq_bad(vq, "ring cannot be reached");
}

/*
 * May chains be taken? A ring in IOTLB mode is looked up first if a module comes
 * here before the queue's first turn; nothing is ever reached through areas that
 * were not.
 */
static int asv_vq_usable(struct asv_vq *vq)
{
	if (unlikely(vq->broken))
		return -EIO;
	if (likely(vq->area_gen))
		return 0;
	if (!vq->dev->iotlb)
		return asv_vq_bad(vq, "queue was not started");
	return asv_vq_checked(vq, asv_iotlb_resolve(vq));
}

/* Add one descriptor's memory to the chain. */
static int asv_chain_add(struct asv_vq *vq, struct asv_chain *chain, u64 addr, u32 len,
			 bool write, unsigned int iov_max)
{
	unsigned int used = chain->nout + chain->nin;
	u32 *sum = write ? &chain->in_len : &chain->out_len;
	int ret;

	if (unlikely(!len))
		return 0;
	if (unlikely(check_add_overflow(*sum, len, sum)))
		return asv_vq_bad(vq, "chain longer than 4 GiB");
	ret = asv_vq_translate(vq, addr, len, write, chain->iov + used, iov_max - used);
	if (unlikely(ret < 0)) {
		if (ret == -EAGAIN)
			return ret;
		return asv_vq_bad(vq, ret == -ENOBUFS ? "chain has too many segments" :
				  "buffer outside guest memory");
	}
	if (write)
		chain->nin += ret;
	else
		chain->nout += ret;
	return 0;
}

/* Copy an indirect table; read once, so that what is checked is what is used. */
static int asv_table_read(struct asv_vq *vq, const struct asv_desc *desc)
{
	struct iovec piece[ASV_TABLE_PIECES];
	void *to = vq->table;
	int i, n;

	if (unlikely(!asv_has_feature(vq->dev, VIRTIO_RING_F_INDIRECT_DESC)))
		return asv_vq_bad(vq, "indirect descriptors were not negotiated");
	if (unlikely(!desc->len || desc->len % sizeof(struct vring_desc)))
		return asv_vq_bad(vq, "indirect table's length is no multiple of 16");
	if (unlikely(desc->len / sizeof(struct vring_desc) > ASV_VHOST_MAX_CHAIN))
		return asv_vq_bad(vq, "indirect table too long");
	n = asv_vq_translate(vq, desc->addr, desc->len, false, piece, ARRAY_SIZE(piece));
	if (unlikely(n < 0)) {
		if (n == -EAGAIN)
			return n;
		return asv_vq_bad(vq, "indirect table outside guest memory");
	}
	for (i = 0; i < n; i++) {
		if (unlikely(copy_from_user(to, piece[i].iov_base, piece[i].iov_len)))
			return asv_vq_bad(vq, "indirect table cannot be read");
		to += piece[i].iov_len;
	}
	return 0;
}

/*
 * A split ring's table is a list by its next fields; a packed ring's is taken in
 * its order, whole.
 */
static int asv_chain_add_table(struct asv_vq *vq, struct asv_chain *chain,
			       const struct asv_desc *desc, bool *writable,
			       unsigned int iov_max)
{
	unsigned int n = desc->len / sizeof(struct vring_desc);
	unsigned int i = 0, seen = 0;
	struct asv_desc entry;
	int ret;

	ret = asv_table_read(vq, desc);
	if (unlikely(ret))
		return ret;
	for (;;) {
		asv_desc_decode(&entry, vq->table[2 * i], vq->table[2 * i + 1], vq->packed);
		if (unlikely(entry.flags & VRING_DESC_F_INDIRECT))
			return asv_vq_bad(vq, "indirect table in an indirect table");
		if (entry.flags & VRING_DESC_F_WRITE)
			*writable = true;
		else if (unlikely(*writable))
			return asv_vq_bad(vq, "readable after writable buffer");
		ret = asv_chain_add(vq, chain, entry.addr, entry.len, *writable, iov_max);
		if (unlikely(ret))
			return ret;
		seen++;
		if (vq->packed) {
			if (++i == n)
				return 0;
			continue;
		}
		if (!(entry.flags & VRING_DESC_F_NEXT))
			return 0;
		i = entry.id;
		if (unlikely(i >= n || seen == n))
			return asv_vq_bad(vq, "loop in an indirect table, or a way out of it");
	}
}

static int asv_chain_build(struct asv_vq *vq, const struct asv_desc *descs, unsigned int n,
			   struct asv_chain *chain, struct iovec *iov,
			   unsigned int iov_max)
{
	bool writable = false;
	unsigned int i;
	int ret;

	if (!iov)
		iov_max = vq->dev->iov_max;
	chain->iov = iov ?: vq->iov;
	chain->nout = 0;
	chain->nin = 0;
	chain->out_len = 0;
	chain->in_len = 0;
	for (i = 0; i < n; i++) {
		const struct asv_desc *desc = &descs[i];

		if (desc->flags & VRING_DESC_F_INDIRECT) {
			if (unlikely(i != n - 1))
				return asv_vq_bad(vq, "chain goes on after an indirect table");
			return asv_chain_add_table(vq, chain, desc, &writable, iov_max);
		}
		if (desc->flags & VRING_DESC_F_WRITE)
			writable = true;
		else if (unlikely(writable))
			return asv_vq_bad(vq, "readable after writable buffer");
		ret = asv_chain_add(vq, chain, desc->addr, desc->len, writable, iov_max);
		if (unlikely(ret))
			return ret;
	}
	return 0;
}

int asv_vq_pop(struct asv_vq *vq, struct asv_chain *chain, struct iovec *iov,
	       unsigned int iov_max)
{
	int ret;

	ret = asv_vq_usable(vq);
	if (unlikely(ret))
		return ret;
	ret = vq->packed ? asv_packed_fetch(vq, chain) : asv_split_fetch(vq, chain);
	if (ret <= 0)
		return asv_vq_checked(vq, ret);
	ret = asv_chain_build(vq, vq->descs, vq->ndescs, chain, iov, iov_max);
	if (unlikely(ret))
		return ret;
	if (vq->packed)
		asv_packed_step(vq, &vq->avail, &vq->avail_wrap, chain->slots);
	else
		vq->avail++;
	vq->lacking = 0;
	vq->stats.chains++;
	return 1;
}
EXPORT_SYMBOL_GPL(asv_vq_pop);

int asv_vq_pop_head(struct asv_vq *vq, u16 head, struct asv_chain *chain,
		    struct iovec *iov, unsigned int iov_max)
{
	int ret;

	ret = asv_vq_usable(vq);
	if (ret)
		return ret;
	if (vq->packed)
		return asv_vq_bad(vq, "no heads in a packed ring");
	ret = asv_vq_checked(vq, asv_split_fetch_head(vq, head));
	if (ret < 0)
		return ret;
	chain->id = head;
	chain->slots = 1;
	ret = asv_chain_build(vq, vq->descs, vq->ndescs, chain, iov, iov_max);
	return ret ?: 1;
}
EXPORT_SYMBOL_GPL(asv_vq_pop_head);

int asv_vq_parse(struct asv_vq *vq, const struct asv_desc *descs, unsigned int n,
		 struct asv_chain *chain, struct iovec *iov, unsigned int iov_max)
{
	if (unlikely(vq->broken))
		return -EIO;
	return asv_chain_build(vq, descs, n, chain, iov, iov_max);
}
EXPORT_SYMBOL_GPL(asv_vq_parse);

static void asv_vq_advance(struct asv_vq *vq, unsigned int slots)
{
	if (vq->packed)
		asv_packed_step(vq, &vq->avail, &vq->avail_wrap, slots);
	else
		vq->avail += slots;
}

static void asv_vq_retreat(struct asv_vq *vq, unsigned int slots)
{
	if (!vq->packed) {
		vq->avail -= slots;
		return;
	}
	if (slots > vq->avail) {
		vq->avail += vq->num;
		vq->avail_wrap = !vq->avail_wrap;
	}
	vq->avail -= slots;
}

void asv_vq_discard(struct asv_vq *vq, unsigned int slots)
{
	asv_vq_retreat(vq, slots);
	vq->lacking = slots;
}
EXPORT_SYMBOL_GPL(asv_vq_discard);

bool asv_vq_has_chain(struct asv_vq *vq)
{
	int ret;

	if (unlikely(asv_vq_usable(vq)))
		return false;
	ret = vq->packed ? asv_packed_more(vq) : asv_split_more(vq);
	return asv_vq_checked(vq, ret) > 0;
}
EXPORT_SYMBOL_GPL(asv_vq_has_chain);

int asv_vq_add_used(struct asv_vq *vq, const struct asv_used *used, unsigned int n)
{
	int ret;

	if (unlikely(!vq->area_gen))
		return asv_vq_bad(vq, "ring is not known");
	ret = vq->packed ? asv_packed_put(vq, used, n) : asv_split_put(vq, used, n);
	return asv_vq_checked(vq, ret);
}
EXPORT_SYMBOL_GPL(asv_vq_add_used);

void asv_vq_signal(struct asv_vq *vq)
{
	int ret;

	if (unlikely(!vq->area_gen))
		return;
	/* The used entries are written before the driver's wish is read (2.7.7.2). */
	smp_mb();
	ret = vq->packed ? asv_packed_wants_call(vq) : asv_split_wants_call(vq);
	if (!ret) {
		vq->stats.calls_suppressed++;
		return;
	}
	if (unlikely(ret < 0))
		asv_vq_checked(vq, ret);
	vq->stats.calls++;
	trace_asv_call(vq);
	if (likely(vq->call))
		eventfd_signal(vq->call);
}
EXPORT_SYMBOL_GPL(asv_vq_signal);

void asv_vq_disable_notify(struct asv_vq *vq)
{
	if (vq->notify_off || vq->broken || !vq->area_gen)
		return;
	vq->notify_off = true;
	asv_vq_checked(vq, vq->packed ? asv_packed_set_notify(vq, false) :
			   asv_split_set_notify(vq, false));
}
EXPORT_SYMBOL_GPL(asv_vq_disable_notify);

bool asv_vq_enable_notify(struct asv_vq *vq)
{
	if (!vq->notify_off || asv_vq_usable(vq))
		return false;
	vq->notify_off = false;
	if (asv_vq_checked(vq, vq->packed ? asv_packed_set_notify(vq, true) :
			       asv_split_set_notify(vq, true)) < 0)
		return false;
	/* The wish is written before the ring is looked at again (2.7.10.1). */
	smp_mb();
	return asv_vq_has_chain(vq);
}
EXPORT_SYMBOL_GPL(asv_vq_enable_notify);

bool asv_vq_busy_poll(struct asv_vq *vq, bool (*ready)(struct asv_vq *vq))
{
	u64 end = local_clock() + min(vq->busyloop_us, ASV_BUSYLOOP_MAX_US) * NSEC_PER_USEC;

	do {
		if (ready(vq)) {
			vq->stats.polls_hit++;
			return true;
		}
		if (need_resched() || signal_pending(current) || asv_vq_worker_busy(vq))
			break;
		cpu_relax();
	} while (!vq->broken && local_clock() < end);
	vq->stats.polls_missed++;
	return false;
}
EXPORT_SYMBOL_GPL(asv_vq_busy_poll);

static bool asv_vq_idle_ready(struct asv_vq *vq)
{
	bool (*idle_poll)(struct asv_vq *vq) = vq->dev->ops->idle_poll;

	return asv_vq_has_chain(vq) || (idle_poll && idle_poll(vq));
}

/*
 * The ring has no more chains beyond those that were discarded as too few: poll for
 * one more if so set, else ask for a kick. True if one came meanwhile.
 */
static bool asv_vq_go_idle(struct asv_vq *vq)
{
	unsigned int lacking = vq->lacking;
	bool more;

	asv_vq_advance(vq, lacking);
	more = (vq->busyloop_us && asv_vq_busy_poll(vq, asv_vq_idle_ready)) ||
	       asv_vq_enable_notify(vq);
	asv_vq_retreat(vq, lacking);
	return more;
}

/* May the queue be served now? In IOTLB mode, are its rings mapped? */
static bool asv_vq_runnable(struct asv_vq *vq)
{
	if (!vq->backend || vq->paused || vq->broken || vq->dead)
		return false;
	if (likely(!vq->dev->iotlb))
		return true;
	return !asv_vq_checked(vq, asv_iotlb_resolve(vq));
}

void asv_vq_turn(struct asv_work *work)
{
	struct asv_vq *vq = container_of(work, struct asv_vq, kick_work);

	mutex_lock(&vq->mutex);
	if (READ_ONCE(vq->kicked)) {
		WRITE_ONCE(vq->kicked, false);
		vq->stats.kicks++;
	}
	if (!asv_vq_runnable(vq))
		goto unlock;
	asv_vq_disable_notify(vq);
	vq->lacking = 0;
	switch (vq->dev->ops->handle_kick(vq)) {
	case ASV_NEXT_EMPTY:
		if (asv_vq_go_idle(vq))
			asv_vq_kick(vq);
		break;
	case ASV_NEXT_AGAIN:
		asv_vq_kick(vq);
		break;
	case ASV_NEXT_WAIT:
		break;
	}
unlock:
	mutex_unlock(&vq->mutex);
}
