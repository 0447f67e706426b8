/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The only file that knows kernel versions. Everything else is written as for
 * the newest supported kernel; what an older one lacks is supplied here, chosen
 * by the ASV_HAVE_ flags of scripts/kernel-features.
 */
#ifndef _ASV_COMPAT_H
#define _ASV_COMPAT_H

#ifdef ASV_HAVE_LINUX_UNALIGNED
#include <linux/unaligned.h>
#else
#include <asm/unaligned.h>
#endif

#ifndef ASV_HAVE_PAGE_FRAG_CACHE_DRAIN
#include <linux/gfp.h>
#include <linux/mm.h>

static inline void page_frag_cache_drain(struct page_frag_cache *nc)
{
	if (!nc->va)
		return;
	__page_frag_cache_drain(virt_to_head_page(nc->va), nc->pagecnt_bias);
	nc->va = NULL;
}
#endif

/*
 * Direct writes whose end the filesystem would leave to a workqueue can be ended by
 * the submitter in a context of its own, if it asks for that.
 */
#include <linux/fs.h>

#ifdef ASV_HAVE_DIO_CALLER_COMP
static inline bool asv_dio_deferred(const struct kiocb *iocb)
{
	return iocb->ki_flags & IOCB_DIO_CALLER_COMP && iocb->dio_complete;
}

static inline long asv_dio_complete(struct kiocb *iocb)
{
	return iocb->dio_complete(iocb->private);
}
#else
#define IOCB_DIO_CALLER_COMP	0

static inline bool asv_dio_deferred(const struct kiocb *iocb)
{
	return false;
}

static inline long asv_dio_complete(struct kiocb *iocb)
{
	return -EINVAL;
}
#endif

#include <linux/err.h>
#include <linux/eventfd.h>

/* An event always counts one up. */
#ifndef ASV_HAVE_EVENTFD_SIGNAL_VOID
#define eventfd_signal(ctx)	eventfd_signal(ctx, 1)
#endif

/* Attributes of a generic netlink dump's request; needs <net/genetlink.h>. */
#ifdef ASV_HAVE_GENL_INFO_DUMP
#define asv_dump_attrs(cb)	(genl_info_dump(cb)->attrs)
#else
#define asv_dump_attrs(cb)	(genl_dumpit_info(cb)->attrs)
#endif

/*
 * Threads of the owner for the kernel's use. Without them (6.1) making one fails,
 * and callers fall back to a kernel thread.
 */
#ifdef ASV_HAVE_VHOST_TASK
#include <linux/sched/vhost_task.h>
#define ASV_VHOST_TASKS		1
#else
#define ASV_VHOST_TASKS		0
struct vhost_task;

static inline struct vhost_task *vhost_task_create(bool (*fn)(void *),
						   void (*handle_kill)(void *),
						   void *arg, const char *name)
{
	return ERR_PTR(-EOPNOTSUPP);
}

static inline void vhost_task_start(struct vhost_task *task) { }
static inline void vhost_task_stop(struct vhost_task *task) { }
static inline void vhost_task_wake(struct vhost_task *task) { }
#endif

#endif /* _ASV_COMPAT_H */
