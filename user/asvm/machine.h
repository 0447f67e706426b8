/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A guest and its devices.
 *
 * Three phases, because a guest is taken to be hostile and a thread cannot be made after its
 * process has unshared the pid namespace:
 *
 *   parent   machine_open()    opens every file the guest needs that was not handed over
 *            clone into new user, pid, mount, net and ipc namespaces
 *   child    machine_create()  KVM, memory, VHOST_SET_OWNER, devices, all threads; the vCPU
 *                              threads wait. It opens no path and needs no capability.
 *            empty root, no_new_privs, seccomp with SECCOMP_FILTER_FLAG_TSYNC
 *   child    machine_run()     loads the kernel from its descriptor and lets the vCPUs go
 *
 * After machine_create() the machine's threads use these system calls and no others:
 *   read write readv writev pread64 pwrite64 poll epoll_ctl epoll_wait ioctl futex madvise
 *   fallocate ftruncate fstat lseek getrandom tgkill getpid gettid timerfd_settime rt_sigreturn
 *   rt_sigprocmask restart_syscall exit exit_group close
 *   mmap munmap mprotect brk (malloc, and the end of the machine)
 */
#ifndef ASVM_MACHINE_H
#define ASVM_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "loop.h"

struct machine;

/** enum machine_state - what the guest is doing */
enum machine_state {
	MACHINE_CREATED,
	MACHINE_RUNNING,
	MACHINE_PAUSED,
	MACHINE_ENDED,
};

/** enum machine_end - why machine_run() returned */
enum machine_end {
	MACHINE_END_POWEROFF,		/* the guest powered itself off */
	MACHINE_END_REBOOT,		/* the guest rebooted and no_reboot is set */
	MACHINE_END_STOPPED,		/* machine_stop() */
	MACHINE_END_TRIPLE_FAULT,	/* message already written */
	MACHINE_END_ERROR,		/* message already written */
};

/**
 * machine_open - phase 1, in the parent: open what was not handed over
 *
 * Checks @cfg as far as devices need it, opens /dev/kvm, the kernel, disks, taps and backends
 * for which @cfg holds no descriptor, close-on-exec. @cfg must outlive the machine.
 *
 * NULL after a message. The parent may close its copies by machine_close() after the clone.
 */
struct machine *machine_open(const struct asvm_config *cfg);

/** machine_close - close every descriptor and free the machine; not while it runs */
void machine_close(struct machine *m);

/** machine_create - phase 2, in the child; 0, or -errno after a message */
int machine_create(struct machine *m, struct loop *loop);

/**
 * machine_run - phase 3: run the guest and @loop until the guest ends
 *
 * The loop's handlers run in the calling thread. The functions below are called from them.
 */
enum machine_end machine_run(struct machine *m);

/** machine_pause - stop all vCPUs; kvm-clock is told, so that the guest sees no soft lockup */
int machine_pause(struct machine *m);
int machine_resume(struct machine *m);

/** machine_powerbutton - ask the guest to shut down by the ACPI power button */
int machine_powerbutton(struct machine *m);

/** machine_reset - hard reset, as by the reset register */
int machine_reset(struct machine *m);

/** machine_stop - end the guest now; machine_run() returns MACHINE_END_STOPPED */
void machine_stop(struct machine *m);

/**
 * machine_resize_disk - tell the guest a disk's new size
 * @disk: index in asvm_config.disks
 * @size: bytes, a regular file is made that long first; 0: the size that the file or device
 *	now has
 *
 * 0; -EINVAL: no such disk, or @size on a block device or not a multiple of 512; -errno of
 * ftruncate or the backend.
 */
int machine_resize_disk(struct machine *m, unsigned int disk, uint64_t size);

/**
 * machine_balloon - ask the guest to give back or take memory
 * @bytes: what the guest shall have; rounded to pages
 *
 * 0; -ENODEV: no balloon; -EINVAL: more than its memory.
 */
int machine_balloon(struct machine *m, uint64_t bytes);

/** struct machine_disk_info - a disk in machine_query() */
struct machine_disk_info {
	const char *path;
	uint64_t size;		/* bytes */
	unsigned int queues;
	bool readonly;
	bool driver_ok;		/* the guest's driver uses it */
	bool packed;		/* with packed rings */
};

/** struct machine_net_info - a network device in machine_query() */
struct machine_net_info {
	const char *tap;
	uint8_t mac[6];
	unsigned int queues;	/* pairs the guest has switched on */
	bool driver_ok;
	bool packed;
};

/** struct machine_info - machine_query() */
struct machine_info {
	enum machine_state state;
	unsigned int cpus;
	uint64_t mem;
	uint64_t balloon;	/* bytes that the balloon holds now */
	uint64_t reported;	/* bytes given back by free page reporting since the start */
	unsigned int reboots;
	unsigned int ndisks;
	unsigned int nnets;
	unsigned int nfunctions;	/* of the host, that the guest has now */
	struct machine_disk_info disks[ASVM_DISKS_MAX];
	struct machine_net_info nets[ASVM_NETS_MAX];
};

void machine_query(struct machine *m, struct machine_info *info);

#endif
