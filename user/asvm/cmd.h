/* SPDX-License-Identifier: GPL-2.0-only */
/* The verbs. argv[0] is the verb; each returns an enum exit_code. */
#ifndef ASVM_CMD_H
#define ASVM_CMD_H

#define ASVM_VERSION "0.1.0"

int cmd_run(int argc, char **argv);
int cmd_list(int argc, char **argv);
int cmd_stats(int argc, char **argv);
int cmd_console(int argc, char **argv);
int cmd_control(int argc, char **argv);
int cmd_resize_disk(int argc, char **argv);
int cmd_balloon(int argc, char **argv);
int cmd_vhost_user_blk(int argc, char **argv);
int cmd_qemu(int argc, char **argv);

#endif
