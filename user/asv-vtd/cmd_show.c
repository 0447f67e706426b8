// SPDX-License-Identifier: GPL-2.0-only
/* asv-vtd show: one function, what is in its group, and whether it can be leased. */
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "vtd.h"

#define MEMBERS_MAX	64

/* struct members - the functions of a group, bridges included */
struct members {
	struct function list[MEMBERS_MAX];
	unsigned int count;
};

static void read_members(struct members *m, const struct function *f)
{
	char path[VTD_PATH_LEN];
	struct dirent *entry;
	DIR *dir;

	m->count = 0;
	snprintf(path, sizeof(path), "/sys/kernel/iommu_groups/%ld/devices", f->group);
	dir = f->group < 0 ? NULL : opendir(path);
	if (!dir)
		return;
	while ((entry = readdir(dir)) && m->count < MEMBERS_MAX)
		if (entry->d_name[0] != '.' && !function_read(&m->list[m->count], entry->d_name))
			m->count++;
	closedir(dir);
}

/* struct verdict - what the module says */
struct verdict {
	bool known;
	struct asv_vtd_lease_arg arg;
};

static void ask(struct verdict *v, const struct function *f)
{
	int node = vtd_open();

	memset(v, 0, sizeof(*v));
	if (node < 0 || function_spec(f->address, &v->arg))
		return;
	v->arg.flags = ASV_VTD_LEASE_CHECK;
	vtd_lease(node, &v->arg);
	v->known = true;
	close(node);
}

static void show_text(const struct function *f, const struct members *m, const struct verdict *v)
{
	unsigned int i;

	printf("function   %s (%04x:%04x, %s)\n", f->address, f->vendor, f->device,
	       function_label(f));
	printf("driver     %s\n", f->driver[0] ? f->driver : "none");
	if (f->node >= 0)
		printf("NUMA node  %ld\n", f->node);
	printf("reset by   %s\n", f->reset[0] ? f->reset : "nothing");
	if (f->pf[0])
		printf("VF of      %s\n", f->pf);
	if (f->vfs_max)
		printf("VFs        %ld of %ld\n", f->vfs, f->vfs_max);
	if (f->group < 0)
		printf("group      none: no IOMMU translates its DMA\n");
	for (i = 0; i < m->count; i++)
		if (!i)
			printf("group      %ld: %s (%s)\n", f->group, m->list[i].address,
			       m->list[i].driver[0] ? m->list[i].driver : "no driver");
		else
			printf("           %*s%s (%s)\n", f->group < 10 ? 3 : 4, "",
			       m->list[i].address,
			       m->list[i].driver[0] ? m->list[i].driver : "no driver");
	if (f->boot_vga)
		printf("note       the firmware's console is on it\n");
	if (v->known)
		printf("verdict    %s\n", v->arg.reason ? v->arg.text : "it can be leased");
}

static void show_json(const struct function *f, const struct members *m, const struct verdict *v)
{
	struct json_out out;
	unsigned int i;
	char id[16];

	json_out_file(&out, stdout);
	json_open(&out, NULL, '{');
	json_str(&out, "address", f->address);
	snprintf(id, sizeof(id), "%04x:%04x", f->vendor & 0xffff, f->device & 0xffff);
	json_str(&out, "id", id);
	json_str(&out, "what", function_label(f));
	json_str(&out, "driver", f->driver);
	json_str(&out, "reset", f->reset);
	json_s64(&out, "node", f->node);
	json_s64(&out, "group", f->group);
	json_open(&out, "members", '[');
	for (i = 0; i < m->count; i++)
		json_str(&out, NULL, m->list[i].address);
	json_close(&out, ']');
	json_u64(&out, "vfs", f->vfs);
	json_u64(&out, "vfs_max", f->vfs_max);
	json_bool(&out, "boot_vga", f->boot_vga);
	if (f->pf[0])
		json_str(&out, "pf", f->pf);
	if (v->known) {
		json_bool(&out, "leasable", !v->arg.reason);
		json_str(&out, "reason", vtd_reason(v->arg.reason));
		json_str(&out, "text", v->arg.text);
	}
	json_close(&out, '}');
	putchar('\n');
}

int cmd_show(int argc, char **argv)
{
	bool json = argc == 3 && !strcmp(argv[1], "--json");
	char address[VTD_ADDRESS_LEN];
	struct verdict verdict;
	struct members members;
	struct function f;

	if (argc != 2 + json || argv[1 + json][0] == '-')
		return VTD_USAGE;
	if (!function_address(argv[1 + json], address)) {
		log_err("%s is no address: 0000:00:04.0", argv[1 + json]);
		return VTD_USAGE;
	}
	if (function_read(&f, address)) {
		log_err("there is no PCI function %s", address);
		return VTD_FAILED;
	}
	read_members(&members, &f);
	ask(&verdict, &f);
	if (json)
		show_json(&f, &members, &verdict);
	else
		show_text(&f, &members, &verdict);
	return VTD_OK;
}
