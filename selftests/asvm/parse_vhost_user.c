// SPDX-License-Identifier: GPL-2.0-only
/* Messages of the vhost-user protocol, and the table of a front end's memory. */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "kselftest_harness.h"

#include "fuzz.h"
#include "vhost_user.h"
#include "vhost_user_mem.h"

static struct vu_msg message(uint32_t request, uint32_t size, unsigned int nfds)
{
	struct vu_msg msg = {
		.request = request, .flags = VU_VERSION, .size = size, .nfds = nfds,
	};

	return msg;
}

#define GOOD(msg) EXPECT_EQ(NULL, vu_check(&(msg)))
#define BAD(msg) EXPECT_NE(NULL, vu_check(&(msg)))

TEST(header)
{
	struct vu_msg msg = message(VU_GET_FEATURES, 0, 0);

	EXPECT_EQ(NULL, vu_check_header(&msg));
	msg.flags = 2;
	EXPECT_NE(NULL, vu_check_header(&msg));
	msg.flags = VU_VERSION | VU_FLAG_REPLY;
	EXPECT_NE(NULL, vu_check_header(&msg));
	msg.flags = VU_VERSION;
	msg.size = VU_PAYLOAD_MAX;
	EXPECT_EQ(NULL, vu_check_header(&msg));
	msg.size++;
	EXPECT_NE(NULL, vu_check_header(&msg));
	msg.size = UINT32_MAX;
	EXPECT_NE(NULL, vu_check_header(&msg));
}

TEST(unknown_requests)
{
	static const uint32_t numbers[] = { 0, 19, 20, 22, 23, 26, 33, 39, 1000, UINT32_MAX };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(numbers); i++) {
		struct vu_msg msg = message(numbers[i], 0, 0);

		BAD(msg);
	}
}

/* Each request at its size, one byte more and one less; and with a descriptor too many. */
TEST(sizes)
{
	static const struct {
		uint32_t request, size, nfds;
	} form[] = {
		{ VU_GET_FEATURES, 0, 0 }, { VU_SET_FEATURES, 8, 0 },
		{ VU_SET_OWNER, 0, 0 }, { VU_SET_LOG_BASE, 16, 1 },
		{ VU_SET_VRING_NUM, 8, 0 }, { VU_SET_VRING_ADDR, 40, 0 },
		{ VU_SET_VRING_BASE, 8, 0 }, { VU_GET_VRING_BASE, 8, 0 },
		{ VU_GET_PROTOCOL_FEATURES, 0, 0 }, { VU_SET_PROTOCOL_FEATURES, 8, 0 },
		{ VU_GET_QUEUE_NUM, 0, 0 }, { VU_SET_VRING_ENABLE, 8, 0 },
		{ VU_SET_BACKEND_REQ_FD, 0, 1 }, { VU_GET_MAX_MEM_SLOTS, 0, 0 },
		{ VU_ADD_MEM_REG, 40, 1 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(form); i++) {
		struct vu_msg msg = message(form[i].request, form[i].size, form[i].nfds);

		GOOD(msg);
		msg.size++;
		BAD(msg);
		msg.size -= 2;
		BAD(msg);
		msg.size++;
		msg.nfds++;
		BAD(msg);
		if (form[i].nfds) {
			msg.nfds = 0;
			BAD(msg);
		}
	}
}

TEST(mem_table)
{
	struct vu_msg msg = message(VU_SET_MEM_TABLE, 8 + 2 * 32, 2);

	msg.table.count = 2;
	GOOD(msg);
	msg.nfds = 1;
	BAD(msg);
	msg.nfds = 2;
	msg.table.count = 1;
	BAD(msg);
	msg.table.count = 9;
	msg.size = 8 + 9 * 32;
	msg.nfds = 8;
	BAD(msg);
	msg.table.count = UINT32_MAX;
	BAD(msg);
	/* The number wraps to the right size in 32 bits. */
	msg.table.count = 0x08000001;
	msg.size = 8 + 32;
	msg.nfds = 1;
	BAD(msg);
}

TEST(config_space)
{
	struct vu_msg msg = message(VU_GET_CONFIG, 12 + 60, 0);

	msg.config.size = 60;
	GOOD(msg);
	msg.config.offset = 196;
	GOOD(msg);
	msg.config.offset = 197;
	BAD(msg);
	msg.config.offset = UINT32_MAX;
	BAD(msg);
	msg.config.offset = 0;
	msg.config.size = 61;
	BAD(msg);
	msg.config.size = 257;
	msg.size = 12 + 257;
	BAD(msg);
}

TEST(vring_descriptors)
{
	struct vu_msg msg = message(VU_SET_VRING_CALL, 8, 1);

	msg.u64 = 3;
	GOOD(msg);
	msg.nfds = 0;
	BAD(msg);
	msg.u64 = 3 | VU_VRING_NO_FD;
	GOOD(msg);
	msg.nfds = 1;
	BAD(msg);
	msg.nfds = 0;
	msg.u64 = VU_VRING_NO_FD | 0x200;
	BAD(msg);
	msg.u64 = VU_VRING_NO_FD | 1ULL << 32;
	BAD(msg);
}

TEST(in_flight_padding)
{
	struct vu_msg msg = message(VU_GET_INFLIGHT_FD, 20, 0);

	GOOD(msg);
	msg.size = 24;
	GOOD(msg);
	msg.size = 25;
	BAD(msg);
	msg.size = 19;
	BAD(msg);
}

static int open_fds(void)
{
	int fd, n = 0;

	for (fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

FIXTURE(wire)
{
	int fd[2];
	int before;
};

FIXTURE_SETUP(wire)
{
	const struct timeval tv = { .tv_usec = 200000 };

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, self->fd));
	setsockopt(self->fd[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	self->before = open_fds();
}

FIXTURE_TEARDOWN(wire)
{
	close(self->fd[0]);
	close(self->fd[1]);
}

TEST_F(wire, with_descriptors)
{
	struct vu_msg msg = message(VU_SET_LOG_BASE, 16, 1), got;

	msg.log.size = 4096;
	msg.fd[0] = self->fd[0];
	ASSERT_EQ(0, vu_send(self->fd[1], &msg));
	ASSERT_EQ(1, vu_recv(self->fd[0], &got));
	EXPECT_EQ(VU_SET_LOG_BASE, got.request);
	EXPECT_EQ(4096, got.log.size);
	ASSERT_EQ(1, got.nfds);
	EXPECT_EQ(FD_CLOEXEC, fcntl(got.fd[0], F_GETFD));
	vu_close_fds(&got);
	EXPECT_EQ(self->before, open_fds());
}

TEST_F(wire, gone)
{
	struct vu_msg got;

	close(self->fd[1]);
	EXPECT_EQ(0, vu_recv(self->fd[0], &got));
	self->fd[1] = -1;
}

/* Byte for byte as the protocol has it: three words, then the payload at once. */
TEST_F(wire, bytes)
{
	static const uint32_t features[] = {
		VU_SET_FEATURES, VU_VERSION, 8, 0x11223344, 0x55667788,
	};
	struct vu_msg got, answer = message(VU_GET_FEATURES, 8, 0);
	uint32_t raw[8];

	ASSERT_EQ(20, write(self->fd[1], features, sizeof(features)));
	ASSERT_EQ(1, vu_recv(self->fd[0], &got));
	EXPECT_EQ(0x5566778811223344, got.u64);
	answer.flags |= VU_FLAG_REPLY;
	answer.u64 = 0x5566778811223344;
	ASSERT_EQ(0, vu_send(self->fd[0], &answer));
	ASSERT_EQ(20, recv(self->fd[1], raw, sizeof(raw), 0));
	EXPECT_EQ(VU_GET_FEATURES, raw[0]);
	EXPECT_EQ(5, raw[1]);
	EXPECT_EQ(8, raw[2]);
	EXPECT_EQ(0x11223344, raw[3]);
	EXPECT_EQ(0x55667788, raw[4]);
}

/* Cut anywhere: an error, and no descriptor left. */
TEST_F(wire, cut)
{
	static const uint32_t features[] = { VU_SET_FEATURES, VU_VERSION, 8, 0, 0 };
	struct vu_msg got;
	int n;

	for (n = 1; n < sizeof(features); n++) {
		int pair[2];

		ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
		ASSERT_EQ(n, write(pair[1], features, n));
		close(pair[1]);
		EXPECT_GT(0, vu_recv(pair[0], &got));
		close(pair[0]);
	}
	EXPECT_EQ(self->before, open_fds());
}

TEST_F(wire, descriptors_of_a_bad_message)
{
	struct vu_msg msg = message(VU_SET_LOG_BASE, 16, 1), got;

	msg.fd[0] = self->fd[0];
	msg.flags = 3;
	ASSERT_EQ(0, vu_send(self->fd[1], &msg));
	EXPECT_EQ(-EPROTO, vu_recv(self->fd[0], &got));
	EXPECT_EQ(0, got.nfds);
	EXPECT_EQ(self->before, open_fds());
}

TEST_F(wire, too_many_descriptors)
{
	char space[CMSG_SPACE(20 * sizeof(int))] = { };
	struct vu_msg msg = message(VU_SET_OWNER, 0, 0), got;
	struct iovec iov = { &msg, VU_HEADER_SIZE };
	struct msghdr mh = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = space, .msg_controllen = sizeof(space),
	};
	struct cmsghdr *cm = CMSG_FIRSTHDR(&mh);
	int i;

	cm->cmsg_level = SOL_SOCKET;
	cm->cmsg_type = SCM_RIGHTS;
	cm->cmsg_len = CMSG_LEN(20 * sizeof(int));
	for (i = 0; i < 20; i++)
		memcpy(CMSG_DATA(cm) + i * sizeof(int), &self->fd[0], sizeof(int));
	ASSERT_EQ(VU_HEADER_SIZE, sendmsg(self->fd[1], &mh, 0));
	EXPECT_GT(0, vu_recv(self->fd[0], &got));
	EXPECT_EQ(self->before, open_fds());
}

FIXTURE(mem)
{
	struct vu_mem mem;
	int fd;
};

FIXTURE_SETUP(mem)
{
	memset(&self->mem, 0, sizeof(self->mem));
	self->fd = memfd_create("mem", 0);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, ftruncate(self->fd, 1 << 20));
}

FIXTURE_TEARDOWN(mem)
{
	vu_mem_clear(&self->mem);
	close(self->fd);
}

#define ADD(...) vu_mem_add(&self->mem, &(struct vu_region_desc){ __VA_ARGS__ }, self->fd)

TEST_F(mem, refused)
{
	EXPECT_NE(NULL, ADD(0, 0, 0x1000, 0));
	EXPECT_NE(NULL, ADD(UINT64_MAX - 4095, 8192, 0, 0));
	EXPECT_NE(NULL, ADD(0, 8192, UINT64_MAX - 4095, 0));
	EXPECT_NE(NULL, ADD(0, 8192, 0x1000, UINT64_MAX - 4095));
	EXPECT_NE(NULL, ADD(0, (1 << 20) + 4096, 0x1000, 0));
	EXPECT_NE(NULL, ADD(0, 1 << 20, 0x1000, 4096));
	EXPECT_EQ(0, self->mem.count);
	/* What is no file cannot be mapped. */
	close(self->fd);
	self->fd = open("/dev/zero", O_RDWR);
	EXPECT_NE(NULL, ADD(0, 4096, 0x1000, 0));
	EXPECT_EQ(0, self->mem.count);
}

TEST_F(mem, overlap)
{
	ASSERT_EQ(NULL, ADD(0x10000, 0x10000, 0x7000000, 0));
	EXPECT_NE(NULL, ADD(0x1f000, 0x1000, 0x8000000, 0));
	EXPECT_NE(NULL, ADD(0x0, 0x10001, 0x8000000, 0));
	EXPECT_NE(NULL, ADD(0x40000, 0x1000, 0x700f000, 0));
	EXPECT_EQ(NULL, ADD(0x20000, 0x1000, 0x7010000, 0));
	EXPECT_EQ(2, self->mem.count);
}

/* A ring must be whole in one region: never half in it, never over two. */
TEST_F(mem, translate)
{
	const uint64_t base = 0x7f0000000000;
	uint64_t host;

	ASSERT_EQ(NULL, ADD(0, 0x10000, base, 0x1000));
	ASSERT_EQ(NULL, ADD(0x10000, 0x10000, base + 0x10000, 0x11000));
	host = vu_mem_host(&self->mem, base, 0x10000);
	ASSERT_NE(0, host);
	EXPECT_EQ(host + 0xfff0, vu_mem_host(&self->mem, base + 0xfff0, 16));
	EXPECT_EQ(0, vu_mem_host(&self->mem, base + 0xfff0, 17));
	EXPECT_EQ(0, vu_mem_host(&self->mem, base - 1, 1));
	EXPECT_EQ(0, vu_mem_host(&self->mem, base - 1, 16));
	EXPECT_EQ(0, vu_mem_host(&self->mem, base + 0x20000, 1));
	EXPECT_EQ(0, vu_mem_host(&self->mem, base, UINT64_MAX));
	EXPECT_EQ(0, vu_mem_host(&self->mem, base + 8, UINT64_MAX - 4));
	EXPECT_EQ(0, vu_mem_host(&self->mem, UINT64_MAX, 2));
}

/* The mapping shows the bytes of the file at the offset that was asked for. */
TEST_F(mem, offset)
{
	const char mark = 'm';
	void *map;
	size_t len;
	char *at;

	ASSERT_EQ(1, pwrite(self->fd, &mark, 1, 5000));
	at = vu_map(self->fd, 5000, 100, &map, &len);
	ASSERT_NE(NULL, at);
	EXPECT_EQ(mark, *at);
	munmap(map, len);
}

TEST_F(mem, remove)
{
	struct vu_region_desc second = { 0x20000, 0x1000, 0x8000000, 0 };
	struct vhost_memory *table;
	int i;

	ASSERT_EQ(NULL, ADD(0x10000, 0x1000, 0x7000000, 0));
	ASSERT_EQ(NULL, vu_mem_add(&self->mem, &second, self->fd));
	ASSERT_EQ(NULL, ADD(0x30000, 0x1000, 0x9000000, 0));
	i = vu_mem_find(&self->mem, &second);
	ASSERT_EQ(1, i);
	table = vu_mem_table(&self->mem, i);
	ASSERT_NE(NULL, table);
	ASSERT_EQ(2, table->nregions);
	EXPECT_EQ(0x10000, table->regions[0].guest_phys_addr);
	EXPECT_EQ(0x30000, table->regions[1].guest_phys_addr);
	free(table);
	vu_mem_remove(&self->mem, i);
	EXPECT_EQ(-1, vu_mem_find(&self->mem, &second));
	EXPECT_EQ(2, self->mem.count);
	EXPECT_NE(0, vu_mem_host(&self->mem, 0x9000000, 0x1000));
}

TEST_F(mem, full)
{
	unsigned int i;

	for (i = 0; i < VU_REGIONS_MAX; i++)
		ASSERT_EQ(NULL, ADD(i * 0x1000, 0x1000, i * 0x1000, 0));
	EXPECT_NE(NULL, ADD(i * 0x1000, 0x1000, i * 0x1000, 0));
}

/* Whatever comes, what is let through is within the message. */
TEST(fuzz)
{
	struct fuzz f = { 0x13198a2e03707344 };
	unsigned int i, good = 0, n = fuzz_rounds() * 10;

	for (i = 0; i < n; i++) {
		struct vu_msg msg = message(fuzz_below(&f, 42), fuzz_below(&f, 300),
					    fuzz_below(&f, 9));
		unsigned int k;

		for (k = 0; k < 12; k++)
			msg.bytes[k] = fuzz_below(&f, 4) ? 0 : fuzz_next(&f);
		if (msg.request == VU_SET_MEM_TABLE && fuzz_below(&f, 2)) {
			msg.table.count = fuzz_below(&f, 10);
			msg.size = 8 + msg.table.count * 32;
			msg.nfds = msg.table.count;
		}
		if (vu_check_header(&msg) || vu_check(&msg))
			continue;
		good++;
		if (msg.request == VU_SET_MEM_TABLE)
			ASSERT_GE(VU_TABLE_REGIONS, msg.table.count);
		if (msg.request == VU_GET_CONFIG || msg.request == VU_SET_CONFIG)
			ASSERT_GE(VU_CONFIG_MAX, (uint64_t)msg.config.offset + msg.config.size);
	}
	EXPECT_LT(0, good);
}

TEST_HARNESS_MAIN
