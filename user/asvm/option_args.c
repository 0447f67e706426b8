// SPDX-License-Identifier: GPL-2.0-only
/* Options on the command line: --name, --name=value, and lists of keys in a value. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "log.h"
#include "options.h"
#include "values.h"

/* The value of a switch; setters may change values, so it is not constant. */
static char *option_yes = (char []){ "yes" };

int option_arg_next(const struct option_def *table, int argc, char **argv,
		    int *i, struct option_arg *arg)
{
	char *text = argv[(*i)++];

	*arg = (struct option_arg){ .value = text };
	if (text[0] != '-')
		return 0;
	if (strncmp(text, "--", 2) || !text[2]) {
		log_err("unknown option '%s'; options are written --name, see --help",
			text);
		return -EINVAL;
	}
	arg->value = value_split(text);
	arg->def = option_by_cli(table, text + 2);
	if (!arg->def) {
		log_err("unknown option '%s'; see --help", text);
		return -EINVAL;
	}
	if (!arg->def->arg) {
		if (arg->value) {
			log_err("%s takes no value", text);
			return -EINVAL;
		}
		arg->value = option_yes;
	}
	if (!arg->value) {
		if (*i == argc) {
			log_err("%s needs a value; see --help", text);
			return -EINVAL;
		}
		arg->value = argv[(*i)++];
	}
	return 0;
}

int option_arg_set(const struct option_arg *arg, void *object)
{
	const char *why = option_set(arg->def, object, arg->value);

	if (!why)
		return 0;
	log_err("--%s: %s", arg->def->cli, why);
	return -EINVAL;
}

struct asvm_disk *run_config_add_disk(struct run_config *rc)
{
	if (rc->guest.ndisks == ASVM_DISKS_MAX)
		return NULL;
	return &rc->guest.disks[rc->guest.ndisks++];
}

struct asvm_net *run_config_add_net(struct run_config *rc)
{
	if (rc->guest.nnets == ASVM_NETS_MAX)
		return NULL;
	return &rc->guest.nets[rc->guest.nnets++];
}

struct asvm_vtd *run_config_add_vtd(struct run_config *rc)
{
	if (rc->guest.nvtds == ASVM_VTDS_MAX)
		return NULL;
	return &rc->guest.vtds[rc->guest.nvtds++];
}

/*
 * One key of "FILE,key=value,key=value"; the first may be a value alone, that of
 * @lead. The returned text is used before the next call.
 */
static const char *set_key(const struct option_def *table, void *object,
			   char *item, const char *lead)
{
	static char text[160];
	char shown[32];
	const struct option_def *def;
	char *value = value_split(item);
	const char *why;

	def = option_by_cli(table, item);
	if (!value && !def && lead) {
		def = option_by_cli(table, lead);
		value = item;
	}
	value_show(item, shown, sizeof(shown));
	if (!def) {
		snprintf(text, sizeof(text), "unknown key '%s'; see --help", shown);
		return text;
	}
	/* "readonly" alone is "readonly=yes" */
	if (!value && def->kind == OPTION_BOOL)
		value = option_yes;
	if (!value) {
		snprintf(text, sizeof(text), "write %s=%s", def->cli, def->arg);
		return text;
	}
	why = option_set(def, object, value);
	if (!why)
		return NULL;
	snprintf(text, sizeof(text), "%s: %s", def->cli, why);
	return text;
}

static const char *set_keys(const struct option_def *table, void *object,
			    char *value, const char *lead)
{
	const char *why = NULL;
	char *item;

	while (!why && (item = strsep(&value, ","))) {
		if (!*item)
			return "there is nothing between two commas, or no value at all";
		why = set_key(table, object, item, lead);
		lead = NULL;
	}
	return why;
}

const char *option_disk(void *object, char *value)
{
	struct asvm_disk *disk = run_config_add_disk(object);

	if (!disk)
		return "too many disks; a guest has at most 16";
	return set_keys(disk_options, disk, value, "file");
}

const char *option_net(void *object, char *value)
{
	struct asvm_net *net = run_config_add_net(object);

	if (!net)
		return "too many networks; a guest has at most 8";
	return set_keys(net_options, net, value, "tap");
}

/* A function is named by all of the value: its commas are not between keys. */
const char *option_vtd(void *object, char *value)
{
	struct asvm_vtd *vtd = run_config_add_vtd(object);

	if (!vtd)
		return "too many functions; a guest has at most 8";
	return option_set(vtd_options, vtd, value);
}
