/*
 * The follower's half of AppendEntries (Raft §5.3, figure 2 "AppendEntries RPC").
 *
 * `matched` says how far the own log is the leader's: it rises with every accepted APPEND and never
 * falls within a term. So everything at or below it is known to be the same, whatever arrives late,
 * twice or out of order; only above it can there be a conflict, and only an uncommitted one.
 *
 * Durability: nothing is acknowledged here that is not on stable media. New entries are reported to
 * the caller (write_first..write_last) and the acknowledgement leaves when the store says they are
 * durable (log.c); until then a leader that probes learns only how far the log matches.
 *
 * A crash anywhere loses matched entries that were not durable. The leader finds out by a refusal,
 * because after a restart nothing but the committed prefix counts as matched.
 */
#include "consensus/raft/internal.h"

/* What a correct leader sends: a dense range, terms that never fall and never pass its own. */
static bool is_well_formed(const struct raft_message *message)
{
	qr_term term = message->log_term;

	if (message->last < message->index || message->log_term > message->term ||
	    message->next_term > message->term || (message->index == 0 && message->log_term != 0))
		return false;
	if (message->last > message->index && message->entries == NULL)
		return false;
	for (qr_index i = 0; i < message->last - message->index; i++) {
		const struct raft_entry *entry = &message->entries[i];

		if (entry->index != message->index + 1 + i || entry->term < term ||
		    entry->term == 0 || entry->term > message->term || entry->blocks == 0 ||
		    entry->blocks > RAFT_ENTRY_BLOCKS_MAX)
			return false;
		term = entry->term;
	}
	return true;
}

/*
 * "Reply false if log doesn't contain an entry at prevLogIndex whose term matches prevLogTerm"
 * (figure 2, AppendEntries rule 2). An unknown term, 0, matches nothing.
 */
static bool contains(const struct raft_group *group, qr_index index, qr_term term)
{
	if (index <= group->matched)
		return true;
	return term != 0 && raft_term_at(group, index) == term;
}

/*
 * Refuse, and say where to look next: the last place where our term is not above the leader's.
 * Where either side has forgotten its terms that is what is matched, which needs no comparison.
 */
static void refuse_and_hint(const struct raft_group *group, const struct raft_message *message,
			    struct raft_effects *effects)
{
	struct raft_message *reply =
		raft_send(group, effects, RAFT_MESSAGE_APPEND_REPLY, message->from);
	qr_index hint = raft_min(message->index, group->last);

	QR_ASSERT(message->index > group->matched);
	hint = raft_terms_find_at_most(group, hint, message->log_term);
	if (raft_term_at(group, hint) == 0 || hint < group->matched)
		hint = group->matched;
	reply->reject = true;
	reply->index = message->index;
	reply->hint_index = hint;
	reply->hint_term = raft_term_at(group, hint);
	reply->round = group->round;
}

/* To a leader of an older term: "reply false if term < currentTerm" (rule 1). It steps down. */
void raft_accept_refuse(const struct raft_group *group, const struct raft_message *message,
			struct raft_effects *effects)
{
	struct raft_message *reply =
		raft_send(group, effects, RAFT_MESSAGE_APPEND_REPLY, message->from);

	QR_ASSERT(message->term < group->state.term);
	reply->reject = true;
	reply->index = message->index;
}

/* Tell the leader what is matched and durable here. */
void raft_accept_acknowledge(const struct raft_group *group, struct raft_effects *effects)
{
	struct raft_message *reply =
		raft_send(group, effects, RAFT_MESSAGE_APPEND_REPLY, group->leader);

	QR_ASSERT(group->role == RAFT_FOLLOWER);
	reply->requires.position = raft_log_acknowledged(group);
	reply->index = reply->requires.position.index;
	reply->hint_index = group->matched;
	reply->round = group->round;
	QR_ASSERT(reply->index <= group->durable.index);
}

/*
 * "If an existing entry conflicts with a new one (same index but different terms), delete the
 * existing entry and all that follow it" (rule 3). True if `index` is free or holds `term` now;
 * false if the own term there is forgotten: then nothing may be deleted on a guess, because this
 * may be the very entry, acknowledged long ago.
 */
static bool make_room(struct raft_group *group, qr_index index, qr_term term,
		      struct raft_effects *effects)
{
	qr_term own;

	QR_ASSERT(index > group->matched);
	if (index > group->last)
		return true;
	own = raft_term_at(group, index);
	if (own == term)
		return true;
	if (own == 0 || !raft_log_can_truncate(group, index - 1)) {
		group->ignored++;
		return false;
	}
	raft_log_truncate(group, index - 1, effects);
	return true;
}

/*
 * Log Matching says that two entries of one index and term are preceded by the same entries. A
 * message that denies it for what is matched is no correct peer's.
 */
static bool contradicts(const struct raft_group *group, const struct raft_message *message)
{
	qr_index index = raft_max(message->index, group->matched) + 1;
	qr_term own = raft_term_at(group, message->index);

	if (message->index <= group->matched && own != 0 && message->log_term != 0 &&
	    own != message->log_term)
		return true;
	return index <= message->last &&
	       message->entries[index - message->index - 1].term < raft_term_at(group, index - 1);
}

/* "Append any new entries not already in the log" (rule 4). False: stopped at a forgotten term. */
static bool take_entries(struct raft_group *group, const struct raft_message *message,
			 struct raft_effects *effects)
{
	qr_index index = raft_max(message->index, group->matched) + 1;

	for (; index <= message->last; index++) {
		const struct raft_entry *entry = &message->entries[index - message->index - 1];

		if (!make_room(group, index, entry->term, effects))
			return false;
		if (index > group->last)
			raft_log_append(group, entry->term, entry->blocks, effects);
		QR_ASSERT(raft_term_at(group, index) == entry->term);
		group->matched = index;
	}
	return true;
}

/* APPEND of this term. */
void raft_accept_append(struct raft_group *group, const struct raft_message *message,
			struct raft_effects *effects)
{
	if (!is_well_formed(message)) {
		group->ignored++;
		return;
	}
	if (!raft_role_hear_leader(group, message->from, effects))
		return;
	if (!contains(group, message->index, message->log_term)) {
		refuse_and_hint(group, message, effects);
		return;
	}
	if (contradicts(group, message)) {
		group->ignored++;
		return;
	}
	group->matched = raft_max(group->matched, message->index);
	if (message->last > message->index) {
		if (!take_entries(group, message, effects))
			return;
	} else if (message->index == group->matched && message->next_term != 0) {
		if (!make_room(group, message->index + 1, message->next_term, effects))
			return;
	}
	raft_commit_learn(group, message->commit, effects);
	if (!effects->appended)
		raft_accept_acknowledge(group, effects);
}

/*
 * SNAPSHOT of this term: a probe for the entry behind which the leader's log begins. "If existing
 * log entry has same index and term as snapshot's last included entry, retain log entries following
 * it" (figure 13, rule 6); otherwise what is here ends before that entry, or belongs to a loser:
 * the caller puts the leader's state in the place of all of it (rule 7). What is committed is never
 * rolled back: a snapshot of it is an old one.
 */
void raft_accept_snapshot(struct raft_group *group, const struct raft_message *message,
			  struct raft_effects *effects)
{
	if (message->index == 0 || message->log_term == 0 || message->log_term > message->term) {
		group->ignored++;
		return;
	}
	if (!raft_role_hear_leader(group, message->from, effects))
		return;
	if (contains(group, message->index, message->log_term)) {
		group->matched = raft_max(group->matched, message->index);
		raft_accept_acknowledge(group, effects);
		return;
	}
	QR_ASSERT(message->index > group->commit);
	/* A suffix that lost goes, as it would for an entry; one of a forgotten term may not have
	 * lost. */
	if (!make_room(group, message->index, message->log_term, effects))
		return;
	effects->wants_snapshot = true;
	effects->snapshot_index = message->index;
	effects->snapshot_term = message->log_term;
}
