/* SPDX-License-Identifier: GPL-2.0-only */
/* virtio-vsock on the kernel's vhost_vsock. */
#ifndef ASVM_VSOCK_H
#define ASVM_VSOCK_H

#include "config.h"
#include "virtio.h"

struct vsock;

/** vsock_open - open the backend; phase 1; NULL after a message */
struct vsock *vsock_open(const struct asvm_config *cfg);

/** vsock_create - take the address and put the device on the bus; phase 2 */
int vsock_create(struct vsock *vs, const struct virtio_host *host);
void vsock_destroy(struct vsock *vs);
struct virtio_dev *vsock_virtio(struct vsock *vs);

#endif
