// SPDX-License-Identifier: GPL-2.0-only
/* Leases, groups and the container: what comes before the functions themselves. */
#include "vfio.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "log.h"
#include "vfio_dev.h"
#include "vfio_handover.h"
#include "vtd.h"

#define VFIO_NODE	"/dev/vfio/vfio"

/* To be mapped for DMA, memory is locked, on this process's account. */
static int raise_memlock(uint64_t bytes)
{
	struct rlimit limit, want;

	if (getrlimit(RLIMIT_MEMLOCK, &limit))
		return -errno;
	if (limit.rlim_cur >= bytes)
		return 0;
	want.rlim_cur = bytes;
	want.rlim_max = limit.rlim_max > bytes ? limit.rlim_max : bytes;
	if (!setrlimit(RLIMIT_MEMLOCK, &want))
		return 0;
	log_err("a guest with --vtd has all of its memory locked: %llu MiB, but this process may lock %llu MiB; raise the limit with ulimit -l, limits.conf(5), or LimitMEMLOCK= of the unit",
		(unsigned long long)bytes >> 20, (unsigned long long)limit.rlim_max >> 20);
	return -EPERM;
}

/* Each vector has a descriptor. */
static void raise_nofile(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit))
		log_warn("the limit of open files cannot be raised: %s", strerror(errno));
}

int vfio_open_container(const struct asvm_config *cfg, int *fd)
{
	int err;

	err = raise_memlock(cfg->mem);
	if (err)
		return err;
	raise_nofile();
	if (*fd < 0)
		*fd = open(VFIO_NODE, O_RDWR | O_CLOEXEC);
	if (*fd < 0) {
		err = -errno;
		log_err("cannot open " VFIO_NODE ": %s; load vfio_iommu_type1", strerror(-err));
		return err;
	}
	if (ioctl(*fd, VFIO_GET_API_VERSION) != VFIO_API_VERSION ||
	    ioctl(*fd, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU) != 1) {
		log_err("this kernel's VFIO has no type 1 IOMMU; load vfio_iommu_type1");
		return -ENOTSUP;
	}
	return 0;
}

static int take_lease(struct vfio_dev *d, const struct asvm_vtd *cfg)
{
	struct asv_vtd_lease_arg arg = cfg->function;
	char node[32];
	int vtd, err;

	if (function_has_console(&arg)) {
		log_err("--vtd %s: the host's console is on it", cfg->spec);
		return -EBUSY;
	}
	vtd = vtd_open();
	if (vtd < 0)
		return vtd;
	d->lease = vtd_lease(vtd, &arg);
	close(vtd);
	if (d->lease < 0) {
		log_err("--vtd %s: %s", cfg->spec, arg.reason ? arg.text : strerror(-d->lease));
		return d->lease;
	}
	function_of_arg(&arg, d->name);
	snprintf(node, sizeof(node), "/dev/vfio/%u", arg.group);
	d->group = open(node, O_RDWR | O_CLOEXEC);
	if (d->group < 0) {
		err = -errno;
		log_err("cannot open %s, the group of %s: %s", node, d->name, strerror(-err));
		return err;
	}
	return 0;
}

static struct vfio_dev *dev_new(void)
{
	struct vfio_dev *d = calloc(1, sizeof(*d));

	if (!d) {
		log_err("out of memory");
		return NULL;
	}
	d->lease = -1;
	d->group = -1;
	d->fd = -1;
	d->intx = -1;
	d->unmask = -1;
	d->request.fd = -1;
	d->error.fd = -1;
	return d;
}

struct vfio_dev *vfio_open(const struct asvm_vtd *cfg)
{
	struct vfio_dev *d = dev_new();

	if (!d || !take_lease(d, cfg))
		return d;
	vfio_destroy(d);
	return NULL;
}

struct vfio_dev *vfio_receive(const struct asvm_vtd *cfg, int *container)
{
	struct vfio_dev *d = dev_new();
	struct vfio_handover got;

	if (!d)
		return NULL;
	if (vfio_handover(cfg->socket, &got)) {
		vfio_destroy(d);
		return NULL;
	}
	memcpy(d->name, got.name, sizeof(d->name));
	d->lease = got.lease;
	d->group = got.group;
	if (*container < 0)
		*container = got.container;
	else
		close(got.container);
	log_info("%s was handed over", d->name);
	return d;
}

static int attach_group(int container, struct vfio_dev *d)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	int err;

	if (ioctl(d->group, VFIO_GROUP_GET_STATUS, &status) < 0 ||
	    !(status.flags & VFIO_GROUP_FLAGS_VIABLE)) {
		log_err("%s: its IOMMU group is not all leased", d->name);
		return -EBUSY;
	}
	if (ioctl(d->group, VFIO_GROUP_SET_CONTAINER, &container) < 0) {
		err = -errno;
		log_err("%s: its IOMMU group cannot be joined with the others: %s", d->name,
			strerror(-err));
		return err;
	}
	return 0;
}

static int map_memory(int container, const struct memory *mem)
{
	unsigned int i;

	for (i = 0; i < mem->nregions; i++) {
		const struct mem_region *r = &mem->regions[i];
		struct vfio_iommu_type1_dma_map map = {
			.argsz = sizeof(map),
			.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
			.vaddr = (uintptr_t)r->host,
			.iova = r->gpa,
			.size = r->size,
		};
		int err;

		if (!ioctl(container, VFIO_IOMMU_MAP_DMA, &map))
			continue;
		err = -errno;
		log_err("guest memory at %#llx, %llu MiB, cannot be locked and mapped for DMA: %s",
			(unsigned long long)r->gpa, (unsigned long long)r->size >> 20,
			strerror(-err));
		return err;
	}
	return 0;
}

int vfio_attach(int container, struct vfio_dev *const *devs, unsigned int n,
		const struct virtio_host *host)
{
	unsigned int i;
	int err;

	for (i = 0; i < n; i++) {
		devs[i]->host = host;
		err = attach_group(container, devs[i]);
		if (err)
			return err;
	}
	if (ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) < 0) {
		err = -errno;
		log_err("the functions' IOMMU cannot be set up: %s%s", strerror(-err),
			err == -EPERM ? "; interrupts are not remapped, see asv-vtd check" : "");
		return err;
	}
	err = map_memory(container, host->mem);
	if (err)
		return err;
	for (i = 0; i < n; i++) {
		err = kvm_vfio_group(host->kvm, devs[i]->group, true);
		/* KVM then takes the guest's word for how memory is cached */
		if (err)
			log_warn("%s: KVM does not take its group: %s", devs[i]->name,
				 strerror(-err));
	}
	return 0;
}
