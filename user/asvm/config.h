/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a guest is made of. The command line and the configuration file fill it in; the machine
 * only reads it. Strings belong to whoever fills it in and live as long as the process.
 */
#ifndef ASVM_CONFIG_H
#define ASVM_CONFIG_H

#include <linux/asv_vtd.h>
#include <stdbool.h>
#include <stdint.h>

#define ASVM_NAME_MAX		63
#define ASVM_CPUS_MAX		64
#define ASVM_DISKS_MAX		16
#define ASVM_NETS_MAX		8
#define ASVM_VTDS_MAX		8
#define ASVM_DISK_QUEUES_MAX	64
#define ASVM_NET_PAIRS_MAX	8
#define ASVM_QUEUE_SIZE_MAX	1024
#define ASVM_SERIAL_MAX		20		/* VIRTIO_BLK_ID_BYTES */
#define ASVM_CMDLINE_MAX	2047		/* x86 COMMAND_LINE_SIZE less its NUL */
#define ASVM_MEM_MIN		(16ULL << 20)
#define ASVM_MEM_MAX		(1ULL << 40)

/**
 * struct asvm_disk - one virtio-blk device on /dev/asv-blk
 * @path: file or block device; for messages only when @fd is given
 * @fd: open descriptor of it, -1 to open @path
 * @vhost_fd: open descriptor of /dev/asv-blk, -1 to open it
 * @readonly: the guest may not write; @fd's mode limits it too
 * @packed: offer packed rings (the guest may still choose split)
 * @no_discard: do not offer discard and write-zeroes
 * @queues: 1..ASVM_DISK_QUEUES_MAX; 0: one for each vCPU, 4 at most
 * @queue_size: a power of two, 2..ASVM_QUEUE_SIZE_MAX; 0: 256
 * @poll_us: busy polling limit in microseconds, 0: off
 * @iops: limit of requests a second, 0: none
 * @bps: limit of bytes a second, 0: none
 * @serial: at most ASVM_SERIAL_MAX bytes, NULL: none
 */
struct asvm_disk {
	const char *path;
	int fd;
	int vhost_fd;
	bool readonly;
	bool packed;
	bool no_discard;
	unsigned int queues;
	unsigned int queue_size;
	unsigned int poll_us;
	uint64_t iops;
	uint64_t bps;
	const char *serial;
};

/**
 * struct asvm_net - one virtio-net device on /dev/asv-net
 * @tap: interface name of a tap, for messages only when @fds are given
 * @nfds: how many of @fds and @vhost_fds are given, 0 to open them by @tap
 * @fds: tap, macvtap or ipvtap descriptors, one for each queue pair
 * @vhost_fds: descriptors of /dev/asv-net, one for each queue pair, -1 to open
 * @mac: used if @have_mac, else one is made from the guest's and the interface's name
 * @packed: offer packed rings
 * @queues: queue pairs, 1..ASVM_NET_PAIRS_MAX; 0: one
 * @queue_size: as for disks
 * @poll_us: as for disks
 * @mtu: offered to the guest, 0: not offered
 */
struct asvm_net {
	const char *tap;
	unsigned int nfds;
	int fds[ASVM_NET_PAIRS_MAX];
	int vhost_fds[ASVM_NET_PAIRS_MAX];
	uint8_t mac[6];
	bool have_mac;
	bool packed;
	unsigned int queues;
	unsigned int queue_size;
	unsigned int poll_us;
	uint16_t mtu;
};

/**
 * struct asvm_vtd - a PCI function of the host
 * @spec: as it was written, for messages
 * @socket: where its lease is handed over; NULL: it is leased by us
 * @function: what /dev/asv-vtd is asked for, without @socket
 */
struct asvm_vtd {
	const char *spec;
	const char *socket;
	struct asv_vtd_lease_arg function;
};

/**
 * enum asvm_console - which device the guest's console is
 * @ASVM_CONSOLE_SERIAL: the 16550 at 0x3f8, ttyS0
 * @ASVM_CONSOLE_VIRTIO: virtio-console, hvc0; what the 16550 prints is shown too
 * @ASVM_CONSOLE_NONE: nothing is shown or read
 */
enum asvm_console {
	ASVM_CONSOLE_SERIAL,
	ASVM_CONSOLE_VIRTIO,
	ASVM_CONSOLE_NONE,
};

/**
 * enum asvm_hugepages - the size of the pages that back guest memory
 */
enum asvm_hugepages {
	ASVM_PAGES_DEFAULT,
	ASVM_PAGES_2M,
	ASVM_PAGES_1G,
};

/**
 * struct asvm_config - the whole guest
 * @name: letters, digits, '-', '_', '.', at most ASVM_NAME_MAX
 * @cpus: 1..ASVM_CPUS_MAX
 * @mem: bytes, a multiple of 2 MiB, ASVM_MEM_MIN..ASVM_MEM_MAX
 * @hugepages: reserved huge pages for guest memory
 * @shared: guest memory is a shared mapping, so that other processes can be given it
 * @numa_node: host node that guest memory is bound to, -1: none
 * @pin: host CPU for each vCPU, -1: not pinned
 * @halt_poll_ns: longest poll before a halted vCPU sleeps, -1: the host's default
 * @kernel, @initrd, @cmdline: paths (@initrd may be NULL) and text (may be NULL)
 * @kernel_fd, @initrd_fd: open descriptors, -1 to open the paths
 * @kvm_fd, @vsock_fd: open descriptors of /dev/kvm, /dev/vhost-vsock, -1 to open
 * @rng: a virtio-rng device
 * @balloon: a virtio-balloon device
 * @free_page_reporting: the balloon offers free page reporting
 * @vsock_cid: 3..0xfffffffe for a vsock device, 0: none
 * @console: which device is the console
 * @console_fd: our end of a non-blocking stream socket pair that carries the console both
 *	ways, -1: none. Output that the other end does not take waits (virtio) or, after 64 KiB,
 *	is dropped (16550).
 * @no_reboot: a guest's reboot ends asvm (MACHINE_END_REBOOT) instead of starting it again
 */
struct asvm_config {
	const char *name;
	unsigned int cpus;
	uint64_t mem;
	enum asvm_hugepages hugepages;
	bool shared;
	int numa_node;
	int pin[ASVM_CPUS_MAX];
	int64_t halt_poll_ns;

	const char *kernel;
	const char *initrd;
	const char *cmdline;
	int kernel_fd;
	int initrd_fd;
	int kvm_fd;
	int vsock_fd;

	struct asvm_disk disks[ASVM_DISKS_MAX];
	unsigned int ndisks;
	struct asvm_net nets[ASVM_NETS_MAX];
	unsigned int nnets;
	struct asvm_vtd vtds[ASVM_VTDS_MAX];
	unsigned int nvtds;

	bool rng;
	bool balloon;
	bool free_page_reporting;
	uint32_t vsock_cid;

	enum asvm_console console;
	int console_fd;
	bool no_reboot;
};

/** config_init - defaults: 1 vCPU, 256 MiB, rng and balloon on, no descriptor given */
void config_init(struct asvm_config *cfg);
void config_init_disk(struct asvm_disk *disk);
void config_init_net(struct asvm_net *net);

#endif
