// SPDX-License-Identifier: GPL-2.0-only
/* Split virtqueues, the driver's side: virtio 1.2, section 2.7. */
#include <errno.h>
#include <string.h>

#include "ring_ops.h"

static volatile __virtio16 *used_event(struct vt_queue *vq)
{
	return &vq->avail->ring[vq->num];
}

static volatile __virtio16 *avail_event(struct vt_queue *vq)
{
	return (__virtio16 *)&vq->used->ring[vq->num];
}

void vt_split_reset(struct vt_queue *vq, uint32_t base)
{
	vq->next_avail = base;
	vq->next_used = base;
	vq->avail->idx = base;
	vq->used->idx = base;
	*avail_event(vq) = base;
}

void vt_split_add(struct vt_queue *vq, const struct vring_desc *chain,
		  const struct vt_slot *slot)
{
	struct vring_desc *shadow = vq->desc_shadow;
	unsigned int head = vq->free_ids[vq->nfree_ids - 1];
	unsigned int i;

	for (i = 0; i < slot->ndesc; i++) {
		unsigned int pos = vq->free_ids[--vq->nfree_ids];

		vq->desc[pos] = chain[i];
		if (i + 1 < slot->ndesc)
			vq->desc[pos].next = vq->free_ids[vq->nfree_ids - 1];
		shadow[pos] = vq->desc[pos];
	}
	vq->slots[head] = *slot;
	vq->avail->ring[(uint16_t)(vq->next_avail + vq->added) % vq->num] = head;
	vq->added++;
}

void vt_split_publish(struct vt_queue *vq)
{
	vq->next_avail += vq->added;
	vq->added = 0;
	__atomic_store_n(&vq->avail->idx, vq->next_avail, __ATOMIC_RELEASE);
}

bool vt_split_kick_wanted(struct vt_queue *vq)
{
	uint16_t old = vq->kicked;

	vq->kicked = vq->next_avail;
	if (vq->event_idx)
		return vring_need_event(*avail_event(vq), vq->next_avail, old);
	return !(*(volatile __virtio16 *)&vq->used->flags & VRING_USED_F_NO_NOTIFY);
}

static void release(struct vt_queue *vq, unsigned int head)
{
	const struct vring_desc *shadow = vq->desc_shadow;
	unsigned int pos = head;

	/* by the shadow: what the ring holds now is not the driver's to trust */
	while (shadow[pos].flags & VRING_DESC_F_NEXT) {
		vq->free_ids[vq->nfree_ids++] = pos;
		pos = shadow[pos].next;
	}
	vq->free_ids[vq->nfree_ids++] = pos;
	vq->nfree += vq->slots[head].ndesc;
}

int vt_split_get_used(struct vt_queue *vq, struct vt_used *used)
{
	uint16_t idx = __atomic_load_n(&vq->used->idx, __ATOMIC_ACQUIRE);
	const struct vring_used_elem *elem;
	struct vt_slot *slot;

	if ((uint16_t)(idx - vq->next_used) > vq->inflight)
		return vt_breach(vq, "used index %u, after %u with %u in flight", idx,
				 vq->next_used, vq->inflight);
	if (idx == vq->next_used)
		return 0;
	if (vq->used->flags & ~VRING_USED_F_NO_NOTIFY)
		return vt_breach(vq, "used flags %#x", vq->used->flags);
	elem = &vq->used->ring[vq->next_used % vq->num];
	if (elem->id >= vq->num || !vq->slots[elem->id].busy)
		return vt_breach(vq, "used id %u at %u is not in flight", elem->id, vq->next_used);
	slot = &vq->slots[elem->id];
	if (elem->len > slot->writable)
		return vt_breach(vq, "used length %u of a buffer with %u writable", elem->len,
				 slot->writable);
	used->cookie = slot->cookie;
	used->len = elem->len;
	slot->busy = false;
	release(vq, elem->id);
	vq->next_used++;
	vq->inflight--;
	vq->ncompleted++;
	return 1;
}

void vt_split_irq(struct vt_queue *vq, enum vt_irq mode)
{
	vq->avail->flags = mode == VT_IRQ_OFF ? VRING_AVAIL_F_NO_INTERRUPT : 0;
	/* off is only a hint with event index: an index that is half a lap away */
	if (vq->event_idx)
		*used_event(vq) = mode == VT_IRQ_OFF ? vq->next_used - 1 - 0x7fff : vq->next_used;
}

void vt_split_irq_after(struct vt_queue *vq, unsigned int n)
{
	*used_event(vq) = vq->next_used + n - 1;
}
