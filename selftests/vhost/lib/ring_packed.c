// SPDX-License-Identifier: GPL-2.0-only
/* Packed virtqueues, the driver's side: virtio 1.2, section 2.8. */
#include <errno.h>
#include <string.h>

#include "ring_ops.h"

static uint16_t avail_bits(bool wrap)
{
	return wrap ? VT_PACKED_AVAIL : VT_PACKED_USED;
}

void vt_packed_reset(struct vt_queue *vq, uint32_t base)
{
	struct vt_packed_desc *shadow = vq->desc_shadow;
	unsigned int i;

	vq->next_avail = base & 0x7fff;
	vq->avail_wrap = base & 0x8000;
	vq->next_used = (base >> 16) & 0x7fff;
	vq->used_wrap = base & 0x80000000;
	/* every descriptor looks used by an earlier lap, not available, not used now */
	for (i = 0; i < vq->num; i++) {
		bool earlier = i < vq->next_avail ? vq->avail_wrap : !vq->avail_wrap;

		vq->pdesc[i].flags = earlier ? VT_PACKED_AVAIL | VT_PACKED_USED : 0;
		shadow[i] = vq->pdesc[i];
	}
}

void vt_packed_add(struct vt_queue *vq, const struct vring_desc *chain,
		   const struct vt_slot *slot)
{
	unsigned int id = vq->free_ids[--vq->nfree_ids];
	struct vt_packed_desc *shadow = vq->desc_shadow;
	unsigned int i;

	for (i = 0; i < slot->ndesc; i++) {
		unsigned int pos = vq->next_avail;
		struct vt_packed_desc desc = {
			.addr = chain[i].addr,
			.len = chain[i].len,
			.id = id,
			.flags = chain[i].flags | avail_bits(vq->avail_wrap),
		};

		if (!vq->batch) {
			/* held back until the batch is published */
			vq->batch = true;
			vq->batch_pos = pos;
			vq->batch_flags = desc.flags;
			vq->pdesc[pos].addr = desc.addr;
			vq->pdesc[pos].len = desc.len;
			vq->pdesc[pos].id = desc.id;
		} else {
			vq->pdesc[pos] = desc;
		}
		shadow[pos] = desc;
		if (++vq->next_avail == vq->num) {
			vq->next_avail = 0;
			vq->avail_wrap = !vq->avail_wrap;
		}
	}
	vq->slots[id] = *slot;
	vq->added += slot->ndesc;
}

void vt_packed_publish(struct vt_queue *vq)
{
	if (vq->batch)
		__atomic_store_n(&vq->pdesc[vq->batch_pos].flags, vq->batch_flags,
				 __ATOMIC_RELEASE);
	vq->batch = false;
	vq->pending_kick += vq->added;
	vq->added = 0;
}

bool vt_packed_kick_wanted(struct vt_queue *vq)
{
	volatile struct vt_packed_event *event = vq->pdevice;
	uint16_t flags = event->flags & 3;
	uint16_t off_wrap = event->off_wrap;
	uint16_t added = vq->pending_kick;
	int off = off_wrap & 0x7fff;

	vq->pending_kick = 0;
	if (flags != VRING_PACKED_EVENT_FLAG_DESC)
		return flags == VRING_PACKED_EVENT_FLAG_ENABLE;
	/* the offset as seen from this lap */
	if ((off_wrap >> 15) != vq->avail_wrap)
		off -= vq->num;
	return vring_need_event(off, vq->next_avail, vq->next_avail - added);
}

int vt_packed_get_used(struct vt_queue *vq, struct vt_used *used)
{
	const uint16_t both = VT_PACKED_AVAIL | VT_PACKED_USED;
	struct vt_packed_desc *desc = &vq->pdesc[vq->next_used];
	struct vt_packed_desc *shadow = vq->desc_shadow;
	uint16_t flags = __atomic_load_n(&desc->flags, __ATOMIC_ACQUIRE);
	struct vt_slot *slot;
	uint32_t len;

	if ((flags & both) != (vq->used_wrap ? both : 0) || !vq->inflight)
		return 0;
	if (desc->id >= vq->num || !vq->slots[desc->id].busy)
		return vt_breach(vq, "used id %u at %u is not in flight", desc->id, vq->next_used);
	if (flags & ~(both | VRING_DESC_F_WRITE))
		return vt_breach(vq, "used flags %#x at %u", flags, vq->next_used);
	if (vq->pdevice->flags > VRING_PACKED_EVENT_FLAG_DESC ||
	    (!vq->event_idx && vq->pdevice->flags == VRING_PACKED_EVENT_FLAG_DESC))
		return vt_breach(vq, "device event flags %#x", vq->pdevice->flags);
	slot = &vq->slots[desc->id];
	/* the length counts only where the device says that it wrote */
	len = flags & VRING_DESC_F_WRITE ? desc->len : 0;
	if (len > slot->writable)
		return vt_breach(vq, "used length %u of a buffer with %u writable", len,
				 slot->writable);
	shadow[vq->next_used] = *desc;
	used->cookie = slot->cookie;
	used->len = len;
	slot->busy = false;
	vq->free_ids[vq->nfree_ids++] = desc->id;
	vq->nfree += slot->ndesc;
	vq->next_used += slot->ndesc;
	if (vq->next_used >= vq->num) {
		vq->next_used -= vq->num;
		vq->used_wrap = !vq->used_wrap;
	}
	vq->inflight--;
	vq->ncompleted++;
	return 1;
}

void vt_packed_irq(struct vt_queue *vq, enum vt_irq mode)
{
	volatile struct vt_packed_event *event = vq->pdriver;

	event->flags = mode == VT_IRQ_OFF ? VRING_PACKED_EVENT_FLAG_DISABLE :
					    VRING_PACKED_EVENT_FLAG_ENABLE;
}

void vt_packed_irq_after(struct vt_queue *vq, unsigned int n)
{
	volatile struct vt_packed_event *event = vq->pdriver;
	unsigned int pos = vq->next_used + n - 1;
	bool wrap = vq->used_wrap;

	if (pos >= vq->num) {
		pos -= vq->num;
		wrap = !wrap;
	}
	event->off_wrap = pos | (wrap ? 0x8000 : 0);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	event->flags = VRING_PACKED_EVENT_FLAG_DESC;
}
