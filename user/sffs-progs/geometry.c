// SPDX-License-Identifier: GPL-2.0-only
/* Where everything is on a volume of a given size. */
#include "libsffs.h"

#define GROUP_ALIGN		256U	/* blocks: 1 MiB */
#define GROUP_BLOCKS_MIN	4096U	/* a shorter last group is not made */
#define SLOT_AREA_BLOCKS	32U
#define RECLAIM_BLOCKS		1U
#define QCHANGE_BLOCKS		16U
#define JOURNAL_BLOCKS_DEFAULT	16384U	/* 64 MiB */

static unsigned int log2_floor(uint64_t v)
{
	return 63 - __builtin_clzll(v);
}

static void choose_slots(struct sffs_geometry *g)
{
	static const struct {
		unsigned int shift;	/* volumes below 1 << shift blocks */
		unsigned int slots;
	} steps[] = { { 18, 2 }, { 22, 4 }, { 26, 8 }, { 30, 16 }, { 34, 32 } };
	size_t i = 0;

	while (i < SFFS_ARRAY_SIZE(steps) && g->blocks >> steps[i].shift)
		i++;
	if (!g->slots) {
		g->slots = i < SFFS_ARRAY_SIZE(steps) ? steps[i].slots : SFFS_MAX_SLOTS;
		if (g->max_slots && g->slots > g->max_slots)
			g->slots = g->max_slots;
	}
	if (!g->max_slots) {
		g->max_slots = i ? SFFS_MAX_SLOTS : 8;
		if (g->max_slots < g->slots)
			g->max_slots = g->slots;
	}
}

/* At most an eighth of the volume for all journals. */
static void choose_journal(struct sffs_geometry *g)
{
	uint64_t most = g->blocks / 8 / g->slots;

	if (g->journal_blocks)
		return;
	g->journal_blocks = most < JOURNAL_BLOCKS_DEFAULT ? most : JOURNAL_BLOCKS_DEFAULT;
	if (g->journal_blocks < SFFS_JOURNAL_BLOCKS_MIN)
		g->journal_blocks = SFFS_JOURNAL_BLOCKS_MIN;
}

/* 16 groups in a small volume, then both their number and their size grow. */
static void choose_group(struct sffs_geometry *g)
{
	unsigned int log = log2_floor(g->blocks);

	if (g->group_shift)
		return;
	g->group_shift = log <= 20 ? log - 4 : 16 + (log - 20) / 2;
	if (g->group_shift < SFFS_GROUP_SHIFT_MIN)
		g->group_shift = SFFS_GROUP_SHIFT_MIN;
	if (g->group_shift > SFFS_GROUP_SHIFT_MAX)
		g->group_shift = SFFS_GROUP_SHIFT_MAX;
}

static uint64_t place(uint64_t *next, uint64_t blocks)
{
	uint64_t here = *next;

	*next += blocks;
	return here;
}

int sffs_geometry_make(struct sffs_geometry *g, const char **why)
{
	uint64_t next = SFFS_SUPER_BLOCK + 1, room, tail;

	*why = "too small: a volume has at least 32 MiB";
	if (g->blocks < 8192)
		return -1;
	*why = "too large";
	if (g->blocks > SFFS_MAX_BLOCKS)
		return -1;
	choose_slots(g);
	choose_journal(g);
	choose_group(g);
	*why = "more slots than the regions have room for (--max-slots)";
	if (g->slots > g->max_slots)
		return -1;

	g->bitmap_blocks = sffs_bitmap_blocks(g->group_shift);
	g->slot_area_blocks = SLOT_AREA_BLOCKS;
	g->reclaim_blocks = RECLAIM_BLOCKS;
	g->qchange_blocks = QCHANGE_BLOCKS;
	g->heartbeat_block = place(&next, sffs_record_blocks(g->sector_shift, g->max_slots));
	g->fixed_lock_block = place(&next, sffs_record_blocks(g->sector_shift, SFFS_FIXED_LOCKS));
	g->mailbox_block = place(&next, sffs_record_blocks(g->sector_shift,
							   g->max_slots * g->max_slots));
	g->slot_area_block = place(&next, (uint64_t)g->slots * SLOT_AREA_BLOCKS);
	g->journal_block = place(&next, (uint64_t)g->slots * g->journal_blocks);
	g->first_group_block = (next + GROUP_ALIGN - 1) / GROUP_ALIGN * GROUP_ALIGN;

	*why = "too small for its journals and one allocation group (--slots, --journal-size)";
	if (g->first_group_block + GROUP_BLOCKS_MIN > g->blocks)
		return -1;
	room = g->blocks - g->first_group_block;
	*why = "too many allocation groups; use larger ones";
	if (room >> g->group_shift >= UINT32_MAX)
		return -1;
	g->groups = room >> g->group_shift;
	tail = room & ((1ULL << g->group_shift) - 1);
	if (tail >= GROUP_BLOCKS_MIN)
		g->groups++;
	*why = "too small for one allocation group of this size";
	return g->groups ? 0 : -1;
}

uint32_t sffs_geometry_group_blocks(const struct sffs_geometry *g, uint32_t group)
{
	uint64_t left = g->blocks - sffs_geometry_group(g, group);

	return left >> g->group_shift ? 1U << g->group_shift : left;
}
