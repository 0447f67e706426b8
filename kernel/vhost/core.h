/* SPDX-License-Identifier: GPL-2.0-only */
/* Between the files of asv_vhost.ko; device modules use vhost.h alone. */
#ifndef _ASV_VHOST_CORE_H
#define _ASV_VHOST_CORE_H

#include "vhost.h"

/* main.c */
bool asv_is_node(const struct file *file);

#endif /* _ASV_VHOST_CORE_H */
