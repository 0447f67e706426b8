// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random operations on one file against a copy of it in memory: buffered, direct and
 * mapped reads and writes, truncation, and every mode of fallocate(). In the middle
 * the volume is mounted anew, at the end it is stopped as by a power cut after an
 * fsync(), and a copy of the disk that was taken then is mounted too.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "kselftest_harness.h"

#include "lib/pattern.h"
#include "lib/volume.h"

#define MAX_SIZE	(2U << 20)
#define MAX_LEN		(128U << 10)
#define BLOCK		4096U
#define HISTORY		48

/**
 * struct model - a file and what should be in it
 * @data: MAX_SIZE bytes; zero from @size on
 * @buf: for I/O, aligned
 * @history: the last operations, to be printed when something differs
 * @bad: something differed
 */
struct model {
	uint8_t *data, *buf;
	uint64_t size, state;
	int fd, dfd;
	char history[HISTORY][96];
	unsigned int nr;
	bool bad;
};

static uint64_t below(struct model *m, uint64_t limit)
{
	return rnd(&m->state) % limit;
}

static void note(struct model *m, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(m->history[m->nr % HISTORY], sizeof(m->history[0]), fmt, ap);
	va_end(ap);
}

static void differs(struct model *m, const char *what)
{
	unsigned int i = m->nr >= HISTORY ? m->nr - HISTORY + 1 : 0;

	if (m->bad)
		return;
	m->bad = true;
	for (; i <= m->nr; i++)
		say("operation %u: %s", i, m->history[i % HISTORY]);
	say("%s: %s", what, strerror(errno));
}

static void compare(struct model *m, const char *what, uint64_t off, const uint8_t *got,
		    uint64_t len)
{
	uint64_t i = pattern_differs(got, m->data + off, len);

	if (m->bad || i == len)
		return;
	say("%s: byte %llu is %02x, not %02x", what, (unsigned long long)(off + i), got[i],
	    m->data[off + i]);
	errno = 0;
	differs(m, "data differs");
}

static void grow_to(struct model *m, uint64_t end)
{
	if (end > m->size)
		m->size = end;
}

static void sectors(bool direct, uint64_t *off, uint64_t *len)
{
	if (!direct)
		return;
	*off &= ~511ULL;
	*len = (*len + 511) & ~511ULL;
}

static void op_write(struct model *m, bool direct)
{
	uint64_t off = below(m, MAX_SIZE - MAX_LEN), len = 1 + below(m, MAX_LEN);

	sectors(direct, &off, &len);
	note(m, "%s write %llu + %llu", direct ? "direct" : "buffered", (unsigned long long)off,
	     (unsigned long long)len);
	pattern_fill(&m->state, m->buf, len);
	if (pwrite(direct ? m->dfd : m->fd, m->buf, len, off) != (ssize_t)len)
		differs(m, "write");
	memcpy(m->data + off, m->buf, len);
	grow_to(m, off + len);
}

static void op_read(struct model *m, bool direct)
{
	uint64_t off = below(m, MAX_SIZE), len = 1 + below(m, MAX_LEN), want;

	sectors(direct, &off, &len);
	note(m, "%s read %llu + %llu", direct ? "direct" : "buffered", (unsigned long long)off,
	     (unsigned long long)len);
	want = off >= m->size ? 0 : m->size - off < len ? m->size - off : len;
	if (pread(direct ? m->dfd : m->fd, m->buf, len, off) != (ssize_t)want)
		differs(m, "read: wrong length");
	compare(m, "read", off, m->buf, want);
}

static void op_mmap(struct model *m, bool write)
{
	uint64_t off, len;
	uint8_t *map;

	if (!m->size)
		return;
	off = below(m, m->size);
	len = 1 + below(m, MAX_LEN);
	if (len > m->size - off)
		len = m->size - off;
	note(m, "mapped %s %llu + %llu", write ? "write" : "read", (unsigned long long)off,
	     (unsigned long long)len);
	map = mmap(NULL, m->size, PROT_READ | (write ? PROT_WRITE : 0), MAP_SHARED, m->fd, 0);
	if (map == MAP_FAILED) {
		differs(m, "mmap");
		return;
	}
	if (write) {
		pattern_fill(&m->state, m->data + off, len);
		memcpy(map + off, m->data + off, len);
	} else {
		compare(m, "mapped read", off, map + off, len);
	}
	munmap(map, m->size);
}

static void op_truncate(struct model *m)
{
	uint64_t to = below(m, MAX_SIZE);

	note(m, "truncate %llu to %llu", (unsigned long long)m->size, (unsigned long long)to);
	if (ftruncate(m->fd, to))
		differs(m, "truncate");
	if (to < m->size)
		memset(m->data + to, 0, m->size - to);
	m->size = to;
}

static void do_falloc(struct model *m, const char *name, int mode, uint64_t off, uint64_t len)
{
	note(m, "%s %llu + %llu", name, (unsigned long long)off, (unsigned long long)len);
	if (fallocate(m->fd, mode, off, len))
		differs(m, name);
}

static void zero_model(struct model *m, uint64_t off, uint64_t len)
{
	memset(m->data + off, 0, len);
}

static void op_alloc(struct model *m)
{
	uint64_t off = below(m, MAX_SIZE - MAX_LEN), len = 1 + below(m, MAX_LEN);
	bool keep = below(m, 2);

	do_falloc(m, keep ? "allocate, keep size" : "allocate", keep ? FALLOC_FL_KEEP_SIZE : 0,
		  off, len);
	if (!keep)
		grow_to(m, off + len);
}

static void op_punch(struct model *m)
{
	uint64_t off = below(m, MAX_SIZE - MAX_LEN), len = 1 + below(m, MAX_LEN);

	do_falloc(m, "punch", FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, off, len);
	zero_model(m, off, len);
}

static void op_zero(struct model *m)
{
	uint64_t off = below(m, MAX_SIZE - MAX_LEN), len = 1 + below(m, MAX_LEN);
	bool keep = below(m, 2);

	do_falloc(m, keep ? "zero, keep size" : "zero",
		  FALLOC_FL_ZERO_RANGE | (keep ? FALLOC_FL_KEEP_SIZE : 0), off, len);
	if (!keep)
		grow_to(m, off + len);
	zero_model(m, off, len);
}

static void op_collapse(struct model *m)
{
	uint64_t blocks = m->size / BLOCK, off, len = (1 + below(m, 16)) * BLOCK;

	if (blocks < 3)
		return;
	off = below(m, blocks - 2) * BLOCK;
	if (off + len >= m->size)
		return;
	do_falloc(m, "collapse", FALLOC_FL_COLLAPSE_RANGE, off, len);
	memmove(m->data + off, m->data + off + len, m->size - off - len);
	memset(m->data + m->size - len, 0, len);
	m->size -= len;
}

static void op_insert(struct model *m)
{
	uint64_t off, len = (1 + below(m, 16)) * BLOCK;

	/* The start of the file is a case of its own. */
	off = below(m, 4) ? below(m, m->size / BLOCK + 1) * BLOCK : 0;
	if (off >= m->size || m->size + len > MAX_SIZE)
		return;
	do_falloc(m, "insert", FALLOC_FL_INSERT_RANGE, off, len);
	memmove(m->data + off + len, m->data + off, m->size - off);
	memset(m->data + off, 0, len);
	m->size += len;
}

static void op_sync(struct model *m)
{
	note(m, "fsync and drop the cache");
	if (fsync(m->fd) || posix_fadvise(m->fd, 0, 0, POSIX_FADV_DONTNEED))
		differs(m, "fsync");
}

static void check_all(struct model *m)
{
	uint64_t off;

	for (off = 0; off < m->size; off += MAX_LEN) {
		uint64_t len = m->size - off < MAX_LEN ? m->size - off : MAX_LEN;

		if (pread(m->fd, m->buf, len, off) != (ssize_t)len)
			differs(m, "read of all");
		compare(m, "read of all", off, m->buf, len);
	}
}

static void one_op(struct model *m)
{
	struct stat st;

	switch (below(m, 16)) {
	case 0: case 1:
		op_write(m, false);
		break;
	case 2:
		op_write(m, true);
		break;
	case 3: case 4:
		op_read(m, false);
		break;
	case 5:
		op_read(m, true);
		break;
	case 6:
		op_mmap(m, false);
		break;
	case 7: case 8:
		op_mmap(m, true);
		break;
	case 9:
		op_truncate(m);
		break;
	case 10:
		op_alloc(m);
		break;
	case 11:
		op_punch(m);
		break;
	case 12:
		op_zero(m);
		break;
	case 13:
		op_collapse(m);
		break;
	case 14:
		op_insert(m);
		break;
	case 15:
		op_sync(m);
		break;
	}
	if (fstat(m->fd, &st) || (uint64_t)st.st_size != m->size)
		differs(m, "size");
	m->nr++;
}

static int open_file(struct model *m, const struct volume *v)
{
	m->fd = open(in(v, "file"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	m->dfd = open(in(v, "file"), O_RDWR | O_DIRECT | O_CLOEXEC);
	return m->fd < 0 || m->dfd < 0 ? -errno : 0;
}

static void close_file(struct model *m)
{
	close(m->fd);
	close(m->dfd);
}

static void operations(struct model *m, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count && !m->bad; i++) {
		one_op(m);
		if (i % 16 == 15)
			check_all(m);
	}
}

FIXTURE(data_model) {
	struct volume vol, copy;
	struct model m;
};

FIXTURE_VARIANT(data_model) {
	uint64_t seed;
};

FIXTURE_VARIANT_ADD(data_model, seed_777) { .seed = 777 };
FIXTURE_VARIANT_ADD(data_model, seed_1) { .seed = 1 };
FIXTURE_VARIANT_ADD(data_model, seed_20261) { .seed = 20261 };
FIXTURE_VARIANT_ADD(data_model, seed_88172645463325252) { .seed = 88172645463325252ULL };

FIXTURE_SETUP(data_model)
{
	self->m.state = variant->seed;
	self->m.data = calloc(1, MAX_SIZE);
	self->m.buf = aligned_alloc(BLOCK, MAX_LEN + BLOCK);
	ASSERT_NE(NULL, self->m.data);
	ASSERT_NE(NULL, self->m.buf);
	ASSERT_EQ(0, volume_setup());
	ASSERT_EQ(0, volume_make(&self->vol, 64));
	ASSERT_EQ(0, open_file(&self->m, &self->vol));
}

FIXTURE_TEARDOWN(data_model)
{
	close_file(&self->m);
	volume_free(&self->vol);
	free(self->m.data);
	free(self->m.buf);
}

TEST_F_TIMEOUT(data_model, file_and_model_agree, 3000)
{
	unsigned int count = want_long() ? 20000 : on_debug() ? 300 : 800;
	struct model *m = &self->m;

	operations(m, count / 2);
	close_file(m);
	ASSERT_EQ(0, volume_remount(&self->vol));
	ASSERT_EQ(0, open_file(m, &self->vol));
	check_all(m);
	operations(m, count / 2);
	ASSERT_FALSE(m->bad);

	/* What was synced is there on a copy of the disk, and after a crash. */
	ASSERT_EQ(0, fsync(m->fd));
	close_file(m);
	ASSERT_EQ(0, volume_copy(&self->copy, "copy", &self->vol));
	ASSERT_EQ(0, volume_mount(&self->copy, 0, "local"));
	ASSERT_EQ(0, open_file(m, &self->copy));
	check_all(m);
	ASSERT_FALSE(m->bad);
	close_file(m);
	ASSERT_EQ(0, volume_umount(&self->copy));
	EXPECT_EQ(0, volume_fsck(&self->copy));
	volume_free(&self->copy);

	ASSERT_EQ(0, volume_crash(&self->vol));
	ASSERT_EQ(0, open_file(m, &self->vol));
	check_all(m);
	ASSERT_FALSE(m->bad);
	close_file(m);
	ASSERT_EQ(0, volume_umount(&self->vol));
	EXPECT_EQ(0, volume_fsck(&self->vol));
	ASSERT_EQ(0, volume_mount(&self->vol, 0, "local"));
	ASSERT_EQ(0, open_file(m, &self->vol));
}

TEST_HARNESS_MAIN
