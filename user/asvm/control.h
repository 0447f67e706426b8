/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guest's side of its control socket and its console.
 *
 * A client sends a line with a flat JSON object and gets one back:
 *
 *   {"verb":"pause"}                          {"ok":true}
 *   {"verb":"resize-disk","disk":0,"size":0}  {"ok":false,"error":"..."}
 *
 * After {"verb":"console"} and its answer the connection carries the console both
 * ways, first what was printed last. All connections close when the guest ends.
 *
 * Everything here runs in the loop's thread, so nothing is locked.
 */
#ifndef ASVM_CONTROL_H
#define ASVM_CONTROL_H

#include "loop.h"
#include "machine.h"

struct control;

/**
 * struct control_fds - what the control server serves, all non-blocking
 * @listen: the listening control socket, -1: none
 * @console: the other end of asvm_config.console_fd, -1: none
 * @supervisor: a connection of the supervising process
 * @terminal: a connection that carries the console from the start and loses
 *	nothing: the guest waits for it. -1: none
 */
struct control_fds {
	int listen;
	int console;
	int supervisor;
	int terminal;
};

/* NULL after a message. @fds belong to the server then. */
struct control *control_new(struct loop *loop, struct machine *m,
			    const struct asvm_config *cfg,
			    const struct control_fds *fds);

/* control_flush() - hand on what the console still holds, at the guest's end */
void control_flush(struct control *ctl);

#endif
