// SPDX-License-Identifier: GPL-2.0-only
/* Generic netlink family: devices, and counters of their queues. */
#include <linux/file.h>
#include <linux/pid_namespace.h>
#include <net/genetlink.h>
#include <net/sock.h>

#include "core.h"

static struct genl_family asv_family;

static const struct nla_policy asv_policy[ASV_A_MAX + 1] = {
	[ASV_A_FD] = { .type = NLA_U32 },
	[ASV_A_DEV_ID] = { .type = NLA_U32 },
};

/**
 * struct asv_dump - where a dump stands, in cb->ctx
 * @all: the asker may see every device
 * @one: only device @dev
 * @vq: next queue
 * @dev: of this device
 * @uid: the asker
 */
struct asv_dump {
	bool all;
	bool one;
	unsigned int vq;
	unsigned long dev;
	kuid_t uid;
};

/*
 * Who may open one of the nodes may see all: the rights on the nodes decide, and
 * an open descriptor is the proof. Runs in the sender's context, unlike the rest.
 */
static int asv_dump_start(struct netlink_callback *cb)
{
	struct asv_dump *dump = (void *)cb->ctx;
	struct nlattr **attrs = asv_dump_attrs(cb);

	BUILD_BUG_ON(sizeof(*dump) > sizeof(cb->ctx));
	memset(dump, 0, sizeof(*dump));
	dump->uid = current_euid();
	dump->all = netlink_capable(cb->skb, CAP_NET_ADMIN);
	if (attrs[ASV_A_FD]) {
		struct file *file = fget(nla_get_u32(attrs[ASV_A_FD]));
		bool node = file && asv_is_node(file);

		if (file)
			fput(file);
		if (!node)
			return -EBADF;
		dump->all = true;
	}
	if (attrs[ASV_A_DEV_ID]) {
		dump->one = true;
		dump->dev = nla_get_u32(attrs[ASV_A_DEV_ID]);
	}
	return 0;
}

/* What both kinds of message begin with; NULL if there is no room. */
static void *asv_put_head(struct sk_buff *skb, struct netlink_callback *cb, u8 cmd,
			  const struct asv_dev *dev)
{
	void *head;

	head = genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq, &asv_family,
			   NLM_F_MULTI, cmd);
	if (!head)
		return NULL;
	if (nla_put_u32(skb, ASV_A_DEV_ID, dev->id) ||
	    nla_put_string(skb, ASV_A_KIND, dev->ops->kind) ||
	    nla_put_string(skb, ASV_A_NAME, dev->name)) {
		genlmsg_cancel(skb, head);
		return NULL;
	}
	return head;
}

static int asv_put_dev(struct sk_buff *skb, struct netlink_callback *cb,
		       const struct asv_dev *dev)
{
	void *head = asv_put_head(skb, cb, ASV_CMD_GET_DEV, dev);

	if (!head)
		return -EMSGSIZE;
	if (nla_put_u32(skb, ASV_A_PID, pid_nr_ns(dev->owner_pid, task_active_pid_ns(current))) ||
	    nla_put_u32(skb, ASV_A_UID, from_kuid_munged(current_user_ns(), dev->owner_uid)) ||
	    nla_put_u32(skb, ASV_A_NVQS, dev->nvqs) ||
	    nla_put_u64_64bit(skb, ASV_A_FEATURES, READ_ONCE(dev->features), ASV_A_PAD)) {
		genlmsg_cancel(skb, head);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, head);
	return 0;
}

static u32 asv_vq_flags(const struct asv_vq *vq)
{
	return (READ_ONCE(vq->backend) ? ASV_VQ_F_RUNNING : 0) |
	       (READ_ONCE(vq->broken) ? ASV_VQ_F_BROKEN : 0) |
	       (READ_ONCE(vq->packed) ? ASV_VQ_F_PACKED : 0) |
	       (READ_ONCE(vq->log) ? ASV_VQ_F_LOG : 0);
}

/* Counters as they are now: each is whole, together they may be a request apart. */
static int asv_put_counters(struct sk_buff *skb, const struct asv_stats *stats)
{
	u64 chains = READ_ONCE(stats->chains), kicks = READ_ONCE(stats->kicks);
	const struct {
		int attr;
		u64 val;
	} counter[] = {
		{ ASV_A_REQUESTS, READ_ONCE(stats->requests) },
		{ ASV_A_BYTES_OUT, READ_ONCE(stats->bytes_out) },
		{ ASV_A_BYTES_IN, READ_ONCE(stats->bytes_in) },
		{ ASV_A_KICKS, kicks },
		{ ASV_A_KICKS_SUPPRESSED, chains > kicks ? chains - kicks : 0 },
		{ ASV_A_CALLS, READ_ONCE(stats->calls) },
		{ ASV_A_CALLS_SUPPRESSED, READ_ONCE(stats->calls_suppressed) },
		{ ASV_A_POLLS_HIT, READ_ONCE(stats->polls_hit) },
		{ ASV_A_POLLS_MISSED, READ_ONCE(stats->polls_missed) },
		{ ASV_A_THROTTLED, READ_ONCE(stats->throttled) },
		{ ASV_A_ERRORS, READ_ONCE(stats->errors) },
		{ ASV_A_FAILED, READ_ONCE(stats->failed) },
		{ ASV_A_HELPED, READ_ONCE(stats->helped) },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(counter); i++)
		if (nla_put_u64_64bit(skb, counter[i].attr, counter[i].val, ASV_A_PAD))
			return -EMSGSIZE;
	return 0;
}

static int asv_put_vq(struct sk_buff *skb, struct netlink_callback *cb, struct asv_vq *vq)
{
	int worker = asv_vq_worker_id(vq);
	void *head;

	/* Never used: nothing to tell. */
	if (!READ_ONCE(vq->started))
		return 0;
	head = asv_put_head(skb, cb, ASV_CMD_GET_VQ, vq->dev);
	if (!head)
		return -EMSGSIZE;
	if (nla_put_u32(skb, ASV_A_VQ_INDEX, vq->index) ||
	    nla_put_u32(skb, ASV_A_VQ_FLAGS, asv_vq_flags(vq)) ||
	    nla_put_u32(skb, ASV_A_RING_SIZE, READ_ONCE(vq->num)) ||
	    (worker >= 0 && nla_put_u32(skb, ASV_A_WORKER_ID, worker)) ||
	    asv_put_counters(skb, &vq->stats)) {
		genlmsg_cancel(skb, head);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, head);
	return 0;
}

/* Goes on at dump->vq; leaves it at 0 when the device is done. */
static int asv_put_vqs(struct sk_buff *skb, struct netlink_callback *cb,
		       const struct asv_dev *dev)
{
	struct asv_dump *dump = (void *)cb->ctx;

	for (; dump->vq < dev->nvqs; dump->vq++) {
		int ret = asv_put_vq(skb, cb, dev->vqs[dump->vq]);

		if (ret)
			return ret;
	}
	dump->vq = 0;
	return 0;
}

typedef int (*asv_put_fn)(struct sk_buff *skb, struct netlink_callback *cb,
			  const struct asv_dev *dev);

static int asv_dump(struct sk_buff *skb, struct netlink_callback *cb, asv_put_fn put)
{
	struct asv_dump *dump = (void *)cb->ctx;
	unsigned long start = dump->dev;
	struct asv_dev *dev;
	unsigned long id;

	/* A device leaves the list under the lock, so it stays while we hold it. */
	mutex_lock(&asv_devs_lock);
	xa_for_each_start(&asv_devs, id, dev, start) {
		if (dump->one && id != start)
			break;
		if (id != dump->dev)
			dump->vq = 0;
		dump->dev = id;
		if ((dump->all || uid_eq(dump->uid, dev->owner_uid)) && put(skb, cb, dev))
			goto unlock;
		dump->dev = id + 1;
	}
	/* Past the last one, also for the next call. */
	dump->dev = ULONG_MAX;
unlock:
	mutex_unlock(&asv_devs_lock);
	return skb->len;
}

static int asv_dump_devs(struct sk_buff *skb, struct netlink_callback *cb)
{
	return asv_dump(skb, cb, asv_put_dev);
}

static int asv_dump_vqs(struct sk_buff *skb, struct netlink_callback *cb)
{
	return asv_dump(skb, cb, asv_put_vqs);
}

static const struct genl_ops asv_ops[] = {
	{
		.cmd = ASV_CMD_GET_DEV,
		.start = asv_dump_start,
		.dumpit = asv_dump_devs,
	}, {
		.cmd = ASV_CMD_GET_VQ,
		.start = asv_dump_start,
		.dumpit = asv_dump_vqs,
	},
};

static struct genl_family asv_family __ro_after_init = {
	.name = ASV_GENL_NAME,
	.version = ASV_GENL_VERSION,
	.maxattr = ASV_A_MAX,
	.policy = asv_policy,
	.netnsok = true,
	.module = THIS_MODULE,
	.ops = asv_ops,
	.n_ops = ARRAY_SIZE(asv_ops),
	.resv_start_op = __ASV_CMD_MAX,
};

int __init asv_stats_init(void)
{
	return genl_register_family(&asv_family);
}

void asv_stats_exit(void)
{
	genl_unregister_family(&asv_family);
}
