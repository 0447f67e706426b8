/* SPDX-License-Identifier: GPL-2.0-only */
/* SCSI commands to a LUN: what ats.c and fence.c are made of. */
#ifndef _SFFS_LUN_H
#define _SFFS_LUN_H

#include <linux/mempool.h>

#include "ats.h"

struct scsi_device;

/**
 * struct sffs_lun - the LUN of a mount
 * @sdev: its device; a reference is held
 * @start: logical sector of the device where the volume begins
 * @seed: of checksums
 * @sector_shift: 9 or 12
 * @timeout: of each command, in jiffies
 * @stopped: the mount has shut down
 * @conflict: a command was refused for want of a key
 * @on_conflict: looks into that; NULL until there is a node
 * @resets: times that the target said it was reset
 * @changes: times that it said that parameters, or keys, have changed
 * @partition: the volume is not on all of the LUN
 * @fua: ATS with FUA is accepted
 * @fenced: this node has a key on the LUN, see fence.c
 * @wq: goes on with operations when a command has ended
 * @ops: reserve of operations
 * @sectors: reserve of memory for records
 * @under_way: operations that have been started and not ended
 * @idle: woken when @under_way falls to zero
 */
struct sffs_lun {
	struct scsi_device *sdev;
	u64 start;
	u32 seed;
	unsigned int sector_shift;
	unsigned int timeout;
	bool stopped;
	bool conflict;
	bool partition;
	struct work_struct *on_conflict;
	atomic_t resets;
	atomic_t changes;
	bool fua;
	bool fenced;
	struct workqueue_struct *wq;
	mempool_t *ops;
	mempool_t *sectors;
	atomic_t under_way;
	wait_queue_head_t idle;
};

/**
 * struct sffs_cmd - one command
 * @cdb: command block
 * @cdb_len: its bytes
 * @out: data goes to the device
 * @buf: data, memory of kmalloc() or the page allocator
 * @len: its bytes
 * @partial: less data than that is an answer, too
 * @done: called when the device or its driver has ended the command; any context
 * @submitted: when
 * @result: what it came to
 * @sense: and why
 */
struct sffs_cmd {
	u8 cdb[16];
	u8 cdb_len;
	bool out;
	void *buf;
	unsigned int len;
	bool partial;
	void (*done)(struct sffs_cmd *cmd);
	u64 submitted;
	enum sffs_ats_result result;
	struct sffs_sense sense;
};

void sffs_cmd_submit(struct sffs_lun *lun, struct sffs_cmd *cmd);
enum sffs_ats_result sffs_cmd_run(struct sffs_lun *lun, struct sffs_cmd *cmd);
void sffs_lun_conflict(struct sffs_lun *lun);
void sffs_cmd_news(struct sffs_lun *lun, const struct sffs_sense *sense);
void sffs_cmd_clear(struct sffs_lun *lun);
void sffs_cmd_rw(struct sffs_lun *lun, struct sffs_cmd *cmd, u64 sector, void *buf,
		 unsigned int count, bool write);

bool sffs_lun_is_lio(struct sffs_lun *lun);
mempool_t *sffs_ats_pool(struct sffs_lun *lun, int reserve);

static inline unsigned int sffs_lun_sector(const struct sffs_lun *lun)
{
	return 1U << lun->sector_shift;
}

#endif /* _SFFS_LUN_H */
