// SPDX-License-Identifier: GPL-2.0-only
/* asvm-stats: what `asvm stats` runs. A program of its own, for it needs libnl. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "array.h"
#include "exit_code.h"
#include "json.h"
#include "log.h"
#include "stats.h"
#include "values.h"

/**
 * struct stats_options - the command line
 * @interval: seconds between two tables, 0: one table
 * @count: tables, 0: until interrupted
 * @name: only this guest's devices, or this device, NULL: all
 */
struct stats_options {
	bool json;
	uint64_t interval;
	uint64_t count;
	const char *name;
};

/* Names in JSON, in the order of enum asv_attr from STATS_FIRST. */
static const char *const counter_names[STATS_COUNT] = {
	"requests", "bytes_out", "bytes_in", "kicks", "kicks_suppressed",
	"calls", "calls_suppressed", "polls_hit", "polls_missed", "throttled",
	"errors", "failed", "helped",
};

#define COUNTER(q, attr) ((q)->counter[(attr) - STATS_FIRST])

static void usage(FILE *to)
{
	fputs("usage: asvm stats [--json] [--interval SECONDS [--count N]] [NAME]\n\n"
	      "Show the counters of each queue of the backends, of all devices that you may\n"
	      "see or of the guest or device NAME. With --interval it goes on, and shows what\n"
	      "was counted in each second.\n\n"
	      "  FLAGS   r it runs, p packed ring, l dirty log, B broken by a bad chain\n"
	      "  KICKS   that woke the worker; SUPPR what was served without one\n"
	      "  CALLS   interrupts to the guest; SUPPR what it did not want\n"
	      "  FAILED  requests with an error status, packets dropped\n", to);
}

/* Three digits and a power of ten or two, in at most six columns. */
static const char *human(double v, double base, char text[16])
{
	static const char units[] = " KMGTPE";
	unsigned int i = 0;

	while (v >= base * 0.9995 && i < sizeof(units) - 2) {
		v /= base;
		i++;
	}
	if (!i)
		snprintf(text, 16, "%.0f", v);
	else
		snprintf(text, 16, "%.*f%c", v < 10 ? 2 : v < 100 ? 1 : 0, v,
			 units[i]);
	return text;
}

static void head(void)
{
	printf("%-16s %-4s %4s %3s %-4s %7s %7s %7s %7s %7s %7s %7s %6s %6s %6s\n",
	       "NAME", "KIND", "DEV", "VQ", "FLAG", "REQS", "OUT", "IN", "KICKS",
	       "SUPPR", "CALLS", "SUPPR", "HELPED", "THROTT", "FAILED");
}

static void row(const struct stats_vq *q, const struct stats_vq *old,
		double seconds)
{
	static const unsigned int columns[] = {
		ASV_A_REQUESTS, ASV_A_BYTES_OUT, ASV_A_BYTES_IN, ASV_A_KICKS,
		ASV_A_KICKS_SUPPRESSED, ASV_A_CALLS, ASV_A_CALLS_SUPPRESSED,
		ASV_A_HELPED, ASV_A_THROTTLED, ASV_A_FAILED,
	};
	char text[16], shown[ASV_NAME_LEN];
	char flags[5] = "----";
	unsigned int i;

	if (q->flags & ASV_VQ_F_RUNNING)
		flags[0] = 'r';
	if (q->flags & ASV_VQ_F_PACKED)
		flags[1] = 'p';
	if (q->flags & ASV_VQ_F_LOG)
		flags[2] = 'l';
	if (q->flags & ASV_VQ_F_BROKEN)
		flags[3] = 'B';
	value_show(q->name[0] ? q->name : "-", shown, sizeof(shown));
	printf("%-16s %-4s %4" PRIu32 " %3" PRIu32 " %-4s", shown, q->kind,
	       q->dev, q->index, flags);
	for (i = 0; i < ARRAY_SIZE(columns); i++) {
		unsigned int c = columns[i];
		bool bytes = c == ASV_A_BYTES_OUT || c == ASV_A_BYTES_IN;
		double v = COUNTER(q, c) - (old ? COUNTER(old, c) : 0);

		printf(" %*s", i < 7 ? 7 : 6,
		       human(v / seconds, bytes ? 1024 : 1000, text));
	}
	putchar('\n');
}

/* A guest's devices are called GUEST/disk0 and so on: its name means all of them. */
static bool wanted(const struct stats_options *o, const char *name)
{
	size_t n;

	if (!o->name)
		return true;
	n = strlen(o->name);
	return !strncmp(name, o->name, n) && (!name[n] || name[n] == '/');
}

static const struct stats_vq *find_vq(const struct stats *st,
				      const struct stats_vq *like)
{
	size_t i;

	for (i = 0; i < st->nvqs; i++)
		if (st->vq[i].dev == like->dev && st->vq[i].index == like->index)
			return &st->vq[i];
	return NULL;
}

static void show_table(const struct stats_options *o, const struct stats *st,
		       const struct stats *old, double seconds)
{
	size_t i;

	head();
	for (i = 0; i < st->nvqs; i++)
		if (wanted(o, st->vq[i].name))
			row(&st->vq[i], find_vq(old, &st->vq[i]), seconds);
}

static void vq_json(struct json_out *out, const struct stats_vq *q)
{
	unsigned int i;

	json_open(out, NULL, '{');
	json_u64(out, "index", q->index);
	json_u64(out, "size", q->size);
	json_u64(out, "worker", q->worker);
	json_bool(out, "running", q->flags & ASV_VQ_F_RUNNING);
	json_bool(out, "packed", q->flags & ASV_VQ_F_PACKED);
	json_bool(out, "log", q->flags & ASV_VQ_F_LOG);
	json_bool(out, "broken", q->flags & ASV_VQ_F_BROKEN);
	for (i = 0; i < STATS_COUNT; i++)
		json_u64(out, counter_names[i], q->counter[i]);
	json_close(out, '}');
}

/* Always whole counts: whoever reads JSON can subtract. */
static void show_json(const struct stats_options *o, const struct stats *st)
{
	struct json_out out;
	struct timespec now;
	size_t i, k;

	clock_gettime(CLOCK_REALTIME, &now);
	json_out_file(&out, stdout);
	json_open(&out, NULL, '{');
	json_u64(&out, "time_ms", now.tv_sec * 1000ULL + now.tv_nsec / 1000000);
	json_open(&out, "devices", '[');
	for (i = 0; i < st->ndevs; i++) {
		const struct stats_dev *d = &st->dev[i];

		if (!wanted(o, d->name))
			continue;
		json_open(&out, NULL, '{');
		json_u64(&out, "id", d->id);
		json_str(&out, "kind", d->kind);
		json_str(&out, "name", d->name);
		json_u64(&out, "pid", d->pid);
		json_u64(&out, "uid", d->uid);
		json_u64(&out, "queues", d->nvqs);
		json_u64(&out, "features", d->features);
		json_open(&out, "vqs", '[');
		for (k = 0; k < st->nvqs; k++)
			if (st->vq[k].dev == d->id)
				vq_json(&out, &st->vq[k]);
		json_close(&out, ']');
		json_close(&out, '}');
	}
	json_close(&out, ']');
	json_close(&out, '}');
	putchar('\n');
}

static int parse(struct stats_options *o, int argc, char **argv)
{
	int i;

	memset(o, 0, sizeof(*o));
	for (i = 1; i < argc; i++) {
		const char *why = NULL;

		if (!strcmp(argv[i], "--json")) {
			o->json = true;
		} else if (!strcmp(argv[i], "--interval") && i + 1 < argc) {
			why = value_u64(argv[++i], 1, 86400, &o->interval);
		} else if (!strcmp(argv[i], "--count") && i + 1 < argc) {
			why = value_u64(argv[++i], 1, UINT32_MAX, &o->count);
		} else if (argv[i][0] != '-' && !o->name) {
			o->name = argv[i];
		} else {
			usage(stderr);
			return -EINVAL;
		}
		if (why) {
			log_err("%s: %s", argv[i - 1], why);
			return -EINVAL;
		}
	}
	if (o->count && !o->interval) {
		log_err("--count needs --interval");
		return -EINVAL;
	}
	return 0;
}

static double now_seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static int show(const struct stats_options *o, struct stats_source *src)
{
	struct stats old = { }, st;
	double then = 0, now;
	uint64_t n = 0;

	for (;;) {
		if (stats_read(src, &st)) {
			stats_free(&old);
			return EXIT_CODE_FAILED;
		}
		now = now_seconds();
		/* Rates need two readings, so the first shows nothing. */
		if (o->json)
			show_json(o, &st);
		else if (!o->interval)
			show_table(o, &st, &old, 1);
		else if (then > 0)
			show_table(o, &st, &old, now - then);
		if (o->json || then > 0)
			n++;
		then = now;
		stats_free(&old);
		old = st;
		if (fflush(stdout) || !o->interval || (o->count && n == o->count))
			break;
		nanosleep(&(struct timespec){ .tv_sec = o->interval }, NULL);
	}
	stats_free(&old);
	return ferror(stdout) ? EXIT_CODE_FAILED : EXIT_CODE_OK;
}

int main(int argc, char **argv)
{
	struct stats_options o;
	struct stats_source *src;
	int i, code;

	log_init(NULL, LOG_LEVEL_INFO, 0);
	for (i = 1; i < argc; i++)
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
			usage(stdout);
			return EXIT_CODE_OK;
		}
	if (parse(&o, argc, argv))
		return EXIT_CODE_USAGE;
	src = stats_open();
	if (!src)
		return EXIT_CODE_FAILED;
	code = show(&o, src);
	stats_close(src);
	return code;
}
