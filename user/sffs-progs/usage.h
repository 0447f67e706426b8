/* SPDX-License-Identifier: GPL-2.0-only */
/* How much each user, group and project uses, and a slot's table of changes of that. */
#ifndef _SFFS_USAGE_H
#define _SFFS_USAGE_H

#include "libsffs.h"

struct sffs_use {
	uint32_t id;
	uint8_t type;		/* SFFS_QUOTA_* */
	bool known;		/* false: a free place in the table */
	int64_t blocks, inodes;
};

struct sffs_usage {
	struct sffs_use *use;
	size_t nr, size;
};

/* The entry of an identifier, made if there is none; ends the program without memory. */
struct sffs_use *sffs_usage_of(struct sffs_usage *u, uint8_t type, uint32_t id);

/* Add what an inode uses: to its user, group and project. */
void sffs_usage_add(struct sffs_usage *u, const struct sffs_inode *di);

/* Add what a block of changes holds, or subtract it (@sign -1). */
void sffs_usage_changes(struct sffs_usage *u, const struct sffs_qchange_block *qb, int sign);

/*
 * Make all that is not zero the changes of slot 0, for the next mount to add. 0, or
 * -1 when a block cannot be written, or there are too many.
 */
int sffs_usage_store(const struct sffs_usage *u, struct sffs_volume *vol);
void sffs_usage_free(struct sffs_usage *u);

#endif /* _SFFS_USAGE_H */
