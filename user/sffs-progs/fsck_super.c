// SPDX-License-Identifier: GPL-2.0-only
/*
 * The super block and its backups. Backups are written before the primary, so where they
 * agree with each other and not with it, they are right: it is older, or damaged.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fsck.h"

#define SEARCH_BLOCKS	256U
#define SEARCH_MAX	(8ULL << (30 - SFFS_BLOCK_SHIFT))	/* journals take no more */

/* Group of the next backup behind that in group @g. */
static uint64_t next_backup(uint64_t g)
{
	return g < 1 ? 1 : g < 3 ? 3 : g * 3;
}

/* What a backup has in common with the primary: all that outlives a mount. */
static bool same_identity(const struct sffs_super *a, const struct sffs_super *b)
{
	struct sffs_super x = *a, y = *b;

	memset(&x.h, 0, sizeof(x.h));
	memset(&y.h, 0, sizeof(y.h));
	y.state = x.state;
	y.checked_sec = x.checked_sec;
	y.error_block = x.error_block;
	y.error_sec = x.error_sec;
	y.reclaim_rate = x.reclaim_rate;
	y.crashes = x.crashes;
	return !memcmp(&x, &y, sizeof(x));
}

static bool read_super(const struct sffs_device *dev, uint64_t block, struct sffs_super *sb,
		       struct sffs_geometry *geo)
{
	const char *why;

	return block < dev->bytes / SFFS_BLOCK_SIZE && !sffs_read_blocks(dev, block, sb, 1) &&
	       !sffs_super_decode(sb, block, geo, &why);
}

/* The same but for the size, as long as a growth is not written home. */
static bool same_but_size(const struct sffs_super *a, const struct sffs_super *b)
{
	struct sffs_super x = *a;

	x.blocks = b->blocks;
	x.groups = b->groups;
	return same_identity(&x, b);
}

/*
 * Do the super block's own backups, where it says that they are, confirm it? What the
 * volume was made larger by may yet be in a journal: with @unfinished only the rest counts.
 */
static bool confirmed(const struct sffs_device *dev, const struct sffs_super *sb,
		      const struct sffs_geometry *geo, bool unfinished)
{
	for (uint64_t g = 0; g < geo->groups && g < 4; g = next_backup(g)) {
		uint64_t block = sffs_geometry_group(geo, g) + SFFS_GROUP_BACKUP;
		struct sffs_geometry other;
		struct sffs_super backup;

		if (read_super(dev, block, &backup, &other) &&
		    (same_identity(sb, &backup) || (unfinished && same_but_size(sb, &backup))))
			return true;
	}
	return false;
}

/* Two backups that agree; or, with @single, one that is in its place. Returns its block. */
static uint64_t find_backup(const struct sffs_device *dev, bool single)
{
	uint64_t limit = dev->bytes / SFFS_BLOCK_SIZE, found = 0;
	uint8_t *buf = sffs_grow(NULL, SEARCH_BLOCKS, SFFS_BLOCK_SIZE);

	if (limit > SEARCH_MAX)
		limit = SEARCH_MAX;
	for (uint64_t b = 0; b < limit && !found; b += SEARCH_BLOCKS) {
		unsigned int n = limit - b < SEARCH_BLOCKS ? limit - b : SEARCH_BLOCKS;

		if (sffs_read_blocks(dev, b, buf, n))
			break;
		for (unsigned int i = 0; i < n && !found; i++) {
			const struct sffs_header *h = (void *)(buf + i * SFFS_BLOCK_SIZE);
			struct sffs_geometry geo, other;
			struct sffs_super sb, second;

			if (b + i <= SFFS_SUPER_BLOCK || le32toh(h->magic) != SFFS_MAGIC_SUPER ||
			    !read_super(dev, b + i, &sb, &geo) ||
			    b + i != sffs_geometry_group(&geo, 0) + SFFS_GROUP_BACKUP)
				continue;
			if (single || (geo.groups > 1 &&
				       read_super(dev, sffs_geometry_group(&geo, 1) +
						  SFFS_GROUP_BACKUP, &second, &other) &&
				       same_identity(&sb, &second)))
				found = b + i;
		}
	}
	free(buf);
	return found;
}

/* Does what it says lead to a group and to the root directory? */
static bool plausible(const struct sffs_device *dev, const struct sffs_super *sb,
		      const struct sffs_geometry *geo)
{
	struct sffs_volume vol = { .dev = *dev, .sb = *sb, .geo = *geo,
				   .seed = le32toh(sb->checksum_seed) };
	uint64_t root = le64toh(sb->root_ino), at = sffs_ino_block(root, geo->sector_shift);
	uint64_t header = geo->first_group_block + SFFS_GROUP_HEADER, group = 0;
	uint8_t buf[SFFS_BLOCK_SIZE] __attribute__((aligned(8)));

	return geo->blocks <= dev->bytes / SFFS_BLOCK_SIZE &&
	       !sffs_vol_read(&vol, header, buf) &&
	       !sffs_meta_fault(&vol, buf, header, SFFS_MAGIC_GROUP, &group, NULL) &&
	       sffs_vol_ino_fits(&vol, root) && !sffs_vol_read(&vol, at, buf) &&
	       !sffs_meta_fault(&vol, buf, at, SFFS_MAGIC_INODE, &root, NULL);
}

/* Where to read the super block: the primary unless it is damaged or outvoted. */
static uint64_t choose_super(const struct sffs_device *dev)
{
	struct sffs_geometry geo;
	struct sffs_super sb;
	uint64_t backup = 0;

	if (read_super(dev, SFFS_SUPER_BLOCK, &sb, &geo)) {
		if (!confirmed(dev, &sb, &geo, fsck_replay_due(dev, &sb)))
			backup = find_backup(dev, !plausible(dev, &sb, &geo));
	} else if (dev->bytes / SFFS_BLOCK_SIZE > SFFS_SUPER_BLOCK) {
		backup = find_backup(dev, true);
	}
	return backup ? backup : SFFS_SUPER_BLOCK;
}

int fsck_open(struct fsck *f, const char *path, uint64_t block)
{
	bool given = block != SFFS_SUPER_BLOCK;
	struct sffs_device dev;

	/* Also a check that writes nothing needs a volume that stands still. */
	if (sffs_device_unused(path) || sffs_device_open(&dev, path, false))
		return -1;
	if (!given)
		block = choose_super(&dev);
	sffs_device_close(&dev);
	if (sffs_volume_open(&f->vol, path, f->mode != FSCK_CHECK, block))
		return -1;
	f->vol.read_only = f->mode == FSCK_CHECK;
	if (le64toh(f->vol.sb.ro_compat) & ~SFFS_RO_COMPAT_SUPPORTED && f->mode != FSCK_CHECK) {
		sffs_err("%s: made by a newer version of SFFS; only -n can check it", path);
		sffs_volume_close(&f->vol);
		return -1;
	}
	if (block == SFFS_SUPER_BLOCK)
		return 0;
	/* Backups do not follow the count of crashes: one that no group knows. */
	sffs_random(&f->vol.sb.crashes, sizeof(f->vol.sb.crashes));
	f->vol.sb.crashes |= htole32(0x80000000);
	if (fsck_loss(f, "the super block is damaged; that at block %llu is used", fsck_ull(block)))
		return sffs_volume_write_super(&f->vol);
	return 0;
}

/* Values out of their range become what mkfs.sffs makes of them. */
static bool fit_values(struct sffs_super *sb)
{
	uint32_t lease = le32toh(sb->lease_ms), beat = le32toh(sb->heartbeat_ms);
	bool ok = true;

	if (lease < SFFS_LEASE_MS_MIN || lease > SFFS_LEASE_MS_MAX || !beat || beat > lease / 3) {
		sb->lease_ms = htole32(SFFS_LEASE_MS_DEFAULT);
		sb->heartbeat_ms = htole32(SFFS_HEARTBEAT_MS_DEFAULT);
		ok = false;
	}
	if (sb->label[SFFS_LABEL_MAX]) {
		sb->label[SFFS_LABEL_MAX] = 0;
		ok = false;
	}
	for (unsigned int i = le32toh(sb->slots); i < SFFS_MAX_SLOTS; i++) {
		ok &= !sb->slot_area_block[i] && !sb->journal_block[i];
		sb->slot_area_block[i] = 0;
		sb->journal_block[i] = 0;
	}
	return sffs_reserved_zero(sffs_struct_of(SFFS_MAGIC_SUPER), sb, true) && ok;
}

static bool backups_ok(struct fsck *f)
{
	const struct sffs_geometry *g = &f->vol.geo;

	for (uint64_t n = 0; n < g->groups; n = next_backup(n)) {
		struct sffs_geometry other;
		struct sffs_super sb;
		const char *why;
		uint64_t block = sffs_geometry_group(g, n) + SFFS_GROUP_BACKUP;

		if (sffs_vol_read(&f->vol, block, &sb) ||
		    sffs_super_decode(&sb, block, &other, &why) ||
		    !same_identity(&sb, &f->vol.sb)) {
			printf("the backup of the super block in group %llu is wrong\n",
			       fsck_ull(n));
			return false;
		}
	}
	return true;
}

int fsck_reload_super(struct fsck *f)
{
	struct sffs_geometry geo;
	struct sffs_super sb;
	const char *why;

	if (f->mode == FSCK_CHECK && f->problems)
		return 0;		/* what was read may be a backup */
	if (sffs_vol_read(&f->vol, SFFS_SUPER_BLOCK, &sb) ||
	    sffs_super_decode(&sb, SFFS_SUPER_BLOCK, &geo, &why) ||
	    sb.checksum_seed != f->vol.sb.checksum_seed)
		return 0;
	f->vol.sb = sb;
	f->vol.geo = geo;
	return 0;
}

int fsck_check_super(struct fsck *f)
{
	struct sffs_super *sb = &f->vol.sb, fit = *sb;
	bool quota = sb->quota_ino[0] || sb->quota_ino[1] || sb->quota_ino[2], write = false;

	if (!fit_values(&fit) && fsck_problem(f, "the super block has impossible values")) {
		*sb = fit;
		write = true;
	}
	if (quota != !!(le64toh(sb->ro_compat) & SFFS_RO_COMPAT_QUOTA) &&
	    fsck_problem(f, "the super block does not say whether quota is kept")) {
		sb->ro_compat ^= htole64(SFFS_RO_COMPAT_QUOTA);
		write = true;
	}
	if (le32toh(sb->state) & SFFS_STATE_ERROR)
		fsck_problem(f, "damage was found at block %llu while it was mounted",
			     fsck_ull(le64toh(sb->error_block)));
	if (le32toh(sb->state) & ~SFFS_STATE_ERROR && !f->marked)
		fsck_problem(f, "a repair was not finished");
	if (!write && !backups_ok(f))
		write = fsck_problem(f, "the backups of the super block differ from it");
	return write ? sffs_volume_write_super(&f->vol) : 0;
}

static int write_primary(struct fsck *f)
{
	sffs_block_seal(&f->vol.sb, SFFS_MAGIC_SUPER, SFFS_SUPER_BLOCK, 0, 0, ~0U);
	return sffs_vol_write(&f->vol, SFFS_SUPER_BLOCK, &f->vol.sb);
}

/* Until the end the volume says that it is half repaired. */
int fsck_mark_repairing(struct fsck *f)
{
	if (f->marked)
		return 0;
	f->marked = true;
	f->vol.sb.state |= htole32(SFFS_STATE_FSCK);
	return write_primary(f) || sffs_device_sync(&f->vol.dev) ? -1 : 0;
}

/* Of all groups the `unmapped` bits are in doubt. Before the slots are free. */
int fsck_count_crash(struct fsck *f)
{
	f->vol.sb.crashes = htole32(le32toh(f->vol.sb.crashes) + 1);
	return write_primary(f) || sffs_device_sync(&f->vol.dev) ? -1 : 0;
}

int fsck_finish_super(struct fsck *f)
{
	f->vol.sb.state = 0;
	f->vol.sb.error_block = 0;
	f->vol.sb.error_sec = 0;
	f->vol.sb.checked_sec = htole64(time(NULL));
	/* What was repaired is on the device before the super block says so. */
	return sffs_device_sync(&f->vol.dev) || write_primary(f) || sffs_device_sync(&f->vol.dev) ?
	       -1 : 0;
}
