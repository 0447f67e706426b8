// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is mounted and what is not: options, foreign, truncated and damaged volumes, a
 * device that is in use or read-only. Each refusal says why in the kernel's log, and
 * writes nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "kselftest_harness.h"

#include "lib/volume.h"

#include "sffs_format.h"

#define SUPER	((off_t)SFFS_SUPER_BLOCK << SFFS_BLOCK_SHIFT)

FIXTURE(mount) {
	struct volume vol;
};

FIXTURE_SETUP(mount)
{
	ASSERT_EQ(0, volume_setup());
	ASSERT_EQ(0, volume_image(&self->vol, "vol", 64));
	ASSERT_EQ(0, volume_format(&self->vol, "-n 2 -J 4M -L label"));
}

FIXTURE_TEARDOWN(mount)
{
	volume_free(&self->vol);
}

static uint32_t crc32c(uint32_t crc, const void *data, size_t len)
{
	const uint8_t *p = data;
	int i;

	while (len--) {
		crc ^= *p++;
		for (i = 0; i < 8; i++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return crc;
}

/* Change the super block, and make its checksum right again. */
static int change_super(struct volume *v, size_t offset, const void *bytes, size_t len)
{
	uint8_t block[SFFS_BLOCK_SIZE];
	struct sffs_header *h = (struct sffs_header *)block;

	if (pread(v->fd, block, sizeof(block), SUPER) != sizeof(block))
		return -EIO;
	memcpy(block + offset, bytes, len);
	h->crc = 0;
	h->crc = htole32(crc32c(~0U, block, sizeof(block)));
	return pwrite(v->fd, block, sizeof(block), SUPER) == sizeof(block) ? 0 : -EIO;
}

/* A mount that must fail: did it, with this error, a message, and no write? */
static bool refused(struct volume *v, const char *options, int error, const char *message)
{
	struct volume before = { };
	bool same;
	int err;

	if (volume_copy(&before, "before", v))
		return false;
	run("dmesg -c > /dev/null");
	err = volume_mount(v, 0, options);
	if (!err)
		volume_umount(v);
	same = volume_same(v, &before);
	if (err != -error || !same)
		say("error %d, image %s", err, same ? "as it was" : "written to");
	volume_free(&before);
	if (err == -error && same && !run("dmesg | grep -q '%s'", message))
		return true;
	run("dmesg | sed 's/^/# /'");
	return false;
}

TEST_F(mount, options)
{
	EXPECT_TRUE(refused(&self->vol, "", EOPNOTSUPP, "use -o local"));
	EXPECT_TRUE(refused(&self->vol, "local,nosuch", EINVAL, "Unknown parameter .nosuch"));
	EXPECT_TRUE(refused(&self->vol, "local=5", EINVAL, "local"));
	ASSERT_EQ(0, volume_mount(&self->vol, 0, "local"));
	EXPECT_EQ(0, run("grep -q ' %s sffs .*local' /proc/mounts", self->vol.dir));
	/* Messages name the device, as /dev has it. */
	ASSERT_EQ(0, volume_stop(&self->vol));
	EXPECT_EQ(0, run("dmesg | grep -q 'sffs: %s: shut down'", strrchr(self->vol.dev, '/') + 1));
	EXPECT_EQ(0, volume_umount(&self->vol));
}

TEST_F(mount, in_use)
{
	char again[] = "/run/sffs-again", count[] = "exit $(ls /sys/block | grep -c sffs)";
	int gates = run("%s", count);

	ASSERT_EQ(0, volume_mount(&self->vol, 0, "local"));
	mkdir(again, 0700);
	EXPECT_EQ(-1, mount(self->vol.dev, again, "sffs", 0, "local"));
	EXPECT_EQ(EBUSY, errno);
	/* Nor by another filesystem's way, nor can anybody open the mount's own device. */
	EXPECT_EQ(-1, mount(self->vol.dev, again, "ext4", 0, NULL));
	EXPECT_NE(0, run("for d in /dev/sffs*; do cat $d > /dev/null && exit 0; done 2> /dev/null; "
			 "exit 1"));
	EXPECT_EQ(0, volume_umount(&self->vol));
	EXPECT_EQ(gates, run("%s", count));
}

TEST_F(mount, read_only)
{
	ASSERT_EQ(0, volume_mount(&self->vol, 0, "local"));
	ASSERT_EQ(0, run("echo text > %s", in(&self->vol, "file")));
	ASSERT_EQ(0, volume_umount(&self->vol));
	ASSERT_EQ(0, volume_mount(&self->vol, MS_RDONLY, "local"));
	EXPECT_EQ(0, run("grep -qx text %s", in(&self->vol, "file")));
	EXPECT_EQ(-1, mkdir(in(&self->vol, "d"), 0755));
	EXPECT_EQ(EROFS, errno);
	ASSERT_EQ(0, mount(NULL, self->vol.dir, NULL, MS_REMOUNT, "local"));
	EXPECT_EQ(0, mkdir(in(&self->vol, "d"), 0755));
	ASSERT_EQ(0, mount(NULL, self->vol.dir, NULL, MS_REMOUNT | MS_RDONLY, "local"));
	EXPECT_EQ(-1, rmdir(in(&self->vol, "d")));
	EXPECT_EQ(EROFS, errno);
	EXPECT_EQ(0, volume_umount(&self->vol));
	EXPECT_EQ(0, volume_fsck(&self->vol));
}

TEST_F(mount, foreign_and_short_devices)
{
	struct volume zero = { };

	ASSERT_EQ(0, volume_image(&zero, "zero", 16));
	EXPECT_TRUE(refused(&zero, "local", EINVAL, "not an SFFS volume"));
	volume_free(&zero);
	ASSERT_EQ(0, ftruncate(self->vol.fd, 32 << 20));
	EXPECT_TRUE(refused(&self->vol, "local", EINVAL, "smaller than the volume"));
	ASSERT_EQ(0, ftruncate(self->vol.fd, 4096));
	EXPECT_TRUE(refused(&self->vol, "local", EINVAL, "too small"));
	EXPECT_EQ(-1, mount("/dev/null", self->vol.dir, "sffs", 0, "local"));
	EXPECT_EQ(-1, mount("/nowhere", self->vol.dir, "sffs", 0, "local"));
	EXPECT_EQ(ENOENT, errno);
}

#define AT(field)	offsetof(struct sffs_super, field)

/* Values that the super block must not have, with a checksum that is right. */
TEST_F_TIMEOUT(mount, damaged_super_block, 300)
{
	static const struct {
		size_t offset, len;
		uint64_t val;
		int error;
		const char *message;
	} bad[] = {
		{ AT(name[0]), 1, 'X', EINVAL, "not an SFFS volume" },
		{ AT(version), 4, 99, EINVAL, "format version 99" },
		{ AT(incompat), 8, 1ULL << 60, EINVAL, "unknown features" },
		{ AT(ro_compat), 8, 1ULL << 60, EROFS, "mount it read-only" },
		{ AT(h.block), 8, 7, EUCLEAN, "damaged" },
		{ AT(blocks), 8, ~0ULL, EUCLEAN, "place of the groups" },
		{ AT(first_group_block), 8, 0, EUCLEAN, "place of the groups" },
		{ AT(groups), 4, 0, EUCLEAN, "place of the groups" },
		{ AT(groups), 4, ~0U, EUCLEAN, "number of groups" },
		{ AT(block_shift), 1, 9, EUCLEAN, "block or sector size" },
		{ AT(sector_shift), 1, 30, EUCLEAN, "block or sector size" },
		{ AT(sector_shift), 1, 12, EINVAL, "sectors of 4096" },
		{ AT(group_shift), 1, 63, EUCLEAN, "size of the groups" },
		{ AT(bitmap_blocks), 4, 1000, EUCLEAN, "size of the groups" },
		{ AT(slots), 4, 0, EUCLEAN, "number of slots" },
		{ AT(slots), 4, 65, EUCLEAN, "number of slots" },
		{ AT(max_slots), 1, 255, EUCLEAN, "number of slots" },
		{ AT(heartbeat_block), 8, ~0ULL, EUCLEAN, "lock regions" },
		{ AT(mailbox_block), 8, 0, EUCLEAN, "lock regions" },
		{ AT(journal_blocks), 4, 0, EUCLEAN, "size of the journals" },
		{ AT(journal_blocks), 4, ~0U, EUCLEAN, "size of the journals" },
		{ AT(journal_block[1]), 8, 1ULL << 62, EUCLEAN, "place of the slots" },
		{ AT(slot_area_block[0]), 8, 0, EUCLEAN, "place of the slots" },
		{ AT(lease_ms), 4, 0, EUCLEAN, "lease" },
		{ AT(heartbeat_ms), 4, 0, EUCLEAN, "lease" },
		{ AT(root_ino), 8, 5, EUCLEAN, "root directory" },
	};
	uint8_t block[SFFS_BLOCK_SIZE];
	size_t i;

	ASSERT_EQ(sizeof(block), pread(self->vol.fd, block, sizeof(block), SUPER));
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		uint64_t val = htole64(bad[i].val);
		bool ok;

		ASSERT_EQ(0, change_super(&self->vol, bad[i].offset, &val, bad[i].len));
		if (bad[i].offset == AT(root_ino))
			ok = volume_mount(&self->vol, 0, "local") < 0;
		else
			ok = refused(&self->vol, "local", bad[i].error, bad[i].message);
		EXPECT_TRUE(ok) {
			say("field at %zu, value 0x%llx", bad[i].offset,
			    (unsigned long long)bad[i].val);
		}
		ASSERT_EQ(sizeof(block), pwrite(self->vol.fd, block, sizeof(block), SUPER));
	}
	block[1000] ^= 1;
	ASSERT_EQ(sizeof(block), pwrite(self->vol.fd, block, sizeof(block), SUPER));
	EXPECT_TRUE(refused(&self->vol, "local", EUCLEAN, "the super block is damaged"));
}

/* A volume whose blocks are overwritten here and there: errors, and nothing worse. */
TEST_F_TIMEOUT(mount, random_damage, 1500)
{
	unsigned int rounds = want_long() ? 500 : on_debug() ? 5 : 25, i, k;
	uint64_t state = 99;

	ASSERT_EQ(0, volume_mount(&self->vol, 0, "local"));
	ASSERT_EQ(0, run("mkdir %s/d && cp -r /etc/default /etc/security %s/d/ 2> /dev/null; "
			 "setfattr -n user.a -v text %s/d", self->vol.dir, self->vol.dir,
			 self->vol.dir));
	ASSERT_EQ(0, volume_umount(&self->vol));
	for (i = 0; i < rounds; i++) {
		struct volume bad = { };
		off_t size, at = 0;

		ASSERT_EQ(0, volume_copy(&bad, "bad", &self->vol));
		size = lseek(bad.fd, 0, SEEK_END);
		for (k = 0; k < 200; k++) {
			uint64_t r = rnd(&state);

			/* Where something is; not the super block each time. */
			at = lseek(bad.fd, r % size, SEEK_DATA);
			if (at >= 0 && (at > SUPER + SFFS_BLOCK_SIZE || !(r & 7)))
				pwrite(bad.fd, &r, 1 + r % 8, at + rnd(&state) % 4096);
		}
		if (!volume_mount(&bad, 0, "local")) {
			run("find %s -ls > /dev/null 2>&1; tar -C %s -cf - . > /dev/null 2>&1; "
			    "cp -r %s/d %s/e 2> /dev/null; rm -rf %s/d 2> /dev/null; true", bad.dir,
			    bad.dir, bad.dir, bad.dir, bad.dir);
			volume_umount(&bad);
		}
		volume_free(&bad);
	}
}

TEST_HARNESS_MAIN
