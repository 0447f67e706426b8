// SPDX-License-Identifier: GPL-2.0-only
/*
 * bzImage, by the 64-bit boot protocol (the kernel's Documentation/arch/x86/boot.rst). The real
 * mode part is not run: its header is handed on, and the kernel is entered in long mode.
 */
#include <asm/bootparam.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "boot.h"
#include "log.h"

#define BZ_MAGIC		0x53726448	/* "HdrS" */
#define BZ_BOOT_FLAG		0xaa55
#define BZ_VERSION_MIN		0x020c		/* xloadflags */
#define BZ_SECTOR		512
#define BZ_DEFAULT_SETUP_SECTS	4
#define BZ_ENTRY_64		0x200

static int bzimage_read_header(const struct boot_image *img, struct setup_header *hdr)
{
	const size_t at = offsetof(struct boot_params, hdr);
	uint8_t buf[BZ_SECTOR * 2];
	size_t end;

	memset(hdr, 0, sizeof(*hdr));
	if (pread(img->kernel_fd, buf, sizeof(buf), 0) != sizeof(buf))
		goto err_format;
	/* the byte after the jump says how long the header is */
	end = 0x202 + buf[0x201];
	if (end <= at)
		goto err_format;
	if (end - at > sizeof(*hdr))
		end = at + sizeof(*hdr);
	memcpy(hdr, buf + at, end - at);
	if (hdr->boot_flag != BZ_BOOT_FLAG || hdr->header != BZ_MAGIC)
		goto err_format;
	if (hdr->version < BZ_VERSION_MIN || !(hdr->xloadflags & XLF_KERNEL_64)) {
		log_err("%s has no 64-bit entry; asvm boots x86-64 kernels of Linux 3.8 and later",
			img->kernel);
		return -ENOEXEC;
	}
	return 0;

err_format:
	log_err("%s is neither a bzImage nor an ELF kernel", img->kernel);
	return -ENOEXEC;
}

int boot_load_bzimage(struct memory *mem, const struct boot_image *img,
		      struct vcpu_state *state)
{
	struct boot_params bp = { 0 };
	uint64_t load, run, size, off, initrd, initrd_size;
	struct stat st;
	int err;

	err = bzimage_read_header(img, &bp.hdr);
	if (err)
		return err;
	if (fstat(img->kernel_fd, &st) < 0)
		return -errno;
	off = ((bp.hdr.setup_sects ?: BZ_DEFAULT_SETUP_SECTS) + 1ULL) * BZ_SECTOR;
	if ((uint64_t)st.st_size <= off) {
		log_err("%s is cut short", img->kernel);
		return -ENOEXEC;
	}
	size = st.st_size - off;
	/* it moves itself to where it wants to run, and needs init_size bytes there */
	load = bp.hdr.relocatable_kernel ? BOOT_HIGH : bp.hdr.pref_address;
	run = bp.hdr.pref_address > load ? bp.hdr.pref_address : load;
	if (!mem_ptr(mem, load, size) || !mem_ptr(mem, run, bp.hdr.init_size)) {
		log_err("%s needs more than the guest's %llu MiB of memory", img->kernel,
			(unsigned long long)mem->size >> 20);
		return -ENOMEM;
	}
	err = boot_read(mem, img->kernel_fd, off, size, load);
	if (err) {
		log_err("cannot read kernel %s: %s", img->kernel, strerror(-err));
		return err;
	}
	if (bp.hdr.cmdline_size && strlen(img->cmdline) > bp.hdr.cmdline_size) {
		log_err("%s takes a command line of %u characters at most", img->kernel,
			bp.hdr.cmdline_size);
		return -E2BIG;
	}
	err = boot_initrd(mem, img, run + bp.hdr.init_size, bp.hdr.initrd_addr_max + 1ULL,
			  &initrd, &initrd_size);
	if (err)
		return err;
	bp.hdr.code32_start = load;
	err = boot_write_params(mem, img, &bp, initrd, initrd_size);
	if (!err)
		err = boot_enter_64(mem, state, load + BZ_ENTRY_64);
	return err;
}
