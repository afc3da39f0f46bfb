/*
 * One outcome for each field of each node: a number, or a log of which every entry that the file
 * shows must be there with its term and content. Where the logs differ, the first entry that
 * differs stands for it.
 */
#include "tests/scenario/replay/compare.h"

#include "consensus/base/assert.h"
#include "consensus/raft/raft.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VALUE_MAX 512
#define NAME_MAX_CHARS 64

static void judge(const struct compare *compare, const char *outcome, const char *there,
		  const char *here)
{
	if (compare->tally != NULL)
		tally_outcome(compare->tally, compare->directive, outcome, there, here);
}

static bool has_started(const struct compare *compare, qr_node node)
{
	return compare->world != NULL && node <= world_node_count(compare->world);
}

/* numbers */

static uint64_t number_here(const struct compare *compare, qr_node node, enum known_number number)
{
	const struct raft_group *group = world_group(compare->world, node);

	switch (number) {
	case KNOWN_ROLE:
		return group->role;
	case KNOWN_VOTER:
		return raft_configuration_is_voter(&group->configuration, node);
	case KNOWN_TERM:
		return world_term(group->state.term);
	case KNOWN_VOTE:
		return group->state.vote;
	case KNOWN_LEADER:
		return group->leader;
	case KNOWN_COMMIT:
		return group->commit;
	case KNOWN_LAST:
		return group->last;
	case KNOWN_STORED:
		return world_stored_last(compare->world, node);
	case KNOWN_NUMBERS:
		break;
	}
	return 0;
}

static void say_number(char text[VALUE_MAX], enum known_number number, uint64_t value)
{
	if (number == KNOWN_ROLE) {
		(void)snprintf(text, VALUE_MAX, "%s", raft_role_name((enum raft_role)value));
	} else if (number == KNOWN_VOTER) {
		(void)snprintf(text, VALUE_MAX, "%s", value != 0 ? "yes" : "no");
	} else {
		(void)snprintf(text, VALUE_MAX, "%" PRIu64, value);
	}
}

static void compare_number(const struct compare *compare, qr_node node, enum known_number number)
{
	char name[NAME_MAX_CHARS];
	char there[VALUE_MAX];
	char here[VALUE_MAX] = "none";

	(void)snprintf(name, sizeof(name), "%u.%s", node, known_number_name(number));
	say_number(there, number, compare->known->nodes[node].numbers[number].value);
	if (has_started(compare, node))
		say_number(here, number, number_here(compare, node, number));
	judge(compare, name, there, here);
}

/* What lies in storage, and who may vote, is known only when it is told: nothing announces it. */
static bool carries_over(enum known_number number)
{
	return number != KNOWN_STORED && number != KNOWN_VOTER;
}

static uint64_t compare_numbers(const struct compare *compare, qr_node node)
{
	const struct known_node *known = &compare->known->nodes[node];
	bool settled = qr_nodes_has(compare->settled, node);
	uint64_t count = 0;

	for (unsigned i = 0; i < KNOWN_NUMBERS; i++) {
		if (!known->numbers[i].stated &&
		    !(settled && known->numbers[i].known && carries_over((enum known_number)i)))
			continue;
		compare_number(compare, node, (enum known_number)i);
		count++;
	}
	return count;
}

/* logs */

static void say_entry(char text[VALUE_MAX], const char *prefix, qr_term term, qr_index index,
		      const char *content)
{
	(void)snprintf(text, VALUE_MAX, "%s%" PRIu64 "/%" PRIu64 " %s", prefix, term, index,
		       content);
}

/* Whether our node has the entry, and what it has. */
static bool has_entry(const struct compare *compare, qr_node node, enum known_log log,
		      const struct known_entry *wanted, char here[VALUE_MAX])
{
	struct world_entry entry;
	bool decided;

	(void)snprintf(here, VALUE_MAX, "none");
	if (!has_started(compare, node) ||
	    !world_entry_at(compare->world, node, wanted->index, log == KNOWN_DISK, &entry))
		return false;
	decided = wanted->index <= world_group(compare->world, node)->commit;
	say_entry(here, log == KNOWN_DECIDED && !decided ? "undecided " : "", entry.term,
		  wanted->index, entry.text);
	return entry.term == wanted->term && strcmp(entry.text, wanted->text) == 0 &&
	       (log != KNOWN_DECIDED || decided);
}

static void compare_log(const struct compare *compare, qr_node node, enum known_log log)
{
	const struct known_entries *entries = &compare->known->nodes[node].logs[log];
	char name[NAME_MAX_CHARS];
	char there[VALUE_MAX];
	char here[VALUE_MAX];

	(void)snprintf(name, sizeof(name), "%u.%s", node, known_log_name(log));
	for (uint32_t i = 0; i < entries->count; i++) {
		const struct known_entry *entry = &entries->entries[i];

		if (has_entry(compare, node, log, entry, here))
			continue;
		say_entry(there, "", entry->term, entry->index, entry->text);
		judge(compare, name, there, here);
		return;
	}
	judge(compare, name, "the same", "the same");
}

static uint64_t compare_logs(const struct compare *compare, qr_node node)
{
	const struct known_node *known = &compare->known->nodes[node];
	bool settled = qr_nodes_has(compare->settled, node);
	uint64_t count = 0;

	for (unsigned i = 0; i < KNOWN_LOGS; i++) {
		bool carried = settled && i == KNOWN_LOG && known->logs[i].count > 0;

		if (!known->logs[i].stated && !carried)
			continue;
		compare_log(compare, node, (enum known_log)i);
		count++;
	}
	return count;
}

/* progress */

/* A leader counts itself like a follower that has what lies on its own disk. */
static bool progress_here(const struct compare *compare, qr_node node, qr_node follower,
			  struct known_progress *ret_progress)
{
	const struct raft_group *group;
	const struct raft_progress *progress;

	if (!has_started(compare, node))
		return false;
	group = world_group(compare->world, node);
	if (group->role != RAFT_LEADER)
		return false;
	if (node == follower) {
		*ret_progress = (struct known_progress){true, KNOWN_REPLICATE, group->durable.index,
							group->durable.index + 1};
		return true;
	}
	progress = raft_progress_of(group, follower);
	if (progress == NULL)
		return false;
	*ret_progress = (struct known_progress){
		true,
		progress->state == RAFT_PROBE ? KNOWN_PROBE : KNOWN_REPLICATE,
		progress->match,
		progress->next,
	};
	return true;
}

static void compare_progress(const struct compare *compare, qr_node node, qr_node follower)
{
	static const char *const states[] = {
		[KNOWN_PROBE] = "probe",
		[KNOWN_REPLICATE] = "replicate",
		[KNOWN_SNAPSHOT] = "snapshot",
	};
	const struct known_progress *wanted = &compare->known->nodes[node].progress[follower];
	struct known_progress progress = {0};
	bool known = progress_here(compare, node, follower, &progress);
	char name[NAME_MAX_CHARS];
	char there[VALUE_MAX];
	char here[VALUE_MAX] = "none";

	(void)snprintf(name, sizeof(name), "%u.progress[%u].state", node, follower);
	judge(compare, name, states[wanted->state], known ? states[progress.state] : here);
	(void)snprintf(name, sizeof(name), "%u.progress[%u].match", node, follower);
	(void)snprintf(there, sizeof(there), "%" PRIu64, wanted->match);
	if (known)
		(void)snprintf(here, sizeof(here), "%" PRIu64, progress.match);
	judge(compare, name, there, here);
	(void)snprintf(name, sizeof(name), "%u.progress[%u].next", node, follower);
	(void)snprintf(there, sizeof(there), "%" PRIu64, wanted->next);
	if (known)
		(void)snprintf(here, sizeof(here), "%" PRIu64, progress.next);
	judge(compare, name, there, here);
}

uint64_t compare_all(const struct compare *compare)
{
	uint64_t count = 0;

	for (qr_node node = 1; node <= QR_NODE_MAX; node++) {
		count += compare_numbers(compare, node);
		count += compare_logs(compare, node);
		for (qr_node follower = 1; follower <= QR_NODE_MAX; follower++) {
			if (!compare->known->nodes[node].progress[follower].stated)
				continue;
			compare_progress(compare, node, follower);
			count += 3;
		}
	}
	return count;
}
