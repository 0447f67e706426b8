// SPDX-License-Identifier: GPL-2.0-only
/*
 * orphaned DEVICE: on a volume that a host in slot 0 has left without an unmount, a host in
 * slot 1 has died in the recovery of that slot.
 */
#include <endian.h>
#include <stdio.h>
#include <string.h>

#include "libsffs.h"
#include "meta.h"

#define RECOVERER	7U

static struct sffs_slot_record *record(const struct sffs_volume *vol, void *block,
				       unsigned int slot)
{
	return block + (slot << vol->geo.sector_shift);
}

static void seal(const struct sffs_volume *vol, struct sffs_slot_record *rec)
{
	sffs_random(&rec->nonce, sizeof(rec->nonce));
	sffs_set_crc(rec, sizeof(*rec), vol->seed);
}

static int change(struct sffs_volume *vol)
{
	/* With sectors of 512 bytes one block has both records, with 4096 the first. */
	uint8_t buf[2][SFFS_BLOCK_SIZE] __attribute__((aligned(8)));
	uint64_t block = le64toh(vol->sb.heartbeat_block);
	struct sffs_slot_record *left = record(vol, buf, 0), *dead = record(vol, buf, 1);

	if (sffs_vol_read(vol, block, buf[0]) || sffs_vol_read(vol, block + 1, buf[1]))
		return -1;
	if (left->state != SFFS_SLOT_LIVE) {
		fprintf(stderr, "slot 0 is in state %u\n", left->state);
		return -1;
	}
	*dead = *left;
	dead->slot = htole32(1);
	dead->incarnation = htole32(RECOVERER);
	seal(vol, dead);
	left->state = SFFS_SLOT_RECOVERING;
	left->incarnation = htole32(le32toh(left->incarnation) + 1);
	left->recoverer = 1;
	left->recoverer_inc = htole32(RECOVERER);
	seal(vol, left);
	return sffs_vol_write(vol, block, buf[0]) || sffs_vol_write(vol, block + 1, buf[1]) ||
	       sffs_device_sync(&vol->dev) ? -1 : 0;
}

int main(int argc, char **argv)
{
	struct sffs_volume vol;
	int err;

	if (argc != 2)
		return 2;
	if (sffs_volume_open(&vol, argv[1], true, SFFS_SUPER_BLOCK))
		return 1;
	err = change(&vol);
	sffs_volume_close(&vol);
	return err ? 1 : 0;
}
