/*
 * The command line. Parsed once by the main thread; everything that needs more than one option is
 * checked at the end, so that the order of options never matters.
 */
#include "dataplane/bench/options.h"

#include "dataplane/bench/content.h"
#include "dataplane/bench/schedule.h"
#include "dataplane/client/machine.h"

#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define EXIT_USAGE 2

/*
 * argp_error and argp_parse may exit, which clang-tidy counts as unsafe with threads: there is one
 * thread yet. NOLINTBEGIN(concurrency-mt-unsafe)
 */

enum key {
	KEY_EMBEDDED = 'e',
	KEY_CONFIG = 'c',
	KEY_LOG = 'l',
	KEY_INFLIGHT = 'n',
	KEY_OUTPUT = 'o',
	KEY_RATE = 'r',
	KEY_SIZE = 's',
	KEY_SECONDS = 't',
	KEY_WARMUP = 'w',
	KEY_DIR = 0x100,
	KEY_ENDPOINTS,
	KEY_CLUSTER,
	KEY_GROUPS,
	KEY_CORES,
	KEY_LCORES,
	KEY_SESSIONS,
	KEY_DURABILITY,
};

static const struct argp_option table[] = {
	{NULL, 0, NULL, 0, "Where:", 1},
	{"embedded", KEY_EMBEDDED, NULL, 0,
	 "Host three nodes in this process and measure them (the default unless a cluster is "
	 "named)",
	 1},
	{"dir", KEY_DIR, "DIR", 0,
	 "Embedded: put data below DIR (default: TMPDIR or /var/tmp), removed afterwards; else: "
	 "measure the disk there",
	 1},
	{"config", KEY_CONFIG, "FILE", 0, "Measure the running cluster that FILE describes", 1},
	{"endpoints", KEY_ENDPOINTS, "HOST:PORT,...", 0, "Measure the running cluster found there",
	 1},
	{"cluster", KEY_CLUSTER, "NAME", 0, "The cluster's name, with --endpoints", 1},
	{"log", KEY_LOG, "NAME", 0, "The log of the running cluster to append to", 1},
	{NULL, 0, NULL, 0, "What:", 2},
	{"inflight", KEY_INFLIGHT, "N", 0,
	 "Closed loop with N records in flight over all producers (default 16384)", 2},
	{"rate", KEY_RATE, "R", 0,
	 "Open loop with R records per second over all producers; latency counts from the intended "
	 "time",
	 2},
	{"size", KEY_SIZE, "BYTES", 0, "Bytes of a record (default 64, at least 16)", 2},
	{"seconds", KEY_SECONDS, "S", 0, "Seconds to measure (default 5)", 2},
	{"warmup", KEY_WARMUP, "S", 0, "Seconds of load before that (default 1)", 2},
	{"durability", KEY_DURABILITY, "WORD", 0,
	 "Embedded: quorum (default) acknowledges what is on stable media; memory is for "
	 "comparison",
	 2},
	{NULL, 0, NULL, 0, "Shape:", 3},
	{"groups", KEY_GROUPS, "N", 0,
	 "Partitions to append to (default 1; of a running cluster: at most those of its log)", 3},
	{"cores", KEY_CORES, "N", 0, "Embedded: replication cores per node (default 1)", 3},
	{"lcores", KEY_LCORES, "N", 0, "Embedded: threads that poll (default: one per CPU)", 3},
	{"sessions", KEY_SESSIONS, "N", 0, "Producers per group (default 1)", 3},
	{NULL, 0, NULL, 0, "Output:", 4},
	{"output", KEY_OUTPUT, "FORMAT", 0, "table (default) or json", 4},
	{0},
};

static uint64_t whole(struct argp_state *state, const char *name, const char *text, uint64_t max)
{
	char *end;
	uint64_t value;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || strchr(text, '-') != NULL || value == 0 ||
	    value > max) {
		argp_error(state, "--%s %s: expected a whole number from 1 to %" PRIu64, name, text,
			   max);
	}
	return value;
}

static double real(struct argp_state *state, const char *name, const char *text, double max)
{
	char *end;
	double value;

	errno = 0;
	value = strtod(text, &end);
	if (errno != 0 || end == text || *end != '\0' || !isfinite(value) || value < 0.0 ||
	    value > max)
		argp_error(state, "--%s %s: expected a number from 0 to %.0f", name, text, max);
	return value;
}

/** Which of two words: the position, for options with a list. */
static bool is_second(struct argp_state *state, const char *name, const char *text,
		      const char *const words[2])
{
	if (strcmp(text, words[0]) == 0)
		return false;
	if (strcmp(text, words[1]) != 0)
		argp_error(state, "--%s %s: expected %s or %s", name, text, words[0], words[1]);
	return true;
}

static bool parse_where(struct dp_bench_options *options, int key, char *text)
{
	switch (key) {
	case KEY_EMBEDDED:
		options->embedded = true;
		return true;
	case KEY_DIR:
		options->dir = text;
		return true;
	case KEY_CONFIG:
		options->config = text;
		return true;
	case KEY_ENDPOINTS:
		options->endpoints = text;
		return true;
	case KEY_CLUSTER:
		options->cluster = text;
		return true;
	case KEY_LOG:
		options->log = text;
		return true;
	default:
		return false;
	}
}

static bool parse_shape(struct dp_bench_options *options, int key, char *text,
			struct argp_state *state)
{
	switch (key) {
	case KEY_GROUPS:
		options->groups = (uint32_t)whole(state, "groups", text, DP_CLIENT_PRODUCERS_MAX);
		return true;
	case KEY_CORES:
		options->cores = (uint32_t)whole(state, "cores", text, 16);
		return true;
	case KEY_LCORES:
		options->lcores = (uint32_t)whole(state, "lcores", text, 64);
		return true;
	case KEY_SESSIONS:
		options->sessions =
			(uint32_t)whole(state, "sessions", text, DP_CLIENT_PRODUCERS_MAX);
		return true;
	default:
		return false;
	}
}

static bool parse_what(struct dp_bench_options *options, int key, char *text,
		       struct argp_state *state)
{
	static const char *const durabilities[2] = {"quorum", "memory"};
	static const char *const formats[2] = {"table", "json"};

	switch (key) {
	case KEY_INFLIGHT:
		options->inflight = whole(state, "inflight", text, 1ull << 32);
		return true;
	case KEY_RATE:
		options->mode = DP_BENCH_OPEN;
		options->rate = real(state, "rate", text, DP_BENCH_RATE_MAX);
		return true;
	case KEY_SIZE:
		options->record_bytes = (uint32_t)whole(state, "size", text, 1u << 30);
		return true;
	case KEY_SECONDS:
		options->seconds = real(state, "seconds", text, 86400.0);
		return true;
	case KEY_WARMUP:
		options->warmup_seconds = real(state, "warmup", text, 3600.0);
		return true;
	case KEY_DURABILITY:
		if (is_second(state, "durability", text, durabilities))
			options->durability = WIRE_DURABLE_MEMORY;
		return true;
	case KEY_OUTPUT:
		options->json = is_second(state, "output", text, formats);
		return true;
	default:
		return false;
	}
}

static void check_where(struct dp_bench_options *options, struct argp_state *state)
{
	bool cluster =
		options->config != NULL || options->endpoints != NULL || options->log != NULL;

	if (cluster && options->embedded) {
		argp_error(state, "--embedded hosts its own cluster: leave out --config, "
				  "--endpoints and --log");
	}
	options->embedded = !cluster;
	if (cluster && options->config == NULL && options->endpoints == NULL) {
		argp_error(state, "--log names a log of a running cluster: add --config or "
				  "--endpoints");
	}
	if (cluster && options->log == NULL) {
		argp_error(state,
			   "a running cluster needs --log NAME: the benchmark appends to it");
	}
	if (options->endpoints != NULL && options->cluster == NULL)
		argp_error(state, "--endpoints needs --cluster NAME");
	if (cluster && (options->cores != 0 || options->lcores != 0 ||
			options->durability == WIRE_DURABLE_MEMORY)) {
		argp_error(state, "--cores, --lcores and --durability are for --embedded: a "
				  "running cluster has its own");
	}
}

static void check(struct dp_bench_options *options, struct argp_state *state)
{
	uint64_t producers = (uint64_t)options->groups * options->sessions;

	check_where(options, state);
	if (options->mode == DP_BENCH_OPEN && options->inflight != 0)
		argp_error(state, "--inflight is a closed loop and --rate an open one: choose one");
	if (options->mode == DP_BENCH_OPEN && options->rate < DP_BENCH_RATE_MIN)
		argp_error(state, "--rate: at least 1 record per second");
	if (options->mode == DP_BENCH_CLOSED && options->inflight == 0)
		options->inflight = 16384 > producers ? 16384 : producers;
	if (options->mode == DP_BENCH_CLOSED && options->inflight < producers) {
		argp_error(state,
			   "--inflight %" PRIu64 " is less than one record for each of %" PRIu64
			   " producers: raise it, or lower --groups or --sessions",
			   options->inflight, producers);
	}
	if (producers > DP_CLIENT_PRODUCERS_MAX) {
		argp_error(state, "--groups times --sessions: at most %u producers",
			   DP_CLIENT_PRODUCERS_MAX);
	}
	if (options->record_bytes < DP_BENCH_RECORD_MIN) {
		argp_error(state, "--size %u: at least %u bytes, so that a record can name itself",
			   options->record_bytes, DP_BENCH_RECORD_MIN);
	}
	if (options->seconds < 0.1)
		argp_error(state, "--seconds: at least 0.1");
}

static error_t parse(int key, char *text, struct argp_state *state)
{
	struct dp_bench_options *options = state->input;

	if (key == ARGP_KEY_END) {
		check(options, state);
		return 0;
	}
	if (parse_where(options, key, text) || parse_shape(options, key, text, state) ||
	    parse_what(options, key, text, state))
		return 0;
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	.options = table,
	.parser = parse,
	.doc = "Measure a replicated, durable log: throughput, latency from the client's side, "
	       "where "
	       "the time goes, and the disk itself for comparison. Every acknowledged record is "
	       "read "
	       "back and compared at the end.",
};

void dp_bench_options_parse(struct dp_bench_options *options, int argc, char **argv)
{
	*options = (struct dp_bench_options){
		.record_bytes = 64,
		.seconds = 5.0,
		.warmup_seconds = 1.0,
		.durability = WIRE_DURABLE_QUORUM,
		.groups = 1,
		.sessions = 1,
	};
	argp_err_exit_status = EXIT_USAGE;
	(void)argp_parse(&argp, argc, argv, 0, NULL, options);
	if (options->cores == 0)
		options->cores = 1;
}

/* NOLINTEND(concurrency-mt-unsafe) */
