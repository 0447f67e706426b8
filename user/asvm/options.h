/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The options of a guest: one table serves the command line, the config file and
 * the help text, so that all three always know the same options.
 */
#ifndef ASVM_OPTIONS_H
#define ASVM_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "config.h"

/**
 * struct run_config - a guest and how it is run
 * @guest: what the machine is told
 * @npin: entries of guest.pin that are set
 * @daemon: go to the background when the guest runs
 * @sandbox: empty root, namespaces and system call filter
 * @limits: put the guest in a cgroup of its own where one is delegated
 * @user: whose rights the guest's process has when root starts it, NULL: nobody
 * @control_mode: file mode of the control socket
 * @verbose: messages of every level
 */
struct run_config {
	struct asvm_config guest;
	unsigned int npin;
	bool daemon;
	bool sandbox;
	bool limits;
	bool verbose;
	const char *user;
	mode_t control_mode;
};

enum option_kind {
	OPTION_STRING,
	OPTION_PATH,	/* a string that must not be empty */
	OPTION_BOOL,
	OPTION_UINT,	/* unsigned int */
	OPTION_U16,
	OPTION_U32,
	OPTION_U64,
	OPTION_INT,	/* int, not negative */
	OPTION_S64,	/* int64_t, not negative */
	OPTION_SIZE,	/* uint64_t, with a unit */
	OPTION_FD,	/* int, an open descriptor */
	OPTION_CALL,	/* by @call */
};

/**
 * struct option_def - one option
 * @cli: name on the command line, NULL: not there
 * @ini: key in the config file, NULL: not there
 * @arg: what its value is called in the help text, NULL for a switch that is on
 *	when it is only named
 * @help: one line
 * @kind: how the value is read
 * @offset: where it goes
 * @min, @max: range of numbers
 * @call: reads the value of an OPTION_CALL; returns NULL or what is wrong
 */
struct option_def {
	const char *cli;
	const char *ini;
	const char *arg;
	const char *help;
	enum option_kind kind;
	size_t offset;
	uint64_t min;
	uint64_t max;
	const char *(*call)(void *object, char *value);
};

/* Tables end with an entry of all zeros; their objects are these structures. */
extern const struct option_def guest_options[];	/* struct run_config */
extern const struct option_def disk_options[];	/* struct asvm_disk */
extern const struct option_def net_options[];	/* struct asvm_net */
extern const struct option_def vtd_options[];	/* struct asvm_vtd */

/**
 * option_set() - give one option its value
 * @def: the option
 * @object: the structure that the option's table is for
 * @value: may be changed; what is kept of it is copied
 *
 * Return: NULL, or what is wrong.
 */
const char *option_set(const struct option_def *def, void *object, char *value);

const struct option_def *option_by_cli(const struct option_def *table,
				       const char *name);
const struct option_def *option_by_ini(const struct option_def *table,
				       const char *name);

/**
 * struct option_arg - an argument of the command line
 * @def: the option, NULL for an argument that is none
 * @value: its value, or the argument itself
 */
struct option_arg {
	const struct option_def *def;
	char *value;
};

/**
 * option_arg_next() - step over one argument, and the next if that is its value
 * @table: the options there are
 * @i: index in @argv, moved on
 * Return: 0, or -EINVAL after a message.
 */
int option_arg_next(const struct option_def *table, int argc, char **argv,
		    int *i, struct option_arg *arg);

/* option_arg_set() - option_set() with a message; 0 or -EINVAL */
int option_arg_set(const struct option_arg *arg, void *object);

/* One more device of a guest, with defaults; NULL when it has all it can have. */
struct asvm_disk *run_config_add_disk(struct run_config *rc);
struct asvm_net *run_config_add_net(struct run_config *rc);
struct asvm_vtd *run_config_add_vtd(struct run_config *rc);

/* The calls of --disk, --net and --vtd; @object is a struct run_config. */
const char *option_disk(void *object, char *value);
const char *option_net(void *object, char *value);
const char *option_vtd(void *object, char *value);

/* An open descriptor from outside; it is made close-on-exec. */
const char *option_fd(uint64_t number, int *fd);

#endif
