// SPDX-License-Identifier: GPL-2.0-only
/* The usual ioctls of a filesystem, and chattr(1). */
#include <linux/fs.h>
#include <linux/fileattr.h>
#include <linux/mount.h>

#include "sffs.h"

static const struct {
	u32 raw;
	u32 fs;
} sffs_flag_map[] = {
	{ SFFS_INODE_SYNC,		FS_SYNC_FL },
	{ SFFS_INODE_IMMUTABLE,		FS_IMMUTABLE_FL },
	{ SFFS_INODE_APPEND,		FS_APPEND_FL },
	{ SFFS_INODE_NODUMP,		FS_NODUMP_FL },
	{ SFFS_INODE_NOATIME,		FS_NOATIME_FL },
	{ SFFS_INODE_DIRSYNC,		FS_DIRSYNC_FL },
	{ SFFS_INODE_PROJINHERIT,	FS_PROJINHERIT_FL },
};

int sffs_fileattr_get(struct dentry *dentry, struct fileattr *fa)
{
	struct sffs_inode_info *si = SFFS_I(d_inode(dentry));
	u32 flags = 0;
	unsigned int i;
	int err = sffs_lock(&si->lock, SFFS_LOCK_SHARED);

	if (err)
		return err;
	for (i = 0; i < ARRAY_SIZE(sffs_flag_map); i++)
		if (si->flags & sffs_flag_map[i].raw)
			flags |= sffs_flag_map[i].fs;
	fileattr_fill_flags(fa, flags);
	fa->fsx_projid = si->project;
	sffs_unlock(&si->lock, SFFS_LOCK_SHARED);
	return 0;
}

static int sffs_store_flags(struct inode *inode, u32 raw, u32 project)
{
	struct sffs_inode_info *si = SFFS_I(inode);
	struct sffs_tx tx;
	int err, err2;

	sffs_tx_init(&tx, inode->i_sb);
	err = sffs_tx_start(&tx, 1);
	if (err)
		return err;
	si->flags = (si->flags & SFFS_INODE_SYSTEM) | raw;
	si->project = project;
	sffs_set_ops(inode);
	inode_set_ctime_current(inode);
	err = sffs_store_inode(&tx, inode);
	err2 = sffs_tx_stop(&tx);
	return err ?: err2;
}

int sffs_fileattr_set(struct mnt_idmap *idmap, struct dentry *dentry, struct fileattr *fa)
{
	struct inode *inode = d_inode(dentry);
	struct sffs_inode_info *si = SFFS_I(inode);
	u32 raw = 0, known = 0, project;
	unsigned int i;
	int err;

	for (i = 0; i < ARRAY_SIZE(sffs_flag_map); i++) {
		known |= sffs_flag_map[i].fs;
		if (fa->flags & sffs_flag_map[i].fs)
			raw |= sffs_flag_map[i].raw;
	}
	if (fa->flags & ~known)
		return -EOPNOTSUPP;
	if (!S_ISDIR(inode->i_mode))
		raw &= ~(SFFS_INODE_DIRSYNC | SFFS_INODE_PROJINHERIT);
	err = sffs_lock(&si->lock, SFFS_LOCK_EXCLUSIVE);
	if (err)
		return err;
	project = fa->fsx_valid ? fa->fsx_projid : si->project;
	err = sffs_quota_transfer(inode, i_uid_read(inode), i_gid_read(inode), project);
	if (!err)
		err = sffs_store_flags(inode, raw, project);
	sffs_unlock(&si->lock, SFFS_LOCK_EXCLUSIVE);
	return err;
}

static int sffs_get_label(struct super_block *sb, char __user *to)
{
	const struct sffs_super *raw = (struct sffs_super *)SFFS_SB(sb)->super_bh->b_data;
	char label[FSLABEL_MAX] = { };

	BUILD_BUG_ON(sizeof(raw->label) > sizeof(label));
	memcpy(label, raw->label, sizeof(raw->label));
	return copy_to_user(to, label, sizeof(label)) ? -EFAULT : 0;
}

/* XFS's and ext4's ioctl, which xfstests uses: stop as if the power had failed. */
#define SFFS_IOC_SHUTDOWN	_IOR('X', 125, __u32)

static int sffs_ioc_shutdown(struct super_block *sb, const u32 __user *arg)
{
	u32 flags;
	int err = 0;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (get_user(flags, arg))
		return -EFAULT;
	if (flags > 2)
		return -EINVAL;
	/* 0: flush everything first, 1: flush the journal first, 2: flush nothing. */
	if (!flags) {
		down_read(&sb->s_umount);
		err = sync_filesystem(sb);
		up_read(&sb->s_umount);
	} else if (flags == 1 && SFFS_SB(sb)->journal) {
		err = jbd2_journal_force_commit(SFFS_SB(sb)->journal);
	}
	sffs_shutdown(sb, "asked to by ioctl");
	return err;
}

static int sffs_ioc_grow(struct file *file, struct sffs_grow __user *arg)
{
	struct sffs_grow grow;
	int err;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (copy_from_user(&grow, arg, sizeof(grow)))
		return -EFAULT;
	err = mnt_want_write_file(file);
	if (err)
		return err;
	err = sffs_grow(file_inode(file)->i_sb, &grow.blocks);
	mnt_drop_write_file(file);
	return err ?: copy_to_user(arg, &grow, sizeof(grow)) ? -EFAULT : 0;
}

static int sffs_ioc_trim(struct file *file, struct fstrim_range __user *arg)
{
	struct fstrim_range range;
	int err;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (copy_from_user(&range, arg, sizeof(range)))
		return -EFAULT;
	err = sffs_trim(file, &range);
	if (err)
		return err;
	return copy_to_user(arg, &range, sizeof(range)) ? -EFAULT : 0;
}

static int sffs_ioc_reclaim(struct file *file, struct sffs_reclaim_group __user *arg)
{
	struct sffs_sb_info *sbi = SFFS_SB(file_inode(file)->i_sb);
	struct sffs_reclaim_group group;
	struct fstrim_range range = { };
	int err;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (copy_from_user(&group, arg, sizeof(group)))
		return -EFAULT;
	group.groups = sffs_nr_groups(sbi);
	if (group.group >= group.groups)
		return -EINVAL;
	range.start = sffs_group_start(sffs_group(sbi, group.group)) << SFFS_BLOCK_SHIFT;
	range.len = 1ULL << (sbi->group_shift + SFFS_BLOCK_SHIFT);
	err = sffs_trim(file, &range);
	group.bytes = range.len;
	return err ?: copy_to_user(arg, &group, sizeof(group)) ? -EFAULT : 0;
}

static int sffs_ioc_set_reclaim(struct file *file, const u32 __user *arg)
{
	u32 rate;
	int err;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (get_user(rate, arg))
		return -EFAULT;
	err = mnt_want_write_file(file);
	if (err)
		return err;
	err = sffs_reclaim_set_rate(file_inode(file)->i_sb, rate);
	mnt_drop_write_file(file);
	return err;
}

/* A file by its number, as for an NFS handle, or the file itself. */
static struct inode *sffs_ioc_inode(struct file *file, u64 ino)
{
	struct super_block *sb = file_inode(file)->i_sb;
	struct inode *inode;
	int err;

	if (!ino || ino == file_inode(file)->i_ino)
		return igrab(file_inode(file)) ?: ERR_PTR(-ESTALE);
	if (!capable(CAP_DAC_READ_SEARCH))
		return ERR_PTR(-EPERM);
	err = sffs_check_ino(sb, ino);
	if (err)
		return ERR_PTR(err);
	inode = sffs_iget(sb, ino);
	if (IS_ERR(inode) || inode->i_nlink)
		return inode;
	iput(inode);
	return ERR_PTR(-ESTALE);
}

static int sffs_ioc_get_owner(struct file *file, struct sffs_owner_info __user *arg)
{
	struct sffs_owner_info info = { };
	struct inode *inode;
	int err;

	if (get_user(info.ino, &arg->ino))
		return -EFAULT;
	inode = sffs_ioc_inode(file, info.ino);
	if (IS_ERR(inode))
		return PTR_ERR(inode);
	err = sffs_owner_get(inode, &info);
	iput(inode);
	return err ?: copy_to_user(arg, &info, sizeof(info)) ? -EFAULT : 0;
}

long sffs_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct super_block *sb = file_inode(file)->i_sb;
	void __user *argp = (void __user *)arg;

	switch (cmd) {
	case FS_IOC_GETFSLABEL:
		return sffs_get_label(sb, argp);
	case SFFS_IOC_SHUTDOWN:
		return sffs_ioc_shutdown(sb, argp);
	case FITRIM:
		return sffs_ioc_trim(file, argp);
	case SFFS_IOC_GROW:
		return sffs_ioc_grow(file, argp);
	case SFFS_IOC_RECLAIM:
		return sffs_ioc_reclaim(file, argp);
	case SFFS_IOC_SET_RECLAIM:
		return sffs_ioc_set_reclaim(file, argp);
	case SFFS_IOC_GET_OWNER:
		return sffs_ioc_get_owner(file, argp);
	case SFFS_IOC_TAKE_OWNER:
	case SFFS_IOC_RELEASE_OWNER:
		return sffs_owner_set(file, cmd == SFFS_IOC_TAKE_OWNER);
	}
	return -ENOTTY;
}
