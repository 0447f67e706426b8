/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SFFS_POPULATE_H
#define _SFFS_POPULATE_H

#include "libsffs.h"

/**
 * sffs_populate() - copy a directory onto a volume that mkfs.sffs has made
 * @vol: the volume, with nothing but its root directory and quota files
 * @dir: what becomes the root directory
 * @unmapped: free blocks are not backed by the device
 *
 * Copies files of all types, hard links, holes, owners, times and extended attributes.
 *
 * Return: 0, or -1 after a message.
 */
int sffs_populate(struct sffs_volume *vol, const char *dir, bool unmapped);

#endif /* _SFFS_POPULATE_H */
