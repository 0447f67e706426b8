// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages behind guest memory: pinned for one request, or taken from the pages that
 * ASV_SET_PREPIN keeps pinned.
 *
 * A pre-pinned region has an array with an entry for each of its pages. When the
 * mapping of a range goes away, an mmu notifier marks its entries, and a work unpins
 * those pages; requests for that range pin for themselves from then on. A request
 * takes a reference of its own to a pre-pinned page and looks at the entry again
 * after that: if it is unchanged, the page was still pinned, and so still the
 * region's, when the reference was taken.
 */
#include <linux/export.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "core.h"

/* Pages that are pinned or unpinned in one go. */
#define ASV_PIN_BATCH		64UL

/* Mark of an entry whose page is still pinned but not the region's any more. */
#define ASV_PIN_STALE		1UL

/**
 * struct asv_pin - the pages of a pre-pinned region
 * @notifier: on the region's addresses
 * @mm: the owner's, held
 * @start: address of the first page
 * @n: of @entry
 * @lock: changes of @entry, and the stale range
 * @stale_first: entries that may be stale, for @drop
 * @stale_end: one past them
 * @drop: unpins stale pages
 * @entry: page pointers, 0 for none, read without @lock
 */
struct asv_pin {
	struct mmu_interval_notifier notifier;
	struct mm_struct *mm;
	unsigned long start;
	unsigned long n;
	spinlock_t lock;	/* entry, stale_first, stale_end */
	unsigned long stale_first;
	unsigned long stale_end;
	struct work_struct drop;
	unsigned long *entry;
};

/* ---- one request ---- */

/* A reference to the page of an entry, or NULL if the entry is stale by then. */
static struct page *asv_pin_ref(const struct asv_pin *pin, unsigned long i)
{
	unsigned long entry = READ_ONCE(pin->entry[i]);
	struct page *page = (struct page *)entry;
	struct folio *folio;

	if (!entry || entry & ASV_PIN_STALE)
		return NULL;
	folio = page_folio(page);
	if (!folio_try_get(folio))
		return NULL;
	if (likely(READ_ONCE(pin->entry[i]) == entry && page_folio(page) == folio))
		return page;
	folio_put(folio);
	return NULL;
}

static void asv_put_refs(struct page **pages, unsigned int n)
{
	while (n--)
		put_page(pages[n]);
}

static const struct asv_pin *asv_pin_find(struct asv_vq *vq, unsigned long addr,
					  unsigned int npages)
{
	const struct asv_mem *mem = vq->mem;
	unsigned int i;

	for (i = 0; i < mem->n; i++) {
		const struct asv_pin *pin = READ_ONCE(mem->region[i].pin);
		unsigned long first;

		if (!pin || addr < pin->start)
			continue;
		first = (addr - pin->start) >> PAGE_SHIFT;
		if (first < pin->n && npages <= pin->n - first)
			return pin;
	}
	return NULL;
}

static bool asv_pin_prepinned(struct asv_vq *vq, unsigned long addr, unsigned int npages,
			      struct page **pages)
{
	const struct asv_pin *pin = asv_pin_find(vq, addr, npages);
	unsigned long first;
	unsigned int i;

	if (!pin)
		return false;
	first = (addr - pin->start) >> PAGE_SHIFT;
	for (i = 0; i < npages; i++) {
		pages[i] = asv_pin_ref(pin, first + i);
		if (!pages[i]) {
			asv_put_refs(pages, i);
			return false;
		}
	}
	return true;
}

int asv_pin(struct asv_vq *vq, unsigned long uaddr, unsigned int npages, bool write,
	    struct page **pages, bool *prepinned)
{
	unsigned long addr = uaddr & PAGE_MASK;
	int n;

	*prepinned = unlikely(vq->mem->pinned) && asv_pin_prepinned(vq, addr, npages, pages);
	if (*prepinned)
		return 0;
	n = pin_user_pages_fast(addr, npages, write ? FOLL_WRITE : 0, pages);
	if (likely(n == npages))
		return 0;
	if (n > 0)
		unpin_user_pages(pages, n);
	if (n == -ENOMEM || n == -EINTR)
		return n;
	return -EFAULT;
}
EXPORT_SYMBOL_GPL(asv_pin);

void asv_unpin(struct page **pages, unsigned int npages, bool prepinned, bool dirty)
{
	/* Pages that stay pinned are made dirty when they are let go. */
	if (unlikely(prepinned))
		asv_put_refs(pages, npages);
	else if (dirty)
		unpin_user_pages_dirty_lock(pages, npages, true);
	else
		unpin_user_pages(pages, npages);
}
EXPORT_SYMBOL_GPL(asv_unpin);

/* ---- keeping pages pinned ---- */

static void asv_pin_give_back(struct asv_pin *pin, struct page **pages, unsigned long n)
{
	unpin_user_pages_dirty_lock(pages, n, true);
	account_locked_vm(pin->mm, n, false);
}

/* Take up to a batch of pages out of the entries from *@i on; 0 at @end. */
static unsigned long asv_pin_collect(struct asv_pin *pin, unsigned long *i, unsigned long end,
				     bool all, struct page **pages)
{
	unsigned long n = 0;

	spin_lock(&pin->lock);
	for (; *i < end && n < ASV_PIN_BATCH; ++*i) {
		unsigned long entry = pin->entry[*i];

		if (!entry || !(all || entry & ASV_PIN_STALE))
			continue;
		pages[n++] = (struct page *)(entry & ~ASV_PIN_STALE);
		WRITE_ONCE(pin->entry[*i], 0);
	}
	spin_unlock(&pin->lock);
	return n;
}

static void asv_pin_unpin_range(struct asv_pin *pin, unsigned long first, unsigned long end,
				bool all)
{
	struct page *pages[ASV_PIN_BATCH];
	unsigned long n;

	while ((n = asv_pin_collect(pin, &first, end, all, pages))) {
		asv_pin_give_back(pin, pages, n);
		cond_resched();
	}
}

static void asv_pin_drop_work(struct work_struct *work)
{
	struct asv_pin *pin = container_of(work, struct asv_pin, drop);
	unsigned long first, end;

	spin_lock(&pin->lock);
	first = pin->stale_first;
	end = pin->stale_end;
	pin->stale_first = pin->n;
	pin->stale_end = 0;
	spin_unlock(&pin->lock);
	asv_pin_unpin_range(pin, first, end, false);
}

/*
 * Pages of the range may be other ones from now on. Changes of protection alone,
 * automatic NUMA balancing among them, leave the pages what they are.
 */
static bool asv_pin_invalidate(struct mmu_interval_notifier *notifier,
			       const struct mmu_notifier_range *range, unsigned long seq)
{
	struct asv_pin *pin = container_of(notifier, struct asv_pin, notifier);
	unsigned long i, end;
	bool stale = false;

	spin_lock(&pin->lock);
	mmu_interval_set_seq(notifier, seq);
	if (range->event != MMU_NOTIFY_UNMAP && range->event != MMU_NOTIFY_CLEAR)
		goto unlock;
	i = range->start > pin->start ? (range->start - pin->start) >> PAGE_SHIFT : 0;
	end = min(pin->n, PFN_UP(range->end - pin->start));
	pin->stale_first = min(pin->stale_first, i);
	pin->stale_end = max(pin->stale_end, end);
	for (; i < end; i++) {
		if (pin->entry[i]) {
			WRITE_ONCE(pin->entry[i], pin->entry[i] | ASV_PIN_STALE);
			stale = true;
		}
	}
unlock:
	spin_unlock(&pin->lock);
	if (stale)
		schedule_work(&pin->drop);
	return true;
}

static const struct mmu_interval_notifier_ops asv_pin_notifier_ops = {
	.invalidate = asv_pin_invalidate,
};

/* Pin a batch, and again as long as its mapping changes meanwhile. */
static int asv_pin_batch(struct asv_pin *pin, unsigned long first, unsigned long n)
{
	struct page *pages[ASV_PIN_BATCH];
	unsigned long seq, i;
	int got;

	for (;;) {
		if (fatal_signal_pending(current))
			return -EINTR;
		seq = mmu_interval_read_begin(&pin->notifier);
		got = pin_user_pages_fast(pin->start + (first << PAGE_SHIFT), n,
					  FOLL_WRITE | FOLL_LONGTERM, pages);
		if (got != n) {
			if (got > 0)
				unpin_user_pages(pages, got);
			return got < 0 ? got : -EFAULT;
		}
		spin_lock(&pin->lock);
		if (!mmu_interval_read_retry(&pin->notifier, seq))
			break;
		spin_unlock(&pin->lock);
		unpin_user_pages(pages, n);
		cond_resched();
	}
	for (i = 0; i < n; i++)
		WRITE_ONCE(pin->entry[first + i], (unsigned long)pages[i]);
	spin_unlock(&pin->lock);
	return 0;
}

static void asv_pin_free(struct asv_pin *pin)
{
	mmu_interval_notifier_remove(&pin->notifier);
	cancel_work_sync(&pin->drop);
	asv_pin_unpin_range(pin, 0, pin->n, true);
	mmdrop(pin->mm);
	kvfree(pin->entry);
	kfree(pin);
}

/* Pin all pages; each batch is charged before it is pinned. */
static int asv_pin_fill(struct asv_pin *pin)
{
	unsigned long first, n;
	int ret;

	for (first = 0; first < pin->n; first += n) {
		n = min(ASV_PIN_BATCH, pin->n - first);
		ret = account_locked_vm(pin->mm, n, true);
		if (ret)
			return ret;
		ret = asv_pin_batch(pin, first, n);
		if (ret) {
			account_locked_vm(pin->mm, n, false);
			return ret;
		}
		cond_resched();
	}
	return 0;
}

static struct asv_pin *asv_pin_create(struct mm_struct *mm, const struct asv_region *region)
{
	struct asv_pin *pin;
	int ret = -ENOMEM;

	pin = kzalloc(sizeof(*pin), GFP_KERNEL_ACCOUNT);
	if (!pin)
		return ERR_PTR(-ENOMEM);
	pin->mm = mm;
	pin->start = region->uaddr & PAGE_MASK;
	pin->n = PFN_UP(region->uaddr + region->size) - PFN_DOWN(region->uaddr);
	pin->stale_first = pin->n;
	spin_lock_init(&pin->lock);
	INIT_WORK(&pin->drop, asv_pin_drop_work);
	pin->entry = kvcalloc(pin->n, sizeof(*pin->entry), GFP_KERNEL_ACCOUNT);
	if (!pin->entry)
		goto free;
	ret = mmu_interval_notifier_insert(&pin->notifier, mm, pin->start,
					   pin->n << PAGE_SHIFT, &asv_pin_notifier_ops);
	if (ret)
		goto free;
	mmgrab(mm);
	ret = asv_pin_fill(pin);
	if (ret) {
		asv_pin_free(pin);
		return ERR_PTR(ret);
	}
	return pin;
free:
	kvfree(pin->entry);
	kfree(pin);
	return ERR_PTR(ret);
}

/*
 * Pin a whole memory table. dev->mutex held, called by the owner. -ENOMEM over
 * RLIMIT_MEMLOCK, -EFAULT if part of it is not writable memory, -EINTR.
 */
int asv_prepin_mem(struct asv_dev *dev, struct asv_mem *mem)
{
	unsigned int i;

	if (!asv_mem_access_ok(mem, NULL, false))
		return -EFAULT;
	for (i = 0; i < mem->n; i++) {
		struct asv_pin *pin = asv_pin_create(dev->mm, &mem->region[i]);

		if (IS_ERR(pin)) {
			asv_prepin_drop(dev, mem);
			return PTR_ERR(pin);
		}
		WRITE_ONCE(mem->region[i].pin, pin);
	}
	WRITE_ONCE(mem->pinned, true);
	return 0;
}

/* Requests that run keep the references that they have. dev->mutex held. */
void asv_prepin_drop(struct asv_dev *dev, struct asv_mem *mem)
{
	unsigned int i;

	WRITE_ONCE(mem->pinned, false);
	/* Pins are looked up under vq->mutex: let go of it once, none is in use. */
	for (i = 0; i < dev->nvqs; i++) {
		mutex_lock(&dev->vqs[i]->mutex);
		mutex_unlock(&dev->vqs[i]->mutex);
	}
	for (i = 0; i < mem->n; i++) {
		struct asv_pin *pin = mem->region[i].pin;

		mem->region[i].pin = NULL;
		if (pin)
			asv_pin_free(pin);
	}
}
