// SPDX-License-Identifier: GPL-2.0-only
/* The config file, the options of the command line, and the values of both. */
#include <fcntl.h>

#include "kselftest_harness.h"

#include "fuzz.h"
#include "ini.h"
#include "log.h"
#include "run_config.h"
#include "values.h"

FIXTURE(config)
{
	struct run_config rc;
	char said[1024];
};

FIXTURE_SETUP(config)
{
	run_config_init(&self->rc);
}

FIXTURE_TEARDOWN(config) {}

/* Run with standard error in @said. */
#define SAYING(call) ({							\
	int pipe_[2], keep_ = dup(2), ret_;				\
	ssize_t n_;							\
	ASSERT_EQ(0, pipe2(pipe_, O_NONBLOCK));				\
	dup2(pipe_[1], 2);						\
	ret_ = (call);							\
	dup2(keep_, 2);							\
	n_ = read(pipe_[0], self->said, sizeof(self->said) - 1);	\
	self->said[n_ > 0 ? n_ : 0] = '\0';				\
	close(pipe_[0]);						\
	close(pipe_[1]);						\
	close(keep_);							\
	ret_; })

static int text(struct run_config *rc, const char *s)
{
	char *copy = strdup(s);
	int ret = run_config_text(rc, "t.conf", copy, strlen(s));

	free(copy);
	return ret;
}

static int args(struct run_config *rc, ...)
{
	char *argv[32] = { "run" };
	int argc = 1, ret;
	const char *arg;
	va_list ap;

	va_start(ap, rc);
	while ((arg = va_arg(ap, const char *)))
		argv[argc++] = strdup(arg);
	va_end(ap);
	ret = run_config_args(rc, argc, argv);
	while (argc > 1)
		free(argv[--argc]);
	return ret;
}

#define TEXT(s) SAYING(text(&self->rc, s))
#define ARGS(...) SAYING(args(&self->rc, __VA_ARGS__, NULL))
#define SAID(part) ({							\
	EXPECT_NE(NULL, strstr(self->said, part))			\
		TH_LOG("said: %s", self->said); })

TEST_F(config, whole_file)
{
	ASSERT_EQ(0, TEXT("# a comment\n"
			  "; another\n"
			  "\n"
			  "[Guest]\n"
			  "Name = web\n"
			  "CPUs=4\r\n"
			  "  Memory=1G\t\n"
			  "Kernel=/boot/vmlinuz\n"
			  "CommandLine=root=/dev/vda1 \\\n"
			  "# in between\n"
			  "  console=ttyS0\n"
			  "Pin=0,2-4\n"
			  "Reboot=no\n"
			  "[Disk]\n"
			  "File=/vol/a b.img\n"
			  "Packed=yes\n"
			  "Serial=S1\n"
			  "[Network]\n"
			  "Tap=web0\n"
			  "MACAddress=52:54:00:12:34:56\n"
			  "[Disk]\n"
			  "File=/vol/data.img\n"
			  "ReadOnly=on\n"
			  "IOPS=1000\n"
			  "BytesPerSecond=10M"));
	EXPECT_STREQ("web", self->rc.guest.name);
	EXPECT_EQ(4, self->rc.guest.cpus);
	EXPECT_EQ(1ULL << 30, self->rc.guest.mem);
	EXPECT_STREQ("/boot/vmlinuz", self->rc.guest.kernel);
	EXPECT_STREQ("root=/dev/vda1    console=ttyS0", self->rc.guest.cmdline);
	EXPECT_EQ(0, self->rc.guest.pin[0]);
	EXPECT_EQ(2, self->rc.guest.pin[1]);
	EXPECT_EQ(4, self->rc.guest.pin[3]);
	EXPECT_TRUE(self->rc.guest.no_reboot);
	ASSERT_EQ(2, self->rc.guest.ndisks);
	EXPECT_STREQ("/vol/a b.img", self->rc.guest.disks[0].path);
	EXPECT_TRUE(self->rc.guest.disks[0].packed);
	EXPECT_STREQ("S1", self->rc.guest.disks[0].serial);
	EXPECT_TRUE(self->rc.guest.disks[1].readonly);
	EXPECT_EQ(1000, self->rc.guest.disks[1].iops);
	EXPECT_EQ(10ULL << 20, self->rc.guest.disks[1].bps);
	ASSERT_EQ(1, self->rc.guest.nnets);
	EXPECT_STREQ("web0", self->rc.guest.nets[0].tap);
	EXPECT_EQ(0x56, self->rc.guest.nets[0].mac[5]);
	EXPECT_EQ(0, SAYING(run_config_check(&self->rc, true)));
}

/* Each wrong file, the line that is named, and what is said of it. */
TEST_F(config, file_errors)
{
	static const struct {
		const char *text, *said;
	} bad[] = {
		{ "CPUs=1\n", "t.conf:1: a key before the first [Section]" },
		{ "[Guest\n", "t.conf:1: a section is written [Name]" },
		{ "[]\n", "t.conf:1: a section is written" },
		{ "[a]b]\n", "t.conf:1: a section is written" },
		{ "[Gast]\n", "t.conf:1: unknown section [Gast]" },
		{ "[Guest]\nCPUs\n", "t.conf:2: expected [Section] or Key=value" },
		{ "[Guest]\n=1\n", "t.conf:2: there is no key" },
		{ "[Guest]\n\n\nCpus=1\n", "t.conf:4: unknown key 'Cpus'" },
		{ "[Guest]\nFile=x\n", "t.conf:2: unknown key 'File'" },
		{ "[Guest]\nName=a\\\n b/c\n", "t.conf:2: Name: the name may have" },
		{ "[Guest]\nCPUs=0\n", "CPUs: the number is too small" },
		{ "[Guest]\nCPUs=65\n", "CPUs: the number is too large" },
		{ "[Guest]\nCPUs=two\n", "CPUs: expected a number" },
		{ "[Guest]\nCPUs=2x\n", "CPUs: expected a whole number" },
		{ "[Guest]\nMemory=1X\n", "Memory: expected a size" },
		{ "[Guest]\nMemory=1M\n", "Memory: the size is too small" },
		{ "[Guest]\nMemory=99999T\n", "Memory: the size is too large" },
		{ "[Guest]\nMemory=\n", "Memory: expected a number" },
		{ "[Guest]\nKernel=\n", "Kernel: the value is empty" },
		{ "[Guest]\nName=\n", "Name: the name is empty" },
		{ "[Guest]\nName=.x\n", "Name: the name must not begin" },
		{ "[Guest]\nConsole=vga\n", "Console: expected serial, virtio or none" },
		{ "[Guest]\nHugePages=4M\n", "HugePages: expected no, 2M or 1G" },
		{ "[Guest]\nPin=1,\n", "Pin: expected a list of CPUs" },
		{ "[Guest]\nPin=3-1\n", "Pin: a range of CPUs goes" },
		{ "[Guest]\nPin=9999\n", "Pin: a CPU number is too large" },
		{ "[Guest]\nPin=0-64\n", "Pin: the list has more CPUs" },
		{ "[Guest]\nRNG=maybe\n", "RNG: expected yes or no" },
		{ "[Guest]\nVSockCID=2\n", "VSockCID: the number is too small" },
		{ "[Guest]\nControlMode=0888\n", "ControlMode: expected a file mode" },
		{ "[Disk]\nQueueSize=100\n", "QueueSize: the size of a queue is a power" },
		{ "[Disk]\nQueues=65\n", "Queues: the number is too large" },
		{ "[Disk]\nSerial=123456789012345678901\n", "Serial: a serial number has" },
		{ "[Disk]\nSerial=a\tb\n", "Serial: a serial number is printable" },
		{ "[Network]\nTap=a/b\n", "Tap: expected the name" },
		{ "[Network]\nTap=abcdefghijklmnop\n", "Tap: expected the name" },
		{ "[Network]\nMACAddress=52:54:00:12:34\n", "MACAddress: expected a MAC" },
		{ "[Network]\nMACAddress=52:54:00:12:34:5g\n", "MACAddress: expected a MAC" },
		{ "[Network]\nMACAddress=53:54:00:12:34:56\n", "MACAddress: a multicast" },
		{ "[Network]\nMACAddress=00:00:00:00:00:00\n", "must not be all zero" },
		{ "[Network]\nMTU=67\n", "MTU: the number is too small" },
		{ "[Network]\nMTU=65536\n", "MTU: the number is too large" },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		run_config_init(&self->rc);
		EXPECT_NE(0, TEXT(bad[i].text)) TH_LOG("taken: %s", bad[i].text);
		SAID(bad[i].said);
	}
}

TEST_F(config, file_bounds)
{
	char *big = malloc(INI_FILE_MAX + 2);
	int i;

	memset(big, '\n', INI_FILE_MAX + 1);
	big[INI_FILE_MAX + 1] = '\0';
	EXPECT_NE(0, TEXT(big));
	SAID("too large");
	big[INI_LINES_MAX + 10] = '\0';
	EXPECT_NE(0, TEXT(big));
	SAID("too many lines");
	free(big);
	EXPECT_NE(0, SAYING(run_config_text(&self->rc, "t.conf", (char []){ "[Guest]\0x" }, 9)));
	SAID("NUL byte");
	run_config_init(&self->rc);
	for (i = 0; i < ASVM_DISKS_MAX; i++)
		EXPECT_EQ(0, TEXT("[Disk]\n"));
	EXPECT_NE(0, TEXT("[Disk]\n"));
	SAID("too many disks");
	for (i = 0; i < ASVM_NETS_MAX; i++)
		EXPECT_EQ(0, TEXT("[Network]\n"));
	EXPECT_NE(0, TEXT("[Network]\n"));
	SAID("too many networks");
}

TEST_F(config, file_places)
{
	EXPECT_NE(0, SAYING(run_config_file(&self->rc, "/nonexistent")));
	SAID("cannot open the config file");
	EXPECT_NE(0, SAYING(run_config_file(&self->rc, "/")));
	SAID("must be a regular file");
	EXPECT_NE(0, SAYING(run_config_file(&self->rc, "/dev/null")));
	SAID("must be a regular file");
}

/* Terminal control sequences of a file do not reach the terminal. */
TEST_F(config, file_escapes)
{
	EXPECT_NE(0, TEXT("[Guest]\n\x1b[2J=1\n"));
	EXPECT_EQ(NULL, strchr(self->said, 0x1b));
	EXPECT_NE(0, TEXT("[\x1b[2J]\n"));
	EXPECT_EQ(NULL, strchr(self->said, 0x1b));
}

TEST_F(config, command_line)
{
	ASSERT_EQ(0, ARGS("--name", "web", "--cpus=2", "--mem", "1G", "--kernel", "vmlinuz",
			  "--disk", "/vol/web.img,packed=on,queues=3", "--disk", "file=b,readonly",
			  "--net", "tap=web0,mac=52:54:00:12:34:56,mtu=9000", "--daemon"));
	EXPECT_STREQ("web", self->rc.guest.name);
	EXPECT_EQ(2, self->rc.guest.cpus);
	ASSERT_EQ(2, self->rc.guest.ndisks);
	EXPECT_STREQ("/vol/web.img", self->rc.guest.disks[0].path);
	EXPECT_TRUE(self->rc.guest.disks[0].packed);
	EXPECT_EQ(3, self->rc.guest.disks[0].queues);
	EXPECT_TRUE(self->rc.guest.disks[1].readonly);
	ASSERT_EQ(1, self->rc.guest.nnets);
	EXPECT_EQ(9000, self->rc.guest.nets[0].mtu);
	EXPECT_TRUE(self->rc.daemon);
	EXPECT_EQ(0, SAYING(run_config_check(&self->rc, true)));
}

TEST_F(config, command_line_errors)
{
	static const struct {
		const char *arg[3], *said;
	} bad[] = {
		{ { "--nothing" }, "unknown option '--nothing'" },
		{ { "-x" }, "unknown option '-x'" },
		{ { "--" }, "unknown option '--'" },
		{ { "--cpus" }, "--cpus needs a value" },
		{ { "--daemon=yes" }, "--daemon takes no value" },
		{ { "--cpus", "x" }, "--cpus: expected a number" },
		{ { "--disk", "" }, "--disk: there is nothing between" },
		{ { "--disk", "a,,b" }, "--disk: there is nothing between" },
		{ { "--disk", "a,b" }, "--disk: unknown key 'b'" },
		{ { "--disk", "a,color=red" }, "--disk: unknown key 'color'" },
		{ { "--disk", "a,queues" }, "--disk: write queues=N" },
		{ { "--disk", "a,fd=1" }, "--disk: fd: descriptors 0, 1 and 2" },
		{ { "--disk", "a,fd=777" }, "--disk: fd: this descriptor is not open" },
		{ { "--net", "tap=" }, "--net: tap: expected the name" },
		{ { "--net", "tap=a,fd=3:" }, "--net: fd:" },
		{ { "--kvm-fd", "-1" }, "--kvm-fd: expected a number" },
		{ { "--kvm-fd", "99999999999" }, "--kvm-fd: the number is too large" },
		{ { "/nonexistent/a.conf" }, "cannot open the config file" },
		{ { "/a.conf", "/b.conf" }, "one config file too many" },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		run_config_init(&self->rc);
		EXPECT_NE(0, ARGS(bad[i].arg[0], bad[i].arg[1], bad[i].arg[2]))
			TH_LOG("taken: %s", bad[i].arg[0]);
		SAID(bad[i].said);
	}
}

/* Options win over the file, and the file's name is the guest's when nothing else is. */
TEST_F(config, options_over_file)
{
	char path[] = "/tmp/asvm-test-XXXXXX.conf";
	static const char file[] = "[Guest]\nCPUs=2\nMemory=64M\nKernel=k\n";
	int fd = mkstemps(path, 5);

	ASSERT_LE(0, fd);
	ASSERT_EQ(sizeof(file) - 1, write(fd, file, sizeof(file) - 1));
	close(fd);
	EXPECT_EQ(0, ARGS("--cpus", "3", path));
	unlink(path);
	EXPECT_EQ(3, self->rc.guest.cpus);
	EXPECT_EQ(64ULL << 20, self->rc.guest.mem);
	ASSERT_NE(NULL, self->rc.guest.name);
	EXPECT_EQ(0, strncmp(self->rc.guest.name, "asvm-test-", 10));
	EXPECT_EQ(NULL, strstr(self->rc.guest.name, ".conf"));
}

TEST_F(config, checks)
{
	static const struct {
		const char *text, *said;
	} bad[] = {
		{ "[Guest]\nKernel=k\n", "the guest has no name" },
		{ "[Guest]\nName=a\n", "no kernel" },
		{ "[Guest]\nName=a\nKernel=k\nMemory=17M\n", "a multiple of 2M" },
		{ "[Guest]\nName=a\nKernel=k\nHugePages=1G\nMemory=512M\n", "a multiple of 1G" },
		{ "[Guest]\nName=a\nKernel=k\nCPUs=2\nPin=1\n", "2 CPUs, but 1 to pin" },
		{ "[Guest]\nName=a\nKernel=k\n[Disk]\nReadOnly=1\n", "disk 0: no file" },
		{ "[Guest]\nName=a\nKernel=k\n[Network]\nMTU=1500\n", "network 0: no interface" },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		run_config_init(&self->rc);
		ASSERT_EQ(0, TEXT(bad[i].text));
		EXPECT_NE(0, SAYING(run_config_check(&self->rc, true)));
		SAID(bad[i].said);
	}
}

static int listen_fds(struct run_config *rc, const char *count, const char *names)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", getpid());
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", count, 1);
	if (names)
		setenv("LISTEN_FDNAMES", names, 1);
	else
		unsetenv("LISTEN_FDNAMES");
	return run_config_listen_fds(rc);
}

/* Descriptors as a service manager hands them over. */
TEST_F(config, listen_fds)
{
	ASSERT_EQ(0, TEXT("[Disk]\nFile=x\n[Network]\nTap=t\n"));
	dup2(1, 3);
	dup2(1, 4);
	dup2(1, 5);
	EXPECT_EQ(0, SAYING(listen_fds(&self->rc, "3", "kvm:disk0-vhost:net0")));
	EXPECT_EQ(3, self->rc.guest.kvm_fd);
	EXPECT_EQ(4, self->rc.guest.disks[0].vhost_fd);
	EXPECT_EQ(5, self->rc.guest.nets[0].fds[0]);
	EXPECT_EQ(1, self->rc.guest.nets[0].nfds);
	EXPECT_EQ(NULL, getenv("LISTEN_FDS"));
	/* A second one for the same purpose. */
	EXPECT_NE(0, SAYING(listen_fds(&self->rc, "1", "kvm")));
	SAID("nothing takes a descriptor named 'kvm'");
}

TEST_F(config, listen_fds_errors)
{
	EXPECT_NE(0, SAYING(listen_fds(&self->rc, "1", "disk0")));
	SAID("nothing takes a descriptor named 'disk0'");
	EXPECT_NE(0, SAYING(listen_fds(&self->rc, "1", "disk")));
	EXPECT_NE(0, SAYING(listen_fds(&self->rc, "1", "disk99999999999")));
	EXPECT_NE(0, SAYING(listen_fds(&self->rc, "1", NULL)));
	SAID("without LISTEN_FDNAMES");
	EXPECT_NE(0, SAYING(listen_fds(&self->rc, "100000", "kvm")));
	SAID("LISTEN_FDS: expected a number");
	EXPECT_NE(0, SAYING(listen_fds(&self->rc, "-1", "kvm")));
	dup2(1, 3);
	EXPECT_NE(0, SAYING(listen_fds(&self->rc, "2", "kvm")));
	SAID("fewer names");
	/* Meant for another process: nothing is taken. */
	run_config_init(&self->rc);
	setenv("LISTEN_PID", "1", 1);
	setenv("LISTEN_FDS", "1", 1);
	EXPECT_EQ(0, SAYING(run_config_listen_fds(&self->rc)));
	EXPECT_EQ(-1, self->rc.guest.kvm_fd);
}

/* What the guest was not given does not stay open. */
TEST_F(config, close_others)
{
	dup2(1, 10);
	dup2(1, 11);
	dup2(1, 12);
	ASSERT_EQ(0, TEXT("[Disk]\nFile=x\n"));
	self->rc.guest.disks[0].fd = 11;
	run_config_close_others(&self->rc);
	EXPECT_GT(0, fcntl(10, F_GETFD));
	EXPECT_LE(0, fcntl(11, F_GETFD));
	EXPECT_GT(0, fcntl(12, F_GETFD));
	EXPECT_LE(0, fcntl(2, F_GETFD));
}

TEST(sizes)
{
	uint64_t v;

	EXPECT_EQ(NULL, value_size("4096", &v));
	EXPECT_EQ(4096, v);
	EXPECT_EQ(NULL, value_size("2k", &v));
	EXPECT_EQ(2048, v);
	EXPECT_EQ(NULL, value_size("3GiB", &v));
	EXPECT_EQ(3ULL << 30, v);
	EXPECT_EQ(NULL, value_size("8388607T", &v));
	EXPECT_NE(NULL, value_size("8388608T", &v));
	EXPECT_NE(NULL, value_size("18446744073709551616", &v));
	EXPECT_NE(NULL, value_size("1.5G", &v));
	EXPECT_NE(NULL, value_size("-1", &v));
	EXPECT_NE(NULL, value_size(" 1", &v));
	EXPECT_NE(NULL, value_size("1 ", &v));
	EXPECT_NE(NULL, value_size("1GB", &v));
	EXPECT_NE(NULL, value_size("G", &v));
}

TEST(fuzz)
{
	static const char *const seeds[] = {
		"[Guest]\nName=web\nCPUs=4\nMemory=1G\nPin=0,2-4\nCommandLine=a \\\n b\n",
		"[Disk]\nFile=/x\nPacked=yes\nQueueSize=256\nSerial=S\nIOPS=1\n",
		"# c\n[Network]\nTap=t\nMACAddress=52:54:00:12:34:56\nMTU=1500\n;x\n",
	};
	int null = open("/dev/null", O_WRONLY), keep = dup(2);
	struct fuzz f = { 0xa4093822299f31d0 };
	unsigned int i, good = 0, n = fuzz_rounds();

	dup2(null, 2);
	for (i = 0; i < n; i++) {
		const char *seed = seeds[fuzz_below(&f, 3)];
		size_t len = strlen(seed);
		char *exact, buf[512];
		struct run_config rc;

		run_config_init(&rc);
		memcpy(buf, seed, len);
		len = fuzz_change(&f, buf, len, sizeof(buf), "[]=\\\n\r#;,-:0129GMk \x80");
		exact = malloc(len + 1);
		memcpy(exact, buf, len);
		exact[len] = '\0';
		good += !run_config_text(&rc, "fuzz", exact, len);
		free(exact);
	}
	dup2(keep, 2);
	TH_LOG("%u of %u were taken", good, n);
	EXPECT_LT(0, good);
	EXPECT_LT(good, n);
}

/* Strings of a configuration live as long as the process: they are no leaks. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}

TEST_HARNESS_MAIN
