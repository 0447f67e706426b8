// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads that serve a device: of the owner (vhost task), or of the kernel with
 * the owner's mm and in its cgroups. CPU time is the owner's either way.
 */
#include <linux/cgroup.h>
#include <linux/completion.h>
#include <linux/kthread.h>
#include <linux/mmu_context.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>

#include "core.h"

/**
 * struct asv_call - a function to run once in a thread
 * @fn: what
 * @arg: its argument
 * @ret: what it gave
 * @done: completed after it, or when the thread is killed first
 */
struct asv_call {
	int (*fn)(struct asv_thread *thread, void *arg);
	void *arg;
	int ret;
	struct completion done;
};

/**
 * struct asv_thread - see core.h
 * @ops: what it does
 * @arg: for @ops
 * @mm: the owner's; the device holds it
 * @task: kernel thread, or NULL
 * @vtask: vhost task, or NULL
 * @lock: @call and @killed
 * @call: to be run next; one at a time, callers hold dev->mutex
 * @killed: the owner is being killed; no further call
 * @cred: its own credentials while it runs with others; used by the thread alone
 */
struct asv_thread {
	const struct asv_thread_ops *ops;
	void *arg;
	struct mm_struct *mm;
	struct task_struct *task;
	struct vhost_task *vtask;
	spinlock_t lock;	/* call and killed */
	struct asv_call *call;
	bool killed;
	const struct cred *cred;
};

static struct asv_call *asv_thread_take_call(struct asv_thread *thread, bool killed)
{
	struct asv_call *call;

	spin_lock(&thread->lock);
	call = thread->call;
	thread->call = NULL;
	thread->killed |= killed;
	spin_unlock(&thread->lock);
	return call;
}

static bool asv_thread_step(void *data)
{
	struct asv_thread *thread = data;
	struct asv_call *call;

	if (likely(!READ_ONCE(thread->call)))
		return thread->ops->run(thread->arg);

	__set_current_state(TASK_RUNNING);
	call = asv_thread_take_call(thread, false);
	if (call) {
		call->ret = call->fn(thread, call->arg);
		complete(&call->done);
	}
	return true;
}

static void asv_thread_drop_cred(struct asv_thread *thread)
{
	if (thread->cred)
		revert_creds(thread->cred);
	thread->cred = NULL;
}

static void asv_thread_killed(void *data)
{
	struct asv_thread *thread = data;
	struct asv_call *call;

	__set_current_state(TASK_RUNNING);
	call = asv_thread_take_call(thread, true);
	if (call) {
		call->ret = -EIO;
		complete(&call->done);
	}
	thread->ops->killed(thread->arg);
	asv_thread_drop_cred(thread);
}

static int asv_kthread(void *data)
{
	struct asv_thread *thread = data;

	kthread_use_mm(thread->mm);
	for (;;) {
		/* Pairs with the wake-ups of asv_thread_wake() and kthread_stop(). */
		set_current_state(TASK_INTERRUPTIBLE);
		if (kthread_should_stop())
			break;
		if (!asv_thread_step(thread))
			schedule();
	}
	__set_current_state(TASK_RUNNING);
	asv_thread_drop_cred(thread);
	kthread_unuse_mm(thread->mm);
	return 0;
}

void asv_thread_wake(struct asv_thread *thread)
{
	if (thread->vtask)
		vhost_task_wake(thread->vtask);
	else
		wake_up_process(thread->task);
}

/*
 * Run @fn in the thread and wait for it. dev->mutex held; -EIO if it was killed.
 * Bounded: a thread never waits for an ioctl.
 */
int asv_thread_call(struct asv_thread *thread, int (*fn)(struct asv_thread *thread, void *arg),
		    void *arg)
{
	struct asv_call call = { .fn = fn, .arg = arg };
	bool killed;

	init_completion(&call.done);
	spin_lock(&thread->lock);
	killed = thread->killed;
	if (!killed)
		thread->call = &call;
	spin_unlock(&thread->lock);
	if (killed)
		return -EIO;
	asv_thread_wake(thread);
	wait_for_completion(&call.done);
	return call.ret;
}

/* For asv_thread_call(): from now on with @cred; the thread takes a reference. */
int asv_thread_set_cred(struct asv_thread *thread, void *cred)
{
	asv_thread_drop_cred(thread);
	thread->cred = override_creds(cred);
	return 0;
}

static int asv_thread_revert_cred(struct asv_thread *thread, void *unused)
{
	asv_thread_drop_cred(thread);
	return 0;
}

static int asv_thread_join_cgroups(struct asv_thread *thread, void *owner)
{
	return cgroup_attach_task_all(owner, current);
}

static int asv_thread_start_kthread(struct asv_thread *thread, const char *name)
{
	struct task_struct *task;
	int ret;

	task = kthread_create(asv_kthread, thread, "%s", name);
	if (IS_ERR(task))
		return PTR_ERR(task);
	thread->task = task;
	wake_up_process(task);
	ret = asv_thread_call(thread, asv_thread_join_cgroups, current);
	if (ret)
		kthread_stop(task);
	return ret;
}

static int asv_thread_start_vtask(struct asv_thread *thread, const char *name)
{
	thread->vtask = vhost_task_create(asv_thread_step, asv_thread_killed, thread, name);
	if (IS_ERR(thread->vtask))
		return PTR_ERR(thread->vtask);
	vhost_task_start(thread->vtask);
	return 0;
}

/*
 * Make a thread and start it. Called by the owner with dev->mutex held; returns an
 * ERR_PTR: -ENOMEM, -EAGAIN (the owner's RLIMIT_NPROC), -EINTR.
 */
struct asv_thread *asv_thread_create(struct asv_dev *dev, const struct asv_thread_ops *ops,
				     void *arg)
{
	const struct cred *cred = dev->cred ?: current_cred();
	struct asv_thread *thread;
	char name[TASK_COMM_LEN];
	int ret;

	thread = kzalloc(sizeof(*thread), GFP_KERNEL_ACCOUNT);
	if (!thread)
		return ERR_PTR(-ENOMEM);
	thread->ops = ops;
	thread->arg = arg;
	thread->mm = dev->mm;
	spin_lock_init(&thread->lock);
	snprintf(name, sizeof(name), "asv-%s-%d", dev->ops->kind, current->tgid);
	ret = dev->task_workers ? asv_thread_start_vtask(thread, name) :
	      asv_thread_start_kthread(thread, name);
	if (ret) {
		kfree(thread);
		return ERR_PTR(ret);
	}
	asv_thread_call(thread, asv_thread_set_cred, (void *)cred);
	return thread;
}

/* End a thread that has nothing to do any more, and wait for it. */
void asv_thread_stop(struct asv_thread *thread)
{
	if (thread->vtask) {
		/* It ends without coming back here, so its credentials go first. */
		asv_thread_call(thread, asv_thread_revert_cred, NULL);
		vhost_task_stop(thread->vtask);
	} else {
		kthread_stop(thread->task);
	}
	kfree(thread);
}
