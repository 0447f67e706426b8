// SPDX-License-Identifier: GPL-2.0-only
/* Lock records and the mailbox, which mean nothing while no host is alive, but must be whole. */
#include <string.h>

#include "fsck.h"

typedef bool (*record_fn)(struct fsck *f, const void *rec, uint64_t number, unsigned int type);

static bool lock_ok(struct fsck *f, const void *rec, uint64_t number, unsigned int type)
{
	const struct sffs_lock_record *l = rec;
	int holders = __builtin_popcountll(l->holders);

	/* The scratch sector is what the probe for ATS writes to. */
	if (type == SFFS_LOCKT_FIXED && number == SFFS_FIXED_SCRATCH)
		return true;
	return sffs_record_ok(&f->vol, rec, SFFS_MAGIC_LOCK) && le64toh(l->number) == number &&
	       l->type == type && l->mode <= SFFS_LOCK_EXCLUSIVE &&
	       (l->mode == SFFS_LOCK_NONE ? !holders :
		l->mode == SFFS_LOCK_EXCLUSIVE ? holders == 1 : holders > 0) &&
	       sffs_reserved_zero(&sffs_struct_lock, (void *)rec, false);
}

static bool mail_ok(struct fsck *f, const void *rec, uint64_t number, unsigned int type)
{
	const struct sffs_mail *m = rec;

	(void)type;
	return sffs_record_ok(&f->vol, rec, SFFS_MAGIC_MAIL) &&
	       m->receiver == number / f->vol.geo.max_slots &&
	       m->sender == number % f->vol.geo.max_slots &&
	       le16toh(m->count) <= SFFS_MAIL_REQUESTS &&
	       sffs_reserved_zero(&sffs_struct_mail, (void *)rec, false);
}

/* Records in a row from @block on, numbered from @number; a bad one becomes one never used. */
static int check_run(struct fsck *f, uint64_t block, unsigned int count, uint64_t number,
		     unsigned int type, record_fn ok)
{
	unsigned int shift = f->vol.geo.sector_shift, per = sffs_sectors_per_block(shift);
	unsigned int size = 1U << shift;
	uint8_t buf[SFFS_BLOCK_SIZE] __attribute__((aligned(8)));

	for (unsigned int i = 0; i < count; i += per, block++) {
		bool changed = false;

		if (sffs_vol_read(&f->vol, block, buf))
			return -1;
		if (sffs_is_zero(buf, sizeof(buf)))
			continue;
		for (unsigned int k = 0; k < per; k++) {
			uint8_t *rec = buf + ((size_t)k << shift);

			if (sffs_is_zero(rec, size) ||
			    (i + k < count && ok(f, rec, number + i + k, type) &&
			     sffs_is_zero(rec + SFFS_RECORD_SIZE, size - SFFS_RECORD_SIZE)))
				continue;
			if (!fsck_problem(f, "block %llu: sector %u is no %s record",
					  fsck_ull(block), k, ok == mail_ok ? "mailbox" : "lock"))
				continue;
			memset(rec, 0, size);
			changed = true;
		}
		if (changed && sffs_vol_write(&f->vol, block, buf))
			return -1;
	}
	return 0;
}

static int check_chunk(struct fsck *f, uint64_t chunk)
{
	unsigned int run = sffs_chunk_run(f->vol.geo.sector_shift);

	if (check_run(f, chunk + SFFS_CHUNK_DELEGATION, 1, chunk, SFFS_LOCKT_CHUNK, lock_ok))
		return -1;
	for (unsigned int type = SFFS_LOCKT_INODE; type <= SFFS_LOCKT_FLOCK; type++)
		if (check_run(f, chunk + SFFS_CHUNK_RECORDS + (type - SFFS_LOCKT_INODE) * run,
			      SFFS_CHUNK_INODES, sffs_make_ino(chunk, 0), type, lock_ok))
			return -1;
	return 0;
}

int fsck_check_locks(struct fsck *f)
{
	const struct sffs_geometry *g = &f->vol.geo;

	if (check_run(f, g->fixed_lock_block, SFFS_FIXED_LOCKS, 0, SFFS_LOCKT_FIXED, lock_ok) ||
	    check_run(f, g->mailbox_block, g->max_slots * g->max_slots, 0, 0, mail_ok))
		return -1;
	for (uint32_t i = 0; i < g->groups; i++)
		if (check_run(f, sffs_geometry_group(g, i), 1, i, SFFS_LOCKT_GROUP, lock_ok))
			return -1;
	for (size_t i = 0; i < f->space.nr_chunks; i++) {
		if (check_chunk(f, f->space.chunk[i].block))
			return -1;
		fsck_progress(f, "locks", i, f->space.nr_chunks);
	}
	return 0;
}
