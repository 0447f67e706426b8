/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef ASVM_ARRAY_H
#define ASVM_ARRAY_H

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#endif

#endif
