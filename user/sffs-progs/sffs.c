// SPDX-License-Identifier: GPL-2.0-only
/* sffs: see to mounted SFFS volumes. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "json.h"
#include "libsffs.h"
#include "live.h"

/* Exit codes, as documented in sffs(8). */
enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

/**
 * struct request - what was asked for
 * @json: as JSON
 * @take: make this host the owner
 * @release: this host no longer is
 * @rate: how fast space is given back in the background, or NULL
 * @count: events after which to end, 0: none
 * @arg: operands
 * @nargs: how many
 * @out: where JSON goes
 * @rows: printed so far
 * @volume: UUID of the volume that events are wanted of, or empty
 */
struct request {
	bool json, take, release;
	const char *rate;
	uint64_t count;
	char **arg;
	int nargs;
	struct json_out out;
	uint64_t rows;
	char volume[37];
};

static void usage(FILE *f)
{
	fputs("Usage: sffs COMMAND [OPTION]... [OPERAND]...\n"
	      "See to SFFS volumes that are mounted on this host. PATH is any file of a volume.\n\n"
	      "  grow PATH [SIZE]      make the volume as large as its device, or SIZE\n"
	      "  df [PATH]...          used and free space, and what was freed and not unmapped\n"
	      "  reclaim PATH          give what is free back to the array now\n"
	      "  reclaim --rate R PATH how fast that is done in the background: off, low,\n"
	      "                        medium, high or MB/s\n"
	      "  owner FILE...         which host runs on a virtual disk\n"
	      "  owner --take FILE     this one does\n"
	      "  owner --release FILE  this one no longer does\n"
	      "  nodes PATH            who has the volume mounted\n"
	      "  locks PATH            the locks that this host has in memory\n"
	      "  events [PATH]         print what happens, until interrupted\n\n"
	      "  -j, --json            print JSON; events: one object a line\n"
	      "  -c, --count N         events: end after so many\n"
	      "  -h, --help            this text\n"
	      "  -V, --version         version of the program and the format\n\n"
	      "Exit code: 0 done, 1 failed, 2 usage.\n", f);
}

/* Open a file of a volume; its device number in @dev if not NULL. */
static int open_path(const char *path, int flags, uint32_t *dev)
{
	int fd = open(path, flags | O_CLOEXEC | O_NONBLOCK);
	struct statfs fs;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) || fstatfs(fd, &fs)) {
		sffs_err("%s: %s", path, strerror(errno));
		goto close;
	}
	if ((uint32_t)fs.f_type != SFFS_MAGIC_SUPER) {
		sffs_err("%s: not on an SFFS volume", path);
		goto close;
	}
	if (dev)
		*dev = st.st_dev;
	return fd;
close:
	if (fd >= 0)
		close(fd);
	return -1;
}

static int dev_of(const char *path, uint32_t *dev)
{
	int fd = open_path(path, O_RDONLY, dev);

	if (fd < 0)
		return -1;
	close(fd);
	return 0;
}

/* ---- grow ---- */

static const char *grow_error(int error)
{
	switch (error) {
	case EPERM:
		return "only an administrator can grow a volume";
	case EINVAL:
		return "the volume is larger than that already; it cannot shrink";
	case ENOSPC:
		return "the device is smaller than that; make it larger first";
	case EFBIG:
		return "too many allocation groups; mkfs.sffs --group-size makes larger ones";
	}
	return strerror(error);
}

static int cmd_grow(struct request *r)
{
	struct sffs_grow grow = { 0 };
	char size[32];
	struct statfs before, after;
	uint64_t bytes = 0;
	int fd, ret;

	if (r->nargs == 2 && (!sffs_parse_size(r->arg[1], &bytes) || bytes < SFFS_BLOCK_SIZE))
		return sffs_bad_value("size", r->arg[1], "not a number of bytes", EXIT_USAGE);
	fd = open_path(r->arg[0], O_RDONLY, NULL);
	if (fd < 0)
		return EXIT_FAILED;
	grow.blocks = bytes / SFFS_BLOCK_SIZE;
	ret = fstatfs(fd, &before) || ioctl(fd, SFFS_IOC_GROW, &grow) || fstatfs(fd, &after);
	if (ret) {
		sffs_err("%s: %s", r->arg[0], grow_error(errno));
	} else if (after.f_blocks == before.f_blocks) {
		printf("%s: has %s already\n", r->arg[0],
		       sffs_format_size(grow.blocks * SFFS_BLOCK_SIZE, size, sizeof(size)));
	} else {
		printf("%s: grown to %s\n", r->arg[0],
		       sffs_format_size(grow.blocks * SFFS_BLOCK_SIZE, size, sizeof(size)));
	}
	close(fd);
	return ret ? EXIT_FAILED : EXIT_OK;
}

/* What a volume says, without what a terminal would take for a command. */
static void print_plain(const char *text)
{
	for (; *text; text++)
		putchar(iscntrl((unsigned char)*text) ? '?' : *text);
}

/* ---- df ---- */

static bool print_space(const struct live_msg *m, void *data)
{
	uint64_t blocks = live_u64(m, SFFS_A_BLOCKS), free = live_u64(m, SFFS_A_FREE);
	uint64_t unmapped = live_u64(m, SFFS_A_UNMAPPED), pending = live_u64(m, SFFS_A_PENDING);
	const struct {
		const char *name;
		uint64_t blocks;
	} col[] = {
		{ "size", blocks }, { "used", blocks > free ? blocks - free : 0 }, { "free", free },
		{ "not_unmapped", free > unmapped ? free - unmapped : 0 }, { "pending", pending },
	};
	struct request *r = data;
	char uuid[37], size[32];

	live_uuid(m, uuid);
	if (r->json) {
		json_open(&r->out, NULL, '{');
		json_str(&r->out, "uuid", uuid);
		json_str(&r->out, "label", live_text(m, SFFS_A_LABEL));
		for (size_t i = 0; i < SFFS_ARRAY_SIZE(col); i++)
			json_u64(&r->out, col[i].name, col[i].blocks * SFFS_BLOCK_SIZE);
		json_str(&r->out, "reclaim", sffs_format_rate(live_u32(m, SFFS_A_RECLAIM), size,
							      sizeof(size)));
		json_close(&r->out, '}');
	} else {
		if (!r->rows)
			printf("%-36s %10s %10s %10s %12s %10s  LABEL\n", "UUID", "SIZE", "USED",
			       "FREE", "NOT UNMAPPED", "PENDING");
		printf("%-36s", uuid);
		for (size_t i = 0; i < SFFS_ARRAY_SIZE(col); i++)
			printf(" %*s", i == 3 ? 12 : 10,
			       sffs_format_size(col[i].blocks * SFFS_BLOCK_SIZE, size,
						sizeof(size)));
		printf("  ");
		print_plain(live_text(m, SFFS_A_LABEL));
		putchar('\n');
	}
	r->rows++;
	return true;
}

/* ---- reclaim ---- */

static int set_rate(int fd, const char *path, const char *text)
{
	uint32_t rate;

	if (!sffs_parse_rate(text, &rate))
		return sffs_bad_value("rate", text,
				      "neither off, low, medium, high nor a number of MB/s",
				      EXIT_USAGE);
	if (!ioctl(fd, SFFS_IOC_SET_RECLAIM, &rate))
		return EXIT_OK;
	sffs_err("%s: %s", path, strerror(errno));
	return EXIT_FAILED;
}

static void print_progress(uint32_t done, uint32_t groups, uint64_t bytes, time_t begun)
{
	uint64_t left = (uint64_t)(time(NULL) - begun) * (groups - done) / done;
	char size[32];

	fprintf(stderr, "\r%3u %%, %s given back, %llu:%02llu left   ",
		(unsigned int)(100ULL * done / groups),
		sffs_format_size(bytes, size, sizeof(size)), (unsigned long long)left / 60,
		(unsigned long long)left % 60);
}

/* Group by group, so that it can be seen how far it is. */
static int reclaim_all(int fd, const char *path)
{
	struct sffs_reclaim_group g = { 0 };
	bool terminal = isatty(STDERR_FILENO);
	time_t begun = time(NULL);
	uint64_t bytes = 0;
	char size[32];
	int ret;

	do {
		ret = ioctl(fd, SFFS_IOC_RECLAIM, &g);
		if (ret)
			break;
		bytes += g.bytes;
		g.group++;
		if (terminal)
			print_progress(g.group, g.groups, bytes, begun);
	} while (g.group < g.groups);
	if (terminal)
		fputc('\n', stderr);
	if (ret)
		sffs_err("%s: %s", path, errno == EOPNOTSUPP ? "the device does not take UNMAP" :
			 strerror(errno));
	printf("%s: %s given back\n", path, sffs_format_size(bytes, size, sizeof(size)));
	return ret ? EXIT_FAILED : EXIT_OK;
}

static int cmd_reclaim(struct request *r)
{
	int fd = open_path(r->arg[0], O_RDONLY, NULL), ret;

	if (fd < 0)
		return EXIT_FAILED;
	ret = r->rate ? set_rate(fd, r->arg[0], r->rate) : reclaim_all(fd, r->arg[0]);
	close(fd);
	return ret;
}

/* ---- nodes ---- */

static bool print_node(const struct live_msg *m, void *data)
{
	static const char * const states[] = { "free", "live", "recovering" };
	uint32_t state = live_u32(m, SFFS_A_STATE), flags = live_u32(m, SFFS_A_SLOT_FLAGS);
	const char *name = state < SFFS_ARRAY_SIZE(states) ? states[state] : "unknown";
	time_t mounted = live_u64(m, SFFS_A_MOUNTED);
	struct request *r = data;
	char when[32] = "";

	if (r->json) {
		json_open(&r->out, NULL, '{');
		json_u64(&r->out, "slot", live_u32(m, SFFS_A_SLOT));
		json_str(&r->out, "state", name);
		json_u64(&r->out, "incarnation", live_u32(m, SFFS_A_INCARNATION));
		json_str(&r->out, "host", live_text(m, SFFS_A_HOST));
		json_u64(&r->out, "mounted", mounted);
		json_bool(&r->out, "here", live_flag(m, SFFS_A_HERE));
		json_bool(&r->out, "local", flags & SFFS_SLOTF_LOCAL);
		json_close(&r->out, '}');
	} else {
		if (!r->rows)
			printf("%4s  %-10s %11s  %-16s  %s\n", "SLOT", "STATE", "INCARNATION",
			       "MOUNTED", "HOST");
		if (mounted && state)
			strftime(when, sizeof(when), "%F %R", localtime(&mounted));
		printf("%4u  %-10s %11u  %-16s  ", live_u32(m, SFFS_A_SLOT), name,
		       live_u32(m, SFFS_A_INCARNATION), when);
		print_plain(state ? live_text(m, SFFS_A_HOST) : "");
		puts(live_flag(m, SFFS_A_HERE) ? " (this host)" : "");
	}
	r->rows++;
	return true;
}

/* ---- locks ---- */

static bool print_lock(const struct live_msg *m, void *data)
{
	static const char * const types[] = { "", "fixed", "group", "inode", "open", "flock",
					      "chunk" };
	static const char * const modes[] = { "none", "shared", "exclusive" };
	uint32_t type = live_u32(m, SFFS_A_LOCK_TYPE), mode = live_u32(m, SFFS_A_LOCK_MODE);
	uint64_t number = live_u64(m, SFFS_A_LOCK_NUMBER);
	struct request *r = data;

	if (type >= SFFS_ARRAY_SIZE(types) || mode >= SFFS_ARRAY_SIZE(modes))
		return true;
	if (r->json) {
		json_open(&r->out, NULL, '{');
		json_str(&r->out, "type", types[type]);
		json_u64(&r->out, "number", number);
		json_str(&r->out, "mode", modes[mode]);
		json_u64(&r->out, "shared", live_u32(m, SFFS_A_USES_SHARED));
		json_u64(&r->out, "exclusive", live_u32(m, SFFS_A_USES_EXCLUSIVE));
		json_close(&r->out, '}');
	} else {
		if (!r->rows)
			printf("%-6s %16s  %-9s %7s %10s\n", "TYPE", "NUMBER", "HELD", "READERS",
			       "WRITERS");
		printf("%-6s %16llu  %-9s %7u %10u\n", types[type], (unsigned long long)number,
		       modes[mode], live_u32(m, SFFS_A_USES_SHARED),
		       live_u32(m, SFFS_A_USES_EXCLUSIVE));
	}
	r->rows++;
	return true;
}

/* ---- Lists from the module ---- */

static void list_begin(struct request *r, const char *name)
{
	json_out_file(&r->out, stdout);
	if (!r->json)
		return;
	json_open(&r->out, NULL, '{');
	json_open(&r->out, name, '[');
}

static void list_end(struct request *r)
{
	if (!r->json)
		return;
	json_close(&r->out, ']');
	json_close(&r->out, '}');
	putchar('\n');
}

/* A list of one volume for each operand, or of all volumes without one. */
static int list(struct request *r, enum sffs_genl_cmd cmd, const char *name, live_fn fn)
{
	int ret = EXIT_OK;
	uint32_t dev = 0;

	list_begin(r, name);
	for (int i = 0; i < r->nargs || (!i && !r->nargs); i++)
		if ((r->nargs && dev_of(r->arg[i], &dev)) || live_dump(cmd, dev, fn, r))
			ret = EXIT_FAILED;
	list_end(r);
	return ret;
}

static int cmd_df(struct request *r)
{
	return list(r, SFFS_CMD_GET_SPACE, "volumes", print_space);
}

static int cmd_nodes(struct request *r)
{
	return list(r, SFFS_CMD_GET_NODES, "nodes", print_node);
}

static int cmd_locks(struct request *r)
{
	return list(r, SFFS_CMD_GET_LOCKS, "locks", print_lock);
}

/* ---- owner ---- */

static void print_owner(struct request *r, const char *path, const struct sffs_owner_info *o)
{
	bool here = o->flags & SFFS_OWNED_HERE;
	time_t since = o->since_sec;
	char when[32] = "", host[sizeof(o->host) + 1] = "";

	memcpy(host, o->host, sizeof(o->host));
	if (r->json) {
		json_open(&r->out, NULL, '{');
		json_str(&r->out, "file", path);
		json_bool(&r->out, "owned", o->mode);
		if (o->mode) {
			json_str(&r->out, "host", host);
			json_u64(&r->out, "slot", o->slot);
			json_u64(&r->out, "incarnation", o->incarnation);
			json_s64(&r->out, "since", o->since_sec);
			json_bool(&r->out, "here", here);
		}
		json_close(&r->out, '}');
	} else if (!o->mode) {
		printf("%s: nobody\n", path);
	} else {
		strftime(when, sizeof(when), "%F %R", localtime(&since));
		printf("%s: ", path);
		print_plain(host);
		printf("%s, slot %u, since %s\n", here ? " (this host)" : "", o->slot, when);
	}
}

/* A disk that another host owns cannot be opened: its folder is, and the disk's number told. */
static int open_owned(const char *path, struct sffs_owner_info *owner)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	char *copy;

	if (fd >= 0 || errno != EBUSY) {
		if (fd >= 0)
			close(fd);
		return open_path(path, O_RDONLY, NULL);
	}
	copy = strdup(path);
	if (copy && !stat(path, &st)) {
		owner->ino = st.st_ino;
		fd = open_path(dirname(copy), O_RDONLY, NULL);
	} else {
		sffs_err("%s: %s", path, strerror(errno));
	}
	free(copy);
	return fd;
}

static int one_owner(struct request *r, const char *path)
{
	bool change = r->take || r->release;
	struct sffs_owner_info owner = { 0 };
	int fd = change ? open_path(path, O_RDWR, NULL) : open_owned(path, &owner), ret;

	if (fd < 0)
		return -1;
	if (change)
		ret = ioctl(fd, r->take ? SFFS_IOC_TAKE_OWNER : SFFS_IOC_RELEASE_OWNER);
	else
		ret = ioctl(fd, SFFS_IOC_GET_OWNER, &owner);
	if (ret)
		sffs_err("%s: %s", path, errno == EBUSY ? "another host runs on it" :
			 errno == EINVAL ? "only a regular file has an owner" : strerror(errno));
	else if (!change)
		print_owner(r, path, &owner);
	close(fd);
	return ret;
}

static int cmd_owner(struct request *r)
{
	int ret = EXIT_OK;

	if (r->take && r->release) {
		sffs_err("either --take or --release");
		return EXIT_USAGE;
	}
	list_begin(r, "owners");
	for (int i = 0; i < r->nargs; i++)
		if (one_owner(r, r->arg[i]))
			ret = EXIT_FAILED;
	list_end(r);
	return ret;
}

/* ---- events ---- */

static bool print_event(const struct live_msg *m, void *data)
{
	static const char * const names[] = { "", "mount", "unmount", "shutdown", "damage",
					      "grown" };
	uint32_t event = live_u32(m, SFFS_A_EVENT);
	const char *name = event < SFFS_ARRAY_SIZE(names) ? names[event] : "unknown";
	unsigned long long block = live_u64(m, SFFS_A_BLOCK);
	time_t now = time(NULL);
	struct request *r = data;
	char uuid[37], when[32];

	live_uuid(m, uuid);
	if (*r->volume && strcmp(r->volume, uuid))
		return true;
	if (r->json) {
		json_out_file(&r->out, stdout);
		json_open(&r->out, NULL, '{');
		json_s64(&r->out, "time", now);
		json_str(&r->out, "uuid", uuid);
		json_str(&r->out, "event", name);
		json_str(&r->out, "text", live_text(m, SFFS_A_TEXT));
		if (block)
			json_u64(&r->out, "block", block);
		json_close(&r->out, '}');
		putchar('\n');
	} else {
		strftime(when, sizeof(when), "%F %T", localtime(&now));
		printf("%s %s %s: %s", when, uuid, name, live_text(m, SFFS_A_TEXT));
		if (block)
			printf(" (block %llu)", block);
		putchar('\n');
	}
	fflush(stdout);
	r->rows++;
	return !r->count || r->rows < r->count;
}

static bool take_uuid(const struct live_msg *m, void *data)
{
	struct request *r = data;

	live_uuid(m, r->volume);
	return true;
}

static int cmd_events(struct request *r)
{
	uint32_t dev;

	if (r->nargs && (dev_of(r->arg[0], &dev) ||
			 live_dump(SFFS_CMD_GET_SPACE, dev, take_uuid, r)))
		return EXIT_FAILED;
	return live_events(print_event, r) ? EXIT_FAILED : EXIT_OK;
}

/* ---- The command line ---- */

static const struct command {
	const char *name;
	int min, max;		/* operands */
	int (*fn)(struct request *r);
} commands[] = {
	{ "grow", 1, 2, cmd_grow },
	{ "df", 0, INT32_MAX, cmd_df },
	{ "owner", 1, INT32_MAX, cmd_owner },
	{ "reclaim", 1, 1, cmd_reclaim },
	{ "nodes", 1, 1, cmd_nodes },
	{ "locks", 1, 1, cmd_locks },
	{ "events", 0, 1, cmd_events },
};

static const struct option long_options[] = {
	{ "json", no_argument, NULL, 'j' },
	{ "count", required_argument, NULL, 'c' },
	{ "take", no_argument, NULL, 't' },
	{ "release", no_argument, NULL, 'r' },
	{ "rate", required_argument, NULL, 'R' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ }
};

static int parse_args(struct request *r, int argc, char **argv)
{
	int c;

	while ((c = getopt_long(argc, argv, "jc:hV", long_options, NULL)) != -1) {
		sffs_common_option(c, usage);
		switch (c) {
		case 'j':
			r->json = true;
			break;
		case 't':
			r->take = true;
			break;
		case 'r':
			r->release = true;
			break;
		case 'R':
			r->rate = optarg;
			break;
		case 'c':
			if (sffs_parse_u64(optarg, 1, UINT32_MAX, &r->count))
				break;
			return sffs_bad_value("count", optarg, "not a number from 1 on",
					      EXIT_USAGE);
		default:
			return EXIT_USAGE;
		}
	}
	return EXIT_OK;
}

int main(int argc, char **argv)
{
	struct request r = { 0 };
	int ret = parse_args(&r, argc, argv);

	if (ret)
		return ret;
	if (optind == argc) {
		sffs_err("say what to do; see --help");
		return EXIT_USAGE;
	}
	r.arg = argv + optind + 1;
	r.nargs = argc - optind - 1;
	for (size_t i = 0; i < SFFS_ARRAY_SIZE(commands); i++) {
		const struct command *cmd = &commands[i];

		if (strcmp(cmd->name, argv[optind]))
			continue;
		if (r.nargs < cmd->min || r.nargs > cmd->max) {
			sffs_err("%s: wrong number of operands; see --help", cmd->name);
			return EXIT_USAGE;
		}
		ret = cmd->fn(&r);
		return fflush(stdout) && !ret ? EXIT_FAILED : ret;
	}
	sffs_err("\"%s\": no such command; see --help", argv[optind]);
	return EXIT_USAGE;
}
