// SPDX-License-Identifier: GPL-2.0-only
/* Writing directories, extent trees and attributes anew. */
#include <stdlib.h>
#include <string.h>

#include "build.h"

/* A new block of the inode @di: counted, sealed, written. 0 if that fails. */
static uint64_t put_block(struct sffs_builder *b, struct sffs_inode *di, uint32_t magic, void *buf)
{
	uint64_t block = b->take(b->ctx);

	if (!block)
		return 0;
	sffs_block_seal(buf, magic, block, le64toh(di->h.owner), le32toh(di->h.generation),
			b->vol->seed);
	if (sffs_vol_write(b->vol, block, buf))
		return 0;
	di->blocks = htole64(le64toh(di->blocks) + 1);
	return block;
}

/* ---- Trees ---- */

/* The children of the level being built, and the blocks that took their place. */
struct level {
	uint64_t *key, *block;
	size_t nr;
};

static void level_add(struct level *l, uint64_t key, uint64_t block)
{
	l->key = sffs_grow(l->key, l->nr + 1, sizeof(*l->key));
	l->block = sffs_grow(l->block, l->nr + 1, sizeof(*l->block));
	l->key[l->nr] = key;
	l->block[l->nr++] = block;
}

static void level_free(struct level *l)
{
	free(l->key);
	free(l->block);
}

static void put_indexes(struct sffs_node_head *head, unsigned int height, const struct level *l,
			size_t at, size_t n)
{
	struct sffs_index *index = (void *)(head + 1);

	head->level = htole16(height);
	head->count = htole16(n);
	for (size_t i = 0; i < n; i++) {
		index[i].key = htole64(l->key[at + i]);
		index[i].block = htole64(l->block[at + i]);
	}
}

/* Write nodes over the children until a root has room for what is left; frees @l. */
static int put_tree(struct sffs_builder *b, struct sffs_inode *di, struct level *l)
{
	unsigned int height = 1;
	int ret = -1;

	l->key[0] = 0;
	for (; l->nr > SFFS_ROOT_INDEXES; height++) {
		struct level up = { 0 };

		for (size_t at = 0, n; at < l->nr; at += n) {
			uint8_t buf[SFFS_BLOCK_SIZE] __attribute__((aligned(8))) = { 0 };
			uint64_t block;

			n = l->nr - at < SFFS_NODE_INDEXES ? l->nr - at : SFFS_NODE_INDEXES;
			put_indexes((void *)(buf + sizeof(struct sffs_header)), height, l, at, n);
			block = put_block(b, di, SFFS_MAGIC_NODE, buf);
			if (!block) {
				level_free(&up);
				goto out;
			}
			level_add(&up, l->key[at], block);
		}
		level_free(l);
		*l = up;
	}
	memset(di->area, 0, sizeof(di->area));
	put_indexes((void *)di->area, height, l, 0, l->nr);
	ret = 0;
out:
	level_free(l);
	return ret;
}

static void put_extents(struct sffs_node_head *head, const struct sffs_run *run, size_t nr)
{
	struct sffs_extent *e = (void *)(head + 1);

	head->count = htole16(nr);
	for (size_t i = 0; i < nr; i++) {
		e[i].file_block = htole64(run[i].file_block);
		e[i].block = htole64(run[i].block);
		e[i].count = htole32(run[i].count);
		e[i].flags = htole32(run[i].flags);
	}
}

int sffs_build_extents(struct sffs_builder *b, struct sffs_inode *di, const struct sffs_run *run,
		       size_t nr)
{
	struct level leaves = { 0 };
	uint64_t data = 0;

	for (size_t i = 0; i < nr; i++)
		data += run[i].count;
	di->blocks = htole64(le64toh(di->blocks) + data);
	di->format = SFFS_FMT_EXTENTS;
	memset(di->area, 0, sizeof(di->area));
	if (nr <= SFFS_ROOT_EXTENTS) {
		put_extents((void *)di->area, run, nr);
		return 0;
	}
	for (size_t at = 0, n; at < nr; at += n) {
		uint8_t buf[SFFS_BLOCK_SIZE] __attribute__((aligned(8))) = { 0 };
		uint64_t block;

		n = nr - at < SFFS_NODE_EXTENTS ? nr - at : SFFS_NODE_EXTENTS;
		put_extents((void *)(buf + sizeof(struct sffs_header)), run + at, n);
		block = put_block(b, di, SFFS_MAGIC_EXTENTS, buf);
		if (!block) {
			level_free(&leaves);
			return -1;
		}
		level_add(&leaves, run[at].file_block, block);
	}
	return put_tree(b, di, &leaves);
}

/* ---- Directories ---- */

static uint32_t entry_size(const struct sffs_name *n)
{
	return (SFFS_DIRENT_HEAD + n->len + 7) & ~7U;
}

/* How many of the names go into a leaf of this size. */
static size_t fit(const struct sffs_name *n, size_t nr, uint32_t size)
{
	uint32_t used = sizeof(struct sffs_dir_head);
	size_t i;

	for (i = 0; i < nr; i++) {
		used += entry_size(&n[i]) + 2;
		if (used > size)
			break;
	}
	return i;
}

static void put_leaf(void *leaf, uint32_t size, const struct sffs_name *n, size_t nr)
{
	struct sffs_dir_head *h = leaf;
	uint16_t *slot = (uint16_t *)(h + 1);
	uint32_t low = size;

	for (size_t i = 0; i < nr; i++) {
		struct sffs_dirent *e;

		low -= entry_size(&n[i]);
		e = (void *)((char *)leaf + low);
		e->key = htole64(n[i].key);
		e->ino = htole64(n[i].ino);
		e->type = n[i].type;
		e->name_len = n[i].len;
		memcpy(e->name, n[i].name, n[i].len);
		slot[i] = htole16(low);
	}
	h->count = htole16(nr);
	h->low = htole16(low);
}

static int by_key(const void *a, const void *b)
{
	const struct sffs_name *x = a, *y = b;
	int d;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	d = memcmp(x->name, y->name, x->len < y->len ? x->len : y->len);
	return d ? d : x->len - y->len;
}

static void give_keys(struct sffs_builder *b, struct sffs_name *n, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		n[i].key = sffs_name_key(b->vol, n[i].name, n[i].len);
	if (nr)
		qsort(n, nr, sizeof(*n), by_key);
	for (size_t i = 1; i < nr; i++)
		if (n[i].key <= n[i - 1].key)
			n[i].key = n[i - 1].key + 1;
}

int sffs_build_dir(struct sffs_builder *b, struct sffs_inode *di, struct sffs_name *names,
		   size_t nr)
{
	struct level leaves = { 0 };

	give_keys(b, names, nr);
	memset(di->area, 0, sizeof(di->area));
	di->entries = htole64(nr);
	if (fit(names, nr, SFFS_INODE_AREA) == nr) {
		di->format = SFFS_FMT_DIR_INLINE;
		di->size = htole64(SFFS_INODE_AREA);
		put_leaf(di->area, SFFS_INODE_AREA, names, nr);
		return 0;
	}
	for (size_t at = 0, n; at < nr; at += n) {
		uint8_t buf[SFFS_BLOCK_SIZE] __attribute__((aligned(8))) = { 0 };
		uint64_t block;

		n = fit(names + at, nr - at, SFFS_DIR_LEAF_BYTES);
		put_leaf(buf + sizeof(struct sffs_header), SFFS_DIR_LEAF_BYTES, names + at, n);
		block = put_block(b, di, SFFS_MAGIC_DIR, buf);
		if (!block) {
			level_free(&leaves);
			return -1;
		}
		level_add(&leaves, names[at].key, block);
	}
	di->format = SFFS_FMT_DIR_TREE;
	di->size = htole64((uint64_t)leaves.nr * SFFS_BLOCK_SIZE);
	return put_tree(b, di, &leaves);
}

/* ---- Attributes ---- */

/* Write a value that is too long for its entry; the last block first, for the links. */
static uint64_t put_value(struct sffs_builder *b, struct sffs_inode *di, const uint8_t *value,
			  uint32_t size)
{
	uint64_t next = 0;
	uint32_t end = size;

	while (end) {
		uint32_t n = (end - 1) % SFFS_XVALUE_BYTES + 1;
		struct sffs_xvalue_block vb = { .next = htole64(next), .size = htole32(n) };

		memcpy(vb.data, value + end - n, n);
		next = put_block(b, di, SFFS_MAGIC_XVALUE, &vb);
		if (!next)
			return 0;
		end -= n;
	}
	return next;
}

static uint32_t attr_size(const struct sffs_attr *a)
{
	uint32_t value = a->size > SFFS_XATTR_VALUE_INLINE ? 0 : a->size;

	return (SFFS_XATTR_ENTRY_HEAD + a->len + value + 7) & ~7U;
}

static int put_attr(struct sffs_builder *b, struct sffs_inode *di, uint8_t *at,
		    const struct sffs_attr *a)
{
	struct sffs_xattr_entry *e = (void *)at;
	bool outside = a->size > SFFS_XATTR_VALUE_INLINE;
	uint64_t block = outside ? put_value(b, di, a->value, a->size) : 0;

	if (outside && !block)
		return -1;
	e->name_index = a->index;
	e->name_len = a->len;
	e->value_size = htole32(a->size);
	e->value_block = htole64(block);
	memcpy(e->name, a->name, a->len);
	if (!outside)
		memcpy(e->name + a->len, a->value, a->size);
	return 0;
}

/* Fill an area with those attributes that fit and are not yet done. */
static int put_area(struct sffs_builder *b, struct sffs_inode *di, uint8_t *area, uint32_t size,
		    const struct sffs_attr *attr, size_t nr, bool *done)
{
	uint32_t used = 0;

	for (size_t i = 0; i < nr; i++) {
		uint32_t need = attr_size(&attr[i]);

		if (done[i] || need > size - used)
			continue;
		if (put_attr(b, di, area + used, &attr[i]))
			return -1;
		used += need;
		done[i] = true;
	}
	return 0;
}

static bool all_done(const bool *done, size_t nr)
{
	while (nr && done[nr - 1])
		nr--;
	return !nr;
}

int sffs_build_xattrs(struct sffs_builder *b, struct sffs_inode *di, const struct sffs_attr *attr,
		      size_t nr)
{
	bool *done = sffs_grow(NULL, nr, sizeof(*done));
	uint64_t next = 0;
	int ret;

	memset(done, 0, nr * sizeof(*done));
	memset(di->xattr, 0, sizeof(di->xattr));
	di->xattr_block = 0;
	ret = put_area(b, di, di->xattr, SFFS_INODE_XATTR, attr, nr, done);
	while (!ret && !all_done(done, nr)) {
		struct sffs_xattr_block xb = { .next = htole64(next) };

		ret = put_area(b, di, xb.entries, sizeof(xb.entries), attr, nr, done);
		if (ret)
			break;
		next = put_block(b, di, SFFS_MAGIC_XATTR, &xb);
		ret = next ? 0 : -1;
	}
	di->xattr_block = htole64(next);
	free(done);
	return ret;
}
