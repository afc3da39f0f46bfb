/* The nodes, the network and the clock. */
#include "consensus/base/assert.h"
#include "tests/paper/harness/cluster_internal.h"

#include <stdlib.h>
#include <string.h>

static struct cluster *create(qr_node voter_count, qr_node learner_count, uint64_t seed)
{
	struct cluster *cluster = calloc(1, sizeof(*cluster));
	qr_node node_count = (qr_node)(voter_count + learner_count);

	assert_non_null(cluster);
	assert_true(node_count <= CLUSTER_NODES_MAX);
	cluster->nodes = calloc(node_count + 1u, sizeof(*cluster->nodes));
	assert_non_null(cluster->nodes);
	cluster->node_count = node_count;
	cluster->now_ns = 1000000000;
	cluster->parameters = (struct raft_parameters){
		.election_timeout_ns = CLUSTER_ELECTION_NS,
		.heartbeat_interval_ns = CLUSTER_HEARTBEAT_NS,
		.priority = 100,
		.window_entries = 64,
		.window_blocks = 256,
	};
	qr_prng_init(&cluster->prng, seed);
	for (qr_node node = 1; node <= node_count; node++) {
		if (node <= voter_count) {
			cluster->configuration.voters |= qr_nodes_of(node);
		} else {
			cluster->configuration.learners |= qr_nodes_of(node);
		}
	}
	for (qr_node node = 1; node <= node_count; node++)
		cluster_restart(cluster, node);
	return cluster;
}

struct cluster *cluster_create(qr_node node_count, uint64_t seed)
{
	return create(node_count, 0, seed);
}

struct cluster *cluster_create_with_learners(qr_node voter_count, qr_node learner_count)
{
	return create(voter_count, learner_count, 1);
}

void cluster_destroy(struct cluster *cluster)
{
	cluster_drop_all(cluster);
	for (qr_node node = 1; node <= cluster->node_count; node++)
		cluster_crash(cluster, node, 0);
	free(cluster->nodes);
	free(cluster);
}

struct raft_group *cluster_group(struct cluster *cluster, qr_node node)
{
	return &cluster->nodes[node].raft;
}

/* network */

void cluster_send(struct cluster *cluster, struct cluster_packet packet)
{
	cluster_judge_departure(cluster, &packet.message);
	packet.life = cluster->nodes[packet.message.from].life;
	if (cluster->cut[packet.message.from][packet.message.to] ||
	    cluster->packet_count == CLUSTER_PACKETS_MAX) {
		free(packet.entries);
		return;
	}
	cluster->packets[cluster->packet_count++] = packet;
}

static struct cluster_packet take_packet(struct cluster *cluster, uint32_t position)
{
	struct cluster_packet packet = cluster->packets[position];

	assert_true(position < cluster->packet_count);
	cluster->packet_count--;
	memmove(&cluster->packets[position], &cluster->packets[position + 1],
		(cluster->packet_count - position) * sizeof(packet));
	return packet;
}

static void receive(struct cluster *cluster, const struct raft_message *message,
		    const struct cluster_entry *content)
{
	static struct raft_entry entries[CLUSTER_LOG_MAX];
	struct raft_message incoming = *message;
	size_t count = message->kind == RAFT_MESSAGE_APPEND ? message->last - message->index : 0;

	for (size_t i = 0; i < count; i++)
		entries[i] = content[i].entry;
	incoming.entries = count > 0 ? entries : NULL;
	memset(&incoming.requires, 0, sizeof(incoming.requires));
	cluster_step(cluster, message->to,
		     (struct raft_event){.kind = RAFT_EVENT_MESSAGE, .message = &incoming},
		     content);
}

/* As a real node does it: the position comes first, then the entries one by one. */
static void receive_split(struct cluster *cluster, const struct cluster_packet *packet)
{
	struct raft_message piece = packet->message;

	piece.last = piece.index;
	receive(cluster, &piece, NULL);
	for (qr_index i = 0; i < packet->message.last - packet->message.index; i++) {
		const struct cluster_entry *content = &packet->entries[i];

		piece.last = content->entry.index;
		piece.index = piece.last - 1;
		piece.next_term = content->entry.term;
		receive(cluster, &piece, content);
		piece.log_term = content->entry.term;
	}
}

/** The transport's part: nothing of an earlier life once a later one was heard. */
static bool is_admitted(struct cluster *cluster, const struct cluster_packet *packet)
{
	qr_node from = packet->message.from;
	struct cluster_node *to = &cluster->nodes[packet->message.to];

	if (!to->up || cluster->cut[from][packet->message.to] || packet->life < to->heard[from])
		return false;
	to->heard[from] = packet->life;
	return true;
}

void cluster_deliver_one(struct cluster *cluster, uint32_t position, bool keep, bool split)
{
	struct cluster_packet packet;
	qr_node to;

	assert_true(position < cluster->packet_count);
	packet = keep ? cluster->packets[position] : take_packet(cluster, position);
	to = packet.message.to;
	if (is_admitted(cluster, &packet)) {
		if (split && packet.message.kind == RAFT_MESSAGE_APPEND) {
			receive_split(cluster, &packet);
		} else {
			receive(cluster, &packet.message, packet.entries);
		}
		cluster_settle(cluster, to);
	}
	if (!keep)
		free(packet.entries);
}

void cluster_drop_one(struct cluster *cluster, uint32_t position)
{
	free(take_packet(cluster, position).entries);
}

void cluster_drop_all(struct cluster *cluster)
{
	while (cluster->packet_count > 0)
		cluster_drop_one(cluster, cluster->packet_count - 1);
}

void cluster_deliver(struct cluster *cluster)
{
	for (unsigned bound = 0; cluster->packet_count > 0; bound++) {
		assert_true(bound < 100000);
		cluster_deliver_one(cluster, 0, false, false);
	}
}

unsigned cluster_under_way(const struct cluster *cluster, enum raft_message_kind kind, qr_node from,
			   qr_node to)
{
	unsigned count = 0;

	for (uint32_t i = 0; i < cluster->packet_count; i++) {
		const struct raft_message *message = &cluster->packets[i].message;

		count += message->kind == kind && (from == 0 || message->from == from) &&
			 (to == 0 || message->to == to);
	}
	return count;
}

void cluster_isolate(struct cluster *cluster, qr_node node)
{
	for (qr_node other = 1; other <= cluster->node_count; other++) {
		cluster->cut[node][other] = true;
		cluster->cut[other][node] = true;
	}
}

void cluster_heal(struct cluster *cluster)
{
	memset(cluster->cut, 0, sizeof(cluster->cut));
}

/* steps */

static struct cluster_packet packet_of(const struct cluster_node *node,
				       const struct raft_message *message)
{
	struct cluster_packet packet = {.message = *message};
	size_t size;

	if (message->kind != RAFT_MESSAGE_APPEND || message->last == message->index)
		return packet;
	size = (message->last - message->index) * sizeof(struct cluster_entry);
	packet.entries = malloc(size);
	assert_non_null(packet.entries);
	memcpy(packet.entries, &node->log[message->index + 1], size);
	return packet;
}

static void emit_messages(struct cluster *cluster, struct cluster_node *self)
{
	for (uint32_t i = 0; i < cluster->effects.message_count; i++) {
		const struct raft_message *message = &cluster->effects.messages[i];

		if (cluster_store_satisfies(self, message)) {
			cluster_send(cluster, packet_of(self, message));
		} else {
			assert_true(self->held_count < CLUSTER_HELD_MAX);
			self->held[self->held_count++] = packet_of(self, message);
		}
	}
}

/* Send what has waited for the disk, and forget what waits for entries that are no more. */
static void release_held(struct cluster *cluster, struct cluster_node *self)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < self->held_count; i++) {
		if (cluster_store_satisfies(self, &self->held[i].message)) {
			cluster_send(cluster, self->held[i]);
		} else if (cluster_store_is_outdated(self, &self->held[i].message)) {
			free(self->held[i].entries);
		} else {
			self->held[kept++] = self->held[i];
		}
	}
	self->held_count = kept;
}

/* Where the group's new entries come from: those of the message, or what was proposed. */
static void take_entries(struct cluster *cluster, qr_node node, const struct raft_event *event,
			 const struct cluster_entry *content)
{
	const struct raft_effects *effects = &cluster->effects;
	struct cluster_node *self = &cluster->nodes[node];

	assert_true(effects->write_last <= CLUSTER_LOG_MAX);
	QR_ASSERT(content != NULL);
	for (qr_index index = effects->write_first; index <= effects->write_last; index++) {
		struct cluster_entry *entry = &self->log[index];

		if (event->kind == RAFT_EVENT_MESSAGE) {
			*entry = content[index - event->message->index - 1];
		} else {
			*entry = *content;
			entry->entry.index = index;
			entry->entry.term = self->raft.state.term;
			entry->chain = cluster_chain(self->log[index - 1].chain, entry->entry.term,
						     entry->value);
		}
		cluster_judge_entry(cluster, node, index);
	}
	cluster_store_write_entries(self, effects->write_first, effects->write_last,
				    effects->generation);
}

/* One step, its effects carried out in the order that raft.h prescribes, and judged. */
static void step_once(struct cluster *cluster, qr_node node, const struct raft_event *event,
		      const struct cluster_entry *content)
{
	struct cluster_node *self = &cluster->nodes[node];
	struct raft_effects *effects = &cluster->effects;

	/* All but the sizes, which no invariant across a step is about. */
	memcpy(&cluster->before, &self->raft, offsetof(struct raft_group, sizes));
	raft_step(&self->raft, event, effects);
	raft_invariants_check(&self->raft);
	raft_invariants_check_step(&cluster->before, &self->raft);

	if (effects->truncated)
		cluster_store_truncate(self, effects->truncate_to);
	if (effects->save_state)
		cluster_store_write_state(self, &effects->state);
	if (effects->appended)
		take_entries(cluster, node, event, content);
	cluster_judge_role(cluster, node);
	if (effects->commit_moved)
		cluster_judge_commit(cluster, node, cluster->before.commit + 1, effects->commit);
	for (uint32_t i = 0; i < effects->read_count; i++) {
		cluster_judge_read(cluster, node, &effects->reads[i]);
		self->read = effects->reads[i];
		self->read_count++;
	}
	emit_messages(cluster, self);
	release_held(cluster, self);
}

static void propose(struct cluster *cluster, qr_node node, enum raft_entry_kind kind,
		    uint64_t value)
{
	struct cluster_entry content = {
		.entry = {.kind = kind, .blocks = 1 + (uint32_t)(value % 7)},
		.value = value,
	};
	struct raft_event event = {
		.kind = RAFT_EVENT_PROPOSE,
		.now_ns = cluster->now_ns,
		.propose = {.kind = kind, .blocks = content.entry.blocks},
	};

	step_once(cluster, node, &event, &content);
}

/* A step, and the no-op of a new leader with it. */
void cluster_step(struct cluster *cluster, qr_node node, struct raft_event event,
		  const struct cluster_entry *content)
{
	event.now_ns = cluster->now_ns;
	step_once(cluster, node, &event, content);
	if (cluster->effects.wants_noop)
		propose(cluster, node, RAFT_ENTRY_NOOP, 0);
}

/* A disk that does not wait for the test finishes everything at once. */
void cluster_settle(struct cluster *cluster, qr_node node)
{
	struct cluster_node *self = &cluster->nodes[node];

	if (!self->disk_waits && self->write_count > 0 && self->up)
		cluster_flush_all(cluster, node);
}

static void drive(struct cluster *cluster, qr_node node, struct raft_event event)
{
	assert_true(cluster->nodes[node].up);
	cluster_step(cluster, node, event, NULL);
	cluster_settle(cluster, node);
}

void cluster_tick_with(struct cluster *cluster, qr_node node, uint32_t random)
{
	drive(cluster, node, (struct raft_event){.kind = RAFT_EVENT_TICK, .random = random});
}

void cluster_tick(struct cluster *cluster, qr_node node)
{
	cluster_tick_with(cluster, node, (uint32_t)qr_prng_next(&cluster->prng));
}

static void run(struct cluster *cluster, qr_ns elapsed_ns, bool deliver)
{
	const qr_ns step_ns = CLUSTER_HEARTBEAT_NS / 2;

	for (qr_ns passed = 0; passed < elapsed_ns; passed += step_ns) {
		cluster->now_ns += step_ns;
		for (qr_node node = 1; node <= cluster->node_count; node++) {
			if (cluster->nodes[node].up)
				cluster_tick(cluster, node);
		}
		if (deliver)
			cluster_deliver(cluster);
	}
}

void cluster_run_for(struct cluster *cluster, qr_ns elapsed_ns)
{
	run(cluster, elapsed_ns, false);
}

void cluster_live_for(struct cluster *cluster, qr_ns elapsed_ns)
{
	run(cluster, elapsed_ns, true);
}

void cluster_time_out(struct cluster *cluster, qr_node node)
{
	qr_ns deadline = cluster->nodes[node].raft.election_at_ns;

	if (deadline > cluster->now_ns)
		cluster->now_ns = deadline;
	cluster_tick(cluster, node);
}

void cluster_elect(struct cluster *cluster, qr_node node)
{
	cluster_time_out(cluster, node);
	cluster_deliver(cluster);
	assert_int_equal(cluster_group(cluster, node)->role, RAFT_LEADER);
}

/* The leader of the highest term. */
qr_node cluster_leader(const struct cluster *cluster)
{
	qr_node leader = 0;

	for (qr_node node = 1; node <= cluster->node_count; node++) {
		const struct raft_group *group = &cluster->nodes[node].raft;

		if (!cluster->nodes[node].up || group->role != RAFT_LEADER)
			continue;
		if (leader == 0 || group->state.term > cluster->nodes[leader].raft.state.term)
			leader = node;
	}
	return leader;
}

qr_index cluster_propose(struct cluster *cluster, qr_node node, uint64_t value)
{
	qr_index index = cluster->nodes[node].raft.last + 1;

	assert_true(raft_can_propose(&cluster->nodes[node].raft));
	propose(cluster, node, RAFT_ENTRY_DATA, value);
	cluster_settle(cluster, node);
	return index;
}

void cluster_read(struct cluster *cluster, qr_node node, uint64_t context)
{
	assert_true(context < CLUSTER_READS_MAX);
	cluster->read_floor[context] = cluster->decided_count;
	drive(cluster, node, (struct raft_event){.kind = RAFT_EVENT_READ, .context = context});
}

void cluster_transfer(struct cluster *cluster, qr_node node, qr_node to)
{
	drive(cluster, node, (struct raft_event){.kind = RAFT_EVENT_TRANSFER, .peer = to});
}

void cluster_fail_storage(struct cluster *cluster, qr_node node)
{
	cluster->nodes[node].disk_waits = true;
	drive(cluster, node, (struct raft_event){.kind = RAFT_EVENT_STORAGE_FAILED});
}

bool cluster_has_converged(const struct cluster *cluster)
{
	const struct cluster_node *first = NULL;

	for (qr_node node = 1; node <= cluster->node_count; node++) {
		const struct cluster_node *self = &cluster->nodes[node];

		if (!self->up || self->raft.failed)
			continue;
		if (first == NULL)
			first = self;
		if (self->raft.commit != self->raft.last || self->raft.last != first->raft.last ||
		    self->log[self->raft.last].chain != first->log[first->raft.last].chain)
			return false;
	}
	return first != NULL;
}
