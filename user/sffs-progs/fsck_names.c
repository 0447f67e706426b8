// SPDX-License-Identifier: GPL-2.0-only
/*
 * Names: which of them count, and what no name leads to. A directory has one name. If it
 * has more, the one in the directory that it calls its parent counts.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fsck.h"

#define LOST_FOUND	"lost+found"

static uint8_t type_of(const struct fsck_inode *fi)
{
	return (fi->mode & FSCK_S_IFMT) >> 12;
}

static struct fsck_inode *root_of(struct fsck *f)
{
	return fsck_find_inode(f, le64toh(f->vol.sb.root_ino));
}

/* Which directories have a name where they say that they have it? */
static int find_homes(struct fsck *f, struct fsck_inode *dir)
{
	struct fsck_names n;
	struct sffs_inode di;

	if (fsck_load_inode(f, dir, &di))
		return -1;
	fsck_read_names(f, &di, &n);
	for (size_t i = 0; i < n.nr; i++) {
		struct fsck_inode *fi = fsck_find_inode(f, n.name[i].ino);

		if (fi && fi != dir && fsck_is_dir(fi) && fi->parent == dir->ino)
			fi->flags |= FSCK_HOME;
	}
	fsck_free_names(&n);
	return 0;
}

/* Why a name does not count, or NULL; @fi is what it names. */
static const char *bad_name(struct fsck *f, const struct fsck_inode *dir, struct fsck_inode *fi)
{
	if (!fi || fi->flags & FSCK_CLEAR)
		return "there is no such inode";
	if (fi->flags & FSCK_SYSTEM)
		return "it is a quota file";
	if (!fsck_is_dir(fi))
		return NULL;
	if (fi == dir || fi == root_of(f))
		return "a directory would be within itself";
	if (fi->flags & FSCK_REACHED || (fi->flags & FSCK_HOME && fi->parent != dir->ino))
		return "the directory has another name";
	return NULL;
}

static void count_name(struct fsck_inode *dir, struct fsck_inode *fi)
{
	fi->links++;
	fi->flags |= FSCK_REACHED;
	if (fsck_is_dir(fi)) {
		dir->subdirs++;
		fi->parent = dir->ino;
	}
}

static int check_dir(struct fsck *f, struct fsck_inode *dir)
{
	bool changed = dir->flags & FSCK_TREE;
	struct fsck_names n;
	struct sffs_inode di;
	size_t keep = 0;

	if (fsck_load_inode(f, dir, &di))
		return -1;
	fsck_read_names(f, &di, &n);
	for (size_t i = 0; i < n.nr; i++) {
		struct sffs_name *name = &n.name[i];
		struct fsck_inode *fi = fsck_find_inode(f, name->ino);
		const char *why = bad_name(f, dir, fi);

		if (why && fsck_loss(f, "directory %llu: the name \"%s\" is dropped: %s",
				     fsck_ull(dir->ino), name->name, why)) {
			free(name->name);
			changed = true;
			continue;
		}
		if (!why) {
			count_name(dir, fi);
			if (name->type != type_of(fi) &&
			    fsck_problem(f, "directory %llu: the name \"%s\" has the wrong type",
					 fsck_ull(dir->ino), name->name)) {
				name->type = type_of(fi);
				changed = true;
			}
		}
		n.name[keep++] = *name;
	}
	n.nr = keep;
	if (changed && f->mode != FSCK_CHECK) {
		f->changes++;
		return fsck_write_dir(f, dir, &n);
	}
	fsck_free_names(&n);
	return 0;
}

/* ---- What the root does not lead to ---- */

/*
 * Mark the directories from which the parents lead to the root. Returns one on a
 * circle, if @dir leads to one; else the topmost that was found unmarked, or NULL.
 */
static struct fsck_inode *climb(struct fsck *f, struct fsck_inode *dir)
{
	struct fsck_inode *at = dir, *top = dir;
	size_t steps = 0;

	while (!(at->flags & FSCK_ROOTED)) {
		top = at;
		at = at->flags & FSCK_REACHED ? fsck_find_inode(f, at->parent) : NULL;
		if (!at || steps++ > f->nr_inodes)
			return top;
	}
	for (at = dir; !(at->flags & FSCK_ROOTED); at = fsck_find_inode(f, at->parent))
		at->flags |= FSCK_ROOTED;
	return NULL;
}

/* Take the name of a directory out of the directory that it is on a circle with. */
static int cut_circle(struct fsck *f, struct fsck_inode *fi)
{
	struct fsck_inode *dir = fsck_find_inode(f, fi->parent);
	struct fsck_names n;
	struct sffs_inode di;
	size_t keep = 0;

	if (!dir || fsck_load_inode(f, dir, &di))
		return -1;
	fsck_read_names(f, &di, &n);
	for (size_t i = 0; i < n.nr; i++) {
		if (n.name[i].ino == fi->ino)
			free(n.name[i].name);
		else
			n.name[keep++] = n.name[i];
	}
	n.nr = keep;
	dir->subdirs--;
	return fsck_write_dir(f, dir, &n);
}

/* A place for an inode in a chunk that exists; 0 if all are taken. */
static uint64_t take_inode(struct fsck *f)
{
	for (size_t i = 0; i < f->space.nr_chunks; i++) {
		struct sffs_chunk_use *c = &f->space.chunk[i];

		if (c->used != ~0ULL) {
			unsigned int n = __builtin_ctzll(~c->used);

			c->used |= 1ULL << n;
			return sffs_make_ino(c->block, n);
		}
	}
	return 0;
}

/* Write an empty directory; its generation is new. */
static int make_dir(struct fsck *f, uint64_t ino, uint64_t parent, uint32_t mode)
{
	struct sffs_inode di = {
		.mode = htole32(FSCK_S_IFDIR | mode), .nlink = htole32(2),
		.size = htole64(SFFS_INODE_AREA), .parent = htole64(parent),
		.format = SFFS_FMT_DIR_INLINE, .version = htole64(1),
	};
	uint32_t generation;

	sffs_random(&generation, sizeof(generation));
	di.h.owner = htole64(ino);
	di.h.generation = htole32(generation);
	((struct sffs_dir_head *)di.area)->low = htole16(SFFS_INODE_AREA);
	return fsck_store_inode(f, &di);
}

/* The number of lost+found; 0 if it is still to be made. */
static uint64_t find_lost_found(struct fsck *f, const struct fsck_names *root)
{
	for (size_t i = 0; i < root->nr; i++) {
		struct fsck_inode *fi = fsck_find_inode(f, root->name[i].ino);

		if (!strcmp(root->name[i].name, LOST_FOUND))
			return fi && fsck_is_dir(fi) ? fi->ino : UINT64_MAX;
	}
	return 0;
}

/*
 * Is there a lost+found? One is made here, and filled by the next pass. UINT64_MAX
 * stands for the root, where there is no room for it or the name is a file's.
 */
static int get_lost_found(struct fsck *f, uint64_t *ino)
{
	struct fsck_inode *root = root_of(f);
	struct fsck_names n;
	struct sffs_inode di;

	if (fsck_load_inode(f, root, &di))
		return -1;
	fsck_read_names(f, &di, &n);
	*ino = find_lost_found(f, &n);
	if (!*ino) {
		uint64_t made = take_inode(f);

		if (made) {
			fsck_add_name(&n, made, FSCK_S_IFDIR >> 12, LOST_FOUND, strlen(LOST_FOUND));
			root->subdirs++;
			return make_dir(f, made, root->ino, 0700) || fsck_write_dir(f, root, &n);
		}
		*ino = UINT64_MAX;
	}
	fsck_free_names(&n);
	return 0;
}

/* Give all that is lost a name. */
static int adopt(struct fsck *f, uint64_t ino)
{
	struct fsck_inode *dir = ino == UINT64_MAX ? root_of(f) : fsck_find_inode(f, ino);
	struct fsck_names n;
	struct sffs_inode di;

	if (!dir || fsck_load_inode(f, dir, &di))
		return -1;
	fsck_read_names(f, &di, &n);
	for (size_t i = 0; i < f->nr_inodes; i++) {
		struct fsck_inode *fi = &f->inode[i];
		char name[32];

		if (fi->flags & (FSCK_REACHED | FSCK_CLEAR | FSCK_ORPHAN | FSCK_SYSTEM))
			continue;
		snprintf(name, sizeof(name), "#%llu", fsck_ull(fi->ino));
		fsck_add_name(&n, fi->ino, type_of(fi), name, strlen(name));
		count_name(dir, fi);
	}
	return fsck_write_dir(f, dir, &n);
}

/* Files without a name: deleted ones that were left over are freed. Returns how many are lost. */
static unsigned int find_lost(struct fsck *f)
{
	unsigned int lost = 0;

	for (size_t i = 0; i < f->nr_inodes; i++) {
		struct fsck_inode *fi = &f->inode[i];
		struct sffs_inode di;

		if (fi->flags & (FSCK_REACHED | FSCK_CLEAR | FSCK_ORPHAN | FSCK_SYSTEM))
			continue;
		if (fi->flags & FSCK_DEAD || fsck_load_inode(f, fi, &di) || !di.nlink) {
			if (fsck_problem(f, "inode %llu: deleted, but not freed",
					 fsck_ull(fi->ino)))
				fi->flags |= FSCK_CLEAR;
		} else if (fsck_loss(f, "inode %llu: no name leads to it; it goes to %s",
				     fsck_ull(fi->ino), LOST_FOUND)) {
			lost++;
		}
	}
	return lost;
}

static int check_rooted(struct fsck *f)
{
	for (size_t i = 0; i < f->nr_inodes; i++) {
		struct fsck_inode *fi = &f->inode[i], *top;

		if (!fsck_is_dir(fi))
			continue;
		top = climb(f, fi);
		if (!top || !(top->flags & FSCK_REACHED))
			continue;
		if (fsck_loss(f, "directory %llu: is within itself", fsck_ull(top->ino))) {
			if (cut_circle(f, top))
				return -1;
			top->flags &= ~FSCK_REACHED;
			top->links = 0;
		} else {
			top->flags |= FSCK_ROOTED;	/* said once is enough */
		}
	}
	return 0;
}

/* ---- */

/* The super block points to nowhere: take the directory that is its own parent, or make one. */
static uint64_t new_root(struct fsck *f)
{
	uint64_t ino;

	for (size_t i = 0; i < f->nr_inodes; i++)
		if (fsck_is_dir(&f->inode[i]) && f->inode[i].parent == f->inode[i].ino)
			return f->inode[i].ino;
	ino = take_inode(f);
	return ino && !make_dir(f, ino, ino, 0755) ? ino : 0;
}

static int check_root(struct fsck *f)
{
	struct fsck_inode *root = root_of(f);
	uint64_t ino = le64toh(f->vol.sb.root_ino);

	if (root && fsck_is_dir(root)) {
		root->flags |= FSCK_REACHED | FSCK_ROOTED;
		root->links = 1;
		root->parent = ino;
		return 0;
	}
	if (!fsck_loss(f, "there is no root directory; a new one is made"))
		return 1;
	if (sffs_space_chunk(&f->space, sffs_ino_chunk(ino)))
		return make_dir(f, ino, ino, 0755) ? -1 : 1;
	ino = new_root(f);
	if (!ino) {
		fsck_failed(f, "there is no place for an inode");
		return 1;
	}
	f->vol.sb.root_ino = htole64(ino);
	return sffs_volume_write_super(&f->vol) ? -1 : 1;
}

int fsck_check_names(struct fsck *f)
{
	uint64_t lost_found = 0;
	int ret = check_root(f);

	if (ret)
		return ret < 0 ? -1 : 0;
	for (size_t i = 0; i < f->nr_inodes; i++)
		if (fsck_is_dir(&f->inode[i]) && find_homes(f, &f->inode[i]))
			return -1;
	for (size_t i = 0; i < f->nr_inodes; i++) {
		if (fsck_is_dir(&f->inode[i]) && check_dir(f, &f->inode[i]))
			return -1;
		fsck_progress(f, "names", i, f->nr_inodes);
	}
	if (check_rooted(f))
		return -1;
	if (!find_lost(f) || f->stuck)
		return 0;
	if (get_lost_found(f, &lost_found))
		return -1;
	/* A lost+found that was just made is known to the next pass. */
	return lost_found ? adopt(f, lost_found) : 0;
}
