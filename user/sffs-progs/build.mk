# SPDX-License-Identifier: GPL-2.0-only
# The programs of SFFS. They share the on-disk format with the module.
sffs-lib	:= $(addprefix sffs-progs/,crc32c.c device.c geometry.c volume.c util.c fields.c \
		   meta.c)
sffs-cflags	:= -I$(CURDIR)/../kernel/sffs -I$(CURDIR)/asvm
sffs-libs	:= -lblkid -luuid

programs	+= mkfs.sffs dump.sffs

mkfs.sffs-srcs	:= sffs-progs/mkfs.c $(sffs-lib)
mkfs.sffs-cflags := $(sffs-cflags)
mkfs.sffs-libs	:= $(sffs-libs)

dump.sffs-srcs	:= $(addprefix sffs-progs/,dump.c dump_inode.c dump_print.c dump_space.c) \
		   asvm/json.c $(sffs-lib)
dump.sffs-cflags := $(sffs-cflags)
dump.sffs-libs	:= $(sffs-libs)
