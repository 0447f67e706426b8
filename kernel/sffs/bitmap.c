// SPDX-License-Identifier: GPL-2.0-only
/* Runs of bits: 64 at a time, and at the two ends of a run what is in one byte. */
#include "bitmap.h"

#ifdef __KERNEL__
#include <linux/bitops.h>
#else
#define hweight64	__builtin_popcountll
#endif

static u32 popcount(u64 word)
{
	return hweight64(word);
}

static inline u64 word_at(const u8 *map, u32 bit)
{
	u64 word;

	memcpy(&word, map + bit / 8, sizeof(word));
	return word;
}

/* Behind the last of the whole words from @from on, which begins a byte. */
static u32 words_end(u32 from, u32 end)
{
	return end - (end - from) % 64;
}

u32 sffs_bits_find(const u8 *map, u32 from, u32 end, bool value)
{
	const u8 skip = value ? 0 : 0xff;
	const u64 skip64 = value ? 0 : ~0ULL;

	while (from < end) {
		if (from % 8 || map[from / 8] != skip) {
			if (sffs_bit(map, from) == value)
				break;
			from++;
			continue;
		}
		if (end - from >= 64 && word_at(map, from) == skip64) {
			u32 stop = words_end(from, end);

			do
				from += 64;
			while (from < stop && word_at(map, from) == skip64);
			continue;
		}
		from += 8;
	}
	return from < end ? from : end;
}

/* Whole words; how many bits had the other value. */
static u32 set_words(u8 *map, u32 from, u32 stop, u64 full)
{
	u32 changed = 0;

	for (; from < stop; from += 64) {
		u64 other = word_at(map, from) ^ full;

		if (!other)
			continue;
		changed += other == ~0ULL ? 64 : popcount(other);
		memcpy(map + from / 8, &full, sizeof(full));
	}
	return changed;
}

u32 sffs_bits_set(u8 *map, u32 from, u32 count, bool value)
{
	const u64 full = value ? ~0ULL : 0;
	u32 end = from + count, changed = 0;

	while (from < end) {
		u32 n = 8 - from % 8;
		u8 mask, other;

		if (n == 8 && end - from >= 64) {
			u32 stop = words_end(from, end);

			changed += set_words(map, from, stop, full);
			from = stop;
			continue;
		}
		if (n > end - from)
			n = end - from;
		mask = ((1U << n) - 1) << (from % 8);
		other = (map[from / 8] ^ full) & mask;
		changed += popcount(other);
		map[from / 8] ^= other;
		from += n;
	}
	return changed;
}

void sffs_bits_fill(u8 *map, u32 from, u32 count, bool value)
{
	u32 end = from + count, byte = (from + 7) / 8;

	if (byte < end / 8) {
		sffs_bits_set(map, from, byte * 8 - from, value);
		memset(map + byte, value ? 0xff : 0, end / 8 - byte);
		from = end - end % 8;
	}
	sffs_bits_set(map, from, end - from, value);
}

u32 sffs_bits_count(const u8 *map, u32 from, u32 count)
{
	u32 end = from + count, set = 0;

	while (from < end) {
		if (from % 8 == 0 && end - from >= 64) {
			set += popcount(word_at(map, from));
			from += 64;
		} else {
			set += sffs_bit(map, from++);
		}
	}
	return set;
}
