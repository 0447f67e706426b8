// SPDX-License-Identifier: GPL-2.0-only
/* Which blocks and inodes are in use; see space.h. */
#include <stdlib.h>
#include <string.h>

#include "space.h"

static const struct sffs_geometry *geo(const struct sffs_space *s)
{
	return &s->vol->geo;
}

static uint8_t ***new_map(const struct sffs_space *s)
{
	uint8_t ***group = sffs_grow(NULL, geo(s)->groups, sizeof(*group));

	return memset(group, 0, geo(s)->groups * sizeof(*group));
}

void sffs_space_init(struct sffs_space *s, struct sffs_volume *vol)
{
	*s = (struct sffs_space){ .vol = vol };
	s->used.group = new_map(s);
	s->meta.group = new_map(s);
	s->twice.group = new_map(s);
}

static void free_map(struct sffs_space *s, struct sffs_map *map)
{
	for (uint32_t g = 0; map->group && g < geo(s)->groups; g++) {
		for (uint32_t k = 0; map->group[g] && k < geo(s)->bitmap_blocks; k++)
			free(map->group[g][k]);
		free(map->group[g]);
	}
	free(map->group);
	map->group = NULL;
}

void sffs_space_free(struct sffs_space *s)
{
	free_map(s, &s->used);
	free_map(s, &s->meta);
	free_map(s, &s->twice);
	free(s->chunk);
	s->chunk = NULL;
	s->nr_chunks = 0;
	s->max_chunks = 0;
}

static uint8_t *page_of(const struct sffs_map *map, uint32_t group, uint32_t k)
{
	return map->group[group] ? map->group[group][k] : NULL;
}

static uint8_t *make_page(struct sffs_space *s, struct sffs_map *map, uint32_t group, uint32_t k)
{
	if (!map->group[group]) {
		map->group[group] = sffs_grow(NULL, geo(s)->bitmap_blocks, sizeof(uint8_t *));
		memset(map->group[group], 0, geo(s)->bitmap_blocks * sizeof(uint8_t *));
	}
	if (!map->group[group][k]) {
		map->group[group][k] = sffs_grow(NULL, 1, SFFS_BITMAP_BYTES);
		memset(map->group[group][k], 0, SFFS_BITMAP_BYTES);
	}
	return map->group[group][k];
}

static bool get_bit(const uint8_t *map, uint32_t bit)
{
	return map[bit / 8] >> (bit % 8) & 1;
}

static void set_bit(uint8_t *map, uint32_t bit)
{
	map[bit / 8] |= 1U << (bit % 8);
}

bool sffs_space_test(const struct sffs_space *s, const struct sffs_map *map, uint64_t block)
{
	int64_t group = sffs_vol_group_of(s->vol, block);
	uint8_t *page;
	uint32_t at;

	if (group < 0)
		return false;
	at = block - sffs_geometry_group(geo(s), group);
	page = page_of(map, group, at / SFFS_BITMAP_BITS);
	return page && get_bit(page, at % SFFS_BITMAP_BITS);
}

/* Bits of one page: [bit, bit + n). */
static uint32_t set_bits(uint8_t *page, uint32_t bit, uint32_t n)
{
	uint32_t before = 0;

	while (n) {
		if (bit % 8 == 0 && n >= 8) {
			before += __builtin_popcount(page[bit / 8]);
			page[bit / 8] = 0xff;
			bit += 8;
			n -= 8;
			continue;
		}
		before += get_bit(page, bit);
		set_bit(page, bit++);
		n--;
	}
	return before;
}

uint64_t sffs_space_set(struct sffs_space *s, struct sffs_map *map, uint64_t block, uint64_t count)
{
	int64_t group = sffs_vol_group_of(s->vol, block);
	uint64_t before = 0;
	uint32_t at;

	if (group < 0)
		return 0;
	at = block - sffs_geometry_group(geo(s), group);
	while (count) {
		uint32_t bit = at % SFFS_BITMAP_BITS, n = SFFS_BITMAP_BITS - bit;

		if (n > count)
			n = count;
		before += set_bits(make_page(s, map, group, at / SFFS_BITMAP_BITS), bit, n);
		at += n;
		count -= n;
	}
	return before;
}

uint64_t sffs_space_take(void *space)
{
	struct sffs_space *s = space;

	for (; s->take_group < geo(s)->groups; s->take_group++, s->take_at = 0) {
		uint32_t end = sffs_geometry_group_blocks(geo(s), s->take_group);
		uint64_t start = sffs_geometry_group(geo(s), s->take_group);

		if (s->take_at < SFFS_GROUP_BITMAP + geo(s)->bitmap_blocks)
			s->take_at = SFFS_GROUP_BITMAP + geo(s)->bitmap_blocks;
		while (s->take_at < end) {
			uint64_t block = start + s->take_at++;

			if (!sffs_space_set(s, &s->used, block, 1))
				return block;
		}
	}
	return 0;
}

/* ---- Chunks ---- */

size_t sffs_space_chunk_from(const struct sffs_space *s, uint64_t block)
{
	size_t low = 0, high = s->nr_chunks;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (s->chunk[mid].block < block)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct sffs_chunk_use *sffs_space_chunk(const struct sffs_space *s, uint64_t block)
{
	size_t i = sffs_space_chunk_from(s, block);

	return i < s->nr_chunks && s->chunk[i].block == block ? &s->chunk[i] : NULL;
}

bool sffs_space_in_chunk(const struct sffs_space *s, uint64_t block)
{
	size_t i = sffs_space_chunk_from(s, block + 1);

	return i && block - s->chunk[i - 1].block < sffs_chunk_blocks(geo(s)->sector_shift);
}

void sffs_space_add_chunk(struct sffs_space *s, uint64_t block, bool header_ok)
{
	if (s->nr_chunks == s->max_chunks) {
		s->max_chunks = 2 * s->max_chunks + 256;
		s->chunk = sffs_grow(s->chunk, s->max_chunks, sizeof(*s->chunk));
	}
	s->chunk[s->nr_chunks++] = (struct sffs_chunk_use){ .block = block,
							    .header_ok = header_ok };
}

/* ---- Groups ---- */

bool sffs_space_bitmap(const struct sffs_space *s, uint32_t group, uint32_t k,
		       const struct sffs_bitmap *old, bool unmapped, struct sffs_bitmap *bm,
		       struct sffs_bitmap_summary *sum)
{
	uint32_t own = SFFS_GROUP_BITMAP + geo(s)->bitmap_blocks, free = 0, un = 0;
	uint32_t blocks = sffs_geometry_group_blocks(geo(s), group);
	uint64_t start = sffs_geometry_group(geo(s), group);
	const uint8_t *used = page_of(&s->used, group, k);
	uint64_t first = start + (uint64_t)k * SFFS_BITMAP_BITS;

	memset(bm, 0, sizeof(*bm));
	for (uint32_t i = 0; i < SFFS_BITMAP_BITS; i++) {
		uint32_t at = k * SFFS_BITMAP_BITS + i;

		if (at < own || at >= blocks || (used && get_bit(used, i))) {
			set_bit(bm->allocated, i);
			continue;
		}
		free++;
		if (old ? get_bit(old->unmapped, i) && !get_bit(old->allocated, i) : unmapped) {
			set_bit(bm->unmapped, i);
			un++;
		}
	}
	for (size_t i = sffs_space_chunk_from(s, first);
	     i < s->nr_chunks && s->chunk[i].block - first < SFFS_BITMAP_BITS &&
	     s->chunk[i].block - start < blocks; i++)
		set_bit(bm->unmapped, s->chunk[i].block - first);
	sum->free = htole16(free);
	sum->unmapped = htole16(un);
	return !used;
}

bool sffs_space_unwritten(const struct sffs_space *s, uint32_t group, uint32_t k, bool unmapped,
			  struct sffs_bitmap_summary *sum)
{
	uint32_t first = k * SFFS_BITMAP_BITS, end = first + SFFS_BITMAP_BITS, free;
	uint32_t own = SFFS_GROUP_BITMAP + geo(s)->bitmap_blocks;
	uint32_t blocks = sffs_geometry_group_blocks(geo(s), group);

	if (page_of(&s->used, group, k))
		return false;
	if (first < own)
		first = own;
	if (end > blocks)
		end = blocks;
	free = end > first ? end - first : 0;
	sum->free = htole16(free | SFFS_BMS_UNINIT);
	sum->unmapped = htole16(unmapped ? free : 0);
	return true;
}

int sffs_space_write_chunks(struct sffs_space *s, uint32_t group, struct sffs_group *gh)
{
	uint64_t start = sffs_geometry_group(geo(s), group);
	size_t first = sffs_space_chunk_from(s, start);
	size_t last = sffs_space_chunk_from(s, start + sffs_geometry_group_blocks(geo(s), group));
	uint32_t next_all = 0, next_free = 0, prev_free = 0, free_inodes = 0;

	/* Each list runs from the last chunk to the first, so what comes next is known. */
	for (size_t i = first; i < last; i++) {
		uint64_t mask = ~s->chunk[i].used;
		uint32_t at = s->chunk[i].block - start, nr = __builtin_popcountll(mask);
		struct sffs_chunk ck = {
			.free_mask = htole64(mask), .free_inodes = htole32(nr),
			.next_all = htole32(next_all),
		};

		if (mask) {
			size_t p = i + 1;

			while (p < last && s->chunk[p].used == ~0ULL)
				p++;
			prev_free = p < last ? s->chunk[p].block - start : 0;
			ck.next_free = htole32(next_free);
			ck.prev_free = htole32(prev_free);
			next_free = at;
		}
		next_all = at;
		free_inodes += nr;
		sffs_block_seal(&ck, SFFS_MAGIC_CHUNK, s->chunk[i].block, group, 0, s->vol->seed);
		if (sffs_vol_write(s->vol, s->chunk[i].block, &ck))
			return -1;
	}
	gh->chunk_all = htole32(next_all);
	gh->chunk_free = htole32(next_free);
	gh->chunks = htole32(last - first);
	gh->free_inodes = htole32(free_inodes);
	return 0;
}
