// SPDX-License-Identifier: GPL-2.0-only
/* Between drivers: from the host's to asv_vtd, and back. */
#include <linux/pm_runtime.h>

#include <compat-vfio.h>

#include "vtd.h"

static bool asv_vtd_bound(struct pci_dev *pdev)
{
	return READ_ONCE(pdev->dev.driver) == &asv_vtd_driver.driver;
}

static void asv_vtd_set_binding(struct asv_vtd_lease *lease, bool binding)
{
	spin_lock(&lease->lock);
	lease->binding = binding;
	spin_unlock(&lease->lock);
}

/* Nothing of its last user stays in it. The function has no driver. */
static int asv_vtd_reset(struct pci_dev *pdev)
{
	int ret;

	pm_runtime_get_sync(&pdev->dev);
	ret = pci_reset_function(pdev);
	pm_runtime_put(&pdev->dev);
	return ret;
}

/*
 * The host's driver again, if there was one. A driver whose probe fails is for device_attach()
 * no error, only none that took the device. Return: 0 or a negative errno.
 */
static int asv_vtd_attach_host(struct asv_vtd_lease *lease)
{
	int ret;

	if (!lease->old_driver[0])
		return 0;
	ret = device_attach(&lease->pdev->dev);
	if (!ret)
		return -ENODEV;
	return min(ret, 0);
}

static int asv_vtd_bind_ours(struct asv_vtd_lease *lease, struct asv_vtd_refusal *why)
{
	struct pci_dev *pdev = lease->pdev;
	int ret;

	if (!device_is_registered(&pdev->dev))
		return asv_vtd_refuse(why, ASV_VTD_NO_FUNCTION, "%s was unplugged", pci_name(pdev));
	ret = asv_vtd_reset(pdev);
	if (ret)
		return asv_vtd_refuse(why, ASV_VTD_RESET_FAILED, "%s cannot be reset (error %d)",
				      pci_name(pdev), -ret);
	asv_vtd_set_binding(lease, true);
	ret = device_driver_attach(&asv_vtd_driver.driver, &pdev->dev);
	asv_vtd_set_binding(lease, false);
	/* Another's write to drivers_probe may have bound it in between: that is as good. */
	if (asv_vtd_bound(pdev))
		return 0;
	return asv_vtd_refuse(why, ASV_VTD_BIND_FAILED, "VFIO did not take %s (error %d)",
			      pci_name(pdev), ret ? -ret : ENODEV);
}

/**
 * asv_vtd_bind() - take the function from the host's driver and bind it to asv_vtd
 * @lease: in state TAKING, in the list
 * @expected: the driver that was checked, or none
 * @claims: the function's disks, claimed; closed once the driver has let go
 * @why: filled in when it fails
 *
 * With the override set first, no driver but asv_vtd can be bound any more; so one look
 * at the bound driver after that is enough to know that it is the one that was checked.
 *
 * Context: process, no locks; takes the device's lock.
 * Return: 0, -ENOMEM, or the errno of @why, and then the host's driver is back.
 */
int asv_vtd_bind(struct asv_vtd_lease *lease, const struct asv_vtd_driver_id *expected,
		 struct list_head *claims, struct asv_vtd_refusal *why)
{
	struct pci_dev *pdev = lease->pdev;
	const char *override;
	int ret;

	override = asv_pci_get_override(pdev);
	if (IS_ERR(override))
		return PTR_ERR(override);
	lease->old_override = override;
	ret = asv_pci_set_override(pdev, asv_vtd_driver.name);
	if (ret)
		return ret;
	if (READ_ONCE(pdev->dev.driver) != expected->driver) {
		ret = asv_vtd_refuse(why, ASV_VTD_RETURNING,
				     "the driver of %s has just changed: try again",
				     pci_name(pdev));
		goto override;
	}
	strscpy(lease->old_driver, expected->name, sizeof(lease->old_driver));
	if (expected->driver)
		device_release_driver(&pdev->dev);
	asv_vtd_unclaim_disks(claims);
	ret = asv_vtd_bind_ours(lease, why);
	if (!ret)
		return 0;
override:
	asv_pci_set_override(pdev, lease->old_override);
	if (asv_vtd_attach_host(lease))
		pci_err(pdev, "not leased, and %s does not take it back\n", lease->old_driver);
	return ret;
}

/*
 * The return. Runs when the lease and VFIO's device are closed, so that releasing asv_vtd
 * waits for nobody. A function that vanished has nothing to give back, and a reset of it
 * would wait a minute for an answer. The override stays until the reset is over: before, no
 * other driver shall find the function.
 */
void asv_vtd_give_back(struct work_struct *work)
{
	struct asv_vtd_lease *lease = container_of(work, struct asv_vtd_lease, work);
	struct pci_dev *pdev = lease->pdev;
	struct asv_vtd_driver_id host;
	int ret, err = 0;
	bool gone;

	if (asv_vtd_bound(pdev))
		device_release_driver(&pdev->dev);
	spin_lock(&lease->lock);
	gone = lease->gone;
	spin_unlock(&lease->lock);
	gone |= !device_is_registered(&pdev->dev);
	if (!gone)
		err = asv_vtd_reset(pdev);
	if (asv_pci_set_override(pdev, lease->old_override))
		pci_err(pdev, "no memory to restore the driver override\n");
	if (gone) {
		asv_vtd_lease_unlist(lease);
		return;
	}
	if (err)
		pci_err(pdev, "cannot be reset on its return: %d\n", err);
	ret = asv_vtd_attach_host(lease);
	if (ret)
		pci_err(pdev, "%s does not take it back: %d\n", lease->old_driver, ret);
	else
		pci_info(pdev, "returned\n");
	asv_vtd_identify(&pdev->dev, &host);
	kref_get(&lease->ref);
	/* First out of the list: who hears of the return may take it at once. */
	asv_vtd_lease_unlist(lease);
	asv_vtd_event(ASV_VTD_EVENT_RETURNED, pdev, lease, NULL, host.name, err ?: ret);
	asv_vtd_lease_put(lease);
}
