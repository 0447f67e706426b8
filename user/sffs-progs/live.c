// SPDX-License-Identifier: GPL-2.0-only
/* The module's generic netlink family, by libnl. */
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>
#include <string.h>
#include <uuid/uuid.h>

#include "genl_dump.h"
#include "libsffs.h"
#include "live.h"

/* Types of what is read; a message with an attribute of another type is left out. */
static struct nla_policy policy[SFFS_A_MAX + 1] = {
	[SFFS_A_DEV] = { .type = NLA_U32 },
	[SFFS_A_UUID] = { .type = NLA_UNSPEC, .minlen = 16, .maxlen = 16 },
	[SFFS_A_LABEL] = { .type = NLA_STRING },
	[SFFS_A_BLOCKS ... SFFS_A_PENDING] = { .type = NLA_U64 },
	[SFFS_A_SLOT ... SFFS_A_INCARNATION] = { .type = NLA_U32 },
	[SFFS_A_HOST] = { .type = NLA_STRING },
	[SFFS_A_MOUNTED] = { .type = NLA_U64 },
	[SFFS_A_SLOT_FLAGS] = { .type = NLA_U32 },
	[SFFS_A_HERE] = { .type = NLA_FLAG },
	[SFFS_A_LOCK_TYPE] = { .type = NLA_U32 },
	[SFFS_A_LOCK_NUMBER] = { .type = NLA_U64 },
	[SFFS_A_LOCK_MODE ... SFFS_A_EVENT] = { .type = NLA_U32 },
	[SFFS_A_TEXT] = { .type = NLA_STRING },
	[SFFS_A_BLOCK] = { .type = NLA_U64 },
	[SFFS_A_RECLAIM] = { .type = NLA_U32 },
};

/* struct listener - who takes messages; @dev: of which volume, 0: of all */
struct listener {
	live_fn fn;
	void *data;
	uint32_t dev;
	bool stop;
};

uint32_t live_u32(const struct live_msg *m, enum sffs_attr attr)
{
	return m->tb[attr] ? nla_get_u32(m->tb[attr]) : 0;
}

uint64_t live_u64(const struct live_msg *m, enum sffs_attr attr)
{
	return m->tb[attr] ? nla_get_u64(m->tb[attr]) : 0;
}

const char *live_text(const struct live_msg *m, enum sffs_attr attr)
{
	return m->tb[attr] ? nla_get_string(m->tb[attr]) : "";
}

bool live_flag(const struct live_msg *m, enum sffs_attr attr)
{
	return m->tb[attr];
}

const char *live_uuid(const struct live_msg *m, char *buf)
{
	uuid_t none = { 0 };

	uuid_unparse(m->tb[SFFS_A_UUID] ? nla_data(m->tb[SFFS_A_UUID]) : none, buf);
	return buf;
}

/* false if no more is wanted */
static bool take(struct nl_msg *msg, void *data)
{
	struct nlattr *tb[SFFS_A_MAX + 1];
	const struct listener *l = data;
	struct live_msg m = { tb };

	return genlmsg_parse(nlmsg_hdr(msg), 0, tb, SFFS_A_MAX, policy) < 0 ||
	       l->fn(&m, l->data);
}

static int fill(struct nl_msg *msg, void *data)
{
	const struct listener *l = data;

	return l->dev ? nla_put_u32(msg, SFFS_A_DEV, l->dev) : 0;
}

static struct nl_sock *connect_family(int *family)
{
	struct nl_sock *sock = nl_socket_alloc();
	int ret = sock ? genl_connect(sock) : -NLE_NOMEM;

	if (ret >= 0) {
		*family = genl_ctrl_resolve(sock, SFFS_GENL_NAME);
		if (*family >= 0)
			return sock;
		sffs_err("the module sffs is not loaded");
	} else {
		sffs_err("netlink: %s", nl_geterror(ret));
	}
	nl_socket_free(sock);
	return NULL;
}

int live_dump(enum sffs_genl_cmd cmd, uint32_t dev, live_fn fn, void *data)
{
	struct listener l = { .fn = fn, .data = data, .dev = dev };
	struct genl_dump d = {
		.cmd = cmd, .version = SFFS_GENL_VERSION, .fill = fill, .take = take, .data = &l,
	};
	const char *why;

	d.sock = connect_family(&d.family);
	if (!d.sock)
		return -1;
	why = genl_dump(&d);
	nl_socket_free(d.sock);
	if (why)
		sffs_err("the module does not tell all: %s", why);
	return why ? -1 : 0;
}

static int take_event(struct nl_msg *msg, void *arg)
{
	struct listener *l = arg;

	if (!l->stop && !take(msg, l))
		l->stop = true;
	return l->stop ? NL_STOP : NL_OK;
}

int live_events(live_fn fn, void *data)
{
	struct listener l = { .fn = fn, .data = data };
	int family, group, ret = 0;
	struct nl_sock *sock = connect_family(&family);

	if (!sock)
		return -1;
	nl_socket_modify_cb(sock, NL_CB_VALID, NL_CB_CUSTOM, take_event, &l);
	group = genl_ctrl_resolve_grp(sock, SFFS_GENL_NAME, SFFS_GENL_EVENTS);
	nl_socket_disable_seq_check(sock);
	ret = group < 0 ? group : nl_socket_add_membership(sock, group);
	while (ret >= 0 && !l.stop) {
		ret = nl_recvmsgs_default(sock);
		/* The kernel dropped some because they were not read in time. */
		if (ret == -NLE_NOMEM) {
			sffs_err("some events were lost");
			ret = 0;
		}
	}
	nl_socket_free(sock);
	if (ret >= 0)
		return 0;
	sffs_err("no events: %s", nl_geterror(ret));
	return -1;
}
