// SPDX-License-Identifier: GPL-2.0-only
/* What the firmware's DMAR or IVRS table and the kernel say of the IOMMUs. */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vtd.h"

#define TABLES		"/sys/firmware/acpi/tables"
#define CLASS		"/sys/class/iommu"
#define TABLE_MAX	65536

/* The header of an ACPI table, and of DMAR and IVRS behind it. */
#define ACPI_HEADER	36
#define DMAR_FLAGS	37
#define DMAR_HEADER	48
#define IVRS_HEADER	48

#define DMAR_INTR_REMAP	0x01

/* Structures of DMAR (VT-d 8.2), IVRS (AMD IOMMU 5.2). */
#define DMAR_DRHD	0
#define DMAR_RMRR	1
#define IVRS_IVHD_MIN	0x10
#define IVRS_IVHD_MAX	0x40

static uint16_t le16(const uint8_t *p)
{
	return p[0] | p[1] << 8;
}

static uint64_t le64(const uint8_t *p)
{
	uint64_t v = 0;
	int i;

	for (i = 7; i >= 0; i--)
		v = v << 8 | p[i];
	return v;
}

/* Does a table hold together: its length, and bytes that add up to nothing? */
static bool sound(const uint8_t *table, size_t size, size_t header)
{
	uint8_t sum = 0;
	size_t i;

	if (size < header || (le16(table + 4) | (uint32_t)le16(table + 6) << 16) != size)
		return false;
	for (i = 0; i < size; i++)
		sum += table[i];
	return !sum;
}

static bool add_drhd(struct iommu_report *r, const uint8_t *s, size_t len)
{
	if (len < 16)
		return false;
	if (r->units < IOMMU_UNITS_MAX)
		r->unit[r->units++].base = le64(s + 8);
	return true;
}

/* The first device of a scope without bridges in its path. */
static void scope_address(const uint8_t *s, size_t len, unsigned int segment,
			  char address[VTD_ADDRESS_LEN])
{
	address[0] = '\0';
	if (len >= 8 && s[1] == 8)
		snprintf(address, VTD_ADDRESS_LEN, "%04x:%02x:%02x.%x", segment & 0xffff, s[5],
			 s[6] & 0x1f, s[7] & 7);
}

static bool add_rmrr(struct iommu_report *r, const uint8_t *s, size_t len)
{
	struct iommu_rmrr *rmrr;

	if (len < 24)
		return false;
	if (r->rmrrs == IOMMU_RMRRS_MAX)
		return true;
	rmrr = &r->rmrr[r->rmrrs++];
	rmrr->base = le64(s + 8);
	rmrr->end = le64(s + 16);
	scope_address(s + 24, len - 24, le16(s + 6), rmrr->scope);
	return true;
}

bool iommu_parse_dmar(struct iommu_report *r, const uint8_t *table, size_t size)
{
	size_t at, len;

	if (!sound(table, size, DMAR_HEADER))
		return false;
	r->intr_flag = table[DMAR_FLAGS] & DMAR_INTR_REMAP;
	for (at = DMAR_HEADER; at < size; at += len) {
		if (size - at < 4)
			return false;
		len = le16(table + at + 2);
		if (len < 4 || len > size - at)
			return false;
		switch (le16(table + at)) {
		case DMAR_DRHD:
			if (!add_drhd(r, table + at, len))
				return false;
			break;
		case DMAR_RMRR:
			if (!add_rmrr(r, table + at, len))
				return false;
			break;
		}
	}
	return true;
}

/* A unit may come in several blocks, each for newer kernels than the last. */
static void add_ivhd(struct iommu_report *r, uint64_t base)
{
	unsigned int i;

	for (i = 0; i < r->units; i++)
		if (r->unit[i].base == base)
			return;
	if (r->units < IOMMU_UNITS_MAX)
		r->unit[r->units++].base = base;
}

bool iommu_parse_ivrs(struct iommu_report *r, const uint8_t *table, size_t size)
{
	size_t at, len;

	if (!sound(table, size, IVRS_HEADER))
		return false;
	for (at = IVRS_HEADER; at < size; at += len) {
		if (size - at < 4)
			return false;
		len = le16(table + at + 2);
		if (len < 4 || len > size - at)
			return false;
		if (table[at] < IVRS_IVHD_MIN || table[at] > IVRS_IVHD_MAX ||
		    (table[at] & 0x0f) > 1)
			continue;
		if (len < 24)
			return false;
		add_ivhd(r, le64(table + at + 8));
	}
	r->intr_flag = r->units;
	return true;
}

static void read_table(struct iommu_report *r, const char *name,
		       bool (*parse)(struct iommu_report *r, const uint8_t *table, size_t size))
{
	uint8_t *table = malloc(TABLE_MAX);
	char path[VTD_PATH_LEN];
	ssize_t n = 0, size = 0;
	int fd;

	snprintf(path, sizeof(path), TABLES "/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && table) {
		while (size < TABLE_MAX && (n = read(fd, table + size, TABLE_MAX - size)) > 0)
			size += n;
		r->table = name;
		r->damaged = !parse(r, table, size);
	}
	if (fd >= 0)
		close(fd);
	free(table);
}

/* The unit that the table tells of, or a new one. */
static struct iommu_unit *unit_at(struct iommu_report *r, uint64_t base)
{
	unsigned int i;

	for (i = 0; i < r->units; i++)
		if (r->unit[i].base == base && !r->unit[i].name[0])
			return &r->unit[i];
	return r->units < IOMMU_UNITS_MAX ? &r->unit[r->units++] : NULL;
}

static uint64_t unit_number(const char *name, const char *attr)
{
	char text[32];

	if (sys_text(text, sizeof(text), CLASS "/%s/%s", name, attr))
		return 0;
	return strtoull(text, NULL, 16);
}

/* The capability registers of a VT-d unit (10.4.2, 10.4.3). */
static void read_intel(struct iommu_report *r, const char *name)
{
	uint64_t cap = unit_number(name, "intel-iommu/cap");
	uint64_t ecap = unit_number(name, "intel-iommu/ecap");
	struct iommu_unit *unit = unit_at(r, unit_number(name, "intel-iommu/address"));

	if (!unit)
		return;
	snprintf(unit->name, sizeof(unit->name), "%.63s", name);
	unit->width = (cap >> 16 & 0x3f) + 1;
	unit->posted = cap >> 59 & 1;
	unit->queued = ecap >> 1 & 1;
	unit->intr_remap = ecap >> 3 & 1;
	unit->snoop = ecap >> 7 & 1;
	unit->scalable = ecap >> 43 & 1;
}

/* The extended features of an AMD IOMMU (3.4.9). */
static void read_amd(struct iommu_report *r, const char *name)
{
	uint64_t features = unit_number(name, "amd-iommu/features");
	unsigned int i;

	for (i = 0; i < r->units && r->unit[i].name[0]; i++)
		;
	if (i == r->units && r->units < IOMMU_UNITS_MAX)
		r->units++;
	if (i == IOMMU_UNITS_MAX)
		return;
	snprintf(r->unit[i].name, sizeof(r->unit[i].name), "%.63s", name);
	r->unit[i].width = 12 + 9 * (4 + (features >> 10 & 3));
	r->unit[i].queued = true;
	r->unit[i].intr_remap = true;
	r->unit[i].snoop = true;
	r->unit[i].posted = features >> 7 & 1;
}

void iommu_read(struct iommu_report *r)
{
	struct dirent *entry;
	DIR *dir;

	memset(r, 0, sizeof(*r));
	read_table(r, "DMAR", iommu_parse_dmar);
	if (!r->table)
		read_table(r, "IVRS", iommu_parse_ivrs);
	dir = opendir(CLASS);
	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		if (!strncmp(entry->d_name, "dmar", 4))
			read_intel(r, entry->d_name);
		else if (!strncmp(entry->d_name, "ivhd", 4))
			read_amd(r, entry->d_name);
		else
			continue;
		/* Units are registered even where translation is off; groups are not. */
		r->on |= !access("/sys/kernel/iommu_groups/0", F_OK);
	}
	closedir(dir);
}
