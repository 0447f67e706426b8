/* SPDX-License-Identifier: GPL-2.0-only */
/* MSI-X vectors of a function, each an irqfd. */
#ifndef ASVM_MSIX_H
#define ASVM_MSIX_H

#include <stdbool.h>
#include <stdint.h>

#include "kvm.h"
#include "pci.h"
#include "vector.h"

#define MSIX_VECTORS_MAX	256
#define MSIX_ENTRY_SIZE		16

/** struct msix_vector - one entry of the table; what is pending of @v is its pending bit */
struct msix_vector {
	uint32_t word[MSIX_ENTRY_SIZE / 4];
	struct vector v;
};

/**
 * struct msix_place - where things are
 * @cap: the capability in configuration space, 0: the next free place
 * @table, @pba: table and pending bits, as in their registers: offset and number of the BAR
 */
struct msix_place {
	unsigned int cap;
	uint32_t table;
	uint32_t pba;
};

/**
 * struct msix - the vectors of a function
 * @live: changes take effect at once, else with msix_go_live()
 */
struct msix {
	struct kvm *kvm;
	struct pci_dev *pci;
	unsigned int cap;
	unsigned int n;
	struct msix_vector *v;
	bool live;
};

/** msix_init - @n vectors; 0 or -errno */
int msix_init(struct msix *msix, struct kvm *kvm, struct pci_dev *pci, unsigned int n,
	      const struct msix_place *place);
void msix_destroy(struct msix *msix);

bool msix_enabled(const struct msix *msix);

/** msix_vector_open - may it interrupt: is MSI-X enabled, and neither all nor it masked? */
bool msix_vector_open(const struct msix *msix, unsigned int vector);

/** msix_go_live - set the routes of all vectors in one call, and connect them */
void msix_go_live(struct msix *msix);

/** msix_settle - the device was reset: changes are collected again until msix_go_live() */
void msix_settle(struct msix *msix);

/** msix_config_written - the capability may have been written */
void msix_config_written(struct msix *msix, unsigned int off, unsigned int len);

/** msix_reset - disabled, all vectors masked */
void msix_reset(struct msix *msix);

/** msix_signal - raise a vector; one that is out of range is nothing */
void msix_signal(struct msix *msix, unsigned int vector);

/** msix_fd - what to signal to raise a vector, -1 for one that is out of range */
int msix_fd(const struct msix *msix, unsigned int vector);

uint64_t msix_table_read(struct msix *msix, uint64_t off, unsigned int len);
void msix_table_write(struct msix *msix, uint64_t off, unsigned int len, uint64_t val);
uint64_t msix_pba_read(struct msix *msix, uint64_t off, unsigned int len);

#endif
