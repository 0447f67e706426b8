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
 * @SFFS_FAULTS: how many there are
 */
enum sffs_fault {
	SFFS_FAULT_FAILED,
	SFFS_FAULT_LOST,
	SFFS_FAULT_ATTENTION,
	SFFS_FAULT_LATE,
	SFFS_FAULT_TWICE,
	SFFS_FAULTS,
};

bool sffs_fault(enum sffs_fault fault);
unsigned int sffs_fault_late_ms(void);
void sffs_fault_count(void);
void sffs_fault_init(void);
void sffs_fault_exit(void);

#endif /* _SFFS_FAULT_H */
