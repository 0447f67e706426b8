// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every ioctl of <linux/vhost.h> and <linux/asv_vhost.h>, with each error that it
 * can give, on both nodes.
 */
#include <fcntl.h>
#include <sys/eventfd.h>

#include "kselftest_harness.h"

#include <linux/if_tun.h>

#include "lib/blk.h"
#include "lib/net.h"

#define VERSION_1	VT_BIT(VIRTIO_F_VERSION_1)
#define PACKED		VT_BIT(VIRTIO_F_RING_PACKED)

/* an address that no process has */
#define BAD_PTR		((void *)0x10)

FIXTURE(uapi)
{
	struct vt_mem mem;
	struct vt_dev dev;
	struct vt_queue vq;
	int backend;
};

FIXTURE_VARIANT(uapi)
{
	bool net;
	unsigned int queues;
};

FIXTURE_VARIANT_ADD(uapi, net) { .net = true, .queues = 2 };
FIXTURE_VARIANT_ADD(uapi, blk) { .net = false, .queues = ASV_BLK_MAX_QUEUES };

FIXTURE_SETUP(uapi)
{
	self->backend = -1;
	self->dev.fd = -1;
	if (variant->net)
		vt_netns();
	ASSERT_EQ(0, vt_mem_init(&self->mem, 4 << 20, 1));
	ASSERT_EQ(0, vt_dev_open(&self->dev, variant->net ? VT_NET_NODE : VT_BLK_NODE,
				 &self->mem));
}

FIXTURE_TEARDOWN(uapi)
{
	vt_dev_close(&self->dev);
	if (self->backend >= 0)
		close(self->backend);
	vt_mem_free(&self->mem);
}

/* a disk or a tap, then everything that a queue needs, then its start */
static int attach(FIXTURE_DATA(uapi) *self, const FIXTURE_VARIANT(uapi) *variant)
{
	char ifname[IFNAMSIZ] = "asv%d";

	if (variant->net) {
		self->backend = vt_tap(ifname, IFF_VNET_HDR, VT_NET_HDR, 0);
	} else {
		struct asv_blk_attach attach = { .num_queues = 1 };

		self->backend = vt_disk_open(VT_DISK_DEV, 0);
		attach.fd = self->backend;
		if (self->backend >= 0)
			return vt_ioctl(self->dev.fd, ASV_BLK_ATTACH, &attach);
	}
	return self->backend < 0 ? self->backend : 0;
}

static int prepare(FIXTURE_DATA(uapi) *self, const FIXTURE_VARIANT(uapi) *variant,
		   uint64_t features)
{
	int ret = attach(self, variant);

	if (!ret)
		ret = vt_dev_features(&self->dev, features);
	if (!ret)
		ret = vt_dev_memory(&self->dev);
	if (!ret)
		ret = vt_queue_init(&self->vq, &self->mem, 0, 64, features);
	if (!ret)
		ret = vt_queue_setup(&self->dev, &self->vq, vt_queue_base(&self->vq));
	return ret;
}

static int backend(FIXTURE_DATA(uapi) *self, const FIXTURE_VARIANT(uapi) *variant, bool start)
{
	if (variant->net)
		return vt_ioctl_file(self->dev.fd, VHOST_NET_SET_BACKEND, 0,
				     start ? self->backend : -1);
	return vt_ioctl_file(self->dev.fd, ASV_BLK_SET_BACKEND, 0,
			     start ? ASV_BLK_BACKEND_START : VHOST_FILE_UNBIND);
}

/* ioctls that need an owner, with an argument that is good enough to come that far */
static const struct {
	const char *name;
	unsigned long request;
} owned[] = {
	{ "SET_MEM_TABLE", VHOST_SET_MEM_TABLE },
	{ "SET_LOG_BASE", VHOST_SET_LOG_BASE },
	{ "SET_LOG_FD", VHOST_SET_LOG_FD },
	{ "SET_VRING_NUM", VHOST_SET_VRING_NUM },
	{ "SET_VRING_ADDR", VHOST_SET_VRING_ADDR },
	{ "SET_VRING_BASE", VHOST_SET_VRING_BASE },
	{ "GET_VRING_BASE", VHOST_GET_VRING_BASE },
	{ "SET_VRING_KICK", VHOST_SET_VRING_KICK },
	{ "SET_VRING_CALL", VHOST_SET_VRING_CALL },
	{ "SET_VRING_ERR", VHOST_SET_VRING_ERR },
	{ "SET_VRING_BUSYLOOP_TIMEOUT", VHOST_SET_VRING_BUSYLOOP_TIMEOUT },
	{ "GET_VRING_BUSYLOOP_TIMEOUT", VHOST_GET_VRING_BUSYLOOP_TIMEOUT },
	{ "RESET_OWNER", VHOST_RESET_OWNER },
	{ "NEW_WORKER", VHOST_NEW_WORKER },
	{ "FREE_WORKER", VHOST_FREE_WORKER },
	{ "ATTACH_VRING_WORKER", VHOST_ATTACH_VRING_WORKER },
	{ "GET_VRING_WORKER", VHOST_GET_VRING_WORKER },
	{ "ASV_SET_PREPIN", ASV_SET_PREPIN },
	{ "ASV_SET_LIMITS", ASV_SET_LIMITS },
	{ "ASV_GET_LIMITS", ASV_GET_LIMITS },
	{ "ASV_SET_WORKER_AFFINITY", ASV_SET_WORKER_AFFINITY },
	{ "ASV_SET_NAME", ASV_SET_NAME },
	{ "ASV_GET_DEV_ID", ASV_GET_DEV_ID },
};

TEST_F(uapi, no_owner)
{
	uint64_t arg[32] = {};
	uint64_t features;
	unsigned int i;
	int fd;

	fd = open(variant->net ? VT_NET_NODE : VT_BLK_NODE, O_RDWR);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, vt_ioctl(fd, VHOST_GET_FEATURES, &features));
	EXPECT_TRUE(features & VERSION_1);
	EXPECT_EQ(0, vt_ioctl(fd, VHOST_GET_BACKEND_FEATURES, &features));
	for (i = 0; i < ARRAY_SIZE(owned); i++) {
		memset(arg, 0, sizeof(arg));
		EXPECT_EQ(-EPERM, vt_ioctl(fd, owned[i].request, arg))
			TH_LOG("%s", owned[i].name);
	}
	EXPECT_EQ(-EPERM, vt_ioctl_file(fd, variant->net ? VHOST_NET_SET_BACKEND :
					ASV_BLK_SET_BACKEND, 0, -1));
	close(fd);
}

TEST_F(uapi, owner)
{
	int fd = self->dev.fd, status = 0;
	uint64_t arg[32] = {};
	unsigned int i;
	pid_t child;

	EXPECT_EQ(-EBUSY, vt_ioctl(fd, VHOST_SET_OWNER, NULL));
	/* another process has other memory, whatever it inherited */
	fflush(NULL);
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		for (i = 0; i < ARRAY_SIZE(owned); i++) {
			memset(arg, 0, sizeof(arg));
			if (vt_ioctl(fd, owned[i].request, arg) != -EPERM) {
				TH_LOG("%s", owned[i].name);
				_exit(1);
			}
		}
		_exit(vt_ioctl(fd, VHOST_SET_OWNER, NULL) == -EBUSY ? 0 : 2);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(0, vt_ioctl(fd, VHOST_RESET_OWNER, NULL));
		EXPECT_EQ(-EPERM, vt_ioctl(fd, VHOST_RESET_OWNER, NULL));
		EXPECT_EQ(-EPERM, vt_ioctl_state(fd, VHOST_SET_VRING_NUM, 0, 16));
		EXPECT_EQ(0, vt_ioctl(fd, VHOST_SET_OWNER, NULL));
	}
}

/* RESET_OWNER brings back what open() gave */
TEST_F(uapi, reset_owner)
{
	struct vhost_vring_state state = { .index = 0 };

	ASSERT_EQ(0, prepare(self, variant, VERSION_1));
	ASSERT_EQ(0, vt_ioctl_state(self->dev.fd, VHOST_SET_VRING_BUSYLOOP_TIMEOUT, 0, 77));
	ASSERT_EQ(0, backend(self, variant, true));
	EXPECT_EQ(0, vt_ioctl(self->dev.fd, VHOST_RESET_OWNER, NULL));
	ASSERT_EQ(0, vt_ioctl(self->dev.fd, VHOST_SET_OWNER, NULL));
	EXPECT_EQ(0, vt_ioctl(self->dev.fd, VHOST_GET_VRING_BUSYLOOP_TIMEOUT, &state));
	EXPECT_EQ(0, state.num);
	EXPECT_EQ(0, vt_get_base(&self->dev, &self->vq));
	/* no ring any more */
	EXPECT_NE(0, backend(self, variant, true));
}

TEST_F(uapi, features)
{
	uint64_t features = 0, one;
	unsigned int bit;

	ASSERT_EQ(0, vt_ioctl(self->dev.fd, VHOST_GET_FEATURES, &features));
	for (bit = 0; bit < 64; bit++) {
		one = VT_BIT(bit);
		/* IOTLB and log want more than a bit; features.c has them */
		if (bit == VIRTIO_F_ACCESS_PLATFORM || bit == VHOST_F_LOG_ALL)
			continue;
		EXPECT_EQ(features & one ? 0 : -EOPNOTSUPP,
			  vt_ioctl(self->dev.fd, VHOST_SET_FEATURES, &one))
			TH_LOG("feature bit %u", bit);
	}
	one = ~0ULL;
	EXPECT_EQ(-EOPNOTSUPP, vt_ioctl(self->dev.fd, VHOST_SET_FEATURES, &one));
	EXPECT_EQ(-EFAULT, vt_ioctl(self->dev.fd, VHOST_SET_FEATURES, BAD_PTR));
	EXPECT_EQ(-EFAULT, vt_ioctl(self->dev.fd, VHOST_GET_FEATURES, BAD_PTR));

	ASSERT_EQ(0, vt_ioctl(self->dev.fd, VHOST_GET_BACKEND_FEATURES, &features));
	EXPECT_EQ(0, vt_ioctl(self->dev.fd, VHOST_SET_BACKEND_FEATURES, &features));
	for (bit = 0; bit < 64; bit++) {
		one = VT_BIT(bit);
		EXPECT_EQ(features & one ? 0 : -EOPNOTSUPP,
			  vt_ioctl(self->dev.fd, VHOST_SET_BACKEND_FEATURES, &one))
			TH_LOG("backend feature bit %u", bit);
	}
	EXPECT_EQ(-EFAULT, vt_ioctl(self->dev.fd, VHOST_SET_BACKEND_FEATURES, BAD_PTR));
	EXPECT_EQ(-EFAULT, vt_ioctl(self->dev.fd, VHOST_GET_BACKEND_FEATURES, BAD_PTR));
}

/* a table of n regions of one page, side by side in memory */
static struct vhost_memory *table_of(struct vt_mem *mem, unsigned int n)
{
	struct vhost_memory *table;
	unsigned int i;

	table = calloc(1, sizeof(*table) + n * sizeof(table->regions[0]));
	table->nregions = n;
	for (i = 0; i < n; i++)
		table->regions[i] = (struct vhost_memory_region) {
			.guest_phys_addr = i * 2 * VT_PAGE,
			.memory_size = VT_PAGE,
			.userspace_addr = (uintptr_t)mem->base + i % 1024 * VT_PAGE,
		};
	return table;
}

static int set_table(FIXTURE_DATA(uapi) *self, struct vhost_memory *table)
{
	return vt_ioctl(self->dev.fd, VHOST_SET_MEM_TABLE, table);
}

TEST_F(uapi, memory_tables)
{
	static const unsigned int good[] = { 0, 1, 2, 64, 1023, 1024, 1025,
					     ASV_VHOST_MAX_MEM_REGIONS };
	struct vhost_memory *table;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(good); i++) {
		table = table_of(&self->mem, good[i]);
		EXPECT_EQ(0, set_table(self, table)) TH_LOG("%u regions", good[i]);
		free(table);
	}
	table = table_of(&self->mem, 3);
	table->nregions = ASV_VHOST_MAX_MEM_REGIONS + 1;
	EXPECT_EQ(-E2BIG, set_table(self, table));
	table->nregions = ~0;
	EXPECT_EQ(-E2BIG, set_table(self, table));
	table->nregions = 3;
	table->padding = 1;
	EXPECT_EQ(-EOPNOTSUPP, set_table(self, table));
	table->padding = 0;

	/* vhost.ko refuses an empty region and one that wraps around */
	table->regions[1].memory_size = 0;
	EXPECT_EQ(-EFAULT, set_table(self, table));
	table->regions[1].memory_size = ~0ULL;
	EXPECT_EQ(-EFAULT, set_table(self, table));
	table->regions[1].memory_size = VT_PAGE;
	table->regions[1].guest_phys_addr = -(VT_PAGE / 2);
	EXPECT_EQ(-EFAULT, set_table(self, table));
	/* the last page of the address space is good */
	table->regions[1].guest_phys_addr = -VT_PAGE;
	EXPECT_EQ(0, set_table(self, table));
	free(table);

	EXPECT_EQ(-EFAULT, vt_ioctl(self->dev.fd, VHOST_SET_MEM_TABLE, BAD_PTR));
	/* a table that is cut off by the end of a mapping */
	table = mmap(NULL, 2 * VT_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		     -1, 0);
	ASSERT_EQ(0, munmap((uint8_t *)table + VT_PAGE, VT_PAGE));
	table->nregions = 500;
	EXPECT_EQ(-EFAULT, set_table(self, table));
}

/* regions that overlap in guest memory are no table that means anything */
TEST_F(uapi, memory_overlap)
{
	struct vhost_memory *table = table_of(&self->mem, 3);

	table->regions[2].guest_phys_addr = table->regions[1].guest_phys_addr;
	EXPECT_NE(0, set_table(self, table));
	table->regions[2].guest_phys_addr = table->regions[1].guest_phys_addr + VT_PAGE - 1;
	EXPECT_NE(0, set_table(self, table));
	table->regions[0].guest_phys_addr = 0;
	table->regions[0].memory_size = 1ULL << 40;
	EXPECT_NE(0, set_table(self, table));
	free(table);
	/* the same user memory twice is aliasing, and allowed */
	table = table_of(&self->mem, 2);
	table->regions[1].userspace_addr = table->regions[0].userspace_addr;
	EXPECT_EQ(0, set_table(self, table));
	/* in any order */
	table->regions[0].guest_phys_addr = 1ULL << 40;
	EXPECT_EQ(0, set_table(self, table));
	free(table);
}

/* memory that user space does not have is found at the latest when a queue starts */
TEST_F(uapi, memory_beyond_user)
{
	struct vhost_memory *table = table_of(&self->mem, 1);
	int ret;

	ASSERT_EQ(0, prepare(self, variant, VERSION_1));
	table->regions[0].userspace_addr = 0xffff800000000000ULL;
	ret = set_table(self, table);
	if (!ret)
		ret = backend(self, variant, true);
	EXPECT_EQ(-EFAULT, ret);
	table->regions[0].userspace_addr = (uintptr_t)self->mem.base;
	table->regions[0].memory_size = 1ULL << 62;
	ret = set_table(self, table);
	if (!ret)
		ret = backend(self, variant, true);
	EXPECT_EQ(-EFAULT, ret);
	free(table);
}

static const unsigned long vring_ioctls[] = {
	VHOST_SET_VRING_NUM, VHOST_SET_VRING_BASE, VHOST_GET_VRING_BASE, VHOST_SET_VRING_ADDR,
	VHOST_SET_VRING_KICK, VHOST_SET_VRING_CALL, VHOST_SET_VRING_ERR,
	VHOST_SET_VRING_BUSYLOOP_TIMEOUT, VHOST_GET_VRING_BUSYLOOP_TIMEOUT,
	VHOST_GET_VRING_WORKER, VHOST_ATTACH_VRING_WORKER,
};

TEST_F(uapi, vring_index)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(vring_ioctls); i++) {
		struct vhost_vring_addr arg = { .index = variant->queues };

		EXPECT_EQ(-ENOBUFS, vt_ioctl(self->dev.fd, vring_ioctls[i], &arg))
			TH_LOG("ioctl %#lx", vring_ioctls[i]);
		arg.index = ~0;
		EXPECT_EQ(-ENOBUFS, vt_ioctl(self->dev.fd, vring_ioctls[i], &arg))
			TH_LOG("ioctl %#lx", vring_ioctls[i]);
		EXPECT_EQ(-EFAULT, vt_ioctl(self->dev.fd, vring_ioctls[i], BAD_PTR))
			TH_LOG("ioctl %#lx", vring_ioctls[i]);
	}
	EXPECT_EQ(0, vt_ioctl_state(self->dev.fd, VHOST_SET_VRING_NUM, variant->queues - 1, 4));
}

TEST_F(uapi, vring_num)
{
	int fd = self->dev.fd;
	unsigned int num;

	ASSERT_EQ(0, vt_dev_features(&self->dev, VERSION_1));
	EXPECT_EQ(-EINVAL, vt_ioctl_state(fd, VHOST_SET_VRING_NUM, 0, 0));
	EXPECT_EQ(-EINVAL, vt_ioctl_state(fd, VHOST_SET_VRING_NUM, 0, 65536));
	EXPECT_EQ(-EINVAL, vt_ioctl_state(fd, VHOST_SET_VRING_NUM, 0, ~0));
	EXPECT_EQ(-EINVAL, vt_ioctl_state(fd, VHOST_SET_VRING_NUM, 0,
					  ASV_VHOST_MAX_RING + 1));
	for (num = 1; num <= 1024; num *= 2)
		EXPECT_EQ(0, vt_ioctl_state(fd, VHOST_SET_VRING_NUM, 0, num));
	ASSERT_EQ(0, vt_dev_features(&self->dev, VERSION_1 | PACKED));
	for (num = 1; num <= 1024; num += 93)
		EXPECT_EQ(0, vt_ioctl_state(fd, VHOST_SET_VRING_NUM, 0, num));
	EXPECT_EQ(-EINVAL, vt_ioctl_state(fd, VHOST_SET_VRING_NUM, 0, 0));
	EXPECT_EQ(-EINVAL, vt_ioctl_state(fd, VHOST_SET_VRING_NUM, 0,
					  ASV_VHOST_MAX_RING + 1));
}

/* a split ring's size that is no power of two is refused when it starts at the latest */
TEST_F(uapi, vring_num_split)
{
	int ret;

	ASSERT_EQ(0, prepare(self, variant, VERSION_1));
	ret = vt_ioctl_state(self->dev.fd, VHOST_SET_VRING_NUM, 0, 48);
	if (!ret)
		ret = backend(self, variant, true);
	EXPECT_EQ(-EINVAL, ret);
}

TEST_F(uapi, vring_base)
{
	struct vhost_vring_state state = { .index = 1 };
	int fd = self->dev.fd;

	ASSERT_EQ(0, vt_dev_features(&self->dev, VERSION_1));
	EXPECT_EQ(0, vt_ioctl_state(fd, VHOST_SET_VRING_BASE, 1, 0xffff));
	EXPECT_EQ(0, vt_ioctl(fd, VHOST_GET_VRING_BASE, &state));
	EXPECT_EQ(1, state.index);
	EXPECT_EQ(0xffff, state.num);
	EXPECT_EQ(-EINVAL, vt_ioctl_state(fd, VHOST_SET_VRING_BASE, 1, 0x10000));
	EXPECT_EQ(0, vt_ioctl(fd, VHOST_GET_VRING_BASE, &state));
	EXPECT_EQ(0xffff, state.num);
	/* packed: avail and wrap in the low half, used and wrap in the high one */
	ASSERT_EQ(0, vt_dev_features(&self->dev, VERSION_1 | PACKED));
	EXPECT_EQ(0, vt_ioctl_state(fd, VHOST_SET_VRING_NUM, 1, 64));
	EXPECT_EQ(0, vt_ioctl_state(fd, VHOST_SET_VRING_BASE, 1, 0x801f0020));
	EXPECT_EQ(0, vt_ioctl(fd, VHOST_GET_VRING_BASE, &state));
	EXPECT_EQ(0x801f0020, state.num);
}

TEST_F(uapi, vring_addr)
{
	struct vhost_vring_addr good, bad;
	uint8_t *area = vt_alloc(&self->mem, 16384, VT_PAGE);
	int fd = self->dev.fd;

	good = (struct vhost_vring_addr) {
		.desc_user_addr = (uintptr_t)area,
		.avail_user_addr = (uintptr_t)area + 4096,
		.used_user_addr = (uintptr_t)area + 8192,
	};
	ASSERT_EQ(0, vt_ioctl_state(fd, VHOST_SET_VRING_NUM, 0, 16));
	EXPECT_EQ(0, vt_ioctl(fd, VHOST_SET_VRING_ADDR, &good));
	bad = good;
	bad.flags = 2;
	EXPECT_EQ(-EOPNOTSUPP, vt_ioctl(fd, VHOST_SET_VRING_ADDR, &bad));
	bad = good;
	bad.avail_user_addr += 1;
	EXPECT_EQ(-EINVAL, vt_ioctl(fd, VHOST_SET_VRING_ADDR, &bad));
	bad = good;
	bad.used_user_addr += 2;
	EXPECT_EQ(-EINVAL, vt_ioctl(fd, VHOST_SET_VRING_ADDR, &bad));
	bad = good;
	bad.log_guest_addr = 2;
	EXPECT_EQ(-EINVAL, vt_ioctl(fd, VHOST_SET_VRING_ADDR, &bad));
}

/* rings that cannot be reached are found when the queue starts */
TEST_F(uapi, ring_unreachable)
{
	static const uint64_t bad[] = { 0xffff800000000000ULL, 0x8000000000000000ULL, -16ULL };
	unsigned int which, i;

	ASSERT_EQ(0, prepare(self, variant, VERSION_1));
	for (which = 0; which < 3; which++) {
		for (i = 0; i < ARRAY_SIZE(bad); i++) {
			struct vhost_vring_addr addr = {
				.desc_user_addr = (uintptr_t)self->vq.desc,
				.avail_user_addr = (uintptr_t)self->vq.avail,
				.used_user_addr = (uintptr_t)self->vq.used,
			};
			int ret;

			if (which == 0)
				addr.desc_user_addr = bad[i];
			else if (which == 1)
				addr.avail_user_addr = bad[i];
			else
				addr.used_user_addr = bad[i];
			ret = vt_ioctl(self->dev.fd, VHOST_SET_VRING_ADDR, &addr);
			if (!ret)
				ret = backend(self, variant, true);
			EXPECT_EQ(-EFAULT, ret) TH_LOG("area %u at %#llx", which,
						       (unsigned long long)bad[i]);
		}
	}
}

TEST_F(uapi, eventfds)
{
	static const unsigned long set[] = { VHOST_SET_VRING_KICK, VHOST_SET_VRING_CALL,
					     VHOST_SET_VRING_ERR };
	int fd = self->dev.fd, event = eventfd(0, 0), null = open("/dev/null", O_RDWR);
	unsigned int i, round;

	ASSERT_LE(0, event);
	ASSERT_LE(0, null);
	for (i = 0; i < ARRAY_SIZE(set); i++) {
		EXPECT_EQ(-EBADF, vt_ioctl_file(fd, set[i], 0, 9999));
		EXPECT_EQ(-EBADF, vt_ioctl_file(fd, set[i], 0, -2));
		EXPECT_EQ(-EINVAL, vt_ioctl_file(fd, set[i], 0, null));
		for (round = 0; round < 3; round++) {
			EXPECT_EQ(0, vt_ioctl_file(fd, set[i], 0, event));
			EXPECT_EQ(0, vt_ioctl_file(fd, set[i], 0, event));
			EXPECT_EQ(0, vt_ioctl_file(fd, set[i], 0, -1));
			EXPECT_EQ(0, vt_ioctl_file(fd, set[i], 0, -1));
		}
		EXPECT_EQ(0, vt_ioctl_file(fd, set[i], 0, event));
	}
	/* the device holds the events, not the descriptor */
	close(event);
	close(null);
}

TEST_F(uapi, running)
{
	struct vhost_vring_state state = { .index = 0 };
	unsigned int round;

	ASSERT_EQ(0, prepare(self, variant, VERSION_1));
	for (round = 0; round < 3; round++) {
		ASSERT_EQ(0, backend(self, variant, true));
		EXPECT_EQ(-EBUSY, vt_ioctl_state(self->dev.fd, VHOST_SET_VRING_NUM, 0, 32));
		EXPECT_EQ(-EBUSY, vt_ioctl_state(self->dev.fd, VHOST_SET_VRING_BASE, 0, 0));
		EXPECT_EQ(0, vt_ioctl(self->dev.fd, VHOST_GET_VRING_BASE, &state));
		EXPECT_EQ(0, vt_dev_memory(&self->dev));
		EXPECT_EQ(0, backend(self, variant, false));
		EXPECT_EQ(0, backend(self, variant, false));
		EXPECT_EQ(0, vt_ioctl_state(self->dev.fd, VHOST_SET_VRING_NUM, 0, 64));
	}
}

/* a queue does not start without ring, memory or backend; stopping always works */
TEST_F(uapi, not_ready)
{
	EXPECT_EQ(0, backend(self, variant, false));
	EXPECT_EQ(variant->net ? 0 : -ENODEV, backend(self, variant, !variant->net));
	ASSERT_EQ(0, attach(self, variant));
	EXPECT_NE(0, backend(self, variant, true));
	ASSERT_EQ(0, vt_dev_features(&self->dev, VERSION_1));
	EXPECT_NE(0, backend(self, variant, true));
	ASSERT_EQ(0, vt_queue_init(&self->vq, &self->mem, 0, 64, VERSION_1));
	ASSERT_EQ(0, vt_queue_setup(&self->dev, &self->vq, 0));
	EXPECT_EQ(-EFAULT, backend(self, variant, true));
	ASSERT_EQ(0, vt_dev_memory(&self->dev));
	EXPECT_EQ(0, backend(self, variant, true));
	EXPECT_EQ(0, backend(self, variant, false));
}

TEST_F(uapi, busyloop)
{
	struct vhost_vring_state state = { .index = 1, .num = 99 };

	EXPECT_EQ(0, vt_ioctl(self->dev.fd, VHOST_GET_VRING_BUSYLOOP_TIMEOUT, &state));
	EXPECT_EQ(0, state.num);
	EXPECT_EQ(0, vt_ioctl_state(self->dev.fd, VHOST_SET_VRING_BUSYLOOP_TIMEOUT, 1, 50));
	EXPECT_EQ(0, vt_ioctl(self->dev.fd, VHOST_GET_VRING_BUSYLOOP_TIMEOUT, &state));
	EXPECT_EQ(50, state.num);
	EXPECT_EQ(1, state.index);
}

TEST_F(uapi, log_descriptor)
{
	int fd = self->dev.fd, event = eventfd(0, 0), none = -1, bad = 9999;
	uint64_t base = (uintptr_t)self->mem.base;

	EXPECT_EQ(0, vt_ioctl(fd, VHOST_SET_LOG_FD, &event));
	EXPECT_EQ(0, vt_ioctl(fd, VHOST_SET_LOG_FD, &none));
	EXPECT_EQ(-EBADF, vt_ioctl(fd, VHOST_SET_LOG_FD, &bad));
	EXPECT_EQ(-EFAULT, vt_ioctl(fd, VHOST_SET_LOG_FD, BAD_PTR));
	EXPECT_EQ(0, vt_ioctl(fd, VHOST_SET_LOG_BASE, &base));
	EXPECT_EQ(-EFAULT, vt_ioctl(fd, VHOST_SET_LOG_BASE, BAD_PTR));
	close(event);
}

TEST_F(uapi, unknown)
{
	uint64_t arg[8] = {};

	EXPECT_EQ(-ENOTTY, vt_ioctl(self->dev.fd, _IO(VHOST_VIRTIO, 0x7f), arg));
	EXPECT_EQ(-ENOTTY, vt_ioctl(self->dev.fd, _IOW(VHOST_VIRTIO, 0xef, uint64_t), arg));
	EXPECT_EQ(-ENOTTY, vt_ioctl(self->dev.fd, _IO('x', 1), arg));
	EXPECT_EQ(-ENOTTY, vt_ioctl(self->dev.fd, VHOST_VSOCK_SET_RUNNING, arg));
	EXPECT_EQ(-ENOTTY, vt_ioctl(self->dev.fd, VHOST_VDPA_GET_DEVICE_ID, arg));
	/* legacy byte order is for kernels that are built for it */
	EXPECT_EQ(-ENOTTY, vt_ioctl(self->dev.fd, VHOST_SET_VRING_ENDIAN, arg));
	EXPECT_EQ(-ENOTTY, vt_ioctl(self->dev.fd, VHOST_GET_VRING_ENDIAN, arg));
	/* one kind of device does not know the other's */
	if (variant->net)
		EXPECT_EQ(-ENOTTY, vt_ioctl(self->dev.fd, ASV_BLK_DETACH, arg));
	if (!variant->net)
		EXPECT_EQ(-ENOTTY, vt_ioctl_file(self->dev.fd, VHOST_NET_SET_BACKEND, 0, -1));
}

static unsigned int worker_of(FIXTURE_DATA(uapi) *self, unsigned int index)
{
	struct vhost_vring_worker worker = { .index = index, .worker_id = ~0 };

	vt_ioctl(self->dev.fd, VHOST_GET_VRING_WORKER, &worker);
	return worker.worker_id;
}

TEST_F(uapi, workers)
{
	struct vhost_vring_worker attach = { .index = 0 };
	struct vhost_worker_state extra = {}, state = {};
	int fd = self->dev.fd;
	unsigned int first = worker_of(self, 0), n;

	ASSERT_NE(~0U, first);
	ASSERT_EQ(0, vt_ioctl(fd, VHOST_NEW_WORKER, &extra));
	EXPECT_NE(first, extra.worker_id);
	attach.worker_id = extra.worker_id;
	EXPECT_EQ(0, vt_ioctl(fd, VHOST_ATTACH_VRING_WORKER, &attach));
	EXPECT_EQ(extra.worker_id, worker_of(self, 0));
	EXPECT_EQ(-EBUSY, vt_ioctl(fd, VHOST_FREE_WORKER, &extra));
	attach.worker_id = first;
	EXPECT_EQ(0, vt_ioctl(fd, VHOST_ATTACH_VRING_WORKER, &attach));
	EXPECT_EQ(0, vt_ioctl(fd, VHOST_FREE_WORKER, &extra));
	EXPECT_EQ(-ENODEV, vt_ioctl(fd, VHOST_FREE_WORKER, &extra));
	EXPECT_EQ(-ENODEV, vt_ioctl(fd, VHOST_ATTACH_VRING_WORKER,
				    &(struct vhost_vring_worker) { .worker_id = 12345 }));
	EXPECT_EQ(-EFAULT, vt_ioctl(fd, VHOST_NEW_WORKER, BAD_PTR));
	/* bounded */
	for (n = 0; n < 2 * variant->queues + 4; n++)
		if (vt_ioctl(fd, VHOST_NEW_WORKER, &state))
			break;
	EXPECT_GE(variant->queues, n);
	EXPECT_EQ(-ENOSPC, vt_ioctl(fd, VHOST_NEW_WORKER, &state));
}

TEST_F(uapi, fork_owner)
{
	const char *node = variant->net ? VT_NET_NODE : VT_BLK_NODE;
	uint8_t kind, bad = 2;
	int fd, ret;

	kind = VHOST_FORK_OWNER_KTHREAD;
	EXPECT_EQ(-EBUSY, vt_ioctl(self->dev.fd, VHOST_SET_FORK_FROM_OWNER, &kind));
	EXPECT_EQ(0, vt_ioctl(self->dev.fd, VHOST_GET_FORK_FROM_OWNER, &kind));
	for (kind = 0; kind <= 1; kind++) {
		fd = open(node, O_RDWR);
		ASSERT_LE(0, fd);
		EXPECT_EQ(-EINVAL, vt_ioctl(fd, VHOST_SET_FORK_FROM_OWNER, &bad));
		EXPECT_EQ(-EFAULT, vt_ioctl(fd, VHOST_SET_FORK_FROM_OWNER, BAD_PTR));
		ret = vt_ioctl(fd, VHOST_SET_FORK_FROM_OWNER, &kind);
		/* a kernel without vhost tasks has kernel threads only */
		EXPECT_TRUE(!ret || (kind && ret == -EOPNOTSUPP));
		EXPECT_EQ(0, vt_ioctl(fd, VHOST_SET_OWNER, NULL));
		close(fd);
	}
}

TEST_F(uapi, limits)
{
	struct asv_limits limits = { 1000, 10, 1 << 20, 1 << 16 }, back = { ~0, ~0, ~0, ~0 };
	struct asv_limits bad = { .iops = (1ULL << 40) + 1 };

	EXPECT_EQ(0, vt_ioctl(self->dev.fd, ASV_GET_LIMITS, &back));
	EXPECT_EQ(0, back.iops);
	EXPECT_EQ(0, back.bps);
	EXPECT_EQ(0, vt_ioctl(self->dev.fd, ASV_SET_LIMITS, &limits));
	EXPECT_EQ(0, vt_ioctl(self->dev.fd, ASV_GET_LIMITS, &back));
	EXPECT_EQ(0, memcmp(&limits, &back, sizeof(back)));
	EXPECT_EQ(-EINVAL, vt_ioctl(self->dev.fd, ASV_SET_LIMITS, &bad));
	bad = (struct asv_limits) { .bps_burst = ~0ULL };
	EXPECT_EQ(-EINVAL, vt_ioctl(self->dev.fd, ASV_SET_LIMITS, &bad));
	EXPECT_EQ(-EFAULT, vt_ioctl(self->dev.fd, ASV_SET_LIMITS, BAD_PTR));
	EXPECT_EQ(-EFAULT, vt_ioctl(self->dev.fd, ASV_GET_LIMITS, BAD_PTR));
}

TEST_F(uapi, affinity)
{
	uint64_t cpu0 = 1, none = 0;
	struct asv_worker_affinity affinity = {
		.worker_id = worker_of(self, 0),
		.numa_node = -1,
		.cpus = (uintptr_t)&cpu0,
		.cpus_len = sizeof(cpu0),
	};
	int fd = self->dev.fd;

	EXPECT_EQ(0, vt_ioctl(fd, ASV_SET_WORKER_AFFINITY, &affinity));
	affinity.cpus = (uintptr_t)&none;
	EXPECT_EQ(-EINVAL, vt_ioctl(fd, ASV_SET_WORKER_AFFINITY, &affinity));
	affinity.cpus = (uintptr_t)BAD_PTR;
	EXPECT_EQ(-EFAULT, vt_ioctl(fd, ASV_SET_WORKER_AFFINITY, &affinity));
	affinity.cpus_len = 0;
	affinity.cpus = 0;
	EXPECT_EQ(0, vt_ioctl(fd, ASV_SET_WORKER_AFFINITY, &affinity));
	affinity.numa_node = 0;
	EXPECT_EQ(0, vt_ioctl(fd, ASV_SET_WORKER_AFFINITY, &affinity));
	affinity.numa_node = 1 << 20;
	EXPECT_EQ(-EINVAL, vt_ioctl(fd, ASV_SET_WORKER_AFFINITY, &affinity));
	affinity.numa_node = -2;
	EXPECT_EQ(-EINVAL, vt_ioctl(fd, ASV_SET_WORKER_AFFINITY, &affinity));
	affinity.numa_node = -1;
	affinity.pad = 1;
	EXPECT_EQ(-EINVAL, vt_ioctl(fd, ASV_SET_WORKER_AFFINITY, &affinity));
	affinity.pad = 0;
	affinity.worker_id = 54321;
	EXPECT_EQ(-ENODEV, vt_ioctl(fd, ASV_SET_WORKER_AFFINITY, &affinity));
}

TEST_F(uapi, name_and_id)
{
	struct asv_name name = { "web-1 disk" };
	uint32_t id = ~0;

	EXPECT_EQ(0, vt_ioctl(self->dev.fd, ASV_SET_NAME, &name));
	memset(&name, 'x', sizeof(name));
	EXPECT_EQ(-EINVAL, vt_ioctl(self->dev.fd, ASV_SET_NAME, &name));
	strcpy(name.name, "new\nline");
	EXPECT_EQ(-EINVAL, vt_ioctl(self->dev.fd, ASV_SET_NAME, &name));
	strcpy(name.name, "");
	EXPECT_EQ(0, vt_ioctl(self->dev.fd, ASV_SET_NAME, &name));
	EXPECT_EQ(0, vt_ioctl(self->dev.fd, ASV_GET_DEV_ID, &id));
	EXPECT_NE(~0U, id);
}

TEST_F(uapi, prepin)
{
	uint32_t on = 1, off = 0, bad = 2;

	ASSERT_EQ(0, vt_dev_memory(&self->dev));
	EXPECT_EQ(0, vt_ioctl(self->dev.fd, ASV_SET_PREPIN, &on));
	EXPECT_EQ(0, vt_dev_memory(&self->dev));
	EXPECT_EQ(0, vt_ioctl(self->dev.fd, ASV_SET_PREPIN, &off));
	EXPECT_EQ(-EINVAL, vt_ioctl(self->dev.fd, ASV_SET_PREPIN, &bad));
}

int main(int argc, char **argv)
{
	vt_require(VT_BLK_NODE);
	vt_require(VT_NET_NODE);
	return test_harness_run(argc, argv);
}
