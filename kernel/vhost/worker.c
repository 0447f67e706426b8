// SPDX-License-Identifier: GPL-2.0-only
/* Workers: threads that serve queues, and the ioctls that hand queues to them. */
#include <linux/cpumask.h>
#include <linux/export.h>
#include <linux/nodemask.h>
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/topology.h>

#include "core.h"

/**
 * struct asv_worker - serves the works of some queues, one after another
 * @list: works, newest first
 * @thread: runs them
 * @dev: of this device
 * @id: in dev->workers
 * @mutex: held by the kill handler from start to end, and by whoever hands work
 *	over that must not be lost to it
 * @killed: the thread ends; @mutex
 * @extra: made by VHOST_NEW_WORKER
 */
struct asv_worker {
	struct llist_head list;
	struct asv_thread *thread;
	struct asv_dev *dev;
	u32 id;
	struct mutex mutex;	/* killed, against the kill handler */
	bool killed;
	bool extra;
};

static void asv_worker_queue(struct asv_worker *worker, struct asv_work *work)
{
	/* Implies a barrier: what the work shall see is written before it is queued. */
	if (test_and_set_bit(ASV_WORK_QUEUED, &work->flags))
		return;
	/* Whoever found the list empty wakes the thread for all that follow. */
	if (llist_add(&work->node, &worker->list))
		asv_thread_wake(worker->thread);
}

bool asv_work_queue(struct asv_vq *vq, struct asv_work *work)
{
	struct asv_worker *worker;

	rcu_read_lock();
	worker = rcu_dereference(vq->worker);
	if (worker)
		asv_worker_queue(worker, work);
	rcu_read_unlock();
	return worker;
}
EXPORT_SYMBOL_GPL(asv_work_queue);

bool asv_vq_kick(struct asv_vq *vq)
{
	return asv_work_queue(vq, &vq->kick_work);
}
EXPORT_SYMBOL_GPL(asv_vq_kick);

bool asv_vq_worker_busy(struct asv_vq *vq)
{
	struct asv_worker *worker;
	bool busy;

	rcu_read_lock();
	worker = rcu_dereference(vq->worker);
	busy = !worker || !llist_empty(&worker->list);
	rcu_read_unlock();
	return busy;
}
EXPORT_SYMBOL_GPL(asv_vq_worker_busy);

/* For lists; -1 if it has none. */
int asv_vq_worker_id(struct asv_vq *vq)
{
	struct asv_worker *worker;
	int id;

	rcu_read_lock();
	worker = rcu_dereference(vq->worker);
	id = worker ? worker->id : -1;
	rcu_read_unlock();
	return id;
}

static bool asv_worker_run(void *arg)
{
	struct asv_worker *worker = arg;
	struct asv_work *work, *next;
	struct llist_node *node;

	node = llist_del_all(&worker->list);
	if (!node)
		return false;
	__set_current_state(TASK_RUNNING);
	node = llist_reverse_order(node);
	llist_for_each_entry_safe(work, next, node, node) {
		clear_bit(ASV_WORK_QUEUED, &work->flags);
		/* What is written before it is queued again is seen by the next run. */
		smp_mb__after_atomic();
		work->fn(work);
		cond_resched();
	}
	return true;
}

/* Requests in flight of the worker's queues, which from here on start no turn. */
static unsigned int asv_worker_bury(struct asv_worker *worker)
{
	unsigned int i, inflight = 0;

	for (i = 0; i < worker->dev->nvqs; i++) {
		struct asv_vq *vq = worker->dev->vqs[i];

		mutex_lock(&vq->mutex);
		if (rcu_access_pointer(vq->worker) == worker) {
			vq->dead = true;
			inflight += vq->inflight;
		}
		mutex_unlock(&vq->mutex);
	}
	return inflight;
}

static void asv_worker_detach(struct asv_worker *worker)
{
	unsigned int i;

	for (i = 0; i < worker->dev->nvqs; i++) {
		struct asv_vq *vq = worker->dev->vqs[i];

		mutex_lock(&vq->mutex);
		if (rcu_access_pointer(vq->worker) == worker)
			RCU_INIT_POINTER(vq->worker, NULL);
		mutex_unlock(&vq->mutex);
	}
	synchronize_rcu();
}

/*
 * The owner is being killed, and this thread with it. What is in flight still
 * needs its completions run; nothing new is taken.
 */
static void asv_worker_killed(void *arg)
{
	struct asv_worker *worker = arg;

	WRITE_ONCE(worker->dev->killed, true);
	mutex_lock(&worker->mutex);
	worker->killed = true;
	while (asv_worker_bury(worker)) {
		set_current_state(TASK_UNINTERRUPTIBLE);
		if (!asv_worker_run(worker))
			schedule();
		__set_current_state(TASK_RUNNING);
	}
	asv_worker_detach(worker);
	/* Works that came before the pointers were cleared, flushes among them. */
	while (asv_worker_run(worker))
		;
	mutex_unlock(&worker->mutex);
}

static const struct asv_thread_ops asv_worker_ops = {
	.run = asv_worker_run,
	.killed = asv_worker_killed,
};

struct asv_flush {
	struct asv_work work;
	struct completion done;
};

static void asv_flush_fn(struct asv_work *work)
{
	complete(&container_of(work, struct asv_flush, work)->done);
}

/* Wait until all works queued so far have run. dev->mutex held. */
static void asv_worker_flush(struct asv_worker *worker)
{
	struct asv_flush flush;

	asv_work_init(&flush.work, asv_flush_fn);
	init_completion(&flush.done);
	/* The kill handler holds the mutex and runs all works itself. */
	mutex_lock(&worker->mutex);
	if (worker->killed) {
		mutex_unlock(&worker->mutex);
		return;
	}
	asv_worker_queue(worker, &flush.work);
	mutex_unlock(&worker->mutex);
	wait_for_completion(&flush.done);
}

static struct asv_worker *asv_vq_worker(struct asv_vq *vq)
{
	return rcu_dereference_check(vq->worker, lockdep_is_held(&vq->dev->mutex) ||
				     lockdep_is_held(&vq->mutex));
}

void asv_dev_flush(struct asv_dev *dev)
{
	struct asv_worker *worker;
	unsigned long id;

	xa_for_each(&dev->workers, id, worker)
		asv_worker_flush(worker);
}
EXPORT_SYMBOL_GPL(asv_dev_flush);

/* A queue without a worker may have had one that is just being killed. */
void asv_vq_flush(struct asv_vq *vq)
{
	struct asv_worker *worker = asv_vq_worker(vq);

	if (worker)
		asv_worker_flush(worker);
	else
		asv_dev_flush(vq->dev);
}

static struct asv_worker *asv_worker_create(struct asv_dev *dev)
{
	struct asv_worker *worker;
	int ret;

	worker = kzalloc(sizeof(*worker), GFP_KERNEL_ACCOUNT);
	if (!worker)
		return ERR_PTR(-ENOMEM);
	worker->dev = dev;
	init_llist_head(&worker->list);
	mutex_init(&worker->mutex);
	ret = xa_alloc(&dev->workers, &worker->id, worker, xa_limit_31b, GFP_KERNEL_ACCOUNT);
	if (ret)
		goto free;
	worker->thread = asv_thread_create(dev, &asv_worker_ops, worker);
	if (IS_ERR(worker->thread)) {
		ret = PTR_ERR(worker->thread);
		goto erase;
	}
	return worker;
erase:
	xa_erase(&dev->workers, worker->id);
free:
	kfree(worker);
	return ERR_PTR(ret);
}

/* No queue has it any more, and an RCU grace period is over. */
static void asv_worker_free(struct asv_worker *worker)
{
	struct asv_dev *dev = worker->dev;

	asv_worker_flush(worker);
	xa_erase(&dev->workers, worker->id);
	dev->nextra -= worker->extra;
	asv_thread_stop(worker->thread);
	WARN_ON_ONCE(!llist_empty(&worker->list));
	mutex_destroy(&worker->mutex);
	kfree(worker);
}

/*
 * Make the default worker of a queue's group, if the queue has none yet. Threads
 * are made when a queue is first used, not for every queue that it could use.
 */
int asv_vq_need_worker(struct asv_vq *vq)
{
	struct asv_dev *dev = vq->dev;
	unsigned int per = dev->ops->vqs_per_worker;
	unsigned int first = rounddown(vq->index, per);
	unsigned int i, end = min(first + per, dev->nvqs);
	struct asv_worker *worker;

	if (READ_ONCE(dev->killed))
		return -EIO;
	if (asv_vq_worker(vq))
		return 0;
	worker = asv_worker_create(dev);
	if (IS_ERR(worker))
		return PTR_ERR(worker);
	for (i = first; i < end; i++) {
		struct asv_vq *other = dev->vqs[i];

		mutex_lock(&other->mutex);
		if (!asv_vq_worker(other))
			rcu_assign_pointer(other->worker, worker);
		mutex_unlock(&other->mutex);
	}
	/* Killed meanwhile, after its handler looked for its queues? */
	mutex_lock(&worker->mutex);
	if (worker->killed)
		asv_worker_detach(worker);
	mutex_unlock(&worker->mutex);
	return READ_ONCE(dev->killed) ? -EIO : 0;
}

void asv_workers_free(struct asv_dev *dev)
{
	struct asv_worker *worker;
	unsigned long id;
	unsigned int i;

	asv_dev_flush(dev);
	for (i = 0; i < dev->nvqs; i++) {
		mutex_lock(&dev->vqs[i]->mutex);
		RCU_INIT_POINTER(dev->vqs[i]->worker, NULL);
		mutex_unlock(&dev->vqs[i]->mutex);
	}
	/* Interrupt handlers that are still inside asv_work_queue(). */
	synchronize_rcu();
	xa_for_each(&dev->workers, id, worker)
		asv_worker_free(worker);
	xa_destroy(&dev->workers);
}

int asv_workers_set_cred(struct asv_dev *dev)
{
	struct asv_worker *worker;
	unsigned long id;
	int ret = 0;

	xa_for_each(&dev->workers, id, worker) {
		ret = asv_thread_call(worker->thread, asv_thread_set_cred, (void *)dev->cred);
		if (ret)
			break;
	}
	return ret;
}

static long asv_worker_new(struct asv_dev *dev, void __user *argp)
{
	struct vhost_worker_state state = {};
	struct asv_worker *worker;

	if (dev->nextra >= dev->nvqs)
		return -ENOSPC;
	worker = asv_worker_create(dev);
	if (IS_ERR(worker))
		return PTR_ERR(worker);
	worker->extra = true;
	dev->nextra++;
	state.worker_id = worker->id;
	if (copy_to_user(argp, &state, sizeof(state))) {
		asv_worker_free(worker);
		return -EFAULT;
	}
	return 0;
}

static long asv_worker_end(struct asv_dev *dev, void __user *argp)
{
	struct vhost_worker_state state;
	struct asv_worker *worker;
	unsigned int i;

	if (copy_from_user(&state, argp, sizeof(state)))
		return -EFAULT;
	worker = xa_load(&dev->workers, state.worker_id);
	if (!worker)
		return -ENODEV;
	for (i = 0; i < dev->nvqs; i++)
		if (asv_vq_worker(dev->vqs[i]) == worker)
			return -EBUSY;
	/* A queue may have left it a moment ago, with a kick on its way. */
	synchronize_rcu();
	asv_worker_free(worker);
	return 0;
}

/*
 * The queue stands still while it changes hands, so its works never run on two
 * workers at once.
 */
static long asv_worker_attach(struct asv_vq *vq, u32 id)
{
	struct asv_worker *worker = xa_load(&vq->dev->workers, id);
	struct asv_worker *old = asv_vq_worker(vq);
	long ret = 0;

	if (!worker)
		return -ENODEV;
	if (worker == old)
		return 0;
	asv_vq_pause(vq);
	mutex_lock(&worker->mutex);
	mutex_lock(&vq->mutex);
	if (worker->killed || vq->dead)
		ret = -EIO;
	else
		rcu_assign_pointer(vq->worker, worker);
	mutex_unlock(&vq->mutex);
	mutex_unlock(&worker->mutex);
	if (old && !ret) {
		synchronize_rcu();
		asv_worker_flush(old);
	}
	asv_vq_resume(vq);
	return ret;
}

static int asv_worker_move(struct asv_thread *thread, void *cpus)
{
	return set_cpus_allowed_ptr(current, cpus);
}

/* The processors that @arg asks for, as far as the caller may use them itself. */
static long asv_affinity_mask(const struct asv_worker_affinity *arg, struct cpumask *mask)
{
	unsigned int len = min_t(unsigned int, arg->cpus_len, cpumask_size());

	if (arg->pad)
		return -EINVAL;
	if (arg->numa_node != NUMA_NO_NODE &&
	    (arg->numa_node < 0 || arg->numa_node >= MAX_NUMNODES ||
	     !node_online(arg->numa_node)))
		return -EINVAL;
	if (len) {
		cpumask_clear(mask);
		if (copy_from_user(cpumask_bits(mask), u64_to_user_ptr(arg->cpus), len))
			return -EFAULT;
	} else if (arg->numa_node != NUMA_NO_NODE) {
		cpumask_copy(mask, cpumask_of_node(arg->numa_node));
	} else {
		cpumask_copy(mask, cpu_possible_mask);
	}
	cpumask_and(mask, mask, current->cpus_ptr);
	return cpumask_intersects(mask, cpu_online_mask) ? 0 : -EINVAL;
}

static long asv_worker_affinity(struct asv_dev *dev, void __user *argp)
{
	struct asv_worker_affinity arg;
	struct asv_worker *worker;
	cpumask_var_t mask;
	long ret;

	if (copy_from_user(&arg, argp, sizeof(arg)))
		return -EFAULT;
	worker = xa_load(&dev->workers, arg.worker_id);
	if (!worker)
		return -ENODEV;
	if (!alloc_cpumask_var(&mask, GFP_KERNEL))
		return -ENOMEM;
	ret = asv_affinity_mask(&arg, mask);
	if (!ret)
		ret = asv_thread_call(worker->thread, asv_worker_move, mask);
	free_cpumask_var(mask);
	return ret;
}

static long asv_vring_worker(struct asv_dev *dev, unsigned int cmd, void __user *argp)
{
	struct vhost_vring_worker arg;
	struct asv_vq *vq;
	long ret;

	if (copy_from_user(&arg, argp, sizeof(arg)))
		return -EFAULT;
	if (arg.index >= dev->nvqs)
		return -ENOBUFS;
	vq = dev->vqs[array_index_nospec(arg.index, dev->nvqs)];
	if (cmd == VHOST_ATTACH_VRING_WORKER)
		return asv_worker_attach(vq, arg.worker_id);

	ret = asv_vq_need_worker(vq);
	if (ret)
		return ret;
	arg.worker_id = asv_vq_worker(vq)->id;
	return copy_to_user(argp, &arg, sizeof(arg)) ? -EFAULT : 0;
}

/* dev->mutex held, owner checked; -ENOIOCTLCMD if it is none of these. */
long asv_worker_ioctl(struct asv_dev *dev, unsigned int cmd, void __user *argp)
{
	switch (cmd) {
	case VHOST_NEW_WORKER:
		return asv_worker_new(dev, argp);
	case VHOST_FREE_WORKER:
		return asv_worker_end(dev, argp);
	case VHOST_ATTACH_VRING_WORKER:
	case VHOST_GET_VRING_WORKER:
		return asv_vring_worker(dev, cmd, argp);
	case ASV_SET_WORKER_AFFINITY:
		return asv_worker_affinity(dev, argp);
	default:
		return -ENOIOCTLCMD;
	}
}
