/* SPDX-License-Identifier: GPL-2.0-only */
/* A 16550A at the first PC serial port. */
#ifndef ASVM_SERIAL_H
#define ASVM_SERIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "kvm.h"
#include "loop.h"
#include "term.h"

#define SERIAL_PORT	0x3f8
#define SERIAL_PORTS	8
#define SERIAL_RX_SIZE	64
#define SERIAL_TX_SIZE	65536

/**
 * struct serial - registers and buffers; covered by the machine's lock
 * @tx: ring of what the guest sent and the terminal has not taken; allocated when first used
 * @timer: has the loop write what has gathered
 * @thre: the transmitter-empty interrupt is due
 */
struct serial {
	struct kvm *kvm;
	struct term *term;
	struct loop *loop;
	struct term_client client;
	struct loop_source timer;
	bool timer_set;
	bool input;
	bool thre;
	bool line;
	uint8_t ier, fcr, lcr, mcr, scr, dll, dlm;
	uint8_t rx[SERIAL_RX_SIZE];
	unsigned int rx_head, rx_count;
	uint8_t *tx;
	unsigned int tx_head, tx_count;
};

/** serial_init - @input: the terminal's input is for this device; 0 or -errno */
int serial_init(struct serial *s, struct kvm *kvm, struct term *term, struct loop *loop,
		bool input);
void serial_destroy(struct serial *s);
void serial_reset(struct serial *s);

/** serial_flush - write out what has gathered, when the guest ends */
void serial_flush(struct serial *s);

uint8_t serial_in(struct serial *s, unsigned int reg);
void serial_out(struct serial *s, unsigned int reg, uint8_t val);

#endif
