// SPDX-License-Identifier: GPL-2.0-only
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>
#include <string.h>

#include "genl_dump.h"

/* A list that changes all the time is given up. */
#define TRIES 8

/* struct answer - what came of it; @error: an errno of the family's, or 0 */
struct answer {
	const struct genl_dump *d;
	bool stopped;
	int error;
};

static int take_message(struct nl_msg *msg, void *arg)
{
	struct answer *a = arg;

	if (!a->stopped && !a->d->take(msg, a->d->data))
		a->stopped = true;
	return a->stopped ? NL_STOP : NL_OK;
}

/* A dump that fails says why behind the header of its last message; libnl does not look. */
static int take_end(struct nl_msg *msg, void *arg)
{
	struct nlmsghdr *hdr = nlmsg_hdr(msg);
	struct answer *a = arg;
	int err = 0;

	if (hdr->nlmsg_len >= NLMSG_LENGTH(sizeof(err)))
		memcpy(&err, nlmsg_data(hdr), sizeof(err));
	if (err < 0)
		a->error = -err;
	return NL_OK;
}

static int send_request(const struct genl_dump *d)
{
	struct nl_msg *msg = nlmsg_alloc();
	int ret = -NLE_NOMEM;

	if (!msg)
		return ret;
	if (genlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, d->family, 0, NLM_F_DUMP, d->cmd,
			d->version) &&
	    (!d->fill || d->fill(msg, d->data) >= 0))
		ret = nl_send_auto(d->sock, msg);
	nlmsg_free(msg);
	return ret;
}

const char *genl_dump(const struct genl_dump *d)
{
	struct nl_cb *usual = nl_socket_get_cb(d->sock), *cb = nl_cb_clone(usual);
	struct answer a = { .d = d };
	int tries = 0, ret;

	nl_cb_put(usual);
	if (!cb)
		return nl_geterror(-NLE_NOMEM);
	nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, take_message, &a);
	nl_cb_set(cb, NL_CB_FINISH, NL_CB_CUSTOM, take_end, &a);
	for (;;) {
		ret = send_request(d);
		if (ret >= 0)
			ret = nl_recvmsgs(d->sock, cb);
		/* Something came or went meanwhile: what was read does not fit together. */
		if (ret != -NLE_DUMP_INTR || a.stopped || !d->restart || ++tries == TRIES)
			break;
		a.error = 0;
		d->restart(d->data);
	}
	nl_cb_put(cb);
	if (a.error)
		return strerror(a.error);
	return ret < 0 && !a.stopped ? nl_geterror(ret) : NULL;
}
