/* SPDX-License-Identifier: GPL-2.0-only */
/* What the guest's CPUID instruction answers. */
#ifndef ASVM_CPUID_H
#define ASVM_CPUID_H

#include <linux/kvm.h>
#include <stdbool.h>

struct kvm;

/**
 * cpuid_new - the host's CPUID as KVM can give it, filtered, for a guest of @cpus vCPUs
 *
 * One socket of @cpus cores with a thread each. No nested virtualization, no performance
 * counters. Free with free(); NULL with errno on failure.
 */
struct kvm_cpuid2 *cpuid_new(struct kvm *kvm, unsigned int cpus);

/** cpuid_for_vcpu - put in what differs between vCPUs: the APIC id, which is @id */
void cpuid_for_vcpu(struct kvm_cpuid2 *cpuid, unsigned int id);

/**
 * cpuid_has_gart - Linux takes this CPU for one with an AGP aperture, and looks for it
 *
 * An AMD processor of family 0xf, 0x10 or 0x15, such as QEMU's emulation shows.
 */
bool cpuid_has_gart(const struct kvm_cpuid2 *cpuid);

/** cpuid_phys_bits - width of a guest physical address */
unsigned int cpuid_phys_bits(const struct kvm_cpuid2 *cpuid);

#endif
