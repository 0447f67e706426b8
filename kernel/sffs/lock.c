// SPDX-License-Identifier: GPL-2.0-only
/*
 * Cluster locks as this node sees them.
 *
 * A mount that is alone on its volume (-o local) holds every lock from the
 * start, so taking one only counts its uses and looks whether the mount may
 * still work; unless it loses its locks for a test (lose.c). Every path of the
 * filesystem goes through here, in the order that sffs.h gives.
 */
#include "sffs.h"

void sffs_lock_init(struct sffs_lock *lock, struct sffs_sb_info *sbi, unsigned int type,
		    u64 number)
{
	lock->sbi = sbi;
	lock->type = type;
	lock->number = number;
	lock->cache = 0;
	lock->period = sbi->shared ? atomic_long_inc_return(&sbi->periods) : 0;
	xa_init(&lock->known);
	atomic_set(&lock->uses[SFFS_LOCK_SHARED], 0);
	atomic_set(&lock->uses[SFFS_LOCK_EXCLUSIVE], 0);
}

/* The end of what a lock is in, an inode or a mount; nobody uses it any more. */
void sffs_lock_exit(struct sffs_lock *lock)
{
	xa_destroy(&lock->known);
}

/**
 * sffs_lock() - begin to use a cluster lock
 * @lock: the lock
 * @mode: SFFS_LOCK_SHARED to read, SFFS_LOCK_EXCLUSIVE to change
 *
 * Context: may sleep; no folio lock may be held, and no handle unless the task uses the lock
 * already.
 * Return: 0; -EIO when the mount has been shut down; -ESTALE if it is the lock of an inode that
 * another host has freed; or an error of reading what the lock covers.
 */
int sffs_lock(struct sffs_lock *lock, enum sffs_lock_mode mode)
{
	int err;

	if (unlikely(sffs_is_shutdown(lock->sbi)))
		return -EIO;
	if (likely(!lock->sbi->shared)) {
		atomic_inc(&lock->uses[mode]);
		return 0;
	}
	sffs_lose_get(lock, mode);
	err = sffs_cache_stale(lock) ? sffs_cache_fill(lock) : 0;
	if (err)
		sffs_unlock(lock, mode);
	return err;
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
	if (unlikely(sffs_is_shutdown(lock->sbi)))
		return false;
	if (likely(!lock->sbi->shared)) {
		atomic_inc(&lock->uses[mode]);
		return true;
	}
	if (!sffs_lose_try(lock, mode))
		return false;
	if (!sffs_cache_stale(lock))
		return true;
	sffs_unlock(lock, mode);
	return false;
}

/**
 * sffs_lock_last() - does nobody else use a lock?
 * @lock: an open record, not used by the caller either
 *
 * Context: may sleep, but does not wait for users elsewhere.
 * Return: true if this node could take the lock exclusively, and now holds it so.
 */
bool sffs_lock_last(struct sffs_lock *lock)
{
	return true;
}

/* End a use. Context: any but hard interrupts. */
void sffs_unlock(struct sffs_lock *lock, enum sffs_lock_mode mode)
{
	WARN_ON_ONCE(atomic_dec_return(&lock->uses[mode]) < 0);
}
