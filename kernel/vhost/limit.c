// SPDX-License-Identifier: GPL-2.0-only
/*
 * Limits of a device: requests and bytes a second. A queue asks before it takes a
 * chain, and pays when it knows what the chain costs, so a device may go into debt
 * by one request; the debt is waited for.
 *
 * Each rate is kept as the time at which all that was served would have been served
 * at exactly that rate. Ahead of now it is debt; it is never left further behind
 * than the burst.
 */
#include <linux/export.h>
#include <linux/math64.h>
#include <linux/ktime.h>

#include "core.h"

#define ASV_LIMIT_MAX		BIT_ULL(40)
/* Seconds: no request costs more, and no burst is worth more. */
#define ASV_LIMIT_TIME_MAX	(24 * 60 * 60)

void asv_limit_init(struct asv_dev *dev)
{
	spin_lock_init(&dev->limit.lock);
}

/* Nanoseconds that @units take at @rate. A quotient beyond 64 bits would trap. */
static u64 asv_limit_time(u64 units, u64 rate)
{
	if (div64_u64(units, rate) >= ASV_LIMIT_TIME_MAX)
		return ASV_LIMIT_TIME_MAX * NSEC_PER_SEC;
	return mul_u64_u64_div_u64(units, NSEC_PER_SEC, rate);
}

/* Never less than the longest burst, however short a time the host is up. */
static u64 asv_limit_now(void)
{
	return ktime_get_ns() + ASV_LIMIT_TIME_MAX * NSEC_PER_SEC;
}

static void asv_limit_pay(u64 *time, u64 now, u64 units, u64 rate, u64 burst)
{
	u64 behind;

	if (!rate)
		return;
	behind = asv_limit_time(burst ?: DIV_ROUND_UP(rate, 10), rate);
	if (*time + behind < now)
		*time = now - behind;
	*time += asv_limit_time(units, rate);
}

void __asv_vq_charge(struct asv_vq *vq, unsigned int ios, u64 bytes)
{
	struct asv_limit *limit = &vq->dev->limit;
	u64 now = asv_limit_now();

	spin_lock(&limit->lock);
	asv_limit_pay(&limit->io_time, now, ios, limit->set.iops, limit->set.iops_burst);
	asv_limit_pay(&limit->byte_time, now, bytes, limit->set.bps, limit->set.bps_burst);
	spin_unlock(&limit->lock);
}
EXPORT_SYMBOL_GPL(__asv_vq_charge);

bool __asv_vq_throttled(struct asv_vq *vq)
{
	struct asv_limit *limit = &vq->dev->limit;
	u64 now = asv_limit_now();
	u64 until;

	spin_lock(&limit->lock);
	until = max(limit->io_time, limit->byte_time);
	spin_unlock(&limit->lock);
	if (until <= now)
		return false;
	vq->stats.throttled++;
	hrtimer_start(&vq->throttle, ns_to_ktime(until - now), HRTIMER_MODE_REL);
	return true;
}
EXPORT_SYMBOL_GPL(__asv_vq_throttled);

enum hrtimer_restart asv_limit_timer(struct hrtimer *timer)
{
	asv_vq_kick(container_of(timer, struct asv_vq, throttle));
	return HRTIMER_NORESTART;
}

static long asv_limit_set(struct asv_dev *dev, const struct asv_limits *set)
{
	struct asv_limit *limit = &dev->limit;
	unsigned int i;

	if (set->iops > ASV_LIMIT_MAX || set->iops_burst > ASV_LIMIT_MAX ||
	    set->bps > ASV_LIMIT_MAX || set->bps_burst > ASV_LIMIT_MAX)
		return -EINVAL;
	spin_lock(&limit->lock);
	limit->set = *set;
	limit->io_time = 0;
	limit->byte_time = 0;
	WRITE_ONCE(limit->on, set->iops || set->bps);
	spin_unlock(&limit->lock);
	/* Who waits by the old limits looks again. */
	for (i = 0; i < dev->nvqs; i++)
		asv_vq_kick(dev->vqs[i]);
	return 0;
}

/* dev->mutex held, owner checked; -ENOIOCTLCMD if it is none of these. */
long asv_limit_ioctl(struct asv_dev *dev, unsigned int cmd, void __user *argp)
{
	struct asv_limits set;

	switch (cmd) {
	case ASV_SET_LIMITS:
		if (copy_from_user(&set, argp, sizeof(set)))
			return -EFAULT;
		return asv_limit_set(dev, &set);
	case ASV_GET_LIMITS:
		set = dev->limit.set;
		return copy_to_user(argp, &set, sizeof(set)) ? -EFAULT : 0;
	default:
		return -ENOIOCTLCMD;
	}
}
