// SPDX-License-Identifier: GPL-2.0-only
/* asv-vtd list: the functions of this machine and who has them. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "values.h"
#include "vtd.h"

static void head(void)
{
	printf("%-13s %-9s %5s %4s %-10s %-9s %s\n", "FUNCTION", "ID", "GROUP", "NODE",
	       "DRIVER", "STATE", "WHAT");
}

/* "-" for what there is not. */
static const char *number(long value, char text[24])
{
	if (value < 0)
		return "-";
	snprintf(text, 24, "%ld", value);
	return text;
}

static void row(const struct function *f, const struct lease *lease)
{
	char group[24], node[24], comm[VTD_NAME_LEN];

	printf("%-13s %04x:%04x %5s %4s %-10s %-9s %s", f->address, f->vendor, f->device,
	       number(f->group, group), number(f->node, node), f->driver[0] ? f->driver : "-",
	       lease ? lease_state(lease) : "-", function_label(f));
	if (f->pf[0])
		printf(", VF of %s", f->pf);
	if (f->vfs_max)
		printf(", %ld of %ld VFs", f->vfs, f->vfs_max);
	if (lease) {
		value_show(lease->comm, comm, sizeof(comm));
		printf(", leased by %s (%" PRIu32 ")", comm, lease->pid);
		if (lease->open)
			printf(", opened by %" PRIu32, lease->user_pid);
	}
	putchar('\n');
}

static void lease_json(struct json_out *out, const struct lease *lease)
{
	json_open(out, "lease", '{');
	json_str(out, "state", lease_state(lease));
	json_u64(out, "pid", lease->pid);
	json_u64(out, "uid", lease->uid);
	json_str(out, "comm", lease->comm);
	json_bool(out, "open", lease->open);
	if (lease->user_pid)
		json_u64(out, "user_pid", lease->user_pid);
	json_close(out, '}');
}

static void function_json(struct json_out *out, const struct function *f,
			  const struct lease *lease)
{
	char id[16];

	json_open(out, NULL, '{');
	json_str(out, "address", f->address);
	snprintf(id, sizeof(id), "%04x:%04x", f->vendor & 0xffff, f->device & 0xffff);
	json_str(out, "id", id);
	json_str(out, "what", function_label(f));
	json_s64(out, "group", f->group);
	json_s64(out, "node", f->node);
	json_str(out, "driver", f->driver);
	json_str(out, "reset", f->reset);
	json_u64(out, "vfs", f->vfs);
	json_u64(out, "vfs_max", f->vfs_max);
	if (f->pf[0])
		json_str(out, "pf", f->pf);
	if (lease)
		lease_json(out, lease);
	json_close(out, '}');
}

int cmd_list(int argc, char **argv)
{
	struct function *functions = NULL;
	struct vtd_netlink *nl = NULL;
	struct lease *leases = NULL;
	struct json_out out;
	ssize_t n, count = 0, i;
	bool json = argc == 2 && !strcmp(argv[1], "--json");
	int ret = VTD_FAILED;

	if (argc > 1 && !json)
		return VTD_USAGE;
	n = function_list(&functions);
	if (n < 0)
		return VTD_FAILED;
	/* Without the module there are no leases to show. */
	nl = netlink_open(false, true);
	if (nl)
		count = netlink_leases(nl, &leases);
	if (count < 0)
		goto out;
	json_out_file(&out, stdout);
	if (json)
		json_open(&out, NULL, '[');
	else
		head();
	for (i = 0; i < n; i++) {
		const struct lease *lease = lease_find(leases, count, functions[i].address);

		if (json)
			function_json(&out, &functions[i], lease);
		else
			row(&functions[i], lease);
	}
	if (json) {
		json_close(&out, ']');
		putchar('\n');
	}
	ret = VTD_OK;
out:
	free(leases);
	netlink_close(nl);
	free(functions);
	return ret;
}
