// SPDX-License-Identifier: GPL-2.0-only
/* /dev/asv-net: open, sockets as backends, features, the module. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/file.h>
#include <linux/if_tap.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <net/sock.h>

#include "net.h"

#define ASV_NET_MINOR	250

static unsigned int minor = ASV_NET_MINOR;
module_param(minor, uint, 0444);
MODULE_PARM_DESC(minor, "Minor number of /dev/asv-net among the misc devices (default 250)");

static struct asv_net *asv_net_of(struct asv_dev *dev)
{
	return container_of(dev, struct asv_net, dev);
}

/**
 * struct asv_net_backend - a socket and how packets are had from it
 * @sock: its file is held, see asv_net_put()
 * @ring: of tun and tap; NULL for a packet socket
 */
struct asv_net_backend {
	struct socket *sock;
	struct ptr_ring *ring;
};

static void asv_net_put(struct socket *sock)
{
	fput(sock->file);
}

static bool asv_net_find(struct file *file, struct asv_net_backend *backend)
{
	backend->ring = NULL;
	backend->sock = sock_from_file(file);
	if (backend->sock)
		return backend->sock->sk->sk_family == AF_PACKET &&
		       backend->sock->sk->sk_type == SOCK_RAW;
	backend->sock = tun_get_socket(file);
	if (!IS_ERR(backend->sock)) {
		backend->ring = tun_get_tx_ring(file);
		return true;
	}
	backend->sock = tap_get_socket(file);
	if (!IS_ERR(backend->sock)) {
		backend->ring = tap_get_ptr_ring(file);
		return true;
	}
	return false;
}

/*
 * Return: 0 with the file held; -ENOTSOCK for whatever cannot be a backend;
 * -EINVAL for a tun or tap descriptor that has no network device.
 */
static int asv_net_get(int fd, struct asv_net_backend *backend)
{
	struct file *file = fget(fd);
	int ret = -ENOTSOCK;

	if (!file)
		return ret;
	if (asv_net_find(file, backend)) {
		ret = vfs_poll(file, NULL) & EPOLLERR ? -EINVAL : 0;
		if (!ret)
			return 0;
	}
	fput(file);
	return ret;
}

/* Start a stopped queue. The socket's reference is the queue's if this works. */
static int asv_net_start(struct asv_net *net, unsigned int index,
			 const struct asv_net_backend *backend)
{
	if (index == ASV_NET_RX)
		asv_net_rx_attach(&net->rx, backend->ring);
	else
		asv_net_tx_attach(&net->tx, backend->ring);
	return asv_vq_start(net->vqs[index], backend->sock);
}

/* Stop a queue, in whatever state it is. The socket it had goes to @old. */
static void asv_net_stop(struct asv_net *net, unsigned int index, struct asv_net_backend *old)
{
	old->sock = asv_vq_stop(net->vqs[index]);
	if (!old->sock)
		return;
	if (index == ASV_NET_RX) {
		old->ring = net->rx.ring;
		asv_net_rx_detach(&net->rx, old->sock);
	} else {
		old->ring = net->tx.ring;
		asv_net_tx_detach(&net->tx);
	}
}

/*
 * VHOST_NET_SET_BACKEND: ENOBUFS no such queue; ENOTSOCK and EINVAL as of
 * asv_net_get(); and the errors of asv_vq_start(). After an error the queue has
 * the backend it had before.
 */
static long asv_net_set_backend(struct asv_net *net, const struct vhost_vring_file *file)
{
	struct asv_net_backend backend, old;
	int ret;

	if (file->index >= ASV_NET_VQS)
		return -ENOBUFS;
	if (file->fd == VHOST_FILE_UNBIND) {
		asv_net_stop(net, file->index, &old);
		if (old.sock)
			asv_net_put(old.sock);
		return 0;
	}
	ret = asv_net_get(file->fd, &backend);
	if (ret)
		return ret;
	ret = asv_dev_set_cred(&net->dev);
	if (ret || asv_vq_backend(net->vqs[file->index]) == backend.sock)
		goto put;
	asv_net_stop(net, file->index, &old);
	ret = asv_net_start(net, file->index, &backend);
	if (ret) {
		if (!old.sock || !asv_net_start(net, file->index, &old))
			goto put;
		asv_net_put(old.sock);
		goto put;
	}
	if (old.sock)
		asv_net_put(old.sock);
	return 0;
put:
	asv_net_put(backend.sock);
	return ret;
}

static long asv_net_ioctl(struct asv_dev *dev, unsigned int cmd, void __user *argp)
{
	struct vhost_vring_file file;

	if (cmd != VHOST_NET_SET_BACKEND)
		return -ENOIOCTLCMD;
	if (copy_from_user(&file, argp, sizeof(file)))
		return -EFAULT;
	return asv_net_set_backend(asv_net_of(dev), &file);
}

static void asv_net_features_changed(struct asv_dev *dev)
{
	struct asv_net *net = asv_net_of(dev);
	struct asv_net_hdr hdr = {};
	u8 len = sizeof(struct virtio_net_hdr);

	if (asv_has_feature(dev, VIRTIO_NET_F_MRG_RXBUF) ||
	    asv_has_feature(dev, VIRTIO_F_VERSION_1))
		len = sizeof(struct virtio_net_hdr_mrg_rxbuf);
	if (asv_has_feature(dev, VHOST_NET_F_VIRTIO_NET_HDR))
		hdr.own = len;
	else
		hdr.sock = len;
	mutex_lock(&net->rx.vq.mutex);
	net->rx.hdr = hdr;
	mutex_unlock(&net->rx.vq.mutex);
	mutex_lock(&net->tx.vq.mutex);
	net->tx.hdr = hdr;
	mutex_unlock(&net->tx.vq.mutex);
}

static enum asv_next asv_net_handle_kick(struct asv_vq *vq)
{
	return vq->index == ASV_NET_RX ? asv_net_rx_serve(vq) : asv_net_tx_serve(vq);
}

static void asv_net_detach(struct asv_dev *dev)
{
	struct asv_net_backend old;
	unsigned int i;

	for (i = 0; i < ASV_NET_VQS; i++) {
		asv_net_stop(asv_net_of(dev), i, &old);
		if (old.sock)
			asv_net_put(old.sock);
	}
}

static void asv_net_free(struct asv_dev *dev)
{
	struct asv_net *net = asv_net_of(dev);

	asv_net_tx_destroy(&net->tx);
	kvfree(net);
}

static const struct asv_dev_ops asv_net_ops = {
	.kind = "net",
	.features = ASV_CORE_FEATURES | BIT_ULL(VHOST_NET_F_VIRTIO_NET_HDR) |
		    BIT_ULL(VIRTIO_NET_F_MRG_RXBUF),
	.backend_features = ASV_CORE_BACKEND_FEATURES,
	.vqs_per_worker = ASV_NET_VQS,
	.handle_kick = asv_net_handle_kick,
	.features_changed = asv_net_features_changed,
	.ioctl = asv_net_ioctl,
	.detach = asv_net_detach,
	.free = asv_net_free,
};

static int asv_net_open(struct inode *inode, struct file *file)
{
	struct asv_net *net = kvzalloc(sizeof(*net), GFP_KERNEL_ACCOUNT);

	if (!net)
		return -ENOMEM;
	net->vqs[ASV_NET_RX] = &net->rx.vq;
	net->vqs[ASV_NET_TX] = &net->tx.vq;
	asv_dev_init(&net->dev, &asv_net_ops, net->vqs, ASV_NET_VQS, ASV_VHOST_MAX_CHAIN);
	asv_net_rx_init(&net->rx);
	asv_net_tx_init(&net->tx);
	asv_net_features_changed(&net->dev);
	file->private_data = &net->dev;
	return 0;
}

static const struct file_operations asv_net_fops = {
	ASV_CHR_FOPS(asv_net_open),
};

static struct miscdevice asv_net_misc = {
	.name = "asv-net",
	.fops = &asv_net_fops,
};

static int __init asv_net_init(void)
{
	asv_net_misc.minor = minor;
	return asv_misc_register(&asv_net_misc, "minor");
}

static void __exit asv_net_exit(void)
{
	asv_misc_deregister(&asv_net_misc);
}

module_init(asv_net_init);
module_exit(asv_net_exit);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("The asv authors");
MODULE_DESCRIPTION("virtio-net served in the host kernel: /dev/asv-net, a vhost-net device with packed rings");
MODULE_VERSION("0.1.0");
MODULE_ALIAS_MISCDEV(ASV_NET_MINOR);
MODULE_ALIAS("devname:asv-net");
