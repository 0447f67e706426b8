/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The vhost-user protocol as the bridge speaks it: messages, what a well-formed one
 * is, and how they travel. Numbers are in the machine's byte order.
 */
#ifndef ASVM_VHOST_USER_H
#define ASVM_VHOST_USER_H

#include <linux/vhost_types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VU_F_PROTOCOL_FEATURES		30

#define VU_PROTOCOL_F_MQ		0
#define VU_PROTOCOL_F_LOG_SHMFD		1
#define VU_PROTOCOL_F_REPLY_ACK		3
#define VU_PROTOCOL_F_BACKEND_REQ	5
#define VU_PROTOCOL_F_CONFIG		9
#define VU_PROTOCOL_F_INFLIGHT_SHMFD	12
#define VU_PROTOCOL_F_MEM_SLOTS		15

enum vu_request {
	VU_GET_FEATURES = 1,
	VU_SET_FEATURES = 2,
	VU_SET_OWNER = 3,
	VU_RESET_OWNER = 4,
	VU_SET_MEM_TABLE = 5,
	VU_SET_LOG_BASE = 6,
	VU_SET_LOG_FD = 7,
	VU_SET_VRING_NUM = 8,
	VU_SET_VRING_ADDR = 9,
	VU_SET_VRING_BASE = 10,
	VU_GET_VRING_BASE = 11,
	VU_SET_VRING_KICK = 12,
	VU_SET_VRING_CALL = 13,
	VU_SET_VRING_ERR = 14,
	VU_GET_PROTOCOL_FEATURES = 15,
	VU_SET_PROTOCOL_FEATURES = 16,
	VU_GET_QUEUE_NUM = 17,
	VU_SET_VRING_ENABLE = 18,
	VU_SET_BACKEND_REQ_FD = 21,
	VU_GET_CONFIG = 24,
	VU_SET_CONFIG = 25,
	VU_GET_INFLIGHT_FD = 31,
	VU_SET_INFLIGHT_FD = 32,
	VU_GET_MAX_MEM_SLOTS = 36,
	VU_ADD_MEM_REG = 37,
	VU_REM_MEM_REG = 38,
	VU_REQUEST_MAX,
};

/* What the back-end sends on a channel of its own. */
#define VU_BACKEND_CONFIG_CHANGE	2

#define VU_VERSION		0x1
#define VU_VERSION_MASK		0x3
#define VU_FLAG_REPLY		0x4
#define VU_FLAG_NEED_REPLY	0x8

#define VU_FDS_MAX		8
#define VU_TABLE_REGIONS	8
#define VU_CONFIG_MAX		256

/* Of a payload that names a queue and brings a descriptor. */
#define VU_VRING_INDEX_MASK	0xff
#define VU_VRING_NO_FD		0x100

struct vu_region_desc {
	uint64_t guest_addr;
	uint64_t size;
	uint64_t user_addr;
	uint64_t mmap_offset;
};

struct vu_mem_table {
	uint32_t count;
	uint32_t padding;
	struct vu_region_desc region[VU_TABLE_REGIONS];
};

struct vu_mem_reg {
	uint64_t padding;
	struct vu_region_desc region;
};

struct vu_log {
	uint64_t size;
	uint64_t offset;
};

struct vu_config {
	uint32_t offset;
	uint32_t size;
	uint32_t flags;
	uint8_t bytes[VU_CONFIG_MAX];
};

/* The last four bytes are there or not, as a front end's compiler pads. */
struct vu_inflight {
	uint64_t size;
	uint64_t offset;
	uint16_t queues;
	uint16_t queue_size;
	uint32_t padding;
};

#define VU_INFLIGHT_SIZE	20

/**
 * struct vu_msg - one message
 * @request: enum vu_request
 * @flags: VU_VERSION and VU_FLAG_*
 * @size: bytes of the payload
 * @fd: descriptors that came with it; the receiver closes what it does not keep
 * @nfds: how many
 */
struct vu_msg {
	uint32_t request;
	uint32_t flags;
	uint32_t size;
	union {
		uint64_t u64;
		struct vhost_vring_state state;
		struct vhost_vring_addr addr;
		struct vu_mem_table table;
		struct vu_mem_reg reg;
		struct vu_log log;
		struct vu_config config;
		struct vu_inflight inflight;
		uint8_t bytes[512];
	};
	int fd[VU_FDS_MAX];
	unsigned int nfds;
};

/* On the wire the payload follows at once, without the padding that it has here. */
#define VU_HEADER_SIZE		12
#define VU_PAYLOAD_MAX		sizeof(((struct vu_msg *)0)->bytes)

/**
 * vu_check_header() - may the payload be read?
 * Return: NULL, or what is wrong; the connection cannot go on then.
 */
const char *vu_check_header(const struct vu_msg *msg);

/**
 * vu_check() - is a whole message well formed?
 *
 * Sizes, counts inside the payload and the number of descriptors; not whether it makes
 * sense now. Everything that is indexed by a field of the payload is checked here.
 *
 * Return: NULL, or what is wrong.
 */
const char *vu_check(const struct vu_msg *msg);

/* vu_name() - a request's name for messages */
const char *vu_name(uint32_t request);

/**
 * vu_recv() - take one message from a socket
 * Return: 1; 0 the other side has gone; -errno. Descriptors are close-on-exec.
 */
int vu_recv(int sock, struct vu_msg *msg);

/* vu_send() - send @msg with its payload and descriptors; 0 or -errno */
int vu_send(int sock, const struct vu_msg *msg);

/* vu_close_fds() - close those that nobody took (-1 marks a taken one) */
void vu_close_fds(struct vu_msg *msg);

#endif
