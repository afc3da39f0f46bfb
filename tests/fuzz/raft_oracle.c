/*
 * The judgement of a step, in the order in which a step comes about: what the event says, what the
 * medium is asked for, what follows for role and commit, what leaves.
 */
#include "tests/fuzz/raft_oracle.h"

#include "consensus/base/assert.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

FUZZ_UNSEEN_BEGIN

/* ---- quorums, counted one by one ---- */

static bool has_half(qr_nodes voters, qr_nodes nodes)
{
	unsigned count = 0;
	unsigned yes = 0;

	for (unsigned node = 1; node <= QR_NODE_MAX; node++) {
		count += qr_nodes_has(voters, (qr_node)node);
		yes += qr_nodes_has(voters & nodes, (qr_node)node);
	}
	return 2 * yes > count;
}

static bool has_quorum(const struct oracle *oracle, qr_nodes nodes)
{
	const struct raft_configuration *configuration = &oracle->configuration;

	return has_half(configuration->voters, nodes) &&
	       (configuration->voters_outgoing == 0 ||
		has_half(configuration->voters_outgoing, nodes));
}

static qr_nodes members(const struct oracle *oracle)
{
	return oracle->configuration.voters | oracle->configuration.voters_outgoing |
	       oracle->configuration.learners;
}

/** Those that have the entry on stable media, as far as anybody said so. */
static qr_nodes holders(const struct oracle *oracle, qr_index index)
{
	qr_nodes nodes = oracle->durable >= index ? qr_nodes_of(oracle->self) : 0;

	for (unsigned node = 1; node <= QR_NODE_MAX; node++) {
		if (node != oracle->self && oracle->acked[node] >= index &&
		    !qr_nodes_has(oracle->forgetful, (qr_node)node))
			nodes |= qr_nodes_of((qr_node)node);
	}
	return nodes;
}

/* ---- lives ---- */

void oracle_init(struct oracle *oracle, const struct raft_configuration *configuration,
		 qr_node self, const struct raft_hard_state *state)
{
	memset(oracle, 0, offsetof(struct oracle, terms));
	oracle->terms[0] = 0;
	memset(&oracle->term_count, 0, sizeof(*oracle) - offsetof(struct oracle, term_count));
	oracle->configuration = *configuration;
	oracle->self = self;
	oracle->generation = 1;
	oracle->state_newest = state->generation;
	oracle->state_durable = state->generation;
	oracle->states[state->generation] =
		(struct oracle_state){.term = state->term, .vote = state->vote};
}

void oracle_add(struct oracle *oracle, qr_term term)
{
	oracle->terms[++oracle->last] = term;
	oracle->blocks[oracle->last] = 1;
	oracle->durable = oracle->last;
}

void oracle_crash(struct oracle *oracle, qr_index last, uint64_t generation,
		  struct raft_recovered *ret_recovered)
{
	const struct oracle_state *state;

	if (generation < oracle->state_durable)
		generation = oracle->state_durable;
	if (generation > oracle->state_newest)
		generation = oracle->state_newest;
	state = &oracle->states[generation];
	if (last > oracle->last)
		last = oracle->last;
	if (last < oracle->durable)
		last = oracle->durable;
	/* The store writes no entry before the hard state that it needs. */
	while (last > oracle->durable && oracle->terms[last] > state->term)
		last--;
	for (qr_index index = 1; index <= last; index++)
		oracle->blocks[index] = 1;
	oracle->last = last;
	oracle->durable = last;
	oracle->generation = 1;
	oracle->state_newest = generation;
	oracle->state_durable = generation;
	oracle->granted = 0;
	oracle->read_count = 0;
	*ret_recovered = (struct raft_recovered){
		.configuration = oracle->configuration,
		.state = {.term = state->term, .vote = state->vote, .generation = generation},
		.last = last,
	};
}

bool oracle_has_room(const struct oracle *oracle)
{
	return oracle->last + 16 < ORACLE_LOG_MAX && oracle->state_newest + 4 < ORACLE_STATES_MAX;
}

static struct oracle_term *find_term(struct oracle *oracle, qr_term term)
{
	for (uint32_t i = 0; i < oracle->term_count; i++) {
		if (oracle->votes[i].term == term)
			return &oracle->votes[i];
	}
	if (oracle->term_count == ORACLE_TERMS_MAX)
		return NULL;
	oracle->votes[oracle->term_count] = (struct oracle_term){.term = term};
	return &oracle->votes[oracle->term_count++];
}

/* "Each server will vote for at most one candidate in a given term" (Raft §5.2). */
static void vote_leaves(struct oracle *oracle, const struct oracle_state *state)
{
	struct oracle_term *term = find_term(oracle, state->term);

	if (term == NULL)
		return;
	QR_ASSERT(term->vote == 0 || term->vote == state->vote);
	term->vote = state->vote;
}

/* ---- what the event says ---- */

static bool is_heard(const struct oracle *oracle, const struct raft_message *message)
{
	return message->to == oracle->self && message->from != oracle->self &&
	       message->from <= QR_NODE_MAX && qr_nodes_has(members(oracle), message->from);
}

static void note_vote_reply(struct oracle *oracle, const struct raft_group *before,
			    const struct raft_message *message)
{
	bool pre = message->kind == RAFT_MESSAGE_PRE_VOTE_REPLY;

	if (message->reject || before->role != (pre ? RAFT_PRE_CANDIDATE : RAFT_CANDIDATE) ||
	    message->term != before->state.term + pre)
		return;
	oracle->granted |= qr_nodes_of(message->from);
}

/** What it had is gone, with what it promised. */
static void forget(struct oracle *oracle, qr_node node)
{
	oracle->forgetful |= qr_nodes_of(node);
	oracle->acked[node] = 0;
}

/** Each loss has another round. */
static void note_recall(struct oracle *oracle, const struct raft_group *before,
			const struct raft_message *message)
{
	if (before->role != RAFT_LEADER || oracle->recalled[message->from] == message->round ||
	    message->term > (qr_term)1 << 62) /* which is no term */
		return;
	oracle->recalled[message->from] = message->round;
	forget(oracle, message->from);
}

static void note_progress(struct oracle *oracle, const struct raft_group *before,
			  const struct raft_message *message)
{
	bool append = message->kind == RAFT_MESSAGE_APPEND_REPLY;
	qr_index matched = append ? message->hint_index : message->index;

	if (before->role != RAFT_LEADER || message->term != before->state.term ||
	    message->index > oracle->last)
		return;
	if (append && message->reject ? message->hint_index > message->index
				      : message->index > matched || matched > oracle->last)
		return; /* no follower of this leader says so */
	if (!message->amnesia) {
		oracle->forgetful &= ~qr_nodes_of(message->from);
	} else if (!qr_nodes_has(oracle->forgetful, message->from)) {
		forget(oracle, message->from);
	}
	if (!message->amnesia && message->round <= before->round &&
	    message->round > oracle->answered[message->from])
		oracle->answered[message->from] = message->round;
	if (!(append && message->reject) && message->index > oracle->acked[message->from])
		oracle->acked[message->from] = message->index;
}

static void note_message(struct oracle *oracle, const struct raft_group *before,
			 const struct raft_message *message)
{
	if (!is_heard(oracle, message))
		return;
	if (message->kind == RAFT_MESSAGE_VOTE_REPLY ||
	    message->kind == RAFT_MESSAGE_PRE_VOTE_REPLY)
		note_vote_reply(oracle, before, message);
	if (message->kind == RAFT_MESSAGE_APPEND_REPLY ||
	    message->kind == RAFT_MESSAGE_HEARTBEAT_REPLY)
		note_progress(oracle, before, message);
	if (message->kind == RAFT_MESSAGE_RECALL)
		note_recall(oracle, before, message);
}

static void note_durable(struct oracle *oracle, const struct raft_position *position)
{
	if (position->generation != oracle->generation || position->index > oracle->last ||
	    position->term != oracle->terms[position->index])
		return; /* of what was cut off, or of nothing */
	if (position->index > oracle->durable)
		oracle->durable = position->index;
}

static void note_state_durable(struct oracle *oracle, uint64_t generation)
{
	if (generation > oracle->state_newest)
		return;
	while (oracle->state_durable < generation) {
		const struct oracle_state *state = &oracle->states[++oracle->state_durable];

		if (state->told)
			vote_leaves(oracle, state);
	}
}

static void note_event(struct oracle *oracle, const struct raft_group *before,
		       const struct raft_event *event)
{
	switch (event->kind) {
	case RAFT_EVENT_MESSAGE:
		note_message(oracle, before, event->message);
		break;
	case RAFT_EVENT_ENTRIES_DURABLE:
		note_durable(oracle, &event->position);
		break;
	case RAFT_EVENT_STATE_DURABLE:
		note_state_durable(oracle, event->state_generation);
		break;
	case RAFT_EVENT_READ:
		oracle->reads[oracle->read_count++] = (struct oracle_read){
			.context = event->context,
			.round = before->round + 1,
			.commit = before->commit,
		};
		break;
	case RAFT_EVENT_TICK:
	case RAFT_EVENT_PROPOSE:
	case RAFT_EVENT_COMMITTED:
	case RAFT_EVENT_TRANSFER:
	case RAFT_EVENT_STORAGE_FAILED:
		break;
	}
}

/* ---- the medium ---- */

static void judge_state(struct oracle *oracle, const struct raft_group *after,
			const struct raft_effects *effects)
{
	uint64_t generation = after->state.generation;

	QR_ASSERT(effects->save_state == (generation != oracle->state_newest));
	if (!effects->save_state)
		return;
	QR_ASSERT(generation > oracle->state_newest && generation <= oracle->state_newest + 2);
	QR_ASSERT(effects->state.generation == generation);
	QR_ASSERT(effects->state.term == after->state.term);
	QR_ASSERT(effects->state.vote == after->state.vote);
	QR_ASSERT(after->state.term >= oracle->states[oracle->state_newest].term);
	while (oracle->state_newest < generation) {
		bool newest = ++oracle->state_newest == generation;

		oracle->states[oracle->state_newest] = (struct oracle_state){
			.term = after->state.term, .vote = newest ? after->state.vote : 0};
	}
}

static void append(struct oracle *oracle, const struct raft_event *event,
		   const struct raft_group *after)
{
	const struct raft_message *message = event->message;
	const struct raft_entry *entry;
	qr_index index = ++oracle->last;

	if (event->kind == RAFT_EVENT_PROPOSE) {
		oracle->terms[index] = after->state.term;
		oracle->blocks[index] = event->propose.blocks;
		return;
	}
	QR_ASSERT(event->kind == RAFT_EVENT_MESSAGE && message->kind == RAFT_MESSAGE_APPEND);
	QR_ASSERT(index > message->index && index <= message->last);
	entry = &message->entries[index - message->index - 1];
	oracle->terms[index] = entry->term;
	oracle->blocks[index] = entry->blocks;
}

static void judge_log(struct oracle *oracle, const struct raft_group *before,
		      const struct raft_event *event, const struct raft_group *after,
		      const struct raft_effects *effects)
{
	QR_ASSERT(effects->truncated == (after->generation != before->generation));
	if (effects->truncated) {
		QR_ASSERT(effects->truncate_to >= before->commit);
		QR_ASSERT(effects->truncate_to < oracle->last);
		QR_ASSERT(effects->generation == oracle->generation + 1);
		oracle->generation = effects->generation;
		oracle->last = effects->truncate_to;
		if (oracle->durable > oracle->last)
			oracle->durable = oracle->last;
	}
	if (effects->appended) {
		QR_ASSERT(effects->write_first == oracle->last + 1);
		QR_ASSERT(effects->generation == oracle->generation);
		while (oracle->last < effects->write_last) {
			append(oracle, event, after);
			QR_ASSERT(oracle->terms[oracle->last] >= oracle->terms[oracle->last - 1]);
		}
	}
	QR_ASSERT(after->last == oracle->last);
	QR_ASSERT(after->durable.index == oracle->durable);
	QR_ASSERT(after->generation == oracle->generation);
	QR_ASSERT(raft_term_at(after, after->last) == oracle->terms[oracle->last]);
}

/* ---- roles ---- */

static void judge_election(struct oracle *oracle, const struct raft_group *before,
			   const struct raft_event *event, const struct raft_group *after)
{
	const struct oracle_state *stable = &oracle->states[oracle->state_durable];
	qr_nodes self = qr_nodes_of(oracle->self);
	struct oracle_term *term;

	if (after->role == before->role && after->state.term == before->state.term)
		return;
	if (after->role == RAFT_CANDIDATE && event->kind == RAFT_EVENT_MESSAGE &&
	    event->message->kind == RAFT_MESSAGE_TIMEOUT_NOW) {
		QR_ASSERT(event->message->from == before->leader && before->leader != 0);
	} else if (after->role == RAFT_CANDIDATE) {
		QR_ASSERT(has_quorum(oracle, oracle->granted | self));
	}
	if (after->role == RAFT_LEADER) {
		QR_ASSERT(stable->term == after->state.term && stable->vote == oracle->self);
		QR_ASSERT(has_quorum(oracle, oracle->granted | self));
		/* A term is led in one life only: no (index, term) is ever used twice. */
		term = find_term(oracle, after->state.term);
		QR_ASSERT(term == NULL || !term->led);
		if (term != NULL)
			term->led = true;
		memset(oracle->acked, 0, sizeof(oracle->acked));
		memset(oracle->answered, 0, sizeof(oracle->answered));
		memset(oracle->recalled, 0, sizeof(oracle->recalled));
		oracle->forgetful = 0;
	}
	oracle->granted = 0;
}

/** The highest entry that a quorum has. */
static qr_index quorum_index(const struct oracle *oracle)
{
	qr_index best = 0;

	for (unsigned node = 1; node <= QR_NODE_MAX; node++) {
		qr_index index = node == oracle->self ? oracle->durable : oracle->acked[node];

		if (index > best && has_quorum(oracle, holders(oracle, index)))
			best = index;
	}
	return best;
}

/* Raft §5.3, §5.4.2: exactly what a quorum has, if it is of the leader's own term. */
static void judge_leader_commit(const struct oracle *oracle, const struct raft_group *before,
				const struct raft_group *after)
{
	qr_index index = quorum_index(oracle);

	if (index <= before->commit || oracle->terms[index] != after->state.term)
		index = before->commit;
	QR_ASSERT(after->commit == index);
	for (uint32_t i = 0; i < after->progress_count; i++)
		QR_ASSERT(after->progress[i].match == oracle->acked[after->progress[i].node]);
}

static bool is_from_leader(const struct raft_event *event, const struct raft_group *after)
{
	return event->kind == RAFT_EVENT_MESSAGE && event->message->term == after->state.term &&
	       event->message->from == after->leader &&
	       (event->message->kind == RAFT_MESSAGE_APPEND ||
		event->message->kind == RAFT_MESSAGE_SNAPSHOT ||
		event->message->kind == RAFT_MESSAGE_HEARTBEAT);
}

/* Log Matching (Raft §5.3): exactly if the very entry is here. */
static void judge_told(const struct oracle *oracle, const struct raft_group *before,
		       const struct raft_position *told, const struct raft_group *after)
{
	qr_index commit = before->commit;

	if (told->term != 0 && told->index > commit && told->index <= oracle->last &&
	    oracle->terms[told->index] == told->term && raft_term_at(before, told->index) != 0)
		commit = told->index;
	QR_ASSERT(after->commit == commit);
	QR_ASSERT(after->matched == (before->matched > commit ? before->matched : commit));
}

/* A follower learns of the match and of the commit from its leader, and no more than it says. */
static void judge_follower(const struct raft_group *before, const struct raft_event *event,
			   const struct raft_group *after)
{
	const struct raft_message *message = event->message;
	qr_index floor = after->state.term == before->state.term ? before->matched : before->commit;

	if (after->commit != before->commit)
		QR_ASSERT(is_from_leader(event, after) && after->commit <= message->commit);
	if (after->matched > floor) {
		QR_ASSERT(is_from_leader(event, after));
		QR_ASSERT(message->kind == RAFT_MESSAGE_APPEND ||
			  message->kind == RAFT_MESSAGE_SNAPSHOT);
		QR_ASSERT(after->matched <=
			  (message->kind == RAFT_MESSAGE_APPEND ? message->last : message->index));
	}
}

static void judge_commit(const struct oracle *oracle, const struct raft_group *before,
			 const struct raft_event *event, const struct raft_group *after,
			 const struct raft_effects *effects)
{
	QR_ASSERT(effects->commit_moved == (after->commit != before->commit));
	if (effects->commit_moved)
		QR_ASSERT(effects->commit == after->commit && after->commit <= oracle->last);
	if (before->role == RAFT_LEADER && after->role == RAFT_LEADER) {
		judge_leader_commit(oracle, before, after);
	} else if (after->role == RAFT_LEADER) {
		QR_ASSERT(after->commit == before->commit);
	} else if (event->kind == RAFT_EVENT_COMMITTED) {
		judge_told(oracle, before, &event->position, after);
	} else {
		judge_follower(before, event, after);
	}
}

/* ---- reads ---- */

/* Thesis §6.4: confirmed by a quorum in a round that began after the read came. */
static void judge_read(const struct oracle *oracle, const struct oracle_read *read,
		       const struct raft_group *after, const struct raft_read_done *done)
{
	qr_nodes nodes = qr_nodes_of(oracle->self);

	if (done->failed)
		return;
	for (unsigned node = 1; node <= QR_NODE_MAX; node++) {
		if (oracle->answered[node] >= read->round)
			nodes |= qr_nodes_of((qr_node)node);
	}
	QR_ASSERT(after->role == RAFT_LEADER);
	QR_ASSERT(has_quorum(oracle, nodes));
	QR_ASSERT(done->index >= read->commit);
	QR_ASSERT(after->commit >= after->term_start);
}

static void judge_reads(struct oracle *oracle, const struct raft_group *after,
			const struct raft_effects *effects)
{
	for (uint32_t i = 0; i < effects->read_count; i++) {
		const struct raft_read_done *done = &effects->reads[i];
		uint32_t at = 0;

		while (at < oracle->read_count && oracle->reads[at].context != done->context)
			at++;
		QR_ASSERT(at < oracle->read_count);
		judge_read(oracle, &oracle->reads[at], after, done);
		oracle->reads[at] = oracle->reads[--oracle->read_count];
	}
	QR_ASSERT(oracle->read_count == after->read_count);
}

/* ---- messages ---- */

/** What is in flight fits the window; one entry that does not goes alone. */
static void judge_window(const struct oracle *oracle, const struct raft_group *after,
			 const struct raft_message *message)
{
	qr_index match = oracle->acked[message->to];
	uint64_t blocks = 0;

	QR_ASSERT(message->last - match <= after->parameters.window_entries);
	for (qr_index index = match + 1; index <= message->last; index++)
		blocks += oracle->blocks[index];
	QR_ASSERT(blocks <= after->parameters.window_blocks || message->last == match + 1);
}

static void judge_replication(const struct oracle *oracle, const struct raft_group *after,
			      const struct raft_message *message)
{
	/* Where the log begins; and nothing is sent that is not in it. */
	if (message->kind == RAFT_MESSAGE_SNAPSHOT) {
		QR_ASSERT(message->index == after->floor && message->index <= after->commit);
		QR_ASSERT(message->log_term == after->floor_term && message->log_term != 0);
		QR_ASSERT(oracle->acked[message->to] < after->floor);
	}
	if (message->kind == RAFT_MESSAGE_APPEND) {
		QR_ASSERT(message->last == message->index || message->index >= after->floor);
		QR_ASSERT(message->index <= message->last && message->last <= oracle->last);
		QR_ASSERT(message->log_term == raft_term_at(after, message->index));
		QR_ASSERT(message->commit <= after->commit);
		if (message->last != message->index)
			judge_window(oracle, after, message);
	} else if (message->kind == RAFT_MESSAGE_HEARTBEAT) {
		QR_ASSERT(message->commit <= after->commit);
		QR_ASSERT(message->commit <= oracle->acked[message->to]);
	} else if (message->kind == RAFT_MESSAGE_TIMEOUT_NOW) {
		QR_ASSERT(oracle->acked[message->to] == oracle->last);
	}
}

/** What a replica says that it has must be on its medium when it says so. */
static void judge_acknowledgement(const struct oracle *oracle, const struct raft_group *after,
				  const struct raft_message *message)
{
	const struct raft_position *position = &message->requires.position;

	QR_ASSERT(message->index == position->index);
	QR_ASSERT(message->index <= oracle->durable && message->index <= after->matched);
	QR_ASSERT(message->index == 0 || position->generation == oracle->generation);
	if (message->kind == RAFT_MESSAGE_APPEND_REPLY) {
		QR_ASSERT(message->hint_index >= message->index);
		QR_ASSERT(message->hint_index <= oracle->last);
	}
}

/** Term and vote on which a message depends: it names a generation that has them. */
static void judge_requirement(struct oracle *oracle, const struct raft_message *message)
{
	uint64_t generation = message->requires.state_generation;
	struct oracle_state *state = &oracle->states[generation];
	bool stable = generation <= oracle->state_durable;

	QR_ASSERT(generation != 0 && generation <= oracle->state_newest);
	switch (message->kind) {
	case RAFT_MESSAGE_PRE_VOTE:
		QR_ASSERT(message->term == state->term + 1);
		break;
	case RAFT_MESSAGE_PRE_VOTE_REPLY:
		QR_ASSERT(message->reject ? message->term == state->term
					  : message->term > state->term);
		break;
	case RAFT_MESSAGE_VOTE:
	case RAFT_MESSAGE_VOTE_REPLY:
		QR_ASSERT(message->term == state->term);
		if (message->reject)
			break;
		QR_ASSERT(state->vote ==
			  (message->kind == RAFT_MESSAGE_VOTE ? oracle->self : message->to));
		state->told = true;
		if (stable)
			vote_leaves(oracle, state);
		break;
	case RAFT_MESSAGE_APPEND_REPLY:
	case RAFT_MESSAGE_HEARTBEAT_REPLY:
		QR_ASSERT(message->term == state->term);
		break;
	case RAFT_MESSAGE_RECALL:
	case RAFT_MESSAGE_RECALL_REPLY:
		QR_ASSERT(message->term == state->term);
		break;
	case RAFT_MESSAGE_APPEND:
	case RAFT_MESSAGE_HEARTBEAT:
	case RAFT_MESSAGE_TIMEOUT_NOW:
	case RAFT_MESSAGE_SNAPSHOT:
		QR_ASSERT(message->term == state->term);
		QR_ASSERT(stable && state->vote == oracle->self);
		break;
	}
}

/** Raft §7: only a follower of the one who says so wants what it has not, nor has committed. */
static void judge_snapshot(const struct raft_event *event, const struct raft_group *after,
			   const struct raft_effects *effects)
{
	if (!effects->wants_snapshot)
		return;
	QR_ASSERT(after->role == RAFT_FOLLOWER && is_from_leader(event, after));
	QR_ASSERT(event->message->kind == RAFT_MESSAGE_SNAPSHOT);
	QR_ASSERT(effects->snapshot_index == event->message->index &&
		  effects->snapshot_term == event->message->log_term);
	QR_ASSERT(effects->snapshot_index > after->commit &&
		  effects->snapshot_term <= after->state.term);
	QR_ASSERT(raft_term_at(after, effects->snapshot_index) != effects->snapshot_term);
}

static void judge_messages(struct oracle *oracle, const struct raft_group *after,
			   const struct raft_effects *effects)
{
	for (uint32_t i = 0; i < effects->message_count; i++) {
		const struct raft_message *message = &effects->messages[i];
		bool replies = message->kind == RAFT_MESSAGE_APPEND_REPLY ||
			       message->kind == RAFT_MESSAGE_HEARTBEAT_REPLY;

		QR_ASSERT(message->from == oracle->self && message->to != oracle->self);
		QR_ASSERT(qr_nodes_has(members(oracle), message->to));
		judge_requirement(oracle, message);
		judge_replication(oracle, after, message);
		if (replies && !message->reject)
			judge_acknowledgement(oracle, after, message);
	}
}

void oracle_judge(struct oracle *oracle, const struct raft_group *before,
		  const struct raft_event *event, const struct raft_group *after,
		  const struct raft_effects *effects)
{
	if (before->failed) {
		/* As good as dead to the others. */
		QR_ASSERT(effects->message_count == 0 && !effects->save_state);
		QR_ASSERT(!effects->appended && !effects->truncated && !effects->commit_moved);
		QR_ASSERT(effects->read_count == (event->kind == RAFT_EVENT_READ));
		return;
	}
	note_event(oracle, before, event);
	judge_state(oracle, after, effects);
	judge_log(oracle, before, event, after, effects);
	judge_election(oracle, before, event, after);
	judge_commit(oracle, before, event, after, effects);
	judge_reads(oracle, after, effects);
	judge_messages(oracle, after, effects);
	judge_snapshot(event, after, effects);
	QR_ASSERT(effects->wants_noop ==
		  (after->role == RAFT_LEADER && before->role != RAFT_LEADER));
}

FUZZ_UNSEEN_END
