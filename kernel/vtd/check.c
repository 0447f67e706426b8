// SPDX-License-Identifier: GPL-2.0-only
/* What makes a function unfit for a guest. */
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>

#include <compat-vfio.h>

#include "vtd.h"

/* Deeper than any driver nests its devices below a function. */
#define ASV_VTD_DEPTH	16

/**
 * struct asv_vtd_walk - a walk over the devices below a function
 * @class: name of the class whose devices are looked for
 * @fn: called for each, not for what is below it; not 0 ends the walk
 * @arg: for @fn
 * @depth: levels that are left
 */
struct asv_vtd_walk {
	const char *class;
	int (*fn)(struct device *dev, void *arg);
	void *arg;
	unsigned int depth;
};

static int asv_vtd_walk_one(struct device *dev, void *arg)
{
	struct asv_vtd_walk *walk = arg;
	int ret;

	if (dev->class && !strcmp(dev->class->name, walk->class))
		return walk->fn(dev, walk->arg);
	if (!walk->depth)
		return 0;
	walk->depth--;
	ret = device_for_each_child(dev, walk, asv_vtd_walk_one);
	walk->depth++;
	return ret;
}

/* What fn returned last, for each device of a class below a function. May sleep in fn. */
int asv_vtd_walk(struct pci_dev *pdev, const char *class,
		 int (*fn)(struct device *dev, void *arg), void *arg)
{
	struct asv_vtd_walk walk = {
		.class = class,
		.fn = fn,
		.arg = arg,
		.depth = ASV_VTD_DEPTH,
	};

	return device_for_each_child(&pdev->dev, &walk, asv_vtd_walk_one);
}

/* Members of a group that are looked at; one with more is refused. */
#define ASV_VTD_MEMBERS	64

/**
 * struct asv_vtd_members - a look at a group
 * @count: of @dev
 * @more: there are others
 * @dev: the first ones, each with a reference
 */
struct asv_vtd_members {
	unsigned int count;
	bool more;
	struct device *dev[ASV_VTD_MEMBERS];
};

static int asv_vtd_member(struct device *dev, void *arg)
{
	struct asv_vtd_members *members = arg;

	if (members->count < ASV_VTD_MEMBERS)
		members->dev[members->count++] = get_device(dev);
	else
		members->more = true;
	return 0;
}

static void asv_vtd_identify_locked(struct device *dev, struct asv_vtd_driver_id *id)
{
	memset(id, 0, sizeof(*id));
	if (!dev->driver)
		return;
	id->driver = dev->driver;
	id->managed = dev_is_pci(dev) && to_pci_driver(dev->driver)->driver_managed_dma;
	strscpy(id->name, dev->driver->name, sizeof(id->name));
}

/* Who it is bound to; takes the device's lock, for drivers can be unloaded. */
void asv_vtd_identify(struct device *dev, struct asv_vtd_driver_id *id)
{
	device_lock(dev);
	asv_vtd_identify_locked(dev, id);
	device_unlock(dev);
}

/*
 * The same for who asks. Somebody may hold the lock for as long as a guest runs: who unbinds
 * vfio-pci, or removes the VFs of a function.
 */
static int asv_vtd_try_identify(struct device *dev, struct asv_vtd_driver_id *id,
				struct asv_vtd_refusal *why)
{
	if (!device_trylock(dev))
		return asv_vtd_refuse(why, ASV_VTD_RETURNING,
				      "%s is just being bound, unbound or changed: try again",
				      dev_name(dev));
	asv_vtd_identify_locked(dev, id);
	device_unlock(dev);
	return 0;
}

/* A bridge that only passes on what others send does no DMA of its own. */
static bool asv_vtd_harmless(struct device *dev, const struct asv_vtd_driver_id *id)
{
	return dev_is_pci(dev) && pci_is_bridge(to_pci_dev(dev)) &&
	       (!id->driver || !strcmp(id->name, "pcieport"));
}

static int asv_vtd_check_member(struct pci_dev *pdev, struct device *dev, int group,
				struct asv_vtd_refusal *why)
{
	struct asv_vtd_driver_id id;
	int ret;

	if (dev == &pdev->dev)
		return 0;
	ret = asv_vtd_try_identify(dev, &id, why);
	if (ret)
		return ret;
	if (asv_vtd_harmless(dev, &id))
		return 0;
	return asv_vtd_refuse(why, ASV_VTD_GROUP,
			      "%s shares IOMMU group %d with %s (%s): nothing keeps the two apart",
			      pci_name(pdev), group, dev_name(dev),
			      id.driver ? id.name : "no driver");
}

/* The group's own lock is inside of a device's lock, so members are looked at without it. */
static int asv_vtd_check_members(struct pci_dev *pdev, struct iommu_group *group,
				 struct asv_vtd_refusal *why)
{
	struct asv_vtd_members *members = kzalloc(sizeof(*members), GFP_KERNEL);
	int number = iommu_group_id(group), ret = 0;
	unsigned int i;

	if (!members)
		return -ENOMEM;
	iommu_group_for_each_dev(group, members, asv_vtd_member);
	if (members->more)
		ret = asv_vtd_refuse(why, ASV_VTD_GROUP,
				     "%s shares IOMMU group %d with more than %d devices",
				     pci_name(pdev), number, ASV_VTD_MEMBERS - 1);
	for (i = 0; i < members->count; i++) {
		if (!ret)
			ret = asv_vtd_check_member(pdev, members->dev[i], number, why);
		put_device(members->dev[i]);
	}
	kfree(members);
	return ret;
}

/* Memory that firmware or a driver needs the function to reach at all times. */
static int asv_vtd_check_reserved(struct pci_dev *pdev, struct iommu_group *group,
				  struct asv_vtd_refusal *why)
{
	struct iommu_resv_region *region, *next;
	LIST_HEAD(regions);
	int ret;

	ret = iommu_get_group_resv_regions(group, &regions);
	list_for_each_entry_safe(region, next, &regions, list) {
		if (!ret && region->type == IOMMU_RESV_DIRECT)
			ret = asv_vtd_refuse(why, ASV_VTD_RMRR,
					     "the firmware keeps memory for %s at %pa (RMRR): switch off in its setup what uses the device",
					     pci_name(pdev), &region->start);
		list_del(&region->list);
		kfree(region);
	}
	return ret;
}

static int asv_vtd_check_group(struct pci_dev *pdev, u32 flags, u32 *number,
			       struct asv_vtd_refusal *why)
{
	struct iommu_group *group = iommu_group_get(&pdev->dev);
	int ret;

	if (!group)
		return asv_vtd_refuse(why, ASV_VTD_NO_IOMMU,
				      "no IOMMU translates the DMA of %s: switch VT-d or AMD-Vi on in the firmware and boot with intel_iommu=on",
				      pci_name(pdev));
	*number = iommu_group_id(group);
	ret = asv_vtd_check_members(pdev, group, why);
	if (!ret && !(flags & ASV_VTD_LEASE_UNSAFE_INTR) &&
	    !asv_group_isolated_msi(pdev, group))
		ret = asv_vtd_refuse(why, ASV_VTD_NO_INTR_REMAP,
				     "interrupts of %s are not remapped: boot without intremap=off, see asv-vtd check",
				     pci_name(pdev));
	if (!ret)
		ret = asv_vtd_check_reserved(pdev, group, why);
	iommu_group_put(group);
	return ret;
}

/* A driver of UIO cannot tell whether a program runs on it, and does not wait for that. */
static int asv_vtd_uio_used(struct device *dev, void *arg)
{
	return asv_vtd_refuse(arg, ASV_VTD_USER_DRIVER,
			      "%s serves user space: unbind its driver first", dev_name(dev));
}

static int asv_vtd_net_busy(struct device *dev, void *arg)
{
	struct net_device *net = to_net_dev(dev);
	struct asv_vtd_refusal *why = arg;
	struct net_device *master;
	int ret = 0;

	rtnl_lock();
	master = netdev_master_upper_dev_get(net);
	if (master)
		ret = asv_vtd_refuse(why, ASV_VTD_NET_UP, "%s is a port of %s: take it out first",
				     netdev_name(net), netdev_name(master));
	else if (netif_running(net))
		ret = asv_vtd_refuse(why, ASV_VTD_NET_UP, "%s is up: ip link set %s down",
				     netdev_name(net), netdev_name(net));
	rtnl_unlock();
	return ret;
}

/**
 * asv_vtd_check() - may the function be leased, apart from its disks?
 * @pdev: the function
 * @flags: ASV_VTD_LEASE_*
 * @driver: set to its driver
 * @group: set to its IOMMU group
 * @why: filled in when it may not
 *
 * Context: process, no locks; takes devices' locks and the rtnl lock.
 * Return: 0, or the errno of @why.
 */
int asv_vtd_check(struct pci_dev *pdev, u32 flags, struct asv_vtd_driver_id *driver,
		  u32 *group, struct asv_vtd_refusal *why)
{
	const char *name = pci_name(pdev);
	int ret;

	if (pdev->hdr_type != PCI_HEADER_TYPE_NORMAL)
		return asv_vtd_refuse(why, ASV_VTD_BRIDGE, "%s is a bridge", name);
	ret = asv_vtd_try_identify(&pdev->dev, driver, why);
	if (ret)
		return ret;
	if (driver->managed)
		return asv_vtd_refuse(why, ASV_VTD_USER_DRIVER,
				      "%s is bound to %s, which serves user space: unbind it first",
				      name, driver->name);
	ret = asv_vtd_check_group(pdev, flags, group, why);
	if (ret)
		return ret;
	if (!pdev->reset_methods[0])
		return asv_vtd_refuse(why, ASV_VTD_NO_RESET,
				      "%s cannot be reset: what a guest did would stay in it",
				      name);
	if (pci_num_vf(pdev))
		return asv_vtd_refuse(why, ASV_VTD_HAS_VFS,
				      "%s has %d virtual functions: remove them, or lease one of them",
				      name, pci_num_vf(pdev));
	ret = asv_vtd_walk(pdev, "uio", asv_vtd_uio_used, why);
	if (ret)
		return ret;
	return asv_vtd_walk(pdev, "net", asv_vtd_net_busy, why);
}
