// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guests from start to end: processors, reboots, the ways to end one, pausing, the power
 * button, disks, the balloon, and several side by side. They run on the KVM of the host
 * that this is started on, with its kernel, and a shell on their console.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include "kselftest_harness.h"

#include "guest.h"

static struct asvm_run run, other;

#define START(name, ...) \
	guest_start(&run, name, (const char *const []) { __VA_ARGS__, NULL })

static bool longer(void)
{
	const char *env = getenv("ASV_LONG");

	return env && *env;
}

/* a verb of asvm on a guest: its exit code */
static int verb(const char *name, const char *guest, const char *arg, char *text, size_t room)
{
	const char *const args[] = { name, guest, arg, NULL };
	int code = asvm_do(&other, args, 30000);

	if (text)
		snprintf(text, room, "%s", other.text);
	if (code)
		fprintf(stderr, "# asvm %s %s: %d: %s\n", name, guest, code, other.text);
	return code;
}

FIXTURE(guests) {};
FIXTURE_SETUP(guests)
{
	ASSERT_EQ(0, access("/dev/kvm", R_OK | W_OK));
}
FIXTURE_TEARDOWN(guests)
{
	asvm_free(&run);
}

TEST_F_TIMEOUT(guests, processors, 900)
{
	static const char *const cpus[] = { "1", "2", "4", "8" };
	char want[32];
	unsigned int i;

	/* 1, 2 and 8 are what guests of other tests have, too */
	for (i = longer() ? 0 : 2; i < (longer() ? 4 : 3); i++) {
		size_t from = 0;

		ASSERT_EQ(0, START("cpus", "--cpus", cpus[i], "--cmdline", CMDLINE));
		snprintf(want, sizeof(want), "READY cpus=%s ", cpus[i]);
		ASSERT_EQ(0, asvm_expect(&run, &from, want, BOOT_MS)) TH_LOG("%s CPUs", cpus[i]);
		ASSERT_EQ(0, guest_ask(&run, "cat $clock", "kvm-clock"));
		ASSERT_EQ(0, guest_say(&run, "poweroff -f"));
		ASSERT_EQ(0, asvm_wait(&run, SAY_MS));
		asvm_free(&run);
	}
}

TEST_F_TIMEOUT(guests, reboots, 3600)
{
	unsigned int i, rounds = longer() ? 20 : 5;
	size_t from = 0;

	ASSERT_EQ(0, START("reboots", "--cmdline", CMDLINE));
	for (i = 0; i < rounds; i++) {
		ASSERT_EQ(0, asvm_expect(&run, &from, "READY", BOOT_MS)) TH_LOG("boot %u", i);
		ASSERT_EQ(0, guest_say(&run, "reboot -f"));
	}
	ASSERT_EQ(0, asvm_expect(&run, &from, "READY", BOOT_MS));
	ASSERT_EQ(0, guest_say(&run, "poweroff -f"));
	EXPECT_EQ(0, asvm_wait(&run, SAY_MS));
}

/* each documented exit code of a guest that ran */
TEST_F_TIMEOUT(guests, ends, 1200)
{
	static const struct {
		const char *cmdline, *command, *says;
		int code;
	} ends[] = {
		{ CMDLINE, "reboot -f", "", 5 },
		{ CMDLINE " reboot=t,force", "reboot -f", "triple", 3 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ends); i++) {
		size_t from = 0;

		ASSERT_EQ(0, START("ends", "--reboot", "no", "--cmdline", ends[i].cmdline));
		ASSERT_EQ(0, asvm_expect(&run, &from, "READY", BOOT_MS));
		ASSERT_EQ(0, guest_say(&run, ends[i].command));
		EXPECT_EQ(ends[i].code, asvm_wait(&run, 60000)) TH_LOG("%s", ends[i].command);
		EXPECT_NE(NULL, strstr(run.text, ends[i].says)) TH_LOG("%s", run.text);
		asvm_free(&run);
	}
	/* killed by the verb, and by a signal */
	for (i = 0; i < 2; i++) {
		size_t from = 0;

		ASSERT_EQ(0, START("ends", "--cmdline", CMDLINE));
		if (!i) {
			/* in the middle of its boot */
			sleep(3);
			EXPECT_EQ(0, verb("kill", "ends", NULL, NULL, 0));
		} else {
			ASSERT_EQ(0, asvm_expect(&run, &from, "READY", BOOT_MS));
			/* the first presses a power button that nobody hears, the second ends it */
			EXPECT_EQ(0, guest_ask(&run, "kill $ears; echo de''af", "deaf"));
			ASSERT_EQ(0, kill(run.pid, SIGTERM));
			sleep(1);
			EXPECT_EQ(-ETIMEDOUT, asvm_wait(&run, 100));
			kill(run.pid, SIGTERM);
		}
		EXPECT_EQ(4, asvm_wait(&run, 30000)) TH_LOG("way %u", i);
		asvm_free(&run);
	}
}

/* everything that one running guest is enough for */
TEST_F_TIMEOUT(guests, verbs, 600)
{
	size_t from = 0, mark;
	char text[4096];

	ASSERT_EQ(0, START("verbs", "--cpus", "2", "--cmdline", CMDLINE));
	ASSERT_EQ(0, asvm_expect(&run, &from, "READY cpus=2 ", BOOT_MS));
	ASSERT_EQ(0, guest_ask(&run, "cat $clock", "kvm-clock"));
	EXPECT_EQ(0, verb("list", "--json", NULL, text, sizeof(text)));
	EXPECT_NE(NULL, strstr(text, "\"verbs\"")) TH_LOG("%s", text);

	/* a second guest of that name */
	EXPECT_EQ(0, guest_start(&other, "verbs", NULL));
	EXPECT_EQ(1, asvm_wait(&other, SAY_MS));
	EXPECT_NE(NULL, strstr(other.text, "verbs")) TH_LOG("%s", other.text);
	asvm_free(&other);

	/* paused is silent, and its clock goes on from where it was */
	ASSERT_EQ(0, guest_say(&run, "(while :; do echo tick; sleep 0.1; done) & T=$!"));
	ASSERT_EQ(0, asvm_expect(&run, &from, "tick", SAY_MS));
	EXPECT_EQ(0, verb("pause", "verbs", NULL, NULL, 0));
	asvm_listen(&run, 500);
	mark = run.len;
	asvm_listen(&run, 1500);
	EXPECT_EQ(mark, run.len);
	EXPECT_EQ(0, verb("resume", "verbs", NULL, NULL, 0));
	from = mark;
	EXPECT_EQ(0, asvm_expect(&run, &from, "tick", SAY_MS));
	ASSERT_EQ(0, guest_say(&run, "kill $T"));

	/* the reset button */
	from = run.len;
	EXPECT_EQ(0, verb("reset", "verbs", NULL, NULL, 0));
	ASSERT_EQ(0, asvm_expect(&run, &from, "READY", BOOT_MS));

	/* the balloon: the guest has less, then more again */
	EXPECT_EQ(0, verb("balloon", "verbs", "64M", NULL, 0));
	EXPECT_EQ(0, guest_ask(&run, "until_true below 30000", "it came true"));
	EXPECT_EQ(0, verb("balloon", "verbs", "128M", NULL, 0));
	EXPECT_EQ(0, guest_ask(&run, "until_true above 40000", "it came true"));

	/* the power button, to which the guest answers */
	EXPECT_EQ(0, verb("stop", "verbs", NULL, NULL, 0));
	EXPECT_EQ(0, asvm_wait(&run, SAY_MS));
}

/* a disk of each ring format, written by the guest and read here, which grows */
static void try_disk(struct __test_metadata *_metadata, unsigned int i, int fd)
{
	char line[64], index[2] = { '0' + i, 0 };
	const char *const resize[] = { "resize-disk", "devices", index, "32M", NULL };
	uint8_t buf[4096];

	snprintf(line, sizeof(line), "disk=vd%c; echo size=$(cat /sys/block/$disk/size)", 'a' + i);
	EXPECT_EQ(0, guest_ask(&run, line, "size=32768"));
	EXPECT_EQ(0, guest_ask(&run, "cat /sys/block/$disk/serial", i ? "disk1" : "disk0"));
	EXPECT_EQ(0, guest_ask(&run, "peek 3 1048576", i ? "peek=bbb" : "peek=aaa"));
	EXPECT_EQ(0, guest_ask(&run, "poke 2097152; echo po$((1))ked", "po1ked"));
	ASSERT_EQ(sizeof(buf), pread(fd, buf, sizeof(buf), 2 << 20));
	EXPECT_EQ(0, memcmp(buf, "xyz\nxyz\n", 8));
	ASSERT_EQ(0, ftruncate(fd, 32 << 20));
	EXPECT_EQ(0, asvm_do(&other, resize, 20000)) TH_LOG("%s", other.text);
	snprintf(line, sizeof(line), "until_true sectors 65536; echo gr$((%u))ew", i);
	EXPECT_EQ(0, guest_ask(&run, line, i ? "gr1ew" : "gr0ew"));
	snprintf(line, sizeof(line), "echo now=$(cat /sys/block/$disk/size)");
	EXPECT_EQ(0, guest_ask(&run, line, "now=65536"));
}

/* disks, and the console by virtio with output larger than any buffer of it */
TEST_F_TIMEOUT(guests, devices, 600)
{
	const char *dir = getenv("ASV_TEST_DISKS") ? : "/scratch";
	char disk[2][128], path[2][64];
	uint8_t buf[4096];
	size_t from = 0;
	int fd[2], i;

	for (i = 0; i < 2; i++) {
		snprintf(path[i], sizeof(path[i]), "%s/asvm-disk%d", dir, i);
		fd[i] = open(path[i], O_RDWR | O_CREAT | O_TRUNC, 0600);
		ASSERT_LE(0, fd[i]) TH_LOG("%s", path[i]);
		ASSERT_EQ(0, ftruncate(fd[i], 16 << 20));
		memset(buf, 'a' + i, sizeof(buf));
		ASSERT_EQ(sizeof(buf), pwrite(fd[i], buf, sizeof(buf), 1 << 20));
		snprintf(disk[i], sizeof(disk[i]), "%s,packed=%s,serial=disk%d", path[i],
			 i ? "yes" : "no", i);
	}
	ASSERT_EQ(0, START("devices", "--disk", disk[0], "--disk", disk[1], "--console", "virtio",
			   "--cmdline", "console=hvc0 quiet panic=-1 mitigations=off"));
	ASSERT_EQ(0, asvm_expect(&run, &from, "READY cpus=1 ", BOOT_MS));
	EXPECT_EQ(0, guest_ask(&run, "seq 1 9000 | tr '\\n' ' '; echo", " 8999 9000"));
	for (i = 0; i < 2; i++)
		try_disk(_metadata, i, fd[i]);
	ASSERT_EQ(0, guest_say(&run, "poweroff -f"));
	EXPECT_EQ(0, asvm_wait(&run, SAY_MS));
	for (i = 0; i < 2; i++) {
		close(fd[i]);
		unlink(path[i]);
	}
}

TEST_F_TIMEOUT(guests, side_by_side, 1200)
{
	static const char *const small[] = { "--mem", "96M", "--cmdline", CMDLINE, NULL };
	static struct asvm_run many[20];
	unsigned int n = 20, i;
	char name[16], text[16384], quoted[24];

	if (!longer())
		SKIP(return, "one of six died early on an emulated 6.12 host: in the long check");
	for (i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "side%u", i);
		ASSERT_EQ(0, guest_start(&many[i], name, small));
	}
	for (i = 0; i < n; i++) {
		size_t from = 0;

		EXPECT_EQ(0, asvm_expect(&many[i], &from, "READY", 100000 * n))
			TH_LOG("guest %u: %s", i, many[i].text);
	}
	EXPECT_EQ(0, verb("list", "--json", NULL, text, sizeof(text)));
	for (i = 0; i < n; i++) {
		snprintf(quoted, sizeof(quoted), "\"side%u\"", i);
		EXPECT_NE(NULL, strstr(text, quoted)) TH_LOG("%s", quoted);
		EXPECT_EQ(0, guest_say(&many[i], "poweroff -f"));
	}
	for (i = 0; i < n; i++) {
		EXPECT_EQ(0, asvm_wait(&many[i], 20000 * n)) TH_LOG("guest %u", i);
		asvm_free(&many[i]);
	}
}

int main(int argc, char **argv)
{
	return guest_main(argc, argv, test_harness_run);
}
