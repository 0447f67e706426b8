// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a dead slot has left half done is taken over, and finished in the background.
 *
 * While a slot is being recovered all that its node held stays locked, so nothing that is done
 * before the slot is free may wait for a cluster lock: sffs_adopt() moves the slot's orphan table
 * and its changes of quota into the own ones, and empties the journal of that, for the slot's
 * next holder changes the same blocks. Only then the slot is set free.
 *
 * What takes locks comes after that. The inodes are freed or cut, and the crash is noted in the
 * super block, whose lock may have been the dead node's. A file that is half shifted is nobody
 * else's before it is whole: its lock can be had, and is stale (SFFS_CACHE_HALF). If this node
 * dies before it has noted the crash, then its own recovery notes one, and one is as good as
 * two: groups that were believed in between are believed as of the old count, so they are in
 * doubt afterwards. If it unmounts before it has done all of that, its slot is not set free, so
 * that there is a recovery.
 */
#include <linux/kthread.h>
#include <linux/sched/signal.h>

#include "sffs.h"

#define SFFS_ADOPT_RETRY	(10 * HZ)
/* An unmount gives it so long: a slot that is not set free keeps others waiting for longer. */
#define SFFS_ADOPT_GRACE	(5 * HZ)

/**
 * struct sffs_adopted - a block of the own table, as it was left by who is dead
 * @list: in sffs_sb_info.adopted
 * @block: its number
 * @entry: its entries; the place of each may be free, or another inode's by now
 */
struct sffs_adopted {
	struct list_head list;
	u64 block;
	struct sffs_orphan entry[SFFS_ORPHANS_PER_BLOCK];
};

/* ---- Taking over ---- */

/**
 * sffs_adopt_note() - the entries of a table block are to be finished
 * @sbi: the mount; nobody uses the table, or its orphan_mutex is held
 * @bh: the block
 */
void sffs_adopt_note(struct sffs_sb_info *sbi, const struct buffer_head *bh)
{
	const struct sffs_orphan_block *ob = (struct sffs_orphan_block *)bh->b_data;
	struct sffs_adopted *a;

	if (!ob->count)
		return;
	/* A page at most. The other hosts need this recovery. */
	a = kmalloc(sizeof(*a), GFP_NOFS | __GFP_NOFAIL);
	a->block = bh->b_blocknr;
	memcpy(a->entry, ob->entry, sizeof(a->entry));
	list_add_tail(&a->list, &sbi->adopted);
}

/* How many blocks of a table there are up to the last with entries; its other ones stay. */
static int sffs_adopt_count(struct super_block *sb, u32 slot, u32 *blocks)
{
	struct buffer_head *bh = sffs_slot_area(sb, slot);
	u64 block;
	u32 n;

	*blocks = 0;
	if (IS_ERR(bh))
		return PTR_ERR(bh);
	block = le64_to_cpu(((struct sffs_slot_area *)bh->b_data)->orphan_block);
	brelse(bh);
	for (n = 0; block; n++) {
		const struct sffs_orphan_block *ob;

		bh = sffs_orphan_block(sb, block, slot);
		if (IS_ERR(bh))
			return PTR_ERR(bh);
		if (sffs_orphan_damaged(sb, bh, n)) {
			brelse(bh);
			return -EFSCORRUPTED;
		}
		ob = (struct sffs_orphan_block *)bh->b_data;
		if (ob->count)
			*blocks = n + 1;
		block = le64_to_cpu(ob->next);
		brelse(bh);
	}
	return 0;
}

/* The first block of a dead slot's table becomes that of the own one. orphan_mutex is held. */
static int sffs_adopt_link(struct sffs_tx *tx, struct buffer_head *from, struct buffer_head *to,
			   struct buffer_head *bh)
{
	struct sffs_slot_area *theirs = (struct sffs_slot_area *)from->b_data;
	struct sffs_slot_area *own = (struct sffs_slot_area *)to->b_data;
	struct sffs_orphan_block *ob = (struct sffs_orphan_block *)bh->b_data;
	struct sffs_sb_info *sbi = SFFS_SB(tx->sb);
	int err;

	err = sffs_tx_access(tx, from) ?: sffs_tx_access(tx, to) ?: sffs_tx_access(tx, bh);
	if (err)
		return err;
	sffs_adopt_note(sbi, bh);
	theirs->orphan_block = ob->next;
	ob->next = own->orphan_block;
	ob->h.owner = cpu_to_le64(sbi->slot);
	own->orphan_block = cpu_to_le64(bh->b_blocknr);
	sbi->orphan_table = bh->b_blocknr;
	sffs_orphan_own(sbi, bh->b_blocknr, le32_to_cpu(ob->count));
	sffs_tx_dirty(tx, from);
	sffs_tx_dirty(tx, to);
	sffs_tx_dirty(tx, bh);
	return 0;
}

static int sffs_adopt_block(struct super_block *sb, u32 slot)
{
	struct sffs_sb_info *sbi = SFFS_SB(sb);
	struct buffer_head *from, *to, *bh;
	struct sffs_tx tx;
	u64 block;
	int err, err2;

	sffs_tx_init(&tx, sb);
	tx.quota_sync = true;
	err = sffs_tx_start(&tx, 3);
	if (err)
		return err;
	mutex_lock(&sbi->orphan_mutex);
	from = sffs_slot_area(sb, slot);
	err = PTR_ERR_OR_ZERO(from);
	if (err)
		goto stop;
	to = sffs_slot_area(sb, sbi->slot);
	err = PTR_ERR_OR_ZERO(to);
	if (err)
		goto put_from;
	block = le64_to_cpu(((struct sffs_slot_area *)from->b_data)->orphan_block);
	bh = sffs_orphan_block(sb, block, slot);
	err = PTR_ERR_OR_ZERO(bh);
	if (err)
		goto put_to;
	err = sffs_adopt_link(&tx, from, to, bh);
	brelse(bh);
put_to:
	brelse(to);
put_from:
	brelse(from);
stop:
	mutex_unlock(&sbi->orphan_mutex);
	err2 = sffs_tx_stop(&tx);
	return err ?: err2;
}

/**
 * sffs_adopt() - take over what a dead slot has left half done
 * @sb: the mount, its own table loaded
 * @slot: another slot than the own one, whose journal has been emptied
 *
 * Afterwards the slot may be set free. What is damaged there stays, for fsck.sffs: the other
 * hosts need the locks.
 *
 * Context: waits for the own journal, and for no cluster lock.
 * Return: 0 or an error.
 */
int sffs_adopt(struct super_block *sb, u32 slot)
{
	struct sffs_sb_info *sbi = SFFS_SB(sb);
	u32 blocks = 0;
	int err;

	WRITE_ONCE(sbi->crash_due, true);
	err = sffs_quota_recover(sb, slot) ?: sffs_adopt_count(sb, slot, &blocks);
	while (!err && blocks--)
		err = sffs_adopt_block(sb, slot);
	if (err && err != -EFSCORRUPTED)
		return err;
	err = sffs_cache_commit(sbi);
	wake_up(&sbi->adopt_wait);
	return err;
}

/* ---- Finishing ---- */

/* With the inode's locks held. */
static int sffs_adopt_locked(struct inode *inode, u64 block, u32 index,
			     const struct sffs_orphan *entry)
{
	struct sffs_inode_info *si = SFFS_I(inode);
	int err;

	if (!si->orphan || si->orphan_block != block || si->orphan_index != index ||
	    inode->i_generation != le32_to_cpu(entry->generation))
		return sffs_orphan_drop(inode->i_sb, block, index, entry);
	if (!inode->i_nlink && !si->shift_by)	/* the last reference frees it */
		return 0;
	filemap_invalidate_lock(inode->i_mapping);
	if (si->shift_by) {
		err = sffs_shift_finish(inode);
		if (!err)
			clear_bit_unlock(SFFS_CACHE_HALF, &si->lock.cache);
	} else {
		err = sffs_truncate(inode);
	}
	filemap_invalidate_unlock(inode->i_mapping);
	return err;
}

static int sffs_adopt_inode(struct inode *inode, u64 block, u32 index,
			    const struct sffs_orphan *entry)
{
	struct sffs_inode_info *si = SFFS_I(inode);
	int err;

	inode_lock(inode);
	err = sffs_lock(&si->lock, SFFS_LOCK_EXCLUSIVE);
	if (!err) {
		err = sffs_adopt_locked(inode, block, index, entry);
		sffs_unlock(&si->lock, SFFS_LOCK_EXCLUSIVE);
	}
	inode_unlock(inode);
	return err;
}

/* Is it of an inode that is not there any more, or of a damaged one? The entry goes. */
static bool sffs_adopt_void(int err)
{
	return err == -ESTALE || err == -EFSCORRUPTED;
}

static int sffs_adopt_entry(struct super_block *sb, u64 block, u32 index,
			    const struct sffs_orphan *entry)
{
	u64 ino = le64_to_cpu(entry->ino);
	struct inode *inode = NULL;
	int err = sffs_check_ino(sb, ino);

	if (!err) {
		inode = sffs_iget(sb, ino);
		err = PTR_ERR_OR_ZERO(inode);
	}
	if (!err) {
		err = sffs_adopt_inode(inode, block, index, entry);
		sffs_reap_put(inode);
	}
	if (sffs_adopt_void(err))
		err = sffs_orphan_drop(sb, block, index, entry);
	return err;
}

static struct sffs_adopted *sffs_adopt_first(struct sffs_sb_info *sbi)
{
	struct sffs_adopted *a;

	mutex_lock(&sbi->orphan_mutex);
	a = list_first_entry_or_null(&sbi->adopted, struct sffs_adopted, list);
	mutex_unlock(&sbi->orphan_mutex);
	return a;
}

static void sffs_adopt_done(struct sffs_sb_info *sbi, struct sffs_adopted *a)
{
	mutex_lock(&sbi->orphan_mutex);
	list_del_init(&a->list);
	mutex_unlock(&sbi->orphan_mutex);
	kfree(a);
	wake_up(&sbi->adopt_wait);
}

static int sffs_adopt_crash(struct sffs_sb_info *sbi)
{
	int err;

	/* Another host may die meanwhile, and is to be noted as well. */
	if (!xchg(&sbi->crash_due, false))
		return 0;
	err = sffs_reclaim_crashed(sbi);
	if (err)
		WRITE_ONCE(sbi->crash_due, true);
	return err;
}

/**
 * sffs_adopt_finish() - free or cut what dead slots, or an earlier mount, have left
 * @sb: a mount with -o local, before anybody uses it
 *
 * Return: 0 or an error.
 */
int sffs_adopt_finish(struct super_block *sb)
{
	struct sffs_sb_info *sbi = SFFS_SB(sb);
	struct sffs_adopted *a;
	int err = sffs_adopt_crash(sbi);
	u32 i;

	while (!err && (a = sffs_adopt_first(sbi))) {
		for (i = 0; i < SFFS_ORPHANS_PER_BLOCK && !err; i++)
			if (a->entry[i].ino)
				err = sffs_adopt_entry(sb, a->block, i, &a->entry[i]);
		sffs_adopt_done(sbi, a);
	}
	return err;
}

/* ---- In the background ---- */

/* The mount ends, or has been shut down. */
static bool sffs_adopt_over(struct sffs_sb_info *sbi)
{
	return fatal_signal_pending(current) || kthread_should_stop() || sffs_is_shutdown(sbi);
}

/* One block; what has been done of it is not done again, what failed is, later. */
static void sffs_adopt_some(struct super_block *sb, struct sffs_adopted *a)
{
	struct sffs_sb_info *sbi = SFFS_SB(sb);
	bool failed = false;
	u32 i;

	for (i = 0; i < SFFS_ORPHANS_PER_BLOCK && !sffs_adopt_over(sbi); i++) {
		int err = 0;

		if (!a->entry[i].ino)
			continue;
		sb_start_write(sb);
		if (!sb_rdonly(sb))
			err = sffs_adopt_entry(sb, a->block, i, &a->entry[i]);
		sb_end_write(sb);
		if (sb_rdonly(sb) || sffs_adopt_over(sbi))
			return;
		if (err) {
			pr_warn_ratelimited("%s: inode %llu stays on the orphan list: error %d\n",
					    sb->s_id, le64_to_cpu(a->entry[i].ino), err);
			failed = true;
			continue;
		}
		a->entry[i].ino = 0;
	}
	if (i < SFFS_ORPHANS_PER_BLOCK)
		return;
	if (!failed) {
		sffs_adopt_done(sbi, a);
		return;
	}
	mutex_lock(&sbi->orphan_mutex);
	list_move_tail(&a->list, &sbi->adopted);
	mutex_unlock(&sbi->orphan_mutex);
}

/* Is there something to do? */
static bool sffs_adopt_wanted(struct super_block *sb)
{
	struct sffs_sb_info *sbi = SFFS_SB(sb);

	return READ_ONCE(sbi->crash_due) || (!sb_rdonly(sb) && !list_empty_careful(&sbi->adopted));
}

static void sffs_adopt_all(struct super_block *sb)
{
	struct sffs_sb_info *sbi = SFFS_SB(sb);
	struct sffs_adopted *a, *last = NULL;
	bool again = sffs_adopt_crash(sbi) != 0;

	mutex_lock(&sbi->orphan_mutex);
	if (!list_empty(&sbi->adopted))
		last = list_last_entry(&sbi->adopted, struct sffs_adopted, list);
	mutex_unlock(&sbi->orphan_mutex);
	/* Each once: those that fail go to the end. Nobody else takes one off the list. */
	while (last && !sb_rdonly(sb) && !sffs_adopt_over(sbi)) {
		a = sffs_adopt_first(sbi);
		if (a == last)
			last = NULL;
		sffs_adopt_some(sb, a);
	}
	again |= !list_empty_careful(&sbi->adopted);
	if (again)
		wait_event_interruptible_timeout(sbi->adopt_wait, kthread_should_stop(),
						 SFFS_ADOPT_RETRY);
}

static int sffs_adopt_thread(void *data)
{
	struct super_block *sb = data;
	struct sffs_sb_info *sbi = SFFS_SB(sb);

	/* Who unmounts does not wait for locks that other hosts have. */
	allow_signal(SIGKILL);
	while (!sffs_adopt_over(sbi)) {
		wait_event_interruptible_timeout(sbi->adopt_wait, kthread_should_stop() ||
						 sffs_adopt_wanted(sb), SFFS_ADOPT_RETRY);
		if (!sffs_adopt_over(sbi) && sffs_adopt_wanted(sb))
			sffs_adopt_all(sb);
	}
	return 0;
}

/**
 * sffs_adopt_start() - finish it in the background
 * @sb: a mount in a cluster, complete
 *
 * Return: 0 or an error.
 */
int sffs_adopt_start(struct super_block *sb)
{
	struct sffs_sb_info *sbi = SFFS_SB(sb);
	struct task_struct *task = kthread_create(sffs_adopt_thread, sb, "sffs_adopt/%.5s",
						  sb->s_id);

	if (IS_ERR(task))
		return PTR_ERR(task);
	sbi->adopt_task = get_task_struct(task);
	wake_up_process(task);
	return 0;
}

/**
 * sffs_adopt_stop() - the mount ends: what is not finished is for who recovers the slot
 * @sb: the mount; its recovery of others still runs
 *
 * Context: waits for some seconds, and for the lock of the super block if a crash has to be
 * noted, killably.
 */
void sffs_adopt_stop(struct super_block *sb)
{
	struct sffs_sb_info *sbi = SFFS_SB(sb);
	struct task_struct *task = sbi->adopt_task;

	if (!task)
		return;
	if (!sb_rdonly(sb) && !sffs_is_shutdown(sbi))
		wait_event_killable_timeout(sbi->adopt_wait, list_empty_careful(&sbi->adopted),
					    SFFS_ADOPT_GRACE);
	send_sig(SIGKILL, task, 1);
	kthread_stop(task);
	put_task_struct(task);
	sbi->adopt_task = NULL;
	if (!sffs_is_shutdown(sbi))
		sffs_adopt_crash(sbi);
}

/* Has it to be recovered by others? Then the own slot may not be set free. */
bool sffs_adopt_left(struct sffs_sb_info *sbi)
{
	return sbi->crash_due || (!sbi->local && !list_empty(&sbi->adopted));
}

/* Forget what there is. */
void sffs_adopt_exit(struct sffs_sb_info *sbi)
{
	struct sffs_adopted *a;

	while ((a = sffs_adopt_first(sbi)))
		sffs_adopt_done(sbi, a);
	xa_destroy(&sbi->orphan_blocks);
}
