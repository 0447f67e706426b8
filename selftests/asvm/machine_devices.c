// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's side of asvm's devices, without KVM: configuration space, BARs, ports and rings
 * with random values, while the event loop runs as it does beside a guest. The sanitizers say
 * what went wrong.
 */
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "balloon.h"
#include "console.h"
#include "fuzz.h"
#include "kselftest_harness.h"
#include "kvm.h"
#include "log.h"
#include "loop.h"
#include "pci.h"
#include "rng.h"
#include "serial.h"
#include "term.h"

#define SLOTS		4	/* the bridge, rng, balloon, console */
#define BAR_SIZE	0x8000
#define RAM		(16ULL << 20)

/* KVM's part: nothing interrupts, and a route of the guest's may be refused. */
static unsigned int msis, lines;

int kvm_set_memory(struct kvm *kvm, uint32_t slot, uint64_t gpa, uint64_t size, void *host)
{
	return 0;
}

int kvm_alloc_msi(struct kvm *kvm, unsigned int n)
{
	msis += n;
	return KVM_MSI_FIRST + msis - n;
}

void kvm_set_msi(struct kvm *kvm, unsigned int gsi, bool used, uint64_t addr, uint32_t data)
{
	if (gsi < KVM_MSI_FIRST || gsi >= KVM_MSI_FIRST + msis)
		abort();
}

int kvm_commit_routes(struct kvm *kvm)
{
	return 0;
}

int kvm_irqfd(struct kvm *kvm, int fd, unsigned int gsi, bool on)
{
	return fd < 0 ? -EBADF : 0;
}

int kvm_ioeventfd(struct kvm *kvm, int fd, uint64_t addr, bool on)
{
	return 0;
}

void kvm_line(struct kvm *kvm, unsigned int pin, unsigned int source, bool level)
{
	if (pin >= KVM_IOAPIC_PINS || source >= 64)
		abort();
	lines++;
}

FIXTURE(devices)
{
	struct virtio_host host;
	struct kvm kvm;
	struct memory mem;
	struct pci_bus pci;
	struct loop *loop;
	pthread_mutex_t lock;
	pthread_t thread;
	struct term term;
	struct serial serial;
	struct rng *rng;
	struct balloon *balloon;
	struct console *console;
	int peer;
	struct fuzz fuzz;
};

static void *run_loop(void *arg)
{
	loop_run(arg);
	return NULL;
}

FIXTURE_SETUP(devices)
{
	struct asvm_config cfg;
	int pair[2];

	/* what a broken ring says is not wanted a thousand times */
	log_init(NULL, LOG_LEVEL_ERR, 0);
	config_init(&cfg);
	cfg.mem = RAM;
	ASSERT_EQ(mem_create(&self->mem, &cfg), 0);
	ASSERT_EQ(mem_set_phys_bits(&self->mem, 40), 0);
	pthread_mutex_init(&self->lock, NULL);
	self->loop = loop_new();
	ASSERT_NE(self->loop, NULL);
	self->host = (struct virtio_host){
		.kvm = &self->kvm,
		.mem = &self->mem,
		.pci = &self->pci,
		.loop = self->loop,
		.lock = &self->lock,
	};
	ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	self->peer = pair[1];
	pci_init(&self->pci, &self->mem);
	ASSERT_EQ(term_init(&self->term, pair[0], self->loop, &self->lock), 0);
	ASSERT_EQ(serial_init(&self->serial, &self->kvm, &self->term, self->loop, false), 0);
	self->rng = rng_create(&self->host);
	self->balloon = balloon_create(&self->host, true);
	self->console = console_create(&self->host, &self->term);
	ASSERT_NE(self->rng, NULL);
	ASSERT_NE(self->balloon, NULL);
	ASSERT_NE(self->console, NULL);
	pci_reset(&self->pci);
	self->fuzz.state = 0x123456789abcdef;
	ASSERT_EQ(pthread_create(&self->thread, NULL, run_loop, self->loop), 0);
}

FIXTURE_TEARDOWN(devices)
{
	loop_quit(self->loop, 0);
	pthread_join(self->thread, NULL);
	console_destroy(self->console);
	balloon_destroy(self->balloon);
	rng_destroy(self->rng);
	serial_destroy(&self->serial);
	term_destroy(&self->term);
	loop_free(self->loop);
	mem_destroy(&self->mem);
}

static uint64_t mmio(FIXTURE_DATA(devices) *self, uint64_t gpa, unsigned int len, bool write,
		     uint64_t val)
{
	/* KVM gives a vCPU's access exactly as many bytes as it has */
	uint8_t *data = malloc(len);

	memcpy(data, &val, len);
	pthread_mutex_lock(&self->lock);
	pci_mmio(&self->pci, gpa, data, len, write);
	pthread_mutex_unlock(&self->lock);
	val = 0;
	memcpy(&val, data, len);
	free(data);
	return val;
}

static uint64_t config_addr(unsigned int slot, unsigned int reg)
{
	return ECAM_BASE + (slot << 15) + reg;
}

static uint64_t bar_addr(FIXTURE_DATA(devices) *self, unsigned int slot)
{
	uint32_t bar;

	memcpy(&bar, self->pci.devs[slot]->reset + PCI_BASE_ADDRESS_0, sizeof(bar));
	return bar & (uint32_t)PCI_BASE_ADDRESS_MEM_MASK;
}

static void map_bar(FIXTURE_DATA(devices) *self, unsigned int slot)
{
	mmio(self, config_addr(slot, PCI_BASE_ADDRESS_0), 4, true, bar_addr(self, slot));
	mmio(self, config_addr(slot, PCI_BASE_ADDRESS_1), 4, true, 0);
	mmio(self, config_addr(slot, PCI_COMMAND), 2, true,
	     PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

static uint32_t value(struct fuzz *f)
{
	static const uint32_t special[] = {
		0, 1, 0xff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff, ECAM_BASE, 0xfee00000,
	};
	uint32_t n = ARRAY_SIZE(special);

	return fuzz_below(f, 2) ? special[fuzz_below(f, n)] : fuzz_next(f);
}

TEST_F(devices, config_space)
{
	unsigned int i, rounds = fuzz_rounds();

	for (i = 0; i < rounds; i++) {
		unsigned int len = 1 << fuzz_below(&self->fuzz, 3);
		unsigned int reg = fuzz_below(&self->fuzz, 4) ? fuzz_below(&self->fuzz, 256) :
				   fuzz_below(&self->fuzz, 4096);
		unsigned int slot = fuzz_below(&self->fuzz, 33);
		uint64_t gpa = config_addr(slot, 0) + (reg & ~(len - 1));

		mmio(self, gpa, len, fuzz_below(&self->fuzz, 2), value(&self->fuzz));
	}
	/* what is read-only stayed as it was */
	EXPECT_EQ(mmio(self, config_addr(1, 0), 4, false, 0), 0x10441af4);
	EXPECT_EQ(mmio(self, config_addr(2, 0), 4, false, 0), 0x10451af4);
	EXPECT_EQ(mmio(self, config_addr(3, 0), 4, false, 0), 0x10431af4);
}

TEST_F(devices, ports)
{
	unsigned int i, rounds = fuzz_rounds();
	uint8_t data[4];

	for (i = 0; i < rounds; i++) {
		unsigned int len = 1 << fuzz_below(&self->fuzz, 3);
		uint32_t val = value(&self->fuzz);
		bool write = fuzz_below(&self->fuzz, 2);

		memcpy(data, &val, sizeof(data));
		pthread_mutex_lock(&self->lock);
		pci_port(&self->pci, 0xcf8 + fuzz_below(&self->fuzz, 8), data, len, write);
		if (write)
			serial_out(&self->serial, fuzz_below(&self->fuzz, 8), val);
		else
			serial_in(&self->serial, fuzz_below(&self->fuzz, 8));
		pthread_mutex_unlock(&self->lock);
		if (!(i % 1024))
			while (read(self->peer, data, sizeof(data)) > 0)
				;
	}
}

TEST_F(devices, bar)
{
	unsigned int i, slot, rounds = fuzz_rounds();

	for (i = 0; i < rounds; i++) {
		unsigned int len = 1 << fuzz_below(&self->fuzz, 4);

		slot = 1 + fuzz_below(&self->fuzz, SLOTS - 1);
		if (!(i % 64))
			map_bar(self, slot);
		mmio(self, bar_addr(self, slot) + (fuzz_below(&self->fuzz, BAR_SIZE) & ~(len - 1)),
		     len, fuzz_below(&self->fuzz, 2),
		     value(&self->fuzz) | (uint64_t)value(&self->fuzz) << 32);
	}
}

/* What is behind a device's configuration is asvm's own memory. */
TEST_F(devices, config_ends)
{
	unsigned int slot, off;

	for (slot = 1; slot < SLOTS; slot++) {
		map_bar(self, slot);
		for (off = VIRTIO_CONFIG_MAX; off < 0x1000; off++)
			ASSERT_EQ(mmio(self, bar_addr(self, slot) + 0x2000 + off, 1, false, 0),
				  0);
		mmio(self, bar_addr(self, slot) + 0x2000 + VIRTIO_CONFIG_MAX - 4, 8, false, 0);
	}
}

static void common(FIXTURE_DATA(devices) *self, unsigned int slot, unsigned int off,
		   unsigned int len, uint64_t val)
{
	mmio(self, bar_addr(self, slot) + off, len, true, val);
}

/* Bring a device up as a driver does, with rings at random places, some of them impossible. */
static void start_device(FIXTURE_DATA(devices) *self, unsigned int slot)
{
	struct fuzz *f = &self->fuzz;
	unsigned int q, i;
	uint64_t features = 0;

	map_bar(self, slot);
	common(self, slot, VIRTIO_PCI_COMMON_STATUS, 1, 0);
	common(self, slot, VIRTIO_PCI_COMMON_STATUS, 1, 3);
	for (i = 0; i < 2; i++) {
		common(self, slot, VIRTIO_PCI_COMMON_DFSELECT, 4, i);
		features = mmio(self, bar_addr(self, slot) + VIRTIO_PCI_COMMON_DF, 4, false, 0);
		if (!fuzz_below(f, 3))
			features &= ~(1u << (i ? VIRTIO_F_RING_PACKED - 32 :
					     VIRTIO_RING_F_EVENT_IDX));
		if (!i && !fuzz_below(f, 3))
			features &= ~(1u << VIRTIO_RING_F_INDIRECT_DESC);
		common(self, slot, VIRTIO_PCI_COMMON_GFSELECT, 4, i);
		common(self, slot, VIRTIO_PCI_COMMON_GF, 4, features);
	}
	common(self, slot, VIRTIO_PCI_COMMON_STATUS, 1, 0xb);
	for (q = 0; q < 3; q++) {
		uint64_t base = fuzz_below(f, 16) ? 0x10000ULL * (1 + q) :
				RAM - 16 * fuzz_below(f, 64);

		common(self, slot, VIRTIO_PCI_COMMON_Q_SELECT, 2, q);
		common(self, slot, VIRTIO_PCI_COMMON_Q_SIZE, 2, 1 << fuzz_below(f, 7));
		common(self, slot, VIRTIO_PCI_COMMON_Q_DESCLO, 8, base);
		common(self, slot, VIRTIO_PCI_COMMON_Q_AVAILLO, 8, base + 0x2000);
		common(self, slot, VIRTIO_PCI_COMMON_Q_USEDLO, 8, base + 0x3000);
		common(self, slot, VIRTIO_PCI_COMMON_Q_MSIX, 2, fuzz_below(f, 6));
		common(self, slot, VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
	}
	common(self, slot, VIRTIO_PCI_COMMON_STATUS, 1, 0xf);
}

/* Rewrite the rings while they are served, and kick. */
static void stir_rings(FIXTURE_DATA(devices) *self, unsigned int slot)
{
	struct fuzz *f = &self->fuzz;
	unsigned int q, i;

	for (q = 0; q < 3; q++) {
		struct vring_desc *d = (void *)(self->mem.base + 0x10000 * (1 + q));
		uint16_t *avail = (void *)(self->mem.base + 0x10000 * (1 + q) + 0x2000);

		for (i = 0; i < 128; i++) {
			d[i].addr = fuzz_below(f, 8) ? fuzz_below(f, RAM) & ~0xf : value(f);
			d[i].len = fuzz_below(f, 4) ? fuzz_below(f, 8192) : value(f);
			d[i].flags = 1 << (fuzz_below(f, 2) ? 7 : fuzz_below(f, 16));
			d[i].next = fuzz_below(f, 66);
		}
		for (i = 0; i < 66; i++)
			avail[i] = fuzz_below(f, 66);
		mmio(self, bar_addr(self, slot) + 0x5000 + 4 * q, 2, true, q);
	}
}

TEST_F(devices, rings)
{
	unsigned int i, rounds = fuzz_rounds() / 40;
	uint8_t buf[4096];

	for (i = 0; i < rounds; i++) {
		unsigned int slot = 1 + i % (SLOTS - 1);

		start_device(self, slot);
		stir_rings(self, slot);
		if (write(self->peer, buf, fuzz_below(&self->fuzz, sizeof(buf))) < 0)
			ASSERT_EQ(errno, EAGAIN);
		stir_rings(self, slot);
		while (read(self->peer, buf, sizeof(buf)) > 0)
			;
	}
	/* and a driver that does nothing wrong can still use the device */
	for (i = 1; i < SLOTS; i++) {
		map_bar(self, i);
		common(self, i, VIRTIO_PCI_COMMON_STATUS, 1, 0);
		EXPECT_EQ(mmio(self, bar_addr(self, i) + VIRTIO_PCI_COMMON_STATUS, 1, false, 0),
			  0);
	}
}

TEST_HARNESS_MAIN
