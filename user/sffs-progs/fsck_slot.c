// SPDX-License-Identifier: GPL-2.0-only
/* Slots: is anybody alive, journals, orphan tables and the other blocks of a slot. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <uuid/uuid.h>

#include "fsck.h"

static uint64_t record_block(const struct fsck *f, unsigned int slot, uint32_t *off)
{
	uint64_t byte = (uint64_t)slot << f->vol.geo.sector_shift;

	*off = byte % SFFS_BLOCK_SIZE;
	return f->vol.geo.heartbeat_block + byte / SFFS_BLOCK_SIZE;
}

static int read_record(struct fsck *f, unsigned int slot, struct sffs_slot_record *rec)
{
	uint8_t buf[SFFS_BLOCK_SIZE];
	uint32_t off;
	uint64_t block = record_block(f, slot, &off);

	if (sffs_vol_read(&f->vol, block, buf))
		return -1;
	memcpy(rec, buf + off, sizeof(*rec));
	return 0;
}

/* The same, but as another host may have written it just now. */
static int read_fresh(const struct fsck *f, unsigned int slot, struct sffs_slot_record *rec)
{
	uint8_t buf[SFFS_BLOCK_SIZE];
	uint32_t off;
	uint64_t block = record_block(f, slot, &off);

	if (sffs_read_fresh(&f->vol.dev, block, buf))
		return -1;
	memcpy(rec, buf + off, sizeof(*rec));
	return 0;
}

static int write_record(struct fsck *f, unsigned int slot, struct sffs_slot_record *rec)
{
	uint8_t buf[SFFS_BLOCK_SIZE];
	uint32_t off;
	uint64_t block = record_block(f, slot, &off);

	sffs_random(&rec->nonce, sizeof(rec->nonce));
	sffs_set_crc(rec, sizeof(*rec), f->vol.seed);
	if (sffs_vol_read(&f->vol, block, buf))
		return -1;
	memcpy(buf + off, rec, sizeof(*rec));
	return sffs_vol_write(&f->vol, block, buf);
}

static bool record_ok(const struct fsck *f, unsigned int slot, struct sffs_slot_record *rec)
{
	return sffs_record_ok(&f->vol, rec, SFFS_MAGIC_SLOT) && le32toh(rec->slot) == slot &&
	       rec->state <= SFFS_SLOT_RECOVERING && !rec->host[SFFS_HOST_MAX] &&
	       (rec->recoverer == 0xff || rec->recoverer < SFFS_MAX_SLOTS) &&
	       sffs_reserved_zero(&sffs_struct_slot, rec, false);
}

/* The incarnation is lost with the record; a random one was hardly used before. */
/* The slot is a dead host's until all is repaired. */
static int new_record(struct fsck *f, unsigned int slot)
{
	struct sffs_slot_record rec = {
		.magic = htole32(SFFS_MAGIC_SLOT), .slot = htole32(slot), .recoverer = 0xff,
	};

	if (slot < f->vol.geo.slots) {
		rec.state = SFFS_SLOT_LIVE;
		f->dead_slots |= 1ULL << slot;
	}
	sffs_random(&rec.incarnation, sizeof(rec.incarnation));
	rec.incarnation |= htole32(1);
	return write_record(f, slot, &rec);
}

/* A local mount of this very host would hold the device, which is held here instead. */
static bool surely_dead(const struct fsck *f, const struct sffs_slot_record *rec)
{
	char text[UUID_STR_LEN] = "";
	uuid_t boot_id;
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, UUID_STR_LEN - 1);

	if (fd >= 0)
		close(fd);
	return le32toh(rec->flags) & SFFS_SLOTF_LOCAL && n == UUID_STR_LEN - 1 &&
	       !uuid_parse(text, boot_id) && !memcmp(boot_id, rec->boot_id, sizeof(boot_id)) &&
	       f->vol.dev.block_device;
}

/* All these records must stand still for a lease and a margin: 0, or 1 after a message. */
static int wait_for_leases(struct fsck *f, uint64_t slots)
{
	unsigned int ms = le32toh(f->vol.sb.lease_ms), left = (ms + ms / 4 + 999) / 1000;
	struct sffs_slot_record before[SFFS_MAX_SLOTS], now;

	for (unsigned int i = 0; i < f->vol.geo.slots; i++)
		if (slots >> i & 1 && read_fresh(f, i, &before[i]))
			return -1;
	printf("%s: not unmounted; waiting %u s to see whether its host is alive\n",
	       f->vol.dev.path, left);
	fflush(stdout);
	while (left)
		left = sleep(left);
	for (unsigned int i = 0; i < f->vol.geo.slots; i++) {
		if (!(slots >> i & 1))
			continue;
		if (read_fresh(f, i, &now))
			return -1;
		if (memcmp(&now, &before[i], sizeof(now))) {
			sffs_err("%s: mounted by host %.63s (slot %u); unmount it there first",
				 f->vol.dev.path, now.host, i);
			return 1;
		}
	}
	return 0;
}

/* Records that are damaged: whoever had the slots has gone. */
static int renew_records(struct fsck *f, uint64_t damaged)
{
	for (unsigned int slot = 0; slot < f->vol.geo.max_slots; slot++)
		if (damaged >> slot & 1 &&
		    fsck_loss(f, "slot %u: the heartbeat record is damaged", slot) &&
		    new_record(f, slot))
			return -1;
	return 0;
}

int fsck_check_slots(struct fsck *f)
{
	uint64_t doubtful = 0, damaged = 0;
	struct sffs_slot_record rec;
	int ret = 0;

	for (unsigned int slot = 0; slot < f->vol.geo.max_slots; slot++) {
		uint64_t bit = 1ULL << slot;

		if (read_record(f, slot, &rec))
			return -1;
		if (!record_ok(f, slot, &rec))
			damaged |= bit;
		else if (rec.state != SFFS_SLOT_FREE && slot < f->vol.geo.slots)
			f->dead_slots |= bit;
		else
			continue;
		/* Also one that cannot be read may be a host's that goes on writing it. */
		if (slot < f->vol.geo.slots && (damaged & bit || !surely_dead(f, &rec)))
			doubtful |= bit;
	}
	/* An image file is nobody's; that no loop device has it was seen before. */
	if (doubtful && f->vol.dev.block_device)
		ret = wait_for_leases(f, doubtful);
	if (!ret)
		ret = renew_records(f, damaged);
	for (unsigned int slot = 0; slot < f->vol.geo.slots && !ret; slot++)
		ret = fsck_replay(f, slot);
	return ret;
}

int fsck_free_slots(struct fsck *f)
{
	struct sffs_slot_record rec;

	if (f->dead_slots && fsck_count_crash(f))
		return -1;
	for (unsigned int slot = 0; slot < f->vol.geo.slots; slot++) {
		if (!(f->dead_slots >> slot & 1))
			continue;
		if (read_record(f, slot, &rec))
			return -1;
		rec.state = SFFS_SLOT_FREE;
		rec.recoverer = 0xff;
		if (write_record(f, slot, &rec))
			return -1;
	}
	return 0;
}

/* ---- Orphan tables ---- */

/* Which slot the inode names does not count: who recovers it takes its table over. */
static void mark_orphan(struct fsck *f, uint64_t block, unsigned int index,
			const struct sffs_orphan *o)
{
	struct fsck_inode *fi = fsck_find_inode(f, le64toh(o->ino));
	struct sffs_inode di;

	if (!fi || fsck_load_inode(f, fi, &di))
		return;
	if (di.h.generation == o->generation && di.orphan &&
	    le64toh(di.orphan_block) == block && le16toh(di.orphan_index) == index)
		fi->flags |= FSCK_ORPHAN;
}

/* One block of the table; its entries are done with when inodes are written. */
static int check_orphan_block(struct fsck *f, unsigned int slot, uint64_t block,
			      struct sffs_orphan_block *ob, uint64_t *total)
{
	unsigned int count = 0;
	bool bad;

	for (unsigned int i = 0; i < SFFS_ORPHANS_PER_BLOCK; i++) {
		if (!ob->entry[i].ino)
			continue;
		count++;
		mark_orphan(f, block, i, &ob->entry[i]);
	}
	bad = count != le32toh(ob->count) &&
	      fsck_problem(f, "slot %u: wrong count in the orphan table", slot);
	*total += count;
	if (f->mode == FSCK_CHECK || f->stuck || (!bad && !count))
		return 0;
	memset(ob->entry, 0, sizeof(ob->entry));
	ob->count = 0;
	sffs_block_seal(ob, SFFS_MAGIC_ORPHAN, block, slot, 0, f->vol.seed);
	return sffs_vol_write(&f->vol, block, ob);
}

/* Returns 1 when the chain has to end at *@link. */
static int check_orphans(struct fsck *f, unsigned int slot, uint64_t block, uint64_t *total)
{
	struct sffs_orphan_block ob;

	while (block) {
		if (!sffs_vol_in_group(&f->vol, block, 1) ||
		    sffs_space_test(&f->space, &f->space.used, block) ||
		    !fsck_read_meta(f, block, SFFS_MAGIC_ORPHAN, slot, NULL, &ob))
			return fsck_loss(f, "slot %u: the orphan table is damaged; it is made anew",
					 slot);
		sffs_space_set(&f->space, &f->space.used, block, 1);
		sffs_space_set(&f->space, &f->space.meta, block, 1);
		if (check_orphan_block(f, slot, block, &ob, total))
			return -1;
		block = le64toh(ob.next);
	}
	return 0;
}

/* ---- The other blocks of an area ---- */

static bool reclaim_ok(struct fsck *f, const struct sffs_reclaim_block *rb)
{
	uint32_t count = le32toh(rb->count);

	if (count > SFFS_RECLAIM_PER_BLOCK)
		return false;
	for (uint32_t i = 0; i < count; i++)
		if (!sffs_vol_in_group(&f->vol, le64toh(rb->entry[i].block),
				       le32toh(rb->entry[i].count)))
			return false;
	return true;
}

static bool changes_ok(const struct sffs_qchange_block *qb)
{
	uint32_t used = 0;

	for (uint32_t i = 0; i < SFFS_QCHANGES_PER_BLOCK; i++) {
		if (qb->entry[i].used > 1 ||
		    (qb->entry[i].used && qb->entry[i].type >= SFFS_QUOTA_TYPES))
			return false;
		used += qb->entry[i].used;
	}
	return used == le32toh(qb->count);
}

static int check_rest(struct fsck *f, unsigned int slot, uint64_t block)
{
	const struct sffs_geometry *g = &f->vol.geo;

	for (unsigned int i = 1; i < 1 + g->reclaim_blocks + g->qchange_blocks; i++) {
		uint32_t magic = i <= g->reclaim_blocks ? SFFS_MAGIC_RECLAIM : SFFS_MAGIC_QCHANGE;
		uint8_t buf[SFFS_BLOCK_SIZE] __attribute__((aligned(8)));

		if (fsck_read_meta(f, block + i, magic, slot, NULL, buf) &&
		    (magic == SFFS_MAGIC_RECLAIM ? reclaim_ok(f, (void *)buf) :
		     changes_ok((void *)buf)))
			continue;
		if (!fsck_loss(f, "slot %u: block %u of its area is damaged; it is emptied",
			       slot, i))
			continue;
		memset(buf, 0, sizeof(buf));
		sffs_block_seal(buf, magic, block + i, slot, 0, f->vol.seed);
		if (sffs_vol_write(&f->vol, block + i, buf))
			return -1;
	}
	return 0;
}

static int check_area(struct fsck *f, unsigned int slot)
{
	uint64_t block = le64toh(f->vol.sb.slot_area_block[slot]), total = 0;
	struct sffs_slot_area area;
	bool changed = false;
	int ret;

	if (check_rest(f, slot, block))
		return -1;
	if (!fsck_read_meta(f, block, SFFS_MAGIC_SLOT_AREA, slot, NULL, &area)) {
		if (!fsck_loss(f, "slot %u: the head of its area is damaged", slot))
			return 0;
		memset(&area, 0, sizeof(area));
		changed = true;
	}
	ret = check_orphans(f, slot, le64toh(area.orphan_block), &total);
	if (ret < 0)
		return -1;
	if (ret) {
		area.orphan_block = 0;
		area.orphans = 0;
		changed = true;
	} else if (area.orphans && le64toh(area.orphans) != total &&
		   fsck_problem(f, "slot %u: wrong number of orphans", slot)) {
		area.orphans = htole64(total);
		changed = true;
	}
	if (f->mode != FSCK_CHECK && !f->stuck && area.orphans) {
		area.orphans = 0;
		changed = true;
	}
	if (!changed)
		return 0;
	f->changes++;
	sffs_block_seal(&area, SFFS_MAGIC_SLOT_AREA, block, slot, 0, f->vol.seed);
	return sffs_vol_write(&f->vol, block, &area);
}

int fsck_check_areas(struct fsck *f)
{
	for (unsigned int slot = 0; slot < f->vol.geo.slots; slot++)
		if (check_area(f, slot))
			return -1;
	return 0;
}
