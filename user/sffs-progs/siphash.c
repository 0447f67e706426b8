// SPDX-License-Identifier: GPL-2.0-only
/* SipHash-2-4, which gives directory entries their keys. */
#include <string.h>

#include "build.h"

#define SEQ_MASK	((1ULL << SFFS_DIR_SEQ_BITS) - 1)

static uint64_t rotl(uint64_t v, unsigned int n)
{
	return v << n | v >> (64 - n);
}

static void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = rotl(v[1], 13) ^ v[0];
	v[3] = rotl(v[3], 16) ^ v[2];
	v[0] = rotl(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = rotl(v[1], 17) ^ v[2];
	v[3] = rotl(v[3], 21) ^ v[0];
	v[2] = rotl(v[2], 32);
}

static void sip_word(uint64_t v[4], uint64_t m)
{
	v[3] ^= m;
	sip_round(v);
	sip_round(v);
	v[0] ^= m;
}

static uint64_t siphash(const uint8_t *key, const void *data, size_t len)
{
	const uint8_t *p = data;
	uint64_t k[2], m, v[4];
	size_t left = len;

	memcpy(k, key, sizeof(k));
	v[0] = le64toh(k[0]) ^ 0x736f6d6570736575ULL;
	v[1] = le64toh(k[1]) ^ 0x646f72616e646f6dULL;
	v[2] = le64toh(k[0]) ^ 0x6c7967656e657261ULL;
	v[3] = le64toh(k[1]) ^ 0x7465646279746573ULL;
	for (; left >= 8; left -= 8, p += 8) {
		memcpy(&m, p, 8);
		sip_word(v, le64toh(m));
	}
	m = (uint64_t)len << 56;
	for (size_t i = 0; i < left; i++)
		m |= (uint64_t)p[i] << (8 * i);
	sip_word(v, m);
	v[2] ^= 0xff;
	for (int i = 0; i < 4; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t sffs_name_key(const struct sffs_volume *vol, const void *name, size_t len)
{
	uint64_t key = (siphash(vol->sb.hash_key, name, len) >> 1) & ~SEQ_MASK;

	return key < 2 ? 2 : key;
}
