/*
 * What must hold, checked after every turn from outside of the code that it is about. The numbers
 * are those of docs/CORRECTNESS.md.
 *
 * The oracle keeps one log per group: the committed entries, learned when the first node says that
 * it has committed them. At that moment they must be on the media of a quorum (8), whose size is
 * computed here and not by consensus. From then on every node, every answer and every read is
 * compared with that one log.
 */
#ifndef QR_TEST_SIM_ORACLE_H
#define QR_TEST_SIM_ORACLE_H

#include "consensus/base/codec.h"
#include "tests/sim/media.h"

struct sim_world;
struct dp_batch;
struct sim_question;

/** A record that a client appended; its id is its position, plus one, with the salt below. */
struct sim_record {
	qr_offset offset; /* where it is in the committed log; UINT64_MAX: not there */
	uint32_t size_bytes;
	uint8_t group;
	bool acked;
	uint64_t invoked; /* counts of events */
	uint64_t answered;
};

/** A reader was told of records, or (count 0) how many there are. */
struct sim_told {
	uint64_t since; /* counts of events */
	uint64_t at;
	qr_offset offset;
	uint32_t count;
};

#define SIM_RECORD_MIN_BYTES 16

struct sim_entry {
	qr_term term;
	qr_term committed_in; /* the term of the node that said so first */
	qr_block block;
	uint32_t blocks;
	qr_offset first_offset;
	uint32_t record_count;
	uint64_t digest; /* of the header: by the chain, of everything up to here */
};

struct sim_session {
	uint64_t session;
	uint64_t next; /* the sequence of its next chunk */
	bool expired;
};

struct sim_log {
	qr_index count;
	uint32_t entry_room;
	struct sim_entry *entries; /* of index 1.. */
	qr_offset record_count;
	uint32_t record_room;
	uint32_t *records; /* by offset: which one */
	uint32_t session_count;
	uint32_t session_room;
	struct sim_session *sessions;
	struct store_start start; /* as agreed in the log */
	qr_offset acked_end;	  /* one past the last record that somebody was told is durable */
	uint32_t told_count;
	uint32_t told_room;
	struct sim_told *told;
	qr_term term_room;
	qr_node *leaders; /* by term; 0: none yet */
};

struct sim_oracle {
	uint32_t record_count;
	uint32_t record_room;
	struct sim_record *records;
	struct sim_log logs[SIM_GROUPS_MAX + 1];
	uint8_t *entry; /* one entry, put together */
	size_t entry_room;
};

void sim_oracle_init(struct sim_oracle *oracle);
void sim_oracle_fini(struct sim_oracle *oracle);

/* ---- nodes ---- */

void sim_oracle_turned(struct sim_world *world, qr_node id);
/** Where the committed log begins. */
qr_block sim_oracle_start(const struct sim_world *world, qr_group group);
/** Damage that the node must mend by itself: another one holds the entry, and the scrub runs. */
bool sim_oracle_is_repairable(struct sim_world *world, qr_node node,
			      const struct sim_image *damage);
/** A write to one of the slots begins: a crash may leave nothing of what is there. */
void sim_oracle_slot(struct sim_world *world, qr_node node, qr_group group, uint32_t number);
/** A write of entries, or of zeros, is on the node's media. */
void sim_oracle_written(struct sim_world *world, qr_node node, qr_group group,
			struct qr_span written);
/** The node's process ends: where it was idle, what do its media hold? */
void sim_oracle_ended(struct sim_world *world, qr_node id);
/** A group of the node has just recovered: over damage that it should have noticed? */
void sim_oracle_recovered(struct sim_world *world, qr_node node, qr_group group);
/** A datagram to a peer leaves: what it promises must be on stable media. */
void sim_oracle_sent(struct sim_world *world, qr_node node, struct qr_span datagram);
/** A datagram to a client leaves: the records in it must be committed. */
void sim_oracle_served(struct sim_world *world, qr_node node, struct qr_span datagram);
/** The world is calm and quiet: logs are at rest, and nothing lies where nothing should. */
void sim_oracle_rest(struct sim_world *world);
/** And all replicas hold what was committed, up to the last byte. */
void sim_oracle_audit(struct sim_world *world);
/** Caught up: every replica has committed all that its leader has. */
bool sim_oracle_is_converged(const struct sim_world *world);
/** The highest term that a node is in. */
qr_term sim_oracle_term(const struct sim_world *world, qr_group number);
/** The node that leads in the highest term that is led; 0: none. */
qr_node sim_oracle_leader(const struct sim_world *world, qr_group number);

/* ---- clients ---- */

/** A new record of that size. @param bytes  filled with what identifies it. @return its number. */
uint32_t sim_oracle_append(struct sim_world *world, qr_group group, uint8_t *bytes,
			   uint32_t size_bytes);
void sim_oracle_acked(struct sim_world *world, uint32_t number, qr_offset offset);
/** @param since  count of events before which it was not asked for. */
void sim_oracle_read(struct sim_world *world, qr_group group, uint64_t since,
		     const struct dp_batch *batch);
/** A linearizable tail is answered. */
void sim_oracle_tail(struct sim_world *world, const struct sim_question *question, qr_offset end);

/* ---- history.c ---- */

void sim_history_read(struct sim_world *world, qr_group group, uint64_t since, qr_offset offset,
		      uint32_t count);
void sim_history_tail(struct sim_world *world, qr_group group, uint64_t since, qr_offset end);
/** Is what clients were told linearizable? */
void sim_history_check(struct sim_world *world);

/* ---- between the oracle's files ---- */

/** (term, vote) as the device promised it. */
struct raft_hard_state sim_promised_state(struct sim_world *world, qr_node node, qr_group group);
/** NULL: the committed log opens no such session. */
struct sim_session *sim_find_session(const struct sim_log *log, uint64_t session);
/** Records that the node gives to somebody are committed there. */
void sim_check_served(struct sim_world *world, qr_node node, qr_group group,
		      const struct dp_batch *batch);
/** The nodes are a majority of each of the configuration's halves. */
bool sim_is_quorum(const struct sim_world *world, qr_nodes nodes);
/** Node `node` says that everything up to `commit` is committed. */
void sim_committed(struct sim_world *world, qr_node node, qr_group number, qr_index commit);
/**
 * Put an entry of a node together from what the device promised.
 * @return its bytes; NULL: the media do not hold such an entry.
 */
const uint8_t *sim_entry_on_media(struct sim_world *world, qr_node node, qr_group group,
				  const struct sim_entry *entry, struct store_entry *ret_entry);

#endif
