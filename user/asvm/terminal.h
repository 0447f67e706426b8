/* SPDX-License-Identifier: GPL-2.0-only */
/* A person's terminal while it shows a guest's console. */
#ifndef ASVM_TERMINAL_H
#define ASVM_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <termios.h>

/* Ctrl-] leaves, as with telnet and virsh. */
#define TERMINAL_ESCAPE 0x1d

/* struct terminal - standard input; @raw: it is a terminal, and in raw mode */
struct terminal {
	bool raw;
	struct termios saved;
};

void terminal_raw(struct terminal *tty);
void terminal_restore(struct terminal *tty);

/**
 * terminal_escape() - look for the escape key in what was typed
 * Return: bytes before it; @n when it is not there. Only a terminal has the key.
 */
size_t terminal_escape(const struct terminal *tty, const char *data, size_t n);

/* terminal_say() - a line of asvm's own between the guest's, if there is a terminal */
void terminal_say(const struct terminal *tty, const char *text);

/* terminal_log() - one line to standard error */
void terminal_log(const struct terminal *tty, const char *line, size_t n);

#endif
