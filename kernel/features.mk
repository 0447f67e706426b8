# SPDX-License-Identifier: GPL-2.0-only
# Included by every Kbuild of a module: include paths, and what the kernel being
# built against offers, found in its headers rather than guessed from its version.
ccflags-y += -I$(src)/../include -I$(src)/../include/uapi
ccflags-y += $(shell $(src)/../../scripts/kernel-features $(srctree))
