// SPDX-License-Identifier: GPL-2.0-only
/* tune.sffs: change the parameters of an SFFS volume that no host has mounted. */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <uuid/uuid.h>

#include "meta.h"
#include "slots.h"

/* Exit codes, as documented in tune.sffs(8). */
enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

/**
 * struct change - what is to be changed
 * @device: the volume
 * @label: new label, or NULL
 * @uuid: new identity, if @set_uuid
 * @slots: new number of slots, or 0
 * @lease_ms: new lease, or 0
 * @reclaim: new rate, if @set_reclaim
 * @any: something is to be changed
 */
struct change {
	const char *device;
	const char *label;
	uuid_t uuid;
	unsigned int slots;
	uint32_t lease_ms, reclaim;
	bool set_uuid, set_reclaim, any;
};

static const struct option long_options[] = {
	{ "label", required_argument, NULL, 'L' },
	{ "uuid", required_argument, NULL, 'U' },
	{ "slots", required_argument, NULL, 'n' },
	{ "lease", required_argument, NULL, 'l' },
	{ "reclaim", required_argument, NULL, 'r' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ }
};

static void usage(FILE *f)
{
	fputs("Usage: tune.sffs OPTION... DEVICE\n"
	      "Change the parameters of an SFFS volume that no host has mounted.\n\n"
	      "  -L, --label TEXT     label, up to 63 bytes\n"
	      "  -U, --uuid UUID      identity of the volume; \"random\" for a new one\n"
	      "  -n, --slots N        hosts that can mount at the same time; only more than now\n"
	      "  -l, --lease SECONDS  until a silent host counts as dead, 2 to 300\n"
	      "  -r, --reclaim RATE   off, low, medium, high or MB/s\n"
	      "  -h, --help           this text\n"
	      "  -V, --version        version of the program and the format\n\n"
	      "Exit code: 0 changed, 1 refused or failed, 2 usage.\n", f);
}

static int bad_value(const char *what, const char *val, const char *range)
{
	return sffs_bad_value(what, val, range, EXIT_USAGE);
}

static int parse_option(struct change *ch, int c, const char *arg)
{
	uint64_t v;

	ch->any = true;
	switch (c) {
	case 'L':
		if (strlen(arg) > SFFS_LABEL_MAX)
			return bad_value("label", arg, "longer than 63 bytes");
		ch->label = arg;
		return 0;
	case 'U':
		if (!strcmp(arg, "random"))
			uuid_generate(ch->uuid);
		else if (uuid_parse(arg, ch->uuid) || uuid_is_null(ch->uuid))
			return bad_value("UUID", arg, "neither \"random\" nor a UUID");
		ch->set_uuid = true;
		return 0;
	case 'n':
		if (!sffs_parse_u64(arg, 1, SFFS_MAX_SLOTS, &v))
			return bad_value("slots", arg, "not a number from 1 to 64");
		ch->slots = v;
		return 0;
	case 'l':
		if (!sffs_parse_u64(arg, SFFS_LEASE_MS_MIN / 1000, SFFS_LEASE_MS_MAX / 1000, &v))
			return bad_value("lease", arg, "not a number from 2 to 300");
		ch->lease_ms = v * 1000;
		return 0;
	case 'r':
		if (!sffs_parse_rate(arg, &ch->reclaim))
			return bad_value("reclaim rate", arg,
					 "neither off, low, medium, high nor a number of MB/s");
		ch->set_reclaim = true;
		return 0;
	}
	return EXIT_USAGE;
}

static int parse_args(struct change *ch, int argc, char **argv)
{
	int c, ret;

	while ((c = getopt_long(argc, argv, "L:U:n:l:r:hV", long_options, NULL)) != -1) {
		sffs_common_option(c, usage);
		ret = parse_option(ch, c, optarg);
		if (ret)
			return ret;
	}
	if (optind + 1 != argc || !ch->any) {
		sffs_err(ch->any ? "name one device; see --help" :
			 "say what to change; see --help");
		return EXIT_USAGE;
	}
	ch->device = argv[optind];
	return 0;
}

/* Only a volume at rest: nothing to replay, nobody alive, nothing known to be wrong. */
static int see_at_rest(const struct sffs_volume *vol)
{
	if (le64toh(vol->sb.ro_compat) & ~SFFS_RO_COMPAT_SUPPORTED) {
		sffs_err("%s: made by a newer version of SFFS", vol->dev.path);
		return -1;
	}
	if (vol->sb.state) {
		sffs_err("%s: is damaged; run fsck.sffs first", vol->dev.path);
		return -1;
	}
	for (unsigned int slot = 0; slot < vol->geo.max_slots; slot++)
		if (sffs_slot_idle(vol, slot))
			return -1;
	return 0;
}

static void change_super(const struct change *ch, struct sffs_super *sb)
{
	if (ch->label) {
		memset(sb->label, 0, sizeof(sb->label));
		memcpy(sb->label, ch->label, strlen(ch->label));
	}
	if (ch->set_uuid)
		memcpy(sb->uuid, ch->uuid, sizeof(sb->uuid));
	if (ch->lease_ms) {
		sb->lease_ms = htole32(ch->lease_ms);
		sb->heartbeat_ms = htole32(ch->lease_ms / 5);
	}
	if (ch->set_reclaim)
		sb->reclaim_rate = htole32(ch->reclaim);
}

static int apply(const struct change *ch, struct sffs_volume *vol)
{
	if (see_at_rest(vol))
		return -1;
	if (ch->slots && sffs_add_slots(vol, ch->slots))
		return -1;
	change_super(ch, &vol->sb);
	/* What the super block will point to is on the device before it. */
	return sffs_device_sync(&vol->dev) || sffs_volume_write_super(vol) ||
	       sffs_device_sync(&vol->dev) ? -1 : 0;
}

int main(int argc, char **argv)
{
	struct sffs_volume vol = { 0 };
	struct change ch = { 0 };
	int ret = parse_args(&ch, argc, argv);

	if (ret)
		return ret;
	if (sffs_device_unused(ch.device) ||
	    sffs_volume_open(&vol, ch.device, true, SFFS_SUPER_BLOCK))
		return EXIT_FAILED;
	ret = apply(&ch, &vol) ? EXIT_FAILED : EXIT_OK;
	sffs_volume_close(&vol);
	return ret;
}
