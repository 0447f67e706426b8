// SPDX-License-Identifier: GPL-2.0-only
/*
 * The extent tree of a file. All changes go through sffs_splice(), which puts
 * some extents in the place of others in one leaf.
 *
 * tree_sem is held for writing around a change, inside the handle. A change is
 * planned before the handle starts, so it looks again once it has the tree, and
 * goes back to planning if a completion of writeback has changed it meanwhile.
 */
#include "extleaf.h"
#include "sffs.h"

/* Extents that one transaction of a punch frees, and blocks, to bound its size. */
#define SFFS_PUNCH_EXTENTS	32U
#define SFFS_PUNCH_BLOCKS	(4 * SFFS_BITMAP_BITS)

struct sffs_leaf {
	struct sffs_path path;
	struct sffs_extent *ext;
	unsigned int count;
	unsigned int max;
	int pos;			/* last extent that starts at or before the key; -1: none */
};

/* All of it where one group has blocks for files. */
static bool ext_ok(struct sffs_sb_info *sbi, const struct sffs_extent *e)
{
	u64 block = le64_to_cpu(e->block), start;
	const struct sffs_group_info *g = sffs_group_of(sbi, block);

	if (!g || !e->count || ext_first(e) >= SFFS_MAX_FILE_BLOCKS)
		return false;
	start = block - sffs_group_start(g);
	return start >= SFFS_GROUP_BITMAP + sbi->bitmap_blocks && start < g->blocks &&
	       ext_count(e) <= g->blocks - start;
}

/* Each extent of a leaf is possible, and they are in order: seen once, it stays so. */
static bool leaf_ok(struct sffs_sb_info *sbi, const struct sffs_leaf *leaf)
{
	unsigned int i;

	if (leaf->count > leaf->max)
		return false;
	for (i = 0; i < leaf->count; i++)
		if (!ext_ok(sbi, &leaf->ext[i]) ||
		    (i && ext_first(&leaf->ext[i]) < ext_end(&leaf->ext[i - 1])))
			return false;
	return true;
}

static int leaf_disorder(struct inode *inode, struct sffs_leaf *leaf)
{
	unsigned int level = leaf->path.depth - 1;

	sffs_damage(inode->i_sb, sffs_node_bh(inode, &leaf->path, level)->b_blocknr,
		    "impossible extents of inode %lu", inode->i_ino);
	return -EFSCORRUPTED;
}

static int leaf_open(struct inode *inode, struct sffs_leaf *leaf, u64 key)
{
	unsigned int level = leaf->path.depth - 1;
	struct sffs_node_head *head = sffs_node_head(inode, &leaf->path, level);
	struct buffer_head *bh = sffs_node_bh(inode, &leaf->path, level);

	leaf->ext = (struct sffs_extent *)(head + 1);
	leaf->count = le16_to_cpu(head->count);
	leaf->max = level ? SFFS_NODE_EXTENTS : SFFS_ROOT_EXTENTS;
	if (unlikely(!sffs_leaf_valid(bh))) {
		if (!leaf_ok(SFFS_SB(inode->i_sb), leaf))
			return leaf_disorder(inode, leaf);
		sffs_set_leaf_valid(bh);
	}
	leaf->pos = extleaf_search(leaf->ext, leaf->count, key);
	return 0;
}

/* On error the path has been put. */
static int leaf_find(struct inode *inode, struct sffs_leaf *leaf, u64 key)
{
	int err = sffs_tree_find(inode, key, SFFS_MAGIC_EXTENTS, &leaf->path);

	if (!err)
		err = leaf_open(inode, leaf, key);
	if (err)
		sffs_path_put(&leaf->path);
	return err;
}

static bool leaf_covers(const struct sffs_leaf *leaf, u64 key)
{
	return leaf->pos >= 0 && key < ext_end(&leaf->ext[leaf->pos]);
}

static struct buffer_head *leaf_bh(struct inode *inode, struct sffs_leaf *leaf)
{
	return sffs_node_bh(inode, &leaf->path, leaf->path.depth - 1);
}

static void leaf_set_count(struct inode *inode, struct sffs_leaf *leaf, unsigned int count)
{
	sffs_node_head(inode, &leaf->path, leaf->path.depth - 1)->count = cpu_to_le16(count);
	leaf->count = count;
}

/* Where the next extent behind the leaf's position starts, or an earlier place. */
static u64 leaf_next(struct inode *inode, struct sffs_leaf *leaf)
{
	if (leaf->pos + 1 < (int)leaf->count)
		return ext_first(&leaf->ext[leaf->pos + 1]);
	return sffs_tree_next_key(inode, &leaf->path);
}

/**
 * sffs_map_find() - what is at a place in a file
 * @inode: a file with an extent tree
 * @file_block: the place
 * @map: filled in; starts at @file_block
 *
 * Context: takes tree_sem for reading; the inode's cluster lock is held.
 * Return: 0 or an error.
 */
int sffs_map_find(struct inode *inode, u64 file_block, struct sffs_map *map)
{
	struct sffs_leaf leaf;
	int err;

	map->file_block = file_block;
	map->block = 0;
	map->unwritten = false;
	down_read(&SFFS_I(inode)->tree_sem);
	map->seq = SFFS_I(inode)->map_seq;
	err = leaf_find(inode, &leaf, file_block);
	if (err)
		goto unlock;
	if (leaf_covers(&leaf, file_block)) {
		const struct sffs_extent *e = &leaf.ext[leaf.pos];

		map->block = le64_to_cpu(e->block) + file_block - ext_first(e);
		map->count = ext_end(e) - file_block;
		map->unwritten = ext_unwritten(e);
	} else {
		u64 next = leaf_next(inode, &leaf);

		map->count = next > file_block ? next - file_block : 1;
	}
	sffs_path_put(&leaf.path);
unlock:
	up_read(&SFFS_I(inode)->tree_sem);
	return err;
}

/* ---- Changes ---- */

/* Make room in a full leaf. The path is put; the caller finds its place again. */
static int leaf_split(struct sffs_tx *tx, struct inode *inode, struct sffs_leaf *leaf)
{
	unsigned int keep, moved;
	struct sffs_node_head *head;
	struct buffer_head *bh;
	u64 key;
	int err;

	if (leaf->path.depth == 1) {
		err = sffs_tree_grow(tx, inode, SFFS_MAGIC_EXTENTS, sizeof(struct sffs_extent));
		goto out;
	}
	/* Files mostly grow at their end: then leave the left leaf nearly full. */
	keep = leaf->pos + 1 == (int)leaf->count ? leaf->count - 1 : leaf->count / 2;
	moved = leaf->count - keep;
	bh = sffs_tree_new_leaf(tx, inode, SFFS_MAGIC_EXTENTS);
	err = PTR_ERR_OR_ZERO(bh);
	if (err)
		goto out;
	head = (struct sffs_node_head *)(bh->b_data + sizeof(struct sffs_header));
	head->count = cpu_to_le16(moved);
	memcpy(head + 1, leaf->ext + keep, moved * sizeof(*leaf->ext));
	memset(leaf->ext + keep, 0, moved * sizeof(*leaf->ext));
	leaf_set_count(inode, leaf, keep);
	key = ext_first((struct sffs_extent *)(head + 1));
	sffs_tx_dirty(tx, bh);
	sffs_tx_dirty(tx, leaf_bh(inode, leaf));
	err = sffs_tree_add_leaf(tx, inode, &leaf->path, key, bh->b_blocknr);
	if (err)
		sffs_shutdown(inode->i_sb, "half of a file's extents could not be moved");
	brelse(bh);
out:
	sffs_path_put(&leaf->path);
	return err;
}

/**
 * sffs_splice() - put extents in the place of others
 * @tx: running transaction
 * @inode: the file, tree_sem held for writing
 * @leaf: where
 * @at: first extent of the leaf to be replaced
 * @old: how many
 * @ext: what comes there, sorted, with the leaf's neighbours not included
 * @new: how many, at most 3
 *
 * Neighbours that can be joined are joined.
 *
 * Return: 0; -EAGAIN when the leaf was full, has been split and its path put; or
 * an error, the path put.
 */
static int sffs_splice(struct sffs_tx *tx, struct inode *inode, struct sffs_leaf *leaf,
		       unsigned int at, unsigned int old, const struct sffs_extent *ext,
		       unsigned int new)
{
	unsigned int count;
	int err;

	err = sffs_tx_access(tx, leaf_bh(inode, leaf));
	if (err) {
		sffs_path_put(&leaf->path);
		return err;
	}
	count = extleaf_splice(leaf->ext, leaf->count, leaf->max, at, old, ext, new);
	if (count > leaf->max)
		return leaf_split(tx, inode, leaf) ?: -EAGAIN;
	leaf_set_count(inode, leaf, count);
	sffs_tx_dirty(tx, leaf_bh(inode, leaf));
	WRITE_ONCE(SFFS_I(inode)->map_seq, SFFS_I(inode)->map_seq + 1);
	return 0;
}

/* Replace one extent by two that touch, which sffs_splice() would join again. */
static int sffs_put_apart(struct sffs_tx *tx, struct inode *inode, struct sffs_leaf *leaf,
			  const struct sffs_extent *part)
{
	unsigned int at = leaf->pos;
	int err = sffs_tx_access(tx, leaf_bh(inode, leaf));

	if (err) {
		sffs_path_put(&leaf->path);
		return err;
	}
	if (leaf->count == leaf->max)
		return leaf_split(tx, inode, leaf) ?: -EAGAIN;
	memmove(leaf->ext + at + 2, leaf->ext + at + 1,
		(leaf->count - at - 1) * sizeof(*part));
	memcpy(leaf->ext + at, part, 2 * sizeof(*part));
	leaf_set_count(inode, leaf, leaf->count + 1);
	sffs_tx_dirty(tx, leaf_bh(inode, leaf));
	WRITE_ONCE(SFFS_I(inode)->map_seq, SFFS_I(inode)->map_seq + 1);
	return 0;
}

/* Add an extent where there is a hole. */
static int sffs_map_insert(struct sffs_tx *tx, struct inode *inode, const struct sffs_extent *e)
{
	struct sffs_leaf leaf;
	int err;

	do {
		err = leaf_find(inode, &leaf, ext_first(e));
		if (err)
			return err;
		err = sffs_splice(tx, inode, &leaf, leaf.pos + 1, 0, e, 1);
	} while (err == -EAGAIN);
	if (!err)
		sffs_path_put(&leaf.path);
	return err;
}

/**
 * sffs_map_insert_written() - add an extent whose data is on disk already
 * @tx: running transaction with space for the tree
 * @inode: the file, tree_sem held for writing; the caller stores it
 * @file_block: where, a hole
 * @block: first block
 * @count: blocks
 */
int sffs_map_insert_written(struct sffs_tx *tx, struct inode *inode, u64 file_block, u64 block,
			    u32 count)
{
	struct sffs_extent e = ext_make(file_block, block, count, false);

	return sffs_map_insert(tx, inode, &e);
}

/*
 * Put the inode's own fields into its block and end the transaction. Without the
 * changed extents data cannot be found again, so fdatasync() waits for them too.
 */
static int sffs_map_finish(struct sffs_tx *tx, struct inode *inode, int err)
{
	int err2 = sffs_store_inode(tx, inode);

	SFFS_I(inode)->datasync_tid = tx->handle->h_transaction->t_tid;
	up_write(&SFFS_I(inode)->tree_sem);
	err = err ?: err2;
	err2 = sffs_tx_stop(tx);
	return err ?: err2;
}

static void sffs_map_plan(struct sffs_tx *tx, struct inode *inode, bool urgent)
{
	sffs_tx_init(tx, inode->i_sb);
	tx->urgent = urgent;
}

/* Where new blocks of the file should be: behind what comes before them. */
static u64 sffs_map_goal(struct inode *inode, struct sffs_leaf *leaf)
{
	if (leaf->pos >= 0)
		return le64_to_cpu(leaf->ext[leaf->pos].block) +
		       ext_count(&leaf->ext[leaf->pos]);
	return SFFS_I(inode)->bh->b_blocknr;
}

static int sffs_map_goal_of(struct inode *inode, u64 file_block, u64 *goal)
{
	struct sffs_leaf leaf;
	int err;

	down_read(&SFFS_I(inode)->tree_sem);
	err = leaf_find(inode, &leaf, file_block);
	if (!err) {
		*goal = sffs_map_goal(inode, &leaf);
		sffs_path_put(&leaf.path);
	}
	up_read(&SFFS_I(inode)->tree_sem);
	return err;
}

/* With the tree held: fill the hole at @file_block, or report what is there now. */
static int sffs_map_fill(struct sffs_tx *tx, struct inode *inode, u64 file_block, u64 want,
			 struct sffs_map *map)
{
	struct sffs_extent e;
	struct sffs_leaf leaf;
	u64 block, goal, next;
	u32 count;
	int err;

	err = leaf_find(inode, &leaf, file_block);
	if (err)
		return err;
	map->file_block = file_block;
	if (leaf_covers(&leaf, file_block)) {
		e = ext_part(&leaf.ext[leaf.pos], file_block, U64_MAX);
		sffs_path_put(&leaf.path);
		goto out;
	}
	next = leaf_next(inode, &leaf);
	if (next <= file_block) {
		err = leaf_disorder(inode, &leaf);
		sffs_path_put(&leaf.path);
		return err;
	}
	/* An empty inline file is one without extents from here on. */
	SFFS_I(inode)->format = SFFS_FMT_EXTENTS;
	want = min(want, next - file_block);
	goal = sffs_map_goal(inode, &leaf);
	sffs_path_put(&leaf.path);
	err = sffs_alloc(tx, goal, 1, want, &block, &count);
	if (err)
		return err;
	sffs_add_blocks(inode, count);
	e = ext_make(file_block, block, count, true);
	err = sffs_map_insert(tx, inode, &e);
	if (err) {
		/* Nothing names them. */
		if (!sffs_free(tx, block, count, false))
			sffs_add_blocks(inode, -(s64)count);
		return err;
	}
out:
	map->block = le64_to_cpu(e.block);
	map->count = ext_count(&e);
	map->unwritten = ext_unwritten(&e);
	map->seq = SFFS_I(inode)->map_seq;
	return 0;
}

/**
 * sffs_map_alloc() - put unwritten blocks into a hole
 * @inode: the file
 * @file_block: where
 * @want: blocks wanted; fewer may come
 * @map: what is there now; starts at @file_block
 *
 * Context: starts a transaction; the inode's cluster lock is held exclusively.
 * Return: 0, -ENOSPC, -EDQUOT, or an error.
 */
int sffs_map_alloc(struct inode *inode, u64 file_block, u64 want, struct sffs_map *map)
{
	struct sffs_tx tx;
	s64 have;
	u64 goal;
	int err;

	have = sffs_quota_want(inode, min_t(u64, want, SFFS_ALLOC_MAX));
	if (have < 0)
		return have;
	err = sffs_map_goal_of(inode, file_block, &goal);
	if (err)
		return err;
	sffs_map_plan(&tx, inode, false);
	err = sffs_tx_reserve_run(&tx, goal, 1 + SFFS_TREE_BLOCKS, have);
	if (err)
		return err;
	err = sffs_tx_start(&tx, SFFS_TREE_CREDITS + have / SFFS_BITMAP_BITS + 1);
	if (err)
		return err;
	down_write(&SFFS_I(inode)->tree_sem);
	err = sffs_map_fill(&tx, inode, file_block, have, map);
	return sffs_map_finish(&tx, inode, err);
}

/* Blocks that the tree may need when @leaf gets @more extents. */
static unsigned int leaf_cost(struct inode *inode, struct sffs_leaf *leaf, unsigned int more)
{
	return leaf->count + more <= leaf->max ? 0 : sffs_tree_leaf_cost(inode, &leaf->path);
}

/* The same for a change of the extent at @at, or an error. */
static int sffs_change_cost(struct inode *inode, u64 at, unsigned int more)
{
	struct sffs_leaf leaf;
	int cost = leaf_find(inode, &leaf, at);

	if (cost)
		return cost;
	if (leaf_covers(&leaf, at))
		cost = leaf_cost(inode, &leaf, more);
	sffs_path_put(&leaf.path);
	return cost;
}

/*
 * Start a transaction for a change of the extent at @at, which adds @more extents at most, and
 * take the tree: 0 or an error. Only what the tree needs is reserved, so on a full volume a
 * change that needs nothing cannot fail.
 */
static int sffs_change_start(struct sffs_tx *tx, struct inode *inode, u64 at, unsigned int more)
{
	struct sffs_inode_info *si = SFFS_I(inode);
	int cost, now, err;
	u64 seq;

	do {
		down_read(&si->tree_sem);
		seq = si->map_seq;
		cost = sffs_change_cost(inode, at, more);
		up_read(&si->tree_sem);
		if (cost < 0)
			return cost;
		sffs_map_plan(tx, inode, true);
		err = cost ? sffs_tx_reserve(tx, si->bh->b_blocknr, cost) : 0;
		err = err ?: sffs_tx_start(tx, SFFS_TREE_CREDITS);
		if (err)
			return err;
		down_write(&si->tree_sem);
		now = seq == si->map_seq ? cost : sffs_change_cost(inode, at, more);
		if (now >= 0 && now <= cost)
			return 0;
		up_write(&si->tree_sem);
		err = sffs_tx_stop(tx);
	} while (!err && now >= 0);
	return err ?: now;
}

/* Change the state of the first extent that overlaps [first, end); moves @first on. */
static int sffs_convert_one(struct sffs_tx *tx, struct inode *inode, u64 *first, u64 end,
			    bool unwritten)
{
	struct sffs_extent part[3], e;
	struct sffs_leaf leaf;
	unsigned int n;
	u64 to;
	int err;

	do {
		err = leaf_find(inode, &leaf, *first);
		if (err)
			return err;
		if (!leaf_covers(&leaf, *first)) {
			*first = max(leaf_next(inode, &leaf), *first + 1);
			break;
		}
		e = leaf.ext[leaf.pos];
		to = min(end, ext_end(&e));
		if (ext_unwritten(&e) == unwritten) {
			*first = to;
			break;
		}
		n = ext_changed(&e, *first, to, unwritten, part);
		err = sffs_splice(tx, inode, &leaf, leaf.pos, 1, part, n);
		if (err == -EAGAIN)
			continue;
		if (err)
			return err;
		*first = to;
	} while (err == -EAGAIN);
	sffs_path_put(&leaf.path);
	return 0;
}

/**
 * sffs_map_convert() - mark blocks as written, or as unwritten
 * @inode: the file
 * @first: first block of the range; holes in it stay holes
 * @end: behind its last block
 * @unwritten: what they become
 *
 * Context: starts transactions; the inode's cluster lock is held exclusively.
 */
int sffs_map_convert(struct inode *inode, u64 first, u64 end, bool unwritten)
{
	struct sffs_tx tx;
	int err = 0;

	while (!err && first < end) {
		err = sffs_change_start(&tx, inode, first, 2);
		if (err)
			return err;
		err = sffs_convert_one(&tx, inode, &first, end, unwritten);
		err = sffs_map_finish(&tx, inode, err);
	}
	return err;
}

/* Find the first extent that overlaps [first, end): 0, -ENOENT, or an error. */
static int leaf_first_in(struct inode *inode, struct sffs_leaf *leaf, u64 first, u64 end)
{
	int err = first < end ? leaf_find(inode, leaf, first) : -ENOENT;

	if (err)
		return err;
	if (leaf_covers(leaf, first))
		return 0;
	if (++leaf->pos == (int)leaf->count) {
		err = sffs_tree_step(inode, SFFS_MAGIC_EXTENTS, &leaf->path, 1);
		if (!err)
			err = leaf_open(inode, leaf, U64_MAX);
		if (err)
			goto put;
		leaf->pos = 0;
	}
	/* A leaf may not reach back over what its index entry says. */
	if (ext_first(&leaf->ext[leaf->pos]) < first)
		err = leaf_disorder(inode, leaf);
	else if (ext_first(&leaf->ext[leaf->pos]) >= end)
		err = -ENOENT;
	if (!err)
		return 0;
put:
	sffs_path_put(&leaf->path);
	return err;
}

/*
 * Blocks that cutting into the leaf's extent may take: only its beginning that stays, beside
 * what stays behind the cut, makes one more of it.
 */
static unsigned int sffs_punch_cost(struct inode *inode, struct sffs_leaf *leaf, u64 first)
{
	return first > ext_first(&leaf->ext[leaf->pos]) ? leaf_cost(inode, leaf, 1) : 0;
}

/*
 * Cut up to a bounded piece out of one extent, and move @first behind it: 0, -EAGAIN after a
 * split, or an error.
 */
static int sffs_punch_extent(struct sffs_tx *tx, struct inode *inode, struct sffs_leaf *leaf,
			     u64 *first, u64 end, u32 *budget)
{
	struct sffs_extent e = leaf->ext[leaf->pos], part[2], cut;
	u64 from = max(*first, ext_first(&e));
	int err;

	end = min3(end, ext_end(&e), from + *budget);
	cut = ext_part(&e, from, end);
	err = sffs_splice(tx, inode, leaf, leaf->pos, 1, part, ext_without(&e, from, end, part));
	if (err)
		return err;
	*first = end;
	*budget -= ext_count(&cut);
	sffs_add_blocks(inode, -(s64)ext_count(&cut));
	err = sffs_free(tx, le64_to_cpu(cut.block), ext_count(&cut), false);
	if (err)
		sffs_path_put(&leaf->path);
	return err;
}

/*
 * One transaction's worth, with the tree held and @cost blocks reserved: -ENOENT when there
 * is nothing left.
 */
static noinline_for_stack int sffs_punch_some(struct sffs_tx *tx, struct inode *inode, u64 first,
					      u64 end, unsigned int cost)
{
	u32 budget = SFFS_PUNCH_BLOCKS;
	struct sffs_leaf leaf;
	unsigned int i;
	int err = 0;

	for (i = 0; i < SFFS_PUNCH_EXTENTS && budget; i++) {
		err = leaf_first_in(inode, &leaf, first, end);
		if (err)
			break;
		/* The plan no longer fits, or has been used up: make a new one. */
		if (sffs_punch_cost(inode, &leaf, first) > (i ? 0 : cost) ||
		    !sffs_tx_has_group(tx, le64_to_cpu(leaf.ext[leaf.pos].block)) ||
		    !sffs_tree_drop_planned(tx, inode, &leaf.path)) {
			sffs_path_put(&leaf.path);
			break;
		}
		err = sffs_punch_extent(tx, inode, &leaf, &first, end, &budget);
		if (err == -EAGAIN)
			continue;
		if (err)
			break;
		if (!leaf.count && leaf.path.depth > 1)
			err = sffs_tree_drop_leaf(tx, inode, &leaf.path);
		sffs_path_put(&leaf.path);
		if (err)
			break;
	}
	return err == -EAGAIN ? 0 : err;
}

/* Which groups will the next transaction of a punch change, and what will the tree need? */
static noinline_for_stack int sffs_punch_plan(struct sffs_tx *tx, struct inode *inode, u64 first,
					      u64 end, unsigned int *cost)
{
	struct sffs_leaf leaf;
	int err;

	down_read(&SFFS_I(inode)->tree_sem);
	err = leaf_first_in(inode, &leaf, first, end);
	if (!err) {
		err = sffs_tx_add_group(tx, le64_to_cpu(leaf.ext[leaf.pos].block));
		if (!err)
			err = sffs_tree_plan_drop(tx, inode, &leaf.path);
		*cost = sffs_punch_cost(inode, &leaf, first);
		sffs_path_put(&leaf.path);
	}
	up_read(&SFFS_I(inode)->tree_sem);
	return err;
}

/**
 * sffs_map_punch() - give back the blocks of a range
 * @inode: the file
 * @first: first block
 * @end: behind the last block
 *
 * Context: starts transactions; the inode's cluster lock is held exclusively and
 * nothing reads or writes the range through the page cache.
 */
int sffs_map_punch(struct inode *inode, u64 first, u64 end)
{
	unsigned int cost;
	struct sffs_tx tx;
	bool done;
	int err;

	do {
		sffs_map_plan(&tx, inode, true);
		err = sffs_punch_plan(&tx, inode, first, end, &cost);
		if (!err && cost)
			err = sffs_tx_reserve(&tx, SFFS_I(inode)->bh->b_blocknr, cost);
		if (err) {
			sffs_tx_cancel(&tx);
			break;
		}
		err = sffs_tx_start(&tx, SFFS_TREE_CREDITS + 2 * SFFS_PUNCH_EXTENTS + 4);
		if (err)
			break;
		down_write(&SFFS_I(inode)->tree_sem);
		err = sffs_punch_some(&tx, inode, first, end, cost);
		done = err == -ENOENT;
		err = sffs_map_finish(&tx, inode, done ? 0 : err);
	} while (!err && !done);
	return err == -ENOENT ? 0 : err;
}

/* ---- Shifting: the blocks stay, their place in the file changes ---- */

/* Take out the first extent at or behind *from (or the last, to move up) and put it back. */
static int sffs_shift_one(struct sffs_tx *tx, struct inode *inode, struct sffs_leaf *leaf, s64 by)
{
	struct sffs_extent e = leaf->ext[leaf->pos];
	int err;

	err = sffs_splice(tx, inode, leaf, leaf->pos, 1, NULL, 0);
	if (err)
		return err;
	if (!leaf->count && leaf->path.depth > 1)
		err = sffs_tree_drop_leaf(tx, inode, &leaf->path);
	sffs_path_put(&leaf->path);
	if (err)
		return err;
	e.file_block = cpu_to_le64(ext_first(&e) + by);
	return sffs_map_insert(tx, inode, &e);
}

/* Find the extent to be moved next: the first in [from, end), or the last. */
static int leaf_to_shift(struct inode *inode, struct sffs_leaf *leaf, u64 from, u64 end, s64 by)
{
	int err;

	if (by < 0)
		return leaf_first_in(inode, leaf, from, end);
	if (end <= from)
		return -ENOENT;
	err = leaf_find(inode, leaf, end - 1);
	if (err)
		return err;
	if (leaf->pos >= 0 && ext_first(&leaf->ext[leaf->pos]) >= from)
		return 0;
	if (leaf->pos < 0) {
		err = sffs_tree_step(inode, SFFS_MAGIC_EXTENTS, &leaf->path, -1);
		if (!err)
			err = leaf_open(inode, leaf, end - 1);
		if (!err && leaf->pos >= 0 && ext_first(&leaf->ext[leaf->pos]) >= from)
			return 0;
	}
	sffs_path_put(&leaf->path);
	return err ?: -ENOENT;
}

/* One extent in one transaction, which also says in the inode what is left to do. */
static int sffs_shift_step(struct inode *inode)
{
	struct sffs_inode_info *si = SFFS_I(inode);
	struct sffs_leaf leaf;
	struct sffs_tx tx;
	int err;

	sffs_map_plan(&tx, inode, true);
	down_read(&si->tree_sem);
	err = leaf_to_shift(inode, &leaf, si->shift_from, si->shift_end, si->shift_by);
	if (!err) {
		err = sffs_tree_plan_drop(&tx, inode, &leaf.path);
		sffs_path_put(&leaf.path);
	}
	up_read(&si->tree_sem);
	if (!err)
		err = sffs_tx_reserve(&tx, si->bh->b_blocknr, SFFS_TREE_BLOCKS);
	if (err) {
		sffs_tx_cancel(&tx);
		return err;
	}
	err = sffs_tx_start(&tx, 2 * SFFS_TREE_CREDITS);
	if (err)
		return err;
	down_write(&si->tree_sem);
	err = leaf_to_shift(inode, &leaf, si->shift_from, si->shift_end, si->shift_by);
	if (!err && !sffs_tree_drop_planned(&tx, inode, &leaf.path)) {
		sffs_path_put(&leaf.path);	/* plan again */
	} else if (!err) {
		u64 first = ext_first(&leaf.ext[leaf.pos]), next = ext_end(&leaf.ext[leaf.pos]);

		err = sffs_shift_one(&tx, inode, &leaf, si->shift_by);
		if (si->shift_by < 0)
			si->shift_from = next;
		else
			si->shift_end = first;
		/* An extent that was taken out and not put back must not be committed. */
		if (err)
			sffs_shutdown(inode->i_sb, "an extent could not be moved");
	}
	return sffs_map_finish(&tx, inode, err);
}

/**
 * sffs_map_shift() - move extents up or down, as the inode's shift fields say
 * @inode: the file, its page cache empty from there on; no extent crosses shift_from,
 *	and what is moved over is a hole
 *
 * Context: starts a transaction for each extent; the inode's cluster lock is held
 * exclusively. A crash in between leaves the rest to whoever reads the fields.
 */
int sffs_map_shift(struct inode *inode)
{
	int err;

	do {
		err = sffs_shift_step(inode);
		cond_resched();
	} while (!err);
	return err == -ENOENT ? 0 : err;
}

/**
 * sffs_map_cut() - make sure that no extent crosses a place
 * @inode: the file
 * @at: block that must start an extent if it is in one
 *
 * Two neighbours that touch would be joined again by a later change, so this is
 * for the caller that changes what is behind @at next, under i_rwsem.
 */
int sffs_map_cut(struct inode *inode, u64 at)
{
	struct sffs_extent part[2], e;
	struct sffs_leaf leaf;
	struct sffs_tx tx;
	int err;

	err = sffs_change_start(&tx, inode, at, 1);
	if (err)
		return err;
	do {
		err = leaf_find(inode, &leaf, at);
		if (err)
			break;
		if (!leaf_covers(&leaf, at) || ext_first(&leaf.ext[leaf.pos]) == at) {
			sffs_path_put(&leaf.path);
			break;
		}
		e = leaf.ext[leaf.pos];
		part[0] = ext_part(&e, 0, at);
		part[1] = ext_part(&e, at, U64_MAX);
		err = sffs_put_apart(&tx, inode, &leaf, part);
		if (!err)
			sffs_path_put(&leaf.path);
	} while (err == -EAGAIN);
	return sffs_map_finish(&tx, inode, err);
}
