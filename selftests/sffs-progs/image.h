/* SPDX-License-Identifier: GPL-2.0-only */
/* An image in memory whose metadata can be changed field by field, checksums made right. */
#ifndef _SFFS_TEST_IMAGE_H
#define _SFFS_TEST_IMAGE_H

#include "fields.h"
#include "meta.h"

/* Where a field is that can be changed. */
struct target {
	const struct sffs_struct *s;
	const struct sffs_field *f;
	const char *in;		/* the structure that holds @s, or NULL */
};

/**
 * struct image - a volume in memory
 * @vol: its super block and geometry; no device
 * @data: the content
 * @bytes: size
 * @block: numbers of the blocks that hold metadata
 * @nr_blocks: how many
 * @changed: a flag for each block that was changed
 * @random: state of the generator
 */
struct image {
	struct sffs_volume vol;
	uint8_t *data;
	uint64_t bytes;
	uint64_t *block;
	size_t nr_blocks;
	uint8_t *changed;
	uint64_t random;
};

/* Read an image file; ends the program if it is no volume. */
void image_load(struct image *im, const char *path);

/* Undo what was changed, from the file that the image was read from. */
void image_restore(struct image *im, const char *path);
void image_free(struct image *im);
void image_write(const struct image *im, const char *path);

uint64_t image_random(struct image *im, uint64_t below);

/* All fields of all structures: fills @t and returns how many there are. */
size_t image_targets(struct target *t, size_t max);

/*
 * Change one field of one structure that has it. Returns false if there is none.
 * @what gets a description.
 */
bool image_mutate(struct image *im, const struct target *t, char *what, size_t len);

#endif
