/* SPDX-License-Identifier: GPL-2.0-only */
/* Guest memory: where it is in the guest, and how the host reaches it. */
#ifndef ASVM_MEMORY_H
#define ASVM_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#include "config.h"

struct kvm;

/*
 * The guest's physical address space. RAM fills it from 0 and goes on at 4 GiB; the last GiB
 * below 4 GiB is for devices.
 */
#define MEM_LOW_MAX	0xc0000000ULL
#define MEM_HIGH_BASE	0x100000000ULL
#define MMIO32_BASE	0xc0000000ULL
#define MMIO32_SIZE	0x20000000ULL
#define ECAM_BASE	0xe0000000ULL
#define ECAM_BUS_SIZE	0x00100000ULL
#define IOAPIC_BASE	0xfec00000ULL
#define LAPIC_BASE	0xfee00000ULL
#define KVM_TSS_BASE	0xfffbd000ULL	/* three pages, Intel hosts only */
#define KVM_IDMAP_BASE	0xfffbc000ULL
#define MMIO64_SIZE	(64ULL << 30)

/* below 4 GiB and above; the numbers of their memory slots begin with 0 */
#define MEM_REGIONS_MAX	2

/** struct mem_region - RAM that is contiguous in the guest and in the host */
struct mem_region {
	uint64_t gpa;
	uint64_t size;
	uint8_t *host;
};

/**
 * struct memory - the guest's RAM
 * @base: the host mapping; all regions lie in it
 * @fd: memfd of shared memory, -1 when it is private
 * @page_size: of the pages that back it: what mem_discard() gives back is whole ones
 * @mmio64_base, @mmio64_size: window for 64-bit BARs above all RAM; size 0 where the host's
 *	physical addresses are too narrow for one
 */
struct memory {
	uint8_t *base;
	uint64_t size;
	int fd;
	uint64_t page_size;
	uint64_t mmio64_base;
	uint64_t mmio64_size;
	unsigned int nregions;
	struct mem_region regions[MEM_REGIONS_MAX];
};

/** mem_create - map the RAM of @cfg; 0, or -errno after a message */
int mem_create(struct memory *mem, const struct asvm_config *cfg);
void mem_destroy(struct memory *mem);

/** mem_register - give the RAM to the VM */
int mem_register(struct memory *mem, struct kvm *kvm);

/**
 * mem_ptr - the host address of guest memory
 *
 * NULL unless all of [@gpa, @gpa + @len) is RAM. @len may be 0. What is there can change at
 * any time: read a value once, check it, then use it.
 */
void *mem_ptr(const struct memory *mem, uint64_t gpa, uint64_t len);

/** mem_discard - give the host what lies wholly in a range of the guest; bytes given back */
uint64_t mem_discard(const struct memory *mem, uint64_t gpa, uint64_t len);

/** mem_discard_host - the same for a pointer that mem_ptr() gave */
uint64_t mem_discard_host(const struct memory *mem, void *host, uint64_t len);

/** mem_low_end - end of the RAM below 4 GiB */
uint64_t mem_low_end(const struct memory *mem);

/** mem_set_phys_bits - the guest's address width: place the 64-bit window; 0, or -errno after
 * a message when the RAM does not fit
 */
int mem_set_phys_bits(struct memory *mem, unsigned int bits);

#endif
