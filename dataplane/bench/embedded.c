/*
 * The embedded cluster. It owns the process object and, through it, the nodes; their data belongs
 * to the workdir, which outlives this.
 *
 * Its host ports are on loopback addresses drawn from the process id, so that it runs beside a
 * cluster, or beside itself.
 */
#include "dataplane/bench/embedded.h"

#include "consensus/base/assert.h"
#include "dataplane/bench/run.h"
#include "dataplane/lcore/observe.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MIB ((uint64_t)1 << 20)
#define TEXT_MAX 4096
#define START_NS_MAX                                                                               \
	300000000000ull /* writing segments in advance can take minutes on slow disks */
#define STOP_NS_MAX 10000000000ull
#define LOOK_NS 10000000
#define HOST_PORT 7100u
#define PRIORITY_FIRST 100u /* node 1 leads, so that placement is the same in every run */

static void look_later(void)
{
	const struct timespec pause = {.tv_nsec = LOOK_NS};

	(void)nanosleep(&pause, NULL);
}

/** The file that an operator would have written. @return false: it does not fit. */
static bool write_config(char text[TEXT_MAX], const struct dp_bench_options *options,
			 const struct dp_bench_place *place)
{
	unsigned id = (unsigned)getpid();
	FILE *to = fmemopen(text, TEXT_MAX, "w");
	bool whole;

	if (to == NULL)
		return false;
	(void)fprintf(to, "[cluster]\nname = bench\nprofile = dev\n");
	(void)fprintf(to, "[dataplane]\nlink = ring\ncores = %u\nlcores = %u\nrun_dir = %s/run\n",
		      options->cores, options->lcores, place->workdir.path);
	(void)fprintf(to, "[storage]\nstride = 8M\nsegment = %" PRIu64 "M\nsegments_ahead = %u\n",
		      place->plan.segment_bytes / MIB, place->plan.segments_ahead);
	for (unsigned node = 1; node <= DP_BENCH_REPLICAS; node++) {
		(void)fprintf(
			to, "[node %u]\ndata = %s/%u\nhost = 127.%u.%u.%u:%u\npriority = %u\n",
			node, place->workdir.path, node, 100 + (id >> 16) % 100, id >> 8 & 255,
			id & 255, HOST_PORT + 100 * node, PRIORITY_FIRST / node);
	}
	(void)fprintf(to, "[log %s]\npartitions = %u\ndurability = %s\n", DP_BENCH_LOG,
		      options->groups,
		      options->durability == WIRE_DURABLE_MEMORY ? "memory" : "quorum");
	whole = ferror(to) == 0 && ftell(to) < TEXT_MAX - 1;
	return fclose(to) == 0 && whole;
}

static enum qr_error configure(struct dp_bench_embedded *embedded,
			       const struct dp_bench_options *options,
			       const struct dp_bench_place *place, struct dp_bench_problem *problem)
{
	struct dp_config_problem wrong = {0};
	char text[TEXT_MAX];
	enum qr_error error;

	QR_ASSERT(write_config(text, options, place));
	dp_config_defaults(&embedded->config);
	error = dp_config_parse(&embedded->config, text, "the benchmark's own configuration",
				&wrong);
	if (error == QR_OK)
		error = dp_config_environment(&embedded->config, &wrong);
	if (error == QR_OK)
		error = dp_config_finish(&embedded->config, &wrong);
	if (error != QR_OK)
		(void)snprintf(problem->text, sizeof(problem->text), "%s", wrong.text);
	return error;
}

enum qr_error dp_bench_embedded_create(struct dp_bench_embedded *embedded,
				       const struct dp_bench_options *options,
				       const struct dp_bench_place *place, uint32_t clients,
				       struct dp_bench_problem *ret_problem)
{
	struct dp_process_options process = {
		.config = &embedded->config, .fabric_extra = clients, .quiet = true};
	struct dp_problem wrong = {0};
	enum qr_error error;

	embedded->process = NULL;
	embedded->started = false;
	embedded->before = NULL;
	embedded->core_count = DP_BENCH_REPLICAS * options->cores;
	error = configure(embedded, options, place, ret_problem);
	if (error != QR_OK)
		return error;
	embedded->before = calloc(embedded->core_count, sizeof(*embedded->before));
	if (embedded->before == NULL)
		return QR_NO_MEMORY;
	for (qr_node node = 1; node <= DP_BENCH_REPLICAS; node++)
		process.nodes |= qr_nodes_of(node);
	error = dp_process_create(&process, &embedded->process, &wrong);
	if (error != QR_OK)
		(void)snprintf(ret_problem->text, sizeof(ret_problem->text), "%s", wrong.text);
	return error;
}

static bool is_ready(const struct dp_bench_embedded *embedded)
{
	return dp_process_is_recovered(embedded->process) &&
	       dp_process_ready_segments(embedded->process) >= embedded->config.segments_ahead;
}

enum qr_error dp_bench_embedded_start(struct dp_bench_embedded *embedded,
				      struct dp_bench_problem *ret_problem)
{
	qr_ns deadline = dp_clock_now() + START_NS_MAX;
	struct dp_problem wrong = {0};
	enum qr_error error = dp_process_start(embedded->process, &wrong);

	if (error != QR_OK) {
		(void)snprintf(ret_problem->text, sizeof(ret_problem->text), "%s", wrong.text);
		return error;
	}
	embedded->started = true;
	while (!is_ready(embedded)) {
		if (dp_bench_run_is_interrupted()) {
			(void)snprintf(ret_problem->text, sizeof(ret_problem->text), "interrupted");
			return QR_AGAIN;
		}
		if (dp_clock_now() > deadline) {
			(void)snprintf(ret_problem->text, sizeof(ret_problem->text),
				       "the disk could not prepare %u segments of %" PRIu64
				       " MiB for each replica in %llu s: free some space, or use "
				       "fewer --seconds",
				       embedded->config.segments_ahead,
				       embedded->config.segment_bytes / MIB,
				       START_NS_MAX / 1000000000ull);
			return QR_TIMED_OUT;
		}
		look_later();
	}
	return QR_OK;
}

/* ---- what the cores did during the measured time ---- */

static const struct dp_stats *stats_of(const struct dp_bench_embedded *embedded, unsigned core)
{
	struct dp_slot_view view;

	QR_ASSERT(dp_process_view(embedded->process, core, &view));
	return view.stats;
}

void dp_bench_embedded_begin(struct dp_bench_embedded *embedded)
{
	for (unsigned i = 0; i < embedded->core_count; i++)
		embedded->before[i] = *stats_of(embedded, i);
}

/** Samples since `before`. The maximum is not known to be of that time: the bucket bounds stand. */
static void add_since(struct qr_histogram *into, const struct qr_histogram *before,
		      const struct qr_histogram *after)
{
	for (unsigned i = 0; i < QR_HISTOGRAM_BUCKETS; i++)
		into->buckets[i] += after->buckets[i] - before->buckets[i];
	into->count += after->count - before->count;
	into->sum_ns += after->sum_ns - before->sum_ns;
	if (after->max_ns > into->max_ns)
		into->max_ns = after->max_ns;
}

void dp_bench_embedded_end(struct dp_bench_embedded *embedded, struct dp_bench_report *report)
{
	struct dp_stats *during = &embedded->during;

	memset(during, 0, sizeof(*during));
	for (unsigned i = 0; i < embedded->core_count; i++) {
		const struct dp_stats *before = &embedded->before[i];
		const struct dp_stats *after = stats_of(embedded, i);

		if (after->acked_records == before->acked_records)
			continue; /* a follower: its disk is not what a client waited for */
		during->acked_records += after->acked_records - before->acked_records;
		during->acked_chunks += after->acked_chunks - before->acked_chunks;
		during->entries_closed += after->entries_closed - before->entries_closed;
		during->busy_replies += after->busy_replies - before->busy_replies;
		during->retransmits += after->retransmits - before->retransmits;
		for (unsigned s = 0; s < WIRE_STAGES; s++)
			add_since(&during->stages[s], &before->stages[s], &after->stages[s]);
	}
	for (unsigned s = 0; s < WIRE_STAGES; s++) {
		const struct qr_histogram *stage = &during->stages[s];

		report->stages[s] = (struct dp_bench_stage){
			(double)qr_histogram_quantile(stage, 0.5) / 1e3,
			(double)qr_histogram_quantile(stage, 0.99) / 1e3,
		};
	}
}

void dp_bench_embedded_stop(struct dp_bench_embedded *embedded)
{
	if (!embedded->started)
		return;
	dp_process_request_stop(embedded->process);
	/* A core that hangs does not keep the report from being printed. */
	(void)(dp_process_join(embedded->process, STOP_NS_MAX) == QR_OK);
	embedded->started = false;
}

void dp_bench_embedded_destroy(struct dp_bench_embedded *embedded)
{
	QR_ASSERT(!embedded->started);

	if (embedded->process != NULL)
		dp_process_destroy(embedded->process);
	free(embedded->before);
	embedded->process = NULL;
	embedded->before = NULL;
}
