// SPDX-License-Identifier: GPL-2.0-only
/* Reader of config files in systemd's syntax. */
#include "ini.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

static char *trim(char *s)
{
	size_t n;

	while (isspace((unsigned char)*s))
		s++;
	n = strlen(s);
	while (n && isspace((unsigned char)s[n - 1]))
		n--;
	s[n] = '\0';
	return s;
}

/*
 * Cut one line off the text. A line that goes on with the next is joined by a
 * blank, as systemd does; comment lines in between are left out.
 */
static char *next_line(char **text, unsigned int *line)
{
	char *start = *text, *to = start, *p = start;
	bool more = true;

	while (more && *p) {
		char *end = strchrnul(p, '\n');
		bool last = !*end;
		size_t n = end - p;
		char *first = p;

		while (first < end && isblank((unsigned char)*first))
			first++;
		++*line;
		*end = '\0';
		if (to != start && (*first == '#' || *first == ';')) {
			p = last ? end : end + 1;
			continue;
		}
		if (n && p[n - 1] == '\r')
			n--;
		more = n && p[n - 1] == '\\' && *first != '#' && *first != ';';
		memmove(to, p, n);
		to += n;
		if (more)
			to[-1] = ' ';
		p = last ? end : end + 1;
		if (!more)
			break;
	}
	*text = p;
	*to = '\0';
	return start;
}

static const char *read_section(const struct ini_reader *reader, char *s,
				unsigned int line)
{
	size_t n = strlen(s);

	if (n < 3 || s[n - 1] != ']')
		return "a section is written [Name]";
	s[n - 1] = '\0';
	if (strpbrk(s + 1, "[]"))
		return "a section is written [Name]";
	return reader->section(reader->ctx, s + 1, line);
}

static const char *read_entry(const struct ini_reader *reader, char *s,
			      unsigned int line)
{
	char *eq = strchr(s, '=');

	if (!eq)
		return "expected [Section] or Key=value";
	*eq = '\0';
	s = trim(s);
	if (!*s)
		return "there is no key before '='";
	return reader->entry(reader->ctx, s, trim(eq + 1), line);
}

const char *ini_parse(const struct ini_reader *reader, char *text, size_t size,
		      unsigned int *line)
{
	unsigned int lines = 0;
	bool inside = false;

	*line = 1;
	if (size > INI_FILE_MAX)
		return "the file is too large";
	if (memchr(text, '\0', size))
		return "the file holds a NUL byte; it is not a config file";
	while (*text) {
		const char *why;
		char *s;

		/* An entry is named by the line it begins on. */
		*line = lines + 1;
		s = trim(next_line(&text, &lines));
		if (lines > INI_LINES_MAX)
			return "the file has too many lines";
		if (!*s || *s == '#' || *s == ';')
			continue;
		if (*s == '[') {
			why = read_section(reader, s, *line);
			inside = true;
		} else if (!inside) {
			why = "a key before the first [Section]";
		} else {
			why = read_entry(reader, s, *line);
		}
		if (why)
			return why;
	}
	return NULL;
}
