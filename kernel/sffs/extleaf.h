/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Extents in one leaf of a file's tree: sorted, apart, and joined where they touch.
 * Pure functions, also tested in user space.
 */
#ifndef _SFFS_EXTLEAF_H
#define _SFFS_EXTLEAF_H

#include "pure.h"
#include "sffs_format.h"

static inline u64 ext_first(const struct sffs_extent *e)
{
	return le64_to_cpu(e->file_block);
}

static inline u64 ext_count(const struct sffs_extent *e)
{
	return le32_to_cpu(e->count);
}

static inline u64 ext_end(const struct sffs_extent *e)
{
	return ext_first(e) + ext_count(e);
}

static inline bool ext_unwritten(const struct sffs_extent *e)
{
	return e->flags & cpu_to_le32(SFFS_EXTENT_UNWRITTEN);
}

static inline struct sffs_extent ext_make(u64 first, u64 block, u64 count, bool unwritten)
{
	return (struct sffs_extent){
		.file_block = cpu_to_le64(first),
		.block = cpu_to_le64(block),
		.count = cpu_to_le32(count),
		.flags = cpu_to_le32(unwritten ? SFFS_EXTENT_UNWRITTEN : 0),
	};
}

/* The part of @e in [first, end), which it overlaps. */
struct sffs_extent ext_part(const struct sffs_extent *e, u64 first, u64 end);

/* What stays of @e without [first, end), which it overlaps: up to two parts; how many. */
unsigned int ext_without(const struct sffs_extent *e, u64 first, u64 end,
			 struct sffs_extent *part);

/* @e with the state of [first, end), which is in it, changed: up to three parts; how many. */
unsigned int ext_changed(const struct sffs_extent *e, u64 first, u64 end, bool unwritten,
			 struct sffs_extent *part);

/* The last of @count extents that starts at or before @key; -1: none does. */
int extleaf_search(const struct sffs_extent *ext, unsigned int count, u64 key);

/*
 * Put @new extents, at most 3, in the place of @old ones from @at on, and join them with
 * each other and with the neighbours. Returns how many extents there are then; when that is
 * more than @max, nothing has been changed.
 */
unsigned int extleaf_splice(struct sffs_extent *ext, unsigned int count, unsigned int max,
			    unsigned int at, unsigned int old, const struct sffs_extent *new,
			    unsigned int nr_new);

#endif /* _SFFS_EXTLEAF_H */
