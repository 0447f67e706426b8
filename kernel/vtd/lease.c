// SPDX-License-Identifier: GPL-2.0-only
/* Leases: their list, their states, their descriptor. */
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "vtd.h"

static LIST_HEAD(asv_vtd_leases);
static DEFINE_MUTEX(asv_vtd_leases_lock);
/* Counts changes of the list, for dumps to know that they saw two states of it. */
static unsigned int asv_vtd_leases_seq;
static struct workqueue_struct *asv_vtd_wq;

static struct asv_vtd_lease *asv_vtd_lease_new(struct pci_dev *pdev)
{
	struct asv_vtd_lease *lease = kzalloc(sizeof(*lease), GFP_KERNEL);

	if (!lease)
		return NULL;
	kref_init(&lease->ref);
	spin_lock_init(&lease->lock);
	INIT_LIST_HEAD(&lease->node);
	INIT_WORK(&lease->work, asv_vtd_give_back);
	lease->pdev = pci_dev_get(pdev);
	lease->taker = get_pid(task_tgid(current));
	lease->uid = current_euid();
	get_task_comm(lease->comm, current);
	return lease;
}

static void asv_vtd_lease_free(struct kref *ref)
{
	struct asv_vtd_lease *lease = container_of(ref, struct asv_vtd_lease, ref);

	put_pid(lease->taker);
	put_pid(lease->user);
	pci_dev_put(lease->pdev);
	kfree(lease->old_override);
	kfree(lease);
}

void asv_vtd_lease_put(struct asv_vtd_lease *lease)
{
	kref_put(&lease->ref, asv_vtd_lease_free);
}

static struct asv_vtd_lease *asv_vtd_lease_of(struct pci_dev *pdev)
{
	struct asv_vtd_lease *lease;

	lockdep_assert_held(&asv_vtd_leases_lock);
	list_for_each_entry(lease, &asv_vtd_leases, node)
		if (lease->pdev == pdev)
			return lease;
	return NULL;
}

/* The lease of a function, with a reference, or NULL. */
struct asv_vtd_lease *asv_vtd_lease_find(struct pci_dev *pdev)
{
	struct asv_vtd_lease *lease;

	mutex_lock(&asv_vtd_leases_lock);
	lease = asv_vtd_lease_of(pdev);
	if (lease)
		kref_get(&lease->ref);
	mutex_unlock(&asv_vtd_leases_lock);
	return lease;
}

/* The lease at a place in the list, with a reference, or NULL past the last; and when. */
struct asv_vtd_lease *asv_vtd_lease_next(unsigned int index, unsigned int *seq)
{
	struct asv_vtd_lease *lease, *found = NULL;

	mutex_lock(&asv_vtd_leases_lock);
	*seq = asv_vtd_leases_seq;
	list_for_each_entry(lease, &asv_vtd_leases, node) {
		if (index--)
			continue;
		kref_get(&lease->ref);
		found = lease;
		break;
	}
	mutex_unlock(&asv_vtd_leases_lock);
	return found;
}

static int asv_vtd_refuse_leased(struct asv_vtd_lease *lease, struct asv_vtd_refusal *why)
{
	pid_t pid = pid_nr(lease->taker);
	enum asv_vtd_state state;

	if (lease->checking)
		return asv_vtd_refuse(why, ASV_VTD_RETURNING, "%s is just being checked: try again",
				      pci_name(lease->pdev));
	spin_lock(&lease->lock);
	state = lease->state;
	spin_unlock(&lease->lock);
	if (state == ASV_VTD_STATE_TAKING || state == ASV_VTD_STATE_HELD) {
		why->holder = pid;
		return asv_vtd_refuse(why, ASV_VTD_LEASED, "%s is leased to %s (process %d)",
				      pci_name(lease->pdev), lease->comm, pid);
	}
	return asv_vtd_refuse(why, ASV_VTD_RETURNING,
			      "%s is on its way back from %s (process %d)%s",
			      pci_name(lease->pdev), lease->comm, pid,
			      state == ASV_VTD_STATE_ENDED ?
			      ", which still has its VFIO device open or mapped" : "");
}

/* From here on nobody else takes the function. */
static int asv_vtd_lease_list(struct asv_vtd_lease *lease, struct asv_vtd_refusal *why)
{
	struct asv_vtd_lease *other;
	int ret = 0;

	mutex_lock(&asv_vtd_leases_lock);
	other = asv_vtd_lease_of(lease->pdev);
	if (other) {
		ret = asv_vtd_refuse_leased(other, why);
	} else {
		kref_get(&lease->ref);
		list_add_tail(&lease->node, &asv_vtd_leases);
		asv_vtd_leases_seq++;
	}
	mutex_unlock(&asv_vtd_leases_lock);
	return ret;
}

/* The function is free again. */
void asv_vtd_lease_unlist(struct asv_vtd_lease *lease)
{
	mutex_lock(&asv_vtd_leases_lock);
	list_del_init(&lease->node);
	asv_vtd_leases_seq++;
	mutex_unlock(&asv_vtd_leases_lock);
	asv_vtd_lease_put(lease);
}

/**
 * asv_vtd_lease_take() - take a function
 * @pdev: the function
 * @flags: ASV_VTD_LEASE_*
 * @why: filled in when it is refused
 * @leasep: set to the lease, with a reference for its descriptor; asv_vtd_lease_end()
 *	ends it. Untouched with ASV_VTD_LEASE_CHECK.
 *
 * Context: process; sleeps for as long as the drivers take.
 * Return: 0, -ENOMEM, or the errno of @why.
 */
int asv_vtd_lease_take(struct pci_dev *pdev, u32 flags, struct asv_vtd_refusal *why,
		       struct asv_vtd_lease **leasep)
{
	struct asv_vtd_driver_id driver;
	struct asv_vtd_lease *lease;
	LIST_HEAD(claims);
	int ret;

	lease = asv_vtd_lease_new(pdev);
	if (!lease)
		return -ENOMEM;
	lease->checking = flags & ASV_VTD_LEASE_CHECK;
	ret = asv_vtd_lease_list(lease, why);
	if (ret)
		goto put;
	ret = asv_vtd_check(pdev, flags, &driver, &lease->group, why);
	if (ret)
		goto unlist;
	ret = asv_vtd_claim_disks(pdev, &claims, why);
	if (!ret && !(flags & ASV_VTD_LEASE_CHECK))
		ret = asv_vtd_bind(lease, &driver, &claims, why);
	asv_vtd_unclaim_disks(&claims);
	if (ret || flags & ASV_VTD_LEASE_CHECK)
		goto unlist;
	spin_lock(&lease->lock);
	lease->state = ASV_VTD_STATE_HELD;
	spin_unlock(&lease->lock);
	pci_info(pdev, "leased to %s (process %d)\n", lease->comm, pid_nr(lease->taker));
	asv_vtd_event(ASV_VTD_EVENT_LEASED, pdev, lease, NULL, NULL, 0);
	*leasep = lease;
	return 0;
unlist:
	asv_vtd_lease_unlist(lease);
put:
	if (ret && !(flags & ASV_VTD_LEASE_CHECK))
		asv_vtd_event(ASV_VTD_EVENT_REFUSED, pdev, lease, why, NULL, ret);
	asv_vtd_lease_put(lease);
	return ret;
}

/* Starts the return if both the lease and its VFIO device are closed. Does not sleep. */
void asv_vtd_lease_settle(struct asv_vtd_lease *lease)
{
	bool go;

	spin_lock(&lease->lock);
	go = lease->state == ASV_VTD_STATE_ENDED && !lease->open;
	if (go)
		lease->state = ASV_VTD_STATE_RETURNING;
	spin_unlock(&lease->lock);
	if (go)
		queue_work(asv_vtd_wq, &lease->work);
}

/* The descriptor's end, and its reference's. */
void asv_vtd_lease_end(struct asv_vtd_lease *lease)
{
	bool open;

	spin_lock(&lease->lock);
	lease->state = ASV_VTD_STATE_ENDED;
	open = lease->open;
	spin_unlock(&lease->lock);
	if (open)
		asv_vtd_event(ASV_VTD_EVENT_ENDED, lease->pdev, lease, NULL, NULL, 0);
	asv_vtd_lease_settle(lease);
	asv_vtd_lease_put(lease);
}

static int asv_vtd_lease_release(struct inode *inode, struct file *file)
{
	asv_vtd_lease_end(file->private_data);
	return 0;
}

static void asv_vtd_lease_show(struct seq_file *seq, struct file *file)
{
	struct asv_vtd_lease *lease = file->private_data;

	seq_printf(seq, "asv-vtd-function:\t%s\nasv-vtd-group:\t%u\n", pci_name(lease->pdev),
		   lease->group);
}

const struct file_operations asv_vtd_lease_fops = {
	.owner = THIS_MODULE,
	.release = asv_vtd_lease_release,
	.show_fdinfo = asv_vtd_lease_show,
	.llseek = noop_llseek,
};

int asv_vtd_leases_init(void)
{
	asv_vtd_wq = alloc_workqueue("asv_vtd", WQ_UNBOUND, 0);
	return asv_vtd_wq ? 0 : -ENOMEM;
}

/* Waits for the returns under way; nothing can start another. */
void asv_vtd_leases_exit(void)
{
	destroy_workqueue(asv_vtd_wq);
}
