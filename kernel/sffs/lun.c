// SPDX-License-Identifier: GPL-2.0-only
/*
 * SCSI commands to the LUN below a mount: sent without the block layer's queueing and
 * without retries, so that what became of each is known, or known to be unknown.
 */
#include <linux/blk-mq.h>
#include <linux/slab.h>
#include <scsi/scsi_cmnd.h>
#include <scsi/scsi_device.h>
#include <scsi/scsi_eh.h>
#include <scsi/scsi_proto.h>

#include "lun.h"
#include "sffs.h"

#define SFFS_LUN_RESERVE	4	/* operations that never wait for memory */
#define SFFS_CMD_TRIES		8	/* news that a target has in a row, at most */

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

struct sffs_lun *sffs_lun_open(struct block_device *bdev, unsigned int sector_shift, u32 seed,
			       unsigned int timeout_ms)
{
	struct sffs_lun *lun = kzalloc(sizeof(*lun), GFP_KERNEL);
	int err = -ENOMEM;

	if (!lun)
		return ERR_PTR(-ENOMEM);
	lun->start = get_start_sect(bdev) >> (sector_shift - SECTOR_SHIFT);
	lun->sector_shift = sector_shift;
	lun->seed = seed;
	lun->partition = bdev_is_partition(bdev);
	lun->timeout = max(msecs_to_jiffies(timeout_ms), 1UL);
	init_waitqueue_head(&lun->idle);
	lun->sdev = sffs_find_sdev(bdev);
	if (!lun->sdev) {
		kfree(lun);
		return ERR_PTR(-ENOTBLK);
	}
	lun->wq = alloc_workqueue("sffs_ats", WQ_MEM_RECLAIM | WQ_HIGHPRI | WQ_UNBOUND, 0);
	if (!lun->wq)
		goto put;
	lun->ops = sffs_ats_pool(lun, SFFS_LUN_RESERVE);
	if (!lun->ops)
		goto wq;
	lun->sectors = mempool_create_kmalloc_pool(SFFS_LUN_RESERVE, sffs_lun_sector(lun));
	if (lun->sectors)
		return lun;
	mempool_destroy(lun->ops);
wq:
	destroy_workqueue(lun->wq);
put:
	scsi_device_put(lun->sdev);
	kfree(lun);
	return ERR_PTR(err);
}

void sffs_lun_close(struct sffs_lun *lun)
{
	wait_event(lun->idle, !atomic_read(&lun->under_way));
	destroy_workqueue(lun->wq);
	mempool_destroy(lun->sectors);
	mempool_destroy(lun->ops);
	scsi_device_put(lun->sdev);
	kfree(lun);
}

void sffs_lun_stop(struct sffs_lun *lun)
{
	WRITE_ONCE(lun->stopped, true);
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

static enum rq_end_io_ret sffs_cmd_end(struct request *rq, blk_status_t status)
{
	struct scsi_cmnd *scmd = blk_mq_rq_to_pdu(rq);
	struct sffs_cmd *cmd = rq->end_io_data;
	struct scsi_sense_hdr hdr;

	cmd->sense.valid = scsi_normalize_sense(scmd->sense_buffer, SCSI_SENSE_BUFFERSIZE, &hdr);
	if (cmd->sense.valid) {
		cmd->sense.key = hdr.sense_key;
		cmd->sense.asc = hdr.asc;
		cmd->sense.ascq = hdr.ascq;
	}
	cmd->result = sffs_ats_judge(scmd->result, &cmd->sense);
	/* A request that never got to the device has no result of its own. */
	if (cmd->result == SFFS_ATS_DONE &&
	    (status || (!cmd->out && !cmd->partial && scmd->resid_len)))
		cmd->result = SFFS_ATS_UNKNOWN;
	cmd->done(cmd);
	return RQ_END_IO_FREE;
}

/**
 * sffs_cmd_submit() - send a command
 * @lun: where to
 * @cmd: the command, which stays until its @done
 *
 * Context: may sleep until the device has a tag for it. @done may run before this returns.
 */
void sffs_cmd_submit(struct sffs_lun *lun, struct sffs_cmd *cmd)
{
	struct request *rq;
	struct scsi_cmnd *scmd;
	unsigned int noio = memalloc_noio_save();

	cmd->submitted = ktime_get_boottime_ns();
	cmd->sense = (struct sffs_sense){ };
	cmd->result = SFFS_ATS_UNKNOWN;
	rq = scsi_alloc_request(lun->sdev->request_queue,
				(cmd->out ? REQ_OP_DRV_OUT : REQ_OP_DRV_IN) |
				REQ_FAILFAST_DEV | REQ_FAILFAST_TRANSPORT | REQ_FAILFAST_DRIVER, 0);
	if (IS_ERR(rq))
		goto failed;
	if (cmd->len && blk_rq_map_kern(rq->q, rq, cmd->buf, cmd->len, GFP_NOIO)) {
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
	rq->end_io = sffs_cmd_end;
	rq->end_io_data = cmd;
	/* The wait for a tag is no part of the command's time, but of the lease's. */
	blk_execute_rq_nowait(rq, true);
	memalloc_noio_restore(noio);
	return;
failed:
	memalloc_noio_restore(noio);
	cmd->done(cmd);
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
	if (lun->on_conflict)
		queue_work(system_unbound_wq, lun->on_conflict);
}

/* Remember what a unit attention told, for whoever keeps the lease. */
void sffs_cmd_news(struct sffs_lun *lun, const struct sffs_sense *sense)
{
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
	u8 *buf = mempool_alloc(lun->sectors, GFP_NOIO);
	int i;

	for (i = 0; i < SFFS_CMD_TRIES; i++) {
		struct sffs_cmd cmd = { .cdb_len = 6, .cdb = { TEST_UNIT_READY } };

		if (lun->fenced) {
			cmd.cdb_len = 10;
			cmd.cdb[0] = PERSISTENT_RESERVE_IN;
			cmd.cdb[8] = 8;		/* allocation length: the header alone */
			cmd.buf = buf;
			cmd.len = 8;
		}
		if (sffs_cmd_run(lun, &cmd) != SFFS_ATS_ATTENTION)
			break;
		sffs_cmd_news(lun, &cmd.sense);
	}
	mempool_free(buf, lun->sectors);
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
	cmd->buf = buf;
	cmd->len = count << lun->sector_shift;
}

static int sffs_lun_rw(struct sffs_lun *lun, u64 sector, void *buf, unsigned int count, bool write)
{
	struct sffs_cmd cmd = { };
	int i;

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
	/* As much as any device takes in one command. */
	unsigned int most = min_t(unsigned int, 64, (64 << 10) >> lun->sector_shift);

	while (count) {
		unsigned int n = min(count, most);
		int err = sffs_lun_rw(lun, sector, buf, n, false);

		if (err)
			return err == -EBADE ? -EIO : err;
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
