// SPDX-License-Identifier: GPL-2.0-only
/*
 * records: lock records. Random operations of four nodes, that mount, unmount, die and
 * are recovered, and whose views of each other are old, against a list of holders and a
 * queue of waiters; and records that say anything.
 */
#include "lockrec.h"
#include "pure_test.h"

#define NODES		4
#define ROUNDS		300000
#define INCS		4096	/* incarnations of a slot that the model remembers */
#define SEED		0x5eed1234U

/* ---- The model ---- */

struct name {			/* a holder or a waiter */
	u8 slot;
	u32 inc;
	enum sffs_lock_mode mode;
};

static struct model {
	struct name holder[NODES];
	struct name queue[NODES];	/* the oldest first */
	unsigned int holders, waiters;
	u64 version;
} model;

static bool has_delegate;	/* the record is one that its delegate holds if it names nobody */
static bool is_delegate;	/* who does the next operation */

/* A slot; @over says when an incarnation became stale, counted in events. */
static struct slot {
	u8 state;
	u32 first, inc;
	unsigned int over[INCS];
} slots[NODES];

static unsigned int now = 1;

/* What a node has read of the slots, and when. */
static struct node {
	struct sffs_slot_view view[NODES];
	unsigned int read[NODES];
} nodes[NODES];

static struct sffs_lock_record disk;
static unsigned int tries, changes;

static bool over(const struct name *n, unsigned int when)
{
	unsigned int at = slots[n->slot].over[(n->inc - slots[n->slot].first) % INCS];

	return at && at <= when;
}

static bool stale(unsigned int me, const struct name *n)
{
	return nodes[me].view[n->slot].state != SFFS_SLOT_RECOVERING &&
	       over(n, nodes[me].read[n->slot]);
}

static void cut(struct name *list, unsigned int *nr, unsigned int at)
{
	--*nr;
	for (; at < *nr; at++)
		list[at] = list[at + 1];
}

static void drop_stale(unsigned int me)
{
	for (unsigned int i = model.holders; i-- > 0;)
		if (stale(me, &model.holder[i]))
			cut(model.holder, &model.holders, i);
	for (unsigned int i = model.waiters; i-- > 0;)
		if (stale(me, &model.queue[i]))
			cut(model.queue, &model.waiters, i);
}

static int find(const struct name *list, unsigned int nr, unsigned int me)
{
	for (unsigned int i = 0; i < nr; i++)
		if (list[i].slot == me && list[i].inc == slots[me].inc)
			return i;
	return -1;
}

static bool beside(enum sffs_lock_mode mode)
{
	return !model.holders ||
	       (mode == SFFS_LOCK_SHARED && model.holder[0].mode == SFFS_LOCK_SHARED);
}

static void add_holder(struct name n)
{
	model.holder[model.holders++] = n;
	model.version += n.mode == SFFS_LOCK_EXCLUSIVE;
}

static void pass_on(void)
{
	while (model.waiters && beside(model.queue[0].mode)) {
		add_holder(model.queue[0]);
		cut(model.queue, &model.waiters, 0);
	}
}

/* Who names somebody in a record that names nobody? What it did before raised nothing. */
static bool begin(void)
{
	if (!has_delegate || model.holders || model.waiters)
		return true;
	model.version++;
	return is_delegate;
}

/* Each of these does what its function of the module should; false: it should refuse. */

static bool model_take(unsigned int me, enum sffs_lock_mode mode)
{
	int at = find(model.holder, model.holders, me);

	if (!begin() || (at >= 0 && model.holder[at].mode >= mode))
		return false;
	drop_stale(me);
	at = find(model.holder, model.holders, me);
	if (at >= 0)
		cut(model.holder, &model.holders, at);
	if (model.waiters && find(model.queue, model.waiters, me))
		return false;
	if (!beside(mode))
		return false;
	if (model.waiters)
		cut(model.queue, &model.waiters, 0);
	add_holder((struct name){ me, slots[me].inc, mode });
	return true;
}

static bool model_enter(unsigned int me, enum sffs_lock_mode mode)
{
	int at = find(model.holder, model.holders, me);

	if (!begin() || find(model.queue, model.waiters, me) >= 0 ||
	    (at >= 0 && model.holder[at].mode == SFFS_LOCK_EXCLUSIVE))
		return false;
	if (at >= 0)
		cut(model.holder, &model.holders, at);
	drop_stale(me);
	model.queue[model.waiters++] = (struct name){ me, slots[me].inc, mode };
	pass_on();
	return true;
}

static bool model_leave(unsigned int me)
{
	int at = find(model.queue, model.waiters, me);

	if (at < 0)
		return false;
	cut(model.queue, &model.waiters, at);
	drop_stale(me);
	pass_on();
	return true;
}

static bool model_release(unsigned int me)
{
	int at = find(model.holder, model.holders, me);

	if (at < 0)
		return false;
	cut(model.holder, &model.holders, at);
	drop_stale(me);
	pass_on();
	return true;
}

static bool model_downgrade(unsigned int me)
{
	int at = find(model.holder, model.holders, me);

	if (at < 0 || model.holder[at].mode != SFFS_LOCK_EXCLUSIVE)
		return false;
	model.holder[at].mode = SFFS_LOCK_SHARED;
	drop_stale(me);
	pass_on();
	return true;
}

static bool model_give(unsigned int me, unsigned int to, u32 inc, enum sffs_lock_mode mode)
{
	struct name n = { to, inc, mode };

	if (!has_delegate || model.holders || model.waiters || !begin() || stale(me, &n))
		return false;
	add_holder(n);
	return true;
}

/* ---- Does the record say what the model says? ---- */

static bool listed(const struct name *list, unsigned int nr, const struct sffs_lock_record *rec,
		   u64 bits, bool waiting)
{
	if ((unsigned int)__builtin_popcountll(bits) != nr)
		return false;
	for (unsigned int i = 0; i < nr; i++) {
		const struct name *n = &list[i];
		bool exclusive = n->mode == SFFS_LOCK_EXCLUSIVE;

		if (!(bits >> n->slot & 1) || le32toh(rec->incarnation[n->slot]) != n->inc)
			return false;
		if (waiting && (le64toh(rec->wait_exclusive) >> n->slot & 1) != exclusive)
			return false;
		if (waiting && i && (s16)(le16toh(rec->ticket[n->slot]) -
					  le16toh(rec->ticket[list[i - 1].slot])) <= 0)
			return false;
		if (!waiting && rec->mode != n->mode)
			return false;
	}
	return true;
}

static bool same(const struct sffs_lock_record *rec)
{
	return le64toh(rec->version) == model.version &&
	       listed(model.holder, model.holders, rec, le64toh(rec->holders), false) &&
	       listed(model.queue, model.waiters, rec, le64toh(rec->waiters), true);
}

/* ---- What must be true of any two images, whatever the model says ---- */

static bool counts(const struct sffs_lock_record *rec, unsigned int i)
{
	struct name n = { i, le32toh(rec->incarnation[i]), 0 };

	return n.inc && !over(&n, now);
}

static bool lawful(const struct sffs_lock_record *old, const struct sffs_lock_record *new)
{
	unsigned int live = 0;
	bool granted = false;

	for (unsigned int i = 0; i < NODES; i++) {
		bool held = le64toh(old->holders) >> i & 1 &&
			    old->incarnation[i] == new->incarnation[i];
		bool holds = le64toh(new->holders) >> i & 1;

		live += holds && counts(new, i);
		granted |= holds && new->mode == SFFS_LOCK_EXCLUSIVE &&
			   (!held || old->mode != SFFS_LOCK_EXCLUSIVE);
		/* A waiter that counts leaves the queue by its own hand, or by getting the lock. */
		if (le64toh(old->waiters) >> i & 1 && counts(old, i) && new->writer != i &&
		    (!((le64toh(new->waiters) | le64toh(new->holders)) >> i & 1) ||
		     old->incarnation[i] != new->incarnation[i]))
			return false;
		/* A holder that counts leaves by its own hand alone. */
		if (le64toh(old->holders) >> i & 1 && counts(old, i) && new->writer != i && !holds)
			return false;
	}
	if (new->mode == SFFS_LOCK_EXCLUSIVE && live > 1)
		return false;
	return !granted || le64toh(new->version) > le64toh(old->version);
}

static bool news_ok(const struct sffs_lockrec_id *id)
{
	int held = find(model.holder, model.holders, id->slot);
	int waits = find(model.queue, model.waiters, id->slot);
	enum sffs_lock_mode wanted = SFFS_LOCK_NONE;
	struct sffs_lockrec_news news;

	for (unsigned int i = 0; i < model.waiters && !wanted; i++)
		if ((int)i != waits && !stale(id->slot, &model.queue[i]))
			wanted = model.queue[i].mode;
	sffs_lockrec_read(id, &disk, &news);
	return news.held == (held < 0 ? SFFS_LOCK_NONE : model.holder[held].mode) &&
	       news.waits == (waits < 0 ? SFFS_LOCK_NONE : model.queue[waits].mode) &&
	       news.wanted == wanted && news.nobody == (!model.holders && !model.waiters) &&
	       news.version == model.version &&
	       news.before == model.version - (news.held == SFFS_LOCK_EXCLUSIVE);
}

/* ---- Random events ---- */

static void see(unsigned int me, unsigned int slot)
{
	nodes[me].view[slot].state = slots[slot].state;
	nodes[me].view[slot].incarnation = slots[slot].inc;
	nodes[me].read[slot] = now;
}

static void next_incarnation(struct slot *s)
{
	do
		s->over[(++s->inc - s->first) % INCS] = 0;
	while (!s->inc);	/* which is nobody's */
}

/* Mount, unmount, death and recovery, of a node that may hold the lock or wait for it. */
static void slot_event(unsigned int i)
{
	struct slot *s = &slots[i];

	now++;
	switch (s->state) {
	case SFFS_SLOT_FREE:
		next_incarnation(s);
		s->state = SFFS_SLOT_LIVE;
		see(i, i);
		return;
	case SFFS_SLOT_LIVE:
		if (rnd(2)) {
			s->state = SFFS_SLOT_FREE;
			break;
		}
		next_incarnation(s);
		s->state = SFFS_SLOT_RECOVERING;
		return;
	default:
		if (!rnd(4)) {			/* by another recoverer */
			next_incarnation(s);
			return;
		}
		s->state = SFFS_SLOT_FREE;
	}
	for (u32 i = s->inc - s->first; i + 1 > 0 && !s->over[i % INCS]; i--)
		s->over[i % INCS] = now;
}

static bool operate(const struct sffs_lockrec_id *id)
{
	enum sffs_lock_mode mode = rnd(2) ? SFFS_LOCK_SHARED : SFFS_LOCK_EXCLUSIVE;
	unsigned int me = id->slot, to = rnd(NODES);
	struct sffs_lock_record old = disk, new;
	struct model before = model;
	u64 nonce = rnd64();
	u8 lvb[SFFS_LVB_SIZE];
	bool done, want;

	is_delegate = id->delegate;
	memset(lvb, rnd(256), sizeof(lvb));
	memset(&new, 0xa5, sizeof(new));
	switch (rnd(9)) {
	case 0: case 1: case 2:
		want = model_take(me, mode);
		done = sffs_lockrec_take(id, &old, mode, nonce, &new);
		break;
	case 3: case 4:
		want = model_enter(me, mode);
		done = sffs_lockrec_enter(id, &old, mode, nonce, &new);
		break;
	case 5: case 6:
		want = model_release(me);
		done = sffs_lockrec_release(id, &old, NULL, nonce, &new);
		break;
	case 7:
		want = model_leave(me);
		done = sffs_lockrec_leave(id, &old, nonce, &new);
		break;
	default:
		if (rnd(2)) {
			want = model_downgrade(me);
			done = sffs_lockrec_downgrade(id, &old, lvb, nonce, &new);
			if (done && memcmp(new.lvb, lvb, sizeof(lvb)))
				return false;
			break;
		}
		want = model_give(me, to, slots[to].inc, mode);
		done = sffs_lockrec_give(id, &old, to, slots[to].inc, mode, NULL, nonce, &new);
		break;
	}
	tries++;
	changes += done;
	if (done != want || memcmp(&old, &disk, sizeof(old)))
		return false;
	if (!done) {
		model = before;
		return true;
	}
	if (!sffs_lockrec_ok(id, &new) || !lawful(&old, &new) || !same(&new) ||
	    le64toh(new.nonce) != nonce || new.writer != me)
		return false;
	disk = new;
	return true;
}

/* From a record that was never taken, or from one whose tickets are about to wrap. */
static bool against_model(enum sffs_lock_type type, bool wrap)
{
	struct sffs_lockrec_id id = {
		.number = 4711, .type = type, .max_slots = NODES, .seed = SEED,
	};

	has_delegate = type == SFFS_LOCKT_INODE || type == SFFS_LOCKT_OPEN ||
		       type == SFFS_LOCKT_FLOCK;
	memset(&model, 0, sizeof(model));
	memset(&disk, 0, sizeof(disk));
	if (wrap) {
		disk = (struct sffs_lock_record){
			.magic = htole32(SFFS_MAGIC_LOCK), .number = htole64(id.number),
			.type = id.type, .next_ticket = htole16(0xfff0),
		};
		sffs_set_crc(&disk, sizeof(disk), SEED);
	}
	/* Incarnations wrap: begin some before they do. */
	memset(slots, 0, sizeof(slots));
	memset(nodes, 0, sizeof(nodes));
	for (unsigned int i = 0; i < NODES; i++) {
		slots[i].first = i % 2 ? 0xfffffff0U : 1;
		slots[i].inc = slots[i].first;
		slots[i].over[0] = now;
	}
	for (unsigned int i = 0; i < rounds(ROUNDS); i++) {
		unsigned int me = rnd(NODES);

		if (!rnd(12))
			slot_event(me);
		see(rnd(NODES), rnd(NODES));
		if (slots[me].state != SFFS_SLOT_LIVE)
			continue;
		see(me, me);
		id.slot = me;
		id.incarnation = slots[me].inc;
		id.view = nodes[me].view;
		id.delegate = rnd(2);
		if (!sffs_lockrec_ok(&id, &disk) || !news_ok(&id) || !operate(&id)) {
			printf("# type %u, round %u, node %u\n", type, i, me);
			return false;
		}
	}
	printf("# %u operations, %u of them done\n", tries, changes);
	return changes > tries / 10;
}

/* ---- Records that say anything ---- */

static void fill(struct sffs_lock_record *rec)
{
	memset(rec, 0, sizeof(*rec));
	rec->magic = htole32(SFFS_MAGIC_LOCK);
	rec->number = htole64(4711);
	rec->type = SFFS_LOCKT_INODE;
	rec->mode = rnd(3);
	rec->next_ticket = htole16(rnd(65536));
	rec->version = htole64(rnd(3) ? rnd(100) : ~0ULL);
	for (unsigned int i = 0; i < SFFS_MAX_SLOTS; i++) {
		u32 what = rnd(SFFS_MAX_SLOTS);

		if (what > 12)
			continue;
		if (rec->mode && what < 4 && !(rec->mode == SFFS_LOCK_EXCLUSIVE && rec->holders)) {
			rec->holders |= htole64(1ULL << i);
		} else {
			rec->waiters |= htole64(1ULL << i);
			if (what % 2)
				rec->wait_exclusive |= htole64(1ULL << i);
			rec->ticket[i] = htole16(le16toh(rec->next_ticket) - 1 -
						 rnd(rnd(9) ? 500 : 0x7fff));
		}
		rec->incarnation[i] = htole32(1 + rnd(3));
	}
	if (!rec->holders)
		rec->mode = SFFS_LOCK_NONE;
}

static bool harmless(const struct sffs_lockrec_id *id, const struct sffs_lock_record *rec)
{
	enum sffs_lock_mode mode = rnd(2) ? SFFS_LOCK_SHARED : SFFS_LOCK_EXCLUSIVE;
	struct sffs_lock_record new;
	struct sffs_lockrec_news news;

	sffs_lockrec_read(id, rec, &news);
	return (!sffs_lockrec_take(id, rec, mode, 1, &new) || sffs_lockrec_ok(id, &new)) &&
	       (!sffs_lockrec_enter(id, rec, mode, 2, &new) || sffs_lockrec_ok(id, &new)) &&
	       (!sffs_lockrec_release(id, rec, NULL, 3, &new) || sffs_lockrec_ok(id, &new)) &&
	       (!sffs_lockrec_leave(id, rec, 6, &new) || sffs_lockrec_ok(id, &new)) &&
	       (!sffs_lockrec_downgrade(id, rec, NULL, 4, &new) || sffs_lockrec_ok(id, &new)) &&
	       (!sffs_lockrec_give(id, rec, rnd(256), rnd(4), mode, NULL, 5, &new) ||
		sffs_lockrec_ok(id, &new));
}

static bool hostile(void)
{
	struct sffs_slot_view view[SFFS_MAX_SLOTS];
	struct sffs_lockrec_id id = {
		.number = 4711, .type = SFFS_LOCKT_INODE, .seed = SEED, .view = view,
	};
	/* Of exactly the size that is used, so that a sanitizer sees what goes beyond. */
	struct sffs_lock_record *rec = malloc(sizeof(*rec));
	unsigned int good = 0, bad = 0;
	bool ok = true;

	for (unsigned int i = 0; ok && i < rounds(ROUNDS / 10); i++) {
		id.max_slots = rnd(2) ? SFFS_MAX_SLOTS : 1 + rnd(SFFS_MAX_SLOTS);
		id.slot = rnd(id.max_slots);
		id.incarnation = 1 + rnd(3);
		for (unsigned int k = 0; k < SFFS_MAX_SLOTS; k++)
			view[k] = (struct sffs_slot_view){ rnd(5), rnd(4) };
		view[id.slot] = (struct sffs_slot_view){ SFFS_SLOT_LIVE, id.incarnation };
		id.delegate = rnd(2);
		fill(rec);
		for (unsigned int n = rnd(3); n; n--)
			((u8 *)rec)[rnd(rnd(2) ? 64 : sizeof(*rec))] = rnd(256);
		sffs_set_crc(rec, sizeof(*rec), SEED);
		if (!rnd(20))
			((u8 *)rec)[rnd(sizeof(*rec))] ^= 1 + rnd(255);
		if (sffs_lockrec_ok(&id, rec)) {
			good++;
			ok = harmless(&id, rec);
		} else {
			bad++;
		}
	}
	free(rec);
	return ok && good > 1000 && bad > 1000;
}

/* One field at a time that no good record has. */
static bool refused(void)
{
	struct sffs_slot_view view[SFFS_MAX_SLOTS] = { { SFFS_SLOT_LIVE, 1 } };
	const struct sffs_lockrec_id id = {
		.number = 4711, .type = SFFS_LOCKT_INODE, .max_slots = 8, .slot = 0,
		.incarnation = 1, .seed = SEED, .view = view, .delegate = true,
	};
	struct sffs_lock_record good = {
		.magic = htole32(SFFS_MAGIC_LOCK), .number = htole64(4711),
		.type = SFFS_LOCKT_INODE, .mode = SFFS_LOCK_EXCLUSIVE, .next_ticket = htole16(7),
		.holders = htole64(1), .waiters = htole64(6), .wait_exclusive = htole64(2),
		.incarnation = { htole32(1), htole32(1), htole32(1) },
		.ticket = { 0, htole16(5), htole16(6) },
	};
	struct sffs_lock_record zero = { 0 }, r;
	bool bad = false;

	sffs_set_crc(&good, sizeof(good), SEED);
	if (!sffs_lockrec_ok(&id, &good) || !sffs_lockrec_ok(&id, &zero))
		return false;
	zero.lvb[3] = 1;
	if (sffs_lockrec_ok(&id, &zero))
		return false;
#define ACCEPTED(change)						\
	(r = good, change, sffs_set_crc(&r, sizeof(r), SEED),		\
	 sffs_lockrec_ok(&id, &r) && printf("# accepted: %s\n", #change))
	bad |= ACCEPTED(r.magic = htole32(SFFS_MAGIC_SLOT));
	bad |= ACCEPTED(r.number = htole64(4712));
	bad |= ACCEPTED(r.type = SFFS_LOCKT_OPEN);
	bad |= ACCEPTED(r.mode = SFFS_LOCK_NONE);
	bad |= ACCEPTED(r.mode = 3);
	bad |= ACCEPTED(r.flags = htole32(1));
	bad |= ACCEPTED(r.writer = 8);
	bad |= ACCEPTED(r.reserved[14] = 1);
	bad |= ACCEPTED(r.holders = 0);
	bad |= ACCEPTED((r.holders |= htole64(8), r.incarnation[3] = htole32(1)));
	bad |= ACCEPTED((r.waiters |= htole64(1), r.ticket[0] = htole16(4)));
	bad |= ACCEPTED((r.waiters |= htole64(1 << 8), r.ticket[8] = htole16(4),
			  r.incarnation[8] = htole32(1)));
	bad |= ACCEPTED(r.wait_exclusive = htole64(1));
	bad |= ACCEPTED(r.incarnation[1] = 0);
	bad |= ACCEPTED(r.incarnation[4] = htole32(1));
	bad |= ACCEPTED(r.ticket[0] = htole16(4));
	bad |= ACCEPTED(r.ticket[1] = htole16(6));
	bad |= ACCEPTED(r.ticket[1] = htole16(7));
	if (bad)
		return false;
	r = good;
	r.lvb[0]++;
	if (sffs_lockrec_ok(&id, &r))
		return false;
	/* Waiters without a holder: no image is so, but a record may be. */
	r = good;
	r.mode = SFFS_LOCK_NONE;
	r.holders = 0;
	r.incarnation[0] = 0;
	sffs_set_crc(&r, sizeof(r), SEED);
	return sffs_lockrec_ok(&id, &r) &&
	       !sffs_lockrec_give(&id, &r, 0, 1, SFFS_LOCK_SHARED, NULL, 1, &good);
}

int main(void)
{
	const struct result test[] = {
		{ "records as in a list of holders and a queue of waiters",
		  against_model(SFFS_LOCKT_GROUP, false) },
		{ "the same when tickets wrap", against_model(SFFS_LOCKT_CHUNK, true) },
		{ "what names nobody is the delegate's",
		  against_model(SFFS_LOCKT_INODE, false) && against_model(SFFS_LOCKT_FLOCK, true) },
		{ "each field that cannot be is refused", refused() },
		{ "what is accepted can be changed, and is good again", hostile() },
	};

	return report(test, ARRAY_SIZE(test));
}
