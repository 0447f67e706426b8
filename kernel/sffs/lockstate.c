// SPDX-License-Identifier: GPL-2.0-only
/* The states of a lock. */
#include "lockstate.h"

enum {
	CHANGE_TAKE,
	CHANGE_ENTER,
	CHANGE_LEAVE,
	CHANGE_RELEASE,
	CHANGE_DOWNGRADE,
};

static enum sffs_lock_action change(struct sffs_lock_core *c, u8 what, enum sffs_lock_mode mode)
{
	c->change = what;
	c->change_mode = mode;
	return SFFS_LA_CHANGE;
}

/* What is asked from now on may not be in what is read. */
static enum sffs_lock_action read_record(struct sffs_lock_core *c)
{
	c->look = false;
	c->reading = true;
	return SFFS_LA_READ;
}

/* What the tasks that wait want: exclusive serves all. */
static enum sffs_lock_mode wish(const struct sffs_lock_core *c)
{
	if (c->waiting[SFFS_LOCK_EXCLUSIVE])
		return SFFS_LOCK_EXCLUSIVE;
	return c->waiting[SFFS_LOCK_SHARED] ? SFFS_LOCK_SHARED : SFFS_LOCK_NONE;
}

/*
 * Tasks that wait for what the node holds: they were woken by its grant. While it is held,
 * who fits uses it at once, and nobody joins them.
 */
static unsigned int fitting(const struct sffs_lock_core *c)
{
	return c->waiting[SFFS_LOCK_SHARED] +
	       (c->held == SFFS_LOCK_EXCLUSIVE ? c->waiting[SFFS_LOCK_EXCLUSIVE] : 0);
}

/* The record names this node: at the version that it left, what it has cached is good. */
static void granted(struct sffs_lock_core *c, const struct sffs_lockrec_news *news)
{
	c->held = news->held;
	c->version = news->version;
	c->changed = false;
	c->drop = !c->known || news->before != c->left;
	if (c->drop)
		c->state = SFFS_LS_ASKING;
	else
		c->state = c->held == SFFS_LOCK_EXCLUSIVE ? SFFS_LS_EXCLUSIVE : SFFS_LS_SHARED;
}

/* The record names this node as holder of shared, at the version of its exclusive grant. */
static void lowered(struct sffs_lock_core *c)
{
	c->held = SFFS_LOCK_SHARED;
	c->changed = false;
	c->state = SFFS_LS_SHARED;
}

/* The node is out of the record, or in it by a later image. */
static void given_up(struct sffs_lock_core *c)
{
	c->left = c->version;
	c->known = true;
	c->held = SFFS_LOCK_NONE;
	c->upgrade = false;
	c->quit = false;
	c->state = SFFS_LS_NONE;
}

static enum sffs_lock_action none(struct sffs_lock_core *c)
{
	c->state = SFFS_LS_NONE;
	return SFFS_LA_NONE;
}

static enum sffs_lock_action step_asking(struct sffs_lock_core *c, const struct sffs_lockrec_id *id,
					 const struct sffs_lock_record *rec)
{
	enum sffs_lock_mode mode = wish(c);
	struct sffs_lockrec_news news;

	if (c->drop)
		return SFFS_LA_DROP;
	if (!c->fresh)
		return read_record(c);
	/* Its tasks have gone: a holder is not to give the lock up for nobody. */
	if (!mode && c->entered)
		return change(c, CHANGE_LEAVE, SFFS_LOCK_NONE);
	c->last &= !c->quit;
	if (!mode && !c->last)
		return none(c);
	if (sffs_lockrec_can_take(id, rec, mode ?: SFFS_LOCK_EXCLUSIVE))
		return change(c, CHANGE_TAKE, mode ?: SFFS_LOCK_EXCLUSIVE);
	/* Who waits for a delegation would have all uses under it ended, which may last. */
	if (id->type == SFFS_LOCKT_CHUNK && !c->entered)
		return none(c);
	if (!c->entered)
		return !mode || sffs_lockrec_delegated(id, rec) ? SFFS_LA_POLL :
								   change(c, CHANGE_ENTER, mode);
	/*
	 * A waiter takes its turn also if its tasks want exclusive by now: others wait behind
	 * it, and holders see that shared is wanted, which they let be.
	 */
	sffs_lockrec_read(id, rec, &news);
	if (sffs_lockrec_can_take(id, rec, news.waits))
		return change(c, CHANGE_TAKE, news.waits);
	return SFFS_LA_POLL;
}

static enum sffs_lock_action step_held(struct sffs_lock_core *c, const struct sffs_lockrec_id *id,
				       const struct sffs_lock_record *rec, u64 now)
{
	bool upgrade = c->held == SFFS_LOCK_SHARED && c->waiting[SFFS_LOCK_EXCLUSIVE];
	bool used = c->uses[SFFS_LOCK_SHARED] || c->uses[SFFS_LOCK_EXCLUSIVE];
	bool last = c->last && c->held == SFFS_LOCK_SHARED && !used && !c->quit;

	/* They come first, or the lock would go round for nothing. */
	if (fitting(c))
		return SFFS_LA_NONE;
	if (!c->fresh && (c->look || upgrade || last))
		return read_record(c);
	if ((upgrade || last) && sffs_lockrec_can_take(id, rec, SFFS_LOCK_EXCLUSIVE))
		return change(c, CHANGE_TAKE, SFFS_LOCK_EXCLUSIVE);
	/* A file that is open may stay so for days, and be opened again. */
	if (used && id->type == SFFS_LOCKT_OPEN)
		c->quit = false;
	/* Where nothing was changed there is nothing to be written before others share it. */
	if (used && id->type == SFFS_LOCKT_OPEN && c->held == SFFS_LOCK_EXCLUSIVE && !c->changed &&
	    c->wanted == SFFS_LOCK_SHARED)
		return c->fresh ? change(c, CHANGE_DOWNGRADE, SFFS_LOCK_SHARED) : read_record(c);
	if (!upgrade && !c->quit) {
		if (c->wanted == SFFS_LOCK_NONE ||
		    (c->wanted == SFFS_LOCK_SHARED && c->held == SFFS_LOCK_SHARED))
			return last ? SFFS_LA_POLL : SFFS_LA_NONE;
		if (now < c->keep_until)
			return SFFS_LA_KEEP;
	}
	c->upgrade = upgrade;
	c->state = SFFS_LS_DRAIN;
	return SFFS_LA_NONE;
}

static enum sffs_lock_action step_release(struct sffs_lock_core *c)
{
	if (!c->fresh)
		return read_record(c);
	if (c->upgrade)
		return change(c, CHANGE_ENTER, SFFS_LOCK_EXCLUSIVE);
	if (c->held == SFFS_LOCK_EXCLUSIVE && c->wanted == SFFS_LOCK_SHARED && !c->quit)
		return change(c, CHANGE_DOWNGRADE, SFFS_LOCK_SHARED);
	return change(c, CHANGE_RELEASE, SFFS_LOCK_NONE);
}

/* The worker begins a run: it has not read the record, or could not in the run before. */
void sffs_ls_begin(struct sffs_lock_core *c)
{
	c->look |= c->reading;
	c->reading = false;
	c->fresh = false;
}

/**
 * sffs_ls_step() - what is to be done now?
 * @c: the lock
 * @id: its resource, and this node
 * @rec: the record as sffs_ls_seen() had it last in this run
 * @now: nanoseconds
 *
 * Called by the lock's worker alone, which does what it says before the next call, and
 * ends its run with NONE, POLL and KEEP.
 */
enum sffs_lock_action sffs_ls_step(struct sffs_lock_core *c, const struct sffs_lockrec_id *id,
				   const struct sffs_lock_record *rec, u64 now)
{
	enum sffs_lock_action action;

	switch (c->state) {
	case SFFS_LS_NONE:
		c->quit = false;
		/* A delegate may have named the node when its tasks had gone. */
		if (c->look && !c->fresh)
			return read_record(c);
		if (!wish(c) && !c->last)
			return SFFS_LA_NONE;
		c->state = SFFS_LS_ASKING;
		fallthrough;
	case SFFS_LS_ASKING:
		return step_asking(c, id, rec);
	case SFFS_LS_SHARED:
	case SFFS_LS_EXCLUSIVE:
		action = step_held(c, id, rec, now);
		if (c->state != SFFS_LS_DRAIN)
			return action;
		fallthrough;
	case SFFS_LS_DRAIN:
		if (c->uses[SFFS_LOCK_SHARED] || c->uses[SFFS_LOCK_EXCLUSIVE])
			return SFFS_LA_NONE;
		return SFFS_LA_UNMAP;
	case SFFS_LS_FLUSH:
		return SFFS_LA_FLUSH;
	case SFFS_LS_REVOKE:
		return SFFS_LA_REVOKE;
	default:
		return step_release(c);
	}
}

/**
 * sffs_ls_image() - the image for SFFS_LA_CHANGE
 * @c: the lock
 * @id: its resource, and this node
 * @rec: the record as seen
 * @lvb: new lock value block, for the end of exclusive; or NULL
 * @nonce: fresh
 * @new: the image
 *
 * Return: false if the record leaves no way: wait and read it again.
 */
bool sffs_ls_image(struct sffs_lock_core *c, const struct sffs_lockrec_id *id,
		   const struct sffs_lock_record *rec, const u8 *lvb, u64 nonce,
		   struct sffs_lock_record *new)
{
	bool made;

	if (c->held != SFFS_LOCK_EXCLUSIVE)
		lvb = NULL;
	switch (c->change) {
	case CHANGE_TAKE:
		made = sffs_lockrec_take(id, rec, c->change_mode, nonce, new);
		break;
	case CHANGE_ENTER:
		made = sffs_lockrec_enter(id, rec, c->change_mode, nonce, new);
		break;
	case CHANGE_LEAVE:
		made = sffs_lockrec_leave(id, rec, nonce, new);
		break;
	case CHANGE_DOWNGRADE:
		made = (c->state == SFFS_LS_RELEASE || !c->changed) &&
		       sffs_lockrec_downgrade(id, rec, lvb, nonce, new);
		c->lowering = made;
		break;
	default:
		made = sffs_lockrec_release(id, rec, lvb, nonce, new);
		break;
	}
	c->tried |= made;
	return made;
}

/* RELEASE: has the ATS been done, and what is the node now? False: it is dead to others. */
static bool seen_release(struct sffs_lock_core *c, const struct sffs_lockrec_news *news, bool tried)
{
	/* Still the holder by the same grant: another node's image came first. */
	if (news->held == c->held && news->version == c->version)
		return true;
	/* None but the node itself ends a grant that counts. */
	if (!tried)
		return false;
	if (c->held == SFFS_LOCK_EXCLUSIVE && news->held == SFFS_LOCK_SHARED &&
	    news->version == c->version) {
		lowered(c);
		return true;
	}
	given_up(c);
	if (news->held)
		granted(c, news);
	else if (news->waits)
		c->state = SFFS_LS_ASKING;
	return true;
}

/**
 * sffs_ls_seen() - the record has been read, or changed
 * @c: the lock
 * @id: its resource, and this node
 * @rec: what the record is, good, and nobody in it is ahead of its slot
 *
 * Return: false if the record says that this node holds nothing which it holds: it has
 * been taken for dead, and must shut down.
 */
bool sffs_ls_seen(struct sffs_lock_core *c, const struct sffs_lockrec_id *id,
		  const struct sffs_lock_record *rec)
{
	struct sffs_lockrec_news news;
	bool tried = c->tried;

	sffs_lockrec_read(id, rec, &news);
	c->tried = false;
	c->lowering = false;
	c->fresh = true;
	c->reading = false;
	c->wanted = news.wanted;
	c->entered = news.waits != SFFS_LOCK_NONE;
	switch (c->state) {
	case SFFS_LS_NONE:
	case SFFS_LS_ASKING:
		if (news.held)
			granted(c, &news);
		return true;
	case SFFS_LS_RELEASE:
		return seen_release(c, &news, tried);
	case SFFS_LS_SHARED:
		if (news.held == SFFS_LOCK_EXCLUSIVE) {
			c->left = c->version;
			c->known = true;
			granted(c, &news);
			return true;
		}
		fallthrough;
	default:
		if (tried && c->state == SFFS_LS_EXCLUSIVE && news.held == SFFS_LOCK_SHARED &&
		    news.version == c->version)
			lowered(c);
		return news.held == c->held;
	}
}

bool sffs_ls_leaving(const struct sffs_lock_core *c)
{
	return c->state == SFFS_LS_RELEASE && c->change != CHANGE_DOWNGRADE;
}

/* DROP, UNMAP, FLUSH or REVOKE has been done: all that it wrote has completed. */
void sffs_ls_done(struct sffs_lock_core *c)
{
	switch (c->state) {
	case SFFS_LS_ASKING:
		c->drop = false;
		c->state = c->held == SFFS_LOCK_EXCLUSIVE ? SFFS_LS_EXCLUSIVE : SFFS_LS_SHARED;
		break;
	case SFFS_LS_DRAIN:
		c->state = c->held == SFFS_LOCK_EXCLUSIVE ? SFFS_LS_FLUSH : SFFS_LS_RELEASE;
		break;
	case SFFS_LS_FLUSH:
		c->state = SFFS_LS_REVOKE;
		break;
	case SFFS_LS_REVOKE:
		c->state = SFFS_LS_RELEASE;
		break;
	default:
		break;
	}
}
