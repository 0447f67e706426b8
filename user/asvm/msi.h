/* SPDX-License-Identifier: GPL-2.0-only */
/* MSI of a function (PCI Local Bus 3.0, section 6.8.1), each vector an irqfd. */
#ifndef ASVM_MSI_H
#define ASVM_MSI_H

#include <stdbool.h>
#include <stdint.h>

#include "kvm.h"
#include "pci.h"
#include "vector.h"

#define MSI_VECTORS_MAX	32

/**
 * struct msi - the vectors of a function
 * @cap: the capability, 0: there is none
 * @flags: PCI_MSI_FLAGS_64BIT and PCI_MSI_FLAGS_MASKBIT, which say where its registers are
 */
struct msi {
	struct kvm *kvm;
	struct pci_dev *pci;
	unsigned int cap;
	unsigned int flags;
	unsigned int n;
	struct vector v[MSI_VECTORS_MAX];
};

/** msi_size - length of the capability with @flags */
unsigned int msi_size(unsigned int flags);

/**
 * msi_init - @n vectors, a power of two
 * @cap: where the capability goes, 0: the next free place
 *
 * 0 or -errno.
 */
int msi_init(struct msi *msi, struct kvm *kvm, struct pci_dev *pci, unsigned int cap,
	     unsigned int flags, unsigned int n);
void msi_destroy(struct msi *msi);

bool msi_enabled(const struct msi *msi);

/** msi_count - how many vectors the guest has enabled */
unsigned int msi_count(const struct msi *msi);

/** msi_config_written - the capability may have been written */
void msi_config_written(struct msi *msi, unsigned int off, unsigned int len);

/** msi_reset - disabled, nothing pending */
void msi_reset(struct msi *msi);

#endif
