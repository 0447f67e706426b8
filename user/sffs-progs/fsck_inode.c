// SPDX-License-Identifier: GPL-2.0-only
/* Inodes: reading each, claiming what it uses, and writing back what was wrong. */
#include <stdlib.h>
#include <string.h>

#include "fsck.h"

#define NSEC_MAX	999999999U

struct fsck_inode *fsck_find_inode(struct fsck *f, uint64_t ino)
{
	size_t low = 0, high = f->nr_inodes;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (f->inode[mid].ino < ino)
			low = mid + 1;
		else
			high = mid;
	}
	return low < f->nr_inodes && f->inode[low].ino == ino ? &f->inode[low] : NULL;
}

static uint64_t block_of(const struct fsck *f, uint64_t ino)
{
	return sffs_ino_block(ino, f->vol.geo.sector_shift);
}

int fsck_load_inode(struct fsck *f, const struct fsck_inode *fi, struct sffs_inode *di)
{
	return sffs_vol_read(&f->vol, block_of(f, fi->ino), di);
}

int fsck_store_inode(struct fsck *f, struct sffs_inode *di)
{
	uint64_t ino = le64toh(di->h.owner);

	f->changes++;
	sffs_block_seal(di, SFFS_MAGIC_INODE, block_of(f, ino), ino, le32toh(di->h.generation),
			f->vol.seed);
	return sffs_vol_write(&f->vol, block_of(f, ino), di);
}

/* ---- Fields that do not fit each other ---- */

static uint32_t type_for(uint8_t format)
{
	switch (format) {
	case SFFS_FMT_INLINE:
		return FSCK_S_IFLNK;
	case SFFS_FMT_EXTENTS:
		return FSCK_S_IFREG;
	case SFFS_FMT_DIR_INLINE:
	case SFFS_FMT_DIR_TREE:
		return FSCK_S_IFDIR;
	}
	return 0;
}

/* What a type's content can be; the one in use if it is among that. */
static uint8_t format_for(const struct sffs_inode *di)
{
	const struct sffs_node_head *head = (const void *)di->area;
	uint64_t size = le64toh(di->size);

	switch (le32toh(di->mode) & FSCK_S_IFMT) {
	case FSCK_S_IFREG:
	case FSCK_S_IFLNK:
		return di->format == SFFS_FMT_INLINE && size <= SFFS_INODE_AREA ?
		       SFFS_FMT_INLINE : SFFS_FMT_EXTENTS;
	case FSCK_S_IFDIR:
		return head->level ? SFFS_FMT_DIR_TREE : SFFS_FMT_DIR_INLINE;
	default:
		return SFFS_FMT_NONE;
	}
}

static bool type_known(uint32_t mode)
{
	switch (mode & FSCK_S_IFMT) {
	case 0010000:
	case 0020000:
	case FSCK_S_IFDIR:
	case 0060000:
	case FSCK_S_IFREG:
	case FSCK_S_IFLNK:
	case 0140000:
		return true;
	}
	return false;
}

static bool is_type(const struct sffs_inode *di, uint32_t type)
{
	return (le32toh(di->mode) & FSCK_S_IFMT) == type;
}

/* Put right what is impossible in itself; false if nothing can be made of it. */
static bool fit_type(struct sffs_inode *di, const char **what)
{
	uint32_t mode = le32toh(di->mode), guess = type_for(di->format);
	uint8_t format;

	if (!type_known(mode) || mode >> 16) {
		*what = "type";
		if (!type_known(mode) && !guess)
			return false;
		mode &= type_known(mode) ? 0177777 : 07777;
		di->mode = htole32(mode | (type_known(mode) ? 0 : guess));
	}
	format = format_for(di);
	/* A directory or a file that lost its type, not its content. */
	if (format != di->format && guess && !is_type(di, guess) &&
	    (is_type(di, FSCK_S_IFDIR) || guess == FSCK_S_IFDIR || format == SFFS_FMT_NONE)) {
		*what = "type";
		di->mode = htole32((le32toh(di->mode) & 07777) | guess);
		format = format_for(di);
	}
	if (format != di->format) {
		*what = "format";
		di->format = format;
	}
	return true;
}

static bool fit_size(struct sffs_inode *di, const char **what)
{
	uint64_t size = le64toh(di->size), max = (SFFS_MAX_FILE_BLOCKS - 1) * SFFS_BLOCK_SIZE;

	if (is_type(di, FSCK_S_IFLNK) && (!size || size >= SFFS_BLOCK_SIZE)) {
		*what = "length of a symlink";
		return false;
	}
	if (is_type(di, FSCK_S_IFREG) && size > max) {
		*what = "size";
		di->size = htole64(max);
	}
	if (di->format == SFFS_FMT_INLINE &&
	    !sffs_is_zero(di->area + size, SFFS_INODE_AREA - size)) {
		*what = "bytes behind the end";
		memset(di->area + size, 0, SFFS_INODE_AREA - size);
	}
	return true;
}

/* A collapse or insert under way: only in a file that is in an orphan table. */
static bool shift_ok(const struct sffs_inode *di)
{
	uint64_t from = le64toh(di->shift_from), end = le64toh(di->shift_end);
	int64_t by = le64toh(di->shift_by), max = SFFS_MAX_FILE_BLOCKS;

	if (!by)
		return !from && !end;
	return is_type(di, FSCK_S_IFREG) && di->format == SFFS_FMT_EXTENTS && di->orphan &&
	       from <= SFFS_MAX_FILE_BLOCKS && end <= SFFS_MAX_FILE_BLOCKS && by > -max &&
	       by < max && (by > 0 || (from >= (uint64_t)-by &&
				       le64toh(di->size) / SFFS_BLOCK_SIZE >= (uint64_t)-by));
}

static void fit_fields(struct sffs_inode *di, bool system, const char **what)
{
	uint32_t *nsec[] = { &di->atime_nsec, &di->mtime_nsec, &di->ctime_nsec, &di->btime_nsec };
	uint32_t flags = le32toh(di->flags) & SFFS_INODE_ALL & ~SFFS_INODE_SYSTEM;

	if (system)
		flags |= SFFS_INODE_SYSTEM;
	if (le32toh(di->flags) != flags) {
		*what = "flags";
		di->flags = htole32(flags);
	}
	for (size_t i = 0; i < SFFS_ARRAY_SIZE(nsec); i++) {
		if (le32toh(*nsec[i]) > NSEC_MAX) {
			*what = "times";
			*nsec[i] = 0;
		}
	}
	if (!shift_ok(di)) {
		*what = "shift";
		di->shift_from = 0;
		di->shift_end = 0;
		di->shift_by = 0;
	}
	if (di->owner.mode > SFFS_OWNER_MULTI || di->owner.slot >= SFFS_MAX_SLOTS ||
	    di->owner.host[SFFS_HOST_MAX]) {
		*what = "owner";
		memset(&di->owner, 0, sizeof(di->owner));
	}
}

static bool is_quota_file(const struct fsck *f, uint64_t ino)
{
	for (int i = 0; i < SFFS_QUOTA_TYPES; i++)
		if (le64toh(f->vol.sb.quota_ino[i]) == ino)
			return true;
	return false;
}

/* ---- Reading ---- */

static struct fsck_inode *add_inode(struct fsck *f, const struct sffs_inode *di)
{
	if (f->nr_inodes == f->max_inodes) {
		f->max_inodes = 2 * f->max_inodes + 1024;
		f->inode = sffs_grow(f->inode, f->max_inodes, sizeof(*f->inode));
	}
	f->inode[f->nr_inodes] = (struct fsck_inode){
		.ino = le64toh(di->h.owner), .parent = le64toh(di->parent),
		.mode = le32toh(di->mode),
	};
	return &f->inode[f->nr_inodes++];
}

/* The locks in a list ended with their hosts; its blocks must still be what they should be. */
static void check_range_block(struct fsck *f, const struct sffs_inode *di, uint64_t block)
{
	uint64_t ino = le64toh(di->h.owner);
	uint32_t generation = le32toh(di->h.generation), used = 0;
	struct sffs_range_block rb;
	bool ok = fsck_read_meta(f, block, SFFS_MAGIC_RANGE, ino, &generation, &rb);

	for (unsigned int i = 0; ok && i < SFFS_RANGES_PER_BLOCK; i++) {
		const struct sffs_range *r = &rb.range[i];

		used += r->kind != SFFS_RANGE_FREE;
		ok = r->kind <= SFFS_RANGE_FLOCK && r->slot < SFFS_MAX_SLOTS &&
		     r->mode <= SFFS_LOCK_EXCLUSIVE;
	}
	if (ok && used == le32toh(rb.count))
		return;
	if (!fsck_problem(f, "inode %llu: block %llu of its file locks is damaged; it is emptied",
			  fsck_ull(ino), fsck_ull(block)))
		return;
	memset(&rb, 0, sizeof(rb));
	sffs_block_seal(&rb, SFFS_MAGIC_RANGE, block, ino, generation, f->vol.seed);
	if (sffs_vol_write(&f->vol, block, &rb))
		fsck_failed(f, "the block cannot be written");
}

static void claim_ranges(struct fsck *f, struct fsck_inode *fi, struct sffs_inode *di)
{
	uint64_t block = le64toh(di->range_block);
	uint32_t n = le32toh(di->range_blocks);

	if (!block && !n)
		return;
	for (uint32_t i = 0; block && i < n; i++)
		if (!sffs_vol_in_group(&f->vol, block, n) ||
		    sffs_space_test(&f->space, &f->space.used, block + i))
			block = 0;
	if (block && n) {
		sffs_space_set(&f->space, &f->space.used, block, n);
		sffs_space_set(&f->space, &f->space.meta, block, n);
		fi->ranges = n;
		fi->blocks += n;
		for (uint32_t i = 0; i < n; i++)
			check_range_block(f, di, block + i);
		return;
	}
	if (!fsck_problem(f, "inode %llu: the list of file locks is not where it can be",
			  fsck_ull(fi->ino)))
		return;
	di->range_block = 0;
	di->range_blocks = 0;
	if (fsck_store_inode(f, di))
		fsck_failed(f, "the inode cannot be written");
}

/* There is a file with inline data: the super block has to say that there may be. */
static int allow_inline(struct fsck *f)
{
	if (le64toh(f->vol.sb.incompat) & SFFS_INCOMPAT_INLINE ||
	    !fsck_problem(f, "the super block does not say that files have inline data"))
		return 0;
	f->vol.sb.incompat |= htole64(SFFS_INCOMPAT_INLINE);
	f->changes++;
	return sffs_volume_write_super(&f->vol);
}

/* Make what can be made of an inode; its place in the list is kept. */
static int read_inode(struct fsck *f, struct sffs_inode *di, bool dead)
{
	struct fsck_inode *fi = add_inode(f, di);
	const char *what = NULL;
	unsigned int bad;

	if (is_quota_file(f, fi->ino))
		fi->flags |= FSCK_SYSTEM;
	fi->flags |= dead ? FSCK_DEAD : 0;
	if (!fit_type(di, &what) || !fit_size(di, &what)) {
		if (fsck_loss(f, "inode %llu: impossible %s; it is cleared",
			      fsck_ull(fi->ino), what))
			fi->flags |= FSCK_CLEAR;
		return 0;
	}
	fit_fields(di, fi->flags & FSCK_SYSTEM, &what);
	if (what && fsck_problem(f, "inode %llu: impossible %s", fsck_ull(fi->ino), what)) {
		fi->mode = le32toh(di->mode);
		if (fsck_store_inode(f, di))
			return -1;
	}
	if (di->format == SFFS_FMT_INLINE && is_type(di, FSCK_S_IFREG) && allow_inline(f))
		return -1;
	if (di->format == SFFS_FMT_EXTENTS) {
		bad = fsck_claim_extents(f, fi, di);
		if (bad && fsck_loss(f, "inode %llu: %u faults in the extent tree",
				     fsck_ull(fi->ino), bad))
			fi->flags |= FSCK_TREE;
	} else if (is_type(di, FSCK_S_IFDIR)) {
		bad = fsck_claim_dir(f, fi, di);
		if (bad && fsck_loss(f, "directory %llu: %u faults",
				     fsck_ull(fi->ino), bad))
			fi->flags |= FSCK_TREE;
	}
	bad = fsck_claim_xattrs(f, fi, di);
	if (bad && fsck_loss(f, "inode %llu: %u faults in extended attributes",
			     fsck_ull(fi->ino), bad))
		fi->flags |= FSCK_XATTR;
	return 0;
}

static int read_chunk(struct fsck *f, struct sffs_chunk_use *c)
{
	uint64_t mask = 0;
	struct sffs_chunk ck;

	if (c->header_ok) {
		if (sffs_vol_read(&f->vol, c->block, &ck))
			return -1;
		mask = le64toh(ck.free_mask);
	}
	for (unsigned int i = 0; i < SFFS_CHUNK_INODES; i++) {
		uint64_t ino = sffs_make_ino(c->block, i), at = block_of(f, ino);
		bool free = mask >> i & 1;
		struct sffs_inode di;

		if (sffs_vol_read(&f->vol, at, &di))
			return -1;
		/* A deleted inode has mode 0: what looks alive in a free place may be. */
		if (!sffs_meta_fault(&f->vol, &di, at, SFFS_MAGIC_INODE, &ino, NULL) && di.mode) {
			fsck_check_reserved(f, at);
			if (sffs_vol_read(&f->vol, at, &di))
				return -1;
			c->used |= 1ULL << i;
			if (read_inode(f, &di, free))
				return -1;
		} else if (!free && c->header_ok && f->pass == 1) {
			fsck_loss(f, "inode %llu: damaged; it is lost", fsck_ull(ino));
		}
	}
	return 0;
}

int fsck_read_inodes(struct fsck *f)
{
	f->nr_inodes = 0;
	for (size_t i = 0; i < f->space.nr_chunks; i++) {
		if (read_chunk(f, &f->space.chunk[i]))
			return -1;
		fsck_progress(f, "inodes", i, f->space.nr_chunks);
	}
	return 0;
}

int fsck_check_data(struct fsck *f)
{
	for (size_t i = 0; i < f->nr_inodes; i++) {
		struct fsck_inode *fi = &f->inode[i];
		struct sffs_inode di;

		if (fi->flags & FSCK_CLEAR)
			continue;
		if (fsck_load_inode(f, fi, &di))
			return -1;
		claim_ranges(f, fi, &di);
		if (di.format == SFFS_FMT_EXTENTS)
			fsck_claim_data(f, fi, &di);
		fsck_progress(f, "data", i, f->nr_inodes);
	}
	return 0;
}

/* ---- Writing back ---- */

static int rebuild(struct fsck *f, struct fsck_inode *fi, struct sffs_inode *di)
{
	uint64_t tree = fi->blocks - fi->xblocks - fi->ranges;
	struct sffs_inode old = *di;
	int ret = 0;

	di->blocks = htole64(fi->ranges + (fi->flags & FSCK_XATTR ? 0 : fi->xblocks) +
			     (fi->flags & FSCK_TREE ? 0 : tree));
	if (fi->flags & FSCK_TREE && di->format == SFFS_FMT_EXTENTS)
		ret = fsck_rebuild_extents(f, fi, di);
	if (!ret && fi->flags & FSCK_XATTR)
		ret = fsck_rebuild_xattrs(f, &old, di);
	if (ret)
		fsck_failed(f, "no block is left, or one cannot be read");
	else
		ret = fsck_store_inode(f, di);
	return ret ? 1 : 0;
}

static bool differs(struct fsck *f, const struct fsck_inode *fi, const char *name, uint64_t have,
		    uint64_t want)
{
	return have != want &&
	       fsck_problem(f, "inode %llu: %s is %llu, should be %llu", fsck_ull(fi->ino), name,
			    fsck_ull(have), fsck_ull(want));
}

static bool check_counts(struct fsck *f, const struct fsck_inode *fi, struct sffs_inode *di)
{
	bool dir = fsck_is_dir(fi), changed = false;
	uint32_t links = dir ? 2 + fi->subdirs : fi->flags & FSCK_SYSTEM ? 1 : fi->links;
	uint64_t size = di->format == SFFS_FMT_DIR_TREE ?
			(uint64_t)fi->leaves * SFFS_BLOCK_SIZE : SFFS_INODE_AREA;

	if (differs(f, fi, "blocks", le64toh(di->blocks), fi->blocks)) {
		di->blocks = htole64(fi->blocks);
		changed = true;
	}
	/* Without a name it is an orphan, and stays one until it is freed. */
	if ((fi->links || fi->flags & FSCK_SYSTEM) &&
	    differs(f, fi, "nlink", le32toh(di->nlink), links)) {
		di->nlink = htole32(links);
		changed = true;
	}
	if (!dir)
		return changed;
	if (differs(f, fi, "size", le64toh(di->size), size)) {
		di->size = htole64(size);
		changed = true;
	}
	if (differs(f, fi, "entries", le64toh(di->entries), fi->entries)) {
		di->entries = htole64(fi->entries);
		changed = true;
	}
	if (fi->links && differs(f, fi, "parent", le64toh(di->parent), fi->parent)) {
		di->parent = htole64(fi->parent);
		changed = true;
	}
	return changed;
}

/* The orphan fields count only together with an entry of the table. */
static bool check_orphan(struct fsck *f, struct fsck_inode *fi, struct sffs_inode *di)
{
	if (!di->orphan && !di->orphan_index && !di->orphan_block)
		return false;
	if (fi->flags & FSCK_ORPHAN && f->mode == FSCK_CHECK)
		return false;
	/* What a deleted orphan was is still said in some of its fields. */
	if (!(fi->flags & FSCK_ORPHAN) &&
	    (!di->orphan || !fsck_problem(f, "inode %llu: is not in the orphan table that it names",
					  fsck_ull(fi->ino))))
		return false;
	di->orphan = 0;
	di->orphan_index = 0;
	di->orphan_block = 0;
	return true;
}

static int clear_inode(struct fsck *f, struct fsck_inode *fi, struct sffs_inode *di)
{
	struct sffs_chunk_use *c = sffs_space_chunk(&f->space, sffs_ino_chunk(fi->ino));

	di->mode = 0;
	di->nlink = 0;
	di->orphan = 0;
	if (c)
		c->used &= ~(1ULL << sffs_ino_index(fi->ino));
	return fsck_store_inode(f, di);
}

static int finish_inode(struct fsck *f, struct fsck_inode *fi)
{
	bool changed;
	struct sffs_inode di;

	if (fsck_load_inode(f, fi, &di))
		return -1;
	if (fi->flags & FSCK_ORPHAN && !fi->links && !di.nlink && f->mode != FSCK_CHECK &&
	    !f->stuck) {
		f->orphans++;
		fi->flags |= FSCK_CLEAR;
	}
	if (fi->flags & FSCK_CLEAR)
		return clear_inode(f, fi, &di);
	changed = check_orphan(f, fi, &di);
	if (changed && (fi->flags & FSCK_ORPHAN || di.shift_by) &&
	    di.format == SFFS_FMT_EXTENTS)
		fi->flags |= FSCK_TREE;		/* cuts what is behind the end, ends a shift */
	if (fi->flags & (FSCK_TREE | FSCK_XATTR))
		return rebuild(f, fi, &di) < 0 ? -1 : 0;
	changed |= check_counts(f, fi, &di);
	if (!(fi->flags & FSCK_SYSTEM))
		sffs_usage_add(&f->usage, &di);
	return changed ? fsck_store_inode(f, &di) : 0;
}

int fsck_finish_inodes(struct fsck *f)
{
	for (size_t i = 0; i < f->nr_inodes; i++) {
		if (finish_inode(f, &f->inode[i]))
			return -1;
		fsck_progress(f, "links", i, f->nr_inodes);
	}
	return 0;
}
