// SPDX-License-Identifier: GPL-2.0-only
/* The module's generic netlink family, by libnl. */
#include <errno.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>
#include <string.h>
#include <uuid/uuid.h>

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
};

struct listener {
	live_fn fn;
	void *data;
	bool stop;
	int error;	/* errno of the module, 0 */
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

static int take_message(struct nl_msg *msg, void *arg)
{
	struct nlattr *tb[SFFS_A_MAX + 1];
	struct listener *l = arg;
	struct live_msg m = { tb };

	if (genlmsg_parse(nlmsg_hdr(msg), 0, tb, SFFS_A_MAX, policy) < 0)
		return NL_SKIP;
	if (!l->stop && !l->fn(&m, l->data))
		l->stop = true;
	return l->stop ? NL_STOP : NL_OK;
}

/* A dump that fails says why behind the header of its last message; libnl does not look. */
static int take_end(struct nl_msg *msg, void *arg)
{
	struct nlmsghdr *hdr = nlmsg_hdr(msg);
	struct listener *l = arg;
	int err = 0;

	if (hdr->nlmsg_len >= NLMSG_LENGTH(sizeof(err)))
		memcpy(&err, nlmsg_data(hdr), sizeof(err));
	if (err < 0)
		l->error = -err;
	return NL_OK;
}

static struct nl_sock *connect_family(struct listener *l, int *family)
{
	struct nl_sock *sock = nl_socket_alloc();
	int ret = sock ? genl_connect(sock) : -NLE_NOMEM;

	if (ret >= 0) {
		*family = genl_ctrl_resolve(sock, SFFS_GENL_NAME);
		if (*family >= 0) {
			nl_socket_modify_cb(sock, NL_CB_VALID, NL_CB_CUSTOM, take_message, l);
			nl_socket_modify_cb(sock, NL_CB_FINISH, NL_CB_CUSTOM, take_end, l);
			return sock;
		}
		sffs_err("the module sffs is not loaded");
	} else {
		sffs_err("netlink: %s", nl_geterror(ret));
	}
	nl_socket_free(sock);
	return NULL;
}

int live_dump(enum sffs_genl_cmd cmd, uint32_t dev, live_fn fn, void *data)
{
	struct listener l = { .fn = fn, .data = data };
	int family, ret = -NLE_NOMEM;
	struct nl_sock *sock = connect_family(&l, &family);
	struct nl_msg *msg = sock ? nlmsg_alloc() : NULL;

	if (!sock)
		return -1;
	if (msg && genlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, family, 0, NLM_F_DUMP, cmd,
			       SFFS_GENL_VERSION) &&
	    (!dev || !nla_put_u32(msg, SFFS_A_DEV, dev)))
		ret = nl_send_auto(sock, msg);
	if (ret >= 0)
		ret = nl_recvmsgs_default(sock);
	nlmsg_free(msg);
	nl_socket_free(sock);
	if (ret >= 0 && !l.error)
		return 0;
	sffs_err("the module does not tell%s: %s", l.error ? " all" : "",
		 l.error ? strerror(l.error) : nl_geterror(ret));
	return -1;
}

int live_events(live_fn fn, void *data)
{
	struct listener l = { .fn = fn, .data = data };
	int family, group, ret = 0;
	struct nl_sock *sock = connect_family(&l, &family);

	if (!sock)
		return -1;
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
