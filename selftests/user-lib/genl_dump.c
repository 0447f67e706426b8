// SPDX-License-Identifier: GPL-2.0-only
/*
 * Dumps of a generic netlink family. libnl lets a program send and receive in its place:
 * the kernel here is a list of what each request is answered with.
 */
#include <errno.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>

#include "kselftest_harness.h"

#include "genl_dump.h"

#define FAMILY		33
#define CMD		7
#define ROWS		3
#define ATTR		1
#define ALWAYS		1000

/* the kernel: what it does with each request */
static struct {
	unsigned int requests;	/* so far */
	unsigned int intr;	/* so many of them find that the list changed */
	int end;		/* errno in the last message; with @intr, only of those */
	bool bare;		/* the last message has nothing behind its header */
	bool refuse;		/* an error message, with @end, in the place of any row */
	uint32_t seq;
	uint32_t attr;
	int cmd;
} kernel;

/* who asks */
static struct {
	unsigned int rows, restarts, stop_at;
	int fill;
} user;

static int fake_send(struct nl_sock *sock, struct nl_msg *msg)
{
	struct nlmsghdr *hdr = nlmsg_hdr(msg);
	struct nlattr *attr = nlmsg_find_attr(hdr, GENL_HDRLEN, ATTR);

	kernel.requests++;
	kernel.seq = hdr->nlmsg_seq;
	kernel.cmd = genlmsg_hdr(hdr)->cmd;
	kernel.attr = attr ? nla_get_u32(attr) : 0;
	if (hdr->nlmsg_type != FAMILY || !(hdr->nlmsg_flags & NLM_F_DUMP))
		return -NLE_INVAL;
	return hdr->nlmsg_len;
}

/* one message into a packet of them; returns where the next one goes */
static char *put(char *at, int type, int flags, const void *data, size_t len)
{
	struct nlmsghdr hdr = {
		.nlmsg_len = NLMSG_LENGTH(len), .nlmsg_type = type,
		.nlmsg_flags = NLM_F_MULTI | flags, .nlmsg_seq = kernel.seq,
	};

	memcpy(at, &hdr, sizeof(hdr));
	memcpy(at + NLMSG_HDRLEN, data, len);
	return at + NLMSG_ALIGN(hdr.nlmsg_len);
}

static int fake_recv(struct nl_sock *sock, struct sockaddr_nl *from, unsigned char **buf,
		     struct ucred **creds)
{
	int flags = kernel.requests <= kernel.intr ? NLM_F_DUMP_INTR : 0, i;
	int end = kernel.intr && !flags ? 0 : -kernel.end;
	char *room = calloc(1, 4096), *at = room;
	struct genlmsghdr row = { .cmd = CMD, .version = 1 };
	struct nlmsgerr err = { .error = end };

	memset(from, 0, sizeof(*from));
	from->nl_family = AF_NETLINK;
	if (kernel.refuse) {
		at = put(at, NLMSG_ERROR, 0, &err, sizeof(err));
	} else {
		for (i = 0; i < ROWS; i++)
			at = put(at, FAMILY, flags, &row, sizeof(row));
		at = put(at, NLMSG_DONE, flags, &end, kernel.bare ? 0 : sizeof(end));
	}
	*buf = (unsigned char *)room;
	return at - room;
}

static int fill(struct nl_msg *msg, void *data)
{
	return user.fill ? user.fill : nla_put_u32(msg, ATTR, 4711);
}

static bool take(struct nl_msg *msg, void *data)
{
	return ++user.rows != user.stop_at;
}

static void restart(void *data)
{
	user.restarts++;
	user.rows = 0;
}

FIXTURE(dump)
{
	struct nl_sock *sock;
	struct genl_dump d;
};

FIXTURE_SETUP(dump)
{
	struct nl_cb *cb = nl_cb_alloc(NL_CB_DEFAULT);

	memset(&kernel, 0, sizeof(kernel));
	memset(&user, 0, sizeof(user));
	nl_cb_overwrite_send(cb, fake_send);
	nl_cb_overwrite_recv(cb, fake_recv);
	self->sock = nl_socket_alloc_cb(cb);
	nl_cb_put(cb);
	ASSERT_NE(NULL, self->sock);
	self->d = (struct genl_dump){
		.sock = self->sock, .family = FAMILY, .cmd = CMD, .version = 1,
		.fill = fill, .take = take, .restart = restart,
	};
}

FIXTURE_TEARDOWN(dump)
{
	nl_socket_free(self->sock);
}

TEST_F(dump, whole)
{
	EXPECT_EQ(NULL, genl_dump(&self->d));
	EXPECT_EQ(ROWS, user.rows);
	EXPECT_EQ(1, kernel.requests);
	EXPECT_EQ(CMD, kernel.cmd);
	EXPECT_EQ(4711, kernel.attr);
	/* again on the same connection, without attributes, from a kernel that says less */
	self->d.fill = NULL;
	kernel.bare = true;
	EXPECT_EQ(NULL, genl_dump(&self->d));
	EXPECT_EQ(2 * ROWS, user.rows);
	EXPECT_EQ(0, kernel.attr);
}

/* rows came, and then the kernel could not go on */
TEST_F(dump, failed_at_the_end)
{
	kernel.end = EMSGSIZE;
	EXPECT_STREQ(strerror(EMSGSIZE), genl_dump(&self->d));
	EXPECT_EQ(1, kernel.requests);
	kernel.end = 0;
	EXPECT_EQ(NULL, genl_dump(&self->d));
}

TEST_F(dump, refused)
{
	kernel.refuse = true;
	kernel.end = EPERM;
	EXPECT_STREQ(nl_geterror(-NLE_PERM), genl_dump(&self->d));
	EXPECT_EQ(0, user.rows);
}

TEST_F(dump, list_that_changes)
{
	kernel.intr = 2;
	EXPECT_EQ(NULL, genl_dump(&self->d));
	EXPECT_EQ(3, kernel.requests);
	EXPECT_EQ(2, user.restarts);
	EXPECT_EQ(ROWS, user.rows);
	/* for ever: it is given up */
	kernel.intr = ALWAYS;
	EXPECT_STREQ(nl_geterror(-NLE_DUMP_INTR), genl_dump(&self->d));
	EXPECT_GT(20, kernel.requests);
	/* for one who has already shown what came */
	kernel.requests = 0;
	self->d.restart = NULL;
	EXPECT_STREQ(nl_geterror(-NLE_DUMP_INTR), genl_dump(&self->d));
	EXPECT_EQ(1, kernel.requests);
}

/* an end that failed counts for its own try only */
TEST_F(dump, failed_and_changed)
{
	kernel.intr = 1;
	kernel.end = EMSGSIZE;
	EXPECT_EQ(NULL, genl_dump(&self->d));
	EXPECT_EQ(ROWS, user.rows);
	kernel.intr = ALWAYS;
	EXPECT_STREQ(strerror(EMSGSIZE), genl_dump(&self->d));
}

TEST_F(dump, enough)
{
	user.stop_at = 2;
	kernel.intr = ALWAYS;
	EXPECT_EQ(NULL, genl_dump(&self->d));
	EXPECT_EQ(2, user.rows);
	EXPECT_EQ(1, kernel.requests);
}

TEST_F(dump, no_room_for_attributes)
{
	user.fill = -NLE_NOMEM;
	EXPECT_NE(NULL, genl_dump(&self->d));
	EXPECT_EQ(0, kernel.requests);
}

TEST_HARNESS_MAIN
