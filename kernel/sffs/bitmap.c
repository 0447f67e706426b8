// SPDX-License-Identifier: GPL-2.0-only
/* Runs of bits, a byte or eight bytes at a time. */
#include "bitmap.h"

#ifdef __KERNEL__
#include <linux/bitops.h>
#define popcount8(v)	hweight8(v)
#else
#define popcount8(v)	((u32)__builtin_popcount((u8)(v)))
#endif

u32 sffs_bits_find(const u8 *map, u32 from, u32 end, bool value)
{
	const u8 skip = value ? 0 : 0xff;
	const u64 skip64 = value ? 0 : ~0ULL;

	while (from < end) {
		u64 word;

		if (from % 8) {
			if (sffs_bit(map, from) == value)
				return from;
			from++;
			continue;
		}
		if (end - from >= 64) {
			memcpy(&word, map + from / 8, sizeof(word));
			if (word == skip64) {
				from += 64;
				continue;
			}
		}
		if (map[from / 8] == skip) {
			from += 8;
			continue;
		}
		while (sffs_bit(map, from) != value)
			from++;
		break;
	}
	return from < end ? from : end;
}

u32 sffs_bits_set(u8 *map, u32 from, u32 count, bool value)
{
	const u8 full = value ? 0xff : 0;
	u32 end = from + count, changed = 0;

	while (from < end) {
		u8 mask;

		if (!(from % 8) && end - from >= 8) {
			changed += popcount8(map[from / 8] ^ full);
			map[from / 8] = full;
			from += 8;
			continue;
		}
		mask = 1U << (from % 8);
		if (sffs_bit(map, from) != value) {
			map[from / 8] ^= mask;
			changed++;
		}
		from++;
	}
	return changed;
}
