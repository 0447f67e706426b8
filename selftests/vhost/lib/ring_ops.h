/* SPDX-License-Identifier: GPL-2.0-only */
/* What each ring format brings; used by ring.c alone. */
#ifndef VT_RING_OPS_H
#define VT_RING_OPS_H

#include "ring.h"

void vt_split_reset(struct vt_queue *vq, uint32_t base);
void vt_split_add(struct vt_queue *vq, const struct vring_desc *chain,
		  const struct vt_slot *slot);
void vt_split_publish(struct vt_queue *vq);
bool vt_split_kick_wanted(struct vt_queue *vq);
int vt_split_get_used(struct vt_queue *vq, struct vt_used *used);
void vt_split_irq(struct vt_queue *vq, enum vt_irq mode);
void vt_split_irq_after(struct vt_queue *vq, unsigned int n);

void vt_packed_reset(struct vt_queue *vq, uint32_t base);
void vt_packed_add(struct vt_queue *vq, const struct vring_desc *chain,
		   const struct vt_slot *slot);
void vt_packed_publish(struct vt_queue *vq);
bool vt_packed_kick_wanted(struct vt_queue *vq);
int vt_packed_get_used(struct vt_queue *vq, struct vt_used *used);
void vt_packed_irq(struct vt_queue *vq, enum vt_irq mode);
void vt_packed_irq_after(struct vt_queue *vq, unsigned int n);

#endif /* VT_RING_OPS_H */
