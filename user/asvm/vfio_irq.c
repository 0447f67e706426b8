// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupts of a leased function. MSI and MSI-X go from VFIO by eventfd to KVM's irqfd: while
 * they are masked the eventfd counts. INTx is masked by VFIO when it fires and unmasked by an
 * eventfd of KVM's when the guest has handled it. No interrupt passes through this process.
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "acpi.h"
#include "log.h"
#include "vfio_dev.h"

static const uint32_t irq_index[] = {
	[VFIO_IRQ_INTX] = VFIO_PCI_INTX_IRQ_INDEX,
	[VFIO_IRQ_MSI] = VFIO_PCI_MSI_IRQ_INDEX,
	[VFIO_IRQ_MSIX] = VFIO_PCI_MSIX_IRQ_INDEX,
};

static const char *const irq_name[] = {
	[VFIO_IRQ_INTX] = "INTx",
	[VFIO_IRQ_MSI] = "MSI",
	[VFIO_IRQ_MSIX] = "MSI-X",
};

/* VFIO_DEVICE_SET_IRQS; @fds NULL: no data. 0, -errno, or how many vectors the host has. */
static int irq_set(struct vfio_dev *d, uint32_t index, uint32_t action, unsigned int start,
		   unsigned int count, const int32_t *fds)
{
	union {
		struct vfio_irq_set set;
		uint8_t room[sizeof(struct vfio_irq_set) + MSIX_VECTORS_MAX * sizeof(int32_t)];
	} arg;
	size_t data = fds ? count * sizeof(*fds) : 0;
	int ret;

	arg.set = (struct vfio_irq_set){
		.argsz = sizeof(arg.set) + data,
		.flags = action | (fds ? VFIO_IRQ_SET_DATA_EVENTFD : VFIO_IRQ_SET_DATA_NONE),
		.index = index,
		.start = start,
		.count = count,
	};
	if (fds)
		memcpy(arg.set.data, fds, data);
	ret = ioctl(d->fd, VFIO_DEVICE_SET_IRQS, &arg);
	return ret < 0 ? -errno : ret;
}

static int irq_trigger(struct vfio_dev *d, uint32_t index, unsigned int start,
		       unsigned int count, const int32_t *fds)
{
	return irq_set(d, index, VFIO_IRQ_SET_ACTION_TRIGGER, start, count, fds);
}

static int irq_pin(const struct vfio_dev *d)
{
	return acpi_pci_gsi(d->pci.slot);
}

static void irq_drain(int fd)
{
	uint64_t count;

	if (read(fd, &count, sizeof(count)) < 0)
		return;
}

void vfio_irq_off(struct vfio_dev *d)
{
	int err;

	if (d->mode == VFIO_IRQ_OFF)
		return;
	err = irq_trigger(d, irq_index[d->mode], 0, 0, NULL);
	if (d->mode == VFIO_IRQ_INTX) {
		kvm_irqfd_level(d->host->kvm, d->intx, d->unmask, irq_pin(d), false);
		/* what it asserted last must not come the next time that it is switched on */
		irq_drain(d->intx);
		irq_drain(d->unmask);
	}
	if (err < 0 && err != -ENODEV && vfio_may_tell(d))
		log_warn("%s: %s cannot be switched off: %s", d->name, irq_name[d->mode],
			 strerror(-err));
	memset(d->hooked, 0, sizeof(d->hooked));
	d->nvectors = 0;
	d->mode = VFIO_IRQ_OFF;
}

/* Switched on first, connected then: what fires between is counted. */
static int irq_intx_on(struct vfio_dev *d)
{
	int err = irq_trigger(d, VFIO_PCI_INTX_IRQ_INDEX, 0, 1, &d->intx);

	if (err)
		return err;
	err = irq_set(d, VFIO_PCI_INTX_IRQ_INDEX, VFIO_IRQ_SET_ACTION_UNMASK, 0, 1, &d->unmask);
	if (!err)
		err = kvm_irqfd_level(d->host->kvm, d->intx, d->unmask, irq_pin(d), true);
	if (err)
		irq_trigger(d, VFIO_PCI_INTX_IRQ_INDEX, 0, 0, NULL);
	return err;
}

/* All vectors at once, for VFIO cannot add some later; when the host has fewer, those. */
static int irq_vectors_on(struct vfio_dev *d, uint32_t index, unsigned int n, int32_t *fds)
{
	int ret = irq_trigger(d, index, 0, n, fds);

	if (ret > 0 && (unsigned int)ret < n) {
		if (vfio_may_tell(d))
			log_warn("%s: the host has only %d interrupt vectors, of %u that the guest wants",
				 d->name, ret, n);
		n = ret;
		ret = irq_trigger(d, index, 0, n, fds);
	}
	if (ret > 0)
		ret = -ENOSPC;
	if (!ret)
		d->nvectors = n;
	return ret;
}

static int irq_msi_on(struct vfio_dev *d)
{
	int32_t fds[MSI_VECTORS_MAX];
	unsigned int i, n = msi_count(&d->msi);

	for (i = 0; i < n; i++)
		fds[i] = d->msi.v[i].fd;
	return irq_vectors_on(d, VFIO_PCI_MSI_IRQ_INDEX, n, fds);
}

/* Vectors that the guest has never unmasked cost the host nothing. */
static int irq_msix_on(struct vfio_dev *d)
{
	int32_t fds[MSIX_VECTORS_MAX];
	unsigned int i;
	int err;

	for (i = 0; i < d->msix.n; i++)
		fds[i] = msix_vector_open(&d->msix, i) ? msix_fd(&d->msix, i) : -1;
	err = irq_vectors_on(d, VFIO_PCI_MSIX_IRQ_INDEX, d->msix.n, fds);
	for (i = 0; !err && i < d->nvectors; i++)
		d->hooked[i] = fds[i] >= 0;
	return err;
}

static void irq_msix_more(struct vfio_dev *d)
{
	unsigned int i;

	for (i = 0; i < d->nvectors; i++) {
		int32_t fd = msix_fd(&d->msix, i);
		int err;

		if (d->hooked[i] || !msix_vector_open(&d->msix, i))
			continue;
		err = irq_trigger(d, VFIO_PCI_MSIX_IRQ_INDEX, i, 1, &fd);
		if (err && vfio_may_tell(d))
			log_warn("%s: vector %u cannot be switched on: %s", d->name, i,
				 strerror(err < 0 ? -err : ENOSPC));
		d->hooked[i] = !err;
	}
}

static enum vfio_irq_mode irq_wanted(const struct vfio_dev *d)
{
	uint16_t command = pci_get16(&d->pci, PCI_COMMAND);

	if (msix_enabled(&d->msix))
		return VFIO_IRQ_MSIX;
	if (msi_enabled(&d->msi))
		return VFIO_IRQ_MSI;
	/* a function that is not set up yet is not listened to */
	if (d->irqs[VFIO_PCI_INTX_IRQ_INDEX] && !(command & PCI_COMMAND_INTX_DISABLE) &&
	    (command & (PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER)))
		return VFIO_IRQ_INTX;
	return VFIO_IRQ_OFF;
}

void vfio_irq_sync(struct vfio_dev *d)
{
	enum vfio_irq_mode want = irq_wanted(d);
	int err = 0;

	if (d->fd < 0)
		return;
	if (want == d->mode && want == VFIO_IRQ_MSIX)
		irq_msix_more(d);
	if (want != d->refused)
		d->refused = VFIO_IRQ_OFF;
	else if (want != VFIO_IRQ_OFF)
		return;
	if (want == d->mode)
		return;
	vfio_irq_off(d);
	switch (want) {
	case VFIO_IRQ_INTX:
		err = irq_intx_on(d);
		break;
	case VFIO_IRQ_MSI:
		err = irq_msi_on(d);
		break;
	case VFIO_IRQ_MSIX:
		err = irq_msix_on(d);
		break;
	default:
		break;
	}
	if (!err) {
		d->mode = want;
		return;
	}
	d->refused = want;
	if (vfio_may_tell(d))
		log_warn("%s: %s cannot be switched on: %s", d->name, irq_name[want],
			 strerror(-err));
}

static void irq_request_ready(struct loop_source *src, uint32_t events)
{
	struct vfio_dev *d = src->opaque;
	struct vfio_left left;
	bool back;

	(void)events;
	irq_drain(src->fd);
	pthread_mutex_lock(d->host->lock);
	back = vfio_requested(d, &left);
	pthread_mutex_unlock(d->host->lock);
	if (!back)
		return;
	vfio_give_back(d, &left);
	log_info("%s: the guest has let go of it, and the host has it back", d->name);
}

static void irq_error_ready(struct loop_source *src, uint32_t events)
{
	struct vfio_dev *d = src->opaque;

	(void)events;
	irq_drain(src->fd);
	log_err("%s: an error on its link that hardware cannot correct; what it does now is not to be relied on: reboot the guest",
		d->name);
}

static int irq_watch(struct vfio_dev *d, uint32_t index, struct loop_source *src,
		     void (*ready)(struct loop_source *src, uint32_t events))
{
	int err;

	src->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (src->fd < 0)
		return -errno;
	src->ready = ready;
	src->opaque = d;
	err = loop_add(d->host->loop, src, EPOLLIN);
	if (err || !d->irqs[index])
		return err;
	return irq_trigger(d, index, 0, 1, &src->fd);
}

int vfio_irq_init(struct vfio_dev *d)
{
	int err;

	d->intx = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	d->unmask = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (d->intx < 0 || d->unmask < 0)
		return -errno;
	err = irq_watch(d, VFIO_PCI_REQ_IRQ_INDEX, &d->request, irq_request_ready);
	if (!err)
		err = irq_watch(d, VFIO_PCI_ERR_IRQ_INDEX, &d->error, irq_error_ready);
	return err;
}

static void irq_unwatch(struct vfio_dev *d, struct loop_source *src)
{
	if (src->fd < 0)
		return;
	loop_del(d->host->loop, src);
	close(src->fd);
	src->fd = -1;
}

void vfio_irq_destroy(struct vfio_dev *d)
{
	vfio_irq_off(d);
	irq_unwatch(d, &d->request);
	irq_unwatch(d, &d->error);
	if (d->intx >= 0)
		close(d->intx);
	if (d->unmask >= 0)
		close(d->unmask);
	d->intx = -1;
	d->unmask = -1;
}
