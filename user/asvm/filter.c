// SPDX-License-Identifier: GPL-2.0-only
/* The system calls that our processes need while they serve; any other ends them. */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/asv_blk.h>
#include <linux/asv_vhost.h>
#include <linux/filter.h>
#include <linux/if_tun.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <linux/vfio.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "array.h"
#include "isolate.h"
#include "log.h"

/* Calls that are harmless with any argument: they work on what is open already. */
static const unsigned short guest_calls[] = {
	SYS_read, SYS_write, SYS_readv, SYS_writev, SYS_pread64,
	SYS_recvmsg, SYS_sendmsg, SYS_recvfrom, SYS_sendto, SYS_accept4,
	SYS_epoll_wait, SYS_epoll_pwait, SYS_epoll_ctl, SYS_poll,
	SYS_futex, SYS_madvise, SYS_munmap, SYS_brk,
	SYS_fallocate, SYS_ftruncate, SYS_fstat, SYS_newfstatat,
	SYS_eventfd2, SYS_timerfd_settime, SYS_close,
	SYS_getrandom, SYS_clock_gettime, SYS_getpid, SYS_gettid, SYS_sched_yield,
	SYS_tgkill, SYS_rt_sigreturn, SYS_rt_sigprocmask, SYS_restart_syscall,
	SYS_exit, SYS_exit_group,
};

/* What a running guest's devices ask of the descriptors that are open. */
static const unsigned int guest_ioctls[] = {
	KVM_RUN, KVM_IRQ_LINE, KVM_IRQFD, KVM_IOEVENTFD, KVM_SET_GSI_ROUTING,
	KVM_KVMCLOCK_CTRL, KVM_GET_REGS,
	/* a reset of the guest */
	KVM_SET_REGS, KVM_SET_SREGS, KVM_SET_LAPIC, KVM_SET_IRQCHIP, KVM_SET_MSRS,
	KVM_SET_FPU, KVM_SET_XCRS, KVM_SET_DEBUGREGS, KVM_SET_VCPU_EVENTS,
	KVM_SET_MP_STATE,
	/* a driver that starts and stops a device */
	VHOST_GET_FEATURES, VHOST_SET_FEATURES, VHOST_SET_VRING_NUM,
	VHOST_SET_VRING_ADDR, VHOST_SET_VRING_BASE, VHOST_GET_VRING_BASE,
	VHOST_SET_VRING_KICK, VHOST_SET_VRING_CALL, VHOST_SET_VRING_ERR,
	VHOST_SET_VRING_BUSYLOOP_TIMEOUT, VHOST_NET_SET_BACKEND,
	VHOST_VSOCK_SET_RUNNING,
	ASV_BLK_SET_BACKEND, ASV_BLK_GET_CONFIG, ASV_BLK_SET_WCE, ASV_BLK_REFRESH,
	TUNSETOFFLOAD, TUNSETQUEUE,
};

/* A guest that sets up a function of the host, moves its BARs, or lets go of it. */
static const unsigned short vfio_calls[] = { SYS_pwrite64 };

static const unsigned int vfio_ioctls[] = {
	VFIO_DEVICE_SET_IRQS, VFIO_DEVICE_RESET, KVM_SET_USER_MEMORY_REGION,
	KVM_SET_DEVICE_ATTR,
};

static const unsigned short bridge_calls[] = {
	SYS_read, SYS_write, SYS_recvmsg, SYS_sendmsg, SYS_recvfrom, SYS_sendto,
	SYS_accept4, SYS_poll, SYS_close, SYS_munmap, SYS_madvise, SYS_brk,
	SYS_memfd_create, SYS_ftruncate, SYS_fstat, SYS_newfstatat,
	SYS_setsockopt, SYS_getpid, SYS_gettid, SYS_tgkill, SYS_rt_sigprocmask,
	SYS_rt_sigreturn, SYS_restart_syscall, SYS_exit, SYS_exit_group,
};

static const unsigned int bridge_ioctls[] = {
	VHOST_GET_FEATURES, VHOST_SET_FEATURES, VHOST_SET_MEM_TABLE,
	VHOST_SET_LOG_BASE, VHOST_SET_LOG_FD,
	VHOST_SET_VRING_NUM, VHOST_SET_VRING_ADDR, VHOST_SET_VRING_BASE,
	VHOST_GET_VRING_BASE, VHOST_SET_VRING_KICK, VHOST_SET_VRING_CALL,
	VHOST_SET_VRING_ERR,
	ASV_BLK_SET_BACKEND, ASV_BLK_GET_CONFIG, ASV_BLK_SET_WCE, ASV_BLK_REFRESH,
	ASV_BLK_SET_INFLIGHT,
};

/**
 * struct profile - what one of our processes does when it serves
 * @more: what it does besides, or NULL
 * @fcntl: the only command of fcntl()
 */
struct profile {
	const unsigned short *calls;
	unsigned int ncalls;
	const unsigned int *ioctls;
	unsigned int nioctls;
	unsigned int fcntl;
	const struct profile *more;
};

static const struct profile vfio_profile = {
	vfio_calls, ARRAY_SIZE(vfio_calls), vfio_ioctls, ARRAY_SIZE(vfio_ioctls),
};

static const struct profile profiles[] = {
	[ISOLATE_GUEST] = { guest_calls, ARRAY_SIZE(guest_calls),
			    guest_ioctls, ARRAY_SIZE(guest_ioctls),
			    F_GETFD /* libelf, when it reads a vmlinux */ },
	[ISOLATE_GUEST_VFIO] = { guest_calls, ARRAY_SIZE(guest_calls),
				 guest_ioctls, ARRAY_SIZE(guest_ioctls),
				 F_GETFD, &vfio_profile },
	[ISOLATE_BRIDGE] = { bridge_calls, ARRAY_SIZE(bridge_calls),
			     bridge_ioctls, ARRAY_SIZE(bridge_ioctls),
			     F_ADD_SEALS },
};

#define LOAD(field) \
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define RETURN(value) BPF_STMT(BPF_RET | BPF_K, value)
#define KILL RETURN(SECCOMP_RET_KILL_PROCESS)
#define ALLOW RETURN(SECCOMP_RET_ALLOW)

/* Room for: the head, memory calls, ioctls, two for each call, the end. */
static struct sock_filter program[512];
static unsigned short length;

static void add(struct sock_filter insn)
{
	if (length < ARRAY_SIZE(program))
		program[length] = insn;
	length++;
}

#define ADD(...) add((struct sock_filter)__VA_ARGS__)

static void head(void)
{
	ADD(LOAD(arch));
	ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0));
	ADD(KILL);
	ADD(LOAD(nr));
}

/*
 * ioctl() is what vCPU threads call, so it comes first. The request is the low word of
 * its second argument; the kernel looks at no more.
 */
static void allow_ioctls(const struct profile *profile)
{
	const struct profile *p;
	unsigned int count = 0, i;

	for (p = profile; p; p = p->more)
		count += p->nioctls;
	ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 1, 0));
	ADD(BPF_STMT(BPF_JMP | BPF_JA, 2 * count + 2));
	ADD(LOAD(args[1]));
	for (p = profile; p; p = p->more)
		for (i = 0; i < p->nioctls; i++) {
			ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, p->ioctls[i], 0, 1));
			ADD(ALLOW);
		}
	ADD(KILL);
}

/* A call by the low word of one argument: @test goes on at the kill or skips it. */
static void allow_by(unsigned int nr, struct sock_filter argument, struct sock_filter test)
{
	ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 4));
	add(argument);
	add(test);
	ADD(KILL);
	ADD(ALLOW);
}

/* Memory calls, but never for memory that can be executed. */
static void allow_without_exec(unsigned int nr)
{
	allow_by(nr, (struct sock_filter)LOAD(args[2]),
		 (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 0, 1));
}

/* fcntl() for one command only. */
static void allow_fcntl(unsigned int command)
{
	allow_by(SYS_fcntl, (struct sock_filter)LOAD(args[1]),
		 (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, command, 1, 0));
}

static void allow(unsigned int nr)
{
	ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1));
	ADD(ALLOW);
}

int isolate_filter(enum isolate_role role)
{
	const struct profile *p = &profiles[role], *part;
	struct sock_fprog fprog = { .filter = program };
	unsigned int i;
	long ret;

	length = 0;
	head();
	allow_ioctls(p);
	allow_without_exec(SYS_mmap);
	allow_without_exec(SYS_mprotect);
	allow_fcntl(p->fcntl);
	for (part = p; part; part = part->more)
		for (i = 0; i < part->ncalls; i++)
			allow(part->calls[i]);
	ADD(KILL);
	if (length > ARRAY_SIZE(program)) {
		log_err("isolation: the system call filter is too long");
		return -E2BIG;
	}
	fprog.len = length;
	ret = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
		      SECCOMP_FILTER_FLAG_TSYNC, &fprog);
	if (!ret)
		return 0;
	/* A positive number is a thread that could not be filtered. */
	log_err("isolation: cannot set the system call filter: %s",
		ret < 0 ? strerror(errno) : "a thread has one of its own");
	return ret < 0 ? -errno : -EBUSY;
}
