// SPDX-License-Identifier: GPL-2.0-only
/*
 * Metadata blocks and the transactions that change them.
 *
 * A block's checksum is set when jbd2 takes the block for the journal (the
 * frozen trigger), so once for each commit and not for each change, and what
 * is checkpointed later is that same image.
 *
 * A block that was checked once carries BH_sffs_checked, so the checksum is
 * computed once for each time that the block is read; its identity (kind,
 * owner, generation) is compared at each use.
 */
#include <linux/crc32c.h>

#include "ats.h"
#include "node.h"

enum {
	BH_sffs_checked = BH_JBDPrivateStart,	/* the checksum was right */
	BH_sffs_leaf,				/* and so are the directory entries in it */
};

BUFFER_FNS(sffs_checked, sffs_checked)
BUFFER_FNS(sffs_leaf, sffs_leaf)

bool sffs_leaf_valid(const struct buffer_head *bh)
{
	return buffer_sffs_leaf(bh);
}

void sffs_set_leaf_valid(struct buffer_head *bh)
{
	set_buffer_sffs_leaf(bh);
}

#define SFFS_CRC_OFFSET	4

/* Of a block whose field for it counts as zero. */
static u32 sffs_crc(const void *buf, size_t len, u32 seed)
{
	__le32 head[SFFS_CRC_OFFSET / sizeof(__le32) + 1] = { };

	memcpy(head, buf, SFFS_CRC_OFFSET);
	return crc32c(crc32c(seed, head, sizeof(head)), buf + sizeof(head), len - sizeof(head));
}

bool sffs_crc_ok(const void *buf, size_t len, u32 seed)
{
	const __le32 *crc = buf + SFFS_CRC_OFFSET;

	return le32_to_cpu(*crc) == sffs_crc(buf, len, seed);
}

void sffs_set_crc(void *buf, size_t len, u32 seed)
{
	__le32 *crc = buf + SFFS_CRC_OFFSET;

	*crc = cpu_to_le32(sffs_crc(buf, len, seed));
}

/* jbd2's trigger: @data is what will go to the journal. May not sleep. */
void sffs_frozen(struct jbd2_buffer_trigger_type *type, struct buffer_head *bh, void *data,
		 size_t size)
{
	struct sffs_sb_info *sbi = container_of(type, struct sffs_sb_info, trigger);
	const struct sffs_header *h = data;

	sffs_set_crc(data, size, h->magic == cpu_to_le32(SFFS_MAGIC_SUPER) ? ~0U : sbi->seed);
}

/**
 * sffs_damage() - report metadata that cannot be right
 * @sb: the mount
 * @block: where it is
 * @fmt: what is wrong with it
 *
 * The caller fails with -EFSCORRUPTED. The first find is remembered in the super
 * block when it is next written.
 */
void sffs_damage(struct super_block *sb, u64 block, const char *fmt, ...)
{
	struct va_format vaf;
	va_list ap;

	va_start(ap, fmt);
	vaf.fmt = fmt;
	vaf.va = &ap;
	pr_err_ratelimited("%s: block %llu: %pV; unmount and run fsck.sffs\n", sb->s_id, block,
			   &vaf);
	va_end(ap);
	sffs_event(sb, SFFS_EVENT_DAMAGE, block, "damaged metadata");
}

/**
 * sffs_shutdown() - never write again on this mount
 * @sb: the mount
 * @why: for the log
 *
 * Context: may sleep. Callable any number of times.
 */
void sffs_shutdown(struct super_block *sb, const char *why)
{
	struct sffs_sb_info *sbi = SFFS_SB(sb);

	if (test_and_set_bit(SFFS_MOUNT_SHUTDOWN, &sbi->flags))
		return;
	pr_err("%s: shut down: %s; unmount it, and mount it again\n", sb->s_id, why);
	sffs_lease_fail(&sbi->lease);
	if (sbi->lun)
		sffs_lun_stop(sbi->lun);
	sffs_node_fail_locks(sbi);
	sffs_event(sb, SFFS_EVENT_SHUTDOWN, 0, why);
	/* One that is being destroyed sees its writes fail. */
	if (sbi->journal && refcount_inc_not_zero(&sbi->journal_users)) {
		jbd2_journal_abort(sbi->journal, -EIO);
		sffs_journal_unuse(sbi);
	}
}

/* Inodes of a chunk that are read at once for who reads them in order. */
#define SFFS_INODES_AHEAD	32U

/* After a write that failed a buffer is newer than the disk, and must not be read over. */
static bool sffs_write_failed(struct buffer_head *bh)
{
	if (likely(!buffer_write_io_error(bh)))
		return false;
	set_buffer_uptodate(bh);
	return true;
}

static bool sffs_in_memory(struct buffer_head *bh)
{
	return sffs_write_failed(bh) || buffer_uptodate(bh);
}

/* Begin to read a block that is not in memory; what was known about it is no longer. */
static void sffs_block_ahead(struct sffs_sb_info *sbi, u64 block)
{
	struct buffer_head *bh = __getblk(sbi->bdev, block, SFFS_BLOCK_SIZE);

	if (!bh)
		return;
	if (!sffs_in_memory(bh) && trylock_buffer(bh)) {
		if (sffs_in_memory(bh)) {
			unlock_buffer(bh);
		} else {
			clear_buffer_sffs_checked(bh);
			clear_buffer_sffs_leaf(bh);
			__bh_read(bh, REQ_RAHEAD | REQ_META, false);
		}
	}
	brelse(bh);
}

/*
 * An inode is not in memory: when the one before it is, its chunk is being walked. Not on
 * a volume that others have mounted, who may hold the locks of the inodes that follow.
 */
static void sffs_inodes_ahead(struct sffs_sb_info *sbi, u64 block, unsigned int index)
{
	u64 n = min3((u64)SFFS_INODES_AHEAD, (u64)SFFS_CHUNK_INODES - index, sbi->blocks - block);
	struct buffer_head *bh;
	struct blk_plug plug;
	bool walked;

	if (sbi->shared || !index)
		return;
	bh = __find_get_block(sbi->bdev, block - 1, SFFS_BLOCK_SIZE);
	walked = bh && buffer_uptodate(bh);
	brelse(bh);
	if (!walked)
		return;
	blk_start_plug(&plug);
	while (n--)
		sffs_block_ahead(sbi, block++);
	blk_finish_plug(&plug);
}

/*
 * Have a block in memory as it is on disk, or newer. One that is known (see cache.c) is only
 * looked at; else it is read, also if its buffer is up to date, unless the journal has it.
 */
static int sffs_read_buffer(struct sffs_lock *lock, struct buffer_head *bh, bool again)
{
	if (likely(!again && sffs_cache_known(lock, bh)))
		return 0;
	lock_buffer(bh);
	if ((!again && sffs_cache_known(lock, bh)) || buffer_jbd(bh) || sffs_write_failed(bh)) {
		sffs_cache_know(lock, bh->b_blocknr);
		unlock_buffer(bh);
		return 0;
	}
	clear_buffer_uptodate(bh);
	clear_buffer_sffs_checked(bh);
	clear_buffer_sffs_leaf(bh);
	/* Before it is read: whoever changes it then will not have it read over. */
	sffs_cache_know(lock, bh->b_blocknr);
	return __bh_read(bh, REQ_META | REQ_PRIO, true);
}

static struct buffer_head *sffs_read_block(struct sffs_sb_info *sbi, struct sffs_lock *lock,
					   u64 block, u32 magic, u64 owner)
{
	bool again = !lock && sbi->shared && owner != sbi->slot;
	struct super_block *sb = sbi->sb;
	struct buffer_head *bh;
	struct sffs_header *h;

	if (unlikely(block <= SFFS_SUPER_BLOCK || block >= READ_ONCE(sbi->blocks))) {
		sffs_damage(sb, block, "a pointer to it is not on the volume");
		return ERR_PTR(-EFSCORRUPTED);
	}
	bh = __getblk(sbi->bdev, block, SFFS_BLOCK_SIZE);
	if (unlikely(!bh))
		return ERR_PTR(-ENOMEM);
	if (magic == SFFS_MAGIC_INODE && !buffer_uptodate(bh))
		sffs_inodes_ahead(sbi, block, sffs_ino_index(owner));
	if (unlikely(sffs_read_buffer(lock, bh, again) < 0)) {
		brelse(bh);
		return ERR_PTR(-EIO);
	}
	h = (struct sffs_header *)bh->b_data;
	if (unlikely(!buffer_sffs_checked(bh))) {
		if (!sffs_crc_ok(h, SFFS_BLOCK_SIZE, sbi->seed)) {
			sffs_damage(sb, block, "wrong checksum");
			goto bad;
		}
		set_buffer_sffs_checked(bh);
	}
	if (unlikely(h->magic != cpu_to_le32(magic) || h->block != cpu_to_le64(block) ||
		     h->owner != cpu_to_le64(owner))) {
		sffs_damage(sb, block, "not the %4.4s block of %llu that it should be",
			    (char *)&magic, owner);
		goto bad;
	}
	return bh;
bad:
	brelse(bh);
	return ERR_PTR(-EFSCORRUPTED);
}

static struct buffer_head *sffs_check_generation(struct super_block *sb, struct buffer_head *bh,
						 u32 generation)
{
	const struct sffs_header *h;

	if (IS_ERR(bh))
		return bh;
	h = (struct sffs_header *)bh->b_data;
	if (likely(h->generation == cpu_to_le32(generation)))
		return bh;
	sffs_damage(sb, bh->b_blocknr, "belongs to an inode %llu that no longer exists",
		    le64_to_cpu(h->owner));
	brelse(bh);
	return ERR_PTR(-EFSCORRUPTED);
}

/**
 * sffs_read_any() - read a metadata block and check that it is what it should be
 * @lock: the lock of the inode or the group that it belongs to, held
 * @block: block number
 * @magic: kind of block
 *
 * For a block whose generation is not known: an inode itself.
 *
 * Context: may sleep.
 * Return: the buffer, or an error pointer: -EIO, -EFSCORRUPTED after a message.
 */
struct buffer_head *sffs_read_any(struct sffs_lock *lock, u64 block, u32 magic)
{
	return sffs_read_block(lock->sbi, lock, block, magic, lock->number);
}

/* The same with the inode's generation checked; it is zero for blocks of groups. */
struct buffer_head *sffs_read_meta(struct sffs_lock *lock, u64 block, u32 magic, u32 generation)
{
	return sffs_check_generation(lock->sbi->sb, sffs_read_any(lock, block, magic), generation);
}

/* A block that only a slot's holder changes; those of others only their recovery reads. */
struct buffer_head *sffs_read_slot_block(struct super_block *sb, u64 block, u32 magic, u32 slot)
{
	return sffs_check_generation(sb, sffs_read_block(SFFS_SB(sb), NULL, block, magic, slot), 0);
}

/* ---- Transactions ---- */

void sffs_tx_init(struct sffs_tx *tx, struct super_block *sb)
{
	tx->sb = sb;
	tx->handle = NULL;
	tx->nr = 0;
	tx->quota_sync = false;
	tx->urgent = false;
	tx->number = NULL;
	tx->wanted = NULL;
	tx->gone = NULL;
	tx->space_group = NULL;
	tx->inode_group = NULL;
	tx->goal = 0;
	tx->run = 0;
}

static int sffs_tx_slot(struct sffs_tx *tx, struct sffs_group_info *g)
{
	unsigned int i;

	for (i = 0; i < tx->nr; i++)
		if (tx->group[i].g == g)
			return i;
	if (unlikely(tx->nr == SFFS_TX_GROUPS)) {
		/* A chain that this module wrote is in one group. */
		sffs_damage(tx->sb, sffs_group_start(g), "one of too many groups of a change");
		return -EFSCORRUPTED;
	}
	tx->group[tx->nr].g = g;
	tx->group[tx->nr].reserved = 0;
	tx->group[tx->nr].inodes = 0;
	tx->group[tx->nr].locked = false;
	tx->group[tx->nr].frees = false;
	return tx->nr++;
}

/**
 * sffs_tx_promised() - a group, held exclusively, promises something to a transaction
 * @tx: transaction that has not started
 * @g: the group, its mutex held
 *
 * Return: its index in @tx, or -EFSCORRUPTED.
 */
int sffs_tx_promised(struct sffs_tx *tx, struct sffs_group_info *g)
{
	int i = sffs_tx_slot(tx, g);

	/* What is promised counts from the oldest on. */
	if (i >= 0 && !tx->group[i].reserved && !tx->group[i].inodes)
		tx->group[i].period = g->lock.period;
	return i;
}

/**
 * sffs_tx_add_group() - say that a block's group will be changed
 * @tx: transaction that has not started
 * @block: a block that will be freed
 *
 * Return: 0, or -EFSCORRUPTED if no group has the block.
 */
int sffs_tx_add_group(struct sffs_tx *tx, u64 block)
{
	struct sffs_group_info *g = sffs_group_of(SFFS_SB(tx->sb), block);
	int i;

	if (!g) {
		sffs_damage(tx->sb, block, "not in any group, but to be freed");
		return -EFSCORRUPTED;
	}
	i = sffs_tx_slot(tx, g);
	if (i < 0)
		return i;
	tx->group[i].frees = true;
	return 0;
}

/* Will this transaction be able to change the group of @block? */
bool sffs_tx_has_group(struct sffs_tx *tx, u64 block)
{
	struct sffs_group_info *g = sffs_group_of(SFFS_SB(tx->sb), block);
	unsigned int i;

	for (i = 0; i < tx->nr; i++)
		if (tx->group[i].g == g)
			return true;
	return false;
}

/* Blocks that only urgent transactions use, so that I/O can always complete. */
u32 sffs_group_kept(const struct sffs_group_info *g)
{
	return min(g->blocks / 64, 4 * SFFS_TREE_BLOCKS);
}

static int sffs_tx_lock(struct sffs_tx *tx, struct sffs_lock *lock)
{
	return tx->urgent ? sffs_lock_urgent(lock, SFFS_LOCK_EXCLUSIVE) :
			    sffs_lock(lock, SFFS_LOCK_EXCLUSIVE);
}

/* Under the group's lock and its mutex. */
static int sffs_tx_promise(struct sffs_tx *tx, struct sffs_group_info *g, u32 blocks)
{
	int i;

	if (sffs_group_avail(g) < blocks + (tx->urgent ? 0 : sffs_group_kept(g)))
		return -ENOSPC;
	i = sffs_tx_promised(tx, g);
	if (i < 0)
		return i;
	g->reserved += blocks;
	tx->group[i].reserved += blocks;
	if (!tx->space_group)
		atomic_inc(&SFFS_SB(tx->sb)->promises);
	tx->space_group = g;
	return 0;
}

/* The group's lock is in use. */
static int sffs_tx_reserve_in(struct sffs_tx *tx, struct sffs_group_info *g, u32 blocks)
{
	int err = READ_ONCE(g->loaded) ? 0 : sffs_group_reload(g);

	if (err)
		return err;
	mutex_lock(&g->mutex);
	err = sffs_tx_promise(tx, g, blocks);
	mutex_unlock(&g->mutex);
	if (!err)
		WRITE_ONCE(SFFS_SB(tx->sb)->space_group, g->number);
	return err;
}

/* @guess: what is known of a group that another host has had since is believed. */
static int sffs_tx_try_reserve(struct sffs_tx *tx, struct sffs_group_info *g, u32 blocks,
			       bool guess)
{
	int err = 0;

	if (!guess)
		err = tx->urgent ? sffs_group_load_urgent(g) : sffs_group_load(g);
	if (err)
		return err;
	if (READ_ONCE(g->loaded) && READ_ONCE(g->free) < blocks)
		return -ENOSPC;
	err = sffs_tx_lock(tx, &g->lock);
	if (err)
		return err;
	err = sffs_tx_reserve_in(tx, g, blocks);
	sffs_unlock(&g->lock, SFFS_LOCK_EXCLUSIVE);
	return err;
}

/* What ends a search for space; a group that is damaged or cannot be read counts as full. */
static bool sffs_tx_given_up(struct sffs_tx *tx, int err)
{
	const struct sffs_sb_info *sbi = SFFS_SB(tx->sb);

	return err == -EINTR ||
	       (err && (sffs_is_shutdown(sbi) || sffs_lease_mode(&sbi->lease) == SFFS_GATE_FAIL));
}

/* Groups from the goal's on that are asked for a long run before any that is not full. */
#define SFFS_RUN_GROUPS	8U

/* May @run blocks in one piece be found there? A guess that costs nothing. */
static bool sffs_group_has_run(struct sffs_group_info *g, u64 run)
{
	return READ_ONCE(g->longest) >= min_t(u64, run, SFFS_RUN_ENOUGH) &&
	       READ_ONCE(g->free) >= min_t(u64, run, g->blocks / 2);
}

/* A group that this node has, and so costs nothing to others. */
static bool sffs_tx_reserve_held(struct sffs_tx *tx, u32 number, u32 blocks, u64 run)
{
	struct sffs_sb_info *sbi = SFFS_SB(tx->sb);
	struct sffs_group_info *g = number < sffs_nr_groups(sbi) ? sffs_group(sbi, number) : NULL;
	bool done;

	if (!g || (run && !sffs_group_has_run(g, run)) ||
	    !sffs_trylock(&g->lock, SFFS_LOCK_EXCLUSIVE))
		return false;
	done = !sffs_tx_reserve_in(tx, g, blocks);
	sffs_unlock(&g->lock, SFFS_LOCK_EXCLUSIVE);
	return done;
}

/*
 * Groups are tried from @first on: 0, -ENOSPC, -EINTR, or -EIO. @guess as above; without it
 * -ENOSPC is true.
 */
static int sffs_tx_reserve_from(struct sffs_tx *tx, u32 first, u32 blocks, u32 tries, u64 run,
				bool guess)
{
	struct sffs_sb_info *sbi = SFFS_SB(tx->sb);
	u32 groups = sffs_nr_groups(sbi), i;

	for (i = 0; i < min(tries, groups); i++) {
		struct sffs_group_info *g = sffs_group(sbi, ((u64)first + i) % groups);
		int err;

		if (run && ((!guess && sffs_group_load(g)) || !sffs_group_has_run(g, run)))
			err = -ENOSPC;
		else
			err = sffs_tx_try_reserve(tx, g, blocks, guess);
		if (!err)
			return 0;
		/* What gives space back or completes I/O is not left half done. */
		if (!tx->urgent && fatal_signal_pending(current))
			return -EINTR;
		if (sffs_tx_given_up(tx, err))
			return err;
	}
	return -ENOSPC;
}

/*
 * On a volume that others have mounted, too, each node has groups of its own: it stays with the
 * goal's or the last one, as long as it has that, and looks for others in its part of the volume
 * first.
 */
static int sffs_tx_reserve_near(struct sffs_tx *tx, u64 goal, u32 blocks, u32 tries, u64 run)
{
	struct sffs_sb_info *sbi = SFFS_SB(tx->sb);
	struct sffs_group_info *near = sffs_group_of(sbi, goal);
	u32 first = near ? near->number : 0;
	int err;

	if (!sbi->shared)
		return sffs_tx_reserve_from(tx, first, blocks, tries, run, false);
	if (sffs_tx_reserve_held(tx, first, blocks, run) ||
	    sffs_tx_reserve_held(tx, READ_ONCE(sbi->space_group), blocks, run))
		return 0;
	first = sffs_group_here(sbi, first);
	err = sffs_tx_reserve_from(tx, first, blocks, tries, run, true);
	if (err != -ENOSPC || run)
		return err;
	return sffs_tx_reserve_from(tx, first, blocks, tries, run, false);
}

/* Tenths of a second that what is urgent waits for promises in all. */
#define SFFS_PROMISE_WAITS	50

/*
 * There is no space: may there be some soon? What was freed is committed, and what is urgent
 * waits for one of the promises that there were to others, which they need not use all of. Who
 * waits here has none. Returns 0; -EAGAIN if that was waited for; -ENOSPC or an error.
 */
static int sffs_tx_make_space(struct sffs_tx *tx, int promises, int unheld)
{
	struct sffs_sb_info *sbi = SFFS_SB(tx->sb);
	int err = sffs_flush_freed(sbi);

	/* What was busy when it was looked at need not be so any more. */
	if (err != -ENOSPC || unheld != atomic_read(&sbi->unheld))
		return err == -ENOSPC ? 0 : err;
	/* Who has a promise may be waiting for the one that writes quota. */
	if (!tx->urgent || tx->quota_sync || !promises || WARN_ON_ONCE(tx->space_group))
		return -ENOSPC;
	wait_event_timeout(sbi->free_wait, atomic_read(&sbi->promises) < promises, HZ / 10);
	return -EAGAIN;
}

/**
 * sffs_tx_reserve_run() - make sure of free blocks, all in one group
 * @tx: transaction that has not started
 * @goal: block near which they should be
 * @blocks: how many
 * @run: blocks that will be asked for in one piece if there are so many; may be 0
 *
 * Groups are tried from the goal's on, a few for the run first. When none has enough,
 * freed extents that wait for a commit are made available and all are tried once more. All
 * reservations of one transaction that allocate come from the last call's group.
 *
 * What is urgent also waits for other transactions of this node to give back what they
 * have been promised, and does not give up when the task is killed.
 *
 * Context: may sleep and wait for a commit; no handle may be held.
 * Return: 0, -ENOSPC, -EINTR, or an error.
 */
int sffs_tx_reserve_run(struct sffs_tx *tx, u64 goal, u32 blocks, u64 run)
{
	struct sffs_sb_info *sbi = SFFS_SB(tx->sb);
	int pass = 0, waits = 0, err, promises, unheld;

	tx->goal = goal;
	tx->run = run;
	if (run && !sffs_tx_reserve_near(tx, goal, blocks, SFFS_RUN_GROUPS, run))
		return 0;
	while (pass < 3) {
		promises = atomic_read(&sbi->promises);
		unheld = atomic_read(&sbi->unheld);
		err = sffs_tx_reserve_near(tx, goal, blocks, U32_MAX, 0);
		if (err != -ENOSPC)
			return err;
		err = sffs_tx_make_space(tx, promises, unheld);
		if (!err)
			pass++;
		else if (err != -EAGAIN)
			return err;
		else if (++waits > SFFS_PROMISE_WAITS)
			break;
	}
	return -ENOSPC;
}

/* The same where the blocks are taken one by one. */
int sffs_tx_reserve(struct sffs_tx *tx, u64 goal, u32 blocks)
{
	return sffs_tx_reserve_run(tx, goal, blocks, 0);
}

static void sffs_tx_unlock(struct sffs_tx *tx)
{
	unsigned int i;

	for (i = 0; i < tx->nr; i++) {
		if (tx->group[i].locked)
			sffs_unlock(&tx->group[i].g->lock, SFFS_LOCK_EXCLUSIVE);
		tx->group[i].locked = false;
	}
}

/* Give back what was promised and has not been used; returns the blocks of it. */
static u32 sffs_tx_unreserve(struct sffs_tx *tx)
{
	struct sffs_sb_info *sbi = SFFS_SB(tx->sb);
	u32 blocks = 0;
	unsigned int i;

	for (i = 0; i < tx->nr; i++) {
		struct sffs_group_info *g = tx->group[i].g;

		if (!tx->group[i].reserved && !tx->group[i].inodes)
			continue;
		mutex_lock(&g->mutex);
		g->reserved -= tx->group[i].reserved;
		g->reserved_inodes -= tx->group[i].inodes;
		mutex_unlock(&g->mutex);
		blocks += tx->group[i].reserved;
		tx->group[i].reserved = 0;
		tx->group[i].inodes = 0;
	}
	if (tx->space_group) {
		tx->space_group = NULL;
		atomic_dec(&sbi->promises);
		if (wq_has_sleeper(&sbi->free_wait))
			wake_up_all(&sbi->free_wait);
	}
	return blocks;
}

static void sffs_tx_release(struct sffs_tx *tx)
{
	sffs_tx_unreserve(tx);
	sffs_tx_unlock(tx);
	tx->nr = 0;
	/* No inode took it. */
	sffs_lock_end_wanted(tx->number);
	tx->number = NULL;
}

/* With the group's lock held again: has it what it promised, whoever had it meanwhile? */
static bool sffs_tx_kept(struct sffs_tx *tx, unsigned int i)
{
	struct sffs_group_info *g = tx->group[i].g;
	bool kept;

	if (likely(tx->group[i].period == g->lock.period) ||
	    (!tx->group[i].reserved && !tx->group[i].inodes))
		return true;
	mutex_lock(&g->mutex);
	kept = g->free >= g->reserved + READ_ONCE(g->busy_blocks) &&
	       g->free_inodes >= g->reserved_inodes;
	mutex_unlock(&g->mutex);
	return kept;
}

/* Insertion sort by group number: there are a handful. */
static void sffs_tx_sort(struct sffs_tx *tx)
{
	unsigned int i, k;

	for (i = 1; i < tx->nr; i++)
		for (k = i; k && tx->group[k - 1].g->number > tx->group[k].g->number; k--)
			swap(tx->group[k - 1], tx->group[k]);
}

/* The groups' locks in their order; -EAGAIN: one has not what it promised any more. */
static int sffs_tx_lock_groups(struct sffs_tx *tx)
{
	unsigned int i;
	int err;

	sffs_tx_sort(tx);
	for (i = 0; i < tx->nr; i++) {
		err = sffs_tx_lock(tx, &tx->group[i].g->lock);
		if (err)
			return err;
		tx->group[i].locked = true;
		if (!sffs_tx_kept(tx, i))
			return -EAGAIN;
	}
	return 0;
}

/*
 * Another host has used up what was promised: that does not say that the volume is full. The
 * blocks are asked for once more, from all groups; for an inode, the caller plans again.
 */
static int sffs_tx_replan(struct sffs_tx *tx)
{
	unsigned int i, nr = 0;
	bool inode = false;
	u32 blocks;

	sffs_tx_unlock(tx);
	for (i = 0; i < tx->nr; i++)
		inode |= tx->group[i].inodes;
	if (inode)
		return -EAGAIN;
	blocks = sffs_tx_unreserve(tx);
	for (i = 0; i < tx->nr; i++)
		if (tx->group[i].frees)
			tx->group[nr++] = tx->group[i];
	tx->nr = nr;
	return sffs_tx_reserve_run(tx, tx->goal, blocks, tx->run);
}

/**
 * sffs_tx_start() - take the groups' locks in order and start a handle
 * @tx: planned transaction
 * @credits: blocks that it may change
 *
 * Context: may sleep; the inodes' cluster locks are held, no folio is locked.
 * Return: 0; -EAGAIN if an inode was planned that another host has taken; or an error. Then
 * everything planned has been given back.
 */
int sffs_tx_start(struct sffs_tx *tx, unsigned int credits)
{
	struct sffs_sb_info *sbi = SFFS_SB(tx->sb);
	int err = 0;

	if (unlikely(!sbi->journal)) {
		err = -EROFS;
		goto fail;
	}
	if (unlikely(sbi->quota)) {
		credits += SFFS_QUOTA_CREDITS;
		if (!tx->quota_sync && !journal_current_handle())
			err = sffs_quota_room(tx->sb, tx->urgent);
		if (err)
			goto fail;
	}
	/* Each time others have got something, so this comes to an end. */
	while ((err = sffs_tx_lock_groups(tx)) == -EAGAIN) {
		err = sffs_tx_replan(tx);
		if (err)
			goto fail;
	}
	if (err)
		goto fail;
	tx->handle = jbd2__journal_start(sbi->journal, credits, 0, credits, GFP_NOFS, 0, 0);
	if (!IS_ERR(tx->handle))
		return 0;
	err = PTR_ERR(tx->handle);
	tx->handle = NULL;
fail:
	sffs_tx_release(tx);
	return err;
}

/* End the transaction; what it changed is durable after a commit. */
int sffs_tx_stop(struct sffs_tx *tx)
{
	int err = 0;

	if (tx->handle)
		err = jbd2_journal_stop(tx->handle);
	tx->handle = NULL;
	sffs_tx_release(tx);
	if (unlikely(tx->gone))
		sffs_put_gone(tx->gone);
	tx->gone = NULL;
	return err;
}

/* Give back a transaction that was planned and not started. */
void sffs_tx_cancel(struct sffs_tx *tx)
{
	sffs_tx_release(tx);
}

int sffs_tx_access(struct sffs_tx *tx, struct buffer_head *bh)
{
	int err = jbd2_journal_get_write_access(tx->handle, bh);

	if (!err)
		jbd2_journal_set_triggers(bh, &SFFS_SB(tx->sb)->trigger);
	return err;
}

/* A failure here is one of the journal and means that it has been aborted. */
void sffs_tx_dirty(struct sffs_tx *tx, struct buffer_head *bh)
{
	int err = jbd2_journal_dirty_metadata(tx->handle, bh);

	if (unlikely(err))
		sffs_shutdown(tx->sb, "the journal refused a block");
}

/* Zero a block but for its header; the caller may change it, and holds its lock. */
static void sffs_block_init(struct buffer_head *bh, u32 magic, u64 owner, u32 generation)
{
	struct sffs_header *h = (struct sffs_header *)bh->b_data;

	memset(h, 0, SFFS_BLOCK_SIZE);
	h->magic = cpu_to_le32(magic);
	h->block = cpu_to_le64(bh->b_blocknr);
	h->owner = cpu_to_le64(owner);
	h->generation = cpu_to_le32(generation);
	set_buffer_sffs_checked(bh);
	clear_buffer_sffs_leaf(bh);
}

/**
 * sffs_tx_create() - begin to use a free block as metadata
 * @tx: running transaction that allocated it
 * @lock: of the inode or group that it belongs to; NULL: it is the own slot's
 * @block: block number
 * @magic: kind of block
 * @generation: of the inode; zero for other owners
 *
 * Return: its buffer, zero but for the header, or an error pointer. The caller
 * fills it and calls sffs_tx_dirty().
 */
struct buffer_head *sffs_tx_create(struct sffs_tx *tx, struct sffs_lock *lock, u64 block,
				   u32 magic, u32 generation)
{
	struct sffs_sb_info *sbi = SFFS_SB(tx->sb);
	struct buffer_head *bh = __getblk(sbi->bdev, block, SFFS_BLOCK_SIZE);
	int err;

	if (!bh)
		return ERR_PTR(-ENOMEM);
	lock_buffer(bh);
	err = jbd2_journal_get_create_access(tx->handle, bh);
	if (err) {
		unlock_buffer(bh);
		brelse(bh);
		return ERR_PTR(err);
	}
	sffs_block_init(bh, magic, lock ? lock->number : sbi->slot, generation);
	set_buffer_uptodate(bh);
	sffs_cache_know(lock, block);
	unlock_buffer(bh);
	jbd2_journal_set_triggers(bh, &sbi->trigger);
	return bh;
}

/**
 * sffs_tx_overwrite() - write a block of its own kind anew without reading it
 * @tx: running transaction
 * @lock: of the inode; NULL for a backup of the super block
 * @block: an inode's block, which is metadata even while the inode is free
 * @magic: kind of block
 * @generation: of the inode
 *
 * Unlike one that was just allocated, it may be part of the transaction that is
 * being committed.
 *
 * Return: as sffs_tx_create().
 */
struct buffer_head *sffs_tx_overwrite(struct sffs_tx *tx, struct sffs_lock *lock, u64 block,
				      u32 magic, u32 generation)
{
	struct buffer_head *bh = __getblk(SFFS_SB(tx->sb)->bdev, block, SFFS_BLOCK_SIZE);
	int err;

	if (!bh)
		return ERR_PTR(-ENOMEM);
	lock_buffer(bh);
	if (!buffer_uptodate(bh)) {
		memset(bh->b_data, 0, SFFS_BLOCK_SIZE);
		set_buffer_uptodate(bh);
	}
	sffs_cache_know(lock, block);
	unlock_buffer(bh);
	err = sffs_tx_access(tx, bh);
	if (err) {
		brelse(bh);
		return ERR_PTR(err);
	}
	sffs_block_init(bh, magic, lock ? lock->number : 0, generation);
	return bh;
}

/* Forget a metadata block that is being freed, so that no replay brings it back. */
int sffs_tx_revoke(struct sffs_tx *tx, u64 block)
{
	struct buffer_head *bh = __find_get_block(SFFS_SB(tx->sb)->bdev, block, SFFS_BLOCK_SIZE);
	int err;

	if (bh)
		clear_buffer_sffs_checked(bh);
	err = jbd2_journal_revoke(tx->handle, block, bh);	/* drops bh */
	return err;
}
