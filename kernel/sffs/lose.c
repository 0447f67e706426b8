// SPDX-License-Identifier: GPL-2.0-only
/*
 * A mount that is alone on its volume and loses its locks all the same, for tests: each lock
 * that nobody uses is given up now and then, as if another host had asked for it, and taken
 * again by the next user. What memory has of it is spoilt in between, so whoever believes
 * anything that was not read again finds garbage.
 *
 * The file lose_ms of debugfs's folder sffs says how often; a mount looks at it once, when it
 * is made, and 0 is never. It may be changed to another time later on.
 *
 * SFFS_CACHE_LEAVING is set only while nobody uses the lock, so who does never sees it.
 */
#include <linux/debugfs.h>
#include <linux/pagemap.h>
#include <linux/pagevec.h>
#include <linux/wait_bit.h>

#include "sffs.h"

#define SFFS_POISON	0x6b

static u32 sffs_lose_ms;

/* Covers SFFS_CACHE_LEAVING against the counts of users, on mounts that lose locks. */
static DEFINE_SPINLOCK(sffs_lose_spin);

/**
 * struct sffs_lose - what takes the locks of a mount away
 * @sbi: the mount
 * @work: one round through its locks
 */
struct sffs_lose {
	struct sffs_sb_info *sbi;
	struct delayed_work work;
};

/* ---- Users ---- */

/* Begin a use, unless the lock is being given up. */
bool sffs_lose_try(struct sffs_lock *lock, enum sffs_lock_mode mode)
{
	bool ok;

	spin_lock(&sffs_lose_spin);
	ok = !test_bit(SFFS_CACHE_LEAVING, &lock->cache);
	if (ok) {
		atomic_inc(&lock->uses[mode]);
		if (mode == SFFS_LOCK_EXCLUSIVE)
			set_bit(SFFS_CACHE_DIRTY, &lock->cache);
	}
	spin_unlock(&sffs_lose_spin);
	return ok;
}

/* Begin a use; not while the lock is being given up. */
void sffs_lose_get(struct sffs_lock *lock, enum sffs_lock_mode mode)
{
	while (!sffs_lose_try(lock, mode))
		wait_on_bit(&lock->cache, SFFS_CACHE_LEAVING, TASK_UNINTERRUPTIBLE);
}

static bool sffs_lose_begin(struct sffs_lock *lock)
{
	bool unused;

	spin_lock(&sffs_lose_spin);
	unused = !atomic_read(&lock->uses[SFFS_LOCK_SHARED]) &&
		 !atomic_read(&lock->uses[SFFS_LOCK_EXCLUSIVE]);
	if (unused)
		set_bit(SFFS_CACHE_LEAVING, &lock->cache);
	spin_unlock(&sffs_lose_spin);
	return unused;
}

/* ---- Garbage ---- */

static void sffs_spoil_blocks(struct sffs_lock *lock)
{
	struct block_device *bdev = lock->sbi->bdev;
	unsigned long block;
	void *entry;

	xa_for_each(&lock->known, block, entry) {
		struct buffer_head *bh = __find_get_block(bdev, block, SFFS_BLOCK_SIZE);

		if (!bh)
			continue;
		lock_buffer(bh);
		if (!WARN_ON_ONCE(buffer_jbd(bh) || buffer_dirty(bh)))
			memset(bh->b_data, SFFS_POISON, SFFS_BLOCK_SIZE);
		unlock_buffer(bh);
		brelse(bh);
	}
}

/* Not one that a pipe or direct I/O has got as well, which keeps what it was. */
static void sffs_spoil_folio(struct address_space *mapping, struct folio *folio)
{
	int refs = folio_nr_pages(folio) + 1 + !!folio_test_private(folio);
	size_t at;

	folio_lock(folio);
	folio_wait_writeback(folio);
	if (folio->mapping == mapping && !folio_test_dirty(folio) &&
	    folio_ref_count(folio) <= refs)
		for (at = 0; at < folio_size(folio); at += PAGE_SIZE) {
			void *to = kmap_local_folio(folio, at);

			memset(to, SFFS_POISON, PAGE_SIZE);
			kunmap_local(to);
		}
	folio_unlock(folio);
}

static void sffs_spoil_pages(struct address_space *mapping)
{
	struct folio_batch batch;
	pgoff_t index = 0;
	unsigned int i;

	folio_batch_init(&batch);
	while (filemap_get_folios(mapping, &index, ULONG_MAX, &batch)) {
		for (i = 0; i < folio_batch_count(&batch); i++)
			sffs_spoil_folio(mapping, batch.folios[i]);
		folio_batch_release(&batch);
		cond_resched();
	}
}

static void sffs_spoil_inode(struct inode *inode)
{
	struct sffs_inode_info *si = SFFS_I(inode);
	struct timespec64 then = { .tv_sec = SFFS_POISON };

	sffs_spoil_pages(inode->i_mapping);
	i_size_write(inode, i_size_read(inode) + SFFS_POISON);
	inode_set_mtime_to_ts(inode, then);
	inode_set_bytes(inode, SFFS_POISON);
	si->entries += SFFS_POISON;
	si->xattr_block = SFFS_POISON;
	si->parent = SFFS_POISON;
	si->project ^= SFFS_POISON;
}

static void sffs_spoil_group(struct sffs_group_info *g)
{
	mutex_lock(&g->mutex);
	g->free += SFFS_POISON;
	g->unmapped += SFFS_POISON;
	g->free_inodes += SFFS_POISON;
	mutex_unlock(&g->mutex);
}

static void sffs_spoil(struct sffs_lock *lock)
{
	sffs_spoil_blocks(lock);
	if (lock->type == SFFS_LOCKT_INODE)
		sffs_spoil_inode(&container_of(lock, struct sffs_inode_info, lock)->vfs);
	else if (lock->type == SFFS_LOCKT_GROUP)
		sffs_spoil_group(container_of(lock, struct sffs_group_info, lock));
}

/* ---- Giving up ---- */

static void sffs_lose_lock(struct sffs_lock *lock)
{
	int err = 0;

	if (sffs_cache_stale(lock) || !sffs_lose_begin(lock))
		return;
	sffs_cache_unmap(lock);
	if (test_bit(SFFS_CACHE_DIRTY, &lock->cache))
		err = sffs_cache_flush(lock);
	if (!err) {
		sffs_spoil(lock);
		sffs_cache_drop(lock);
	} else if (!sffs_is_shutdown(lock->sbi)) {
		sffs_shutdown(lock->sbi->sb, "a lock cannot be given up");
	}
	clear_and_wake_up_bit(SFFS_CACHE_LEAVING, &lock->cache);
}

/* Quota files are the quota lock's; an inode that is being made or read has no block yet. */
static bool sffs_may_lose(struct inode *inode)
{
	struct sffs_inode_info *si = SFFS_I(inode);

	return !(inode->i_state & (I_NEW | I_FREEING | I_WILL_FREE)) && si->bh &&
	       !(si->flags & SFFS_INODE_SYSTEM) && !sffs_cache_stale(&si->lock);
}

static void sffs_lose_inodes(struct sffs_sb_info *sbi)
{
	struct super_block *sb = sbi->sb;
	struct inode *inode, *last = NULL;

	spin_lock(&sb->s_inode_list_lock);
	list_for_each_entry(inode, &sb->s_inodes, i_sb_list) {
		if (!sffs_may_lose(inode) || !igrab(inode))
			continue;
		spin_unlock(&sb->s_inode_list_lock);
		sffs_lose_lock(&SFFS_I(inode)->lock);
		iput(last);
		last = inode;
		cond_resched();
		spin_lock(&sb->s_inode_list_lock);
	}
	spin_unlock(&sb->s_inode_list_lock);
	iput(last);
}

static void sffs_lose_round(struct work_struct *work)
{
	struct sffs_lose *lose = container_of(to_delayed_work(work), struct sffs_lose, work);
	u32 i, groups = sffs_nr_groups(lose->sbi), ms = READ_ONCE(sffs_lose_ms);
	struct super_block *sb = lose->sbi->sb;

	if (ms && !sffs_is_shutdown(lose->sbi) && sb_start_write_trylock(sb)) {
		sffs_lose_inodes(lose->sbi);
		for (i = 0; i < groups; i++)
			sffs_lose_lock(&sffs_group(lose->sbi, i)->lock);
		sffs_lose_lock(&lose->sbi->fixed[SFFS_FIXED_QUOTA]);
		sb_end_write(sb);
	}
	queue_delayed_work(system_unbound_wq, &lose->work, msecs_to_jiffies(ms ?: MSEC_PER_SEC));
}

/* Does a mount that is made now lose its locks? */
bool sffs_lose_wanted(void)
{
	return READ_ONCE(sffs_lose_ms);
}

/* From now on; the mount is ready to be used. */
int sffs_lose_start(struct sffs_sb_info *sbi)
{
	struct sffs_lose *lose;

	if (!sffs_lose_wanted() || !sbi->local)
		return 0;
	lose = kzalloc(sizeof(*lose), GFP_KERNEL);
	if (!lose)
		return -ENOMEM;
	lose->sbi = sbi;
	INIT_DELAYED_WORK(&lose->work, sffs_lose_round);
	sbi->lose = lose;
	queue_delayed_work(system_unbound_wq, &lose->work, 1);
	return 0;
}

/* Before the end of the mount: no inode is held from here any more. */
void sffs_lose_stop(struct sffs_sb_info *sbi)
{
	if (!sbi->lose)
		return;
	cancel_delayed_work_sync(&sbi->lose->work);
	kfree(sbi->lose);
	sbi->lose = NULL;
}

void sffs_lose_init(struct dentry *folder)
{
	debugfs_create_u32("lose_ms", 0600, folder, &sffs_lose_ms);
}
