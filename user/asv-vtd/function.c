// SPDX-License-Identifier: GPL-2.0-only
/* PCI functions: their names, and what sysfs says of them. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "array.h"
#include "log.h"
#include "vtd.h"

#define DEVICES	"/sys/bus/pci/devices"

int sys_text(char *to, size_t size, const char *fmt, ...)
{
	char path[VTD_PATH_LEN];
	va_list args;
	ssize_t n;
	int fd;

	to[0] = '\0';
	va_start(args, fmt);
	n = vsnprintf(path, sizeof(path), fmt, args);
	va_end(args);
	if (n < 0 || (size_t)n >= sizeof(path))
		return -1;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	n = read(fd, to, size - 1);
	close(fd);
	if (n < 0)
		n = 0;
	to[n] = '\0';
	to[strcspn(to, "\n")] = '\0';
	return n ? 0 : -1;
}

static long sys_number(const char *address, const char *name, int base, long none)
{
	char text[32];

	if (sys_text(text, sizeof(text), DEVICES "/%s/%s", address, name))
		return none;
	return strtol(text, NULL, base);
}

/* The last part of what a link points to, empty if there is no link. */
static void sys_link(const char *address, const char *name, char *to, size_t size)
{
	char path[VTD_PATH_LEN], target[PATH_MAX];
	ssize_t n;

	to[0] = '\0';
	snprintf(path, sizeof(path), DEVICES "/%s/%s", address, name);
	n = readlink(path, target, sizeof(target) - 1);
	if (n <= 0)
		return;
	target[n] = '\0';
	snprintf(to, size, "%.*s", (int)size - 1, basename(target));
}

int function_read(struct function *f, const char *address)
{
	char path[VTD_PATH_LEN], group[16];

	memset(f, 0, sizeof(*f));
	snprintf(f->address, sizeof(f->address), "%s", address);
	snprintf(path, sizeof(path), DEVICES "/%s", address);
	if (access(path, F_OK))
		return -1;
	f->vendor = sys_number(address, "vendor", 16, 0);
	f->device = sys_number(address, "device", 16, 0);
	f->class = sys_number(address, "class", 16, 0);
	f->node = sys_number(address, "numa_node", 10, -1);
	f->vfs = sys_number(address, "sriov_numvfs", 10, 0);
	f->vfs_max = sys_number(address, "sriov_totalvfs", 10, 0);
	f->boot_vga = sys_number(address, "boot_vga", 10, 0);
	sys_text(f->reset, sizeof(f->reset), DEVICES "/%s/reset_method", address);
	sys_link(address, "driver", f->driver, sizeof(f->driver));
	sys_link(address, "physfn", f->pf, sizeof(f->pf));
	sys_link(address, "iommu_group", group, sizeof(group));
	f->group = group[0] ? strtol(group, NULL, 10) : -1;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct function *)a)->address,
		      ((const struct function *)b)->address);
}

ssize_t function_list(struct function **list)
{
	size_t count = 0, room = 0;
	struct dirent *entry;
	DIR *dir;

	*list = NULL;
	dir = opendir(DEVICES);
	if (!dir) {
		log_err(DEVICES ": %s", strerror(errno));
		return -1;
	}
	while ((entry = readdir(dir))) {
		struct function *more;

		if (count == room) {
			room = room ? room * 2 : 64;
			more = reallocarray(*list, room, sizeof(**list));
			if (!more) {
				log_err("out of memory");
				free(*list);
				closedir(dir);
				return -1;
			}
			*list = more;
		}
		if (entry->d_name[0] != '.' && !function_read(&(*list)[count], entry->d_name) &&
		    !FUNCTION_IS_BRIDGE(&(*list)[count]))
			count++;
	}
	closedir(dir);
	qsort(*list, count, sizeof(**list), by_name);
	return count;
}

const char *function_label(const struct function *f)
{
	static const struct {
		unsigned int class;
		const char *label;
	} labels[] = {
		{ 0x0106, "SATA controller" }, { 0x0107, "SAS controller" },
		{ 0x0108, "NVMe controller" }, { 0x0100, "SCSI controller" },
		{ 0x0200, "network" }, { 0x0207, "InfiniBand" }, { 0x0300, "VGA" },
		{ 0x0302, "3D controller" }, { 0x0403, "audio" }, { 0x0c03, "USB controller" },
		{ 0x0c05, "SMBus" }, { 0x0b40, "coprocessor" }, { 0x1200, "accelerator" },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(labels); i++)
		if (f->class >> 8 == labels[i].class)
			return labels[i].label;
	return "device";
}

bool function_has_console(const struct asv_vtd_lease_arg *arg)
{
	char address[VTD_ADDRESS_LEN];
	struct function *list, f;
	ssize_t n, i;
	bool found = false;

	function_of_arg(arg, address);
	if (!arg->flags)
		return !function_read(&f, address) && f.boot_vga;
	if (!(arg->flags & ASV_VTD_LEASE_ID))
		return false;
	n = function_list(&list);
	for (i = 0; i < n; i++)
		found |= list[i].boot_vga && list[i].vendor == arg->vendor &&
			 list[i].device == arg->device;
	if (n >= 0)
		free(list);
	return found || n < 0;
}
