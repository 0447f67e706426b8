/* SPDX-License-Identifier: GPL-2.0-only */
/* SCSI commands to a LUN: what ats.c and fence.c are made of. */
#ifndef _SFFS_LUN_H
#define _SFFS_LUN_H

#include <linux/mempool.h>
#include <linux/sizes.h>

#include "ats.h"

struct scsi_device;
struct sffs_lease;

/**
 * struct sffs_lun - the LUN of a mount
 * @sdev: its device; a reference is held
 * @lease: after its end no more ATS is sent, nor mail; NULL: none is kept
 * @start: logical sector of the device where the volume begins
 * @end: the first that is not the partition's; on a whole device the device itself tells
 * @seed: of checksums
 * @sector_shift: 9 or 12
 * @timeout: of each command, the wait for a tag included, in jiffies
 * @stopped: the mount has shut down
 * @conflict: a command was refused for want of a key
 * @on_conflict: looks into that; NULL until there is a node
 * @resets: times that the target said it was reset
 * @changes: times that it said that parameters, or keys, have changed
 * @partition: the volume is not on all of the LUN
 * @fua: ATS with FUA is accepted
 * @fenced: this node has a key on the LUN, see fence.c
 * @wq: goes on with operations when a command has ended, and gives up commands
 * @send_wq: waits for tags
 * @ops: reserve of operations
 * @sectors: reserve of memory for records
 * @small: reserve of commands with little data
 * @large: and with much
 * @under_way: operations that have been started and not ended
 * @lock: covers @flights and who waits for each of them
 * @flights: commands whose memory is in use, those included that were given up
 * @idle: woken when @under_way or @flights falls to zero
 */
struct sffs_lun {
	struct scsi_device *sdev;
	struct sffs_lease *lease;
	u64 start;
	u64 end;
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
	struct workqueue_struct *send_wq;
	mempool_t *ops;
	mempool_t *sectors;
	mempool_t *small;
	mempool_t *large;
	atomic_t under_way;
	spinlock_t lock;	/* see above */
	unsigned int flights;
	wait_queue_head_t idle;
};

#define SFFS_CMD_MOST	SZ_32K	/* data of a command, in bytes */

/**
 * struct sffs_cmd - one command
 * @cdb: command block
 * @cdb_len: its bytes
 * @out: data goes to the device
 * @leased: not to be sent after the lease's end
 * @buf: data, any memory: it is copied
 * @len: its bytes, at most SFFS_CMD_MOST
 * @least: so much data is an answer, too; 0: nothing less than @len
 * @done: called when the device or its driver has ended the command, or when it was given
 *	up; any context
 * @submitted: when
 * @result: what it came to
 * @sense: and why
 */
struct sffs_cmd {
	u8 cdb[16];
	u8 cdb_len;
	bool out;
	bool leased;
	void *buf;
	unsigned int len;
	unsigned int least;
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
void sffs_lun_resize(struct sffs_lun *lun, struct block_device *bdev);
bool sffs_lun_has(const struct sffs_lun *lun, u64 sector, unsigned int count);
void sffs_cmd_rw(struct sffs_lun *lun, struct sffs_cmd *cmd, u64 sector, void *buf,
		 unsigned int count, bool write);

bool sffs_lun_is_lio(struct sffs_lun *lun);
mempool_t *sffs_ats_pool(struct sffs_lun *lun, int reserve);

/* Has the mount shut down, or its lease ended? */
bool sffs_lun_over(const struct sffs_lun *lun);

static inline unsigned int sffs_lun_sector(const struct sffs_lun *lun)
{
	return 1U << lun->sector_shift;
}

#endif /* _SFFS_LUN_H */
