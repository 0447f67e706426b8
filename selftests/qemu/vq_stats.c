// SPDX-License-Identifier: GPL-2.0-only
/*
 * vq_stats KIND: print a line of NAME=VALUE for each started queue of the devices of
 * that kind, as the generic netlink family "asv_vhost" gives them. Exit code 1 if that
 * cannot be had.
 */
#include <err.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/asv_vhost.h>

#define PAYLOAD(nlh)	((struct nlattr *)((char *)NLMSG_DATA(nlh) + GENL_HDRLEN))

static const struct {
	int attr;
	const char *name;
} fields[] = {
	{ ASV_A_DEV_ID, "dev" },
	{ ASV_A_VQ_INDEX, "vq" },
	{ ASV_A_VQ_FLAGS, "flags" },
	{ ASV_A_REQUESTS, "requests" },
	{ ASV_A_BYTES_OUT, "bytes_out" },
	{ ASV_A_BYTES_IN, "bytes_in" },
	{ ASV_A_KICKS, "kicks" },
	{ ASV_A_CALLS, "calls" },
	{ ASV_A_FAILED, "failed" },
	{ ASV_A_ERRORS, "errors" },
};

struct message {
	struct nlmsghdr nlh;
	struct genlmsghdr genl;
	char attrs[64];
};

static int sock;
static char reply[1 << 16];

static void *attr_data(const struct nlattr *attr)
{
	return (char *)attr + NLA_HDRLEN;
}

static const struct nlattr *attr_find(const struct nlmsghdr *nlh, int type)
{
	const char *end = (const char *)nlh + nlh->nlmsg_len;
	const struct nlattr *attr = PAYLOAD(nlh);

	while ((const char *)attr + NLA_HDRLEN <= end && attr->nla_len >= NLA_HDRLEN) {
		if ((attr->nla_type & NLA_TYPE_MASK) == type)
			return attr;
		attr = (const struct nlattr *)((const char *)attr + NLA_ALIGN(attr->nla_len));
	}
	return NULL;
}

static void ask(int family, int flags, int cmd, int type, const char *value)
{
	struct message msg = {
		.nlh = { .nlmsg_type = family, .nlmsg_flags = NLM_F_REQUEST | flags },
		.genl = { .cmd = cmd, .version = 1 },
	};
	struct nlattr *attr = (struct nlattr *)msg.attrs;

	msg.nlh.nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN);
	if (value) {
		attr->nla_type = type;
		attr->nla_len = NLA_HDRLEN + strlen(value) + 1;
		strcpy(attr_data(attr), value);
		msg.nlh.nlmsg_len += NLA_ALIGN(attr->nla_len);
	}
	if (send(sock, &msg, msg.nlh.nlmsg_len, 0) < 0)
		err(1, "send");
}

static int receive(void)
{
	int n = recv(sock, reply, sizeof(reply), 0);
	struct nlmsghdr *nlh = (struct nlmsghdr *)reply;

	if (n < 0)
		err(1, "recv");
	if (nlh->nlmsg_type == NLMSG_ERROR && ((struct nlmsgerr *)NLMSG_DATA(nlh))->error)
		errx(1, "netlink: %s", strerror(-((struct nlmsgerr *)NLMSG_DATA(nlh))->error));
	return n;
}

static void print_queue(const struct nlmsghdr *nlh, const char *kind)
{
	const struct nlattr *attr = attr_find(nlh, ASV_A_KIND);
	unsigned int i;

	if (!attr || strcmp(attr_data(attr), kind))
		return;
	for (i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		attr = attr_find(nlh, fields[i].attr);
		if (!attr)
			continue;
		if (attr->nla_len == NLA_HDRLEN + sizeof(__u32))
			printf("%s=%u ", fields[i].name, *(__u32 *)attr_data(attr));
		else
			printf("%s=%llu ", fields[i].name, *(unsigned long long *)attr_data(attr));
	}
	printf("\n");
}

int main(int argc, char **argv)
{
	const struct nlattr *attr;
	struct nlmsghdr *nlh;
	int n;

	if (argc != 2)
		errx(1, "usage: vq_stats net|blk");
	sock = socket(AF_NETLINK, SOCK_RAW, NETLINK_GENERIC);
	if (sock < 0)
		err(1, "socket");
	ask(GENL_ID_CTRL, 0, CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_NAME, ASV_GENL_NAME);
	receive();
	attr = attr_find((struct nlmsghdr *)reply, CTRL_ATTR_FAMILY_ID);
	if (!attr)
		errx(1, "no family %s", ASV_GENL_NAME);
	ask(*(__u16 *)attr_data(attr), NLM_F_DUMP, ASV_CMD_GET_VQ, 0, NULL);
	for (;;) {
		n = receive();
		for (nlh = (struct nlmsghdr *)reply; NLMSG_OK(nlh, n); nlh = NLMSG_NEXT(nlh, n)) {
			if (nlh->nlmsg_type == NLMSG_DONE)
				return 0;
			print_queue(nlh, argv[1]);
		}
	}
}
