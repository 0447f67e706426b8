// SPDX-License-Identifier: GPL-2.0-only
/* mkfs.sffs: make an SFFS volume. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uuid/uuid.h>

#include "libsffs.h"
#include "populate.h"
#include "usage.h"
#include "slots.h"

/* Exit codes, as documented in mkfs.sffs(8). */
enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct options {
	struct sffs_geometry geo;
	const char *device;
	const char *populate;
	uint64_t bytes;		/* of the device to use; 0: all */
	char label[SFFS_LABEL_MAX + 1];
	uuid_t uuid;
	uint32_t lease_ms, heartbeat_ms, reclaim_rate;
	bool force, discard, quiet, dry_run, quota, no_inline;
};

static const struct option long_options[] = {
	{ "force", no_argument, NULL, 'f' },
	{ "label", required_argument, NULL, 'L' },
	{ "uuid", required_argument, NULL, 'U' },
	{ "slots", required_argument, NULL, 'n' },
	{ "max-slots", required_argument, NULL, 'N' },
	{ "journal-size", required_argument, NULL, 'J' },
	{ "group-size", required_argument, NULL, 'g' },
	{ "sector-size", required_argument, NULL, 'S' },
	{ "lease", required_argument, NULL, 'l' },
	{ "reclaim", required_argument, NULL, 'r' },
	{ "quota", no_argument, NULL, 'Q' },
	{ "no-inline", no_argument, NULL, 'I' },
	{ "populate", required_argument, NULL, 'P' },
	{ "no-discard", no_argument, NULL, 'K' },
	{ "dry-run", no_argument, NULL, 'd' },
	{ "quiet", no_argument, NULL, 'q' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ }
};

static void usage(FILE *f)
{
	fputs("Usage: mkfs.sffs [OPTION]... DEVICE [SIZE]\n"
	      "Make an SFFS volume on a block device or an image file, or on its first SIZE bytes.\n\n"
	      "  -f, --force             overwrite another filesystem or partition table\n"
	      "  -L, --label TEXT        label, up to 63 bytes\n"
	      "  -U, --uuid UUID         identity of the volume (random)\n"
	      "  -n, --slots N           hosts that can mount at the same time, 1 to 64\n"
	      "  -N, --max-slots N       up to how many tune.sffs can raise that (64)\n"
	      "  -J, --journal-size SIZE of each slot, from 4M to 4G (64M)\n"
	      "  -g, --group-size SIZE   of an allocation group, a power of two, 16M to 32G\n"
	      "  -S, --sector-size N     512 or 4096; for image files only (512)\n"
	      "  -l, --lease SECONDS     until a silent host counts as dead, 2 to 300 (10)\n"
	      "  -r, --reclaim RATE      off, low, medium, high or MB/s (medium)\n"
	      "  -Q, --quota             keep user, group and project quota\n"
	      "  -I, --no-inline         keep the data of small files out of their inodes\n"
	      "  -P, --populate DIR      copy the content of a directory onto the volume\n"
	      "  -K, --no-discard        do not give the device's blocks back first\n"
	      "  -d, --dry-run           print the geometry, write nothing\n"
	      "  -q, --quiet             print errors only\n"
	      "  -h, --help              this text\n"
	      "  -V, --version           version of the program and the format\n", f);
}

static int bad_value(const char *what, const char *val, const char *range)
{
	return sffs_bad_value(what, val, range, EXIT_USAGE);
}

static int parse_shift(const char *what, const char *arg, unsigned int min, unsigned int max,
		       unsigned int *shift)
{
	uint64_t v;

	if (!sffs_parse_size(arg, &v) || !v || v & (v - 1) ||
	    v < 1ULL << min || v > 1ULL << max)
		return bad_value(what, arg, "not a power of two in the range");
	*shift = __builtin_ctzll(v);
	return 0;
}

static int parse_option(struct options *o, int c, const char *arg)
{
	unsigned int shift = 0;
	uint64_t v;

	switch (c) {
	case 'f':
		o->force = true;
		break;
	case 'L':
		if (strlen(arg) > SFFS_LABEL_MAX)
			return bad_value("label", arg, "longer than 63 bytes");
		snprintf(o->label, sizeof(o->label), "%s", arg);
		break;
	case 'U':
		if (uuid_parse(arg, o->uuid) || uuid_is_null(o->uuid))
			return bad_value("UUID", arg, "not a UUID");
		break;
	case 'n':
		if (!sffs_parse_u64(arg, 1, SFFS_MAX_SLOTS, &v))
			return bad_value("slots", arg, "not a number from 1 to 64");
		o->geo.slots = v;
		break;
	case 'N':
		if (!sffs_parse_u64(arg, 1, SFFS_MAX_SLOTS, &v))
			return bad_value("max-slots", arg, "not a number from 1 to 64");
		o->geo.max_slots = v;
		break;
	case 'J':
		if (!sffs_parse_size(arg, &v) || v % SFFS_BLOCK_SIZE ||
		    v / SFFS_BLOCK_SIZE < SFFS_JOURNAL_BLOCKS_MIN ||
		    v / SFFS_BLOCK_SIZE > SFFS_JOURNAL_BLOCKS_MAX)
			return bad_value("journal size", arg, "not a multiple of 4k from 4M to 4G");
		o->geo.journal_blocks = v / SFFS_BLOCK_SIZE;
		break;
	case 'g':
		if (parse_shift("group size", arg, SFFS_GROUP_SHIFT_MIN + SFFS_BLOCK_SHIFT,
				SFFS_GROUP_SHIFT_MAX + SFFS_BLOCK_SHIFT, &shift))
			return EXIT_USAGE;
		o->geo.group_shift = shift - SFFS_BLOCK_SHIFT;
		break;
	case 'S':
		if (strcmp(arg, "512") && strcmp(arg, "4096"))
			return bad_value("sector size", arg, "neither 512 nor 4096");
		o->geo.sector_shift = strcmp(arg, "512") ? 12 : 9;
		break;
	case 'l':
		if (!sffs_parse_u64(arg, SFFS_LEASE_MS_MIN / 1000, SFFS_LEASE_MS_MAX / 1000, &v))
			return bad_value("lease", arg, "not a number from 2 to 300");
		o->lease_ms = v * 1000;
		o->heartbeat_ms = o->lease_ms / 5;
		break;
	case 'r':
		if (!sffs_parse_rate(arg, &o->reclaim_rate))
			return bad_value("reclaim rate", arg,
					 "neither off, low, medium, high nor a number of MB/s");
		break;
	case 'Q':
		o->quota = true;
		break;
	case 'I':
		o->no_inline = true;
		break;
	case 'P':
		o->populate = arg;
		break;
	case 'K':
		o->discard = false;
		break;
	case 'd':
		o->dry_run = true;
		break;
	case 'q':
		o->quiet = true;
		break;
	default:
		return EXIT_USAGE;
	}
	return 0;
}

static int parse_args(struct options *o, int argc, char **argv)
{
	int c, ret;

	while ((c = getopt_long(argc, argv, "fL:U:n:N:J:g:S:l:r:QIP:KdqhV", long_options,
				NULL)) != -1) {
		sffs_common_option(c, usage);
		ret = parse_option(o, c, optarg);
		if (ret)
			return ret;
	}
	if (optind + 1 != argc && optind + 2 != argc) {
		sffs_err("name one device; see --help");
		return EXIT_USAGE;
	}
	o->device = argv[optind];
	if (optind + 2 == argc && (!sffs_parse_size(argv[optind + 1], &o->bytes) || !o->bytes))
		return bad_value("size", argv[optind + 1], "not a number of bytes");
	return 0;
}

/* ---- Making each part -------------------------------------------------- */

static void fill_super(struct sffs_volume *vol, const struct options *o)
{
	const struct sffs_geometry *g = &vol->geo;
	struct sffs_super *sb = &vol->sb;
	uint64_t chunk = sffs_geometry_group(g, 0) + SFFS_GROUP_BITMAP + g->bitmap_blocks;

	memcpy(sb->name, "SFFS", 4);
	sb->version = htole32(SFFS_FORMAT_VERSION);
	sb->ro_compat = htole64(o->quota ? SFFS_RO_COMPAT_QUOTA : 0);
	sb->incompat = htole64(o->no_inline ? 0 : SFFS_INCOMPAT_INLINE);
	memcpy(sb->uuid, o->uuid, sizeof(sb->uuid));
	memcpy(sb->label, o->label, sizeof(sb->label));
	sb->blocks = htole64(g->blocks);
	sb->first_group_block = htole64(g->first_group_block);
	sb->groups = htole32(g->groups);
	sb->block_shift = SFFS_BLOCK_SHIFT;
	sb->sector_shift = g->sector_shift;
	sb->group_shift = g->group_shift;
	sb->max_slots = g->max_slots;
	sb->slots = htole32(g->slots);
	sb->bitmap_blocks = htole32(g->bitmap_blocks);
	sb->heartbeat_block = htole64(g->heartbeat_block);
	sb->fixed_lock_block = htole64(g->fixed_lock_block);
	sb->mailbox_block = htole64(g->mailbox_block);
	sb->journal_blocks = htole32(g->journal_blocks);
	sb->slot_area_blocks = htole32(g->slot_area_blocks);
	sb->reclaim_blocks = htole32(g->reclaim_blocks);
	sb->qchange_blocks = htole32(g->qchange_blocks);
	sb->checksum_seed = htole32(vol->seed);
	sb->lease_ms = htole32(o->lease_ms);
	sb->heartbeat_ms = htole32(o->heartbeat_ms);
	sb->reclaim_rate = htole32(o->reclaim_rate);
	sffs_random(sb->hash_key, sizeof(sb->hash_key));
	sb->root_ino = htole64(sffs_make_ino(chunk, 0));
	for (unsigned int i = 0; o->quota && i < SFFS_QUOTA_TYPES; i++)
		sb->quota_ino[i] = htole64(sffs_make_ino(chunk, 1 + i));
	sb->made_sec = htole64(time(NULL));
	for (unsigned int i = 0; i < g->slots; i++) {
		sb->slot_area_block[i] = htole64(g->slot_area_block +
						 (uint64_t)i * g->slot_area_blocks);
		sb->journal_block[i] = htole64(g->journal_block +
					       (uint64_t)i * g->journal_blocks);
	}
}

static int make_regions(struct sffs_volume *vol)
{
	const struct sffs_geometry *g = &vol->geo;
	uint64_t n = sffs_record_blocks(g->sector_shift, g->max_slots);
	char *buf = calloc(n, SFFS_BLOCK_SIZE);
	int ret = -1;

	if (!buf) {
		sffs_err("out of memory");
		return -1;
	}
	for (unsigned int i = 0; i < g->max_slots; i++) {
		struct sffs_slot_record *r = (void *)(buf + ((size_t)i << g->sector_shift));

		r->magic = htole32(SFFS_MAGIC_SLOT);
		sffs_random(&r->nonce, sizeof(r->nonce));
		r->slot = htole32(i);
		r->state = SFFS_SLOT_FREE;
		r->recoverer = 0xff;
		sffs_set_crc(r, SFFS_RECORD_SIZE, vol->seed);
	}
	if (!sffs_zero_blocks(&vol->dev, 0, SFFS_SUPER_BLOCK + 1) &&
	    !sffs_write_blocks(&vol->dev, g->heartbeat_block, buf, n) &&
	    !sffs_zero_blocks(&vol->dev, g->fixed_lock_block,
			      g->slot_area_block - g->fixed_lock_block))
		ret = 0;
	free(buf);
	return ret;
}

/* Free blocks of bitmap block @k of a group that holds nothing but its own metadata. */
static uint32_t bitmap_free(const struct sffs_geometry *g, uint32_t group, uint32_t k)
{
	uint32_t used = SFFS_GROUP_BITMAP + g->bitmap_blocks;
	uint32_t first = k * SFFS_BITMAP_BITS, end = first + SFFS_BITMAP_BITS;
	uint32_t blocks = sffs_geometry_group_blocks(g, group);

	if (first < used)
		first = used;
	if (end > blocks)
		end = blocks;
	return end > first ? end - first : 0;
}

static void fill_group(struct sffs_volume *vol, uint32_t group, bool unmapped,
		       struct sffs_group *h)
{
	const struct sffs_geometry *g = &vol->geo;
	uint32_t total = 0;

	memset(h, 0, sizeof(*h));
	for (uint32_t k = 0; k < g->bitmap_blocks; k++) {
		uint32_t n = bitmap_free(g, group, k);

		h->sum[k].free = htole16(n | SFFS_BMS_UNINIT);
		h->sum[k].unmapped = htole16(unmapped ? n : 0);
		total += n;
	}
	h->blocks = htole32(sffs_geometry_group_blocks(g, group));
	h->free_blocks = htole32(total);
	h->unmapped_blocks = htole32(unmapped ? total : 0);
}

static int write_group(struct sffs_volume *vol, uint32_t group, struct sffs_group *h)
{
	struct {
		uint8_t lock[SFFS_BLOCK_SIZE];
		struct sffs_group header;
	} buf = { .header = *h };
	uint64_t block = sffs_geometry_group(&vol->geo, group);

	sffs_block_seal(&buf.header, SFFS_MAGIC_GROUP, block + SFFS_GROUP_HEADER, group, 0,
			vol->seed);
	return sffs_write_blocks(&vol->dev, block, &buf, 2);
}

static void set_bit(uint8_t *map, uint32_t bit)
{
	map[bit / 8] |= 1U << (bit % 8);
}

/* Group 0 has the first chunk, so its first bitmap block is written. */
static int make_group0(struct sffs_volume *vol, bool unmapped, unsigned int inodes)
{
	const struct sffs_geometry *g = &vol->geo;
	uint32_t chunk = SFFS_GROUP_BITMAP + g->bitmap_blocks;
	uint32_t n = sffs_chunk_blocks(g->sector_shift);
	uint64_t start = sffs_geometry_group(g, 0);
	struct sffs_group h;
	struct sffs_bitmap bm = { 0 };
	struct sffs_chunk ck = {
		.free_mask = htole64(~0ULL << inodes),
		.free_inodes = htole32(SFFS_CHUNK_INODES - inodes),
	};
	uint32_t free_blocks;

	fill_group(vol, 0, unmapped, &h);
	free_blocks = bitmap_free(g, 0, 0) - n;
	h.sum[0].free = htole16(free_blocks);
	h.sum[0].unmapped = htole16(unmapped ? free_blocks : 0);
	h.free_blocks = htole32(le32toh(h.free_blocks) - n);
	if (unmapped)
		h.unmapped_blocks = h.free_blocks;
	h.chunks = htole32(1);
	h.free_inodes = ck.free_inodes;
	h.directories = htole32(1);
	h.chunk_all = htole32(chunk);
	h.chunk_free = htole32(chunk);
	for (uint32_t i = 0; i < SFFS_BITMAP_BITS; i++) {
		if (i < chunk + n || i >= sffs_geometry_group_blocks(g, 0))
			set_bit(bm.allocated, i);
		else if (unmapped)
			set_bit(bm.unmapped, i);
	}
	set_bit(bm.unmapped, chunk);
	sffs_block_seal(&bm, SFFS_MAGIC_BITMAP, start + SFFS_GROUP_BITMAP, 0, 0, vol->seed);
	sffs_block_seal(&ck, SFFS_MAGIC_CHUNK, start + chunk, 0, 0, vol->seed);
	if (write_group(vol, 0, &h) ||
	    sffs_write_blocks(&vol->dev, start + SFFS_GROUP_BITMAP, &bm, 1) ||
	    sffs_write_blocks(&vol->dev, start + chunk, &ck, 1))
		return -1;
	return sffs_zero_blocks(&vol->dev, start + chunk + SFFS_CHUNK_DELEGATION,
				sffs_chunk_inode0(g->sector_shift) - SFFS_CHUNK_DELEGATION);
}

static int make_inode(struct sffs_volume *vol, uint64_t ino, bool dir)
{
	uint64_t now = htole64(time(NULL));
	uint32_t generation;
	struct sffs_inode di = {
		.mode = htole32(dir ? 0040755 : 0100600),
		.nlink = htole32(dir ? 2 : 1),
		.flags = htole32(dir ? 0 : SFFS_INODE_SYSTEM),
		.size = htole64(dir ? SFFS_INODE_AREA : 0),
		.version = htole64(1),
		.atime_sec = now, .mtime_sec = now, .ctime_sec = now, .btime_sec = now,
		.parent = htole64(dir ? ino : 0),
		.format = dir ? SFFS_FMT_DIR_INLINE : SFFS_FMT_EXTENTS,
	};
	uint64_t block = sffs_ino_block(ino, vol->geo.sector_shift);

	if (dir) {
		struct sffs_dir_head *dh = (void *)di.area;

		dh->low = htole16(SFFS_INODE_AREA);
	}
	sffs_random(&generation, sizeof(generation));
	sffs_block_seal(&di, SFFS_MAGIC_INODE, block, ino, generation, vol->seed);
	return sffs_write_blocks(&vol->dev, block, &di, 1);
}

/* The root directory is the first that uses something. */
static int make_usage(struct sffs_volume *vol)
{
	struct sffs_inode root = { 0 };
	struct sffs_usage usage = { 0 };
	int ret;

	sffs_usage_add(&usage, &root);
	ret = sffs_usage_store(&usage, vol);
	sffs_usage_free(&usage);
	return ret;
}

static int make_volume(struct sffs_volume *vol, const struct options *o)
{
	bool unmapped = o->discard && sffs_device_discard(&vol->dev);
	unsigned int inodes = 1 + (o->quota ? SFFS_QUOTA_TYPES : 0);
	struct sffs_group h;

	sffs_random(&vol->seed, sizeof(vol->seed));
	fill_super(vol, o);
	if (make_regions(vol))
		return -1;
	for (unsigned int i = 0; i < vol->geo.slots; i++)
		if (sffs_make_slot(vol, i))
			return -1;
	if (make_group0(vol, unmapped, inodes))
		return -1;
	for (uint32_t g = 1; g < vol->geo.groups; g++) {
		fill_group(vol, g, unmapped, &h);
		if (write_group(vol, g, &h))
			return -1;
	}
	for (unsigned int i = 0; i < inodes; i++)
		if (make_inode(vol, le64toh(vol->sb.root_ino) + i, i == 0))
			return -1;
	if (o->quota && make_usage(vol))
		return -1;
	if (o->populate && sffs_populate(vol, o->populate, unmapped))
		return -1;
	/* The super block last: a volume that is half made cannot be mounted. */
	if (sffs_device_sync(&vol->dev) || sffs_volume_write_super(vol))
		return -1;
	return sffs_device_sync(&vol->dev);
}

static void print_geometry(const struct options *o, const struct sffs_geometry *g)
{
	char a[32], b[32], uuid[UUID_STR_LEN];

	uuid_unparse(o->uuid, uuid);
	printf("%s: SFFS volume %s%s%s\n", o->device, uuid, *o->label ? ", label " : "", o->label);
	printf("  size           %s, %llu blocks of 4096 bytes, sectors of %u\n",
	       sffs_format_size(g->blocks * SFFS_BLOCK_SIZE, a, sizeof(a)),
	       (unsigned long long)g->blocks, 1U << g->sector_shift);
	printf("  slots          %u, room for %u; journals of %s\n", g->slots, g->max_slots,
	       sffs_format_size((uint64_t)g->journal_blocks * SFFS_BLOCK_SIZE, a, sizeof(a)));
	printf("  groups         %u of %s, the first at block %llu\n", g->groups,
	       sffs_format_size(SFFS_BLOCK_SIZE * (1ULL << g->group_shift), a, sizeof(a)),
	       (unsigned long long)g->first_group_block);
	printf("  lease          %g s, renewed every %g s\n", o->lease_ms / 1000.0,
	       o->heartbeat_ms / 1000.0);
	printf("  reclaim        %s\n", sffs_format_rate(o->reclaim_rate, b, sizeof(b)));
	printf("  quota          %s\n", o->quota ? "user, group, project" : "not kept");
	printf("  small files    %s\n",
	       o->no_inline ? "in blocks of their own" : "in their inodes");
	printf("  super block    %u; backups", SFFS_SUPER_BLOCK);
	for (uint64_t i = 0; i < g->groups; i = i < 1 ? 1 : i < 3 ? 3 : i * 3)
		printf(" %llu", (unsigned long long)sffs_geometry_group(g, i) + SFFS_GROUP_BACKUP);
	putchar('\n');
}

static int check_device(const struct options *o, struct sffs_volume *vol)
{
	char what[64];
	int found;

	if (o->force)
		return 0;
	found = sffs_device_content(&vol->dev, what, sizeof(what));
	if (found > 0)
		sffs_err("%s: has a filesystem or partition table (%s); use -f to overwrite it",
			 o->device, what);
	return found ? -1 : 0;
}

static int set_geometry(const struct options *o, struct sffs_volume *vol)
{
	unsigned int shift = vol->dev.sector_shift;
	const char *why;

	if (o->bytes > vol->dev.bytes) {
		sffs_err("%s: has only %llu bytes", o->device, (unsigned long long)vol->dev.bytes);
		return -1;
	}
	if (o->bytes)
		vol->dev.bytes = o->bytes;
	vol->geo = o->geo;
	vol->geo.blocks = vol->dev.bytes / SFFS_BLOCK_SIZE;
	if (shift && o->geo.sector_shift && o->geo.sector_shift != shift) {
		sffs_err("%s: has sectors of %u bytes; --sector-size is for image files",
			 o->device, 1U << shift);
		return -1;
	}
	if (!vol->geo.sector_shift)
		vol->geo.sector_shift = shift ? shift : 9;
	if (!sffs_geometry_make(&vol->geo, &why))
		return 0;
	sffs_err("%s: %s", o->device, why);
	return -1;
}

int main(int argc, char **argv)
{
	struct options o = {
		.lease_ms = SFFS_LEASE_MS_DEFAULT,
		.heartbeat_ms = SFFS_HEARTBEAT_MS_DEFAULT,
		.reclaim_rate = SFFS_RECLAIM_MEDIUM,
		.discard = true,
	};
	struct sffs_volume vol = { 0 };
	int ret;

	ret = parse_args(&o, argc, argv);
	if (ret)
		return ret;
	if (uuid_is_null(o.uuid))
		uuid_generate(o.uuid);
	if ((!o.dry_run && sffs_device_unused(o.device)) ||
	    sffs_device_open(&vol.dev, o.device, !o.dry_run))
		return EXIT_FAILED;
	ret = EXIT_FAILED;
	if (set_geometry(&o, &vol) || (!o.dry_run && check_device(&o, &vol)))
		goto close;
	if (!o.quiet)
		print_geometry(&o, &vol.geo);
	if (o.dry_run || !make_volume(&vol, &o))
		ret = EXIT_OK;
close:
	sffs_device_close(&vol.dev);
	return ret;
}
