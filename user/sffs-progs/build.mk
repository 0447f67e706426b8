# SPDX-License-Identifier: GPL-2.0-only
# The programs of SFFS. They share the on-disk format with the module.
sffs-lib	:= $(addprefix sffs-progs/,crc32c.c device.c geometry.c volume.c util.c fields.c \
		   meta.c siphash.c build.c space.c slots.c usage.c)
sffs-cflags	:= -I$(CURDIR)/../kernel/sffs -I$(CURDIR)/asvm
sffs-libs	:= -lblkid -luuid

programs	+= mkfs.sffs dump.sffs fsck.sffs tune.sffs

mkfs.sffs-srcs	:= sffs-progs/mkfs.c sffs-progs/populate.c $(sffs-lib)
mkfs.sffs-cflags := $(sffs-cflags)
mkfs.sffs-libs	:= $(sffs-libs)

dump.sffs-srcs	:= $(addprefix sffs-progs/,dump.c dump_inode.c dump_print.c dump_space.c) \
		   asvm/json.c $(sffs-lib)
dump.sffs-cflags := $(sffs-cflags)
dump.sffs-libs	:= $(sffs-libs)

fsck.sffs-srcs	:= $(addprefix sffs-progs/,fsck.c fsck_super.c fsck_slot.c fsck_journal.c \
		   fsck_space.c fsck_inode.c fsck_extent.c fsck_xattr.c fsck_dir.c fsck_names.c \
		   fsck_lock.c fsck_quota.c) $(sffs-lib)
fsck.sffs-cflags := $(sffs-cflags)
fsck.sffs-libs	:= $(sffs-libs)

tune.sffs-srcs	:= sffs-progs/tune.c $(sffs-lib)
tune.sffs-cflags := $(sffs-cflags)
tune.sffs-libs	:= $(sffs-libs)
