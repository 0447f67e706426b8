// SPDX-License-Identifier: GPL-2.0-only
/*
 * Owners that die, leave or pass the descriptor on, and modules that may be unloaded
 * only when nobody uses them.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>

#include "kselftest_harness.h"

#include "lib/load.h"
#include "lib/owner.h"

/* few: they are read one at a time to be compared, and a slow disk takes 10 ms for each */
#define BLOCKS	64

FIXTURE(owner)
{
	struct vt_blk_opts opts;
	struct vt_blk blk;
	struct vt_queue vq;
	struct vt_load load;
	struct vt_owner owner;
	int device;		/* of the owner, when it is passed on */
};

FIXTURE_VARIANT(owner)
{
	enum vt_disk disk;
	bool packed;
};

FIXTURE_VARIANT_ADD(owner, slow_split) { VT_DISK_SLOW, false };
FIXTURE_VARIANT_ADD(owner, slow_packed) { VT_DISK_SLOW, true };
FIXTURE_VARIANT_ADD(owner, file_split) { VT_DISK_FILE, false };
FIXTURE_VARIANT_ADD(owner, file_packed) { VT_DISK_FILE, true };

/* the owner's part: everything over memory and rings that the test has made */
static int serve(void *arg)
{
	FIXTURE_DATA(owner) *self = arg;
	struct vt_dev *dev = &self->blk.dev;
	uint64_t features = VT_BIT(VIRTIO_F_VERSION_1) | VT_BIT(VIRTIO_BLK_F_FLUSH) |
			    (self->opts.packed ? VT_BIT(VIRTIO_F_RING_PACKED) : 0);
	int ret = vt_dev_open(dev, VT_BLK_NODE, &self->blk.mem);

	if (!ret)
		ret = vt_blk_attach(&self->blk, &self->opts);
	if (!ret)
		ret = vt_dev_features(dev, features);
	if (!ret)
		ret = vt_dev_memory(dev);
	if (!ret)
		ret = vt_queue_setup(dev, &self->vq, vt_queue_base(&self->vq));
	return ret ? ret : vt_blk_backend(&self->blk, &self->vq, true);
}

FIXTURE_SETUP(owner)
{
	self->opts.disk = variant->disk;
	self->opts.packed = variant->packed;
	ASSERT_EQ(0, vt_mem_init(&self->blk.mem, 16 << 20, 1));
	self->blk.dev.fd = -1;
	self->blk.disk = vt_disk_open(variant->disk, 0);
	ASSERT_LE(0, self->blk.disk);
	ASSERT_EQ(0, vt_queue_init(&self->vq, &self->blk.mem, 0, 128,
				   variant->packed ? VT_BIT(VIRTIO_F_RING_PACKED) : 0));
	ASSERT_EQ(0, vt_load_init(&self->load, &self->vq, &self->blk.mem, 0, BLOCKS, 4096, 24));
	ASSERT_EQ(0, vt_owner_start(&self->owner, serve, self));
}

FIXTURE_TEARDOWN(owner)
{
	if (self->owner.pid)
		vt_owner_kill(&self->owner);
}

/* the module has no user soon after the owner is gone */
static bool released(const char *module)
{
	int64_t end = vt_now_ms() + 5000;

	while (vt_module_users(module) > 0 && vt_now_ms() < end)
		usleep(10000);
	return vt_module_users(module) <= 0;
}

TEST_F_TIMEOUT(owner, killed_under_load, 120)
{
	unsigned int round;

	self->load.writes_only = true;
	for (round = 0; round < 8; round++) {
		struct vt_load next;
		uint32_t block;

		ASSERT_EQ(0, vt_load_run(&self->load, 30 + vt_below(&self->load.rng, 50), false))
			TH_LOG("%s", self->vq.why);
		ASSERT_EQ(0, vt_owner_kill(&self->owner));
		/* what was acknowledged is on the disk, and the device is closed */
		EXPECT_EQ(0, vt_load_verify(&self->load, self->blk.disk)) TH_LOG("round %u", round);
		EXPECT_TRUE(released("asv_blk"));
		/* nothing is used any more, and what is used is used rightly */
		while (vt_load_reap(&self->load, 0) > 0)
			;
		EXPECT_STREQ("", self->vq.why);
		EXPECT_EQ(0, vt_load_verify(&self->load, self->blk.disk)) TH_LOG("round %u", round);

		/* another owner, a ring from the start; blocks that were in flight may be both */
		vt_queue_reset(&self->vq, variant->packed ? VT_PACKED_BASE : 0);
		ASSERT_EQ(0, vt_load_init(&next, &self->vq, &self->blk.mem, 0, BLOCKS, 4096, 24));
		next.writes_only = true;
		for (block = 0; block < next.blocks; block++)
			next.version[block] = self->load.busy[block] ? 0 :
					      self->load.version[block];
		vt_load_free(&self->load);
		self->load = next;
		ASSERT_EQ(0, vt_owner_start(&self->owner, serve, self));
	}
	EXPECT_EQ(0, vt_load_drain(&self->load));
}

/* the descriptor lives on in a process that is not the owner */
TEST_F_TIMEOUT(owner, descriptor_passed_on, 60)
{
	struct vhost_vring_state state = {};
	struct vt_used used;
	int pidfd, fd = -1, i;

	pidfd = syscall(SYS_pidfd_open, self->owner.pid, 0);
	ASSERT_LE(0, pidfd);
	/* the owner opened it last: try from the top */
	for (i = 64; i > 2 && fd < 0; i--) {
		char path[64], link[64] = {};

		snprintf(path, sizeof(path), "/proc/%d/fd/%d", self->owner.pid, i);
		if (readlink(path, link, sizeof(link) - 1) > 0 && !strcmp(link, VT_BLK_NODE))
			fd = syscall(SYS_pidfd_getfd, pidfd, i, 0);
	}
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EPERM, vt_ioctl(fd, VHOST_GET_VRING_BASE, &state));
	EXPECT_EQ(0, vt_load_run(&self->load, 50, false));
	ASSERT_EQ(0, vt_load_fill(&self->load));
	ASSERT_EQ(0, vt_owner_kill(&self->owner));
	EXPECT_LT(0, vt_module_users("asv_blk"));
	EXPECT_EQ(-EPERM, vt_ioctl(fd, VHOST_GET_VRING_BASE, &state));
	EXPECT_EQ(-EPERM, vt_ioctl(fd, VHOST_RESET_OWNER, NULL));
	vt_kick(&self->vq);
	usleep(20000);
	while (vt_get_used(&self->vq, &used) > 0)
		;
	EXPECT_STREQ("", self->vq.why);
	close(fd);
	EXPECT_TRUE(released("asv_blk"));
}

/* the owner leaves without a word while its requests are going on */
TEST_F_TIMEOUT(owner, exits_under_load, 60)
{
	ASSERT_EQ(0, vt_load_fill(&self->load));
	ASSERT_EQ(0, kill(self->owner.pid, SIGTERM));
	ASSERT_EQ(self->owner.pid, waitpid(self->owner.pid, NULL, 0));
	self->owner.pid = 0;
	EXPECT_TRUE(released("asv_blk"));
	while (vt_load_reap(&self->load, 0) > 0)
		;
	EXPECT_STREQ("", self->vq.why);
}

/* a second descriptor of the same process is a second device */
TEST(many_devices)
{
	struct vt_blk_opts opts = { .disk = VT_DISK_FILE, .num = 16, .mem_size = 1 << 20 };
	struct vt_blk blk[24];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(blk); i++) {
		struct vt_req *req;

		ASSERT_EQ(0, vt_blk_start(&blk[i], &opts));
		req = vt_req_new(&blk[i].mem, 512);
		vt_req_set(req, VIRTIO_BLK_T_OUT, i, 512);
		memset(req->data, i, 512);
		EXPECT_EQ(VIRTIO_BLK_S_OK, vt_blk_do(blk[i].vq, req));
	}
	EXPECT_EQ(ARRAY_SIZE(blk), vt_module_users("asv_blk"));
	for (i = 0; i < ARRAY_SIZE(blk); i++)
		vt_blk_free(&blk[i]);
}

static long unload(const char *module)
{
	return syscall(SYS_delete_module, module, O_NONBLOCK) ? -errno : 0;
}

TEST_SIGNAL(exec_leaves_the_memory, SIGKILL)
{
	struct vt_blk_opts opts = { .disk = VT_DISK_FILE };
	struct vt_blk blk;
	struct vt_load load;

	/* the descriptor survives, the memory does not */
	ASSERT_EQ(0, vt_blk_start(&blk, &opts));
	ASSERT_EQ(0, vt_load_init(&load, blk.vq, &blk.mem, 0, 256, 4096, 16));
	ASSERT_EQ(0, fcntl(blk.dev.fd, F_SETFD, 0));
	ASSERT_EQ(0, vt_load_fill(&load));
	execl("/bin/sh", "sh", "-c", "sleep 0.2; kill -9 $$", NULL);
}

FIXTURE(modules) {};
FIXTURE_SETUP(modules) {}
FIXTURE_TEARDOWN(modules) {}

/* they come and go, but not while somebody has a descriptor of theirs */
TEST_F_TIMEOUT(modules, unloading, 300)
{
	static const char *const nodes[] = { VT_BLK_NODE, VT_NET_NODE };
	static const char *const modules[] = { "asv_blk", "asv_net" };
	unsigned int i, round;
	int fd;

	for (i = 0; i < ARRAY_SIZE(nodes); i++) {
		fd = open(nodes[i], O_RDWR);
		ASSERT_LE(0, fd);
		EXPECT_LT(0, vt_module_users(modules[i]));
		EXPECT_EQ(-EWOULDBLOCK, unload(modules[i]));
		EXPECT_NE(0, unload("asv_vhost"));
		close(fd);
		ASSERT_TRUE(released(modules[i]));
		for (round = 0; round < 5; round++) {
			EXPECT_EQ(0, unload(modules[i]));
			ASSERT_EQ(0, vt_shell("modprobe %s", modules[i]));
		}
	}
	EXPECT_EQ(0, unload("asv_blk"));
	EXPECT_NE(0, unload("asv_vhost"));
	EXPECT_EQ(0, unload("asv_net"));
	EXPECT_EQ(0, unload("asv_vhost"));
	ASSERT_EQ(0, vt_shell("modprobe asv_blk && modprobe asv_net"));
}

int main(int argc, char **argv)
{
	vt_require(VT_BLK_NODE);
	vt_require(VT_NET_NODE);
	return test_harness_run(argc, argv);
}
