// SPDX-License-Identifier: GPL-2.0-only
/* asvm vhost-user-blk: the bridge from a vhost-user front end to /dev/asv-blk. */
#include <errno.h>
#include <fcntl.h>
#include <linux/asv_vhost.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cmd.h"
#include "exit_code.h"
#include "help.h"
#include "isolate.h"
#include "log.h"
#include "options.h"
#include "runtime.h"
#include "values.h"
#include "vhost_user_blk.h"

/* A front end that stops in the middle of a message is given up after so many seconds. */
#define PATIENCE 5

/**
 * struct bridge_options - the command line
 * @disk: what is shared with a guest's disk
 * @socket: path to listen at, or
 * @socket_fd: a connected or listening socket
 */
struct bridge_options {
	struct asvm_disk disk;
	const char *name;
	const char *socket;
	const char *user;
	int socket_fd;
	bool writethrough;
	bool buffered;
	bool prepin;
	bool sandbox;
	bool print_capabilities;
	unsigned int blk_size;
};

#define OPT(field) offsetof(struct bridge_options, field)

static const char *set_serial(void *object, char *value)
{
	struct bridge_options *o = object;

	return option_set(option_by_cli(disk_options, "serial"), &o->disk, value);
}

static const char *set_discard(void *object, char *value)
{
	struct bridge_options *o = object;

	return option_set(option_by_cli(disk_options, "discard"), &o->disk, value);
}

static const struct option_def bridge_table[] = {
	{ "socket", NULL, "PATH", "listen for the front end here",
	  OPTION_PATH, OPT(socket) },
	{ "socket-path", NULL, "PATH", "the same",
	  OPTION_PATH, OPT(socket) },
	{ "fd", NULL, "FD", "a socket that is open already",
	  OPTION_FD, OPT(socket_fd) },
	{ "disk", NULL, "FILE", "file or block device", OPTION_PATH, OPT(disk.path) },
	{ "blk-file", NULL, "FILE", "the same", OPTION_PATH, OPT(disk.path) },
	{ "disk-fd", NULL, "FD", "open descriptor of the file",
	  OPTION_FD, OPT(disk.fd) },
	{ "vhost-fd", NULL, "FD", "open descriptor of /dev/asv-blk",
	  OPTION_FD, OPT(disk.vhost_fd) },
	{ "read-only", NULL, NULL, "the guest may not write",
	  OPTION_BOOL, OPT(disk.readonly) },
	{ "queues", NULL, "N", "queues, 1 to 64 (one for each CPU of the host)",
	  OPTION_UINT, OPT(disk.queues), 1, ASV_BLK_MAX_QUEUES },
	{ "serial", NULL, "TEXT", "serial number, 20 characters",
	  OPTION_CALL, .call = set_serial },
	{ "block-size", NULL, "N", "logical block size, 512 to 4096 (the disk's)",
	  OPTION_UINT, OPT(blk_size), 512, 4096 },
	{ "discard", NULL, "BOOL", "let the guest free blocks (yes)",
	  OPTION_CALL, .call = set_discard },
	{ "writethrough", NULL, NULL, "start with the write cache off",
	  OPTION_BOOL, OPT(writethrough) },
	{ "buffered", NULL, NULL, "through the page cache, for files without direct I/O",
	  OPTION_BOOL, OPT(buffered) },
	{ "prepin", NULL, NULL, "keep guest memory pinned",
	  OPTION_BOOL, OPT(prepin) },
	{ "iops", NULL, "N", "limit of requests a second",
	  OPTION_U64, OPT(disk.iops), 0, 1ULL << 40 },
	{ "bps", NULL, "SIZE", "limit of bytes a second",
	  OPTION_SIZE, OPT(disk.bps), 0, 1ULL << 40 },
	{ "poll", NULL, "US", "busy polling limit in microseconds (0)",
	  OPTION_UINT, OPT(disk.poll_us), 0, 100000 },
	{ "name", NULL, "NAME", "what asvm stats calls the device",
	  OPTION_PATH, OPT(name) },
	{ "user", NULL, "USER", "whose rights the bridge has if root starts it (nobody)",
	  OPTION_PATH, OPT(user) },
	{ "sandbox", NULL, "BOOL", "isolation; no is for finding faults only (yes)",
	  OPTION_BOOL, OPT(sandbox) },
	{ "print-capabilities", NULL, NULL, "say in JSON what this back end can, and end",
	  OPTION_BOOL, OPT(print_capabilities) },
	{ }
};

static void usage(FILE *to)
{
	fputs("usage: asvm vhost-user-blk --socket PATH --disk FILE [options]\n\n"
	      "Serve a disk to a vhost-user front end such as QEMU.\n\n", to);
	help_table(to, bridge_table, "--");
	fputs("\nSIGHUP reads the disk's size again and tells the guest.\n"
	      "See asvm-vhost-user-blk(1).\n", to);
}

static int parse(struct bridge_options *o, int argc, char **argv)
{
	bool have_fd;
	int i = 1;

	memset(o, 0, sizeof(*o));
	config_init_disk(&o->disk);
	o->socket_fd = -1;
	o->sandbox = true;
	while (i < argc) {
		struct option_arg arg;

		if (option_arg_next(bridge_table, argc, argv, &i, &arg))
			return -EINVAL;
		if (!arg.def) {
			log_err("'%s' is not an option; see asvm-vhost-user-blk(1)",
				arg.value);
			return -EINVAL;
		}
		if (option_arg_set(&arg, o))
			return -EINVAL;
	}
	if (o->print_capabilities)
		return 0;
	have_fd = o->socket_fd >= 0;
	if (!o->socket == !have_fd) {
		log_err("give one of --socket PATH and --fd FD");
		return -EINVAL;
	}
	if (!o->disk.path && o->disk.fd < 0) {
		log_err("no disk; give --disk FILE");
		return -EINVAL;
	}
	if (o->blk_size & (o->blk_size - 1)) {
		log_err("--block-size: expected a power of two, 512 to 4096");
		return -EINVAL;
	}
	return 0;
}

static int open_disk(struct bridge_options *o)
{
	struct asvm_disk *d = &o->disk;

	if (d->fd < 0) {
		d->fd = open(d->path, (d->readonly ? O_RDONLY : O_RDWR) |
			     (o->buffered ? 0 : O_DIRECT) | O_CLOEXEC);
		if (d->fd < 0) {
			log_err("%s: cannot open the disk: %s", d->path,
				strerror(errno));
			return -errno;
		}
	}
	if (d->vhost_fd < 0) {
		d->vhost_fd = open("/dev/asv-blk", O_RDWR | O_CLOEXEC);
		if (d->vhost_fd < 0) {
			log_err("/dev/asv-blk: %s; is the module asv_blk loaded, and are you in group kvm?",
				strerror(errno));
			return -errno;
		}
	}
	return 0;
}

static unsigned int default_queues(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	if (cpus < 1)
		return 1;
	return cpus < ASV_BLK_MAX_QUEUES ? cpus : ASV_BLK_MAX_QUEUES;
}

static int blk_fail(const char *what)
{
	int err = errno;

	log_err("/dev/asv-blk: %s: %s", what, strerror(err));
	return -err;
}

static int attach(const struct bridge_options *o)
{
	const struct asvm_disk *d = &o->disk;
	struct asv_blk_attach at = {
		.fd = d->fd,
		.num_queues = d->queues,
		.blk_size = o->blk_size,
	};

	if (d->readonly)
		at.flags |= ASV_BLK_ATTACH_RO;
	if (o->writethrough)
		at.flags |= ASV_BLK_ATTACH_WRITETHROUGH;
	if (d->no_discard)
		at.flags |= ASV_BLK_ATTACH_NO_UNMAP;
	if (o->buffered)
		at.flags |= ASV_BLK_ATTACH_BUFFERED;
	if (d->serial)
		memcpy(at.serial, d->serial,
		       strnlen(d->serial, sizeof(at.serial)));
	if (!ioctl(d->vhost_fd, ASV_BLK_ATTACH, &at))
		return 0;
	switch (errno) {
	case EOPNOTSUPP:
		log_err("%s: no direct I/O there; move the file to another filesystem, or give --buffered",
			d->path ? d->path : "the disk");
		break;
	case EBADF:
	case EROFS:
		log_err("%s: not open for writing; give --read-only, or the right to write",
			d->path ? d->path : "the disk");
		break;
	case ENOTBLK:
		log_err("%s: neither a block device nor a regular file",
			d->path ? d->path : "the disk");
		break;
	default:
		return blk_fail("cannot attach the disk");
	}
	return -EINVAL;
}

/* All that is done once, whoever connects later. Returns the configuration's eventfd. */
static int setup_blk(const struct bridge_options *o)
{
	const struct asvm_disk *d = &o->disk;
	struct asv_limits limits = { .iops = d->iops, .bps = d->bps };
	const uint32_t prepin = 1;
	struct asv_name name = { };
	int call, ret;

	if (ioctl(d->vhost_fd, VHOST_SET_OWNER))
		return blk_fail("cannot become its owner");
	snprintf(name.name, sizeof(name.name), "%s", o->name ? o->name : "bridge");
	if (ioctl(d->vhost_fd, ASV_SET_NAME, &name))
		return blk_fail("cannot set its name");
	ret = attach(o);
	if (ret)
		return ret;
	if ((d->iops || d->bps) && ioctl(d->vhost_fd, ASV_SET_LIMITS, &limits))
		return blk_fail("cannot set limits");
	if (o->prepin && ioctl(d->vhost_fd, ASV_SET_PREPIN, &prepin))
		return blk_fail("cannot keep memory pinned");
	call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (call < 0)
		return blk_fail("eventfd");
	if (ioctl(d->vhost_fd, ASV_BLK_SET_CONFIG_CALL, &call))
		return blk_fail("cannot be told of its configuration");
	return call;
}

/* Polling is a property of each ring, and a ring forgets it with the front end. */
static void set_polling(const struct bridge_options *o)
{
	unsigned int i;

	for (i = 0; i < o->disk.queues && o->disk.poll_us; i++) {
		struct vhost_vring_state st = { i, o->disk.poll_us };

		if (ioctl(o->disk.vhost_fd, VHOST_SET_VRING_BUSYLOOP_TIMEOUT, &st))
			log_warn("busy polling: %s", strerror(errno));
	}
}

static int watch_signals(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return -errno;
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

/**
 * struct bridge - the loop's state
 * @listen: -1 when a connected socket was handed over
 * @call: the configuration changed
 */
struct bridge {
	struct vu_blk vb;
	int listen;
	int call;
	int signals;
};

/* True when it is time to end. */
static bool signal_event(struct bridge *b)
{
	struct signalfd_siginfo info;

	if (read(b->signals, &info, sizeof(info)) != sizeof(info))
		return false;
	if (info.ssi_signo != SIGHUP)
		return true;
	if (ioctl(b->vb.blk, ASV_BLK_REFRESH))
		blk_fail("cannot read the disk's size");
	return false;
}

static void call_event(struct bridge *b)
{
	uint64_t count;

	if (read(b->call, &count, sizeof(count)) == sizeof(count))
		vu_blk_config_changed(&b->vb);
}

static void connected(struct bridge *b, int sock)
{
	const struct timeval tv = { .tv_sec = PATIENCE };

	setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	b->vb.sock = sock;
	log_debug("a front end connected");
}

static int serve(struct bridge *b)
{
	enum { P_SIGNALS, P_CALL, P_SOCK };

	for (;;) {
		/* One front end at a time: the next one waits in the socket. */
		struct pollfd p[] = {
			{ b->signals, POLLIN, 0 },
			{ b->call, POLLIN, 0 },
			{ b->vb.sock >= 0 ? b->vb.sock : b->listen, POLLIN, 0 },
		};

		if (poll(p, 3, -1) < 0)
			continue;
		if (p[P_SIGNALS].revents && signal_event(b))
			return EXIT_CODE_OK;
		if (p[P_CALL].revents)
			call_event(b);
		if (!p[P_SOCK].revents)
			continue;
		if (b->vb.sock < 0) {
			int sock = accept4(b->listen, NULL, NULL, SOCK_CLOEXEC);

			if (sock >= 0)
				connected(b, sock);
		} else if (vu_blk_message(&b->vb) <= 0) {
			vu_blk_disconnect(&b->vb);
			if (b->listen < 0)
				return EXIT_CODE_OK;
		}
	}
}

static int get_socket(const struct bridge_options *o, struct bridge *b)
{
	socklen_t len = sizeof(int);
	int listening = 0;

	b->listen = -1;
	b->vb.sock = -1;
	if (o->socket) {
		b->listen = runtime_listen_at(o->socket, 0600);
		return b->listen < 0 ? b->listen : 0;
	}
	if (getsockopt(o->socket_fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len)) {
		log_err("--fd: not a socket");
		return -EINVAL;
	}
	if (listening)
		b->listen = o->socket_fd;
	else
		connected(b, o->socket_fd);
	return 0;
}

static int start(struct bridge_options *o, struct bridge *b)
{
	if (!o->disk.queues)
		o->disk.queues = default_queues();
	if (open_disk(o))
		return EXIT_CODE_FAILED;
	/* The socket comes last: who can connect finds a disk that works. */
	b->call = setup_blk(o);
	if (b->call < 0)
		return EXIT_CODE_FAILED;
	close(o->disk.fd);
	set_polling(o);
	b->vb.blk = o->disk.vhost_fd;
	b->vb.queues = o->disk.queues;
	b->vb.backend = -1;
	b->signals = watch_signals();
	if (b->signals < 0 || get_socket(o, b))
		return EXIT_CODE_FAILED;
	if (!o->sandbox)
		log_warn("the bridge is not isolated; this is for finding faults only");
	else if (isolate_self(o->user) || isolate_filter(ISOLATE_BRIDGE))
		return EXIT_CODE_FAILED;
	return serve(b);
}

int cmd_vhost_user_blk(int argc, char **argv)
{
	static struct bridge bridge;
	struct bridge_options o;

	if (argc < 2 || help_wanted(argc, argv)) {
		usage(argc < 2 ? stderr : stdout);
		return argc < 2 ? EXIT_CODE_USAGE : EXIT_CODE_OK;
	}
	if (parse(&o, argc, argv))
		return EXIT_CODE_USAGE;
	if (o.print_capabilities) {
		puts("{\"type\":\"block\",\"features\":[\"read-only\",\"blk-file\"]}");
		return EXIT_CODE_OK;
	}
	return start(&o, &bridge);
}
