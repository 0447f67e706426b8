// SPDX-License-Identifier: GPL-2.0-only
/* Leases that are handed over at a socket. */
#include "vfio_handover.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "log.h"
#include "runtime.h"

/* the lease, the VFIO group and a container, in this order */
#define DESCRIPTORS	3
/* that the sender may take for its one message, seconds */
#define PATIENCE	10

/* Wait for whoever has the lease. Nobody else may connect but this user and root. */
static int wait_sender(int listener)
{
	struct pollfd p = { .fd = listener, .events = POLLIN };
	const struct timeval patience = { .tv_sec = PATIENCE };
	int fd;

	do {
		if (poll(&p, 1, -1) < 0 && errno != EINTR)
			return -errno;
		fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	} while (fd < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED));
	if (fd < 0)
		return -errno;
	if (!setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)))
		return fd;
	close(fd);
	return -EIO;
}

/* All descriptors of a message are ours from here on; how many. */
static unsigned int descriptors_of(struct msghdr *msg, int fds[DESCRIPTORS])
{
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg);

	if (!cmsg || cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
		return 0;
	memcpy(fds, CMSG_DATA(cmsg), cmsg->cmsg_len - CMSG_LEN(0));
	return (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
}

/* "0000:01:00.0\n" and the descriptors */
static int receive(int fd, struct vfio_handover *got)
{
	char text[VTD_ADDRESS_LEN + 1];
	union {
		char buf[CMSG_SPACE(DESCRIPTORS * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { .iov_base = text, .iov_len = sizeof(text) - 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		/* not its alignment, too, which would hold one more */
		.msg_controllen = CMSG_LEN(DESCRIPTORS * sizeof(int)),
	};
	int fds[DESCRIPTORS];
	unsigned int n;
	ssize_t len;

	len = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
	if (len < 0)
		return -errno;
	n = descriptors_of(&msg, fds);
	if (len && text[len - 1] == '\n')
		len--;
	text[len] = '\0';
	if (n == DESCRIPTORS && !(msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) &&
	    function_address(text, got->name)) {
		got->lease = fds[0];
		got->group = fds[1];
		got->container = fds[2];
		return 0;
	}
	while (n)
		close(fds[--n]);
	return -EPROTO;
}

int vfio_handover(const char *path, struct vfio_handover *got)
{
	int listener, fd, err;

	listener = runtime_listen_at(path, 0600);
	if (listener < 0)
		return listener;
	log_info("waiting for a lease: asv-vtd lease --to %s FUNCTION", path);
	fd = wait_sender(listener);
	err = fd < 0 ? fd : receive(fd, got);
	if (fd >= 0)
		close(fd);
	close(listener);
	unlink(path);
	if (err)
		log_err("%s: no lease came: %s", path,
			err == -EPROTO ? "what came was none" :
			err == -EAGAIN ? "the sender says nothing" : strerror(-err));
	return err;
}
