/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The mailbox: a matrix of sectors, one for each (receiver, sender), written by that
 * sender alone. It brings wishes to holders and to delegates, and nothing else: a lost or
 * old one costs time, and what it asks for is looked up in the lock record. Plain
 * functions, also tested in user space.
 */
#ifndef _SFFS_MAIL_H
#define _SFFS_MAIL_H

#include "pure.h"
#include "sffs_format.h"

/**
 * struct sffs_mail_id - one sector of the matrix
 * @receiver: slot
 * @sender: slot
 * @receiver_inc: incarnation that is addressed
 * @sender_inc: incarnation that writes
 * @seed: of checksums
 */
struct sffs_mail_id {
	u8 receiver;
	u8 sender;
	u32 receiver_inc;
	u32 sender_inc;
	u32 seed;
};

/**
 * struct sffs_mail_box - what a node wants of another: its open requests, each resource once
 * @req: the requests
 * @polls: how often each was posted again since the sector was to be written
 * @aged: has been there for SFFS_MAIL_REPEAT polls: seen, if it was not lost
 * @count: of them
 * @changed: the sector is to be written: it may not say what is in here
 * @newer: changed after sffs_mail_build()
 */
struct sffs_mail_box {
	struct sffs_mail_request req[SFFS_MAIL_REQUESTS];
	u8 polls[SFFS_MAIL_REQUESTS];
	bool aged[SFFS_MAIL_REQUESTS];
	unsigned int count;
	bool changed;
	bool newer;
};

#define SFFS_MAIL_REPEAT	8U	/* polls after which an open request is written again */

/* Its place in the region, in sectors. */
static inline u32 sffs_mail_sector(unsigned int max_slots, unsigned int receiver,
				   unsigned int sender)
{
	return receiver * max_slots + sender;
}

bool sffs_mail_post(struct sffs_mail_box *box, u64 number, unsigned int type, u8 mode,
		    u32 holder_inc);
bool sffs_mail_withdraw(struct sffs_mail_box *box, u64 number, unsigned int type);
void sffs_mail_build(const struct sffs_mail_id *id, struct sffs_mail_box *box, u64 sequence,
		     struct sffs_mail *mail);
void sffs_mail_sent(struct sffs_mail_box *box, int error);

bool sffs_mail_ok(const struct sffs_mail_id *id, const struct sffs_mail *mail);
bool sffs_mail_is_for(const struct sffs_mail_id *id, const struct sffs_mail *mail);
bool sffs_mail_request(const struct sffs_mail_id *id, const struct sffs_mail *mail,
		       unsigned int i, struct sffs_mail_request *req);

#endif /* _SFFS_MAIL_H */
