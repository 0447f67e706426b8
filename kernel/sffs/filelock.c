// SPDX-License-Identifier: GPL-2.0-only
/*
 * flock(2) and fcntl(2) locks. Those that the VFS has are this host's alone, and on a volume
 * that others have mounted they would protect nothing: there they are refused. What keeps
 * a virtual disk from being used twice is its owner, see owner.c.
 */
#include <linux/fcntl.h>
#include <linux/fs.h>

#include "sffs.h"

static bool sffs_locks_files(struct file *file, struct file_lock *fl)
{
	return SFFS_SB(file_inode(file)->i_sb)->local || lock_is_unlock(fl);
}

/* flock(2). Return: 0, -ENOLCK in a cluster, or an error of the VFS. */
int sffs_flock(struct file *file, int cmd, struct file_lock *fl)
{
	return sffs_locks_files(file, fl) ? locks_lock_file_wait(file, fl) : -ENOLCK;
}

/* fcntl(2), also for locks of open files. Return: as sffs_flock(). */
int sffs_record_lock(struct file *file, int cmd, struct file_lock *fl)
{
	if (!sffs_locks_files(file, fl))
		return -ENOLCK;
	if (!IS_GETLK(cmd))
		return posix_lock_file(file, fl, NULL);
	posix_test_lock(file, fl);
	return 0;
}
