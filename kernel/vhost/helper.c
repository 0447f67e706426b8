// SPDX-License-Identifier: GPL-2.0-only
/* The helper pool: a few threads that may sleep on storage, so that workers do not. */
#include <linux/export.h>
#include <linux/slab.h>

#include "core.h"

#define ASV_HELPERS_MAX		8

struct asv_helper {
	struct asv_pool *pool;
	struct asv_thread *thread;
};

/**
 * struct asv_pool - helpers of a device, and what they have to do
 * @lock: @works, @alive and @idle; taken from hard interrupt too
 * @works: oldest first
 * @alive: helpers that were not killed
 * @idle: helpers that found nothing, as bits
 * @n: helpers made
 * @helper: @n of them
 */
struct asv_pool {
	spinlock_t lock;	/* works, alive, idle */
	struct list_head works;
	unsigned int alive;
	unsigned long idle;
	unsigned int n;
	struct asv_helper helper[ASV_HELPERS_MAX];
};

bool asv_helper_queue(struct asv_dev *dev, struct asv_work *work)
{
	struct asv_pool *pool = dev->pool;
	struct asv_helper *wake = NULL;
	unsigned long flags;
	bool alive;

	if (!pool)
		return false;
	if (test_and_set_bit(ASV_WORK_QUEUED, &work->flags))
		return true;
	spin_lock_irqsave(&pool->lock, flags);
	alive = pool->alive;
	if (alive) {
		list_add_tail(&work->entry, &pool->works);
		if (pool->idle) {
			unsigned int i = __ffs(pool->idle);

			__clear_bit(i, &pool->idle);
			wake = &pool->helper[i];
		}
	}
	spin_unlock_irqrestore(&pool->lock, flags);
	if (!alive)
		clear_bit(ASV_WORK_QUEUED, &work->flags);
	else if (wake)
		asv_thread_wake(wake->thread);
	return alive;
}
EXPORT_SYMBOL_GPL(asv_helper_queue);

/* The next work, or NULL after noting that this helper waits, or is no more. */
static struct asv_work *asv_helper_next(struct asv_helper *helper, bool killed)
{
	struct asv_pool *pool = helper->pool;
	unsigned int i = helper - pool->helper;
	struct asv_work *work;
	unsigned long flags;

	spin_lock_irqsave(&pool->lock, flags);
	work = list_first_entry_or_null(&pool->works, struct asv_work, entry);
	if (work)
		list_del(&work->entry);
	if (work || killed)
		__clear_bit(i, &pool->idle);
	else
		__set_bit(i, &pool->idle);
	if (!work && killed)
		pool->alive--;
	spin_unlock_irqrestore(&pool->lock, flags);
	return work;
}

static void asv_helper_do(struct asv_work *work)
{
	clear_bit(ASV_WORK_QUEUED, &work->flags);
	/* What is written before it is queued again is seen by the next run. */
	smp_mb__after_atomic();
	work->fn(work);
	cond_resched();
}

static bool asv_helper_run(void *arg)
{
	struct asv_work *work = asv_helper_next(arg, false);

	if (!work)
		return false;
	__set_current_state(TASK_RUNNING);
	asv_helper_do(work);
	return true;
}

/* Requests in flight end, if need be with an error, before the last helper goes. */
static void asv_helper_killed(void *arg)
{
	struct asv_work *work;

	while ((work = asv_helper_next(arg, true)))
		asv_helper_do(work);
}

static const struct asv_thread_ops asv_helper_ops = {
	.run = asv_helper_run,
	.killed = asv_helper_killed,
};

int asv_helpers_start(struct asv_dev *dev, unsigned int max)
{
	struct asv_pool *pool;
	int ret = 0;

	if (dev->pool)
		return 0;
	pool = kzalloc(sizeof(*pool), GFP_KERNEL_ACCOUNT);
	if (!pool)
		return -ENOMEM;
	spin_lock_init(&pool->lock);
	INIT_LIST_HEAD(&pool->works);
	dev->pool = pool;
	for (max = clamp(max, 1U, (unsigned int)ASV_HELPERS_MAX); pool->n < max; pool->n++) {
		struct asv_helper *helper = &pool->helper[pool->n];
		unsigned long flags;

		helper->pool = pool;
		spin_lock_irqsave(&pool->lock, flags);
		pool->alive++;
		spin_unlock_irqrestore(&pool->lock, flags);
		helper->thread = asv_thread_create(dev, &asv_helper_ops, helper);
		if (IS_ERR(helper->thread)) {
			ret = PTR_ERR(helper->thread);
			spin_lock_irqsave(&pool->lock, flags);
			pool->alive--;
			spin_unlock_irqrestore(&pool->lock, flags);
			asv_helpers_free(dev);
			break;
		}
	}
	return ret;
}
EXPORT_SYMBOL_GPL(asv_helpers_start);

int asv_helpers_set_cred(struct asv_dev *dev)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; !ret && dev->pool && i < dev->pool->n; i++)
		ret = asv_thread_call(dev->pool->helper[i].thread, asv_thread_set_cred,
				      (void *)dev->cred);
	return ret;
}

/* Nothing is in flight any more, so nothing is queued. dev->mutex held. */
void asv_helpers_free(struct asv_dev *dev)
{
	struct asv_pool *pool = dev->pool;
	unsigned int i;

	if (!pool)
		return;
	for (i = 0; i < pool->n; i++)
		asv_thread_stop(pool->helper[i].thread);
	WARN_ON_ONCE(!list_empty(&pool->works));
	dev->pool = NULL;
	kfree(pool);
}
