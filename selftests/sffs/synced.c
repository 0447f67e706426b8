// SPDX-License-Identifier: GPL-2.0-only
/*
 * synced write DIR NAME LOG: until it is ended, or fails, changes files of its own in DIR
 * and one that all writers share, syncs each change, and notes it in LOG, which must be
 * somewhere that outlives the host. Exit code 0 when it was told to end by SIGTERM.
 *
 * synced check DIR NAME LOG: is everything there that LOG says was synced?
 *
 * LOG has two lines for each change, before it begins and when it has been synced; only the
 * last change may have begun without an end, and of that nothing is asked.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILES		4U
#define RECORDS		64U		/* of a file, written round and round */
#define RECORD_SIZE	8192U
#define NAMES		32U		/* that are made and removed */
#define LINE		48U		/* of the file that all share */
#define SHARED		"shared"

enum op { OP_RECORD, OP_MAKE, OP_REMOVE, OP_APPEND, OP_COUNT };

static const char * const op_names[] = { "record", "make", "remove", "append" };

struct change {
	enum op op;
	unsigned int file;	/* of OP_RECORD; a name's number of OP_MAKE and OP_REMOVE */
	uint64_t seq;		/* of the change: 1, 2, ... */
};

struct state {
	const char *dir, *name;
	uint64_t record[FILES][RECORDS];	/* the change that wrote it; 0: may be anything */
	uint64_t rounds[FILES];			/* records that were begun */
	bool made[NAMES];
	struct change open;			/* begun and not ended; seq 0: none */
	uint64_t *appended;			/* changes whose lines are in the shared file */
	size_t appends;
};

static volatile sig_atomic_t ended;

static void on_term(int sig)
{
	(void)sig;
	ended = 1;
}

static void fill(uint64_t *record, unsigned int file, uint64_t seq)
{
	uint64_t x = seq * 0x9e3779b97f4a7c15ULL + file;

	for (size_t i = 0; i < RECORD_SIZE / sizeof(*record); i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		record[i] = x;
	}
	record[0] = seq;
}

static int line_of(const struct state *s, uint64_t seq, char line[LINE + 1])
{
	return snprintf(line, LINE + 1, "%-20.20s%*" PRIu64 "\n", s->name, (int)LINE - 21, seq);
}

static int failed(const struct state *s, const struct change *c)
{
	fprintf(stderr, "%s: %s %u (%" PRIu64 "): %s\n", s->name, op_names[c->op], c->file,
		c->seq, strerror(errno));
	return -1;
}

/* ---- Changes ---- */

static int do_record(const struct state *s, int dir, const struct change *c)
{
	static uint64_t record[RECORD_SIZE / sizeof(uint64_t)];
	off_t at = (off_t)((s->rounds[c->file] - 1) % RECORDS) * RECORD_SIZE;
	char name[64];
	int fd, err;

	snprintf(name, sizeof(name), "%s.%u", s->name, c->file);
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0)
		return -1;
	fill(record, c->file, c->seq);
	err = pwrite(fd, record, RECORD_SIZE, at) == RECORD_SIZE ? fsync(fd) : -1;
	close(fd);
	return err;
}

static int do_make(const struct state *s, int dir, const struct change *c)
{
	char name[64];
	int fd;

	snprintf(name, sizeof(name), "%s-made-%u", s->name, c->file);
	if (c->op == OP_REMOVE)
		return unlinkat(dir, name, 0) ? -1 : fsync(dir);
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return -1;
	close(fd);
	return fsync(dir);
}

static int do_append(const struct state *s, int dir, const struct change *c)
{
	int fd = openat(dir, SHARED, O_WRONLY | O_APPEND | O_CREAT | O_DSYNC | O_CLOEXEC, 0644);
	char line[LINE + 1];
	int err;

	if (fd < 0)
		return -1;
	line_of(s, c->seq, line);
	err = write(fd, line, LINE) == LINE ? 0 : -1;
	close(fd);
	return err;
}

/*
 * What a change makes of the state: when it begins, and when it has been synced. A record
 * whose change has no end has neither the old nor the new, and is written again.
 */
static void begin(struct state *s, const struct change *c)
{
	if (s->open.seq && s->open.op == OP_RECORD)
		s->rounds[s->open.file]--;
	s->open = *c;
	if (c->op == OP_RECORD)
		s->record[c->file][s->rounds[c->file]++ % RECORDS] = 0;
}

static int end(struct state *s)
{
	const struct change *c = &s->open;
	uint64_t *more;

	switch (c->op) {
	case OP_RECORD:
		s->record[c->file][(s->rounds[c->file] - 1) % RECORDS] = c->seq;
		break;
	case OP_MAKE:
	case OP_REMOVE:
		s->made[c->file] = c->op == OP_MAKE;
		break;
	default:
		more = reallocarray(s->appended, s->appends + 1, sizeof(*more));
		if (!more)
			return -1;
		s->appended = more;
		s->appended[s->appends++] = c->seq;
	}
	s->open.seq = 0;
	return 0;
}

/* ---- The log ---- */

static int note(int log, char verb, const struct change *c)
{
	char line[64];
	int len = snprintf(line, sizeof(line), "%c %s %u %" PRIu64 "\n", verb, op_names[c->op],
			   c->file, c->seq);

	return write(log, line, len) == len ? 0 : -1;
}

static int read_change(const char *line, char *verb, struct change *c)
{
	char word[16];

	if (sscanf(line, "%c %15s %u %" SCNu64, verb, word, &c->file, &c->seq) != 4)
		return -1;
	for (c->op = 0; c->op < OP_COUNT && strcmp(op_names[c->op], word); c->op++)
		;
	return c->op == OP_COUNT || c->file >= (c->op == OP_RECORD ? FILES : NAMES) ? -1 : 0;
}

/* What has been noted before; the last line may be cut. Returns the number of the last change. */
static int64_t replay(struct state *s, const char *path)
{
	FILE *log = fopen(path, "re");
	int64_t last = 0;
	char line[64], verb;
	struct change c;

	if (!log)
		return errno == ENOENT ? 0 : -1;
	while (fgets(line, sizeof(line), log)) {
		if (!strchr(line, '\n'))
			break;
		if (read_change(line, &verb, &c) || (verb == '+' && c.seq != s->open.seq)) {
			fprintf(stderr, "%s: cannot be: %s", path, line);
			last = -1;
			break;
		}
		last = c.seq;
		if (verb == '-')
			begin(s, &c);
		else if (end(s))
			last = -1;
	}
	fclose(log);
	return last;
}

/* ---- Writing ---- */

static void choose(const struct state *s, struct change *c)
{
	unsigned int r = random();

	c->op = r % 8 < 4 ? OP_RECORD : r % 8 < 6 ? OP_APPEND : OP_MAKE;
	c->file = c->op == OP_APPEND ? 0 : (r >> 3) % (c->op == OP_RECORD ? FILES : NAMES);
	if (c->op == OP_MAKE && s->made[c->file])
		c->op = OP_REMOVE;
}

/* A name whose last change has no end may be there, or not. */
static int settle(struct state *s, int dir)
{
	char name[64];

	if (!s->open.seq || (s->open.op != OP_MAKE && s->open.op != OP_REMOVE))
		return 0;
	snprintf(name, sizeof(name), "%s-made-%u", s->name, s->open.file);
	s->made[s->open.file] = !faccessat(dir, name, F_OK, 0);
	return s->made[s->open.file] || errno == ENOENT ? 0 : -1;
}

static int writer(struct state *s, const char *path)
{
	int64_t last = replay(s, path);
	int log = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
	int dir = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct sigaction sa = { .sa_handler = on_term };
	struct change c;

	if (last < 0 || log < 0 || dir < 0 || settle(s, dir)) {
		perror(s->dir);
		return -1;
	}
	sigaction(SIGTERM, &sa, NULL);
	srandom(last + 1);
	while (!ended) {
		int err;

		/* What may still come from a writer that was cut off is written over at once. */
		if (s->open.seq && s->open.op == OP_RECORD)
			c = s->open;
		else
			choose(s, &c);
		c.seq = ++last;
		begin(s, &c);
		if (note(log, '-', &c))
			return failed(s, &c);
		err = c.op == OP_RECORD ? do_record(s, dir, &c) :
		      c.op == OP_APPEND ? do_append(s, dir, &c) : do_make(s, dir, &c);
		if (err || end(s) || note(log, '+', &c))
			return failed(s, &c);
	}
	return 0;
}

/* ---- Checking ---- */

static int check_records(const struct state *s, int dir, unsigned int file)
{
	static uint64_t want[RECORD_SIZE / sizeof(uint64_t)], is[RECORD_SIZE / sizeof(uint64_t)];
	char name[64];
	int fd, bad = 0;

	if (!s->rounds[file])
		return 0;
	snprintf(name, sizeof(name), "%s.%u", s->name, file);
	fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	for (unsigned int i = 0; i < RECORDS; i++) {
		if (!s->record[file][i])
			continue;
		fill(want, file, s->record[file][i]);
		if (pread(fd, is, RECORD_SIZE, (off_t)i * RECORD_SIZE) == RECORD_SIZE &&
		    !memcmp(is, want, RECORD_SIZE))
			continue;
		printf("%s: record %u is not what change %" PRIu64 " wrote\n", name, i,
		       s->record[file][i]);
		bad++;
	}
	if (fd >= 0)
		close(fd);
	return bad;
}

static int check_names(const struct state *s, int dir)
{
	int bad = 0;

	for (unsigned int i = 0; i < NAMES; i++) {
		char name[64];
		bool is;

		if (s->open.seq && s->open.op != OP_RECORD && s->open.op != OP_APPEND &&
		    s->open.file == i)
			continue;
		snprintf(name, sizeof(name), "%s-made-%u", s->name, i);
		is = !faccessat(dir, name, F_OK, 0);
		if (is == s->made[i])
			continue;
		printf("%s is %s\n", name, is ? "still there" : "gone");
		bad++;
	}
	return bad;
}

/* All lines that were synced, in their order; lines of others, and of the last change, between. */
static int check_shared(const struct state *s, int dir)
{
	int fd = openat(dir, SHARED, O_RDONLY | O_CLOEXEC);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
	char is[LINE + 2], want[LINE + 1];
	size_t next = 0;

	while (next < s->appends && file && fread(is, LINE, 1, file) == 1) {
		line_of(s, s->appended[next], want);
		next += !memcmp(is, want, LINE);
	}
	if (file)
		fclose(file);
	if (next == s->appends)
		return 0;
	printf("%s: the line of change %" PRIu64 " of %s is gone\n", SHARED, s->appended[next],
	       s->name);
	return 1;
}

static int checker(struct state *s, const char *path)
{
	int64_t last = replay(s, path);
	int dir = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int bad;

	if (last <= 0 || dir < 0) {
		printf("%s: nothing to check in %s\n", s->dir, path);
		return -1;
	}
	bad = check_names(s, dir) + check_shared(s, dir);
	for (unsigned int i = 0; i < FILES; i++)
		bad += check_records(s, dir, i);
	printf("%s: %" PRId64 " changes, %d lost\n", s->name, last, bad);
	return bad ? -1 : 0;
}

int main(int argc, char **argv)
{
	struct state s = { };
	int err;

	if (argc != 5 || strlen(argv[3]) > 16 ||
	    (strcmp(argv[1], "write") && strcmp(argv[1], "check"))) {
		fprintf(stderr, "usage: synced write|check DIR NAME LOG\n");
		return 2;
	}
	s.dir = argv[2];
	s.name = argv[3];
	err = *argv[1] == 'w' ? writer(&s, argv[4]) : checker(&s, argv[4]);
	free(s.appended);
	return err ? 1 : 0;
}
