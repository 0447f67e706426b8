/* SPDX-License-Identifier: GPL-2.0-only */
/* vCPU threads: create, run, hold still, reset. */
#ifndef ASVM_VCPU_H
#define ASVM_VCPU_H

#include <linux/kvm.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "config.h"

struct kvm;

/** enum vcpu_fault - why a vCPU cannot go on */
enum vcpu_fault {
	VCPU_TRIPLE_FAULT,
	VCPU_KVM_ERROR,
};

/**
 * struct vcpu_ops - what a vCPU does that KVM does not do for it; called in its thread
 * @mmio, @pio: an access by the guest; a read fills in @data. True stalls the vCPU until
 *	vcpus_release(): the access asked for something that only the main thread can do.
 * @fault: a message is written already
 */
struct vcpu_ops {
	bool (*mmio)(void *opaque, uint64_t gpa, uint8_t *data, unsigned int len, bool write);
	bool (*pio)(void *opaque, uint16_t port, uint8_t *data, unsigned int len, bool write);
	void (*fault)(void *opaque, enum vcpu_fault fault);
};

/** struct vcpu_state - registers a vCPU begins with; the rest is as after power-on */
struct vcpu_state {
	struct kvm_regs regs;
	struct kvm_sregs sregs;
};

struct vcpu_set;

struct vcpu {
	struct vcpu_set *set;
	unsigned int id;
	int fd;
	struct kvm_run *run;
	pthread_t thread;
	bool has_thread;
	struct kvm_sregs sregs_reset;
	struct kvm_lapic_state lapic_reset;
};

/**
 * struct vcpu_set - all vCPUs of the machine
 * @lock: covers @holds, @releases, @parked, @quit, and setting immediate_exit in a kvm_run.
 *	Taken after no other lock; the ops are called without it.
 * @changed: any of them changed
 * @holds: vcpus_hold() calls without their vcpus_release()
 * @releases: how often all vCPUs were let go
 * @phys_bits, @has_gart: see cpuid.h
 * @parked: threads that wait and do not touch the guest
 */
struct vcpu_set {
	struct kvm *kvm;
	const struct vcpu_ops *ops;
	void *opaque;
	unsigned int n;
	struct vcpu *cpus;
	struct kvm_msr_entry *msrs_reset;
	unsigned int nmsrs_reset;
	unsigned int phys_bits;
	bool has_gart;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned int holds;
	unsigned int releases;
	unsigned int parked;
	bool quit;
};

/**
 * vcpus_create - vCPUs and their threads, held
 *
 * The first vcpus_release() lets them go. 0, or -errno after a message.
 */
int vcpus_create(struct vcpu_set *set, struct kvm *kvm, const struct asvm_config *cfg,
		 const struct vcpu_ops *ops, void *opaque);

/** vcpus_destroy - end the threads and close the vCPUs */
void vcpus_destroy(struct vcpu_set *set);

/**
 * vcpus_hold - stop every vCPU outside the guest, accesses completed
 *
 * Waits for the threads, so the caller holds no lock that the ops take. Nests.
 */
void vcpus_hold(struct vcpu_set *set);
void vcpus_release(struct vcpu_set *set);

/** vcpus_tell_paused - the guest's clock learns that it was stopped; while held */
void vcpus_tell_paused(struct vcpu_set *set);

/** vcpu_power_on_state - the registers a vCPU has after power-on, to be changed for booting */
void vcpu_power_on_state(struct vcpu_set *set, struct vcpu_state *state);

/** vcpus_reset - all vCPUs as after power-on, the first one with @boot; while held */
int vcpus_reset(struct vcpu_set *set, const struct vcpu_state *boot);

#endif
