/*
 * Any bytes as the life, the deaths and the further lives of one replica of one group: ticks,
 * completions true and false, proposals, reads, transfers, storage that fails, crashes, and
 * messages that no correct peer would send. Whatever they say, no assertion may fail, every
 * invariant must hold, and the oracle must find nothing in the effects.
 *
 * The input is four bytes of circumstances and then steps of twelve bytes: a change to one of them
 * leaves the others what they are. Numbers are mostly near what the group knows, rarely extreme.
 * Among the steps is one that answers an earlier message as a correct peer would: that is how
 * leaderships come about at all.
 */
#include "consensus/base/assert.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/raft_oracle.h"

#define CIRCUMSTANCES_BYTES 4
#define STEP_BYTES 12
#define ENTRIES_MAX 8
#define RUNS_FEW 64
#define SELF 1
#define NODE(n) ((qr_nodes)1 << (n))
#define NODES(a, b, c) (NODE(a) | NODE(b) | NODE(c))

struct life {
	struct raft_group group;
	struct raft_group before;
	struct raft_effects effects;
	struct oracle oracle;
	uint32_t sent_count; /* messages of the last step that sent any */
	struct raft_message sent[RAFT_MESSAGES_MAX];
	struct raft_entry entries[ENTRIES_MAX];
	struct raft_parameters parameters;
	struct raft_term_run runs[ORACLE_LOG_MAX];
	uint64_t steps;
	uint64_t context; /* of the newest read */
	qr_ns now_ns;
};

static struct life life;

static const struct raft_configuration configurations[] = {
	{.voters = NODES(1, 2, 3)},
	{.voters = NODES(1, 2, 3), .learners = NODE(4)},
	{.voters = NODES(1, 2, 3), .voters_outgoing = NODES(1, 4, 5)},
	{.voters = NODES(2, 3, 4),
	 .voters_outgoing = NODES(1, 2, 3),
	 .learners = NODE(5) | NODE(6)},
	{.voters = NODE(1)},
	{.voters = NODE(1), .voters_outgoing = NODE(2)},
	{.voters = NODES(2, 3, 4), .learners = NODE(1)},
	{.voters = NODES(1, 2, 3) | NODES(4, 5, 6) | NODE(7), .learners = NODES(8, 9, 63)},
	{.voters = NODE(1) | NODE(2)},
	{.voters = NODES(2, 3, 4)},
};

#define CONFIGURATIONS (sizeof(configurations) / sizeof(configurations[0]))

/* ---- numbers ---- */

/** As fuzz_near; some of the rare ones are the group's own limits. */
static uint64_t value_near(uint64_t center, uint8_t byte)
{
	const struct raft_group *group = &life.group;
	const uint64_t limits[] = {
		group->last,	group->last + 1,      group->commit,	 group->commit + 1,
		group->matched, group->durable.index, group->term_start, group->round,
	};

	if (byte >= 232 && byte < 240)
		return limits[byte - 232];
	return fuzz_near(center, byte);
}

/* ---- steps ---- */

static void copy_before(void)
{
	const struct raft_group *group = &life.group;

	/* The sizes are not looked at; and of the runs seldom more than a few are in use. */
	memcpy(&life.before, group, offsetof(struct raft_group, runs));
	if (group->run_head == 0) {
		memcpy(life.before.runs, group->runs, group->run_count * sizeof(group->runs[0]));
	} else {
		memcpy(life.before.runs, group->runs, sizeof(group->runs));
	}
}

static void step_once(struct raft_event event)
{
	event.now_ns = life.now_ns;
	copy_before();
	raft_step(&life.group, &event, &life.effects);
	/* A thousand terms are looked through at every check: then not after every step. */
	if (life.group.run_count < RUNS_FEW || ++life.steps % 16 == 0)
		raft_invariants_check(&life.group);
	raft_invariants_check_step(&life.before, &life.group);
	oracle_judge(&life.oracle, &life.before, &event, &life.group, &life.effects);
	if (life.effects.message_count != 0) {
		life.sent_count = life.effects.message_count;
		memcpy(life.sent, life.effects.messages, life.sent_count * sizeof(life.sent[0]));
	}
}

static void step(struct raft_event event)
{
	step_once(event);
	if (life.effects.wants_noop) {
		step_once((struct raft_event){.kind = RAFT_EVENT_PROPOSE,
					      .propose = {.kind = RAFT_ENTRY_NOOP, .blocks = 1}});
	}
	(void)raft_next_deadline(&life.group);
}

static void step_tick(const uint8_t *bytes)
{
	uint32_t random = (uint32_t)bytes[4] << 24 | (uint32_t)bytes[5] << 16;

	/* A heartbeat interval is 10 units, an election timeout 100. */
	life.now_ns += (qr_ns)bytes[1] << (bytes[2] % 8 == 7 ? 24 : 20);
	step((struct raft_event){
		.kind = RAFT_EVENT_TICK, .random = random, .store_hangs = bytes[3] % 16 == 15});
}

static void step_state_durable(const uint8_t *bytes)
{
	uint64_t newest = life.group.state.generation;

	step((struct raft_event){
		.kind = RAFT_EVENT_STATE_DURABLE,
		.state_generation = bytes[1] < 128 ? newest : value_near(newest, bytes[2]),
	});
}

static void step_durable(const uint8_t *bytes)
{
	const struct oracle *oracle = &life.oracle;
	qr_index index = bytes[1] < 64 ? oracle->last : value_near(oracle->last, bytes[2]);
	bool known = index <= oracle->last;

	/* The store writes no entry before the hard state that it needs. */
	while (known && oracle->terms[index] > oracle->states[oracle->state_durable].term)
		index--;
	step((struct raft_event){
		.kind = RAFT_EVENT_ENTRIES_DURABLE,
		.position =
			{
				.index = index,
				.term = bytes[3] < 240 ? oracle->terms[known ? index : 0]
						       : value_near(0, bytes[4]),
				.generation = bytes[5] < 200
						      ? oracle->generation
						      : value_near(oracle->generation, bytes[6]),
			},
	});
}

static void step_propose(const uint8_t *bytes)
{
	if (!raft_can_propose(&life.group))
		return;
	for (unsigned i = bytes[2] % 16 + 1u; i > 0 && oracle_has_room(&life.oracle); i--) {
		step((struct raft_event){
			.kind = RAFT_EVENT_PROPOSE,
			.propose = {.kind = RAFT_ENTRY_DATA, .blocks = 1u + bytes[1]}});
	}
}

/* ---- messages ---- */

static void fill_entries(struct raft_message *message, const uint8_t *bytes)
{
	uint8_t count = bytes[11] % (ENTRIES_MAX + 1);
	qr_term term = message->log_term;

	for (uint8_t i = 0; i < count; i++) {
		term += (bytes[10] >> i & 1) != 0 || term == 0;
		life.entries[i] = (struct raft_entry){
			.index = message->index + 1 + i + (bytes[9] == 255),
			.term = bytes[9] == 254 && i == 1 ? term - 2 : term,
			.kind = RAFT_ENTRY_DATA,
			.blocks = bytes[9] == 253 ? 0 : 1u + bytes[8],
		};
	}
	message->last = message->index + count;
	message->entries = count > 0 && bytes[9] != 252 ? life.entries : NULL;
	if (count > 0 && bytes[7] < 200)
		message->next_term = life.entries[0].term;
}

static void step_message(const uint8_t *bytes)
{
	const struct raft_group *group = &life.group;
	const qr_term *terms = life.oracle.terms;
	struct raft_message message = {
		.kind = (enum raft_message_kind)(bytes[1] % RAFT_MESSAGE_MAX + 1),
		.from = (qr_node)(bytes[2] % 16 < 12 ? 2 + bytes[2] % 4 : bytes[2] / 16 * 4),
		.to = bytes[2] == 255 ? 2 : SELF,
		.reject = (bytes[1] & 64) != 0,
		.transfer = (bytes[1] & 128) != 0,
		.amnesia = bytes[10] >= 248,
	};

	message.term = value_near(group->state.term, bytes[3]);
	message.index = value_near(group->last, bytes[4]);
	message.log_term = value_near(
		message.index <= group->last ? terms[message.index] : group->state.term, bytes[5]);
	message.commit = value_near(group->commit, bytes[6]);
	message.next_term = value_near(message.log_term, bytes[7]);
	message.hint_index = value_near(message.index, bytes[8]);
	message.hint_term = value_near(message.log_term, bytes[9]);
	message.round = value_near(group->round, bytes[10]);
	message.last = message.index;
	if (message.kind == RAFT_MESSAGE_APPEND)
		fill_entries(&message, bytes);
	step((struct raft_event){.kind = RAFT_EVENT_MESSAGE, .message = &message});
}

/** What a correct peer would reply to a message, a little later or with other numbers. */
static void step_answer(const uint8_t *bytes)
{
	const struct raft_message *asked;
	struct raft_message message = {.to = SELF};

	if (life.sent_count == 0)
		return;
	asked = &life.sent[bytes[1] % life.sent_count];
	message.from = asked->to;
	message.term = asked->term;
	message.reject = bytes[2] >= 224;
	message.amnesia = bytes[8] >= 240;
	message.round = asked->kind == RAFT_MESSAGE_HEARTBEAT ? asked->round : life.group.round;
	message.index = bytes[3] < 160 ? life.group.last : value_near(asked->last, bytes[4]);
	message.hint_index = bytes[5] < 160 ? message.index : value_near(message.index, bytes[6]);
	message.hint_term = value_near(asked->log_term, bytes[7]);
	switch (asked->kind) {
	case RAFT_MESSAGE_PRE_VOTE:
	case RAFT_MESSAGE_VOTE:
		message.kind = asked->kind + 1;
		break;
	case RAFT_MESSAGE_APPEND:
		message.kind = RAFT_MESSAGE_APPEND_REPLY;
		if (message.reject)
			message.index = asked->index;
		break;
	case RAFT_MESSAGE_HEARTBEAT:
		message.kind = RAFT_MESSAGE_HEARTBEAT_REPLY;
		break;
	case RAFT_MESSAGE_PRE_VOTE_REPLY:
	case RAFT_MESSAGE_VOTE_REPLY:
	case RAFT_MESSAGE_APPEND_REPLY:
	case RAFT_MESSAGE_HEARTBEAT_REPLY:
	case RAFT_MESSAGE_TIMEOUT_NOW:
	case RAFT_MESSAGE_SNAPSHOT:
	case RAFT_MESSAGE_RECALL:
	case RAFT_MESSAGE_RECALL_REPLY:
		return;
	}
	step((struct raft_event){.kind = RAFT_EVENT_MESSAGE, .message = &message});
}

/** A member knows that some entry is committed; mostly one that is here. */
static void step_committed(const uint8_t *bytes)
{
	const struct oracle *oracle = &life.oracle;
	qr_index index = value_near(life.group.commit + 1, bytes[2]);
	qr_term term = oracle->terms[index <= oracle->last ? index : 0];

	step((struct raft_event){
		.kind = RAFT_EVENT_COMMITTED,
		.position = {.index = index, .term = value_near(term, bytes[3])},
	});
}

/** What the group has committed is not in its log any more, up to some entry. */
static void step_floor(const uint8_t *bytes)
{
	struct raft_group *group = &life.group;
	qr_index index = group->commit * (bytes[2] % 5u) / 4;

	if (!group->failed && index > group->floor)
		raft_set_floor(group, index, bytes[3] < 32 ? 0 : life.oracle.terms[index]);
}

/* ---- lives ---- */

/** Start from what the medium holds. */
static void begin_life(struct raft_recovered *recovered)
{
	const qr_term *terms = life.oracle.terms;
	uint32_t count = 0;

	for (qr_index index = 1; index <= recovered->last; index++) {
		if (terms[index] != terms[index - 1] || index == 1)
			life.runs[count++] = (struct raft_term_run){index, terms[index]};
	}
	raft_init(&life.group, &life.parameters, recovered, life.runs, count, life.now_ns);
	raft_invariants_check(&life.group);
	life.sent_count = 0;
}

static void step_crash(const uint8_t *bytes)
{
	const struct raft_group *group = &life.group;
	struct raft_recovered recovered;
	qr_index commit = group->commit;

	oracle_crash(&life.oracle, value_near(group->last, bytes[2]),
		     group->state_durable_generation + bytes[3] % 4, &recovered);
	if (commit > recovered.last)
		commit = recovered.last;
	recovered.commit = commit * (bytes[4] % 3) / 2;
	begin_life(&recovered);
}

static void live(const uint8_t *bytes)
{
	switch (bytes[0] % 16) {
	case 0:
	case 1:
		step_tick(bytes);
		break;
	case 2:
		step_state_durable(bytes);
		break;
	case 3:
		step_durable(bytes);
		break;
	case 4:
		step_propose(bytes);
		break;
	case 5:
		for (unsigned i = bytes[1] % 70 + 1u; i > 0; i--) {
			step((struct raft_event){.kind = RAFT_EVENT_READ,
						 .context = ++life.context});
		}
		break;
	case 6:
		step((struct raft_event){.kind = RAFT_EVENT_TRANSFER, .peer = bytes[1] % 8});
		break;
	case 7:
		if (bytes[1] >= 128) {
			step_floor(bytes);
		} else if (bytes[1] < 32) {
			step((struct raft_event){.kind = RAFT_EVENT_STORAGE_FAILED});
		} else if (bytes[1] < 64) {
			step_committed(bytes);
		} else {
			step_crash(bytes);
		}
		break;
	case 8:
	case 9:
	case 10:
		step_answer(bytes);
		break;
	default:
		step_message(bytes);
		break;
	}
}

static void begin(const uint8_t circumstances[CIRCUMSTANCES_BYTES])
{
	static const qr_term some[] = {1, 1, 1, 3, 3, 4, 4, 4};
	struct raft_hard_state state = {.term = 4, .generation = 1};
	struct raft_recovered recovered;

	life.parameters = (struct raft_parameters){
		.self = SELF,
		.election_timeout_ns = 100u << 20,
		.heartbeat_interval_ns = 10u << 20,
		.priority = (uint8_t)(circumstances[3] % 101),
		.window_entries = 1u + circumstances[2] % 16,
		.window_blocks = 1u + circumstances[2] / 16 * 16,
	};
	life.now_ns = 1;
	life.context = 0;
	life.steps = 0;
	if (circumstances[1] % 8 == 0) {
		state.term = 0;
	} else if (circumstances[1] % 8 == 1) {
		state.term = RAFT_TERM_RUNS_MAX + 76;
	}
	oracle_init(&life.oracle, &configurations[circumstances[0] % CONFIGURATIONS], SELF, &state);
	if (circumstances[1] % 8 == 1) {
		/* More elections than are remembered: the oldest entries have unknown terms. */
		for (qr_term term = 1; term <= RAFT_TERM_RUNS_MAX + 76; term++)
			oracle_add(&life.oracle, term);
	} else if (circumstances[1] % 8 > 2) {
		for (unsigned i = 0; i < sizeof(some) / sizeof(some[0]); i++)
			oracle_add(&life.oracle, some[i]);
	}
	oracle_crash(&life.oracle, life.oracle.last, state.generation, &recovered);
	recovered.commit = circumstances[1] / 8 % 4 * life.oracle.last / 4;
	begin_life(&recovered);
}

/* NOLINTNEXTLINE(readability-identifier-naming) */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
	if (size_bytes < CIRCUMSTANCES_BYTES)
		return 0;
	begin(data);
	data += CIRCUMSTANCES_BYTES;
	size_bytes -= CIRCUMSTANCES_BYTES;
	for (; size_bytes >= STEP_BYTES && oracle_has_room(&life.oracle); data += STEP_BYTES) {
		live(data);
		size_bytes -= STEP_BYTES;
	}
	return 0;
}
