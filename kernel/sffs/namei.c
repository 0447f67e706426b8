// SPDX-License-Identifier: GPL-2.0-only
/*
 * Names: lookup, and everything that makes, removes or moves one. The VFS holds
 * i_rwsem of the directories; here come the cluster locks (directories first),
 * then one transaction that has all of the change.
 */
#include <linux/fs.h>
#include <linux/iversion.h>
#include <linux/namei.h>
#include <linux/posix_acl.h>
#include <linux/security.h>
#include <linux/xattr.h>

#include "sffs.h"

/* One name and its leaf, the directory, an inode, its chunk and group, orphan table. */
#define SFFS_NAME_CREDITS	(SFFS_TREE_CREDITS + 12)

static u8 sffs_dt(umode_t mode)
{
	return fs_umode_to_dtype(mode);
}

static void sffs_touch_dir(struct inode *dir)
{
	inode_set_mtime_to_ts(dir, inode_set_ctime_current(dir));
	inode_inc_iversion(dir);
}

/* On a damaged disk an inode may have more names than its count says. */
static int sffs_check_links(struct inode *inode)
{
	if (likely(inode->i_nlink))
		return 0;
	sffs_damage(inode->i_sb, SFFS_I(inode)->bh->b_blocknr, "inode %lu has a name and no links",
		    inode->i_ino);
	return -EFSCORRUPTED;
}

static struct dentry *sffs_lookup(struct inode *dir, struct dentry *dentry, unsigned int flags)
{
	struct inode *inode = NULL;
	struct dentry *other;
	u64 ino;
	int err;

	if (dentry->d_name.len > SFFS_NAME_MAX)
		return ERR_PTR(-ENAMETOOLONG);
	err = sffs_lock(&SFFS_I(dir)->lock, SFFS_LOCK_SHARED);
	if (err)
		return ERR_PTR(err);
	err = sffs_dir_find(dir, &dentry->d_name, &ino, NULL);
	if (!err) {
		inode = sffs_iget(dir->i_sb, ino);
		if (IS_ERR(inode) && PTR_ERR(inode) == -ESTALE) {
			sffs_damage(dir->i_sb, SFFS_I(dir)->bh->b_blocknr,
				    "a name of inode %llu, which is none", ino);
			inode = ERR_PTR(-EFSCORRUPTED);
		}
	} else if (err != -ENOENT) {
		inode = ERR_PTR(err);
	}
	if (!IS_ERR_OR_NULL(inode)) {
		err = sffs_check_links(inode);
		if (err) {
			iput(inode);
			inode = ERR_PTR(err);
		}
	}
	sffs_dentry_true(dentry, dir);
	other = d_splice_alias(inode, dentry);
	if (!IS_ERR_OR_NULL(other))
		sffs_dentry_true(other, dir);
	sffs_unlock(&SFFS_I(dir)->lock, SFFS_LOCK_SHARED);
	return other;
}

/* ---- Making ---- */

struct sffs_make {
	struct mnt_idmap *idmap;
	struct inode *dir;
	struct dentry *dentry;		/* NULL: no name (O_TMPFILE) */
	umode_t mode;
	dev_t rdev;
	const char *target;		/* of a symlink */
	struct posix_acl *acl, *default_acl;
	struct sffs_tx tx;
};

static int sffs_make_xattrs(struct inode *inode, const struct xattr *xattr, void *data)
{
	int err = 0;

	for (; !err && xattr->name; xattr++)
		err = sffs_xattr_set_new(data, inode, SFFS_XATTR_SECURITY, xattr->name,
					 xattr->value, xattr->value_len);
	return err;
}

/* A target that does not fit into the inode goes to a block, on disk before the commit. */
static int sffs_put_long_target(struct sffs_make *mk, struct inode *inode, size_t len)
{
	struct sffs_sb_info *sbi = SFFS_SB(inode->i_sb);
	void *buf = (void *)get_zeroed_page(GFP_NOFS);
	u32 count;
	u64 block;
	int err;

	if (!buf)
		return -ENOMEM;
	memcpy(buf, mk->target, len);
	err = sffs_alloc(&mk->tx, SFFS_I(inode)->bh->b_blocknr, 1, 1, &block, &count);
	if (!err)
		err = sffs_gate_io(sbi->gate, block, buf, 1, REQ_OP_WRITE | REQ_SYNC);
	if (!err) {
		sffs_add_blocks(inode, 1);
		down_write(&SFFS_I(inode)->tree_sem);
		err = sffs_map_insert_written(&mk->tx, inode, 0, block, 1);
		up_write(&SFFS_I(inode)->tree_sem);
	}
	free_page((unsigned long)buf);
	return err;
}

static int sffs_put_target(struct sffs_make *mk, struct inode *inode)
{
	size_t len = strlen(mk->target);

	i_size_write(inode, len);
	if (len > SFFS_INODE_AREA)
		return sffs_put_long_target(mk, inode, len);
	memcpy(sffs_raw(inode)->area, mk->target, len);
	SFFS_I(inode)->format = SFFS_FMT_INLINE;
	return 0;
}

static int sffs_fill_inode(struct sffs_make *mk, struct inode *inode)
{
	int err = 0;

	if (mk->target)
		err = sffs_put_target(mk, inode);
	if (!err && mk->default_acl)
		err = sffs_init_acl(&mk->tx, inode, mk->default_acl, ACL_TYPE_DEFAULT);
	if (!err && mk->acl)
		err = sffs_init_acl(&mk->tx, inode, mk->acl, ACL_TYPE_ACCESS);
	if (!err) {
		err = security_inode_init_security(inode, mk->dir,
						   mk->dentry ? &mk->dentry->d_name : NULL,
						   sffs_make_xattrs, &mk->tx);
		if (err == -EOPNOTSUPP)
			err = 0;
	}
	return err;
}

static int sffs_name_inode(struct sffs_make *mk, struct inode *inode)
{
	int err;

	if (!mk->dentry)
		return sffs_orphan_add(&mk->tx, inode);
	err = sffs_dir_add(&mk->tx, mk->dir, &mk->dentry->d_name, inode->i_ino,
			   sffs_dt(inode->i_mode));
	if (err)
		return err;
	if (S_ISDIR(inode->i_mode))
		inc_nlink(mk->dir);
	sffs_touch_dir(mk->dir);
	return sffs_store_inode(&mk->tx, mk->dir);
}

/* An inode that was made gets no name: it is to be discarded once the handle is closed. */
static void sffs_unmake(struct sffs_tx *tx, struct inode *inode)
{
	clear_nlink(inode);
	if (sffs_orphan_add(tx, inode) ?: sffs_store_inode(tx, inode))
		make_bad_inode(inode);
}

/*
 * In the running transaction. When an inode was made before something failed, it
 * goes to the orphan table and *result is set all the same: the caller discards
 * it once the handle is closed.
 */
static int sffs_make_started(struct sffs_make *mk, struct inode **result)
{
	struct inode *inode;
	int err;

	err = sffs_new_inode(&mk->tx, mk->idmap, mk->dir, mk->mode, mk->rdev, &inode);
	if (err)
		return err;
	*result = inode;
	err = sffs_fill_inode(mk, inode);
	if (!err)
		err = sffs_name_inode(mk, inode);
	if (!err && !mk->dentry)
		clear_nlink(inode);
	if (!err)
		err = sffs_store_inode(&mk->tx, inode);
	if (err)
		sffs_unmake(&mk->tx, inode);
	return err;
}

/*
 * May the owners that a new inode will have own one more, as inode_init_owner() has them, and
 * its blocks?
 */
static int sffs_may_make(struct mnt_idmap *idmap, struct inode *parent, s64 blocks)
{
	struct user_namespace *ns = parent->i_sb->s_user_ns;
	struct sffs_inode_info *dir = SFFS_I(parent);
	kgid_t gid = parent->i_mode & S_ISGID ? parent->i_gid : mapped_fsgid(idmap, ns);
	u32 ids[] = {
		from_kuid(ns, mapped_fsuid(idmap, ns)),
		from_kgid(ns, gid),
		dir->flags & SFFS_INODE_PROJINHERIT ? dir->project : 0,
	};

	return sffs_quota_check(parent->i_sb, ids, &blocks, 1);
}

/* And may the directory become larger? */
static int sffs_make_quota(struct sffs_make *mk)
{
	/* A long target has a block. */
	int err = sffs_may_make(mk->idmap, mk->dir,
				mk->target && strlen(mk->target) > SFFS_INODE_AREA);

	return err || !mk->dentry ? err : sffs_dir_may_add(mk->dir, &mk->dentry->d_name);
}

/*
 * One try; -EAGAIN: with another number, when the lock of this one has been waited for, or
 * when another host has taken what was planned.
 */
static int sffs_make_once(struct sffs_make *mk, struct inode **result)
{
	int err, err2;

	*result = NULL;
	sffs_tx_init(&mk->tx, mk->dir->i_sb);
	err = sffs_plan_inode(&mk->tx, mk->dir, mk->mode);
	if (!err)
		err = sffs_tx_reserve(&mk->tx, SFFS_I(mk->dir)->bh->b_blocknr,
				      2 * SFFS_TREE_BLOCKS + SFFS_XATTR_NEW_BLOCKS);
	if (err) {
		sffs_tx_cancel(&mk->tx);
		return err;
	}
	err = sffs_tx_start(&mk->tx, SFFS_NAME_CREDITS + SFFS_XATTR_NEW_BLOCKS);
	if (err)
		return err;
	err = sffs_make_started(mk, result);
	err2 = sffs_tx_stop(&mk->tx);
	err = err ?: err2;
	if (*result)
		sffs_unlock(&SFFS_I(*result)->lock, SFFS_LOCK_EXCLUSIVE);
	if (err && *result)
		discard_new_inode(*result);
	return err;
}

static int sffs_make_inode(struct sffs_make *mk, struct inode **result)
{
	struct sffs_resource *held = NULL;
	int err;

	*result = NULL;
	err = sffs_make_quota(mk);
	if (err)
		return err;
	err = posix_acl_create(mk->dir, &mk->mode, &mk->default_acl, &mk->acl);
	if (err)
		return err;
	err = sffs_orphan_room(mk->dir->i_sb);
	if (err)
		goto acl;
	do {
		mk->tx.wanted = NULL;
		err = sffs_make_once(mk, result);
		/* Before another is waited for, which who wants this one may have. */
		sffs_lock_end_wanted(held);
		held = NULL;
		if (mk->tx.wanted)
			err = sffs_lock_wanted(&mk->tx, err, &held);
	} while (err == -EAGAIN);
acl:
	posix_acl_release(mk->acl);
	posix_acl_release(mk->default_acl);
	return err;
}

/* Make something with a name; the directory's cluster lock is taken here. */
static int sffs_make(struct mnt_idmap *idmap, struct inode *dir, struct dentry *dentry,
		     umode_t mode, dev_t rdev, const char *target)
{
	struct sffs_make mk = {
		.idmap = idmap, .dir = dir, .dentry = dentry, .mode = mode, .rdev = rdev,
		.target = target,
	};
	struct inode *inode;
	int err;

	err = sffs_lock(&SFFS_I(dir)->lock, SFFS_LOCK_EXCLUSIVE);
	if (err)
		return err;
	err = sffs_dentry_check(dir, dentry);
	if (!err)
		err = sffs_make_inode(&mk, &inode);
	if (!err) {
		sffs_dentry_true(dentry, dir);
		d_instantiate_new(dentry, inode);
		if (IS_DIRSYNC(dir))
			err = sffs_sync_inode(dir, false);
	}
	sffs_unlock(&SFFS_I(dir)->lock, SFFS_LOCK_EXCLUSIVE);
	return err;
}

static int sffs_create(struct mnt_idmap *idmap, struct inode *dir, struct dentry *dentry,
		       umode_t mode, bool excl)
{
	return sffs_make(idmap, dir, dentry, mode, 0, NULL);
}

static int sffs_mkdir(struct mnt_idmap *idmap, struct inode *dir, struct dentry *dentry,
		      umode_t mode)
{
	return sffs_make(idmap, dir, dentry, S_IFDIR | mode, 0, NULL);
}

static int sffs_mknod(struct mnt_idmap *idmap, struct inode *dir, struct dentry *dentry,
		      umode_t mode, dev_t rdev)
{
	return sffs_make(idmap, dir, dentry, mode, rdev, NULL);
}

static int sffs_symlink(struct mnt_idmap *idmap, struct inode *dir, struct dentry *dentry,
			const char *target)
{
	if (strlen(target) >= SFFS_BLOCK_SIZE)
		return -ENAMETOOLONG;
	return sffs_make(idmap, dir, dentry, S_IFLNK | 0777, 0, target);
}

static int sffs_tmpfile(struct mnt_idmap *idmap, struct inode *dir, struct file *file,
			umode_t mode)
{
	struct sffs_make mk = { .idmap = idmap, .dir = dir, .mode = mode };
	struct inode *inode;
	int err;

	err = sffs_lock(&SFFS_I(dir)->lock, SFFS_LOCK_EXCLUSIVE);
	if (err)
		return err;
	err = sffs_make_inode(&mk, &inode);
	sffs_unlock(&SFFS_I(dir)->lock, SFFS_LOCK_EXCLUSIVE);
	if (!err) {
		set_nlink(inode, 1);	/* which d_tmpfile() takes away */
		d_tmpfile(file, inode);
		unlock_new_inode(inode);
	}
	return finish_open_simple(file, err);
}

/* ---- Links ---- */

/* What a directory hands its project down to does not come from another one. */
static bool sffs_project_fits(struct inode *dir, struct inode *inode)
{
	return !(SFFS_I(dir)->flags & SFFS_INODE_PROJINHERIT) ||
	       SFFS_I(dir)->project == SFFS_I(inode)->project;
}

static int sffs_link_started(struct sffs_tx *tx, struct inode *dir, struct dentry *dentry,
			     struct inode *inode)
{
	int err = sffs_dir_add(tx, dir, &dentry->d_name, inode->i_ino, sffs_dt(inode->i_mode));

	if (!err && !inode->i_nlink)
		err = sffs_orphan_del(tx, inode);	/* an O_TMPFILE gets its first name */
	if (err)
		return err;
	inc_nlink(inode);
	inode_set_ctime_current(inode);
	inode_inc_iversion(inode);
	sffs_touch_dir(dir);
	return sffs_store_inode(tx, inode) ?: sffs_store_inode(tx, dir);
}

static int sffs_link(struct dentry *old, struct inode *dir, struct dentry *dentry)
{
	struct inode *inode = d_inode(old);
	struct sffs_tx tx;
	int err, err2;

	err = sffs_lock(&SFFS_I(dir)->lock, SFFS_LOCK_EXCLUSIVE);
	if (err)
		return err;
	err = sffs_lock(&SFFS_I(inode)->lock, SFFS_LOCK_EXCLUSIVE);
	if (err)
		goto unlock_dir;
	err = sffs_project_fits(dir, inode) ? sffs_dentry_check(dir, dentry) : -EXDEV;
	if (!err && !inode->i_nlink && !(inode->i_state & I_LINKABLE))
		err = -ENOENT;	/* its last name went elsewhere */
	err = err ?: sffs_dir_may_add(dir, &dentry->d_name);
	if (err)
		goto unlock;
	sffs_tx_init(&tx, dir->i_sb);
	err = sffs_tx_reserve(&tx, SFFS_I(dir)->bh->b_blocknr, SFFS_TREE_BLOCKS);
	if (!err)
		err = sffs_tx_start(&tx, SFFS_NAME_CREDITS);
	if (err)
		goto unlock;
	err = sffs_link_started(&tx, dir, dentry, inode);
	err2 = sffs_tx_stop(&tx);
	err = err ?: err2;
	if (!err && IS_DIRSYNC(dir))
		err = sffs_sync_inode(dir, false);
	if (!err) {
		ihold(inode);
		sffs_dentry_true(dentry, dir);
		d_instantiate(dentry, inode);
	}
unlock:
	sffs_unlock(&SFFS_I(inode)->lock, SFFS_LOCK_EXCLUSIVE);
unlock_dir:
	sffs_unlock(&SFFS_I(dir)->lock, SFFS_LOCK_EXCLUSIVE);
	return err;
}

/* A directory has lost a subdirectory. One that has names never gets less than two links. */
static void sffs_lose_subdir(struct inode *dir)
{
	if (likely(dir->i_nlink > 2))
		drop_nlink(dir);
	else
		sffs_damage(dir->i_sb, SFFS_I(dir)->bh->b_blocknr,
			    "directory %lu has more subdirectories than links", dir->i_ino);
}

/* An inode has lost one name; the last one puts it into the orphan table. */
static int sffs_lose_name(struct sffs_tx *tx, struct inode *inode)
{
	int err = 0;

	if (S_ISDIR(inode->i_mode))
		clear_nlink(inode);
	else
		drop_nlink(inode);
	inode_set_ctime_current(inode);
	if (!inode->i_nlink)
		err = sffs_orphan_add(tx, inode);
	return err ?: sffs_store_inode(tx, inode);
}

static int sffs_unlink_started(struct sffs_tx *tx, struct inode *dir, struct dentry *dentry)
{
	struct inode *inode = d_inode(dentry);
	int err = sffs_dir_remove(tx, dir, &dentry->d_name);

	if (err)
		return err;
	if (S_ISDIR(inode->i_mode))
		sffs_lose_subdir(dir);
	sffs_touch_dir(dir);
	return sffs_store_inode(tx, dir) ?: sffs_lose_name(tx, inode);
}

static int sffs_unlink(struct inode *dir, struct dentry *dentry)
{
	struct inode *inode = d_inode(dentry);
	struct sffs_tx tx;
	int err, err2;

	err = sffs_lock(&SFFS_I(dir)->lock, SFFS_LOCK_EXCLUSIVE);
	if (err)
		return err;
	err = sffs_lock(&SFFS_I(inode)->lock, SFFS_LOCK_EXCLUSIVE);
	if (err)
		goto unlock_dir;
	err = sffs_dentry_check(dir, dentry) ?: sffs_check_links(inode);
	if (err)
		goto unlock;
	err = -ENOTEMPTY;
	if (S_ISDIR(inode->i_mode) && !sffs_dir_empty(inode))
		goto unlock;
	err = sffs_owner_check(inode);
	if (err)
		goto unlock;
	err = sffs_orphan_room(dir->i_sb);
	if (err)
		goto unlock;
	sffs_tx_init(&tx, dir->i_sb);
	tx.urgent = true;
	err = sffs_dir_plan_remove(&tx, dir, &dentry->d_name);
	if (err) {
		sffs_tx_cancel(&tx);
		goto unlock;
	}
	err = sffs_tx_start(&tx, SFFS_NAME_CREDITS);
	if (err)
		goto unlock;
	err = sffs_unlink_started(&tx, dir, dentry);
	err2 = sffs_tx_stop(&tx);
	err = err ?: err2;
	if (!err && IS_DIRSYNC(dir))
		err = sffs_sync_inode(dir, false);
unlock:
	sffs_unlock(&SFFS_I(inode)->lock, SFFS_LOCK_EXCLUSIVE);
unlock_dir:
	sffs_unlock(&SFFS_I(dir)->lock, SFFS_LOCK_EXCLUSIVE);
	return err;
}

/* ---- Rename ---- */

struct sffs_rename {
	struct mnt_idmap *idmap;
	struct inode *old_dir, *new_dir;
	struct dentry *old, *new;
	struct inode *inode, *target;	/* target may be NULL */
	unsigned int flags;
	struct sffs_tx tx;
	struct inode *whiteout;		/* new and locked, once there is one */
	struct inode *locked[4];
	unsigned int nr_locked;
	bool rename_lock;
	enum sffs_lock_mode rename_mode;
};

static int sffs_rename_lock_one(struct sffs_rename *r, struct inode *inode)
{
	unsigned int i;
	int err;

	for (i = 0; inode && i < r->nr_locked; i++)
		if (r->locked[i] == inode)
			return 0;
	if (!inode)
		return 0;
	err = sffs_lock(&SFFS_I(inode)->lock, SFFS_LOCK_EXCLUSIVE);
	if (!err)
		r->locked[r->nr_locked++] = inode;
	return err;
}

static void sffs_rename_unlock(struct sffs_rename *r)
{
	while (r->nr_locked)
		sffs_unlock(&SFFS_I(r->locked[--r->nr_locked])->lock, SFFS_LOCK_EXCLUSIVE);
	if (r->rename_lock)
		sffs_unlock(&SFFS_SB(r->old_dir->i_sb)->fixed[SFFS_FIXED_RENAME],
			    r->rename_mode);
}

/* Deeper trees than this are not believed. */
#define SFFS_PATH_DEPTH		65536U

/*
 * Directories move under the rename lock, which is held: is one inside of another on the disk,
 * whatever the VFS has cached of the way there? If not, @depth is that of @dir.
 */
static int sffs_inside(struct inode *dir, const struct inode *other, unsigned int *depth)
{
	u64 ino = dir->i_ino, root = SFFS_SB(dir->i_sb)->root_ino;
	unsigned int n;

	for (n = 0; ino != root && n < SFFS_PATH_DEPTH; n++) {
		struct inode *at;
		int err;

		if (other && ino == other->i_ino)
			return 1;
		at = sffs_iget(dir->i_sb, ino);
		if (IS_ERR(at))
			return PTR_ERR(at);
		err = sffs_read_parent(at, &ino);
		iput(at);
		if (err)
			return err;
	}
	*depth = n;
	return ino == root ? 0 : -EFSCORRUPTED;
}

/*
 * Where others move directories, too: is the way as the VFS has found it? And which of the two
 * directories is to be locked first: the one that is not so deep, or has the lower number. So
 * all hosts have one order, in which parents come before children.
 */
static int sffs_rename_look(struct sffs_rename *r, bool *swapped)
{
	bool exchange = r->flags & RENAME_EXCHANGE;
	unsigned int old_depth = 0, new_depth = 0;
	int err;

	err = sffs_inside(r->new_dir, S_ISDIR(r->inode->i_mode) ? r->inode : NULL, &new_depth);
	if (err)
		return err > 0 ? -EINVAL : err;
	err = sffs_inside(r->old_dir, r->target && S_ISDIR(r->target->i_mode) ? r->target : NULL,
			  &old_depth);
	if (err > 0)
		return exchange ? -EINVAL : -ENOTEMPTY;
	*swapped = old_depth != new_depth ? old_depth > new_depth :
					    r->old_dir->i_ino > r->new_dir->i_ino;
	return err;
}

/* Between directories: the rename lock, and which of the two comes first. */
static int sffs_rename_between(struct sffs_rename *r, bool *swapped)
{
	struct sffs_sb_info *sbi = SFFS_SB(r->old_dir->i_sb);
	bool moves = S_ISDIR(r->inode->i_mode) || (r->target && S_ISDIR(r->target->i_mode));
	struct dentry *from = r->old->d_parent, *to = r->new->d_parent;
	int err;

	if (sbi->shared || moves) {
		/* No directory moves while a file does, or the order might change. */
		r->rename_mode = moves ? SFFS_LOCK_EXCLUSIVE : SFFS_LOCK_SHARED;
		err = sffs_lock(&sbi->fixed[SFFS_FIXED_RENAME], r->rename_mode);
		if (err)
			return err;
		r->rename_lock = true;
	}
	if (sbi->shared)
		return sffs_rename_look(r, swapped);
	/* The VFS has looked. */
	*swapped = is_subdir(from, to) ||
		   (!is_subdir(to, from) && r->old_dir->i_ino > r->new_dir->i_ino);
	return 0;
}

/* The rename lock, directories parent before child, inodes by number. */
static int sffs_rename_lock(struct sffs_rename *r)
{
	struct inode *first = r->old_dir, *second = r->new_dir;
	struct inode *a = r->inode, *b = r->target;
	bool swapped = false;
	int err = 0;

	if (first != second)
		err = sffs_rename_between(r, &swapped);
	if (err)
		goto unlock;
	if (swapped)
		swap(first, second);
	if (b && a->i_ino > b->i_ino)
		swap(a, b);
	err = sffs_rename_lock_one(r, first) ?: sffs_rename_lock_one(r, second) ?:
	      sffs_rename_lock_one(r, a) ?: sffs_rename_lock_one(r, b);
unlock:
	if (err)
		sffs_rename_unlock(r);
	return err;
}

/* A directory has moved from @from to @to. */
static void sffs_rename_reparent(struct inode *inode, struct inode *from, struct inode *to)
{
	if (!S_ISDIR(inode->i_mode) || from == to)
		return;
	SFFS_I(inode)->parent = to->i_ino;
	sffs_lose_subdir(from);
	inc_nlink(to);
}

static int sffs_rename_store(struct sffs_rename *r)
{
	int err;

	inode_set_ctime_current(r->inode);
	sffs_touch_dir(r->old_dir);
	err = sffs_store_inode(&r->tx, r->inode) ?: sffs_store_inode(&r->tx, r->old_dir);
	if (!err && r->new_dir != r->old_dir) {
		sffs_touch_dir(r->new_dir);
		err = sffs_store_inode(&r->tx, r->new_dir);
	}
	return err;
}

static int sffs_rename_exchange(struct sffs_rename *r)
{
	int err;

	err = sffs_dir_replace(&r->tx, r->new_dir, &r->new->d_name, r->inode->i_ino,
			       sffs_dt(r->inode->i_mode));
	if (!err)
		err = sffs_dir_replace(&r->tx, r->old_dir, &r->old->d_name, r->target->i_ino,
				       sffs_dt(r->target->i_mode));
	if (err)
		return err;
	sffs_rename_reparent(r->inode, r->old_dir, r->new_dir);
	sffs_rename_reparent(r->target, r->new_dir, r->old_dir);
	inode_set_ctime_current(r->target);
	return sffs_store_inode(&r->tx, r->target) ?: sffs_rename_store(r);
}

/* The old name goes, or stands for a whiteout from now on. */
static int sffs_rename_old_name(struct sffs_rename *r)
{
	int err;

	if (!(r->flags & RENAME_WHITEOUT))
		return sffs_dir_remove(&r->tx, r->old_dir, &r->old->d_name);
	err = sffs_new_inode(&r->tx, r->idmap, r->old_dir, S_IFCHR | WHITEOUT_MODE, WHITEOUT_DEV,
			     &r->whiteout);
	if (err)
		return err;
	err = sffs_store_inode(&r->tx, r->whiteout) ?:
	      sffs_dir_replace(&r->tx, r->old_dir, &r->old->d_name, r->whiteout->i_ino, DT_CHR);
	if (err)
		sffs_unmake(&r->tx, r->whiteout);
	return err;
}

/* The new name could not be had: the old one comes back. */
static void sffs_rename_undo(struct sffs_rename *r)
{
	u8 type = sffs_dt(r->inode->i_mode);
	int err;

	if (r->whiteout)
		err = sffs_dir_replace(&r->tx, r->old_dir, &r->old->d_name, r->inode->i_ino, type);
	else
		err = sffs_dir_add(&r->tx, r->old_dir, &r->old->d_name, r->inode->i_ino, type);
	if (err)
		sffs_shutdown(r->old_dir->i_sb, "a file that was to be renamed lost its name");
	if (r->whiteout)
		sffs_unmake(&r->tx, r->whiteout);
	sffs_store_inode(&r->tx, r->old_dir);
}

static int sffs_rename_move(struct sffs_rename *r)
{
	u8 type = sffs_dt(r->inode->i_mode);
	int err;

	/* Removed first: what was planned for it still fits. */
	err = sffs_rename_old_name(r);
	if (err)
		return err;
	if (r->target)
		err = sffs_dir_replace(&r->tx, r->new_dir, &r->new->d_name, r->inode->i_ino, type);
	else
		err = sffs_dir_add(&r->tx, r->new_dir, &r->new->d_name, r->inode->i_ino, type);
	if (err) {
		sffs_rename_undo(r);
		return err;
	}
	sffs_rename_reparent(r->inode, r->old_dir, r->new_dir);
	if (r->target) {
		if (S_ISDIR(r->target->i_mode))
			sffs_lose_subdir(r->new_dir);
		err = sffs_lose_name(&r->tx, r->target);
	}
	return err ?: sffs_rename_store(r);
}

static int sffs_rename_plan(struct sffs_rename *r)
{
	struct super_block *sb = r->old_dir->i_sb;
	int err = r->target ? sffs_check_links(r->target) :
			      sffs_dir_may_add(r->new_dir, &r->new->d_name);

	if (!err && r->flags & RENAME_WHITEOUT)
		err = sffs_may_make(r->idmap, r->old_dir, 0);
	err = err ?: sffs_orphan_room(sb);
	if (err)
		return err;
	sffs_tx_init(&r->tx, sb);
	if (r->flags & RENAME_WHITEOUT)
		err = sffs_plan_inode(&r->tx, r->old_dir, S_IFCHR);
	else if (!(r->flags & RENAME_EXCHANGE))
		err = sffs_dir_plan_remove(&r->tx, r->old_dir, &r->old->d_name);
	if (!err && !r->target)
		err = sffs_tx_reserve(&r->tx, SFFS_I(r->new_dir)->bh->b_blocknr,
				      2 * SFFS_TREE_BLOCKS);
	if (err)
		sffs_tx_cancel(&r->tx);
	return err;
}

static int sffs_rename_locked(struct sffs_rename *r)
{
	int err, err2;

	if (!sffs_project_fits(r->new_dir, r->inode) ||
	    ((r->flags & RENAME_EXCHANGE) && !sffs_project_fits(r->old_dir, r->target)))
		return -EXDEV;
	err = sffs_dentry_check(r->old_dir, r->old) ?: sffs_dentry_check(r->new_dir, r->new);
	if (err)
		return err;
	if (r->target && S_ISDIR(r->target->i_mode) && !(r->flags & RENAME_EXCHANGE) &&
	    !sffs_dir_empty(r->target))
		return -ENOTEMPTY;
	err = r->target ? sffs_owner_check(r->target) : 0;
	if (err)
		return err;
	err = sffs_rename_plan(r);
	if (err)
		return err;
	err = sffs_tx_start(&r->tx, 2 * SFFS_NAME_CREDITS);
	if (err)
		return err;
	err = r->flags & RENAME_EXCHANGE ? sffs_rename_exchange(r) : sffs_rename_move(r);
	err2 = sffs_tx_stop(&r->tx);
	if (r->whiteout)
		sffs_unlock(&SFFS_I(r->whiteout)->lock, SFFS_LOCK_EXCLUSIVE);
	if (r->whiteout && !r->whiteout->i_nlink) {
		discard_new_inode(r->whiteout);
	} else if (r->whiteout) {
		unlock_new_inode(r->whiteout);
		iput(r->whiteout);
	}
	return err ?: err2;
}

static int sffs_rename(struct mnt_idmap *idmap, struct inode *old_dir, struct dentry *old_dentry,
		       struct inode *new_dir, struct dentry *new_dentry, unsigned int flags)
{
	struct sffs_rename r = {
		.idmap = idmap, .old_dir = old_dir, .new_dir = new_dir, .old = old_dentry,
		.new = new_dentry, .inode = d_inode(old_dentry), .target = d_inode(new_dentry),
		.flags = flags,
	};
	int err;

	if (flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT))
		return -EINVAL;
	/* The lock of its inode might have to be waited for in the middle. */
	if ((flags & RENAME_WHITEOUT) && !SFFS_SB(old_dir->i_sb)->local)
		return -EINVAL;
	err = sffs_rename_lock(&r);
	if (err)
		return err;
	err = sffs_rename_locked(&r);
	if (!err && (IS_DIRSYNC(old_dir) || IS_DIRSYNC(new_dir)))
		err = sffs_sync_inode(new_dir, false);
	/* They change places when this returns. */
	if (!err) {
		sffs_dentry_true(old_dentry, new_dir);
		sffs_dentry_true(new_dentry, old_dir);
	}
	sffs_rename_unlock(&r);
	return err;
}

/* ---- Symlinks ---- */

static const char *sffs_get_link(struct dentry *dentry, struct inode *inode,
				 struct delayed_call *done)
{
	struct sffs_sb_info *sbi = SFFS_SB(inode->i_sb);
	struct sffs_map map;
	char *buf;
	int err;

	if (!dentry)
		return ERR_PTR(-ECHILD);
	buf = kzalloc(SFFS_BLOCK_SIZE, GFP_KERNEL);
	if (!buf)
		return ERR_PTR(-ENOMEM);
	err = sffs_lock(&SFFS_I(inode)->lock, SFFS_LOCK_SHARED);
	if (err)
		goto free;
	if (sffs_format(inode) == SFFS_FMT_INLINE) {
		memcpy(buf, sffs_raw(inode)->area, i_size_read(inode));
	} else {
		err = sffs_map_find(inode, 0, &map);
		if (!err && (!map.block || map.unwritten))
			err = -EFSCORRUPTED;
		if (!err)
			err = sffs_gate_io(sbi->gate, map.block, buf, 1, REQ_OP_READ);
	}
	sffs_unlock(&SFFS_I(inode)->lock, SFFS_LOCK_SHARED);
	if (err)
		goto free;
	buf[min_t(loff_t, i_size_read(inode), SFFS_BLOCK_SIZE - 1)] = '\0';
	set_delayed_call(done, kfree_link, buf);
	return buf;
free:
	kfree(buf);
	return ERR_PTR(err);
}

const struct inode_operations sffs_dir_iops = {
	.permission	= sffs_permission,
	.lookup		= sffs_lookup,
	.create		= sffs_create,
	.link		= sffs_link,
	.unlink		= sffs_unlink,
	.symlink	= sffs_symlink,
	.mkdir		= sffs_mkdir,
	.rmdir		= sffs_unlink,
	.mknod		= sffs_mknod,
	.rename		= sffs_rename,
	.tmpfile	= sffs_tmpfile,
	.setattr	= sffs_setattr,
	.getattr	= sffs_getattr,
	.listxattr	= sffs_listxattr,
	.fileattr_get	= sffs_fileattr_get,
	.fileattr_set	= sffs_fileattr_set,
	ASV_ACL_OPS(sffs_get_acl, sffs_set_acl),
};

const struct inode_operations sffs_special_iops = {
	.permission	= sffs_permission,
	.setattr	= sffs_setattr,
	.getattr	= sffs_getattr,
	.listxattr	= sffs_listxattr,
	ASV_ACL_OPS(sffs_get_acl, sffs_set_acl),
};

const struct inode_operations sffs_symlink_iops = {
	.get_link	= sffs_get_link,
	.setattr	= sffs_setattr,
	.getattr	= sffs_getattr,
	.listxattr	= sffs_listxattr,
};
