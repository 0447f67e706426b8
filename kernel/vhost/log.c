// SPDX-License-Identifier: GPL-2.0-only
/*
 * The dirty log: one bit for each 4 KiB of guest physical memory, in the owner's
 * memory, set by atomic 32-bit operations.
 *
 * Memory is marked by its user address, for in IOTLB mode that is all a chain has.
 * A page that the guest sees at two addresses is marked at both, as it should be.
 */
#include <linux/bits.h>
#include <linux/export.h>
#include <linux/overflow.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <asm/futex.h>

#include "core.h"

bool asv_log_access_ok(void __user *log_base, u64 addr, u64 len)
{
	u64 first = addr / VHOST_PAGE_SIZE / 8;
	u64 last = (addr + len - 1) / VHOST_PAGE_SIZE / 8;

	return access_ok(log_base + first, last - first + 1);
}

static int asv_log_gpa(void __user *log_base, u64 gpa, u64 len)
{
	u64 page = gpa / VHOST_PAGE_SIZE;
	u64 last = (gpa + len - 1) / VHOST_PAGE_SIZE;

	while (page <= last) {
		unsigned long byte = (unsigned long)log_base + page / 8;
		u32 __user *word = (u32 __user *)(byte & ~3UL);
		unsigned int bit = (byte & 3) * 8 + page % 8;
		unsigned int n = min_t(u64, last - page + 1, 32 - bit);
		int old;

		if (arch_futex_atomic_op_inuser(FUTEX_OP_OR, GENMASK(bit + n - 1, bit), &old,
						word))
			return -EFAULT;
		page += n;
	}
	return 0;
}

/* Mark a range of the owner's memory wherever the guest sees it. */
static int asv_log_uaddr(struct asv_vq *vq, u64 uaddr, u64 len)
{
	const struct asv_mem *mem = vq->mem;
	bool hit = false;
	unsigned int i;
	int ret;

	for (i = 0; i < mem->n; i++) {
		const struct asv_region *region = &mem->region[i];
		u64 first = max(uaddr, region->uaddr);
		u64 last = min(uaddr + len - 1, region->uaddr + region->size - 1);

		if (first > last)
			continue;
		ret = asv_log_gpa(vq->log_base, region->gpa + (first - region->uaddr),
				  last - first + 1);
		if (ret)
			return ret;
		hit = true;
	}
	return hit ? 0 : -EFAULT;
}

static void asv_log_done(struct asv_vq *vq, int ret)
{
	if (unlikely(ret))
		asv_vq_break(vq, "dirty log cannot be written");
	else if (vq->log_fd)
		eventfd_signal(vq->log_fd);
}

void __asv_vq_log(struct asv_vq *vq, const struct iovec *iov, unsigned int n, u64 len)
{
	unsigned int i;
	int ret = 0;

	if (!vq->log_base)
		return;
	/* Data are written before the bit that says so. */
	smp_wmb();
	for (i = 0; i < n && len && !ret; i++) {
		u64 part = min_t(u64, len, iov[i].iov_len);

		if (part)
			ret = asv_log_uaddr(vq, (unsigned long)iov[i].iov_base, part);
		len -= part;
	}
	asv_log_done(vq, ret);
}
EXPORT_SYMBOL_GPL(__asv_vq_log);

/*
 * The device's area of the ring has its guest address from VHOST_SET_VRING_ADDR;
 * that of a packed ring's descriptors, and of all in IOTLB mode, is looked up.
 */
void __asv_log_area(struct asv_vq *vq, enum asv_area_type type, u32 off, u32 len)
{
	int ret;

	if (!vq->log_base)
		return;
	/* The ring is written before the bit that says so. */
	smp_wmb();
	if (type == ASV_AREA_DEVICE && !vq->dev->iotlb)
		ret = asv_log_gpa(vq->log_base, vq->log_addr + off, len);
	else
		ret = asv_log_uaddr(vq, (unsigned long)asv_area_ptr(vq, type, off), len);
	asv_log_done(vq, ret);
}
