// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lock managers of up to four nodes in one kernel, each with a device of its own over one
 * store (scsi_debug). Tasks lock at random, and each use is compared with what all others
 * do; in the end the last node dies and is taken for recovered. Built in by LOCKTEST=y
 * alone, and begun by writing "SECONDS DEV DEV..." to the module's parameter, each DEV a
 * number as dev_t has it: major << 20 | minor. What is on the devices is lost.
 */
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/moduleparam.h>
#include <linux/random.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "ats.h"
#include "lockmgr.h"
#include "sffs.h"

#define NODES		4
#define LOCKS		8
#define TASKS		4
#define SLOTS		8
#define SEED		99
#define SCRATCH		1000	/* sectors */
#define RECORDS		128
#define CHUNK		1	/* the chunk of the inodes among the locks */
#define CHUNK_ALONE	2	/* one that a node has for itself */
#define GROUPS		3	/* locks that are groups; the next are inodes, then open records */
#define INODES		3
#define MAILBOX		1024
#define NOTHING		(-1)

struct locktest;

/* What a lock covers, as the number of its last change: newest, at home, in each cache. */
struct locktest_data {
	atomic_t uses[NODES][3];
	s64 newest;
	s64 home;
	s64 cache[NODES];
	bool dirty[NODES];	/* the node's journal has it */
};

struct locktest_node {
	struct locktest *test;
	unsigned int slot;
	struct asv_bdev dev;
	struct sffs_lun *lun;
	struct sffs_lockmgr *mgr;
	struct task_struct *task[TASKS];
	bool dead;
};

struct locktest {
	struct locktest_node node[NODES];
	struct locktest_data data[LOCKS];
	unsigned int nodes;
	unsigned int seconds;
	struct mutex lock;	/* the numbers in @data */
	atomic_t served;
	atomic_t killed;
	atomic_t flushes;
	atomic_t longest;
	atomic_t broken;
};

static void must(struct locktest *test, bool ok, const char *what, unsigned int lock)
{
	if (!ok && atomic_inc_return(&test->broken) < 10)
		pr_err("locktest: lock %u: %s\n", lock, what);
}

/* ---- The filesystem ---- */

static u64 locktest_sector(struct sffs_lockmgr *mgr, unsigned int type, u64 number)
{
	u64 run;

	switch (type) {
	case SFFS_LOCKT_GROUP:
		return number < GROUPS ? RECORDS + number : 0;
	case SFFS_LOCKT_CHUNK:
		return RECORDS + 32 + number;
	default:
		run = 3 * sffs_ino_chunk(number) + type - SFFS_LOCKT_INODE;
		return RECORDS + 64 + run * SFFS_CHUNK_INODES + sffs_ino_index(number);
	}
}

static unsigned int locktest_type(unsigned int i)
{
	if (i < GROUPS)
		return SFFS_LOCKT_GROUP;
	return i < GROUPS + INODES ? SFFS_LOCKT_INODE : SFFS_LOCKT_OPEN;
}

static u64 locktest_number(unsigned int i)
{
	return i < GROUPS ? i : sffs_make_ino(CHUNK, i);
}

/* Which of the locks is this? NULL: none, a delegation or of a node alone. */
static struct locktest_data *locktest_data(struct sffs_resource *res, unsigned int *i)
{
	struct locktest_node *n = res->mgr->setup.data;

	for (*i = 0; *i < LOCKS; ++*i)
		if (res->type == locktest_type(*i) && res->number == locktest_number(*i))
			return &n->test->data[*i];
	return NULL;
}

static int locktest_slot(struct sffs_lockmgr *mgr, unsigned int slot)
{
	return 0;
}

static void locktest_drop(struct sffs_resource *res)
{
	struct locktest_node *n = res->mgr->setup.data;
	struct locktest *test = n->test;
	struct locktest_data *d;
	unsigned int i;

	d = locktest_data(res, &i);
	if (!d)
		return;
	mutex_lock(&test->lock);
	must(test, !atomic_read(&d->uses[n->slot][SFFS_LOCK_SHARED]), "dropped while read", i);
	must(test, !atomic_read(&d->uses[n->slot][SFFS_LOCK_EXCLUSIVE]), "dropped in use", i);
	/* What the journal has stays; it is flushed before another node may have the lock. */
	must(test, !d->dirty[n->slot] || d->cache[n->slot] == d->newest, "a lost change", i);
	if (!d->dirty[n->slot])
		d->cache[n->slot] = NOTHING;
	mutex_unlock(&test->lock);
}

/* What was changed through the delegation, and is no resource any more. */
static void locktest_flush_chunk(struct locktest_node *n)
{
	struct locktest *test = n->test;
	unsigned int i;

	mutex_lock(&test->lock);
	for (i = GROUPS; i < LOCKS; i++) {
		if (test->data[i].dirty[n->slot])
			test->data[i].home = test->data[i].cache[n->slot];
		test->data[i].dirty[n->slot] = false;
	}
	mutex_unlock(&test->lock);
}

static int locktest_flush(struct sffs_resource *res)
{
	struct locktest_node *n = res->mgr->setup.data;
	struct locktest *test = n->test;
	struct locktest_data *d;
	unsigned int i;

	atomic_inc(&test->flushes);
	msleep(get_random_u32_below(3));
	d = locktest_data(res, &i);
	if (!d) {
		locktest_flush_chunk(n);
		return 0;
	}
	mutex_lock(&test->lock);
	d->home = d->cache[n->slot];
	must(test, d->home == NOTHING || d->home == d->newest, "flushed after another's change", i);
	if (d->home == NOTHING)
		d->home = d->newest;
	d->dirty[n->slot] = false;
	mutex_unlock(&test->lock);
	return 0;
}

static void locktest_fatal(struct sffs_lockmgr *mgr, const char *why)
{
	struct locktest_node *n = mgr->setup.data;

	pr_info("locktest: node %u: %s\n", n->slot, why);
	must(n->test, READ_ONCE(n->dead), "a node that is well has failed", 0);
}

static const struct sffs_lockmgr_ops locktest_ops = {
	.sector = locktest_sector,
	.slot = locktest_slot,
	.drop = locktest_drop,
	.flush = locktest_flush,
	.fatal = locktest_fatal,
};

/* ---- Tasks ---- */

static void locktest_use(struct locktest_node *n, unsigned int i, enum sffs_lock_mode mode)
{
	struct locktest *test = n->test;
	struct locktest_data *d = &test->data[i];
	unsigned int k;

	atomic_inc(&d->uses[n->slot][mode]);
	for (k = 0; k < test->nodes; k++) {
		if (k == n->slot || READ_ONCE(test->node[k].dead))
			continue;
		must(test, !atomic_read(&d->uses[k][SFFS_LOCK_EXCLUSIVE]), "two change it", i);
		must(test, mode == SFFS_LOCK_SHARED || !atomic_read(&d->uses[k][SFFS_LOCK_SHARED]),
		     "changed while it is read", i);
	}
	mutex_lock(&test->lock);
	if (d->cache[n->slot] == NOTHING)
		d->cache[n->slot] = d->home;
	must(test, d->cache[n->slot] == d->newest, "an old block is used", i);
	if (mode == SFFS_LOCK_EXCLUSIVE) {
		d->cache[n->slot] = ++d->newest;
		d->dirty[n->slot] = true;
	}
	mutex_unlock(&test->lock);
	if (get_random_u32_below(2))
		usleep_range(10, 2000);
	atomic_dec(&d->uses[n->slot][mode]);
}

/* Also while the lock is being given up, a task that uses it may use it again. */
static void locktest_again(struct locktest_node *n, struct sffs_resource *res, unsigned int i,
			   enum sffs_lock_mode mode)
{
	int err = sffs_res_lock(res, mode, false);

	must(n->test, !err || READ_ONCE(n->dead), "not locked again", i);
	if (!err)
		sffs_res_unlock(res, mode);
}

static void locktest_round(struct locktest_node *n)
{
	struct locktest *test = n->test;
	unsigned int i = get_random_u32_below(LOCKS);
	enum sffs_lock_mode mode = get_random_u32_below(3) ? SFFS_LOCK_SHARED :
							     SFFS_LOCK_EXCLUSIVE;
	struct sffs_resource *res = sffs_res_get(n->mgr, locktest_type(i), locktest_number(i));
	ktime_t start = ktime_get();
	int err, ms;

	if (IS_ERR(res)) {
		must(test, false, "no resource", i);
		return;
	}
	err = sffs_res_lock(res, mode, true);
	ms = ktime_ms_delta(ktime_get(), start);
	if (!err) {
		if (!READ_ONCE(n->dead))
			locktest_use(n, i, mode);
		if (!get_random_u32_below(4) && res->type != SFFS_LOCKT_OPEN)
			locktest_again(n, res, i, mode);
		sffs_res_unlock(res, mode);
		atomic_inc(&test->served);
		if (ms > atomic_read(&test->longest))
			atomic_set(&test->longest, ms);
	} else if (err == -EINTR) {
		flush_signals(current);
		atomic_inc(&test->killed);
	} else {
		must(test, READ_ONCE(n->dead), "not locked", i);
	}
	sffs_res_put(res);
}

static int locktest_task(void *arg)
{
	struct locktest_node *n = arg;

	allow_signal(SIGKILL);
	while (!kthread_should_stop()) {
		if (!READ_ONCE(n->dead))
			locktest_round(n);
		usleep_range(10, 2000);
	}
	return 0;
}

/* ---- Life and death ---- */

static u32 locktest_incarnation(unsigned int slot)
{
	return 7 + slot;
}

static int locktest_start(struct locktest *test, unsigned int slot, u32 dev)
{
	struct locktest_node *n = &test->node[slot];
	struct sffs_lockmgr_setup setup = {
		.ops = &locktest_ops, .data = n, .seed = SEED, .mailbox = MAILBOX, .slot = slot,
		.incarnation = locktest_incarnation(slot), .idle_ms = 500, .max_slots = SLOTS,
		.sector_shift = SECTOR_SHIFT, .cached = 2,
	};
	int err;

	n->test = test;
	n->slot = slot;
	err = asv_bdev_open(&n->dev, MKDEV(dev >> 20, dev & 0xfffff), true, NULL);
	if (err)
		return err;
	setup.lun = sffs_lun_open(n->dev.bdev, SECTOR_SHIFT, SEED, 2500);
	if (IS_ERR(setup.lun))
		return PTR_ERR(setup.lun);
	n->lun = setup.lun;
	err = sffs_lun_probe(n->lun, SCRATCH);
	if (err)
		return err;
	n->mgr = sffs_lockmgr_start(&setup);
	if (IS_ERR(n->mgr)) {
		err = PTR_ERR(n->mgr);
		n->mgr = NULL;
	}
	return err;
}

static void locktest_begin_tasks(struct locktest *test)
{
	unsigned int i, k;

	for (i = 0; i < test->nodes; i++) {
		for (k = 0; k < test->nodes; k++)
			sffs_lockmgr_see(test->node[i].mgr, k, SFFS_SLOT_LIVE,
					 locktest_incarnation(k));
		for (k = 0; k < TASKS; k++) {
			struct task_struct *t = kthread_run(locktest_task, &test->node[i],
							    "locktest%u.%u", i, k);

			test->node[i].task[k] = IS_ERR(t) ? NULL : t;
		}
	}
}

static void locktest_end_tasks(struct locktest_node *n)
{
	unsigned int k;

	for (k = 0; k < TASKS; k++) {
		if (n->task[k])
			kthread_stop(n->task[k]);
		n->task[k] = NULL;
	}
}

/* A node that is alone uses all of a chunk for one ATS. */
static int locktest_alone(struct locktest *test, struct locktest_node *n)
{
	s64 before = atomic64_read(&n->mgr->changes);
	unsigned int k;
	int err = 0;

	for (k = 0; k < 2 * SFFS_CHUNK_INODES && !err; k++) {
		enum sffs_lock_mode mode = k % 2 ? SFFS_LOCK_SHARED : SFFS_LOCK_EXCLUSIVE;
		struct sffs_resource *res = sffs_res_get(n->mgr, k % 2 ? SFFS_LOCKT_OPEN :
									 SFFS_LOCKT_INODE,
							 sffs_make_ino(CHUNK_ALONE, k / 2));

		if (IS_ERR(res))
			return PTR_ERR(res);
		err = sffs_res_lock(res, mode, true);
		if (!err)
			sffs_res_unlock(res, mode);
		sffs_res_put(res);
	}
	must(test, atomic64_read(&n->mgr->changes) - before <= 1, "more than one ATS", 0);
	return err;
}

/* A node dies with what it holds, and is recovered: what it had changed is home. */
static void locktest_death(struct locktest *test, struct locktest_node *n)
{
	unsigned int i;

	WRITE_ONCE(n->dead, true);
	sffs_lun_stop(n->lun);
	sffs_lockmgr_fail(n->mgr);
	locktest_end_tasks(n);
	msleep(500);
	mutex_lock(&test->lock);
	for (i = 0; i < LOCKS; i++)
		test->data[i].home = test->data[i].newest;
	mutex_unlock(&test->lock);
	for (i = 0; i < test->nodes; i++)
		if (!test->node[i].dead)
			sffs_lockmgr_see(test->node[i].mgr, n->slot, SFFS_SLOT_FREE,
					 locktest_incarnation(n->slot) + 1);
}

static void locktest_stop(struct locktest *test)
{
	unsigned int i;

	for (i = 0; i < NODES; i++)
		locktest_end_tasks(&test->node[i]);
	for (i = 0; i < NODES; i++) {
		struct locktest_node *n = &test->node[i];

		if (n->mgr) {
			must(test, sffs_lockmgr_stop(n->mgr) == (n->dead ? -EIO : 0),
			     "not stopped", 0);
			sffs_lockmgr_free(n->mgr);
		}
		if (n->lun)
			sffs_lun_close(n->lun);
		asv_bdev_close(&n->dev);
	}
}

static void locktest_run(struct locktest *test)
{
	unsigned int s;

	locktest_begin_tasks(test);
	for (s = 0; s < 2 * test->seconds; s++) {
		struct locktest_node *n = &test->node[get_random_u32_below(test->nodes)];

		msleep(500);
		if (!n->dead && n->task[0])
			send_sig(SIGKILL, n->task[0], 1);
		if (s == test->seconds)
			locktest_death(test, &test->node[test->nodes - 1]);
	}
}

/* "SECONDS DEV DEV..." */
static int locktest_parse(struct locktest *test, const char *words, u32 *dev)
{
	char *copy = kstrdup(words, GFP_KERNEL), *next = copy, *word;
	int err = 0;

	if (!copy)
		return -ENOMEM;
	word = strsep(&next, " ");
	err = kstrtouint(word, 0, &test->seconds);
	while (!err && next && test->nodes < NODES) {
		word = strim(strsep(&next, " "));
		err = kstrtou32(word, 0, &dev[test->nodes]);
		test->nodes++;
	}
	kfree(copy);
	return test->nodes < 2 ? -EINVAL : err;
}

static int locktest_set(const char *words, const struct kernel_param *kp)
{
	struct locktest *test = kvzalloc(sizeof(*test), GFP_KERNEL);
	unsigned int i, k;
	u32 dev[NODES];
	int err;

	if (!test)
		return -ENOMEM;
	mutex_init(&test->lock);
	for (i = 0; i < LOCKS; i++)
		for (k = 0; k < NODES; k++)
			test->data[i].cache[k] = NOTHING;
	err = locktest_parse(test, words, dev);
	for (i = 0; !err && i < test->nodes; i++)
		err = locktest_start(test, i, dev[i]);
	if (!err)
		err = locktest_alone(test, &test->node[0]);
	if (!err)
		locktest_run(test);
	locktest_stop(test);
	pr_info("locktest: %d uses, the longest wait %d ms, %d killed, %d flushes, %d faults\n",
		atomic_read(&test->served), atomic_read(&test->longest),
		atomic_read(&test->killed), atomic_read(&test->flushes),
		atomic_read(&test->broken));
	if (!err && (atomic_read(&test->broken) || !atomic_read(&test->flushes)))
		err = -EUCLEAN;
	kvfree(test);
	return err;
}

static const struct kernel_param_ops locktest_param = { .set = locktest_set };
module_param_cb(locktest, &locktest_param, NULL, 0200);
MODULE_PARM_DESC(locktest, "test the lock manager: SECONDS DEV DEV..., which are overwritten");
