// SPDX-License-Identifier: GPL-2.0-only
/* asv-vtd vf: make and remove the virtual functions of a PF. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "values.h"
#include "vtd.h"

static int sys_write(const char *address, const char *name, unsigned int value)
{
	char path[VTD_PATH_LEN], text[16];
	int fd, n, ret = 0;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", address, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		goto err;
	n = snprintf(text, sizeof(text), "%u", value);
	if (write(fd, text, n) != n)
		ret = -1;
	close(fd);
	if (!ret)
		return 0;
err:
	log_err("%s: %s", path, strerror(errno));
	return -1;
}

/* Removing a VF takes it from its driver, or waits for the guest that vfio-pci serves. */
static bool driven_vf(const char *pf)
{
	struct function *list;
	ssize_t n = function_list(&list), i;
	bool found = false;

	for (i = 0; i < n && !found; i++) {
		found = !strcmp(list[i].pf, pf) && list[i].driver[0];
		if (found)
			log_err("%s is bound to %s: its VFs stay until you have unbound it",
				list[i].address, list[i].driver);
	}
	if (n >= 0)
		free(list);
	return found || n < 0;
}

/* Removing a VF waits for who has it: not while one is leased. */
static bool leased_vf(const char *pf)
{
	struct vtd_netlink *nl = netlink_open(false, true);
	struct lease *list = NULL;
	struct function f;
	bool found = false;
	ssize_t n = 0, i;

	if (nl)
		n = netlink_leases(nl, &list);
	for (i = 0; i < n && !found; i++) {
		found = !function_read(&f, list[i].address) && !strcmp(f.pf, pf);
		if (found)
			log_err("%s is leased by process %" PRIu32 ": its VFs stay", f.address,
				list[i].pid);
	}
	free(list);
	netlink_close(nl);
	return found || n < 0;
}

/* All at once: a PF's VFs are made and removed together, and no host driver takes them. */
static int change(const struct function *pf, unsigned int count)
{
	bool nvme = pf->class >> 8 == 0x0108, reset = false;

	if (pf->vfs == (long)count)
		return VTD_OK;
	if (pf->vfs && (leased_vf(pf->address) || driven_vf(pf->address)))
		return VTD_REFUSED;
	if (pf->vfs && sys_write(pf->address, "sriov_numvfs", 0))
		return VTD_FAILED;
	if (!count)
		return VTD_OK;
	/* What the PF gives up, it gives up with its next reset; its driver sees to that. */
	if (nvme && (nvme_release(pf->address, &reset) ||
		     (reset && sys_write(pf->address, "reset", 1))))
		return VTD_FAILED;
	if (sys_write(pf->address, "sriov_drivers_autoprobe", 0) ||
	    sys_write(pf->address, "sriov_numvfs", count))
		return VTD_FAILED;
	if (nvme && nvme_share(pf->address, count)) {
		sys_write(pf->address, "sriov_numvfs", 0);
		return VTD_FAILED;
	}
	return VTD_OK;
}

static int show(const char *pf)
{
	struct function *list;
	ssize_t n, i;

	n = function_list(&list);
	for (i = 0; i < n; i++)
		if (!strcmp(list[i].pf, pf))
			printf("%s group %ld, %s\n", list[i].address, list[i].group,
			       list[i].driver[0] ? list[i].driver : "no driver");
	if (n < 0)
		return VTD_FAILED;
	free(list);
	return VTD_OK;
}

int cmd_vf(int argc, char **argv)
{
	char address[VTD_ADDRESS_LEN];
	struct function pf;
	uint64_t count;
	const char *why;
	int ret;

	if (argc < 2 || argc > 3)
		return VTD_USAGE;
	if (!function_address(argv[1], address)) {
		log_err("%s is no address: 0000:00:04.0", argv[1]);
		return VTD_USAGE;
	}
	if (function_read(&pf, address) || !pf.vfs_max) {
		log_err("%s can have no virtual functions", address);
		return VTD_FAILED;
	}
	if (argc == 3) {
		why = value_u64(argv[2], 0, pf.vfs_max, &count);
		if (why) {
			log_err("%s can have 0 to %ld virtual functions: %s", address, pf.vfs_max,
				why);
			return VTD_USAGE;
		}
		ret = change(&pf, count);
		if (ret)
			return ret;
	}
	return show(address);
}
