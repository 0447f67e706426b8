// SPDX-License-Identifier: GPL-2.0-only
/* What `asvm run` is told: a config file, options. */
#include "run_config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "array.h"
#include "ini.h"
#include "log.h"
#include "values.h"

void run_config_init(struct run_config *rc)
{
	memset(rc, 0, sizeof(*rc));
	config_init(&rc->guest);
	rc->guest.name = NULL;
	rc->sandbox = true;
	rc->limits = true;
	rc->control_mode = 0600;
}

/* Where the entries of a config file's present section go. */
struct file_reader {
	struct run_config *rc;
	const struct option_def *table;
	void *object;
	char why[256];
};

static const char *file_section(void *ctx, const char *name, unsigned int line)
{
	struct file_reader *fr = ctx;

	(void)line;
	if (!strcmp(name, "Guest")) {
		fr->table = guest_options;
		fr->object = fr->rc;
	} else if (!strcmp(name, "Disk")) {
		fr->table = disk_options;
		fr->object = run_config_add_disk(fr->rc);
		if (!fr->object)
			return "too many disks; a guest has at most 16";
	} else if (!strcmp(name, "Network")) {
		fr->table = net_options;
		fr->object = run_config_add_net(fr->rc);
		if (!fr->object)
			return "too many networks; a guest has at most 8";
	} else if (!strcmp(name, "VTD")) {
		fr->table = vtd_options;
		fr->object = run_config_add_vtd(fr->rc);
		if (!fr->object)
			return "too many functions; a guest has at most 8";
	} else {
		char shown[64];

		value_show(name, shown, sizeof(shown));
		snprintf(fr->why, sizeof(fr->why),
			 "unknown section [%s]; there are [Guest], [Disk], [Network] and [VTD]",
			 shown);
		return fr->why;
	}
	return NULL;
}

static const char *file_entry(void *ctx, char *key, char *value,
			      unsigned int line)
{
	struct file_reader *fr = ctx;
	const struct option_def *def = option_by_ini(fr->table, key);
	const char *why;
	char shown[64];

	(void)line;
	value_show(key, shown, sizeof(shown));
	if (!def) {
		snprintf(fr->why, sizeof(fr->why),
			 "unknown key '%s' in this section; see asvm.conf(5)", shown);
		return fr->why;
	}
	why = option_set(def, fr->object, value);
	if (!why)
		return NULL;
	/* @value may be cut up now, and may hold anything: it is not shown. */
	snprintf(fr->why, sizeof(fr->why), "%s: %s", shown, why);
	return fr->why;
}

int run_config_text(struct run_config *rc, const char *file, char *text,
		    size_t size)
{
	struct file_reader fr = { .rc = rc };
	struct ini_reader reader = { file_section, file_entry, &fr };
	unsigned int line;
	const char *why;

	why = ini_parse(&reader, text, size, &line);
	if (!why)
		return 0;
	log_err("%s:%u: %s", file, line, why);
	return -EINVAL;
}

/* The whole file with a NUL behind it; NULL after a message. */
static char *read_file(const char *path, size_t *size)
{
	char *text = NULL;
	struct stat st;
	ssize_t n = 0;
	size_t len = 0;
	int fd;

	/* A FIFO without a writer must not hold us up. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0) {
		log_err("%s: cannot open the config file: %s", path,
			strerror(errno));
		return NULL;
	}
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		log_err("%s: the config file must be a regular file", path);
		goto out;
	}
	text = malloc(INI_FILE_MAX + 2);
	if (!text) {
		log_err("out of memory");
		goto out;
	}
	do {
		n = read(fd, text + len, INI_FILE_MAX + 1 - len);
		if (n > 0)
			len += n;
	} while (n > 0 || (n < 0 && errno == EINTR));
	if (n < 0) {
		log_err("%s: cannot read the config file: %s", path,
			strerror(errno));
		free(text);
		text = NULL;
		goto out;
	}
	text[len] = '\0';
	*size = len;
out:
	close(fd);
	return text;
}

/* "/etc/asvm/web.conf" is the guest "web" unless it says otherwise. */
static int name_from_path(struct run_config *rc, const char *path)
{
	const char *base = strrchr(path, '/');
	size_t n;
	char *name;

	base = base ? base + 1 : path;
	n = strlen(base);
	if (n > 5 && !strcmp(base + n - 5, ".conf"))
		n -= 5;
	name = strndup(base, n);
	if (!name) {
		log_err("out of memory");
		return -EINVAL;
	}
	if (value_name(name)) {
		log_err("%s: the file's name cannot be the guest's; add Name= to [Guest]",
			path);
		free(name);
		return -EINVAL;
	}
	rc->guest.name = name;
	return 0;
}

int run_config_file(struct run_config *rc, const char *path)
{
	size_t size;
	char *text;
	int ret;

	text = read_file(path, &size);
	if (!text)
		return -EINVAL;
	ret = run_config_text(rc, path, text, size);
	free(text);
	if (!ret && !rc->guest.name)
		ret = name_from_path(rc, path);
	return ret;
}

int run_config_args(struct run_config *rc, int argc, char **argv)
{
	const char *file = NULL;
	struct option_arg args[128];
	unsigned int n = 0, k;
	int i = 1;

	while (i < argc) {
		if (n == ARRAY_SIZE(args)) {
			log_err("too many options; use a config file");
			return -EINVAL;
		}
		if (option_arg_next(guest_options, argc, argv, &i, &args[n]))
			return -EINVAL;
		if (args[n].def) {
			n++;
			continue;
		}
		if (file) {
			log_err("'%s' is one config file too many; '%s' is the first",
				args[n].value, file);
			return -EINVAL;
		}
		file = args[n].value;
	}
	/* Options change what the file says, wherever they stand. */
	if (file && run_config_file(rc, file))
		return -EINVAL;
	for (k = 0; k < n; k++)
		if (option_arg_set(&args[k], rc))
			return -EINVAL;
	return 0;
}

static int check_disk(const struct asvm_disk *disk, unsigned int i)
{
	if (!disk->path && disk->fd < 0) {
		log_err("disk %u: no file; give File= (or --disk FILE)", i);
		return -EINVAL;
	}
	return 0;
}

static int check_net(const struct asvm_net *net, unsigned int i)
{
	if (!net->tap && !net->nfds) {
		log_err("network %u: no interface; give Tap= (or --net tap=NAME)", i);
		return -EINVAL;
	}
	if (net->nfds && net->queues && net->queues != net->nfds) {
		log_err("network %u: %u queue pairs, but %u descriptors", i,
			net->queues, net->nfds);
		return -EINVAL;
	}
	if (net->nfds < ASVM_NET_PAIRS_MAX && net->vhost_fds[net->nfds] >= 0) {
		log_err("network %u: more descriptors of /dev/asv-net than of the interface",
			i);
		return -EINVAL;
	}
	return 0;
}

static int check_vtd(const struct asvm_vtd *vtd, unsigned int i)
{
	if (!vtd->spec) {
		log_err("[VTD] section %u: no function; give Function=", i);
		return -EINVAL;
	}
	return 0;
}

int run_config_check(struct run_config *rc, bool kernel)
{
	struct asvm_config *g = &rc->guest;
	unsigned int i;

	if (!g->name) {
		log_err("the guest has no name; give --name NAME or a config file");
		return -EINVAL;
	}
	if (kernel && !g->kernel && g->kernel_fd < 0) {
		log_err("no kernel; give --kernel FILE (or Kernel= in [Guest])");
		return -EINVAL;
	}
	if (g->mem & ((2ULL << 20) - 1)) {
		log_err("memory is a multiple of 2M; %llu bytes are not",
			(unsigned long long)g->mem);
		return -EINVAL;
	}
	if (g->hugepages == ASVM_PAGES_1G && g->mem & ((1ULL << 30) - 1)) {
		log_err("memory in pages of 1G is a multiple of 1G");
		return -EINVAL;
	}
	if (rc->npin && rc->npin != g->cpus) {
		log_err("the guest has %u CPUs, but %u to pin them to; give one for each",
			g->cpus, rc->npin);
		return -EINVAL;
	}
	for (i = 0; i < g->ndisks; i++)
		if (check_disk(&g->disks[i], i))
			return -EINVAL;
	for (i = 0; i < g->nnets; i++)
		if (check_net(&g->nets[i], i))
			return -EINVAL;
	for (i = 0; i < g->nvtds; i++)
		if (check_vtd(&g->vtds[i], i))
			return -EINVAL;
	return 0;
}
