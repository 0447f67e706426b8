// SPDX-License-Identifier: GPL-2.0-only
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>

#include "net.h"
#include "prng.h"

#define DEFAULT_NUM	128
#define DEFAULT_MEM	(16UL << 20)

void vt_netns(void)
{
	int fd;

	if (unshare(CLONE_NEWNET))
		err(1, "a network namespace");
	/* else the kernel sends of itself as soon as an interface is up */
	fd = open("/proc/sys/net/ipv6/conf/default/disable_ipv6", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (write(fd, "1", 1) != 1)
		err(1, "disable_ipv6");
	close(fd);
}

int vt_if_up(const char *ifname)
{
	struct ifreq ifr = {};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), ret = 0;

	if (fd < 0)
		return -errno;
	strncpy(ifr.ifr_name, ifname, IFNAMSIZ - 1);
	if (ioctl(fd, SIOCGIFFLAGS, &ifr))
		ret = -errno;
	ifr.ifr_flags |= IFF_UP;
	if (!ret && ioctl(fd, SIOCSIFFLAGS, &ifr))
		ret = -errno;
	close(fd);
	return ret;
}

int vt_tap(char *ifname, unsigned int flags, unsigned int hdr_size, unsigned int offload)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | flags };
	int size = hdr_size;
	int fd;

	strncpy(ifr.ifr_name, ifname, IFNAMSIZ - 1);
	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (ioctl(fd, TUNSETIFF, &ifr))
		goto fail;
	if ((flags & IFF_VNET_HDR) && ioctl(fd, TUNSETVNETHDRSZ, &size))
		goto fail;
	if (ioctl(fd, TUNSETOFFLOAD, offload))
		goto fail;
	strncpy(ifname, ifr.ifr_name, IFNAMSIZ);
	return fd;

fail:
	flags = errno;
	close(fd);
	return -(int)flags;
}

int vt_packet_socket(const char *ifname, unsigned int ethertype)
{
	struct sockaddr_ll addr = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ethertype),
		.sll_ifindex = if_nametoindex(ifname),
	};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ethertype));
	int one = 1;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)) ||
	    bind(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		int error = errno;

		close(fd);
		return -error;
	}
	return fd;
}

int vt_net_backend(struct vt_net *net, unsigned int index, int fd)
{
	return vt_ioctl_file(net->dev.fd, VHOST_NET_SET_BACKEND, index, fd);
}

static int make_backend(struct vt_net *net, const struct vt_net_opts *opts)
{
	if (opts->backend) {
		net->tap = opts->backend;
		strncpy(net->ifname, opts->peer, IFNAMSIZ - 1);
		return 0;
	}
	strcpy(net->ifname, "asv%d");
	net->tap = vt_tap(net->ifname, opts->no_vnet_hdr ? 0 : IFF_VNET_HDR,
			  opts->hdr_size ? opts->hdr_size : VT_NET_HDR, opts->offload);
	return net->tap < 0 ? net->tap : vt_if_up(net->ifname);
}

int vt_net_start(struct vt_net *net, const struct vt_net_opts *opts)
{
	uint64_t features = opts->features |
			    (opts->legacy ? 0 : VT_BIT(VIRTIO_F_VERSION_1)) |
			    (opts->packed ? VT_BIT(VIRTIO_F_RING_PACKED) : 0);
	unsigned int i;
	int ret;

	memset(net, 0, sizeof(*net));
	if (opts->no_vnet_hdr)
		features |= VT_BIT(VHOST_NET_F_VIRTIO_NET_HDR);
	ret = make_backend(net, opts);
	if (ret)
		return ret;
	net->sock = vt_packet_socket(net->ifname,
				     opts->ethertype ? opts->ethertype : VT_ETHERTYPE);
	if (net->sock < 0)
		return net->sock;
	ret = vt_mem_init(&net->mem, opts->mem_size ? opts->mem_size : DEFAULT_MEM, 1);
	if (!ret)
		ret = vt_dev_open(&net->dev, VT_NET_NODE, &net->mem);
	if (!ret)
		ret = vt_dev_features(&net->dev, features);
	if (!ret)
		ret = vt_dev_memory(&net->dev);
	for (i = 0; !ret && i < 2; i++) {
		ret = vt_queue_init(&net->vq[i], &net->mem, i,
				    opts->num ? opts->num : DEFAULT_NUM, features);
		if (!ret)
			ret = vt_queue_setup(&net->dev, &net->vq[i], vt_queue_base(&net->vq[i]));
		if (!ret)
			ret = vt_net_backend(net, i, net->tap);
	}
	return ret;
}

void vt_net_free(struct vt_net *net)
{
	unsigned int i;

	if (!net->mem.base)
		return;
	vt_dev_close(&net->dev);
	for (i = 0; i < 2; i++)
		if (net->vq[i].slots)
			vt_queue_free(&net->vq[i]);
	close(net->tap);
	close(net->sock);
	vt_mem_free(&net->mem);
	memset(net, 0, sizeof(*net));
}

void vt_frame(uint8_t *frame, uint32_t len, uint32_t seed)
{
	struct vt_prng rng = { .state = seed };
	struct ethhdr *eth = (struct ethhdr *)frame;
	uint32_t i;

	for (i = sizeof(*eth); i < len; i++)
		frame[i] = vt_rand(&rng);
	memset(eth->h_dest, 0xff, ETH_ALEN);
	memcpy(eth->h_source, "\x02\x00\x00\x00\x00\x01", ETH_ALEN);
	eth->h_proto = htons(VT_ETHERTYPE);
}

int vt_sock_recv(struct vt_net *net, struct virtio_net_hdr *hdr, void *frame, size_t room,
		 int timeout_ms)
{
	struct pollfd pfd = { .fd = net->sock, .events = POLLIN };
	struct iovec iov[2] = { { hdr, sizeof(*hdr) }, { frame, room } };
	struct sockaddr_ll from;
	struct msghdr msg = {
		.msg_name = &from,
		.msg_namelen = sizeof(from),
		.msg_iov = iov,
		.msg_iovlen = 2,
	};
	int64_t end = vt_now_ms() + timeout_ms;
	ssize_t n;

	for (;;) {
		int64_t left = end - vt_now_ms();

		if (poll(&pfd, 1, left > 0 ? left : 0) <= 0)
			return -ETIMEDOUT;
		msg.msg_namelen = sizeof(from);
		n = recvmsg(net->sock, &msg, 0);
		if (n < 0)
			return -errno;
		/* what the test itself sent comes by here too */
		if (from.sll_pkttype != PACKET_OUTGOING)
			return n - (ssize_t)sizeof(*hdr);
	}
}

int vt_sock_send(struct vt_net *net, const struct virtio_net_hdr *hdr, const void *frame,
		 size_t len)
{
	struct iovec iov[2] = { { (void *)hdr, sizeof(*hdr) }, { (void *)frame, len } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };

	return sendmsg(net->sock, &msg, 0) < 0 ? -errno : 0;
}
