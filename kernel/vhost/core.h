/* SPDX-License-Identifier: GPL-2.0-only */
/* Between the files of asv_vhost.ko; device modules use vhost.h alone. */
#ifndef _ASV_VHOST_CORE_H
#define _ASV_VHOST_CORE_H

#include <linux/refcount.h>
#include <linux/uaccess.h>

#include "vhost.h"

/* main.c */
bool asv_is_node(const struct file *file);

/* dev.c: devices with an owner, for the netlink family; also names and owners */
extern struct mutex asv_devs_lock;
extern struct xarray asv_devs;

/* Bytes that a part of the ring has. */
static inline u32 asv_area_size(const struct asv_vq *vq, enum asv_area_type type)
{
	u32 event = vq->event_idx ? sizeof(__le16) : 0;

	switch (type) {
	case ASV_AREA_DESC:
		return vq->num * sizeof(struct vring_desc);
	case ASV_AREA_DRIVER:
		return vq->packed ? sizeof(struct vring_packed_desc_event) :
			offsetof(struct vring_avail, ring[vq->num]) + event;
	default:
		return vq->packed ? sizeof(struct vring_packed_desc_event) :
			offsetof(struct vring_used, ring[vq->num]) + event;
	}
}

/*
 * User address of a byte of the ring. All accesses are to naturally aligned words
 * of at most 16 bytes in areas that are aligned as the standard asks, so none
 * crosses a page.
 */
static __always_inline void __user *asv_area_ptr(const struct asv_vq *vq,
						 enum asv_area_type type, u32 off)
{
	const struct asv_area *area = &vq->area[type];

	if (likely(area->base))
		return area->base + off;
	off += offset_in_page(area->uaddr);
	return (void __user *)(area->pages[off >> PAGE_SHIFT] + offset_in_page(off));
}

/* A descriptor of the ring or of an indirect table, as its two words. */
static __always_inline void asv_desc_decode(struct asv_desc *desc, __le64 lo, __le64 hi,
					    bool packed)
{
	u64 rest = le64_to_cpu(hi);

	desc->addr = le64_to_cpu(lo);
	desc->len = rest;
	desc->flags = packed ? rest >> 48 : rest >> 32;
	desc->id = packed ? rest >> 32 : rest >> 48;
}

/* vring.c */
long asv_vring_ioctl(struct asv_dev *dev, unsigned int cmd, void __user *argp);
void asv_vq_init(struct asv_vq *vq, struct asv_dev *dev, unsigned int index);
void asv_vq_reset(struct asv_vq *vq);
bool asv_vq_log_ok(struct asv_vq *vq, void __user *log_base);
void asv_vq_update_log(struct asv_vq *vq);

/* ring.c, ring_split.c, ring_packed.c: vq->mutex held; -EFAULT: cannot be reached */
void asv_vq_turn(struct asv_work *work);
int asv_split_init(struct asv_vq *vq);
int asv_split_fetch(struct asv_vq *vq, struct asv_chain *chain);
int asv_split_fetch_head(struct asv_vq *vq, u16 head);
int asv_split_more(struct asv_vq *vq);
int asv_split_put(struct asv_vq *vq, const struct asv_used *used, unsigned int n);
int asv_split_wants_call(struct asv_vq *vq);
int asv_split_set_notify(struct asv_vq *vq, bool on);
int asv_packed_fetch(struct asv_vq *vq, struct asv_chain *chain);
int asv_packed_more(struct asv_vq *vq);
int asv_packed_put(struct asv_vq *vq, const struct asv_used *used, unsigned int n);
int asv_packed_wants_call(struct asv_vq *vq);
int asv_packed_set_notify(struct asv_vq *vq, bool on);
void asv_packed_step(struct asv_vq *vq, u16 *slot, bool *wrap, unsigned int n);

/**
 * struct asv_region - one region of the memory table
 * @gpa: guest physical address
 * @size: bytes
 * @uaddr: where it is in the owner's mm
 * @pin: its pre-pinned pages, or NULL
 */
struct asv_region {
	u64 gpa;
	u64 size;
	u64 uaddr;
	struct asv_pin *pin;
};

/**
 * struct asv_mem - a memory table; does not change once made, but for pins
 * @pinned: ASV_SET_PREPIN's pages are there
 * @n: regions, in order of @gpa, not overlapping
 * @region: @n of them, and one of size 0 if there is none
 */
struct asv_mem {
	bool pinned;
	unsigned int n;
	struct asv_region region[];
};

/* mem.c */
long asv_mem_set(struct asv_dev *dev, void __user *argp);
void asv_mem_free(struct asv_dev *dev, struct asv_mem *mem);
bool asv_mem_access_ok(const struct asv_mem *mem, void __user *log_base, bool log);
const struct asv_region *asv_mem_find(const struct asv_mem *mem, u64 gpa);

/* pin.c */
int asv_prepin_mem(struct asv_dev *dev, struct asv_mem *mem);
void asv_prepin_drop(struct asv_dev *dev, struct asv_mem *mem);

/* iotlb.c */
int asv_iotlb_enable(struct asv_dev *dev);
void asv_iotlb_disable(struct asv_dev *dev);
void asv_iotlb_clear_msgs(struct asv_dev *dev);
int asv_iotlb_translate(struct asv_vq *vq, u64 addr, u64 len, bool write,
			struct iovec *iov, unsigned int iov_max);
int asv_iotlb_resolve(struct asv_vq *vq);

/* log.c */
bool asv_log_access_ok(void __user *log_base, u64 addr, u64 len);
void __asv_log_area(struct asv_vq *vq, enum asv_area_type type, u32 off, u32 len);

/* Mark a part of the ring that was written. */
static inline void asv_log_area(struct asv_vq *vq, enum asv_area_type type, u32 off, u32 len)
{
	if (unlikely(vq->log_used))
		__asv_log_area(vq, type, off, len);
}

/*
 * thread.c: a thread in the owner's cgroups, with its mm and dev->cred: a vhost
 * task where the kernel has them, else a kernel thread.
 */
struct asv_thread;

/**
 * struct asv_thread_ops - what a thread does
 * @run: do what is there; false if nothing was. May be entered with the task not
 *	in TASK_RUNNING; sets that before it does anything
 * @killed: the owner is being killed; the thread ends when this returns
 */
struct asv_thread_ops {
	bool (*run)(void *arg);
	void (*killed)(void *arg);
};

struct asv_thread *asv_thread_create(struct asv_dev *dev, const struct asv_thread_ops *ops,
				     void *arg);
void asv_thread_stop(struct asv_thread *thread);
void asv_thread_wake(struct asv_thread *thread);
int asv_thread_call(struct asv_thread *thread, int (*fn)(struct asv_thread *thread, void *arg),
		    void *arg);
int asv_thread_set_cred(struct asv_thread *thread, void *cred);

/* worker.c */
int asv_vq_need_worker(struct asv_vq *vq);
void asv_vq_flush(struct asv_vq *vq);
void asv_workers_free(struct asv_dev *dev);
long asv_worker_ioctl(struct asv_dev *dev, unsigned int cmd, void __user *argp);
int asv_workers_set_cred(struct asv_dev *dev);
int asv_vq_worker_id(struct asv_vq *vq);

/* helper.c */
void asv_helpers_free(struct asv_dev *dev);
int asv_helpers_set_cred(struct asv_dev *dev);

/* limit.c */
void asv_limit_init(struct asv_dev *dev);
long asv_limit_ioctl(struct asv_dev *dev, unsigned int cmd, void __user *argp);
enum hrtimer_restart asv_limit_timer(struct hrtimer *timer);

/* stats.c */
int asv_stats_init(void);
void asv_stats_exit(void);

#endif /* _ASV_VHOST_CORE_H */
