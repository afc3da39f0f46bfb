/*
 * Reading answers, line by line. What is not known is passed over, so that a node may say more.
 */
#include "control/cli/scrub_state.h"
#include "control/cli/heap.h"
#include "control/cli/units.h"

#include <stdlib.h>
#include <string.h>

#define LINE_BYTES 1024

/* ---- words ---- */

/* The key at a cursor, and the blank behind it. False: another word stands there. */
static bool take_key(const char **at, const char *key)
{
	size_t length = strlen(key);

	if (strncmp(*at, key, length) != 0 || (*at)[length] != ' ')
		return false;
	*at += length + 1;
	return true;
}

/* A word of at most `size_bytes` - 1, and the blank behind it. */
static bool take_word(const char **at, char *ret_word, size_t size_bytes)
{
	size_t length = strcspn(*at, " \n");

	if (length == 0 || length >= size_bytes)
		return false;
	memcpy(ret_word, *at, length);
	ret_word[length] = '\0';
	*at += length + ((*at)[length] == ' ');
	return true;
}

static bool take_number(const char **at, uint64_t *ret_number)
{
	char word[24];

	return take_word(at, word, sizeof(word)) &&
	       ctl_units_parse_u64(word, UINT64_MAX, ret_number) == QR_OK;
}

static bool take_value(const char **at, const char *key, uint64_t *ret_number)
{
	return take_key(at, key) && take_number(at, ret_number);
}

/* ---- lines ---- */

static void parse_lost(struct ctl_scrub_log *log, const char *at)
{
	struct ctl_scrub_lost lost;

	while (log->listed < CTL_SCRUB_LOST_MAX && take_value(&at, "at", &lost.index) &&
	       take_number(&at, &lost.next))
		log->first_lost[log->listed++] = lost;
}

static bool parse_log(const char *at, struct ctl_scrub_log *ret_log)
{
	struct ctl_scrub_log log = {0};
	uint64_t group;
	uint64_t unheard;

	if (!take_value(&at, "group", &group) || !take_word(&at, log.name, sizeof(log.name)) ||
	    !take_key(&at, "state") || !take_word(&at, log.state, sizeof(log.state)) ||
	    !take_key(&at, "reason") || !take_word(&at, log.reason, sizeof(log.reason)) ||
	    !take_value(&at, "verified", &log.verified_bytes) ||
	    !take_value(&at, "passed", &log.passed_bytes) ||
	    !take_value(&at, "total", &log.total_bytes) ||
	    !take_value(&at, "damaged", &log.damaged) ||
	    !take_value(&at, "repaired", &log.repaired) || !take_value(&at, "lost", &log.lost) ||
	    !take_value(&at, "unheard", &unheard))
		return false;
	log.group = (qr_group)group;
	log.unheard = unheard != 0;
	parse_lost(&log, at);
	*ret_log = log;
	return true;
}

static void parse_line(struct ctl_scrub_node *node, const char *line)
{
	struct ctl_scrub_log log;
	const char *at = line;
	uint64_t next;

	if (parse_log(line, &log)) {
		node->logs = ctl_heap_resize(node->logs, node->log_count + 1, sizeof(log));
		node->logs[node->log_count++] = log;
	} else if (take_value(&at, "next", &next)) {
		node->next = next;
	} else if (strcmp(line, "joined") == 0) {
		node->joined = true;
	}
}

bool ctl_scrub_node_parse(struct ctl_scrub_node *node, const char *text)
{
	const char *at = text;
	uint64_t number;
	uint64_t pass;
	uint64_t rate;
	char state[16];

	if (!take_value(&at, "node", &number) || number != node->node ||
	    !take_value(&at, "pass", &pass) || !take_word(&at, state, sizeof(state)) ||
	    !take_value(&at, "rate", &rate))
		return false;
	node->pass = pass;
	node->rate = rate;
	node->runs = strcmp(state, "running") == 0;
	node->next = 0;
	while (*text != '\0') {
		size_t length = strcspn(text, "\n");
		size_t kept = length < LINE_BYTES - 1 ? length : LINE_BYTES - 1;
		char line[LINE_BYTES];

		memcpy(line, text, kept);
		line[kept] = '\0';
		parse_line(node, line);
		text += length + (text[length] == '\n');
	}
	return true;
}

void ctl_scrub_node_clear(struct ctl_scrub_node *node)
{
	free(node->logs);
	node->logs = NULL;
	node->log_count = 0;
}

void ctl_scrub_add(const struct ctl_scrub_node *node, struct ctl_scrub_sum *sum)
{
	for (size_t i = 0; i < node->log_count; i++) {
		const struct ctl_scrub_log *log = &node->logs[i];

		sum->passed_bytes += log->passed_bytes;
		sum->total_bytes += log->total_bytes;
		sum->damaged += log->damaged;
		sum->lost += log->lost;
		sum->left_out += strcmp(log->state, "left-out") == 0;
	}
}
