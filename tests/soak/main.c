/*
 * soak-client: the command line, and what the commands share.
 */
#include "tests/soak/soak.h"

#include "tests/soak/record.h"

#include <argp.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define EXIT_USAGE 2
#define DATAGRAM_BYTES 16384u /* on the loopback */

static const char doc[] =
	"What scripts/soak runs beside the cluster.\v"
	"Commands:\n"
	"  load     append, and claim what was acknowledged\n"
	"  follow   read what is committed as it comes, and claim what was seen\n"
	"  check    read everything, against all claims\n"
	"  history  few clients, one call at a time: a history for a checker\n"
	"\n"
	"Exit status: 0 all is well, 1 a fault was found, 2 it could not be done.";

enum key {
	KEY_ENDPOINTS = 'e',
	KEY_CLUSTER = 'c',
	KEY_LOG = 'l',
	KEY_PARTITIONS = 'p',
	KEY_PRODUCERS = 'n',
	KEY_INFLIGHT = 'i',
	KEY_RATE = 'r',
	KEY_CLAIMS = 'd',
	KEY_NUMBER = 'u',
	KEY_TIMEOUT = 't',
};

static const struct argp_option table[] = {
	{"endpoints", KEY_ENDPOINTS, "HOST:PORT,...", 0, "Nodes of the cluster", 0},
	{"cluster", KEY_CLUSTER, "NAME", 0, "Its name", 0},
	{"log", KEY_LOG, "NAME", 0, "The log", 0},
	{"partitions", KEY_PARTITIONS, "N", 0, "Its partitions (default 1)", 0},
	{"producers", KEY_PRODUCERS, "N", 0,
	 "Producers of each partition; history: clients (default 3)", 0},
	{"inflight", KEY_INFLIGHT, "N", 0, "Records of a producer in flight (default 1024)", 0},
	{"rate", KEY_RATE, "R", 0, "Records per second in all (default: as fast as it goes)", 0},
	{"claims", KEY_CLAIMS, "DIR", 0, "Directory of the claims; history: its file", 0},
	{"number", KEY_NUMBER, "N", 0, "Of this process in the soak; no other may have it", 0},
	{"timeout", KEY_TIMEOUT, "SECONDS", 0, "Bound of every call (default 60)", 0},
	{0},
};

/* NOLINTBEGIN(concurrency-mt-unsafe): argp may exit; there is one thread yet */
static uint64_t parse_number(const char *text, uint64_t most, struct argp_state *state)
{
	char *end;
	unsigned long long value;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || *text == '-' || value > most) {
		argp_error(state, "'%s' is not a number up to %llu", text,
			   (unsigned long long)most);
	}
	return value;
}

static void check_options(const struct soak_options *options, struct argp_state *state)
{
	if (options->command == NULL)
		argp_error(state, "name a command");
	if (options->endpoints == NULL || options->cluster == NULL || options->log == NULL ||
	    options->claims == NULL)
		argp_error(state, "--endpoints, --cluster, --log and --claims are needed");
	if (options->partitions == 0 || options->producers == 0 || options->inflight == 0 ||
	    options->timeout_ms == 0)
		argp_error(state, "--partitions, --producers, --inflight and --timeout begin at 1");
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
	struct soak_options *options = state->input;

	switch (key) {
	case KEY_ENDPOINTS:
		options->endpoints = argument;
		return 0;
	case KEY_CLUSTER:
		options->cluster = argument;
		return 0;
	case KEY_LOG:
		options->log = argument;
		return 0;
	case KEY_CLAIMS:
		options->claims = argument;
		return 0;
	case KEY_PARTITIONS:
		options->partitions = (uint32_t)parse_number(argument, SOAK_PARTITIONS_MAX, state);
		return 0;
	case KEY_PRODUCERS:
		options->producers = (uint32_t)parse_number(argument, 64, state);
		return 0;
	case KEY_INFLIGHT:
		options->inflight = (uint32_t)parse_number(argument, 1u << 20, state);
		return 0;
	case KEY_RATE:
		options->rate = parse_number(argument, 100000000, state);
		return 0;
	case KEY_NUMBER:
		options->load = parse_number(argument, UINT64_MAX >> SOAK_PRODUCER_BITS, state);
		return 0;
	case KEY_TIMEOUT:
		options->timeout_ms = 1000 * (uint32_t)parse_number(argument, 3600, state);
		return 0;
	case ARGP_KEY_ARG:
		if (options->command != NULL)
			argp_error(state, "one command");
		options->command = argument;
		return 0;
	case ARGP_KEY_END:
		check_options(options, state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}
/* NOLINTEND(concurrency-mt-unsafe) */

static volatile sig_atomic_t stopping;

static void on_signal(int number)
{
	(void)number;
	stopping = 1;
}

void soak_stop_at_signals(void)
{
	/* Without SA_RESTART, so that a poll returns. */
	const struct sigaction action = {.sa_handler = on_signal};

	(void)sigaction(SIGTERM, &action, NULL);
	(void)sigaction(SIGINT, &action, NULL);
}

bool soak_is_stopping(void)
{
	return stopping != 0;
}

qr_ns soak_now(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (qr_ns)now.tv_sec * 1000000000u + (qr_ns)now.tv_nsec;
}

int soak_complain(const char *what, int error)
{
	(void)fprintf(stderr, "soak-client: %s: %s\n", what, quorate_strerror(error));
	return 2;
}

int soak_complain_errno(const char *what)
{
	(void)fprintf(stderr, "soak-client: %s: %s\n", what, strerrordesc_np(errno));
	return 2;
}

int soak_connect(const struct soak_options *options, struct quorate_client **ret_client)
{
	const struct quorate_options where = {
		.endpoints = options->endpoints,
		.cluster = options->cluster,
		.datagram_bytes = DATAGRAM_BYTES,
		.timeout_ms = options->timeout_ms,
	};
	int error = quorate_connect(&where, ret_client);

	if (error != QUORATE_OK)
		(void)soak_complain("connect", error);
	return error;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(const struct soak_options *options);
	} commands[] = {
		{"load", soak_load},
		{"follow", soak_follow},
		{"check", soak_check},
		{"history", soak_history},
	};
	const struct argp argp = {table, parse_option, "COMMAND", doc, NULL, NULL, NULL};
	struct soak_options options = {
		.partitions = 1, .producers = 3, .inflight = 1024, .timeout_ms = 60000};

	argp_err_exit_status = EXIT_USAGE;
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): it may exit; there is one thread yet */
	if (argp_parse(&argp, argc, argv, 0, NULL, &options) != 0)
		return EXIT_USAGE;
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(commands[i].name, options.command) == 0)
			return commands[i].run(&options);
	}
	(void)fprintf(stderr, "soak-client: '%s' is no command; see --help\n", options.command);
	return EXIT_USAGE;
}
