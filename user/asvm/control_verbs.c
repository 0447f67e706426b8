// SPDX-License-Identifier: GPL-2.0-only
/* What clients of the control socket can ask a guest for. */
#include "control_verbs.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "array.h"

static const char *const state_names[] = {
	[MACHINE_CREATED] = "starting",
	[MACHINE_RUNNING] = "running",
	[MACHINE_PAUSED] = "paused",
	[MACHINE_ENDED] = "ended",
};

void control_refuse(struct json_out *out, const char *why)
{
	json_open(out, NULL, '{');
	json_bool(out, "ok", false);
	json_str(out, "error", why);
	json_close(out, '}');
}

static void answer(struct json_out *out, int ret)
{
	if (ret) {
		control_refuse(out, strerror(-ret));
		return;
	}
	json_open(out, NULL, '{');
	json_bool(out, "ok", true);
	json_close(out, '}');
}

static enum control_result verb_status(struct control_ctx *ctx,
				       const struct json_object *request,
				       struct json_out *out)
{
	static struct machine_info info;

	(void)request;
	machine_query(ctx->m, &info);
	json_open(out, NULL, '{');
	json_bool(out, "ok", true);
	json_str(out, "name", ctx->cfg->name);
	json_str(out, "state", state_names[info.state]);
	json_u64(out, "cpus", info.cpus);
	json_u64(out, "memory", info.mem);
	json_u64(out, "balloon", info.balloon);
	json_u64(out, "reported", info.reported);
	json_u64(out, "reboots", info.reboots);
	json_u64(out, "disks", info.ndisks);
	json_u64(out, "networks", info.nnets);
	json_u64(out, "functions", info.nfunctions);
	json_close(out, '}');
	return CONTROL_DONE;
}

static enum control_result verb_disk(struct control_ctx *ctx,
				     const struct json_object *request,
				     struct json_out *out)
{
	const struct json_member *disk = json_get(request, "disk", JSON_NUMBER);
	static struct machine_info info;
	const struct machine_disk_info *d;

	machine_query(ctx->m, &info);
	if (!disk || disk->num < 0 || disk->num >= info.ndisks) {
		control_refuse(out, "there is no such disk; they count from 0");
		return CONTROL_DONE;
	}
	d = &info.disks[disk->num];
	json_open(out, NULL, '{');
	json_bool(out, "ok", true);
	json_str(out, "path", d->path ? d->path : "");
	json_u64(out, "size", d->size);
	json_u64(out, "queues", d->queues);
	json_bool(out, "readonly", d->readonly);
	json_bool(out, "driver", d->driver_ok);
	json_bool(out, "packed", d->packed);
	json_close(out, '}');
	return CONTROL_DONE;
}

static enum control_result verb_stop(struct control_ctx *ctx,
				     const struct json_object *request,
				     struct json_out *out)
{
	(void)request;
	answer(out, machine_powerbutton(ctx->m));
	return CONTROL_DONE;
}

static enum control_result verb_kill(struct control_ctx *ctx,
				     const struct json_object *request,
				     struct json_out *out)
{
	(void)request;
	machine_stop(ctx->m);
	answer(out, 0);
	return CONTROL_DONE;
}

static enum control_result verb_pause(struct control_ctx *ctx,
				      const struct json_object *request,
				      struct json_out *out)
{
	(void)request;
	answer(out, machine_pause(ctx->m));
	return CONTROL_DONE;
}

static enum control_result verb_resume(struct control_ctx *ctx,
				       const struct json_object *request,
				       struct json_out *out)
{
	(void)request;
	answer(out, machine_resume(ctx->m));
	return CONTROL_DONE;
}

static enum control_result verb_reset(struct control_ctx *ctx,
				      const struct json_object *request,
				      struct json_out *out)
{
	(void)request;
	answer(out, machine_reset(ctx->m));
	return CONTROL_DONE;
}

static enum control_result verb_resize_disk(struct control_ctx *ctx,
					    const struct json_object *request,
					    struct json_out *out)
{
	const struct json_member *disk = json_get(request, "disk", JSON_NUMBER);
	const struct json_member *size = json_get(request, "size", JSON_NUMBER);
	int ret;

	if (!disk || disk->num < 0 || disk->num >= ctx->cfg->ndisks) {
		control_refuse(out, "there is no such disk; they count from 0");
		return CONTROL_DONE;
	}
	if (size && (size->num < 0 || size->num % 512)) {
		control_refuse(out, "the size must be a multiple of 512");
		return CONTROL_DONE;
	}
	ret = machine_resize_disk(ctx->m, disk->num, size ? size->num : 0);
	if (ret == -EINVAL)
		control_refuse(out, "a block device has the size it has: give no size");
	else
		answer(out, ret);
	return CONTROL_DONE;
}

static enum control_result verb_balloon(struct control_ctx *ctx,
					const struct json_object *request,
					struct json_out *out)
{
	const struct json_member *mem = json_get(request, "memory", JSON_NUMBER);
	int ret;

	if (!mem || mem->num < 0) {
		control_refuse(out, "say in \"memory\" how many bytes the guest shall have");
		return CONTROL_DONE;
	}
	ret = machine_balloon(ctx->m, mem->num);
	if (ret == -ENODEV)
		control_refuse(out, "the guest has no balloon");
	else if (ret == -EINVAL)
		control_refuse(out, "that is more than the guest's memory");
	else
		answer(out, ret);
	return CONTROL_DONE;
}

static enum control_result verb_console(struct control_ctx *ctx,
					const struct json_object *request,
					struct json_out *out)
{
	(void)request;
	if (ctx->cfg->console == ASVM_CONSOLE_NONE) {
		control_refuse(out, "the guest has no console");
		return CONTROL_DONE;
	}
	answer(out, 0);
	return CONTROL_CONSOLE;
}

static const struct {
	const char *name;
	enum control_result (*call)(struct control_ctx *ctx,
				    const struct json_object *request,
				    struct json_out *out);
} verbs[] = {
	{ "status", verb_status },
	{ "disk", verb_disk },
	{ "stop", verb_stop },
	{ "kill", verb_kill },
	{ "pause", verb_pause },
	{ "resume", verb_resume },
	{ "reset", verb_reset },
	{ "resize-disk", verb_resize_disk },
	{ "balloon", verb_balloon },
	{ "console", verb_console },
};

enum control_result control_verb(struct control_ctx *ctx,
				 const struct json_object *request,
				 struct json_out *out)
{
	const char *name = json_get_str(request, "verb");
	unsigned int i;

	if (!name) {
		control_refuse(out, "the request has no \"verb\"");
		return CONTROL_DONE;
	}
	for (i = 0; i < ARRAY_SIZE(verbs); i++)
		if (!strcmp(verbs[i].name, name))
			return verbs[i].call(ctx, request, out);
	control_refuse(out, "unknown verb");
	return CONTROL_DONE;
}
