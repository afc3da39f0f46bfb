/*
 * Consensus as text: each file is a story of commands, and what came of each stands below "----".
 *
 *     scenario-raft [--rewrite] FILE...
 *
 *     # a comment
 *     propose 1 7
 *     ----
 *     index 2
 *
 * The expected output ends with an empty line. With --rewrite it is replaced by what came: look at
 * the difference before keeping it. The commands are in the table at the end of this file.
 */
#include "tests/paper/harness/cluster.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 8

struct story {
	struct cluster *cluster;
	FILE *out; /* what the command at hand has to say */
	uint64_t reads;
	unsigned word_count;
	char *words[WORDS_MAX];
};

/* The story itself is wrong: say why, and end. */
__attribute__((format(printf, 1, 2))) static _Noreturn void give_up(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	(void)vfprintf(stderr, format, arguments);
	va_end(arguments);
	(void)fputc('\n', stderr);
	_Exit(2);
}

static uint64_t number(const struct story *story, unsigned position, uint64_t otherwise)
{
	char *end;
	uint64_t value;

	if (position >= story->word_count)
		return otherwise;
	value = strtoull(story->words[position], &end, 10);
	if (*end != '\0') {
		give_up("not a number: %s", story->words[position]);
	}
	return value;
}

static qr_node node_at(const struct story *story, unsigned position)
{
	uint64_t node = number(story, position, 0);

	if (story->cluster == NULL || node < 1 || node > story->cluster->node_count) {
		give_up("%s: no such node", story->words[0]);
	}
	return (qr_node)node;
}

static const char *kind_name(enum raft_message_kind kind)
{
	static const char *const names[] = {
		[RAFT_MESSAGE_PRE_VOTE] = "pre-vote?",
		[RAFT_MESSAGE_PRE_VOTE_REPLY] = "pre-vote",
		[RAFT_MESSAGE_VOTE] = "vote?",
		[RAFT_MESSAGE_VOTE_REPLY] = "vote",
		[RAFT_MESSAGE_APPEND] = "append",
		[RAFT_MESSAGE_APPEND_REPLY] = "append-reply",
		[RAFT_MESSAGE_HEARTBEAT] = "heartbeat",
		[RAFT_MESSAGE_HEARTBEAT_REPLY] = "heartbeat-reply",
		[RAFT_MESSAGE_TIMEOUT_NOW] = "timeout-now",
		[RAFT_MESSAGE_SNAPSHOT] = "snapshot",
		[RAFT_MESSAGE_RECALL] = "recall?",
		[RAFT_MESSAGE_RECALL_REPLY] = "recall",
	};

	return names[kind];
}

static void say_details(FILE *out, const struct raft_message *message)
{
	switch (message->kind) {
	case RAFT_MESSAGE_PRE_VOTE:
	case RAFT_MESSAGE_VOTE:
		fprintf(out, " last %ju/%ju%s", message->index, message->log_term,
			message->transfer ? " transfer" : "");
		break;
	case RAFT_MESSAGE_PRE_VOTE_REPLY:
	case RAFT_MESSAGE_VOTE_REPLY:
		fputs(message->reject ? " no" : " yes", out);
		break;
	case RAFT_MESSAGE_APPEND:
		fprintf(out, " after %ju/%ju", message->index, message->log_term);
		if (message->last > message->index)
			fprintf(out, " entries %ju..%ju", message->index + 1, message->last);
		fprintf(out, " commit %ju", message->commit);
		break;
	case RAFT_MESSAGE_APPEND_REPLY:
		if (message->reject) {
			fprintf(out, " no %ju, try %ju/%ju", message->index, message->hint_index,
				message->hint_term);
		} else {
			fprintf(out, " durable %ju matched %ju", message->index,
				message->hint_index);
		}
		break;
	case RAFT_MESSAGE_HEARTBEAT:
		fprintf(out, " commit %ju round %ju", message->commit, message->round);
		break;
	case RAFT_MESSAGE_HEARTBEAT_REPLY:
		fprintf(out, " durable %ju round %ju", message->index, message->round);
		break;
	case RAFT_MESSAGE_SNAPSHOT:
		fprintf(out, " index %ju term %ju", message->index, message->log_term);
		break;
	case RAFT_MESSAGE_RECALL_REPLY:
		fprintf(out, " last %ju", message->index);
		break;
	case RAFT_MESSAGE_RECALL:
	case RAFT_MESSAGE_TIMEOUT_NOW:
		break;
	}
}

static void say_message(FILE *out, const struct raft_message *message)
{
	fprintf(out, "%u -> %u %s term %ju", message->from, message->to, kind_name(message->kind),
		message->term);
	say_details(out, message);
	fputc('\n', out);
}

static void do_cluster(struct story *story)
{
	if (story->cluster != NULL)
		cluster_destroy(story->cluster);
	if (number(story, 2, 0) > 0) {
		story->cluster = cluster_create_with_learners((qr_node)number(story, 1, 3),
							      (qr_node)number(story, 2, 0));
	} else {
		story->cluster = cluster_create((qr_node)number(story, 1, 3), 1);
	}
}

static void do_window(struct story *story)
{
	for (qr_node node = 1; node <= story->cluster->node_count; node++) {
		cluster_group(story->cluster, node)->parameters.window_entries =
			(uint32_t)number(story, 1, 1);
	}
}

static void do_time_out(struct story *story)
{
	cluster_time_out(story->cluster, node_at(story, 1));
}

static void do_deliver(struct story *story)
{
	uint64_t count = number(story, 1, 1000);

	for (; count > 0 && story->cluster->packet_count > 0; count--) {
		const struct raft_message *message = &story->cluster->packets[0].message;

		say_message(story->out, message);
		if (!story->cluster->nodes[message->to].up)
			fprintf(story->out, "        (down)\n");
		cluster_deliver_one(story->cluster, 0, false, false);
	}
}

static void do_network(struct story *story)
{
	for (uint32_t i = 0; i < story->cluster->packet_count; i++)
		say_message(story->out, &story->cluster->packets[i].message);
}

/* drop [to NODE] */
static void do_drop(struct story *story)
{
	qr_node to = story->word_count > 2 ? node_at(story, 2) : 0;

	for (uint32_t i = story->cluster->packet_count; i > 0; i--) {
		if (to == 0 || story->cluster->packets[i - 1].message.to == to)
			cluster_drop_one(story->cluster, i - 1);
	}
}

static void do_live(struct story *story)
{
	cluster_live_for(story->cluster, number(story, 1, 100) * 1000000);
}

static void do_sleep(struct story *story)
{
	story->cluster->now_ns += number(story, 1, 100) * 1000000;
}

static void do_tick(struct story *story)
{
	cluster_tick(story->cluster, node_at(story, 1));
}

static void do_propose(struct story *story)
{
	qr_node node = node_at(story, 1);

	if (!raft_can_propose(cluster_group(story->cluster, node))) {
		fputs("refused\n", story->out);
		return;
	}
	fprintf(story->out, "index %ju\n",
		cluster_propose(story->cluster, node, number(story, 2, 0)));
}

static void do_isolate(struct story *story)
{
	cluster_isolate(story->cluster, node_at(story, 1));
}

static void do_heal(struct story *story)
{
	cluster_heal(story->cluster);
}

static void do_crash(struct story *story)
{
	cluster_crash(story->cluster, node_at(story, 1), (uint32_t)number(story, 2, 0));
}

static void do_restart(struct story *story)
{
	cluster_restart(story->cluster, node_at(story, 1));
}

static void do_hold_disk(struct story *story)
{
	story->cluster->nodes[node_at(story, 1)].disk_waits = true;
}

static void do_release_disk(struct story *story)
{
	qr_node node = node_at(story, 1);

	story->cluster->nodes[node].disk_waits = false;
	cluster_flush_all(story->cluster, node);
}

static void do_flush(struct story *story)
{
	struct cluster_node *node = &story->cluster->nodes[node_at(story, 1)];

	fprintf(story->out, "%u writes\n", node->write_count);
	cluster_flush(story->cluster, node_at(story, 1), (uint32_t)number(story, 2, UINT32_MAX));
}

static void do_fail(struct story *story)
{
	cluster_fail_storage(story->cluster, node_at(story, 1));
}

static void do_transfer(struct story *story)
{
	cluster_transfer(story->cluster, node_at(story, 1), node_at(story, 2));
}

static void do_read(struct story *story)
{
	cluster_read(story->cluster, node_at(story, 1), story->reads++);
}

static void do_answers(struct story *story)
{
	const struct cluster_node *node = &story->cluster->nodes[node_at(story, 1)];

	fprintf(story->out, "%u answered", node->read_count);
	if (node->read_count > 0 && node->read.failed) {
		fputs(", the newest: ask elsewhere", story->out);
	} else if (node->read_count > 0) {
		fprintf(story->out, ", the newest at %ju", node->read.index);
	}
	fputc('\n', story->out);
}

static void do_status(struct story *story)
{
	for (qr_node node = 1; node <= story->cluster->node_count; node++) {
		const struct cluster_node *self = &story->cluster->nodes[node];
		const struct raft_group *group = &self->raft;

		fprintf(story->out, "%u ", node);
		if (!self->up) {
			fputs("down\n", story->out);
			continue;
		}
		fprintf(story->out, "%s%s term %ju leader %u last %ju durable %ju commit %ju\n",
			raft_role_name(group->role), group->failed ? " (failed)" : "",
			group->state.term, group->leader, group->last, group->durable.index,
			group->commit);
	}
}

/* Every entry as term:value; a bar behind what is committed. */
static void do_logs(struct story *story)
{
	for (qr_node node = 1; node <= story->cluster->node_count; node++) {
		const struct cluster_node *self = &story->cluster->nodes[node];

		fprintf(story->out, "%u:", node);
		for (qr_index index = 1; self->up && index <= self->raft.last; index++) {
			fprintf(story->out, " %ju:%ju%s", self->log[index].entry.term,
				self->log[index].value, index == self->raft.commit ? " |" : "");
		}
		fputc('\n', story->out);
	}
}

static const struct {
	const char *name;
	const char *arguments;
	void (*run)(struct story *story);
} commands[] = {
	{"cluster", "VOTERS [LEARNERS]: a new one, everything at rest", do_cluster},
	{"window", "ENTRIES in flight to each follower", do_window},
	{"time-out", "NODE: its election timeout passes", do_time_out},
	{"tick", "NODE", do_tick},
	{"sleep", "MS pass, and nobody is ticked", do_sleep},
	{"live", "MS pass, with ticks, and everything is delivered", do_live},
	{"deliver", "[COUNT] packets, and say them", do_deliver},
	{"network", "say what is under way", do_network},
	{"drop", "[to NODE] what is under way", do_drop},
	{"propose", "NODE VALUE", do_propose},
	{"read", "NODE", do_read},
	{"answers", "NODE: to its reads", do_answers},
	{"transfer", "NODE TO", do_transfer},
	{"isolate", "NODE", do_isolate},
	{"heal", "all links", do_heal},
	{"crash", "NODE [WRITES that reach the disk]", do_crash},
	{"restart", "NODE", do_restart},
	{"hold-disk", "NODE: writes finish only by flush", do_hold_disk},
	{"release-disk", "NODE: writes finish at once again", do_release_disk},
	{"flush", "NODE [WRITES]", do_flush},
	{"fail-disk", "NODE", do_fail},
	{"status", "of all nodes", do_status},
	{"logs", "of all nodes", do_logs},
};

static void run_command(struct story *story, const char *line)
{
	char copy[256];
	char *rest = copy;
	char *word;

	(void)snprintf(copy, sizeof(copy), "%s", line);
	story->word_count = 0;
	story->words[0] = copy;
	while ((word = strsep(&rest, " ")) != NULL && story->word_count < WORDS_MAX) {
		if (*word != '\0')
			story->words[story->word_count++] = word;
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(story->words[0], commands[i].name) != 0)
			continue;
		commands[i].run(story);
		if (story->cluster != NULL && story->cluster->trouble[0] != '\0')
			fprintf(story->out, "TROUBLE: %s\n", story->cluster->trouble);
		return;
	}
	give_up("unknown command: %s", line);
}

static char *read_file(const char *path)
{
	FILE *file = fopen(path, "r");
	char *text = NULL;
	size_t size = 0;

	if (file == NULL || getdelim(&text, &size, '\0', file) < 0) {
		give_up("%s: %m", path);
	}
	(void)fclose(file);
	return text;
}

/* The story again, with what really came of every command. The caller frees it. */
static char *retell(const char *text)
{
	struct story story = {0};
	char *told = NULL;
	size_t size = 0;
	char *copy = strdup(text);
	char *rest = copy;
	char *line;
	bool skipping = false; /* within an expected output */

	story.out = open_memstream(&told, &size);
	if (story.out == NULL || copy == NULL)
		give_up("out of memory");
	while ((line = strsep(&rest, "\n")) != NULL) {
		if (skipping) {
			skipping = *line != '\0';
			continue;
		}
		if (rest == NULL && *line == '\0')
			break;
		fprintf(story.out, "%s\n", line);
		if (*line == '\0' || *line == '#')
			continue;
		fputs("----\n", story.out);
		run_command(&story, line);
		fputc('\n', story.out);
		line = rest == NULL ? NULL : strsep(&rest, "\n");
		skipping = line != NULL && strcmp(line, "----") == 0;
		if (line != NULL && !skipping) {
			give_up("no ---- after a command; found: %s", line);
		}
	}
	if (story.cluster != NULL)
		cluster_destroy(story.cluster);
	free(copy);
	(void)fclose(story.out);
	return told;
}

static void rewrite(const char *path, const char *told)
{
	FILE *file = fopen(path, "w");

	if (file == NULL || fputs(told, file) < 0 || fclose(file) != 0) {
		give_up("%s: %m", path);
	}
}

/* Say where the two differ first. */
static void show_difference(const char *expected, const char *told)
{
	unsigned line = 1;
	size_t i = 0;
	size_t start = 0;

	for (; expected[i] == told[i] && told[i] != '\0'; i++) {
		if (told[i] == '\n') {
			line++;
			start = i + 1;
		}
	}
	printf("# line %u: expected: %.*s\n", line, (int)strcspn(expected + start, "\n"),
	       expected + start);
	printf("# line %u: came:     %.*s\n", line, (int)strcspn(told + start, "\n"), told + start);
}

int main(int argc, char **argv)
{
	bool rewriting = argc > 1 && strcmp(argv[1], "--rewrite") == 0;
	int first = rewriting ? 2 : 1;
	int failed = 0;

	printf("1..%d\n", argc - first);
	for (int i = first; i < argc; i++) {
		const char *name = strrchr(argv[i], '/');
		char *expected = read_file(argv[i]);
		char *told = retell(expected);
		bool same = strcmp(expected, told) == 0;

		if (!same && rewriting) {
			rewrite(argv[i], told);
			same = true;
		}
		printf("%s %d - %s\n", same ? "ok" : "not ok", i - first + 1,
		       name == NULL ? argv[i] : name + 1);
		if (!same)
			show_difference(expected, told);
		failed += !same;
		free(expected);
		free(told);
	}
	return failed == 0 ? 0 : 1;
}
