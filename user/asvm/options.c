// SPDX-License-Identifier: GPL-2.0-only
/* The table of a guest's options, and how a value is read. */
#include "options.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "lease.h"
#include "values.h"

static const char *set_name(void *object, char *value)
{
	struct run_config *rc = object;
	const char *why = value_name(value);

	if (why)
		return why;
	rc->guest.name = strdup(value);
	return rc->guest.name ? NULL : "out of memory";
}

static const char *set_pin(void *object, char *value)
{
	struct run_config *rc = object;

	return value_cpus(value, rc->guest.pin, ASVM_CPUS_MAX, &rc->npin);
}

static const char *set_hugepages(void *object, char *value)
{
	struct run_config *rc = object;

	if (!strcmp(value, "no"))
		rc->guest.hugepages = ASVM_PAGES_DEFAULT;
	else if (!strcmp(value, "2M"))
		rc->guest.hugepages = ASVM_PAGES_2M;
	else if (!strcmp(value, "1G"))
		rc->guest.hugepages = ASVM_PAGES_1G;
	else
		return "expected no, 2M or 1G";
	return NULL;
}

static const char *set_console(void *object, char *value)
{
	struct run_config *rc = object;

	if (!strcmp(value, "serial"))
		rc->guest.console = ASVM_CONSOLE_SERIAL;
	else if (!strcmp(value, "virtio"))
		rc->guest.console = ASVM_CONSOLE_VIRTIO;
	else if (!strcmp(value, "none"))
		rc->guest.console = ASVM_CONSOLE_NONE;
	else
		return "expected serial, virtio or none";
	return NULL;
}

static const char *set_cmdline(void *object, char *value)
{
	struct run_config *rc = object;

	if (strlen(value) > ASVM_CMDLINE_MAX)
		return "the kernel takes at most 2047 characters";
	rc->guest.cmdline = strdup(value);
	return rc->guest.cmdline ? NULL : "out of memory";
}

static const char *set_no_reboot(void *object, char *value)
{
	struct run_config *rc = object;
	const char *why;
	bool reboot;

	why = value_bool(value, &reboot);
	if (!why)
		rc->guest.no_reboot = !reboot;
	return why;
}

static const char *set_control_mode(void *object, char *value)
{
	struct run_config *rc = object;
	mode_t mode = 0;
	const char *p;

	for (p = value; *p >= '0' && *p <= '7' && p - value < 4; p++)
		mode = mode << 3 | (*p - '0');
	if (p == value || *p || mode > 0777)
		return "expected a file mode such as 0660";
	rc->control_mode = mode | 0600;
	return NULL;
}

static const char *set_serial(void *object, char *value)
{
	struct asvm_disk *disk = object;
	const char *p;

	if (strlen(value) > ASVM_SERIAL_MAX)
		return "a serial number has at most 20 characters";
	for (p = value; *p; p++)
		if (*p < 0x20 || *p > 0x7e)
			return "a serial number is printable ASCII";
	disk->serial = strdup(value);
	return disk->serial ? NULL : "out of memory";
}

static const char *queue_size(char *value, unsigned int *size)
{
	const char *why;
	uint64_t v;

	why = value_u64(value, 2, ASVM_QUEUE_SIZE_MAX, &v);
	if (why)
		return why;
	if (v & (v - 1))
		return "the size of a queue is a power of two, 2 to 1024";
	*size = v;
	return NULL;
}

static const char *set_disk_queue_size(void *object, char *value)
{
	return queue_size(value, &((struct asvm_disk *)object)->queue_size);
}

static const char *set_net_queue_size(void *object, char *value)
{
	return queue_size(value, &((struct asvm_net *)object)->queue_size);
}

static const char *set_no_discard(void *object, char *value)
{
	struct asvm_disk *disk = object;
	const char *why;
	bool discard;

	why = value_bool(value, &discard);
	if (!why)
		disk->no_discard = !discard;
	return why;
}

static const char *set_tap(void *object, char *value)
{
	struct asvm_net *net = object;
	size_t n = strlen(value);

	/* IFNAMSIZ less its NUL */
	if (!n || n > 15 || strpbrk(value, "/ \t%"))
		return "expected the name of a network interface";
	net->tap = strdup(value);
	return net->tap ? NULL : "out of memory";
}

static const char *set_mac(void *object, char *value)
{
	struct asvm_net *net = object;
	const char *why = value_mac(value, net->mac);

	if (!why)
		net->have_mac = true;
	return why;
}

/* A list "5:6:7", a descriptor for each queue pair. */
static const char *fd_list(char *value, int *fds, unsigned int *count)
{
	unsigned int n = 0;
	char *next;

	for (; value; value = next) {
		const char *why;
		uint64_t v;

		next = strchr(value, ':');
		if (next)
			*next++ = '\0';
		if (n == ASVM_NET_PAIRS_MAX)
			return "more descriptors than queue pairs";
		why = value_u64(value, 0, INT32_MAX, &v);
		if (!why)
			why = option_fd(v, &fds[n]);
		if (why)
			return why;
		n++;
	}
	*count = n;
	return NULL;
}

static const char *set_net_fds(void *object, char *value)
{
	struct asvm_net *net = object;

	return fd_list(value, net->fds, &net->nfds);
}

static const char *set_net_vhost_fds(void *object, char *value)
{
	struct asvm_net *net = object;
	unsigned int count;

	return fd_list(value, net->vhost_fds, &count);
}

static const char *set_function(void *object, char *value)
{
	static const char socket[] = "socket=";
	struct asvm_vtd *vtd = object;
	bool handed_over = !strncmp(value, socket, strlen(socket));
	const char *why = handed_over ? NULL : function_spec(value, &vtd->function);

	if (why)
		return why;
	if (handed_over && !value[strlen(socket)])
		return "wants a path after socket=";
	vtd->spec = strdup(value);
	if (!vtd->spec)
		return "out of memory";
	vtd->socket = handed_over ? vtd->spec + strlen(socket) : NULL;
	return NULL;
}

#define GUEST(field) offsetof(struct run_config, guest.field)
#define RUN(field) offsetof(struct run_config, field)

const struct option_def guest_options[] = {
	{ "name", "Name", "NAME", "name of the guest, and of its control socket",
	  OPTION_CALL, .call = set_name },
	{ "cpus", "CPUs", "N", "virtual CPUs, 1 to 64 (1)",
	  OPTION_UINT, GUEST(cpus), 1, ASVM_CPUS_MAX },
	{ "mem", "Memory", "SIZE", "memory, such as 512M or 4G (256M)",
	  OPTION_SIZE, GUEST(mem), ASVM_MEM_MIN, ASVM_MEM_MAX },
	{ "kernel", "Kernel", "FILE", "bzImage or ELF vmlinux",
	  OPTION_PATH, GUEST(kernel) },
	{ "initrd", "Initrd", "FILE", "initial RAM disk",
	  OPTION_PATH, GUEST(initrd) },
	{ "cmdline", "CommandLine", "TEXT", "command line of the guest's kernel",
	  OPTION_CALL, .call = set_cmdline },
	{ "disk", NULL, "FILE[,KEY=...]", "a disk; may come more than once",
	  OPTION_CALL, .call = option_disk },
	{ "net", NULL, "tap=NAME[,...]", "a network; may come more than once",
	  OPTION_CALL, .call = option_net },
	{ "vtd", NULL, "FUNCTION", "a PCI function of the host; may come more than once",
	  OPTION_CALL, .call = option_vtd },
	{ "console", "Console", "DEVICE", "serial (ttyS0), virtio (hvc0) or none",
	  OPTION_CALL, .call = set_console },
	{ "reboot", "Reboot", "BOOL", "start again when the guest reboots (yes)",
	  OPTION_CALL, .call = set_no_reboot },
	{ "hugepages", "HugePages", "SIZE", "back memory by reserved pages: no, 2M, 1G",
	  OPTION_CALL, .call = set_hugepages },
	{ "shared", "SharedMemory", "BOOL", "memory is a shared mapping (no)",
	  OPTION_BOOL, GUEST(shared) },
	{ "numa-node", "NUMANode", "N", "take memory from this node of the host",
	  OPTION_INT, GUEST(numa_node), 0, 1023 },
	{ "pin", "Pin", "LIST", "a CPU of the host for each virtual CPU, such as 2,4-6",
	  OPTION_CALL, .call = set_pin },
	{ "halt-poll", "HaltPoll", "NS", "longest poll before a halted CPU sleeps, in ns",
	  OPTION_S64, GUEST(halt_poll_ns), 0, 10000000 },
	{ "rng", "RNG", "BOOL", "entropy device (yes)", OPTION_BOOL, GUEST(rng) },
	{ "balloon", "Balloon", "BOOL", "memory balloon (yes)",
	  OPTION_BOOL, GUEST(balloon) },
	{ "free-page-reporting", "FreePageReporting", "BOOL",
	  "free memory of the guest goes back to the host (yes)",
	  OPTION_BOOL, GUEST(free_page_reporting) },
	{ "vsock", "VSockCID", "CID", "vsock device with this context id, 3 or more",
	  OPTION_U32, GUEST(vsock_cid), 3, 0xfffffffe },
	{ "kvm-fd", NULL, "FD", "open descriptor of /dev/kvm",
	  OPTION_FD, GUEST(kvm_fd) },
	{ "kernel-fd", NULL, "FD", "open descriptor of the kernel",
	  OPTION_FD, GUEST(kernel_fd) },
	{ "initrd-fd", NULL, "FD", "open descriptor of the initial RAM disk",
	  OPTION_FD, GUEST(initrd_fd) },
	{ "vsock-fd", NULL, "FD", "open descriptor of /dev/vhost-vsock",
	  OPTION_FD, GUEST(vsock_fd) },
	{ "daemon", NULL, NULL, "go to the background when the guest runs",
	  OPTION_BOOL, RUN(daemon) },
	{ "control-mode", "ControlMode", "MODE", "file mode of the control socket (0600)",
	  OPTION_CALL, .call = set_control_mode },
	{ "user", "User", "USER", "whose rights the guest has if root starts it (nobody)",
	  OPTION_PATH, RUN(user) },
	{ "limits", "Limits", "BOOL", "limits by a cgroup of its own where delegated (yes)",
	  OPTION_BOOL, RUN(limits) },
	{ "sandbox", "Sandbox", "BOOL", "isolation; no is for finding faults only (yes)",
	  OPTION_BOOL, RUN(sandbox) },
	{ "verbose", NULL, NULL, "messages of every level",
	  OPTION_BOOL, RUN(verbose) },
	{ }
};

#define DISK(field) offsetof(struct asvm_disk, field)

const struct option_def disk_options[] = {
	{ "file", "File", "FILE", "file or block device", OPTION_PATH, DISK(path) },
	{ "readonly", "ReadOnly", "BOOL", "the guest may not write",
	  OPTION_BOOL, DISK(readonly) },
	{ "packed", "Packed", "BOOL", "offer packed rings (no)",
	  OPTION_BOOL, DISK(packed) },
	{ "queues", "Queues", "N", "queues (one for each CPU, 4 at most)",
	  OPTION_UINT, DISK(queues), 1, ASVM_DISK_QUEUES_MAX },
	{ "queue-size", "QueueSize", "N", "entries of a queue (256)",
	  OPTION_CALL, .call = set_disk_queue_size },
	{ "discard", "Discard", "BOOL", "let the guest free blocks (yes)",
	  OPTION_CALL, .call = set_no_discard },
	{ "serial", "Serial", "TEXT", "serial number, 20 characters",
	  OPTION_CALL, .call = set_serial },
	{ "iops", "IOPS", "N", "limit of requests a second",
	  OPTION_U64, DISK(iops), 0, INT64_MAX },
	{ "bps", "BytesPerSecond", "SIZE", "limit of bytes a second",
	  OPTION_SIZE, DISK(bps), 0, INT64_MAX },
	{ "poll", "Poll", "US", "busy polling limit in microseconds (0)",
	  OPTION_UINT, DISK(poll_us), 0, 100000 },
	{ "fd", NULL, "FD", "open descriptor of the file", OPTION_FD, DISK(fd) },
	{ "vhost-fd", NULL, "FD", "open descriptor of /dev/asv-blk",
	  OPTION_FD, DISK(vhost_fd) },
	{ }
};

#define NET(field) offsetof(struct asvm_net, field)

const struct option_def net_options[] = {
	{ "tap", "Tap", "NAME", "a tap interface", OPTION_CALL, .call = set_tap },
	{ "mac", "MACAddress", "MAC", "the guest's address",
	  OPTION_CALL, .call = set_mac },
	{ "packed", "Packed", "BOOL", "offer packed rings (no)",
	  OPTION_BOOL, NET(packed) },
	{ "queues", "Queues", "N", "queue pairs, 1 to 8 (1)",
	  OPTION_UINT, NET(queues), 1, ASVM_NET_PAIRS_MAX },
	{ "queue-size", "QueueSize", "N", "entries of a queue (256)",
	  OPTION_CALL, .call = set_net_queue_size },
	{ "mtu", "MTU", "N", "MTU told to the guest",
	  OPTION_U16, NET(mtu), 68, 65535 },
	{ "poll", "Poll", "US", "busy polling limit in microseconds (0)",
	  OPTION_UINT, NET(poll_us), 0, 100000 },
	{ "fd", NULL, "FD[:FD...]", "open descriptors of a tap or macvtap",
	  OPTION_CALL, .call = set_net_fds },
	{ "vhost-fd", NULL, "FD[:FD...]", "open descriptors of /dev/asv-net",
	  OPTION_CALL, .call = set_net_vhost_fds },
	{ }
};

const struct option_def vtd_options[] = {
	{ NULL, "Function", "FUNCTION", "ADDRESS, VENDOR:DEVICE, pf=ADDRESS,vf=N or socket=PATH",
	  OPTION_CALL, .call = set_function },
	{ }
};

const char *option_fd(uint64_t number, int *fd)
{
	int flags;

	if (number <= 2)
		return "descriptors 0, 1 and 2 are for messages and the console";
	if (number > INT32_MAX)
		return "the number is too large for a descriptor";
	flags = fcntl(number, F_GETFD);
	if (flags < 0)
		return "this descriptor is not open";
	if (fcntl(number, F_SETFD, flags | FD_CLOEXEC) < 0)
		return "this descriptor cannot be used";
	*fd = number;
	return NULL;
}

static const char *set_string(char *value, const char **at)
{
	char *copy = strdup(value);

	if (!copy)
		return "out of memory";
	*at = copy;
	return NULL;
}

static const char *set_number(const struct option_def *def, void *at,
			      const char *value)
{
	const char *why;
	uint64_t v;

	if (def->kind == OPTION_SIZE)
		why = value_size(value, &v);
	else
		why = value_u64(value, def->min, def->max, &v);
	if (why)
		return why;
	if (v < def->min)
		return "the size is too small";
	if (v > def->max)
		return "the size is too large";
	switch (def->kind) {
	case OPTION_U16:
		*(uint16_t *)at = v;
		break;
	case OPTION_U32:
		*(uint32_t *)at = v;
		break;
	case OPTION_UINT:
		*(unsigned int *)at = v;
		break;
	case OPTION_INT:
		*(int *)at = v;
		break;
	case OPTION_S64:
		*(int64_t *)at = v;
		break;
	default:
		*(uint64_t *)at = v;
		break;
	}
	return NULL;
}

const char *option_set(const struct option_def *def, void *object, char *value)
{
	void *at = (char *)object + def->offset;
	const char *why;
	uint64_t v;

	switch (def->kind) {
	case OPTION_CALL:
		return def->call(object, value);
	case OPTION_PATH:
		if (!*value)
			return "the value is empty";
		return set_string(value, at);
	case OPTION_STRING:
		return set_string(value, at);
	case OPTION_BOOL:
		return value_bool(value, at);
	case OPTION_FD:
		why = value_u64(value, 0, INT32_MAX, &v);
		return why ? why : option_fd(v, at);
	default:
		return set_number(def, at, value);
	}
}

const struct option_def *option_by_cli(const struct option_def *table,
				       const char *name)
{
	for (; table->help; table++)
		if (table->cli && !strcmp(table->cli, name))
			return table;
	return NULL;
}

const struct option_def *option_by_ini(const struct option_def *table,
				       const char *name)
{
	for (; table->help; table++)
		if (table->ini && !strcmp(table->ini, name))
			return table;
	return NULL;
}
