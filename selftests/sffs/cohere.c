// SPDX-License-Identifier: GPL-2.0-only
/*
 * cohere [-s SEED] [-n OPERATIONS] [-t SECONDS] DIR...
 *
 * Random operations, one after the other, each from one of some folders that are to be the
 * same one (mounts of a volume by several hosts), against a model of it in memory. What an
 * operation has changed is looked at from another of them at once. With one local folder it
 * says whether the model is right.
 *
 * When something differs the sequence is run again with parts left out, for as long as it
 * still fails, and what is left is printed. Exit code 0: nothing differed; 1: something did;
 * 2: wrong arguments.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/falloc.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "lib/pattern.h"
#include "lib/volume.h"

#define MAX_SIZE	(64U << 10)
#define MAX_DIRS	8U
#define BLOCK		4096U
#define NAMES		3
#define PATHS		(NAMES + NAMES * NAMES + NAMES * NAMES * NAMES)
#define HANDLES		4
#define MAX_ATTR	2000U
#define ATTR		"user.cohere"
#define REPLAYS		400	/* at most, to make a sequence shorter */
#define OP_SECONDS	120	/* in which an operation must have come back */

enum kind {
	CREATE, WRITE, APPEND, READ, DIRECT_WRITE, DIRECT_READ, MAPPED_WRITE, MAPPED_READ,
	TRUNCATE, ALLOCATE, PUNCH, RENAME, LINK, UNLINK, MKDIR, RMDIR, CHMOD, SETXATTR,
	REMOVEXATTR, READDIR, OPEN, FSYNC, DONTNEED, KINDS
};

static const char *const kind_names[] = {
	"create", "write", "append", "read", "direct write", "direct read", "mapped write",
	"mapped read", "truncate", "allocate", "punch", "rename", "link", "unlink", "mkdir",
	"rmdir", "chmod", "setxattr", "removexattr", "readdir", "open", "fsync", "drop the cache"
};

/* How often each comes. */
static const uint8_t weights[KINDS] = {
	[CREATE] = 10, [WRITE] = 8, [APPEND] = 5, [READ] = 2, [DIRECT_WRITE] = 5,
	[DIRECT_READ] = 2, [MAPPED_WRITE] = 8, [MAPPED_READ] = 3, [TRUNCATE] = 6, [ALLOCATE] = 3,
	[PUNCH] = 3, [RENAME] = 12, [LINK] = 5, [UNLINK] = 5, [MKDIR] = 8, [RMDIR] = 3,
	[CHMOD] = 3, [SETXATTR] = 4, [REMOVEXATTR] = 2, [READDIR] = 3, [OPEN] = 8, [FSYNC] = 2,
	[DONTNEED] = 2,
};

/**
 * struct op - an operation; it can be tried whatever the state is
 * @kind: enum kind
 * @mount: where
 * @check: from where it is looked at
 * @handle: of an open file, which MAPPED_*, DIRECT_*, FSYNC and DONTNEED need, and others use if
 *	@by_handle
 * @path: number of the path
 * @to: and of the other one, of RENAME and LINK
 * @off: for I/O
 * @len: likewise
 * @seed: of what is written
 */
struct op {
	uint8_t kind, mount, check, handle;
	bool by_handle;
	uint8_t path, to;
	uint32_t off, len;
	uint64_t seed;
};

/* An inode of the model; those of a run are freed at its end. */
struct node {
	struct node *next;
	bool dir;
	uint32_t links, size, attr_len;
	uint16_t mode;
	uint8_t *data;			/* MAX_SIZE, zero from size on */
	uint8_t attr[MAX_ATTR];
	struct node *child[NAMES];
};

struct handle {
	int fd, direct;
	uint8_t *map;
	struct node *node;		/* NULL: not open */
};

static struct {
	char dirs[MAX_DIRS][512];
	unsigned int nr_dirs, runs;
	char base[32];			/* of a run, in each of them */
	struct node *root, *all;
	struct handle handle[HANDLES];
	uint8_t *buf, *data;
	char why[512];
	const struct op *current;
} t;

static sigjmp_buf no_page;

/* ---- Saying what is wrong ---- */

static int wrong(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(t.why, sizeof(t.why), fmt, ap);
	va_end(ap);
	return -1;
}

static const char *path_text(unsigned int path)
{
	static char text[2][8];
	static unsigned int turn;
	char *p = text[turn++ % 2];

	if (path < NAMES)
		sprintf(p, "%c", 'a' + path);
	else if (path < NAMES + NAMES * NAMES)
		sprintf(p, "%c/%c", 'a' + (path - NAMES) / NAMES, 'a' + (path - NAMES) % NAMES);
	else
		sprintf(p, "%c/%c/%c", 'a' + (path - NAMES - NAMES * NAMES) / (NAMES * NAMES),
			'a' + (path - NAMES - NAMES * NAMES) / NAMES % NAMES,
			'a' + (path - NAMES - NAMES * NAMES) % NAMES);
	return p;
}

static void print_op(unsigned int nr, const struct op *op)
{
	bool two = op->kind == RENAME || op->kind == LINK;

	printf("# %u: mount %u: %s %s%s%s, %u + %u, %s %u, seen from %u\n", nr, op->mount,
	       kind_names[op->kind], path_text(op->path), two ? " to " : "",
	       two ? path_text(op->to) : "", op->off, op->len,
	       op->by_handle ? "by handle" : "(handle)", op->handle, op->check);
}

/* Did a call come to what the model says: 0 or the negative errno value @want? */
static int expect(long ret, int want, const char *what)
{
	int got = ret < 0 ? -errno : 0;

	if (got == want)
		return 0;
	return wrong("%s: %s, not: %s", what, got ? strerror(-got) : "done",
		     want ? strerror(-want) : "done");
}

static int same_data(const uint8_t *got, const uint8_t *want, uint64_t off, uint64_t len,
		     const char *how)
{
	uint64_t i = pattern_differs(got, want + off, len);

	if (i == len)
		return 0;
	return wrong("%s: byte %llu is %02x, not %02x", how, (unsigned long long)(off + i), got[i],
		     want[off + i]);
}

static void hung(int sig)
{
	static const char text[] = "# an operation does not come back\n";
	ssize_t n = write(1, text, sizeof(text) - 1);

	if (t.current)
		print_op(0, t.current);
	fflush(stdout);
	_exit(n < 0 ? 2 : 1);
}

static void bus_error(int sig)
{
	siglongjmp(no_page, 1);
}

/* ---- The model ---- */

static struct node *new_node(bool dir, unsigned int mode)
{
	struct node *n = calloc(1, sizeof(*n));

	n->dir = dir;
	n->mode = mode;
	n->links = dir ? 2 : 1;
	if (!dir)
		n->data = calloc(1, MAX_SIZE);
	n->next = t.all;
	t.all = n;
	return n;
}

/* Where a name is, or would be. */
struct place {
	struct node *parent, *node;
	unsigned int name;
};

/* 0, also if there is no such name but a directory for it; or what a walk there fails with. */
static int walk(unsigned int path, struct place *p)
{
	const char *text = path_text(path);

	p->node = t.root;
	for (;; text += 2) {
		if (!p->node)
			return -ENOENT;
		if (!p->node->dir)
			return -ENOTDIR;
		p->parent = p->node;
		p->name = *text - 'a';
		p->node = p->parent->child[p->name];
		if (!text[1])
			return 0;
	}
}

/* The same where the name must be there. */
static int walk_to(unsigned int path, struct place *p)
{
	int err = walk(path, p);

	return err ?: p->node ? 0 : -ENOENT;
}

static int walk_to_file(unsigned int path, struct place *p)
{
	int err = walk_to(path, p);

	return err ?: p->node->dir ? -EISDIR : 0;
}

static bool empty(const struct node *n)
{
	unsigned int i;

	for (i = 0; i < NAMES; i++)
		if (n->child[i])
			return false;
	return true;
}

static bool inside(const struct node *n, const struct node *of)
{
	unsigned int i;

	if (n == of)
		return true;
	for (i = 0; of->dir && i < NAMES; i++)
		if (of->child[i] && inside(n, of->child[i]))
			return true;
	return false;
}

static void lose_name(struct place *p)
{
	p->parent->child[p->name] = NULL;
	p->node->links--;
	if (p->node->dir) {
		p->node->links = 0;
		p->parent->links--;
	}
}

static void gain_name(struct place *p, struct node *n)
{
	p->parent->child[p->name] = n;
	if (n->dir)
		p->parent->links++;
}

static void set_size(struct node *n, uint32_t size)
{
	if (size < n->size)
		memset(n->data + size, 0, n->size - size);
	n->size = size;
}

/* ---- Looking at the result ---- */

static const char *at(unsigned int mount, unsigned int path)
{
	static char text[2][600];
	static unsigned int turn;
	char *p = text[turn++ % 2];

	snprintf(p, sizeof(text[0]), "%s/%s/%s", t.dirs[mount], t.base, path_text(path));
	return p;
}

static int check_stat(const struct stat *st, const struct node *n, const char *how)
{
	if (!!S_ISDIR(st->st_mode) != n->dir || (st->st_mode & 07777) != n->mode)
		return wrong("%s: mode %o, not %o", how, st->st_mode, n->mode);
	if (st->st_nlink != n->links)
		return wrong("%s: %u links, not %u", how, (unsigned int)st->st_nlink, n->links);
	if (!n->dir && st->st_size != n->size)
		return wrong("%s: size %llu, not %u", how, (unsigned long long)st->st_size,
			     n->size);
	return 0;
}

static int check_list(const char *path, const struct node *n)
{
	unsigned int seen = 0, want = 0, i;
	struct dirent *de;
	DIR *dir = opendir(path);

	if (!dir)
		return wrong("readdir: %s", strerror(errno));
	while ((de = readdir(dir)))
		if (de->d_name[0] != '.')
			seen += 1U << (8 * (de->d_name[0] - 'a'));
	closedir(dir);
	for (i = 0; i < NAMES; i++)
		if (n->child[i])
			want += 1U << (8 * i);
	return seen == want ? 0 : wrong("readdir: names %06x, not %06x", seen, want);
}

static int check_attr(const char *path, const struct node *n)
{
	ssize_t len = getxattr(path, ATTR, t.buf, MAX_ATTR);

	if (!n->attr_len)
		return expect(len, -ENODATA, "getxattr");
	if (len != n->attr_len)
		return wrong("getxattr: %zd bytes, not %u", len, n->attr_len);
	return same_data(t.buf, n->attr, 0, len, "getxattr");
}

static int check_file(const char *path, const struct node *n)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), err = 0;
	ssize_t len;

	if (fd < 0)
		return wrong("open: %s", strerror(errno));
	len = pread(fd, t.buf, MAX_SIZE + 1, 0);
	if (len != n->size)
		err = wrong("read: %zd bytes, not %u", len, n->size);
	else
		err = same_data(t.buf, n->data, 0, len, "read");
	close(fd);
	return err;
}

static int check_path(unsigned int mount, unsigned int path)
{
	const char *text = at(mount, path);
	struct place p = { };
	struct stat st;
	int want = walk_to(path, &p), err;

	err = expect(lstat(text, &st), want, "stat");
	if (err || want)
		return err;
	err = check_stat(&st, p.node, "stat") ?: check_attr(text, p.node);
	if (err)
		return err;
	return p.node->dir ? check_list(text, p.node) : check_file(text, p.node);
}

/* Who has a file open and mapped sees the same, wherever it was changed. */
static int check_handle(const struct handle *h)
{
	struct stat st;
	int err;

	err = expect(fstat(h->fd, &st), 0, "fstat") ?: check_stat(&st, h->node, "fstat");
	if (err)
		return err;
	if (sigsetjmp(no_page, 1))
		return wrong("mapped read: no page of a file of %u bytes", h->node->size);
	return same_data(h->map, h->node->data, 0, h->node->size, "mapped read");
}

static int check_handles(const struct node *n)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < HANDLES && !err; i++)
		if (t.handle[i].node == n)
			err = check_handle(&t.handle[i]);
	return err;
}

static int check_all(unsigned int mount)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < PATHS && !err; i++) {
		err = check_path(mount, i);
		if (err) {
			size_t len = strlen(t.why);

			snprintf(t.why + len, sizeof(t.why) - len, " (%s, of all from mount %u)",
				 path_text(i), mount);
		}
	}
	return err;
}

/* ---- Operations on data ---- */

static void close_handle(struct handle *h)
{
	if (!h->node)
		return;
	if (h->map != MAP_FAILED)
		munmap(h->map, MAX_SIZE);
	close(h->direct);
	close(h->fd);
	h->node = NULL;
}

static int do_open(const struct op *op)
{
	const char *path = at(op->mount, op->path);
	struct handle *h = &t.handle[op->handle];
	struct place p = { };
	int want = walk_to_file(op->path, &p), err;

	close_handle(h);
	h->fd = open(path, O_RDWR | O_CLOEXEC);
	err = expect(h->fd, want, "open");
	if (h->fd < 0)
		return err;
	h->direct = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	h->map = mmap(NULL, MAX_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, h->fd, 0);
	h->node = p.node;
	if (err || (h->direct >= 0 && h->map != MAP_FAILED))
		return err;
	return wrong("open or mmap: %s", strerror(errno));
}

/* All bytes of a range that a file may have. */
static void clip(const struct op *op, uint32_t *off, uint32_t *len)
{
	*off = op->off % MAX_SIZE;
	*len = op->len;
	if (op->kind == DIRECT_WRITE || op->kind == DIRECT_READ) {
		*off &= ~(BLOCK - 1);
		*len = (*len + BLOCK - 1) & ~(BLOCK - 1);
	}
	if (*len > MAX_SIZE - *off)
		*len = MAX_SIZE - *off;
}

static int do_write(const struct op *op, int fd, struct node *n)
{
	uint32_t off, len;

	clip(op, &off, &len);
	if (op->kind == APPEND) {
		off = n->size;
		if (len > MAX_SIZE - off)
			len = MAX_SIZE - off;
	}
	if (!len)
		return 0;
	memcpy(t.buf, t.data, len);
	errno = 0;
	if (pwrite(fd, t.buf, len, off) != len)
		return wrong("not all was written: %s", strerror(errno));
	memcpy(n->data + off, t.data, len);
	if (off + len > n->size)
		n->size = off + len;
	return 0;
}

static int do_read(const struct op *op, int fd, const struct node *n)
{
	uint32_t off, len, want;
	ssize_t got;

	clip(op, &off, &len);
	want = off >= n->size ? 0 : n->size - off < len ? n->size - off : len;
	got = pread(fd, t.buf, len, off);
	if (got != want)
		return wrong("read: %zd bytes, not %u: %s", got, want, strerror(errno));
	return same_data(t.buf, n->data, off, want, "read");
}

static int do_mapped(const struct op *op, const struct handle *h)
{
	struct node *n = h->node;
	uint32_t off, len;

	if (!n->size)
		return 0;
	clip(op, &off, &len);
	off %= n->size;
	if (len > n->size - off)
		len = n->size - off;
	if (sigsetjmp(no_page, 1))
		return wrong("%s: no page at %u + %u of %u bytes", kind_names[op->kind], off, len,
			     n->size);
	if (op->kind == MAPPED_READ)
		return same_data(h->map + off, n->data, off, len, "mapped read");
	memcpy(h->map + off, t.data, len);
	memcpy(n->data + off, t.data, len);
	return 0;
}

static int do_truncate(const struct op *op, int fd, struct node *n)
{
	uint32_t size = op->off % MAX_SIZE;

	if (ftruncate(fd, size))
		return wrong("truncate: %s", strerror(errno));
	set_size(n, size);
	return 0;
}

static int do_fallocate(const struct op *op, int fd, struct node *n)
{
	bool keep = op->seed & 1;
	uint32_t off, len;
	int mode;

	clip(op, &off, &len);
	if (op->kind == PUNCH)
		mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	else
		mode = keep ? FALLOC_FL_KEEP_SIZE : 0;
	if (fallocate(fd, mode, off, len))
		return wrong("fallocate: %s", strerror(errno));
	if (op->kind == PUNCH)
		memset(n->data + off, 0, len);
	else if (!keep && off + len > n->size)
		n->size = off + len;
	return 0;
}

static int on_file(const struct op *op, int fd, struct node *n)
{
	switch (op->kind) {
	case WRITE: case APPEND: case DIRECT_WRITE:
		return do_write(op, fd, n);
	case READ: case DIRECT_READ:
		return do_read(op, fd, n);
	case TRUNCATE:
		return do_truncate(op, fd, n);
	case ALLOCATE: case PUNCH:
		return do_fallocate(op, fd, n);
	case FSYNC:
		return expect(fsync(fd), 0, "fsync");
	case DONTNEED:
		errno = posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
		return expect(errno ? -1 : 0, 0, "fadvise");
	}
	return wrong("operation %u", op->kind);
}

static bool needs_handle(const struct op *op)
{
	return op->by_handle || op->kind == MAPPED_READ || op->kind == MAPPED_WRITE ||
	       op->kind == FSYNC || op->kind == DONTNEED;
}

/* By an open file or by a path; then what else has it open is looked at. */
static int do_data(const struct op *op)
{
	int flags = (op->kind == APPEND ? O_APPEND : 0) |
		    (op->kind == DIRECT_WRITE || op->kind == DIRECT_READ ? O_DIRECT : 0);
	const struct handle *h = &t.handle[op->handle];
	struct place p = { };
	int want, fd, err;

	if (needs_handle(op)) {
		if (!h->node)
			return 0;
		if (op->kind == MAPPED_READ || op->kind == MAPPED_WRITE)
			err = do_mapped(op, h);
		else
			err = on_file(op, flags & O_DIRECT ? h->direct : h->fd, h->node);
		return err ?: check_handles(h->node);
	}
	want = walk_to_file(op->path, &p);
	fd = open(at(op->mount, op->path), O_RDWR | O_CLOEXEC | flags);
	err = expect(fd, want, "open");
	if (!err && !want)
		err = on_file(op, fd, p.node) ?: check_handles(p.node);
	if (fd >= 0)
		close(fd);
	return err;
}

/* ---- Operations on names and attributes ---- */

static int do_make(const struct op *op)
{
	const char *path = at(op->mount, op->path);
	bool dir = op->kind == MKDIR;
	unsigned int mode = dir ? 0755 : 0644;
	struct place p = { };
	int want = walk(op->path, &p), ret, err;

	if (!want && p.node)
		want = -EEXIST;
	ret = dir ? mkdir(path, mode) :
		    open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, mode);
	err = expect(ret, want, kind_names[op->kind]);
	if (!dir && ret >= 0)
		close(ret);
	if (!err && !want)
		gain_name(&p, new_node(dir, mode));
	return err;
}

static int do_remove(const struct op *op)
{
	const char *path = at(op->mount, op->path);
	bool dir = op->kind == RMDIR;
	struct place p = { };
	int want = walk_to(op->path, &p), err;

	if (!want && p.node->dir != dir)
		want = dir ? -ENOTDIR : -EISDIR;
	if (!want && dir && !empty(p.node))
		want = -ENOTEMPTY;
	err = expect(dir ? rmdir(path) : unlink(path), want, kind_names[op->kind]);
	if (!err && !want)
		lose_name(&p);
	return err;
}

static int rename_result(const struct place *from, const struct place *to)
{
	if (from->node->dir && inside(to->parent, from->node))
		return -EINVAL;
	if (to->node && to->node->dir && inside(from->parent, to->node))
		return -ENOTEMPTY;
	if (!to->node || to->node == from->node)
		return 0;
	if (from->node->dir != to->node->dir)
		return from->node->dir ? -ENOTDIR : -EISDIR;
	return to->node->dir && !empty(to->node) ? -ENOTEMPTY : 0;
}

static int do_rename(const struct op *op)
{
	struct place from = { }, to = { };
	struct node *moved;
	int want, err;

	want = walk(op->path, &from) ?: walk(op->to, &to);
	if (!want)
		want = from.node ? rename_result(&from, &to) : -ENOENT;
	err = expect(rename(at(op->mount, op->path), at(op->mount, op->to)), want, "rename");
	if (err || want || to.node == from.node)
		return err;
	if (to.node)
		lose_name(&to);
	moved = from.node;
	from.parent->child[from.name] = NULL;
	if (moved->dir)
		from.parent->links--;
	gain_name(&to, moved);
	return 0;
}

static int do_link(const struct op *op)
{
	struct place from = { }, to = { };
	int want, err;

	want = walk_to(op->path, &from) ?: walk(op->to, &to);
	if (!want && to.node)
		want = -EEXIST;
	if (!want && from.node->dir)
		want = -EPERM;
	err = expect(link(at(op->mount, op->path), at(op->mount, op->to)), want, "link");
	if (err || want)
		return err;
	gain_name(&to, from.node);
	from.node->links++;
	return 0;
}

static int do_attr(const struct op *op)
{
	const char *path = at(op->mount, op->path);
	unsigned int mode = 0600 | (op->seed & 077);
	uint32_t len = 1 + op->len % MAX_ATTR;
	struct place p = { };
	int want = walk_to(op->path, &p), err;

	if (op->kind == CHMOD) {
		err = expect(chmod(path, mode), want, "chmod");
		if (!err && !want)
			p.node->mode = mode;
		return err;
	}
	if (op->kind == SETXATTR) {
		err = expect(setxattr(path, ATTR, t.data, len, 0), want, "setxattr");
		if (!err && !want) {
			memcpy(p.node->attr, t.data, len);
			p.node->attr_len = len;
		}
		return err;
	}
	if (!want && !p.node->attr_len)
		want = -ENODATA;
	err = expect(removexattr(path, ATTR), want, "removexattr");
	if (!err && !want)
		p.node->attr_len = 0;
	return err;
}

static int do_readdir(const struct op *op)
{
	const char *path = at(op->mount, op->path);
	struct place p = { };
	DIR *dir;
	int want = walk_to(op->path, &p);

	if (!want && p.node->dir)
		return check_list(path, p.node);
	dir = opendir(path);
	if (dir)
		closedir(dir);
	return expect(dir ? 0 : -1, want ?: -ENOTDIR, "opendir");
}

static int do_op(const struct op *op)
{
	uint64_t seed = op->seed;

	pattern_fill(&seed, t.data, MAX_SIZE);
	switch (op->kind) {
	case CREATE: case MKDIR:
		return do_make(op);
	case UNLINK: case RMDIR:
		return do_remove(op);
	case RENAME:
		return do_rename(op);
	case LINK:
		return do_link(op);
	case CHMOD: case SETXATTR: case REMOVEXATTR:
		return do_attr(op);
	case READDIR:
		return do_readdir(op);
	case OPEN:
		return do_open(op);
	}
	return do_data(op);
}

/* ---- Sequences ---- */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static void run_end(void)
{
	char path[600];
	unsigned int i;

	for (i = 0; i < HANDLES; i++)
		close_handle(&t.handle[i]);
	snprintf(path, sizeof(path), "%s/%s", t.dirs[0], t.base);
	nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	while (t.all) {
		struct node *n = t.all;

		t.all = n->next;
		free(n->data);
		free(n);
	}
}

static int run_begin(void)
{
	char path[600];

	snprintf(t.base, sizeof(t.base), "cohere.%u.%u", (unsigned int)getpid(), t.runs++);
	snprintf(path, sizeof(path), "%s/%s", t.dirs[0], t.base);
	if (mkdir(path, 0755)) {
		perror(path);
		exit(2);
	}
	t.root = new_node(true, 0755);
	return 0;
}

static int one(const struct op *op, unsigned int nr)
{
	int err;

	t.current = op;
	alarm(OP_SECONDS);
	err = do_op(op);
	if (!err)
		err = check_path(op->check, op->path);
	if (!err && (op->kind == RENAME || op->kind == LINK))
		err = check_path(op->check, op->to);
	if (!err && nr % 64 == 63)
		err = check_all(nr / 64 % t.nr_dirs);
	alarm(0);
	t.current = NULL;
	return err;
}

/* Until @until, which may be 0: the number of the operation that failed, or @count. */
static unsigned int run_ops(const struct op *op, unsigned int count, time_t until,
			    unsigned int *done)
{
	unsigned int i;
	int err = 0;

	run_begin();
	for (i = 0; i < count && !err && (!until || time(NULL) < until); i++)
		err = one(&op[i], i);
	if (done)
		*done = i;
	run_end();
	return err ? i - 1 : count;
}

/* Leave out pieces, ever smaller ones, as long as it fails; returns how many are left. */
static unsigned int shorten(struct op *op, unsigned int count)
{
	struct op *less = calloc(count, sizeof(*op));
	unsigned int piece, from, n, failed, runs = 0;

	for (piece = count / 2; piece && runs < REPLAYS; piece /= 2) {
		for (from = 0; from < count && runs < REPLAYS; runs++) {
			n = from + piece < count ? piece : count - from;
			memcpy(less, op, from * sizeof(*op));
			memcpy(less + from, op + from + n, (count - from - n) * sizeof(*op));
			failed = run_ops(less, count - n, 0, NULL);
			if (failed == count - n) {
				from += piece;
				continue;
			}
			count = failed + 1;
			memcpy(op, less, count * sizeof(*op));
		}
	}
	free(less);
	return count;
}

static void report(struct op *op, unsigned int failed)
{
	unsigned int count = failed + 1, i;

	print_op(failed, &op[failed]);
	printf("# %s\n", t.why);
	fflush(stdout);
	if (run_ops(op, count, 0, NULL) == count) {
		puts("# a second time it does not fail; the last operations were:");
		for (i = count > 40 ? count - 40 : 0; i < count; i++)
			print_op(i, &op[i]);
		return;
	}
	count = shorten(op, count);
	run_ops(op, count, 0, NULL);
	printf("# %u operations are enough:\n", count);
	for (i = 0; i < count; i++)
		print_op(i, &op[i]);
	printf("# %s\n", t.why);
}

static void choose(uint64_t *state, struct op *op)
{
	unsigned int sum = 0, i, x;

	for (i = 0; i < KINDS; i++)
		sum += weights[i];
	x = rnd(state) % sum;
	for (i = 0; x >= weights[i]; i++)
		x -= weights[i];
	op->kind = i;
	op->mount = rnd(state) % t.nr_dirs;
	op->check = t.nr_dirs < 2 ? 0 : (op->mount + 1 + rnd(state) % (t.nr_dirs - 1)) % t.nr_dirs;
	op->handle = rnd(state) % HANDLES;
	op->by_handle = rnd(state) % 3 == 0;
	/* Most are not deep, so that there is something. */
	op->path = rnd(state) % (rnd(state) % 3 ? NAMES + NAMES * NAMES : PATHS);
	op->to = rnd(state) % (rnd(state) % 3 ? NAMES + NAMES * NAMES : PATHS);
	op->off = rnd(state) % (rnd(state) % 2 ? 3 * BLOCK : MAX_SIZE);
	op->len = 1 + rnd(state) % (rnd(state) % 2 ? 300 : 4 * BLOCK);
	op->seed = rnd(state) | 1ULL << 40;
}

static int usage(void)
{
	fputs("usage: cohere [-s SEED] [-n OPERATIONS] [-t SECONDS] DIR...\n", stderr);
	return 2;
}

int main(int argc, char **argv)
{
	unsigned int count = 2000, failed, done, i, seconds = 0;
	uint64_t seed = (uint64_t)time(NULL) << 8 | (getpid() & 0xff), state;
	struct op *op;
	int c;

	while ((c = getopt(argc, argv, "s:n:t:")) >= 0) {
		if (c == 's')
			seed = strtoull(optarg, NULL, 0);
		else if (c == 'n')
			count = strtoul(optarg, NULL, 0);
		else if (c == 't')
			seconds = strtoul(optarg, NULL, 0);
		else
			return usage();
	}
	if (optind == argc || argc - optind > (int)MAX_DIRS || !seed || !count)
		return usage();
	for (; optind < argc; t.nr_dirs++)
		snprintf(t.dirs[t.nr_dirs], sizeof(t.dirs[0]), "%s", argv[optind++]);
	umask(0);
	signal(SIGALRM, hung);
	signal(SIGBUS, bus_error);
	op = calloc(count, sizeof(*op));
	t.buf = aligned_alloc(BLOCK, MAX_SIZE + BLOCK);
	t.data = aligned_alloc(BLOCK, MAX_SIZE);
	if (!op || !t.buf || !t.data)
		return usage();
	state = seed;
	for (i = 0; i < count; i++)
		choose(&state, &op[i]);
	printf("# seed %llu\n", (unsigned long long)seed);
	fflush(stdout);
	failed = run_ops(op, count, seconds ? time(NULL) + seconds : 0, &done);
	if (failed < count)
		report(op, failed);
	else
		printf("# %u operations from %u folders\n", done, t.nr_dirs);
	free(t.data);
	free(t.buf);
	free(op);
	return failed < count;
}
