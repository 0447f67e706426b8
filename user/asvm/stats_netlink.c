// SPDX-License-Identifier: GPL-2.0-only
/* The generic netlink family of the backends' counters, by libnl. */
#include <fcntl.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "genl_dump.h"
#include "log.h"
#include "stats.h"

/* A kernel that sends more than this is not listened to any longer. */
#define ROWS_MAX 65536

/**
 * struct stats_source - the connection
 * @node: a descriptor of one of the devices, whose right to open it shows that this
 *	process may see all of them; -1: it sees its user's own
 */
struct stats_source {
	struct nl_sock *sock;
	int family;
	int node;
};

/* struct reading - a dump under way */
struct reading {
	const struct stats_source *src;
	struct stats *st;
	bool devices;
	bool full;
};

struct stats_source *stats_open(void)
{
	struct stats_source *src = calloc(1, sizeof(*src));
	int ret = -NLE_NOMEM;

	if (!src)
		goto err;
	src->node = -1;
	src->sock = nl_socket_alloc();
	if (!src->sock)
		goto err;
	ret = genl_connect(src->sock);
	if (ret < 0)
		goto err;
	src->family = genl_ctrl_resolve(src->sock, ASV_GENL_NAME);
	if (src->family < 0) {
		log_err("no counters: the modules asv_net and asv_blk are not loaded");
		stats_close(src);
		return NULL;
	}
	src->node = open("/dev/asv-blk", O_RDWR | O_CLOEXEC);
	if (src->node < 0)
		src->node = open("/dev/asv-net", O_RDWR | O_CLOEXEC);
	return src;
err:
	log_err("netlink: %s", nl_geterror(ret));
	stats_close(src);
	return NULL;
}

void stats_close(struct stats_source *src)
{
	if (!src)
		return;
	if (src->node >= 0)
		close(src->node);
	nl_socket_free(src->sock);
	free(src);
}

/* Room for one more row, zeroed; NULL when there is none. */
static void *add_row(void **rows, size_t *count, size_t size)
{
	char *more = *rows;

	if (*count == ROWS_MAX)
		return NULL;
	/* Grow at each power of two. */
	if (!(*count & (*count - 1))) {
		more = reallocarray(*rows, *count ? *count * 2 : 1, size);
		if (!more)
			return NULL;
		*rows = more;
	}
	more += (*count)++ * size;
	return memset(more, 0, size);
}

static uint32_t get_u32(struct nlattr **tb, int attr)
{
	return tb[attr] ? nla_get_u32(tb[attr]) : 0;
}

static uint64_t get_u64(struct nlattr **tb, int attr)
{
	return tb[attr] ? nla_get_u64(tb[attr]) : 0;
}

static void get_text(struct nlattr **tb, int attr, char *to, size_t size)
{
	if (tb[attr])
		nla_strlcpy(to, tb[attr], size);
}

static bool take_dev(struct stats *st, struct nlattr **tb)
{
	struct stats_dev *d = add_row((void **)&st->dev, &st->ndevs, sizeof(*d));

	if (!d)
		return false;
	d->id = get_u32(tb, ASV_A_DEV_ID);
	d->pid = get_u32(tb, ASV_A_PID);
	d->uid = get_u32(tb, ASV_A_UID);
	d->nvqs = get_u32(tb, ASV_A_NVQS);
	d->features = get_u64(tb, ASV_A_FEATURES);
	get_text(tb, ASV_A_KIND, d->kind, sizeof(d->kind));
	get_text(tb, ASV_A_NAME, d->name, sizeof(d->name));
	return true;
}

static bool take_vq(struct stats *st, struct nlattr **tb)
{
	struct stats_vq *q = add_row((void **)&st->vq, &st->nvqs, sizeof(*q));
	unsigned int i;

	if (!q)
		return false;
	q->dev = get_u32(tb, ASV_A_DEV_ID);
	q->index = get_u32(tb, ASV_A_VQ_INDEX);
	q->flags = get_u32(tb, ASV_A_VQ_FLAGS);
	q->size = get_u32(tb, ASV_A_RING_SIZE);
	q->worker = get_u32(tb, ASV_A_WORKER_ID);
	get_text(tb, ASV_A_KIND, q->kind, sizeof(q->kind));
	get_text(tb, ASV_A_NAME, q->name, sizeof(q->name));
	for (i = 0; i < STATS_COUNT; i++)
		q->counter[i] = get_u64(tb, STATS_FIRST + i);
	return true;
}

/* Types of what is read; an attribute of another type is a message refused. */
static const struct nla_policy policy[ASV_A_MAX + 1] = {
	[ASV_A_DEV_ID] = { .type = NLA_U32 },
	[ASV_A_KIND] = { .type = NLA_STRING },
	[ASV_A_NAME] = { .type = NLA_STRING },
	[ASV_A_PID] = { .type = NLA_U32 },
	[ASV_A_UID] = { .type = NLA_U32 },
	[ASV_A_NVQS] = { .type = NLA_U32 },
	[ASV_A_FEATURES] = { .type = NLA_U64 },
	[ASV_A_VQ_INDEX] = { .type = NLA_U32 },
	[ASV_A_VQ_FLAGS] = { .type = NLA_U32 },
	[ASV_A_RING_SIZE] = { .type = NLA_U32 },
	[ASV_A_WORKER_ID] = { .type = NLA_U32 },
	[ASV_A_REQUESTS ... ASV_A_HELPED] = { .type = NLA_U64 },
};

static bool take(struct nl_msg *msg, void *data)
{
	struct nlattr *tb[ASV_A_MAX + 1];
	struct reading *r = data;

	if (genlmsg_parse(nlmsg_hdr(msg), 0, tb, ASV_A_MAX, (struct nla_policy *)policy) < 0)
		return true;
	r->full = !(r->devices ? take_dev(r->st, tb) : take_vq(r->st, tb));
	return !r->full;
}

static int fill(struct nl_msg *msg, void *data)
{
	const struct reading *r = data;

	return r->src->node < 0 ? 0 : nla_put_u32(msg, ASV_A_FD, r->src->node);
}

static void restart(void *data)
{
	struct reading *r = data;

	if (r->devices)
		r->st->ndevs = 0;
	else
		r->st->nvqs = 0;
}

static int dump(struct stats_source *src, struct stats *st, bool devices)
{
	struct reading r = { .src = src, .st = st, .devices = devices };
	const struct genl_dump d = {
		.sock = src->sock, .family = src->family,
		.cmd = devices ? ASV_CMD_GET_DEV : ASV_CMD_GET_VQ, .version = ASV_GENL_VERSION,
		.fill = fill, .take = take, .restart = restart, .data = &r,
	};
	const char *why = genl_dump(&d);

	if (r.full)
		why = "too many devices for one list";
	if (why)
		log_err("cannot read the counters: %s", why);
	return why ? -1 : 0;
}

static int dev_order(const void *a, const void *b)
{
	const struct stats_dev *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

static int vq_order(const void *a, const void *b)
{
	const struct stats_vq *x = a, *y = b;

	if (x->dev != y->dev)
		return x->dev < y->dev ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

int stats_read(struct stats_source *src, struct stats *st)
{
	memset(st, 0, sizeof(*st));
	if (dump(src, st, true) || dump(src, st, false)) {
		stats_free(st);
		return -1;
	}
	if (st->ndevs)
		qsort(st->dev, st->ndevs, sizeof(st->dev[0]), dev_order);
	if (st->nvqs)
		qsort(st->vq, st->nvqs, sizeof(st->vq[0]), vq_order);
	return 0;
}

void stats_free(struct stats *st)
{
	free(st->dev);
	free(st->vq);
	memset(st, 0, sizeof(*st));
}
