// SPDX-License-Identifier: GPL-2.0-only
/* Setting a queue up, starting and stopping it: the ioctls of one ring. */
#include <linux/export.h>
#include <linux/file.h>
#include <linux/log2.h>
#include <linux/nospec.h>
#include <linux/slab.h>

#include "core.h"
#include "trace.h"

/* ---- polling a file ---- */

static int asv_poll_wake(wait_queue_entry_t *wait, unsigned int mode, int sync, void *key)
{
	struct asv_poll *poll = container_of(wait, struct asv_poll, wait);
	struct asv_vq *vq = poll->vq;

	if (!(key_to_poll(key) & poll->mask))
		return 0;
	if (poll == &vq->kick_poll) {
		trace_asv_kick(vq);
		WRITE_ONCE(vq->kicked, true);
	}
	asv_vq_kick(vq);
	return 0;
}

static void asv_poll_queue(struct file *file, wait_queue_head_t *wqh, poll_table *table)
{
	struct asv_poll *poll = container_of(table, struct asv_poll, table);

	poll->wqh = wqh;
	add_wait_queue(wqh, &poll->wait);
}

void asv_poll_init(struct asv_poll *poll, struct asv_vq *vq, __poll_t mask)
{
	init_waitqueue_func_entry(&poll->wait, asv_poll_wake);
	init_poll_funcptr(&poll->table, asv_poll_queue);
	poll->mask = mask;
	poll->vq = vq;
	poll->wqh = NULL;
}
EXPORT_SYMBOL_GPL(asv_poll_init);

int asv_poll_start(struct asv_poll *poll, struct file *file)
{
	__poll_t mask;

	if (poll->wqh)
		return 0;
	mask = vfs_poll(file, &poll->table);
	if (mask & EPOLLERR) {
		asv_poll_stop(poll);
		return -EINVAL;
	}
	if (mask & poll->mask)
		asv_poll_wake(&poll->wait, 0, 0, poll_to_key(mask));
	return 0;
}
EXPORT_SYMBOL_GPL(asv_poll_start);

void asv_poll_stop(struct asv_poll *poll)
{
	if (poll->wqh) {
		remove_wait_queue(poll->wqh, &poll->wait);
		poll->wqh = NULL;
	}
}
EXPORT_SYMBOL_GPL(asv_poll_stop);

/* ---- life of a queue ---- */

static void asv_vq_defaults(struct asv_vq *vq)
{
	vq->started = false;
	vq->broken = false;
	vq->dead = false;
	vq->log_used = false;
	vq->log = false;
	vq->num = 1;
	vq->avail = 0;
	vq->used = 0;
	/* The wrap counters of a packed ring start at 1 (2.8.1). */
	vq->avail_wrap = true;
	vq->used_wrap = true;
	vq->log_addr = 0;
	vq->log_base = NULL;
	vq->log_fd = NULL;
	vq->busyloop_us = 0;
	vq->mem = NULL;
	vq->kicked = false;
	vq->missed = false;
}

void asv_vq_init(struct asv_vq *vq, struct asv_dev *dev, unsigned int index)
{
	vq->dev = dev;
	vq->index = index;
	mutex_init(&vq->mutex);
	init_waitqueue_head(&vq->idle);
	asv_work_init(&vq->kick_work, asv_vq_turn);
	asv_poll_init(&vq->kick_poll, vq, EPOLLIN);
	hrtimer_init(&vq->throttle, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
	vq->throttle.function = asv_limit_timer;
	asv_vq_defaults(vq);
}

static void asv_vq_free_room(struct asv_vq *vq)
{
	unsigned int i;

	kvfree(vq->iov);
	kvfree(vq->table);
	kvfree(vq->descs);
	vq->iov = NULL;
	vq->table = NULL;
	vq->descs = NULL;
	for (i = 0; i < ASV_AREAS; i++)
		kvfree(vq->area[i].pages);
	memset(vq->area, 0, sizeof(vq->area));
	vq->area_gen = 0;
}

static int asv_vq_alloc_room(struct asv_vq *vq)
{
	if (!vq->iov)
		vq->iov = kvmalloc_array(vq->dev->iov_max, sizeof(*vq->iov),
					 GFP_KERNEL_ACCOUNT);
	if (!vq->table)
		vq->table = kvmalloc_array(ASV_VHOST_MAX_CHAIN, sizeof(struct vring_desc),
					   GFP_KERNEL_ACCOUNT);
	/* The ring's size may have changed since the last start. */
	kvfree(vq->descs);
	vq->descs = kvmalloc_array(vq->num, sizeof(*vq->descs), GFP_KERNEL_ACCOUNT);
	return vq->iov && vq->table && vq->descs ? 0 : -ENOMEM;
}

/* Back to what open() gave. Stopped, dev->mutex held. */
void asv_vq_reset(struct asv_vq *vq)
{
	hrtimer_cancel(&vq->throttle);
	mutex_lock(&vq->mutex);
	asv_poll_stop(&vq->kick_poll);
	if (vq->kick)
		fput(vq->kick);
	if (vq->call)
		eventfd_ctx_put(vq->call);
	if (vq->err)
		eventfd_ctx_put(vq->err);
	vq->kick = NULL;
	vq->call = NULL;
	vq->err = NULL;
	asv_vq_free_room(vq);
	asv_vq_defaults(vq);
	memset(&vq->stats, 0, sizeof(vq->stats));
	mutex_unlock(&vq->mutex);
}

/* Could the log at @log_base be written for this queue's ring? */
static bool asv_vq_log_used_ok(struct asv_vq *vq, void __user *log_base)
{
	if (!vq->log_used || vq->dev->iotlb)
		return true;
	return asv_log_access_ok(log_base, vq->log_addr, asv_area_size(vq, ASV_AREA_DEVICE));
}

/* Both mutexes held: is all of memory, and of the log if it is on, in user space? */
bool asv_vq_log_ok(struct asv_vq *vq, void __user *log_base)
{
	return vq->dev->mem &&
	       asv_mem_access_ok(vq->dev->mem, log_base,
				 asv_has_feature(vq->dev, VHOST_F_LOG_ALL)) &&
	       asv_vq_log_used_ok(vq, log_base);
}

static bool asv_vq_areas_ok(struct asv_vq *vq)
{
	unsigned int i;

	/* In IOTLB mode the addresses are checked as they are resolved. */
	if (vq->dev->iotlb)
		return true;
	for (i = 0; i < ASV_AREAS; i++)
		if (!access_ok(u64_to_user_ptr(vq->area[i].uaddr), asv_area_size(vq, i)))
			return false;
	return true;
}

static void asv_vq_place_areas(struct asv_vq *vq)
{
	unsigned int i;

	vq->area_gen = vq->dev->iotlb ? 0 : U64_MAX;
	for (i = 0; i < ASV_AREAS; i++)
		vq->area[i].base = vq->dev->iotlb ? NULL :
				   u64_to_user_ptr(vq->area[i].uaddr);
}

static bool asv_vq_format_ok(struct asv_vq *vq)
{
	if (!vq->packed)
		return is_power_of_2(vq->num);
	return vq->avail < vq->num && vq->used < vq->num &&
	       IS_ALIGNED(vq->area[ASV_AREA_DESC].uaddr, sizeof(struct vring_packed_desc));
}

static int asv_vq_init_used(struct asv_vq *vq)
{
	/* As in asv_split_init(): the last lap may not have been announced. */
	vq->unsignalled = vq->num;
	/* Whatever the ring says of kicks now, the first turn says that none is wanted. */
	vq->notify_off = false;
	vq->event_set = false;
	vq->used_known = vq->packed;
	/* In IOTLB mode the ring is read when it is first resolved. */
	return vq->packed || vq->dev->iotlb ? 0 : asv_split_init(vq);
}

void asv_vq_update_log(struct asv_vq *vq)
{
	vq->log = asv_has_feature(vq->dev, VHOST_F_LOG_ALL);
}

static int asv_vq_start_locked(struct asv_vq *vq, void *backend)
{
	struct asv_dev *dev = vq->dev;
	int ret;

	if (vq->backend)
		return -EBUSY;
	if (vq->dead)
		return -EIO;
	vq->packed = asv_has_feature(dev, VIRTIO_F_RING_PACKED);
	vq->event_idx = asv_has_feature(dev, VIRTIO_RING_F_EVENT_IDX);
	if (!asv_vq_log_ok(vq, vq->log_base) || !asv_vq_areas_ok(vq))
		return -EFAULT;
	if (!asv_vq_format_ok(vq))
		return -EINVAL;
	ret = asv_vq_alloc_room(vq);
	if (ret)
		return ret;
	vq->mem = dev->mem;
	vq->mem_hint = 0;
	asv_vq_update_log(vq);
	asv_vq_place_areas(vq);
	ret = asv_vq_init_used(vq);
	if (ret)
		return ret;
	vq->broken = false;
	vq->started = true;
	vq->backend = backend;
	return 0;
}

int asv_vq_start(struct asv_vq *vq, void *backend)
{
	int ret;

	lockdep_assert_held(&vq->dev->mutex);
	ret = asv_vq_need_worker(vq);
	if (ret)
		return ret;
	mutex_lock(&vq->mutex);
	ret = asv_vq_start_locked(vq, backend);
	mutex_unlock(&vq->mutex);
	if (!ret)
		asv_vq_kick(vq);
	return ret;
}
EXPORT_SYMBOL_GPL(asv_vq_start);

/*
 * Until nothing is in flight. Not to be interrupted: the backend still writes to
 * guest pages, and ends by itself.
 */
static void asv_vq_drain(struct asv_vq *vq)
{
	wait_event(vq->idle, !READ_ONCE(vq->inflight));
	/* Whoever ended the last request holds the mutex until it is done with it. */
	mutex_lock(&vq->mutex);
	mutex_unlock(&vq->mutex);
}

void *asv_vq_stop(struct asv_vq *vq)
{
	void *backend;

	lockdep_assert_held(&vq->dev->mutex);
	mutex_lock(&vq->mutex);
	backend = vq->backend;
	vq->backend = NULL;
	mutex_unlock(&vq->mutex);
	hrtimer_cancel(&vq->throttle);
	asv_vq_drain(vq);
	asv_vq_flush(vq);
	return backend;
}
EXPORT_SYMBOL_GPL(asv_vq_stop);

void asv_vq_pause(struct asv_vq *vq)
{
	lockdep_assert_held(&vq->dev->mutex);
	mutex_lock(&vq->mutex);
	vq->paused++;
	mutex_unlock(&vq->mutex);
	asv_vq_drain(vq);
}
EXPORT_SYMBOL_GPL(asv_vq_pause);

void asv_vq_resume(struct asv_vq *vq)
{
	lockdep_assert_held(&vq->dev->mutex);
	mutex_lock(&vq->mutex);
	vq->paused--;
	mutex_unlock(&vq->mutex);
	asv_vq_kick(vq);
}
EXPORT_SYMBOL_GPL(asv_vq_resume);

/* ---- ioctls ---- */

static long asv_vring_set_num(struct asv_vq *vq, const struct vhost_vring_state *s)
{
	if (vq->backend)
		return -EBUSY;
	if (!s->num || s->num > ASV_VHOST_MAX_RING)
		return -EINVAL;
	if (!asv_has_feature(vq->dev, VIRTIO_F_RING_PACKED) && !is_power_of_2(s->num))
		return -EINVAL;
	vq->num = s->num;
	return 0;
}

/* A running queue takes new addresses only if they can be used at once. */
static long asv_vring_set_addr(struct asv_vq *vq, const struct vhost_vring_addr *a)
{
	struct asv_area old[ASV_AREAS];
	bool log_used = vq->log_used;
	u64 log_addr = vq->log_addr;

	if (a->flags & ~BIT(VHOST_VRING_F_LOG))
		return -EOPNOTSUPP;
	if (!IS_ALIGNED(a->avail_user_addr, VRING_AVAIL_ALIGN_SIZE) ||
	    !IS_ALIGNED(a->used_user_addr, VRING_USED_ALIGN_SIZE) ||
	    !IS_ALIGNED(a->log_guest_addr, VRING_USED_ALIGN_SIZE))
		return -EINVAL;

	memcpy(old, vq->area, sizeof(old));
	vq->area[ASV_AREA_DESC].uaddr = a->desc_user_addr;
	vq->area[ASV_AREA_DRIVER].uaddr = a->avail_user_addr;
	vq->area[ASV_AREA_DEVICE].uaddr = a->used_user_addr;
	vq->log_used = a->flags & BIT(VHOST_VRING_F_LOG);
	vq->log_addr = a->log_guest_addr;
	if (!vq->backend)
		return 0;
	if (!asv_vq_areas_ok(vq) || !asv_vq_log_used_ok(vq, vq->log_base) ||
	    !asv_vq_format_ok(vq)) {
		memcpy(vq->area, old, sizeof(old));
		vq->log_used = log_used;
		vq->log_addr = log_addr;
		return -EINVAL;
	}
	asv_vq_place_areas(vq);
	return 0;
}

static long asv_vring_set_base(struct asv_vq *vq, const struct vhost_vring_state *s)
{
	if (vq->backend)
		return -EBUSY;
	if (asv_has_feature(vq->dev, VIRTIO_F_RING_PACKED)) {
		vq->avail = s->num & 0x7fff;
		vq->avail_wrap = s->num >> 15 & 1;
		vq->used = s->num >> 16 & 0x7fff;
		vq->used_wrap = s->num >> 31;
		return 0;
	}
	if (s->num > U16_MAX)
		return -EINVAL;
	vq->avail = s->num;
	vq->avail_seen = s->num;
	return 0;
}

static u32 asv_vring_base(const struct asv_vq *vq)
{
	if (!asv_has_feature(vq->dev, VIRTIO_F_RING_PACKED))
		return vq->avail;
	return vq->avail | vq->avail_wrap << 15 | vq->used << 16 | (u32)vq->used_wrap << 31;
}

static long asv_vring_state(struct asv_vq *vq, unsigned int cmd, void __user *argp)
{
	struct vhost_vring_state s;

	/* A running ring is refused before the argument is looked at. */
	if ((cmd == VHOST_SET_VRING_NUM || cmd == VHOST_SET_VRING_BASE) && vq->backend)
		return -EBUSY;
	if (copy_from_user(&s, argp, sizeof(s)))
		return -EFAULT;
	switch (cmd) {
	case VHOST_SET_VRING_NUM:
		return asv_vring_set_num(vq, &s);
	case VHOST_SET_VRING_BASE:
		return asv_vring_set_base(vq, &s);
	case VHOST_SET_VRING_BUSYLOOP_TIMEOUT:
		vq->busyloop_us = s.num;
		return 0;
	case VHOST_GET_VRING_BUSYLOOP_TIMEOUT:
		s.num = vq->busyloop_us;
		break;
	default:
		s.num = asv_vring_base(vq);
	}
	return copy_to_user(argp, &s, sizeof(s)) ? -EFAULT : 0;
}

/* The log is turned on and off by this under load: let the old areas be done with. */
static long asv_vring_addr(struct asv_vq *vq, void __user *argp)
{
	struct vhost_vring_addr a;
	long ret;

	if (copy_from_user(&a, argp, sizeof(a)))
		return -EFAULT;
	asv_vq_pause(vq);
	mutex_lock(&vq->mutex);
	ret = asv_vring_set_addr(vq, &a);
	mutex_unlock(&vq->mutex);
	asv_vq_resume(vq);
	return ret;
}

static long asv_vring_kick(struct asv_vq *vq, void __user *argp)
{
	struct vhost_vring_file f;
	struct file *file = NULL;
	long ret = 0;

	if (copy_from_user(&f, argp, sizeof(f)))
		return -EFAULT;
	if (f.fd != VHOST_FILE_UNBIND) {
		file = eventfd_fget(f.fd);
		if (IS_ERR(file))
			return PTR_ERR(file);
	}
	if (file == vq->kick) {
		if (file)
			fput(file);
		return 0;
	}
	asv_poll_stop(&vq->kick_poll);
	if (vq->kick)
		fput(vq->kick);
	vq->kick = file;
	if (file)
		ret = asv_poll_start(&vq->kick_poll, file);
	return ret;
}

static long asv_vring_event(struct asv_vq *vq, void __user *argp, struct eventfd_ctx **slot)
{
	struct vhost_vring_file f;
	struct eventfd_ctx *ctx = NULL;

	if (copy_from_user(&f, argp, sizeof(f)))
		return -EFAULT;
	if (f.fd != VHOST_FILE_UNBIND) {
		ctx = eventfd_ctx_fdget(f.fd);
		if (IS_ERR(ctx))
			return PTR_ERR(ctx);
	}
	swap(ctx, *slot);
	if (ctx)
		eventfd_ctx_put(ctx);
	return 0;
}

static long asv_vring_ioctl_locked(struct asv_vq *vq, unsigned int cmd, void __user *argp)
{
	switch (cmd) {
	case VHOST_SET_VRING_NUM:
	case VHOST_SET_VRING_BASE:
	case VHOST_GET_VRING_BASE:
	case VHOST_SET_VRING_BUSYLOOP_TIMEOUT:
	case VHOST_GET_VRING_BUSYLOOP_TIMEOUT:
		return asv_vring_state(vq, cmd, argp);
	case VHOST_SET_VRING_KICK:
		return asv_vring_kick(vq, argp);
	case VHOST_SET_VRING_CALL:
		return asv_vring_event(vq, argp, &vq->call);
	case VHOST_SET_VRING_ERR:
		return asv_vring_event(vq, argp, &vq->err);
	default:
		/* VHOST_SET_VRING_ENDIAN among them: rings are little-endian here. */
		return -ENOIOCTLCMD;
	}
}

/* dev->mutex held, owner checked; -ENOIOCTLCMD if it is none of these. */
long asv_vring_ioctl(struct asv_dev *dev, unsigned int cmd, void __user *argp)
{
	struct asv_vq *vq;
	u32 index;
	long ret;

	if (get_user(index, (u32 __user *)argp))
		return -EFAULT;
	if (index >= dev->nvqs)
		return -ENOBUFS;
	vq = dev->vqs[array_index_nospec(index, dev->nvqs)];
	if (cmd == VHOST_SET_VRING_ADDR)
		return asv_vring_addr(vq, argp);
	mutex_lock(&vq->mutex);
	ret = asv_vring_ioctl_locked(vq, cmd, argp);
	mutex_unlock(&vq->mutex);
	return ret;
}
