// SPDX-License-Identifier: GPL-2.0-only
/* Guest memory: one mapping, registered with KVM as one or two regions. */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/memfd.h>
#include <linux/mempolicy.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kvm.h"
#include "log.h"
#include "memory.h"

#define PAGE_SIZE_4K	4096ULL

static uint64_t mem_page_size(enum asvm_hugepages pages)
{
	switch (pages) {
	case ASVM_PAGES_2M:
		return 2ULL << 20;
	case ASVM_PAGES_1G:
		return 1ULL << 30;
	default:
		return PAGE_SIZE_4K;
	}
}

/* Both mmap and memfd_create take the log of the page size at bit 26. */
static int mem_huge_bits(uint64_t page_size)
{
	return __builtin_ctzll(page_size) << 26;
}

static int mem_map(struct memory *mem, const struct asvm_config *cfg)
{
	int huge = cfg->hugepages != ASVM_PAGES_DEFAULT;
	int flags = MAP_NORESERVE;

	if (cfg->shared) {
		unsigned int mfd = MFD_CLOEXEC;

		if (huge)
			mfd |= MFD_HUGETLB | mem_huge_bits(mem->page_size);
		mem->fd = memfd_create("guest-memory", mfd);
		if (mem->fd < 0 || ftruncate(mem->fd, mem->size) < 0)
			return -errno;
		flags |= MAP_SHARED;
	} else {
		flags |= MAP_PRIVATE | MAP_ANONYMOUS;
		if (huge)
			flags |= MAP_HUGETLB | mem_huge_bits(mem->page_size);
	}
	/*
	 * Without a reservation a missing huge page would be a SIGBUS in the middle of the
	 * guest's life; with one, mmap fails here.
	 */
	if (huge)
		flags &= ~MAP_NORESERVE;
	mem->base = mmap(NULL, mem->size, PROT_READ | PROT_WRITE, flags, mem->fd, 0);
	if (mem->base == MAP_FAILED) {
		mem->base = NULL;
		return -errno;
	}
	return 0;
}

static int mem_bind(struct memory *mem, int node)
{
	unsigned long mask[16] = { 0 };
	unsigned int bits = 8 * sizeof(mask[0]);

	if (node < 0)
		return 0;
	if ((unsigned int)node >= 16 * bits)
		return -EINVAL;
	mask[node / bits] = 1UL << (node % bits);
	if (syscall(SYS_mbind, mem->base, mem->size, MPOL_BIND, mask, 16 * bits, 0UL) < 0)
		return -errno;
	return 0;
}

int mem_create(struct memory *mem, const struct asvm_config *cfg)
{
	uint64_t low = cfg->mem < MEM_LOW_MAX ? cfg->mem : MEM_LOW_MAX;
	int err;

	*mem = (struct memory){
		.fd = -1,
		.size = cfg->mem,
		.page_size = mem_page_size(cfg->hugepages),
	};
	if (cfg->mem < ASVM_MEM_MIN || cfg->mem > ASVM_MEM_MAX || cfg->mem % mem->page_size) {
		log_err("memory of %llu bytes: must be at least 16 MiB and whole pages of %llu KiB",
			(unsigned long long)cfg->mem, (unsigned long long)mem->page_size >> 10);
		return -EINVAL;
	}
	err = mem_map(mem, cfg);
	if (err) {
		log_err("cannot map %llu MiB of guest memory: %s%s",
			(unsigned long long)mem->size >> 20, strerror(-err),
			cfg->hugepages ? "; reserve huge pages first (vm.nr_hugepages)" : "");
		goto err_destroy;
	}
	err = mem_bind(mem, cfg->numa_node);
	if (err) {
		log_err("cannot bind guest memory to NUMA node %d: %s", cfg->numa_node,
			strerror(-err));
		goto err_destroy;
	}
	/* a core dump of the launcher is about the launcher */
	madvise(mem->base, mem->size, MADV_DONTDUMP);
	if (cfg->hugepages == ASVM_PAGES_DEFAULT)
		madvise(mem->base, mem->size, MADV_HUGEPAGE);

	mem->regions[0] = (struct mem_region){ 0, low, mem->base };
	mem->nregions = 1;
	if (mem->size > low)
		mem->regions[mem->nregions++] = (struct mem_region){
			MEM_HIGH_BASE, mem->size - low, mem->base + low
		};
	return 0;

err_destroy:
	mem_destroy(mem);
	return err;
}

void mem_destroy(struct memory *mem)
{
	if (mem->base)
		munmap(mem->base, mem->size);
	if (mem->fd >= 0)
		close(mem->fd);
	mem->base = NULL;
	mem->fd = -1;
	mem->nregions = 0;
}

int mem_register(struct memory *mem, struct kvm *kvm)
{
	unsigned int i;
	int err;

	for (i = 0; i < mem->nregions; i++) {
		struct mem_region *r = &mem->regions[i];

		err = kvm_set_memory(kvm, i, r->gpa, r->size, r->host);
		if (err) {
			log_err("KVM refuses %llu MiB of memory at %#llx: %s",
				(unsigned long long)r->size >> 20, (unsigned long long)r->gpa,
				strerror(-err));
			return err;
		}
	}
	return 0;
}

void *mem_ptr(const struct memory *mem, uint64_t gpa, uint64_t len)
{
	unsigned int i;

	for (i = 0; i < mem->nregions; i++) {
		const struct mem_region *r = &mem->regions[i];

		if (gpa >= r->gpa && gpa - r->gpa <= r->size && len <= r->size - (gpa - r->gpa))
			return r->host + (gpa - r->gpa);
	}
	return NULL;
}

uint64_t mem_discard_host(const struct memory *mem, void *host, uint64_t len)
{
	uint64_t off = (uint8_t *)host - mem->base;
	uint64_t start = (off + mem->page_size - 1) & ~(mem->page_size - 1);
	uint64_t end = (off + len) & ~(mem->page_size - 1);
	int err;

	if (start >= end)
		return 0;
	if (mem->fd >= 0)
		err = fallocate(mem->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, start,
				end - start);
	else
		err = madvise(mem->base + start, end - start, MADV_DONTNEED);
	return err < 0 ? 0 : end - start;
}

uint64_t mem_discard(const struct memory *mem, uint64_t gpa, uint64_t len)
{
	void *host = mem_ptr(mem, gpa, len);

	return host ? mem_discard_host(mem, host, len) : 0;
}

uint64_t mem_low_end(const struct memory *mem)
{
	return mem->regions[0].size;
}

int mem_set_phys_bits(struct memory *mem, unsigned int bits)
{
	const struct mem_region *last = &mem->regions[mem->nregions - 1];
	uint64_t end = last->gpa + last->size;
	uint64_t limit = bits < 64 ? 1ULL << bits : UINT64_MAX;

	if (end > limit) {
		log_err("%llu MiB of memory: this host's guests have %u address bits",
			(unsigned long long)mem->size >> 20, bits);
		return -E2BIG;
	}
	if (end < MEM_HIGH_BASE)
		end = MEM_HIGH_BASE;
	mem->mmio64_base = (end + MMIO64_SIZE - 1) & ~(MMIO64_SIZE - 1);
	mem->mmio64_size = 0;
	if (mem->mmio64_base <= limit && limit - mem->mmio64_base >= MMIO64_SIZE)
		mem->mmio64_size = MMIO64_SIZE;
	return 0;
}
