# SPDX-License-Identifier: GPL-2.0-only
# The programs of SFFS. They share the on-disk format with the module.
sffs-lib	:= $(addprefix sffs-progs/,crc32c.c device.c geometry.c volume.c util.c)
sffs-cflags	:= -I$(CURDIR)/../kernel/sffs
sffs-libs	:= -lblkid -luuid

programs	+= mkfs.sffs

mkfs.sffs-srcs	:= sffs-progs/mkfs.c $(sffs-lib)
mkfs.sffs-cflags := $(sffs-cflags)
mkfs.sffs-libs	:= $(sffs-libs)

