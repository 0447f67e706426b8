// SPDX-License-Identifier: GPL-2.0-only
/* The VM descriptor. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "array.h"
#include "kvm.h"
#include "log.h"
#include "memory.h"

static int kvm_ioctl(struct kvm *kvm, unsigned long cmd, void *arg)
{
	return ioctl(kvm->vm_fd, cmd, arg) < 0 ? -errno : 0;
}

int kvm_cap(struct kvm *kvm, unsigned int cap)
{
	int v = ioctl(kvm->vm_fd, KVM_CHECK_EXTENSION, (unsigned long)cap);

	return v < 0 ? 0 : v;
}

static int kvm_check(struct kvm *kvm)
{
	static const struct {
		unsigned int cap;
		const char *name;
	} need[] = {
		{ KVM_CAP_IRQCHIP, "an in-kernel interrupt controller" },
		{ KVM_CAP_USER_MEMORY, "user memory" },
		{ KVM_CAP_IRQ_ROUTING, "interrupt routing" },
		{ KVM_CAP_IRQFD, "irqfd" },
		{ KVM_CAP_IOEVENTFD, "ioeventfd" },
		{ KVM_CAP_SIGNAL_MSI, "MSI" },
		{ KVM_CAP_IMMEDIATE_EXIT, "immediate exit" },
		{ KVM_CAP_TSC_DEADLINE_TIMER, "the TSC deadline timer" },
		{ KVM_CAP_MP_STATE, "vCPU states" },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(need); i++) {
		if (kvm_cap(kvm, need[i].cap) > 0)
			continue;
		log_err("this kernel's KVM lacks %s; asvm needs Linux 6.1 or later",
			need[i].name);
		return -ENOTSUP;
	}
	return 0;
}

static int kvm_create_irqchip(struct kvm *kvm)
{
	uint64_t idmap = KVM_IDMAP_BASE;
	int err;

	/* Intel hosts want a place for these; where they are not needed the calls may fail */
	kvm_ioctl(kvm, KVM_SET_IDENTITY_MAP_ADDR, &idmap);
	kvm_ioctl(kvm, KVM_SET_TSS_ADDR, (void *)KVM_TSS_BASE);
	err = kvm_ioctl(kvm, KVM_CREATE_IRQCHIP, NULL);
	if (err)
		return err;
	kvm->ioapic_reset.chip_id = KVM_IRQCHIP_IOAPIC;
	err = kvm_ioctl(kvm, KVM_GET_IRQCHIP, &kvm->ioapic_reset);
	if (err)
		return err;
	/* KVM's first routes lead to the two PICs as well, which the guest does not have */
	kvm->routes_dirty = true;
	return kvm_commit_routes(kvm);
}

int kvm_create(struct kvm *kvm, int dev_fd)
{
	int err;

	*kvm = (struct kvm){ .dev_fd = dev_fd, .vm_fd = -1, .vfio_fd = -1 };
	if (ioctl(dev_fd, KVM_GET_API_VERSION, 0) != KVM_API_VERSION) {
		log_err("/dev/kvm is not KVM API version %d", KVM_API_VERSION);
		return -ENOTSUP;
	}
	kvm->run_size = ioctl(dev_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (kvm->run_size < (int)sizeof(struct kvm_run))
		return -ENOTSUP;
	do {
		kvm->vm_fd = ioctl(dev_fd, KVM_CREATE_VM, 0);
	} while (kvm->vm_fd < 0 && errno == EINTR);
	if (kvm->vm_fd < 0) {
		err = -errno;
		log_err("KVM cannot make a virtual machine: %s", strerror(-err));
		return err;
	}
	err = kvm_check(kvm);
	if (err)
		goto err_destroy;
	kvm->notify_any_len = kvm_cap(kvm, KVM_CAP_IOEVENTFD_ANY_LENGTH) > 0;
	err = kvm_create_irqchip(kvm);
	if (err) {
		log_err("KVM cannot make the interrupt controllers: %s", strerror(-err));
		goto err_destroy;
	}
	return 0;

err_destroy:
	kvm_destroy(kvm);
	return err;
}

void kvm_destroy(struct kvm *kvm)
{
	if (kvm->vm_fd >= 0) {
		if (kvm->vfio_fd >= 0)
			close(kvm->vfio_fd);
		close(kvm->vm_fd);
	}
	kvm->vfio_fd = -1;
	kvm->vm_fd = -1;
	free(kvm->msi);
	free(kvm->routing);
	kvm->msi = NULL;
	kvm->routing = NULL;
}

int kvm_set_memory(struct kvm *kvm, uint32_t slot, uint64_t gpa, uint64_t size, void *host)
{
	struct kvm_userspace_memory_region r = {
		.slot = slot,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (uintptr_t)host,
	};

	return kvm_ioctl(kvm, KVM_SET_USER_MEMORY_REGION, &r);
}

uint32_t kvm_alloc_slot(struct kvm *kvm)
{
	return MEM_REGIONS_MAX + kvm->slots++;
}

int kvm_set_halt_poll(struct kvm *kvm, uint64_t ns)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_HALT_POLL, .args = { ns } };

	return kvm_ioctl(kvm, KVM_ENABLE_CAP, &cap);
}

int kvm_alloc_msi(struct kvm *kvm, unsigned int n)
{
	unsigned int first = kvm->nmsi;
	struct msi_route *msi;

	if (n > KVM_ROUTES_MAX - KVM_MSI_FIRST - first)
		return -ENOSPC;
	msi = realloc(kvm->msi, (first + n) * sizeof(*msi));
	if (!msi)
		return -ENOMEM;
	memset(msi + first, 0, n * sizeof(*msi));
	kvm->msi = msi;
	kvm->nmsi = first + n;
	free(kvm->routing);	/* sized anew by the next commit */
	kvm->routing = NULL;
	return KVM_MSI_FIRST + first;
}

void kvm_set_msi(struct kvm *kvm, unsigned int gsi, bool used, uint64_t addr, uint32_t data)
{
	struct msi_route *msi = &kvm->msi[gsi - KVM_MSI_FIRST];

	if (msi->used == used && (!used || (msi->addr == addr && msi->data == data)))
		return;
	*msi = (struct msi_route){ .used = used, .addr = addr, .data = data };
	kvm->routes_dirty = true;
}

int kvm_commit_routes(struct kvm *kvm)
{
	struct kvm_irq_routing_entry *e;
	unsigned int i;
	int err;

	if (!kvm->routes_dirty)
		return 0;
	if (!kvm->routing) {
		kvm->routing = calloc(1, sizeof(*kvm->routing) +
				      (KVM_IOAPIC_PINS + kvm->nmsi) * sizeof(*e));
		if (!kvm->routing)
			return -ENOMEM;
	}
	e = kvm->routing->entries;
	for (i = 0; i < KVM_IOAPIC_PINS; i++)
		*e++ = (struct kvm_irq_routing_entry){
			.gsi = i,
			.type = KVM_IRQ_ROUTING_IRQCHIP,
			.u.irqchip = { .irqchip = KVM_IRQCHIP_IOAPIC, .pin = i },
		};
	for (i = 0; i < kvm->nmsi; i++) {
		if (!kvm->msi[i].used)
			continue;
		*e++ = (struct kvm_irq_routing_entry){
			.gsi = KVM_MSI_FIRST + i,
			.type = KVM_IRQ_ROUTING_MSI,
			.u.msi = {
				.address_lo = (uint32_t)kvm->msi[i].addr,
				.address_hi = kvm->msi[i].addr >> 32,
				.data = kvm->msi[i].data,
			},
		};
	}
	kvm->routing->nr = e - kvm->routing->entries;
	err = kvm_ioctl(kvm, KVM_SET_GSI_ROUTING, kvm->routing);
	if (!err)
		kvm->routes_dirty = false;
	return err;
}

int kvm_irqfd(struct kvm *kvm, int fd, unsigned int gsi, bool on)
{
	struct kvm_irqfd irqfd = {
		.fd = fd,
		.gsi = gsi,
		.flags = on ? 0 : KVM_IRQFD_FLAG_DEASSIGN,
	};

	return kvm_ioctl(kvm, KVM_IRQFD, &irqfd);
}

int kvm_irqfd_level(struct kvm *kvm, int fd, int resample, unsigned int gsi, bool on)
{
	struct kvm_irqfd irqfd = {
		.fd = fd,
		.resamplefd = resample,
		.gsi = gsi,
		.flags = on ? KVM_IRQFD_FLAG_RESAMPLE : KVM_IRQFD_FLAG_DEASSIGN,
	};

	return kvm_ioctl(kvm, KVM_IRQFD, &irqfd);
}

static int kvm_vfio_create(struct kvm *kvm)
{
	struct kvm_create_device create = { .type = KVM_DEV_TYPE_VFIO };
	int err = kvm_ioctl(kvm, KVM_CREATE_DEVICE, &create);

	if (!err)
		kvm->vfio_fd = create.fd;
	return err;
}

int kvm_vfio_group(struct kvm *kvm, int group, bool on)
{
	const int32_t fd = group;
	struct kvm_device_attr attr = {
		.group = KVM_DEV_VFIO_GROUP,
		.attr = on ? KVM_DEV_VFIO_GROUP_ADD : KVM_DEV_VFIO_GROUP_DEL,
		.addr = (uintptr_t)&fd,
	};
	int err = 0;

	/* to leave, it must be there: a guest that runs may not make devices any more */
	if (kvm->vfio_fd < 0)
		err = on ? kvm_vfio_create(kvm) : -ENODEV;
	if (!err && ioctl(kvm->vfio_fd, KVM_SET_DEVICE_ATTR, &attr) < 0)
		err = -errno;
	return err;
}

int kvm_ioeventfd(struct kvm *kvm, int fd, uint64_t addr, bool on)
{
	struct kvm_ioeventfd e = {
		.addr = addr,
		/* a notify is a 16-bit write; any width takes KVM's shorter way */
		.len = kvm->notify_any_len ? 0 : 2,
		.fd = fd,
		.flags = on ? 0 : KVM_IOEVENTFD_FLAG_DEASSIGN,
	};

	return kvm_ioctl(kvm, KVM_IOEVENTFD, &e);
}

static void kvm_set_pin(struct kvm *kvm, unsigned int pin, bool level)
{
	struct kvm_irq_level irq = { .irq = pin, .level = level };

	kvm_ioctl(kvm, KVM_IRQ_LINE, &irq);
}

void kvm_line(struct kvm *kvm, unsigned int pin, unsigned int source, bool level)
{
	uint64_t old = kvm->lines[pin];
	uint64_t new = level ? old | 1ULL << source : old & ~(1ULL << source);

	kvm->lines[pin] = new;
	if (!old != !new)
		kvm_set_pin(kvm, pin, new != 0);
}

void kvm_pulse(struct kvm *kvm, unsigned int pin)
{
	kvm_set_pin(kvm, pin, true);
	kvm_set_pin(kvm, pin, false);
}

void kvm_reset_irqchip(struct kvm *kvm)
{
	unsigned int i;

	for (i = 0; i < KVM_IOAPIC_PINS; i++) {
		kvm->lines[i] = 0;
		kvm_set_pin(kvm, i, false);
	}
	kvm_ioctl(kvm, KVM_SET_IRQCHIP, &kvm->ioapic_reset);
}
