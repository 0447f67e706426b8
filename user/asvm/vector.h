/* SPDX-License-Identifier: GPL-2.0-only */
/* A message-signalled interrupt: an eventfd that KVM turns into a message to the guest. */
#ifndef ASVM_VECTOR_H
#define ASVM_VECTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "kvm.h"

/**
 * struct vector - one interrupt of a function
 * @fd: what signals it; with no irqfd in place it counts, and that is a pending interrupt
 * @wired: an irqfd leads from @fd to @gsi
 */
struct vector {
	int fd;
	unsigned int gsi;
	bool wired;
};

/** vector_init - an eventfd for the interrupt @gsi of kvm_alloc_msi(); 0 or -errno */
int vector_init(struct vector *v, unsigned int gsi);
void vector_destroy(struct vector *v);

/** vector_prepare - take it down if it is not @open, else wish its route */
void vector_prepare(struct vector *v, struct kvm *kvm, bool open, uint64_t addr, uint32_t data);

/** vector_commit - make the wished routes of all vectors real */
void vector_commit(struct kvm *kvm);

/** vector_wire - connect it, with its route in place; what it has counted is delivered */
void vector_wire(struct vector *v, struct kvm *kvm);

/** vector_reset - no route, nothing pending; after vector_prepare() as closed */
void vector_reset(struct vector *v, struct kvm *kvm);

/** vector_pending - was it signalled while it was not connected? */
bool vector_pending(const struct vector *v);

void vector_signal(const struct vector *v);

#endif
