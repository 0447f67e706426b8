/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Verified load on a queue: reads and writes at random, some in flight at a time,
 * each block with one request at most. What a block must hold is known from the
 * writes that were acknowledged, so a lost, repeated, misplaced or torn write shows.
 */
#ifndef VT_LOAD_H
#define VT_LOAD_H

#include "blk.h"
#include "prng.h"

struct vt_load {
	struct vt_queue *vq;
	struct vt_prng rng;
	uint64_t base;		/* first sector */
	uint32_t blocks;
	uint32_t block_size;	/* bytes */
	unsigned int depth;
	unsigned int indirect;	/* percent of requests that use an indirect table */
	bool writes_only;
	uint32_t *version;	/* of each block, as acknowledged */
	bool *busy;
	struct vt_req **reqs;
	uint32_t *req_block;	/* what each request is about */
	uint32_t *req_version;
	bool *req_busy;
	unsigned int inflight;
	uint64_t done;
};

/* the blocks start as written by nobody: version 0, which no read checks */
int vt_load_init(struct vt_load *load, struct vt_queue *vq, struct vt_mem *mem, uint64_t base,
		 uint32_t blocks, uint32_t block_size, unsigned int depth);
void vt_load_free(struct vt_load *load);
/* add requests up to the depth and submit them; 0 or -errno */
int vt_load_fill(struct vt_load *load);
/* take what has completed, waiting for one up to timeout_ms; how many, or -errno */
int vt_load_reap(struct vt_load *load, int timeout_ms);
/* until count more are done; drain leaves none in flight */
int vt_load_run(struct vt_load *load, uint64_t count, bool drain);
int vt_load_drain(struct vt_load *load);
/* read the disk itself and compare all that was acknowledged; 0 or -EILSEQ */
int vt_load_verify(struct vt_load *load, int disk);

#endif /* VT_LOAD_H */
