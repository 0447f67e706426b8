/* SPDX-License-Identifier: GPL-2.0-only */
/* What tests write to files, and how they find that something else is there. */
#ifndef _SFFS_TEST_PATTERN_H
#define _SFFS_TEST_PATTERN_H

#include <stdbool.h>
#include <stdint.h>

/* Random bytes, few of them zero. */
void pattern_fill(uint64_t *state, uint8_t *p, uint64_t len);

/* Where two ranges differ first; @len if they do not. */
uint64_t pattern_differs(const uint8_t *got, const uint8_t *want, uint64_t len);

#endif /* _SFFS_TEST_PATTERN_H */
