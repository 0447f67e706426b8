# SPDX-License-Identifier: GPL-2.0-only
# The programs of SFFS. They share the on-disk format with the module.
sffs-lib	:= $(addprefix sffs-progs/,crc32c.c device.c geometry.c volume.c util.c fields.c \
		   meta.c siphash.c build.c space.c slots.c usage.c)
sffs-prog-cflags := -I$(CURDIR)/../kernel/sffs -I$(CURDIR)/asvm
sffs-prog-libs	:= -lblkid -luuid

programs	+= mkfs.sffs dump.sffs fsck.sffs tune.sffs

mkfs.sffs-srcs	:= sffs-progs/mkfs.c sffs-progs/populate.c $(sffs-lib)
mkfs.sffs-cflags := $(sffs-prog-cflags)
mkfs.sffs-libs	:= $(sffs-prog-libs)

dump.sffs-srcs	:= $(addprefix sffs-progs/,dump.c dump_inode.c dump_print.c dump_space.c) \
		   asvm/json.c $(sffs-lib)
dump.sffs-cflags := $(sffs-prog-cflags)
dump.sffs-libs	:= $(sffs-prog-libs)

fsck.sffs-srcs	:= $(addprefix sffs-progs/,fsck.c fsck_super.c fsck_slot.c fsck_journal.c \
		   fsck_space.c fsck_inode.c fsck_extent.c fsck_xattr.c fsck_dir.c fsck_names.c \
		   fsck_lock.c fsck_quota.c) $(sffs-lib)
fsck.sffs-cflags := $(sffs-prog-cflags)
fsck.sffs-libs	:= $(sffs-prog-libs)

tune.sffs-srcs	:= sffs-progs/tune.c $(sffs-lib)
tune.sffs-cflags := $(sffs-prog-cflags)
tune.sffs-libs	:= $(sffs-prog-libs)

programs	+= sffs
# Only as a system's headers: libnl's do not pass all of our warnings.
sffs-srcs	:= sffs-progs/sffs.c sffs-progs/live.c sffs-progs/util.c asvm/json.c lib/genl_dump.c
sffs-cflags	:= $(sffs-prog-cflags) -I$(CURDIR)/lib -I$(CURDIR)/../kernel/include/uapi \
		   $(patsubst -I%,-isystem%,$(shell pkg-config --cflags libnl-genl-3.0))
sffs-libs	:= -luuid $(shell pkg-config --libs libnl-genl-3.0)
