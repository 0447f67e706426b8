// SPDX-License-Identifier: GPL-2.0-only
/* A guest: its phases, and what can be asked of it while it runs. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "acpi.h"
#include "boot.h"
#include "devices.h"
#include "kvm.h"
#include "log.h"
#include "machine.h"
#include "memory.h"
#include "vcpu.h"

/*
 * Linux looks for an AGP bridge on some AMD processors, through a configuration mechanism that
 * is not there: 8192 functions, two exits each. The user's own iommu= options come after this
 * one and add to it.
 */
#define MACHINE_GART_CMDLINE	"iommu=noaperture "

/** enum machine_request - what a vCPU asks of the main thread, as bits */
enum machine_request {
	REQUEST_RESET		= 1 << 0,
	REQUEST_POWEROFF	= 1 << 1,
	REQUEST_TRIPLE_FAULT	= 1 << 2,
	REQUEST_ERROR		= 1 << 3,
};

/**
 * struct machine - the guest
 * @lock: covers @devices and the interrupt routes of @kvm. vCPU threads take it for an access,
 *	the main thread for everything that touches a device. vcpus_hold() waits for vCPU
 *	threads, so it is never called with it held.
 * @state: the main thread's alone, as is all that follows it
 * @requests: bits of enum machine_request, set by vCPUs; @wake tells of them
 */
struct machine {
	const struct asvm_config *cfg;
	int kvm_fd;
	int kernel_fd;
	int initrd_fd;
	struct kvm kvm;
	struct memory mem;
	struct vcpu_set vcpus;
	struct devices devices;
	pthread_mutex_t lock;

	enum machine_state state;
	struct loop *loop;
	char *cmdline;
	struct boot_image image;
	unsigned int reboots;

	atomic_uint requests;
	struct loop_source wake;
};

static int machine_open_file(int given, const char *path, int flags, const char *hint)
{
	int fd = given;

	if (fd < 0)
		fd = open(path, flags | O_CLOEXEC);
	if (fd < 0) {
		fd = -errno;
		log_err("cannot open %s: %s%s", path, strerror(-fd), hint);
	}
	return fd;
}

struct machine *machine_open(const struct asvm_config *cfg)
{
	struct machine *m = calloc(1, sizeof(*m));

	if (!m) {
		log_err("out of memory");
		return NULL;
	}
	m->cfg = cfg;
	m->kvm.vm_fd = -1;
	m->devices.vfio = -1;
	m->mem.fd = -1;
	m->wake.fd = -1;
	m->kernel_fd = -1;
	m->initrd_fd = -1;
	pthread_mutex_init(&m->lock, NULL);

	m->kvm_fd = machine_open_file(cfg->kvm_fd, "/dev/kvm", O_RDWR,
				      "; load kvm_intel or kvm_amd, and be in the group kvm");
	if (m->kvm_fd < 0)
		goto err_close;
	if (!cfg->kernel && cfg->kernel_fd < 0) {
		log_err("no kernel given");
		goto err_close;
	}
	m->kernel_fd = machine_open_file(cfg->kernel_fd, cfg->kernel, O_RDONLY, "");
	if (m->kernel_fd < 0)
		goto err_close;
	if (cfg->initrd || cfg->initrd_fd >= 0) {
		m->initrd_fd = machine_open_file(cfg->initrd_fd, cfg->initrd, O_RDONLY, "");
		if (m->initrd_fd < 0)
			goto err_close;
	}
	if (devices_open(&m->devices, cfg))
		goto err_close;
	return m;

err_close:
	machine_close(m);
	return NULL;
}

void machine_close(struct machine *m)
{
	if (!m)
		return;
	vcpus_destroy(&m->vcpus);
	devices_destroy(&m->devices);
	kvm_destroy(&m->kvm);
	mem_destroy(&m->mem);
	if (m->wake.fd >= 0) {
		loop_del(m->loop, &m->wake);
		close(m->wake.fd);
	}
	if (m->initrd_fd >= 0)
		close(m->initrd_fd);
	if (m->kernel_fd >= 0)
		close(m->kernel_fd);
	if (m->kvm_fd >= 0)
		close(m->kvm_fd);
	free(m->cmdline);
	pthread_mutex_destroy(&m->lock);
	free(m);
}

static void machine_request(struct machine *m, enum machine_request request)
{
	static const uint64_t one = 1;

	atomic_fetch_or(&m->requests, request);
	/* a counter that is full wakes the loop too */
	if (write(m->wake.fd, &one, sizeof(one)) < 0)
		return;
}

static bool machine_vcpu_mmio(void *opaque, uint64_t gpa, uint8_t *data, unsigned int len,
			      bool write)
{
	struct machine *m = opaque;

	pthread_mutex_lock(&m->lock);
	devices_mmio(&m->devices, gpa, data, len, write);
	pthread_mutex_unlock(&m->lock);
	return false;
}

static bool machine_vcpu_pio(void *opaque, uint16_t port, uint8_t *data, unsigned int len,
			     bool write)
{
	struct machine *m = opaque;

	if (write && port == ACPI_PORT_RESET && *data == ACPI_RESET_VALUE) {
		machine_request(m, REQUEST_RESET);
		return true;
	}
	if (write && port == ACPI_PORT_SLEEP_CTRL && *data == ACPI_SLEEP_S5) {
		machine_request(m, REQUEST_POWEROFF);
		return true;
	}
	pthread_mutex_lock(&m->lock);
	devices_pio(&m->devices, port, data, len, write);
	pthread_mutex_unlock(&m->lock);
	return false;
}

static void machine_vcpu_fault(void *opaque, enum vcpu_fault fault)
{
	machine_request(opaque, fault == VCPU_TRIPLE_FAULT ? REQUEST_TRIPLE_FAULT :
				REQUEST_ERROR);
}

static const struct vcpu_ops machine_vcpu_ops = {
	.mmio = machine_vcpu_mmio,
	.pio = machine_vcpu_pio,
	.fault = machine_vcpu_fault,
};

static void machine_end(struct machine *m, enum machine_end end)
{
	m->state = MACHINE_ENDED;
	loop_quit(m->loop, end);
}

/* Load the kernel and put everything into the state from which it starts. vCPUs are held. */
static int machine_boot(struct machine *m)
{
	struct vcpu_state state;
	int err;

	vcpu_power_on_state(&m->vcpus, &state);
	err = boot_load(&m->mem, &m->image, &state);
	if (err)
		return err;
	err = acpi_write(&m->mem, m->cfg->cpus, m->devices.pci.buses);
	if (err) {
		log_err("cannot write the ACPI tables: %s", strerror(-err));
		return err;
	}
	return vcpus_reset(&m->vcpus, &state);
}

static void machine_do_reset(struct machine *m)
{
	int err;

	vcpus_hold(&m->vcpus);
	pthread_mutex_lock(&m->lock);
	devices_reset(&m->devices);
	kvm_reset_irqchip(&m->kvm);
	pthread_mutex_unlock(&m->lock);
	err = machine_boot(m);
	if (err) {
		machine_end(m, MACHINE_END_ERROR);
		return;
	}
	m->reboots++;
	vcpus_release(&m->vcpus);
}

static void machine_woken(struct loop_source *src, uint32_t events)
{
	struct machine *m = src->opaque;
	unsigned int requests;
	uint64_t count;

	(void)events;
	if (read(src->fd, &count, sizeof(count)) < 0)
		return;
	requests = atomic_exchange(&m->requests, 0);
	if (m->state == MACHINE_ENDED)
		return;
	if (requests & REQUEST_TRIPLE_FAULT)
		machine_end(m, MACHINE_END_TRIPLE_FAULT);
	else if (requests & REQUEST_ERROR)
		machine_end(m, MACHINE_END_ERROR);
	else if (requests & REQUEST_POWEROFF)
		machine_end(m, MACHINE_END_POWEROFF);
	else if ((requests & REQUEST_RESET) && m->cfg->no_reboot)
		machine_end(m, MACHINE_END_REBOOT);
	else if (requests & REQUEST_RESET)
		machine_do_reset(m);
}

static int machine_create_wake(struct machine *m)
{
	int err;

	m->wake.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (m->wake.fd < 0)
		return -errno;
	m->wake.ready = machine_woken;
	m->wake.opaque = m;
	err = loop_add(m->loop, &m->wake, EPOLLIN);
	if (err) {
		close(m->wake.fd);
		m->wake.fd = -1;
	}
	return err;
}

static int machine_prepare_boot(struct machine *m)
{
	const struct asvm_config *cfg = m->cfg;

	if (asprintf(&m->cmdline, "%s%s", m->vcpus.has_gart ? MACHINE_GART_CMDLINE : "",
		     cfg->cmdline ?: "") < 0) {
		m->cmdline = NULL;
		return -ENOMEM;
	}
	m->image = (struct boot_image){
		.kernel_fd = m->kernel_fd,
		.initrd_fd = m->initrd_fd,
		.kernel = cfg->kernel ?: "kernel",
		.initrd = cfg->initrd ?: "initrd",
		.cmdline = m->cmdline,
		.rsdp = ACPI_BASE,
		.buses = m->devices.pci.buses,
	};
	return boot_prepare(&m->image);
}

int machine_create(struct machine *m, struct loop *loop)
{
	const struct asvm_config *cfg = m->cfg;
	const struct virtio_host host = {
		.kvm = &m->kvm,
		.mem = &m->mem,
		.loop = loop,
		.lock = &m->lock,
	};
	int err;

	m->loop = loop;
	/* the console's other end may go away at any time */
	signal(SIGPIPE, SIG_IGN);
	err = machine_create_wake(m);
	if (err) {
		log_err("cannot make an event descriptor: %s", strerror(-err));
		return err;
	}
	err = kvm_create(&m->kvm, m->kvm_fd);
	if (err)
		return err;
	if (cfg->halt_poll_ns >= 0) {
		err = kvm_set_halt_poll(&m->kvm, cfg->halt_poll_ns);
		if (err)
			log_warn("this host cannot set halt polling for a guest: %s",
				 strerror(-err));
	}
	err = mem_create(&m->mem, cfg);
	if (!err)
		err = mem_register(&m->mem, &m->kvm);
	if (!err)
		err = vcpus_create(&m->vcpus, &m->kvm, cfg, &machine_vcpu_ops, m);
	if (!err)
		err = mem_set_phys_bits(&m->mem, m->vcpus.phys_bits);
	if (!err)
		err = devices_create(&m->devices, cfg, &host);
	if (!err)
		err = machine_prepare_boot(m);
	return err;
}

enum machine_end machine_run(struct machine *m)
{
	enum machine_end end;

	if (machine_boot(m))
		return MACHINE_END_ERROR;
	m->state = MACHINE_RUNNING;
	vcpus_release(&m->vcpus);
	end = loop_run(m->loop);
	m->state = MACHINE_ENDED;
	vcpus_hold(&m->vcpus);
	pthread_mutex_lock(&m->lock);
	serial_flush(&m->devices.serial);
	pthread_mutex_unlock(&m->lock);
	return end;
}

int machine_pause(struct machine *m)
{
	if (m->state == MACHINE_PAUSED)
		return 0;
	if (m->state != MACHINE_RUNNING)
		return -EINVAL;
	vcpus_hold(&m->vcpus);
	vcpus_tell_paused(&m->vcpus);
	m->state = MACHINE_PAUSED;
	return 0;
}

int machine_resume(struct machine *m)
{
	if (m->state == MACHINE_RUNNING)
		return 0;
	if (m->state != MACHINE_PAUSED)
		return -EINVAL;
	m->state = MACHINE_RUNNING;
	vcpus_release(&m->vcpus);
	return 0;
}

int machine_powerbutton(struct machine *m)
{
	if (m->state != MACHINE_RUNNING && m->state != MACHINE_PAUSED)
		return -EINVAL;
	kvm_pulse(&m->kvm, ACPI_GSI_POWER);
	return 0;
}

int machine_reset(struct machine *m)
{
	if (m->state != MACHINE_RUNNING && m->state != MACHINE_PAUSED)
		return -EINVAL;
	machine_do_reset(m);
	return m->state == MACHINE_ENDED ? -EIO : 0;
}

void machine_stop(struct machine *m)
{
	machine_end(m, MACHINE_END_STOPPED);
}

int machine_resize_disk(struct machine *m, unsigned int disk, uint64_t size)
{
	int err;

	if (disk >= m->cfg->ndisks)
		return -EINVAL;
	pthread_mutex_lock(&m->lock);
	err = blk_resize(m->devices.blks[disk], size);
	pthread_mutex_unlock(&m->lock);
	return err;
}

int machine_balloon(struct machine *m, uint64_t bytes)
{
	if (!m->devices.balloon)
		return -ENODEV;
	if (bytes > m->mem.size)
		return -EINVAL;
	pthread_mutex_lock(&m->lock);
	balloon_set(m->devices.balloon, m->mem.size - bytes);
	pthread_mutex_unlock(&m->lock);
	return 0;
}

void machine_query(struct machine *m, struct machine_info *info)
{
	*info = (struct machine_info){
		.state = m->state,
		.cpus = m->cfg->cpus,
		.mem = m->mem.size,
		.reboots = m->reboots,
	};
	pthread_mutex_lock(&m->lock);
	devices_query(&m->devices, info);
	pthread_mutex_unlock(&m->lock);
}
