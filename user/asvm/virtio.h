/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A virtio device on PCI (virtio 1.2, section 4.1), modern interface only.
 *
 * The transport knows registers, queues' settings, interrupts and kicks. A device says what it
 * offers and is told when a queue starts and stops. Interrupts go by MSI-X where the driver
 * enables it, else by INTx and the ISR register.
 */
#ifndef ASVM_VIRTIO_H
#define ASVM_VIRTIO_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "kvm.h"
#include "loop.h"
#include "memory.h"
#include "msix.h"
#include "pci.h"

/* what an older <linux/virtio_config.h> lacks */
#ifndef VIRTIO_F_RING_RESET
#define VIRTIO_F_RING_RESET	40
#endif

#define VIRTIO_CONFIG_MAX	256
#define VIRTIO_QUEUES_MAX	66

/**
 * struct virtio_host - what every device is given of the machine
 * @lock: covers the state of all devices. Held in all virtio_ops, which run in a vCPU thread;
 *	taken by handlers of the event loop. Nothing that waits for a vCPU may hold it.
 */
struct virtio_host {
	struct kvm *kvm;
	struct memory *mem;
	struct pci_bus *pci;
	struct loop *loop;
	pthread_mutex_t *lock;
};

struct virtio_dev;

/**
 * struct virtio_ops - what a device does; with the machine's lock held
 * @start: the driver is ready and the features are settled; 0 or -errno. May be NULL.
 * @stop: after all queues were stopped by a reset. May be NULL.
 * @queue_start: serve a queue; 0 or -errno
 * @queue_stop: serve it no more; nothing touches its ring or memory afterwards
 * @queue_call: virtio_call_fd() of a running queue has changed. May be NULL.
 * @config_written: the driver wrote into the configuration. May be NULL: nothing is writable.
 */
struct virtio_ops {
	int (*start)(struct virtio_dev *vd);
	void (*stop)(struct virtio_dev *vd);
	int (*queue_start)(struct virtio_dev *vd, unsigned int q);
	void (*queue_stop)(struct virtio_dev *vd, unsigned int q);
	void (*queue_call)(struct virtio_dev *vd, unsigned int q);
	void (*config_written)(struct virtio_dev *vd, unsigned int off, unsigned int len,
			       uint32_t val);
};

/**
 * struct virtio_queue - a queue as the driver set it up
 * @max: largest size offered
 * @size, @desc, @driver, @device, @vector: what the driver wrote; checked by who starts it
 * @kick_fd: counts the driver's notifications
 */
struct virtio_queue {
	uint16_t max;
	uint16_t size;
	uint16_t vector;
	bool enabled;
	bool running;
	uint64_t desc;
	uint64_t driver;
	uint64_t device;
	int kick_fd;
};

/**
 * struct virtio_dev - the transport's part of a device, embedded in it
 * @features: offered
 * @acked: what the driver took of them; final from FEATURES_OK on
 * @config: the device's configuration, @config_len bytes of it
 */
struct virtio_dev {
	struct pci_dev pci;
	const struct virtio_ops *ops;
	const struct virtio_host *host;
	const char *name;
	uint64_t features;
	uint64_t acked;
	uint8_t config[VIRTIO_CONFIG_MAX];
	unsigned int config_len;
	struct virtio_queue *queues;
	unsigned int nqueues;

	struct msix msix;
	struct loop_source intx;
	uint32_t feature_select;
	uint32_t driver_feature_select;
	uint16_t queue_select;
	uint16_t config_vector;
	uint8_t status;
	uint8_t generation;
	uint8_t isr;
	unsigned int pci_cfg_cap;
};

/** struct virtio_id - what kind of device it is */
struct virtio_id {
	uint16_t id;
	uint32_t class;
};

/**
 * virtio_init - a device with @nqueues queues of at most @size entries on the bus
 *
 * The caller has set @features, @config and @config_len. 0 or -errno.
 */
int virtio_init(struct virtio_dev *vd, const struct virtio_host *host,
		const struct virtio_id *id, const struct virtio_ops *ops, unsigned int nqueues,
		unsigned int size);

/** virtio_destroy - stop the device and close its descriptors */
void virtio_destroy(struct virtio_dev *vd);

/** virtio_reset - as the driver's reset, and the PCI function's state too */
void virtio_reset(struct virtio_dev *vd);

static inline bool virtio_has(const struct virtio_dev *vd, unsigned int bit)
{
	return vd->acked & (1ULL << bit);
}

/** virtio_driver_ok - the driver is at work */
bool virtio_driver_ok(const struct virtio_dev *vd);

/** virtio_call_fd - what to signal for a queue's interrupt, -1: the driver wants none */
int virtio_call_fd(struct virtio_dev *vd, unsigned int q);

/** virtio_queue_interrupt - interrupt for a queue that asvm serves itself */
void virtio_queue_interrupt(struct virtio_dev *vd, unsigned int q);

/** virtio_config_changed - the configuration has changed: tell the driver */
void virtio_config_changed(struct virtio_dev *vd);

/** virtio_failed - the device cannot go on: DEVICE_NEEDS_RESET */
void virtio_failed(struct virtio_dev *vd);

#endif
