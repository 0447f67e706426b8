// SPDX-License-Identifier: GPL-2.0-only
#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>

#include "mem.h"

int vt_mem_init(struct vt_mem *mem, size_t region_size, unsigned int nregions)
{
	void *base;
	int error;

	memset(mem, 0, sizeof(*mem));
	mem->region_size = region_size;
	mem->nregions = nregions;
	mem->size = region_size * nregions;
	mem->fd = memfd_create("guest", MFD_CLOEXEC);
	if (mem->fd < 0)
		return -errno;
	if (ftruncate(mem->fd, mem->size))
		goto fail;
	base = mmap(NULL, mem->size, PROT_READ | PROT_WRITE, MAP_SHARED, mem->fd, 0);
	if (base == MAP_FAILED)
		goto fail;
	mem->base = base;
	return 0;

fail:
	error = errno;
	close(mem->fd);
	return -error;
}

void vt_mem_free(struct vt_mem *mem)
{
	munmap(mem->base, mem->size);
	close(mem->fd);
}

void *vt_alloc_at(struct vt_mem *mem, size_t size, size_t align, size_t offset)
{
	size_t start = ((mem->used + align - 1) & ~(align - 1)) + offset;

	if (size && start / mem->region_size != (start + size - 1) / mem->region_size) {
		start = (start / mem->region_size + 1) * mem->region_size;
		start = ((start + align - 1) & ~(align - 1)) + offset;
	}
	if (size > mem->region_size || start + size > mem->size)
		errx(1, "guest memory of %zu bytes is too small for the test", mem->size);
	mem->used = start + size;
	return memset(mem->base + start, 0, size);
}

void *vt_alloc(struct vt_mem *mem, size_t size, size_t align)
{
	return vt_alloc_at(mem, size, align, 0);
}

void *vt_alloc_red(struct vt_mem *mem, size_t size, size_t offset)
{
	uint8_t *zone = vt_alloc_at(mem, size + 2 * VT_REDZONE, VT_PAGE, offset - VT_REDZONE);
	uint8_t *ptr = zone + VT_REDZONE;

	memset(zone, VT_RED_BYTE, VT_REDZONE);
	memset(ptr + size, VT_RED_BYTE, VT_REDZONE);
	/* what comes next starts on a page of its own */
	vt_alloc(mem, 0, VT_PAGE);
	return ptr;
}

int vt_red_ok(const void *ptr, size_t size)
{
	const uint8_t *p = ptr;
	size_t i;

	for (i = 0; i < VT_REDZONE; i++)
		if (p[size + i] != VT_RED_BYTE || p[-1 - (ptrdiff_t)i] != VT_RED_BYTE)
			return 0;
	return 1;
}

uint64_t vt_gpa(const struct vt_mem *mem, const void *ptr)
{
	size_t off = (const uint8_t *)ptr - mem->base;

	return VT_GPA_BASE + off / mem->region_size * (mem->region_size + VT_GPA_GAP) +
	       off % mem->region_size;
}

void *vt_hva(const struct vt_mem *mem, uint64_t gpa)
{
	uint64_t stride = mem->region_size + VT_GPA_GAP;
	uint64_t off = gpa - VT_GPA_BASE;

	return mem->base + off / stride * mem->region_size + off % stride;
}

struct vhost_memory *vt_mem_table(const struct vt_mem *mem)
{
	struct vhost_memory *table;
	unsigned int i;

	table = calloc(1, sizeof(*table) + mem->nregions * sizeof(table->regions[0]));
	if (!table)
		err(1, "memory table");
	table->nregions = mem->nregions;
	for (i = 0; i < mem->nregions; i++) {
		uint8_t *start = mem->base + i * mem->region_size;

		table->regions[i] = (struct vhost_memory_region) {
			.guest_phys_addr = vt_gpa(mem, start),
			.memory_size = mem->region_size,
			.userspace_addr = (uintptr_t)start,
		};
	}
	return table;
}
