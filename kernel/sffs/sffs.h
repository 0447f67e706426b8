/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * In-memory structures of SFFS, and what its files offer each other.
 *
 * Order of locks, outermost first:
 *
 *   mmap_lock, i_rwsem, cluster lock (rename, directories, inodes, quota, super block,
 *   groups), invalidate_lock, folio lock; jbd2 handle; sffs_inode.tree_sem;
 *   sffs_group.mutex; sffs_group.busy_lock
 *
 * A handle starts with no folio locked and with every cluster lock held that it
 * will need: struct sffs_tx collects them first. The folio lock comes before
 * the handle only in iomap, which starts none under a folio lock.
 */
#ifndef _SFFS_H
#define _SFFS_H

#include <linux/buffer_head.h>
#include <linux/fs.h>
#include <linux/iomap.h>
#include <linux/jbd2.h>
#include <linux/mutex.h>
#include <linux/ratelimit.h>
#include <linux/rbtree.h>
#include <linux/rwsem.h>
#include <linux/siphash.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include <linux/sffs.h>

#include <compat.h>
#include <compat-fs.h>

#include "pure.h"
#include "sffs_format.h"

#undef pr_fmt
#define pr_fmt(fmt)	"sffs: " fmt

#define EFSCORRUPTED	EUCLEAN

struct sffs_gate;
struct sffs_lockmgr;
struct sffs_lun;
struct sffs_node;
struct sffs_lose;
struct sffs_resource;
struct sffs_tx;

/* ---- Cluster locks: lock.c ---- */

/* sffs_lock.cache, a bit each */
#define SFFS_CACHE_STALE	0	/* nothing that is in memory counts */
#define SFFS_CACHE_FILLING	1	/* held while sffs_cache_fill() reads */
#define SFFS_CACHE_DEAD		2	/* the inode was freed elsewhere: -ESTALE for ever */
#define SFFS_CACHE_DIRTY	3	/* was used exclusively since it was last flushed */
#define SFFS_CACHE_LEAVING	4	/* is being given up by lose.c */
#define SFFS_CACHE_AWAY		5	/* was given up: what there is may be as good as before */
#define SFFS_CACHE_HALF		6	/* a half shifted file: its adopter's, see adopt.c */

/**
 * struct sffs_lock - this node's part of one lock resource
 * @sbi: the mount
 * @number: resource number, as enum sffs_lock_type says
 * @type: enum sffs_lock_type
 * @res: the lock manager's part; NULL before the first use, and with -o local
 * @uses: with -o local: tasks and asynchronous requests that use it, by mode
 * @cache: SFFS_CACHE_*
 * @period: of the lock: another one, never used before on this mount, with each drop
 * @known: blocks of the resource that were read or written in this period, by number
 *
 * The lock belongs to the node: any number of tasks may use one that the node
 * holds, in both modes, and exclude each other by i_rwsem, tree_sem or the
 * group's mutex. A use keeps the lock from being given up.
 *
 * Who points at whom: this structure has a reference to the resource, from its first use
 * to sffs_lock_exit(), and the resource points back as its owner, under its own lock. The
 * resource outlives this structure: an inode is evicted, and the node keeps the lock until
 * another one wants it; a new inode of the number finds the resource as it is. While the
 * manager works for the lock (flush, unmap, drop), the owner stays: sffs_lock_exit() waits
 * for that, and so the work must end no inode. With no owner there are no pages, but the
 * journal may have blocks that were changed under the lock, so that is flushed. @res is
 * set once, by cmpxchg(), after the resource has its owner. There is one owner at a time: a
 * new inode takes over from one of its number that was freed elsewhere and lingers here,
 * which is SFFS_CACHE_DEAD, so that nobody can use it any more.
 *
 * What memory has of the resource counts only while the lock is held and not stale; cache.c
 * says how it is given up and filled again.
 */
struct sffs_lock {
	struct sffs_sb_info *sbi;
	u64 number;
	u8 type;
	struct sffs_resource *res;
	atomic_t uses[3];
	unsigned long cache;
	unsigned long period;
	struct xarray known;
};

void sffs_lock_init(struct sffs_lock *lock, struct sffs_sb_info *sbi, unsigned int type,
		    u64 number);
void sffs_lock_exit(struct sffs_lock *lock);
void sffs_lock_die(struct sffs_lock *lock);
int sffs_lock(struct sffs_lock *lock, enum sffs_lock_mode mode);
int sffs_lock_urgent(struct sffs_lock *lock, enum sffs_lock_mode mode);
bool sffs_trylock(struct sffs_lock *lock, enum sffs_lock_mode mode);
bool sffs_lock_last(struct sffs_lock *lock);
bool sffs_lock_last_number(struct sffs_sb_info *sbi, u64 ino);
void sffs_unlock(struct sffs_lock *lock, enum sffs_lock_mode mode);
void sffs_lock_keep(struct sffs_lock *lock, unsigned int ms);
int sffs_lock_number(struct sffs_tx *tx, u64 ino);
bool sffs_lock_new(struct sffs_tx *tx, struct sffs_lock *lock);
int sffs_lock_wanted(struct sffs_tx *tx, int err, struct sffs_resource **held);
void sffs_lock_end_wanted(struct sffs_resource *held);
int sffs_locks_start(struct sffs_sb_info *sbi);
void sffs_locks_stop(struct sffs_sb_info *sbi);

/* ---- What is cached under a lock: cache.c ---- */

int sffs_cache_commit(struct sffs_sb_info *sbi);
int sffs_cache_flush(struct sffs_lock *lock);
void sffs_cache_unmap(struct sffs_lock *lock);
void sffs_cache_drop(struct sffs_lock *lock);
int sffs_cache_fill(struct sffs_lock *lock);
void sffs_cache_know(struct sffs_lock *lock, u64 block);
bool sffs_cache_known(struct sffs_lock *lock, struct buffer_head *bh);

/* lose.c: locks that are lost for a test */
bool sffs_lose_wanted(void);
int sffs_lose_start(struct sffs_sb_info *sbi);
void sffs_lose_stop(struct sffs_sb_info *sbi);
void sffs_lose_get(struct sffs_lock *lock, enum sffs_lock_mode mode);
bool sffs_lose_try(struct sffs_lock *lock, enum sffs_lock_mode mode);
void sffs_lose_init(struct dentry *folder);

/* dentry.c: names are true only in the period of their directory's lock */
extern const struct dentry_operations sffs_dentry_ops;
void sffs_dentry_true(struct dentry *dentry, struct inode *dir);
int sffs_dentry_check(struct inode *dir, struct dentry *dentry);
int sffs_permission(struct mnt_idmap *idmap, struct inode *inode, int mask);

/* Must sffs_cache_fill() look at it before what is cached may be believed? */
static inline bool sffs_cache_stale(const struct sffs_lock *lock)
{
	/* Pairs with the end of sffs_cache_fill(), and of the shift. */
	return smp_load_acquire(&lock->cache) &
	       (BIT(SFFS_CACHE_STALE) | BIT(SFFS_CACHE_AWAY) | BIT(SFFS_CACHE_HALF));
}

/* ---- The gate: gate.c ---- */

/**
 * enum sffs_gate_mode - what happens to a write
 * @SFFS_GATE_OPEN: it goes through
 * @SFFS_GATE_HOLD: it waits: the lease is so near its end that it might come too late
 * @SFFS_GATE_FAIL: -EIO, for good
 */
enum sffs_gate_mode {
	SFFS_GATE_OPEN,
	SFFS_GATE_HOLD,
	SFFS_GATE_FAIL,
};

/**
 * struct sffs_lease - until when this node may write; one for all gates of a mount
 * @lock: covers changes of the next three, and @held
 * @hold_at: when gates begin to hold; CLOCK_BOOTTIME, ns; U64_MAX: there is no lease
 * @fail_at: when the lease ends
 * @failed: it has ended, or the mount was shut down; never cleared
 * @held: writes that wait
 * @release: lets them go
 * @on_conflict: looks into a write that was refused for want of a key; NULL until there is
 *	a node, and set once
 */
struct sffs_lease {
	spinlock_t lock;	/* see above */
	u64 hold_at;
	u64 fail_at;
	bool failed;
	struct bio_list held;
	struct work_struct release;
	struct work_struct *on_conflict;
};

extern struct workqueue_struct *sffs_lease_wq;
void sffs_conflict(struct work_struct **on_conflict);
void sffs_lease_init(struct sffs_lease *lease);
enum sffs_gate_mode sffs_lease_mode(const struct sffs_lease *lease);
bool sffs_lease_renew(struct sffs_lease *lease, u64 hold_at, u64 fail_at);
void sffs_lease_fail(struct sffs_lease *lease);
void sffs_lease_exit(struct sffs_lease *lease);

struct sffs_gate *sffs_gate_open(dev_t lower, bool write, void *holder, struct sffs_lease *lease);
struct block_device *sffs_gate_lower(struct sffs_gate *gate);
void sffs_gate_close(struct sffs_gate *gate);
void sffs_gate_watch(struct sffs_gate *gate, u64 *progress);
struct block_device *sffs_gate_bdev(struct sffs_gate *gate);
void sffs_gate_name(struct sffs_gate *gate, char *name, size_t size);
bool sffs_gate_read_only(struct sffs_gate *gate);
bool sffs_device_read_only(dev_t dev);
u64 sffs_gate_resize(struct sffs_gate *gate);
int sffs_gate_io(struct sffs_gate *gate, u64 block, void *buf, unsigned int blocks, blk_opf_t op);
int sffs_gate_io_part(struct sffs_gate *gate, u64 block, void *buf, u32 offset, u32 bytes,
		      blk_opf_t op);
bool sffs_gate_stable(const struct sffs_gate *gate);
int sffs_gate_zero(struct sffs_gate *gate, u64 block, u32 count);
struct bio *sffs_gate_unmap(struct sffs_gate *gate, struct bio *chain, u64 from, u32 bytes);

/**
 * struct sffs_units - in which pieces a device takes blocks back
 * @granularity: size of a unit in bytes
 * @alignment: where the first one begins, below @granularity
 * @max: most bytes for one UNMAP; 0: none at all
 */
struct sffs_units {
	u32 granularity;
	u32 alignment;
	u32 max;
};

void sffs_gate_units(struct sffs_gate *gate, struct sffs_units *units);
int sffs_gate_init(void);
void sffs_gate_exit(void);

/* ---- One mount ---- */

#define SFFS_MOUNT_SHUTDOWN	0	/* no more writes; see sffs_shutdown() */
#define SFFS_MOUNT_UNMAP_FAILS	1	/* the last UNMAP failed, and that was reported */

/**
 * struct sffs_sb_info - one mount
 * @sb: the VFS's part
 * @anon_dev: the number that the VFS gave to @sb, which has the device's; 0: it has its own
 * @gate: the private device; all I/O but heartbeat, locks and mailbox
 * @bdev: the gate's block device
 * @lease: until when the gate lets writes through
 * @lun: heartbeat, locks and mailbox; NULL with -o local
 * @node: this node among others; NULL with -o local
 * @lockmgr: holds its locks; NULL with -o local. Set under the node's lock
 * @journal: journal of @slot; NULL on a read-only mount
 * @journal_users: those that may abort @journal, and one for the mount
 * @journal_unused: told when the last of them is done
 * @trigger: sets checksums as jbd2 takes each buffer
 * @super_bh: the super block, pinned
 * @groups: by number: struct sffs_group_info
 * @group_runs: their memory
 * @grow_mutex: held while the volume grows, or another field of the super block changes
 * @mounts_entry: in netlink.c's list of mounts
 * @mount_number: of the mount, in the order of mounting; never 0 once it is listed
 * @dumps: netlink dumps that look at it; a mount that ends waits for them
 * @damage_rate: of events about damage
 * @free_lock: covers @freed, @committed, and @reclaim_on to @reclaim_next
 * @freed: extents whose freeing transaction has not been committed, oldest first
 * @committed: extents whose freeing has been committed, for @free_work
 * @free_work: makes them available again
 * @reclaim_rate: how fast the background gives space back: kB/s, or SFFS_RECLAIM_*
 * @reclaim_on: it may; cleared before the mount is read-only or ends
 * @reclaim_groups: groups that may have something to give back, next one first
 * @reclaim_first: group from which on all others may, too
 * @reclaim_next: before that time, in jiffies, the rate wants no more
 * @reclaim_work: the background
 * @reclaiming: callers that have stretches under way to be unmapped
 * @unheld: counts the extents that were busy and are so no longer
 * @promises: transactions that have blocks reserved
 * @space_group: number of the group where some were reserved last
 * @free_wait: woken when there are no callers in @reclaiming, when freed extents have been
 *	committed, and when one of @promises ends
 * @reclaim_pause: none are chosen before that time, in jiffies
 * @conv_wq: converts unwritten extents after writeback
 * @free_wq: runs @free_work, which those wait for who convert or give a group up: nothing that
 *	waits for a lock of the cluster may be on it
 * @reap_lock: covers what follows, up to @reap_due
 * @reap_work: frees inodes without links that could not be freed at once
 * @reaped: struct sffs_reaped: their numbers
 * @reap_due: jiffies of its next run, if it is queued
 * @reap_stopped: the mount goes
 * @orphan_mutex: covers the slot's orphan table, and the next five; taken under a handle
 * @orphan_table: its first block
 * @orphan_spare: a block of it that may have a free entry
 * @orphan_free: free entries
 * @orphan_blocks: its blocks, by number
 * @adopted: struct sffs_adopted: what was in it at mount, and came from dead slots since
 * @adopt_task: finishes that; NULL with -o local
 * @adopt_wait: it waits here for more
 * @crash_due: a recovery has to be noted in the super block, see adopt.c
 * @nonces: with -o local: sum of those of the slots, when nobody else was there
 * @crashes: recoveries of dead slots, ever; see sffs_group_info.crashes
 * @shared: locks may be given up, so what memory has counts only under them, see cache.c
 * @periods: the last period of a lock
 * @lose: takes locks away, for tests; NULL if it does not, see lose.c
 * @follow: the super block's lock is wanted back when it is given up
 * @follow_work: does that
 * @fixed: the fixed locks
 * @quota_wanted: types of quota that mount options name, a bit each
 * @quota: what is kept about users, groups and projects, or NULL
 */
struct sffs_sb_info {
	struct super_block *sb;
	dev_t anon_dev;
	struct sffs_gate *gate;
	struct block_device *bdev;
	struct sffs_lease lease;
	struct sffs_lun *lun;
	struct sffs_node *node;
	struct sffs_lockmgr *lockmgr;
	journal_t *journal;
	refcount_t journal_users;
	struct completion journal_unused;
	struct jbd2_buffer_trigger_type trigger;
	struct buffer_head *super_bh;
	unsigned long flags;

	u64 blocks;
	u64 first_group_block;
	u32 nr_groups;
	u32 bitmap_blocks;
	u32 seed;
	u32 slots;
	u32 slot;
	u32 incarnation;
	u8 sector_shift;
	u8 group_shift;
	u16 chunk_blocks;
	u16 chunk_inode0;
	siphash_key_t hash_key;
	u64 root_ino;
	bool local;
	bool nofence;
	bool shared;
	bool inline_data;
	u32 crashes;
	unsigned int quota_wanted;
	struct sffs_quota_info *quota;

	struct xarray groups;
	struct list_head group_runs;
	struct mutex grow_mutex;	/* one change of the super block at a time */
	struct list_head mounts_entry;
	u64 mount_number;
	atomic_t dumps;
	struct ratelimit_state damage_rate;
	atomic_t next_dir_group;

	spinlock_t free_lock;	/* extents on their way to be free */
	struct list_head freed;
	struct list_head committed;
	struct work_struct free_work;

	u32 reclaim_rate;
	bool reclaim_on;
	struct list_head reclaim_groups;
	u32 reclaim_first;
	unsigned long reclaim_next;
	struct delayed_work reclaim_work;
	atomic_t reclaiming;
	atomic_t unheld;
	atomic_t promises;
	u32 space_group;
	wait_queue_head_t free_wait;
	unsigned long reclaim_pause;

	struct workqueue_struct *conv_wq;
	struct workqueue_struct *free_wq;
	spinlock_t reap_lock;	/* see above */
	struct delayed_work reap_work;
	struct list_head reaped;
	unsigned long reap_due;
	bool reap_stopped;

	struct mutex orphan_mutex;	/* the orphan list of the slot */
	u64 orphan_table;
	u64 orphan_spare;
	u32 orphan_free;
	struct xarray orphan_blocks;
	struct list_head adopted;
	struct task_struct *adopt_task;
	wait_queue_head_t adopt_wait;
	bool crash_due;

	struct delayed_work heartbeat;
	u64 heartbeat_seq;
	u64 nonces;
	u32 heartbeat_ms;
	u32 lease_ms;
	time64_t mounted_sec;

	atomic_long_t periods;
	struct sffs_lose *lose;

	bool follow;
	struct delayed_work follow_work;
	struct sffs_lock fixed[4];
};

static inline struct sffs_sb_info *SFFS_SB(const struct super_block *sb)
{
	return sb->s_fs_info;
}

static inline bool sffs_is_shutdown(const struct sffs_sb_info *sbi)
{
	return test_bit(SFFS_MOUNT_SHUTDOWN, &sbi->flags);
}

/* ---- Inodes ---- */

/**
 * struct sffs_inode_info - an inode in memory
 * @bh: its block, pinned
 * @lock: its cluster lock
 * @open_lock: held shared while the file is open here
 * @tree_sem: covers the tree (extents or entries) against lookups without i_rwsem
 * @map_seq: raised whenever a mapping changes; the iomap validity cookie
 * @ahead: first block that an appending writer has mapped ahead; under i_rwsem
 * @ahead_end: behind the last of them; release gives back those that the end of the
 *	file has not reached. What fallocate(2) put there is not among them.
 * @shift_from: first block that a collapse or insert has yet to move
 * @shift_end: behind the last one
 * @shift_by: by how many blocks; 0: none is under way. See falloc.c
 * @orphan: slot + 1 of the orphan table that lists it; 0: none
 * @cut_due: a truncation has failed on this node; see sffs_finish_cut()
 * @xattr_sem: covers the extended attributes
 * @io_list: writeback completions that wait for conversion, under @io_lock
 * @sync_tid: transaction of the last change
 * @datasync_tid: transaction of the last change that fdatasync cares for
 */
struct sffs_inode_info {
	struct buffer_head *bh;
	struct sffs_lock lock;
	struct sffs_lock open_lock;
	struct rw_semaphore tree_sem;
	u32 flags;
	u32 project;
	u64 map_seq;
	u64 parent;
	u64 entries;
	struct timespec64 btime;
	u8 format;
	u64 ahead;
	u64 ahead_end;
	u64 shift_from;
	u64 shift_end;
	s64 shift_by;
	u8 orphan;
	bool cut_due;
	u16 orphan_index;
	u64 orphan_block;
	u64 xattr_block;
	struct rw_semaphore xattr_sem;
	tid_t sync_tid;
	tid_t datasync_tid;

	spinlock_t io_lock;	/* io state of the inode */
	struct list_head io_list;
	struct work_struct io_work;

	struct inode vfs;
};

static inline struct sffs_inode_info *SFFS_I(const struct inode *inode)
{
	return container_of(inode, struct sffs_inode_info, vfs);
}

static inline struct sffs_inode *sffs_raw(const struct inode *inode)
{
	return (struct sffs_inode *)SFFS_I(inode)->bh->b_data;
}

static inline u8 sffs_format(const struct inode *inode)
{
	return READ_ONCE(SFFS_I(inode)->format);
}

/* inode.c */
struct inode *sffs_alloc_inode(struct super_block *sb);
void sffs_free_inode(struct inode *inode);
struct inode *sffs_iget(struct super_block *sb, u64 ino);
int sffs_reload_inode(struct inode *inode);
int sffs_read_parent(struct inode *dir, u64 *parent);
struct inode *sffs_forget_number(struct super_block *sb, u64 ino);
void sffs_put_gone(struct inode *inode);
void sffs_set_ops(struct inode *inode);
int sffs_store_inode(struct sffs_tx *tx, struct inode *inode);
void sffs_store_fields(struct inode *inode);
void sffs_dirty_inode(struct inode *inode, int flags);
int sffs_write_inode(struct inode *inode, struct writeback_control *wbc);
void sffs_evict_inode(struct inode *inode);
int sffs_getattr(struct mnt_idmap *idmap, const struct path *path, struct kstat *stat,
		 u32 request_mask, unsigned int query_flags);
int sffs_setattr(struct mnt_idmap *idmap, struct dentry *dentry, struct iattr *attr);
int sffs_truncate(struct inode *inode);
int sffs_zero_tail(struct inode *inode, loff_t to);
int sffs_finish_cut(struct inode *inode);
int sffs_grow_size(struct inode *inode, loff_t size);
int sffs_set_size(struct inode *inode, loff_t size, bool orphan);
int sffs_drop_ahead(struct inode *inode);
int sffs_sync_inode(struct inode *inode, bool datasync);
int sffs_inode_cache_init(void);
void sffs_inode_cache_exit(void);

/* Blocks of the volume in the VFS's units of 512 bytes. */
static inline void sffs_add_blocks(struct inode *inode, s64 blocks)
{
	if (blocks >= 0)
		inode_add_bytes(inode, blocks << SFFS_BLOCK_SHIFT);
	else
		inode_sub_bytes(inode, -blocks << SFFS_BLOCK_SHIFT);
}

/* ialloc.c */
int sffs_plan_inode(struct sffs_tx *tx, struct inode *dir, umode_t mode);
int sffs_new_inode(struct sffs_tx *tx, struct mnt_idmap *idmap, struct inode *dir, umode_t mode,
		   dev_t rdev, struct inode **result);
int sffs_release_inode(struct sffs_tx *tx, struct inode *inode);
int sffs_check_ino(struct super_block *sb, u64 ino);

/* orphan.c */
/* Bound on the length of a table's chain, against loops: a million entries. */
#define SFFS_ORPHAN_CHAIN	4096U
int sffs_orphan_load(struct super_block *sb);
int sffs_orphan_room(struct super_block *sb);
int sffs_orphan_add(struct sffs_tx *tx, struct inode *inode);
int sffs_orphan_del(struct sffs_tx *tx, struct inode *inode);
int sffs_orphan_drop(struct super_block *sb, u64 block, u32 index,
		     const struct sffs_orphan *entry);
void sffs_orphan_own(struct sffs_sb_info *sbi, u64 block, u32 used);
bool sffs_orphan_damaged(struct super_block *sb, struct buffer_head *bh, u32 nr);
struct buffer_head *sffs_orphan_block(struct super_block *sb, u64 block, u32 slot);
struct buffer_head *sffs_slot_area(struct super_block *sb, u32 slot);
void sffs_reap(struct sffs_sb_info *sbi, u64 ino);
void sffs_reap_again(struct sffs_sb_info *sbi, u64 ino);
bool sffs_reap_later(struct inode *inode);
void sffs_reap_put(struct inode *inode);
void sffs_reap_init(struct sffs_sb_info *sbi);
void sffs_reap_stop(struct sffs_sb_info *sbi);

/* adopt.c: what dead slots have left half done */
int sffs_adopt(struct super_block *sb, u32 slot);
void sffs_adopt_note(struct sffs_sb_info *sbi, const struct buffer_head *bh);
bool sffs_adopt_left(struct sffs_sb_info *sbi);
int sffs_adopt_finish(struct super_block *sb);
int sffs_adopt_start(struct super_block *sb);
void sffs_adopt_stop(struct super_block *sb);
void sffs_adopt_exit(struct sffs_sb_info *sbi);

/* ---- Allocation groups: group.c, alloc.c ---- */

/**
 * struct sffs_group_seen - the counts of a group when they were last asked for
 * @at: in jiffies, when they were read without the group's lock; 0: with it, or never
 * @free: free blocks
 * @unmapped: those of them that the array does not back
 * @free_inodes: free inodes
 * @chunks: of inodes
 */
struct sffs_group_seen {
	unsigned long at;
	u32 free;
	u32 unmapped;
	u32 free_inodes;
	u32 chunks;
};

/**
 * struct sffs_group_info - an allocation group in memory
 * @lock: its cluster lock
 * @mutex: covers the group's blocks and the counts, between tasks of this node
 * @loaded: the counts were read
 * @free: free blocks; these and the next three under @mutex, read without as a hint
 * @reserved: promised to transactions that have not used them yet
 * @reserved_inodes: free inodes promised likewise
 * @hint: where the last search ended
 * @longest: a hint: no free run is longer; U32_MAX: not known, see sffs_search_on()
 * @searched: bitmap blocks that were looked at to find that out; under @mutex
 * @search_longest: the longest run in them; under @mutex
 * @more_free: something has become free since then
 * @seen: for who only wants to know; under @mutex
 * @crashes: of the mount, when `unmapped` was right: see reclaim.c; under @mutex
 * @reclaim_entry: in sffs_sb_info.reclaim_groups, or empty; under free_lock like the next two
 * @reclaim_start: first block that may be to be given back
 * @reclaim_end: behind the last one
 * @busy: extents in the bitmaps as free that must not be used yet, by start
 * @busy_blocks: their sum
 * @busy_lock: covers @busy and @busy_blocks
 */
struct sffs_group_info {
	struct sffs_lock lock;
	struct mutex mutex;	/* the counts and @hint below, and the search */
	bool loaded;
	u32 number;
	u32 blocks;
	u32 free;
	u32 unmapped;
	u32 free_inodes;
	u32 chunks;
	u32 reserved;
	u32 reserved_inodes;
	u32 hint;
	u32 longest;
	u32 searched;
	u32 search_longest;
	bool more_free;
	struct sffs_group_seen seen;
	u32 crashes;
	struct list_head reclaim_entry;
	u32 reclaim_start;
	u32 reclaim_end;
	spinlock_t busy_lock;	/* extents that may not be allocated */
	u32 busy_blocks;
	struct rb_root busy;
};

/* A free run this long, or as long as wanted, is taken at once; shorter ones compete. */
#define SFFS_RUN_ENOUGH		2048U

/* An extent that was freed until that is on disk, or one that is being unmapped. */
struct sffs_busy {
	struct rb_node node;
	struct list_head list;
	struct sffs_group_info *group;
	u32 start;			/* blocks of the group */
	u32 count;
	tid_t tid;
	bool meta;			/* was metadata: the buffer cache may alias it */
};

static inline u64 sffs_group_start(const struct sffs_group_info *g)
{
	const struct sffs_sb_info *sbi = g->lock.sbi;

	return sbi->first_group_block + ((u64)g->number << sbi->group_shift);
}

/* How many groups: it may grow, so a loop asks once and knows what it counts to. */
static inline u32 sffs_nr_groups(const struct sffs_sb_info *sbi)
{
	/* Pairs with sffs_groups_publish(). */
	return smp_load_acquire(&sbi->nr_groups);
}

/* Group @n of a mount that has so many. */
static inline struct sffs_group_info *sffs_group(struct sffs_sb_info *sbi, u32 n)
{
	return xa_load(&sbi->groups, n);
}

/* Blocks that are not the groups' own. */
static inline u64 sffs_usable_blocks(const struct sffs_sb_info *sbi)
{
	u64 own = (u64)sffs_nr_groups(sbi) * (SFFS_GROUP_BITMAP + sbi->bitmap_blocks);

	return READ_ONCE(sbi->blocks) - sbi->first_group_block - own;
}

struct sffs_group_info *sffs_group_of(struct sffs_sb_info *sbi, u64 block);
int sffs_groups_init(struct sffs_sb_info *sbi);
int sffs_groups_add(struct sffs_sb_info *sbi, u32 groups, u64 blocks);
void sffs_groups_publish(struct sffs_sb_info *sbi, u32 groups, u64 blocks);
void sffs_groups_exit(struct sffs_sb_info *sbi);
int sffs_group_load(struct sffs_group_info *g);
int sffs_group_load_urgent(struct sffs_group_info *g);
bool sffs_group_held(struct sffs_group_info *g);
u32 sffs_group_here(struct sffs_sb_info *sbi, u32 number);
int sffs_group_reload(struct sffs_group_info *g);
struct buffer_head *sffs_group_header(struct sffs_group_info *g);
struct buffer_head *sffs_group_bitmap(struct sffs_group_info *g, struct sffs_group *gh, u32 k,
				      struct sffs_tx *tx);
void sffs_bitmap_unused(struct sffs_group_info *g, u32 k, u32 *from, u32 *end);
void sffs_bitmap_init(struct sffs_group_info *g, struct sffs_bitmap *bm, u32 k, bool unmapped);
u32 sffs_group_avail(struct sffs_group_info *g);
u32 sffs_group_kept(const struct sffs_group_info *g);
void sffs_count_space(struct sffs_sb_info *sbi, u64 *free_blocks, u64 *unmapped, u64 *free_inodes,
		      u64 *inodes);

int sffs_alloc(struct sffs_tx *tx, u64 goal, u32 min, u32 max, u64 *block, u32 *count);
int sffs_alloc_meta(struct sffs_tx *tx, u64 goal, u64 *block);
int sffs_free(struct sffs_tx *tx, u64 block, u32 count, bool meta);
void sffs_free_work(struct work_struct *work);
void sffs_commit_callback(journal_t *journal, transaction_t *transaction);
int sffs_commit_freed(struct sffs_sb_info *sbi);
int sffs_flush_freed(struct sffs_sb_info *sbi);
void sffs_busy_add(struct sffs_tx *tx, struct sffs_group_info *g, u32 start, u32 count, bool meta);
void sffs_busy_trim(struct sffs_group_info *g, u32 *start, u32 *end);
void sffs_busy_hold(struct sffs_group_info *g, struct sffs_busy *b);
void sffs_busy_unhold(struct sffs_group_info *g, struct sffs_busy *b);
void sffs_busy_drop_all(struct sffs_sb_info *sbi);

/* There may be a longer free run than the group is known to have. */
static inline void sffs_group_more_free(struct sffs_group_info *g)
{
	WRITE_ONCE(g->more_free, true);
	WRITE_ONCE(g->longest, U32_MAX);
}

/* ---- Transactions and metadata blocks: trans.c ---- */

#define SFFS_TX_GROUPS	12

/**
 * struct sffs_tx - a transaction and the groups that it may change
 * @sb: the mount
 * @handle: running handle, or NULL while the transaction is planned
 * @nr: groups in use in @group
 * @quota_sync: moves changes of quota into the files, or makes none
 * @urgent: gives space back or completes I/O, so may use the last blocks of a group
 * @number: of the inode that is made: the lock, used exclusively, until that has it
 * @wanted: the lock of a number that is to be waited for before the transaction is tried
 *	again, with a reference
 * @gone: what had the number of the new inode in memory, or NULL
 * @group: in ascending order once started; what is reserved in each, in which period
 *	of its lock, and whether blocks of it will be freed
 * @space_group: where sffs_alloc() takes blocks
 * @inode_group: where sffs_new_inode() takes the number
 * @goal: near which the blocks were to be reserved
 * @run: how many in one piece were wanted
 *
 * First the caller adds the groups of blocks that it will free and reserves
 * space, then sffs_tx_start() takes the groups' locks in order and starts a
 * handle, and sffs_tx_stop() gives all of it back.
 */
struct sffs_tx {
	struct super_block *sb;
	handle_t *handle;
	unsigned int nr;
	bool quota_sync;
	bool urgent;			/* may use what others must leave free */
	struct sffs_resource *number;
	struct sffs_resource *wanted;
	struct inode *gone;
	struct {
		struct sffs_group_info *g;
		u32 reserved;
		u32 inodes;
		unsigned long period;
		bool locked;
		bool frees;
	} group[SFFS_TX_GROUPS];
	struct sffs_group_info *space_group;
	struct sffs_group_info *inode_group;
	u64 goal;
	u64 run;
};

void sffs_tx_init(struct sffs_tx *tx, struct super_block *sb);
int sffs_tx_add_group(struct sffs_tx *tx, u64 block);
int sffs_tx_promised(struct sffs_tx *tx, struct sffs_group_info *g);
bool sffs_tx_has_group(struct sffs_tx *tx, u64 block);
int sffs_tx_reserve(struct sffs_tx *tx, u64 goal, u32 blocks);
int sffs_tx_reserve_run(struct sffs_tx *tx, u64 goal, u32 blocks, u64 run);
int sffs_tx_start(struct sffs_tx *tx, unsigned int credits);
int sffs_tx_stop(struct sffs_tx *tx);
void sffs_tx_cancel(struct sffs_tx *tx);
int sffs_tx_access(struct sffs_tx *tx, struct buffer_head *bh);
void sffs_tx_dirty(struct sffs_tx *tx, struct buffer_head *bh);
struct buffer_head *sffs_tx_create(struct sffs_tx *tx, struct sffs_lock *lock, u64 block,
				   u32 magic, u32 generation);
struct buffer_head *sffs_tx_overwrite(struct sffs_tx *tx, struct sffs_lock *lock, u64 block,
				      u32 magic, u32 generation);
int sffs_tx_revoke(struct sffs_tx *tx, u64 block);

struct buffer_head *sffs_read_meta(struct sffs_lock *lock, u64 block, u32 magic, u32 generation);
struct buffer_head *sffs_read_any(struct sffs_lock *lock, u64 block, u32 magic);
struct buffer_head *sffs_read_slot_block(struct super_block *sb, u64 block, u32 magic, u32 slot);
bool sffs_leaf_valid(const struct buffer_head *bh);
void sffs_set_leaf_valid(struct buffer_head *bh);
void sffs_frozen(struct jbd2_buffer_trigger_type *type, struct buffer_head *bh, void *data,
		 size_t size);
__printf(3, 4) void sffs_damage(struct super_block *sb, u64 block, const char *fmt, ...);
void sffs_shutdown(struct super_block *sb, const char *why);

/* ---- Trees: tree.c ---- */

/**
 * struct sffs_path - from the root of a tree to a leaf
 * @depth: levels, 1 for a root that is a leaf
 * @level: [0] is the root; bh is NULL there, the block is the inode's
 */
struct sffs_path {
	unsigned int depth;
	struct {
		struct buffer_head *bh;
		unsigned int pos;
	} level[SFFS_TREE_DEPTH_MAX + 1];
};

void sffs_path_put(struct sffs_path *path);
struct sffs_node_head *sffs_node_head(struct inode *inode, struct sffs_path *path,
				      unsigned int level);
struct buffer_head *sffs_node_bh(struct inode *inode, struct sffs_path *path, unsigned int level);
int sffs_tree_find(struct inode *inode, u64 key, u32 leaf_magic, struct sffs_path *path);
int sffs_tree_step(struct inode *inode, u32 leaf_magic, struct sffs_path *path, int dir);
u64 sffs_tree_next_key(struct inode *inode, struct sffs_path *path);
struct buffer_head *sffs_tree_new_leaf(struct sffs_tx *tx, struct inode *inode, u32 magic);
int sffs_tree_grow(struct sffs_tx *tx, struct inode *inode, u32 magic, unsigned int entry_size);
int sffs_tree_add_leaf(struct sffs_tx *tx, struct inode *inode, struct sffs_path *path, u64 key,
		       u64 block);
unsigned int sffs_tree_leaf_cost(struct inode *inode, struct sffs_path *path);
int sffs_tree_plan_drop(struct sffs_tx *tx, struct inode *inode, struct sffs_path *path);
bool sffs_tree_drop_planned(struct sffs_tx *tx, struct inode *inode, struct sffs_path *path);
int sffs_tree_drop_leaf(struct sffs_tx *tx, struct inode *inode, struct sffs_path *path);

/* New tree blocks that one insertion may need at most. */
#define SFFS_TREE_BLOCKS	(2 * SFFS_TREE_DEPTH_MAX)
/* Journal credits of one change to a tree, the inode and its group. */
#define SFFS_TREE_CREDITS	(SFFS_TREE_BLOCKS + 8)
/* Blocks that a file gets in one transaction at most. */
#define SFFS_ALLOC_MAX		(8 * SFFS_BITMAP_BITS)

/* ---- Extents: extent.c ---- */

/**
 * struct sffs_map - what is at a place in a file
 * @file_block: first block
 * @count: blocks; of a hole: up to the next extent
 * @block: on the volume; 0 for a hole
 * @seq: the inode's map_seq that it was true for
 * @unwritten: reads as zeros
 */
struct sffs_map {
	u64 file_block;
	u64 block;
	u64 count;
	u64 seq;
	bool unwritten;
};

int sffs_map_find(struct inode *inode, u64 file_block, struct sffs_map *map);
int sffs_map_alloc(struct inode *inode, u64 file_block, u64 want, struct sffs_map *map);
int sffs_map_insert_written(struct sffs_tx *tx, struct inode *inode, u64 file_block, u64 block,
			    u32 count);
int sffs_map_convert(struct inode *inode, u64 first, u64 end, bool unwritten);
int sffs_map_punch(struct inode *inode, u64 first, u64 end);
int sffs_map_cut(struct inode *inode, u64 at);
int sffs_map_shift(struct inode *inode);

/* ---- Directories: dir.c, dirleaf.c ---- */

int sffs_dir_find(struct inode *dir, const struct qstr *name, u64 *ino, u8 *type);
int sffs_dir_may_add(struct inode *dir, const struct qstr *name);
int sffs_dir_add(struct sffs_tx *tx, struct inode *dir, const struct qstr *name, u64 ino, u8 type);
int sffs_dir_plan_remove(struct sffs_tx *tx, struct inode *dir, const struct qstr *name);
int sffs_dir_remove(struct sffs_tx *tx, struct inode *dir, const struct qstr *name);
int sffs_dir_replace(struct sffs_tx *tx, struct inode *dir, const struct qstr *name, u64 ino,
		     u8 type);
bool sffs_dir_empty(struct inode *dir);
extern const struct file_operations sffs_dir_fops;

/* ---- Operations ---- */

extern const struct inode_operations sffs_dir_iops;
extern const struct inode_operations sffs_special_iops;
extern const struct inode_operations sffs_file_iops;
extern const struct inode_operations sffs_symlink_iops;
extern const struct file_operations sffs_file_fops;
extern const struct address_space_operations sffs_aops;
extern const struct iomap_ops sffs_iomap_ops;
extern const struct iomap_ops sffs_write_iomap_ops;
extern const struct export_operations sffs_export_ops;

/* filelock.c */
int sffs_flock(struct file *file, int cmd, struct file_lock *fl);
int sffs_record_lock(struct file *file, int cmd, struct file_lock *fl);

/* file.c, aops.c, falloc.c */
void sffs_io_work(struct work_struct *work);
long sffs_fallocate(struct file *file, int mode, loff_t offset, loff_t len);
int sffs_shift_finish(struct inode *inode);
int sffs_fiemap(struct inode *inode, struct fiemap_extent_info *info, u64 start, u64 len);

/* quota.c, quotactl.c */
struct sffs_quota_info;
extern const struct quotactl_ops sffs_quotactl_ops;
/* Blocks of the table of changes that one transaction may change: all there are, at most 16. */
#define SFFS_QUOTA_CREDITS	16
int sffs_quota_start(struct super_block *sb);
int sffs_quota_open(struct super_block *sb);
int sffs_quota_reload(struct super_block *sb);
int sffs_quota_recover(struct super_block *sb, u32 slot);
void sffs_quota_stop(struct super_block *sb);
void sffs_quota_forget(struct super_block *sb);
void sffs_quota_enforce(struct super_block *sb);
int sffs_quota_sync(struct super_block *sb);
int sffs_quota_room(struct super_block *sb, bool urgent);
void sffs_quota_store(struct sffs_tx *tx, struct inode *inode, const struct sffs_inode *di);
void sffs_quota_release(struct sffs_tx *tx, struct inode *inode, const struct sffs_inode *di);
int sffs_quota_check(struct super_block *sb, const u32 *ids, s64 *blocks, s64 inodes);
s64 sffs_quota_want(struct inode *inode, s64 want);
int sffs_quota_transfer(struct inode *inode, u32 uid, u32 gid, u32 project);

/* inline.c: the files whose data is in the inode */
bool sffs_inline_fill(struct inode *inode, struct folio *folio);
ssize_t sffs_inline_write(struct kiocb *iocb, struct iov_iter *from);
int sffs_inline_end(struct inode *inode);
int sffs_inline_end_locked(struct inode *inode);
int sffs_inline_set_size(struct inode *inode, loff_t size);
void sffs_inline_iomap(struct inode *inode, loff_t pos, struct iomap *iomap);

/* xattr.c, acl.c: the set function with a transaction is for new inodes */
extern ASV_XATTR_TABLE sffs_xattr_handlers[];
ssize_t sffs_listxattr(struct dentry *dentry, char *buf, size_t size);
int sffs_xattr_get(struct inode *inode, int index, const char *name, void *buf, size_t size);
int sffs_xattr_set(struct inode *inode, int index, const char *name, const void *value,
		   size_t size, int flags);
int sffs_xattr_set_acl(struct inode *inode, int index, const void *value, size_t size,
		       umode_t mode);
int sffs_xattr_set_new(struct sffs_tx *tx, struct inode *inode, int index, const char *name,
		       const void *value, size_t size);
int sffs_xattr_free_all(struct inode *inode);
struct posix_acl *sffs_get_acl(struct inode *inode, int type, bool rcu);
int sffs_set_acl(struct mnt_idmap *idmap, asv_acl_target *target, struct posix_acl *acl, int type);
int sffs_init_acl(struct sffs_tx *tx, struct inode *inode, struct posix_acl *acl, int type);
/* Blocks that the attributes of a new inode may take. */
#define SFFS_XATTR_NEW_BLOCKS	8

/* ioctl.c */
long sffs_ioctl(struct file *file, unsigned int cmd, unsigned long arg);
int sffs_fileattr_get(struct dentry *dentry, struct fileattr *fa);
int sffs_fileattr_set(struct mnt_idmap *idmap, struct dentry *dentry, struct fileattr *fa);

/* reclaim.c */
int sffs_trim(struct file *file, struct fstrim_range *range);
void sffs_reclaim_got(struct sffs_group_info *g);
void sffs_reclaim_note(struct sffs_group_info *g, u32 start, u32 end);
void sffs_reclaim_work(struct work_struct *work);
void sffs_reclaim_start(struct sffs_sb_info *sbi);
void sffs_reclaim_stop(struct sffs_sb_info *sbi);
void sffs_reclaim_follow(struct sffs_sb_info *sbi, u32 rate);
bool sffs_reclaim_wait(struct sffs_sb_info *sbi);

/* ---- Growing, owners of disks, netlink ---- */

int sffs_grow(struct super_block *sb, u64 *blocks);

/* follow.c: changes of the super block */
int sffs_reclaim_set_rate(struct super_block *sb, u32 rate);
int sffs_reclaim_crashed(struct sffs_sb_info *sbi);
u64 sffs_volume_resize(struct sffs_sb_info *sbi);
int sffs_super_reload(struct sffs_sb_info *sbi);
int sffs_super_refresh(struct sffs_sb_info *sbi, bool killable);
void sffs_follow_work(struct work_struct *work);
void sffs_follow_lost(struct sffs_sb_info *sbi);
void sffs_follow_start(struct sffs_sb_info *sbi);
void sffs_follow_stop(struct sffs_sb_info *sbi);

static inline int sffs_super_current(struct sffs_sb_info *sbi)
{
	if (likely(!sffs_cache_stale(&sbi->fixed[SFFS_FIXED_SUPER])))
		return 0;
	return sffs_super_refresh(sbi, true);
}

int sffs_owner_check(struct inode *inode);
int sffs_owner_get(struct inode *inode, struct sffs_owner_info *info);
int sffs_owner_set(struct file *file, bool take);

void sffs_event(struct super_block *sb, enum sffs_event event, u64 block, const char *text);
void sffs_netlink_add(struct sffs_sb_info *sbi);
bool sffs_netlink_del(struct sffs_sb_info *sbi);
int sffs_netlink_init(void);
void sffs_netlink_exit(void);

/* super.c */
bool sffs_same_volume(const struct sffs_super *a, const struct sffs_super *b);

/* ---- The slot: slot.c ---- */

int sffs_read_slot(struct sffs_sb_info *sbi, u32 slot, struct sffs_slot_record *rec);
bool sffs_slot_own(const struct sffs_sb_info *sbi, u32 slot, u32 incarnation);
bool sffs_slot_alive(struct sffs_sb_info *sbi, u32 slot, u32 incarnation);
int sffs_slot_recover(struct super_block *sb, u64 *dead);
int sffs_slot_take(struct super_block *sb, u64 dead);
int sffs_slot_free(struct sffs_sb_info *sbi, u32 slot);
void sffs_slot_release(struct super_block *sb);
void sffs_fill_slot(struct sffs_sb_info *sbi, struct sffs_slot_record *rec);
bool sffs_slot_valid(const struct sffs_sb_info *sbi, u32 slot, const struct sffs_slot_record *rec);
void sffs_journal_unuse(struct sffs_sb_info *sbi);
journal_t *sffs_journal_open(struct sffs_sb_info *sbi, struct block_device *bdev, u32 slot);

/* ---- The node: node.c, watch.c; a mount with -o local is none ---- */

int sffs_node_join(struct super_block *sb, dev_t dev, struct fs_context *fc, u64 *dead);
void sffs_node_set_clean(struct sffs_sb_info *sbi, bool clean);
void sffs_node_mounted(struct sffs_sb_info *sbi);
void sffs_node_quiesce(struct sffs_sb_info *sbi);
void sffs_node_leave(struct sffs_sb_info *sbi);
void sffs_node_exit(struct sffs_sb_info *sbi);
int sffs_nodes_init(void);
void sffs_nodes_exit(void);
bool sffs_holder_stale(struct sffs_sb_info *sbi, u32 slot, u32 incarnation);

#endif /* _SFFS_H */
