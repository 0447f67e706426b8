// SPDX-License-Identifier: GPL-2.0-only
/* The transmit queue: from the guest's buffers into the socket. */
#include <linux/uaccess.h>
#include <net/sock.h>

#include "net.h"
#include "trace.h"

/* Send the batch and give its chains back to the guest. */
static void asv_net_tx_flush(struct asv_net_tx *tx, struct socket *sock)
{
	struct asv_vq *vq = &tx->vq;
	struct tun_msg_ctl ctl = { .type = TUN_MSG_PTR, .num = tx->nxdp, .ptr = tx->xdp };
	struct msghdr msg = {
		.msg_control = &ctl,
		.msg_controllen = sizeof(ctl),
		.msg_flags = MSG_DONTWAIT,
	};
	unsigned int i;

	if (tx->nxdp && sock->ops->sendmsg(sock, &msg, 0) < 0) {
		/* The device is gone; none was taken. */
		for (i = 0; i < tx->nxdp; i++)
			page_frag_free(tx->xdp[i].data_hard_start);
		vq->stats.failed += tx->nxdp;
	}
	tx->nxdp = 0;
	if (tx->nused && !asv_vq_add_used(vq, tx->used, tx->nused))
		asv_vq_signal(vq);
	tx->nused = 0;
}

/* Copy from a chain's segments; @iov and @offset move on. False if it faults. */
static bool asv_net_tx_copy(void *to, size_t len, const struct iovec **iov, size_t *offset)
{
	while (len) {
		size_t n = min(len, (*iov)->iov_len - *offset);

		if (copy_from_user(to, (*iov)->iov_base + *offset, n))
			return false;
		to += n;
		len -= n;
		*offset += n;
		if (*offset == (*iov)->iov_len) {
			(*iov)++;
			*offset = 0;
		}
	}
	return true;
}

/* The header that tun reads; what the guest has beyond it, num_buffers, means nothing. */
static bool asv_net_tx_hdr(struct virtio_net_hdr *hdr, const struct iovec *iov)
{
	u64 __user *from = iov->iov_base;
	u64 first;
	u16 last;

	BUILD_BUG_ON(sizeof(*hdr) != sizeof(first) + sizeof(last));
	if (!user_read_access_begin(from, sizeof(*hdr)))
		return false;
	unsafe_get_user(first, from, fault);
	unsafe_get_user(last, (u16 __user *)(from + 1), fault);
	user_read_access_end();
	memcpy(hdr, &first, sizeof(first));
	memcpy((void *)hdr + sizeof(first), &last, sizeof(last));
	return true;
fault:
	user_read_access_end();
	return false;
}

/*
 * Add a packet to the batch: the header where tun wants it, the packet behind
 * room for what the stack puts before it, and the end left for skb_shared_info.
 * Return: 0; -EMSGSIZE if it does not fit into a page; -ENOMEM; -EFAULT.
 */
static int asv_net_tx_frame(struct asv_net_tx *tx, struct socket *sock,
			    const struct asv_chain *chain, size_t len)
{
	bool prog = sock_flag(sock->sk, SOCK_XDP);
	size_t pad = SKB_DATA_ALIGN(NET_SKB_PAD + NET_IP_ALIGN + tx->hdr.sock +
				    (prog ? XDP_PACKET_HEADROOM : 0));
	size_t size = SKB_DATA_ALIGN(pad + len) + SKB_DATA_ALIGN(sizeof(struct skb_shared_info));
	const struct iovec *iov = chain->iov;
	size_t offset = tx->hdr.own + tx->hdr.sock;
	struct tun_xdp_hdr *hdr;
	struct xdp_buff *xdp;

	if (size > PAGE_SIZE)
		return -EMSGSIZE;
	hdr = page_frag_alloc(&tx->frags, size, GFP_KERNEL);
	if (unlikely(!hdr))
		return -ENOMEM;
	hdr->buflen = size;
	if (!tx->hdr.sock) {
		memset(&hdr->gso, 0, sizeof(hdr->gso));
	} else if (likely(iov->iov_len >= sizeof(hdr->gso))) {
		if (!asv_net_tx_hdr(&hdr->gso, iov))
			goto fault;
	} else {
		const struct iovec *piece = iov;
		size_t start = 0;

		if (!asv_net_tx_copy(&hdr->gso, sizeof(hdr->gso), &piece, &start))
			goto fault;
	}
	while (offset && offset >= iov->iov_len)
		offset -= iov++->iov_len;
	if (!asv_net_tx_copy((void *)hdr + pad, len, &iov, &offset))
		goto fault;
	xdp = &tx->xdp[tx->nxdp++];
	xdp_init_buff(xdp, size, NULL);
	xdp_prepare_buff(xdp, (void *)hdr, pad, len, true);
	return 0;
fault:
	page_frag_free(hdr);
	return -EFAULT;
}

/* Send a packet by itself. @len: with the socket's header. Return: 0 or an error. */
static int asv_net_tx_send(struct asv_net_tx *tx, struct socket *sock,
			   const struct asv_chain *chain, size_t len)
{
	struct msghdr msg = { .msg_flags = MSG_DONTWAIT };
	int ret;

	iov_iter_init(&msg.msg_iter, ITER_SOURCE, chain->iov, chain->nout, chain->out_len);
	iov_iter_advance(&msg.msg_iter, tx->hdr.own);
	ret = sock->ops->sendmsg(sock, &msg, len);
	return min(ret, 0);
}

/*
 * Send a chain. Return: 0, also if the packet was dropped; -EAGAIN if the socket
 * is full, the chain is put back then; -EIO if the queue is broken.
 */
static int asv_net_tx_packet(struct asv_net_tx *tx, struct socket *sock,
			     const struct asv_chain *chain)
{
	struct asv_vq *vq = &tx->vq;
	size_t hlen = tx->hdr.own + tx->hdr.sock;
	size_t len = chain->out_len - hlen;
	int ret = -EMSGSIZE;

	trace_asv_request_start(vq, chain->id, ASV_NET_TX, 0, chain->out_len);
	if (tx->ring && sock->sk->sk_sndbuf == INT_MAX)
		ret = asv_net_tx_frame(tx, sock, chain, len);
	if (ret == -EMSGSIZE || ret == -ENOMEM) {
		asv_net_tx_flush(tx, sock);
		ret = asv_net_tx_send(tx, sock, chain, len + tx->hdr.sock);
	}
	if (ret == -EAGAIN) {
		asv_vq_discard(vq, chain->slots);
		return ret;
	}
	tx->used[tx->nused++] = (struct asv_used){ .id = chain->id, .slots = chain->slots };
	trace_asv_request_end(vq, chain->id, 0, ret);
	if (unlikely(ret))
		vq->stats.failed++;
	vq->stats.requests++;
	vq->stats.bytes_out += len;
	asv_vq_charge(vq, 1, len);
	if (tx->nused == ASV_NET_BATCH)
		asv_net_tx_flush(tx, sock);
	return 0;
}

enum asv_next asv_net_tx_serve(struct asv_vq *vq)
{
	struct asv_net_tx *tx = container_of(vq, struct asv_net_tx, vq);
	struct socket *sock = asv_vq_backend(vq);
	enum asv_next next = ASV_NEXT_AGAIN;
	unsigned int packets, bytes = 0;
	struct asv_chain chain;
	int ret;

	asv_poll_stop(&tx->writable);
	for (packets = 0; packets < ASV_NET_TURN_PACKETS && bytes < ASV_NET_TURN_BYTES;
	     packets++, bytes += chain.out_len) {
		if (asv_vq_throttled(vq)) {
			next = ASV_NEXT_WAIT;
			break;
		}
		ret = asv_vq_pop(vq, &chain, vq->iov, vq->dev->iov_max);
		if (ret <= 0) {
			next = ret ? ASV_NEXT_WAIT : ASV_NEXT_EMPTY;
			break;
		}
		if (unlikely(chain.nin || chain.out_len < tx->hdr.own + tx->hdr.sock)) {
			asv_vq_break(vq, chain.nin ? "transmit buffer writable" :
				     "packet shorter than its header");
			next = ASV_NEXT_WAIT;
			break;
		}
		if (asv_net_tx_packet(tx, sock, &chain)) {
			/* If the file has an error, the next try gets it and drops the packet. */
			next = asv_poll_start(&tx->writable, sock->file) ? ASV_NEXT_AGAIN :
									 ASV_NEXT_WAIT;
			break;
		}
	}
	asv_net_tx_flush(tx, sock);
	return next;
}

void asv_net_tx_attach(struct asv_net_tx *tx, struct ptr_ring *ring)
{
	tx->ring = ring;
}

void asv_net_tx_detach(struct asv_net_tx *tx)
{
	mutex_lock(&tx->vq.mutex);
	asv_poll_stop(&tx->writable);
	mutex_unlock(&tx->vq.mutex);
}

void asv_net_tx_init(struct asv_net_tx *tx)
{
	asv_poll_init(&tx->writable, &tx->vq, EPOLLOUT);
}

void asv_net_tx_destroy(struct asv_net_tx *tx)
{
	page_frag_cache_drain(&tx->frags);
}
