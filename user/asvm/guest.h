/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef ASVM_GUEST_H
#define ASVM_GUEST_H

#include "control.h"
#include "machine.h"
#include "options.h"

/**
 * struct guest_start - what the guest's process is given
 * @rc: the configuration
 * @machine: opened
 * @fds: ends of the control server
 * @log: where messages go, becomes standard error
 * @go: a byte comes when the supervisor has set up the namespaces' maps and limits
 * @null: /dev/null, becomes standard input and output
 */
struct guest_start {
	const struct run_config *rc;
	struct machine *machine;
	struct control_fds fds;
	int log;
	int go;
	int null;
};

/* guest_main() - all of the guest's process; returns its exit code */
int guest_main(struct guest_start *gs);

#endif
