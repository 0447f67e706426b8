/* SPDX-License-Identifier: GPL-2.0-only */
/* dump.sffs: what its parts share. */
#ifndef _SFFS_DUMP_H
#define _SFFS_DUMP_H

#include "fields.h"
#include "json.h"
#include "meta.h"

/**
 * struct dump - where the output goes
 * @vol: the volume
 * @json: as JSON
 * @out: the JSON writer
 * @indent: of the next line, when not JSON
 * @damaged: something that was printed is not as it should be
 */
struct dump {
	struct sffs_volume vol;
	bool json;
	struct json_out out;
	unsigned int indent;
	bool damaged;
};

/* ---- dump_print.c ---- */

/* Start and end a named group of values; @name is NULL within a list. */
void dump_open(struct dump *d, const char *name, char bracket);
void dump_close(struct dump *d, char bracket);
void dump_u64(struct dump *d, const char *name, uint64_t v);
void dump_str(struct dump *d, const char *name, const char *v);

/* Text of @len bytes that need not be printable, or UTF-8, or end. */
void dump_text(struct dump *d, const char *name, const void *text, size_t len);

/* All fields of a structure; areas are the caller's. */
void dump_struct(struct dump *d, const struct sffs_struct *s, const void *base);

/* Say what is wrong, if it is. */
void dump_fault(struct dump *d, const char *why);

/* ---- dump_space.c, dump_inode.c: each prints one kind of thing; 0, or -1 after a message ---- */

int dump_block(struct dump *d, uint64_t block);
int dump_super(struct dump *d, uint64_t block);
int dump_slots(struct dump *d);
int dump_locks(struct dump *d);
int dump_lock(struct dump *d, const char *type, const char *number);
int dump_mail(struct dump *d);
int dump_area(struct dump *d, unsigned int slot);
int dump_journal(struct dump *d, unsigned int slot);
int dump_group(struct dump *d, uint32_t group);
int dump_bitmaps(struct dump *d, uint32_t group);

/* Read an inode by number, or by a path from the root. */
int dump_find_inode(struct dump *d, const char *what, struct sffs_inode *di);
int dump_inode(struct dump *d, const struct sffs_inode *di);
int dump_tree(struct dump *d, const struct sffs_inode *di);
int dump_names(struct dump *d, const struct sffs_inode *di);
int dump_xattrs(struct dump *d, const struct sffs_inode *di);

#endif /* _SFFS_DUMP_H */
