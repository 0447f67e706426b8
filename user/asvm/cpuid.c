// SPDX-License-Identifier: GPL-2.0-only
/* What the guest's CPUID instruction answers. */
#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "array.h"
#include "cpuid.h"
#include "kvm.h"

#define CPUID_ENTRIES_MAX	256

#define LEAF0_EBX_AMD		0x68747541	/* "Auth" */
#define LEAF1_ECX_VMX		(1u << 5)
#define LEAF1_ECX_PDCM		(1u << 15)
#define LEAF1_ECX_TSC_DEADLINE	(1u << 24)
#define LEAF1_ECX_HYPERVISOR	(1u << 31)
#define LEAF1_EDX_HTT		(1u << 28)
#define LEAF6_EAX_ARAT		(1u << 2)
#define XSAVE_LEGACY_SIZE	576	/* legacy area and header */
#define EXT1_ECX_CMP_LEGACY	(1u << 1)
#define EXT1_ECX_SVM		(1u << 2)
#define EXT1_ECX_PERFCTR_CORE	(1u << 23)
#define EXT1_ECX_PERFCTR_NB	(1u << 24)

enum topology_level {
	TOPOLOGY_INVALID,
	TOPOLOGY_SMT,
	TOPOLOGY_CORE,
};

/* Bits of the APIC id that number the cores of a socket. */
static unsigned int cpuid_core_bits(unsigned int cpus)
{
	unsigned int bits = 0;

	while ((1u << bits) < cpus)
		bits++;
	return bits;
}

static bool cpuid_is_topology(const struct kvm_cpuid_entry2 *e)
{
	return e->function == 0xb || e->function == 0x1f;
}

static void cpuid_filter(struct kvm_cpuid_entry2 *e, unsigned int cpus)
{
	unsigned int bits = cpuid_core_bits(cpus);

	switch (e->function) {
	case 1:
		/* ids are dense, so the logical count is the power of two above them */
		e->ebx = (e->ebx & 0x0000ffff) | (1u << bits) << 16;
		e->ecx &= ~(LEAF1_ECX_VMX | LEAF1_ECX_PDCM);
		e->ecx |= LEAF1_ECX_HYPERVISOR | LEAF1_ECX_TSC_DEADLINE;
		e->edx &= ~LEAF1_EDX_HTT;
		if (cpus > 1)
			e->edx |= LEAF1_EDX_HTT;
		break;
	case 4: {
		unsigned int level = (e->eax >> 5) & 7;
		unsigned int sharing = level >= 3 ? 1u << bits : 1;

		if (!(e->eax & 0x1f))
			break;
		e->eax = (e->eax & 0x3fff) | (sharing - 1) << 14 | ((1u << bits) - 1) << 26;
		break;
	}
	case 6:
		e->eax = LEAF6_EAX_ARAT;
		e->ebx = 0;
		e->ecx = 0;
		e->edx = 0;
		break;
	case 0xa:
		e->eax = 0;
		e->ebx = 0;
		e->ecx = 0;
		e->edx = 0;
		break;
	case 0xd:
		/* for the features that are on in XCR0, which after power-on is the FPU */
		if (e->index <= 1 && e->ebx)
			e->ebx = XSAVE_LEGACY_SIZE;
		break;
	case 0x80000001:
		e->ecx &= ~(EXT1_ECX_SVM | EXT1_ECX_CMP_LEGACY | EXT1_ECX_PERFCTR_CORE |
			    EXT1_ECX_PERFCTR_NB);
		if (cpus > 1)
			e->ecx |= EXT1_ECX_CMP_LEGACY;
		break;
	case 0x80000008:
		e->ecx = (e->ecx & ~0xf0ffu) | (cpus - 1) | bits << 12;
		break;
	case 0x8000000a:
		e->eax = 0;
		e->ebx = 0;
		e->ecx = 0;
		e->edx = 0;
		break;
	case 0x8000001d: {
		unsigned int level = (e->eax >> 5) & 7;

		if (e->eax & 0x1f)
			e->eax = (e->eax & 0x3fff) | (level >= 3 ? cpus - 1 : 0) << 14;
		break;
	}
	}
}

static void cpuid_add_topology(struct kvm_cpuid2 *cpuid, uint32_t leaf, unsigned int cpus)
{
	unsigned int bits = cpuid_core_bits(cpus);
	const struct kvm_cpuid_entry2 sub[] = {
		{ .index = 0, .eax = 0, .ebx = 1, .ecx = TOPOLOGY_SMT << 8 | 0 },
		{ .index = 1, .eax = bits, .ebx = cpus, .ecx = TOPOLOGY_CORE << 8 | 1 },
		{ .index = 2, .ecx = TOPOLOGY_INVALID << 8 | 2 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sub); i++) {
		struct kvm_cpuid_entry2 *e = &cpuid->entries[cpuid->nent++];

		*e = sub[i];
		e->function = leaf;
		e->flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
	}
}

struct kvm_cpuid2 *cpuid_new(struct kvm *kvm, unsigned int cpus)
{
	/* six more for the topology leaves */
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) + (CPUID_ENTRIES_MAX + 6) *
					     sizeof(cpuid->entries[0]));
	uint32_t max_leaf = 0;
	unsigned int i, n = 0;

	if (!cpuid)
		return NULL;
	cpuid->nent = CPUID_ENTRIES_MAX;
	if (ioctl(kvm->dev_fd, KVM_GET_SUPPORTED_CPUID, cpuid) < 0) {
		int err = errno;

		free(cpuid);
		errno = err;
		return NULL;
	}
	for (i = 0; i < cpuid->nent; i++) {
		struct kvm_cpuid_entry2 *e = &cpuid->entries[i];

		if (e->function == 0)
			max_leaf = e->eax;
		if (cpuid_is_topology(e))
			continue;
		cpuid_filter(e, cpus);
		cpuid->entries[n++] = *e;
	}
	cpuid->nent = n;
	if (max_leaf >= 0xb)
		cpuid_add_topology(cpuid, 0xb, cpus);
	if (max_leaf >= 0x1f)
		cpuid_add_topology(cpuid, 0x1f, cpus);
	return cpuid;
}

void cpuid_for_vcpu(struct kvm_cpuid2 *cpuid, unsigned int id)
{
	unsigned int i;

	for (i = 0; i < cpuid->nent; i++) {
		struct kvm_cpuid_entry2 *e = &cpuid->entries[i];

		if (e->function == 1) {
			e->ebx = (e->ebx & 0x00ffffff) | id << 24;
		} else if (cpuid_is_topology(e)) {
			e->edx = id;
		} else if (e->function == 0x8000001e) {
			e->eax = id;
			e->ebx = id & 0xff;	/* core id, one thread a core */
			e->ecx = 0;		/* one node */
		}
	}
}

bool cpuid_has_gart(const struct kvm_cpuid2 *cpuid)
{
	bool amd = false;
	unsigned int i, family = 0;

	for (i = 0; i < cpuid->nent; i++) {
		const struct kvm_cpuid_entry2 *e = &cpuid->entries[i];

		if (e->function == 0)
			amd = e->ebx == LEAF0_EBX_AMD;
		else if (e->function == 1)
			family = ((e->eax >> 8) & 0xf) + ((e->eax >> 20) & 0xff);
	}
	return amd && (family == 0xf || family == 0x10 || family == 0x15);
}

unsigned int cpuid_phys_bits(const struct kvm_cpuid2 *cpuid)
{
	unsigned int i;

	for (i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function == 0x80000008)
			return cpuid->entries[i].eax & 0xff;
	return 36;
}
