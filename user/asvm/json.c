// SPDX-License-Identifier: GPL-2.0-only
/* A reader of flat JSON objects and a writer of any JSON. */
#include "json.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

struct reader {
	char *p;
	const char *why;
};

static int refuse(struct reader *r, const char *why)
{
	r->why = why;
	return -EINVAL;
}

static void skip_space(struct reader *r)
{
	while (*r->p == ' ' || *r->p == '\t' || *r->p == '\r' || *r->p == '\n')
		r->p++;
}

/* Length of the UTF-8 sequence at @s, 0 if it is not one. */
static unsigned int utf8_len(const unsigned char *s)
{
	unsigned int n, i;
	uint32_t c;

	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf) {
		n = 2;
		c = s[0] & 0x1f;
	} else if (s[0] >= 0xe0 && s[0] <= 0xef) {
		n = 3;
		c = s[0] & 0x0f;
	} else if (s[0] >= 0xf0 && s[0] <= 0xf4) {
		n = 4;
		c = s[0] & 0x07;
	} else {
		return 0;
	}
	for (i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (n == 3 && (c < 0x800 || (c >= 0xd800 && c <= 0xdfff)))
		return 0;
	if (n == 4 && (c < 0x10000 || c > 0x10ffff))
		return 0;
	return n;
}

static char *utf8_put(char *to, uint32_t c)
{
	if (c < 0x80) {
		*to++ = c;
	} else if (c < 0x800) {
		*to++ = 0xc0 | c >> 6;
		*to++ = 0x80 | (c & 0x3f);
	} else if (c < 0x10000) {
		*to++ = 0xe0 | c >> 12;
		*to++ = 0x80 | (c >> 6 & 0x3f);
		*to++ = 0x80 | (c & 0x3f);
	} else {
		*to++ = 0xf0 | c >> 18;
		*to++ = 0x80 | (c >> 12 & 0x3f);
		*to++ = 0x80 | (c >> 6 & 0x3f);
		*to++ = 0x80 | (c & 0x3f);
	}
	return to;
}

static int hex4(struct reader *r, uint32_t *value)
{
	int i;

	*value = 0;
	for (i = 0; i < 4; i++, r->p++) {
		char c = *r->p;

		*value <<= 4;
		if (c >= '0' && c <= '9')
			*value |= c - '0';
		else if (c >= 'a' && c <= 'f')
			*value |= c - 'a' + 10;
		else if (c >= 'A' && c <= 'F')
			*value |= c - 'A' + 10;
		else
			return refuse(r, "\\u needs four hexadecimal digits");
	}
	return 0;
}

/* After "\u": one code point, from a surrogate pair too. */
static int unicode_escape(struct reader *r, char **to)
{
	uint32_t c, low;

	if (hex4(r, &c))
		return -EINVAL;
	if (!c)
		return refuse(r, "a string must not hold \\u0000");
	if (c >= 0xd800 && c <= 0xdbff) {
		if (r->p[0] != '\\' || r->p[1] != 'u')
			return refuse(r, "half of a surrogate pair");
		r->p += 2;
		if (hex4(r, &low))
			return -EINVAL;
		if (low < 0xdc00 || low > 0xdfff)
			return refuse(r, "half of a surrogate pair");
		c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
	} else if (c >= 0xdc00 && c <= 0xdfff) {
		return refuse(r, "half of a surrogate pair");
	}
	*to = utf8_put(*to, c);
	return 0;
}

static int read_escape(struct reader *r, char **to)
{
	static const char from[] = "\"\\/bfnrt";
	static const char into[] = "\"\\/\b\f\n\r\t";
	const char *hit;

	if (*r->p == 'u') {
		r->p++;
		return unicode_escape(r, to);
	}
	hit = *r->p ? strchr(from, *r->p) : NULL;
	if (!hit)
		return refuse(r, "unknown escape in a string");
	*(*to)++ = into[hit - from];
	r->p++;
	return 0;
}

/* Decoding never makes text longer, so the string is decoded where it stands. */
static int read_string(struct reader *r, const char **value)
{
	char *to;

	if (*r->p != '"')
		return refuse(r, "expected a string in double quotes");
	to = ++r->p;
	*value = to;
	while (*r->p != '"') {
		unsigned int n;

		if (!*r->p)
			return refuse(r, "a string has no closing quote");
		if ((unsigned char)*r->p < 0x20)
			return refuse(r, "a control character in a string");
		if (*r->p == '\\') {
			r->p++;
			if (read_escape(r, &to))
				return -EINVAL;
			continue;
		}
		n = utf8_len((const unsigned char *)r->p);
		if (!n)
			return refuse(r, "the text is not UTF-8");
		memmove(to, r->p, n);
		to += n;
		r->p += n;
	}
	r->p++;
	*to = '\0';
	return 0;
}

static int read_number(struct reader *r, int64_t *value)
{
	bool minus = *r->p == '-';
	uint64_t v = 0;

	if (minus)
		r->p++;
	if (*r->p < '0' || *r->p > '9')
		return refuse(r, "expected a string, a number, true, false or null");
	if (*r->p == '0' && r->p[1] >= '0' && r->p[1] <= '9')
		return refuse(r, "a number must not begin with 0");
	for (; *r->p >= '0' && *r->p <= '9'; r->p++) {
		unsigned int digit = *r->p - '0';

		if (v > ((uint64_t)INT64_MAX - digit) / 10)
			return refuse(r, "a number is out of range");
		v = v * 10 + digit;
	}
	if (*r->p == '.' || *r->p == 'e' || *r->p == 'E')
		return refuse(r, "only whole numbers are taken");
	*value = minus ? -(int64_t)v : (int64_t)v;
	return 0;
}

static bool word(struct reader *r, const char *w)
{
	size_t n = strlen(w);

	if (strncmp(r->p, w, n))
		return false;
	r->p += n;
	return true;
}

static int read_value(struct reader *r, struct json_member *m)
{
	m->str = "";
	m->num = 0;
	if (*r->p == '"') {
		m->type = JSON_STRING;
		return read_string(r, &m->str);
	}
	if (*r->p == '{' || *r->p == '[')
		return refuse(r, "only a flat object is taken");
	m->type = JSON_BOOL;
	if (word(r, "true")) {
		m->num = 1;
		return 0;
	}
	if (word(r, "false"))
		return 0;
	m->type = JSON_NULL;
	if (word(r, "null"))
		return 0;
	m->type = JSON_NUMBER;
	return read_number(r, &m->num);
}

static int read_member(struct reader *r, struct json_object *obj)
{
	struct json_member *m = &obj->member[obj->count];
	unsigned int i;

	if (obj->count == JSON_MEMBERS_MAX)
		return refuse(r, "too many members");
	if (read_string(r, &m->key))
		return -EINVAL;
	for (i = 0; i < obj->count; i++)
		if (!strcmp(obj->member[i].key, m->key))
			return refuse(r, "a key comes twice");
	skip_space(r);
	if (*r->p++ != ':')
		return refuse(r, "expected ':' after a key");
	skip_space(r);
	if (read_value(r, m))
		return -EINVAL;
	obj->count++;
	return 0;
}

static int read_object(struct reader *r, struct json_object *obj)
{
	skip_space(r);
	if (*r->p++ != '{')
		return refuse(r, "expected an object: {\"key\":value,...}");
	skip_space(r);
	if (*r->p == '}') {
		r->p++;
		return 0;
	}
	for (;;) {
		if (read_member(r, obj))
			return -EINVAL;
		skip_space(r);
		if (*r->p == '}')
			break;
		if (*r->p++ != ',')
			return refuse(r, "expected ',' or '}' after a value");
		skip_space(r);
	}
	r->p++;
	return 0;
}

int json_parse(struct json_object *obj, char *line, const char **why)
{
	struct reader r = { .p = line };

	obj->count = 0;
	if (!read_object(&r, obj)) {
		skip_space(&r);
		if (!*r.p)
			return 0;
		refuse(&r, "text after the object");
	}
	obj->count = 0;
	*why = r.why;
	return -EINVAL;
}

const struct json_member *json_get(const struct json_object *obj,
				   const char *key, enum json_type type)
{
	unsigned int i;

	for (i = 0; i < obj->count; i++)
		if (obj->member[i].type == type &&
		    !strcmp(obj->member[i].key, key))
			return &obj->member[i];
	return NULL;
}

const char *json_get_str(const struct json_object *obj, const char *key)
{
	const struct json_member *m = json_get(obj, key, JSON_STRING);

	return m ? m->str : NULL;
}

void json_out_init(struct json_out *out, char *buf, size_t size)
{
	*out = (struct json_out){ .buf = buf, .size = size };
	buf[0] = '\0';
}

void json_out_file(struct json_out *out, FILE *file)
{
	*out = (struct json_out){ .file = file };
}

static void emit(struct json_out *out, const char *text, size_t n)
{
	if (out->file) {
		if (fwrite(text, 1, n, out->file) != n)
			out->overflow = true;
		return;
	}
	if (out->overflow || n >= out->size - out->len) {
		out->overflow = true;
		return;
	}
	memcpy(out->buf + out->len, text, n);
	out->len += n;
	out->buf[out->len] = '\0';
}

static void emit_quoted(struct json_out *out, const char *text)
{
	char hex[8];

	emit(out, "\"", 1);
	while (*text) {
		unsigned int n = utf8_len((const unsigned char *)text);
		unsigned char c = *text;

		if (!n) {
			/* A byte that is not UTF-8 becomes U+FFFD. */
			emit(out, "\xef\xbf\xbd", 3);
			n = 1;
		} else if (c == '"' || c == '\\') {
			emit(out, "\\", 1);
			emit(out, text, 1);
		} else if (c < 0x20 || c == 0x7f) {
			snprintf(hex, sizeof(hex), "\\u%04x", c);
			emit(out, hex, 6);
		} else {
			emit(out, text, n);
		}
		text += n;
	}
	emit(out, "\"", 1);
}

static void begin(struct json_out *out, const char *key)
{
	if (out->comma)
		emit(out, ",", 1);
	out->comma = true;
	if (key) {
		emit_quoted(out, key);
		emit(out, ":", 1);
	}
}

void json_open(struct json_out *out, const char *key, char bracket)
{
	begin(out, key);
	emit(out, &bracket, 1);
	out->comma = false;
}

void json_close(struct json_out *out, char bracket)
{
	emit(out, &bracket, 1);
	out->comma = true;
}

void json_str(struct json_out *out, const char *key, const char *value)
{
	begin(out, key);
	emit_quoted(out, value);
}

void json_u64(struct json_out *out, const char *key, uint64_t value)
{
	char text[24];

	begin(out, key);
	emit(out, text, snprintf(text, sizeof(text), "%" PRIu64, value));
}

void json_s64(struct json_out *out, const char *key, int64_t value)
{
	char text[24];

	begin(out, key);
	emit(out, text, snprintf(text, sizeof(text), "%" PRId64, value));
}

void json_bool(struct json_out *out, const char *key, bool value)
{
	begin(out, key);
	if (value)
		emit(out, "true", 4);
	else
		emit(out, "false", 5);
}
