// SPDX-License-Identifier: GPL-2.0-only
/* fsck.sffs: check an SFFS volume, and repair it. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fsck.h"

/* The usual exit codes of fsck(8). */
enum {
	EXIT_CLEAN = 0, EXIT_FIXED = 1, EXIT_LEFT = 4, EXIT_FAILED = 8, EXIT_USAGE = 16,
	EXIT_CANCELLED = 32,
};

#define PASSES_MAX	12

static volatile sig_atomic_t cancelled;

static const struct option long_options[] = {
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ }
};

static void usage(FILE *out)
{
	fputs("Usage: fsck.sffs [-n|-p|-y] [-C[FD]] [-b BLOCK] DEVICE\n"
	      "Check an SFFS volume that no host has mounted, and repair it.\n\n"
	      "  -n             check only, write nothing; journals are replayed in memory\n"
	      "  -p, -a         repair what can be put right without loss, else leave it\n"
	      "  -y             repair everything\n"
	      "  -f             accepted; every check is a complete one\n"
	      "  -C[FD]         show progress, or write it to a file descriptor\n"
	      "  -b BLOCK       read the super block there: a backup that mkfs.sffs printed\n"
	      "  -h, --help     this text\n"
	      "  -V, --version  version of the program and the format\n\n"
	      "Without -n, -p or -y it asks before each repair.\n"
	      "Exit code: 0 clean, 1 repaired, 4 errors left, 8 cannot check, 16 usage,\n"
	      "32 interrupted.\n", out);
}

/* ---- Problems ---- */

static bool ask(struct fsck *f)
{
	char line[16];

	printf("; repair? [y/n, a: all] ");
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin)) {
		putchar('\n');
		return false;
	}
	if (*line == 'a')
		f->mode = FSCK_REPAIR;
	return *line == 'a' || *line == 'y';
}

static bool decide(struct fsck *f, bool loss)
{
	bool fix = false;

	f->problems++;
	switch (f->mode) {
	case FSCK_ASK:
		fix = ask(f);
		break;
	case FSCK_PREEN:
	case FSCK_REPAIR:
		fix = f->mode == FSCK_REPAIR || (!loss && !f->stuck);
		puts(fix ? ": repaired" : ": left");
		break;
	case FSCK_CHECK:
		putchar('\n');
	}
	if (!fix) {
		f->stuck = true;
		return false;
	}
	f->fixed++;
	f->changes++;
	if (fsck_mark_repairing(f)) {
		sffs_err("nothing more can be written");
		exit(EXIT_FAILED);
	}
	return true;
}

bool fsck_problem(struct fsck *f, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	return decide(f, false);
}

bool fsck_loss(struct fsck *f, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	return decide(f, true);
}

void fsck_failed(struct fsck *f, const char *why)
{
	printf("that could not be repaired: %s\n", why);
	f->problems++;
	f->stuck = true;
}

/* ---- Progress ---- */

static void on_signal(int sig)
{
	(void)sig;
	cancelled = 1;
}

static void check_cancelled(struct fsck *f)
{
	if (!cancelled)
		return;
	sffs_device_sync(&f->vol.dev);
	sffs_err("interrupted; what was repaired so far stays so, the rest needs another run");
	exit(EXIT_CANCELLED);
}

void fsck_progress(struct fsck *f, const char *phase, uint64_t done, uint64_t total)
{
	static time_t last;
	time_t now;

	if (done % 64)
		return;
	check_cancelled(f);
	if (!f->progress)
		return;
	now = time(NULL);
	if (now == last)
		return;
	last = now;
	if (f->progress == 1)
		fprintf(stderr, "\r%-8s %3llu%%", phase, fsck_ull(total ? done * 100 / total : 0));
	else
		dprintf(f->progress - 2, "%s %llu %llu\n", phase, fsck_ull(done), fsck_ull(total));
}

/* ---- Metadata ---- */

static bool fix_reserved(struct fsck *f, uint64_t block, void *buf)
{
	const struct sffs_header *h = buf;
	const struct sffs_struct *s = sffs_struct_of(le32toh(h->magic));

	if (!s || s->size != SFFS_BLOCK_SIZE || sffs_reserved_zero(s, buf, false))
		return true;
	if (!fsck_problem(f, "block %llu (%s): reserved bytes are not zero", fsck_ull(block),
			  s->name))
		return true;
	sffs_reserved_zero(s, buf, true);
	sffs_set_crc(buf, SFFS_BLOCK_SIZE, f->vol.seed);
	return !sffs_vol_write(&f->vol, block, buf);
}

bool fsck_read_meta(struct fsck *f, uint64_t block, uint32_t magic, uint64_t owner,
		    const uint32_t *generation, void *buf)
{
	return !sffs_vol_read(&f->vol, block, buf) &&
	       !sffs_meta_fault(&f->vol, buf, block, magic, &owner, generation) &&
	       fix_reserved(f, block, buf);
}

void fsck_check_reserved(struct fsck *f, uint64_t block)
{
	uint8_t buf[SFFS_BLOCK_SIZE] __attribute__((aligned(8)));

	if (!sffs_vol_read(&f->vol, block, buf))
		fix_reserved(f, block, buf);
}

/* ---- All of it ---- */

static int one_pass(struct fsck *f)
{
	f->changes = 0;
	f->pass++;
	sffs_space_free(&f->space);
	sffs_space_init(&f->space, &f->vol);
	sffs_usage_free(&f->usage);
	/* Quota after data: it writes only blocks that are known to be no others'. */
	return fsck_find_chunks(f) || fsck_read_inodes(f) || fsck_check_areas(f) ||
	       fsck_check_data(f) || fsck_check_quota(f) || fsck_check_names(f) ||
	       fsck_finish_inodes(f) ? -1 : 0;
}

static int check(struct fsck *f)
{
	int ret = fsck_check_slots(f);

	if (ret)
		return ret;
	if (fsck_reload_super(f) || fsck_check_super(f))
		return -1;
	do {
		if (one_pass(f))
			return -1;
	} while (f->changes && f->mode != FSCK_CHECK && f->pass < PASSES_MAX);
	if (f->changes && f->mode != FSCK_CHECK)
		fsck_failed(f, "each repair makes another one necessary");
	/* What an unrepaired inode has in use is not known. */
	if (f->stuck && f->mode != FSCK_CHECK) {
		puts("free space is not checked, for not everything was repaired");
		return 0;
	}
	if (fsck_check_groups(f) || fsck_check_locks(f) || fsck_check_usage(f))
		return -1;
	if (f->mode == FSCK_CHECK || f->stuck)
		return 0;
	return fsck_free_slots(f) || fsck_finish_super(f) ? -1 : 0;
}

static int report(const struct fsck *f, const char *path)
{
	if (f->progress == 1)
		fputs("\r              \r", stderr);
	if (f->orphans)
		printf("%s: %u deleted files freed\n", path, f->orphans);
	printf("%s: %zu inodes in %zu chunks; ", path, f->nr_inodes, f->space.nr_chunks);
	if (!f->problems) {
		puts("clean");
		return EXIT_CLEAN;
	}
	printf("%u problems, %u repaired\n", f->problems, f->fixed);
	return f->fixed == f->problems ? EXIT_FIXED : EXIT_LEFT;
}

static int set_mode(struct fsck *f, enum fsck_mode mode)
{
	if (f->mode != FSCK_ASK && f->mode != mode) {
		sffs_err("only one of -n, -p and -y can be given");
		return EXIT_USAGE;
	}
	f->mode = mode;
	return 0;
}

static int parse_option(struct fsck *f, int c, const char *arg, uint64_t *block)
{
	uint64_t v;

	switch (c) {
	case 'n':
		return set_mode(f, FSCK_CHECK);
	case 'p':
	case 'a':
		return set_mode(f, FSCK_PREEN);
	case 'y':
		return set_mode(f, FSCK_REPAIR);
	case 'f':
		return 0;
	case 'C':
		if (arg && !sffs_parse_u64(arg, 0, 1 << 20, &v)) {
			sffs_err("-C \"%s\": not a file descriptor", arg);
			return EXIT_USAGE;
		}
		f->progress = arg && v ? (int)v + 2 : 1;
		return 0;
	case 'b':
		if (sffs_parse_u64(arg, 1, SFFS_MAX_BLOCKS, block))
			return 0;
		sffs_err("-b \"%s\": not a block number", arg);
		return EXIT_USAGE;
	}
	return EXIT_USAGE;
}

static int parse_args(struct fsck *f, int argc, char **argv, uint64_t *block)
{
	int c, ret;

	while ((c = getopt_long(argc, argv, "npayfC::b:hV", long_options, NULL)) != -1) {
		sffs_common_option(c, usage);
		ret = parse_option(f, c, optarg, block);
		if (ret)
			return ret;
	}
	if (optind + 1 != argc) {
		sffs_err("name one device; see --help");
		return EXIT_USAGE;
	}
	if (f->mode == FSCK_ASK && !isatty(STDIN_FILENO)) {
		sffs_err("there is nobody to ask: say -n, -p or -y");
		return EXIT_USAGE;
	}
	if (f->progress == 1 && !isatty(STDERR_FILENO))
		f->progress = 0;
	return 0;
}

int main(int argc, char **argv)
{
	struct fsck f = { .mode = FSCK_ASK };
	struct sigaction sa = { .sa_handler = on_signal };
	uint64_t block = SFFS_SUPER_BLOCK;
	int ret = parse_args(&f, argc, argv, &block);

	if (ret)
		return ret;
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	f.builder = (struct sffs_builder){ &f.vol, sffs_space_take, &f.space };
	if (fsck_open(&f, argv[optind], block))
		return EXIT_FAILED;
	ret = check(&f) ? EXIT_FAILED : report(&f, argv[optind]);
	sffs_space_free(&f.space);
	free(f.inode);
	sffs_vol_drop_overlay(&f.vol);
	sffs_volume_close(&f.vol);
	if (fflush(stdout) && ret < EXIT_FAILED)
		ret = EXIT_FAILED;
	return ret;
}
