// SPDX-License-Identifier: GPL-2.0-only
/* POSIX ACLs, kept as attributes in the form that posix_acl_to_xattr() makes. */
#include <linux/fs.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>

#include "sffs.h"

static int sffs_acl_index(int type)
{
	return type == ACL_TYPE_ACCESS ? SFFS_XATTR_ACL_ACCESS : SFFS_XATTR_ACL_DEFAULT;
}

struct posix_acl *sffs_get_acl(struct inode *inode, int type, bool rcu)
{
	int index = sffs_acl_index(type), size;
	struct posix_acl *acl;
	void *buf;

	if (rcu)
		return ERR_PTR(-ECHILD);
	size = sffs_xattr_get(inode, index, "", NULL, 0);
	if (size == -ENODATA || !size)
		return NULL;
	if (size < 0)
		return ERR_PTR(size);
	buf = kmalloc(size, GFP_NOFS);
	if (!buf)
		return ERR_PTR(-ENOMEM);
	size = sffs_xattr_get(inode, index, "", buf, size);
	if (size == -ENODATA)
		acl = NULL;
	else if (size < 0)
		acl = ERR_PTR(size);
	else
		acl = posix_acl_from_xattr(&init_user_ns, buf, size);
	kfree(buf);
	return acl;
}

/* The attribute's form of an ACL; the caller frees it. */
static void *sffs_acl_value(struct posix_acl *acl, size_t *size)
{
	void *buf;
	int len;

	*size = posix_acl_xattr_size(acl->a_count);
	buf = kmalloc(*size, GFP_NOFS);
	if (!buf)
		return ERR_PTR(-ENOMEM);
	len = posix_acl_to_xattr(&init_user_ns, acl, buf, *size);
	if (len >= 0)
		return buf;
	kfree(buf);
	return ERR_PTR(len);
}

/* The inode's cluster lock is held, so its mode is what it is. */
static int sffs_change_acl(struct mnt_idmap *idmap, struct inode *inode, struct posix_acl *acl,
			   int type)
{
	umode_t mode = inode->i_mode;
	void *value = NULL;
	size_t size = 0;
	int err;

	if (type == ACL_TYPE_DEFAULT && !S_ISDIR(inode->i_mode))
		return acl ? -EACCES : 0;
	if (type == ACL_TYPE_ACCESS && acl) {
		err = posix_acl_update_mode(idmap, inode, &mode, &acl);
		if (err)
			return err;
	}
	if (acl) {
		value = sffs_acl_value(acl, &size);
		if (IS_ERR(value))
			return PTR_ERR(value);
	}
	err = sffs_xattr_set_acl(inode, sffs_acl_index(type), value, size, mode);
	kfree(value);
	if (!err)
		set_cached_acl(inode, type, acl);
	return err;
}

int sffs_set_acl(struct mnt_idmap *idmap, asv_acl_target *target, struct posix_acl *acl, int type)
{
	struct inode *inode = asv_acl_inode(target);
	int err = sffs_lock(&SFFS_I(inode)->lock, SFFS_LOCK_EXCLUSIVE);

	if (err)
		return err;
	err = sffs_change_acl(idmap, inode, acl, type);
	sffs_unlock(&SFFS_I(inode)->lock, SFFS_LOCK_EXCLUSIVE);
	return err;
}

/* For a new inode, in the transaction that makes it. */
int sffs_init_acl(struct sffs_tx *tx, struct inode *inode, struct posix_acl *acl, int type)
{
	size_t size;
	void *value = sffs_acl_value(acl, &size);
	int err;

	if (IS_ERR(value))
		return PTR_ERR(value);
	err = sffs_xattr_set_new(tx, inode, sffs_acl_index(type), "", value, size);
	kfree(value);
	if (!err)
		set_cached_acl(inode, type, acl);
	return err;
}
