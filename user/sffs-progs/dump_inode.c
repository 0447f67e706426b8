// SPDX-License-Identifier: GPL-2.0-only
/* dump.sffs: inodes, their trees, names and attributes. */
#include <stdlib.h>
#include <string.h>

#include "dump.h"

struct lookup {
	const char *name;
	size_t len;
	uint64_t ino;
};

static unsigned int match(const struct sffs_dirent *e, void *data)
{
	struct lookup *l = data;

	if (e->name_len == l->len && !memcmp(e->name, l->name, l->len))
		l->ino = le64toh(e->ino);
	return 0;
}

static unsigned int match_leaf(const struct sffs_leaf *leaf, void *data)
{
	return leaf->level ? 0 : sffs_leaf_names(leaf, match, data);
}

/* All names of a directory, in whichever of the two forms it has. */
static unsigned int walk_dir(struct dump *d, const struct sffs_inode *di, sffs_leaf_fn fn,
			     void *data)
{
	struct sffs_leaf leaf = { .head = di->area, .size = SFFS_INODE_AREA, .high = UINT64_MAX };

	if (di->format == SFFS_FMT_DIR_INLINE)
		return fn(&leaf, data);
	if (di->format == SFFS_FMT_DIR_TREE)
		return sffs_tree_walk(&d->vol, di, SFFS_MAGIC_DIR, fn, data);
	return 0;
}

static const char *inode_fault(struct dump *d, const struct sffs_inode *di, uint64_t ino)
{
	return sffs_meta_fault(&d->vol, di, sffs_ino_block(ino, d->vol.geo.sector_shift),
			       SFFS_MAGIC_INODE, &ino, NULL);
}

static int read_inode(struct dump *d, uint64_t ino, struct sffs_inode *di)
{
	if (!sffs_vol_ino_fits(&d->vol, ino)) {
		sffs_err("inode %llu: no inode can be there", (unsigned long long)ino);
		return -1;
	}
	return sffs_vol_read(&d->vol, sffs_ino_block(ino, d->vol.geo.sector_shift), di);
}

static int follow_path(struct dump *d, const char *path, struct sffs_inode *di)
{
	const char *at = path;

	if (read_inode(d, le64toh(d->vol.sb.root_ino), di))
		return -1;
	for (;;) {
		struct lookup l;

		at += strspn(at, "/");
		if (!*at)
			return 0;
		l = (struct lookup){ .name = at, .len = strcspn(at, "/") };
		walk_dir(d, di, match_leaf, &l);
		if (!l.ino) {
			sffs_err("%s: there is no such file on the volume", path);
			return -1;
		}
		at += l.len;
		if (read_inode(d, l.ino, di))
			return -1;
	}
}

int dump_find_inode(struct dump *d, const char *what, struct sffs_inode *di)
{
	uint64_t ino;

	if (*what == '/')
		return follow_path(d, what, di);
	if (sffs_parse_u64(what, 0, UINT64_MAX, &ino))
		return read_inode(d, ino, di);
	sffs_err("%s: neither the number of an inode nor a path that starts with /", what);
	return -1;
}

int dump_inode(struct dump *d, const struct sffs_inode *di)
{
	static const char * const formats[] = {
		"none", "inline", "extents", "directory leaf", "directory tree"
	};
	uint64_t ino = le64toh(di->h.owner);
	char mode[16];

	dump_open(d, "inode", '{');
	dump_fault(d, inode_fault(d, di, ino));
	snprintf(mode, sizeof(mode), "%07o", le32toh(di->mode));
	dump_str(d, "permissions", mode);
	dump_str(d, "content",
		 di->format < SFFS_ARRAY_SIZE(formats) ? formats[di->format] : "unknown");
	dump_struct(d, sffs_struct_of(SFFS_MAGIC_INODE), di);
	if (di->format == SFFS_FMT_INLINE && le64toh(di->size) <= SFFS_INODE_AREA)
		dump_text(d, "inline_data", di->area, le64toh(di->size));
	dump_close(d, '}');
	return 0;
}

/* ---- Trees ---- */

static unsigned int print_extent(const struct sffs_extent *e, void *data)
{
	struct dump *d = data;

	dump_open(d, NULL, '{');
	dump_struct(d, &sffs_struct_extent, e);
	dump_close(d, '}');
	return 0;
}

static unsigned int print_dirent(const struct sffs_dirent *e, void *data)
{
	struct dump *d = data;

	dump_open(d, NULL, '{');
	dump_text(d, "name", e->name, e->name_len);
	dump_struct(d, &sffs_struct_dirent, e);
	dump_close(d, '}');
	return 0;
}

static void print_indexes(struct dump *d, const struct sffs_leaf *leaf)
{
	const struct sffs_node_head *head = leaf->head;
	const struct sffs_index *index = (const void *)(head + 1);

	for (unsigned int i = 0; i < le16toh(head->count); i++) {
		dump_open(d, NULL, '{');
		dump_struct(d, &sffs_struct_index, &index[i]);
		dump_close(d, '}');
	}
}

struct printed_tree {
	struct dump *d;
	bool names;
};

static unsigned int print_leaf(const struct sffs_leaf *leaf, void *data)
{
	struct printed_tree *t = data;
	struct dump *d = t->d;
	unsigned int bad = 0;

	dump_open(d, NULL, '{');
	dump_u64(d, "at_block", leaf->block);
	dump_struct(d, leaf->level || !t->names ? &sffs_struct_node_head : &sffs_struct_dir_head,
		    leaf->head);
	dump_open(d, leaf->level ? "nodes" : t->names ? "entries" : "extents", '[');
	if (leaf->level)
		print_indexes(d, leaf);
	else if (t->names)
		bad = sffs_leaf_names(leaf, print_dirent, d);
	else
		bad = sffs_leaf_extents(leaf, print_extent, d);
	dump_close(d, ']');
	if (bad)
		dump_fault(d, "impossible entries");
	dump_close(d, '}');
	return bad;
}

int dump_tree(struct dump *d, const struct sffs_inode *di)
{
	struct printed_tree t = { .d = d, .names = di->format != SFFS_FMT_EXTENTS };

	if (t.names && di->format != SFFS_FMT_DIR_INLINE && di->format != SFFS_FMT_DIR_TREE) {
		sffs_err("inode %llu has no tree", (unsigned long long)le64toh(di->h.owner));
		return -1;
	}
	dump_open(d, "tree", '[');
	if (t.names)
		d->damaged |= walk_dir(d, di, print_leaf, &t) != 0;
	else
		d->damaged |= sffs_tree_walk(&d->vol, di, SFFS_MAGIC_EXTENTS, print_leaf, &t) != 0;
	dump_close(d, ']');
	return 0;
}

static unsigned int names_of_leaf(const struct sffs_leaf *leaf, void *data)
{
	return leaf->level ? 0 : sffs_leaf_names(leaf, print_dirent, data);
}

int dump_names(struct dump *d, const struct sffs_inode *di)
{
	if (di->format != SFFS_FMT_DIR_INLINE && di->format != SFFS_FMT_DIR_TREE) {
		sffs_err("inode %llu is no directory", (unsigned long long)le64toh(di->h.owner));
		return -1;
	}
	dump_open(d, "names", '[');
	d->damaged |= walk_dir(d, di, names_of_leaf, d) != 0;
	dump_close(d, ']');
	return 0;
}

/* ---- Attributes ---- */

static int print_value(struct dump *d, const struct sffs_inode *di, uint64_t block)
{
	uint64_t ino = le64toh(di->h.owner);
	uint32_t generation = le32toh(di->h.generation);
	struct sffs_set seen = { 0 };
	int ret = 0;

	dump_open(d, "value_blocks", '[');
	while (block && !ret) {
		struct sffs_xvalue_block vb;

		if (!sffs_vol_in_group(&d->vol, block, 1) || !sffs_set_add(&seen, block)) {
			dump_fault(d, "the chain of the value leads astray");
			break;
		}
		ret = sffs_vol_read(&d->vol, block, &vb);
		if (ret)
			break;
		dump_open(d, NULL, '{');
		dump_fault(d, sffs_meta_fault(&d->vol, &vb, block, SFFS_MAGIC_XVALUE, &ino,
					      &generation));
		dump_struct(d, sffs_struct_of(SFFS_MAGIC_XVALUE), &vb);
		dump_close(d, '}');
		block = le64toh(vb.next);
	}
	dump_close(d, ']');
	sffs_set_free(&seen);
	return ret;
}

static int print_xattr_area(struct dump *d, const struct sffs_inode *di, const uint8_t *area,
			    uint32_t size)
{
	int ret = 0;

	for (uint32_t off = 0; !ret && off + SFFS_XATTR_ENTRY_HEAD <= size;) {
		const struct sffs_xattr_entry *e = (const void *)(area + off);
		uint32_t value = e->value_block ? 0 : le32toh(e->value_size);
		uint64_t need = (SFFS_XATTR_ENTRY_HEAD + (uint64_t)e->name_len + value + 7) & ~7ULL;

		if (!e->name_index)
			break;
		if (need > size - off) {
			dump_fault(d, "an attribute does not fit");
			break;
		}
		dump_open(d, NULL, '{');
		dump_struct(d, &sffs_struct_xattr_entry, e);
		dump_text(d, "name", e->name, e->name_len);
		if (e->value_block)
			ret = print_value(d, di, le64toh(e->value_block));
		else
			dump_text(d, "value", e->name + e->name_len, value < 256 ? value : 256);
		dump_close(d, '}');
		off += need;
	}
	return ret;
}

int dump_xattrs(struct dump *d, const struct sffs_inode *di)
{
	uint64_t block = le64toh(di->xattr_block), ino = le64toh(di->h.owner);
	uint32_t generation = le32toh(di->h.generation);
	struct sffs_set seen = { 0 };
	int ret;

	dump_open(d, "xattrs", '[');
	ret = print_xattr_area(d, di, di->xattr, SFFS_INODE_XATTR);
	while (block && !ret) {
		struct sffs_xattr_block xb;
		const char *why = NULL;

		if (!sffs_vol_in_group(&d->vol, block, 1) || !sffs_set_add(&seen, block))
			why = "leads astray";
		else if (sffs_vol_read(&d->vol, block, &xb))
			ret = -1;
		else
			why = sffs_meta_fault(&d->vol, &xb, block, SFFS_MAGIC_XATTR, &ino,
					      &generation);
		if (why || ret) {
			dump_open(d, NULL, '{');
			dump_fault(d, why);
			dump_close(d, '}');
			break;
		}
		ret = print_xattr_area(d, di, xb.entries, sizeof(xb.entries));
		block = le64toh(xb.next);
	}
	dump_close(d, ']');
	sffs_set_free(&seen);
	return ret;
}
