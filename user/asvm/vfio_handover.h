/* SPDX-License-Identifier: GPL-2.0-only */
/* Leases that somebody with more rights hands over: the other end of asv-vtd lease --to. */
#ifndef ASVM_VFIO_HANDOVER_H
#define ASVM_VFIO_HANDOVER_H

#include "lease.h"

/**
 * struct vfio_handover - what one lease consists of
 * @name: address of the function
 * @lease, @group, @container: descriptors; the container is unused
 */
struct vfio_handover {
	char name[VTD_ADDRESS_LEN];
	int lease;
	int group;
	int container;
};

/**
 * vfio_handover - listen at @path until a lease is handed over
 *
 * The socket is the caller's user's alone, and gone afterwards. 0, or -errno after a message.
 */
int vfio_handover(const char *path, struct vfio_handover *got);

#endif
