// SPDX-License-Identifier: GPL-2.0-only
/* MSI-X vectors of a function. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "msix.h"

int msix_init(struct msix *msix, struct kvm *kvm, struct pci_dev *pci, unsigned int n,
	      const struct msix_place *place)
{
	unsigned int i;
	int gsi, err;

	*msix = (struct msix){ .kvm = kvm, .pci = pci, .cap = place->cap };
	if (!n || n > MSIX_VECTORS_MAX)
		return -EINVAL;
	msix->v = calloc(n, sizeof(*msix->v));
	if (!msix->v)
		return -ENOMEM;
	for (i = 0; i < n; i++)
		msix->v[i].v.fd = -1;
	msix->n = n;
	gsi = kvm_alloc_msi(kvm, n);
	if (gsi < 0)
		return gsi;
	for (i = 0; i < n; i++) {
		msix->v[i].word[3] = PCI_MSIX_ENTRY_CTRL_MASKBIT;
		err = vector_init(&msix->v[i].v, gsi + i);
		if (err)
			return err;
	}
	if (msix->cap)
		pci_add_cap_at(pci, PCI_CAP_ID_MSIX, msix->cap);
	else
		msix->cap = pci_add_cap(pci, PCI_CAP_ID_MSIX, PCI_CAP_MSIX_SIZEOF);
	pci_set(pci->cfg, msix->cap + PCI_MSIX_FLAGS, 2, n - 1);
	pci_set(pci->wmask, msix->cap + PCI_MSIX_FLAGS, 2,
		PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	pci_set(pci->cfg, msix->cap + PCI_MSIX_TABLE, 4, place->table);
	pci_set(pci->cfg, msix->cap + PCI_MSIX_PBA, 4, place->pba);
	return 0;
}

void msix_destroy(struct msix *msix)
{
	unsigned int i;

	for (i = 0; i < msix->n; i++)
		vector_destroy(&msix->v[i].v);
	free(msix->v);
	msix->v = NULL;
	msix->n = 0;
}

static uint16_t msix_flags(const struct msix *msix)
{
	return pci_get16(msix->pci, msix->cap + PCI_MSIX_FLAGS);
}

bool msix_enabled(const struct msix *msix)
{
	return msix->n && (msix_flags(msix) & PCI_MSIX_FLAGS_ENABLE);
}

static bool msix_open(const struct msix *msix, const struct msix_vector *v)
{
	return msix_enabled(msix) && !(msix_flags(msix) & PCI_MSIX_FLAGS_MASKALL) &&
	       !(v->word[3] & PCI_MSIX_ENTRY_CTRL_MASKBIT);
}

bool msix_vector_open(const struct msix *msix, unsigned int vector)
{
	return vector < msix->n && msix_open(msix, &msix->v[vector]);
}

/* Take down what may no longer interrupt, and wish the routes of what may. */
static void msix_prepare(struct msix *msix, struct msix_vector *v)
{
	vector_prepare(&v->v, msix->kvm, msix_open(msix, v),
		       v->word[0] | (uint64_t)v->word[1] << 32, v->word[2]);
}

static void msix_update_all(struct msix *msix)
{
	unsigned int i;

	for (i = 0; i < msix->n; i++)
		msix_prepare(msix, &msix->v[i]);
	if (!msix->live)
		return;
	vector_commit(msix->kvm);
	for (i = 0; i < msix->n; i++)
		if (msix_open(msix, &msix->v[i]))
			vector_wire(&msix->v[i].v, msix->kvm);
}

static void msix_update(struct msix *msix, struct msix_vector *v)
{
	msix_prepare(msix, v);
	if (!msix->live || !msix_open(msix, v))
		return;
	vector_commit(msix->kvm);
	vector_wire(&v->v, msix->kvm);
}

void msix_go_live(struct msix *msix)
{
	msix->live = true;
	msix_update_all(msix);
}

void msix_settle(struct msix *msix)
{
	msix->live = false;
}

void msix_config_written(struct msix *msix, unsigned int off, unsigned int len)
{
	unsigned int flags = msix->cap + PCI_MSIX_FLAGS;

	if (off < flags + 2 && off + len > flags)
		msix_update_all(msix);
}

void msix_reset(struct msix *msix)
{
	unsigned int i;

	msix->live = false;
	pci_set(msix->pci->cfg, msix->cap + PCI_MSIX_FLAGS, 2, msix->n - 1);
	for (i = 0; i < msix->n; i++) {
		struct msix_vector *v = &msix->v[i];

		v->word[0] = 0;
		v->word[1] = 0;
		v->word[2] = 0;
		v->word[3] = PCI_MSIX_ENTRY_CTRL_MASKBIT;
		msix_prepare(msix, v);
		vector_reset(&v->v, msix->kvm);
	}
}

int msix_fd(const struct msix *msix, unsigned int vector)
{
	return vector < msix->n ? msix->v[vector].v.fd : -1;
}

void msix_signal(struct msix *msix, unsigned int vector)
{
	if (vector < msix->n)
		vector_signal(&msix->v[vector].v);
}

static struct msix_vector *msix_entry(struct msix *msix, uint64_t off, unsigned int len)
{
	if (len < 4 || off % len || off / MSIX_ENTRY_SIZE >= msix->n)
		return NULL;
	return &msix->v[off / MSIX_ENTRY_SIZE];
}

uint64_t msix_table_read(struct msix *msix, uint64_t off, unsigned int len)
{
	struct msix_vector *v = msix_entry(msix, off, len);
	uint64_t val = 0;

	if (v)
		memcpy(&val, (uint8_t *)v->word + off % MSIX_ENTRY_SIZE, len);
	return val;
}

void msix_table_write(struct msix *msix, uint64_t off, unsigned int len, uint64_t val)
{
	struct msix_vector *v = msix_entry(msix, off, len);

	if (!v)
		return;
	memcpy((uint8_t *)v->word + off % MSIX_ENTRY_SIZE, &val, len);
	v->word[3] &= PCI_MSIX_ENTRY_CTRL_MASKBIT;
	msix_update(msix, v);
}

uint64_t msix_pba_read(struct msix *msix, uint64_t off, unsigned int len)
{
	uint64_t bits = 0;
	unsigned int i, first = off / 8 * 64;

	for (i = first; i < msix->n && i < first + 64; i++)
		if (vector_pending(&msix->v[i].v))
			bits |= 1ULL << (i - first);
	bits >>= 8 * (off % 8);
	return len < 8 ? bits & ((1ULL << (8 * len)) - 1) : bits;
}
