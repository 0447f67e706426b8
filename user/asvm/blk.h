/* SPDX-License-Identifier: GPL-2.0-only */
/* virtio-blk on /dev/asv-blk. */
#ifndef ASVM_BLK_H
#define ASVM_BLK_H

#include "config.h"
#include "machine.h"
#include "virtio.h"

struct blk;

/** blk_open - open disk @index of @cfg and its backend; phase 1; NULL after a message */
struct blk *blk_open(const struct asvm_config *cfg, unsigned int index);

/** blk_create - attach the disk and put the device on the bus; phase 2 */
int blk_create(struct blk *blk, const struct virtio_host *host);
void blk_destroy(struct blk *blk);
struct virtio_dev *blk_virtio(struct blk *blk);

/** blk_resize - see machine_resize_disk(); lock held */
int blk_resize(struct blk *blk, uint64_t size);

/** blk_query - lock held */
void blk_query(struct blk *blk, struct machine_disk_info *info);

#endif
