// SPDX-License-Identifier: GPL-2.0-only
/*
 * The slot of a mount. Of a local one: finding it, seeing that nobody else is there,
 * replaying what dead holders left in their journals, and the heartbeat; node.c has that
 * for mounts in a cluster. Of both: beginning and ending to write.
 *
 * A local mount writes its record with plain FUA writes. It takes the volume
 * only after every record that says "live" stood still for a lease, or was
 * written by this very kernel: a device that could be opened exclusively has no
 * other mount here.
 */
#include <linux/crc32c.h>
#include <linux/delay.h>
#include <linux/random.h>
#include <linux/utsname.h>

#include "node.h"

static u64 sffs_heartbeat_block(struct sffs_sb_info *sbi, u32 slot, u32 *offset)
{
	struct sffs_super *raw = (struct sffs_super *)sbi->super_bh->b_data;
	u32 byte = slot << sbi->sector_shift;

	*offset = byte % SFFS_BLOCK_SIZE;
	return le64_to_cpu(raw->heartbeat_block) + byte / SFFS_BLOCK_SIZE;
}

/* Is this the record of @slot? */
bool sffs_slot_valid(const struct sffs_sb_info *sbi, u32 slot, const struct sffs_slot_record *rec)
{
	return rec->magic == cpu_to_le32(SFFS_MAGIC_SLOT) && rec->slot == cpu_to_le32(slot) &&
	       rec->state <= SFFS_SLOT_RECOVERING && sffs_crc_ok(rec, sizeof(*rec), sbi->seed) &&
	       strnlen(rec->host, sizeof(rec->host)) < sizeof(rec->host);
}

/**
 * sffs_read_slot() - read a heartbeat record
 * @sbi: the mount
 * @slot: its number, below sbi->slots
 * @rec: filled in
 *
 * Context: waits for the device.
 * Return: 0, -EFSCORRUPTED after a message, or an error.
 */
int sffs_read_slot(struct sffs_sb_info *sbi, u32 slot, struct sffs_slot_record *rec)
{
	u32 offset;
	u64 block = sffs_heartbeat_block(sbi, slot, &offset);
	void *buf = (void *)__get_free_page(GFP_NOFS);
	int err;

	if (!buf)
		return -ENOMEM;
	err = sffs_gate_io(sbi->gate, block, buf, 1, REQ_OP_READ);
	if (!err)
		memcpy(rec, buf + offset, sizeof(*rec));
	free_page((unsigned long)buf);
	if (err)
		return err;
	if (sffs_slot_valid(sbi, slot, rec))
		return 0;
	pr_err("%s: the heartbeat record of slot %u is damaged; run fsck.sffs\n", sbi->sb->s_id,
	       slot);
	return -EFSCORRUPTED;
}

/* No more than the slot's sector: another host may be about to claim the next one. */
static int sffs_put_slot(struct sffs_sb_info *sbi, u32 slot, const struct sffs_slot_record *rec)
{
	u32 offset;
	u64 block = sffs_heartbeat_block(sbi, slot, &offset);
	void *buf = (void *)__get_free_page(GFP_NOFS);
	int err;

	if (!buf)
		return -ENOMEM;
	err = sffs_gate_io(sbi->gate, block, buf, 1, REQ_OP_READ);
	if (!err) {
		memcpy(buf + offset, rec, sizeof(*rec));
		err = sffs_gate_io_part(sbi->gate, block, buf, offset, 1U << sbi->sector_shift,
					REQ_OP_WRITE | REQ_SYNC | REQ_META | REQ_PREFLUSH |
					REQ_FUA);
	}
	free_page((unsigned long)buf);
	return err;
}

static int sffs_write_slot(struct sffs_sb_info *sbi, u32 slot, struct sffs_slot_record *rec)
{
	rec->nonce = cpu_to_le64(get_random_u64());
	sffs_set_crc(rec, sizeof(*rec), sbi->seed);
	return sffs_put_slot(sbi, slot, rec);
}

/* Which boot this is, as well as a module can tell: when it began. */
static void sffs_boot_id(u8 *id)
{
	time64_t boot = ktime_get_real_seconds() - ktime_get_boottime_seconds();
	u64 parts[2] = { div_u64(boot, 64), crc32c(~0U, init_utsname()->nodename,
						   strlen(init_utsname()->nodename)) };

	memcpy(id, parts, sizeof(parts));
}

/* Was it written by a local mount of this very kernel? */
static bool sffs_slot_is_mine(const struct sffs_slot_record *rec)
{
	u8 id[16];

	sffs_boot_id(id);
	return (le32_to_cpu(rec->flags) & SFFS_SLOTF_LOCAL) &&
	       !memcmp(rec->boot_id, id, sizeof(id)) &&
	       !strncmp(rec->host, init_utsname()->nodename, sizeof(rec->host) - 1);
}

/* 0 if the holder of a live record is dead, -EBUSY if not. Waits for a lease. */
static int sffs_slot_watch(struct sffs_sb_info *sbi, u32 slot, const struct sffs_slot_record *first)
{
	u32 wait_ms = sbi->lease_ms + sbi->lease_ms / 4;
	struct sffs_slot_record now;
	int err;

	if (sffs_slot_is_mine(first))
		return 0;
	pr_info("%s: waiting %u ms to see whether host %s (slot %u) is alive\n", sbi->sb->s_id,
		wait_ms, first->host, slot);
	if (msleep_interruptible(wait_ms))
		return -EINTR;
	err = sffs_read_slot(sbi, slot, &now);
	if (err)
		return err;
	if (now.nonce == first->nonce)
		return 0;
	pr_err("%s: host %s has the volume mounted (slot %u)\n", sbi->sb->s_id, now.host, slot);
	return -EBUSY;
}

/* Is it this mount? */
bool sffs_slot_own(const struct sffs_sb_info *sbi, u32 slot, u32 incarnation)
{
	return sbi->journal && slot == sbi->slot && incarnation == sbi->incarnation;
}

/**
 * sffs_slot_alive() - does what an incarnation of a slot has put down still count?
 * @sbi: the mount
 * @slot: of the holder
 * @incarnation: of the holder
 *
 * One that is being recovered is alive. A local mount has seen all others to be dead.
 *
 * Context: may read the slot.
 */
bool sffs_slot_alive(struct sffs_sb_info *sbi, u32 slot, u32 incarnation)
{
	struct sffs_slot_record rec;
	struct sffs_slot_view view;

	if (!sbi->node || sffs_slot_own(sbi, slot, incarnation))
		return sffs_slot_own(sbi, slot, incarnation);
	if (sffs_holder_stale(sbi, slot, incarnation))
		return false;
	/* It may have gone since the last heartbeat, which does not wait for this READ. */
	if (sffs_lun_read_record(sbi->lun, sbi->node->first + slot, &rec) ||
	    !sffs_slot_valid(sbi, slot, &rec))
		return true;
	view.state = rec.state;
	view.incarnation = le32_to_cpu(rec.incarnation);
	return !sffs_slot_stale(&view, incarnation);
}

/* ---- Journals ---- */

static bool sffs_journal_features_ok(journal_t *journal)
{
	u32 incompat = be32_to_cpu(journal->j_superblock->s_feature_incompat);
	u32 want = JBD2_FEATURE_INCOMPAT_CSUM_V3 | JBD2_FEATURE_INCOMPAT_64BIT |
		   JBD2_FEATURE_INCOMPAT_REVOKE;

	return incompat == want;
}

/* jbd2 takes the place of a journal on a device for its super block alone. */
static int sffs_journal_bmap(journal_t *journal, sector_t *block)
{
	*block += journal->j_blk_offset;
	return 0;
}

/* End a use of the mount's journal; sffs_slot_release() waits for the last. */
void sffs_journal_unuse(struct sffs_sb_info *sbi)
{
	if (refcount_dec_and_test(&sbi->journal_users))
		complete(&sbi->journal_unused);
}

/* Load a slot's journal through a gate's device, which replays it when it is not empty. */
journal_t *sffs_journal_open(struct sffs_sb_info *sbi, struct block_device *bdev, u32 slot)
{
	struct sffs_super *raw = (struct sffs_super *)sbi->super_bh->b_data;
	journal_t *journal;
	int err;

	journal = asv_journal_init_dev(bdev, le64_to_cpu(raw->journal_block[slot]),
				       le32_to_cpu(raw->journal_blocks), SFFS_BLOCK_SIZE);
	if (IS_ERR(journal))
		return journal;
	journal->j_bmap = sffs_journal_bmap;
	journal->j_flags |= JBD2_BARRIER;
	err = jbd2_journal_load(journal);
	if (!err && !sffs_journal_features_ok(journal)) {
		pr_err("%s: the journal of slot %u has features that SFFS does not use\n",
		       sbi->sb->s_id, slot);
		err = -EFSCORRUPTED;
	}
	if (!err && jbd2_journal_errno(journal)) {
		pr_warn("%s: the journal of slot %u had been aborted with error %d\n",
			sbi->sb->s_id, slot, jbd2_journal_errno(journal));
		jbd2_journal_clear_err(journal);
		jbd2_journal_ack_err(journal);
	}
	if (!err)
		return journal;
	pr_err("%s: the journal of slot %u cannot be loaded: error %d; run fsck.sffs\n",
	       sbi->sb->s_id, slot, err);
	jbd2_journal_destroy(journal);
	return ERR_PTR(err);
}

/**
 * sffs_slot_recover() - replay the journals of dead slots
 * @sb: a mount whose gate is transient: every cached block is stale afterwards
 * @dead: set to the slots whose holder died, a bit each
 *
 * Context: may wait for a lease.
 * Return: 0, -EBUSY if another host has the volume, or an error.
 */
int sffs_slot_recover(struct super_block *sb, u64 *dead)
{
	struct sffs_sb_info *sbi = SFFS_SB(sb);
	struct sffs_slot_record rec;
	u32 slot;
	int err;

	*dead = 0;
	sbi->nonces = 0;
	for (slot = 0; slot < sbi->slots; slot++) {
		err = sffs_read_slot(sbi, slot, &rec);
		sbi->nonces += le64_to_cpu(rec.nonce);
		if (!err && rec.state != SFFS_SLOT_FREE) {
			err = sffs_slot_watch(sbi, slot, &rec);
			*dead |= BIT_ULL(slot);
		}
		if (err)
			return err;
	}
	for (slot = 0; slot < sbi->slots; slot++) {
		journal_t *journal;

		if (!(*dead & BIT_ULL(slot)))
			continue;
		if (bdev_read_only(sbi->bdev) || sffs_gate_read_only(sbi->gate)) {
			pr_err("%s: was not unmounted, and cannot be recovered read-only\n",
			       sb->s_id);
			return -EROFS;
		}
		journal = sffs_journal_open(sbi, sbi->bdev, slot);
		if (IS_ERR(journal))
			return PTR_ERR(journal);
		err = jbd2_journal_destroy(journal);
		if (err)
			return err;
		pr_info("%s: replayed the journal of slot %u\n", sb->s_id, slot);
	}
	return 0;
}

/* ---- Heartbeat ---- */

void sffs_fill_slot(struct sffs_sb_info *sbi, struct sffs_slot_record *rec)
{
	memset(rec, 0, sizeof(*rec));
	rec->magic = cpu_to_le32(SFFS_MAGIC_SLOT);
	rec->slot = cpu_to_le32(sbi->slot);
	rec->incarnation = cpu_to_le32(sbi->incarnation);
	rec->state = SFFS_SLOT_LIVE;
	rec->recoverer = 0xff;
	rec->sequence = cpu_to_le64(++sbi->heartbeat_seq);
	rec->mounted_sec = cpu_to_le64(sbi->mounted_sec);
	sffs_boot_id(rec->boot_id);
	strscpy(rec->host, init_utsname()->nodename, sizeof(rec->host));
}

static void sffs_heartbeat(struct work_struct *work)
{
	struct sffs_sb_info *sbi = container_of(to_delayed_work(work), struct sffs_sb_info,
						heartbeat);
	struct sffs_slot_record rec;

	if (sffs_is_shutdown(sbi))
		return;
	sffs_fill_slot(sbi, &rec);
	rec.flags = cpu_to_le32(SFFS_SLOTF_LOCAL);
	if (sffs_write_slot(sbi, sbi->slot, &rec)) {
		sffs_shutdown(sbi->sb, "the heartbeat cannot be written");
		return;
	}
	queue_delayed_work(sbi->conv_wq, &sbi->heartbeat, msecs_to_jiffies(sbi->heartbeat_ms));
}

/* Is every slot as it was when nobody else was there? @own is what the own one was. */
static int sffs_local_alone(struct sffs_sb_info *sbi, const struct sffs_slot_record *own)
{
	u64 nonces = le64_to_cpu(own->nonce);
	struct sffs_slot_record rec;
	u32 slot;
	int err;

	for (slot = 0; slot < sbi->slots; slot++) {
		if (slot == sbi->slot)
			continue;
		err = sffs_read_slot(sbi, slot, &rec);
		if (err)
			return err;
		nonces += le64_to_cpu(rec.nonce);
	}
	if (nonces == sbi->nonces)
		return 0;
	pr_err("%s: another host has begun to mount the volume\n", sbi->sb->s_id);
	return -EBUSY;
}

/*
 * A local mount's slot is 0, always. It looks once more after it has put its record there, and
 * so does a node after its claim: of two that mount at once, one sees the other. Should both have
 * claimed slot 0 between a look of the other and its write, which nothing but the lack of
 * fencing allows, then the node's next renewal finds its record gone, and shuts it down.
 */
static int sffs_take_local(struct sffs_sb_info *sbi)
{
	struct {
		struct sffs_slot_record old, now;
	} *rec;
	int err;

	rec = kmalloc(sizeof(*rec), GFP_KERNEL);
	if (!rec)
		return -ENOMEM;
	sbi->slot = 0;
	err = sffs_read_slot(sbi, sbi->slot, &rec->old) ?: sffs_local_alone(sbi, &rec->old);
	if (err)
		goto out;
	sbi->incarnation = le32_to_cpu(rec->old.incarnation) + 1 ?: 1;
	sbi->mounted_sec = ktime_get_real_seconds();
	sffs_fill_slot(sbi, &rec->now);
	rec->now.flags = cpu_to_le32(SFFS_SLOTF_LOCAL);
	err = sffs_write_slot(sbi, sbi->slot, &rec->now);
	if (err)
		goto out;
	err = sffs_local_alone(sbi, &rec->old);
	if (err)
		sffs_put_slot(sbi, sbi->slot, &rec->old);
out:
	kfree(rec);
	return err;
}

/**
 * sffs_slot_take() - begin to write: load the slot's journal, take over what the dead left
 * @sb: the mount; in a cluster it has its slot already
 * @dead: slots whose journals have been replayed
 *
 * Return: 0 or an error; then nothing is left running but the heartbeat in a cluster.
 */
int sffs_slot_take(struct super_block *sb, u64 dead)
{
	struct sffs_sb_info *sbi = SFFS_SB(sb);
	u32 slot;
	int err;

	if (sbi->local) {
		err = sffs_take_local(sbi);
		if (err)
			return err;
	}
	sbi->journal = sffs_journal_open(sbi, sbi->bdev, sbi->slot);
	if (IS_ERR(sbi->journal)) {
		err = PTR_ERR(sbi->journal);
		sbi->journal = NULL;
		return err;
	}
	sbi->journal->j_private = sbi;
	init_completion(&sbi->journal_unused);
	refcount_set(&sbi->journal_users, 1);
	sbi->journal->j_commit_callback = sffs_commit_callback;
	sffs_node_set_clean(sbi, false);
	INIT_DELAYED_WORK(&sbi->heartbeat, sffs_heartbeat);
	if (sbi->local)
		queue_delayed_work(sbi->conv_wq, &sbi->heartbeat,
				   msecs_to_jiffies(sbi->heartbeat_ms));
	sbi->crash_due = dead;
	err = sffs_quota_start(sb) ?: sffs_orphan_load(sb);
	if (!err && sbi->local)
		err = sffs_quota_open(sb);
	for (slot = 0; !err && slot < sbi->slots; slot++)
		if (slot != sbi->slot && (dead & BIT_ULL(slot)))
			err = sffs_adopt(sb, slot) ?: sffs_slot_free(sbi, slot);
	/* From here on what the dead held can be had, also what those held who die from now on. */
	if (!err) {
		sffs_node_mounted(sbi);
		err = sffs_quota_open(sb);
	}
	if (!err && sbi->local)
		err = sffs_adopt_finish(sb);
	if (err)
		sffs_slot_release(sb);
	return err;
}

/* Mark a slot as free whose journal is empty. */
int sffs_slot_free(struct sffs_sb_info *sbi, u32 slot)
{
	struct sffs_slot_record rec;
	int err;

	if (sbi->node)
		return sffs_recover_free(sbi->node, slot);
	err = sffs_read_slot(sbi, slot, &rec);
	if (err)
		return err;
	rec.state = SFFS_SLOT_FREE;
	return sffs_write_slot(sbi, slot, &rec);
}

/**
 * sffs_slot_release() - write everything home and give the slot back
 * @sb: the mount, after the last user
 *
 * A slot whose journal could not be emptied stays live, and is recovered by the
 * next mount.
 */
void sffs_slot_release(struct super_block *sb)
{
	struct sffs_sb_info *sbi = SFFS_SB(sb);
	int err;

	if (!sbi->journal)
		return;
	/* While this node still recovers others: they may have had the lock that this takes. */
	if (!sffs_is_shutdown(sbi))
		sffs_quota_sync(sb);
	sffs_node_quiesce(sbi);
	sffs_quota_stop(sb);
	sffs_locks_stop(sbi);
	cancel_delayed_work_sync(&sbi->heartbeat);
	/* Whoever keeps the lease may shut the mount down at any time. */
	sffs_journal_unuse(sbi);
	wait_for_completion(&sbi->journal_unused);
	err = jbd2_journal_destroy(sbi->journal);
	sbi->journal = NULL;
	sffs_busy_drop_all(sbi);
	if (!err && !sffs_is_shutdown(sbi) && !sffs_adopt_left(sbi)) {
		sffs_node_set_clean(sbi, true);
		if (sbi->local)
			err = sffs_slot_free(sbi, sbi->slot);
	}
	if (err)
		pr_err("%s: not unmounted cleanly: error %d\n", sb->s_id, err);
	sffs_node_leave(sbi);
}
