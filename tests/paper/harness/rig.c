#include "tests/paper/harness/rig.h"

#include <string.h>

static qr_term term_of(char digit)
{
	assert_true(digit >= '1' && digit <= '9');
	return (qr_term)(digit - '0');
}

void rig_restart(struct rig *rig, struct raft_hard_state state, const char *log, qr_index commit)
{
	struct raft_term_run runs[64];
	uint32_t run_count = 0;
	struct raft_recovered recovered = {
		.configuration = rig->configuration,
		.state = state,
		.last = strlen(log),
		.commit = commit,
	};

	for (size_t i = 0; log[i] != '\0'; i++) {
		if (i == 0 || log[i] != log[i - 1])
			runs[run_count++] = (struct raft_term_run){i + 1, term_of(log[i])};
	}
	raft_init(&rig->group, &rig->parameters, &recovered, runs, run_count,
		  rig->group.now_ns + 1000);
	raft_invariants_check(&rig->group);
}

void rig_start(struct rig *rig, qr_node voters, qr_term term, const char *log)
{
	memset(rig, 0, sizeof(*rig));
	rig->parameters = (struct raft_parameters){
		.self = 1,
		.election_timeout_ns = RIG_ELECTION_NS,
		.heartbeat_interval_ns = RIG_HEARTBEAT_NS,
		.priority = 100,
		.window_entries = 64,
		.window_blocks = 1024,
	};
	for (qr_node node = 1; node <= voters; node++)
		rig->configuration.voters |= qr_nodes_of(node);
	rig_restart(rig, (struct raft_hard_state){.term = term, .generation = 1}, log, 0);
}

void rig_step(struct rig *rig, struct raft_event event)
{
	if (event.now_ns == 0)
		event.now_ns = rig->group.now_ns;
	memcpy(&rig->before, &rig->group, sizeof(rig->group));
	raft_step(&rig->group, &event, &rig->effects);
	raft_invariants_check(&rig->group);
	raft_invariants_check_step(&rig->before, &rig->group);
}

void rig_receive(struct rig *rig, struct raft_message message)
{
	message.to = message.to == 0 ? 1 : message.to;
	rig_step(rig, (struct raft_event){.kind = RAFT_EVENT_MESSAGE, .message = &message});
}

void rig_tick_after(struct rig *rig, qr_ns elapsed_ns)
{
	rig_step(rig, (struct raft_event){
			      .kind = RAFT_EVENT_TICK,
			      .now_ns = rig->group.now_ns + elapsed_ns,
		      });
}

void rig_run_for(struct rig *rig, qr_ns elapsed_ns)
{
	for (; elapsed_ns > RIG_HEARTBEAT_NS / 2; elapsed_ns -= RIG_HEARTBEAT_NS / 2)
		rig_tick_after(rig, RIG_HEARTBEAT_NS / 2);
	rig_tick_after(rig, elapsed_ns);
}

void rig_propose(struct rig *rig, uint32_t blocks)
{
	rig_step(rig, (struct raft_event){
			      .kind = RAFT_EVENT_PROPOSE,
			      .propose = {.kind = RAFT_ENTRY_DATA, .blocks = blocks},
		      });
}

void rig_durable(struct rig *rig, qr_index index)
{
	rig_step(rig, (struct raft_event){
			      .kind = RAFT_EVENT_ENTRIES_DURABLE,
			      .position = {index, raft_term_at(&rig->group, index),
					   rig->group.generation},
		      });
}

void rig_state_durable(struct rig *rig)
{
	rig_step(rig, (struct raft_event){
			      .kind = RAFT_EVENT_STATE_DURABLE,
			      .state_generation = rig->group.state.generation,
		      });
}

/* NOLINTNEXTLINE(readability-function-size): the arguments of AppendEntries, as in figure 2 */
void rig_append(struct rig *rig, qr_node from, qr_term term, qr_index prev, qr_term prev_term,
		const char *entries, qr_index commit)
{
	size_t count = strlen(entries);

	for (size_t i = 0; i < count; i++) {
		rig->entries[i] = (struct raft_entry){
			.index = prev + 1 + i,
			.term = term_of(entries[i]),
			.kind = RAFT_ENTRY_DATA,
			.blocks = 1,
		};
	}
	rig_receive(rig, (struct raft_message){
				 .kind = RAFT_MESSAGE_APPEND,
				 .from = from,
				 .term = term,
				 .index = prev,
				 .log_term = prev_term,
				 .last = prev + count,
				 .next_term = count > 0 ? rig->entries[0].term : 0,
				 .entries = count > 0 ? rig->entries : NULL,
				 .commit = commit,
			 });
}

void rig_time_out(struct rig *rig)
{
	rig_step(rig, (struct raft_event){
			      .kind = RAFT_EVENT_TICK,
			      .now_ns = rig->group.election_at_ns,
		      });
}

static void grant(struct rig *rig, enum raft_message_kind kind, qr_term term)
{
	qr_node last = (qr_node)(1 + qr_nodes_count(rig->configuration.voters) / 2);

	for (qr_node node = 2; node <= last; node++)
		rig_receive(rig, (struct raft_message){.kind = kind, .from = node, .term = term});
}

void rig_stand(struct rig *rig)
{
	rig_time_out(rig);
	grant(rig, RAFT_MESSAGE_PRE_VOTE_REPLY, rig->group.state.term + 1);
	assert_int_equal(rig->group.role, RAFT_CANDIDATE);
	rig_state_durable(rig);
}

void rig_lead(struct rig *rig)
{
	rig_stand(rig);
	grant(rig, RAFT_MESSAGE_VOTE_REPLY, rig->group.state.term);
	assert_int_equal(rig->group.role, RAFT_LEADER);
	assert_true(rig->effects.wants_noop || qr_nodes_count(rig->configuration.voters) == 1);
	rig_step(rig, (struct raft_event){
			      .kind = RAFT_EVENT_PROPOSE,
			      .propose = {.kind = RAFT_ENTRY_NOOP, .blocks = 1},
		      });
}

void rig_acknowledge(struct rig *rig, qr_node from, qr_index index)
{
	rig_receive(rig, (struct raft_message){
				 .kind = RAFT_MESSAGE_APPEND_REPLY,
				 .from = from,
				 .term = rig->group.state.term,
				 .index = index,
				 .hint_index = index,
			 });
}

unsigned rig_count(const struct rig *rig, enum raft_message_kind kind)
{
	unsigned count = 0;

	for (uint32_t i = 0; i < rig->effects.message_count; i++)
		count += rig->effects.messages[i].kind == kind;
	return count;
}

bool rig_has_sent(const struct rig *rig, enum raft_message_kind kind, qr_node to)
{
	for (uint32_t i = 0; i < rig->effects.message_count; i++) {
		if (rig->effects.messages[i].kind == kind && rig->effects.messages[i].to == to)
			return true;
	}
	return false;
}

const struct raft_message *rig_sent(const struct rig *rig, enum raft_message_kind kind, qr_node to)
{
	const struct raft_message *found = NULL;

	for (uint32_t i = 0; i < rig->effects.message_count; i++) {
		const struct raft_message *message = &rig->effects.messages[i];

		if (message->kind != kind || message->to != to)
			continue;
		assert_null(found);
		found = message;
	}
	assert_non_null(found);
	return found;
}

void rig_expect_log(const struct rig *rig, const char *log)
{
	char terms[256] = "";

	assert_true(rig->group.last < sizeof(terms));
	for (qr_index index = 1; index <= rig->group.last; index++)
		terms[index - 1] = (char)('0' + raft_term_at(&rig->group, index));
	assert_string_equal(terms, log);
}
