// SPDX-License-Identifier: GPL-2.0-only
/* An open device: owner, features, and which file serves which ioctl. */
#include <linux/export.h>
#include <linux/pid.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "core.h"

/* The list, and what netlink reads of its devices: ids, names, owners. */
DEFINE_MUTEX(asv_devs_lock);
DEFINE_XARRAY_ALLOC1(asv_devs);

void asv_dev_init(struct asv_dev *dev, const struct asv_dev_ops *ops,
		  struct asv_vq **vqs, unsigned int nvqs, unsigned int iov_max)
{
	unsigned int i;

	mutex_init(&dev->mutex);
	dev->ops = ops;
	dev->vqs = vqs;
	dev->nvqs = nvqs;
	dev->iov_max = iov_max;
	dev->task_workers = ASV_VHOST_TASKS;
	rwlock_init(&dev->iotlb_lock);
	dev->iotlb_gen = 1;
	spin_lock_init(&dev->msg_lock);
	INIT_LIST_HEAD(&dev->msg_read);
	INIT_LIST_HEAD(&dev->msg_pending);
	init_waitqueue_head(&dev->msg_wait);
	xa_init_flags(&dev->workers, XA_FLAGS_ALLOC);
	asv_limit_init(dev);
	for (i = 0; i < nvqs; i++)
		asv_vq_init(vqs[i], dev, i);
}
EXPORT_SYMBOL_GPL(asv_dev_init);

int asv_dev_set_cred(struct asv_dev *dev)
{
	int ret;

	lockdep_assert_held(&dev->mutex);
	if (dev->cred == current_cred())
		return 0;
	put_cred(dev->cred);
	dev->cred = get_current_cred();
	ret = asv_workers_set_cred(dev);
	return ret ?: asv_helpers_set_cred(dev);
}
EXPORT_SYMBOL_GPL(asv_dev_set_cred);

/* ---- owner ---- */

static long asv_dev_check_owner(const struct asv_dev *dev)
{
	return dev->mm == current->mm ? 0 : -EPERM;
}

static void asv_dev_drop_owner(struct asv_dev *dev)
{
	put_cred(dev->cred);
	dev->cred = NULL;
	put_pid(dev->owner_pid);
	dev->owner_pid = NULL;
	if (dev->mm)
		mmput(dev->mm);
	dev->mm = NULL;
}

static long asv_dev_set_owner(struct asv_dev *dev)
{
	int ret;

	if (dev->mm)
		return -EBUSY;
	dev->mm = get_task_mm(current);
	if (!dev->mm)
		return -EPERM;
	dev->cred = get_current_cred();
	dev->owner_pid = get_pid(task_tgid(current));
	dev->owner_uid = current_euid();
	mutex_lock(&asv_devs_lock);
	ret = xa_alloc(&asv_devs, &dev->id, dev, xa_limit_31b, GFP_KERNEL_ACCOUNT);
	mutex_unlock(&asv_devs_lock);
	if (ret)
		goto drop;
	/* Others are made as their queues are first used. */
	ret = asv_vq_need_worker(dev->vqs[0]);
	if (ret)
		goto erase;
	return 0;
erase:
	asv_workers_free(dev);
	mutex_lock(&asv_devs_lock);
	xa_erase(&asv_devs, dev->id);
	mutex_unlock(&asv_devs_lock);
drop:
	asv_dev_drop_owner(dev);
	return ret;
}

/* Everything back to what open() gave. */
static void asv_dev_reset(struct asv_dev *dev)
{
	unsigned int i;

	dev->ops->detach(dev);
	for (i = 0; i < dev->nvqs; i++) {
		WARN_ON_ONCE(asv_vq_stop(dev->vqs[i]));
		asv_vq_reset(dev->vqs[i]);
	}
	asv_helpers_free(dev);
	asv_workers_free(dev);
	if (dev->mm) {
		mutex_lock(&asv_devs_lock);
		xa_erase(&asv_devs, dev->id);
		dev->name[0] = '\0';
		mutex_unlock(&asv_devs_lock);
	}
	asv_iotlb_disable(dev);
	asv_iotlb_clear_msgs(dev);
	asv_mem_free(dev, dev->mem);
	dev->mem = NULL;
	dev->prepin = false;
	if (dev->log_fd)
		eventfd_ctx_put(dev->log_fd);
	dev->log_fd = NULL;
	dev->features = 0;
	dev->backend_features = 0;
	dev->limit.on = false;
	dev->limit.set = (struct asv_limits) {};
	dev->task_workers = ASV_VHOST_TASKS;
	asv_dev_drop_owner(dev);
}

static long asv_dev_reset_owner(struct asv_dev *dev)
{
	long ret = asv_dev_check_owner(dev);

	if (!ret)
		asv_dev_reset(dev);
	return ret;
}

int asv_chr_release(struct inode *inode, struct file *file)
{
	struct asv_dev *dev = file->private_data;

	mutex_lock(&dev->mutex);
	asv_dev_reset(dev);
	mutex_unlock(&dev->mutex);
	dev->ops->free(dev);
	return 0;
}
EXPORT_SYMBOL_GPL(asv_chr_release);

static long asv_dev_set_fork(struct asv_dev *dev, void __user *argp)
{
	u8 task;

	if (dev->mm)
		return -EBUSY;
	if (get_user(task, (u8 __user *)argp))
		return -EFAULT;
	if (task != VHOST_FORK_OWNER_KTHREAD && task != VHOST_FORK_OWNER_TASK)
		return -EINVAL;
	if (task && !ASV_VHOST_TASKS)
		return -EOPNOTSUPP;
	dev->task_workers = task;
	return 0;
}

/* ---- features ---- */

/* The dirty log is the one thing that a running queue can be told to change. */
static long asv_dev_check_running(struct asv_dev *dev, u64 features)
{
	bool log = features & BIT_ULL(VHOST_F_LOG_ALL);
	bool changes = (features ^ dev->features) & ~BIT_ULL(VHOST_F_LOG_ALL);
	unsigned int i;

	for (i = 0; i < dev->nvqs; i++) {
		struct asv_vq *vq = dev->vqs[i];
		long ret = 0;

		mutex_lock(&vq->mutex);
		if (vq->backend && changes)
			ret = -EBUSY;
		else if (vq->backend && log &&
			 !asv_mem_access_ok(dev->mem, vq->log_base, true))
			ret = -EFAULT;
		mutex_unlock(&vq->mutex);
		if (ret)
			return ret;
	}
	return 0;
}

static long asv_dev_set_features(struct asv_dev *dev, u64 features)
{
	unsigned int i;
	long ret;

	if (features & ~dev->ops->features)
		return -EOPNOTSUPP;
	ret = asv_dev_check_running(dev, features);
	if (!ret && dev->ops->check_features)
		ret = dev->ops->check_features(dev, features);
	if (ret)
		return ret;
	if (!(features & BIT_ULL(VIRTIO_F_ACCESS_PLATFORM)))
		asv_iotlb_disable(dev);
	else if (asv_iotlb_enable(dev))
		return -EFAULT;
	dev->features = features;
	for (i = 0; i < dev->nvqs; i++) {
		mutex_lock(&dev->vqs[i]->mutex);
		asv_vq_update_log(dev->vqs[i]);
		mutex_unlock(&dev->vqs[i]->mutex);
	}
	if (dev->ops->features_changed)
		dev->ops->features_changed(dev);
	return 0;
}

static long asv_dev_set_backend_features(struct asv_dev *dev, u64 features)
{
	if (features & ~dev->ops->backend_features)
		return -EOPNOTSUPP;
	dev->backend_features = features;
	return 0;
}

static long asv_dev_features_ioctl(struct asv_dev *dev, unsigned int cmd, void __user *argp)
{
	u64 features;

	switch (cmd) {
	case VHOST_GET_FEATURES:
		features = dev->ops->features;
		break;
	case VHOST_GET_BACKEND_FEATURES:
		features = dev->ops->backend_features;
		break;
	default:
		if (copy_from_user(&features, argp, sizeof(features)))
			return -EFAULT;
		return cmd == VHOST_SET_FEATURES ? asv_dev_set_features(dev, features) :
		       asv_dev_set_backend_features(dev, features);
	}
	return copy_to_user(argp, &features, sizeof(features)) ? -EFAULT : 0;
}

/* ---- log, name and the rest ---- */

static long asv_dev_set_log_base(struct asv_dev *dev, void __user *argp)
{
	unsigned int i;
	long ret = 0;
	u64 base;

	if (copy_from_user(&base, argp, sizeof(base)))
		return -EFAULT;
	for (i = 0; i < dev->nvqs; i++) {
		struct asv_vq *vq = dev->vqs[i];

		mutex_lock(&vq->mutex);
		/* A queue that does not run is checked when it is started. */
		if (vq->backend && !asv_vq_log_ok(vq, u64_to_user_ptr(base)))
			ret = -EFAULT;
		else
			vq->log_base = u64_to_user_ptr(base);
		mutex_unlock(&vq->mutex);
	}
	return ret;
}

static long asv_dev_set_log_fd(struct asv_dev *dev, void __user *argp)
{
	struct eventfd_ctx *ctx = NULL;
	unsigned int i;
	int fd;

	if (get_user(fd, (int __user *)argp))
		return -EFAULT;
	if (fd != VHOST_FILE_UNBIND) {
		ctx = eventfd_ctx_fdget(fd);
		if (IS_ERR(ctx))
			return PTR_ERR(ctx);
	}
	swap(ctx, dev->log_fd);
	for (i = 0; i < dev->nvqs; i++) {
		mutex_lock(&dev->vqs[i]->mutex);
		dev->vqs[i]->log_fd = dev->log_fd;
		mutex_unlock(&dev->vqs[i]->mutex);
	}
	if (ctx)
		eventfd_ctx_put(ctx);
	return 0;
}

static long asv_dev_set_name(struct asv_dev *dev, void __user *argp)
{
	struct asv_name name;
	unsigned int i, len;

	if (copy_from_user(&name, argp, sizeof(name)))
		return -EFAULT;
	len = strnlen(name.name, sizeof(name.name));
	if (len == sizeof(name.name))
		return -EINVAL;
	for (i = 0; i < len; i++)
		if (name.name[i] < ' ' || name.name[i] > '~')
			return -EINVAL;
	mutex_lock(&asv_devs_lock);
	strscpy(dev->name, name.name, sizeof(dev->name));
	mutex_unlock(&asv_devs_lock);
	return 0;
}

static long asv_dev_set_prepin(struct asv_dev *dev, void __user *argp)
{
	long ret = 0;
	u32 on;

	if (get_user(on, (u32 __user *)argp))
		return -EFAULT;
	if (on > 1)
		return -EINVAL;
	if (on == dev->prepin)
		return 0;
	if (dev->mem && on)
		ret = asv_prepin_mem(dev, dev->mem);
	else if (dev->mem)
		asv_prepin_drop(dev, dev->mem);
	if (!ret)
		dev->prepin = on;
	return ret;
}

static long asv_dev_own_ioctl(struct asv_dev *dev, unsigned int cmd, void __user *argp)
{
	switch (cmd) {
	case VHOST_SET_MEM_TABLE:
		return asv_mem_set(dev, argp);
	case VHOST_SET_LOG_BASE:
		return asv_dev_set_log_base(dev, argp);
	case VHOST_SET_LOG_FD:
		return asv_dev_set_log_fd(dev, argp);
	case ASV_SET_PREPIN:
		return asv_dev_set_prepin(dev, argp);
	case ASV_SET_NAME:
		return asv_dev_set_name(dev, argp);
	case ASV_GET_DEV_ID:
		return put_user(dev->id, (u32 __user *)argp);
	default:
		return -ENOIOCTLCMD;
	}
}

/* ---- dispatch ---- */

/* What only the owner may do; each file is asked in turn whether it is its own. */
static long asv_dev_owner_ioctl(struct asv_dev *dev, unsigned int cmd, void __user *argp)
{
	static long (* const serve[])(struct asv_dev *dev, unsigned int cmd,
				      void __user *argp) = {
		asv_dev_own_ioctl, asv_worker_ioctl, asv_limit_ioctl, asv_vring_ioctl,
	};
	unsigned int i;
	long ret;

	ret = asv_dev_check_owner(dev);
	if (ret)
		return ret;
	/* Stopping, which is the module's, and reading where it stopped always work. */
	ret = dev->ops->ioctl(dev, cmd, argp);
	if (ret != -ENOIOCTLCMD)
		return ret;
	if (READ_ONCE(dev->killed) && cmd != VHOST_GET_VRING_BASE)
		return -EIO;
	for (i = 0; ret == -ENOIOCTLCMD && i < ARRAY_SIZE(serve); i++)
		ret = serve[i](dev, cmd, argp);
	return ret;
}

static long asv_dev_ioctl(struct asv_dev *dev, unsigned int cmd, void __user *argp)
{
	switch (cmd) {
	case VHOST_SET_OWNER:
		return asv_dev_set_owner(dev);
	case VHOST_RESET_OWNER:
		return asv_dev_reset_owner(dev);
	case VHOST_GET_FEATURES:
	case VHOST_SET_FEATURES:
	case VHOST_GET_BACKEND_FEATURES:
	case VHOST_SET_BACKEND_FEATURES:
		return asv_dev_features_ioctl(dev, cmd, argp);
	case VHOST_SET_FORK_FROM_OWNER:
		return asv_dev_set_fork(dev, argp);
	case VHOST_GET_FORK_FROM_OWNER:
		return put_user((u8)dev->task_workers, (u8 __user *)argp);
	default:
		return asv_dev_owner_ioctl(dev, cmd, argp);
	}
}

long asv_chr_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct asv_dev *dev = file->private_data;
	long ret;

	if (mutex_lock_killable(&dev->mutex))
		return -EINTR;
	ret = asv_dev_ioctl(dev, cmd, (void __user *)arg);
	mutex_unlock(&dev->mutex);
	return ret;
}
EXPORT_SYMBOL_GPL(asv_chr_ioctl);
