// SPDX-License-Identifier: GPL-2.0-only
/*
 * The generic netlink family: space, slots and locks of the mounted volumes, and events.
 *
 * @sffs_mounts_lock covers the list of mounts, which has them in the order of their numbers.
 * It is not held over I/O: a dump counts itself among the mount's dumps, and the mount that
 * ends waits for those. So a volume that does not answer holds up nobody but itself.
 */
#include <linux/wait_bit.h>
#include <net/genetlink.h>

#include <linux/sffs.h>

#include "sffs.h"

/* Locks of inodes that one dump tells of. */
#define SFFS_DUMP_INODES	1024U

static DEFINE_MUTEX(sffs_mounts_lock);
static LIST_HEAD(sffs_mounts);
static u64 sffs_last_mount;
static struct genl_family sffs_family;

/**
 * struct sffs_dump - where a dump stands, in cb->ctx
 * @mount: number of the mount that it looks at; those before are done
 * @item: next item of that one
 * @dev: of this volume only, if @one
 * @one: only one volume was asked for
 */
struct sffs_dump {
	u64 mount;
	u32 item;
	u32 dev;
	bool one;
};

/* Puts what is left of a volume from dump->item on; -EMSGSIZE when there is no more room. */
typedef int (*sffs_put_fn)(struct sk_buff *skb, struct netlink_callback *cb,
			   struct sffs_sb_info *sbi, struct sffs_dump *dump);

static int sffs_dump_start(struct netlink_callback *cb)
{
	struct sffs_dump *dump = (void *)cb->ctx;
	struct nlattr **attrs = asv_dump_attrs(cb);

	BUILD_BUG_ON(sizeof(*dump) > sizeof(cb->ctx));
	memset(dump, 0, sizeof(*dump));
	if (attrs[SFFS_A_DEV]) {
		dump->one = true;
		dump->dev = nla_get_u32(attrs[SFFS_A_DEV]);
	}
	return 0;
}

static u32 sffs_mount_dev(const struct sffs_sb_info *sbi)
{
	return new_encode_dev(sbi->sb->s_dev);
}

/* The mount that the dump looks at next, kept until sffs_dump_unpin(), or NULL. */
static struct sffs_sb_info *sffs_dump_pin(struct sffs_dump *dump)
{
	struct sffs_sb_info *sbi, *found = NULL;

	mutex_lock(&sffs_mounts_lock);
	list_for_each_entry(sbi, &sffs_mounts, mounts_entry) {
		if (sbi->mount_number < dump->mount ||
		    (dump->one && dump->dev != sffs_mount_dev(sbi)))
			continue;
		if (sbi->mount_number != dump->mount)
			dump->item = 0;
		dump->mount = sbi->mount_number;
		atomic_inc(&sbi->dumps);
		found = sbi;
		break;
	}
	mutex_unlock(&sffs_mounts_lock);
	return found;
}

static void sffs_dump_unpin(struct sffs_sb_info *sbi)
{
	if (atomic_dec_and_test(&sbi->dumps))
		wake_up_var(&sbi->dumps);
}

static int sffs_dump(struct sk_buff *skb, struct netlink_callback *cb, sffs_put_fn put)
{
	struct sffs_dump *dump = (void *)cb->ctx;
	struct sffs_sb_info *sbi;
	int err = 0;

	while (!err) {
		sbi = sffs_dump_pin(dump);
		if (!sbi)
			break;
		err = put(skb, cb, sbi, dump);
		if (!err) {
			dump->mount++;
			dump->item = 0;
		}
		sffs_dump_unpin(sbi);
	}
	/* What was put is sent; the error comes again with the next part. */
	return skb->len ?: err;
}

static void *sffs_put_head(struct sk_buff *skb, struct netlink_callback *cb, u8 cmd,
			   const struct sffs_sb_info *sbi)
{
	void *head = genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq,
				 &sffs_family, NLM_F_MULTI, cmd);

	if (head && nla_put_u32(skb, SFFS_A_DEV, sffs_mount_dev(sbi))) {
		genlmsg_cancel(skb, head);
		head = NULL;
	}
	return head;
}

static int sffs_put_end(struct sk_buff *skb, void *head, bool bad)
{
	if (bad) {
		genlmsg_cancel(skb, head);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, head);
	return 0;
}

/* ---- Space ---- */

static u64 sffs_pending_blocks(struct sffs_sb_info *sbi)
{
	u64 sum = 0;
	u32 i, groups = sffs_nr_groups(sbi);

	for (i = 0; i < groups; i++)
		sum += READ_ONCE(sffs_group(sbi, i)->busy_blocks);
	return sum;
}

static int sffs_put_space(struct sk_buff *skb, struct netlink_callback *cb,
			  struct sffs_sb_info *sbi, struct sffs_dump *dump)
{
	const struct sffs_super *raw = (struct sffs_super *)sbi->super_bh->b_data;
	void *head = sffs_put_head(skb, cb, SFFS_CMD_GET_SPACE, sbi);
	u64 free_blocks, unmapped, free_inodes, inodes;
	char label[SFFS_LABEL_MAX + 1];

	if (!head)
		return -EMSGSIZE;
	sffs_count_space(sbi, &free_blocks, &unmapped, &free_inodes, &inodes);
	strscpy(label, raw->label, sizeof(label));
	return sffs_put_end(skb, head,
			    nla_put(skb, SFFS_A_UUID, sizeof(raw->uuid), raw->uuid) ||
			    nla_put_string(skb, SFFS_A_LABEL, label) ||
			    nla_put_u64_64bit(skb, SFFS_A_BLOCKS, sffs_usable_blocks(sbi),
					      SFFS_A_PAD) ||
			    nla_put_u64_64bit(skb, SFFS_A_FREE, free_blocks, SFFS_A_PAD) ||
			    nla_put_u64_64bit(skb, SFFS_A_UNMAPPED, unmapped, SFFS_A_PAD) ||
			    nla_put_u64_64bit(skb, SFFS_A_PENDING, sffs_pending_blocks(sbi),
					      SFFS_A_PAD) ||
			    nla_put_u32(skb, SFFS_A_RECLAIM, READ_ONCE(sbi->reclaim_rate)));
}

static int sffs_dump_space(struct sk_buff *skb, struct netlink_callback *cb)
{
	return sffs_dump(skb, cb, sffs_put_space);
}

/* ---- Slots ---- */

static int sffs_put_node(struct sk_buff *skb, struct netlink_callback *cb,
			 struct sffs_sb_info *sbi, u32 slot)
{
	struct sffs_slot_record rec;
	void *head;
	bool here;
	int err = sffs_read_slot(sbi, slot, &rec);

	if (err)
		return err;
	head = sffs_put_head(skb, cb, SFFS_CMD_GET_NODES, sbi);
	if (!head)
		return -EMSGSIZE;
	here = rec.state == SFFS_SLOT_LIVE &&
	       sffs_slot_own(sbi, slot, le32_to_cpu(rec.incarnation));
	return sffs_put_end(skb, head,
			    nla_put_u32(skb, SFFS_A_SLOT, slot) ||
			    nla_put_u32(skb, SFFS_A_STATE, rec.state) ||
			    nla_put_u32(skb, SFFS_A_INCARNATION, le32_to_cpu(rec.incarnation)) ||
			    nla_put_string(skb, SFFS_A_HOST, rec.host) ||
			    nla_put_u64_64bit(skb, SFFS_A_MOUNTED, le64_to_cpu(rec.mounted_sec),
					      SFFS_A_PAD) ||
			    nla_put_u32(skb, SFFS_A_SLOT_FLAGS, le32_to_cpu(rec.flags)) ||
			    (here && nla_put_flag(skb, SFFS_A_HERE)));
}

static int sffs_put_nodes(struct sk_buff *skb, struct netlink_callback *cb,
			  struct sffs_sb_info *sbi, struct sffs_dump *dump)
{
	int err;

	for (; dump->item < sbi->slots; dump->item++) {
		err = sffs_put_node(skb, cb, sbi, dump->item);
		if (err)
			return err;
	}
	return 0;
}

static int sffs_dump_nodes(struct sk_buff *skb, struct netlink_callback *cb)
{
	return sffs_dump(skb, cb, sffs_put_nodes);
}

/* ---- Locks ---- */

static int sffs_put_lock(struct sk_buff *skb, struct netlink_callback *cb,
			 const struct sffs_lock *lock)
{
	void *head = sffs_put_head(skb, cb, SFFS_CMD_GET_LOCKS, lock->sbi);

	if (!head)
		return -EMSGSIZE;
	/* A mount that is alone holds every lock. */
	return sffs_put_end(skb, head,
			    nla_put_u32(skb, SFFS_A_LOCK_TYPE, lock->type) ||
			    nla_put_u64_64bit(skb, SFFS_A_LOCK_NUMBER, lock->number, SFFS_A_PAD) ||
			    nla_put_u32(skb, SFFS_A_LOCK_MODE, SFFS_LOCK_EXCLUSIVE) ||
			    nla_put_u32(skb, SFFS_A_USES_SHARED,
					atomic_read(&lock->uses[SFFS_LOCK_SHARED])) ||
			    nla_put_u32(skb, SFFS_A_USES_EXCLUSIVE,
					atomic_read(&lock->uses[SFFS_LOCK_EXCLUSIVE])));
}

static bool sffs_lock_used(const struct sffs_lock *lock)
{
	return atomic_read(&lock->uses[SFFS_LOCK_SHARED]) ||
	       atomic_read(&lock->uses[SFFS_LOCK_EXCLUSIVE]);
}

/* Does anybody use one of the inode's locks? One that is being set up has none yet. */
static bool sffs_inode_used(struct sffs_sb_info *sbi, struct inode *inode)
{
	const struct sffs_inode_info *si = SFFS_I(inode);

	return si->lock.sbi == sbi && si->open_lock.sbi == sbi &&
	       (sffs_lock_used(&si->lock) || sffs_lock_used(&si->open_lock));
}

/* Of an inode, those in use, but for the first of all that were put before. */
static int sffs_put_inode(struct sk_buff *skb, struct netlink_callback *cb, struct inode *inode,
			  u32 skip, u32 *n)
{
	const struct sffs_inode_info *si = SFFS_I(inode);
	const struct sffs_lock *lock[] = { &si->lock, &si->open_lock };
	int i, err = 0;

	for (i = 0; i < ARRAY_SIZE(lock) && !err; i++) {
		if (!sffs_lock_used(lock[i]))
			continue;
		if (*n >= skip)
			err = sffs_put_lock(skb, cb, lock[i]);
		*n += !err;
	}
	return err;
}

/*
 * Locks in use of the inodes in memory, from the @skip-th on; @n counts them. The list may be
 * long, so its lock is dropped for each inode that is used and for others now and then.
 */
static int sffs_put_inode_locks(struct sk_buff *skb, struct netlink_callback *cb,
				struct sffs_sb_info *sbi, u32 skip, u32 *n)
{
	struct super_block *sb = sbi->sb;
	struct inode *inode, *last = NULL;
	u32 seen = 0;
	int err = 0;

	*n = 0;
	spin_lock(&sb->s_inode_list_lock);
	list_for_each_entry(inode, &sb->s_inodes, i_sb_list) {
		if (!sffs_inode_used(sbi, inode) && ++seen % 1024)
			continue;
		if (!igrab(inode))
			continue;
		spin_unlock(&sb->s_inode_list_lock);
		err = sffs_put_inode(skb, cb, inode, skip, n);
		iput(last);
		last = inode;
		cond_resched();
		spin_lock(&sb->s_inode_list_lock);
		if (err || *n >= SFFS_DUMP_INODES)
			break;
	}
	spin_unlock(&sb->s_inode_list_lock);
	iput(last);
	return err;
}

static int sffs_put_locks(struct sk_buff *skb, struct netlink_callback *cb,
			  struct sffs_sb_info *sbi, struct sffs_dump *dump)
{
	u32 fixed = ARRAY_SIZE(sbi->fixed), groups = sffs_nr_groups(sbi), skip, n;
	int err;

	for (; dump->item < fixed + groups; dump->item++) {
		u32 i = dump->item;

		err = sffs_put_lock(skb, cb, i < fixed ? &sbi->fixed[i] :
				    &sffs_group(sbi, i - fixed)->lock);
		if (err)
			return err;
	}
	skip = dump->item - fixed - groups;
	err = sffs_put_inode_locks(skb, cb, sbi, skip, &n);
	dump->item = fixed + groups + max(skip, n);
	return err;
}

static int sffs_dump_locks(struct sk_buff *skb, struct netlink_callback *cb)
{
	return sffs_dump(skb, cb, sffs_put_locks);
}

/* ---- Events ---- */

/**
 * sffs_event() - tell the listeners
 * @sb: the mount
 * @event: what happened
 * @block: which block it is about, or 0
 * @text: for people
 *
 * Context: any but hard interrupts; does not sleep. Nobody learns of it without memory. Of
 * damage a mount tells 50 times in 5 seconds at most, of all else always.
 */
void sffs_event(struct super_block *sb, enum sffs_event event, u64 block, const char *text)
{
	struct sk_buff *skb;
	void *head;

	if (event == SFFS_EVENT_DAMAGE && !__ratelimit(&SFFS_SB(sb)->damage_rate))
		return;
	skb = genlmsg_new(GENLMSG_DEFAULT_SIZE, GFP_NOWAIT | __GFP_NOWARN);
	if (!skb)
		return;
	head = genlmsg_put(skb, 0, 0, &sffs_family, 0, SFFS_CMD_EVENT);
	if (!head || nla_put_u32(skb, SFFS_A_DEV, new_encode_dev(sb->s_dev)) ||
	    nla_put(skb, SFFS_A_UUID, sizeof(sb->s_uuid), &sb->s_uuid) ||
	    nla_put_u32(skb, SFFS_A_EVENT, event) || nla_put_string(skb, SFFS_A_TEXT, text) ||
	    (block && nla_put_u64_64bit(skb, SFFS_A_BLOCK, block, SFFS_A_PAD))) {
		nlmsg_free(skb);
		return;
	}
	genlmsg_end(skb, head);
	genlmsg_multicast(&sffs_family, skb, 0, 0, GFP_NOWAIT | __GFP_NOWARN);
}

/* A mount that is complete can be seen from now on. */
void sffs_netlink_add(struct sffs_sb_info *sbi)
{
	mutex_lock(&sffs_mounts_lock);
	sbi->mount_number = ++sffs_last_mount;
	list_add_tail(&sbi->mounts_entry, &sffs_mounts);
	mutex_unlock(&sffs_mounts_lock);
	sffs_event(sbi->sb, SFFS_EVENT_MOUNT, 0, "mounted");
}

/*
 * Before anything of a mount is taken apart; waits for dumps that look at it. Return: was it
 * added?
 */
bool sffs_netlink_del(struct sffs_sb_info *sbi)
{
	if (list_empty(&sbi->mounts_entry))
		return false;
	mutex_lock(&sffs_mounts_lock);
	list_del_init(&sbi->mounts_entry);
	mutex_unlock(&sffs_mounts_lock);
	wait_var_event(&sbi->dumps, !atomic_read(&sbi->dumps));
	return true;
}

/* ---- The family ---- */

static const struct nla_policy sffs_policy[SFFS_A_MAX + 1] = {
	[SFFS_A_DEV] = { .type = NLA_U32 },
};

static const struct genl_ops sffs_ops[] = {
	{
		.cmd = SFFS_CMD_GET_SPACE,
		.flags = GENL_ADMIN_PERM,
		.start = sffs_dump_start,
		.dumpit = sffs_dump_space,
	}, {
		.cmd = SFFS_CMD_GET_NODES,
		.flags = GENL_ADMIN_PERM,
		.start = sffs_dump_start,
		.dumpit = sffs_dump_nodes,
	}, {
		.cmd = SFFS_CMD_GET_LOCKS,
		.flags = GENL_ADMIN_PERM,
		.start = sffs_dump_start,
		.dumpit = sffs_dump_locks,
	},
};

static const struct genl_multicast_group sffs_groups[] = {
	{ .name = SFFS_GENL_EVENTS, .flags = GENL_MCAST_CAP_NET_ADMIN },
};

static struct genl_family sffs_family __ro_after_init = {
	.name = SFFS_GENL_NAME,
	.version = SFFS_GENL_VERSION,
	.maxattr = SFFS_A_MAX,
	.policy = sffs_policy,
	.module = THIS_MODULE,
	.parallel_ops = true,
	.ops = sffs_ops,
	.n_ops = ARRAY_SIZE(sffs_ops),
	.resv_start_op = SFFS_CMD_EVENT + 1,
	.mcgrps = sffs_groups,
	.n_mcgrps = ARRAY_SIZE(sffs_groups),
};

int __init sffs_netlink_init(void)
{
	return genl_register_family(&sffs_family);
}

void sffs_netlink_exit(void)
{
	genl_unregister_family(&sffs_family);
}
