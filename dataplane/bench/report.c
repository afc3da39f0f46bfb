/*
 * The report as text. Every figure that is divided or derived is computed here and nowhere else, so
 * table and JSON cannot disagree.
 */
#include "dataplane/bench/report.h"

#include "consensus/base/assert.h"

#include <inttypes.h>
#include <jansson.h>

#define MIB 1048576.0

static const char *const stage_names[WIRE_STAGES] = {"rx", "batch", "disk", "quorum", "ack"};

static double throughput(const struct dp_bench_report *report)
{
	return report->seconds > 0.0 ? (double)report->acked / report->seconds : 0.0;
}

static double mib_per_s(const struct dp_bench_report *report)
{
	return throughput(report) * report->record_bytes / MIB;
}

static double latency_us(const struct dp_bench_report *report, double quantile)
{
	return (double)qr_histogram_quantile(&report->latency, quantile) / 1e3;
}

static double per(double value, double yardstick)
{
	return yardstick > 0.0 ? value / yardstick : 0.0;
}

static double latency_ratio(const struct dp_bench_report *report)
{
	return per(latency_us(report, 0.5), report->device.quorum_write_4k_us_p50);
}

static double throughput_ratio(const struct dp_bench_report *report)
{
	return per(mib_per_s(report), report->device.write_256k_qd4_mib_per_s);
}

static const char *durability_name(const struct dp_bench_report *report)
{
	return report->durability == WIRE_DURABLE_MEMORY ? "memory" : "quorum";
}

static const char *mode_name(const struct dp_bench_report *report)
{
	return report->mode == DP_BENCH_OPEN ? "open" : "closed";
}

/* ---- JSON ---- */

/** Three digits after the point: more would be noise. */
static json_t *number(double value)
{
	return json_real((double)(int64_t)(value * 1e3 + 0.5) / 1e3);
}

static json_t *stages_json(const struct dp_bench_report *report)
{
	json_t *stages = json_object();

	for (unsigned i = 0; i < WIRE_STAGES; i++) {
		json_t *stage = json_pack("{s:o, s:o}", "p50", number(report->stages[i].p50_us),
					  "p99", number(report->stages[i].p99_us));

		(void)json_object_set_new(stages, stage_names[i], stage);
	}
	return stages;
}

static json_t *latency_json(const struct dp_bench_report *report)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o}", "p50", number(latency_us(report, 0.5)), "p90",
			 number(latency_us(report, 0.9)), "p99", number(latency_us(report, 0.99)),
			 "p999", number(latency_us(report, 0.999)), "max",
			 number((double)report->latency.max_ns / 1e3));
}

static json_t *device_json(const struct dp_bench_report *report)
{
	const struct dp_bench_device *device = &report->device;

	if (!report->has_device)
		return json_null();
	return json_pack("{s:o, s:o, s:o, s:b, s:b}", "quorum_write_4k_us_p50",
			 number(device->quorum_write_4k_us_p50), "quorum_write_4k_us_p99",
			 number(device->quorum_write_4k_us_p99), "write_256k_qd4_mib_per_s",
			 number(device->write_256k_qd4_mib_per_s), "volatile_cache",
			 device->volatile_cache, "fua", device->fua);
}

static json_t *ratio_json(const struct dp_bench_report *report)
{
	if (!report->has_device)
		return json_null();
	return json_pack("{s:o, s:o}", "latency_p50", number(latency_ratio(report)), "throughput",
			 number(throughput_ratio(report)));
}

/** What was asked for. */
static json_t *setup_json(const struct dp_bench_report *report)
{
	bool open = report->mode == DP_BENCH_OPEN;

	return json_pack(
		"{s:s, s:s, s:b, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:s, s:I, s:f}", "git",
		report->git, "profile", report->profile, "embedded", report->embedded, "durability",
		durability_name(report), "replicas", (json_int_t)report->replicas, "groups",
		(json_int_t)report->groups, "sessions", (json_int_t)report->sessions, "cores",
		(json_int_t)report->cores, "lcores", (json_int_t)report->lcores, "record_bytes",
		(json_int_t)report->record_bytes, "mode", mode_name(report), "inflight",
		(json_int_t)(open ? 0 : report->inflight), "rate", open ? report->rate : 0.0);
}

/** What came of it. */
static json_t *outcome_json(const struct dp_bench_report *report)
{
	return json_pack("{s:o, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I}",
			 "seconds", number(report->seconds), "acked", (json_int_t)report->acked,
			 "acked_total", (json_int_t)report->acked_total, "errors",
			 (json_int_t)report->errors, "unsent", (json_int_t)report->unsent,
			 "throughput_per_s", number(throughput(report)), "mib_per_s",
			 number(mib_per_s(report)), "latency_us", latency_json(report), "stages_us",
			 stages_json(report), "device", device_json(report), "ratio",
			 ratio_json(report), "cpu_seconds", number(report->cpu_seconds), "verified",
			 (json_int_t)report->verified);
}

char *dp_bench_report_json(const struct dp_bench_report *report)
{
	json_t *object = setup_json(report);
	json_t *outcome = outcome_json(report);
	char *text = NULL;

	if (object != NULL && outcome != NULL && json_object_update(object, outcome) == 0 &&
	    (report->problem[0] == '\0' ||
	     json_object_set_new(object, "problem", json_string(report->problem)) == 0))
		text = json_dumps(object, JSON_INDENT(2) | JSON_REAL_PRECISION(12));
	json_decref(object);
	json_decref(outcome);
	return text;
}

/* ---- the table ---- */

#define ROW "  %-18s"

static void table_head(const struct dp_bench_report *report, FILE *to)
{
	(void)fprintf(to, "quorate bench %s, profile %s, %s, durability %s\n", report->git,
		      report->profile, report->embedded ? "embedded" : "running cluster",
		      durability_name(report));
	if (report->durability == WIRE_DURABLE_MEMORY)
		(void)fprintf(to, "  NOT DURABLE: acknowledged records live in memory only\n");
	(void)fprintf(to, ROW "%u replicas, %u groups x %u producers, %u cores a node\n", "shape",
		      report->replicas, report->groups, report->sessions, report->cores);
	if (report->mode == DP_BENCH_OPEN) {
		(void)fprintf(to, ROW "%u B records, open loop, %.0f/s, %.1f s\n", "load",
			      report->record_bytes, report->rate, report->seconds);
	} else {
		(void)fprintf(to, ROW "%u B records, closed loop, %" PRIu64 " in flight, %.1f s\n",
			      "load", report->record_bytes, report->inflight, report->seconds);
	}
}

static void table_stages(const struct dp_bench_report *report, FILE *to)
{
	(void)fprintf(to, ROW, "stages p50/p99");
	for (unsigned i = 0; i < WIRE_STAGES; i++) {
		(void)fprintf(to, "%s%s %.1f/%.1f", i == 0 ? "" : "  ", stage_names[i],
			      report->stages[i].p50_us, report->stages[i].p99_us);
	}
	(void)fprintf(to, " us\n");
}

static void table_device(const struct dp_bench_report *report, FILE *to)
{
	const struct dp_bench_device *device = &report->device;

	if (!report->has_device) {
		(void)fprintf(to, ROW "not measured: no data directory of the cluster is here\n",
			      "device");
		return;
	}
	(void)fprintf(to,
		      ROW "4 KiB quorum write p50 %.1f p99 %.1f us, 256 KiB writes %.0f MiB/s\n",
		      "device", device->quorum_write_4k_us_p50, device->quorum_write_4k_us_p99,
		      device->write_256k_qd4_mib_per_s);
	(void)fprintf(to, ROW "volatile cache %s, FUA %s\n", "",
		      device->volatile_cache ? "yes" : "no", device->fua ? "yes" : "no");
	(void)fprintf(to, ROW "latency p50 %.2f x, throughput %.2f x\n", "of the device",
		      latency_ratio(report), throughput_ratio(report));
}

void dp_bench_report_table(const struct dp_bench_report *report, FILE *to)
{
	table_head(report, to);
	(void)fprintf(
		to, ROW "%.0f records/s, %.1f MiB/s (%" PRIu64 " acked, %" PRIu64 " errors)\n",
		"throughput", throughput(report), mib_per_s(report), report->acked, report->errors);
	if (report->unsent != 0) {
		(void)fprintf(to,
			      ROW "%" PRIu64
				  " records were due and never sent: below the rate asked "
				  "for, latencies grow with the run\n",
			      "OVERLOADED", report->unsent);
	}
	(void)fprintf(to, ROW "p50 %.1f  p90 %.1f  p99 %.1f  p99.9 %.1f  max %.1f us\n", "latency",
		      latency_us(report, 0.5), latency_us(report, 0.9), latency_us(report, 0.99),
		      latency_us(report, 0.999), (double)report->latency.max_ns / 1e3);
	table_stages(report, to);
	table_device(report, to);
	(void)fprintf(to, ROW "%.2f s of CPU\n", "cost", report->cpu_seconds);
	(void)fprintf(to, ROW "%" PRIu64 " of %" PRIu64 " acked records read back and compared\n",
		      "verified", report->verified, report->acked_total);
	if (report->problem[0] != '\0')
		(void)fprintf(to, ROW "%s\n", "FAILED", report->problem);
}
