/* SPDX-License-Identifier: GPL-2.0-only */
/* Writing directories, extent trees and attributes anew: for fsck.sffs and mkfs.sffs. */
#ifndef _SFFS_BUILD_H
#define _SFFS_BUILD_H

#include "meta.h"

/**
 * struct sffs_builder - where new blocks come from
 * @vol: the volume
 * @take: gives a free block, or 0
 * @ctx: for @take
 */
struct sffs_builder {
	struct sffs_volume *vol;
	uint64_t (*take)(void *ctx);
	void *ctx;
};

/* A name of a directory. */
struct sffs_name {
	uint64_t key, ino;
	uint8_t type, len;
	char *name;		/* not terminated */
};

/* An extent in the byte order of the host. */
struct sffs_run {
	uint64_t file_block, block;
	uint32_t count, flags;
};

/* An attribute; @name and @value are the caller's. */
struct sffs_attr {
	uint8_t index, len;
	const char *name;
	const void *value;
	uint32_t size;
};

/* The key of a name, whose low bits tell equal hashes apart and are not set here. */
uint64_t sffs_name_key(const struct sffs_volume *vol, const void *name, size_t len);

/*
 * Each of these puts the new content into @di, adds the blocks that it took to @di->blocks
 * and leaves sealing and writing the inode to the caller. 0, or -1 when no block is left
 * or one cannot be written; then @di is of no use.
 */

/* Write a directory, inline or as a tree; gives the names new keys and sorts them. */
int sffs_build_dir(struct sffs_builder *b, struct sffs_inode *di, struct sffs_name *names,
		   size_t nr);

/* Write an extent tree; the blocks of the extents themselves are counted too. */
int sffs_build_extents(struct sffs_builder *b, struct sffs_inode *di, const struct sffs_run *run,
		       size_t nr);

/* Write all attributes: into the inode first, then into a chain of blocks. */
int sffs_build_xattrs(struct sffs_builder *b, struct sffs_inode *di, const struct sffs_attr *attr,
		      size_t nr);

#endif /* _SFFS_BUILD_H */
