/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef ASVM_INI_H
#define ASVM_INI_H

#include <stddef.h>

/*
 * The config file's syntax, systemd's: [Section], Key=value, lines that begin
 * with '#' or ';' are comments, a backslash at the end of a line goes on with the
 * next one. A section may come more than once; each is a thing of its own.
 */
#define INI_FILE_MAX	(256 * 1024)
#define INI_LINES_MAX	10000

/**
 * struct ini_reader - who takes what a file says
 * @section: a section begins
 * @entry: a key in the last section; @value has no blanks around it
 * @ctx: handed to both
 *
 * Both return NULL, or a text that says what is wrong; it is used at once. Strings
 * are valid during the call only.
 */
struct ini_reader {
	const char *(*section)(void *ctx, const char *name, unsigned int line);
	const char *(*entry)(void *ctx, char *key, char *value,
			     unsigned int line);
	void *ctx;
};

/**
 * ini_parse() - read the text of a file
 * @reader: who takes it
 * @text: @size bytes, then a NUL; changed in place
 * @size: length
 * @line: where it stopped
 *
 * Return: NULL, or what is wrong at @line.
 */
const char *ini_parse(const struct ini_reader *reader, char *text, size_t size,
		      unsigned int *line);

#endif
