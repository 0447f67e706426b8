/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef ASVM_CONTROL_VERBS_H
#define ASVM_CONTROL_VERBS_H

#include "json.h"
#include "machine.h"

/* struct control_ctx - what the verbs work on */
struct control_ctx {
	struct machine *m;
	const struct asvm_config *cfg;
};

enum control_result {
	CONTROL_DONE,		/* the answer is written */
	CONTROL_CONSOLE,	/* and the connection becomes a console */
};

/* control_refuse() - the answer to what cannot be done, and why */
void control_refuse(struct json_out *out, const char *why);

/**
 * control_verb() - do what a client asks
 * @ctx: the guest
 * @request: from the client, checked only to be a flat object
 * @out: takes the answer, one flat object
 */
enum control_result control_verb(struct control_ctx *ctx,
				 const struct json_object *request,
				 struct json_out *out);

#endif
