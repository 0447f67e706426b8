# SPDX-License-Identifier: GPL-2.0-only
programs	+= asvm asvm-stats
asvm-srcs	:= $(filter-out asvm/stats%.c,$(sort $(wildcard asvm/*.c))) \
		   asv-vtd/function.c asv-vtd/module.c asv-vtd/spec.c
asvm-cflags	:= -I$(CURDIR)/asv-vtd -I$(CURDIR)/asvm
asvm-libs	:= -lelf
asvm-stats-srcs	:= $(wildcard asvm/stats*.c) asvm/json.c asvm/log.c asvm/values.c \
		    lib/genl_dump.c
asvm-stats-libs	:= $(shell pkg-config --libs libnl-genl-3.0)
# Only as a system's headers: libnl's do not pass all of our warnings.
asvm-stats-cflags := -I$(CURDIR)/lib \
		     $(patsubst -I%,-isystem%,$(shell pkg-config --cflags libnl-genl-3.0))
