/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The on-disk format of SFFS, version 1, shared by the module and the programs.
 * Documentation/filesystems/sffs-format.rst explains each structure: who writes
 * it, under which lock, and what always holds. All integers are little-endian;
 * a "block" is 4096 bytes; a "sector" is one logical sector of the device (512
 * or 4096 bytes), which is also the unit of COMPARE AND WRITE.
 */
#ifndef _SFFS_FORMAT_H
#define _SFFS_FORMAT_H

#include <linux/types.h>
#ifdef __KERNEL__
#include <linux/build_bug.h>
#include <linux/stddef.h>
#else
#include <assert.h>
#include <stddef.h>
#endif

#define SFFS_FORMAT_VERSION	1

#define SFFS_BLOCK_SHIFT	12
#define SFFS_BLOCK_SIZE		4096U
#define SFFS_RECORD_SIZE	512U	/* used bytes of a one-sector record */
#define SFFS_MAX_SLOTS		64U
#define SFFS_NAME_MAX		255U
#define SFFS_MAX_BLOCKS		0x10000000000000ULL	/* of a volume: 16 EiB */
#define SFFS_MAX_FILE_BLOCKS	0x8000000000000ULL	/* of a file: 8 EiB */

/*
 * Block 16 (byte 65536): behind whatever a partitioning tool writes by mistake.
 */
#define SFFS_SUPER_BLOCK	16U

/* First bytes of every metadata block and of every record. */
#define SFFS_MAGIC_SUPER	0x42536653U	/* "SfSB" */
#define SFFS_MAGIC_SLOT		0x74536653U	/* "SfSt": heartbeat record */
#define SFFS_MAGIC_LOCK		0x6b4c6653U	/* "SfLk": lock record */
#define SFFS_MAGIC_MAIL		0x6c4d6653U	/* "SfMl": mailbox sector */
#define SFFS_MAGIC_SLOT_AREA	0x41536653U	/* "SfSA": slot area head */
#define SFFS_MAGIC_ORPHAN	0x704f6653U	/* "SfOp": orphan table block */
#define SFFS_MAGIC_QCHANGE	0x63516653U	/* "SfQc": quota change block */
#define SFFS_MAGIC_RECLAIM	0x63526653U	/* "SfRc": reclaim block */
#define SFFS_MAGIC_GROUP	0x72476653U	/* "SfGr": group header */
#define SFFS_MAGIC_BITMAP	0x6d426653U	/* "SfBm": group bitmap block */
#define SFFS_MAGIC_CHUNK	0x6b436653U	/* "SfCk": inode chunk header */
#define SFFS_MAGIC_INODE	0x6e496653U	/* "SfIn": inode */
#define SFFS_MAGIC_NODE		0x644e6653U	/* "SfNd": interior tree node */
#define SFFS_MAGIC_EXTENTS	0x78456653U	/* "SfEx": extent tree leaf */
#define SFFS_MAGIC_DIR		0x72446653U	/* "SfDr": directory leaf */
#define SFFS_MAGIC_XATTR	0x74586653U	/* "SfXt": xattr entry block */
#define SFFS_MAGIC_XVALUE	0x76586653U	/* "SfXv": xattr value block */
#define SFFS_MAGIC_QUOTA	0x61516653U	/* "SfQa": quota file block */
#define SFFS_MAGIC_RANGE	0x676e6653U	/* "Sfng": file lock list block */

/**
 * struct sffs_header - first 32 bytes of every 4 KiB metadata block
 * @magic: SFFS_MAGIC_*, the kind of block
 * @crc: CRC-32C of the 4096 bytes with this field zero, initial value
 *	@sffs_super.checksum_seed (the super block itself: ~0), not inverted
 * @block: number of this block on the volume
 * @owner: what it belongs to: inode number, group number or slot number
 * @generation: generation of the owning inode; zero for other owners
 * @reserved: zero
 */
struct sffs_header {
	__le32 magic;
	__le32 crc;
	__le64 block;
	__le64 owner;
	__le32 generation;
	__le32 reserved;
};

/* ---- Super block ------------------------------------------------------- */

/* Feature words: see the format document for what an unknown bit forbids. */
#define SFFS_COMPAT_SUPPORTED		0ULL
#define SFFS_RO_COMPAT_QUOTA		0x1ULL	/* quota files are kept */
#define SFFS_RO_COMPAT_SUPPORTED	SFFS_RO_COMPAT_QUOTA
#define SFFS_INCOMPAT_INLINE		0x1ULL	/* small files have their data inline */
#define SFFS_INCOMPAT_SUPPORTED		SFFS_INCOMPAT_INLINE

#define SFFS_STATE_ERROR	0x00000001U	/* damage was found; wants fsck.sffs */
#define SFFS_STATE_FSCK		0x00000002U	/* fsck.sffs is, or was, repairing */

#define SFFS_RECLAIM_OFF	0U
#define SFFS_RECLAIM_LOW	25000U		/* kB/s */
#define SFFS_RECLAIM_MEDIUM	100000U		/* kB/s */
#define SFFS_RECLAIM_HIGH	0xffffffffU	/* no limit */

#define SFFS_LABEL_MAX		63U
#define SFFS_HOST_MAX		63U

#define SFFS_QUOTA_USER		0
#define SFFS_QUOTA_GROUP	1
#define SFFS_QUOTA_PROJECT	2
#define SFFS_QUOTA_TYPES	3

#define SFFS_LEASE_MS_MIN	2000U
#define SFFS_LEASE_MS_MAX	300000U
#define SFFS_LEASE_MS_DEFAULT	10000U
#define SFFS_HEARTBEAT_MS_DEFAULT 2000U

#define SFFS_JOURNAL_BLOCKS_MIN	1024U
#define SFFS_JOURNAL_BLOCKS_MAX	1048576U

#define SFFS_GROUP_SHIFT_MIN	12	/* 16 MiB */
#define SFFS_GROUP_SHIFT_MAX	23	/* 32 GiB */

struct sffs_super {
	struct sffs_header h;		/*    0 owner and generation zero */
	__u8   name[8];			/*   32 "SFFS" and four zero bytes */
	__le32 version;			/*   40 SFFS_FORMAT_VERSION */
	__le32 state;			/*   44 SFFS_STATE_* */
	__le64 compat;			/*   48 feature words */
	__le64 ro_compat;		/*   56 */
	__le64 incompat;		/*   64 */
	__u8   uuid[16];		/*   72 of the volume, changed by tune.sffs -U */
	__u8   label[64];		/*   88 UTF-8, zero-padded, ends with a zero */
	__le64 blocks;			/*  152 of the volume, from block 0 */
	__le64 first_group_block;	/*  160 start of group 0, multiple of 256 */
	__le32 groups;			/*  168 the last one may be short */
	__u8   block_shift;		/*  172 12 */
	__u8   sector_shift;		/*  173 9 or 12 */
	__u8   group_shift;		/*  174 log2 of blocks in a group */
	__u8   max_slots;		/*  175 slots that the regions have room for */
	__le32 slots;			/*  176 slots that have an area and a journal */
	__le32 bitmap_blocks;		/*  180 in each group */
	__le64 heartbeat_block;		/*  184 max_slots sectors */
	__le64 fixed_lock_block;	/*  192 SFFS_FIXED_LOCKS sectors */
	__le64 mailbox_block;		/*  200 max_slots * max_slots sectors */
	__le32 journal_blocks;		/*  208 of each journal */
	__le32 slot_area_blocks;	/*  212 of each slot area */
	__le32 reclaim_blocks;		/*  216 in each slot area */
	__le32 qchange_blocks;		/*  220 in each slot area */
	__le32 checksum_seed;		/*  224 random at mkfs, never changed */
	__le32 lease_ms;		/*  228 lease of a heartbeat renewal */
	__le32 heartbeat_ms;		/*  232 interval between renewals */
	__le32 reclaim_rate;		/*  236 kB/s, SFFS_RECLAIM_* */
	__u8   hash_key[16];		/*  240 SipHash key of directory hashes */
	__le64 root_ino;		/*  256 */
	__le64 quota_ino[SFFS_QUOTA_TYPES]; /* 264 zero: not kept */
	__le64 made_sec;		/*  288 time of mkfs, seconds since 1970 */
	__le64 checked_sec;		/*  296 time of the last complete check */
	__le32 unmap_granularity;	/*  304 bytes, as mkfs saw it; 0: no UNMAP */
	__le32 unmap_alignment;		/*  308 bytes */
	__le64 error_block;		/*  312 where damage was seen first */
	__le64 error_sec;		/*  320 and when */
	__le32 crashes;			/*  328 recoveries of dead slots so far, modulo 2^32 */
	__u8   reserved1[180];		/*  332 zero */
	__le64 slot_area_block[SFFS_MAX_SLOTS];	/*  512 */
	__le64 journal_block[SFFS_MAX_SLOTS];	/* 1024 */
	__u8   reserved2[2560];		/* 1536 zero */
};

/* ---- Heartbeat records ------------------------------------------------- */

enum sffs_slot_state {
	SFFS_SLOT_FREE		= 0,	/* nobody; the journal is empty */
	SFFS_SLOT_LIVE		= 1,	/* a node renews it */
	SFFS_SLOT_RECOVERING	= 2,	/* @recoverer replays it */
};

#define SFFS_SLOTF_NOFENCE	0x00000001U	/* mounted without PERSISTENT RESERVE */
#define SFFS_SLOTF_READONLY	0x00000002U
#define SFFS_SLOTF_LOCAL	0x00000004U	/* mounted by -o local, without ATS */

#define SFFS_ADDR_NONE		0
#define SFFS_ADDR_IPV4		4
#define SFFS_ADDR_IPV6		6

struct sffs_slot_record {
	__le32 magic;			/*   0 SFFS_MAGIC_SLOT */
	__le32 crc;			/*   4 as in struct sffs_header, 512 bytes */
	__le64 nonce;			/*   8 fresh in every image */
	__le32 slot;			/*  16 own number */
	__le32 incarnation;		/*  20 of the present or last holder, from 1 */
	__u8   state;			/*  24 enum sffs_slot_state */
	__u8   recoverer;		/*  25 slot number, 0xff: none */
	__u8   addr_family;		/*  26 SFFS_ADDR_* of the doorbell */
	__u8   reserved1;		/*  27 zero */
	__le32 recoverer_inc;		/*  28 incarnation of the recoverer */
	__le64 sequence;		/*  32 raised by each renewal */
	__le64 pr_key;			/*  40 PERSISTENT RESERVE key, 0: none */
	__le64 mounted_sec;		/*  48 wall clock, for people only */
	__le32 flags;			/*  56 SFFS_SLOTF_* */
	__le16 addr_port;		/*  60 UDP port of the doorbell */
	__u8   reserved2[2];		/*  62 zero */
	__u8   addr[16];		/*  64 network order */
	__u8   boot_id[16];		/*  80 of the holder's kernel */
	__u8   host[64];		/*  96 host name, ends with a zero */
	__u8   reserved3[352];		/* 160 zero */
};

/* ---- Lock records ------------------------------------------------------ */

enum sffs_lock_mode {
	SFFS_LOCK_NONE		= 0,
	SFFS_LOCK_SHARED	= 1,
	SFFS_LOCK_EXCLUSIVE	= 2,
};

enum sffs_lock_type {
	SFFS_LOCKT_FIXED	= 1,	/* enum sffs_fixed_lock */
	SFFS_LOCKT_GROUP	= 2,	/* group number */
	SFFS_LOCKT_INODE	= 3,	/* inode number */
	SFFS_LOCKT_OPEN		= 4,	/* inode number */
	SFFS_LOCKT_FLOCK	= 5,	/* inode number */
	SFFS_LOCKT_CHUNK	= 6,	/* first block of the inode chunk */
};

enum sffs_fixed_lock {
	SFFS_FIXED_SUPER	= 0,	/* the super block, growth */
	SFFS_FIXED_RENAME	= 1,	/* moves of directories */
	SFFS_FIXED_QUOTA	= 2,	/* the quota files */
	SFFS_FIXED_FREEZE	= 3,	/* held shared by all, exclusive to freeze */
	SFFS_FIXED_SCRATCH	= 63,	/* no lock: what the ATS probe writes to */
};

#define SFFS_FIXED_LOCKS	64U	/* sectors in the region */
#define SFFS_LVB_SIZE		48U

/* A sector of zeros is a record that was never taken. */
struct sffs_lock_record {
	__le32 magic;			/*   0 SFFS_MAGIC_LOCK */
	__le32 crc;			/*   4 as in struct sffs_header, 512 bytes */
	__le64 nonce;			/*   8 fresh in every image */
	__le64 version;			/*  16 raised when exclusive is granted */
	__le64 number;			/*  24 of the resource, as enum sffs_lock_type says */
	__u8   type;			/*  32 enum sffs_lock_type */
	__u8   mode;			/*  33 enum sffs_lock_mode */
	__le16 next_ticket;		/*  34 ticket of the next waiter, wraps */
	__le32 flags;			/*  36 zero */
	__le64 holders;			/*  40 bit per slot; one bit if exclusive */
	__le64 waiters;			/*  48 bit per slot that waits */
	__le64 wait_exclusive;		/*  56 those of them that want exclusive */
	__le32 incarnation[SFFS_MAX_SLOTS]; /* 64 of each holder and waiter, else 0 */
	__le16 ticket[SFFS_MAX_SLOTS];	/* 320 of each waiter, else 0 */
	__u8   lvb[SFFS_LVB_SIZE];	/* 448 lock value block */
	__u8   writer;			/* 496 slot that wrote this image */
	__u8   reserved[15];		/* 497 zero */
};

/* Lock value block of a group: what the last exclusive holder left. */
struct sffs_group_lvb {
	__le64 free_blocks;
	__le64 unmapped_blocks;
	__le64 free_inodes;
	__u8   reserved[24];
};

/* ---- Mailbox ----------------------------------------------------------- */

/* Beside the modes of locks: exclusive, but only if nobody uses it. Of open records. */
#define SFFS_MAIL_LAST		3U

struct sffs_mail_request {
	__le64 number;			/*  0 resource number */
	__le32 holder_inc;		/*  8 receiver's incarnation that is asked */
	__u8   type;			/* 12 enum sffs_lock_type */
	__u8   mode;			/* 13 enum sffs_lock_mode, or SFFS_MAIL_LAST */
	__u8   reserved[2];		/* 14 zero */
};

#define SFFS_MAIL_REQUESTS	28U

struct sffs_mail {
	__le32 magic;			/*   0 SFFS_MAGIC_MAIL */
	__le32 crc;			/*   4 as in struct sffs_header, 512 bytes */
	__le64 sequence;		/*   8 raised by each write */
	__le32 sender_inc;		/*  16 */
	__le32 receiver_inc;		/*  20 */
	__u8   sender;			/*  24 slot */
	__u8   receiver;		/*  25 slot */
	__le16 count;			/*  26 open requests, at most SFFS_MAIL_REQUESTS */
	__u8   reserved[36];		/*  28 zero */
	struct sffs_mail_request req[SFFS_MAIL_REQUESTS]; /* 64 */
};

/* ---- Slot area: journalled by the slot's holder alone ------------------ */

struct sffs_slot_area {
	struct sffs_header h;		/*  0 owner: slot */
	__le64 orphan_block;		/* 32 first orphan table block, 0: none */
	__le64 orphans;			/* 40 entries in use, 0: not counted */
	__le64 mounts;			/* 48 times that the slot was mounted */
	__u8   reserved[4040];		/* 56 zero */
};

struct sffs_orphan {
	__le64 ino;			/*  0 zero: entry is free */
	__le32 generation;		/*  8 */
	__le32 reserved;		/* 12 zero */
};

#define SFFS_ORPHANS_PER_BLOCK	253U

struct sffs_orphan_block {
	struct sffs_header h;		/*  0 owner: slot */
	__le64 next;			/* 32 next block, 0: last */
	__le32 count;			/* 40 entries in use */
	__le32 reserved;		/* 44 zero */
	struct sffs_orphan entry[SFFS_ORPHANS_PER_BLOCK]; /* 48 */
};

struct sffs_reclaim_extent {
	__le64 block;			/*  0 first block being unmapped */
	__le32 count;			/*  8 blocks */
	__le32 group;			/* 12 */
};

#define SFFS_RECLAIM_PER_BLOCK	253U

struct sffs_reclaim_block {
	struct sffs_header h;		/*  0 owner: slot */
	__le32 count;			/* 32 entries in use, from the first */
	__le32 reserved[3];		/* 36 zero */
	struct sffs_reclaim_extent entry[SFFS_RECLAIM_PER_BLOCK]; /* 48 */
};

struct sffs_quota_change {
	__le32 id;			/*  0 user, group or project */
	__u8   type;			/*  4 SFFS_QUOTA_* */
	__u8   used;			/*  5 1: entry is in use */
	__le16 reserved;		/*  6 zero */
	__le64 blocks;			/*  8 signed change */
	__le64 inodes;			/* 16 signed change */
};

#define SFFS_QCHANGES_PER_BLOCK	168U

struct sffs_qchange_block {
	struct sffs_header h;		/*  0 owner: slot */
	__le32 count;			/* 32 entries in use */
	__le32 reserved[3];		/* 36 zero */
	struct sffs_quota_change entry[SFFS_QCHANGES_PER_BLOCK]; /* 48 */
	__u8   pad[16];			/* 4080 zero */
};

/* ---- Allocation groups ------------------------------------------------- */

/* Blocks of a group, counted from its first. */
#define SFFS_GROUP_LOCK		0U	/* lock record in sector 0, the rest unused */
#define SFFS_GROUP_HEADER	1U
#define SFFS_GROUP_BACKUP	2U	/* super block backup in some groups */
#define SFFS_GROUP_BITMAP	3U	/* sffs_super.bitmap_blocks of them */

#define SFFS_BITMAP_BYTES	2032U	/* of each of the two bitmaps in a block */
#define SFFS_BITMAP_BITS	16256U	/* blocks that one bitmap block describes */
#define SFFS_BITMAPS_MAX	517U	/* in a group of 1 << SFFS_GROUP_SHIFT_MAX */

#define SFFS_BMS_UNINIT		0x8000U	/* in .free: the bitmap block was never written */

struct sffs_bitmap_summary {
	__le16 free;			/* free blocks, and SFFS_BMS_UNINIT */
	__le16 unmapped;		/* those of them that the array does not back */
};

struct sffs_group {
	struct sffs_header h;		/*   0 owner: group number */
	__le32 blocks;			/*  32 in this group, its metadata included */
	__le32 free_blocks;		/*  36 */
	__le32 unmapped_blocks;		/*  40 of the free ones */
	__le32 chunks;			/*  44 inode chunks */
	__le32 free_inodes;		/*  48 in these chunks */
	__le32 directories;		/*  52 inodes that are directories */
	__le32 chunk_all;		/*  56 newest chunk, as a block of the group; 0: none */
	__le32 chunk_free;		/*  60 head of the chunks with free inodes; 0: none */
	__le32 crashes;			/*  64 sffs_super.crashes when `unmapped` was right */
	__u8   reserved[60];		/*  68 zero */
	struct sffs_bitmap_summary sum[SFFS_BITMAPS_MAX]; /* 128 */
	__u8   pad[1900];		/* 2196 zero */
};

/*
 * allocated  unmapped   the block is
 *     0          0      free, and the array may back it
 *     0          1      free, and the array does not back it
 *     1          0      in use
 *     1          1      in use, as the first block of an inode chunk
 */
struct sffs_bitmap {
	struct sffs_header h;		/*    0 owner: group number */
	__u8   allocated[SFFS_BITMAP_BYTES]; /* 32 bit n of byte m: block 8 * m + n */
	__u8   unmapped[SFFS_BITMAP_BYTES]; /* 2064 */
};

/* ---- Inode chunks ------------------------------------------------------ */

#define SFFS_CHUNK_INODES	64U
#define SFFS_CHUNK_INODE_SHIFT	6

/*
 * A chunk: its header, a block whose first sector is the delegation record,
 * three runs of 64 sectors (inode, open and file-lock records), 64 inodes.
 */
#define SFFS_CHUNK_HEADER	0U
#define SFFS_CHUNK_DELEGATION	1U
#define SFFS_CHUNK_RECORDS	2U

struct sffs_chunk {
	struct sffs_header h;		/*  0 owner: group number */
	__le64 free_mask;		/* 32 bit n set: inode n is free */
	__le32 next_all;		/* 40 next chunk of the group, 0: last */
	__le32 next_free;		/* 44 next chunk with free inodes, 0: last */
	__le32 prev_free;		/* 48 the one before, 0: first, or not listed */
	__le32 free_inodes;		/* 52 bits set in free_mask */
	__u8   reserved[4040];		/* 56 zero */
};

/* ---- Inodes ------------------------------------------------------------ */

enum sffs_inode_format {
	SFFS_FMT_NONE		= 0,	/* device, FIFO, socket: nothing in the area */
	SFFS_FMT_INLINE		= 1,	/* file data or symlink target in the area */
	SFFS_FMT_EXTENTS	= 2,	/* root of the extent tree */
	SFFS_FMT_DIR_INLINE	= 3,	/* one directory leaf */
	SFFS_FMT_DIR_TREE	= 4,	/* root of the directory tree */
};

/* sffs_inode.flags; the first group as chattr(1) names them */
#define SFFS_INODE_SYNC		0x00000001U
#define SFFS_INODE_IMMUTABLE	0x00000002U
#define SFFS_INODE_APPEND	0x00000004U
#define SFFS_INODE_NODUMP	0x00000008U
#define SFFS_INODE_NOATIME	0x00000010U
#define SFFS_INODE_DIRSYNC	0x00000020U
#define SFFS_INODE_PROJINHERIT	0x00000040U
#define SFFS_INODE_SYSTEM	0x00010000U	/* quota file: not in any directory */
#define SFFS_INODE_ALL		0x0001007fU	/* every flag above */

#define SFFS_OWNER_EXCLUSIVE	1	/* one host runs on this disk */
#define SFFS_OWNER_MULTI	2	/* preallocated, direct I/O, any host */

struct sffs_owner {
	__u8   slot;			/*  0 slot number */
	__u8   mode;			/*  1 SFFS_OWNER_*; 0: no owner */
	__u8   reserved[2];		/*  2 zero */
	__le32 incarnation;		/*  4 of the slot */
	__le64 since_sec;		/*  8 when it was taken */
	__u8   host[64];		/* 16 host name, ends with a zero */
};

#define SFFS_INODE_AREA		2560U	/* bytes for data, extents or entries */
#define SFFS_INODE_XATTR	1024U	/* bytes for extended attributes */

struct sffs_inode {
	struct sffs_header h;		/*   0 owner: own inode number */
	__le32 mode;			/*  32 type and permissions; 0: free inode */
	__le32 nlink;			/*  36 */
	__le32 uid;			/*  40 */
	__le32 gid;			/*  44 */
	__le32 project;			/*  48 */
	__le32 flags;			/*  52 SFFS_INODE_* */
	__le64 size;			/*  56 bytes */
	__le64 blocks;			/*  64 blocks in use, data and metadata */
	__le64 version;			/*  72 change counter */
	__le64 atime_sec;		/*  80 signed seconds since 1970 */
	__le64 mtime_sec;		/*  88 */
	__le64 ctime_sec;		/*  96 */
	__le64 btime_sec;		/* 104 */
	__le32 atime_nsec;		/* 112 0 .. 999,999,999 */
	__le32 mtime_nsec;		/* 116 */
	__le32 ctime_nsec;		/* 120 */
	__le32 btime_nsec;		/* 124 */
	__le64 parent;			/* 128 directories: the parent's inode number */
	__le32 rdev_major;		/* 136 devices */
	__le32 rdev_minor;		/* 140 */
	__u8   format;			/* 144 enum sffs_inode_format */
	__u8   orphan;			/* 145 slot number + 1 of the orphan table, 0: none */
	__le16 orphan_index;		/* 146 entry in that block */
	__le32 range_blocks;		/* 148 blocks of the file lock list */
	__le64 orphan_block;		/* 152 block of the orphan table */
	__le64 range_block;		/* 160 first block of the file lock list, 0: none */
	__le64 xattr_block;		/* 168 first xattr entry block, 0: none */
	__le64 entries;			/* 176 directories: number of entries */
	__u8   reserved1[8];		/* 184 zero */
	struct sffs_owner owner;	/* 192 */
	__le64 shift_from;		/* 272 first block that is still to be moved */
	__le64 shift_end;		/* 280 behind the last one */
	__le64 shift_by;		/* 288 signed blocks; 0: none are being moved */
	__u8   reserved2[216];		/* 296 zero */
	__u8   area[SFFS_INODE_AREA];	/*  512 as @format says */
	__u8   xattr[SFFS_INODE_XATTR];	/* 3072 xattr entries */
};

/* ---- Trees: extents of a file, entries of a directory ------------------- */

#define SFFS_TREE_DEPTH_MAX	8U	/* levels below the root */

/* Starts the area of an inode with a tree root, and follows a node's header. */
struct sffs_node_head {
	__le16 level;			/* 0: leaf */
	__le16 count;			/* entries */
	__le32 reserved1;		/* zero */
	__le64 reserved2;		/* zero */
};

struct sffs_index {			/* interior entry */
	__le64 key;			/* not above any key below .block */
	__le64 block;
};

#define SFFS_EXTENT_UNWRITTEN	0x00000001U	/* reads as zeros */

struct sffs_extent {
	__le64 file_block;		/*  0 */
	__le64 block;			/*  8 */
	__le32 count;			/* 16 blocks, never 0 */
	__le32 flags;			/* 20 SFFS_EXTENT_* */
};

#define SFFS_ROOT_INDEXES	159U
#define SFFS_ROOT_EXTENTS	106U
#define SFFS_NODE_INDEXES	253U
#define SFFS_NODE_EXTENTS	168U

/* ---- Directory leaves --------------------------------------------------- */

/*
 * Head, then an array of 16-bit offsets sorted by key, then free space, then
 * entries, packed towards the end in any order.
 */
struct sffs_dir_head {
	__le16 level;			/* 0 */
	__le16 count;			/* entries */
	__le16 low;			/* offset of the lowest entry, from this head */
	__le16 dead;			/* bytes of removed entries above .low */
	__le64 reserved;		/* zero */
};

struct sffs_dirent {
	__le64 key;			/*  0 unique in the directory; readdir's position */
	__le64 ino;			/*  8 */
	__u8   name_len;		/* 16 1 .. 255 */
	__u8   type;			/* 17 DT_* */
	__u8   name[];			/* 18 no terminator; entry padded to 8 bytes */
};

#define SFFS_DIRENT_HEAD	18U
#define SFFS_DIR_SEQ_BITS	7	/* low bits of a key: tells equal hashes apart */
#define SFFS_DIR_LEAF_BYTES	(SFFS_BLOCK_SIZE - 32U)	/* from struct sffs_dir_head on */

/* ---- Extended attributes ------------------------------------------------ */

#define SFFS_XATTR_USER		1
#define SFFS_XATTR_TRUSTED	2
#define SFFS_XATTR_SECURITY	3
#define SFFS_XATTR_ACL_ACCESS	4
#define SFFS_XATTR_ACL_DEFAULT	5
#define SFFS_XATTR_VALUE_MAX	65536U
#define SFFS_XATTR_VALUE_INLINE	1024U	/* longer values have blocks of their own */

/* Packed from the start of the area; name_index 0 or the end of the area ends it. */
struct sffs_xattr_entry {
	__u8   name_index;		/*  0 SFFS_XATTR_*, 0: end of the entries */
	__u8   name_len;		/*  1 0 .. 255 */
	__le16 reserved;		/*  2 zero */
	__le32 value_size;		/*  4 bytes */
	__le64 value_block;		/*  8 first value block; 0: value follows the name */
	__u8   name[];			/* 16 name, value; entry padded to 8 bytes */
};

#define SFFS_XATTR_ENTRY_HEAD	16U

struct sffs_xattr_block {
	struct sffs_header h;		/*  0 owner: inode */
	__le64 next;			/* 32 next block, 0: last */
	__le64 reserved;		/* 40 zero */
	__u8   entries[4048];		/* 48 */
};

#define SFFS_XVALUE_BYTES	4048U

struct sffs_xvalue_block {
	struct sffs_header h;		/*  0 owner: inode */
	__le64 next;			/* 32 next block, 0: last */
	__le32 size;			/* 40 bytes of the value in this block */
	__le32 reserved;		/* 44 zero */
	__u8   data[SFFS_XVALUE_BYTES];	/* 48 */
};

/* ---- Quota -------------------------------------------------------------- */

struct sffs_quota {
	__le64 block_hard;		/*  0 bytes, 0: no limit */
	__le64 block_soft;		/*  8 bytes */
	__le64 block_used;		/* 16 bytes */
	__le64 inode_hard;		/* 24 */
	__le64 inode_soft;		/* 32 */
	__le64 inode_used;		/* 40 */
	__le64 block_time;		/* 48 end of grace, seconds since 1970 */
	__le64 inode_time;		/* 56 */
};

#define SFFS_QUOTAS_PER_BLOCK	63U	/* identifier n is entry n % 63 of block n / 63 */

struct sffs_quota_block {
	struct sffs_header h;		/*    0 owner: quota inode */
	struct sffs_quota quota[SFFS_QUOTAS_PER_BLOCK]; /* 32 */
	__u8   pad[32];			/* 4064 zero */
};

/* ---- File locks --------------------------------------------------------- */

#define SFFS_RANGE_FREE		0
#define SFFS_RANGE_POSIX	1	/* fcntl(2) F_SETLK and F_OFD_SETLK */
#define SFFS_RANGE_FLOCK	2	/* flock(2); start and end not used */

struct sffs_range {
	__le64 start;			/*  0 first byte */
	__le64 end;			/*  8 last byte */
	__le64 holder;			/* 16 number that the holding node gave it */
	__le32 incarnation;		/* 24 of the slot */
	__u8   slot;			/* 28 */
	__u8   kind;			/* 29 SFFS_RANGE_* */
	__u8   mode;			/* 30 SFFS_LOCK_SHARED or _EXCLUSIVE */
	__u8   reserved;		/* 31 zero */
};

#define SFFS_RANGES_PER_BLOCK	126U

struct sffs_range_block {
	struct sffs_header h;		/*  0 owner: inode */
	__le64 version;			/* 32 of the file-lock record that it belongs to */
	__le32 count;			/* 40 entries in use in this block */
	__le32 reserved[5];		/* 44 zero */
	struct sffs_range range[SFFS_RANGES_PER_BLOCK]; /* 64 */
};

/* ---- The sizes above, kept ---------------------------------------------- */

static_assert(sizeof(struct sffs_header) == 32);
static_assert(sizeof(struct sffs_super) == 4096);
static_assert(offsetof(struct sffs_super, slot_area_block) == 512);
static_assert(offsetof(struct sffs_super, error_sec) == 320);
static_assert(sizeof(struct sffs_slot_record) == SFFS_RECORD_SIZE);
static_assert(offsetof(struct sffs_slot_record, host) == 96);
static_assert(sizeof(struct sffs_lock_record) == SFFS_RECORD_SIZE);
static_assert(offsetof(struct sffs_lock_record, lvb) == 448);
static_assert(sizeof(struct sffs_group_lvb) == SFFS_LVB_SIZE);
static_assert(sizeof(struct sffs_mail) == SFFS_RECORD_SIZE);
static_assert(sizeof(struct sffs_slot_area) == 4096);
static_assert(sizeof(struct sffs_orphan_block) == 4096);
static_assert(sizeof(struct sffs_reclaim_block) == 4096);
static_assert(sizeof(struct sffs_qchange_block) == 4096);
static_assert(sizeof(struct sffs_group) == 4096);
static_assert(offsetof(struct sffs_group, sum) == 128);
static_assert(SFFS_BITMAPS_MAX * SFFS_BITMAP_BITS >= 1U << SFFS_GROUP_SHIFT_MAX);
static_assert(sizeof(struct sffs_bitmap) == 4096);
static_assert(sizeof(struct sffs_chunk) == 4096);
static_assert(sizeof(struct sffs_owner) == 80);
static_assert(sizeof(struct sffs_inode) == 4096);
static_assert(offsetof(struct sffs_inode, owner) == 192);
static_assert(offsetof(struct sffs_inode, area) == 512);
static_assert(offsetof(struct sffs_inode, xattr) == 3072);
static_assert(sizeof(struct sffs_node_head) == 16);
static_assert(sizeof(struct sffs_dir_head) == 16);
static_assert(sizeof(struct sffs_extent) == 24);
static_assert(offsetof(struct sffs_dirent, name) == SFFS_DIRENT_HEAD);
static_assert(offsetof(struct sffs_xattr_entry, name) == SFFS_XATTR_ENTRY_HEAD);
static_assert(sizeof(struct sffs_xattr_block) == 4096);
static_assert(sizeof(struct sffs_xvalue_block) == 4096);
static_assert(sizeof(struct sffs_quota_block) == 4096);
static_assert(sizeof(struct sffs_range_block) == 4096);

/* ---- Arithmetic of the layout ------------------------------------------- */

static inline unsigned int sffs_sectors_per_block(unsigned int sector_shift)
{
	return 1U << (SFFS_BLOCK_SHIFT - sector_shift);
}

/* Blocks that @sectors one-sector records take. */
static inline __u64 sffs_record_blocks(unsigned int sector_shift, __u64 sectors)
{
	unsigned int n = sffs_sectors_per_block(sector_shift);

	return (sectors + n - 1) / n;
}

/* Blocks of one of the three record runs of a chunk. */
static inline unsigned int sffs_chunk_run(unsigned int sector_shift)
{
	return SFFS_CHUNK_INODES / sffs_sectors_per_block(sector_shift);
}

/* Offset of inode 0 in its chunk: 26 blocks or 194. */
static inline unsigned int sffs_chunk_inode0(unsigned int sector_shift)
{
	return SFFS_CHUNK_RECORDS + 3 * sffs_chunk_run(sector_shift);
}

/* Blocks of a chunk: 90, or 258 with sectors of 4096 bytes. */
static inline unsigned int sffs_chunk_blocks(unsigned int sector_shift)
{
	return sffs_chunk_inode0(sector_shift) + SFFS_CHUNK_INODES;
}

static inline __u64 sffs_ino_chunk(__u64 ino)
{
	return ino >> SFFS_CHUNK_INODE_SHIFT;
}

static inline unsigned int sffs_ino_index(__u64 ino)
{
	return ino & (SFFS_CHUNK_INODES - 1);
}

static inline __u64 sffs_make_ino(__u64 chunk_block, unsigned int index)
{
	return (chunk_block << SFFS_CHUNK_INODE_SHIFT) | index;
}

static inline __u64 sffs_ino_block(__u64 ino, unsigned int sector_shift)
{
	return sffs_ino_chunk(ino) + sffs_chunk_inode0(sector_shift) + sffs_ino_index(ino);
}

/*
 * Sector on the volume of a record of inode @ino; @type is SFFS_LOCKT_INODE,
 * _OPEN or _FLOCK.
 */
static inline __u64 sffs_ino_record(__u64 ino, unsigned int type, unsigned int sector_shift)
{
	__u64 block = sffs_ino_chunk(ino) + SFFS_CHUNK_RECORDS +
		      (type - SFFS_LOCKT_INODE) * sffs_chunk_run(sector_shift);

	return block * sffs_sectors_per_block(sector_shift) + sffs_ino_index(ino);
}

static inline unsigned int sffs_bitmap_blocks(unsigned int group_shift)
{
	return ((1U << group_shift) + SFFS_BITMAP_BITS - 1) / SFFS_BITMAP_BITS;
}

/* Groups 0 and 1, and the powers of three, carry a backup of the super block. */
static inline int sffs_group_has_backup(__u64 group)
{
	if (group < 2)
		return 1;
	while (group % 3 == 0)
		group /= 3;
	return group == 1;
}

#endif /* _SFFS_FORMAT_H */
