// SPDX-License-Identifier: GPL-2.0-only
/* Extent trees: claiming what they use, and writing one anew. */
#include <stdlib.h>
#include <string.h>

#include "fsck.h"

struct extents {
	struct fsck *f;
	struct fsck_inode *fi;
	uint64_t low, high;	/* of the leaf at hand */
	uint64_t next;		/* first file block behind the last extent */
	struct sffs_run *run;
	size_t nr, max;
};

/* Whole, and behind the one before? */
static bool extent_ok(struct extents *x, const struct sffs_extent *e)
{
	uint64_t first = le64toh(e->file_block), count = le32toh(e->count);

	return sffs_vol_in_group(&x->f->vol, le64toh(e->block), count) &&
	       !(le32toh(e->flags) & ~SFFS_EXTENT_UNWRITTEN) && first >= x->next &&
	       first >= x->low && first < x->high && first < SFFS_MAX_FILE_BLOCKS &&
	       count <= SFFS_MAX_FILE_BLOCKS - first;
}

static unsigned int take_extent(const struct sffs_extent *e, void *data)
{
	struct extents *x = data;

	if (!extent_ok(x, e))
		return 1;
	x->next = le64toh(e->file_block) + le32toh(e->count);
	if (x->nr == x->max) {
		x->max = 2 * x->max + 64;
		x->run = sffs_grow(x->run, x->max, sizeof(*x->run));
	}
	x->run[x->nr++] = (struct sffs_run){
		.file_block = le64toh(e->file_block), .block = le64toh(e->block),
		.count = le32toh(e->count), .flags = le32toh(e->flags),
	};
	return 0;
}

static unsigned int leaf_extents(struct extents *x, const struct sffs_leaf *leaf)
{
	x->low = leaf->low;
	x->high = leaf->high;
	return sffs_leaf_extents(leaf, take_extent, x);
}

static bool head_ok(const struct sffs_leaf *leaf)
{
	const struct sffs_node_head *head = leaf->head;

	return !head->reserved1 && !head->reserved2;
}

static unsigned int claim_leaf(const struct sffs_leaf *leaf, void *data)
{
	struct extents *x = data;
	unsigned int bad = !head_ok(leaf);

	if (leaf->block) {
		fsck_check_reserved(x->f, leaf->block);
		bad += sffs_space_in_chunk(&x->f->space, leaf->block);
		sffs_space_set(&x->f->space, &x->f->space.used, leaf->block, 1);
		sffs_space_set(&x->f->space, &x->f->space.meta, leaf->block, 1);
		x->fi->blocks++;
	}
	if (!leaf->level)
		bad += leaf_extents(x, leaf);
	x->nr = 0;		/* only the faults count here */
	return bad;
}

unsigned int fsck_claim_extents(struct fsck *f, struct fsck_inode *fi, const struct sffs_inode *di)
{
	struct extents x = { .f = f, .fi = fi };
	unsigned int bad = sffs_tree_walk(&f->vol, di, SFFS_MAGIC_EXTENTS, claim_leaf, &x);

	free(x.run);
	return bad;
}

static unsigned int collect_leaf(const struct sffs_leaf *leaf, void *data)
{
	struct extents *x = data;

	if (leaf->level || (leaf->block && sffs_space_in_chunk(&x->f->space, leaf->block)))
		return 0;
	return leaf_extents(x, leaf);
}

static void collect(struct fsck *f, struct fsck_inode *fi, const struct sffs_inode *di,
		    struct extents *x)
{
	*x = (struct extents){ .f = f, .fi = fi };
	sffs_tree_walk(&f->vol, di, SFFS_MAGIC_EXTENTS, collect_leaf, x);
}

/* ---- Data ---- */

static uint64_t end_block(const struct sffs_inode *di)
{
	return le64toh(di->size) / SFFS_BLOCK_SIZE + (le64toh(di->size) % SFFS_BLOCK_SIZE != 0);
}

/* Blocks of a run that hold metadata, which is what they really are. */
static uint64_t count_meta(struct fsck *f, const struct sffs_run *r)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < r->count; i++)
		n += sffs_space_test(&f->space, &f->space.meta, r->block + i);
	return n;
}

/* Mark those that are in use already. */
static uint64_t claim_run(struct fsck *f, const struct sffs_run *r)
{
	uint64_t before = 0;

	for (uint32_t i = 0; i < r->count; i++) {
		if (!sffs_space_test(&f->space, &f->space.used, r->block + i))
			continue;
		sffs_space_set(&f->space, &f->space.twice, r->block + i, 1);
		before++;
	}
	sffs_space_set(&f->space, &f->space.used, r->block, r->count);
	return before;
}

void fsck_claim_data(struct fsck *f, struct fsck_inode *fi, const struct sffs_inode *di)
{
	uint64_t end = end_block(di), meta = 0, shared = 0, beyond = 0;
	struct extents x;

	collect(f, fi, di, &x);
	for (size_t i = 0; i < x.nr; i++) {
		const struct sffs_run *r = &x.run[i];

		meta += count_meta(f, r);
		shared += claim_run(f, r);
		fi->blocks += r->count;
		if (!(r->flags & SFFS_EXTENT_UNWRITTEN) && r->file_block + r->count > end)
			beyond++;
	}
	free(x.run);
	shared -= meta;
	if (meta && fsck_loss(f, "inode %llu: %llu of its blocks are metadata; they become holes",
			      fsck_ull(fi->ino), fsck_ull(meta)))
		fi->flags |= FSCK_TREE;
	if (shared &&
	    fsck_loss(f, "inode %llu: %llu of its blocks are another file's too; it gets copies",
		      fsck_ull(fi->ino), fsck_ull(shared)))
		fi->flags |= FSCK_TREE | FSCK_SHARED;
	if (beyond && !(fi->flags & FSCK_ORPHAN) &&
	    fsck_problem(f, "inode %llu: has data behind the end of the file", fsck_ull(fi->ino)))
		fi->flags |= FSCK_TREE;
}

/* ---- Writing anew ---- */

static void add_run(struct extents *out, struct sffs_run r)
{
	struct sffs_run *last = out->nr ? &out->run[out->nr - 1] : NULL;

	if (last && last->block + last->count == r.block && last->flags == r.flags &&
	    last->file_block + last->count == r.file_block &&
	    sffs_vol_group_of(&out->f->vol, last->block) ==
	    sffs_vol_group_of(&out->f->vol, r.block)) {
		last->count += r.count;
		return;
	}
	if (out->nr == out->max) {
		out->max = 2 * out->max + 64;
		out->run = sffs_grow(out->run, out->max, sizeof(*out->run));
	}
	out->run[out->nr++] = r;
}

static uint64_t copy_block(struct fsck *f, uint64_t from)
{
	uint64_t to = sffs_space_take(&f->space);
	uint8_t buf[SFFS_BLOCK_SIZE];

	if (!to || sffs_vol_read(&f->vol, from, buf) || sffs_vol_write(&f->vol, to, buf))
		return 0;
	return to;
}

/* Keep a run, block by block where blocks are metadata or shared. */
static int keep_run(struct fsck *f, const struct fsck_inode *fi, const struct sffs_run *r,
		    struct extents *out)
{
	bool shared = fi->flags & FSCK_SHARED;
	struct sffs_run whole = *r;

	if (!shared && !count_meta(f, r)) {
		add_run(out, whole);
		return 0;
	}
	for (uint32_t i = 0; i < r->count; i++) {
		struct sffs_run one = {
			.file_block = r->file_block + i, .block = r->block + i, .count = 1,
			.flags = r->flags,
		};

		if (sffs_space_test(&f->space, &f->space.meta, one.block))
			continue;
		if (shared && sffs_space_test(&f->space, &f->space.twice, one.block)) {
			one.block = copy_block(f, one.block);
			if (!one.block)
				return -1;
		}
		add_run(out, one);
	}
	return 0;
}

/* The part of a run in [from, end), moved by so many blocks. */
static void add_part(struct extents *out, const struct sffs_run *r, uint64_t from, uint64_t end,
		     int64_t by)
{
	struct sffs_run part = *r;

	if (from < r->file_block)
		from = r->file_block;
	if (end > r->file_block + r->count)
		end = r->file_block + r->count;
	if (from >= end)
		return;
	part.file_block = from + by;
	part.block += from - r->file_block;
	part.count = end - from;
	add_run(out, part);
}

/* Do what is left of a collapse or insert that a crash has cut short. */
static void finish_shift(struct extents *x, struct sffs_inode *di)
{
	uint64_t from = le64toh(di->shift_from), end = le64toh(di->shift_end);
	struct extents out = { .f = x->f };
	int64_t by = le64toh(di->shift_by);

	for (size_t i = 0; by && i < x->nr; i++) {
		add_part(&out, &x->run[i], 0, by < 0 ? from + by : from, 0);
		add_part(&out, &x->run[i], from, end, by);
		add_part(&out, &x->run[i], end, UINT64_MAX, 0);
	}
	if (!by)
		return;
	free(x->run);
	*x = out;
	if (by < 0)
		di->size = htole64(le64toh(di->size) + by * (int64_t)SFFS_BLOCK_SIZE);
	di->shift_from = 0;
	di->shift_end = 0;
	di->shift_by = 0;
}

int fsck_rebuild_extents(struct fsck *f, struct fsck_inode *fi, struct sffs_inode *di)
{
	struct extents x, out = { .f = f };
	uint64_t end;
	int ret = 0;

	collect(f, fi, di, &x);
	finish_shift(&x, di);
	end = end_block(di);
	for (size_t i = 0; i < x.nr && !ret; i++) {
		struct sffs_run r = x.run[i];

		if (!(r.flags & SFFS_EXTENT_UNWRITTEN) && r.file_block + r.count > end) {
			if (r.file_block >= end)
				continue;
			r.count = end - r.file_block;
		}
		ret = keep_run(f, fi, &r, &out);
	}
	if (!ret)
		ret = sffs_build_extents(&f->builder, di, out.run, out.nr);
	free(x.run);
	free(out.run);
	return ret;
}
