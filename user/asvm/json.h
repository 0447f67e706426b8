/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef ASVM_JSON_H
#define ASVM_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/*
 * The control socket speaks JSON lines, and every line is one flat object: the
 * reader takes nothing else, so its work and its memory are bounded by the line.
 */
#define JSON_LINE_MAX	4096
#define JSON_MEMBERS_MAX 32

enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING };

/**
 * struct json_member - one member of a flat object
 * @key: name, NUL-terminated
 * @str: the decoded text of a string; for other types the empty string
 * @num: value of a number, or 0 and 1 for a boolean
 * @type: which of them holds
 */
struct json_member {
	const char *key;
	const char *str;
	int64_t num;
	enum json_type type;
};

struct json_object {
	struct json_member member[JSON_MEMBERS_MAX];
	unsigned int count;
};

/**
 * json_parse() - read one flat object
 * @obj: filled in; its strings point into @line
 * @line: NUL-terminated text, changed in place
 * @why: set to a constant text when the line is refused
 *
 * Takes strings, whole numbers of 64 bits, booleans and null. Refuses nesting,
 * a key that comes twice, a NUL in a string and text that is not UTF-8.
 *
 * Return: 0, or -EINVAL.
 */
int json_parse(struct json_object *obj, char *line, const char **why);

const struct json_member *json_get(const struct json_object *obj,
				   const char *key, enum json_type type);
const char *json_get_str(const struct json_object *obj, const char *key);

/**
 * struct json_out - writer of any JSON, into a buffer or a stream
 * @buf: where text goes when @file is NULL, always NUL-terminated
 * @size: bytes at @buf
 * @len: bytes written, never more than @size - 1
 * @file: stream that takes the text instead
 * @comma: a value was written before at this level
 * @overflow: text did not fit and is cut
 */
struct json_out {
	char *buf;
	size_t size;
	size_t len;
	FILE *file;
	bool comma;
	bool overflow;
};

void json_out_init(struct json_out *out, char *buf, size_t size);
void json_out_file(struct json_out *out, FILE *file);

/* @key is NULL inside a list, and for the outermost value. */
void json_open(struct json_out *out, const char *key, char bracket);
void json_close(struct json_out *out, char bracket);
void json_str(struct json_out *out, const char *key, const char *value);
void json_u64(struct json_out *out, const char *key, uint64_t value);
void json_s64(struct json_out *out, const char *key, int64_t value);
void json_bool(struct json_out *out, const char *key, bool value);

#endif
