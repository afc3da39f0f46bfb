/*
 * etcd's world for our nodes.
 *
 * Time. A tick of etcd is TICK_NS, an election timeout three of them, as in etcd's tests. Every
 * node has its own clock, which only its own ticks and campaigns move: the cluster's clock is set
 * to it before each step of that node. Our heartbeat interval is a small part of a tick, so that a
 * leader may announce a commit (below) without noticeable time passing.
 *
 * Ready. What a step sends stays in the node's outbox, and what it writes waits, until its Ready
 * is handled: then the writes finish that were asked for before it, and the outbox goes into the
 * network. A message that requires a write is held by the harness until then. With asynchronous
 * storage the writes finish later, one Ready's at a time, and what they release goes out with them;
 * but a hard state with no entries before it is written with its Ready. (etcd's request for votes
 * may overtake the write of the candidate's own vote, ours requires it. Where the disk is quick
 * enough, both leave at the same time.)
 *
 * Commits. etcd's leader tells every follower of a new commit index at once, by an empty MsgApp;
 * ours tells it with the next heartbeat. So a heartbeat is due here as soon as it would tell
 * anybody more than was already sent to him; it counts as a MsgApp when messages are chosen by
 * type.
 *
 * Options. Ours are always on: PreVote, leader stickiness, CheckQuorum. Where a file runs without
 * one, the world is such that it never bites. Without PreVote, every voter grants every pre-vote
 * at once. Without CheckQuorum, every request for a vote is one that the leader asked for, which
 * is what gets past stickiness (thesis §4.2.3), and a leader's ticks take no noticeable time.
 *
 * Room. The harness fails on purpose when it overflows. So every step asks first whether there is
 * room for it; if not, the world stands still from then on and says why (world_overflow).
 */
#include "tests/scenario/replay/world.h"

#include "consensus/base/assert.h"
#include "tests/scenario/replay/world_internal.h"

#include <stdlib.h>
#include <string.h>

#define TICK_NS 1000000000u
#define ELECTION_TICKS 3u
#define HEARTBEAT_NS (TICK_NS / 1000u)
/* Where no file decides, an election timeout is the longest that etcd draws: 5 ticks. */
#define DEFAULT_TICKS 5u
/* Bits that make the core draw that: two thirds of a timeout more (raft_role_arm_election). */
#define DEFAULT_RANDOM (UINT32_MAX / 3u * 2u)

#define TERMS_MAX (CLUSTER_TERM_MAX - 2)
#define ENTRIES_MAX (CLUSTER_LOG_MAX - 2)
#define HELD_ROOM 64 /* a step and those that a write brings about: a few messages a node */
#define WRITES_ROOM 8
#define NETWORK_MAX 100000u

/* life */

struct world *world_create(void)
{
	struct world *world = calloc(1, sizeof(*world));

	QR_ASSERT(world != NULL);
	world->cluster = cluster_create(CLUSTER_NODES_MAX, 1);
	world->cluster->parameters.election_timeout_ns = (qr_ns)TICK_NS * ELECTION_TICKS;
	world->cluster->parameters.heartbeat_interval_ns = HEARTBEAT_NS;
	world->cluster->parameters.window_blocks = 1u << 30;
	for (qr_node node = 1; node <= CLUSTER_NODES_MAX; node++)
		cluster_crash(world->cluster, node, 0);
	world->texts = calloc(1, sizeof(world->texts[0]));
	QR_ASSERT(world->texts != NULL);
	world->texts[0] = strdup("EntryNormal \"\"");
	QR_ASSERT(world->texts[0] != NULL);
	world->text_count = 1;
	return world;
}

void world_destroy(struct world *world)
{
	if (world == NULL)
		return;
	for (qr_node node = 1; node <= CLUSTER_NODES_MAX; node++)
		world_packets_free(&world->nodes[node].outbox);
	world_packets_free(&world->network);
	for (uint32_t i = 0; i < world->text_count; i++)
		free(world->texts[i]);
	free(world->texts);
	cluster_destroy(world->cluster);
	free(world);
}

bool world_configure(struct world *world, const struct raft_configuration *configuration)
{
	if (!raft_configuration_is_valid(configuration))
		return false;
	world->cluster->configuration = *configuration;
	return true;
}

void world_set_options(struct world *world, const struct world_options *options)
{
	uint32_t window = options->inflight;

	if (window == 0 || window > RAFT_WINDOW_ENTRIES_MAX)
		window = RAFT_WINDOW_ENTRIES_MAX;
	world->options = *options;
	world->cluster->parameters.window_entries = window;
}

qr_node world_node_count(const struct world *world)
{
	return world->node_count;
}

struct raft_group *world_group_of(const struct world *world, qr_node node)
{
	QR_ASSERT(node >= 1 && node <= world->node_count);
	return cluster_group(world->cluster, node);
}

const struct raft_group *world_group(const struct world *world, qr_node node)
{
	return world_group_of(world, node);
}

const struct raft_configuration *world_configuration(const struct world *world)
{
	return &world->cluster->configuration;
}

const char *world_trouble(const struct world *world)
{
	return world->cluster->trouble[0] == '\0' ? NULL : world->cluster->trouble;
}

const char *world_overflow(const struct world *world)
{
	return world->overflow;
}

/* steps */

/* Before a step of `node`. False: there is no room for it, or was none before. */
bool world_begin(struct world *world, qr_node node)
{
	const struct cluster_node *self = &world->cluster->nodes[node];

	QR_ASSERT(world->cluster->packet_count == 0);
	if (self->held_count > CLUSTER_HELD_MAX - HELD_ROOM)
		world->overflow = "more messages wait for a disk than the harness holds";
	if (self->write_count > CLUSTER_WRITES_MAX - WRITES_ROOM)
		world->overflow = "more writes wait than the harness holds";
	if (self->raft.state.term > TERMS_MAX)
		world->overflow = "more terms than the harness counts";
	if (self->raft.last >= ENTRIES_MAX)
		world->overflow = "a log longer than the harness holds";
	if (world->network.count + world->nodes[node].outbox.count > NETWORK_MAX)
		world->overflow = "more messages under way than this driver carries";
	if (world->overflow != NULL)
		return false;
	world->cluster->now_ns = world->nodes[node].clock_ns;
	return true;
}

/* What a leader's message tells its receiver of the commit index. */
static void note_told(struct world *world, const struct raft_message *message)
{
	struct world_node *self = &world->nodes[message->from];

	if (message->kind != RAFT_MESSAGE_APPEND && message->kind != RAFT_MESSAGE_HEARTBEAT)
		return;
	if (self->told_term != message->term) {
		memset(self->told, 0, sizeof(self->told));
		self->told_term = message->term;
	}
	if (self->told[message->to] < message->commit)
		self->told[message->to] = message->commit;
}

static bool is_pre_vote(const struct raft_message *message)
{
	return message->kind == RAFT_MESSAGE_PRE_VOTE;
}

/* Move what a step of `node` sent into its outbox, as the options want it. */
static void collect(struct world *world, qr_node node, bool announces)
{
	for (uint32_t i = 0; i < world->cluster->packet_count; i++) {
		struct world_packet packet = {.packet = world->cluster->packets[i]};
		struct raft_message *message = &packet.packet.message;

		QR_ASSERT(message->from == node);
		if (is_pre_vote(message) && !world->options.prevote) {
			free(packet.packet.entries);
			continue;
		}
		if (is_pre_vote(message) || message->kind == RAFT_MESSAGE_VOTE)
			message->transfer |= !world->options.checkquorum;
		packet.announces = announces && message->kind == RAFT_MESSAGE_HEARTBEAT;
		note_told(world, message);
		world_packets_add(&world->nodes[node].outbox, packet);
	}
	world->cluster->packet_count = 0;
}

void world_receive(struct world *world, struct cluster_packet packet)
{
	QR_ASSERT(world->cluster->packet_count == 0);
	world->cluster->packets[world->cluster->packet_count++] = packet;
	cluster_deliver_one(world->cluster, 0, false, false);
}

/* Without PreVote in the file every voter grants every pre-vote, at once. */
static void grant_pre_votes(struct world *world, qr_node node)
{
	const struct raft_group *group = world_group_of(world, node);
	qr_nodes voters = group->configuration.voters | group->configuration.voters_outgoing;

	voters &= ~qr_nodes_of(node);
	while (voters != 0 && group->role == RAFT_PRE_CANDIDATE && world_begin(world, node)) {
		world_receive(world, (struct cluster_packet){
					     .message = {.kind = RAFT_MESSAGE_PRE_VOTE_REPLY,
							 .from = qr_nodes_take(&voters),
							 .to = node,
							 .term = group->state.term + 1},
				     });
		collect(world, node, false);
	}
}

/* After a step of `node`. */
void world_end(struct world *world, qr_node node)
{
	collect(world, node, false);
	if (!world->options.prevote && world_group_of(world, node)->role == RAFT_PRE_CANDIDATE)
		grant_pre_votes(world, node);
}

static void tick_now(struct world *world, qr_node node, bool announces)
{
	if (!world_begin(world, node))
		return;
	cluster_tick_with(world->cluster, node, DEFAULT_RANDOM);
	if (announces)
		collect(world, node, true);
	world_end(world, node);
}

static void advance_clock(struct world *world, qr_node node, qr_ns to_ns)
{
	if (world->nodes[node].clock_ns < to_ns)
		world->nodes[node].clock_ns = to_ns;
}

/*
 * An election timeout is chance, and here the file decides it. The core draws it from a tick's
 * random bits when the timeout begins; to change one that has begun, its end is moved.
 */
static void move_deadline(struct world *world, qr_node node, qr_ns deadline_ns, uint32_t ticks)
{
	world_group_of(world, node)->election_at_ns = deadline_ns;
	world->nodes[node].set_deadline_ns = deadline_ns;
	world->nodes[node].set_ticks = ticks;
}

void world_set_election_timeout(struct world *world, qr_node node, uint32_t ticks)
{
	const struct world_node *self = &world->nodes[node];
	qr_ns deadline_ns = world_group_of(world, node)->election_at_ns;
	uint32_t current = deadline_ns == self->set_deadline_ns ? self->set_ticks : DEFAULT_TICKS;

	move_deadline(world, node, deadline_ns - (qr_ns)current * TICK_NS + (qr_ns)ticks * TICK_NS,
		      ticks);
}

const char *world_add_node(struct world *world, qr_index last)
{
	struct cluster *cluster = world->cluster;
	qr_node node = (qr_node)(world->node_count + 1);

	if (node > CLUSTER_NODES_MAX)
		return "more nodes than the harness holds";
	if (!qr_nodes_has(raft_configuration_members(&cluster->configuration), node))
		return "a node outside of the configuration";
	if (last > ENTRIES_MAX)
		return "a log longer than the harness holds";
	if (last > world->preloaded && cluster->decided_count > world->preloaded)
		return "a log that begins where a running cluster already decided";
	if (last > world->preloaded)
		world->preloaded = last;
	cluster_preload(cluster, node, last);
	cluster_restart(cluster, node);
	cluster->nodes[node].disk_waits = true;
	world->node_count = node;
	/* A group that just started grants no vote for an election timeout: let it pass. */
	advance_clock(world, node, cluster->now_ns + (qr_ns)TICK_NS * ELECTION_TICKS);
	move_deadline(world, node, world->nodes[node].clock_ns + (qr_ns)TICK_NS * DEFAULT_TICKS,
		      DEFAULT_TICKS);
	tick_now(world, node, false);
	return NULL;
}

void world_announce(struct world *world, qr_node node, qr_ns at_ns)
{
	advance_clock(world, node, at_ns);
	tick_now(world, node, true);
}

void world_campaign(struct world *world, qr_node node)
{
	if (world_group_of(world, node)->role == RAFT_LEADER)
		return;
	advance_clock(world, node, world_group_of(world, node)->election_at_ns);
	tick_now(world, node, false);
}

void world_tick(struct world *world, qr_node node)
{
	bool leads = world_group_of(world, node)->role == RAFT_LEADER;
	qr_ns step_ns = leads && !world->options.checkquorum ? HEARTBEAT_NS : TICK_NS;

	world->nodes[node].clock_ns += step_ns;
	if (leads)
		advance_clock(world, node, world_group_of(world, node)->heartbeat_at_ns);
	tick_now(world, node, false);
}

void world_transfer(struct world *world, qr_node node, qr_node to)
{
	if (!world_begin(world, node))
		return;
	cluster_transfer(world->cluster, node, to);
	world_end(world, node);
}

static uint64_t value_of(struct world *world, const char *text)
{
	size_t size = (world->text_count + 1) * sizeof(world->texts[0]);

	/* From 1: what is proposed is never mistaken for a no-op, even if it is empty. */
	for (uint32_t i = 1; i < world->text_count; i++) {
		if (strcmp(world->texts[i], text) == 0)
			return i;
	}
	world->texts = realloc(world->texts, size);
	QR_ASSERT(world->texts != NULL);
	world->texts[world->text_count] = strdup(text);
	QR_ASSERT(world->texts[world->text_count] != NULL);
	return world->text_count++;
}

/* From a follower to whom it follows. */
static void forward(struct world *world, qr_node node, const char *text)
{
	struct world_packet packet = {
		.packet.message = {.from = node, .to = world_group_of(world, node)->leader},
		.proposal = strdup(text),
	};

	QR_ASSERT(packet.proposal != NULL);
	world_packets_add(&world->nodes[node].outbox, packet);
}

bool world_propose(struct world *world, qr_node node, const char *text)
{
	const struct raft_group *group = world_group_of(world, node);

	if (!world_begin(world, node))
		return false;
	if (group->role == RAFT_FOLLOWER && group->leader != 0) {
		forward(world, node, text);
		return true;
	}
	if (!raft_can_propose(group))
		return false;
	(void)cluster_propose(world->cluster, node, value_of(world, text));
	world_end(world, node);
	return true;
}

/* in etcd's terms */

/* All nodes start in term 1, since their first entries have it; etcd's start in term 0. */
qr_term world_term(qr_term own)
{
	QR_ASSERT(own > 0);
	return own - 1;
}

bool world_entry_at(const struct world *world, qr_node node, qr_index index, bool on_disk,
		    struct world_entry *ret_entry)
{
	const struct cluster_node *self = &world->cluster->nodes[node];
	qr_index last = on_disk ? cluster_stored_last(world->cluster, node) : self->raft.last;
	const struct cluster_entry *entry;

	if (index == 0 || index > last)
		return false;
	entry = on_disk ? &self->disk[index] : &self->log[index];
	QR_ASSERT(entry->value < world->text_count);
	/* The entries that a log began with are of etcd's term 1, all others of a term that began.
	 */
	ret_entry->term = entry->entry.term == 1 ? 1 : world_term(entry->entry.term);
	ret_entry->text = world->texts[entry->value];
	return true;
}

qr_index world_stored_last(const struct world *world, qr_node node)
{
	return cluster_stored_last(world->cluster, node);
}
