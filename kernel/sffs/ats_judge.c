// SPDX-License-Identifier: GPL-2.0-only
/* What the answer to a SCSI command means to the lock protocol. */
#include "ats_judge.h"

/* Status codes, SAM-5 5.3.1, and sense keys and codes, SPC-4 4.5. */
enum {
	STATUS_GOOD			= 0x00,
	STATUS_CHECK_CONDITION		= 0x02,
	STATUS_CONDITION_MET		= 0x04,
	STATUS_RESERVATION_CONFLICT	= 0x18,

	HOST_OK				= 0x00,
	HOST_ERROR			= 0x07,	/* some drivers, beside the status */

	KEY_RECOVERED_ERROR		= 0x01,
	KEY_ILLEGAL_REQUEST		= 0x05,
	KEY_UNIT_ATTENTION		= 0x06,
	KEY_MISCOMPARE			= 0x0e,

	ASC_INVALID_OPCODE		= 0x20,	/* 20h/00h */
	ASC_MISCOMPARE			= 0x1d,	/* 1Dh/00h, during verify operation */
};

/**
 * sffs_ats_judge() - what a command came to
 * @result: of the SCSI layer: status in bits 0 to 7, of the host in bits 16 to 23; the
 *	others say how the SCSI layer saw it, and nothing about the command
 * @sense: sense data of the answer
 *
 * Only an answer of the target itself says that a command was not executed. Whatever
 * the host put in, be it a timeout, a reset or a path that went away, says nothing, also
 * when a status is beside it.
 *
 * Return: never DONE for what may not have been done, nor any of MISCOMPARE,
 * ATTENTION, CONFLICT and REFUSED for what may have been.
 */
enum sffs_ats_result sffs_ats_judge(u32 result, const struct sffs_sense *sense)
{
	u32 host = result >> 16 & 0xff;

	if ((result & 0xff) == STATUS_RESERVATION_CONFLICT &&
	    (host == HOST_OK || host == HOST_ERROR))
		return SFFS_ATS_CONFLICT;
	if (host != HOST_OK)
		return SFFS_ATS_UNKNOWN;
	switch (result & 0xff) {
	case STATUS_GOOD:
	case STATUS_CONDITION_MET:
		return SFFS_ATS_DONE;
	case STATUS_CHECK_CONDITION:
		break;
	default:
		return SFFS_ATS_UNKNOWN;	/* busy, task set full, aborted */
	}
	/* A deferred error, SPC-4 4.5.7, is that of an earlier command. */
	if (!sense->valid || sense->deferred)
		return SFFS_ATS_UNKNOWN;
	/* Done, with some trouble; but not if that is a compare that did not match at first. */
	if (sense->key == KEY_RECOVERED_ERROR && sense->asc != ASC_MISCOMPARE)
		return SFFS_ATS_DONE;
	if (sense->key == KEY_MISCOMPARE && sense->asc == ASC_MISCOMPARE && !sense->ascq)
		return SFFS_ATS_MISCOMPARE;
	if (sense->key == KEY_UNIT_ATTENTION)
		return SFFS_ATS_ATTENTION;
	if (sense->key == KEY_ILLEGAL_REQUEST && sense->asc == ASC_INVALID_OPCODE)
		return SFFS_ATS_REFUSED;
	return SFFS_ATS_UNKNOWN;
}
