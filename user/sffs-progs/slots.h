/* SPDX-License-Identifier: GPL-2.0-only */
/* Slots of a volume that is not mounted. */
#ifndef _SFFS_SLOTS_H
#define _SFFS_SLOTS_H

#include "libsffs.h"

/* Write the empty journal at a block: 0, or -1 after a message. */
int sffs_make_journal(struct sffs_volume *vol, uint64_t block);

/* Write the area of a slot and its journal where the super block says; 0 or -1. */
int sffs_make_slot(struct sffs_volume *vol, unsigned int slot);

/* Is the slot free, its journal empty? 0, or -1 after a message that says what to do. */
int sffs_slot_idle(const struct sffs_volume *vol, unsigned int slot);

/* Take adjacent free blocks of some group, in its bitmaps: the first, or 0 if none has them. */
uint64_t sffs_take_run(struct sffs_volume *vol, uint32_t count);

/**
 * sffs_add_slots() - make room for further hosts
 * @vol: a volume at rest
 * @slots: how many there shall be; more than now
 *
 * Finds places in the groups for their areas and journals before anything is written,
 * then writes those and the bitmaps. The super block in @vol is changed and left to the
 * caller to write.
 *
 * Return: 0, or -1 after a message.
 */
int sffs_add_slots(struct sffs_volume *vol, unsigned int slots);

#endif /* _SFFS_SLOTS_H */
