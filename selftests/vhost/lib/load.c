// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"

/* of a verified area, read at a time: some disks take long for each request */
#define VERIFY_BYTES	(256 << 10)

static uint64_t stamp_word(uint64_t sector, uint32_t version, uint32_t word)
{
	struct vt_prng rng = { sector * 0x10001 + ((uint64_t)version << 40) + word };

	return vt_rand(&rng);
}

static void stamp(void *buf, uint32_t len, uint64_t sector, uint32_t version)
{
	uint64_t *word = buf;
	uint32_t i;

	for (i = 0; i < len / sizeof(*word); i++)
		word[i] = stamp_word(sector, version, i);
}

static bool stamped(const void *buf, uint32_t len, uint64_t sector, uint32_t version)
{
	const uint64_t *word = buf;
	uint32_t i;

	for (i = 0; i < len / sizeof(*word); i++)
		if (word[i] != stamp_word(sector, version, i))
			return false;
	return true;
}

int vt_load_init(struct vt_load *load, struct vt_queue *vq, struct vt_mem *mem, uint64_t base,
		 uint32_t blocks, uint32_t block_size, unsigned int depth)
{
	unsigned int i;

	memset(load, 0, sizeof(*load));
	load->vq = vq;
	load->rng.state = vt_seed();
	load->base = base;
	load->blocks = blocks;
	load->block_size = block_size;
	load->depth = depth;
	load->version = calloc(blocks, sizeof(*load->version));
	load->busy = calloc(blocks, sizeof(*load->busy));
	load->reqs = calloc(depth, sizeof(*load->reqs));
	load->req_block = calloc(depth, sizeof(*load->req_block));
	load->req_version = calloc(depth, sizeof(*load->req_version));
	load->req_busy = calloc(depth, sizeof(*load->req_busy));
	if (!load->version || !load->busy || !load->reqs || !load->req_block ||
	    !load->req_version || !load->req_busy)
		return -ENOMEM;
	for (i = 0; i < depth; i++) {
		load->reqs[i] = vt_req_new(mem, block_size);
		load->reqs[i]->owner = (void *)(uintptr_t)i;
	}
	return 0;
}

void vt_load_free(struct vt_load *load)
{
	unsigned int i;

	for (i = 0; i < load->depth; i++)
		free(load->reqs[i]);
	free(load->version);
	free(load->busy);
	free(load->reqs);
	free(load->req_block);
	free(load->req_version);
	free(load->req_busy);
}

static uint64_t sector_of(const struct vt_load *load, uint32_t block)
{
	return load->base + (uint64_t)block * (load->block_size / VT_SECTOR);
}

/* put request i on a block that has none */
static int add_one(struct vt_load *load, unsigned int i)
{
	uint32_t block = vt_below(&load->rng, load->blocks);
	struct vt_req *req = load->reqs[i];
	bool write;
	int ret;

	while (load->busy[block])
		block = (block + 1) % load->blocks;
	write = load->writes_only || vt_one_in(&load->rng, 2);
	vt_req_set(req, write ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN, sector_of(load, block),
		   load->block_size);
	load->req_version[i] = load->version[block] + write;
	if (write)
		stamp(req->data, load->block_size, req->hdr->sector, load->req_version[i]);
	else
		memset(req->data, 0x5a, load->block_size);
	ret = vt_req_add(load->vq, req, vt_below(&load->rng, 100) < load->indirect);
	if (ret)
		return ret;
	load->req_block[i] = block;
	load->req_busy[i] = true;
	load->busy[block] = true;
	load->inflight++;
	return 0;
}

int vt_load_fill(struct vt_load *load)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < load->depth && load->inflight < load->blocks; i++) {
		if (load->req_busy[i])
			continue;
		ret = add_one(load, i);
		if (ret)
			break;
	}
	if (ret == -ENOSPC && load->inflight)
		ret = 0;
	vt_submit(load->vq);
	return ret;
}

static int finish(struct vt_load *load, const struct vt_used *used)
{
	struct vt_req *req = used->cookie;
	unsigned int i = (uintptr_t)req->owner;
	uint32_t block = load->req_block[i];
	int status = vt_req_result(load->vq, req, used);

	if (status < 0)
		return status;
	if (status != VIRTIO_BLK_S_OK)
		return vt_breach(load->vq, "status %d at sector %llu", status,
				 (unsigned long long)req->hdr->sector);
	if (!req->in)
		load->version[block] = load->req_version[i];
	else if (load->req_version[i] &&
		 !stamped(req->data, req->len, req->hdr->sector, load->req_version[i]))
		return vt_breach(load->vq, "sector %llu is not what was written last",
				 (unsigned long long)req->hdr->sector);
	load->req_busy[i] = false;
	load->busy[block] = false;
	load->inflight--;
	load->done++;
	return 0;
}

int vt_load_reap(struct vt_load *load, int timeout_ms)
{
	struct vt_used used;
	int n = 0, ret;

	if (!load->inflight)
		return 0;
	ret = timeout_ms ? vt_wait_used(load->vq, &used, timeout_ms) :
			   vt_get_used(load->vq, &used);
	while (ret == 1) {
		ret = finish(load, &used);
		if (ret)
			return ret;
		n++;
		ret = vt_get_used(load->vq, &used);
	}
	return ret < 0 ? ret : n;
}

int vt_load_drain(struct vt_load *load)
{
	while (load->inflight) {
		int ret = vt_load_reap(load, VT_WAIT_MS);

		if (ret < 0)
			return ret;
	}
	return 0;
}

int vt_load_run(struct vt_load *load, uint64_t count, bool drain)
{
	uint64_t end = load->done + count;
	int ret;

	while (load->done < end) {
		ret = vt_load_fill(load);
		if (ret)
			return ret;
		ret = vt_load_reap(load, VT_WAIT_MS);
		if (ret < 0)
			return ret;
	}
	return drain ? vt_load_drain(load) : 0;
}

int vt_load_verify(struct vt_load *load, int disk)
{
	size_t size = load->block_size, piece = size > VERIFY_BYTES ? 1 : VERIFY_BYTES / size;
	uint8_t *buf = malloc(piece * size);
	uint32_t block, n = 0;
	int ret = buf ? 0 : -ENOMEM;

	for (block = 0; !ret && block < load->blocks; block += n) {
		uint32_t i;

		n = load->blocks - block < piece ? load->blocks - block : piece;
		ret = vt_disk_read(disk, sector_of(load, block) * VT_SECTOR, buf, n * size);
		for (i = 0; !ret && i < n; i++)
			if (load->version[block + i] && !load->busy[block + i] &&
			    !stamped(buf + i * size, size, sector_of(load, block + i),
				     load->version[block + i]))
				ret = -EILSEQ;
	}
	free(buf);
	return ret;
}
