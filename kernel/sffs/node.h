/* SPDX-License-Identifier: GPL-2.0-only */
/* This node among the others: node.c, watch.c, recover.c and fence.c. */
#ifndef _SFFS_NODE_H
#define _SFFS_NODE_H

#include <linux/kthread.h>

#include "lockmgr.h"
#include "lun.h"
#include "sffs.h"

/**
 * enum sffs_verdict - what watching a slot has shown
 * @SFFS_WATCH_UNKNOWN: nothing yet, or the record cannot be read
 * @SFFS_WATCH_FREE: nobody is there
 * @SFFS_WATCH_ALIVE: its record changed while it was watched
 * @SFFS_WATCH_DEAD: it stood still for a lease and the margin, or its recoverer is over
 * @SFFS_WATCH_LEFT: its recoverer is dead, and has to be taken first
 */
enum sffs_verdict {
	SFFS_WATCH_UNKNOWN,
	SFFS_WATCH_FREE,
	SFFS_WATCH_ALIVE,
	SFFS_WATCH_DEAD,
	SFFS_WATCH_LEFT,
};

/**
 * struct sffs_watch - a slot as this node sees it
 * @rec: the record that was read last
 * @since: completion of the first READ that saw this image
 * @updated: when an ATS told what it is: a READ sent before that does not count
 * @valid: @rec was read and is in order
 * @changed: it was seen to change since it was first read
 * @verdict: what follows
 */
struct sffs_watch {
	struct sffs_slot_record rec;
	u64 since;
	u64 updated;
	bool valid;
	bool changed;
	enum sffs_verdict verdict;
};

/**
 * struct sffs_node - this node, (slot, incarnation), and what it knows of the others
 * @sbi: the mount, which has @slot and @incarnation
 * @thread: renews the slot and watches the others
 * @expire: ends the mount when the lease does
 * @recover: recovers slots that were found dead while mounted
 * @lease_ns: L of sffs-locks.rst, "Time"
 * @gate_margin: W
 * @watch_margin: D
 * @first: sector of slot 0's record
 * @dev: the volume's device
 * @slots: their number; as the super block had it when the node came, whatever it has now
 * @sector_shift: as @slots
 * @scan: covers @region
 * @region: memory for all slot records
 * @keys: memory for the keys; that of @thread, or, before it runs, of the mount
 * @ats: the operation that renews the slot; as @keys
 * @lock: covers @rec and @watch
 * @rec: the own record as it is on the volume; changed by the one task that renews
 * @watch: by slot
 * @state: what the next renewal says
 * @conflict: looks into a command that was refused for want of a key
 * @progress: when the recovery of a journal last got on, CLOCK_BOOTTIME; 0: there is none
 * @no_aptpl: the target does not keep keys over a loss of its power
 * @key: key for PERSISTENT RESERVE, 0: none
 * @clean: the journal is empty, and the slot may be freed
 * @left: sffs_node_leave() was here: @conflict looks at nothing any more
 * @mounted: the mount is complete: what dies from now on is recovered at once
 */
struct sffs_node {
	struct sffs_sb_info *sbi;
	struct task_struct *thread;
	struct delayed_work expire;
	struct work_struct recover;
	struct work_struct conflict;
	u64 progress;
	bool no_aptpl;
	u64 lease_ns;
	u64 gate_margin;
	u64 watch_margin;
	u64 first;
	dev_t dev;
	u32 slots;
	unsigned int sector_shift;
	struct mutex scan;	/* see above */
	void *region;
	u8 *keys;
	struct sffs_ats *ats;
	spinlock_t lock;	/* see above */
	struct sffs_slot_record rec;
	struct sffs_watch watch[SFFS_MAX_SLOTS];
	u8 state;
	u64 key;
	bool clean;
	bool left;
	bool mounted;
};

/* node.c */
int sffs_node_renew(struct sffs_node *node);
void sffs_node_set_lockmgr(struct sffs_node *node, struct sffs_lockmgr *mgr);
void sffs_node_fail_locks(struct sffs_sb_info *sbi);
bool sffs_node_mine(const struct sffs_node *node, const struct sffs_slot_record *rec);

/* watch.c */
int sffs_watch_scan(struct sffs_node *node);
enum sffs_verdict sffs_watch_verdict(struct sffs_node *node, u32 slot,
				     struct sffs_slot_record *rec);
void sffs_watch_tell(struct sffs_node *node, u32 slot);
void sffs_watch_update(struct sffs_node *node, u32 slot, const struct sffs_slot_record *rec);

/* fence.c */
int sffs_fence_join(struct sffs_node *node, u32 slot, u32 incarnation);
void sffs_fence_leave(struct sffs_node *node);
int sffs_fence_dead(struct sffs_node *node);
u8 *sffs_fence_buffer(gfp_t gfp);
void sffs_fence_check(struct sffs_node *node, u8 *buf);
void sffs_fence_conflict(struct work_struct *work);

/* recover.c */
int sffs_recover_journal(struct sffs_node *node, u32 slot);
int sffs_recover_take(struct sffs_node *node, u32 slot);
int sffs_recover_free(struct sffs_node *node, u32 slot);
void sffs_recover_work(struct work_struct *work);

#endif /* _SFFS_NODE_H */
