/*
 * quorate-record: clients of a running cluster that write down what they asked and were answered,
 * as a history for quorate-check. The main thread waits for the time or a signal, and then for the
 * operations under way.
 */
#include "tests/check/record/client.h"

#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define CLIENTS_MAX 64u
#define OUTPUT_BYTES (1u << 16)
#define EXIT_USAGE 2

enum key {
	KEY_ENDPOINTS = 'e',
	KEY_CLUSTER = 'c',
	KEY_LOG = 'l',
	KEY_PARTITION = 'p',
	KEY_CLIENTS = 'n',
	KEY_RATE = 'r',
	KEY_SECONDS = 't',
	KEY_OUTPUT = 'o',
	KEY_APPENDS = 0x100,
	KEY_TIMEOUT,
	KEY_IDENTITY,
	KEY_FIRST_PROCESS,
};

static const char doc[] =
	"Run clients that append to a log of a running cluster, ask for its length and read pieces "
	"of "
	"it, and write down what they asked and were answered: a history that quorate-check can "
	"judge."
	"\v"
	"Do to the cluster meanwhile what it must withstand. What a client was never answered is "
	"recorded as such; then it carries on. Ends after --seconds, or at SIGINT or SIGTERM, with "
	"the operations under way.\n"
	"\n"
	"Others who append to the same log must be in the history too, or their records are holes "
	"in "
	"it: let them have a log of their own, or record them as well ('quorate append --acks -o "
	"json' tells what is needed). A record stands in the history as its first bytes.\n"
	"\n"
	"Exit codes: 0 done, 1 nothing was answered or the file cannot be written, 2 wrong usage.\n"
	"\n"
	"Example:\n"
	"  quorate-record --endpoints 10.0.0.1:7400,10.0.0.2:7400 --cluster prod --log witness "
	"--seconds 60 --output history.jsonl && quorate-check history.jsonl";

static const struct argp_option table[] = {
	{"endpoints", KEY_ENDPOINTS, "HOST:PORT,...", 0, "Nodes of the cluster, core 0's port", 1},
	{"cluster", KEY_CLUSTER, "NAME", 0, "The cluster's name", 1},
	{"log", KEY_LOG, "NAME", 0, "The log", 1},
	{"partition", KEY_PARTITION, "P", 0, "Its partition (default 0)", 1},
	{"clients", KEY_CLIENTS, "N", 0, "Clients, at most 64 (default 4)", 2},
	{"rate", KEY_RATE, "R", 0, "Operations a second of each client; 0: no bound (default 100)",
	 2},
	{"appends", KEY_APPENDS, "PERCENT", 0,
	 "How many operations are appends; the rest are reads (default 50)", 2},
	{"timeout", KEY_TIMEOUT, "SECONDS", 0, "How long an operation may take (default 5)", 2},
	{"seconds", KEY_SECONDS, "S", 0, "How long to run (default: until a signal)", 2},
	{"output", KEY_OUTPUT, "FILE", 0, "Where the history goes (default: standard output)", 3},
	{"identity", KEY_IDENTITY, "BYTES", 0,
	 "How many of a record's first bytes stand for it, at least 24 (default 24)", 3},
	{"first-process", KEY_FIRST_PROCESS, "N", 0,
	 "Number of the first client in the history and in its records (default 0)", 3},
	{0},
};

static bool stop; /* read by the clients */
static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	(void)number;
	interrupted = 1;
}

static void print_version(FILE *stream, struct argp_state *state)
{
	(void)state;
	(void)fprintf(stream, "quorate-record %s\n", QUORATE_VERSION);
}

/*
 * argp may exit, which clang-tidy counts as unsafe with threads: there is one thread yet.
 * NOLINTBEGIN(concurrency-mt-unsafe)
 */

static double parse_number(const char *text, double least, double most,
			   const struct argp_state *state)
{
	char *end;
	double number = strtod(text, &end);

	if (end == text || *end != '\0' || !(number >= least && number <= most)) {
		argp_error(state, "'%s' is no number from %g to %g", text, least, most);
	}
	return number;
}

static void check_options(const struct record_options *options, const struct argp_state *state)
{
	if (options->endpoints == NULL)
		argp_error(state, "which nodes? give --endpoints HOST:PORT,...");
	if (options->cluster == NULL)
		argp_error(state, "which cluster? give --cluster NAME");
	if (options->log == NULL)
		argp_error(state, "which log? give --log NAME");
}

static error_t parse_load(int key, const char *argument, struct argp_state *state)
{
	struct record_options *options = state->input;

	switch (key) {
	case KEY_CLIENTS:
		options->clients = (unsigned)parse_number(argument, 1, CLIENTS_MAX, state);
		return 0;
	case KEY_RATE:
		options->rate = (unsigned)parse_number(argument, 0, 1000000, state);
		return 0;
	case KEY_APPENDS:
		options->appends = (unsigned)parse_number(argument, 0, 100, state);
		return 0;
	case KEY_TIMEOUT:
		options->timeout_ms = (uint32_t)(1000 * parse_number(argument, 0.01, 3600, state));
		return 0;
	case KEY_SECONDS:
		options->seconds = parse_number(argument, 0.001, 1e6, state);
		return 0;
	case KEY_IDENTITY:
		options->identity_bytes = (size_t)parse_number(argument, 24, 1e6, state);
		return 0;
	case KEY_FIRST_PROCESS:
		options->first_process = (unsigned)parse_number(argument, 0, 1e9, state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct record_options *options = state->input;

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
	case KEY_PARTITION:
		options->partition = (uint32_t)parse_number(argument, 0, UINT32_MAX, state);
		return 0;
	case KEY_OUTPUT:
		options->output = argument;
		return 0;
	case ARGP_KEY_END:
		check_options(options, state);
		return 0;
	default:
		return parse_load(key, argument, state);
	}
}

/* NOLINTEND(concurrency-mt-unsafe) */

/* ---- the run ---- */

static unsigned start_clients(struct record_client *clients, pthread_t *threads,
			      const struct record_options *options, struct record_lines *lines)
{
	for (unsigned i = 0; i < options->clients; i++) {
		uint64_t seed;

		clients[i] = (struct record_client){
			.options = options,
			.stop = &stop,
			.lines = lines,
			.process = options->first_process + i,
		};
		if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
			return i;
		qr_prng_init(&clients[i].prng, seed);
		if (pthread_create(&threads[i], NULL, record_client_run, &clients[i]) != 0)
			return i;
	}
	return options->clients;
}

/** Until the time is over or a signal comes, which was blocked before the threads began. */
static void wait_for_end(double seconds, const struct record_lines *lines)
{
	qr_ns end = seconds > 0 ? record_now() + (qr_ns)(seconds * 1e9) : UINT64_MAX;
	const struct timespec look = {.tv_nsec = 50000000};
	sigset_t none;

	(void)sigemptyset(&none);
	while (interrupted == 0 && record_now() < end && !lines->broken)
		(void)pselect(0, NULL, NULL, NULL, &look, &none);
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
}

static void add(struct record_counts *sum, const struct record_counts *counts)
{
	sum->appends += counts->appends;
	sum->records += counts->records;
	sum->unknown += counts->unknown;
	sum->tails += counts->tails;
	sum->reads += counts->reads;
	sum->failed += counts->failed;
}

static struct record_counts record(const struct record_options *options, struct record_lines *lines)
{
	static struct record_client clients[CLIENTS_MAX];
	pthread_t threads[CLIENTS_MAX];
	struct record_counts sum = {0};
	unsigned started = start_clients(clients, threads, options, lines);

	if (started < options->clients) {
		(void)fprintf(stderr, "quorate-record: only %u clients: use fewer --clients\n",
			      started);
	}
	wait_for_end(options->seconds, lines);
	for (unsigned i = 0; i < started; i++) {
		(void)pthread_join(threads[i], NULL);
		add(&sum, &clients[i].counts);
	}
	return sum;
}

static void catch_signals(void)
{
	struct sigaction action = {.sa_handler = on_signal};
	sigset_t both;

	(void)sigaction(SIGINT, &action, NULL);
	(void)sigaction(SIGTERM, &action, NULL);
	(void)sigemptyset(&both);
	(void)sigaddset(&both, SIGINT);
	(void)sigaddset(&both, SIGTERM);
	(void)pthread_sigmask(SIG_BLOCK, &both, NULL);
}

static int finish(struct record_lines *lines, const struct record_counts *counts)
{
	int error = fflush(lines->out) != 0 ? errno : 0;

	if (error == 0 && lines->broken)
		error = EIO; /* one of the earlier lines was lost, and errno is another call's by
				now */
	if (lines->out != stdout && fclose(lines->out) != 0)
		error = errno;
	(void)fprintf(stderr,
		      "%" PRIu64 " appends of %" PRIu64 " records, %" PRIu64
		      " without an answer; %" PRIu64 " tails, %" PRIu64 " reads, %" PRIu64
		      " failed\n",
		      counts->appends, counts->records, counts->unknown, counts->tails,
		      counts->reads, counts->failed);
	if (error != 0) {
		(void)fprintf(stderr, "quorate-record: the history is not whole: %s\n",
			      strerrordesc_np(error));
		return EXIT_FAILURE;
	}
	if (counts->appends + counts->tails + counts->reads == 0) {
		(void)fprintf(stderr,
			      "quorate-record: nothing was answered: look at the endpoints, "
			      "the names of cluster and log, and 'quorate status'\n");
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	const struct argp argp = {.options = table, .parser = parse, .doc = doc};
	struct record_options options = {
		.clients = 4,
		.rate = 100,
		.appends = 50,
		.timeout_ms = 5000,
		.identity_bytes = 24,
	};
	struct record_lines lines = {.out = stdout, .mutex = PTHREAD_MUTEX_INITIALIZER};
	struct record_counts counts;

	argp_program_version_hook = print_version;
	argp_err_exit_status = EXIT_USAGE;
	/* argp may exit: there is one thread yet. NOLINTNEXTLINE(concurrency-mt-unsafe) */
	if (argp_parse(&argp, argc, argv, 0, NULL, &options) != 0)
		return EXIT_USAGE;
	if (options.output != NULL)
		lines.out = fopen(options.output, "we");
	if (lines.out == NULL) {
		(void)fprintf(stderr, "quorate-record: %s: %s\n", options.output,
			      strerrordesc_np(errno));
		return EXIT_FAILURE;
	}
	(void)setvbuf(lines.out, NULL, _IOFBF, OUTPUT_BYTES);
	catch_signals();
	counts = record(&options, &lines);
	return finish(&lines, &counts);
}
