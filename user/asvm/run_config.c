// SPDX-License-Identifier: GPL-2.0-only
/* What `asvm run` is told: a config file, options, descriptors. */
#include "run_config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ini.h"
#include "log.h"
#include "values.h"

#define LISTEN_FDS_FIRST 3
#define LISTEN_FDS_MAX 128

void run_config_init(struct run_config *rc)
{
	memset(rc, 0, sizeof(*rc));
	config_init(&rc->guest);
	rc->guest.name = NULL;
	rc->sandbox = true;
	rc->limits = true;
	rc->control_mode = 0600;
}

static struct asvm_disk *add_disk(struct run_config *rc)
{
	if (rc->guest.ndisks == ASVM_DISKS_MAX)
		return NULL;
	return &rc->guest.disks[rc->guest.ndisks++];
}

static struct asvm_net *add_net(struct run_config *rc)
{
	if (rc->guest.nnets == ASVM_NETS_MAX)
		return NULL;
	return &rc->guest.nets[rc->guest.nnets++];
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
		fr->object = add_disk(fr->rc);
		if (!fr->object)
			return "too many disks; a guest has at most 16";
	} else if (!strcmp(name, "Network")) {
		fr->table = net_options;
		fr->object = add_net(fr->rc);
		if (!fr->object)
			return "too many networks; a guest has at most 8";
	} else {
		char shown[64];

		value_show(name, shown, sizeof(shown));
		snprintf(fr->why, sizeof(fr->why),
			 "unknown section [%s]; there are [Guest], [Disk] and [Network]",
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

/* "FILE,key=value,key=value" of --disk and --net */
static int device_option(const char *option, const struct option_def *table,
			 void *object, const char *first, char *text)
{
	char *save, *item;
	bool lead = true;

	for (item = strtok_r(text, ",", &save); item;
	     item = strtok_r(NULL, ",", &save)) {
		const struct option_def *def;
		char *value = value_split(item);
		const char *why;

		if (!value && lead && first) {
			def = option_by_cli(table, first);
			value = item;
		} else {
			def = option_by_cli(table, item);
		}
		lead = false;
		if (!def) {
			log_err("--%s: unknown key '%s'; see asvm-run(1)", option,
				item);
			return -EINVAL;
		}
		/* "readonly" alone is "readonly=yes" */
		if (!value && def->kind == OPTION_BOOL)
			value = (char []){ "yes" };
		if (!value) {
			log_err("--%s: write %s=%s", option, def->cli, def->arg);
			return -EINVAL;
		}
		why = option_set(def, object, value);
		if (why) {
			log_err("--%s: %s: %s", option, def->cli, why);
			return -EINVAL;
		}
	}
	if (lead) {
		log_err("--%s: the value is empty; see asvm-run(1)", option);
		return -EINVAL;
	}
	return 0;
}

static int disk_option(struct run_config *rc, char *value)
{
	struct asvm_disk *disk = add_disk(rc);

	if (!disk) {
		log_err("--disk: a guest has at most %d disks", ASVM_DISKS_MAX);
		return -EINVAL;
	}
	return device_option("disk", disk_options, disk, "file", value);
}

static int net_option(struct run_config *rc, char *value)
{
	struct asvm_net *net = add_net(rc);

	if (!net) {
		log_err("--net: a guest has at most %d networks", ASVM_NETS_MAX);
		return -EINVAL;
	}
	return device_option("net", net_options, net, "tap", value);
}

static int one_option(struct run_config *rc, const char *name, char *value)
{
	const struct option_def *def;
	const char *why;

	if (!strcmp(name, "disk"))
		return disk_option(rc, value);
	if (!strcmp(name, "net"))
		return net_option(rc, value);
	def = option_by_cli(guest_options, name);
	why = option_set(def, rc, value);
	if (!why)
		return 0;
	log_err("--%s: %s", name, why);
	return -EINVAL;
}

/* Does the option "--name" take a value? -1: there is no such option. */
static int takes_value(const char *name)
{
	const struct option_def *def;

	if (!strcmp(name, "disk") || !strcmp(name, "net"))
		return 1;
	def = option_by_cli(guest_options, name);
	if (!def)
		return -1;
	return !!def->arg;
}

struct arg {
	const char *name;	/* NULL: no option */
	char *value;
};

/* One argument, and the next if it is the value. Cuts "--name=value" where it stands. */
static int take_arg(int argc, char **argv, int *i, struct arg *arg)
{
	static char on[] = "yes";
	char *text = argv[(*i)++];
	int takes;

	if (text[0] != '-') {
		*arg = (struct arg){ NULL, text };
		return 0;
	}
	if (strncmp(text, "--", 2) || !text[2]) {
		log_err("unknown option '%s'; options are written --name, see asvm-run(1)",
			text);
		return -EINVAL;
	}
	arg->name = text + 2;
	arg->value = value_split(text);
	takes = takes_value(arg->name);
	if (takes < 0) {
		log_err("unknown option '--%s'; see asvm-run(1)", arg->name);
		return -EINVAL;
	}
	if (!takes && arg->value) {
		log_err("--%s takes no value", arg->name);
		return -EINVAL;
	}
	if (takes && !arg->value) {
		if (*i == argc) {
			log_err("--%s needs a value; see asvm-run(1)", arg->name);
			return -EINVAL;
		}
		arg->value = argv[(*i)++];
	}
	if (!takes)
		arg->value = on;
	return 0;
}

int run_config_args(struct run_config *rc, int argc, char **argv)
{
	const char *file = NULL;
	struct arg args[128];
	unsigned int n = 0, k;
	int i = 1;

	while (i < argc) {
		if (n == sizeof(args) / sizeof(args[0])) {
			log_err("too many options; use a config file");
			return -EINVAL;
		}
		if (take_arg(argc, argv, &i, &args[n]))
			return -EINVAL;
		if (args[n].name) {
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
		if (one_option(rc, args[k].name, args[k].value))
			return -EINVAL;
	return 0;
}

/* "disk3", "disk3-vhost": the number, or -1 */
static int fd_index(const char *name, const char *kind, const char *suffix,
		    unsigned int count)
{
	size_t n = strlen(kind);
	unsigned int index = 0;
	const char *p;

	if (strncmp(name, kind, n))
		return -1;
	for (p = name + n; *p >= '0' && *p <= '9' && p - name - n < 3; p++)
		index = index * 10 + (*p - '0');
	if (p == name + n || strcmp(p, suffix) || index >= count)
		return -1;
	return index;
}

/* Where the descriptor @name goes; NULL when the guest has no use for it. */
static int *fd_slot(struct run_config *rc, const char *name)
{
	struct asvm_config *g = &rc->guest;
	int *fds, i;

	if (!strcmp(name, "kvm"))
		return &g->kvm_fd;
	if (!strcmp(name, "kernel"))
		return &g->kernel_fd;
	if (!strcmp(name, "initrd"))
		return &g->initrd_fd;
	if (!strcmp(name, "vsock"))
		return &g->vsock_fd;
	i = fd_index(name, "disk", "", g->ndisks);
	if (i >= 0)
		return &g->disks[i].fd;
	i = fd_index(name, "disk", "-vhost", g->ndisks);
	if (i >= 0)
		return &g->disks[i].vhost_fd;
	i = fd_index(name, "net", "", g->nnets);
	if (i >= 0) {
		if (g->nets[i].nfds == ASVM_NET_PAIRS_MAX)
			return NULL;
		return &g->nets[i].fds[g->nets[i].nfds++];
	}
	i = fd_index(name, "net", "-vhost", g->nnets);
	if (i >= 0) {
		for (fds = g->nets[i].vhost_fds;
		     fds < g->nets[i].vhost_fds + ASVM_NET_PAIRS_MAX; fds++)
			if (*fds < 0)
				return fds;
	}
	return NULL;
}

/* How many descriptors the service manager hands to this process; -1 after a message. */
static int listen_fds(void)
{
	const char *pid = getenv("LISTEN_PID");
	const char *count = getenv("LISTEN_FDS");
	uint64_t v;

	if (!pid || !count)
		return 0;
	if (value_u64(pid, 1, INT32_MAX, &v) || (pid_t)v != getpid())
		return 0;
	if (value_u64(count, 0, LISTEN_FDS_MAX, &v)) {
		log_err("LISTEN_FDS: expected a number, %d at most", LISTEN_FDS_MAX);
		return -1;
	}
	return v;
}

static int take_listen_fds(struct run_config *rc, int count, char *names)
{
	int i;

	for (i = 0; i < count; i++) {
		char *name = strsep(&names, ":");
		const char *why;
		int *slot;

		if (!name) {
			log_err("LISTEN_FDNAMES has fewer names than LISTEN_FDS says");
			return -EINVAL;
		}
		slot = fd_slot(rc, name);
		if (!slot || *slot >= 0) {
			log_err("LISTEN_FDNAMES: nothing takes a descriptor named '%s'; see asvm-run(1)",
				name);
			return -EINVAL;
		}
		why = option_fd(LISTEN_FDS_FIRST + i, slot);
		if (why) {
			log_err("LISTEN_FDNAMES: %s: %s", name, why);
			return -EINVAL;
		}
	}
	return 0;
}

int run_config_listen_fds(struct run_config *rc)
{
	int count = listen_fds();
	const char *env;
	char *names;
	int ret;

	if (count <= 0)
		return count;
	env = getenv("LISTEN_FDNAMES");
	if (!env) {
		log_err("LISTEN_FDS without LISTEN_FDNAMES: name the descriptors, see asvm-run(1)");
		return -EINVAL;
	}
	names = strdup(env);
	if (!names) {
		log_err("out of memory");
		return -EINVAL;
	}
	ret = take_listen_fds(rc, count, names);
	free(names);
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	return ret;
}

static int by_number(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

void run_config_close_others(const struct run_config *rc)
{
	int keep[4 + 2 * ASVM_DISKS_MAX + 2 * ASVM_NETS_MAX * ASVM_NET_PAIRS_MAX];
	const struct asvm_config *g = &rc->guest;
	unsigned int first = STDERR_FILENO + 1;
	unsigned int n = 0, i, k;

	keep[n++] = g->kvm_fd;
	keep[n++] = g->kernel_fd;
	keep[n++] = g->initrd_fd;
	keep[n++] = g->vsock_fd;
	for (i = 0; i < ASVM_DISKS_MAX; i++) {
		keep[n++] = g->disks[i].fd;
		keep[n++] = g->disks[i].vhost_fd;
	}
	for (i = 0; i < ASVM_NETS_MAX; i++)
		for (k = 0; k < ASVM_NET_PAIRS_MAX; k++) {
			keep[n++] = g->nets[i].fds[k];
			keep[n++] = g->nets[i].vhost_fds[k];
		}
	qsort(keep, n, sizeof(keep[0]), by_number);
	for (i = 0; i < n; i++) {
		if (keep[i] < (int)first)
			continue;
		if (keep[i] > (int)first)
			close_range(first, keep[i] - 1, 0);
		first = keep[i] + 1;
	}
	close_range(first, ~0U, 0);
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

int run_config_check(struct run_config *rc)
{
	struct asvm_config *g = &rc->guest;
	unsigned int i;

	if (!g->name) {
		log_err("the guest has no name; give --name NAME or a config file");
		return -EINVAL;
	}
	if (!g->kernel && g->kernel_fd < 0) {
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
	return 0;
}
