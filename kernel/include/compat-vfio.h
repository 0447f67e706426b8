/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What compat.h is for the whole suite, for the interfaces that only the passthrough
 * helper uses. Same rule: code is written as for the newest kernel, and nothing else
 * tests the ASV_HAVE_ flags.
 */
#ifndef _ASV_COMPAT_VFIO_H
#define _ASV_COMPAT_VFIO_H

#include <linux/err.h>
#include <linux/iommu.h>
#include <linux/irqdomain.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/string.h>

/* Sets the driver override of a function; NULL or "" takes it away. */
static inline int asv_pci_set_override(struct pci_dev *pdev, const char *name)
{
#ifdef ASV_HAVE_DEVICE_DRIVER_OVERRIDE
	return device_set_driver_override(&pdev->dev, name ?: "");
#else
	return driver_set_override(&pdev->dev, &pdev->driver_override, name ?: "",
				   name ? strlen(name) : 0);
#endif
}

/* A copy of the driver override, NULL for none, -ENOMEM; kfree() it. Sleeps. */
static inline const char *asv_pci_get_override(struct pci_dev *pdev)
{
	char *copy = kzalloc(PAGE_SIZE, GFP_KERNEL);
	const char *name;

	if (!copy)
		return ERR_PTR(-ENOMEM);
#ifdef ASV_HAVE_DEVICE_DRIVER_OVERRIDE
	spin_lock(&pdev->dev.driver_override.lock);
	name = pdev->dev.driver_override.name;
	if (name)
		strscpy(copy, name, PAGE_SIZE);
	spin_unlock(&pdev->dev.driver_override.lock);
#else
	device_lock(&pdev->dev);
	name = pdev->driver_override;
	if (name)
		strscpy(copy, name, PAGE_SIZE);
	device_unlock(&pdev->dev);
#endif
	if (name)
		return copy;
	kfree(copy);
	return NULL;
}

/* Can no function of the group raise an interrupt that is not its own? */
static inline bool asv_group_isolated_msi(struct pci_dev *pdev, struct iommu_group *group)
{
#ifdef ASV_HAVE_GROUP_ISOLATED_MSI
	return iommu_group_has_isolated_msi(group);
#else
	return device_iommu_capable(&pdev->dev, IOMMU_CAP_INTR_REMAP) ||
	       irq_domain_check_msi_remap();
#endif
}

/* For an initializer of struct vfio_device_ops. */
#ifdef ASV_HAVE_VFIO_IOMMUFD_OPS
#define ASV_VFIO_IOMMUFD_OPS					\
	.bind_iommufd = vfio_iommufd_physical_bind,		\
	.unbind_iommufd = vfio_iommufd_physical_unbind,		\
	.attach_ioas = vfio_iommufd_physical_attach_ioas,	\
	.detach_ioas = vfio_iommufd_physical_detach_ioas,
#else
#define ASV_VFIO_IOMMUFD_OPS
#endif

#endif /* _ASV_COMPAT_VFIO_H */
