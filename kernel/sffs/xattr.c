// SPDX-License-Identifier: GPL-2.0-only
/*
 * Extended attributes: packed entries in the inode, then in a chain of blocks;
 * values over 1 KiB in a chain of their own. xattr_sem covers all of it; the
 * inode's cluster lock is held, exclusively to change something.
 */
#include <linux/fs.h>
#include <linux/posix_acl_xattr.h>
#include <linux/security.h>
#include <linux/xattr.h>

#include "sffs.h"

#define SFFS_XATTR_CHAIN	64U	/* entry blocks of one inode */
#define SFFS_VALUE_BLOCKS	DIV_ROUND_UP(SFFS_XATTR_VALUE_MAX, SFFS_XVALUE_BYTES)

static const char * const sffs_xattr_prefixes[] = {
	[SFFS_XATTR_USER] = XATTR_USER_PREFIX,
	[SFFS_XATTR_TRUSTED] = XATTR_TRUSTED_PREFIX,
	[SFFS_XATTR_SECURITY] = XATTR_SECURITY_PREFIX,
	[SFFS_XATTR_ACL_ACCESS] = XATTR_NAME_POSIX_ACL_ACCESS,
	[SFFS_XATTR_ACL_DEFAULT] = XATTR_NAME_POSIX_ACL_DEFAULT,
};

/* One area of packed entries: the inode's, or a block's. */
struct sffs_xattr_area {
	struct buffer_head *bh;		/* NULL: the inode's */
	char *base;
	u32 size;
	u64 next;			/* block of the next area, 0: none */
};

struct sffs_xattr_place {
	struct sffs_xattr_area area;
	struct sffs_xattr_entry *entry;
};

static u32 sffs_xattr_inline_size(const struct sffs_xattr_entry *e)
{
	return e->value_block ? 0 : le32_to_cpu(e->value_size);
}

static u32 sffs_xattr_entry_size(u32 name_len, u32 value_size)
{
	return round_up(SFFS_XATTR_ENTRY_HEAD + name_len + value_size, 8);
}

/* The entry at @off, or NULL at the end; -EFSCORRUPTED as an error pointer. */
static struct sffs_xattr_entry *sffs_xattr_at(struct inode *inode,
					      const struct sffs_xattr_area *area, u32 off,
					      u32 *size)
{
	struct sffs_xattr_entry *e = (void *)area->base + off;

	if (off + SFFS_XATTR_ENTRY_HEAD > area->size || !e->name_index)
		return NULL;
	*size = sffs_xattr_entry_size(e->name_len, sffs_xattr_inline_size(e));
	if (e->name_index < ARRAY_SIZE(sffs_xattr_prefixes) &&
	    le32_to_cpu(e->value_size) <= SFFS_XATTR_VALUE_MAX && *size <= area->size - off)
		return e;
	sffs_damage(inode->i_sb, (area->bh ?: SFFS_I(inode)->bh)->b_blocknr,
		    "impossible extended attributes of inode %lu", inode->i_ino);
	return ERR_PTR(-EFSCORRUPTED);
}

static void sffs_xattr_first(struct inode *inode, struct sffs_xattr_area *area)
{
	area->bh = NULL;
	area->base = (char *)sffs_raw(inode)->xattr;
	area->size = SFFS_INODE_XATTR;
	area->next = SFFS_I(inode)->xattr_block;
}

static void sffs_xattr_put(struct sffs_xattr_area *area)
{
	brelse(area->bh);
	area->bh = NULL;
}

/* Go to the next area: 0, -ENODATA if there is none, or an error. Puts the old one. */
static int sffs_xattr_next(struct inode *inode, struct sffs_xattr_area *area)
{
	u64 block = area->next;
	struct buffer_head *bh;

	sffs_xattr_put(area);
	if (!block)
		return -ENODATA;
	bh = sffs_read_meta(&SFFS_I(inode)->lock, block, SFFS_MAGIC_XATTR,
			    inode->i_generation);
	if (IS_ERR(bh))
		return PTR_ERR(bh);
	area->bh = bh;
	area->base = ((struct sffs_xattr_block *)bh->b_data)->entries;
	area->size = sizeof(((struct sffs_xattr_block *)bh->b_data)->entries);
	area->next = le64_to_cpu(((struct sffs_xattr_block *)bh->b_data)->next);
	return 0;
}

/* Find a name: 0, -ENODATA, or an error. On success the area is to be put. */
static int sffs_xattr_find(struct inode *inode, int index, const char *name, size_t len,
			   struct sffs_xattr_place *place)
{
	unsigned int n = 0;
	int err = 0;

	sffs_xattr_first(inode, &place->area);
	while (!err) {
		struct sffs_xattr_entry *e;
		u32 off = 0, size;

		while ((e = sffs_xattr_at(inode, &place->area, off, &size))) {
			if (IS_ERR(e)) {
				sffs_xattr_put(&place->area);
				return PTR_ERR(e);
			}
			if (e->name_index == index && e->name_len == len &&
			    !memcmp(e->name, name, len)) {
				place->entry = e;
				return 0;
			}
			off += size;
		}
		if (++n > SFFS_XATTR_CHAIN) {
			sffs_xattr_put(&place->area);
			return -EFSCORRUPTED;
		}
		err = sffs_xattr_next(inode, &place->area);
	}
	return err;
}

/* ---- Reading ---- */

static int sffs_xattr_read_chain(struct inode *inode, const struct sffs_xattr_entry *e, char *buf)
{
	u64 block = le64_to_cpu(e->value_block);
	u32 left = le32_to_cpu(e->value_size);

	while (left) {
		struct sffs_xvalue_block *vb;
		struct buffer_head *bh;
		u32 n;

		bh = sffs_read_meta(&SFFS_I(inode)->lock, block, SFFS_MAGIC_XVALUE,
				    inode->i_generation);
		if (IS_ERR(bh))
			return PTR_ERR(bh);
		vb = (struct sffs_xvalue_block *)bh->b_data;
		n = le32_to_cpu(vb->size);
		if (!n || n > SFFS_XVALUE_BYTES || n > left) {
			sffs_damage(inode->i_sb, block, "impossible attribute value");
			brelse(bh);
			return -EFSCORRUPTED;
		}
		memcpy(buf, vb->data, n);
		buf += n;
		left -= n;
		block = le64_to_cpu(vb->next);
		brelse(bh);
	}
	return 0;
}

/**
 * sffs_xattr_get() - read an attribute
 * @inode: the inode
 * @index: SFFS_XATTR_*
 * @name: what follows the prefix
 * @buf: where to, or NULL to ask for the size
 * @size: of @buf
 *
 * Return: size of the value, -ENODATA, -ERANGE, or an error.
 */
int sffs_xattr_get(struct inode *inode, int index, const char *name, void *buf, size_t size)
{
	struct sffs_inode_info *si = SFFS_I(inode);
	struct sffs_xattr_place place;
	int err;

	err = sffs_lock(&si->lock, SFFS_LOCK_SHARED);
	if (err)
		return err;
	down_read(&si->xattr_sem);
	err = sffs_xattr_find(inode, index, name, strlen(name), &place);
	if (err)
		goto unlock;
	err = le32_to_cpu(place.entry->value_size);
	if (buf && err > size) {
		err = -ERANGE;
	} else if (buf && place.entry->value_block) {
		int err2 = sffs_xattr_read_chain(inode, place.entry, buf);

		err = err2 ?: err;
	} else if (buf) {
		memcpy(buf, place.entry->name + place.entry->name_len, err);
	}
	sffs_xattr_put(&place.area);
unlock:
	up_read(&si->xattr_sem);
	sffs_unlock(&si->lock, SFFS_LOCK_SHARED);
	return err;
}

static bool sffs_xattr_visible(const struct sffs_xattr_entry *e)
{
	return e->name_index != SFFS_XATTR_TRUSTED || capable(CAP_SYS_ADMIN);
}

static ssize_t sffs_xattr_list_area(struct inode *inode, struct sffs_xattr_area *area, char *buf,
				    size_t room)
{
	struct sffs_xattr_entry *e;
	ssize_t total = 0;
	u32 off = 0, size;

	for (; (e = sffs_xattr_at(inode, area, off, &size)); off += size) {
		const char *prefix;
		size_t len;

		if (IS_ERR(e))
			return PTR_ERR(e);
		if (!sffs_xattr_visible(e))
			continue;
		prefix = sffs_xattr_prefixes[e->name_index];
		len = strlen(prefix) + e->name_len + 1;
		if (buf) {
			if (len > room - total)
				return -ERANGE;
			memcpy(buf + total, prefix, strlen(prefix));
			memcpy(buf + total + strlen(prefix), e->name, e->name_len);
			buf[total + len - 1] = '\0';
		}
		total += len;
	}
	return total;
}

ssize_t sffs_listxattr(struct dentry *dentry, char *buf, size_t size)
{
	struct inode *inode = d_inode(dentry);
	struct sffs_inode_info *si = SFFS_I(inode);
	struct sffs_xattr_area area;
	unsigned int n = 0;
	ssize_t total = 0;
	int err;

	err = sffs_lock(&si->lock, SFFS_LOCK_SHARED);
	if (err)
		return err;
	down_read(&si->xattr_sem);
	sffs_xattr_first(inode, &area);
	while (!err && n++ <= SFFS_XATTR_CHAIN) {
		ssize_t len = sffs_xattr_list_area(inode, &area, buf ? buf + total : NULL,
						   size - total);

		if (len < 0) {
			sffs_xattr_put(&area);
			err = len;
			break;
		}
		total += len;
		err = sffs_xattr_next(inode, &area);
	}
	sffs_xattr_put(&area);
	up_read(&si->xattr_sem);
	sffs_unlock(&si->lock, SFFS_LOCK_SHARED);
	return err && err != -ENODATA ? err : total;
}

/* ---- Changing, in a running transaction and under xattr_sem ---- */

static int sffs_xattr_access(struct sffs_tx *tx, struct inode *inode, struct sffs_xattr_area *area)
{
	return sffs_tx_access(tx, area->bh ?: SFFS_I(inode)->bh);
}

static void sffs_xattr_dirty(struct sffs_tx *tx, struct inode *inode, struct sffs_xattr_area *area)
{
	sffs_tx_dirty(tx, area->bh ?: SFFS_I(inode)->bh);
}

/* Walk a value chain: with @tx free it, with @plan add its groups. */
static int sffs_xattr_walk_chain(struct inode *inode, u64 block, struct sffs_tx *plan,
				 struct sffs_tx *tx)
{
	unsigned int n;
	int err = 0;

	for (n = 0; block && !err; n++) {
		struct buffer_head *bh;
		u64 next;

		if (n == SFFS_VALUE_BLOCKS)
			return -EFSCORRUPTED;
		bh = sffs_read_meta(&SFFS_I(inode)->lock, block, SFFS_MAGIC_XVALUE,
				    inode->i_generation);
		if (IS_ERR(bh))
			return PTR_ERR(bh);
		next = le64_to_cpu(((struct sffs_xvalue_block *)bh->b_data)->next);
		brelse(bh);
		if (plan)
			err = sffs_tx_add_group(plan, block);
		if (tx)
			err = sffs_free(tx, block, 1, true);
		if (tx && !err)
			sffs_add_blocks(inode, -1);
		block = next;
	}
	return err;
}

/* Remove an entry and close the gap. */
static int sffs_xattr_cut(struct sffs_tx *tx, struct inode *inode, struct sffs_xattr_place *place)
{
	struct sffs_xattr_entry *e = place->entry;
	u32 off = (char *)e - place->area.base;
	u32 size = sffs_xattr_entry_size(e->name_len, sffs_xattr_inline_size(e));
	u64 chain = le64_to_cpu(e->value_block);
	int err;

	err = sffs_xattr_access(tx, inode, &place->area);
	if (err)
		return err;
	memmove(e, (char *)e + size, place->area.size - off - size);
	memset(place->area.base + place->area.size - size, 0, size);
	sffs_xattr_dirty(tx, inode, &place->area);
	return sffs_xattr_walk_chain(inode, chain, NULL, tx);
}

static int sffs_xattr_write_chain(struct sffs_tx *tx, struct inode *inode, const char *value,
				  size_t size, __le64 *first)
{
	size_t at = (size - 1) / SFFS_XVALUE_BYTES * SFFS_XVALUE_BYTES;
	__le64 next = 0;

	/* From the last block to the first: each names the one behind it. */
	for (;;) {
		struct sffs_xvalue_block *vb;
		struct buffer_head *bh;
		u64 block;
		int err = sffs_alloc_meta(tx, SFFS_I(inode)->bh->b_blocknr, &block);

		if (err)
			return err;
		bh = sffs_tx_create(tx, &SFFS_I(inode)->lock, block, SFFS_MAGIC_XVALUE,
				    inode->i_generation);
		if (IS_ERR(bh))
			return PTR_ERR(bh);
		sffs_add_blocks(inode, 1);
		vb = (struct sffs_xvalue_block *)bh->b_data;
		vb->next = next;
		vb->size = cpu_to_le32(min_t(size_t, size - at, SFFS_XVALUE_BYTES));
		memcpy(vb->data, value + at, min_t(size_t, size - at, SFFS_XVALUE_BYTES));
		sffs_tx_dirty(tx, bh);
		brelse(bh);
		next = cpu_to_le64(block);
		if (!at)
			break;
		at -= SFFS_XVALUE_BYTES;
	}
	*first = next;
	return 0;
}

/* Bytes that the entries of an area take, or an error. */
static int sffs_xattr_used(struct inode *inode, struct sffs_xattr_area *area)
{
	struct sffs_xattr_entry *e;
	u32 off = 0, size;

	for (; (e = sffs_xattr_at(inode, area, off, &size)); off += size)
		if (IS_ERR(e))
			return PTR_ERR(e);
	return off;
}

/* A new entry block, at the head of the chain. */
static int sffs_xattr_new_area(struct sffs_tx *tx, struct inode *inode,
			       struct sffs_xattr_area *area)
{
	struct sffs_inode_info *si = SFFS_I(inode);
	struct sffs_xattr_block *xb;
	u64 block;
	int err = sffs_alloc_meta(tx, si->bh->b_blocknr, &block);

	if (err)
		return err;
	area->bh = sffs_tx_create(tx, &SFFS_I(inode)->lock, block, SFFS_MAGIC_XATTR,
				  inode->i_generation);
	if (IS_ERR(area->bh)) {
		err = PTR_ERR(area->bh);
		area->bh = NULL;
		return err;
	}
	sffs_add_blocks(inode, 1);
	xb = (struct sffs_xattr_block *)area->bh->b_data;
	xb->next = cpu_to_le64(si->xattr_block);
	si->xattr_block = block;
	area->base = xb->entries;
	area->size = sizeof(xb->entries);
	area->next = le64_to_cpu(xb->next);
	return 0;
}

/* Find an area with room for @size bytes, or make one; @off is where they go. */
static int sffs_xattr_room(struct sffs_tx *tx, struct inode *inode, u32 size,
			   struct sffs_xattr_area *area, u32 *off)
{
	unsigned int n = 0;
	int used, err = 0;

	sffs_xattr_first(inode, area);
	while (!err) {
		used = sffs_xattr_used(inode, area);
		if (used < 0) {
			sffs_xattr_put(area);
			return used;
		}
		if (size <= area->size - used) {
			*off = used;
			return 0;
		}
		if (++n > SFFS_XATTR_CHAIN) {
			sffs_xattr_put(area);
			return -ENOSPC;
		}
		err = sffs_xattr_next(inode, area);
	}
	if (err != -ENODATA)
		return err;
	*off = 0;
	return n >= SFFS_XATTR_CHAIN ? -ENOSPC : sffs_xattr_new_area(tx, inode, area);
}

static int sffs_xattr_add(struct sffs_tx *tx, struct inode *inode, int index, const char *name,
			  const void *value, size_t size)
{
	bool outside = size > SFFS_XATTR_VALUE_INLINE;
	u32 len = strlen(name), need = sffs_xattr_entry_size(len, outside ? 0 : size), off;
	struct sffs_xattr_entry *e;
	struct sffs_xattr_area area;
	__le64 chain = 0;
	int err = 0;

	if (outside)
		err = sffs_xattr_write_chain(tx, inode, value, size, &chain);
	if (!err)
		err = sffs_xattr_room(tx, inode, need, &area, &off);
	if (err)
		return err;
	err = sffs_xattr_access(tx, inode, &area);
	if (!err) {
		e = (struct sffs_xattr_entry *)(area.base + off);
		e->name_index = index;
		e->name_len = len;
		e->value_size = cpu_to_le32(size);
		e->value_block = chain;
		memcpy(e->name, name, len);
		if (!outside)
			memcpy(e->name + len, value, size);
		sffs_xattr_dirty(tx, inode, &area);
	}
	sffs_xattr_put(&area);
	return err;
}

static int sffs_xattr_replace(struct sffs_tx *tx, struct inode *inode, int index,
			      const char *name, const void *value, size_t size)
{
	struct sffs_xattr_place place;
	int err = sffs_xattr_find(inode, index, name, strlen(name), &place);

	if (!err) {
		err = sffs_xattr_cut(tx, inode, &place);
		sffs_xattr_put(&place.area);
	} else if (err == -ENODATA) {
		err = 0;
	}
	if (!err && value)
		err = sffs_xattr_add(tx, inode, index, name, value, size);
	inode_set_ctime_current(inode);
	return err ?: sffs_store_inode(tx, inode);
}

/*
 * Will an entry of @need bytes find an area once @old has gone? Asked before anything
 * changes: a value that is too much leaves the old one as it was.
 */
static int sffs_xattr_check_room(struct inode *inode, u32 need, const struct sffs_xattr_entry *old)
{
	u32 gone = old ? sffs_xattr_entry_size(old->name_len, sffs_xattr_inline_size(old)) : 0;
	struct sffs_xattr_area area;
	unsigned int n = 0;
	int err = 0;

	sffs_xattr_first(inode, &area);
	while (!err && n++ <= SFFS_XATTR_CHAIN) {
		int used = sffs_xattr_used(inode, &area);

		if (used >= 0 && old && (char *)old >= area.base &&
		    (char *)old < area.base + area.size)
			used -= gone;
		if (used < 0 || need <= area.size - used) {
			sffs_xattr_put(&area);
			return min(used, 0);
		}
		err = sffs_xattr_next(inode, &area);
	}
	sffs_xattr_put(&area);
	if (err && err != -ENODATA)
		return err;
	return n < SFFS_XATTR_CHAIN ? 0 : -ENOSPC;
}

/* What a change needs: room for the new value, and the groups of the old one. */
static int sffs_xattr_plan(struct sffs_tx *tx, struct inode *inode, int index, const char *name,
			   const void *value, size_t size, int flags)
{
	struct sffs_xattr_place place;
	u32 blocks = 1 + DIV_ROUND_UP(size, SFFS_XVALUE_BYTES);
	u32 need = sffs_xattr_entry_size(strlen(name),
					 size > SFFS_XATTR_VALUE_INLINE ? 0 : size);
	int err = sffs_xattr_find(inode, index, name, strlen(name), &place);

	if (!err) {
		u64 chain = le64_to_cpu(place.entry->value_block);

		if (flags & XATTR_CREATE)
			err = -EEXIST;
		if (!err && value)
			err = sffs_xattr_check_room(inode, need, place.entry);
		sffs_xattr_put(&place.area);
		if (!err)
			err = sffs_xattr_walk_chain(inode, chain, tx, NULL);
	} else if (err == -ENODATA && ((flags & XATTR_REPLACE) || !value)) {
		return -ENODATA;
	} else if (err == -ENODATA) {
		err = sffs_xattr_check_room(inode, need, NULL);
	}
	if (!err && size > SFFS_XATTR_VALUE_INLINE) {
		s64 have = sffs_quota_want(inode, blocks - 1);

		err = have < blocks - 1 ? -EDQUOT : 0;
	}
	if (!err && value)
		err = sffs_tx_reserve(tx, SFFS_I(inode)->bh->b_blocknr, blocks);
	return err;
}

/* An attribute, and the mode unless that is 0, in one transaction; i_rwsem is held. */
static int sffs_xattr_change(struct inode *inode, int index, const char *name, const void *value,
			     size_t size, int flags, umode_t mode)
{
	struct sffs_inode_info *si = SFFS_I(inode);
	struct sffs_tx tx;
	umode_t old_mode;
	int err, err2;

	if (strlen(name) > SFFS_NAME_MAX || size > SFFS_XATTR_VALUE_MAX)
		return -ERANGE;
	err = sffs_lock(&si->lock, SFFS_LOCK_EXCLUSIVE);
	if (err)
		return err;
	old_mode = inode->i_mode;
	mode = mode ?: old_mode;
	/* i_rwsem excludes other changes, so what is planned here stays true. */
	sffs_tx_init(&tx, inode->i_sb);
	err = sffs_xattr_plan(&tx, inode, index, name, value, size, flags);
	if (err == -ENODATA && mode != old_mode)
		err = 0;
	if (err) {
		sffs_tx_cancel(&tx);
		goto unlock;
	}
	err = sffs_tx_start(&tx, 2 * SFFS_VALUE_BLOCKS + 12);
	if (err)
		goto unlock;
	inode->i_mode = mode;
	down_write(&si->xattr_sem);
	err = sffs_xattr_replace(&tx, inode, index, name, value, size);
	up_write(&si->xattr_sem);
	if (err)
		inode->i_mode = old_mode;
	err2 = sffs_tx_stop(&tx);
	err = err ?: err2;
unlock:
	sffs_unlock(&si->lock, SFFS_LOCK_EXCLUSIVE);
	return err;
}

/**
 * sffs_xattr_set() - set, change or remove an attribute
 * @inode: the inode; i_rwsem is held exclusively
 * @index: SFFS_XATTR_*
 * @name: what follows the prefix
 * @value: the value, NULL to remove
 * @size: of @value, at most SFFS_XATTR_VALUE_MAX
 * @flags: XATTR_CREATE, XATTR_REPLACE
 *
 * Return: 0 or an error.
 */
int sffs_xattr_set(struct inode *inode, int index, const char *name, const void *value,
		   size_t size, int flags)
{
	return sffs_xattr_change(inode, index, name, value, size, flags, 0);
}

/**
 * sffs_xattr_set_acl() - set or remove an ACL together with the mode that it means
 * @inode: the inode; i_rwsem is held exclusively
 * @index: SFFS_XATTR_ACL_ACCESS or SFFS_XATTR_ACL_DEFAULT
 * @value: the ACL in its attribute's form, NULL for none
 * @size: of @value
 * @mode: what i_mode becomes; a crash leaves both or neither
 *
 * Return: 0 or an error; none if there is no ACL to remove.
 */
int sffs_xattr_set_acl(struct inode *inode, int index, const void *value, size_t size,
		       umode_t mode)
{
	int err = sffs_xattr_change(inode, index, "", value, size, 0, mode);

	return err == -ENODATA && !value ? 0 : err;
}

/* For an inode that nobody knows yet, in the transaction that makes it. */
int sffs_xattr_set_new(struct sffs_tx *tx, struct inode *inode, int index, const char *name,
		       const void *value, size_t size)
{
	return sffs_xattr_add(tx, inode, index, name, value, size);
}

/* ---- The end of an inode ---- */

/* Free one entry block and the values that it names, or only the inode's values. */
static int sffs_xattr_free_area(struct inode *inode, struct sffs_xattr_area *area,
				struct sffs_xattr_entry *e)
{
	struct sffs_tx tx;
	u64 chain = e ? le64_to_cpu(e->value_block) : 0;
	int err, err2;

	sffs_tx_init(&tx, inode->i_sb);
	tx.urgent = true;
	err = e ? sffs_xattr_walk_chain(inode, chain, &tx, NULL) :
		  sffs_tx_add_group(&tx, area->bh->b_blocknr);
	if (err) {
		sffs_tx_cancel(&tx);
		return err;
	}
	err = sffs_tx_start(&tx, 2 * SFFS_VALUE_BLOCKS + 8);
	if (err)
		return err;
	if (e) {
		err = sffs_xattr_walk_chain(inode, chain, NULL, &tx) ?:
		      sffs_xattr_access(&tx, inode, area);
		if (!err) {
			e->value_block = 0;
			e->value_size = 0;
			sffs_xattr_dirty(&tx, inode, area);
		}
	} else {
		SFFS_I(inode)->xattr_block = area->next;
		err = sffs_free(&tx, area->bh->b_blocknr, 1, true);
		sffs_add_blocks(inode, -1);
	}
	if (!err)
		err = sffs_store_inode(&tx, inode);
	err2 = sffs_tx_stop(&tx);
	return err ?: err2;
}

/* The first entry of an area with a chain of its own, or NULL. */
static struct sffs_xattr_entry *sffs_xattr_with_chain(struct inode *inode,
						      struct sffs_xattr_area *area)
{
	struct sffs_xattr_entry *e;
	u32 off = 0, size;

	for (; (e = sffs_xattr_at(inode, area, off, &size)); off += size)
		if (IS_ERR(e) || e->value_block)
			break;
	return e;
}

/**
 * sffs_xattr_free_all() - give back all blocks of an inode's attributes
 * @inode: an inode that is going away
 *
 * Context: starts transactions; a crash between them leaves a smaller whole.
 */
int sffs_xattr_free_all(struct inode *inode)
{
	struct sffs_xattr_area area;
	int err = 0;

	for (;;) {
		struct sffs_xattr_entry *e;

		sffs_xattr_first(inode, &area);
		e = sffs_xattr_with_chain(inode, &area);
		if (!e && !area.next)
			return 0;
		if (!e) {
			err = sffs_xattr_next(inode, &area);
			if (err)
				return err;
			e = sffs_xattr_with_chain(inode, &area);
		}
		err = IS_ERR(e) ? PTR_ERR(e) : sffs_xattr_free_area(inode, &area, e);
		sffs_xattr_put(&area);
		if (err)
			return err;
	}
}

/* ---- Handlers ---- */

static int sffs_handler_get(const struct xattr_handler *handler, struct dentry *dentry,
			    struct inode *inode, const char *name, void *buf, size_t size)
{
	return sffs_xattr_get(inode, handler->flags, name, buf, size);
}

static int sffs_handler_set(const struct xattr_handler *handler, struct mnt_idmap *idmap,
			    struct dentry *dentry, struct inode *inode, const char *name,
			    const void *value, size_t size, int flags)
{
	return sffs_xattr_set(inode, handler->flags, name, value, size, flags);
}

static bool sffs_trusted_list(struct dentry *dentry)
{
	return capable(CAP_SYS_ADMIN);
}

static const struct xattr_handler sffs_user_handler = {
	.prefix	= XATTR_USER_PREFIX,
	.flags	= SFFS_XATTR_USER,
	.get	= sffs_handler_get,
	.set	= sffs_handler_set,
};

static const struct xattr_handler sffs_trusted_handler = {
	.prefix	= XATTR_TRUSTED_PREFIX,
	.flags	= SFFS_XATTR_TRUSTED,
	.list	= sffs_trusted_list,
	.get	= sffs_handler_get,
	.set	= sffs_handler_set,
};

static const struct xattr_handler sffs_security_handler = {
	.prefix	= XATTR_SECURITY_PREFIX,
	.flags	= SFFS_XATTR_SECURITY,
	.get	= sffs_handler_get,
	.set	= sffs_handler_set,
};

ASV_XATTR_TABLE sffs_xattr_handlers[] = {
	&sffs_user_handler,
	&sffs_trusted_handler,
	&sffs_security_handler,
	ASV_ACL_HANDLERS
	NULL
};
