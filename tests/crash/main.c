/*
 * quorate-crash: record what a real cluster does to its disks, and cut the power everywhere.
 */
#include "consensus/base/assert.h"
#include "tests/crash/check.h"
#include "tests/crash/story.h"

#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define OPTION_ROUNDS 'r'
#define OPTION_BYTES 'b'
#define OPTION_DIR 'd'
#define OPTION_IMAGES 'n'
#define OPTION_SEED 's'
#define OPTION_JOBS 'j'
#define OPTION_AT 'a'
#define JOBS_LIMIT 64
#define SHOW_BEFORE 50 /* events in front of the place asked for */

static const char doc[] =
	"Record a real cluster's disks, and recover them from power cuts anywhere.\v"
	"Commands:\n"
	"  record TAPE   run rounds of three nodes on real files, with io_uring and in real "
	"time\n"
	"  check TAPE    make images of the disks all along the tape, and recover each\n"
	"  show TAPE     print the events, or those up to --at\n"
	"\n"
	"Exit status: 0 nothing lost and nothing invented, 1 a finding or a failure, 2 wrong "
	"usage.";

static const struct argp_option options_known[] = {
	{"rounds", OPTION_ROUNDS, "N", 0, "record: clusters, one after the other (8)", 0},
	{"bytes", OPTION_BYTES, "N", 0, "record: of records, per log (300000)", 0},
	{"dir", OPTION_DIR, "PATH", 0, "where nodes' directories are made (beside TAPE)", 0},
	{"images", OPTION_IMAGES, "N", 0, "check: power cuts of the whole cluster (100000)", 0},
	{"seed", OPTION_SEED, "N", 0, "of what is drawn (1)", 0},
	{"jobs", OPTION_JOBS, "N", 0, "check: processes (the number of CPUs)", 0},
	{"at", OPTION_AT, "P[:K]", 0, "only (image K) behind event P of the tape", 0},
	{0},
};

struct arguments {
	const char *command;
	const char *tape;
	const char *dir;
	uint64_t rounds;
	uint64_t bytes;
	struct check_options check;
};

/* NOLINTBEGIN(concurrency-mt-unsafe): argp may exit; there is one thread */

static uint64_t parse_number(const char *text, char **ret_end, struct argp_state *state)
{
	char *end = NULL;
	unsigned long long value;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno != 0 || end == text || *text == '-' || (ret_end == NULL && *end != '\0'))
		argp_error(state, "'%s' is not a number", text);
	if (ret_end != NULL)
		*ret_end = end;
	return value;
}

static void parse_place(struct arguments *arguments, const char *text, struct argp_state *state)
{
	char *end = NULL;

	arguments->check.position = parse_number(text, &end, state);
	if (*end == ':') {
		arguments->check.number = parse_number(end + 1, NULL, state);
	} else if (*end != '\0') {
		argp_error(state, "'%s' is no place on a tape", text);
	}
}

static void take_word(struct arguments *arguments, const char *word, struct argp_state *state)
{
	if (arguments->command == NULL) {
		arguments->command = word;
	} else if (arguments->tape == NULL) {
		arguments->tape = word;
	} else {
		argp_error(state, "one tape at a time");
	}
}

static error_t parse_option(int key, char *text, struct argp_state *state)
{
	struct arguments *arguments = state->input;

	switch (key) {
	case OPTION_ROUNDS:
		arguments->rounds = parse_number(text, NULL, state);
		return 0;
	case OPTION_BYTES:
		arguments->bytes = parse_number(text, NULL, state);
		return 0;
	case OPTION_DIR:
		arguments->dir = text;
		return 0;
	case OPTION_IMAGES:
		arguments->check.images = parse_number(text, NULL, state);
		return 0;
	case OPTION_SEED:
		arguments->check.seed = parse_number(text, NULL, state);
		return 0;
	case OPTION_JOBS:
		arguments->check.jobs = (uint32_t)parse_number(text, NULL, state);
		if (arguments->check.jobs < 1 || arguments->check.jobs > JOBS_LIMIT)
			argp_error(state, "1 to %d jobs", JOBS_LIMIT);
		return 0;
	case OPTION_AT:
		parse_place(arguments, text, state);
		return 0;
	case ARGP_KEY_ARG:
		take_word(arguments, text, state);
		return 0;
	case ARGP_KEY_END:
		if (arguments->tape == NULL)
			argp_error(state, "which command, and which tape?");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* NOLINTEND(concurrency-mt-unsafe) */

static double seconds_since(const struct timespec *start)
{
	struct timespec now = {0};

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - start->tv_sec) + (double)(now.tv_nsec - start->tv_nsec) / 1e9;
}

static int complain(const char *what, const char *why)
{
	(void)fprintf(stderr, "quorate-crash: %s: %s\n", what, why);
	return 1;
}

/* ---- record ---- */

/* What is being recorded: when an assertion ends the process, the tape up to there shows why. */
static struct tape tape_now;
static const char *tape_path;

static void keep_tape(const char *expression, const char *file, int line)
{
	bool saved = tape_save(&tape_now, tape_path);

	(void)fprintf(stderr, "quorate-crash: %s:%d: assertion failed: %s%s%s\n", file, line,
		      expression, saved ? "; recorded up to there: " : "", saved ? tape_path : "");
}

static int record(const struct arguments *arguments)
{
	struct story_outcome sum = {0};
	struct story_options story = {.path = arguments->dir, .bytes_per_group = arguments->bytes};
	struct timespec start = {0};
	int status = 0;

	(void)clock_gettime(CLOCK_MONOTONIC, &start);
	tape_init(&tape_now);
	tape_path = arguments->tape;
	qr_assert_set_hook(keep_tape);
	for (uint64_t round = 0; round < arguments->rounds && status == 0; round++) {
		struct story_outcome outcome;

		story.seed = arguments->check.seed * 1000003 + round;
		if (!story_record(&tape_now, &story, &outcome))
			status = complain("recording", outcome.problem);
		sum.records += outcome.records;
		sum.operations += outcome.operations;
		sum.cuts += outcome.cuts;
		sum.kills += outcome.kills;
		sum.isolations += outcome.isolations;
	}
	qr_assert_set_hook(NULL);
	if (!tape_save(&tape_now, arguments->tape))
		status = complain(arguments->tape, strerrordesc_np(errno));
	printf("%" PRIu64 " rounds, %" PRIu64 " events, %" PRIu64 " disk operations, %" PRIu64
	       " records answered; %u power cuts, %u kills, %u leaders cut off; %.1f s\n",
	       arguments->rounds, tape_now.count, sum.operations, sum.records, sum.cuts, sum.kills,
	       sum.isolations, seconds_since(&start));
	tape_fini(&tape_now);
	return status;
}

/* ---- check ---- */

static void print_failure(const struct arguments *arguments, const struct check_failure *failure)
{
	const struct check_options *check = &arguments->check;

	printf("event %" PRIu64, failure->position);
	if (failure->number == CHECK_ALL) {
		printf(" of the tape: %s\n", failure->text);
		return;
	}
	printf(", image %" PRIu64 ": %s\n", failure->number, failure->text);
	printf("again: quorate-crash check %s --images %" PRIu64 " --seed %" PRIu64 " --at %" PRIu64
	       ":%" PRIu64 "\n",
	       arguments->tape, check->images, check->seed, failure->position, failure->number);
}

static int check(const struct arguments *arguments)
{
	struct check_outcome outcome;
	const struct judge_counts *counts = &outcome.counts;
	struct timespec start = {0};
	const char *problem = NULL;
	struct tape tape;
	double seconds;

	if (!tape_load(&tape, arguments->tape, &problem)) {
		tape_fini(&tape);
		return complain(arguments->tape, problem);
	}
	(void)clock_gettime(CLOCK_MONOTONIC, &start);
	check_tape(&tape, &arguments->check, &outcome);
	seconds = seconds_since(&start);
	tape_fini(&tape);
	if (outcome.failed)
		print_failure(arguments, &outcome.failure);
	printf("%" PRIu64 " rounds, %" PRIu64 " events, %" PRIu64 " records answered, %" PRIu64
	       " snapshots\n",
	       outcome.rounds, outcome.events, outcome.answered, outcome.snapshots);
	printf("%" PRIu64 " times a log began later, %" PRIu64
	       " times a peer's snapshot took its place\n",
	       outcome.trims, outcome.installs);
	printf("%" PRIu64 " images: %" PRIu64 " disks recovered (%" PRIu64
	       " were cut again, %" PRIu64 " as real directories), %" PRIu64 " logs, %" PRIu64
	       " of them from a snapshot\n%" PRIu64 " logs had lost their first segments, %" PRIu64
	       " were being exchanged\n",
	       counts->images, counts->disks, counts->again, counts->folders, counts->logs,
	       counts->restored, counts->trimmed, counts->exchanged);
	printf("%" PRIu64 " entries compared, answered records looked for %" PRIu64 " times\n",
	       counts->entries, counts->promises);
	printf("%.1f s, %.0f images/s; %s\n", seconds, (double)counts->images / seconds,
	       outcome.failed ? "FAILED" : "0 lost, 0 invented");
	return outcome.failed ? 1 : 0;
}

/** The same with a folder for real directories, which goes again if it is empty. */
static int check_in(struct arguments *arguments)
{
	int status;

	if (mkdir(arguments->dir, 0750) != 0 && errno != EEXIST)
		return complain(arguments->dir, strerrordesc_np(errno));
	arguments->check.folder = arguments->dir;
	status = check(arguments);
	(void)rmdir(arguments->dir);
	return status;
}

/* ---- show ---- */

static int show(const struct arguments *arguments)
{
	uint64_t at = arguments->check.position;
	const char *problem = NULL;
	char text[TAPE_TEXT_BYTES];
	struct tape tape;

	if (!tape_load(&tape, arguments->tape, &problem)) {
		tape_fini(&tape);
		return complain(arguments->tape, problem);
	}
	for (uint64_t p = at != CHECK_ALL && at >= SHOW_BEFORE ? at - SHOW_BEFORE : 0;
	     p < tape.count && (at == CHECK_ALL || p <= at); p++) {
		tape_describe(&tape.events[p], text, sizeof(text));
		printf("%" PRIu64 " %s\n", p, text);
	}
	tape_fini(&tape);
	return 0;
}

int main(int argc, char **argv)
{
	const struct argp parser = {options_known, parse_option, "COMMAND TAPE", doc, NULL,
				    NULL,	   NULL};
	struct arguments arguments = {
		.rounds = 8,
		.bytes = 300000,
		.check = {.images = 100000, .seed = 1, .position = CHECK_ALL, .number = CHECK_ALL},
	};
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	char beside[4096];

	arguments.check.jobs = cpus < 1 ? 1 : (uint32_t)(cpus > JOBS_LIMIT ? JOBS_LIMIT : cpus);
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread */
	if (argp_parse(&parser, argc, argv, 0, NULL, &arguments) != 0)
		return 2;
	if (arguments.dir == NULL) {
		(void)snprintf(beside, sizeof(beside), "%s.nodes", arguments.tape);
		arguments.dir = beside;
	}
	if (strcmp(arguments.command, "record") == 0)
		return record(&arguments);
	if (strcmp(arguments.command, "show") == 0)
		return show(&arguments);
	if (strcmp(arguments.command, "check") == 0)
		return check_in(&arguments);
	(void)fprintf(stderr, "quorate-crash: no command '%s': record, check or show\n",
		      arguments.command);
	return 2;
}
