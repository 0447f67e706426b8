// SPDX-License-Identifier: GPL-2.0-only
/*
 * VIRTIO_F_ACCESS_PLATFORM: rings and buffers by I/O virtual addresses, translated by
 * messages on the descriptor: misses, updates, invalidations, both message versions,
 * blocking and not.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>

#include "kselftest_harness.h"

#include "lib/load.h"

FIXTURE(iotlb)
{
	struct vt_blk blk;
	struct vt_load load;
	pthread_t thread;
	bool serving;
	bool stop;
	bool v2;		/* message version */
	uint64_t granule;	/* bytes mapped for a miss */
	unsigned int misses;
	unsigned int odd;	/* messages that make no sense */
};

FIXTURE_VARIANT(iotlb)
{
	bool packed;
	bool v2;
};

FIXTURE_VARIANT_ADD(iotlb, split) { .packed = false, .v2 = false };
FIXTURE_VARIANT_ADD(iotlb, split_v2) { .packed = false, .v2 = true };
FIXTURE_VARIANT_ADD(iotlb, packed_v2) { .packed = true, .v2 = true };

static int send_msg(int fd, bool v2, uint8_t type, uint64_t iova, uint64_t size, uint64_t uaddr,
		    uint8_t perm)
{
	struct vhost_iotlb_msg msg = {
		.iova = iova, .size = size, .uaddr = uaddr, .perm = perm, .type = type,
	};
	struct vhost_msg_v2 two = { .type = VHOST_IOTLB_MSG_V2, .iotlb = msg };
	struct vhost_msg one = { .type = VHOST_IOTLB_MSG, .iotlb = msg };
	ssize_t len = v2 ? sizeof(two) : sizeof(one);
	ssize_t n = write(fd, v2 ? (void *)&two : (void *)&one, len);

	return n < 0 ? -errno : n == len ? 0 : -EIO;
}

/* the next message, or -errno */
static int get_msg(int fd, bool v2, struct vhost_iotlb_msg *msg)
{
	union {
		struct vhost_msg one;
		struct vhost_msg_v2 two;
	} raw;
	ssize_t n = read(fd, &raw, sizeof(raw));

	if (n < 0)
		return -errno;
	if (v2 ? n != sizeof(raw.two) || raw.two.type != VHOST_IOTLB_MSG_V2 || raw.two.asid :
		 n != sizeof(raw.one) || raw.one.type != VHOST_IOTLB_MSG)
		return -EPROTO;
	*msg = v2 ? raw.two.iotlb : raw.one.iotlb;
	return 0;
}

/* I/O virtual addresses are guest-physical ones here, where memory has them */
static bool in_memory(const struct vt_mem *mem, uint64_t iova)
{
	return iova >= VT_GPA_BASE && iova < VT_GPA_BASE + mem->size;
}

static void *serve(void *arg)
{
	FIXTURE_DATA(iotlb) *self = arg;
	struct vt_mem *mem = &self->blk.mem;
	int fd = self->blk.dev.fd;
	bool v2 = self->v2;
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	while (!__atomic_load_n(&self->stop, __ATOMIC_ACQUIRE)) {
		struct vhost_iotlb_msg msg;
		uint64_t start;

		if (poll(&pfd, 1, 20) <= 0)
			continue;
		if (get_msg(fd, v2, &msg))
			continue;
		if (msg.type != VHOST_IOTLB_MISS || !in_memory(mem, msg.iova)) {
			self->odd++;
			continue;
		}
		self->misses++;
		start = msg.iova & ~(self->granule - 1);
		send_msg(fd, v2, VHOST_IOTLB_UPDATE, start, self->granule,
			 (uintptr_t)vt_hva(mem, start), VHOST_ACCESS_RW);
	}
	return NULL;
}

FIXTURE_SETUP(iotlb)
{
	uint64_t features = VT_BIT(VIRTIO_F_VERSION_1) | VT_BIT(VIRTIO_F_ACCESS_PLATFORM) |
			    VT_BIT(VIRTIO_RING_F_INDIRECT_DESC) |
			    (variant->packed ? VT_BIT(VIRTIO_F_RING_PACKED) : 0);
	uint64_t backend = variant->v2 ? VT_BIT(VHOST_BACKEND_F_IOTLB_MSG_V2) : 0;
	struct vt_blk_opts opts = { .disk = VT_DISK_DEV };
	struct vhost_vring_addr addr = {};
	struct vt_queue *vq;

	self->granule = VT_PAGE;
	self->v2 = variant->v2;
	ASSERT_EQ(0, vt_blk_open(&self->blk, &opts));
	ASSERT_EQ(0, vt_blk_attach(&self->blk, &opts));
	ASSERT_EQ(0, vt_ioctl(self->blk.dev.fd, VHOST_SET_BACKEND_FEATURES, &backend));
	ASSERT_EQ(0, vt_dev_features(&self->blk.dev, features));
	ASSERT_EQ(0, vt_dev_memory(&self->blk.dev));
	self->blk.vq = calloc(1, sizeof(*self->blk.vq));
	self->blk.queues = 1;
	vq = self->blk.vq;
	ASSERT_EQ(0, vt_queue_init(vq, &self->blk.mem, 0, 64, features));
	ASSERT_EQ(0, vt_queue_setup(&self->blk.dev, vq, vt_queue_base(vq)));
	addr.desc_user_addr = vt_gpa(&self->blk.mem, vq->desc);
	addr.avail_user_addr = vt_gpa(&self->blk.mem, vq->avail);
	addr.used_user_addr = vt_gpa(&self->blk.mem, vq->used);
	ASSERT_EQ(0, vt_ioctl(self->blk.dev.fd, VHOST_SET_VRING_ADDR, &addr));
	ASSERT_EQ(0, vt_load_init(&self->load, vq, &self->blk.mem, 0, 256, 8192, 8));
	self->load.indirect = 30;
}

/*
 * Start the queue as QEMU does it for vhost.ko, which reads a split ring's used index right
 * then: with that mapped. A start with nothing mapped is in by_misses.
 */
static int start(FIXTURE_DATA(iotlb) *self)
{
	const struct vt_mem *mem = &self->blk.mem;
	uint64_t page = vt_gpa(mem, self->blk.vq->used) & ~(VT_PAGE - 1);
	int ret = send_msg(self->blk.dev.fd, self->v2, VHOST_IOTLB_UPDATE, page, VT_PAGE,
			   (uintptr_t)vt_hva(mem, page), VHOST_ACCESS_RW);

	return ret ? ret : vt_blk_backend(&self->blk, self->blk.vq, true);
}

static int start_serving(FIXTURE_DATA(iotlb) *self)
{
	int ret = pthread_create(&self->thread, NULL, serve, self);

	self->serving = !ret;
	return -ret;
}

static void stop_serving(FIXTURE_DATA(iotlb) *self)
{
	if (!self->serving)
		return;
	__atomic_store_n(&self->stop, true, __ATOMIC_RELEASE);
	pthread_join(self->thread, NULL);
	self->serving = false;
	self->stop = false;
}

FIXTURE_TEARDOWN(iotlb)
{
	stop_serving(self);
	vt_load_free(&self->load);
	vt_blk_free(&self->blk);
}

TEST_F_TIMEOUT(iotlb, by_misses, 60)
{
	ASSERT_EQ(0, start_serving(self));
	ASSERT_EQ(0, vt_blk_backend(&self->blk, self->blk.vq, true));
	ASSERT_EQ(0, vt_load_run(&self->load, 300, true)) TH_LOG("%s", self->blk.vq->why);
	EXPECT_LT(0, self->misses);
	EXPECT_EQ(0, self->odd);
	EXPECT_EQ(0, vt_queue_check(self->blk.vq));
	EXPECT_EQ(0, vt_load_verify(&self->load, self->blk.disk));
	EXPECT_FALSE(vt_broken(self->blk.vq, 0));
}

/* everything is taken away again and again, a page or all of it, under load */
TEST_F_TIMEOUT(iotlb, invalidated_under_load, 60)
{
	struct vt_mem *mem = &self->blk.mem;
	unsigned int round, before;

	ASSERT_EQ(0, start_serving(self));
	ASSERT_EQ(0, start(self));
	for (round = 0; round < 40; round++) {
		uint64_t page = vt_below(&self->load.rng, mem->size / VT_PAGE) * VT_PAGE;
		bool all = round & 1;

		ASSERT_EQ(0, vt_load_fill(&self->load));
		before = self->misses;
		ASSERT_EQ(0, send_msg(self->blk.dev.fd, variant->v2, VHOST_IOTLB_INVALIDATE,
				      VT_GPA_BASE + (all ? 0 : page),
				      all ? mem->size : VT_PAGE, 0, 0));
		ASSERT_LE(0, vt_load_run(&self->load, 10, false)) TH_LOG("%s", self->blk.vq->why);
		if (all)
			EXPECT_LT(before, self->misses);
	}
	ASSERT_EQ(0, vt_load_drain(&self->load)) TH_LOG("%s", self->blk.vq->why);
	EXPECT_EQ(0, vt_load_verify(&self->load, self->blk.disk));
}

/* one update for all of memory: no miss is left */
TEST_F(iotlb, mapped_before)
{
	struct vhost_iotlb_msg msg;

	ASSERT_EQ(0, send_msg(self->blk.dev.fd, variant->v2, VHOST_IOTLB_UPDATE, VT_GPA_BASE,
			      self->blk.mem.size, (uintptr_t)self->blk.mem.base,
			      VHOST_ACCESS_RW));
	ASSERT_EQ(0, fcntl(self->blk.dev.fd, F_SETFL, O_NONBLOCK));
	ASSERT_EQ(0, start(self));
	ASSERT_EQ(0, vt_load_run(&self->load, 100, true)) TH_LOG("%s", self->blk.vq->why);
	EXPECT_EQ(-EAGAIN, get_msg(self->blk.dev.fd, variant->v2, &msg));
}

/* a miss is asked for once, answered late, and the queue goes on by itself */
TEST_F(iotlb, answered_late)
{
	struct pollfd pfd = { .fd = self->blk.dev.fd, .events = POLLIN };
	struct vt_mem *mem = &self->blk.mem;
	struct vhost_iotlb_msg msg;
	unsigned int n;

	ASSERT_EQ(0, fcntl(self->blk.dev.fd, F_SETFL, O_NONBLOCK));
	EXPECT_EQ(0, poll(&pfd, 1, 0));
	EXPECT_EQ(-EAGAIN, get_msg(pfd.fd, variant->v2, &msg));
	ASSERT_EQ(0, start(self));
	ASSERT_EQ(0, vt_load_fill(&self->load));
	for (n = 0; n < 10000 && self->load.inflight; n++) {
		ASSERT_EQ(1, poll(&pfd, 1, 5000)) TH_LOG("after %u misses", n);
		EXPECT_TRUE(pfd.revents & POLLIN);
		ASSERT_EQ(0, get_msg(pfd.fd, variant->v2, &msg));
		ASSERT_EQ(VHOST_IOTLB_MISS, msg.type);
		ASSERT_TRUE(in_memory(mem, msg.iova));
		if (!n)
			usleep(50000);
		ASSERT_EQ(0, send_msg(pfd.fd, variant->v2, VHOST_IOTLB_UPDATE,
				      msg.iova & ~0xffffULL, 0x10000,
				      (uintptr_t)vt_hva(mem, msg.iova & ~0xffffULL),
				      VHOST_ACCESS_RW));
		while (!poll(&pfd, 1, 50) && vt_load_reap(&self->load, 0) > 0)
			;
		ASSERT_LE(0, vt_load_reap(&self->load, 0)) TH_LOG("%s", self->blk.vq->why);
	}
	EXPECT_EQ(0, self->load.inflight);
}

/* a mapping without the right to write is no mapping for what is written */
TEST_F(iotlb, no_right)
{
	struct vt_mem *mem = &self->blk.mem;
	struct vt_req *req = vt_req_new(mem, 0);
	struct vt_used used;
	uint64_t before, after;

	req->data = vt_alloc(mem, VT_PAGE, VT_PAGE);
	vt_alloc(mem, VT_PAGE, VT_PAGE);
	/* in three parts, for an invalidation takes every mapping that it touches whole */
	before = req->data - mem->base;
	after = mem->size - before - VT_PAGE;
	ASSERT_EQ(0, send_msg(self->blk.dev.fd, variant->v2, VHOST_IOTLB_UPDATE, VT_GPA_BASE,
			      before, (uintptr_t)mem->base, VHOST_ACCESS_RW));
	ASSERT_EQ(0, send_msg(self->blk.dev.fd, variant->v2, VHOST_IOTLB_UPDATE,
			      vt_gpa(mem, req->data), VT_PAGE, (uintptr_t)req->data,
			      VHOST_ACCESS_RO));
	ASSERT_EQ(0, send_msg(self->blk.dev.fd, variant->v2, VHOST_IOTLB_UPDATE,
			      vt_gpa(mem, req->data) + VT_PAGE, after,
			      (uintptr_t)req->data + VT_PAGE, VHOST_ACCESS_RW));
	ASSERT_EQ(0, vt_blk_backend(&self->blk, self->blk.vq, true));
	vt_req_set(req, VIRTIO_BLK_T_OUT, 0, VT_PAGE);
	EXPECT_EQ(VIRTIO_BLK_S_OK, vt_blk_do(self->blk.vq, req));
	memset(req->data, 0x11, VT_PAGE);
	vt_req_set(req, VIRTIO_BLK_T_IN, 0, VT_PAGE);
	ASSERT_EQ(0, vt_req_add(self->blk.vq, req, false));
	vt_submit(self->blk.vq);
	EXPECT_NE(1, vt_wait_used(self->blk.vq, &used, 300));
	EXPECT_EQ(0x11, req->data[0]);
	EXPECT_EQ(0, vt_blk_backend(&self->blk, self->blk.vq, false));
}

TEST_F(iotlb, bad_messages)
{
	int fd = self->blk.dev.fd;
	bool v2 = variant->v2;
	uint64_t base = (uintptr_t)self->blk.mem.base;
	uint8_t raw[sizeof(struct vhost_msg_v2)] = {};
	uint64_t none = 0;

	/* vhost.ko has one error for all that cannot be done */
	EXPECT_EQ(-EFAULT, send_msg(fd, v2, 0, 0, VT_PAGE, base, VHOST_ACCESS_RW));
	EXPECT_EQ(-EFAULT, send_msg(fd, v2, 99, 0, VT_PAGE, base, VHOST_ACCESS_RW));
	EXPECT_EQ(-EFAULT, send_msg(fd, v2, VHOST_IOTLB_MISS, 0, VT_PAGE, base,
				    VHOST_ACCESS_RW));
	EXPECT_EQ(-EINVAL, send_msg(fd, v2, VHOST_IOTLB_UPDATE, 0, 0, base, VHOST_ACCESS_RW));
	EXPECT_NE(0, send_msg(fd, v2, VHOST_IOTLB_UPDATE, -VT_PAGE, 2 * VT_PAGE, base,
			      VHOST_ACCESS_RW));
	EXPECT_EQ(-EFAULT, send_msg(fd, v2, VHOST_IOTLB_UPDATE, 0, 2 * VT_PAGE, -VT_PAGE,
				    VHOST_ACCESS_RW));
	EXPECT_EQ(-EFAULT, send_msg(fd, v2, VHOST_IOTLB_UPDATE, 0, VT_PAGE,
				    0xffff800000000000ULL, VHOST_ACCESS_RW));
	/* cut short, of an unknown kind */
	EXPECT_EQ(-1, write(fd, raw, 3));
	EXPECT_EQ(-1, write(fd, raw, sizeof(raw)));
	/* without an IOTLB there is nothing to update */
	ASSERT_EQ(0, vt_dev_features(&self->blk.dev, VT_BIT(VIRTIO_F_VERSION_1)));
	EXPECT_EQ(-EFAULT, send_msg(fd, v2, VHOST_IOTLB_UPDATE, 0, VT_PAGE, base,
				    VHOST_ACCESS_RW));
	EXPECT_EQ(0, vt_ioctl(fd, VHOST_SET_BACKEND_FEATURES, &none));
}

static void nothing(int sig)
{
}

/* a reader that waits can be interrupted */
TEST_F(iotlb, blocking_read)
{
	struct sigaction action = { .sa_handler = nothing };
	struct vhost_iotlb_msg msg;

	ASSERT_EQ(0, sigaction(SIGUSR1, &action, NULL));
	fflush(NULL);
	if (!fork()) {
		usleep(100000);
		kill(getppid(), SIGUSR1);
		_exit(0);
	}
	EXPECT_EQ(-EINTR, get_msg(self->blk.dev.fd, variant->v2, &msg));
}

/* too many updates are refused, not kept; forgetting them all frees them */
TEST_F_TIMEOUT(iotlb, bounded, 60)
{
	uint64_t iova;
	int ret = 0;

	for (iova = 0; iova < 20000 && !ret; iova++)
		ret = send_msg(self->blk.dev.fd, variant->v2, VHOST_IOTLB_UPDATE,
			       iova * 2 * VT_PAGE, VT_PAGE, (uintptr_t)self->blk.mem.base,
			       VHOST_ACCESS_RW);
	/* vhost.ko drops the oldest entry where its table is full; either is a bound */
	EXPECT_TRUE(!ret || ret == -ENOMEM || ret == -ENOSPC || ret == -E2BIG);
	EXPECT_EQ(0, send_msg(self->blk.dev.fd, variant->v2, VHOST_IOTLB_INVALIDATE, 0,
			      1ULL << 62, 0, 0));
}

int main(int argc, char **argv)
{
	vt_require(VT_BLK_NODE);
	return test_harness_run(argc, argv);
}
