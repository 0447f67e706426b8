// SPDX-License-Identifier: GPL-2.0-only
/*
 * SCSI commands to the LUN below a mount: sent without the block layer's queueing and
 * without retries, so that what became of each is known, or known to be unknown.
 */
#include <linux/blk-mq.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <scsi/scsi_cmnd.h>
#include <scsi/scsi_device.h>
#include <scsi/scsi_eh.h>
#include <scsi/scsi_proto.h>

#include "fault.h"
#include "lun.h"
#include "sffs.h"

#define SFFS_LUN_RESERVE	4	/* operations that never wait for memory */
#define SFFS_FLIGHTS_SMALL	8	/* commands that need none */
#define SFFS_FLIGHTS_LARGE	2
#define SFFS_FLIGHTS_MOST	256	/* commands at a time, those given up included */
#define SFFS_CMD_TRIES		8	/* news that a target has in a row, at most */

/**
 * struct sffs_flight - a command in the hands of the block and SCSI layers
 * @lun: where to
 * @asker: who waits for it; NULL once it was answered or given up; lun->lock
 * @cmd: what is sent, and what came of it
 * @send: waits for a tag; of faults, delays the command or its answer
 * @late: gives up
 * @refs: one of @late, one of the command
 * @answered: it has ended
 * @stuck: its end is kept back once, see fault.c
 * @pool: where it is from
 * @buf: its data. A command that was given up may still use it.
 */
struct sffs_flight {
	struct sffs_lun *lun;
	struct sffs_cmd *asker;
	struct sffs_cmd cmd;
	struct delayed_work send;
	struct delayed_work late;
	refcount_t refs;
	bool answered;
	bool stuck;
	mempool_t *pool;
	u8 *buf;
};

static struct scsi_device *sffs_find_sdev(struct block_device *bdev)
{
	struct device *parent = disk_to_dev(bdev->bd_disk)->parent;
	struct scsi_device *sdev;

	if (!parent || !scsi_is_sdev_device(parent))
		return NULL;
	sdev = to_scsi_device(parent);
	/* What has a queue of its own over the device is not the device. */
	if (sdev->request_queue != bdev_get_queue(bdev) || scsi_device_get(sdev))
		return NULL;
	return sdev;
}

static unsigned int sffs_flight_small(const struct sffs_lun *lun)
{
	return max(2 * sffs_lun_sector(lun), (unsigned int)SZ_4K);
}

static void *sffs_flight_make(gfp_t gfp, unsigned int bytes)
{
	struct sffs_flight *flight = kmalloc(sizeof(*flight), gfp);

	if (!flight)
		return NULL;
	flight->buf = kmalloc(bytes, gfp);
	if (flight->buf)
		return flight;
	kfree(flight);
	return NULL;
}

static void *sffs_flight_make_small(gfp_t gfp, void *data)
{
	return sffs_flight_make(gfp, sffs_flight_small(data));
}

static void *sffs_flight_make_large(gfp_t gfp, void *data)
{
	return sffs_flight_make(gfp, SFFS_CMD_MOST);
}

static void sffs_flight_delete(void *element, void *data)
{
	struct sffs_flight *flight = element;

	kfree(flight->buf);
	kfree(flight);
}

static void sffs_lun_free(struct sffs_lun *lun)
{
	if (lun->wq)
		destroy_workqueue(lun->wq);
	if (lun->send_wq)
		destroy_workqueue(lun->send_wq);
	mempool_destroy(lun->large);
	mempool_destroy(lun->small);
	mempool_destroy(lun->sectors);
	mempool_destroy(lun->ops);
	scsi_device_put(lun->sdev);
	kfree(lun);
}

struct sffs_lun *sffs_lun_open(struct block_device *bdev, unsigned int sector_shift, u32 seed,
			       unsigned int timeout_ms)
{
	unsigned int shift = sector_shift - SECTOR_SHIFT;
	struct sffs_lun *lun;

	if (get_start_sect(bdev) & ((1U << shift) - 1))
		return ERR_PTR(-EINVAL);
	lun = kzalloc(sizeof(*lun), GFP_KERNEL);
	if (!lun)
		return ERR_PTR(-ENOMEM);
	lun->partition = bdev_is_partition(bdev);
	lun->start = get_start_sect(bdev) >> shift;
	lun->end = U64_MAX;
	if (lun->partition)
		lun->end = lun->start + (bdev_nr_sectors(bdev) >> shift);
	lun->sector_shift = sector_shift;
	lun->seed = seed;
	lun->timeout = max(msecs_to_jiffies(timeout_ms), 1UL);
	spin_lock_init(&lun->lock);
	init_waitqueue_head(&lun->idle);
	lun->sdev = sffs_find_sdev(bdev);
	if (!lun->sdev) {
		kfree(lun);
		return ERR_PTR(-ENOTBLK);
	}
	lun->wq = alloc_workqueue("sffs_ats", WQ_MEM_RECLAIM | WQ_HIGHPRI | WQ_UNBOUND, 0);
	lun->send_wq = alloc_workqueue("sffs_send", WQ_MEM_RECLAIM | WQ_HIGHPRI | WQ_UNBOUND, 0);
	lun->ops = sffs_ats_pool(lun, SFFS_LUN_RESERVE);
	lun->sectors = mempool_create_kmalloc_pool(SFFS_LUN_RESERVE, sffs_lun_sector(lun));
	lun->small = mempool_create(SFFS_FLIGHTS_SMALL, sffs_flight_make_small,
				    sffs_flight_delete, lun);
	lun->large = mempool_create(SFFS_FLIGHTS_LARGE, sffs_flight_make_large,
				    sffs_flight_delete, lun);
	if (lun->wq && lun->send_wq && lun->ops && lun->sectors && lun->small && lun->large)
		return lun;
	sffs_lun_free(lun);
	return ERR_PTR(-ENOMEM);
}

void sffs_lun_close(struct sffs_lun *lun)
{
	sffs_lun_stop(lun);
	wait_event(lun->idle, !atomic_read(&lun->under_way));
	spin_lock_irq(&lun->lock);
	wait_event_lock_irq(lun->idle, !lun->flights, lun->lock);
	spin_unlock_irq(&lun->lock);
	sffs_lun_free(lun);
}

void sffs_lun_stop(struct sffs_lun *lun)
{
	WRITE_ONCE(lun->stopped, true);
}

bool sffs_lun_over(const struct sffs_lun *lun)
{
	return READ_ONCE(lun->stopped) ||
	       (lun->lease && sffs_lease_mode(lun->lease) == SFFS_GATE_FAIL);
}

unsigned int sffs_lun_resets(struct sffs_lun *lun)
{
	return atomic_read(&lun->resets);
}

/* Is this Linux's own target? sffs-locks.rst, "Linux's own target", says what of it. */
bool sffs_lun_is_lio(struct sffs_lun *lun)
{
	return lun->sdev->vendor && !strncmp(lun->sdev->vendor, "LIO-ORG", 7);
}

/* ---- Commands ---- */

static void sffs_flight_put(struct sffs_flight *flight)
{
	struct sffs_lun *lun = flight->lun;
	unsigned long flags;

	if (!refcount_dec_and_test(&flight->refs))
		return;
	mempool_free(flight, flight->pool);
	/* Whoever closes the LUN takes the lock after this. */
	spin_lock_irqsave(&lun->lock, flags);
	if (!--lun->flights)
		wake_up(&lun->idle);
	spin_unlock_irqrestore(&lun->lock, flags);
}

/* Who waits for it? Only the first who asks is told. */
static struct sffs_cmd *sffs_flight_asker(struct sffs_flight *flight)
{
	struct sffs_cmd *asker;
	unsigned long flags;

	spin_lock_irqsave(&flight->lun->lock, flags);
	asker = flight->asker;
	WRITE_ONCE(flight->asker, NULL);
	spin_unlock_irqrestore(&flight->lun->lock, flags);
	return asker;
}

/* The command has ended, or was never sent. Any context. */
static void sffs_flight_answer(struct sffs_flight *flight)
{
	struct sffs_cmd *asker = sffs_flight_asker(flight);

	if (asker) {
		asker->result = flight->cmd.result;
		asker->sense = flight->cmd.sense;
		if (!asker->out && asker->result == SFFS_ATS_DONE)
			memcpy(asker->buf, flight->buf, asker->len);
		asker->done(asker);
	}
	if (cancel_delayed_work(&flight->late))
		sffs_flight_put(flight);
	sffs_flight_put(flight);
}

static void sffs_flight_late(struct work_struct *work)
{
	struct sffs_flight *flight = container_of(to_delayed_work(work), struct sffs_flight,
						  late);
	struct sffs_cmd *asker = sffs_flight_asker(flight);

	if (asker)
		asker->done(asker);	/* its result is UNKNOWN */
	sffs_flight_put(flight);
}

static enum rq_end_io_ret sffs_flight_end(struct request *rq, blk_status_t status)
{
	struct scsi_cmnd *scmd = blk_mq_rq_to_pdu(rq);
	struct sffs_flight *flight = rq->end_io_data;
	struct sffs_cmd *cmd = &flight->cmd;
	struct scsi_sense_hdr hdr;

	cmd->sense.valid = scsi_normalize_sense(scmd->sense_buffer, SCSI_SENSE_BUFFERSIZE, &hdr);
	if (cmd->sense.valid) {
		cmd->sense.key = hdr.sense_key;
		cmd->sense.asc = hdr.asc;
		cmd->sense.ascq = hdr.ascq;
		cmd->sense.deferred = scsi_sense_is_deferred(&hdr);
	}
	cmd->result = sffs_ats_judge(scmd->result, &cmd->sense);
	/* A request that never got to the device has no result of its own. */
	if (cmd->result == SFFS_ATS_DONE &&
	    (status || (!cmd->out && scmd->resid_len > cmd->len - (cmd->least ?: cmd->len))))
		cmd->result = SFFS_ATS_UNKNOWN;
	if (unlikely(flight->stuck)) {
		flight->answered = true;
		queue_delayed_work(flight->lun->send_wq, &flight->send, sffs_fault_late());
		return RQ_END_IO_FREE;
	}
	sffs_flight_answer(flight);
	return RQ_END_IO_FREE;
}

/*
 * May it be sent now? What is put into the queue of a device that is blocked goes to the
 * target when it comes back, be it after the lease.
 */
static bool sffs_flight_wanted(struct sffs_flight *flight)
{
	struct sffs_lun *lun = flight->lun;

	return READ_ONCE(flight->asker) && !scsi_device_blocked(lun->sdev) &&
	       !(flight->cmd.leased && sffs_lun_over(lun));
}

/* Begin it, unless there is no tag and it must not wait for one: false. */
static bool sffs_flight_send(struct sffs_flight *flight, blk_mq_req_flags_t flags)
{
	struct sffs_lun *lun = flight->lun;
	struct sffs_cmd *cmd = &flight->cmd;
	/* This mount's own write-back may wait for this very command. */
	unsigned int reclaim = memalloc_noreclaim_save();
	struct scsi_cmnd *scmd;
	struct request *rq;
	bool sent = true;

	rq = scsi_alloc_request(lun->sdev->request_queue,
				(cmd->out ? REQ_OP_DRV_OUT : REQ_OP_DRV_IN) |
				REQ_FAILFAST_DEV | REQ_FAILFAST_TRANSPORT | REQ_FAILFAST_DRIVER,
				flags);
	if (IS_ERR(rq)) {
		sent = !(flags & BLK_MQ_REQ_NOWAIT);
		goto failed;
	}
	if (!sffs_flight_wanted(flight) ||
	    (cmd->len && blk_rq_map_kern(rq->q, rq, flight->buf, cmd->len, GFP_NOIO))) {
		blk_mq_free_request(rq);
		goto failed;
	}
	scmd = blk_mq_rq_to_pdu(rq);
	scmd->cmd_len = cmd->cdb_len;
	memcpy(scmd->cmnd, cmd->cdb, cmd->cdb_len);
	scmd->allowed = 0;
	/* A request that is never dispatched has what the tag's last user left. */
	scmd->result = 0;
	memset(scmd->sense_buffer, 0, SCSI_SENSE_BUFFERSIZE);
	rq->timeout = lun->timeout;
	rq->rq_flags |= RQF_QUIET;
	rq->end_io = sffs_flight_end;
	rq->end_io_data = flight;
	if (cmd->cdb[0] == COMPARE_AND_WRITE)
		sffs_fault_count();
	blk_execute_rq_nowait(rq, true);
	memalloc_noreclaim_restore(reclaim);
	return true;
failed:
	memalloc_noreclaim_restore(reclaim);
	if (sent)
		sffs_flight_answer(flight);	/* UNKNOWN */
	return sent;
}

static void sffs_flight_work(struct work_struct *work)
{
	struct sffs_flight *flight = container_of(to_delayed_work(work), struct sffs_flight,
						  send);

	if (flight->answered)
		sffs_flight_answer(flight);
	else
		sffs_flight_send(flight, 0);
}

/* Memory for a command and its data, or NULL: it does not wait for any. */
static struct sffs_flight *sffs_flight_new(struct sffs_lun *lun, struct sffs_cmd *cmd)
{
	mempool_t *pool = cmd->len > sffs_flight_small(lun) ? lun->large : lun->small;
	struct sffs_flight *flight;
	bool room;

	spin_lock_irq(&lun->lock);
	room = lun->flights < SFFS_FLIGHTS_MOST;
	lun->flights += room;
	spin_unlock_irq(&lun->lock);
	if (!room)
		return NULL;
	flight = mempool_alloc(pool, GFP_NOWAIT | __GFP_NOWARN);
	if (!flight) {
		spin_lock_irq(&lun->lock);
		if (!--lun->flights)
			wake_up(&lun->idle);
		spin_unlock_irq(&lun->lock);
		return NULL;
	}
	flight->lun = lun;
	flight->pool = pool;
	flight->asker = cmd;
	flight->cmd = *cmd;
	flight->answered = false;
	flight->stuck = cmd->leased && sffs_fault(SFFS_FAULT_STUCK);
	refcount_set(&flight->refs, 2);
	INIT_DELAYED_WORK(&flight->send, sffs_flight_work);
	INIT_DELAYED_WORK(&flight->late, sffs_flight_late);
	if (cmd->out)
		memcpy(flight->buf, cmd->buf, cmd->len);
	else if (cmd->least)
		memset(flight->buf, 0, cmd->len);
	return flight;
}

/**
 * sffs_cmd_submit() - send a command
 * @lun: where to
 * @cmd: the command, which stays until its @done
 *
 * @done comes at the timeout at the latest, be it that there was no tag, or that the SCSI
 * layer has not let go of the command: what is sent then goes past it.
 *
 * Context: process; does not wait, not even for memory. @done may run before this returns.
 */
void sffs_cmd_submit(struct sffs_lun *lun, struct sffs_cmd *cmd)
{
	struct sffs_flight *flight;

	cmd->submitted = ktime_get_boottime_ns();
	cmd->sense = (struct sffs_sense){ };
	cmd->result = SFFS_ATS_UNKNOWN;
	flight = sffs_flight_new(lun, cmd);
	if (!flight) {
		cmd->done(cmd);
		return;
	}
	/* @cmd may be over from here on, but not @flight, which whoever sends it has. */
	queue_delayed_work(lun->wq, &flight->late, lun->timeout);
	if (unlikely(flight->cmd.leased && sffs_fault(SFFS_FAULT_HELD)))
		queue_delayed_work(lun->send_wq, &flight->send, sffs_fault_late());
	else if (!sffs_flight_send(flight, BLK_MQ_REQ_NOWAIT))
		queue_delayed_work(lun->send_wq, &flight->send, 0);
}

struct sffs_cmd_sync {
	struct sffs_cmd cmd;
	struct completion done;
};

static void sffs_cmd_wake(struct sffs_cmd *cmd)
{
	complete(&container_of(cmd, struct sffs_cmd_sync, cmd)->done);
}

/**
 * sffs_cmd_run() - send a command and wait for its end
 * @lun: where to
 * @cmd: the command; @result, @sense and @submitted are set. @done is not used.
 *
 * Context: sleeps until the device or its driver has ended the command.
 * Return: @result
 */
enum sffs_ats_result sffs_cmd_run(struct sffs_lun *lun, struct sffs_cmd *cmd)
{
	struct sffs_cmd_sync sync = { .cmd = *cmd };

	sync.cmd.done = sffs_cmd_wake;
	init_completion(&sync.done);
	sffs_cmd_submit(lun, &sync.cmd);
	wait_for_completion_io(&sync.done);
	cmd->result = sync.cmd.result;
	cmd->sense = sync.cmd.sense;
	cmd->submitted = sync.cmd.submitted;
	return cmd->result;
}

/* A command was refused for want of a key. */
void sffs_lun_conflict(struct sffs_lun *lun)
{
	WRITE_ONCE(lun->conflict, true);
	sffs_conflict(&lun->on_conflict);
}

/* Remember what a unit attention told, for whoever keeps the lease. */
void sffs_cmd_news(struct sffs_lun *lun, const struct sffs_sense *sense)
{
	sffs_fault_news();
	if (sense->asc == SFFS_NEWS_RESET)
		atomic_inc(&lun->resets);
	else if (sense->asc == SFFS_NEWS_PARAMETERS)
		atomic_inc(&lun->changes);
}

/**
 * sffs_cmd_clear() - take the target's news, so that the next command is executed
 * @lun: the LUN
 *
 * With a command that does no harm when it is refused. Linux's own target must not be
 * asked by ATS: one that it refuses costs it the atomicity of a later one. READ KEYS, SPC-4
 * 6.15.2, is let through any reservation, and tells in passing whether the key is there.
 */
void sffs_cmd_clear(struct sffs_lun *lun)
{
	u8 head[8];
	int i;

	for (i = 0; i < SFFS_CMD_TRIES; i++) {
		struct sffs_cmd cmd = { .cdb_len = 6, .cdb = { TEST_UNIT_READY } };

		if (lun->fenced) {
			cmd.cdb_len = 10;
			cmd.cdb[0] = PERSISTENT_RESERVE_IN;
			cmd.cdb[8] = sizeof(head);
			cmd.buf = head;
			cmd.len = sizeof(head);
			cmd.least = 1;
		}
		if (sffs_cmd_run(lun, &cmd) != SFFS_ATS_ATTENTION)
			break;
		sffs_cmd_news(lun, &cmd.sense);
	}
}

/* Make @cmd a READ (16) or WRITE (16) with FUA of sectors of the volume. */
void sffs_cmd_rw(struct sffs_lun *lun, struct sffs_cmd *cmd, u64 sector, void *buf,
		 unsigned int count, bool write)
{
	memset(cmd->cdb, 0, sizeof(cmd->cdb));
	cmd->cdb_len = 16;
	cmd->cdb[0] = write ? WRITE_16 : READ_16;
	cmd->cdb[1] = write && lun->fua ? 0x08 : 0;
	put_unaligned_be64(lun->start + sector, cmd->cdb + 2);
	put_unaligned_be32(count, cmd->cdb + 10);
	cmd->out = write;
	cmd->leased = write;
	cmd->buf = buf;
	cmd->len = count << lun->sector_shift;
}

/* A partition may have become longer. */
void sffs_lun_resize(struct sffs_lun *lun, struct block_device *bdev)
{
	unsigned int shift = lun->sector_shift - SECTOR_SHIFT;

	if (lun->partition)
		WRITE_ONCE(lun->end, lun->start + (bdev_nr_sectors(bdev) >> shift));
}

/* Are these sectors the volume's? Where they are may have been read from the disk. */
bool sffs_lun_has(const struct sffs_lun *lun, u64 sector, unsigned int count)
{
	u64 sectors = READ_ONCE(lun->end) - lun->start;

	return sector < sectors && count <= sectors - sector;
}

static int sffs_lun_rw(struct sffs_lun *lun, u64 sector, void *buf, unsigned int count, bool write)
{
	struct sffs_cmd cmd = { };
	int i;

	if (!sffs_lun_has(lun, sector, count))
		return -EUCLEAN;
	sffs_cmd_rw(lun, &cmd, sector, buf, count, write);
	for (i = 0; i < SFFS_CMD_TRIES && !READ_ONCE(lun->stopped); i++) {
		switch (sffs_cmd_run(lun, &cmd)) {
		case SFFS_ATS_DONE:
			return 0;
		case SFFS_ATS_ATTENTION:
			sffs_cmd_news(lun, &cmd.sense);
			continue;
		case SFFS_ATS_CONFLICT:
			sffs_lun_conflict(lun);
			return -EBADE;
		default:
			return -EIO;
		}
	}
	return -EIO;
}

int sffs_lun_read(struct sffs_lun *lun, u64 sector, void *buf, unsigned int count)
{
	unsigned int most = SFFS_CMD_MOST >> lun->sector_shift;

	while (count) {
		unsigned int n = min(count, most);
		int err = sffs_lun_rw(lun, sector, buf, n, false);

		if (err)
			return err;
		sector += n;
		buf += n << lun->sector_shift;
		count -= n;
	}
	return 0;
}

int sffs_lun_write(struct sffs_lun *lun, u64 sector, void *buf)
{
	return sffs_lun_rw(lun, sector, buf, 1, true);
}

int sffs_lun_read_record(struct sffs_lun *lun, u64 sector, void *record)
{
	u8 *buf = mempool_alloc(lun->sectors, GFP_NOIO);
	int err = sffs_lun_read(lun, sector, buf, 1);

	if (!err && memchr_inv(buf + SFFS_RECORD_SIZE, 0, sffs_lun_sector(lun) - SFFS_RECORD_SIZE))
		err = -EUCLEAN;
	if (!err)
		memcpy(record, buf, SFFS_RECORD_SIZE);
	mempool_free(buf, lun->sectors);
	return err;
}
