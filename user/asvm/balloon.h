/* SPDX-License-Identifier: GPL-2.0-only */
/* virtio-balloon. */
#ifndef ASVM_BALLOON_H
#define ASVM_BALLOON_H

#include "virtio.h"

struct balloon;

/** balloon_create - @reporting: offer free page reporting; NULL after a message */
struct balloon *balloon_create(const struct virtio_host *host, bool reporting);
void balloon_destroy(struct balloon *b);
struct virtio_dev *balloon_virtio(struct balloon *b);

/** balloon_set - ask the driver to hold @bytes, a multiple of 4 KiB; lock held */
void balloon_set(struct balloon *b, uint64_t bytes);

/** balloon_actual - bytes that the driver says it holds; lock held */
uint64_t balloon_actual(const struct balloon *b);

/** balloon_reported - bytes given back by free page reporting so far; lock held */
uint64_t balloon_reported(const struct balloon *b);

#endif
