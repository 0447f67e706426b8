// SPDX-License-Identifier: GPL-2.0-only
/* The guest's process, from its first instruction to its exit code. */
#include "guest.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "exit_code.h"
#include "isolate.h"
#include "log.h"

/* Die with the supervisor; wait until it has set everything up. */
static int attach(struct guest_start *gs)
{
	ssize_t n;
	char go;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return -errno;
	do {
		n = read(gs->go, &go, 1);
	} while (n < 0 && errno == EINTR);
	close(gs->go);
	/* End of file: it gave up, after a message of its own. */
	if (n != 1)
		return -ECANCELED;
	/* No controlling terminal, whose input could be forged. */
	setsid();
	if (dup2(gs->null, STDIN_FILENO) < 0 ||
	    dup2(gs->null, STDOUT_FILENO) < 0 ||
	    dup2(gs->log, STDERR_FILENO) < 0)
		return -errno;
	close(gs->null);
	close(gs->log);
	return 0;
}

static int exit_code(enum machine_end end)
{
	switch (end) {
	case MACHINE_END_POWEROFF:
		return EXIT_CODE_OK;
	case MACHINE_END_REBOOT:
		return EXIT_CODE_REBOOT;
	case MACHINE_END_STOPPED:
		return EXIT_CODE_KILLED;
	case MACHINE_END_TRIPLE_FAULT:
		return EXIT_CODE_TRIPLE_FAULT;
	default:
		return EXIT_CODE_FAILED;
	}
}

int guest_main(struct guest_start *gs)
{
	enum machine_end end;
	struct control *ctl;
	struct loop *loop;

	if (attach(gs))
		return EXIT_CODE_FAILED;
	if (gs->rc->sandbox && isolate_enter())
		return EXIT_CODE_FAILED;
	loop = loop_new();
	if (!loop) {
		log_err("no event loop: %s", strerror(errno));
		return EXIT_CODE_FAILED;
	}
	if (machine_create(gs->machine, loop))
		return EXIT_CODE_FAILED;
	ctl = control_new(loop, gs->machine, &gs->rc->guest, &gs->fds);
	if (!ctl)
		return EXIT_CODE_FAILED;
	if (gs->rc->sandbox &&
	    isolate_filter(gs->rc->guest.nvtds ? ISOLATE_GUEST_VFIO : ISOLATE_GUEST))
		return EXIT_CODE_FAILED;
	end = machine_run(gs->machine);
	control_flush(ctl);
	return exit_code(end);
}
