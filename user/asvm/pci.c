// SPDX-License-Identifier: GPL-2.0-only
/* The PCI host bridge. */
#include <errno.h>
#include <string.h>

#include "array.h"
#include "pci.h"

/* What a guest may change in a type 0 header; everything else is read-only. */
static const struct {
	uint8_t off;
	uint8_t len;
	uint32_t wmask;
} pci_header_fields[] = {
	{ PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_PARITY |
			  PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE },
	{ PCI_CACHE_LINE_SIZE, 1, 0xff },
	{ PCI_INTERRUPT_LINE, 1, 0xff },
};

#define PCI_CAP_FIRST	0x40

/* the host bridge, with the number that Red Hat gave to that of QEMU's generic PCIe machine */
#define PCI_BRIDGE_VENDOR	0x1b36
#define PCI_BRIDGE_DEVICE	0x0008
#define PCI_BRIDGE_SUBSYSTEM	0x1100
#define PCI_BRIDGE_CLASS	0x060000

#define PCI_CONF1_ADDR	0xcf8
#define PCI_CONF1_DATA	0xcfc
#define PCI_CONF1_ENABLE 0x80000000

void pci_set(uint8_t *space, unsigned int off, unsigned int len, uint32_t val)
{
	unsigned int i;

	for (i = 0; i < len; i++)
		space[off + i] = val >> (8 * i);
}

void pci_init(struct pci_bus *bus, const struct memory *mem)
{
	static const struct pci_ops bridge_ops;
	static const struct pci_ids bridge_ids = {
		.vendor = PCI_BRIDGE_VENDOR,
		.device = PCI_BRIDGE_DEVICE,
		.subsystem = PCI_BRIDGE_SUBSYSTEM,
		.class = PCI_BRIDGE_CLASS,
	};

	*bus = (struct pci_bus){ .mmio_next = MMIO32_BASE, .mem = mem };
	/* Linux takes mechanism #1 for real only where it finds a bridge */
	pci_dev_init(&bus->bridge, &bridge_ops, &bridge_ids);
	pci_set(bus->bridge.cfg, PCI_INTERRUPT_PIN, 1, 0);
	bus->bridge.bus = bus;
	bus->devs[0] = &bus->bridge;
}

void pci_dev_init(struct pci_dev *dev, const struct pci_ops *ops, const struct pci_ids *ids)
{
	unsigned int i;

	*dev = (struct pci_dev){ .ops = ops, .cap_end = PCI_CAP_FIRST };
	pci_set(dev->cfg, PCI_VENDOR_ID, 2, ids->vendor);
	pci_set(dev->cfg, PCI_DEVICE_ID, 2, ids->device);
	pci_set(dev->cfg, PCI_REVISION_ID, 1, ids->revision);
	pci_set(dev->cfg, PCI_CLASS_PROG, 3, ids->class);
	pci_set(dev->cfg, PCI_SUBSYSTEM_VENDOR_ID, 2, ids->vendor);
	pci_set(dev->cfg, PCI_SUBSYSTEM_ID, 2, ids->subsystem);
	pci_set(dev->cfg, PCI_INTERRUPT_PIN, 1, 1);
	for (i = 0; i < ARRAY_SIZE(pci_header_fields); i++)
		pci_set(dev->wmask, pci_header_fields[i].off, pci_header_fields[i].len,
			pci_header_fields[i].wmask);
}

void pci_add_bar(struct pci_dev *dev, unsigned int bar, uint64_t size)
{
	unsigned int off = PCI_BASE_ADDRESS_0 + 4 * bar;

	dev->bars[bar].size = size;
	pci_set(dev->cfg, off, 4, PCI_BASE_ADDRESS_MEM_TYPE_64);
	pci_set(dev->wmask, off, 4, ~(uint32_t)(size - 1));
	pci_set(dev->wmask, off + 4, 4, ~(uint32_t)((size - 1) >> 32));
}

unsigned int pci_add_cap(struct pci_dev *dev, uint8_t id, unsigned int len)
{
	unsigned int off = dev->cap_end;

	dev->cap_end += (len + 3) & ~3u;
	dev->cfg[off + PCI_CAP_LIST_ID] = id;
	dev->cfg[dev->cap_last ? dev->cap_last + PCI_CAP_LIST_NEXT : PCI_CAPABILITY_LIST] = off;
	dev->cfg[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
	dev->cap_last = off;
	return off;
}

int pci_add(struct pci_bus *bus, struct pci_dev *dev)
{
	unsigned int slot, i;

	for (slot = 0; slot < PCI_SLOTS && bus->devs[slot]; slot++)
		;
	if (slot == PCI_SLOTS)
		return -ENOSPC;
	for (i = 0; i < PCI_BARS; i++) {
		struct pci_bar *bar = &dev->bars[i];

		if (!bar->size)
			continue;
		bar->home = (bus->mmio_next + bar->size - 1) & ~(bar->size - 1);
		bus->mmio_next = bar->home + bar->size;
		if (bus->mmio_next > MMIO32_BASE + MMIO32_SIZE)
			return -ENOSPC;
	}
	dev->slot = slot;
	dev->bus = bus;
	bus->devs[slot] = dev;
	return 0;
}

static uint64_t pci_bar_wish(const struct pci_dev *dev, unsigned int bar)
{
	unsigned int off = PCI_BASE_ADDRESS_0 + 4 * bar;

	return (pci_get32(dev, off) & PCI_BASE_ADDRESS_MEM_MASK) |
	       (uint64_t)pci_get32(dev, off + 4) << 32;
}

/* A BAR is only decoded in the windows that the host bridge has, never over RAM or chips. */
static bool pci_in_window(const struct pci_bus *bus, uint64_t addr, uint64_t size)
{
	if (addr >= MMIO32_BASE && addr < MMIO32_BASE + MMIO32_SIZE)
		return size <= MMIO32_BASE + MMIO32_SIZE - addr;
	if (addr >= bus->mem->mmio64_base)
		return addr - bus->mem->mmio64_base < bus->mem->mmio64_size &&
		       size <= bus->mem->mmio64_size - (addr - bus->mem->mmio64_base);
	return false;
}

/* Follow the command register and the BARs that the guest has written. */
static void pci_map_bars(struct pci_dev *dev)
{
	bool decode = pci_get16(dev, PCI_COMMAND) & PCI_COMMAND_MEMORY;
	unsigned int i;

	for (i = 0; i < PCI_BARS; i++) {
		struct pci_bar *bar = &dev->bars[i];
		uint64_t addr;
		bool map;

		if (!bar->size)
			continue;
		addr = pci_bar_wish(dev, i);
		map = decode && pci_in_window(dev->bus, addr, bar->size);
		if (bar->mapped && (!map || addr != bar->addr)) {
			dev->ops->bar_mapped(dev, i, false);
			bar->mapped = false;
		}
		if (map && !bar->mapped) {
			bar->addr = addr;
			bar->mapped = true;
			dev->ops->bar_mapped(dev, i, true);
		}
	}
}

void pci_reset(struct pci_bus *bus)
{
	unsigned int slot, i;

	bus->conf1_addr = 0;
	for (slot = 0; slot < PCI_SLOTS; slot++) {
		struct pci_dev *dev = bus->devs[slot];

		if (!dev)
			continue;
		pci_set(dev->cfg, PCI_COMMAND, 2, 0);
		pci_set(dev->cfg, PCI_CACHE_LINE_SIZE, 1, 0);
		pci_set(dev->cfg, PCI_INTERRUPT_LINE, 1, 0);
		pci_map_bars(dev);
		for (i = 0; i < PCI_BARS; i++) {
			unsigned int off = PCI_BASE_ADDRESS_0 + 4 * i;

			if (!dev->bars[i].size)
				continue;
			pci_set(dev->cfg, off, 4,
				(uint32_t)dev->bars[i].home | PCI_BASE_ADDRESS_MEM_TYPE_64);
			pci_set(dev->cfg, off + 4, 4, dev->bars[i].home >> 32);
		}
	}
}

static void pci_config_write(struct pci_dev *dev, unsigned int off, const uint8_t *data,
			     unsigned int len)
{
	unsigned int i;

	for (i = 0; i < len; i++) {
		uint8_t mask = dev->wmask[off + i];

		dev->cfg[off + i] = (dev->cfg[off + i] & ~mask) | (data[i] & mask);
	}
	if (off < PCI_BASE_ADDRESS_5 + 4)
		pci_map_bars(dev);
	if (dev->ops->config_written)
		dev->ops->config_written(dev, off, len);
}

static void pci_config(struct pci_bus *bus, unsigned int busnr, unsigned int devfn,
		       unsigned int reg, uint8_t *data, unsigned int len, bool write)
{
	struct pci_dev *dev = busnr ? NULL : bus->devs[devfn >> 3];

	if (!dev || (devfn & 7)) {
		if (!write)
			memset(data, 0xff, len);
		return;
	}
	/* no extended capabilities, and nothing crosses into what is beyond */
	if (reg + len > PCI_CFG_SIZE) {
		if (!write)
			memset(data, 0, len);
		return;
	}
	if (write) {
		pci_config_write(dev, reg, data, len);
		return;
	}
	if (dev->ops->config_read)
		dev->ops->config_read(dev, reg, len);
	memcpy(data, dev->cfg + reg, len);
}

static void pci_bar_access(struct pci_dev *dev, unsigned int bar, uint64_t off, uint8_t *data,
			   unsigned int len, bool write)
{
	uint64_t val = 0;

	if (write) {
		memcpy(&val, data, len);
		dev->ops->bar_write(dev, bar, off, len, val);
	} else {
		val = dev->ops->bar_read(dev, bar, off, len);
		memcpy(data, &val, len);
	}
}

bool pci_mmio(struct pci_bus *bus, uint64_t gpa, uint8_t *data, unsigned int len, bool write)
{
	unsigned int slot, i;

	if (gpa >= ECAM_BASE && gpa < ECAM_BASE + PCI_BUSES * ECAM_BUS_SIZE) {
		uint64_t off = gpa - ECAM_BASE;

		pci_config(bus, off >> 20, (off >> 12) & 0xff, off & 0xfff, data, len, write);
		return true;
	}
	for (slot = 0; slot < PCI_SLOTS; slot++) {
		struct pci_dev *dev = bus->devs[slot];

		for (i = 0; dev && i < PCI_BARS; i++) {
			struct pci_bar *bar = &dev->bars[i];

			if (!bar->mapped || gpa < bar->addr || gpa - bar->addr >= bar->size ||
			    len > bar->size - (gpa - bar->addr))
				continue;
			pci_bar_access(dev, i, gpa - bar->addr, data, len, write);
			return true;
		}
	}
	return false;
}

bool pci_port(struct pci_bus *bus, uint16_t port, uint8_t *data, unsigned int len, bool write)
{
	uint32_t addr = bus->conf1_addr;
	unsigned int off = port - PCI_CONF1_DATA;

	if (port == PCI_CONF1_ADDR && len == 4) {
		if (write)
			memcpy(&bus->conf1_addr, data, 4);
		else
			memcpy(data, &addr, 4);
		return true;
	}
	if (port < PCI_CONF1_DATA || off + len > 4 || !(addr & PCI_CONF1_ENABLE))
		return false;
	pci_config(bus, (addr >> 16) & 0xff, (addr >> 8) & 0xff, (addr & 0xfc) + off, data, len,
		   write);
	return true;
}
