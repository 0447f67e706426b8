/* SPDX-License-Identifier: GPL-2.0-only */
/* virtio-console. */
#ifndef ASVM_CONSOLE_H
#define ASVM_CONSOLE_H

#include "term.h"
#include "virtio.h"

struct console;

/** console_create - a console with one port on the terminal; NULL after a message */
struct console *console_create(const struct virtio_host *host, struct term *term);
void console_destroy(struct console *con);
struct virtio_dev *console_virtio(struct console *con);

#endif
