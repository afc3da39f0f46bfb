/*
 * Any bytes as the life of one group: ticks, completions, proposals, and messages that no correct
 * peer would send. Whatever they say, no assertion may fail and every invariant must hold.
 *
 * An operation is one byte and its arguments; small numbers are likely, so that messages often make
 * sense. The clock runs only forwards.
 */
#include "consensus/base/codec.h"
#include "consensus/raft/raft.h"
#include "tests/fuzz/fuzz.h"

#define ENTRIES_MAX 8
#define LOG_MAX 4096u

struct life {
	struct qr_reader bytes;
	struct raft_group group;
	struct raft_group before;
	struct raft_effects effects;
	struct raft_entry entries[ENTRIES_MAX];
	qr_ns now_ns;
};

/* Mostly near what the group knows, rarely anything. */
static uint64_t value_near(struct life *life, uint64_t center)
{
	uint8_t byte = qr_read_u8(&life->bytes);

	if (byte >= 250)
		return qr_read_u64(&life->bytes);
	if (byte >= 200)
		return byte - 200u;
	return center + byte % 9u - (center >= 4 ? 4u : center);
}

static void step_once(struct life *life, struct raft_event event)
{
	event.now_ns = life->now_ns;
	/* All but the sizes, which no invariant across a step is about. */
	memcpy(&life->before, &life->group, offsetof(struct raft_group, sizes));
	raft_step(&life->group, &event, &life->effects);
	raft_invariants_check(&life->group);
	raft_invariants_check_step(&life->before, &life->group);
}

static void step(struct life *life, struct raft_event event)
{
	step_once(life, event);
	if (life->effects.wants_noop) {
		step_once(life, (struct raft_event){
					.kind = RAFT_EVENT_PROPOSE,
					.propose = {.kind = RAFT_ENTRY_NOOP, .blocks = 1},
				});
	}
}

static void fill_entries(struct life *life, struct raft_message *message)
{
	uint8_t count = qr_read_u8(&life->bytes) % (ENTRIES_MAX + 1);
	qr_term term = message->log_term;

	for (uint8_t i = 0; i < count; i++) {
		uint8_t byte = qr_read_u8(&life->bytes);

		term += byte % 8 == 0;
		life->entries[i] = (struct raft_entry){
			.index = message->index + 1 + i + (byte == 255),
			.term = byte == 254 ? term - 1 : term,
			.kind = RAFT_ENTRY_DATA,
			.blocks = byte == 253 ? 0 : byte,
		};
	}
	message->last = message->index + count;
	message->entries = count > 0 ? life->entries : NULL;
}

static void receive(struct life *life)
{
	const struct raft_group *group = &life->group;
	uint8_t kind = qr_read_u8(&life->bytes);
	uint8_t flags = qr_read_u8(&life->bytes);
	struct raft_message message = {
		.kind = (enum raft_message_kind)(kind % RAFT_MESSAGE_TIMEOUT_NOW + 1),
		.from = (qr_node)(flags % 8 < 6 ? 2 + flags % 2 : flags / 8),
		.to = (qr_node)(flags == 255 ? 2 : 1),
		.reject = (flags & 64) != 0,
		.transfer = (flags & 128) != 0,
	};

	message.term = value_near(life, group->state.term);
	message.index = value_near(life, group->last);
	message.log_term = value_near(life, raft_term_at(group, message.index));
	message.commit = value_near(life, group->commit);
	message.next_term = value_near(life, raft_term_at(group, message.index + 1));
	message.hint_index = value_near(life, message.index);
	message.hint_term = value_near(life, raft_term_at(group, message.hint_index));
	message.round = value_near(life, group->round);
	message.last = message.index;
	if (message.kind == RAFT_MESSAGE_APPEND)
		fill_entries(life, &message);
	step(life, (struct raft_event){.kind = RAFT_EVENT_MESSAGE, .message = &message});
}

static void complete(struct life *life)
{
	qr_index index = value_near(life, life->group.last);

	step(life, (struct raft_event){
			   .kind = RAFT_EVENT_ENTRIES_DURABLE,
			   .position = {index, raft_term_at(&life->group, index),
					value_near(life, life->group.generation)},
		   });
}

static void live_once(struct life *life)
{
	uint8_t operation = qr_read_u8(&life->bytes);

	switch (operation % 16) {
	case 0:
		life->now_ns += (qr_ns)qr_read_u8(&life->bytes) << 20;
		step(life, (struct raft_event){.kind = RAFT_EVENT_TICK,
					       .random = qr_read_u32(&life->bytes)});
		break;
	case 1:
		step(life, (struct raft_event){.kind = RAFT_EVENT_STATE_DURABLE,
					       .state_generation = value_near(
						       life, life->group.state.generation)});
		break;
	case 2:
		complete(life);
		break;
	case 3:
		if (raft_can_propose(&life->group)) {
			step(life, (struct raft_event){
					   .kind = RAFT_EVENT_PROPOSE,
					   .propose = {.kind = RAFT_ENTRY_DATA,
						       .blocks = 1u + qr_read_u8(&life->bytes)}});
		}
		break;
	case 4:
		step(life, (struct raft_event){.kind = RAFT_EVENT_READ, .context = operation});
		break;
	case 5:
		step(life, (struct raft_event){.kind = RAFT_EVENT_TRANSFER,
					       .peer = qr_read_u8(&life->bytes) % 8});
		break;
	case 6:
		if (operation == 255 - 9)
			step(life, (struct raft_event){.kind = RAFT_EVENT_STORAGE_FAILED});
		break;
	default:
		receive(life);
		break;
	}
}

/* NOLINTNEXTLINE(readability-identifier-naming) */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
	static struct life life;
	const struct raft_parameters parameters = {
		.self = 1,
		.election_timeout_ns = 100u << 20,
		.heartbeat_interval_ns = 10u << 20,
		.priority = 100,
		.window_entries = 8,
		.window_blocks = 64,
	};
	static const struct raft_term_run runs[] = {{1, 1}, {4, 3}, {6, 4}};
	struct raft_recovered recovered = {
		.configuration = {.voters = qr_nodes_of(1) | qr_nodes_of(2) | qr_nodes_of(3),
				  .learners = qr_nodes_of(4)},
		.state = {.term = 4, .generation = 1},
		.last = 8,
	};

	life.bytes = qr_reader_over(data, size_bytes);
	life.now_ns = 1;
	raft_init(&life.group, &parameters, &recovered, runs, 3, life.now_ns);
	while (qr_reader_left(&life.bytes) > 0 && life.group.last < LOG_MAX)
		live_once(&life);
	return 0;
}
