// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfio_user GROUP ADDRESS [mapping]: open a function as a launcher does, by group and type1
 * container, say "open" and wait to be killed. With `mapping` every descriptor is closed
 * and only BAR 0 stays mapped. Exit code 1 with the errno's name if it cannot.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

static int checked(const char *what, int ret)
{
	if (ret >= 0)
		return ret;
	printf("%s: %s\n", what, strerrorname_np(errno));
	exit(1);
}

/* One word of the first BAR that is memory; it must be what it is when read again. */
static void map_bar(int device)
{
	struct vfio_region_info info = {
		.argsz = sizeof(info),
		.index = VFIO_PCI_BAR0_REGION_INDEX,
	};
	volatile unsigned int *bar;

	checked("region", ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &info));
	bar = mmap(NULL, info.size, PROT_READ | PROT_WRITE, MAP_SHARED, device, info.offset);
	if (bar == MAP_FAILED)
		checked("mmap", -1);
	if (*bar != *bar)
		exit(1);
}

int main(int argc, char **argv)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	int container, group, device;
	char path[64];

	if (argc < 3)
		return 2;
	container = checked("/dev/vfio/vfio", open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC));
	snprintf(path, sizeof(path), "/dev/vfio/%s", argv[1]);
	group = checked(path, open(path, O_RDWR | O_CLOEXEC));
	checked("status", ioctl(group, VFIO_GROUP_GET_STATUS, &status));
	if (!(status.flags & VFIO_GROUP_FLAGS_VIABLE)) {
		puts("not viable");
		return 1;
	}
	checked("container", ioctl(group, VFIO_GROUP_SET_CONTAINER, &container));
	checked("iommu", ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU));
	device = checked("device", ioctl(group, VFIO_GROUP_GET_DEVICE_FD, argv[2]));
	if (argc > 3 && !strcmp(argv[3], "mapping")) {
		map_bar(device);
		close(device);
		close(group);
		close(container);
	}
	puts("open");
	fflush(stdout);
	for (;;)
		pause();
}
