// SPDX-License-Identifier: GPL-2.0-only
/* How functions are named: addresses, ids, virtual functions. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "lease.h"

/* A hexadecimal number of 1 to @digits digits at *@text, which is moved past it. */
static bool hex(const char **text, unsigned int digits, unsigned int *value)
{
	unsigned int n = 0;

	*value = 0;
	while (n < digits && isxdigit((unsigned char)**text)) {
		unsigned char c = tolower((unsigned char)*(*text)++);

		*value = *value << 4 | (isdigit(c) ? c - '0' : c - 'a' + 10);
		n++;
	}
	return n;
}

static bool take(const char **text, char c)
{
	if (**text != c)
		return false;
	(*text)++;
	return true;
}

static bool address_of(const char **text, unsigned int *domain, unsigned int *bus,
		       unsigned int *dev, unsigned int *fn)
{
	unsigned int first;

	if (!hex(text, 8, &first) || !take(text, ':') || !hex(text, 2, bus))
		return false;
	*domain = first;
	if (take(text, ':')) {
		if (!hex(text, 2, dev))
			return false;
	} else {
		*domain = 0;
		*dev = *bus;
		*bus = first;
	}
	return *bus < 256 && *dev < 32 && take(text, '.') && hex(text, 1, fn) && *fn < 8;
}

bool function_address(const char *text, char address[VTD_ADDRESS_LEN])
{
	unsigned int domain, bus, dev, fn;

	if (!address_of(&text, &domain, &bus, &dev, &fn) || *text)
		return false;
	snprintf(address, VTD_ADDRESS_LEN, "%04x:%02x:%02x.%x", domain, bus, dev, fn);
	return true;
}

static bool decimal(const char **text, unsigned int max, unsigned int *value)
{
	const char *start = *text;

	*value = 0;
	while (isdigit((unsigned char)**text) && *value <= max)
		*value = *value * 10 + *(*text)++ - '0';
	return *text != start && *value <= max;
}

static bool skip(const char **text, const char *word)
{
	size_t n = strlen(word);

	if (strncmp(*text, word, n))
		return false;
	*text += n;
	return true;
}

static bool set_address(const char **text, struct asv_vtd_lease_arg *arg)
{
	unsigned int domain, bus, dev, fn;

	if (!address_of(text, &domain, &bus, &dev, &fn))
		return false;
	arg->domain = domain;
	arg->bus = bus;
	arg->devfn = dev << 3 | fn;
	return true;
}

const char *function_spec(const char *text, struct asv_vtd_lease_arg *arg)
{
	unsigned int vendor, device, n;
	const char *p = text;

	memset(arg, 0, sizeof(*arg));
	if (skip(&p, "pf=")) {
		if (!set_address(&p, arg) || !skip(&p, ",vf=") || !decimal(&p, 65535, &n) || *p)
			return "wants pf=ADDRESS,vf=N, N counted from 0";
		arg->flags = ASV_VTD_LEASE_VF;
		arg->vf = n;
		return NULL;
	}
	if (set_address(&p, arg) && !*p)
		return NULL;
	p = text;
	if (!hex(&p, 4, &vendor) || p != text + 4 || !take(&p, ':') || !hex(&p, 4, &device) ||
	    p != text + 9)
		return "is no function: ADDRESS, VENDOR:DEVICE[,node=N] or pf=ADDRESS,vf=N";
	memset(arg, 0, sizeof(*arg));
	arg->node = -1;
	if (skip(&p, ",node=")) {
		if (!decimal(&p, 4095, &n))
			return "wants a number after node=";
		arg->node = n;
	}
	if (*p)
		return "has more than VENDOR:DEVICE[,node=N]";
	arg->flags = ASV_VTD_LEASE_ID;
	arg->vendor = vendor;
	arg->device = device;
	return NULL;
}

void function_of_arg(const struct asv_vtd_lease_arg *arg, char address[VTD_ADDRESS_LEN])
{
	snprintf(address, VTD_ADDRESS_LEN, "%04x:%02x:%02x.%x", arg->domain & 0xffffff, arg->bus,
		 arg->devfn >> 3, arg->devfn & 7);
}
