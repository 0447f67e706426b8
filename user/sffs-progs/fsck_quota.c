// SPDX-License-Identifier: GPL-2.0-only
/* Quota files: that they are there, and that their blocks are whole. */
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
