// SPDX-License-Identifier: GPL-2.0-only
/*
 * The gate: a private bio-based block device between one mount and its LUN.
 *
 * jbd2's checkpoint and the flusher write metadata without asking the
 * filesystem, so this is the only place that can stop every write when the mount
 * shuts down. It also keeps the metadata cache away from programs that read or
 * write the LUN itself. Nobody but the mount can open the gate.
 *
 * @users counts writes below the gate and those that are held; killing it is how the last
 * one is awaited. Each write asks the lease; sffs-locks.rst, "Time" 2, says why there is
 * a margin before its end: a write that was let through may take as long as that.
 */
#include <linux/bio.h>
#include <linux/idr.h>
#include <linux/mempool.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/percpu-refcount.h>
#include <linux/slab.h>

#include "sffs.h"

struct sffs_gate {
	struct gendisk *disk;
	struct asv_bdev lower;
	struct asv_bdev self;
	struct task_struct *opener;
	struct percpu_ref users;
	struct completion idle;
	struct sffs_lease *lease;
	u64 *progress;
	int id;
};

/* What a bio below the gate goes back to when it ends. */
struct sffs_gate_bio {
	struct sffs_gate *gate;
	bio_end_io_t *end_io;
	void *private;
};

/* One of them is kept for each processor: the next write there takes it without locks. */
static DEFINE_PER_CPU(struct sffs_gate_bio *, sffs_gate_spare);
static struct kmem_cache *sffs_gate_cache;
static mempool_t sffs_gate_pool;
static DEFINE_IDA(sffs_gate_ids);

/* Of what writes wait for: it needs no memory to go on. */
struct workqueue_struct *sffs_lease_wq;

static void sffs_gate_idle(struct percpu_ref *ref)
{
	struct sffs_gate *gate = container_of(ref, struct sffs_gate, users);

	complete(&gate->idle);
}

/* Something was asked of the gate, or done. */
static void sffs_gate_moved(struct sffs_gate *gate)
{
	if (unlikely(gate->progress))
		WRITE_ONCE(*gate->progress, ktime_get_boottime_ns());
}

static void sffs_gate_end_io(struct bio *bio)
{
	struct sffs_gate_bio *below = bio->bi_private;
	struct sffs_gate *gate = below->gate;

	bio->bi_end_io = below->end_io;
	bio->bi_private = below->private;
	if (unlikely(blk_status_to_errno(bio->bi_status) == -EBADE))
		sffs_conflict(&gate->lease->on_conflict);
	if (this_cpu_cmpxchg(sffs_gate_spare, NULL, below))
		mempool_free(below, &sffs_gate_pool);
	sffs_gate_moved(gate);
	bio->bi_end_io(bio);
	percpu_ref_put(&gate->users);
}

/* A command was refused for want of a key: somebody looks into it, if anybody does. */
void sffs_conflict(struct work_struct **on_conflict)
{
	struct work_struct *work = READ_ONCE(*on_conflict);

	if (work)
		queue_work(sffs_lease_wq, work);
}

static void sffs_gate_below(struct sffs_gate *gate, struct bio *bio)
{
	/* It counts for the disk below, too. */
	bio_clear_flag(bio, BIO_CGROUP_ACCT);
	bio_set_dev(bio, gate->lower.bdev);
	submit_bio_noacct(bio);
}

/*
 * The bio itself goes on to the device: a clone would cost more than all else here. What
 * reads is waited for by whoever asked for it, so only other bios are counted.
 */
static void sffs_gate_pass(struct sffs_gate *gate, struct bio *bio)
{
	struct sffs_gate_bio *below = this_cpu_xchg(sffs_gate_spare, NULL);

	if (!below)
		below = mempool_alloc(&sffs_gate_pool, GFP_NOIO);
	below->gate = gate;
	below->end_io = bio->bi_end_io;
	below->private = bio->bi_private;
	bio->bi_end_io = sffs_gate_end_io;
	bio->bi_private = below;
	sffs_gate_below(gate, bio);
}

static void sffs_gate_refuse(struct sffs_gate *gate, struct bio *bio)
{
	bio_io_error(bio);
	percpu_ref_put(&gate->users);
}

/* ---- The lease ---- */

static void sffs_lease_release(struct work_struct *work);

void sffs_lease_init(struct sffs_lease *lease)
{
	spin_lock_init(&lease->lock);
	INIT_WORK(&lease->release, sffs_lease_release);
	bio_list_init(&lease->held);
	lease->hold_at = U64_MAX;
	lease->fail_at = U64_MAX;
	lease->failed = false;
}

/**
 * sffs_lease_mode() - may this node write now?
 * @lease: its lease
 *
 * Context: any.
 * Return: the mode of its gates at this moment.
 */
enum sffs_gate_mode sffs_lease_mode(const struct sffs_lease *lease)
{
	u64 hold_at = READ_ONCE(lease->hold_at), now;

	if (unlikely(READ_ONCE(lease->failed)))
		return SFFS_GATE_FAIL;
	if (hold_at == U64_MAX)
		return SFFS_GATE_OPEN;		/* -o local */
	now = ktime_get_boottime_ns();
	if (likely(now < hold_at))
		return SFFS_GATE_OPEN;
	return now < READ_ONCE(lease->fail_at) ? SFFS_GATE_HOLD : SFFS_GATE_FAIL;
}

/* Let what is held go its way, which the mode tells: it may change between two of them. */
static void sffs_lease_release(struct work_struct *work)
{
	struct sffs_lease *lease = container_of(work, struct sffs_lease, release);
	enum sffs_gate_mode mode;
	struct sffs_gate *gate;
	struct bio *bio;

	for (;;) {
		spin_lock_irq(&lease->lock);
		mode = sffs_lease_mode(lease);
		bio = mode == SFFS_GATE_HOLD ? NULL : bio_list_pop(&lease->held);
		spin_unlock_irq(&lease->lock);
		if (!bio)
			return;
		gate = bio->bi_bdev->bd_disk->private_data;
		if (mode == SFFS_GATE_FAIL)
			sffs_gate_refuse(gate, bio);
		else
			sffs_gate_pass(gate, bio);
	}
}

/**
 * sffs_lease_renew() - the lease counts from a later time
 * @lease: the lease
 * @hold_at: when writes are held; 0: from now on
 * @fail_at: when they fail for good
 *
 * A lease that has ended, be it unseen, does not begin again. What was held goes on in a
 * work item: the heartbeat does not wait for a device that is busy.
 *
 * Context: does not sleep.
 * Return: whether the lease goes on.
 */
bool sffs_lease_renew(struct sffs_lease *lease, u64 hold_at, u64 fail_at)
{
	bool held;

	spin_lock_irq(&lease->lock);
	if (sffs_lease_mode(lease) == SFFS_GATE_FAIL)
		lease->failed = true;
	WRITE_ONCE(lease->fail_at, fail_at);
	WRITE_ONCE(lease->hold_at, hold_at);
	held = !bio_list_empty(&lease->held);
	spin_unlock_irq(&lease->lock);
	if (held)
		queue_work(sffs_lease_wq, &lease->release);
	return !READ_ONCE(lease->failed);
}

/* From now on every write fails, also what is held; reads go on. */
void sffs_lease_fail(struct sffs_lease *lease)
{
	spin_lock_irq(&lease->lock);
	WRITE_ONCE(lease->failed, true);
	spin_unlock_irq(&lease->lock);
	queue_work(sffs_lease_wq, &lease->release);
}

/* Nothing is held any more, and the lease may be freed: all gates are closed. */
void sffs_lease_exit(struct sffs_lease *lease)
{
	cancel_work_sync(&lease->release);
}

/* Keep a write until the lease is renewed or has ended. False: it need not wait. */
static bool sffs_lease_hold(struct sffs_lease *lease, struct bio *bio)
{
	bool held;

	spin_lock_irq(&lease->lock);
	held = sffs_lease_mode(lease) == SFFS_GATE_HOLD;
	if (held)
		bio_list_add(&lease->held, bio);
	spin_unlock_irq(&lease->lock);
	return held;
}

static void sffs_gate_submit(struct bio *bio)
{
	struct sffs_gate *gate = bio->bi_bdev->bd_disk->private_data;
	enum sffs_gate_mode mode;

	sffs_gate_moved(gate);
	if (!op_is_write(bio_op(bio))) {
		sffs_gate_below(gate, bio);
		return;
	}
	if (!percpu_ref_tryget(&gate->users)) {
		bio_io_error(bio);
		return;
	}
	mode = sffs_lease_mode(gate->lease);
	if (unlikely(mode == SFFS_GATE_HOLD)) {
		if (bio->bi_opf & REQ_NOWAIT) {
			bio_wouldblock_error(bio);
			percpu_ref_put(&gate->users);
			return;
		}
		if (sffs_lease_hold(gate->lease, bio))
			return;
		mode = sffs_lease_mode(gate->lease);
	}
	if (likely(mode == SFFS_GATE_OPEN))
		sffs_gate_pass(gate, bio);
	else
		sffs_gate_refuse(gate, bio);
}

static int sffs_gate_opened(ASV_DISK_OPEN_ARGS)
{
	struct sffs_gate *gate = ASV_DISK_OPENED->private_data;

	return READ_ONCE(gate->opener) == current ? 0 : -EBUSY;
}

static void sffs_gate_free_disk(struct gendisk *disk)
{
	struct sffs_gate *gate = disk->private_data;

	percpu_ref_exit(&gate->users);
	ida_free(&sffs_gate_ids, gate->id);
	kfree(gate);
}

static const struct block_device_operations sffs_gate_fops = {
	.owner		= THIS_MODULE,
	.submit_bio	= sffs_gate_submit,
	.open		= sffs_gate_opened,
	.free_disk	= sffs_gate_free_disk,
};

static int sffs_gate_open_self(struct sffs_gate *gate)
{
	int err;

	gate->opener = current;
	err = asv_bdev_open(&gate->self, disk_devt(gate->disk), true, gate);
	gate->opener = NULL;
	if (err)
		return err;
	err = asv_bdev_set_blocksize(&gate->self, SFFS_BLOCK_SIZE);
	if (err)
		asv_bdev_close(&gate->self);
	return err;
}

/**
 * sffs_gate_open() - open a device exclusively and put a gate over it
 * @lower: the device
 * @write: open it for writing too
 * @holder: whose gates may be over the device at the same time
 * @lease: what writes are asked for; outlives the gate
 *
 * Context: may sleep.
 * Return: the gate, or an error pointer: -EBUSY if somebody holds the device.
 */
struct sffs_gate *sffs_gate_open(dev_t lower, bool write, void *holder, struct sffs_lease *lease)
{
	struct sffs_gate *gate;
	int err;

	gate = kzalloc(sizeof(*gate), GFP_KERNEL);
	if (!gate)
		return ERR_PTR(-ENOMEM);
	init_completion(&gate->idle);
	gate->lease = lease;
	gate->id = ida_alloc(&sffs_gate_ids, GFP_KERNEL);
	err = gate->id;
	if (err < 0)
		goto free_gate;
	err = percpu_ref_init(&gate->users, sffs_gate_idle, 0, GFP_KERNEL);
	if (err)
		goto free_id;
	err = asv_bdev_open(&gate->lower, lower, write, holder);
	if (err)
		goto exit_ref;
	gate->disk = asv_stacked_disk(gate->lower.bdev, "sffs");
	if (IS_ERR(gate->disk)) {
		err = PTR_ERR(gate->disk);
		goto close_lower;
	}
	gate->disk->fops = &sffs_gate_fops;
	gate->disk->private_data = gate;
	gate->disk->flags |= GENHD_FL_NO_PART;
	snprintf(gate->disk->disk_name, DISK_NAME_LEN, "sffs%d", gate->id);
	set_capacity(gate->disk, bdev_nr_sectors(gate->lower.bdev));
	err = add_disk(gate->disk);
	if (err) {
		put_disk(gate->disk);	/* never added: leaves the gate alone */
		goto close_lower;
	}
	err = sffs_gate_open_self(gate);
	if (err) {
		del_gendisk(gate->disk);
		asv_bdev_close(&gate->lower);
		put_disk(gate->disk);	/* frees the gate */
		return ERR_PTR(err);
	}
	return gate;

close_lower:
	asv_bdev_close(&gate->lower);
exit_ref:
	percpu_ref_exit(&gate->users);
free_id:
	ida_free(&sffs_gate_ids, gate->id);
free_gate:
	kfree(gate);
	return ERR_PTR(err);
}

/**
 * sffs_gate_close() - wait for the last bio and remove the gate
 * @gate: the gate; nothing may use it any more
 */
void sffs_gate_close(struct sffs_gate *gate)
{
	asv_bdev_close(&gate->self);
	percpu_ref_kill(&gate->users);
	wait_for_completion(&gate->idle);
	del_gendisk(gate->disk);
	asv_bdev_close(&gate->lower);
	put_disk(gate->disk);
}

/* Keep the time, CLOCK_BOOTTIME, of the last bio that was sent or the last write that ended. */
void sffs_gate_watch(struct sffs_gate *gate, u64 *progress)
{
	gate->progress = progress;
}

struct block_device *sffs_gate_bdev(struct sffs_gate *gate)
{
	return gate->self.bdev;
}

/* What people call the device below. */
void sffs_gate_name(struct sffs_gate *gate, char *name, size_t size)
{
	snprintf(name, size, "%pg", gate->lower.bdev);
}

/* The device below, for commands that go beside the gate. */
struct block_device *sffs_gate_lower(struct sffs_gate *gate)
{
	return gate->lower.bdev;
}

bool sffs_gate_read_only(struct sffs_gate *gate)
{
	return !gate->lower.write || bdev_read_only(gate->lower.bdev);
}

/* Can the device not be written at all? Nobody's hold on it matters for that. */
bool sffs_device_read_only(dev_t dev)
{
	struct asv_bdev b = { };
	bool ro;

	if (asv_bdev_open(&b, dev, false, NULL))
		return false;	/* opening it in earnest will say why */
	ro = bdev_read_only(b.bdev);
	asv_bdev_close(&b);
	return ro;
}

/* Take notice when the device has become larger; its size in blocks. */
u64 sffs_gate_resize(struct sffs_gate *gate)
{
	sector_t sectors = bdev_nr_sectors(gate->lower.bdev);

	if (sectors > get_capacity(gate->disk))
		set_capacity(gate->disk, sectors);
	return sectors >> (SFFS_BLOCK_SHIFT - SECTOR_SHIFT);
}

/**
 * sffs_gate_io() - read or write whole blocks past every cache
 * @gate: the gate
 * @block: first block
 * @buf: memory from kmalloc() or the page allocator
 * @blocks: how many
 * @op: REQ_OP_READ or REQ_OP_WRITE and flags
 *
 * Context: sleeps until it is done.
 * Return: 0 or an error.
 */
int sffs_gate_io(struct sffs_gate *gate, u64 block, void *buf, unsigned int blocks, blk_opf_t op)
{
	while (blocks) {
		unsigned int n = min_t(unsigned int, blocks, BIO_MAX_VECS), i;
		struct bio *bio = bio_alloc(gate->self.bdev, n, op, GFP_NOFS);
		int err;

		bio->bi_iter.bi_sector = block << (SFFS_BLOCK_SHIFT - SECTOR_SHIFT);
		for (i = 0; i < n; i++)
			__bio_add_page(bio, virt_to_page(buf + i * SFFS_BLOCK_SIZE),
				       SFFS_BLOCK_SIZE,
				       offset_in_page(buf + i * SFFS_BLOCK_SIZE));
		err = submit_bio_wait(bio);
		bio_put(bio);
		if (err)
			return err;
		block += n;
		buf += n * SFFS_BLOCK_SIZE;
		blocks -= n;
	}
	return 0;
}

/* The same for less than a block: whole sectors of the device. */
int sffs_gate_io_part(struct sffs_gate *gate, u64 block, void *buf, u32 offset, u32 bytes,
		      blk_opf_t op)
{
	struct bio *bio = bio_alloc(gate->self.bdev, 1, op, GFP_NOFS);
	int err;

	bio->bi_iter.bi_sector = (block << (SFFS_BLOCK_SHIFT - SECTOR_SHIFT)) +
				 (offset >> SECTOR_SHIFT);
	__bio_add_page(bio, virt_to_page(buf), bytes, offset_in_page(buf + offset));
	err = submit_bio_wait(bio);
	bio_put(bio);
	return err;
}

/* Must a page under write-back stay as it is? For a device that adds checksums. */
bool sffs_gate_stable(const struct sffs_gate *gate)
{
	return bdev_stable_writes(gate->lower.bdev);
}

/* Write zeros, really: blocks that are only unmapped may read as anything. */
int sffs_gate_zero(struct sffs_gate *gate, u64 block, u32 count)
{
	sector_t first = block << (SFFS_BLOCK_SHIFT - SECTOR_SHIFT);
	sector_t sectors = (u64)count << (SFFS_BLOCK_SHIFT - SECTOR_SHIFT);
	int err;

	err = blkdev_issue_zeroout(gate->self.bdev, first, sectors, GFP_NOFS,
				   BLKDEV_ZERO_NOUNMAP);
	/* A device that has just found out that it cannot: pages of zeros then. */
	if (err && !bdev_write_zeroes_sectors(gate->lower.bdev))
		err = blkdev_issue_zeroout(gate->self.bdev, first, sectors, GFP_NOFS,
					   BLKDEV_ZERO_NOUNMAP);
	return err;
}

/**
 * sffs_gate_units() - what the device takes back by UNMAP
 * @gate: the gate
 * @units: filled in; @max is 0 if it takes nothing back
 *
 * A device may stop to take UNMAP while it is in use.
 */
void sffs_gate_units(struct sffs_gate *gate, struct sffs_units *units)
{
	struct block_device *bdev = gate->lower.bdev;
	u64 max = (u64)bdev_max_discard_sectors(bdev) << SECTOR_SHIFT;

	units->granularity = bdev_discard_granularity(bdev) ?: SFFS_BLOCK_SIZE;
	if (units->granularity < SFFS_BLOCK_SIZE)
		units->granularity = roundup(SFFS_BLOCK_SIZE, units->granularity);
	units->alignment = bdev_discard_alignment(bdev) % units->granularity;
	/* The size of a bio has 32 bits. */
	max = min_t(u64, max, round_down(UINT_MAX, SFFS_BLOCK_SIZE));
	units->max = max > units->granularity ? max - max % units->granularity : max;
}

/**
 * sffs_gate_unmap() - begin to give a stretch back to the device
 * @gate: the gate
 * @chain: what the call before returned, NULL at first; it is sent now
 * @from: first byte
 * @bytes: at most what sffs_gate_units() allows
 *
 * Context: sleeps.
 * Return: the bio of this stretch, for submit_bio_wait() if it is the last one.
 */
struct bio *sffs_gate_unmap(struct sffs_gate *gate, struct bio *chain, u64 from, u32 bytes)
{
	struct bio *bio = blk_next_bio(chain, gate->self.bdev, 0, REQ_OP_DISCARD, GFP_NOFS);

	bio->bi_iter.bi_sector = from >> SECTOR_SHIFT;
	bio->bi_iter.bi_size = bytes;
	return bio;
}

int sffs_gate_init(void)
{
	/* Those that are kept for processors are not in the reserve. */
	int err, reserve = 128 + num_possible_cpus();

	sffs_gate_cache = KMEM_CACHE(sffs_gate_bio, 0);
	if (!sffs_gate_cache)
		return -ENOMEM;
	err = -ENOMEM;
	sffs_lease_wq = alloc_workqueue("sffs_lease", WQ_MEM_RECLAIM | WQ_HIGHPRI | WQ_UNBOUND, 0);
	if (!sffs_lease_wq)
		goto destroy_cache;
	err = mempool_init_slab_pool(&sffs_gate_pool, reserve, sffs_gate_cache);
	if (!err)
		return 0;
	destroy_workqueue(sffs_lease_wq);
destroy_cache:
	kmem_cache_destroy(sffs_gate_cache);
	return err;
}

void sffs_gate_exit(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		mempool_free(per_cpu(sffs_gate_spare, cpu), &sffs_gate_pool);
	mempool_exit(&sffs_gate_pool);
	destroy_workqueue(sffs_lease_wq);
	kmem_cache_destroy(sffs_gate_cache);
}
