/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef ASVM_SUPERVISE_H
#define ASVM_SUPERVISE_H

#include <stdbool.h>
#include <sys/types.h>

/**
 * struct supervisor - the process that waits for a guest and forwards
 * @child: the guest's process
 * @control: connection to its control server
 * @terminal: connection to its console, -1: none
 * @logs: read end of the guest's messages
 * @signals: signalfd of the signals that supervise_signals() blocks
 * @ready_fd: a byte goes there when the guest runs, -1: none
 * @daemon: has no terminal; messages go to the system's log when the guest runs
 */
struct supervisor {
	pid_t child;
	int control;
	int terminal;
	int logs;
	int signals;
	int ready_fd;
	bool daemon;
};

/* supervise_signals() - block what is waited for; a signalfd, or -errno */
int supervise_signals(void);

/* supervise() - until the guest's process has ended; an enum exit_code */
int supervise(struct supervisor *sv);

#endif
