// SPDX-License-Identifier: GPL-2.0-only
/*
 * The owner of a virtual disk: the host that runs a guest on it, as a field of the inode
 * that is changed under the inode's lock. It is no lock itself, so stat() works elsewhere.
 */
#include <linux/mount.h>
#include <linux/utsname.h>

#include <linux/sffs.h>

#include "sffs.h"

static bool sffs_owner_here(struct sffs_sb_info *sbi, const struct sffs_owner *owner)
{
	return owner->mode && owner->slot == sbi->slot &&
	       le32_to_cpu(owner->incarnation) == sbi->incarnation;
}

/* Is it owned, by a host that is alive? The inode's cluster lock is held. */
static bool sffs_owner_counts(struct inode *inode)
{
	const struct sffs_owner *owner = &sffs_raw(inode)->owner;

	return owner->mode && sffs_slot_alive(SFFS_SB(inode->i_sb), owner->slot,
					      le32_to_cpu(owner->incarnation));
}

/**
 * sffs_owner_check() - may this host use, cut or remove a file?
 * @inode: the file, its cluster lock held
 *
 * Return: 0, or -EBUSY if another host owns it.
 */
int sffs_owner_check(struct inode *inode)
{
	if (likely(!sffs_raw(inode)->owner.mode) || !sffs_owner_counts(inode) ||
	    sffs_owner_here(SFFS_SB(inode->i_sb), &sffs_raw(inode)->owner))
		return 0;
	return -EBUSY;
}

/**
 * sffs_owner_get() - who owns a virtual disk
 * @inode: a regular file
 * @info: filled in, but for its @ino
 *
 * Return: 0, -EINVAL or -EIO.
 */
int sffs_owner_get(struct inode *inode, struct sffs_owner_info *info)
{
	struct sffs_inode_info *si = SFFS_I(inode);
	struct sffs_sb_info *sbi = SFFS_SB(inode->i_sb);
	const struct sffs_owner *owner;
	int err;

	if (!S_ISREG(inode->i_mode))
		return -EINVAL;
	inode_lock_shared(inode);
	err = sffs_lock(&si->lock, SFFS_LOCK_SHARED);
	if (err)
		goto unlock;
	owner = &sffs_raw(inode)->owner;
	if (sffs_owner_counts(inode)) {
		info->mode = owner->mode;
		info->flags = sffs_owner_here(sbi, owner) ? SFFS_OWNED_HERE : 0;
		info->slot = owner->slot;
		info->incarnation = le32_to_cpu(owner->incarnation);
		info->since_sec = le64_to_cpu(owner->since_sec);
		strscpy(info->host, owner->host, sizeof(info->host));
	}
	sffs_unlock(&si->lock, SFFS_LOCK_SHARED);
unlock:
	inode_unlock_shared(inode);
	return err;
}

static int sffs_owner_store(struct inode *inode, bool take)
{
	struct sffs_inode_info *si = SFFS_I(inode);
	struct sffs_sb_info *sbi = SFFS_SB(inode->i_sb);
	struct sffs_owner owner = { };
	struct sffs_tx tx;
	int err, err2;

	if (take) {
		owner.mode = SFFS_OWNER_EXCLUSIVE;
		owner.slot = sbi->slot;
		owner.incarnation = cpu_to_le32(sbi->incarnation);
		owner.since_sec = cpu_to_le64(ktime_get_real_seconds());
		strscpy(owner.host, init_utsname()->nodename, sizeof(owner.host));
	}
	sffs_tx_init(&tx, inode->i_sb);
	err = sffs_tx_start(&tx, 1);
	if (err)
		return err;
	err = sffs_tx_access(&tx, si->bh);
	if (!err) {
		sffs_raw(inode)->owner = owner;
		sffs_tx_dirty(&tx, si->bh);
		si->sync_tid = tx.handle->h_transaction->t_tid;
	}
	err2 = sffs_tx_stop(&tx);
	return err ?: err2;
}

/**
 * sffs_owner_set() - take or release a virtual disk for this host
 * @file: open for writing
 * @take: take it
 *
 * Return: 0, -EBUSY if another host owns it, or an error as SFFS_IOC_TAKE_OWNER says.
 */
int sffs_owner_set(struct file *file, bool take)
{
	struct inode *inode = file_inode(file);
	struct sffs_inode_info *si = SFFS_I(inode);
	int err;

	if (!(file->f_mode & FMODE_WRITE))
		return -EBADF;
	if (!S_ISREG(inode->i_mode))
		return -EINVAL;
	err = mnt_want_write_file(file);
	if (err)
		return err;
	inode_lock(inode);
	err = sffs_lock(&si->lock, SFFS_LOCK_EXCLUSIVE);
	if (err)
		goto unlock;
	err = sffs_owner_check(inode);
	if (!err && take != sffs_owner_here(SFFS_SB(inode->i_sb), &sffs_raw(inode)->owner))
		err = sffs_owner_store(inode, take);
	sffs_unlock(&si->lock, SFFS_LOCK_EXCLUSIVE);
unlock:
	inode_unlock(inode);
	mnt_drop_write_file(file);
	return err;
}
