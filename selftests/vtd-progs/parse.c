// SPDX-License-Identifier: GPL-2.0-only
/* What asv-vtd reads: names of functions, the firmware's tables, the kernel's log. */
#include "kselftest_harness.h"

#include "array.h"
#include "fuzz.h"
#include "vtd.h"

TEST(addresses)
{
	static const char *const wrong[] = {
		"", "0", "00:04", "00:04.8", "00:20.0", "0000:00:04.0x", "0000:00:04", ":00:04.0",
		"0000:100:04.0", "00:04.0 ", "g0:04.0", "000000000:00:04.0",
	};
	char address[VTD_ADDRESS_LEN];
	size_t i;

	ASSERT_TRUE(function_address("00:04.1", address));
	EXPECT_STREQ("0000:00:04.1", address);
	ASSERT_TRUE(function_address("10000:e1:1f.7", address));
	EXPECT_STREQ("10000:e1:1f.7", address);
	ASSERT_TRUE(function_address("0000:AF:0a.0", address));
	EXPECT_STREQ("0000:af:0a.0", address);
	for (i = 0; i < ARRAY_SIZE(wrong); i++)
		EXPECT_FALSE(function_address(wrong[i], address)) {
			TH_LOG("case %zu", i);
		}
}

TEST(specs)
{
	static const char *const wrong[] = {
		"", "8086", "8086:", "8086:10d3,", "8086:10d3,node=", "8086:10d3,node=5000",
		"8086:10d3,node=1x", "pf=00:04.0", "pf=00:04.0,vf=", "pf=00:04.0,vf=65536",
		"pf=,vf=1", "0:0", "8086:10d",
		"pf=00:04.0,vf=-1", "80861:10d3",
	};
	struct asv_vtd_lease_arg arg;
	size_t i;

	ASSERT_EQ(NULL, function_spec("0001:02:03.4", &arg));
	EXPECT_EQ(0, arg.flags);
	EXPECT_EQ(1, arg.domain);
	EXPECT_EQ(2, arg.bus);
	EXPECT_EQ(3 << 3 | 4, arg.devfn);
	ASSERT_EQ(NULL, function_spec("8086:10d3", &arg));
	EXPECT_EQ(ASV_VTD_LEASE_ID, arg.flags);
	EXPECT_EQ(0x8086, arg.vendor);
	EXPECT_EQ(0x10d3, arg.device);
	EXPECT_EQ(-1, arg.node);
	ASSERT_EQ(NULL, function_spec("8086:10d3,node=1", &arg));
	EXPECT_EQ(1, arg.node);
	ASSERT_EQ(NULL, function_spec("pf=81:00.0,vf=63", &arg));
	EXPECT_EQ(ASV_VTD_LEASE_VF, arg.flags);
	EXPECT_EQ(0x81, arg.bus);
	EXPECT_EQ(63, arg.vf);
	for (i = 0; i < ARRAY_SIZE(wrong); i++)
		EXPECT_NE(NULL, function_spec(wrong[i], &arg)) {
			TH_LOG("case %zu", i);
		}
}

TEST(faults)
{
	static const struct {
		const char *line;
		const char *address;
	} good[] = {
		{ "DMAR: [DMA Write NO_PASID] Request device [01:00.0] fault addr 0x1000 [fault",
		  "0000:01:00.0" },
		{ "DMAR: [DMA Read] Request device [af:1f.7] fault addr 0", "0000:af:1f.7" },
		{ "AMD-Vi: Event logged [IO_PAGE_FAULT device=0001:02:00.1 domain=0x000a",
		  "0001:02:00.1" },
		{ "nvme 0000:01:00.0: AMD-Vi: Event logged [IO_PAGE_FAULT domain=0x1",
		  "0000:01:00.0" },
	};
	static const char *const other[] = {
		"", "DMAR: IOMMU enabled", "DMAR: [DMA Write] Request device [", "[01:00.0]",
		"DMAR: [DMA Write] Request device [nonsense] fault",
		"DMAR: [INTR-REMAP] Request device [01:00.0] fault index 3",
		"AMD-Vi: Event logged [COMMAND_HARDWARE_ERROR address=0x1]",
		"nvme 0000:01:00.0: Event logged [IO_PAGE_FAULT",
		"x AMD-Vi: Event logged [IO_PAGE_FAULT",
		"user says: DMAR: [DMA Write] Request device [01:00.0]",
	};
	char address[VTD_ADDRESS_LEN];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(good); i++) {
		ASSERT_TRUE(kmsg_fault(good[i].line, address)) {
			TH_LOG("case %zu", i);
		}
		EXPECT_STREQ(good[i].address, address);
	}
	for (i = 0; i < ARRAY_SIZE(other); i++)
		EXPECT_FALSE(kmsg_fault(other[i], address)) {
			TH_LOG("case %zu", i);
		}
}

static void put(uint8_t *p, uint64_t value, unsigned int bytes)
{
	while (bytes--) {
		*p++ = value;
		value >>= 8;
	}
}

/* Makes length and sum right. */
static void seal(uint8_t *table, size_t size)
{
	uint8_t sum = 0;
	size_t i;

	put(table + 4, size, 4);
	table[9] = 0;
	for (i = 0; i < size; i++)
		sum += table[i];
	table[9] = -sum;
}

/* A unit, and memory of 00:02.0 at 0xf0000. */
static size_t make_dmar(uint8_t *table)
{
	memset(table, 0, 128);
	memcpy(table, "DMAR", 4);
	table[36] = 38;
	table[37] = 1;
	put(table + 48 + 2, 16, 2);
	put(table + 48 + 8, 0xfed90000, 8);
	put(table + 64, 1, 2);
	put(table + 64 + 2, 32, 2);
	put(table + 64 + 8, 0xf0000, 8);
	put(table + 64 + 16, 0xf0fff, 8);
	table[88] = 1;
	table[89] = 8;
	table[94] = 2;
	seal(table, 96);
	return 96;
}

TEST(dmar)
{
	struct iommu_report *r = calloc(1, sizeof(*r));
	uint8_t table[128];
	size_t size = make_dmar(table);

	ASSERT_NE(NULL, r);
	ASSERT_TRUE(iommu_parse_dmar(r, table, size));
	EXPECT_TRUE(r->intr_flag);
	ASSERT_EQ(1, r->units);
	EXPECT_EQ(0xfed90000, r->unit[0].base);
	ASSERT_EQ(1, r->rmrrs);
	EXPECT_EQ(0xf0000, r->rmrr[0].base);
	EXPECT_EQ(0xf0fff, r->rmrr[0].end);
	EXPECT_STREQ("0000:00:02.0", r->rmrr[0].scope);

	/* Without its sum, its end, or with a structure that has no length. */
	table[57] ^= 1;
	EXPECT_FALSE(iommu_parse_dmar(r, table, size));
	make_dmar(table);
	EXPECT_FALSE(iommu_parse_dmar(r, table, size - 8));
	put(table + 66, 0, 2);
	seal(table, size);
	EXPECT_FALSE(iommu_parse_dmar(r, table, size));
	free(r);
}

TEST(ivrs)
{
	struct iommu_report *r = calloc(1, sizeof(*r));
	uint8_t table[48 + 24 + 40] = "IVRS";

	ASSERT_NE(NULL, r);
	table[48] = 0x10;
	put(table + 50, 24, 2);
	put(table + 56, 0xfeb80000, 8);
	/* The same unit once more, for newer kernels. */
	table[72] = 0x11;
	put(table + 74, 40, 2);
	put(table + 80, 0xfeb80000, 8);
	seal(table, sizeof(table));
	ASSERT_TRUE(iommu_parse_ivrs(r, table, sizeof(table)));
	ASSERT_EQ(1, r->units);
	EXPECT_EQ(0xfeb80000, r->unit[0].base);
	put(table + 74, 41, 2);
	seal(table, sizeof(table));
	EXPECT_FALSE(iommu_parse_ivrs(r, table, sizeof(table)));
	free(r);
}

/* Whatever a table holds, nothing is read beyond it. */
TEST(fuzz)
{
	struct iommu_report *r = calloc(1, sizeof(*r));
	struct fuzz f = { .state = 0x5eed };
	unsigned int i, n = fuzz_rounds();

	ASSERT_NE(NULL, r);
	for (i = 0; i < n; i++) {
		char data[256] = { };
		size_t size = make_dmar((uint8_t *)data);
		uint8_t *exact;

		size = fuzz_change(&f, data, size, sizeof(data), "\1\2\x10\x11\xff");
		exact = malloc(size ? size : 1);
		ASSERT_NE(NULL, exact);
		memcpy(exact, data, size);
		if (size >= 10)
			seal(exact, size);
		memset(r, 0, sizeof(*r));
		iommu_parse_dmar(r, exact, size);
		iommu_parse_ivrs(r, exact, size);
		free(exact);
	}
	free(r);
}

TEST_HARNESS_MAIN
