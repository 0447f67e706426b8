# SPDX-License-Identifier: GPL-2.0-only
programs	+= asvm
asvm-srcs	:= $(sort $(wildcard asvm/*.c))
asvm-libs	:= -lelf
ifeq ($(wildcard asvm/machine.c),)
# The verb "run" comes with the machine.
asvm-srcs	:= $(filter-out asvm/run.c asvm/guest.c asvm/control.c \
			asvm/control_verbs.c,$(asvm-srcs))
asvm-cflags	:= -DASVM_WITHOUT_MACHINE
endif
