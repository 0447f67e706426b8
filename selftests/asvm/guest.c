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

/* kept for the next program of the same host, which may be slow to make it */
#define INITRD		"/run/asvm-test-initrd"

static char bzimage[256], vmlinux[256];
static bool made;	/* @vmlinux is of this program */

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
	const char *unpacked = getenv("ASV_VMLINUX");
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
	snprintf(command, sizeof(command),
		 "cd %s && [ " INITRD " -nt guest_init ] && [ " INITRD " -nt guest_helper ]",
		 guest_scripts());
	if (shell(command)) {
		snprintf(command, sizeof(command),
			 "cd %s && sh guest-initrd.sh " INITRD " guest_init %s '%s' guest_helper",
			 guest_scripts(), bzimage + strlen("/boot/vmlinuz-"), GUEST_MODULES);
		if (shell(command))
			return -EIO;
	}
	if (unpacked && *unpacked) {
		snprintf(vmlinux, sizeof(vmlinux), "%s", unpacked);
		return 0;
	}
	strcpy(vmlinux, "/tmp/asvm-vmlinux-XXXXXX");
	close(mkstemp(vmlinux));
	snprintf(command, sizeof(command), "%s/vmlinux.sh %s %s", guest_scripts(), bzimage,
		 vmlinux);
	made = true;
	return shell(command);
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
	return INITRD;
}

int guest_vmlinux_without_pvh(const char *path)
{
	char command[1024];

	snprintf(command, sizeof(command), "%s/vmlinux.sh %s %s no-pvh", guest_scripts(), vmlinux,
		 path);
	return shell(command);
}

int guest_main(int argc, char **argv, int (*tests)(int argc, char **argv))
{
	int ret;

	if (guest_init())
		return 1;
	ret = tests(argc, argv);
	if (made)
		unlink(vmlinux);
	return ret;
}

int guest_start(struct asvm_run *r, const char *name, const char *const *more)
{
	const char *args[40] = { "run", "--name", name, "--kernel", vmlinux, "--initrd", INITRD,
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
