// SPDX-License-Identifier: GPL-2.0-only
/*
 * The counters by generic netlink, against what the test knows that it did; and who is
 * shown which device.
 */
#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>

#include <linux/genetlink.h>
#include <linux/netlink.h>

#include "kselftest_harness.h"

#include "lib/load.h"

#define REPLY_MAX	(256 << 10)

struct vq_stats {
	bool seen;
	uint64_t value[ASV_A_MAX + 1];
	char name[ASV_NAME_LEN];
};

static int netlink(void)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);

	return fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) ? -errno : fd;
}

/* one request with up to two attributes, 32 bits each, or a string */
static int request(int fd, uint16_t family, uint8_t cmd, uint16_t flags, uint16_t type1,
		   const void *data1, size_t len1, uint16_t type2, uint32_t data2)
{
	struct {
		struct nlmsghdr nlh;
		struct genlmsghdr genl;
		uint8_t attrs[128];
	} msg = {
		.nlh = { .nlmsg_type = family, .nlmsg_flags = NLM_F_REQUEST | flags },
		.genl = { .cmd = cmd, .version = 1 },
	};
	size_t len = 0;

	if (data1) {
		*(struct nlattr *)msg.attrs = (struct nlattr) { NLA_HDRLEN + len1, type1 };
		memcpy(msg.attrs + NLA_HDRLEN, data1, len1);
		len = NLA_HDRLEN + NLA_ALIGN(len1);
	}
	if (type2) {
		*(struct nlattr *)(msg.attrs + len) = (struct nlattr) { NLA_HDRLEN + 4, type2 };
		memcpy(msg.attrs + len + NLA_HDRLEN, &data2, 4);
		len += NLA_HDRLEN + 4;
	}
	msg.nlh.nlmsg_len = NLMSG_HDRLEN + GENL_HDRLEN + len;
	return send(fd, &msg, msg.nlh.nlmsg_len, 0) < 0 ? -errno : 0;
}

static uint64_t number(const struct nlattr *attr)
{
	const uint8_t *data = (const uint8_t *)attr + NLA_HDRLEN;
	uint64_t value = 0;

	memcpy(&value, data, attr->nla_len - NLA_HDRLEN < 8 ? attr->nla_len - NLA_HDRLEN : 8);
	return value;
}

/* call fn for each message of an answer; how many, or -errno */
static int answers(int fd, void (*fn)(const struct nlattr *attr, size_t len, void *arg),
		   void *arg)
{
	static uint8_t buf[REPLY_MAX];
	int n = 0;

	for (;;) {
		ssize_t len = recv(fd, buf, sizeof(buf), 0);
		struct nlmsghdr *nlh = (void *)buf;

		if (len < 0)
			return -errno;
		for (; NLMSG_OK(nlh, len); nlh = NLMSG_NEXT(nlh, len)) {
			if (nlh->nlmsg_type == NLMSG_ERROR)
				return ((struct nlmsgerr *)NLMSG_DATA(nlh))->error;
			if (nlh->nlmsg_type == NLMSG_DONE)
				return *(int *)NLMSG_DATA(nlh) < 0 ? *(int *)NLMSG_DATA(nlh) : n;
			fn((void *)((uint8_t *)NLMSG_DATA(nlh) + GENL_HDRLEN),
			   nlh->nlmsg_len - NLMSG_HDRLEN - GENL_HDRLEN, arg);
			n++;
			if (!(nlh->nlmsg_flags & NLM_F_MULTI))
				return n;
		}
	}
}

static void find_family(const struct nlattr *attr, size_t len, void *arg)
{
	for (; len >= NLA_HDRLEN && attr->nla_len >= NLA_HDRLEN && attr->nla_len <= len;
	     len -= NLA_ALIGN(attr->nla_len),
	     attr = (void *)((uint8_t *)attr + NLA_ALIGN(attr->nla_len)))
		if (attr->nla_type == CTRL_ATTR_FAMILY_ID)
			*(uint16_t *)arg = number(attr);
}

static int family_id(int fd)
{
	uint16_t id = 0;
	int ret = request(fd, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 0, CTRL_ATTR_FAMILY_NAME,
			  ASV_GENL_NAME, sizeof(ASV_GENL_NAME), 0, 0);

	if (!ret)
		ret = answers(fd, find_family, &id);
	return ret < 0 ? ret : id;
}

struct wanted {
	uint32_t dev, vq;
	struct vq_stats stats;
};

static void take_stats(const struct nlattr *attr, size_t len, void *arg)
{
	struct vq_stats stats = { .seen = true };
	struct wanted *wanted = arg;

	for (; len >= NLA_HDRLEN && attr->nla_len >= NLA_HDRLEN && attr->nla_len <= len;
	     len -= NLA_ALIGN(attr->nla_len) < len ? NLA_ALIGN(attr->nla_len) : len,
	     attr = (void *)((uint8_t *)attr + NLA_ALIGN(attr->nla_len))) {
		if (attr->nla_type > ASV_A_MAX)
			continue;
		stats.value[attr->nla_type] = number(attr);
		if (attr->nla_type == ASV_A_NAME)
			snprintf(stats.name, sizeof(stats.name), "%s",
				 (const char *)attr + NLA_HDRLEN);
	}
	if (stats.value[ASV_A_DEV_ID] == wanted->dev && stats.value[ASV_A_VQ_INDEX] == wanted->vq)
		wanted->stats = stats;
}

/* the counters of a queue, or of a device when cmd is ASV_CMD_GET_DEV; -ENOENT */
static int get(uint8_t cmd, int dev_fd, uint32_t dev, uint32_t vq, struct vq_stats *stats)
{
	struct wanted wanted = { .dev = dev, .vq = vq };
	uint32_t number_fd = dev_fd;
	int fd = netlink(), family, ret;

	if (fd < 0)
		return fd;
	family = family_id(fd);
	ret = family < 0 ? family : request(fd, family, cmd, NLM_F_DUMP, ASV_A_FD,
					    dev_fd < 0 ? NULL : &number_fd, 4,
					    cmd == ASV_CMD_GET_VQ ? ASV_A_DEV_ID : 0, dev);
	if (!ret)
		ret = answers(fd, take_stats, &wanted);
	close(fd);
	if (ret < 0)
		return ret;
	*stats = wanted.stats;
	return wanted.stats.seen ? 0 : -ENOENT;
}

static uint64_t more(const struct vq_stats *before, const struct vq_stats *after,
		     enum asv_attr attr)
{
	return after->value[attr] - before->value[attr];
}

FIXTURE(stats)
{
	struct vt_blk blk;
	struct vt_queue *vq;
	uint32_t id;
};

FIXTURE_VARIANT(stats)
{
	bool packed;
};

FIXTURE_VARIANT_ADD(stats, split) { false };
FIXTURE_VARIANT_ADD(stats, packed) { true };

FIXTURE_SETUP(stats)
{
	struct vt_blk_opts opts = { .disk = VT_DISK_DEV, .packed = variant->packed };
	struct asv_name name = { "counted" };

	ASSERT_EQ(0, vt_blk_start(&self->blk, &opts));
	self->vq = self->blk.vq;
	ASSERT_EQ(0, vt_ioctl(self->blk.dev.fd, ASV_SET_NAME, &name));
	ASSERT_EQ(0, vt_ioctl(self->blk.dev.fd, ASV_GET_DEV_ID, &self->id));
}

FIXTURE_TEARDOWN(stats)
{
	vt_blk_free(&self->blk);
}

TEST_F_TIMEOUT(stats, counters, 60)
{
	struct vq_stats before, after;
	struct vt_req *req = vt_req_new(&self->blk.mem, 4096);
	unsigned int i;

	ASSERT_EQ(0, get(ASV_CMD_GET_VQ, -1, self->id, 0, &before));
	EXPECT_STREQ("counted", before.name);
	EXPECT_EQ(128, before.value[ASV_A_RING_SIZE]);
	EXPECT_EQ(ASV_VQ_F_RUNNING | (variant->packed ? ASV_VQ_F_PACKED : 0),
		  before.value[ASV_A_VQ_FLAGS]);
	for (i = 0; i < 30; i++) {
		vt_req_set(req, i % 3 ? VIRTIO_BLK_T_IN : VIRTIO_BLK_T_OUT, 0,
			   i % 3 ? 4096 : 512);
		ASSERT_EQ(VIRTIO_BLK_S_OK, vt_blk_do(self->vq, req));
	}
	for (i = 0; i < 5; i++) {
		vt_req_set(req, VIRTIO_BLK_T_IN, ~0ULL, 512);
		ASSERT_EQ(VIRTIO_BLK_S_IOERR, vt_blk_do(self->vq, req));
	}
	ASSERT_EQ(0, get(ASV_CMD_GET_VQ, -1, self->id, 0, &after));
	EXPECT_EQ(35, more(&before, &after, ASV_A_REQUESTS));
	EXPECT_EQ(20 * 4096, more(&before, &after, ASV_A_BYTES_IN));
	EXPECT_EQ(10 * 512, more(&before, &after, ASV_A_BYTES_OUT));
	EXPECT_EQ(5, more(&before, &after, ASV_A_FAILED));
	EXPECT_EQ(0, more(&before, &after, ASV_A_ERRORS));
	/* one at a time, so each request had a kick, or was seen without one */
	EXPECT_GE(self->vq->nkicks, more(&before, &after, ASV_A_KICKS));
	EXPECT_LE(35, more(&before, &after, ASV_A_KICKS) +
		      more(&before, &after, ASV_A_KICKS_SUPPRESSED));
	EXPECT_LE(1, more(&before, &after, ASV_A_CALLS));
	EXPECT_GE(35 * 2, more(&before, &after, ASV_A_CALLS) +
			  more(&before, &after, ASV_A_CALLS_SUPPRESSED));
}

TEST_F(stats, broken)
{
	struct vt_sg sg = { vt_alloc(&self->blk.mem, 16, 16), 1, false };
	struct vq_stats stats;

	ASSERT_EQ(0, vt_add(self->vq, &sg, 1, false, NULL));
	vt_submit(self->vq);
	ASSERT_TRUE(vt_broken(self->vq, VT_WAIT_MS));
	ASSERT_EQ(0, get(ASV_CMD_GET_VQ, -1, self->id, 0, &stats));
	EXPECT_EQ(1, stats.value[ASV_A_ERRORS]);
	EXPECT_TRUE(stats.value[ASV_A_VQ_FLAGS] & ASV_VQ_F_BROKEN);
}

TEST_F(stats, device)
{
	struct vq_stats stats;

	ASSERT_EQ(0, get(ASV_CMD_GET_DEV, -1, self->id, 0, &stats));
	EXPECT_STREQ("counted", stats.name);
	EXPECT_EQ(getpid(), stats.value[ASV_A_PID]);
	EXPECT_EQ(0, stats.value[ASV_A_UID]);
	EXPECT_EQ(self->blk.dev.features, stats.value[ASV_A_FEATURES]);
	vt_dev_close(&self->blk.dev);
	EXPECT_EQ(-ENOENT, get(ASV_CMD_GET_DEV, -1, self->id, 0, &stats));
	EXPECT_EQ(-ENOENT, get(ASV_CMD_GET_VQ, -1, self->id, 0, &stats));
}

/* an ordinary user sees root's devices by a descriptor of a node only */
TEST_F(stats, rights)
{
	int null = open("/dev/null", O_RDWR), node = open(VT_BLK_NODE, O_RDWR);
	struct vq_stats stats;

	ASSERT_LE(0, null);
	ASSERT_LE(0, node);
	EXPECT_EQ(-EBADF, get(ASV_CMD_GET_VQ, null, self->id, 0, &stats));
	EXPECT_EQ(-EBADF, get(ASV_CMD_GET_VQ, 9999, self->id, 0, &stats));
	ASSERT_EQ(0, setresuid(65534, 65534, 65534));
	EXPECT_EQ(-ENOENT, get(ASV_CMD_GET_VQ, -1, self->id, 0, &stats));
	EXPECT_EQ(0, get(ASV_CMD_GET_VQ, node, self->id, 0, &stats));
	EXPECT_EQ(-EBADF, get(ASV_CMD_GET_VQ, null, self->id, 0, &stats));
}

/* read while devices come and go and queues are busy */
TEST_F_TIMEOUT(stats, under_load, 60)
{
	struct vt_load load;
	struct vq_stats stats;
	unsigned int i;
	pid_t child;

	ASSERT_EQ(0, vt_load_init(&load, self->vq, &self->blk.mem, 0, 256, 4096, 16));
	fflush(NULL);
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		struct vt_blk_opts opts = { .disk = VT_DISK_FILE, .mem_size = 1 << 20 };
		struct vt_blk blk;

		for (;;) {
			if (vt_blk_start(&blk, &opts))
				_exit(1);
			vt_blk_free(&blk);
		}
	}
	for (i = 0; i < 150; i++) {
		ASSERT_EQ(0, vt_load_run(&load, 4, false)) TH_LOG("%s", self->vq->why);
		ASSERT_EQ(0, get(ASV_CMD_GET_VQ, -1, self->id, 0, &stats));
	}
	EXPECT_EQ(0, kill(child, SIGKILL));
	waitpid(child, NULL, 0);
	EXPECT_EQ(0, vt_load_drain(&load));
	vt_load_free(&load);
}

int main(int argc, char **argv)
{
	vt_require(VT_BLK_NODE);
	return test_harness_run(argc, argv);
}
