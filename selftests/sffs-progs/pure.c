// SPDX-License-Identifier: GPL-2.0-only
/*
 * pure: the parts of sffs.ko that are plain functions, bitmaps, leaves of extents and of
 * directories, with random operations against a simple model.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bitmap.h"
#include "dirleaf.h"
#include "extleaf.h"
#include "libsffs.h"

#define ROUNDS		20000
#define LONG_ROUNDS	2000000
#define BITS		2048U
#define NAMES_MAX	512U
#define FILE_BLOCKS	900U

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
	u8 *map = calloc(1, BITS / 8), *filled = calloc(1, BITS / 8);
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
		sffs_bits_fill(filled, from, count, value);
		ok = sffs_bits_count(map, from, count) == (value ? count - want : want) &&
		     sffs_bits_set(map, from, count, value) == want &&
		     !memcmp(map, filled, BITS / 8);
		from = rnd(BITS);
		value = rnd(2);
		for (at = from; at < BITS && model[at] != value; at++)
			;
		ok = ok && sffs_bits_find(map, from, BITS, value) == at;
	}
	free(filled);
	free(map);
	return ok;
}

/* ---- A leaf of extents against what each block of the file is ---- */

struct file {
	u64 block[FILE_BLOCKS];		/* 0: a hole */
	bool unwritten[FILE_BLOCKS];
	struct sffs_extent ext[SFFS_ROOT_EXTENTS];
	unsigned int count;
};

/* The extents say what the model does, in as few pieces as that takes, and end in zeros. */
static bool same_file(const struct file *f)
{
	static const struct sffs_extent none;
	unsigned int i = 0, runs = 0;

	for (u64 k = 0; k < FILE_BLOCKS; k++) {
		const struct sffs_extent *e = &f->ext[i];

		if (!f->block[k])
			continue;
		if (!k || f->block[k - 1] + 1 != f->block[k] ||
		    f->unwritten[k - 1] != f->unwritten[k])
			runs++;
		if (i == f->count || k < ext_first(e) || k >= ext_end(e) ||
		    le64toh(e->block) + k - ext_first(e) != f->block[k] ||
		    ext_unwritten(e) != f->unwritten[k])
			return false;
		i += k + 1 == ext_end(e);
	}
	for (unsigned int k = i; k < SFFS_ROOT_EXTENTS; k++)
		if (memcmp(&f->ext[k], &none, sizeof(none)))
			return false;
	return i == f->count && runs == f->count;
}

/* Put new extents there; a leaf that is full stays as it is. */
static bool splice(struct file *f, unsigned int at, unsigned int old,
		   const struct sffs_extent *part, unsigned int n)
{
	unsigned int count = extleaf_splice(f->ext, f->count, SFFS_ROOT_EXTENTS, at, old, part, n);

	if (count > SFFS_ROOT_EXTENTS)
		return false;
	f->count = count;
	return true;
}

static void set_blocks(struct file *f, u64 first, u64 end, u64 block, bool unwritten)
{
	for (u64 k = first; k < end; k++) {
		f->block[k] = block ? block + k - first : 0;
		f->unwritten[k] = block && unwritten;
	}
}

/* Fill a hole, often with what comes behind the blocks before it, or before those behind. */
static void fill_hole(struct file *f, u64 first, u64 end, int at)
{
	u64 block = 10000 + rnd(1 << 20), to = first + 1;
	bool unwritten = rnd(2);
	struct sffs_extent e;

	while (to < end && !f->block[to])
		to++;
	if (rnd(2) && first && f->block[first - 1])
		block = f->block[first - 1] + 1;
	else if (rnd(2) && to < FILE_BLOCKS && f->block[to] > to - first)
		block = f->block[to] - (to - first);
	e = ext_make(first, block, to - first, unwritten);
	if (splice(f, at + 1, 0, &e, 1))
		set_blocks(f, first, to, block, unwritten);
}

static bool extents(void)
{
	struct file *f = calloc(1, sizeof(*f));
	bool ok = true;

	for (unsigned int i = 0; ok && i < rounds(); i++) {
		u64 first = rnd(FILE_BLOCKS), end = first + 1 + rnd(40);
		int at = extleaf_search(f->ext, f->count, first);
		bool covered = at >= 0 && first < ext_end(&f->ext[at]), unwritten = rnd(2);
		struct sffs_extent part[3], e;

		if (end > FILE_BLOCKS)
			end = FILE_BLOCKS;
		ok = covered == !!f->block[first];
		if (!covered && rnd(3))
			fill_hole(f, first, end, at);
		if (!covered)
			continue;
		e = f->ext[at];
		if (end > ext_end(&e))
			end = ext_end(&e);
		if (rnd(2)) {
			if (splice(f, at, 1, part, ext_changed(&e, first, end, unwritten, part)))
				set_blocks(f, first, end, f->block[first], unwritten);
		} else if (splice(f, at, 1, part, ext_without(&e, first, end, part))) {
			set_blocks(f, first, end, 0, false);
		}
		ok = ok && same_file(f);
	}
	free(f);
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
		{ "leaf of extents as a model", extents() },
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
