// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fencing by PERSISTENT RESERVE: sffs-locks.rst, "Fencing".
 *
 * Every node registers a key of its own, and the LUN is reserved WRITE EXCLUSIVE, ALL
 * REGISTRANTS (SPC-4 5.13.3), so that a host whose key was taken away writes no more,
 * frozen or not, and whoever came first may go first.
 *
 * Commands are raw, down the path of the ATS sender: dm's would lose ABORT, and 6.1 has
 * none to read keys.
 */
#include <linux/crc32c.h>
#include <linux/delay.h>
#include <linux/slab.h>
#include <scsi/scsi_proto.h>

#include "node.h"

/* Service actions, SPC-4 6.15 and 6.16 */
enum {
	SFFS_PRI_READ_KEYS		= 0x00,
	SFFS_PRI_READ_RESERVATION	= 0x01,

	SFFS_PRO_REGISTER		= 0x00,
	SFFS_PRO_RESERVE		= 0x01,
	SFFS_PRO_PREEMPT_AND_ABORT	= 0x05,
	SFFS_PRO_REGISTER_AND_IGNORE	= 0x06,
};

#define SFFS_PR_TYPE		7	/* write exclusive, all registrants; scope LU */
#define SFFS_PR_HEAD		8	/* generation, additional length */
#define SFFS_PR_KEYS		504	/* as many as are read: far more than nodes and paths */
#define SFFS_PR_BYTES		(SFFS_PR_HEAD + SFFS_PR_KEYS * 8)
#define SFFS_PR_PARAMETERS	24
#define SFFS_PR_APTPL		0x01
#define SFFS_PR_TRIES		8

/*
 * A key: the volume in the upper 24 bits, the slot in the next 8, the incarnation, which
 * is never zero, in the rest. It is an identifier, no secret.
 */
static u64 sffs_key(struct sffs_sb_info *sbi, u32 slot, u32 incarnation)
{
	const struct sffs_super *raw = (struct sffs_super *)sbi->super_bh->b_data;
	u64 volume = crc32c(~0U, raw->uuid, sizeof(raw->uuid)) & 0xffffff;

	return volume << 40 | (u64)slot << 32 | incarnation;
}

/* ---- Commands ---- */

/* Memory for the answer to a PERSISTENT RESERVE IN, also for sffs_fence_check() */
u8 *sffs_fence_buffer(gfp_t gfp)
{
	return kmalloc(SFFS_PR_BYTES, gfp);
}

static enum sffs_ats_result sffs_pr_out_sense(struct sffs_lun *lun, u8 action, u64 key, u64 other,
					      bool aptpl, u8 *buf, struct sffs_sense *sense)
{
	struct sffs_cmd cmd = {
		.cdb = { PERSISTENT_RESERVE_OUT, action, SFFS_PR_TYPE,
			 [8] = SFFS_PR_PARAMETERS },
		.cdb_len = 10, .out = true, .buf = buf, .len = SFFS_PR_PARAMETERS,
	};
	int i;

	if (action == SFFS_PRO_REGISTER || action == SFFS_PRO_REGISTER_AND_IGNORE)
		cmd.cdb[2] = 0;
	memset(buf, 0, SFFS_PR_PARAMETERS);
	put_unaligned_be64(key, buf);
	put_unaligned_be64(other, buf + 8);
	buf[20] = aptpl ? SFFS_PR_APTPL : 0;
	for (i = 0; i < SFFS_PR_TRIES; i++) {
		if (sffs_cmd_run(lun, &cmd) != SFFS_ATS_ATTENTION)
			break;
		sffs_cmd_news(lun, &cmd.sense);
	}
	*sense = cmd.sense;
	return cmd.result;
}

static enum sffs_ats_result sffs_pr_out(struct sffs_lun *lun, u8 action, u64 key, u64 other,
					bool aptpl, u8 *buf)
{
	struct sffs_sense sense;

	return sffs_pr_out_sense(lun, action, key, other, aptpl, buf, &sense);
}

/* @again: also when there was no answer, which takes as long as a command may */
static int sffs_pr_in(struct sffs_lun *lun, u8 action, u8 *buf, bool again)
{
	struct sffs_cmd cmd = {
		.cdb = { PERSISTENT_RESERVE_IN, action, [7] = SFFS_PR_BYTES >> 8,
			 [8] = SFFS_PR_BYTES & 0xff },
		.cdb_len = 10, .buf = buf, .len = SFFS_PR_BYTES,
		.least = SFFS_PR_HEAD,
	};
	int i;

	memset(buf, 0, SFFS_PR_BYTES);
	for (i = 0; i < SFFS_PR_TRIES; i++) {
		switch (sffs_cmd_run(lun, &cmd)) {
		case SFFS_ATS_DONE:
			return 0;
		case SFFS_ATS_ATTENTION:
			sffs_cmd_news(lun, &cmd.sense);
			break;
		case SFFS_ATS_REFUSED:
			return -EOPNOTSUPP;
		default:
			if (!again)
				return -EIO;
			msleep(20);
			break;
		}
	}
	return -EIO;
}

/* READ KEYS: their number, those in @buf; a list that is longer counts as far as it was read. */
static int sffs_pr_keys(struct sffs_lun *lun, u8 *buf, bool again)
{
	int err = sffs_pr_in(lun, SFFS_PRI_READ_KEYS, buf, again);

	return err ?: min_t(u32, get_unaligned_be32(buf + 4) / 8, SFFS_PR_KEYS);
}

static u64 sffs_pr_key(const u8 *buf, int i)
{
	return get_unaligned_be64(buf + SFFS_PR_HEAD + i * 8);
}

/* Is @key registered? 1, 0, or an error. */
static int sffs_pr_has_key(struct sffs_lun *lun, u64 key, u8 *buf, bool again)
{
	int n = sffs_pr_keys(lun, buf, again), i;

	for (i = 0; i < n; i++)
		if (sffs_pr_key(buf, i) == key)
			return 1;
	return min(n, 0);
}

/* ---- Registering ---- */

/* What the target says to a REGISTER is not to be relied on; what it reads back is. */
static int sffs_fence_register(struct sffs_node *node, u64 key, u8 *buf)
{
	struct sffs_lun *lun = node->sbi->lun;
	enum sffs_ats_result result;
	struct sffs_sense sense;
	int found;

	result = sffs_pr_out_sense(lun, SFFS_PRO_REGISTER_AND_IGNORE, 0, key, !node->no_aptpl, buf,
				   &sense);
	if (result == SFFS_ATS_REFUSED)
		return -EOPNOTSUPP;
	/* An answer; after none, be it a lost path, APTPL is what it was. */
	if (result != SFFS_ATS_DONE && sense.valid && !node->no_aptpl) {
		node->no_aptpl = true;
		pr_warn("%s: the LUN does not keep keys over a loss of its power; all hosts stop then\n",
			node->sbi->sb->s_id);
		result = sffs_pr_out(lun, SFFS_PRO_REGISTER_AND_IGNORE, 0, key, false, buf);
	}
	found = sffs_pr_has_key(lun, key, buf, true);
	if (found < 0)
		return found;
	return found ? 0 : result == SFFS_ATS_CONFLICT ? -EBADE : -EIO;
}

/* Is the LUN reserved by nodes? 1, 0: by nobody, -EBADE: in another way, or an error. */
static int sffs_fence_reserved(struct sffs_lun *lun, u8 *buf)
{
	int err = sffs_pr_in(lun, SFFS_PRI_READ_RESERVATION, buf, true);

	if (err)
		return err;
	if (get_unaligned_be32(buf + 4) < 16)
		return 0;
	return buf[SFFS_PR_HEAD + 13] == SFFS_PR_TYPE ? 1 : -EBADE;
}

/* A conflict means that there is a reservation; what counts is of which type. */
static int sffs_fence_reserve(struct sffs_node *node, u64 key, u8 *buf)
{
	struct sffs_lun *lun = node->sbi->lun;
	int reserved;

	if (sffs_pr_out(lun, SFFS_PRO_RESERVE, key, 0, false, buf) == SFFS_ATS_DONE)
		return 0;
	reserved = sffs_fence_reserved(lun, buf);
	if (reserved < 0)
		return reserved;
	return reserved ? 0 : -EIO;
}

/**
 * sffs_fence_join() - register and reserve for a slot that is about to be taken
 * @node: this node
 * @slot: the slot
 * @incarnation: that it will have
 *
 * In place of the key of an earlier try, if there was one; but where other software has
 * reserved the LUN, its key on this path stays.
 *
 * Context: sleeps, a few commands.
 * Return: 0; -EOPNOTSUPP if the LUN has no PERSISTENT RESERVE; -EBADE if it is reserved in
 * another way; or an error.
 */
int sffs_fence_join(struct sffs_node *node, u32 slot, u32 incarnation)
{
	struct sffs_sb_info *sbi = node->sbi;
	u64 key = sffs_key(sbi, slot, incarnation);
	u8 *buf = sffs_fence_buffer(GFP_NOIO);
	int err;

	if (!buf)
		return -ENOMEM;
	err = min(sffs_fence_reserved(sbi->lun, buf), 0) ?: sffs_fence_register(node, key, buf);
	if (!err) {
		node->key = key;
		sbi->lun->fenced = true;
		err = sffs_fence_reserve(node, key, buf);
	}
	kfree(buf);
	return err;
}

/* Take the own key back; the reservation stays as long as any node has one. */
void sffs_fence_leave(struct sffs_node *node)
{
	u8 *buf;

	if (!node->key)
		return;
	buf = sffs_fence_buffer(GFP_NOIO);
	if (buf)
		/* The last REGISTER says whether the target keeps keys: those of all hosts. */
		sffs_pr_out(node->sbi->lun, SFFS_PRO_REGISTER, node->key, 0, !node->no_aptpl, buf);
	kfree(buf);
	node->key = 0;
}

/* ---- Fencing others ---- */

/* Is this the key of an incarnation of this volume that is over? 1, 0, or an error. */
static int sffs_key_over(struct sffs_node *node, u64 key)
{
	struct sffs_sb_info *sbi = node->sbi;
	u32 slot = key >> 32 & 0xff, incarnation = key;
	struct sffs_slot_record rec;

	if (key >> 40 != sffs_key(sbi, 0, 1) >> 40 || slot >= node->slots || key == node->key)
		return 0;
	sffs_watch_verdict(node, slot, &rec);
	if (!sffs_slot_valid(sbi, slot, &rec))
		return -EUCLEAN;
	/* A key that is ahead of its record is that of a mount under way. */
	return (s32)(le32_to_cpu(rec.incarnation) - incarnation) > 0;
}

/* One round: preempt what is over. The number of those keys, or an error. */
static int sffs_fence_round(struct sffs_node *node, u8 *keys, u8 *buf)
{
	struct sffs_lun *lun = node->sbi->lun;
	int n = sffs_pr_keys(lun, keys, true), over = 0, i;
	bool own = false;

	if (n < 0)
		return n;
	for (i = 0; i < n; i++)
		own = own || sffs_pr_key(keys, i) == node->key;
	if (!own)
		return -EBADE;
	for (i = 0; i < n; i++) {
		u64 key = sffs_pr_key(keys, i);
		int is_over = sffs_key_over(node, key);

		if (is_over < 0)
			return is_over;
		if (!is_over)
			continue;
		over++;
		/* Whatever it says, the next round reads the keys. */
		sffs_pr_out(lun, SFFS_PRO_PREEMPT_AND_ABORT, node->key, key, false, buf);
	}
	return over;
}

/**
 * sffs_fence_dead() - take the keys of all incarnations that are over
 * @node: this node; it has read the slots after it took one
 *
 * PREEMPT AND ABORT, SPC-4 5.13.11.2.6: also what the target has accepted and not yet
 * done is gone when it returns.
 *
 * Context: sleeps, a few commands.
 * Return: 0: no such key is left; -EBADE: the own key is gone; or an error.
 */
int sffs_fence_dead(struct sffs_node *node)
{
	u8 *keys, *buf;
	int i, n = -ENOMEM;

	if (!node->key)
		return 0;		/* -o nofence */
	keys = sffs_fence_buffer(GFP_NOIO);
	buf = kmalloc(SFFS_PR_PARAMETERS, GFP_NOIO);
	for (i = 0; keys && buf && i < SFFS_PR_TRIES; i++) {
		n = sffs_fence_round(node, keys, buf);
		if (n <= 0)
			break;
		n = -EIO;
	}
	kfree(keys);
	kfree(buf);
	return n;
}

/* ---- Being fenced ---- */

/**
 * sffs_fence_check() - look whether this node's key is still there
 * @node: this node
 * @buf: of sffs_fence_buffer(); its contents are of no use to others
 *
 * At each heartbeat: a target that lost all keys, and the reservation with them, refuses
 * nothing, and whoever sent it a command first, be it sd, was told of that, and nobody
 * else. Also after a conflict. Shuts the mount down if the key is gone.
 *
 * Context: sleeps, a command or a few, but not for one more after one without an answer.
 */
void sffs_fence_check(struct sffs_node *node, u8 *buf)
{
	struct sffs_sb_info *sbi = node->sbi;

	/* What cannot be read is for the next heartbeat, and for the lease. */
	if (node->key && !sffs_pr_has_key(sbi->lun, node->key, buf, false))
		sffs_shutdown(sbi->sb, "it was fenced: its key for the LUN is gone");
}

/* A write or an ATS of this node was refused for want of a key. */
void sffs_fence_conflict(struct work_struct *work)
{
	struct sffs_node *node = container_of(work, struct sffs_node, conflict);
	u8 *buf;

	if (READ_ONCE(node->left))
		return;
	buf = sffs_fence_buffer(GFP_NOIO);
	if (buf)
		sffs_fence_check(node, buf);
	kfree(buf);
	/* A path that came back without the key would have to be registered anew. */
	sffs_shutdown(node->sbi->sb, "the LUN is reserved for others");
}
