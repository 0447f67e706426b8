// SPDX-License-Identifier: GPL-2.0-only
/*
 * Inodes without links that could not be freed at once: reclaim, which may not wait for
 * cluster locks, came upon them, or another host may have them open. A worker frees them as
 * soon as nobody has them open, here or elsewhere. It knows them by their numbers alone; all
 * of them are on an orphan table, so that none is lost with the worker.
 */
#include "sffs.h"

#define SFFS_REAP_MS		5000	/* to the next try, if nobody tells of the last use */
#define SFFS_REAP_MS_MAX	60000	/* each try is twice as long after the one before */

/**
 * struct sffs_reaped - an inode that is to be freed
 * @list: in the mount's reaped
 * @ino: its number, which may be another inode's by now
 * @due: jiffies of the next try
 * @wait: milliseconds from that to the one after
 */
struct sffs_reaped {
	struct list_head list;
	u64 ino;
	unsigned long due;
	unsigned int wait;
};

static void sffs_reap_queue(struct sffs_sb_info *sbi, unsigned long due)
{
	unsigned long now = jiffies;

	lockdep_assert_held(&sbi->reap_lock);
	if (sbi->reap_stopped)
		return;
	if (!delayed_work_pending(&sbi->reap_work))
		sbi->reap_due = due;
	else if (time_before(due, sbi->reap_due))
		sbi->reap_due = due;
	mod_delayed_work(system_unbound_wq, &sbi->reap_work,
			 time_after(sbi->reap_due, now) ? sbi->reap_due - now : 0);
}

/* Put one on the list, unless it is there. Returns whether it was taken over. */
static bool sffs_reap_add(struct sffs_sb_info *sbi, struct sffs_reaped *r)
{
	struct sffs_reaped *old;
	bool taken = false;

	spin_lock(&sbi->reap_lock);
	list_for_each_entry(old, &sbi->reaped, list) {
		if (old->ino != r->ino)
			continue;
		if (time_before(r->due, old->due))
			old->due = r->due;
		sffs_reap_queue(sbi, old->due);
		goto unlock;
	}
	if (!sbi->reap_stopped) {
		list_add_tail(&r->list, &sbi->reaped);
		sffs_reap_queue(sbi, r->due);
		taken = true;
	}
unlock:
	spin_unlock(&sbi->reap_lock);
	return taken;
}

static void sffs_reap_in(struct sffs_sb_info *sbi, u64 ino, unsigned int ms, gfp_t gfp)
{
	struct sffs_reaped *r = kmalloc(sizeof(*r), gfp);

	if (!r)
		return;
	r->ino = ino;
	r->due = jiffies + msecs_to_jiffies(ms);
	r->wait = SFFS_REAP_MS;
	if (!sffs_reap_add(sbi, r))
		kfree(r);
}

/* Nobody seems to have the inode open: free it if it has no link. Context: a task. */
void sffs_reap(struct sffs_sb_info *sbi, u64 ino)
{
	sffs_reap_in(sbi, ino, 0, GFP_NOFS);
}

/* The inode could not be freed now: others may have it open, who have been asked. */
void sffs_reap_again(struct sffs_sb_info *sbi, u64 ino)
{
	sffs_reap_in(sbi, ino, SFFS_REAP_MS, GFP_NOFS);
}

/**
 * sffs_reap_later() - in reclaim, leave the end of an inode without links to the worker
 * @inode: the inode, which is being evicted
 *
 * Return: whether it was left.
 */
bool sffs_reap_later(struct inode *inode)
{
	struct sffs_sb_info *sbi = SFFS_SB(inode->i_sb);

	if (!sbi->shared || !(current->flags & PF_MEMALLOC))
		return false;
	sffs_reap_in(sbi, inode->i_ino, 0, GFP_NOWAIT | __GFP_NOWARN);
	return true;
}

/* Give a reference back. The last one frees an inode without links, or leaves it to a later try. */
void sffs_reap_put(struct inode *inode)
{
	/* A name that another host has removed, and that nobody looked up here since, has one. */
	if (!inode->i_nlink)
		d_prune_aliases(inode);
	iput(inode);
}

/* Returns whether it is to be tried again. */
static bool sffs_reap_one(struct sffs_sb_info *sbi, u64 ino)
{
	struct inode *inode;
	int err;

	if (!sffs_lock_last_number(sbi, ino))
		return true;
	err = sffs_check_ino(sbi->sb, ino);
	inode = err ? ERR_PTR(err) : sffs_iget(sbi->sb, ino);
	if (!IS_ERR(inode))
		sffs_reap_put(inode);
	return IS_ERR(inode) && PTR_ERR(inode) != -ESTALE && PTR_ERR(inode) != -EFSCORRUPTED;
}

/* One that is due, off the list; or NULL, and the worker comes again for the next. */
static struct sffs_reaped *sffs_reap_next(struct sffs_sb_info *sbi)
{
	struct sffs_reaped *r, *first = NULL;

	spin_lock(&sbi->reap_lock);
	list_for_each_entry(r, &sbi->reaped, list)
		if (!first || time_before(r->due, first->due))
			first = r;
	if (first && (sbi->reap_stopped || time_after(first->due, jiffies))) {
		sffs_reap_queue(sbi, first->due);
		first = NULL;
	}
	if (first)
		list_del(&first->list);
	spin_unlock(&sbi->reap_lock);
	return first;
}

static void sffs_reap_work(struct work_struct *work)
{
	struct sffs_sb_info *sbi = container_of(to_delayed_work(work), struct sffs_sb_info,
						reap_work);
	struct sffs_reaped *r;

	while (!sffs_is_shutdown(sbi) && (r = sffs_reap_next(sbi))) {
		if (sffs_reap_one(sbi, r->ino)) {
			r->due = jiffies + msecs_to_jiffies(r->wait);
			r->wait = min(2 * r->wait, SFFS_REAP_MS_MAX);
			if (sffs_reap_add(sbi, r))
				continue;
		}
		kfree(r);
	}
}

void sffs_reap_init(struct sffs_sb_info *sbi)
{
	spin_lock_init(&sbi->reap_lock);
	INIT_LIST_HEAD(&sbi->reaped);
	INIT_DELAYED_WORK(&sbi->reap_work, sffs_reap_work);
}

/* Before the mount goes. What is left stays on the orphan table. Context: sleeps. */
void sffs_reap_stop(struct sffs_sb_info *sbi)
{
	struct sffs_reaped *r, *next;

	spin_lock(&sbi->reap_lock);
	sbi->reap_stopped = true;
	spin_unlock(&sbi->reap_lock);
	cancel_delayed_work_sync(&sbi->reap_work);
	list_for_each_entry_safe(r, next, &sbi->reaped, list)
		kfree(r);
	INIT_LIST_HEAD(&sbi->reaped);
}
