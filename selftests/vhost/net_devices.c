// SPDX-License-Identifier: GPL-2.0-only
/*
 * What /dev/asv-net can be put on besides a plain tap: macvtap and ipvtap, a packet
 * socket, the queues of a multi-queue tap; and its dirty log and limits.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <net/ethernet.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <linux/if_packet.h>
#include <linux/if_tun.h>

#include "kselftest_harness.h"

#include "lib/net.h"

#define QUEUES	4

FIXTURE(devices)
{
	struct vt_net net[QUEUES];
	uint8_t *frame, *back;
};

FIXTURE_VARIANT(devices)
{
	bool packed;
};

FIXTURE_VARIANT_ADD(devices, split) { false };
FIXTURE_VARIANT_ADD(devices, packed) { true };

FIXTURE_SETUP(devices)
{
	vt_netns();
	self->frame = malloc(VT_FRAME_MAX);
	self->back = malloc(VT_FRAME_MAX);
}

FIXTURE_TEARDOWN(devices)
{
	unsigned int i;

	for (i = 0; i < QUEUES; i++)
		vt_net_free(&self->net[i]);
}

/* count frames out of the ring and into the socket, and the other way */
static int exchange(FIXTURE_DATA(devices) *self, struct vt_net *net, unsigned int count)
{
	uint8_t *txbuf = vt_alloc(&net->mem, 2048, 16), *rxbuf = vt_alloc(&net->mem, 2048, 16);
	struct virtio_net_hdr hdr, none = {};
	struct vt_used used;
	unsigned int i;
	int ret;

	for (i = 0; i < count; i++) {
		uint32_t len = 60 + i * 13 % 1400;
		struct vt_sg tx = { txbuf, VT_NET_HDR + len, false }, rx = { rxbuf, 2048, true };

		memset(txbuf, 0, VT_NET_HDR);
		vt_frame(txbuf + VT_NET_HDR, len, i);
		vt_add(&net->vq[VT_NET_TX], &tx, 1, false, txbuf);
		vt_submit(&net->vq[VT_NET_TX]);
		ret = vt_wait_used(&net->vq[VT_NET_TX], &used, VT_WAIT_MS);
		if (ret < 0)
			return ret;
		ret = vt_sock_recv(net, &hdr, self->back, VT_FRAME_MAX, VT_WAIT_MS);
		if (ret != (int)len || memcmp(self->back, txbuf + VT_NET_HDR, len))
			return ret < 0 ? ret : -EILSEQ;
		vt_add(&net->vq[VT_NET_RX], &rx, 1, false, rxbuf);
		vt_submit(&net->vq[VT_NET_RX]);
		vt_frame(self->frame, len, ~i);
		ret = vt_sock_send(net, &none, self->frame, len);
		if (ret)
			return ret;
		ret = vt_wait_used(&net->vq[VT_NET_RX], &used, VT_WAIT_MS);
		if (ret < 0)
			return ret;
		if (used.len != VT_NET_HDR + len ||
		    memcmp(self->frame, rxbuf + VT_NET_HDR, len))
			return -EILSEQ;
	}
	return 0;
}

static int veth(void)
{
	return vt_shell("ip link add near type veth peer name far") || vt_if_up("near") ||
	       vt_if_up("far");
}

/* a character device of a link of that type on "near": descriptor or -errno */
static int link_tap(const char *type)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int index = 7000 + getpid() % 1000, size = VT_NET_HDR, fd;
	char path[64];

	if (vt_shell("ip link add link near name ltap index %d type %s", index, type) ||
	    vt_if_up("ltap"))
		return -EIO;
	snprintf(path, sizeof(path), "/dev/tap%d", index);
	fd = open(path, O_RDWR | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	strcpy(ifr.ifr_name, "ltap");
	if (ioctl(fd, TUNSETIFF, &ifr) || ioctl(fd, TUNSETVNETHDRSZ, &size)) {
		close(fd);
		return -EIO;
	}
	return fd;
}

FIXTURE(link_tap)
{
	FIXTURE_DATA(devices) devices;
};

FIXTURE_VARIANT(link_tap)
{
	const char *module, *type;
	bool packed;
};

FIXTURE_VARIANT_ADD(link_tap, macvtap_split) { "macvtap", "macvtap mode passthru", false };
FIXTURE_VARIANT_ADD(link_tap, macvtap_packed) { "macvtap", "macvtap mode passthru", true };
FIXTURE_VARIANT_ADD(link_tap, ipvtap_split) { "ipvtap", "ipvtap mode l2", false };
FIXTURE_VARIANT_ADD(link_tap, ipvtap_packed) { "ipvtap", "ipvtap mode l2", true };

FIXTURE_SETUP(link_tap)
{
	vt_netns();
	self->devices.frame = malloc(VT_FRAME_MAX);
	self->devices.back = malloc(VT_FRAME_MAX);
}

FIXTURE_TEARDOWN(link_tap)
{
	vt_net_free(&self->devices.net[0]);
}

TEST_F_TIMEOUT(link_tap, served_and_deleted, 60)
{
	struct vt_net *net = &self->devices.net[0];
	int fd;

	ASSERT_EQ(0, veth());
	ASSERT_EQ(0, vt_shell("modprobe %s", variant->module));
	fd = link_tap(variant->type);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, vt_net_start(net, &(struct vt_net_opts) {
		.packed = variant->packed, .backend = fd, .peer = "far" }));
	EXPECT_EQ(0, exchange(&self->devices, net, 50))
		TH_LOG("%s%s", net->vq[0].why, net->vq[1].why);
	/* gone while it is served */
	ASSERT_EQ(0, vt_shell("ip link del ltap"));
	EXPECT_EQ(0, vt_net_backend(net, VT_NET_RX, -1));
	EXPECT_EQ(0, vt_net_backend(net, VT_NET_TX, -1));
}

TEST_F_TIMEOUT(devices, packet_socket, 60)
{
	struct sockaddr_ll addr = { .sll_family = AF_PACKET };
	int fd;

	ASSERT_EQ(0, veth());
	fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
	ASSERT_LE(0, fd);
	addr.sll_protocol = htons(ETH_P_ALL);
	addr.sll_ifindex = if_nametoindex("near");
	ASSERT_EQ(0, bind(fd, (struct sockaddr *)&addr, sizeof(addr)));
	ASSERT_EQ(0, vt_net_start(&self->net[0], &(struct vt_net_opts) {
		.packed = variant->packed, .backend = fd, .peer = "far", .no_vnet_hdr = true }));
	EXPECT_EQ(0, exchange(self, &self->net[0], 50))
		TH_LOG("%s%s", self->net[0].vq[0].why, self->net[0].vq[1].why);
}

/* one tap, four queues, each with a descriptor of its own */
TEST_F_TIMEOUT(devices, multi_queue, 60)
{
	struct virtio_net_hdr hdr, none = {};
	char ifname[IFNAMSIZ] = "mq%d";
	unsigned int i, k, got = 0;
	struct vt_used used;
	int64_t end;

	for (i = 0; i < QUEUES; i++) {
		int fd = vt_tap(ifname, IFF_VNET_HDR | IFF_MULTI_QUEUE, VT_NET_HDR, 0);

		ASSERT_LT(0, fd);
		if (!i)
			ASSERT_EQ(0, vt_if_up(ifname));
		ASSERT_EQ(0, vt_net_start(&self->net[i], &(struct vt_net_opts) {
			.packed = variant->packed, .backend = fd, .peer = ifname }));
		/* one packet socket is enough: the others would see each frame too */
		for (k = 0; k < 32; k++) {
			struct vt_sg sg = { vt_alloc(&self->net[i].mem, 2048, 16), 2048, true };

			ASSERT_EQ(0, vt_add(&self->net[i].vq[VT_NET_RX], &sg, 1, false, sg.buf));
		}
		vt_submit(&self->net[i].vq[VT_NET_RX]);
	}
	for (i = 0; i < QUEUES * 5; i++) {
		struct vt_net *net = &self->net[i % QUEUES];
		uint8_t *buf = vt_alloc(&net->mem, 2048, 16);
		struct vt_sg sg = { buf, VT_NET_HDR + 200, false };

		vt_frame(buf + VT_NET_HDR, 200, i);
		ASSERT_EQ(0, vt_add(&net->vq[VT_NET_TX], &sg, 1, false, buf));
		vt_submit(&net->vq[VT_NET_TX]);
		ASSERT_EQ(1, vt_wait_used(&net->vq[VT_NET_TX], &used, VT_WAIT_MS));
		ASSERT_EQ(200, vt_sock_recv(&self->net[0], &hdr, self->back, VT_FRAME_MAX,
					    VT_WAIT_MS));
		ASSERT_EQ(0, memcmp(self->back, buf + VT_NET_HDR, 200));
	}
	for (i = 0; i < 64; i++) {
		vt_frame(self->frame, 100, i);
		/* the source address chooses the queue, or so the tap may decide */
		self->frame[11] = i;
		ASSERT_EQ(0, vt_sock_send(&self->net[0], &none, self->frame, 100));
		end = vt_now_ms() + VT_WAIT_MS;
		while (got <= i && vt_now_ms() < end)
			for (k = 0; k < QUEUES; k++) {
				struct vt_queue *rx = &self->net[k].vq[VT_NET_RX];
				struct vt_sg sg = { NULL, 2048, true };

				if (vt_get_used(rx, &used) != 1)
					continue;
				EXPECT_EQ(0, memcmp(self->frame,
						    (uint8_t *)used.cookie + VT_NET_HDR, 100));
				got++;
				sg.buf = used.cookie;
				vt_add(rx, &sg, 1, false, sg.buf);
				vt_submit(rx);
			}
		ASSERT_EQ(i + 1, got);
	}
}

/* received frames dirty their buffers and the ring, sent ones the ring alone */
TEST_F_TIMEOUT(devices, dirty_log, 60)
{
	static const unsigned int lens[] = { 200, 1200, 1400, 1000 };
	const size_t bytes = 1 << 18;
	uint8_t *log = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			    -1, 0);
	uint8_t *want = calloc(1, bytes), *may = calloc(1, bytes), *buf;
	struct vt_net *net = &self->net[0];
	struct virtio_net_hdr none = {};
	uint64_t base = (uintptr_t)log;
	unsigned int i, q;

	ASSERT_EQ(0, vt_net_start(net, &(struct vt_net_opts) { .packed = variant->packed }));
	ASSERT_EQ(0, vt_ioctl(net->dev.fd, VHOST_SET_LOG_BASE, &base));
	ASSERT_EQ(0, vt_dev_features(&net->dev, net->dev.features | VT_BIT(VHOST_F_LOG_ALL)));
	for (q = 0; q < 2; q++)
		ASSERT_EQ(0, vt_queue_addr(&net->dev, &net->vq[q], 1 << VHOST_VRING_F_LOG,
					   vt_gpa(&net->mem, net->vq[q].used)));
#define MARK(bits, ptr) do { \
	uint64_t page_ = vt_gpa(&net->mem, ptr) / VT_PAGE; \
	(bits)[page_ / 8] |= 1 << page_ % 8; \
} while (0)
	buf = vt_alloc(&net->mem, 4 * VT_PAGE, VT_PAGE);
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		struct vt_sg sg = { buf + i * VT_PAGE + 3000, 1500, true };
		struct vt_used used;

		if (i == 3)
			sg.len = VT_PAGE - 3000;	/* to the end of its page */
		ASSERT_EQ(0, vt_add(&net->vq[0], &sg, 1, false, sg.buf));
		vt_submit(&net->vq[0]);
		vt_frame(self->frame, lens[i], i);
		ASSERT_EQ(0, vt_sock_send(net, &none, self->frame, lens[i]));
		ASSERT_EQ(1, vt_wait_used(&net->vq[0], &used, VT_WAIT_MS));
		MARK(want, sg.buf);
		/* no page that the frame did not reach */
		if (3000 + used.len > VT_PAGE)
			MARK(want, (uint8_t *)sg.buf + used.len - 1);
	}
	MARK(want, variant->packed ? (void *)net->vq[0].desc : (void *)net->vq[0].used);
	/* event suppression is written wherever a ring is started or runs empty */
	MARK(may, net->vq[1].used);
	if (variant->packed)
		MARK(may, net->vq[0].used);
	for (i = 0; i < bytes; i++)
		if ((log[i] ^ want[i]) & ~may[i])
			break;
	EXPECT_EQ(bytes, i) TH_LOG("log byte %u: %#x, expected %#x", i, log[i], want[i]);
}

TEST_F_TIMEOUT(devices, limit, 60)
{
	struct asv_limits limits = { .iops = 100, .iops_burst = 5 };
	int64_t start;

	ASSERT_EQ(0, vt_net_start(&self->net[0], &(struct vt_net_opts) {
		.packed = variant->packed }));
	ASSERT_EQ(0, vt_ioctl(self->net[0].dev.fd, ASV_SET_LIMITS, &limits));
	start = vt_now_ms();
	/* both directions count */
	EXPECT_EQ(0, exchange(self, &self->net[0], 55));
	EXPECT_LE(950, vt_now_ms() - start);
	EXPECT_GE(8000, vt_now_ms() - start);
}

int main(int argc, char **argv)
{
	vt_require(VT_NET_NODE);
	vt_shell("modprobe tun; modprobe veth");
	return test_harness_run(argc, argv);
}
