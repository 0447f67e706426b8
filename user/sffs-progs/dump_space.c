// SPDX-License-Identifier: GPL-2.0-only
/* dump.sffs: super block, slots, locks, journals, groups. */
#include <string.h>

#include "dump.h"

static const struct sffs_geometry *geo(const struct dump *d)
{
	return &d->vol.geo;
}

/* A block of a known kind, with what is wrong with it. */
static int print_block(struct dump *d, const char *name, uint64_t block, uint32_t magic,
		       const uint64_t *owner, void *buf)
{
	if (sffs_vol_read(&d->vol, block, buf))
		return -1;
	dump_open(d, name, '{');
	dump_u64(d, "at_block", block);
	dump_fault(d, sffs_meta_fault(&d->vol, buf, block, magic, owner, NULL));
	dump_struct(d, sffs_struct_of(magic), buf);
	dump_close(d, '}');
	return 0;
}

int dump_super(struct dump *d, uint64_t block)
{
	struct sffs_super sb;

	return print_block(d, "super", block, SFFS_MAGIC_SUPER, NULL, &sb);
}

int dump_block(struct dump *d, uint64_t block)
{
	uint8_t buf[SFFS_BLOCK_SIZE] __attribute__((aligned(8)));
	const struct sffs_header *h = (const void *)buf;
	const struct sffs_struct *s;

	if (sffs_vol_read(&d->vol, block, buf))
		return -1;
	s = sffs_struct_of(le32toh(h->magic));
	dump_open(d, s ? s->name : "data", '{');
	dump_u64(d, "at_block", block);
	if (s && s->size == SFFS_BLOCK_SIZE)
		dump_fault(d, sffs_meta_fault(&d->vol, buf, block, s->magic, NULL, NULL));
	if (s)
		dump_struct(d, s, buf);
	else
		dump_text(d, "start", buf, 64);
	dump_close(d, '}');
	return 0;
}

/* ---- Records of one sector ---- */

static int read_record(struct dump *d, uint64_t block, uint64_t sector, void *rec)
{
	uint8_t buf[SFFS_BLOCK_SIZE] __attribute__((aligned(8)));
	uint64_t byte = sector << geo(d)->sector_shift;

	if (sffs_vol_read(&d->vol, block + byte / SFFS_BLOCK_SIZE, buf))
		return -1;
	memcpy(rec, buf + byte % SFFS_BLOCK_SIZE, SFFS_RECORD_SIZE);
	return 0;
}

static void print_record(struct dump *d, const struct sffs_struct *s, const char *what,
			 uint64_t number, const void *rec)
{
	dump_open(d, NULL, '{');
	dump_u64(d, what, number);
	if (!sffs_record_ok(&d->vol, rec, s->magic))
		dump_fault(d, "wrong magic number or checksum");
	dump_struct(d, s, rec);
	dump_close(d, '}');
}

/* The records of a region; those that are all zero were never used. */
static int print_region(struct dump *d, const char *name, const struct sffs_struct *s,
			uint64_t block, uint64_t count)
{
	uint8_t rec[SFFS_RECORD_SIZE] __attribute__((aligned(8)));

	dump_open(d, name, '[');
	for (uint64_t i = 0; i < count; i++) {
		if (read_record(d, block, i, rec))
			return -1;
		if (!sffs_is_zero(rec, sizeof(rec)))
			print_record(d, s, "sector", i, rec);
	}
	dump_close(d, ']');
	return 0;
}

int dump_slots(struct dump *d)
{
	return print_region(d, "slots", &sffs_struct_slot, geo(d)->heartbeat_block,
			    geo(d)->max_slots);
}

int dump_locks(struct dump *d)
{
	return print_region(d, "fixed_locks", &sffs_struct_lock, geo(d)->fixed_lock_block,
			    SFFS_FIXED_LOCKS);
}

int dump_mail(struct dump *d)
{
	return print_region(d, "mailbox", &sffs_struct_mail, geo(d)->mailbox_block,
			    (uint64_t)geo(d)->max_slots * geo(d)->max_slots);
}

static const char * const lock_types[] = {
	[SFFS_LOCKT_FIXED] = "fixed", [SFFS_LOCKT_GROUP] = "group",
	[SFFS_LOCKT_INODE] = "inode", [SFFS_LOCKT_OPEN] = "open",
	[SFFS_LOCKT_FLOCK] = "flock", [SFFS_LOCKT_CHUNK] = "chunk",
};

/* Where the record of a resource is; -1 if there is no such resource. */
static int place_lock(struct dump *d, unsigned int type, uint64_t n, uint64_t *block,
		      uint64_t *sector)
{
	*sector = 0;
	switch (type) {
	case SFFS_LOCKT_FIXED:
		*block = geo(d)->fixed_lock_block;
		*sector = n;
		return n < SFFS_FIXED_LOCKS ? 0 : -1;
	case SFFS_LOCKT_GROUP:
		if (n >= geo(d)->groups)
			return -1;
		*block = sffs_geometry_group(geo(d), n);
		return 0;
	case SFFS_LOCKT_CHUNK:
		*block = n + SFFS_CHUNK_DELEGATION;
		return sffs_vol_in_group(&d->vol, n, 2) ? 0 : -1;
	default:
		*block = 0;
		*sector = sffs_ino_record(n, type, geo(d)->sector_shift);
		return sffs_vol_ino_fits(&d->vol, n) ? 0 : -1;
	}
}

int dump_lock(struct dump *d, const char *type, const char *number)
{
	uint8_t rec[SFFS_RECORD_SIZE] __attribute__((aligned(8)));
	uint64_t n, block, sector;
	unsigned int t = 1;

	while (t < SFFS_ARRAY_SIZE(lock_types) && strcmp(type, lock_types[t]))
		t++;
	if (t == SFFS_ARRAY_SIZE(lock_types) || !sffs_parse_u64(number, 0, UINT64_MAX, &n) ||
	    place_lock(d, t, n, &block, &sector)) {
		sffs_err("lock %s %s: there is no such lock (fixed, group, inode, open, flock or chunk, and a number)",
			 type, number);
		return -1;
	}
	if (read_record(d, block, sector, rec))
		return -1;
	dump_open(d, "locks", '[');
	if (!sffs_is_zero(rec, sizeof(rec)))
		print_record(d, &sffs_struct_lock, "number", n, rec);
	dump_close(d, ']');
	return 0;
}

/* ---- Slot areas and journals ---- */

static int print_orphans(struct dump *d, uint64_t slot, uint64_t block)
{
	struct sffs_set seen = { 0 };
	int ret = 0;

	dump_open(d, "orphan_table", '[');
	while (block && !ret) {
		struct sffs_orphan_block ob;

		if (!sffs_vol_in_group(&d->vol, block, 1) || !sffs_set_add(&seen, block)) {
			dump_fault(d, "the chain of orphan tables leads astray");
			break;
		}
		ret = print_block(d, NULL, block, SFFS_MAGIC_ORPHAN, &slot, &ob);
		if (sffs_meta_fault(&d->vol, &ob, block, SFFS_MAGIC_ORPHAN, &slot, NULL))
			break;
		block = le64toh(ob.next);
	}
	dump_close(d, ']');
	sffs_set_free(&seen);
	return ret;
}

int dump_area(struct dump *d, unsigned int slot)
{
	const struct sffs_geometry *g = geo(d);
	uint64_t block = le64toh(d->vol.sb.slot_area_block[slot]), owner = slot;
	struct sffs_slot_area area;
	int ret;

	dump_open(d, "slot_area", '{');
	dump_u64(d, "slot", slot);
	ret = print_block(d, "head", block, SFFS_MAGIC_SLOT_AREA, &owner, &area);
	if (!ret)
		ret = print_orphans(d, slot, le64toh(area.orphan_block));
	dump_open(d, "reclaim", '[');
	for (uint32_t i = 0; !ret && i < g->reclaim_blocks; i++)
		ret = print_block(d, NULL, block + 1 + i, SFFS_MAGIC_RECLAIM, &owner, &area);
	dump_close(d, ']');
	dump_open(d, "quota_changes", '[');
	for (uint32_t i = 0; !ret && i < g->qchange_blocks; i++)
		ret = print_block(d, NULL, block + 1 + g->reclaim_blocks + i, SFFS_MAGIC_QCHANGE,
				  &owner, &area);
	dump_close(d, ']');
	dump_close(d, '}');
	return ret;
}

int dump_journal(struct dump *d, unsigned int slot)
{
	uint64_t block = le64toh(d->vol.sb.journal_block[slot]);
	uint8_t buf[SFFS_BLOCK_SIZE] __attribute__((aligned(8)));

	if (sffs_vol_read(&d->vol, block, buf))
		return -1;
	dump_open(d, "journal", '{');
	dump_u64(d, "slot", slot);
	dump_u64(d, "at_block", block);
	dump_struct(d, &sffs_struct_journal, buf);
	dump_close(d, '}');
	return 0;
}

/* ---- Groups ---- */

static int print_chunks(struct dump *d, uint32_t group, const struct sffs_group *gh)
{
	uint64_t start = sffs_geometry_group(geo(d), group), owner = group;
	uint32_t at = le32toh(gh->chunk_all), blocks = sffs_chunk_blocks(geo(d)->sector_shift);
	struct sffs_set seen = { 0 };
	int ret = 0;

	dump_open(d, "inode_chunks", '[');
	while (at && !ret) {
		struct sffs_chunk ck;

		if (!sffs_vol_in_group(&d->vol, start + at, blocks) || !sffs_set_add(&seen, at)) {
			dump_fault(d, "the chain of chunks leads astray");
			break;
		}
		ret = print_block(d, NULL, start + at, SFFS_MAGIC_CHUNK, &owner, &ck);
		if (sffs_meta_fault(&d->vol, &ck, start + at, SFFS_MAGIC_CHUNK, &owner, NULL))
			break;
		at = le32toh(ck.next_all);
	}
	dump_close(d, ']');
	sffs_set_free(&seen);
	return ret;
}

int dump_group(struct dump *d, uint32_t group)
{
	uint64_t start = sffs_geometry_group(geo(d), group), owner = group;
	struct sffs_group gh;
	int ret;

	dump_open(d, "group", '{');
	dump_u64(d, "number", group);
	dump_u64(d, "first_block", start);
	ret = print_block(d, "group_header", start + SFFS_GROUP_HEADER, SFFS_MAGIC_GROUP, &owner,
			  &gh);
	if (!ret && !sffs_meta_fault(&d->vol, &gh, start + SFFS_GROUP_HEADER, SFFS_MAGIC_GROUP,
				     &owner, NULL))
		ret = print_chunks(d, group, &gh);
	dump_close(d, '}');
	return ret;
}

static unsigned int bits_at(const struct sffs_bitmap *bm, uint32_t i)
{
	return (bm->allocated[i / 8] >> (i % 8) & 1) | (bm->unmapped[i / 8] >> (i % 8) & 1) << 1;
}

static void print_runs(struct dump *d, const struct sffs_bitmap *bm, uint64_t first, uint32_t count)
{
	static const char * const states[] = { "free", "used", "unmapped", "chunk" };

	dump_open(d, "runs", '[');
	for (uint32_t i = 0, n; i < count; i += n) {
		unsigned int state = bits_at(bm, i);

		for (n = 1; i + n < count && bits_at(bm, i + n) == state; n++)
			;
		dump_open(d, NULL, '{');
		dump_str(d, "state", states[state]);
		dump_u64(d, "block", first + i);
		dump_u64(d, "count", n);
		dump_close(d, '}');
	}
	dump_close(d, ']');
}

int dump_bitmaps(struct dump *d, uint32_t group)
{
	uint64_t start = sffs_geometry_group(geo(d), group), owner = group;
	uint32_t blocks = sffs_geometry_group_blocks(geo(d), group);
	struct sffs_group gh;

	if (sffs_vol_read(&d->vol, start + SFFS_GROUP_HEADER, &gh))
		return -1;
	dump_open(d, "bitmaps", '[');
	for (uint32_t k = 0; k * SFFS_BITMAP_BITS < blocks; k++) {
		uint64_t block = start + SFFS_GROUP_BITMAP + k;
		uint32_t left = blocks - k * SFFS_BITMAP_BITS;
		struct sffs_bitmap bm;
		const char *why;

		dump_open(d, NULL, '{');
		dump_u64(d, "at_block", block);
		if (le16toh(gh.sum[k].free) & SFFS_BMS_UNINIT) {
			dump_str(d, "state", "never written");
			dump_close(d, '}');
			continue;
		}
		if (sffs_vol_read(&d->vol, block, &bm))
			return -1;
		why = sffs_meta_fault(&d->vol, &bm, block, SFFS_MAGIC_BITMAP, &owner, NULL);
		dump_fault(d, why);
		print_runs(d, &bm, start + (uint64_t)k * SFFS_BITMAP_BITS,
			   left < SFFS_BITMAP_BITS ? left : SFFS_BITMAP_BITS);
		dump_close(d, '}');
	}
	dump_close(d, ']');
	return 0;
}
