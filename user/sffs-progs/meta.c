// SPDX-License-Identifier: GPL-2.0-only
/* Metadata blocks: reading, checking, and walking the trees of inodes. */
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "meta.h"

void *sffs_grow(void *old, size_t count, size_t size)
{
	void *p = reallocarray(old, count ? count : 1, size);

	if (!p) {
		sffs_err("out of memory");
		exit(8);
	}
	return p;
}

/* ---- Sets ---- */

static size_t set_place(const struct sffs_set *s, uint64_t v)
{
	size_t i = (v * 0x9e3779b97f4a7c15ULL) >> 20;

	for (;; i++) {
		i &= s->size - 1;
		if (!s->slot[i] || s->slot[i] == v)
			return i;
	}
}

bool sffs_set_add(struct sffs_set *s, uint64_t v)
{
	size_t i;

	if (2 * s->nr >= s->size) {
		struct sffs_set old = *s;

		s->size = old.size ? 2 * old.size : 64;
		s->slot = sffs_grow(NULL, s->size, sizeof(*s->slot));
		memset(s->slot, 0, s->size * sizeof(*s->slot));
		for (i = 0; i < old.size; i++)
			if (old.slot[i])
				s->slot[set_place(s, old.slot[i])] = old.slot[i];
		free(old.slot);
	}
	i = set_place(s, v);
	if (s->slot[i])
		return false;
	s->slot[i] = v;
	s->nr++;
	return true;
}

void sffs_set_free(struct sffs_set *s)
{
	free(s->slot);
	*s = (struct sffs_set){ 0 };
}

/* ---- Blocks ---- */

struct overlay {
	uint64_t block;
	uint8_t data[SFFS_BLOCK_SIZE];
};

static int by_block(const void *a, const void *b)
{
	const struct overlay *x = a, *y = b;

	return x->block < y->block ? -1 : x->block > y->block;
}

int sffs_vol_read(const struct sffs_volume *vol, uint64_t block, void *buf)
{
	struct overlay **found = NULL;

	if (vol->overlay)
		found = tfind(&block, &vol->overlay, by_block);
	if (!found)
		return sffs_read_blocks(&vol->dev, block, buf, 1);
	memcpy(buf, (*found)->data, SFFS_BLOCK_SIZE);
	return 0;
}

int sffs_vol_write(struct sffs_volume *vol, uint64_t block, const void *buf)
{
	struct overlay *o, **slot;

	if (!vol->read_only)
		return sffs_write_blocks(&vol->dev, block, buf, 1);
	o = sffs_grow(NULL, 1, sizeof(*o));
	o->block = block;
	slot = tsearch(o, &vol->overlay, by_block);
	if (!slot) {
		sffs_err("out of memory");
		exit(8);
	}
	if (*slot != o)
		free(o);
	memcpy((*slot)->data, buf, SFFS_BLOCK_SIZE);
	return 0;
}

void sffs_vol_drop_overlay(struct sffs_volume *vol)
{
	while (vol->overlay) {
		struct overlay *o = *(struct overlay **)vol->overlay;

		tdelete(o, &vol->overlay, by_block);
		free(o);
	}
}

int sffs_vol_flush_overlay(struct sffs_volume *vol)
{
	int ret = 0;

	while (vol->overlay) {
		struct overlay *o = *(struct overlay **)vol->overlay;

		ret |= sffs_write_blocks(&vol->dev, o->block, o->data, 1);
		tdelete(o, &vol->overlay, by_block);
		free(o);
	}
	return ret;
}

const char *sffs_meta_fault(const struct sffs_volume *vol, const void *buf, uint64_t block,
			    uint32_t magic, const uint64_t *owner, const uint32_t *generation)
{
	const struct sffs_header *h = buf;

	if (le32toh(h->magic) != magic)
		return "wrong magic number";
	if (!sffs_crc_ok(buf, SFFS_BLOCK_SIZE, magic == SFFS_MAGIC_SUPER ? ~0U : vol->seed))
		return "wrong checksum";
	if (le64toh(h->block) != block)
		return "belongs to another block";
	if (owner && le64toh(h->owner) != *owner)
		return "belongs to another owner";
	if (generation && le32toh(h->generation) != *generation)
		return "of another generation";
	return NULL;
}

bool sffs_record_ok(const struct sffs_volume *vol, const void *rec, uint32_t magic)
{
	uint32_t m;

	memcpy(&m, rec, sizeof(m));
	return le32toh(m) == magic && sffs_crc_ok(rec, SFFS_RECORD_SIZE, vol->seed);
}

int64_t sffs_vol_group_of(const struct sffs_volume *vol, uint64_t block)
{
	const struct sffs_geometry *g = &vol->geo;
	uint64_t n;

	if (block < g->first_group_block || block >= g->blocks)
		return -1;
	n = (block - g->first_group_block) >> g->group_shift;
	return n < g->groups ? (int64_t)n : -1;
}

bool sffs_vol_in_group(const struct sffs_volume *vol, uint64_t block, uint64_t count)
{
	const struct sffs_geometry *g = &vol->geo;
	int64_t group = sffs_vol_group_of(vol, block);
	uint64_t at, blocks;

	if (group < 0 || !count)
		return false;
	at = block - sffs_geometry_group(g, group);
	blocks = sffs_geometry_group_blocks(g, group);
	return at >= SFFS_GROUP_BITMAP + g->bitmap_blocks && count <= blocks &&
	       at <= blocks - count;
}

bool sffs_vol_ino_fits(const struct sffs_volume *vol, uint64_t ino)
{
	return sffs_vol_in_group(vol, sffs_ino_chunk(ino),
				 sffs_chunk_blocks(vol->geo.sector_shift));
}

/* ---- Trees ---- */

struct walk {
	const struct sffs_volume *vol;
	const struct sffs_inode *di;
	uint32_t leaf_magic;
	sffs_leaf_fn fn;
	void *data;
	struct sffs_set seen;
};

static unsigned int walk_block(struct walk *w, uint64_t block, unsigned int level, uint64_t low,
			       uint64_t high);

static unsigned int walk_node(struct walk *w, const struct sffs_leaf *node, unsigned int max)
{
	const struct sffs_node_head *head = node->head;
	const struct sffs_index *index = (const void *)(head + 1);
	unsigned int count = le16toh(head->count), bad;

	if (!count || count > max)
		return 1;
	bad = w->fn(node, w->data);
	for (unsigned int i = 0; i < count; i++) {
		uint64_t low = i ? le64toh(index[i].key) : node->low;
		uint64_t high = i + 1 < count ? le64toh(index[i + 1].key) : node->high;

		/* Entry 0 has all keys below entry 1's, whatever its own says. */
		if (low >= high) {
			bad++;
			low = node->low;
			high = node->high;
		}
		bad += walk_block(w, le64toh(index[i].block), node->level - 1, low, high);
	}
	return bad;
}

static unsigned int walk_block(struct walk *w, uint64_t block, unsigned int level, uint64_t low,
			       uint64_t high)
{
	uint64_t ino = le64toh(w->di->h.owner);
	uint32_t generation = le32toh(w->di->h.generation);
	uint8_t buf[SFFS_BLOCK_SIZE] __attribute__((aligned(8)));
	const struct sffs_node_head *head = (const void *)(buf + sizeof(struct sffs_header));
	struct sffs_leaf leaf = {
		.block = block, .level = level, .low = low, .high = high, .head = head,
		.size = SFFS_BLOCK_SIZE - sizeof(struct sffs_header),
	};

	if (!sffs_vol_in_group(w->vol, block, 1) || !sffs_set_add(&w->seen, block) ||
	    sffs_vol_read(w->vol, block, buf) ||
	    sffs_meta_fault(w->vol, buf, block, level ? SFFS_MAGIC_NODE : w->leaf_magic, &ino,
			    &generation) || le16toh(head->level) != level)
		return 1;
	return level ? walk_node(w, &leaf, SFFS_NODE_INDEXES) : w->fn(&leaf, w->data);
}

unsigned int sffs_tree_walk(const struct sffs_volume *vol, const struct sffs_inode *di,
			    uint32_t leaf_magic, sffs_leaf_fn fn, void *data)
{
	struct walk w = { .vol = vol, .di = di, .leaf_magic = leaf_magic, .fn = fn, .data = data };
	const struct sffs_node_head *head = (const void *)di->area;
	struct sffs_leaf root = {
		.level = le16toh(head->level), .high = UINT64_MAX, .head = head,
		.size = SFFS_INODE_AREA,
	};
	unsigned int bad;

	if (root.level > SFFS_TREE_DEPTH_MAX)
		return 1;
	bad = root.level ? walk_node(&w, &root, SFFS_ROOT_INDEXES) : fn(&root, data);
	sffs_set_free(&w.seen);
	return bad;
}

/* ---- Leaves ---- */

unsigned int sffs_leaf_names(const struct sffs_leaf *leaf, sffs_name_fn fn, void *data)
{
	const struct sffs_dir_head *h = leaf->head;
	const uint16_t *slot = (const void *)(h + 1);
	uint32_t count = le16toh(h->count), low = le16toh(h->low), bytes = 0;
	unsigned int bad = 0;

	if (count > (leaf->size - sizeof(*h)) / sizeof(*slot))
		return 1;
	if (low > leaf->size || sizeof(*h) + count * sizeof(*slot) > low)
		bad++;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t off = le16toh(slot[i]), len;
		const struct sffs_dirent *e = (const void *)((const char *)leaf->head + off);

		if (off % 8 || off < sizeof(*h) || off + SFFS_DIRENT_HEAD > leaf->size) {
			bad++;
			continue;
		}
		len = (SFFS_DIRENT_HEAD + e->name_len + 7) & ~7U;
		if (!e->name_len || len > leaf->size - off) {
			bad++;
			continue;
		}
		bad += off < low;
		bytes += len;
		bad += fn(e, data);
	}
	return bad + (!bad && bytes + le16toh(h->dead) != leaf->size - low);
}

unsigned int sffs_leaf_extents(const struct sffs_leaf *leaf, sffs_extent_fn fn, void *data)
{
	const struct sffs_node_head *head = leaf->head;
	const struct sffs_extent *e = (const void *)(head + 1);
	unsigned int count = le16toh(head->count), bad = 0;

	if (count > (leaf->block ? SFFS_NODE_EXTENTS : SFFS_ROOT_EXTENTS))
		return 1;
	bad = leaf->block && !count;
	for (unsigned int i = 0; i < count; i++)
		bad += fn(&e[i], data);
	return bad;
}
