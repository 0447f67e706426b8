// SPDX-License-Identifier: GPL-2.0-only
/* Messages of the launcher. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

static char log_name[96] = "asvm";
static enum log_level log_max = LOG_LEVEL_INFO;
static int log_journal;

void log_init(const char *name, enum log_level level, int journal)
{
	snprintf(log_name, sizeof(log_name), "%s", name ? name : "asvm");
	log_max = level;
	log_journal = journal;
}

void log_msg(enum log_level level, const char *fmt, ...)
{
	/* syslog's numbers: err, warning, info, debug */
	static const char prio[] = { '3', '4', '6', '7' };
	static const char * const word[] = { "error: ", "warning: ", "", "" };
	int saved = errno;
	char line[1024];
	size_t len = 0;
	va_list ap;
	int n;

	if (level > log_max)
		return;
	if (log_journal)
		len += snprintf(line, sizeof(line), "<%c>", prio[level]);
	len += snprintf(line + len, sizeof(line) - len, "%s: %s", log_name, word[level]);
	errno = saved;
	va_start(ap, fmt);
	n = vsnprintf(line + len, sizeof(line) - len, fmt, ap);
	va_end(ap);
	if (n > 0)
		len += n;
	if (len > sizeof(line) - 2)
		len = sizeof(line) - 2;
	line[len++] = '\n';
	/* nothing to do about a lost message */
	if (write(STDERR_FILENO, line, len) < 0)
		len = 0;
	errno = saved;
}
