// SPDX-License-Identifier: GPL-2.0-only
/* Changing the metadata of an image field by field; see image.h. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image.h"

static void die(const char *path, const char *what)
{
	fprintf(stderr, "%s: %s\n", path, what);
	exit(1);
}

static uint8_t *block_at(const struct image *im, uint64_t block)
{
	return im->data + block * SFFS_BLOCK_SIZE;
}

static bool is_metadata(const struct image *im, uint64_t block)
{
	const struct sffs_header *h = (void *)block_at(im, block);
	const struct sffs_struct *s = sffs_struct_of(le32toh(h->magic));

	return s && s->size == SFFS_BLOCK_SIZE &&
	       !sffs_meta_fault(&im->vol, h, block, s->magic, NULL, NULL);
}

void image_load(struct image *im, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	const char *why = "cannot be read";
	struct stat st;
	ssize_t n = 0;

	*im = (struct image){ .random = 1 };
	if (fd < 0 || fstat(fd, &st))
		die(path, why);
	im->bytes = st.st_size;
	im->data = calloc(1, im->bytes);
	im->changed = calloc(1, im->bytes / SFFS_BLOCK_SIZE);
	for (uint64_t at = 0; im->data && im->changed && at < im->bytes; at += n) {
		n = pread(fd, im->data + at, im->bytes - at, at);
		if (n <= 0)
			die(path, why);
	}
	close(fd);
	memcpy(&im->vol.sb, block_at(im, SFFS_SUPER_BLOCK), SFFS_BLOCK_SIZE);
	if (sffs_super_decode(&im->vol.sb, SFFS_SUPER_BLOCK, &im->vol.geo, &why))
		die(path, why);
	im->vol.seed = le32toh(im->vol.sb.checksum_seed);
	for (uint64_t b = SFFS_SUPER_BLOCK; b < im->bytes / SFFS_BLOCK_SIZE; b++) {
		if (!is_metadata(im, b))
			continue;
		im->block = sffs_grow(im->block, im->nr_blocks + 1, sizeof(*im->block));
		im->block[im->nr_blocks++] = b;
	}
}

void image_restore(struct image *im, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		die(path, "cannot be read");
	for (uint64_t b = 0; b < im->bytes / SFFS_BLOCK_SIZE; b++) {
		if (!im->changed[b])
			continue;
		if (pread(fd, block_at(im, b), SFFS_BLOCK_SIZE, b * SFFS_BLOCK_SIZE) !=
		    SFFS_BLOCK_SIZE)
			die(path, "cannot be read");
		im->changed[b] = 0;
	}
	close(fd);
}

void image_free(struct image *im)
{
	free(im->data);
	free(im->block);
	free(im->changed);
}

void image_write(const struct image *im, const char *path)
{
	static const uint8_t zeros[SFFS_BLOCK_SIZE];
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || ftruncate(fd, im->bytes))
		die(path, "cannot be made");
	for (uint64_t at = 0; at < im->bytes; at += SFFS_BLOCK_SIZE)
		if (memcmp(im->data + at, zeros, sizeof(zeros)) &&
		    pwrite(fd, im->data + at, SFFS_BLOCK_SIZE, at) != SFFS_BLOCK_SIZE)
			die(path, "cannot be written");
	close(fd);
}

/* xorshift64*: the same numbers everywhere. */
uint64_t image_random(struct image *im, uint64_t below)
{
	uint64_t x = im->random;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	im->random = x;
	x *= 0x2545f4914f6cdd1dULL;
	return below ? x % below : x;
}

/* ---- What there is to change ---- */

static const uint32_t magics[] = {
	SFFS_MAGIC_SUPER, SFFS_MAGIC_SLOT, SFFS_MAGIC_LOCK, SFFS_MAGIC_MAIL, SFFS_MAGIC_SLOT_AREA,
	SFFS_MAGIC_ORPHAN, SFFS_MAGIC_RECLAIM, SFFS_MAGIC_QCHANGE, SFFS_MAGIC_GROUP,
	SFFS_MAGIC_BITMAP, SFFS_MAGIC_CHUNK, SFFS_MAGIC_INODE, SFFS_MAGIC_NODE,
	SFFS_MAGIC_EXTENTS, SFFS_MAGIC_DIR, SFFS_MAGIC_XATTR, SFFS_MAGIC_XVALUE,
	SFFS_MAGIC_QUOTA, SFFS_MAGIC_RANGE,
};

static size_t add_fields(const struct sffs_struct *s, const char *in, struct target *t, size_t max)
{
	size_t n = 0;

	for (const struct sffs_field *f = s->field; f->name && n < max; f++)
		if (f->kind != SFFS_F_CRC)
			t[n++] = (struct target){ s, f, in };
	return n;
}

size_t image_targets(struct target *t, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < SFFS_ARRAY_SIZE(magics); i++)
		n += add_fields(sffs_struct_of(magics[i]), NULL, t + n, max - n);
	n += add_fields(&sffs_struct_journal, NULL, t + n, max - n);
	n += add_fields(&sffs_struct_node_head, "inode", t + n, max - n);
	n += add_fields(&sffs_struct_dir_head, "inode", t + n, max - n);
	n += add_fields(&sffs_struct_index, "inode", t + n, max - n);
	n += add_fields(&sffs_struct_index, "tree node", t + n, max - n);
	n += add_fields(&sffs_struct_extent, "inode", t + n, max - n);
	n += add_fields(&sffs_struct_extent, "extent leaf", t + n, max - n);
	n += add_fields(&sffs_struct_dirent, "inode", t + n, max - n);
	n += add_fields(&sffs_struct_dirent, "directory leaf", t + n, max - n);
	n += add_fields(&sffs_struct_xattr_entry, "inode", t + n, max - n);
	return n + add_fields(&sffs_struct_xattr_entry, "xattr block", t + n, max - n);
}

/* ---- Changing ---- */

static void change_number(struct image *im, const struct sffs_field *f, void *base, unsigned int i)
{
	uint64_t old = sffs_field_get(f, base, i), v = old;

	for (int tries = 0; v == old && tries < 8; tries++) {
		switch (image_random(im, 8)) {
		case 0:
			v = 0;
			break;
		case 1:
			v = ~0ULL;
			break;
		case 2:
			v = old + 1;
			break;
		case 3:
			v = old - 1;
			break;
		case 4:
			v = old ^ 1ULL << image_random(im, 8 * f->width);
			break;
		case 5:
			v = image_random(im, im->bytes / SFFS_BLOCK_SIZE);
			break;
		case 6:
			v = im->block[image_random(im, im->nr_blocks)];
			break;
		default:
			v = image_random(im, 0);
		}
	}
	sffs_field_put(f, base, i, v);
}

static void change_field(struct image *im, const struct sffs_field *f, void *base)
{
	uint8_t *p = (uint8_t *)base + f->offset;

	if (f->kind == SFFS_F_SUB) {
		const struct sffs_field *sub = f->sub->field;
		size_t n = 0;

		while (sub[n].name)
			n++;
		p += image_random(im, f->count) * f->width;
		do {
			sub = &f->sub->field[image_random(im, n)];
		} while (sub->kind == SFFS_F_CRC);
		change_field(im, sub, p);
	} else if (f->width == 1 && f->count > 1) {
		p[image_random(im, f->count)] ^= 1U << image_random(im, 8);
	} else {
		change_number(im, f, base, image_random(im, f->count));
	}
}

/* The part of a block that holds a structure of a tree, a leaf or attributes; NULL: none. */
static uint8_t *find_part(struct image *im, const struct sffs_struct *s, uint8_t *block)
{
	const struct sffs_inode *di = (void *)block;
	bool inode = le32toh(di->h.magic) == SFFS_MAGIC_INODE;
	uint8_t *head = inode ? block + offsetof(struct sffs_inode, area) : block + 32;
	const struct sffs_node_head *nh = (void *)head;
	bool tree = !inode || di->format == SFFS_FMT_EXTENTS || di->format == SFFS_FMT_DIR_TREE;
	bool leaf = !inode || di->format == SFFS_FMT_DIR_INLINE;
	unsigned int count = le16toh(nh->count), i = count ? image_random(im, count) : 0;
	uint16_t off;

	if (inode && !di->mode)
		return NULL;
	if (s == &sffs_struct_node_head)
		return tree ? head : NULL;
	if (s == &sffs_struct_dir_head)
		return leaf ? head : NULL;
	if (s == &sffs_struct_index)
		return tree && nh->level && count ? head + 16 + i * 16 : NULL;
	if (s == &sffs_struct_extent)
		return tree && !nh->level && count && (!inode || di->format == SFFS_FMT_EXTENTS) ?
		       head + 16 + i * 24 : NULL;
	if (s == &sffs_struct_dirent) {
		memcpy(&off, head + 16 + 2 * i, 2);
		return leaf && count ? head + le16toh(off) : NULL;
	}
	head = inode ? block + offsetof(struct sffs_inode, xattr) : block + 48;
	return *head ? head : NULL;
}

static bool mutate_block(struct image *im, const struct target *t, const char *holder,
			 uint64_t *where)
{
	size_t start = image_random(im, im->nr_blocks);

	for (size_t i = 0; i < im->nr_blocks; i++) {
		uint64_t b = im->block[(start + i) % im->nr_blocks];
		uint8_t *block = block_at(im, b), *part = block;
		const struct sffs_header *h = (void *)block;
		const struct sffs_struct *s = sffs_struct_of(le32toh(h->magic));

		if (!s || strcmp(s->name, holder))
			continue;
		if (t->in)
			part = find_part(im, t->s, block);
		if (!part || part + t->s->size > block + SFFS_BLOCK_SIZE)
			continue;
		change_field(im, t->f, part);
		sffs_set_crc(block, SFFS_BLOCK_SIZE,
			     s->magic == SFFS_MAGIC_SUPER ? ~0U : im->vol.seed);
		im->changed[b] = 1;
		*where = b;
		return true;
	}
	return false;
}

/* A record of a region; one that was never used is made first. */
static uint64_t mutate_record(struct image *im, const struct target *t)
{
	const struct sffs_geometry *g = &im->vol.geo;
	uint64_t n, block, byte;
	uint8_t *rec;

	if (t->s == &sffs_struct_slot) {
		block = g->heartbeat_block;
		n = image_random(im, g->slots);
	} else if (t->s == &sffs_struct_lock) {
		block = g->fixed_lock_block;
		n = image_random(im, 4);
	} else {
		block = g->mailbox_block;
		n = image_random(im, g->max_slots * g->max_slots);
	}
	byte = n << g->sector_shift;
	rec = block_at(im, block) + byte;
	if (t->s == &sffs_struct_lock && sffs_is_zero(rec, SFFS_RECORD_SIZE)) {
		struct sffs_lock_record *l = (void *)rec;

		l->magic = htole32(SFFS_MAGIC_LOCK);
		l->number = htole64(n);
		l->type = SFFS_LOCKT_FIXED;
	} else if (t->s == &sffs_struct_mail && sffs_is_zero(rec, SFFS_RECORD_SIZE)) {
		struct sffs_mail *m = (void *)rec;

		m->magic = htole32(SFFS_MAGIC_MAIL);
		m->receiver = n / g->max_slots;
		m->sender = n % g->max_slots;
	}
	change_field(im, t->f, rec);
	sffs_set_crc(rec, SFFS_RECORD_SIZE, im->vol.seed);
	im->changed[block + byte / SFFS_BLOCK_SIZE] = 1;
	return block + byte / SFFS_BLOCK_SIZE;
}

static uint64_t mutate_journal(struct image *im, const struct target *t)
{
	uint64_t block = le64toh(im->vol.sb.journal_block[image_random(im, im->vol.geo.slots)]);
	uint8_t *sb = block_at(im, block);
	uint32_t crc;

	change_field(im, t->f, sb);
	memset(sb + 252, 0, 4);
	crc = htobe32(sffs_crc32c(~0U, sb, 1024));
	memcpy(sb + 252, &crc, 4);
	im->changed[block] = 1;
	return block;
}

bool image_mutate(struct image *im, const struct target *t, char *what, size_t len)
{
	uint64_t where = 0;
	bool done = true;

	if (t->s == &sffs_struct_slot || t->s == &sffs_struct_lock || t->s == &sffs_struct_mail)
		where = mutate_record(im, t);
	else if (t->s == &sffs_struct_journal)
		where = mutate_journal(im, t);
	else
		done = mutate_block(im, t, t->in ? t->in : t->s->name, &where);
	snprintf(what, len, "%s%s%s.%s of block %llu", t->in ? t->in : "", t->in ? " " : "",
		 t->s->name, t->f->name, (unsigned long long)where);
	return done;
}
