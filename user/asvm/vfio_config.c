// SPDX-License-Identifier: GPL-2.0-only
/*
 * Configuration space of a leased function. The guest sees a copy that was made at the start;
 * what it writes stays in the copy, but for the command register and a function level reset.
 * Capabilities are where the function has them; those that are not in the table are left out,
 * as are extended ones.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "array.h"
#include "log.h"
#include "vfio_dev.h"

/* capabilities that a list of 192 bytes has at most */
#define CONFIG_CAPS_MAX	48
#define CONFIG_EXP_V1	0x14	/* size for an endpoint */
#define CONFIG_EXP_V2	0x3c
#define CONFIG_SPEEDS	0xfe	/* of the link, in LNKCAP2 */
#define CONFIG_LINK	(PCI_EXP_LNKCAP_SLS_2_5GB | 1 << 4)

/* struct config - what the function has, while the copy is made */
struct config {
	struct vfio_dev *d;
	uint8_t raw[PCI_CFG_SIZE];
};

static uint16_t raw16(const struct config *c, unsigned int off)
{
	return c->raw[off] | c->raw[off + 1] << 8;
}

static uint32_t raw32(const struct config *c, unsigned int off)
{
	return raw16(c, off) | (uint32_t)raw16(c, off + 2) << 16;
}

/* A capability of @len bytes at @at; is there room for it? */
static bool config_fits(unsigned int at, unsigned int len)
{
	return at + len <= PCI_CFG_SIZE;
}

/*
 * Power states are taken and answered, but the function itself stays on: VFIO would take its
 * memory away from under the guest's mappings.
 */
static int config_pm(struct config *c, unsigned int at)
{
	struct pci_dev *pci = &c->d->pci;

	if (!config_fits(at, PCI_PM_SIZEOF))
		return 0;
	pci_add_cap_at(pci, PCI_CAP_ID_PM, at);
	pci_set(pci->cfg, at + PCI_PM_PMC, 2, raw16(c, at + PCI_PM_PMC) & PCI_PM_CAP_VER_MASK);
	pci_set(pci->cfg, at + PCI_PM_CTRL, 2, PCI_PM_CTRL_NO_SOFT_RESET);
	pci_set(pci->wmask, at + PCI_PM_CTRL, 2, PCI_PM_CTRL_STATE_MASK);
	return 0;
}

static int config_msi(struct config *c, unsigned int at)
{
	unsigned int flags = raw16(c, at + PCI_MSI_FLAGS);
	unsigned int n = c->d->irqs[VFIO_PCI_MSI_IRQ_INDEX];
	unsigned int offered = (flags & PCI_MSI_FLAGS_QMASK) >> 1;

	if (c->d->msi.cap || !n || !config_fits(at, msi_size(flags)) || offered > 5)
		return 0;
	while (1u << offered > n)
		offered--;
	return msi_init(&c->d->msi, c->d->host->kvm, &c->d->pci, at, flags, 1u << offered);
}

/* Where a register of MSI-X points to; false if that is not in a BAR the guest has. */
static bool config_msix_range(struct config *c, uint32_t reg, uint64_t len,
			      struct vfio_range *range)
{
	range->bar = reg & PCI_MSIX_TABLE_BIR;
	range->off = reg & PCI_MSIX_TABLE_OFFSET;
	range->len = len;
	return range->bar < PCI_BARS && range->off <= c->d->bars[range->bar].size &&
	       len <= c->d->bars[range->bar].size - range->off;
}

/* Table and pending bits are ours; a table that is larger than we serve is cut short. */
static int config_msix(struct config *c, unsigned int at)
{
	struct vfio_dev *d = c->d;
	struct msix_place place = { .cap = at };
	struct vfio_range table, pba;
	unsigned int n;

	if (d->msix.n || !d->irqs[VFIO_PCI_MSIX_IRQ_INDEX] ||
	    !config_fits(at, PCI_CAP_MSIX_SIZEOF))
		return 0;
	n = (raw16(c, at + PCI_MSIX_FLAGS) & PCI_MSIX_FLAGS_QSIZE) + 1;
	place.table = raw32(c, at + PCI_MSIX_TABLE);
	place.pba = raw32(c, at + PCI_MSIX_PBA);
	if (!config_msix_range(c, place.table, n * MSIX_ENTRY_SIZE, &table) ||
	    !config_msix_range(c, place.pba, (n + 63) / 64 * 8, &pba)) {
		log_warn("%s: its MSI-X tables are in no BAR: left out", d->name);
		return 0;
	}
	d->table = table;
	d->pba = pba;
	if (n > d->irqs[VFIO_PCI_MSIX_IRQ_INDEX])
		n = d->irqs[VFIO_PCI_MSIX_IRQ_INDEX];
	if (n > MSIX_VECTORS_MAX)
		n = MSIX_VECTORS_MAX;
	return msix_init(&d->msix, d->host->kvm, &d->pci, n, &place);
}

/*
 * An endpoint, for it is behind a root port, whatever it is for the host. What the host has
 * set up for the path to it (payload, ASPM, error reporting) the guest does not change.
 */
static int config_exp(struct config *c, unsigned int at)
{
	struct vfio_dev *d = c->d;
	struct pci_dev *pci = &d->pci;
	unsigned int version = raw16(c, at + PCI_EXP_FLAGS) & PCI_EXP_FLAGS_VERS;
	unsigned int size = version < 2 ? CONFIG_EXP_V1 : CONFIG_EXP_V2;
	uint32_t devcap, link;

	if (d->exp || !config_fits(at, size))
		return 0;
	d->exp = at;
	pci_add_cap_at(pci, PCI_CAP_ID_EXP, at);
	pci_set(pci->cfg, at + PCI_EXP_FLAGS, 2, version | PCI_EXP_TYPE_ENDPOINT << 4);
	devcap = raw32(c, at + PCI_EXP_DEVCAP);
	if (!d->can_reset)
		devcap &= ~PCI_EXP_DEVCAP_FLR;
	pci_set(pci->cfg, at + PCI_EXP_DEVCAP, 4, devcap);
	pci_set(pci->cfg, at + PCI_EXP_DEVCTL, 2,
		raw16(c, at + PCI_EXP_DEVCTL) & ~PCI_EXP_DEVCTL_BCR_FLR);
	pci_set(pci->wmask, at + PCI_EXP_DEVCTL, 2,
		devcap & PCI_EXP_DEVCAP_FLR ? 0xffff : 0xffff & ~PCI_EXP_DEVCTL_BCR_FLR);
	/* one that is integrated into the host's root complex shows no link */
	link = raw32(c, at + PCI_EXP_LNKCAP) & (PCI_EXP_LNKCAP_SLS | PCI_EXP_LNKCAP_MLW);
	pci_set(pci->cfg, at + PCI_EXP_LNKCAP, 4, link ?: CONFIG_LINK);
	link = raw16(c, at + PCI_EXP_LNKSTA) & (PCI_EXP_LNKSTA_CLS | PCI_EXP_LNKSTA_NLW);
	pci_set(pci->cfg, at + PCI_EXP_LNKSTA, 2, link ?: CONFIG_LINK);
	pci_set(pci->wmask, at + PCI_EXP_LNKCTL, 2,
		PCI_EXP_LNKCTL_ASPMC | PCI_EXP_LNKCTL_CCC | PCI_EXP_LNKCTL_ES);
	if (size == CONFIG_EXP_V1)
		return 0;
	/* how long completions may take is what the function itself does about */
	pci_set(pci->cfg, at + PCI_EXP_DEVCAP2, 4, raw32(c, at + PCI_EXP_DEVCAP2) &
		(0xf | PCI_EXP_DEVCAP2_COMP_TMOUT_DIS));
	pci_set(pci->wmask, at + PCI_EXP_DEVCTL2, 2,
		PCI_EXP_DEVCTL2_COMP_TIMEOUT | PCI_EXP_DEVCTL2_COMP_TMOUT_DIS);
	pci_set(pci->cfg, at + PCI_EXP_LNKCAP2, 4, raw32(c, at + PCI_EXP_LNKCAP2) &
		CONFIG_SPEEDS);
	return 0;
}

/* To be read only: one of virtio's reaches into BARs, past what is trapped. */
static int config_vendor(struct config *c, unsigned int at)
{
	unsigned int len = c->raw[at + PCI_CAP_FLAGS];

	if (len < 3 || !config_fits(at, len))
		return 0;
	pci_add_cap_at(&c->d->pci, PCI_CAP_ID_VNDR, at);
	memcpy(c->d->pci.cfg + at + PCI_CAP_FLAGS, c->raw + at + PCI_CAP_FLAGS,
	       len - PCI_CAP_FLAGS);
	return 0;
}

/* What the guest may see, and how. */
static const struct {
	uint8_t id;
	int (*add)(struct config *c, unsigned int at);
} config_caps[] = {
	{ PCI_CAP_ID_PM, config_pm },
	{ PCI_CAP_ID_MSI, config_msi },
	{ PCI_CAP_ID_MSIX, config_msix },
	{ PCI_CAP_ID_EXP, config_exp },
	{ PCI_CAP_ID_VNDR, config_vendor },
};

static int config_add_cap(struct config *c, unsigned int at)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(config_caps); i++)
		if (config_caps[i].id == c->raw[at + PCI_CAP_LIST_ID])
			return config_caps[i].add(c, at);
	log_debug("%s: capability %#x is left out", c->d->name, c->raw[at + PCI_CAP_LIST_ID]);
	return 0;
}

/* A list that leads into the header or runs in a circle ends there. */
static int config_add_caps(struct config *c)
{
	bool seen[PCI_CFG_SIZE / 4] = { };
	unsigned int at, n;
	int err;

	if (!(raw16(c, PCI_STATUS) & PCI_STATUS_CAP_LIST))
		return 0;
	at = c->raw[PCI_CAPABILITY_LIST] & ~3u;
	for (n = 0; n < CONFIG_CAPS_MAX && at >= PCI_STD_HEADER_SIZEOF && !seen[at / 4]; n++) {
		seen[at / 4] = true;
		err = config_add_cap(c, at);
		if (err) {
			log_err("%s: capability %#x: %s", c->d->name,
				c->raw[at + PCI_CAP_LIST_ID], strerror(-err));
			return err;
		}
		at = c->raw[at + PCI_CAP_LIST_NEXT] & ~3u;
	}
	return 0;
}

/* BARs of I/O ports are left out: a device of PCI Express has to do without them. */
static int config_add_bars(struct config *c)
{
	struct vfio_dev *d = c->d;
	unsigned int bar;

	for (bar = 0; bar < PCI_BARS; bar++) {
		uint32_t reg = raw32(c, PCI_BASE_ADDRESS_0 + 4 * bar);
		bool wide = (reg & PCI_BASE_ADDRESS_MEM_TYPE_MASK) ==
			    PCI_BASE_ADDRESS_MEM_TYPE_64;

		if (!d->bars[bar].size)
			continue;
		if (reg & PCI_BASE_ADDRESS_SPACE_IO) {
			d->bars[bar].size = 0;
			continue;
		}
		if (wide && bar + 1 == PCI_BARS) {
			log_err("%s: BAR %u has 64 bits, but no second half", d->name, bar);
			return -EINVAL;
		}
		if (!wide && d->bars[bar].size > UINT32_MAX) {
			log_err("%s: BAR %u does not fit into 32 bits", d->name, bar);
			return -EINVAL;
		}
		pci_add_bar(&d->pci, bar, d->bars[bar].size, reg &
			    (PCI_BASE_ADDRESS_MEM_PREFETCH | PCI_BASE_ADDRESS_MEM_TYPE_64));
		if (wide)
			d->bars[++bar].size = 0;
	}
	return 0;
}

static const struct pci_ops vfio_pci_ops = {
	.bar_read = vfio_bar_read,
	.bar_write = vfio_bar_write,
	.bar_mapped = vfio_bar_mapped,
	.config_read = vfio_config_read,
	.config_written = vfio_config_written,
};

int vfio_config_init(struct vfio_dev *d)
{
	struct config c = { .d = d };
	struct pci_ids ids;
	int err;

	if (pread(d->fd, c.raw, sizeof(c.raw), d->config) != (ssize_t)sizeof(c.raw)) {
		log_err("%s: its configuration space cannot be read", d->name);
		return -EIO;
	}
	if ((c.raw[PCI_HEADER_TYPE] & PCI_HEADER_TYPE_MASK) != PCI_HEADER_TYPE_NORMAL) {
		log_err("%s is a bridge", d->name);
		return -EINVAL;
	}
	ids = (struct pci_ids){
		.vendor = raw16(&c, PCI_VENDOR_ID),
		.device = raw16(&c, PCI_DEVICE_ID),
		.subsystem = raw16(&c, PCI_SUBSYSTEM_ID),
		.revision = c.raw[PCI_REVISION_ID],
		.class = raw32(&c, PCI_CLASS_REVISION) >> 8,
	};
	pci_dev_init(&d->pci, &vfio_pci_ops, &ids);
	pci_set(d->pci.cfg, PCI_SUBSYSTEM_VENDOR_ID, 2, raw16(&c, PCI_SUBSYSTEM_VENDOR_ID));
	pci_set(d->pci.cfg, PCI_INTERRUPT_PIN, 1, d->irqs[VFIO_PCI_INTX_IRQ_INDEX] ? 1 : 0);
	err = config_add_bars(&c);
	return err ? err : config_add_caps(&c);
}

/* Whether it asserts INTx is for the function to say. */
void vfio_config_read(struct pci_dev *pci, unsigned int off, unsigned int len)
{
	struct vfio_dev *d = vfio_from_pci(pci);
	uint16_t status;

	if (off > PCI_STATUS || off + len <= PCI_STATUS)
		return;
	if (pread(d->fd, &status, sizeof(status), d->config + PCI_STATUS) !=
	    (ssize_t)sizeof(status))
		return;
	pci->cfg[PCI_STATUS] = (pci->cfg[PCI_STATUS] & ~PCI_STATUS_INTERRUPT) |
			       (status & PCI_STATUS_INTERRUPT);
}

/*
 * The function always answers to its memory: the guest's bit steers whether its BARs are in the
 * guest's address space. Were they there while VFIO holds the memory back, an access would end
 * KVM_RUN with an error.
 */
int vfio_command(struct vfio_dev *d, uint16_t command)
{
	command |= PCI_COMMAND_MEMORY;
	if (d->unreset)
		command &= ~PCI_COMMAND_MASTER;
	if (pwrite(d->fd, &command, sizeof(command), d->config + PCI_COMMAND) !=
	    (ssize_t)sizeof(command))
		return -EIO;
	return 0;
}

void vfio_config_written(struct pci_dev *pci, unsigned int off, unsigned int len)
{
	struct vfio_dev *d = vfio_from_pci(pci);

	if (d->exp && pci_get16(pci, d->exp + PCI_EXP_DEVCTL) & PCI_EXP_DEVCTL_BCR_FLR) {
		vfio_guest_reset(d);
		return;
	}
	if (off < PCI_COMMAND + 2 && off + len > PCI_COMMAND &&
	    vfio_command(d, pci_get16(pci, PCI_COMMAND)))
		log_warn("%s: its command register cannot be written", d->name);
	msi_config_written(&d->msi, off, len);
	if (d->msix.n)
		msix_config_written(&d->msix, off, len);
	vfio_irq_sync(d);
}
