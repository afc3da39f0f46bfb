/*
 * The inside of a replication core: what its files call of each other. A file per concern:
 *
 *   core.c       create, receive, poll: the order of a turn
 *   group.c      one group: recovery, raft's events and effects, commit and apply
 *   append.c     the leader takes sessions and chunks, closes entries
 *   parts.c      chunks that came in several datagrams
 *   replicate.c  the leader's streams become fragments
 *   handover.c   a full leader looks for one that has room
 *   follow.c     a follower's fragments become entries
 *   mail.c       consensus messages: held until durable, packed per peer
 *   read.c       records and tails for clients, cold readers
 *   reply.c      small answers to clients
 *   snapshot.c   what a group is, on its way to the disk and back
 *   repair.c     entries that the disk has lost
 *   scrub.c      the reading of everything, which finds them
 *   transfer.c   bytes that a peer gives, piece by piece
 *   fetch.c      such entries for peers, and snapshots
 *   install.c    a leader's snapshot in the place of the log
 *   retain.c     what of a log is kept
 *   status.c     what it knows of itself
 */
#ifndef DP_NODE_INTERNAL_H
#define DP_NODE_INTERNAL_H

#include "consensus/base/assert.h"
#include "dataplane/node/state.h"

/* ---- core.c ---- */

struct dp_group *dp_core_find_group(struct dp_core *core, qr_group group);
struct dp_peer *dp_core_find_peer(struct dp_core *core, qr_node node);
static inline uint32_t dp_core_peer_position(const struct dp_core *core, const struct dp_peer *peer)
{
	return (uint32_t)(peer - core->peers);
}
void dp_core_drop(struct dp_core *core, enum wire_drop drop);
/** A buffer for a datagram: begun; NULL when this turn has no more. */
struct dp_tx *dp_core_tx_begin(struct dp_core *core, struct qr_writer *writer);
/** The same for a peer: no larger than what it takes. */
struct dp_tx *dp_core_tx_begin_to(struct dp_core *core, const struct dp_peer *peer,
				  struct qr_writer *writer);
/** Finish it to a peer (peer != 0) or an address; the buffer counts as used. */
void dp_core_tx_finish(struct dp_core *core, struct dp_tx *tx, struct qr_writer *writer);
/** ns since 1970; 0: not known. */
uint64_t dp_core_wall_clock(const struct dp_core *core);
bool dp_core_link_is_down(const struct dp_core *core, qr_node node);
static inline void dp_group_touch(struct dp_group *group)
{
	group->dirty = true;
}

/* ---- group.c ---- */

void dp_group_step(struct dp_core *core, struct dp_group *group, struct raft_event *event);
/** Continue recovery. */
void dp_group_recover(struct dp_core *core, struct dp_group *group);
/** Tell consensus what the store has made durable since. */
void dp_group_sync(struct dp_core *core, struct dp_group *group);
void dp_group_tick(struct dp_core *core, struct dp_group *group);
static inline bool dp_group_is_leader(const struct dp_group *group)
{
	return group->phase == DP_PHASE_RUNNING && group->raft.role == RAFT_LEADER;
}
/** Of the configuration in force. */
qr_nodes dp_group_members(const struct dp_group *group);
/** The newest entry that is known to be committed and can be read from the disk. */
qr_index dp_group_readable(const struct dp_group *group);
/** Why a group cannot serve now; QR_OK if it can. */
enum qr_error dp_group_refusal(const struct dp_group *group);
/** The same, for what only a leader does: NOT_LEADER as well. */
enum qr_error dp_group_leader_refusal(const struct dp_group *group);

/** Tell consensus where the log begins. */
void dp_group_set_floor(struct dp_group *group);
/** It serves and promises nothing from here on, until it has recovered. */
void dp_group_silence(struct dp_core *core, struct dp_group *group);
/** Its log is another one by now: forget what was known of it, and recover. */
void dp_group_restart(struct dp_core *core, struct dp_group *group);

/* ---- append.c ---- */

void dp_append_chunk(struct dp_core *core, struct dp_group *group, const struct wire_chunk *chunk,
		     struct dp_address from);
void dp_append_session(struct dp_core *core, struct dp_group *group,
		       const struct wire_session_open *open, struct dp_address from);
/** Close the open entry if there is one with anything in it, and propose it. */
void dp_append_close(struct dp_core *core, struct dp_group *group);
/** Lay out what a new leader owes: its no-op. */
void dp_append_noop(struct dp_core *core, struct dp_group *group);
/** Say in the log where it begins. Errors: no room now. */
QR_MUST_USE enum qr_error dp_append_trim(struct dp_core *core, struct dp_group *group,
					 const struct store_start *start);
/** Sessions may have become committed: answer the clients that wait for theirs. */
void dp_append_sessions_committed(struct dp_core *core, struct dp_group *group);
/** Leadership is lost: clients that wait are told to look elsewhere. */
void dp_append_lost(struct dp_core *core, struct dp_group *group);
void dp_append_reply(struct dp_core *core, const struct dp_group *group,
		     const struct wire_chunk *chunk, enum qr_error status, struct dp_address to);

/** Requests of clients that are being served end with BUSY. */
void dp_read_end(struct dp_core *core, const struct dp_group *group);

/* ---- install.c ---- */

/** Consensus says that the leader's log begins behind what this one has. */
void dp_install_wanted(struct dp_core *core, struct dp_group *group,
		       const struct raft_effects *effects);
/** A group that recovers misses an entry which `peer` does not keep any more, but a snapshot. */
void dp_install_instead(struct dp_core *core, struct dp_group *group, qr_node peer, qr_index index);
void dp_install_fetched(struct dp_core *core, struct dp_group *group, const struct dp_peer *peer,
			const struct wire_fetched *fetched);
void dp_install_pump(struct dp_core *core);
qr_ns dp_install_deadline(const struct dp_core *core);

/* ---- retain.c ---- */

/** A leader, now and then: should the log begin later? */
void dp_retain_tick(struct dp_core *core, struct dp_group *group);
/** An entry of the log says so. @return false: no leader writes such a one. */
bool dp_retain_append(struct dp_group *group, qr_index index, struct qr_span payload);
/** Entries up to `commit` are committed. */
void dp_retain_commit(struct dp_group *group, qr_index commit);
/** Entries above `to` were cut off. */
void dp_retain_cut(struct dp_group *group, qr_index to);

/* ---- parts.c ---- */

/** `core` is NULL while the arena measures; so for the other parts that take an arena. */
void dp_parts_create(struct dp_core *core, struct qr_arena *arena,
		     const struct dp_core_config *config);
/**
 * Add a piece. Errors: QR_AGAIN  not whole yet; QR_MALFORMED.
 * @param ret_parts  whole: its body; give it back with dp_parts_release.
 */
QR_MUST_USE enum qr_error dp_parts_add(struct dp_core *core, qr_group group,
				       const struct wire_chunk *chunk, struct dp_parts **ret_parts);
void dp_parts_release(struct dp_parts *parts);

/* ---- replicate.c ---- */

void dp_replicate_message(struct dp_core *core, struct dp_group *group,
			  const struct raft_message *message);
void dp_replicate_ack(struct dp_core *core, struct dp_group *group, struct dp_peer *peer,
		      const struct wire_ack *ack);
/** Send what the streams of this group have, while there are buffers. @return whether more is left.
 */
bool dp_replicate_pump(struct dp_core *core, struct dp_group *group);
/** The leader's log is longer by so much: so much more may go to those that lag. */
void dp_replicate_grew(const struct dp_core *core, struct dp_group *group, uint64_t bytes);
void dp_replicate_stop(struct dp_core *core, struct dp_group *group);
qr_ns dp_replicate_deadline(const struct dp_core *core, const struct dp_group *group);

/* ---- handover.c ---- */

/** A consensus message of `peer`: it says whether its disk has room. */
void dp_handover_heard(const struct dp_core *core, struct dp_group *group,
		       const struct dp_peer *peer, const struct raft_message *message);
/** Not so many members have said that they are full that nothing more can be committed. */
bool dp_handover_quorum_has_room(const struct dp_core *core, const struct dp_group *group);
/** Hand leadership over if another node can do what this one cannot. Called at every tick. */
void dp_handover_consider(struct dp_core *core, struct dp_group *group);

/* ---- follow.c ---- */

void dp_follow_fragment(struct dp_core *core, struct dp_group *group, struct dp_peer *peer,
			const struct wire_fragment *fragment);
/** Consensus has taken a probe of `from`: if that leads, the answer tells it our credit. */
void dp_follow_probed(struct dp_group *group, qr_node from);
/** The ACK that is due, if it is due now. */
bool dp_follow_ack_is_due(const struct dp_core *core, const struct dp_group *group);
void dp_follow_put_ack(struct dp_core *core, struct dp_group *group, struct qr_writer *writer);
void dp_follow_reset(struct dp_group *group);
/**
 * The chunks of an entry enter the appended view of the sessions.
 * @return false: no leader writes such an entry. A part of it may have entered: take that back.
 */
QR_MUST_USE bool dp_follow_apply_appended(struct dp_group *group, const struct store_entry *entry,
					  struct qr_span payload);

/* ---- mail.c ---- */

void dp_mail_post(struct dp_core *core, struct dp_group *group, const struct raft_message *message);
/** Messages that waited for the disk may leave now. */
void dp_mail_release(struct dp_core *core, struct dp_group *group);
/** Pack what is ready, and ACKs, into datagrams. */
void dp_mail_flush(struct dp_core *core);
/** What has not left yet does not leave any more. */
void dp_mail_forget(struct dp_core *core, struct dp_group *group);

/* ---- read.c ---- */

void dp_read_create(struct dp_core *core, struct qr_arena *arena,
		    const struct dp_core_config *config);
void dp_read_request(struct dp_core *core, struct dp_group *group, const struct wire_read *request,
		     struct dp_address from);
void dp_read_tail(struct dp_core *core, struct dp_group *group, uint64_t request,
		  struct dp_address from);
void dp_read_tail_done(struct dp_core *core, const struct raft_read_done *done);
void dp_read_tail_applied(struct dp_core *core, struct dp_group *group);
void dp_read_pump(struct dp_core *core);
struct dp_reader *dp_reader_acquire(struct dp_core *core, struct dp_group *group);
/** One that was given back where it stands at this entry; NULL: none does. */
struct dp_reader *dp_reader_acquire_at(struct dp_core *core, struct dp_group *group,
				       qr_index index);
void dp_reader_release(struct dp_reader *reader);
/** What was given back begins anew: it may hold what has been repaired since. */
void dp_reader_forget(struct dp_core *core, const struct dp_group *group);
/**
 * Entries above `to` no longer exist. A stream of a past leader may have left a reader that stands
 * at one, and a client's read would take it over.
 */
void dp_reader_cut(struct dp_core *core, const struct dp_group *group, qr_index to);
/**
 * Move to the next entry; QR_OK: location and bytes are set.
 * Errors: QR_BUSY  it is damaged and being repaired: give the reader back, and begin anew when
 *         dp_repair_is_under_way says no more; others as store_reader_next.
 */
enum qr_error dp_reader_next(struct dp_core *core, struct dp_reader *reader);
/** The same without a repair: damage is QR_CORRUPT. */
enum qr_error dp_reader_peek(struct dp_reader *reader);
/** How many nobody holds. */
uint32_t dp_reader_count_free(const struct dp_core *core);
uint64_t dp_reader_tag(const struct dp_core *core, const struct dp_reader *reader);
bool dp_reader_of_tag(struct dp_core *core, uint64_t tag, struct dp_reader **ret_reader);

/* ---- snapshot.c ---- */

void dp_snapshot_create(struct dp_core *core, struct qr_arena *arena,
			const struct dp_core_config *config);
/** Lend the buffer to a group that is about to recover. @return false: another one has it. */
bool dp_snapshot_claim(struct dp_core *core, struct dp_group *group);
/** The group gives it back, if it has it. */
void dp_snapshot_release(struct dp_core *core, struct dp_group *group);
/**
 * What the group was when its newest snapshot was taken.
 * Errors: QR_AGAIN; QR_CORRUPT  no snapshot of ours; those of store_recover_state.
 */
enum qr_error dp_snapshot_restore(struct dp_core *core, struct dp_group *group);
/** Take a snapshot of a running group, if one is due. Called about once a second. */
void dp_snapshot_offer(struct dp_core *core, struct dp_group *group);

/* ---- reply.c ---- */

/** A slot for a small answer; NULL: too many wait, the client will ask again. */
struct dp_reply *dp_reply_post(struct dp_core *core, enum dp_reply_kind kind, qr_group group,
			       struct dp_address to);
void dp_reply_flush(struct dp_core *core);

/* ---- repair.c ---- */

void dp_repair_create(struct dp_core *core, struct qr_arena *arena,
		      const struct dp_core_config *config);
/** @return whether it will be tried; else nobody can help, or not now. */
bool dp_repair_ask(struct dp_core *core, struct dp_group *group,
		   const struct store_missing *missing);
/** An entry of this group is being repaired: its readers wait. */
bool dp_repair_is_under_way(const struct dp_core *core, const struct dp_group *group);
/** All members were asked for the entry a short while ago, and none had it. */
bool dp_repair_is_hopeless(const struct dp_core *core, const struct dp_group *group,
			   qr_index index);
void dp_repair_fetched(struct dp_core *core, struct dp_group *group, const struct dp_peer *peer,
		       const struct wire_fetched *fetched);
/** Ask, write, scrub: with the buffers that the turn has left. */
void dp_repair_pump(struct dp_core *core);
qr_ns dp_repair_deadline(const struct dp_core *core);

/* ---- scrub.c ---- */

/** The scrub does not read the group's log any more. */
void dp_scrub_leave(struct dp_core *core, const struct dp_group *group);
void dp_scrub_pump(struct dp_core *core);
qr_ns dp_scrub_deadline(const struct dp_core *core);

/* ---- fetch.c ---- */

void dp_fetch_request(struct dp_core *core, struct dp_group *group, const struct dp_peer *peer,
		      const struct wire_fetch *request);
void dp_fetch_pump(struct dp_core *core);
void dp_fetch_create(struct dp_core *core, struct qr_arena *arena);
/** The group serves nothing for now. */
void dp_fetch_forget(struct dp_core *core, const struct dp_group *group);

/* ---- status.c ---- */

/** @param room_bytes  that the reply's body may take: decides how many groups it holds. */
void dp_status_fill(struct dp_core *core, const struct wire_status *request, size_t room_bytes,
		    struct wire_status_reply *ret_reply);
void dp_status_describe(struct dp_core *core, const struct wire_describe *request,
			struct wire_description *ret_description);

#endif
