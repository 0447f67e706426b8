# SPDX-License-Identifier: GPL-2.0-only
# What the Makefile of each folder here includes after it has named its tests: kselftest's
# rules, told that nothing is built beside the sources. KSFT_DIR is the folder
# tools/testing/selftests of a kernel source (linux-source-6.12 has it). What lib/*.c
# makes is linked into each of TEST_GEN_PROGS. Shell tests find tap.sh beside them.
ifeq ($(KSFT_DIR),)
$(error set KSFT_DIR to tools/testing/selftests of an unpacked linux-source-6.12)
endif

OUTPUT ?= $(CURDIR)/../../build/selftests/$(notdir $(CURDIR))
building_out_of_srctree := 1
UAPI := $(CURDIR)/../../kernel/include/uapi
ifneq ($(filter %.sh,$(TEST_PROGS)),)
TEST_FILES += ../tap.sh $(KSFT_DIR)/kselftest/ktap_helpers.sh
endif

CFLAGS += -std=gnu11 -g -Wall -Wextra -Werror
# of the harness: plain literals against what is unsigned, locals across its setjmp()
HARNESS_CFLAGS := -I$(KSFT_DIR) -Wno-unused-parameter -Wno-sign-compare -Wno-clobbered \
	-Wno-missing-field-initializers
LOCAL_HDRS += $(wildcard *.h lib/*.h $(UAPI)/linux/*.h)
LIB_OBJS := $(patsubst %.c,$(OUTPUT)/%.o,$(wildcard lib/*.c))
EXTRA_CLEAN += $(OUTPUT)/lib

include $(KSFT_DIR)/lib.mk

$(LIB_OBJS): $(OUTPUT)/%.o: %.c $(LOCAL_HDRS)
	$(call msg,CC,,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(COMPILE.c) $< -o $@

$(TEST_GEN_PROGS): $(LIB_OBJS)
