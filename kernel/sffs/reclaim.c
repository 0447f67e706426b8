// SPDX-License-Identifier: GPL-2.0-only
/*
 * Space reclaim: what is free goes back to the array by UNMAP.
 *
 * An array takes back whole units only: so many bytes, from an offset on. Free blocks are
 * joined to stretches of whole units, together with free ones that are unmapped already;
 * a unit in which all are unmapped is left alone.
 *
 * A stretch is, one after the other:
 *
 *   chosen      free in the bitmap and not busy, so the transaction that freed it is on
 *               disk; under the group's mutex it becomes busy itself
 *   under way   UNMAP was sent; no mutex is held
 *   marked      a transaction sets its bits in the `unmapped` bitmap, under the mutex
 *   released    no longer busy
 *
 * All this time the group's cluster lock is used exclusively, so it is not given up, and
 * what is busy is not allocated: nobody writes to a block that an UNMAP may still reach.
 * A stretch is busy here for other reclaimers, too. If UNMAP fails, or the host dies, the
 * bits stay clear and a later pass does it again. What is busy counts as not available;
 * promised blocks (@reserved) are never chosen, and a task that finds no space waits for the
 * stretches under way, and keeps new ones from being chosen for a second.
 *
 * A block that is allocated loses its `unmapped` bit in that transaction. If the data comes to
 * the device and the transaction does not, because of a crash, the bit is still set but wrong.
 * So the super block counts crashes, and a group's header says as of which of them its bits
 * are right: if that is not the last, fstrim does not believe them (@doubt), and when it has
 * passed over nothing of the group they are right again.
 */
#include <linux/fs.h>
#include <linux/math64.h>
#include <linux/mount.h>
#include <linux/sched/signal.h>

#include "bitmap.h"
#include "sffs.h"

/* Limits of what is busy at one time, and of a transaction. */
#define SFFS_RECLAIM_EXTENTS	32U
#define SFFS_RECLAIM_BITMAPS	16U
#define SFFS_RECLAIM_BLOCKS	65536U

/* An allocation that found no space keeps reclaim from choosing more. */
#define SFFS_RECLAIM_PAUSE	HZ

/* In the background: what is freed within such a time is joined; a mount has better to do. */
#define SFFS_RECLAIM_JOIN	(2 * HZ)
#define SFFS_RECLAIM_MOUNT	(5 * HZ)

/* And rests in milliseconds: after a group, after an error, and the longest one. */
#define SFFS_RECLAIM_REST	50
#define SFFS_RECLAIM_RETRY	10000
#define SFFS_RECLAIM_REST_MAX	3600000

/**
 * struct sffs_stretch - whole units that are being unmapped
 * @busy: the blocks that they touch
 * @from: first byte on the device
 * @to: behind the last one
 */
struct sffs_stretch {
	struct sffs_busy busy;
	u64 from;
	u64 to;
};

/**
 * struct sffs_reclaim - some stretches of one group, and how they are looked for
 * @g: the group
 * @gh: its header, while looking
 * @units: of the device
 * @min: shortest run of free blocks that is wanted
 * @room: blocks that may still be chosen
 * @doubt: `unmapped` bits are not believed
 * @held: the group is not to be taken away from another host
 * @full: there is no more room
 * @busy: something was passed over because it is on its way to be free or unmapped
 * @scarce: something was passed over because there is hardly any free space
 * @nr: stretches in @stretch
 * @bitmaps: bitmap blocks that they are in
 * @last_bitmap: number of the last one
 * @bh: bitmap block that is being looked at, or NULL
 * @map: its content
 * @map_nr: its number
 * @blank: content of one that was never written
 * @stretch: those that were chosen
 */
struct sffs_reclaim {
	struct sffs_group_info *g;
	struct sffs_group *gh;
	struct sffs_units units;
	u32 min;
	u32 room;
	bool doubt;
	bool held;
	bool full;
	bool busy;
	bool scarce;
	u32 nr;
	u32 bitmaps;
	u32 last_bitmap;
	struct buffer_head *bh;
	const struct sffs_bitmap *map;
	u32 map_nr;
	struct sffs_bitmap blank;
	struct sffs_stretch stretch[SFFS_RECLAIM_EXTENTS];
};

/* ---- Units ---- */

/* The boundary of units at or before a byte; 0 if there is none. */
static u64 sffs_unit_down(const struct sffs_units *u, u64 byte)
{
	u64 rest;

	if (byte < u->alignment)
		return 0;
	div64_u64_rem(byte - u->alignment, u->granularity, &rest);
	return byte - rest;
}

/* And the one at or behind it. */
static u64 sffs_unit_up(const struct sffs_units *u, u64 byte)
{
	return byte ? sffs_unit_down(u, byte - 1 + u->granularity) : u->alignment;
}

static u32 sffs_unit_blocks(const struct sffs_units *u)
{
	return DIV_ROUND_UP(u->granularity, SFFS_BLOCK_SIZE);
}

/* ---- Choosing stretches; the group's mutex is held ---- */

static int sffs_reclaim_map(struct sffs_reclaim *r, u32 k)
{
	struct buffer_head *bh;

	if (r->map && r->map_nr == k)
		return 0;
	brelse(r->bh);
	r->bh = NULL;
	r->map = NULL;
	bh = sffs_group_bitmap(r->g, r->gh, k, NULL);
	if (IS_ERR(bh))
		return PTR_ERR(bh);
	if (!bh) {
		memset(&r->blank, 0, sizeof(r->blank));
		sffs_bitmap_init(r->g, &r->blank, k, r->gh->sum[k].unmapped);
	}
	r->bh = bh;
	r->map = bh ? (struct sffs_bitmap *)bh->b_data : &r->blank;
	r->map_nr = k;
	return 0;
}

/* First block of the group in [from, end) whose bit is @value, or @end. */
static int sffs_reclaim_find(struct sffs_reclaim *r, bool unmapped, u32 from, u32 end, bool value,
			     u32 *at)
{
	while (from < end) {
		u32 k = from / SFFS_BITMAP_BITS, first = k * SFFS_BITMAP_BITS;
		u32 stop = min(end - first, SFFS_BITMAP_BITS);
		int err = sffs_reclaim_map(r, k);

		if (err)
			return err;
		*at = first + sffs_bits_find(unmapped ? r->map->unmapped : r->map->allocated,
					     from - first, stop, value);
		if (*at < first + stop)
			return 0;
		from = first + stop;
	}
	*at = end;
	return 0;
}

/* The part of [from, to) that there is room for becomes busy; where it ends. */
static u64 sffs_reclaim_choose(struct sffs_reclaim *r, u64 from, u64 to)
{
	u64 start = sffs_group_start(r->g), most = (u64)r->room << SFFS_BLOCK_SHIFT;
	struct sffs_stretch *s = &r->stretch[r->nr];
	u32 k, end;

	if (to - from > most) {
		to = from + div_u64(most, r->units.granularity) * r->units.granularity;
		r->full = true;
	}
	if (r->nr == SFFS_RECLAIM_EXTENTS || from == to) {
		r->full = true;
		return from;
	}
	s->from = from;
	s->to = to;
	s->busy.group = r->g;
	s->busy.start = (from >> SFFS_BLOCK_SHIFT) - start;
	end = DIV_ROUND_UP_ULL(to, SFFS_BLOCK_SIZE) - start;
	s->busy.count = end - s->busy.start;
	s->busy.meta = false;
	k = s->busy.start / SFFS_BITMAP_BITS;
	if (!r->nr || k != r->last_bitmap)
		r->bitmaps++;
	r->last_bitmap = (end - 1) / SFFS_BITMAP_BITS;
	r->bitmaps += r->last_bitmap - k;
	r->room -= min(r->room, s->busy.count);
	if (r->bitmaps >= SFFS_RECLAIM_BITMAPS)
		r->full = true;
	r->nr++;
	sffs_busy_hold(r->g, &s->busy);
	return to;
}

/* Whole units of a free run that are not all unmapped; *next is where to go on. */
static int sffs_reclaim_run(struct sffs_reclaim *r, u32 start, u32 end, u32 *next)
{
	u64 base = sffs_group_start(r->g);
	u64 low = sffs_unit_up(&r->units, (base + start) << SFFS_BLOCK_SHIFT);
	u64 high = sffs_unit_down(&r->units, (base + end) << SFFS_BLOCK_SHIFT);
	u32 at = start, first, behind;
	int err;

	*next = end;
	if (end - start < r->min || low >= high)
		return 0;
	while (at < end && !r->full) {
		u64 from, to;

		first = at;
		behind = end;
		err = r->doubt ? 0 : sffs_reclaim_find(r, true, at, end, false, &first) ?:
				     sffs_reclaim_find(r, true, first, end, true, &behind);
		if (err || first == end)
			return err;
		from = max(low, sffs_unit_down(&r->units, (base + first) << SFFS_BLOCK_SHIFT));
		to = min(high, sffs_unit_up(&r->units, (base + behind) << SFFS_BLOCK_SHIFT));
		at = behind;
		if (from >= to)
			continue;
		to = sffs_reclaim_choose(r, from, to);
		low = to;
		if (r->full)
			*next = max_t(u64, start, (to >> SFFS_BLOCK_SHIFT) - base);
	}
	return 0;
}

/* A bitmap block without anything to do is passed over, but for a unit that it shares. */
static u32 sffs_reclaim_skip(const struct sffs_reclaim *r, u32 at)
{
	u32 k = at / SFFS_BITMAP_BITS, behind = (k + 1) * SFFS_BITMAP_BITS;
	u32 free = le16_to_cpu(r->gh->sum[k].free) & ~SFFS_BMS_UNINIT;

	if (free && (r->doubt || free != le16_to_cpu(r->gh->sum[k].unmapped)))
		return at;
	return max(at, behind - min(behind, sffs_unit_blocks(&r->units) - 1));
}

/* Choose stretches from *pos on, until @end or no more room. */
static int sffs_reclaim_collect(struct sffs_reclaim *r, u32 *pos, u32 end)
{
	while (*pos < end && !r->full) {
		u32 start, stop, from, to;
		int err;

		*pos = sffs_reclaim_skip(r, *pos);
		if (*pos >= end)
			break;
		err = sffs_reclaim_find(r, false, *pos, end, false, &start) ?:
		      sffs_reclaim_find(r, false, start, end, true, &stop);
		if (err)
			return err;
		*pos = stop;
		while (start < stop && !r->full) {
			from = start;
			to = stop;
			sffs_busy_trim(r->g, &from, &to);
			r->busy |= from > start || to < stop;
			start = to;
			err = from < to ? sffs_reclaim_run(r, from, to, pos) : 0;
			if (err)
				return err;
		}
		if (!r->full)
			*pos = stop;
	}
	return 0;
}

static int sffs_reclaim_look(struct sffs_reclaim *r, u32 *pos, u32 end)
{
	struct sffs_group_info *g = r->g;
	struct buffer_head *bh;
	u32 avail;
	int err;

	mutex_lock(&g->mutex);
	/* Others shall find space meanwhile, and what may not fail its own. */
	avail = sffs_group_avail(g);
	avail -= min(avail, sffs_group_kept(g));
	r->room = min(r->room, max(avail / 2, min(avail, sffs_unit_blocks(&r->units))));
	if (!avail || (g->free == g->unmapped && !r->doubt)) {
		r->scarce |= g->free != g->unmapped || r->doubt;
		*pos = end;
		err = 0;
		goto unlock;
	}
	bh = sffs_group_header(g);
	err = PTR_ERR_OR_ZERO(bh);
	if (err)
		goto unlock;
	r->gh = (struct sffs_group *)bh->b_data;
	/* Never what is the group's own, whatever a bitmap says. */
	*pos = max(*pos, SFFS_GROUP_BITMAP + g->lock.sbi->bitmap_blocks);
	err = sffs_reclaim_collect(r, pos, min(end, g->blocks));
	/* All of it, or there is not even room for one unit. */
	if (!err && (!r->full || !r->nr)) {
		r->scarce |= r->full;
		*pos = end;
	}
	r->gh = NULL;
	brelse(bh);
	brelse(r->bh);
	r->bh = NULL;
	r->map = NULL;
unlock:
	mutex_unlock(&g->mutex);
	return err;
}

/* ---- UNMAP ---- */

/* Commands that are on their way at a time. */
#define SFFS_RECLAIM_CHAIN	16

static int sffs_reclaim_send(struct sffs_sb_info *sbi, struct sffs_reclaim *r)
{
	struct bio *bio = NULL;
	unsigned int chain = 0;
	struct blk_plug plug;
	int err = 0;
	u32 i;

	blk_start_plug(&plug);
	for (i = 0; i < r->nr && !err; i++) {
		u64 at = r->stretch[i].from, n;

		for (; at < r->stretch[i].to && !err; at += n) {
			n = min_t(u64, r->stretch[i].to - at, r->units.max);
			bio = sffs_gate_unmap(sbi->gate, bio, at, n);
			/* Through the gate the end of one is inside of the next one's. */
			if (++chain % SFFS_RECLAIM_CHAIN)
				continue;
			err = submit_bio_wait(bio);
			bio_put(bio);
			bio = NULL;
		}
	}
	if (bio) {
		int last = submit_bio_wait(bio);

		bio_put(bio);
		err = err ?: last;
	}
	blk_finish_plug(&plug);
	if (!err)
		clear_bit(SFFS_MOUNT_UNMAP_FAILS, &sbi->flags);
	else if (!test_and_set_bit(SFFS_MOUNT_UNMAP_FAILS, &sbi->flags))
		pr_warn("%s: the device failed an UNMAP with error %d: freed space stays with it; fstrim tries again\n",
			sbi->sb->s_id, err);
	return err;
}

/* ---- Marking what was unmapped ---- */

static int sffs_reclaim_mark_bits(struct sffs_tx *tx, struct sffs_reclaim *r, u32 k, u32 bit,
				  u32 count)
{
	u16 free = le16_to_cpu(r->gh->sum[k].free);
	struct sffs_group_info *g = r->g;
	struct buffer_head *bh;
	struct sffs_bitmap *bm;
	u32 marked;

	/* One that was never written, and need not be. */
	if ((free & SFFS_BMS_UNINIT) &&
	    le16_to_cpu(r->gh->sum[k].unmapped) == (free & ~SFFS_BMS_UNINIT))
		return 0;
	bh = sffs_group_bitmap(g, r->gh, k, tx);
	if (IS_ERR(bh))
		return PTR_ERR(bh);
	bm = (struct sffs_bitmap *)bh->b_data;
	if (sffs_bits_find(bm->allocated, bit, bit + count, true) != bit + count) {
		sffs_damage(tx->sb, bh->b_blocknr, "blocks in use that were free");
		brelse(bh);
		return -EFSCORRUPTED;
	}
	marked = sffs_bits_set(bm->unmapped, bit, count, true);
	r->gh->sum[k].unmapped = cpu_to_le16(le16_to_cpu(r->gh->sum[k].unmapped) + marked);
	g->unmapped += marked;
	r->gh->unmapped_blocks = cpu_to_le32(g->unmapped);
	sffs_tx_dirty(tx, bh);
	brelse(bh);
	return 0;
}

static int sffs_reclaim_mark_stretch(struct sffs_tx *tx, struct sffs_reclaim *r,
				     const struct sffs_stretch *s)
{
	u64 base = sffs_group_start(r->g);
	/* A block that is only touched is not unmapped. */
	u32 at = DIV_ROUND_UP_ULL(s->from, SFFS_BLOCK_SIZE) - base;
	u32 end = (s->to >> SFFS_BLOCK_SHIFT) - base;
	int err = 0;

	while (at < end && !err) {
		u32 k = at / SFFS_BITMAP_BITS, bit = at % SFFS_BITMAP_BITS;
		u32 n = min(end - at, SFFS_BITMAP_BITS - bit);

		err = sffs_reclaim_mark_bits(tx, r, k, bit, n);
		at += n;
	}
	return err;
}

static int sffs_reclaim_mark(struct sffs_sb_info *sbi, struct sffs_reclaim *r)
{
	struct sffs_group_info *g = r->g;
	struct buffer_head *bh;
	struct sffs_tx tx;
	int err, err2;
	u32 i;

	sffs_tx_init(&tx, sbi->sb);
	tx.quota_sync = true;
	err = sffs_tx_start(&tx, 1 + r->bitmaps);
	if (err)
		return err;
	mutex_lock(&g->mutex);
	bh = sffs_group_header(g);
	err = PTR_ERR_OR_ZERO(bh);
	if (err)
		goto unlock;
	err = sffs_tx_access(&tx, bh);
	if (err)
		goto release;
	r->gh = (struct sffs_group *)bh->b_data;
	for (i = 0; i < r->nr && !err; i++)
		err = sffs_reclaim_mark_stretch(&tx, r, &r->stretch[i]);
	r->gh = NULL;
	sffs_tx_dirty(&tx, bh);
release:
	brelse(bh);
unlock:
	mutex_unlock(&g->mutex);
	err2 = sffs_tx_stop(&tx);
	return err ?: err2;
}

/* ---- A pass ---- */

/* Begin to use the group; -EAGAIN if another host has it, or this one has to ask for it. */
static int sffs_reclaim_use(struct sffs_reclaim *r)
{
	struct sffs_group_info *g = r->g;

	if (r->held && (!READ_ONCE(g->loaded) || !sffs_trylock(&g->lock, SFFS_LOCK_EXCLUSIVE)))
		return -EAGAIN;
	if (r->held)
		return 0;
	return sffs_group_load(g) ?: sffs_lock(&g->lock, SFFS_LOCK_EXCLUSIVE);
}

/**
 * sffs_reclaim_some() - unmap some of a part of a group
 * @r: @g, @min, @doubt, @held and the most blocks at a time, @room, are set
 * @pos: first block of the part, in the group; moved to where the next call goes on
 * @end: behind the last one
 * @bytes: what was unmapped is added
 *
 * Context: sleeps; write access to the mount is held, no handle and no cluster lock.
 * Return: 0, -EOPNOTSUPP if the device takes no UNMAP, -EAGAIN if the group is not held and was
 * not to be taken, or an error.
 */
static int sffs_reclaim_some(struct sffs_reclaim *r, u32 *pos, u32 end, u64 *bytes)
{
	struct sffs_group_info *g = r->g;
	struct sffs_sb_info *sbi = g->lock.sbi;
	int err;
	u32 i;

	r->nr = 0;
	r->bitmaps = 0;
	r->full = false;
	sffs_gate_units(sbi->gate, &r->units);
	if (!r->units.max)
		return -EOPNOTSUPP;
	err = sffs_reclaim_use(r);
	if (err)
		return err;
	atomic_inc(&sbi->reclaiming);
	err = sffs_reclaim_look(r, pos, end);
	/* What the last transactions freed may be in use again after a replay. */
	if (!err && is_journal_aborted(sbi->journal))
		err = -EIO;
	if (!err && r->nr)
		err = sffs_reclaim_send(sbi, r) ?: sffs_reclaim_mark(sbi, r);
	for (i = 0; i < r->nr; i++) {
		sffs_busy_unhold(g, &r->stretch[i].busy);
		if (!err)
			*bytes += r->stretch[i].to - r->stretch[i].from;
	}
	if (atomic_dec_and_test(&sbi->reclaiming))
		wake_up_all(&sbi->free_wait);
	sffs_unlock(&g->lock, SFFS_LOCK_EXCLUSIVE);
	return err;
}

/**
 * sffs_reclaim_wait() - wait for space that is busy only because it is being unmapped
 * @sbi: the mount
 *
 * Context: waits for the device; no handle may be held.
 * Return: whether there was any.
 */
bool sffs_reclaim_wait(struct sffs_sb_info *sbi)
{
	if (!atomic_read(&sbi->reclaiming))
		return false;
	WRITE_ONCE(sbi->reclaim_pause, jiffies + SFFS_RECLAIM_PAUSE);
	wait_event(sbi->free_wait, !atomic_read(&sbi->reclaiming));
	return true;
}

/* Leave what is free to those who need it now. */
static int sffs_reclaim_paused(struct sffs_sb_info *sbi)
{
	while (time_before(jiffies, READ_ONCE(sbi->reclaim_pause))) {
		schedule_timeout_killable(HZ / 10);
		if (fatal_signal_pending(current))
			return -EINTR;
	}
	return 0;
}

/* ---- In the background ---- */

static bool sffs_reclaim_due(const struct sffs_sb_info *sbi)
{
	return sbi->reclaim_on && (!list_empty(&sbi->reclaim_groups) ||
				   sbi->reclaim_first < sffs_nr_groups(sbi));
}

/* The work runs after @delay at the earliest, and not before the rate allows it. */
static unsigned long sffs_reclaim_delay(const struct sffs_sb_info *sbi, unsigned long delay)
{
	unsigned long now = jiffies;

	return time_after(sbi->reclaim_next, now + delay) ? sbi->reclaim_next - now : delay;
}

static void sffs_reclaim_queue(struct sffs_sb_info *sbi, unsigned long delay)
{
	lockdep_assert_held(&sbi->free_lock);
	if (sffs_reclaim_due(sbi))
		queue_delayed_work(system_unbound_wq, &sbi->reclaim_work,
				   sffs_reclaim_delay(sbi, delay));
}

/* The same for the work itself, whatever others have asked for while it ran. */
static void sffs_reclaim_requeue(struct sffs_sb_info *sbi, unsigned long delay)
{
	spin_lock(&sbi->free_lock);
	sbi->reclaim_next = jiffies + delay;
	if (sffs_reclaim_due(sbi))
		mod_delayed_work(system_unbound_wq, &sbi->reclaim_work, delay);
	spin_unlock(&sbi->free_lock);
}

static void sffs_reclaim_list(struct sffs_group_info *g, u32 start, u32 end)
{
	struct sffs_sb_info *sbi = g->lock.sbi;

	lockdep_assert_held(&sbi->free_lock);
	if (list_empty(&g->reclaim_entry)) {
		list_add_tail(&g->reclaim_entry, &sbi->reclaim_groups);
		g->reclaim_start = start;
		g->reclaim_end = end;
	} else {
		g->reclaim_start = min(g->reclaim_start, start);
		g->reclaim_end = max(g->reclaim_end, end);
	}
}

/**
 * sffs_reclaim_note() - a part of a group may have something to give back
 * @g: the group
 * @start: first block of the part, in the group
 * @end: behind the last one
 *
 * Context: any task; does not sleep.
 */
void sffs_reclaim_note(struct sffs_group_info *g, u32 start, u32 end)
{
	struct sffs_sb_info *sbi = g->lock.sbi;

	spin_lock(&sbi->free_lock);
	sffs_reclaim_list(g, start, end);
	sffs_reclaim_queue(sbi, SFFS_RECLAIM_JOIN);
	spin_unlock(&sbi->free_lock);
}

/**
 * sffs_reclaim_got() - a group came from another host, which may have left something to give back
 * @g: the group, its mutex held, with its counts
 *
 * Context: does not sleep.
 */
void sffs_reclaim_got(struct sffs_group_info *g)
{
	if (!g->lock.sbi->local && g->unmapped < g->free)
		sffs_reclaim_note(g, 0, g->blocks);
}

/* A part that was not, or not wholly, given back. */
static void sffs_reclaim_put_back(struct sffs_group_info *g, u32 start, u32 end)
{
	spin_lock(&g->lock.sbi->free_lock);
	sffs_reclaim_list(g, start, end);
	spin_unlock(&g->lock.sbi->free_lock);
}

/* What was noted; when there is nothing, what the last mounts did not come to. */
static struct sffs_group_info *sffs_reclaim_next(struct sffs_sb_info *sbi, u32 *start, u32 *end)
{
	struct sffs_group_info *g;

	spin_lock(&sbi->free_lock);
	g = list_first_entry_or_null(&sbi->reclaim_groups, struct sffs_group_info, reclaim_entry);
	if (g) {
		list_del_init(&g->reclaim_entry);
		*start = g->reclaim_start;
		*end = g->reclaim_end;
	} else if (sbi->reclaim_first < sffs_nr_groups(sbi)) {
		g = sffs_group(sbi, sbi->reclaim_first++);
		*start = 0;
		*end = READ_ONCE(g->blocks);
	}
	spin_unlock(&sbi->free_lock);
	return g;
}

/* Some of a part of a group; for how long there is then to be a rest, in milliseconds. */
static u64 sffs_reclaim_part(struct sffs_reclaim *r, u32 rate, u32 start, u32 end)
{
	struct sffs_sb_info *sbi = r->g->lock.sbi;
	u32 unit, at;
	u64 bytes = 0;
	int err;

	sffs_gate_units(sbi->gate, &r->units);
	unit = sffs_unit_blocks(&r->units);
	/* At most what the rate gives in half a second. */
	r->room = rate == SFFS_RECLAIM_HIGH ? SFFS_RECLAIM_BLOCKS :
		  clamp(rate / 8, unit, max(unit, SFFS_RECLAIM_BLOCKS));
	/* A unit that begins or ends outside of what was freed. */
	at = start - min(start, unit - 1);
	end = min(end + unit - 1, READ_ONCE(r->g->blocks));
	r->held = !sbi->local;
	err = sffs_reclaim_some(r, &at, end, &bytes);
	/* What another host has got is noted there, see sffs_reclaim_got(). */
	if (err == -EFSCORRUPTED || err == -EOPNOTSUPP || err == -EAGAIN)
		return SFFS_RECLAIM_REST;
	if (err || r->scarce) {
		sffs_reclaim_put_back(r->g, start, end);
		return err ? SFFS_RECLAIM_RETRY : 10 * SFFS_RECLAIM_REST;
	}
	if (at < end)
		sffs_reclaim_put_back(r->g, at, end);
	if (rate == SFFS_RECLAIM_HIGH)
		return at < end ? 0 : SFFS_RECLAIM_REST;
	return max_t(u64, div_u64(bytes, rate), at < end ? 0 : SFFS_RECLAIM_REST);
}

static u64 sffs_reclaim_step(struct sffs_sb_info *sbi, u32 rate)
{
	struct sffs_reclaim *r = kvzalloc(sizeof(*r), GFP_NOFS);
	u64 rest = SFFS_RECLAIM_REST;
	u32 start, end;

	if (!r)
		return SFFS_RECLAIM_RETRY;
	r->g = sffs_reclaim_next(sbi, &start, &end);
	if (r->g)
		rest = sffs_reclaim_part(r, rate, start, end);
	kvfree(r);
	return rest;
}

void sffs_reclaim_work(struct work_struct *work)
{
	struct sffs_sb_info *sbi = container_of(to_delayed_work(work), struct sffs_sb_info,
						reclaim_work);
	u32 rate = READ_ONCE(sbi->reclaim_rate);
	u64 rest = SFFS_RECLAIM_REST;
	struct sffs_units units;

	sffs_gate_units(sbi->gate, &units);
	if (!rate || !units.max || sffs_is_shutdown(sbi))
		return;
	if (time_after_eq(jiffies, READ_ONCE(sbi->reclaim_pause)) &&
	    sb_start_intwrite_trylock(sbi->sb)) {
		rest = sffs_reclaim_step(sbi, rate);
		sb_end_intwrite(sbi->sb);
	}
	sffs_reclaim_requeue(sbi, msecs_to_jiffies(min_t(u64, rest, SFFS_RECLAIM_REST_MAX)));
}

/**
 * sffs_reclaim_start() - the mount can be written: give back in the background
 * @sbi: the mount
 *
 * The first time, on a mount that is alone, also what earlier ones did not come to. A node does
 * that when it gets a group for other reasons, and works on what it holds only.
 */
void sffs_reclaim_start(struct sffs_sb_info *sbi)
{
	struct sffs_units units;

	sffs_gate_units(sbi->gate, &units);
	if (!units.max)
		pr_info("%s: the device does not take UNMAP: freed space stays with it\n",
			sbi->sb->s_id);
	spin_lock(&sbi->free_lock);
	if (!sbi->local)
		sbi->reclaim_first = max(sbi->reclaim_first, sffs_nr_groups(sbi));
	sbi->reclaim_on = true;
	sffs_reclaim_queue(sbi, SFFS_RECLAIM_MOUNT);
	spin_unlock(&sbi->free_lock);
}

/* It cannot, or not much longer. Context: waits for what is under way. */
void sffs_reclaim_stop(struct sffs_sb_info *sbi)
{
	spin_lock(&sbi->free_lock);
	sbi->reclaim_on = false;
	spin_unlock(&sbi->free_lock);
	cancel_delayed_work_sync(&sbi->reclaim_work);
}

/* From now on freed space is given back at that rate. Context: does not sleep. */
void sffs_reclaim_follow(struct sffs_sb_info *sbi, u32 rate)
{
	if (rate == READ_ONCE(sbi->reclaim_rate))
		return;
	WRITE_ONCE(sbi->reclaim_rate, rate);
	sffs_reclaim_requeue(sbi, 0);
}

/* ---- fstrim ---- */

/* The `unmapped` bits of a group are right again, as of so many crashes. */
static int sffs_reclaim_sure(struct sffs_group_info *g, u32 crashes)
{
	struct sffs_sb_info *sbi = g->lock.sbi;
	struct buffer_head *bh;
	struct sffs_tx tx;
	int err, err2;

	err = sffs_lock(&g->lock, SFFS_LOCK_EXCLUSIVE);
	if (err)
		return err;
	sffs_tx_init(&tx, sbi->sb);
	tx.quota_sync = true;
	err = sffs_tx_start(&tx, 1);
	if (err)
		goto unlock;
	mutex_lock(&g->mutex);
	bh = sffs_group_header(g);
	err = PTR_ERR_OR_ZERO(bh);
	if (!err) {
		err = sffs_tx_access(&tx, bh);
		if (!err) {
			((struct sffs_group *)bh->b_data)->crashes = cpu_to_le32(crashes);
			g->crashes = crashes;
			sffs_tx_dirty(&tx, bh);
		}
		brelse(bh);
	}
	mutex_unlock(&g->mutex);
	err2 = sffs_tx_stop(&tx);
	err = err ?: err2;
unlock:
	sffs_unlock(&g->lock, SFFS_LOCK_EXCLUSIVE);
	return err;
}

static int sffs_trim_group(struct file *file, struct sffs_reclaim *r, u32 from, u32 end,
			   u64 *bytes)
{
	struct sffs_group_info *g = r->g;
	bool all = !from && end >= READ_ONCE(g->blocks) && r->min <= 1;
	int err = sffs_super_current(g->lock.sbi) ?: sffs_group_load(g);
	u32 crashes = READ_ONCE(g->lock.sbi->crashes);

	r->doubt = READ_ONCE(g->crashes) != crashes;
	r->busy = false;
	r->scarce = false;
	while (from < end && !err) {
		/* Anew each time: a freeze does not have to wait for all of it. */
		err = sffs_reclaim_paused(g->lock.sbi) ?: mnt_want_write_file(file);
		if (err)
			break;
		r->room = SFFS_RECLAIM_BLOCKS;
		err = sffs_reclaim_some(r, &from, end, bytes);
		if (!err && from >= end && all && r->doubt && !r->busy && !r->scarce)
			err = sffs_reclaim_sure(g, crashes);
		mnt_drop_write_file(file);
		if (!err && fatal_signal_pending(current))
			err = -EINTR;
		cond_resched();
	}
	return err;
}

/**
 * sffs_trim() - give what is free back to the array, as fstrim(8) asks for
 * @file: any of the mount
 * @range: bytes of the volume, and the shortest run of free bytes that is wanted; @len is set
 *	to what was unmapped, also after an error
 *
 * Context: sleeps, can be killed.
 * Return: 0, -EOPNOTSUPP if the device takes no UNMAP, -EINVAL for a range that is not on the
 * volume or has no block, or an error.
 */
int sffs_trim(struct file *file, struct fstrim_range *range)
{
	struct sffs_sb_info *sbi = SFFS_SB(file_inode(file)->i_sb);
	u64 start = range->start >> SFFS_BLOCK_SHIFT, end, bytes = 0;
	struct sffs_units units;
	struct sffs_reclaim *r;
	int err;

	sffs_gate_units(sbi->gate, &units);
	if (!units.max)
		return -EOPNOTSUPP;
	if (range->len < SFFS_BLOCK_SIZE || start >= sbi->blocks ||
	    range->minlen > 1ULL << (sbi->group_shift + SFFS_BLOCK_SHIFT))
		return -EINVAL;
	end = min(sbi->blocks, start + min(range->len >> SFFS_BLOCK_SHIFT, sbi->blocks));
	start = max(start, sbi->first_group_block);
	r = kvzalloc(sizeof(*r), GFP_KERNEL);
	if (!r)
		return -ENOMEM;
	r->min = DIV_ROUND_UP_ULL(range->minlen, SFFS_BLOCK_SIZE);
	/* What was deleted a moment ago is not left out. */
	err = mnt_want_write_file(file);
	if (err)
		goto free;
	err = sffs_commit_freed(sbi);
	mnt_drop_write_file(file);
	while (start < end && !err) {
		u64 first;

		r->g = sffs_group_of(sbi, start);
		if (!r->g)
			break;
		first = sffs_group_start(r->g);
		err = sffs_trim_group(file, r, start - first,
				      min(end - first, 1ULL << sbi->group_shift), &bytes);
		start = first + (1ULL << sbi->group_shift);
	}
free:
	kvfree(r);
	range->len = bytes;
	return err;
}
