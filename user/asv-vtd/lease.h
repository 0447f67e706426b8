/* SPDX-License-Identifier: GPL-2.0-only */
/* Naming a function and leasing it; a launcher uses this, too. */
#ifndef ASV_VTD_LEASE_H
#define ASV_VTD_LEASE_H

#include <linux/asv_vtd.h>
#include <stdbool.h>

#define VTD_ADDRESS_LEN		16

/* ---- names (spec.c) */

/* The long form of an address, 0000:00:04.0; false if @text is no address. */
bool function_address(const char *text, char address[VTD_ADDRESS_LEN]);

/**
 * function_spec() - what a lease is asked for
 * @text: ADDRESS, VENDOR:DEVICE[,node=N] or pf=ADDRESS,vf=N
 * @arg: its address, ids and flags are set
 * Return: NULL, or a constant text that says what is wanted.
 */
const char *function_spec(const char *text, struct asv_vtd_lease_arg *arg);

/* function_of_arg() - the address in @arg as text */
void function_of_arg(const struct asv_vtd_lease_arg *arg, char address[VTD_ADDRESS_LEN]);

/* ---- the module (module.c) */

/* vtd_open() - /dev/asv-vtd; -1 after a message */
int vtd_open(void);

/**
 * vtd_lease() - the ioctl
 * @arg: as in <linux/asv_vtd.h>
 * Return: a descriptor, 0 with ASV_VTD_LEASE_CHECK, or -errno. Before -EUSERS for a lease it
 * has tried for two seconds, since udev looks into new disks.
 */
int vtd_lease(int node, struct asv_vtd_lease_arg *arg);

/* vtd_reason() - the name of a refusal in JSON: "disk-open" */
const char *vtd_reason(unsigned int reason);

#endif
