/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The on-disk structures as tables, field by field: what dump.sffs prints, what
 * fsck.sffs finds reserved bytes with, and what the image fuzzer changes.
 */
#ifndef _SFFS_FIELDS_H
#define _SFFS_FIELDS_H

#include "libsffs.h"

enum sffs_field_kind {
	SFFS_F_UINT,	/* unsigned integer of .width bytes */
	SFFS_F_SINT,	/* signed */
	SFFS_F_HEX,	/* unsigned, printed in hexadecimal */
	SFFS_F_MAGIC,
	SFFS_F_CRC,
	SFFS_F_TEXT,	/* .count bytes, ends with a zero */
	SFFS_F_UUID,
	SFFS_F_BYTES,	/* .count bytes, printed in hexadecimal */
	SFFS_F_ZERO,	/* reserved: .count bytes */
	SFFS_F_SUB,	/* .count structures .sub */
	SFFS_F_AREA,	/* .count bytes that mean what another field says */
};

struct sffs_struct;

/**
 * struct sffs_field - one field of an on-disk structure
 * @name: as in the format document
 * @offset: bytes from the start of the structure
 * @width: bytes of one element
 * @count: elements
 * @kind: enum sffs_field_kind
 * @big_endian: a field of jbd2
 * @sub: structure of the elements of SFFS_F_SUB
 */
struct sffs_field {
	const char *name;
	uint16_t offset, width, count;
	uint8_t kind;
	bool big_endian;
	const struct sffs_struct *sub;
};

/**
 * struct sffs_struct - an on-disk structure
 * @name: what people call it
 * @magic: SFFS_MAGIC_*, or 0 if it is part of another structure
 * @size: bytes
 * @field: its fields in their order, ended by one without a name
 */
struct sffs_struct {
	const char *name;
	uint32_t magic;
	uint16_t size;
	const struct sffs_field *field;
};

extern const struct sffs_struct sffs_struct_node_head, sffs_struct_index, sffs_struct_extent,
	sffs_struct_dir_head, sffs_struct_dirent, sffs_struct_xattr_entry, sffs_struct_journal,
	sffs_struct_lock, sffs_struct_slot, sffs_struct_mail, sffs_struct_bitmap;

/* The structure that starts with a magic number; NULL if there is none. */
const struct sffs_struct *sffs_struct_of(uint32_t magic);

/* Element @i of an integer field, sign-extended for SFFS_F_SINT. */
uint64_t sffs_field_get(const struct sffs_field *f, const void *base, unsigned int i);
void sffs_field_put(const struct sffs_field *f, void *base, unsigned int i, uint64_t v);

/* Are all reserved bytes zero? With @clear they are made so. */
bool sffs_reserved_zero(const struct sffs_struct *s, void *base, bool clear);

bool sffs_is_zero(const void *p, size_t len);

#endif /* _SFFS_FIELDS_H */
