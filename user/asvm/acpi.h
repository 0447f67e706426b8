/* SPDX-License-Identifier: GPL-2.0-only */
/* ACPI tables: what the guest is told of its machine. */
#ifndef ASVM_ACPI_H
#define ASVM_ACPI_H

#include <stdint.h>

#include "memory.h"

/* where the tables lie, found by the RSDP scan too */
#define ACPI_BASE		0xe0000

/* I/O ports of the hardware-reduced register set */
#define ACPI_PORT_SLEEP_CTRL	0x600
#define ACPI_PORT_SLEEP_STATUS	0x601
#define ACPI_PORT_RESET		0x602
#define ACPI_RESET_VALUE	0x01
#define ACPI_SLEEP_S5		(5 << 2 | 1 << 5)	/* SLP_TYP 5, SLP_EN */

/* IOAPIC pins */
#define ACPI_GSI_SERIAL		4
#define ACPI_GSI_POWER		9
#define ACPI_GSI_PCI_FIRST	16
#define ACPI_GSI_PCI_COUNT	8

/**
 * acpi_write - put all tables into guest memory
 * @cpus: number of vCPUs; their APIC ids are 0 to @cpus - 1
 * @buses: PCI buses that the ECAM covers
 *
 * Returns 0, or -errno. The RSDP is at ACPI_BASE.
 */
int acpi_write(struct memory *mem, unsigned int cpus, unsigned int buses);

/** acpi_pci_gsi - the pin of INTA of a PCI slot, as the _PRT says */
unsigned int acpi_pci_gsi(unsigned int slot);

#endif
