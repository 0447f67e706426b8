// SPDX-License-Identifier: GPL-2.0-only
/*
 * Virtualization Management of NVMe (base specification 2.0, 5.26 and 8.26): the virtual
 * functions of a controller come ready only when they have queues and interrupts.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/nvme_ioctl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "log.h"
#include "vtd.h"

#define OP_IDENTIFY		0x06
#define OP_VIRT_MGMT		0x1c
#define CNS_PRIMARY_CAPS	0x14
#define CNS_SECONDARY_LIST	0x15
#define PAGE			4096

#define ACT_PRIMARY		1
#define ACT_OFFLINE		7
#define ACT_ASSIGN		8
#define ACT_ONLINE		9
#define RESOURCE_QUEUES		0
#define RESOURCE_INTERRUPTS	1

/* A queue for administration and one for I/O; an interrupt. */
#define QUEUES_MIN		2
#define INTERRUPTS_MIN		1

/*
 * Primary Controller Capabilities, for queues and for interrupts: flexible ones in all,
 * those that the primary controller itself has, at most and in steps of what for one VF.
 */
#define CAPS_QUEUES		32
#define CAPS_INTERRUPTS		64
#define CAPS_PRIMARY		8
#define CAPS_EACH		12
#define CAPS_STEP		14

/* Entries of the Secondary Controller List, from 32 on, 32 bytes each. */
#define LIST_MAX		127
#define ENTRY_SIZE		32
#define ENTRY_VF		8

static unsigned int le16(const uint8_t *p)
{
	return p[0] | p[1] << 8;
}

static int admin(int fd, struct nvme_admin_cmd *cmd, const char *what)
{
	int ret = ioctl(fd, NVME_IOCTL_ADMIN_CMD, cmd);

	if (ret < 0)
		log_err("%s: %s", what, strerror(errno));
	else if (ret)
		log_err("%s: the controller answers with status %#x", what, ret);
	return ret ? -1 : 0;
}

static int identify(int fd, unsigned int cns, uint8_t data[PAGE])
{
	struct nvme_admin_cmd cmd = {
		.opcode = OP_IDENTIFY,
		.addr = (uintptr_t)data,
		.data_len = PAGE,
		.cdw10 = cns,
	};

	return admin(fd, &cmd, "Identify");
}

static int manage(int fd, unsigned int controller, unsigned int action, unsigned int resource,
		  unsigned int count)
{
	struct nvme_admin_cmd cmd = {
		.opcode = OP_VIRT_MGMT,
		.cdw10 = controller << 16 | resource << 8 | action,
		.cdw11 = count,
	};

	return admin(fd, &cmd, "Virtualization Management");
}

/* The controller's own node: /dev/nvme0 */
static int open_controller(const char *address)
{
	char path[VTD_PATH_LEN];
	struct dirent *entry;
	int fd = -1;
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/nvme", address);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		if (strncmp(entry->d_name, "nvme", 4))
			continue;
		snprintf(path, sizeof(path), "/dev/%.32s", entry->d_name);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			log_err("%s: %s", path, strerror(errno));
		break;
	}
	if (dir)
		closedir(dir);
	else
		log_err("%s has no NVMe driver, which its virtual functions need", address);
	return fd;
}

/* One VF's share of all flexible resources; 0 after a message if it is too little. */
static unsigned int share(const uint8_t *caps, unsigned int count, unsigned int min,
			  const char *what)
{
	unsigned int n = le16(caps) / count;

	if (le16(caps + CAPS_EACH) && n > le16(caps + CAPS_EACH))
		n = le16(caps + CAPS_EACH);
	if (le16(caps + CAPS_STEP) > 1)
		n -= n % le16(caps + CAPS_STEP);
	if (n >= min)
		return n;
	log_err("%u of the controller's %s for each of %u virtual functions are too few", n, what,
		count);
	return 0;
}

int nvme_release(const char *address, bool *reset)
{
	int fd = open_controller(address), ret = -1;
	uint8_t caps[PAGE];

	if (fd < 0)
		return -1;
	if (identify(fd, CNS_PRIMARY_CAPS, caps))
		goto out;
	*reset = le16(caps + CAPS_QUEUES + CAPS_PRIMARY) ||
		 le16(caps + CAPS_INTERRUPTS + CAPS_PRIMARY);
	if (*reset && (manage(fd, le16(caps), ACT_PRIMARY, RESOURCE_QUEUES, 0) ||
		       manage(fd, le16(caps), ACT_PRIMARY, RESOURCE_INTERRUPTS, 0)))
		goto out;
	ret = 0;
out:
	close(fd);
	return ret;
}

int nvme_share(const char *address, unsigned int count)
{
	uint8_t caps[PAGE], list[PAGE];
	unsigned int queues, interrupts, i, n;
	int fd = open_controller(address), ret = -1;

	if (fd < 0)
		return -1;
	if (identify(fd, CNS_PRIMARY_CAPS, caps) || identify(fd, CNS_SECONDARY_LIST, list))
		goto out;
	queues = share(caps + CAPS_QUEUES, count, QUEUES_MIN, "queues");
	interrupts = share(caps + CAPS_INTERRUPTS, count, INTERRUPTS_MIN, "interrupts");
	if (!queues || !interrupts)
		goto out;
	n = list[0] < LIST_MAX ? list[0] : LIST_MAX;
	for (i = 0; i < n; i++) {
		const uint8_t *entry = list + ENTRY_SIZE + i * ENTRY_SIZE;
		unsigned int controller = le16(entry), vf = le16(entry + ENTRY_VF);

		if (!vf || vf > count)
			continue;
		if (manage(fd, controller, ACT_OFFLINE, 0, 0) ||
		    manage(fd, controller, ACT_ASSIGN, RESOURCE_QUEUES, queues) ||
		    manage(fd, controller, ACT_ASSIGN, RESOURCE_INTERRUPTS, interrupts) ||
		    manage(fd, controller, ACT_ONLINE, 0, 0))
			goto out;
	}
	ret = 0;
out:
	close(fd);
	return ret;
}
