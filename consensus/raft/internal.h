/*
 * What the files of consensus/raft share with each other and with nobody else. Every function
 * belongs to the file after its prefix; what it promises is said there.
 */
#ifndef QR_RAFT_INTERNAL_H
#define QR_RAFT_INTERNAL_H

#include "consensus/base/assert.h"
#include "consensus/raft/raft.h"

/* A term above this is no term: it leaves room for every addition that is ever made to one. */
#define RAFT_TERM_MAX ((qr_term)1 << 62)

static inline qr_index raft_min(qr_index a, qr_index b)
{
	return a < b ? a : b;
}

static inline qr_index raft_max(qr_index a, qr_index b)
{
	return a > b ? a : b;
}

/* raft.c */
struct raft_message *raft_send(const struct raft_group *group, struct raft_effects *effects,
			       enum raft_message_kind kind, qr_node to);

/* terms.c: which term each entry has */
void raft_terms_init(struct raft_group *group, const struct raft_term_run *runs,
		     uint32_t run_count);
void raft_terms_append(struct raft_group *group, qr_index index, qr_term term);
void raft_terms_truncate(struct raft_group *group, qr_index last);
qr_index raft_terms_find_at_most(const struct raft_group *group, qr_index index, qr_term term);

/* sizes.c: how many blocks lie between two entries */
void raft_sizes_init(struct raft_group *group);
void raft_sizes_append(struct raft_group *group, qr_index index, uint32_t blocks);
void raft_sizes_truncate(struct raft_group *group, qr_index last);
uint32_t raft_sizes_between(const struct raft_group *group, qr_index after, qr_index upto);

/* log.c: the own log */
void raft_log_append(struct raft_group *group, qr_term term, uint32_t blocks,
		     struct raft_effects *effects);
QR_MUST_USE bool raft_log_can_truncate(const struct raft_group *group, qr_index to);
void raft_log_truncate(struct raft_group *group, qr_index to, struct raft_effects *effects);
void raft_log_durable(struct raft_group *group, const struct raft_position *position,
		      struct raft_effects *effects);
bool raft_log_is_stalled(const struct raft_group *group);
struct raft_position raft_log_acknowledged(const struct raft_group *group);

/* role.c: hard state and roles */
void raft_role_follow(struct raft_group *group, struct raft_effects *effects, qr_term term,
		      qr_node leader);
QR_MUST_USE bool raft_role_hear_leader(struct raft_group *group, qr_node from,
				       struct raft_effects *effects);
void raft_role_sound_out(struct raft_group *group, struct raft_effects *effects);
void raft_role_stand(struct raft_group *group, struct raft_effects *effects);
void raft_role_lead(struct raft_group *group, struct raft_effects *effects);
void raft_role_record_vote(struct raft_group *group, qr_node candidate,
			   struct raft_effects *effects);
void raft_role_fail(struct raft_group *group, struct raft_effects *effects);
void raft_role_arm_election(struct raft_group *group);
void raft_role_remember(struct raft_group *group, struct raft_effects *effects);

/* recall.c: without hard state */
void raft_recall_tick(struct raft_group *group, struct raft_effects *effects);
void raft_recall_answer(struct raft_group *group, const struct raft_message *request,
			struct raft_effects *effects);
void raft_recall_reply(struct raft_group *group, const struct raft_message *reply);
void raft_recall_try(struct raft_group *group, struct raft_effects *effects);

/* vote.c: elections */
bool raft_vote_may_stand(const struct raft_group *group);
void raft_vote_sound_out(struct raft_group *group, struct raft_effects *effects);
void raft_vote_campaign(struct raft_group *group, bool transfer, struct raft_effects *effects);
bool raft_vote_is_held_off(const struct raft_group *group, const struct raft_message *request);
void raft_vote_refuse(const struct raft_group *group, const struct raft_message *request,
		      struct raft_effects *effects);
void raft_vote_request(struct raft_group *group, const struct raft_message *request,
		       struct raft_effects *effects);
void raft_vote_reply(struct raft_group *group, const struct raft_message *reply,
		     struct raft_effects *effects);
void raft_vote_state_durable(struct raft_group *group, uint64_t generation,
			     struct raft_effects *effects);

/* progress.c: the leader's view of one follower */
void raft_progress_init(struct raft_group *group);
struct raft_progress *raft_progress_find(struct raft_group *group, qr_node node);
QR_MUST_USE bool raft_progress_heard(struct raft_group *group, struct raft_progress *progress,
				     const struct raft_message *reply);
void raft_progress_forget(struct raft_group *group, struct raft_progress *progress);
bool raft_progress_quorum_heard(const struct raft_group *group);
qr_index raft_progress_window_end(const struct raft_group *group,
				  const struct raft_progress *progress);
QR_MUST_USE bool raft_progress_matched(struct raft_group *group, struct raft_progress *progress,
				       qr_index durable, qr_index matched);
QR_MUST_USE bool raft_progress_refused(const struct raft_group *group,
				       struct raft_progress *progress,
				       const struct raft_message *reply);

/* replicate.c: the leader's half of AppendEntries */
void raft_replicate_start(struct raft_group *group, struct raft_effects *effects);
void raft_replicate_propose(struct raft_group *group, const struct raft_event *event,
			    struct raft_effects *effects);
void raft_replicate_reply(struct raft_group *group, const struct raft_message *reply,
			  struct raft_effects *effects);
void raft_replicate_acknowledged(struct raft_group *group, struct raft_progress *progress,
				 qr_index durable, qr_index matched, struct raft_effects *effects);
void raft_replicate_remind(const struct raft_group *group, const struct raft_progress *progress,
			   struct raft_effects *effects);
void raft_replicate_repeat(struct raft_group *group, struct raft_effects *effects);

/* accept.c: the follower's half of AppendEntries */
void raft_accept_append(struct raft_group *group, const struct raft_message *message,
			struct raft_effects *effects);
void raft_accept_snapshot(struct raft_group *group, const struct raft_message *message,
			  struct raft_effects *effects);
void raft_accept_refuse(const struct raft_group *group, const struct raft_message *message,
			struct raft_effects *effects);
void raft_accept_acknowledge(const struct raft_group *group, struct raft_effects *effects);

/* commit.c */
void raft_commit_advance(struct raft_group *group, struct raft_effects *effects);
void raft_commit_learn(struct raft_group *group, qr_index leader_commit,
		       struct raft_effects *effects);
void raft_commit_told(struct raft_group *group, const struct raft_position *committed,
		      struct raft_effects *effects);

/* heartbeat.c */
void raft_heartbeat_round(struct raft_group *group, struct raft_effects *effects);
void raft_heartbeat_take(struct raft_group *group, const struct raft_message *message,
			 struct raft_effects *effects);
void raft_heartbeat_answer(const struct raft_group *group, qr_node to,
			   struct raft_effects *effects);
void raft_heartbeat_reply(struct raft_group *group, const struct raft_message *reply,
			  struct raft_effects *effects);

/* read.c */
void raft_read_request(struct raft_group *group, uint64_t context, struct raft_effects *effects);
void raft_read_confirm(struct raft_group *group, struct raft_effects *effects);
void raft_read_fail_all(struct raft_group *group, struct raft_effects *effects);

/* transfer.c */
void raft_transfer_request(struct raft_group *group, qr_node peer, struct raft_effects *effects);
void raft_transfer_try(const struct raft_group *group, struct raft_effects *effects);
void raft_transfer_timeout_now(struct raft_group *group, const struct raft_message *message,
			       struct raft_effects *effects);

/* tick.c */
void raft_tick(struct raft_group *group, const struct raft_event *event,
	       struct raft_effects *effects);

#endif
