/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a lock record says, and the images that change it: the rules of
 * Documentation/filesystems/sffs-locks.rst as arithmetic on 512 bytes. Nothing here
 * reads or writes a device, waits, or keeps anything; also tested in user space.
 *
 * A record is taken from disk by sffs_lockrec_ok() alone. All other functions want a
 * record that passed, and make one that would pass.
 */
#ifndef _SFFS_LOCKREC_H
#define _SFFS_LOCKREC_H

#include "pure.h"
#include "sffs_format.h"

/**
 * struct sffs_slot_view - what a node last read of a slot's heartbeat record
 * @state: enum sffs_slot_state, or SFFS_SLOT_UNKNOWN
 * @incarnation: of the present or last holder
 *
 * May be as old as it likes: what it says is stale has stayed so. Whoever is not yet
 * in it is not stale.
 */
struct sffs_slot_view {
	u8 state;
	u32 incarnation;
};

#define SFFS_SLOT_UNKNOWN	0xff	/* not read yet: nobody is stale */

/**
 * struct sffs_lockrec_id - one resource, as one node looks at it
 * @number: resource number, as enum sffs_lock_type says
 * @type: enum sffs_lock_type
 * @max_slots: of the volume
 * @slot: the node's own
 * @delegate: the node holds the delegation of the chunk, whose records it has read since,
 *	and holds it until the ATS is over; counts for inode, open and file-lock records
 * @incarnation: its own, not zero
 * @seed: of checksums
 * @view: of every slot below @max_slots, its own included
 */
struct sffs_lockrec_id {
	u64 number;
	u8 type;
	u8 max_slots;
	u8 slot;
	bool delegate;
	u32 incarnation;
	u32 seed;
	const struct sffs_slot_view *view;
};

/**
 * struct sffs_lockrec_news - what an image says to one node
 * @held: mode in which the node holds the lock
 * @waits: mode for which it is a waiter, or SFFS_LOCK_NONE
 * @wanted: mode that the oldest other waiter wants, who is not stale; or SFFS_LOCK_NONE
 * @nobody: it names neither holder nor waiter, stale ones included
 * @version: as it is
 * @before: as it was before the image that granted @held; @version if nothing is held
 */
struct sffs_lockrec_news {
	enum sffs_lock_mode held;
	enum sffs_lock_mode waits;
	enum sffs_lock_mode wanted;
	bool nobody;
	u64 version;
	u64 before;
};

bool sffs_slot_stale(const struct sffs_slot_view *view, u32 incarnation);

bool sffs_lockrec_ok(const struct sffs_lockrec_id *id, const struct sffs_lock_record *rec);
u64 sffs_lockrec_ahead(const struct sffs_lockrec_id *id, const struct sffs_lock_record *rec);
u64 sffs_lockrec_stale(const struct sffs_lockrec_id *id, const struct sffs_lock_record *rec);
void sffs_lockrec_read(const struct sffs_lockrec_id *id, const struct sffs_lock_record *rec,
		       struct sffs_lockrec_news *news);
bool sffs_lockrec_delegated(const struct sffs_lockrec_id *id, const struct sffs_lock_record *rec);
bool sffs_lockrec_can_take(const struct sffs_lockrec_id *id, const struct sffs_lock_record *rec,
			   enum sffs_lock_mode mode);

/*
 * Images. @old is left as it is; @new is complete, with @nonce, own slot as writer and
 * checksum. All drop what is stale. One that is made of a record that names nobody, by the
 * delegate, raises the version once more than its grant does: what the delegate changed has
 * raised nothing. False: the rules forbid it, and @new is undefined.
 */
bool sffs_lockrec_take(const struct sffs_lockrec_id *id, const struct sffs_lock_record *old,
		       enum sffs_lock_mode mode, u64 nonce, struct sffs_lock_record *new);
bool sffs_lockrec_enter(const struct sffs_lockrec_id *id, const struct sffs_lock_record *old,
			enum sffs_lock_mode mode, u64 nonce, struct sffs_lock_record *new);
bool sffs_lockrec_leave(const struct sffs_lockrec_id *id, const struct sffs_lock_record *old,
			u64 nonce, struct sffs_lock_record *new);
bool sffs_lockrec_release(const struct sffs_lockrec_id *id, const struct sffs_lock_record *old,
			  const u8 *lvb, u64 nonce, struct sffs_lock_record *new);
bool sffs_lockrec_downgrade(const struct sffs_lockrec_id *id, const struct sffs_lock_record *old,
			    const u8 *lvb, u64 nonce, struct sffs_lock_record *new);
bool sffs_lockrec_give(const struct sffs_lockrec_id *id, const struct sffs_lock_record *old,
		       u8 slot, u32 incarnation, enum sffs_lock_mode mode, const u8 *lvb,
		       u64 nonce, struct sffs_lock_record *new);

#endif /* _SFFS_LOCKREC_H */
