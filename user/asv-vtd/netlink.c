// SPDX-License-Identifier: GPL-2.0-only
/* The generic netlink family of asv_vtd, by libnl. */
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>
#include <stdlib.h>
#include <string.h>

#include "genl_dump.h"
#include "log.h"
#include "vtd.h"

/* A kernel that sends more than this is not listened to any longer. */
#define LEASES_MAX	65536

/**
 * struct vtd_netlink - a connection
 * @sock: for requests
 * @events: joined to the events, or NULL; of its own, so that a dump does not swallow any
 */
struct vtd_netlink {
	struct nl_sock *sock;
	struct nl_sock *events;
	int family;
};

/* struct reading - a dump under way */
struct reading {
	struct lease *list;
	size_t count;
	bool full;
};

static struct nl_sock *connect_socket(int *err)
{
	struct nl_sock *sock = nl_socket_alloc();

	*err = sock ? genl_connect(sock) : -NLE_NOMEM;
	if (*err >= 0)
		return sock;
	nl_socket_free(sock);
	return NULL;
}

static int join_events(struct vtd_netlink *nl)
{
	int group, ret;

	group = genl_ctrl_resolve_grp(nl->sock, ASV_VTD_GENL_NAME, ASV_VTD_GENL_EVENTS);
	if (group < 0)
		return group;
	nl->events = connect_socket(&ret);
	if (!nl->events)
		return ret;
	nl_socket_disable_seq_check(nl->events);
	ret = nl_socket_add_membership(nl->events, group);
	if (ret >= 0)
		ret = nl_socket_set_nonblocking(nl->events);
	return ret;
}

struct vtd_netlink *netlink_open(bool events, bool quiet)
{
	struct vtd_netlink *nl = calloc(1, sizeof(*nl));
	int ret = -NLE_NOMEM;

	if (!nl)
		goto err;
	nl->sock = connect_socket(&ret);
	if (!nl->sock)
		goto err;
	nl->family = genl_ctrl_resolve(nl->sock, ASV_VTD_GENL_NAME);
	if (nl->family < 0) {
		if (!quiet)
			log_err("the module asv_vtd is not loaded: modprobe asv_vtd");
		netlink_close(nl);
		return NULL;
	}
	ret = events ? join_events(nl) : 0;
	if (ret >= 0)
		return nl;
err:
	log_err("netlink: %s", nl_geterror(ret));
	netlink_close(nl);
	return NULL;
}

void netlink_close(struct vtd_netlink *nl)
{
	if (!nl)
		return;
	nl_socket_free(nl->events);
	nl_socket_free(nl->sock);
	free(nl);
}

int netlink_fd(const struct vtd_netlink *nl)
{
	return nl_socket_get_fd(nl->events);
}

/* Types of what is read; an attribute of another type is a message refused. */
static const struct nla_policy policy[ASV_VTD_A_MAX + 1] = {
	[ASV_VTD_A_EVENT] = { .type = NLA_U32 },
	[ASV_VTD_A_ADDRESS] = { .type = NLA_STRING },
	[ASV_VTD_A_STATE] = { .type = NLA_U32 },
	[ASV_VTD_A_OPEN] = { .type = NLA_U8 },
	[ASV_VTD_A_GROUP] = { .type = NLA_U32 },
	[ASV_VTD_A_PID] = { .type = NLA_U32 },
	[ASV_VTD_A_UID] = { .type = NLA_U32 },
	[ASV_VTD_A_COMM] = { .type = NLA_STRING },
	[ASV_VTD_A_USER_PID] = { .type = NLA_U32 },
	[ASV_VTD_A_DRIVER] = { .type = NLA_STRING },
	[ASV_VTD_A_REASON] = { .type = NLA_U32 },
	[ASV_VTD_A_TEXT] = { .type = NLA_STRING },
	[ASV_VTD_A_ERROR] = { .type = NLA_U32 },
};

static uint32_t get_u32(struct nlattr **tb, int attr)
{
	return tb[attr] ? nla_get_u32(tb[attr]) : 0;
}

static void get_text(struct nlattr **tb, int attr, char *to, size_t size)
{
	if (tb[attr])
		nla_strlcpy(to, tb[attr], size);
}

static bool parse_lease(struct nl_msg *msg, struct lease *lease)
{
	struct nlattr *tb[ASV_VTD_A_MAX + 1];

	if (genlmsg_parse(nlmsg_hdr(msg), 0, tb, ASV_VTD_A_MAX, (struct nla_policy *)policy) < 0)
		return false;
	memset(lease, 0, sizeof(*lease));
	lease->event = get_u32(tb, ASV_VTD_A_EVENT);
	lease->state = get_u32(tb, ASV_VTD_A_STATE);
	lease->group = get_u32(tb, ASV_VTD_A_GROUP);
	lease->pid = get_u32(tb, ASV_VTD_A_PID);
	lease->uid = get_u32(tb, ASV_VTD_A_UID);
	lease->user_pid = get_u32(tb, ASV_VTD_A_USER_PID);
	lease->reason = get_u32(tb, ASV_VTD_A_REASON);
	lease->error = get_u32(tb, ASV_VTD_A_ERROR);
	lease->open = tb[ASV_VTD_A_OPEN] && nla_get_u8(tb[ASV_VTD_A_OPEN]);
	get_text(tb, ASV_VTD_A_ADDRESS, lease->address, sizeof(lease->address));
	get_text(tb, ASV_VTD_A_COMM, lease->comm, sizeof(lease->comm));
	get_text(tb, ASV_VTD_A_DRIVER, lease->driver, sizeof(lease->driver));
	get_text(tb, ASV_VTD_A_TEXT, lease->text, sizeof(lease->text));
	return true;
}

static bool take_lease(struct nl_msg *msg, void *data)
{
	struct reading *r = data;
	struct lease lease, *more;

	if (!parse_lease(msg, &lease))
		return true;
	/* Grow at each power of two. */
	if (!(r->count & (r->count - 1))) {
		more = r->count == LEASES_MAX ? NULL :
		       reallocarray(r->list, r->count ? r->count * 2 : 1, sizeof(lease));
		r->full = !more;
		if (!more)
			return false;
		r->list = more;
	}
	r->list[r->count++] = lease;
	return true;
}

static void forget_leases(void *data)
{
	struct reading *r = data;

	free(r->list);
	*r = (struct reading){ };
}

ssize_t netlink_leases(struct vtd_netlink *nl, struct lease **list)
{
	struct reading r = { };
	const struct genl_dump d = {
		.sock = nl->sock, .family = nl->family, .cmd = ASV_VTD_CMD_GET_LEASE,
		.version = ASV_VTD_GENL_VERSION, .take = take_lease, .restart = forget_leases,
		.data = &r,
	};
	const char *why = genl_dump(&d);

	if (r.full)
		why = "no room for so many";
	if (!why) {
		*list = r.list;
		return r.count;
	}
	log_err("cannot read the leases: %s", why);
	free(r.list);
	return -1;
}

/* struct listener - for whom events are read */
struct listener {
	void (*fn)(const struct lease *lease, void *arg);
	void *arg;
};

static int take_event(struct nl_msg *msg, void *arg)
{
	struct listener *to = arg;
	struct lease lease;

	if (parse_lease(msg, &lease) && lease.event)
		to->fn(&lease, to->arg);
	return NL_OK;
}

int netlink_events(struct vtd_netlink *nl, void (*fn)(const struct lease *lease, void *arg),
		   void *arg)
{
	struct listener to = { .fn = fn, .arg = arg };
	int ret;

	nl_socket_modify_cb(nl->events, NL_CB_VALID, NL_CB_CUSTOM, take_event, &to);
	ret = nl_recvmsgs_default(nl->events);
	if (ret >= 0 || ret == -NLE_AGAIN)
		return 0;
	log_err("events: %s", ret == -NLE_NOMEM ? "some were lost" : nl_geterror(ret));
	return -1;
}

const struct lease *lease_find(const struct lease *list, ssize_t count, const char *address)
{
	ssize_t i;

	for (i = 0; i < count; i++)
		if (!strcmp(list[i].address, address))
			return &list[i];
	return NULL;
}

const char *lease_state(const struct lease *lease)
{
	switch (lease->state) {
	case ASV_VTD_STATE_TAKING:	return "taking";
	case ASV_VTD_STATE_HELD:	return "leased";
	case ASV_VTD_STATE_ENDED:	return "ended";
	case ASV_VTD_STATE_RETURNING:	return "returning";
	default:			return "unknown";
	}
}

const char *lease_event(const struct lease *lease)
{
	switch (lease->event) {
	case ASV_VTD_EVENT_LEASED:	return "leased";
	case ASV_VTD_EVENT_REFUSED:	return "refused";
	case ASV_VTD_EVENT_ENDED:	return "ended";
	case ASV_VTD_EVENT_RETURNED:	return "returned";
	case ASV_VTD_EVENT_UNPLUGGED:	return "unplugged";
	case ASV_VTD_EVENT_AER:		return "aer-error";
	default:			return "unknown";
	}
}
