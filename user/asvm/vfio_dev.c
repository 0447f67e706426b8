// SPDX-License-Identifier: GPL-2.0-only
/* A leased function in the guest: from its VFIO device to a slot, and back to the host. */
#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "log.h"
#include "vfio_dev.h"

/* while the host's driver core has the function locked */
#define RESET_TRIES	50
#define RESET_PAUSE_MS	20
/* messages for each function that its guest can provoke */
#define TOLD_MAX	16

static int dev_open(struct vfio_dev *d)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };

	d->fd = ioctl(d->group, VFIO_GROUP_GET_DEVICE_FD, d->name);
	if (d->fd < 0 || ioctl(d->fd, VFIO_DEVICE_GET_INFO, &info) < 0) {
		int err = errno;

		log_err("%s: its VFIO device cannot be opened: %s", d->name, strerror(err));
		return -err;
	}
	if (!(info.flags & VFIO_DEVICE_FLAGS_PCI) ||
	    info.num_regions <= VFIO_PCI_CONFIG_REGION_INDEX) {
		log_err("%s: VFIO does not know it as a PCI function", d->name);
		return -ENODEV;
	}
	d->can_reset = info.flags & VFIO_DEVICE_FLAGS_RESET;
	return 0;
}

/* What VFIO has of it: configuration space, BARs, interrupts. */
static int dev_explore(struct vfio_dev *d)
{
	struct vfio_region_info config = {
		.argsz = sizeof(config),
		.index = VFIO_PCI_CONFIG_REGION_INDEX,
	};
	unsigned int i;

	if (ioctl(d->fd, VFIO_DEVICE_GET_REGION_INFO, &config) < 0)
		return -errno;
	if (config.size < PCI_CFG_SIZE)
		return -ENODEV;
	d->config = config.offset;
	for (i = 0; i < PCI_BARS; i++) {
		int err = vfio_bar_init(d, i);

		if (err)
			return err;
	}
	for (i = 0; i < VFIO_PCI_NUM_IRQS; i++) {
		struct vfio_irq_info irq = { .argsz = sizeof(irq), .index = i };

		/* a kind that a function has not, or an older kernel does not know */
		if (!ioctl(d->fd, VFIO_DEVICE_GET_IRQ_INFO, &irq) &&
		    (irq.flags & VFIO_IRQ_INFO_EVENTFD))
			d->irqs[i] = irq.count;
	}
	return 0;
}

/* The guest does not have it any more. The main thread does the rest. */
static void dev_let_go(struct vfio_dev *d)
{
	static const uint64_t one = 1;

	d->let_go = true;
	if (write(d->request.fd, &one, sizeof(one)) < 0)
		log_warn("%s: stays with this process until it ends", d->name);
}

/* The slot is switched off by the guest. */
static void dev_powered_off(struct pci_port *port)
{
	struct vfio_dev *d = (struct vfio_dev *)((char *)port - offsetof(struct vfio_dev, port));

	vfio_quiet(d);
	dev_let_go(d);
}

static void dev_bus_reset(struct pci_port *port)
{
	vfio_guest_reset((struct vfio_dev *)((char *)port - offsetof(struct vfio_dev, port)));
}

static void dev_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* What the guest used of it, at once; what holds it goes to @left. */
static void dev_detach(struct vfio_dev *d, struct vfio_left *left)
{
	unsigned int bar;

	if (d->fd >= 0)
		vfio_irq_destroy(d);
	for (bar = 0; bar < PCI_BARS; bar++)
		vfio_bar_unmap(d, bar);
	msi_destroy(&d->msi);
	msix_destroy(&d->msix);
	*left = (struct vfio_left){ d->lease, d->group, d->fd };
	d->lease = -1;
	d->group = -1;
	d->fd = -1;
}

/* The lease last. */
void vfio_give_back(struct vfio_dev *d, struct vfio_left *left)
{
	dev_close(&left->fd);
	if (d->host && left->group >= 0)
		kvm_vfio_group(d->host->kvm, left->group, false);
	dev_close(&left->group);
	dev_close(&left->lease);
}

bool vfio_may_tell(struct vfio_dev *d)
{
	if (d->told == TOLD_MAX)
		log_warn("%s: too many messages: no more of what the guest does with it", d->name);
	if (d->told <= TOLD_MAX)
		d->told++;
	return d->told <= TOLD_MAX;
}

bool vfio_requested(struct vfio_dev *d, struct vfio_left *left)
{
	int err;

	if (d->fd < 0)
		return false;
	if (d->let_go) {
		dev_detach(d, left);
		return true;
	}
	if (!d->wanted)
		log_info("%s: the host wants it back", d->name);
	/* VFIO repeats the wish, and a guest may have missed the first press */
	err = pci_port_press(&d->port);
	if (!err)
		log_info("%s: the guest is asked to let go of it", d->name);
	else if (err == -ENOTCONN && !d->wanted)
		log_warn("%s: the guest does not listen to its slot: stop or reset it", d->name);
	d->wanted = true;
	return false;
}

int vfio_create(struct vfio_dev *d)
{
	unsigned int bar;
	int err;

	err = dev_open(d);
	if (err)
		return err;
	err = dev_explore(d);
	if (!err)
		err = vfio_irq_init(d);
	if (err)
		goto err_msg;
	err = vfio_config_init(d);
	if (err)
		return err;
	err = vfio_command(d, 0);
	for (bar = 0; bar < PCI_BARS && !err; bar++)
		err = vfio_bar_map(d, bar);
	if (err)
		goto err_msg;
	if (d->msix.n)
		msix_go_live(&d->msix);
	d->port.powered_off = dev_powered_off;
	d->port.bus_reset = dev_bus_reset;
	err = pci_port_add(&d->port, d->host->pci, d->host->kvm, &d->pci);
	if (err == -ENOSPC) {
		log_err("%s: its BARs do not fit into the guest's address space", d->name);
		return err;
	}
	if (err)
		goto err_msg;
	return 0;

err_msg:
	log_err("%s: cannot be given to the guest: %s", d->name, strerror(-err));
	return err;
}

void vfio_destroy(struct vfio_dev *d)
{
	struct vfio_left left;

	if (!d)
		return;
	dev_detach(d, &left);
	vfio_give_back(d, &left);
	pci_port_destroy(&d->port);
	free(d);
}

bool vfio_is_held(const struct vfio_dev *d)
{
	return d->fd >= 0 && !d->let_go;
}

int vfio_function_reset(struct vfio_dev *d)
{
	unsigned int tries;
	int err = -ENOTTY;

	for (tries = 0; d->can_reset && tries < RESET_TRIES; tries++) {
		err = ioctl(d->fd, VFIO_DEVICE_RESET) < 0 ? -errno : 0;
		if (err != -EAGAIN)
			break;
		poll(NULL, 0, RESET_PAUSE_MS);
	}
	d->unreset = err;
	return err;
}

void vfio_guest_reset(struct vfio_dev *d)
{
	vfio_quiet(d);
	pci_reset_dev(&d->pci);
	if (vfio_function_reset(d) && vfio_may_tell(d))
		log_warn("%s: the guest's reset of it failed; it has no access to memory until one succeeds",
			 d->name);
}

void vfio_quiet(struct vfio_dev *d)
{
	vfio_irq_off(d);
	if (vfio_command(d, 0))
		log_warn("%s: its command register cannot be written", d->name);
	msi_reset(&d->msi);
	if (d->msix.n) {
		msix_reset(&d->msix);
		msix_go_live(&d->msix);
	}
}

/*
 * A guest that starts anew must not find a function that goes on with what the last one told
 * it: one that cannot be reset goes back to the host. So does one that the host wants back;
 * there is nobody left who would have to be asked.
 */
void vfio_reset(struct vfio_dev *d)
{
	int err = 0;

	if (!d)
		return;
	pci_port_reset(&d->port);
	if (!vfio_is_held(d))
		return;
	vfio_quiet(d);
	if (!d->wanted)
		err = vfio_function_reset(d);
	if (!d->wanted && !err)
		return;
	if (err)
		log_err("%s: cannot be reset: %s; the guest starts without it", d->name,
			strerror(-err));
	pci_port_empty(&d->port);
	dev_let_go(d);
}
