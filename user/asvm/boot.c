// SPDX-License-Identifier: GPL-2.0-only
/* What all kernel formats need: memory map, initrd, zero page, and the CPU's mode at entry. */
#include <asm/bootparam.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "acpi.h"
#include "boot.h"
#include "log.h"

#define PAGE_4K		4096ULL
#define PTE_PRESENT	0x01
#define PTE_WRITE	0x02
#define PTE_LARGE	0x80

#define CR0_PE		0x1
#define CR0_ET		0x10
#define CR0_PG		0x80000000
#define CR4_PAE		0x20
#define EFER_LME	0x100
#define EFER_LMA	0x400

unsigned int boot_map(const struct memory *mem, const struct boot_image *img,
		      struct boot_region map[BOOT_E820_MAX])
{
	unsigned int n = 0, i;

	map[n++] = (struct boot_region){ 0, BOOT_LOW_END, BOOT_E820_RAM };
	/* the EBDA that is not there, and the ACPI tables */
	map[n++] = (struct boot_region){
		BOOT_LOW_END, BOOT_HIGH - BOOT_LOW_END, BOOT_E820_RESERVED
	};
	map[n++] = (struct boot_region){
		BOOT_HIGH, mem_low_end(mem) - BOOT_HIGH, BOOT_E820_RAM
	};
	map[n++] = (struct boot_region){
		ECAM_BASE, img->buses * ECAM_BUS_SIZE, BOOT_E820_RESERVED
	};
	for (i = 1; i < mem->nregions; i++)
		map[n++] = (struct boot_region){
			mem->regions[i].gpa, mem->regions[i].size, BOOT_E820_RAM
		};
	return n;
}

int boot_read(struct memory *mem, int fd, uint64_t off, uint64_t len, uint64_t gpa)
{
	uint8_t *dst = mem_ptr(mem, gpa, len);

	if (!dst)
		return -EFAULT;
	while (len) {
		ssize_t n = pread(fd, dst, len, off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			return -ENODATA;
		dst += n;
		off += n;
		len -= n;
	}
	return 0;
}

int boot_write(struct memory *mem, uint64_t gpa, const void *src, uint64_t len)
{
	void *dst = mem_ptr(mem, gpa, len);

	if (!dst)
		return -EFAULT;
	memcpy(dst, src, len);
	return 0;
}

int boot_initrd(struct memory *mem, const struct boot_image *img, uint64_t floor,
		uint64_t limit, uint64_t *addr, uint64_t *size)
{
	uint64_t end = mem_low_end(mem);
	struct stat st;
	int err;

	*addr = 0;
	*size = 0;
	if (img->initrd_fd < 0)
		return 0;
	if (fstat(img->initrd_fd, &st) < 0)
		return -errno;
	if (st.st_size <= 0) {
		log_err("initrd %s is empty", img->initrd);
		return -EINVAL;
	}
	if (end > limit)
		end = limit;
	end &= ~(PAGE_4K - 1);
	if ((uint64_t)st.st_size > end || ((end - st.st_size) & ~(PAGE_4K - 1)) < floor) {
		log_err("initrd %s does not fit into %llu MiB of memory beside the kernel; give the guest more",
			img->initrd, (unsigned long long)mem->size >> 20);
		return -ENOMEM;
	}
	*addr = (end - st.st_size) & ~(PAGE_4K - 1);
	*size = st.st_size;
	err = boot_read(mem, img->initrd_fd, 0, *size, *addr);
	if (err)
		log_err("cannot read initrd %s: %s", img->initrd, strerror(-err));
	return err;
}

int boot_write_params(struct memory *mem, const struct boot_image *img, struct boot_params *bp,
		      uint64_t initrd, uint64_t initrd_size)
{
	struct boot_region map[BOOT_E820_MAX];
	unsigned int i, n = boot_map(mem, img, map);

	bp->hdr.type_of_loader = 0xff;
	bp->hdr.cmd_line_ptr = BOOT_CMDLINE;
	bp->hdr.ramdisk_image = initrd;
	bp->hdr.ramdisk_size = initrd_size;
	bp->acpi_rsdp_addr = img->rsdp;
	for (i = 0; i < n; i++) {
		bp->e820_table[i].addr = map[i].addr;
		bp->e820_table[i].size = map[i].size;
		bp->e820_table[i].type = map[i].type;
	}
	bp->e820_entries = n;
	return boot_write(mem, BOOT_PARAMS, bp, sizeof(*bp));
}

static struct kvm_segment boot_flat(uint16_t selector, uint8_t type, bool code64)
{
	return (struct kvm_segment){
		.limit = 0xffffffff,
		.selector = selector,
		.type = type,
		.present = 1,
		.db = !code64,
		.s = 1,
		.l = code64,
		.g = 1,
	};
}

/* The same segments as descriptors, for a kernel that loads a segment register early. */
static int boot_write_gdt(struct memory *mem, struct kvm_sregs *s, bool code64)
{
	const uint64_t gdt[] = {
		0, 0,
		code64 ? 0x00af9b000000ffffULL : 0x00cf9b000000ffffULL,	/* 0x10 code */
		0x00cf93000000ffffULL,					/* 0x18 data */
	};

	s->gdt.base = BOOT_GDT;
	s->gdt.limit = sizeof(gdt) - 1;
	s->cs = boot_flat(0x10, 0xb, code64);
	s->ds = boot_flat(0x18, 0x3, false);
	s->es = s->ds;
	s->fs = s->ds;
	s->gs = s->ds;
	s->ss = s->ds;
	s->tr = (struct kvm_segment){ .limit = 0x67, .type = 0xb, .present = 1 };
	return boot_write(mem, BOOT_GDT, gdt, sizeof(gdt));
}

/* Identity map of the first 4 GiB in 2 MiB pages: one PML4, one PDPT and four PDs. */
static int boot_write_page_tables(struct memory *mem)
{
	uint64_t (*table)[512] = mem_ptr(mem, BOOT_PML4, 6 * PAGE_4K);
	unsigned int i;

	if (!table)
		return -EFAULT;
	memset(table, 0, 2 * PAGE_4K);
	table[0][0] = (BOOT_PML4 + PAGE_4K) | PTE_PRESENT | PTE_WRITE;
	for (i = 0; i < 4; i++)
		table[1][i] = (BOOT_PML4 + (2 + i) * PAGE_4K) | PTE_PRESENT | PTE_WRITE;
	for (i = 0; i < 4 * 512; i++)
		table[2][i] = (uint64_t)i << 21 | PTE_PRESENT | PTE_WRITE | PTE_LARGE;
	return 0;
}

int boot_enter_64(struct memory *mem, struct vcpu_state *state, uint64_t entry)
{
	int err = boot_write_gdt(mem, &state->sregs, true);

	if (!err)
		err = boot_write_page_tables(mem);
	state->sregs.cr0 = CR0_PE | CR0_ET | CR0_PG;
	state->sregs.cr3 = BOOT_PML4;
	state->sregs.cr4 = CR4_PAE;
	state->sregs.efer = EFER_LME | EFER_LMA;
	state->regs.rip = entry;
	state->regs.rsp = BOOT_STACK;
	state->regs.rsi = BOOT_PARAMS;
	return err;
}

int boot_enter_32(struct memory *mem, struct vcpu_state *state, uint64_t entry, uint64_t ebx)
{
	int err = boot_write_gdt(mem, &state->sregs, false);

	state->sregs.cr0 = CR0_PE | CR0_ET;
	state->sregs.cr4 = 0;
	state->sregs.efer = 0;
	state->regs.rip = entry;
	state->regs.rsp = BOOT_STACK;
	state->regs.rbx = ebx;
	return err;
}

/*
 * A processor that goes on at the reset vector resets the machine. Linux restarts a
 * hardware-reduced machine without EFI so: in real mode, at ffff:0000.
 */
static int boot_write_reset_vector(struct memory *mem)
{
	const uint8_t code[] = {
		0xba, ACPI_PORT_RESET & 0xff, ACPI_PORT_RESET >> 8,	/* mov $port, %dx */
		0xb0, ACPI_RESET_VALUE,					/* mov $value, %al */
		0xee,							/* out %al, (%dx) */
		0xf4,							/* 1: hlt */
		0xeb, 0xfd,						/* jmp 1b */
	};

	return boot_write(mem, BOOT_RESET_VECTOR, code, sizeof(code));
}

int boot_prepare(struct boot_image *img)
{
	static const uint8_t elf_magic[4] = { 0x7f, 'E', 'L', 'F' };
	size_t len = strlen(img->cmdline);
	uint8_t magic[4];

	if (len > ASVM_CMDLINE_MAX) {
		log_err("the kernel's command line has %zu characters, %d are possible", len,
			ASVM_CMDLINE_MAX);
		return -E2BIG;
	}
	if (pread(img->kernel_fd, magic, sizeof(magic), 0) != sizeof(magic)) {
		log_err("%s is no kernel: cannot read its first bytes", img->kernel);
		return -ENOEXEC;
	}
	img->elf.nsegments = 0;
	return memcmp(magic, elf_magic, sizeof(magic)) ? 0 : boot_prepare_elf(img);
}

int boot_load(struct memory *mem, const struct boot_image *img, struct vcpu_state *state)
{
	int err = boot_write(mem, BOOT_CMDLINE, img->cmdline, strlen(img->cmdline) + 1);

	if (!err)
		err = boot_write_reset_vector(mem);
	if (err)
		return err;
	if (img->elf.nsegments)
		return boot_load_elf(mem, img, state);
	return boot_load_bzimage(mem, img, state);
}
