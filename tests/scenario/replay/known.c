/*
 * Reading etcd's output.
 *
 * A line is recognised by how it begins; one that is not recognised says nothing. Entries are lines
 * of their own only below a heading ("Entries:", "CommittedEntries:") or in a dump of the log:
 * below "Messages:" the same lines are the content of a message.
 *
 * A role that changes takes the leader with it, and a term that changes takes the vote: until a
 * line says the new one it is unknown.
 */
#include "tests/scenario/replay/known.h"

#include "consensus/base/assert.h"
#include "consensus/raft/raft.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum section { SECTION_NONE, SECTION_ENTRIES, SECTION_DECIDED, SECTION_DUMP };

struct reader {
	struct known *known;
	qr_node node; /* whose Ready, log or progress it is */
	enum section section;
};

static const struct {
	const char *name;
	enum raft_role role;
} roles[] = {
	{"StateFollower", RAFT_FOLLOWER},
	{"StatePreCandidate", RAFT_PRE_CANDIDATE},
	{"StateCandidate", RAFT_CANDIDATE},
	{"StateLeader", RAFT_LEADER},
};

const char *known_number_name(enum known_number number)
{
	static const char *const names[] = {
		[KNOWN_ROLE] = "role", [KNOWN_VOTER] = "voter",	  [KNOWN_TERM] = "term",
		[KNOWN_VOTE] = "vote", [KNOWN_LEADER] = "leader", [KNOWN_COMMIT] = "commit",
		[KNOWN_LAST] = "last", [KNOWN_STORED] = "stored",
	};

	return names[number];
}

const char *known_log_name(enum known_log log)
{
	static const char *const names[] = {
		[KNOWN_LOG] = "log",
		[KNOWN_DISK] = "disk",
		[KNOWN_DECIDED] = "decided",
	};

	return names[log];
}

/* scanning */

static bool skip(const char **at, const char *literal)
{
	size_t length = strlen(literal);

	if (strncmp(*at, literal, length) != 0)
		return false;
	*at += length;
	return true;
}

static bool take_number(const char **at, uint64_t *ret_number)
{
	uint64_t number = 0;
	const char *c = *at;

	for (; *c >= '0' && *c <= '9'; c++) {
		if (__builtin_mul_overflow(number, (uint64_t)10, &number) ||
		    __builtin_add_overflow(number, (uint64_t)(*c - '0'), &number))
			return false;
	}
	if (c == *at)
		return false;
	*at = c;
	*ret_number = number;
	return true;
}

static bool take_node(const char **at, qr_node *ret_node)
{
	const char *c = *at;
	uint64_t number;

	if (!take_number(&c, &number) || number == 0 || number > QR_NODE_MAX)
		return false;
	*at = c;
	*ret_node = (qr_node)number;
	return true;
}

/* The number behind the first `label` in the line. */
static bool find_number(const char *line, const char *label, uint64_t *ret_number)
{
	const char *found = strstr(line, label);

	if (found == NULL)
		return false;
	found += strlen(label);
	return take_number(&found, ret_number);
}

static bool take_role(const char **at, enum raft_role *ret_role)
{
	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
		if (skip(at, roles[i].name)) {
			*ret_role = roles[i].role;
			return true;
		}
	}
	return false;
}

/* what becomes known */

static void state(struct known *known, qr_node node, enum known_number number, uint64_t value)
{
	known->nodes[node].numbers[number].known = true;
	known->nodes[node].numbers[number].stated = true;
	known->nodes[node].numbers[number].value = value;
}

static void doubt(struct known *known, qr_node node, enum known_number number)
{
	known->nodes[node].numbers[number].known = false;
	known->nodes[node].numbers[number].stated = false;
}

static void state_term(struct known *known, qr_node node, qr_term term)
{
	if (!known->nodes[node].numbers[KNOWN_TERM].known ||
	    known->nodes[node].numbers[KNOWN_TERM].value != term)
		doubt(known, node, KNOWN_VOTE);
	state(known, node, KNOWN_TERM, term);
}

static void cut_entries(struct known_entries *entries, qr_index first)
{
	while (entries->count > 0 && entries->entries[entries->count - 1].index >= first)
		free(entries->entries[--entries->count].text);
}

/* The entry replaces what was at and above its index. */
static void add_entry(struct known_entries *entries, qr_index index, qr_term term, const char *text)
{
	size_t size = (entries->count + 1) * sizeof(entries->entries[0]);

	cut_entries(entries, index);
	entries->stated = true;
	entries->entries = realloc(entries->entries, size);
	QR_ASSERT(entries->entries != NULL);
	entries->entries[entries->count] = (struct known_entry){index, term, strdup(text)};
	QR_ASSERT(entries->entries[entries->count].text != NULL);
	entries->count++;
}

/* lines */

/* 1/3 EntryNormal "foo" */
static void read_entry(const struct reader *reader, const char *line)
{
	struct known_node *node = &reader->known->nodes[reader->node];
	uint64_t term;
	uint64_t index;

	if (!take_number(&line, &term) || !skip(&line, "/") || !take_number(&line, &index) ||
	    !skip(&line, " ") || strncmp(line, "Entry", strlen("Entry")) != 0)
		return;
	switch (reader->section) {
	case SECTION_ENTRIES:
		add_entry(&node->logs[KNOWN_LOG], index, term, line);
		state(reader->known, reader->node, KNOWN_LAST, index);
		break;
	case SECTION_DECIDED:
		add_entry(&node->logs[KNOWN_DECIDED], index, term, line);
		break;
	case SECTION_DUMP:
		add_entry(&node->logs[KNOWN_DISK], index, term, line);
		state(reader->known, reader->node, KNOWN_STORED, index);
		break;
	case SECTION_NONE:
		break;
	}
}

/* newRaft 1 [peers: [1,2,3], term: 0, commit: 2, applied: 2, lastindex: 2, lastterm: 1] */
static void read_start(struct known *known, const char *line)
{
	qr_node node;
	uint64_t number;

	if (!take_node(&line, &node))
		return;
	if (find_number(line, "term: ", &number))
		state(known, node, KNOWN_TERM, number);
	if (find_number(line, "commit: ", &number))
		state(known, node, KNOWN_COMMIT, number);
	if (find_number(line, "lastindex: ", &number))
		state(known, node, KNOWN_LAST, number);
	state(known, node, KNOWN_VOTE, 0);
}

static void read_role(struct known *known, qr_node node, enum raft_role role, const char *rest)
{
	uint64_t term;

	if (!skip(&rest, " at term ") || !take_number(&rest, &term))
		return;
	state(known, node, KNOWN_ROLE, role);
	state_term(known, node, term);
	doubt(known, node, KNOWN_LEADER);
	if (role == RAFT_LEADER)
		state(known, node, KNOWN_LEADER, node);
	if (role == RAFT_CANDIDATE) {
		state(known, node, KNOWN_VOTE, node);
		state(known, node, KNOWN_LEADER, 0);
	}
}

/* [logterm: 1, index: 2, vote: 0] cast MsgVote for 1 [logterm: 1, index: 2] at term 1 */
static void read_vote(struct known *known, qr_node node, const char *line)
{
	const char *tail = strstr(line, "] at term ");
	uint64_t candidate;
	uint64_t term;

	if (!find_number(line, "] cast MsgVote for ", &candidate) || tail == NULL ||
	    !find_number(tail, "] at term ", &term))
		return;
	state_term(known, node, term);
	state(known, node, KNOWN_VOTE, candidate);
}

/* A snapshot took the place of the log. */
static void read_restored(struct known *known, qr_node node, qr_index last)
{
	state(known, node, KNOWN_LAST, last);
	cut_entries(&known->nodes[node].logs[KNOWN_LOG], 0);
}

/* What raft itself logs, behind the level. */
static void read_notice(struct known *known, const char *line)
{
	qr_node node;
	uint64_t number;

	if (skip(&line, "newRaft ")) {
		read_start(known, line);
		return;
	}
	if (!take_node(&line, &node) || !skip(&line, " "))
		return;
	if (skip(&line, "became follower")) {
		read_role(known, node, RAFT_FOLLOWER, line);
	} else if (skip(&line, "became pre-candidate")) {
		read_role(known, node, RAFT_PRE_CANDIDATE, line);
	} else if (skip(&line, "became candidate")) {
		read_role(known, node, RAFT_CANDIDATE, line);
	} else if (skip(&line, "became leader")) {
		read_role(known, node, RAFT_LEADER, line);
	} else if (skip(&line, "switched to configuration ")) {
		(void)snprintf(known->switched_to, sizeof(known->switched_to), "%s", line);
	} else if (strstr(line, "] restored snapshot [") != NULL) {
		if (find_number(line, "commit: ", &number))
			state(known, node, KNOWN_COMMIT, number);
		if (find_number(line, "lastindex: ", &number))
			read_restored(known, node, number);
	} else {
		read_vote(known, node, line);
	}
}

/* Lead:1 State:StateLeader */
static void read_soft_state(const struct reader *reader, const char *line)
{
	enum raft_role role;
	uint64_t leader;

	if (!take_number(&line, &leader) || !skip(&line, " State:") || !take_role(&line, &role))
		return;
	state(reader->known, reader->node, KNOWN_LEADER, leader);
	state(reader->known, reader->node, KNOWN_ROLE, role);
}

/* HardState Term:1 Vote:1 Commit:3; no vote is left out */
static void read_hard_state(const struct reader *reader, const char *line)
{
	uint64_t term;
	uint64_t commit;
	uint64_t vote = 0;

	if (!find_number(line, "Term:", &term) || !find_number(line, "Commit:", &commit))
		return;
	(void)find_number(line, "Vote:", &vote);
	state(reader->known, reader->node, KNOWN_TERM, term);
	state(reader->known, reader->node, KNOWN_VOTE, vote);
	state(reader->known, reader->node, KNOWN_COMMIT, commit);
}

/* 1: StateLeader (Voter) Term:1 Lead:1 */
static void read_state_line(struct known *known, qr_node node, const char *line)
{
	enum raft_role role;
	uint64_t number;

	if (!take_role(&line, &role))
		return;
	state(known, node, KNOWN_ROLE, role);
	state(known, node, KNOWN_VOTER, strncmp(line, " (Voter)", strlen(" (Voter)")) == 0);
	if (find_number(line, "Term:", &number))
		state_term(known, node, number);
	if (find_number(line, "Lead:", &number))
		state(known, node, KNOWN_LEADER, number);
}

/* 2: StateReplicate match=11 next=12 */
static void read_progress_line(const struct reader *reader, qr_node follower, const char *line)
{
	struct known_progress *progress = &reader->known->nodes[reader->node].progress[follower];

	if (skip(&line, "StateProbe ")) {
		progress->state = KNOWN_PROBE;
	} else if (skip(&line, "StateReplicate ")) {
		progress->state = KNOWN_REPLICATE;
	} else if (skip(&line, "StateSnapshot ")) {
		progress->state = KNOWN_SNAPSHOT;
	} else {
		return;
	}
	progress->stated = find_number(line, "match=", &progress->match) &&
			   find_number(line, "next=", &progress->next);
}

/* A heading, or a line of a Ready that stands for itself. */
static bool read_ready_line(struct reader *reader, const char *line)
{
	uint64_t last;

	if (skip(&line, "Lead:")) {
		read_soft_state(reader, line);
	} else if (skip(&line, "HardState ")) {
		read_hard_state(reader, line);
	} else if (skip(&line, "Snapshot Index:")) {
		if (take_number(&line, &last))
			read_restored(reader->known, reader->node, last);
	} else if (strcmp(line, "Entries:") == 0) {
		reader->section = SECTION_ENTRIES;
		return true;
	} else if (strcmp(line, "CommittedEntries:") == 0) {
		reader->section = SECTION_DECIDED;
		return true;
	} else if (strcmp(line, "Messages:") != 0 && strcmp(line, "Processing:") != 0 &&
		   strcmp(line, "Responses:") != 0 && strncmp(line, "Ready ", 6) != 0) {
		return false;
	}
	reader->section = SECTION_NONE;
	return true;
}

static bool skip_level(const char **at)
{
	return skip(at, "DEBUG ") || skip(at, "INFO ") || skip(at, "WARN ") || skip(at, "ERROR ") ||
	       skip(at, "FATAL ");
}

static void read_line(struct reader *reader, const char *line)
{
	qr_node node;
	uint64_t last;

	while (*line == ' ' || *line == '\t')
		line++;
	if (skip_level(&line)) {
		read_notice(reader->known, line);
	} else if (skip(&line, "> ")) {
		reader->section = SECTION_NONE;
		if (!take_node(&line, &reader->node))
			reader->node = 0;
	} else if (skip(&line, "log is empty:")) {
		if (reader->node != 0 && find_number(line, "last index=", &last))
			state(reader->known, reader->node, KNOWN_STORED, last);
	} else if (reader->node != 0 && read_ready_line(reader, line)) {
		return;
	} else if (reader->node != 0 && reader->section != SECTION_NONE) {
		read_entry(reader, line);
	} else if (take_node(&line, &node) && skip(&line, ": ")) {
		read_state_line(reader->known, node, line);
		if (reader->node != 0)
			read_progress_line(reader, node, line);
	}
}

static void begin_block(struct known *known)
{
	known->switched_to[0] = '\0';
	for (unsigned i = 0; i <= QR_NODE_MAX; i++) {
		struct known_node *node = &known->nodes[i];

		for (unsigned k = 0; k < KNOWN_NUMBERS; k++)
			node->numbers[k].stated = false;
		for (unsigned k = 0; k < KNOWN_LOGS; k++)
			node->logs[k].stated = false;
		for (unsigned k = 0; k <= QR_NODE_MAX; k++)
			node->progress[k].stated = false;
		cut_entries(&node->logs[KNOWN_DISK], 0);
		cut_entries(&node->logs[KNOWN_DECIDED], 0);
	}
}

void known_read(struct known *known, const char *command, qr_node node, const char *output)
{
	bool dumps = strcmp(command, "raft-log") == 0 || strcmp(command, "compact") == 0;
	struct reader reader = {known, node, dumps ? SECTION_DUMP : SECTION_NONE};
	char *copy = strdup(output);
	char *rest = copy;
	char *line;

	QR_ASSERT(copy != NULL);
	QR_ASSERT(node <= QR_NODE_MAX);
	begin_block(known);
	while ((line = strsep(&rest, "\n")) != NULL)
		read_line(&reader, line);
	free(copy);
}

void known_forget(struct known *known)
{
	for (unsigned i = 0; i <= QR_NODE_MAX; i++) {
		struct known_node *node = &known->nodes[i];

		memset(node->numbers, 0, sizeof(node->numbers));
		for (unsigned k = 0; k < KNOWN_LOGS; k++)
			cut_entries(&node->logs[k], 0);
	}
}

void known_free(struct known *known)
{
	for (unsigned i = 0; i <= QR_NODE_MAX; i++) {
		for (unsigned k = 0; k < KNOWN_LOGS; k++) {
			cut_entries(&known->nodes[i].logs[k], 0);
			free(known->nodes[i].logs[k].entries);
			known->nodes[i].logs[k].entries = NULL;
		}
	}
}
