/* SPDX-License-Identifier: GPL-2.0-only */
/* The kernel's names, also in user space, for the parts that are tested there, too. */
#ifndef _SFFS_PURE_H
#define _SFFS_PURE_H

#ifdef __KERNEL__
#include <linux/compiler_attributes.h>
#include <linux/string.h>
#include <linux/types.h>
#include <asm/byteorder.h>
#else
#include <endian.h>
#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s16 s16;
typedef __s32 s32;
#define fallthrough	__attribute__((__fallthrough__))
#define le16_to_cpu	le16toh
#define le32_to_cpu	le32toh
#define le64_to_cpu	le64toh
#define cpu_to_le16	htole16
#define cpu_to_le32	htole32
#define cpu_to_le64	htole64
#endif

/* The checksum of what begins as struct sffs_header does: trans.c, and libsffs. */
bool sffs_crc_ok(const void *buf, size_t len, u32 seed);
void sffs_set_crc(void *buf, size_t len, u32 seed);

#endif /* _SFFS_PURE_H */
