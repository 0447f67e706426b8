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

#endif /* _ASV_COMPAT_H */
