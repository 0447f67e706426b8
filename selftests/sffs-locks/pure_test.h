/* SPDX-License-Identifier: GPL-2.0-only */
/* What the tests of the pure parts share. */
#ifndef _SFFS_PURE_TEST_H
#define _SFFS_PURE_TEST_H

#include <stdio.h>
#include <stdlib.h>

#include "pure.h"

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))

/* Random numbers that are the same in each run, so that what failed once fails again. */
static u64 rnd_state = 88172645463325252ULL;

static inline u64 rnd64(void)
{
	rnd_state ^= rnd_state << 13;
	rnd_state ^= rnd_state >> 7;
	rnd_state ^= rnd_state << 17;
	return rnd_state;
}

static inline u32 rnd(u32 below)
{
	return (rnd64() >> 11) % below;
}

static inline unsigned int rounds(unsigned int few)
{
	const char *s = getenv("ASV_LONG");

	return s && *s ? 100 * few : few;
}

/* In place of CRC-32C, which the module and libsffs have: any sum will do here. */
static u32 sum(const u8 *p, size_t len, u32 seed)
{
	for (size_t i = 0; i < len; i++)
		seed = (seed ^ (i / 4 == 1 ? 0 : p[i])) * 16777619;
	return seed;
}

bool sffs_crc_ok(const void *buf, size_t len, u32 seed)
{
	u32 want = htole32(sum(buf, len, seed));

	return !memcmp((const u8 *)buf + 4, &want, 4);
}

void sffs_set_crc(void *buf, size_t len, u32 seed)
{
	u32 want = htole32(sum(buf, len, seed));

	memcpy((u8 *)buf + 4, &want, 4);
}

struct result {
	const char *name;
	bool ok;
};

static inline int report(const struct result *test, unsigned int n)
{
	unsigned int failed = 0;

	printf("TAP version 13\n1..%u\n", n);
	for (unsigned int i = 0; i < n; i++) {
		printf("%sok %u %s\n", test[i].ok ? "" : "not ", i + 1, test[i].name);
		failed += !test[i].ok;
	}
	return failed ? 1 : 0;
}

#endif /* _SFFS_PURE_TEST_H */
