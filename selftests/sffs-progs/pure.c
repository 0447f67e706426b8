// SPDX-License-Identifier: GPL-2.0-only
/*
 * pure: the parts of sffs.ko that are plain functions, bitmaps and directory leaves, with
 * random operations against a simple model.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bitmap.h"
#include "dirleaf.h"
#include "libsffs.h"

#define ROUNDS		20000
#define LONG_ROUNDS	2000000
#define BITS		2048U
#define NAMES_MAX	512U

static u64 seed = 88172645463325252ULL;

static u32 rnd(u32 below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (seed >> 11) % below;
}

static unsigned int rounds(void)
{
	const char *s = getenv("ASV_LONG");

	return s && *s ? LONG_ROUNDS : ROUNDS;
}

/* ---- Bitmaps against an array of flags ---- */

static bool bitmaps(void)
{
	/* Of exactly the size that is used, so that a sanitizer sees what goes beyond. */
	u8 *map = calloc(1, BITS / 8);
	bool model[BITS] = { false }, ok = true;

	for (unsigned int i = 0; ok && i < rounds(); i++) {
		u32 from = rnd(BITS), count = rnd(4) ? rnd(80) : rnd(BITS), want = 0, at;
		bool value = rnd(2);

		if (count > BITS - from)
			count = BITS - from;
		for (u32 k = from; k < from + count; k++) {
			want += model[k] != value;
			model[k] = value;
		}
		ok = sffs_bits_set(map, from, count, value) == want;
		from = rnd(BITS);
		value = rnd(2);
		for (at = from; at < BITS && model[at] != value; at++)
			;
		ok = ok && sffs_bits_find(map, from, BITS, value) == at;
	}
	free(map);
	return ok;
}

/* ---- A directory leaf against a sorted list ---- */

struct name {
	u64 key, ino;
	u8 type, len;
	u8 text[255];
};

struct model {
	struct name name[NAMES_MAX];
	u32 nr;
};

static bool same(const void *leaf, const struct model *m)
{
	if (dirleaf_count(leaf) != m->nr)
		return false;
	for (u32 i = 0; i < m->nr; i++) {
		const struct sffs_dirent *e = dirleaf_entry(leaf, i);
		const struct name *n = &m->name[i];

		if (le64toh(e->key) != n->key || le64toh(e->ino) != n->ino || e->type != n->type ||
		    e->name_len != n->len || memcmp(e->name, n->text, n->len))
			return false;
	}
	return true;
}

static u32 position(const struct model *m, u64 key)
{
	u32 i = 0;

	while (i < m->nr && m->name[i].key < key)
		i++;
	return i;
}

static u32 bytes_of(const struct model *m)
{
	u32 bytes = sizeof(struct sffs_dir_head);

	for (u32 i = 0; i < m->nr; i++)
		bytes += dirleaf_entry_size(m->name[i].len) + sizeof(u16);
	return bytes;
}

static bool insert(void *leaf, u32 size, struct model *m)
{
	struct name n = { .key = 2 + rnd(5000), .ino = rnd(1 << 30), .type = rnd(16) };
	u32 at = position(m, n.key);
	bool fits;

	n.len = 1 + rnd(rnd(3) ? 20 : 255);
	for (u32 i = 0; i < n.len; i++)
		n.text[i] = rnd(256);
	if (dirleaf_search(leaf, n.key) != at)
		return false;
	if (m->nr == NAMES_MAX || (at < m->nr && m->name[at].key == n.key))
		return true;
	fits = bytes_of(m) + dirleaf_entry_size(n.len) + sizeof(u16) <= size;
	if (dirleaf_fits(leaf, size, n.len) != fits)
		return false;
	if (!fits)
		return true;
	dirleaf_insert(leaf, size, at, n.key, n.ino, n.type, n.text, n.len);
	memmove(&m->name[at + 1], &m->name[at], (m->nr - at) * sizeof(n));
	m->name[at] = n;
	m->nr++;
	return true;
}

static void drop(void *leaf, u32 size, struct model *m)
{
	u32 at = rnd(m->nr);

	dirleaf_remove(leaf, size, at);
	m->nr--;
	memmove(&m->name[at], &m->name[at + 1], (m->nr - at) * sizeof(m->name[0]));
}

/* Split at the middle, and see both halves; the model keeps the first. */
static bool split(void *leaf, u32 size, struct model *m)
{
	u32 at = dirleaf_middle(leaf, size), to_size = SFFS_DIR_LEAF_BYTES;
	static struct model upper;
	void *to = calloc(1, to_size);
	bool ok = at && at < m->nr;

	if (ok) {
		dirleaf_init(to, to_size);
		upper.nr = m->nr - at;
		memcpy(upper.name, &m->name[at], upper.nr * sizeof(m->name[0]));
		m->nr = at;
		dirleaf_move(leaf, size, at, to, to_size);
		ok = dirleaf_valid(to, to_size) && same(to, &upper);
	}
	free(to);
	return ok;
}

static bool leaves(u32 size)
{
	static struct model m;
	void *leaf = calloc(1, size);
	bool ok = true;

	m.nr = 0;
	dirleaf_init(leaf, size);
	for (unsigned int i = 0; ok && i < rounds(); i++) {
		u32 what = rnd(100);

		if (what < 55)
			ok = insert(leaf, size, &m);
		else if (what < 99 && m.nr)
			drop(leaf, size, &m);
		else if (m.nr > 1)
			ok = split(leaf, size, &m);
		ok = ok && dirleaf_valid(leaf, size) && same(leaf, &m);
	}
	free(leaf);
	return ok;
}

/* Damage: whatever dirleaf_valid() accepts can be read and changed. */
static bool hostile(u32 size)
{
	static struct model m;
	void *leaf = calloc(1, size);

	for (unsigned int i = 0; i < rounds(); i++) {
		u8 *bytes = leaf;

		if (i % 64 == 0) {
			m.nr = 0;
			dirleaf_init(leaf, size);
			while (m.nr < 20)
				insert(leaf, size, &m);
		}
		bytes[rnd(rnd(2) ? 64 : size)] = rnd(256);
		if (!dirleaf_valid(leaf, size))
			continue;
		for (u32 k = 0; k < dirleaf_count(leaf); k++)
			dirleaf_search(leaf, le64toh(dirleaf_entry(leaf, k)->key));
		if (dirleaf_count(leaf))
			dirleaf_remove(leaf, size, rnd(dirleaf_count(leaf)));
		if (dirleaf_valid(leaf, size) && dirleaf_fits(leaf, size, 8))
			dirleaf_insert(leaf, size, 0, 1, 1, 8, "hostile!", 8);
	}
	free(leaf);
	return true;
}

int main(void)
{
	const struct {
		const char *name;
		bool ok;
	} test[] = {
		{ "bitmaps: runs set and found as in a model", bitmaps() },
		{ "directory leaf in an inode as a model", leaves(SFFS_INODE_AREA) },
		{ "directory leaf in a block as a model", leaves(SFFS_DIR_LEAF_BYTES) },
		{ "damaged leaves are refused or harmless", hostile(SFFS_DIR_LEAF_BYTES) },
	};
	unsigned int n = SFFS_ARRAY_SIZE(test), failed = 0;

	printf("TAP version 13\n1..%u\n", n);
	for (unsigned int i = 0; i < n; i++) {
		printf("%sok %u %s\n", test[i].ok ? "" : "not ", i + 1, test[i].name);
		failed += !test[i].ok;
	}
	return failed ? 1 : 0;
}
