// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ATS sender: sffs-locks.rst, "ATS", in code, and the probe at mount.
 *
 * An operation is a work item that goes from stage to stage. It waits for one of its
 * commands at a time, and the work item runs only when it waits for none; so nothing in
 * struct sffs_op needs a lock. What was given up may still be under way, in the SCSI layer
 * or at the target, and that is what the read-back is for.
 */
#include <linux/delay.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <scsi/scsi_proto.h>

#include "fault.h"
#include "lun.h"
#include "sffs.h"

#define SFFS_ATS_REMEMBERED	8	/* tries whose time is known */
#define SFFS_ATS_BACKOFF_MS	10	/* before another try, doubled each time */
#define SFFS_ATS_BACKOFF_MAX_MS	320
#define SFFS_PROBE_TRIES	50

enum sffs_op_stage {
	SFFS_OP_SEND,		/* a try is to be sent */
	SFFS_OP_TRIED,		/* it ended */
	SFFS_OP_READ,		/* a read-back is to be sent */
	SFFS_OP_HAVE_READ,	/* it ended */
};

/**
 * struct sffs_op - an operation and what it needs
 * @ats: what its user sees
 * @lun: where
 * @cmd: the command that it waits for
 * @work: the next stage
 * @stage: which that is
 * @failures: tries and reads in a row that told nothing
 * @late: the answer has been spoilt once, see fault.c
 * @buf: two sectors, the image to compare with and the one to write
 * @tried: nonces of the last tries, and when they were submitted
 */
struct sffs_op {
	struct sffs_ats ats;
	struct sffs_lun *lun;
	struct sffs_cmd cmd;
	struct delayed_work work;
	enum sffs_op_stage stage;
	unsigned int failures;
	bool late;
	u8 *buf;
	struct {
		__le64 nonce;
		u64 submitted;
	} tried[SFFS_ATS_REMEMBERED];
};

/* What slot and lock records begin with. */
struct sffs_record_head {
	__le32 magic;
	__le32 crc;
	__le64 nonce;
};

static struct sffs_op *sffs_op_of(struct sffs_ats *ats)
{
	return container_of(ats, struct sffs_op, ats);
}

/* ---- Memory ---- */

static void *sffs_op_new(gfp_t gfp, void *data)
{
	struct sffs_lun *lun = data;
	struct sffs_op *op = kzalloc(sizeof(*op), gfp);

	if (!op)
		return NULL;
	op->buf = kmalloc(2 * sffs_lun_sector(lun), gfp);
	if (op->buf)
		return op;
	kfree(op);
	return NULL;
}

static void sffs_op_delete(void *element, void *data)
{
	struct sffs_op *op = element;

	kfree(op->buf);
	kfree(op);
}

mempool_t *sffs_ats_pool(struct sffs_lun *lun, int reserve)
{
	return mempool_create(reserve, sffs_op_new, sffs_op_delete, lun);
}

struct sffs_ats *sffs_ats_alloc(struct sffs_lun *lun)
{
	struct sffs_op *op = mempool_alloc(lun->ops, GFP_NOIO);
	u8 *buf = op->buf;

	memset(op, 0, sizeof(*op));
	op->buf = buf;
	op->lun = lun;
	return &op->ats;
}

void sffs_ats_free(struct sffs_ats *ats)
{
	struct sffs_op *op = sffs_op_of(ats);

	mempool_free(op, op->lun->ops);
}

/* ---- An operation ---- */

static void sffs_op_next(struct sffs_op *op, enum sffs_op_stage stage, unsigned int ms)
{
	op->stage = stage;
	queue_delayed_work(op->lun->wq, &op->work, msecs_to_jiffies(ms));
}

/* Again, but later each time, and not in step with another node that does the same. */
static void sffs_op_again(struct sffs_op *op, enum sffs_op_stage stage)
{
	unsigned int ms = min(SFFS_ATS_BACKOFF_MS << min(op->failures, 10U),
			      SFFS_ATS_BACKOFF_MAX_MS);

	op->failures++;
	sffs_op_next(op, stage, ms / 2 + get_random_u32_below(ms));
}

static void sffs_op_end(struct sffs_op *op, int error)
{
	struct sffs_lun *lun = op->lun;

	op->ats.error = error;
	op->ats.done(&op->ats);		/* may free it */
	if (atomic_dec_and_test(&lun->under_way))
		wake_up(&lun->idle);
}

static void sffs_op_cmd_done(struct sffs_cmd *cmd)
{
	struct sffs_op *op = container_of(cmd, struct sffs_op, cmd);

	sffs_op_next(op, op->stage == SFFS_OP_SEND ? SFFS_OP_TRIED : SFFS_OP_HAVE_READ, 0);
}

static void sffs_fill_ats(struct sffs_lun *lun, struct sffs_cmd *cmd, u64 sector, u8 *buf)
{
	memset(cmd->cdb, 0, sizeof(cmd->cdb));
	cmd->cdb_len = 16;
	cmd->cdb[0] = COMPARE_AND_WRITE;
	cmd->cdb[1] = lun->fua ? 0x08 : 0;
	put_unaligned_be64(lun->start + sector, cmd->cdb + 2);
	cmd->cdb[13] = 1;		/* blocks */
	cmd->out = true;
	cmd->leased = true;
	cmd->buf = buf;
	cmd->len = 2 * sffs_lun_sector(lun);
}

/* A fresh nonce in @new, its checksum, and both images as the command has them. */
static void sffs_fill_images(struct sffs_lun *lun, u8 *buf, const void *old, void *new)
{
	struct sffs_record_head *head = new;

	head->nonce = cpu_to_le64(get_random_u64());
	sffs_set_crc(new, SFFS_RECORD_SIZE, lun->seed);
	memset(buf, 0, 2 * sffs_lun_sector(lun));
	memcpy(buf, old, SFFS_RECORD_SIZE);
	memcpy(buf + sffs_lun_sector(lun), new, SFFS_RECORD_SIZE);
}

/* Answer in the target's place, without having asked it. */
static void sffs_op_not_sent(struct sffs_op *op, enum sffs_ats_result result)
{
	op->cmd.submitted = ktime_get_boottime_ns();
	op->cmd.result = result;
	op->cmd.sense = (struct sffs_sense){
		.valid = result == SFFS_ATS_ATTENTION, .key = UNIT_ATTENTION,
		.asc = SFFS_NEWS_RESET,
	};
	sffs_op_cmd_done(&op->cmd);
}

static void sffs_op_send(struct sffs_op *op)
{
	struct sffs_ats *ats = &op->ats;
	unsigned int i = ats->tries % SFFS_ATS_REMEMBERED;
	struct sffs_lun *lun = op->lun;
	u64 now = ktime_get_boottime_ns();

	if (sffs_lun_over(lun)) {
		sffs_op_end(op, -EIO);
		return;
	}
	if (!sffs_lun_has(lun, ats->sector, 1)) {
		sffs_op_end(op, -EUCLEAN);
		return;
	}
	if (ats->until && now >= ats->until) {
		sffs_op_end(op, READ_ONCE(lun->conflict) ? -EBADE : -ETIMEDOUT);
		return;
	}
	/* Whoever keeps the lease finds out whether this node was fenced. */
	if (READ_ONCE(lun->conflict)) {
		sffs_op_next(op, SFFS_OP_SEND, SFFS_ATS_BACKOFF_MS);
		return;
	}
	sffs_fill_images(lun, op->buf, ats->old, ats->new);
	sffs_fill_ats(lun, &op->cmd, ats->sector, op->buf);
	op->tried[i].nonce = ((struct sffs_record_head *)ats->new)->nonce;
	op->tried[i].submitted = now;
	ats->tries++;
	op->late = false;
	if (sffs_fault(SFFS_FAULT_LOST)) {
		sffs_op_not_sent(op, SFFS_ATS_UNKNOWN);
		return;
	}
	if (sffs_fault(SFFS_FAULT_ATTENTION)) {
		sffs_op_not_sent(op, SFFS_ATS_ATTENTION);
		return;
	}
	sffs_cmd_submit(lun, &op->cmd);
}

/* When was the try submitted that wrote what is there now? */
static u64 sffs_op_submitted(struct sffs_op *op)
{
	const struct sffs_record_head *now = (struct sffs_record_head *)op->ats.now;
	unsigned int i;

	for (i = 0; i < min_t(unsigned int, op->ats.tries, SFFS_ATS_REMEMBERED); i++)
		if (op->tried[i].nonce == now->nonce)
			return op->tried[i].submitted;
	return 0;
}

/* Has the answer of a command that was done been taken away? */
static bool sffs_op_spoilt(struct sffs_op *op)
{
	if (op->late)
		return false;
	if (sffs_fault(SFFS_FAULT_LATE)) {
		op->late = true;
		sffs_op_next(op, SFFS_OP_TRIED, sffs_fault_late_ms());
		return true;
	}
	if (sffs_fault(SFFS_FAULT_TWICE)) {
		op->late = true;
		op->stage = SFFS_OP_SEND;
		sffs_cmd_submit(op->lun, &op->cmd);
		return true;
	}
	if (sffs_fault(SFFS_FAULT_FAILED))
		op->cmd.result = SFFS_ATS_UNKNOWN;
	return false;
}

static void sffs_op_tried(struct sffs_op *op)
{
	struct sffs_lun *lun = op->lun;

	if (op->cmd.result == SFFS_ATS_DONE && sffs_op_spoilt(op))
		return;
	switch (op->cmd.result) {
	case SFFS_ATS_DONE:
		memcpy(op->ats.now, op->ats.new, SFFS_RECORD_SIZE);
		op->ats.submitted = op->cmd.submitted;
		sffs_op_end(op, 0);
		return;
	case SFFS_ATS_ATTENTION:
		sffs_cmd_news(lun, &op->cmd.sense);
		sffs_cmd_clear(lun);
		sffs_op_again(op, SFFS_OP_SEND);
		return;
	case SFFS_ATS_CONFLICT:
		sffs_lun_conflict(lun);
		break;
	default:
		break;
	}
	sffs_op_next(op, SFFS_OP_READ, 0);
}

static void sffs_op_read(struct sffs_op *op)
{
	if (sffs_lun_over(op->lun)) {
		sffs_op_end(op, -EIO);
		return;
	}
	if (op->ats.until && ktime_get_boottime_ns() >= op->ats.until) {
		sffs_op_end(op, READ_ONCE(op->lun->conflict) ? -EBADE : -ETIMEDOUT);
		return;
	}
	sffs_cmd_rw(op->lun, &op->cmd, op->ats.sector, op->buf, 1, false);
	sffs_cmd_submit(op->lun, &op->cmd);
}

static void sffs_op_have_read(struct sffs_op *op)
{
	struct sffs_ats *ats = &op->ats;

	if (sffs_fault(SFFS_FAULT_BACK))
		op->cmd.result = SFFS_ATS_CONFLICT;
	if (op->cmd.result != SFFS_ATS_DONE) {
		if (op->cmd.result == SFFS_ATS_ATTENTION)
			sffs_cmd_news(op->lun, &op->cmd.sense);
		if (op->cmd.result == SFFS_ATS_CONFLICT)
			sffs_lun_conflict(op->lun);
		sffs_op_again(op, SFFS_OP_READ);
		return;
	}
	memcpy(ats->now, op->buf, SFFS_RECORD_SIZE);
	if (memchr_inv(op->buf + SFFS_RECORD_SIZE, 0,
		       sffs_lun_sector(op->lun) - SFFS_RECORD_SIZE)) {
		sffs_op_end(op, -EUCLEAN);
		return;
	}
	/* While it is the old image, an earlier try may still be under way. */
	if (!memcmp(ats->now, ats->old, SFFS_RECORD_SIZE)) {
		sffs_op_again(op, SFFS_OP_SEND);
		return;
	}
	ats->submitted = sffs_op_submitted(op);
	sffs_op_end(op, 0);
}

static void sffs_op_step(struct work_struct *work)
{
	struct sffs_op *op = container_of(to_delayed_work(work), struct sffs_op, work);

	switch (op->stage) {
	case SFFS_OP_SEND:
		sffs_op_send(op);
		break;
	case SFFS_OP_TRIED:
		sffs_op_tried(op);
		break;
	case SFFS_OP_READ:
		sffs_op_read(op);
		break;
	case SFFS_OP_HAVE_READ:
		sffs_op_have_read(op);
		break;
	}
}

void sffs_ats_start(struct sffs_ats *ats)
{
	struct sffs_op *op = sffs_op_of(ats);

	ats->tries = 0;
	ats->submitted = 0;
	op->failures = 0;
	INIT_DELAYED_WORK(&op->work, sffs_op_step);
	op->cmd.done = sffs_op_cmd_done;
	atomic_inc(&op->lun->under_way);
	sffs_op_next(op, SFFS_OP_SEND, 0);
}

static void sffs_ats_wake(struct sffs_ats *ats)
{
	complete(ats->data);
}

int sffs_ats_run(struct sffs_ats *ats)
{
	DECLARE_COMPLETION_ONSTACK(done);

	ats->done = sffs_ats_wake;
	ats->data = &done;
	sffs_ats_start(ats);
	wait_for_completion_io(&done);
	return ats->error;
}

/* ---- The probe ---- */

struct sffs_probe {
	struct sffs_lun *lun;
	u64 sector;
	struct sffs_lock_record old;
	struct sffs_lock_record new;
	struct sffs_cmd cmd;
	u8 *buf;
};

static enum sffs_ats_result sffs_probe_ats(struct sffs_probe *p)
{
	int i;

	for (i = 0; i < SFFS_PROBE_TRIES; i++) {
		p->new = (struct sffs_lock_record){
			.magic = cpu_to_le32(SFFS_MAGIC_LOCK),
			.number = cpu_to_le64(SFFS_FIXED_SCRATCH),
			.type = SFFS_LOCKT_FIXED,
			.writer = 0xff,
		};
		sffs_fill_images(p->lun, p->buf, &p->old, &p->new);
		sffs_fill_ats(p->lun, &p->cmd, p->sector, p->buf);
		if (sffs_fault(SFFS_FAULT_PROBE_NEWS)) {
			p->cmd.result = SFFS_ATS_ATTENTION;
			p->cmd.sense = (struct sffs_sense){ .asc = SFFS_NEWS_RESET };
		} else if (sffs_cmd_run(p->lun, &p->cmd) != SFFS_ATS_ATTENTION) {
			break;
		}
		sffs_cmd_news(p->lun, &p->cmd.sense);
		sffs_cmd_clear(p->lun);
	}
	return p->cmd.result;
}

/* FUA is refused by a target that says it has no write cache: SPC-4, invalid field in CDB. */
static bool sffs_probe_no_fua(struct sffs_probe *p)
{
	if (!p->lun->fua || !p->cmd.sense.valid || p->cmd.sense.key != ILLEGAL_REQUEST ||
	    p->cmd.result == SFFS_ATS_REFUSED)
		return false;
	p->lun->fua = false;
	return true;
}

/* Other nodes may probe at the same time: then look again. */
static int sffs_probe_match(struct sffs_probe *p)
{
	int i, err;

	for (i = 0; i < SFFS_PROBE_TRIES; i++) {
		err = sffs_lun_read_record(p->lun, p->sector, &p->old);
		if (err)
			return err;
		switch (sffs_probe_ats(p)) {
		case SFFS_ATS_DONE:
			return 0;
		case SFFS_ATS_MISCOMPARE:
			msleep(get_random_u32_below(20));
			break;
		case SFFS_ATS_CONFLICT:
			return -EBADE;
		case SFFS_ATS_REFUSED:
			return -EOPNOTSUPP;
		default:
			if (sffs_probe_no_fua(p))
				break;
			return p->cmd.sense.valid && p->cmd.sense.key == ILLEGAL_REQUEST ?
			       -EOPNOTSUPP : -EIO;
		}
	}
	return -EOPNOTSUPP;	/* it never matches what it reads */
}

static int sffs_probe(struct sffs_probe *p)
{
	enum sffs_ats_result result;
	struct sffs_lock_record now;
	int err = sffs_probe_match(p);

	if (err)
		return err;
	err = sffs_lun_read_record(p->lun, p->sector, &now);
	if (err)
		return err;
	if (now.nonce == p->old.nonce)
		return -EOPNOTSUPP;	/* said that it had written */
	result = sffs_fault(SFFS_FAULT_PROBE) ? SFFS_ATS_CONFLICT : sffs_probe_ats(p);
	if (result == SFFS_ATS_CONFLICT)
		return -EBADE;
	if (result == SFFS_ATS_UNKNOWN || result == SFFS_ATS_ATTENTION)
		return -EIO;
	if (result != SFFS_ATS_MISCOMPARE)
		return -EOPNOTSUPP;
	err = sffs_lun_read_record(p->lun, p->sector, &now);
	if (err)
		return err;
	return now.nonce == p->new.nonce ? -EOPNOTSUPP : 0;
}

int sffs_lun_probe(struct sffs_lun *lun, u64 scratch)
{
	struct sffs_probe *p = kzalloc(sizeof(*p), GFP_KERNEL);
	int err = -ENOMEM;

	if (!p)
		return -ENOMEM;
	p->lun = lun;
	p->sector = scratch;
	p->buf = kmalloc(2 * sffs_lun_sector(lun), GFP_KERNEL);
	if (p->buf) {
		lun->fua = true;
		sffs_cmd_clear(lun);
		err = sffs_probe(p);
	}
	kfree(p->buf);
	kfree(p);
	return err;
}
