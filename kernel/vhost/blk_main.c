// SPDX-License-Identifier: GPL-2.0-only
/* /dev/asv-blk: the module, the ioctls, and starting and stopping of queues. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/eventfd.h>
#include <linux/module.h>
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "blk.h"

#define ASV_BLK_MINOR	251

/* ---- queues ---- */

static void asv_blk_queue_stop(struct asv_blk_queue *q)
{
	if (!q->reqs)
		return;
	asv_vq_stop(&q->vq);
	asv_blk_reqs_free(q);
	asv_blk_track_free(q);
}

static int asv_blk_queue_start(struct asv_blk *blk, struct asv_blk_queue *q)
{
	struct asv_vq *vq = &q->vq;
	int ret;

	if (!blk->disk.file)
		return -ENODEV;
	if (q->reqs)
		return 0;
	ret = asv_blk_reqs_alloc(q);
	if (ret)
		return ret;
	if (!asv_blk_tracked(q)) {
		ret = asv_vq_start(vq, blk);
		if (ret)
			asv_blk_reqs_free(q);
		return ret;
	}

	/* No turn before the ring's position is the one that the region says. */
	asv_vq_pause(vq);
	ret = asv_vq_start(vq, blk);
	if (!ret)
		ret = asv_blk_track_recover(q);
	asv_vq_resume(vq);
	if (ret)
		asv_blk_queue_stop(q);
	return ret;
}

static struct asv_blk_queue *asv_blk_queue_at(struct asv_blk *blk, u32 index)
{
	if (index >= ASV_BLK_MAX_QUEUES)
		return NULL;
	return &blk->queues[array_index_nospec(index, ASV_BLK_MAX_QUEUES)];
}

static int asv_blk_set_backend(struct asv_blk *blk, const struct vhost_vring_file *args)
{
	struct asv_blk_queue *q = asv_blk_queue_at(blk, args->index);

	if (!q)
		return -ENOBUFS;
	if (args->fd == VHOST_FILE_UNBIND) {
		asv_blk_queue_stop(q);
		return 0;
	}
	if (args->fd != ASV_BLK_BACKEND_START)
		return -EINVAL;
	if (blk->disk.file && args->index >= blk->num_queues)
		return -ENOBUFS;
	return asv_blk_queue_start(blk, q);
}

static int asv_blk_set_inflight(struct asv_blk *blk, const struct asv_blk_inflight *args)
{
	struct asv_blk_queue *q = asv_blk_queue_at(blk, args->index);

	if (!q || args->flags)
		return -EINVAL;
	if (q->reqs)
		return -EBUSY;
	if (!args->addr != !args->size || !IS_ALIGNED(args->addr, sizeof(u64)))
		return -EINVAL;
	if (!access_ok(u64_to_user_ptr(args->addr), args->size))
		return -EFAULT;
	q->track.addr = u64_to_user_ptr(args->addr);
	q->track.size = args->size;
	return 0;
}

/* ---- ioctls ---- */

static int asv_blk_set_config_call(struct asv_blk *blk, int fd)
{
	struct eventfd_ctx *ctx = NULL;

	if (fd != VHOST_FILE_UNBIND) {
		ctx = eventfd_ctx_fdget(fd);
		if (IS_ERR(ctx))
			return PTR_ERR(ctx);
	}
	if (blk->config_call)
		eventfd_ctx_put(blk->config_call);
	blk->config_call = ctx;
	return 0;
}

static void asv_blk_detach(struct asv_dev *dev)
{
	struct asv_blk *blk = asv_blk_of(dev);
	unsigned int i;

	for (i = 0; i < ASV_BLK_MAX_QUEUES; i++) {
		asv_blk_queue_stop(&blk->queues[i]);
		blk->queues[i].track = (struct asv_blk_track){};
	}
	asv_blk_detach_disk(blk);
}

/* A call that takes one structure from user space. */
#define ASV_BLK_TAKE(type, argp, call)					\
({									\
	type arg;							\
	copy_from_user(&arg, argp, sizeof(arg)) ? -EFAULT : (call);	\
})

static long asv_blk_ioctl(struct asv_dev *dev, unsigned int cmd, void __user *argp)
{
	struct asv_blk *blk = asv_blk_of(dev);
	struct asv_blk_config config;
	int ret;

	switch (cmd) {
	case ASV_BLK_ATTACH:
		return ASV_BLK_TAKE(struct asv_blk_attach, argp, asv_blk_attach(blk, &arg));
	case ASV_BLK_DETACH:
		asv_blk_detach(dev);
		return 0;
	case ASV_BLK_SET_BACKEND:
		return ASV_BLK_TAKE(struct vhost_vring_file, argp,
				    asv_blk_set_backend(blk, &arg));
	case ASV_BLK_GET_CONFIG:
		ret = asv_blk_get_config(blk, &config);
		if (!ret && copy_to_user(argp, &config, sizeof(config)))
			ret = -EFAULT;
		return ret;
	case ASV_BLK_SET_WCE:
		return ASV_BLK_TAKE(u32, argp, arg > 1 ? -EINVAL : asv_blk_set_wce(blk, arg));
	case ASV_BLK_SET_CONFIG_CALL:
		return ASV_BLK_TAKE(s32, argp, asv_blk_set_config_call(blk, arg));
	case ASV_BLK_REFRESH:
		return asv_blk_refresh(blk);
	case ASV_BLK_SET_INFLIGHT:
		return ASV_BLK_TAKE(struct asv_blk_inflight, argp,
				    asv_blk_set_inflight(blk, &arg));
	default:
		return -ENOIOCTLCMD;
	}
}

/* ---- device ---- */

static void asv_blk_features_changed(struct asv_dev *dev)
{
	asv_blk_update_writethrough(asv_blk_of(dev));
}

static void asv_blk_free(struct asv_dev *dev)
{
	struct asv_blk *blk = asv_blk_of(dev);

	if (blk->config_call)
		eventfd_ctx_put(blk->config_call);
	kvfree(blk);
}

static const struct asv_dev_ops asv_blk_ops = {
	.kind = "blk",
	.features = ASV_CORE_FEATURES,
	.backend_features = ASV_CORE_BACKEND_FEATURES,
	.vqs_per_worker = 1,
	.handle_kick = asv_blk_handle_kick,
	.idle_poll = asv_blk_idle_poll,
	.features_changed = asv_blk_features_changed,
	.ioctl = asv_blk_ioctl,
	.detach = asv_blk_detach,
	.free = asv_blk_free,
};

static int asv_blk_open(struct inode *inode, struct file *file)
{
	struct asv_blk *blk;
	unsigned int i;

	blk = kvzalloc(sizeof(*blk), GFP_KERNEL_ACCOUNT);
	if (!blk)
		return -ENOMEM;
	for (i = 0; i < ASV_BLK_MAX_QUEUES; i++) {
		struct asv_blk_queue *q = &blk->queues[i];

		blk->vqs[i] = &q->vq;
		init_llist_head(&q->done);
		asv_work_init(&q->done_work, asv_blk_done_work);
	}
	blk->ops = asv_blk_ops;
	asv_dev_init(&blk->dev, &blk->ops, blk->vqs, ASV_BLK_MAX_QUEUES,
		     ASV_VHOST_MAX_CHAIN);
	file->private_data = &blk->dev;
	return 0;
}

static const struct file_operations asv_blk_fops = {
	ASV_CHR_FOPS(asv_blk_open),
};

static int minor = ASV_BLK_MINOR;
module_param(minor, int, 0444);
MODULE_PARM_DESC(minor, "minor number of /dev/asv-blk under the misc major (10)");

static struct miscdevice asv_blk_misc = {
	.name = "asv-blk",
	.fops = &asv_blk_fops,
};

static int __init asv_blk_init(void)
{
	asv_blk_misc.minor = minor;
	return asv_misc_register(&asv_blk_misc, "asv_blk.minor");
}

static void __exit asv_blk_exit(void)
{
	asv_misc_deregister(&asv_blk_misc);
}

module_init(asv_blk_init);
module_exit(asv_blk_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("virtio-blk served in the host kernel from a block device or a file");
MODULE_VERSION("0.1.0");
MODULE_ALIAS_MISCDEV(ASV_BLK_MINOR);
MODULE_ALIAS("devname:asv-blk");
