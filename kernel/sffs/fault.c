// SPDX-License-Identifier: GPL-2.0-only
/* ATS commands that fail and lie, for tests; and the folder of debugfs for all of them. */
#include <linux/atomic.h>
#include <linux/debugfs.h>
#include <linux/random.h>

#include "fault.h"
#include "sffs.h"

static const char * const sffs_fault_names[SFFS_FAULTS] = {
	[SFFS_FAULT_FAILED]	= "ats_failed",
	[SFFS_FAULT_LOST]	= "ats_lost",
	[SFFS_FAULT_ATTENTION]	= "ats_attention",
	[SFFS_FAULT_LATE]	= "ats_late",
	[SFFS_FAULT_TWICE]	= "ats_twice",
	[SFFS_FAULT_HELD]	= "ats_held",
	[SFFS_FAULT_STUCK]	= "ats_stuck",
	[SFFS_FAULT_BACK]	= "back_conflict",
	[SFFS_FAULT_PROBE]	= "probe_conflict",
	[SFFS_FAULT_PROBE_NEWS]	= "probe_attention",
};

static u32 sffs_fault_one_in[SFFS_FAULTS];
static atomic_t sffs_fault_hits[SFFS_FAULTS];
static u32 sffs_fault_delay_ms = 1000;
static atomic_t sffs_ats_sent = ATOMIC_INIT(0);
static atomic_t sffs_news = ATOMIC_INIT(0);
static struct dentry *sffs_debugfs;

/* Shall this command suffer @fault? */
bool sffs_fault(enum sffs_fault fault)
{
	u32 n = READ_ONCE(sffs_fault_one_in[fault]);

	if (likely(!n) || get_random_u32_below(n))
		return false;
	atomic_inc(&sffs_fault_hits[fault]);
	return true;
}

unsigned int sffs_fault_late_ms(void)
{
	return READ_ONCE(sffs_fault_delay_ms);
}

/* The same in jiffies */
unsigned long sffs_fault_late(void)
{
	return msecs_to_jiffies(sffs_fault_late_ms());
}

/* One more ATS command goes to a target. */
void sffs_fault_count(void)
{
	atomic_inc(&sffs_ats_sent);
}

/* A target told of a reset or a change. */
void sffs_fault_news(void)
{
	atomic_inc(&sffs_news);
}

void sffs_fault_init(void)
{
	struct dentry *hits;
	int i;

	sffs_debugfs = debugfs_create_dir("sffs", NULL);
	hits = debugfs_create_dir("hits", sffs_debugfs);
	for (i = 0; i < SFFS_FAULTS; i++) {
		debugfs_create_u32(sffs_fault_names[i], 0600, sffs_debugfs, &sffs_fault_one_in[i]);
		debugfs_create_atomic_t(sffs_fault_names[i], 0400, hits, &sffs_fault_hits[i]);
	}
	debugfs_create_u32("late_ms", 0600, sffs_debugfs, &sffs_fault_delay_ms);
	debugfs_create_atomic_t("ats_sent", 0400, sffs_debugfs, &sffs_ats_sent);
	sffs_lose_init(sffs_debugfs);
	debugfs_create_atomic_t("news", 0400, sffs_debugfs, &sffs_news);
}

void sffs_fault_exit(void)
{
	debugfs_remove(sffs_debugfs);
}
