// SPDX-License-Identifier: GPL-2.0-only
/*
 * On whose account the work is done: the threads that serve a device are in its owner's
 * cgroups and run where it lets them, its I/O is charged there and its pinned memory to it,
 * and files are written with the rights that the owner had when it attached them. And what
 * tracepoints tell of it.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "kselftest_harness.h"

#include "lib/blk.h"

#define CGROUPS		"/sys/fs/cgroup"
#define GROUP		"/asv-workers"
#define TRACING		"/sys/kernel/tracing/instances/asv-workers"

#define THREADS_MAX	16

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

static const char *read_file(const char *path)
{
	static char text[65536];
	FILE *f = fopen(path, "r");
	size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;

	if (f)
		fclose(f);
	text[n] = 0;
	return text;
}

/* of a thread's file in /proc */
static const char *read_proc(pid_t tid, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", tid, name);
	return read_file(path);
}

static unsigned int add_threads(const char *dir, pid_t *tids, unsigned int n)
{
	struct dirent *de;
	char name[32];
	DIR *d = opendir(dir);

	snprintf(name, sizeof(name), "asv-blk-%d\n", getpid());
	while (d && (de = readdir(d)) && n < THREADS_MAX)
		if (atoi(de->d_name) && !strcmp(read_proc(atoi(de->d_name), "comm"), name))
			tids[n++] = atoi(de->d_name);
	if (d)
		closedir(d);
	return n;
}

/* the threads that serve this process: of it, or of the kernel */
static unsigned int find_threads(pid_t *tids)
{
	return add_threads("/proc", tids, add_threads("/proc/self/task", tids, 0));
}

FIXTURE(workers)
{
	struct vt_blk_opts opts;
	struct vt_blk blk;
	struct vt_req *req;
};

FIXTURE_VARIANT(workers)
{
	enum vt_disk disk;
};

FIXTURE_VARIANT_ADD(workers, file) { VT_DISK_FILE };
FIXTURE_VARIANT_ADD(workers, dev) { VT_DISK_DEV };

FIXTURE_SETUP(workers)
{
	self->opts.disk = variant->disk;
	self->opts.features = VT_BIT(VIRTIO_BLK_F_FLUSH);
}

FIXTURE_TEARDOWN(workers)
{
	vt_blk_free(&self->blk);
	write_file(CGROUPS "/cgroup.procs", "0");
	rmdir(CGROUPS GROUP);
}

static int join_group(void)
{
	if (mkdir(CGROUPS GROUP, 0755) && errno != EEXIST)
		return -errno;
	return write_file(CGROUPS GROUP "/cgroup.procs", "0");
}

static int start(FIXTURE_DATA(workers) *self)
{
	int ret = vt_blk_start(&self->blk, &self->opts);

	if (!ret)
		self->req = vt_req_new(&self->blk.mem, 16384);
	return ret;
}

static int write_blocks(FIXTURE_DATA(workers) *self, unsigned int count)
{
	int ret = 0;

	while (!ret && count--) {
		vt_req_set(self->req, VIRTIO_BLK_T_OUT, count * 32, 16384);
		ret = vt_blk_do(self->blk.vq, self->req);
	}
	return ret;
}

static int flush(FIXTURE_DATA(workers) *self)
{
	vt_req_set(self->req, VIRTIO_BLK_T_FLUSH, 0, 0);
	return vt_blk_do(self->blk.vq, self->req);
}

/* the worker of the queue, and the helpers that a flush wants */
TEST_F(workers, in_the_cgroup_of_the_owner)
{
	pid_t tids[THREADS_MAX];
	unsigned int n, i;

	ASSERT_EQ(0, join_group());
	ASSERT_EQ(0, start(self));
	ASSERT_EQ(VIRTIO_BLK_S_OK, write_blocks(self, 1));
	ASSERT_EQ(VIRTIO_BLK_S_OK, flush(self));
	n = find_threads(tids);
	EXPECT_LE(2, n);
	for (i = 0; i < n; i++)
		EXPECT_NE(NULL, strstr(read_proc(tids[i], "cgroup"), "0::" GROUP "\n"))
			TH_LOG("%s", read_proc(tids[i], "cgroup"));
}

/* how many of the threads may run on CPU 1 alone */
static unsigned int on_cpu_1(void)
{
	pid_t tids[THREADS_MAX];
	unsigned int n = find_threads(tids), i, found = 0;

	for (i = 0; i < n; i++)
		found += !!strstr(read_proc(tids[i], "status"), "Cpus_allowed_list:\t1\n");
	return found;
}

/* the worker, which is one, and not its helpers */
TEST_F(workers, on_the_processors_that_are_asked_for)
{
	struct vhost_vring_worker worker = {};
	struct asv_worker_affinity affinity = { .numa_node = -1 };
	uint64_t cpus = 1 << 1;

	ASSERT_EQ(0, start(self));
	EXPECT_EQ(0, on_cpu_1());
	ASSERT_EQ(0, vt_ioctl(self->blk.dev.fd, VHOST_GET_VRING_WORKER, &worker));
	affinity.worker_id = worker.worker_id;
	affinity.cpus = (uintptr_t)&cpus;
	affinity.cpus_len = sizeof(cpus);
	ASSERT_EQ(0, vt_ioctl(self->blk.dev.fd, ASV_SET_WORKER_AFFINITY, &affinity));
	EXPECT_EQ(1, on_cpu_1());
	EXPECT_EQ(VIRTIO_BLK_S_OK, write_blocks(self, 1));
	/* and back */
	affinity.cpus_len = 0;
	affinity.cpus = 0;
	ASSERT_EQ(0, vt_ioctl(self->blk.dev.fd, ASV_SET_WORKER_AFFINITY, &affinity));
	EXPECT_EQ(0, on_cpu_1());
}

/* bytes that the group has written to a device, by its io.stat */
static uint64_t charged(dev_t dev)
{
	const char *at = read_file(CGROUPS GROUP "/io.stat");
	char line[32];

	snprintf(line, sizeof(line), "%u:%u ", major(dev), minor(dev));
	at = strstr(at, line);
	at = at ? strstr(at, "wbytes=") : NULL;
	return at ? strtoull(at + strlen("wbytes="), NULL, 10) : 0;
}

TEST_F(workers, io_is_charged_to_the_owner)
{
	struct stat st;
	dev_t dev;

	if (!strstr(read_file(CGROUPS "/cgroup.controllers"), "io"))
		SKIP(return, "no io controller");
	ASSERT_EQ(0, write_file(CGROUPS "/cgroup.subtree_control", "+io"));
	ASSERT_EQ(0, join_group());
	ASSERT_EQ(0, start(self));
	ASSERT_EQ(0, fstat(self->blk.disk, &st));
	dev = S_ISBLK(st.st_mode) ? st.st_rdev : st.st_dev;
	ASSERT_EQ(0, charged(dev));
	ASSERT_EQ(VIRTIO_BLK_S_OK, write_blocks(self, 20));
	EXPECT_LE(20 * 16384, charged(dev)) TH_LOG("%s", read_file(CGROUPS GROUP "/io.stat"));
}

/*
 * Who may not keep a set-user-id bit as it writes loses it. A worker that wrote with the
 * kernel's rights, or with those that the owner has by now, would keep it.
 */
TEST_F(workers, with_the_rights_of_the_attacher)
{
	struct stat st;
	unsigned int i;

	if (variant->disk != VT_DISK_FILE)
		SKIP(return, "a device has no such bit");
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, vt_blk_open(&self->blk, &self->opts));
		self->blk.disk = vt_disk_open(variant->disk, 0);
		ASSERT_LE(0, self->blk.disk);
		ASSERT_EQ(0, fchmod(self->blk.disk, 04755));
		if (i)
			ASSERT_EQ(0, seteuid(65534));
		ASSERT_EQ(0, vt_blk_attach(&self->blk, &self->opts));
		ASSERT_EQ(0, seteuid(0));
		ASSERT_EQ(0, vt_dev_features(&self->blk.dev, VT_BIT(VIRTIO_F_VERSION_1)));
		ASSERT_EQ(0, vt_dev_memory(&self->blk.dev));
		self->blk.vq = calloc(1, sizeof(*self->blk.vq));
		ASSERT_EQ(0, vt_queue_init(self->blk.vq, &self->blk.mem, 0, 16,
					   VT_BIT(VIRTIO_F_VERSION_1)));
		self->blk.queues = 1;
		ASSERT_EQ(0, vt_queue_setup(&self->blk.dev, self->blk.vq, 0));
		ASSERT_EQ(0, vt_blk_backend(&self->blk, self->blk.vq, true));
		self->req = vt_req_new(&self->blk.mem, 16384);
		EXPECT_EQ(VIRTIO_BLK_S_OK, write_blocks(self, 2));
		ASSERT_EQ(0, fstat(self->blk.disk, &st));
		EXPECT_EQ(i ? 0755 : 04755, st.st_mode & 07777);
		vt_blk_free(&self->blk);
	}
}

/* KiB that this process has locked */
static int locked(void)
{
	const char *at = strstr(read_proc(getpid(), "status"), "VmLck:");

	return at ? atoi(at + strlen("VmLck:")) : -1;
}

TEST_F(workers, pinned_memory_is_charged_to_the_owner)
{
	struct rlimit little = { 65536, 65536 };
	uint32_t on = 1, off = 0;
	int before;

	ASSERT_EQ(0, start(self));
	before = locked();
	ASSERT_EQ(0, vt_ioctl(self->blk.dev.fd, ASV_SET_PREPIN, &on));
	EXPECT_EQ(before + (int)(self->blk.mem.size >> 10), locked());
	ASSERT_EQ(0, vt_ioctl(self->blk.dev.fd, ASV_SET_PREPIN, &off));
	EXPECT_EQ(before, locked());
	/* over the limit, for one who has no right to ignore it */
	ASSERT_EQ(0, setrlimit(RLIMIT_MEMLOCK, &little));
	ASSERT_EQ(0, seteuid(65534));
	EXPECT_EQ(-ENOMEM, vt_ioctl(self->blk.dev.fd, ASV_SET_PREPIN, &on));
	ASSERT_EQ(0, seteuid(0));
	EXPECT_EQ(before, locked());
	EXPECT_EQ(VIRTIO_BLK_S_OK, write_blocks(self, 1));
}

/* lines of the trace that have both texts */
static unsigned int traced(const char *event, const char *what)
{
	FILE *f = fopen(TRACING "/trace", "r");
	unsigned int n = 0;
	char line[512];

	while (f && fgets(line, sizeof(line), f))
		n += line[0] != '#' && strstr(line, event) && strstr(line, what);
	if (f)
		fclose(f);
	return n;
}

TEST_F(workers, tracepoints)
{
	struct vt_sg sg;
	char dev[32];
	uint32_t id;

	if (access("/sys/kernel/tracing/events/asv_vhost", F_OK))
		SKIP(return, "a kernel without tracing");
	ASSERT_EQ(0, start(self));
	ASSERT_EQ(0, vt_ioctl(self->blk.dev.fd, ASV_GET_DEV_ID, &id));
	snprintf(dev, sizeof(dev), " dev=%u vq=0 ", id);
	ASSERT_EQ(0, mkdir(TRACING, 0700));
	EXPECT_EQ(0, write_file(TRACING "/events/asv_vhost/enable", "1"));
	EXPECT_EQ(VIRTIO_BLK_S_OK, write_blocks(self, 3));
	EXPECT_EQ(3, traced("asv_request_start:", dev));
	EXPECT_EQ(1, traced("asv_request_start:", "type=1 pos=64 len=16384"));
	EXPECT_EQ(3, traced("asv_request_end:", dev));
	EXPECT_EQ(3, traced("asv_request_end:", " len=1 status=0"));
	EXPECT_LE(1, traced("asv_kick:", dev));
	EXPECT_LE(1, traced("asv_call:", dev));
	EXPECT_EQ(0, traced("asv_error:", dev));

	sg = (struct vt_sg) { vt_alloc(&self->blk.mem, 16, 16), 1, false };
	ASSERT_EQ(0, vt_add(self->blk.vq, &sg, 1, false, NULL));
	vt_submit(self->blk.vq);
	EXPECT_TRUE(vt_broken(self->blk.vq, VT_WAIT_MS));
	EXPECT_EQ(1, traced("asv_error:", dev));
	write_file(TRACING "/events/asv_vhost/enable", "0");
	rmdir(TRACING);
}

int main(int argc, char **argv)
{
	vt_require(VT_BLK_NODE);
	return test_harness_run(argc, argv);
}
