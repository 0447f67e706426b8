/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of asv-vtd share. */
#ifndef ASV_VTD_PROG_H
#define ASV_VTD_PROG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "json.h"
#include "lease.h"

/* enum vtd_exit - what asv-vtd ends with; in asv-vtd(8) */
enum vtd_exit {
	VTD_OK = 0,
	VTD_FAILED = 1,		/* a message says why */
	VTD_USAGE = 2,		/* the arguments are wrong */
	VTD_REFUSED = 3,	/* the function cannot be leased now, or is busy */
	VTD_NOT_READY = 4,	/* of check: this machine cannot lease anything */
	VTD_TIMEOUT = 5,	/* what was waited for did not happen in time */
};

#define VTD_NAME_LEN		64
#define VTD_PATH_LEN		256

/* ---- functions, from sysfs (function.c) */

/**
 * struct function - a PCI function as sysfs shows it
 * @address: 0000:00:04.0
 * @vendor: PCI vendor id
 * @device: PCI device id
 * @class: class code, 24 bits
 * @driver: bound to it, empty for none
 * @reset: reset methods, separated by spaces, empty for none
 * @pf: address of the PF of which it is a VF, empty for none
 * @group: IOMMU group, -1 without one
 * @node: NUMA node, -1 if the firmware does not tell
 * @vfs: virtual functions that it has
 * @vfs_max: that it can have
 * @boot_vga: the firmware shows its screen on it
 */
struct function {
	char address[VTD_ADDRESS_LEN];
	unsigned int vendor;
	unsigned int device;
	unsigned int class;
	char driver[VTD_NAME_LEN];
	char reset[VTD_NAME_LEN];
	char pf[VTD_ADDRESS_LEN];
	long group;
	long node;
	long vfs;
	long vfs_max;
	bool boot_vga;
};

#define FUNCTION_IS_BRIDGE(f)	((f)->class >> 16 == 0x06)

/* function_read() - Return: 0, or -1 when there is no such function */
int function_read(struct function *f, const char *address);

/**
 * function_list() - all functions that are no bridges, by address
 * @list: set to an array to free()
 * Return: how many, or -1 after a message.
 */
ssize_t function_list(struct function **list);

/* function_label() - what it is, in a word: "NVMe controller" */
const char *function_label(const struct function *f);

/* function_has_console() - is the host's console on what is asked for, or on one that would do? */
bool function_has_console(const struct asv_vtd_lease_arg *arg);

/* The first line of a file below /sys, without its newline; -1 if there is none. */
int sys_text(char *to, size_t size, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* disk_use_show() - say which disks of a function are mounted, swapped on or held */
void disk_use_show(const char *address);

/* ---- what a lease is for */

/**
 * handover() - pass a lease on to whoever listens on a socket (handover.c)
 * @path: of the UNIX stream socket
 * @lease: the lease; the caller closes its own descriptor
 * @memlock: bytes that the receiver may at least lock from now on
 *
 * The receiver gets one message: the function's address with a newline, and three
 * descriptors: lease, VFIO group and an unused VFIO container.
 *
 * Return: 0, or -1 after a message.
 */
int handover(const char *path, int lease, const char *address, unsigned int group,
	     uint64_t memlock);

/* ---- leases and events (netlink.c) */

/**
 * struct lease - of a dump, or in an event
 * @event: enum asv_vtd_event; 0 in a dump
 * @state: enum asv_vtd_state
 * @reason: enum asv_vtd_reason, of a refusal
 * @error: errno, 0 for none
 */
struct lease {
	char address[VTD_ADDRESS_LEN];
	char comm[VTD_NAME_LEN];
	char driver[VTD_NAME_LEN];
	char text[ASV_VTD_TEXT_LEN];
	uint32_t event;
	uint32_t state;
	uint32_t group;
	uint32_t pid;
	uint32_t uid;
	uint32_t user_pid;
	uint32_t reason;
	uint32_t error;
	bool open;
};

struct vtd_netlink;

/**
 * netlink_open() - connect
 * @events: join the events' group, too
 * @quiet: without a message if the module is not loaded
 * Return: the connection, or NULL.
 */
struct vtd_netlink *netlink_open(bool events, bool quiet);
void netlink_close(struct vtd_netlink *nl);

/* netlink_leases() - all leases, an array to free(); -1 after a message */
ssize_t netlink_leases(struct vtd_netlink *nl, struct lease **list);

/* netlink_fd() - to poll for events */
int netlink_fd(const struct vtd_netlink *nl);

/**
 * netlink_events() - take what has come
 * @fn: called for each event
 * Return: 0, or -1 after a message, also when some were lost.
 */
int netlink_events(struct vtd_netlink *nl, void (*fn)(const struct lease *lease, void *arg),
		   void *arg);

/* lease_find() - of a function, or NULL */
const struct lease *lease_find(const struct lease *list, ssize_t count, const char *address);
const char *lease_state(const struct lease *lease);
const char *lease_event(const struct lease *lease);

/* ---- the machine's IOMMUs (iommu.c) */

#define IOMMU_UNITS_MAX		64
#define IOMMU_RMRRS_MAX		64

/**
 * struct iommu_unit - one DMA remapping unit
 * @name: in /sys/class/iommu; empty for one that only the table has
 * @base: physical address of its registers
 * @width: bits of the addresses it translates; 0: not known, for it is off
 */
struct iommu_unit {
	char name[VTD_NAME_LEN];
	uint64_t base;
	unsigned int width;
	bool queued;
	bool intr_remap;
	bool posted;
	bool snoop;
	bool scalable;
};

/**
 * struct iommu_rmrr - memory that the firmware keeps for devices
 * @scope: the first device of it as far as the table tells, 0000:00:02.0
 */
struct iommu_rmrr {
	uint64_t base;
	uint64_t end;
	char scope[VTD_ADDRESS_LEN];
};

/**
 * struct iommu_report - what the firmware's table and the kernel say
 * @table: "DMAR", "IVRS" or NULL
 * @intr_flag: DMAR says that the platform can remap interrupts
 * @on: the kernel uses a unit
 * @intr_on: the kernel remaps interrupts, as far as it shows
 */
struct iommu_report {
	const char *table;
	bool intr_flag;
	bool on;
	bool damaged;
	unsigned int units;
	unsigned int rmrrs;
	struct iommu_unit unit[IOMMU_UNITS_MAX];
	struct iommu_rmrr rmrr[IOMMU_RMRRS_MAX];
};

void iommu_read(struct iommu_report *r);

/* iommu_parse_dmar() - read a DMAR table; false if it is damaged */
bool iommu_parse_dmar(struct iommu_report *r, const uint8_t *table, size_t size);
bool iommu_parse_ivrs(struct iommu_report *r, const uint8_t *table, size_t size);

/* ---- DMA faults in the kernel's log (kmsg.c) */

/**
 * kmsg_fault() - is this line a DMA fault?
 * @line: of /dev/kmsg, without the prefix
 * @address: set to the function's
 */
bool kmsg_fault(const char *line, char address[VTD_ADDRESS_LEN]);

/* ---- virtual functions of NVMe controllers (nvme.c) */

/**
 * nvme_release() - have a PF give up what its VFs may get, before they are made
 * @address: the PF, with the host's nvme driver
 * @reset: set when it takes effect with a reset only
 * Return: 0, or -1 after a message.
 */
int nvme_release(const char *address, bool *reset);

/**
 * nvme_share() - share queues and interrupts out to VFs that were just made
 * @address: their PF
 * @count: how many they are
 * Return: 0, and they can come ready; or -1 after a message.
 */
int nvme_share(const char *address, unsigned int count);

/* ---- verbs */

int cmd_list(int argc, char **argv);
int cmd_show(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_lease(int argc, char **argv);
int cmd_return(int argc, char **argv);
int cmd_events(int argc, char **argv);
int cmd_vf(int argc, char **argv);

#endif
