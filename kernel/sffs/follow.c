// SPDX-License-Identifier: GPL-2.0-only
/*
 * Changes of the super block, by other hosts and by this one: how long the volume is, how fast
 * freed space goes back to the array, and how many hosts crashed.
 *
 * A node holds the super block's lock shared from its mount on. Who changes something asks for
 * the lock, so each node loses it before the change, wants it back at once (@follow_work), and
 * then reads the super block again. Until it has, the lock is stale, and who is granted the lock
 * of an inode first waits for that (sffs_super_current()): another host may have put what is in
 * the inode where the volume had not been before. For it had the inode's lock after the growth,
 * and this node lost the super block's lock before that.
 *
 * A group's lock waits for nothing, for who makes the volume longer takes that of the last group
 * inside of the super block's. A group that has become longer tells so itself
 * (sffs_group_longer()).
 */
#include <linux/sched/mm.h>

#include "lun.h"
#include "sffs.h"

/* To the next look whether this host has noticed that the device is larger. */
#define SFFS_FOLLOW_RETRY	(5 * HZ)

static struct sffs_super *sffs_super_now(const struct sffs_sb_info *sbi)
{
	return (struct sffs_super *)sbi->super_bh->b_data;
}

/**
 * sffs_volume_resize() - take notice when the device has become larger
 * @sbi: the mount
 *
 * Return: blocks of the device.
 */
u64 sffs_volume_resize(struct sffs_sb_info *sbi)
{
	if (sbi->lun)
		sffs_lun_resize(sbi->lun, sffs_gate_lower(sbi->gate));
	return sffs_gate_resize(sbi->gate);
}

/* ---- Reading it again ---- */

/* The same volume, and no smaller? */
static bool sffs_super_follows(const struct sffs_sb_info *sbi, const struct sffs_super *now)
{
	u64 blocks = le64_to_cpu(now->blocks), last;
	u32 groups = le32_to_cpu(now->groups);

	if (now->h.magic != cpu_to_le32(SFFS_MAGIC_SUPER) ||
	    !sffs_crc_ok(now, SFFS_BLOCK_SIZE, ~0U) ||
	    now->h.block != cpu_to_le64(SFFS_SUPER_BLOCK) ||
	    !sffs_same_volume(sffs_super_now(sbi), now) ||
	    now->first_group_block != sffs_super_now(sbi)->first_group_block ||
	    now->group_shift != sbi->group_shift)
		return false;
	if (blocks > SFFS_MAX_BLOCKS || blocks < READ_ONCE(sbi->blocks) ||
	    groups < sffs_nr_groups(sbi))
		return false;
	last = sbi->first_group_block + ((u64)(groups - 1) << sbi->group_shift);
	return last < blocks && blocks - last >= SFFS_GROUP_BITMAP + sbi->bitmap_blocks;
}

/* Those that wait for the device to be larger here, too, get errors meanwhile. */
static void sffs_follow_device(struct sffs_sb_info *sbi)
{
	u64 device = sffs_volume_resize(sbi);

	if (device >= READ_ONCE(sbi->blocks))
		return;
	pr_warn_ratelimited("%s: another host has made the volume %llu blocks long, but the device has %llu here: rescan it\n",
			    sbi->sb->s_id, READ_ONCE(sbi->blocks), device);
	if (READ_ONCE(sbi->follow))
		queue_delayed_work(system_unbound_wq, &sbi->follow_work, SFFS_FOLLOW_RETRY);
}

static int sffs_super_grown(struct sffs_sb_info *sbi, u32 groups, u64 blocks)
{
	struct sffs_group_info *last = sffs_group(sbi, sbi->nr_groups - 1);
	u64 room = blocks - sffs_group_start(last);
	int err;

	err = sffs_groups_add(sbi, groups, blocks);
	if (err)
		return err;
	mutex_lock(&last->mutex);
	last->blocks = max_t(u32, last->blocks, min_t(u64, room, 1ULL << sbi->group_shift));
	mutex_unlock(&last->mutex);
	/* They are the other host's to give back. */
	spin_lock(&sbi->free_lock);
	sbi->reclaim_first = max(sbi->reclaim_first, groups);
	spin_unlock(&sbi->free_lock);
	sffs_groups_publish(sbi, groups, blocks);
	sffs_follow_device(sbi);
	pr_info("%s: another host has made the volume %llu blocks long\n", sbi->sb->s_id, blocks);
	sffs_event(sbi->sb, SFFS_EVENT_GROWN, blocks, "grown by another host");
	return 0;
}

static int sffs_super_adopt(struct sffs_sb_info *sbi, const struct sffs_super *now)
{
	u64 blocks = le64_to_cpu(now->blocks);
	u32 groups = le32_to_cpu(now->groups);
	int err = 0;

	if (!sffs_super_follows(sbi, now)) {
		sffs_damage(sbi->sb, SFFS_SUPER_BLOCK, "not the super block that it was");
		return -EFSCORRUPTED;
	}
	if (blocks > le64_to_cpu(sffs_super_now(sbi)->blocks))
		err = sffs_super_grown(sbi, groups, blocks);
	if (err)
		return err;
	/* Most of it never changes, so that is read without any lock. */
	lock_buffer(sbi->super_bh);
	memcpy(sbi->super_bh->b_data, now, sizeof(*now));
	unlock_buffer(sbi->super_bh);
	WRITE_ONCE(sbi->crashes, le32_to_cpu(now->crashes));
	sffs_reclaim_follow(sbi, le32_to_cpu(now->reclaim_rate));
	return 0;
}

/**
 * sffs_super_reload() - read the super block again
 * @sbi: the mount, which holds its lock; what the journal had of it is home
 *
 * Context: reads the device past every cache. Inodes are not evicted for the memory that this
 * takes, because that may wait for this.
 * Return: 0 or an error.
 */
int sffs_super_reload(struct sffs_sb_info *sbi)
{
	unsigned int nofs = memalloc_nofs_save();
	struct sffs_super *now = kmalloc(sizeof(*now), GFP_KERNEL);
	int err = -ENOMEM;

	BUILD_BUG_ON(sizeof(*now) != SFFS_BLOCK_SIZE);
	if (now)
		err = sffs_gate_io(sbi->gate, SFFS_SUPER_BLOCK, now, 1, REQ_OP_READ | REQ_META);
	if (!err)
		err = sffs_super_adopt(sbi, now);
	kfree(now);
	memalloc_nofs_restore(nofs);
	return err;
}

/* ---- Having it ---- */

/**
 * sffs_super_refresh() - know what other hosts have made of the super block
 * @sbi: the mount
 * @killable: a task that was killed waits no longer
 *
 * Context: may wait for the super block's lock, so no group's may be held, nor what
 * sffs_lock() does not allow.
 * Return: 0 or an error of sffs_lock().
 */
int sffs_super_refresh(struct sffs_sb_info *sbi, bool killable)
{
	struct sffs_lock *lock = &sbi->fixed[SFFS_FIXED_SUPER];
	int err = killable ? sffs_lock(lock, SFFS_LOCK_SHARED) :
			     sffs_lock_urgent(lock, SFFS_LOCK_SHARED);

	if (!err)
		sffs_unlock(lock, SFFS_LOCK_SHARED);
	return err;
}

void sffs_follow_work(struct work_struct *work)
{
	struct sffs_sb_info *sbi = container_of(to_delayed_work(work), struct sffs_sb_info,
						follow_work);

	if (!READ_ONCE(sbi->follow) || sffs_is_shutdown(sbi))
		return;
	if (!sffs_super_current(sbi))
		sffs_follow_device(sbi);
}

/* The super block's lock is given up. Context: does not sleep. */
void sffs_follow_lost(struct sffs_sb_info *sbi)
{
	if (READ_ONCE(sbi->follow))
		queue_delayed_work(system_unbound_wq, &sbi->follow_work, 0);
}

/* The mount is complete. */
void sffs_follow_start(struct sffs_sb_info *sbi)
{
	if (sbi->local)
		return;
	WRITE_ONCE(sbi->follow, true);
	sffs_follow_lost(sbi);
}

/* It ends. Context: waits for the lock, if the work does. */
void sffs_follow_stop(struct sffs_sb_info *sbi)
{
	WRITE_ONCE(sbi->follow, false);
	cancel_delayed_work_sync(&sbi->follow_work);
}

/* ---- Changing it; grow.c does so, too ---- */

/* Change a field of the super block, whose lock is held; returns 0 when that is on the disk. */
static int sffs_super_store(struct sffs_sb_info *sbi, __le32 *field, u32 value)
{
	struct sffs_tx tx;
	int err, err2;

	sffs_tx_init(&tx, sbi->sb);
	tx.quota_sync = true;
	err = sffs_tx_start(&tx, 1);
	if (err)
		return err;
	err = sffs_tx_access(&tx, sbi->super_bh);
	if (!err) {
		*field = cpu_to_le32(value);
		sffs_tx_dirty(&tx, sbi->super_bh);
	}
	err2 = sffs_tx_stop(&tx);
	return err ?: err2 ?: jbd2_journal_force_commit(sbi->journal);
}

/* One task of one host at a time changes the super block. */
static int sffs_super_begin(struct sffs_sb_info *sbi)
{
	int err;

	if (mutex_lock_killable(&sbi->grow_mutex))
		return -EINTR;
	err = sffs_lock(&sbi->fixed[SFFS_FIXED_SUPER], SFFS_LOCK_EXCLUSIVE);
	if (err)
		mutex_unlock(&sbi->grow_mutex);
	return err;
}

static void sffs_super_end(struct sffs_sb_info *sbi)
{
	sffs_unlock(&sbi->fixed[SFFS_FIXED_SUPER], SFFS_LOCK_EXCLUSIVE);
	mutex_unlock(&sbi->grow_mutex);
}

/**
 * sffs_reclaim_set_rate() - change how fast freed space is given back
 * @sb: the mount, with write access
 * @rate: kB/s, or SFFS_RECLAIM_*
 *
 * Context: sleeps; takes the super block's cluster lock.
 * Return: 0 when the setting is on the disk, or an error.
 */
int sffs_reclaim_set_rate(struct super_block *sb, u32 rate)
{
	struct sffs_sb_info *sbi = SFFS_SB(sb);
	int err = sffs_super_begin(sbi);

	if (err)
		return err;
	err = sffs_super_store(sbi, &sffs_super_now(sbi)->reclaim_rate, rate);
	if (!err)
		sffs_reclaim_follow(sbi, rate);
	sffs_super_end(sbi);
	return err;
}

/**
 * sffs_reclaim_crashed() - a host's slot is being recovered: what `unmapped` says is in doubt
 * @sbi: the mount, with its journal
 *
 * The own slot may be set free only after this.
 *
 * Context: sleeps; takes the super block's cluster lock.
 * Return: 0 when it is on the disk, or an error.
 */
int sffs_reclaim_crashed(struct sffs_sb_info *sbi)
{
	int err = sffs_super_begin(sbi);

	if (err)
		return err;
	err = sffs_super_store(sbi, &sffs_super_now(sbi)->crashes, sbi->crashes + 1);
	if (!err)
		WRITE_ONCE(sbi->crashes, sbi->crashes + 1);
	sffs_super_end(sbi);
	return err;
}
