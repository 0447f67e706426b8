// SPDX-License-Identifier: GPL-2.0-only
/*
 * nodes: the states of a lock. Three nodes with three tasks each share locks, each with one
 * block under it, on a simulated array; who does the next step of what is random, and so is
 * how much of the array's answers comes late. Nodes die and are recovered. Mail comes late,
 * or gets lost and is repeated. In one run two of the locks are delegated with a third, as
 * in chunk.pml.
 */
#include "lockstate.h"
#include "pure_test.h"

#define NODES	3
#define TASKS	3
#define LOCKS	3		/* one alone, or a delegation and what is under it */
#define STEPS	1000000
#define PATIENCE 10000		/* steps in which every wish is granted, with one lock */
#define REPEAT	4		/* polls after which mail is sent again */
#define SEED	5U

/* What a delegate knows of a record under it. */
enum known { UNKNOWN, NAMED, NOBODYS };

enum task_state { IDLE, WAITING, USING };

struct task {
	enum task_state state;
	enum sffs_lock_mode mode;
	unsigned int lock;
	unsigned int since;
	bool mortal;
	bool through;		/* uses the lock through the delegation */
};

/* A lock as one node has it. */
struct lock {
	struct sffs_lock_core core;
	struct sffs_lockrec_id id;
	/* The worker: what it is doing, and the images that it works with. */
	bool queued;
	bool begun;
	bool timer;
	bool halfway;
	enum sffs_lock_action action;
	struct sffs_lock_record rec, new;
	/* Mail: whom it has asked, and who asks; a bit for each slot. */
	unsigned int posted, polls, asked;
	/* The block, by the number of its last change; 0: not there. */
	u64 cache, journal, writing;
	bool dirty, mapped;
	/* As a delegate: what the record is and was, uses, and whom it is being given to. */
	enum known known;
	u64 known_version;
	unsigned int through;
	enum { NOT_GIVING, GIVING, WRITING, REVOKING, NAMING } give;
	struct sffs_lock_record all, named;
	unsigned int give_to;
};

static struct node {
	struct sffs_slot_view view[NODES];
	struct lock lock[LOCKS];
	struct task task[TASKS];
	bool wants_delegation, reads_chunk;
	unsigned int lazy_until;	/* its tasks start nothing: others must not wait for them */
	unsigned int busy_until;	/* one use begins before another one ends */
} nodes[NODES];

/* A lock as the array has it: the record, the block, and the block's last change. */
static struct {
	struct sffs_lock_record disk;
	u64 home, newest;
	u64 damage;		/* the slot that it names, and that was never so; a bit */
} res[LOCKS];

static struct sffs_slot_view slots[NODES];
static unsigned int locks, step, served, deaths, passed, damages, given, patience;
static bool lossy, quiet, chunk;
static const char *broken;

static void must(bool ok, const char *what)
{
	if (!ok && !broken)
		broken = what;
}

static void see(struct node *n, unsigned int slot)
{
	n->view[slot] = slots[slot];
}

/* ---- Damage ---- */

/* A waiter that never was, and so never goes. */
static void damage(unsigned int at)
{
	struct sffs_lock_record *rec = &res[at].disk;
	unsigned int slot = rnd(NODES);
	u16 ticket = le16toh(rec->next_ticket);

	if (!rec->magic || res[at].damage || rec->incarnation[slot])
		return;
	res[at].damage = 1U << slot;
	rec->nonce = rnd64();
	rec->waiters |= htole64(res[at].damage);
	rec->wait_exclusive |= htole64(res[at].damage);
	rec->incarnation[slot] = htole32(slots[slot].incarnation + 1000);
	rec->ticket[slot] = htole16(ticket);
	rec->next_ticket = htole16(ticket + 1);
	sffs_set_crc(rec, sizeof(*rec), SEED);
	damages++;
}

/* What a check of the volume does. */
static void repair(unsigned int at)
{
	struct sffs_lock_record *rec = &res[at].disk;

	rec->nonce = rnd64();
	rec->holders &= ~htole64(res[at].damage);
	rec->waiters &= ~htole64(res[at].damage);
	rec->wait_exclusive &= ~htole64(res[at].damage);
	if (!rec->holders)
		rec->mode = SFFS_LOCK_NONE;
	for (unsigned int i = 0; i < NODES; i++) {
		if (res[at].damage >> i & 1) {
			rec->incarnation[i] = 0;
			rec->ticket[i] = 0;
		}
	}
	sffs_set_crc(rec, sizeof(*rec), SEED);
	res[at].damage = 0;
}

/* ---- Tasks ---- */

static void begin_use(struct node *n, struct task *t)
{
	struct lock *l = &n->lock[t->lock];

	for (unsigned int i = 0; i < NODES; i++)
		for (unsigned int k = 0; k < TASKS; k++) {
			const struct task *other = &nodes[i].task[k];

			must(&nodes[i] == n || other->state != USING || other->lock != t->lock ||
			     (other->mode == SFFS_LOCK_SHARED && t->mode == SFFS_LOCK_SHARED),
			     "two nodes use the lock");
		}
	t->state = USING;
	served++;
	if (!l->cache)
		l->cache = res[t->lock].home;
	must(l->cache == res[t->lock].newest, "an old block is used");
	l->mapped = true;
}

static void change_block(struct lock *l, unsigned int at)
{
	l->cache = ++res[at].newest;
	l->dirty = true;
	if (rnd(2)) {			/* the journal commits when it likes */
		l->journal = l->cache;
		l->dirty = false;
	}
}

/* By the lock's own record, or through the delegation if that names nobody. */
static bool try_use(struct node *n, struct task *t)
{
	struct lock *l = &n->lock[t->lock];

	t->through = false;
	if (sffs_ls_use(&l->core, t->mode))
		return true;
	if (l->core.held || l->known != NOBODYS || l->give)
		return false;
	t->through = sffs_ls_use(&n->lock[0].core, SFFS_LOCK_EXCLUSIVE);
	l->through += t->through;
	return t->through;
}

static void end_delegated(struct node *n)
{
	if (sffs_ls_unuse(&n->lock[0].core, SFFS_LOCK_EXCLUSIVE))
		n->lock[0].queued = true;
}

static void end_use(struct node *n, struct task *t)
{
	struct lock *l = &n->lock[t->lock];

	t->state = IDLE;
	if (t->through) {
		l->through--;
		end_delegated(n);
	} else if (sffs_ls_unuse(&l->core, t->mode)) {
		l->queued = true;
	}
}

/* A busy node's use ends after another one has begun, if there is a task that can. */
static bool goes_on(const struct node *n, const struct task *t)
{
	bool idle = false;

	if (quiet || step >= n->busy_until || step < n->lazy_until)
		return false;
	for (unsigned int k = 0; k < TASKS; k++) {
		const struct task *other = &n->task[k];

		if (other != t && other->state == USING && other->lock == t->lock)
			return false;
		idle |= other->state == IDLE;
	}
	return idle;
}

static void wish_use(struct node *n, struct task *t)
{
	bool busy = step < n->busy_until;
	struct lock *l;

	if (quiet || step < n->lazy_until || (!busy && rnd(4)))
		return;
	t->mode = rnd(busy ? 16 : 2) ? SFFS_LOCK_SHARED : SFFS_LOCK_EXCLUSIVE;
	t->lock = chunk ? 1 + rnd(locks - 1) : 0;
	l = &n->lock[t->lock];
	if (try_use(n, t)) {
		begin_use(n, t);
		return;
	}
	t->state = WAITING;
	t->since = step;
	t->mortal = rnd(2);
	l->core.waiting[t->mode]++;
	l->queued = true;
}

static void run_task(struct node *n, struct task *t)
{
	struct lock *l = &n->lock[t->lock];

	switch (t->state) {
	case IDLE:
		wish_use(n, t);
		return;
	case WAITING:
		if (try_use(n, t)) {
			l->core.waiting[t->mode]--;
			begin_use(n, t);
		} else if (t->mortal && !rnd(10)) {	/* killed */
			l->core.waiting[t->mode]--;
			t->state = IDLE;
			l->queued = true;
		}
		must(step - t->since < patience, "a task waits for ever");
		return;
	default:
		must(l->cache == res[t->lock].newest, "a block in use is old");
		if (t->mode == SFFS_LOCK_EXCLUSIVE && !rnd(3))
			change_block(l, t->lock);
		if (goes_on(n, t) || (!quiet && rnd(3)))
			return;
		end_use(n, t);
	}
}

/* Those who waited for what is held come first, and then nobody who has not waited. */
static void must_be_served(const struct node *n, const struct lock *l)
{
	for (unsigned int k = 0; k < TASKS; k++) {
		const struct task *t = &n->task[k];

		must(t->state != WAITING || t->lock != (unsigned int)(l - n->lock) ||
		     t->mode > l->core.held, "a lock is given up before its turn was used");
	}
}

/* ---- Mail ---- */

static u64 live_holders(const struct lock *l, const struct sffs_lock_record *rec)
{
	return le64toh(rec->holders) & ~sffs_lockrec_stale(&l->id, rec);
}

/* Who may be asked for a lock, a bit each. Where nobody can give it, the node will. */
static unsigned int owners(struct node *n, unsigned int at)
{
	struct lock *l = &n->lock[at];
	u64 who = live_holders(l, &l->rec);

	if (sffs_lockrec_delegated(&l->id, &l->rec)) {
		who = live_holders(&n->lock[0], &res[0].disk);
		if (!who && !n->wants_delegation) {
			n->wants_delegation = true;
			n->lock[0].core.waiting[SFFS_LOCK_EXCLUSIVE]++;
			n->lock[0].queued = true;
		}
	}
	return who & ~(1ULL << l->id.slot);
}

/* A poll: each is asked once; or now and then, where mail gets lost. */
static void ask(struct node *n, unsigned int at)
{
	struct lock *l = &n->lock[at];
	unsigned int ask = owners(n, at);

	l->posted &= ask;
	if (!lossy || ++l->polls % REPEAT)
		ask &= ~l->posted;
	l->posted |= ask;
	for (unsigned int i = 0; i < NODES; i++)
		if ((ask >> i & 1) && !(lossy && rnd(2)))
			nodes[i].lock[at].asked |= 1U << l->id.slot;
}

/* The delegate begins to give a lock to one who asks. Else the mail is for the holder. */
static bool begin_giving(struct node *n, struct lock *l)
{
	unsigned int to = rnd(NODES);

	if (!(l->asked >> to & 1) || n->view[to].state != SFFS_SLOT_LIVE || l->give ||
	    l->core.held || l->known != NOBODYS || n->reads_chunk ||
	    !sffs_ls_use(&n->lock[0].core, SFFS_LOCK_EXCLUSIVE))
		return false;
	l->asked &= ~(1U << to);
	l->give_to = to;
	l->give = GIVING;
	return true;
}

/* The node looks into its mailbox, whatever the worker does. */
static void read_mail(struct node *n, struct lock *l)
{
	if (!l->asked || rnd(8) || begin_giving(n, l))
		return;
	l->asked = 0;
	l->core.look = true;
	l->queued = true;
}

/* ---- The worker ---- */

/* The record is known, and so are those whom it names, or it is damaged. */
static bool seen(struct node *n, unsigned int at)
{
	struct lock *l = &n->lock[at];
	bool entered;
	u64 ahead;

	must(sffs_lockrec_ok(&l->id, &l->rec), "the record is damaged");
	ahead = sffs_lockrec_ahead(&l->id, &l->rec);
	for (unsigned int i = 0; i < NODES; i++)
		if (ahead >> i & 1)
			see(n, i);
	if (sffs_lockrec_ahead(&l->id, &l->rec)) {
		must(l->rec.nonce != res[at].disk.nonce || res[at].damage,
		     "a good record is taken for damaged");
		repair(at);
		l->rec = res[at].disk;
	}
	entered = l->core.entered;
	must(sffs_ls_seen(&l->core, &l->id, &l->rec), "a live node is taken for dead");
	/* Whom it asked may have looked, and seen it among the waiters no more. */
	if (l->core.held || (entered && !l->core.entered))
		l->posted = 0;
	return true;
}

static void end_run(struct lock *l, bool again)
{
	l->timer |= again;
	l->begun = false;
	l->action = SFFS_LA_NONE;
}

/* READ: the record as it was, heard of later; or it cannot be read, and the run is over. */
static bool read_record(struct node *n, unsigned int at)
{
	struct lock *l = &n->lock[at];

	if (!l->halfway) {
		l->rec = res[at].disk;
		l->halfway = true;
		return false;
	}
	if (rnd(50))
		return seen(n, at);
	end_run(l, true);
	return true;
}

/* What is given up with a lock: with the delegation all that is held through it. */
static bool covers(const struct node *n, unsigned int at, unsigned int what)
{
	return what == at || (!at && !n->lock[what].core.held);
}

/* FLUSH: commit, write home, wait; the two halves at different times. */
static void begin_flush(struct lock *l)
{
	if (l->dirty)
		l->journal = l->cache;
	l->dirty = false;
	l->writing = l->journal;
}

static void end_flush(struct lock *l, unsigned int at)
{
	if (l->writing)
		res[at].home = l->writing;
	l->writing = 0;
}

static bool flush(struct node *n, unsigned int at)
{
	struct lock *l = &n->lock[at];

	for (unsigned int k = 0; k < locks; k++) {
		if (!covers(n, at, k))
			continue;
		if (l->halfway)
			end_flush(&n->lock[k], k);
		else
			begin_flush(&n->lock[k]);
	}
	l->halfway = !l->halfway;
	return !l->halfway;
}

static void revoke(struct lock *l, unsigned int at)
{
	must(!l->journal || res[at].home == l->journal, "revoked before it was home");
	l->journal = 0;
}

static void drop(struct lock *l)
{
	must(!l->dirty && !l->journal, "what is dropped was not written");
	l->cache = 0;
}

static void must_be_clean(const struct lock *l)
{
	must(!l->journal && !l->dirty && !l->writing,
	     "a lock is given up whose block is in the journal");
	must(!l->mapped, "a lock is given up whose pages are mapped");
}

/* ATS: done now, heard of later, when the record may have changed again. */
static bool change(struct node *n, unsigned int at)
{
	struct sffs_lock_record *disk = &res[at].disk;
	struct lock *l = &n->lock[at];

	if (!l->halfway) {
		enum sffs_lock_state state = l->core.state;

		if (!sffs_ls_image(&l->core, &l->id, &l->rec, NULL, rnd64(), &l->new)) {
			end_run(l, true);
			return true;
		}
		if (!memcmp(disk, &l->rec, sizeof(*disk))) {
			*disk = l->new;
			if (state == SFFS_LS_RELEASE && !(le64toh(disk->holders) >> l->id.slot & 1))
				for (unsigned int k = 0; k < locks; k++)
					if (covers(n, at, k))
						must_be_clean(&n->lock[k]);
			if (state == SFFS_LS_RELEASE && disk->holders)
				passed++;
		}
		l->halfway = true;
		return false;
	}
	l->rec = *disk;
	return seen(n, at);
}

static void perform_on(struct node *n, unsigned int at, unsigned int what)
{
	struct lock *l = &n->lock[what];

	switch (n->lock[at].action) {
	case SFFS_LA_DROP:
		drop(l);
		break;
	case SFFS_LA_UNMAP:
		l->mapped = false;
		if (!at)
			l->known = UNKNOWN;
		break;
	case SFFS_LA_REVOKE:
		revoke(l, what);
		break;
	default:
		break;
	}
}

static bool perform(struct node *n, unsigned int at)
{
	struct lock *l = &n->lock[at];

	switch (l->action) {
	case SFFS_LA_READ:
		return read_record(n, at);
	case SFFS_LA_CHANGE:
		return change(n, at);
	case SFFS_LA_FLUSH:
		if (!flush(n, at))
			return false;
		break;
	default:
		for (unsigned int k = 0; k < locks; k++)
			if (covers(n, at, k))
				perform_on(n, at, k);
	}
	sffs_ls_done(&l->core);
	return true;
}

/* ---- The delegate ---- */

/* One READ for the records under the delegation, later again for those that named somebody. */
static void read_chunk(struct node *n)
{
	bool due = false, busy = false;

	for (unsigned int k = 1; k < locks; k++) {
		due |= n->lock[k].known != NOBODYS;
		busy |= n->lock[k].give;
	}
	if (!n->reads_chunk) {
		if (!due || busy || rnd(8) || !sffs_ls_use(&n->lock[0].core, SFFS_LOCK_EXCLUSIVE))
			return;
		for (unsigned int k = 1; k < locks; k++)
			n->lock[k].all = res[k].disk;
		n->reads_chunk = true;
		return;
	}
	for (unsigned int k = 1; k < locks; k++) {
		struct lock *l = &n->lock[k];

		if (l->known == NOBODYS)
			continue;
		l->known = l->all.holders || l->all.waiters ? NAMED : NOBODYS;
		/* What is cached is good at one version of both records alone. */
		if (l->known == NOBODYS && l->known_version != le64toh(l->all.version)) {
			drop(l);
			l->known_version = le64toh(l->all.version);
		}
	}
	n->reads_chunk = false;
	end_delegated(n);
}

static void end_giving(struct node *n, struct lock *l)
{
	l->give = NOT_GIVING;
	end_delegated(n);
}

/* Give a lock up that is held through the delegation, by the ATS that names the asker. */
static void run_giving(struct node *n, unsigned int at)
{
	enum sffs_lock_mode mode = rnd(2) ? SFFS_LOCK_SHARED : SFFS_LOCK_EXCLUSIVE;
	struct lock *l = &n->lock[at];
	struct sffs_lockrec_id id = l->id;

	switch (l->give) {
	case GIVING:
		if (l->through)
			return;
		l->mapped = false;
		begin_flush(l);
		l->give = WRITING;
		return;
	case WRITING:
		end_flush(l, at);
		l->give = REVOKING;
		return;
	case REVOKING:
		revoke(l, at);
		id.delegate = true;
		l->all = res[at].disk;
		l->give = NAMING;
		if (!sffs_lockrec_give(&id, &l->all, l->give_to, n->view[l->give_to].incarnation,
				       mode, NULL, rnd64(), &l->named)) {
			must(!l->all.holders && !l->all.waiters, "a record is somebody's");
			end_giving(n, l);
		}
		return;
	default:
		must(!memcmp(&l->all, &res[at].disk, sizeof(l->all)),
		     "another than the delegate changed a record that named nobody");
		must_be_clean(l);
		res[at].disk = l->named;
		l->known = NAMED;
		given++;
		end_giving(n, l);
	}
}

/* What keeps a delegate busy beside its workers; and who shall be one is one, and uses it. */
static void run_delegate(struct node *n)
{
	struct lock *l = &n->lock[0];

	read_chunk(n);
	if (n->wants_delegation && sffs_ls_use(&l->core, SFFS_LOCK_EXCLUSIVE)) {
		n->wants_delegation = false;
		l->core.waiting[SFFS_LOCK_EXCLUSIVE]--;
		end_delegated(n);
	}
}

/* Another one came first: that one is asked by mail. */
static void not_delegate(struct node *n)
{
	struct sffs_lock_core *c = &n->lock[0].core;

	if (!chunk || !n->wants_delegation || c->state != SFFS_LS_NONE)
		return;
	n->wants_delegation = false;
	c->waiting[SFFS_LOCK_EXCLUSIVE]--;
}

/* ---- When a worker runs ---- */

/* A timer, or too many locks that nobody uses: else it does not run by itself. */
static bool woken(struct lock *l)
{
	if (l->timer && !rnd(8))
		return true;
	if (quiet || rnd(chunk && l->id.type != SFFS_LOCKT_CHUNK ? 30 : 20000))
		return false;
	l->core.quit = true;
	return true;
}

static void next_action(struct node *n, struct lock *l)
{
	enum sffs_lock_state before = l->core.state;

	l->action = sffs_ls_step(&l->core, &l->id, &l->rec, step);
	l->halfway = false;
	if ((before == SFFS_LS_SHARED || before == SFFS_LS_EXCLUSIVE) && before != l->core.state)
		must_be_served(n, l);
}

static void run_worker(struct node *n, unsigned int at)
{
	struct lock *l = &n->lock[at];

	read_mail(n, l);
	if (l->give) {
		run_giving(n, at);
		return;
	}
	if (!l->begun) {
		if (!l->queued && !woken(l))
			return;
		l->queued = false;
		l->timer = false;
		l->begun = true;
		sffs_ls_begin(&l->core);
	}
	if (l->action == SFFS_LA_NONE)
		next_action(n, l);
	switch (l->action) {
	case SFFS_LA_NONE:
		l->posted = 0;
		end_run(l, false);
		if (!at)
			not_delegate(n);
		return;
	case SFFS_LA_POLL:
		ask(n, at);
		fallthrough;
	case SFFS_LA_KEEP:
		end_run(l, true);
		return;
	default:
		if (perform(n, at))
			l->action = SFFS_LA_NONE;
	}
}

/* ---- Life and death ---- */

static void mount_node(unsigned int i)
{
	static const u8 types[LOCKS] = { SFFS_LOCKT_CHUNK, SFFS_LOCKT_INODE, SFFS_LOCKT_OPEN };
	struct node *n = &nodes[i];

	slots[i].state = SFFS_SLOT_LIVE;
	slots[i].incarnation++;
	memset(n, 0, sizeof(*n));
	for (unsigned int k = 0; k < locks; k++)
		n->lock[k].id = (struct sffs_lockrec_id){
			.number = 9, .type = chunk ? types[k] : SFFS_LOCKT_GROUP,
			.max_slots = NODES, .slot = i, .incarnation = slots[i].incarnation,
			.seed = SEED, .view = n->view,
		};
	for (unsigned int k = 0; k < NODES; k++)
		see(n, k);
}

/* What was neither home nor in the journal is lost, as if never done. */
static void lose(struct lock *l, unsigned int at)
{
	if (l->dirty || l->journal)
		res[at].newest = l->journal ? l->journal : res[at].home;
	if (l->journal && l->writing)
		res[at].home = l->writing;
	l->dirty = false;
	l->writing = 0;
}

static void live(unsigned int i)
{
	struct node *n = &nodes[i];

	switch (slots[i].state) {
	case SFFS_SLOT_LIVE:
		if (quiet || rnd(20000))
			return;
		slots[i].state = SFFS_SLOT_RECOVERING;
		slots[i].incarnation++;
		deaths++;
		memset(n->task, 0, sizeof(n->task));
		for (unsigned int k = 0; k < locks; k++)
			lose(&n->lock[k], k);
		return;
	case SFFS_SLOT_RECOVERING:
		if (rnd(50))
			return;
		for (unsigned int k = 0; k < locks; k++) {
			if (n->lock[k].journal)
				res[k].home = n->lock[k].journal;
			n->lock[k].journal = 0;
		}
		slots[i].state = SFFS_SLOT_FREE;
		return;
	default:
		if (!rnd(50))
			mount_node(i);
	}
}

static void run_node(unsigned int i)
{
	struct node *n = &nodes[i];

	live(i);
	if (slots[i].state != SFFS_SLOT_LIVE)
		return;
	if (!rnd(PATIENCE))
		n->lazy_until = step + 2 * PATIENCE;
	if (!rnd(2 * PATIENCE))
		n->busy_until = step + 2 * PATIENCE;
	if (!rnd(10))
		see(n, rnd(NODES));
	if (chunk && !rnd(4))
		run_delegate(n);
	else if (rnd(2))
		run_task(n, &n->task[rnd(TASKS)]);
	else
		run_worker(n, rnd(locks));
}

static void begin(unsigned int nr, bool mail_gets_lost)
{
	locks = nr;
	chunk = nr > 1;
	patience = chunk ? 10 * PATIENCE : PATIENCE;
	lossy = mail_gets_lost;
	broken = NULL;
	quiet = false;
	step = 0;
	served = 0;
	passed = 0;
	deaths = 0;
	damages = 0;
	given = 0;
	memset(nodes, 0, sizeof(nodes));
	memset(slots, 0, sizeof(slots));
	memset(res, 0, sizeof(res));
	for (unsigned int k = 0; k < locks; k++) {
		res[k].home = 1;
		res[k].newest = 1;
	}
	for (unsigned int i = 0; i < NODES; i++)
		mount_node(i);
}

static bool simulate(unsigned int nr, bool mail_gets_lost)
{
	unsigned int end = rounds(STEPS);

	begin(nr, mail_gets_lost);
	for (; step < end + 2 * patience && !broken; step++) {
		quiet = step > end;
		run_node(rnd(NODES));
		if (!quiet && !chunk && !rnd(4 * PATIENCE))
			damage(0);
	}
	for (unsigned int i = 0; i < NODES; i++)
		for (unsigned int k = 0; k < TASKS; k++)
			must(nodes[i].task[k].state == IDLE, "a task is left waiting");
	printf("# %u uses, %u hand-overs, %u given, %u deaths, %u damages\n", served, passed,
	       given, deaths, damages);
	if (broken)
		printf("# step %u: %s\n", step, broken);
	if (chunk)
		return !broken && served > end / 500 && passed > end / 5000 && deaths &&
		       given > end / 20000;
	return !broken && served > end / 500 && passed > end / 1000 && deaths && damages;
}

/* ---- What seldom comes together ---- */

static bool until(unsigned int node, enum sffs_lock_state state)
{
	struct lock *l = &nodes[node].lock[0];

	for (unsigned int i = 0; i < 1000 && (l->core.state != state || l->halfway); i++) {
		l->queued = true;
		run_worker(&nodes[node], 0);
	}
	return l->core.state == state;
}

/*
 * A waiter for shared has become the oldest beside a holder of shared, and its tasks want
 * exclusive by now, or are gone, and then it leaves. The holder has no reason to make way for
 * anybody before the record says so.
 */
static bool another_wish(bool gone)
{
	struct sffs_lock_core *core = &nodes[2].lock[0].core;
	struct sffs_lock_record a, b, c;
	u64 holders, waiters;

	begin(1, false);
	if (!sffs_lockrec_take(&nodes[0].lock[0].id, &res[0].disk, SFFS_LOCK_SHARED, 1, &a) ||
	    !sffs_lockrec_enter(&nodes[1].lock[0].id, &a, SFFS_LOCK_EXCLUSIVE, 2, &b) ||
	    !sffs_lockrec_enter(&nodes[2].lock[0].id, &b, SFFS_LOCK_SHARED, 3, &c))
		return false;
	res[0].disk = c;
	slots[1].state = SFFS_SLOT_FREE;
	see(&nodes[2], 1);
	core->state = SFFS_LS_ASKING;
	core->waiting[SFFS_LOCK_EXCLUSIVE] = !gone;
	for (unsigned int i = 0; i < 1000 && !broken; i++) {
		nodes[2].lock[0].queued = true;
		run_worker(&nodes[2], 0);
	}
	holders = le64toh(res[0].disk.holders);
	waiters = le64toh(res[0].disk.waiters);
	return !broken && holders == 1 && waiters == (gone ? 0 : 4) &&
	       le64toh(res[0].disk.wait_exclusive) == waiters;
}

/*
 * Another node holds shared. Two tasks waited for shared here, and a third for exclusive, or
 * the lock is to be given up. The two come first, then nobody who comes later, though one
 * use always overlaps the next.
 */
static bool overlapping(bool quit)
{
	struct sffs_lock_core *c = &nodes[0].lock[0].core;
	unsigned int i;

	begin(1, false);
	quiet = true;
	c->waiting[SFFS_LOCK_SHARED] = 2;
	nodes[1].lock[0].core.waiting[SFFS_LOCK_SHARED] = 1;
	if (!until(0, SFFS_LS_SHARED) || !until(1, SFFS_LS_SHARED))
		return false;
	c->quit = quit;
	c->waiting[SFFS_LOCK_EXCLUSIVE] = !quit;
	nodes[0].lock[0].queued = true;
	for (i = 0; i < 100 && sffs_ls_use(c, SFFS_LOCK_SHARED); i++) {
		if (c->waiting[SFFS_LOCK_SHARED])
			c->waiting[SFFS_LOCK_SHARED]--;
		if (i)
			nodes[0].lock[0].queued |= sffs_ls_unuse(c, SFFS_LOCK_SHARED);
		for (unsigned int k = 0; k < 1000; k++)
			run_worker(&nodes[0], 0);
	}
	return !broken && i == 2 && c->uses[SFFS_LOCK_SHARED] == 1 && c->state == SFFS_LS_DRAIN &&
	       sffs_ls_unuse(c, SFFS_LOCK_SHARED);
}

/* A delegate names a node that does not want the lock any more: its mail makes it look. */
static bool given_late(void)
{
	struct sffs_lock_record named;
	struct sffs_lockrec_id id;

	begin(3, false);
	id = nodes[0].lock[1].id;
	id.delegate = true;
	if (!sffs_lockrec_give(&id, &res[1].disk, 1, slots[1].incarnation, SFFS_LOCK_EXCLUSIVE,
			       NULL, 1, &named))
		return false;
	res[1].disk = named;
	nodes[1].lock[1].asked = 1;
	quiet = true;
	for (unsigned int i = 0; i < 1000; i++)
		run_worker(&nodes[1], 1);
	return !broken && nodes[1].lock[1].core.state == SFFS_LS_EXCLUSIVE;
}

/* Two want a delegation: who comes second is not in the first one's way. */
static bool two_delegates(void)
{
	begin(3, false);
	quiet = true;
	nodes[0].lock[0].core.waiting[SFFS_LOCK_EXCLUSIVE] = 1;
	if (!until(0, SFFS_LS_EXCLUSIVE))
		return false;
	nodes[1].wants_delegation = true;
	nodes[1].lock[0].core.waiting[SFFS_LOCK_EXCLUSIVE] = 1;
	nodes[1].lock[0].queued = true;
	for (unsigned int i = 0; i < 1000; i++)
		run_worker(&nodes[1], 0);
	return !broken && !nodes[1].wants_delegation && !res[0].disk.waiters &&
	       nodes[1].lock[0].core.state == SFFS_LS_NONE;
}

/*
 * Whoever wants to be the last that uses a lock waits for nobody: it takes the lock if another
 * holder has gone, and is in nobody's way.
 */
static bool last_use(void)
{
	struct sffs_lock_core *c = &nodes[1].lock[0].core;

	begin(1, false);
	quiet = true;
	for (unsigned int i = 0; i < 2; i++) {
		nodes[i].lock[0].core.waiting[SFFS_LOCK_SHARED] = 1;
		if (!until(i, SFFS_LS_SHARED))
			return false;
		nodes[i].lock[0].core.waiting[SFFS_LOCK_SHARED] = 0;
	}
	c->last = true;
	if (until(1, SFFS_LS_EXCLUSIVE) || c->state != SFFS_LS_SHARED || res[0].disk.waiters)
		return false;
	nodes[0].lock[0].core.quit = true;
	return until(0, SFFS_LS_NONE) && until(1, SFFS_LS_EXCLUSIVE) && !broken;
}

/* A file that is open may be opened again, though its record was to be given up. */
static bool opened_again(void)
{
	struct sffs_lock_core *c = &nodes[0].lock[0].core;

	begin(1, false);
	quiet = true;
	nodes[0].lock[0].id.type = SFFS_LOCKT_OPEN;
	nodes[0].lock[0].id.delegate = true;
	c->waiting[SFFS_LOCK_SHARED] = 1;
	if (!until(0, SFFS_LS_SHARED) || !sffs_ls_use(c, SFFS_LOCK_SHARED))
		return false;
	c->waiting[SFFS_LOCK_SHARED] = 0;
	c->quit = true;
	return !until(0, SFFS_LS_NONE) && sffs_ls_use(c, SFFS_LOCK_SHARED) && !broken;
}

/*
 * What a node has to itself is opened there, and elsewhere: the other one gets it beside the
 * use that goes on, unless it was used exclusively.
 */
static bool opened_there(bool changed)
{
	struct sffs_lock_core *c = &nodes[0].lock[0].core;
	bool got;

	begin(1, false);
	quiet = true;
	/* Of a record that the delegate has named somebody in already. */
	for (unsigned int i = 0; i < 2; i++) {
		nodes[i].lock[0].id.type = SFFS_LOCKT_OPEN;
		nodes[i].lock[0].id.delegate = true;
	}
	c->waiting[SFFS_LOCK_EXCLUSIVE] = 1;
	if (!until(0, SFFS_LS_EXCLUSIVE))
		return false;
	if (changed && sffs_ls_use(c, SFFS_LOCK_EXCLUSIVE))
		sffs_ls_unuse(c, SFFS_LOCK_EXCLUSIVE);
	c->waiting[SFFS_LOCK_EXCLUSIVE] = 0;
	if (!sffs_ls_use(c, SFFS_LOCK_SHARED))
		return false;
	nodes[1].lock[0].core.waiting[SFFS_LOCK_SHARED] = 1;
	until(1, SFFS_LS_SHARED);
	c->look = true;
	for (unsigned int i = 0; i < 1000; i++) {
		nodes[0].lock[0].queued = true;
		run_worker(&nodes[0], 0);
	}
	got = until(1, SFFS_LS_SHARED);
	return !broken && got != changed &&
	       c->state == (changed ? SFFS_LS_DRAIN : SFFS_LS_SHARED) &&
	       c->uses[SFFS_LOCK_SHARED] == 1 && sffs_ls_use(c, SFFS_LOCK_SHARED) != changed;
}

/* A node was taken for dead while it gave a lock up: it finds that out, in each mode. */
static bool outlived(enum sffs_lock_mode mode)
{
	struct sffs_lock_record taken;
	struct lock *l;

	begin(1, false);
	l = &nodes[0].lock[0];
	l->core.waiting[mode] = 1;
	if (!until(0, mode == SFFS_LOCK_SHARED ? SFFS_LS_SHARED : SFFS_LS_EXCLUSIVE) ||
	    !sffs_ls_use(&l->core, mode))
		return false;
	l->core.waiting[mode] = 0;
	sffs_ls_unuse(&l->core, mode);
	l->core.quit = true;
	if (!until(0, SFFS_LS_RELEASE))
		return false;
	nodes[1].view[0].state = SFFS_SLOT_FREE;
	if (!sffs_lockrec_take(&nodes[1].lock[0].id, &res[0].disk, SFFS_LOCK_EXCLUSIVE, 1,
			       &taken))
		return false;
	res[0].disk = taken;
	end_run(l, false);
	until(0, SFFS_LS_NONE);
	return broken;
}

int main(void)
{
	const struct result test[] = {
		{ "three nodes share a block under a lock", simulate(1, false) },
		{ "the same where mail gets lost", simulate(1, true) },
		{ "they share two under a delegation", simulate(3, true) },
		{ "a waiter that wants more than it asked for",
		  another_wish(false) },
		{ "a waiter whose tasks have gone", another_wish(true) },
		{ "a delegate gives what is not wanted any more", given_late() },
		{ "one use overlaps the next", overlapping(false) && overlapping(true) },
		{ "who comes second to a delegation", two_delegates() },
		{ "who wants to be the last that uses a lock", last_use() },
		{ "a file that is open is opened again", opened_again() },
		{ "a file that is open is opened elsewhere",
		  opened_there(false) && opened_there(true) },
		{ "a node that gives a lock up and was taken for dead",
		  outlived(SFFS_LOCK_SHARED) && outlived(SFFS_LOCK_EXCLUSIVE) },
	};

	return report(test, ARRAY_SIZE(test));
}
