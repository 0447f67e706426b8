/* SPDX-License-Identifier: GPL-2.0-only */
/* Tap, macvtap and ipvtap descriptors. */
#ifndef ASVM_TAP_H
#define ASVM_TAP_H

#include <stdbool.h>
#include <stdint.h>

#define TAP_VNET_HDR_SIZE	12	/* struct virtio_net_hdr_mrg_rxbuf */

/**
 * tap_open - open the queues of a tap or macvtap interface
 * @name: the interface; a tap that is not there is made, and brought up
 * @fds: filled with @n descriptors
 * @mac: set to a macvtap's address, which is the only one it passes on
 * @have_mac: set to true then
 *
 * 0, or -errno after a message.
 */
int tap_open(const char *name, int *fds, unsigned int n, uint8_t mac[6], bool *have_mac);

/** tap_check - a descriptor that was handed over must carry frames as asvm needs them */
int tap_check(int fd, const char *name);

/** tap_set_offload - what the guest can receive, from the virtio features it took */
int tap_set_offload(int fd, uint64_t features);

/** tap_set_queue - switch one queue of a multi-queue tap on or off */
int tap_set_queue(int fd, bool on);

#endif
