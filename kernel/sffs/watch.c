// SPDX-License-Identifier: GPL-2.0-only
/* Watching the slots of other nodes: sffs-locks.rst, "Time" 3 and "Recovery" 1. */
#include "node.h"

/* How far a record is ahead of an incarnation of its slot */
static s32 sffs_ahead(const struct sffs_slot_record *rec, u32 incarnation)
{
	return le32_to_cpu(rec->incarnation) - incarnation;
}

/* A mount that recovers the slot it took renews the record while it does. */
static bool sffs_watch_by_renewal(u32 slot, const struct sffs_slot_record *rec)
{
	return rec->state == SFFS_SLOT_LIVE ||
	       (rec->recoverer == slot && rec->recoverer_inc == rec->incarnation);
}

static enum sffs_verdict sffs_judge_renewal(struct sffs_node *node, const struct sffs_watch *w,
					    u64 submitted)
{
	if (submitted > w->since && submitted - w->since >= node->lease_ns + node->watch_margin)
		return SFFS_WATCH_DEAD;
	return w->changed ? SFFS_WATCH_ALIVE : SFFS_WATCH_UNKNOWN;
}

/*
 * A slot in the hands of another node is as alive as that one, and may be taken over when
 * the incarnation that recovers it is over: "Recovery" 1.
 */
static enum sffs_verdict sffs_judge_recovery(struct sffs_node *node,
					     const struct sffs_slot_record *rec, u64 submitted)
{
	const struct sffs_watch *w;
	enum sffs_verdict v;
	s32 ahead;

	if (rec->recoverer >= node->slots)
		return SFFS_WATCH_DEAD;
	w = &node->watch[rec->recoverer];
	if (!w->valid)
		return SFFS_WATCH_UNKNOWN;
	ahead = sffs_ahead(&w->rec, le32_to_cpu(rec->recoverer_inc));
	if (ahead > 0 || (!ahead && w->rec.state == SFFS_SLOT_FREE))
		return SFFS_WATCH_DEAD;
	/* Earlier than what it recovers as: a damaged volume. */
	if (ahead || !sffs_watch_by_renewal(rec->recoverer, &w->rec))
		return SFFS_WATCH_UNKNOWN;
	v = sffs_judge_renewal(node, w, submitted);
	return v == SFFS_WATCH_DEAD ? SFFS_WATCH_LEFT : v;
}

static enum sffs_verdict sffs_judge_slot(struct sffs_node *node, u32 slot, u64 submitted)
{
	struct sffs_watch *w = &node->watch[slot];

	if (!w->valid)
		return SFFS_WATCH_UNKNOWN;
	if (w->rec.state == SFFS_SLOT_FREE)
		return SFFS_WATCH_FREE;
	if (!sffs_watch_by_renewal(slot, &w->rec))
		return sffs_judge_recovery(node, &w->rec, submitted);
	return sffs_judge_renewal(node, w, submitted);
}

/* What is known of a slot, for the lock manager. Under node->lock. */
void sffs_watch_tell(struct sffs_node *node, u32 slot)
{
	const struct sffs_watch *w = &node->watch[slot];

	lockdep_assert_held(&node->lock);
	if (w->valid && node->sbi->lockmgr)
		sffs_lockmgr_see(node->sbi->lockmgr, slot, w->rec.state,
				 le32_to_cpu(w->rec.incarnation));
}

/* The record of @slot was read by a command between these two times. */
static void sffs_watch_see(struct sffs_node *node, u32 slot, const struct sffs_slot_record *rec,
			   u64 completed)
{
	struct sffs_watch *w = &node->watch[slot];
	bool valid = sffs_slot_valid(node->sbi, slot, rec);

	if (!valid && (w->valid || !w->since))
		pr_err("%s: the heartbeat record of slot %u is damaged; run fsck.sffs\n",
		       node->sbi->sb->s_id, slot);
	if (!w->since || memcmp(&w->rec, rec, sizeof(*rec))) {
		w->changed = w->valid && valid && w->rec.state != SFFS_SLOT_FREE;
		w->since = completed;
		w->rec = *rec;
	}
	w->valid = valid;
	sffs_watch_tell(node, slot);
}

/* What was read by commands sent since @submitted; where an ATS told more since, it is old. */
static void sffs_watch_judge(struct sffs_node *node, u64 submitted)
{
	u64 completed = ktime_get_boottime_ns();
	u32 slot;

	spin_lock(&node->lock);
	for (slot = 0; slot < node->slots; slot++)
		if (submitted > node->watch[slot].updated)
			sffs_watch_see(node, slot, node->region + (slot << node->sector_shift),
				       completed);
	for (slot = 0; slot < node->slots; slot++)
		node->watch[slot].verdict = sffs_judge_slot(node, slot, submitted);
	spin_unlock(&node->lock);
}

/**
 * sffs_watch_scan() - read all slots once, and judge them
 * @node: this node
 *
 * Context: sleeps for one READ or a few.
 * Return: 0 or an error of the READ; then nothing is judged anew.
 */
int sffs_watch_scan(struct sffs_node *node)
{
	u64 submitted;
	int err;

	mutex_lock(&node->scan);
	submitted = ktime_get_boottime_ns();
	err = sffs_lun_read(node->sbi->lun, node->first, node->region, node->slots);
	if (!err)
		sffs_watch_judge(node, submitted);
	mutex_unlock(&node->scan);
	return err;
}

/**
 * sffs_watch_verdict() - what is known of a slot
 * @node: this node
 * @slot: which
 * @rec: its record as it was read last, or NULL
 *
 * Context: any but interrupts.
 */
enum sffs_verdict sffs_watch_verdict(struct sffs_node *node, u32 slot,
				     struct sffs_slot_record *rec)
{
	enum sffs_verdict verdict;

	spin_lock(&node->lock);
	verdict = node->watch[slot].verdict;
	if (rec)
		*rec = node->watch[slot].rec;
	spin_unlock(&node->lock);
	return verdict;
}

/* An ATS has shown what a record is now: watch it anew. */
void sffs_watch_update(struct sffs_node *node, u32 slot, const struct sffs_slot_record *rec)
{
	spin_lock(&node->lock);
	node->watch[slot].updated = ktime_get_boottime_ns();
	sffs_watch_see(node, slot, rec, node->watch[slot].updated);
	node->watch[slot].verdict = rec->state == SFFS_SLOT_FREE ? SFFS_WATCH_FREE :
								   SFFS_WATCH_UNKNOWN;
	spin_unlock(&node->lock);
}

/**
 * sffs_holder_stale() - does a holder of a lock hold nothing any more?
 * @sbi: a cluster mount
 * @slot: of the holder
 * @incarnation: of the holder
 *
 * By the slot records as they were read last, at most a heartbeat ago: a holder that is
 * stale stays so, one that is not may have become so since.
 *
 * Context: any but interrupts.
 */
bool sffs_holder_stale(struct sffs_sb_info *sbi, u32 slot, u32 incarnation)
{
	struct sffs_node *node = sbi->node;
	const struct sffs_watch *w;
	bool stale;
	s32 ahead;

	if (slot >= node->slots)
		return true;
	if (slot == sbi->slot)
		return (s32)(sbi->incarnation - incarnation) > 0;
	spin_lock(&node->lock);
	w = &node->watch[slot];
	ahead = sffs_ahead(&w->rec, incarnation);
	stale = w->valid && ((w->rec.state == SFFS_SLOT_FREE && ahead >= 0) ||
			     (w->rec.state == SFFS_SLOT_LIVE && ahead > 0));
	spin_unlock(&node->lock);
	return stale;
}
