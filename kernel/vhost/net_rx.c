// SPDX-License-Identifier: GPL-2.0-only
/* The receive queue: from the socket into the guest's buffers. */
#include <linux/if_vlan.h>
#include <linux/skb_array.h>
#include <net/sock.h>

#include "net.h"
#include "trace.h"

/* The header when no socket makes one: a packet as it was on the wire. */
static const struct virtio_net_hdr asv_net_plain;

/*
 * One wake-up is enough, and its price is the sender's: the entry leaves the wait
 * queue here, under its lock, and comes back when receive has to wait again.
 */
static int asv_net_rx_wake(wait_queue_entry_t *wait, unsigned int mode, int sync, void *key)
{
	struct asv_net_rx *rx = container_of(wait, struct asv_net_rx, wait);

	if (key && !(key_to_poll(key) & (EPOLLIN | EPOLLERR | EPOLLHUP)))
		return 0;
	list_del_init(&wait->entry);
	asv_vq_kick(&rx->vq);
	return 0;
}

static void asv_net_rx_disarm(struct asv_net_rx *rx, struct socket *sock)
{
	struct wait_queue_head *head = sk_sleep(sock->sk);
	unsigned long flags;

	spin_lock_irqsave(&head->lock, flags);
	list_del_init(&rx->wait.entry);
	spin_unlock_irqrestore(&head->lock, flags);
}

static bool asv_net_rx_ready(struct asv_vq *vq)
{
	struct asv_net_rx *rx = container_of(vq, struct asv_net_rx, vq);
	struct socket *sock = asv_vq_backend(vq);

	if (rx->ring)
		return rx->head != rx->tail || !ptr_ring_empty(rx->ring);
	return !skb_queue_empty_lockless(&sock->sk->sk_receive_queue);
}

/* Wait for a packet. Return: true if one came meanwhile, and nothing waits. */
static bool asv_net_rx_arm(struct asv_net_rx *rx, struct socket *sock)
{
	add_wait_queue(sk_sleep(sock->sk), &rx->wait);
	/* Pairs with wq_has_sleeper(): the sender sees us, or we see its packet. */
	smp_mb();
	if (likely(!asv_net_rx_ready(&rx->vq)))
		return false;
	asv_net_rx_disarm(rx, sock);
	return true;
}

static int asv_net_rx_ptr_len(void *ptr)
{
	if (tun_is_xdp_frame(ptr))
		return tun_ptr_to_xdp(ptr)->len;
	return __skb_array_len_with_tag(ptr);
}

static int asv_net_rx_queue_len(struct sk_buff_head *queue)
{
	struct sk_buff *skb;
	unsigned long flags;
	int len = -1;

	spin_lock_irqsave(&queue->lock, flags);
	skb = skb_peek(queue);
	if (skb)
		len = __skb_array_len_with_tag(skb);
	spin_unlock_irqrestore(&queue->lock, flags);
	return len;
}

/* Length of the next packet without any header, or -1 if there is none. */
static int asv_net_rx_peek(struct asv_net_rx *rx, struct socket *sock)
{
	if (!rx->ring)
		return asv_net_rx_queue_len(&sock->sk->sk_receive_queue);
	if (rx->head == rx->tail) {
		rx->head = 0;
		rx->tail = ptr_ring_consume_batched(rx->ring, rx->batch, ASV_NET_BATCH);
		if (!rx->tail)
			return -1;
	}
	return asv_net_rx_ptr_len(rx->batch[rx->head]);
}

/* Give the filled buffers to the guest. */
static void asv_net_rx_flush(struct asv_net_rx *rx)
{
	if (!rx->nused)
		return;
	if (!asv_vq_add_used(&rx->vq, rx->used, rx->nused))
		asv_vq_signal(&rx->vq);
	rx->nused = 0;
}

/**
 * struct asv_net_bufs - the guest's buffers for one packet
 * @segs: segments, in rx->iov
 * @chains: in rx->used, from rx->nused on
 * @slots: of the ring
 */
struct asv_net_bufs {
	unsigned int segs;
	unsigned int chains;
	unsigned int slots;
};

/*
 * Take buffers for @len bytes. Return: 1; 0 if the ring has too few; -EMSGSIZE if
 * the packet is too long for the guest; -EAGAIN and -EIO as of asv_vq_pop(). None
 * is taken then.
 */
static int asv_net_rx_collect(struct asv_net_rx *rx, u32 len, struct asv_net_bufs *bufs)
{
	struct asv_used *used = rx->used + rx->nused;
	bool mergeable = asv_has_feature(rx->vq.dev, VIRTIO_NET_F_MRG_RXBUF);
	struct asv_chain chain;
	int ret;

	memset(bufs, 0, sizeof(*bufs));
	do {
		ret = asv_vq_pop(&rx->vq, &chain, rx->iov + bufs->segs, ASV_VHOST_MAX_CHAIN);
		if (ret <= 0)
			goto undo;
		bufs->slots += chain.slots;
		if (unlikely(chain.nout || !chain.nin || bufs->slots > rx->vq.num)) {
			asv_vq_break(&rx->vq, chain.nout || !chain.nin ?
				     "receive buffer not writable" :
				     "more buffers than the ring has");
			asv_vq_discard(&rx->vq, chain.slots);
			bufs->slots -= chain.slots;
			ret = -EIO;
			goto undo;
		}
		used->id = chain.id;
		used->slots = chain.slots;
		used->len = min(len, chain.in_len);
		len -= used->len;
		used++;
		bufs->segs += chain.nin;
		bufs->chains++;
	} while (len && mergeable && bufs->segs < ASV_VHOST_MAX_CHAIN);
	if (!len)
		return 1;
	ret = -EMSGSIZE;
undo:
	if (bufs->slots)
		asv_vq_discard(&rx->vq, bufs->slots);
	return ret;
}

static void asv_net_iter(struct iov_iter *iter, const struct iovec *iov, unsigned int segs,
			 size_t len)
{
	if (segs == 1)
		iov_iter_ubuf(iter, ITER_DEST, iov->iov_base, len);
	else
		iov_iter_init(iter, ITER_DEST, iov, segs, len);
}

/* Fill in what the socket's header, if any, leaves out. Return: 0 or -EFAULT. */
static int asv_net_rx_finish_hdr(struct asv_net_rx *rx, const struct asv_net_bufs *bufs)
{
	const size_t offset = offsetof(struct virtio_net_hdr_mrg_rxbuf, num_buffers);
	const struct iovec *iov = rx->iov;
	__virtio16 num = (__force __virtio16)cpu_to_le16(bufs->chains);
	struct iov_iter iter;

	if (!rx->hdr.own && rx->hdr.sock <= offset)
		return 0;
	if (!rx->hdr.own && likely(iov->iov_len >= offset + sizeof(num)))
		return put_user(num, (__virtio16 __user *)(iov->iov_base + offset));
	asv_net_iter(&iter, iov, bufs->segs, rx->hdr.own + rx->hdr.sock);
	if (!rx->hdr.own)
		iov_iter_advance(&iter, offset);
	else if (copy_to_iter(&asv_net_plain, offset, &iter) != offset)
		return -EFAULT;
	if (!iov_iter_count(&iter))
		return 0;
	return copy_to_iter(&num, sizeof(num), &iter) == sizeof(num) ? 0 : -EFAULT;
}

/* Take the next packet off the socket into @iter. False if it did not fill it. */
static bool asv_net_rx_recv(struct asv_net_rx *rx, struct socket *sock,
			    const struct iov_iter *iter)
{
	struct msghdr msg = { .msg_flags = MSG_DONTWAIT, .msg_iter = *iter };
	size_t len = iov_iter_count(iter);

	if (rx->ring)
		msg.msg_control = rx->batch[rx->head++];
	if (sock->ops->recvmsg(sock, &msg, len, MSG_DONTWAIT | MSG_TRUNC) != len)
		return false;
	/* A page of the guest that is not there shows only in what is left over. */
	return !iov_iter_count(&msg.msg_iter);
}

/* A packet that the guest has no buffer for, and never will. */
static void asv_net_rx_drop(struct asv_net_rx *rx, struct socket *sock)
{
	struct msghdr msg = { .msg_flags = MSG_DONTWAIT };

	if (rx->ring)
		tun_ptr_free(rx->batch[rx->head++]);
	else
		sock->ops->recvmsg(sock, &msg, 0, MSG_DONTWAIT | MSG_TRUNC);
	rx->vq.stats.failed++;
}

/*
 * Move the next packet, @len bytes without a header, into the guest.
 * Return: 1 if it is gone from the socket; else as asv_net_rx_collect().
 */
static int asv_net_rx_packet(struct asv_net_rx *rx, struct socket *sock, u32 len)
{
	struct asv_vq *vq = &rx->vq;
	u32 total = len + rx->hdr.own + rx->hdr.sock;
	struct asv_net_bufs bufs;
	struct iov_iter iter;
	int ret;

	ret = asv_net_rx_collect(rx, total, &bufs);
	if (ret == -EMSGSIZE) {
		asv_net_rx_drop(rx, sock);
		return 1;
	}
	if (ret <= 0)
		return ret;
	trace_asv_request_start(vq, rx->used[rx->nused].id, ASV_NET_RX, 0, total);
	asv_net_iter(&iter, rx->iov, bufs.segs, total);
	iov_iter_advance(&iter, rx->hdr.own);
	if (unlikely(!asv_net_rx_recv(rx, sock, &iter) || asv_net_rx_finish_hdr(rx, &bufs))) {
		trace_asv_request_end(vq, rx->used[rx->nused].id, 0, -EFAULT);
		asv_vq_discard(vq, bufs.slots);
		vq->stats.failed++;
		return 1;
	}
	asv_vq_log(vq, rx->iov, bufs.segs, total);
	trace_asv_request_end(vq, rx->used[rx->nused].id, total, 0);
	rx->nused += bufs.chains;
	vq->stats.requests++;
	vq->stats.bytes_in += len;
	asv_vq_charge(vq, 1, len);
	return 1;
}

enum asv_next asv_net_rx_serve(struct asv_vq *vq)
{
	struct asv_net_rx *rx = container_of(vq, struct asv_net_rx, vq);
	struct socket *sock = asv_vq_backend(vq);
	enum asv_next next = ASV_NEXT_AGAIN;
	unsigned int packets, bytes = 0;
	int len, ret;

	if (!list_empty_careful(&rx->wait.entry))
		asv_net_rx_disarm(rx, sock);
	for (packets = 0; packets < ASV_NET_TURN_PACKETS && bytes < ASV_NET_TURN_BYTES;
	     packets++, bytes += len) {
		if (asv_vq_throttled(vq)) {
			next = ASV_NEXT_WAIT;
			break;
		}
		len = asv_net_rx_peek(rx, sock);
		if (len < 0) {
			asv_net_rx_flush(rx);
			len = 0;
			if (vq->busyloop_us && asv_vq_busy_poll(vq, asv_net_rx_ready))
				continue;
			if (asv_net_rx_arm(rx, sock))
				continue;
			return ASV_NEXT_WAIT;
		}
		ret = asv_net_rx_packet(rx, sock, len);
		if (ret <= 0) {
			next = ret ? ASV_NEXT_WAIT : ASV_NEXT_EMPTY;
			break;
		}
		if (rx->nused >= ASV_NET_BATCH)
			asv_net_rx_flush(rx);
	}
	asv_net_rx_flush(rx);
	return next;
}

void asv_net_rx_attach(struct asv_net_rx *rx, struct ptr_ring *ring)
{
	rx->ring = ring;
	rx->head = 0;
	rx->tail = 0;
}

void asv_net_rx_detach(struct asv_net_rx *rx, struct socket *sock)
{
	asv_net_rx_disarm(rx, sock);
	if (rx->head != rx->tail)
		ptr_ring_unconsume(rx->ring, rx->batch + rx->head, rx->tail - rx->head,
				   tun_ptr_free);
	rx->head = 0;
	rx->tail = 0;
	rx->ring = NULL;
}

void asv_net_rx_init(struct asv_net_rx *rx)
{
	init_waitqueue_func_entry(&rx->wait, asv_net_rx_wake);
	INIT_LIST_HEAD(&rx->wait.entry);
}
