// SPDX-License-Identifier: GPL-2.0-only
/* Slots: their areas and journals, and making more of them. */
#include <stdlib.h>
#include <string.h>
#include <uuid/uuid.h>

#include "meta.h"
#include "slots.h"

/* The parts of jbd2's super block that are not zero; big-endian. */
struct journal_super {
	uint32_t magic, blocktype, sequence0;
	uint32_t blocksize, maxlen, first;
	uint32_t sequence, start, error;
	uint32_t compat, incompat, ro_compat;
	uint8_t uuid[16];
	uint32_t nr_users, dynsuper, max_transaction, max_trans_data;
	uint8_t checksum_type, padding2[3];
	uint32_t num_fc_blocks, head, padding[40], checksum;
	uint8_t users[768];
};

static_assert(sizeof(struct journal_super) == 1024);
static_assert(offsetof(struct journal_super, checksum) == 0xfc);

int sffs_make_journal(struct sffs_volume *vol, uint64_t block)
{
	union {
		struct journal_super s;
		uint8_t bytes[SFFS_BLOCK_SIZE];
	} b = {
		.s.magic = htobe32(0xc03b3998),
		.s.blocktype = htobe32(4),		/* super block, version 2 */
		.s.blocksize = htobe32(SFFS_BLOCK_SIZE),
		.s.maxlen = htobe32(vol->geo.journal_blocks),
		.s.first = htobe32(1),
		.s.sequence = htobe32(1),
		.s.incompat = htobe32(0x1 | 0x2 | 0x10),	/* REVOKE, 64BIT, CSUM_V3 */
		.s.nr_users = htobe32(1),
		.s.checksum_type = 4,			/* CRC-32C */
	};
	static const uint8_t zeros[SFFS_BLOCK_SIZE];

	uuid_generate(b.s.uuid);
	b.s.checksum = htobe32(sffs_crc32c(~0U, &b.s, sizeof(b.s)));
	return sffs_vol_write(vol, block, &b) || sffs_vol_write(vol, block + 1, zeros) ? -1 : 0;
}

int sffs_make_slot(struct sffs_volume *vol, unsigned int slot)
{
	const struct sffs_geometry *g = &vol->geo;
	uint64_t block = le64toh(vol->sb.slot_area_block[slot]);
	uint8_t buf[SFFS_BLOCK_SIZE] = { 0 };

	for (unsigned int i = 0; i < 1 + g->reclaim_blocks + g->qchange_blocks; i++) {
		uint32_t magic = !i ? SFFS_MAGIC_SLOT_AREA :
				 i <= g->reclaim_blocks ? SFFS_MAGIC_RECLAIM : SFFS_MAGIC_QCHANGE;

		sffs_block_seal(buf, magic, block + i, slot, 0, vol->seed);
		if (sffs_vol_write(vol, block + i, buf))
			return -1;
	}
	return sffs_make_journal(vol, le64toh(vol->sb.journal_block[slot]));
}

int sffs_slot_idle(const struct sffs_volume *vol, unsigned int slot)
{
	uint64_t byte = (uint64_t)slot << vol->geo.sector_shift;
	uint8_t buf[SFFS_BLOCK_SIZE] __attribute__((aligned(8)));
	const struct sffs_slot_record *rec = (void *)(buf + byte % SFFS_BLOCK_SIZE);
	const struct journal_super *js = (void *)buf;

	if (sffs_vol_read(vol, vol->geo.heartbeat_block + byte / SFFS_BLOCK_SIZE, buf))
		return -1;
	if (!sffs_record_ok(vol, rec, SFFS_MAGIC_SLOT)) {
		sffs_err("%s: slot %u is damaged; run fsck.sffs first", vol->dev.path, slot);
		return -1;
	}
	if (rec->state != SFFS_SLOT_FREE) {
		sffs_err("%s: slot %u is host %.63s's; unmount it there, or run fsck.sffs",
			 vol->dev.path, slot, rec->host);
		return -1;
	}
	if (slot >= vol->geo.slots)
		return 0;
	if (sffs_vol_read(vol, le64toh(vol->sb.journal_block[slot]), buf))
		return -1;
	if (js->start) {
		sffs_err("%s: the journal of slot %u is to be replayed; run fsck.sffs first",
			 vol->dev.path, slot);
		return -1;
	}
	return 0;
}

/* ---- Further slots, in the groups ---- */

static bool bit(const uint8_t *map, uint32_t i)
{
	return map[i / 8] >> (i % 8) & 1;
}

/* A bitmap block as it is, or as it would be if it had been written. */
static int read_bitmap(struct sffs_volume *vol, uint32_t group, uint32_t k,
		       const struct sffs_group *gh, struct sffs_bitmap *bm)
{
	uint64_t block = sffs_geometry_group(&vol->geo, group) + SFFS_GROUP_BITMAP + k;
	uint32_t blocks = sffs_geometry_group_blocks(&vol->geo, group);
	uint64_t owner = group;

	if (!(le16toh(gh->sum[k].free) & SFFS_BMS_UNINIT)) {
		if (sffs_vol_read(vol, block, bm))
			return -1;
		return sffs_meta_fault(vol, bm, block, SFFS_MAGIC_BITMAP, &owner, NULL) ? -1 : 0;
	}
	memset(bm, 0, sizeof(*bm));
	for (uint32_t i = 0; i < SFFS_BITMAP_BITS; i++) {
		uint32_t at = k * SFFS_BITMAP_BITS + i;

		if (at < SFFS_GROUP_BITMAP + vol->geo.bitmap_blocks || at >= blocks)
			bm->allocated[i / 8] |= 1U << i % 8;
		else if (gh->sum[k].unmapped)
			bm->unmapped[i / 8] |= 1U << i % 8;
	}
	return 0;
}

/* First block, within the group, of a free run of @count; 0 if there is none. */
static uint32_t find_run(struct sffs_volume *vol, uint32_t group, const struct sffs_group *gh,
			 uint32_t count)
{
	uint32_t run = 0;

	for (uint32_t k = 0; k < vol->geo.bitmap_blocks; k++) {
		struct sffs_bitmap bm;

		if (read_bitmap(vol, group, k, gh, &bm))
			return 0;
		for (uint32_t i = 0; i < SFFS_BITMAP_BITS; i++) {
			run = bit(bm.allocated, i) ? 0 : run + 1;
			if (run == count)
				return k * SFFS_BITMAP_BITS + i + 1 - count;
		}
	}
	return 0;
}

/* Mark the blocks [from, from + count) of a group, which are free, as used. */
static int use_run(struct sffs_volume *vol, uint32_t group, struct sffs_group *gh, uint32_t from,
		   uint32_t count)
{
	uint64_t start = sffs_geometry_group(&vol->geo, group);

	for (uint32_t k = from / SFFS_BITMAP_BITS; k * SFFS_BITMAP_BITS < from + count; k++) {
		uint32_t free = le16toh(gh->sum[k].free) & ~SFFS_BMS_UNINIT, first;
		uint32_t un = le16toh(gh->sum[k].unmapped), end = (k + 1) * SFFS_BITMAP_BITS;
		struct sffs_bitmap bm;

		if (read_bitmap(vol, group, k, gh, &bm))
			return -1;
		first = from > k * SFFS_BITMAP_BITS ? from : k * SFFS_BITMAP_BITS;
		for (uint32_t at = first; at < end && at < from + count; at++) {
			uint32_t i = at % SFFS_BITMAP_BITS;
			bool was = bit(bm.unmapped, i);

			bm.allocated[i / 8] |= 1U << i % 8;
			bm.unmapped[i / 8] &= ~(1U << i % 8);
			free--;
			un -= was;
			gh->unmapped_blocks = htole32(le32toh(gh->unmapped_blocks) - was);
		}
		gh->sum[k].free = htole16(free);
		gh->sum[k].unmapped = htole16(un);
		sffs_block_seal(&bm, SFFS_MAGIC_BITMAP, start + SFFS_GROUP_BITMAP + k, group, 0,
				vol->seed);
		if (sffs_vol_write(vol, start + SFFS_GROUP_BITMAP + k, &bm))
			return -1;
	}
	gh->free_blocks = htole32(le32toh(gh->free_blocks) - count);
	sffs_block_seal(gh, SFFS_MAGIC_GROUP, start + SFFS_GROUP_HEADER, group, 0, vol->seed);
	return sffs_vol_write(vol, start + SFFS_GROUP_HEADER, gh);
}

uint64_t sffs_take_run(struct sffs_volume *vol, uint32_t count)
{
	for (uint32_t group = 0; group < vol->geo.groups; group++) {
		uint64_t start = sffs_geometry_group(&vol->geo, group), owner = group;
		struct sffs_group gh;
		uint32_t from;

		if (sffs_vol_read(vol, start + SFFS_GROUP_HEADER, &gh) ||
		    sffs_meta_fault(vol, &gh, start + SFFS_GROUP_HEADER, SFFS_MAGIC_GROUP, &owner,
				    NULL))
			return 0;
		if (le32toh(gh.free_blocks) < count)
			continue;
		from = find_run(vol, group, &gh, count);
		if (from)
			return use_run(vol, group, &gh, from, count) ? 0 : start + from;
	}
	return 0;
}

static int add_slot(struct sffs_volume *vol, unsigned int slot)
{
	uint64_t block = sffs_take_run(vol, vol->geo.slot_area_blocks + vol->geo.journal_blocks);

	if (!block) {
		sffs_err("%s: no group has %u free blocks in a row for slot %u", vol->dev.path,
			 vol->geo.slot_area_blocks + vol->geo.journal_blocks, slot);
		return -1;
	}
	vol->sb.slot_area_block[slot] = htole64(block);
	vol->sb.journal_block[slot] = htole64(block + vol->geo.slot_area_blocks);
	return sffs_make_slot(vol, slot);
}

int sffs_add_slots(struct sffs_volume *vol, unsigned int slots)
{
	unsigned int slot = vol->geo.slots;
	int ret = 0;

	if (slots <= slot || slots > vol->geo.max_slots) {
		sffs_err("%s: has %u slots and room for %u; their number can only grow",
			 vol->dev.path, slot, vol->geo.max_slots);
		return -1;
	}
	/* In memory first: nothing is written if there is no room for all of them. */
	vol->read_only = true;
	while (slot < slots && !ret)
		ret = add_slot(vol, slot++);
	vol->read_only = false;
	if (ret) {
		sffs_vol_drop_overlay(vol);
		return -1;
	}
	vol->sb.slots = htole32(slots);
	vol->geo.slots = slots;
	return sffs_vol_flush_overlay(vol);
}
