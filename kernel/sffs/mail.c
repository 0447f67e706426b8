// SPDX-License-Identifier: GPL-2.0-only
/* Sectors of the mailbox: what goes into one, and what one says. */
#include "mail.h"

/* ---- The sender ---- */

static struct sffs_mail_request *find(struct sffs_mail_box *box, u64 number, unsigned int type)
{
	unsigned int i;

	for (i = 0; i < box->count; i++)
		if (le64_to_cpu(box->req[i].number) == number && box->req[i].type == type)
			return &box->req[i];
	return NULL;
}

static void changed(struct sffs_mail_box *box)
{
	box->changed = true;
	box->newer = true;
}

/*
 * What makes room in a full box: what may have to be asked for in vain, or what has been
 * asked long enough and has its turn again later. NULL: nothing.
 */
static struct sffs_mail_request *victim(struct sffs_mail_box *box, u8 mode)
{
	unsigned int i;

	for (i = 0; i < box->count; i++)
		if (box->req[i].mode == SFFS_MAIL_LAST && mode != SFFS_MAIL_LAST)
			return &box->req[i];
	for (i = 0; i < box->count; i++)
		if (box->aged[i])
			return &box->req[i];
	return NULL;
}

/**
 * sffs_mail_post() - ask for a resource
 * @box: the requests to the one that holds it
 * @number: resource number
 * @type: enum sffs_lock_type
 * @mode: shared, exclusive or SFFS_MAIL_LAST; takes the place of what was asked of it before
 * @holder_inc: the holder's incarnation, as the record says
 *
 * Called with every poll for as long as the resource is wanted. A write that failed may
 * still come, and over a later one, so after some polls the sector is written again.
 *
 * Return: whether there is room; if not, the caller tries again with its next poll.
 */
bool sffs_mail_post(struct sffs_mail_box *box, u64 number, unsigned int type, u8 mode,
		    u32 holder_inc)
{
	struct sffs_mail_request *req = find(box, number, type);

	if (req && req->mode == mode && le32_to_cpu(req->holder_inc) == holder_inc) {
		if (++box->polls[req - box->req] == SFFS_MAIL_REPEAT) {
			box->polls[req - box->req] = 0;
			box->aged[req - box->req] = true;
			changed(box);
		}
		return true;
	}
	if (!req) {
		req = box->count < SFFS_MAIL_REQUESTS ? &box->req[box->count++] :
							victim(box, mode);
		if (!req)
			return false;
	}
	memset(req, 0, sizeof(*req));
	req->number = cpu_to_le64(number);
	req->type = type;
	req->mode = mode;
	req->holder_inc = cpu_to_le32(holder_inc);
	box->polls[req - box->req] = 0;
	box->aged[req - box->req] = false;
	changed(box);
	return true;
}

/* No more need of a resource. Returns whether it had been asked for. */
bool sffs_mail_withdraw(struct sffs_mail_box *box, u64 number, unsigned int type)
{
	struct sffs_mail_request *req = find(box, number, type);

	if (!req)
		return false;
	*req = box->req[--box->count];
	box->polls[req - box->req] = box->polls[box->count];
	box->aged[req - box->req] = box->aged[box->count];
	changed(box);
	return true;
}

/**
 * sffs_mail_build() - make the sector that says what is in a box
 * @id: the sector
 * @box: its requests; sffs_mail_sent() is told of the write, before the next one begins
 * @sequence: another one than in this incarnation's sector before
 * @mail: the image
 */
void sffs_mail_build(const struct sffs_mail_id *id, struct sffs_mail_box *box, u64 sequence,
		     struct sffs_mail *mail)
{
	memset(mail, 0, sizeof(*mail));
	mail->magic = cpu_to_le32(SFFS_MAGIC_MAIL);
	mail->sequence = cpu_to_le64(sequence);
	mail->sender = id->sender;
	mail->receiver = id->receiver;
	mail->sender_inc = cpu_to_le32(id->sender_inc);
	mail->receiver_inc = cpu_to_le32(id->receiver_inc);
	mail->count = cpu_to_le16(box->count);
	memcpy(mail->req, box->req, box->count * sizeof(box->req[0]));
	sffs_set_crc(mail, sizeof(*mail), id->seed);
	box->newer = false;
}

/* The write of what sffs_mail_build() made has ended: with 0, or it is to be done again. */
void sffs_mail_sent(struct sffs_mail_box *box, int error)
{
	if (!error)
		box->changed = box->newer;
}

/* ---- The receiver ---- */

/**
 * sffs_mail_ok() - is this a sector of the matrix, and whole?
 * @id: its place: the incarnations do not count
 * @mail: 512 bytes from disk, which may say anything
 *
 * A sector of zeros was never written, and is good. One that is not good may be in the
 * middle of being written; it is read again at the next look.
 */
bool sffs_mail_ok(const struct sffs_mail_id *id, const struct sffs_mail *mail)
{
	static const struct sffs_mail none;

	if (!mail->magic)
		return !memcmp(mail, &none, sizeof(none));
	return mail->magic == cpu_to_le32(SFFS_MAGIC_MAIL) &&
	       sffs_crc_ok(mail, sizeof(*mail), id->seed) &&
	       mail->sender == id->sender && mail->receiver == id->receiver &&
	       le16_to_cpu(mail->count) <= SFFS_MAIL_REQUESTS &&
	       !memcmp(mail->reserved, none.reserved, sizeof(none.reserved));
}

/* Is a good sector from and to these incarnations? What else it says is of no concern. */
bool sffs_mail_is_for(const struct sffs_mail_id *id, const struct sffs_mail *mail)
{
	return mail->magic && le32_to_cpu(mail->sender_inc) == id->sender_inc &&
	       le32_to_cpu(mail->receiver_inc) == id->receiver_inc;
}

/**
 * sffs_mail_request() - look at one request
 * @id: the sector
 * @mail: good, and for these incarnations
 * @i: which, from 0
 * @req: filled in
 *
 * Return: false if there is no such request, if it can be no resource, or if it is for an
 * incarnation of the receiver that is over.
 */
bool sffs_mail_request(const struct sffs_mail_id *id, const struct sffs_mail *mail,
		       unsigned int i, struct sffs_mail_request *req)
{
	if (i >= le16_to_cpu(mail->count))
		return false;
	*req = mail->req[i];
	return le32_to_cpu(req->holder_inc) == id->receiver_inc &&
	       req->type >= SFFS_LOCKT_FIXED && req->type <= SFFS_LOCKT_CHUNK &&
	       (req->mode == SFFS_LOCK_SHARED || req->mode == SFFS_LOCK_EXCLUSIVE ||
		(req->mode == SFFS_MAIL_LAST && req->type == SFFS_LOCKT_OPEN));
}
