// SPDX-License-Identifier: GPL-2.0-only
/* dump.sffs: print the structures of an SFFS volume. */
#include <blkid/blkid.h>
#include <getopt.h>
#include <string.h>
#include <uuid/uuid.h>

#include "dump.h"

/* Exit codes, as documented in dump.sffs(8). */
enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_DAMAGED = 4 };

static const struct option long_options[] = {
	{ "json", no_argument, NULL, 'j' },
	{ "super-block", required_argument, NULL, 'b' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ }
};

static void usage(FILE *f)
{
	fputs("Usage: dump.sffs [--json] [-b BLOCK] DEVICE [WHAT [ARGUMENT]...]\n"
	      "Print what is on an SFFS volume, as it is on the device; writes nothing.\n\n"
	      "  super               the super block (this is the default)\n"
	      "  backup GROUP        its copy in a group\n"
	      "  slots               heartbeat records\n"
	      "  locks               fixed lock records\n"
	      "  lock TYPE NUMBER    a record: fixed, group, inode, open, flock or chunk\n"
	      "  mail                mailbox\n"
	      "  area SLOT           slot area, orphan table, reclaim and quota blocks\n"
	      "  journal SLOT        super block of a journal\n"
	      "  group NUMBER        header and inode chunks of a group\n"
	      "  bitmaps NUMBER      bitmaps of a group\n"
	      "  inode FILE          an inode; FILE is its number, or a path from /\n"
	      "  tree FILE           nodes and leaves of its extents or names\n"
	      "  names FILE          entries of a directory\n"
	      "  xattrs FILE         extended attributes\n"
	      "  block NUMBER        a block, whatever it is\n"
	      "  all                 everything but single inodes\n"
	      "  udev                type, UUID and label as udev's rules want them\n\n"
	      "  -j, --json             print JSON\n"
	      "  -b, --super-block NUM  read the super block there: a backup\n"
	      "  -h, --help             this text\n"
	      "  -V, --version          version of the program and the format\n", f);
}

static int dump_all(struct dump *d)
{
	int ret = dump_super(d, SFFS_SUPER_BLOCK);

	ret = ret || dump_slots(d) || dump_locks(d) || dump_mail(d);
	dump_open(d, "slot_areas", '[');
	for (unsigned int i = 0; !ret && i < d->vol.geo.slots; i++) {
		dump_open(d, NULL, '{');
		ret = dump_area(d, i) || dump_journal(d, i);
		dump_close(d, '}');
	}
	dump_close(d, ']');
	dump_open(d, "groups", '[');
	for (uint32_t i = 0; !ret && i < d->vol.geo.groups; i++) {
		dump_open(d, NULL, '{');
		ret = dump_group(d, i) || dump_bitmaps(d, i);
		dump_close(d, '}');
	}
	dump_close(d, ']');
	return ret ? -1 : 0;
}

/* KEY=VALUE as udev's own blkid prints it, in the same two ways to escape. */
static void print_udev(const char *key, const char *value)
{
	char safe[4 * SFFS_LABEL_MAX + 1] = "", enc[4 * SFFS_LABEL_MAX + 1] = "";

	if (*value && !blkid_safe_string(value, safe, sizeof(safe)) &&
	    !blkid_encode_string(value, enc, sizeof(enc)))
		printf("%s=%s\n%s_ENC=%s\n", key, safe, key, enc);
}

static int dump_udev(struct dump *d)
{
	char uuid[UUID_STR_LEN], label[SFFS_LABEL_MAX + 1] = "";

	uuid_unparse_lower(d->vol.sb.uuid, uuid);
	memcpy(label, d->vol.sb.label, SFFS_LABEL_MAX);
	puts("ID_FS_TYPE=sffs\nID_FS_USAGE=filesystem");
	printf("ID_FS_VERSION=%d\n", SFFS_FORMAT_VERSION);
	print_udev("ID_FS_UUID", uuid);
	print_udev("ID_FS_LABEL", label);
	return 0;
}

static int dump_none(struct dump *d)
{
	return dump_super(d, SFFS_SUPER_BLOCK);
}

static int dump_area_of(struct dump *d, uint64_t n)
{
	return dump_area(d, n);
}

static int dump_journal_of(struct dump *d, uint64_t n)
{
	return dump_journal(d, n);
}

static int dump_group_of(struct dump *d, uint64_t n)
{
	return dump_group(d, n);
}

static int dump_bitmaps_of(struct dump *d, uint64_t n)
{
	return dump_bitmaps(d, n);
}

static int dump_backup(struct dump *d, uint64_t n)
{
	if (sffs_group_has_backup(n))
		return dump_super(d, sffs_geometry_group(&d->vol.geo, n) + SFFS_GROUP_BACKUP);
	sffs_err("group %llu has no backup; groups 0, 1, 3, 9, 27 and so on do",
		 (unsigned long long)n);
	return -1;
}

enum limit { LIMIT_SLOTS, LIMIT_GROUPS, LIMIT_BLOCKS };

static const struct command {
	const char *name;
	int (*plain)(struct dump *d);
	int (*number)(struct dump *d, uint64_t n);
	int (*file)(struct dump *d, const struct sffs_inode *di);
	enum limit limit;
} commands[] = {
	{ .name = "super", .plain = dump_none },
	{ .name = "slots", .plain = dump_slots },
	{ .name = "locks", .plain = dump_locks },
	{ .name = "mail", .plain = dump_mail },
	{ .name = "all", .plain = dump_all },
	{ .name = "udev", .plain = dump_udev },
	{ .name = "backup", .number = dump_backup, .limit = LIMIT_GROUPS },
	{ .name = "area", .number = dump_area_of, .limit = LIMIT_SLOTS },
	{ .name = "journal", .number = dump_journal_of, .limit = LIMIT_SLOTS },
	{ .name = "group", .number = dump_group_of, .limit = LIMIT_GROUPS },
	{ .name = "bitmaps", .number = dump_bitmaps_of, .limit = LIMIT_GROUPS },
	{ .name = "block", .number = dump_block, .limit = LIMIT_BLOCKS },
	{ .name = "inode", .file = dump_inode },
	{ .name = "tree", .file = dump_tree },
	{ .name = "names", .file = dump_names },
	{ .name = "xattrs", .file = dump_xattrs },
};

static uint64_t limit_of(const struct dump *d, enum limit limit)
{
	const struct sffs_geometry *g = &d->vol.geo;

	return limit == LIMIT_SLOTS ? g->slots : limit == LIMIT_GROUPS ? g->groups : g->blocks;
}

static const struct command *find_command(int argc, char **argv)
{
	for (size_t i = 0; i < SFFS_ARRAY_SIZE(commands); i++)
		if (!strcmp(argv[0], commands[i].name))
			return argc == (commands[i].plain ? 1 : 2) ? &commands[i] : NULL;
	return NULL;
}

static int run(struct dump *d, int argc, char **argv)
{
	const struct command *c = argc ? find_command(argc, argv) : &commands[0];
	struct sffs_inode di;
	uint64_t n;

	if (argc == 3 && !strcmp(argv[0], "lock"))
		return dump_lock(d, argv[1], argv[2]) ? EXIT_FAILED : EXIT_OK;
	if (c->plain)
		return c->plain(d) ? EXIT_FAILED : EXIT_OK;
	if (c->file)
		return dump_find_inode(d, argv[1], &di) || c->file(d, &di) ? EXIT_FAILED : EXIT_OK;
	if (!sffs_parse_u64(argv[1], 0, limit_of(d, c->limit) - 1, &n)) {
		sffs_err("%s \"%s\": not a number from 0 to %llu", c->name, argv[1],
			 (unsigned long long)limit_of(d, c->limit) - 1);
		return EXIT_USAGE;
	}
	return c->number(d, n) ? EXIT_FAILED : EXIT_OK;
}

static bool arguments_ok(int argc, char **argv)
{
	if (argc < 1)
		sffs_err("name a device; see --help");
	else if (argc > 1 && !(argc == 4 && !strcmp(argv[1], "lock")) &&
		 !find_command(argc - 1, argv + 1))
		sffs_err("%s: not something to print, or not with these arguments; see --help",
			 argv[1]);
	else
		return true;
	return false;
}

int main(int argc, char **argv)
{
	struct dump d = { 0 };
	uint64_t block = SFFS_SUPER_BLOCK;
	int c, ret;

	while ((c = getopt_long(argc, argv, "+jb:hV", long_options, NULL)) != -1) {
		sffs_common_option(c, usage);
		switch (c) {
		case 'j':
			d.json = true;
			break;
		case 'b':
			if (!sffs_parse_u64(optarg, 1, SFFS_MAX_BLOCKS, &block))
				return sffs_bad_value("super block", optarg,
						      "not the number of a block", EXIT_USAGE);
			break;
		default:
			return EXIT_USAGE;
		}
	}
	if (!arguments_ok(argc - optind, argv + optind))
		return EXIT_USAGE;
	if (d.json && argc - optind == 2 && !strcmp(argv[optind + 1], "udev")) {
		sffs_err("udev reads no JSON");
		return EXIT_USAGE;
	}
	if (sffs_volume_open(&d.vol, argv[optind], false, block))
		return EXIT_FAILED;
	json_out_file(&d.out, stdout);
	if (d.json)
		json_open(&d.out, NULL, '{');
	ret = run(&d, argc - optind - 1, argv + optind + 1);
	if (d.json) {
		json_close(&d.out, '}');
		putchar('\n');
	}
	sffs_volume_close(&d.vol);
	if (fflush(stdout) && ret == EXIT_OK)
		ret = EXIT_FAILED;
	return ret == EXIT_OK && d.damaged ? EXIT_DAMAGED : ret;
}
