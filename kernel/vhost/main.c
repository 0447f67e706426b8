// SPDX-License-Identifier: GPL-2.0-only
/* Module start and end, and the registry of device nodes. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>

#include "core.h"

static LIST_HEAD(asv_nodes);
static DEFINE_MUTEX(asv_nodes_lock);

struct asv_node {
	struct list_head list;
	const struct miscdevice *misc;
};

int asv_misc_register(struct miscdevice *misc, const char *param)
{
	struct asv_node *node;
	int ret;

	node = kmalloc(sizeof(*node), GFP_KERNEL);
	if (!node)
		return -ENOMEM;
	ret = misc_register(misc);
	if (ret == -EBUSY)
		pr_err("/dev/%s: misc minor %d is taken by another driver; choose one with the parameter %s\n",
		       misc->name, misc->minor, param);
	else if (ret)
		pr_err("/dev/%s: cannot register the device: %d\n", misc->name, ret);
	if (ret) {
		kfree(node);
		return ret;
	}
	node->misc = misc;
	mutex_lock(&asv_nodes_lock);
	list_add(&node->list, &asv_nodes);
	mutex_unlock(&asv_nodes_lock);
	return 0;
}
EXPORT_SYMBOL_GPL(asv_misc_register);

void asv_misc_deregister(struct miscdevice *misc)
{
	struct asv_node *node, *next;

	mutex_lock(&asv_nodes_lock);
	list_for_each_entry_safe(node, next, &asv_nodes, list) {
		if (node->misc == misc) {
			list_del(&node->list);
			kfree(node);
		}
	}
	mutex_unlock(&asv_nodes_lock);
	misc_deregister(misc);
}
EXPORT_SYMBOL_GPL(asv_misc_deregister);

bool asv_is_node(const struct file *file)
{
	struct asv_node *node;
	bool found = false;

	mutex_lock(&asv_nodes_lock);
	list_for_each_entry(node, &asv_nodes, list)
		found |= file->f_op == node->misc->fops;
	mutex_unlock(&asv_nodes_lock);
	return found;
}

static int __init asv_vhost_init(void)
{
	return asv_stats_init();
}

static void __exit asv_vhost_exit(void)
{
	asv_stats_exit();
}

module_init(asv_vhost_init);
module_exit(asv_vhost_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Virtqueues, guest memory and workers of in-kernel virtio devices");
MODULE_VERSION("0.1.0");
