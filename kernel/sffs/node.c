// SPDX-License-Identifier: GPL-2.0-only
/*
 * This node among the others: it takes a slot, renews it, and frees it.
 *
 * One task at a time changes the own record: the one that mounts, then the heartbeat
 * thread, then the one that unmounts. The lease is the gate's; a delayed work item ends
 * the mount with it, also when the heartbeat thread waits for the device.
 */
#include <linux/delay.h>
#include <linux/fs_context.h>
#include <linux/random.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/suspend.h>
#include <linux/utsname.h>

#include "node.h"

/* A claim that was lost to another mount is tried at the next free slot. */
#define SFFS_CLAIM_TRIES	128
#define SFFS_JOIN_POLL_MS	200

static atomic_t sffs_nodes = ATOMIC_INIT(0);

/* ---- The own record ---- */

/* Does this record say that this node is there? */
bool sffs_node_mine(const struct sffs_node *node, const struct sffs_slot_record *rec)
{
	const struct sffs_sb_info *sbi = node->sbi;

	return sffs_slot_valid(sbi, sbi->slot, rec) && rec->state != SFFS_SLOT_FREE &&
	       le32_to_cpu(rec->incarnation) == sbi->incarnation &&
	       (rec->state == SFFS_SLOT_LIVE || (rec->recoverer == sbi->slot &&
						 rec->recoverer_inc == rec->incarnation));
}

/* The lease counts from the submission of the try that renewed it. */
static bool sffs_node_credit(struct sffs_node *node, u64 submitted)
{
	struct sffs_sb_info *sbi = node->sbi;
	u64 end = submitted + node->lease_ns, now = ktime_get_boottime_ns();

	if (!sffs_lease_renew(&sbi->lease, end - node->gate_margin, end))
		return false;
	mod_delayed_work(sffs_lease_wq, &node->expire,
			 end > now ? nsecs_to_jiffies(end - now) + 1 : 0);
	return true;
}

static void sffs_node_expire(struct work_struct *work)
{
	struct sffs_node *node = container_of(to_delayed_work(work), struct sffs_node, expire);
	struct sffs_sb_info *sbi = node->sbi;

	switch (sffs_lease_mode(&sbi->lease)) {
	case SFFS_GATE_FAIL:
		sffs_shutdown(sbi->sb, "the lease has ended: the LUN could not be reached in time");
		break;
	default:
		mod_delayed_work(sffs_lease_wq, &node->expire, HZ / 10);
		break;
	}
}

/**
 * sffs_node_renew() - write the own record anew
 * @node: this node, with a slot
 *
 * Context: sleeps until the outcome is known, or the lease ends.
 * Return: 0; -EIO: the mount was shut down, as it has to be when somebody took the slot.
 */
int sffs_node_renew(struct sffs_node *node)
{
	struct sffs_sb_info *sbi = node->sbi;
	struct sffs_ats *ats = node->ats;
	struct sffs_slot_record *new = (struct sffs_slot_record *)ats->new;
	const struct sffs_slot_record *now = (struct sffs_slot_record *)ats->now;
	int err;

	ats->sector = node->first + sbi->slot;
	memcpy(ats->old, &node->rec, sizeof(node->rec));
	*new = node->rec;
	new->state = node->state;
	if (new->state == SFFS_SLOT_LIVE) {
		new->recoverer = 0xff;
		new->recoverer_inc = 0;
	}
	le64_add_cpu(&new->sequence, 1);
	err = sffs_ats_run(ats);
	if (!err && !sffs_node_mine(node, now)) {
		sffs_shutdown(sbi->sb, "another host took its slot, having found it silent");
		err = -EIO;
	}
	if (!err) {
		spin_lock(&node->lock);
		node->rec = *now;
		spin_unlock(&node->lock);
		if (ats->submitted && !sffs_node_credit(node, ats->submitted))
			err = -EIO;
	}
	return err;
}

/* One that recovers and gets stuck is not to keep the others from it: "Recovery" 3. */
static void sffs_node_check_progress(struct sffs_node *node)
{
	u64 progress = READ_ONCE(node->progress), now = ktime_get_boottime_ns();

	if (progress && now > progress && now - progress >= node->lease_ns)
		sffs_shutdown(node->sbi->sb, "its recovery of a dead host got stuck");
}

/* What else there is to do at each heartbeat */
static void sffs_node_look(struct sffs_node *node)
{
	sffs_node_check_progress(node);
	sffs_fence_check(node, node->keys);
	if (!sffs_watch_scan(node) && READ_ONCE(node->mounted))
		queue_work(system_unbound_wq, &node->recover);
}

static int sffs_heartbeat_thread(void *data)
{
	struct sffs_node *node = data;
	struct sffs_sb_info *sbi = node->sbi;
	unsigned long interval = msecs_to_jiffies(sbi->heartbeat_ms);

	sched_set_fifo_low(current);
	/* Reclaim may wait for writes of this mount, and these for the lease. */
	memalloc_noreclaim_save();
	while (!kthread_should_stop()) {
		unsigned long begun = jiffies, spent;

		if (!sffs_is_shutdown(sbi) && !sffs_node_renew(node))
			sffs_node_look(node);
		spent = jiffies - begun;
		set_current_state(TASK_INTERRUPTIBLE);
		if (!kthread_should_stop())
			schedule_timeout(spent < interval ? interval - spent : 1);
		__set_current_state(TASK_RUNNING);
	}
	return 0;
}

/* ---- Taking a slot ---- */

static void sffs_fill_claim(struct sffs_node *node, u32 slot, const struct sffs_slot_record *old,
			    struct sffs_slot_record *new)
{
	struct sffs_sb_info *sbi = node->sbi;
	u32 incarnation = le32_to_cpu(old->incarnation) + 1 ?: 1;

	sbi->slot = slot;
	sbi->incarnation = incarnation;
	sffs_fill_slot(sbi, new);
	new->flags = cpu_to_le32(sbi->nofence ? SFFS_SLOTF_NOFENCE : 0);
	new->pr_key = cpu_to_le64(node->key);
	if (old->state != SFFS_SLOT_FREE) {
		new->state = SFFS_SLOT_RECOVERING;
		new->recoverer = slot;
		new->recoverer_inc = cpu_to_le32(incarnation);
	}
}

/* Take a slot whose record is @old: free, or dead. -EAGAIN: another mount was faster. */
static int sffs_node_claim(struct sffs_node *node, u32 slot, const struct sffs_slot_record *old)
{
	struct sffs_sb_info *sbi = node->sbi;
	struct sffs_ats *ats = sffs_ats_alloc(sbi->lun);
	const struct sffs_slot_record *now = (struct sffs_slot_record *)ats->now;
	int err;

	ats->sector = node->first + slot;
	ats->until = ktime_get_boottime_ns() + node->lease_ns;
	memcpy(ats->old, old, sizeof(*old));
	sffs_fill_claim(node, slot, old, (struct sffs_slot_record *)ats->new);
	err = sffs_ats_run(ats);
	/* Each try has a nonce of its own, so this is how to tell two mounts apart. */
	if (!err && !ats->submitted)
		err = -EAGAIN;
	if (!err && !sffs_node_credit(node, ats->submitted))
		err = -EIO;
	if (!err) {
		node->rec = *now;
		node->state = now->state;
		node->clean = now->state == SFFS_SLOT_LIVE;
	}
	sffs_ats_free(ats);
	return err;
}

/* A slot to take: a free one, else a dead one. */
static int sffs_node_choose(struct sffs_node *node, u32 *slot, struct sffs_slot_record *rec)
{
	static const enum sffs_verdict order[] = { SFFS_WATCH_FREE, SFFS_WATCH_DEAD };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(order); i++)
		for (*slot = 0; *slot < node->slots; ++*slot)
			if (sffs_watch_verdict(node, *slot, rec) == order[i])
				return 0;
	return -EBUSY;
}

static bool sffs_node_is_local(const struct sffs_slot_record *rec)
{
	return rec->state == SFFS_SLOT_LIVE && (le32_to_cpu(rec->flags) & SFFS_SLOTF_LOCAL);
}

/*
 * What keeps this node waiting, or out: a local mount that is alive, else a slot of which
 * nothing is known. Before the claim (@own is U32_MAX) only slots of local mounts count.
 */
static enum sffs_verdict sffs_node_others(struct sffs_node *node, u32 own, u32 *who,
					  struct sffs_slot_record *rec)
{
	enum sffs_verdict v, worst = SFFS_WATCH_FREE;
	struct sffs_slot_record seen;
	u32 slot;

	for (slot = 0; slot < node->slots && worst != SFFS_WATCH_ALIVE; slot++) {
		v = sffs_watch_verdict(node, slot, &seen);
		if (slot == own || v == worst ||
		    (v == SFFS_WATCH_ALIVE ? !sffs_node_is_local(&seen) :
		     v != SFFS_WATCH_UNKNOWN || (own == U32_MAX && !sffs_node_is_local(&seen))))
			continue;
		worst = v;
		*who = slot;
		*rec = seen;
	}
	return worst;
}

/*
 * No local mount may be there: asked before the first command that changes anything, for it
 * has no key and looks for none, and after the claim (of @own) once more: of two that claim,
 * each sees the other then. After the claim it is also settled who lives and who is dead,
 * for a lock of the dead is had after their recovery.
 */
static int sffs_node_settle(struct sffs_node *node, u32 own, struct fs_context *fc)
{
	u64 until = ktime_get_boottime_ns() + 2 * node->lease_ns;
	struct sffs_sb_info *sbi = node->sbi;
	struct sffs_slot_record rec;
	bool told = false;
	u32 slot;

	for (;;) {
		int err = sffs_watch_scan(node);
		enum sffs_verdict v = sffs_node_others(node, own, &slot, &rec);

		if (!err && v == SFFS_WATCH_ALIVE) {
			errorf(fc, "host %.63s has the volume mounted with -o local (slot %u)",
			       rec.host, slot);
			return -EBUSY;
		}
		if (!err && v != SFFS_WATCH_UNKNOWN)
			return 0;
		if (sffs_is_shutdown(sbi))
			return -EIO;
		if (ktime_get_boottime_ns() >= until) {
			if (err)
				errorf(fc, "the slots cannot be read (error %d)", err);
			else
				errorf(fc, "nothing is known of slot %u; run fsck.sffs", slot);
			return -EIO;
		}
		if (!err && !told)
			pr_info("%s: waiting to see whether host %.63s (slot %u) is alive\n",
				sbi->sb->s_id, rec.host, slot);
		told = told || !err;
		if (msleep_interruptible(SFFS_JOIN_POLL_MS))
			return -EINTR;
	}
}

static int sffs_node_fence(struct sffs_node *node, u32 slot, const struct sffs_slot_record *rec,
			   struct fs_context *fc)
{
	struct sffs_sb_info *sbi = node->sbi;
	int err;

	if (sbi->nofence)
		return 0;
	err = sffs_fence_join(node, slot, le32_to_cpu(rec->incarnation) + 1 ?: 1);
	if (err == -EOPNOTSUPP)
		errorf(fc, "no PERSISTENT RESERVE, so no fencing: see -o nofence in sffs(5)");
	else if (err == -EBADE)
		errorf(fc, "the LUN is reserved by something else; see sg_persist(8)");
	else if (err)
		errorf(fc, "the LUN does not let this host register a key (error %d)", err);
	return err;
}

static int sffs_node_probe(struct sffs_sb_info *sbi, struct fs_context *fc)
{
	struct sffs_super *raw = (struct sffs_super *)sbi->super_bh->b_data;
	u64 scratch = le64_to_cpu(raw->fixed_lock_block) *
		      sffs_sectors_per_block(sbi->sector_shift) + SFFS_FIXED_SCRATCH;
	int err = sffs_lun_probe(sbi->lun, scratch);

	if (err == -EOPNOTSUPP)
		errorf(fc, "no working COMPARE AND WRITE (ATS): use -o local, on one host only");
	else if (err == -EBADE)
		errorf(fc, "another volume or host has reserved the LUN");
	else if (err)
		errorf(fc, "cannot try COMPARE AND WRITE (error %d)", err);
	else if (sffs_lun_is_lio(sbi->lun))
		pr_warn("%s: Linux's own target may grant COMPARE AND WRITE to two hosts at once after it refused one by reservation or unit attention; Documentation/filesystems/sffs-locks.rst names the cure\n",
			sbi->sb->s_id);
	return err;
}

/* A slot is chosen: the key first, then the first ATS, which tells whether there is any. */
static int sffs_node_try(struct sffs_node *node, u32 slot, const struct sffs_slot_record *rec,
			 bool *probed, struct fs_context *fc)
{
	int err = sffs_node_fence(node, slot, rec, fc);

	if (!err && !*probed)
		err = sffs_node_probe(node->sbi, fc);
	if (err)
		return err;
	*probed = true;
	return sffs_node_claim(node, slot, rec);
}

static int sffs_node_take(struct sffs_node *node, struct fs_context *fc)
{
	u64 until = ktime_get_boottime_ns() + node->lease_ns + 2 * node->watch_margin;
	struct sffs_sb_info *sbi = node->sbi;
	struct sffs_slot_record rec;
	bool told = false, probed = false;
	int i = 0, err;
	u32 slot;

	/* Not even a key is registered beside a mount that does without. */
	err = sffs_node_settle(node, U32_MAX, fc);
	if (err)
		return err;
	for (;;) {
		err = sffs_watch_scan(node);
		if (!err)
			err = sffs_node_choose(node, &slot, &rec);
		if (!err)
			err = sffs_node_try(node, slot, &rec, &probed, fc);
		if (!err)
			return 0;
		if (err != -EBUSY && (err != -EAGAIN || ++i >= SFFS_CLAIM_TRIES))
			break;
		if (err == -EAGAIN)
			continue;
		if (ktime_get_boottime_ns() >= until) {
			errorf(fc, "all %u slots are in use; tune.sffs makes more", node->slots);
			return -EBUSY;
		}
		if (!told)
			pr_info("%s: all %u slots are taken; waiting to see whether a host died\n",
				sbi->sb->s_id, node->slots);
		told = true;
		if (msleep_interruptible(SFFS_JOIN_POLL_MS))
			return -EINTR;
	}
	if (err != -EOPNOTSUPP && err != -EBADE)	/* which were explained */
		errorf(fc, "cannot take a slot (error %d)", err);
	return err;
}

/* ---- Joining ---- */

static struct sffs_node *sffs_node_new(struct sffs_sb_info *sbi, dev_t dev)
{
	struct sffs_super *raw = (struct sffs_super *)sbi->super_bh->b_data;
	struct sffs_node *node = kvzalloc(sizeof(*node), GFP_KERNEL);

	if (!node)
		return NULL;
	node->slots = sbi->slots;
	node->sector_shift = sbi->sector_shift;
	node->region = kmalloc(node->slots << node->sector_shift, GFP_KERNEL);
	node->keys = sffs_fence_buffer(GFP_KERNEL);
	if (!node->region || !node->keys) {
		kfree(node->region);
		kfree(node->keys);
		kvfree(node);
		return NULL;
	}
	node->ats = sffs_ats_alloc(sbi->lun);
	node->sbi = sbi;
	node->dev = dev;
	node->lease_ns = (u64)sbi->lease_ms * NSEC_PER_MSEC;
	node->gate_margin = node->lease_ns / 4;
	node->watch_margin = node->lease_ns / 8;
	node->first = le64_to_cpu(raw->heartbeat_block) *
		      sffs_sectors_per_block(sbi->sector_shift);
	spin_lock_init(&node->lock);
	mutex_init(&node->scan);
	INIT_DELAYED_WORK(&node->expire, sffs_node_expire);
	INIT_WORK(&node->recover, sffs_recover_work);
	INIT_WORK(&node->conflict, sffs_fence_conflict);
	return node;
}

static int sffs_node_open_lun(struct sffs_sb_info *sbi, struct fs_context *fc)
{
	int err;

	sbi->lun = sffs_lun_open(sffs_gate_lower(sbi->gate), sbi->sector_shift, sbi->seed,
				 sbi->lease_ms / 4);
	if (!IS_ERR(sbi->lun)) {
		sbi->lun->lease = &sbi->lease;
		if (sbi->lun->partition && !sbi->nofence) {
			errorf(fc, "no fencing on a partition: see -o nofence in sffs(5)");
			return -EINVAL;
		}
		return 0;
	}
	err = PTR_ERR(sbi->lun);
	sbi->lun = NULL;
	if (err == -ENOTBLK) {
		errorf(fc, "not a SCSI device, so it has no ATS: use -o local, on one host only");
		err = -EOPNOTSUPP;
	}
	return err;
}

/* A dead slot that is not in @done yet; node->slots: there is none */
static u32 sffs_node_next_dead(struct sffs_node *node, u64 done)
{
	u32 slot;

	for (slot = 0; slot < node->slots; slot++)
		if (slot != node->sbi->slot && !(done & BIT_ULL(slot)) &&
		    sffs_watch_verdict(node, slot, NULL) == SFFS_WATCH_DEAD)
			break;
	return slot;
}

/* Replay what the dead left. What they deleted halfway is for sffs_slot_take(). */
static int sffs_node_recover_dead(struct sffs_node *node, u64 *dead)
{
	struct sffs_sb_info *sbi = node->sbi;
	u32 slot;
	int err;

	*dead = 0;
	if (node->state == SFFS_SLOT_RECOVERING) {
		err = sffs_recover_journal(node, sbi->slot);
		if (err)
			return err;
		node->clean = true;
		WRITE_ONCE(node->state, SFFS_SLOT_LIVE);
		*dead |= BIT_ULL(sbi->slot);
	}
	/* What one of them was recovering when it died is to be had when it is taken. */
	for (;;) {
		err = sffs_watch_scan(node);
		if (err)
			return err;
		slot = sffs_node_next_dead(node, *dead);
		if (slot == node->slots)
			return 0;
		err = sffs_recover_take(node, slot);
		if (err == -EAGAIN)	/* another node recovers it */
			continue;
		err = err ?: sffs_recover_journal(node, slot);
		if (err)
			return err;
		*dead |= BIT_ULL(slot);
	}
}

/**
 * sffs_node_join() - become a node: take a slot, keep it, recover the dead
 * @sb: a mount whose gate is transient: every cached block is stale afterwards
 * @dev: the volume
 * @fc: for messages
 * @dead: set to the slots whose journals were replayed, a bit each
 *
 * After an error sffs_node_leave() undoes what was done.
 *
 * Context: sleeps; may wait for a lease and the margin, interruptibly.
 * Return: 0; -EOPNOTSUPP without ATS; -EBUSY if there is no slot; or an error.
 */
int sffs_node_join(struct super_block *sb, dev_t dev, struct fs_context *fc, u64 *dead)
{
	struct sffs_sb_info *sbi = SFFS_SB(sb);
	struct sffs_node *node;
	int err;

	err = sffs_node_open_lun(sbi, fc);
	if (err)
		return err;
	sbi->mounted_sec = ktime_get_real_seconds();
	node = sffs_node_new(sbi, dev);
	if (!node)
		return -ENOMEM;
	sbi->node = node;
	atomic_inc(&sffs_nodes);
	err = sffs_node_take(node, fc);
	if (err)
		return err;
	node->thread = kthread_run(sffs_heartbeat_thread, node, "sffs_hb/%.8s", sb->s_id);
	WRITE_ONCE(sbi->lun->on_conflict, &node->conflict);
	WRITE_ONCE(sbi->lease.on_conflict, &node->conflict);
	if (IS_ERR(node->thread)) {
		err = PTR_ERR(node->thread);
		node->thread = NULL;
		return err;
	}
	if (sbi->nofence)
		pr_warn("%s: mounted without fencing: a host that was frozen, or whose writes wait in a queue, may damage the volume after its lease\n",
			sb->s_id);
	pr_info("%s: slot %u, incarnation %u\n", sb->s_id, sbi->slot, sbi->incarnation);
	err = sffs_node_settle(node, sbi->slot, fc);
	if (!err)
		err = sffs_node_recover_dead(node, dead);
	return err ?: sffs_locks_start(sbi);
}

/* From now on, or (NULL) no more, the lock manager is told of the other slots. */
void sffs_node_set_lockmgr(struct sffs_node *node, struct sffs_lockmgr *mgr)
{
	u32 slot;

	spin_lock(&node->lock);
	node->sbi->lockmgr = mgr;
	for (slot = 0; mgr && slot < node->sbi->slots; slot++)
		sffs_watch_tell(node, slot);
	spin_unlock(&node->lock);
}

/* The mount has been shut down: its locks are no more. */
void sffs_node_fail_locks(struct sffs_sb_info *sbi)
{
	struct sffs_node *node = sbi->node;

	if (!node)
		return;
	spin_lock(&node->lock);
	if (sbi->lockmgr)
		sffs_lockmgr_fail(sbi->lockmgr);
	spin_unlock(&node->lock);
}

/* The journal is in use, or is empty again: may the slot be freed? */
void sffs_node_set_clean(struct sffs_sb_info *sbi, bool clean)
{
	if (sbi->node)
		sbi->node->clean = clean;
}

/* The mount is complete: slots that die from now on are recovered in the background. */
void sffs_node_mounted(struct sffs_sb_info *sbi)
{
	if (sbi->node)
		WRITE_ONCE(sbi->node->mounted, true);
}

/* The mount ends: recover nobody any more. The lease goes on. */
void sffs_node_quiesce(struct sffs_sb_info *sbi)
{
	struct sffs_node *node = sbi->node;

	if (!node)
		return;
	WRITE_ONCE(node->mounted, false);
	cancel_work_sync(&node->recover);
}

/* Free the own slot: its journal is empty. */
static void sffs_node_free(struct sffs_node *node)
{
	struct sffs_sb_info *sbi = node->sbi;
	struct sffs_ats *ats = sffs_ats_alloc(sbi->lun);
	struct sffs_slot_record *new = (struct sffs_slot_record *)ats->new;

	ats->sector = node->first + sbi->slot;
	ats->until = READ_ONCE(sbi->lease.fail_at);
	memcpy(ats->old, &node->rec, sizeof(node->rec));
	*new = node->rec;
	new->state = SFFS_SLOT_FREE;
	new->recoverer = 0xff;
	new->recoverer_inc = 0;
	if (sffs_ats_run(ats))
		pr_err("%s: slot %u could not be freed: error %d\n", sbi->sb->s_id, sbi->slot,
		       ats->error);
	sffs_ats_free(ats);
}

/**
 * sffs_node_leave() - stop being a node, also half of one
 * @sbi: the mount; all that it writes has been written
 *
 * A slot whose journal is not empty stays as it is, and is recovered by another node
 * after the lease.
 *
 * Context: sleeps, for the lease at most, and as the device takes to end commands.
 */
void sffs_node_leave(struct sffs_sb_info *sbi)
{
	struct sffs_node *node = sbi->node;

	if (node && !node->left) {
		WRITE_ONCE(node->left, true);
		sffs_node_quiesce(sbi);
		if (node->thread)
			kthread_stop(node->thread);
		cancel_work_sync(&node->recover);
		cancel_work_sync(&node->conflict);
		if (node->clean && !sffs_is_shutdown(sbi))
			sffs_node_free(node);
		sffs_fence_leave(node);
		cancel_delayed_work_sync(&node->expire);
		sffs_lease_fail(&sbi->lease);
	}
	if (sbi->lun) {
		struct sffs_lun *lun = sbi->lun;

		if (node && node->ats) {
			sffs_ats_free(node->ats);
			node->ats = NULL;
		}
		sbi->lun = NULL;
		sffs_lun_close(lun);
	}
}

/* The last write has ended, too: forget a node that has left. */
void sffs_node_exit(struct sffs_sb_info *sbi)
{
	struct sffs_node *node = sbi->node;

	if (!node)
		return;
	/* The gate is closed: nobody begins it any more. */
	sbi->lease.on_conflict = NULL;
	cancel_work_sync(&node->conflict);
	sbi->node = NULL;
	kfree(node->keys);
	kfree(node->region);
	kvfree(node);
	atomic_dec(&sffs_nodes);
}

/* ---- Suspend ---- */

/* A host that sleeps is found dead by the others. */
static int sffs_pm_event(struct notifier_block *nb, unsigned long event, void *data)
{
	if (event != PM_SUSPEND_PREPARE && event != PM_HIBERNATION_PREPARE)
		return NOTIFY_DONE;
	if (!atomic_read(&sffs_nodes))
		return NOTIFY_DONE;
	pr_err("suspend is refused while a shared volume is mounted\n");
	return notifier_from_errno(-EBUSY);
}

static struct notifier_block sffs_pm = { .notifier_call = sffs_pm_event };

int sffs_nodes_init(void)
{
	return register_pm_notifier(&sffs_pm);
}

void sffs_nodes_exit(void)
{
	unregister_pm_notifier(&sffs_pm);
}
