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

void dp_command_run(struct dp_process *process, qr_nodes hosted, const char *command, char *answer)
{
	struct words words;

	answer[0] = '\0';
	if (!split(command, &words) || words.count == 0) {
		say(answer, "error: not a command: links, link down|up NODE PEER, ports\n");
	} else if (words.count == 1 && strcmp(words.list[0], "links") == 0) {
		list_links(process, hosted, answer);
	} else if (words.count == 1 && strcmp(words.list[0], "ports") == 0) {
		list_ports(process, hosted, answer);
	} else if (words.count == 4 && strcmp(words.list[0], "link") == 0 &&
		   (strcmp(words.list[1], "down") == 0 || strcmp(words.list[1], "up") == 0)) {
		set_link(process, hosted, &words, answer);
	} else {
		say(answer, "error: unknown command '%s': links, link down|up NODE PEER, ports\n",
		    words.list[0]);
	}
}
