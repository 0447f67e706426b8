// SPDX-License-Identifier: GPL-2.0-only
/* Tap, macvtap and ipvtap descriptors. */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "array.h"
#include "log.h"
#include "tap.h"

#define TAP_FLAGS	(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR)

static int tap_set_header(int fd)
{
	int size = TAP_VNET_HDR_SIZE;

	return ioctl(fd, TUNSETVNETHDRSZ, &size) < 0 ? -errno : 0;
}

static int tap_open_tun(const char *name, bool multi)
{
	struct ifreq ifr = { .ifr_flags = TAP_FLAGS | (multi ? IFF_MULTI_QUEUE : 0) };
	int fd, err;

	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0) {
		err = -errno;
		log_err("cannot open /dev/net/tun: %s; load the module tun", strerror(-err));
		return err;
	}
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (ioctl(fd, TUNSETIFF, &ifr) < 0) {
		err = -errno;
		log_err("cannot use tap %s: %s%s", name, strerror(-err),
			err == -EPERM ? "; make it first: ip tuntap add NAME mode tap user YOU" :
			err == -EBUSY ? "; another program uses it" :
			err == -EINVAL && multi ? "; it was not made with multi_queue" :
			err == -EINVAL ? "; it was made with multi_queue: use queues=2 or more" :
			"");
		close(fd);
		return err;
	}
	return fd;
}

static int tap_open_macvtap(const char *name, unsigned int ifindex)
{
	struct ifreq ifr = { .ifr_flags = TAP_FLAGS };
	char path[32];
	int fd, err;

	snprintf(path, sizeof(path), "/dev/tap%u", ifindex);
	fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0) {
		err = -errno;
		log_err("cannot open %s of %s: %s", path, name, strerror(-err));
		return err;
	}
	if (ioctl(fd, TUNSETIFF, &ifr) < 0) {
		err = -errno;
		log_err("cannot use %s: %s", name, strerror(-err));
		close(fd);
		return err;
	}
	return fd;
}

/* Bring the interface up; where that is not allowed, say so and go on. */
static void tap_up(const char *name, uint8_t mac[6])
{
	struct ifreq ifr = { 0 };
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (sock < 0)
		return;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (mac && !ioctl(sock, SIOCGIFHWADDR, &ifr))
		memcpy(mac, ifr.ifr_hwaddr.sa_data, 6);
	if (!ioctl(sock, SIOCGIFFLAGS, &ifr) && !(ifr.ifr_flags & IFF_UP)) {
		ifr.ifr_flags |= IFF_UP;
		if (ioctl(sock, SIOCSIFFLAGS, &ifr) < 0)
			log_warn("%s is down and cannot be brought up: %s; ip link set %s up",
				 name, strerror(errno), name);
	}
	close(sock);
}

int tap_open(const char *name, int *fds, unsigned int n, uint8_t mac[6], bool *have_mac)
{
	unsigned int ifindex = if_nametoindex(name);
	bool macvtap = false;
	char path[64];
	unsigned int i;
	int err;

	if (strlen(name) >= IFNAMSIZ) {
		log_err("'%s' is too long for the name of an interface", name);
		return -EINVAL;
	}
	if (ifindex) {
		snprintf(path, sizeof(path), "/sys/class/net/%s/tun_flags", name);
		macvtap = access(path, F_OK) < 0;
	}
	for (i = 0; i < n; i++) {
		fds[i] = macvtap ? tap_open_macvtap(name, ifindex) : tap_open_tun(name, n > 1);
		if (fds[i] < 0) {
			err = fds[i];
			goto err_close;
		}
		err = tap_set_header(fds[i]);
		if (err) {
			log_err("%s cannot carry offloads: %s", name, strerror(-err));
			i++;
			goto err_close;
		}
	}
	tap_up(name, macvtap && !*have_mac ? mac : NULL);
	if (macvtap)
		*have_mac = true;
	return 0;

err_close:
	while (i--) {
		close(fds[i]);
		fds[i] = -1;
	}
	return err;
}

int tap_check(int fd, const char *name)
{
	struct ifreq ifr = { 0 };
	int err;

	if (ioctl(fd, TUNGETIFF, &ifr) < 0) {
		err = -errno;
		log_err("the descriptor for %s is no tap: %s", name, strerror(-err));
		return err;
	}
	if ((ifr.ifr_flags & TAP_FLAGS) != TAP_FLAGS) {
		log_err("the descriptor for %s must be opened with IFF_TAP, IFF_NO_PI and IFF_VNET_HDR",
			name);
		return -EINVAL;
	}
	err = tap_set_header(fd);
	if (err)
		log_err("%s cannot carry offloads: %s", name, strerror(-err));
	return err;
}

int tap_set_offload(int fd, uint64_t features)
{
	static const struct {
		unsigned int feature;
		unsigned int flag;
	} map[] = {
		{ VIRTIO_NET_F_GUEST_CSUM, TUN_F_CSUM },
		{ VIRTIO_NET_F_GUEST_TSO4, TUN_F_TSO4 },
		{ VIRTIO_NET_F_GUEST_TSO6, TUN_F_TSO6 },
		{ VIRTIO_NET_F_GUEST_ECN, TUN_F_TSO_ECN },
		{ VIRTIO_NET_F_GUEST_UFO, TUN_F_UFO },
	};
	unsigned long flags = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(map); i++)
		if (features & (1ULL << map[i].feature))
			flags |= map[i].flag;
	return ioctl(fd, TUNSETOFFLOAD, flags) < 0 ? -errno : 0;
}

int tap_set_queue(int fd, bool on)
{
	struct ifreq ifr = { .ifr_flags = on ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE };

	return ioctl(fd, TUNSETQUEUE, &ifr) < 0 ? -errno : 0;
}
