// SPDX-License-Identifier: GPL-2.0-only
/* dump.sffs: output, for people and as JSON. */
#include <string.h>
#include <uuid/uuid.h>

#include "dump.h"

static void indent(const struct dump *d)
{
	printf("%*s", 2 * d->indent, "");
}

void dump_open(struct dump *d, const char *name, char bracket)
{
	if (d->json) {
		json_open(&d->out, name, bracket);
		return;
	}
	if (name) {
		indent(d);
		printf("%s:\n", name);
	} else if (bracket == '{' && d->indent) {
		indent(d);
		puts("-");
	}
	d->indent++;
}

void dump_close(struct dump *d, char bracket)
{
	if (d->json)
		json_close(&d->out, bracket);
	else
		d->indent--;
}

void dump_u64(struct dump *d, const char *name, uint64_t v)
{
	if (d->json) {
		json_u64(&d->out, name, v);
		return;
	}
	indent(d);
	printf("%s%s%llu\n", name ? name : "", name ? ": " : "", (unsigned long long)v);
}

static void print_s64(struct dump *d, const char *name, int64_t v)
{
	if (d->json) {
		json_s64(&d->out, name, v);
		return;
	}
	indent(d);
	printf("%s%s%lld\n", name ? name : "", name ? ": " : "", (long long)v);
}

void dump_str(struct dump *d, const char *name, const char *v)
{
	if (d->json) {
		json_str(&d->out, name, v);
		return;
	}
	indent(d);
	printf("%s%s%s\n", name ? name : "", name ? ": " : "", v);
}

void dump_text(struct dump *d, const char *name, const void *text, size_t len)
{
	const unsigned char *p = text;
	char buf[1100];
	size_t n = 0;

	for (size_t i = 0; i < len && n + 5 < sizeof(buf); i++) {
		if (p[i] >= ' ' && p[i] < 0x7f && p[i] != '\\')
			buf[n++] = p[i];
		else
			n += snprintf(buf + n, 5, "\\x%02x", p[i]);
	}
	buf[n] = 0;
	dump_str(d, name, buf);
}

void dump_fault(struct dump *d, const char *why)
{
	if (!why)
		return;
	d->damaged = true;
	dump_str(d, "damaged", why);
}

static void print_bytes(struct dump *d, const char *name, const uint8_t *p, size_t len)
{
	char buf[2 * 64 + 1];

	for (size_t i = 0; i < len && i < 64; i++)
		snprintf(buf + 2 * i, 3, "%02x", p[i]);
	dump_str(d, name, buf);
}

static void print_number(struct dump *d, const struct sffs_field *f, const char *name,
			 const void *base, unsigned int i)
{
	uint64_t v = sffs_field_get(f, base, i);
	char buf[32];

	if (f->kind == SFFS_F_SINT) {
		print_s64(d, name, v);
	} else if (f->kind == SFFS_F_UINT || d->json) {
		dump_u64(d, name, v);
	} else {
		snprintf(buf, sizeof(buf), "0x%llx", (unsigned long long)v);
		dump_str(d, name, buf);
	}
}

/* An array: what is behind the last element that is not zero is left out. */
static void print_numbers(struct dump *d, const struct sffs_field *f, const void *base)
{
	unsigned int n = f->count;

	while (n && !sffs_field_get(f, base, n - 1))
		n--;
	if (!n)
		return;
	dump_open(d, f->name, '[');
	for (unsigned int i = 0; i < n; i++)
		print_number(d, f, NULL, base, i);
	dump_close(d, ']');
}

static void print_sub(struct dump *d, const struct sffs_field *f, const void *base)
{
	const uint8_t *p = (const uint8_t *)base + f->offset;

	if (f->count == 1) {
		if (f->offset && sffs_is_zero(p, f->width))
			return;
		dump_open(d, f->name, '{');
		dump_struct(d, f->sub, p);
		dump_close(d, '}');
		return;
	}
	if (sffs_is_zero(p, (size_t)f->count * f->width))
		return;
	dump_open(d, f->name, '[');
	for (unsigned int i = 0; i < f->count; i++) {
		if (sffs_is_zero(p + (size_t)i * f->width, f->width))
			continue;
		dump_open(d, NULL, '{');
		dump_u64(d, "index", i);
		dump_struct(d, f->sub, p + (size_t)i * f->width);
		dump_close(d, '}');
	}
	dump_close(d, ']');
}

static void print_field(struct dump *d, const struct sffs_field *f, const void *base)
{
	const uint8_t *p = (const uint8_t *)base + f->offset;
	char uuid[UUID_STR_LEN];

	switch (f->kind) {
	case SFFS_F_MAGIC:
		dump_text(d, f->name, p, 4);
		break;
	case SFFS_F_TEXT:
		dump_text(d, f->name, p, strnlen((const char *)p, f->count));
		break;
	case SFFS_F_UUID:
		uuid_unparse(p, uuid);
		dump_str(d, f->name, uuid);
		break;
	case SFFS_F_BYTES:
		print_bytes(d, f->name, p, f->count);
		break;
	case SFFS_F_ZERO:
		if (!sffs_is_zero(p, f->count))
			dump_str(d, f->name, "not zero");
		break;
	case SFFS_F_SUB:
		print_sub(d, f, base);
		break;
	case SFFS_F_AREA:
		break;
	default:
		if (f->count == 1)
			print_number(d, f, f->name, base, 0);
		else
			print_numbers(d, f, base);
	}
}

void dump_struct(struct dump *d, const struct sffs_struct *s, const void *base)
{
	for (const struct sffs_field *f = s->field; f->name; f++)
		print_field(d, f, base);
}
