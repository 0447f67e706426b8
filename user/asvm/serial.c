// SPDX-License-Identifier: GPL-2.0-only
/* A 16550A, for early output and for guests without a virtio console. */
#include <errno.h>
#include <linux/serial_reg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "acpi.h"
#include "serial.h"

/* how long output gathers before it is written, if no line ends */
#define SERIAL_GATHER_NS	2000000

#define SERIAL_FIFO_DEPTH	16
#define SERIAL_IIR_FIFO		0xc0

static struct serial *serial_from_client(struct term_client *c)
{
	return (struct serial *)((char *)c - offsetof(struct serial, client));
}

static uint8_t serial_iir(const struct serial *s)
{
	if ((s->ier & UART_IER_RDI) && s->rx_count)
		return UART_IIR_RDI;
	if ((s->ier & UART_IER_THRI) && s->thre)
		return UART_IIR_THRI;
	return UART_IIR_NO_INT;
}

static void serial_update_irq(struct serial *s)
{
	bool line = serial_iir(s) != UART_IIR_NO_INT;

	if (line == s->line)
		return;
	s->line = line;
	kvm_line(s->kvm, ACPI_GSI_SERIAL, 0, line);
}

/* Wait for what there is a use for: input while there is room, output while some is left. */
static void serial_update_wants(struct serial *s)
{
	term_want(s->term, &s->client, s->input && s->rx_count < SERIAL_RX_SIZE,
		  s->client.want_out);
}

static void serial_write_out(struct serial *s)
{
	while (s->tx_count) {
		unsigned int run = SERIAL_TX_SIZE - s->tx_head;
		size_t n;

		if (run > s->tx_count)
			run = s->tx_count;
		n = term_write(s->term, s->tx + s->tx_head, run);
		if (!n)
			break;
		s->tx_head = (s->tx_head + n) % SERIAL_TX_SIZE;
		s->tx_count -= n;
	}
	term_want(s->term, &s->client, s->client.want_in, s->tx_count > 0);
}

static void serial_readable(struct term_client *c)
{
	struct serial *s = serial_from_client(c);
	uint8_t buf[SERIAL_RX_SIZE];
	size_t i, n = term_read(s->term, buf, SERIAL_RX_SIZE - s->rx_count);

	for (i = 0; i < n; i++)
		s->rx[(s->rx_head + s->rx_count++) % SERIAL_RX_SIZE] = buf[i];
	serial_update_wants(s);
	serial_update_irq(s);
}

static void serial_writable(struct term_client *c)
{
	serial_write_out(serial_from_client(c));
}

static void serial_timer(struct loop_source *src, uint32_t events)
{
	struct serial *s = src->opaque;
	uint64_t count;

	(void)events;
	pthread_mutex_lock(s->term->lock);
	if (read(src->fd, &count, sizeof(count)) == sizeof(count)) {
		s->timer_set = false;
		serial_write_out(s);
	}
	pthread_mutex_unlock(s->term->lock);
}

/* A byte from the guest. Lines are written when they end, the rest when a moment has passed. */
static void serial_transmit(struct serial *s, uint8_t c)
{
	const struct itimerspec when = { .it_value.tv_nsec = SERIAL_GATHER_NS };

	if (s->term->fd < 0)
		return;
	if (!s->tx)
		s->tx = malloc(SERIAL_TX_SIZE);
	if (!s->tx || s->tx_count == SERIAL_TX_SIZE)
		return;
	s->tx[(s->tx_head + s->tx_count++) % SERIAL_TX_SIZE] = c;
	if (c == '\n') {
		serial_write_out(s);
	} else if (!s->timer_set) {
		s->timer_set = true;
		timerfd_settime(s->timer.fd, 0, &when, NULL);
	}
}

int serial_init(struct serial *s, struct kvm *kvm, struct term *term, struct loop *loop,
		bool input)
{
	int err;

	*s = (struct serial){
		.kvm = kvm,
		.term = term,
		.loop = loop,
		.input = input,
		.client = { .readable = serial_readable, .writable = serial_writable },
	};
	s->timer.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (s->timer.fd < 0)
		return -errno;
	s->timer.ready = serial_timer;
	s->timer.opaque = s;
	err = loop_add(loop, &s->timer, EPOLLIN);
	if (err) {
		close(s->timer.fd);
		s->loop = NULL;
		return err;
	}
	term_add(term, &s->client);
	serial_reset(s);
	return 0;
}

void serial_destroy(struct serial *s)
{
	if (!s->loop)
		return;
	loop_del(s->loop, &s->timer);
	close(s->timer.fd);
	free(s->tx);
	s->tx = NULL;
	s->loop = NULL;
}

void serial_reset(struct serial *s)
{
	s->ier = 0;
	s->fcr = 0;
	s->lcr = 0;
	s->mcr = 0;
	s->scr = 0;
	s->dll = 12;	/* 9600 */
	s->dlm = 0;
	s->thre = false;
	s->rx_count = 0;
	serial_update_irq(s);
	serial_update_wants(s);
}

void serial_flush(struct serial *s)
{
	if (s->loop)
		serial_write_out(s);
}

static uint8_t serial_receive(struct serial *s)
{
	uint8_t c;

	if (!s->rx_count)
		return 0;
	c = s->rx[s->rx_head];
	s->rx_head = (s->rx_head + 1) % SERIAL_RX_SIZE;
	s->rx_count--;
	/* not for each byte: the loop's thread need only be awake twice for a full buffer */
	if (s->rx_count <= SERIAL_RX_SIZE / 2)
		serial_update_wants(s);
	serial_update_irq(s);
	return c;
}

/* Modem status: a cable with everything ready, or in loop-back the modem control bits. */
static uint8_t serial_msr(const struct serial *s)
{
	uint8_t msr = 0;

	if (!(s->mcr & UART_MCR_LOOP))
		return UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS;
	if (s->mcr & UART_MCR_RTS)
		msr |= UART_MSR_CTS;
	if (s->mcr & UART_MCR_DTR)
		msr |= UART_MSR_DSR;
	if (s->mcr & UART_MCR_OUT1)
		msr |= UART_MSR_RI;
	if (s->mcr & UART_MCR_OUT2)
		msr |= UART_MSR_DCD;
	return msr;
}

uint8_t serial_in(struct serial *s, unsigned int reg)
{
	uint8_t val;

	switch (reg) {
	case UART_RX:
		return s->lcr & UART_LCR_DLAB ? s->dll : serial_receive(s);
	case UART_IER:
		return s->lcr & UART_LCR_DLAB ? s->dlm : s->ier;
	case UART_IIR:
		val = serial_iir(s);
		if (val == UART_IIR_THRI) {
			s->thre = false;
			serial_update_irq(s);
		}
		return val | (s->fcr & UART_FCR_ENABLE_FIFO ? SERIAL_IIR_FIFO : 0);
	case UART_LCR:
		return s->lcr;
	case UART_MCR:
		return s->mcr;
	case UART_LSR:
		return UART_LSR_TEMT | UART_LSR_THRE | (s->rx_count ? UART_LSR_DR : 0);
	case UART_MSR:
		return serial_msr(s);
	default:
		return s->scr;
	}
}

static void serial_send(struct serial *s, uint8_t val)
{
	if (s->mcr & UART_MCR_LOOP) {
		if (s->rx_count < SERIAL_FIFO_DEPTH)
			s->rx[(s->rx_head + s->rx_count++) % SERIAL_RX_SIZE] = val;
	} else {
		serial_transmit(s, val);
	}
	/* it is sent the moment it is written: an edge for the next one */
	s->thre = false;
	serial_update_irq(s);
	s->thre = true;
	serial_update_irq(s);
}

void serial_out(struct serial *s, unsigned int reg, uint8_t val)
{
	switch (reg) {
	case UART_TX:
		if (s->lcr & UART_LCR_DLAB)
			s->dll = val;
		else
			serial_send(s, val);
		break;
	case UART_IER:
		if (s->lcr & UART_LCR_DLAB) {
			s->dlm = val;
			break;
		}
		if (val & ~s->ier & UART_IER_THRI)
			s->thre = true;
		s->ier = val & 0xf;
		serial_update_irq(s);
		break;
	case UART_FCR:
		s->fcr = val;
		if (val & UART_FCR_CLEAR_RCVR) {
			s->rx_count = 0;
			serial_update_wants(s);
			serial_update_irq(s);
		}
		break;
	case UART_LCR:
		s->lcr = val;
		break;
	case UART_MCR:
		s->mcr = val & 0x1f;
		break;
	case UART_SCR:
		s->scr = val;
		break;
	}
}
