// SPDX-License-Identifier: GPL-2.0-only
/* A root port with a slot. */
#include <errno.h>
#include <stddef.h>

#include "acpi.h"
#include "pci_port.h"

/* a root port, with the number that Red Hat gave to that of QEMU */
#define PORT_VENDOR	0x1b36
#define PORT_DEVICE	0x000c
#define PORT_CLASS	0x060400

#define PORT_EXP_SIZE	0x3c
#define PORT_LINK	(PCI_EXP_LNKCAP_SLS_16_0GB | 16 << 4)	/* speed, width: never the limit */
#define PORT_SPEEDS	0x1e					/* 2.5 to 16 GT/s */

/* a control's bits that no driver may change are not there */
#define PORT_SLTCTL	(PCI_EXP_SLTCTL_ABPE | PCI_EXP_SLTCTL_PDCE | PCI_EXP_SLTCTL_HPIE | \
			 PCI_EXP_SLTCTL_PIC | PCI_EXP_SLTCTL_PCC | PCI_EXP_SLTCTL_DLLSCE)
#define PORT_EVENTS	(PCI_EXP_SLTSTA_ABP | PCI_EXP_SLTSTA_PDC | PCI_EXP_SLTSTA_DLLSC)

static struct pci_port *port_from_pci(struct pci_dev *pci)
{
	return (struct pci_port *)((char *)pci - offsetof(struct pci_port, pci));
}

static uint16_t port_get(const struct pci_port *port, unsigned int reg)
{
	return pci_get16(&port->pci, port->exp + reg);
}

static void port_change(struct pci_port *port, unsigned int reg, uint16_t clear, uint16_t set)
{
	pci_set(port->pci.cfg, port->exp + reg, 2, (port_get(port, reg) & ~clear) | set);
}

static bool port_occupied(const struct pci_port *port)
{
	return port_get(port, PCI_EXP_SLTSTA) & PCI_EXP_SLTSTA_PDS;
}

/* An event's bit in the status has the same place as its enable bit in the control, but one. */
static bool port_wants_interrupt(const struct pci_port *port)
{
	uint16_t control = port_get(port, PCI_EXP_SLTCTL);
	uint16_t events = port_get(port, PCI_EXP_SLTSTA) & PORT_EVENTS;
	uint16_t enabled = control & (PCI_EXP_SLTCTL_ABPE | PCI_EXP_SLTCTL_PDCE);

	if (control & PCI_EXP_SLTCTL_DLLSCE)
		enabled |= PCI_EXP_SLTSTA_DLLSC;
	return (control & PCI_EXP_SLTCTL_HPIE) && (events & enabled);
}

/* A message is sent when the level rises (6.7.3.4). */
static void port_update_interrupt(struct pci_port *port)
{
	bool level = port_wants_interrupt(port);
	bool msi = msi_enabled(&port->msi);

	if (level && !port->level && msi)
		vector_signal(&port->msi.v[0]);
	port->level = level;
	kvm_line(port->kvm, acpi_pci_gsi(port->pci.slot), port->pci.slot,
		 level && !msi &&
		 !(pci_get16(&port->pci, PCI_COMMAND) & PCI_COMMAND_INTX_DISABLE));
}

void pci_port_empty(struct pci_port *port)
{
	pci_remove_behind(&port->pci);
	port_change(port, PCI_EXP_LNKSTA, PCI_EXP_LNKSTA_DLLLA, 0);
	port_change(port, PCI_EXP_SLTSTA, PCI_EXP_SLTSTA_PDS, 0);
}

/* Without power there is no function, and no link. */
static void port_power_off(struct pci_port *port)
{
	port->powered_off(port);
	pci_port_empty(port);
	port_change(port, PCI_EXP_SLTSTA, 0, PCI_EXP_SLTSTA_PDC | PCI_EXP_SLTSTA_DLLSC);
}

/* The guest resets the bus behind the port, and with it what is in the slot. */
static void port_bus_reset(struct pci_port *port)
{
	bool reset = pci_get16(&port->pci, PCI_BRIDGE_CONTROL) & PCI_BRIDGE_CTL_BUS_RESET;

	if (reset && !port->in_reset && port_occupied(port))
		port->bus_reset(port);
	port->in_reset = reset;
}

static void port_config_written(struct pci_dev *pci, unsigned int off, unsigned int len)
{
	struct pci_port *port = port_from_pci(pci);

	msi_config_written(&port->msi, off, len);
	port_bus_reset(port);
	if ((port_get(port, PCI_EXP_SLTCTL) & PCI_EXP_SLTCTL_PCC) && port_occupied(port))
		port_power_off(port);
	port_update_interrupt(port);
}

static void port_add_express(struct pci_port *port)
{
	struct pci_dev *pci = &port->pci;
	unsigned int at = pci_add_cap(pci, PCI_CAP_ID_EXP, PORT_EXP_SIZE);

	port->exp = at;
	pci_set(pci->cfg, at + PCI_EXP_FLAGS, 2,
		2 | PCI_EXP_TYPE_ROOT_PORT << 4 | PCI_EXP_FLAGS_SLOT);
	pci_set(pci->cfg, at + PCI_EXP_DEVCAP, 4, PCI_EXP_DEVCAP_RBER);
	pci_set(pci->wmask, at + PCI_EXP_DEVCTL, 2, 0xf | PCI_EXP_DEVCTL_READRQ);
	pci_set(pci->cfg, at + PCI_EXP_LNKCAP, 4, PORT_LINK | PCI_EXP_LNKCAP_DLLLARC);
	pci_set(pci->wmask, at + PCI_EXP_LNKCTL, 2, PCI_EXP_LNKCTL_CCC | PCI_EXP_LNKCTL_ES);
	pci_set(pci->cfg, at + PCI_EXP_LNKCAP2, 4, PORT_SPEEDS);
	pci_set(pci->wmask, at + PCI_EXP_SLTCTL, 2, PORT_SLTCTL);
	pci_set(pci->w1c, at + PCI_EXP_SLTSTA, 2, PORT_EVENTS);
}

/* Capabilities that name the slot, and the state of one that is in use. */
static void port_fill_slot(struct pci_port *port)
{
	struct pci_dev *pci = &port->pci;

	pci_set(pci->cfg, port->exp + PCI_EXP_SLTCAP, 4,
		PCI_EXP_SLTCAP_ABP | PCI_EXP_SLTCAP_PCP | PCI_EXP_SLTCAP_PIP |
		PCI_EXP_SLTCAP_HPC | PCI_EXP_SLTCAP_NCCS | pci->slot << 19);
	pci_set(pci->cfg, port->exp + PCI_EXP_LNKSTA, 2, PORT_LINK | PCI_EXP_LNKSTA_DLLLA);
	pci_set(pci->cfg, port->exp + PCI_EXP_SLTSTA, 2, PCI_EXP_SLTSTA_PDS);
}

int pci_port_add(struct pci_port *port, struct pci_bus *bus, struct kvm *kvm,
		 struct pci_dev *dev)
{
	static const struct pci_ops ops = { .config_written = port_config_written };
	static const struct pci_ids ids = {
		.vendor = PORT_VENDOR,
		.device = PORT_DEVICE,
		.class = PORT_CLASS,
	};
	int err;

	port->kvm = kvm;
	pci_dev_init(&port->pci, &ops, &ids);
	pci_make_bridge(&port->pci);
	err = msi_init(&port->msi, kvm, &port->pci, 0, PCI_MSI_FLAGS_64BIT, 1);
	if (err)
		return err;
	port_add_express(port);
	pci_set(port->pci.cfg, port->exp + PCI_EXP_SLTCTL, 2, PCI_EXP_SLTCTL_PWR_IND_ON);
	err = pci_add(bus, &port->pci);
	if (!err)
		err = pci_add_behind(&port->pci, dev);
	if (!err)
		port_fill_slot(port);
	return err;
}

void pci_port_destroy(struct pci_port *port)
{
	msi_destroy(&port->msi);
}

void pci_port_reset(struct pci_port *port)
{
	msi_reset(&port->msi);
	port_change(port, PCI_EXP_SLTSTA, PORT_EVENTS, 0);
	port->level = false;
	port->in_reset = false;
}

/*
 * A press that a driver finds when it starts is thrown away by it. While its light blinks, a
 * second press takes back the first.
 */
int pci_port_press(struct pci_port *port)
{
	const uint16_t listens = PCI_EXP_SLTCTL_ABPE | PCI_EXP_SLTCTL_HPIE;
	uint16_t control = port_get(port, PCI_EXP_SLTCTL);

	if (!port_occupied(port) || (control & listens) != listens)
		return -ENOTCONN;
	if ((control & PCI_EXP_SLTCTL_PIC) != PCI_EXP_SLTCTL_PWR_IND_ON)
		return -EALREADY;
	port_change(port, PCI_EXP_SLTSTA, 0, PCI_EXP_SLTSTA_ABP);
	port_update_interrupt(port);
	return 0;
}
