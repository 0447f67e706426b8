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

#endif /* _ASV_COMPAT_H */
