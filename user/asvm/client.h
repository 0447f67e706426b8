/* SPDX-License-Identifier: GPL-2.0-only */
/* The clients' side of a control socket. */
#ifndef ASVM_CLIENT_H
#define ASVM_CLIENT_H

#include "json.h"

/* struct client - a connection; @line holds the last answer */
struct client {
	const char *name;
	int fd;
	char line[JSON_LINE_MAX + 1];
};

/* client_open() - connect to the guest @name; 0, or -errno after a message */
int client_open(struct client *cl, const char *name);
void client_close(struct client *cl);

/**
 * client_ask() - send a line and read the answer
 * @request: a flat object without the newline
 * @answer: filled in; its strings are in @cl
 * Return: 0; -errno after a message: the guest refused, is gone, or does not speak
 */
int client_ask(struct client *cl, const char *request,
	       struct json_object *answer);

#endif
