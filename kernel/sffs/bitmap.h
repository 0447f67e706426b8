/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Runs of bits in the bitmaps of a group, which are little-endian: bit n of byte
 * m stands for block 8 * m + n. Pure functions, also tested in user space.
 */
#ifndef _SFFS_BITMAP_H
#define _SFFS_BITMAP_H

#include "pure.h"

/* First bit of value @value in [from, end), or @end. */
u32 sffs_bits_find(const u8 *map, u32 from, u32 end, bool value);

/* Set [from, from + count) to @value; returns how many bits had the other value. */
u32 sffs_bits_set(u8 *map, u32 from, u32 count, bool value);

/* The same, with less work for long runs: nothing is counted. */
void sffs_bits_fill(u8 *map, u32 from, u32 count, bool value);

/* How many of [from, from + count) are set. */
u32 sffs_bits_count(const u8 *map, u32 from, u32 count);

static inline bool sffs_bit(const u8 *map, u32 bit)
{
	return map[bit / 8] >> (bit % 8) & 1;
}

#endif /* _SFFS_BITMAP_H */
