// SPDX-License-Identifier: GPL-2.0-only
/* vCPU threads. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "cpuid.h"
#include "kvm.h"
#include "log.h"
#include "vcpu.h"

#define VCPU_STACK		(128 * 1024)
#define VCPU_KICK_SIGNAL	SIGUSR1
#define VCPU_MSRS_MAX		512
/* accesses that one instruction can still ask for when a vCPU is to stop */
#define VCPU_COMPLETE_MAX	1024

#define MSR_IA32_TSC		0x10
#define MSR_IA32_APICBASE	0x1b
#define MSR_MTRR_DEF_TYPE	0x2ff
#define MTRR_ENABLE_WB		(1 << 11 | 6)

/* The signal's only work is to end KVM_RUN. */
static void vcpu_kicked(int sig)
{
	(void)sig;
}

static bool vcpu_io(struct vcpu *cpu)
{
	struct kvm_run *run = cpu->run;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;
	bool stall = false;
	uint32_t i;

	for (i = 0; i < run->io.count; i++) {
		stall |= cpu->set->ops->pio(cpu->set->opaque, run->io.port, data, run->io.size,
					    run->io.direction == KVM_EXIT_IO_OUT);
		data += run->io.size;
	}
	return stall;
}

/* A vCPU that cannot go on: say what is known of it, for a report. */
static void vcpu_failed(struct vcpu *cpu, const char *what)
{
	struct kvm_regs regs = { 0 };

	ioctl(cpu->fd, KVM_GET_REGS, &regs);
	log_err("vCPU %u: %s (rip %#llx, rsp %#llx, rflags %#llx)", cpu->id, what, regs.rip,
		regs.rsp, regs.rflags);
}

/* Returns true when the vCPU must not run on before the next vcpus_release(). */
static bool vcpu_handle_exit(struct vcpu *cpu)
{
	struct kvm_run *run = cpu->run;
	char what[96];

	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		return vcpu_io(cpu);
	case KVM_EXIT_MMIO:
		return cpu->set->ops->mmio(cpu->set->opaque, run->mmio.phys_addr,
					   run->mmio.data, run->mmio.len,
					   run->mmio.is_write);
	case KVM_EXIT_INTR:
	case KVM_EXIT_IRQ_WINDOW_OPEN:
		return false;
	case KVM_EXIT_SHUTDOWN:
		vcpu_failed(cpu, "triple fault: the guest's kernel could not handle an exception");
		log_info("if this was meant as a reboot, give the guest's kernel reboot=acpi");
		cpu->set->ops->fault(cpu->set->opaque, VCPU_TRIPLE_FAULT);
		return true;
	case KVM_EXIT_FAIL_ENTRY:
		snprintf(what, sizeof(what), "the hardware refuses its state, reason %#llx",
			 run->fail_entry.hardware_entry_failure_reason);
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		snprintf(what, sizeof(what), "KVM internal error %u%s", run->internal.suberror,
			 run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION ?
			 ", it cannot emulate an instruction" : "");
		break;
	default:
		snprintf(what, sizeof(what), "unexpected KVM exit %u", run->exit_reason);
	}
	vcpu_failed(cpu, what);
	cpu->set->ops->fault(cpu->set->opaque, VCPU_KVM_ERROR);
	return true;
}

/*
 * Finish the instruction that an access interrupted: its result is only written to the vCPU
 * by the next KVM_RUN, which would overwrite the state that a reset puts there. With
 * immediate_exit set it does that and no more.
 */
static void vcpu_complete(struct vcpu *cpu)
{
	unsigned int i;

	for (i = 0; i < VCPU_COMPLETE_MAX && !ioctl(cpu->fd, KVM_RUN, 0); i++) {
		if (cpu->run->exit_reason != KVM_EXIT_IO &&
		    cpu->run->exit_reason != KVM_EXIT_MMIO)
			break;
		vcpu_handle_exit(cpu);
	}
}

/* Wait while the set is held, or for the next release; false when the thread shall end. */
static bool vcpu_park(struct vcpu *cpu, bool stall)
{
	struct vcpu_set *set = cpu->set;
	unsigned int releases;
	bool quit;

	pthread_mutex_lock(&set->lock);
	releases = set->releases;
	cpu->run->immediate_exit = 1;
	pthread_mutex_unlock(&set->lock);

	vcpu_complete(cpu);

	pthread_mutex_lock(&set->lock);
	set->parked++;
	pthread_cond_broadcast(&set->changed);
	while (!set->quit && (set->holds || (stall && releases == set->releases)))
		pthread_cond_wait(&set->changed, &set->lock);
	set->parked--;
	cpu->run->immediate_exit = 0;
	quit = set->quit;
	pthread_mutex_unlock(&set->lock);
	return !quit;
}

static void *vcpu_thread(void *arg)
{
	struct vcpu *cpu = arg;
	bool stall = false;
	char name[16];

	/* by itself: another thread would need /proc for it */
	snprintf(name, sizeof(name), "vcpu%u", cpu->id);
	prctl(PR_SET_NAME, name);

	/* held from the start, and not a line of the guest has run */
	pthread_mutex_lock(&cpu->set->lock);
	cpu->set->parked++;
	pthread_cond_broadcast(&cpu->set->changed);
	while (!cpu->set->quit && cpu->set->holds)
		pthread_cond_wait(&cpu->set->changed, &cpu->set->lock);
	cpu->set->parked--;
	cpu->run->immediate_exit = cpu->set->quit;
	pthread_mutex_unlock(&cpu->set->lock);

	for (;;) {
		if ((stall || cpu->run->immediate_exit) && !vcpu_park(cpu, stall))
			return NULL;
		stall = false;
		if (!ioctl(cpu->fd, KVM_RUN, 0)) {
			stall = vcpu_handle_exit(cpu);
		} else if (errno != EINTR && errno != EAGAIN) {
			char what[96];

			snprintf(what, sizeof(what), "KVM_RUN: %s", strerror(errno));
			vcpu_failed(cpu, what);
			cpu->set->ops->fault(cpu->set->opaque, VCPU_KVM_ERROR);
			stall = true;
		}
	}
}

static int vcpu_pin(struct vcpu *cpu, int host_cpu)
{
	cpu_set_t *mask;
	size_t size;
	int err;

	if (host_cpu < 0)
		return 0;
	mask = CPU_ALLOC(host_cpu + 1);
	if (!mask)
		return -ENOMEM;
	size = CPU_ALLOC_SIZE(host_cpu + 1);
	CPU_ZERO_S(size, mask);
	CPU_SET_S(host_cpu, size, mask);
	err = -pthread_setaffinity_np(cpu->thread, size, mask);
	CPU_FREE(mask);
	if (err)
		log_err("cannot pin vCPU %u to host CPU %d: %s", cpu->id, host_cpu,
			strerror(-err));
	return err;
}

static int vcpu_start_thread(struct vcpu *cpu)
{
	pthread_attr_t attr;
	sigset_t all, old;
	int err;

	/* every signal but the kick is the main thread's */
	sigfillset(&all);
	sigdelset(&all, VCPU_KICK_SIGNAL);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, VCPU_STACK);
	err = pthread_create(&cpu->thread, &attr, vcpu_thread, cpu);
	pthread_attr_destroy(&attr);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (err)
		return -err;
	cpu->has_thread = true;
	return 0;
}

static int vcpu_create(struct vcpu *cpu, struct kvm_cpuid2 *cpuid)
{
	struct kvm *kvm = cpu->set->kvm;

	cpu->fd = ioctl(kvm->vm_fd, KVM_CREATE_VCPU, (unsigned long)cpu->id);
	if (cpu->fd < 0)
		return -errno;
	cpu->run = mmap(NULL, kvm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, cpu->fd, 0);
	if (cpu->run == MAP_FAILED) {
		cpu->run = NULL;
		return -errno;
	}
	cpuid_for_vcpu(cpuid, cpu->id);
	if (ioctl(cpu->fd, KVM_SET_CPUID2, cpuid) < 0 ||
	    ioctl(cpu->fd, KVM_GET_SREGS, &cpu->sregs_reset) < 0 ||
	    ioctl(cpu->fd, KVM_GET_LAPIC, &cpu->lapic_reset) < 0)
		return -errno;
	return 0;
}

struct vcpu_msr {
	struct kvm_msrs head;
	struct kvm_msr_entry entry;
};

static bool vcpu_get_msr(struct vcpu *cpu, uint32_t index, uint64_t *value)
{
	struct vcpu_msr msr = { .head.nmsrs = 1, .entry.index = index };

	if (ioctl(cpu->fd, KVM_GET_MSRS, &msr) != 1)
		return false;
	*value = msr.entry.data;
	return true;
}

static void vcpu_set_msr(struct vcpu *cpu, uint32_t index, uint64_t value)
{
	struct vcpu_msr msr = {
		.head.nmsrs = 1,
		.entry = { .index = index, .data = value },
	};

	/* one that this vCPU lacks is nothing to reset */
	ioctl(cpu->fd, KVM_SET_MSRS, &msr);
}

/* Remember the MSRs of a vCPU that has not run, for vcpus_reset(). */
static int vcpu_save_msrs(struct vcpu *cpu)
{
	struct vcpu_set *set = cpu->set;
	struct kvm_msr_list *list;
	unsigned int i, n = 0;
	int err = 0;

	list = calloc(1, sizeof(*list) + VCPU_MSRS_MAX * sizeof(list->indices[0]));
	if (!list)
		return -ENOMEM;
	list->nmsrs = VCPU_MSRS_MAX;
	if (ioctl(set->kvm->dev_fd, KVM_GET_MSR_INDEX_LIST, list) < 0) {
		err = -errno;
		goto out;
	}
	set->msrs_reset = calloc(list->nmsrs, sizeof(*set->msrs_reset));
	if (!set->msrs_reset) {
		err = -ENOMEM;
		goto out;
	}
	for (i = 0; i < list->nmsrs; i++) {
		struct kvm_msr_entry e = { .index = list->indices[i] };
		uint64_t value;

		/* time goes on over a reset; the APIC base is in sregs, and each vCPU's own */
		if (e.index == MSR_IA32_TSC || e.index == MSR_IA32_APICBASE ||
		    !vcpu_get_msr(cpu, e.index, &value))
			continue;
		e.data = value;
		set->msrs_reset[n++] = e;
	}
	set->nmsrs_reset = n;
out:
	free(list);
	return err;
}

int vcpus_create(struct vcpu_set *set, struct kvm *kvm, const struct asvm_config *cfg,
		 const struct vcpu_ops *ops, void *opaque)
{
	struct sigaction sa = { .sa_handler = vcpu_kicked };
	struct kvm_cpuid2 *cpuid;
	int max = kvm_cap(kvm, KVM_CAP_MAX_VCPUS);
	unsigned int i;
	int err;

	*set = (struct vcpu_set){
		.kvm = kvm,
		.ops = ops,
		.opaque = opaque,
		.n = cfg->cpus,
		.holds = 1,
	};
	if (!cfg->cpus || cfg->cpus > ASVM_CPUS_MAX || (max > 0 && cfg->cpus > (unsigned int)max)) {
		log_err("%u vCPUs: must be 1 to %d, and KVM allows %d here", cfg->cpus,
			ASVM_CPUS_MAX, max);
		return -EINVAL;
	}
	pthread_mutex_init(&set->lock, NULL);
	pthread_cond_init(&set->changed, NULL);
	sigaction(VCPU_KICK_SIGNAL, &sa, NULL);

	cpuid = cpuid_new(kvm, cfg->cpus);
	set->cpus = calloc(cfg->cpus, sizeof(*set->cpus));
	if (!cpuid || !set->cpus) {
		err = cpuid ? -ENOMEM : -errno;
		goto err_destroy;
	}
	set->phys_bits = cpuid_phys_bits(cpuid);
	set->has_gart = cpuid_has_gart(cpuid);
	for (i = 0; i < set->n; i++) {
		set->cpus[i].set = set;
		set->cpus[i].id = i;
		set->cpus[i].fd = -1;
	}
	for (i = 0; i < set->n; i++) {
		err = vcpu_create(&set->cpus[i], cpuid);
		if (err)
			goto err_destroy;
	}
	err = vcpu_save_msrs(&set->cpus[0]);
	for (i = 0; !err && i < set->n; i++) {
		err = vcpu_start_thread(&set->cpus[i]);
		if (!err)
			err = vcpu_pin(&set->cpus[i], cfg->pin[i]);
	}
	if (err)
		goto err_destroy;
	free(cpuid);
	/* a thread's first calls are none that the filter to come allows */
	pthread_mutex_lock(&set->lock);
	while (set->parked < set->n)
		pthread_cond_wait(&set->changed, &set->lock);
	pthread_mutex_unlock(&set->lock);
	return 0;

err_destroy:
	log_err("cannot make %u vCPUs: %s", set->n, strerror(-err));
	free(cpuid);
	vcpus_destroy(set);
	return err;
}

/* Make every vCPU thread see immediate_exit; under the lock. */
static void vcpus_kick(struct vcpu_set *set)
{
	unsigned int i;

	for (i = 0; i < set->n; i++) {
		if (!set->cpus[i].has_thread)
			continue;
		set->cpus[i].run->immediate_exit = 1;
		pthread_kill(set->cpus[i].thread, VCPU_KICK_SIGNAL);
	}
	pthread_cond_broadcast(&set->changed);
}

void vcpus_destroy(struct vcpu_set *set)
{
	unsigned int i;

	if (!set->cpus)
		return;
	pthread_mutex_lock(&set->lock);
	set->quit = true;
	vcpus_kick(set);
	pthread_mutex_unlock(&set->lock);
	for (i = 0; i < set->n; i++) {
		struct vcpu *cpu = &set->cpus[i];

		if (cpu->has_thread)
			pthread_join(cpu->thread, NULL);
		if (cpu->run)
			munmap(cpu->run, set->kvm->run_size);
		if (cpu->fd >= 0)
			close(cpu->fd);
	}
	free(set->cpus);
	free(set->msrs_reset);
	set->cpus = NULL;
	set->msrs_reset = NULL;
	pthread_cond_destroy(&set->changed);
	pthread_mutex_destroy(&set->lock);
}

void vcpus_hold(struct vcpu_set *set)
{
	pthread_mutex_lock(&set->lock);
	if (!set->holds++)
		vcpus_kick(set);
	while (set->parked < set->n)
		pthread_cond_wait(&set->changed, &set->lock);
	pthread_mutex_unlock(&set->lock);
}

void vcpus_release(struct vcpu_set *set)
{
	pthread_mutex_lock(&set->lock);
	if (!--set->holds) {
		set->releases++;
		pthread_cond_broadcast(&set->changed);
	}
	pthread_mutex_unlock(&set->lock);
}

void vcpus_tell_paused(struct vcpu_set *set)
{
	unsigned int i;

	/* fails where the guest does not use kvm-clock, and then there is nothing to tell */
	for (i = 0; i < set->n; i++)
		ioctl(set->cpus[i].fd, KVM_KVMCLOCK_CTRL, 0);
}

void vcpu_power_on_state(struct vcpu_set *set, struct vcpu_state *state)
{
	*state = (struct vcpu_state){
		.regs.rflags = 2,
		.sregs = set->cpus[0].sregs_reset,
	};
}

static int vcpu_reset(struct vcpu *cpu, const struct vcpu_state *state)
{
	struct kvm_mp_state mp = {
		cpu->id ? KVM_MP_STATE_UNINITIALIZED : KVM_MP_STATE_RUNNABLE
	};
	struct kvm_fpu fpu = { .fcw = 0x37f, .mxcsr = 0x1f80 };
	struct kvm_vcpu_events events = { 0 };
	struct kvm_debugregs debug = { 0 };
	struct kvm_xcrs xcrs = { .nr_xcrs = 1, .xcrs[0].value = 1 };
	struct vcpu_set *set = cpu->set;
	unsigned int i;

	/* a vCPU that has not run is as after power-on but for where it begins */
	if (set->releases) {
		for (i = 0; i < set->nmsrs_reset; i++)
			vcpu_set_msr(cpu, set->msrs_reset[i].index,
				     set->msrs_reset[i].data);
		ioctl(cpu->fd, KVM_SET_XCRS, &xcrs);	/* fails without XSAVE */
	}
	vcpu_set_msr(cpu, MSR_MTRR_DEF_TYPE, MTRR_ENABLE_WB);
	if (ioctl(cpu->fd, KVM_SET_REGS, &state->regs) < 0 ||
	    ioctl(cpu->fd, KVM_SET_SREGS, &state->sregs) < 0 ||
	    ioctl(cpu->fd, KVM_SET_FPU, &fpu) < 0 ||
	    ioctl(cpu->fd, KVM_SET_DEBUGREGS, &debug) < 0 ||
	    ioctl(cpu->fd, KVM_SET_LAPIC, &cpu->lapic_reset) < 0)
		return -errno;
	if (ioctl(cpu->fd, KVM_SET_VCPU_EVENTS, &events) < 0 ||
	    ioctl(cpu->fd, KVM_SET_MP_STATE, &mp) < 0)
		return -errno;
	return 0;
}

int vcpus_reset(struct vcpu_set *set, const struct vcpu_state *boot)
{
	unsigned int i;
	int err;

	for (i = 0; i < set->n; i++) {
		struct vcpu_state other = {
			.regs.rflags = 2,
			.sregs = set->cpus[i].sregs_reset,
		};

		err = vcpu_reset(&set->cpus[i], i ? &other : boot);
		if (err) {
			log_err("cannot reset vCPU %u: %s", i, strerror(-err));
			return err;
		}
	}
	return 0;
}
