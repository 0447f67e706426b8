// SPDX-License-Identifier: GPL-2.0-only
/*
 * Packets through a tap, both ways: every length, every cut, offload headers,
 * mergeable and small buffers, and what happens when the tap or the queue goes away.
 */
#include <arpa/inet.h>
#include <fcntl.h>

#include <linux/if_ether.h>
#include <linux/if_tun.h>
#include <linux/ip.h>
#include <linux/tcp.h>

#include "kselftest_harness.h"

#include "lib/net.h"
#include "lib/prng.h"

#define MRG	VT_BIT(VIRTIO_NET_F_MRG_RXBUF)

FIXTURE(net)
{
	struct vt_net net;
	struct vt_queue *rx, *tx;
	uint8_t *frame, *back;
};

FIXTURE_VARIANT(net)
{
	bool packed;
	uint64_t features;
	bool no_vnet_hdr;
};

FIXTURE_VARIANT_ADD(net, split) { .packed = false };
FIXTURE_VARIANT_ADD(net, split_mrg) {
	.packed = false, .features = MRG | VT_BIT(VIRTIO_RING_F_EVENT_IDX),
};
FIXTURE_VARIANT_ADD(net, packed) { .packed = true };
FIXTURE_VARIANT_ADD(net, packed_mrg) {
	.packed = true, .features = MRG | VT_BIT(VIRTIO_RING_F_EVENT_IDX),
};
FIXTURE_VARIANT_ADD(net, plain_tap) { .packed = false, .no_vnet_hdr = true };

FIXTURE_SETUP(net)
{
	vt_netns();
	self->frame = malloc(VT_FRAME_MAX);
	self->back = malloc(VT_FRAME_MAX);
}

FIXTURE_TEARDOWN(net)
{
	vt_net_free(&self->net);
}

static int start(FIXTURE_DATA(net) *self, struct vt_net_opts opts)
{
	int ret;

	opts.features |= VT_BIT(VIRTIO_RING_F_INDIRECT_DESC);
	ret = vt_net_start(&self->net, &opts);
	self->rx = &self->net.vq[VT_NET_RX];
	self->tx = &self->net.vq[VT_NET_TX];
	return ret;
}

#define START(...) \
	start(self, (struct vt_net_opts) { .packed = variant->packed, \
		    .features = variant->features, .no_vnet_hdr = variant->no_vnet_hdr, \
		    __VA_ARGS__ })

/* transmit what is in a buffer (header and frame), cut at the given places */
static int transmit(FIXTURE_DATA(net) *self, uint8_t *buf, uint32_t len, uint32_t cut,
		    bool indirect)
{
	struct vt_sg sg[2] = { { buf, cut ? cut : len, false },
			       { buf + cut, len - cut, false } };
	struct vt_used used;
	int ret;

	ret = vt_add(self->tx, sg, cut ? 2 : 1, indirect, buf);
	if (ret)
		return ret;
	vt_submit(self->tx);
	ret = vt_wait_used(self->tx, &used, VT_WAIT_MS);
	if (ret < 0)
		return ret;
	return used.cookie == buf && !used.len ? 0 : -EPROTO;
}

/* one buffer for receiving */
static int offer(FIXTURE_DATA(net) *self, uint8_t *buf, uint32_t len)
{
	struct vt_sg sg = { buf, len, true };
	int ret = vt_add(self->rx, &sg, 1, false, buf);

	if (!ret)
		vt_submit(self->rx);
	return ret;
}

static const uint32_t lens[] = { 60, 61, 64, 128, 590, 1000, 1513, 1514 };

TEST_F_TIMEOUT(net, transmit, 60)
{
	static const uint32_t cuts[] = { 0, 1, 10, 12, 13, 26, 59 };
	struct virtio_net_hdr hdr;
	unsigned int i, k;
	uint8_t *buf;

	ASSERT_EQ(0, START());
	buf = vt_alloc_at(&self->net.mem, 4096, 4096, 3);
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		for (k = 0; k < ARRAY_SIZE(cuts); k++) {
			memset(buf, 0, VT_NET_HDR);
			vt_frame(buf + VT_NET_HDR, lens[i], i * 100 + k);
			ASSERT_EQ(0, transmit(self, buf, VT_NET_HDR + lens[i], cuts[k], k & 1))
				TH_LOG("%s", self->tx->why);
			ASSERT_EQ(lens[i], vt_sock_recv(&self->net, &hdr, self->back,
							VT_FRAME_MAX, VT_WAIT_MS))
				TH_LOG("%u bytes cut at %u", lens[i], cuts[k]);
			EXPECT_EQ(0, memcmp(self->back, buf + VT_NET_HDR, lens[i]));
			EXPECT_EQ(0, hdr.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM);
		}
	}
	EXPECT_EQ(0, vt_queue_check(self->tx)) TH_LOG("%s", self->tx->why);
}

TEST_F_TIMEOUT(net, receive, 60)
{
	struct virtio_net_hdr none = {};
	struct vt_used used;
	unsigned int i, round;
	uint8_t *buf;

	ASSERT_EQ(0, START());
	buf = vt_alloc_at(&self->net.mem, 4096, 4096, 3);
	for (round = 0; round < 5; round++) {
		for (i = 0; i < ARRAY_SIZE(lens); i++) {
			struct virtio_net_hdr_mrg_rxbuf *hdr = (void *)buf;

			memset(buf, 0xcc, 2048);
			ASSERT_EQ(0, offer(self, buf, 2048));
			vt_frame(self->frame, lens[i], i * 77 + round);
			ASSERT_EQ(0, vt_sock_send(&self->net, &none, self->frame, lens[i]));
			ASSERT_EQ(1, vt_wait_used(self->rx, &used, VT_WAIT_MS))
				TH_LOG("%u bytes: %s", lens[i], self->rx->why);
			EXPECT_EQ(VT_NET_HDR + lens[i], used.len);
			EXPECT_EQ(0, memcmp(self->frame, buf + VT_NET_HDR, lens[i]));
			EXPECT_EQ(0, hdr->hdr.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM);
			EXPECT_EQ(0, hdr->hdr.gso_type);
			EXPECT_EQ(1, hdr->num_buffers);
			/* and nothing beyond the packet */
			EXPECT_EQ(0xcc, buf[VT_NET_HDR + lens[i]]);
		}
	}
	EXPECT_EQ(0, vt_queue_check(self->rx)) TH_LOG("%s", self->rx->why);
}

/* many in flight in both directions at once; none lost, none twice, in order */
TEST_F_TIMEOUT(net, both_ways, 100)
{
	const unsigned int count = 400, window = 32;
	unsigned int sent = 0, seen = 0, given = 0, got = 0;
	struct virtio_net_hdr hdr = {};
	uint8_t *txbuf[32], *rxbuf[32];
	bool tx_free[32];
	unsigned int i;
	int64_t end;

	ASSERT_EQ(0, START());
	for (i = 0; i < window; i++) {
		txbuf[i] = vt_alloc(&self->net.mem, 2048, 16);
		rxbuf[i] = vt_alloc(&self->net.mem, 2048, 16);
		tx_free[i] = true;
		ASSERT_EQ(0, offer(self, rxbuf[i], 2048));
	}
	end = vt_now_ms() + 60000;
	while ((seen < count || got < count) && vt_now_ms() < end) {
		struct vt_used used;
		int ret;

		for (i = 0; i < window && sent < count && sent - seen < window; i++) {
			struct vt_sg sg = { txbuf[i], VT_NET_HDR + 60 + sent % 1400, false };

			if (!tx_free[i])
				continue;
			memset(txbuf[i], 0, VT_NET_HDR);
			vt_frame(txbuf[i] + VT_NET_HDR, 60 + sent % 1400, sent);
			ASSERT_EQ(0, vt_add(self->tx, &sg, 1, sent & 1,
					    (void *)(uintptr_t)i));
			tx_free[i] = false;
			sent++;
		}
		vt_submit(self->tx);
		if (given < count && given - got < window) {
			vt_frame(self->frame, 60 + given % 1400, ~given);
			memset(&hdr, 0, sizeof(hdr));
			ASSERT_EQ(0, vt_sock_send(&self->net, &hdr, self->frame,
						  60 + given % 1400));
			given++;
		}
		while ((ret = vt_get_used(self->tx, &used)) == 1)
			tx_free[(uintptr_t)used.cookie] = true;
		ASSERT_EQ(0, ret) TH_LOG("%s", self->tx->why);
		while ((ret = vt_sock_recv(&self->net, &hdr, self->back, VT_FRAME_MAX, 0)) > 0) {
			vt_frame(self->frame, 60 + seen % 1400, seen);
			ASSERT_EQ(60 + seen % 1400, ret) TH_LOG("frame %u sent", seen);
			ASSERT_EQ(0, memcmp(self->frame, self->back, ret));
			seen++;
		}
		while ((ret = vt_get_used(self->rx, &used)) == 1) {
			uint8_t *buf = used.cookie;

			vt_frame(self->frame, 60 + got % 1400, ~got);
			ASSERT_EQ(VT_NET_HDR + 60 + got % 1400, used.len)
				TH_LOG("frame %u received", got);
			ASSERT_EQ(0, memcmp(self->frame, buf + VT_NET_HDR, 60 + got % 1400));
			got++;
			ASSERT_EQ(0, offer(self, buf, 2048));
		}
		ASSERT_EQ(0, ret) TH_LOG("%s", self->rx->why);
	}
	EXPECT_EQ(count, seen);
	EXPECT_EQ(count, got);
	/* a frame is seen before its buffer comes back */
	while (self->tx->inflight)
		ASSERT_EQ(1, vt_wait_used(self->tx, &(struct vt_used) {}, VT_WAIT_MS));
	EXPECT_EQ(0, vt_queue_check(self->tx)) TH_LOG("%s", self->tx->why);
	EXPECT_EQ(0, vt_queue_check(self->rx)) TH_LOG("%s", self->rx->why);
}

/* frames larger than a buffer: spread where buffers may be merged, dropped where not */
TEST_F_TIMEOUT(net, small_buffers, 60)
{
	bool mrg = variant->features & MRG;
	struct virtio_net_hdr none = {};
	unsigned int i, n, need;
	uint8_t *buf[32];
	struct vt_used used;

	ASSERT_EQ(0, START());
	for (i = 0; i < 32; i++)
		buf[i] = vt_alloc(&self->net.mem, 128, 1);
	for (i = 0; i < 24; i++)
		ASSERT_EQ(0, offer(self, buf[i], 128));
	vt_frame(self->frame, 1514, 5);
	ASSERT_EQ(0, vt_sock_send(&self->net, &none, self->frame, 1514));
	need = (VT_NET_HDR + 1514 + 127) / 128;
	for (n = 0; mrg && n < need; n++) {
		struct virtio_net_hdr_mrg_rxbuf *hdr = (void *)buf[0];
		uint32_t from = n ? n * 128 - VT_NET_HDR : 0, skip = n ? 0 : VT_NET_HDR;

		ASSERT_EQ(1, vt_wait_used(self->rx, &used, VT_WAIT_MS))
			TH_LOG("buffer %u: %s", n, self->rx->why);
		ASSERT_EQ(buf[n], used.cookie);
		EXPECT_EQ(n + 1 < need ? 128 : VT_NET_HDR + 1514 - n * 128, used.len);
		EXPECT_EQ(need, hdr->num_buffers);
		EXPECT_EQ(0, memcmp(self->frame + from, buf[n] + skip, used.len - skip));
	}
	/* a small one comes through either way, in the next buffer */
	vt_frame(self->frame, 60, 6);
	ASSERT_EQ(0, vt_sock_send(&self->net, &none, self->frame, 60));
	ASSERT_EQ(1, vt_wait_used(self->rx, &used, VT_WAIT_MS)) TH_LOG("%s", self->rx->why);
	EXPECT_EQ(buf[mrg ? need : 0], used.cookie);
	EXPECT_EQ(VT_NET_HDR + 60, used.len);
	EXPECT_EQ(0, memcmp(self->frame, (uint8_t *)used.cookie + VT_NET_HDR, 60));
	EXPECT_FALSE(vt_broken(self->rx, 0));
}

/* too few buffers for a frame: it waits, and comes when there are more */
TEST_F_TIMEOUT(net, waiting_for_buffers, 60)
{
	struct virtio_net_hdr none = {};
	unsigned int i;
	uint8_t *buf[16];
	struct vt_used used;

	ASSERT_EQ(0, START());
	for (i = 0; i < 16; i++)
		buf[i] = vt_alloc(&self->net.mem, 2048, 16);
	for (i = 0; i < 8; i++) {
		vt_frame(self->frame, 200, i);
		ASSERT_EQ(0, vt_sock_send(&self->net, &none, self->frame, 200));
	}
	EXPECT_NE(1, vt_wait_used(self->rx, &used, VT_QUIET_MS));
	for (i = 0; i < 8; i++) {
		ASSERT_EQ(0, offer(self, buf[i], 2048));
		ASSERT_EQ(1, vt_wait_used(self->rx, &used, VT_WAIT_MS)) TH_LOG("frame %u", i);
		vt_frame(self->frame, 200, i);
		EXPECT_EQ(0, memcmp(self->frame, buf[i] + VT_NET_HDR, 200));
	}
}

/* an IPv4 TCP segment as a guest with offloads hands it over */
static uint32_t segment(uint8_t *frame, uint32_t payload, struct virtio_net_hdr *hdr, bool gso)
{
	struct ethhdr *eth = (void *)frame;
	struct iphdr *ip = (void *)(eth + 1);
	struct tcphdr *tcp = (void *)(ip + 1);
	uint32_t len = sizeof(*eth) + sizeof(*ip) + sizeof(*tcp) + payload;
	uint32_t sum = 0, i;

	vt_frame(frame, len, payload);
	eth->h_proto = htons(ETH_P_IP);
	memset(ip, 0, sizeof(*ip) + sizeof(*tcp));
	ip->version = 4;
	ip->ihl = 5;
	ip->tot_len = htons(len - sizeof(*eth));
	ip->ttl = 64;
	ip->protocol = IPPROTO_TCP;
	ip->saddr = htonl(0x0a000001);
	ip->daddr = htonl(0x0a000002);
	for (i = 0; i < sizeof(*ip) / 2; i++)
		sum += ((uint16_t *)ip)[i];
	sum = (sum & 0xffff) + (sum >> 16);
	ip->check = ~((sum & 0xffff) + (sum >> 16));
	tcp->source = htons(1000);
	tcp->dest = htons(2000);
	tcp->doff = 5;
	tcp->ack = 1;
	*hdr = (struct virtio_net_hdr) {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.csum_start = sizeof(*eth) + sizeof(*ip),
		.csum_offset = offsetof(struct tcphdr, check),
	};
	if (gso) {
		hdr->gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
		hdr->gso_size = 1448;
		hdr->hdr_len = sizeof(*eth) + sizeof(*ip) + sizeof(*tcp);
	}
	return len;
}

#define TSO	(TUN_F_CSUM | TUN_F_TSO4)

TEST_F_TIMEOUT(net, transmit_offload, 60)
{
	static const uint32_t payloads[] = { 100, 1448, 8000, 40000, 65000 };
	struct virtio_net_hdr want, hdr;
	unsigned int i;
	uint8_t *buf;

	if (variant->no_vnet_hdr)
		SKIP(return, "a tap without IFF_VNET_HDR has no offload header");
	ASSERT_EQ(0, START(.offload = TSO, .ethertype = ETH_P_IP));
	buf = vt_alloc(&self->net.mem, VT_NET_HDR + VT_FRAME_MAX, 4096);
	for (i = 0; i < ARRAY_SIZE(payloads); i++) {
		bool gso = payloads[i] > 1448;
		uint32_t len = segment(buf + VT_NET_HDR, payloads[i], &want, gso);

		memset(buf, 0, VT_NET_HDR);
		memcpy(buf, &want, sizeof(want));
		ASSERT_EQ(0, transmit(self, buf, VT_NET_HDR + len, i & 1 ? 1000 : 0, false));
		ASSERT_EQ(len, vt_sock_recv(&self->net, &hdr, self->back, VT_FRAME_MAX,
					    VT_WAIT_MS)) TH_LOG("payload %u", payloads[i]);
		EXPECT_EQ(want.flags, hdr.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM);
		EXPECT_EQ(want.csum_start, hdr.csum_start);
		EXPECT_EQ(want.csum_offset, hdr.csum_offset);
		EXPECT_EQ(want.gso_type, hdr.gso_type);
		EXPECT_EQ(want.gso_size, hdr.gso_size);
		EXPECT_EQ(0, memcmp(self->back, buf + VT_NET_HDR, len));
	}
}

TEST_F_TIMEOUT(net, receive_offload, 60)
{
	static const uint32_t payloads[] = { 100, 1448, 8000, 40000, 65000 };
	const uint32_t piece = variant->features & MRG ? 4096 : VT_NET_HDR + VT_FRAME_MAX;
	struct virtio_net_hdr want;
	uint8_t *buf[17];
	unsigned int i, n;

	if (variant->no_vnet_hdr)
		SKIP(return, "a tap without IFF_VNET_HDR has no offload header");
	ASSERT_EQ(0, START(.offload = TSO, .ethertype = ETH_P_IP));
	for (n = 0; n < 17; n++)
		buf[n] = vt_alloc(&self->net.mem, piece, 4096);
	for (i = 0; i < ARRAY_SIZE(payloads); i++) {
		uint32_t len = segment(self->frame, payloads[i], &want, payloads[i] > 1448);
		struct virtio_net_hdr_mrg_rxbuf hdr;
		uint32_t pos = 0, total = VT_NET_HDR + len;
		unsigned int num = 1;
		struct vt_used used;

		while (self->rx->inflight < (piece == 4096 ? 17 : 1))
			ASSERT_EQ(0, offer(self, buf[self->rx->inflight], piece));
		ASSERT_EQ(0, vt_sock_send(&self->net, &want, self->frame, len));
		for (n = 0; n < num; n++) {
			ASSERT_EQ(1, vt_wait_used(self->rx, &used, VT_WAIT_MS))
				TH_LOG("payload %u, buffer %u: %s", payloads[i], n,
				       self->rx->why);
			memcpy(self->back + pos, used.cookie, used.len);
			pos += used.len;
			if (n)
				continue;
			memcpy(&hdr, used.cookie, sizeof(hdr));
			num = hdr.num_buffers;
			ASSERT_GE(17, num);
		}
		EXPECT_EQ(total, pos);
		EXPECT_EQ((total + piece - 1) / piece, num);
		EXPECT_EQ(want.gso_type, hdr.hdr.gso_type);
		EXPECT_EQ(want.gso_size, hdr.hdr.gso_size);
		EXPECT_EQ(want.flags, hdr.hdr.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM);
		EXPECT_EQ(want.csum_start, hdr.hdr.csum_start);
		EXPECT_EQ(0, memcmp(self->back + VT_NET_HDR, self->frame, len));
		/* what is left goes back so that the next frame starts with buf[0] */
		ASSERT_EQ(0, vt_net_backend(&self->net, VT_NET_RX, -1));
		vt_queue_reset(self->rx, variant->packed ? VT_PACKED_BASE : 0);
		ASSERT_EQ(0, vt_queue_setup(&self->net.dev, self->rx,
					    vt_queue_base(self->rx)));
		ASSERT_EQ(0, vt_net_backend(&self->net, VT_NET_RX, self->net.tap));
	}
}

/* frames that are no frames are dropped, and their buffers come back */
TEST_F_TIMEOUT(net, short_frames, 60)
{
	struct virtio_net_hdr hdr;
	uint32_t len;
	uint8_t *buf;

	ASSERT_EQ(0, START());
	buf = vt_alloc(&self->net.mem, 4096, 16);
	vt_frame(buf + VT_NET_HDR, 64, 1);
	for (len = 0; len < ETH_HLEN; len++)
		ASSERT_EQ(0, transmit(self, buf, VT_NET_HDR + len, 0, len & 1)) TH_LOG("%u", len);
	/* an offload header that means nothing */
	memset(buf, 0xff, VT_NET_HDR);
	ASSERT_EQ(0, transmit(self, buf, VT_NET_HDR + 64, 0, false));
	memset(buf, 0, VT_NET_HDR);
	ASSERT_EQ(0, transmit(self, buf, VT_NET_HDR + 64, 0, false));
	if (variant->no_vnet_hdr)
		EXPECT_EQ(64, vt_sock_recv(&self->net, &hdr, self->back, VT_FRAME_MAX,
					   VT_WAIT_MS));
	EXPECT_EQ(64, vt_sock_recv(&self->net, &hdr, self->back, VT_FRAME_MAX, VT_WAIT_MS));
	EXPECT_EQ(-ETIMEDOUT, vt_sock_recv(&self->net, &hdr, self->back, VT_FRAME_MAX,
					   VT_QUIET_MS));
	EXPECT_FALSE(vt_broken(self->tx, 0));
}

TEST_F(net, malformed)
{
	struct vt_sg writable, readable;
	uint8_t *buf;

	ASSERT_EQ(0, START());
	buf = vt_alloc(&self->net.mem, 4096, 16);
	/* less than a header */
	readable = (struct vt_sg) { buf, VT_NET_HDR - 1, false };
	ASSERT_EQ(0, vt_add(self->tx, &readable, 1, false, buf));
	vt_submit(self->tx);
	EXPECT_TRUE(vt_broken(self->tx, VT_WAIT_MS));
	/* a buffer to receive in that may not be written */
	readable.len = 2048;
	ASSERT_EQ(0, vt_add(self->rx, &readable, 1, false, buf));
	vt_submit(self->rx);
	vt_frame(self->frame, 60, 0);
	ASSERT_EQ(0, vt_sock_send(&self->net, &(struct virtio_net_hdr) {}, self->frame, 60));
	EXPECT_TRUE(vt_broken(self->rx, VT_WAIT_MS));
	/* broken or not, stopping never fails, and a new start works */
	EXPECT_EQ(0, vt_net_backend(&self->net, VT_NET_TX, -1));
	EXPECT_EQ(0, vt_net_backend(&self->net, VT_NET_RX, -1));
	vt_queue_reset(self->tx, variant->packed ? VT_PACKED_BASE : 0);
	ASSERT_EQ(0, vt_queue_setup(&self->net.dev, self->tx, vt_queue_base(self->tx)));
	ASSERT_EQ(0, vt_net_backend(&self->net, VT_NET_TX, self->net.tap));
	/* a buffer to be sent that is writable */
	writable = (struct vt_sg) { buf, 128, true };
	ASSERT_EQ(0, vt_add(self->tx, &writable, 1, false, buf));
	vt_submit(self->tx);
	EXPECT_TRUE(vt_broken(self->tx, VT_WAIT_MS));
}

TEST_F(net, backends)
{
	int null = open("/dev/null", O_RDWR), pipes[2], tun;

	ASSERT_EQ(0, START());
	ASSERT_EQ(0, pipe(pipes));
	EXPECT_EQ(-ENOTSOCK, vt_net_backend(&self->net, 0, 9999));
	EXPECT_EQ(-ENOTSOCK, vt_net_backend(&self->net, 0, null));
	EXPECT_EQ(-ENOTSOCK, vt_net_backend(&self->net, 0, pipes[0]));
	EXPECT_EQ(-ENOBUFS, vt_net_backend(&self->net, 2, self->net.tap));
	EXPECT_EQ(-ENOBUFS, vt_net_backend(&self->net, ~0, -1));
	/* not bound to an interface */
	tun = open("/dev/net/tun", O_RDWR);
	EXPECT_NE(0, vt_net_backend(&self->net, 0, tun));
	/* after a refusal the queue serves as before */
	vt_frame(self->frame, 60, 9);
	ASSERT_EQ(0, offer(self, vt_alloc(&self->net.mem, 2048, 16), 2048));
	ASSERT_EQ(0, vt_sock_send(&self->net, &(struct virtio_net_hdr) {}, self->frame, 60));
	EXPECT_EQ(1, vt_wait_used(self->rx, &(struct vt_used) {}, VT_WAIT_MS));
	close(tun);
	close(null);
	close(pipes[0]);
	close(pipes[1]);
}

/* stopped and started while packets come: none is lost that the tap has room for */
TEST_F_TIMEOUT(net, stop_and_start, 60)
{
	struct virtio_net_hdr none = {};
	unsigned int i, got = 0, sent = 0;
	uint8_t *buf[64];
	struct vt_used used;

	ASSERT_EQ(0, START());
	for (i = 0; i < 64; i++) {
		buf[i] = vt_alloc(&self->net.mem, 2048, 16);
		ASSERT_EQ(0, offer(self, buf[i], 2048));
	}
	for (i = 0; i < 60; i++) {
		int ret;

		vt_frame(self->frame, 100, sent);
		ASSERT_EQ(0, vt_sock_send(&self->net, &none, self->frame, 100));
		sent++;
		if (i % 4 == 0) {
			int64_t base;

			ASSERT_EQ(0, vt_net_backend(&self->net, VT_NET_RX, -1));
			base = vt_get_base(&self->net.dev, self->rx);
			ASSERT_LE(0, base);
			EXPECT_EQ(variant->packed ? base >> 16 : self->rx->used->idx,
				  base & 0xffff);
			ASSERT_EQ(0, vt_ioctl_state(self->net.dev.fd, VHOST_SET_VRING_BASE, 0,
						    base));
			ASSERT_EQ(0, vt_net_backend(&self->net, VT_NET_RX, self->net.tap));
		}
		while ((ret = vt_get_used(self->rx, &used)) == 1) {
			vt_frame(self->frame, 100, got++);
			ASSERT_EQ(0, memcmp(self->frame, (uint8_t *)used.cookie + VT_NET_HDR,
					    100)) TH_LOG("frame %u", got - 1);
		}
		ASSERT_EQ(0, ret) TH_LOG("%s", self->rx->why);
	}
	while (got < sent) {
		ASSERT_EQ(1, vt_wait_used(self->rx, &used, VT_WAIT_MS))
			TH_LOG("%u of %u", got, sent);
		vt_frame(self->frame, 100, got++);
		ASSERT_EQ(0, memcmp(self->frame, (uint8_t *)used.cookie + VT_NET_HDR, 100));
	}
}

/* the interface goes down and up, and away for good, while queues run on it */
TEST_F_TIMEOUT(net, link, 60)
{
	struct virtio_net_hdr none = {};
	struct virtio_net_hdr hdr;
	uint8_t *buf;

	ASSERT_EQ(0, START());
	buf = vt_alloc(&self->net.mem, 4096, 16);
	vt_frame(buf + VT_NET_HDR, 100, 3);
	ASSERT_EQ(0, vt_shell("ip link set dev %s down", self->net.ifname));
	EXPECT_EQ(0, transmit(self, buf, VT_NET_HDR + 100, 0, false));
	ASSERT_EQ(0, vt_if_up(self->net.ifname));
	close(self->net.sock);
	self->net.sock = vt_packet_socket(self->net.ifname, VT_ETHERTYPE);
	ASSERT_LE(0, self->net.sock);
	EXPECT_EQ(0, transmit(self, buf, VT_NET_HDR + 100, 0, false));
	EXPECT_EQ(100, vt_sock_recv(&self->net, &hdr, self->back, VT_FRAME_MAX, VT_WAIT_MS));
	ASSERT_EQ(0, offer(self, buf + 2048, 2048));
	vt_frame(self->frame, 60, 4);
	ASSERT_EQ(0, vt_sock_send(&self->net, &none, self->frame, 60));
	EXPECT_EQ(1, vt_wait_used(self->rx, &(struct vt_used) {}, VT_WAIT_MS));
	ASSERT_EQ(0, vt_shell("ip link del %s", self->net.ifname));
	/* sent to nowhere: the buffer comes back all the same */
	EXPECT_EQ(0, transmit(self, buf, VT_NET_HDR + 100, 0, false)) TH_LOG("%s", self->tx->why);
	EXPECT_EQ(0, vt_net_backend(&self->net, VT_NET_TX, -1));
	EXPECT_EQ(0, vt_net_backend(&self->net, VT_NET_RX, -1));
}

int main(int argc, char **argv)
{
	vt_require(VT_NET_NODE);
	vt_shell("modprobe tun");
	return test_harness_run(argc, argv);
}
