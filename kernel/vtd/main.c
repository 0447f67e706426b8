// SPDX-License-Identifier: GPL-2.0-only
/* /dev/asv-vtd: which function is meant, and the module. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/uaccess.h>

#include "vtd.h"

#define ASV_VTD_MINOR	252

static unsigned int minor = ASV_VTD_MINOR;
module_param(minor, uint, 0444);
MODULE_PARM_DESC(minor, "Minor number of /dev/asv-vtd among the misc devices (default 252)");

static const int asv_vtd_errno[] = {
	[ASV_VTD_OK] = 0,
	[ASV_VTD_NO_FUNCTION] = -ENODEV,
	[ASV_VTD_BRIDGE] = -ENXIO,
	[ASV_VTD_NO_IOMMU] = -EOPNOTSUPP,
	[ASV_VTD_NO_INTR_REMAP] = -EPERM,
	[ASV_VTD_GROUP] = -EXDEV,
	[ASV_VTD_RMRR] = -EADDRINUSE,
	[ASV_VTD_NO_RESET] = -ENOTRECOVERABLE,
	[ASV_VTD_HAS_VFS] = -ENOTEMPTY,
	[ASV_VTD_USER_DRIVER] = -EALREADY,
	[ASV_VTD_LEASED] = -EBUSY,
	[ASV_VTD_RETURNING] = -EAGAIN,
	[ASV_VTD_DISK_CLAIMED] = -ETXTBSY,
	[ASV_VTD_DISK_OPEN] = -EUSERS,
	[ASV_VTD_DISK_PATH] = -EMLINK,
	[ASV_VTD_NET_UP] = -EISCONN,
	[ASV_VTD_RESET_FAILED] = -EIO,
	[ASV_VTD_BIND_FAILED] = -EREMOTEIO,
};

int asv_vtd_refuse(struct asv_vtd_refusal *why, enum asv_vtd_reason reason,
		   const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vscnprintf(why->text, sizeof(why->text), fmt, args);
	va_end(args);
	why->reason = reason;
	return asv_vtd_errno[reason];
}

/* The virtual function @n of @pf, with a reference, or NULL. */
static struct pci_dev *asv_vtd_vf(struct pci_dev *pf, unsigned int n)
{
	struct pci_dev *vf = NULL;

	while ((vf = pci_get_device(PCI_ANY_ID, PCI_ANY_ID, vf)))
		if (vf->is_virtfn && pci_physfn(vf) == pf && pci_iov_vf_id(vf) == n)
			break;
	return vf;
}

static int asv_vtd_take_address(const struct asv_vtd_lease_arg *arg, struct asv_vtd_refusal *why,
				struct asv_vtd_lease **lease)
{
	struct pci_dev *pdev, *vf;
	int ret;

	pdev = pci_get_domain_bus_and_slot(arg->domain, arg->bus, arg->devfn);
	if (!pdev)
		return asv_vtd_refuse(why, ASV_VTD_NO_FUNCTION,
				      "there is no PCI function %04x:%02x:%02x.%d", arg->domain,
				      arg->bus, PCI_SLOT(arg->devfn), PCI_FUNC(arg->devfn));
	if (arg->flags & ASV_VTD_LEASE_VF) {
		vf = asv_vtd_vf(pdev, arg->vf);
		if (!vf) {
			ret = asv_vtd_refuse(why, ASV_VTD_NO_FUNCTION,
					     "%s has no virtual function %d: make them with asv-vtd vf",
					     pci_name(pdev), arg->vf);
			pci_dev_put(pdev);
			return ret;
		}
		pci_dev_put(pdev);
		pdev = vf;
	}
	ret = asv_vtd_lease_take(pdev, arg->flags, why, lease);
	pci_dev_put(pdev);
	return ret;
}

/* The first that is not refused; if all are, the last refusal stands for them. */
static int asv_vtd_take_id(const struct asv_vtd_lease_arg *arg, struct asv_vtd_refusal *why,
			   struct asv_vtd_lease **lease)
{
	struct pci_dev *pdev = NULL;
	int ret;

	ret = asv_vtd_refuse(why, ASV_VTD_NO_FUNCTION, "there is no PCI function %04x:%04x there",
			     arg->vendor, arg->device);
	while ((pdev = pci_get_device(arg->vendor, arg->device, pdev))) {
		if (arg->node >= 0 && dev_to_node(&pdev->dev) != arg->node)
			continue;
		if (fatal_signal_pending(current))
			ret = -EINTR;
		else
			ret = asv_vtd_lease_take(pdev, arg->flags, why, lease);
		if (!ret || ret == -EINTR) {
			pci_dev_put(pdev);
			break;
		}
	}
	return ret;
}

/* The descriptor, once the function is the caller's; on failure the lease has ended. */
static int asv_vtd_install(struct asv_vtd_lease *lease, struct asv_vtd_lease_arg *arg,
			   struct asv_vtd_lease_arg __user *uarg)
{
	struct file *file;
	int fd;

	arg->domain = pci_domain_nr(lease->pdev->bus);
	arg->bus = lease->pdev->bus->number;
	arg->devfn = lease->pdev->devfn;
	arg->group = lease->group;
	file = anon_inode_getfile("[asv-vtd-lease]", &asv_vtd_lease_fops, lease, O_RDWR);
	if (IS_ERR(file)) {
		asv_vtd_lease_end(lease);
		return PTR_ERR(file);
	}
	/* From here on closing the file ends the lease. */
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd >= 0 && copy_to_user(uarg, arg, sizeof(*arg))) {
		put_unused_fd(fd);
		fd = -EFAULT;
	}
	if (fd >= 0)
		fd_install(fd, file);
	else
		fput(file);
	return fd;
}

static long asv_vtd_ioctl_lease(struct asv_vtd_lease_arg __user *uarg)
{
	struct asv_vtd_refusal why = { };
	struct asv_vtd_lease *lease = NULL;
	struct asv_vtd_lease_arg arg;
	int ret;

	if (copy_from_user(&arg, uarg, sizeof(arg)))
		return -EFAULT;
	if (arg.flags & ~(ASV_VTD_LEASE_VF | ASV_VTD_LEASE_ID | ASV_VTD_LEASE_UNSAFE_INTR |
			  ASV_VTD_LEASE_CHECK) ||
	    (arg.flags & ASV_VTD_LEASE_VF && arg.flags & ASV_VTD_LEASE_ID))
		return -EINVAL;
	if (arg.flags & ASV_VTD_LEASE_ID)
		ret = asv_vtd_take_id(&arg, &why, &lease);
	else
		ret = asv_vtd_take_address(&arg, &why, &lease);
	arg.reason = ret ? why.reason : ASV_VTD_OK;
	arg.holder = ret ? why.holder : 0;
	arg.group = 0;
	memset(arg.text, 0, sizeof(arg.text));
	if (ret)
		strscpy(arg.text, why.text, sizeof(arg.text));
	if (lease)
		return asv_vtd_install(lease, &arg, uarg);
	return copy_to_user(uarg, &arg, sizeof(arg)) ? -EFAULT : ret;
}

static long asv_vtd_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	if (cmd != ASV_VTD_LEASE)
		return -ENOTTY;
	return asv_vtd_ioctl_lease((void __user *)arg);
}

static const struct file_operations asv_vtd_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = asv_vtd_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

static struct miscdevice asv_vtd_misc = {
	.name = "asv-vtd",
	.fops = &asv_vtd_fops,
	.mode = 0600,
};

static int __init asv_vtd_init(void)
{
	int ret;

	ret = asv_vtd_leases_init();
	if (ret)
		return ret;
	ret = asv_vtd_netlink_init();
	if (ret)
		goto leases;
	ret = pci_register_driver(&asv_vtd_driver);
	if (ret)
		goto netlink;
	asv_vtd_misc.minor = minor;
	ret = misc_register(&asv_vtd_misc);
	if (ret) {
		pr_err("/dev/asv-vtd: cannot register minor %u: %d; choose one with the parameter minor\n",
		       minor, ret);
		goto driver;
	}
	return 0;
driver:
	pci_unregister_driver(&asv_vtd_driver);
netlink:
	asv_vtd_netlink_exit();
leases:
	asv_vtd_leases_exit();
	return ret;
}

static void __exit asv_vtd_exit(void)
{
	misc_deregister(&asv_vtd_misc);
	/* Before the driver goes: the returns under way release it themselves. */
	asv_vtd_leases_exit();
	pci_unregister_driver(&asv_vtd_driver);
	asv_vtd_netlink_exit();
}

module_init(asv_vtd_init);
module_exit(asv_vtd_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Leases of PCI functions for guests, by VFIO");
MODULE_VERSION("0.1.0");
MODULE_ALIAS_MISCDEV(ASV_VTD_MINOR);
MODULE_ALIAS("devname:asv-vtd");
