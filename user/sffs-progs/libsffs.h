/* SPDX-License-Identifier: GPL-2.0-only */
/* What the SFFS programs share: devices, checksums, geometry, volumes. */
#ifndef _LIBSFFS_H
#define _LIBSFFS_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "sffs_format.h"

#define SFFS_ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/* ---- util.c ---- */

/**
 * sffs_err() - print "PROGRAM: message" to standard error
 * @fmt: as for printf(3), without the newline
 */
void sffs_err(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/**
 * sffs_parse_size() - read a size such as "64M"
 * @s: digits and at most one of k, M, G, T, P (powers of 1024)
 * @val: result in bytes
 *
 * Return: true if all of @s was read and the result fits.
 */
bool sffs_parse_size(const char *s, uint64_t *val);

/**
 * sffs_parse_u64() - read a whole decimal, or 0x hexadecimal, number
 * @s: the text
 * @min: smallest value allowed
 * @max: largest value allowed
 * @val: result
 *
 * Return: true if @s is nothing but such a number.
 */
bool sffs_parse_u64(const char *s, uint64_t min, uint64_t max, uint64_t *val);

/* Read a reclaim rate: off, low, medium, high, or a number in MB/s. */
bool sffs_parse_rate(const char *s, uint32_t *kbps);

/* Write a size with a unit into @buf, such as "1.5 GiB"; returns @buf. */
const char *sffs_format_size(uint64_t bytes, char *buf, size_t len);

/* The name of a reclaim rate; @buf is used for numbers. */
const char *sffs_format_rate(uint32_t kbps, char *buf, size_t len);

/* "PROGRAM: what "value": why" to standard error; returns @code. */
int sffs_bad_value(const char *what, const char *value, const char *why, int code);

/* -h and -V, which each program has: prints what is asked for and ends it with 0. */
void sffs_common_option(int c, void (*usage)(FILE *f));

/* Fill @buf with random bytes; ends the program if the kernel has none. */
void sffs_random(void *buf, size_t len);

/* ---- crc32c.c ---- */

/* CRC-32C, reflected, initial value @crc, result not inverted. */
uint32_t sffs_crc32c(uint32_t crc, const void *data, size_t len);

/* ---- device.c ---- */

/**
 * struct sffs_device - an open device or image
 * @fd: file descriptor
 * @path: as the user named it
 * @bytes: size
 * @sector_shift: log2 of the logical sector size; 0 for a regular file
 * @block_device: not a regular file
 */
struct sffs_device {
	int fd;
	const char *path;
	uint64_t bytes;
	unsigned int sector_shift;
	bool block_device;
};

/**
 * sffs_device_open() - open a block device or an image file
 * @dev: filled in
 * @path: what to open
 * @write: open for writing, and exclusively: fails while it is mounted
 *
 * Return: 0, or -1 after a message.
 */
int sffs_device_open(struct sffs_device *dev, const char *path, bool write);
void sffs_device_close(struct sffs_device *dev);

/* 0 if nobody holds the device, nor a loop device the file; else -1 after a message. */
int sffs_device_unused(const char *path);

/* Whole blocks; 0, or -1 after a message. */
int sffs_read_blocks(const struct sffs_device *dev, uint64_t block, void *buf, unsigned int n);
int sffs_write_blocks(const struct sffs_device *dev, uint64_t block, const void *buf,
		      unsigned int n);
int sffs_zero_blocks(const struct sffs_device *dev, uint64_t block, uint64_t n);

/* A block as it is on the device now, though this host has it in its page cache. */
int sffs_read_fresh(const struct sffs_device *dev, uint64_t block, void *buf);
int sffs_device_sync(const struct sffs_device *dev);

/* Give up all blocks of the device; true if it did so and they now read unbacked. */
bool sffs_device_discard(const struct sffs_device *dev);

/**
 * sffs_device_content() - what libblkid finds on the device
 * @dev: open device
 * @buf: filled with the name of a filesystem or partition table
 * @len: size of @buf
 *
 * Return: 1 if something was found, 0 if not, -1 on error.
 */
int sffs_device_content(const struct sffs_device *dev, char *buf, size_t len);

/* ---- geometry.c ---- */

/**
 * struct sffs_geometry - where everything is
 *
 * The input of sffs_geometry_make() are @blocks, @sector_shift and, where not
 * zero, @max_slots, @slots, @journal_blocks and @group_shift.
 */
struct sffs_geometry {
	uint64_t blocks;
	unsigned int sector_shift;
	unsigned int max_slots;
	unsigned int slots;
	uint32_t journal_blocks;
	unsigned int group_shift;
	uint32_t groups;
	uint32_t bitmap_blocks;
	uint64_t heartbeat_block;
	uint64_t fixed_lock_block;
	uint64_t mailbox_block;
	uint64_t slot_area_block;
	uint64_t journal_block;
	uint64_t first_group_block;
	uint32_t slot_area_blocks;
	uint32_t reclaim_blocks;
	uint32_t qchange_blocks;
};

/* Fill in what is zero and check the rest; 0, or -1 with the reason in @why. */
int sffs_geometry_make(struct sffs_geometry *g, const char **why);

/* Blocks in @group of a volume of this shape. */
uint32_t sffs_geometry_group_blocks(const struct sffs_geometry *g, uint32_t group);

static inline uint64_t sffs_geometry_group(const struct sffs_geometry *g, uint32_t group)
{
	return g->first_group_block + ((uint64_t)group << g->group_shift);
}

/* ---- volume.c ---- */

/**
 * struct sffs_volume - a volume with a super block that was found valid
 * @dev: the device
 * @sb: the super block, as on disk
 * @geo: the same, decoded
 * @seed: checksum seed
 * @read_only: what is written stays in memory
 * @overlay: these blocks
 */
struct sffs_volume {
	struct sffs_device dev;
	struct sffs_super sb;
	struct sffs_geometry geo;
	uint32_t seed;
	bool read_only;
	void *overlay;
};

/**
 * sffs_super_decode() - check a super block and decode it
 * @sb: block as read
 * @block: where it was read
 * @geo: filled in
 * @why: set to the reason of a failure
 *
 * Return: 0, or -1.
 */
int sffs_super_decode(const struct sffs_super *sb, uint64_t block, struct sffs_geometry *geo,
		      const char **why);

/**
 * sffs_volume_open() - open a device and read its super block
 * @vol: filled in
 * @path: device
 * @write: as for sffs_device_open()
 * @block: where to read the super block
 *
 * Return: 0, or -1 after a message.
 */
int sffs_volume_open(struct sffs_volume *vol, const char *path, bool write, uint64_t block);
void sffs_volume_close(struct sffs_volume *vol);

/* Write the super block and all its backups. */
int sffs_volume_write_super(struct sffs_volume *vol);

/* Fill a header and set the checksum of a 4 KiB block; the rest must be final. */
void sffs_block_seal(void *block, uint32_t magic, uint64_t number, uint64_t owner,
		     uint32_t generation, uint32_t seed);

/* Set, and check, the checksum of a 4 KiB block or a 512-byte record. */
void sffs_set_crc(void *buf, size_t len, uint32_t seed);
bool sffs_crc_ok(const void *buf, size_t len, uint32_t seed);

#endif /* _LIBSFFS_H */
