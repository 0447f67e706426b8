/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Power cuts: a volume is used through dm-log-writes, which records every write, flush
 * and mark in the order of their completion; later the disk is put together as it may
 * have been at any moment of that.
 */
#ifndef _SFFS_TEST_POWER_CUT_H
#define _SFFS_TEST_POWER_CUT_H

#include "volume.h"

/**
 * struct power_log - a volume that is being recorded, and the record
 * @vol: the volume; mounted while it is recorded
 * @log: the record, an image
 * @disk: what is durable at @entry
 * @entries: in the record
 * @entry: the next one
 * @at: where it is
 * @flushed: entry behind the last flush that @disk has
 * @mark: number in the last mark before @entry
 */
struct power_log {
	struct volume vol, log, disk;
	uint64_t entries, entry, at, flushed_at, flushed;
	unsigned int mark;
};

/* Make a volume of @mib MiB, begin to record it, and mount it. */
int power_log_start(struct power_log *p, uint64_t mib);
/* Put a mark with a number into the record: what was synced before is durable from here. */
int power_log_mark(struct power_log *p, unsigned int number);
/* Unmount it and end the recording. */
int power_log_end(struct power_log *p);
/*
 * Make @cut the disk as it was after @entry entries: all that was written before the last
 * flush, everything written with FUA, and of the rest what @state lets through, or all if
 * it is NULL. Calls are in ascending order of @entry.
 */
int power_log_cut(struct power_log *p, uint64_t entry, uint64_t *state, struct volume *cut);
/*
 * Behind the first flush or write with FUA since the last cut: that is the @entry for the
 * next one. -ENOENT when there is none.
 */
int power_log_next(struct power_log *p, uint64_t *entry);
void power_log_free(struct power_log *p);

#endif /* _SFFS_TEST_POWER_CUT_H */
