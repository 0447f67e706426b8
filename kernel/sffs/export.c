// SPDX-License-Identifier: GPL-2.0-only
/*
 * File handles, for NFS and open_by_handle_at(2): inode number and generation,
 * and the same of the directory when it is asked for. A number that comes from
 * outside is looked up in the bitmaps before any block is taken for an inode.
 */
#include <linux/exportfs.h>

#include "sffs.h"

#define SFFS_FH_INODE		0x81	/* in no other filesystem's use */
#define SFFS_FH_PARENT		0x82

struct sffs_fh {
	__le64 ino;
	__le32 generation;
} __packed;

static int sffs_encode_fh(struct inode *inode, __u32 *raw, int *max_len, struct inode *parent)
{
	struct sffs_fh *fh = (struct sffs_fh *)raw;
	int need = (parent ? 2 : 1) * sizeof(*fh) / sizeof(*raw);

	if (*max_len < need) {
		*max_len = need;
		return FILEID_INVALID;
	}
	*max_len = need;
	fh[0].ino = cpu_to_le64(inode->i_ino);
	fh[0].generation = cpu_to_le32(inode->i_generation);
	if (parent) {
		fh[1].ino = cpu_to_le64(parent->i_ino);
		fh[1].generation = cpu_to_le32(parent->i_generation);
	}
	return parent ? SFFS_FH_PARENT : SFFS_FH_INODE;
}

static struct inode *sffs_fh_inode(struct super_block *sb, const struct sffs_fh *fh)
{
	u64 ino = le64_to_cpu(fh->ino);
	struct inode *inode;
	int err;

	err = sffs_check_ino(sb, ino);
	if (err)
		return ERR_PTR(err == -EFSCORRUPTED ? -ESTALE : err);
	inode = sffs_iget(sb, ino);
	if (IS_ERR(inode))
		return PTR_ERR(inode) == -EFSCORRUPTED ? ERR_PTR(-ESTALE) : inode;
	if (inode->i_generation == le32_to_cpu(fh->generation) && inode->i_nlink &&
	    !(SFFS_I(inode)->flags & SFFS_INODE_SYSTEM))
		return inode;
	iput(inode);
	return ERR_PTR(-ESTALE);
}

static struct dentry *sffs_fh_to_dentry(struct super_block *sb, struct fid *fid, int len, int type)
{
	const struct sffs_fh *fh = (const struct sffs_fh *)fid->raw;

	if ((type != SFFS_FH_INODE && type != SFFS_FH_PARENT) ||
	    len * sizeof(__u32) < sizeof(*fh))
		return NULL;
	return d_obtain_alias(sffs_fh_inode(sb, &fh[0]));
}

static struct dentry *sffs_fh_to_parent(struct super_block *sb, struct fid *fid, int len, int type)
{
	const struct sffs_fh *fh = (const struct sffs_fh *)fid->raw;

	if (type != SFFS_FH_PARENT || len * sizeof(__u32) < 2 * sizeof(*fh))
		return NULL;
	return d_obtain_alias(sffs_fh_inode(sb, &fh[1]));
}

static struct dentry *sffs_get_parent(struct dentry *child)
{
	u64 parent;
	int err = sffs_read_parent(d_inode(child), &parent);

	return d_obtain_alias(err ? ERR_PTR(err) : sffs_iget(child->d_sb, parent));
}

const struct export_operations sffs_export_ops = {
	.encode_fh	= sffs_encode_fh,
	.fh_to_dentry	= sffs_fh_to_dentry,
	.fh_to_parent	= sffs_fh_to_parent,
	.get_parent	= sffs_get_parent,
};
