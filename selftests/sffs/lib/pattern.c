// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "pattern.h"
#include "volume.h"

void pattern_fill(uint64_t *state, uint8_t *p, uint64_t len)
{
	uint64_t v = rnd(state) | 0x0101010101010101ULL, i;

	for (i = 0; i + 8 <= len; i += 8, v += 0x0100000000010001ULL)
		memcpy(p + i, &v, 8);
	memcpy(p + i, &v, len - i);
}

uint64_t pattern_differs(const uint8_t *got, const uint8_t *want, uint64_t len)
{
	uint64_t i;

	if (!memcmp(got, want, len))
		return len;
	for (i = 0; got[i] == want[i]; i++)
		;
	return i;
}
