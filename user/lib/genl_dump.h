/* SPDX-License-Identifier: GPL-2.0-only */
/* A dump of a generic netlink family, by libnl. */
#ifndef GENL_DUMP_H
#define GENL_DUMP_H

#include <stdbool.h>
#include <stdint.h>

struct nl_msg;
struct nl_sock;

/**
 * struct genl_dump - what to ask for
 * @sock: connected, with its usual callbacks, which stay as they are
 * @family: the number of the family
 * @cmd: the command that is dumped
 * @version: the family's
 * @fill: puts the request's attributes into it, 0 or less than 0; NULL: there are none
 * @take: what each message of the answer goes to; false if no more is wanted
 * @restart: forgets what was taken, because the list changed meanwhile and is read again;
 *	NULL: that is an error then
 * @data: for the three
 */
struct genl_dump {
	struct nl_sock *sock;
	int family;
	uint8_t cmd;
	uint8_t version;
	int (*fill)(struct nl_msg *msg, void *data);
	bool (*take)(struct nl_msg *msg, void *data);
	void (*restart)(void *data);
	void *data;
};

/**
 * genl_dump() - ask, and take what comes
 *
 * Return: NULL when all of it came or @take wanted no more, else the reason in words, valid
 * until the next call. What was taken before a failure is not all there is.
 */
const char *genl_dump(const struct genl_dump *d);

#endif
