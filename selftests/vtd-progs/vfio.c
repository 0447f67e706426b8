// SPDX-License-Identifier: GPL-2.0-only
/*
 * asvm's side of a leased function, without VFIO and KVM: a file takes the place of the VFIO
 * device, with configuration space and BARs where VFIO has them, and its ioctls are answered
 * by the rules of the kernel's vfio_pci_core. The guest's side is reached as a guest does, by
 * the ECAM and by BARs.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <pthread.h>
#include <stdarg.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kselftest_harness.h"

#include "array.h"
#include "fuzz.h"
#include "log.h"
#include "run_config.h"
#include "vfio_dev.h"

#define REGION(index)	((uint64_t)(index) << 40)
#define RAM		(16ULL << 20)
#define VENDOR		0x1b36
#define DEVICE		0x0010
#define VECTORS		65
#define SLOTS_MAX	16

/* where the function of these tests has its capabilities, and what is in its BARs */
enum { AT_PM = 0x40, AT_MSI = 0x50, AT_MSIX = 0x70, AT_EXP = 0x80, AT_VNDR = 0xc0, AT_VPD = 0xd8 };

#define ALL_CAPS	(1 << PCI_CAP_ID_PM | 1 << PCI_CAP_ID_MSI | 1 << PCI_CAP_ID_MSIX | \
			 1 << PCI_CAP_ID_EXP | 1 << PCI_CAP_ID_VNDR)

#define BAR_SIZE	0x4000	/* BAR 0, 64 bits, with MSI-X in its third page */
#define TABLE		0x2000
#define PBA		0x2800
#define BIG_SIZE	(4ULL << 20)	/* BAR 2, 64 bits, prefetchable */
#define SMALL_SIZE	0x100	/* BAR 4, 32 bits; BAR 5 is of I/O ports */

/* ---- VFIO's part */

static struct fake {
	int fd;
	uint64_t size[PCI_BARS];
	unsigned int irqs[VFIO_PCI_NUM_IRQS];
	unsigned int host_vectors;
	int mode;			/* index of what is switched on, or -1 */
	unsigned int count;
	int32_t fds[VECTORS];
	int32_t unmask;
	int32_t request;
	unsigned int resets;
	unsigned int busy;		/* resets that find the function locked */
	int mode_refused;		/* index of what cannot be had, 0: all can */
	unsigned int refusals;
	int reset_error;		/* of all other resets, 0: they work */
	unsigned int wrong;		/* calls that the kernel refuses */
} fake;

static int refuse(void)
{
	fake.wrong++;
	errno = EINVAL;
	return -1;
}

static int fake_reset(void)
{
	errno = fake.busy ? EAGAIN : fake.reset_error;
	if (fake.busy)
		fake.busy--;
	else if (!errno)
		fake.resets++;
	return errno ? -1 : 0;
}

static int fake_trigger(const struct vfio_irq_set *set, const int32_t *fds)
{
	unsigned int i;

	if (set->flags & VFIO_IRQ_SET_DATA_NONE) {
		if (set->count || fake.mode != (int)set->index)
			return refuse();
		fake.mode = -1;
		fake.count = 0;
		fake.unmask = -1;
		return 0;
	}
	if (fake.mode >= 0 && fake.mode != (int)set->index)
		return refuse();
	if (fake.mode < 0 && fake.mode_refused && (int)set->index == fake.mode_refused) {
		fake.refusals++;
		errno = EBUSY;
		return -1;
	}
	if (fake.mode < 0) {
		if (set->index != VFIO_PCI_INTX_IRQ_INDEX &&
		    set->start + set->count > fake.host_vectors)
			return fake.host_vectors;
		fake.count = set->start + set->count;
		for (i = 0; i < VECTORS; i++)
			fake.fds[i] = -1;
	}
	if (set->start + set->count > fake.count)
		return refuse();
	fake.mode = set->index;
	for (i = 0; i < set->count; i++)
		fake.fds[set->start + i] = fds[i];
	return 0;
}

static int fake_set_irqs(const struct vfio_irq_set *set)
{
	const int32_t *fds = (const int32_t *)set->data;
	size_t data = set->flags & VFIO_IRQ_SET_DATA_EVENTFD ? 4 * set->count : 0;

	if (set->argsz < sizeof(*set) + data || set->index >= VFIO_PCI_NUM_IRQS ||
	    set->start + set->count > fake.irqs[set->index])
		return refuse();
	if (set->index == VFIO_PCI_REQ_IRQ_INDEX || set->index == VFIO_PCI_ERR_IRQ_INDEX) {
		if (set->index == VFIO_PCI_REQ_IRQ_INDEX)
			fake.request = fds[0];
		return 0;
	}
	if (set->flags & VFIO_IRQ_SET_ACTION_TRIGGER)
		return fake_trigger(set, fds);
	if (set->index != VFIO_PCI_INTX_IRQ_INDEX || fake.mode != VFIO_PCI_INTX_IRQ_INDEX ||
	    !data)
		return refuse();
	fake.unmask = fds[0];
	return 0;
}

static int fake_region(struct vfio_region_info *info)
{
	if (info->index >= VFIO_PCI_NUM_REGIONS)
		return refuse();
	info->offset = REGION(info->index);
	info->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	if (info->index < PCI_BARS) {
		info->size = fake.size[info->index];
		if (info->size >= 4096)
			info->flags |= VFIO_REGION_INFO_FLAG_MMAP;
	} else {
		info->size = info->index == VFIO_PCI_CONFIG_REGION_INDEX ? 4096 : 0;
	}
	return 0;
}

int __wrap_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...)
{
	struct vfio_irq_info *irq;
	va_list ap;
	void *arg;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	switch (request) {
	case VFIO_GROUP_GET_DEVICE_FD:
		return dup(fake.fd);
	case VFIO_DEVICE_GET_INFO:
		((struct vfio_device_info *)arg)->flags =
			VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET;
		((struct vfio_device_info *)arg)->num_regions = VFIO_PCI_NUM_REGIONS;
		return 0;
	case VFIO_DEVICE_GET_REGION_INFO:
		return fake_region(arg);
	case VFIO_DEVICE_GET_IRQ_INFO:
		irq = arg;
		irq->flags = VFIO_IRQ_INFO_EVENTFD;
		irq->count = fake.irqs[irq->index];
		return 0;
	case VFIO_DEVICE_SET_IRQS:
		return fake_set_irqs(arg);
	case VFIO_DEVICE_RESET:
		return fake_reset();
	}
	return refuse();
}

/* ---- KVM's part */

static struct {
	uint64_t gpa;
	uint64_t size;
	void *host;
} slots[SLOTS_MAX];
static unsigned int nslots, msis, lines;
static int wired[KVM_ROUTES_MAX];	/* descriptor + 1 by GSI */

/* By GSI: where its interrupts go, as was wished, and as was committed then. */
static struct route {
	bool used;
	uint64_t addr;
	uint32_t data;
} wished[KVM_ROUTES_MAX], routes[KVM_ROUTES_MAX];

static int level_fd, level_resample, level_pin;
static int refused_slot = -1;

int kvm_set_memory(struct kvm *kvm, uint32_t slot, uint64_t gpa, uint64_t size, void *host)
{
	if (slot < MEM_REGIONS_MAX || slot >= MEM_REGIONS_MAX + nslots)
		abort();
	if ((int)slot == refused_slot)
		return -EEXIST;
	slot -= MEM_REGIONS_MAX;
	/* KVM refuses to take away what is not there */
	if (!size && !slots[slot].size)
		fake.wrong++;
	slots[slot].gpa = gpa;
	slots[slot].size = size;
	slots[slot].host = host;
	return 0;
}

uint32_t kvm_alloc_slot(struct kvm *kvm)
{
	if (nslots == SLOTS_MAX)
		abort();
	return MEM_REGIONS_MAX + nslots++;
}

int kvm_alloc_msi(struct kvm *kvm, unsigned int n)
{
	msis += n;
	return KVM_MSI_FIRST + msis - n;
}

void kvm_set_msi(struct kvm *kvm, unsigned int gsi, bool used, uint64_t addr, uint32_t data)
{
	if (gsi < KVM_MSI_FIRST || gsi >= KVM_MSI_FIRST + msis)
		abort();
	wished[gsi] = (struct route){ used, addr, data };
}

int kvm_commit_routes(struct kvm *kvm)
{
	memcpy(routes, wished, sizeof(routes));
	return 0;
}

int kvm_irqfd(struct kvm *kvm, int fd, unsigned int gsi, bool on)
{
	if (fd < 0 || gsi >= ARRAY_SIZE(wired))
		abort();
	/* an interrupt without a route is lost */
	if (on && !routes[gsi].used)
		fake.wrong++;
	wired[gsi] = on ? fd + 1 : 0;
	return 0;
}

int kvm_irqfd_level(struct kvm *kvm, int fd, int resample, unsigned int gsi, bool on)
{
	level_fd = on ? fd : -1;
	level_resample = on ? resample : -1;
	level_pin = on ? (int)gsi : -1;
	return 0;
}

int kvm_vfio_group(struct kvm *kvm, int group, bool on)
{
	return 0;
}

void kvm_line(struct kvm *kvm, unsigned int pin, unsigned int source, bool level)
{
	if (pin >= KVM_IOAPIC_PINS || source >= 64)
		abort();
	lines += level;
}

unsigned int acpi_pci_gsi(unsigned int slot)
{
	return 16 + slot % 8;
}

/* ---- the function */

static void put(uint8_t *p, uint64_t value, unsigned int bytes)
{
	while (bytes--) {
		*p++ = value;
		value >>= 8;
	}
}

static void put_cap(uint8_t *raw, unsigned int at, uint8_t id, unsigned int next)
{
	raw[at] = id;
	raw[at + 1] = next;
}

static void make_config(uint8_t raw[256])
{
	memset(raw, 0, 256);
	put(raw + PCI_VENDOR_ID, VENDOR, 2);
	put(raw + PCI_DEVICE_ID, DEVICE, 2);
	put(raw + PCI_STATUS, PCI_STATUS_CAP_LIST | PCI_STATUS_DETECTED_PARITY, 2);
	put(raw + PCI_CLASS_REVISION, 0x01080207, 4);
	put(raw + PCI_HEADER_TYPE, 0x80, 1);
	put(raw + PCI_BASE_ADDRESS_0, 0xfeb00000 | PCI_BASE_ADDRESS_MEM_TYPE_64, 4);
	put(raw + PCI_BASE_ADDRESS_2,
	    PCI_BASE_ADDRESS_MEM_TYPE_64 | PCI_BASE_ADDRESS_MEM_PREFETCH, 4);
	put(raw + PCI_BASE_ADDRESS_5, 0xc000 | PCI_BASE_ADDRESS_SPACE_IO, 4);
	put(raw + PCI_SUBSYSTEM_VENDOR_ID, 0x1af4, 2);
	put(raw + PCI_SUBSYSTEM_ID, 0x1100, 2);
	put(raw + PCI_ROM_ADDRESS, 0xfe000001, 4);
	raw[PCI_CAPABILITY_LIST] = AT_PM;
	raw[PCI_INTERRUPT_PIN] = 3;
	put_cap(raw, AT_PM, PCI_CAP_ID_PM, AT_MSI);
	put(raw + AT_PM + PCI_PM_PMC, 0xfe03, 2);
	put_cap(raw, AT_MSI, PCI_CAP_ID_MSI, AT_MSIX);
	put(raw + AT_MSI + PCI_MSI_FLAGS,
	    PCI_MSI_FLAGS_64BIT | PCI_MSI_FLAGS_MASKBIT | 2 << 1, 2);
	put_cap(raw, AT_MSIX, PCI_CAP_ID_MSIX, AT_EXP);
	put(raw + AT_MSIX + PCI_MSIX_FLAGS, VECTORS - 1, 2);
	put(raw + AT_MSIX + PCI_MSIX_TABLE, TABLE, 4);
	put(raw + AT_MSIX + PCI_MSIX_PBA, PBA, 4);
	put_cap(raw, AT_EXP, PCI_CAP_ID_EXP, AT_VNDR);
	put(raw + AT_EXP + PCI_EXP_FLAGS, 2 | PCI_EXP_TYPE_RC_END << 4, 2);
	put(raw + AT_EXP + PCI_EXP_DEVCAP, PCI_EXP_DEVCAP_FLR | PCI_EXP_DEVCAP_RBER, 4);
	put(raw + AT_EXP + PCI_EXP_DEVCTL, PCI_EXP_DEVCTL_RELAX_EN, 2);
	put_cap(raw, AT_VNDR, PCI_CAP_ID_VNDR, AT_VPD);
	put(raw + AT_VNDR + 2, 0x55aa10, 3);
	put_cap(raw, AT_VPD, PCI_CAP_ID_VPD, 0);
	put(raw + AT_VPD + 2, 0xbeef0008, 4);
}

FIXTURE(function)
{
	struct virtio_host host;
	struct kvm kvm;
	struct memory mem;
	struct pci_bus pci;
	struct loop *loop;
	pthread_mutex_t lock;
	struct vfio_dev *d;
	uint8_t raw[256];
	uint64_t ecam;			/* of the function */
	uint64_t port;			/* of its root port */
	struct fuzz fuzz;
};

static struct vfio_dev *new_function(const struct virtio_host *host)
{
	struct vfio_dev *d = calloc(1, sizeof(*d));

	d->lease = open("/dev/null", O_RDONLY);
	d->group = open("/dev/null", O_RDONLY);
	d->fd = -1;
	d->intx = -1;
	d->unmask = -1;
	d->request.fd = -1;
	d->error.fd = -1;
	d->host = host;
	strcpy(d->name, "0000:00:10.0");
	return d;
}

/* What was done wrong with the last one is not forgotten. */
static void new_fake(const uint8_t raw[256])
{
	fake = (struct fake){
		.wrong = fake.wrong,
		.size = { BAR_SIZE, 0, BIG_SIZE, 0, SMALL_SIZE, 32 },
		.irqs = { 1, 4, VECTORS, 1, 1 },
		.host_vectors = VECTORS,
		.mode = -1,
		.unmask = -1,
		.request = -1,
	};
	fake.fd = memfd_create("function", MFD_CLOEXEC);
	if (fake.fd < 0 || ftruncate(fake.fd, REGION(VFIO_PCI_NUM_REGIONS)) ||
	    pwrite(fake.fd, raw, 256, REGION(VFIO_PCI_CONFIG_REGION_INDEX)) != 256)
		abort();
}

FIXTURE_SETUP(function)
{
	struct asvm_config cfg;

	log_init(NULL, LOG_LEVEL_ERR, 0);
	memset(slots, 0, sizeof(slots));
	memset(wired, 0, sizeof(wired));
	memset(wished, 0, sizeof(wished));
	memset(routes, 0, sizeof(routes));
	nslots = 0;
	msis = 0;
	lines = 0;
	refused_slot = -1;
	level_fd = -1;
	config_init(&cfg);
	cfg.mem = RAM;
	ASSERT_EQ(0, mem_create(&self->mem, &cfg));
	ASSERT_EQ(0, mem_set_phys_bits(&self->mem, 40));
	pthread_mutex_init(&self->lock, NULL);
	self->loop = loop_new();
	ASSERT_NE(NULL, self->loop);
	self->host = (struct virtio_host){
		.kvm = &self->kvm,
		.mem = &self->mem,
		.pci = &self->pci,
		.loop = self->loop,
		.lock = &self->lock,
	};
	self->fuzz.state = 0x123456789abcdef;
	pci_init(&self->pci, &self->mem);
	make_config(self->raw);
	new_fake(self->raw);
	self->d = new_function(&self->host);
	ASSERT_EQ(0, vfio_create(self->d));
	pci_reset(&self->pci);
	self->port = ECAM_BASE + (1 << 15);
	self->ecam = ECAM_BASE + ECAM_BUS_SIZE;
}

FIXTURE_TEARDOWN(function)
{
	vfio_destroy(self->d);
	loop_free(self->loop);
	mem_destroy(&self->mem);
	close(fake.fd);
	EXPECT_EQ(0, fake.wrong);
}

static uint64_t get(struct pci_bus *pci, uint64_t gpa, unsigned int len)
{
	uint8_t data[8] = { };
	uint64_t val;

	if (!pci_mmio(pci, gpa, data, len, false))
		return ~0ULL;
	memcpy(&val, data, sizeof(val));
	return val;
}

static void set(struct pci_bus *pci, uint64_t gpa, unsigned int len, uint64_t val)
{
	uint8_t data[8];

	memcpy(data, &val, sizeof(data));
	pci_mmio(pci, gpa, data, len, true);
}

#define CFG(reg, len)		get(&self->pci, self->ecam + (reg), len)
#define SET_CFG(reg, len, val)	set(&self->pci, self->ecam + (reg), len, val)
#define PORT(reg, len)		get(&self->pci, self->port + (reg), len)
#define SET_PORT(reg, len, val)	set(&self->pci, self->port + (reg), len, val)
#define MEMORY_ON()		SET_CFG(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER)

/* What the function itself has in a register. */
static uint64_t real(uint64_t off, unsigned int len)
{
	uint64_t val = 0;

	if (pread(fake.fd, &val, len, off) != (ssize_t)len)
		abort();
	return val;
}

#define REAL_CFG(reg, len)	real(REGION(VFIO_PCI_CONFIG_REGION_INDEX) + (reg), len)

static uint64_t bar_addr(struct pci_bus *pci, uint64_t ecam, unsigned int bar)
{
	return get(pci, ecam + PCI_BASE_ADDRESS_0 + 4 * bar, 8) & ~0xfULL;
}

/* The offset of a slot that lies at @gpa in the mapping of the BAR, or -1. */
static int slot_at(uint64_t gpa)
{
	unsigned int i;

	for (i = 0; i < nslots; i++)
		if (slots[i].size && gpa >= slots[i].gpa && gpa - slots[i].gpa < slots[i].size)
			return i;
	return -1;
}

static bool signalled(int fd)
{
	uint64_t count;

	return read(fd, &count, sizeof(count)) == sizeof(count);
}

TEST_F(function, header)
{
	EXPECT_EQ(DEVICE << 16 | VENDOR, CFG(PCI_VENDOR_ID, 4));
	EXPECT_EQ(0x01080207, CFG(PCI_CLASS_REVISION, 4));
	EXPECT_EQ(0x11001af4, CFG(PCI_SUBSYSTEM_VENDOR_ID, 4));
	/* one function, on pin A, and no error of the host's */
	EXPECT_EQ(0, CFG(PCI_HEADER_TYPE, 1));
	EXPECT_EQ(1, CFG(PCI_INTERRUPT_PIN, 1));
	EXPECT_EQ(PCI_STATUS_CAP_LIST, CFG(PCI_STATUS, 2));
	/* no ROM, no extended capabilities, no other function or slot */
	SET_CFG(PCI_ROM_ADDRESS, 4, 0xffffffff);
	EXPECT_EQ(0, CFG(PCI_ROM_ADDRESS, 4));
	EXPECT_EQ(0, CFG(0x100, 4));
	EXPECT_EQ(0xffffffff, get(&self->pci, self->ecam + (1 << 12), 4));
	EXPECT_EQ(0xffffffff, get(&self->pci, self->ecam + (1 << 15), 4));
	EXPECT_EQ(~0ULL, get(&self->pci, self->ecam + ECAM_BUS_SIZE, 4));
	/* identity cannot be written */
	SET_CFG(PCI_VENDOR_ID, 4, 0);
	EXPECT_EQ(DEVICE << 16 | VENDOR, CFG(PCI_VENDOR_ID, 4));
}

TEST_F(function, bars)
{
	uint64_t low = bar_addr(&self->pci, self->ecam, 0);
	uint64_t high = bar_addr(&self->pci, self->ecam, 2);
	uint64_t small = CFG(PCI_BASE_ADDRESS_4, 4);
	uint64_t base, limit;

	EXPECT_EQ(0, low % BAR_SIZE);
	EXPECT_GT(MEM_HIGH_BASE, low);
	EXPECT_LE(self->mem.mmio64_base, high);
	EXPECT_EQ(0, small & 0xf);
	EXPECT_EQ(0, CFG(PCI_BASE_ADDRESS_5, 4));
	SET_CFG(PCI_BASE_ADDRESS_5, 4, 0xffffffff);
	EXPECT_EQ(0, CFG(PCI_BASE_ADDRESS_5, 4));
	SET_CFG(PCI_BASE_ADDRESS_0, 4, 0xffffffff);
	EXPECT_EQ((uint32_t)~(BAR_SIZE - 1) | 4, CFG(PCI_BASE_ADDRESS_0, 4));
	SET_CFG(PCI_BASE_ADDRESS_2, 4, 0xffffffff);
	SET_CFG(PCI_BASE_ADDRESS_3, 4, 0xffffffff);
	EXPECT_EQ((uint32_t)~(BIG_SIZE - 1) | 0xc, CFG(PCI_BASE_ADDRESS_2, 4));
	EXPECT_EQ(0xffffffff, CFG(PCI_BASE_ADDRESS_3, 4));
	SET_CFG(PCI_BASE_ADDRESS_4, 4, 0xffffffff);
	EXPECT_EQ((uint32_t)~(SMALL_SIZE - 1), CFG(PCI_BASE_ADDRESS_4, 4));
	/* nothing of it has reached the function */
	EXPECT_EQ(0xfeb00004, REAL_CFG(PCI_BASE_ADDRESS_0, 4));

	/* the root port passes them on */
	EXPECT_EQ(PCI_HEADER_TYPE_BRIDGE, PORT(PCI_HEADER_TYPE, 1));
	EXPECT_EQ(0x010100, PORT(PCI_PRIMARY_BUS, 3));
	base = PORT(PCI_MEMORY_BASE, 2) << 16;
	limit = PORT(PCI_MEMORY_LIMIT, 2) << 16 | 0xfffff;
	EXPECT_LE(base, low);
	EXPECT_GE(limit, low + BAR_SIZE - 1);
	EXPECT_LE(base, small);
	EXPECT_GE(limit, small + SMALL_SIZE - 1);
	base = (PORT(PCI_PREF_MEMORY_BASE, 2) & 0xfff0) << 16 |
	       PORT(PCI_PREF_BASE_UPPER32, 4) << 32;
	limit = (PORT(PCI_PREF_MEMORY_LIMIT, 2) & 0xfff0) << 16 | 0xfffff |
		PORT(PCI_PREF_LIMIT_UPPER32, 4) << 32;
	EXPECT_LE(base, high);
	EXPECT_GE(limit, high + BIG_SIZE - 1);
}

/* The guest moves the bus behind the port: the function is there, and no longer here. */
TEST_F(function, bus_numbers)
{
	SET_PORT(PCI_SECONDARY_BUS, 1, 0);
	EXPECT_EQ(0xffffffff, CFG(PCI_VENDOR_ID, 4));
	SET_PORT(PCI_SECONDARY_BUS, 1, 1);
	EXPECT_EQ(DEVICE << 16 | VENDOR, CFG(PCI_VENDOR_ID, 4));
}

TEST_F(function, capabilities)
{
	static const struct {
		uint8_t id;
		uint8_t at;
	} want[] = {
		{ PCI_CAP_ID_PM, AT_PM }, { PCI_CAP_ID_MSI, AT_MSI },
		{ PCI_CAP_ID_MSIX, AT_MSIX }, { PCI_CAP_ID_EXP, AT_EXP },
		{ PCI_CAP_ID_VNDR, AT_VNDR },
	};
	unsigned int i, at = CFG(PCI_CAPABILITY_LIST, 1);

	for (i = 0; i < ARRAY_SIZE(want); i++) {
		EXPECT_EQ(want[i].at, at);
		EXPECT_EQ(want[i].id, CFG(at, 1));
		at = CFG(at + PCI_CAP_LIST_NEXT, 1);
	}
	EXPECT_EQ(0, at);
	/* nothing is left of one that is left out */
	EXPECT_EQ(0, CFG(AT_VPD, 4));
	EXPECT_EQ(0, CFG(AT_VPD + 4, 2));
}

TEST_F(function, power_management)
{
	EXPECT_EQ(3, CFG(AT_PM + PCI_PM_PMC, 2));
	EXPECT_EQ(PCI_PM_CTRL_NO_SOFT_RESET, CFG(AT_PM + PCI_PM_CTRL, 2));
	SET_CFG(AT_PM + PCI_PM_CTRL, 2, 0xffff);
	EXPECT_EQ(PCI_PM_CTRL_NO_SOFT_RESET | 3, CFG(AT_PM + PCI_PM_CTRL, 2));
	EXPECT_EQ(0, REAL_CFG(AT_PM + PCI_PM_CTRL, 2));
}

TEST_F(function, express)
{
	EXPECT_EQ(2 | PCI_EXP_TYPE_ENDPOINT << 4, CFG(AT_EXP + PCI_EXP_FLAGS, 2));
	EXPECT_EQ(0x11, CFG(AT_EXP + PCI_EXP_LNKSTA, 2));
	EXPECT_EQ(PCI_EXP_DEVCTL_RELAX_EN, CFG(AT_EXP + PCI_EXP_DEVCTL, 2));
	SET_CFG(AT_EXP + PCI_EXP_DEVCTL, 2, 0x2000);
	EXPECT_EQ(0x2000, CFG(AT_EXP + PCI_EXP_DEVCTL, 2));
	EXPECT_EQ(PCI_EXP_DEVCTL_RELAX_EN, REAL_CFG(AT_EXP + PCI_EXP_DEVCTL, 2));
	EXPECT_EQ(0, fake.resets);
}

TEST_F(function, function_level_reset)
{
	MEMORY_ON();
	SET_CFG(AT_MSIX + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
	SET_CFG(AT_EXP + PCI_EXP_DEVCTL, 2, PCI_EXP_DEVCTL_BCR_FLR);
	EXPECT_EQ(1, fake.resets);
	EXPECT_EQ(-1, fake.mode);
	EXPECT_EQ(0, CFG(PCI_COMMAND, 2));
	EXPECT_EQ(PCI_COMMAND_MEMORY, REAL_CFG(PCI_COMMAND, 2));
	EXPECT_EQ(VECTORS - 1, CFG(AT_MSIX + PCI_MSIX_FLAGS, 2));
	EXPECT_EQ(0, CFG(AT_EXP + PCI_EXP_DEVCTL, 2) & PCI_EXP_DEVCTL_BCR_FLR);
	EXPECT_EQ(-1, slot_at(bar_addr(&self->pci, self->ecam, 0)));
}

/* One that goes on with what it was told before must not write to memory. */
TEST_F(function, function_level_reset_fails)
{
	fake.reset_error = EIO;
	MEMORY_ON();
	SET_CFG(AT_EXP + PCI_EXP_DEVCTL, 2, PCI_EXP_DEVCTL_BCR_FLR);
	EXPECT_EQ(PCI_COMMAND_MEMORY, REAL_CFG(PCI_COMMAND, 2));
	MEMORY_ON();
	EXPECT_EQ(PCI_COMMAND_MEMORY, REAL_CFG(PCI_COMMAND, 2));
	fake.reset_error = 0;
	SET_CFG(AT_EXP + PCI_EXP_DEVCTL, 2, PCI_EXP_DEVCTL_BCR_FLR);
	MEMORY_ON();
	EXPECT_EQ(PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, REAL_CFG(PCI_COMMAND, 2));
}

TEST_F(function, vendor_is_read_only)
{
	EXPECT_EQ(0x55aa10, CFG(AT_VNDR + 2, 2) | CFG(AT_VNDR + 4, 1) << 16);
	SET_CFG(AT_VNDR + 3, 1, 0);
	EXPECT_EQ(0xaa, CFG(AT_VNDR + 3, 1));
	EXPECT_EQ(0xaa, REAL_CFG(AT_VNDR + 3, 1));
}

TEST_F(function, command)
{
	SET_CFG(PCI_COMMAND, 2, 0xffff);
	EXPECT_EQ(PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_PARITY |
		  PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE, REAL_CFG(PCI_COMMAND, 2));
	/* its memory stays on, though the guest does not see it then */
	SET_CFG(PCI_COMMAND, 1, 0);
	EXPECT_EQ(PCI_COMMAND_MEMORY | PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE,
		  REAL_CFG(PCI_COMMAND, 2));
	EXPECT_EQ(PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE, CFG(PCI_COMMAND, 2));
	EXPECT_EQ(-1, slot_at(bar_addr(&self->pci, self->ecam, 0)));
	vfio_reset(self->d);
	EXPECT_EQ(PCI_COMMAND_MEMORY, REAL_CFG(PCI_COMMAND, 2));
}

TEST_F(function, intx)
{
	uint16_t status = PCI_STATUS_INTERRUPT;

	EXPECT_EQ(-1, fake.mode);
	MEMORY_ON();
	EXPECT_EQ(VFIO_PCI_INTX_IRQ_INDEX, fake.mode);
	EXPECT_EQ(self->d->intx, fake.fds[0]);
	EXPECT_EQ(self->d->unmask, fake.unmask);
	EXPECT_EQ(self->d->intx, level_fd);
	EXPECT_EQ(self->d->unmask, level_resample);
	EXPECT_EQ(17, level_pin);
	SET_CFG(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_INTX_DISABLE);
	EXPECT_EQ(-1, fake.mode);
	EXPECT_EQ(-1, level_fd);
	/* what the function says of its pin is seen, and nothing else of its status */
	ASSERT_EQ(2, pwrite(fake.fd, &status, 2,
			    REGION(VFIO_PCI_CONFIG_REGION_INDEX) + PCI_STATUS));
	EXPECT_EQ(PCI_STATUS_CAP_LIST | PCI_STATUS_INTERRUPT, CFG(PCI_STATUS, 2));
}

TEST_F(function, msi)
{
	const unsigned int flags = AT_MSI + PCI_MSI_FLAGS;
	unsigned int i;

	MEMORY_ON();
	EXPECT_EQ(PCI_MSI_FLAGS_64BIT | PCI_MSI_FLAGS_MASKBIT | 2 << 1, CFG(flags, 2));
	SET_CFG(AT_MSI + PCI_MSI_ADDRESS_LO, 4, 0xfee01000);
	SET_CFG(AT_MSI + PCI_MSI_ADDRESS_HI, 4, 0x12);
	SET_CFG(AT_MSI + PCI_MSI_DATA_64, 2, 0x41);
	SET_CFG(AT_MSI + PCI_MSI_MASK_64, 4, 2);
	SET_CFG(flags, 2, PCI_MSI_FLAGS_ENABLE | 2 << 4);
	EXPECT_EQ(VFIO_PCI_MSI_IRQ_INDEX, fake.mode);
	EXPECT_EQ(4, fake.count);
	EXPECT_EQ(-1, level_fd);
	for (i = 0; i < 4; i++) {
		struct vector *v = &self->d->msi.v[i];

		EXPECT_EQ(v->fd, fake.fds[i]);
		EXPECT_EQ(i == 1 ? 0 : v->fd + 1, wired[v->gsi]);
		EXPECT_EQ(i != 1, routes[v->gsi].used);
		if (i == 1)
			continue;
		EXPECT_EQ(0x12fee01000, routes[v->gsi].addr);
		EXPECT_EQ(0x40 + i, routes[v->gsi].data);
	}
	SET_CFG(AT_MSI + PCI_MSI_MASK_64, 4, 0);
	EXPECT_NE(0, wired[self->d->msi.v[1].gsi]);
	SET_CFG(AT_MSI + PCI_MSI_MASK_64, 4, 2);
	EXPECT_EQ(0, wired[self->d->msi.v[1].gsi]);
	EXPECT_EQ(0, REAL_CFG(flags, 2) & PCI_MSI_FLAGS_ENABLE);
	/* without it the function is back at its pin */
	SET_CFG(flags, 2, 0);
	EXPECT_EQ(VFIO_PCI_INTX_IRQ_INDEX, fake.mode);
	for (i = 0; i < 4; i++)
		EXPECT_EQ(0, wired[self->d->msi.v[i].gsi]);
	/* more than it has are as many as it has */
	SET_CFG(flags, 2, PCI_MSI_FLAGS_ENABLE | 7 << 4);
	EXPECT_EQ(4, fake.count);
}

static void set_entry(struct pci_bus *pci, uint64_t bar, unsigned int i, uint32_t control)
{
	set(pci, bar + TABLE + 16 * i, 8, 0xfee00000);
	set(pci, bar + TABLE + 16 * i + 8, 4, 0x40 + i);
	set(pci, bar + TABLE + 16 * i + 12, 4, control);
}

TEST_F(function, msix)
{
	const uint64_t bar = bar_addr(&self->pci, self->ecam, 0);
	static const uint64_t one = 1;
	int fd;

	MEMORY_ON();
	EXPECT_EQ(VECTORS - 1, CFG(AT_MSIX + PCI_MSIX_FLAGS, 2));
	EXPECT_EQ(TABLE, CFG(AT_MSIX + PCI_MSIX_TABLE, 4));
	set_entry(&self->pci, bar, 0, 0);
	SET_CFG(AT_MSIX + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	EXPECT_EQ(VFIO_PCI_MSIX_IRQ_INDEX, fake.mode);
	EXPECT_EQ(VECTORS, fake.count);
	/* what is masked costs the host no interrupt */
	EXPECT_EQ(-1, fake.fds[0]);
	SET_CFG(AT_MSIX + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
	fd = msix_fd(&self->d->msix, 0);
	EXPECT_EQ(fd, fake.fds[0]);
	EXPECT_EQ(fd + 1, wired[self->d->msix.v[0].v.gsi]);
	EXPECT_EQ(0xfee00000, routes[self->d->msix.v[0].v.gsi].addr);
	EXPECT_EQ(0x40, routes[self->d->msix.v[0].v.gsi].data);
	EXPECT_EQ(-1, fake.fds[1]);
	set_entry(&self->pci, bar, 64, 0);
	EXPECT_EQ(msix_fd(&self->d->msix, 64), fake.fds[64]);
	EXPECT_EQ(0x40 + 64, routes[self->d->msix.v[64].v.gsi].data);
	/* of its control there is but the mask */
	set_entry(&self->pci, bar, 64, 0xfffffffe);
	EXPECT_EQ(0, get(&self->pci, bar + TABLE + 16 * 64 + 12, 4));
	/* masked again it is pending, and that is ours, as is the table */
	set_entry(&self->pci, bar, 64, 1);
	EXPECT_EQ(0, wired[self->d->msix.v[64].v.gsi]);
	ASSERT_EQ(8, write(fake.fds[64], &one, 8));
	EXPECT_EQ(1, get(&self->pci, bar + PBA + 8, 8));
	set(&self->pci, bar + PBA + 8, 8, 0);
	EXPECT_EQ(1, get(&self->pci, bar + PBA + 8, 8));
	EXPECT_EQ(0xfee00000, get(&self->pci, bar + TABLE, 4));
	EXPECT_EQ(0, real(TABLE, 8));
	EXPECT_EQ(0, REAL_CFG(AT_MSIX + PCI_MSIX_FLAGS, 2) & PCI_MSIX_FLAGS_ENABLE);
	SET_CFG(AT_MSIX + PCI_MSIX_FLAGS, 2, 0);
	EXPECT_EQ(VFIO_PCI_INTX_IRQ_INDEX, fake.mode);
}

TEST_F(function, host_short_of_vectors)
{
	fake.host_vectors = 3;
	MEMORY_ON();
	log_init(NULL, LOG_LEVEL_ERR, 0);
	SET_CFG(AT_MSIX + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
	EXPECT_EQ(VFIO_PCI_MSIX_IRQ_INDEX, fake.mode);
	EXPECT_EQ(3, fake.count);
	set_entry(&self->pci, bar_addr(&self->pci, self->ecam, 0), 10, 0);
	EXPECT_EQ(0, fake.wrong);
}

TEST_F(function, bar_memory)
{
	uint64_t bar = bar_addr(&self->pci, self->ecam, 0), moved;
	uint64_t big = bar_addr(&self->pci, self->ecam, 2);
	uint64_t small = CFG(PCI_BASE_ADDRESS_4, 4);
	int slot;

	EXPECT_EQ(-1, slot_at(bar));
	EXPECT_EQ(~0ULL, get(&self->pci, bar, 4));
	MEMORY_ON();
	slot = slot_at(bar);
	ASSERT_LE(0, slot);
	EXPECT_EQ(bar, slots[slot].gpa);
	EXPECT_EQ(0x2000, slots[slot].size);
	/* the page of MSI-X is trapped, the one behind it is not */
	EXPECT_EQ(-1, slot_at(bar + TABLE));
	slot = slot_at(bar + 0x3000);
	ASSERT_LE(0, slot);
	EXPECT_EQ(0x1000, slots[slot].size);
	slot = slot_at(big);
	ASSERT_LE(0, slot);
	EXPECT_EQ(BIG_SIZE, slots[slot].size);
	/* it is the function's memory */
	memcpy(slots[slot].host + 8, "function", 8);
	EXPECT_EQ(0, memcmp("function", &(uint64_t){ real(REGION(2) + 8, 8) }, 8));
	/* a BAR smaller than a page is read and written */
	EXPECT_EQ(-1, slot_at(small));
	set(&self->pci, small + 4, 4, 0x12345678);
	EXPECT_EQ(0x12345678, real(REGION(4) + 4, 4));
	EXPECT_EQ(0x5678, get(&self->pci, small + 4, 2));
	/* the rest of the trapped page, too */
	set(&self->pci, bar + TABLE + 0xc00, 4, 7);
	EXPECT_EQ(7, real(TABLE + 0xc00, 4));

	moved = bar + 0x100000;
	SET_CFG(PCI_BASE_ADDRESS_0, 4, moved);
	EXPECT_EQ(-1, slot_at(bar));
	EXPECT_LE(0, slot_at(moved));
	SET_CFG(PCI_COMMAND, 2, 0);
	EXPECT_EQ(-1, slot_at(moved));
	EXPECT_EQ(-1, slot_at(big));
}

/* Over RAM or other BARs: KVM refuses the memory, and accesses are trapped. */
TEST_F(function, bar_misplaced)
{
	uint64_t bar = bar_addr(&self->pci, self->ecam, 0);

	SET_CFG(PCI_BASE_ADDRESS_0, 4, 0x100000);
	MEMORY_ON();
	EXPECT_EQ(-1, slot_at(0x100000));
	refused_slot = MEM_REGIONS_MAX;
	SET_CFG(PCI_BASE_ADDRESS_0, 4, bar);
	EXPECT_EQ(-1, slot_at(bar));
	set(&self->pci, bar + 16, 4, 99);
	EXPECT_EQ(99, real(16, 4));
	refused_slot = -1;
	SET_CFG(PCI_COMMAND, 2, 0);
}

TEST_F(function, reboot)
{
	uint64_t bar = bar_addr(&self->pci, self->ecam, 0);

	MEMORY_ON();
	SET_CFG(AT_MSIX + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
	set_entry(&self->pci, bar, 0, 0);
	SET_CFG(PCI_BASE_ADDRESS_0, 4, bar + 0x100000);
	SET_PORT(PCI_SECONDARY_BUS, 1, 9);
	vfio_reset(self->d);
	pci_reset(&self->pci);
	EXPECT_EQ(1, fake.resets);
	EXPECT_EQ(-1, fake.mode);
	EXPECT_EQ(bar, bar_addr(&self->pci, self->ecam, 0));
	EXPECT_EQ(-1, slot_at(bar + 0x100000));
	EXPECT_EQ(VECTORS - 1, CFG(AT_MSIX + PCI_MSIX_FLAGS, 2));
	MEMORY_ON();
	EXPECT_EQ(1, get(&self->pci, bar + TABLE + 12, 4));
	EXPECT_EQ(VFIO_PCI_INTX_IRQ_INDEX, fake.mode);
}

/* A reset of the bus behind the port is one of the function, each time that it begins. */
TEST_F(function, bus_reset)
{
	uint64_t bar = bar_addr(&self->pci, self->ecam, 0);
	unsigned int i;

	for (i = 1; i < 3; i++) {
		MEMORY_ON();
		EXPECT_NE(-1, slot_at(bar));
		SET_PORT(PCI_BRIDGE_CONTROL, 2, PCI_BRIDGE_CTL_BUS_RESET);
		EXPECT_EQ(i, fake.resets);
		EXPECT_EQ(-1, slot_at(bar));
		EXPECT_EQ(0, CFG(PCI_COMMAND, 2));
		EXPECT_EQ(-1, fake.mode);
		SET_PORT(PCI_BRIDGE_CONTROL, 2, PCI_BRIDGE_CTL_BUS_RESET | PCI_BRIDGE_CTL_SERR);
		EXPECT_EQ(i, fake.resets);
		SET_PORT(PCI_BRIDGE_CONTROL, 2, 0);
		EXPECT_EQ(i, fake.resets);
	}
}

/* An interrupt that the host has not got is asked for once, until another one is wanted. */
TEST_F(function, refused_interrupt)
{
	MEMORY_ON();
	fake.mode_refused = VFIO_PCI_MSIX_IRQ_INDEX;
	SET_CFG(AT_MSIX + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
	EXPECT_EQ(1, fake.refusals);
	EXPECT_EQ(-1, fake.mode);
	set_entry(&self->pci, bar_addr(&self->pci, self->ecam, 0), 0, 0);
	set_entry(&self->pci, bar_addr(&self->pci, self->ecam, 0), 1, 0);
	EXPECT_EQ(1, fake.refusals);
	SET_CFG(AT_MSIX + PCI_MSIX_FLAGS, 2, 0);
	EXPECT_EQ(VFIO_PCI_INTX_IRQ_INDEX, fake.mode);
	SET_CFG(AT_MSIX + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
	EXPECT_EQ(2, fake.refusals);
}

/* What is locked for a moment is tried again. */
TEST_F(function, reboot_while_busy)
{
	fake.busy = 2;
	MEMORY_ON();
	vfio_reset(self->d);
	pci_reset(&self->pci);
	EXPECT_EQ(1, fake.resets);
	EXPECT_TRUE(vfio_is_held(self->d));
	EXPECT_EQ(VENDOR | DEVICE << 16, CFG(PCI_VENDOR_ID, 4));
}

/* A new kernel starts: the function is not there, and on the way back to the host. */
static void expect_gone(struct __test_metadata *_metadata, FIXTURE_DATA(function) *self)
{
	struct loop_source *request = &self->d->request;

	EXPECT_FALSE(vfio_is_held(self->d));
	EXPECT_EQ(0xffffffff, CFG(PCI_VENDOR_ID, 4));
	EXPECT_EQ(PCI_COMMAND_MEMORY, REAL_CFG(PCI_COMMAND, 2));
	EXPECT_EQ(0, PORT(self->d->port.exp + PCI_EXP_SLTSTA, 2));
	EXPECT_EQ(0, PORT(self->d->port.exp + PCI_EXP_LNKSTA, 2) & PCI_EXP_LNKSTA_DLLLA);
	EXPECT_TRUE(signalled(request->fd));
	request->ready(request, 0);
	EXPECT_EQ(-1, self->d->fd);
	EXPECT_EQ(-1, self->d->group);
	EXPECT_EQ(-1, self->d->lease);
}

TEST_F(function, reboot_without_reset)
{
	fake.reset_error = EIO;
	MEMORY_ON();
	vfio_reset(self->d);
	pci_reset(&self->pci);
	expect_gone(_metadata, self);
}

/* The host has asked, and the guest has not listened. */
TEST_F(function, reboot_while_wanted)
{
	struct loop_source *request = &self->d->request;

	MEMORY_ON();
	request->ready(request, 0);
	EXPECT_TRUE(vfio_is_held(self->d));
	vfio_reset(self->d);
	pci_reset(&self->pci);
	EXPECT_EQ(0, fake.resets);
	expect_gone(_metadata, self);
}

/* What a hot-plug driver does at its start. Where its interrupt comes out, by MSI. */
static int plug_driver(struct pci_port *port, struct pci_bus *pci, uint64_t ecam)
{
	set(pci, ecam + port->msi.cap + PCI_MSI_ADDRESS_LO, 4, 0xfee00000);
	set(pci, ecam + port->msi.cap + PCI_MSI_FLAGS, 2, PCI_MSI_FLAGS_ENABLE);
	set(pci, ecam + port->exp + PCI_EXP_SLTCTL, 2,
	    PCI_EXP_SLTCTL_ABPE | PCI_EXP_SLTCTL_PDCE | PCI_EXP_SLTCTL_HPIE |
	    PCI_EXP_SLTCTL_DLLSCE | PCI_EXP_SLTCTL_PWR_IND_ON);
	return port->msi.v[0].fd;
}

TEST_F(function, hot_unplug)
{
	struct pci_port *port = &self->d->port;
	unsigned int status = port->exp + PCI_EXP_SLTSTA, control = port->exp + PCI_EXP_SLTCTL;
	uint64_t bar = bar_addr(&self->pci, self->ecam, 0);
	struct loop_source *request = &self->d->request;
	int fd;

	/* as long as nobody listens the button is not pressed */
	request->ready(request, 0);
	EXPECT_EQ(PCI_EXP_SLTSTA_PDS, PORT(status, 2));
	fd = plug_driver(port, &self->pci, self->port);

	EXPECT_EQ(PCI_EXP_SLTCAP_HPC | PCI_EXP_SLTCAP_ABP | PCI_EXP_SLTCAP_PCP,
		  PORT(port->exp + PCI_EXP_SLTCAP, 4) &
		  (PCI_EXP_SLTCAP_HPC | PCI_EXP_SLTCAP_ABP | PCI_EXP_SLTCAP_PCP));
	EXPECT_EQ(PCI_EXP_SLTSTA_PDS, PORT(status, 2));
	EXPECT_FALSE(signalled(fd));
	MEMORY_ON();
	EXPECT_EQ(request->fd, fake.request);
	request->ready(request, 0);
	EXPECT_TRUE(signalled(fd));
	EXPECT_EQ(PCI_EXP_SLTSTA_PDS | PCI_EXP_SLTSTA_ABP, PORT(status, 2));
	SET_PORT(status, 2, PCI_EXP_SLTSTA_ABP);
	EXPECT_EQ(PCI_EXP_SLTSTA_PDS, PORT(status, 2));
	/* the host repeats its wish: while the light blinks a second press would take it back */
	SET_PORT(control, 2, (PORT(control, 2) & ~PCI_EXP_SLTCTL_PIC) |
		 PCI_EXP_SLTCTL_PWR_IND_BLINK);
	request->ready(request, 0);
	EXPECT_FALSE(signalled(fd));
	/* nothing came of it: once more */
	SET_PORT(control, 2, (PORT(control, 2) & ~PCI_EXP_SLTCTL_PIC) |
		 PCI_EXP_SLTCTL_PWR_IND_ON);
	request->ready(request, 0);
	EXPECT_TRUE(signalled(fd));
	SET_PORT(status, 2, PCI_EXP_SLTSTA_ABP);
	EXPECT_TRUE(vfio_is_held(self->d));

	SET_PORT(control, 2, PORT(control, 2) | PCI_EXP_SLTCTL_PCC);
	EXPECT_TRUE(signalled(fd));
	EXPECT_EQ(PCI_EXP_SLTSTA_PDC | PCI_EXP_SLTSTA_DLLSC, PORT(status, 2));
	EXPECT_EQ(0, PORT(port->exp + PCI_EXP_LNKSTA, 2) & PCI_EXP_LNKSTA_DLLLA);
	EXPECT_EQ(0xffffffff, CFG(PCI_VENDOR_ID, 4));
	EXPECT_EQ(-1, slot_at(bar));
	EXPECT_EQ(-1, fake.mode);
	EXPECT_EQ(PCI_COMMAND_MEMORY, REAL_CFG(PCI_COMMAND, 2));
	EXPECT_FALSE(vfio_is_held(self->d));
	/* the main thread gives back what is left */
	request->ready(request, 0);
	EXPECT_EQ(-1, self->d->fd);
	EXPECT_EQ(-1, self->d->group);
	EXPECT_EQ(-1, self->d->lease);
	/* and the guest goes on, and starts again, without it */
	SET_PORT(control, 2, 0);
	vfio_reset(self->d);
	pci_reset(&self->pci);
	EXPECT_EQ(0, PORT(status, 2) & PCI_EXP_SLTSTA_PDS);
	EXPECT_EQ(0xffffffff, CFG(PCI_VENDOR_ID, 4));
	EXPECT_EQ(0, fake.resets);
}

/* Which capabilities of those of config_caps the guest finds, as bits; -1: without end. */
static int list_caps(struct pci_bus *pci, uint64_t ecam)
{
	unsigned int at = get(pci, ecam + PCI_CAPABILITY_LIST, 1), n;
	int found = 0;

	for (n = 0; at && n < 48; n++) {
		unsigned int id = get(pci, ecam + at, 1);

		if (id < 31)
			found |= 1 << id;
		at = get(pci, ecam + at + PCI_CAP_LIST_NEXT, 1);
	}
	return at ? -1 : found;
}

static int caps;	/* of what make_other() made last */

/* The same function with something wrong in its configuration space. */
static int make_other(struct virtio_host *host, struct pci_bus *pci, const uint8_t raw[256])
{
	struct vfio_dev *d;
	int err;

	pci_init(pci, host->mem);
	nslots = 0;
	msis = 0;
	close(fake.fd);
	new_fake(raw);
	d = new_function(host);
	err = vfio_create(d);
	if (!err) {
		pci_reset(pci);
		caps = list_caps(pci, ECAM_BASE + ECAM_BUS_SIZE);
		set(pci, ECAM_BASE + ECAM_BUS_SIZE + PCI_COMMAND, 2, 0xffff);
		vfio_reset(d);
	}
	vfio_destroy(d);
	return err;
}

TEST_F(function, odd_functions)
{
	struct pci_bus pci;
	struct virtio_host host = self->host;

	host.pci = &pci;
	/* a list in a circle, and one that leads into the header */
	self->raw[AT_VNDR + 1] = AT_PM;
	EXPECT_EQ(0, make_other(&host, &pci, self->raw));
	EXPECT_EQ(ALL_CAPS, caps);
	self->raw[AT_VNDR + 1] = 0x10;
	EXPECT_EQ(0, make_other(&host, &pci, self->raw));
	EXPECT_EQ(ALL_CAPS, caps);
	/* capabilities that end behind the end */
	put_cap(self->raw, 0xfc, PCI_CAP_ID_EXP, 0xf8);
	put_cap(self->raw, 0xf8, PCI_CAP_ID_PM, 0xf4);
	put_cap(self->raw, 0xf4, PCI_CAP_ID_VNDR, 0);
	self->raw[0xf6] = 0xff;
	self->raw[AT_VNDR + 1] = 0xfc;
	EXPECT_EQ(0, make_other(&host, &pci, self->raw));
	EXPECT_EQ(ALL_CAPS, caps);
	/* MSI-X in no BAR, and in one that is too small */
	put(self->raw + AT_MSIX + PCI_MSIX_TABLE, 7, 4);
	EXPECT_EQ(0, make_other(&host, &pci, self->raw));
	EXPECT_EQ(ALL_CAPS & ~(1 << PCI_CAP_ID_MSIX), caps);
	put(self->raw + AT_MSIX + PCI_MSIX_TABLE, BAR_SIZE - 16, 4);
	EXPECT_EQ(0, make_other(&host, &pci, self->raw));
	EXPECT_EQ(ALL_CAPS & ~(1 << PCI_CAP_ID_MSIX), caps);
	/* a bridge */
	self->raw[PCI_HEADER_TYPE] = PCI_HEADER_TYPE_BRIDGE;
	EXPECT_EQ(-EINVAL, make_other(&host, &pci, self->raw));
}

TEST_F(function, fuzz_configuration)
{
	unsigned int i, n = fuzz_rounds() / 40;
	struct virtio_host host = self->host;
	struct pci_bus pci;

	host.pci = &pci;
	log_init(NULL, LOG_LEVEL_ERR, 0);
	/* errors are expected, and not wanted a thousand times */
	ASSERT_NE(NULL, freopen("/dev/null", "w", stderr));
	for (i = 0; i < n; i++) {
		char raw[256];

		make_config((uint8_t *)raw);
		fuzz_change(&self->fuzz, raw, sizeof(raw), sizeof(raw),
			    "\x05\x11\x10\x01\x09\x40\x50\x70\x80\xc0\xff");
		make_other(&host, &pci, (uint8_t *)raw);
	}
}

/* A guest that writes anything anywhere. */
TEST_F(function, fuzz_guest)
{
	unsigned int i, n = fuzz_rounds(), slot = self->d->port.exp + PCI_EXP_SLTCTL;

	ASSERT_NE(NULL, freopen("/dev/null", "w", stderr));
	for (i = 0; i < n; i++) {
		unsigned int len = 1 << fuzz_below(&self->fuzz, 3);
		uint64_t where = fuzz_below(&self->fuzz, 256 / len) * len;

		switch (fuzz_below(&self->fuzz, 4)) {
		case 0:
			where += self->ecam;
			break;
		case 1:
			where += self->port;
			break;
		default:
			where = bar_addr(&self->pci, self->ecam, 0) + TABLE + where * 8;
		}
		/* a slot that is switched off has no function for the next round */
		if (where < self->port + slot + 2 && where + len > self->port + slot)
			continue;
		if (fuzz_below(&self->fuzz, 3))
			set(&self->pci, where, len, fuzz_next(&self->fuzz));
		else
			get(&self->pci, where, len);
		if (!fuzz_below(&self->fuzz, 8))
			MEMORY_ON();
		if (!fuzz_below(&self->fuzz, 16))
			SET_PORT(PCI_SECONDARY_BUS, 1, 1);
	}
	EXPECT_FALSE(self->d->let_go);
	EXPECT_NE(0, fake.resets);
}

static const char *parse(struct run_config *rc, const char *text)
{
	char *copy = strdup(text);
	const char *why = option_vtd(rc, copy);

	free(copy);
	return why;
}

TEST(options)
{
	static const char *const wrong[] = {
		"", "nvme", "00:04", "1b36:0010,vf=1", "pf=01:00.0", "pf=01:00.0,vf=-1", "00:04.0,",
		"socket", "socket=",
	};
	char file[] = "[Guest]\nName=a\n[VTD]\nFunction=01:00.1\n";
	char none[] = "[Guest]\nName=a\nKernel=/k\n[VTD]\n";
	struct run_config rc;
	size_t i;

	run_config_init(&rc);
	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		EXPECT_NE(NULL, parse(&rc, wrong[i])) {
			TH_LOG("case %zu", i);
		}
	}
	run_config_init(&rc);
	ASSERT_EQ(NULL, parse(&rc, "0000:01:02.3"));
	ASSERT_EQ(NULL, parse(&rc, "1b36:0010,node=1"));
	ASSERT_EQ(NULL, parse(&rc, "pf=01:00.0,vf=2"));
	ASSERT_EQ(3, rc.guest.nvtds);
	EXPECT_EQ(2 << 3 | 3, rc.guest.vtds[0].function.devfn);
	EXPECT_EQ(ASV_VTD_LEASE_ID, rc.guest.vtds[1].function.flags);
	EXPECT_EQ(1, rc.guest.vtds[1].function.node);
	EXPECT_EQ(ASV_VTD_LEASE_VF, rc.guest.vtds[2].function.flags);
	EXPECT_EQ(2, rc.guest.vtds[2].function.vf);
	EXPECT_STREQ("pf=01:00.0,vf=2", rc.guest.vtds[2].spec);
	ASSERT_EQ(NULL, parse(&rc, "socket=/run/s,1"));
	EXPECT_STREQ("/run/s,1", rc.guest.vtds[3].socket);
	EXPECT_EQ(NULL, rc.guest.vtds[2].socket);
	for (i = 4; i < ASVM_VTDS_MAX; i++)
		ASSERT_EQ(NULL, parse(&rc, "01:00.0"));
	EXPECT_NE(NULL, parse(&rc, "01:00.0"));

	run_config_init(&rc);
	ASSERT_EQ(0, run_config_text(&rc, "t.conf", file, strlen(file)));
	ASSERT_EQ(1, rc.guest.nvtds);
	EXPECT_EQ(1, rc.guest.vtds[0].function.devfn);
	run_config_init(&rc);
	ASSERT_EQ(0, run_config_text(&rc, "t.conf", none, strlen(none)));
	EXPECT_EQ(-EINVAL, run_config_check(&rc, true));
}

TEST_HARNESS_MAIN
