// SPDX-License-Identifier: GPL-2.0-only
/* /dev/asv-vtd. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include "array.h"
#include "log.h"
#include "lease.h"

#define NODE		"/dev/asv-vtd"
#define TRIES		10
#define TRY_MS		200

int vtd_open(void)
{
	int fd = open(NODE, O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	if (errno == ENOENT || errno == ENODEV || errno == ENXIO)
		log_err(NODE " is not there: modprobe asv_vtd");
	else
		log_err(NODE ": %s", strerror(errno));
	return -1;
}

int vtd_lease(int node, struct asv_vtd_lease_arg *arg)
{
	const struct timespec pause = { .tv_nsec = TRY_MS * 1000000L };
	struct asv_vtd_lease_arg asked = *arg;
	int i, ret;

	for (i = 0; ; i++) {
		*arg = asked;
		ret = ioctl(node, ASV_VTD_LEASE, arg);
		if (ret >= 0)
			return ret;
		ret = -errno;
		arg->text[sizeof(arg->text) - 1] = '\0';
		if ((ret != -EUSERS && ret != -EAGAIN) || arg->flags & ASV_VTD_LEASE_CHECK ||
		    i == TRIES)
			return ret;
		nanosleep(&pause, NULL);
	}
}

const char *vtd_reason(unsigned int reason)
{
	static const char *const names[] = {
		[ASV_VTD_OK] = "none",
		[ASV_VTD_NO_FUNCTION] = "no-function",
		[ASV_VTD_BRIDGE] = "bridge",
		[ASV_VTD_NO_IOMMU] = "no-iommu",
		[ASV_VTD_NO_INTR_REMAP] = "no-interrupt-remapping",
		[ASV_VTD_GROUP] = "group",
		[ASV_VTD_RMRR] = "rmrr",
		[ASV_VTD_NO_RESET] = "no-reset",
		[ASV_VTD_HAS_VFS] = "has-vfs",
		[ASV_VTD_USER_DRIVER] = "user-driver",
		[ASV_VTD_LEASED] = "leased",
		[ASV_VTD_RETURNING] = "returning",
		[ASV_VTD_DISK_CLAIMED] = "disk-claimed",
		[ASV_VTD_DISK_OPEN] = "disk-open",
		[ASV_VTD_DISK_PATH] = "disk-path",
		[ASV_VTD_NET_UP] = "net-up",
		[ASV_VTD_RESET_FAILED] = "reset-failed",
		[ASV_VTD_BIND_FAILED] = "bind-failed",
	};

	return reason < ARRAY_SIZE(names) ? names[reason] : "unknown";
}
