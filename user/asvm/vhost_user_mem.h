/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A front end's memory as the bridge has it mapped. The bridge itself never reads or
 * writes there; the kernel does, at the addresses that the bridge tells it.
 */
#ifndef ASVM_VHOST_USER_MEM_H
#define ASVM_VHOST_USER_MEM_H

#include <stddef.h>
#include <stdint.h>

#include "vhost_user.h"

#define VU_REGIONS_MAX 512

/**
 * struct vu_region - one region
 * @desc: as the front end described it
 * @host: where @desc.user_addr is here
 * @map, @len: the mapping, which may begin before @host for alignment
 */
struct vu_region {
	struct vu_region_desc desc;
	char *host;
	void *map;
	size_t len;
};

struct vu_mem {
	unsigned int count;
	struct vu_region region[VU_REGIONS_MAX];
};

/**
 * vu_mem_add() - map one region
 * @fd: stays the caller's
 * Return: NULL, or what is wrong.
 */
const char *vu_mem_add(struct vu_mem *mem, const struct vu_region_desc *desc,
		       int fd);

/* vu_mem_find() - the region with the addresses and size of @desc, or -1 */
int vu_mem_find(const struct vu_mem *mem, const struct vu_region_desc *desc);

/* vu_mem_remove() - unmap one region; the kernel must not know it any more */
void vu_mem_remove(struct vu_mem *mem, unsigned int index);
void vu_mem_clear(struct vu_mem *mem);

/**
 * vu_mem_host() - where @size bytes of front end's address @user_addr are here
 * Return: 0 unless all of them are in one region.
 */
uint64_t vu_mem_host(const struct vu_mem *mem, uint64_t user_addr, uint64_t size);

/**
 * vu_mem_table() - the table for VHOST_SET_MEM_TABLE
 * @except: leave this region out, -1: none
 * Return: to be freed; NULL out of memory.
 */
struct vhost_memory *vu_mem_table(const struct vu_mem *mem, int except);

/**
 * vu_map() - map a part of a shared file that need not begin at a page
 * @map, @len: the mapping, for munmap()
 * Return: where @offset is, or NULL with errno.
 */
void *vu_map(int fd, uint64_t offset, uint64_t size, void **map, size_t *len);

#endif
