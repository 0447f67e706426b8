// SPDX-License-Identifier: GPL-2.0-only
/*
 * The mailbox of the lock manager: open requests go out in one sector for each node that
 * is asked, and the row of this node is read, often while somebody waits.
 */
#include <linux/gfp.h>
#include <linux/jiffies.h>
#include <linux/slab.h>

#include "ats.h"
#include "lockmgr.h"

#define LOOK_MS_BUSY	50
#define BUSY_MS		5000	/* so long after the last request */

static size_t sffs_row_size(const struct sffs_lockmgr *mgr)
{
	return (size_t)mgr->setup.max_slots << mgr->setup.sector_shift;
}

/* ---- Sending ---- */

/**
 * sffs_mail_ask() - ask those for a lock who hold it, or its delegation
 * @res: the lock
 * @rec: its record, or the delegation's, good
 * @mode: in which this node wants it, or SFFS_MAIL_LAST
 *
 * What does not fit is asked for with the next poll.
 */
void sffs_mail_ask(struct sffs_resource *res, const struct sffs_lock_record *rec, u8 mode)
{
	struct sffs_lockmgr *mgr = res->mgr;
	u64 holders = le64_to_cpu(rec->holders), posted = 0;
	unsigned int i;

	spin_lock(&mgr->lock);
	for (i = 0; i < mgr->setup.max_slots; i++) {
		u32 incarnation = le32_to_cpu(rec->incarnation[i]);

		if (i == mgr->setup.slot)
			continue;
		if ((holders & BIT_ULL(i)) && !sffs_slot_stale(&mgr->view[i], incarnation)) {
			if (sffs_mail_post(&mgr->box[i], res->number, res->type, mode, incarnation))
				posted |= BIT_ULL(i);
		} else if (res->posted & BIT_ULL(i)) {
			sffs_mail_withdraw(&mgr->box[i], res->number, res->type);
		}
	}
	spin_unlock(&mgr->lock);
	res->posted = posted;
	queue_work(mgr->wq_first, &mgr->send_work);
}

/* The lock has been got, or is not wanted any more. */
void sffs_mail_end(struct sffs_resource *res)
{
	struct sffs_lockmgr *mgr = res->mgr;
	unsigned int i;

	if (!res->posted)
		return;
	spin_lock(&mgr->lock);
	for (i = 0; i < mgr->setup.max_slots; i++)
		if (res->posted & BIT_ULL(i))
			sffs_mail_withdraw(&mgr->box[i], res->number, res->type);
	spin_unlock(&mgr->lock);
	res->posted = 0;
	queue_work(mgr->wq_first, &mgr->send_work);
}

static struct sffs_mail_id sffs_mail_id(struct sffs_lockmgr *mgr, unsigned int receiver,
					unsigned int sender)
{
	lockdep_assert_held(&mgr->lock);
	return (struct sffs_mail_id){
		.receiver = receiver,
		.sender = sender,
		.receiver_inc = mgr->view[receiver].incarnation,
		.sender_inc = mgr->view[sender].incarnation,
		.seed = mgr->setup.seed,
	};
}

static void sffs_mail_send(struct work_struct *work)
{
	struct sffs_lockmgr *mgr = container_of(work, struct sffs_lockmgr, send_work);
	unsigned int to;

	for (to = 0; to < mgr->setup.max_slots; to++) {
		struct sffs_mail_id id;
		bool changed;
		int err;

		spin_lock(&mgr->lock);
		id = sffs_mail_id(mgr, to, mgr->setup.slot);
		changed = mgr->box[to].changed && !mgr->failed;
		if (changed)
			sffs_mail_build(&id, &mgr->box[to], ++mgr->sequence, mgr->sent);
		spin_unlock(&mgr->lock);
		if (!changed)
			continue;
		err = sffs_lun_write(mgr->setup.lun, mgr->setup.mailbox +
				     sffs_mail_sector(mgr->setup.max_slots, to, mgr->setup.slot),
				     mgr->sent);
		spin_lock(&mgr->lock);
		sffs_mail_sent(&mgr->box[to], err);
		spin_unlock(&mgr->lock);
	}
}

/* ---- Receiving ---- */

/* Requests of one sender; returns whether there are any. */
static bool sffs_mail_receive(struct sffs_lockmgr *mgr, unsigned int sender)
{
	const struct sffs_mail *mail = mgr->row + ((size_t)sender << mgr->setup.sector_shift);
	struct sffs_mail_request req;
	struct sffs_mail_id id;
	bool asked = false;
	unsigned int i;

	spin_lock(&mgr->lock);
	id = sffs_mail_id(mgr, mgr->setup.slot, sender);
	spin_unlock(&mgr->lock);
	if (!sffs_mail_ok(&id, mail) || !sffs_mail_is_for(&id, mail))
		return false;
	for (i = 0; i < SFFS_MAIL_REQUESTS; i++) {
		if (!sffs_mail_request(&id, mail, i, &req))
			continue;
		asked = true;
		sffs_res_look(mgr, &req, sender, id.sender_inc);
	}
	return asked;
}

static void sffs_mail_look(struct work_struct *work)
{
	struct sffs_lockmgr *mgr = container_of(to_delayed_work(work), struct sffs_lockmgr,
						look_work);
	u64 row = mgr->setup.mailbox + sffs_mail_sector(mgr->setup.max_slots, mgr->setup.slot, 0);
	bool asked = false;
	unsigned int i;

	if (READ_ONCE(mgr->failed))
		return;
	if (!sffs_lun_read(mgr->setup.lun, row, mgr->row, mgr->setup.max_slots))
		for (i = 0; i < mgr->setup.max_slots; i++)
			if (i != mgr->setup.slot)
				asked |= sffs_mail_receive(mgr, i);
	if (asked)
		mgr->busy_until = jiffies + msecs_to_jiffies(BUSY_MS);
	asked = time_before(jiffies, mgr->busy_until);
	queue_delayed_work(mgr->wq_first, &mgr->look_work,
			   msecs_to_jiffies(asked ? LOOK_MS_BUSY : mgr->setup.idle_ms));
}

/* Begin to look into the mailbox. Context: may sleep. */
int sffs_mail_start(struct sffs_lockmgr *mgr)
{
	mgr->row = alloc_pages_exact(sffs_row_size(mgr), GFP_KERNEL | __GFP_ZERO);
	mgr->sent = kzalloc(1U << mgr->setup.sector_shift, GFP_KERNEL);
	if (!mgr->row || !mgr->sent) {
		kfree(mgr->sent);
		if (mgr->row)
			free_pages_exact(mgr->row, sffs_row_size(mgr));
		return -ENOMEM;
	}
	mgr->busy_until = jiffies;
	INIT_WORK(&mgr->send_work, sffs_mail_send);
	INIT_DELAYED_WORK(&mgr->look_work, sffs_mail_look);
	queue_delayed_work(mgr->wq_first, &mgr->look_work, 0);
	return 0;
}

/* End it: no resource is left. Context: sleeps. */
void sffs_mail_stop(struct sffs_lockmgr *mgr)
{
	cancel_delayed_work_sync(&mgr->look_work);
	cancel_work_sync(&mgr->send_work);
	free_pages_exact(mgr->row, sffs_row_size(mgr));
	kfree(mgr->sent);
}
