// SPDX-License-Identifier: GPL-2.0-only
/* Defaults of a guest's configuration. */
#include <string.h>

#include "config.h"

void config_init_disk(struct asvm_disk *disk)
{
	*disk = (struct asvm_disk){ .fd = -1, .vhost_fd = -1 };
}

void config_init_net(struct asvm_net *net)
{
	unsigned int i;

	*net = (struct asvm_net){ 0 };
	for (i = 0; i < ASVM_NET_PAIRS_MAX; i++) {
		net->fds[i] = -1;
		net->vhost_fds[i] = -1;
	}
}

void config_init(struct asvm_config *cfg)
{
	unsigned int i;

	*cfg = (struct asvm_config){
		.name = "guest",
		.cpus = 1,
		.mem = 256ULL << 20,
		.numa_node = -1,
		.halt_poll_ns = -1,
		.kernel_fd = -1,
		.initrd_fd = -1,
		.kvm_fd = -1,
		.vsock_fd = -1,
		.rng = true,
		.balloon = true,
		.free_page_reporting = true,
		.console_fd = -1,
	};
	for (i = 0; i < ASVM_CPUS_MAX; i++)
		cfg->pin[i] = -1;
	for (i = 0; i < ASVM_DISKS_MAX; i++)
		config_init_disk(&cfg->disks[i]);
	for (i = 0; i < ASVM_NETS_MAX; i++)
		config_init_net(&cfg->nets[i]);
}
