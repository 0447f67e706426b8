/* SPDX-License-Identifier: GPL-2.0-only */
/* What the module tells of mounted volumes, over generic netlink. */
#ifndef _SFFS_LIVE_H
#define _SFFS_LIVE_H

#include <linux/sffs.h>
#include <stdbool.h>
#include <stdint.h>

struct nlattr;

/**
 * struct live_msg - a message of the module
 * @tb: its attributes, by enum sffs_attr
 */
struct live_msg {
	struct nlattr **tb;
};

/* Values of an attribute; zero, and the empty string, where there is none. */
uint32_t live_u32(const struct live_msg *m, enum sffs_attr attr);
uint64_t live_u64(const struct live_msg *m, enum sffs_attr attr);
const char *live_text(const struct live_msg *m, enum sffs_attr attr);
bool live_flag(const struct live_msg *m, enum sffs_attr attr);

/* The volume's UUID as text, in a buffer of 37 bytes; returns it. */
const char *live_uuid(const struct live_msg *m, char *buf);

/* Called for each message; false ends it. */
typedef bool (*live_fn)(const struct live_msg *m, void *data);

/**
 * live_dump() - ask for the state of the volumes that are mounted here
 * @cmd: SFFS_CMD_GET_*
 * @dev: st_dev of one volume, or 0 for all
 * @fn: called for each message
 * @data: for @fn
 *
 * Return: 0, or -1 after a message.
 */
int live_dump(enum sffs_genl_cmd cmd, uint32_t dev, live_fn fn, void *data);

/* Listen to events until @fn returns false: 0, or -1 after a message. */
int live_events(live_fn fn, void *data);

#endif /* _SFFS_LIVE_H */
