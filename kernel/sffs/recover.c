// SPDX-License-Identifier: GPL-2.0-only
/* Recovery of a slot whose node is dead: sffs-locks.rst, "Recovery". */
#include <linux/delay.h>

#include "node.h"

/**
 * enum sffs_recovery_stage - in this order, after the slot was taken
 * @SFFS_REC_FENCE: no key of an incarnation that is over is left
 * @SFFS_REC_REPLAY: the journal is read
 * @SFFS_REC_HOME: its blocks are written home, and flushed
 * @SFFS_REC_EMPTY: the journal is written empty
 * @SFFS_REC_FREE: the slot is free
 */
enum sffs_recovery_stage {
	SFFS_REC_FENCE,
	SFFS_REC_REPLAY,
	SFFS_REC_HOME,
	SFFS_REC_EMPTY,
	SFFS_REC_FREE,
};

static const char * const sffs_stage_names[] = {
	[SFFS_REC_FENCE]	= "fencing it",
	[SFFS_REC_REPLAY]	= "replaying its journal",
	[SFFS_REC_HOME]		= "replaying its journal",
	[SFFS_REC_EMPTY]	= "emptying its journal",
	[SFFS_REC_FREE]		= "freeing its slot",
};

static int sffs_recover_failed(struct sffs_node *node, u32 slot, enum sffs_recovery_stage stage,
			       int err)
{
	pr_err("%s: the recovery of slot %u failed at %s: error %d\n", node->sbi->sb->s_id, slot,
	       sffs_stage_names[stage], err);
	return err;
}

/**
 * sffs_recover_take() - take a dead slot
 * @node: this node
 * @slot: found dead, or in the hands of a recoverer that is over
 *
 * From the very image that was watched, so that a node that came back in between keeps
 * its slot.
 *
 * Return: 0; -EAGAIN if the slot has changed; or an error.
 */
int sffs_recover_take(struct sffs_node *node, u32 slot)
{
	struct sffs_sb_info *sbi = node->sbi;
	struct sffs_ats *ats = sffs_ats_alloc(sbi->lun);
	struct sffs_slot_record *old = (struct sffs_slot_record *)ats->old;
	struct sffs_slot_record *new = (struct sffs_slot_record *)ats->new;
	int err = -EAGAIN;

	if (sffs_watch_verdict(node, slot, old) != SFFS_WATCH_DEAD)
		goto out;
	ats->sector = node->first + slot;
	*new = *old;
	new->state = SFFS_SLOT_RECOVERING;
	new->incarnation = cpu_to_le32(le32_to_cpu(old->incarnation) + 1 ?: 1);
	new->recoverer = sbi->slot;
	new->recoverer_inc = cpu_to_le32(sbi->incarnation);
	err = sffs_ats_run(ats);
	if (err)
		goto out;
	sffs_watch_update(node, slot, (struct sffs_slot_record *)ats->now);
	if (!ats->submitted)
		err = -EAGAIN;		/* another node was faster, or its own is alive */
	else
		pr_notice("%s: host %.63s (slot %u) is dead; recovering it\n", sbi->sb->s_id,
			  new->host, slot);
out:
	sffs_ats_free(ats);
	return err;
}

static int sffs_recover_replay(struct sffs_node *node, u32 slot)
{
	struct sffs_sb_info *sbi = node->sbi;
	struct sffs_gate *gate;
	journal_t *journal;
	int err;

	gate = sffs_gate_open(node->dev, true, sbi, &sbi->lease);
	if (IS_ERR(gate))
		return sffs_recover_failed(node, slot, SFFS_REC_REPLAY, PTR_ERR(gate));
	sffs_gate_watch(gate, &node->progress);
	/* Loading is REPLAY and HOME in one, with a flush; destroying is EMPTY. */
	journal = sffs_journal_open(sbi, sffs_gate_bdev(gate), slot);
	if (IS_ERR(journal)) {
		err = sffs_recover_failed(node, slot, SFFS_REC_REPLAY, PTR_ERR(journal));
	} else {
		err = jbd2_journal_destroy(journal);
		if (err)
			sffs_recover_failed(node, slot, SFFS_REC_EMPTY, err);
		else
			pr_info("%s: replayed the journal of slot %u\n", sbi->sb->s_id, slot);
	}
	sffs_gate_close(gate);
	return err;
}

/**
 * sffs_recover_journal() - FENCE to EMPTY
 * @node: this node, which has taken the slot
 * @slot: which
 *
 * The journal is replayed through a gate of its own with an empty cache. Every other
 * cached copy of the blocks in it is stale afterwards.
 *
 * The mount is shut down by the heartbeat when nothing happens for a lease.
 *
 * Return: 0 or an error, after a message.
 */
int sffs_recover_journal(struct sffs_node *node, u32 slot)
{
	int err;

	WRITE_ONCE(node->progress, ktime_get_boottime_ns());
	/* All slots as they are after this one was taken: several may be over. */
	err = sffs_watch_scan(node) ?: sffs_fence_dead(node);
	if (err) {
		sffs_recover_failed(node, slot, SFFS_REC_FENCE, err);
	} else {
		WRITE_ONCE(node->progress, ktime_get_boottime_ns());
		err = sffs_recover_replay(node, slot);
	}
	WRITE_ONCE(node->progress, 0);
	return err;
}

/* FREE: ends what the dead node held. From the image that the recoverer wrote. */
int sffs_recover_free(struct sffs_node *node, u32 slot)
{
	struct sffs_sb_info *sbi = node->sbi;
	struct sffs_ats *ats = sffs_ats_alloc(sbi->lun);
	struct sffs_slot_record *old = (struct sffs_slot_record *)ats->old;
	struct sffs_slot_record *new = (struct sffs_slot_record *)ats->new;
	int err = -EAGAIN;

	sffs_watch_verdict(node, slot, old);
	if (old->state != SFFS_SLOT_RECOVERING || old->recoverer != sbi->slot ||
	    le32_to_cpu(old->recoverer_inc) != sbi->incarnation)
		goto out;
	ats->sector = node->first + slot;
	*new = *old;
	new->state = SFFS_SLOT_FREE;
	new->recoverer = 0xff;
	new->recoverer_inc = 0;
	err = sffs_ats_run(ats);
	if (!err)
		sffs_watch_update(node, slot, (struct sffs_slot_record *)ats->now);
out:
	sffs_ats_free(ats);
	return err ? sffs_recover_failed(node, slot, SFFS_REC_FREE, err) : 0;
}

static int sffs_recover_slot(struct sffs_node *node, u32 slot)
{
	struct super_block *sb = node->sbi->sb;
	int err = sffs_recover_take(node, slot);

	if (err == -EAGAIN)
		return 0;
	/* Nothing here waits for a cluster lock: what the dead node held is locked till the end. */
	return err ?: sffs_recover_journal(node, slot) ?: sffs_adopt(sb, slot) ?:
	       sffs_recover_free(node, slot);
}

/* Recover what the heartbeat thread found dead. A recovery that fails is left to others. */
void sffs_recover_work(struct work_struct *work)
{
	struct sffs_node *node = container_of(work, struct sffs_node, recover);
	struct sffs_sb_info *sbi = node->sbi;
	u32 slot;

	for (slot = 0; slot < node->slots; slot++) {
		if (!READ_ONCE(node->mounted) || sffs_is_shutdown(sbi))
			return;
		if (slot == sbi->slot || sffs_watch_verdict(node, slot, NULL) != SFFS_WATCH_DEAD)
			continue;
		if (sffs_recover_slot(node, slot))
			sffs_shutdown(sbi->sb, "the recovery of a dead host failed");
	}
}
