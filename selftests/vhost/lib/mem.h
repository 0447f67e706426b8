/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guest memory of a test: one shared mapping, cut into regions that lie apart in
 * guest-physical space, with a simple allocator. Shared (memfd), so that a forked
 * owner and the process that watches it see the same rings.
 */
#ifndef VT_MEM_H
#define VT_MEM_H

#include <stddef.h>
#include <stdint.h>

#include <linux/vhost.h>

#define VT_PAGE		4096UL
#define VT_GPA_BASE	0x100000000ULL	/* beyond 4 GiB: catches 32-bit slips */
#define VT_GPA_GAP	0x40000000ULL	/* between regions */
#define VT_REDZONE	64
#define VT_RED_BYTE	0xa5

struct vt_mem {
	int fd;
	uint8_t *base;
	size_t size;		/* bytes, a whole number of regions */
	size_t region_size;	/* bytes */
	unsigned int nregions;
	size_t used;		/* bytes handed out */
};

/* nregions regions of region_size bytes (whole pages); 0 or -errno */
int vt_mem_init(struct vt_mem *mem, size_t region_size, unsigned int nregions);
void vt_mem_free(struct vt_mem *mem);

/*
 * Zeroed memory that lies in one region. align is a power of two; offset is what
 * the address shall be above the alignment, so that oddly aligned buffers can be
 * asked for. Ends the program when the arena is too small: a test's own fault.
 */
void *vt_alloc_at(struct vt_mem *mem, size_t size, size_t align, size_t offset);
void *vt_alloc(struct vt_mem *mem, size_t size, size_t align);

/* on pages of its own, offset (at least VT_REDZONE) into the first, between red zones */
void *vt_alloc_red(struct vt_mem *mem, size_t size, size_t offset);
/* is the red zone of such an allocation intact? */
int vt_red_ok(const void *ptr, size_t size);

uint64_t vt_gpa(const struct vt_mem *mem, const void *ptr);
void *vt_hva(const struct vt_mem *mem, uint64_t gpa);

/* the table for VHOST_SET_MEM_TABLE; the caller frees it */
struct vhost_memory *vt_mem_table(const struct vt_mem *mem);

#endif /* VT_MEM_H */
