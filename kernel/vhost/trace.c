// SPDX-License-Identifier: GPL-2.0-only
#define CREATE_TRACE_POINTS
#include "trace.h"

EXPORT_TRACEPOINT_SYMBOL_GPL(asv_request_start);
EXPORT_TRACEPOINT_SYMBOL_GPL(asv_request_end);
