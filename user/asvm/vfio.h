/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * PCI functions of the host in the guest, by leases of asv_vtd and VFIO's groups and type1.
 *
 * All of guest memory is mapped for their DMA, and thereby pinned. Each function sits in the
 * slot of a root port of its own. The parent opens lease, group and container; the child does
 * the rest before the system call filter closes.
 */
#ifndef ASVM_VFIO_H
#define ASVM_VFIO_H

#include "config.h"
#include "virtio.h"

struct vfio_dev;

/**
 * vfio_receive - phase 1: wait until a lease is handed over at the socket of @cfg
 * @container: the one that came with it is kept there, if it is -1
 *
 * Whoever hands it over raises the limit of locked memory. NULL after a message.
 */
struct vfio_dev *vfio_receive(const struct asvm_vtd *cfg, int *container);

/**
 * vfio_open_container - phase 1: the container of all functions
 * @fd: -1, or one that was handed over; the caller closes it
 *
 * Raises the limits of locked memory and of open files as far as it may. 0, or -errno after a
 * message.
 */
int vfio_open_container(const struct asvm_config *cfg, int *fd);

/** vfio_open - phase 1: lease a function and open its group; NULL after a message */
struct vfio_dev *vfio_open(const struct asvm_vtd *cfg);

/**
 * vfio_attach - phase 2: put all groups into the container and map guest memory
 * @devs: @n functions of vfio_open()
 *
 * 0, or -errno after a message.
 */
int vfio_attach(int container, struct vfio_dev *const *devs, unsigned int n,
		const struct virtio_host *host);

/** vfio_create - phase 2: make the guest's device of it; 0, or -errno after a message */
int vfio_create(struct vfio_dev *d);

/** vfio_destroy - undo either; the function goes back to the host */
void vfio_destroy(struct vfio_dev *d);

/** vfio_is_held - has the guest still got it? Lock held. */
bool vfio_is_held(const struct vfio_dev *d);

/** vfio_reset - reset the function; the vCPUs are held, the caller has the lock */
void vfio_reset(struct vfio_dev *d);

#endif
