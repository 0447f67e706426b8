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

#endif /* _ASV_COMPAT_H */
