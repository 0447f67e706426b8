// SPDX-License-Identifier: GPL-2.0-only
/*
 * mailbox: sectors of the mailbox. Random requests against a list; sectors that say
 * anything.
 */
#include "mail.h"
#include "pure_test.h"

#define ROUNDS	100000
#define SEED	77U

static const struct sffs_mail_id id = {
	.receiver = 3, .sender = 5, .receiver_inc = 9, .sender_inc = 7, .seed = SEED,
};

/* ---- Boxes against a list ---- */

#define RESOURCES	64

static struct wish {
	enum sffs_lock_mode mode;
	u32 inc;
	unsigned int polls;
} wishes[RESOURCES];

/* Does the receiver see what the list says, each once, if it is for its incarnation? */
static bool delivered(const struct sffs_mail *mail)
{
	bool seen[RESOURCES] = { false };
	struct sffs_mail_request req;

	if (!sffs_mail_ok(&id, mail) || !sffs_mail_is_for(&id, mail))
		return false;
	for (unsigned int i = 0; i <= SFFS_MAIL_REQUESTS; i++) {
		u64 number;

		if (!sffs_mail_request(&id, mail, i, &req))
			continue;
		number = le64toh(req.number);
		if (number >= RESOURCES || seen[number] || req.mode != wishes[number].mode ||
		    req.type != 1 + number % 6)
			return false;
		seen[number] = true;
	}
	for (unsigned int n = 0; n < RESOURCES; n++)
		if (seen[n] != (wishes[n].mode && wishes[n].inc == id.receiver_inc))
			return false;
	return true;
}

/* Whose request made room: it has been asked for long enough. */
static bool displaced(const struct sffs_mail_box *box)
{
	for (unsigned int n = 0; n < RESOURCES; n++) {
		bool there = !wishes[n].mode;

		for (unsigned int i = 0; i < box->count; i++)
			there |= le64toh(box->req[i].number) == n;
		if (there)
			continue;
		wishes[n].mode = SFFS_LOCK_NONE;
		return wishes[n].polls >= SFFS_MAIL_REPEAT;
	}
	return false;
}

static bool long_asked(void)
{
	for (unsigned int n = 0; n < RESOURCES; n++)
		if (wishes[n].mode && wishes[n].polls >= SFFS_MAIL_REPEAT)
			return true;
	return false;
}

static bool boxes(void)
{
	struct sffs_mail_box box = { .count = 0 };
	struct sffs_mail *mail = malloc(sizeof(*mail));
	unsigned int open = 0;
	bool ok = true;

	for (unsigned int i = 0; ok && i < rounds(ROUNDS); i++) {
		u32 n = rnd(RESOURCES), inc = rnd(9) ? 9 : 8, mode = 1 + rnd(2);
		struct wish *w = &wishes[n];

		if (rnd(open > 20 ? 3 : 2)) {
			bool full = !w->mode && open == SFFS_MAIL_REQUESTS;
			bool room = !full || long_asked();
			unsigned int polls = w->mode == mode && w->inc == inc ? w->polls + 1 : 0;

			box.changed = false;
			ok = sffs_mail_post(&box, n, 1 + n % 6, mode, inc) == room &&
			     box.changed == (room && polls % SFFS_MAIL_REPEAT == 0);
			if (ok && room) {
				if (full)
					ok = displaced(&box);
				open += !w->mode && !full;
				*w = (struct wish){ mode, inc, polls };
			}
		} else {
			ok = sffs_mail_withdraw(&box, n, 1 + n % 6) == !!w->mode &&
			     !sffs_mail_withdraw(&box, n, 1 + (n + 1) % 6);
			open -= !!w->mode;
			w->mode = SFFS_LOCK_NONE;
		}
		sffs_mail_build(&id, &box, i, mail);
		sffs_mail_sent(&box, 0);
		ok = ok && !box.changed && le64toh(mail->sequence) == i && delivered(mail);
	}
	free(mail);
	return ok;
}

/* ---- Writes that fail, and come late ---- */

#define OPEN	5

static struct sffs_mail sector, late;
static bool is_late;

static void post(struct sffs_mail_box *box, u32 n)
{
	if (wishes[n].mode)
		sffs_mail_post(box, n, 1 + n % 6, wishes[n].mode, wishes[n].inc);
	else
		sffs_mail_withdraw(box, n, 1 + n % 6);
}

static void wish_another(struct sffs_mail_box *box)
{
	u32 n = rnd(OPEN);

	if (rnd(10))
		return;
	wishes[n] = (struct wish){ rnd(3), 9, 0 };
	post(box, n);
}

static void write_sector(struct sffs_mail_box *box, u64 sequence, bool faults)
{
	static struct sffs_mail mail;
	int error = 0;

	sffs_mail_build(&id, box, sequence, &mail);
	if (faults && !rnd(3)) {
		error = -1;
		if (!is_late && rnd(2)) {
			late = mail;
			is_late = true;
		}
	} else {
		sector = mail;
	}
	if (faults)
		wish_another(box);	/* while the write is under way */
	sffs_mail_sent(box, error);
}

static bool polled(struct sffs_mail_box *box, u64 sequence, bool faults)
{
	if (faults)
		wish_another(box);
	for (u32 n = 0; n < OPEN; n++)
		post(box, n);
	if (!box->changed)
		return false;
	write_sector(box, sequence, faults);
	return true;
}

/* Once the faults are over, the receiver soon sees what is wanted. */
static bool repeated(void)
{
	struct sffs_mail_box box = { .count = 0 };
	unsigned int polls = 0, writes = 0;
	u64 sequence = 0;

	memset(wishes, 0, sizeof(wishes));
	for (unsigned int i = 0; i < rounds(ROUNDS / 100); i++) {
		unsigned int open = 0;

		for (unsigned int k = rnd(100); k; k--) {
			polled(&box, ++sequence, true);
			if (is_late && !rnd(20)) {
				sector = late;
				is_late = false;
			}
		}
		if (is_late)
			sector = late;
		is_late = false;
		for (unsigned int k = 0; k < 2 * SFFS_MAIL_REPEAT; k++, polls++)
			writes += polled(&box, ++sequence, false);
		for (u32 n = 0; n < OPEN; n++)
			open += !!wishes[n].mode;
		if (open && (box.count != open || !delivered(&sector))) {
			printf("# round %u: what is wanted is not in the sector\n", i);
			return false;
		}
	}
	/* Not with every poll: the array has other things to do. */
	printf("# %u polls, %u writes\n", polls, writes);
	return writes && writes <= polls / 2 + polls / SFFS_MAIL_REPEAT;
}

/* Only a write that succeeded, of what is still in the box, is enough. */
static bool sent(void)
{
	struct sffs_mail_box box = { .count = 0 };
	struct sffs_mail mail;
	bool failed, newer;

	sffs_mail_post(&box, 1, SFFS_LOCKT_GROUP, SFFS_LOCK_SHARED, 9);
	sffs_mail_build(&id, &box, 1, &mail);
	sffs_mail_sent(&box, -1);
	failed = box.changed;
	sffs_mail_build(&id, &box, 2, &mail);
	sffs_mail_withdraw(&box, 1, SFFS_LOCKT_GROUP);
	sffs_mail_sent(&box, 0);
	newer = box.changed;
	sffs_mail_build(&id, &box, 3, &mail);
	sffs_mail_sent(&box, 0);
	return failed && newer && !box.changed;
}

/* What others wait for takes the place of what may be asked for in vain. */
static bool goes_first(void)
{
	struct sffs_mail_box box = { .count = 0 };
	unsigned int n;

	for (n = 0; n < SFFS_MAIL_REQUESTS; n++)
		if (!sffs_mail_post(&box, n, SFFS_LOCKT_OPEN, SFFS_MAIL_LAST, 9))
			return false;
	if (sffs_mail_post(&box, n, SFFS_LOCKT_OPEN, SFFS_MAIL_LAST, 9))
		return false;
	for (n = 0; n < SFFS_MAIL_REQUESTS; n++)
		if (!sffs_mail_post(&box, n, SFFS_LOCKT_INODE, SFFS_LOCK_SHARED, 9))
			return false;
	return !sffs_mail_post(&box, n, SFFS_LOCKT_INODE, SFFS_LOCK_SHARED, 9) &&
	       box.count == SFFS_MAIL_REQUESTS;
}

/* ---- What is not accepted ---- */

static bool refused(void)
{
	struct sffs_mail_box box = { .count = 0 };
	struct sffs_mail good, m;
	struct sffs_mail_request req;
	bool bad = false;

	sffs_mail_post(&box, 11, SFFS_LOCKT_INODE, SFFS_LOCK_SHARED, 9);
	sffs_mail_build(&id, &box, 1, &good);
	memset(&m, 0, sizeof(m));
	if (!sffs_mail_ok(&id, &m) || sffs_mail_is_for(&id, &m))
		return false;
	m.count = htole16(1);
	if (sffs_mail_ok(&id, &m))
		return false;
#define SET(change)	(m = good, change, sffs_set_crc(&m, sizeof(m), SEED))
#define SECTOR(change)	(SET(change), sffs_mail_ok(&id, &m) && printf("# accepted: " #change "\n"))
#define FOR(change)	(SET(change), sffs_mail_is_for(&id, &m) && printf("# taken: " #change "\n"))
#define REQUEST(change)	(SET(change), sffs_mail_request(&id, &m, 0, &req) &&		\
			 printf("# request: " #change "\n"))
	bad |= SECTOR(m.magic = htole32(SFFS_MAGIC_LOCK));
	bad |= SECTOR(m.sender = 4);
	bad |= SECTOR(m.receiver = 4);
	bad |= SECTOR(m.count = htole16(SFFS_MAIL_REQUESTS + 1));
	bad |= SECTOR(m.reserved[35] = 1);
	bad |= FOR(m.sender_inc = htole32(6));
	bad |= FOR(m.receiver_inc = htole32(8));
	bad |= REQUEST(m.count = 0);
	bad |= REQUEST(m.req[0].holder_inc = htole32(8));
	bad |= REQUEST(m.req[0].type = 0);
	bad |= REQUEST(m.req[0].type = SFFS_LOCKT_CHUNK + 1);
	bad |= REQUEST(m.req[0].mode = SFFS_LOCK_NONE);
	bad |= REQUEST(m.req[0].mode = SFFS_MAIL_LAST);
	bad |= REQUEST(m.req[0].mode = SFFS_MAIL_LAST + 1);
	m = good;
	m.req[20].reserved[0] ^= 1;
	return !bad && !sffs_mail_ok(&id, &m) && sffs_mail_request(&id, &good, 0, &req) &&
	       !sffs_mail_request(&id, &good, 1, &req);
}

/* Each pair of slots has a sector of its own, within the region. */
static bool places(void)
{
	static bool used[SFFS_MAX_SLOTS * SFFS_MAX_SLOTS];

	for (unsigned int r = 0; r < SFFS_MAX_SLOTS; r++) {
		for (unsigned int s = 0; s < SFFS_MAX_SLOTS; s++) {
			u32 at = sffs_mail_sector(SFFS_MAX_SLOTS, r, s);

			if (at >= ARRAY_SIZE(used) || used[at])
				return false;
			used[at] = true;
		}
	}
	/* One READ gets a receiver its row. */
	return sffs_mail_sector(8, 2, 7) == sffs_mail_sector(8, 2, 0) + 7;
}

int main(void)
{
	const struct result test[] = {
		{ "boxes deliver what is in a list", boxes() },
		{ "a sector is to be written until that succeeded", sent() },
		{ "what is wanted is written again until it is read", repeated() },
		{ "what is asked for in vain makes room", goes_first() },
		{ "what can be no sector and no request is refused", refused() },
		{ "each pair of slots has its place", places() },
	};

	return report(test, ARRAY_SIZE(test));
}
