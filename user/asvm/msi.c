// SPDX-License-Identifier: GPL-2.0-only
/* MSI of a function. */
#include <errno.h>

#include "msi.h"

/* Registers behind the address, which has 32 or 64 bits. */
static unsigned int msi_data(const struct msi *msi)
{
	return msi->cap + (msi->flags & PCI_MSI_FLAGS_64BIT ? PCI_MSI_DATA_64 : PCI_MSI_DATA_32);
}

static unsigned int msi_mask(const struct msi *msi)
{
	return msi->cap + (msi->flags & PCI_MSI_FLAGS_64BIT ? PCI_MSI_MASK_64 : PCI_MSI_MASK_32);
}

unsigned int msi_size(unsigned int flags)
{
	unsigned int size = flags & PCI_MSI_FLAGS_64BIT ? PCI_MSI_MASK_64 : PCI_MSI_MASK_32;

	/* mask and pending bits */
	return flags & PCI_MSI_FLAGS_MASKBIT ? size + 8 : size;
}

int msi_init(struct msi *msi, struct kvm *kvm, struct pci_dev *pci, unsigned int cap,
	     unsigned int flags, unsigned int n)
{
	unsigned int i;
	int gsi, err;

	*msi = (struct msi){
		.kvm = kvm,
		.pci = pci,
		.flags = flags & (PCI_MSI_FLAGS_64BIT | PCI_MSI_FLAGS_MASKBIT),
	};
	if (!n || n > MSI_VECTORS_MAX || (n & (n - 1)))
		return -EINVAL;
	gsi = kvm_alloc_msi(kvm, n);
	if (gsi < 0)
		return gsi;
	for (i = 0; i < n; i++) {
		err = vector_init(&msi->v[i], gsi + i);
		if (err)
			return err;
		msi->n++;
	}
	if (cap)
		pci_add_cap_at(pci, PCI_CAP_ID_MSI, cap);
	else
		cap = pci_add_cap(pci, PCI_CAP_ID_MSI, msi_size(msi->flags));
	msi->cap = cap;
	pci_set(pci->cfg, cap + PCI_MSI_FLAGS, 2, msi->flags | __builtin_ctz(n) << 1);
	pci_set(pci->wmask, cap + PCI_MSI_FLAGS, 2, PCI_MSI_FLAGS_ENABLE | PCI_MSI_FLAGS_QSIZE);
	pci_set(pci->wmask, cap + PCI_MSI_ADDRESS_LO, 4, 0xfffffffc);
	if (msi->flags & PCI_MSI_FLAGS_64BIT)
		pci_set(pci->wmask, cap + PCI_MSI_ADDRESS_HI, 4, 0xffffffff);
	pci_set(pci->wmask, msi_data(msi), 2, 0xffff);
	if (msi->flags & PCI_MSI_FLAGS_MASKBIT)
		pci_set(pci->wmask, msi_mask(msi), 4, n < 32 ? (1u << n) - 1 : 0xffffffff);
	return 0;
}

void msi_destroy(struct msi *msi)
{
	while (msi->n)
		vector_destroy(&msi->v[--msi->n]);
	msi->cap = 0;
}

static uint16_t msi_control(const struct msi *msi)
{
	return pci_get16(msi->pci, msi->cap + PCI_MSI_FLAGS);
}

bool msi_enabled(const struct msi *msi)
{
	return msi->cap && (msi_control(msi) & PCI_MSI_FLAGS_ENABLE);
}

unsigned int msi_count(const struct msi *msi)
{
	unsigned int count = 1u << ((msi_control(msi) & PCI_MSI_FLAGS_QSIZE) >> 4);

	return count < msi->n ? count : msi->n;
}

/* The vectors of a function differ in the low bits of their data. */
static void msi_update(struct msi *msi)
{
	unsigned int i, n = msi_enabled(msi) ? msi_count(msi) : 0;
	uint64_t addr = pci_get32(msi->pci, msi->cap + PCI_MSI_ADDRESS_LO);
	uint16_t data = pci_get16(msi->pci, msi_data(msi));
	uint32_t masked = 0;

	if (msi->flags & PCI_MSI_FLAGS_64BIT)
		addr |= (uint64_t)pci_get32(msi->pci, msi->cap + PCI_MSI_ADDRESS_HI) << 32;
	if (msi->flags & PCI_MSI_FLAGS_MASKBIT)
		masked = pci_get32(msi->pci, msi_mask(msi));
	for (i = 0; i < msi->n; i++)
		vector_prepare(&msi->v[i], msi->kvm, i < n && !(masked >> i & 1), addr,
			       (data & ~(n - 1)) | i);
	if (!n)
		return;
	vector_commit(msi->kvm);
	for (i = 0; i < n; i++)
		if (!(masked >> i & 1))
			vector_wire(&msi->v[i], msi->kvm);
}

void msi_config_written(struct msi *msi, unsigned int off, unsigned int len)
{
	if (msi->cap && off < msi->cap + msi_size(msi->flags) && off + len > msi->cap)
		msi_update(msi);
}

void msi_reset(struct msi *msi)
{
	unsigned int i;

	if (!msi->cap)
		return;
	pci_set(msi->pci->cfg, msi->cap + PCI_MSI_FLAGS, 2,
		msi_control(msi) & ~PCI_MSI_FLAGS_ENABLE);
	msi_update(msi);
	for (i = 0; i < msi->n; i++)
		vector_reset(&msi->v[i], msi->kvm);
}
