// SPDX-License-Identifier: GPL-2.0-only
/* Readers for the values of options. */
#include "values.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* Digits only, so that a sign, a blank or an empty text is never a number. */
static const char *digits(const char *text, uint64_t *value, const char **end)
{
	uint64_t v = 0;
	const char *p;

	for (p = text; isdigit((unsigned char)*p); p++) {
		if (v > (UINT64_MAX - (*p - '0')) / 10)
			return "the number is too large";
		v = v * 10 + (*p - '0');
	}
	if (p == text)
		return "expected a number";
	*value = v;
	*end = p;
	return NULL;
}

const char *value_u64(const char *text, uint64_t min, uint64_t max,
		      uint64_t *value)
{
	const char *end, *why;
	uint64_t v;

	why = digits(text, &v, &end);
	if (why)
		return why;
	if (*end)
		return "expected a whole number and nothing after it";
	if (v < min)
		return "the number is too small";
	if (v > max)
		return "the number is too large";
	*value = v;
	return NULL;
}

const char *value_bool(const char *text, bool *value)
{
	static const char *const yes[] = { "yes", "true", "on", "1" };
	static const char *const no[] = { "no", "false", "off", "0" };
	unsigned int i;

	for (i = 0; i < 4; i++) {
		if (!strcasecmp(text, yes[i])) {
			*value = true;
			return NULL;
		}
		if (!strcasecmp(text, no[i])) {
			*value = false;
			return NULL;
		}
	}
	return "expected yes or no";
}

const char *value_size(const char *text, uint64_t *value)
{
	static const char units[] = "KMGT";
	unsigned int shift = 0;
	const char *end, *why;
	uint64_t v;

	why = digits(text, &v, &end);
	if (why)
		return why;
	if (*end) {
		const char *u = strchr(units, toupper((unsigned char)*end));

		if (!u)
			return "expected a size such as 4096, 512M or 2G";
		shift = 10 * (u - units + 1);
		end++;
		/* "1GiB" is what other tools print. */
		if (!strcmp(end, "iB"))
			end += 2;
	}
	if (*end)
		return "expected a size such as 4096, 512M or 2G";
	if (v > (uint64_t)INT64_MAX >> shift)
		return "the size is too large";
	*value = v << shift;
	return NULL;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = tolower((unsigned char)c);
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

const char *value_mac(const char *text, uint8_t mac[6])
{
	static const char want[] =
		"expected a MAC address such as 52:54:00:12:34:56";
	uint8_t m[6];
	int i;

	for (i = 0; i < 6; i++, text += 3) {
		int high = hex(text[0]);
		int low = high < 0 ? -1 : hex(text[1]);

		if (low < 0 || text[2] != (i == 5 ? '\0' : ':'))
			return want;
		m[i] = high << 4 | low;
	}
	if (m[0] & 1)
		return "a multicast MAC address cannot be a station's";
	if (!(m[0] | m[1] | m[2] | m[3] | m[4] | m[5]))
		return "the MAC address must not be all zero";
	memcpy(mac, m, 6);
	return NULL;
}

const char *value_name(const char *text)
{
	size_t n = strlen(text), i;

	if (!n)
		return "the name is empty";
	if (n > 63)
		return "the name is longer than 63 characters";
	if (text[0] == '.' || text[0] == '-')
		return "the name must not begin with '.' or '-'";
	for (i = 0; i < n; i++)
		if (!isalnum((unsigned char)text[i]) && !strchr("._-", text[i]))
			return "the name may have letters, digits, '.', '_' and '-' only";
	return NULL;
}

const char *value_cpus(const char *text, int *list, unsigned int max,
		       unsigned int *count)
{
	static const char want[] = "expected a list of CPUs such as 0-3,8";
	const uint64_t top = 8191;
	unsigned int n = 0;

	for (;;) {
		uint64_t first, last;

		if (digits(text, &first, &text))
			return want;
		last = first;
		if (*text == '-' && digits(text + 1, &last, &text))
			return want;
		if (last < first)
			return "a range of CPUs goes from the lower to the higher";
		if (last > top)
			return "a CPU number is too large";
		for (; first <= last; first++) {
			if (n == max)
				return "the list has more CPUs than a guest can have";
			list[n++] = first;
		}
		if (!*text)
			break;
		if (*text++ != ',')
			return want;
	}
	*count = n;
	return NULL;
}

char *value_split(char *text)
{
	char *eq = strchr(text, '=');

	if (!eq)
		return NULL;
	*eq = '\0';
	return eq + 1;
}

void value_show(const char *text, char *to, size_t size)
{
	size_t n = 0;

	for (; *text && n + 1 < size; text++)
		to[n++] = isprint((unsigned char)*text) ? *text : '?';
	to[n] = '\0';
}
