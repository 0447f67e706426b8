# SPDX-License-Identifier: GPL-2.0-only
# Build, test and install the suite. `make help` lists the targets.

KVER	?= $(shell uname -r)
KDIR	?= /lib/modules/$(KVER)/build
CC	?= gcc
O	:= $(CURDIR)/build
KBUILD_TREE := $(O)/$(KVER)

.PHONY: all modules programs clean help
all: modules programs

# kbuild writes objects beside the sources, so each kernel gets a tree of links of
# its own: several kernels are built side by side and the checkout stays clean.
modules:
	@mkdir -p $(KBUILD_TREE)
	@find $(KBUILD_TREE) -xtype l -delete
	@cp -rsf $(CURDIR)/Kbuild $(CURDIR)/kernel $(CURDIR)/scripts $(KBUILD_TREE)/
	$(MAKE) -C $(KDIR) M=$(KBUILD_TREE) W=$(W) C=$(C) modules

programs:
	$(MAKE) -C user O=$(O)/user

clean:
	rm -rf $(O)

help:
	@echo 'make [all]            modules for KVER=$(KVER), and the programs'
	@echo 'make modules KVER=... modules for another kernel whose headers are installed'
	@echo 'make programs         the user programs'
	@echo 'make clean            remove build/'
