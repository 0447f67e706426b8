# SPDX-License-Identifier: GPL-2.0-only
# Build, test and install the suite. `make help` lists the targets.

# `make run SHELL=1` asks for the guest's console; make would take it for its shell.
ifeq ($(SHELL),1)
override SHELL := /bin/sh
MAKEOVERRIDES := $(filter-out SHELL=%,$(MAKEOVERRIDES))
export ASV_SHELL := 1
endif

# The running kernel, if its headers are installed, else the newest that has them.
headers	= $(patsubst /lib/modules/%/build,%,$(wildcard /lib/modules/*/build))
running	:= $(shell uname -r)
KVER	?= $(or $(filter $(running),$(headers)),$(shell printf '%s\n' $(headers) | sort -V | tail -n 1))
KDIR	?= /lib/modules/$(KVER)/build
CC	?= gcc
# Where everything that is built goes; not called O, which kbuild would take for itself.
BUILD	?= $(CURDIR)/build
KBUILD_TREE := $(BUILD)/$(KVER)

DESTDIR	?=
INSTALL_MOD_PATH ?= $(DESTDIR)
prefix	?= /usr
udevdir	?= $(prefix)/lib/udev
mandir	?= $(prefix)/share/man
unitdir	?= $(prefix)/lib/systemd/system
tmpfilesdir ?= $(prefix)/lib/tmpfiles.d
completiondir ?= $(prefix)/share/bash-completion/completions

.PHONY: all modules programs install modules_install programs_install nodes
.PHONY: setup run check check-long check-debug bench sparse checkpatch package clean help

all: modules programs

# kbuild writes objects beside the sources, so each kernel gets a tree of links of
# its own: several kernels are built side by side and the checkout stays clean.
modules:
	@[ -e '$(KDIR)/Makefile' ] || { \
		echo "no kernel headers in '$(KDIR)': run scripts/setup build, or set KVER= or KDIR="; \
		exit 1; }
	@mkdir -p $(KBUILD_TREE)
	@find $(KBUILD_TREE) -xtype l -delete
	@cp -rsf $(CURDIR)/Kbuild $(CURDIR)/kernel $(CURDIR)/scripts $(KBUILD_TREE)/
	$(MAKE) -C $(KDIR) M=$(KBUILD_TREE) W=$(W) C=$(C) modules

programs:
	$(MAKE) -C user O=$(BUILD)/user

# ---- installation. With DESTDIR it only lays files down, for packagers; without, the
# modules can be used at once: indexed, and with their device nodes.
install: modules_install programs_install
	$(if $(DESTDIR)$(INSTALL_MOD_PATH),,$(CURDIR)/scripts/install-nodes $(KVER))

modules_install: modules
	$(MAKE) -C $(KDIR) M=$(KBUILD_TREE) INSTALL_MOD_PATH=$(INSTALL_MOD_PATH) \
		INSTALL_MOD_DIR=updates modules_install
	$(if $(INSTALL_MOD_PATH),,depmod -a $(KVER))

programs_install: programs
	$(MAKE) -C user O=$(BUILD)/user prefix=$(prefix) DESTDIR=$(DESTDIR) install
	install -d $(DESTDIR)$(udevdir)/rules.d
	install -m 0644 scripts/package/60-asv.rules scripts/package/61-sffs.rules \
		$(DESTDIR)$(udevdir)/rules.d/
	for page in Documentation/man/*.[1-8]; do \
		install -D -m 0644 $$page $(DESTDIR)$(mandir)/man$${page##*.}/$${page##*/} || exit; \
	done
	install -D -m 0644 user/asvm/data/asvm@.service $(DESTDIR)$(unitdir)/asvm@.service
	install -D -m 0644 user/asvm/data/asvm.tmpfiles $(DESTDIR)$(tmpfilesdir)/asvm.conf
	install -D -m 0644 user/asvm/data/asvm.bash $(DESTDIR)$(completiondir)/asvm
	install -D -m 0644 user/asv-vtd/data/asv-vtd.bash $(DESTDIR)$(completiondir)/asv-vtd
	install -D -m 0644 -t $(DESTDIR)$(unitdir) user/asv-vtd/data/asv-vtd-events.service
	for prog in mkfs.sffs fsck.sffs tune.sffs dump.sffs sffs; do \
		install -D -m 0644 user/sffs-progs/data/sffs-progs.bash \
			$(DESTDIR)$(completiondir)/$$prog || exit; \
	done
	install -D -m 0644 user/asvm/data/asvm.apparmor $(DESTDIR)/etc/apparmor.d/usr.sbin.asvm
	install -D -m 0644 -t $(DESTDIR)$(prefix)/share/asv/selinux user/asvm/data/asvm.te \
		user/asvm/data/asvm.fc

# ---- what sets itself up: these install the Debian packages that they need
setup:
	scripts/setup build run check long bench

run:
	@scripts/run

check:
	@scripts/check

check-long:
	@scripts/check --long

check-debug:
	@scripts/check --debug

bench:
	@scripts/bench/run

sparse:
	@scripts/check --static sparse

checkpatch:
	@scripts/check --static checkpatch

package:
	scripts/package/build

clean:
	rm -rf $(BUILD)

help:
	@echo 'Building (KVER=$(KVER))'
	@echo '  all              the modules and the programs'
	@echo '  modules          the modules; KVER=... for another kernel, W=1 C=1 for its checks'
	@echo '  programs         the user programs'
	@echo '  clean            remove build/'
	@echo 'Installing (DESTDIR, INSTALL_MOD_PATH, prefix)'
	@echo '  install          everything; without DESTDIR ready for use'
	@echo '  modules_install  the modules alone'
	@echo '  package          source package for DKMS, .deb and .rpm in build/package'
	@echo 'Trying and testing (these install the Debian packages that they need)'
	@echo '  run              a Debian guest on the modules, in an emulated host, with a table'
	@echo '                   of what held; SHELL=1: its console; HOST=local: on this machine'
	@echo '  check            all tests on both kernels'
	@echo '  check-debug      the selftests on a kernel with KASAN, lockdep and the like'
	@echo '  check-long       check with many more rounds'
	@echo '  bench            instruction counts beside other implementations'
	@echo '  sparse           sparse and W=1 over the modules, for both kernels'
	@echo '  checkpatch       checkpatch.pl --strict over the tree'
