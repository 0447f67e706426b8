/* SPDX-License-Identifier: GPL-2.0-only */
/* A small generator with a printable seed: every random test can be replayed. */
#ifndef VT_PRNG_H
#define VT_PRNG_H

#include <stdint.h>
#include <stdlib.h>
#include <time.h>

struct vt_prng {
	uint64_t state;
};

static inline uint64_t vt_rand(struct vt_prng *rng)
{
	uint64_t z = rng->state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

/* 0 to n - 1 */
static inline uint32_t vt_below(struct vt_prng *rng, uint32_t n)
{
	return (uint32_t)(vt_rand(rng) >> 32) % n;
}

/* true once in n */
static inline int vt_one_in(struct vt_prng *rng, uint32_t n)
{
	return vt_below(rng, n) == 0;
}

/* ASV_TEST_SEED of the environment, or the clock */
static inline uint64_t vt_seed(void)
{
	const char *s = getenv("ASV_TEST_SEED");
	struct timespec now;

	if (s && *s)
		return strtoull(s, NULL, 0);
	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000ULL + now.tv_nsec;
}

#endif /* VT_PRNG_H */
