/* SPDX-License-Identifier: GPL-2.0-only */
/* Random changes to good input: what comes out is mostly almost right. */
#ifndef SELFTESTS_ASVM_FUZZ_H
#define SELFTESTS_ASVM_FUZZ_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct fuzz {
	uint64_t state;
};

/* xorshift: the same seed gives the same run everywhere */
static inline uint32_t fuzz_next(struct fuzz *f)
{
	f->state ^= f->state << 13;
	f->state ^= f->state >> 7;
	f->state ^= f->state << 17;
	return f->state >> 32;
}

static inline uint32_t fuzz_below(struct fuzz *f, uint32_t n)
{
	return fuzz_next(f) % n;
}

static inline unsigned int fuzz_rounds(void)
{
	const char *more = getenv("ASV_LONG");

	return more && *more ? 2000000 : 40000;
}

/**
 * fuzz_change() - change @data of @len bytes, in room of @max
 * @alphabet: bytes that mean something to the parser
 * Return: the new length.
 */
static inline size_t fuzz_change(struct fuzz *f, char *data, size_t len,
				 size_t max, const char *alphabet)
{
	unsigned int changes = 1 + fuzz_below(f, 4);

	while (changes--) {
		size_t at = len ? fuzz_below(f, len) : 0;
		size_t n = 1 + fuzz_below(f, 8);

		switch (fuzz_below(f, 5)) {
		case 0:		/* one bit */
			if (len)
				data[at] ^= 1 << fuzz_below(f, 8);
			break;
		case 1:		/* one byte that means something */
			if (len)
				data[at] = alphabet[fuzz_below(f, strlen(alphabet))];
			break;
		case 2:		/* a piece goes */
			if (n > len - at)
				n = len - at;
			memmove(data + at, data + at + n, len - at - n);
			len -= n;
			break;
		case 3:		/* a piece comes twice */
			if (n > len - at)
				n = len - at;
			if (len + n > max)
				break;
			memmove(data + at + n, data + at, len - at);
			len += n;
			break;
		default:	/* the end goes */
			if (!fuzz_below(f, 8))
				len = at;
			break;
		}
	}
	return len;
}

#endif
