# SPDX-License-Identifier: GPL-2.0-only
programs	+= asvm
asvm-srcs	:= $(sort $(wildcard asvm/*.c))
asvm-libs	:= -lelf
