// SPDX-License-Identifier: GPL-2.0-only
/* One directory leaf; see dirleaf.h. */
#include "dirleaf.h"

static struct sffs_dir_head *head_of(const void *leaf)
{
	return (struct sffs_dir_head *)leaf;
}

static __le16 *slots_of(const void *leaf)
{
	return (__le16 *)(head_of(leaf) + 1);
}

static u32 used_front(u32 count)
{
	return sizeof(struct sffs_dir_head) + count * sizeof(__le16);
}

void dirleaf_init(void *leaf, u32 size)
{
	memset(leaf, 0, size);
	head_of(leaf)->low = cpu_to_le16(size);
}

u32 dirleaf_count(const void *leaf)
{
	return le16_to_cpu(head_of(leaf)->count);
}

struct sffs_dirent *dirleaf_entry(const void *leaf, u32 pos)
{
	return (struct sffs_dirent *)((char *)leaf + le16_to_cpu(slots_of(leaf)[pos]));
}

bool dirleaf_valid(const void *leaf, u32 size)
{
	const struct sffs_dir_head *h = leaf;
	u32 count = le16_to_cpu(h->count), low = le16_to_cpu(h->low), bytes = 0, i;
	u64 last = 0;

	if (h->level || low > size || count > size || used_front(count) > low)
		return false;
	for (i = 0; i < count; i++) {
		u32 off = le16_to_cpu(slots_of(leaf)[i]);
		const struct sffs_dirent *e;

		if (off < low || off % 8 || off > size - SFFS_DIRENT_HEAD)
			return false;
		e = dirleaf_entry(leaf, i);
		if (!e->name_len || dirleaf_entry_size(e->name_len) > size - off)
			return false;
		if (i && le64_to_cpu(e->key) <= last)
			return false;
		last = le64_to_cpu(e->key);
		bytes += dirleaf_entry_size(e->name_len);
	}
	/* Holds only if no two entries overlap, given that each lies in the packed part. */
	return bytes + le16_to_cpu(h->dead) == size - low;
}

u32 dirleaf_search(const void *leaf, u64 key)
{
	u32 low = 0, high = dirleaf_count(leaf);

	while (low < high) {
		u32 mid = (low + high) / 2;

		if (le64_to_cpu(dirleaf_entry(leaf, mid)->key) < key)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

bool dirleaf_fits(const void *leaf, u32 size, u32 len)
{
	const struct sffs_dir_head *h = leaf;
	u32 room = le16_to_cpu(h->low) - used_front(le16_to_cpu(h->count));

	(void)size;
	return room + le16_to_cpu(h->dead) >= dirleaf_entry_size(len) + sizeof(__le16);
}

/* Close the holes that removed entries left: move entries up, the highest first. */
static void pack(void *leaf, u32 size)
{
	struct sffs_dir_head *h = leaf;
	u32 count = le16_to_cpu(h->count), top = size, limit = size, moved;

	for (moved = 0; moved < count; moved++) {
		u32 best = 0, best_off = 0, i, len;

		/* The highest entry below the last one that was moved. */
		for (i = 0; i < count; i++) {
			u32 off = le16_to_cpu(slots_of(leaf)[i]);

			if (off < limit && off >= best_off) {
				best_off = off;
				best = i;
			}
		}
		len = dirleaf_entry_size(dirleaf_entry(leaf, best)->name_len);
		limit = best_off;
		top -= len;
		memmove((char *)leaf + top, (char *)leaf + best_off, len);
		slots_of(leaf)[best] = cpu_to_le16(top);
		/* What was moved lies at or above its old place, out of the search. */
	}
	h->low = cpu_to_le16(top);
	h->dead = 0;
}

void dirleaf_insert(void *leaf, u32 size, u32 pos, u64 key, u64 ino, u8 type, const void *name,
		    u32 len)
{
	struct sffs_dir_head *h = leaf;
	u32 count = le16_to_cpu(h->count), need = dirleaf_entry_size(len), low;
	__le16 *slots = slots_of(leaf);
	struct sffs_dirent *e;

	if (le16_to_cpu(h->low) < used_front(count + 1) + need)
		pack(leaf, size);
	low = le16_to_cpu(h->low) - need;
	e = (struct sffs_dirent *)((char *)leaf + low);
	memset(e, 0, need);
	e->key = cpu_to_le64(key);
	e->ino = cpu_to_le64(ino);
	e->name_len = len;
	e->type = type;
	memcpy(e->name, name, len);
	memmove(slots + pos + 1, slots + pos, (count - pos) * sizeof(*slots));
	slots[pos] = cpu_to_le16(low);
	h->low = cpu_to_le16(low);
	h->count = cpu_to_le16(count + 1);
}

void dirleaf_remove(void *leaf, u32 size, u32 pos)
{
	struct sffs_dir_head *h = leaf;
	u32 count = le16_to_cpu(h->count) - 1, off = le16_to_cpu(slots_of(leaf)[pos]);
	u32 len = dirleaf_entry_size(dirleaf_entry(leaf, pos)->name_len);
	__le16 *slots = slots_of(leaf);

	memmove(slots + pos, slots + pos + 1, (count - pos) * sizeof(*slots));
	slots[count] = 0;
	h->count = cpu_to_le16(count);
	if (!count) {
		dirleaf_init(leaf, size);
		return;
	}
	memset((char *)leaf + off, 0, len);
	if (off == le16_to_cpu(h->low))
		h->low = cpu_to_le16(off + len);
	else
		h->dead = cpu_to_le16(le16_to_cpu(h->dead) + len);
}

void dirleaf_move(void *leaf, u32 size, u32 pos, void *to, u32 to_size)
{
	u32 count = dirleaf_count(leaf), i;

	for (i = pos; i < count; i++) {
		const struct sffs_dirent *e = dirleaf_entry(leaf, i);

		dirleaf_insert(to, to_size, i - pos, le64_to_cpu(e->key), le64_to_cpu(e->ino),
			       e->type, e->name, e->name_len);
	}
	while (count > pos)
		dirleaf_remove(leaf, size, --count);
}

u32 dirleaf_middle(const void *leaf, u32 size)
{
	u32 count = dirleaf_count(leaf), bytes = 0, i;
	u32 half = (size - le16_to_cpu(head_of(leaf)->low)) / 2;

	for (i = 0; i + 1 < count && bytes < half; i++)
		bytes += dirleaf_entry_size(dirleaf_entry(leaf, i)->name_len);
	return i ? i : 1;
}
