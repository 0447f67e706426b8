/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * User interface of asv_vtd: leases of PCI functions for guests.
 *
 * A lease is a file descriptor. While it is open the function is bound to asv_vtd, and
 * what user space then opens is ordinary VFIO. Closing it, by whatever means, gives
 * the function back to the host's driver, after the last VFIO descriptor or mapping of
 * the function has gone, too: neither close() nor any ioctl waits for that. The return
 * is told by the event ASV_VTD_EVENT_RETURNED.
 */
#ifndef _UAPI_LINUX_ASV_VTD_H
#define _UAPI_LINUX_ASV_VTD_H

#include <linux/types.h>
#include <linux/ioctl.h>

/* Room for a refusal's text with its NUL, and for names of drivers and processes. */
#define ASV_VTD_TEXT_LEN	192
#define ASV_VTD_NAME_LEN	64

/**
 * enum asv_vtd_reason - why a lease was refused, with the errno of the ioctl
 * @ASV_VTD_OK: it was not refused
 * @ASV_VTD_NO_FUNCTION: ENODEV, there is no such function
 * @ASV_VTD_BRIDGE: ENXIO, it is a bridge
 * @ASV_VTD_NO_IOMMU: EOPNOTSUPP, no IOMMU translates its DMA
 * @ASV_VTD_NO_INTR_REMAP: EPERM, its interrupts are not remapped
 * @ASV_VTD_GROUP: EXDEV, its IOMMU group has a member that is not leased
 * @ASV_VTD_RMRR: EADDRINUSE, the firmware has memory that it must reach
 * @ASV_VTD_NO_RESET: ENOTRECOVERABLE, it has no way to be reset
 * @ASV_VTD_HAS_VFS: ENOTEMPTY, it is a PF with VFs
 * @ASV_VTD_USER_DRIVER: EALREADY, its driver serves user space already (vfio-pci)
 * @ASV_VTD_LEASED: EBUSY, it is leased; the text says to whom
 * @ASV_VTD_RETURNING: EAGAIN, its last lease has ended and it is not back yet, or its
 *	driver changed while it was being taken
 * @ASV_VTD_DISK_CLAIMED: ETXTBSY, one of its disks is mounted, swapped on, or part of md or dm
 * @ASV_VTD_DISK_OPEN: EUSERS, a process or a loop device has one of its disks open
 * @ASV_VTD_DISK_PATH: EMLINK, it is a path of a multipath disk
 * @ASV_VTD_NET_UP: EISCONN, one of its network devices is up or has a master
 * @ASV_VTD_RESET_FAILED: EIO, the reset failed; the host's driver is back
 * @ASV_VTD_BIND_FAILED: EREMOTEIO, VFIO did not take it; the host's driver is back
 */
enum asv_vtd_reason {
	ASV_VTD_OK,
	ASV_VTD_NO_FUNCTION,
	ASV_VTD_BRIDGE,
	ASV_VTD_NO_IOMMU,
	ASV_VTD_NO_INTR_REMAP,
	ASV_VTD_GROUP,
	ASV_VTD_RMRR,
	ASV_VTD_NO_RESET,
	ASV_VTD_HAS_VFS,
	ASV_VTD_USER_DRIVER,
	ASV_VTD_LEASED,
	ASV_VTD_RETURNING,
	ASV_VTD_DISK_CLAIMED,
	ASV_VTD_DISK_OPEN,
	ASV_VTD_DISK_PATH,
	ASV_VTD_NET_UP,
	ASV_VTD_RESET_FAILED,
	ASV_VTD_BIND_FAILED,
};

/* The function is the virtual function @vf of the one at the address. */
#define ASV_VTD_LEASE_VF		0x1
/* Any function of @vendor and @device, on NUMA node @node; the first that is not refused. */
#define ASV_VTD_LEASE_ID		0x2
/*
 * Lease without interrupt remapping: a hostile guest can then inject any interrupt. VFIO
 * takes the group only if vfio_iommu_type1.allow_unsafe_interrupts is set, too.
 */
#define ASV_VTD_LEASE_UNSAFE_INTR	0x4
/* Say what ASV_VTD_LEASE would, and change nothing; the ioctl then returns 0. */
#define ASV_VTD_LEASE_CHECK		0x8

/**
 * struct asv_vtd_lease_arg - argument of ASV_VTD_LEASE
 * @flags: ASV_VTD_LEASE_*; _VF and _ID exclude each other
 * @domain: PCI domain; on return with that of the function leased, as @bus and @devfn
 * @bus: bus number
 * @devfn: device << 3 | function
 * @vf: with ASV_VTD_LEASE_VF, counted from 0
 * @vendor: with ASV_VTD_LEASE_ID, PCI vendor id
 * @device: with ASV_VTD_LEASE_ID, PCI device id
 * @node: with ASV_VTD_LEASE_ID, NUMA node or -1 for any
 * @group: out, number of the IOMMU group: /dev/vfio/@group
 * @reason: out, enum asv_vtd_reason
 * @holder: out, with ASV_VTD_LEASED the process that took the lease, else 0
 * @text: out, the refusal in words, NUL-terminated
 */
struct asv_vtd_lease_arg {
	__u32 flags;
	__u32 domain;
	__u8 bus;
	__u8 devfn;
	__u16 vf;
	__u16 vendor;
	__u16 device;
	__s32 node;
	__u32 group;
	__u32 reason;
	__u32 holder;
	char text[ASV_VTD_TEXT_LEN];
};

/*
 * ASV_VTD_LEASE - take a function, all or nothing
 *
 * Returns a lease, a descriptor with close-on-exec set. It sleeps for as long as the
 * host's driver takes to let go and the function to reset. Besides the errors of enum
 * asv_vtd_reason, for which @reason and @text are filled in: EFAULT, EINVAL unknown or
 * contradicting flags, EMFILE, ENOMEM.
 */
#define ASV_VTD_LEASE	_IOWR('v', 0xa0, struct asv_vtd_lease_arg)

/* ---- generic netlink */

#define ASV_VTD_GENL_NAME	"asv_vtd"
#define ASV_VTD_GENL_VERSION	1
#define ASV_VTD_GENL_EVENTS	"events"

/**
 * enum asv_vtd_cmd - commands of the family ASV_VTD_GENL_NAME
 * @ASV_VTD_CMD_GET_LEASE: dump of all leases, ended ones until the function is back
 * @ASV_VTD_CMD_EVENT: sent to the multicast group ASV_VTD_GENL_EVENTS
 */
enum asv_vtd_cmd {
	ASV_VTD_CMD_UNSPEC,
	ASV_VTD_CMD_GET_LEASE,
	ASV_VTD_CMD_EVENT,
	__ASV_VTD_CMD_MAX,
};

#define ASV_VTD_CMD_MAX	(__ASV_VTD_CMD_MAX - 1)

/**
 * enum asv_vtd_event - what happened to a function
 * @ASV_VTD_EVENT_LEASED: a lease was taken
 * @ASV_VTD_EVENT_REFUSED: a lease was refused, see ASV_VTD_A_REASON and ASV_VTD_A_TEXT
 * @ASV_VTD_EVENT_ENDED: the lease was closed while its VFIO device is open: the return
 *	waits for that
 * @ASV_VTD_EVENT_RETURNED: the function is back; ASV_VTD_A_DRIVER is its driver, absent
 *	if none took it; ASV_VTD_A_ERROR what failed, absent if nothing
 * @ASV_VTD_EVENT_UNPLUGGED: the function went away while it was leased
 * @ASV_VTD_EVENT_AER: the function reported an error of the PCI Express link
 */
enum asv_vtd_event {
	ASV_VTD_EVENT_UNSPEC,
	ASV_VTD_EVENT_LEASED,
	ASV_VTD_EVENT_REFUSED,
	ASV_VTD_EVENT_ENDED,
	ASV_VTD_EVENT_RETURNED,
	ASV_VTD_EVENT_UNPLUGGED,
	ASV_VTD_EVENT_AER,
};

/**
 * enum asv_vtd_state - where a lease stands
 * @ASV_VTD_STATE_TAKING: it is being taken
 * @ASV_VTD_STATE_HELD: its descriptor is open
 * @ASV_VTD_STATE_ENDED: its descriptor is closed, the VFIO device is not
 * @ASV_VTD_STATE_RETURNING: the function is on its way back
 */
enum asv_vtd_state {
	ASV_VTD_STATE_TAKING,
	ASV_VTD_STATE_HELD,
	ASV_VTD_STATE_ENDED,
	ASV_VTD_STATE_RETURNING,
};

/**
 * enum asv_vtd_attr - attributes of both commands
 * @ASV_VTD_A_UNSPEC: none
 * @ASV_VTD_A_PAD: padding
 * @ASV_VTD_A_EVENT: u32, enum asv_vtd_event
 * @ASV_VTD_A_ADDRESS: string, as in sysfs: 0000:00:04.0
 * @ASV_VTD_A_STATE: u32, enum asv_vtd_state
 * @ASV_VTD_A_OPEN: u8, 1 if the VFIO device is open
 * @ASV_VTD_A_GROUP: u32, number of the IOMMU group
 * @ASV_VTD_A_PID: u32, process that took the lease, in the initial pid namespace
 * @ASV_VTD_A_UID: u32, its effective user, in the initial user namespace
 * @ASV_VTD_A_COMM: string, its name
 * @ASV_VTD_A_USER_PID: u32, process that opened the VFIO device last; absent if none did
 * @ASV_VTD_A_DRIVER: string, the host's driver; absent if there was or is none
 * @ASV_VTD_A_REASON: u32, enum asv_vtd_reason
 * @ASV_VTD_A_TEXT: string, for a person
 * @ASV_VTD_A_ERROR: u32, errno
 */
enum asv_vtd_attr {
	ASV_VTD_A_UNSPEC,
	ASV_VTD_A_PAD,
	ASV_VTD_A_EVENT,
	ASV_VTD_A_ADDRESS,
	ASV_VTD_A_STATE,
	ASV_VTD_A_OPEN,
	ASV_VTD_A_GROUP,
	ASV_VTD_A_PID,
	ASV_VTD_A_UID,
	ASV_VTD_A_COMM,
	ASV_VTD_A_USER_PID,
	ASV_VTD_A_DRIVER,
	ASV_VTD_A_REASON,
	ASV_VTD_A_TEXT,
	ASV_VTD_A_ERROR,
	__ASV_VTD_A_MAX,
};

#define ASV_VTD_A_MAX	(__ASV_VTD_A_MAX - 1)

#endif /* _UAPI_LINUX_ASV_VTD_H */
