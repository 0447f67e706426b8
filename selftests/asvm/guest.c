// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <glob.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/utsname.h>

#include "guest.h"

#define GUEST_MODULES	"virtio_pci virtio_blk virtio_balloon virtio_net virtio_console " \
			"virtio-rng vmw_vsock_virtio_transport evdev button"

static char bzimage[256], vmlinux[64], initrd[64];

static int shell(const char *command)
{
	return system(command) ? -EIO : 0;
}

const char *guest_scripts(void)
{
	static char dir[512];
	ssize_t n = readlink("/proc/self/exe", dir, sizeof(dir) - 1);

	dir[n > 0 ? n : 0] = 0;
	return dirname(dir);
}

/* of the running kernel, or where it has no image of its own of any that is installed */
static int find_kernel(void)
{
	struct utsname uts;
	glob_t found;
	char command[1024];

	uname(&uts);
	snprintf(bzimage, sizeof(bzimage), "/boot/vmlinuz-%s", uts.release);
	if (access(bzimage, R_OK)) {
		if (glob("/boot/vmlinuz-*", 0, NULL, &found) || !found.gl_pathc)
			return -ENOENT;
		snprintf(bzimage, sizeof(bzimage), "%s", found.gl_pathv[0]);
		globfree(&found);
	}
	strcpy(vmlinux, "/tmp/asvm-vmlinux-XXXXXX");
	strcpy(initrd, "/tmp/asvm-guest-XXXXXX");
	close(mkstemp(initrd));
	close(mkstemp(vmlinux));
	snprintf(command, sizeof(command),
		 "cd %s && sh guest-initrd.sh %s guest_init %s '" GUEST_MODULES "' guest_helper",
		 guest_scripts(), initrd, bzimage + strlen("/boot/vmlinuz-"));
	return shell(command) || guest_vmlinux(vmlinux, true) ? -EIO : 0;
}

static int guest_init(void)
{
	shell("modprobe kvm_amd 2>/dev/null || modprobe kvm_intel 2>/dev/null");
	shell("modprobe asv_blk; modprobe asv_net; mkdir -p /run/asvm");
	if (!find_kernel())
		return 0;
	printf("TAP version 13\n1..1\nnot ok 1 no kernel and initramfs for a guest\n");
	return -1;
}

const char *guest_bzimage(void)
{
	return bzimage;
}

const char *guest_initrd(void)
{
	return initrd;
}

int guest_vmlinux(const char *path, bool pvh)
{
	char command[1024];

	snprintf(command, sizeof(command), "%s/vmlinux.sh %s %s %s", guest_scripts(), bzimage, path,
		 pvh ? "" : "no-pvh");
	return shell(command);
}

int guest_main(int argc, char **argv, int (*tests)(int argc, char **argv))
{
	int ret;

	if (guest_init())
		return 1;
	ret = tests(argc, argv);
	unlink(initrd);
	unlink(vmlinux);
	return ret;
}

int guest_start(struct asvm_run *r, const char *name, const char *const *more)
{
	const char *args[40] = { "run", "--name", name, "--kernel", vmlinux, "--initrd", initrd,
				 "--mem", "128M" };
	unsigned int n = 9;

	for (; more && *more; more++)
		args[n++] = *more;
	return asvm_start(r, args);
}

int guest_say(struct asvm_run *r, const char *line)
{
	size_t len = strlen(line);

	return write(r->in, line, len) == (ssize_t)len && write(r->in, "\n", 1) == 1 ? 0 : -EIO;
}

int guest_ask(struct asvm_run *r, const char *question, const char *answer)
{
	size_t from = r->len;
	int ret = guest_say(r, question);

	return ret ? ret : asvm_expect(r, &from, answer, SAY_MS);
}
