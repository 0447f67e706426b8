// SPDX-License-Identifier: GPL-2.0-only
/* Generic netlink family: the leases, and what happens to leased functions. */
#include <net/genetlink.h>

#include "vtd.h"

static struct genl_family asv_vtd_family;

static const struct genl_multicast_group asv_vtd_groups[] = {
	{ .name = ASV_VTD_GENL_EVENTS },
};

/* What both commands say of a lease. */
static int asv_vtd_put_lease(struct sk_buff *skb, struct asv_vtd_lease *lease)
{
	enum asv_vtd_state state;
	pid_t user, taker;
	bool open;

	/* The number of one that has ended may be another's by now. */
	taker = pid_has_task(lease->taker, PIDTYPE_TGID) ? pid_nr(lease->taker) : 0;
	spin_lock(&lease->lock);
	state = lease->state;
	open = lease->open;
	user = pid_nr(lease->user);
	spin_unlock(&lease->lock);
	if (nla_put_u32(skb, ASV_VTD_A_STATE, state) ||
	    nla_put_u8(skb, ASV_VTD_A_OPEN, open) ||
	    nla_put_u32(skb, ASV_VTD_A_GROUP, lease->group) ||
	    nla_put_u32(skb, ASV_VTD_A_PID, taker) ||
	    nla_put_u32(skb, ASV_VTD_A_UID, from_kuid(&init_user_ns, lease->uid)) ||
	    nla_put_string(skb, ASV_VTD_A_COMM, lease->comm) ||
	    (user && nla_put_u32(skb, ASV_VTD_A_USER_PID, user)))
		return -EMSGSIZE;
	return 0;
}

static int asv_vtd_fill_event(struct sk_buff *skb, enum asv_vtd_event event, struct pci_dev *pdev,
			      struct asv_vtd_lease *lease, const struct asv_vtd_refusal *why,
			      const char *driver, int err)
{
	void *head;

	head = genlmsg_put(skb, 0, 0, &asv_vtd_family, 0, ASV_VTD_CMD_EVENT);
	if (!head ||
	    nla_put_u32(skb, ASV_VTD_A_EVENT, event) ||
	    nla_put_string(skb, ASV_VTD_A_ADDRESS, pci_name(pdev)) ||
	    asv_vtd_put_lease(skb, lease) ||
	    (driver && driver[0] && nla_put_string(skb, ASV_VTD_A_DRIVER, driver)) ||
	    (why && (nla_put_u32(skb, ASV_VTD_A_REASON, why->reason) ||
		     nla_put_string(skb, ASV_VTD_A_TEXT, why->text))) ||
	    (err && nla_put_u32(skb, ASV_VTD_A_ERROR, -err)))
		return -EMSGSIZE;
	genlmsg_end(skb, head);
	return 0;
}

/**
 * asv_vtd_event() - tell whoever listens
 * @event: what happened
 * @pdev: to which function
 * @lease: the lease it concerns; of a refusal, the one that did not come to be
 * @why: of a refusal, else NULL
 * @driver: of a return, the name of the host's driver, empty for none; else NULL
 * @err: negative errno of what failed, or 0
 *
 * An event that finds no memory is lost: the state can be read at any time.
 *
 * Context: process, no spinlock.
 */
void asv_vtd_event(enum asv_vtd_event event, struct pci_dev *pdev, struct asv_vtd_lease *lease,
		   const struct asv_vtd_refusal *why, const char *driver, int err)
{
	struct sk_buff *skb = genlmsg_new(NLMSG_DEFAULT_SIZE, GFP_KERNEL);

	if (!skb)
		return;
	if (asv_vtd_fill_event(skb, event, pdev, lease, why, driver, err))
		nlmsg_free(skb);
	else
		genlmsg_multicast(&asv_vtd_family, skb, 0, 0, GFP_KERNEL);
}

static int asv_vtd_fill_lease(struct sk_buff *skb, struct netlink_callback *cb,
			      struct asv_vtd_lease *lease)
{
	void *head = genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq,
				 &asv_vtd_family, NLM_F_MULTI, ASV_VTD_CMD_GET_LEASE);

	if (!head)
		return -EMSGSIZE;
	genl_dump_check_consistent(cb, head);
	if (nla_put_string(skb, ASV_VTD_A_ADDRESS, pci_name(lease->pdev)) ||
	    asv_vtd_put_lease(skb, lease)) {
		genlmsg_cancel(skb, head);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, head);
	return 0;
}

/* cb->args[0] is the place of the next one. */
static int asv_vtd_dump_leases(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct asv_vtd_lease *lease;
	int ret = 0;

	while (!ret && (lease = asv_vtd_lease_next(cb->args[0], &cb->seq))) {
		ret = asv_vtd_fill_lease(skb, cb, lease);
		asv_vtd_lease_put(lease);
		if (!ret)
			cb->args[0]++;
	}
	return skb->len;
}

static const struct genl_ops asv_vtd_ops[] = {
	{
		.cmd = ASV_VTD_CMD_GET_LEASE,
		.dumpit = asv_vtd_dump_leases,
	},
};

static struct genl_family asv_vtd_family __ro_after_init = {
	.name = ASV_VTD_GENL_NAME,
	.version = ASV_VTD_GENL_VERSION,
	.maxattr = ASV_VTD_A_MAX,
	.module = THIS_MODULE,
	.ops = asv_vtd_ops,
	.n_ops = ARRAY_SIZE(asv_vtd_ops),
	.mcgrps = asv_vtd_groups,
	.n_mcgrps = ARRAY_SIZE(asv_vtd_groups),
	.resv_start_op = __ASV_VTD_CMD_MAX,
};

int __init asv_vtd_netlink_init(void)
{
	return genl_register_family(&asv_vtd_family);
}

void asv_vtd_netlink_exit(void)
{
	genl_unregister_family(&asv_vtd_family);
}
