/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The lock manager of a cluster mount: resources, that is, the cluster locks that this
 * node holds, wants or gives up. lock.c brings the filesystem's locks here.
 */
#ifndef _SFFS_LOCKMGR_H
#define _SFFS_LOCKMGR_H

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "lockstate.h"
#include "mail.h"

struct sffs_lockmgr;
struct sffs_lun;

/**
 * struct sffs_res_user - a task that uses a lock
 * @list: in the resource's users
 * @task: the task
 * @uses: how often; it may begin another use also while the lock is given up
 */
struct sffs_res_user {
	struct list_head list;
	struct task_struct *task;
	unsigned int uses;
};

/**
 * struct sffs_delegation - what belongs to the delegation record of a chunk
 * @scan: held while a record under it is read or named for the delegate
 * @children: resources of its inodes, under the manager's lock
 * @period: in which the delegation is held, or was; raised when it is given up, from 1.
 *	Under the lock of the chunk's resource, as what follows
 * @looked: types whose records have been read in this period, a bit each
 * @nobody: records by type that name nobody, a bit each
 * @changed: records by type whose locks were used exclusively in this period
 * @claimed: this node waits for the delegation, because nobody has it
 */
struct sffs_delegation {
	struct mutex scan;		/* see above */
	struct list_head children;
	u64 period;
	u64 nobody[3];
	u64 changed[3];
	u8 looked;
	bool claimed;
};

/**
 * struct sffs_resource - a lock that this node holds, wants or gives up
 * @mgr: the manager
 * @number: as enum sffs_lock_type says
 * @type: enum sffs_lock_type
 * @sector: of its record
 * @run: held by a run of the worker, and by that of @chunk while the filesystem works for
 *	this one; after that of the chunk
 * @lock: covers @core up to @backoff, and @owner
 * @core: its state: lockstate.h
 * @users: struct sffs_res_user: tasks that use it; not of open records, which are used by
 *	files
 * @through: uses through the delegation, by mode; zero while the record names this node
 * @period: the delegation's period in which it may be used through it; 0: none
 * @naming: mode in which the record is being made to name this node, or SFFS_LOCK_NONE
 * @giving: the record is being made to name another node
 * @asked: a mail asks the delegate for it
 * @told: a mail asked for it as the last that uses it, and it was in use: the filesystem is
 *	told at the end of the last use
 * @denied: nobody waits for what @core.last wants: the filesystem is told when it is had
 * @last_until: jiffies until which @core.last is tried
 * @last_keep: until then it is not given up for others that want the same as @core.last did,
 *	nanoseconds
 * @asker: slot that asks the delegate for it as the last that uses it, plus 1; or 0
 * @asker_inc: its incarnation
 * @error: why tasks cannot have it: its record is damaged; or 0
 * @backoff: milliseconds to the next poll
 * @owner: the filesystem's struct sffs_lock, see there, or NULL
 * @busy: the filesystem works for the lock: @owner stays
 * @posted: slots that have been asked by mail; the worker's
 * @wait: tasks that wait for it
 * @work: the worker: one run at a time, and all that sleeps
 * @node: in the manager's table
 * @lru: in its list of those without users, or empty
 * @refs: by the filesystem's locks, by mail and by @sibling; under the manager's lock. The
 *	worker needs none: a resource goes when it has no reference and is in NONE, by its
 *	worker.
 * @chunk: of inode, open and file-lock records: that of their delegation, with a reference
 * @sibling: in the delegation's children
 * @all: of a delegation record: what belongs to it
 *
 * A task takes @lock, looks whether the state lets it use the lock, and counts itself; or
 * it counts itself as waiting, queues @work and sleeps. Each change of @core that a task
 * may wait for, and that the worker has made, wakes all of @wait. What the core tells the
 * worker to do is done without @lock: tasks come and go meanwhile, and the next step sees
 * that. Nothing but the worker changes core.state.
 */
struct sffs_resource {
	struct sffs_lockmgr *mgr;
	u64 number;
	u64 sector;
	u8 type;
	struct mutex run;	/* see above */
	spinlock_t lock;	/* see above; that of a chunk comes last */
	struct sffs_lock_core core;
	struct list_head users;
	unsigned int through[3];
	u64 period;
	u8 naming;
	u8 asker;
	bool giving;
	bool asked;
	bool told;
	bool denied;
	bool busy;
	u32 asker_inc;
	unsigned long last_until;
	u64 last_keep;
	int error;
	unsigned int backoff;
	void *owner;
	u64 posted;
	wait_queue_head_t wait;
	struct delayed_work work;
	struct hlist_node node;
	struct list_head lru;
	unsigned int refs;
	struct sffs_resource *chunk;
	struct list_head sibling;
	struct sffs_delegation *all;
};

/* What one run of a worker needs: the record, and the slots as they were at its start. */
struct sffs_res_run {
	struct sffs_lock_record rec;
	struct sffs_slot_view view[SFFS_MAX_SLOTS];
	struct sffs_lockrec_id id;
};

/**
 * struct sffs_lockmgr_ops - what the manager wants of the filesystem
 * @sector: of the record of a resource, 0 if there can be none
 * @slot: read a slot's record now, and call sffs_lockmgr_see(); 0 or an error of the READ
 * @drop: forget all that is cached under the lock, which nobody uses
 * @unmap: unmap the pages of the file; they stay cached
 * @flush: write what is dirty, commit, write metadata home; all has completed at return.
 *	Of a delegation: what was changed under locks that were held through it and that
 *	are no resources any more
 * @revoke: take the lock's blocks out of the journal, commit; completed likewise
 * @last: of an open record: nobody else uses it, or another node wanted to be the last that
 *	does, and there is no use here any more
 * @damaged: a record is no record
 * @fatal: the node holds nothing any more, or cannot give up what others want: shut down.
 *	The manager has failed by then.
 *
 * All sleep, and are called by workers of the manager, with no lock held. @flush and
 * @revoke return 0 or an error, which is fatal. None but @sector, @slot and @fatal must be
 * there.
 */
struct sffs_lockmgr_ops {
	u64 (*sector)(struct sffs_lockmgr *mgr, unsigned int type, u64 number);
	int (*slot)(struct sffs_lockmgr *mgr, unsigned int slot);
	void (*drop)(struct sffs_resource *res);
	void (*unmap)(struct sffs_resource *res);
	int (*flush)(struct sffs_resource *res);
	int (*revoke)(struct sffs_resource *res);
	void (*last)(struct sffs_resource *res);
	void (*damaged)(struct sffs_resource *res);
	void (*fatal)(struct sffs_lockmgr *mgr, const char *why);
};

/**
 * struct sffs_lockmgr_setup - what sffs_lockmgr_start() wants to know
 * @lun: where the records are; outlives the manager
 * @ops: see there
 * @data: the filesystem's, for @ops
 * @seed: of checksums
 * @incarnation: this node's
 * @mailbox: first sector of the mailbox
 * @idle_ms: time between looks into the mailbox while nothing is contended
 * @slot: this node's
 * @max_slots: of the volume
 * @sector_shift: of the volume
 * @cached: locks without users that are kept
 */
struct sffs_lockmgr_setup {
	struct sffs_lun *lun;
	const struct sffs_lockmgr_ops *ops;
	void *data;
	u32 seed;
	u32 incarnation;
	u64 mailbox;
	unsigned int idle_ms;
	unsigned int slot;
	unsigned int max_slots;
	unsigned int sector_shift;
	unsigned int cached;
};

#define SFFS_RES_BITS	10

/**
 * struct sffs_lockmgr - the lock manager of one mount
 * @setup: as given
 * @wq: the workers
 * @wq_first: those of groups and of fixed locks, which the others may wait for, and the mail
 * @lock: covers what follows, up to @idle
 * @table: resources by type and number
 * @lru: those without references, the longest unused first
 * @resources: in @table
 * @unused: in @lru
 * @view: what was read last of each slot
 * @box: open requests to each slot
 * @stopping: give up what is not used
 * @failed: the node holds nothing; written under @lock, read without
 * @idle: woken when the last resource goes
 * @changes: ATS of lock records
 * @send_work: writes the sectors of @box that have changed
 * @look_work: reads the row of this node
 * @busy_until: jiffies until which the row is read often; @look_work's
 * @sequence: of the last sector written; @send_work's
 * @row: the row as read; @look_work's
 * @sent: the sector to be written; @send_work's
 */
struct sffs_lockmgr {
	struct sffs_lockmgr_setup setup;
	struct workqueue_struct *wq;
	struct workqueue_struct *wq_first;
	spinlock_t lock;	/* see above */
	struct hlist_head table[1 << SFFS_RES_BITS];
	struct list_head lru;
	unsigned int resources;
	unsigned int unused;
	struct sffs_slot_view view[SFFS_MAX_SLOTS];
	struct sffs_mail_box box[SFFS_MAX_SLOTS];
	bool stopping;
	bool failed;
	wait_queue_head_t idle;
	atomic64_t changes;
	struct work_struct send_work;
	struct delayed_work look_work;
	unsigned long busy_until;
	u64 sequence;
	void *row;
	void *sent;
};

struct sffs_lockmgr *sffs_lockmgr_start(const struct sffs_lockmgr_setup *setup);
int sffs_lockmgr_stop(struct sffs_lockmgr *mgr);
void sffs_lockmgr_free(struct sffs_lockmgr *mgr);
void sffs_lockmgr_fail(struct sffs_lockmgr *mgr);
void sffs_lockmgr_see(struct sffs_lockmgr *mgr, unsigned int slot, unsigned int state,
		      u32 incarnation);

struct sffs_resource *sffs_res_get(struct sffs_lockmgr *mgr, unsigned int type, u64 number);
void sffs_res_put(struct sffs_resource *res);
int sffs_res_lock(struct sffs_resource *res, enum sffs_lock_mode mode, bool killable);
bool sffs_res_trylock(struct sffs_resource *res, enum sffs_lock_mode mode);
bool sffs_res_try_new(struct sffs_resource *res);
bool sffs_res_last(struct sffs_resource *res, bool wait);
void sffs_res_unlock(struct sffs_resource *res, enum sffs_lock_mode mode);
void sffs_res_keep(struct sffs_resource *res, unsigned int ms);
void sffs_res_own(struct sffs_resource *res, void *owner);
void sffs_res_disown(struct sffs_resource *res, const void *owner);

/* What lockmgr.c, lockuse.c, delegate.c and lockmail.c offer each other */
bool sffs_res_used(const struct sffs_resource *res);
bool sffs_res_usable(struct sffs_resource *res);
void sffs_res_kick(struct sffs_resource *res);
void sffs_res_id(struct sffs_resource *res, struct sffs_res_run *run);
void sffs_res_fatal(struct sffs_resource *res, const char *why);
int sffs_res_check(struct sffs_resource *res, struct sffs_res_run *run);
void sffs_res_damaged(struct sffs_resource *res, int err);
int sffs_res_image(struct sffs_resource *res, struct sffs_lock_record *rec, u64 sector);
int sffs_res_ats(struct sffs_resource *res, struct sffs_lock_record *rec,
		 const struct sffs_lock_record *new);
int sffs_res_work_for(struct sffs_resource *res, enum sffs_lock_action action);
void sffs_res_ref(struct sffs_resource *res);

bool sffs_delegated_type(unsigned int type);
int sffs_delegate_attach(struct sffs_resource *res);
void sffs_delegate_detach(struct sffs_resource *res);
bool sffs_delegate_use(struct sffs_resource *res, enum sffs_lock_mode mode, bool again);
void sffs_delegate_try_new(struct sffs_resource *res);
bool sffs_delegate_unuse(struct sffs_resource *res, enum sffs_lock_mode mode);
bool sffs_delegate_serve(struct sffs_resource *res, struct sffs_res_run *run, int *err);
void sffs_delegate_ask(struct sffs_resource *res, struct sffs_res_run *run, u8 mode);
bool sffs_delegate_settled(struct sffs_resource *chunk);
int sffs_delegate_stage(struct sffs_resource *chunk, enum sffs_lock_action action);

bool sffs_delegate_usable(struct sffs_resource *res);

void sffs_res_look(struct sffs_lockmgr *mgr, const struct sffs_mail_request *req,
		   unsigned int sender, u32 incarnation);
int sffs_mail_start(struct sffs_lockmgr *mgr);
void sffs_mail_stop(struct sffs_lockmgr *mgr);
void sffs_mail_ask(struct sffs_resource *res, const struct sffs_lock_record *rec, u8 mode);
void sffs_mail_end(struct sffs_resource *res);

#endif /* _SFFS_LOCKMGR_H */
