/* SPDX-License-Identifier: GPL-2.0-only */
/* virtio-rng. */
#ifndef ASVM_RNG_H
#define ASVM_RNG_H

#include "virtio.h"

struct rng;

/** rng_create - NULL after a message */
struct rng *rng_create(const struct virtio_host *host);
void rng_destroy(struct rng *rng);
struct virtio_dev *rng_virtio(struct rng *rng);

#endif
