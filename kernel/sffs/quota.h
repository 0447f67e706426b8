/* SPDX-License-Identifier: GPL-2.0-only */
/* Quota of one mount, for quota.c and quotactl.c. */
#ifndef _SFFS_QUOTA_H
#define _SFFS_QUOTA_H

#include <linux/hashtable.h>

#include "sffs.h"

#define SFFS_QUOTA_NO_ENTRY	U32_MAX

/**
 * struct sffs_dquot - a user, group or project
 * @hash: in sffs_quota_info.ids
 * @list: in sffs_quota_info.changed, while there is something to move
 * @id: number
 * @entry: in the slot's table of changes, or SFFS_QUOTA_NO_ENTRY
 * @type: SFFS_QUOTA_*
 * @loaded: @file was read
 * @blocks: used since the last move into the quota file, signed
 * @inodes: likewise
 * @file: what the quota file has; the times may have been started since
 */
struct sffs_dquot {
	struct hlist_node hash;
	struct list_head list;
	u32 id;
	u32 entry;
	u8 type;
	bool loaded;
	s64 blocks;
	s64 inodes;
	struct sffs_quota file;
};

/**
 * struct sffs_quota_info - quota of a mount
 * @sbi: the mount
 * @lock: covers the identifiers and the table of changes; taken in handles
 * @sync: one task at a time moves changes; taken before the quota lock
 * @kept: types that are counted, a bit each
 * @file: the quota files, NULL for a type that is not kept, and before sffs_quota_open()
 * @opened: @file is there
 * @enforced: types whose limits count, a bit each
 * @block_grace: seconds above the soft limit, by type; 0: the default
 * @inode_grace: likewise
 * @ids: struct sffs_dquot by number
 * @changed: those with changes
 * @map: entries of the table in use
 * @entries: in the table
 * @used: bits set in @map
 * @work: moves changes now and then
 */
struct sffs_quota_info {
	struct sffs_sb_info *sbi;
	struct mutex lock;	/* see above */
	struct mutex sync;	/* see above */
	unsigned int kept;
	struct inode *file[SFFS_QUOTA_TYPES];
	bool opened;
	unsigned int enforced;
	u32 block_grace[SFFS_QUOTA_TYPES];
	u32 inode_grace[SFFS_QUOTA_TYPES];
	DECLARE_HASHTABLE(ids, 8);
	struct list_head changed;
	unsigned long *map;
	u32 entries;
	u32 used;
	struct delayed_work work;
};

u32 sffs_quota_grace(struct sffs_quota_info *q, int type, bool inodes);
int sffs_quota_try_sync(struct super_block *sb);
int sffs_quota_write(struct sffs_quota_info *q, int type, u32 id, const struct sffs_quota *set);
int sffs_quota_get(struct sffs_quota_info *q, int type, u32 id, struct sffs_quota *now);
int sffs_quota_next(struct sffs_quota_info *q, int type, u32 *id);

#endif /* _SFFS_QUOTA_H */
