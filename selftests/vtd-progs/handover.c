// SPDX-License-Identifier: GPL-2.0-only
/* A lease that asvm is handed at a socket: what it takes, and what it does not. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "array.h"
#include "kselftest_harness.h"
#include "vfio_handover.h"

#define FDS_MAX		8

/**
 * struct message - what is sent
 * @text: NULL: nothing, the sender hangs up
 * @nfds: descriptors with it
 */
struct message {
	const char *text;
	unsigned int nfds;
};

FIXTURE(handover)
{
	char dir[32];
	struct sockaddr_un addr;
	struct message message;
	mode_t mode;
	pthread_t sender;
};

FIXTURE_SETUP(handover)
{
	strcpy(self->dir, "/tmp/handover.XXXXXX");
	ASSERT_NE(NULL, mkdtemp(self->dir));
	self->addr.sun_family = AF_UNIX;
	snprintf(self->addr.sun_path, sizeof(self->addr.sun_path), "%s/socket", self->dir);
}

FIXTURE_TEARDOWN(handover)
{
	unlink(self->addr.sun_path);
	rmdir(self->dir);
}

static void send_message(int sock, const struct message *m)
{
	union {
		char buf[CMSG_SPACE(FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control = { };
	struct iovec iov = { .iov_base = (char *)m->text, .iov_len = strlen(m->text) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	unsigned int i;

	if (m->nfds) {
		struct cmsghdr *cmsg;
		int *fds;

		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(m->nfds * sizeof(int));
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(m->nfds * sizeof(int));
		fds = (int *)CMSG_DATA(cmsg);
		for (i = 0; i < m->nfds; i++)
			fds[i] = STDERR_FILENO;
	}
	sendmsg(sock, &msg, MSG_NOSIGNAL);
}

/* Connects as soon as somebody listens. */
static void *sender(void *arg)
{
	FIXTURE_DATA(handover) *self = arg;
	int sock = socket(AF_UNIX, SOCK_STREAM, 0);
	struct stat st;

	while (connect(sock, (struct sockaddr *)&self->addr, sizeof(self->addr)))
		usleep(1000);
	if (!stat(self->addr.sun_path, &st))
		self->mode = st.st_mode & 0777;
	if (self->message.text)
		send_message(sock, &self->message);
	close(sock);
	return NULL;
}

static unsigned int open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static int hand_over(FIXTURE_DATA(handover) *self, struct vfio_handover *got)
{
	int ret;

	if (pthread_create(&self->sender, NULL, sender, self))
		return -EAGAIN;
	ret = vfio_handover(self->addr.sun_path, got);
	pthread_join(self->sender, NULL);
	return ret;
}

TEST_F(handover, taken)
{
	unsigned int before = open_descriptors();
	struct vfio_handover got;

	self->message = (struct message){ "0000:81:10.3\n", 3 };
	ASSERT_EQ(0, hand_over(self, &got));
	EXPECT_STREQ("0000:81:10.3", got.name);
	EXPECT_EQ(before + 3, open_descriptors());
	EXPECT_EQ(FD_CLOEXEC, fcntl(got.lease, F_GETFD));
	EXPECT_EQ(FD_CLOEXEC, fcntl(got.group, F_GETFD));
	EXPECT_EQ(FD_CLOEXEC, fcntl(got.container, F_GETFD));
	close(got.lease);
	close(got.group);
	close(got.container);
	/* for this user alone while it was there, and now gone */
	EXPECT_EQ(0600, self->mode);
	EXPECT_EQ(-1, access(self->addr.sun_path, F_OK));
}

TEST_F(handover, refused)
{
	static const struct message none[] = {
		{ NULL, 0 },
		{ "0000:81:10.3\n", 0 },
		{ "0000:81:10.3\n", 2 },
		{ "0000:81:10.3\n", 4 },
		{ "0000:81:10.3\n", FDS_MAX },
		{ "0000:81:10.3 and more than that\n", 3 },
		{ "\n", 3 },
		{ "0000:81:10\n", 3 },
		{ "0000:81:10.8\n", 3 },
		{ "../../etc/x\n", 3 },
	};
	unsigned int before = open_descriptors(), i;
	struct vfio_handover got;

	for (i = 0; i < ARRAY_SIZE(none); i++) {
		self->message = none[i];
		EXPECT_EQ(-EPROTO, hand_over(self, &got))
			TH_LOG("message %u", i);
		EXPECT_EQ(before, open_descriptors())
			TH_LOG("message %u", i);
		EXPECT_EQ(-1, access(self->addr.sun_path, F_OK));
	}
}

/* A file in the socket's place is not ours to remove. */
TEST_F(handover, in_the_way)
{
	struct vfio_handover got;
	int fd = open(self->addr.sun_path, O_CREAT | O_WRONLY, 0600);

	ASSERT_LE(0, fd);
	close(fd);
	EXPECT_GT(0, vfio_handover(self->addr.sun_path, &got));
	EXPECT_EQ(0, access(self->addr.sun_path, F_OK));
}

TEST_HARNESS_MAIN
