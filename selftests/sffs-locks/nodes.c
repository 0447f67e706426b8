// SPDX-License-Identifier: GPL-2.0-only
/*
 * nodes: the states of a lock. Three nodes with three tasks each share one lock and one
 * block under it, on a simulated array; who does the next step of what is random, and so is
 * how much of the array's answers comes late. Nodes die and are recovered.
 */
#include "lockstate.h"
#include "pure_test.h"

#define NODES	3
#define TASKS	3
#define STEPS	2000000
#define PATIENCE 10000		/* steps in which every wish is granted */
#define SEED	5U

enum task_state { IDLE, WAITING, USING };

struct task {
	enum task_state state;
	enum sffs_lock_mode mode;
	unsigned int since;
	bool mortal;
};

static struct node {
	struct sffs_lock_core core;
	struct sffs_lockrec_id id;
	struct sffs_slot_view view[NODES];
	struct task task[TASKS];
	/* The worker: what it is doing, and the images that it works with. */
	bool running;
	bool begun;
	bool timer;
	bool halfway;
	enum sffs_lock_action action;
	struct sffs_lock_record rec, new;
	/* The block, by the number of its last change; 0: not there. */
	u64 cache, journal, writing;
	bool dirty, mapped;
	unsigned int lazy_until;	/* its tasks start nothing: others must not wait for them */
} nodes[NODES];

static struct sffs_lock_record disk;
static struct sffs_slot_view slots[NODES];
static u64 home, newest;
static unsigned int step, served, deaths, passed;
static const char *broken;

static void must(bool ok, const char *what)
{
	if (!ok && !broken)
		broken = what;
}

/* ---- Tasks ---- */

static void begin_use(struct node *n, struct task *t)
{
	for (unsigned int i = 0; i < NODES; i++)
		for (unsigned int k = 0; k < TASKS; k++) {
			const struct task *other = &nodes[i].task[k];

			must(&nodes[i] == n || other->state != USING ||
			     (other->mode == SFFS_LOCK_SHARED && t->mode == SFFS_LOCK_SHARED),
			     "two nodes use the lock");
		}
	t->state = USING;
	served++;
	if (!n->cache)
		n->cache = home;
	must(n->cache == newest, "an old block is used");
	n->mapped = true;
}

static void run_task(struct node *n, struct task *t, bool quiet)
{
	switch (t->state) {
	case IDLE:
		if (quiet || step < n->lazy_until || rnd(4))
			return;
		t->mode = rnd(2) ? SFFS_LOCK_SHARED : SFFS_LOCK_EXCLUSIVE;
		if (sffs_ls_use(&n->core, t->mode)) {
			begin_use(n, t);
			return;
		}
		t->state = WAITING;
		t->since = step;
		t->mortal = rnd(2);
		n->core.waiting[t->mode]++;
		n->running = true;
		return;
	case WAITING:
		if (sffs_ls_use(&n->core, t->mode)) {
			n->core.waiting[t->mode]--;
			begin_use(n, t);
		} else if (t->mortal && !rnd(10)) {	/* killed */
			n->core.waiting[t->mode]--;
			t->state = IDLE;
			n->running = true;
		}
		must(step - t->since < PATIENCE, "a task waits for ever");
		return;
	default:
		must(n->cache == newest, "a block in use is old");
		if (t->mode == SFFS_LOCK_EXCLUSIVE && !rnd(3)) {
			n->cache = ++newest;
			n->dirty = true;
			if (rnd(2)) {			/* the journal commits when it likes */
				n->journal = n->cache;
				n->dirty = false;
			}
		}
		if (!quiet && rnd(3))
			return;
		t->state = IDLE;
		if (sffs_ls_unuse(&n->core, t->mode))
			n->running = true;
	}
}

/* ---- The worker ---- */

static void seen(struct node *n)
{
	must(sffs_lockrec_ok(&n->id, &n->rec), "the record is damaged");
	must(sffs_ls_seen(&n->core, &n->id, &n->rec), "a live node is taken for dead");
}

/* FLUSH: commit, write home, wait; the two halves at different times. */
static bool flush(struct node *n)
{
	if (!n->halfway) {
		if (n->dirty)
			n->journal = n->cache;
		n->dirty = false;
		n->writing = n->journal;
		n->halfway = true;
		return false;
	}
	if (n->writing)
		home = n->writing;
	n->writing = 0;
	return true;
}

/* ATS: done now, heard of later, when the record may have changed again. */
static bool change(struct node *n)
{
	if (!n->halfway) {
		enum sffs_lock_state state = n->core.state;

		if (!sffs_ls_image(&n->core, &n->id, &n->rec, NULL, rnd64(), &n->new)) {
			n->running = false;
			n->begun = false;
			n->timer = true;
			return true;
		}
		if (!memcmp(&disk, &n->rec, sizeof(disk))) {
			u64 me = 1ULL << n->id.slot;

			disk = n->new;
			if (state == SFFS_LS_RELEASE && !(le64toh(disk.holders) & me)) {
				must(!n->journal && !n->dirty && !n->writing,
				     "a lock is given up whose block is in the journal");
				must(!n->mapped, "a lock is given up whose pages are mapped");
			}
			if (state == SFFS_LS_RELEASE && disk.holders)
				passed++;
		}
		n->halfway = true;
		return false;
	}
	n->rec = disk;
	seen(n);
	return true;
}

static bool perform(struct node *n)
{
	switch (n->action) {
	case SFFS_LA_READ:
		n->rec = disk;
		seen(n);
		return true;
	case SFFS_LA_CHANGE:
		return change(n);
	case SFFS_LA_DROP:
		must(!n->dirty && !n->journal, "what is dropped was not written");
		n->cache = 0;
		break;
	case SFFS_LA_UNMAP:
		n->mapped = false;
		break;
	case SFFS_LA_FLUSH:
		if (!flush(n))
			return false;
		break;
	case SFFS_LA_REVOKE:
		must(n->journal == 0 || home == n->journal, "revoked before it was home");
		n->journal = 0;
		break;
	default:
		return true;
	}
	sffs_ls_done(&n->core);
	return true;
}

/* A timer, a mail, or too many locks that nobody uses: else it does not run by itself. */
static bool woken(struct node *n)
{
	if (rnd(8))
		return false;
	if (n->timer)
		return true;
	if (!rnd(500)) {
		n->core.quit = true;
		return true;
	}
	for (unsigned int i = 0; i < NODES; i++) {
		if (&nodes[i] != n && slots[i].state == SFFS_SLOT_LIVE && nodes[i].timer &&
		    (n->core.state == SFFS_LS_SHARED || n->core.state == SFFS_LS_EXCLUSIVE)) {
			n->core.look = true;
			return true;
		}
	}
	return false;
}

static void run_worker(struct node *n)
{
	if (!n->running) {
		if (!woken(n))
			return;
		n->running = true;
	}
	if (!n->begun) {
		n->begun = true;
		n->timer = false;
		sffs_ls_begin(&n->core);
	}
	if (n->action == SFFS_LA_NONE) {
		n->action = sffs_ls_step(&n->core, &n->id, &n->rec, step);
		n->halfway = false;
	}
	switch (n->action) {
	case SFFS_LA_POLL:
	case SFFS_LA_KEEP:
		n->timer = true;
		fallthrough;
	case SFFS_LA_NONE:
		n->running = false;
		n->begun = false;
		n->action = SFFS_LA_NONE;
		return;
	default:
		if (perform(n))
			n->action = SFFS_LA_NONE;
	}
}

/* ---- Life and death ---- */

static void see(struct node *n, unsigned int slot)
{
	n->view[slot] = slots[slot];
}

static void mount_node(unsigned int i)
{
	struct node *n = &nodes[i];

	slots[i].state = SFFS_SLOT_LIVE;
	slots[i].incarnation++;
	memset(&n->core, 0, sizeof(n->core));
	memset(n->task, 0, sizeof(n->task));
	n->id = (struct sffs_lockrec_id){
		.number = 9, .type = SFFS_LOCKT_INODE, .max_slots = NODES, .slot = i,
		.incarnation = slots[i].incarnation, .seed = SEED, .view = n->view,
	};
	for (unsigned int k = 0; k < NODES; k++)
		see(n, k);
	n->running = false;
	n->begun = false;
	n->timer = false;
	n->action = SFFS_LA_NONE;
	n->cache = 0;
}

static void live(unsigned int i, bool quiet)
{
	struct node *n = &nodes[i];

	switch (slots[i].state) {
	case SFFS_SLOT_LIVE:
		if (quiet || rnd(5000))
			return;
		/* Dies: what was neither home nor in the journal is lost, as if never done. */
		slots[i].state = SFFS_SLOT_RECOVERING;
		slots[i].incarnation++;
		deaths++;
		memset(n->task, 0, sizeof(n->task));
		if (n->dirty || n->journal)
			newest = n->journal ? n->journal : home;
		if (n->journal && n->writing)
			home = n->writing;
		n->dirty = false;
		n->mapped = false;
		n->writing = 0;
		return;
	case SFFS_SLOT_RECOVERING:
		if (rnd(50))
			return;
		if (n->journal)
			home = n->journal;
		n->journal = 0;
		slots[i].state = SFFS_SLOT_FREE;
		return;
	default:
		if (!rnd(50))
			mount_node(i);
	}
}

static bool simulate(void)
{
	unsigned int end = rounds(STEPS);

	home = 1;
	newest = 1;
	for (unsigned int i = 0; i < NODES; i++)
		mount_node(i);
	for (step = 0; step < end + 2 * PATIENCE && !broken; step++) {
		unsigned int i = rnd(NODES);
		bool quiet = step > end;

		live(i, quiet);
		if (slots[i].state != SFFS_SLOT_LIVE)
			continue;
		if (!rnd(PATIENCE))
			nodes[i].lazy_until = step + 2 * PATIENCE;
		if (!rnd(10))
			see(&nodes[i], rnd(NODES));
		if (rnd(2))
			run_task(&nodes[i], &nodes[i].task[rnd(TASKS)], quiet);
		else
			run_worker(&nodes[i]);
	}
	for (unsigned int i = 0; i < NODES; i++)
		for (unsigned int k = 0; k < TASKS; k++)
			must(nodes[i].task[k].state == IDLE, "a task is left waiting");
	printf("# %u uses, %u hand-overs, %u deaths, %llu changes\n", served, passed, deaths,
	       (unsigned long long)newest);
	if (broken)
		printf("# step %u: %s\n", step, broken);
	return !broken && served > end / 500 && passed > end / 1000 && deaths;
}

int main(void)
{
	const struct result test[] = {
		{ "three nodes share a block under a lock", simulate() },
	};

	return report(test, ARRAY_SIZE(test));
}
