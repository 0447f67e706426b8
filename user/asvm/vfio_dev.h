/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of a leased function share. */
#ifndef ASVM_VFIO_DEV_H
#define ASVM_VFIO_DEV_H

#include <linux/vfio.h>

#include "lease.h"
#include "msi.h"
#include "msix.h"
#include "pci_port.h"
#include "vfio.h"

/* parts of a BAR between what has to be trapped: table and pending bits of MSI-X */
#define VFIO_AREAS_MAX	3

/**
 * struct vfio_area - a part of a BAR that the guest reaches without us
 * @off, @size: in the BAR, whole pages
 * @host: our mapping of it
 * @slot: KVM's number for it
 * @placed: it is in the guest's address space
 */
struct vfio_area {
	uint64_t off;
	uint64_t size;
	uint8_t *host;
	uint32_t slot;
	bool placed;
};

/**
 * struct vfio_bar - a region of the VFIO device
 * @off: where it begins in the device's descriptor
 * @size: bytes, 0: not there
 * @mappable: VFIO can map it
 */
struct vfio_bar {
	uint64_t off;
	uint64_t size;
	bool mappable;
	struct vfio_area areas[VFIO_AREAS_MAX];
	unsigned int nareas;
};

/** struct vfio_range - a part of a BAR, @len bytes from @off on; 0: there is none */
struct vfio_range {
	unsigned int bar;
	uint64_t off;
	uint64_t len;
};

/** enum vfio_irq_mode - which of a function's interrupts VFIO delivers */
enum vfio_irq_mode { VFIO_IRQ_OFF, VFIO_IRQ_INTX, VFIO_IRQ_MSI, VFIO_IRQ_MSIX };

/**
 * struct vfio_dev - a leased function; the machine's lock covers it
 * @port: whose slot it sits in
 * @lease, @group, @fd: descriptors; -1 when it is back with the host
 * @config: where configuration space begins in @fd
 * @can_reset: VFIO can reset it alone
 * @unreset: a reset has failed; it must not write to memory, where nobody expects that now
 * @irqs: how many of each kind VFIO has
 * @table, @pba: where the function has its tables of MSI-X
 * @nvectors: vectors of MSI or MSI-X that VFIO has switched on
 * @hooked: vectors of MSI-X that have an eventfd
 * @intx: signalled while the function asserts INTx, which VFIO then masks
 * @unmask: signalled by KVM when the guest has handled it
 * @request: signalled when the host wants the function back, and by us when it may have it
 * @error: signalled on an error that the link cannot correct
 * @wanted: the host wants it back
 * @refused: an interrupt that could not be had: not tried again until another one is wanted
 * @told: messages that the guest has provoked
 * @let_go: it has: the main thread closes what is left
 */
struct vfio_dev {
	struct pci_dev pci;
	struct pci_port port;
	const struct virtio_host *host;
	char name[VTD_ADDRESS_LEN];
	int lease;
	int group;
	int fd;
	uint64_t config;
	bool can_reset;
	bool unreset;
	unsigned int irqs[VFIO_PCI_NUM_IRQS];
	struct vfio_bar bars[PCI_BARS];

	struct msi msi;
	struct msix msix;
	unsigned int exp;
	struct vfio_range table;
	struct vfio_range pba;

	enum vfio_irq_mode mode;
	unsigned int nvectors;
	bool hooked[MSIX_VECTORS_MAX];
	int intx;
	int unmask;
	struct loop_source request;
	struct loop_source error;
	bool wanted;
	enum vfio_irq_mode refused;
	unsigned int told;
	bool let_go;
};

static inline struct vfio_dev *vfio_from_pci(struct pci_dev *pci)
{
	return (struct vfio_dev *)((char *)pci - __builtin_offsetof(struct vfio_dev, pci));
}

/* ---- configuration space (vfio_config.c) */

/**
 * vfio_config_init - what the guest sees of configuration space, from what the function has
 *
 * Needs bars and irqs filled in. 0, or -errno after a message.
 */
int vfio_config_init(struct vfio_dev *d);

/** vfio_config_read, vfio_config_written - pci_ops of the function */
void vfio_config_read(struct pci_dev *pci, unsigned int off, unsigned int len);
void vfio_config_written(struct pci_dev *pci, unsigned int off, unsigned int len);

/** vfio_command - tell the function what the guest's command register says; 0 or -errno */
int vfio_command(struct vfio_dev *d, uint16_t command);

/* ---- interrupts (vfio_irq.c) */

/** vfio_irq_init - descriptors, and the events of the host; 0 or -errno */
int vfio_irq_init(struct vfio_dev *d);
void vfio_irq_destroy(struct vfio_dev *d);

/** vfio_irq_sync - have VFIO deliver what the guest has enabled now */
void vfio_irq_sync(struct vfio_dev *d);

/** vfio_irq_off - deliver nothing */
void vfio_irq_off(struct vfio_dev *d);

/* ---- BARs (vfio_bar.c) */

/** vfio_bar_init - find out about a BAR; 0 or -errno */
int vfio_bar_init(struct vfio_dev *d, unsigned int bar);

/** vfio_bar_map - map what of it the guest may reach without us; after MSI-X is known */
int vfio_bar_map(struct vfio_dev *d, unsigned int bar);
void vfio_bar_unmap(struct vfio_dev *d, unsigned int bar);

/* pci_ops of the function */
uint64_t vfio_bar_read(struct pci_dev *pci, unsigned int bar, uint64_t off, unsigned int len);
void vfio_bar_write(struct pci_dev *pci, unsigned int bar, uint64_t off, unsigned int len,
		    uint64_t val);
void vfio_bar_mapped(struct pci_dev *pci, unsigned int bar, bool mapped);

/* ---- the device (vfio_dev.c) */

/**
 * vfio_function_reset - reset by VFIO
 *
 * 0 or -errno: then it must not use memory, see vfio_command(). The host's driver core has the
 * function locked now and then; that is waited for, up to a second.
 */
int vfio_function_reset(struct vfio_dev *d);

/** vfio_guest_reset - the guest resets it: as after power-on, its slot aside */
void vfio_guest_reset(struct vfio_dev *d);

/** vfio_quiet - no interrupts, none enabled, no bus mastering */
void vfio_quiet(struct vfio_dev *d);

/** struct vfio_left - what holds a function that the guest has no more */
struct vfio_left {
	int lease;
	int group;
	int fd;
};

/**
 * vfio_requested - the host wants it back, or may have it; lock held, in the main thread
 *
 * True if it may have it: @left then goes to vfio_give_back().
 */
bool vfio_requested(struct vfio_dev *d, struct vfio_left *left);

/**
 * vfio_give_back - close what holds it; in the main thread
 *
 * Not with the lock held: the function is reset by that, and with the last one all of guest
 * memory is unpinned, which can take seconds.
 */
void vfio_give_back(struct vfio_dev *d, struct vfio_left *left);

/** vfio_may_tell - is one more message that a guest can provoke not one too many? */
bool vfio_may_tell(struct vfio_dev *d);

#endif
