// SPDX-License-Identifier: GPL-2.0-only
/*
 * The slot's orphan table: inodes to be freed, or to be cut to their size, if
 * this node should die before it has done that itself.
 *
 * An entry counts only if its inode names it, so the inode is what a transaction
 * must get right; both are changed in the same one here.
 */
#include "sffs.h"

/* More are added when fewer entries are free: one for each task at work. */
#define SFFS_ORPHANS_SPARE	64U

struct buffer_head *sffs_orphan_block(struct super_block *sb, u64 block, u32 slot)
{
	return sffs_read_slot_block(sb, block, SFFS_MAGIC_ORPHAN, slot);
}

struct buffer_head *sffs_slot_area(struct super_block *sb, u32 slot)
{
	struct sffs_sb_info *sbi = SFFS_SB(sb);
	struct sffs_super *raw = (struct sffs_super *)sbi->super_bh->b_data;

	return sffs_read_slot_block(sb, le64_to_cpu(raw->slot_area_block[slot]),
				    SFFS_MAGIC_SLOT_AREA, slot);
}

/* Is a table as long as none is, or a block of it impossible? Then that was told. */
bool sffs_orphan_damaged(struct super_block *sb, struct buffer_head *bh, u32 nr)
{
	const struct sffs_orphan_block *ob = (struct sffs_orphan_block *)bh->b_data;

	if (nr < SFFS_ORPHAN_CHAIN && le32_to_cpu(ob->count) <= SFFS_ORPHANS_PER_BLOCK)
		return false;
	sffs_damage(sb, bh->b_blocknr, "impossible orphan table");
	return true;
}

/* A block, which is in the own table now. orphan_mutex is held, or nobody else is there. */
void sffs_orphan_own(struct sffs_sb_info *sbi, u64 block, u32 used)
{
	xa_store(&sbi->orphan_blocks, block, xa_mk_value(1), GFP_NOFS | __GFP_NOFAIL);
	sbi->orphan_free += SFFS_ORPHANS_PER_BLOCK - used;
}

/**
 * sffs_orphan_load() - find the own slot's table at mount
 * @sb: the mount
 *
 * What an earlier mount has left in it is for sffs_adopt_finish().
 */
int sffs_orphan_load(struct super_block *sb)
{
	struct sffs_sb_info *sbi = SFFS_SB(sb);
	struct buffer_head *bh = sffs_slot_area(sb, sbi->slot);
	u64 block;
	u32 n;
	int err = 0;

	if (IS_ERR(bh))
		return PTR_ERR(bh);
	block = le64_to_cpu(((struct sffs_slot_area *)bh->b_data)->orphan_block);
	brelse(bh);
	sbi->orphan_table = block;
	sbi->orphan_spare = block;
	sbi->orphan_free = 0;
	for (n = 0; block && !err; n++) {
		const struct sffs_orphan_block *ob;

		bh = sffs_orphan_block(sb, block, sbi->slot);
		if (IS_ERR(bh))
			return PTR_ERR(bh);
		ob = (struct sffs_orphan_block *)bh->b_data;
		if (sffs_orphan_damaged(sb, bh, n)) {
			err = -EFSCORRUPTED;
		} else {
			sffs_adopt_note(sbi, bh);
			sffs_orphan_own(sbi, block, le32_to_cpu(ob->count));
		}
		block = le64_to_cpu(ob->next);
		brelse(bh);
	}
	return err;
}

/*
 * Put a new block at the head of the table, if that is still wanted. The mutex comes after the
 * handle, and no cluster lock is waited for with it: recovery takes it, too.
 */
static int sffs_orphan_grow(struct super_block *sb)
{
	struct sffs_sb_info *sbi = SFFS_SB(sb);
	struct buffer_head *area, *bh;
	struct sffs_tx tx;
	u64 block;
	int err, err2;

	sffs_tx_init(&tx, sb);
	tx.urgent = true;
	err = sffs_tx_reserve(&tx, 0, 1);
	if (err)
		return err;
	err = sffs_tx_start(&tx, 5);
	if (err)
		return err;
	mutex_lock(&sbi->orphan_mutex);
	if (sbi->orphan_free >= SFFS_ORPHANS_SPARE)
		goto unlock;
	area = sffs_slot_area(sb, sbi->slot);
	err = PTR_ERR_OR_ZERO(area);
	if (err)
		goto unlock;
	err = sffs_tx_access(&tx, area) ?: sffs_alloc_meta(&tx, 0, &block);
	if (err)
		goto release;
	bh = sffs_tx_create(&tx, NULL, block, SFFS_MAGIC_ORPHAN, 0);
	err = PTR_ERR_OR_ZERO(bh);
	if (err)
		goto release;
	((struct sffs_orphan_block *)bh->b_data)->next = cpu_to_le64(sbi->orphan_table);
	((struct sffs_slot_area *)area->b_data)->orphan_block = cpu_to_le64(block);
	sbi->orphan_table = block;
	sbi->orphan_spare = block;
	sffs_orphan_own(sbi, block, 0);
	sffs_tx_dirty(&tx, bh);
	sffs_tx_dirty(&tx, area);
	brelse(bh);
release:
	brelse(area);
unlock:
	mutex_unlock(&sbi->orphan_mutex);
	err2 = sffs_tx_stop(&tx);
	return err ?: err2;
}

/**
 * sffs_orphan_room() - make sure that the table has free entries
 * @sb: the mount
 *
 * Context: may start a transaction; called before one that will add an orphan.
 */
int sffs_orphan_room(struct super_block *sb)
{
	if (likely(READ_ONCE(SFFS_SB(sb)->orphan_free) >= SFFS_ORPHANS_SPARE))
		return 0;
	return sffs_orphan_grow(sb);
}

/* A table block with a free entry, from the one that had one last. */
static struct buffer_head *sffs_orphan_find_free(struct super_block *sb)
{
	struct sffs_sb_info *sbi = SFFS_SB(sb);
	u64 block = sbi->orphan_spare ?: sbi->orphan_table;
	u32 n;

	for (n = 0; n < 2 * SFFS_ORPHAN_CHAIN && block; n++) {
		struct buffer_head *bh = sffs_orphan_block(sb, block, sbi->slot);
		struct sffs_orphan_block *ob;

		if (IS_ERR(bh))
			return bh;
		ob = (struct sffs_orphan_block *)bh->b_data;
		if (le32_to_cpu(ob->count) < SFFS_ORPHANS_PER_BLOCK) {
			sbi->orphan_spare = block;
			return bh;
		}
		block = le64_to_cpu(ob->next);
		brelse(bh);
		if (!block && n < SFFS_ORPHAN_CHAIN)
			block = sbi->orphan_table;
	}
	return ERR_PTR(-ENOSPC);
}

/**
 * sffs_orphan_add() - list an inode in the own slot's table
 * @tx: running transaction, after sffs_orphan_room()
 * @inode: the inode; the caller stores it
 */
int sffs_orphan_add(struct sffs_tx *tx, struct inode *inode)
{
	struct sffs_sb_info *sbi = SFFS_SB(tx->sb);
	struct sffs_inode_info *si = SFFS_I(inode);
	struct sffs_orphan_block *ob;
	struct buffer_head *bh;
	u32 i;
	int err;

	if (si->orphan)
		return 0;
	mutex_lock(&sbi->orphan_mutex);
	bh = sffs_orphan_find_free(tx->sb);
	err = PTR_ERR_OR_ZERO(bh);
	if (err)
		goto unlock;
	ob = (struct sffs_orphan_block *)bh->b_data;
	for (i = 0; i < SFFS_ORPHANS_PER_BLOCK && ob->entry[i].ino; i++)
		;
	err = i < SFFS_ORPHANS_PER_BLOCK ? sffs_tx_access(tx, bh) : -EFSCORRUPTED;
	if (err)
		goto release;
	ob->entry[i].ino = cpu_to_le64(inode->i_ino);
	ob->entry[i].generation = cpu_to_le32(inode->i_generation);
	le32_add_cpu(&ob->count, 1);
	sbi->orphan_free--;
	sffs_tx_dirty(tx, bh);
	si->orphan = sbi->slot + 1;
	si->orphan_block = bh->b_blocknr;
	si->orphan_index = i;
release:
	brelse(bh);
unlock:
	mutex_unlock(&sbi->orphan_mutex);
	return err;
}

/* Free an entry of the own table, if it is that. orphan_mutex is held. */
static int sffs_orphan_clear(struct sffs_tx *tx, u64 block, u32 index,
			     const struct sffs_orphan *entry)
{
	struct sffs_sb_info *sbi = SFFS_SB(tx->sb);
	struct buffer_head *bh = sffs_orphan_block(tx->sb, block, sbi->slot);
	struct sffs_orphan_block *ob;
	struct sffs_orphan *e;
	int err = 0;

	if (IS_ERR(bh))
		return PTR_ERR(bh);
	ob = (struct sffs_orphan_block *)bh->b_data;
	e = index < SFFS_ORPHANS_PER_BLOCK ? &ob->entry[index] : NULL;
	if (!e || !e->ino || e->ino != entry->ino || e->generation != entry->generation)
		goto release;
	err = sffs_tx_access(tx, bh);
	if (err)
		goto release;
	memset(e, 0, sizeof(*e));
	le32_add_cpu(&ob->count, -1);
	sbi->orphan_free++;
	sffs_tx_dirty(tx, bh);
release:
	brelse(bh);
	return err;
}

/* Take an inode off the table that lists it. The caller stores the inode. */
int sffs_orphan_del(struct sffs_tx *tx, struct inode *inode)
{
	struct sffs_sb_info *sbi = SFFS_SB(tx->sb);
	struct sffs_inode_info *si = SFFS_I(inode);
	struct sffs_orphan entry = {
		.ino = cpu_to_le64(inode->i_ino),
		.generation = cpu_to_le32(inode->i_generation),
	};
	int err = 0;

	if (!si->orphan)
		return 0;
	mutex_lock(&sbi->orphan_mutex);
	/* Another node's table is changed by that alone; without its inode an entry is void. */
	if (xa_load(&sbi->orphan_blocks, si->orphan_block))
		err = sffs_orphan_clear(tx, si->orphan_block, si->orphan_index, &entry);
	mutex_unlock(&sbi->orphan_mutex);
	si->orphan = 0;
	si->orphan_block = 0;
	si->orphan_index = 0;
	return err;
}

/**
 * sffs_orphan_drop() - free an entry of the own table that no inode names
 * @sb: the mount
 * @block: of the table
 * @index: in the block
 * @entry: as it was; the place may be another inode's by now
 */
int sffs_orphan_drop(struct super_block *sb, u64 block, u32 index,
		     const struct sffs_orphan *entry)
{
	struct sffs_tx tx;
	int err, err2;

	sffs_tx_init(&tx, sb);
	err = sffs_tx_start(&tx, 1);
	if (err)
		return err;
	mutex_lock(&SFFS_SB(sb)->orphan_mutex);
	err = sffs_orphan_clear(&tx, block, index, entry);
	mutex_unlock(&SFFS_SB(sb)->orphan_mutex);
	err2 = sffs_tx_stop(&tx);
	return err ?: err2;
}
