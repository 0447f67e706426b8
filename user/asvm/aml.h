/* SPDX-License-Identifier: GPL-2.0-only */
/* ACPI Machine Language, as far as asvm's DSDT needs it (ACPI 6.4, section 20.2). */
#ifndef ASVM_AML_H
#define ASVM_AML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * struct aml - bytes under construction
 * @failed: @buf was too small; what is in it is no use
 */
struct aml {
	uint8_t *buf;
	size_t len;
	size_t cap;
	bool failed;
};

/* Opcodes; two bytes where the first is the extension prefix 0x5b. */
enum aml_op {
	AML_ZERO	= 0x00,
	AML_ONE		= 0x01,
	AML_NAME	= 0x08,
	AML_SCOPE	= 0x10,
	AML_BUFFER	= 0x11,
	AML_PACKAGE	= 0x12,
	AML_METHOD	= 0x14,
	AML_LOCAL0	= 0x60,
	AML_ARG0	= 0x68,
	AML_ARG1	= 0x69,
	AML_ARG3	= 0x6b,
	AML_STORE	= 0x70,
	AML_AND		= 0x7b,
	AML_OR		= 0x7d,
	AML_NOTIFY	= 0x86,
	AML_CREATE_DWORD = 0x8a,
	AML_LNOT	= 0x92,
	AML_LEQUAL	= 0x93,
	AML_IF		= 0xa0,
	AML_ELSE	= 0xa1,
	AML_RETURN	= 0xa4,
	AML_DEVICE	= 0x5b82,
};

void aml_op(struct aml *a, enum aml_op op);
void aml_byte(struct aml *a, uint8_t v);
void aml_word(struct aml *a, uint16_t v);
void aml_dword(struct aml *a, uint32_t v);
void aml_qword(struct aml *a, uint64_t v);
void aml_bytes(struct aml *a, const void *p, size_t n);

/** aml_int - an integer constant in its shortest form */
void aml_int(struct aml *a, uint64_t v);

/** aml_path - a name string: segments of four characters, '.' between them, '\' for the root */
void aml_path(struct aml *a, const char *path);
void aml_string(struct aml *a, const char *s);

/** aml_eisa_id - "PNP0A08" as the compressed integer */
void aml_eisa_id(struct aml *a, const char *id);

/**
 * aml_open - begin a term that carries its length; aml_close() with the result ends it
 *
 * What follows the length (a device's name, a method's flags, an If's predicate) is added by
 * the caller.
 */
size_t aml_open(struct aml *a, enum aml_op op);
void aml_close(struct aml *a, size_t mark);

size_t aml_open_device(struct aml *a, const char *name);
size_t aml_open_scope(struct aml *a, const char *name);
size_t aml_open_method(struct aml *a, const char *name, unsigned int args);
size_t aml_open_package(struct aml *a, unsigned int elements);

void aml_name_int(struct aml *a, const char *name, uint64_t v);
void aml_name_eisa_id(struct aml *a, const char *name, const char *id);
void aml_name_string(struct aml *a, const char *name, const char *s);

/** aml_name_resources - Name(_CRS, a buffer) of resource descriptors, the end tag added */
void aml_name_resources(struct aml *a, const struct aml *res);

/* Resource descriptors (ACPI 6.4, section 6.4). */
void aml_res_io(struct aml *a, uint16_t base, uint8_t len);
void aml_res_irq_edge(struct aml *a, uint32_t gsi);
void aml_res_fixed_mem32(struct aml *a, uint32_t base, uint32_t len);
void aml_res_bus_window(struct aml *a, uint16_t first, uint16_t last);
void aml_res_mem32_window(struct aml *a, uint32_t base, uint32_t len);
void aml_res_mem64_window(struct aml *a, uint64_t base, uint64_t len);

#endif
