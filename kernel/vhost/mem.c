// SPDX-License-Identifier: GPL-2.0-only
/* The memory table: which guest physical addresses are where in the owner's mm. */
#include <linux/export.h>
#include <linux/slab.h>
#include <linux/sort.h>

#include "core.h"

/* The region with @gpa in it, or NULL. */
const struct asv_region *asv_mem_find(const struct asv_mem *mem, u64 gpa)
{
	unsigned int low = 0, high = mem->n;

	while (low < high) {
		unsigned int mid = low + (high - low) / 2;
		const struct asv_region *region = &mem->region[mid];

		if (gpa - region->gpa < region->size)
			return region;
		if (gpa < region->gpa)
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}

/* A range that is not in the last region: it may be in another, or in several. */
static int asv_mem_translate(struct asv_vq *vq, u64 addr, u64 len, struct iovec *iov,
			     unsigned int iov_max)
{
	const struct asv_mem *mem = vq->mem;
	unsigned int n;

	for (n = 0; len; n++) {
		const struct asv_region *region = asv_mem_find(mem, addr);
		u64 part;

		if (unlikely(!region))
			return -EFAULT;
		if (unlikely(n == iov_max))
			return -ENOBUFS;
		vq->mem_hint = region - mem->region;
		part = min(len, region->size - (addr - region->gpa));
		iov[n].iov_base = u64_to_user_ptr(region->uaddr + (addr - region->gpa));
		iov[n].iov_len = part;
		addr += part;
		len -= part;
	}
	return n;
}

int asv_vq_translate(struct asv_vq *vq, u64 addr, u64 len, bool write,
		     struct iovec *iov, unsigned int iov_max)
{
	const struct asv_region *region;
	u64 off;

	if (unlikely(vq->dev->iotlb))
		return asv_iotlb_translate(vq, addr, len, write, iov, iov_max);
	region = &vq->mem->region[vq->mem_hint];
	off = addr - region->gpa;
	if (unlikely(off >= region->size || len > region->size - off || !iov_max))
		return asv_mem_translate(vq, addr, len, iov, iov_max);
	iov->iov_base = u64_to_user_ptr(region->uaddr + off);
	iov->iov_len = len;
	return 1;
}
EXPORT_SYMBOL_GPL(asv_vq_translate);

/* Is every region user memory, and with @log every page's bit in the log too? */
bool asv_mem_access_ok(const struct asv_mem *mem, void __user *log_base, bool log)
{
	unsigned int i;

	for (i = 0; i < mem->n; i++) {
		const struct asv_region *region = &mem->region[i];

		if (!access_ok(u64_to_user_ptr(region->uaddr), region->size))
			return false;
		if (log && !asv_log_access_ok(log_base, region->gpa, region->size))
			return false;
	}
	return true;
}

static int asv_region_cmp(const void *a, const void *b)
{
	const struct asv_region *x = a, *y = b;

	return x->gpa < y->gpa ? -1 : x->gpa > y->gpa;
}

static int asv_mem_check(const struct asv_mem *mem)
{
	unsigned int i;

	for (i = 0; i < mem->n; i++) {
		const struct asv_region *region = &mem->region[i];

		if (!region->size || region->gpa + region->size - 1 < region->gpa)
			return -EFAULT;
		if (i + 1 < mem->n && region[1].gpa - region->gpa < region->size)
			return -EFAULT;
	}
	return 0;
}

static struct asv_mem *asv_mem_read(void __user *argp)
{
	struct vhost_memory __user *from = argp;
	struct vhost_memory_region entry;
	struct vhost_memory head;
	struct asv_mem *mem;
	unsigned int i;
	int ret;

	if (copy_from_user(&head, from, sizeof(head)))
		return ERR_PTR(-EFAULT);
	if (head.padding)
		return ERR_PTR(-EOPNOTSUPP);
	if (head.nregions > ASV_VHOST_MAX_MEM_REGIONS)
		return ERR_PTR(-E2BIG);
	mem = kvzalloc(struct_size(mem, region, max(head.nregions, 1U)), GFP_KERNEL_ACCOUNT);
	if (!mem)
		return ERR_PTR(-ENOMEM);
	mem->n = head.nregions;
	for (i = 0; i < mem->n; i++) {
		if (copy_from_user(&entry, &from->regions[i], sizeof(entry))) {
			ret = -EFAULT;
			goto free;
		}
		mem->region[i].gpa = entry.guest_phys_addr;
		mem->region[i].size = entry.memory_size;
		mem->region[i].uaddr = entry.userspace_addr;
	}
	sort(mem->region, mem->n, sizeof(mem->region[0]), asv_region_cmp, NULL);
	ret = asv_mem_check(mem);
	if (ret)
		goto free;
	return mem;
free:
	kvfree(mem);
	return ERR_PTR(ret);
}

void asv_mem_free(struct asv_dev *dev, struct asv_mem *mem)
{
	if (!mem)
		return;
	asv_prepin_drop(dev, mem);
	kvfree(mem);
}

/* Could the queues that run now go on with this table? */
static bool asv_mem_usable(struct asv_dev *dev, const struct asv_mem *mem)
{
	unsigned int i;

	for (i = 0; i < dev->nvqs; i++) {
		struct asv_vq *vq = dev->vqs[i];
		bool ok = true;

		mutex_lock(&vq->mutex);
		if (vq->backend)
			ok = asv_mem_access_ok(mem, vq->log_base, vq->log);
		mutex_unlock(&vq->mutex);
		if (!ok)
			return false;
	}
	return true;
}

/*
 * VHOST_SET_MEM_TABLE, dev->mutex held. When it returns no queue uses the old
 * table, and no I/O to its pages is in flight.
 */
long asv_mem_set(struct asv_dev *dev, void __user *argp)
{
	struct asv_mem *mem, *old = dev->mem;
	unsigned int i;
	int ret;

	mem = asv_mem_read(argp);
	if (IS_ERR(mem))
		return PTR_ERR(mem);
	if (!asv_mem_usable(dev, mem)) {
		asv_mem_free(dev, mem);
		return -EFAULT;
	}
	if (dev->prepin) {
		/* Both tables at once would be charged twice. */
		if (old)
			asv_prepin_drop(dev, old);
		ret = asv_prepin_mem(dev, mem);
		if (ret) {
			asv_mem_free(dev, mem);
			return ret;
		}
	}
	for (i = 0; i < dev->nvqs; i++) {
		struct asv_vq *vq = dev->vqs[i];

		asv_vq_pause(vq);
		mutex_lock(&vq->mutex);
		vq->mem = mem;
		vq->mem_hint = 0;
		mutex_unlock(&vq->mutex);
		asv_vq_resume(vq);
	}
	dev->mem = mem;
	asv_mem_free(dev, old);
	return 0;
}
