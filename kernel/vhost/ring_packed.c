// SPDX-License-Identifier: GPL-2.0-only
/* Packed virtqueues (virtio 1.2, 2.8). All with vq->mutex held. */
#include "core.h"

#define ASV_DESC_OFF(slot)	((slot) * (u32)sizeof(struct vring_packed_desc))
#define ASV_DESC_LEN		offsetof(struct vring_packed_desc, len)
#define ASV_DESC_FLAGS		offsetof(struct vring_packed_desc, flags)
#define ASV_EVENT_OFF_WRAP	offsetof(struct vring_packed_desc_event, off_wrap)
#define ASV_EVENT_FLAGS		offsetof(struct vring_packed_desc_event, flags)

#define ASV_DESC_AVAIL		BIT(VRING_PACKED_DESC_F_AVAIL)
#define ASV_DESC_USED		BIT(VRING_PACKED_DESC_F_USED)

/* Go @n slots on, at most the ring's size. */
void asv_packed_step(struct asv_vq *vq, u16 *slot, bool *wrap, unsigned int n)
{
	unsigned int next = *slot + n;

	if (next >= vq->num) {
		next -= vq->num;
		*wrap = !*wrap;
	}
	*slot = next;
}

static bool asv_packed_is_avail(u16 flags, bool wrap)
{
	return !!(flags & ASV_DESC_AVAIL) == wrap && !!(flags & ASV_DESC_USED) != wrap;
}

static int asv_packed_read16(struct asv_vq *vq, enum asv_area_type type, u32 off, u16 *val)
{
	__le16 __user *from = asv_area_ptr(vq, type, off);
	__le16 raw;

	if (unlikely(get_user(raw, from)))
		return -EFAULT;
	*val = le16_to_cpu(raw);
	return 0;
}

int asv_packed_more(struct asv_vq *vq)
{
	u16 flags;

	if (unlikely(asv_packed_read16(vq, ASV_AREA_DESC,
				       ASV_DESC_OFF(vq->avail) + ASV_DESC_FLAGS, &flags)))
		return -EFAULT;
	return asv_packed_is_avail(flags, vq->avail_wrap);
}

/*
 * The driver makes a chain's first descriptor available last, so the others are
 * complete when it is seen. The buffer id is in the last one.
 */
int asv_packed_fetch(struct asv_vq *vq, struct asv_chain *chain)
{
	u64 __user *from = asv_area_ptr(vq, ASV_AREA_DESC, ASV_DESC_OFF(vq->avail));
	struct asv_desc *desc = vq->descs;
	unsigned int slot = vq->avail, n = 0;
	u16 first;
	u64 lo, hi;

	/* Every part of the ring was found to be user memory when it was set. */
	if (!user_read_access_begin(from, sizeof(struct vring_packed_desc)))
		return -EFAULT;
	unsafe_get_user(first, (u16 __user *)((void __user *)from + ASV_DESC_FLAGS), fault);
	first = le16_to_cpu((__force __le16)first);
	if (!asv_packed_is_avail(first, vq->avail_wrap)) {
		user_read_access_end();
		return 0;
	}
	/* The rest of a descriptor is read after the flags that hand it over. */
	smp_rmb();
	for (;;) {
		unsafe_get_user(lo, from, fault);
		unsafe_get_user(hi, from + 1, fault);
		asv_desc_decode(desc, (__force __le64)lo, (__force __le64)hi, true);
		if (!n)
			desc->flags = first;
		n++;
		if (!(desc->flags & VRING_DESC_F_NEXT))
			break;
		if (unlikely(n == vq->num)) {
			user_read_access_end();
			asv_vq_break(vq, "chain longer than the ring");
			return -EIO;
		}
		if (++slot == vq->num)
			slot = 0;
		from = asv_area_ptr(vq, ASV_AREA_DESC, ASV_DESC_OFF(slot));
		desc++;
	}
	user_read_access_end();
	vq->ndescs = n;
	chain->id = desc->id;
	chain->slots = n;
	return 1;
fault:
	user_read_access_end();
	return -EFAULT;
}

/* Length, id and flags of a used descriptor: the second of its two words. */
static u64 asv_packed_used_word(const struct asv_used *used, bool wrap)
{
	u64 flags = wrap ? ASV_DESC_AVAIL | ASV_DESC_USED : 0;

	if (used->len)
		flags |= VRING_DESC_F_WRITE;
	return (__force u64)cpu_to_le64(used->len | (u64)used->id << 32 | flags << 48);
}

/*
 * The driver looks at used descriptors in the order of the ring, so it sees none
 * of a batch before the first, which is therefore written last.
 */
int asv_packed_put(struct asv_vq *vq, const struct asv_used *used, unsigned int n)
{
	u64 __user *to = asv_area_ptr(vq, ASV_AREA_DESC, ASV_DESC_OFF(vq->used) + ASV_DESC_LEN);
	u64 __user *first_to = to;
	u64 first = asv_packed_used_word(&used[0], vq->used_wrap);
	u16 slot = vq->used, start = slot;
	bool wrap = vq->used_wrap;
	unsigned int i, slots = 0;

	if (!user_write_access_begin(to, sizeof(*to)))
		return -EFAULT;
	for (i = 0; i < n; i++) {
		if (i) {
			to = asv_area_ptr(vq, ASV_AREA_DESC, ASV_DESC_OFF(slot) + ASV_DESC_LEN);
			unsafe_put_user(asv_packed_used_word(&used[i], wrap), to, fault);
		}
		slots += used[i].slots;
		slot += used[i].slots;
		if (slot >= vq->num) {
			slot -= vq->num;
			wrap = !wrap;
		}
	}
	/* Buffers and later descriptors are written before the first. */
	smp_wmb();
	unsafe_put_user(first, first_to, fault);
	user_write_access_end();

	vq->used = slot;
	vq->used_wrap = wrap;
	vq->unsignalled += slots;
	if (unlikely(vq->log_used)) {
		for (i = 0, slot = start; i < n; i++) {
			asv_log_area(vq, ASV_AREA_DESC, ASV_DESC_OFF(slot) + ASV_DESC_LEN,
				     sizeof(u64));
			slot += used[i].slots;
			if (slot >= vq->num)
				slot -= vq->num;
		}
	}
	return 0;
fault:
	user_write_access_end();
	return -EFAULT;
}

/*
 * Has the descriptor that the driver named been used since the last look? Counted
 * in slots back from the next one to use. The driver may name a slot up to one lap
 * ahead, which has the other wrap counter and a smaller number: that is a lap or
 * more back here, further than anything that was just used.
 */
static bool asv_packed_passed(struct asv_vq *vq, u16 off_wrap)
{
	unsigned int off = off_wrap & ~BIT(VRING_PACKED_EVENT_F_WRAP_CTR);
	bool wrap = off_wrap >> VRING_PACKED_EVENT_F_WRAP_CTR;
	int back = vq->used - off;

	if (wrap != vq->used_wrap)
		back += vq->num;
	return back > 0 && back <= min(vq->unsignalled, vq->num);
}

int asv_packed_wants_call(struct asv_vq *vq)
{
	u16 flags, off_wrap;
	bool wants;

	if (unlikely(asv_packed_read16(vq, ASV_AREA_DRIVER, ASV_EVENT_FLAGS, &flags)))
		return -EFAULT;
	switch (flags & 3) {
	case VRING_PACKED_EVENT_FLAG_DISABLE:
		wants = false;
		break;
	case VRING_PACKED_EVENT_FLAG_DESC:
		if (!vq->event_idx) {
			wants = true;
			break;
		}
		/* The driver writes the place before the flags that name it. */
		smp_rmb();
		if (unlikely(asv_packed_read16(vq, ASV_AREA_DRIVER, ASV_EVENT_OFF_WRAP,
					       &off_wrap)))
			return -EFAULT;
		wants = asv_packed_passed(vq, off_wrap);
		break;
	default:
		wants = true;
	}
	vq->unsignalled = 0;
	return wants;
}

static int asv_packed_write16(struct asv_vq *vq, u32 off, u16 val)
{
	__le16 __user *to = asv_area_ptr(vq, ASV_AREA_DEVICE, off);

	if (unlikely(put_user(cpu_to_le16(val), to)))
		return -EFAULT;
	asv_log_area(vq, ASV_AREA_DEVICE, off, sizeof(*to));
	return 0;
}

/*
 * With event indices a kick is wanted for the next slot; while the device is busy
 * the stale place keeps the driver quiet, for a lap at least.
 */
int asv_packed_set_notify(struct asv_vq *vq, bool on)
{
	u16 flags = on ? VRING_PACKED_EVENT_FLAG_ENABLE : VRING_PACKED_EVENT_FLAG_DISABLE;
	int ret;

	if (!vq->event_idx || (!on && !vq->event_set))
		return asv_packed_write16(vq, ASV_EVENT_FLAGS, flags);
	if (!on)
		return 0;
	vq->event_set = true;
	ret = asv_packed_write16(vq, ASV_EVENT_OFF_WRAP,
				 vq->avail | vq->avail_wrap << VRING_PACKED_EVENT_F_WRAP_CTR);
	if (unlikely(ret))
		return ret;
	/* The place is written before the flags that name it. */
	smp_wmb();
	return asv_packed_write16(vq, ASV_EVENT_FLAGS, VRING_PACKED_EVENT_FLAG_DESC);
}
