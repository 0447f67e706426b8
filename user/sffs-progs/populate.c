// SPDX-License-Identifier: GPL-2.0-only
/* mkfs.sffs --populate: a directory becomes the content of a new volume. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "build.h"
#include "populate.h"
#include "usage.h"
#include "space.h"

#define COPY_BLOCKS	64U

/* A file with more than one name. */
struct link {
	dev_t dev;
	ino_t from;
	uint64_t ino;
	uint32_t count;
};

struct populate {
	struct sffs_volume *vol;
	struct sffs_space space;
	struct sffs_builder builder;
	struct link *link;
	size_t nr_links;
	struct sffs_usage usage;
};

static int no_room(void)
{
	sffs_err("the volume is full");
	return -1;
}

static int failed(const char *name, const char *what)
{
	sffs_err("%s: cannot %s: %s", name, what, strerror(errno));
	return -1;
}

/* ---- Inodes ---- */

/* A run of blocks in one group, in the order in which single blocks are taken too. */
static uint64_t take_run(struct populate *p, uint32_t count)
{
	const struct sffs_geometry *g = &p->vol->geo;
	struct sffs_space *s = &p->space;
	uint64_t block;

	for (; s->take_group < g->groups; s->take_group++, s->take_at = 0) {
		block = sffs_space_take(s);
		if (!block)
			return 0;
		if (sffs_vol_in_group(p->vol, block, count)) {
			sffs_space_set(s, &s->used, block, count);
			s->take_at += count - 1;
			return block;
		}
		/* What is left of this group is too short; the block is not used after all. */
		s->take_at--;
	}
	return 0;
}

static struct sffs_chunk_use *new_chunk(struct populate *p)
{
	unsigned int shift = p->vol->geo.sector_shift;
	uint64_t block = take_run(p, sffs_chunk_blocks(shift));

	if (!block || sffs_zero_blocks(&p->vol->dev, block, sffs_chunk_inode0(shift)))
		return NULL;
	sffs_space_add_chunk(&p->space, block, true);
	return &p->space.chunk[p->space.nr_chunks - 1];
}

static uint64_t take_inode(struct populate *p)
{
	struct sffs_chunk_use *c = &p->space.chunk[p->space.nr_chunks - 1];
	unsigned int n;

	if (c->used == ~0ULL)
		c = new_chunk(p);
	if (!c) {
		no_room();
		return 0;
	}
	n = __builtin_ctzll(~c->used);
	c->used |= 1ULL << n;
	return sffs_make_ino(c->block, n);
}

static void fill_inode(struct sffs_inode *di, uint64_t ino, const struct stat *st)
{
	const struct timespec *a = &st->st_atim, *m = &st->st_mtim, *c = &st->st_ctim;
	uint32_t generation;

	*di = (struct sffs_inode){
		.mode = htole32(st->st_mode), .nlink = htole32(1), .uid = htole32(st->st_uid),
		.gid = htole32(st->st_gid), .size = htole64(st->st_size), .version = htole64(1),
		.atime_sec = htole64(a->tv_sec), .atime_nsec = htole32(a->tv_nsec),
		.mtime_sec = htole64(m->tv_sec), .mtime_nsec = htole32(m->tv_nsec),
		.ctime_sec = htole64(c->tv_sec), .ctime_nsec = htole32(c->tv_nsec),
		.btime_sec = htole64(c->tv_sec), .btime_nsec = htole32(c->tv_nsec),
	};
	sffs_random(&generation, sizeof(generation));
	di->h.owner = htole64(ino);
	di->h.generation = htole32(generation);
}

static int store_inode(struct populate *p, struct sffs_inode *di)
{
	uint64_t ino = le64toh(di->h.owner), block = sffs_ino_block(ino, p->vol->geo.sector_shift);

	sffs_block_seal(di, SFFS_MAGIC_INODE, block, ino, le32toh(di->h.generation),
			p->vol->seed);
	return sffs_vol_write(p->vol, block, di);
}

/* ---- Attributes ---- */

static const struct {
	const char *prefix;
	uint8_t index;
} prefixes[] = {
	{ "user.", SFFS_XATTR_USER },
	{ "trusted.", SFFS_XATTR_TRUSTED },
	{ "security.", SFFS_XATTR_SECURITY },
	{ "system.posix_acl_access", SFFS_XATTR_ACL_ACCESS },
	{ "system.posix_acl_default", SFFS_XATTR_ACL_DEFAULT },
};

static bool name_attr(struct sffs_attr *a, const char *name)
{
	for (size_t i = 0; i < SFFS_ARRAY_SIZE(prefixes); i++) {
		size_t n = strlen(prefixes[i].prefix);

		if (strncmp(name, prefixes[i].prefix, n) ||
		    (prefixes[i].index >= SFFS_XATTR_ACL_ACCESS && name[n]))
			continue;
		a->index = prefixes[i].index;
		a->name = name + n;
		a->len = strlen(name + n);
		return true;
	}
	return false;
}

/* Attributes of the file at @path, which no symlink is followed to. */
static int copy_xattrs(struct populate *p, struct sffs_inode *di, const char *path,
		       const char *name)
{
	static char list[65536], value[SFFS_XATTR_VALUE_MAX];
	ssize_t len = llistxattr(path, list, sizeof(list));
	struct sffs_attr *attr = NULL;
	size_t nr = 0;
	int ret = 0;

	if (len <= 0)
		return len && errno != ENOTSUP ? failed(name, "read the extended attributes") : 0;
	for (char *at = list; at < list + len; at += strlen(at) + 1) {
		struct sffs_attr a = { 0 };
		ssize_t size;

		if (!name_attr(&a, at))
			continue;
		size = lgetxattr(path, at, value, sizeof(value));
		if (size < 0) {
			ret = failed(name, "read an extended attribute");
			break;
		}
		a.size = size;
		a.value = memcpy(sffs_grow(NULL, size, 1), value, size);
		attr = sffs_grow(attr, nr + 1, sizeof(*attr));
		attr[nr++] = a;
	}
	if (!ret && sffs_build_xattrs(&p->builder, di, attr, nr))
		ret = no_room();
	for (size_t i = 0; i < nr; i++)
		free((void *)attr[i].value);
	free(attr);
	return ret;
}

/* ---- Content ---- */

struct runs {
	struct sffs_run *run;
	size_t nr;
};

static void add_block(struct populate *p, struct runs *r, uint64_t file_block, uint64_t block)
{
	struct sffs_run *last = r->nr ? &r->run[r->nr - 1] : NULL;

	if (last && last->file_block + last->count == file_block &&
	    last->block + last->count == block &&
	    sffs_vol_group_of(p->vol, last->block) == sffs_vol_group_of(p->vol, block)) {
		last->count++;
		return;
	}
	r->run = sffs_grow(r->run, r->nr + 1, sizeof(*r->run));
	r->run[r->nr++] = (struct sffs_run){ .file_block = file_block, .block = block, .count = 1 };
}

/* Whole blocks from [from, end) of the file, padded with zeros. */
static int copy_range(struct populate *p, int fd, uint64_t from, uint64_t end, struct runs *r)
{
	uint8_t buf[COPY_BLOCKS * SFFS_BLOCK_SIZE];

	while (from < end) {
		size_t want = end - from < sizeof(buf) ? end - from : sizeof(buf);
		ssize_t got = pread(fd, buf, want, from);
		size_t pad = got > 0 ? (0U - (unsigned int)got) % SFFS_BLOCK_SIZE : 0;

		if (got < 0)
			return -1;
		if (!got)
			return 0;	/* became shorter meanwhile */
		memset(buf + got, 0, pad);
		for (ssize_t i = 0; i < got; i += SFFS_BLOCK_SIZE) {
			uint64_t block = sffs_space_take(&p->space);

			if (!block) {
				errno = ENOSPC;
				return -1;
			}
			if (sffs_vol_write(p->vol, block, buf + i))
				return -1;
			add_block(p, r, (from + i) / SFFS_BLOCK_SIZE, block);
		}
		from += got + pad;
	}
	return 0;
}

static int copy_file(struct populate *p, struct sffs_inode *di, int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC), ret = 0;
	uint64_t size = le64toh(di->size);
	struct runs r = { 0 };
	off_t from, end = 0;

	if (fd < 0)
		return failed(name, "open");
	if (size <= SFFS_INODE_AREA && le64toh(p->vol->sb.incompat) & SFFS_INCOMPAT_INLINE) {
		di->format = SFFS_FMT_INLINE;
		if (pread(fd, di->area, size, 0) < 0)
			ret = failed(name, "copy");
		close(fd);
		return ret;
	}
	while ((uint64_t)end < size) {
		from = lseek(fd, end, SEEK_DATA);
		if (from < 0)
			break;
		from -= from % SFFS_BLOCK_SIZE;
		end = lseek(fd, from, SEEK_HOLE);
		if (end < 0 || copy_range(p, fd, from, end, &r)) {
			ret = failed(name, "copy");
			break;
		}
	}
	close(fd);
	if (!ret && sffs_build_extents(&p->builder, di, r.run, r.nr))
		ret = no_room();
	free(r.run);
	return ret;
}

static int copy_symlink(struct populate *p, struct sffs_inode *di, int dirfd, const char *name)
{
	uint8_t buf[SFFS_BLOCK_SIZE] = { 0 };
	ssize_t n = readlinkat(dirfd, name, (char *)buf, sizeof(buf));
	struct sffs_run r = { .count = 1 };

	if (n <= 0 || n == sizeof(buf))
		return failed(name, "read the link");
	di->size = htole64(n);
	if (n <= (ssize_t)SFFS_INODE_AREA) {
		di->format = SFFS_FMT_INLINE;
		memcpy(di->area, buf, n);
		return 0;
	}
	r.block = sffs_space_take(&p->space);
	if (!r.block)
		return no_room();
	return sffs_vol_write(p->vol, r.block, buf) || sffs_build_extents(&p->builder, di, &r, 1);
}

/* ---- The tree ---- */

static int copy_dir(struct populate *p, struct sffs_inode *di, int fd, uint64_t parent);

static struct link *find_link(struct populate *p, const struct stat *st)
{
	for (size_t i = 0; i < p->nr_links; i++)
		if (p->link[i].dev == st->st_dev && p->link[i].from == st->st_ino)
			return &p->link[i];
	return NULL;
}

static int copy_content(struct populate *p, struct sffs_inode *di, int dirfd, const char *name,
			const struct stat *st, uint64_t parent)
{
	int fd;

	switch (st->st_mode & S_IFMT) {
	case S_IFREG:
		return copy_file(p, di, dirfd, name);
	case S_IFLNK:
		return copy_symlink(p, di, dirfd, name);
	case S_IFDIR:
		fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		return fd < 0 ? failed(name, "open") : copy_dir(p, di, fd, parent);
	}
	di->size = 0;
	di->rdev_major = htole32(major(st->st_rdev));
	di->rdev_minor = htole32(minor(st->st_rdev));
	return 0;
}

/* Copy one file; its number, or 0 after a message. */
static uint64_t copy_entry(struct populate *p, int dirfd, const char *name, uint64_t parent,
			   const struct stat *st)
{
	bool shared = !S_ISDIR(st->st_mode) && st->st_nlink > 1;
	struct link *l = shared ? find_link(p, st) : NULL;
	struct sffs_inode di;
	char path[64 + NAME_MAX];
	uint64_t ino;

	if (l) {
		l->count++;
		return l->ino;
	}
	ino = take_inode(p);
	if (!ino)
		return 0;
	fill_inode(&di, ino, st);
	snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dirfd, name);
	if (copy_content(p, &di, dirfd, name, st, parent) || copy_xattrs(p, &di, path, name) ||
	    store_inode(p, &di))
		return 0;
	sffs_usage_add(&p->usage, &di);
	if (shared) {
		p->link = sffs_grow(p->link, p->nr_links + 1, sizeof(*p->link));
		p->link[p->nr_links++] = (struct link){ st->st_dev, st->st_ino, ino, 1 };
	}
	return ino;
}

static void add_name(struct sffs_name **names, size_t nr, uint64_t ino, mode_t mode,
		     const char *name)
{
	if (!(nr & (nr - 1)))
		*names = sffs_grow(*names, nr ? 2 * nr : 1, sizeof(**names));
	(*names)[nr] = (struct sffs_name){
		.ino = ino, .type = (mode & S_IFMT) >> 12, .len = strlen(name),
		.name = strdup(name),
	};
	if (!(*names)[nr].name)
		sffs_grow(NULL, SIZE_MAX, 1);
}

/* Fill a directory from the one open as @fd, which is closed. */
static int copy_dir(struct populate *p, struct sffs_inode *di, int fd, uint64_t parent)
{
	struct sffs_name *names = NULL;
	uint32_t subdirs = 0;
	struct dirent *e;
	size_t nr = 0;
	int ret = 0;
	DIR *d = fdopendir(fd);

	if (!d) {
		close(fd);
		return failed("directory", "read");
	}
	while (!ret && (e = readdir(d))) {
		struct stat st;
		uint64_t ino;

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW)) {
			ret = failed(e->d_name, "stat");
			break;
		}
		ino = copy_entry(p, fd, e->d_name, le64toh(di->h.owner), &st);
		if (!ino) {
			ret = -1;
			break;
		}
		subdirs += S_ISDIR(st.st_mode);
		add_name(&names, nr++, ino, st.st_mode, e->d_name);
	}
	closedir(d);
	di->nlink = htole32(2 + subdirs);
	di->parent = htole64(parent);
	if (!ret && sffs_build_dir(&p->builder, di, names, nr))
		ret = no_room();
	for (size_t i = 0; i < nr; i++)
		free(names[i].name);
	free(names);
	return ret;
}

static int finish_links(struct populate *p)
{
	for (size_t i = 0; i < p->nr_links; i++) {
		uint64_t block = sffs_ino_block(p->link[i].ino, p->vol->geo.sector_shift);
		struct sffs_inode di;

		if (p->link[i].count == 1)
			continue;
		if (sffs_vol_read(p->vol, block, &di))
			return -1;
		di.nlink = htole32(p->link[i].count);
		if (store_inode(p, &di))
			return -1;
	}
	return 0;
}

/* ---- Space ---- */

static uint32_t count_dirs(struct populate *p, uint32_t group)
{
	uint64_t start = sffs_geometry_group(&p->vol->geo, group);
	uint32_t dirs = 0;

	for (size_t i = sffs_space_chunk_from(&p->space, start); i < p->space.nr_chunks &&
	     sffs_vol_group_of(p->vol, p->space.chunk[i].block) == group; i++) {
		for (unsigned int n = 0; n < SFFS_CHUNK_INODES; n++) {
			uint64_t ino = sffs_make_ino(p->space.chunk[i].block, n);
			uint64_t at = sffs_ino_block(ino, p->vol->geo.sector_shift);
			struct sffs_inode di;

			if (p->space.chunk[i].used >> n & 1 && !sffs_vol_read(p->vol, at, &di))
				dirs += S_ISDIR(le32toh(di.mode));
		}
	}
	return dirs;
}

static int write_group(struct populate *p, uint32_t group, bool unmapped)
{
	uint64_t start = sffs_geometry_group(&p->vol->geo, group);
	uint64_t header = start + SFFS_GROUP_HEADER;
	uint32_t free = 0, un = 0;
	struct sffs_group gh;

	if (sffs_vol_read(p->vol, header, &gh))
		return -1;
	for (uint32_t k = 0; k < p->vol->geo.bitmap_blocks; k++) {
		uint64_t block = start + SFFS_GROUP_BITMAP + k;
		struct sffs_bitmap bm;

		if (!sffs_space_bitmap(&p->space, group, k, NULL, unmapped, &bm, &gh.sum[k])) {
			sffs_block_seal(&bm, SFFS_MAGIC_BITMAP, block, group, 0, p->vol->seed);
			if (sffs_vol_write(p->vol, block, &bm))
				return -1;
		} else {
			gh.sum[k].free |= htole16(SFFS_BMS_UNINIT);
		}
		free += le16toh(gh.sum[k].free) & ~SFFS_BMS_UNINIT;
		un += le16toh(gh.sum[k].unmapped);
	}
	gh.free_blocks = htole32(free);
	gh.unmapped_blocks = htole32(un);
	gh.directories = htole32(count_dirs(p, group));
	if (sffs_space_write_chunks(&p->space, group, &gh))
		return -1;
	sffs_block_seal(&gh, SFFS_MAGIC_GROUP, header, group, 0, p->vol->seed);
	return sffs_vol_write(p->vol, header, &gh);
}

int sffs_populate(struct sffs_volume *vol, const char *dir, bool unmapped)
{
	uint64_t root = le64toh(vol->sb.root_ino);
	struct populate p = { .vol = vol };
	struct sffs_inode di;
	struct stat st;
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), ret = -1;

	if (fd < 0 || fstat(fd, &st))
		return failed(dir, "read the directory");
	sffs_space_init(&p.space, vol);
	p.builder = (struct sffs_builder){ vol, sffs_space_take, &p.space };
	sffs_space_add_chunk(&p.space, sffs_ino_chunk(root), true);
	p.space.chunk[0].used = (vol->sb.ro_compat ? 1U << (1 + SFFS_QUOTA_TYPES) : 2U) - 1;
	sffs_space_set(&p.space, &p.space.used, sffs_ino_chunk(root),
		       sffs_chunk_blocks(vol->geo.sector_shift));
	fill_inode(&di, root, &st);
	if (copy_dir(&p, &di, fd, root) || copy_xattrs(&p, &di, dir, dir) || store_inode(&p, &di) ||
	    finish_links(&p))
		goto out;
	ret = 0;
	for (uint32_t g = 0; g < vol->geo.groups && g <= p.space.take_group && !ret; g++)
		ret = write_group(&p, g, unmapped);
	sffs_usage_add(&p.usage, &di);
	if (!ret && vol->sb.ro_compat)
		ret = sffs_usage_store(&p.usage, vol);
out:
	sffs_usage_free(&p.usage);
	sffs_space_free(&p.space);
	free(p.link);
	return ret;
}
