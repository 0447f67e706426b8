// SPDX-License-Identifier: GPL-2.0-only
/*
 * Each feature bit that is offered: that it is, that it does what it says when it was
 * acknowledged, and does not when it was not. Bits with programs of their own (packed
 * rings, IOTLB, log, ring reset by stop and start) are only looked for here.
 */
#include "kselftest_harness.h"

#include "lib/blk.h"
#include "lib/net.h"

#define RING_FEATURES	(VT_BIT(VIRTIO_F_NOTIFY_ON_EMPTY) | \
			 VT_BIT(VIRTIO_RING_F_INDIRECT_DESC) | \
			 VT_BIT(VIRTIO_RING_F_EVENT_IDX) | VT_BIT(VHOST_F_LOG_ALL) | \
			 VT_BIT(VIRTIO_F_VERSION_1) | VT_BIT(VIRTIO_F_ACCESS_PLATFORM) | \
			 VT_BIT(VIRTIO_F_RING_PACKED) | VT_BIT(RING_RESET))
#define NET_FEATURES	(RING_FEATURES | VT_BIT(VHOST_NET_F_VIRTIO_NET_HDR) | \
			 VT_BIT(VIRTIO_NET_F_MRG_RXBUF))
#define BLK_FEATURES	(RING_FEATURES | VT_BIT(VIRTIO_BLK_F_SEG_MAX) | \
			 VT_BIT(VIRTIO_BLK_F_GEOMETRY) | VT_BIT(VIRTIO_BLK_F_BLK_SIZE) | \
			 VT_BIT(VIRTIO_BLK_F_FLUSH) | VT_BIT(VIRTIO_BLK_F_TOPOLOGY) | \
			 VT_BIT(VIRTIO_BLK_F_CONFIG_WCE) | VT_BIT(VIRTIO_BLK_F_DISCARD) | \
			 VT_BIT(VIRTIO_BLK_F_WRITE_ZEROES))

/* virtio 1.2, 6: not in every <linux/virtio_config.h> */
#define RING_RESET	40

static uint64_t offered(int fd)
{
	uint64_t features = 0;

	vt_ioctl(fd, VHOST_GET_FEATURES, &features);
	return features;
}

TEST(offered_by_net)
{
	struct vt_dev dev;

	ASSERT_EQ(0, vt_dev_open(&dev, VT_NET_NODE, NULL));
	EXPECT_EQ(NET_FEATURES, offered(dev.fd));
	vt_dev_close(&dev);
}

TEST(offered_by_blk)
{
	static const enum vt_disk kinds[] = { VT_DISK_FILE, VT_DISK_DEV };
	unsigned int i, queues;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		for (queues = 1; queues <= 4; queues += 3) {
			struct vt_blk_opts opts = { .disk = kinds[i], .queues = queues };
			struct vt_blk blk;

			ASSERT_EQ(0, vt_blk_open(&blk, &opts));
			EXPECT_EQ(0, offered(blk.dev.fd) & ~RING_FEATURES);
			ASSERT_EQ(0, vt_blk_attach(&blk, &opts));
			EXPECT_EQ(BLK_FEATURES | (queues > 1 ? VT_BIT(VIRTIO_BLK_F_MQ) : 0),
				  offered(blk.dev.fd));
			vt_blk_free(&blk);
		}
	}
}

/* an interrupt although the driver wants none, when the last buffer was used */
TEST(notify_on_empty)
{
	unsigned int on;

	for (on = 0; on < 2; on++) {
		struct vt_blk_opts opts = {
			.features = on ? VT_BIT(VIRTIO_F_NOTIFY_ON_EMPTY) : 0,
		};
		struct vt_blk blk;
		struct vt_req *req;
		struct vt_used used;
		int64_t end;
		unsigned int i;

		ASSERT_EQ(0, vt_blk_start(&blk, &opts));
		req = vt_req_new(&blk.mem, 512);
		vt_irq(blk.vq, VT_IRQ_OFF);
		for (i = 0; i < 5; i++) {
			vt_req_set(req, VIRTIO_BLK_T_IN, 0, 512);
			ASSERT_EQ(0, vt_req_add(blk.vq, req, false));
			vt_submit(blk.vq);
			end = vt_now_ms() + VT_WAIT_MS;
			while (!vt_get_used(blk.vq, &used) && vt_now_ms() < end)
				usleep(500);
			EXPECT_EQ(on, !!vt_wait_irq(blk.vq, on ? VT_WAIT_MS : VT_QUIET_MS));
		}
		vt_blk_free(&blk);
	}
}

/* without event index the flags count, and the index that lies behind the ring does not */
TEST(no_event_index)
{
	struct vt_blk_opts opts = {};
	struct vt_blk blk;
	struct vt_req *req;
	unsigned int i;

	ASSERT_EQ(0, vt_blk_start(&blk, &opts));
	req = vt_req_new(&blk.mem, 512);
	blk.vq->avail->ring[blk.vq->num] = 0x4000;
	for (i = 0; i < 5; i++) {
		struct vt_used used;

		vt_req_set(req, VIRTIO_BLK_T_IN, 0, 512);
		ASSERT_EQ(0, vt_req_add(blk.vq, req, false));
		vt_submit(blk.vq);
		EXPECT_LE(1, vt_wait_irq(blk.vq, VT_WAIT_MS));
		ASSERT_EQ(1, vt_wait_used(blk.vq, &used, VT_WAIT_MS));
		EXPECT_EQ(0, (uint16_t)blk.vq->used->ring[blk.vq->num].id);
	}
	vt_blk_free(&blk);
}

/* the features of a running device do not change under it */
TEST(while_running)
{
	struct vt_blk_opts opts = {};
	struct vt_blk blk;
	struct vt_req *req;

	ASSERT_EQ(0, vt_blk_start(&blk, &opts));
	EXPECT_NE(0, vt_dev_features(&blk.dev, blk.dev.features | VT_BIT(VIRTIO_F_RING_PACKED)));
	EXPECT_NE(0, vt_dev_features(&blk.dev, blk.dev.features |
				     VT_BIT(VIRTIO_RING_F_EVENT_IDX)));
	/* but for the log, which migration turns on and off */
	EXPECT_EQ(0, vt_dev_features(&blk.dev, blk.dev.features));
	req = vt_req_new(&blk.mem, 512);
	vt_req_set(req, VIRTIO_BLK_T_IN, 0, 512);
	EXPECT_EQ(VIRTIO_BLK_S_OK, vt_blk_do(blk.vq, req));
	vt_blk_free(&blk);
}

/* the header before a packet is of 12 bytes with VERSION_1 or MRG_RXBUF, else of 10 */
TEST(net_header)
{
	static const struct {
		uint64_t features;
		unsigned int len;
	} cases[] = {
		{ 0, 10 },
		{ VT_BIT(VIRTIO_NET_F_MRG_RXBUF), 12 },
		{ VT_BIT(VIRTIO_F_VERSION_1), 12 },
		{ VT_BIT(VIRTIO_F_VERSION_1) | VT_BIT(VIRTIO_NET_F_MRG_RXBUF), 12 },
		{ VT_BIT(VHOST_NET_F_VIRTIO_NET_HDR), 10 },
		{ VT_BIT(VHOST_NET_F_VIRTIO_NET_HDR) | VT_BIT(VIRTIO_F_VERSION_1), 12 },
	};
	unsigned int i;

	vt_netns();
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct vt_net net;
		struct virtio_net_hdr hdr, none = {};
		uint8_t frame[100], back[200], *buf;
		struct vt_used used;
		struct vt_sg sg;

		ASSERT_EQ(0, vt_net_start(&net, &(struct vt_net_opts) {
			.features = cases[i].features, .legacy = true,
			.hdr_size = cases[i].len,
			.no_vnet_hdr = cases[i].features & VT_BIT(VHOST_NET_F_VIRTIO_NET_HDR),
		})) TH_LOG("case %u", i);
		buf = vt_alloc(&net.mem, 4096, 16);
		vt_frame(buf + cases[i].len, sizeof(frame), i);
		sg = (struct vt_sg) { buf, cases[i].len + sizeof(frame), false };
		ASSERT_EQ(0, vt_add(&net.vq[VT_NET_TX], &sg, 1, false, buf));
		vt_submit(&net.vq[VT_NET_TX]);
		ASSERT_EQ(1, vt_wait_used(&net.vq[VT_NET_TX], &used, VT_WAIT_MS));
		EXPECT_EQ(sizeof(frame), vt_sock_recv(&net, &hdr, back, sizeof(back), VT_WAIT_MS))
			TH_LOG("case %u", i);
		EXPECT_EQ(0, memcmp(back, buf + cases[i].len, sizeof(frame)));
		sg = (struct vt_sg) { buf + 2048, 2048, true };
		ASSERT_EQ(0, vt_add(&net.vq[VT_NET_RX], &sg, 1, false, buf));
		vt_submit(&net.vq[VT_NET_RX]);
		vt_frame(frame, sizeof(frame), ~i);
		ASSERT_EQ(0, vt_sock_send(&net, &none, frame, sizeof(frame)));
		ASSERT_EQ(1, vt_wait_used(&net.vq[VT_NET_RX], &used, VT_WAIT_MS))
			TH_LOG("case %u", i);
		EXPECT_EQ(cases[i].len + sizeof(frame), used.len) TH_LOG("case %u", i);
		EXPECT_EQ(0, memcmp(frame, buf + 2048 + cases[i].len, sizeof(frame)))
			TH_LOG("case %u", i);
		vt_net_free(&net);
	}
}

int main(int argc, char **argv)
{
	vt_require(VT_BLK_NODE);
	vt_require(VT_NET_NODE);
	vt_shell("modprobe tun");
	return test_harness_run(argc, argv);
}
