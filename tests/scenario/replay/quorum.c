/*
 * Quorums as text.
 *
 * The verdict is the core's alone: raft_configuration_committed, _has_quorum and _has_blocked. The
 * drawing above it shows the input and takes nothing from the core.
 *
 * Voters get node numbers in the order of their ids, so that any ids do. An empty half is asked as
 * the core can hold it, as the outgoing half: of the other one or, when both are empty, of one
 * spare voter who has reached everything and says yes. What comes out is then what the empty half
 * allows, and etcd's convention that this is everything is put to the test like any other.
 *
 * Each answer is found a second way, as etcd's own tests do: with the halves exchanged, joined with
 * itself, from the votes of those who have reached an index, and with what is below the commit
 * index lowered further. Where two ways differ the answer says so, and then cannot be the expected
 * one.
 */
#include "tests/scenario/replay/quorum.h"

#include "consensus/base/assert.h"
#include "consensus/raft/configuration.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VOTERS_MAX (QR_NODE_MAX - 1)
#define SPARE QR_NODE_MAX
#define VOTE_NO 1
#define VOTE_YES 2

struct question {
	uint32_t voter_count;
	uint64_t ids[VOTERS_MAX]; /* in the order of their naming */
	qr_nodes halves[2];	  /* bit r + 1: the voter with the r-th smallest id */
	uint32_t value_count;
	uint64_t values[VOTERS_MAX]; /* indexes or votes, 0 for unknown */

	/* by node, once the ids are in order */
	uint64_t id_of[QR_NODE_MAX + 1];
	uint64_t value_of[QR_NODE_MAX + 1];
};

bool quorum_knows(const char *command)
{
	return strcmp(command, "committed") == 0 || strcmp(command, "vote") == 0;
}

static uint32_t position_of(const struct question *question, uint64_t id)
{
	uint32_t position = 0;

	while (position < question->voter_count && question->ids[position] != id)
		position++;
	return position;
}

static const char *add_voter(struct question *question, const char *text, uint64_t members[2],
			     unsigned half)
{
	uint64_t id;
	uint32_t position;

	if (!script_number(text, &id))
		return "an id is not a number";
	position = position_of(question, id);
	if (position == VOTERS_MAX)
		return "more voters than a set of nodes holds";
	if (position == question->voter_count)
		question->ids[question->voter_count++] = id;
	members[half] |= (uint64_t)1 << position;
	return NULL;
}

static const char *add_value(struct question *question, const char *text, bool is_vote)
{
	uint64_t value = 0;

	if (question->value_count == VOTERS_MAX)
		return "more values than a set of nodes holds voters";
	if (strcmp(text, "_") == 0) {
		value = 0;
	} else if (is_vote) {
		value = strcmp(text, "y") == 0 ? VOTE_YES : VOTE_NO;
		if (value == VOTE_NO && strcmp(text, "n") != 0)
			return "a vote is y, n or _";
	} else if (!script_number(text, &value) || value == 0) {
		return "an index is a number above 0 or _";
	}
	question->values[question->value_count++] = value;
	return NULL;
}

static const char *read_argument(struct question *question, const struct script_argument *argument,
				 uint64_t members[2])
{
	const char *trouble = NULL;

	if (strcmp(argument->key, "cfgj") == 0 && argument->value_count == 1 &&
	    strcmp(argument->values[0], "zero") == 0)
		return NULL;
	for (uint32_t i = 0; i < argument->value_count && trouble == NULL; i++) {
		const char *value = argument->values[i];

		if (strcmp(argument->key, "cfg") == 0) {
			trouble = add_voter(question, value, members, 0);
		} else if (strcmp(argument->key, "cfgj") == 0) {
			trouble = add_voter(question, value, members, 1);
		} else if (strcmp(argument->key, "idx") == 0) {
			trouble = add_value(question, value, false);
		} else if (strcmp(argument->key, "votes") == 0) {
			trouble = add_value(question, value, true);
		} else {
			trouble = "an unknown argument";
		}
	}
	return trouble;
}

/* Nodes in the order of the ids; values by node. */
static void assign_nodes(struct question *question, const uint64_t members[2])
{
	for (uint32_t i = 0; i < question->voter_count; i++) {
		qr_node node = 1;

		for (uint32_t k = 0; k < question->voter_count; k++)
			node = (qr_node)(node + (question->ids[k] < question->ids[i]));
		question->id_of[node] = question->ids[i];
		question->value_of[node] = i < question->value_count ? question->values[i] : 0;
		for (unsigned half = 0; half < 2; half++) {
			if ((members[half] >> i & 1) != 0)
				question->halves[half] |= qr_nodes_of(node);
		}
	}
}

static const char *read_question(const struct script_directive *directive,
				 struct question *question)
{
	uint64_t members[2] = {0};

	for (uint32_t i = 0; i < directive->argument_count; i++) {
		const char *trouble = read_argument(question, &directive->arguments[i], members);

		if (trouble != NULL)
			return trouble;
	}
	assign_nodes(question, members);
	return NULL;
}

/* A configuration that stands for the two halves; see the top of this file. */
static struct raft_configuration configuration_of(qr_nodes first, qr_nodes second)
{
	if (first == 0 && second == 0)
		first = qr_nodes_of(SPARE);
	if (first == 0)
		return (struct raft_configuration){.voters = second};
	return (struct raft_configuration){.voters = first, .voters_outgoing = second};
}

static qr_index committed(qr_nodes first, qr_nodes second, const uint64_t *reached)
{
	struct raft_configuration configuration = configuration_of(first, second);
	qr_index all[QR_NODE_MAX + 1];

	for (unsigned node = 0; node <= QR_NODE_MAX; node++)
		all[node] = node == SPARE ? UINT64_MAX : reached[node];
	return raft_configuration_committed(&configuration, all);
}

/* The highest index that those who have reached it would have voted for. */
static qr_index committed_by_votes(qr_nodes first, qr_nodes second, const uint64_t *reached)
{
	struct raft_configuration configuration = configuration_of(first, second);
	qr_index best = (first | second) == 0 ? UINT64_MAX : 0;

	for (unsigned node = 1; node < SPARE; node++) {
		qr_nodes yes = 0;

		for (qr_node other = 1; other < SPARE; other++) {
			if (reached[other] >= reached[node])
				yes |= qr_nodes_of(other);
		}
		if (reached[node] > best && raft_configuration_has_quorum(&configuration, yes))
			best = reached[node];
	}
	return best;
}

static void say_index(FILE *out, qr_index index)
{
	if (index == UINT64_MAX) {
		(void)fputs("\u221e", out); /* infinity: nothing holds the commit back */
	} else {
		(void)fprintf(out, "%" PRIu64, index);
	}
}

/* Every voter gets a bar: as long as the number of voters that are behind it. */
static unsigned bar_of(const struct question *question, qr_node node, enum quorum_drawing drawing)
{
	unsigned behind = 0;

	for (qr_node other = 1; other <= question->voter_count; other++) {
		behind += question->value_of[other] < question->value_of[node];
		if (drawing == QUORUM_DRAWING_OLD && other < node &&
		    question->value_of[other] == question->value_of[node])
			return 0;
	}
	return behind;
}

static void repeat(FILE *out, char c, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		(void)fputc(c, out);
}

static void draw(FILE *out, const struct question *question, enum quorum_drawing drawing)
{
	if (question->voter_count == 0) {
		(void)fputs("<empty majority quorum>", out);
		return;
	}
	repeat(out, ' ', question->voter_count);
	(void)fputs("    idx\n", out);
	for (qr_node node = 1; node <= question->voter_count; node++) {
		unsigned bar = bar_of(question, node, drawing);

		if (question->value_of[node] == 0)
			bar = 0;
		repeat(out, 'x', bar);
		(void)fputc(question->value_of[node] == 0 ? '?' : '>', out);
		repeat(out, ' ', question->voter_count - bar);
		(void)fprintf(out, " %5" PRIu64 "    (id=", question->value_of[node]);
		(void)fprintf(out,
			      drawing == QUORUM_DRAWING_NEW ? "%" PRIx64 ")\n" : "%" PRIu64 ")\n",
			      question->id_of[node]);
	}
}

static void say_if_different(FILE *out, qr_index index, qr_index other, const char *how)
{
	if (index == other)
		return;
	say_index(out, other);
	(void)fprintf(out, " <-- via %s\n", how);
}

/* Whoever is below the commit index does not hold it up: lowering him further changes nothing. */
static void lower_the_lower(FILE *out, const struct question *question, qr_index index)
{
	for (qr_node node = 1; node <= question->voter_count; node++) {
		uint64_t values[QR_NODE_MAX + 1];

		if (question->value_of[node] >= index || question->value_of[node] == 0)
			continue;
		memcpy(values, question->value_of, sizeof(values));
		values[node]--;
		say_if_different(out, index,
				 committed(question->halves[0], question->halves[1], values),
				 "lowering a voter by one");
		values[node] = 0;
		say_if_different(out, index,
				 committed(question->halves[0], question->halves[1], values),
				 "lowering a voter to 0");
	}
}

static const char *answer_committed(FILE *out, const struct question *question,
				    enum quorum_drawing drawing)
{
	qr_nodes first = question->halves[0];
	qr_nodes second = question->halves[1];
	const uint64_t *reached = question->value_of;
	qr_index index;

	if (qr_nodes_count(first) > RAFT_VOTERS_MAX || qr_nodes_count(second) > RAFT_VOTERS_MAX)
		return "more voters in a half than a configuration holds";
	index = committed(first, second, reached);
	draw(out, question, drawing);
	say_if_different(out, index, committed_by_votes(first, second, reached), "votes");
	say_if_different(out, index, committed(second, first, reached), "symmetry");
	if (second == 0)
		say_if_different(out, index, committed(first, first, reached), "self-joint quorum");
	lower_the_lower(out, question, index);
	say_index(out, index);
	(void)fputc('\n', out);
	return NULL;
}

static const char *vote_result(const struct question *question, qr_nodes first, qr_nodes second)
{
	struct raft_configuration configuration = configuration_of(first, second);
	qr_nodes yes = qr_nodes_of(SPARE);
	qr_nodes no = 0;

	for (qr_node node = 1; node <= question->voter_count; node++) {
		if (question->value_of[node] == VOTE_YES)
			yes |= qr_nodes_of(node);
		if (question->value_of[node] == VOTE_NO)
			no |= qr_nodes_of(node);
	}
	if (raft_configuration_has_quorum(&configuration, yes))
		return "VoteWon";
	return raft_configuration_has_blocked(&configuration, no) ? "VoteLost" : "VotePending";
}

static void answer_vote(FILE *out, const struct question *question)
{
	qr_nodes first = question->halves[0];
	qr_nodes second = question->halves[1];
	const char *result = vote_result(question, first, second);
	const char *other = vote_result(question, second, first);

	const char *self_joint = vote_result(question, first, second == 0 ? first : second);

	if (strcmp(other, result) != 0)
		(void)fprintf(out, "%s <-- via symmetry\n", other);
	if (second == 0 && strcmp(self_joint, result) != 0)
		(void)fprintf(out, "%s <-- via self-joint quorum\n", self_joint);
	(void)fprintf(out, "%s\n", result);
}

/* etcd's words, down to how its language prints a map and a slice. */
static void complain_about_count(FILE *out, const struct question *question)
{
	(void)fputs("error: mismatched input (explicit or _) for voters map[", out);
	for (qr_node node = 1; node <= question->voter_count; node++)
		(void)fprintf(out, "%s%" PRIu64 ":{}", node > 1 ? " " : "", question->id_of[node]);
	(void)fputs("]: [", out);
	for (uint32_t i = 0; i < question->value_count; i++) {
		if (i > 0)
			(void)fputc(' ', out);
		say_index(out, question->values[i]);
	}
	(void)fputs("]\n", out);
}

char *quorum_answer(const struct script_directive *directive, enum quorum_drawing drawing,
		    const char **ret_why)
{
	struct question question = {0};
	char *text = NULL;
	size_t size = 0;
	FILE *out;
	const char *trouble = read_question(directive, &question);

	*ret_why = trouble;
	if (trouble != NULL)
		return NULL;
	out = open_memstream(&text, &size);
	QR_ASSERT(out != NULL);
	if (question.value_count != question.voter_count) {
		complain_about_count(out, &question);
	} else if (strcmp(directive->command, "vote") == 0) {
		answer_vote(out, &question);
	} else {
		trouble = answer_committed(out, &question, drawing);
	}
	QR_ASSERT(fclose(out) == 0);
	if (trouble != NULL) {
		free(text);
		text = NULL;
	}
	*ret_why = trouble;
	return text;
}
