/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints of all devices. A device module fires asv_request_start and
 * asv_request_end for each of its requests; the core fires the others.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM asv_vhost

#if !defined(_ASV_VHOST_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _ASV_VHOST_TRACE_H

#include <linux/tracepoint.h>

#include "vhost.h"

/* @type: the request's type in the device's own numbers; @pos: its sector or 0 */
TRACE_EVENT(asv_request_start,
	    TP_PROTO(const struct asv_vq *vq, u16 id, u32 type, u64 pos, u32 len),
	    TP_ARGS(vq, id, type, pos, len),
	    TP_STRUCT__entry(__field(u64, pos)
			     __field(u32, dev)
			     __field(u32, vq)
			     __field(u32, type)
			     __field(u32, len)
			     __field(u16, id)),
	    TP_fast_assign(__entry->pos = pos;
			   __entry->dev = vq->dev->id;
			   __entry->vq = vq->index;
			   __entry->type = type;
			   __entry->len = len;
			   __entry->id = id;),
	    TP_printk("dev=%u vq=%u id=%u type=%u pos=%llu len=%u", __entry->dev,
		      __entry->vq, __entry->id, __entry->type, __entry->pos, __entry->len));

/* @len: bytes written into guest memory; @status: 0, or the device's own error */
TRACE_EVENT(asv_request_end,
	    TP_PROTO(const struct asv_vq *vq, u16 id, u32 len, int status),
	    TP_ARGS(vq, id, len, status),
	    TP_STRUCT__entry(__field(u32, dev)
			     __field(u32, vq)
			     __field(u32, len)
			     __field(int, status)
			     __field(u16, id)),
	    TP_fast_assign(__entry->dev = vq->dev->id;
			   __entry->vq = vq->index;
			   __entry->len = len;
			   __entry->status = status;
			   __entry->id = id;),
	    TP_printk("dev=%u vq=%u id=%u len=%u status=%d", __entry->dev, __entry->vq,
		      __entry->id, __entry->len, __entry->status));

DECLARE_EVENT_CLASS(asv_vq_event,
		    TP_PROTO(const struct asv_vq *vq),
		    TP_ARGS(vq),
		    TP_STRUCT__entry(__field(u32, dev)
				     __field(u32, vq)
				     __field(u16, avail)
				     __field(u16, used)),
		    TP_fast_assign(__entry->dev = vq->dev->id;
				   __entry->vq = vq->index;
				   __entry->avail = vq->avail;
				   __entry->used = vq->used;),
		    TP_printk("dev=%u vq=%u avail=%u used=%u", __entry->dev, __entry->vq,
			      __entry->avail, __entry->used));

/* The guest's kick arrived; may be in interrupt context. */
DEFINE_EVENT(asv_vq_event, asv_kick,
	     TP_PROTO(const struct asv_vq *vq),
	     TP_ARGS(vq));

/* The guest is interrupted. */
DEFINE_EVENT(asv_vq_event, asv_call,
	     TP_PROTO(const struct asv_vq *vq),
	     TP_ARGS(vq));

#define ASV_TRACE_WHY 48

/* The queue was broken; @why says what was wrong. */
TRACE_EVENT(asv_error,
	    TP_PROTO(const struct asv_vq *vq, const char *why),
	    TP_ARGS(vq, why),
	    TP_STRUCT__entry(__array(char, why, ASV_TRACE_WHY)
			     __field(u32, dev)
			     __field(u32, vq)
			     __field(u16, avail)),
	    TP_fast_assign(strscpy(__entry->why, why, sizeof(__entry->why));
			   __entry->dev = vq->dev->id;
			   __entry->vq = vq->index;
			   __entry->avail = vq->avail;),
	    TP_printk("dev=%u vq=%u avail=%u %s", __entry->dev, __entry->vq,
		      __entry->avail, __entry->why));

#endif /* _ASV_VHOST_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
