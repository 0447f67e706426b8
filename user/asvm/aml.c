// SPDX-License-Identifier: GPL-2.0-only
/* ACPI Machine Language. */
#include <stdlib.h>
#include <string.h>

#include "aml.h"

#define AML_PREFIX_BYTE		0x0a
#define AML_PREFIX_WORD		0x0b
#define AML_PREFIX_DWORD	0x0c
#define AML_PREFIX_STRING	0x0d
#define AML_PREFIX_QWORD	0x0e
#define AML_PREFIX_DUAL		0x2e
#define AML_PREFIX_MULTI	0x2f

/* the largest PkgLength field */
#define AML_LEN_BYTES		4

void aml_bytes(struct aml *a, const void *p, size_t n)
{
	if (a->failed || n > a->cap - a->len) {
		a->failed = true;
		return;
	}
	memcpy(a->buf + a->len, p, n);
	a->len += n;
}

void aml_byte(struct aml *a, uint8_t v)
{
	aml_bytes(a, &v, sizeof(v));
}

void aml_word(struct aml *a, uint16_t v)
{
	aml_bytes(a, &v, sizeof(v));
}

void aml_dword(struct aml *a, uint32_t v)
{
	aml_bytes(a, &v, sizeof(v));
}

void aml_qword(struct aml *a, uint64_t v)
{
	aml_bytes(a, &v, sizeof(v));
}

void aml_op(struct aml *a, enum aml_op op)
{
	if (op > 0xff)
		aml_byte(a, op >> 8);
	aml_byte(a, op & 0xff);
}

void aml_int(struct aml *a, uint64_t v)
{
	if (v <= 1) {
		aml_byte(a, v ? AML_ONE : AML_ZERO);
	} else if (v <= 0xff) {
		aml_byte(a, AML_PREFIX_BYTE);
		aml_byte(a, v);
	} else if (v <= 0xffff) {
		aml_byte(a, AML_PREFIX_WORD);
		aml_word(a, v);
	} else if (v <= 0xffffffff) {
		aml_byte(a, AML_PREFIX_DWORD);
		aml_dword(a, v);
	} else {
		aml_byte(a, AML_PREFIX_QWORD);
		aml_qword(a, v);
	}
}

void aml_path(struct aml *a, const char *path)
{
	size_t segs;

	if (*path == '\\') {
		aml_byte(a, '\\');
		path++;
	}
	segs = (strlen(path) + 1) / 5;
	if (segs == 2) {
		aml_byte(a, AML_PREFIX_DUAL);
	} else if (segs > 2) {
		aml_byte(a, AML_PREFIX_MULTI);
		aml_byte(a, segs);
	}
	for (; segs; segs--, path += 5)
		aml_bytes(a, path, 4);
}

void aml_string(struct aml *a, const char *s)
{
	aml_byte(a, AML_PREFIX_STRING);
	aml_bytes(a, s, strlen(s) + 1);
}

void aml_eisa_id(struct aml *a, const char *id)
{
	/* three letters of five bits, then four hex digits, all big-endian */
	uint32_t v = (uint32_t)(id[0] - '@') << 26 | (id[1] - '@') << 21 | (id[2] - '@') << 16 |
		     strtoul(id + 3, NULL, 16);

	aml_byte(a, AML_PREFIX_DWORD);
	aml_dword(a, __builtin_bswap32(v));
}

size_t aml_open(struct aml *a, enum aml_op op)
{
	static const uint8_t room[AML_LEN_BYTES];
	size_t mark;

	aml_op(a, op);
	mark = a->len;
	aml_bytes(a, room, sizeof(room));
	return mark;
}

void aml_close(struct aml *a, size_t mark)
{
	size_t body, n, len;
	uint8_t enc[AML_LEN_BYTES];

	if (a->failed)
		return;
	body = a->len - mark - AML_LEN_BYTES;
	/* the length counts its own bytes: 6 bits in one, else 4 bits and 8 in each that follows */
	if (body + 1 < 1 << 6)
		n = 1;
	else if (body + 2 < 1 << 12)
		n = 2;
	else if (body + 3 < 1 << 20)
		n = 3;
	else
		n = 4;
	len = body + n;
	enc[0] = n == 1 ? len : (n - 1) << 6 | (len & 0xf);
	enc[1] = len >> 4;
	enc[2] = len >> 12;
	enc[3] = len >> 20;
	memcpy(a->buf + mark, enc, n);
	memmove(a->buf + mark + n, a->buf + mark + AML_LEN_BYTES, body);
	a->len = mark + len;
}

size_t aml_open_device(struct aml *a, const char *name)
{
	size_t mark = aml_open(a, AML_DEVICE);

	aml_path(a, name);
	return mark;
}

size_t aml_open_scope(struct aml *a, const char *name)
{
	size_t mark = aml_open(a, AML_SCOPE);

	aml_path(a, name);
	return mark;
}

size_t aml_open_method(struct aml *a, const char *name, unsigned int args)
{
	size_t mark = aml_open(a, AML_METHOD);

	aml_path(a, name);
	aml_byte(a, args);
	return mark;
}

size_t aml_open_package(struct aml *a, unsigned int elements)
{
	size_t mark = aml_open(a, AML_PACKAGE);

	aml_byte(a, elements);
	return mark;
}

static void aml_name(struct aml *a, const char *name)
{
	aml_op(a, AML_NAME);
	aml_path(a, name);
}

void aml_name_int(struct aml *a, const char *name, uint64_t v)
{
	aml_name(a, name);
	aml_int(a, v);
}

void aml_name_eisa_id(struct aml *a, const char *name, const char *id)
{
	aml_name(a, name);
	aml_eisa_id(a, id);
}

void aml_name_string(struct aml *a, const char *name, const char *s)
{
	aml_name(a, name);
	aml_string(a, s);
}

void aml_name_resources(struct aml *a, const struct aml *res)
{
	size_t mark;

	a->failed |= res->failed;
	aml_name(a, "_CRS");
	mark = aml_open(a, AML_BUFFER);
	aml_int(a, res->len + 2);
	aml_bytes(a, res->buf, res->len);
	aml_byte(a, 0x79);	/* end tag, checksum 0: not used */
	aml_byte(a, 0);
	aml_close(a, mark);
}

void aml_res_io(struct aml *a, uint16_t base, uint8_t len)
{
	aml_byte(a, 0x47);
	aml_byte(a, 1);		/* 16-bit decode */
	aml_word(a, base);
	aml_word(a, base);
	aml_byte(a, 1);		/* alignment */
	aml_byte(a, len);
}

void aml_res_irq_edge(struct aml *a, uint32_t gsi)
{
	aml_byte(a, 0x89);
	aml_word(a, 6);
	aml_byte(a, 1 << 0 | 1 << 1);	/* consumer, edge, active high, exclusive */
	aml_byte(a, 1);
	aml_dword(a, gsi);
}

void aml_res_fixed_mem32(struct aml *a, uint32_t base, uint32_t len)
{
	aml_byte(a, 0x86);
	aml_word(a, 9);
	aml_byte(a, 1);		/* writable */
	aml_dword(a, base);
	aml_dword(a, len);
}

/* The head of an address space descriptor: a window that its device produces. */
static void aml_res_window(struct aml *a, uint8_t tag, uint16_t len, uint8_t type, uint8_t flags)
{
	aml_byte(a, tag);
	aml_word(a, len);
	aml_byte(a, type);
	aml_byte(a, 1 << 2 | 1 << 3);	/* minimum and maximum are fixed */
	aml_byte(a, flags);
}

void aml_res_bus_window(struct aml *a, uint16_t first, uint16_t last)
{
	aml_res_window(a, 0x88, 13, 2, 0);
	aml_word(a, 0);
	aml_word(a, first);
	aml_word(a, last);
	aml_word(a, 0);
	aml_word(a, last - first + 1);
}

void aml_res_mem32_window(struct aml *a, uint32_t base, uint32_t len)
{
	aml_res_window(a, 0x87, 23, 0, 1);
	aml_dword(a, 0);
	aml_dword(a, base);
	aml_dword(a, base + len - 1);
	aml_dword(a, 0);
	aml_dword(a, len);
}

void aml_res_mem64_window(struct aml *a, uint64_t base, uint64_t len)
{
	aml_res_window(a, 0x8a, 43, 0, 1 | 3 << 1);	/* writable, prefetchable */
	aml_qword(a, 0);
	aml_qword(a, base);
	aml_qword(a, base + len - 1);
	aml_qword(a, 0);
	aml_qword(a, len);
}
