// SPDX-License-Identifier: GPL-2.0-only
/*
 * What answers of SCSI targets mean to the lock protocol. Results are as the SCSI layer
 * has them: 0x402 is a check condition, 0x118 a reservation conflict without sense.
 */
#include "kselftest_harness.h"

#include "ats_judge.h"

#define NO_SENSE	{ .valid = false }

static const struct {
	u32 result;
	struct sffs_sense sense;
	enum sffs_ats_result means;
} answers[] = {
	{ 0x000, NO_SENSE, SFFS_ATS_DONE },
	{ 0x004, NO_SENSE, SFFS_ATS_DONE },
	/* The sense beside a good status says nothing else. */
	{ 0x000, { true, 0x01, 0x00, 0x00 }, SFFS_ATS_DONE },
	{ 0x402, { true, 0x0e, 0x1d, 0x00 }, SFFS_ATS_MISCOMPARE },
	{ 0x002, { true, 0x0e, 0x1d, 0x00 }, SFFS_ATS_MISCOMPARE },
	{ 0x002, { true, 0x0e, 0x1d, 0x01 }, SFFS_ATS_UNKNOWN },
	/* Recovered: it was done. But one that miscompared at first is not to be believed. */
	{ 0x002, { true, 0x01, 0x17, 0x01 }, SFFS_ATS_DONE },
	{ 0x402, { true, 0x01, 0x5d, 0x00 }, SFFS_ATS_DONE },
	{ 0x002, { true, 0x01, 0x1d, 0x00 }, SFFS_ATS_UNKNOWN },
	/* Deferred: what an earlier command came to. */
	{ 0x002, { true, 0x01, 0x17, 0x01, true }, SFFS_ATS_UNKNOWN },
	{ 0x002, { true, 0x0e, 0x1d, 0x00, true }, SFFS_ATS_UNKNOWN },
	{ 0x002, { true, 0x06, 0x29, 0x00, true }, SFFS_ATS_UNKNOWN },
	{ 0x002, { true, 0x05, 0x20, 0x00, true }, SFFS_ATS_UNKNOWN },
	{ 0x002, { true, 0x0e, 0x00, 0x00 }, SFFS_ATS_UNKNOWN },
	{ 0x002, { false, 0x0e, 0x1d, 0x00 }, SFFS_ATS_UNKNOWN },
	{ 0x002, { true, 0x06, 0x29, 0x00 }, SFFS_ATS_ATTENTION },
	{ 0x002, { true, 0x06, 0x2a, 0x05 }, SFFS_ATS_ATTENTION },
	{ 0x118, NO_SENSE, SFFS_ATS_CONFLICT },
	{ 0x018, NO_SENSE, SFFS_ATS_CONFLICT },
	{ 0x070018, NO_SENSE, SFFS_ATS_CONFLICT },
	{ 0x002, { true, 0x05, 0x20, 0x00 }, SFFS_ATS_REFUSED },
	/* Invalid field: the command is there, and this one may or may not have run. */
	{ 0x002, { true, 0x05, 0x24, 0x00 }, SFFS_ATS_UNKNOWN },
	/* Media, hardware, aborted. */
	{ 0x002, { true, 0x03, 0x0c, 0x00 }, SFFS_ATS_UNKNOWN },
	{ 0x002, { true, 0x04, 0x00, 0x00 }, SFFS_ATS_UNKNOWN },
	{ 0x002, { true, 0x0b, 0x00, 0x00 }, SFFS_ATS_UNKNOWN },
	/* Busy, task set full, task aborted, ACA. */
	{ 0x008, NO_SENSE, SFFS_ATS_UNKNOWN },
	{ 0x028, NO_SENSE, SFFS_ATS_UNKNOWN },
	{ 0x040, NO_SENSE, SFFS_ATS_UNKNOWN },
	{ 0x030, NO_SENSE, SFFS_ATS_UNKNOWN },
	/* The host's own: no connection, bus busy, timeout, bad target, reset, transport. */
	{ 0x010000, NO_SENSE, SFFS_ATS_UNKNOWN },
	{ 0x020000, NO_SENSE, SFFS_ATS_UNKNOWN },
	{ 0x030000, NO_SENSE, SFFS_ATS_UNKNOWN },
	{ 0x040000, NO_SENSE, SFFS_ATS_UNKNOWN },
	{ 0x080000, NO_SENSE, SFFS_ATS_UNKNOWN },
	{ 0x0e0000, NO_SENSE, SFFS_ATS_UNKNOWN },
	{ 0x0f0000, NO_SENSE, SFFS_ATS_UNKNOWN },
	/* A status and sense left over from before it timed out. */
	{ 0x030002, { true, 0x0e, 0x1d, 0x00 }, SFFS_ATS_UNKNOWN },
	{ 0x030002, { true, 0x06, 0x29, 0x00 }, SFFS_ATS_UNKNOWN },
	{ 0x030018, NO_SENSE, SFFS_ATS_UNKNOWN },
	{ 0x070000, NO_SENSE, SFFS_ATS_UNKNOWN },
};

TEST(each_answer)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(answers); i++)
		EXPECT_EQ(answers[i].means, sffs_ats_judge(answers[i].result, &answers[i].sense))
			TH_LOG("result %#x, sense %x/%02x/%02x", answers[i].result,
			       answers[i].sense.key, answers[i].sense.asc, answers[i].sense.ascq);
}

/* Whatever the host adds to an answer, it is never more certain than without it. */
TEST(host_bytes)
{
	const struct sffs_sense miscompare = { true, 0x0e, 0x1d, 0x00 };
	u32 host;

	for (host = 1; host < 256; host++) {
		EXPECT_EQ(SFFS_ATS_UNKNOWN, sffs_ats_judge(host << 16, &miscompare));
		EXPECT_EQ(SFFS_ATS_UNKNOWN, sffs_ats_judge(host << 16 | 2, &miscompare));
	}
}

TEST_HARNESS_MAIN
