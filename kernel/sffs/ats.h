/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The LUN as the cluster protocol sees it: COMPARE AND WRITE (ATS), and reads and
 * writes of the sectors that ATS changes, as SCSI commands beside the gate and beside
 * every cache. Documentation/filesystems/sffs-locks.rst, "ATS", has the rules.
 *
 * A sector here is a logical sector of the volume, 512 or 4096 bytes, counted from the
 * start of the volume; of each the first 512 bytes are used. A time is CLOCK_BOOTTIME in
 * nanoseconds.
 */
#ifndef _SFFS_ATS_H
#define _SFFS_ATS_H

#include <linux/completion.h>
#include <linux/types.h>
#include <linux/workqueue.h>

#include "ats_judge.h"
#include "sffs_format.h"

struct block_device;
struct sffs_lun;

/* ---- The LUN ---- */

/**
 * sffs_lun_open() - find the SCSI device below a block device
 * @bdev: the device, or a partition of it; sectors beyond it are never touched
 * @sector_shift: 9 or 12, that of the volume and of the device
 * @seed: of the volume's checksums
 * @timeout_ms: of each command; a quarter of the lease
 *
 * Sends nothing.
 *
 * Context: may sleep.
 * Return: the LUN, or an error pointer: -ENOTBLK if it is not a SCSI device, -EINVAL if
 * it does not begin at a sector's start.
 */
struct sffs_lun *sffs_lun_open(struct block_device *bdev, unsigned int sector_shift, u32 seed,
			       unsigned int timeout_ms);

/**
 * sffs_lun_close() - stop the LUN, wait for the last operation, and forget it
 * @lun: no operation may be started any more
 *
 * Context: may sleep, as long as the SCSI layer takes to let go of every command.
 */
void sffs_lun_close(struct sffs_lun *lun);

/**
 * sffs_lun_stop() - let every operation end with -EIO
 * @lun: the LUN
 *
 * For the mount's shutdown. Operations under way end after the command that they wait
 * for, and new ones at once. Reads and writes fail likewise. So it is after the end of the
 * lease, if one was given to the LUN: no ATS and no mail is sent then, not even what has
 * been waiting since before.
 *
 * Context: any.
 */
void sffs_lun_stop(struct sffs_lun *lun);

/**
 * sffs_lun_resets() - how often has the target told that it was reset?
 * @lun: the LUN
 *
 * When this has grown, every record that the node holds is read again.
 * Context: any.
 */
unsigned int sffs_lun_resets(struct sffs_lun *lun);

/**
 * sffs_lun_read() - read sectors past every cache
 * @lun: the LUN
 * @sector: the first
 * @buf: memory of kmalloc() or the page allocator, count << sector_shift bytes
 * @count: sectors: those of a mailbox row, of a chunk's records; 1 to 64
 *
 * READ (16), SBC-4 5.18. A unit attention is repeated a few times, nothing else is.
 * Asynchronous ATS of others may come between any two sectors.
 *
 * Context: sleeps, uninterruptibly, until the device has answered, or for the timeout, for
 * each SFFS_CMD_MOST bytes. Memory is taken from a reserve; when that is used up, by
 * commands that the SCSI layer does not let go of, the read fails.
 * Return: 0, -EBADE if a reservation keeps this node from reading, -EUCLEAN if these
 * sectors are not the volume's, -EIO.
 */
int sffs_lun_read(struct sffs_lun *lun, u64 sector, void *buf, unsigned int count);

/**
 * sffs_lun_write() - write one sector that belongs to this node alone
 * @lun: the LUN
 * @sector: which: of the mailbox
 * @buf: memory as for sffs_lun_read(), one sector
 *
 * WRITE (16) with FUA, SBC-4 5.50. What ATS changes is never written so.
 *
 * Context: as sffs_lun_read().
 * Return: 0, -EBADE if the key of this node is gone (SPC-4 5.13.1), -EIO if the outcome is
 * not known: it may still be written, later, and over a later write of the same sector.
 * Nothing orders the two, a sequence number neither: it only tells the receiver that a
 * sector is another one. So mail is written again while what it asks for is wanted.
 */
int sffs_lun_write(struct sffs_lun *lun, u64 sector, void *buf);

/**
 * sffs_lun_read_record() - read one record, beside every cache
 * @lun: the LUN
 * @sector: its sector
 * @record: SFFS_RECORD_SIZE bytes of any memory
 *
 * Context: as sffs_lun_read(), and takes memory from a reserve.
 * Return: as sffs_lun_read(), and -EUCLEAN also if the rest of a sector of 4096 bytes is
 * not zero. Magic and checksum are the caller's to check.
 */
int sffs_lun_read_record(struct sffs_lun *lun, u64 sector, void *record);

/* ---- One operation ---- */

/**
 * struct sffs_ats - one change of one record: a series of tries from one old image
 * @sector: of the record
 * @old: the image that the node has read, and that every try compares with
 * @new: what is to take its place; the sender puts a fresh nonce and the checksum in
 * @until: when to give up with -ETIMEDOUT; 0: never, as for locks, whose bound is the lease
 * @done: called once, in process context, when the operation is over; may free it or
 *	start it anew with other images. Must not wait for another operation.
 * @data: the caller's
 * @error: 0: the outcome is known, and is what @now says. -EIO: the LUN was stopped, the
 *	node is shut down and the outcome does not matter. -EBADE: the key of this node is
 *	gone, it was fenced. -ETIMEDOUT. -EUCLEAN: the rest of the sector is not zero, or
 *	the sector is not the volume's.
 * @now: the record as it was read, or written, last; it differs from @old if @error is 0.
 *	The caller asks whether (slot, incarnation) is among the holders in it, not who
 *	wrote it, and not whether it is @new (sffs-locks.rst, "ATS" 4)
 * @submitted: when the try that made @now was submitted, if it was one of this
 *	operation's; 0 if not
 * @tries: commands that it took
 *
 * Caller's fields are set between sffs_ats_alloc() and sffs_ats_start(), and left alone
 * until @done. Rules 1 to 5 of sffs-locks.rst, "ATS", are kept inside.
 */
struct sffs_ats {
	u64 sector;
	u8 old[SFFS_RECORD_SIZE] __aligned(8);
	u8 new[SFFS_RECORD_SIZE] __aligned(8);
	u64 until;
	void (*done)(struct sffs_ats *ats);
	void *data;

	int error;
	u8 now[SFFS_RECORD_SIZE] __aligned(8);
	u64 submitted;
	unsigned int tries;
};

/**
 * sffs_ats_alloc() - get an operation with all the memory that it will need
 * @lun: where
 *
 * Context: may sleep, never fails: there is a reserve. No two for one task at a time.
 * Return: the operation, all zero.
 */
struct sffs_ats *sffs_ats_alloc(struct sffs_lun *lun);

/* Context: any but hard interrupts; not between start and done. */
void sffs_ats_free(struct sffs_ats *ats);

/**
 * sffs_ats_start() - begin an operation; its end is told by @done
 * @ats: the operation
 *
 * COMPARE AND WRITE, SBC-4 5.3: one block, at the head of the queue, no retries by the
 * SCSI layer.
 *
 * Context: does not sleep, takes no memory: a work item does the rest. The lock that the
 * operation is for is in ASKING or RELEASE until @done.
 */
void sffs_ats_start(struct sffs_ats *ats);

/**
 * sffs_ats_run() - start an operation and wait for its end
 * @ats: the operation; its @done and @data are used
 *
 * Context: sleeps, uninterruptibly: for @until and one command more, or, without that,
 * until the lease ends. Tasks that a user can kill wait for something of their own that
 * @done wakes.
 * Return: @error
 */
int sffs_ats_run(struct sffs_ats *ats);

/* ---- The probe ---- */

/**
 * sffs_lun_probe() - does this LUN have ATS?
 * @lun: the LUN
 * @scratch: a sector that nothing else uses: the last of the fixed lock region
 *
 * Tries it: a compare that must succeed, and one that must miscompare. VPD pages are not
 * believed. This node's key, if it has one, is registered by now.
 *
 * Context: sleeps, a few commands.
 * Return: 0, -EOPNOTSUPP if the device refuses the command or answers it wrongly, -EBADE,
 * or -EIO.
 */
int sffs_lun_probe(struct sffs_lun *lun, u64 scratch);

#endif /* _SFFS_ATS_H */
