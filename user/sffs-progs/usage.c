// SPDX-License-Identifier: GPL-2.0-only
#include <stdlib.h>
#include <string.h>

#include "meta.h"
#include "usage.h"

static size_t place(const struct sffs_usage *u, uint8_t type, uint32_t id)
{
	size_t i = (id * 2654435761U + type) & (u->size - 1);

	while (u->use[i].known && (u->use[i].id != id || u->use[i].type != type))
		i = (i + 1) & (u->size - 1);
	return i;
}

static void grow(struct sffs_usage *u)
{
	struct sffs_usage old = *u;

	u->size = old.size ? 2 * old.size : 64;
	u->use = sffs_grow(NULL, u->size, sizeof(*u->use));
	memset(u->use, 0, u->size * sizeof(*u->use));
	for (size_t i = 0; i < old.size; i++)
		if (old.use[i].known)
			u->use[place(u, old.use[i].type, old.use[i].id)] = old.use[i];
	free(old.use);
}

struct sffs_use *sffs_usage_of(struct sffs_usage *u, uint8_t type, uint32_t id)
{
	struct sffs_use *use;

	if (2 * u->nr >= u->size)
		grow(u);
	use = &u->use[place(u, type, id)];
	if (!use->known) {
		*use = (struct sffs_use){ .id = id, .type = type, .known = true };
		u->nr++;
	}
	return use;
}

static void add(struct sffs_usage *u, uint8_t type, uint32_t id, int64_t blocks, int64_t inodes)
{
	struct sffs_use *use = sffs_usage_of(u, type, id);

	use->blocks += blocks;
	use->inodes += inodes;
}

void sffs_usage_add(struct sffs_usage *u, const struct sffs_inode *di)
{
	int64_t blocks = le64toh(di->blocks);

	add(u, SFFS_QUOTA_USER, le32toh(di->uid), blocks, 1);
	add(u, SFFS_QUOTA_GROUP, le32toh(di->gid), blocks, 1);
	add(u, SFFS_QUOTA_PROJECT, le32toh(di->project), blocks, 1);
}

void sffs_usage_changes(struct sffs_usage *u, const struct sffs_qchange_block *qb, int sign)
{
	for (size_t i = 0; i < SFFS_QCHANGES_PER_BLOCK; i++) {
		const struct sffs_quota_change *e = &qb->entry[i];

		if (e->used && e->type < SFFS_QUOTA_TYPES)
			add(u, e->type, le32toh(e->id), sign * (int64_t)le64toh(e->blocks),
			    sign * (int64_t)le64toh(e->inodes));
	}
}

/* The next in the list that is to be stored, from @at on. */
static const struct sffs_use *next_use(const struct sffs_usage *u, const struct sffs_volume *vol,
				       size_t *at)
{
	while (*at < u->size) {
		const struct sffs_use *use = &u->use[(*at)++];

		if (use->known && (use->blocks || use->inodes) && vol->sb.quota_ino[use->type])
			return use;
	}
	return NULL;
}

int sffs_usage_store(const struct sffs_usage *u, struct sffs_volume *vol)
{
	uint64_t block = le64toh(vol->sb.slot_area_block[0]) + 1 + vol->geo.reclaim_blocks;
	size_t at = 0;
	const struct sffs_use *use = next_use(u, vol, &at);

	for (uint32_t n = 0; n < vol->geo.qchange_blocks; n++) {
		struct sffs_qchange_block qb = { 0 };
		uint32_t i = 0;

		for (; use && i < SFFS_QCHANGES_PER_BLOCK; use = next_use(u, vol, &at))
			qb.entry[i++] = (struct sffs_quota_change){
				.id = htole32(use->id), .type = use->type, .used = 1,
				.blocks = htole64(use->blocks), .inodes = htole64(use->inodes),
			};
		qb.count = htole32(i);
		sffs_block_seal(&qb, SFFS_MAGIC_QCHANGE, block + n, 0, 0, vol->seed);
		if (sffs_vol_write(vol, block + n, &qb))
			return -1;
	}
	if (use)
		sffs_err("%s: more users, groups and projects than there is room for changes of",
			 vol->dev.path);
	return use ? -1 : 0;
}

void sffs_usage_free(struct sffs_usage *u)
{
	free(u->use);
	*u = (struct sffs_usage){ 0 };
}
