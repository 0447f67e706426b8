// SPDX-License-Identifier: GPL-2.0-only
/* asvm list: the guests that run. */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "client.h"
#include "cmd.h"
#include "exit_code.h"
#include "help.h"
#include "log.h"
#include "runtime.h"
#include "values.h"

#define GUESTS_MAX 4096

/* struct names - the guests found, sorted and each once */
struct names {
	char *name[GUESTS_MAX];
	unsigned int count;
};

static void names_add(struct names *names, const char *name)
{
	if (value_name(name) || names->count == GUESTS_MAX)
		return;
	names->name[names->count] = strdup(name);
	if (names->name[names->count])
		names->count++;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void names_find(struct names *names)
{
	char dirs[RUNTIME_DIRS_MAX][PATH_MAX];
	unsigned int n = runtime_dirs(dirs), i, kept = 0;

	for (i = 0; i < n; i++) {
		DIR *dir = opendir(dirs[i]);
		struct dirent *d;

		if (!dir)
			continue;
		while ((d = readdir(dir)))
			if (d->d_type == DT_SOCK || d->d_type == DT_UNKNOWN)
				names_add(names, d->d_name);
		closedir(dir);
	}
	qsort(names->name, names->count, sizeof(names->name[0]), by_name);
	for (i = 0; i < names->count; i++) {
		if (kept && !strcmp(names->name[kept - 1], names->name[i]))
			free(names->name[i]);
		else
			names->name[kept++] = names->name[i];
	}
	names->count = kept;
}

static int64_t number(const struct json_object *obj, const char *key)
{
	const struct json_member *m = json_get(obj, key, JSON_NUMBER);

	return m ? m->num : 0;
}

static void show_row(const struct json_object *obj, const char *name)
{
	const char *state = json_get_str(obj, "state");
	int64_t memory = number(obj, "memory") >> 20;
	char shown[16];

	value_show(state ? state : "?", shown, sizeof(shown));
	printf("%-24s %-9s %4" PRId64 " %7" PRId64 "M %7" PRId64 "M %5" PRId64
	       " %5" PRId64 " %7" PRId64 "\n", name, shown, number(obj, "cpus"),
	       memory, memory - (number(obj, "balloon") >> 20),
	       number(obj, "disks"), number(obj, "networks"),
	       number(obj, "reboots"));
}

/* A copy of the answer that holds what is known and nothing else. */
static void show_json(struct json_out *out, const struct json_object *obj,
		      const char *name)
{
	static const char *const numbers[] = {
		"cpus", "memory", "balloon", "reported", "reboots", "disks",
		"networks", "functions",
	};
	const char *state = json_get_str(obj, "state");
	unsigned int i;

	json_open(out, NULL, '{');
	json_str(out, "name", name);
	json_str(out, "state", state ? state : "unknown");
	for (i = 0; i < ARRAY_SIZE(numbers); i++)
		json_s64(out, numbers[i], number(obj, numbers[i]));
	json_close(out, '}');
}

/* Guests of others and sockets of the dead are no error, and no guests either. */
static bool status(const char *name, struct client *cl, struct json_object *obj)
{
	static const char request[] = "{\"verb\":\"status\"}";
	bool ok;

	cl->name = name;
	cl->fd = runtime_connect(name, 2);
	if (cl->fd < 0)
		return false;
	ok = !client_ask(cl, request, obj);
	client_close(cl);
	return ok;
}

int cmd_list(int argc, char **argv)
{
	static struct names names;
	bool json = argc == 2 && !strcmp(argv[1], "--json");
	struct json_object obj;
	struct json_out out;
	struct client cl;
	unsigned int i;

	if (help_wanted(argc, argv) || argc > 1 + json) {
		bool wanted = help_wanted(argc, argv);

		fputs("usage: asvm list [--json]\n\n"
		      "List the guests whose control sockets you may use.\n",
		      wanted ? stdout : stderr);
		return wanted ? EXIT_CODE_OK : EXIT_CODE_USAGE;
	}
	names_find(&names);
	json_out_file(&out, stdout);
	if (json)
		json_open(&out, NULL, '[');
	else
		printf("%-24s %-9s %4s %8s %8s %5s %5s %7s\n", "NAME", "STATE",
		       "CPUS", "MEMORY", "HAS NOW", "DISKS", "NETS", "REBOOTS");
	for (i = 0; i < names.count; i++) {
		if (!status(names.name[i], &cl, &obj))
			continue;
		if (json)
			show_json(&out, &obj, names.name[i]);
		else
			show_row(&obj, names.name[i]);
	}
	if (json) {
		json_close(&out, ']');
		putchar('\n');
	}
	return fflush(stdout) ? EXIT_CODE_FAILED : EXIT_CODE_OK;
}
