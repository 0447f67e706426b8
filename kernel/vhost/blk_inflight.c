// SPDX-License-Identifier: GPL-2.0-only
/*
 * The in-flight region: which requests were fetched and are not used yet, in
 * shared memory that outlives the owner. Layout and order of writes are those of
 * the vhost-user protocol, "Inflight I/O tracking", so that after a crash at any
 * point the next owner knows what to do again.
 *
 * The region is written, and read only when a queue starts: what is needed to go
 * on is also kept here, so whoever else writes to it harms only a later recovery.
 */
#include <linux/bitmap.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/uaccess.h>

#include "blk.h"

static struct asv_blk_inflight_split __user *asv_blk_split(const struct asv_blk_queue *q)
{
	return q->track.addr;
}

static struct asv_blk_inflight_packed __user *asv_blk_packed(const struct asv_blk_queue *q)
{
	return q->track.addr;
}

static void asv_blk_track_broken(struct asv_blk_queue *q, int error)
{
	asv_vq_break(&q->vq, error == -ENOSPC ? "more descriptors available than there are" :
		     "in-flight region cannot be written");
}

/* ---- while running ---- */

static int asv_blk_split_start(struct asv_blk_req *req)
{
	struct asv_blk_queue *q = req->q;
	struct asv_blk_desc_split __user *desc = &asv_blk_split(q)->desc[req->id];

	req->track = req->id;
	if (put_user(q->track.counter, &desc->counter) || put_user(1, &desc->inflight))
		return -EFAULT;
	q->track.counter++;
	return 0;
}

static int asv_blk_packed_start(struct asv_blk_req *req)
{
	struct asv_blk_queue *q = req->q;
	struct asv_blk_track *track = &q->track;
	struct asv_blk_inflight_packed __user *region = asv_blk_packed(q);
	const struct asv_vq *vq = &q->vq;
	const u16 head = track->free_head;
	struct asv_blk_desc_packed entry = {};
	unsigned int i;
	u16 at = head, last = head;

	req->track = min_t(u16, head, vq->num - 1);
	for (i = 0; i < vq->ndescs; i++) {
		/* A driver that offers more descriptors than the ring has. */
		if (at >= vq->num)
			return -ENOSPC;
		last = at;
		at = track->next[at];
		entry = (struct asv_blk_desc_packed){
			.next = at,
			.id = vq->descs[i].id,
			.flags = vq->descs[i].flags,
			.len = vq->descs[i].len,
			.addr = vq->descs[i].addr,
		};
		if (copy_to_user(&region->desc[last], &entry, sizeof(entry)))
			return -EFAULT;
	}
	track->last[head] = last;
	track->free_head = at;
	if (put_user(last, &region->desc[head].last) ||
	    put_user((u16)vq->ndescs, &region->desc[head].num) ||
	    put_user(track->counter, &region->desc[head].counter) ||
	    put_user(1, &region->desc[head].inflight) ||
	    put_user(at, &region->free_head) || put_user(at, &region->old_free_head))
		return -EFAULT;
	track->counter++;
	return 0;
}

void __asv_blk_track_start(struct asv_blk_req *req)
{
	struct asv_blk_queue *q = req->q;
	int ret = q->vq.packed ? asv_blk_packed_start(req) : asv_blk_split_start(req);

	if (unlikely(ret))
		asv_blk_track_broken(q, ret);
}

static int asv_blk_split_used(struct asv_blk_queue *q)
{
	struct asv_blk_inflight_split __user *region = asv_blk_split(q);
	unsigned int i;

	for (i = 0; i < q->nused; i++) {
		const u16 head = q->used_track[i];

		if (put_user(q->track.last_batch_head, &region->desc[head].next))
			return -EFAULT;
		q->track.last_batch_head = head;
	}
	return put_user(q->track.last_batch_head, &region->last_batch_head);
}

static int asv_blk_packed_used(struct asv_blk_queue *q)
{
	struct asv_blk_inflight_packed __user *region = asv_blk_packed(q);
	struct asv_blk_track *track = &q->track;
	unsigned int used = q->vq.used;
	bool wrap = q->vq.used_wrap;
	unsigned int i;

	for (i = 0; i < q->nused; i++) {
		const u16 head = q->used_track[i];
		const u16 last = track->last[head];

		if (put_user(track->free_head, &region->desc[last].next))
			return -EFAULT;
		track->next[last] = track->free_head;
		track->free_head = head;
		used += q->used[i].slots;
		if (used >= q->vq.num) {
			used -= q->vq.num;
			wrap = !wrap;
		}
	}
	if (put_user(track->free_head, &region->free_head) ||
	    put_user((u16)used, &region->used_idx) ||
	    put_user((u8)wrap, &region->used_wrap_counter))
		return -EFAULT;
	return 0;
}

void __asv_blk_track_used(struct asv_blk_queue *q)
{
	int ret = q->vq.packed ? asv_blk_packed_used(q) : asv_blk_split_used(q);

	if (unlikely(ret))
		asv_blk_track_broken(q, ret);
}

static int asv_blk_split_commit(struct asv_blk_queue *q)
{
	struct asv_blk_inflight_split __user *region = asv_blk_split(q);
	unsigned int i;

	for (i = 0; i < q->nused; i++)
		if (put_user(0, &region->desc[q->used_track[i]].inflight))
			return -EFAULT;
	return put_user(q->vq.used, &region->used_idx);
}

static int asv_blk_packed_commit(struct asv_blk_queue *q)
{
	struct asv_blk_inflight_packed __user *region = asv_blk_packed(q);
	unsigned int i;

	for (i = 0; i < q->nused; i++)
		if (put_user(0, &region->desc[q->used_track[i]].inflight))
			return -EFAULT;
	if (put_user(q->track.free_head, &region->old_free_head) ||
	    put_user(q->vq.used, &region->old_used_idx) ||
	    put_user((u8)q->vq.used_wrap, &region->old_used_wrap_counter))
		return -EFAULT;
	return 0;
}

void __asv_blk_track_commit(struct asv_blk_queue *q)
{
	int ret = q->vq.packed ? asv_blk_packed_commit(q) : asv_blk_split_commit(q);

	if (unlikely(ret))
		asv_blk_track_broken(q, ret);
}

/* ---- recovery: a split ring ---- */

static int asv_blk_split_init(struct asv_blk_queue *q)
{
	struct asv_blk_inflight_split __user *region = asv_blk_split(q);
	const struct asv_blk_inflight_split header = {
		.desc_num = q->vq.num,
		.used_idx = q->vq.used,
	};

	if (clear_user(region->desc, q->vq.num * sizeof(region->desc[0])) ||
	    copy_to_user(region, &header, sizeof(header)) ||
	    put_user(ASV_BLK_INFLIGHT_VERSION, &region->version))
		return -EFAULT;
	return 0;
}

/* The last batch was used, but its entries may not say so yet. */
static int asv_blk_split_repair(struct asv_blk_queue *q,
				const struct asv_blk_inflight_split *header,
				struct asv_blk_desc_split *desc)
{
	struct asv_blk_inflight_split __user *region = asv_blk_split(q);
	u16 left = q->vq.used - header->used_idx;
	u16 at = header->last_batch_head;

	if (left > q->vq.num)
		return -EINVAL;
	for (; left; left--) {
		if (at >= q->vq.num)
			return -EINVAL;
		desc[at].inflight = 0;
		if (put_user(0, &region->desc[at].inflight))
			return -EFAULT;
		at = desc[at].next;
	}
	return put_user(q->vq.used, &region->used_idx);
}

static int asv_blk_split_recover(struct asv_blk_queue *q)
{
	struct asv_blk_inflight_split __user *region = asv_blk_split(q);
	struct asv_blk_track *track = &q->track;
	struct asv_vq *vq = &q->vq;
	const size_t bytes = vq->num * sizeof(region->desc[0]);
	struct asv_blk_inflight_split header;
	struct asv_blk_desc_split *desc;
	unsigned int i;
	int ret;

	if (track->size < sizeof(header) + bytes)
		return -EINVAL;
	if (copy_from_user(&header, region, sizeof(header)))
		return -EFAULT;
	if (!header.version)
		return asv_blk_split_init(q);
	if (header.version != ASV_BLK_INFLIGHT_VERSION || header.desc_num != vq->num)
		return -EINVAL;

	desc = vmemdup_user(region->desc, bytes);
	if (IS_ERR(desc))
		return PTR_ERR(desc);
	ret = asv_blk_split_repair(q, &header, desc);
	if (ret)
		goto out;
	track->last_batch_head = header.last_batch_head;
	for (i = 0; i < vq->num; i++) {
		if (!desc[i].inflight)
			continue;
		q->redo[q->nredo].counter = desc[i].counter;
		q->redo[q->nredo++].head = i;
	}
	vq->avail = vq->used + q->nredo;
	vq->avail_seen = vq->avail;
out:
	kvfree(desc);
	return ret;
}

/* ---- recovery: a packed ring ---- */

static int asv_blk_packed_init(struct asv_blk_queue *q)
{
	struct asv_blk_inflight_packed __user *region = asv_blk_packed(q);
	const struct asv_vq *vq = &q->vq;
	const struct asv_blk_inflight_packed header = {
		.desc_num = vq->num,
		.used_idx = vq->used,
		.old_used_idx = vq->used,
		.used_wrap_counter = vq->used_wrap,
		.old_used_wrap_counter = vq->used_wrap,
	};
	unsigned int i;

	for (i = 0; i < vq->num; i++) {
		const struct asv_blk_desc_packed entry = { .next = i + 1 };

		q->track.next[i] = i + 1;
		if (copy_to_user(&region->desc[i], &entry, sizeof(entry)))
			return -EFAULT;
	}
	q->track.free_head = 0;
	if (copy_to_user(region, &header, sizeof(header)) ||
	    put_user(ASV_BLK_INFLIGHT_VERSION, &region->version))
		return -EFAULT;
	return 0;
}

/*
 * The last owner ended between preparing a batch and saying that it was used.
 * Return: 1 if the ring shows it as used, 0 if not.
 */
static int asv_blk_packed_was_used(struct asv_blk_queue *q,
				   const struct asv_blk_inflight_packed *header)
{
	struct vring_packed_desc __user *ring = q->vq.area[ASV_AREA_DESC].base;
	const u16 mask = BIT(VRING_PACKED_DESC_F_AVAIL) | BIT(VRING_PACKED_DESC_F_USED);
	u16 avail = header->old_used_wrap_counter ? BIT(VRING_PACKED_DESC_F_AVAIL) :
						    BIT(VRING_PACKED_DESC_F_USED);
	__le16 flags;

	if (header->used_idx == header->old_used_idx &&
	    header->used_wrap_counter == header->old_used_wrap_counter)
		return 0;
	if (!ring || get_user(flags, &ring[header->old_used_idx].flags))
		return -EFAULT;
	return (le16_to_cpu(flags) & mask) != avail;
}

/* Roll a half-done batch forward or back. */
static int asv_blk_packed_repair(struct asv_blk_queue *q,
				 struct asv_blk_inflight_packed *header,
				 struct asv_blk_desc_packed *desc)
{
	const unsigned int num = q->vq.num;
	unsigned int i;
	u16 at;
	int used;

	if (header->old_used_idx >= num || header->used_idx >= num ||
	    header->used_wrap_counter > 1 || header->old_used_wrap_counter > 1)
		return -EINVAL;
	used = asv_blk_packed_was_used(q, header);
	if (used < 0)
		return used;
	if (!used) {
		header->used_idx = header->old_used_idx;
		header->used_wrap_counter = header->old_used_wrap_counter;
		return 0;
	}
	/* What the batch put in front of the free list. */
	at = header->free_head;
	for (i = 0; i < num && at != header->old_free_head; i++) {
		if (at >= num)
			return -EINVAL;
		desc[at].inflight = 0;
		at = desc[at].next;
	}
	return at == header->old_free_head ? 0 : -EINVAL;
}

/* Check one request of the region and mark its entries in @taken. */
static int asv_blk_packed_check(struct asv_blk_queue *q,
				const struct asv_blk_desc_packed *desc, u16 head,
				unsigned long *taken)
{
	unsigned int i;
	u16 at = head, last = head;

	if (!desc[head].num || desc[head].num > q->vq.num)
		return -EINVAL;
	for (i = 0; i < desc[head].num; i++) {
		if (at >= q->vq.num || __test_and_set_bit(at, taken))
			return -EINVAL;
		last = at;
		at = desc[at].next;
		q->track.next[last] = at;
	}
	if (last != desc[head].last)
		return -EINVAL;
	q->track.last[head] = last;
	return 0;
}

/* List what is in flight, link the rest as free, write the header. */
static int asv_blk_packed_list(struct asv_blk_queue *q,
			       const struct asv_blk_inflight_packed *header,
			       const struct asv_blk_desc_packed *desc, unsigned long *taken)
{
	struct asv_blk_inflight_packed __user *region = asv_blk_packed(q);
	struct asv_blk_inflight_packed fresh = *header;
	struct asv_vq *vq = &q->vq;
	unsigned int slots = 0;
	unsigned int i;
	u16 free_head = vq->num;
	int ret;

	for (i = 0; i < vq->num; i++) {
		if (!desc[i].inflight)
			continue;
		ret = asv_blk_packed_check(q, desc, i, taken);
		if (ret)
			return ret;
		slots += desc[i].num;
		q->redo[q->nredo].counter = desc[i].counter;
		q->redo[q->nredo].num = desc[i].num;
		q->redo[q->nredo++].head = i;
	}
	for (i = vq->num; i--; ) {
		const struct asv_blk_desc_packed entry = { .next = free_head };

		if (test_bit(i, taken))
			continue;
		if (copy_to_user(&region->desc[i], &entry, sizeof(entry)))
			return -EFAULT;
		q->track.next[i] = free_head;
		free_head = i;
	}
	q->track.free_head = free_head;
	fresh.free_head = free_head;
	fresh.old_free_head = free_head;
	fresh.old_used_idx = fresh.used_idx;
	fresh.old_used_wrap_counter = fresh.used_wrap_counter;
	if (copy_to_user(region, &fresh, sizeof(fresh)))
		return -EFAULT;

	vq->used = fresh.used_idx;
	vq->used_wrap = fresh.used_wrap_counter;
	slots += vq->used;
	vq->avail = slots % vq->num;
	vq->avail_wrap = vq->used_wrap ^ (slots >= vq->num);
	return 0;
}

static int asv_blk_packed_recover(struct asv_blk_queue *q)
{
	struct asv_blk_inflight_packed __user *region = asv_blk_packed(q);
	struct asv_blk_track *track = &q->track;
	const unsigned int num = q->vq.num;
	const size_t bytes = num * sizeof(region->desc[0]);
	struct asv_blk_inflight_packed header;
	struct asv_blk_desc_packed *desc;
	unsigned long *taken;
	int ret;

	if (track->size < sizeof(header) + bytes)
		return -EINVAL;
	track->next = kvcalloc(2 * num, sizeof(*track->next), GFP_KERNEL_ACCOUNT);
	if (!track->next)
		return -ENOMEM;
	track->last = track->next + num;

	if (copy_from_user(&header, region, sizeof(header)))
		return -EFAULT;
	if (!header.version)
		return asv_blk_packed_init(q);
	if (header.version != ASV_BLK_INFLIGHT_VERSION || header.desc_num != num)
		return -EINVAL;

	desc = vmemdup_user(region->desc, bytes);
	if (IS_ERR(desc))
		return PTR_ERR(desc);
	ret = -ENOMEM;
	taken = bitmap_zalloc(num, GFP_KERNEL_ACCOUNT);
	if (!taken)
		goto out;
	ret = asv_blk_packed_repair(q, &header, desc);
	if (!ret)
		ret = asv_blk_packed_list(q, &header, desc, taken);
	bitmap_free(taken);
out:
	kvfree(desc);
	return ret;
}

/* ---- starting and stopping ---- */

static int asv_blk_redo_cmp(const void *a, const void *b)
{
	const struct asv_blk_redo *x = a, *y = b;

	return x->counter < y->counter ? -1 : x->counter > y->counter;
}

int asv_blk_track_recover(struct asv_blk_queue *q)
{
	struct asv_vq *vq = &q->vq;
	int ret;

	/* Ring and requests are read again here, where no IOTLB miss can be waited for. */
	if (asv_has_feature(vq->dev, VIRTIO_F_ACCESS_PLATFORM))
		return -EINVAL;
	q->redo = kvcalloc(vq->num, sizeof(*q->redo), GFP_KERNEL_ACCOUNT);
	if (!q->redo)
		return -ENOMEM;
	q->nredo = 0;
	q->redo_pos = 0;
	q->track.counter = 0;

	mutex_lock(&vq->mutex);
	ret = vq->packed ? asv_blk_packed_recover(q) : asv_blk_split_recover(q);
	if (!ret && q->nredo) {
		sort(q->redo, q->nredo, sizeof(*q->redo), asv_blk_redo_cmp, NULL);
		q->track.counter = q->redo[q->nredo - 1].counter + 1;
		vq->inflight += q->nredo;
		asv_work_queue(vq, &q->done_work);
	} else {
		kvfree(q->redo);
		q->redo = NULL;
	}
	mutex_unlock(&vq->mutex);
	return ret;
}

void asv_blk_track_free(struct asv_blk_queue *q)
{
	kvfree(q->track.next);
	q->track.next = NULL;
	q->track.last = NULL;
}

/* ---- doing again ---- */

static int asv_blk_packed_redo(struct asv_blk_req *req, const struct asv_blk_redo *redo,
			       struct asv_chain *chain)
{
	struct asv_blk_queue *q = req->q;
	struct asv_blk_inflight_packed __user *region = asv_blk_packed(q);
	struct asv_desc *descs;
	unsigned int i;
	u16 at = redo->head;
	int ret = -EFAULT;

	descs = kvmalloc_array(redo->num, sizeof(*descs), GFP_KERNEL_ACCOUNT);
	if (!descs)
		return -ENOMEM;
	for (i = 0; i < redo->num; i++) {
		struct asv_blk_desc_packed entry;

		if (copy_from_user(&entry, &region->desc[at], sizeof(entry)))
			goto out;
		descs[i] = (struct asv_desc){
			.addr = entry.addr,
			.len = entry.len,
			.flags = entry.flags,
			.id = entry.id,
		};
		at = q->track.next[at];
	}
	chain->id = descs[redo->num - 1].id;
	chain->slots = redo->num;
	ret = asv_vq_parse(&q->vq, descs, redo->num, chain, NULL,
			   ASV_VHOST_MAX_CHAIN);
out:
	kvfree(descs);
	return ret;
}

int asv_blk_track_redo(struct asv_blk_req *req, struct asv_chain *chain)
{
	struct asv_blk_queue *q = req->q;
	const struct asv_blk_redo *redo = &q->redo[q->redo_pos];
	int ret;

	req->track = redo->head;
	if (q->vq.packed)
		return asv_blk_packed_redo(req, redo, chain);
	ret = asv_vq_pop_head(&q->vq, redo->head, chain, NULL, ASV_VHOST_MAX_CHAIN);
	return ret < 0 ? ret : 0;
}
