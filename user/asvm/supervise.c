// SPDX-License-Identifier: GPL-2.0-only
/*
 * The supervising process: it holds the terminal, so that the guest's process need
 * not, and forwards bytes and signals. It never sees guest memory.
 */
#include "supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include "exit_code.h"
#include "log.h"
#include "terminal.h"

#define PIECE 4096

/**
 * struct pipe_buf - bytes on their way, one piece at a time
 *
 * A piece is not larger than PIPE_BUF, so that writing one to a pipe which poll()
 * calls writable never blocks.
 */
struct pipe_buf {
	size_t len;
	char data[PIECE];
};

struct state {
	struct supervisor *sv;
	struct pipe_buf to_guest;
	struct pipe_buf to_screen;
	struct pipe_buf line;
	struct terminal tty;
	bool stdin_open;
	bool ready;
	unsigned int stops;
};

int supervise_signals(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGQUIT);
	sigaddset(&set, SIGPIPE);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	sigdelset(&set, SIGPIPE);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

static void ask(struct state *s, const char *verb)
{
	char line[64];
	int n = snprintf(line, sizeof(line), "{\"verb\":\"%s\"}\n", verb);

	/* A guest's process that takes nothing any more is ended by the second try. */
	if (send(s->sv->control, line, n, MSG_DONTWAIT | MSG_NOSIGNAL) != n)
		log_warn("the guest's process does not listen");
}

/* The first wish is a wish, the second an order. */
static void stop(struct state *s)
{
	switch (s->stops++) {
	case 0:
		terminal_say(&s->tty, "power button pressed; once more ends the guest");
		ask(s, "stop");
		break;
	case 1:
		ask(s, "kill");
		break;
	default:
		kill(s->sv->child, SIGKILL);
	}
}

static void notify_manager(const char *text)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	socklen_t len;
	int fd;

	if (!path || (path[0] != '/' && path[0] != '@') ||
	    strlen(path) >= sizeof(addr.sun_path))
		return;
	strcpy(addr.sun_path, path);
	len = offsetof(struct sockaddr_un, sun_path) + strlen(path);
	if (path[0] == '@')
		addr.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	if (sendto(fd, text, strlen(text), MSG_NOSIGNAL,
		   (struct sockaddr *)&addr, len) < 0)
		log_warn("the service manager was not told: %s", strerror(errno));
	close(fd);
}

/* From here on a daemon has no terminal. */
static void leave_terminal(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return;
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	close(null);
	openlog("asvm", LOG_PID, LOG_DAEMON);
}

/* The guest's process answered for the first time: the guest runs. */
static void ready(struct state *s)
{
	struct supervisor *sv = s->sv;

	if (s->ready)
		return;
	s->ready = true;
	notify_manager("READY=1");
	if (sv->ready_fd >= 0) {
		if (write(sv->ready_fd, "", 1) < 0)
			log_warn("nobody waits for the guest to run");
		close(sv->ready_fd);
		sv->ready_fd = -1;
	}
	if (sv->daemon)
		leave_terminal();
}

static void signals_event(struct state *s)
{
	struct signalfd_siginfo info;

	while (read(s->sv->signals, &info, sizeof(info)) == sizeof(info))
		if (info.ssi_signo != SIGCHLD)
			stop(s);
}

static void control_event(struct state *s)
{
	char text[1024];
	ssize_t n = recv(s->sv->control, text, sizeof(text), MSG_DONTWAIT);

	if (n > 0) {
		ready(s);
	} else if (!n) {
		close(s->sv->control);
		s->sv->control = -1;
	}
}

static void log_line(struct state *s)
{
	if (s->ready && s->sv->daemon)
		syslog(LOG_NOTICE, "%.*s", (int)s->line.len, s->line.data);
	else
		terminal_log(&s->tty, s->line.data, s->line.len);
	s->line.len = 0;
}

/* Messages go on a line at a time, and only print: the guest's process is not trusted. */
static bool logs_event(struct state *s)
{
	char text[PIECE];
	ssize_t n, i;

	n = read(s->sv->logs, text, sizeof(text));
	if (n <= 0)
		return n < 0 && (errno == EINTR || errno == EAGAIN);
	for (i = 0; i < n; i++) {
		unsigned char c = text[i];

		if (c == '\n' || s->line.len == sizeof(s->line.data))
			log_line(s);
		if (c != '\n')
			s->line.data[s->line.len++] = c < 0x20 || c == 0x7f ? '?' : c;
	}
	return true;
}

static void stdin_event(struct state *s)
{
	ssize_t n = read(STDIN_FILENO, s->to_guest.data, PIECE);
	size_t kept;

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		s->stdin_open = false;
		return;
	}
	kept = terminal_escape(&s->tty, s->to_guest.data, n);
	s->to_guest.len = kept;
	if (kept != (size_t)n)
		stop(s);
}

static void flush(struct pipe_buf *b, int fd, bool is_socket)
{
	ssize_t n;

	if (!b->len)
		return;
	n = is_socket ? send(fd, b->data, b->len, MSG_DONTWAIT | MSG_NOSIGNAL) :
		write(fd, b->data, b->len);
	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			b->len = 0;
		return;
	}
	b->len -= n;
	memmove(b->data, b->data + n, b->len);
}

/* Output of the guest; false when there will be no more. */
static bool screen_event(struct state *s)
{
	ssize_t n = recv(s->sv->terminal, s->to_screen.data, PIECE, MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	s->to_screen.len = n;
	return n;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

enum { P_SIGNALS, P_CONTROL, P_LOGS, P_TERMINAL, P_STDIN, P_STDOUT, P_COUNT };

static void watch(struct state *s, struct pollfd p[P_COUNT])
{
	struct supervisor *sv = s->sv;
	bool screen = sv->terminal >= 0;

	p[P_SIGNALS] = (struct pollfd){ sv->signals, POLLIN, 0 };
	p[P_CONTROL] = (struct pollfd){ sv->control, POLLIN, 0 };
	p[P_LOGS] = (struct pollfd){ sv->logs, POLLIN, 0 };
	p[P_TERMINAL] = (struct pollfd){ -1, 0, 0 };
	if (screen && !s->to_screen.len)
		p[P_TERMINAL] = (struct pollfd){ sv->terminal, POLLIN, 0 };
	if (screen && s->to_guest.len) {
		p[P_TERMINAL].fd = sv->terminal;
		p[P_TERMINAL].events |= POLLOUT;
	}
	p[P_STDIN] = (struct pollfd){ -1, POLLIN, 0 };
	if (screen && s->stdin_open && !s->to_guest.len)
		p[P_STDIN].fd = STDIN_FILENO;
	p[P_STDOUT] = (struct pollfd){ -1, POLLOUT, 0 };
	if (s->to_screen.len)
		p[P_STDOUT].fd = STDOUT_FILENO;
}

static void handle(struct state *s, const struct pollfd p[P_COUNT])
{
	struct supervisor *sv = s->sv;
	const short in = POLLIN | POLLHUP | POLLERR;

	if (p[P_SIGNALS].revents)
		signals_event(s);
	if (p[P_CONTROL].revents & in)
		control_event(s);
	if (p[P_LOGS].revents & in && !logs_event(s))
		close_fd(&sv->logs);
	if (p[P_STDOUT].revents)
		flush(&s->to_screen, STDOUT_FILENO, false);
	if (p[P_TERMINAL].revents & POLLOUT)
		flush(&s->to_guest, sv->terminal, true);
	if (p[P_TERMINAL].revents & in && !s->to_screen.len && !screen_event(s))
		close_fd(&sv->terminal);
	if (p[P_STDIN].revents)
		stdin_event(s);
}

static int wait_code(struct state *s, int status)
{
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	if (WTERMSIG(status) == SIGSYS) {
		log_err("the guest's process used a system call that it must not: the guest broke in, or this is a fault of asvm; the kernel's audit log names the call");
		return EXIT_CODE_FILTER;
	}
	if (WTERMSIG(status) == SIGKILL && s->stops > 2)
		return EXIT_CODE_KILLED;
	log_err("the guest's process was ended by signal %d (%s)",
		WTERMSIG(status), strsignal(WTERMSIG(status)));
	return EXIT_CODE_FAILED;
}

int supervise(struct supervisor *sv)
{
	struct state *s = calloc(1, sizeof(*s));
	struct pollfd p[P_COUNT];
	bool ended = false;
	int status = 0, code;

	if (!s) {
		log_err("out of memory");
		return EXIT_CODE_FAILED;
	}
	s->sv = sv;
	s->stdin_open = true;
	if (sv->terminal >= 0)
		terminal_raw(&s->tty);
	ask(s, "status");
	/* After its end there may still be something to show. */
	while (!ended || sv->logs >= 0 || sv->terminal >= 0 || s->to_screen.len) {
		watch(s, p);
		if (poll(p, P_COUNT, ended ? 1000 : -1) <= 0 && ended)
			break;
		handle(s, p);
		if (!ended && waitpid(sv->child, &status, WNOHANG) == sv->child)
			ended = true;
	}
	terminal_restore(&s->tty);
	code = wait_code(s, status);
	free(s);
	return code;
}
