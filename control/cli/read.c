/*
 * `quorate read LOG`: records to standard output, in order.
 *
 * Records are gathered in one buffer, which is written whenever it is full and at the end of every
 * turn, so that --follow shows a record as soon as it is committed. A reader of ours that goes away
 * (`| head`) ends the command quietly: it has what it wanted.
 *
 * Retention may take the first records away between the answer where the log begins and the first
 * request for them. Whoever asked for the start means whatever it is; whoever named an offset is
 * told that it is gone.
 */
#include "control/cli/base64.h"
#include "control/cli/channel.h"
#include "control/cli/clock.h"
#include "control/cli/command.h"
#include "control/cli/heap.h"
#include "control/cli/interrupt.h"
#include "control/cli/units.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUFFER_BYTES (1u << 20)
#define TURN 100000000ull

static const char doc[] =
	"Print records of a log, one a line."
	"\v"
	"Stops at the end that the log has when it begins, or goes on with --follow. A record may "
	"hold newlines: --null ends records with NUL instead, --raw adds nothing at all (the "
	"counterpart of 'append --raw'), and -o json gives one object a record, with \"data\" "
	"where it is UTF-8 text and \"base64\" where it is not.\n"
	"\n"
	"Examples:\n"
	"  quorate read events --from 1000 --count 10 --offsets\n"
	"  quorate read events --from end --follow -o json\n"
	"  quorate read backup --raw >copy.bin";

enum { KEY_FROM = 0x2000, KEY_OFFSETS, KEY_RAW };

static const struct argp_option options_table[] = {
	{"partition", 'p', "P", 0, "partition to read, when the log has several", 0},
	{"from", KEY_FROM, "OFFSET|start|end", 0,
	 "where to begin; default start, the first record kept", 0},
	{"follow", 'f', NULL, 0, "wait for new records, until interrupted", 0},
	{"count", 'n', "N", 0, "stop after N records", 0},
	{"offsets", KEY_OFFSETS, NULL, 0, "put the offset and a tab in front of each record", 0},
	{"null", '0', NULL, 0, "end records with NUL instead of a newline", 0},
	{"raw", KEY_RAW, NULL, 0, "the records' bytes and nothing else", 0},
	{0},
};

enum from { FROM_START, FROM_END, FROM_OFFSET };

struct arguments {
	struct ctl_options *options;
	struct ctl_channel_name name;
	enum from from;
	qr_offset offset;
	uint64_t count; /* UINT64_MAX: no bound */
	bool follow;
	bool offsets;
	bool null;
	bool raw;
};

struct output {
	const struct arguments *arguments;
	uint8_t *buffer;
	size_t used_bytes;
	uint64_t count;
	bool closed; /* nobody reads any more, or it failed */
	bool failed;
};

static void set_from(struct arguments *arguments, const char *word, struct argp_state *state)
{
	arguments->from = FROM_OFFSET;
	if (strcmp(word, "start") == 0) {
		arguments->from = FROM_START;
	} else if (strcmp(word, "end") == 0) {
		arguments->from = FROM_END;
	} else if (ctl_units_parse_u64(word, UINT64_MAX - 1, &arguments->offset) != QR_OK) {
		ctl_options_refuse(
			state, "'%s' is no offset: give a number from 0, 'start' or 'end'", word);
	}
}

static void set_name(struct arguments *arguments, char *log, struct argp_state *state)
{
	if (arguments->name.log != NULL)
		ctl_options_refuse(state, "one log at a time: '%s' is too many", log);
	arguments->name.log = log;
}

static void check(const struct arguments *arguments, struct argp_state *state)
{
	if (arguments->name.log == NULL)
		ctl_options_refuse(state, "which log? 'quorate log list' names them");
	if (arguments->raw && (arguments->null || arguments->offsets || arguments->options->json)) {
		ctl_options_refuse(state,
				   "--raw adds nothing: leave out --null, --offsets and -o json");
	}
}

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
	case KEY_FROM:
		set_from(arguments, argument, state);
		return 0;
	case 'f':
		arguments->follow = true;
		return 0;
	case 'n':
		if (ctl_units_parse_u64(argument, UINT64_MAX - 1, &arguments->count) != QR_OK) {
			ctl_options_refuse(state, "'%s' is no count: give a number of records",
					   argument);
		}
		return 0;
	case KEY_OFFSETS:
		arguments->offsets = true;
		return 0;
	case '0':
		arguments->null = true;
		return 0;
	case KEY_RAW:
		arguments->raw = true;
		return 0;
	case ARGP_KEY_ARG:
		set_name(arguments, argument, state);
		return 0;
	case ARGP_KEY_END:
		check(arguments, state);
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

static void write_out(struct output *output, const uint8_t *data, size_t size_bytes)
{
	while (size_bytes > 0 && !output->closed) {
		ssize_t written = write(STDOUT_FILENO, data, size_bytes);

		if (written >= 0) {
			data += written;
			size_bytes -= (size_t)written;
		} else if (errno == EPIPE) {
			output->closed = true;
		} else if (errno != EINTR) {
			ctl_complain("standard output: %s", strerrordesc_np(errno));
			output->closed = output->failed = true;
		}
	}
}

static void flush(struct output *output)
{
	write_out(output, output->buffer, output->used_bytes);
	output->used_bytes = 0;
}

static void put(struct output *output, const void *data, size_t size_bytes)
{
	if (size_bytes > BUFFER_BYTES - output->used_bytes)
		flush(output);
	if (size_bytes > BUFFER_BYTES) {
		write_out(output, data, size_bytes);
	} else if (size_bytes > 0) {
		memcpy(output->buffer + output->used_bytes, data, size_bytes);
		output->used_bytes += size_bytes;
	}
}

static void put_json(struct output *output, qr_offset offset, struct qr_span record)
{
	json_t *data = json_stringn((const char *)record.data, record.size_bytes);
	const char *key = data != NULL ? "data" : "base64";
	json_t *object;
	char *text;

	if (data == NULL) { /* not UTF-8 */
		text = ctl_base64(record);
		data = json_string(text);
		free(text);
	}
	object = json_pack("{s:I, s:o}", "offset", (json_int_t)offset, key, data);
	text = json_dumps(object, JSON_COMPACT);
	if (text != NULL)
		put(output, text, strlen(text));
	put(output, "\n", 1);
	free(text);
	json_decref(object);
}

static void put_plain(struct output *output, qr_offset offset, struct qr_span record)
{
	char prefix[32];

	if (output->arguments->offsets) {
		put(output, prefix,
		    (size_t)snprintf(prefix, sizeof(prefix), "%llu\t", (unsigned long long)offset));
	}
	put(output, record.data, record.size_bytes);
	if (!output->arguments->raw)
		put(output, output->arguments->null ? "\0" : "\n", 1);
}

static void on_record(void *context, qr_offset offset, struct qr_span record)
{
	struct output *output = context;

	if (output->closed || output->count == output->arguments->count)
		return;
	output->count++;
	if (output->arguments->options->json) {
		put_json(output, offset, record);
	} else {
		put_plain(output, offset, record);
	}
}

/* What to read: from the first record to the end that the log had, or for ever. */
struct range {
	qr_offset from;
	qr_offset end; /* UINT64_MAX: --follow */
};

/* The range to read, by the log's start and end. */
static enum ctl_exit find_range(struct ctl_channel *channel, const struct arguments *arguments,
				struct range *ret_range)
{
	qr_offset start;
	qr_offset end;
	qr_offset from;
	enum ctl_exit result = ctl_channel_tail(channel, &start, &end);

	if (result != CTL_EXIT_OK)
		return result;
	from = arguments->from == FROM_START ? start
	       : arguments->from == FROM_END ? end
					     : arguments->offset;
	if (from < start) {
		ctl_channel_complain_of_start(channel, from, start);
		return CTL_EXIT_FAILED;
	}
	if (from > end) {
		ctl_complain("offset %llu is outside the log: it holds %llu to %llu; give --from "
			     "start or --from end",
			     (unsigned long long)from, (unsigned long long)start,
			     (unsigned long long)end - (end > start));
		return CTL_EXIT_FAILED;
	}
	*ret_range = (struct range){.from = from, .end = arguments->follow ? UINT64_MAX : end};
	return CTL_EXIT_OK;
}

/* Until the range is read, or something ends it. */
static enum qr_error read_on(struct ctl_channel *channel, struct output *output)
{
	struct pollfd interrupted = {.fd = ctl_interrupt_fd(), .events = POLLIN};
	enum qr_error error = QR_OK;

	while (!ctl_channel_is_done(channel) && error == QR_OK && !output->closed &&
	       !ctl_interrupt_is_wanted()) {
		ctl_channel_turn(channel, &interrupted, ctl_clock_now() + TURN);
		flush(output);
		error = ctl_channel_error(channel);
	}
	return error;
}

/* The start has moved on before the first record came, and the start is what was asked for. */
static bool follows_start(const struct ctl_channel *channel, const struct output *output,
			  enum qr_error error, struct range *range)
{
	qr_offset start = ctl_channel_start(channel);

	if (error != QR_OUT_OF_RANGE || start <= range->from || output->count != 0 ||
	    output->arguments->from != FROM_START)
		return false;
	range->from = start < range->end ? start : range->end;
	return true;
}

static void complain(const struct ctl_channel *channel, enum qr_error error)
{
	qr_offset start = error == QR_OUT_OF_RANGE ? ctl_channel_start(channel) : 0;

	if (start != 0) {
		ctl_channel_complain_of_start(channel, ctl_channel_next(channel), start);
	} else {
		ctl_channel_complain(channel, error);
	}
}

static enum ctl_exit read_range(struct ctl_channel *channel, struct output *output,
				struct range range)
{
	enum qr_error error;

	do {
		uint64_t left = range.end - range.from;

		if (output->arguments->count < left)
			left = output->arguments->count;
		if (left == 0)
			return CTL_EXIT_OK;
		if (ctl_channel_consume(channel, range.from, range.from + left) != CTL_EXIT_OK)
			return CTL_EXIT_FAILED;
		error = read_on(channel, output);
	} while (follows_start(channel, output, error, &range));
	if (error != QR_OK && !output->closed) {
		complain(channel, error);
		return CTL_EXIT_FAILED;
	}
	if (output->failed || (ctl_interrupt_is_wanted() && !output->arguments->follow))
		return CTL_EXIT_FAILED;
	return CTL_EXIT_OK;
}

enum ctl_exit ctl_read_run(int argc, char **argv, struct ctl_options *options)
{
	struct arguments arguments = {
		.options = options,
		.name = {.partition = CTL_PARTITION_UNSET},
		.count = UINT64_MAX,
	};
	struct output output = {.arguments = &arguments};
	struct ctl_channel_events events = {.on_record = on_record, .context = &output};
	struct ctl_channel *channel = NULL;
	struct ctl_target target;
	struct range range;
	enum ctl_exit result;

	if (!ctl_options_parse(&argp, argc, argv, &arguments))
		return CTL_EXIT_USAGE;
	result = ctl_target_init(&target, options);
	if (result != CTL_EXIT_OK)
		return result;
	output.buffer = ctl_heap_take(BUFFER_BYTES, 1);
	result = ctl_channel_open(&target, &arguments.name,
				  ctl_options_timeout(options, CTL_CHANNEL_TIMEOUT), &events,
				  &channel);
	ctl_interrupt_catch();
	if (result == CTL_EXIT_OK)
		result = find_range(channel, &arguments, &range);
	if (result == CTL_EXIT_OK)
		result = read_range(channel, &output, range);
	ctl_channel_close(channel);
	ctl_target_fini(&target);
	free(output.buffer);
	return result;
}
