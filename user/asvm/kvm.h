/* SPDX-License-Identifier: GPL-2.0-only */
/* The VM descriptor: memory slots, interrupt routing, eventfds. */
#ifndef ASVM_KVM_H
#define ASVM_KVM_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>

#define KVM_IOAPIC_PINS	24
/* GSIs from here on are message-signalled vectors of devices */
#define KVM_MSI_FIRST	KVM_IOAPIC_PINS
#define KVM_ROUTES_MAX	4096

/**
 * struct msi_route - where a message-signalled vector goes
 * @used: there is a route; else the GSI leads nowhere
 */
struct msi_route {
	uint64_t addr;
	uint32_t data;
	bool used;
};

/**
 * struct kvm - the VM
 * @msi: wanted routes of GSI KVM_MSI_FIRST + index; changes take effect by kvm_commit_routes()
 * @lines: for each IOAPIC pin, which sources assert it
 * @slots: memory slots given away by kvm_alloc_slot()
 * @vfio_fd: KVM's device for VFIO groups, -1 until there is one
 */
struct kvm {
	int dev_fd;
	int vm_fd;
	int run_size;
	bool notify_any_len;
	struct msi_route *msi;
	unsigned int nmsi;
	bool routes_dirty;
	struct kvm_irq_routing *routing;
	uint64_t lines[KVM_IOAPIC_PINS];
	uint32_t slots;
	int vfio_fd;
	struct kvm_irqchip ioapic_reset;
};

/** kvm_create - a VM with its interrupt controllers on an open /dev/kvm; 0 or -errno */
int kvm_create(struct kvm *kvm, int dev_fd);
void kvm_destroy(struct kvm *kvm);

/** kvm_cap - value of a capability of the VM, 0 when it is not there */
int kvm_cap(struct kvm *kvm, unsigned int cap);

int kvm_set_memory(struct kvm *kvm, uint32_t slot, uint64_t gpa, uint64_t size, void *host);

/** kvm_alloc_slot - the number of a memory slot that nobody else has; RAM has the first ones */
uint32_t kvm_alloc_slot(struct kvm *kvm);

/** kvm_set_halt_poll - longest poll before a halted vCPU sleeps, in nanoseconds */
int kvm_set_halt_poll(struct kvm *kvm, uint64_t ns);

/** kvm_alloc_msi - GSIs for @n vectors, before the guest runs; the first, or -errno */
int kvm_alloc_msi(struct kvm *kvm, unsigned int n);

/** kvm_set_msi - wish a route for a GSI of kvm_alloc_msi(); addr is ignored without @used */
void kvm_set_msi(struct kvm *kvm, unsigned int gsi, bool used, uint64_t addr, uint32_t data);

/** kvm_commit_routes - make all wished routes real, in one call if any changed */
int kvm_commit_routes(struct kvm *kvm);

/** kvm_irqfd - connect or disconnect an eventfd and a GSI; what it has counted is injected */
int kvm_irqfd(struct kvm *kvm, int fd, unsigned int gsi, bool on);

/**
 * kvm_irqfd_level - the same for an IOAPIC pin as long as a device asserts it
 * @resample: an eventfd that is signalled when the guest has handled the interrupt
 */
int kvm_irqfd_level(struct kvm *kvm, int fd, int resample, unsigned int gsi, bool on);

/**
 * kvm_vfio_group - tell KVM of a VFIO group of the guest's, or that it is none any more
 *
 * KVM then heeds what the group's DMA needs of the guest's caches.
 */
int kvm_vfio_group(struct kvm *kvm, int group, bool on);

/** kvm_ioeventfd - count guest writes of any width at @addr in @fd, or stop */
int kvm_ioeventfd(struct kvm *kvm, int fd, uint64_t addr, bool on);

/** kvm_line - assert or release an IOAPIC pin for one source (0..63) */
void kvm_line(struct kvm *kvm, unsigned int pin, unsigned int source, bool level);

/** kvm_pulse - an edge on an IOAPIC pin */
void kvm_pulse(struct kvm *kvm, unsigned int pin);

/** kvm_reset_irqchip - interrupt controllers as after kvm_create() */
void kvm_reset_irqchip(struct kvm *kvm);

#endif
