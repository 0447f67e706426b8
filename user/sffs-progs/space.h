/* SPDX-License-Identifier: GPL-2.0-only */
/* Which blocks and inodes are in use, and what the groups must say of it. */
#ifndef _SFFS_SPACE_H
#define _SFFS_SPACE_H

#include "meta.h"

/* An inode chunk, with a bit for each inode in use. */
struct sffs_chunk_use {
	uint64_t block;
	uint64_t used;
	bool header_ok;
};

/* A bit for each block of the groups; what was never set takes no memory. */
struct sffs_map {
	uint8_t ***group;
};

/**
 * struct sffs_space - what is in use
 * @vol: the volume
 * @used: blocks in use, without the groups' own metadata
 * @meta: those of them that hold metadata
 * @twice: those of them that more than one file has
 * @chunk: inode chunks, by block
 * @nr_chunks: how many
 * @max_chunks: how many @chunk has room for
 * @take_group: group in which sffs_space_take() goes on
 * @take_at: and the block of it
 */
struct sffs_space {
	struct sffs_volume *vol;
	struct sffs_map used, meta, twice;
	struct sffs_chunk_use *chunk;
	size_t nr_chunks, max_chunks;
	uint32_t take_group, take_at;
};

void sffs_space_init(struct sffs_space *s, struct sffs_volume *vol);
void sffs_space_free(struct sffs_space *s);

bool sffs_space_test(const struct sffs_space *s, const struct sffs_map *map, uint64_t block);

/* Set the bits of blocks of one group; returns how many were set before. */
uint64_t sffs_space_set(struct sffs_space *s, struct sffs_map *map, uint64_t block, uint64_t count);

/* A block that nothing uses, now in use; 0 if there is none. For struct sffs_builder. */
uint64_t sffs_space_take(void *space);

/* Index of the first chunk at or behind a block. */
size_t sffs_space_chunk_from(const struct sffs_space *s, uint64_t block);

/* The chunk that starts there, or NULL. */
struct sffs_chunk_use *sffs_space_chunk(const struct sffs_space *s, uint64_t block);
void sffs_space_add_chunk(struct sffs_space *s, uint64_t block, bool header_ok);

/* Is the block part of a chunk? */
bool sffs_space_in_chunk(const struct sffs_space *s, uint64_t block);

/**
 * sffs_space_bitmap() - what a bitmap block must be
 * @s: what is in use
 * @group: number of the group
 * @k: which of its bitmaps
 * @old: the bitmap so far, for the marks of free blocks, or NULL
 * @unmapped: without @old: are free blocks unmapped?
 * @bm: result, without header
 * @sum: its summary, without SFFS_BMS_UNINIT
 *
 * Return: true if no block in use is in it but the group's own.
 */
bool sffs_space_bitmap(const struct sffs_space *s, uint32_t group, uint32_t k,
		       const struct sffs_bitmap *old, bool unmapped, struct sffs_bitmap *bm,
		       struct sffs_bitmap_summary *sum);

/*
 * The summary of a bitmap block that was never written; false if it has to be, for
 * blocks of it are in use.
 */
bool sffs_space_unwritten(const struct sffs_space *s, uint32_t group, uint32_t k, bool unmapped,
			  struct sffs_bitmap_summary *sum);

/* Write the headers of all chunks of a group and put its lists and counts into @gh. */
int sffs_space_write_chunks(struct sffs_space *s, uint32_t group, struct sffs_group *gh);

#endif /* _SFFS_SPACE_H */
