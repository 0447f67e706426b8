// SPDX-License-Identifier: GPL-2.0-only
/*
 * ACPI tables for a hardware-reduced machine (ACPI 6.4, sections 4.1 and 5.2): no PM timer, no
 * fixed events, no 8042, VGA or RTC. The power button is an event of the Generic Event Device.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "acpi.h"
#include "aml.h"

#define ACPI_DSDT_MAX	(48 * 1024)

struct acpi_header {
	char signature[4];
	uint32_t length;
	uint8_t revision;
	uint8_t checksum;
	char oem_id[6];
	char oem_table_id[8];
	uint32_t oem_revision;
	char creator_id[4];
	uint32_t creator_revision;
} __attribute__((packed));

struct acpi_rsdp {
	char signature[8];
	uint8_t checksum;
	char oem_id[6];
	uint8_t revision;
	uint32_t rsdt;
	uint32_t length;
	uint64_t xsdt;
	uint8_t ext_checksum;
	uint8_t reserved[3];
} __attribute__((packed));

struct acpi_gas {
	uint8_t space;
	uint8_t bits;
	uint8_t offset;
	uint8_t access;
	uint64_t addr;
} __attribute__((packed));

/* the FADT; what a hardware-reduced machine has no use for is left as padding */
struct acpi_fadt {
	struct acpi_header h;
	uint32_t facs;
	uint32_t dsdt;
	uint8_t pad1[65];
	uint16_t boot_arch;
	uint8_t pad2;
	uint32_t flags;
	struct acpi_gas reset_reg;
	uint8_t reset_value;
	uint16_t arm_boot_arch;
	uint8_t minor_revision;
	uint64_t x_facs;
	uint64_t x_dsdt;
	struct acpi_gas pad3[8];
	struct acpi_gas sleep_ctrl;
	struct acpi_gas sleep_status;
	char hypervisor_id[8];
} __attribute__((packed));

_Static_assert(sizeof(struct acpi_header) == 36, "ACPI header");
_Static_assert(offsetof(struct acpi_fadt, boot_arch) == 109, "FADT");
_Static_assert(offsetof(struct acpi_fadt, x_dsdt) == 140, "FADT");
_Static_assert(sizeof(struct acpi_fadt) == 276, "FADT");

#define FADT_BOOT_LEGACY_DEVICES	(1 << 0)
#define FADT_BOOT_NO_VGA		(1 << 2)
#define FADT_BOOT_NO_CMOS_RTC		(1 << 5)
#define FADT_WBINVD			(1 << 0)
#define FADT_POWER_BUTTON		(1 << 4)	/* not a fixed event */
#define FADT_SLEEP_BUTTON		(1 << 5)
#define FADT_RESET_REG			(1 << 10)
#define FADT_HW_REDUCED			(1 << 20)

struct acpi_madt {
	struct acpi_header h;
	uint32_t lapic_base;
	uint32_t flags;
} __attribute__((packed));

struct acpi_madt_lapic {
	uint8_t type;
	uint8_t length;
	uint8_t uid;
	uint8_t apic_id;
	uint32_t flags;
} __attribute__((packed));

struct acpi_madt_ioapic {
	uint8_t type;
	uint8_t length;
	uint8_t id;
	uint8_t reserved;
	uint32_t base;
	uint32_t gsi_base;
} __attribute__((packed));

struct acpi_madt_nmi {
	uint8_t type;
	uint8_t length;
	uint8_t uid;
	uint16_t flags;
	uint8_t lint;
} __attribute__((packed));

struct acpi_mcfg {
	struct acpi_header h;
	uint64_t reserved;
	uint64_t base;
	uint16_t segment;
	uint8_t bus_first;
	uint8_t bus_last;
	uint32_t reserved2;
} __attribute__((packed));

/* Tables are built here, then copied to the guest in one go. */
struct acpi_area {
	uint8_t *buf;
	size_t len;
	size_t cap;
};

static void *acpi_alloc(struct acpi_area *area, size_t n)
{
	size_t at = (area->len + 15) & ~(size_t)15;

	if (at > area->cap || n > area->cap - at)
		return NULL;
	area->len = at + n;
	return area->buf + at;
}

static uint64_t acpi_gpa(const struct acpi_area *area, const void *p)
{
	return ACPI_BASE + ((const uint8_t *)p - area->buf);
}

static uint8_t acpi_sum(const void *p, size_t n)
{
	const uint8_t *b = p;
	uint8_t sum = 0;

	while (n--)
		sum += *b++;
	return -sum;
}

/* A table's header; the checksum is put in by acpi_seal() when the body is complete. */
static void acpi_head(struct acpi_header *h, const char *signature, uint8_t revision,
		      uint32_t length)
{
	memcpy(h->signature, signature, 4);
	h->length = length;
	h->revision = revision;
	memcpy(h->oem_id, "ASVM  ", 6);
	memcpy(h->oem_table_id, "ASVMTABL", 8);
	h->oem_revision = 1;
	memcpy(h->creator_id, "ASVM", 4);
	h->creator_revision = 1;
}

static void acpi_seal(struct acpi_header *h)
{
	h->checksum = 0;
	h->checksum = acpi_sum(h, h->length);
}

unsigned int acpi_pci_gsi(unsigned int slot)
{
	return ACPI_GSI_PCI_FIRST + slot % ACPI_GSI_PCI_COUNT;
}

#define OSC_HOTPLUG	0x01
#define OSC_EXPRESS	0x10

/*
 * _OSC: grant what the bus has natively: the PCI Express capability structure, and where there
 * are root ports (other buses) their hot-plug.
 */
static void dsdt_pci_osc(struct aml *a, unsigned int buses)
{
	static const uint8_t uuid[16] = {
		0x5b, 0x4d, 0xdb, 0x33, 0xf7, 0x1f, 0x1c, 0x40,
		0x96, 0x57, 0x74, 0x41, 0xc0, 0x3d, 0xd7, 0x66,
	};
	size_t method, cond, buf;

	method = aml_open_method(a, "_OSC", 4);
	aml_op(a, AML_CREATE_DWORD);
	aml_op(a, AML_ARG3);
	aml_int(a, 0);
	aml_path(a, "CDW1");

	cond = aml_open(a, AML_IF);
	aml_op(a, AML_LEQUAL);
	aml_op(a, AML_ARG0);
	buf = aml_open(a, AML_BUFFER);
	aml_int(a, sizeof(uuid));
	aml_bytes(a, uuid, sizeof(uuid));
	aml_close(a, buf);
	{
		size_t inner;

		aml_op(a, AML_CREATE_DWORD);
		aml_op(a, AML_ARG3);
		aml_int(a, 8);
		aml_path(a, "CDW3");
		/* Local0 = CDW3 & what is granted */
		aml_op(a, AML_AND);
		aml_path(a, "CDW3");
		aml_int(a, buses > 1 ? OSC_EXPRESS | OSC_HOTPLUG : OSC_EXPRESS);
		aml_op(a, AML_LOCAL0);
		/* unknown revision */
		inner = aml_open(a, AML_IF);
		aml_op(a, AML_LNOT);
		aml_op(a, AML_LEQUAL);
		aml_op(a, AML_ARG1);
		aml_int(a, 1);
		aml_op(a, AML_OR);
		aml_path(a, "CDW1");
		aml_int(a, 0x08);
		aml_path(a, "CDW1");
		aml_close(a, inner);
		/* something was masked */
		inner = aml_open(a, AML_IF);
		aml_op(a, AML_LNOT);
		aml_op(a, AML_LEQUAL);
		aml_path(a, "CDW3");
		aml_op(a, AML_LOCAL0);
		aml_op(a, AML_OR);
		aml_path(a, "CDW1");
		aml_int(a, 0x10);
		aml_path(a, "CDW1");
		aml_close(a, inner);
		aml_op(a, AML_STORE);
		aml_op(a, AML_LOCAL0);
		aml_path(a, "CDW3");
	}
	aml_close(a, cond);

	cond = aml_open(a, AML_ELSE);
	aml_op(a, AML_OR);
	aml_path(a, "CDW1");
	aml_int(a, 0x04);	/* unknown UUID */
	aml_path(a, "CDW1");
	aml_close(a, cond);

	aml_op(a, AML_RETURN);
	aml_op(a, AML_ARG3);
	aml_close(a, method);
}

static void dsdt_pci_prt(struct aml *a)
{
	unsigned int slot;
	size_t prt, entry;

	aml_op(a, AML_NAME);
	aml_path(a, "_PRT");
	prt = aml_open_package(a, 32);
	for (slot = 0; slot < 32; slot++) {
		entry = aml_open_package(a, 4);
		aml_int(a, slot << 16 | 0xffff);
		aml_int(a, 0);	/* INTA, the only pin used */
		aml_int(a, 0);	/* no link device: a GSI follows */
		aml_int(a, acpi_pci_gsi(slot));
		aml_close(a, entry);
	}
	aml_close(a, prt);
}

static void dsdt_pci(struct aml *a, struct memory *mem, unsigned int buses)
{
	uint8_t buf[256];
	struct aml res = { .buf = buf, .cap = sizeof(buf) };
	size_t dev;

	dev = aml_open_device(a, "PCI0");
	aml_name_eisa_id(a, "_HID", "PNP0A08");
	aml_name_eisa_id(a, "_CID", "PNP0A03");
	aml_name_int(a, "_SEG", 0);
	aml_name_int(a, "_BBN", 0);
	aml_name_int(a, "_UID", 0);
	aml_res_bus_window(&res, 0, buses - 1);
	aml_res_mem32_window(&res, MMIO32_BASE, MMIO32_SIZE);
	if (mem->mmio64_size)
		aml_res_mem64_window(&res, mem->mmio64_base, mem->mmio64_size);
	aml_name_resources(a, &res);
	dsdt_pci_prt(a);
	dsdt_pci_osc(a, buses);
	aml_close(a, dev);

	/* Linux takes an ECAM only when a motherboard resource reserves it */
	res.len = 0;
	dev = aml_open_device(a, "MRES");
	aml_name_eisa_id(a, "_HID", "PNP0C02");
	aml_name_int(a, "_UID", 0);
	aml_res_fixed_mem32(&res, ECAM_BASE, buses * ECAM_BUS_SIZE);
	aml_name_resources(a, &res);
	aml_close(a, dev);
}

static void dsdt_serial(struct aml *a)
{
	uint8_t buf[64];
	struct aml res = { .buf = buf, .cap = sizeof(buf) };
	size_t dev = aml_open_device(a, "COM1");

	aml_name_eisa_id(a, "_HID", "PNP0501");
	aml_name_int(a, "_UID", 0);
	aml_res_io(&res, 0x3f8, 8);
	aml_res_irq_edge(&res, ACPI_GSI_SERIAL);
	aml_name_resources(a, &res);
	aml_close(a, dev);
}

static void dsdt_power(struct aml *a)
{
	uint8_t buf[64];
	struct aml res = { .buf = buf, .cap = sizeof(buf) };
	size_t dev, method;

	dev = aml_open_device(a, "PWRB");
	aml_name_eisa_id(a, "_HID", "PNP0C0C");
	aml_close(a, dev);

	dev = aml_open_device(a, "GED0");
	aml_name_string(a, "_HID", "ACPI0013");
	aml_name_int(a, "_UID", 0);
	aml_res_irq_edge(&res, ACPI_GSI_POWER);
	aml_name_resources(a, &res);
	method = aml_open_method(a, "_EVT", 1);
	aml_op(a, AML_NOTIFY);
	aml_path(a, "\\_SB_.PWRB");
	aml_int(a, 0x80);
	aml_close(a, method);
	aml_close(a, dev);
}

static void dsdt_cpus(struct aml *a, unsigned int cpus)
{
	unsigned int i;
	char name[8];
	size_t dev;

	for (i = 0; i < cpus; i++) {
		snprintf(name, sizeof(name), "C%03X", i & 0xfff);
		dev = aml_open_device(a, name);
		aml_name_string(a, "_HID", "ACPI0007");
		aml_name_int(a, "_UID", i);
		aml_close(a, dev);
	}
}

static void *acpi_dsdt(struct acpi_area *area, struct memory *mem, unsigned int cpus,
		       unsigned int buses)
{
	struct acpi_header *h = acpi_alloc(area, sizeof(*h));
	struct aml a;
	size_t scope, s5;

	if (!h)
		return NULL;
	a = (struct aml){ .buf = (uint8_t *)(h + 1), .cap = area->cap - area->len };

	scope = aml_open_scope(&a, "\\_SB_");
	dsdt_pci(&a, mem, buses);
	dsdt_serial(&a);
	dsdt_power(&a);
	dsdt_cpus(&a, cpus);
	aml_close(&a, scope);

	aml_op(&a, AML_NAME);
	aml_path(&a, "\\_S5_");
	s5 = aml_open_package(&a, 4);
	aml_int(&a, 5);
	aml_int(&a, 0);
	aml_int(&a, 0);
	aml_int(&a, 0);
	aml_close(&a, s5);

	if (a.failed)
		return NULL;
	area->len += a.len;
	acpi_head(h, "DSDT", 2, sizeof(*h) + a.len);
	acpi_seal(h);
	return h;
}

static struct acpi_gas acpi_port(uint16_t port)
{
	return (struct acpi_gas){ .space = 1, .bits = 8, .access = 1, .addr = port };
}

static void *acpi_fadt(struct acpi_area *area, uint64_t dsdt)
{
	struct acpi_fadt *f = acpi_alloc(area, sizeof(*f));

	if (!f)
		return NULL;
	acpi_head(&f->h, "FACP", 6, sizeof(*f));
	f->dsdt = dsdt;
	f->x_dsdt = dsdt;
	f->minor_revision = 4;
	f->boot_arch = FADT_BOOT_LEGACY_DEVICES | FADT_BOOT_NO_VGA | FADT_BOOT_NO_CMOS_RTC;
	f->flags = FADT_WBINVD | FADT_POWER_BUTTON | FADT_SLEEP_BUTTON | FADT_RESET_REG |
		   FADT_HW_REDUCED;
	f->reset_reg = acpi_port(ACPI_PORT_RESET);
	f->reset_value = ACPI_RESET_VALUE;
	f->sleep_ctrl = acpi_port(ACPI_PORT_SLEEP_CTRL);
	f->sleep_status = acpi_port(ACPI_PORT_SLEEP_STATUS);
	memcpy(f->hypervisor_id, "ASVM\0\0\0\0", 8);
	acpi_seal(&f->h);
	return f;
}

static void *acpi_madt(struct acpi_area *area, unsigned int cpus)
{
	struct acpi_madt_lapic *lapic;
	struct acpi_madt_ioapic *ioapic;
	struct acpi_madt_nmi *nmi;
	size_t size = sizeof(struct acpi_madt) + cpus * sizeof(*lapic) + sizeof(*ioapic) +
		      sizeof(*nmi);
	struct acpi_madt *m = acpi_alloc(area, size);
	unsigned int i;

	if (!m)
		return NULL;
	acpi_head(&m->h, "APIC", 5, size);
	m->lapic_base = LAPIC_BASE;
	lapic = (struct acpi_madt_lapic *)(m + 1);
	for (i = 0; i < cpus; i++)
		*lapic++ = (struct acpi_madt_lapic){ 0, sizeof(*lapic), i, i, 1 };
	ioapic = (struct acpi_madt_ioapic *)lapic;
	*ioapic++ = (struct acpi_madt_ioapic){ 1, sizeof(*ioapic), 0, 0, IOAPIC_BASE, 0 };
	nmi = (struct acpi_madt_nmi *)ioapic;
	*nmi = (struct acpi_madt_nmi){ 4, sizeof(*nmi), 0xff, 0, 1 };
	acpi_seal(&m->h);
	return m;
}

static void *acpi_mcfg(struct acpi_area *area, unsigned int buses)
{
	struct acpi_mcfg *m = acpi_alloc(area, sizeof(*m));

	if (!m)
		return NULL;
	acpi_head(&m->h, "MCFG", 1, sizeof(*m));
	m->base = ECAM_BASE;
	m->bus_last = buses - 1;
	acpi_seal(&m->h);
	return m;
}

static void *acpi_xsdt(struct acpi_area *area, void * const *tables, unsigned int n)
{
	struct acpi_header *h = acpi_alloc(area, sizeof(*h) + n * sizeof(uint64_t));
	unsigned int i;

	if (!h)
		return NULL;
	acpi_head(h, "XSDT", 1, sizeof(*h) + n * sizeof(uint64_t));
	for (i = 0; i < n; i++) {
		uint64_t gpa = acpi_gpa(area, tables[i]);

		memcpy((uint8_t *)(h + 1) + i * sizeof(gpa), &gpa, sizeof(gpa));
	}
	acpi_seal(h);
	return h;
}

static int acpi_build(struct acpi_area *area, struct memory *mem, unsigned int cpus,
		      unsigned int buses)
{
	struct acpi_rsdp *rsdp = acpi_alloc(area, sizeof(*rsdp));
	void *dsdt = acpi_dsdt(area, mem, cpus, buses);
	void *tables[3], *xsdt;

	if (!rsdp || !dsdt)
		return -ENOSPC;
	tables[0] = acpi_fadt(area, acpi_gpa(area, dsdt));
	tables[1] = acpi_madt(area, cpus);
	tables[2] = acpi_mcfg(area, buses);
	if (!tables[0] || !tables[1] || !tables[2])
		return -ENOSPC;
	xsdt = acpi_xsdt(area, tables, 3);
	if (!xsdt)
		return -ENOSPC;
	*rsdp = (struct acpi_rsdp){
		.signature = { 'R', 'S', 'D', ' ', 'P', 'T', 'R', ' ' },
		.oem_id = { 'A', 'S', 'V', 'M', ' ', ' ' },
		.revision = 2,
		.length = sizeof(*rsdp),
		.xsdt = acpi_gpa(area, xsdt),
	};
	rsdp->checksum = acpi_sum(rsdp, 20);
	rsdp->ext_checksum = acpi_sum(rsdp, sizeof(*rsdp));
	return 0;
}

int acpi_write(struct memory *mem, unsigned int cpus, unsigned int buses)
{
	struct acpi_area area = { .cap = ACPI_DSDT_MAX };
	void *dst;
	int err;

	area.buf = calloc(1, area.cap);
	if (!area.buf)
		return -ENOMEM;
	err = acpi_build(&area, mem, cpus, buses);
	if (!err) {
		dst = mem_ptr(mem, ACPI_BASE, area.len);
		if (dst)
			memcpy(dst, area.buf, area.len);
		else
			err = -EFAULT;
	}
	free(area.buf);
	return err;
}
