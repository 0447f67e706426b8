// SPDX-License-Identifier: GPL-2.0-only
/* The PCI host bridge. */
#include <errno.h>
#include <string.h>

#include "array.h"
#include "pci.h"

struct pci_field {
	uint8_t off;
	uint8_t len;
	uint32_t wmask;
};

/* What a guest may change in a type 0 header; everything else is read-only. */
static const struct pci_field pci_header_fields[] = {
	{ PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_PARITY |
			  PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE },
	{ PCI_CACHE_LINE_SIZE, 1, 0xff },
	{ PCI_INTERRUPT_LINE, 1, 0xff },
};

/* The same in that of a bridge, besides: it has no window for I/O ports. */
static const struct pci_field pci_bridge_fields[] = {
	{ PCI_PRIMARY_BUS, 1, 0xff },
	{ PCI_SECONDARY_BUS, 1, 0xff },
	{ PCI_SUBORDINATE_BUS, 1, 0xff },
	{ PCI_MEMORY_BASE, 2, 0xfff0 },
	{ PCI_MEMORY_LIMIT, 2, 0xfff0 },
	{ PCI_PREF_MEMORY_BASE, 2, 0xfff0 },
	{ PCI_PREF_MEMORY_LIMIT, 2, 0xfff0 },
	{ PCI_PREF_BASE_UPPER32, 4, 0xffffffff },
	{ PCI_PREF_LIMIT_UPPER32, 4, 0xffffffff },
	{ PCI_BRIDGE_CONTROL, 2, PCI_BRIDGE_CTL_PARITY | PCI_BRIDGE_CTL_SERR |
				 PCI_BRIDGE_CTL_BUS_RESET },
};

/* A bridge's windows begin and end at multiples of this. */
#define PCI_WINDOW	(1ULL << 20)

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

	*bus = (struct pci_bus){
		.buses = 1,
		.mmio_next = MMIO32_BASE,
		.mmio64_next = mem->mmio64_base,
		.mem = mem,
	};
	/* Linux takes mechanism #1 for real only where it finds a bridge */
	pci_dev_init(&bus->bridge, &bridge_ops, &bridge_ids);
	pci_set(bus->bridge.cfg, PCI_INTERRUPT_PIN, 1, 0);
	bus->bridge.bus = bus;
	bus->devs[0] = &bus->bridge;
}

static void pci_permit(struct pci_dev *dev, const struct pci_field *field, unsigned int n)
{
	for (; n--; field++)
		pci_set(dev->wmask, field->off, field->len, field->wmask);
}

void pci_dev_init(struct pci_dev *dev, const struct pci_ops *ops, const struct pci_ids *ids)
{
	*dev = (struct pci_dev){ .ops = ops, .cap_end = PCI_CAP_FIRST };
	pci_set(dev->cfg, PCI_VENDOR_ID, 2, ids->vendor);
	pci_set(dev->cfg, PCI_DEVICE_ID, 2, ids->device);
	pci_set(dev->cfg, PCI_REVISION_ID, 1, ids->revision);
	pci_set(dev->cfg, PCI_CLASS_PROG, 3, ids->class);
	pci_set(dev->cfg, PCI_SUBSYSTEM_VENDOR_ID, 2, ids->vendor);
	pci_set(dev->cfg, PCI_SUBSYSTEM_ID, 2, ids->subsystem);
	pci_set(dev->cfg, PCI_INTERRUPT_PIN, 1, 1);
	pci_permit(dev, pci_header_fields, ARRAY_SIZE(pci_header_fields));
}

/* Windows that begin behind their end are closed. */
static void pci_set_windows(struct pci_dev *port, uint64_t base, uint64_t end, uint64_t base64,
			    uint64_t end64)
{
	uint64_t limit = end > base ? end - 1 : 0;
	uint64_t limit64 = end64 > base64 ? end64 - 1 : 0;

	if (!limit)
		base = 0xfff00000;
	if (!limit64)
		base64 = 0xfff00000;
	pci_set(port->cfg, PCI_MEMORY_BASE, 2, base >> 16 & 0xfff0);
	pci_set(port->cfg, PCI_MEMORY_LIMIT, 2, limit >> 16 & 0xfff0);
	pci_set(port->cfg, PCI_PREF_MEMORY_BASE, 2,
		(base64 >> 16 & 0xfff0) | PCI_PREF_RANGE_TYPE_64);
	pci_set(port->cfg, PCI_PREF_MEMORY_LIMIT, 2,
		(limit64 >> 16 & 0xfff0) | PCI_PREF_RANGE_TYPE_64);
	pci_set(port->cfg, PCI_PREF_BASE_UPPER32, 4, base64 >> 32);
	pci_set(port->cfg, PCI_PREF_LIMIT_UPPER32, 4, limit64 >> 32);
}

void pci_make_bridge(struct pci_dev *dev)
{
	pci_set(dev->cfg, PCI_SUBSYSTEM_VENDOR_ID, 4, 0);
	pci_set(dev->cfg, PCI_HEADER_TYPE, 1, PCI_HEADER_TYPE_BRIDGE);
	pci_permit(dev, pci_bridge_fields, ARRAY_SIZE(pci_bridge_fields));
	pci_set_windows(dev, 0, 0, 0, 0);
}

static bool pci_is_bridge(const struct pci_dev *dev)
{
	return dev->cfg[PCI_HEADER_TYPE] == PCI_HEADER_TYPE_BRIDGE;
}

void pci_add_bar(struct pci_dev *dev, unsigned int bar, uint64_t size, uint32_t type)
{
	unsigned int off = PCI_BASE_ADDRESS_0 + 4 * bar;

	dev->bars[bar].size = size;
	dev->bars[bar].type = type;
	pci_set(dev->cfg, off, 4, type);
	pci_set(dev->wmask, off, 4, ~(uint32_t)(size - 1) & PCI_BASE_ADDRESS_MEM_MASK);
	if (type & PCI_BASE_ADDRESS_MEM_TYPE_64)
		pci_set(dev->wmask, off + 4, 4, ~(uint32_t)((size - 1) >> 32));
}

void pci_add_cap_at(struct pci_dev *dev, uint8_t id, unsigned int off)
{
	dev->cfg[off + PCI_CAP_LIST_ID] = id;
	dev->cfg[off + PCI_CAP_LIST_NEXT] = 0;
	dev->cfg[dev->cap_last ? dev->cap_last + PCI_CAP_LIST_NEXT : PCI_CAPABILITY_LIST] = off;
	dev->cfg[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
	dev->cap_last = off;
}

unsigned int pci_add_cap(struct pci_dev *dev, uint8_t id, unsigned int len)
{
	unsigned int off = dev->cap_end;

	dev->cap_end += (len + 3) & ~3u;
	pci_add_cap_at(dev, id, off);
	return off;
}

static uint64_t pci_align(uint64_t addr, uint64_t size)
{
	return (addr + size - 1) & ~(size - 1);
}

/* Has it a place above 4 GiB? What is behind a port needs to be prefetchable for that. */
static bool pci_bar_is_high(const struct pci_bus *bus, const struct pci_bar *bar)
{
	const uint32_t high = PCI_BASE_ADDRESS_MEM_TYPE_64 | PCI_BASE_ADDRESS_MEM_PREFETCH;

	return bus->mem->mmio64_size && (bar->type & high) == high;
}

/* Give the high or the low BARs their addresses from *@next on, the larger ones first. */
static void pci_place_bars(const struct pci_bus *bus, struct pci_dev *dev, bool high,
			   uint64_t *next)
{
	bool placed[PCI_BARS] = { };

	for (;;) {
		unsigned int i, best = PCI_BARS, off;

		for (i = 0; i < PCI_BARS; i++) {
			const struct pci_bar *bar = &dev->bars[i];

			if (bar->size && !placed[i] && pci_bar_is_high(bus, bar) == high &&
			    (best == PCI_BARS || bar->size > dev->bars[best].size))
				best = i;
		}
		if (best == PCI_BARS)
			return;
		placed[best] = true;
		*next = pci_align(*next, dev->bars[best].size);
		off = PCI_BASE_ADDRESS_0 + 4 * best;
		pci_set(dev->cfg, off, 4, (uint32_t)*next | dev->bars[best].type);
		if (dev->bars[best].type & PCI_BASE_ADDRESS_MEM_TYPE_64)
			pci_set(dev->cfg, off + 4, 4, *next >> 32);
		*next += dev->bars[best].size;
	}
}

static bool pci_is_full(const struct pci_bus *bus)
{
	return bus->mmio_next > MMIO32_BASE + MMIO32_SIZE ||
	       bus->mmio64_next > bus->mem->mmio64_base + bus->mem->mmio64_size;
}

static void pci_insert(struct pci_bus *bus, unsigned int index, struct pci_dev *dev)
{
	memcpy(dev->reset, dev->cfg, sizeof(dev->reset));
	dev->slot = index % PCI_SLOTS;
	dev->bus = bus;
	bus->devs[index] = dev;
}

int pci_add(struct pci_bus *bus, struct pci_dev *dev)
{
	unsigned int slot;

	for (slot = 0; slot < PCI_SLOTS && bus->devs[slot]; slot++)
		;
	if (slot == PCI_SLOTS)
		return -ENOSPC;
	pci_place_bars(bus, dev, false, &bus->mmio_next);
	pci_place_bars(bus, dev, true, &bus->mmio64_next);
	if (pci_is_full(bus))
		return -ENOSPC;
	pci_insert(bus, slot, dev);
	return 0;
}

int pci_add_behind(struct pci_dev *port, struct pci_dev *dev)
{
	struct pci_bus *bus = port->bus;
	uint64_t base, base64;

	if (bus->buses == PCI_SLOTS)
		return -ENOSPC;
	base = pci_align(bus->mmio_next, PCI_WINDOW);
	base64 = pci_align(bus->mmio64_next, PCI_WINDOW);
	bus->mmio_next = base;
	bus->mmio64_next = base64;
	pci_place_bars(bus, dev, false, &bus->mmio_next);
	pci_place_bars(bus, dev, true, &bus->mmio64_next);
	bus->mmio_next = pci_align(bus->mmio_next, PCI_WINDOW);
	bus->mmio64_next = pci_align(bus->mmio64_next, PCI_WINDOW);
	if (pci_is_full(bus))
		return -ENOSPC;
	pci_set_windows(port, base, bus->mmio_next, base64, bus->mmio64_next);
	pci_set(port->cfg, PCI_SECONDARY_BUS, 1, bus->buses);
	pci_set(port->cfg, PCI_SUBORDINATE_BUS, 1, bus->buses);
	bus->buses++;
	memcpy(port->reset, port->cfg, sizeof(port->reset));
	pci_insert(bus, PCI_SLOTS + port->slot, dev);
	return 0;
}

static uint64_t pci_bar_wish(const struct pci_dev *dev, unsigned int bar)
{
	unsigned int off = PCI_BASE_ADDRESS_0 + 4 * bar;
	uint64_t addr = pci_get32(dev, off) & (uint32_t)PCI_BASE_ADDRESS_MEM_MASK;

	if (dev->bars[bar].type & PCI_BASE_ADDRESS_MEM_TYPE_64)
		addr |= (uint64_t)pci_get32(dev, off + 4) << 32;
	return addr;
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

void pci_reset_dev(struct pci_dev *dev)
{
	unsigned int i;

	for (i = 0; i < PCI_CFG_SIZE; i++)
		dev->cfg[i] = (dev->cfg[i] & ~dev->wmask[i]) | (dev->reset[i] & dev->wmask[i]);
	pci_map_bars(dev);
}

void pci_remove_behind(struct pci_dev *port)
{
	struct pci_dev **place = &port->bus->devs[PCI_SLOTS + port->slot];

	if (!*place)
		return;
	pci_reset_dev(*place);
	*place = NULL;
}

void pci_reset(struct pci_bus *bus)
{
	unsigned int i;

	bus->conf1_addr = 0;
	for (i = 0; i < ARRAY_SIZE(bus->devs); i++)
		if (bus->devs[i])
			pci_reset_dev(bus->devs[i]);
}

static void pci_config_write(struct pci_dev *dev, unsigned int off, const uint8_t *data,
			     unsigned int len)
{
	unsigned int i;

	for (i = 0; i < len; i++) {
		uint8_t mask = dev->wmask[off + i];

		dev->cfg[off + i] = (dev->cfg[off + i] & ~mask) | (data[i] & mask);
		dev->cfg[off + i] &= ~(data[i] & dev->w1c[off + i]);
	}
	if (off < PCI_BASE_ADDRESS_5 + 4)
		pci_map_bars(dev);
	if (dev->ops->config_written)
		dev->ops->config_written(dev, off, len);
}

/* A function of bus 0, or the only one of the bus that a port says is behind it. */
static struct pci_dev *pci_find(struct pci_bus *bus, unsigned int busnr, unsigned int devfn)
{
	unsigned int slot;

	if (!busnr)
		return devfn & 7 ? NULL : bus->devs[devfn >> 3];
	for (slot = 0; slot < PCI_SLOTS; slot++) {
		const struct pci_dev *port = bus->devs[slot];

		if (port && pci_is_bridge(port) && port->cfg[PCI_SECONDARY_BUS] == busnr)
			return devfn ? NULL : bus->devs[PCI_SLOTS + slot];
	}
	return NULL;
}

static void pci_config(struct pci_bus *bus, unsigned int busnr, unsigned int devfn,
		       unsigned int reg, uint8_t *data, unsigned int len, bool write)
{
	struct pci_dev *dev = pci_find(bus, busnr, devfn);

	if (!dev) {
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
	unsigned int n, i;

	if (gpa >= ECAM_BASE && gpa < ECAM_BASE + bus->buses * ECAM_BUS_SIZE) {
		uint64_t off = gpa - ECAM_BASE;

		pci_config(bus, off >> 20, (off >> 12) & 0xff, off & 0xfff, data, len, write);
		return true;
	}
	for (n = 0; n < ARRAY_SIZE(bus->devs); n++) {
		struct pci_dev *dev = bus->devs[n];

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
