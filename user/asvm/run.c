// SPDX-License-Identifier: GPL-2.0-only
/* asvm run: from arguments to a running guest. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cgroup.h"
#include "cmd.h"
#include "exit_code.h"
#include "guest.h"
#include "help.h"
#include "isolate.h"
#include "log.h"
#include "run_config.h"
#include "runtime.h"
#include "supervise.h"

/**
 * struct run - a start under way
 * @gs: the guest's ends
 * @sv: the supervisor's
 * @go: the supervisor's end of gs.go
 */
struct run {
	struct run_config rc;
	struct runtime_socket sock;
	struct cgroup cgroup;
	struct guest_start gs;
	struct supervisor sv;
	int go;
};

static int pair(int *guest, int *super)
{
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fd))
		return -errno;
	*guest = fd[0];
	*super = fd[1];
	return 0;
}

static int one_way(int *reader, int *writer)
{
	int fd[2];

	if (pipe2(fd, O_CLOEXEC))
		return -errno;
	*reader = fd[0];
	*writer = fd[1];
	return 0;
}

/* Both processes' ends of everything between them. */
static int connect_ends(struct run *run)
{
	struct asvm_config *g = &run->rc.guest;
	int ret;

	run->gs.fds = (struct control_fds){ run->sock.fd, -1, -1, -1 };
	run->sv.terminal = -1;
	ret = pair(&run->gs.fds.supervisor, &run->sv.control);
	if (!ret && g->console != ASVM_CONSOLE_NONE)
		ret = pair(&g->console_fd, &run->gs.fds.console);
	if (!ret && g->console != ASVM_CONSOLE_NONE && !run->rc.daemon)
		ret = pair(&run->gs.fds.terminal, &run->sv.terminal);
	if (!ret)
		ret = one_way(&run->sv.logs, &run->gs.log);
	if (!ret)
		ret = one_way(&run->gs.go, &run->go);
	if (!ret) {
		run->gs.null = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (run->gs.null < 0)
			ret = -errno;
	}
	if (ret)
		log_err("cannot connect to the guest's process: %s", strerror(-ret));
	return ret;
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

/* In the guest's process: the supervisor's ends go. */
static int child(struct run *run)
{
	close_fd(run->sv.control);
	close_fd(run->sv.terminal);
	close_fd(run->sv.logs);
	close_fd(run->sv.signals);
	close_fd(run->sv.ready_fd);
	close_fd(run->go);
	cgroup_close(&run->cgroup);
	return guest_main(&run->gs);
}

/* In the supervisor: the guest's ends go, and all that only the guest needs. */
static void close_guest_ends(struct run *run)
{
	close_fd(run->gs.fds.listen);
	close_fd(run->gs.fds.console);
	close_fd(run->gs.fds.supervisor);
	close_fd(run->gs.fds.terminal);
	close_fd(run->gs.log);
	close_fd(run->gs.go);
	close_fd(run->gs.null);
	close_fd(run->rc.guest.console_fd);
	machine_close(run->gs.machine);
}

static int start(struct run *run)
{
	pid_t pid;
	int ret;

	run->sv.signals = supervise_signals();
	if (run->sv.signals < 0) {
		log_err("cannot wait for signals: %s", strerror(-run->sv.signals));
		return EXIT_CODE_FAILED;
	}
	cgroup_prepare(&run->cgroup, &run->rc);
	pid = isolate_clone(&run->rc);
	if (pid < 0)
		return EXIT_CODE_FAILED;
	if (!pid)
		_exit(child(run));
	run->sv.child = pid;
	close_guest_ends(run);
	ret = run->rc.sandbox ? isolate_map(pid) : 0;
	if (!ret)
		cgroup_attach(&run->cgroup, pid);
	/* Without the byte the child ends at the end of file. */
	if (!ret && write(run->go, "", 1) != 1)
		ret = -errno;
	close(run->go);
	ret = supervise(&run->sv);
	cgroup_remove(&run->cgroup);
	return ret;
}

/*
 * Go to the background: the caller's process stays until the guest runs, and tells
 * by its exit code if it does not. Returns in the new process only.
 */
static int to_background(struct run *run)
{
	int fd[2], status;
	pid_t pid;
	char c;

	if (pipe2(fd, O_CLOEXEC)) {
		log_err("cannot go to the background: %s", strerror(errno));
		return -errno;
	}
	pid = fork();
	if (pid < 0) {
		log_err("cannot go to the background: %s", strerror(errno));
		return -errno;
	}
	if (pid) {
		close(fd[1]);
		if (read(fd[0], &c, 1) == 1)
			_exit(EXIT_CODE_OK);
		_exit(waitpid(pid, &status, 0) == pid && WIFEXITED(status) ?
		      WEXITSTATUS(status) : EXIT_CODE_FAILED);
	}
	close(fd[0]);
	setsid();
	run->sv.ready_fd = fd[1];
	run->sv.daemon = true;
	return 0;
}

static int configure(struct run *run, int argc, char **argv)
{
	char name[96];

	run_config_init(&run->rc);
	if (run_config_args(&run->rc, argc, argv) ||
	    run_config_listen_fds(&run->rc) || run_config_check(&run->rc, true))
		return -EINVAL;
	snprintf(name, sizeof(name), "asvm %s", run->rc.guest.name);
	log_init(name, run->rc.verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO,
		 !!getenv("JOURNAL_STREAM"));
	return 0;
}

int cmd_run(int argc, char **argv)
{
	static struct run run = { .sv.ready_fd = -1, .sock.fd = -1 };
	int code = EXIT_CODE_FAILED;

	if (argc < 2 || help_wanted(argc, argv)) {
		help_run(argc < 2 ? stderr : stdout);
		return argc < 2 ? EXIT_CODE_USAGE : EXIT_CODE_OK;
	}
	if (configure(&run, argc, argv))
		return EXIT_CODE_USAGE;
	run_config_close_others(&run.rc);
	run.gs.rc = &run.rc;
	if (run.rc.daemon && to_background(&run))
		return EXIT_CODE_FAILED;
	if (runtime_listen(&run.sock, run.rc.guest.name, run.rc.control_mode))
		return EXIT_CODE_FAILED;
	if (!connect_ends(&run)) {
		run.gs.machine = machine_open(&run.rc.guest);
		if (run.gs.machine)
			code = start(&run);
	}
	runtime_unlink(&run.sock);
	return code;
}
