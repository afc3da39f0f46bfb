/*
 * The store of one node: writes finish in the order in which they were asked for. A write that is
 * under way when its entries are cut off still reaches the disk, and still reports itself under its
 * old generation, as a real device would; the engine then announces the surviving prefix under the
 * new one.
 */
#include "tests/paper/harness/cluster_internal.h"

#include <stdlib.h>
#include <string.h>

uint64_t cluster_chain(uint64_t before, qr_term term, uint64_t value)
{
	uint64_t mixed = before + 0x9e3779b97f4a7c15u * (term + 1) + 0xbf58476d1ce4e5b9u * value;

	mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
	mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
	return mixed ^ (mixed >> 31);
}

void cluster_store_truncate(struct cluster_node *node, qr_index to)
{
	for (uint32_t i = 0; i < node->write_count; i++) {
		struct cluster_write *write = &node->writes[i];

		if (!write->is_state && write->valid_last > to)
			write->valid_last = to;
	}
	if (node->durable > to)
		node->durable = to;
}

static struct cluster_write *new_write(struct cluster_node *node)
{
	assert_true(node->write_count < CLUSTER_WRITES_MAX);
	return &node->writes[node->write_count++];
}

void cluster_store_write_state(struct cluster_node *node, const struct raft_hard_state *state)
{
	*new_write(node) = (struct cluster_write){.is_state = true, .state = *state};
}

void cluster_store_write_entries(struct cluster_node *node, qr_index first, qr_index last,
				 uint64_t generation)
{
	size_t size = (last - first + 1) * sizeof(struct cluster_entry);
	struct cluster_write *write = new_write(node);

	*write = (struct cluster_write){
		.first = first,
		.last = last,
		.valid_last = last,
		.generation = generation,
		.last_term = node->log[last].entry.term,
		.entries = malloc(size),
	};
	assert_non_null(write->entries);
	memcpy(write->entries, &node->log[first], size);
}

static void reach_disk(struct cluster_node *node, const struct cluster_write *write)
{
	if (write->is_state) {
		node->disk_state = write->state;
		return;
	}
	for (qr_index index = write->first; index <= write->last; index++)
		node->disk[index] = write->entries[index - write->first];
	if (write->valid_last >= write->first && write->valid_last > node->durable)
		node->durable = write->valid_last;
}

static void forget_write(struct cluster_node *node)
{
	free(node->writes[0].entries);
	node->write_count--;
	memmove(&node->writes[0], &node->writes[1], node->write_count * sizeof(node->writes[0]));
}

static void tell_durable(struct cluster *cluster, qr_node node, struct raft_position position)
{
	cluster_step(cluster, node,
		     (struct raft_event){
			     .kind = RAFT_EVENT_ENTRIES_DURABLE,
			     .position = position,
		     },
		     NULL);
}

static void finish_oldest(struct cluster *cluster, qr_node node)
{
	struct cluster_node *self = &cluster->nodes[node];
	struct cluster_write write = self->writes[0];

	reach_disk(self, &write);
	forget_write(self);
	if (write.is_state) {
		cluster_step(cluster, node,
			     (struct raft_event){
				     .kind = RAFT_EVENT_STATE_DURABLE,
				     .state_generation = write.state.generation,
			     },
			     NULL);
		return;
	}
	tell_durable(cluster, node,
		     (struct raft_position){write.last, write.last_term, write.generation});
	if (write.generation != self->raft.generation && self->durable > 0) {
		tell_durable(cluster, node,
			     (struct raft_position){self->durable,
						    self->log[self->durable].entry.term,
						    self->raft.generation});
	}
}

void cluster_flush(struct cluster *cluster, qr_node node, uint32_t count)
{
	struct cluster_node *self = &cluster->nodes[node];

	for (; count > 0 && self->write_count > 0 && self->up; count--)
		finish_oldest(cluster, node);
	cluster_settle(cluster, node);
}

void cluster_flush_all(struct cluster *cluster, qr_node node)
{
	while (cluster->nodes[node].write_count > 0 && cluster->nodes[node].up)
		cluster_flush(cluster, node, 1);
}

bool cluster_store_satisfies(const struct cluster_node *node, const struct raft_message *message)
{
	if (message->requires.state_generation > node->disk_state.generation)
		return false;
	if (message->requires.position.index == 0)
		return true;
	return message->requires.position.generation == node->raft.generation &&
	       message->requires.position.index <= node->durable;
}

bool cluster_store_is_outdated(const struct cluster_node *node, const struct raft_message *message)
{
	return message->requires.position.index != 0 &&
	       message->requires.position.generation < node->raft.generation;
}

void cluster_crash(struct cluster *cluster, qr_node node, uint32_t survive)
{
	struct cluster_node *self = &cluster->nodes[node];

	while (self->write_count > 0) {
		if (survive > 0) {
			survive--;
			reach_disk(self, &self->writes[0]);
		}
		forget_write(self);
	}
	for (uint32_t i = 0; i < self->held_count; i++)
		free(self->held[i].entries);
	self->held_count = 0;
	self->up = false;
}

/* Up to the first entry that does not belong behind the one before it. */
qr_index cluster_stored_last(const struct cluster *cluster, qr_node node)
{
	const struct cluster_entry *disk = cluster->nodes[node].disk;
	qr_index last = 0;

	while (last < CLUSTER_LOG_MAX) {
		const struct cluster_entry *next = &disk[last + 1];

		if (next->entry.index != last + 1 ||
		    next->chain != cluster_chain(disk[last].chain, next->entry.term, next->value))
			break;
		last++;
	}
	return last;
}

/* The log becomes what is on the disk, and nothing else remains there. */
static void recover_log(struct cluster_node *node, qr_index last, struct raft_term_run *runs,
			uint32_t *ret_run_count)
{
	uint32_t run_count = 0;

	for (qr_index index = 1; index <= last; index++) {
		qr_term term = node->disk[index].entry.term;

		if (run_count == 0 || runs[run_count - 1].term != term)
			runs[run_count++] = (struct raft_term_run){index, term};
	}
	memset(&node->disk[last + 1], 0, (CLUSTER_LOG_MAX - last) * sizeof(node->disk[0]));
	memcpy(node->log, node->disk, sizeof(node->log));
	*ret_run_count = run_count;
}

void cluster_restart(struct cluster *cluster, qr_node node)
{
	static struct raft_term_run runs[CLUSTER_LOG_MAX];
	struct cluster_node *self = &cluster->nodes[node];
	struct raft_parameters parameters = cluster->parameters;
	struct raft_recovered recovered = {
		.configuration = cluster->configuration,
		.state = self->disk_state,
	};
	qr_index durable = self->durable;
	uint32_t run_count = 0;

	assert_false(self->up);
	parameters.self = node;
	recovered.last = cluster_stored_last(cluster, node);
	recover_log(self, recovered.last, runs, &run_count);
	if (recovered.last < durable) {
		cluster_trouble(cluster, "node %u lost durable entries: the harness is wrong",
				node);
	}
	if (self->keeps_commit)
		recovered.commit = durable < self->raft.commit ? durable : self->raft.commit;
	self->durable = recovered.last;
	memset(self->heard, 0, sizeof(self->heard));
	raft_init(&self->raft, &parameters, &recovered, runs, run_count, cluster->now_ns);
	raft_invariants_check(&self->raft);
	self->up = true;
}

void cluster_forget(struct cluster *cluster, qr_node node)
{
	struct cluster_node *self = &cluster->nodes[node];

	assert_false(self->up);
	memset(self->disk, 0, sizeof(self->disk));
	self->disk_state = (struct raft_hard_state){.amnesia = true};
	self->durable = 0;
	self->life++;
	/* A candidate that has forgotten its candidacy stands for nothing: nobody leads by that
	 * vote. */
	for (qr_term term = 0; term < CLUSTER_TERM_MAX; term++) {
		if (self->voted[term] == node)
			self->voted[term] = 0;
	}
}

void cluster_preload(struct cluster *cluster, qr_node node, qr_index last)
{
	struct cluster_node *self = &cluster->nodes[node];

	assert_false(self->up);
	assert_true(last <= CLUSTER_LOG_MAX);
	assert_int_equal(self->durable, 0);
	for (qr_index index = 1; index <= last; index++) {
		struct cluster_entry entry = {
			.entry = {.index = index, .term = 1, .kind = RAFT_ENTRY_DATA, .blocks = 1},
			.chain = cluster_chain(self->disk[index - 1].chain, 1, 0),
		};

		self->disk[index] = entry;
		if (index > cluster->decided_count) {
			cluster->decided[index] = entry;
			cluster->decided_in[index] = 1;
			cluster->decided_count = index;
		}
	}
	self->disk_state.term = 1;
	self->durable = last;
	self->raft.commit = last;
	self->keeps_commit = true;
}
