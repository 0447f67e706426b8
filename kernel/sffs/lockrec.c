// SPDX-License-Identifier: GPL-2.0-only
/* Lock records: what they say, and the next image of one. */
#include "lockrec.h"

#define bit(slot)	(1ULL << (slot))

/**
 * sffs_slot_stale() - does a holder or waiter count no more?
 * @view: what was read of its slot, however long ago
 * @incarnation: of the holder or waiter
 *
 * An incarnation that is later than @view is not stale: @view is old. Nobody is stale
 * while the slot is being recovered, for its journal may not have been replayed.
 */
bool sffs_slot_stale(const struct sffs_slot_view *view, u32 incarnation)
{
	s32 behind = view->incarnation - incarnation;

	switch (view->state) {
	case SFFS_SLOT_FREE:
		return behind >= 0;
	case SFFS_SLOT_LIVE:
		return behind > 0;
	default:
		return false;
	}
}

/* ---- Reading ---- */

static bool is_zero(const void *buf, size_t len)
{
	const u8 *p = buf;

	while (len--)
		if (*p++)
			return false;
	return true;
}

/* How long ago a waiter drew its ticket, in tickets; at least 1 in a good record. */
static s16 age(const struct sffs_lock_record *rec, unsigned int slot)
{
	return le16_to_cpu(rec->next_ticket) - le16_to_cpu(rec->ticket[slot]);
}

static bool holders_ok(const struct sffs_lock_record *rec)
{
	u64 holders = le64_to_cpu(rec->holders);

	switch (rec->mode) {
	case SFFS_LOCK_NONE:
		return !holders;
	case SFFS_LOCK_SHARED:
		return holders;
	case SFFS_LOCK_EXCLUSIVE:
		return holders && !(holders & (holders - 1));
	default:
		return false;
	}
}

static bool slots_ok(const struct sffs_lock_record *rec, unsigned int max_slots)
{
	u64 holders = le64_to_cpu(rec->holders), waiters = le64_to_cpu(rec->waiters);
	u64 exclusive = le64_to_cpu(rec->wait_exclusive);
	unsigned int i, k;

	if ((holders & waiters) || (exclusive & ~waiters))
		return false;
	for (i = 0; i < SFFS_MAX_SLOTS; i++) {
		bool named = (holders | waiters) & bit(i);

		if (named != !!rec->incarnation[i] || (named && i >= max_slots))
			return false;
		if (!(waiters & bit(i))) {
			if (rec->ticket[i])
				return false;
			continue;
		}
		if (age(rec, i) <= 0)
			return false;
		for (k = 0; k < i; k++)
			if ((waiters & bit(k)) && rec->ticket[k] == rec->ticket[i])
				return false;
	}
	return true;
}

/**
 * sffs_lockrec_ok() - is this the record of the resource, with nothing in it that cannot be?
 * @id: the resource
 * @rec: 512 bytes from disk, which may say anything
 *
 * A record of zeros was never taken, and is good.
 */
bool sffs_lockrec_ok(const struct sffs_lockrec_id *id, const struct sffs_lock_record *rec)
{
	if (!rec->magic)
		return is_zero(rec, sizeof(*rec));
	return rec->magic == cpu_to_le32(SFFS_MAGIC_LOCK) &&
	       sffs_crc_ok(rec, sizeof(*rec), id->seed) &&
	       le64_to_cpu(rec->number) == id->number && rec->type == id->type &&
	       !rec->flags && rec->writer < id->max_slots &&
	       is_zero(rec->reserved, sizeof(rec->reserved)) &&
	       holders_ok(rec) && slots_ok(rec, id->max_slots);
}

/**
 * sffs_lockrec_ahead() - whom does the record name that the view does not know yet?
 * @id: the resource
 * @rec: a good record
 *
 * A node is in its slot's record before it is in any other. So the caller reads the
 * records of these slots into the view, after @rec was read; whoever is still ahead then
 * never was, and never ends: the lock record is damaged, -EUCLEAN.
 *
 * Return: their slots, a bit each.
 */
u64 sffs_lockrec_ahead(const struct sffs_lockrec_id *id, const struct sffs_lock_record *rec)
{
	u64 named = le64_to_cpu(rec->holders) | le64_to_cpu(rec->waiters), ahead = 0;
	unsigned int i;

	for (i = 0; i < id->max_slots; i++) {
		s32 behind = id->view[i].incarnation - le32_to_cpu(rec->incarnation[i]);

		if ((named & bit(i)) && (id->view[i].state == SFFS_SLOT_UNKNOWN || behind < 0))
			ahead |= bit(i);
	}
	return ahead;
}

/* The slots that the record names and that count no more, a bit each. */
u64 sffs_lockrec_stale(const struct sffs_lockrec_id *id, const struct sffs_lock_record *rec)
{
	u64 named = le64_to_cpu(rec->holders) | le64_to_cpu(rec->waiters), stale = 0;
	unsigned int i;

	for (i = 0; i < id->max_slots; i++)
		if ((named & bit(i)) &&
		    sffs_slot_stale(&id->view[i], le32_to_cpu(rec->incarnation[i])))
			stale |= bit(i);
	return stale;
}

/* The slot among @slots that drew its ticket first; they are waiters, at least one. */
static unsigned int oldest(const struct sffs_lock_record *rec, u64 slots)
{
	unsigned int i, first = 0;
	s16 most = 0;

	for (i = 0; i < SFFS_MAX_SLOTS; i++) {
		if ((slots & bit(i)) && age(rec, i) > most) {
			most = age(rec, i);
			first = i;
		}
	}
	return first;
}

static enum sffs_lock_mode wish(const struct sffs_lock_record *rec, unsigned int slot)
{
	return le64_to_cpu(rec->wait_exclusive) & bit(slot) ? SFFS_LOCK_EXCLUSIVE :
							      SFFS_LOCK_SHARED;
}

/* The node's own bit if the record names it, and not another incarnation of its slot. */
static u64 own(const struct sffs_lockrec_id *id, const struct sffs_lock_record *rec)
{
	return le32_to_cpu(rec->incarnation[id->slot]) == id->incarnation ? bit(id->slot) : 0;
}

/* Tell the node what the record says of it. */
void sffs_lockrec_read(const struct sffs_lockrec_id *id, const struct sffs_lock_record *rec,
		       struct sffs_lockrec_news *news)
{
	u64 holders = le64_to_cpu(rec->holders), waiters = le64_to_cpu(rec->waiters);
	u64 me = own(id, rec), others = waiters & ~me & ~sffs_lockrec_stale(id, rec);

	news->held = holders & me ? rec->mode : SFFS_LOCK_NONE;
	news->waits = waiters & me ? wish(rec, id->slot) : SFFS_LOCK_NONE;
	news->wanted = others ? wish(rec, oldest(rec, others)) : SFFS_LOCK_NONE;
	news->nobody = !holders && !waiters;
	news->version = le64_to_cpu(rec->version);
	news->before = news->version - (news->held == SFFS_LOCK_EXCLUSIVE);
}

/*
 * Does another incarnation of the node's slot still count? Then it is a later one, or
 * the view of the own slot lags behind; in neither case may the node write the record.
 */
static bool slot_in_use(const struct sffs_lockrec_id *id, const struct sffs_lock_record *rec)
{
	u32 incarnation = le32_to_cpu(rec->incarnation[id->slot]);

	return incarnation && incarnation != id->incarnation &&
	       !sffs_slot_stale(&id->view[id->slot], incarnation);
}

static bool holds(const struct sffs_lockrec_id *id, const struct sffs_lock_record *rec,
		  enum sffs_lock_mode mode)
{
	return (le64_to_cpu(rec->holders) & own(id, rec)) && rec->mode >= mode;
}

/* May @mode be granted beside these holders? */
static bool fits(const struct sffs_lock_record *rec, u64 holders, enum sffs_lock_mode mode)
{
	return !holders || (mode == SFFS_LOCK_SHARED && rec->mode == SFFS_LOCK_SHARED);
}

/* Is this a record that the delegate holds, whoever that is? What is stale is somebody. */
static bool delegates(const struct sffs_lockrec_id *id, const struct sffs_lock_record *rec)
{
	return id->type >= SFFS_LOCKT_INODE && id->type <= SFFS_LOCKT_FLOCK &&
	       !rec->holders && !rec->waiters;
}

/* Is the record another node's to change, the delegate's? Then that one is asked by mail. */
bool sffs_lockrec_delegated(const struct sffs_lockrec_id *id, const struct sffs_lock_record *rec)
{
	return delegates(id, rec) && !id->delegate;
}

/**
 * sffs_lockrec_can_take() - does the record let this node take the lock now?
 * @id: the resource and the node
 * @rec: a good record
 * @mode: shared or exclusive
 *
 * Nobody may be passed by: a node that is no waiter stays behind all that are, a waiter
 * behind those that are older. What the node holds already it cannot take.
 */
bool sffs_lockrec_can_take(const struct sffs_lockrec_id *id, const struct sffs_lock_record *rec,
			   enum sffs_lock_mode mode)
{
	u64 stale = sffs_lockrec_stale(id, rec);
	u64 waiters = le64_to_cpu(rec->waiters) & ~stale;
	u64 holders = le64_to_cpu(rec->holders) & ~stale & ~own(id, rec);

	if (slot_in_use(id, rec) || holds(id, rec, mode) || sffs_lockrec_delegated(id, rec))
		return false;
	return (!waiters || oldest(rec, waiters) == id->slot) && fits(rec, holders, mode);
}

/* ---- Making images ---- */

static void drop(struct sffs_lock_record *rec, u64 slots)
{
	unsigned int i;

	rec->holders &= cpu_to_le64(~slots);
	rec->waiters &= cpu_to_le64(~slots);
	rec->wait_exclusive &= cpu_to_le64(~slots);
	for (i = 0; i < SFFS_MAX_SLOTS; i++) {
		if (slots & bit(i)) {
			rec->incarnation[i] = 0;
			rec->ticket[i] = 0;
		}
	}
	if (!rec->holders)
		rec->mode = SFFS_LOCK_NONE;
}

static void raise_version(struct sffs_lock_record *rec)
{
	rec->version = cpu_to_le64(le64_to_cpu(rec->version) + 1);
}

static void grant(struct sffs_lock_record *rec, unsigned int slot, u32 incarnation,
		  enum sffs_lock_mode mode)
{
	drop(rec, bit(slot));
	rec->holders |= cpu_to_le64(bit(slot));
	rec->incarnation[slot] = cpu_to_le32(incarnation);
	rec->mode = mode;
	if (mode == SFFS_LOCK_EXCLUSIVE)
		raise_version(rec);
}

/* Hand the lock to the oldest waiter, and to those next in age that fit beside it. */
static void pass_on(struct sffs_lock_record *rec)
{
	u64 waiters;

	while ((waiters = le64_to_cpu(rec->waiters))) {
		unsigned int next = oldest(rec, waiters);
		enum sffs_lock_mode mode = wish(rec, next);

		if (!fits(rec, le64_to_cpu(rec->holders), mode))
			return;
		grant(rec, next, le32_to_cpu(rec->incarnation[next]), mode);
	}
}

/* The old image without what is stale. */
static void begin(const struct sffs_lockrec_id *id, const struct sffs_lock_record *old,
		  struct sffs_lock_record *new)
{
	*new = *old;
	new->magic = cpu_to_le32(SFFS_MAGIC_LOCK);
	new->number = cpu_to_le64(id->number);
	new->type = id->type;
	drop(new, sffs_lockrec_stale(id, old));
	if (delegates(id, old))
		raise_version(new);
}

static bool end(const struct sffs_lockrec_id *id, u64 nonce, struct sffs_lock_record *new)
{
	new->writer = id->slot;
	new->nonce = cpu_to_le64(nonce);
	sffs_set_crc(new, sizeof(*new), id->seed);
	return true;
}

/* The node becomes holder, whatever it was before. */
bool sffs_lockrec_take(const struct sffs_lockrec_id *id, const struct sffs_lock_record *old,
		       enum sffs_lock_mode mode, u64 nonce, struct sffs_lock_record *new)
{
	if (!sffs_lockrec_can_take(id, old, mode))
		return false;
	begin(id, old, new);
	grant(new, id->slot, id->incarnation, mode);
	return end(id, nonce, new);
}

/**
 * sffs_lockrec_enter() - the node becomes a waiter, and gives up what it holds
 * @id: the resource and the node
 * @old: a good record in which it does not wait
 * @mode: shared or exclusive
 * @nonce: fresh
 * @new: the image; the node may be holder in it, if nobody was in its way
 *
 * A node that holds exclusive does not wait for anything.
 */
bool sffs_lockrec_enter(const struct sffs_lockrec_id *id, const struct sffs_lock_record *old,
			enum sffs_lock_mode mode, u64 nonce, struct sffs_lock_record *new)
{
	u16 ticket = le16_to_cpu(old->next_ticket);
	u64 me = own(id, old), waiters;

	if (slot_in_use(id, old) || (le64_to_cpu(old->waiters) & me) ||
	    holds(id, old, SFFS_LOCK_EXCLUSIVE) || sffs_lockrec_delegated(id, old))
		return false;
	begin(id, old, new);
	drop(new, me);
	/* Tickets are told apart by the sign of their difference. */
	waiters = le64_to_cpu(new->waiters);
	if (waiters && age(new, oldest(new, waiters)) == 0x7fff)
		return false;
	new->next_ticket = cpu_to_le16(ticket + 1);
	new->ticket[id->slot] = cpu_to_le16(ticket);
	new->incarnation[id->slot] = cpu_to_le32(id->incarnation);
	new->waiters |= cpu_to_le64(bit(id->slot));
	if (mode == SFFS_LOCK_EXCLUSIVE)
		new->wait_exclusive |= cpu_to_le64(bit(id->slot));
	pass_on(new);
	return end(id, nonce, new);
}

/**
 * sffs_lockrec_leave() - the node waits no more
 * @id: the resource and the node
 * @old: a good record in which it waits
 * @nonce: fresh
 * @new: the image
 *
 * Those who stood behind it get the lock, if they fit beside who holds it.
 */
bool sffs_lockrec_leave(const struct sffs_lockrec_id *id, const struct sffs_lock_record *old,
			u64 nonce, struct sffs_lock_record *new)
{
	if (!(le64_to_cpu(old->waiters) & own(id, old)))
		return false;
	begin(id, old, new);
	drop(new, bit(id->slot));
	pass_on(new);
	return end(id, nonce, new);
}

static void set_lvb(struct sffs_lock_record *rec, const u8 *lvb)
{
	if (lvb)
		memcpy(rec->lvb, lvb, sizeof(rec->lvb));
}

/**
 * sffs_lockrec_release() - the node is no holder any more, and passes the lock on
 * @id: the resource and the node
 * @old: a good record in which it holds the lock
 * @lvb: new lock value block if it holds exclusive; NULL: as it was
 * @nonce: fresh
 * @new: the image
 */
bool sffs_lockrec_release(const struct sffs_lockrec_id *id, const struct sffs_lock_record *old,
			  const u8 *lvb, u64 nonce, struct sffs_lock_record *new)
{
	if (!holds(id, old, lvb ? SFFS_LOCK_EXCLUSIVE : SFFS_LOCK_SHARED))
		return false;
	begin(id, old, new);
	set_lvb(new, lvb);
	drop(new, bit(id->slot));
	pass_on(new);
	return end(id, nonce, new);
}

/* From exclusive to shared, at the same version; the oldest waiters that fit get it, too. */
bool sffs_lockrec_downgrade(const struct sffs_lockrec_id *id, const struct sffs_lock_record *old,
			    const u8 *lvb, u64 nonce, struct sffs_lock_record *new)
{
	if (!holds(id, old, SFFS_LOCK_EXCLUSIVE))
		return false;
	begin(id, old, new);
	set_lvb(new, lvb);
	new->mode = SFFS_LOCK_SHARED;
	pass_on(new);
	return end(id, nonce, new);
}

/**
 * sffs_lockrec_give() - the delegate names a holder in a record that names nobody
 * @id: the resource and the delegate
 * @old: a good record that names nobody
 * @slot: who gets it; the delegate itself, too, where it shall stand for itself
 * @incarnation: of that slot
 * @mode: shared or exclusive
 * @lvb: new lock value block, NULL: as it was
 * @nonce: fresh
 * @new: the image
 *
 * Whoever had the lock before sees by the version that its caches are void.
 */
bool sffs_lockrec_give(const struct sffs_lockrec_id *id, const struct sffs_lock_record *old,
		       u8 slot, u32 incarnation, enum sffs_lock_mode mode, const u8 *lvb,
		       u64 nonce, struct sffs_lock_record *new)
{
	if (!id->delegate || !delegates(id, old) || slot >= id->max_slots || !incarnation ||
	    sffs_slot_stale(&id->view[slot], incarnation))
		return false;
	begin(id, old, new);
	set_lvb(new, lvb);
	grant(new, slot, incarnation, mode);
	return end(id, nonce, new);
}
