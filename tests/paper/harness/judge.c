/* The properties of figure 3 of the Raft paper, and those of durability, judged as they happen. */
#include "tests/paper/harness/cluster_internal.h"

#include <stdio.h>

void cluster_trouble(struct cluster *cluster, const char *format, ...)
{
	va_list arguments;

	if (cluster->trouble[0] != '\0')
		return;
	va_start(arguments, format);
	(void)vsnprintf(cluster->trouble, sizeof(cluster->trouble), format, arguments);
	va_end(arguments);
}

bool cluster_is_sound(const struct cluster *cluster)
{
	if (cluster->trouble[0] == '\0')
		return true;
	print_error("%s\n", cluster->trouble);
	return false;
}

/* Log matching, by induction: the entry lies on the prefix on which its leader had it. */
void cluster_judge_entry(struct cluster *cluster, qr_node node, qr_index index)
{
	const struct cluster_entry *log = cluster->nodes[node].log;
	uint64_t chain =
		cluster_chain(log[index - 1].chain, log[index].entry.term, log[index].value);

	if (log[index].entry.index != index || log[index].chain != chain) {
		cluster_trouble(cluster, "log matching: node %u, index %ju", node,
				(uintmax_t)index);
	}
}

static bool same(const struct cluster_entry *a, const struct cluster_entry *b)
{
	return a->entry.index == b->entry.index && a->entry.term == b->entry.term &&
	       a->chain == b->chain;
}

/* Election safety and leader completeness. */
void cluster_judge_role(struct cluster *cluster, qr_node node)
{
	const struct cluster_node *self = &cluster->nodes[node];
	qr_term term = self->raft.state.term;

	assert_true(term < CLUSTER_TERM_MAX);
	if (self->raft.role != RAFT_LEADER)
		return;
	if (cluster->leader_of[term] != 0 && cluster->leader_of[term] != node) {
		cluster_trouble(cluster, "election safety: %u and %u lead term %ju",
				cluster->leader_of[term], node, (uintmax_t)term);
	}
	cluster->leader_of[term] = node;
	for (qr_index index = 1; index <= cluster->decided_count; index++) {
		if (cluster->decided_in[index] < term &&
		    (index > self->raft.last ||
		     !same(&self->log[index], &cluster->decided[index]))) {
			cluster_trouble(cluster,
					"leader completeness: node %u, term %ju lacks %ju, decided "
					"in term %ju",
					node, (uintmax_t)term, (uintmax_t)index,
					(uintmax_t)cluster->decided_in[index]);
		}
	}
}

/** It said so, and it was true: the leader has not heard yet that the disk was lost since. */
static bool had_it(const struct cluster *cluster, qr_node leader, qr_node node, qr_index index)
{
	const struct raft_progress *progress = raft_progress_of(&cluster->nodes[leader].raft, node);

	return progress != NULL && !progress->amnesia && progress->match >= index;
}

/*
 * What a leader decides lies on the disks of a quorum, whether those nodes are up or not. Who has
 * lost its disk does not count, whatever it has again.
 */
static void judge_durability(struct cluster *cluster, qr_node leader,
			     const struct cluster_entry *entry)
{
	qr_nodes holders = 0;

	for (qr_node node = 1; node <= cluster->node_count; node++) {
		const struct cluster_node *self = &cluster->nodes[node];
		qr_index index = entry->entry.index;

		if (self->disk_state.amnesia ? had_it(cluster, leader, node, index)
					     : same(&self->disk[index], entry))
			holders |= qr_nodes_of(node);
	}
	if (!raft_configuration_has_quorum(&cluster->configuration, holders)) {
		cluster_trouble(cluster, "durability: index %ju is decided but not on a quorum",
				(uintmax_t)entry->entry.index);
	}
}

void cluster_judge_commit(struct cluster *cluster, qr_node node, qr_index from, qr_index to)
{
	const struct cluster_node *self = &cluster->nodes[node];

	for (qr_index index = from; index <= to; index++) {
		const struct cluster_entry *entry = &self->log[index];

		if (index <= cluster->decided_count) {
			if (!same(entry, &cluster->decided[index])) {
				cluster_trouble(cluster, "state machine safety: node %u, index %ju",
						node, (uintmax_t)index);
			}
			continue;
		}
		if (self->raft.role != RAFT_LEADER) {
			cluster_trouble(cluster, "node %u committed %ju before any leader", node,
					(uintmax_t)index);
		}
		cluster->decided[index] = *entry;
		cluster->decided_in[index] = self->raft.state.term;
		cluster->decided_count = index;
		judge_durability(cluster, node, entry);
	}
}

static void judge_vote(struct cluster *cluster, qr_node node, qr_term term, qr_node vote)
{
	struct cluster_node *self = &cluster->nodes[node];

	if (self->voted[term] != 0 && self->voted[term] != vote) {
		cluster_trouble(cluster, "node %u voted for %u and %u in term %ju", node,
				self->voted[term], vote, (uintmax_t)term);
	}
	self->voted[term] = vote;
	if (self->disk_state.term < term ||
	    (self->disk_state.term == term && self->disk_state.vote != vote)) {
		cluster_trouble(cluster, "node %u voted in term %ju before that was durable", node,
				(uintmax_t)term);
	}
}

/* A linearizable read sees everything that was decided anywhere before it was asked for. */
void cluster_judge_read(struct cluster *cluster, qr_node node, const struct raft_read_done *read)
{
	assert_true(read->context < CLUSTER_READS_MAX);
	if (!read->failed && read->index < cluster->read_floor[read->context]) {
		cluster_trouble(cluster, "stale read: node %u, read %ju at %ju, decided was %ju",
				node, (uintmax_t)read->context, (uintmax_t)read->index,
				(uintmax_t)cluster->read_floor[read->context]);
	}
}

/* A promise that leaves a node must already be kept by its disk. */
void cluster_judge_departure(struct cluster *cluster, const struct raft_message *message)
{
	const struct cluster_node *self = &cluster->nodes[message->from];

	if (message->kind == RAFT_MESSAGE_VOTE)
		judge_vote(cluster, message->from, message->term, message->from);
	if (message->kind == RAFT_MESSAGE_VOTE_REPLY && !message->reject)
		judge_vote(cluster, message->from, message->term, message->to);
	if ((message->kind == RAFT_MESSAGE_APPEND_REPLY && !message->reject) ||
	    message->kind == RAFT_MESSAGE_HEARTBEAT_REPLY) {
		qr_index index = message->index;

		if (index > 0 &&
		    (index > self->raft.last || !same(&self->disk[index], &self->log[index]))) {
			cluster_trouble(cluster, "node %u acknowledged %ju before it was durable",
					message->from, (uintmax_t)index);
		}
	}
}
