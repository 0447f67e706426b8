/* SPDX-License-Identifier: GPL-2.0-only */
/* Reading metadata: blocks that are what they should be, trees, names, attributes. */
#ifndef _SFFS_META_H
#define _SFFS_META_H

#include "libsffs.h"

/**
 * sffs_meta_fault() - what is wrong with a metadata block that was read
 * @vol: the volume
 * @buf: the block
 * @block: where it was read
 * @magic: what it should be
 * @owner: whose it should be, or NULL
 * @generation: of the owner, or NULL
 *
 * Return: NULL if all is well, else a few words.
 */
const char *sffs_meta_fault(const struct sffs_volume *vol, const void *buf, uint64_t block,
			    uint32_t magic, const uint64_t *owner, const uint32_t *generation);

/* Read a block; through the blocks that a replay in memory left, if there are any. */
int sffs_vol_read(const struct sffs_volume *vol, uint64_t block, void *buf);

/* Write a block; of a volume that is read only it is kept in memory. */
int sffs_vol_write(struct sffs_volume *vol, uint64_t block, const void *buf);

/* Forget what is kept in memory. */
void sffs_vol_drop_overlay(struct sffs_volume *vol);

/* Write what is kept in memory, and forget it: 0, or -1 after a message. */
int sffs_vol_flush_overlay(struct sffs_volume *vol);

/* Number of the group that a block is in, or -1. */
int64_t sffs_vol_group_of(const struct sffs_volume *vol, uint64_t block);

/* Are these blocks of one group, behind its own metadata? */
bool sffs_vol_in_group(const struct sffs_volume *vol, uint64_t block, uint64_t count);

/* Does a number name a place for an inode in some group? */
bool sffs_vol_ino_fits(const struct sffs_volume *vol, uint64_t ino);

/* Is the record whole: magic, checksum? */
bool sffs_record_ok(const struct sffs_volume *vol, const void *rec, uint32_t magic);

/**
 * struct sffs_leaf - what sffs_tree_walk() shows to its visitor
 * @block: of the node or leaf; 0: the root, in the inode
 * @level: 0: a leaf
 * @low: no key in it may be below this
 * @high: all keys in it must be below this
 * @head: its content, which starts with a struct sffs_node_head
 * @size: bytes of the content
 */
struct sffs_leaf {
	uint64_t block;
	unsigned int level;
	uint64_t low, high;
	const void *head;
	uint32_t size;
};

/* Returns the number of faults in it. */
typedef unsigned int (*sffs_leaf_fn)(const struct sffs_leaf *leaf, void *data);

/**
 * sffs_tree_walk() - visit the nodes and leaves of an inode's tree, in order
 * @vol: the volume
 * @di: the inode
 * @leaf_magic: SFFS_MAGIC_EXTENTS or SFFS_MAGIC_DIR
 * @fn: called for each node before what is below it, and for each leaf
 * @data: for @fn
 *
 * No block is visited twice, whatever the nodes say.
 *
 * Return: the number of faults, those that @fn returned among them.
 */
unsigned int sffs_tree_walk(const struct sffs_volume *vol, const struct sffs_inode *di,
			    uint32_t leaf_magic, sffs_leaf_fn fn, void *data);

/* Returns the number of faults. */
typedef unsigned int (*sffs_name_fn)(const struct sffs_dirent *e, void *data);

/* Call @fn for each entry that lies in the leaf; returns the number of faults. */
unsigned int sffs_leaf_names(const struct sffs_leaf *leaf, sffs_name_fn fn, void *data);

typedef unsigned int (*sffs_extent_fn)(const struct sffs_extent *e, void *data);

unsigned int sffs_leaf_extents(const struct sffs_leaf *leaf, sffs_extent_fn fn, void *data);

/* A set of block numbers. */
struct sffs_set {
	uint64_t *slot;
	size_t nr, size;
};

/* True if @v was not there yet; ends the program without memory. */
bool sffs_set_add(struct sffs_set *s, uint64_t v);
void sffs_set_free(struct sffs_set *s);

/* realloc() of an array, which ends the program without memory. */
void *sffs_grow(void *old, size_t count, size_t size);

#endif /* _SFFS_META_H */
