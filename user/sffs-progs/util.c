// SPDX-License-Identifier: GPL-2.0-only
/* Messages, numbers and units. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "libsffs.h"

void sffs_err(const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "%s: ", program_invocation_short_name);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

int sffs_bad_value(const char *what, const char *value, const char *why, int code)
{
	sffs_err("%s \"%s\": %s", what, value, why);
	return code;
}

void sffs_common_option(int c, void (*usage)(FILE *f))
{
	if (c == 'h')
		usage(stdout);
	else if (c == 'V')
		printf("%s, on-disk format %d\n", program_invocation_short_name,
		       SFFS_FORMAT_VERSION);
	else
		return;
	exit(fflush(stdout) ? 1 : 0);
}

static bool parse_digits(const char *s, uint64_t *val, const char **end)
{
	char *e;

	if (*s < '0' || *s > '9')
		return false;
	errno = 0;
	*val = strtoull(s, &e, strncmp(s, "0x", 2) ? 10 : 16);
	*end = e;
	return !errno;
}

bool sffs_parse_u64(const char *s, uint64_t min, uint64_t max, uint64_t *val)
{
	const char *end;

	return parse_digits(s, val, &end) && !*end && *val >= min && *val <= max;
}

bool sffs_parse_size(const char *s, uint64_t *val)
{
	static const char units[] = "kMGTP";
	const char *end, *u;
	unsigned int shift;

	if (!parse_digits(s, val, &end))
		return false;
	if (!*end)
		return true;
	u = strchr(units, *end == 'K' ? 'k' : *end);
	if (!u || end[1])
		return false;
	shift = 10 * (u - units + 1);
	if (*val > UINT64_MAX >> shift)
		return false;
	*val <<= shift;
	return true;
}

static const struct {
	const char *name;
	uint32_t kbps;
} rates[] = {
	{ "off", SFFS_RECLAIM_OFF },
	{ "low", SFFS_RECLAIM_LOW },
	{ "medium", SFFS_RECLAIM_MEDIUM },
	{ "high", SFFS_RECLAIM_HIGH },
};

bool sffs_parse_rate(const char *s, uint32_t *kbps)
{
	uint64_t mb;

	for (size_t i = 0; i < SFFS_ARRAY_SIZE(rates); i++) {
		if (!strcmp(s, rates[i].name)) {
			*kbps = rates[i].kbps;
			return true;
		}
	}
	if (!sffs_parse_u64(s, 1, 1000000, &mb))
		return false;
	*kbps = mb * 1000;
	return true;
}

const char *sffs_format_rate(uint32_t kbps, char *buf, size_t len)
{
	for (size_t i = 0; i < SFFS_ARRAY_SIZE(rates); i++)
		if (kbps == rates[i].kbps)
			return rates[i].name;
	snprintf(buf, len, "%g MB/s", kbps / 1000.0);
	return buf;
}

const char *sffs_format_size(uint64_t bytes, char *buf, size_t len)
{
	static const char * const units[] = { "bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double v = bytes;
	size_t i = 0;

	while (v >= 1024 && i + 1 < SFFS_ARRAY_SIZE(units)) {
		v /= 1024;
		i++;
	}
	snprintf(buf, len, "%.4g %s", v, units[i]);
	return buf;
}

void sffs_random(void *buf, size_t len)
{
	if (getrandom(buf, len, 0) != (ssize_t)len) {
		sffs_err("no random numbers: %s", strerror(errno));
		exit(8);
	}
}
