// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every way to call asvm wrongly, by arguments and by config file: what it says and
 * how it ends. Nothing here starts a guest.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "kselftest_harness.h"

#include "asvm.h"

/* a busy host is slow */
#define END_MS	60000

#define OK	0
#define FAILED	1
#define USAGE	2

#define RUN	"run", "--name", "t", "--kernel", "/bin/true"

struct wrong_call {
	const char *args[24];
	const char *says;
	int code;
};

static const struct wrong_call calls[] = {
	/* verbs */
	{ { NULL }, "usage: asvm VERB", USAGE },
	{ { "--help" }, "usage: asvm VERB", OK },
	{ { "-h" }, "usage: asvm VERB", OK },
	{ { "--version" }, "asvm ", OK },
	{ { "walk" }, "unknown verb 'walk'; asvm --help lists them", USAGE },
	{ { "" }, "unknown verb ''", USAGE },
	{ { "run", "--help" }, "usage: asvm run [FILE.conf] [options]", OK },
	{ { "list", "--help" }, "usage: asvm list", OK },
	{ { "stats", "--help" }, "usage: asvm stats", OK },
	{ { "console", "--help" }, "usage: asvm console", OK },
	{ { "stop", "--help" }, "usage: asvm stop", OK },
	{ { "kill", "--help" }, "usage: asvm kill", OK },
	{ { "pause", "--help" }, "usage: asvm pause", OK },
	{ { "resume", "--help" }, "usage: asvm resume", OK },
	{ { "reset", "--help" }, "usage: asvm reset", OK },
	{ { "balloon", "--help" }, "usage: asvm balloon", OK },
	{ { "resize-disk", "--help" }, "usage: asvm resize-disk", OK },
	{ { "vhost-user-blk", "--help" }, "usage: asvm vhost-user-blk", OK },
	{ { "list", "--foo" }, "usage: asvm list", USAGE },
	{ { "stats", "--foo" }, "usage: asvm stats", USAGE },
	{ { "stop" }, "usage: asvm stop", USAGE },
	{ { "stop", "a", "b" }, "usage: asvm stop", USAGE },
	{ { "stop", "nobody" }, "no guest named nobody runs; see asvm list", FAILED },
	{ { "kill", "nobody" }, "no guest named nobody runs", FAILED },
	{ { "pause", "nobody" }, "no guest named nobody runs", FAILED },
	{ { "resume", "nobody" }, "no guest named nobody runs", FAILED },
	{ { "reset", "nobody" }, "no guest named nobody runs", FAILED },
	{ { "console", "nobody" }, "no guest named nobody runs", FAILED },
	{ { "pause", "../etc" }, "the name must not begin with '.' or '-'", FAILED },
	{ { "balloon", "x" }, "usage: asvm balloon", USAGE },
	{ { "balloon", "x", "5x" }, "expected a size such as 4096, 512M or 2G", USAGE },
	{ { "balloon", "nobody", "64M" }, "no guest named nobody runs", FAILED },
	{ { "resize-disk" }, "usage: asvm resize-disk", USAGE },
	{ { "resize-disk", "x", "0", "5" }, "must be a multiple of 512", USAGE },
	{ { "resize-disk", "nobody", "0", "1G" }, "no guest named nobody runs", FAILED },
	{ { "vhost-user-blk" }, "usage: asvm vhost-user-blk", USAGE },
	{ { "vhost-user-blk", "--socket", "/tmp/x" }, "no disk; give --disk FILE", USAGE },

	/* options as such */
	{ { "run" }, "usage: asvm run [FILE.conf] [options]", USAGE },
	{ { "run", "--cpus", "1" }, "the guest has no name; give --name NAME or a config file",
	  USAGE },
	{ { "run", "--name", "a" }, "no kernel; give --kernel FILE", USAGE },
	{ { "run", "-n", "a" }, "unknown option '-n'; options are written --name", USAGE },
	{ { "run", "--" }, "unknown option '--'", USAGE },
	{ { "run", "--nome", "a" }, "unknown option '--nome'; see --help", USAGE },
	{ { "run", "--name" }, "--name needs a value; see --help", USAGE },
	{ { "run", "--daemon=yes" }, "--daemon takes no value", USAGE },
	{ { "run", "a.conf", "b.conf" }, "'b.conf' is one config file too many", USAGE },
	{ { "run", "/nonexistent.conf" }, "cannot open the config file: No such file", USAGE },
	{ { "run", "/dev" }, "the config file must be a regular file", USAGE },
	{ { "run", "/dev/zero" }, "the config file must be a regular file", USAGE },

	/* values */
	{ { "run", "--name", "" }, "--name: the name is empty", USAGE },
	{ { "run", "--name", ".x" }, "must not begin with '.' or '-'", USAGE },
	{ { "run", "--name=-x" }, "must not begin with '.' or '-'", USAGE },
	{ { "run", "--name", "a/b" }, "letters, digits, '.', '_' and '-' only", USAGE },
	{ { "run", "--name", "a b" }, "letters, digits, '.', '_' and '-' only", USAGE },
	{ { "run", "--name", "0123456789012345678901234567890123456789012345678901234567890123" },
	  "longer than 63 characters", USAGE },
	{ { RUN, "--cpus", "0" }, "--cpus: the number is too small", USAGE },
	{ { RUN, "--cpus", "65" }, "--cpus: the number is too large", USAGE },
	{ { RUN, "--cpus", "-1" }, "--cpus: expected a number", USAGE },
	{ { RUN, "--cpus", "2x" }, "--cpus: expected a whole number", USAGE },
	{ { RUN, "--cpus", "" }, "--cpus: expected a number", USAGE },
	{ { RUN, "--cpus", "18446744073709551617" }, "--cpus: the number is too large", USAGE },
	{ { RUN, "--mem", "8M" }, "--mem: the size is too small", USAGE },
	{ { RUN, "--mem", "2T" }, "--mem: the size is too large", USAGE },
	{ { RUN, "--mem", "99999999999T" }, "--mem: the size is too large", USAGE },
	{ { RUN, "--mem", "64Q" }, "expected a size such as 4096, 512M or 2G", USAGE },
	{ { RUN, "--mem", "64Mx" }, "expected a size such as 4096, 512M or 2G", USAGE },
	{ { RUN, "--mem", "33M" }, "memory is a multiple of 2M", USAGE },
	{ { RUN, "--mem", "512M", "--hugepages", "1G" }, "is a multiple of 1G", USAGE },
	{ { RUN, "--hugepages", "4M" }, "--hugepages: expected no, 2M or 1G", USAGE },
	{ { RUN, "--console", "vga" }, "--console: expected serial, virtio or none", USAGE },
	{ { RUN, "--reboot", "maybe" }, "--reboot: expected yes or no", USAGE },
	{ { RUN, "--rng", "" }, "--rng: expected yes or no", USAGE },
	{ { RUN, "--pin", "0", "--cpus", "2" }, "2 CPUs, but 1 to pin them to", USAGE },
	{ { RUN, "--pin", "3-1" }, "from the lower to the higher", USAGE },
	{ { RUN, "--pin", "1,,2" }, "expected a list of CPUs such as 0-3,8", USAGE },
	{ { RUN, "--pin", "99999" }, "a CPU number is too large", USAGE },
	{ { RUN, "--pin", "0-4000" }, "more CPUs than a guest can have", USAGE },
	{ { RUN, "--numa-node", "1024" }, "--numa-node: the number is too large", USAGE },
	{ { RUN, "--halt-poll", "10000001" }, "--halt-poll: the number is too large", USAGE },
	{ { RUN, "--vsock", "2" }, "--vsock: the number is too small", USAGE },
	{ { RUN, "--vsock", "4294967295" }, "--vsock: the number is too large", USAGE },
	{ { RUN, "--control-mode", "888" }, "expected a file mode such as 0660", USAGE },
	{ { RUN, "--control-mode", "7777" }, "expected a file mode such as 0660", USAGE },
	{ { RUN, "--kvm-fd", "1" }, "descriptors 0, 1 and 2 are for messages", USAGE },
	{ { RUN, "--kvm-fd", "99" }, "--kvm-fd: this descriptor is not open", USAGE },
	{ { RUN, "--kvm-fd", "4294967299" }, "--kvm-fd: the number is too large", USAGE },

	/* disks */
	{ { RUN, "--disk", "" }, "there is nothing between two commas", USAGE },
	{ { RUN, "--disk", "a,,b" }, "there is nothing between two commas", USAGE },
	{ { RUN, "--disk", "a,colour=red" }, "unknown key 'colour'; see --help", USAGE },
	{ { RUN, "--disk", "packed=yes" }, "disk 0: no file; give File=", USAGE },
	{ { RUN, "--disk", "a,queues" }, "write queues=N", USAGE },
	{ { RUN, "--disk", "a,queues=0" }, "queues: the number is too small", USAGE },
	{ { RUN, "--disk", "a,queues=65" }, "queues: the number is too large", USAGE },
	{ { RUN, "--disk", "a,queue-size=100" }, "is a power of two, 2 to 1024", USAGE },
	{ { RUN, "--disk", "a,queue-size=2048" }, "queue-size: the number is too large", USAGE },
	{ { RUN, "--disk", "a,serial=012345678901234567890" }, "at most 20 characters", USAGE },
	{ { RUN, "--disk", "a,serial=tab\there" }, "serial number is printable ASCII", USAGE },
	{ { RUN, "--disk", "a,readonly=2" }, "readonly: expected yes or no", USAGE },
	{ { RUN, "--disk", "a,iops=-5" }, "iops: expected a number", USAGE },
	{ { RUN, "--disk", "a,poll=100001" }, "poll: the number is too large", USAGE },
	{ { RUN, "--disk", "a,fd=77" }, "fd: this descriptor is not open", USAGE },

	/* networks */
	{ { RUN, "--net", "" }, "there is nothing between two commas", USAGE },
	{ { RUN, "--net", "mtu=1500" }, "network 0: no interface; give Tap=", USAGE },
	{ { RUN, "--net", "tap=0123456789abcdef" }, "expected the name of a network interface",
	  USAGE },
	{ { RUN, "--net", "tap=a/b" }, "expected the name of a network interface", USAGE },
	{ { RUN, "--net", "tap=t0,mac=52:54:00:12:34" }, "expected a MAC address such as", USAGE },
	{ { RUN, "--net", "tap=t0,mac=53:54:00:12:34:56" }, "a multicast MAC address", USAGE },
	{ { RUN, "--net", "tap=t0,mac=00:00:00:00:00:00" }, "must not be all zero", USAGE },
	{ { RUN, "--net", "tap=t0,mtu=67" }, "mtu: the number is too small", USAGE },
	{ { RUN, "--net", "tap=t0,queues=9" }, "queues: the number is too large", USAGE },
	{ { RUN, "--net", "tap=t0,bridge=br0" }, "unknown key 'bridge'; see --help", USAGE },

	/* what is found when the guest is made */
	{ { "run", "--name", "t", "--kernel", "/nonexistent" },
	  "cannot open /nonexistent: No such file or directory", FAILED },
	{ { "run", "--name", "t", "--kernel", "/etc/passwd" },
	  "is neither a bzImage nor an ELF kernel", FAILED },
	{ { "run", "--name", "t", "--kernel", "/dev/zero" }, "asvm t: error: ", FAILED },
	{ { "run", "--name", "t", "--kernel", "/" }, "asvm t: error: ", FAILED },
	{ { RUN, "--initrd", "/nonexistent" }, "cannot open /nonexistent: No such file", FAILED },
	{ { RUN, "--disk", "/nonexistent" }, "/nonexistent: No such file", FAILED },
	{ { RUN, "--user", "no-such-user" }, "no-such-user", FAILED },
};

static void show(const struct wrong_call *call, const struct asvm_run *run, int code)
{
	unsigned int i;

	fprintf(stderr, "# asvm");
	for (i = 0; call->args[i]; i++)
		fprintf(stderr, " '%s'", call->args[i]);
	fprintf(stderr, "\n# ended with %d, expected %d and '%s'; it said: %.600s\n", code,
		call->code, call->says, run->text);
}

FIXTURE(errors) {};
FIXTURE_SETUP(errors) {}
FIXTURE_TEARDOWN(errors) {}

TEST_F_TIMEOUT(errors, arguments, 300)
{
	static struct asvm_run run;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		int code = asvm_do(&run, calls[i].args, END_MS);
		bool says = strstr(run.text, calls[i].says);

		if (code != calls[i].code || !says)
			show(&calls[i], &run, code);
		EXPECT_EQ(calls[i].code, code);
		EXPECT_TRUE(says);
	}
}

/* too many of everything that there may be several of */
TEST_F_TIMEOUT(errors, too_many, 300)
{
	static struct asvm_run run;
	static const char *const begin[] = { RUN };
	const char *args[64];
	unsigned int i, n = ARRAY_SIZE(begin);

	memcpy(args, begin, sizeof(begin));
	for (i = 0; i < 17; i++) {
		args[n++] = "--disk";
		args[n++] = "/dev/null";
	}
	args[n] = NULL;
	EXPECT_EQ(USAGE, asvm_do(&run, args, END_MS));
	EXPECT_NE(NULL, strstr(run.text, "too many disks; a guest has at most 16"));
	for (n = 5, i = 0; i < 9; i++) {
		args[n++] = "--net";
		args[n++] = "tap=t0";
	}
	args[n] = NULL;
	EXPECT_EQ(USAGE, asvm_do(&run, args, END_MS));
	EXPECT_NE(NULL, strstr(run.text, "too many networks; a guest has at most 8"));
}

TEST_F_TIMEOUT(errors, long_command_line, 300)
{
	static struct asvm_run run;
	static char cmdline[2049];
	const char *const args[] = { RUN, "--cmdline", cmdline, NULL };

	memset(cmdline, 'x', 2048);
	EXPECT_EQ(USAGE, asvm_do(&run, args, END_MS));
	EXPECT_NE(NULL, strstr(run.text, "the kernel takes at most 2047 characters"));
}

/*
 * The script of asvm qemu: what is typed is not taken for more than a word, and a folder that
 * somebody has put in the place of the bridge's, with a socket to be given the guest's memory
 * by, ends it.
 */
TEST_F_TIMEOUT(errors, qemu_script, 60)
{
	static struct asvm_run run;
	char script[] = "/tmp/asvm-script-XXXXXX", name[32], dir[48];
	const char *const args[] = {
		"qemu", "--name", name, "--disk", "/no disk;$(x)", "--", "-vga", "it's", NULL
	};
	const char *const bash[] = { "bash", script, NULL };
	int fd = mkstemp(script);

	ASSERT_LE(0, fd);
	snprintf(name, sizeof(name), "t%d", getpid());
	snprintf(dir, sizeof(dir), "/tmp/asvm-%s", name);
	EXPECT_EQ(0, asvm_do(&run, args, END_MS));
	EXPECT_NE(NULL, strstr(run.text, " '/no disk;$(x)' ")) TH_LOG("%s", run.text);
	EXPECT_NE(NULL, strstr(run.text, "-vga 'it'\\''s'")) TH_LOG("%s", run.text);
	ASSERT_EQ(run.len, write(fd, run.text, run.len));
	close(fd);
	ASSERT_EQ(0, mkdir(dir, 0777));
	ASSERT_EQ(0, run_start(&run, bash));
	EXPECT_EQ(1, asvm_wait(&run, END_MS));
	EXPECT_NE(NULL, strstr(run.text, "File exists")) TH_LOG("%s", run.text);
	EXPECT_EQ(0, rmdir(dir));
	asvm_free(&run);
	unlink(script);
}

struct wrong_file {
	const char *text;
	const char *says;	/* with the line's number */
};

#define GUEST	"[Guest]\nName=t\nKernel=/bin/true\n"

static const struct wrong_file files[] = {
	{ "Name=t\n", ":1: " },
	{ "[Gast]\n", ":1: unknown section [Gast]; there are [Guest], [Disk], [Network] and" },
	{ "[Guest\n", ":1: " },
	{ "[Guest] x\n", ":1: " },
	{ "[Guest]\nName\n", ":2: " },
	{ "[Guest]\n=t\n", ":2: " },
	{ "[Guest]\nNome=t\n", ":2: unknown key 'Nome' in this section" },
	{ GUEST "CPUs=0\n", ":4: CPUs: the number is too small" },
	{ GUEST "CPUs=\n", ":4: CPUs: expected a number" },
	{ GUEST "Memory=3\n", ":4: Memory: the size is too small" },
	{ GUEST "\n# fine\n; this too\nReboot=perhaps\n", ":7: Reboot: expected yes or no" },
	{ GUEST "[Disk]\nTap=x\n", ":5: unknown key 'Tap' in this section" },
	{ GUEST "[Disk]\n", "disk 0: no file; give File=" },
	{ GUEST "[Disk]\nFile=\n", ":5: File: " },
	{ GUEST "[Disk]\nFile=/dev/null\nQueueSize=3\n", ":6: QueueSize: " },
	{ GUEST "[Network]\nMTU=9\n", ":5: MTU: the number is too small" },
	{ GUEST "[Network]\n", "network 0: no interface; give Tap=" },
	{ GUEST "[VTD]\n", "[VTD] section 0: no function; give Function=" },
	{ GUEST "[VTD]\nFunction=nvme\n", ":5: Function: is no function: ADDRESS" },
	{ GUEST "[Network]\nTap=x\nMACAddress=1\n", ":6: MACAddress: expected a MAC address" },
	{ "[Guest]\nName=t\n", "no kernel; give --kernel FILE (or Kernel= in [Guest])" },
	{ "", "no kernel; give --kernel FILE" },
};

static int run_file(struct asvm_run *run, const void *text, size_t len)
{
	char path[] = "/tmp/asvm-test-XXXXXX.conf";
	const char *const args[] = { "run", path, NULL };
	int fd = mkstemps(path, 5), code = -EIO;

	if (fd < 0)
		return -errno;
	if (write(fd, text, len) == (ssize_t)len)
		code = asvm_do(run, args, END_MS);
	close(fd);
	unlink(path);
	return code;
}

TEST_F_TIMEOUT(errors, config_files, 300)
{
	static struct asvm_run run;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(files); i++) {
		int code = run_file(&run, files[i].text, strlen(files[i].text));

		EXPECT_EQ(USAGE, code) TH_LOG("%s\n%s", files[i].text, run.text);
		EXPECT_NE(NULL, strstr(run.text, files[i].says))
			TH_LOG("expected '%s' of\n%s\nbut: %s", files[i].says, files[i].text,
			       run.text);
	}
}

/* files that are no text: refused in a message, not by a signal */
TEST_F_TIMEOUT(errors, config_garbage, 300)
{
	static struct asvm_run run;
	static char text[200000];
	unsigned int seed = 1, i, round;

	for (round = 0; round < 40; round++) {
		size_t len = round < 20 ? 300 + round : round < 38 ? 5000 : sizeof(text);
		int code;

		for (i = 0; i < len; i++)
			text[i] = rand_r(&seed) >> 8 & (round & 1 ? 0x7f : 0xff);
		memcpy(text, "[Guest]\n", 8);
		code = run_file(&run, text, len);
		EXPECT_EQ(USAGE, code) TH_LOG("round %u: %s", round, run.text);
		/* and what it says can be shown on a terminal */
		for (i = 0; i < run.len; i++)
			if ((unsigned char)run.text[i] < 0x20 && run.text[i] != '\n')
				break;
		EXPECT_EQ(run.len, i) TH_LOG("byte %#x", run.text[i]);
	}
}

int main(int argc, char **argv)
{
	/* what is wrong with a guest's files is found after KVM */
	if (system("modprobe kvm_amd 2>/dev/null || modprobe kvm_intel 2>/dev/null"))
		printf("# no KVM module to load\n");
	return test_harness_run(argc, argv);
}
