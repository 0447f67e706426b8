// SPDX-License-Identifier: GPL-2.0-only
/* Super blocks and checksums. */
#include <stdlib.h>
#include <string.h>

#include "libsffs.h"

/* Where every structure has its checksum. */
#define CRC_OFFSET	4

static uint32_t block_crc(const void *buf, size_t len, uint32_t seed)
{
	static const uint32_t zero;
	uint32_t crc = sffs_crc32c(seed, buf, CRC_OFFSET);

	crc = sffs_crc32c(crc, &zero, sizeof(zero));
	return sffs_crc32c(crc, (const char *)buf + CRC_OFFSET + sizeof(zero),
			   len - CRC_OFFSET - sizeof(zero));
}

void sffs_set_crc(void *buf, size_t len, uint32_t seed)
{
	uint32_t crc = htole32(block_crc(buf, len, seed));

	memcpy((char *)buf + CRC_OFFSET, &crc, sizeof(crc));
}

bool sffs_crc_ok(const void *buf, size_t len, uint32_t seed)
{
	uint32_t crc;

	memcpy(&crc, (const char *)buf + CRC_OFFSET, sizeof(crc));
	return le32toh(crc) == block_crc(buf, len, seed);
}

void sffs_block_seal(void *block, uint32_t magic, uint64_t number, uint64_t owner,
		     uint32_t generation, uint32_t seed)
{
	struct sffs_header *h = block;

	h->magic = htole32(magic);
	h->block = htole64(number);
	h->owner = htole64(owner);
	h->generation = htole32(generation);
	h->reserved = 0;
	sffs_set_crc(block, SFFS_BLOCK_SIZE, seed);
}

static void geometry_decode(const struct sffs_super *sb, struct sffs_geometry *g)
{
	*g = (struct sffs_geometry){
		.blocks = le64toh(sb->blocks),
		.sector_shift = sb->sector_shift,
		.max_slots = sb->max_slots,
		.slots = le32toh(sb->slots),
		.journal_blocks = le32toh(sb->journal_blocks),
		.group_shift = sb->group_shift,
		.groups = le32toh(sb->groups),
		.bitmap_blocks = le32toh(sb->bitmap_blocks),
		.heartbeat_block = le64toh(sb->heartbeat_block),
		.fixed_lock_block = le64toh(sb->fixed_lock_block),
		.mailbox_block = le64toh(sb->mailbox_block),
		.slot_area_block = le64toh(sb->slot_area_block[0]),
		.journal_block = le64toh(sb->journal_block[0]),
		.first_group_block = le64toh(sb->first_group_block),
		.slot_area_blocks = le32toh(sb->slot_area_blocks),
		.reclaim_blocks = le32toh(sb->reclaim_blocks),
		.qchange_blocks = le32toh(sb->qchange_blocks),
	};
}

/* Does [block, block + n) lie on the volume, behind the super block? */
static bool on_volume(const struct sffs_geometry *g, uint64_t block, uint64_t n)
{
	return block > SFFS_SUPER_BLOCK && block < g->blocks && n <= g->blocks - block;
}

static bool geometry_sane(const struct sffs_super *sb, const struct sffs_geometry *g)
{
	unsigned int s = g->sector_shift;
	uint64_t end;

	if (sb->block_shift != SFFS_BLOCK_SHIFT || (s != 9 && s != 12) ||
	    !g->max_slots || g->max_slots > SFFS_MAX_SLOTS ||
	    !g->slots || g->slots > g->max_slots ||
	    g->group_shift < SFFS_GROUP_SHIFT_MIN || g->group_shift > SFFS_GROUP_SHIFT_MAX ||
	    g->bitmap_blocks != sffs_bitmap_blocks(g->group_shift) ||
	    g->blocks > SFFS_MAX_BLOCKS || !g->groups || g->first_group_block >= g->blocks ||
	    g->journal_blocks < SFFS_JOURNAL_BLOCKS_MIN ||
	    g->journal_blocks > SFFS_JOURNAL_BLOCKS_MAX ||
	    g->slot_area_blocks > 4096 || g->reclaim_blocks > 1024 || g->qchange_blocks > 1024 ||
	    g->slot_area_blocks < 1 + g->reclaim_blocks + g->qchange_blocks)
		return false;
	end = g->first_group_block + ((uint64_t)(g->groups - 1) << g->group_shift);
	if (end >= g->blocks)
		return false;
	for (unsigned int i = 0; i < g->slots; i++)
		if (!on_volume(g, le64toh(sb->slot_area_block[i]), g->slot_area_blocks) ||
		    !on_volume(g, le64toh(sb->journal_block[i]), g->journal_blocks))
			return false;
	return on_volume(g, g->heartbeat_block, sffs_record_blocks(s, g->max_slots)) &&
	       on_volume(g, g->fixed_lock_block, sffs_record_blocks(s, SFFS_FIXED_LOCKS)) &&
	       on_volume(g, g->mailbox_block,
			 sffs_record_blocks(s, (uint64_t)g->max_slots * g->max_slots));
}

int sffs_super_decode(const struct sffs_super *sb, uint64_t block, struct sffs_geometry *geo,
		      const char **why)
{
	*why = "not an SFFS volume";
	if (le32toh(sb->h.magic) != SFFS_MAGIC_SUPER || memcmp(sb->name, "SFFS\0\0\0\0", 8))
		return -1;
	*why = "the super block is damaged (wrong checksum)";
	if (!sffs_crc_ok(sb, SFFS_BLOCK_SIZE, ~0U))
		return -1;
	*why = "this is not where this super block belongs";
	if (le64toh(sb->h.block) != block)
		return -1;
	*why = "made by a newer version of SFFS";
	if (le32toh(sb->version) != SFFS_FORMAT_VERSION ||
	    le64toh(sb->incompat) & ~SFFS_INCOMPAT_SUPPORTED)
		return -1;
	geometry_decode(sb, geo);
	*why = "the super block is damaged (impossible geometry)";
	return geometry_sane(sb, geo) ? 0 : -1;
}

int sffs_volume_open(struct sffs_volume *vol, const char *path, bool write, uint64_t block)
{
	const char *why;

	if (sffs_device_open(&vol->dev, path, write))
		return -1;
	if (vol->dev.bytes / SFFS_BLOCK_SIZE <= block) {
		why = "too small to hold an SFFS volume";
		goto bad;
	}
	if (sffs_read_blocks(&vol->dev, block, &vol->sb, 1))
		goto close;
	if (sffs_super_decode(&vol->sb, block, &vol->geo, &why))
		goto bad;
	vol->seed = le32toh(vol->sb.checksum_seed);
	why = "the device is smaller than the volume";
	if (vol->geo.blocks > vol->dev.bytes / SFFS_BLOCK_SIZE)
		goto bad;
	why = "the device's sector size is not the one that the volume was made for";
	if (vol->dev.sector_shift && vol->dev.sector_shift != vol->geo.sector_shift)
		goto bad;
	return 0;
bad:
	sffs_err("%s: %s", path, why);
close:
	sffs_device_close(&vol->dev);
	return -1;
}

void sffs_volume_close(struct sffs_volume *vol)
{
	sffs_device_close(&vol->dev);
}

int sffs_volume_write_super(struct sffs_volume *vol)
{
	struct sffs_super backup = vol->sb;

	for (uint64_t g = 0; g < vol->geo.groups; g = g < 1 ? 1 : g < 3 ? 3 : g * 3) {
		uint64_t block = sffs_geometry_group(&vol->geo, g) + SFFS_GROUP_BACKUP;

		sffs_block_seal(&backup, SFFS_MAGIC_SUPER, block, 0, 0, ~0U);
		if (sffs_write_blocks(&vol->dev, block, &backup, 1))
			return -1;
	}
	sffs_block_seal(&vol->sb, SFFS_MAGIC_SUPER, SFFS_SUPER_BLOCK, 0, 0, ~0U);
	return sffs_write_blocks(&vol->dev, SFFS_SUPER_BLOCK, &vol->sb, 1);
}
