// SPDX-License-Identifier: GPL-2.0-only
/* Virtio over PCI, modern interface (virtio 1.2, section 4.1). */
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "acpi.h"
#include "log.h"
#include "virtio.h"

#define VIRTIO_PCI_VENDOR	0x1af4
#define VIRTIO_PCI_DEVICE_BASE	0x1040
#define VIRTIO_PCI_REVISION	1

/* The one BAR: a page for each structure, so that each can be mapped or trapped by itself. */
#define VP_BAR			0
#define VP_COMMON		0x0000
#define VP_ISR			0x1000
#define VP_DEVICE		0x2000
#define VP_MSIX_TABLE		0x3000
#define VP_MSIX_PBA		0x4000
#define VP_NOTIFY		0x5000
#define VP_PAGE			0x1000
#define VP_BAR_SIZE		0x8000
#define VP_NOTIFY_MULTIPLIER	4

#define VP_ISR_QUEUE		0x1
#define VP_ISR_CONFIG		0x2

/* registers that an older virtio_pci.h lacks */
#define VP_COMMON_NOTIFY_DATA	0x38
#define VP_COMMON_QUEUE_RESET	0x3a
#define VP_COMMON_SIZE		0x3c

_Static_assert(MSIX_VECTORS_MAX * MSIX_ENTRY_SIZE <= VP_PAGE, "MSI-X table");
_Static_assert(VIRTIO_QUEUES_MAX * VP_NOTIFY_MULTIPLIER <= VP_PAGE, "notify area");
_Static_assert(VIRTIO_QUEUES_MAX + 1 <= MSIX_VECTORS_MAX, "vectors");

static struct virtio_dev *vp_from_pci(struct pci_dev *pci)
{
	return (struct virtio_dev *)((char *)pci - offsetof(struct virtio_dev, pci));
}

static void vp_signal(int fd)
{
	static const uint64_t one = 1;

	/* a counter that is full is signalled already */
	if (write(fd, &one, sizeof(one)) < 0)
		return;
}

static void vp_drain(int fd)
{
	uint64_t count;

	if (read(fd, &count, sizeof(count)) < 0)
		return;
}

bool virtio_driver_ok(const struct virtio_dev *vd)
{
	return (vd->status & VIRTIO_CONFIG_S_DRIVER_OK) &&
	       !(vd->status & VIRTIO_CONFIG_S_NEEDS_RESET);
}

/* INTx is a level: asserted from a bit set in the ISR until the driver reads it. */
static void vp_update_intx(struct virtio_dev *vd)
{
	bool level = vd->isr && !msix_enabled(&vd->msix) &&
		     !(pci_get16(&vd->pci, PCI_COMMAND) & PCI_COMMAND_INTX_DISABLE);

	pci_set(vd->pci.cfg, PCI_STATUS, 1,
		(vd->pci.cfg[PCI_STATUS] & ~PCI_STATUS_INTERRUPT) |
		(vd->isr ? PCI_STATUS_INTERRUPT : 0));
	kvm_line(vd->host->kvm, acpi_pci_gsi(vd->pci.slot), vd->pci.slot, level);
}

/* A backend signalled a queue of a driver without MSI-X. */
static void vp_intx_ready(struct loop_source *src, uint32_t events)
{
	struct virtio_dev *vd = src->opaque;

	(void)events;
	pthread_mutex_lock(vd->host->lock);
	vp_drain(src->fd);
	vd->isr |= VP_ISR_QUEUE;
	vp_update_intx(vd);
	pthread_mutex_unlock(vd->host->lock);
}

int virtio_call_fd(struct virtio_dev *vd, unsigned int q)
{
	if (!msix_enabled(&vd->msix))
		return vd->intx.fd;
	return msix_fd(&vd->msix, vd->queues[q].vector);
}

void virtio_queue_interrupt(struct virtio_dev *vd, unsigned int q)
{
	if (msix_enabled(&vd->msix)) {
		msix_signal(&vd->msix, vd->queues[q].vector);
		return;
	}
	vd->isr |= VP_ISR_QUEUE;
	vp_update_intx(vd);
}

void virtio_config_changed(struct virtio_dev *vd)
{
	vd->generation++;
	if (!(vd->status & VIRTIO_CONFIG_S_DRIVER_OK))
		return;
	if (msix_enabled(&vd->msix)) {
		msix_signal(&vd->msix, vd->config_vector);
		return;
	}
	vd->isr |= VP_ISR_CONFIG;
	vp_update_intx(vd);
}

void virtio_failed(struct virtio_dev *vd)
{
	if (vd->status & VIRTIO_CONFIG_S_NEEDS_RESET)
		return;
	vd->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	virtio_config_changed(vd);
}

static void vp_queue_start(struct virtio_dev *vd, unsigned int q)
{
	struct virtio_queue *vq = &vd->queues[q];
	int err;

	if (!vq->enabled || vq->running || !virtio_driver_ok(vd))
		return;
	err = vd->ops->queue_start(vd, q);
	if (err) {
		log_warn("%s: queue %u cannot start: %s", vd->name, q, strerror(-err));
		virtio_failed(vd);
		return;
	}
	vq->running = true;
}

static void vp_queue_stop(struct virtio_dev *vd, unsigned int q)
{
	struct virtio_queue *vq = &vd->queues[q];

	if (vq->running)
		vd->ops->queue_stop(vd, q);
	vp_drain(vq->kick_fd);
	vq->running = false;
	vq->enabled = false;
	vq->size = vq->max;
	vq->desc = 0;
	vq->driver = 0;
	vq->device = 0;
	vq->vector = VIRTIO_MSI_NO_VECTOR;
}

static void vp_device_reset(struct virtio_dev *vd)
{
	bool started = vd->status & VIRTIO_CONFIG_S_DRIVER_OK;
	unsigned int q;

	for (q = 0; q < vd->nqueues; q++)
		vp_queue_stop(vd, q);
	if (started && vd->ops->stop)
		vd->ops->stop(vd);
	msix_settle(&vd->msix);
	vp_drain(vd->intx.fd);
	vd->acked = 0;
	vd->feature_select = 0;
	vd->driver_feature_select = 0;
	vd->queue_select = 0;
	vd->config_vector = VIRTIO_MSI_NO_VECTOR;
	vd->status = 0;
	vd->isr = 0;
	vp_update_intx(vd);
}

static void vp_start(struct virtio_dev *vd)
{
	unsigned int q;
	int err = vd->ops->start ? vd->ops->start(vd) : 0;

	if (err) {
		log_warn("%s: cannot start: %s", vd->name, strerror(-err));
		virtio_failed(vd);
		return;
	}
	msix_go_live(&vd->msix);
	for (q = 0; q < vd->nqueues; q++)
		vp_queue_start(vd, q);
}

static void vp_write_status(struct virtio_dev *vd, uint8_t status)
{
	uint8_t old = vd->status;

	if (!status) {
		vp_device_reset(vd);
		return;
	}
	/* a driver only adds bits; what the device says of itself stays */
	vd->status |= status & ~VIRTIO_CONFIG_S_NEEDS_RESET;
	if (!(old & VIRTIO_CONFIG_S_FEATURES_OK) && (status & VIRTIO_CONFIG_S_FEATURES_OK) &&
	    ((vd->acked & ~vd->features) || !virtio_has(vd, VIRTIO_F_VERSION_1)))
		vd->status &= ~VIRTIO_CONFIG_S_FEATURES_OK;
	if (!(vd->status & VIRTIO_CONFIG_S_FEATURES_OK))
		vd->status &= ~VIRTIO_CONFIG_S_DRIVER_OK;
	if (!(old & VIRTIO_CONFIG_S_DRIVER_OK) && (vd->status & VIRTIO_CONFIG_S_DRIVER_OK))
		vp_start(vd);
}

static void vp_write_features(struct virtio_dev *vd, uint32_t val)
{
	unsigned int shift = 32 * vd->driver_feature_select;

	if (vd->driver_feature_select > 1 || (vd->status & VIRTIO_CONFIG_S_FEATURES_OK))
		return;
	vd->acked &= ~(0xffffffffULL << shift);
	vd->acked |= (uint64_t)val << shift;
}

static struct virtio_queue *vp_selected(struct virtio_dev *vd)
{
	return vd->queue_select < vd->nqueues ? &vd->queues[vd->queue_select] : NULL;
}

/* A 64-bit register is written whole or by halves. */
static void vp_write_addr(uint64_t *reg, unsigned int off, unsigned int len, uint64_t val)
{
	if (len == 8)
		*reg = val;
	else if (off & 4)
		*reg = (*reg & 0xffffffff) | val << 32;
	else
		*reg = (*reg & ~0xffffffffULL) | (uint32_t)val;
}

static void vp_call_changed(struct virtio_dev *vd, unsigned int q)
{
	if (vd->queues[q].running && vd->ops->queue_call)
		vd->ops->queue_call(vd, q);
}

static void vp_write_queue(struct virtio_dev *vd, unsigned int off, unsigned int len,
			   uint64_t val)
{
	struct virtio_queue *q = vp_selected(vd);

	if (!q)
		return;
	switch (off) {
	case VIRTIO_PCI_COMMON_Q_MSIX:
		q->vector = val < vd->msix.n ? val : VIRTIO_MSI_NO_VECTOR;
		vp_call_changed(vd, vd->queue_select);
		return;
	case VIRTIO_PCI_COMMON_Q_ENABLE:
		if (val == 1) {
			q->enabled = true;
			vp_queue_start(vd, vd->queue_select);
		}
		return;
	case VP_COMMON_QUEUE_RESET:
		if (val == 1 && virtio_has(vd, VIRTIO_F_RING_RESET))
			vp_queue_stop(vd, vd->queue_select);
		return;
	}
	if (q->enabled)
		return;
	switch (off) {
	case VIRTIO_PCI_COMMON_Q_SIZE:
		if (val && val <= q->max)
			q->size = val;
		break;
	case VIRTIO_PCI_COMMON_Q_DESCLO:
	case VIRTIO_PCI_COMMON_Q_DESCHI:
		vp_write_addr(&q->desc, off, len, val);
		break;
	case VIRTIO_PCI_COMMON_Q_AVAILLO:
	case VIRTIO_PCI_COMMON_Q_AVAILHI:
		/* the pairs begin at multiples of 8 */
		vp_write_addr(&q->driver, off, len, val);
		break;
	case VIRTIO_PCI_COMMON_Q_USEDLO:
	case VIRTIO_PCI_COMMON_Q_USEDHI:
		vp_write_addr(&q->device, off, len, val);
		break;
	}
}

static void vp_common_write(struct virtio_dev *vd, unsigned int off, unsigned int len,
			    uint64_t val)
{
	switch (off) {
	case VIRTIO_PCI_COMMON_DFSELECT:
		vd->feature_select = val;
		break;
	case VIRTIO_PCI_COMMON_GFSELECT:
		vd->driver_feature_select = val;
		break;
	case VIRTIO_PCI_COMMON_GF:
		vp_write_features(vd, val);
		break;
	case VIRTIO_PCI_COMMON_MSIX:
		vd->config_vector = val < vd->msix.n ? val : VIRTIO_MSI_NO_VECTOR;
		break;
	case VIRTIO_PCI_COMMON_STATUS:
		vp_write_status(vd, val);
		break;
	case VIRTIO_PCI_COMMON_Q_SELECT:
		vd->queue_select = val;
		break;
	default:
		vp_write_queue(vd, off, len, val);
	}
}

static uint64_t vp_read_queue(struct virtio_dev *vd, unsigned int off)
{
	struct virtio_queue *q = vp_selected(vd);

	if (!q)
		return 0;
	switch (off) {
	case VIRTIO_PCI_COMMON_Q_SIZE:
		return q->size;
	case VIRTIO_PCI_COMMON_Q_MSIX:
		return q->vector;
	case VIRTIO_PCI_COMMON_Q_ENABLE:
		return q->enabled;
	case VIRTIO_PCI_COMMON_Q_NOFF:
	case VP_COMMON_NOTIFY_DATA:
		return vd->queue_select;
	case VIRTIO_PCI_COMMON_Q_DESCLO:
		return q->desc;
	case VIRTIO_PCI_COMMON_Q_DESCHI:
		return q->desc >> 32;
	case VIRTIO_PCI_COMMON_Q_AVAILLO:
		return q->driver;
	case VIRTIO_PCI_COMMON_Q_AVAILHI:
		return q->driver >> 32;
	case VIRTIO_PCI_COMMON_Q_USEDLO:
		return q->device;
	case VIRTIO_PCI_COMMON_Q_USEDHI:
		return q->device >> 32;
	}
	/* a queue reset is done when its write returns: QUEUE_RESET reads 0 */
	return 0;
}

static uint64_t vp_common_read(struct virtio_dev *vd, unsigned int off)
{
	switch (off) {
	case VIRTIO_PCI_COMMON_DFSELECT:
		return vd->feature_select;
	case VIRTIO_PCI_COMMON_DF:
		return vd->feature_select < 2 ? vd->features >> (32 * vd->feature_select) : 0;
	case VIRTIO_PCI_COMMON_GFSELECT:
		return vd->driver_feature_select;
	case VIRTIO_PCI_COMMON_GF:
		return vd->driver_feature_select < 2 ?
		       vd->acked >> (32 * vd->driver_feature_select) : 0;
	case VIRTIO_PCI_COMMON_MSIX:
		return vd->config_vector;
	case VIRTIO_PCI_COMMON_NUMQ:
		return vd->nqueues;
	case VIRTIO_PCI_COMMON_STATUS:
		return vd->status;
	case VIRTIO_PCI_COMMON_CFGGENERATION:
		return vd->generation;
	case VIRTIO_PCI_COMMON_Q_SELECT:
		return vd->queue_select;
	}
	return vp_read_queue(vd, off);
}

static uint64_t vp_read_isr(struct virtio_dev *vd)
{
	uint8_t isr = vd->isr;

	vd->isr = 0;
	vp_update_intx(vd);
	return isr;
}

static uint64_t vp_config_read(struct virtio_dev *vd, uint64_t off, unsigned int len)
{
	uint64_t val = 0;

	if (off < sizeof(vd->config) && len <= sizeof(vd->config) - off)
		memcpy(&val, vd->config + off, len);
	return val;
}

static uint64_t vp_bar_read(struct pci_dev *pci, unsigned int bar, uint64_t off,
			    unsigned int len)
{
	struct virtio_dev *vd = vp_from_pci(pci);

	(void)bar;
	switch (off & ~(VP_PAGE - 1ULL)) {
	case VP_COMMON:
		return vp_common_read(vd, off);
	case VP_ISR:
		return off == VP_ISR ? vp_read_isr(vd) : 0;
	case VP_DEVICE:
		return vp_config_read(vd, off - VP_DEVICE, len);
	case VP_MSIX_TABLE:
		return msix_table_read(&vd->msix, off - VP_MSIX_TABLE, len);
	case VP_MSIX_PBA:
		return msix_pba_read(&vd->msix, off - VP_MSIX_PBA, len);
	}
	return 0;
}

static void vp_bar_write(struct pci_dev *pci, unsigned int bar, uint64_t off, unsigned int len,
			 uint64_t val)
{
	struct virtio_dev *vd = vp_from_pci(pci);

	(void)bar;
	switch (off & ~(VP_PAGE - 1ULL)) {
	case VP_COMMON:
		vp_common_write(vd, off, len, val);
		break;
	case VP_DEVICE:
		off -= VP_DEVICE;
		if (vd->ops->config_written && off < vd->config_len &&
		    len <= vd->config_len - off)
			vd->ops->config_written(vd, off, len, val);
		break;
	case VP_MSIX_TABLE:
		msix_table_write(&vd->msix, off - VP_MSIX_TABLE, len, val);
		break;
	case VP_NOTIFY:
		/* only what no ioeventfd takes, like a write of an odd width */
		off = (off - VP_NOTIFY) / VP_NOTIFY_MULTIPLIER;
		if (off < vd->nqueues)
			vp_signal(vd->queues[off].kick_fd);
		break;
	}
}

static void vp_bar_mapped(struct pci_dev *pci, unsigned int bar, bool mapped)
{
	struct virtio_dev *vd = vp_from_pci(pci);
	uint64_t addr = pci->bars[bar].addr + VP_NOTIFY;
	unsigned int q;

	for (q = 0; q < vd->nqueues; q++) {
		int err = kvm_ioeventfd(vd->host->kvm, vd->queues[q].kick_fd,
					addr + q * VP_NOTIFY_MULTIPLIER, mapped);

		/* kicks still work without, by an exit to vp_bar_write() */
		if (err)
			log_warn("%s: no ioeventfd for queue %u: %s", vd->name, q,
				 strerror(-err));
	}
}

/* The window of VIRTIO_PCI_CAP_PCI_CFG (4.1.4.9): an access to the BAR that the driver names. */
static bool vp_window(struct virtio_dev *vd, unsigned int off, unsigned int len, uint32_t *at,
		      uint32_t *width)
{
	unsigned int cap = vd->pci_cfg_cap;
	unsigned int data = cap + sizeof(struct virtio_pci_cap);

	if (off >= data + 4 || off + len <= data)
		return false;
	*at = pci_get32(&vd->pci, cap + offsetof(struct virtio_pci_cap, offset));
	*width = pci_get32(&vd->pci, cap + offsetof(struct virtio_pci_cap, length));
	return vd->pci.cfg[cap + offsetof(struct virtio_pci_cap, bar)] == VP_BAR &&
	       (*width == 1 || *width == 2 || *width == 4) && !(*at & (*width - 1)) &&
	       *at <= VP_BAR_SIZE - *width;
}

static void vp_config_space_read(struct pci_dev *pci, unsigned int off, unsigned int len)
{
	struct virtio_dev *vd = vp_from_pci(pci);
	uint32_t at, width;

	if (vp_window(vd, off, len, &at, &width))
		pci_set(pci->cfg, vd->pci_cfg_cap + sizeof(struct virtio_pci_cap), width,
			vp_bar_read(pci, VP_BAR, at, width));
}

static void vp_config_space_written(struct pci_dev *pci, unsigned int off, unsigned int len)
{
	struct virtio_dev *vd = vp_from_pci(pci);
	uint32_t at, width;
	unsigned int q;

	if (vp_window(vd, off, len, &at, &width)) {
		uint32_t val = pci_get32(pci, vd->pci_cfg_cap + sizeof(struct virtio_pci_cap));

		if (width < 4)
			val &= (1u << (8 * width)) - 1;
		vp_bar_write(pci, VP_BAR, at, width, val);
		return;
	}
	if (off <= PCI_COMMAND + 1)
		vp_update_intx(vd);
	if (off < vd->msix.cap || off >= vd->msix.cap + PCI_CAP_MSIX_SIZEOF)
		return;
	msix_config_written(&vd->msix, off, len);
	vp_update_intx(vd);
	for (q = 0; q < vd->nqueues; q++)
		vp_call_changed(vd, q);
}

static const struct pci_ops vp_pci_ops = {
	.bar_read = vp_bar_read,
	.bar_write = vp_bar_write,
	.bar_mapped = vp_bar_mapped,
	.config_read = vp_config_space_read,
	.config_written = vp_config_space_written,
};

static void vp_add_cap(struct virtio_dev *vd, uint8_t type, uint32_t off, uint32_t len)
{
	unsigned int extra = type == VIRTIO_PCI_CAP_NOTIFY_CFG ||
			     type == VIRTIO_PCI_CAP_PCI_CFG ? 4 : 0;
	struct virtio_pci_cap cap = {
		.cap_vndr = PCI_CAP_ID_VNDR,
		.cap_len = sizeof(cap) + extra,
		.cfg_type = type,
		.bar = VP_BAR,
		.offset = off,
		.length = len,
	};
	unsigned int at = pci_add_cap(&vd->pci, PCI_CAP_ID_VNDR, cap.cap_len);

	/* its list pointers are pci_add_cap()'s */
	memcpy(vd->pci.cfg + at + 2, (uint8_t *)&cap + 2, sizeof(cap) - 2);
	if (type == VIRTIO_PCI_CAP_NOTIFY_CFG) {
		pci_set(vd->pci.cfg, at + sizeof(cap), 4, VP_NOTIFY_MULTIPLIER);
	} else if (type == VIRTIO_PCI_CAP_PCI_CFG) {
		uint8_t *wmask = vd->pci.wmask + at;

		vd->pci_cfg_cap = at;
		pci_set(wmask, offsetof(struct virtio_pci_cap, bar), 1, 0xff);
		pci_set(wmask, offsetof(struct virtio_pci_cap, offset), 4, 0xffffffff);
		pci_set(wmask, offsetof(struct virtio_pci_cap, length), 4, 0xffffffff);
		pci_set(wmask, sizeof(cap), 4, 0xffffffff);
	}
}

static int vp_init_queues(struct virtio_dev *vd, unsigned int nqueues, unsigned int size)
{
	unsigned int q;

	vd->queues = calloc(nqueues, sizeof(*vd->queues));
	if (!vd->queues)
		return -ENOMEM;
	for (q = 0; q < nqueues; q++)
		vd->queues[q].kick_fd = -1;
	vd->nqueues = nqueues;
	for (q = 0; q < nqueues; q++) {
		struct virtio_queue *vq = &vd->queues[q];

		vq->max = size;
		vq->size = size;
		vq->vector = VIRTIO_MSI_NO_VECTOR;
		vq->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (vq->kick_fd < 0)
			return -errno;
	}
	return 0;
}

int virtio_init(struct virtio_dev *vd, const struct virtio_host *host,
		const struct virtio_id *id, const struct virtio_ops *ops, unsigned int nqueues,
		unsigned int size)
{
	const struct pci_ids ids = {
		.vendor = VIRTIO_PCI_VENDOR,
		.device = VIRTIO_PCI_DEVICE_BASE + id->id,
		.subsystem = VIRTIO_PCI_DEVICE_BASE + id->id,
		.revision = VIRTIO_PCI_REVISION,
		.class = id->class,
	};
	static const struct msix_place msix_place = {
		.table = VP_MSIX_TABLE | VP_BAR,
		.pba = VP_MSIX_PBA | VP_BAR,
	};
	int err;

	vd->host = host;
	vd->ops = ops;
	vd->intx.fd = -1;
	vd->config_vector = VIRTIO_MSI_NO_VECTOR;
	vd->features |= 1ULL << VIRTIO_F_VERSION_1;
	if (!nqueues || nqueues > VIRTIO_QUEUES_MAX)
		return -EINVAL;
	err = vp_init_queues(vd, nqueues, size);
	if (err)
		goto err_destroy;

	pci_dev_init(&vd->pci, &vp_pci_ops, &ids);
	pci_add_bar(&vd->pci, VP_BAR, VP_BAR_SIZE, PCI_BASE_ADDRESS_MEM_TYPE_64);
	vp_add_cap(vd, VIRTIO_PCI_CAP_COMMON_CFG, VP_COMMON, VP_COMMON_SIZE);
	vp_add_cap(vd, VIRTIO_PCI_CAP_NOTIFY_CFG, VP_NOTIFY, nqueues * VP_NOTIFY_MULTIPLIER);
	vp_add_cap(vd, VIRTIO_PCI_CAP_ISR_CFG, VP_ISR, 1);
	if (vd->config_len)
		vp_add_cap(vd, VIRTIO_PCI_CAP_DEVICE_CFG, VP_DEVICE, vd->config_len);
	vp_add_cap(vd, VIRTIO_PCI_CAP_PCI_CFG, 0, 0);
	err = msix_init(&vd->msix, host->kvm, &vd->pci, nqueues + 1, &msix_place);
	if (err)
		goto err_destroy;

	vd->intx.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (vd->intx.fd < 0) {
		err = -errno;
		goto err_destroy;
	}
	vd->intx.ready = vp_intx_ready;
	vd->intx.opaque = vd;
	err = loop_add(host->loop, &vd->intx, EPOLLIN);
	if (!err)
		err = pci_add(host->pci, &vd->pci);
	if (err)
		goto err_destroy;
	return 0;

err_destroy:
	virtio_destroy(vd);
	return err;
}

void virtio_destroy(struct virtio_dev *vd)
{
	unsigned int q;

	for (q = 0; q < vd->nqueues; q++) {
		if (vd->queues[q].running)
			vd->ops->queue_stop(vd, q);
		if (vd->queues[q].kick_fd >= 0)
			close(vd->queues[q].kick_fd);
	}
	free(vd->queues);
	vd->queues = NULL;
	vd->nqueues = 0;
	if (vd->intx.fd >= 0) {
		loop_del(vd->host->loop, &vd->intx);
		close(vd->intx.fd);
		vd->intx.fd = -1;
	}
	msix_destroy(&vd->msix);
}

void virtio_reset(struct virtio_dev *vd)
{
	vp_device_reset(vd);
	msix_reset(&vd->msix);
}
