/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * fsck.sffs: what its parts share.
 *
 * A pass reads the whole volume into lists of inodes and maps of blocks, and repairs what
 * it finds wrong in inodes, directories and slot areas. A repair takes its blocks from
 * those that nothing uses and leaves what it replaced alone, so passes are made until one
 * finds nothing to repair; only then the bitmaps, counts and lists of the groups, which
 * follow from the rest, are compared and written. So what is left is what a check of its
 * own would call clean.
 */
#ifndef _FSCK_H
#define _FSCK_H

#include "build.h"
#include "fields.h"
#include "space.h"
#include "usage.h"

#define FSCK_S_IFMT	0170000U
#define FSCK_S_IFDIR	0040000U
#define FSCK_S_IFREG	0100000U
#define FSCK_S_IFLNK	0120000U

/* fsck_inode.flags */
#define FSCK_TREE	0x001	/* the tree of extents or names is to be written anew */
#define FSCK_XATTR	0x002	/* the attributes are */
#define FSCK_SHARED	0x004	/* has blocks that another file has too */
#define FSCK_CLEAR	0x008	/* becomes free */
#define FSCK_ORPHAN	0x010	/* named by an orphan table entry that counts */
#define FSCK_DEAD	0x020	/* in a place that its chunk calls free */
#define FSCK_REACHED	0x040	/* has a name that counts */
#define FSCK_HOME	0x080	/* directory: has a name in the directory it calls its parent */
#define FSCK_ROOTED	0x100	/* directory: the root leads to it */
#define FSCK_SYSTEM	0x200	/* quota file */

struct fsck_inode {
	uint64_t ino, parent;
	uint64_t blocks;	/* found in use, for whatever */
	uint32_t xblocks;	/* those of them that hold attributes */
	uint32_t ranges;	/* and those of the file lock list */
	uint64_t entries;
	uint32_t mode;
	uint32_t links;		/* names found */
	uint32_t subdirs;
	uint32_t leaves;	/* of a directory tree */
	uint16_t flags;
};

enum fsck_mode { FSCK_ASK, FSCK_CHECK, FSCK_PREEN, FSCK_REPAIR };

/**
 * struct fsck - a check under way
 * @vol: the volume
 * @space: what is in use
 * @builder: writes anew
 * @mode: what may be done
 * @progress: 0 none, 1 for people on standard error, else a file descriptor + 2
 * @problems: found
 * @fixed: those of them that were repaired
 * @changes: repairs of this pass after which another is needed
 * @pass: from 1
 * @marked: the super block says that a repair is under way
 * @stuck: something was not repaired, so nothing may be taken for free
 * @inode: all inodes in use, by number
 * @nr_inodes: how many
 * @max_inodes: how many @inode has room for
 * @dead_slots: slots of hosts that are gone, to be set free in the end
 * @orphans: deleted files that were freed
 * @usage: what the inodes of this pass use
 */
struct fsck {
	struct sffs_volume vol;
	struct sffs_space space;
	struct sffs_builder builder;
	enum fsck_mode mode;
	int progress;
	unsigned int problems, fixed, changes, pass;
	bool stuck, marked;
	struct fsck_inode *inode;
	size_t nr_inodes, max_inodes;
	uint64_t dead_slots;
	unsigned int orphans;
	struct sffs_usage usage;
};

/* ---- fsck.c ---- */

/*
 * Report a problem; true if it is to be repaired now. fsck_problem() is for what can be
 * put right without loss, fsck_loss() for the rest, where -p gives up.
 */
bool fsck_problem(struct fsck *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool fsck_loss(struct fsck *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The repair could not be done after all. */
void fsck_failed(struct fsck *f, const char *why);
void fsck_progress(struct fsck *f, const char *phase, uint64_t done, uint64_t total);

/* Read a block and see that it is what it should be; reserved bytes are made zero. */
bool fsck_read_meta(struct fsck *f, uint64_t block, uint32_t magic, uint64_t owner,
		    const uint32_t *generation, void *buf);

/* Find nonzero reserved bytes in a block that was found valid. */
void fsck_check_reserved(struct fsck *f, uint64_t block);

static inline unsigned long long fsck_ull(uint64_t v)
{
	return v;
}

/* ---- The parts: 0, or -1 when a block cannot be read or written ---- */

int fsck_open(struct fsck *f, const char *path, uint64_t block);
int fsck_check_super(struct fsck *f);

/* Read the super block again, which a replay may have changed. */
int fsck_reload_super(struct fsck *f);
int fsck_mark_repairing(struct fsck *f);
int fsck_finish_super(struct fsck *f);
int fsck_count_crash(struct fsck *f);

/* Returns 1 when a host is alive, or might be. */
int fsck_check_slots(struct fsck *f);
int fsck_check_areas(struct fsck *f);
int fsck_free_slots(struct fsck *f);
int fsck_replay(struct fsck *f, unsigned int slot);

/* Does the journal of a slot have something, as the super block tells where they are? */
bool fsck_replay_due(const struct sffs_device *dev, const struct sffs_super *sb);

int fsck_find_chunks(struct fsck *f);
int fsck_check_groups(struct fsck *f);

/* Lock records of all kinds, and the mailbox. */
int fsck_check_locks(struct fsck *f);
int fsck_check_quota(struct fsck *f);

/* After all inodes: does the use that quota knows of come to what is used? */
int fsck_check_usage(struct fsck *f);

int fsck_read_inodes(struct fsck *f);
int fsck_check_data(struct fsck *f);
int fsck_finish_inodes(struct fsck *f);
struct fsck_inode *fsck_find_inode(struct fsck *f, uint64_t ino);
int fsck_load_inode(struct fsck *f, const struct fsck_inode *fi, struct sffs_inode *di);
int fsck_store_inode(struct fsck *f, struct sffs_inode *di);

/* Is it a directory that will stay? */
static inline bool fsck_is_dir(const struct fsck_inode *fi)
{
	return (fi->mode & FSCK_S_IFMT) == FSCK_S_IFDIR && !(fi->flags & FSCK_CLEAR);
}

/* ---- fsck_extent.c, fsck_xattr.c ---- */

/* Claim the nodes of an inode's extent tree; returns the number of faults. */
unsigned int fsck_claim_extents(struct fsck *f, struct fsck_inode *fi, const struct sffs_inode *di);

/* Claim the data; after all metadata of the volume is claimed. */
void fsck_claim_data(struct fsck *f, struct fsck_inode *fi, const struct sffs_inode *di);
int fsck_rebuild_extents(struct fsck *f, struct fsck_inode *fi, struct sffs_inode *di);
unsigned int fsck_claim_xattrs(struct fsck *f, struct fsck_inode *fi, const struct sffs_inode *di);
int fsck_rebuild_xattrs(struct fsck *f, const struct sffs_inode *old, struct sffs_inode *di);

/* ---- fsck_dir.c, fsck_names.c ---- */

struct fsck_names {
	struct sffs_name *name;
	size_t nr, max;
};

/* Claim the nodes and leaves of a directory; returns the number of faults. */
unsigned int fsck_claim_dir(struct fsck *f, struct fsck_inode *fi, const struct sffs_inode *di);

/* Read all names that are whole; returns the number of faults. */
unsigned int fsck_read_names(struct fsck *f, const struct sffs_inode *di, struct fsck_names *n);
void fsck_add_name(struct fsck_names *n, uint64_t ino, uint8_t type, const void *name, size_t len);
void fsck_free_names(struct fsck_names *n);

/* Write a directory anew and the inode with it; frees the names. */
int fsck_write_dir(struct fsck *f, struct fsck_inode *fi, struct fsck_names *n);
int fsck_check_names(struct fsck *f);

#endif /* _FSCK_H */
