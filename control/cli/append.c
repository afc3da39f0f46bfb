/*
 * `quorate append LOG`: each line of a file or of standard input becomes a record.
 *
 * The loop reads, cuts and appends as far as the window goes, then waits for whatever comes first:
 * answers, more input, a signal. Nothing is held back to fill a batch, so a slow input is appended
 * line by line. What was acknowledged is counted from the answers alone; at the end, whichever way
 * it comes, everything in flight is waited for, with a bound, before anything is said.
 */
#include "consensus/base/histogram.h"
#include "control/cli/acks.h"
#include "control/cli/channel.h"
#include "control/cli/clock.h"
#include "control/cli/command.h"
#include "control/cli/interrupt.h"
#include "control/cli/lines.h"
#include "control/cli/progress.h"
#include "control/cli/units.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECOND 1000000000ull
#define REDRAW (SECOND / 10)

static const char doc[] =
	"Append lines of a file, or of standard input, to a log: each line is a record."
	"\v"
	"A line is any bytes up to a newline, which is not kept; 'read' ends each record with one "
	"again. With --raw the newline stays in the record, and 'read --raw' adds none: whatever "
	"went in comes out byte by byte, also when the last line has no newline. With --null "
	"records end with NUL, so that they may hold newlines.\n"
	"\n"
	"A line beyond the record limit ends the command with an error that names it; all lines "
	"before it are in the log.\n"
	"\n"
	"With --acks standard output gets a line for every acknowledgement, in the order of the "
	"input: the offset of the first record and how many there are, these consecutive and "
	"durable at once. With -o json it is an object that says besides when they were sent and "
	"when the answer came, in ns of the monotonic clock; the summary is the last line.\n"
	"\n"
	"Examples:\n"
	"  quorate append events --file /var/log/syslog\n"
	"  journalctl -f | quorate append journal\n"
	"  quorate append backup --raw <dump.bin && quorate read backup --raw >copy.bin";

enum { KEY_RAW = 0x2000, KEY_ACKS };

static const struct argp_option options_table[] = {
	{"partition", 'p', "P", 0, "partition to append to, when the log has several", 0},
	{"file", 'f', "FILE", 0, "read FILE instead of standard input", 0},
	{"window", 'w', "N", 0, "records unacknowledged at most; default: as many as fit", 0},
	{"null", '0', NULL, 0, "records end with NUL instead of a newline", 0},
	{"acks", KEY_ACKS, NULL, 0, "print offset and count of what is acknowledged, as it comes",
	 0},
	{"raw", KEY_RAW, NULL, 0, "keep each record's newline (or NUL) in the record", 0},
	{0},
};

struct arguments {
	struct ctl_options *options;
	struct ctl_channel_name name;
	const char *file;
	uint64_t window;
	bool null;
	bool raw;
	bool acks;
};

struct append {
	const struct arguments *arguments;
	struct ctl_channel *channel;
	struct ctl_lines lines;
	struct ctl_progress progress;
	struct ctl_acks acks;
	int input;
	bool end_of_input;
	bool stopping; /* nothing more is sent */
	bool failed;
	bool has_held; /* cut, but the window was full */
	struct qr_span held;
	qr_ns started;
	qr_ns heard; /* the last answer */
	uint64_t sent;
	uint64_t sent_bytes;
	uint64_t acked;
	qr_offset first;
	qr_offset last;
	qr_ns longest_gap; /* between answers while something was unanswered */
	uint64_t sampled;  /* the record whose latency is taken next; 0: choose one */
	qr_ns sampled_at;
	struct qr_histogram latency; /* of samples, one record at a time */
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct arguments *arguments = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = arguments->options;
		return 0;
	case 'p':
		if (ctl_units_parse_u64(argument, UINT32_MAX, &arguments->name.partition) !=
		    QR_OK) {
			ctl_options_refuse(state, "'%s' is no partition: give a number from 0",
					   argument);
		}
		return 0;
	case 'f':
		arguments->file = argument;
		return 0;
	case 'w':
		if (ctl_units_parse_u64(argument, 1u << 30, &arguments->window) != QR_OK ||
		    arguments->window == 0) {
			ctl_options_refuse(state,
					   "'%s' is no window: give a number of records from 1",
					   argument);
		}
		return 0;
	case '0':
		arguments->null = true;
		return 0;
	case KEY_RAW:
		arguments->raw = true;
		return 0;
	case KEY_ACKS:
		arguments->acks = true;
		return 0;
	case ARGP_KEY_ARG:
		if (arguments->name.log != NULL)
			return ARGP_ERR_UNKNOWN;
		arguments->name.log = argument;
		return 0;
	case ARGP_KEY_END:
		if (arguments->name.log == NULL)
			ctl_options_refuse(state, "which log? 'quorate log list' names them");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {.options = options_table,
				 .parser = parse,
				 .args_doc = "LOG",
				 .doc = doc,
				 .children = ctl_options_children};

static void on_done(void *context, uint64_t count, qr_offset offset, enum qr_error error)
{
	struct append *append = context;
	qr_ns now = ctl_clock_now();

	if (now - append->heard > append->longest_gap)
		append->longest_gap = now - append->heard;
	append->heard = now;
	if (error != QR_OK || count == 0)
		return; /* the channel has it, and tells */
	if (append->arguments->acks)
		ctl_acks_done(&append->acks, count, offset, now);
	if (append->acked == 0)
		append->first = offset;
	append->acked += count;
	append->last = offset + count - 1;
	if (append->sampled != 0 && append->acked >= append->sampled) {
		qr_histogram_record(&append->latency, now - append->sampled_at);
		append->sampled = 0;
	}
}

/* Silence counts from here on when nothing was in flight; and time one record at a time. */
static void note_sent(struct append *append)
{
	if (append->sent == append->acked)
		append->heard = ctl_clock_now();
	append->sent++;
	if (append->sampled == 0) {
		append->sampled = append->sent;
		append->sampled_at = ctl_clock_now();
	}
}

static void complain_of_line(struct append *append)
{
	append->failed = true;
	append->stopping = true;
	ctl_complain("line %llu is larger than a record can be (at most %zu bytes): split it, or "
		     "raise '[storage] record_max'; nothing from it on was sent",
		     (unsigned long long)append->lines.count + (append->has_held ? 0 : 1),
		     ctl_channel_record_max(append->channel));
}

/* Append what was cut. Returns false when the window is full or all is over. */
static bool send_held(struct append *append)
{
	qr_ns now = append->arguments->acks ? ctl_clock_now() : 0;
	enum qr_error error = ctl_channel_append(append->channel, append->held);

	if (error == QR_OK) {
		append->has_held = false;
		if (append->arguments->acks)
			ctl_acks_sent(&append->acks, now);
		note_sent(append);
		append->sent_bytes += append->held.size_bytes;
		return true;
	}
	if (error == QR_TOO_LARGE) {
		complain_of_line(append);
	} else if (error != QR_AGAIN) {
		append->stopping = true; /* the channel has it, and tells */
	}
	return false;
}

/* Cut and append as far as the input and the window go. Returns true if it wants more input. */
static bool feed(struct append *append)
{
	while (!append->stopping) {
		enum qr_error error;

		if (append->has_held && !send_held(append))
			return false;
		error = ctl_lines_next(&append->lines, &append->held);
		append->has_held = error == QR_OK;
		if (error == QR_TOO_LARGE) {
			complain_of_line(append);
		} else if (error == QR_AGAIN) {
			append->stopping |= append->lines.finished;
			return !append->lines.finished;
		}
	}
	return false;
}

static void read_input(struct append *append)
{
	size_t room;
	uint8_t *into = ctl_lines_room(&append->lines, &room);
	ssize_t got = read(append->input, into, room);

	if (got > 0) {
		ctl_lines_fill(&append->lines, (size_t)got);
	} else if (got == 0) {
		append->end_of_input = true;
		ctl_lines_finish(&append->lines);
	} else if (errno != EINTR && errno != EAGAIN) {
		ctl_complain("%s: %s",
			     append->arguments->file != NULL ? append->arguments->file
							     : "standard input",
			     strerrordesc_np(errno));
		append->failed = true;
		append->stopping = true;
	}
}

/* Wait for answers, and for input if it is wanted; a signal ends the wait through an answer's turn.
 */
static void wait_for_more(struct append *append, bool wants_input)
{
	struct pollfd more = {.fd = wants_input ? append->input : ctl_interrupt_fd(),
			      .events = POLLIN};

	ctl_channel_turn(append->channel, &more, ctl_clock_now() + REDRAW);
	if (append->arguments->acks && !append->failed && !ctl_acks_flush()) {
		ctl_complain("standard output: %s: nothing after line %llu was sent",
			     strerrordesc_np(errno), (unsigned long long)append->sent);
		append->stopping = append->failed = true;
	}
	if (wants_input && more.revents != 0)
		read_input(append);
	ctl_progress_update(&append->progress, append->acked, append->sent_bytes, ctl_clock_now());
}

static void run(struct append *append)
{
	while (!append->stopping && ctl_channel_error(append->channel) == QR_OK) {
		bool wants_input = feed(append);

		if (ctl_interrupt_is_wanted()) {
			append->stopping = true;
			append->failed = true;
		}
		if (!append->stopping)
			wait_for_more(append, wants_input);
	}
	while (ctl_channel_pending(append->channel) != 0 &&
	       ctl_channel_error(append->channel) == QR_OK)
		wait_for_more(append, false);
}

static void print_summary(const struct append *append)
{
	double seconds = (double)(ctl_clock_now() - append->started) / (double)SECOND;
	uint64_t unknown = append->sent - append->acked;

	if (append->arguments->options->json) {
		printf("{\"log\": \"%s\", \"records\": %llu, \"bytes\": %llu, "
		       "\"unacknowledged\": %llu, ",
		       append->arguments->name.log, (unsigned long long)append->acked,
		       (unsigned long long)append->sent_bytes, (unsigned long long)unknown);
		if (append->acked > 0) {
			printf("\"first_offset\": %llu, \"last_offset\": %llu, ",
			       (unsigned long long)append->first, (unsigned long long)append->last);
		}
		printf("\"longest_gap_us\": %.1f, \"latency_us\": {\"p50\": %.1f, \"p99\": %.1f}, ",
		       (double)append->longest_gap / 1000,
		       (double)qr_histogram_quantile(&append->latency, 0.5) / 1000,
		       (double)qr_histogram_quantile(&append->latency, 0.99) / 1000);
		printf("\"seconds\": %.6f}\n", seconds);
		return;
	}
	fprintf(stderr, "%s records acknowledged", ctl_units_count(append->acked).text);
	if (append->acked > 0) {
		fprintf(stderr, ", offsets %llu to %llu", (unsigned long long)append->first,
			(unsigned long long)append->last);
	}
	fprintf(stderr, ", %s in %.2f s", ctl_units_bytes((double)append->sent_bytes).text,
		seconds);
	if (seconds > 0.001 && append->acked > 0) {
		fprintf(stderr, ": %s records/s, %s/s",
			ctl_units_count((uint64_t)((double)append->acked / seconds)).text,
			ctl_units_bytes((double)append->sent_bytes / seconds).text);
	}
	fputc('\n', stderr);
	if (append->lines.cut && !append->arguments->raw) {
		fputs("note: the last line has no newline; 'read' will end it with one "
		      "(--raw on both sides gives back the very bytes)\n",
		      stderr);
	}
}

static enum ctl_exit finish(struct append *append)
{
	enum qr_error error = ctl_channel_error(append->channel);
	uint64_t unknown = append->sent - append->acked;

	ctl_progress_fini(&append->progress);
	if (error != QR_OK) {
		ctl_channel_complain(append->channel, error);
	} else if (ctl_interrupt_is_wanted()) {
		ctl_complain("interrupted: nothing after line %llu was sent",
			     (unsigned long long)append->sent);
	}
	print_summary(append);
	if (unknown != 0) {
		ctl_complain("%s records were sent and not acknowledged: they may or may not be in "
			     "the log ('quorate read %s --from %llu' shows)",
			     ctl_units_count(unknown).text, append->arguments->name.log,
			     (unsigned long long)(append->acked > 0 ? append->last + 1 : 0));
	}
	return error == QR_OK && !append->failed && unknown == 0 ? CTL_EXIT_OK : CTL_EXIT_FAILED;
}

static enum ctl_exit open_input(struct append *append)
{
	const char *file = append->arguments->file;
	struct stat info = {0};
	uint64_t total = 0;

	append->input = file != NULL ? open(file, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
	if (append->input < 0 || fstat(append->input, &info) != 0) {
		ctl_complain("%s: %s", file != NULL ? file : "standard input",
			     strerrordesc_np(errno));
		return CTL_EXIT_FAILED;
	}
	if (S_ISDIR(info.st_mode)) {
		ctl_complain("%s: is a directory: give a file",
			     file != NULL ? file : "standard input");
		return CTL_EXIT_FAILED;
	}
	if (S_ISREG(info.st_mode))
		total = (uint64_t)info.st_size;
	append->started = append->heard = ctl_clock_now();
	ctl_progress_init(&append->progress, stderr, "append", total, append->started);
	return CTL_EXIT_OK;
}

static enum ctl_exit append_all(struct append *append, const struct ctl_target *target)
{
	const struct arguments *arguments = append->arguments;
	struct ctl_channel_events events = {.on_done = on_done, .context = append};
	enum ctl_exit result;

	result = ctl_channel_open(target, &arguments->name,
				  ctl_options_timeout(arguments->options, CTL_CHANNEL_TIMEOUT),
				  &events, &append->channel);
	if (result == CTL_EXIT_OK)
		result = ctl_channel_produce(append->channel, arguments->window);
	if (result != CTL_EXIT_OK)
		return result;
	ctl_lines_init(&append->lines, ctl_channel_record_max(append->channel),
		       arguments->null ? '\0' : '\n', arguments->raw);
	append->acks.json = arguments->options->json;
	ctl_interrupt_catch();
	run(append);
	result = finish(append);
	ctl_lines_fini(&append->lines);
	return result;
}

enum ctl_exit ctl_append_run(int argc, char **argv, struct ctl_options *options)
{
	struct arguments arguments = {
		.options = options,
		.name = {.partition = CTL_PARTITION_UNSET},
	};
	struct append append = {.arguments = &arguments};
	struct ctl_target target;
	enum ctl_exit result;

	if (!ctl_options_parse(&argp, argc, argv, &arguments))
		return CTL_EXIT_USAGE;
	result = ctl_target_init(&target, options);
	if (result != CTL_EXIT_OK)
		return result;
	result = open_input(&append);
	if (result == CTL_EXIT_OK)
		result = append_all(&append, &target);
	ctl_channel_close(append.channel);
	ctl_acks_fini(&append.acks);
	if (append.input > STDIN_FILENO)
		(void)close(append.input);
	ctl_target_fini(&target);
	return result;
}
