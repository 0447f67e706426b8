// SPDX-License-Identifier: GPL-2.0-only
/*
 * Directories: entries by the key of their name, in one leaf in the inode or
 * in the leaves of a tree. i_rwsem excludes changes against each other and
 * against lookups; tree_sem, taken inside it, is for readers that come without.
 */
#include "dirleaf.h"
#include "sffs.h"

#define SFFS_DIR_SEQ_MASK	((1ULL << SFFS_DIR_SEQ_BITS) - 1)
/* Positions 0 and 1 of readdir are "." and "..". */
#define SFFS_DIR_FIRST_KEY	2U

struct sffs_dir_leaf {
	struct sffs_path path;
	void *leaf;
	u32 size;
	u32 pos;
};

/* The smallest key that a name may have; the largest is this | SFFS_DIR_SEQ_MASK. */
static u64 sffs_name_key(struct inode *dir, const struct qstr *name)
{
	u64 hash = siphash(name->name, name->len, &SFFS_SB(dir->i_sb)->hash_key) >> 1;

	return max_t(u64, hash & ~SFFS_DIR_SEQ_MASK, SFFS_DIR_FIRST_KEY);
}

static u64 sffs_last_key(u64 key)
{
	return key | SFFS_DIR_SEQ_MASK;
}

static struct buffer_head *sffs_dir_leaf_bh(struct inode *dir, struct sffs_dir_leaf *l)
{
	return sffs_node_bh(dir, &l->path, l->path.depth - 1);
}

static int sffs_dir_open_leaf(struct inode *dir, struct sffs_dir_leaf *l)
{
	struct buffer_head *bh = sffs_dir_leaf_bh(dir, l);

	l->leaf = sffs_node_head(dir, &l->path, l->path.depth - 1);
	l->size = l->path.depth > 1 ? SFFS_DIR_LEAF_BYTES : SFFS_INODE_AREA;
	if (likely(sffs_leaf_valid(bh)))
		return 0;
	if (dirleaf_valid(l->leaf, l->size)) {
		sffs_set_leaf_valid(bh);
		return 0;
	}
	sffs_damage(dir->i_sb, bh->b_blocknr, "impossible entries of directory %lu", dir->i_ino);
	return -EFSCORRUPTED;
}

/* Go to the leaf for @key; on error the path has been put. */
static int sffs_dir_goto(struct inode *dir, u64 key, struct sffs_dir_leaf *l)
{
	int err = sffs_tree_find(dir, key, SFFS_MAGIC_DIR, &l->path);

	if (!err)
		err = sffs_dir_open_leaf(dir, l);
	if (err) {
		sffs_path_put(&l->path);
		return err;
	}
	l->pos = dirleaf_search(l->leaf, key);
	return 0;
}

/* Make sure that pos is an entry: 0, -ENOENT at the end, or an error. Path put on error. */
static int sffs_dir_settle(struct inode *dir, struct sffs_dir_leaf *l)
{
	int err;

	while (l->pos >= dirleaf_count(l->leaf)) {
		err = sffs_tree_step(dir, SFFS_MAGIC_DIR, &l->path, 1);
		if (!err)
			err = sffs_dir_open_leaf(dir, l);
		if (err) {
			sffs_path_put(&l->path);
			return err;
		}
		l->pos = 0;
	}
	return 0;
}

/* Find the entry of a name: 0, -ENOENT, or an error. The path is put on error. */
static int sffs_dir_seek(struct inode *dir, const struct qstr *name, struct sffs_dir_leaf *l)
{
	u64 key = sffs_name_key(dir, name), last = sffs_last_key(key), from = key, at;
	int err = sffs_dir_goto(dir, key, l);

	while (!err) {
		const struct sffs_dirent *e;

		err = sffs_dir_settle(dir, l);
		if (err)
			break;
		e = dirleaf_entry(l->leaf, l->pos);
		at = le64_to_cpu(e->key);
		if (at > last) {
			sffs_path_put(&l->path);
			return -ENOENT;
		}
		/* Keys grow from leaf to leaf, so this ends. */
		if (at < from) {
			sffs_damage(dir->i_sb, sffs_dir_leaf_bh(dir, l)->b_blocknr,
				    "names out of order");
			sffs_path_put(&l->path);
			return -EFSCORRUPTED;
		}
		from = at + 1;
		if (e->name_len == name->len && !memcmp(e->name, name->name, name->len))
			return 0;
		l->pos++;
	}
	return err;
}

/**
 * sffs_dir_find() - look a name up
 * @dir: the directory, its cluster lock held
 * @name: the name, not "." or ".."
 * @ino: set to the inode number
 * @type: set to the entry's DT_ type, if not NULL
 *
 * Return: 0, -ENOENT, or an error.
 */
int sffs_dir_find(struct inode *dir, const struct qstr *name, u64 *ino, u8 *type)
{
	struct sffs_dir_leaf l;
	int err;

	down_read(&SFFS_I(dir)->tree_sem);
	err = sffs_dir_seek(dir, name, &l);
	if (!err) {
		*ino = le64_to_cpu(dirleaf_entry(l.leaf, l.pos)->ino);
		if (type)
			*type = dirleaf_entry(l.leaf, l.pos)->type;
		sffs_path_put(&l.path);
	}
	up_read(&SFFS_I(dir)->tree_sem);
	return err;
}

bool sffs_dir_empty(struct inode *dir)
{
	return !SFFS_I(dir)->entries;
}

/* The lowest key that the directory does not have yet: 0 or an error. */
static int sffs_dir_free_key(struct inode *dir, const struct qstr *name, u64 *key)
{
	struct sffs_dir_leaf l;
	u64 last;
	int err;

	*key = sffs_name_key(dir, name);
	last = sffs_last_key(*key);
	err = sffs_dir_goto(dir, *key, &l);
	while (!err) {
		err = sffs_dir_settle(dir, &l);
		if (err)
			return err == -ENOENT ? 0 : err;
		if (le64_to_cpu(dirleaf_entry(l.leaf, l.pos)->key) > *key)
			break;
		if (++*key > last)
			err = -ENOSPC;
		l.pos++;
	}
	sffs_path_put(&l.path);
	return err;
}

/* Turn the leaf in the inode into the only leaf of a tree. */
static int sffs_dir_to_tree(struct sffs_tx *tx, struct inode *dir)
{
	struct sffs_inode *di = sffs_raw(dir);
	struct sffs_node_head *root = (struct sffs_node_head *)di->area;
	struct sffs_index *index = (struct sffs_index *)(root + 1);
	struct buffer_head *bh = sffs_tree_new_leaf(tx, dir, SFFS_MAGIC_DIR);
	void *leaf;

	if (IS_ERR(bh))
		return PTR_ERR(bh);
	leaf = bh->b_data + sizeof(struct sffs_header);
	dirleaf_init(leaf, SFFS_DIR_LEAF_BYTES);
	dirleaf_move(di->area, SFFS_INODE_AREA, 0, leaf, SFFS_DIR_LEAF_BYTES);
	memset(di->area, 0, SFFS_INODE_AREA);
	root->level = cpu_to_le16(1);
	root->count = cpu_to_le16(1);
	index->block = cpu_to_le64(bh->b_blocknr);
	SFFS_I(dir)->format = SFFS_FMT_DIR_TREE;
	i_size_write(dir, SFFS_BLOCK_SIZE);
	sffs_set_leaf_valid(bh);
	sffs_tx_dirty(tx, bh);
	brelse(bh);
	return 0;
}

/* Split a full leaf; the path is put. */
static int sffs_dir_split(struct sffs_tx *tx, struct inode *dir, struct sffs_dir_leaf *l)
{
	struct buffer_head *bh;
	void *right;
	int err;

	if (l->path.depth == 1) {
		err = sffs_dir_to_tree(tx, dir);
		goto out;
	}
	bh = sffs_tree_new_leaf(tx, dir, SFFS_MAGIC_DIR);
	err = PTR_ERR_OR_ZERO(bh);
	if (err)
		goto out;
	right = bh->b_data + sizeof(struct sffs_header);
	dirleaf_init(right, SFFS_DIR_LEAF_BYTES);
	dirleaf_move(l->leaf, l->size, dirleaf_middle(l->leaf, l->size), right,
		     SFFS_DIR_LEAF_BYTES);
	sffs_set_leaf_valid(bh);
	sffs_tx_dirty(tx, bh);
	sffs_tx_dirty(tx, sffs_dir_leaf_bh(dir, l));
	i_size_write(dir, i_size_read(dir) + SFFS_BLOCK_SIZE);
	err = sffs_tree_add_leaf(tx, dir, &l->path, le64_to_cpu(dirleaf_entry(right, 0)->key),
				 bh->b_blocknr);
	if (err)
		sffs_shutdown(dir->i_sb, "half of a directory's leaf could not be moved");
	brelse(bh);
out:
	sffs_path_put(&l->path);
	return err;
}

static int sffs_dir_insert(struct sffs_tx *tx, struct inode *dir, const struct qstr *name,
			   u64 ino, u8 type)
{
	struct sffs_dir_leaf l;
	u64 key;
	int err;

	err = sffs_dir_free_key(dir, name, &key);
	while (!err) {
		err = sffs_dir_goto(dir, key, &l);
		if (err)
			break;
		err = sffs_tx_access(tx, sffs_dir_leaf_bh(dir, &l));
		if (err) {
			sffs_path_put(&l.path);
			break;
		}
		if (dirleaf_fits(l.leaf, l.size, name->len)) {
			dirleaf_insert(l.leaf, l.size, l.pos, key, ino, type, name->name,
				       name->len);
			sffs_tx_dirty(tx, sffs_dir_leaf_bh(dir, &l));
			sffs_path_put(&l.path);
			SFFS_I(dir)->entries++;
			return 0;
		}
		err = sffs_dir_split(tx, dir, &l);
	}
	return err;
}

/**
 * sffs_dir_may_add() - does quota allow what one more name takes?
 * @dir: the directory, i_rwsem held
 * @name: a name that it does not have
 *
 * Return: 0, -EDQUOT, or an error.
 */
int sffs_dir_may_add(struct inode *dir, const struct qstr *name)
{
	struct sffs_dir_leaf l;
	s64 cost = 0, have;
	u64 key;
	int err;

	if (likely(!SFFS_SB(dir->i_sb)->quota))
		return 0;
	err = sffs_dir_free_key(dir, name, &key) ?: sffs_dir_goto(dir, key, &l);
	if (err)
		return err;
	if (!dirleaf_fits(l.leaf, l.size, name->len))
		cost = sffs_tree_leaf_cost(dir, &l.path);
	sffs_path_put(&l.path);
	have = cost ? sffs_quota_want(dir, cost) : 0;
	if (have < 0)
		return have;
	return have < cost ? -EDQUOT : 0;
}

/**
 * sffs_dir_add() - add a name
 * @tx: running transaction with SFFS_TREE_BLOCKS reserved
 * @dir: the directory; the caller stores its inode
 * @name: a name that it does not have
 * @ino: inode number
 * @type: DT_ type
 */
int sffs_dir_add(struct sffs_tx *tx, struct inode *dir, const struct qstr *name, u64 ino, u8 type)
{
	int err = sffs_tx_access(tx, SFFS_I(dir)->bh);

	if (err)
		return err;
	down_write(&SFFS_I(dir)->tree_sem);
	err = sffs_dir_insert(tx, dir, name, ino, type);
	up_write(&SFFS_I(dir)->tree_sem);
	return err;
}

/**
 * sffs_dir_plan_remove() - add the groups that removing a name may change
 * @tx: transaction that has not started
 * @dir: the directory, i_rwsem held
 * @name: the name
 */
int sffs_dir_plan_remove(struct sffs_tx *tx, struct inode *dir, const struct qstr *name)
{
	struct sffs_dir_leaf l;
	int err = sffs_dir_seek(dir, name, &l);

	if (err)
		return err;
	if (dirleaf_count(l.leaf) == 1)
		err = sffs_tree_plan_drop(tx, dir, &l.path);
	sffs_path_put(&l.path);
	return err;
}

/* The last leaf is gone: an empty directory has its leaf in the inode. */
static void sffs_dir_to_inline(struct inode *dir)
{
	dirleaf_init(sffs_raw(dir)->area, SFFS_INODE_AREA);
	SFFS_I(dir)->format = SFFS_FMT_DIR_INLINE;
	i_size_write(dir, SFFS_INODE_AREA);
}

static int sffs_dir_delete(struct sffs_tx *tx, struct inode *dir, struct sffs_dir_leaf *l)
{
	int err = sffs_tx_access(tx, sffs_dir_leaf_bh(dir, l));

	if (err)
		return err;
	dirleaf_remove(l->leaf, l->size, l->pos);
	SFFS_I(dir)->entries--;
	sffs_tx_dirty(tx, sffs_dir_leaf_bh(dir, l));
	if (dirleaf_count(l->leaf) || l->path.depth == 1)
		return 0;
	err = sffs_tree_drop_leaf(tx, dir, &l->path);
	if (err)
		return err;
	if (!((struct sffs_node_head *)sffs_raw(dir)->area)->count)
		sffs_dir_to_inline(dir);
	else
		i_size_write(dir, i_size_read(dir) - SFFS_BLOCK_SIZE);
	return 0;
}

/* Remove a name; planned by sffs_dir_plan_remove(). The caller stores the inode. */
int sffs_dir_remove(struct sffs_tx *tx, struct inode *dir, const struct qstr *name)
{
	struct sffs_dir_leaf l;
	int err = sffs_tx_access(tx, SFFS_I(dir)->bh);

	if (err)
		return err;
	down_write(&SFFS_I(dir)->tree_sem);
	err = sffs_dir_seek(dir, name, &l);
	if (!err) {
		err = sffs_dir_delete(tx, dir, &l);
		sffs_path_put(&l.path);
	}
	up_write(&SFFS_I(dir)->tree_sem);
	return err;
}

/* Let a name that exists stand for another inode. */
int sffs_dir_replace(struct sffs_tx *tx, struct inode *dir, const struct qstr *name, u64 ino,
		     u8 type)
{
	struct sffs_dir_leaf l;
	int err;

	down_write(&SFFS_I(dir)->tree_sem);
	err = sffs_dir_seek(dir, name, &l);
	if (err)
		goto unlock;
	err = sffs_tx_access(tx, sffs_dir_leaf_bh(dir, &l));
	if (!err) {
		struct sffs_dirent *e = dirleaf_entry(l.leaf, l.pos);

		e->ino = cpu_to_le64(ino);
		e->type = type;
		sffs_tx_dirty(tx, sffs_dir_leaf_bh(dir, &l));
	}
	sffs_path_put(&l.path);
unlock:
	up_write(&SFFS_I(dir)->tree_sem);
	return err;
}

/* ---- readdir ---- */

/* Entries are copied out a few at a time, so that none is given to the user under a lock. */
struct sffs_dir_batch {
	u32 count;
	u32 used;
	struct {
		u64 key;
		u64 ino;
		u16 name;
		u8 len;
		u8 type;
	} entry[32];
	char names[3072];
};

static int sffs_dir_collect(struct inode *dir, u64 from, struct sffs_dir_batch *batch)
{
	struct sffs_dir_leaf l;
	int err;

	batch->count = 0;
	batch->used = 0;
	err = sffs_dir_goto(dir, from, &l);
	while (!err && batch->count < ARRAY_SIZE(batch->entry)) {
		const struct sffs_dirent *e;

		err = sffs_dir_settle(dir, &l);
		if (err)
			return err == -ENOENT ? 0 : err;
		e = dirleaf_entry(l.leaf, l.pos);
		/* Readers go on behind the last key, so keys that go back would never end. */
		if (le64_to_cpu(e->key) < from) {
			sffs_damage(dir->i_sb, sffs_dir_leaf_bh(dir, &l)->b_blocknr,
				    "directory %lu is out of order", dir->i_ino);
			sffs_path_put(&l.path);
			return -EFSCORRUPTED;
		}
		from = le64_to_cpu(e->key);
		if (batch->used + e->name_len > sizeof(batch->names))
			break;
		batch->entry[batch->count].key = le64_to_cpu(e->key);
		batch->entry[batch->count].ino = le64_to_cpu(e->ino);
		batch->entry[batch->count].name = batch->used;
		batch->entry[batch->count].len = e->name_len;
		batch->entry[batch->count].type = e->type;
		memcpy(batch->names + batch->used, e->name, e->name_len);
		batch->used += e->name_len;
		batch->count++;
		l.pos++;
	}
	if (!err)
		sffs_path_put(&l.path);
	return err;
}

static int sffs_dir_fill(struct inode *dir, u64 from, struct sffs_dir_batch *batch)
{
	struct sffs_inode_info *si = SFFS_I(dir);
	int err = sffs_lock(&si->lock, SFFS_LOCK_SHARED);

	if (err)
		return err;
	down_read(&si->tree_sem);
	err = sffs_dir_collect(dir, from, batch);
	up_read(&si->tree_sem);
	sffs_unlock(&si->lock, SFFS_LOCK_SHARED);
	return err;
}

static int sffs_readdir(struct file *file, struct dir_context *ctx)
{
	struct inode *dir = file_inode(file);
	struct sffs_dir_batch *batch;
	u32 i;
	int err;

	if (!dir_emit_dots(file, ctx))
		return 0;
	batch = kmalloc(sizeof(*batch), GFP_KERNEL);
	if (!batch)
		return -ENOMEM;
	for (;;) {
		err = sffs_dir_fill(dir, ctx->pos, batch);
		if (err || !batch->count)
			break;
		for (i = 0; i < batch->count; i++) {
			ctx->pos = batch->entry[i].key;
			if (!dir_emit(ctx, batch->names + batch->entry[i].name,
				      batch->entry[i].len, batch->entry[i].ino,
				      batch->entry[i].type))
				goto out;
			ctx->pos++;
		}
	}
out:
	kfree(batch);
	return err;
}

static loff_t sffs_dir_llseek(struct file *file, loff_t offset, int whence)
{
	return generic_file_llseek_size(file, offset, whence, S64_MAX, S64_MAX);
}

/* All of a directory is what its data is for fdatasync(). */
static int sffs_dir_fsync(struct file *file, loff_t start, loff_t end, int datasync)
{
	return sffs_sync_inode(file_inode(file), false);
}

const struct file_operations sffs_dir_fops = {
	.llseek		= sffs_dir_llseek,
	.read		= generic_read_dir,
	.iterate_shared	= sffs_readdir,
	.fsync		= sffs_dir_fsync,
	.flock		= sffs_flock,
	.unlocked_ioctl	= sffs_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
};
