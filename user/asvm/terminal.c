// SPDX-License-Identifier: GPL-2.0-only
/* A person's terminal while it shows a guest's console. */
#include "terminal.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

void terminal_raw(struct terminal *tty)
{
	struct termios raw;

	tty->raw = false;
	if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &tty->saved) < 0)
		return;
	raw = tty->saved;
	cfmakeraw(&raw);
	if (!tcsetattr(STDIN_FILENO, TCSANOW, &raw))
		tty->raw = true;
}

void terminal_restore(struct terminal *tty)
{
	if (tty->raw)
		tcsetattr(STDIN_FILENO, TCSANOW, &tty->saved);
	tty->raw = false;
}

size_t terminal_escape(const struct terminal *tty, const char *data, size_t n)
{
	const char *hit;

	if (!tty->raw)
		return n;
	hit = memchr(data, TERMINAL_ESCAPE, n);
	return hit ? (size_t)(hit - data) : n;
}

void terminal_say(const struct terminal *tty, const char *text)
{
	if (tty->raw)
		dprintf(STDERR_FILENO, "\r\n[asvm: %s]\r\n", text);
}

void terminal_log(const struct terminal *tty, const char *line, size_t n)
{
	/* Raw mode does not go back to the first column by itself. */
	dprintf(STDERR_FILENO, "%.*s%s\n", (int)n, line, tty->raw ? "\r" : "");
}
