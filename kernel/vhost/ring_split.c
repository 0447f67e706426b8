// SPDX-License-Identifier: GPL-2.0-only
/* Split virtqueues (virtio 1.2, 2.7). All with vq->mutex held. */
#include "core.h"

#define ASV_AVAIL_FLAGS		offsetof(struct vring_avail, flags)
#define ASV_AVAIL_IDX		offsetof(struct vring_avail, idx)
#define ASV_AVAIL_RING(i)	offsetof(struct vring_avail, ring[i])
#define ASV_USED_FLAGS		offsetof(struct vring_used, flags)
#define ASV_USED_IDX		offsetof(struct vring_used, idx)
#define ASV_USED_RING(i)	offsetof(struct vring_used, ring[i])

static int asv_split_read16(struct asv_vq *vq, enum asv_area_type type, u32 off, u16 *val)
{
	__le16 __user *from = asv_area_ptr(vq, type, off);
	__le16 raw;

	if (unlikely(get_user(raw, from)))
		return -EFAULT;
	*val = le16_to_cpu(raw);
	return 0;
}

static int asv_split_write16(struct asv_vq *vq, u32 off, u16 val)
{
	__le16 __user *to = asv_area_ptr(vq, ASV_AREA_DEVICE, off);

	if (unlikely(put_user(cpu_to_le16(val), to)))
		return -EFAULT;
	asv_log_area(vq, ASV_AREA_DEVICE, off, sizeof(*to));
	return 0;
}

/*
 * Take the used index from the ring: the device that served it before wrote it, and
 * may have ended before it interrupted for the last lap.
 */
int asv_split_init(struct asv_vq *vq)
{
	vq->avail_seen = vq->avail;
	if (asv_split_read16(vq, ASV_AREA_DEVICE, ASV_USED_IDX, &vq->used))
		return -EFAULT;
	vq->signalled = vq->used - vq->num;
	vq->signalled_valid = true;
	vq->used_known = true;
	return 0;
}

int asv_split_more(struct asv_vq *vq)
{
	u16 idx;

	if (vq->avail != vq->avail_seen)
		return 1;
	if (unlikely(asv_split_read16(vq, ASV_AREA_DRIVER, ASV_AVAIL_IDX, &idx)))
		return -EFAULT;
	if (idx == vq->avail)
		return 0;
	if (unlikely((u16)(idx - vq->avail) > vq->num)) {
		asv_vq_break(vq, "available index beyond the ring");
		return -EIO;
	}
	vq->avail_seen = idx;
	/* The entries that the index covers are read after it. */
	smp_rmb();
	return 1;
}

/* The chain at @head into vq->descs. A chain cannot be longer than the ring. */
int asv_split_fetch_head(struct asv_vq *vq, u16 head)
{
	u64 __user *from = asv_area_ptr(vq, ASV_AREA_DESC, 0);
	struct asv_desc *desc = vq->descs;
	unsigned int i = head, n = 0;
	u64 lo, hi;

	if (unlikely(head >= vq->num))
		goto bad;
	/* Every part of the ring was found to be user memory when it was set. */
	if (!user_read_access_begin(from, sizeof(struct vring_desc)))
		return -EFAULT;
	for (;;) {
		from = asv_area_ptr(vq, ASV_AREA_DESC, i * sizeof(struct vring_desc));
		unsafe_get_user(lo, from, fault);
		unsafe_get_user(hi, from + 1, fault);
		asv_desc_decode(desc, (__force __le64)lo, (__force __le64)hi, false);
		n++;
		if (!(desc->flags & VRING_DESC_F_NEXT))
			break;
		i = desc->id;
		if (unlikely(i >= vq->num || n == vq->num)) {
			user_read_access_end();
			goto bad;
		}
		desc++;
	}
	user_read_access_end();
	vq->ndescs = n;
	return 1;
fault:
	user_read_access_end();
	return -EFAULT;
bad:
	asv_vq_break(vq, "descriptor outside the table, or a loop");
	return -EIO;
}

int asv_split_fetch(struct asv_vq *vq, struct asv_chain *chain)
{
	int ret;

	ret = asv_split_more(vq);
	if (ret <= 0)
		return ret;
	if (unlikely(asv_split_read16(vq, ASV_AREA_DRIVER,
				      ASV_AVAIL_RING(vq->avail & (vq->num - 1)),
				      &chain->id)))
		return -EFAULT;
	chain->slots = 1;
	return asv_split_fetch_head(vq, chain->id);
}

int asv_split_put(struct asv_vq *vq, const struct asv_used *used, unsigned int n)
{
	u32 __user *to = asv_area_ptr(vq, ASV_AREA_DEVICE, 0);
	unsigned int mask = vq->num - 1;
	u16 idx = vq->used;
	unsigned int i;

	if (!user_write_access_begin(to, sizeof(struct vring_used)))
		return -EFAULT;
	for (i = 0; i < n; i++, idx++) {
		u32 off = ASV_USED_RING(idx & mask);

		to = asv_area_ptr(vq, ASV_AREA_DEVICE, off);
		unsafe_put_user((__force u32)cpu_to_le32(used[i].id), to, fault);
		to = asv_area_ptr(vq, ASV_AREA_DEVICE, off + sizeof(*to));
		unsafe_put_user((__force u32)cpu_to_le32(used[i].len), to, fault);
	}
	/* The driver reads entries after it has read the index that covers them. */
	smp_wmb();
	unsafe_put_user((__force u16)cpu_to_le16(idx),
			(u16 __user *)asv_area_ptr(vq, ASV_AREA_DEVICE, ASV_USED_IDX),
			fault);
	user_write_access_end();

	if (unlikely(vq->log_used)) {
		for (i = 0; i < n; i++)
			asv_log_area(vq, ASV_AREA_DEVICE,
				     ASV_USED_RING((vq->used + i) & mask),
				     sizeof(struct vring_used_elem));
		asv_log_area(vq, ASV_AREA_DEVICE, ASV_USED_IDX, sizeof(u16));
	}
	/* Past the last look for an interrupt by a whole turn of the index? */
	if (unlikely((u16)(idx - vq->signalled) < (u16)(idx - vq->used)))
		vq->signalled_valid = false;
	vq->used = idx;
	return 0;
fault:
	user_write_access_end();
	return -EFAULT;
}

int asv_split_wants_call(struct asv_vq *vq)
{
	u16 event, old = vq->signalled;
	bool valid = vq->signalled_valid;

	if (asv_has_feature(vq->dev, VIRTIO_F_NOTIFY_ON_EMPTY) && asv_split_more(vq) == 0)
		return 1;
	if (!vq->event_idx) {
		if (unlikely(asv_split_read16(vq, ASV_AREA_DRIVER, ASV_AVAIL_FLAGS, &event)))
			return -EFAULT;
		return !(event & VRING_AVAIL_F_NO_INTERRUPT);
	}
	vq->signalled = vq->used;
	vq->signalled_valid = true;
	if (unlikely(asv_split_read16(vq, ASV_AREA_DRIVER, ASV_AVAIL_RING(vq->num), &event)))
		return -EFAULT;
	return !valid || vring_need_event(event, vq->used, old);
}

/*
 * With event indices a kick is wanted for the entry after the last one taken;
 * while the device is busy the stale index keeps the driver quiet.
 */
int asv_split_set_notify(struct asv_vq *vq, bool on)
{
	if (vq->event_idx)
		return on ? asv_split_write16(vq, ASV_USED_RING(vq->num), vq->avail) : 0;
	return asv_split_write16(vq, ASV_USED_FLAGS, on ? 0 : VRING_USED_F_NO_NOTIFY);
}
