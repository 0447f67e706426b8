// SPDX-License-Identifier: GPL-2.0-only
/* A lease for a launcher that may open nothing of it: descriptors over a socket. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "log.h"
#include "vtd.h"

/* The lease, the VFIO group and a container, in this order. */
#define DESCRIPTORS	3

static int connect_to(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int sock;

	if (strlen(path) >= sizeof(addr.sun_path)) {
		log_err("%s: too long for a socket", path);
		return -1;
	}
	strcpy(addr.sun_path, path);
	sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (sock >= 0 && !connect(sock, (struct sockaddr *)&addr, sizeof(addr)))
		return sock;
	log_err("%s: %s", path, strerror(errno));
	if (sock >= 0)
		close(sock);
	return -1;
}

/* Guest memory is pinned on the receiver's account; its limit is raised, never lowered. */
static int raise_memlock(int sock, uint64_t bytes)
{
	struct rlimit limit, want = { .rlim_cur = bytes, .rlim_max = bytes };
	socklen_t len = sizeof(struct ucred);
	struct ucred peer;

	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &peer, &len) ||
	    prlimit(peer.pid, RLIMIT_MEMLOCK, NULL, &limit))
		goto err;
	if (limit.rlim_cur >= bytes)
		return 0;
	if (limit.rlim_max > bytes)
		want.rlim_max = limit.rlim_max;
	if (!prlimit(peer.pid, RLIMIT_MEMLOCK, &want, NULL))
		return 0;
err:
	log_err("memory limit of the receiver: %s", strerror(errno));
	return -1;
}

/* The address and a newline, with the descriptors. */
static int send_all(int sock, const char *address, const int fds[DESCRIPTORS])
{
	char text[VTD_ADDRESS_LEN + 1];
	union {
		char buf[CMSG_SPACE(DESCRIPTORS * sizeof(int))];
		struct cmsghdr align;
	} control = { };
	struct iovec iov = {
		.iov_base = text,
		.iov_len = snprintf(text, sizeof(text), "%s\n", address),
	};
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(DESCRIPTORS * sizeof(int));
	memcpy(CMSG_DATA(cmsg), fds, DESCRIPTORS * sizeof(int));
	if (sendmsg(sock, &msg, MSG_NOSIGNAL) == (ssize_t)iov.iov_len)
		return 0;
	log_err("the receiver: %s", strerror(errno));
	return -1;
}

int handover(const char *path, int lease, const char *address, unsigned int group,
	     uint64_t memlock)
{
	int fds[DESCRIPTORS] = { lease, -1, -1 };
	char node[VTD_PATH_LEN];
	int sock, ret = -1;

	sock = connect_to(path);
	if (sock < 0)
		return -1;
	snprintf(node, sizeof(node), "/dev/vfio/%u", group);
	fds[1] = open(node, O_RDWR | O_CLOEXEC);
	fds[2] = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	if (fds[1] < 0 || fds[2] < 0)
		log_err("%s: %s", fds[1] < 0 ? node : "/dev/vfio/vfio", strerror(errno));
	else if (!raise_memlock(sock, memlock))
		ret = send_all(sock, address, fds);
	if (fds[1] >= 0)
		close(fds[1]);
	if (fds[2] >= 0)
		close(fds[2]);
	close(sock);
	return ret;
}
