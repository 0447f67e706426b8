// SPDX-License-Identifier: GPL-2.0-only
/* The disks of a function, which nobody must use when its driver goes. */
#include <linux/blkdev.h>
#include <linux/slab.h>

#include <compat-fs.h>

#include "vtd.h"

/* Disks of one function; a controller with more is not one that a guest is given. */
#define ASV_VTD_DISKS	1024

/**
 * struct asv_vtd_claim - a disk that nobody else can claim
 * @node: in the list of the taker
 * @bdev: the whole disk; its claim covers its partitions
 */
struct asv_vtd_claim {
	struct list_head node;
	struct asv_bdev bdev;
};

/**
 * struct asv_vtd_claiming - a walk over the disks
 * @claims: of those seen, in reverse
 * @count: how many
 * @why: filled in when one cannot be claimed
 */
struct asv_vtd_claiming {
	struct list_head *claims;
	unsigned int count;
	struct asv_vtd_refusal *why;
};

static int asv_vtd_claim_refused(const char *name, int err, struct asv_vtd_refusal *why)
{
	if (err != -EBUSY)
		return asv_vtd_refuse(why, ASV_VTD_DISK_OPEN, "%s cannot be opened (error %d)",
				      name, -err);
	return asv_vtd_refuse(why, ASV_VTD_DISK_CLAIMED,
			      "%s is in use: mounted, swapped on, or part of md, dm or a target",
			      name);
}

static int asv_vtd_claim_disk(struct device *dev, void *arg)
{
	struct asv_vtd_claiming *claiming = arg;
	struct gendisk *disk = dev_to_disk(dev);
	struct asv_vtd_claim *claim;
	int ret;

	if (disk->flags & GENHD_FL_HIDDEN)
		return asv_vtd_refuse(claiming->why, ASV_VTD_DISK_PATH,
				      "%s is a path of a multipath disk: lease all or none of its paths; see nvme_core.multipath",
				      disk->disk_name);
	if (claiming->count++ == ASV_VTD_DISKS)
		return asv_vtd_refuse(claiming->why, ASV_VTD_DISK_OPEN,
				      "more than %d disks", ASV_VTD_DISKS);
	claim = kzalloc(sizeof(*claim), GFP_KERNEL);
	if (!claim)
		return -ENOMEM;
	ret = asv_bdev_open(&claim->bdev, disk_devt(disk), false, claiming->claims);
	if (ret) {
		kfree(claim);
		return asv_vtd_claim_refused(disk->disk_name, ret, claiming->why);
	}
	list_add(&claim->node, claiming->claims);
	if (disk_openers(disk) > 1)
		return asv_vtd_refuse(claiming->why, ASV_VTD_DISK_OPEN,
				      "%s is open elsewhere: see fuser -v /dev/%s* and losetup -a",
				      disk->disk_name, disk->disk_name);
	return 0;
}

/**
 * asv_vtd_claim_disks() - claim every disk below a function
 * @pdev: the function
 * @claims: an empty list; asv_vtd_unclaim_disks() it, also after a failure
 * @why: filled in when one is in use
 *
 * Return: 0, -ENOMEM, or the errno of @why.
 */
int asv_vtd_claim_disks(struct pci_dev *pdev, struct list_head *claims,
			struct asv_vtd_refusal *why)
{
	struct asv_vtd_claiming claiming = { .claims = claims, .why = why };

	return asv_vtd_walk(pdev, "block", asv_vtd_claim_disk, &claiming);
}

void asv_vtd_unclaim_disks(struct list_head *claims)
{
	struct asv_vtd_claim *claim, *next;

	list_for_each_entry_safe(claim, next, claims, node) {
		list_del(&claim->node);
		asv_bdev_close(&claim->bdev);
		kfree(claim);
	}
}
