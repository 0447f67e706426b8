// SPDX-License-Identifier: GPL-2.0-only
/* Messages of the vhost-user protocol: their form, and how they travel. */
#include "vhost_user.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

_Static_assert(offsetof(struct vu_msg, size) + 4 == VU_HEADER_SIZE, "wire format");

#define CONFIG_HEADER offsetof(struct vu_config, bytes)

/**
 * struct rule - the form of a request
 * @name: for messages; NULL: not spoken here
 * @min, @max: bytes of its payload
 * @min_fds, @max_fds: descriptors that come with it
 */
static const struct rule {
	const char *name;
	uint16_t min;
	uint16_t max;
	uint8_t min_fds;
	uint8_t max_fds;
} rules[VU_REQUEST_MAX] = {
	[VU_GET_FEATURES] = { "GET_FEATURES", 0, 0, 0, 0 },
	[VU_SET_FEATURES] = { "SET_FEATURES", 8, 8, 0, 0 },
	[VU_SET_OWNER] = { "SET_OWNER", 0, 0, 0, 0 },
	[VU_RESET_OWNER] = { "RESET_OWNER", 0, 0, 0, 0 },
	[VU_SET_MEM_TABLE] = { "SET_MEM_TABLE", 8, sizeof(struct vu_mem_table),
			       0, VU_TABLE_REGIONS },
	[VU_SET_LOG_BASE] = { "SET_LOG_BASE", 16, 16, 1, 1 },
	[VU_SET_LOG_FD] = { "SET_LOG_FD", 0, 8, 1, 1 },
	[VU_SET_VRING_NUM] = { "SET_VRING_NUM", 8, 8, 0, 0 },
	[VU_SET_VRING_ADDR] = { "SET_VRING_ADDR", 40, 40, 0, 0 },
	[VU_SET_VRING_BASE] = { "SET_VRING_BASE", 8, 8, 0, 0 },
	[VU_GET_VRING_BASE] = { "GET_VRING_BASE", 8, 8, 0, 0 },
	[VU_SET_VRING_KICK] = { "SET_VRING_KICK", 8, 8, 0, 1 },
	[VU_SET_VRING_CALL] = { "SET_VRING_CALL", 8, 8, 0, 1 },
	[VU_SET_VRING_ERR] = { "SET_VRING_ERR", 8, 8, 0, 1 },
	[VU_GET_PROTOCOL_FEATURES] = { "GET_PROTOCOL_FEATURES", 0, 0, 0, 0 },
	[VU_SET_PROTOCOL_FEATURES] = { "SET_PROTOCOL_FEATURES", 8, 8, 0, 0 },
	[VU_GET_QUEUE_NUM] = { "GET_QUEUE_NUM", 0, 0, 0, 0 },
	[VU_SET_VRING_ENABLE] = { "SET_VRING_ENABLE", 8, 8, 0, 0 },
	[VU_SET_BACKEND_REQ_FD] = { "SET_BACKEND_REQ_FD", 0, 0, 1, 1 },
	[VU_GET_CONFIG] = { "GET_CONFIG", CONFIG_HEADER,
			    sizeof(struct vu_config), 0, 0 },
	[VU_SET_CONFIG] = { "SET_CONFIG", CONFIG_HEADER,
			    sizeof(struct vu_config), 0, 0 },
	[VU_GET_INFLIGHT_FD] = { "GET_INFLIGHT_FD", VU_INFLIGHT_SIZE,
				 sizeof(struct vu_inflight), 0, 0 },
	[VU_SET_INFLIGHT_FD] = { "SET_INFLIGHT_FD", VU_INFLIGHT_SIZE,
				 sizeof(struct vu_inflight), 1, 1 },
	[VU_GET_MAX_MEM_SLOTS] = { "GET_MAX_MEM_SLOTS", 0, 0, 0, 0 },
	[VU_ADD_MEM_REG] = { "ADD_MEM_REG", 40, 40, 1, 1 },
	/* A descriptor is wrong here, but front ends that send one exist. */
	[VU_REM_MEM_REG] = { "REM_MEM_REG", 40, 40, 0, 1 },
};

static const struct rule *find_rule(uint32_t request)
{
	if (request >= VU_REQUEST_MAX || !rules[request].name)
		return NULL;
	return &rules[request];
}

const char *vu_name(uint32_t request)
{
	const struct rule *rule = find_rule(request);

	return rule ? rule->name : "unknown request";
}

const char *vu_check_header(const struct vu_msg *msg)
{
	if ((msg->flags & VU_VERSION_MASK) != VU_VERSION)
		return "not version 1 of the vhost-user protocol";
	if (msg->flags & VU_FLAG_REPLY)
		return "a reply to nothing";
	if (msg->size > VU_PAYLOAD_MAX)
		return "the message is too long";
	return NULL;
}

static const char *check_table(const struct vu_msg *msg)
{
	const size_t head = offsetof(struct vu_mem_table, region);

	if (msg->table.count > VU_TABLE_REGIONS)
		return "too many memory regions";
	if (msg->size != head + msg->table.count * sizeof(msg->table.region[0]))
		return "the size does not fit the number of regions";
	if (msg->nfds != msg->table.count)
		return "not one descriptor for each region";
	return NULL;
}

static const char *check_config(const struct vu_msg *msg)
{
	const struct vu_config *c = &msg->config;

	if (c->size > VU_CONFIG_MAX || c->offset > VU_CONFIG_MAX - c->size)
		return "outside the configuration space";
	if (msg->size != CONFIG_HEADER + c->size)
		return "the size does not fit the payload";
	return NULL;
}

static const char *check_vring_fd(const struct vu_msg *msg)
{
	if (msg->u64 & ~(uint64_t)(VU_VRING_INDEX_MASK | VU_VRING_NO_FD))
		return "unknown flags";
	if (msg->nfds != !(msg->u64 & VU_VRING_NO_FD))
		return "the flag and the number of descriptors contradict";
	return NULL;
}

const char *vu_check(const struct vu_msg *msg)
{
	const struct rule *rule = find_rule(msg->request);

	if (!rule)
		return "unknown request";
	if (msg->size < rule->min || msg->size > rule->max)
		return "wrong size";
	if (msg->nfds < rule->min_fds || msg->nfds > rule->max_fds)
		return "wrong number of descriptors";
	switch (msg->request) {
	case VU_SET_MEM_TABLE:
		return check_table(msg);
	case VU_GET_CONFIG:
	case VU_SET_CONFIG:
		return check_config(msg);
	case VU_SET_VRING_KICK:
	case VU_SET_VRING_CALL:
	case VU_SET_VRING_ERR:
		return check_vring_fd(msg);
	default:
		return NULL;
	}
}

void vu_close_fds(struct vu_msg *msg)
{
	unsigned int i;

	for (i = 0; i < msg->nfds; i++)
		if (msg->fd[i] >= 0)
			close(msg->fd[i]);
	msg->nfds = 0;
}

/* Take every descriptor that came, also those of a message that is then refused. */
static void take_fds(struct vu_msg *msg, struct msghdr *mh)
{
	struct cmsghdr *cm;

	for (cm = CMSG_FIRSTHDR(mh); cm; cm = CMSG_NXTHDR(mh, cm)) {
		unsigned int count, i;

		if (cm->cmsg_level != SOL_SOCKET || cm->cmsg_type != SCM_RIGHTS)
			continue;
		count = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(cm) + i * sizeof(int), sizeof(int));
			if (msg->nfds < VU_FDS_MAX)
				msg->fd[msg->nfds++] = fd;
			else
				close(fd);
		}
	}
}

/* Descriptors come with the first byte of a message. */
static int recv_header(int sock, struct vu_msg *msg)
{
	union {
		char space[CMSG_SPACE(VU_FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { msg, VU_HEADER_SIZE };
	struct msghdr mh = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof(control.space),
	};
	ssize_t n;

	n = recvmsg(sock, &mh, MSG_CMSG_CLOEXEC | MSG_WAITALL);
	if (n < 0)
		return -errno;
	take_fds(msg, &mh);
	if (mh.msg_flags & MSG_CTRUNC)
		return -EMSGSIZE;
	if (!n)
		return 0;
	return n == (ssize_t)VU_HEADER_SIZE ? 1 : -EPROTO;
}

int vu_recv(int sock, struct vu_msg *msg)
{
	ssize_t n;
	int ret;

	memset(msg, 0, sizeof(*msg));
	ret = recv_header(sock, msg);
	if (ret <= 0)
		goto out;
	ret = -EPROTO;
	if (vu_check_header(msg))
		goto out;
	ret = 1;
	if (!msg->size)
		return 1;
	n = recv(sock, msg->bytes, msg->size, MSG_WAITALL);
	if (n == (ssize_t)msg->size)
		return 1;
	ret = n < 0 ? -errno : -EPROTO;
out:
	vu_close_fds(msg);
	return ret;
}

int vu_send(int sock, const struct vu_msg *msg)
{
	union {
		char space[CMSG_SPACE(VU_FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control = { };
	struct iovec iov[] = {
		{ (void *)msg, VU_HEADER_SIZE },
		{ (void *)msg->bytes, msg->size },
	};
	struct msghdr mh = { .msg_iov = iov, .msg_iovlen = 2 };
	ssize_t n;

	if (msg->nfds) {
		struct cmsghdr *cm;

		mh.msg_control = control.space;
		mh.msg_controllen = CMSG_SPACE(msg->nfds * sizeof(int));
		cm = CMSG_FIRSTHDR(&mh);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(msg->nfds * sizeof(int));
		memcpy(CMSG_DATA(cm), msg->fd, msg->nfds * sizeof(int));
	}
	n = sendmsg(sock, &mh, MSG_NOSIGNAL);
	if (n < 0)
		return -errno;
	return n == (ssize_t)(VU_HEADER_SIZE + msg->size) ? 0 : -EPIPE;
}
