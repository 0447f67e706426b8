// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "asvm.h"

#define ARGS_MAX	64

int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

const char *asvm_path(void)
{
	const char *build = getenv("ASV_BUILD");
	static char path[4096];

	if (!build || !*build)
		return "asvm";
	snprintf(path, sizeof(path), "%s/user/asvm", build);
	return path;
}

int run_start(struct asvm_run *run, const char *const *argv)
{
	int in[2], out[2];

	memset(run, 0, sizeof(*run));
	run->status = -1;
	if (pipe2(in, O_CLOEXEC))
		return -errno;
	if (pipe2(out, O_CLOEXEC))
		return -errno;
	fflush(NULL);
	run->pid = fork();
	if (run->pid < 0)
		return -errno;
	if (!run->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(in[0], 0);
		dup2(out[1], 1);
		dup2(out[1], 2);
		execvp(argv[0], (char **)argv);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	run->in = in[1];
	run->out = out[0];
	return 0;
}

int asvm_start(struct asvm_run *run, const char *const *args)
{
	const char *argv[ARGS_MAX + 2] = { asvm_path() };
	unsigned int i;

	for (i = 0; args[i] && i < ARGS_MAX; i++)
		argv[i + 1] = args[i];
	return run_start(run, argv);
}

/* what has come, waiting up to timeout_ms; 0 at the end, -ETIMEDOUT */
static int more(struct asvm_run *run, int timeout_ms)
{
	struct pollfd pfd = { .fd = run->out, .events = POLLIN };
	size_t room = OUTPUT_MAX - 1 - run->len;
	char spill[4096];
	ssize_t n;

	if (poll(&pfd, 1, timeout_ms > 0 ? timeout_ms : 0) <= 0)
		return -ETIMEDOUT;
	/* what is too much is dropped, so that asvm never waits for us */
	n = read(run->out, room ? run->text + run->len : spill, room ? room : sizeof(spill));
	if (n > 0 && room)
		run->len += n;
	run->text[run->len] = 0;
	return n > 0 ? n : 0;
}

static int find(struct asvm_run *run, size_t *from, const char *text)
{
	char *found = memmem(run->text + *from, run->len - *from, text, strlen(text));

	if (found)
		*from = found - run->text + strlen(text);
	return !!found;
}

int asvm_expect(struct asvm_run *run, size_t *from, const char *text, int timeout_ms)
{
	int64_t end = now_ms() + timeout_ms;
	size_t shown;
	int ret;

	for (;;) {
		if (find(run, from, text))
			return 0;
		ret = more(run, end - now_ms());
		if (ret <= 0)
			break;
	}
	shown = run->len > 2000 ? run->len - 2000 : 0;
	fprintf(stderr, "# no '%s' in what asvm said:\n%s\n", text, run->text + shown);
	return ret ? ret : -EPIPE;
}

void asvm_listen(struct asvm_run *run, int ms)
{
	int64_t end = now_ms() + ms;

	while (now_ms() < end && more(run, end - now_ms()) > 0)
		;
}

int asvm_wait(struct asvm_run *run, int timeout_ms)
{
	int64_t end = now_ms() + timeout_ms;
	int status;

	if (run->status >= 0)
		return run->status;
	while (waitpid(run->pid, &status, WNOHANG) != run->pid) {
		if (now_ms() >= end)
			return -ETIMEDOUT;
		if (more(run, 50) == 0)
			usleep(5000);
	}
	while (more(run, 0) > 0)
		;
	run->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	return run->status;
}

void asvm_free(struct asvm_run *run)
{
	if (run->pid && run->status < 0) {
		kill(run->pid, SIGKILL);
		waitpid(run->pid, NULL, 0);
	}
	if (run->pid) {
		close(run->in);
		close(run->out);
	}
	run->pid = 0;
}

int asvm_do(struct asvm_run *run, const char *const *args, int timeout_ms)
{
	int ret = asvm_start(run, args);

	if (!ret)
		ret = asvm_wait(run, timeout_ms);
	asvm_free(run);
	return ret;
}
