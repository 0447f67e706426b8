/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef ASVM_RUN_CONFIG_H
#define ASVM_RUN_CONFIG_H

#include "options.h"

void run_config_init(struct run_config *rc);

/**
 * run_config_args() - take the arguments behind "asvm run"
 * @rc: initialized; filled in
 * @argc, @argv: argv[0] is the verb
 *
 * A config file is read first and the options then change it, wherever they stand.
 *
 * Return: 0, or -EINVAL after a message.
 */
int run_config_args(struct run_config *rc, int argc, char **argv);

/* run_config_file() - take a config file; the same errors */
int run_config_file(struct run_config *rc, const char *path);

/**
 * run_config_text() - take the text of a config file
 * @file: what messages call it
 * @text: @size bytes and a NUL, changed in place
 */
int run_config_text(struct run_config *rc, const char *file, char *text,
		    size_t size);

/**
 * run_config_listen_fds() - take the descriptors of LISTEN_FDS
 *
 * LISTEN_FDNAMES says what each is: kvm, kernel, initrd, vsock, disk0, disk0-vhost,
 * net0 and net0-vhost (for each queue pair in turn). The variables are removed.
 */
int run_config_listen_fds(struct run_config *rc);

/* run_config_close_others() - close every descriptor that the guest was not given */
void run_config_close_others(const struct run_config *rc);

/**
 * run_config_check() - is it a guest that can run?
 * @kernel: it must have a kernel
 * Return: 0, or -EINVAL after a message.
 */
int run_config_check(struct run_config *rc, bool kernel);

#endif
