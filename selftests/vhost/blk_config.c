// SPDX-License-Identifier: GPL-2.0-only
/*
 * Attaching a disk with each refusal, the configuration space, resize with its
 * event, the write-cache switch, several queues, and limits.
 */
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <linux/fs.h>
#include <sys/ioctl.h>

#include "kselftest_harness.h"

#include "lib/load.h"

FIXTURE(config)
{
	struct vt_blk blk;
};

FIXTURE_SETUP(config) {}

FIXTURE_TEARDOWN(config)
{
	vt_blk_free(&self->blk);
}

static int attach(struct vt_blk *blk, int fd, struct asv_blk_attach attach)
{
	attach.fd = fd;
	if (!attach.num_queues)
		attach.num_queues = 1;
	return vt_ioctl(blk->dev.fd, ASV_BLK_ATTACH, &attach);
}

#define ATTACH(fd, ...) attach(&self->blk, fd, (struct asv_blk_attach) { __VA_ARGS__ })

static int get_config(struct vt_blk *blk, struct virtio_blk_config *config,
		      uint32_t *generation)
{
	struct asv_blk_config raw = {};
	int ret = vt_ioctl(blk->dev.fd, ASV_BLK_GET_CONFIG, &raw);

	memcpy(config, raw.bytes, sizeof(*config));
	if (generation)
		*generation = raw.generation;
	return ret;
}

TEST_F(config, attach_descriptors)
{
	struct vt_blk_opts opts = {};
	int file, pipes[2], fd;

	ASSERT_EQ(0, vt_blk_open(&self->blk, &opts));
	file = vt_disk_open(VT_DISK_FILE, 0);
	ASSERT_LE(0, file);
	EXPECT_EQ(-EBADF, ATTACH(-1));
	EXPECT_EQ(-EBADF, ATTACH(9999));
	fd = open("/dev/null", O_RDWR);
	EXPECT_EQ(-ENOTBLK, ATTACH(fd));
	close(fd);
	fd = open("/", O_RDONLY | O_DIRECTORY);
	EXPECT_NE(0, ATTACH(fd));
	close(fd);
	ASSERT_EQ(0, pipe(pipes));
	EXPECT_NE(0, ATTACH(pipes[0]));
	EXPECT_NE(0, ATTACH(pipes[1]));
	close(pipes[0]);
	close(pipes[1]);
	fd = open("/dev/nullb1", O_PATH);
	EXPECT_EQ(-EBADF, ATTACH(fd));
	close(fd);
	fd = open("/dev/nullb1", O_WRONLY);
	EXPECT_EQ(-EBADF, ATTACH(fd));
	close(fd);
	/* the mode of the descriptor is the limit */
	fd = open("/dev/nullb1", O_RDONLY);
	EXPECT_EQ(-EBADF, ATTACH(fd));
	EXPECT_EQ(0, ATTACH(fd, .flags = ASV_BLK_ATTACH_RO));
	EXPECT_EQ(-EBUSY, ATTACH(fd, .flags = ASV_BLK_ATTACH_RO));
	EXPECT_EQ(-EBUSY, ATTACH(file));
	close(fd);
	EXPECT_EQ(0, vt_ioctl(self->blk.dev.fd, ASV_BLK_DETACH, NULL));
	EXPECT_EQ(0, vt_ioctl(self->blk.dev.fd, ASV_BLK_DETACH, NULL));
	EXPECT_EQ(0, ATTACH(file));
	close(file);
}

TEST_F(config, attach_read_only_device)
{
	struct vt_blk_opts opts = {};
	int fd, on = 1, off = 0;

	ASSERT_EQ(0, vt_blk_open(&self->blk, &opts));
	fd = vt_disk_open(VT_DISK_DEV, 0);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ioctl(fd, BLKROSET, &on));
	EXPECT_EQ(-EROFS, ATTACH(fd));
	EXPECT_EQ(0, ATTACH(fd, .flags = ASV_BLK_ATTACH_RO));
	EXPECT_EQ(0, ioctl(fd, BLKROSET, &off));
	close(fd);
}

TEST_F(config, attach_values)
{
	struct vt_blk_opts opts = {};
	struct asv_blk_attach none = { .num_queues = 0 };
	int file, dev;

	ASSERT_EQ(0, vt_blk_open(&self->blk, &opts));
	file = vt_disk_open(VT_DISK_FILE, 0);
	dev = vt_disk_open(VT_DISK_DEV_4K, 0);
	ASSERT_LE(0, file);
	ASSERT_LE(0, dev);
	none.fd = file;
	EXPECT_EQ(-EINVAL, vt_ioctl(self->blk.dev.fd, ASV_BLK_ATTACH, &none));
	EXPECT_EQ(-EINVAL, ATTACH(file, .flags = 0x10));
	EXPECT_EQ(-EINVAL, ATTACH(file, .flags = 1U << 31));
	EXPECT_EQ(-EINVAL, ATTACH(file, .num_queues = ASV_BLK_MAX_QUEUES + 1));
	EXPECT_EQ(-EINVAL, ATTACH(file, .seg_max = ASV_BLK_MAX_SEGMENTS + 1));
	EXPECT_EQ(-EINVAL, ATTACH(file, .blk_size = 256));
	EXPECT_EQ(-EINVAL, ATTACH(file, .blk_size = 1000));
	EXPECT_EQ(-EINVAL, ATTACH(file, .blk_size = 8192));
	EXPECT_EQ(-EINVAL, ATTACH(dev, .blk_size = 512));
	EXPECT_EQ(-EINVAL, ATTACH(file, .blk_size = 512, .physical_block_exp = 16));
	EXPECT_EQ(-EINVAL, ATTACH(file, .physical_block_exp = 3));
	EXPECT_EQ(-EINVAL, ATTACH(file, .helpers = ASV_BLK_MAX_HELPERS + 1));
	EXPECT_EQ(-EINVAL, ATTACH(file, .reserved = { 0, 1, 0 }));
	EXPECT_EQ(-EOPNOTSUPP, ATTACH(dev, .flags = ASV_BLK_ATTACH_BUFFERED));
	EXPECT_EQ(-EFAULT, vt_ioctl(self->blk.dev.fd, ASV_BLK_ATTACH, (void *)0x10));
	EXPECT_EQ(0, ATTACH(file, .num_queues = ASV_BLK_MAX_QUEUES,
			    .seg_max = ASV_BLK_MAX_SEGMENTS, .blk_size = 4096,
			    .helpers = ASV_BLK_MAX_HELPERS));
	close(file);
	close(dev);
}

/* a file without direct I/O only with the flag for it */
TEST_F(config, buffered)
{
	struct vt_blk_opts opts = { .attach_flags = ASV_BLK_ATTACH_BUFFERED };
	struct vt_load load;
	int fd;

	ASSERT_EQ(0, vt_blk_open(&self->blk, &opts));
	fd = open("/sys/kernel/mm/transparent_hugepage/enabled", O_RDWR);
	if (fd >= 0) {
		EXPECT_EQ(-EOPNOTSUPP, ATTACH(fd));
		close(fd);
	}
	vt_blk_free(&self->blk);
	ASSERT_EQ(0, vt_blk_start(&self->blk, &opts));
	ASSERT_EQ(0, vt_load_init(&load, self->blk.vq, &self->blk.mem, 0, 256, 4096, 16));
	EXPECT_EQ(0, vt_load_run(&load, 500, true)) TH_LOG("%s", self->blk.vq->why);
	vt_load_free(&load);
}

TEST_F(config, before_attach)
{
	struct virtio_blk_config config;
	struct vt_blk_opts opts = {};
	uint64_t features = 0;
	uint32_t on = 1;
	int fd = -1;

	ASSERT_EQ(0, vt_blk_open(&self->blk, &opts));
	EXPECT_EQ(-ENODEV, get_config(&self->blk, &config, NULL));
	EXPECT_EQ(-ENODEV, vt_ioctl(self->blk.dev.fd, ASV_BLK_REFRESH, NULL));
	EXPECT_EQ(-ENODEV, vt_ioctl(self->blk.dev.fd, ASV_BLK_SET_WCE, &on));
	EXPECT_EQ(-ENODEV, vt_ioctl_file(self->blk.dev.fd, ASV_BLK_SET_BACKEND, 0, 0));
	EXPECT_EQ(0, vt_ioctl_file(self->blk.dev.fd, ASV_BLK_SET_BACKEND, 0, -1));
	EXPECT_EQ(0, vt_ioctl(self->blk.dev.fd, ASV_BLK_SET_CONFIG_CALL, &fd));
	ASSERT_EQ(0, vt_ioctl(self->blk.dev.fd, VHOST_GET_FEATURES, &features));
	EXPECT_FALSE(features & VT_BIT(VIRTIO_BLK_F_FLUSH));
}

TEST_F(config, backend_index)
{
	struct vt_blk_opts opts = { .queues = 2, .features = VT_BIT(VIRTIO_BLK_F_MQ) };
	int fd;

	ASSERT_EQ(0, vt_blk_start(&self->blk, &opts));
	fd = self->blk.dev.fd;
	EXPECT_EQ(0, vt_ioctl_file(fd, ASV_BLK_SET_BACKEND, 1, 0));
	EXPECT_EQ(-ENOBUFS, vt_ioctl_file(fd, ASV_BLK_SET_BACKEND, 2, 0));
	EXPECT_EQ(-ENOBUFS, vt_ioctl_file(fd, ASV_BLK_SET_BACKEND, ~0, 0));
	EXPECT_EQ(-EINVAL, vt_ioctl_file(fd, ASV_BLK_SET_BACKEND, 0, 1));
	EXPECT_EQ(-EINVAL, vt_ioctl_file(fd, ASV_BLK_SET_BACKEND, 0, -2));
}

TEST_F(config, space)
{
	struct virtio_blk_config config;
	struct vt_blk_opts opts = {};
	uint64_t features = 0;
	int fd;

	ASSERT_EQ(0, vt_blk_open(&self->blk, &opts));
	fd = vt_disk_open(VT_DISK_FILE, (8 << 20) + 700);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ATTACH(fd, .num_queues = 3, .seg_max = 77, .blk_size = 1024,
			    .physical_block_exp = 2, .min_io_size = 8, .opt_io_size = 64,
			    .cylinders = 100, .heads = 4, .sectors = 32));
	ASSERT_EQ(0, get_config(&self->blk, &config, NULL));
	/* whole logical blocks */
	EXPECT_EQ(16384, config.capacity);
	EXPECT_EQ(77, config.seg_max);
	EXPECT_EQ(1024, config.blk_size);
	EXPECT_EQ(2, config.physical_block_exp);
	EXPECT_EQ(8, config.min_io_size);
	EXPECT_EQ(64, config.opt_io_size);
	EXPECT_EQ(100, config.geometry.cylinders);
	EXPECT_EQ(4, config.geometry.heads);
	EXPECT_EQ(32, config.geometry.sectors);
	EXPECT_EQ(3, config.num_queues);
	EXPECT_EQ(1, config.wce);
	ASSERT_EQ(0, vt_ioctl(self->blk.dev.fd, VHOST_GET_FEATURES, &features));
	EXPECT_TRUE(features & VT_BIT(VIRTIO_BLK_F_MQ));
	EXPECT_TRUE(features & VT_BIT(VIRTIO_BLK_F_SEG_MAX));
	EXPECT_TRUE(features & VT_BIT(VIRTIO_BLK_F_BLK_SIZE));
	EXPECT_TRUE(features & VT_BIT(VIRTIO_BLK_F_TOPOLOGY));
	EXPECT_TRUE(features & VT_BIT(VIRTIO_BLK_F_FLUSH));
	EXPECT_TRUE(features & VT_BIT(VIRTIO_BLK_F_CONFIG_WCE));
	EXPECT_TRUE(features & VT_BIT(VIRTIO_BLK_F_DISCARD));
	EXPECT_TRUE(features & VT_BIT(VIRTIO_BLK_F_WRITE_ZEROES));
	EXPECT_FALSE(features & VT_BIT(VIRTIO_BLK_F_RO));
	EXPECT_FALSE(features & VT_BIT(VIRTIO_BLK_F_SCSI));
	EXPECT_FALSE(features & VT_BIT(VIRTIO_BLK_F_BARRIER));
	close(fd);
}

TEST_F(config, resize)
{
	struct vt_blk_opts opts = { .disk = VT_DISK_FILE, .size = 4 << 20 };
	struct virtio_blk_config config;
	uint32_t before, after;
	struct vt_req *req;
	uint64_t events;
	int call, bad;

	ASSERT_EQ(0, vt_blk_start(&self->blk, &opts));
	call = eventfd(0, EFD_NONBLOCK);
	bad = open("/dev/null", O_RDWR);
	EXPECT_EQ(-EINVAL, vt_ioctl(self->blk.dev.fd, ASV_BLK_SET_CONFIG_CALL, &bad));
	close(bad);
	EXPECT_EQ(-EBADF, vt_ioctl(self->blk.dev.fd, ASV_BLK_SET_CONFIG_CALL, &bad));
	ASSERT_EQ(0, vt_ioctl(self->blk.dev.fd, ASV_BLK_SET_CONFIG_CALL, &call));
	req = vt_req_new(&self->blk.mem, 4096);

	/* the same size: nothing to say */
	ASSERT_EQ(0, get_config(&self->blk, &config, &before));
	EXPECT_EQ(8192, config.capacity);
	EXPECT_EQ(0, vt_ioctl(self->blk.dev.fd, ASV_BLK_REFRESH, NULL));
	EXPECT_EQ(-1, read(call, &events, sizeof(events)));
	ASSERT_EQ(0, get_config(&self->blk, &config, &after));
	EXPECT_EQ(before, after);

	vt_req_set(req, VIRTIO_BLK_T_OUT, 8192, 4096);
	EXPECT_EQ(VIRTIO_BLK_S_IOERR, vt_blk_do(self->blk.vq, req));
	ASSERT_EQ(0, ftruncate(self->blk.disk, 8 << 20));
	EXPECT_EQ(0, vt_ioctl(self->blk.dev.fd, ASV_BLK_REFRESH, NULL));
	EXPECT_EQ(8, read(call, &events, sizeof(events)));
	EXPECT_EQ(1, events);
	ASSERT_EQ(0, get_config(&self->blk, &config, &after));
	EXPECT_EQ(16384, config.capacity);
	EXPECT_NE(before, after);
	vt_req_set(req, VIRTIO_BLK_T_OUT, 8192, 4096);
	EXPECT_EQ(VIRTIO_BLK_S_OK, vt_blk_do(self->blk.vq, req));

	ASSERT_EQ(0, ftruncate(self->blk.disk, 2 << 20));
	EXPECT_EQ(0, vt_ioctl(self->blk.dev.fd, ASV_BLK_REFRESH, NULL));
	EXPECT_EQ(8, read(call, &events, sizeof(events)));
	vt_req_set(req, VIRTIO_BLK_T_IN, 8192, 4096);
	EXPECT_EQ(VIRTIO_BLK_S_IOERR, vt_blk_do(self->blk.vq, req));
	vt_req_set(req, VIRTIO_BLK_T_IN, 4088, 4096);
	EXPECT_EQ(VIRTIO_BLK_S_OK, vt_blk_do(self->blk.vq, req));
	close(call);
}

/* resized and refreshed while it is used: no request is lost, none does harm */
TEST_F(config, resize_under_load)
{
	struct vt_blk_opts opts = { .disk = VT_DISK_FILE, .size = 8 << 20 };
	struct vt_load load;
	unsigned int i;

	ASSERT_EQ(0, vt_blk_start(&self->blk, &opts));
	ASSERT_EQ(0, vt_load_init(&load, self->blk.vq, &self->blk.mem, 0, 512, 4096, 32));
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, ftruncate(self->blk.disk, (4 + (i & 3)) << 20));
		EXPECT_EQ(0, vt_ioctl(self->blk.dev.fd, ASV_BLK_REFRESH, NULL));
		ASSERT_EQ(0, vt_load_run(&load, 40, false)) TH_LOG("%s", self->blk.vq->why);
	}
	EXPECT_EQ(0, vt_load_drain(&load)) TH_LOG("%s", self->blk.vq->why);
	EXPECT_EQ(0, vt_load_verify(&load, self->blk.disk));
	vt_load_free(&load);
}

TEST_F(config, write_cache)
{
	struct vt_blk_opts opts = {
		.attach_flags = ASV_BLK_ATTACH_WRITETHROUGH,
		.features = VT_BIT(VIRTIO_BLK_F_FLUSH) | VT_BIT(VIRTIO_BLK_F_CONFIG_WCE),
	};
	struct virtio_blk_config config;
	uint32_t on = 1, off = 0, bad = 2;
	struct vt_load load;

	ASSERT_EQ(0, vt_blk_start(&self->blk, &opts));
	ASSERT_EQ(0, get_config(&self->blk, &config, NULL));
	EXPECT_EQ(0, config.wce);
	ASSERT_EQ(0, vt_load_init(&load, self->blk.vq, &self->blk.mem, 0, 256, 4096, 16));
	EXPECT_EQ(0, vt_load_run(&load, 200, false)) TH_LOG("%s", self->blk.vq->why);
	EXPECT_EQ(0, vt_ioctl(self->blk.dev.fd, ASV_BLK_SET_WCE, &on));
	ASSERT_EQ(0, get_config(&self->blk, &config, NULL));
	EXPECT_EQ(1, config.wce);
	EXPECT_EQ(0, vt_load_run(&load, 200, false)) TH_LOG("%s", self->blk.vq->why);
	EXPECT_EQ(0, vt_ioctl(self->blk.dev.fd, ASV_BLK_SET_WCE, &off));
	EXPECT_EQ(-EINVAL, vt_ioctl(self->blk.dev.fd, ASV_BLK_SET_WCE, &bad));
	EXPECT_EQ(0, vt_load_run(&load, 200, true)) TH_LOG("%s", self->blk.vq->why);
	vt_load_free(&load);
}

/* all queues at once, each its own part of the disk; then all on one worker */
TEST_F_TIMEOUT(config, queues, 120)
{
	struct vt_blk_opts opts = {
		.disk = VT_DISK_DEV,
		.queues = 8,
		.num = 32,
		.features = VT_BIT(VIRTIO_BLK_F_MQ),
	};
	struct vhost_vring_worker worker = { .index = 0 };
	struct vt_load load[8];
	unsigned int q, round;

	ASSERT_EQ(0, vt_blk_start(&self->blk, &opts));
	for (q = 0; q < opts.queues; q++)
		ASSERT_EQ(0, vt_load_init(&load[q], &self->blk.vq[q], &self->blk.mem, q * 8192,
					  256, 4096, 8));
	for (round = 0; round < 60; round++) {
		if (round == 30) {
			/* under load: nothing in flight may be lost by the move */
			ASSERT_EQ(0, vt_ioctl(self->blk.dev.fd, VHOST_GET_VRING_WORKER,
					      &worker));
			for (q = 1; q < opts.queues; q++) {
				worker.index = q;
				EXPECT_EQ(0, vt_ioctl(self->blk.dev.fd,
						      VHOST_ATTACH_VRING_WORKER, &worker));
			}
		}
		for (q = 0; q < opts.queues; q++)
			ASSERT_EQ(0, vt_load_fill(&load[q]));
		for (q = 0; q < opts.queues; q++)
			ASSERT_LT(0, vt_load_reap(&load[q], VT_WAIT_MS))
				TH_LOG("queue %u: %s", q, self->blk.vq[q].why);
	}
	for (q = 0; q < opts.queues; q++) {
		EXPECT_EQ(0, vt_load_drain(&load[q]));
		EXPECT_EQ(0, vt_queue_check(&self->blk.vq[q]));
		EXPECT_EQ(0, vt_load_verify(&load[q], self->blk.disk));
		vt_load_free(&load[q]);
	}
}

/* a limit holds within a tenth, takes effect while running, and can be lifted */
TEST_F_TIMEOUT(config, limits, 60)
{
	struct vt_blk_opts opts = { .disk = VT_DISK_DEV };
	struct asv_limits limits = { .iops = 200, .iops_burst = 10 };
	struct asv_limits bytes = { .bps = 1 << 20, .bps_burst = 4096 };
	struct vt_load load;
	int64_t start, took;

	ASSERT_EQ(0, vt_blk_start(&self->blk, &opts));
	ASSERT_EQ(0, vt_load_init(&load, self->blk.vq, &self->blk.mem, 0, 256, 4096, 16));
	ASSERT_EQ(0, vt_ioctl(self->blk.dev.fd, ASV_SET_LIMITS, &limits));
	start = vt_now_ms();
	EXPECT_EQ(0, vt_load_run(&load, 410, true));
	took = vt_now_ms() - start;
	/* 400 of them at 200 a second */
	EXPECT_LE(1900, took);
	EXPECT_GE(6000, took);
	ASSERT_EQ(0, vt_ioctl(self->blk.dev.fd, ASV_SET_LIMITS, &bytes));
	start = vt_now_ms();
	EXPECT_EQ(0, vt_load_run(&load, 384, true));
	took = vt_now_ms() - start;
	/* 1.5 MiB at 1 MiB a second */
	EXPECT_LE(1350, took);
	EXPECT_GE(6000, took);
	ASSERT_EQ(0, vt_ioctl(self->blk.dev.fd, ASV_SET_LIMITS, &(struct asv_limits) {}));
	EXPECT_EQ(0, vt_load_run(&load, 500, true));
	/* times that do not fit into 64 bits are no trap: what the burst allows is served */
	limits = (struct asv_limits) { 1, 1ULL << 40, 1, 1ULL << 40 };
	ASSERT_EQ(0, vt_ioctl(self->blk.dev.fd, ASV_SET_LIMITS, &limits));
	EXPECT_EQ(0, vt_load_run(&load, 16, true));
	/* stopping does not wait for a limit to let requests through */
	limits = (struct asv_limits) { .iops = 1, .iops_burst = 1 };
	ASSERT_EQ(0, vt_ioctl(self->blk.dev.fd, ASV_SET_LIMITS, &limits));
	ASSERT_EQ(0, vt_load_fill(&load));
	start = vt_now_ms();
	EXPECT_EQ(0, vt_blk_backend(&self->blk, self->blk.vq, false));
	EXPECT_GE(1000, vt_now_ms() - start);
	vt_load_free(&load);
}

/* busy polling: no kick is needed within the time, and idle queues stop polling */
TEST_F_TIMEOUT(config, busy_polling, 60)
{
	struct vt_blk_opts opts = { .disk = VT_DISK_DEV };
	struct vt_load load;

	ASSERT_EQ(0, vt_blk_start(&self->blk, &opts));
	ASSERT_EQ(0, vt_ioctl_state(self->blk.dev.fd, VHOST_SET_VRING_BUSYLOOP_TIMEOUT, 0, 2000));
	ASSERT_EQ(0, vt_load_init(&load, self->blk.vq, &self->blk.mem, 0, 256, 4096, 1));
	EXPECT_EQ(0, vt_load_run(&load, 300, true)) TH_LOG("%s", self->blk.vq->why);
	EXPECT_GT(300, self->blk.vq->nkicks);
	usleep(50000);
	EXPECT_EQ(0, vt_load_run(&load, 5, true)) TH_LOG("%s", self->blk.vq->why);
	vt_load_free(&load);
}

TEST_F(config, prepinned)
{
	struct vt_blk_opts opts = { .disk = VT_DISK_DEV };
	struct rlimit room = { RLIM_INFINITY, RLIM_INFINITY };
	struct vt_load load;
	uint32_t on = 1;
	int again;

	ASSERT_EQ(0, vt_blk_start(&self->blk, &opts));
	ASSERT_EQ(0, vt_load_init(&load, self->blk.vq, &self->blk.mem, 0, 256, 4096, 16));
	ASSERT_EQ(0, setrlimit(RLIMIT_MEMLOCK, &room));
	ASSERT_EQ(0, vt_ioctl(self->blk.dev.fd, ASV_SET_PREPIN, &on));
	EXPECT_EQ(0, vt_load_run(&load, 300, true)) TH_LOG("%s", self->blk.vq->why);
	/* pages that the owner drops and gets anew, as a balloon does: no stale page is used */
	for (again = 0; again < 20; again++) {
		ASSERT_EQ(0, vt_load_drain(&load));
		ASSERT_EQ(0, madvise(load.reqs[again % 16]->data, VT_PAGE, MADV_REMOVE));
		ASSERT_EQ(0, vt_load_run(&load, 30, true)) TH_LOG("%s", self->blk.vq->why);
	}
	EXPECT_EQ(0, vt_load_verify(&load, self->blk.disk));
	on = 0;
	EXPECT_EQ(0, vt_ioctl(self->blk.dev.fd, ASV_SET_PREPIN, &on));
	EXPECT_EQ(0, vt_load_run(&load, 50, true));
	vt_load_free(&load);
}

int main(int argc, char **argv)
{
	vt_require(VT_BLK_NODE);
	return test_harness_run(argc, argv);
}
