// SPDX-License-Identifier: GPL-2.0-only
/* DMA faults, which the kernel tells only in its log. */
#include <string.h>

#include "vtd.h"

/* The address that begins at @p and ends with the first character that is none of one. */
static bool address_at(const char *p, char address[VTD_ADDRESS_LEN])
{
	char word[VTD_ADDRESS_LEN];
	size_t n = strspn(p, "0123456789abcdefABCDEF:.");

	if (!n || n >= sizeof(word))
		return false;
	memcpy(word, p, n);
	word[n] = '\0';
	return function_address(word, address);
}

/* Of "DRIVER ADDRESS: " at the beginning of the line. */
static bool prefix_address(const char *line, char address[VTD_ADDRESS_LEN])
{
	const char *p = strchr(line, ' ');
	char word[VTD_ADDRESS_LEN];
	size_t n;

	if (!p)
		return false;
	n = strcspn(++p, " ");
	if (n < 2 || n > sizeof(word) || p[n - 1] != ':')
		return false;
	memcpy(word, p, n - 1);
	word[n - 1] = '\0';
	return function_address(word, address);
}

/*
 * The forms of a fault on the kernels that the suite is for:
 *	DMAR: [DMA Write NO_PASID] Request device [01:00.0] fault addr 0x1000 ...
 *	AMD-Vi: Event logged [IO_PAGE_FAULT device=0000:01:00.0 domain=...
 *	nvme 0000:01:00.0: AMD-Vi: Event logged [IO_PAGE_FAULT domain=...
 * VT-d's has no PCI segment: it is taken for segment 0.
 */
bool kmsg_fault(const char *line, char address[VTD_ADDRESS_LEN])
{
	static const char intel[] = "Request device [", amd[] = "AMD-Vi: Event logged [";
	const char *p;

	if (!strncmp(line, "DMAR: [DMA", 10)) {
		p = strstr(line, intel);
		return p && address_at(p + sizeof(intel) - 1, address);
	}
	p = strstr(line, amd);
	if (!p || !strstr(p, "FAULT"))
		return false;
	if (p == line) {
		p = strstr(line, "device=");
		return p && address_at(p + 7, address);
	}
	return prefix_address(line, address);
}
