// SPDX-License-Identifier: GPL-2.0-only
/*
 * Cluster locks as this node sees them.
 *
 * A mount that is alone on its volume (-o local) holds every lock from the
 * start, so taking one only counts its uses and looks whether the mount may
 * still work. Every path of the filesystem goes through here, in the order
 * that sffs.h gives.
 */
#include "sffs.h"

void sffs_lock_init(struct sffs_lock *lock, struct sffs_sb_info *sbi, unsigned int type,
		    u64 number)
{
	lock->sbi = sbi;
	lock->type = type;
	lock->number = number;
	atomic_set(&lock->uses[SFFS_LOCK_SHARED], 0);
	atomic_set(&lock->uses[SFFS_LOCK_EXCLUSIVE], 0);
}

/**
 * sffs_lock() - begin to use a cluster lock
 * @lock: the lock
 * @mode: SFFS_LOCK_SHARED to read, SFFS_LOCK_EXCLUSIVE to change
 *
 * Context: may sleep; no folio lock and no handle may be held.
 * Return: 0, or -EIO when the mount has been shut down.
 */
int sffs_lock(struct sffs_lock *lock, enum sffs_lock_mode mode)
{
	if (unlikely(sffs_is_shutdown(lock->sbi)))
		return -EIO;
	atomic_inc(&lock->uses[mode]);
	return 0;
}

/**
 * sffs_trylock() - begin to use a cluster lock that this node holds already
 * @lock: the lock
 * @mode: as for sffs_lock()
 *
 * Context: does not sleep.
 * Return: whether the lock is held and may be used.
 */
bool sffs_trylock(struct sffs_lock *lock, enum sffs_lock_mode mode)
{
	return !sffs_lock(lock, mode);
}

/* End a use. Context: any but hard interrupts. */
void sffs_unlock(struct sffs_lock *lock, enum sffs_lock_mode mode)
{
	WARN_ON_ONCE(atomic_dec_return(&lock->uses[mode]) < 0);
}
