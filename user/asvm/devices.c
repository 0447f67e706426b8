// SPDX-License-Identifier: GPL-2.0-only
/* All devices of a guest. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "devices.h"
#include "log.h"

static int devices_open_vtds(struct devices *d, const struct asvm_config *cfg)
{
	unsigned int i;
	int err;

	for (i = 0; i < cfg->nvtds; i++) {
		if (!cfg->vtds[i].socket)
			continue;
		d->vtds[i] = vfio_receive(&cfg->vtds[i], &d->vfio);
		if (!d->vtds[i])
			return -EINVAL;
	}
	err = vfio_open_container(cfg, &d->vfio);
	if (err)
		return err;
	for (i = 0; i < cfg->nvtds; i++) {
		if (cfg->vtds[i].socket)
			continue;
		d->vtds[i] = vfio_open(&cfg->vtds[i]);
		if (!d->vtds[i])
			return -EINVAL;
	}
	return 0;
}

int devices_open(struct devices *d, const struct asvm_config *cfg)
{
	unsigned int i;

	for (i = 0; i < cfg->ndisks; i++) {
		d->blks[i] = blk_open(cfg, i);
		if (!d->blks[i])
			return -EINVAL;
	}
	for (i = 0; i < cfg->nnets; i++) {
		d->nets[i] = net_open(cfg, i);
		if (!d->nets[i])
			return -EINVAL;
	}
	if (cfg->vsock_cid) {
		d->vsock = vsock_open(cfg);
		if (!d->vsock)
			return -EINVAL;
	}
	return cfg->nvtds ? devices_open_vtds(d, cfg) : 0;
}

/* Slots follow the order here: disks first, so that their names do not move with options. */
static int devices_create_virtio(struct devices *d, const struct asvm_config *cfg)
{
	unsigned int i;
	int err;

	for (i = 0; i < cfg->ndisks; i++) {
		err = blk_create(d->blks[i], &d->host);
		if (err)
			return err;
	}
	for (i = 0; i < cfg->nnets; i++) {
		err = net_create(d->nets[i], &d->host);
		if (err)
			return err;
	}
	if (d->vsock) {
		err = vsock_create(d->vsock, &d->host);
		if (err)
			return err;
	}
	if (cfg->console == ASVM_CONSOLE_VIRTIO) {
		d->console = console_create(&d->host, &d->term);
		if (!d->console)
			return -EINVAL;
	}
	if (cfg->rng) {
		d->rng = rng_create(&d->host);
		if (!d->rng)
			return -EINVAL;
	}
	if (cfg->balloon && cfg->nvtds) {
		log_info("guest memory is locked for --vtd: no balloon, no free page reporting");
	} else if (cfg->balloon) {
		d->balloon = balloon_create(&d->host, cfg->free_page_reporting);
		if (!d->balloon)
			return -EINVAL;
	}
	return 0;
}

static int devices_create_vtds(struct devices *d, const struct asvm_config *cfg)
{
	unsigned int i;
	int err;

	if (!cfg->nvtds)
		return 0;
	err = vfio_attach(d->vfio, d->vtds, cfg->nvtds, &d->host);
	for (i = 0; i < cfg->nvtds && !err; i++)
		err = vfio_create(d->vtds[i]);
	return err;
}

int devices_create(struct devices *d, const struct asvm_config *cfg,
		   const struct virtio_host *host)
{
	int fd = cfg->console == ASVM_CONSOLE_NONE ? -1 : cfg->console_fd;
	int err;

	d->host = *host;
	d->host.pci = &d->pci;
	pci_init(&d->pci, host->mem);
	err = term_init(&d->term, fd, host->loop, host->lock);
	if (!err)
		err = serial_init(&d->serial, host->kvm, &d->term, host->loop,
				  cfg->console == ASVM_CONSOLE_SERIAL);
	if (err) {
		log_err("cannot make the serial port: %s", strerror(-err));
		return err;
	}
	err = devices_create_virtio(d, cfg);
	if (!err)
		err = devices_create_vtds(d, cfg);
	if (!err)
		pci_reset(&d->pci);
	return err;
}

void devices_destroy(struct devices *d)
{
	unsigned int i;

	for (i = 0; i < ASVM_VTDS_MAX; i++)
		vfio_destroy(d->vtds[i]);
	if (d->vfio >= 0)
		close(d->vfio);
	balloon_destroy(d->balloon);
	rng_destroy(d->rng);
	console_destroy(d->console);
	vsock_destroy(d->vsock);
	for (i = 0; i < ASVM_NETS_MAX; i++)
		net_destroy(d->nets[i]);
	for (i = 0; i < ASVM_DISKS_MAX; i++)
		blk_destroy(d->blks[i]);
	serial_destroy(&d->serial);
	term_destroy(&d->term);
}

static void devices_reset_virtio(struct virtio_dev *vd)
{
	if (vd)
		virtio_reset(vd);
}

void devices_reset(struct devices *d)
{
	unsigned int i;

	for (i = 0; i < ASVM_DISKS_MAX; i++)
		devices_reset_virtio(blk_virtio(d->blks[i]));
	for (i = 0; i < ASVM_NETS_MAX; i++)
		devices_reset_virtio(net_virtio(d->nets[i]));
	devices_reset_virtio(vsock_virtio(d->vsock));
	devices_reset_virtio(console_virtio(d->console));
	devices_reset_virtio(rng_virtio(d->rng));
	devices_reset_virtio(balloon_virtio(d->balloon));
	for (i = 0; i < ASVM_VTDS_MAX; i++)
		vfio_reset(d->vtds[i]);
	pci_reset(&d->pci);
	serial_reset(&d->serial);
}

void devices_mmio(struct devices *d, uint64_t gpa, uint8_t *data, unsigned int len, bool write)
{
	if (!pci_mmio(&d->pci, gpa, data, len, write) && !write)
		memset(data, 0xff, len);
}

void devices_pio(struct devices *d, uint16_t port, uint8_t *data, unsigned int len, bool write)
{
	/* its registers are bytes */
	if (port >= SERIAL_PORT && port < SERIAL_PORT + SERIAL_PORTS && len == 1) {
		if (write)
			serial_out(&d->serial, port - SERIAL_PORT, *data);
		else
			*data = serial_in(&d->serial, port - SERIAL_PORT);
		return;
	}
	if (!pci_port(&d->pci, port, data, len, write) && !write)
		memset(data, 0xff, len);
}

void devices_query(struct devices *d, struct machine_info *info)
{
	unsigned int i;

	for (i = 0; i < ASVM_DISKS_MAX && d->blks[i]; i++)
		blk_query(d->blks[i], &info->disks[i]);
	info->ndisks = i;
	for (i = 0; i < ASVM_NETS_MAX && d->nets[i]; i++)
		net_query(d->nets[i], &info->nets[i]);
	info->nnets = i;
	for (i = 0; i < ASVM_VTDS_MAX; i++)
		info->nfunctions += d->vtds[i] && vfio_is_held(d->vtds[i]);
	if (d->balloon) {
		info->balloon = balloon_actual(d->balloon);
		info->reported = balloon_reported(d->balloon);
	}
}
