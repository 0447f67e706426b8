// SPDX-License-Identifier: GPL-2.0-only
/*
 * B+trees: what extent trees and directory trees have in common, which is all
 * above the leaves. The root is in the inode's block, nodes and leaves are blocks
 * of the inode. The caller holds tree_sem.
 *
 * An index entry's key is not above any key below it. The first key of a node
 * equals its parent's entry, so whatever is smaller than the first key of a
 * tree still has a place: entry 0 at each level keeps the smallest key that
 * it ever had.
 */
#include "sffs.h"

void sffs_path_put(struct sffs_path *path)
{
	unsigned int i;

	for (i = 1; i < path->depth; i++)
		brelse(path->level[i].bh);
	path->depth = 0;
}

struct buffer_head *sffs_node_bh(struct inode *inode, struct sffs_path *path, unsigned int level)
{
	return level ? path->level[level].bh : SFFS_I(inode)->bh;
}

struct sffs_node_head *sffs_node_head(struct inode *inode, struct sffs_path *path,
				      unsigned int level)
{
	if (!level)
		return (struct sffs_node_head *)sffs_raw(inode)->area;
	return (struct sffs_node_head *)(path->level[level].bh->b_data +
					 sizeof(struct sffs_header));
}

static struct sffs_index *sffs_indexes(struct sffs_node_head *head)
{
	return (struct sffs_index *)(head + 1);
}

static unsigned int sffs_index_max(unsigned int level)
{
	return level ? SFFS_NODE_INDEXES : SFFS_ROOT_INDEXES;
}

/* Position of the last entry whose key is not above @key; 0 if there is none. */
static unsigned int sffs_index_search(const struct sffs_index *index, unsigned int count, u64 key)
{
	unsigned int low = 1, high = count;

	while (low < high) {
		unsigned int mid = (low + high) / 2;

		if (le64_to_cpu(index[mid].key) <= key)
			low = mid + 1;
		else
			high = mid;
	}
	return low - 1;
}

/* Read the child that path->level[level].pos points to as level + 1. */
static int sffs_tree_descend(struct inode *inode, u32 leaf_magic, struct sffs_path *path,
			     unsigned int level)
{
	struct sffs_node_head *head = sffs_node_head(inode, path, level);
	unsigned int below = le16_to_cpu(head->level) - 1;
	u64 block = le64_to_cpu(sffs_indexes(head)[path->level[level].pos].block);
	struct buffer_head *bh;
	unsigned int count;

	bh = sffs_read_meta(&SFFS_I(inode)->lock, block, below ? SFFS_MAGIC_NODE : leaf_magic,
			    inode->i_generation);
	if (IS_ERR(bh))
		return PTR_ERR(bh);
	path->level[level + 1].bh = bh;
	path->level[level + 1].pos = 0;
	path->depth = level + 2;
	head = sffs_node_head(inode, path, level + 1);
	count = le16_to_cpu(head->count);
	if (le16_to_cpu(head->level) == below && count && (!below || count <= SFFS_NODE_INDEXES))
		return 0;
	sffs_damage(inode->i_sb, block, "impossible tree node of inode %lu", inode->i_ino);
	return -EFSCORRUPTED;
}

static int sffs_tree_root(struct inode *inode, struct sffs_path *path)
{
	struct sffs_node_head *head = (struct sffs_node_head *)sffs_raw(inode)->area;
	unsigned int level = le16_to_cpu(head->level), count = le16_to_cpu(head->count);

	path->depth = 1;
	path->level[0].bh = NULL;
	path->level[0].pos = 0;
	if (level <= SFFS_TREE_DEPTH_MAX && (!level || (count && count <= SFFS_ROOT_INDEXES)))
		return 0;
	sffs_damage(inode->i_sb, SFFS_I(inode)->bh->b_blocknr, "impossible tree root of inode %lu",
		    inode->i_ino);
	return -EFSCORRUPTED;
}

/**
 * sffs_tree_find() - go down to the leaf that has, or would have, a key
 * @inode: whose tree
 * @key: the key
 * @leaf_magic: kind of the leaf blocks
 * @path: filled in; the caller puts it, also after an error
 *
 * Return: 0 or an error.
 */
int sffs_tree_find(struct inode *inode, u64 key, u32 leaf_magic, struct sffs_path *path)
{
	unsigned int level = 0;
	int err = sffs_tree_root(inode, path);

	while (!err) {
		struct sffs_node_head *head = sffs_node_head(inode, path, level);

		if (!head->level)
			return 0;
		path->level[level].pos = sffs_index_search(sffs_indexes(head),
							   le16_to_cpu(head->count), key);
		err = sffs_tree_descend(inode, leaf_magic, path, level++);
	}
	return err;
}

/**
 * sffs_tree_step() - go to the next or the previous leaf
 * @inode: whose tree
 * @leaf_magic: kind of the leaf blocks
 * @path: from sffs_tree_find(); changed
 * @dir: 1 or -1
 *
 * Return: 0, -ENOENT if there is none, or an error; then @path is of no use but
 * to be put.
 */
int sffs_tree_step(struct inode *inode, u32 leaf_magic, struct sffs_path *path, int dir)
{
	unsigned int leaf = path->depth - 1, level = leaf;
	int err;

	for (;;) {
		struct sffs_node_head *head;

		if (!level)
			return -ENOENT;
		level--;
		head = sffs_node_head(inode, path, level);
		if (dir > 0 && path->level[level].pos + 1 < le16_to_cpu(head->count))
			break;
		if (dir < 0 && path->level[level].pos)
			break;
	}
	path->level[level].pos += dir;
	while (path->depth > level + 1)
		brelse(path->level[--path->depth].bh);
	while (level < leaf) {
		err = sffs_tree_descend(inode, leaf_magic, path, level++);
		if (err)
			return err;
		if (dir < 0)
			path->level[level].pos =
				le16_to_cpu(sffs_node_head(inode, path, level)->count) - 1;
	}
	return 0;
}

/* A key that is not above any key in the leaves to the right; ~0 if there are none. */
u64 sffs_tree_next_key(struct inode *inode, struct sffs_path *path)
{
	unsigned int level = path->depth - 1;

	while (level--) {
		struct sffs_node_head *head = sffs_node_head(inode, path, level);
		unsigned int pos = path->level[level].pos + 1;

		if (pos < le16_to_cpu(head->count))
			return le64_to_cpu(sffs_indexes(head)[pos].key);
	}
	return U64_MAX;
}

/* ---- Changes ---- */

static struct buffer_head *sffs_tree_new_block(struct sffs_tx *tx, struct inode *inode, u32 magic)
{
	u64 block;
	int err = sffs_alloc_meta(tx, SFFS_I(inode)->bh->b_blocknr, &block);

	if (err)
		return ERR_PTR(err);
	sffs_add_blocks(inode, 1);
	return sffs_tx_create(tx, &SFFS_I(inode)->lock, block, magic, inode->i_generation);
}

/**
 * sffs_tree_new_leaf() - make an empty leaf that no index names yet
 * @tx: running transaction with space
 * @inode: whose tree
 * @magic: kind of leaf
 *
 * Return: the buffer, to be filled and made dirty, or an error pointer.
 */
struct buffer_head *sffs_tree_new_leaf(struct sffs_tx *tx, struct inode *inode, u32 magic)
{
	return sffs_tree_new_block(tx, inode, magic);
}

/**
 * sffs_tree_grow() - move the root's content into a block of its own
 * @tx: running transaction; the inode's block is ready to be changed
 * @inode: whose tree
 * @magic: kind of the new block
 * @entry_size: bytes of an entry of the root
 *
 * Paths that were found before are no longer valid.
 */
int sffs_tree_grow(struct sffs_tx *tx, struct inode *inode, u32 magic, unsigned int entry_size)
{
	struct sffs_node_head *root = (struct sffs_node_head *)sffs_raw(inode)->area;
	struct sffs_index *index = sffs_indexes(root);
	struct sffs_node_head *head;
	struct buffer_head *bh;

	if (le16_to_cpu(root->level) == SFFS_TREE_DEPTH_MAX)
		return -EFBIG;
	bh = sffs_tree_new_block(tx, inode, magic);
	if (IS_ERR(bh))
		return PTR_ERR(bh);
	head = (struct sffs_node_head *)(bh->b_data + sizeof(struct sffs_header));
	memcpy(head, root, sizeof(*root) + le16_to_cpu(root->count) * entry_size);
	memset(root + 1, 0, SFFS_INODE_AREA - sizeof(*root));
	le16_add_cpu(&root->level, 1);
	root->count = cpu_to_le16(1);
	index[0].key = 0;
	index[0].block = cpu_to_le64(bh->b_blocknr);
	sffs_tx_dirty(tx, bh);
	brelse(bh);
	sffs_tx_dirty(tx, SFFS_I(inode)->bh);
	return 0;
}

static void sffs_index_put(struct sffs_node_head *head, unsigned int pos, u64 key, u64 block)
{
	struct sffs_index *index = sffs_indexes(head);
	unsigned int count = le16_to_cpu(head->count);

	memmove(index + pos + 1, index + pos, (count - pos) * sizeof(*index));
	index[pos].key = cpu_to_le64(key);
	index[pos].block = cpu_to_le64(block);
	head->count = cpu_to_le16(count + 1);
}

static int sffs_tree_insert(struct sffs_tx *tx, struct inode *inode, struct sffs_path *path,
			    unsigned int level, unsigned int pos, u64 key, u64 block);

/* Move the upper half of a full node into a new one, then insert into the right one. */
static int sffs_node_split(struct sffs_tx *tx, struct inode *inode, struct sffs_path *path,
			   unsigned int level, unsigned int pos, u64 key, u64 block)
{
	struct sffs_node_head *head = sffs_node_head(inode, path, level), *right;
	unsigned int count = le16_to_cpu(head->count), half = count / 2;
	struct sffs_index *index = sffs_indexes(head);
	struct buffer_head *bh;
	u64 right_key;
	int err;

	bh = sffs_tree_new_block(tx, inode, SFFS_MAGIC_NODE);
	if (IS_ERR(bh))
		return PTR_ERR(bh);
	right = (struct sffs_node_head *)(bh->b_data + sizeof(struct sffs_header));
	right->level = head->level;
	right->count = cpu_to_le16(count - half);
	memcpy(sffs_indexes(right), index + half, (count - half) * sizeof(*index));
	memset(index + half, 0, (count - half) * sizeof(*index));
	head->count = cpu_to_le16(half);
	right_key = le64_to_cpu(sffs_indexes(right)[0].key);
	if (pos <= half)
		sffs_index_put(head, pos, key, block);
	else
		sffs_index_put(right, pos - half, key, block);
	sffs_tx_dirty(tx, bh);
	sffs_tx_dirty(tx, path->level[level].bh);
	err = sffs_tree_insert(tx, inode, path, level - 1, path->level[level - 1].pos + 1,
			       right_key, bh->b_blocknr);
	if (err)
		sffs_shutdown(tx->sb, "half of a tree's node could not be moved");
	brelse(bh);
	return err;
}

static int sffs_tree_insert(struct sffs_tx *tx, struct inode *inode, struct sffs_path *path,
			    unsigned int level, unsigned int pos, u64 key, u64 block)
{
	struct sffs_node_head *head = sffs_node_head(inode, path, level);
	struct buffer_head *bh = sffs_node_bh(inode, path, level);
	int err = sffs_tx_access(tx, bh);

	if (err)
		return err;
	if (le16_to_cpu(head->count) < sffs_index_max(level)) {
		sffs_index_put(head, pos, key, block);
		sffs_tx_dirty(tx, bh);
		return 0;
	}
	if (level)
		return sffs_node_split(tx, inode, path, level, pos, key, block);
	/* The old root's entries are now all in its only child, which has room. */
	err = sffs_tree_grow(tx, inode, SFFS_MAGIC_NODE, sizeof(struct sffs_index));
	if (err)
		return err;
	bh = sffs_read_meta(&SFFS_I(inode)->lock, le64_to_cpu(sffs_indexes(head)[0].block),
			    SFFS_MAGIC_NODE, inode->i_generation);
	if (IS_ERR(bh))
		return PTR_ERR(bh);
	sffs_index_put((struct sffs_node_head *)(bh->b_data + sizeof(struct sffs_header)), pos,
		       key, block);
	sffs_tx_dirty(tx, bh);
	brelse(bh);
	return 0;
}

/**
 * sffs_tree_add_leaf() - add a leaf to the right of the one that a path leads to
 * @tx: running transaction with space
 * @inode: whose tree; its root is not a leaf
 * @path: to a leaf; only to be put afterwards
 * @key: smallest key in the new leaf
 * @block: the new leaf
 */
int sffs_tree_add_leaf(struct sffs_tx *tx, struct inode *inode, struct sffs_path *path, u64 key,
		       u64 block)
{
	unsigned int parent = path->depth - 2;

	return sffs_tree_insert(tx, inode, path, parent, path->level[parent].pos + 1, key, block);
}

/* How many blocks will one more leaf beside the path's take, itself included? */
unsigned int sffs_tree_leaf_cost(struct inode *inode, struct sffs_path *path)
{
	unsigned int level = path->depth - 1, cost = 1;

	while (level-- &&
	       le16_to_cpu(sffs_node_head(inode, path, level)->count) == sffs_index_max(level))
		cost++;
	return cost;
}

/* Add the groups of all blocks that dropping the path's leaf will free. */
int sffs_tree_plan_drop(struct sffs_tx *tx, struct inode *inode, struct sffs_path *path)
{
	unsigned int level = path->depth - 1;
	int err = 0;

	while (level && !err) {
		err = sffs_tx_add_group(tx, path->level[level].bh->b_blocknr);
		if (le16_to_cpu(sffs_node_head(inode, path, --level)->count) > 1)
			break;
	}
	return err;
}

/* Was sffs_tree_plan_drop() called for what the path looks like now? */
bool sffs_tree_drop_planned(struct sffs_tx *tx, struct inode *inode, struct sffs_path *path)
{
	unsigned int level = path->depth - 1;

	while (level) {
		if (!sffs_tx_has_group(tx, path->level[level].bh->b_blocknr))
			return false;
		if (le16_to_cpu(sffs_node_head(inode, path, --level)->count) > 1)
			break;
	}
	return true;
}

/**
 * sffs_tree_drop_leaf() - free a leaf that has become empty
 * @tx: running transaction, planned by sffs_tree_plan_drop()
 * @inode: whose tree; its block is ready to be changed
 * @path: to the leaf; only to be put afterwards
 *
 * Nodes that become empty go too; a root that does is an empty leaf again.
 */
int sffs_tree_drop_leaf(struct sffs_tx *tx, struct inode *inode, struct sffs_path *path)
{
	unsigned int level = path->depth - 1;

	while (level) {
		struct buffer_head *bh = path->level[level].bh;
		struct sffs_node_head *head;
		struct sffs_index *index;
		unsigned int pos, count;
		u64 first;
		int err;

		err = sffs_free(tx, bh->b_blocknr, 1, true);
		if (err)
			return err;
		sffs_add_blocks(inode, -1);
		level--;
		bh = sffs_node_bh(inode, path, level);
		err = sffs_tx_access(tx, bh);
		if (err)
			return err;
		head = sffs_node_head(inode, path, level);
		index = sffs_indexes(head);
		pos = path->level[level].pos;
		count = le16_to_cpu(head->count) - 1;
		first = le64_to_cpu(index[0].key);
		memmove(index + pos, index + pos + 1, (count - pos) * sizeof(*index));
		memset(index + count, 0, sizeof(*index));
		head->count = cpu_to_le16(count);
		if (count)
			index[0].key = cpu_to_le64(first);
		if (!level && !count)
			head->level = 0;
		sffs_tx_dirty(tx, bh);
		if (count)
			break;
	}
	return 0;
}
