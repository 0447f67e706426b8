// SPDX-License-Identifier: GPL-2.0-only
/*
 * BARs of a leased function. Whole pages that hold nothing of MSI-X are mapped into the guest,
 * as memory of KVM's; the rest is read and written by us.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "log.h"
#include "vfio_dev.h"

#define BAR_PAGE	4096ULL

int vfio_bar_init(struct vfio_dev *d, unsigned int bar)
{
	struct vfio_region_info info = {
		.argsz = sizeof(info),
		.index = VFIO_PCI_BAR0_REGION_INDEX + bar,
	};
	const uint32_t access = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;

	d->bars[bar] = (struct vfio_bar){ 0 };
	if (ioctl(d->fd, VFIO_DEVICE_GET_REGION_INFO, &info) < 0)
		return -errno;
	/* what VFIO cannot reach is not there; a BAR's size is a power of two */
	if (!info.size || (info.size & (info.size - 1)) || (info.flags & access) != access)
		return 0;
	d->bars[bar].off = info.offset;
	d->bars[bar].size = info.size;
	d->bars[bar].mappable = info.flags & VFIO_REGION_INFO_FLAG_MMAP;
	return 0;
}

struct bar_pages {
	uint64_t start;
	uint64_t end;
};

/* The pages of a BAR that hold something of a range; none, at 0, where it is elsewhere. */
static struct bar_pages bar_pages(const struct vfio_range *range, unsigned int bar)
{
	if (range->bar != bar || !range->len)
		return (struct bar_pages){ 0, 0 };
	return (struct bar_pages){
		range->off & ~(BAR_PAGE - 1),
		(range->off + range->len + BAR_PAGE - 1) & ~(BAR_PAGE - 1)
	};
}

static int bar_map_area(struct vfio_dev *d, struct vfio_bar *b, uint64_t start, uint64_t end)
{
	struct vfio_area *area = &b->areas[b->nareas];
	void *host;

	if (start >= end)
		return 0;
	host = mmap(NULL, end - start, PROT_READ | PROT_WRITE, MAP_SHARED, d->fd,
		    b->off + start);
	if (host == MAP_FAILED)
		return -errno;
	*area = (struct vfio_area){
		.off = start,
		.size = end - start,
		.host = host,
		.slot = kvm_alloc_slot(d->host->kvm),
	};
	b->nareas++;
	return 0;
}

int vfio_bar_map(struct vfio_dev *d, unsigned int bar)
{
	struct vfio_bar *b = &d->bars[bar];
	struct bar_pages first = bar_pages(&d->table, bar);
	struct bar_pages second = bar_pages(&d->pba, bar);
	int err;

	if (!b->mappable || b->size % BAR_PAGE)
		return 0;
	if (second.start < first.start) {
		struct bar_pages other = first;

		first = second;
		second = other;
	}
	err = bar_map_area(d, b, 0, first.start);
	if (!err)
		err = bar_map_area(d, b, first.end, second.start);
	if (!err)
		err = bar_map_area(d, b, second.end > first.end ? second.end : first.end,
				   b->size);
	return err;
}

void vfio_bar_unmap(struct vfio_dev *d, unsigned int bar)
{
	struct vfio_bar *b = &d->bars[bar];

	while (b->nareas) {
		struct vfio_area *area = &b->areas[--b->nareas];

		munmap(area->host, area->size);
	}
}

void vfio_bar_mapped(struct pci_dev *pci, unsigned int bar, bool mapped)
{
	struct vfio_dev *d = vfio_from_pci(pci);
	struct vfio_bar *b = &d->bars[bar];
	unsigned int i;

	for (i = 0; i < b->nareas; i++) {
		struct vfio_area *area = &b->areas[i];
		int err;

		if (area->placed == mapped)
			continue;
		err = kvm_set_memory(d->host->kvm, area->slot, pci->bars[bar].addr + area->off,
				     mapped ? area->size : 0, area->host);
		/* over other memory, by a guest that errs: it is trapped then */
		if (err && vfio_may_tell(d))
			log_warn("%s: BAR %u cannot be mapped at %#llx: %s", d->name, bar,
				 (unsigned long long)pci->bars[bar].addr, strerror(-err));
		area->placed = mapped && !err;
	}
}

static bool bar_in(const struct vfio_range *range, unsigned int bar, uint64_t off,
		   unsigned int len)
{
	return range->bar == bar && off >= range->off && off - range->off < range->len &&
	       len <= range->len - (off - range->off);
}

uint64_t vfio_bar_read(struct pci_dev *pci, unsigned int bar, uint64_t off, unsigned int len)
{
	struct vfio_dev *d = vfio_from_pci(pci);
	uint64_t val = 0;

	if (bar_in(&d->table, bar, off, len))
		return msix_table_read(&d->msix, off - d->table.off, len);
	if (bar_in(&d->pba, bar, off, len))
		return msix_pba_read(&d->msix, off - d->pba.off, len);
	/* like a bus where nobody answers */
	if (pread(d->fd, &val, len, d->bars[bar].off + off) != (ssize_t)len)
		val = ~0ULL;
	return val;
}

void vfio_bar_write(struct pci_dev *pci, unsigned int bar, uint64_t off, unsigned int len,
		    uint64_t val)
{
	struct vfio_dev *d = vfio_from_pci(pci);

	if (bar_in(&d->table, bar, off, len)) {
		msix_table_write(&d->msix, off - d->table.off, len, val);
		vfio_irq_sync(d);
		return;
	}
	/* pending bits cannot be written */
	if (bar_in(&d->pba, bar, off, len))
		return;
	if (pwrite(d->fd, &val, len, d->bars[bar].off + off) != (ssize_t)len)
		log_debug("%s: a write to BAR %u is lost: %s", d->name, bar, strerror(errno));
}
