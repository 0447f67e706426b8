// SPDX-License-Identifier: GPL-2.0-only
/* Directories: claiming what they use, reading their names, writing one anew. */
#include <stdlib.h>
#include <string.h>

#include "fsck.h"

struct reader {
	struct fsck *f;
	struct fsck_inode *fi;		/* whose blocks are claimed, or NULL */
	struct fsck_names *names;	/* where names go, or NULL */
	uint64_t low, high;		/* of the leaf at hand */
	uint64_t last;			/* the last key; 0: none yet */
};

void fsck_add_name(struct fsck_names *n, uint64_t ino, uint8_t type, const void *name, size_t len)
{
	if (n->nr == n->max) {
		n->max = 2 * n->max + 64;
		n->name = sffs_grow(n->name, n->max, sizeof(*n->name));
	}
	n->name[n->nr] = (struct sffs_name){
		.ino = ino, .type = type, .len = len, .name = sffs_grow(NULL, len + 1, 1),
	};
	memcpy(n->name[n->nr].name, name, len);
	n->name[n->nr++].name[len] = 0;
}

void fsck_free_names(struct fsck_names *n)
{
	for (size_t i = 0; i < n->nr; i++)
		free(n->name[i].name);
	free(n->name);
	*n = (struct fsck_names){ 0 };
}

static bool name_ok(const struct sffs_dirent *e)
{
	const char *s = (const char *)e->name;
	size_t len = e->name_len;

	return !memchr(s, '/', len) && !memchr(s, 0, len) && !(len == 1 && *s == '.') &&
	       !(len == 2 && !memcmp(s, "..", 2));
}

static unsigned int take_name(const struct sffs_dirent *e, void *data)
{
	struct reader *r = data;
	uint64_t key = le64toh(e->key);
	unsigned int bad = 0;

	if (!name_ok(e))
		return 1;
	/* A name in the wrong place is a fault, but it is a name. */
	if (key < 2 || key >> 63 || key <= r->last || key < r->low || key >= r->high ||
	    key >> SFFS_DIR_SEQ_BITS !=
	    sffs_name_key(&r->f->vol, e->name, e->name_len) >> SFFS_DIR_SEQ_BITS)
		bad = 1;
	if (key > r->last)
		r->last = key;
	if (r->names) {
		fsck_add_name(r->names, le64toh(e->ino), e->type, e->name, e->name_len);
		r->names->name[r->names->nr - 1].key = key;
	}
	if (r->fi)
		r->fi->entries++;
	return bad;
}

static unsigned int visit(const struct sffs_leaf *leaf, void *data)
{
	const struct sffs_node_head *head = leaf->head;
	const struct sffs_dir_head *dh = leaf->head;
	struct reader *r = data;
	unsigned int bad = 0;

	if (leaf->block && sffs_space_in_chunk(&r->f->space, leaf->block))
		return 1;
	if (r->fi && leaf->block) {
		fsck_check_reserved(r->f, leaf->block);
		sffs_space_set(&r->f->space, &r->f->space.used, leaf->block, 1);
		sffs_space_set(&r->f->space, &r->f->space.meta, leaf->block, 1);
		r->fi->blocks++;
		r->fi->leaves += !leaf->level;
	}
	if (leaf->level)
		return head->reserved1 || head->reserved2;
	r->low = leaf->low;
	r->high = leaf->high;
	bad += dh->level || dh->reserved || (leaf->block && !dh->count);
	return bad + sffs_leaf_names(leaf, take_name, r);
}

static unsigned int read_dir(struct reader *r, const struct sffs_inode *di)
{
	const struct sffs_node_head *head = (const void *)di->area;
	struct sffs_leaf leaf = { .head = di->area, .size = SFFS_INODE_AREA, .high = UINT64_MAX };

	if (di->format == SFFS_FMT_DIR_INLINE)
		return visit(&leaf, r);
	if (!head->level)
		return 1;
	return sffs_tree_walk(&r->f->vol, di, SFFS_MAGIC_DIR, visit, r);
}

/* Two names that are the same have keys that differ in their low bits alone. */
static unsigned int twins(struct fsck_names *n, bool drop)
{
	unsigned int found = 0;
	size_t out = 0;

	for (size_t i = 0; i < n->nr; i++) {
		struct sffs_name *a = &n->name[i];
		bool twin = false;

		for (size_t k = out; k-- > 0 && !twin; ) {
			const struct sffs_name *b = &n->name[k];

			if (a->key >> SFFS_DIR_SEQ_BITS != b->key >> SFFS_DIR_SEQ_BITS)
				break;
			twin = a->len == b->len && !memcmp(a->name, b->name, a->len);
		}
		found += twin;
		if (twin && drop)
			free(a->name);
		else
			n->name[out++] = *a;
	}
	n->nr = out;
	return found;
}

unsigned int fsck_claim_dir(struct fsck *f, struct fsck_inode *fi, const struct sffs_inode *di)
{
	struct fsck_names names = { 0 };
	struct reader r = { .f = f, .fi = fi, .names = &names };
	unsigned int bad = read_dir(&r, di) + twins(&names, false);

	fsck_free_names(&names);
	return bad;
}

unsigned int fsck_read_names(struct fsck *f, const struct sffs_inode *di, struct fsck_names *n)
{
	struct reader r = { .f = f, .names = n };

	*n = (struct fsck_names){ 0 };
	return read_dir(&r, di);
}

int fsck_write_dir(struct fsck *f, struct fsck_inode *fi, struct fsck_names *n)
{
	struct sffs_inode di;
	int ret = fsck_load_inode(f, fi, &di);

	if (!ret) {
		/* Right keys first: only then twins are neighbours. */
		for (size_t i = 0; i < n->nr; i++)
			n->name[i].key = sffs_name_key(&f->vol, n->name[i].name, n->name[i].len);
		di.blocks = htole64(fi->xblocks + fi->ranges);
		ret = sffs_build_dir(&f->builder, &di, n->name, n->nr);
		if (!ret && twins(n, true))
			ret = sffs_build_dir(&f->builder, &di, n->name, n->nr);
	}
	if (ret) {
		fsck_failed(f, "no block is left");
		ret = 0;
	} else {
		ret = fsck_store_inode(f, &di);
	}
	fi->flags &= ~FSCK_TREE;
	fi->entries = le64toh(di.entries);
	fi->blocks = le64toh(di.blocks);
	fi->leaves = di.format == SFFS_FMT_DIR_TREE ? le64toh(di.size) / SFFS_BLOCK_SIZE : 0;
	fsck_free_names(n);
	return ret;
}
