// SPDX-License-Identifier: GPL-2.0-only
/*
 * ELF kernels: by the PVH entry that a note names (Xen's HVM direct boot ABI), else as a
 * vmlinux that is entered in long mode like a bzImage.
 */
#include <asm/bootparam.h>
#include <errno.h>
#include <gelf.h>
#include <string.h>

#include "boot.h"
#include "log.h"

#define PVH_NOTE_NAME		"Xen"
#define PVH_NOTE_PHYS32_ENTRY	18
#define PVH_MAGIC		0x336ec578
#define PVH_INITRD_LIMIT	0x80000000ULL

struct pvh_start_info {
	uint32_t magic;
	uint32_t version;
	uint32_t flags;
	uint32_t nr_modules;
	uint64_t modlist;
	uint64_t cmdline;
	uint64_t rsdp;
	/* version 1 */
	uint64_t memmap;
	uint32_t memmap_entries;
	uint32_t reserved;
};

struct pvh_module {
	uint64_t addr;
	uint64_t size;
	uint64_t cmdline;
	uint64_t reserved;
};

struct pvh_memmap {
	uint64_t addr;
	uint64_t size;
	uint32_t type;
	uint32_t reserved;
};

/* The page that PVH's structures share. */
struct pvh_page {
	struct pvh_start_info info;
	struct pvh_module module;
	struct pvh_memmap map[BOOT_E820_MAX];
};

/* Look for the PVH entry in a note segment; one that cannot be read is passed over. */
static void elf_find_pvh(Elf *elf, const GElf_Phdr *ph, struct boot_elf *k)
{
	Elf_Data *data = elf_getdata_rawchunk(elf, ph->p_offset, ph->p_filesz, ELF_T_NHDR);
	size_t off = 0, name, desc;
	GElf_Nhdr note;

	while (data && (off = gelf_getnote(data, off, &note, &name, &desc))) {
		const char *base = data->d_buf;
		uint32_t entry;

		if (note.n_type != PVH_NOTE_PHYS32_ENTRY ||
		    note.n_namesz != sizeof(PVH_NOTE_NAME) ||
		    memcmp(base + name, PVH_NOTE_NAME, sizeof(PVH_NOTE_NAME)) ||
		    note.n_descsz < sizeof(entry))
			continue;
		memcpy(&entry, base + desc, sizeof(entry));
		k->pvh_entry = entry;
		return;
	}
}

static int elf_add_segment(struct boot_image *img, const GElf_Phdr *ph)
{
	struct boot_elf *k = &img->elf;
	uint64_t end;

	if (k->nsegments == BOOT_SEGMENTS_MAX || ph->p_filesz > ph->p_memsz ||
	    ph->p_paddr < BOOT_HIGH || __builtin_add_overflow(ph->p_paddr, ph->p_memsz, &end)) {
		log_err("%s: a segment of %#llx bytes at %#llx is none that a kernel has",
			img->kernel, (unsigned long long)ph->p_memsz,
			(unsigned long long)ph->p_paddr);
		return -ENOEXEC;
	}
	k->segments[k->nsegments++] = (struct boot_segment){
		.offset = ph->p_offset,
		.file_size = ph->p_filesz,
		.addr = ph->p_paddr,
		.mem_size = ph->p_memsz,
	};
	if (end > k->end)
		k->end = end;
	return 0;
}

static int elf_read_headers(struct boot_image *img, Elf *elf)
{
	struct boot_elf *k = &img->elf;
	GElf_Ehdr eh;
	GElf_Phdr ph;
	size_t i, n;
	int err;

	if (!gelf_getehdr(elf, &eh) || elf_getphdrnum(elf, &n) < 0)
		goto err_elf;
	if (eh.e_machine != EM_X86_64 && eh.e_machine != EM_386) {
		log_err("%s is not for x86", img->kernel);
		return -ENOEXEC;
	}
	k->entry = eh.e_entry;
	for (i = 0; i < n; i++) {
		if (!gelf_getphdr(elf, i, &ph))
			goto err_elf;
		if (ph.p_type == PT_NOTE) {
			elf_find_pvh(elf, &ph, k);
		} else if (ph.p_type == PT_LOAD && ph.p_memsz) {
			err = elf_add_segment(img, &ph);
			if (err)
				return err;
		}
	}
	if (!k->nsegments || (!k->pvh_entry && eh.e_machine != EM_X86_64)) {
		log_err("%s has no entry that asvm knows: neither a PVH note nor 64-bit code",
			img->kernel);
		return -ENOEXEC;
	}
	return 0;

err_elf:
	log_err("%s: %s", img->kernel, elf_errmsg(-1));
	return -ENOEXEC;
}

int boot_prepare_elf(struct boot_image *img)
{
	Elf *elf;
	int err;

	elf_version(EV_CURRENT);
	elf = elf_begin(img->kernel_fd, ELF_C_READ, NULL);
	if (!elf) {
		log_err("%s: %s", img->kernel, elf_errmsg(-1));
		return -ENOEXEC;
	}
	err = elf_read_headers(img, elf);
	elf_end(elf);
	return err;
}

static int elf_load_segment(struct memory *mem, const struct boot_image *img,
			    const struct boot_segment *seg)
{
	uint8_t *host = mem_ptr(mem, seg->addr, seg->mem_size);
	int err;

	if (!host) {
		log_err("%s needs more than the guest's %llu MiB of memory", img->kernel,
			(unsigned long long)mem->size >> 20);
		return -ENOMEM;
	}
	err = boot_read(mem, img->kernel_fd, seg->offset, seg->file_size, seg->addr);
	if (err) {
		log_err("cannot read kernel %s: %s", img->kernel, strerror(-err));
		return err;
	}
	memset(host + seg->file_size, 0, seg->mem_size - seg->file_size);
	return 0;
}

static int elf_enter_pvh(struct memory *mem, const struct boot_image *img,
			 struct vcpu_state *state, uint64_t entry, uint64_t initrd,
			 uint64_t initrd_size)
{
	const uint64_t at = BOOT_PVH_INFO;
	struct boot_region map[BOOT_E820_MAX];
	unsigned int i, n = boot_map(mem, img, map);
	struct pvh_page page = {
		.info = {
			.magic = PVH_MAGIC,
			.version = 1,
			.cmdline = BOOT_CMDLINE,
			.rsdp = img->rsdp,
			.memmap = at + offsetof(struct pvh_page, map),
			.memmap_entries = n,
		},
	};
	int err;

	if (initrd_size) {
		page.info.nr_modules = 1;
		page.info.modlist = at + offsetof(struct pvh_page, module);
		page.module.addr = initrd;
		page.module.size = initrd_size;
	}
	for (i = 0; i < n; i++)
		page.map[i] = (struct pvh_memmap){
			.addr = map[i].addr,
			.size = map[i].size,
			.type = map[i].type,
		};
	err = boot_write(mem, at, &page, sizeof(page));
	if (err)
		return err;
	return boot_enter_32(mem, state, entry, at);
}

static int elf_enter_linux(struct memory *mem, const struct boot_image *img,
			   struct vcpu_state *state, uint64_t entry, uint64_t initrd,
			   uint64_t initrd_size)
{
	struct boot_params bp = {
		.hdr = {
			.boot_flag = 0xaa55,
			.header = 0x53726448,
			.version = 0x020f,
			.loadflags = 1,
			.kernel_alignment = 0x1000000,
		},
	};
	int err = boot_write_params(mem, img, &bp, initrd, initrd_size);

	if (err)
		return err;
	return boot_enter_64(mem, state, entry);
}

int boot_load_elf(struct memory *mem, const struct boot_image *img, struct vcpu_state *state)
{
	const struct boot_elf *k = &img->elf;
	uint64_t initrd, initrd_size;
	unsigned int i;
	int err;

	for (i = 0; i < k->nsegments; i++) {
		err = elf_load_segment(mem, img, &k->segments[i]);
		if (err)
			return err;
	}
	err = boot_initrd(mem, img, k->end, PVH_INITRD_LIMIT, &initrd, &initrd_size);
	if (err)
		return err;
	if (k->pvh_entry)
		return elf_enter_pvh(mem, img, state, k->pvh_entry, initrd, initrd_size);
	return elf_enter_linux(mem, img, state, k->entry, initrd, initrd_size);
}
