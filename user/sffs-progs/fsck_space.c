// SPDX-License-Identifier: GPL-2.0-only
/* Where the inode chunks are, and what the groups say, compared with what is in use. */
#include <stdlib.h>
#include <string.h>

#include "fsck.h"

#define SEARCH_BLOCKS	64U

static const struct sffs_geometry *geo(const struct fsck *f)
{
	return &f->vol.geo;
}

static uint64_t start_of(const struct fsck *f, uint32_t group)
{
	return sffs_geometry_group(geo(f), group);
}

static bool chunk_fits(const struct fsck *f, uint64_t block)
{
	return sffs_vol_in_group(&f->vol, block, sffs_chunk_blocks(geo(f)->sector_shift));
}

static bool chunk_header(struct fsck *f, uint32_t group, uint32_t at, struct sffs_chunk *ck)
{
	return chunk_fits(f, start_of(f, group) + at) &&
	       fsck_read_meta(f, start_of(f, group) + at, SFFS_MAGIC_CHUNK, group, NULL, ck);
}

/* Without a header it takes an inode that says where it is. */
static bool has_inodes(struct fsck *f, uint64_t block)
{
	for (unsigned int i = 0; i < SFFS_CHUNK_INODES; i++) {
		uint64_t ino = sffs_make_ino(block, i);
		uint64_t at = sffs_ino_block(ino, geo(f)->sector_shift);
		struct sffs_inode di;

		if (!sffs_vol_read(&f->vol, at, &di) &&
		    !sffs_meta_fault(&f->vol, &di, at, SFFS_MAGIC_INODE, &ino, NULL))
			return true;
	}
	return false;
}

/* From the list; a header that is damaged ends it, but the bitmaps know the rest. */
static void chunks_by_list(struct fsck *f, uint32_t group, const struct sffs_group *gh)
{
	uint32_t at = le32toh(gh->chunk_all);
	struct sffs_set seen = { 0 };
	struct sffs_chunk ck;

	while (at && sffs_set_add(&seen, at) && chunk_header(f, group, at, &ck)) {
		sffs_space_add_chunk(&f->space, start_of(f, group) + at, true);
		at = le32toh(ck.next_all);
	}
	sffs_set_free(&seen);
}

static void chunks_by_bitmap(struct fsck *f, uint32_t group, uint32_t k,
			     const struct sffs_bitmap *bm)
{
	for (uint32_t i = 0; i < SFFS_BITMAP_BITS; i++) {
		uint32_t at = k * SFFS_BITMAP_BITS + i;
		struct sffs_chunk ck;
		bool ok;

		if (!(bm->unmapped[i / 8] & bm->allocated[i / 8] & 1U << i % 8) ||
		    !chunk_fits(f, start_of(f, group) + at))
			continue;
		ok = chunk_header(f, group, at, &ck);
		if (ok || has_inodes(f, start_of(f, group) + at))
			sffs_space_add_chunk(&f->space, start_of(f, group) + at, ok);
	}
}

/* No bitmap: look for headers of chunks, which nobody can forge without the seed. */
static int chunks_by_search(struct fsck *f, uint32_t group, uint32_t k)
{
	uint32_t blocks = sffs_geometry_group_blocks(geo(f), group), end;
	uint32_t at = k * SFFS_BITMAP_BITS;
	uint8_t *buf = sffs_grow(NULL, SEARCH_BLOCKS, SFFS_BLOCK_SIZE);
	int ret = 0;

	end = blocks - at < SFFS_BITMAP_BITS ? blocks : at + SFFS_BITMAP_BITS;
	for (; at < end && !ret; at += SEARCH_BLOCKS) {
		uint32_t n = end - at < SEARCH_BLOCKS ? end - at : SEARCH_BLOCKS;

		ret = sffs_read_blocks(&f->vol.dev, start_of(f, group) + at, buf, n);
		for (uint32_t i = 0; i < n && !ret; i++) {
			const struct sffs_header *h = (void *)(buf + i * SFFS_BLOCK_SIZE);
			struct sffs_chunk ck;

			if (le32toh(h->magic) == SFFS_MAGIC_CHUNK &&
			    chunk_header(f, group, at + i, &ck))
				sffs_space_add_chunk(&f->space, start_of(f, group) + at + i, true);
		}
	}
	free(buf);
	return ret;
}

static bool read_group(struct fsck *f, uint32_t group, struct sffs_group *gh)
{
	return fsck_read_meta(f, start_of(f, group) + SFFS_GROUP_HEADER, SFFS_MAGIC_GROUP, group,
			      NULL, gh);
}

static bool read_bitmap(struct fsck *f, uint32_t group, uint32_t k, struct sffs_bitmap *bm)
{
	return fsck_read_meta(f, start_of(f, group) + SFFS_GROUP_BITMAP + k, SFFS_MAGIC_BITMAP,
			      group, NULL, bm);
}

static int by_block(const void *a, const void *b)
{
	const struct sffs_chunk_use *x = a, *y = b;

	if (x->block != y->block)
		return x->block < y->block ? -1 : 1;
	return (int)y->header_ok - (int)x->header_ok;
}

/* Areas and journals of slots that tune.sffs added are in the groups. */
static void claim_slots(struct fsck *f)
{
	const struct sffs_super *sb = &f->vol.sb;

	for (unsigned int i = 0; i < geo(f)->slots; i++) {
		const struct {
			uint64_t block;
			uint32_t count;
		} part[] = {
			{ le64toh(sb->slot_area_block[i]), geo(f)->slot_area_blocks },
			{ le64toh(sb->journal_block[i]), geo(f)->journal_blocks },
		};

		for (int k = 0; k < 2; k++) {
			if (!sffs_vol_in_group(&f->vol, part[k].block, part[k].count))
				continue;
			sffs_space_set(&f->space, &f->space.used, part[k].block, part[k].count);
			sffs_space_set(&f->space, &f->space.meta, part[k].block, part[k].count);
		}
	}
}

/* One of each, and of two that overlap the one with a valid header. */
static void settle_chunks(struct fsck *f)
{
	uint32_t blocks = sffs_chunk_blocks(geo(f)->sector_shift);
	struct sffs_space *s = &f->space;
	size_t out = 0;

	if (s->nr_chunks)
		qsort(s->chunk, s->nr_chunks, sizeof(*s->chunk), by_block);
	for (size_t i = 0; i < s->nr_chunks; i++) {
		struct sffs_chunk_use *last = out ? &s->chunk[out - 1] : NULL;

		if (!last || s->chunk[i].block >= last->block + blocks)
			s->chunk[out++] = s->chunk[i];
		else if (s->chunk[i].block != last->block && !last->header_ok)
			*last = s->chunk[i];
	}
	s->nr_chunks = out;
	for (size_t i = 0; i < out; i++) {
		sffs_space_set(s, &s->used, s->chunk[i].block, blocks);
		sffs_space_set(s, &s->meta, s->chunk[i].block, blocks);
	}
}

int fsck_find_chunks(struct fsck *f)
{
	for (uint32_t g = 0; g < geo(f)->groups; g++) {
		struct sffs_group gh;
		bool ok = read_group(f, g, &gh);

		if (ok)
			chunks_by_list(f, g, &gh);
		for (uint32_t k = 0; k < geo(f)->bitmap_blocks; k++) {
			struct sffs_bitmap bm;

			if (k * SFFS_BITMAP_BITS >= sffs_geometry_group_blocks(geo(f), g) ||
			    (ok && (le16toh(gh.sum[k].free) & SFFS_BMS_UNINIT)))
				continue;
			if (read_bitmap(f, g, k, &bm))
				chunks_by_bitmap(f, g, k, &bm);
			else if (chunks_by_search(f, g, k))
				return -1;
		}
		fsck_progress(f, "groups", g, geo(f)->groups);
	}
	settle_chunks(f);
	claim_slots(f);
	return 0;
}

/* ---- Groups ---- */

struct wrong {
	uint32_t lost, taken, marks;
};

static struct wrong compare(const struct sffs_bitmap *have, const struct sffs_bitmap *want)
{
	struct wrong w = { 0 };

	for (uint32_t i = 0; i < SFFS_BITMAP_BYTES; i++) {
		w.lost += __builtin_popcount(have->allocated[i] & ~want->allocated[i] & 0xff);
		w.taken += __builtin_popcount(~have->allocated[i] & want->allocated[i] & 0xff);
		w.marks += __builtin_popcount(have->unmapped[i] ^ want->unmapped[i]);
	}
	return w;
}

static int check_bitmap(struct fsck *f, uint32_t group, uint32_t k, bool header_ok,
			const struct sffs_bitmap_summary *have, struct sffs_bitmap_summary *want)
{
	uint64_t block = start_of(f, group) + SFFS_GROUP_BITMAP + k;
	bool uninit = header_ok && (le16toh(have->free) & SFFS_BMS_UNINIT), old_ok, fix;
	struct sffs_bitmap old = { 0 }, bm;
	struct wrong w;

	if (uninit && sffs_space_unwritten(&f->space, group, k, have->unmapped, want))
		return 0;
	old_ok = !uninit && read_bitmap(f, group, k, &old);
	sffs_space_bitmap(&f->space, group, k, old_ok ? &old : NULL, uninit && have->unmapped, &bm,
			  want);
	w = compare(&old, &bm);
	if (old_ok && !w.lost && !w.taken && !w.marks)
		return 0;
	if (uninit)
		fix = fsck_problem(f, "group %u, bitmap %u: has files but was never written",
				   group, k);
	else if (old_ok)
		fix = fsck_problem(f, "group %u, bitmap %u: %u bits too many, %u missing, %u marks",
				   group, k, w.lost, w.taken, w.marks);
	else
		fix = fsck_problem(f, "group %u, bitmap %u: damaged", group, k);
	if (!fix)
		return 0;
	sffs_block_seal(&bm, SFFS_MAGIC_BITMAP, block, group, 0, f->vol.seed);
	return sffs_vol_write(&f->vol, block, &bm);
}

/* The chunks of a group: [first, last) of the list. */
static void chunks_of(struct fsck *f, uint32_t group, size_t *first, size_t *last)
{
	uint64_t start = start_of(f, group);

	*first = sffs_space_chunk_from(&f->space, start);
	*last = sffs_space_chunk_from(&f->space, start + sffs_geometry_group_blocks(geo(f), group));
}

/* Follow a list of chunks; returns how many are in it, or UINT32_MAX. */
static uint32_t follow(struct fsck *f, uint32_t group, uint32_t at, bool free_list)
{
	struct sffs_set seen = { 0 };
	uint32_t prev = 0, n = 0;
	struct sffs_chunk ck;

	for (; at; n++) {
		if (!sffs_set_add(&seen, at) ||
		    !sffs_space_chunk(&f->space, start_of(f, group) + at) ||
		    !chunk_header(f, group, at, &ck) ||
		    (free_list && (!ck.free_mask || le32toh(ck.prev_free) != prev))) {
			n = UINT32_MAX;
			break;
		}
		prev = at;
		at = le32toh(free_list ? ck.next_free : ck.next_all);
	}
	sffs_set_free(&seen);
	return n;
}

/* Do both lists of chunks, and the chunks' own fields, agree with what was found? */
static bool chunk_lists_ok(struct fsck *f, uint32_t group, const struct sffs_group *gh)
{
	uint32_t with_free = 0;
	struct sffs_chunk ck;
	size_t first, last;

	chunks_of(f, group, &first, &last);
	for (size_t i = first; i < last; i++) {
		const struct sffs_chunk_use *c = &f->space.chunk[i];
		uint64_t mask = ~c->used;

		if (!chunk_header(f, group, c->block - start_of(f, group), &ck) ||
		    le64toh(ck.free_mask) != mask ||
		    le32toh(ck.free_inodes) != (uint32_t)__builtin_popcountll(mask))
			return false;
		with_free += mask != 0;
	}
	return follow(f, group, le32toh(gh->chunk_all), false) == last - first &&
	       follow(f, group, le32toh(gh->chunk_free), true) == with_free;
}

static void count_inodes(struct fsck *f, uint32_t group, struct sffs_group *gh)
{
	uint32_t free = 0, dirs = 0;
	size_t first, last;

	chunks_of(f, group, &first, &last);
	for (size_t i = first; i < last; i++) {
		const struct sffs_chunk_use *c = &f->space.chunk[i];

		free += SFFS_CHUNK_INODES - __builtin_popcountll(c->used);
		for (unsigned int n = 0; n < SFFS_CHUNK_INODES; n++) {
			struct fsck_inode *fi;

			if (!(c->used >> n & 1))
				continue;
			fi = fsck_find_inode(f, sffs_make_ino(c->block, n));
			dirs += fi && fsck_is_dir(fi);
		}
	}
	gh->chunks = htole32(last - first);
	gh->free_inodes = htole32(free);
	gh->directories = htole32(dirs);
}

static int check_bitmaps(struct fsck *f, uint32_t group, bool header_ok,
			 const struct sffs_group *have, struct sffs_group *want)
{
	uint32_t free = 0, un = 0;

	for (uint32_t k = 0; k < geo(f)->bitmap_blocks; k++) {
		struct sffs_bitmap_summary *sum = &want->sum[k];

		if (check_bitmap(f, group, k, header_ok, &have->sum[k], sum))
			return -1;
		free += le16toh(sum->free) & ~SFFS_BMS_UNINIT;
		un += le16toh(sum->unmapped);
	}
	want->free_blocks = htole32(free);
	want->unmapped_blocks = htole32(un);
	return 0;
}

/* Name the first count that differs; the others mostly follow from it. */
static bool wrong_counts(struct fsck *f, uint32_t group, const struct sffs_group *have,
			 const struct sffs_group *want)
{
	const struct {
		const char *name;
		__le32 have, want;
	} count[] = {
		{ "blocks", have->blocks, want->blocks },
		{ "inode chunks", have->chunks, want->chunks },
		{ "free inodes", have->free_inodes, want->free_inodes },
		{ "directories", have->directories, want->directories },
		{ "free blocks", have->free_blocks, want->free_blocks },
		{ "unmapped blocks", have->unmapped_blocks, want->unmapped_blocks },
	};

	for (size_t i = 0; i < SFFS_ARRAY_SIZE(count); i++)
		if (count[i].have != count[i].want)
			return fsck_problem(f, "group %u: %u %s counted, but there are %u", group,
					    le32toh(count[i].have), count[i].name,
					    le32toh(count[i].want));
	for (uint32_t k = 0; k < geo(f)->bitmap_blocks; k++)
		if (memcmp(&have->sum[k], &want->sum[k], sizeof(want->sum[k])))
			return fsck_problem(f, "group %u: wrong counts of bitmap %u", group, k);
	return fsck_problem(f, "group %u: reserved bytes of the header are not zero", group);
}

static int check_group(struct fsck *f, uint32_t group)
{
	uint64_t block = start_of(f, group) + SFFS_GROUP_HEADER;
	struct sffs_group have = { 0 }, want = { 0 };
	bool ok = read_group(f, group, &have);

	if (check_bitmaps(f, group, ok, &have, &want))
		return -1;
	want.blocks = htole32(sffs_geometry_group_blocks(geo(f), group));
	count_inodes(f, group, &want);
	/* In a header made anew: in doubt. */
	want.crashes = ok ? have.crashes : htole32(le32toh(f->vol.sb.crashes) - 1);
	want.chunk_all = have.chunk_all;
	want.chunk_free = have.chunk_free;
	if ((!ok || !chunk_lists_ok(f, group, &have)) &&
	    fsck_problem(f, "group %u: the lists of inode chunks are wrong", group) &&
	    sffs_space_write_chunks(&f->space, group, &want))
		return -1;
	want.h = have.h;
	if (ok && !memcmp(&have, &want, sizeof(want)))
		return 0;
	if (ok ? !wrong_counts(f, group, &have, &want) :
		 !fsck_problem(f, "group %u: the header is damaged", group))
		return 0;
	sffs_block_seal(&want, SFFS_MAGIC_GROUP, block, group, 0, f->vol.seed);
	return sffs_vol_write(&f->vol, block, &want);
}

int fsck_check_groups(struct fsck *f)
{
	for (uint32_t g = 0; g < geo(f)->groups; g++) {
		if (check_group(f, g))
			return -1;
		fsck_progress(f, "space", g, geo(f)->groups);
	}
	return 0;
}
