/*
 * quorate-check: decides whether recorded histories are linearizable. Files are judged one after
 * the other; what is said of each comes at once. The exit code is that of the worst.
 */
#include "tests/check/memory.h"
#include "tests/check/report.h"

#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define READ_BYTES (1u << 20)

enum exit_code { EXIT_LINEARIZABLE, EXIT_VIOLATED, EXIT_MISTAKE, EXIT_UNDECIDED };

enum key { KEY_BUDGET = 0x100, KEY_INITIAL, KEY_FIRST_OFFSET };

static const char doc[] =
	"Decide whether histories of a register or of a log are linearizable: whether every "
	"operation can be given one instant between its call and its answer, so that one object, "
	"operated on in that order, gives the same answers. Without a file, or with '-', standard "
	"input is read."
	"\v"
	"A history has one JSON object a line, in order of time:\n"
	"\n"
	"  {\"process\":1, \"type\":\"invoke\", \"f\":\"append\", \"key\":\"k\", \"value\":\"a\", "
	"\"time\":5}\n"
	"  {\"process\":1, \"type\":\"ok\", \"f\":\"append\", \"key\":\"k\", "
	"\"value\":{\"offset\":0}, "
	"\"time\":9}\n"
	"\n"
	"A process has one operation at a time. It ends with ok; with fail, when it certainly did "
	"not happen; or with info, when nobody knows: then it may take effect at any later time, "
	"or "
	"never, like one that no line ends. Keys, if there are any, are independent objects. The "
	"order of the lines counts; where times go back, the times do. Lines of the process "
	"\"nemesis\" are skipped.\n"
	"\n"
	"register: read ok VALUE (null: unset); write VALUE; cas [EXPECTED,NEW], ok false if it "
	"was "
	"compared and refused.\n"
	"\n"
	"log: append VALUE, or [VALUE,...] at once; ok with the same, null or true, or with the "
	"offset: {\"offset\":N}, [N,VALUE] or N (where VALUE is an integer: if any such answer "
	"differs "
	"from its VALUE, all are offsets). read of the whole log, of all from offset N on with N, "
	"or of "
	"a piece with {\"offset\":N,\"count\":C}; ok with a list of values, or of [offset,value], "
	"which "
	"reaches to the log's end unless it is of a piece; {\"offset\":N,\"values\":[...]} always "
	"is a "
	"piece; \"tail\":T with it or alone is the log's length.\n"
	"\n"
	"Exit codes: 0 all are linearizable, 1 one is not, 2 one is malformed (or the usage is "
	"wrong), "
	"3 one is undecided and the others are linearizable.\n"
	"\n"
	"Examples:\n"
	"  quorate-check history.jsonl\n"
	"  quorate-check --model register --initial 0 runs/*.jsonl\n"
	"  quorate-check -o json <history.jsonl | jq .window";

static const struct argp_option options_table[] = {
	{"model", 'm', "register|log", 0,
	 "what the history is of; default: guessed from its operations", 0},
	{"initial", KEY_INITIAL, "JSON", 0, "what a register holds at first; default null", 0},
	{"first-offset", KEY_FIRST_OFFSET, "N", 0, "offset of a log's first record; default 0", 0},
	{"budget", KEY_BUDGET, "STATES", 0,
	 "how many states a search may visit for each key; default 10000000", 0},
	{"output", 'o', "text|json", 0, "what to print; default text", 0},
	{NULL, 'h', NULL, OPTION_HIDDEN, NULL, -1},
	{0},
};

struct arguments {
	struct check_options options;
	bool json;
	char **files;
	int file_count;
};

static void print_version(FILE *stream, struct argp_state *state)
{
	(void)state;
	(void)fprintf(stream, "quorate-check %s\n", QUORATE_VERSION);
}

/*
 * argp may exit, which clang-tidy counts as unsafe with threads: there is one thread.
 * NOLINTBEGIN(concurrency-mt-unsafe)
 */

static uint64_t parse_number(const char *text, const struct argp_state *state)
{
	char *end;
	unsigned long long number;

	errno = 0;
	number = strtoull(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0)
		argp_error(state, "'%s' is no number: give one from 0", text);
	return number;
}

static void set_model(struct arguments *arguments, const char *word, const struct argp_state *state)
{
	if (strcmp(word, "log") == 0) {
		arguments->options.model = CHECK_MODEL_LOG;
	} else if (strcmp(word, "register") == 0) {
		arguments->options.model = CHECK_MODEL_REGISTER;
	} else {
		argp_error(state, "unknown model '%s': give register or log", word);
	}
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct arguments *arguments = state->input;

	switch (key) {
	case 'm':
		set_model(arguments, argument, state);
		return 0;
	case KEY_INITIAL:
		arguments->options.initial = argument;
		return 0;
	case KEY_FIRST_OFFSET:
		arguments->options.first_offset = parse_number(argument, state);
		return 0;
	case KEY_BUDGET:
		arguments->options.budget = parse_number(argument, state);
		return 0;
	case 'o':
		arguments->json = strcmp(argument, "json") == 0;
		if (!arguments->json && strcmp(argument, "text") != 0)
			argp_error(state, "unknown output '%s': give text or json", argument);
		return 0;
	case 'h':
		argp_state_help(state, stdout, ARGP_HELP_STD_HELP);
		return 0;
	case ARGP_KEY_ARGS:
		arguments->files = state->argv + state->next;
		arguments->file_count = state->argc - state->next;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* NOLINTEND(concurrency-mt-unsafe) */

static double now(void)
{
	struct timespec time;

	(void)clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static bool read_stream(FILE *in, char **ret_text, size_t *ret_size_bytes)
{
	size_t capacity = 0;
	size_t got;

	*ret_text = NULL;
	*ret_size_bytes = 0;
	do {
		*ret_text =
			check_memory_grow(*ret_text, &capacity, *ret_size_bytes + READ_BYTES, 1);
		got = fread(*ret_text + *ret_size_bytes, 1, READ_BYTES, in);
		*ret_size_bytes += got;
	} while (got > 0);
	return ferror(in) == 0;
}

static bool read_file(const char *file, char **ret_text, size_t *ret_size_bytes,
		      struct check_mistake *mistake)
{
	bool standard = strcmp(file, "-") == 0;
	FILE *in = standard ? stdin : fopen(file, "rb");
	bool whole = in != NULL && read_stream(in, ret_text, ret_size_bytes);
	int error = errno;

	if (in != NULL && !standard)
		(void)fclose(in);
	return whole || check_mistake_say(mistake, 0, "%s: give a file that can be read",
					  strerrordesc_np(error));
}

static enum exit_code tell(const struct arguments *arguments, const struct check_report *report)
{
	static const enum exit_code codes[] = {
		[CHECK_LINEARIZABLE] = EXIT_LINEARIZABLE,
		[CHECK_VIOLATED] = EXIT_VIOLATED,
		[CHECK_UNDECIDED] = EXIT_UNDECIDED,
	};

	if (arguments->json) {
		check_report_json(stdout, report);
	} else {
		check_report_text(stdout, report);
	}
	return codes[report->judgement->verdict];
}

static enum exit_code judge_file(const struct arguments *arguments, const char *file)
{
	struct check_history history = {0};
	struct check_judgement judgement;
	struct check_mistake mistake;
	enum exit_code code = EXIT_MISTAKE;
	char *text = NULL;
	size_t size_bytes = 0;
	double start = now();

	if (read_file(file, &text, &size_bytes, &mistake) &&
	    check_history_read(&history, text, size_bytes, &mistake) &&
	    check_judge(&history, &arguments->options, &judgement, &mistake)) {
		code = tell(arguments, &(struct check_report){.file = file,
							      .history = &history,
							      .judgement = &judgement,
							      .seconds = now() - start});
	} else if (arguments->json) {
		check_report_mistake_json(stdout, file, &mistake);
	} else {
		check_report_mistake_text(stderr, file, &mistake);
	}
	(void)fflush(stdout);
	check_history_fini(&history);
	free(text);
	return code;
}

/** Malformed is worse than violated is worse than undecided is worse than linearizable. */
static enum exit_code worst(enum exit_code left, enum exit_code right)
{
	static const int badness[] = {
		[EXIT_LINEARIZABLE] = 0,
		[EXIT_UNDECIDED] = 1,
		[EXIT_VIOLATED] = 2,
		[EXIT_MISTAKE] = 3,
	};

	return badness[left] > badness[right] ? left : right;
}

int main(int argc, char **argv)
{
	const struct argp argp = {
		.options = options_table, .parser = parse, .args_doc = "[FILE...]", .doc = doc};
	struct arguments arguments = {.options = {.budget = CHECK_BUDGET}};
	enum exit_code code = EXIT_LINEARIZABLE;

	argp_program_version_hook = print_version;
	argp_err_exit_status = EXIT_MISTAKE;
	/* argp may exit: there is one thread. NOLINTNEXTLINE(concurrency-mt-unsafe) */
	if (argp_parse(&argp, argc, argv, 0, NULL, &arguments) != 0)
		return EXIT_MISTAKE;
	if (arguments.file_count == 0)
		return (int)judge_file(&arguments, "-");
	for (int i = 0; i < arguments.file_count; i++)
		code = worst(code, judge_file(&arguments, arguments.files[i]));
	return (int)code;
}
