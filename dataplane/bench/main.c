/*
 * quorate-bench: measures the disk, then a cluster on it, then compares what was acknowledged with
 * what is in the log. Exit codes: 0 all verified, 1 not, 2 usage.
 *
 * Whatever happens, what it made on disk is removed: signals end a run early and pass through the
 * same end.
 */
#include "dataplane/bench/embedded.h"
#include "dataplane/bench/fabric.h"
#include "dataplane/bench/remote.h"

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#define MIB 1048576.0

struct bench {
	struct dp_bench_options options;
	struct dp_bench_run run;
	struct dp_bench_place place;
	struct dp_bench_embedded embedded;
	struct dp_bench_fabric *fabrics[DP_BENCH_LOADS_MAX];
	struct dp_bench_problem problem;
};

static uint32_t cpu_count(void)
{
	cpu_set_t cpus;

	if (sched_getaffinity(0, sizeof(cpus), &cpus) != 0)
		return 1;
	return (uint32_t)CPU_COUNT(&cpus);
}

/** Threads: as many as there are CPUs, and no more than there are cores to poll. */
static void choose_lcores(struct dp_bench_options *options)
{
	uint32_t cores = DP_BENCH_REPLICAS * options->cores;
	uint32_t cpus = cpu_count();

	if (options->lcores == 0)
		options->lcores = cpus < cores ? cpus : cores;
}

static bool measure_device(struct bench *bench, const char *directory)
{
	struct dp_bench_report *report = &bench->run.report;

	dp_bench_progress_say(&bench->run.progress, "measuring the disk");
	report->has_device = dp_bench_device_measure(directory, bench->options.seconds,
						     &report->device, &bench->problem) == QR_OK;
	return report->has_device;
}

static void begin_embedded(void *context)
{
	struct bench *bench = context;

	dp_bench_embedded_begin(&bench->embedded);
}

static void end_embedded(void *context, struct dp_bench_report *report)
{
	struct bench *bench = context;

	dp_bench_embedded_end(&bench->embedded, report);
}

static bool plan_embedded(struct bench *bench)
{
	struct dp_bench_plan *plan = &bench->place.plan;
	uint64_t free_bytes = dp_bench_workdir_free_bytes(&bench->place.workdir);
	enum qr_error error =
		dp_bench_plan_make(&bench->options, &bench->run.report.device, free_bytes, plan);

	if (error != QR_OK) {
		(void)snprintf(bench->problem.text, sizeof(bench->problem.text),
			       "%s: only %.0f MiB are free: free some space, or name another "
			       "directory with --dir",
			       bench->place.workdir.path, (double)free_bytes / MIB);
		return false;
	}
	if (plan->short_of_disk) {
		(void)fprintf(stderr,
			      "quorate-bench: %.0f MiB are free, so only %.0f MiB of log are "
			      "prepared in advance: the load may have to wait for more; use fewer "
			      "--seconds\n",
			      (double)free_bytes / MIB, (double)plan->disk_bytes / MIB);
	}
	return true;
}

/** A client for each thread, but no more than there are groups: a group's producers share one. */
static bool create_loads(struct bench *bench)
{
	const struct dp_bench_options *options = &bench->options;
	struct dp_bench_load_config config = {
		.options = &bench->options,
		.log = DP_BENCH_LOG,
		.client = dp_client_config_default(),
	};
	uint32_t count = options->lcores < options->groups ? options->lcores : options->groups;

	config.client.cluster = wire_cluster_id(bench->embedded.config.cluster);
	config.client.datagram_max = dp_bench_fabric_datagram_bytes();
	config.client.seed_count = DP_BENCH_REPLICAS;
	if (dp_bench_run_create_loads(&bench->run, count, &config, dp_clock_now()) != QR_OK)
		return false;
	for (uint32_t i = 0; i < count; i++) {
		unsigned lcore = (options->lcores - 1 + i) % options->lcores;

		if (dp_bench_fabric_attach(bench->embedded.process, i, lcore, bench->run.loads[i],
					   &bench->fabrics[i]) != QR_OK)
			return false;
	}
	return true;
}

static bool run_embedded(struct bench *bench)
{
	struct dp_bench_report *report = &bench->run.report;

	choose_lcores(&bench->options);
	report->lcores = bench->options.lcores;
	report->replicas = DP_BENCH_REPLICAS;
	if (dp_bench_workdir_create(&bench->place.workdir, bench->options.dir, &bench->problem) !=
	    QR_OK)
		return false;
	if (!measure_device(bench, bench->place.workdir.path) || !plan_embedded(bench))
		return false;
	if (dp_bench_embedded_create(&bench->embedded, &bench->options, &bench->place,
				     bench->options.lcores, &bench->problem) != QR_OK)
		return false;
	report->profile = dp_profile_name(bench->embedded.config.profile);
	if (!create_loads(bench)) {
		(void)snprintf(bench->problem.text, sizeof(bench->problem.text),
			       "out of memory: use fewer --groups or --sessions");
		return false;
	}
	dp_bench_progress_say(&bench->run.progress, "writing segments in advance");
	if (dp_bench_embedded_start(&bench->embedded, &bench->problem) != QR_OK)
		return false;
	bench->run.on_begin = begin_embedded;
	bench->run.on_end = end_embedded;
	bench->run.context = bench;
	return dp_bench_run_execute(&bench->run);
}

static void take_down(struct bench *bench)
{
	dp_bench_embedded_stop(&bench->embedded);
	for (uint32_t i = 0; i < DP_BENCH_LOADS_MAX; i++)
		dp_bench_fabric_detach(bench->fabrics[i]);
	dp_bench_embedded_destroy(&bench->embedded);
	dp_bench_run_destroy_loads(&bench->run);
	dp_bench_workdir_remove(&bench->place.workdir);
}

static bool print(const struct bench *bench)
{
	char *text;

	if (!bench->options.json) {
		dp_bench_report_table(&bench->run.report, stdout);
		return fflush(stdout) == 0;
	}
	text = dp_bench_report_json(&bench->run.report);
	if (text == NULL || puts(text) < 0 || fflush(stdout) != 0) {
		free(text);
		return false;
	}
	free(text);
	return true;
}

int main(int argc, char **argv)
{
	static struct bench bench;
	bool verified;

	dp_bench_options_parse(&bench.options, argc, argv);
	dp_bench_run_catch_signals();
	dp_bench_run_init(&bench.run, &bench.options);
	if (bench.options.embedded) {
		verified = run_embedded(&bench);
	} else {
		verified = dp_bench_remote_run(&bench.run, &bench.problem);
	}
	dp_bench_progress_clear(&bench.run.progress);
	take_down(&bench);
	if (bench.problem.text[0] != '\0' || bench.run.report.acked_total == 0) {
		(void)fprintf(stderr, "quorate-bench: %s\n",
			      bench.problem.text[0] != '\0' ? bench.problem.text
							    : bench.run.report.problem);
		return EXIT_FAILURE;
	}
	if (!print(&bench))
		return EXIT_FAILURE;
	return verified ? EXIT_SUCCESS : EXIT_FAILURE;
}
