/*
 * The main thread's side of a run. It never touches a load that turns, except through the functions
 * made for that; results are taken when all loads have finished.
 */
#include "dataplane/bench/run.h"

#include "consensus/base/assert.h"
#include "dataplane/bench/git.h"
#include "dataplane/lcore/host.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>

#define LOOK_NS 10000000u /* the CPUs belong to what is measured */
#define LEAD_NS 2000000u  /* from giving the time line to its start */

static volatile sig_atomic_t interrupted; /* written by the signal handler */

static void on_signal(int number)
{
	(void)number;
	interrupted = 1;
}

void dp_bench_run_catch_signals(void)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};

	(void)sigaction(SIGINT, &action, NULL);
	(void)sigaction(SIGTERM, &action, NULL);
}

bool dp_bench_run_is_interrupted(void)
{
	return interrupted != 0;
}

void dp_bench_run_init(struct dp_bench_run *run, const struct dp_bench_options *options)
{
	*run = (struct dp_bench_run){
		.options = options,
		.report =
			{
				.git = dp_bench_git,
				.profile = "dev",
				.embedded = options->embedded,
				.durability = options->durability,
				.groups = options->groups,
				.sessions = options->sessions,
				.cores = options->cores,
				.lcores = options->lcores,
				.record_bytes = options->record_bytes,
				.mode = options->mode,
				.inflight = options->inflight,
				.rate = options->rate,
				.seconds = options->seconds,
			},
	};
	dp_bench_progress_init(&run->progress);
}

enum qr_error dp_bench_run_create_loads(struct dp_bench_run *run, uint32_t count,
					const struct dp_bench_load_config *config, qr_ns now)
{
	struct dp_bench_load_config own = *config;

	QR_ASSERT(count <= DP_BENCH_LOADS_MAX);
	if (getrandom(&own.run, sizeof(own.run), 0) != sizeof(own.run))
		return QR_IO;
	own.load_count = count;
	for (; run->load_count < count; run->load_count++) {
		enum qr_error error;
		uint64_t seeds[2];

		if (getrandom(seeds, sizeof(seeds), 0) != sizeof(seeds))
			return QR_IO;
		own.number = run->load_count;
		own.client.random_seed = seeds[0];
		own.client.incarnation = (uint32_t)seeds[1];
		error = dp_bench_load_create(&own, now, &run->loads[run->load_count]);
		if (error != QR_OK)
			return error;
	}
	return QR_OK;
}

void dp_bench_run_destroy_loads(struct dp_bench_run *run)
{
	while (run->load_count > 0)
		dp_bench_load_destroy(run->loads[--run->load_count]);
}

/* ---- waiting ---- */

static void look_later(qr_ns left)
{
	const struct timespec pause = {.tv_nsec = left < LOOK_NS ? (long)left : LOOK_NS};

	(void)nanosleep(&pause, NULL);
}

/** Whether all loads are at `phase` or beyond; or one has failed. */
static bool have_reached(const struct dp_bench_run *run, enum dp_bench_phase phase)
{
	bool all = true;

	for (uint32_t i = 0; i < run->load_count; i++) {
		enum dp_bench_phase at = dp_bench_load_phase(run->loads[i]);

		if (at == DP_BENCH_FINISHED && phase != DP_BENCH_FINISHED)
			return true;
		all = all && at >= phase;
	}
	return all;
}

static uint64_t sum(const struct dp_bench_run *run, uint64_t (*of)(const struct dp_bench_load *))
{
	uint64_t total = 0;

	for (uint32_t i = 0; i < run->load_count; i++)
		total += of(run->loads[i]);
	return total;
}

static bool wait_for(struct dp_bench_run *run, enum dp_bench_phase phase, const char *what,
		     uint64_t (*of)(const struct dp_bench_load *))
{
	dp_bench_progress_say(&run->progress, what);
	while (!have_reached(run, phase)) {
		if (dp_bench_run_is_interrupted())
			return false;
		if (of != NULL)
			dp_bench_progress_count(&run->progress, what, sum(run, of), dp_clock_now());
		look_later(LOOK_NS);
	}
	return true;
}

static bool wait_until(struct dp_bench_run *run, qr_ns until, const char *what)
{
	qr_ns now;

	while ((now = dp_clock_now()) < until) {
		if (dp_bench_run_is_interrupted() || have_reached(run, DP_BENCH_DRAINING))
			return have_reached(run, DP_BENCH_DRAINING);
		dp_bench_progress_count(&run->progress, what, sum(run, dp_bench_load_acked), now);
		look_later(until - now);
	}
	return true;
}

/* ---- the run ---- */

static double cpu_seconds(void)
{
	struct rusage usage;

	if (getrusage(RUSAGE_SELF, &usage) != 0)
		return 0.0;
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static bool load_and_measure(struct dp_bench_run *run)
{
	qr_ns start = dp_clock_now() + LEAD_NS;
	qr_ns measure = start + (qr_ns)(run->options->warmup_seconds * 1e9);
	const struct dp_bench_times times = {
		.start = start,
		.measure = measure,
		.end = measure + (qr_ns)(run->options->seconds * 1e9),
	};
	double before;

	for (uint32_t i = 0; i < run->load_count; i++)
		dp_bench_load_begin(run->loads[i], &times);
	if (!wait_until(run, times.measure, "warming up"))
		return false;
	before = cpu_seconds();
	if (run->on_begin != NULL)
		run->on_begin(run->context);
	if (!wait_until(run, times.end, "measuring"))
		return false;
	run->report.cpu_seconds = cpu_seconds() - before;
	if (run->on_end != NULL)
		run->on_end(run->context, &run->report);
	return true;
}

static void complain(struct dp_bench_report *report, const char *why)
{
	if (report->problem[0] == '\0')
		(void)snprintf(report->problem, sizeof(report->problem), "%s", why);
}

static void collect(struct dp_bench_run *run)
{
	struct dp_bench_report *report = &run->report;

	for (uint32_t i = 0; i < run->load_count; i++) {
		struct dp_bench_result result = dp_bench_load_result(run->loads[i]);

		qr_histogram_merge(&report->latency, &result.tally->latency);
		report->acked += result.tally->acked;
		report->acked_total += result.tally->acked_total;
		report->errors += result.tally->errors;
		report->unsent += result.unsent;
		report->verified += result.verified;
		if (!report->embedded) {
			report->replicas = result.replicas;
			report->durability = result.durability;
			report->cores = result.cores;
			memcpy(report->stages, result.stages, sizeof(report->stages));
		}
		if (result.problem[0] != '\0')
			complain(report, result.problem);
		if (result.tally->errors != 0)
			complain(report, qr_error_text(result.tally->error));
	}
	if (report->acked_total == 0) {
		complain(report, "no record was acknowledged");
	} else if (report->verified != report->acked_total) {
		complain(report, "not every acknowledged record was read back");
	}
}

bool dp_bench_run_execute(struct dp_bench_run *run)
{
	bool whole = wait_for(run, DP_BENCH_READY, "waiting for a leader and sessions", NULL) &&
		     load_and_measure(run) &&
		     wait_for(run, DP_BENCH_READING, "draining", dp_bench_load_acked) &&
		     wait_for(run, DP_BENCH_FINISHED, "reading back", dp_bench_load_read);

	dp_bench_progress_clear(&run->progress);
	if (!whole) {
		complain(&run->report, "interrupted");
		return false;
	}
	collect(run);
	return run->report.problem[0] == '\0';
}
