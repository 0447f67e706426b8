// SPDX-License-Identifier: GPL-2.0-only
/* Extended attributes: checking them, and writing those that are whole anew. */
#include <stdlib.h>
#include <string.h>

#include "fsck.h"

#define CHAIN_MAX	64U	/* entry blocks of one inode */

struct attrs {
	struct fsck *f;
	struct fsck_inode *fi;		/* whose blocks are counted, or NULL */
	const struct sffs_inode *di;
	struct sffs_set seen;
	struct sffs_attr *attr;
	size_t nr, max;
	unsigned int bad;
};

/* Read a block of the inode's attributes; none comes twice. */
static bool read_block(struct attrs *a, uint64_t block, uint32_t magic, void *buf)
{
	uint32_t generation = le32toh(a->di->h.generation);

	if (!sffs_vol_in_group(&a->f->vol, block, 1) ||
	    sffs_space_in_chunk(&a->f->space, block) || !sffs_set_add(&a->seen, block) ||
	    !fsck_read_meta(a->f, block, magic, le64toh(a->di->h.owner), &generation, buf))
		return false;
	if (a->fi) {
		sffs_space_set(&a->f->space, &a->f->space.used, block, 1);
		sffs_space_set(&a->f->space, &a->f->space.meta, block, 1);
		a->fi->blocks++;
		a->fi->xblocks++;
	}
	return true;
}

/* The value of an entry in memory of its own, or NULL. */
static void *read_value(struct attrs *a, const struct sffs_xattr_entry *e)
{
	uint32_t size = le32toh(e->value_size), done = 0;
	uint64_t block = le64toh(e->value_block);
	uint8_t *value = sffs_grow(NULL, size, 1);

	if (!block) {
		memcpy(value, e->name + e->name_len, size);
		return value;
	}
	while (block) {
		struct sffs_xvalue_block vb;
		uint32_t n;

		if (!read_block(a, block, SFFS_MAGIC_XVALUE, &vb))
			break;
		n = le32toh(vb.size);
		if (!n || n > SFFS_XVALUE_BYTES || n > size - done)
			break;
		memcpy(value + done, vb.data, n);
		done += n;
		block = le64toh(vb.next);
	}
	if (!block && done == size)
		return value;
	free(value);
	return NULL;
}

static bool known(const struct attrs *a, const struct sffs_xattr_entry *e)
{
	for (size_t i = 0; i < a->nr; i++)
		if (a->attr[i].index == e->name_index && a->attr[i].len == e->name_len &&
		    !memcmp(a->attr[i].name, e->name, e->name_len))
			return true;
	return false;
}

static bool entry_ok(const struct sffs_xattr_entry *e, uint32_t room, uint32_t *need)
{
	uint32_t size = le32toh(e->value_size);

	if (e->name_index > SFFS_XATTR_ACL_DEFAULT || size > SFFS_XATTR_VALUE_MAX ||
	    (e->name_index >= SFFS_XATTR_ACL_ACCESS && e->name_len) ||
	    (!e->value_block && size > SFFS_XATTR_VALUE_INLINE))
		return false;
	*need = (SFFS_XATTR_ENTRY_HEAD + e->name_len + (e->value_block ? 0 : size) + 7) & ~7U;
	return *need <= room;
}

static void keep(struct attrs *a, const struct sffs_xattr_entry *e, const void *value)
{
	char *name = sffs_grow(NULL, e->name_len, 1);

	memcpy(name, e->name, e->name_len);
	if (a->nr == a->max) {
		a->max = 2 * a->max + 16;
		a->attr = sffs_grow(a->attr, a->max, sizeof(*a->attr));
	}
	a->attr[a->nr++] = (struct sffs_attr){
		.index = e->name_index, .len = e->name_len, .name = name, .value = value,
		.size = le32toh(e->value_size),
	};
}

static void read_area(struct attrs *a, const uint8_t *area, uint32_t size)
{
	uint32_t need;

	for (uint32_t off = 0; off + SFFS_XATTR_ENTRY_HEAD <= size; off += need) {
		const struct sffs_xattr_entry *e = (const void *)(area + off);
		void *value;

		if (!e->name_index)
			return;
		if (!entry_ok(e, size - off, &need)) {
			a->bad++;
			return;
		}
		a->bad += e->reserved != 0;
		value = known(a, e) ? NULL : read_value(a, e);
		if (value)
			keep(a, e, value);
		else
			a->bad++;
	}
}

static void read_all(struct attrs *a)
{
	uint64_t block = le64toh(a->di->xattr_block);
	unsigned int n = 0;

	read_area(a, a->di->xattr, SFFS_INODE_XATTR);
	while (block) {
		struct sffs_xattr_block xb;

		if (n++ == CHAIN_MAX || !read_block(a, block, SFFS_MAGIC_XATTR, &xb)) {
			a->bad++;
			break;
		}
		read_area(a, xb.entries, sizeof(xb.entries));
		block = le64toh(xb.next);
	}
}

static void free_all(struct attrs *a)
{
	for (size_t i = 0; i < a->nr; i++) {
		free((void *)a->attr[i].name);
		free((void *)a->attr[i].value);
	}
	free(a->attr);
	sffs_set_free(&a->seen);
}

unsigned int fsck_claim_xattrs(struct fsck *f, struct fsck_inode *fi, const struct sffs_inode *di)
{
	struct attrs a = { .f = f, .fi = fi, .di = di };

	read_all(&a);
	free_all(&a);
	return a.bad;
}

int fsck_rebuild_xattrs(struct fsck *f, const struct sffs_inode *old, struct sffs_inode *di)
{
	struct attrs a = { .f = f, .di = old };
	int ret;

	read_all(&a);
	ret = sffs_build_xattrs(&f->builder, di, a.attr, a.nr);
	free_all(&a);
	return ret;
}
