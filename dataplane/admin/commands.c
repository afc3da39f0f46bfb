/*
 * What the administration socket understands. A command is parsed whole before anything changes;
 * changes are published to the poll loops by RCU and in force when the answer leaves.
 */
#include "dataplane/admin/commands.h"

#include "dataplane/lcore/observe.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 4
#define WORD_BYTES 32
#define SCRUB_LINE_MAX 768 /* of a log, with all that it may have lost */
#define KNOWN "links, link down|up NODE PEER, ports, scrub start NODE RATE, scrub status NODE N"

struct words {
	unsigned count;
	char list[WORDS_MAX][WORD_BYTES];
};

/** Split at blanks. @return false: too many or too long words. */
static bool split(const char *command, struct words *words)
{
	words->count = 0;
	for (;;) {
		size_t length;

		command += strspn(command, " \t\r\n");
		length = strcspn(command, " \t\r\n");
		if (length == 0)
			return true;
		if (words->count == WORDS_MAX || length >= WORD_BYTES)
			return false;
		memcpy(words->list[words->count], command, length);
		words->list[words->count++][length] = '\0';
		command += length;
	}
}

/** A node's number, or 0. */
static qr_node node_of(const char *word)
{
	char *end;
	unsigned long value = strtoul(word, &end, 10);

	return end != word && *end == '\0' && value <= QR_NODE_MAX ? (qr_node)value : 0;
}

static void say(char *answer, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** Append to the answer, as far as there is room. */
static void say(char *answer, const char *format, ...)
{
	size_t used = strlen(answer);
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(answer + used, DP_COMMAND_ANSWER_MAX - used, format, arguments);
	va_end(arguments);
}

static void list_links(struct dp_process *process, qr_nodes hosted, char *answer)
{
	say(answer, "ok\n");
	while (hosted != 0) {
		qr_node node = qr_nodes_take(&hosted);
		qr_nodes down = dp_process_links(process, node);

		say(answer, "node %u: ", node);
		if (down == 0)
			say(answer, "all links up");
		while (down != 0)
			say(answer, "link to %u down ", qr_nodes_take(&down));
		say(answer, "\n");
	}
}

static void set_link(struct dp_process *process, qr_nodes hosted, const struct words *words,
		     char *answer)
{
	bool down = strcmp(words->list[1], "down") == 0;
	qr_node node = node_of(words->list[2]);
	qr_node peer = node_of(words->list[3]);
	qr_nodes links;

	if (node == 0 || !qr_nodes_has(hosted, node)) {
		say(answer, "error: node %s is not hosted here\n", words->list[2]);
		return;
	}
	if (peer == 0 || peer == node) {
		say(answer, "error: %s is not a peer of node %u\n", words->list[3], node);
		return;
	}
	links = dp_process_links(process, node);
	links = down ? links | qr_nodes_of(peer) : links & ~qr_nodes_of(peer);
	if (dp_process_set_links(process, node, links) == QR_OK) {
		say(answer, "ok\n");
	} else {
		say(answer, "error: node %u is not hosted here\n", node);
	}
}

static void list_ports(struct dp_process *process, qr_nodes hosted, char *answer)
{
	say(answer, "ok\n");
	while (hosted != 0) {
		qr_node node = qr_nodes_take(&hosted);
		struct dp_port_view view;

		for (uint32_t p = 0; dp_process_view_port(process, node, p, &view); p++) {
			say(answer, "node %u port %u %s %s rx %llu tx %llu", node, p, view.name,
			    view.is_up ? "up" : "down", (unsigned long long)view.stats.rx_frames,
			    (unsigned long long)view.stats.tx_frames);
			say(answer, " ignored %llu dropped %llu\n",
			    (unsigned long long)view.stats.rx_ignored,
			    (unsigned long long)view.stats.tx_dropped);
		}
	}
}

/* ---- the scrub ---- */

/** A whole number. @return false: it is none. */
static bool number_of(const char *word, uint64_t *ret_value)
{
	char *end;

	*ret_value = strtoull(word, &end, 10);
	return end != word && *end == '\0' && word[0] != '-';
}

static void say_group(char *answer, const struct dp_scrub_view *view)
{
	static const char *const states[] = {
		[DP_SCRUB_WAITS] = "waits",
		[DP_SCRUB_DONE] = "done",
		[DP_SCRUB_LEFT_OUT] = "left-out",
	};
	const struct dp_scrub_group *seen = &view->seen;

	say(answer, "group %u %s/%u state %s reason %s verified %llu passed %llu total %llu",
	    view->group, view->name, view->partition, states[seen->state],
	    qr_error_name(seen->reason), (unsigned long long)seen->verified_bytes,
	    (unsigned long long)seen->passed_bytes, (unsigned long long)seen->total_bytes);
	say(answer, " damaged %llu repaired %llu lost %llu unheard %u",
	    (unsigned long long)seen->damaged, (unsigned long long)seen->repaired,
	    (unsigned long long)seen->lost, seen->unheard);
	for (uint64_t i = 0; i < seen->lost && i < DP_SCRUB_LOST_MAX; i++) {
		say(answer, " at %llu %llu", (unsigned long long)seen->first_lost[i].index,
		    (unsigned long long)seen->first_lost[i].next);
	}
	say(answer, "\n");
}

/** The node's logs have numbers: core by core. */
static void say_scrub(struct dp_process *process, qr_node node, uint64_t first, char *answer)
{
	bool runs;
	struct dp_scrub_request request = dp_process_scrub_of(process, node, &runs);
	struct dp_scrub_view view;
	struct dp_slot_view slot;
	uint64_t number = 0;

	say(answer, "ok\nnode %u pass %llu %s rate %llu\n", node, (unsigned long long)request.pass,
	    runs ? "running" : "ended", (unsigned long long)request.bytes_per_second);
	for (unsigned s = 0; dp_process_view(process, s, &slot); s++) {
		for (uint32_t g = 0; slot.node == node && g < slot.group_count; g++) {
			if (number++ < first || !dp_process_view_scrub(process, s, g, &view))
				continue;
			if (strlen(answer) + SCRUB_LINE_MAX > DP_COMMAND_ANSWER_MAX) {
				say(answer, "next %llu\n", (unsigned long long)(number - 1));
				return;
			}
			say_group(answer, &view);
		}
	}
}

static void scrub(struct dp_process *process, qr_nodes hosted, const struct words *words,
		  char *answer)
{
	qr_node node = node_of(words->list[2]);
	uint64_t value;
	bool joined;

	if (node == 0 || !qr_nodes_has(hosted, node)) {
		say(answer, "error: node %s is not hosted here\n", words->list[2]);
	} else if (!number_of(words->list[3], &value)) {
		say(answer, "error: %s is no number\n", words->list[3]);
	} else if (strcmp(words->list[1], "status") == 0) {
		say_scrub(process, node, value, answer);
	} else if (dp_process_scrub(process, node, value, &joined) == QR_OK) {
		say_scrub(process, node, UINT64_MAX, answer);
		if (joined)
			say(answer, "joined\n");
	} else {
		say(answer, "error: node %u is not hosted here\n", node);
	}
}

/* ---- all of them ---- */

static bool is_command(const struct words *words, unsigned count, const char *first,
		       const char *second, const char *or_second)
{
	return words->count == count && strcmp(words->list[0], first) == 0 &&
	       (count == 1 || strcmp(words->list[1], second) == 0 ||
		strcmp(words->list[1], or_second) == 0);
}

void dp_command_run(struct dp_process *process, qr_nodes hosted, const char *command, char *answer)
{
	struct words words;

	answer[0] = '\0';
	if (!split(command, &words) || words.count == 0) {
		say(answer, "error: not a command: " KNOWN "\n");
	} else if (is_command(&words, 1, "links", "", "")) {
		list_links(process, hosted, answer);
	} else if (is_command(&words, 1, "ports", "", "")) {
		list_ports(process, hosted, answer);
	} else if (is_command(&words, 4, "link", "down", "up")) {
		set_link(process, hosted, &words, answer);
	} else if (is_command(&words, 4, "scrub", "start", "status")) {
		scrub(process, hosted, &words, answer);
	} else {
		say(answer, "error: unknown command '%s': " KNOWN "\n", words.list[0]);
	}
}
