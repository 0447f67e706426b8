// SPDX-License-Identifier: GPL-2.0-only
/*
 * Rings as a hostile guest makes them: chains generated at random, mostly good ones
 * with something wrong, in both ring formats, on both kinds of device; rings that
 * another thread rewrites while they are served; memory tables that change meanwhile.
 * The kernel has to survive (its log is looked at by who runs this), memory outside
 * the table has to stay as it is, every stop has to come back, and a neighbour's
 * verified I/O has to go on at its rate.
 *
 * ASV_TEST_SEED replays a run; ASV_LONG=1 takes a million chains of each format.
 */
#include <poll.h>
#include <pthread.h>

#include <linux/if_tun.h>

#include "kselftest_harness.h"

#include "lib/load.h"
#include "lib/net.h"

#define NUM		16U
#define TABLE		32U		/* entries of an indirect table */
#define REGION		(1UL << 20)
#define CANARY		0x96

/* the neighbour keeps at least one in this many of the operations it does alone */
#define KEEPS		6

struct neighbour {
	struct vt_blk blk;
	struct vt_load load;
	pthread_t thread;
	bool stop;
	int error;
	uint64_t done;
};

FIXTURE(hostile)
{
	struct vt_mem mem;	/* three regions, of which the device has the middle one */
	struct vt_dev dev;
	struct vt_queue vq;
	struct vt_prng rng;
	struct neighbour next;
	int backend;		/* disk or tap */
	int sock;
	uint8_t *bufs;		/* NUM of a page each */
	struct vring_desc *table;
	struct vhost_memory *whole, *half;
	bool net, stop;
	uint64_t chains, broken;
};

FIXTURE_VARIANT(hostile)
{
	bool net;
	bool packed;
};

FIXTURE_VARIANT_ADD(hostile, blk_split) { false, false };
FIXTURE_VARIANT_ADD(hostile, blk_packed) { false, true };
FIXTURE_VARIANT_ADD(hostile, net_split) { true, false };
FIXTURE_VARIANT_ADD(hostile, net_packed) { true, true };

static unsigned int count_for(unsigned int normal, unsigned int times_longer)
{
	const char *longer = getenv("ASV_LONG"), *debug = getenv("ASV_DEBUG");

	if (longer && *longer)
		return normal * times_longer;
	/* a kernel that checks all its memory is slow */
	return debug && *debug ? normal / 4 : normal;
}

static void *neighbour_main(void *arg)
{
	struct neighbour *next = arg;

	while (!__atomic_load_n(&next->stop, __ATOMIC_ACQUIRE) && !next->error) {
		next->error = vt_load_run(&next->load, 8, false);
		__atomic_store_n(&next->done, next->load.done, __ATOMIC_RELEASE);
	}
	if (!next->error)
		next->error = vt_load_drain(&next->load);
	return NULL;
}

static int neighbour_start(struct neighbour *next)
{
	struct vt_blk_opts opts = { .disk = VT_DISK_FILE, .mem_size = 4 << 20 };
	int ret = vt_blk_start(&next->blk, &opts);

	if (!ret)
		ret = vt_load_init(&next->load, next->blk.vq, &next->blk.mem, 0, 512, 4096, 8);
	return ret ? ret : -pthread_create(&next->thread, NULL, neighbour_main, next);
}

static uint64_t neighbour_done(struct neighbour *next)
{
	return __atomic_load_n(&next->done, __ATOMIC_ACQUIRE);
}

static int set_backend(FIXTURE_DATA(hostile) *self, bool start)
{
	if (self->net)
		return vt_ioctl_file(self->dev.fd, VHOST_NET_SET_BACKEND, self->vq.index,
				     start ? self->backend : -1);
	return vt_ioctl_file(self->dev.fd, ASV_BLK_SET_BACKEND, self->vq.index,
			     start ? ASV_BLK_BACKEND_START : VHOST_FILE_UNBIND);
}

static int attach(FIXTURE_DATA(hostile) *self)
{
	struct asv_blk_attach attach = { .num_queues = 1 };
	char ifname[IFNAMSIZ] = "hostile%d";

	if (self->net) {
		self->backend = vt_tap(ifname, IFF_VNET_HDR, VT_NET_HDR, 0);
		return self->backend < 0 ? self->backend : vt_if_up(ifname);
	}
	self->backend = vt_disk_open(VT_DISK_DEV, 0);
	if (self->backend < 0)
		return self->backend;
	attach.fd = self->backend;
	return vt_ioctl(self->dev.fd, ASV_BLK_ATTACH, &attach);
}

FIXTURE_SETUP(hostile)
{
	uint64_t features = VT_BIT(VIRTIO_F_VERSION_1) | VT_BIT(VIRTIO_RING_F_INDIRECT_DESC) |
			    (variant->packed ? VT_BIT(VIRTIO_F_RING_PACKED) : 0);
	uint64_t offered = 0;

	self->net = variant->net;
	self->rng.state = vt_seed();
	TH_LOG("ASV_TEST_SEED=%#llx", (unsigned long long)self->rng.state);
	if (variant->net)
		vt_netns();
	ASSERT_EQ(0, vt_mem_init(&self->mem, REGION, 3));
	memset(self->mem.base, CANARY, REGION);
	memset(self->mem.base + 2 * REGION, CANARY, REGION);
	self->mem.used = REGION;
	ASSERT_EQ(0, vt_dev_open(&self->dev, variant->net ? VT_NET_NODE : VT_BLK_NODE,
				 &self->mem));
	ASSERT_EQ(0, attach(self));
	/* whatever is offered for space, so that such requests come through */
	ASSERT_EQ(0, vt_ioctl(self->dev.fd, VHOST_GET_FEATURES, &offered));
	if (!variant->net)
		features |= offered & (VT_BIT(VIRTIO_BLK_F_DISCARD) |
				       VT_BIT(VIRTIO_BLK_F_WRITE_ZEROES) |
				       VT_BIT(VIRTIO_BLK_F_FLUSH));
	ASSERT_EQ(0, vt_dev_features(&self->dev, features));
	ASSERT_EQ(0, vt_queue_init(&self->vq, &self->mem, variant->net, NUM, features));
	self->bufs = vt_alloc(&self->mem, NUM * VT_PAGE, VT_PAGE);
	self->table = vt_alloc(&self->mem, TABLE * sizeof(*self->table), 16);
	self->whole = vt_mem_table(&self->mem);
	self->whole->nregions = 1;
	self->whole->regions[0] = self->whole->regions[1];
	/* without the pages that every second buffer lies on */
	self->half = vt_mem_table(&self->mem);
	self->half->nregions = 1;
	self->half->regions[0] = self->whole->regions[0];
	self->half->regions[0].memory_size = self->bufs - self->mem.base - REGION + 8 * VT_PAGE;
	ASSERT_EQ(0, vt_ioctl(self->dev.fd, VHOST_SET_MEM_TABLE, self->whole));
	ASSERT_EQ(0, vt_queue_setup(&self->dev, &self->vq, vt_queue_base(&self->vq)));
	ASSERT_EQ(0, set_backend(self, true));
	ASSERT_EQ(0, neighbour_start(&self->next));
}

FIXTURE_TEARDOWN(hostile)
{
	vt_dev_close(&self->dev);
	close(self->backend);
}

static uint64_t bad_address(FIXTURE_DATA(hostile) *self)
{
	uint64_t start = self->whole->regions[0].guest_phys_addr;

	switch (vt_below(&self->rng, 8)) {
	case 0:
		return start - 1 - vt_below(&self->rng, 4096);
	case 1:
		return start + REGION - vt_below(&self->rng, 4096);
	case 2:
		return start + REGION + vt_below(&self->rng, 1 << 20);
	case 3:
		return -(uint64_t)vt_below(&self->rng, 1 << 16);
	case 4:
		return vt_below(&self->rng, 1 << 20);
	case 5:
		/* a host address, as if it were one of the guest */
		return (uintptr_t)self->mem.base + vt_below(&self->rng, 3 * REGION);
	case 6:
		return 0xffff888000000000ULL + vt_below(&self->rng, ~0U);
	default:
		return vt_rand(&self->rng);
	}
}

static uint32_t bad_length(FIXTURE_DATA(hostile) *self)
{
	static const uint32_t lengths[] = { 0, 1, 15, 17, 511, 4097, 1 << 20, 1 << 21, 1U << 31,
					    0xfffffff0, 0xffffffff, 0x80000001 };

	if (vt_one_in(&self->rng, 3))
		return vt_rand(&self->rng);
	return lengths[vt_below(&self->rng, ARRAY_SIZE(lengths))];
}

/* one thing wrong with a descriptor of a chain or a table of n */
static void spoil(FIXTURE_DATA(hostile) *self, struct vring_desc *desc, unsigned int n)
{
	switch (vt_below(&self->rng, 6)) {
	case 0:
		desc->addr = bad_address(self);
		break;
	case 1:
		desc->len = bad_length(self);
		break;
	case 2:
		desc->flags ^= VRING_DESC_F_WRITE;
		break;
	case 3:
		desc->flags ^= 1 << vt_below(&self->rng, 16);
		break;
	case 4:
		desc->next = vt_one_in(&self->rng, 2) ? vt_below(&self->rng, n + 2) :
							vt_rand(&self->rng);
		break;
	default:
		desc->flags ^= VRING_DESC_F_INDIRECT;
		desc->addr = vt_gpa(&self->mem, self->table);
		desc->len = vt_one_in(&self->rng, 2) ? TABLE * 16 : bad_length(self);
	}
}

/* a chain of a good request; how many descriptors */
static unsigned int good_chain(FIXTURE_DATA(hostile) *self, struct vring_desc *desc)
{
	static const uint32_t types[] = { 0, 0, 0, 1, 1, 4, 8, 11, 13, 14, 99 };
	unsigned int n = 2 + vt_below(&self->rng, 6), i;
	struct virtio_blk_outhdr *hdr = (void *)self->bufs;
	bool in;

	hdr->type = types[vt_below(&self->rng, ARRAY_SIZE(types))];
	hdr->sector = vt_one_in(&self->rng, 8) ? vt_rand(&self->rng) :
						 vt_below(&self->rng, 1 << 17);
	in = hdr->type == VIRTIO_BLK_T_IN || hdr->type == VIRTIO_BLK_T_GET_ID;
	for (i = 0; i < n; i++) {
		bool write = self->net ? self->vq.index == VT_NET_RX :
					 i == n - 1 || (i && in);

		desc[i].addr = vt_gpa(&self->mem, self->bufs + i * VT_PAGE);
		desc[i].len = !i ? 16 : i == n - 1 ? 1 : 512 << vt_below(&self->rng, 4);
		desc[i].flags = (write ? VRING_DESC_F_WRITE : 0) |
				(i + 1 < n ? VRING_DESC_F_NEXT : 0);
		desc[i].next = i + 1;
	}
	return n;
}

static void to_packed(struct vring_desc *table, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		struct vt_packed_desc *desc = (struct vt_packed_desc *)&table[i];
		uint16_t flags = table[i].flags, id = table[i].next;

		desc->id = id;
		desc->flags = flags;
	}
}

/* one chain, into the ring or behind an indirect descriptor, with up to three spoiled */
static unsigned int chain(FIXTURE_DATA(hostile) *self, struct vring_desc *ring)
{
	bool indirect = vt_one_in(&self->rng, 3);
	struct vring_desc *desc = indirect ? self->table : ring;
	unsigned int n = good_chain(self, desc), i;

	for (i = vt_below(&self->rng, 4); i--;)
		spoil(self, &desc[vt_below(&self->rng, n)], n);
	if (!indirect)
		return n;
	if (self->vq.packed)
		to_packed(self->table, n);
	ring[0] = (struct vring_desc) {
		.addr = vt_gpa(&self->mem, self->table),
		.len = n * sizeof(*desc),
		.flags = VRING_DESC_F_INDIRECT,
	};
	if (vt_one_in(&self->rng, 4))
		spoil(self, &ring[0], n);
	return 1;
}

/* one chain of garbage through and through */
static unsigned int garbage(FIXTURE_DATA(hostile) *self, struct vring_desc *ring)
{
	unsigned int i;

	for (i = 0; i < NUM; i++) {
		ring[i].addr = vt_one_in(&self->rng, 2) ? bad_address(self) :
			       vt_gpa(&self->mem, self->bufs + i * VT_PAGE);
		ring[i].len = bad_length(self);
		ring[i].flags = vt_rand(&self->rng) & (vt_one_in(&self->rng, 2) ? 7 : 0xffff);
		ring[i].next = vt_below(&self->rng, NUM + 1);
	}
	return NUM;
}

/* empty the ring, put a chain into it, and make it available */
static void expose(FIXTURE_DATA(hostile) *self)
{
	struct vt_queue *vq = &self->vq;
	struct vring_desc ring[NUM] = {};
	unsigned int n, i;

	vt_queue_reset(vq, vq->packed ? VT_PACKED_BASE : 0);
	n = vt_one_in(&self->rng, 8) ? garbage(self, ring) : chain(self, ring);
	if (!vq->packed) {
		memcpy(vq->desc, ring, sizeof(ring));
		vq->avail->ring[0] = vt_one_in(&self->rng, 16) ? vt_rand(&self->rng) : 0;
		__atomic_store_n(&vq->avail->idx,
				 vt_one_in(&self->rng, 16) ? (uint16_t)vt_rand(&self->rng) : 1,
				 __ATOMIC_RELEASE);
		return;
	}
	for (i = n; i--;) {
		uint16_t bits = VT_PACKED_AVAIL;

		/* a wrong wrap counter now and then, in the middle of a chain too */
		if (vt_one_in(&self->rng, 16))
			bits = vt_rand(&self->rng) & (VT_PACKED_AVAIL | VT_PACKED_USED);
		vq->pdesc[i].addr = ring[i].addr;
		vq->pdesc[i].len = ring[i].len;
		vq->pdesc[i].id = vt_one_in(&self->rng, 8) ? vt_rand(&self->rng) : 0;
		__atomic_store_n(&vq->pdesc[i].flags,
				 (ring[i].flags & ~(VT_PACKED_AVAIL | VT_PACKED_USED)) | bits,
				 __ATOMIC_RELEASE);
	}
}

/* until the device has done something about it, for a moment: has it given the queue up? */
static bool settle(FIXTURE_DATA(hostile) *self, int ms)
{
	struct pollfd pfd[2] = {
		{ .fd = self->vq.err, .events = POLLIN },
		{ .fd = self->vq.call, .events = POLLIN },
	};
	bool broken;

	poll(pfd, 2, ms);
	vt_irqs(&self->vq);
	broken = vt_broken(&self->vq, 0);
	self->broken += broken;
	return broken;
}

static int restart(FIXTURE_DATA(hostile) *self)
{
	int ret = set_backend(self, false);

	if (!ret)
		ret = vt_ioctl_state(self->dev.fd, VHOST_SET_VRING_BASE, self->vq.index,
				     self->vq.packed ? VT_PACKED_BASE : 0);
	/* starting on a ring that somebody scribbles over may well be refused */
	if (!self->vq.packed && !ret)
		__atomic_store_n(&self->vq.used->idx, 0, __ATOMIC_RELEASE);
	return ret;
}

static bool canaries_alive(FIXTURE_DATA(hostile) *self)
{
	const uint8_t *low = self->mem.base, *high = self->mem.base + 2 * REGION;
	size_t i;

	for (i = 0; i < REGION; i++)
		if (low[i] != CANARY || high[i] != CANARY)
			return false;
	return true;
}

/* operations of the neighbour in ms while nothing hostile is going on */
static uint64_t alone(FIXTURE_DATA(hostile) *self, unsigned int ms)
{
	uint64_t before;

	usleep(200000);
	before = neighbour_done(&self->next);
	usleep(ms * 1000);
	return neighbour_done(&self->next) - before;
}

/* what came of the neighbour; with the time the hostile work took */
static int judge(FIXTURE_DATA(hostile) *self, uint64_t rate, uint64_t done, int64_t ms)
{
	struct neighbour *next = &self->next;

	__atomic_store_n(&next->stop, true, __ATOMIC_RELEASE);
	pthread_join(next->thread, NULL);
	fprintf(stderr, "# %llu chains in %lld ms, %llu broke the queue\n",
		(unsigned long long)self->chains, (long long)ms,
		(unsigned long long)self->broken);
	fprintf(stderr, "# the neighbour: %llu operations a second, %llu before\n",
		(unsigned long long)(done * 1000 / (ms + 1)), (unsigned long long)rate);
	if (next->error)
		return next->error;
	if (vt_load_verify(&next->load, next->blk.disk))
		return -EILSEQ;
	if (vt_broken(next->blk.vq, 0) || vt_queue_check(next->blk.vq))
		return -EIO;
	vt_load_free(&next->load);
	vt_blk_free(&next->blk);
	return done * 1000 * KEEPS >= rate * ms ? 0 : -ETIME;
}

TEST_F_TIMEOUT(hostile, chains, 7200)
{
	/* of each ring format, half on either device */
	const unsigned int count = count_for(20000 / 2, 50);
	uint64_t rate = alone(self, 1000), before = neighbour_done(&self->next);
	int64_t start = vt_now_ms();

	while (self->chains < count) {
		expose(self);
		vt_kick(&self->vq);
		settle(self, 3);
		self->chains++;
		ASSERT_EQ(0, restart(self)) TH_LOG("chain %llu", (unsigned long long)self->chains);
		ASSERT_EQ(0, set_backend(self, true));
		if (self->chains % 4000 == 0)
			ASSERT_TRUE(canaries_alive(self));
	}
	EXPECT_TRUE(canaries_alive(self));
	/* hostile or not: most of what is wrong must have been seen */
	EXPECT_LT(count / 4, self->broken);
	EXPECT_EQ(0, judge(self, rate, neighbour_done(&self->next) - before,
			   vt_now_ms() - start));
}

/* rewrites rings, indirect table and request headers as fast as it can */
static void *scribble(void *arg)
{
	FIXTURE_DATA(hostile) *self = arg;
	struct vt_prng rng = { .state = self->rng.state ^ 0x5bd1e995 };
	struct vt_queue *vq = &self->vq;

	while (!__atomic_load_n(&self->stop, __ATOMIC_ACQUIRE)) {
		struct { uint8_t *at; size_t len; } area[] = {
			{ (uint8_t *)vq->desc, vq->desc_size },
			{ (uint8_t *)vq->avail, vq->driver_size },
			{ (uint8_t *)vq->used, vq->device_size },
			{ (uint8_t *)self->table, TABLE * sizeof(*self->table) },
			{ self->bufs, 64 },
		};
		unsigned int which = vt_below(&rng, ARRAY_SIZE(area));
		size_t pos = vt_below(&rng, area[which].len);
		volatile uint8_t *byte = area[which].at + pos;

		/* back and forth, so that what is read twice differs */
		if (vt_one_in(&rng, 2))
			*byte ^= 1 << vt_below(&rng, 8);
		else
			*byte = vt_rand(&rng);
		if (vt_one_in(&rng, 64))
			usleep(50);
	}
	return NULL;
}

TEST_F_TIMEOUT(hostile, rewritten_while_served, 3600)
{
	const unsigned int count = count_for(2000, 10);
	uint64_t rate = alone(self, 500), before = neighbour_done(&self->next);
	int64_t start = vt_now_ms();
	pthread_t thread;

	ASSERT_EQ(0, pthread_create(&thread, NULL, scribble, self));
	while (self->chains < count) {
		unsigned int again;

		expose(self);
		/* what is broken is not looked at again */
		for (again = 0; again < 4; again++) {
			vt_kick(&self->vq);
			if (settle(self, 1))
				break;
		}
		self->chains++;
		ASSERT_EQ(0, restart(self));
		/* the used index is read here: any value is good or refused */
		set_backend(self, true);
	}
	__atomic_store_n(&self->stop, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	EXPECT_TRUE(canaries_alive(self));
	EXPECT_EQ(0, judge(self, rate, neighbour_done(&self->next) - before,
			   vt_now_ms() - start));
	/* after all that, a decent driver is served */
	EXPECT_EQ(0, restart(self));
	vt_queue_reset(&self->vq, variant->packed ? VT_PACKED_BASE : 0);
	EXPECT_EQ(0, set_backend(self, true));
	vt_broken(&self->vq, 0);
	if (!variant->net) {
		struct vt_req *req = vt_req_new(&self->mem, 512);

		vt_req_set(req, VIRTIO_BLK_T_IN, 0, 512);
		EXPECT_EQ(VIRTIO_BLK_S_OK, vt_blk_do(&self->vq, req)) TH_LOG("%s", self->vq.why);
	}
}

static void *change_tables(void *arg)
{
	FIXTURE_DATA(hostile) *self = arg;
	unsigned int n = 0;

	while (!__atomic_load_n(&self->stop, __ATOMIC_ACQUIRE)) {
		vt_ioctl(self->dev.fd, VHOST_SET_MEM_TABLE, n++ & 1 ? self->half : self->whole);
		usleep(200);
	}
	vt_ioctl(self->dev.fd, VHOST_SET_MEM_TABLE, self->whole);
	return NULL;
}

TEST_F_TIMEOUT(hostile, memory_table_changed, 3600)
{
	const unsigned int count = count_for(2000, 10);
	uint64_t rate = alone(self, 500), before = neighbour_done(&self->next);
	int64_t start = vt_now_ms();
	pthread_t thread;

	ASSERT_EQ(0, pthread_create(&thread, NULL, change_tables, self));
	while (self->chains < count) {
		expose(self);
		vt_kick(&self->vq);
		settle(self, 2);
		self->chains++;
		ASSERT_EQ(0, restart(self));
		ASSERT_EQ(0, set_backend(self, true));
	}
	__atomic_store_n(&self->stop, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	EXPECT_TRUE(canaries_alive(self));
	EXPECT_EQ(0, judge(self, rate, neighbour_done(&self->next) - before,
			   vt_now_ms() - start));
}

int main(int argc, char **argv)
{
	vt_require(VT_BLK_NODE);
	vt_require(VT_NET_NODE);
	vt_shell("modprobe tun");
	return test_harness_run(argc, argv);
}
