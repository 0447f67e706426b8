/* SPDX-License-Identifier: GPL-2.0-only */
/* ATS commands that fail and lie, for tests: /sys/kernel/debug/sffs/. */
#ifndef _SFFS_FAULT_H
#define _SFFS_FAULT_H

#include <linux/types.h>

/**
 * enum sffs_fault - what happens to one in so many ATS commands; 0: to none
 * @SFFS_FAULT_FAILED: it is executed, and reported as failed
 * @SFFS_FAULT_LOST: it is not sent, and reported as failed
 * @SFFS_FAULT_ATTENTION: it is not sent, and reported as a unit attention
 * @SFFS_FAULT_LATE: its success is reported late, by late_ms milliseconds
 * @SFFS_FAULT_TWICE: it is executed twice, and the second answer is reported
 * @SFFS_FAULT_HELD: it has to wait for a tag, for late_ms milliseconds
 * @SFFS_FAULT_STUCK: the SCSI layer does not let go of it for late_ms milliseconds
 * @SFFS_FAULT_BACK: what reads its record back is refused for want of a key
 * @SFFS_FAULT_PROBE: the probe's second command is refused for want of a key
 * @SFFS_FAULT_PROBE_NEWS: the probe's command is not sent, and a reset is reported
 * @SFFS_FAULTS: how many there are
 */
enum sffs_fault {
	SFFS_FAULT_FAILED,
	SFFS_FAULT_LOST,
	SFFS_FAULT_ATTENTION,
	SFFS_FAULT_LATE,
	SFFS_FAULT_TWICE,
	SFFS_FAULT_HELD,
	SFFS_FAULT_STUCK,
	SFFS_FAULT_BACK,
	SFFS_FAULT_PROBE,
	SFFS_FAULT_PROBE_NEWS,
	SFFS_FAULTS,
};

bool sffs_fault(enum sffs_fault fault);
unsigned int sffs_fault_late_ms(void);
unsigned long sffs_fault_late(void);
void sffs_fault_count(void);
void sffs_fault_news(void);
void sffs_fault_init(void);
void sffs_fault_exit(void);

#endif /* _SFFS_FAULT_H */
