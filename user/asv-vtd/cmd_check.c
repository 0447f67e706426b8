// SPDX-License-Identifier: GPL-2.0-only
/* asv-vtd check: is this machine ready, and what to do if it is not. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "vtd.h"

/* What stands in the way of every lease, in words; NULL when nothing does. */
static const char *advise(const struct iommu_report *r)
{
	bool intel = r->table && !strcmp(r->table, "DMAR");

	if (!r->table)
		return "the firmware shows no IOMMU: switch VT-d or AMD's IOMMU on in its setup";
	if (r->damaged)
		return "the firmware's table of the IOMMUs is damaged: update the firmware";
	if (!r->on && intel)
		return "DMA remapping is off: boot with intel_iommu=on";
	if (!r->on)
		return "DMA remapping is off: boot without amd_iommu=off and iommu=off";
	if (!r->intr_flag)
		return "the firmware forbids interrupt remapping: see x2APIC in its setup";
	return NULL;
}

/**
 * struct answer - what the module says of a function
 * @known: it says something
 * @arg: its reason and text
 */
struct answer {
	bool known;
	struct asv_vtd_lease_arg arg;
};

/* Each function once, for a check takes hold of its disks. NULL after a message. */
static struct answer *ask(int node, const struct function *list, ssize_t n)
{
	struct answer *answers = calloc(n ? n : 1, sizeof(*answers));
	ssize_t i;

	if (!answers)
		log_err("no memory for %zd functions", n);
	for (i = 0; answers && i < n; i++) {
		struct asv_vtd_lease_arg *arg = &answers[i].arg;

		if (node < 0 || function_spec(list[i].address, arg))
			continue;
		arg->flags = ASV_VTD_LEASE_CHECK;
		answers[i].known = vtd_lease(node, arg) >= 0 || arg->reason;
	}
	return answers;
}

/* What the kernel does may be less than what the firmware's table has room for. */
static const char *advise_by_module(const struct answer *answers, ssize_t n)
{
	ssize_t i, unmapped = 0, asked = 0;

	for (i = 0; i < n; i++) {
		if (!answers[i].known)
			continue;
		asked++;
		if (answers[i].arg.reason == ASV_VTD_NO_INTR_REMAP)
			unmapped++;
		else if (answers[i].arg.reason != ASV_VTD_NO_IOMMU)
			return NULL;
	}
	if (!asked)
		return NULL;
	return unmapped ? "interrupt remapping is off: boot without intremap=off" :
			  "no function's DMA is translated: boot with intel_iommu=on";
}

static const char *yes(bool b)
{
	return b ? "yes" : "no";
}

static void show_units(const struct iommu_report *r)
{
	unsigned int i;

	for (i = 0; i < r->units; i++) {
		const struct iommu_unit *u = &r->unit[i];

		if (!u->name[0]) {
			printf("unit at %#" PRIx64 ": not used by the kernel\n", u->base);
			continue;
		}
		printf("%s: %u-bit addresses; queued invalidation %s, interrupt remapping %s, ",
		       u->name, u->width, yes(u->queued), yes(u->intr_remap));
		printf("posted interrupts %s, snoop control %s, scalable mode %s\n",
		       yes(u->posted), yes(u->snoop), yes(u->scalable));
	}
	for (i = 0; i < r->rmrrs; i++)
		printf("the firmware keeps %#" PRIx64 "-%#" PRIx64 " for %s (RMRR)\n",
		       r->rmrr[i].base, r->rmrr[i].end,
		       r->rmrr[i].scope[0] ? r->rmrr[i].scope : "devices behind a bridge");
}

static void unit_json(struct json_out *out, const struct iommu_unit *u)
{
	json_open(out, NULL, '{');
	json_str(out, "name", u->name);
	json_u64(out, "base", u->base);
	json_u64(out, "width", u->width);
	json_bool(out, "queued_invalidation", u->queued);
	json_bool(out, "interrupt_remapping", u->intr_remap);
	json_bool(out, "posted_interrupts", u->posted);
	json_bool(out, "snoop_control", u->snoop);
	json_bool(out, "scalable_mode", u->scalable);
	json_close(out, '}');
}

static void report_json(struct json_out *out, const struct iommu_report *r, const char *advice)
{
	unsigned int i;

	json_bool(out, "ready", !advice);
	if (advice)
		json_str(out, "advice", advice);
	if (r->table)
		json_str(out, "table", r->table);
	json_bool(out, "dma_remapping", r->on);
	json_open(out, "units", '[');
	for (i = 0; i < r->units; i++)
		unit_json(out, &r->unit[i]);
	json_close(out, ']');
	json_open(out, "rmrrs", '[');
	for (i = 0; i < r->rmrrs; i++) {
		json_open(out, NULL, '{');
		json_u64(out, "base", r->rmrr[i].base);
		json_u64(out, "end", r->rmrr[i].end);
		json_str(out, "device", r->rmrr[i].scope);
		json_close(out, '}');
	}
	json_close(out, ']');
}

static void functions_json(struct json_out *out, const struct answer *answers,
			   const struct function *list, ssize_t n)
{
	ssize_t i;

	json_open(out, "functions", '[');
	for (i = 0; i < n; i++) {
		const struct asv_vtd_lease_arg *arg = &answers[i].arg;

		json_open(out, NULL, '{');
		json_str(out, "address", list[i].address);
		json_s64(out, "group", list[i].group);
		json_str(out, "driver", list[i].driver);
		json_str(out, "reset", list[i].reset);
		if (answers[i].known) {
			json_bool(out, "leasable", !arg->reason);
			json_str(out, "reason", vtd_reason(arg->reason));
			json_str(out, "text", arg->text);
		}
		json_close(out, '}');
	}
	json_close(out, ']');
}

static void functions_text(const struct answer *answers, const struct function *list, ssize_t n)
{
	ssize_t i;

	putchar('\n');
	for (i = 0; i < n; i++) {
		const struct asv_vtd_lease_arg *arg = &answers[i].arg;

		printf("%s %-16s ", list[i].address, function_label(&list[i]));
		if (!answers[i].known)
			puts(list[i].group < 0 ? "no IOMMU group" : "?");
		else
			puts(arg->reason ? arg->text : "can be leased");
	}
}

int cmd_check(int argc, char **argv)
{
	bool json = argc == 2 && !strcmp(argv[1], "--json");
	struct function *functions = NULL;
	struct answer *answers = NULL;
	struct iommu_report *report;
	int node = -1, ret = VTD_FAILED;
	const char *advice;
	ssize_t n;

	if (argc > 1 && !json)
		return VTD_USAGE;
	report = malloc(sizeof(*report));
	n = report ? function_list(&functions) : -1;
	if (n < 0)
		goto out;
	iommu_read(report);
	node = vtd_open();
	answers = ask(node, functions, n);
	if (!answers)
		goto out;
	advice = advise(report);
	if (!advice)
		advice = advise_by_module(answers, n);
	if (json) {
		struct json_out out;

		json_out_file(&out, stdout);
		json_open(&out, NULL, '{');
		report_json(&out, report, advice);
		functions_json(&out, answers, functions, n);
		json_close(&out, '}');
		putchar('\n');
	} else {
		show_units(report);
		puts(advice ? advice : "This machine can lease functions to guests.");
		functions_text(answers, functions, n);
	}
	ret = advice ? VTD_NOT_READY : VTD_OK;
out:
	if (node >= 0)
		close(node);
	free(answers);
	free(functions);
	free(report);
	return ret;
}
