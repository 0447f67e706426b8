# SPDX-License-Identifier: GPL-2.0-only
programs	+= asv-vtd
asv-vtd-srcs	:= $(sort $(wildcard asv-vtd/*.c)) asvm/json.c asvm/log.c asvm/values.c \
		   lib/genl_dump.c
asv-vtd-libs	:= $(shell pkg-config --libs libnl-genl-3.0)
# Only as a system's headers: libnl's do not pass all of our warnings.
asv-vtd-cflags	:= -I$(CURDIR)/asvm -I$(CURDIR)/lib \
		   $(patsubst -I%,-isystem%,$(shell pkg-config --cflags libnl-genl-3.0))
