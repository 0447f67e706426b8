/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The PCI host bridge: configuration space by ECAM and by configuration mechanism #1, and the
 * memory BARs of its functions, which are on bus 0 or alone on a bus behind a root port.
 */
#ifndef ASVM_PCI_H
#define ASVM_PCI_H

#include <linux/pci_regs.h>
#include <stdbool.h>
#include <stdint.h>

#include "memory.h"

#define PCI_SLOTS	32
#define PCI_BARS	6
#define PCI_CFG_SIZE	256

struct pci_dev;
struct pci_bus;

/**
 * struct pci_ops - what a function does itself; called with the machine's lock held
 * @bar_read, @bar_write: an access of 1, 2, 4 or 8 bytes that lies in the BAR
 * @bar_mapped: the guest can reach the BAR now, at the address in pci_bar, or no longer
 * @config_read: before a configuration read, to bring the bytes up to date; may be NULL
 * @config_written: after a write has changed the bytes that it may; may be NULL
 */
struct pci_ops {
	uint64_t (*bar_read)(struct pci_dev *dev, unsigned int bar, uint64_t off,
			     unsigned int len);
	void (*bar_write)(struct pci_dev *dev, unsigned int bar, uint64_t off, unsigned int len,
			  uint64_t val);
	void (*bar_mapped)(struct pci_dev *dev, unsigned int bar, bool mapped);
	void (*config_read)(struct pci_dev *dev, unsigned int off, unsigned int len);
	void (*config_written)(struct pci_dev *dev, unsigned int off, unsigned int len);
};

/**
 * struct pci_bar - a memory BAR
 * @size: a power of two, 0: not there
 * @type: PCI_BASE_ADDRESS_MEM_TYPE_64 and PCI_BASE_ADDRESS_MEM_PREFETCH, as in the register
 * @addr: where it is mapped, valid with @mapped
 */
struct pci_bar {
	uint64_t size;
	uint64_t addr;
	uint32_t type;
	bool mapped;
};

/**
 * struct pci_dev - one function, embedded in its device
 * @slot: on bus 0; behind a root port that of the port
 * @cfg: configuration space
 * @wmask: bits of it that the guest may change
 * @w1c: bits of it that the guest clears by writing a 1
 * @reset: what the bits of @wmask are after a reset
 * @cap_end: where the next capability goes
 */
struct pci_dev {
	const struct pci_ops *ops;
	struct pci_bus *bus;
	unsigned int slot;
	uint8_t cfg[PCI_CFG_SIZE];
	uint8_t wmask[PCI_CFG_SIZE];
	uint8_t w1c[PCI_CFG_SIZE];
	uint8_t reset[PCI_CFG_SIZE];
	unsigned int cap_end;
	unsigned int cap_last;
	struct pci_bar bars[PCI_BARS];
};

/** struct pci_ids - what identifies a function */
struct pci_ids {
	uint16_t vendor;
	uint16_t device;
	uint16_t subsystem;
	uint8_t revision;
	uint32_t class;		/* class, subclass, interface */
};

/**
 * struct pci_bus - bus 0, and those behind its root ports
 * @devs: functions of bus 0 by slot, slot 0 is @bridge; then those behind the port in a slot
 * @buses: how many there are
 * @mmio_next, @mmio64_next: the next free addresses for BARs
 * @conf1_addr: the address register of configuration mechanism #1
 */
struct pci_bus {
	struct pci_dev *devs[2 * PCI_SLOTS];
	unsigned int buses;
	uint64_t mmio_next;
	uint64_t mmio64_next;
	const struct memory *mem;
	uint32_t conf1_addr;
	struct pci_dev bridge;
};

/** pci_init - an empty bus; its 64-bit window is where @mem says */
void pci_init(struct pci_bus *bus, const struct memory *mem);

/** pci_dev_init - an empty function: header and its permissions */
void pci_dev_init(struct pci_dev *dev, const struct pci_ops *ops, const struct pci_ids *ids);

/** pci_make_bridge - its header is that of a PCI-to-PCI bridge; after pci_dev_init() */
void pci_make_bridge(struct pci_dev *dev);

/**
 * pci_add_bar - a BAR of @size bytes, a power of two; before the function is added
 * @type: as in struct pci_bar
 */
void pci_add_bar(struct pci_dev *dev, unsigned int bar, uint64_t size, uint32_t type);

/** pci_add_cap - room for a capability; returns where it starts */
unsigned int pci_add_cap(struct pci_dev *dev, uint8_t id, unsigned int len);

/** pci_add_cap_at - the same at @off, a multiple of 4, which the caller knows to be free */
void pci_add_cap_at(struct pci_dev *dev, uint8_t id, unsigned int off);

/**
 * pci_add - put the function into the next slot and give its BARs addresses
 *
 * All of configuration space is set up: what it holds now is what a reset brings back.
 * 0 or -ENOSPC.
 */
int pci_add(struct pci_bus *bus, struct pci_dev *dev);

/**
 * pci_add_behind - put the function behind a root port that was added, on a bus of its own
 *
 * Prefetchable BARs of 64 bits go above 4 GiB, where there is a window; what a port passes on
 * to others has to be below. 0 or -ENOSPC.
 */
int pci_add_behind(struct pci_dev *port, struct pci_dev *dev);

/** pci_remove_behind - take away what is behind a port; its BARs are unmapped */
void pci_remove_behind(struct pci_dev *port);

/** pci_reset_dev - what the guest may change is as at the start, BARs are unmapped */
void pci_reset_dev(struct pci_dev *dev);

/** pci_reset - the same for every function */
void pci_reset(struct pci_bus *bus);

/**
 * pci_mmio - an access by the guest at @gpa
 *
 * False when neither the ECAM nor a mapped BAR is there.
 */
bool pci_mmio(struct pci_bus *bus, uint64_t gpa, uint8_t *data, unsigned int len, bool write);

/**
 * pci_port - an access by the guest to a port of configuration mechanism #1
 *
 * Linux asks it before it knows of the ECAM, and calls a machine without it broken. False when
 * the port is not one of its.
 */
bool pci_port(struct pci_bus *bus, uint16_t port, uint8_t *data, unsigned int len, bool write);

static inline uint16_t pci_get16(const struct pci_dev *dev, unsigned int off)
{
	return dev->cfg[off] | dev->cfg[off + 1] << 8;
}

static inline uint32_t pci_get32(const struct pci_dev *dev, unsigned int off)
{
	return pci_get16(dev, off) | (uint32_t)pci_get16(dev, off + 2) << 16;
}

/** pci_set - store a little-endian value of @len bytes in configuration space */
void pci_set(uint8_t *space, unsigned int off, unsigned int len, uint32_t val);

#endif
