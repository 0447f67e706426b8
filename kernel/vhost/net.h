/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * asv_net: virtio-net (virtio 1.2, section 5.1) between a guest's queue pair and
 * a socket of the host: tun, tap, macvtap, ipvtap, or a raw packet socket.
 *
 * Locking
 * -------
 * All locks are the core's; see vhost.h. Both queues of a device share a worker
 * unless the owner says otherwise, but nothing here relies on that.
 *
 * dev->mutex	a queue's socket: set, replaced and put, each time with the queue
 *		stopped. So a turn, which runs only while the queue is started,
 *		has a socket that stays, and needs no reference of its own.
 * vq->mutex	everything in struct asv_net_rx and asv_net_tx but the above. A
 *		turn holds it from start to end. No packet that a turn has begun
 *		outlives the turn: what is taken from the ring is used, or put
 *		back, before it ends. So nothing here counts as in flight.
 * @wait.lock	the socket's wait queue head lock, a leaf: whether rx->wait is on
 *		it. The waker holds it, in soft interrupt at times.
 * ring locks	the socket's ptr_ring has its own, taken inside of vq->mutex.
 *
 * What can race, and why it is harmless:
 * - A packet comes while receive goes to sleep: receive puts rx->wait on the
 *   socket's queue first and looks at the ring again after it.
 * - A packet comes while the queue stops: the wake-up queues a turn, which finds
 *   no backend. After asv_net_rx_disarm() there is no further wake-up.
 * - The network device goes away while in use: the socket stays, as its file is
 *   held; sending and receiving fail, packets count as failed. Stopping works.
 * - Somebody else reads the same socket or resizes its ring: the length that
 *   counts is that of a packet that is already ours.
 */
#ifndef _ASV_NET_H
#define _ASV_NET_H

#include <linux/if_tun.h>
#include <linux/net.h>
#include <linux/ptr_ring.h>
#include <linux/virtio_net.h>
#include <net/xdp.h>

#include "vhost.h"

enum {
	ASV_NET_RX,
	ASV_NET_TX,
	ASV_NET_VQS
};

/* A turn ends after so many packets or bytes, so that the other queue gets its own. */
#define ASV_NET_TURN_PACKETS	256
#define ASV_NET_TURN_BYTES	(512 * 1024)

/* Packets that are taken from, or given to, the socket at once. */
#define ASV_NET_BATCH		64

/**
 * struct asv_net_hdr - who makes the header that the guest sees before a packet
 * @own: bytes that are made and skipped here (VHOST_NET_F_VIRTIO_NET_HDR), or 0
 * @sock: bytes that the socket gives and takes, or 0
 *
 * One of the two is 0, the other 10 or 12: with num_buffers from
 * VIRTIO_NET_F_MRG_RXBUF or VIRTIO_F_VERSION_1 on (virtio 1.2, section 5.1.6.1).
 */
struct asv_net_hdr {
	u8 own;
	u8 sock;
};

/**
 * struct asv_net_rx - the receive queue, host to guest
 * @vq: the ring
 * @hdr: header lengths
 * @ring: the socket's packets, NULL if it has a receive queue instead
 * @batch: packets taken from @ring, those from @head up to @tail still to be given
 * @head: see @batch
 * @tail: see @batch
 * @wait: on the socket's wait queue while receive waits for a packet; takes
 *	itself off when it wakes, so that a burst wakes once
 * @iov: the guest buffers of one packet; room for a chain beyond the limit, so
 *	that a chain always fits
 * @used: chains filled since they were last given to the guest; room for one
 *	packet beyond ASV_NET_BATCH
 * @nused: of @used
 */
struct asv_net_rx {
	struct asv_vq vq;
	struct asv_net_hdr hdr;
	struct ptr_ring *ring;
	unsigned int head;
	unsigned int tail;
	unsigned int nused;
	wait_queue_entry_t wait;
	void *batch[ASV_NET_BATCH];
	struct iovec iov[2 * ASV_VHOST_MAX_CHAIN];
	struct asv_used used[ASV_NET_BATCH + ASV_VHOST_MAX_CHAIN];
};

/**
 * struct asv_net_tx - the transmit queue, guest to host
 * @vq: the ring
 * @hdr: header lengths
 * @ring: of tun and tap, which take batches of XDP buffers; NULL if it is not one
 * @writable: kicks when a full socket has room again
 * @frags: memory for @xdp
 * @xdp: packets to be sent, @nxdp of them
 * @nxdp: of @xdp
 * @used: chains to be given back once @xdp is sent, @nused of them
 * @nused: of @used
 */
struct asv_net_tx {
	struct asv_vq vq;
	struct asv_net_hdr hdr;
	struct ptr_ring *ring;
	struct asv_poll writable;
	struct page_frag_cache frags;
	unsigned int nxdp;
	unsigned int nused;
	struct xdp_buff xdp[ASV_NET_BATCH];
	struct asv_used used[ASV_NET_BATCH];
};

/**
 * struct asv_net - an open /dev/asv-net: one queue pair
 * @dev: the core's part
 * @vqs: for the core
 * @rx: queue 0
 * @tx: queue 1
 */
struct asv_net {
	struct asv_dev dev;
	struct asv_vq *vqs[ASV_NET_VQS];
	struct asv_net_rx rx;
	struct asv_net_tx tx;
};

/* net_rx.c */

void asv_net_rx_init(struct asv_net_rx *rx);

/**
 * asv_net_rx_serve() - a turn of the receive queue
 * @vq: of a struct asv_net_rx; vq->mutex held, started
 *
 * Gives packets of the socket to the guest, until there is no packet, no buffer,
 * or the turn's share is used up. A packet for which there is no buffer stays.
 * May fault in guest memory. Return: how to go on.
 */
enum asv_next asv_net_rx_serve(struct asv_vq *vq);

/* Before the queue starts with a socket. @ring: the socket's, or NULL. */
void asv_net_rx_attach(struct asv_net_rx *rx, struct ptr_ring *ring);

/* After the queue has stopped: packets not given go back to the socket. */
void asv_net_rx_detach(struct asv_net_rx *rx, struct socket *sock);

/* net_tx.c */

void asv_net_tx_init(struct asv_net_tx *tx);

/**
 * asv_net_tx_serve() - a turn of the transmit queue
 * @vq: of a struct asv_net_tx; vq->mutex held, started
 *
 * Sends the guest's packets, until there is none, the socket is full, or the
 * turn's share is used up. May fault in guest memory. Return: how to go on.
 */
enum asv_next asv_net_tx_serve(struct asv_vq *vq);

/* Before the queue starts with a socket. @ring: the socket's, or NULL. */
void asv_net_tx_attach(struct asv_net_tx *tx, struct ptr_ring *ring);

/* After the queue has stopped. */
void asv_net_tx_detach(struct asv_net_tx *tx);

/* When the device is freed. */
void asv_net_tx_destroy(struct asv_net_tx *tx);

#endif /* _ASV_NET_H */
