// SPDX-License-Identifier: GPL-2.0-only
/*
 * Replay of a slot's journal, after the description of jbd2's format in the
 * kernel's documentation: find the last complete transaction, collect the
 * revoked blocks, then write what the transactions logged.
 */
#include <stdlib.h>
#include <string.h>

#include "fsck.h"
#include "slots.h"

#define JBD2_MAGIC		0xc03b3998U
#define JBD2_DESCRIPTOR		1U
#define JBD2_COMMIT		2U
#define JBD2_SUPER_V2		4U
#define JBD2_REVOKE		5U
#define JBD2_FEATURES		(0x1U | 0x2U | 0x10U)	/* REVOKE, 64BIT, CSUM_V3 */
#define JBD2_CRC32C		4U
#define TAG_ESCAPE		1U
#define TAG_SAME_UUID		2U
#define TAG_LAST		8U

/* Offsets in the super block of a journal. */
#define JS_BLOCKSIZE		12
#define JS_MAXLEN		16
#define JS_FIRST		20
#define JS_SEQUENCE		24
#define JS_START		28
#define JS_ERRNO		32
#define JS_INCOMPAT		40
#define JS_UUID			48
#define JS_NR_USERS		64
#define JS_CHECKSUM_TYPE	80
#define JS_CHECKSUM		252
#define JS_SIZE			1024

struct tag {			/* journal_block_tag3_t */
	uint32_t block, flags, block_high, checksum;
};

struct revoked {
	uint64_t block;
	uint32_t sequence;
};

struct journal {
	struct fsck *f;
	unsigned int slot;
	uint64_t start;
	uint32_t len, first, sequence, head;
	uint32_t seed;		/* CRC-32C of the UUID */
	struct revoked *revoked;
	size_t nr_revoked, max_revoked;
};

enum step { SCAN, REVOKE, REPLAY };

static uint32_t be(const void *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return be32toh(v);
}

static void put_be(void *p, uint32_t v)
{
	v = htobe32(v);
	memcpy(p, &v, sizeof(v));
}

static uint32_t next_block(const struct journal *j, uint32_t at, uint32_t n)
{
	at += n;
	return at >= j->len ? at - j->len + j->first : at;
}

/* The checksum in the last four bytes of descriptor and revoke blocks. */
static bool tail_ok(const struct journal *j, const uint8_t *buf)
{
	static const uint32_t zero;
	uint32_t crc = sffs_crc32c(j->seed, buf, SFFS_BLOCK_SIZE - 4);

	return sffs_crc32c(crc, &zero, 4) == be(buf + SFFS_BLOCK_SIZE - 4);
}

/* That of a commit block is at byte 16. */
static bool commit_ok(const struct journal *j, const uint8_t *buf)
{
	uint8_t copy[SFFS_BLOCK_SIZE];

	memcpy(copy, buf, sizeof(copy));
	memset(copy + 16, 0, 4);
	return sffs_crc32c(j->seed, copy, sizeof(copy)) == be(buf + 16);
}

/* ---- Revoked blocks ---- */

static void add_revokes(struct journal *j, const uint8_t *buf, uint32_t sequence)
{
	uint32_t used = be(buf + 12);

	if (used > SFFS_BLOCK_SIZE - 4)
		return;
	for (uint32_t off = 16; off + 8 <= used; off += 8) {
		if (j->nr_revoked == j->max_revoked) {
			j->max_revoked = 2 * j->max_revoked + 64;
			j->revoked = sffs_grow(j->revoked, j->max_revoked, sizeof(*j->revoked));
		}
		j->revoked[j->nr_revoked++] = (struct revoked){
			.block = (uint64_t)be(buf + off) << 32 | be(buf + off + 4),
			.sequence = sequence,
		};
	}
}

static int by_block(const void *a, const void *b)
{
	const struct revoked *x = a, *y = b;

	if (x->block != y->block)
		return x->block < y->block ? -1 : 1;
	return (int32_t)(x->sequence - y->sequence);
}

/* Of each block keep the last transaction that revoked it. */
static void settle_revokes(struct journal *j)
{
	size_t out = 0;

	if (!j->nr_revoked)
		return;
	qsort(j->revoked, j->nr_revoked, sizeof(*j->revoked), by_block);
	for (size_t i = 0; i < j->nr_revoked; i++) {
		if (out && j->revoked[out - 1].block == j->revoked[i].block)
			out--;
		j->revoked[out++] = j->revoked[i];
	}
	j->nr_revoked = out;
}

static bool is_revoked(const struct journal *j, uint64_t block, uint32_t sequence)
{
	size_t low = 0, high = j->nr_revoked;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (j->revoked[mid].block < block)
			low = mid + 1;
		else
			high = mid;
	}
	return low < j->nr_revoked && j->revoked[low].block == block &&
	       (int32_t)(j->revoked[low].sequence - sequence) >= 0;
}

/* ---- The log ---- */

static int replay_block(struct journal *j, uint32_t at, const struct tag *tag, uint32_t sequence)
{
	uint64_t block = (uint64_t)be32toh(tag->block_high) << 32 | be32toh(tag->block);
	/* The super block may be among what is replayed, and say that the volume has grown. */
	uint64_t end = j->f->vol.dev.bytes / SFFS_BLOCK_SIZE;
	uint32_t seq_be = htobe32(sequence), crc;
	uint8_t buf[SFFS_BLOCK_SIZE];

	if (is_revoked(j, block, sequence))
		return 0;
	if (sffs_vol_read(&j->f->vol, j->start + at, buf))
		return -1;
	crc = sffs_crc32c(sffs_crc32c(j->seed, &seq_be, 4), buf, sizeof(buf));
	if (crc != be32toh(tag->checksum) || block < SFFS_SUPER_BLOCK || block >= end ||
	    (block > SFFS_SUPER_BLOCK && block < le64toh(j->f->vol.sb.slot_area_block[0]))) {
		fsck_loss(j->f, "journal of slot %u: the logged copy of block %llu is damaged",
			  j->slot, fsck_ull(block));
		return 0;
	}
	if (be32toh(tag->flags) & TAG_ESCAPE)
		put_be(buf, JBD2_MAGIC);
	return sffs_vol_write(&j->f->vol, block, buf);
}

/* One descriptor block: returns how many blocks follow it, or -1. */
static int descriptor(struct journal *j, uint32_t at, const uint8_t *buf, uint32_t sequence,
		      enum step what)
{
	uint32_t off = 12, n = 0;

	while (off + sizeof(struct tag) <= SFFS_BLOCK_SIZE - 4) {
		struct tag tag;

		memcpy(&tag, buf + off, sizeof(tag));
		off += sizeof(tag);
		n++;
		if (what == REPLAY && replay_block(j, next_block(j, at, n), &tag, sequence))
			return -1;
		if (!(be32toh(tag.flags) & TAG_SAME_UUID))
			off += 16;
		if (be32toh(tag.flags) & TAG_LAST)
			break;
	}
	return n;
}

/* A block of the log: how many blocks follow it, -1 at the end, -2 on error. */
static int log_block(struct journal *j, uint32_t at, const uint8_t *buf, uint32_t *sequence,
		     enum step what)
{
	int n;

	if (be(buf) != JBD2_MAGIC || be(buf + 8) != *sequence)
		return -1;
	switch (be(buf + 4)) {
	case JBD2_DESCRIPTOR:
		if (!tail_ok(j, buf))
			return -1;
		n = descriptor(j, at, buf, *sequence, what);
		return n < 0 ? -2 : n;
	case JBD2_COMMIT:
		if (!commit_ok(j, buf))
			return -1;
		(*sequence)++;
		return 0;
	case JBD2_REVOKE:
		if (!tail_ok(j, buf))
			return -1;
		if (what == REVOKE)
			add_revokes(j, buf, *sequence);
		return 0;
	}
	return -1;
}

/* Walk the log up to transaction @end; the scan finds that out. */
static int walk(struct journal *j, enum step what, uint32_t *end)
{
	uint32_t at = j->head, sequence = j->sequence, steps = 0;

	while (steps < j->len && (what == SCAN || sequence != *end)) {
		uint8_t buf[SFFS_BLOCK_SIZE];
		int n;

		if (sffs_vol_read(&j->f->vol, j->start + at, buf))
			return -1;
		n = log_block(j, at, buf, &sequence, what);
		if (n == -2)
			return -1;
		if (n < 0)
			break;
		at = next_block(j, at, n + 1);
		steps += n + 1;
	}
	if (what == SCAN)
		*end = sequence;
	return 0;
}

/* ---- The super block of the journal ---- */

static uint32_t super_crc(const uint8_t *sb)
{
	uint8_t copy[JS_SIZE];

	memcpy(copy, sb, sizeof(copy));
	memset(copy + JS_CHECKSUM, 0, 4);
	return sffs_crc32c(~0U, copy, sizeof(copy));
}

/* Say that there is nothing to replay. */
static int mark_empty(struct journal *j, uint8_t *sb, uint32_t sequence)
{
	put_be(sb + JS_SEQUENCE, sequence);
	put_be(sb + JS_START, 0);
	put_be(sb + JS_ERRNO, 0);
	put_be(sb + JS_CHECKSUM, super_crc(sb));
	return sffs_vol_write(&j->f->vol, j->start, sb);
}

static bool super_ok(uint32_t blocks, const uint8_t *sb)
{
	return be(sb) == JBD2_MAGIC && be(sb + 4) == JBD2_SUPER_V2 &&
	       be(sb + JS_BLOCKSIZE) == SFFS_BLOCK_SIZE &&
	       be(sb + JS_MAXLEN) == blocks && be(sb + JS_FIRST) == 1 &&
	       be(sb + JS_START) < blocks &&
	       be(sb + JS_INCOMPAT) == JBD2_FEATURES && !be(sb + 36) && !be(sb + 44) &&
	       be(sb + JS_NR_USERS) <= 1 && sb[JS_CHECKSUM_TYPE] == JBD2_CRC32C &&
	       be(sb + JS_CHECKSUM) == super_crc(sb);
}

static int replay(struct journal *j, uint8_t *sb)
{
	uint32_t end = 0;
	int ret = walk(j, SCAN, &end);

	if (!ret)
		ret = walk(j, REVOKE, &end);
	settle_revokes(j);
	if (!ret)
		ret = walk(j, REPLAY, &end);
	free(j->revoked);
	/* What was replayed is on the device before the journal says that it is empty. */
	if (!ret && j->f->mode != FSCK_CHECK)
		ret = sffs_device_sync(&j->f->vol.dev);
	if (!ret)
		ret = mark_empty(j, sb, end + 1);
	if (!ret)
		printf("journal of slot %u: %u transactions replayed%s\n", j->slot,
		       end - j->sequence, j->f->mode == FSCK_CHECK ? " in memory" : "");
	return ret;
}

bool fsck_replay_due(const struct sffs_device *dev, const struct sffs_super *sb)
{
	for (unsigned int i = 0; i < le32toh(sb->slots) && i < SFFS_MAX_SLOTS; i++) {
		uint64_t block = le64toh(sb->journal_block[i]);
		uint8_t buf[SFFS_BLOCK_SIZE];

		if (block < dev->bytes / SFFS_BLOCK_SIZE &&
		    !sffs_read_blocks(dev, block, buf, 1) &&
		    super_ok(le32toh(sb->journal_blocks), buf) && be(buf + JS_START))
			return true;
	}
	return false;
}

int fsck_replay(struct fsck *f, unsigned int slot)
{
	struct journal j = {
		.f = f, .slot = slot,
		.start = le64toh(f->vol.sb.journal_block[slot]),
		.len = f->vol.geo.journal_blocks,
	};
	uint8_t sb[SFFS_BLOCK_SIZE];

	if (sffs_vol_read(&f->vol, j.start, sb))
		return -1;
	if (!super_ok(j.len, sb)) {
		if (fsck_loss(f, "journal of slot %u: its super block is damaged", slot))
			return sffs_make_journal(&f->vol, j.start);
		return 0;
	}
	j.first = be(sb + JS_FIRST);
	j.sequence = be(sb + JS_SEQUENCE);
	j.head = be(sb + JS_START);
	j.seed = sffs_crc32c(~0U, sb + JS_UUID, 16);
	if (j.head)
		return replay(&j, sb);
	if (be(sb + JS_ERRNO) &&
	    fsck_problem(f, "journal of slot %u: stopped with error %d", slot,
			 (int32_t)be(sb + JS_ERRNO)))
		return mark_empty(&j, sb, j.sequence);
	return 0;
}
