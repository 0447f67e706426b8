/* SPDX-License-Identifier: GPL-2.0-only */
/* All devices of a guest: made from its configuration, reached by its accesses. */
#ifndef ASVM_DEVICES_H
#define ASVM_DEVICES_H

#include "balloon.h"
#include "blk.h"
#include "console.h"
#include "machine.h"
#include "net.h"
#include "pci.h"
#include "rng.h"
#include "serial.h"
#include "term.h"
#include "vfio.h"
#include "virtio.h"
#include "vsock.h"

/**
 * struct devices - the devices; the machine's lock covers them
 * @host: what they are given of the machine
 * @vfio: the container of @vtds, -1: there are none
 */
struct devices {
	struct virtio_host host;
	struct pci_bus pci;
	struct term term;
	struct serial serial;
	struct blk *blks[ASVM_DISKS_MAX];
	struct net *nets[ASVM_NETS_MAX];
	struct rng *rng;
	struct balloon *balloon;
	struct console *console;
	struct vsock *vsock;
	struct vfio_dev *vtds[ASVM_VTDS_MAX];
	int vfio;
};

/** devices_open - open what devices need and the configuration does not bring; phase 1 */
int devices_open(struct devices *d, const struct asvm_config *cfg);

/** devices_create - make them; phase 2; 0, or -errno after a message */
int devices_create(struct devices *d, const struct asvm_config *cfg,
		   const struct virtio_host *host);

/** devices_destroy - undo either; the vCPUs are gone */
void devices_destroy(struct devices *d);

/** devices_reset - as after power-on; the vCPUs are held, the caller has the lock */
void devices_reset(struct devices *d);

/** devices_mmio, devices_pio - accesses by the guest, with the lock held */
void devices_mmio(struct devices *d, uint64_t gpa, uint8_t *data, unsigned int len, bool write);
void devices_pio(struct devices *d, uint16_t port, uint8_t *data, unsigned int len, bool write);

/** devices_query - fill in the devices' part, with the lock held */
void devices_query(struct devices *d, struct machine_info *info);

#endif
