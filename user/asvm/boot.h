/* SPDX-License-Identifier: GPL-2.0-only */
/* Loading a kernel: into guest memory, and the registers that start it. */
#ifndef ASVM_BOOT_H
#define ASVM_BOOT_H

#include <stdbool.h>
#include <stdint.h>

#include "memory.h"
#include "vcpu.h"

/* Where the loader puts what it makes, all below the reserved page at 640 KiB. */
#define BOOT_GDT	0x00000500ULL
#define BOOT_PVH_INFO	0x00006000ULL
#define BOOT_PARAMS	0x00007000ULL
#define BOOT_PML4	0x00009000ULL	/* and five more pages: one PDPT, four PDs */
#define BOOT_STACK	0x0001fff0ULL
#define BOOT_CMDLINE	0x00020000ULL
#define BOOT_LOW_END	0x0009fc00ULL	/* end of conventional memory */
#define BOOT_RESET_VECTOR 0x000ffff0ULL
#define BOOT_HIGH	0x00100000ULL

#define BOOT_E820_MAX	8
#define BOOT_SEGMENTS_MAX 16

enum boot_e820_type {
	BOOT_E820_RAM = 1,
	BOOT_E820_RESERVED = 2,
};

/** struct boot_region - an entry of the memory map */
struct boot_region {
	uint64_t addr;
	uint64_t size;
	enum boot_e820_type type;
};

/** struct boot_segment - a part of an ELF kernel and where it goes */
struct boot_segment {
	uint64_t offset;
	uint64_t file_size;
	uint64_t addr;
	uint64_t mem_size;
};

/**
 * struct boot_elf - what an ELF kernel's headers say
 * @entry: of the ELF header
 * @pvh_entry: of the PVH note, 0 without one
 * @end: the end of the highest segment
 * @nsegments: 0: it is no ELF kernel
 */
struct boot_elf {
	uint64_t entry;
	uint64_t pvh_entry;
	uint64_t end;
	unsigned int nsegments;
	struct boot_segment segments[BOOT_SEGMENTS_MAX];
};

/**
 * struct boot_image - what to boot
 * @kernel_fd: bzImage or ELF, read by pread
 * @initrd_fd: -1: none
 * @kernel, @initrd: their names, for messages
 * @cmdline: the whole command line
 * @rsdp: guest address of the ACPI root pointer
 * @buses: PCI buses that the ECAM covers, to be reserved
 * @elf: filled in by boot_prepare()
 */
struct boot_image {
	int kernel_fd;
	int initrd_fd;
	const char *kernel;
	const char *initrd;
	const char *cmdline;
	uint64_t rsdp;
	unsigned int buses;
	struct boot_elf elf;
};

/**
 * boot_prepare - look at the kernel's headers, once, before the sandbox closes
 *
 * 0, or -errno after a message.
 */
int boot_prepare(struct boot_image *img);

/**
 * boot_load - load the kernel and its initrd, and set @state to its entry
 *
 * @state comes from vcpu_power_on_state(). 0, or -errno after a message.
 */
int boot_load(struct memory *mem, const struct boot_image *img, struct vcpu_state *state);

/* What the loaders of the two formats share. */

/** boot_map - the memory map; returns the number of entries */
unsigned int boot_map(const struct memory *mem, const struct boot_image *img,
		      struct boot_region map[BOOT_E820_MAX]);

/** boot_read - read @len bytes of a file at @off into guest memory; 0 or -errno */
int boot_read(struct memory *mem, int fd, uint64_t off, uint64_t len, uint64_t gpa);

/** boot_write - copy into guest memory; -EFAULT where there is none */
int boot_write(struct memory *mem, uint64_t gpa, const void *src, uint64_t len);

/**
 * boot_initrd - load the initrd as high as possible below @limit, above @floor
 *
 * @addr and @size are 0 where there is no initrd. 0, or -errno after a message.
 */
int boot_initrd(struct memory *mem, const struct boot_image *img, uint64_t floor,
		uint64_t limit, uint64_t *addr, uint64_t *size);

/** boot_write_params - the boot_params that @img and the map fill in (zero page) */
struct boot_params;
int boot_write_params(struct memory *mem, const struct boot_image *img, struct boot_params *bp,
		      uint64_t initrd, uint64_t initrd_size);

/** boot_enter_64 - long mode, identity map of 4 GiB, flat segments; RSI is boot_params */
int boot_enter_64(struct memory *mem, struct vcpu_state *state, uint64_t entry);

/** boot_enter_32 - protected mode without paging, flat segments; EBX as given */
int boot_enter_32(struct memory *mem, struct vcpu_state *state, uint64_t entry, uint64_t ebx);

int boot_load_bzimage(struct memory *mem, const struct boot_image *img,
		      struct vcpu_state *state);
int boot_prepare_elf(struct boot_image *img);
int boot_load_elf(struct memory *mem, const struct boot_image *img, struct vcpu_state *state);

#endif
