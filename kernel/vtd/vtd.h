/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of asv_vtd share. */
#ifndef _ASV_VTD_H
#define _ASV_VTD_H

#include <linux/kref.h>
#include <linux/list.h>
#include <linux/pci.h>
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/uidgid.h>
#include <linux/workqueue.h>

#include <uapi/linux/asv_vtd.h>

/**
 * struct asv_vtd_lease - a function that is being taken, is leased or on its way back
 * @node: in the list of leases; a function is in it once at most
 * @ref: the list's, the lease descriptor's and the bound driver's
 * @pdev: the function; a reference is held
 * @group: number of its IOMMU group
 * @taker: process that took the lease
 * @comm: its name
 * @uid: its effective user
 * @old_override: driver override to put back, NULL for none
 * @old_driver: name of the host's driver, empty for none
 * @checking: nothing is taken, somebody only asks
 * @lock: all below
 * @state: enum asv_vtd_state
 * @binding: asv_vtd may probe the function
 * @open: VFIO's first open to its last close
 * @gone: the function was unplugged while it was leased
 * @user: process that opened the VFIO device last, or NULL
 * @work: the return
 *
 * Locks. asv_vtd_leases_lock (lease.c, a mutex) covers the list and is held for look-ups
 * and changes of the list only; @lock is a spinlock inside of it. Neither is held across
 * anything that takes a device's lock, so asv_vtd_probe() and asv_vtd_remove(), which run
 * under the device's lock, and VFIO's open and close, which run under its set's lock, may
 * take both.
 *
 *	device lock, VFIO's device set lock
 *	  asv_vtd_leases_lock
 *	    lease->lock
 *
 * What is written before the lease is in the list and never after (@pdev, @taker, @comm,
 * @uid, @checking) needs no lock; @group, @old_override and @old_driver are written by the taker in
 * state TAKING and @old_override read by the work, which nobody queues before.
 *
 * Who may do what. Being in the list makes a taker the only one for that function, up to
 * the end of the return; TAKING ends with HELD, or the lease leaves the list. The lease's
 * release and VFIO's last close race for who sees the other's end: both decide under
 * @lock, in asv_vtd_lease_settle(), and the one that finds state ENDED and @open false
 * moves it to RETURNING and queues the work, once. From ENDED on VFIO cannot be opened
 * again, so RETURNING is final. An unplug may come at any time: remove() then waits, as
 * the work does, for VFIO's last close, and the work finds a function that is no longer
 * registered, or whose driver has gone, and leaves it at that.
 *
 * Unloading. A lease descriptor and a VFIO descriptor each pin the module. When exit runs
 * none is open, so no work can be queued any more; exit drains the queue.
 */
struct asv_vtd_lease {
	struct list_head node;
	struct kref ref;
	struct pci_dev *pdev;
	u32 group;
	struct pid *taker;
	char comm[TASK_COMM_LEN];
	kuid_t uid;
	const char *old_override;
	char old_driver[ASV_VTD_NAME_LEN];
	bool checking;
	spinlock_t lock;	/* state, binding, open, gone, user */
	enum asv_vtd_state state;
	bool binding;
	bool open;
	bool gone;
	struct pid *user;
	struct work_struct work;
};

/**
 * struct asv_vtd_refusal - why a function is not leased
 * @reason: enum asv_vtd_reason
 * @holder: with ASV_VTD_LEASED the taker's pid, else 0
 * @text: in words
 */
struct asv_vtd_refusal {
	enum asv_vtd_reason reason;
	u32 holder;
	char text[ASV_VTD_TEXT_LEN];
};

/**
 * struct asv_vtd_driver_id - the driver that a device was bound to at one moment
 * @driver: to compare with alone: it may be gone
 * @managed: it manages its DMA for user space
 * @name: empty for none
 */
struct asv_vtd_driver_id {
	const struct device_driver *driver;
	bool managed;
	char name[ASV_VTD_NAME_LEN];
};

/* The errno of the reason that is given; the text is cut to its room. */
__printf(3, 4)
int asv_vtd_refuse(struct asv_vtd_refusal *why, enum asv_vtd_reason reason,
		   const char *fmt, ...);

/* lease.c */
extern const struct file_operations asv_vtd_lease_fops;
int asv_vtd_lease_take(struct pci_dev *pdev, u32 flags, struct asv_vtd_refusal *why,
		       struct asv_vtd_lease **leasep);
void asv_vtd_lease_end(struct asv_vtd_lease *lease);
struct asv_vtd_lease *asv_vtd_lease_find(struct pci_dev *pdev);
struct asv_vtd_lease *asv_vtd_lease_next(unsigned int index, unsigned int *seq);
void asv_vtd_lease_settle(struct asv_vtd_lease *lease);
void asv_vtd_lease_unlist(struct asv_vtd_lease *lease);
void asv_vtd_lease_put(struct asv_vtd_lease *lease);
int asv_vtd_leases_init(void);
void asv_vtd_leases_exit(void);

/* bind.c */
int asv_vtd_bind(struct asv_vtd_lease *lease, const struct asv_vtd_driver_id *expected,
		 struct list_head *claims, struct asv_vtd_refusal *why);
void asv_vtd_give_back(struct work_struct *work);

/* check.c */
void asv_vtd_identify(struct device *dev, struct asv_vtd_driver_id *id);
int asv_vtd_check(struct pci_dev *pdev, u32 flags, struct asv_vtd_driver_id *driver, u32 *group,
		  struct asv_vtd_refusal *why);
int asv_vtd_walk(struct pci_dev *pdev, const char *class,
		 int (*fn)(struct device *dev, void *arg), void *arg);

/* block.c */
int asv_vtd_claim_disks(struct pci_dev *pdev, struct list_head *claims,
			struct asv_vtd_refusal *why);
void asv_vtd_unclaim_disks(struct list_head *claims);

/* driver.c */
extern struct pci_driver asv_vtd_driver;

/* netlink.c */
void asv_vtd_event(enum asv_vtd_event event, struct pci_dev *pdev, struct asv_vtd_lease *lease,
		   const struct asv_vtd_refusal *why, const char *driver, int err);
int asv_vtd_netlink_init(void);
void asv_vtd_netlink_exit(void);

#endif /* _ASV_VTD_H */
