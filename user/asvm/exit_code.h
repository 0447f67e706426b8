/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef ASVM_EXIT_CODE_H
#define ASVM_EXIT_CODE_H

/* enum exit_code - what asvm ends with; in asvm(1) */
enum exit_code {
	EXIT_CODE_OK = 0,		/* done; of run: the guest powered off */
	EXIT_CODE_FAILED = 1,		/* a message says why */
	EXIT_CODE_USAGE = 2,		/* arguments or the config file are wrong */
	EXIT_CODE_TRIPLE_FAULT = 3,	/* the guest's CPU gave up */
	EXIT_CODE_KILLED = 4,		/* ended from outside: kill, a second signal */
	EXIT_CODE_REBOOT = 5,		/* the guest rebooted and Reboot=no */
	EXIT_CODE_FILTER = 6,		/* ended by the system call filter */
};

#endif
