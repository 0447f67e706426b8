/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A PCI Express root port with a slot that one function sits in (PCI Express Base 6.0,
 * sections 6.7 and 7.5.3). The host presses the slot's attention button when it wants the
 * function back; the guest's native hot-plug driver then lets go of it and switches the slot's
 * power off.
 */
#ifndef ASVM_PCI_PORT_H
#define ASVM_PCI_PORT_H

#include <stdbool.h>

#include "msi.h"
#include "pci.h"

struct pci_port;

/**
 * struct pci_port - a root port; the machine's lock covers it
 * @exp: its PCI Express capability
 * @level: an event waits, and the guest wants an interrupt for it
 * @in_reset: the guest holds the bus behind the port in reset
 * @bus_reset: it begins to: what is in the slot is reset. Called as @powered_off is.
 * @powered_off: the guest has switched the slot off: called once, with the lock held in a vCPU
 *	thread, with the function still in its slot. It is gone for the guest after that.
 */
struct pci_port {
	struct pci_dev pci;
	struct kvm *kvm;
	struct msi msi;
	unsigned int exp;
	bool level;
	bool in_reset;
	void (*bus_reset)(struct pci_port *port);
	void (*powered_off)(struct pci_port *port);
};

/** pci_port_add - a port in the next slot, and the function in it; 0 or -errno */
int pci_port_add(struct pci_port *port, struct pci_bus *bus, struct kvm *kvm,
		 struct pci_dev *dev);
void pci_port_destroy(struct pci_port *port);

/** pci_port_reset - as after power-on; before pci_reset() */
void pci_port_reset(struct pci_port *port);

/** pci_port_empty - nothing is in the slot any more, and no event tells of it */
void pci_port_empty(struct pci_port *port);

/**
 * pci_port_press - ask the guest to let go of what is in the slot
 *
 * 0; -ENOTCONN when the guest does not listen, now or at all; -EALREADY when it is at it.
 */
int pci_port_press(struct pci_port *port);

#endif
