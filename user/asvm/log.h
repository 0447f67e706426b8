/* SPDX-License-Identifier: GPL-2.0-only */
/* Messages of the launcher, for a person or the journal. */
#ifndef ASVM_LOG_H
#define ASVM_LOG_H

enum log_level {
	LOG_LEVEL_ERR,
	LOG_LEVEL_WARN,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
};

/**
 * log_init - choose what is written and how
 * @name: put before each message ("asvm web"), copied; NULL for "asvm"
 * @level: the least important level that is still written
 * @journal: prefix each line with the "<N>" priority that journald reads
 *
 * Messages go to standard error in one write each, so that lines of several threads do not
 * mix. Nothing allocates or locks: usable in any thread, before and after the sandbox closes.
 */
void log_init(const char *name, enum log_level level, int journal);

/**
 * log_msg - write one message; use the macros below
 *
 * A message says what was wrong and what to do, without a newline at its end.
 */
void log_msg(enum log_level level, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#define log_err(...)	log_msg(LOG_LEVEL_ERR, __VA_ARGS__)
#define log_warn(...)	log_msg(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...)	log_msg(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)	log_msg(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
