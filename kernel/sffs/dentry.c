// SPDX-License-Identifier: GPL-2.0-only
/*
 * Names in the dentry cache, where other hosts change directories: one is true in the period of
 * the directory's lock in which it was looked up, which d_time keeps. In a later one it is
 * looked up again, also if it said that there is no such name; it goes only if that has
 * changed, because what is mounted on it would go with it.
 *
 * What the VFS has looked up may have changed before the directory's lock is held for a change,
 * so that looks again as well (sffs_dentry_check()). -ESTALE makes the VFS walk the path anew,
 * without believing any name.
 */
#include <linux/dcache.h>
#include <linux/namei.h>

#include "sffs.h"

/**
 * sffs_dentry_true() - a dentry says what the directory has
 * @dentry: the dentry
 * @dir: its directory, or the one that it will be in, with the cluster lock held
 */
void sffs_dentry_true(struct dentry *dentry, struct inode *dir)
{
	WRITE_ONCE(dentry->d_time, SFFS_I(dir)->lock.period);
}

static bool sffs_dentry_current(const struct dentry *dentry, const struct inode *dir)
{
	const struct sffs_lock *lock = &SFFS_I(dir)->lock;

	return !sffs_cache_stale(lock) && READ_ONCE(dentry->d_time) == READ_ONCE(lock->period);
}

/* Is what a name stands for the inode that is cached for it? The directory's lock is held. */
static int sffs_dentry_compare(struct inode *dir, const struct qstr *name,
			       const struct inode *inode)
{
	u64 ino;
	int err = sffs_dir_find(dir, name, &ino, NULL);

	if (err == -ENOENT)
		return inode ? -ESTALE : 0;
	if (err)
		return err;
	if (!inode || inode->i_ino != ino)
		return -ESTALE;
	return test_bit(SFFS_CACHE_DEAD, &SFFS_I(inode)->lock.cache) ? -ESTALE : 0;
}

/**
 * sffs_dentry_check() - before a name is changed: is it still as the VFS knows it?
 * @dir: the directory, its cluster lock held exclusively
 * @dentry: the name
 *
 * Return: 0; -ESTALE if it is not; or an error.
 */
int sffs_dentry_check(struct inode *dir, struct dentry *dentry)
{
	int err;

	if (likely(!SFFS_SB(dir->i_sb)->shared) || sffs_dentry_current(dentry, dir))
		return 0;
	err = sffs_dentry_compare(dir, &dentry->d_name, d_inode(dentry));
	if (!err)
		sffs_dentry_true(dentry, dir);
	return err;
}

/* Attributes are looked at by who walks a path without any lock, so they are refreshed before. */
static int sffs_refresh_attributes(struct inode *inode)
{
	struct sffs_lock *lock = &SFFS_I(inode)->lock;
	int err;

	if (!sffs_cache_stale(lock))
		return 0;
	err = sffs_lock(lock, SFFS_LOCK_SHARED);
	if (!err)
		sffs_unlock(lock, SFFS_LOCK_SHARED);
	return err;
}

static int sffs_revalidate_name(struct inode *dir, struct dentry *dentry, struct inode *inode)
{
	struct name_snapshot name;
	int err = sffs_lock(&SFFS_I(dir)->lock, SFFS_LOCK_SHARED);

	if (err)
		return err;
	if (!sffs_dentry_current(dentry, dir)) {
		take_dentry_name_snapshot(&name, dentry);
		err = sffs_dentry_compare(dir, &name.name, inode);
		release_dentry_name_snapshot(&name);
		if (!err)
			sffs_dentry_true(dentry, dir);
	}
	sffs_unlock(&SFFS_I(dir)->lock, SFFS_LOCK_SHARED);
	return err;
}

static int sffs_d_revalidate_rcu(struct dentry *dentry)
{
	struct inode *dir = d_inode_rcu(READ_ONCE(dentry->d_parent));
	struct inode *inode = d_inode_rcu(dentry);

	if (dir && sffs_dentry_current(dentry, dir) &&
	    (!inode || !sffs_cache_stale(&SFFS_I(inode)->lock)))
		return 1;
	return -ECHILD;
}

static int sffs_d_revalidate(struct dentry *dentry, unsigned int flags)
{
	struct dentry *parent;
	struct inode *inode;
	int err;

	if (flags & LOOKUP_RCU)
		return sffs_d_revalidate_rcu(dentry);
	parent = dget_parent(dentry);
	inode = d_inode(dentry);
	err = sffs_revalidate_name(d_inode(parent), dentry, inode);
	if (!err && inode)
		err = sffs_refresh_attributes(inode);
	else if (err == -ESTALE && inode)
		sffs_refresh_attributes(inode);	/* without links it goes with the dentry */
	dput(parent);
	if (err == -ESTALE)
		return 0;
	return err ?: 1;
}

/**
 * sffs_permission() - may a task do that to an inode?
 * @idmap: of the mount
 * @inode: the inode
 * @mask: MAY_*
 *
 * Where a walk begins (the root, a working folder, an open one) no name was looked up.
 *
 * Return: 0; -ECHILD if that cannot be told without sleeping; or an error.
 */
int sffs_permission(struct mnt_idmap *idmap, struct inode *inode, int mask)
{
	if (unlikely(sffs_cache_stale(&SFFS_I(inode)->lock))) {
		int err = mask & MAY_NOT_BLOCK ? -ECHILD : sffs_refresh_attributes(inode);

		if (err)
			return err;
	}
	return generic_permission(idmap, inode, mask);
}

const struct dentry_operations sffs_dentry_ops = {
	.d_revalidate = sffs_d_revalidate,
};
