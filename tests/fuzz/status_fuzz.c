/*
 * `quorate status` before nodes that answer anything: descriptions and states that decode go into
 * the picture of the cluster, which is judged, and printed as tables and as JSON. Whatever they
 * say, nothing is touched beyond the picture, no assertion fails, and no control character reaches
 * the terminal. What is left of the input is the answer of an administration socket.
 *
 * The input is a list of answers: which question, what to mend, a length, the body.
 */
#include "consensus/base/assert.h"
#include "control/cli/admin.h"
#include "control/cli/query.h"
#include "control/cli/status_print.h"
#include "tests/fuzz/fuzz.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define ANSWERS_MAX 24
#define NODE_AT 8 /* in a status reply's body */

static struct qr_reader input;

void ctl_complain(const char *format, ...)
{
	(void)format; /* on stderr, ten thousand times a second */
}

/** Overwrite what an honest node would not get wrong. */
static void mend(const struct ctl_ask *ask, uint8_t *body, size_t body_bytes)
{
	if (ask->type == WIRE_STATUS && body_bytes > NODE_AT)
		body[NODE_AT] = ask->node;
}

static bool decode(const struct ctl_ask *ask, struct wire_message *message,
		   struct ctl_answer *ret_answer)
{
	ret_answer->type = ask->type;
	if (ask->type == WIRE_DESCRIBE) {
		message->type = WIRE_DESCRIPTION;
		return wire_get_description(message, &ret_answer->description) == QR_OK;
	}
	message->type = WIRE_STATUS_REPLY;
	return wire_get_status_reply(message, &ret_answer->status) == QR_OK;
}

/** In the place of control/cli/query.c: the answers of the input to the questions of the command.
 */
enum qr_error ctl_query(const char *cluster, struct ctl_ask *asks, size_t ask_count, qr_ns timeout,
			ctl_query_taker take)
{
	static uint8_t body[4096];
	static struct ctl_answer answer;

	(void)cluster;
	(void)timeout;
	for (unsigned a = 0; a < ANSWERS_MAX && qr_reader_left(&input) != 0 && ask_count != 0;
	     a++) {
		uint8_t flags = qr_read_u8(&input);
		struct ctl_ask *ask = &asks[qr_read_u8(&input) % ask_count];
		size_t wanted = qr_read_u16(&input) % sizeof(body);
		size_t left = qr_reader_left(&input);
		struct wire_message message = {.body = {body, wanted < left ? wanted : left}};

		if (flags == 255)
			break;
		ask->refused = flags == 254;
		if (input.failed)
			break;
		memcpy(body, qr_read_bytes(&input, message.body.size_bytes),
		       message.body.size_bytes);
		if (flags % 2 == 0)
			mend(ask, body, message.body.size_bytes);
		if (!ask->done && !ask->refused && decode(ask, &message, &answer))
			take(ask, &answer);
	}
	return QR_OK;
}

/** Lines of printable text: a name must not move a cursor or end a line. */
static void check_text(const char *text, size_t size_bytes)
{
	for (size_t i = 0; i < size_bytes; i++)
		QR_ASSERT(text[i] == '\n' || (unsigned char)text[i] >= ' ');
}

static void print(const struct ctl_cluster *cluster, uint8_t cells)
{
	struct ctl_findings problems;
	struct ctl_findings warnings;
	char *text = NULL;
	size_t size_bytes = 0;
	FILE *stream = open_memstream(&text, &size_bytes);
	json_t *object;
	int closed;

	QR_ASSERT(stream != NULL);
	ctl_health_problems(cluster, &problems);
	ctl_health_warnings(cluster, &warnings);
	if (cells % 2 == 0) {
		for (uint32_t i = 0; i < problems.count; i++)
			fprintf(stream, "%s\n", problems.texts[i]);
		for (uint32_t i = 0; i < warnings.count; i++)
			fprintf(stream, "%s\n", warnings.texts[i]);
		ctl_status_print_tables(cluster, stream, cells);
	} else {
		object = ctl_status_print_json(cluster, &problems, &warnings);
		closed = json_dumpf(object, stream, JSON_COMPACT);
		QR_ASSERT(closed == 0);
		json_decref(object);
	}
	closed = fclose(stream);
	QR_ASSERT(closed == 0);
	check_text(text, size_bytes);
	free(text);
	ctl_findings_fini(&problems);
	ctl_findings_fini(&warnings);
}

static void read_admin(void)
{
	size_t size_bytes = qr_reader_left(&input);
	char *answer = malloc(size_bytes + 1);
	struct ctl_links links;
	const char *error = NULL;
	const char *text;

	QR_ASSERT(answer != NULL);
	if (size_bytes != 0)
		memcpy(answer, qr_read_bytes(&input, size_bytes), size_bytes);
	answer[size_bytes] = '\0';
	text = ctl_admin_accepted(answer, &error);
	QR_ASSERT((text == NULL) == (error != NULL));
	while (text != NULL && (text = ctl_admin_next_links(text, &links)) != NULL)
		QR_ASSERT(links.node != 0 && links.node <= QR_NODE_MAX && (links.down & 1) == 0);
	free(answer);
}

/* NOLINTNEXTLINE(readability-identifier-naming) */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
	struct ctl_target target = {.cluster = "c", .node_count = 1};
	struct ctl_cluster *cluster;
	uint8_t cells;

	if (size_bytes == 0)
		return 0;
	input = qr_reader_over(data, size_bytes);
	cells = qr_read_u8(&input);
	cluster = ctl_cluster_create();
	if (ctl_cluster_discover(cluster, &target, 1) == CTL_EXIT_OK) {
		(void)ctl_cluster_ask(cluster, 1);
		print(cluster, cells);
	}
	ctl_cluster_destroy(cluster);
	read_admin();
	return 0;
}
