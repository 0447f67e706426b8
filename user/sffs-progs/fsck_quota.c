// SPDX-License-Identifier: GPL-2.0-only
/* Quota: that the files are there and whole, and that they know what is used. */
#include <string.h>

#include "fsck.h"

struct quota {
	struct fsck *f;
	uint64_t ino;
	int ret;
};

static unsigned int check_blocks(const struct sffs_extent *e, void *data)
{
	uint64_t block = le64toh(e->block);
	struct quota *q = data;
	struct sffs_quota_block qb;

	if (le32toh(e->flags) & SFFS_EXTENT_UNWRITTEN ||
	    !sffs_vol_in_group(&q->f->vol, block, le32toh(e->count)))
		return 0;
	for (uint32_t i = 0; i < le32toh(e->count) && !q->ret; i++) {
		if (fsck_read_meta(q->f, block + i, SFFS_MAGIC_QUOTA, q->ino, NULL, &qb))
			continue;
		if (!fsck_loss(q->f, "quota file %llu: block %llu is damaged; its limits are lost",
			       fsck_ull(q->ino), fsck_ull(block + i)))
			continue;
		memset(&qb, 0, sizeof(qb));
		sffs_block_seal(&qb, SFFS_MAGIC_QUOTA, block + i, q->ino, 0, q->f->vol.seed);
		q->ret = sffs_vol_write(&q->f->vol, block + i, &qb);
	}
	return 0;
}

static unsigned int check_leaf(const struct sffs_leaf *leaf, void *data)
{
	return leaf->level ? 0 : sffs_leaf_extents(leaf, check_blocks, data);
}

int fsck_check_quota(struct fsck *f)
{
	bool changed = false;

	for (int i = 0; i < SFFS_QUOTA_TYPES; i++) {
		struct quota q = { .f = f, .ino = le64toh(f->vol.sb.quota_ino[i]) };
		struct fsck_inode *fi = fsck_find_inode(f, q.ino);
		struct sffs_inode di;

		if (!q.ino)
			continue;
		if (fi && (fi->mode & FSCK_S_IFMT) == FSCK_S_IFREG && !(fi->flags & FSCK_CLEAR)) {
			if (fsck_load_inode(f, fi, &di))
				return -1;
			/* Blocks that are no metadata are not touched before the tree is right. */
			if (!(fi->flags & (FSCK_TREE | FSCK_SHARED)))
				sffs_tree_walk(&f->vol, &di, SFFS_MAGIC_EXTENTS, check_leaf, &q);
			if (q.ret)
				return -1;
		} else if (fsck_loss(f, "quota file %llu: is gone; quota %d is no longer kept",
				     fsck_ull(q.ino), i)) {
			f->vol.sb.quota_ino[i] = 0;
			changed = true;
		}
	}
	if (!changed)
		return 0;
	if (sffs_is_zero(f->vol.sb.quota_ino, sizeof(f->vol.sb.quota_ino)))
		f->vol.sb.ro_compat &= ~htole64(SFFS_RO_COMPAT_QUOTA);
	f->changes++;
	return sffs_volume_write_super(&f->vol);
}

/* ---- What is used ---- */

struct quota_use {
	struct fsck *f;
	uint64_t ino;
	uint8_t type;
	int ret;
};

/* Subtract what one block of a quota file says; bytes that are no whole blocks are none. */
static void known_use(struct quota_use *q, uint64_t first, struct sffs_quota_block *qb,
		      uint64_t block)
{
	bool changed = false;

	for (uint32_t i = 0; i < SFFS_QUOTAS_PER_BLOCK; i++) {
		uint64_t used = le64toh(qb->quota[i].block_used), odd = used % SFFS_BLOCK_SIZE;
		uint32_t id = first + i;
		struct sffs_use *use;

		if (odd && fsck_problem(q->f, "quota: %u uses %llu bytes, which are no blocks",
					id, fsck_ull(used))) {
			qb->quota[i].block_used = htole64(used - odd);
			changed = true;
		}
		if (!qb->quota[i].block_used && !qb->quota[i].inode_used)
			continue;
		use = sffs_usage_of(&q->f->usage, q->type, id);
		use->blocks -= used / SFFS_BLOCK_SIZE;
		use->inodes -= le64toh(qb->quota[i].inode_used);
	}
	if (!changed)
		return;
	sffs_block_seal(qb, SFFS_MAGIC_QUOTA, block, q->ino, 0, q->f->vol.seed);
	q->ret = sffs_vol_write(&q->f->vol, block, qb);
}

static unsigned int read_use(const struct sffs_extent *e, void *data)
{
	struct quota_use *q = data;
	struct sffs_quota_block qb;

	for (uint32_t i = 0; i < le32toh(e->count) && !q->ret; i++)
		if (fsck_read_meta(q->f, le64toh(e->block) + i, SFFS_MAGIC_QUOTA, q->ino, NULL,
				   &qb))
			known_use(q, (le64toh(e->file_block) + i) * SFFS_QUOTAS_PER_BLOCK, &qb,
				  le64toh(e->block) + i);
	return 0;
}

static unsigned int read_use_leaf(const struct sffs_leaf *leaf, void *data)
{
	return leaf->level ? 0 : sffs_leaf_extents(leaf, read_use, data);
}

/* Add the changes of a slot that are not in the files yet, or subtract them. */
static int add_changes(struct fsck *f, unsigned int slot, int sign)
{
	const struct sffs_geometry *g = &f->vol.geo;
	uint64_t block = le64toh(f->vol.sb.slot_area_block[slot]) + 1 + g->reclaim_blocks;

	for (uint32_t i = 0; i < g->qchange_blocks; i++) {
		struct sffs_qchange_block qb;

		if (sffs_vol_read(&f->vol, block + i, &qb))
			return -1;
		sffs_usage_changes(&f->usage, &qb, sign);
	}
	return 0;
}

static bool report_use(struct fsck *f)
{
	static const char * const names[] = { "user", "group", "project" };
	bool fix = false;

	for (size_t i = 0; i < f->usage.size; i++) {
		const struct sffs_use *u = &f->usage.use[i];

		if (u->known && f->vol.sb.quota_ino[u->type] && (u->blocks || u->inodes))
			fix |= fsck_problem(f, "quota of %s %u: off by %lld blocks, %lld inodes",
					    names[u->type], u->id, (long long)u->blocks,
					    (long long)u->inodes);
	}
	return fix;
}

int fsck_check_usage(struct fsck *f)
{
	if (!(le64toh(f->vol.sb.ro_compat) & SFFS_RO_COMPAT_QUOTA))
		return 0;
	for (int i = 0; i < SFFS_QUOTA_TYPES; i++) {
		struct quota_use q = { .f = f, .ino = le64toh(f->vol.sb.quota_ino[i]), .type = i };
		struct fsck_inode *fi = fsck_find_inode(f, q.ino);
		struct sffs_inode di;

		if (!q.ino || !fi || fi->flags & (FSCK_CLEAR | FSCK_TREE | FSCK_SHARED))
			continue;
		if (fsck_load_inode(f, fi, &di))
			return -1;
		sffs_tree_walk(&f->vol, &di, SFFS_MAGIC_EXTENTS, read_use_leaf, &q);
		if (q.ret)
			return -1;
	}
	for (unsigned int slot = 0; slot < f->vol.geo.slots; slot++)
		if (add_changes(f, slot, -1))
			return -1;
	if (!report_use(f))
		return 0;
	/* What is missing becomes a change of slot 0, beside those that it has. */
	return add_changes(f, 0, 1) || sffs_usage_store(&f->usage, &f->vol) ? -1 : 0;
}
