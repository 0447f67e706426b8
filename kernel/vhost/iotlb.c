// SPDX-License-Identifier: GPL-2.0-only
/*
 * VIRTIO_F_ACCESS_PLATFORM: addresses in rings and descriptors are I/O virtual,
 * and user space tells by messages where they are. A lookup that finds nothing
 * asks for the entry and gives up; the queue gets a turn when entries come.
 */
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "core.h"

static unsigned int max_iotlb_entries = 2048;
module_param(max_iotlb_entries, uint, 0444);
MODULE_PARM_DESC(max_iotlb_entries,
		 "I/O TLB entries of a device; more push the oldest out (default 2048)");

/* Misses of a device that are kept for user space, for each of its queues. */
#define ASV_MSGS_PER_VQ		4

/**
 * struct asv_msg - a miss
 * @list: in dev->msg_read until read, then in dev->msg_pending until answered
 * @vq: who missed
 * @iova: what
 * @perm: VHOST_ACCESS_...
 */
struct asv_msg {
	struct list_head list;
	struct asv_vq *vq;
	u64 iova;
	u8 perm;
};

/* ---- misses ---- */

static struct asv_msg *asv_msg_find(struct list_head *list, struct asv_vq *vq, u64 iova)
{
	struct asv_msg *msg;

	list_for_each_entry(msg, list, list)
		if (msg->vq == vq && msg->iova == iova)
			return msg;
	return NULL;
}

/* What a new miss takes the place of: the same, read but not answered; the oldest. */
static struct asv_msg *asv_msg_replaced(struct asv_dev *dev, struct asv_vq *vq, u64 iova)
{
	struct asv_msg *old = asv_msg_find(&dev->msg_pending, vq, iova);

	if (old || dev->nmsgs < ASV_MSGS_PER_VQ * dev->nvqs)
		return old;
	old = list_first_entry_or_null(&dev->msg_pending, struct asv_msg, list);
	return old ?: list_first_entry(&dev->msg_read, struct asv_msg, list);
}

/* Ask user space for an entry. vq->mutex held; sleeps. */
static int asv_iotlb_miss(struct asv_vq *vq, u64 iova, u8 perm)
{
	struct asv_dev *dev = vq->dev;
	struct asv_msg *msg, *spare;

	msg = kmalloc(sizeof(*msg), GFP_KERNEL_ACCOUNT);
	if (!msg)
		return -ENOMEM;
	msg->vq = vq;
	msg->iova = iova;
	msg->perm = perm;

	spin_lock(&dev->msg_lock);
	vq->missed = true;
	if (asv_msg_find(&dev->msg_read, vq, iova)) {
		spare = msg;
	} else {
		spare = asv_msg_replaced(dev, vq, iova);
		if (spare)
			list_del(&spare->list);
		else
			dev->nmsgs++;
		list_add_tail(&msg->list, &dev->msg_read);
	}
	spin_unlock(&dev->msg_lock);
	kfree(spare);
	wake_up_interruptible_poll(&dev->msg_wait, EPOLLIN | EPOLLRDNORM);
	return -EAGAIN;
}

/* An entry came: forget the misses that it answers, and let who missed try again. */
static void asv_iotlb_answered(struct asv_dev *dev, u64 first, u64 last)
{
	struct asv_msg *msg, *next;
	unsigned int i;
	LIST_HEAD(done);

	spin_lock(&dev->msg_lock);
	list_for_each_entry_safe(msg, next, &dev->msg_pending, list) {
		if (msg->iova >= first && msg->iova <= last) {
			list_move(&msg->list, &done);
			dev->nmsgs--;
		}
	}
	for (i = 0; i < dev->nvqs; i++) {
		if (dev->vqs[i]->missed) {
			dev->vqs[i]->missed = false;
			asv_vq_kick(dev->vqs[i]);
		}
	}
	spin_unlock(&dev->msg_lock);
	list_for_each_entry_safe(msg, next, &done, list)
		kfree(msg);
}

void asv_iotlb_clear_msgs(struct asv_dev *dev)
{
	struct asv_msg *msg, *next;
	LIST_HEAD(all);

	spin_lock(&dev->msg_lock);
	list_splice_init(&dev->msg_read, &all);
	list_splice_init(&dev->msg_pending, &all);
	dev->nmsgs = 0;
	spin_unlock(&dev->msg_lock);
	list_for_each_entry_safe(msg, next, &all, list)
		kfree(msg);
}
EXPORT_SYMBOL_GPL(asv_iotlb_clear_msgs);

/* ---- lookups, vq->mutex held ---- */

/* Segments; -EAGAIN where an entry is missing: @addr is set to its address. */
static int asv_iotlb_walk(struct vhost_iotlb *iotlb, u64 *addr, u64 len, u32 perm,
			  struct iovec *iov, unsigned int iov_max)
{
	u64 last = *addr + len - 1;
	unsigned int n;

	for (n = 0; len; n++) {
		struct vhost_iotlb_map *map = vhost_iotlb_itree_first(iotlb, *addr, last);
		u64 off, part;

		if (!map || map->start > *addr)
			return -EAGAIN;
		if ((map->perm & perm) != perm)
			return -EFAULT;
		if (n == iov_max)
			return -ENOBUFS;
		off = *addr - map->start;
		part = min(len, map->last - *addr + 1);
		iov[n].iov_base = u64_to_user_ptr(map->addr + off);
		iov[n].iov_len = part;
		*addr += part;
		len -= part;
	}
	return n;
}

static int asv_iotlb_lookup(struct asv_vq *vq, u64 addr, u64 len, u32 perm,
			    struct iovec *iov, unsigned int iov_max)
{
	struct asv_dev *dev = vq->dev;
	int ret;

	if (!len)
		return 0;
	if (unlikely(addr + len - 1 < addr))
		return -EFAULT;
	read_lock(&dev->iotlb_lock);
	ret = asv_iotlb_walk(dev->iotlb, &addr, len, perm, iov, iov_max);
	read_unlock(&dev->iotlb_lock);
	if (ret == -EAGAIN)
		ret = asv_iotlb_miss(vq, addr, perm);
	return ret;
}

int asv_iotlb_translate(struct asv_vq *vq, u64 addr, u64 len, bool write,
			struct iovec *iov, unsigned int iov_max)
{
	return asv_iotlb_lookup(vq, addr, len, write ? VHOST_ACCESS_WO : VHOST_ACCESS_RO,
				iov, iov_max);
}

static u32 asv_area_perm(const struct asv_vq *vq, enum asv_area_type type)
{
	switch (type) {
	case ASV_AREA_DESC:
		return vq->packed ? VHOST_ACCESS_RW : VHOST_ACCESS_RO;
	case ASV_AREA_DRIVER:
		return VHOST_ACCESS_RO;
	default:
		return VHOST_ACCESS_WO;
	}
}

/* Where each page of a part of the ring is. What was known before stays until then. */
static int asv_area_resolve(struct asv_vq *vq, enum asv_area_type type)
{
	static const u8 align[ASV_AREAS] = { sizeof(struct vring_desc), 2, 4 };
	struct asv_area *area = &vq->area[type];
	u64 addr = area->uaddr, end = addr + asv_area_size(vq, type);
	unsigned int i, n = PFN_UP(end) - PFN_DOWN(addr);
	bool contiguous = true;
	unsigned long *pages;
	struct iovec iov;
	int ret;

	if (end < addr || !IS_ALIGNED(addr, align[type]))
		return -EFAULT;
	pages = kvmalloc_array(n, sizeof(*pages), GFP_KERNEL_ACCOUNT);
	if (!pages)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		u64 part = min(end, (addr | ~PAGE_MASK) + 1) - addr;

		ret = asv_iotlb_lookup(vq, addr, part, asv_area_perm(vq, type), &iov, 1);
		if (ret != 1) {
			kvfree(pages);
			return ret == -ENOBUFS ? -EFAULT : ret;
		}
		pages[i] = (unsigned long)iov.iov_base - offset_in_page(addr);
		contiguous &= pages[i] == pages[0] + i * PAGE_SIZE;
		addr += part;
	}
	kvfree(area->pages);
	area->pages = pages;
	area->base = contiguous ? (void __user *)(pages[0] + offset_in_page(area->uaddr)) :
		     NULL;
	return 0;
}

/*
 * Find the ring at first, and again after entries went away. 0, -EAGAIN if one is missing, any
 * other error if it cannot be used.
 */
int asv_iotlb_resolve(struct asv_vq *vq)
{
	u64 gen = READ_ONCE(vq->dev->iotlb_gen);
	unsigned int i;
	int ret;

	if (vq->area_gen == gen)
		return 0;
	for (i = 0; i < ASV_AREAS; i++) {
		ret = asv_area_resolve(vq, i);
		if (ret)
			return ret;
	}
	if (!vq->used_known) {
		ret = asv_split_init(vq);
		if (ret)
			return ret;
	}
	vq->area_gen = gen;
	return 0;
}

/* ---- switching it on and off, dev->mutex held ---- */

/* Start with no entries: VHOST_SET_FEATURES with VIRTIO_F_ACCESS_PLATFORM. */
int asv_iotlb_enable(struct asv_dev *dev)
{
	struct vhost_iotlb *iotlb;

	if (dev->iotlb) {
		write_lock(&dev->iotlb_lock);
		vhost_iotlb_reset(dev->iotlb);
		dev->iotlb_gen++;
		write_unlock(&dev->iotlb_lock);
		return 0;
	}
	if (!max_iotlb_entries)
		return -EINVAL;
	iotlb = vhost_iotlb_alloc(max_iotlb_entries, VHOST_IOTLB_FLAG_RETIRE);
	if (!iotlb)
		return -ENOMEM;
	WRITE_ONCE(dev->iotlb, iotlb);
	return 0;
}

/* No queue runs. */
void asv_iotlb_disable(struct asv_dev *dev)
{
	struct vhost_iotlb *iotlb = dev->iotlb;

	if (!iotlb)
		return;
	WRITE_ONCE(dev->iotlb, NULL);
	asv_iotlb_clear_msgs(dev);
	vhost_iotlb_free(iotlb);
	wake_up_interruptible_poll(&dev->msg_wait, EPOLLIN | EPOLLRDNORM);
}

/* ---- messages ---- */

static int asv_iotlb_update(struct asv_dev *dev, const struct vhost_iotlb_msg *msg)
{
	u64 last = msg->iova + msg->size - 1;
	int ret;

	if (last < msg->iova || !access_ok(u64_to_user_ptr(msg->uaddr), msg->size))
		return -EFAULT;
	write_lock(&dev->iotlb_lock);
	/* A full table lets an old entry go. */
	if (dev->iotlb->nmaps >= dev->iotlb->limit)
		dev->iotlb_gen++;
	ret = vhost_iotlb_add_range(dev->iotlb, msg->iova, last, msg->uaddr, msg->perm);
	write_unlock(&dev->iotlb_lock);
	if (!ret)
		asv_iotlb_answered(dev, msg->iova, last);
	return ret;
}

/* When it returns nothing reaches memory by the old entries any more. */
static int asv_iotlb_invalidate(struct asv_dev *dev, const struct vhost_iotlb_msg *msg)
{
	u64 last = msg->iova + msg->size - 1;
	unsigned int i;

	if (last < msg->iova)
		return -EFAULT;
	write_lock(&dev->iotlb_lock);
	vhost_iotlb_del_range(dev->iotlb, msg->iova, last);
	dev->iotlb_gen++;
	write_unlock(&dev->iotlb_lock);
	for (i = 0; i < dev->nvqs; i++) {
		asv_vq_pause(dev->vqs[i]);
		asv_vq_resume(dev->vqs[i]);
	}
	return 0;
}

static int asv_iotlb_message(struct asv_dev *dev, const struct vhost_iotlb_msg *msg)
{
	int ret;

	if (mutex_lock_killable(&dev->mutex))
		return -EINTR;
	if (!dev->iotlb)
		ret = -EFAULT;
	else if (msg->type == VHOST_IOTLB_UPDATE)
		ret = asv_iotlb_update(dev, msg);
	else if (msg->type == VHOST_IOTLB_INVALIDATE)
		ret = asv_iotlb_invalidate(dev, msg);
	else
		ret = -EINVAL;
	mutex_unlock(&dev->mutex);
	return ret;
}

ssize_t asv_chr_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	struct asv_dev *dev = iocb->ki_filp->private_data;
	struct vhost_iotlb_msg msg;
	size_t hole;
	int type;

	if (copy_from_iter(&type, sizeof(type), from) != sizeof(type))
		return -EINVAL;
	switch (type) {
	case VHOST_IOTLB_MSG:
		hole = offsetof(struct vhost_msg, iotlb) - sizeof(type);
		break;
	case VHOST_IOTLB_MSG_V2:
		hole = offsetof(struct vhost_msg_v2, iotlb) - sizeof(type);
		break;
	default:
		return -EINVAL;
	}
	iov_iter_advance(from, hole);
	if (copy_from_iter(&msg, sizeof(msg), from) != sizeof(msg))
		return -EINVAL;
	if (msg.type == VHOST_IOTLB_UPDATE && !msg.size)
		return -EINVAL;
	/* The one error that this interface has for a message that cannot be done. */
	if (asv_iotlb_message(dev, &msg))
		return -EFAULT;
	return type == VHOST_IOTLB_MSG ? sizeof(struct vhost_msg) : sizeof(struct vhost_msg_v2);
}
EXPORT_SYMBOL_GPL(asv_chr_write_iter);

__poll_t asv_chr_poll(struct file *file, poll_table *wait)
{
	struct asv_dev *dev = file->private_data;

	poll_wait(file, &dev->msg_wait, wait);
	return list_empty_careful(&dev->msg_read) ? 0 : EPOLLIN | EPOLLRDNORM;
}
EXPORT_SYMBOL_GPL(asv_chr_poll);

/* The oldest unread miss goes to @pending; its message into @out. */
static bool asv_msg_take(struct asv_dev *dev, struct vhost_iotlb_msg *out)
{
	struct asv_msg *msg;

	spin_lock(&dev->msg_lock);
	msg = list_first_entry_or_null(&dev->msg_read, struct asv_msg, list);
	if (msg) {
		list_move_tail(&msg->list, &dev->msg_pending);
		*out = (struct vhost_iotlb_msg) {
			.type = VHOST_IOTLB_MISS,
			.iova = msg->iova,
			.perm = msg->perm,
		};
	}
	spin_unlock(&dev->msg_lock);
	return msg;
}

static int asv_msg_wait(struct asv_dev *dev, struct vhost_iotlb_msg *out, bool nonblock)
{
	DEFINE_WAIT(wait);
	int ret = 0;

	for (;;) {
		prepare_to_wait(&dev->msg_wait, &wait, TASK_INTERRUPTIBLE);
		if (asv_msg_take(dev, out))
			break;
		if (nonblock)
			ret = -EAGAIN;
		else if (signal_pending(current))
			ret = -ERESTARTSYS;
		else if (!READ_ONCE(dev->iotlb))
			ret = -EBADFD;
		if (ret)
			break;
		schedule();
	}
	finish_wait(&dev->msg_wait, &wait);
	return ret;
}

ssize_t asv_chr_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct asv_dev *dev = iocb->ki_filp->private_data;
	bool nonblock = (iocb->ki_filp->f_flags & O_NONBLOCK) || (iocb->ki_flags & IOCB_NOWAIT);
	struct vhost_msg_v2 v2 = { .type = VHOST_IOTLB_MSG_V2 };
	struct vhost_msg v1;
	struct vhost_iotlb_msg msg;
	int ret;

	if (iov_iter_count(to) < sizeof(v1))
		return 0;
	ret = asv_msg_wait(dev, &msg, nonblock);
	if (ret)
		return ret;
	if (dev->backend_features & BIT_ULL(VHOST_BACKEND_F_IOTLB_MSG_V2)) {
		v2.iotlb = msg;
		return copy_to_iter(&v2, sizeof(v2), to);
	}
	memset(&v1, 0, sizeof(v1));
	v1.type = VHOST_IOTLB_MSG;
	v1.iotlb = msg;
	return copy_to_iter(&v1, sizeof(v1), to);
}
EXPORT_SYMBOL_GPL(asv_chr_read_iter);
