// SPDX-License-Identifier: GPL-2.0-only
/* The PCI driver that leased functions are bound to, and their VFIO device. */
#include <linux/module.h>
#include <linux/vfio_pci_core.h>

#include <compat-vfio.h>

#include "vtd.h"

/**
 * struct asv_vtd_device - a leased function as VFIO sees it
 * @core: must be what the driver data points to
 * @lease: held
 */
struct asv_vtd_device {
	struct vfio_pci_core_device core;
	struct asv_vtd_lease *lease;
};

static struct asv_vtd_lease *asv_vtd_lease_of_vdev(struct vfio_device *vdev)
{
	return container_of(vdev, struct asv_vtd_device, core.vdev)->lease;
}

static void asv_vtd_set_closed(struct asv_vtd_lease *lease)
{
	spin_lock(&lease->lock);
	lease->open = false;
	spin_unlock(&lease->lock);
	asv_vtd_lease_settle(lease);
}

static int asv_vtd_open(struct vfio_device *vdev)
{
	struct asv_vtd_device *dev = container_of(vdev, struct asv_vtd_device, core.vdev);
	struct pid *user = get_pid(task_tgid(current));
	struct asv_vtd_lease *lease = dev->lease;
	bool held;
	int ret;

	spin_lock(&lease->lock);
	held = lease->state == ASV_VTD_STATE_HELD;
	if (held) {
		lease->open = true;
		swap(lease->user, user);
	}
	spin_unlock(&lease->lock);
	put_pid(user);
	if (!held)
		return -ENODEV;
	ret = vfio_pci_core_enable(&dev->core);
	if (ret) {
		asv_vtd_set_closed(lease);
		return ret;
	}
	vfio_pci_core_finish_enable(&dev->core);
	return 0;
}

static void asv_vtd_close(struct vfio_device *vdev)
{
	vfio_pci_core_close_device(vdev);
	asv_vtd_set_closed(asv_vtd_lease_of_vdev(vdev));
}

static const struct vfio_device_ops asv_vtd_vfio_ops = {
	.name = KBUILD_MODNAME,
	.init = vfio_pci_core_init_dev,
	.release = vfio_pci_core_release_dev,
	ASV_VFIO_IOMMUFD_OPS
	.open_device = asv_vtd_open,
	.close_device = asv_vtd_close,
	.ioctl = vfio_pci_core_ioctl,
	.device_feature = vfio_pci_core_ioctl_feature,
	.read = vfio_pci_core_read,
	.write = vfio_pci_core_write,
	.mmap = vfio_pci_core_mmap,
	.request = vfio_pci_core_request,
	.match = vfio_pci_core_match,
};

/* Only while a lease binds the function: no other way leads here. */
static int asv_vtd_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct asv_vtd_lease *lease = asv_vtd_lease_find(pdev);
	struct asv_vtd_device *dev;
	bool binding = false;
	int ret;

	if (lease) {
		spin_lock(&lease->lock);
		binding = lease->binding;
		spin_unlock(&lease->lock);
	}
	if (!binding) {
		pci_notice(pdev, "asv_vtd is bound by leases alone: see asv-vtd lease\n");
		ret = -ENODEV;
		goto put;
	}
	dev = vfio_alloc_device(asv_vtd_device, core.vdev, &pdev->dev, &asv_vtd_vfio_ops);
	if (IS_ERR(dev)) {
		ret = PTR_ERR(dev);
		goto put;
	}
	dev->lease = lease;
	dev_set_drvdata(&pdev->dev, &dev->core);
	ret = vfio_pci_core_register_device(&dev->core);
	if (!ret)
		return 0;
	vfio_put_device(&dev->core.vdev);
put:
	if (lease)
		asv_vtd_lease_put(lease);
	return ret;
}

/* By the return, when nobody has the VFIO device open; or by an unplug at any time. */
static void asv_vtd_remove(struct pci_dev *pdev)
{
	struct vfio_pci_core_device *core = dev_get_drvdata(&pdev->dev);
	struct asv_vtd_lease *lease = asv_vtd_lease_of_vdev(&core->vdev);
	enum asv_vtd_state state;

	spin_lock(&lease->lock);
	state = lease->state;
	lease->gone = state == ASV_VTD_STATE_HELD || state == ASV_VTD_STATE_ENDED;
	spin_unlock(&lease->lock);
	if (state == ASV_VTD_STATE_HELD || state == ASV_VTD_STATE_ENDED) {
		pci_info(pdev, "goes away while leased to %s (process %d)\n", lease->comm,
			 pid_nr(lease->taker));
		asv_vtd_event(ASV_VTD_EVENT_UNPLUGGED, pdev, lease, NULL, NULL, 0);
	}
	vfio_pci_core_unregister_device(core);
	vfio_put_device(&core->vdev);
	asv_vtd_lease_put(lease);
}

static pci_ers_result_t asv_vtd_error_detected(struct pci_dev *pdev, pci_channel_state_t state)
{
	struct vfio_pci_core_device *core = dev_get_drvdata(&pdev->dev);

	asv_vtd_event(ASV_VTD_EVENT_AER, pdev, asv_vtd_lease_of_vdev(&core->vdev), NULL, NULL, 0);
	return vfio_pci_core_aer_err_detected(pdev, state);
}

static const struct pci_error_handlers asv_vtd_err_handler = {
	.error_detected = asv_vtd_error_detected,
};

/* No MODULE_DEVICE_TABLE: what picks drivers by alias must not pick this one. */
static const struct pci_device_id asv_vtd_ids[] = {
	{ PCI_DRIVER_OVERRIDE_DEVICE_VFIO(PCI_ANY_ID, PCI_ANY_ID) },
	{ }
};

struct pci_driver asv_vtd_driver = {
	.name = KBUILD_MODNAME,
	.id_table = asv_vtd_ids,
	.probe = asv_vtd_probe,
	.remove = asv_vtd_remove,
	.err_handler = &asv_vtd_err_handler,
	.driver_managed_dma = true,
	/* Unbinding by sysfs would wait for the guest, and leave a lease of nothing. */
	.driver.suppress_bind_attrs = true,
};
