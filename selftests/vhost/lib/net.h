/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A pair of queues of /dev/asv-net on a tap in a network namespace of the test's
 * own, and a packet socket on the other side of that tap: virtio 1.2, section 5.1.
 */
#ifndef VT_NET_H
#define VT_NET_H

#include <net/if.h>

#include <linux/virtio_net.h>

#include "dev.h"

#define VT_NET_RX	0
#define VT_NET_TX	1
#define VT_NET_HDR	12		/* with VERSION_1 or MRG_RXBUF */
#define VT_FRAME_MAX	65550		/* of a GSO frame, Ethernet header included */
#define VT_ETHERTYPE	0x88b5		/* for local experiments: nobody answers it */

struct vt_net_opts {
	unsigned int num;	/* ring size, 0 for 128 */
	bool packed;
	uint64_t features;	/* VERSION_1 and the ring format are added */
	bool legacy;		/* VERSION_1 is not */
	unsigned int hdr_size;	/* that the tap gives and takes; 0 for VT_NET_HDR */
	bool no_vnet_hdr;	/* a tap without IFF_VNET_HDR: the device makes the header */
	unsigned int offload;	/* TUN_F_* */
	unsigned int ethertype;	/* what the socket takes; 0 for VT_ETHERTYPE */
	int backend;		/* serve this descriptor, which is then ours; 0 for a new tap */
	const char *peer;	/* with backend: interface that the packet socket is on */
	size_t mem_size;	/* bytes; 0 for 16 MiB */
};

struct vt_net {
	struct vt_dev dev;
	struct vt_mem mem;
	struct vt_queue vq[2];
	int tap;
	int sock;		/* AF_PACKET, with PACKET_VNET_HDR */
	char ifname[IFNAMSIZ];
};

/* a namespace for this process; ends the program when it may not */
void vt_netns(void);
/* a tap (one queue of it), up and without noise; descriptor or -errno */
int vt_tap(char *ifname, unsigned int flags, unsigned int hdr_size, unsigned int offload);
int vt_if_up(const char *ifname);
/* a packet socket on an interface for frames of an Ethernet type */
int vt_packet_socket(const char *ifname, unsigned int ethertype);

int vt_net_start(struct vt_net *net, const struct vt_net_opts *opts);
void vt_net_free(struct vt_net *net);
int vt_net_backend(struct vt_net *net, unsigned int index, int fd);

/* an Ethernet frame of len bytes with a pattern that seed makes */
void vt_frame(uint8_t *frame, uint32_t len, uint32_t seed);

/* wait for a frame at the packet socket: its length after the virtio-net header, or -errno */
int vt_sock_recv(struct vt_net *net, struct virtio_net_hdr *hdr, void *frame, size_t room,
		 int timeout_ms);
/* send a frame by the packet socket, towards the receive ring */
int vt_sock_send(struct vt_net *net, const struct virtio_net_hdr *hdr, const void *frame,
		 size_t len);

#endif /* VT_NET_H */
