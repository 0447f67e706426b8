/* SPDX-License-Identifier: GPL-2.0-only */
/* virtio-net on /dev/asv-net. */
#ifndef ASVM_NET_H
#define ASVM_NET_H

#include "config.h"
#include "machine.h"
#include "virtio.h"

struct net;

/** net_open - open interface @index of @cfg and its backends; phase 1; NULL after a message */
struct net *net_open(const struct asvm_config *cfg, unsigned int index);

/** net_create - put the device on the bus; phase 2 */
int net_create(struct net *net, const struct virtio_host *host);
void net_destroy(struct net *net);
struct virtio_dev *net_virtio(struct net *net);

/** net_query - lock held */
void net_query(struct net *net, struct machine_net_info *info);

#endif
