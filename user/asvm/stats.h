/* SPDX-License-Identifier: GPL-2.0-only */
/* Counters of the backends, read by generic netlink. */
#ifndef ASVM_STATS_H
#define ASVM_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/asv_vhost.h>

#define STATS_FIRST	ASV_A_REQUESTS
#define STATS_COUNT	(ASV_A_HELPED - ASV_A_REQUESTS + 1)

/* struct stats_dev - a device, ASV_CMD_GET_DEV */
struct stats_dev {
	uint32_t id;
	uint32_t pid;
	uint32_t uid;
	uint32_t nvqs;
	uint64_t features;
	char kind[8];
	char name[ASV_NAME_LEN];
};

/**
 * struct stats_vq - a queue, ASV_CMD_GET_VQ
 * @counter: those of enum asv_attr, the first is STATS_FIRST
 */
struct stats_vq {
	uint32_t dev;
	uint32_t index;
	uint32_t flags;
	uint32_t size;
	uint32_t worker;
	char kind[8];
	char name[ASV_NAME_LEN];
	uint64_t counter[STATS_COUNT];
};

struct stats {
	struct stats_dev *dev;
	struct stats_vq *vq;
	size_t ndevs;
	size_t nvqs;
};

struct stats_source;

/* stats_open() - connect to the family; NULL after a message */
struct stats_source *stats_open(void);
void stats_close(struct stats_source *src);

/* stats_read() - all devices and queues, sorted; 0 or -1 after a message */
int stats_read(struct stats_source *src, struct stats *st);
void stats_free(struct stats *st);

#endif
