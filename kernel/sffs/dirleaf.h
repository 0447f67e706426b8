/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One directory leaf: sorted offsets at the front, entries packed at the end.
 * Pure functions, also tested in user space. All but dirleaf_valid() expect a
 * leaf that dirleaf_valid() accepted.
 */
#ifndef _SFFS_DIRLEAF_H
#define _SFFS_DIRLEAF_H

#include "pure.h"
#include "sffs_format.h"

/* Bytes of an entry whose name has @len bytes. */
static inline u32 dirleaf_entry_size(u32 len)
{
	return (SFFS_DIRENT_HEAD + len + 7) & ~7U;
}

void dirleaf_init(void *leaf, u32 size);
bool dirleaf_valid(const void *leaf, u32 size);
u32 dirleaf_count(const void *leaf);
struct sffs_dirent *dirleaf_entry(const void *leaf, u32 pos);

/* Position of the first entry whose key is not below @key. */
u32 dirleaf_search(const void *leaf, u64 key);

/* Is there room for a name of @len bytes, perhaps after packing? */
bool dirleaf_fits(const void *leaf, u32 size, u32 len);

/* Add an entry at @pos; there must be room. */
void dirleaf_insert(void *leaf, u32 size, u32 pos, u64 key, u64 ino, u8 type, const void *name,
		    u32 len);
void dirleaf_remove(void *leaf, u32 size, u32 pos);

/* Move the entries from @pos on into an empty leaf @to. */
void dirleaf_move(void *leaf, u32 size, u32 pos, void *to, u32 to_size);

/* Where to split so that both halves have about as many bytes. */
u32 dirleaf_middle(const void *leaf, u32 size);

#endif /* _SFFS_DIRLEAF_H */
