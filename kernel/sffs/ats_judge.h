/* SPDX-License-Identifier: GPL-2.0-only */
/* What the answer to a SCSI command means to the lock protocol. Pure. */
#ifndef _SFFS_ATS_JUDGE_H
#define _SFFS_ATS_JUDGE_H

#include "pure.h"

/**
 * enum sffs_ats_result - what one try came to
 * @SFFS_ATS_DONE: executed; of ATS: compared and written
 * @SFFS_ATS_MISCOMPARE: the record is not the image that was compared with
 * @SFFS_ATS_ATTENTION: not executed, because the target had news: try again
 * @SFFS_ATS_CONFLICT: not executed, for want of a registered key on this path
 * @SFFS_ATS_REFUSED: not executed: there is no such command
 * @SFFS_ATS_UNKNOWN: anything else, and no answer in time
 */
enum sffs_ats_result {
	SFFS_ATS_DONE,
	SFFS_ATS_MISCOMPARE,
	SFFS_ATS_ATTENTION,
	SFFS_ATS_CONFLICT,
	SFFS_ATS_REFUSED,
	SFFS_ATS_UNKNOWN,
};

/**
 * struct sffs_sense - sense data, SPC-4 4.5, of either format
 * @valid: there was any
 * @key: sense key
 * @asc: additional sense code
 * @ascq: its qualifier
 * @deferred: it is about an earlier command
 */
struct sffs_sense {
	bool valid;
	u8 key;
	u8 asc;
	u8 ascq;
	bool deferred;
};

/* What a unit attention tells; the node has to look after it. */
#define SFFS_NEWS_RESET		0x29	/* power on, reset: all locks are read again */
#define SFFS_NEWS_PARAMETERS	0x2a	/* parameters: the own key is looked for */

enum sffs_ats_result sffs_ats_judge(u32 result, const struct sffs_sense *sense);

#endif /* _SFFS_ATS_JUDGE_H */
