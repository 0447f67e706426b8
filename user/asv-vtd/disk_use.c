// SPDX-License-Identifier: GPL-2.0-only
/* What the host does with the disks of a function, in words. */
#include <dirent.h>
#include <limits.h>
#include <mntent.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "values.h"
#include "vtd.h"

#define BLOCK	"/sys/class/block"

static void show_mounts(const char *disk)
{
	FILE *mounts = setmntent("/proc/self/mounts", "r");
	char shown[VTD_PATH_LEN];
	struct mntent *m;

	while (mounts && (m = getmntent(mounts))) {
		if (strncmp(m->mnt_fsname, "/dev/", 5) || strcmp(m->mnt_fsname + 5, disk))
			continue;
		value_show(m->mnt_dir, shown, sizeof(shown));
		log_info("%s is mounted on %s: umount %s", disk, shown, shown);
	}
	if (mounts)
		endmntent(mounts);
}

static void show_swap(const char *disk)
{
	char line[PATH_MAX + 64];
	FILE *swaps = fopen("/proc/swaps", "re");

	while (swaps && fgets(line, sizeof(line), swaps)) {
		line[strcspn(line, " \t")] = '\0';
		if (!strncmp(line, "/dev/", 5) && !strcmp(line + 5, disk))
			log_info("%s has swap: swapoff %s", disk, line);
	}
	if (swaps)
		fclose(swaps);
}

static void show_holders(const char *disk)
{
	char path[VTD_PATH_LEN], name[VTD_NAME_LEN];
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), BLOCK "/%.64s/holders", disk);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		if (sys_text(name, sizeof(name), BLOCK "/%.64s/dm/name", entry->d_name))
			snprintf(name, sizeof(name), "%.63s", entry->d_name);
		log_info("%s is part of %s", disk, name);
	}
	if (dir)
		closedir(dir);
}

void disk_use_show(const char *address)
{
	char path[PATH_MAX], target[PATH_MAX], part[VTD_ADDRESS_LEN + 2];
	struct dirent *entry;
	DIR *dir = opendir(BLOCK);

	snprintf(part, sizeof(part), "/%s/", address);
	while (dir && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), BLOCK "/%s", entry->d_name);
		if (entry->d_name[0] == '.' || !realpath(path, target) || !strstr(target, part))
			continue;
		show_mounts(entry->d_name);
		show_swap(entry->d_name);
		show_holders(entry->d_name);
	}
	if (dir)
		closedir(dir);
}
