// SPDX-License-Identifier: GPL-2.0-only
/* A front end's memory as the bridge has it mapped. */
#include "vhost_user_mem.h"

#include <errno.h>
#include <linux/vhost_types.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define PAGE 4096ULL

static bool wraps(uint64_t start, uint64_t size)
{
	return start + size < start;
}

static bool overlap(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
	return a < b + b_size && b < a + a_size;
}

void *vu_map(int fd, uint64_t offset, uint64_t size, void **map, size_t *len)
{
	uint64_t align, start, end;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return NULL;
	if (!S_ISREG(st.st_mode) || !size || wraps(offset, size) ||
	    offset + size > (uint64_t)st.st_size) {
		errno = EINVAL;
		return NULL;
	}
	/* Of a file of huge pages only whole ones can be mapped. */
	align = st.st_blksize;
	if (align < PAGE || align & (align - 1))
		align = PAGE;
	start = offset & ~(align - 1);
	end = (offset + size + align - 1) & ~(align - 1);
	*len = end - start;
	*map = mmap(NULL, *len, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_NORESERVE, fd, start);
	if (*map == MAP_FAILED)
		return NULL;
	/* Guest memory has no place in a core file. */
	madvise(*map, *len, MADV_DONTDUMP);
	return (char *)*map + (offset - start);
}

const char *vu_mem_add(struct vu_mem *mem, const struct vu_region_desc *desc,
		       int fd)
{
	struct vu_region *r = &mem->region[mem->count];
	unsigned int i;

	if (mem->count == VU_REGIONS_MAX)
		return "too many memory regions";
	if (!desc->size || wraps(desc->guest_addr, desc->size) ||
	    wraps(desc->user_addr, desc->size))
		return "a memory region is empty or wraps around";
	for (i = 0; i < mem->count; i++) {
		const struct vu_region_desc *other = &mem->region[i].desc;

		if (overlap(desc->guest_addr, desc->size, other->guest_addr,
			    other->size) ||
		    overlap(desc->user_addr, desc->size, other->user_addr,
			    other->size))
			return "memory regions overlap";
	}
	r->host = vu_map(fd, desc->mmap_offset, desc->size, &r->map, &r->len);
	if (!r->host)
		return "a memory region cannot be mapped; is it shared memory?";
	r->desc = *desc;
	mem->count++;
	return NULL;
}

int vu_mem_find(const struct vu_mem *mem, const struct vu_region_desc *desc)
{
	unsigned int i;

	for (i = 0; i < mem->count; i++) {
		const struct vu_region_desc *d = &mem->region[i].desc;

		if (d->guest_addr == desc->guest_addr && d->size == desc->size &&
		    d->user_addr == desc->user_addr)
			return i;
	}
	return -1;
}

void vu_mem_remove(struct vu_mem *mem, unsigned int index)
{
	munmap(mem->region[index].map, mem->region[index].len);
	mem->count--;
	memmove(&mem->region[index], &mem->region[index + 1],
		(mem->count - index) * sizeof(mem->region[0]));
}

void vu_mem_clear(struct vu_mem *mem)
{
	while (mem->count)
		vu_mem_remove(mem, mem->count - 1);
}

uint64_t vu_mem_host(const struct vu_mem *mem, uint64_t user_addr, uint64_t size)
{
	unsigned int i;

	for (i = 0; i < mem->count; i++) {
		const struct vu_region *r = &mem->region[i];
		uint64_t at = user_addr - r->desc.user_addr;

		if (user_addr >= r->desc.user_addr && at < r->desc.size &&
		    size <= r->desc.size - at)
			return (uintptr_t)r->host + at;
	}
	return 0;
}

struct vhost_memory *vu_mem_table(const struct vu_mem *mem, int except)
{
	struct vhost_memory *table;
	unsigned int i;

	table = calloc(1, sizeof(*table) +
		       mem->count * sizeof(table->regions[0]));
	if (!table)
		return NULL;
	for (i = 0; i < mem->count; i++) {
		const struct vu_region *r = &mem->region[i];

		if ((int)i == except)
			continue;
		table->regions[table->nregions++] = (struct vhost_memory_region){
			.guest_phys_addr = r->desc.guest_addr,
			.memory_size = r->desc.size,
			.userspace_addr = (uintptr_t)r->host,
		};
	}
	return table;
}
