// SPDX-License-Identifier: GPL-2.0-only
/* Message-signalled interrupts by irqfd. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "log.h"
#include "vector.h"

int vector_init(struct vector *v, unsigned int gsi)
{
	*v = (struct vector){ .gsi = gsi };
	v->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return v->fd < 0 ? -errno : 0;
}

void vector_destroy(struct vector *v)
{
	if (v->fd >= 0)
		close(v->fd);
	v->fd = -1;
}

void vector_prepare(struct vector *v, struct kvm *kvm, bool open, uint64_t addr, uint32_t data)
{
	if (v->wired && !open) {
		kvm_irqfd(kvm, v->fd, v->gsi, false);
		v->wired = false;
	}
	if (open)
		kvm_set_msi(kvm, v->gsi, true, addr, data);
}

void vector_commit(struct kvm *kvm)
{
	int err = kvm_commit_routes(kvm);

	if (err)
		log_warn("KVM refuses the guest's interrupt routes: %s", strerror(-err));
}

void vector_wire(struct vector *v, struct kvm *kvm)
{
	int err;

	if (v->wired)
		return;
	err = kvm_irqfd(kvm, v->fd, v->gsi, true);
	if (err)
		log_warn("KVM refuses an interrupt route: %s", strerror(-err));
	v->wired = !err;
}

void vector_reset(struct vector *v, struct kvm *kvm)
{
	uint64_t count;

	kvm_set_msi(kvm, v->gsi, false, 0, 0);
	/* what was still pending is lost with the reset */
	if (read(v->fd, &count, sizeof(count)) < 0)
		return;
}

bool vector_pending(const struct vector *v)
{
	struct pollfd p = { .fd = v->fd, .events = POLLIN };

	return !v->wired && poll(&p, 1, 0) == 1;
}

void vector_signal(const struct vector *v)
{
	static const uint64_t one = 1;

	/* a counter that is full is pending already */
	if (write(v->fd, &one, sizeof(one)) < 0)
		return;
}
