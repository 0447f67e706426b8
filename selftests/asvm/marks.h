/* SPDX-License-Identifier: GPL-2.0-only */
/* What a guest writes to an I/O port so that the host sees where a measurement begins. */
#ifndef TEST_MARKS_H
#define TEST_MARKS_H

#define MARK_PORT	0xf40
#define MARK_BEGIN	0xa0
#define MARK_END	0xa1

#endif /* TEST_MARKS_H */
