// SPDX-License-Identifier: GPL-2.0-only
/*
 * furnish: puts onto a volume what a host leaves that dies at work: its slot still taken, an
 * orphan table of two blocks with deleted files and one that was being cut, quota changes,
 * an extent being unmapped, locks of all kinds with holders and waiters, a list of file
 * locks, requests in the mailbox, and limits in a quota file if there is one.
 *
 * furnish IMAGE CUT LOCKED: the inode numbers of a file that was being cut to its first
 * block, and of one that has file locks. The image has two slots at least.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "meta.h"
#include "slots.h"
#include "usage.h"

#define SLOT		1U	/* of the host that died */
#define INCARNATION	7U
#define DATA_BLOCKS	5U	/* of each deleted file */

static void need(bool ok, const char *what)
{
	if (ok)
		return;
	sffs_err("%s", what);
	exit(1);
}

static uint64_t take(struct sffs_volume *vol, uint32_t count)
{
	uint64_t block = sffs_take_run(vol, count);

	need(block, "no room");
	return block;
}

/* A metadata block of the slot. */
static void put(struct sffs_volume *vol, void *buf, uint32_t magic, uint64_t block)
{
	sffs_block_seal(buf, magic, block, SLOT, 0, vol->seed);
	need(!sffs_vol_write(vol, block, buf), "cannot write");
}

static void get(struct sffs_volume *vol, void *buf, uint32_t magic, uint64_t block)
{
	need(!sffs_vol_read(vol, block, buf) &&
	     !sffs_meta_fault(vol, buf, block, magic, NULL, NULL), "not the block it should be");
}

/* ---- Inodes ---- */

static void get_inode(struct sffs_volume *vol, uint64_t ino, struct sffs_inode *di)
{
	get(vol, di, SFFS_MAGIC_INODE, sffs_ino_block(ino, vol->geo.sector_shift));
}

static void put_inode(struct sffs_volume *vol, struct sffs_inode *di)
{
	uint64_t ino = le64toh(di->h.owner), at = sffs_ino_block(ino, vol->geo.sector_shift);

	sffs_block_seal(di, SFFS_MAGIC_INODE, at, ino, le32toh(di->h.generation), vol->seed);
	need(!sffs_vol_write(vol, at, di), "cannot write an inode");
}

/* A number of the newest chunk of group 0, which has free ones. */
static uint64_t take_ino(struct sffs_volume *vol)
{
	uint64_t start = sffs_geometry_group(&vol->geo, 0), chunk, mask;
	struct sffs_group gh;
	struct sffs_chunk ck;
	unsigned int n;

	get(vol, &gh, SFFS_MAGIC_GROUP, start + SFFS_GROUP_HEADER);
	need(gh.chunk_free, "group 0 has no free inode");
	chunk = start + le32toh(gh.chunk_free);
	get(vol, &ck, SFFS_MAGIC_CHUNK, chunk);
	mask = le64toh(ck.free_mask);
	need(mask & (mask - 1), "only one free inode is left in the chunk");
	n = __builtin_ctzll(mask);
	ck.free_mask = htole64(mask & (mask - 1));
	ck.free_inodes = htole32(le32toh(ck.free_inodes) - 1);
	gh.free_inodes = htole32(le32toh(gh.free_inodes) - 1);
	sffs_block_seal(&ck, SFFS_MAGIC_CHUNK, chunk, 0, 0, vol->seed);
	sffs_block_seal(&gh, SFFS_MAGIC_GROUP, start + SFFS_GROUP_HEADER, 0, 0, vol->seed);
	need(!sffs_vol_write(vol, chunk, &ck) &&
	     !sffs_vol_write(vol, start + SFFS_GROUP_HEADER, &gh), "cannot write the chunk");
	return sffs_make_ino(chunk, n);
}

static void put_extent(struct sffs_inode *di, uint64_t block, uint32_t count)
{
	struct sffs_node_head *head = (void *)di->area;
	struct sffs_extent *e = (void *)(head + 1);

	memset(di->area, 0, sizeof(di->area));
	head->count = htole16(1);
	e->block = htole64(block);
	e->count = htole32(count);
	di->format = SFFS_FMT_EXTENTS;
	di->blocks = htole64(count);
	di->size = htole64((uint64_t)count * SFFS_BLOCK_SIZE);
}

static void name_orphan(struct sffs_inode *di, struct sffs_orphan_block *ob, uint64_t block,
			unsigned int index)
{
	di->orphan = SLOT + 1;
	di->orphan_block = htole64(block);
	di->orphan_index = htole16(index);
	ob->entry[index].ino = di->h.owner;
	ob->entry[index].generation = di->h.generation;
	ob->count = htole32(le32toh(ob->count) + 1);
}

static void add_deleted(struct sffs_volume *vol, struct sffs_orphan_block *ob, uint64_t block,
			unsigned int index)
{
	uint64_t now = htole64(time(NULL));
	struct sffs_inode di = {
		.mode = htole32(0100644), .version = htole64(5),
		.atime_sec = now, .mtime_sec = now, .ctime_sec = now, .btime_sec = now,
	};

	di.h.owner = htole64(take_ino(vol));
	di.h.generation = htole32(77 + index);
	put_extent(&di, take(vol, DATA_BLOCKS), DATA_BLOCKS);
	name_orphan(&di, ob, block, index);
	put_inode(vol, &di);
}

/* The blocks behind the first are still there. */
static void add_cut(struct sffs_volume *vol, uint64_t ino, struct sffs_orphan_block *ob,
		    uint64_t block, unsigned int index)
{
	struct sffs_inode di;

	get_inode(vol, ino, &di);
	need(le64toh(di.blocks) > 1, "the file that is cut has but one block");
	di.size = htole64(SFFS_BLOCK_SIZE);
	name_orphan(&di, ob, block, index);
	put_inode(vol, &di);
}

/* ---- The slot ---- */

static void make_orphans(struct sffs_volume *vol, uint64_t cut, struct sffs_slot_area *area)
{
	uint64_t block = take(vol, 2), next = block + 1;
	struct sffs_orphan_block one = { .next = htole64(next) }, two = { 0 };

	add_deleted(vol, &one, block, 0);
	add_cut(vol, cut, &one, block, 3);
	/* Another node has freed this one since; the entry no longer counts. */
	one.entry[9].ino = vol->sb.root_ino;
	one.entry[9].generation = htole32(12345);
	one.count = htole32(le32toh(one.count) + 1);
	add_deleted(vol, &two, next, SFFS_ORPHANS_PER_BLOCK - 1);
	put(vol, &one, SFFS_MAGIC_ORPHAN, block);
	put(vol, &two, SFFS_MAGIC_ORPHAN, next);
	area->orphan_block = htole64(block);
	area->orphans = htole64(4);
}

static void make_area(struct sffs_volume *vol, uint64_t cut)
{
	const struct sffs_geometry *g = &vol->geo;
	uint64_t block = le64toh(vol->sb.slot_area_block[SLOT]);
	uint64_t last = sffs_geometry_group(g, g->groups - 1) +
			sffs_geometry_group_blocks(g, g->groups - 1);
	struct sffs_slot_area area;
	struct sffs_reclaim_block rb = {
		.count = htole32(1),
		.entry[0] = {
			.block = htole64(last - 16), .count = htole32(16),
			.group = htole32(g->groups - 1),
		},
	};
	struct sffs_qchange_block qb = {
		.count = htole32(2),
		.entry[0] = { .id = htole32(1000), .used = 1, .blocks = htole64(DATA_BLOCKS),
			      .inodes = htole64(1) },
		.entry[5] = { .id = htole32(50), .type = SFFS_QUOTA_PROJECT, .used = 1,
			      .blocks = htole64(-3LL) },
	};

	get(vol, &area, SFFS_MAGIC_SLOT_AREA, block);
	make_orphans(vol, cut, &area);
	area.mounts = htole64(INCARNATION);
	put(vol, &area, SFFS_MAGIC_SLOT_AREA, block);
	put(vol, &rb, SFFS_MAGIC_RECLAIM, block + 1);
	put(vol, &qb, SFFS_MAGIC_QCHANGE, block + 1 + g->reclaim_blocks);
}

/* ---- Records ---- */

static void put_record(struct sffs_volume *vol, uint64_t sector, void *rec)
{
	uint64_t byte = sector << vol->geo.sector_shift, block = byte / SFFS_BLOCK_SIZE;
	uint8_t buf[SFFS_BLOCK_SIZE];

	need(!sffs_vol_read(vol, block, buf), "cannot read a record");
	sffs_set_crc(rec, SFFS_RECORD_SIZE, vol->seed);
	memcpy(buf + byte % SFFS_BLOCK_SIZE, rec, SFFS_RECORD_SIZE);
	need(!sffs_vol_write(vol, block, buf), "cannot write a record");
}

static uint64_t sector_of(const struct sffs_volume *vol, uint64_t block)
{
	return block << (SFFS_BLOCK_SHIFT - vol->geo.sector_shift);
}

/* Held by the dead host, wanted exclusively by slot 0. */
static void put_lock(struct sffs_volume *vol, uint64_t sector, enum sffs_lock_type type,
		     uint64_t number, enum sffs_lock_mode mode)
{
	struct sffs_lock_record l = {
		.magic = htole32(SFFS_MAGIC_LOCK), .nonce = htole64(sector), .version = htole64(3),
		.number = htole64(number), .type = type, .mode = mode, .next_ticket = htole16(1),
		.holders = htole64(1ULL << SLOT), .waiters = htole64(1),
		.wait_exclusive = htole64(1), .writer = SLOT,
	};

	l.incarnation[SLOT] = htole32(INCARNATION);
	l.incarnation[0] = htole32(1);
	put_record(vol, sector, &l);
}

static void make_records(struct sffs_volume *vol, uint64_t locked)
{
	const struct sffs_geometry *g = &vol->geo;
	uint64_t chunk = sffs_ino_chunk(locked);
	struct sffs_slot_record slot = {
		.magic = htole32(SFFS_MAGIC_SLOT), .nonce = htole64(1), .slot = htole32(SLOT),
		.incarnation = htole32(INCARNATION), .state = SFFS_SLOT_LIVE, .recoverer = 0xff,
		.addr_family = SFFS_ADDR_IPV4, .sequence = htole64(99), .addr_port = htole16(7000),
		.addr = { 192, 0, 2, 1 }, .boot_id = { 1, 2, 3 }, .host = "gone",
	};
	struct sffs_mail mail = {
		.magic = htole32(SFFS_MAGIC_MAIL), .sequence = htole64(4), .sender_inc = htole32(1),
		.receiver_inc = htole32(INCARNATION), .sender = 0, .receiver = SLOT,
		.count = htole16(1),
		.req[0] = { .number = htole64(locked), .holder_inc = htole32(INCARNATION),
			    .type = SFFS_LOCKT_INODE, .mode = SFFS_LOCK_EXCLUSIVE },
	};

	put_record(vol, sector_of(vol, g->heartbeat_block) + SLOT, &slot);
	put_record(vol, sector_of(vol, g->mailbox_block) + SLOT * g->max_slots, &mail);
	put_lock(vol, sector_of(vol, g->fixed_lock_block) + SFFS_FIXED_FREEZE, SFFS_LOCKT_FIXED,
		 SFFS_FIXED_FREEZE, SFFS_LOCK_SHARED);
	put_lock(vol, sector_of(vol, sffs_geometry_group(g, 0)), SFFS_LOCKT_GROUP, 0,
		 SFFS_LOCK_EXCLUSIVE);
	put_lock(vol, sector_of(vol, chunk + SFFS_CHUNK_DELEGATION), SFFS_LOCKT_CHUNK, chunk,
		 SFFS_LOCK_EXCLUSIVE);
	for (int type = SFFS_LOCKT_INODE; type <= SFFS_LOCKT_FLOCK; type++)
		put_lock(vol, sffs_ino_record(locked, type, g->sector_shift), type, locked,
			 type == SFFS_LOCKT_OPEN ? SFFS_LOCK_SHARED : SFFS_LOCK_EXCLUSIVE);
}

/* ---- Lists in blocks of an inode ---- */

static void make_ranges(struct sffs_volume *vol, uint64_t ino)
{
	uint64_t block = take(vol, 2);
	struct sffs_inode di;

	get_inode(vol, ino, &di);
	di.range_block = htole64(block);
	di.range_blocks = htole32(2);
	di.blocks = htole64(le64toh(di.blocks) + 2);
	di.owner = (struct sffs_owner){
		.slot = SLOT, .mode = SFFS_OWNER_EXCLUSIVE, .incarnation = htole32(INCARNATION),
		.since_sec = htole64(1), .host = "gone",
	};
	put_inode(vol, &di);
	for (unsigned int i = 0; i < 2; i++) {
		struct sffs_range_block rb = { .version = htole64(3), .count = htole32(1) };

		rb.range[i] = (struct sffs_range){
			.start = htole64(100 + i), .end = htole64(199 + i), .holder = htole64(5),
			.incarnation = htole32(INCARNATION), .slot = SLOT,
			.kind = SFFS_RANGE_POSIX, .mode = SFFS_LOCK_SHARED,
		};
		sffs_block_seal(&rb, SFFS_MAGIC_RANGE, block + i, ino,
				le32toh(di.h.generation), vol->seed);
		need(!sffs_vol_write(vol, block + i, &rb), "cannot write the list of file locks");
	}
}

static void make_quota(struct sffs_volume *vol)
{
	uint64_t ino = le64toh(vol->sb.quota_ino[SFFS_QUOTA_USER]), block;
	struct sffs_quota_block qb = {
		.quota[0] = { .block_time = htole64(604800), .inode_time = htole64(604800) },
		.quota[7] = { .block_hard = htole64(1 << 20), .block_used = htole64(4096),
			      .inode_used = htole64(1) },
	};
	struct sffs_inode di;

	if (!ino)
		return;
	get_inode(vol, ino, &di);
	block = take(vol, 1);
	put_extent(&di, block, 1);
	put_inode(vol, &di);
	sffs_block_seal(&qb, SFFS_MAGIC_QUOTA, block, ino, le32toh(di.h.generation), vol->seed);
	need(!sffs_vol_write(vol, block, &qb), "cannot write the quota file");
}

/* What the inodes of a chunk use. */
static void count_chunk(struct sffs_volume *vol, struct sffs_usage *u, uint64_t block)
{
	struct sffs_chunk ck;
	struct sffs_inode di;

	get(vol, &ck, SFFS_MAGIC_CHUNK, block);
	for (unsigned int i = 0; i < SFFS_CHUNK_INODES; i++) {
		if (le64toh(ck.free_mask) >> i & 1)
			continue;
		get_inode(vol, sffs_make_ino(block, i), &di);
		if (!(le32toh(di.flags) & SFFS_INODE_SYSTEM))
			sffs_usage_add(u, &di);
	}
}

/* The changes of slot 0 make up for what has been made here. */
static void balance(struct sffs_volume *vol)
{
	uint64_t area = le64toh(vol->sb.slot_area_block[SLOT]);
	struct sffs_usage u = { 0 };
	struct sffs_qchange_block qb;
	struct sffs_group gh;
	struct sffs_chunk ck;

	for (uint32_t g = 0; g < vol->geo.groups; g++) {
		uint64_t start = sffs_geometry_group(&vol->geo, g);

		get(vol, &gh, SFFS_MAGIC_GROUP, start + SFFS_GROUP_HEADER);
		for (uint32_t c = le32toh(gh.chunk_all); c; c = le32toh(ck.next_all)) {
			count_chunk(vol, &u, start + c);
			get(vol, &ck, SFFS_MAGIC_CHUNK, start + c);
		}
	}
	get(vol, &qb, SFFS_MAGIC_QCHANGE, area + 1 + vol->geo.reclaim_blocks);
	sffs_usage_changes(&u, &qb, -1);
	sffs_usage_of(&u, SFFS_QUOTA_USER, 7)->blocks--;
	sffs_usage_of(&u, SFFS_QUOTA_USER, 7)->inodes--;
	need(!sffs_usage_store(&u, vol), "cannot write the changes of quota");
	sffs_usage_free(&u);
}

int main(int argc, char **argv)
{
	uint64_t cut, locked;
	struct sffs_volume vol = { 0 };

	if (argc != 4 || !sffs_parse_u64(argv[2], 1, UINT64_MAX, &cut) ||
	    !sffs_parse_u64(argv[3], 1, UINT64_MAX, &locked)) {
		fputs("usage: furnish IMAGE CUT LOCKED\n", stderr);
		return 2;
	}
	if (sffs_volume_open(&vol, argv[1], true, SFFS_SUPER_BLOCK))
		return 1;
	need(vol.geo.slots > SLOT, "the image has but one slot");
	make_area(&vol, cut);
	make_ranges(&vol, locked);
	make_quota(&vol);
	make_records(&vol, locked);
	if (vol.sb.ro_compat)
		balance(&vol);
	sffs_volume_close(&vol);
	return 0;
}
